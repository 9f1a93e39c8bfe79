package router

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/quorate-db/quorate/proto/metapb"
)

// table holds routes ordered by start key. It is a plain value: Router.mu guards
// it. Invariant: entries never overlap.
type table struct {
	entries []*entry
	ids     map[uint64]*entry
}

type entry struct {
	region *metapb.Region
	leader uint64 // 0: unknown
	term   uint64 // newest term heard of
	// avoid is a store that was found not to lead in the current term; it is
	// asked last.
	avoid uint64
	// stale: ask the directory before the next use.
	stale bool
	// found is closed when a leader is known; nil while nobody waits for that.
	found chan struct{}
}

// setLeader notes who leads, 0: nobody knows.
func (e *entry) setLeader(store uint64) {
	e.leader = store
	if store != 0 && e.found != nil {
		close(e.found)
		e.found = nil
	}
}

// awaitLeader returns a channel that is closed when a leader is known; nil if one is, or
// when the region is not known at all.
func (t *table) awaitLeader(id uint64) <-chan struct{} {
	e := t.ids[id]
	if e == nil || e.leader != 0 {
		return nil
	}
	if e.found == nil {
		e.found = make(chan struct{})
	}
	return e.found
}

func newTable() table { return table{ids: make(map[uint64]*entry)} }

func (e *entry) route() Route { return Route{Region: e.region, LeaderStore: e.leader, Term: e.term} }

// find returns the entry that contains key, or with before set the keys right
// below key, or nil.
func (t *table) find(key []byte, before bool) *entry {
	i := t.position(key, before)
	if i < 0 || !contains(t.entries[i].region, key, before) {
		return nil
	}
	return t.entries[i]
}

// position returns the index of the last entry that starts at or below key (with
// before set: below key, where an empty key is infinity), or -1.
func (t *table) position(key []byte, before bool) int {
	if before && len(key) == 0 {
		return len(t.entries) - 1
	}
	return sort.Search(len(t.entries), func(i int) bool {
		c := bytes.Compare(t.entries[i].region.GetStartKey(), key)
		return c > 0 || before && c == 0
	}) - 1
}

func (t *table) byID(id uint64) *entry { return t.ids[id] }

func (t *table) routes() []Route {
	out := make([]Route, len(t.entries))
	for i, e := range t.entries {
		out[i] = e.route()
	}
	return out
}

func (t *table) update(routes []Route, full bool) {
	var old []*entry
	if full {
		old = t.entries
		*t = newTable()
	}
	for _, rt := range routes {
		if rt.Region != nil {
			t.insert(rt)
		}
	}
	// What was learned from regions may be newer than what was pushed.
	for _, e := range old {
		t.restore(e)
	}
}

// insert takes one route in, unless something newer overlaps it.
func (t *table) insert(rt Route) {
	if known := t.ids[rt.Region.GetId()]; known != nil {
		switch compareEpoch(rt.Region.GetEpoch(), known.region.GetEpoch()) {
		case -1:
			return
		case 0:
			known.stale = false
			known.learnLeader(rt.LeaderStore, rt.Term)
			return
		}
	}
	lo, hi := t.overlap(rt.Region)
	for _, e := range t.entries[lo:hi] {
		if e.region.GetId() != rt.Region.GetId() && e.region.GetEpoch().GetVersion() >= rt.Region.GetEpoch().GetVersion() {
			return
		}
	}
	e := &entry{region: rt.Region, leader: rt.LeaderStore, term: rt.Term}
	if known := t.ids[rt.Region.GetId()]; known != nil {
		// The leader outlives a split or a change of members.
		e.leader, e.term, e.avoid = known.leader, known.term, known.avoid
		e.learnLeader(rt.LeaderStore, rt.Term)
		if !e.hasPeerOn(e.leader) {
			e.leader = 0
		}
		known.setLeader(e.leader) // whoever waits finds the new entry
		t.remove(known)
		lo, hi = t.overlap(rt.Region)
	}
	t.replace(lo, hi, e)
}

// restore puts an entry of a former table back if nothing as new covers it.
func (t *table) restore(old *entry) {
	if known := t.ids[old.region.GetId()]; known != nil && compareEpoch(old.region.GetEpoch(), known.region.GetEpoch()) == 0 {
		if known.leader == 0 || old.term > known.term {
			known.term = max(old.term, known.term)
			known.setLeader(old.leader)
		}
		known.avoid = old.avoid
		return
	}
	t.insert(old.route())
}

// overlap returns the index range of entries that overlap the region.
func (t *table) overlap(region *metapb.Region) (lo, hi int) {
	start, end := region.GetStartKey(), region.GetEndKey()
	lo = sort.Search(len(t.entries), func(i int) bool {
		e := t.entries[i].region.GetEndKey()
		return len(e) == 0 || bytes.Compare(e, start) > 0
	})
	hi = lo
	for hi < len(t.entries) && (len(end) == 0 || bytes.Compare(t.entries[hi].region.GetStartKey(), end) < 0) {
		hi++
	}
	return lo, hi
}

func (t *table) replace(lo, hi int, e *entry) {
	for _, x := range t.entries[lo:hi] {
		delete(t.ids, x.region.GetId())
	}
	t.entries = slices.Replace(t.entries, lo, hi, e)
	t.ids[e.region.GetId()] = e
}

func (t *table) remove(e *entry) {
	i := t.position(e.region.GetStartKey(), false)
	t.entries = slices.Delete(t.entries, i, i+1)
	delete(t.ids, e.region.GetId())
}

// learnLeader takes news of a leader. News of an older term is ignored, and so is
// news of the same term that names a store which was found not to lead in it.
func (e *entry) learnLeader(store, term uint64) {
	if store == 0 || term != 0 && term < e.term || term == e.term && e.avoid == store && term != 0 {
		return
	}
	if term > e.term {
		e.avoid = 0
	}
	e.term = max(e.term, term)
	e.setLeader(store)
}

func (e *entry) hasPeerOn(store uint64) bool {
	for _, p := range e.region.GetPeers() {
		if p.GetStoreId() == store {
			return true
		}
	}
	return false
}

func (t *table) suspect(store uint64) {
	for _, e := range t.entries {
		if e.leader == store {
			e.setLeader(0)
			e.avoid = store
		}
	}
}

// compareEpoch orders the epochs of one region.
func compareEpoch(a, b *metapb.Epoch) int {
	return cmp.Or(cmp.Compare(a.GetVersion(), b.GetVersion()), cmp.Compare(a.GetConfVer(), b.GetConfVer()))
}
