package env

import (
	"math/rand/v2"
	"sync"
	"time"
)

// alignFrom is the shortest period of tickers that tick together. What wakes an idle
// process costs more than what is done then, so the many things that are looked after
// once a second should be in one go.
const alignFrom = time.Second

// phase differs from process to process: the disks of all replicas should not be
// synced at the same moment.
var phase = time.Duration(rand.Int64N(int64(time.Hour)))

// alignedTicker is a Ticker whose ticks fall on those of all others of its period.
type alignedTicker struct {
	c chan time.Time
	d time.Duration

	mu      sync.Mutex
	t       *time.Timer
	next    time.Time
	stopped bool
}

func newAlignedTicker(d time.Duration) *alignedTicker {
	k := &alignedTicker{c: make(chan time.Time, 1), d: d}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = now.Add(untilAligned(now, d))
	k.t = time.AfterFunc(k.next.Sub(now), k.tick)
	return k
}

// untilAligned is how long it is from now to the next tick of a period, at most d.
func untilAligned(now time.Time, d time.Duration) time.Duration {
	since := (time.Duration(now.UnixNano()) + phase) % d
	return d - since
}

func (k *alignedTicker) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	now := time.Now()
	select {
	case k.c <- now:
	default:
	}
	for !k.next.After(now) {
		k.next = k.next.Add(k.d)
	}
	k.t.Reset(k.next.Sub(now))
}

func (k *alignedTicker) C() <-chan time.Time { return k.c }

func (k *alignedTicker) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.t.Stop()
}
