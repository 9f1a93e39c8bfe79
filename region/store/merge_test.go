package store

import (
	"bytes"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
)

const right = 50 // the region to the right of user in these tests

// halves makes a cluster of three stores with the regions user, up to tm, and right,
// led by the same store, which it returns.
func halves(t *testing.T) (*cluster, *node) {
	t.Helper()
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1", "tz", "2")
	if resp := n.admin(user, splitCmd(right, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	if l := c.leader(right); l != n {
		t.Fatalf("store %d leads the child, store %d the parent", l.id, n.id)
	}
	c.rest()
	return c, n
}

// rest lets everybody hear of everything.
func (c *cluster) rest() {
	for range 5 {
		c.tick()
	}
}

func (n *node) mergeCmd(source uint64) *kvpb.AdminRequest {
	return &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Merge{Merge: &kvpb.MergeRequest{Source: n.s.replica(source).Descriptor()}}}
}

func (n *node) beginMerge(target, source uint64) **kvpb.Response {
	return n.begin(n.request(target, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: n.mergeCmd(source)} }))
}

func (n *node) merge(target, source uint64) {
	n.c.t.Helper()
	resp := n.admin(target, n.mergeCmd(source))
	if resp.GetRegionError() != nil {
		n.c.t.Fatal(resp)
	}
}

// wantMerged waits until every store that is up has user as the only region of its
// range, and nothing is left of right.
func (c *cluster) wantMerged(stores ...uint64) {
	c.t.Helper()
	if len(stores) == 0 {
		stores = c.storeIDs()
	}
	for _, id := range stores {
		n := c.stores[id]
		c.until("the merge is applied", func() bool {
			r := n.s.replica(user)
			return r != nil && r.Descriptor() != nil && len(r.Descriptor().GetEndKey()) == 0 && n.s.replica(right) == nil
		})
		if got, err := storedRegions(n.eng.State); err != nil || len(got) != 1 {
			c.t.Fatalf("store %d holds the state of regions %v, %v", id, got, err)
		}
		if away, err := n.s.mergedAway(right); err != nil || !away {
			c.t.Fatalf("store %d has no tombstone of the merged region: %v", id, err)
		}
		if n.fatal != nil {
			c.t.Fatalf("store %d: %v", id, n.fatal)
		}
	}
}

// crashAll restarts every store with what was synced.
func (c *cluster) crashAll() {
	for _, id := range c.storeIDs() {
		if c.stores[id].s != nil {
			c.stores[id].crash()
		}
	}
	for _, id := range c.storeIDs() {
		c.stores[id].restart()
	}
}

