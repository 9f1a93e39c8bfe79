package store

import (
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// gc tells all stores of a point and lets them act on it.
func (c *cluster) gc(p GCPoint) {
	c.t.Helper()
	for _, id := range c.storeIDs() {
		if n := c.stores[id]; n.s != nil {
			n.s.SetGC(p)
		}
	}
	for range 2 { // the first raises the fence, the second sees it
		for _, id := range c.storeIDs() {
			if n := c.stores[id]; n.s != nil {
				if err := n.s.SyncState(); err != nil {
					c.t.Fatal(err)
				}
			}
		}
		c.settle()
	}
}

// versions counts what a store holds of a kind.
func (n *node) versions(kind keys.Kind) (count int) {
	n.c.t.Helper()
	span := keys.KindSpan(kind, []byte{2}, nil)
	it, err := n.eng.State.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		n.c.t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		count++
	}
	return count
}

// Old versions go on every replica once the point has reached them; what a read at
// or above it sees stays, reads below are refused by name.
func TestCollectGarbage(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	l := c.leader(2)
	c.gc(GCPoint{Fence: 1, Now: c.timestamp()}) // everybody has looked once
	for i := range 10 {
		l.put(2, "a", fmt.Sprint(i), "b", fmt.Sprint(i))
	}
	l.call(l.deleteReq(2, "b"))
	fence := c.timestamp()
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if got := l.versions(keys.KindData); got != 21 {
		t.Fatalf("%d versions before any was given up, want 21", got)
	}
	if resp := l.call(l.getReq(2, "a", fence-1)); resp.GetGet().GetError().GetReadBelowGc().GetGcTs() != uint64(fence) {
		t.Fatalf("read below the fence: %v", resp)
	}
	if resp := l.call(l.putReq(2, fence-1, "c", "late")); resp.GetPrewrite().GetErrors()[0].GetReadBelowGc() == nil {
		t.Fatalf("write of a transaction from below the fence: %v", resp)
	}
	if clean := c.clean(2); clean != fence {
		t.Fatalf("reported clean up to %v, want %v", clean, fence)
	}
	next := c.timestamp()
	c.gc(GCPoint{Fence: next, Collect: fence, Now: c.timestamp()})
	for _, id := range c.storeIDs() {
		if got := c.stores[id].versions(keys.KindData); got != 1 {
			t.Errorf("store %d keeps %d versions, want the newest of a only", id, got)
		}
	}
	for _, id := range c.storeIDs() {
		if size := c.stores[id].s.replica(2).Info().SizeBytes; size <= 0 || size > 100 {
			t.Errorf("store %d takes the region for %d bytes, it holds one small version", id, size)
		}
	}
	l.wantGet(2, "a", "9")
	l.wantGet(2, "b", "")
	if st := l.s.Stats(); st.Collected != 20 {
		t.Errorf("%d versions collected, want 20", st.Collected)
	}
}

// A lock from below the fence keeps the region from being reported clean, is told
// to whoever can settle it, and can be settled although its transaction is refused
// (rule B6).
func TestOldLockHoldsTheSafePoint(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	l := c.leader(2)
	start := c.timestamp()
	resp := l.call(l.prewriteReq(2, start, "p", "v"))
	if len(resp.GetPrewrite().GetErrors()) > 0 || resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	fence := c.timestamp()
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if clean := c.clean(2); clean != 0 {
		t.Fatalf("reported clean up to %v with the lock of transaction %v", clean, start)
	}
	if c.oldLocks == 0 {
		t.Error("nobody was told of the old lock")
	}
	commit := l.call(l.request(2, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{StartTs: uint64(start), CommitTs: uint64(c.timestamp()), Keys: [][]byte{[]byte("p")}}}
	}))
	if commit.GetCommit().GetError().GetReadBelowGc() == nil {
		t.Fatalf("commit of a transaction from below the fence: %v", commit)
	}
	status := l.call(l.statusReq(2, "p", start, timestamp.Make(1<<40, 0), true))
	if status.GetCheckTxnStatus().GetState() != kvpb.TxnState_ROLLED_BACK {
		t.Fatalf("the lock is not settled: %v", status)
	}
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if clean := c.clean(2); clean != fence {
		t.Fatalf("clean up to %v after the lock went, want %v", clean, fence)
	}
}

