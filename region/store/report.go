package store

import (
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

// Report returns a report for each region that this store leads, ordered by id.
func (s *Store) Report() []*placementpb.RegionReport {
	var out []*placementpb.RegionReport
	for _, r := range s.all() {
		i := r.Info()
		if !i.IsLeader || !i.Ready || i.Region == nil || i.Destroyed {
			continue
		}
		rep := &placementpb.RegionReport{
			Region: region.Clone(i.Region), LeaderStore: s.ident.StoreID, Term: i.Term,
			SizeBytes: uint64(max(i.SizeBytes, 0)), CleanTs: uint64(i.CleanTS),
		}
		for _, id := range i.DownPeers {
			rep.DownStores = append(rep.DownStores, region.PeerByID(i.Region, id).GetStoreId())
		}
		for _, id := range i.PendingPeers {
			rep.PendingStores = append(rep.PendingStores, region.PeerByID(i.Region, id).GetStoreId())
		}
		out = append(out, rep)
	}
	return out
}

// reportChanges tells the reporter what is new since the last time.
func (s *Store) reportChanges() {
	if s.o.Reporter == nil {
		return
	}
	now := s.Report()
	s.reports.Lock()
	last := s.reports.last
	next := make(map[uint64]*placementpb.RegionReport, len(now))
	var changed []*placementpb.RegionReport
	for _, rep := range now {
		id := rep.GetRegion().GetId()
		if old := last[id]; old != nil && !worthReporting(old, rep) {
			next[id] = old
			continue
		}
		next[id] = rep
		changed = append(changed, rep)
	}
	s.reports.last = next
	s.reports.Unlock()
	if len(changed) > 0 {
		s.o.Reporter.RegionsChanged(changed)
	}
}

// worthReporting ignores growth by less than a tenth.
func worthReporting(old, now *placementpb.RegionReport) bool {
	a, b := old.GetSizeBytes(), now.GetSizeBytes()
	if grown := max(a, b) - min(a, b); grown > 1<<20 && grown > a/10 {
		return true
	}
	x, y := proto.Clone(old).(*placementpb.RegionReport), proto.Clone(now).(*placementpb.RegionReport)
	x.SizeBytes, y.SizeBytes = 0, 0
	return !proto.Equal(x, y)
}
