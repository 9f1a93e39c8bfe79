package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/replica"
)

func (n *node) lockReq(id uint64, owner, read timestamp.Timestamp, mode kvpb.LockMode, keys ...string) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		q := &kvpb.LockRequest{Owner: &kvpb.LockOwner{Id: uint64(owner)}, ReadTs: uint64(read), Mode: mode}
		for _, k := range keys {
			q.Keys = append(q.Keys, []byte(k))
		}
		r.Cmd = &kvpb.Request_Lock{Lock: q}
	})
}

func (n *node) release(id uint64, owner timestamp.Timestamp, key string) {
	n.c.t.Helper()
	resp := n.call(n.request(id, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Release{Release: &kvpb.ReleaseRequest{Owner: uint64(owner), Keys: [][]byte{[]byte(key)}, All: true}}
	}))
	if resp.GetRelease() == nil {
		n.c.t.Fatalf("release: %v", resp)
	}
}

// lock locks keys that are free.
func (n *node) lock(id uint64, owner, read timestamp.Timestamp, keys ...string) []*kvpb.LockedKey {
	n.c.t.Helper()
	resp := n.call(n.lockReq(id, owner, read, kvpb.LockMode_LOCK_UPDATE, keys...))
	got := resp.GetLock().GetKeys()
	if resp.GetLock() == nil || resp.GetLock().GetError() != nil || len(got) != len(keys) {
		n.c.t.Fatalf("lock %v: %v", keys, resp)
	}
	return got
}

// commitLocked commits one write of a transaction that has locked the key.
func (n *node) commitLocked(id uint64, start, forUpdate timestamp.Timestamp, key, value string) *kvpb.PrewriteResponse {
	n.c.t.Helper()
	req := n.putReq(id, start, key, value)
	req.GetPrewrite().Mutations[0].ForUpdateTs = uint64(forUpdate)
	resp := n.call(req)
	if resp.GetPrewrite() == nil {
		n.c.t.Fatalf("prewrite: %v", resp)
	}
	n.c.ts = max(n.c.ts, timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs()))
	return resp.GetPrewrite()
}

