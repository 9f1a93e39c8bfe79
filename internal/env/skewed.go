//go:build faults

package env

import (
	"sync"
	"time"
	"unsafe"
)

// SkewedClock is another clock that is wrong: its wall clock is off by an offset that
// may jump, and its time passes at a rate of its own. For test builds.
type SkewedClock struct {
	base Clock
	mu   struct {
		sync.Mutex
		offset time.Duration
		rate   float64
		// At the true instant began the skewed clock showed shown; it goes on from
		// there at the rate.
		began, shown time.Time
	}
}

// NewSkewedClock returns a clock that is right until Set is called.
func NewSkewedClock(base Clock) *SkewedClock {
	c := &SkewedClock{base: base}
	now := base.Now()
	c.mu.began, c.mu.shown, c.mu.rate = now, now, 1
	return c
}

// Set makes the wall clock wrong by an offset, in whole seconds, and time pass at a
// rate from now on. The monotonic reading does not jump.
func (c *SkewedClock) Set(offset time.Duration, rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.base.Now()
	c.mu.shown, c.mu.began = c.ratedLocked(now), now
	c.mu.offset, c.mu.rate = offset.Truncate(time.Second), rate
}

func (c *SkewedClock) ratedLocked(now time.Time) time.Time {
	passed := now.Sub(c.mu.began)
	return c.mu.shown.Add(time.Duration(float64(passed) * c.mu.rate))
}

// Now implements Clock.
func (c *SkewedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return shiftWall(c.ratedLocked(c.base.Now()), int64(c.mu.offset/time.Second))
}

// shiftWall moves the wall clock of a reading and leaves the monotonic one as it is,
// which package time has no way to do: with a monotonic reading the first word of a
// Time holds a flag, 33 bits of seconds and 30 of nanoseconds.
func shiftWall(t time.Time, seconds int64) time.Time {
	const hasMonotonic = 1 << 63
	wall := (*uint64)(unsafe.Pointer(&t))
	if *wall&hasMonotonic == 0 {
		return t.Add(time.Duration(seconds) * time.Second)
	}
	*wall += uint64(seconds) << 30
	return t
}

// trueTime is how long d on this clock takes in truth.
func (c *SkewedClock) trueTime(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(d) / c.mu.rate)
}

// NewTimer implements Clock.
func (c *SkewedClock) NewTimer(d time.Duration) Timer {
	return &skewedTimer{c.base.NewTimer(c.trueTime(d)), c}
}

// NewTicker implements Clock. It keeps the rate that it began with.
func (c *SkewedClock) NewTicker(d time.Duration) Ticker { return c.base.NewTicker(c.trueTime(d)) }

type skewedTimer struct {
	Timer
	c *SkewedClock
}

func (t *skewedTimer) Reset(d time.Duration) { t.Timer.Reset(t.c.trueTime(d)) }
