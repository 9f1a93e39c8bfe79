// Package tso is the timestamp oracle's core: it turns the passing of time into
// timestamps that never repeat and never go back.
//
// The oracle may hand out timestamps below a bound that the placement group has
// stored; a new leader starts above the bound that it finds, so two leaders never
// hand out the same number, whatever their clocks say. While it leads, the oracle
// goes by the monotonic clock from the moment it began: a step of the wall clock
// changes nothing.
//
// The core is a value with no lock, no clock and no storage: its owner calls it
// under a mutex, tells it the time, and stores the bounds that it asks for.
package tso

import (
	"errors"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
)

const (
	// Window is how far ahead of now the stored bound is put: long enough that
	// a write of the bound every second is rare, short enough that a new
	// leader's jump is small.
	Window = 2 * time.Second
	// QuietWindow is Window while no transaction runs anywhere: each bound is a write
	// at all replicas. A new leader may begin that far ahead, which takes nothing from
	// transactions that are not there; when there are some again, the bound is taken
	// back.
	QuietWindow = 10 * time.Second
	// renewBelow is what may be left of the window before the next bound is
	// asked for.
	renewBelow = time.Second
	// atLeastMax bounds how far ahead of the oracle a caller may push it. Commit
	// timestamps chosen by regions run ahead by logical steps only, so anything
	// larger is a fault of the caller and must not burn the clock.
	atLeastMax = 10 * time.Second
)

// ErrWindow says that the stored bound must be raised before more timestamps can
// be given; see Oracle.NextBound.
var ErrWindow = errors.New("the stored window of timestamps is used up")

// Oracle gives timestamps. The zero value gives none: see New.
type Oracle struct {
	// Invariant: every timestamp ever given is <= last < bound.
	last  timestamp.Timestamp
	bound timestamp.Timestamp

	baseMs   int64     // physical time at began
	began    time.Time // with monotonic reading
	stored   timestamp.Timestamp
	hasBound bool
}

// New returns an oracle of a leader that begins at the time now and found the
// bound stored by its predecessors (zero if there is none). It gives nothing
// before the first Extend.
func New(stored timestamp.Timestamp, now time.Time) *Oracle {
	base := now.UnixMilli()
	if p := stored.PhysicalMs() + 1; !stored.IsZero() && base < p {
		base = p
	}
	o := &Oracle{baseMs: base, began: now, stored: stored}
	o.last = stored
	if first := timestamp.Make(base, 0); o.last < first {
		o.last = first
	}
	return o
}

// physicalMs is the oracle's time: that of its beginning plus what has passed on
// the monotonic clock.
func (o *Oracle) physicalMs(now time.Time) int64 {
	return o.baseMs + now.Sub(o.began).Milliseconds()
}

// Now returns the timestamp that the oracle's clock stands at, without giving it.
func (o *Oracle) Now(now time.Time) timestamp.Timestamp {
	ts := timestamp.Make(o.physicalMs(now), 0)
	if ts < o.last {
		return o.last
	}
	return ts
}

// NextBound returns the bound to store next and whether it is time to do so. quiet
// says that no transaction runs anywhere. The bound may be below the stored one: then
// the oracle gives nothing above it from now on.
func (o *Oracle) NextBound(now time.Time, quiet bool) (timestamp.Timestamp, bool) {
	at := o.Now(now)
	window := Window
	if quiet {
		window = QuietWindow
	}
	next := timestamp.Make(at.PhysicalMs()+window.Milliseconds(), 0)
	switch {
	case !o.hasBound:
		return next, true
	case !quiet && o.Wide(now):
		o.bound = next
		return next, true
	}
	return next, o.bound.PhysicalMs()-at.PhysicalMs() < renewBelow.Milliseconds() && next > o.bound
}

// Wide reports whether the bound is further ahead than transactions should find it.
func (o *Oracle) Wide(now time.Time) bool {
	return o.hasBound && o.bound.PhysicalMs()-o.Now(now).PhysicalMs() > Window.Milliseconds()
}

// Left is how long until the next bound is due if nobody jumps ahead; it is positive.
func (o *Oracle) Left(now time.Time) time.Duration {
	left := time.Duration(o.bound.PhysicalMs()-o.Now(now).PhysicalMs()) * time.Millisecond
	return max(left-renewBelow, 0) + 2*time.Millisecond
}

// Extend tells the oracle that bound has been stored durably.
func (o *Oracle) Extend(bound timestamp.Timestamp) {
	if bound > o.bound && bound > o.stored {
		o.bound, o.hasBound = bound, true
	}
}

// Grant gives count distinct timestamps first, first+1, …, all above atLeast.
// It returns ErrWindow when the stored bound does not reach.
func (o *Oracle) Grant(now time.Time, count uint32, atLeast timestamp.Timestamp) (first timestamp.Timestamp, err error) {
	if count == 0 || count > timestamp.LogicalMax {
		return 0, fmt.Errorf("a request for %d timestamps is out of range", count)
	}
	at := o.Now(now)
	if atLeast > at {
		if ahead := atLeast.PhysicalMs() - at.PhysicalMs(); ahead > atLeastMax.Milliseconds() {
			return 0, fmt.Errorf("refused to jump %d ms ahead to timestamp %d", ahead, uint64(atLeast))
		}
		at = atLeast
	}
	first = at + 1
	// The range may run over the logical part into the next millisecond: the
	// order is that of the whole number, so this is as good as any.
	end := first + timestamp.Timestamp(count) - 1
	if !o.hasBound || end >= o.bound {
		return 0, ErrWindow
	}
	o.last = end
	return first, nil
}