// What both regions held is in the one that is left, on every store, for reads and
// writes, and after all stores were restarted.
func TestMergeKeepsBothHalves(t *testing.T) {
	c, n := halves(t)
	n.put(right, "tn", "3")
	old := n.getReq(right, "tn", c.timestamp())
	n.merge(user, right)
	n.wantGet(user, "ta", "1")
	n.wantGet(user, "tz", "2")
	n.wantGet(user, "tn", "3")
	n.put(user, "tz", "4", "tb", "5")
	if e := n.call(old).GetRegionError().GetEpochNotMatch(); e == nil || e.GetCurrent()[0].GetId() != user {
		t.Errorf("who still asks for the region that is gone is told %v", e)
	}
	c.wantMerged()
	c.crashAll()
	c.wantMerged()
	l := c.leader(user)
	l.wantGet(user, "tz", "4")
	l.wantGet(user, "tn", "3")
	// It can be split at the same key again, and merged again.
	if resp := l.admin(user, splitCmd(60, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(60).wantGet(60, "tz", "4")
	c.rest()
	l.merge(user, 60)
	l.wantGet(user, "tz", "4")
}

// Rule B3: the oracle is asked after the source serves no more reads; until it has
// answered the target does not commit. A write in one phase then comes above every
// read that the source has served.
func TestMergeTakesAFreshTimestamp(t *testing.T) {
	c, n := halves(t)
	c.ts = timestamp.Make(5000, 0)
	read := c.timestamp()
	if resp := n.call(n.getReq(right, "tz", read)); resp.GetGet().GetError() != nil || string(resp.GetGet().GetValue()) != "2" {
		t.Fatal(resp)
	}
	c.noTS = true
	m := n.beginMerge(user, right)
	c.settle()
	if *m != nil || n.s.replica(right).Descriptor().GetMerging() == nil {
		t.Fatalf("the merge was decided without a timestamp: %v", *m)
	}
	c.noTS = false
	c.settle()
	if *m == nil || (*m).GetRegionError() != nil {
		t.Fatal(*m)
	}
	// The writer began before the read, at a timestamp far below it.
	resp := n.call(n.putReq(user, timestamp.Make(1001, 0), "tq", "9"))
	if got := timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs()); got <= read {
		t.Fatalf("a write commits at %d, below the read at %d (%v)", got, read, resp)
	}
}

// From the beginning to the end of a merge neither region serves a key of the source:
// who asks is sent away to come again, and nothing ran.
func TestRequestsDuringMerge(t *testing.T) {
	c, n := halves(t)
	c.noTS = true // holds the merge up
	m := n.beginMerge(user, right)
	c.settle()
	for _, req := range []*kvpb.Request{
		n.getReq(right, "tz", c.timestamp()), n.putReq(right, c.timestamp(), "tz", "9"),
		n.request(right, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: splitCmd(70, 3, "tq")} }),
		n.request(right, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
				TransferLeader: &kvpb.TransferLeaderRequest{ToStore: n.id%3 + 1}}}}
		}),
	} {
		if got := n.call(req).GetRegionError().GetServerBusy(); got == nil && *m == nil {
			t.Errorf("%T is not sent away while its region is merged", req.GetCmd())
		}
	}
	if resp := n.call(n.getReq(user, "tz", c.timestamp())); *m == nil && resp.GetRegionError().GetKeyNotInRegion() == nil {
		t.Errorf("the target serves the source's key before it has taken it: %v", resp)
	}
	c.noTS = false
	c.until("the merge ends", func() bool { return *m != nil })
	c.rest()
	l := c.leader(user)
	if string(l.s.replica(user).Descriptor().GetEndKey()) == "" {
		l.wantGet(user, "tz", "2")
	} else {
		c.leader(right).wantGet(right, "tz", "2")
	}
}

// Of the writes that meet a merge at any moment each is either in the merged region or
// was refused and is not.
func TestWritesBesideMerge(t *testing.T) {
	c, n := halves(t)
	m := n.beginMerge(user, right)
	var writes []**kvpb.Response
	key := func(i int) string { return "tw" + string(rune('a'+i)) }
	for i := range 20 {
		if n.s.replica(right) == nil {
			break
		}
		writes = append(writes, n.begin(n.putReq(right, c.timestamp(), key(i), "1")))
		for _, id := range c.storeIDs() {
			c.stores[id].s.Poll()
		}
	}
	left := n.begin(n.putReq(user, c.timestamp(), "ta", "7"))
	c.settle()
	if (*m).GetRegionError() != nil || (*left).GetRegionError().GetEpochNotMatch() == nil && (*left).GetRegionError() != nil {
		t.Fatalf("merge %v, write to the target %v", *m, *left)
	}
	var in, out int
	for i, w := range writes {
		want := ""
		switch {
		case (*w).GetRegionError() == nil:
			in, want = in+1, "1"
		case (*w).GetRegionError().GetAmbiguous() != nil:
			t.Fatalf("write %d: %v", i, *w)
		default:
			out++
		}
		n.wantGet(user, key(i), want)
	}
	if in == 0 || out == 0 {
		t.Fatalf("%d writes before the merge, %d behind it: one kind is missing", in, out)
	}
}

