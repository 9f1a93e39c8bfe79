package latch

import (
	"bytes"
	"slices"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// Span is a point or a range of user keys that a request reads or changes.
type Span struct {
	start, end []byte
	point      bool
	shared     bool
}

// Point returns the span of one key. Spans keep the slices that they are given.
func Point(key []byte) Span { return Span{start: key, point: true} }

// Range returns the span [start, end); an empty end is infinity.
func Range(start, end []byte) Span { return Span{start: start, end: end} }

// Shared returns the span as one that does not conflict with other shared ones.
func (s Span) Shared() Span {
	s.shared = true
	return s
}

func (s Span) overlaps(o Span) bool {
	switch {
	case s.point && o.point:
		return bytes.Equal(s.start, o.start)
	case s.point:
		return o.holds(s.start)
	case o.point:
		return s.holds(o.start)
	}
	return (len(o.end) == 0 || bytes.Compare(s.start, o.end) < 0) &&
		(len(s.end) == 0 || bytes.Compare(o.start, s.end) < 0)
}

func (s Span) holds(key []byte) bool {
	return bytes.Compare(key, s.start) >= 0 && (len(s.end) == 0 || bytes.Compare(key, s.end) < 0)
}

// Manager holds the latches of one replica for one term of leadership. All
// methods are safe for concurrent use; callbacks run without its mutex, on the
// goroutine of the call that caused them.
type Manager struct {
	mu     sync.Mutex
	closed bool
	seq    uint64
	// points holds, for each latched key, the guards that name it, oldest first.
	points map[string][]*Guard
	// ranged holds the guards that have a range, oldest first.
	ranged []*Guard
	// all holds every guard; only range requests walk over it.
	all map[*Guard]struct{}
	// locked holds the guards with a memory lock.
	locked []*Guard
}

// NewManager returns a manager without latches.
func NewManager() *Manager {
	return &Manager{points: make(map[string][]*Guard), all: make(map[*Guard]struct{})}
}

// Guard is a request's hold on its spans, or its place in the queue for them.
type Guard struct {
	spans   []Span // points first, sorted by key; then ranges
	nPoints int
	seq     uint64
	granted func(g *Guard, ok, waited bool)
	waiting int // guards before this one that are in the way
	mark    uint64
	done    bool

	followers []*Guard  // guards that wait for this one
	readers   []*Reader // reads that wait for the memory lock

	isLocked bool
	commitTS timestamp.Timestamp
}

// Acquire queues a request for its spans. granted is called once: with true when
// no earlier conflicting request is left (within this call, if there is none), or
// with false when the manager is closed. waited says that it is called later, on the
// goroutine of whoever was in the way. Every guard is released in the end, also
// one that is still waiting (granted is not called any more then), but not one
// that was refused.
func (m *Manager) Acquire(spans []Span, granted func(g *Guard, ok, waited bool)) *Guard {
	g := &Guard{spans: slices.Clone(spans), granted: granted}
	slices.SortStableFunc(g.spans, func(a, b Span) int {
		if a.point != b.point {
			if a.point {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.start, b.start)
	})
	for g.nPoints < len(g.spans) && g.spans[g.nPoints].point {
		g.nPoints++
	}

	m.mu.Lock()
	if m.closed {
		g.done = true
		m.mu.Unlock()
		granted(g, false, false)
		return g
	}
	m.seq++
	g.seq = m.seq
	m.enqueueLocked(g)
	free := g.waiting == 0
	m.mu.Unlock()
	if free {
		granted(g, true, false)
	}
	return g
}

func (m *Manager) enqueueLocked(g *Guard) {
	for i, s := range g.spans {
		if s.point {
			for _, h := range m.points[string(s.start)] {
				m.maybeFollow(g, s, h)
			}
			for _, h := range m.ranged {
				m.maybeFollow(g, s, h)
			}
			if i == 0 || !bytes.Equal(g.spans[i-1].start, s.start) {
				m.points[string(s.start)] = append(m.points[string(s.start)], g)
			}
			continue
		}
		for h := range m.all {
			m.maybeFollow(g, s, h)
		}
	}
	if g.nPoints < len(g.spans) {
		m.ranged = append(m.ranged, g)
	}
	m.all[g] = struct{}{}
}

// maybeFollow makes g wait for h, once, if span s of g conflicts with h.
func (m *Manager) maybeFollow(g *Guard, s Span, h *Guard) {
	if h == g || h.mark == g.seq {
		return
	}
	if h.conflicts(s) {
		h.mark = g.seq
		h.followers = append(h.followers, g)
		g.waiting++
	}
}

func (g *Guard) conflicts(s Span) bool {
	for _, o := range g.pointsIn(s) {
		if !(o.shared && s.shared) {
			return true
		}
	}
	for _, o := range g.spans[g.nPoints:] {
		if !(o.shared && s.shared) && o.overlaps(s) {
			return true
		}
	}
	return false
}

// pointsIn returns the points of g that lie in s.
func (g *Guard) pointsIn(s Span) []Span {
	pts := g.spans[:g.nPoints]
	lo, _ := slices.BinarySearchFunc(pts, s.start, func(p Span, k []byte) int { return bytes.Compare(p.start, k) })
	hi := lo
	for hi < len(pts) && pts[hi].overlaps(s) {
		hi++
	}
	return pts[lo:hi]
}

// Release gives the latches and the memory lock up and lets those behind go on.
// A second release does nothing, nor does one of nil.
func (m *Manager) Release(g *Guard) {
	if g == nil {
		return
	}
	m.mu.Lock()
	if g.done {
		m.mu.Unlock()
		return
	}
	g.done = true
	m.removeLocked(g)
	var ready []*Guard
	for _, f := range g.followers {
		if f.waiting--; f.waiting == 0 && !f.done {
			ready = append(ready, f)
		}
	}
	readers := m.retryReadersLocked(g.readers)
	g.followers, g.readers = nil, nil
	m.mu.Unlock()
	for _, f := range ready {
		f.granted(f, true, true)
	}
	for _, r := range readers {
		r.ready(true)
	}
}

func (m *Manager) removeLocked(g *Guard) {
	delete(m.all, g)
	drop := func(list []*Guard) []*Guard {
		return slices.DeleteFunc(list, func(h *Guard) bool { return h == g })
	}
	for i, s := range g.spans[:g.nPoints] {
		if i > 0 && bytes.Equal(g.spans[i-1].start, s.start) {
			continue
		}
		if q := drop(m.points[string(s.start)]); len(q) > 0 {
			m.points[string(s.start)] = q
		} else {
			delete(m.points, string(s.start))
		}
	}
	if g.nPoints < len(g.spans) {
		m.ranged = drop(m.ranged)
	}
	if g.isLocked {
		m.locked = drop(m.locked)
	}
}

// Close refuses everything that waits and everything that comes. Guards that were
// granted may still be released.
func (m *Manager) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	var guards []*Guard
	var readers []*Reader
	for g := range m.all {
		if g.waiting > 0 && !g.done {
			guards = append(guards, g)
		}
		for _, r := range g.readers {
			if !r.done {
				r.done = true
				readers = append(readers, r)
			}
		}
		g.followers, g.readers = nil, nil
	}
	slices.SortFunc(guards, func(a, b *Guard) int { return int(int64(a.seq) - int64(b.seq)) })
	slices.SortFunc(readers, func(a, b *Reader) int { return int(int64(a.seq) - int64(b.seq)) })
	for _, g := range guards {
		g.done = true
		m.removeLocked(g)
	}
	m.mu.Unlock()
	for _, g := range guards {
		g.granted(g, false, true)
	}
	for _, r := range readers {
		r.ready(false)
	}
}

// Len returns how many guards hold or wait.
func (m *Manager) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all)
}
