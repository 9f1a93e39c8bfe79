package store

import "context"

// KV is an unversioned pair.
type KV struct{ Key, Value []byte }

// Local is direct access to the raw values of one region on this store, for the
// placement service that runs beside the leader of region 1. Errors are
// *region.Error: see region.IsNotLeader and region.IsAmbiguous.
type Local struct{}

// Leader reports whether this store leads the region, and in which term, as far
// as it knows: a hint.
func (l *Local) Leader() (term uint64, ok bool) { return 0, false }

// LeaderStore is the store that leads as far as known here, 0 if unknown.
func (l *Local) LeaderStore() uint64 { return 0 }

// Lease returns the term of this store's leadership if it was the leader, beyond
// doubt, at some moment after the call began.
func (l *Local) Lease(ctx context.Context) (term uint64, err error) { return 0, errNotBuilt }

// CheckLease is Lease without the term.
func (l *Local) CheckLease(ctx context.Context) error { _, err := l.Lease(ctx); return err }

// ReadRaw returns the raw pairs of [start, end) at the leader, linearizably, in
// order. The slices belong to the caller.
func (l *Local) ReadRaw(ctx context.Context, start, end []byte) ([]KV, error) {
	return nil, errNotBuilt
}

// WriteRaw writes puts and then deletes, atomically, if this store leads the
// region in term and still does when the write is applied. After an ambiguous
// error it may have happened, or may yet. Writes are serialised by key only.
func (l *Local) WriteRaw(ctx context.Context, term uint64, puts []KV, deletes [][]byte) error {
	return errNotBuilt
}

// Changed receives, without blocking the store, when the region's leader or term
// changed as seen from here. Every call returns the same channel, of capacity one.
func (l *Local) Changed() <-chan struct{} { return nil }

// OnLeaderChange registers f, to be called with the leader's store (0: unknown)
// and the term whenever they change. f must not block.
func (l *Local) OnLeaderChange(f func(leaderStore, term uint64)) {}
