package multiraft

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func groupsOf(items []item) (ids []uint64) {
	for _, it := range items {
		ids = append(ids, it.group)
	}
	return ids
}

// A worker that was away gets MaxTicks ticks, not all that it missed; so does a
// group that is ticked while it is being processed.
func TestTicksAreCapped(t *testing.T) {
	s := newScheduler(1)
	sh := s.shardOf(7)
	for range 50 {
		s.enqueue(7, 0, 1)
	}
	items := sh.take(nil, false)
	if len(items) != 1 || items[0].work.Ticks != MaxTicks {
		t.Fatalf("first round: %+v", items)
	}
	for range 50 {
		s.enqueue(7, 0, 1)
	}
	sh.done(items)
	items = sh.take(nil, false)
	if len(items) != 1 || items[0].work.Ticks != MaxTicks {
		t.Fatalf("second round: %+v", items)
	}
}

// A group that gets work while a worker has it is not given to another worker,
// and runs once more afterwards, behind those that waited.
func TestRunningGroupIsQueuedAgainAfterwards(t *testing.T) {
	s := newScheduler(1)
	s.enqueue(2, Requests, 0)
	sh := s.shardOf(2)
	items := sh.take(nil, false)
	s.enqueue(2, Ready, 0)
	s.enqueue(2, Ready, 0)
	s.enqueue(3, Requests, 0)
	if got := sh.take(nil, false); !slices.Equal(groupsOf(got), []uint64{3}) {
		t.Fatalf("while 2 is running: %+v", got)
	}
	sh.done(items)
	items = sh.take(nil, false)
	if len(items) != 1 || items[0] != (item{2, Work{Ready: true}}) {
		t.Fatalf("after 2 was given back: %+v", items)
	}
	sh.done(items)
	if got := sh.take(nil, false); len(got) != 0 {
		t.Fatalf("nothing is left, but: %+v", got)
	}
	if len(sh.mu.groups) != 1 { // group 3 is still running
		t.Fatalf("idle groups are remembered: %v", sh.mu.groups)
	}
}

// The placement group has a shard of its own, whatever else is queued.
func TestPlacementGroupHasItsOwnShard(t *testing.T) {
	for _, workers := range []int{1, 2, 8, 9, 64} {
		s := newScheduler(workers)
		total := 0
		for _, sh := range s.shards[1:] {
			total += sh.workers
			if sh.workers == 0 {
				t.Errorf("%d workers: a shard without a worker", workers)
			}
		}
		if total != workers {
			t.Errorf("%d workers: %d in the shards", workers, total)
		}
		for g := uint64(0); g < 1000; g++ {
			if own := s.shardOf(g) == s.shards[0]; own != (g == PlacementGroup) {
				t.Fatalf("%d workers: group %d in the placement shard: %v", workers, g, own)
			}
		}
	}
}

// The workers of a shard share what is queued, unless it is too little for several,
// and a round has a bound.
func TestTakeLeavesOthersTheirShare(t *testing.T) {
	s := newScheduler(4)
	for g := range uint64(120) {
		s.enqueue(g+2, Ready, 0)
	}
	for _, want := range []int{30, 23, 17, 16, 16, 16, 2} {
		if got := s.shards[1].take(nil, false); len(got) != want {
			t.Errorf("%d groups for one of 4 workers, want %d", len(got), want)
		}
	}
	for g := range uint64(10000) {
		s.enqueue(g+2, Ready, 0)
	}
	if got := s.shards[1].take(nil, false); len(got) != roundGroupsMax {
		t.Errorf("%d groups in a round", len(got))
	}
}

// Against an obvious model, over random sequences of calls: order is first in,
// first out, nothing is lost and nothing runs twice at a time.
func TestSchedulerAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScheduler(1)
		sh := s.shards[1]
		type state struct {
			flags Flags
			ticks int
		}
		pending := map[uint64]state{}
		var order []uint64 // queued, in order
		running := map[uint64]bool{}
		var taken [][]item
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				g := rapid.Uint64Range(2, 6).Draw(t, "group")
				f := rapid.SampledFrom([]Flags{Requests, Ready, 0}).Draw(t, "flags")
				n := rapid.IntRange(0, 2).Draw(t, "ticks")
				s.enqueueAll([]uint64{g}, f, n)
				if f == 0 && n == 0 {
					break
				}
				st := pending[g]
				if st == (state{}) && !running[g] {
					order = append(order, g)
				}
				pending[g] = state{st.flags | f, min(st.ticks+n, MaxTicks)}
			case 2:
				got := sh.take(nil, false)
				if !slices.Equal(groupsOf(got), order) {
					t.Fatalf("took %v, want %v", groupsOf(got), order)
				}
				for _, it := range got {
					st := pending[it.group]
					want := Work{Requests: st.flags&Requests != 0, Ready: st.flags&Ready != 0, Ticks: st.ticks}
					if it.work != want {
						t.Fatalf("group %d: %+v, want %+v", it.group, it.work, want)
					}
					delete(pending, it.group)
					running[it.group] = true
				}
				order = nil
				taken = append(taken, got)
			case 3:
				if len(taken) == 0 {
					break
				}
				i := rapid.IntRange(0, len(taken)-1).Draw(t, "which")
				sh.done(taken[i])
				for _, it := range taken[i] {
					delete(running, it.group)
					if pending[it.group] != (state{}) {
						order = append(order, it.group)
					}
				}
				taken = slices.Delete(taken, i, i+1)
			}
		}
	})
}

// With many workers and many callers every enqueued piece of work is seen by a
// run that begins after it, and no group runs twice at a time.
func TestSchedulerLosesNothingConcurrently(t *testing.T) {
	const groups, callers, rounds = 8, 4, 3000
	s := newScheduler(4)
	var want, seen [groups]atomic.Int64
	var busy [groups]atomic.Bool
	var workers, cs sync.WaitGroup
	var left atomic.Int64
	left.Store(groups)
	all := make(chan struct{})
	for _, sh := range s.shards {
		for range sh.workers {
			workers.Go(func() {
				var items []item
				for {
					if items = sh.take(items[:0], true); len(items) == 0 {
						return
					}
					for _, it := range items {
						g := it.group - 1
						if !busy[g].CompareAndSwap(false, true) {
							t.Errorf("group %d runs twice", it.group)
						}
						if n := want[g].Load(); n == callers*rounds && seen[g].Swap(n) != n {
							if left.Add(-1) == 0 {
								close(all)
							}
						}
					}
					for _, it := range items {
						busy[it.group-1].Store(false)
					}
					sh.done(items)
				}
			})
		}
	}
	for range callers {
		cs.Go(func() {
			for i := range rounds * groups {
				g := uint64(i % groups)
				want[g].Add(1)
				s.enqueue(g+1, Requests, 0)
			}
		})
	}
	cs.Wait()
	<-all
	s.stop()
	workers.Wait()
}
