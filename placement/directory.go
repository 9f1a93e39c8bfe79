package placement

import (
	"bytes"
	"slices"
	"sort"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// entry is what the directory knows of one region.
type entry struct {
	region  *metapb.Region // never changed in place
	leader  uint64         // store; 0 while unknown
	term    uint64
	size    uint64
	down    []uint64
	pending []uint64
	writes  float64
	reads   float64
	clean   timestamp.Timestamp // no lock from below it is left
}

// plansDiffer reports whether the schedulers may plan something else than for old. How
// far a region is clean of old locks, which is told of thousands of idle regions, is
// nothing to them.
func (e *entry) plansDiffer(old *entry) bool {
	if e == nil || old == nil {
		return e != old
	}
	return e.leader != old.leader || e.size != old.size || newer(e.region.Epoch, old.region.Epoch) ||
		!slices.Equal(e.down, old.down) || !slices.Equal(e.pending, old.pending)
}

func (e *entry) route() *placementpb.RegionRoute {
	return &placementpb.RegionRoute{Region: e.region, LeaderStore: e.leader, Term: e.term, SizeBytes: e.size}
}

// directory maps key ranges to regions and their leaders, from reports. It is a
// plain value: its owner locks.
//
// Invariant: the ranges of the entries do not overlap. A report whose region is
// older than what it would displace is dropped.
type directory struct {
	byID  map[uint64]*entry
	order []*entry // by start key
}

func newDirectory() *directory { return &directory{byID: map[uint64]*entry{}} }

// newer reports whether epoch a was reached after b. Versions rise with splits
// and merges, conf versions with membership; neither goes back.
func newer(a, b *metapb.Epoch) bool {
	return a.GetVersion() > b.GetVersion() ||
		a.GetVersion() == b.GetVersion() && a.GetConfVer() > b.GetConfVer()
}

func overlap(a, b *metapb.Region) bool {
	return (len(b.EndKey) == 0 || bytes.Compare(a.StartKey, b.EndKey) < 0) &&
		(len(a.EndKey) == 0 || bytes.Compare(b.StartKey, a.EndKey) < 0)
}

// apply merges a report in and says whether the route changed.
func (d *directory) apply(r *placementpb.RegionReport) bool {
	if r.GetRegion() == nil {
		return false
	}
	old := d.byID[r.Region.Id]
	if old != nil {
		if newer(old.region.Epoch, r.Region.Epoch) || r.Term < old.term {
			return false
		}
	}
	// Everything that the report displaces must be older than it is.
	lo, hi := d.overlapping(r.Region)
	for _, e := range d.order[lo:hi] {
		if e.region.Id != r.Region.Id && e.region.Epoch.GetVersion() > r.Region.Epoch.GetVersion() {
			return false
		}
	}
	changed := old == nil || old.leader != r.LeaderStore || old.term != r.Term ||
		newer(r.Region.Epoch, old.region.Epoch)
	// A size that moved by an eighth is worth telling the watchers.
	if old != nil && !changed {
		lo, hi := old.size, r.SizeBytes
		if lo > hi {
			lo, hi = hi, lo
		}
		changed = hi-lo > 4096 && hi-lo > hi/8
	}
	e := &entry{
		region: r.Region, leader: r.LeaderStore, term: r.Term, size: r.SizeBytes,
		down: r.DownStores, pending: r.PendingStores, writes: r.WritesPerSecond, reads: r.ReadsPerSecond, clean: timestamp.Timestamp(r.CleanTs),
	}
	d.replace(e)
	return changed
}

// replace puts e in and drops what it overlaps.
func (d *directory) replace(e *entry) {
	if old := d.byID[e.region.Id]; old != nil {
		i := d.after(old.region.StartKey) - 1
		d.order = slices.Delete(d.order, i, i+1)
	}
	lo, hi := d.overlapping(e.region)
	for _, o := range d.order[lo:hi] {
		delete(d.byID, o.region.Id)
	}
	d.order = slices.Replace(d.order, lo, hi, e)
	d.byID[e.region.Id] = e
}

// after is the index of the first entry that starts above key.
func (d *directory) after(key []byte) int {
	return sort.Search(len(d.order), func(i int) bool { return bytes.Compare(d.order[i].region.StartKey, key) > 0 })
}

// overlapping is the range of the entries that overlap r; empty, where r belongs.
func (d *directory) overlapping(r *metapb.Region) (lo, hi int) {
	lo = d.after(r.StartKey)
	for lo > 0 && overlap(d.order[lo-1].region, r) {
		lo--
	}
	hi = lo
	for hi < len(d.order) && overlap(d.order[hi].region, r) {
		hi++
	}
	return lo, hi
}

// dropLeader forgets that a store leads: it stopped reporting.
func (d *directory) dropLeader(store uint64) (changed []*entry) {
	for i, e := range d.order {
		if e.leader != store {
			continue
		}
		c := *e
		c.leader = 0
		d.order[i] = &c
		d.byID[c.region.Id] = &c
		changed = append(changed, &c)
	}
	return changed
}

// lookup returns the region that holds key, nil if none is known.
func (d *directory) lookup(key []byte) *entry {
	i := d.after(key)
	if i == 0 {
		return nil
	}
	e := d.order[i-1]
	if len(e.region.EndKey) > 0 && bytes.Compare(key, e.region.EndKey) >= 0 {
		return nil
	}
	return e
}

// isBorder reports whether a region begins at key, or one ends there: what begins there
// may not be known yet.
func (d *directory) isBorder(key []byte) bool {
	i := d.after(key)
	if i == 0 {
		return false
	}
	// What ends at key is the last one that begins before it.
	r := d.order[i-1].region
	return bytes.Equal(r.StartKey, key) || bytes.Equal(r.EndKey, key)
}

// complete reports whether the regions tile the key space and all have a leader.
func (d *directory) complete() bool {
	var at []byte
	for i, e := range d.order {
		if e.leader == 0 || !bytes.Equal(at, e.region.StartKey) {
			return false
		}
		if len(e.region.EndKey) == 0 {
			return i == len(d.order)-1
		}
		at = e.region.EndKey
	}
	return false
}

func cloneStore(s *metapb.Store) *metapb.Store { return proto.Clone(s).(*metapb.Store) }
