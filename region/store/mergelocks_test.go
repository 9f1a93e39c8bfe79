package store

import (
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// A merge takes the row locks of both regions along: their owners still keep others
// out and commit, who waits for one comes again, and the hand-over goes on.
func TestRowLocksFollowAMerge(t *testing.T) {
	c, n := halves(t)
	owners := map[string]uint64{"ta": user, "tz": right}
	t1 := c.timestamp()
	for key, id := range owners {
		n.lock(id, t1, t1, key)
	}
	t2 := c.timestamp()
	w := n.begin(n.lockReq(right, t2, t2, kvpb.LockMode_LOCK_UPDATE, "tz"))
	c.settle()
	if *w != nil {
		t.Fatalf("did not wait: %v", *w)
	}
	n.merge(user, right)
	if (*w).GetRegionError() == nil {
		t.Fatalf("who waits in the region that goes is told %v", *w)
	}
	for key := range owners {
		other := n.call(n.putReq(user, c.timestamp(), key, "x"))
		if l := other.GetPrewrite().GetErrors(); len(l) != 1 || l[0].GetRowLocked().GetHolder().GetId() != uint64(t1) {
			t.Errorf("%s is not locked after the merge: %v", key, other)
		}
	}
	w = n.begin(n.lockReq(user, t2, t2, kvpb.LockMode_LOCK_UPDATE, "tz"))
	c.settle()
	if *w != nil {
		t.Fatalf("does not wait after the merge: %v", *w)
	}
	p := n.commitLocked(user, t1, t1, "tz", "9")
	if p.GetOnePcCommitTs() == 0 {
		t.Fatalf("the owner's commit: %v", p)
	}
	c.settle()
	if k := (*w).GetLock().GetKeys(); len(k) != 1 || !k[0].GetLocked() || k[0].GetChanged().GetConflictCommitTs() != p.GetOnePcCommitTs() {
		t.Fatalf("the next: %v", *w)
	}
}

// Locks of an async commit stay where they are when their regions are merged, with
// what they promise; one that is still to come promises more than any read that the
// region on the right has served, and a mark there keeps it out.
func TestAsyncLocksFollowAMerge(t *testing.T) {
	c, n := halves(t)
	start := c.timestamp()
	a := minCommit(t, n.call(n.asyncReq(right, start, "tz", "tz", "1", "tq", "ta")))
	c.ts += 100
	served := c.timestamp()
	if resp := n.call(n.getReq(right, "tq", served)); resp.GetGet() == nil || resp.GetGet().GetError() != nil {
		t.Fatal(resp)
	}
	n.merge(user, right)
	if got := minCommit(t, n.call(n.asyncReq(user, start, "tz", "tq", "1"))); got <= served {
		t.Fatalf("the merged region promises %v, the source served a read at %v", got, served)
	}
	locks := n.call(n.secondariesReq(user, start, 0, false, "tz", "ta")).GetCheckSecondaryLocks().GetLocks()
	if len(locks) != 2 || locks[0].GetState() != kvpb.TxnState_LOCKED || locks[0].GetMinCommitTs() != uint64(a) || locks[1].GetState() != kvpb.TxnState_MISSING {
		t.Fatalf("after the merge: %v", locks)
	}
	if locks = n.call(n.secondariesReq(user, start, 0, true, "ta")).GetCheckSecondaryLocks().GetLocks(); locks[0].GetState() != kvpb.TxnState_ROLLED_BACK {
		t.Fatalf("the missing key is not marked: %v", locks)
	}
	if late := n.call(n.asyncReq(user, start, "tz", "ta", "1")); len(late.GetPrewrite().GetErrors()) == 0 {
		t.Fatalf("a lock after the mark: %v", late)
	}
}
