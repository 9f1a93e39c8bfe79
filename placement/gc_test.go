package placement

import (
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
)

func at(ms int64) timestamp.Timestamp { return timestamp.Make(ms, 0) }

// The fence is a timestamp that was the present one retention ago on the monotonic
// clock: when the wall clock jumps ahead by an hour, the hour is not given up before
// it has passed (rule B7).
func TestFenceFollowsTheMonotonicClock(t *testing.T) {
	start := time.Unix(1000, 0)
	var g gcState
	const retention = 10 * time.Minute
	jump := int64(0)
	for min := 0; min <= 30; min++ {
		if min == 12 {
			jump = time.Hour.Milliseconds()
		}
		now := start.Add(time.Duration(min) * time.Minute)
		g = g.next(now, at(int64(min)*60_000+1+jump), retention, 0, 0)
		want := timestamp.Timestamp(0)
		switch {
		case min >= 22: // the present of minute 12 and later was an hour ahead
			want = at(int64(min-10)*60_000 + 1 + jump)
		case min >= 10:
			want = at(int64(min-10)*60_000 + 1)
		}
		if g.fence != want {
			t.Fatalf("minute %d: fence %v, want %v", min, g.fence, want)
		}
	}
}

// A new leader waits for one retention before it moves the fence, keeps what is
// stored, and stops at the oldest transaction that runs.
func TestFenceBounds(t *testing.T) {
	start := time.Unix(1000, 0)
	g := gcState{fence: at(5000), collect: at(4000)}
	step := func(second int, running timestamp.Timestamp) {
		g = g.next(start.Add(time.Duration(second)*time.Second), at(10_000+int64(second)*1000), 10*time.Second, running, 0)
	}
	for s := range 10 {
		step(s, 0)
	}
	if g.fence != at(5000) {
		t.Fatalf("fence %v moved within the first retention of a leader", g.fence)
	}
	step(10, at(9000))
	if g.fence != at(9000) {
		t.Fatalf("fence %v, want that of the running transaction", g.fence)
	}
	step(11, at(8000))
	if g.fence != at(9000) {
		t.Fatalf("fence %v went back", g.fence)
	}
	step(14, 0)
	if g.fence != at(14_000) {
		t.Fatalf("fence %v, want the present of ten seconds ago", g.fence)
	}
}

// Nothing is collected above what every region has reported clean, nor above the
// fence that the regions can have applied.
func TestCollectFollowsTheRegions(t *testing.T) {
	now := time.Unix(1000, 0)
	g := gcState{fence: at(5000), collect: at(1000)}
	for _, c := range []struct{ clean, want timestamp.Timestamp }{
		{0, at(1000)}, {at(3000), at(3000)}, {at(2000), at(3000)}, {timestamp.Max, at(5000)},
	} {
		if g = g.next(now, at(9000), time.Hour, 0, c.clean); g.collect != c.want {
			t.Errorf("regions clean up to %v: collect %v, want %v", c.clean, g.collect, c.want)
		}
	}
}

// What is told was stored before, and a new leader goes on from it. A region that
// has reported nothing holds the collection back.
func TestGCIsStoredAndReported(t *testing.T) {
	l := &leadership{dir: newDirectory(), stores: map[uint64]*storeState{1: {}}}
	if _, heard := l.oldestRunning(); heard {
		t.Error("a store that has not reported may run anything")
	}
	l.stores[1].lastSeen = time.Unix(1, 0)
	l.stores[1].oldest = at(7)
	l.stores[2] = &storeState{silent: true, oldest: at(3)}
	if oldest, heard := l.oldestRunning(); !heard || oldest != at(7) {
		t.Errorf("oldest %v, heard %v", oldest, heard)
	}
	l.dir.apply(report(1, "", "\x02", 1, 1, 1, 5))
	a, b := report(2, "\x02", "m", 1, 1, 1, 5), report(3, "m", "", 1, 1, 1, 5)
	a.CleanTs = uint64(at(9))
	l.dir.apply(a)
	if c := l.clean(); c != 0 {
		t.Errorf("clean %v with a hole in the directory", c)
	}
	l.dir.apply(b)
	if c := l.clean(); c != 0 {
		t.Errorf("clean %v, one region has reported nothing", c)
	}
	b.CleanTs = uint64(at(8))
	l.dir.apply(b)
	if c := l.clean(); c != at(8) {
		t.Errorf("clean %v, want the smallest of the regions", c)
	}
	var back gcState
	g := gcState{fence: at(5), collect: at(4)}
	if err := back.decode(KV{keyGC, g.encode()}); err != nil || back.fence != g.fence || back.collect != g.collect {
		t.Errorf("%v came back as %v (%v)", g, back, err)
	}
}
