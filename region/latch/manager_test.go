package latch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
)

func k(s string) []byte { return []byte(s) }

// take acquires and reports through a pointer whether it was granted.
func take(m *Manager, spans ...Span) (*Guard, *string) {
	state := "waiting"
	g := m.Acquire(spans, func(_ *Guard, ok, _ bool) {
		if ok {
			state = "granted"
		} else {
			state = "refused"
		}
	})
	return g, &state
}

func want(t *testing.T, what string, got *string, want string) {
	t.Helper()
	if *got != want {
		t.Fatalf("%s is %s, want %s", what, *got, want)
	}
}

// Requests for one key are served first in, first out; another key is free.
func TestFirstInFirstOut(t *testing.T) {
	m := NewManager()
	g1, s1 := take(m, Point(k("a")))
	g2, s2 := take(m, Point(k("a")), Point(k("b")))
	g3, s3 := take(m, Point(k("b")))
	_, s4 := take(m, Point(k("c")))
	want(t, "first", s1, "granted")
	want(t, "second", s2, "waiting")
	want(t, "third", s3, "waiting") // behind the second, which waits for a
	want(t, "other key", s4, "granted")
	m.Release(g1)
	want(t, "second", s2, "granted")
	want(t, "third", s3, "waiting")
	m.Release(g2)
	want(t, "third", s3, "granted")
	m.Release(g3)
}

// Shared latches go together, an exclusive one waits for all of them, and a
// shared one that comes later waits behind it.
func TestShared(t *testing.T) {
	m := NewManager()
	g1, s1 := take(m, Point(k("a")).Shared())
	g2, s2 := take(m, Range(k("a"), k("c")).Shared())
	g3, s3 := take(m, Point(k("a")))
	_, s4 := take(m, Point(k("a")).Shared())
	want(t, "shared point", s1, "granted")
	want(t, "shared range", s2, "granted")
	want(t, "exclusive", s3, "waiting")
	want(t, "late shared", s4, "waiting")
	m.Release(g1)
	want(t, "exclusive", s3, "waiting")
	m.Release(g2)
	want(t, "exclusive", s3, "granted")
	want(t, "late shared", s4, "waiting")
	m.Release(g3)
	want(t, "late shared", s4, "granted")
}

// The whole region waits for every point and keeps later ones out (a split).
func TestWholeRegion(t *testing.T) {
	m := NewManager()
	g1, _ := take(m, Point(k("a")))
	g2, _ := take(m, Point(k("z")))
	g3, s3 := take(m, Range(nil, nil))
	_, s4 := take(m, Point(k("q")))
	want(t, "region", s3, "waiting")
	want(t, "late point", s4, "waiting")
	m.Release(g2)
	m.Release(g1)
	want(t, "region", s3, "granted")
	m.Release(g3)
	want(t, "late point", s4, "granted")
}

// A request that gives up in the queue lets those behind it go on.
func TestReleaseWhileWaiting(t *testing.T) {
	m := NewManager()
	g1, _ := take(m, Point(k("a")))
	g2, s2 := take(m, Point(k("a")))
	_, s3 := take(m, Point(k("a")))
	m.Release(g2)
	want(t, "third", s3, "waiting")
	m.Release(g1)
	want(t, "cancelled", s2, "waiting")
	want(t, "third", s3, "granted")
}

// Closing refuses who waits and who comes, and leaves no entry behind.
func TestClose(t *testing.T) {
	m := NewManager()
	g1, _ := take(m, Point(k("a")))
	_, s2 := take(m, Point(k("a")))
	m.Lock(g1, func() timestamp.Timestamp { return 5 })
	read := "waiting"
	m.Read([]Span{Point(k("a"))}, 7, func(ok bool) { read = fmt.Sprint(ok) })
	m.Close()
	_, s3 := take(m, Point(k("b")))
	want(t, "waiting", s2, "refused")
	want(t, "late", s3, "refused")
	want(t, "read", &read, "false")
	m.Release(g1)
	if m.Len() != 0 {
		t.Fatalf("%d guards left", m.Len())
	}
}

// Reads below a memory lock's commit timestamp pass; those at or above it wait
// until it is released (rule B5).
func TestMemoryLock(t *testing.T) {
	m := NewManager()
	g, _ := take(m, Point(k("b")), Point(k("d")))
	m.Lock(g, func() timestamp.Timestamp { return 10 })
	for _, tc := range []struct {
		span Span
		ts   timestamp.Timestamp
		free bool
	}{
		{Point(k("b")), 9, true},
		{Point(k("b")), 10, false},
		{Point(k("c")), 11, true},
		{Range(k("a"), k("b")), 11, true},
		{Range(k("c"), nil), 11, false},
		{Range(k("c"), k("d")), 11, true},
		{Range(nil, nil), 9, true},
	} {
		ready := false
		free, _ := m.Read([]Span{tc.span}, tc.ts, func(bool) { ready = true })
		if free != tc.free || ready {
			t.Errorf("%v at %d: free %v, ready %v; want free %v", tc.span, tc.ts, free, ready, tc.free)
		}
	}
	count := 0
	_, cancelled := m.Read([]Span{Point(k("b"))}, 10, func(bool) { count += 100 })
	m.Read([]Span{Point(k("b"))}, 10, func(ok bool) { count++ })
	if !m.Cancel(cancelled) {
		t.Error("read was not waiting")
	}
	m.Release(g)
	if count != 1 {
		t.Errorf("callbacks: %d, want 1", count)
	}
}

// Against a dumb model: at any time no two granted guards conflict, every guard
// is granted in the end, and none before an earlier conflicting one.
func TestRandomAgainstModel(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := NewManager()
		type req struct {
			id      int
			spans   []Span
			g       *Guard
			granted bool
			done    bool
		}
		var all []*req
		conflict := func(a, b *req) bool {
			for _, s := range a.spans {
				for _, o := range b.spans {
					if !(s.shared && o.shared) && s.overlaps(o) {
						return true
					}
				}
			}
			return false
		}
		check := func() {
			for i, a := range all {
				if a.done {
					continue
				}
				blocked := false
				for _, b := range all[:i] {
					if !b.done && conflict(a, b) {
						blocked = true
					}
				}
				if a.granted == blocked {
					t.Fatalf("seed %d: request %d granted=%v blocked=%v", seed, a.id, a.granted, blocked)
				}
			}
		}
		key := func() []byte { return []byte{byte('a' + rng.IntN(6))} }
		for step := 0; step < 100; step++ {
			if rng.IntN(2) == 0 {
				r := &req{id: len(all)}
				for n := rng.IntN(3) + 1; n > 0; n-- {
					s := Point(key())
					if rng.IntN(4) == 0 {
						s = Range(key(), []byte{byte('c' + rng.IntN(6))})
						if string(s.start) >= string(s.end) {
							s.end = nil
						}
					}
					if rng.IntN(2) == 0 {
						s = s.Shared()
					}
					r.spans = append(r.spans, s)
				}
				all = append(all, r)
				r.g = m.Acquire(r.spans, func(_ *Guard, ok, _ bool) { r.granted = ok })
			} else if len(all) > 0 {
				if r := all[rng.IntN(len(all))]; !r.done {
					r.done = true
					m.Release(r.g)
				}
			}
			check()
		}
		for _, r := range all {
			r.done = true
			m.Release(r.g)
		}
		if m.Len() != 0 || len(m.points) != 0 || len(m.ranged) != 0 {
			t.Fatalf("seed %d: something is left", seed)
		}
	}
}
