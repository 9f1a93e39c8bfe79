package store

import (
	"time"

	"github.com/quorate-db/quorate/region"
)

// Look is what one glance at a replica shows, for people: what it costs does not
// depend on the size of the region's descriptor.
type Look struct {
	RegionID, PeerID uint64
	LeaderStore      uint64 // 0 while unknown
	Term, Applied    uint64
	SizeBytes        int64
	Leads            bool // and has applied an entry of its term
	// At the leader only: the stores of peers that were not heard of for a while, and
	// of those that lag.
	DownStores, PendingStores []uint64
}

// Looks returns a glance at the replica of one region, or at all (0), in no order.
func (s *Store) Looks(only uint64) []Look {
	var out []Look
	for _, r := range s.all() {
		if only != 0 && r.RegionID() != only {
			continue
		}
		i := r.Info()
		if i.Region == nil || i.Destroyed {
			continue
		}
		l := Look{RegionID: r.RegionID(), PeerID: i.Peer.GetId(), LeaderStore: i.Leader.GetStoreId(), Term: i.Term,
			Applied: i.AppliedIndex, SizeBytes: i.SizeBytes, Leads: i.IsLeader && i.Ready}
		for _, id := range i.DownPeers {
			l.DownStores = append(l.DownStores, region.PeerByID(i.Region, id).GetStoreId())
		}
		for _, id := range i.PendingPeers {
			l.PendingStores = append(l.PendingStores, region.PeerByID(i.Region, id).GetStoreId())
		}
		out = append(out, l)
	}
	return out
}

// Heard returns for each store that this one shares a region with how long ago it was
// heard of; less than zero if it never was.
func (s *Store) Heard() map[uint64]time.Duration {
	v, now, _ := s.live.look()
	out := make(map[uint64]time.Duration, len(v.Peers))
	for _, p := range v.Peers {
		out[p.Store] = -1
		if p.HeardAt >= 0 {
			out[p.Store] = now - p.HeardAt
		}
	}
	return out
}

// SetSplitSize sets the size in bytes above which regions that this store leads are
// split; 0 is that of the options.
func (s *Store) SetSplitSize(bytes int64) {
	if s.splitAt.Swap(bytes) == bytes {
		return
	}
	for _, r := range s.all() {
		s.touched.note(r) // looked at with the next sync
	}
}

func (s *Store) splitSize() int64 {
	if n := s.splitAt.Load(); n > 0 {
		return n
	}
	return s.o.SplitSizeBytes
}