// The merge is not begun, and nothing is fenced, if it could not be ended: a peer
// away, other stores, another neighbour, no leader here.
func TestBadMerges(t *testing.T) {
	c, n := halves(t)
	refused := func(what, want string, resp *kvpb.Response) {
		t.Helper()
		if e := resp.GetRegionError(); e == nil || !strings.Contains(e.GetMessage(), want) {
			t.Errorf("%s: %v, want %q", what, e, want)
		}
		for _, id := range []uint64{user, right} {
			if r := n.s.replica(id); r != nil && r.Descriptor().GetMerging() != nil {
				t.Fatalf("%s: region %d is fenced", what, id)
			}
		}
	}
	refused("backwards", "right neighbour", n.admin(right, n.mergeCmd(user)))
	refused("itself", "right neighbour", n.admin(user, n.mergeCmd(user)))
	other := c.stores[n.id%3+1]
	refused("led elsewhere", "does not lead", other.admin(user, n.mergeCmd(right)))
	other.crash()
	for range 20 {
		c.tick()
	}
	refused("peer away", "does not answer", n.admin(user, n.mergeCmd(right)))
	n.put(right, "tz", "3")
	other.restart()
}

// A peer that is lost after the fence: the merge is given up, the source serves again,
// and a later attempt succeeds (two attempts, one slow peer).
func TestMergeIsGivenUp(t *testing.T) {
	c, n := halves(t)
	slow := c.stores[n.id%3+1]
	// The slow store gets nothing of the source, but lives.
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Liveness == nil && e.RegionID == right && e.ToStore == slow.id
	}
	m := n.beginMerge(user, right)
	c.until("the merge is given up", func() bool { return *m != nil })
	if (*m).GetRegionError() == nil {
		t.Fatal("merged without the slow store's word")
	}
	// Whoever leads it.
	n.put(right, "tz", "3")
	first := n.s.replica(right).Descriptor()
	if first.GetMerging() != nil || first.GetEpoch().GetVersion() != 4 {
		t.Fatalf("after the attempt: %v", first)
	}
	// The slow peer now learns of the first beginning only, and answers to it. That
	// answer must not count for the second attempt.
	c.heal()
	c.rest()
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Liveness == nil && e.RegionID == right && e.ToStore == slow.id && e.Message.GetType() == raftpb.MsgApp
	}
	m = n.beginMerge(user, right)
	c.settle()
	if *m != nil || n.s.replica(user).Descriptor().GetEndKey() == nil {
		t.Fatalf("the first attempt's answer counted for the second: %v", *m)
	}
	c.heal()
	c.until("the second attempt ends", func() bool { return *m != nil })
	c.rest()
	if (*m).GetRegionError() != nil {
		n.merge(user, right)
	}
	c.wantMerged()
	n.wantGet(user, "tz", "3")
}

// The log of a source is not compacted between the beginning and the end, also when
// its store restarts in between, and the fence outlives the restart.
func TestMergeStopsCompaction(t *testing.T) {
	c, n := halves(t)
	for i := range 200 {
		n.put(right, "tz", string(rune('a'+i%26)))
	}
	c.noTS = true
	m := n.beginMerge(user, right)
	c.settle()
	at := n.s.replica(right).Descriptor().GetMerging().GetIndex()
	if at == 0 || *m != nil {
		t.Fatalf("not fenced: %v", *m)
	}
	check := func(when string) {
		t.Helper()
		for _, o := range c.stores {
			if err := o.s.SyncState(); err != nil {
				t.Fatal(err)
			}
		}
		c.settle()
		for _, o := range c.stores {
			if o.s.replica(right).Descriptor().GetMerging() == nil {
				t.Fatalf("store %d: the fence is gone %s", o.id, when)
			}
			g, err := o.eng.Logs.Group(right)
			if err != nil {
				t.Fatal(err)
			}
			if first, _ := g.FirstIndex(); first > 100 {
				t.Errorf("store %d: the log begins at %d %s", o.id, first, when)
			}
		}
	}
	check("during the merge")
	c.crashAll()
	for _, o := range c.stores {
		if o.s.replica(right).Descriptor().GetMerging().GetIndex() != at {
			t.Fatalf("store %d has lost the fence, which it had told to be durable", o.id)
		}
	}
	check("after a restart")
	c.noTS = false
	// Nobody knows of the attempt any more: it is settled, and the source opens.
	c.until("the source opens", func() bool { return c.leader(right).s.replica(right).Descriptor().GetMerging() == nil })
}

