package placement

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// splitChecker and planner name what is no scheduler but has a say.
const (
	splitChecker = "split-checker"
	planner      = "planner"
)

// Explain says why a region is where it is and as it is, as far as this leader of
// placement knows: who leads it since when, what each scheduler thinks of it, and what
// happened to it since this leader took over.
func (s *Service) Explain(id uint64) (*placementpb.ExplainResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.mu.lead
	if l == nil {
		return nil, s.notLeader()
	}
	e := l.dir.byID[id]
	if e == nil {
		return nil, fmt.Errorf("placement knows no region %d", id)
	}
	resp := &placementpb.ExplainResponse{LeaderStore: e.leader, Term: e.term, KnownSinceUnixMs: l.since.UnixMilli(), PlacementStore: s.o.StoreID}
	if p := l.past[id]; p != nil {
		resp.LeaderWhy, resp.Events = p.why, p.events
		if !p.since.IsZero() && p.leader == e.leader && p.term == e.term {
			resp.LeaderSinceUnixMs = p.since.UnixMilli()
		}
	}
	for _, o := range s.mu.history {
		if o.RegionId == id {
			resp.Operators = append(resp.Operators, proto.Clone(o).(*placementpb.Operator))
		}
	}
	if op := l.ops[id]; op != nil {
		resp.Operators = append(resp.Operators, proto.Clone(op.info).(*placementpb.Operator))
	}
	resp.Verdicts = s.verdictsLocked(l, e)
	return resp, nil
}

// verdictsLocked asks each checker. Requires: s.mu held.
func (s *Service) verdictsLocked(l *leadership, e *entry) []*placementpb.Verdict {
	now := s.o.Clock.Now()
	var out []*placementpb.Verdict
	add := func(checker string, v scheduler.Verdict) {
		if v == (scheduler.Verdict{}) {
			return
		}
		if until := l.paused[checker]; now.Before(until) {
			v = scheduler.Verdict{State: "paused", Why: fmt.Sprintf("paused for %s more; else: %s (%s)", round(until.Sub(now)), v.State, v.Why), Try: "quorate scheduler resume " + checker}
		}
		out = append(out, &placementpb.Verdict{Checker: checker, State: v.State, Why: v.Why, Try: v.Try})
	}
	if why := l.idle(now); why != "" {
		add(planner, scheduler.Verdict{State: scheduler.Waits, Why: why, Try: "quorate status"})
	}
	snap := s.snapshotLocked(l)
	x, ok := scheduler.NewExplain(snap, e.region.Id, s.notesLocked(l, e, now))
	if !ok {
		return out
	}
	late := func(v scheduler.Verdict) scheduler.Verdict {
		if n := len(l.ops); v.State == scheduler.Plans && n > 0 {
			v.State, v.Why = scheduler.Waits, fmt.Sprintf("%s; it comes after the %d operators that run", v.Why, n)
		}
		return v
	}
	right, left := x.Merge()
	add(replicaChecker, x.Replicas())
	add(splitChecker, l.splitVerdict(&s.o, e))
	add(mergeChecker, late(right))
	add(mergeChecker, late(left))
	add(balanceRegion, late(x.Balance()))
	add(balanceLeader, late(x.Leaders()))
	add(evictLeader, x.Evict())
	add(mergeSettler, x.Settle())
	return out
}

// idle says why nothing at all is planned, "" if something may be.
func (l *leadership) idle(now time.Time) string {
	switch {
	case now.Sub(l.since) < settleFor && len(l.stores) > 1:
		return "placement has a new leader, which collects reports first"
	case !l.dir.complete():
		for _, e := range l.dir.order {
			if e.leader == 0 {
				return fmt.Sprintf("nothing is planned while region %d has no leader", e.region.Id)
			}
		}
		return "nothing is planned while not all regions are known"
	}
	return ""
}

func (l *leadership) splitVerdict(o *Options, e *entry) scheduler.Verdict {
	at := l.setting(o, settingSplitSize)
	switch {
	case e.region.Id == groupRegion:
		return scheduler.Verdict{State: scheduler.Content, Why: "it holds the state of placement and is never split"}
	case int64(e.size) > at:
		return scheduler.Verdict{State: scheduler.Waits, Why: fmt.Sprintf("it holds about %.1f MB, more than %s: the store that leads it looks for places to cut it at", float64(e.size)/mib, formatSize(at))}
	}
	return scheduler.Verdict{State: scheduler.Content, Why: fmt.Sprintf("it holds about %.1f MB and is split above %s", float64(e.size)/mib, formatSize(at)),
		Try: fmt.Sprintf("quorate region split %d", e.region.Id)}
}

// notesLocked puts into words what the schedulers know as yes or no, for a region and
// its neighbours. Requires: s.mu held.
func (s *Service) notesLocked(l *leadership, e *entry, now time.Time) scheduler.Notes {
	n := scheduler.Notes{Busy: map[uint64]string{}, Rests: map[uint64]string{}, Stores: map[uint64]string{}}
	about := []*entry{e}
	i := l.dir.after(e.region.StartKey) - 1
	if i > 0 {
		about = append(about, l.dir.order[i-1])
	}
	if i+1 < len(l.dir.order) {
		about = append(about, l.dir.order[i+1])
	}
	for _, r := range about {
		id := r.region.Id
		if op := l.ops[id]; op != nil {
			n.Busy[id] = fmt.Sprintf("operator %d (%s %s) runs for %s: %s", op.info.Id, op.info.Kind, op.info.Detail, round(now.Sub(time.UnixMilli(op.info.CreatedUnixMs))), op.info.Reason)
		} else if at := l.retryAt[id]; now.Before(at) {
			n.Busy[id] = fmt.Sprintf("its last operator failed; it is left alone for %s more", round(at.Sub(now)))
		}
		since := l.ranges[id].since
		n.Rests[id] = fmt.Sprintf("its range changed %s ago; it rests for %s", round(now.Sub(since)), formatDuration(l.duration(&s.o, settingMergeRest)))
		if since.Sub(l.since) < settleFor {
			n.Rests[id] = fmt.Sprintf("placement knows its range for %s only; it rests for %s", round(now.Sub(since)), formatDuration(l.duration(&s.o, settingMergeRest)))
		}
	}
	after := l.duration(&s.o, settingReplaceAfter)
	for id, st := range l.stores {
		if st.silent {
			away := now.Sub(st.silentAt)
			n.Stores[id] = fmt.Sprintf("node %d is silent for %s; its replicas are replaced after %s", id, round(away), formatDuration(after))
		}
	}
	return n
}

// round writes a time that people read.
func round(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return formatDuration(d.Round(time.Second))
}
