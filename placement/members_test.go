package placement

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// members makes a leader with some stores that report, and a directory of one region
// on the first three.
func members(t *testing.T, g *fakeGroup, n int) (*Service, func()) {
	t.Helper()
	s := newService(t, g, 1, nil)
	ctx := context.Background()
	lead(g, 1)
	await(t, "leadership", func() bool { return s.current() != nil })
	tokens := []string{"", "a", "b", "c", "d"}
	for i := range n {
		req := &placementpb.JoinRequest{JoinToken: tokens[i], Store: &metapb.Store{StartedUnixMs: 1}}
		if i == 0 {
			req.ClusterId, req.Store.Id = 7, 1
		}
		if _, err := s.Join(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	region := report(2, "", "", 1, 1, 1, 5)
	for id := uint64(1); id <= 3; id++ {
		region.Region.Peers = append(region.Region.Peers, &metapb.Peer{Id: 10 + id, StoreId: id, NodeId: id})
	}
	tell := func() {
		for id := uint64(1); id <= uint64(n); id++ {
			req := &placementpb.ReportRequest{ClusterId: 7, Store: &metapb.Store{Id: id}}
			if id == 1 {
				req.Regions = []*placementpb.RegionReport{region}
			}
			if _, err := s.Report(ctx, req); err != nil {
				t.Fatal(err)
			}
		}
	}
	tell()
	return s, tell
}

// A node that holds nothing and is decommissioned is removed and cannot come back;
// one that holds what nobody else can take stays, with the reason; the states are
// stored, so another leader goes on.
func TestDecommission(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	s, tell := members(t, g, 4)
	ctx := context.Background()
	if _, err := s.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: 4, State: metapb.StoreState_DECOMMISSIONING}); err != nil {
		t.Fatal(err)
	}
	look := func(id uint64) *placementpb.SetStoreResponse {
		t.Helper()
		r, err := s.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: id, OnlyLook: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	await(t, "the removal of a node that holds nothing", func() bool {
		tell()
		return look(4).Store.State == metapb.StoreState_REMOVED
	})
	var refused *ErrRefused
	if _, err := s.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: 4, State: metapb.StoreState_UP}); !errors.As(err, &refused) {
		t.Errorf("a removed node was taken back: %v", err)
	}
	if _, err := s.Join(ctx, &placementpb.JoinRequest{ClusterId: 7, Store: &metapb.Store{Id: 4}}); err == nil {
		t.Error("a removed store was let in again")
	}
	r, err := s.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: 3, State: metapb.StoreState_DECOMMISSIONING})
	if err != nil || r.Replicas != 1 || !strings.Contains(r.Blocked, "region 2") {
		t.Errorf("the third of three nodes: %v %v", r, err)
	}
	other := newService(t, g, 2, nil)
	lead(g, 2)
	await(t, "the other's leadership", func() bool { return other.current() != nil })
	st := other.current().stores
	if a, b := st[3].rec.Store.State, st[4].rec.Store.State; a != metapb.StoreState_DECOMMISSIONING || b != metapb.StoreState_REMOVED {
		t.Errorf("a new leader found %v and %v", a, b)
	}
}

// A drain ends with the node's next start, not when it announces itself again.
func TestDrainEndsWithARestart(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	s, _ := members(t, g, 2)
	ctx := context.Background()
	if _, err := s.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: 2, State: metapb.StoreState_DRAINING}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		started int64
		want    metapb.StoreState
	}{{1, metapb.StoreState_DRAINING}, {2, metapb.StoreState_UP}} {
		if _, err := s.Join(ctx, &placementpb.JoinRequest{ClusterId: 7, Store: &metapb.Store{Id: 2, StartedUnixMs: c.started}}); err != nil {
			t.Fatal(err)
		}
		if got := s.current().stores[2].rec.Store.State; got != c.want {
			t.Errorf("announced with start %d: %v, want %v", c.started, got, c.want)
		}
	}
	var refused *ErrRefused
	one, _ := members(t, &fakeGroup{kv: map[string][]byte{}}, 1)
	if _, err := one.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: 1, State: metapb.StoreState_DECOMMISSIONING}); !errors.As(err, &refused) {
		t.Errorf("the only node leaves: %v", err)
	}
}

// Alarms and pauses outlive the leader.
func TestAlarmsAndPausesAreStored(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	s, _ := members(t, g, 1)
	ctx := context.Background()
	if _, err := s.Alarms(ctx, &placementpb.Alarm{RegionId: 9, Text: "differs"}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Schedulers(ctx, &placementpb.SchedulersRequest{Pause: balanceRegion, PauseMs: time.Hour.Milliseconds()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Schedulers(ctx, &placementpb.SchedulersRequest{Pause: "nobody", PauseMs: 1000}); err == nil {
		t.Error("a scheduler that does not exist was paused")
	}
	other := newService(t, g, 2, nil)
	lead(g, 2)
	await(t, "the other's leadership", func() bool { return other.current() != nil })
	list, err := other.Alarms(ctx, nil, 0)
	if err != nil || len(list) != 1 || list[0].Text != "differs" {
		t.Fatalf("alarms %v, %v", list, err)
	}
	paused := 0
	scs, err := other.Schedulers(ctx, &placementpb.SchedulersRequest{})
	for _, sc := range scs {
		if sc.Paused && sc.Name == balanceRegion {
			paused++
		}
	}
	if err != nil || paused != 1 {
		t.Fatalf("schedulers %v, %v", scs, err)
	}
	if list, err := other.Alarms(ctx, nil, 9); err != nil || len(list) != 0 {
		t.Errorf("cleared, but %v, %v", list, err)
	}
	lead(g, 1)
	await(t, "leadership again", func() bool { l := s.current(); return l != nil && l.term == 3 })
	if list, err := s.Alarms(ctx, nil, 0); err != nil || len(list) != 0 {
		t.Errorf("a cleared alarm came back: %v, %v", list, err)
	}
}
