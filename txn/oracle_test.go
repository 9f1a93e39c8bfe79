package txn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
)

// fetchLog is an oracle that notes when each request was sent.
type fetchLog struct {
	mu      sync.Mutex
	last    timestamp.Timestamp
	sentAt  map[timestamp.Timestamp]time.Time // by timestamp handed out
	delay   time.Duration
	calls   int
	short   bool // answer with fewer than asked for
	failing bool
}

func (f *fetchLog) fetch(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, uint32, error) {
	sent := time.Now()
	f.mu.Lock()
	f.calls++
	failing := f.failing
	f.mu.Unlock()
	if failing {
		return 0, 0, errors.New("no leader")
	}
	if f.short && count > 3 {
		count = 3
	}
	if err := env.Sleep(ctx, env.SystemClock(), f.delay); err != nil {
		return 0, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	first := max(f.last, atLeast) + 1
	f.last = first + timestamp.Timestamp(count) - 1
	for ts := first; ts <= f.last; ts++ {
		f.sentAt[ts] = sent
	}
	return first, count, nil
}

func newOracle(t *testing.T, f *fetchLog) *BatchingOracle {
	f.sentAt = make(map[timestamp.Timestamp]time.Time)
	o, err := NewBatchingOracle(OracleOptions{Fetch: f.fetch, Clock: env.SystemClock(), Rand: env.SeededRand(1)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// D1: many waiters at once get distinct timestamps, in few requests, and each
// from a request that was sent after it came.
func TestOracleBatches(t *testing.T) {
	for _, short := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fetchLog{delay: 3 * time.Millisecond, short: short}
			o := newOracle(t, f)
			defer o.Close()
			var (
				mu   sync.Mutex
				seen = map[timestamp.Timestamp]bool{}
				wg   sync.WaitGroup
			)
			const waiters, each = 50, 20
			for i := range waiters {
				wg.Go(func() {
					var last timestamp.Timestamp
					for range each {
						time.Sleep(time.Duration(i%7) * time.Millisecond)
						came := time.Now()
						ts, err := o.Timestamp(bg)
						if err != nil {
							t.Error(err)
							return
						}
						f.mu.Lock()
						sent := f.sentAt[ts]
						f.mu.Unlock()
						if sent.Before(came) {
							t.Errorf("request sent %v before the waiter came", came.Sub(sent))
						}
						mu.Lock()
						if seen[ts] || ts <= last {
							t.Errorf("timestamp %s again, or not above %s", ts, last)
						}
						seen[ts], last = true, ts
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if !short && f.calls > waiters*each/5 {
				t.Errorf("%d requests for %d timestamps", f.calls, waiters*each)
			}
		})
	}
}

func TestOracleAtLeastAndAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fetchLog{delay: time.Millisecond}
		o := newOracle(t, f)
		defer o.Close()
		if ts, err := o.AtLeast(bg, 5000); err != nil || ts <= 5000 {
			t.Errorf("at least 5000: %v, %v", ts, err)
		}
		future := o.TimestampAsync()
		time.Sleep(10 * time.Millisecond)
		later, err := o.Timestamp(bg)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ts, err := future.Wait(bg)
		if err != nil || ts >= later || time.Since(began) != 0 {
			t.Errorf("future gave %v, %v after %v; a later call had %v", ts, err, time.Since(began), later)
		}
	})
}

// A waiter leaves when its time is over and is told why; others are served once
// the oracle is back; all fail when the client is closed.
func TestOracleFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fetchLog{failing: true}
		o := newOracle(t, f)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		patient := o.TimestampAsync()
		_, err := o.Timestamp(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no leader") {
			t.Errorf("got %v", err)
		}
		if f.calls > 60 {
			t.Errorf("%d requests in a second", f.calls)
		}
		f.mu.Lock()
		f.failing = false
		f.mu.Unlock()
		if _, err := patient.Wait(bg); err != nil {
			t.Errorf("after recovery: %v", err)
		}
		f.mu.Lock()
		f.failing = true
		f.mu.Unlock()
		last := o.TimestampAsync()
		o.Close()
		if _, err := last.Wait(bg); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if _, err := o.Timestamp(bg); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// An oracle that goes backwards is not believed.
func TestOracleBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := timestamp.Timestamp(100)
		o, err := NewBatchingOracle(OracleOptions{
			Fetch: func(context.Context, uint32, timestamp.Timestamp) (timestamp.Timestamp, uint32, error) {
				next -= 10
				return next, 1, nil
			},
			Clock: env.SystemClock(), Rand: env.SeededRand(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if ts, err := o.Timestamp(bg); err != nil || ts != 90 {
			t.Fatalf("got %v, %v", ts, err)
		}
		ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
		defer cancel()
		if ts, err := o.Timestamp(ctx); err == nil {
			t.Errorf("got %v, below the one before", ts)
		}
	})
}

// A transaction can ask for its timestamp early and wait late.
func TestBeginAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.close()
		f := &fetchLog{delay: 5 * time.Millisecond, last: timestamp.Make(time.Now().UnixMilli(), 0)}
		o := newOracle(t, f)
		defer o.Close()
		cl := c.client(func(opts *Options) { opts.Timestamps = o })
		defer closeClient(t, cl)
		tx, err := cl.BeginAsync(TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		if got := get(t, tx, "a"); got != "-" || time.Since(began) != 0 {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
		// One that is never used asks for nothing more and waits for nothing.
		idle, err := cl.BeginAsync(TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := idle.Commit(bg, CommitOptions{}); err != nil || time.Since(began) != 0 {
			t.Errorf("empty commit: %v after %v", err, time.Since(began))
		}
		synctest.Wait()
	})
}

// An oracle in this process is asked directly, and by the queue once it is not there
// any more; after Close by neither.
func TestDirectTimestamps(t *testing.T) {
	ctx := context.Background()
	here, next := true, timestamp.Timestamp(100)
	asked := 0
	o, err := NewBatchingOracle(OracleOptions{
		Clock: env.SystemClock(), Rand: env.SeededRand(1),
		Direct: func(atLeast timestamp.Timestamp) (timestamp.Timestamp, bool) {
			if !here {
				return 0, false
			}
			next = max(next, atLeast) + 1
			return next, true
		},
		Fetch: func(_ context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, uint32, error) {
			asked++
			return max(1000, atLeast+1), count, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(got timestamp.Timestamp, err error, want timestamp.Timestamp, wantAsked int) {
		t.Helper()
		if err != nil || got != want || asked != wantAsked {
			t.Errorf("timestamp %d, %v, after %d requests; want %d after %d", got, err, asked, want, wantAsked)
		}
	}
	ts, err := o.Timestamp(ctx)
	check(ts, err, 101, 0)
	ts, err = o.AtLeast(ctx, 500)
	check(ts, err, 501, 0)
	ts, err = o.TimestampAsync().Wait(ctx)
	check(ts, err, 502, 0)
	here = false
	ts, err = o.Timestamp(ctx)
	check(ts, err, 1000, 1)
	here = true
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := o.Timestamp(gone); err == nil {
		t.Error("a timestamp for a caller that is gone")
	}
	o.Close()
	if _, err := o.Timestamp(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
