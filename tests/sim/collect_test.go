package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/store"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// safePoint moves the bounds of the garbage collection as placement does: a fence
// that follows the oracle at a distance, and a point that follows what every region
// reported clean. Reports and news of the bounds come late, or not at all.
//
// It keeps every version that is given up, so that the history can still be judged,
// and checks that no version appears below the point afterwards.
type safePoint struct {
	w              *world
	fence, collect timestamp.Timestamp
	reports        map[uint64]*placementpb.RegionReport
	archive        map[string]map[timestamp.Timestamp]string
	settler        *client
}

func newSafePoint(w *world) *safePoint {
	return &safePoint{w: w, reports: make(map[uint64]*placementpb.RegionReport),
		archive: make(map[string]map[timestamp.Timestamp]string), settler: newClient(w, 5000)}
}

func (s *safePoint) passed(ts timestamp.Timestamp) bool { return ts < s.fence }

// forgotten reports whether an answer may rightly say that nothing is known of a
// transaction any more.
func (s *safePoint) forgotten(res result, start timestamp.Timestamp) bool {
	return res.resp.GetRegionError() != nil && start < s.collect
}

func (s *safePoint) run() {
	w := s.w
	if w.plan.retention == 0 {
		return
	}
	w.after(between(w.rngClient, 300*time.Millisecond, 1500*time.Millisecond), "safe point", func() {
		s.hear()
		s.advance()
		s.tell()
		if w.failure == nil {
			s.run()
		}
	})
}

// hear takes reports of some stores, as the directory of placement does.
func (s *safePoint) hear() {
	w := s.w
	for _, n := range w.nodes {
		if n.s == nil || n.asleep() || !w.quiet && chance(w.rngClient, 0.3) {
			continue
		}
		for _, r := range n.s.Report() {
			takeReport(s.reports, r)
		}
	}
}

func (s *safePoint) advance() {
	w := s.w
	now := w.oracle.next()
	if ms := now.PhysicalMs() - w.plan.retention.Milliseconds(); ms > 0 {
		s.fence = max(s.fence, timestamp.Make(ms, 0))
	}
	to := s.fence
	list := slices.SortedFunc(maps.Values(s.reports), func(a, b *placementpb.RegionReport) int {
		return cmp.Compare(string(a.GetRegion().GetStartKey()), string(b.GetRegion().GetStartKey()))
	})
	var end []byte
	for i, r := range list {
		if string(r.GetRegion().GetStartKey()) != string(end) || i > 0 && len(end) == 0 {
			return // not the whole key space
		}
		end = r.GetRegion().GetEndKey()
		if r.GetRegion().GetId() != region.PlacementID {
			to = min(to, timestamp.Timestamp(r.GetCleanTs()))
		}
	}
	if len(list) == 0 || len(end) != 0 || to <= s.collect {
		return
	}
	if s.keep(to) {
		s.collect = to
		w.count("safe points")
	}
}

// keep reads the versions at or below a new point before anybody may delete them.
// It reports false if no store that is up has a region's newest state.
func (s *safePoint) keep(to timestamp.Timestamp) bool {
	w := s.w
	fresh := make(map[string]map[timestamp.Timestamp]string)
	for i := range w.plan.keys {
		key := w.key(i)
		var best *node
		var applied uint64
		d := w.directory([]byte(key))
		for _, n := range w.nodes {
			if n.s == nil || d == nil {
				continue
			}
			for _, in := range n.s.Regions() {
				if in.Region.GetId() == d.GetId() && in.Leader.GetStoreId() == n.id && in.Fence >= to && in.AppliedIndex >= applied {
					best, applied = n, in.AppliedIndex
				}
			}
		}
		if best == nil {
			return false
		}
		vs, err := committedVersions(best, key)
		if err != nil {
			w.violate("versions can be read", "%s on store %d: %v", key, best.id, err)
			return false
		}
		fresh[key] = vs
	}
	for key, vs := range fresh {
		if s.archive[key] == nil {
			s.archive[key] = make(map[timestamp.Timestamp]string)
		}
		for ts, v := range vs {
			switch _, known := s.archive[key][ts]; {
			case ts > to || known:
			case ts <= s.collect:
				w.violate("the safe point is final", "%s has %q at %v, which appeared below the point %v", key, v, ts, s.collect)
				return false
			default:
				s.archive[key][ts] = v
			}
		}
	}
	return true
}

// committedVersions reads the versions of a key that a node holds, beside a lock.
func committedVersions(n *node, key string) (map[timestamp.Timestamp]string, error) {
	out := make(map[timestamp.Timestamp]string)
	l, err := mvcc.GetLock(n.eng.State, []byte(key))
	if err != nil {
		return nil, err
	}
	o := mvcc.ReadOptions{TS: timestamp.Max}
	if l != nil {
		o.Ignore = append(o.Ignore, l.StartTS)
	}
	for {
		v, err := mvcc.Get(n.eng.State, []byte(key), o)
		if err != nil || !v.Found {
			return out, err
		}
		out[v.CommitTS] = string(v.Value)
		o.TS = v.CommitTS - 1
	}
}

// tell hands the bounds to most stores.
func (s *safePoint) tell() {
	w := s.w
	for _, n := range w.nodes {
		if n.s != nil && (w.quiet || !chance(w.rngClient, 0.3)) {
			n.s.SetGC(store.GCPoint{Fence: s.fence, Collect: s.collect, Now: w.oracle.next()})
		}
	}
}

// oldLocks settles locks that keep the point back, as a gateway would.
func (s *safePoint) oldLocks(locks []mvcc.KeyLock) {
	w := s.w
	w.after(time100us, "old locks", func() {
		for _, l := range locks {
			w.count("old locks")
			s.settler.resolve(&kvpb.LockInfo{Key: l.Key, Primary: l.Lock.Primary, StartTs: uint64(l.Lock.StartTS), TtlMs: l.Lock.TTLms}, 0,
				w.now+opTimeout, func(bool) {})
		}
	})
}

// withArchive adds to a key's versions those that were given up.
func (s *safePoint) withArchive(key string, vs []version) []version {
	have := make(map[timestamp.Timestamp]bool)
	for _, v := range vs {
		have[v.commit] = true
		if _, kept := s.archive[key][v.commit]; !kept && v.commit <= s.collect {
			s.w.violate("the safe point is final", "%s has %q at %v, which appeared below the point %v", key, v.value, v.commit, s.collect)
		}
	}
	for ts, v := range s.archive[key] {
		if !have[ts] {
			vs = append(vs, version{ts, v})
		}
	}
	slices.SortFunc(vs, func(a, b version) int { return cmp.Compare(a.commit, b.commit) })
	return vs
}
