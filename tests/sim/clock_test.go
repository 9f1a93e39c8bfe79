package sim

import (
	"testing"
	"time"
	"unsafe"

	"github.com/quorate-db/quorate/internal/env"
)

// simClock is one machine's clock: a monotonic one that runs at a rate of its
// own, and a wall clock beside it that may jump.
type simClock struct {
	w    *world
	rate float64
	// local is what the monotonic clock showed at real (virtual time); the rate
	// holds from there on.
	local, real time.Duration
	jump        time.Duration // of the wall clock
}

var _ env.Clock = (*simClock)(nil)

func (c *simClock) mono() time.Duration {
	return c.local + time.Duration(float64(c.w.now-c.real)*c.rate)
}

func (c *simClock) setRate(r float64) {
	c.local, c.real, c.rate = c.mono(), c.w.now, r
}

// toReal converts a duration on this clock to virtual time.
func (c *simClock) toReal(d time.Duration) time.Duration { return time.Duration(float64(d) / c.rate) }

func (c *simClock) Now() time.Time {
	m := c.mono()
	return instant(baseTime.Add(m+c.jump), m)
}

func (c *simClock) NewTimer(time.Duration) env.Timer {
	panic("a store in manual mode made a timer")
}

func (c *simClock) NewTicker(time.Duration) env.Ticker {
	panic("a store in manual mode made a ticker")
}

// instant returns a time with the given wall and monotonic readings. The standard
// library offers no way to make one, so it is put together from the documented
// layout of time.Time; TestInstant guards that.
func instant(wall time.Time, mono time.Duration) time.Time {
	const (
		hasMonotonic   = 1 << 63
		nsecShift      = 30
		unixToInternal = int64(1969*365+1969/4-1969/100+1969/400) * 86400
		wallToInternal = int64(1884*365+1884/4-1884/100+1884/400) * 86400
	)
	sec := wall.Unix() + unixToInternal - wallToInternal
	var t time.Time
	p := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	p.wall = hasMonotonic | uint64(sec)<<nsecShift | uint64(wall.Nanosecond())
	p.ext = int64(mono)
	return t
}

// A made time has the two readings that it was given.
func TestInstant(t *testing.T) {
	wall := time.Unix(1_700_000_123, 456_000_789)
	a := instant(wall, time.Hour)
	b := instant(wall.Add(-time.Minute), time.Hour+time.Second)
	if got := b.Sub(a); got != time.Second {
		t.Errorf("monotonic difference is %v, want 1s", got)
	}
	if got := b.Round(0).Sub(a.Round(0)); got != -time.Minute {
		t.Errorf("wall difference is %v, want -1m", got)
	}
	if got := a.UnixNano(); got != wall.UnixNano() {
		t.Errorf("wall reading is %d, want %d", got, wall.UnixNano())
	}
	if !a.Add(time.Second).Equal(b) {
		t.Error("adding does not keep the monotonic reading")
	}
}
