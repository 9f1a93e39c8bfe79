package store

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// Deadlocks are found by the stores that hold the waits. A wait that has lasted
// for deadlockAfter makes its store gather the waits of all stores and look for a
// circle through it. That is complete: the waits of a circle last until it is
// broken, an edge begins with the wait that it belongs to, so the youngest wait of
// a circle sees all others when its turn comes. It is sound, although the stores
// are not asked at one moment: a circle counts only if a second look finds each of
// its waits uninterrupted, and then all of them existed between the two looks.

const (
	deadlockAfter = 10 * time.Millisecond
	// deadlockAgain is how often a long wait looks again, in case an answer of
	// another store was missing.
	deadlockAgain = time.Second
	// lockPeerTimeout bounds the wait for another store's answer.
	lockPeerTimeout = 200 * time.Millisecond
	// circlesMax bounds the circles that are broken in one go.
	circlesMax = 64
)

// lockWatch wakes the loop that looks after waits for row locks.
type lockWatch struct {
	signal chan struct{}
	// looked says when the circle through a wait was last looked for. Used by the
	// loop alone.
	looked map[waitKey]time.Time
}

// waitKey names a wait in the whole cluster.
type waitKey struct{ store, region, term, id uint64 }

func keyOf(w *kvpb.LockWaiting) waitKey {
	return waitKey{w.GetStoreId(), w.GetRegionId(), w.GetTerm(), w.GetWaitId()}
}

func (w *lockWatch) init() {
	w.signal = make(chan struct{}, 1)
	w.looked = make(map[waitKey]time.Time)
}

func (w *lockWatch) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// lockLoop looks after waits as long as there are any.
func (s *Store) lockLoop(ctx context.Context) {
	for {
		select {
		case <-s.locks.signal:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			if env.Sleep(ctx, s.o.Clock, deadlockAfter) != nil {
				return
			}
			if !s.TendLocks(ctx) {
				break
			}
		}
	}
}

// TendLocks releases the row locks of dead owners and lost gateways, and breaks circles of waits. It
// reports whether somebody waits. The store does it by itself, but in manual mode.
func (s *Store) TendLocks(ctx context.Context) bool {
	s.expireLost(ctx)
	waits := false
	var own []*kvpb.LockWaiting
	for _, r := range s.all() {
		if r.TendLocks() {
			waits = true
			own = append(own, r.LocksWaiting(0)...)
		}
	}
	due := s.dueWaits(own)
	for n := 0; len(due) > 0 && n < circlesMax; n++ {
		all := append(own[:len(own):len(own)], s.foreignWaits(ctx)...)
		circle := findCircle(all, due)
		if circle == nil || !s.breakCircle(ctx, circle) {
			break
		}
		own = own[:0:0]
		for _, r := range s.all() {
			own = append(own, r.LocksWaiting(0)...)
		}
	}
	return waits
}

// dueWaits returns those of the store's waits whose turn it is, and forgets the
// ones that are over.
func (s *Store) dueWaits(own []*kvpb.LockWaiting) (due []*kvpb.LockWaiting) {
	now := s.o.Clock.Now()
	looked := make(map[waitKey]time.Time, len(own))
	for _, w := range own {
		k := keyOf(w)
		at, before := s.locks.looked[k]
		if w.GetWaitedUs() >= deadlockAfter.Microseconds() && (!before || now.Sub(at) >= deadlockAgain) {
			due = append(due, w)
			at, before = now, true
		}
		if before {
			looked[k] = at
		}
	}
	s.locks.looked = looked
	return due
}

// foreignWaits asks the other stores for their waits; who does not answer in time
// is left out.
func (s *Store) foreignWaits(ctx context.Context) []*kvpb.LockWaiting {
	if s.o.Peers == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockPeerTimeout)
	defer cancel()
	stores := s.o.Peers.Stores()
	lists := make([][]*kvpb.LockWaiting, len(stores))
	var wg sync.WaitGroup
	for i, id := range stores {
		wg.Go(func() {
			resp, err := s.o.Peers.Send(ctx, id, s.storeRequest(id, &kvpb.Request{Cmd: &kvpb.Request_Locks{Locks: &kvpb.LocksRequest{}}}))
			if err == nil {
				lists[i] = resp.GetLocks().GetWaiting()
			}
		})
	}
	wg.Wait()
	var out []*kvpb.LockWaiting
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func (s *Store) storeRequest(id uint64, req *kvpb.Request) *kvpb.Request {
	req.Header = &kvpb.Header{ClusterId: s.ident.ClusterID, StoreId: id}
	return req
}

