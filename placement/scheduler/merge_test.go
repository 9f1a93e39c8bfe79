package scheduler

import (
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
)

func mergeText(ps []Plan) string {
	out := ""
	for _, p := range ps {
		out += fmt.Sprintf("%s %d<%d;", p.Kind, p.RegionID, p.Source)
	}
	return out
}

// Neighbours are merged only if they are small together, at rest, whole, and nobody
// asked for the boundary; each region at most once a round.
func TestMerges(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name   string
		change func(s *Snapshot, r []Region)
		want   string
	}{
		{"small neighbours", func(*Snapshot, []Region) {}, "merge 1<2;merge 3<4;"},
		{"never", func(s *Snapshot, _ []Region) { s.MergeBelow = 0 }, ""},
		{"a boundary that is kept", func(_ *Snapshot, r []Region) { r[1].Sticky = true }, "merge 2<3;"},
		{"large together", func(_ *Snapshot, r []Region) { r[0].Size, r[1].Size = 12*mb, 9*mb }, "merge 2<3;"},
		{"split a moment ago", func(_ *Snapshot, r []Region) { r[2].Rested = false }, "merge 1<2;"},
		{"an operator works on one", func(_ *Snapshot, r []Region) { r[1].Busy = true }, "merge 3<4;"},
		{"moved by hand", func(_ *Snapshot, r []Region) { r[0].Held = true }, "merge 2<3;"},
		{"the region of placement", func(_ *Snapshot, r []Region) { r[0].Costly = true }, "merge 2<3;"},
		{"no leader", func(_ *Snapshot, r []Region) { r[3].Leader = 0 }, "merge 1<2;"},
		{"a peer that lags", func(_ *Snapshot, r []Region) { r[3].Pending = map[uint64]bool{2: true} }, "merge 1<2;"},
		{"a peer that is down", func(_ *Snapshot, r []Region) { r[0].Down = map[uint64]bool{2: true} }, "merge 2<3;"},
		{"a store away for a moment", func(s *Snapshot, _ []Region) { s.Stores[1].Live = false }, ""},
		{"a learner", func(_ *Snapshot, r []Region) { r[0].Peers = withRole(r[0].Peers, 4, metapb.PeerRole_LEARNER) }, "merge 2<3;"},
		{"one replica short", func(_ *Snapshot, r []Region) { r[0].Peers = r[0].Peers[:2] }, "merge 2<3;"},
		{"being merged", func(_ *Snapshot, r []Region) { r[1].MergesInto = 1 }, "merge 3<4;"},
		{"on other stores", func(_ *Snapshot, r []Region) { r[1].Peers = voters(2, 3, 4) }, "merge 1<2;merge 3<4;"},
	} {
		s := &Snapshot{Stores: stores(4), ReplicasWanted: 3, MergeBelow: 20 * mb}
		for id := range uint64(4) {
			s.Regions = append(s.Regions, Region{ID: id + 1, Peers: voters(1, 2, 3), Leader: 1, Rested: true, Size: mb})
		}
		c.change(s, s.Regions)
		if got := mergeText(Merges(s)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A merge that goes on for too long, and that no operator leads, is settled.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		r    Region
		want string
	}{
		{Region{MergesInto: 1, Stuck: true, Leader: 1}, "settle-merge 7<0;"},
		{Region{MergesInto: 1, Leader: 1}, ""},
		{Region{MergesInto: 1, Stuck: true, Leader: 1, Busy: true}, ""},
		{Region{MergesInto: 1, Stuck: true}, ""},
		{Region{Stuck: true, Leader: 1}, ""},
	} {
		c.r.ID = 7
		if got := mergeText(Settle(&Snapshot{Regions: []Region{c.r}})); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}
