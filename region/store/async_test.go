package store

import (
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// asyncReq locks a key for an async commit. The first of the secondaries' list is not
// the primary.
func (n *node) asyncReq(id uint64, start timestamp.Timestamp, primary, key, value string, secondaries ...string) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		q := &kvpb.PrewriteRequest{
			StartTs: uint64(start), Primary: []byte(primary), TtlMs: 10, Async: true,
			Mutations: []*kvpb.Mutation{{Key: []byte(key), Value: []byte(value)}},
		}
		for _, s := range secondaries {
			q.Secondaries = append(q.Secondaries, []byte(s))
		}
		r.Cmd = &kvpb.Request_Prewrite{Prewrite: q}
	})
}

func (n *node) secondariesReq(id uint64, start, caller timestamp.Timestamp, mark bool, list ...string) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		q := &kvpb.CheckSecondaryLocksRequest{StartTs: uint64(start), CallerTs: uint64(caller), RollbackIfMissing: mark}
		for _, k := range list {
			q.Keys = append(q.Keys, []byte(k))
		}
		r.Cmd = &kvpb.Request_CheckSecondaryLocks{CheckSecondaryLocks: q}
	})
}

func minCommit(t *testing.T, resp *kvpb.Response) timestamp.Timestamp {
	t.Helper()
	if resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0 {
		t.Fatal(resp)
	}
	return timestamp.Timestamp(resp.GetPrewrite().GetMinCommitTs())
}

// Memory lock first, then max_ts: a read that was served lies below what the lock
// promises, and a read that comes while the lock is replicated waits for it, unless it
// lies below.
func TestAsyncPrewriteAndReads(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	start := c.timestamp()
	c.ts += 100
	served := c.timestamp()
	n.call(n.getReq(user, "ta", served))
	lock := n.begin(n.asyncReq(user, start, "ta", "ta", "2", "tz"))
	c.ts += 100
	above := n.begin(n.getReq(user, "ta", c.timestamp()))
	if *lock != nil || *above != nil {
		t.Fatalf("answered too early: %v, %v", *lock, *above)
	}
	if below := n.begin(n.getReq(user, "ta", served)); string((*below).GetGet().GetValue()) != "1" {
		t.Fatalf("a read below the promise: %v", *below)
	}
	c.settle()
	if got := minCommit(t, *lock); got <= served {
		t.Fatalf("the lock promises %v, a read was served at %v", got, served)
	}
	met := (*above).GetGet().GetError().GetLocked()
	if !met.GetAsync() || met.GetMinCommitTs() != uint64(minCommit(t, *lock)) {
		t.Fatalf("a read above met %v", *above)
	}
	// The promise is not moved by a push, and not by a repetition.
	status := n.call(n.statusReq(user, "ta", start, c.timestamp(), false)).GetCheckTxnStatus()
	if !status.GetLock().GetAsync() || len(status.GetLock().GetSecondaries()) != 1 || status.GetState() != kvpb.TxnState_LOCKED {
		t.Fatalf("status %v", status)
	}
	again := n.call(n.asyncReq(user, start, "ta", "ta", "2", "tz"))
	if minCommit(t, again) != minCommit(t, *lock) {
		t.Fatalf("the promise has moved from %v to %v", *lock, again)
	}
}

// Whoever finds a key not locked yet at his timestamp may rely on it: it is locked only
// with a promise above. Where he waits no longer it is marked and never locked.
func TestAsyncMissingSecondary(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	start := c.timestamp()
	c.ts += 100
	caller := c.timestamp()
	check := func(key string, mark bool) kvpb.TxnState {
		t.Helper()
		resp := n.call(n.secondariesReq(user, start, caller, mark, key))
		if len(resp.GetCheckSecondaryLocks().GetLocks()) != 1 {
			t.Fatal(resp)
		}
		return resp.GetCheckSecondaryLocks().GetLocks()[0].GetState()
	}
	if s := check("ta", false); s != kvpb.TxnState_MISSING {
		t.Fatalf("before it is locked: %v", s)
	}
	if got := minCommit(t, n.call(n.asyncReq(user, start, "tp", "ta", "1"))); got <= caller {
		t.Fatalf("locked with a promise of %v, below %v at which it was missing", got, caller)
	}
	if s := check("ta", true); s != kvpb.TxnState_LOCKED {
		t.Fatalf("a lock that stands is %v to one who gives up", s)
	}
	if s := check("tb", true); s != kvpb.TxnState_ROLLED_BACK {
		t.Fatalf("given up: %v", s)
	}
	resp := n.call(n.asyncReq(user, start, "tp", "tb", "1"))
	if resp.GetPrewrite().GetErrors()[0].GetAborted() == nil {
		t.Fatalf("a prewrite behind the mark: %v", resp)
	}
}

// The primary that is not locked yet is treated alike.
func TestAsyncMissingPrimary(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	start := c.timestamp()
	c.ts += 100
	caller := c.timestamp()
	status := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{
			Primary: []byte("ta"), StartTs: uint64(start), CallerTs: uint64(caller), CurrentTs: uint64(caller)}}
	})).GetCheckTxnStatus()
	if status.GetState() != kvpb.TxnState_MISSING {
		t.Fatal(status)
	}
	if got := minCommit(t, n.call(n.asyncReq(user, start, "ta", "ta", "1"))); got <= caller {
		t.Fatalf("locked with a promise of %v, below %v at which it was missing", got, caller)
	}
}

