package placement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

const (
	// DefaultSplitSize is the size at which stores split regions.
	DefaultSplitSize = 96 << 20
	// DefaultMergeBelow is a fifth of the size at which a region is split, so that what
	// is merged is not split again soon.
	DefaultMergeBelow = 20 << 20
	// DefaultMergeRest is how long after a change of its range a region is not merged: a
	// split is made for what is to come.
	DefaultMergeRest = time.Minute
	// DefaultSplitRequests is how many requests a second a region may get before it is
	// split: a good part of what a core can do.
	DefaultSplitRequests = 5000
	// mergeCooling is how many times as long a region rests after it was busy last.
	mergeCooling = 5
	// mergeStuckAfter is when a merge goes on for too long. It takes a few round trips,
	// and the store that leads it looks after it for half a second.
	mergeStuckAfter = 2 * time.Second
	// mergeTries bounds how often a merge is ordered while the regions change or a peer
	// lags.
	mergeTries = 20

	kindUnsplit scheduler.Kind = "unsplit"
)

// rangeSince says since when a region has its range, and when it was busy last, as far
// as this leader saw.
type rangeSince struct {
	version uint64
	since   time.Time
	busy    time.Time
}

// rested reports whether a region may be merged with a neighbour: a split that was made
// for a load is not undone as soon as that pauses.
func (r rangeSince) rested(now time.Time, rest time.Duration) bool {
	return now.Sub(r.since) >= rest && (r.busy.IsZero() || now.Sub(r.busy) >= mergeCooling*rest)
}

// noteRanges takes note of ranges that changed, and of regions to which at least busy
// requests a second come (0: that does not count). Requires: Service.mu held.
func (l *leadership) noteRanges(now time.Time, busy float64) {
	for _, e := range l.dir.order {
		r := l.ranges[e.region.Id]
		before := r
		if v := e.region.GetEpoch().GetVersion(); r.version != v {
			r.version, r.since = v, now
		}
		if busy > 0 && e.reads+e.writes >= busy {
			r.busy = now
		}
		if r != before {
			l.ranges[e.region.Id] = r
		}
	}
	if len(l.ranges) > 2*len(l.dir.order)+16 {
		for id := range l.ranges {
			if l.dir.byID[id] == nil {
				delete(l.ranges, id)
			}
		}
	}
}

// rightOf returns the right neighbour of a region, nil if there is none.
func (d *directory) rightOf(r *metapb.Region) *entry {
	if len(r.EndKey) == 0 {
		return nil
	}
	if e := d.lookup(r.EndKey); e != nil && bytes.Equal(e.region.StartKey, r.EndKey) {
		return e
	}
	return nil
}

// merge has a region take its right neighbour: it brings the neighbour's replicas and
// then its leader to where those of the region are, and gives the order.
func (s *Service) merge(ctx context.Context, l *leadership, target, source uint64) error {
	if err := s.together(ctx, l, target, source); err != nil {
		return err
	}
	var last error
	for range mergeTries {
		t, err := s.lookup(l, target)
		if err != nil {
			return err
		}
		src, err := s.lookup(l, source)
		if err != nil {
			if s.holds(l, target, source, last) {
				return nil
			}
			return errors.Join(err, last)
		}
		if t.leader == 0 || src.leader != t.leader {
			if err := s.together(ctx, l, target, source); err != nil {
				return err
			}
			continue
		}
		resp, err := s.o.Admin.Admin(ctx, t.leader, t.region, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Merge{
			Merge: &kvpb.MergeRequest{Source: src.region}}})
		if err == nil {
			s.noteMerged(l, resp.GetMerge().GetRegion(), src.size)
			return nil
		}
		last = err
		var retry *RetryableError
		var lost *LostError
		if !errors.As(err, &retry) && !errors.As(err, &lost) {
			return err
		}
		if err := env.Sleep(ctx, s.o.Clock, 2*stepPause); err != nil {
			return errors.Join(err, last)
		}
	}
	return last
}

// holds reports whether a merge whose answer got lost has happened: the target says
// that it took the source.
func (s *Service) holds(l *leadership, target, source uint64, last error) bool {
	var lost *LostError
	e, err := s.lookup(l, target)
	return err == nil && errors.As(last, &lost) && region.Absorbed(e.region, source)
}

// noteMerged is note for a region that took another one of size bytes.
func (s *Service) noteMerged(l *leadership, r *metapb.Region, size uint64) {
	s.mu.Lock()
	if e := l.dir.byID[r.GetId()]; e != nil && s.mu.lead == l {
		c := *e
		c.size += size
		c.clean = 0 // known of one half only
		l.dir.replace(&c)
	}
	s.mu.Unlock()
	s.note(l, r)
}