// A lock keeps other writers out; its commit hands it to the next, who is told
// what has changed; the one after gets it from him.
func TestRowLockHandOver(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1, t2, t3 := c.timestamp(), c.timestamp(), c.timestamp()
	if k := n.lock(2, t1, t1, "\x02a")[0]; !k.GetLocked() || string(k.GetValue()) != "0" || k.GetChanged() != nil {
		t.Fatalf("locked: %v", k)
	}
	w2 := n.begin(n.lockReq(2, t2, t2, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	w3 := n.begin(n.lockReq(2, t3, t3, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	c.settle()
	if *w2 != nil || *w3 != nil {
		t.Fatalf("did not wait: %v %v", *w2, *w3)
	}
	other := n.call(n.putReq(2, c.timestamp(), "\x02a", "x"))
	if l := other.GetPrewrite().GetErrors(); len(l) != 1 || l[0].GetRowLocked().GetHolder().GetId() != uint64(t1) {
		t.Fatalf("a writer without the lock: %v", other)
	}
	p := n.commitLocked(2, t1, t1, "\x02a", "1")
	if p.GetOnePcCommitTs() == 0 {
		t.Fatalf("commit: %v", p)
	}
	c.settle()
	if *w2 == nil || *w3 != nil {
		t.Fatalf("after the commit: %v %v", *w2, *w3)
	}
	k := (*w2).GetLock().GetKeys()[0]
	if !k.GetLocked() || k.GetChanged().GetConflictCommitTs() != p.GetOnePcCommitTs() {
		t.Fatalf("the next: %v", k)
	}
	n.release(2, t2, "\x02a")
	if *w3 == nil || !(*w3).GetLock().GetKeys()[0].GetLocked() {
		t.Fatalf("the last: %v", *w3)
	}
	late := n.call(n.lockReq(2, t2, t2, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	if late.GetLock().GetError().GetOwnerEnded() == nil {
		t.Fatalf("a late request of an owner that has ended: %v", late)
	}
}

// Rows that do not exist are not locked; keys that must not exist are, and a key
// that exists is reported and not kept.
func TestRowLockDemands(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1 := c.timestamp()
	if k := n.lock(2, t1, t1, "\x02none")[0]; k.GetLocked() || k.GetFound() {
		t.Fatalf("locked what is not there: %v", k)
	}
	absent := func(owner timestamp.Timestamp, key string) *kvpb.LockResponse {
		req := n.lockReq(2, owner, owner, kvpb.LockMode_LOCK_UPDATE, key)
		req.GetLock().Demand = kvpb.LockDemand_LOCK_ABSENT
		req.GetLock().Policy = kvpb.LockPolicy_LOCK_NO_WAIT
		return n.call(req).GetLock()
	}
	if r := absent(t1, "\x02new"); len(r.GetKeys()) != 1 || !r.GetKeys()[0].GetLocked() {
		t.Fatalf("new key: %v", r)
	}
	if r := absent(c.timestamp(), "\x02new"); len(r.GetKeys()) != 1 || r.GetKeys()[0].GetBusy().GetHolder().GetId() != uint64(t1) {
		t.Fatalf("a second insert: %v", r)
	}
	if r := absent(t1, "\x02a"); string(r.GetError().GetAlreadyExists().GetValue()) != "0" {
		t.Fatalf("existing key: %v", r)
	}
	if r := absent(c.timestamp(), "\x02a"); r.GetError().GetAlreadyExists() == nil {
		t.Fatalf("the failed insert has kept its lock: %v", r)
	}
}

// SKIP LOCKED passes by what is busy, NOWAIT stops there.
func TestRowLockPolicies(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0", "\x02b", "0", "\x02c", "0")
	t1, t2 := c.timestamp(), c.timestamp()
	n.lock(2, t1, t1, "\x02b")
	req := n.lockReq(2, t2, t2, kvpb.LockMode_LOCK_UPDATE, "\x02a", "\x02b", "\x02c")
	req.GetLock().Policy = kvpb.LockPolicy_LOCK_SKIP
	got := n.call(req).GetLock().GetKeys()
	if len(got) != 3 || !got[0].GetLocked() || got[1].GetBusy() == nil || !got[2].GetLocked() {
		t.Fatalf("skip: %v", got)
	}
	req.GetLock().Policy = kvpb.LockPolicy_LOCK_NO_WAIT
	if got = n.call(req).GetLock().GetKeys(); len(got) != 2 || got[1].GetBusy() == nil {
		t.Fatalf("nowait: %v", got)
	}
}

// Of keys that others have, or that were deleted since the snapshot, a request locks the
// first ones that are free, as many as it wants, and no others.
func TestRowLockSkips(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		n.put(2, "\x02"+k, "0")
	}
	owner, snapshot := c.timestamp(), c.timestamp()
	n.lock(2, c.timestamp(), snapshot, "\x02a")
	n.call(n.request(2, func(r *kvpb.Request) {
		start := c.timestamp()
		r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{
			StartTs: uint64(start), Primary: []byte("\x02b"), OnePc: true,
			Mutations: []*kvpb.Mutation{{Op: kvpb.MutationOp_DELETE, Key: []byte("\x02b")}},
		}}
	}))
	ask := func(gone bool) []*kvpb.LockedKey {
		t.Helper()
		req := n.lockReq(2, owner, snapshot, kvpb.LockMode_LOCK_UPDATE, "\x02a", "\x02b", "\x02c", "\x02d", "\x02e")
		q := req.GetLock()
		q.Policy, q.Most, q.SkipGone = kvpb.LockPolicy_LOCK_SKIP, 2, gone
		resp := n.call(req)
		if resp.GetLock() == nil || resp.GetLock().GetError() != nil {
			t.Fatal(resp)
		}
		return resp.GetLock().GetKeys()
	}
	got := ask(true)
	var locked []string
	for _, k := range got {
		if k.GetLocked() {
			locked = append(locked, string(k.GetKey()))
		}
	}
	if len(got) != 4 || len(locked) != 2 || locked[0] != "\x02c" || locked[1] != "\x02d" || got[0].GetBusy() == nil {
		t.Errorf("of five, one busy and one gone: %v", got)
	}
	n.lock(2, c.timestamp(), c.timestamp(), "\x02e") // nobody has it
	n.release(2, owner, "\x02c")
	owner = c.timestamp()
	if got := ask(false); len(got) != 2 || got[1].GetChanged() == nil {
		t.Errorf("a row that is gone is a change for who does not skip it: %v", got)
	}
}

// A request that is given up while it waits leaves nothing in the queue.
func TestRowLockAbandon(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1, t2, t3 := c.timestamp(), c.timestamp(), c.timestamp()
	n.lock(2, t1, t1, "\x02a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if resp := n.s.Send(ctx, n.lockReq(2, t2, t2, kvpb.LockMode_LOCK_UPDATE, "\x02a")); resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("given up: %v", resp)
	}
	w3 := n.begin(n.lockReq(2, t3, t3, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	n.release(2, t1, "\x02a")
	if *w3 == nil || !(*w3).GetLock().GetKeys()[0].GetLocked() {
		t.Fatalf("behind a wait that was given up: %v", *w3)
	}
}

// Locks go with the leadership when it is transferred, and only then: who waits is
// sent to the new leader, who knows the holder.
func TestRowLocksFollowATransfer(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1 := c.timestamp()
	n.lock(2, t1, t1, "\x02a")
	w := n.begin(n.lockReq(2, c.timestamp(), t1, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	c.settle()
	to := n.id%3 + 1
	n.admin(2, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}})
	m := c.leader(2)
	if m.id != to {
		t.Fatalf("store %d leads, not %d", m.id, to)
	}
	if (*w).GetRegionError().GetNotLeader() == nil {
		t.Fatalf("the wait at the old leader: %v", *w)
	}
	other := m.call(m.putReq(2, c.timestamp(), "\x02a", "x"))
	if l := other.GetPrewrite().GetErrors(); len(l) != 1 || l[0].GetRowLocked().GetHolder().GetId() != uint64(t1) {
		t.Fatalf("the lock did not come along: %v", other)
	}
	if p := m.commitLocked(2, t1, t1, "\x02a", "1"); p.GetOnePcCommitTs() == 0 {
		t.Fatalf("the owner: %v", p)
	}
	m.put(2, "\x02a", "2")
}

// A transfer that came to nothing leaves no locks behind for a later leader.
func TestRowLocksOfAFailedTransferAreForgotten(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1 := c.timestamp()
	n.lock(2, t1, t1, "\x02a")
	to := n.id%3 + 1
	c.stores[to].crash()
	n.admin(2, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}})
	n.release(2, t1, "\x02a")
	n.put(2, "\x02a", "1") // something follows what was written down
	c.stores[to].restart()
	n.crash()
	m := c.leader(2)
	m.put(2, "\x02a", "2")
}

// A lock that is lost with its leader's memory costs nothing if nobody came
// between, and a conflict if somebody did (rule E5).
func TestRowLockLostInACrash(t *testing.T) {
	for _, between := range []bool{false, true} {
		c := newCluster(t, 3)
		c.bootstrap(userRegion(1, 2, 3))
		n := c.leader(2)
		n.put(2, "\x02a", "0")
		t1 := c.timestamp()
		n.lock(2, t1, t1, "\x02a")
		n.crash()
		m := c.leader(2)
		if between {
			m.put(2, "\x02a", "other")
		}
		p := m.commitLocked(2, t1, t1, "\x02a", "1")
		if committed := p.GetOnePcCommitTs() != 0; committed == between {
			t.Fatalf("somebody came between: %v, answer %v", between, p)
		}
		if between && p.GetErrors()[0].GetConflict() == nil {
			t.Fatalf("not a conflict: %v", p)
		}
	}
}

// After a crash somebody else may have the lock: the first owner is refused.
func TestRowLockTakenAfterACrash(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	n.put(2, "\x02a", "0")
	t1, t2 := c.timestamp(), c.timestamp()
	n.lock(2, t1, t1, "\x02a")
	n.crash()
	m := c.leader(2)
	m.lock(2, t2, t2, "\x02a")
	if p := m.commitLocked(2, t1, t1, "\x02a", "1"); len(p.GetErrors()) != 1 || p.GetErrors()[0].GetRowLocked() == nil {
		t.Fatalf("both have the lock: %v", p)
	}
}

// A split leaves each side the locks on its keys, at whichever store the new
// region's leader is; who waits for a key that moved is sent after it.
func TestRowLocksFollowASplit(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	n.put(2, "\x02a", "0", "\x02m", "0")
	t1 := c.timestamp()
	n.lock(2, t1, t1, "\x02a", "\x02m")
	w := n.begin(n.lockReq(2, c.timestamp(), t1, kvpb.LockMode_LOCK_UPDATE, "\x02m"))
	c.settle()
	resp := n.admin(2, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{
		Keys: [][]byte{[]byte("\x02m")}, NewRegions: []*kvpb.NewRegion{{RegionId: 9, PeerIds: []uint64{91, 92, 93}}},
	}}})
	if resp.GetRegionError() != nil {
		t.Fatalf("split: %v", resp)
	}
	if (*w).GetRegionError().GetEpochNotMatch() == nil {
		t.Fatalf("the wait for a key that moved: %v", *w)
	}
	m := c.leader(9)
	for id, key := range map[uint64]string{2: "\x02a", 9: "\x02m"} {
		at := n
		if id == 9 {
			at = m
		}
		other := at.call(at.putReq(id, c.timestamp(), key, "x"))
		if l := other.GetPrewrite().GetErrors(); len(l) != 1 || l[0].GetRowLocked() == nil {
			t.Fatalf("%q is not locked after the split: %v", key, other)
		}
	}
	m.release(9, t1, "\x02m")
	m.put(9, "\x02m", "1")
	n.release(2, t1, "\x02a")
	n.put(2, "\x02a", "1")
}

// The locks of an owner that gives no sign of life end after 5 s; with one each
// second they stay.
func TestRowLocksOfTheDead(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0", "\x02b", "0")
	dead, alive := c.timestamp(), c.timestamp()
	n.lock(2, dead, dead, "\x02a")
	n.lock(2, alive, alive, "\x02b")
	t3 := c.timestamp()
	w := n.begin(n.lockReq(2, t3, t3, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	for passed := time.Duration(0); passed < replica.LockTTL+time.Second; passed += time.Second {
		if *w != nil && passed < replica.LockTTL-time.Second {
			t.Fatalf("granted after %v: %v", passed, *w)
		}
		for _, id := range []timestamp.Timestamp{alive, t3} {
			keep := n.call(n.request(2, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Keep{Keep: &kvpb.KeepRequest{Owner: &kvpb.LockOwner{Id: uint64(id)}, Locks: []*kvpb.HeldLock{{Key: []byte("\x02b")}}}}
			}))
			if !keep.GetKeep().GetKnown() {
				t.Fatalf("keep: %v", keep)
			}
		}
		c.clock.now = c.clock.now.Add(time.Second)
		n.s.TendLocks(context.Background())
		c.settle()
	}
	if *w == nil || !(*w).GetLock().GetKeys()[0].GetLocked() {
		t.Fatalf("the dead one's lock: %v", *w)
	}
	other := n.call(n.putReq(2, c.timestamp(), "\x02b", "x"))
	if l := other.GetPrewrite().GetErrors(); len(l) != 1 || l[0].GetRowLocked() == nil {
		t.Fatalf("the living one lost its lock: %v", other)
	}
}

// Two transactions that wait for each other at leaders on different stores: the
// younger is told, with both waits, and the other goes on.
func TestDeadlockAcrossStores(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	n.put(2, "\x02a", "0", "\x02m", "0")
	n.admin(2, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{
		Keys: [][]byte{[]byte("\x02m")}, NewRegions: []*kvpb.NewRegion{{RegionId: 9, PeerIds: []uint64{91, 92, 93}}},
	}}})
	m := c.leader(9)
	if m == n {
		m.admin(9, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: n.id%3 + 1}}})
		m = c.leader(9)
	}
	old, young := c.timestamp(), c.timestamp()
	n.lock(2, young, young, "\x02a")
	m.lock(9, old, old, "\x02m")
	wOld := n.begin(n.lockReq(2, old, old, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	wYoung := m.begin(m.lockReq(9, young, young, kvpb.LockMode_LOCK_UPDATE, "\x02m"))
	c.settle()
	n.s.TendLocks(context.Background())
	if *wYoung != nil {
		t.Fatal("a wait was broken before its time")
	}
	c.clock.now = c.clock.now.Add(deadlockAfter)
	n.s.TendLocks(context.Background())
	c.settle()
	d := (*wYoung).GetLock().GetError().GetDeadlock().GetCircle()
	if len(d) != 2 || d[0].GetOwner().GetId() != uint64(young) || string(d[1].GetKey()) != "\x02a" || *wOld != nil {
		t.Fatalf("circle %v, the old one's answer %v", d, *wOld)
	}
	n.release(2, young, "\x02a")
	if *wOld == nil || !(*wOld).GetLock().GetKeys()[0].GetLocked() {
		t.Fatalf("the old one: %v", *wOld)
	}
}

// Waits that merely queue up are no deadlock.
func TestNoDeadlockInAQueue(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(2)
	n.put(2, "\x02a", "0", "\x02b", "0")
	t1, t2, t3 := c.timestamp(), c.timestamp(), c.timestamp()
	n.lock(2, t1, t1, "\x02a")
	n.lock(2, t2, t2, "\x02b")
	w2 := n.begin(n.lockReq(2, t2, t2, kvpb.LockMode_LOCK_UPDATE, "\x02a"))
	w3 := n.begin(n.lockReq(2, t3, t3, kvpb.LockMode_LOCK_UPDATE, "\x02b"))
	c.clock.now = c.clock.now.Add(time.Second)
	n.s.TendLocks(context.Background())
	c.settle()
	if *w2 != nil || *w3 != nil {
		t.Fatalf("broken: %v %v", *w2, *w3)
	}
}

// After a crash of the leader nobody gets an advisory lock before those who have
// one could take it again.
func TestAdvisoryLocksAreTakenAgain(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	c.leader(2)
	c.clock.now = c.clock.now.Add(3 * time.Second)
	n := c.leader(2)
	bare := func(n *node, owner timestamp.Timestamp) *kvpb.Response {
		req := n.lockReq(2, owner, 0, kvpb.LockMode_LOCK_UPDATE, "\x02lock")
		req.GetLock().Demand = kvpb.LockDemand_LOCK_BARE
		req.GetLock().Policy = kvpb.LockPolicy_LOCK_NO_WAIT
		return n.call(req)
	}
	t1, t2 := c.timestamp(), c.timestamp()
	if resp := bare(n, t1); !resp.GetLock().GetKeys()[0].GetLocked() {
		t.Fatalf("lock: %v", resp)
	}
	n.crash()
	m := c.leader(2)
	if resp := bare(m, t2); resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("given away at once: %v", resp)
	}
	keep := m.call(m.request(2, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Keep{Keep: &kvpb.KeepRequest{
			Owner: &kvpb.LockOwner{Id: uint64(t1)}, Reassert: true,
			Locks: []*kvpb.HeldLock{{Key: []byte("\x02lock"), Mode: kvpb.LockMode_LOCK_UPDATE}},
		}}
	}))
	if len(keep.GetKeep().GetLost()) != 0 {
		t.Fatalf("keep: %v", keep)
	}
	for range 30 {
		c.tick()
	}
	if resp := bare(m, t2); resp.GetLock().GetKeys()[0].GetBusy() == nil {
		t.Fatalf("the lock was lost: %v", resp)
	}
}

