package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

type reporter struct{ got [][]*placementpb.RegionReport }

func (r *reporter) RegionsChanged(c []*placementpb.RegionReport) { r.got = append(r.got, c) }

// The reporter hears of a region once, and again when something about it changes:
// a peer that is down, a split.
func TestReporter(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.tick()
	rep := &reporter{}
	n.s.o.Reporter = rep
	n.s.reportChanges()
	n.s.reportChanges()
	if len(rep.got) != 1 || len(rep.got[0]) != 1 || rep.got[0][0].GetLeaderStore() != n.id || len(rep.got[0][0].GetDownStores()) != 0 {
		t.Fatalf("reports %v", rep.got)
	}
	down := n.id%3 + 1
	c.stores[down].crash()
	for range 60 {
		c.tick()
	}
	n.s.reportChanges()
	if len(rep.got) != 2 || len(rep.got[1][0].GetDownStores()) != 1 || rep.got[1][0].GetDownStores()[0] != down {
		t.Fatalf("reports after a store went down: %v", rep.got[1:])
	}
	if resp := n.admin(user, splitCmd(50, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50)
	n.s.reportChanges()
	if len(rep.got) != 3 || len(rep.got[2]) != 2 {
		t.Fatalf("reports after a split: %v", rep.got[2:])
	}
}

// A log is compacted up to what is durable and what every peer has; a peer that is
// away does not hold back more than the limit.
func TestCompaction(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	for i := range 200 {
		n.put(user, "ta", fmt.Sprint(i))
	}
	c.tick()
	c.tick()
	g, err := n.eng.Logs.Group(user)
	if err != nil {
		t.Fatal(err)
	}
	first := func() uint64 { i, _ := g.FirstIndex(); return i }
	if first() != 6 {
		t.Fatalf("compacted to %d before a sync", first())
	}
	if err := n.s.SyncState(); err != nil {
		t.Fatal(err)
	}
	applied := n.s.replica(user).AppliedIndex()
	c.settle()
	if got := first(); got != applied+1 {
		t.Fatalf("first index is %d, want %d", got, applied+1)
	}
	c.stores[n.id%3+1].crash()
	for i := range 200 {
		n.put(user, "ta", fmt.Sprint(i))
	}
	if err := n.s.SyncState(); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if got := first(); got != applied+1 {
		t.Fatalf("compacted to %d although a peer needs %d", got, applied+1)
	}
	c.stores[n.id%3+1].restart()
	c.until("the peer catches up", func() bool {
		return c.stores[n.id%3+1].s.replica(user).AppliedIndex() == n.s.replica(user).AppliedIndex()
	})
	if c.stores[n.id%3+1].s.Stats().SnapshotsGot != 0 {
		t.Error("by a raft snapshot, although the log was kept")
	}
}

// Rule C1: a log is never compacted beyond what the state engine had made durable when
// the compaction was ordered, however much has been applied since. A crash that takes
// what was not synced finds the rest in the log.
func TestCompactionStaysBehindDurableState(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	put := func() {
		for i := range 100 {
			n.put(user, "ta", fmt.Sprint(i))
		}
	}
	put()
	durable := n.s.replica(user).AppliedIndex()
	if err := n.eng.State.Sync(); err != nil {
		t.Fatal(err)
	}
	put()
	n.s.replica(user).Compact(durable)
	c.settle()
	g, err := n.eng.Logs.Group(user)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := g.FirstIndex(); got != durable+1 {
		t.Fatalf("the log begins at %d, entries up to %d are durable in the state engine", got, durable)
	}
	if err := n.eng.Logs.Sync(); err != nil {
		t.Fatal(err)
	}
	n.crash()
	n.restart()
	n = c.leader(user)
	n.wantGet(user, "ta", "99")
}

// What a store answers to requests that are not for it, and after it was closed.
func TestWrongAddress(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	get := func(h *kvpb.Header) *kvpb.RegionError {
		return n.call(&kvpb.Request{Header: h, Cmd: &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte("ta")}}}).GetRegionError()
	}
	epoch := n.s.replica(user).Descriptor().GetEpoch()
	if e := get(&kvpb.Header{RegionId: 99}); e.GetRegionNotFound() == nil {
		t.Error(e)
	}
	if e := get(&kvpb.Header{RegionId: user, StoreId: 9, Epoch: epoch}); e.GetStoreNotMatch().GetHave() != 1 {
		t.Error(e)
	}
	if e := get(&kvpb.Header{RegionId: user, ClusterId: 9, Epoch: epoch}); e == nil {
		t.Error("another cluster's request was served")
	}
	if e := get(nil); e == nil {
		t.Error("a request without a header was served")
	}
	if e := get(&kvpb.Header{RegionId: user, Epoch: epoch}); e != nil {
		t.Error(e)
	}
	for _, req := range []*kvpb.Request{
		{Header: &kvpb.Header{RegionId: user, Epoch: epoch}},
		n.request(user, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{} }),
		n.request(user, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Prewrite{} }),
		n.request(user, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Commit{} }),
		n.request(user, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Resolve{} }),
		n.request(user, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{StartKey: []byte("tz"), EndKey: []byte("ta")}}
		}),
		n.getReq(user, "\x01secret", 5),
	} {
		if resp := n.call(req); resp.GetRegionError() == nil {
			t.Errorf("%v was served: %v", req, resp)
		}
	}
	out := n.begin(n.putReq(user, c.timestamp(), "ta", "1"))
	s := n.s
	s.Close()
	if (*out).GetRegionError().GetNotLeader() == nil && (*out).GetRegionError().GetAmbiguous() == nil && (*out).GetRegionError().GetUnavailable() == nil {
		t.Errorf("request under way when the store was closed: %v", *out)
	}
	if e := s.Send(context.Background(), n.getReq(user, "ta", 5)).GetRegionError(); e.GetUnavailable() == nil {
		t.Errorf("after close: %v", e)
	}
}

var _ = region.PlacementID
