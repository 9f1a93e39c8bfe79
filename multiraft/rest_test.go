package multiraft

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// The ticker of a store where nobody wants a tick does not wake at all. Stirred, it
// looks once; if somebody is there it ticks at once and then at its pace until nobody
// is left.
func TestTickerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var wanted atomic.Bool
		d := &Driver{sched: newScheduler(1), stir: make(chan struct{}, 1), opts: Options{
			Clock: env.SystemClock(), TickInterval: TickInterval,
			Groups: func() []uint64 {
				looks.Add(1)
				if wanted.Load() {
					return []uint64{7}
				}
				return nil
			}}}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { d.tickLoop(ctx); close(done) }()
		count := func(d time.Duration) int64 {
			synctest.Wait()
			before := looks.Load()
			time.Sleep(d)
			synctest.Wait()
			return looks.Load() - before
		}
		if n := count(time.Second); n > restAfter+1 {
			t.Errorf("%d looks before it rests", n)
		}
		if n := count(time.Hour); n > 0 {
			t.Errorf("%d looks at rest", n)
		}
		before := looks.Load()
		d.Stir()
		count(time.Minute)
		if n := looks.Load() - before; n != 1 {
			t.Errorf("stirred for nothing it looked %d times", n)
		}
		wanted.Store(true)
		before = looks.Load()
		d.Stir()
		synctest.Wait()
		if n := looks.Load() - before; n != 1 {
			t.Errorf("stirred it ticked %d times at once", n)
		}
		if n := count(10 * TickInterval); n != 10 {
			t.Errorf("%d ticks in the time of ten", n)
		}
		wanted.Store(false)
		count(10 * TickInterval)
		if n := count(time.Hour); n > 0 {
			t.Errorf("%d looks when nobody is left", n)
		}
		cancel()
		<-done
	})
}
