package store

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

// Report returns a report for each region that this store leads, ordered by id.
func (s *Store) Report() []*placementpb.RegionReport {
	var out []*placementpb.RegionReport
	for _, r := range s.all() {
		if i := r.Info(); reportable(i) {
			out = append(out, s.report(i))
		}
	}
	return out
}

func reportable(i replica.Info) bool {
	return i.IsLeader && i.Ready && i.Region != nil && !i.Destroyed
}

func (s *Store) report(i replica.Info) *placementpb.RegionReport {
	rep := &placementpb.RegionReport{
		Region: region.Clone(i.Region), LeaderStore: s.ident.StoreID, Term: i.Term,
		SizeBytes: uint64(max(i.SizeBytes, 0)), CleanTs: uint64(i.CleanTS),
		ReadsPerSecond: float64(i.Reads), WritesPerSecond: float64(i.Writes),
	}
	for _, id := range i.DownPeers {
		rep.DownStores = append(rep.DownStores, region.PeerByID(i.Region, id).GetStoreId())
	}
	for _, id := range i.PendingPeers {
		rep.PendingStores = append(rep.PendingStores, region.PeerByID(i.Region, id).GetStoreId())
	}
	return rep
}

// reported is what the reporter was told of a region last, and what it was made of.
type reported struct {
	report *placementpb.RegionReport
	info   replica.Info
}

// unchanged reports whether a report would be the same again.
func (o reported) unchanged(i replica.Info) bool {
	return o.info.Region == i.Region && o.info.Term == i.Term && o.info.SizeBytes == i.SizeBytes && o.info.CleanTS == i.CleanTS &&
		o.info.Reads == i.Reads && o.info.Writes == i.Writes &&
		slices.Equal(o.info.DownPeers, i.DownPeers) && slices.Equal(o.info.PendingPeers, i.PendingPeers)
}

const (
	// reportPeriod is how often changes are reported at least, such as of sizes.
	reportPeriod = time.Second
	// reportPause is how long changes of leaders and ranges are gathered: they are
	// waited for, and many come together.
	reportPause = 20 * time.Millisecond
)

// reportLoop reports what changes until ctx ends.
func (s *Store) reportLoop(ctx context.Context) {
	t := s.o.Clock.NewTicker(reportPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C():
		case <-s.reports.soon:
			if env.Sleep(ctx, s.o.Clock, reportPause) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
		s.reportChanges()
	}
}

// reportSoon has changes reported without waiting for the end of the period.
func (s *Store) reportSoon() {
	select {
	case s.reports.soon <- struct{}{}:
	default:
	}
}

// reportChanges tells the reporter what is new since the last time.
func (s *Store) reportChanges() {
	if s.o.Reporter == nil {
		return
	}
	s.reports.Lock()
	last := s.reports.last
	var changed []*placementpb.RegionReport
	for _, r := range s.reports.todo.take() {
		i := r.Info()
		if !reportable(i) {
			if now := s.replica(r.RegionID()); now == nil || now == r {
				delete(last, r.RegionID())
			}
			continue
		}
		old, found := last[r.RegionID()]
		if found && old.unchanged(i) {
			continue
		}
		rep := s.report(i)
		if !found || worthReporting(old.report, rep) {
			old.report = rep
			changed = append(changed, rep)
		}
		old.info = i
		last[r.RegionID()] = old
	}
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
