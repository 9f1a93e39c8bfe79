package placement

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// told is a service that leads, with stores 1 to 3, and a way to report regions to it.
func told(t *testing.T) (*Service, func(store uint64, rs ...*placementpb.RegionReport)) {
	g := &fakeGroup{kv: map[string][]byte{}}
	s := newService(t, g, 1, nil)
	lead(g, 1)
	await(t, "leadership", func() bool { return s.current() != nil })
	for _, token := range []string{"", "x", "y"} {
		req := &placementpb.JoinRequest{JoinToken: token, Store: &metapb.Store{}}
		if token == "" {
			req.ClusterId, req.Store.Id = 7, 1
		}
		if _, err := s.Join(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	return s, func(store uint64, rs ...*placementpb.RegionReport) {
		t.Helper()
		if _, err := s.Report(t.Context(), &placementpb.ReportRequest{ClusterId: 7, Full: true, Store: &metapb.Store{Id: store}, Regions: rs}); err != nil {
			t.Fatal(err)
		}
	}
}

// reportOf makes a report of a region on stores 1 to 3.
func reportOf(id uint64, start, end string, version, leader, term uint64) *placementpb.RegionReport {
	r := &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end), Epoch: &metapb.Epoch{Version: version, ConfVer: 1}}
	for s := uint64(1); s <= 3; s++ {
		r.Peers = append(r.Peers, &metapb.Peer{Id: 10*id + s, StoreId: s, NodeId: s})
	}
	return &placementpb.RegionReport{Region: r, LeaderStore: leader, Term: term}
}

func eventText(events []*placementpb.RegionEvent) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Text+" ("+e.Why+")")
	}
	return strings.Join(out, "; ")
}

// A region that was split though it is small was split because of its load.
func TestExplainSplitByLoad(t *testing.T) {
	s, report := told(t)
	report(2, reportOf(2, "", "", 1, 2, 6))
	report(2, reportOf(2, "", "m", 2, 2, 6), reportOf(3, "m", "", 2, 2, 6))
	for id, want := range map[uint64]string{2: "was split (by load)", 3: "split from region 2 (by load)"} {
		d, err := s.Explain(id)
		if err != nil || eventText(d.Events) != want {
			t.Errorf("region %d: %v, %v, want %s", id, d.GetEvents(), err, want)
		}
	}
}

// An explanation tells what changed and why: elections with who led before, a split on
// both sides, a merge. Who led before this leader of placement came has no date.
func TestExplainTellsTheHistory(t *testing.T) {
	s, send := told(t)
	report := func(store uint64, list ...*placementpb.RegionReport) {
		for _, r := range list {
			r.SizeBytes = 50 << 20 // more than half of what a region is split at
		}
		send(store, list...)
	}
	report(1, reportOf(2, "", "", 1, 1, 5))
	first, err := s.Explain(2)
	if err != nil || first.LeaderStore != 1 || first.LeaderSinceUnixMs != 0 || len(first.Events) != 0 {
		t.Fatalf("%v, %v", first, err)
	}
	report(2, reportOf(2, "", "", 1, 2, 6))
	report(2, reportOf(2, "", "m", 2, 2, 6), reportOf(3, "m", "", 2, 2, 6))
	left, err := s.Explain(2)
	if err != nil || left.LeaderSinceUnixMs == 0 || left.LeaderWhy != "election" {
		t.Fatalf("%v, %v", left, err)
	}
	if got, want := eventText(left.Events), "node 1 → node 2, term 6 (election); was split (by size)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	right, err := s.Explain(3)
	if err != nil || eventText(right.Events) != "split from region 2 (by size)" || right.LeaderSinceUnixMs == 0 {
		t.Errorf("%v, %v", right, err)
	}
	// The right part first: it hides the left one until that is reported too.
	report(2, reportOf(4, "t", "", 3, 2, 6))
	report(2, reportOf(3, "m", "t", 3, 2, 6))
	if mid, err := s.Explain(3); err != nil || !strings.HasSuffix(eventText(mid.Events), "; was split (by size)") {
		t.Errorf("%v, %v", mid, err)
	}
	if last, err := s.Explain(4); err != nil || eventText(last.Events) != "split from region 3 (by size)" {
		t.Errorf("%v, %v", last, err)
	}
	merged := reportOf(2, "", "", 4, 2, 6)
	merged.Region.Absorbed = []*metapb.Absorbed{{RegionId: 3}}
	merged.Region.Epoch.ConfVer = 2
	merged.Region.Peers = merged.Region.Peers[:2]
	report(2, merged)
	if left, err = s.Explain(2); err != nil || !strings.HasSuffix(eventText(left.Events), "took region 3 (); node 3 holds none any more ()") {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := s.Explain(3); err == nil {
		t.Error("a region that is gone is explained")
	}
	for i := range uint64(3 * eventsMax) {
		again := reportOf(2, "", "", 5, 2, 7+i)
		again.Region.Epoch.ConfVer = 2
		report(2, again)
	}
	if left, err = s.Explain(2); err != nil || len(left.Events) != eventsMax {
		t.Errorf("%d events are kept, %v", len(left.Events), err)
	}
}

// Each checker has its say, a paused one says until when.
func TestExplainAsksEachChecker(t *testing.T) {
	s, report := told(t)
	for store := uint64(1); store <= 3; store++ {
		report(store)
	}
	report(1, reportOf(1, "", "\x02", 1, 1, 5), reportOf(2, "\x02", "", 1, 1, 5))
	if _, err := s.Schedulers(t.Context(), &placementpb.SchedulersRequest{Pause: "balance-leader", PauseMs: 60_000}); err != nil {
		t.Fatal(err)
	}
	x, err := s.Explain(2)
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]string{}
	for _, v := range x.Verdicts {
		says[v.Checker] = v.State + ": " + v.Why
	}
	for checker, want := range map[string]string{
		"replica-checker": "content: 3 of 3 voters", "split-checker": "content: it holds about 0.0 MB and is split above 96MiB",
		"merge-checker": "content: region 1 holds the state of placement", "balance-region": "content: every node",
		"balance-leader": "paused: paused for", "evict-leader": "content: node 1", "merge-settler": "content: it is in no merge",
	} {
		if !strings.HasPrefix(says[checker], want) {
			t.Errorf("%s says %q, want %q", checker, says[checker], want)
		}
	}
}

