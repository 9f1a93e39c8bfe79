package txn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/internal/timestamp"
)

// FetchFunc asks the oracle for count distinct timestamps above atLeast (0: any):
// first, first+1, …, first+n-1, where n may be smaller than count but not 0. It
// finds the oracle's leader by itself and returns when ctx ends.
type FetchFunc func(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (first timestamp.Timestamp, n uint32, err error)

// OracleOptions configures a BatchingOracle.
type OracleOptions struct {
	Fetch FetchFunc
	// Direct gives one timestamp above atLeast (0: any) without waiting, if the oracle is
	// in this process; else ok is false. Nil: it never is.
	Direct func(atLeast timestamp.Timestamp) (ts timestamp.Timestamp, ok bool)
	Clock  env.Clock
	Rand   env.Rand
	Logger *slog.Logger // nil: silent
	// FetchTimeout bounds one request to the oracle: 1 s.
	FetchTimeout time.Duration
	// WaitersMax bounds how many calls may wait at a time: 100,000.
	WaitersMax int
}

const (
	defaultFetchTimeout = time.Second
	defaultWaitersMax   = 100_000
	// fetchCountMax bounds one request; the oracle has 2^18 numbers per
	// millisecond.
	fetchCountMax = 10_000
)

// BatchingOracle is a TimestampSource that asks the oracle for many waiters at
// once, with one request in flight. A waiter is served only by a request that was
// sent after it came: a shared answer that was under way already could be older
// than a commit that was acknowledged meanwhile. Every waiter gets a timestamp of
// its own, because it becomes the id of a transaction.
//
// Errors of Fetch are tried again until the waiters' contexts end.
type BatchingOracle struct {
	opts  OracleOptions
	group *stop.Group
	wake  chan struct{} // capacity 1
	mu    struct {
		sync.Mutex
		pending []*waiter
		waiting int // pending and in flight
		closed  bool
		lastErr error
	}
	fetches atomic.Uint64
	closed  atomic.Bool // what mu.closed is, for those who do not take the mutex
	// last is the largest timestamp received; used by the loop alone.
	last timestamp.Timestamp
}

type waiter struct {
	atLeast timestamp.Timestamp
	done    chan timestamp.Timestamp // capacity 1; closed without a value: oracle closed
	// gone is set when the waiter's context ended. Guarded by BatchingOracle.mu.
	gone   bool
	oracle *BatchingOracle
	err    error
}

// NewBatchingOracle starts an oracle client. Close ends it.
func NewBatchingOracle(opts OracleOptions) (*BatchingOracle, error) {
	if opts.Fetch == nil || opts.Clock == nil || opts.Rand == nil {
		return nil, errors.New("txn: oracle without fetch, clock or random source")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&opts.FetchTimeout, defaultFetchTimeout)
	setDefault(&opts.WaitersMax, defaultWaitersMax)
	o := &BatchingOracle{opts: opts, group: stop.NewGroup(context.Background()), wake: make(chan struct{}, 1)}
	o.group.Go("timestamps", o.loop)
	return o, nil
}

// Close ends the client; all waiters fail with ErrClosed.
func (o *BatchingOracle) Close() {
	o.mu.Lock()
	o.mu.closed = true
	o.closed.Store(true)
	o.mu.Unlock()
	o.group.Stop()
}

// Fetches returns how many requests were sent to the oracle.
func (o *BatchingOracle) Fetches() uint64 { return o.fetches.Load() }

// Timestamp implements TimestampSource.
func (o *BatchingOracle) Timestamp(ctx context.Context) (timestamp.Timestamp, error) {
	return o.AtLeast(ctx, 0)
}

// AtLeast implements TimestampSource.
func (o *BatchingOracle) AtLeast(ctx context.Context, ts timestamp.Timestamp) (timestamp.Timestamp, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if got, ok := o.direct(ts); ok {
		return got, nil
	}
	return o.enqueue(ts).Wait(ctx)
}

// TimestampAsync implements AsyncTimestampSource.
func (o *BatchingOracle) TimestampAsync() TimestampFuture {
	if ts, ok := o.direct(0); ok {
		return given(ts)
	}
	return o.enqueue(0)
}

// given is a timestamp that is there already.
type given timestamp.Timestamp

// Wait implements TimestampFuture.
func (g given) Wait(context.Context) (timestamp.Timestamp, error) { return timestamp.Timestamp(g), nil }

// direct asks an oracle in this process.
func (o *BatchingOracle) direct(atLeast timestamp.Timestamp) (timestamp.Timestamp, bool) {
	if o.opts.Direct == nil || o.closed.Load() {
		return 0, false
	}
	ts, ok := o.opts.Direct(atLeast)
	if ok {
		o.fetches.Add(1)
	}
	return ts, ok
}

func (o *BatchingOracle) enqueue(atLeast timestamp.Timestamp) *waiter {
	w := &waiter{atLeast: atLeast, done: make(chan timestamp.Timestamp, 1), oracle: o}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.mu.closed:
		w.err = ErrClosed
	case o.mu.waiting >= o.opts.WaitersMax:
		w.err = errors.New("too many transactions wait for a timestamp")
	default:
		o.mu.pending = append(o.mu.pending, w)
		o.mu.waiting++
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return w
}

// Wait implements TimestampFuture.
func (w *waiter) Wait(ctx context.Context) (timestamp.Timestamp, error) {
	if w.err != nil {
		return 0, w.err
	}
	select {
	case ts, ok := <-w.done:
		if !ok {
			return 0, ErrClosed
		}
		return ts, nil
	case <-ctx.Done():
		o := w.oracle
		o.mu.Lock()
		defer o.mu.Unlock()
		w.gone = true
		return 0, errors.Join(context.Cause(ctx), o.mu.lastErr)
	}
}

// loop serves waiters until the group stops.
func (o *BatchingOracle) loop(ctx context.Context) {
	defer o.failAll()
	failures := 0
	for {
		batch, atLeast := o.take()
		if len(batch) == 0 {
			select {
			case <-o.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		first, n, err := o.fetch(ctx, uint32(len(batch)), atLeast)
		if err != nil {
			o.putBack(batch, err)
			o.opts.Logger.Debug("timestamps not fetched", "count", len(batch), "err", err)
			d := min(backoffMin<<min(failures, 10), backoffMax)
			failures++
			if env.Sleep(ctx, o.opts.Clock, env.Jitter(o.opts.Rand, d)) != nil {
				return
			}
			continue
		}
		failures = 0
		o.deliver(batch, first, n)
	}
}

func (o *BatchingOracle) fetch(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, uint32, error) {
	o.fetches.Add(1)
	ctx, cancel := context.WithTimeout(ctx, o.opts.FetchTimeout)
	defer cancel()
	first, n, err := o.opts.Fetch(ctx, count, atLeast)
	switch {
	case err != nil:
		return 0, 0, err
	case n == 0 || n > count:
		return 0, 0, errors.New("oracle answered with a wrong number of timestamps")
	case first <= o.last || first <= atLeast:
		return 0, 0, errors.New("oracle answered with timestamps that are too low")
	}
	o.last = first + timestamp.Timestamp(n) - 1
	return first, n, nil
}

// take removes a batch of waiters from the queue. All of them came before the
// request that will serve them.
func (o *BatchingOracle) take() (batch []*waiter, atLeast timestamp.Timestamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := o.mu.pending
	for len(rest) > 0 && len(batch) < fetchCountMax {
		w := rest[0]
		rest = rest[1:]
		if w.gone {
			o.mu.waiting--
			continue
		}
		batch = append(batch, w)
		atLeast = max(atLeast, w.atLeast)
	}
	if len(rest) == 0 {
		rest = nil
	}
	o.mu.pending = rest
	return batch, atLeast
}

func (o *BatchingOracle) putBack(batch []*waiter, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.pending = append(batch, o.mu.pending...)
	o.mu.lastErr = err
}

func (o *BatchingOracle) deliver(batch []*waiter, first timestamp.Timestamp, n uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	invariants.Assert(int(n) <= len(batch), "%d timestamps for %d waiters", n, len(batch))
	for i, w := range batch[:n] {
		w.done <- first + timestamp.Timestamp(i)
	}
	o.mu.pending = append(batch[n:], o.mu.pending...)
	o.mu.waiting -= int(n)
	o.mu.lastErr = nil
}

func (o *BatchingOracle) failAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.mu.pending {
		close(w.done)
	}
	o.mu.pending = nil
}