// After a crash of all stores an attempt that nobody looks after is settled through
// the target's log, and both serve.
func TestAbandonedMergeIsSettled(t *testing.T) {
	c, n := halves(t)
	c.noTS = true
	m := n.beginMerge(user, right)
	c.settle()
	if *m != nil {
		t.Fatal(*m)
	}
	c.crashAll()
	c.noTS = false
	c.until("the source is open", func() bool { return c.leader(right).s.replica(right).Descriptor().GetMerging() == nil })
	c.leader(right).wantGet(right, "tz", "2")
	c.leader(right).put(right, "tz", "3")
	c.leader(user).put(user, "ta", "3")
}

// A rollback that is asked for without the target's verdict, or again, or for an older
// attempt, changes nothing; a settled attempt cannot be committed, a committed one is
// told as such.
func TestSettleDecides(t *testing.T) {
	c, n := halves(t)
	rollback := func(index uint64) *kvpb.Response {
		return n.admin(right, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_RollbackMerge{RollbackMerge: &kvpb.RollbackMergeRequest{Index: index}}})
	}
	if resp := rollback(3); resp.GetRegionError() == nil {
		t.Fatal("a region that is not merged was rolled back")
	}
	c.noTS = true
	m := n.beginMerge(user, right)
	c.settle()
	merging := n.s.replica(right).Descriptor().GetMerging()
	if resp := rollback(merging.GetIndex() - 1); resp.GetRegionError() == nil {
		t.Fatal("rolled back for another attempt")
	}
	settle := func() *kvpb.Response {
		return n.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_SettleMerge{SettleMerge: &kvpb.SettleMergeRequest{SourceId: right, Merging: merging}}})
	}
	before := n.s.replica(user).Descriptor().GetEpoch().GetVersion()
	for range 2 {
		if resp := settle(); resp.GetRegionError() != nil || resp.GetAdmin().GetSettleMerge().GetCommitted() {
			t.Fatal(resp)
		}
	}
	if v := n.s.replica(user).Descriptor().GetEpoch().GetVersion(); v != before+1 {
		t.Fatalf("version of the target went from %d to %d", before, v)
	}
	c.noTS = false
	c.until("the attempt ends", func() bool { return *m != nil })
	c.rest()
	if (*m).GetRegionError() == nil || n.s.replica(right) == nil {
		t.Fatalf("a settled attempt was committed: %v", *m)
	}
	c.until("the source is open", func() bool { return n.s.replica(right).Descriptor().GetMerging() == nil })
	// The second one is committed, and the target's log says so for as long as anybody
	// could ask.
	n.merge(user, right)
	a := n.s.replica(user).Descriptor().GetAbsorbed()
	if len(a) != 1 || a[0].GetRegionId() != right {
		t.Fatalf("absorbed: %v", a)
	}
	if resp := settle(); resp.GetAdmin().GetSettleMerge().GetCommitted() {
		t.Fatal("the first attempt is told as committed")
	}
	merging.Index, merging.TargetEpoch.Version = a[0].GetIndex(), a[0].GetTargetVersion()
	if resp := settle(); !resp.GetAdmin().GetSettleMerge().GetCommitted() {
		t.Fatalf("the second attempt is not told as committed: %v", resp)
	}
}

