package placement

import (
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// A region is not merged for a while after its range has changed, and for a longer
// while after it was busy: a load that pauses comes back.
func TestBusyRegionRests(t *testing.T) {
	const rest = time.Minute
	l := &leadership{dir: newDirectory(), ranges: map[uint64]rangeSince{}}
	now := time.Unix(1000, 0)
	look := func(version uint64, reads, writes float64) bool {
		t.Helper()
		l.dir.apply(&placementpb.RegionReport{LeaderStore: 1, Term: 5, ReadsPerSecond: reads, WritesPerSecond: writes,
			Region: &metapb.Region{Id: 7, Epoch: &metapb.Epoch{ConfVer: 1, Version: version}}})
		l.noteRanges(now, 100)
		return l.ranges[7].rested(now, rest)
	}
	for _, step := range []struct {
		after         time.Duration
		version       uint64
		reads, writes float64
		want          bool
	}{
		{0, 1, 0, 0, false},
		{rest, 1, 0, 0, true},
		{time.Second, 1, 64, 32, true},
		{time.Second, 1, 64, 64, false},          // busy
		{time.Second, 2, 64, 0, false},           // split
		{rest, 2, 0, 0, false},                   // that was long ago, the load was not
		{4*rest - 2*time.Second, 2, 0, 0, false}, // 1 s too early
		{time.Second, 2, 0, 0, true},             // at rest
		{time.Hour, 2, 128, 0, false},            // busy again
		{mergeCooling*rest - 1, 2, 0, 0, false},
		{1, 2, 0, 0, true},
	} {
		now = now.Add(step.after)
		if got := look(step.version, step.reads, step.writes); got != step.want {
			t.Fatalf("%+v: rested is %v", step, got)
		}
	}
}
