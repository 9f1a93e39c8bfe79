package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// topped makes a look at three nodes, of which the third is away, with many regions.
func topped(second int, txns uint64) *topLook {
	l := &topLook{at: time.Unix(int64(second), 0), period: 5000, status: &adminpb.StatusResponse{ClusterId: 0xabc, NodeId: 1, NodesLive: 2, NodesTotal: 3, Regions: 40, SizeBytes: 5 << 20,
		Problems: []*adminpb.Problem{{What: "node 3 is SUSPECT", Why: "silent", Try: "start it again"}}}}
	for id := uint64(1); id <= 3; id++ {
		d := &adminpb.DescribeNodeResponse{Node: &adminpb.Node{Store: &metapb.Store{Id: id, NodeId: id}, Leaders: 20, Replicas: 40}}
		if id < 3 {
			d.Here = &adminpb.NodeHereResponse{CapacityBytes: 100, AvailableBytes: 60, MemoryBytes: 200 << 20, Sessions: 7,
				Counters: []*adminpb.Counter{{Name: "transactions_one_phase", Value: txns}, {Name: "transactions_async", Value: txns}, {Name: "log_syncs", Value: txns / 2}}}
		} else {
			d.Node.Store.State = metapb.StoreState_SUSPECT
		}
		l.nodes = append(l.nodes, d)
	}
	for id := uint64(1); id <= 40; id++ {
		l.regions = append(l.regions, &adminpb.MapRegion{RatesKnown: true, WritesPerSecond: []float64{float64(100 - id), 1, 0},
			Info: &adminpb.RegionInfo{Region: &metapb.Region{Id: id}, Start: "/t/16400/1/" + strings.Repeat("long", 20), LeaderNode: 1 + id%2, SizeBytes: 1 << 20}})
	}
	l.operators = []*placementpb.Operator{{Id: 1, RegionId: 5, Kind: "split", Detail: "at 2 keys", State: "done", Reason: "asked for"}}
	return l
}

// Every view fits into a terminal of 80 columns and 24 lines, and into a tiny one.
func TestTopFits(t *testing.T) {
	tp := &top{before: map[uint64]counters{}}
	for i := range 40 {
		tp.take(topped(i, uint64(100*i)))
	}
	for _, size := range [][2]int{{80, 24}, {20, 3}, {1, 1}} {
		for view := viewNodes; view <= viewOperators; view++ {
			tp.view = view
			lines := tp.frame(size[0], size[1]-0)
			if len(lines) > size[1] {
				t.Errorf("view %d: %d lines into %d", view, len(lines), size[1])
			}
			for _, l := range lines {
				if utf8.RuneCountInString(l) > size[0] {
					t.Errorf("view %d: %d columns into %d: %s", view, utf8.RuneCountInString(l), size[0], l)
				}
			}
		}
	}
}

// Rates are differences of counters by the time between two looks; a node that was
// restarted meanwhile has none below zero, one that is away none at all.
func TestTopRates(t *testing.T) {
	tp := &top{view: viewNodes, before: map[uint64]counters{}}
	tp.take(topped(10, 1000))
	if r := tp.rate(1, "log_syncs"); r != 0 {
		t.Errorf("a rate of %v after one look", r)
	}
	tp.take(topped(14, 1200))
	if r := tp.rate(1, transactionCounters...); r != 100 {
		t.Errorf("%v transactions per second, want 2 × 200 in 4 s", r)
	}
	if got := strings.Join(tp.frame(100, 50), "\n"); !strings.Contains(got, "transactions/s 200") || !strings.Contains(got, "!  node 3 is SUSPECT: start it again") {
		t.Error(got)
	}
	tp.take(topped(16, 10))
	if r := tp.rate(1, transactionCounters...); r != 0 {
		t.Errorf("%v transactions per second after a restart", r)
	}
	if r := tp.rate(3, transactionCounters...); r != 0 {
		t.Errorf("%v transactions per second of a node that is away", r)
	}
}

// Keys choose the view, pause and end the display.
func TestTopKeys(t *testing.T) {
	tp := &top{view: viewNodes}
	if tp.press('2') || tp.view != viewRegions || tp.press('x') || tp.press('p') || !tp.paused || tp.press('p') || tp.paused {
		t.Errorf("%+v", tp)
	}
	for _, k := range []byte{'q', 3} {
		if !tp.press(k) {
			t.Errorf("key %d does not end it", k)
		}
	}
}

// A heat strip has one character a period, the newest on the right, the highest bar for
// the highest rate and a dot for none.
func TestHeat(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		most  float64
		want  string
	}{
		{nil, 0, ""}, {[]float64{0, 0}, 0, "··"}, {[]float64{8, 4, 0, 1}, 8, "▂·▅█"}, {[]float64{16}, 8, "█"},
	} {
		if got := heatText(c.rates, c.most); got != c.want {
			t.Errorf("%v of %v: %s, want %s", c.rates, c.most, got, c.want)
		}
	}
}

// Times and sizes are written in units that people read.
func TestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0s", 40 * time.Millisecond: "40ms", 1500 * time.Millisecond: "1.5s", 42 * time.Second: "42s",
		130 * time.Second: "2m10s", 3*time.Hour + 12*time.Minute: "3h12m", 12*24*time.Hour + 4*time.Hour: "12d4h"} {
		if got := ageText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := clipText("überlang", 4); got != "übe…" {
		t.Error(got)
	}
	if got := strings.Join([]string{bytesText(999), bytesText(1536), bytesText(96 << 20)}, " "); got != "999B 1.5K 96.0M" {
		t.Error(got)
	}
}
