package router

import (
	"context"
	"fmt"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

// find returns the route of key from the table, or from the directory if the
// table has none or a doubtful one. A doubtful one is used when the directory
// cannot help: regions correct it.
func (r *Router) find(ctx context.Context, key []byte, before bool) (Route, error) {
	r.mu.RLock()
	e := r.mu.table.find(key, before)
	var rt Route
	stale := e == nil || e.stale
	if e != nil {
		rt = e.route()
	}
	r.mu.RUnlock()
	if !stale {
		return rt, nil
	}
	if r.opts.Directory == nil {
		if rt.Region != nil {
			return rt, nil
		}
		return Route{}, fmt.Errorf("no region is known for key %x", key)
	}
	fresh, err := r.lookupDirectory(ctx, key, before)
	if err != nil {
		if rt.Region != nil && ctx.Err() == nil {
			return rt, nil
		}
		return Route{}, fmt.Errorf("look up region of key %x: %w", key, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.table.insert(fresh)
	if e := r.mu.table.find(key, before); e != nil {
		e.stale = false
		return e.route(), nil
	}
	return Route{}, fmt.Errorf("look up region of key %x: the directory's answer is older than what is known", key)
}

// lookupDirectory asks the directory. It only knows how to find the region of a
// key, so the region below one is found by walking left from the region that
// holds it.
func (r *Router) lookupDirectory(ctx context.Context, key []byte, before bool) (Route, error) {
	if !before {
		rt, err := r.opts.Directory.LookupKey(ctx, key)
		if err == nil && (rt.Region == nil || !contains(rt.Region, key, false)) {
			return Route{}, fmt.Errorf("the directory answered with region %d, which does not hold it", rt.Region.GetId())
		}
		return rt, err
	}
	probe := predecessor(key)
	for {
		rt, err := r.opts.Directory.LookupKey(ctx, probe)
		if err != nil {
			return Route{}, err
		}
		if rt.Region == nil || !contains(rt.Region, probe, false) {
			return Route{}, fmt.Errorf("the directory answered with region %d, which does not hold it", rt.Region.GetId())
		}
		if contains(rt.Region, key, true) {
			return rt, nil
		}
		// The region ends below key: the one wanted is further right.
		probe = rt.Region.GetEndKey()
	}
}

// predecessor returns a key below key (or below infinity, if key is empty) that
// is close to it: not the closest, there is none.
func predecessor(key []byte) []byte {
	if len(key) == 0 {
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	p := append([]byte(nil), key...)
	last := len(p) - 1
	if p[last] == 0 {
		return p[:last]
	}
	p[last]--
	return append(p, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}

// leads notes that a store answered for a region: it leads it.
func (r *Router) leads(rt Route, store uint64) {
	if rt.LeaderStore == store {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.table.byID(rt.Region.GetId()); e != nil && e.leader == 0 {
		e.avoid = 0
		e.setLeader(store)
	}
}

// notLeading notes that asking a store for a region was in vain.
func (r *Router) notLeading(rt Route, store uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.table.byID(rt.Region.GetId()); e != nil && e.term <= rt.Term {
		if e.leader == store {
			e.leader = 0
		}
		if e.leader == 0 {
			e.avoid = store
		}
	}
}

// distrust makes the next lookup of a region ask the directory.
func (r *Router) distrust(rt Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.table.byID(rt.Region.GetId()); e != nil {
		e.stale = true
	}
}

// hint takes a NotLeader answer and reports whether it named another store.
func (r *Router) hint(rt Route, store uint64, nl *kvpb.NotLeader) bool {
	leader := nl.GetLeader().GetStoreId()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.table.byID(rt.Region.GetId())
	if e == nil {
		return false
	}
	if nl.GetTerm() > e.term {
		e.term, e.leader = nl.GetTerm(), 0
	}
	if e.leader == store {
		e.leader = 0
	}
	if e.leader == 0 {
		e.avoid = store
	}
	if leader == 0 || leader == store || r.stores.Suspected(leader) {
		// A follower remembers a leader that is gone for longer than this node
		// believes in it. If it lives after all it is asked in its turn.
		return e.leader != 0
	}
	if nl.GetTerm() >= e.term {
		e.setLeader(leader)
		if e.avoid == leader {
			e.avoid = 0
		}
	}
	return e.leader != 0
}

// learnRegions takes the regions that a store knows and reports whether that
// changed the route.
func (r *Router) learnRegions(rt Route, store uint64, regions []*metapb.Region) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := rt.Region.GetId()
	learn := func(reg *metapb.Region) {
		n := Route{Region: reg}
		if rt.LeaderStore == store {
			// The halves of a split are most likely led by the same store.
			n.LeaderStore = store
		}
		if old := r.mu.table.byID(reg.GetId()); old == nil || compareEpoch(old.region.GetEpoch(), reg.GetEpoch()) < 0 {
			r.mu.table.insert(n)
		}
	}
	// The region itself first: it passes its leader on to its own next epoch.
	for _, own := range []bool{true, false} {
		for _, reg := range regions {
			if reg != nil && (reg.GetId() == id) == own {
				learn(reg)
			}
		}
	}
	cur := r.mu.table.byID(id)
	return cur == nil || compareEpoch(cur.region.GetEpoch(), rt.Region.GetEpoch()) != 0
}