// A setting counts at once and at the next leader; what is unknown, unreadable, out of
// bounds or at odds with another one is refused with the reason and changes nothing.
func TestSettings(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	a, b := newService(t, g, 1, nil), newService(t, g, 2, nil)
	ctx := context.Background()
	lead(g, 1)
	await(t, "leadership", func() bool { return a.current() != nil })
	get := func(s *Service, name string) *placementpb.Setting {
		t.Helper()
		list, err := s.Settings(ctx, &placementpb.SettingsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range list {
			if i > 0 && list[i-1].Name >= d.Name {
				t.Errorf("%s comes after %s", d.Name, list[i-1].Name)
			}
			if d.Name == name {
				return d
			}
		}
		t.Fatalf("no setting %s", name)
		return nil
	}
	for _, c := range []struct{ name, value, why string }{
		{"nosuch", "1", "there are gc-retention, region-merge-rest"},
		{"gc-retention", "soon", "is not a time such as"},
		{"gc-retention", "1s", "between 10s and 720h"},
		{"gc-retention", "-10m", "between 10s and 720h"},
		{"replace-after", "8000h", "between 10s and 168h"},
		{"region-split-size", "64", "between 1MiB and 1GiB"},
		{"region-split-size", "99999999999GiB", "is not a size"},
		{"region-split-size", "-1MiB", "is not a size"},
		{"region-split-requests", "many", "is not a whole number"},
		{"region-split-requests", "-1", "between 0 and 1000000"},
		{"region-merge-size", "50MiB", "at most half of region-split-size (96MiB)"},
	} {
		_, err := a.Settings(ctx, &placementpb.SettingsRequest{Name: c.name, Value: c.value})
		var refused *ErrRefused
		if !errors.As(err, &refused) || !strings.Contains(refused.Why, c.why) {
			t.Errorf("%s = %s: %v, want … %s", c.name, c.value, err, c.why)
		}
	}
	if d := get(a, "region-split-size"); d.Set || d.Value != "96MiB" || len(g.kv) == 0 {
		t.Errorf("after refusals: %v", d)
	}
	for _, c := range [][2]string{{"gc-retention", "20m"}, {"region-split-size", "48MiB"}, {"region-split-requests", "0"}, {"region-split-requests", "800"}, {"region-merge-size", "0"}} {
		if _, err := a.Settings(ctx, &placementpb.SettingsRequest{Name: c[0], Value: c[1]}); err != nil {
			t.Fatal(err)
		}
		if d := get(a, c[0]); d.Value != c[1] || !d.Set {
			t.Errorf("%v", d)
		}
	}
	// Of the default half a split is too much once regions are split early.
	if d := get(a, "region-merge-size"); d.Default != "12MiB" {
		t.Errorf("%v", d)
	}
	lead(g, 2)
	await(t, "the other's leadership", func() bool { return b.current() != nil })
	if d := get(b, "gc-retention"); d.Value != "20m" || !d.Set {
		t.Errorf("at the next leader: %v", d)
	}
	if _, err := b.Settings(ctx, &placementpb.SettingsRequest{Name: "gc-retention", Value: "default"}); err != nil {
		t.Fatal(err)
	}
	if d := get(b, "gc-retention"); d.Value != "10m" || d.Set {
		t.Errorf("after default: %v", d)
	}
	lead(g, 1)
	await(t, "the first's leadership", func() bool { l := a.current(); return l != nil && l.term == g.term })
	if d := get(a, "gc-retention"); d.Set {
		t.Errorf("the default does not last: %v", d)
	}
}