// A target's replica that lags behind the commit finds its source on its own disk,
// also after a restart between the fence and the commit.
func TestLaggingTargetTakesItsSource(t *testing.T) {
	for _, restart := range []bool{false, true} {
		c, n := halves(t)
		slow := c.stores[n.id%3+1]
		c.cut = func(e *multiraft.Envelope) bool {
			return e.Liveness == nil && e.RegionID == user && e.ToStore == slow.id && e.Message.GetType() == raftpb.MsgApp
		}
		n.merge(user, right)
		n.put(user, "tz", "3")
		c.tick()
		if slow.s.replica(right) == nil || slow.s.replica(right).Descriptor().GetMerging() == nil {
			t.Fatal("the source left the slow store before the target took it")
		}
		if restart {
			slow.crash()
			slow.restart()
			if slow.s.replica(right).Descriptor().GetMerging() == nil {
				t.Fatal("the fence was not durable")
			}
			c.rest()
		}
		c.heal()
		c.wantMerged()
		if got := slow.localGet("tz"); got != "3" {
			t.Fatalf("the slow store holds %q", got)
		}
		if slow.s.Stats().SnapshotsGot != 0 {
			t.Error("it came by a raft snapshot")
		}
	}
}

// A raft snapshot of the merged region arrives at a store that still has both: the
// source goes with the installation, for good.
func TestSnapshotOfMergedRegion(t *testing.T) {
	for _, restart := range []bool{false, true} {
		c, n := halves(t)
		slow := c.stores[n.id%3+1]
		c.cut = func(e *multiraft.Envelope) bool {
			return e.Liveness == nil && e.RegionID == user && e.ToStore == slow.id &&
				(e.Message.GetType() == raftpb.MsgApp || e.Message.GetType() == raftpb.MsgSnap)
		}
		n.merge(user, right)
		big := string(bytes.Repeat([]byte("v"), 1<<20))
		for i := range 20 {
			n.put(user, "tk"+string(rune('a'+i)), big)
		}
		n.put(user, "tz", "3")
		for range 3 {
			c.tick()
			for _, o := range c.stores {
				if err := o.s.SyncState(); err != nil {
					t.Fatal(err)
				}
			}
			c.settle()
		}
		if slow.s.replica(right) == nil {
			t.Fatal("the slow store has no source any more")
		}
		if restart {
			slow.crash()
			slow.restart()
		}
		c.heal()
		c.wantMerged()
		if got := slow.localGet("tz"); got != "3" {
			t.Fatalf("the slow store holds %q", got)
		}
		if slow.s.Stats().SnapshotsGot == 0 {
			t.Error("no raft snapshot was needed")
		}
		slow.crash()
		slow.restart()
		c.wantMerged()
		c.leader(user).put(user, "tz", "4")
	}
}

// A store that was away while its peers were removed, after the merge was decided, is
// told by whoever is left that both regions are no more there.
func TestLeftoverSourceIsRemoved(t *testing.T) {
	c := newCluster(t, 4)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1", "tz", "2")
	if resp := n.admin(user, splitCmd(right, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(right)
	c.rest()
	slow := c.stores[n.id%3+1]
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Liveness == nil && e.RegionID == user && e.ToStore == slow.id && e.Message.GetType() == raftpb.MsgApp
	}
	n.merge(user, right)
	slow.crash()
	c.heal()
	desc := n.s.replica(user).Descriptor()
	if resp := n.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{ChangePeers: &kvpb.ChangePeersRequest{
		Changes: []*kvpb.Change{{Type: kvpb.ChangeType_REMOVE, Peer: region.PeerOn(desc, slow.id)}}}}}); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	slow.restart()
	if slow.s.replica(right) == nil || slow.s.replica(user) == nil {
		t.Fatal("the store forgot its replicas")
	}
	for range 20 {
		for range 40 {
			c.tick()
		}
		if slow.s.replica(right) == nil && slow.s.replica(user) == nil {
			break
		}
	}
	if slow.s.replica(right) != nil || slow.s.replica(user) != nil {
		t.Fatal("replicas of regions that left the store stay")
	}
	if got := slow.localGet("tz"); got != "" {
		t.Errorf("data stays: %q", got)
	}
}

