package scheduler

import (
	"fmt"

	"github.com/quorate-db/quorate/proto/metapb"
)

// Merges plans to join neighbours that are small together: the left one takes the
// right one. A boundary that somebody asked for is kept, a range that changed a while
// ago is left alone, and nothing else may be amiss with either. No region is in two
// plans of a round.
func Merges(s *Snapshot) []Plan {
	var plans []Plan
	for i := 0; i+1 < len(s.Regions); i++ {
		l, r := &s.Regions[i], &s.Regions[i+1]
		if r.Sticky || l.Size+r.Size >= s.MergeBelow || !s.joinable(l) || !s.joinable(r) {
			continue
		}
		plans = append(plans, Plan{Kind: Merge, RegionID: l.ID, Epoch: l.Epoch, Source: r.ID,
			Reason: fmt.Sprintf("regions %d and %d hold %.1f MB together, less than %.1f MB", l.ID, r.ID,
				float64(l.Size+r.Size)/(1<<20), float64(s.MergeBelow)/(1<<20))})
		i++
	}
	return plans
}

func (s *Snapshot) joinable(r *Region) bool {
	if !r.Rested || r.Busy || r.Held || r.Costly || r.Leader == 0 || r.MergesInto != 0 || len(r.Pending) > 0 || len(r.Down) > 0 {
		return false
	}
	for _, p := range r.Peers {
		if p.Role != metapb.PeerRole_VOTER || s.gone(p.StoreId) != "" {
			return false
		}
		if st := s.store(p.StoreId); st == nil || !st.Live {
			return false
		}
	}
	return len(r.Peers) >= min(s.full(), s.usable())
}

// Settle plans the end of merges that go on for too long: whoever led them is gone, and
// their source serves nothing.
func Settle(s *Snapshot) []Plan {
	var plans []Plan
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.MergesInto != 0 && r.Stuck && !r.Busy && r.Leader != 0 {
			plans = append(plans, Plan{Kind: SettleMerge, RegionID: r.ID, Epoch: r.Epoch,
				Reason: fmt.Sprintf("its merge into region %d does not end", r.MergesInto)})
		}
	}
	return plans
}