// What became of a transaction from below the collected point may have been
// forgotten: its absence must not be taken for a rollback.
func TestForgottenTransactionIsNotRolledBack(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	l := c.leader(2)
	c.gc(GCPoint{Fence: 1, Now: c.timestamp()})
	start := c.timestamp()
	l.call(l.putReq(2, start, "k", "old"))
	l.put(2, "k", "new")
	fence := c.timestamp()
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if s := l.call(l.statusReq(2, "k", start, fence, true)); s.GetCheckTxnStatus().GetState() != kvpb.TxnState_COMMITTED {
		t.Fatalf("while its version is there: %v", s)
	}
	c.gc(GCPoint{Fence: c.timestamp(), Collect: fence, Now: c.timestamp()})
	if got := l.versions(keys.KindData); got != 1 {
		t.Fatalf("%d versions, the overwritten one should be gone", got)
	}
	if s := l.call(l.statusReq(2, "k", start, fence, true)); s.GetRegionError() == nil {
		t.Fatalf("a committed transaction whose version was collected is said to be %v", s)
	}
	if got := l.versions(keys.KindRollback); got != 0 {
		t.Fatal("it was marked as rolled back")
	}
}

// Fence and point live in the replicated state: they survive a crash, reach a
// replica by raft snapshot, and children of a split take them along.
func TestGCBoundsTravel(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2))
	l := c.leader(2)
	l.put(2, "a", "1", "x", "1")
	fence := c.timestamp()
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	next := c.timestamp()
	c.gc(GCPoint{Fence: next, Collect: fence, Now: c.timestamp()})
	if resp := l.admin(2, splitCmd(50, 2, "m")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	l = c.leader(2)
	l.mustChange(2, &kvpb.Change{Type: kvpb.ChangeType_ADD_LEARNER, Peer: &metapb.Peer{Id: 99, NodeId: 3, StoreId: 3, Role: metapb.PeerRole_LEARNER}})
	want := func(n *node, id uint64) {
		t.Helper()
		c.until(fmt.Sprintf("store %d has region %d", n.id, id), func() bool { r := n.s.replica(id); return r != nil && !r.Shell() })
		if f, p := n.s.replica(id).GCBounds(); f != next || p != fence {
			t.Errorf("store %d, region %d: fence %v, point %v, want %v and %v", n.id, id, f, p, next, fence)
		}
	}
	want(c.stores[1], 2)
	want(c.stores[2], 50)
	want(c.stores[3], 2)
	for _, id := range []uint64{1, 2} {
		if err := c.stores[id].s.SyncState(); err != nil {
			t.Fatal(err)
		}
		c.stores[id].crash()
		c.stores[id].restart()
	}
	want(c.stores[1], 2)
	want(c.stores[1], 50)
	l = c.leader(2)
	if resp := l.call(l.getReq(2, "a", next-1)); resp.GetGet().GetError().GetReadBelowGc() == nil {
		t.Errorf("read below the fence after a restart: %v", resp)
	}
}

// A write that is evaluated while the entry of a new fence is under way is judged by
// the new fence: its lock would else appear after the region was found clean.
func TestWriteWaitsForTheFence(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	l := c.leader(2)
	start := c.timestamp()
	before := l.begin(l.prewriteReq(2, start, "before", "v"))
	fence := c.timestamp()
	l.s.replica(2).RaiseGC(fence, 0, nil)
	after := l.begin(l.prewriteReq(2, start, "after", "v"))
	c.settle()
	if *before == nil || len((*before).GetPrewrite().GetErrors()) > 0 {
		t.Fatalf("the write before the fence: %v", *before)
	}
	if *after == nil || len((*after).GetPrewrite().GetErrors()) != 1 || (*after).GetPrewrite().GetErrors()[0].GetReadBelowGc() == nil {
		t.Fatalf("the write behind the fence: %v", *after)
	}
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if f, _ := l.s.replica(2).GCBounds(); f != fence {
		t.Fatalf("fence %v, want %v", f, fence)
	}
	if clean := c.clean(2); clean != 0 {
		t.Fatal("the region is called clean beside a lock from below its fence")
	}
}

// clean is what the region's leader reports.
func (c *cluster) clean(id uint64) timestamp.Timestamp {
	c.t.Helper()
	for _, r := range c.leader(id).s.Report() {
		if r.GetRegion().GetId() == id {
			return timestamp.Timestamp(r.GetCleanTs())
		}
	}
	return 0
}

func (n *node) deleteReq(id uint64, key string) *kvpb.Request {
	r := n.putReq(id, n.c.timestamp(), key, "")
	r.GetPrewrite().GetMutations()[0].Op = kvpb.MutationOp_DELETE
	return r
}

func (n *node) prewriteReq(id uint64, start timestamp.Timestamp, key, value string) *kvpb.Request {
	r := n.putReq(id, start, key, value)
	r.GetPrewrite().OnePc = false
	return r
}

func (n *node) statusReq(id uint64, key string, start, now timestamp.Timestamp, mark bool) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{
			Primary: []byte(key), StartTs: uint64(start), CurrentTs: uint64(now), RollbackIfMissing: mark}}
	})
}
