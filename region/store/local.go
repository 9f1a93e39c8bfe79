package store

import (
	"context"
	"sync"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

// KV is an unversioned pair.
type KV struct{ Key, Value []byte }

// Local is direct access to the raw values of one region on this store, for the
// placement service that runs beside the leader of region 1. Errors are
// *region.Error: see region.IsNotLeader and region.IsAmbiguous.
type Local struct {
	s  *Store
	id uint64
	ch chan struct{}

	mu struct {
		sync.Mutex
		leader, term uint64
		listeners    []func(leaderStore, term uint64)
	}
}

// Local returns the handle of one region on this store, which need not exist yet
// or any more. Every call for a region returns the same handle.
func (s *Store) Local(regionID uint64) *Local {
	s.mu.Lock()
	l := s.mu.locals[regionID]
	if l == nil {
		l = &Local{s: s, id: regionID, ch: make(chan struct{}, 1)}
		s.mu.locals[regionID] = l
	}
	r := s.mu.replicas[regionID]
	s.mu.Unlock()
	if r != nil {
		l.changed(r)
	}
	return l
}

// changed is called when something about the replica changed.
func (l *Local) changed(r *replica.Replica) {
	i := r.Info()
	leader := i.Leader.GetStoreId()
	if i.Destroyed {
		leader = 0
	}
	l.mu.Lock()
	same := l.mu.leader == leader && l.mu.term == i.Term
	l.mu.leader, l.mu.term = leader, i.Term
	listeners := l.mu.listeners
	l.mu.Unlock()
	select {
	case l.ch <- struct{}{}:
	default:
	}
	if same {
		return
	}
	for _, f := range listeners {
		f(leader, i.Term)
	}
}

// Leader reports whether this store leads the region, and in which term, as far
// as it knows: a hint. It leads when it has applied an entry of its term.
func (l *Local) Leader() (term uint64, ok bool) {
	r := l.s.replica(l.id)
	if r == nil || l.s.closed.Load() {
		return 0, false
	}
	i := r.Info()
	return i.Term, i.IsLeader && i.Ready
}

// LeaderStore is the store that leads as far as known here, 0 if unknown.
func (l *Local) LeaderStore() uint64 {
	if r := l.s.replica(l.id); r != nil {
		return r.Info().Leader.GetStoreId()
	}
	return 0
}

// Lease returns the term of this store's leadership if it was the leader, beyond
// doubt, at some moment after the call began.
func (l *Local) Lease(ctx context.Context) (term uint64, err error) {
	r, e := l.replica()
	if e != nil {
		return 0, region.Err(e)
	}
	type answer struct {
		term uint64
		e    *kvpb.RegionError
	}
	w := newWaiter[answer]()
	c := r.Confirm(w.exec, func(term uint64, e *kvpb.RegionError) { w.done(answer{term, e}) })
	a := w.wait(ctx, func() { c.Abandon(ctx.Err().Error()) })
	return a.term, region.Err(a.e)
}

// Held is Lease without a question to anybody: it reports false if this store holds no
// lease at this moment, though it may lead.
func (l *Local) Held() (term uint64, held bool) {
	r, e := l.replica()
	if e != nil {
		return 0, false
	}
	return r.Lease()
}

// LeaseAsync is Lease with a callback, which must not block.
func (l *Local) LeaseAsync(done func(term uint64, err error)) {
	r, e := l.replica()
	if e != nil {
		done(0, region.Err(e))
		return
	}
	r.Confirm(nil, func(term uint64, e *kvpb.RegionError) { done(term, region.Err(e)) })
}

// CheckLease is Lease without the term.
func (l *Local) CheckLease(ctx context.Context) error {
	_, err := l.Lease(ctx)
	return err
}

// ReadRaw returns the raw pairs of [start, end) at the leader, linearizably, in
// order. The slices belong to the caller.
func (l *Local) ReadRaw(ctx context.Context, start, end []byte) ([]KV, error) {
	r, e := l.replica()
	if e != nil {
		return nil, region.Err(e)
	}
	type answer struct {
		pairs []replica.RawPair
		e     *kvpb.RegionError
	}
	w := newWaiter[answer]()
	c := r.ReadRaw(start, end, w.exec, func(p []replica.RawPair, e *kvpb.RegionError) { w.done(answer{p, e}) })
	a := w.wait(ctx, func() { c.Abandon(ctx.Err().Error()) })
	if a.e != nil {
		return nil, region.Err(a.e)
	}
	out := make([]KV, len(a.pairs))
	for i, p := range a.pairs {
		out[i] = KV(p)
	}
	return out, nil
}

// WriteRaw writes puts and then deletes, atomically, if this store leads the
// region in term and still does when the write is applied. After an ambiguous
// error it may have happened, or may yet. Writes are serialised by key only. No
// key may be named twice.
func (l *Local) WriteRaw(ctx context.Context, term uint64, puts []KV, deletes [][]byte) error {
	w := newWaiter[error]()
	c := l.writeRaw(term, puts, deletes, w.exec, w.done)
	return w.wait(ctx, func() { c.Abandon(ctx.Err().Error()) })
}

// WriteRawAsync is WriteRaw with a callback, which must not block.
func (l *Local) WriteRawAsync(term uint64, puts []KV, deletes [][]byte, done func(error)) {
	l.writeRaw(term, puts, deletes, nil, done)
}

// ReadRawAsync is ReadRaw with a callback, which must not block.
func (l *Local) ReadRawAsync(start, end []byte, done func([]KV, error)) {
	r, e := l.replica()
	if e != nil {
		done(nil, region.Err(e))
		return
	}
	r.ReadRaw(start, end, nil, func(pairs []replica.RawPair, e *kvpb.RegionError) {
		out := make([]KV, len(pairs))
		for i, p := range pairs {
			out[i] = KV(p)
		}
		done(out, region.Err(e))
	})
}

func (l *Local) writeRaw(term uint64, puts []KV, deletes [][]byte, exec func(func()), done func(error)) *replica.Call {
	r, e := l.replica()
	if e != nil {
		done(region.Err(e))
		return nil
	}
	pairs := make([]replica.RawPair, len(puts))
	for i, p := range puts {
		pairs[i] = replica.RawPair(p)
	}
	return r.WriteRaw(term, pairs, deletes, exec, func(e *kvpb.RegionError) { done(region.Err(e)) })
}

func (l *Local) replica() (*replica.Replica, *kvpb.RegionError) {
	if l.s.closed.Load() || l.s.failed.Load() {
		return nil, region.Unavailable("it is not serving")
	}
	if r := l.s.replica(l.id); r != nil {
		return r, nil
	}
	return nil, region.NotFound(l.id)
}

// Changed receives, without blocking the store, when the region's leader or term
// changed as seen from here. Every call returns the same channel, of capacity one.
func (l *Local) Changed() <-chan struct{} { return l.ch }

// OnLeaderChange registers f, to be called with the leader's store (0: unknown)
// and the term whenever they change. f must not block.
func (l *Local) OnLeaderChange(f func(leaderStore, term uint64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.listeners = append(l.mu.listeners[:len(l.mu.listeners):len(l.mu.listeners)], f)
}
