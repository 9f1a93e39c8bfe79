package server

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/router"
)

// directory is the node's own copy of placement's directory of regions, fed by
// the watch. It answers without anybody's help, as old as the last update.
type directory struct {
	mu struct {
		sync.Mutex
		byID map[uint64]*placementpb.RegionRoute
		// order holds the same by start key. Invariant: their ranges do not overlap.
		order  []*placementpb.RegionRoute
		stores map[uint64]*metapb.Store
		// changed is closed, and made anew, with every update.
		changed chan struct{}
		full    bool // a full update has come
	}
}

func newDirectory() *directory {
	d := &directory{}
	d.mu.byID = map[uint64]*placementpb.RegionRoute{}
	d.mu.stores = map[uint64]*metapb.Store{}
	d.mu.changed = make(chan struct{})
	return d
}

// update takes in an update of the watch and returns the routes for the router.
func (d *directory) update(u *placementpb.DirectoryUpdate) []router.Route {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u.Full {
		d.mu.byID, d.mu.order = map[uint64]*placementpb.RegionRoute{}, nil
		// A new leader of placement begins with an empty directory: it is full
		// once the stores have reported.
		d.mu.full = len(u.Regions) > 0
	}
	routes := make([]router.Route, 0, len(u.Regions))
	for _, r := range u.Regions {
		d.putLocked(r)
		routes = append(routes, router.Route{Region: r.Region, LeaderStore: r.LeaderStore, Term: r.Term})
	}
	for _, s := range u.Stores {
		d.mu.stores[s.Id] = s
	}
	close(d.mu.changed)
	d.mu.changed = make(chan struct{})
	return routes
}

// putLocked takes a route in, in place of all that overlap it and of what was known
// of the region. Requires: d.mu held.
func (d *directory) putLocked(r *placementpb.RegionRoute) {
	if old := d.mu.byID[r.Region.Id]; old != nil {
		i := d.afterLocked(old.Region.StartKey) - 1
		d.mu.order = slices.Delete(d.mu.order, i, i+1)
	}
	lo := d.afterLocked(r.Region.StartKey)
	for lo > 0 && overlaps(d.mu.order[lo-1].Region, r.Region) {
		lo--
	}
	hi := lo
	for hi < len(d.mu.order) && overlaps(d.mu.order[hi].Region, r.Region) {
		delete(d.mu.byID, d.mu.order[hi].Region.Id)
		hi++
	}
	d.mu.order = slices.Replace(d.mu.order, lo, hi, r)
	d.mu.byID[r.Region.Id] = r
}

// afterLocked is the index of the first route that starts above key.
// Requires: d.mu held.
func (d *directory) afterLocked(key []byte) int {
	return sort.Search(len(d.mu.order), func(i int) bool { return bytes.Compare(d.mu.order[i].Region.StartKey, key) > 0 })
}

func overlaps(a, b *metapb.Region) bool {
	return (len(b.EndKey) == 0 || bytes.Compare(a.StartKey, b.EndKey) < 0) &&
		(len(a.EndKey) == 0 || bytes.Compare(b.StartKey, a.EndKey) < 0)
}

// regions returns the routes by start key.
func (d *directory) regions() []*placementpb.RegionRoute {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.mu.order)
}

func (d *directory) storeList() []*metapb.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*metapb.Store, 0, len(d.mu.stores))
	for _, s := range d.mu.stores {
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Id < out[j].Id })
	return out
}

// wait calls f after each update until it is true or ctx ends.
func (d *directory) wait(ctx context.Context, f func() bool) error {
	for {
		d.mu.Lock()
		changed := d.mu.changed
		d.mu.Unlock()
		if f() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LookupKey implements router.Directory. It waits while no region is known for
// the key, as just after the start.
func (d *directory) LookupKey(ctx context.Context, key []byte) (router.Route, error) {
	var found router.Route
	err := d.wait(ctx, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		i := d.afterLocked(key) - 1
		if i < 0 {
			return false
		}
		r := d.mu.order[i]
		found = router.Route{Region: r.Region, LeaderStore: r.LeaderStore, Term: r.Term}
		return len(r.Region.EndKey) == 0 || bytes.Compare(key, r.Region.EndKey) < 0
	})
	if err != nil {
		return router.Route{}, fmt.Errorf("no region is known for key %x: %w", key, err)
	}
	return found, nil
}

// LookupID implements router.Directory.
func (d *directory) LookupID(_ context.Context, id uint64) (router.Route, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.mu.byID[id]
	if r == nil {
		return router.Route{}, fmt.Errorf("region %d is not known", id)
	}
	return router.Route{Region: r.Region, LeaderStore: r.LeaderStore, Term: r.Term}, nil
}