// A store lags while a region takes its neighbour and is split again at the same place.
// It gets the region by a raft snapshot that does not hold the neighbour's range any
// more: what was left of the neighbour goes, or the new region could never come.
func TestLeftoverSourceBehindASplit(t *testing.T) {
	const again = 60
	c, n := halves(t)
	slow := c.stores[n.id%3+1]
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Liveness == nil && e.RegionID == user && e.ToStore == slow.id &&
			(e.Message.GetType() == raftpb.MsgApp || e.Message.GetType() == raftpb.MsgSnap)
	}
	n.merge(user, right)
	if resp := n.admin(user, splitCmd(again, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	big := string(bytes.Repeat([]byte("v"), 1<<20))
	for i := range 20 {
		n.put(user, "tk"+string(rune('a'+i)), big)
	}
	for range 3 {
		c.tick()
		for _, o := range c.stores {
			if err := o.s.SyncState(); err != nil {
				t.Fatal(err)
			}
		}
		c.settle()
	}
	if slow.s.replica(right) == nil {
		t.Fatal("the slow store has no source any more")
	}
	c.heal()
	for range 800 {
		c.tick()
		if r := slow.s.replica(again); r != nil && !r.Shell() && slow.s.replica(right) == nil {
			break
		}
	}
	if slow.s.replica(right) != nil || slow.s.replica(again) == nil {
		t.Fatalf("what was taken is there: %v, what took its place: %v", slow.s.replica(right) != nil, slow.s.replica(again) != nil)
	}
	if slow.s.Stats().SnapshotsGot == 0 {
		t.Error("no raft snapshot was needed")
	}
	if got := slow.localGet("tz"); got != "2" {
		t.Errorf("the slow store holds %q", got)
	}
}

// Every durable step of the merge may be the last before a crash: the store opens, and
// either both regions are there or the merged one.
func TestMergeCrashPoints(t *testing.T) {
	for point := range 60 {
		c, n := halves(t)
		victim := c.stores[n.id%3+1]
		if point%2 == 1 {
			victim = n
		}
		m := n.beginMerge(user, right)
		// Some work, then the power goes: what was synced by then stays.
		for i := 0; i < point*3; i++ {
			for _, id := range c.storeIDs() {
				if o := c.stores[id]; o.s != nil {
					o.s.Poll()
				}
			}
		}
		fs := engine.CrashClone(victim.fs, (point%3)*50, uint64(point))
		victim.crash()
		victim.fs = fs
		c.rest()
		victim.restart()
		c.settle()
		for _, o := range c.stores {
			if o.fatal != nil {
				t.Fatalf("point %d: store %d: %v", point, o.id, o.fatal)
			}
		}
		c.wantDecided(*m != nil && (*m).GetRegionError() == nil)
	}
}

// Two merges that begin at once, of the region to the right into the one that is taken
// itself: whatever becomes of each, both halves serve in the end. Who has taken a
// target answers for it.
func TestChainOfMergesIsSettled(t *testing.T) {
	c, n := halves(t)
	if resp := n.admin(right, splitCmd(70, 3, "tt")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	if l := c.leader(70); l != n {
		t.Fatalf("store %d leads the third region", l.id)
	}
	c.rest()
	first := n.beginMerge(right, 70)
	second := n.beginMerge(user, right)
	c.settle()
	for range 30 {
		c.tick()
	}
	if *first == nil || *second == nil {
		t.Fatalf("the merges have not ended: %v, %v", *first, *second)
	}
	t.Logf("%v; %v", (*first).GetRegionError().GetMessage(), (*second).GetRegionError().GetMessage())
	for _, key := range []string{"ta", "tn", "tz"} {
		resp := c.anywhere(key, func(n *node, id uint64) *kvpb.Request { return n.putReq(id, c.timestamp(), key, "3") })
		if len(resp.GetPrewrite().GetErrors()) > 0 {
			t.Fatal(resp)
		}
	}
	if d := n.s.replica(user).Descriptor(); !region.Absorbed(d, right) {
		t.Fatalf("the case was missed: %v", d)
	}
	if r := n.s.replica(70); r == nil || r.Descriptor().GetMerging() != nil {
		t.Fatal("the third region is gone or closed")
	}
}
