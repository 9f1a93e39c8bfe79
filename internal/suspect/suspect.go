// Package suspect keeps in mind which stores are probably gone, for those who send
// requests to stores: what is under way to one that is suspected ends at once, and
// what is sent to it afterwards is not waited for as long as usual.
//
// A suspicion may be wrong, or right for this node alone, so a suspect is still
// asked. How long it is waited for grows with the time that it has been suspected:
// while an election goes on elsewhere a silent store costs little, and one that is
// only slow is heard in the end.
package suspect

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// Patience is how long a store that has just been suspected is waited for. Others
// are asked again after it: it is part of every failover in which a silent store
// is asked.
const Patience = 100 * time.Millisecond

// Stores is what is suspected. It may be used concurrently.
type Stores struct {
	clock env.Clock
	// suspects counts the suspects, so that Answered costs nothing without any.
	suspects atomic.Int32
	mu       struct {
		sync.Mutex
		byStore map[uint64]*store // one for each that was ever asked or suspected
	}
}

// store is what is known of one.
type store struct {
	ctx    context.Context // ends when it is suspected the next time
	cancel context.CancelCauseFunc
	since  time.Time // suspected; zero: it is not
}

// New returns the knowledge of somebody who suspects nobody.
func New(clock env.Clock) *Stores {
	s := &Stores{clock: clock}
	s.mu.byStore = make(map[uint64]*store)
	return s
}

func (s *Stores) storeLocked(id uint64) *store {
	st := s.mu.byStore[id]
	if st == nil {
		st = &store{}
		s.mu.byStore[id] = st
	}
	if st.ctx == nil {
		st.ctx, st.cancel = context.WithCancelCause(context.Background())
	}
	return st
}

// Suspect says that a store is probably gone: all contexts that Enter has returned
// for it end with the cause.
func (s *Stores) Suspect(id uint64, cause error) {
	s.mu.Lock()
	st := s.storeLocked(id)
	cancel := st.cancel
	st.ctx, st.cancel = nil, nil
	if st.since.IsZero() {
		s.suspects.Add(1)
	}
	st.since = s.clock.Now()
	s.mu.Unlock()
	cancel(cause)
}

// Enter is called before a request is sent to a store. The context ends when the
// store is suspected, again if it is already; most is returned, or less if the
// answer should not be waited for as long.
func (s *Stores) Enter(id uint64, most time.Duration) (context.Context, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.storeLocked(id)
	if !st.since.IsZero() {
		most = min(most, max(Patience, s.clock.Now().Sub(st.since)/2))
	}
	return st.ctx, most
}

// Suspected reports whether a store is suspected.
func (s *Stores) Suspected(id uint64) bool {
	if s.suspects.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.mu.byStore[id]
	return st != nil && !st.since.IsZero()
}

// Bound is Enter as a context for the request: a child of ctx that ends with the
// store's, and after the time that Enter would have returned; with most 0 there is
// no such time while the store is not suspected. The caller calls cancel when it has
// the answer, and Answered if there was one.
func (s *Stores) Bound(ctx context.Context, id uint64, most time.Duration) (_ context.Context, cancel context.CancelFunc) {
	const unbounded = time.Duration(1<<63 - 1)
	if most == 0 {
		most = unbounded
	}
	gone, most := s.Enter(id, most)
	endTime := func() {}
	if most != unbounded {
		ctx, endTime = context.WithTimeout(ctx, most)
	}
	ctx, end := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(gone, func() { end(context.Cause(gone)) })
	return ctx, func() {
		unhook()
		end(nil)
		endTime()
	}
}

// Answered says that a store has answered a request: it is suspected no more.
func (s *Stores) Answered(id uint64) {
	if s.suspects.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.mu.byStore[id]; st != nil && !st.since.IsZero() {
		st.since = time.Time{}
		s.suspects.Add(-1)
	}
}
