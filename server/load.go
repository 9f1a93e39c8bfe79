package server

import (
	"sync"
	"time"

	"github.com/quorate-db/quorate/sql/stmtstats"
)

// loadKept is how many periods (ratePeriod) of a node's load are remembered: an hour.
const loadKept = 720

// loadPoint is what a node did in the ratePeriod before At.
type loadPoint struct {
	At                          time.Time
	Statements, Errors, Retries uint64 // failed statements count as statements, too
	Sessions                    int
	Durations                   *stmtstats.Histogram // nil: nothing was run
}

// load is the last hour of a node. It may be used concurrently.
type load struct {
	mu struct {
		sync.Mutex
		points []loadPoint // oldest first
		last   stmtstats.Totals
	}
}

// look takes the totals as they are now.
func (l *load) look(t stmtstats.Totals, sessions int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := &l.mu.last
	p := loadPoint{At: now, Errors: t.Errors - last.Errors, Retries: t.Retries - last.Retries, Sessions: sessions}
	if p.Statements = t.Calls - last.Calls + p.Errors; p.Statements > 0 {
		d := t.Durations.Since(&last.Durations)
		p.Durations = &d
	}
	l.mu.last = t
	if len(l.mu.points) >= loadKept {
		l.mu.points = append(l.mu.points[:0], l.mu.points[1:]...)
	}
	l.mu.points = append(l.mu.points, p)
}

// since copies the points later than a time.
func (l *load) since(t time.Time) []loadPoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.mu.points {
		if l.mu.points[i].At.After(t) {
			return append([]loadPoint(nil), l.mu.points[i:]...)
		}
	}
	return nil
}