// Rule D5: a new leader does not know what was read before it. It takes no lock of an
// async commit until a fresh timestamp covers that.
func TestAsyncPrewriteUnderANewLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	start := c.timestamp()
	c.ts += 100
	served := c.timestamp()
	n.call(n.getReq(user, "ta", served))
	c.noTS = true
	c.isolate(n.id)
	c.until("another leader", func() bool {
		for _, o := range c.stores {
			if o != n && o.s.replica(user).Info().IsLeader {
				return true
			}
		}
		return false
	})
	c.heal()
	o := c.leader(user)
	resp := o.call(o.asyncReq(user, start, "ta", "ta", "1"))
	if resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("a lock of an async commit without a timestamp: %v", resp)
	}
	c.noTS = false
	c.settle()
	for range 20 {
		c.tick()
	}
	if got := minCommit(t, c.leader(user).call(c.leader(user).asyncReq(user, start, "ta", "ta", "1"))); got <= served {
		t.Fatalf("locked with a promise of %v, the former leader served a read at %v", got, served)
	}
}

// The region keeps the bound of the commit timestamp, whatever else it would choose,
// and writes nothing then.
func TestAsyncPrewriteKeepsTheBound(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	start := c.timestamp()
	c.ts += 100
	served := c.timestamp()
	n.call(n.getReq(user, "ta", served))
	req := n.asyncReq(user, start, "ta", "ta", "1")
	req.GetPrewrite().MaxCommitTs = uint64(served)
	resp := n.call(req)
	if e := resp.GetPrewrite().GetErrors(); len(e) != 1 || e[0].GetCommitTsTooLarge().GetCommitTs() <= uint64(served) {
		t.Fatalf("above its bound: %v", resp)
	}
	if s := n.call(n.secondariesReq(user, start, 0, false, "ta")).GetCheckSecondaryLocks().GetLocks()[0]; s.GetState() != kvpb.TxnState_MISSING {
		t.Fatalf("refused, and left %v", s)
	}
	// In one phase likewise.
	once := n.putReq(user, start, "ta", "1")
	once.GetPrewrite().MaxCommitTs = uint64(served)
	resp = n.call(once)
	if e := resp.GetPrewrite().GetErrors(); len(e) != 1 || e[0].GetCommitTsTooLarge() == nil {
		t.Fatalf("in one phase, above its bound: %v", resp)
	}
	req = n.asyncReq(user, start, "ta", "ta", "1")
	c.ts += 100
	req.GetPrewrite().MaxCommitTs = uint64(c.timestamp())
	if got := minCommit(t, n.call(req)); got <= served || got > c.ts {
		t.Fatalf("promises %v", got)
	}
}

// Locks of an async commit stay where their keys are when a region is split, with what
// they promise, and the new region takes no other without a timestamp of its own.
func TestAsyncLocksFollowASplit(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	start := c.timestamp()
	a := minCommit(t, n.call(n.asyncReq(user, start, "ta", "ta", "1", "tz")))
	c.ts += 100
	served := c.timestamp()
	n.call(n.getReq(user, "tz", served))
	const child = 50
	if resp := n.admin(user, splitCmd(child, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.tick()
	right := c.leader(child)
	if got := minCommit(t, right.call(right.asyncReq(child, start, "ta", "tz", "1"))); got <= served {
		t.Fatalf("the new region promises %v, the old one served a read at %v", got, served)
	}
	left := c.leader(user)
	l := left.call(left.secondariesReq(user, start, 0, false, "ta")).GetCheckSecondaryLocks().GetLocks()[0]
	if l.GetState() != kvpb.TxnState_LOCKED || l.GetMinCommitTs() != uint64(a) {
		t.Fatalf("left of the split: %v", l)
	}
}

// Rule B6: the lock of an async commit holds the safe point back, its life over or not,
// until it is settled; and of what is collected nobody says that it was rolled back.
func TestAsyncLockHoldsTheSafePoint(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	l := c.leader(user)
	c.gc(GCPoint{Fence: 1, Now: c.timestamp()})
	start := c.timestamp()
	commit := minCommit(t, l.call(l.asyncReq(user, start, "tp", "tp", "v")))
	fence := timestamp.Timestamp(max(uint64(c.timestamp()), uint64(commit)+10))
	c.ts = fence
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if clean := c.clean(user); clean != 1 {
		t.Fatalf("reported clean up to %v with the lock of transaction %v", clean, start)
	}
	status := l.call(l.statusReq(user, "tp", start, timestamp.Make(1<<40, 0), true)).GetCheckTxnStatus()
	if status.GetState() != kvpb.TxnState_LOCKED || status.GetTtlMs() != 0 {
		t.Fatalf("its life is over, but it may be committed: %v", status)
	}
	resp := l.call(l.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{StartTs: uint64(start), CommitTs: uint64(commit), Keys: [][]byte{[]byte("tp")}}}
	}))
	if resp.GetRegionError() != nil || resp.GetResolve().GetError() != nil {
		t.Fatal(resp)
	}
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	if clean := c.clean(user); clean != fence {
		t.Fatalf("clean up to %v after the lock went, want %v", clean, fence)
	}
	l.put(user, "tp", "new")
	next := c.timestamp()
	c.gc(GCPoint{Fence: next, Collect: fence, Now: c.timestamp()})
	for _, mark := range []bool{false, true} {
		resp := l.call(l.secondariesReq(user, start, 0, mark, "tx"))
		if resp.GetRegionError() == nil {
			t.Fatalf("mark %v: a key of which nothing may be known is said to be %v", mark, resp)
		}
	}
}
