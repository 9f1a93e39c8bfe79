//go:build faults

package placement

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
)

// pointsHere finds the named points of this package by reading its source.
func pointsHere(t *testing.T) (out []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile(`fault\.Hit\("([^"]*)"\)`)
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllStringSubmatch(string(src), -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// A leader that dies right before or after it stores a bound leaves nothing behind
// that its successor would give a second time. Each named point of the package is
// reached.
func TestCrashPoints(t *testing.T) {
	points := pointsHere(t)
	if len(points) < 6 {
		t.Errorf("found %d points only: %v", len(points), points)
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) { crashAt(t, point) })
	}
}

func crashAt(t *testing.T, point string) {
	g := &fakeGroup{kv: map[string][]byte{}}
	services := []*Service{newService(t, g, 1, nil), newService(t, g, 2, nil)}
	var crashes, dead atomic.Int64
	t.Cleanup(fault.Watch(func(p string) {
		// Whoever comes here leads: it is dead from now on, the other one leads.
		if p == point && crashes.Load() < 5 {
			crashes.Add(1)
			g.mu.Lock()
			dead.Store(int64(g.leader))
			g.setLeaderLocked(3 - g.leader)
			g.mu.Unlock()
		}
	}))
	lead(g, 1)
	ctx := context.Background()
	var last timestamp.Timestamp
	seen := map[uint64]bool{}
	for deadline := time.Now().Add(30 * time.Second); crashes.Load() < 5; {
		if time.Now().After(deadline) {
			t.Fatalf("%d crashes in 30 s: the point is hardly reached", crashes.Load())
		}
		for _, s := range services {
			if ts, err := s.Timestamps(ctx, 1, 0); err == nil {
				if ts <= last {
					t.Fatalf("timestamp %v after %v", ts, last)
				}
				last = ts
			}
			if first, err := s.AllocIDs(ctx, 300); err == nil {
				for id := first; id < first+300; id++ {
					if seen[id] {
						t.Fatalf("id %d is given twice", id)
					}
					seen[id] = true
				}
			}
		}
		if d := dead.Swap(0); d != 0 {
			services[d-1].Stop()
			services[d-1] = newService(t, g, uint64(d), nil)
		}
	}
}