// Five transactions wait in a circle, at leaders of several regions: 10 ms after the last
// of them began to wait exactly one is told, the youngest, with all five transactions,
// their keys and statements; the others get on one after the other.
func TestDeadlockOfFive(t *testing.T) {
	const five = 5
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	keys := []string{"\x02a", "\x02b", "\x02m", "\x02n", "\x02o"}
	regions := []uint64{2, 2, 9, 9, 9}
	for _, k := range keys {
		n.put(2, k, "0")
	}
	n.admin(2, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{
		Keys: [][]byte{[]byte("\x02m")}, NewRegions: []*kvpb.NewRegion{{RegionId: 9, PeerIds: []uint64{91, 92, 93}}},
	}}})
	if m := c.leader(9); m == n {
		m.admin(9, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: n.id%3 + 1}}})
	}
	at := func(i int) *node { return c.leader(regions[i%five]) }
	var owners [five]timestamp.Timestamp
	for i := range five {
		owners[i] = c.timestamp()
		at(i).lock(regions[i], owners[i], owners[i], keys[i])
	}
	var waits [five]**kvpb.Response
	for i := range five {
		next := (i + 1) % five
		req := at(next).lockReq(regions[next], owners[i], owners[i], kvpb.LockMode_LOCK_UPDATE, keys[next])
		req.GetLock().Owner.Statement = fmt.Sprintf("update %d", i)
		waits[i] = at(next).begin(req)
	}
	c.settle()
	tend := func() {
		for _, id := range c.storeIDs() {
			c.stores[id].s.TendLocks(context.Background())
		}
		c.settle()
	}
	tend()
	for i := range five {
		if *waits[i] != nil {
			t.Fatalf("wait %d ended before its time: %v", i, *waits[i])
		}
	}
	c.clock.now = c.clock.now.Add(deadlockAfter)
	tend()
	tend()
	const youngest = five - 1
	for i := range youngest {
		if *waits[i] != nil {
			t.Fatalf("wait %d ended, too: %v", i, *waits[i])
		}
	}
	circle := (*waits[youngest]).GetLock().GetError().GetDeadlock().GetCircle()
	if len(circle) != five || circle[0].GetOwner().GetId() != uint64(owners[youngest]) {
		t.Fatalf("the youngest was told %v", *waits[youngest])
	}
	for i, w := range circle {
		who := (youngest + i) % five
		if w.GetOwner().GetId() != uint64(owners[who]) || string(w.GetKey()) != keys[(who+1)%five] || w.GetOwner().GetStatement() != fmt.Sprintf("update %d", who) {
			t.Errorf("wait %d of the circle: %v", i, w)
		}
	}
	for i := youngest; i > 0; i-- {
		at(i).release(regions[i], owners[i], keys[i])
		if i < youngest {
			at(i+1).release(regions[i+1], owners[i], keys[i+1])
		}
		c.settle()
		if *waits[i-1] == nil || !(*waits[i-1]).GetLock().GetKeys()[0].GetLocked() {
			t.Fatalf("transaction %d does not get on: %v", i-1, *waits[i-1])
		}
	}
}
