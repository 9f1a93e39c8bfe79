package latch

import (
	"slices"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// Lock puts a memory lock on the exclusive spans of a granted guard until it is
// released. choose returns the commit timestamp: reads at or above it wait from
// now on. It is called with the manager's mutex held, so that no read passes
// between the lock and the choice; it must look up and raise the region's max_ts
// and do nothing else (rule E1: memory lock first, then max_ts).
func (m *Manager) Lock(g *Guard, choose func() timestamp.Timestamp) timestamp.Timestamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !g.isLocked {
		g.isLocked = true
		if !g.done {
			m.locked = append(m.locked, g)
		}
	}
	g.commitTS = choose()
	return g.commitTS
}

// Reader is a read that waits for memory locks.
type Reader struct {
	spans []Span
	ts    timestamp.Timestamp
	ready func(ok bool)
	seq   uint64
	done  bool
}

// Read reports true if no memory lock that may commit at or below ts lies on the
// spans. Otherwise it returns false and calls ready later: with true when such
// locks are gone, with false when the manager is closed (within this call, if it
// is closed already). The caller must have raised max_ts to ts before (rule B5).
func (m *Manager) Read(spans []Span, ts timestamp.Timestamp, ready func(ok bool)) (free bool, r *Reader) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		ready(false)
		return false, nil
	}
	r = &Reader{spans: spans, ts: ts, ready: ready}
	if m.attachLocked(r) {
		m.mu.Unlock()
		return true, nil
	}
	m.seq++
	r.seq = m.seq
	m.mu.Unlock()
	return false, r
}

// Cancel takes a waiting read back and reports whether it was still waiting; if
// not, ready was or is being called.
func (m *Manager) Cancel(r *Reader) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.done {
		return false
	}
	r.done = true
	return true
}

// attachLocked reports true if nothing is in r's way, else makes it wait for the
// first lock that is.
func (m *Manager) attachLocked(r *Reader) bool {
	for _, g := range m.locked {
		if g.commitTS <= r.ts && g.blocks(r.spans) {
			g.readers = append(slices.DeleteFunc(g.readers, func(o *Reader) bool { return o.done }), r)
			return false
		}
	}
	return true
}

func (g *Guard) blocks(spans []Span) bool {
	for _, s := range spans {
		for _, o := range g.pointsIn(s) {
			if !o.shared {
				return true
			}
		}
		for _, o := range g.spans[g.nPoints:] {
			if !o.shared && o.overlaps(s) {
				return true
			}
		}
	}
	return false
}

// retryReadersLocked lets reads that waited for a released lock look again and
// returns those that are free.
func (m *Manager) retryReadersLocked(readers []*Reader) []*Reader {
	var free []*Reader
	for _, r := range readers {
		if !r.done && m.attachLocked(r) {
			r.done = true
			free = append(free, r)
		}
	}
	return free
}