// together brings the source's replicas to the target's stores, and its leader to the
// target's leader.
func (s *Service) together(ctx context.Context, l *leadership, target, source uint64) error {
	for range mergeTries {
		t, err := s.lookup(l, target)
		if err != nil {
			return err
		}
		src, err := s.lookup(l, source)
		if err != nil {
			return err
		}
		from, to := apart(src.region, t.region)
		switch {
		case from != 0 && to != 0:
			if err := s.move(ctx, l, source, from, to); err != nil {
				return fmt.Errorf("bring region %d to where region %d is: %w", source, target, err)
			}
			continue
		case from != 0 || to != 0:
			return &ErrRefused{fmt.Sprintf("regions %d and %d do not have the same number of replicas", target, source)}
		case t.leader == 0 || src.leader == 0:
			if err := env.Sleep(ctx, s.o.Clock, stepPause); err != nil {
				return err
			}
			continue
		case src.leader == t.leader:
			return nil
		}
		if err := s.transfer(ctx, l, source, t.leader); err != nil {
			return fmt.Errorf("bring the leader of region %d to where region %d is led: %w", source, target, err)
		}
	}
	return fmt.Errorf("regions %d and %d do not come together", target, source)
}

// apart returns a store that only a holds and one that only b holds, 0 if there is
// none.
func apart(a, b *metapb.Region) (onlyA, onlyB uint64) {
	for _, p := range a.Peers {
		if peerOn(b, p.StoreId) == nil {
			onlyA = p.StoreId
		}
	}
	for _, p := range b.Peers {
		if peerOn(a, p.StoreId) == nil {
			onlyB = p.StoreId
		}
	}
	return onlyA, onlyB
}

// settle ends a merge that nobody looks after: the target says whether it took the
// region; if not, it never will, and the region is opened again.
func (s *Service) settle(ctx context.Context, l *leadership, source uint64) error {
	e, err := s.lookup(l, source)
	if err != nil {
		return err
	}
	m := e.region.GetMerging()
	if m == nil {
		return nil
	}
	resp, err := s.command(ctx, l, s.speaker(l, m.Target), &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_SettleMerge{
		SettleMerge: &kvpb.SettleMergeRequest{SourceId: source, Merging: m}}})
	if err != nil {
		return fmt.Errorf("ask region %d what became of the merge: %w", m.Target, err)
	}
	if resp.GetSettleMerge().GetCommitted() {
		return nil
	}
	if resp, err = s.command(ctx, l, source, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_RollbackMerge{
		RollbackMerge: &kvpb.RollbackMergeRequest{Index: m.Index}}}); err != nil {
		return err
	}
	s.note(l, resp.GetRollbackMerge().GetRegion())
	return nil
}

// speaker returns the region that knows of merges into target: itself, or the one that
// has taken it.
func (s *Service) speaker(l *leadership, target uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.dir.byID[target] != nil {
		return target
	}
	for _, e := range l.dir.order {
		if region.Absorbed(e.region, target) {
			return e.region.Id
		}
	}
	return target
}

// unsplit gives up that the boundary at a region's start is kept.
func (s *Service) unsplit(ctx context.Context, l *leadership, id uint64) error {
	resp, err := s.command(ctx, l, id, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_SetSticky{SetSticky: &kvpb.SetStickyRequest{}}})
	if err != nil {
		return err
	}
	s.note(l, resp.GetSetSticky().GetRegion())
	return nil
}

// neighbourLocked completes an order to merge. It returns errBusy while an operator works
// on the neighbour. Requires: s.mu held.
func (s *Service) neighbourLocked(l *leadership, e *entry, plan *scheduler.Plan) error {
	if e.region.Id == groupRegion {
		return &ErrRefused{fmt.Sprintf("region %d holds the state of placement and stays by itself", groupRegion)}
	}
	right := l.dir.rightOf(e.region)
	if right == nil {
		if len(e.region.EndKey) == 0 {
			return &ErrRefused{fmt.Sprintf("region %d is the last one: it has no right neighbour", e.region.Id)}
		}
		return errSettling
	}
	if l.ops[right.region.Id] != nil {
		return errBusy
	}
	plan.Source = right.region.Id
	return nil
}

// errBusy says that an operator works on a region that an order concerns too.
var errBusy = errors.New("an operator works on the neighbour")