// findCircle returns a circle of waits that one of due is part of: each waits for
// the owner of the next, the last for that of the first.
func findCircle(all, due []*kvpb.LockWaiting) []*kvpb.LockWaiting {
	byOwner := map[uint64][]*kvpb.LockWaiting{}
	for _, w := range all {
		byOwner[w.GetOwner().GetId()] = append(byOwner[w.GetOwner().GetId()], w)
	}
	for _, start := range due {
		goal := start.GetOwner().GetId()
		seen := map[uint64]bool{}
		var path []*kvpb.LockWaiting
		var walk func(w *kvpb.LockWaiting) bool
		walk = func(w *kvpb.LockWaiting) bool {
			path = append(path, w)
			for _, b := range w.GetBlockers() {
				if b.GetId() == goal {
					return true
				}
				if seen[b.GetId()] {
					continue
				}
				seen[b.GetId()] = true
				for _, next := range byOwner[b.GetId()] {
					if walk(next) {
						return true
					}
				}
			}
			path = path[:len(path)-1]
			return false
		}
		if walk(start) {
			return path
		}
	}
	return nil
}

// breakCircle looks a second time and, if the circle stands, ends the wait of its
// youngest owner. It reports whether that was done.
func (s *Store) breakCircle(ctx context.Context, circle []*kvpb.LockWaiting) bool {
	again := map[waitKey]*kvpb.LockWaiting{}
	note := func(list []*kvpb.LockWaiting) {
		for _, w := range list {
			again[keyOf(w)] = w
		}
	}
	foreign := false
	for _, w := range circle {
		foreign = foreign || w.GetStoreId() != s.ident.StoreID
	}
	for _, r := range s.all() {
		note(r.LocksWaiting(0))
	}
	if foreign {
		note(s.foreignWaits(ctx))
	}
	victim := 0
	for i, w := range circle {
		next := circle[(i+1)%len(circle)].GetOwner().GetId()
		if now := again[keyOf(w)]; now == nil || !waitsFor(now, next) {
			return false
		}
		if w.GetOwner().GetId() > circle[victim].GetOwner().GetId() {
			victim = i
		}
	}
	d := &kvpb.Deadlock{Circle: append(circle[victim:len(circle):len(circle)], circle[:victim]...)}
	if d.GetCircle()[0].GetStoreId() == s.ident.StoreID {
		return s.breakWait(d)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPeerTimeout)
	defer cancel()
	id := d.GetCircle()[0].GetStoreId()
	resp, err := s.o.Peers.Send(ctx, id, s.storeRequest(id, &kvpb.Request{Cmd: &kvpb.Request_BreakWait{BreakWait: &kvpb.BreakWaitRequest{Deadlock: d}}}))
	return err == nil && resp.GetBreakWait().GetBroken()
}

func waitsFor(w *kvpb.LockWaiting, owner uint64) bool {
	for _, b := range w.GetBlockers() {
		if b.GetId() == owner {
			return true
		}
	}
	return false
}

// breakWait ends the first wait of a circle, which is this store's.
func (s *Store) breakWait(d *kvpb.Deadlock) bool {
	if len(d.GetCircle()) == 0 {
		return false
	}
	r := s.replica(d.GetCircle()[0].GetRegionId())
	if r == nil || !r.BreakWait(d) {
		return false
	}
	s.log.Info("deadlock", "txn", d.GetCircle()[0].GetOwner().GetId(), "waits", len(d.GetCircle()))
	return true
}

// lockList answers with the locks in the memory of the regions that the store
// leads.
func (s *Store) lockList(q *kvpb.LocksRequest) *kvpb.LocksResponse {
	out := &kvpb.LocksResponse{}
	for _, r := range s.all() {
		out.Waiting = append(out.Waiting, r.LocksWaiting(time.Duration(q.GetMinWaitUs())*time.Microsecond)...)
		if q.GetHeld() {
			out.Held = append(out.Held, r.LocksHeld()...)
		}
	}
	return out
}
