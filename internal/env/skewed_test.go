//go:build faults

package env

import (
	"testing"
	"time"
)

// A jump of the wall clock does not move the monotonic one, and a rate moves both.
func TestSkewedClock(t *testing.T) {
	c := NewSkewedClock(SystemClock())
	wall := func(a, b time.Time) time.Duration { return b.Round(0).Sub(a.Round(0)) }
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 0} {
		c.Set(0, 1)
		a := c.Now()
		c.Set(jump, 1)
		b := c.Now()
		if d := b.Sub(a); d < 0 || d > time.Second {
			t.Errorf("after a jump of %v %v have passed", jump, d)
		}
		if d := wall(a, b) - jump; d < 0 || d > time.Second {
			t.Errorf("after a jump of %v the wall clock is off by %v", jump, d)
		}
	}
	c.Set(0, 1000)
	a, began := c.Now(), time.Now()
	tm := c.NewTimer(time.Second)
	<-tm.C()
	real := time.Since(began)
	if d := c.Now().Sub(a); d < time.Second || real > 900*time.Millisecond || wall(a, c.Now()) < time.Second {
		t.Errorf("at a rate of 1000, %v passed in %v", d, real)
	}
}
