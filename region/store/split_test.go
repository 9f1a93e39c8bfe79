package store

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
)

func splitCmd(first uint64, peers int, keys ...string) *kvpb.AdminRequest {
	s := &kvpb.SplitRequest{}
	for i, k := range keys {
		s.Keys = append(s.Keys, []byte(k))
		nr := &kvpb.NewRegion{RegionId: first + uint64(i)}
		for j := range peers {
			nr.PeerIds = append(nr.PeerIds, 1000*(first+uint64(i))+uint64(j)+1)
		}
		s.NewRegions = append(s.NewRegions, nr)
	}
	return &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: s}}
}

// Both halves keep what was written before the split and take writes after it, on
// all replicas and after a restart of all of them.
func TestSplitKeepsBothHalves(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1", "tm", "2", "tz", "3")
	resp := n.admin(user, splitCmd(50, 3, "tg", "tq"))
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	got := resp.GetAdmin().GetSplit().GetRegions()
	if len(got) != 3 || got[0].GetId() != user || got[1].GetId() != 50 || got[2].GetId() != 51 ||
		got[0].GetEpoch().GetVersion() != 3 || got[2].GetEpoch().GetVersion() != 3 || string(got[1].GetEndKey()) != "tq" {
		t.Fatalf("regions after the split: %v", got)
	}
	// Rule B2: the parent's leader leads the children at once.
	c.tick()
	for _, id := range []uint64{50, 51} {
		if l := c.leader(id); l != n {
			t.Errorf("store %d leads region %d, not the parent's leader %d", l.id, id, n.id)
		}
	}
	n.wantGet(user, "ta", "1")
	n.wantGet(50, "tm", "2")
	n.wantGet(51, "tz", "3")
	n.put(50, "tn", "4")
	n.put(user, "tb", "5")
	c.tick()
	c.tick()
	for _, o := range c.stores {
		o.crash()
	}
	for _, id := range c.storeIDs() {
		c.stores[id].restart()
	}
	c.leader(50).wantGet(50, "tn", "4")
	c.leader(50).wantGet(50, "tm", "2")
	c.leader(51).wantGet(51, "tz", "3")
	c.leader(user).wantGet(user, "tb", "5")
	// The regions tile the key space.
	for _, id := range c.storeIDs() {
		at := []byte{2}
		for _, i := range c.stores[id].s.Regions() {
			if !bytes.Equal(i.Region.GetStartKey(), at) {
				t.Fatalf("store %d: gap or overlap at %q", id, at)
			}
			at = i.Region.GetEndKey()
		}
		if len(at) != 0 {
			t.Fatalf("store %d: regions end at %q", id, at)
		}
	}
}

// A request with the epoch of before the split is refused and told the children.
func TestStaleEpochAfterSplit(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	old := n.getReq(user, "tz", c.timestamp())
	if resp := n.admin(user, splitCmd(50, 1, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	e := n.call(old).GetRegionError().GetEpochNotMatch()
	if e == nil || len(e.GetCurrent()) != 2 || e.GetCurrent()[1].GetId() != 50 {
		t.Fatalf("answer to an old epoch: %v", e)
	}
	// The right epoch, but a key of the child.
	if resp := n.call(n.getReq(user, "tz", c.timestamp())); resp.GetRegionError().GetKeyNotInRegion() == nil {
		t.Fatalf("answer to a key of the child: %v", resp)
	}
}

// A write that waits for the split's latch is refused afterwards with the new
// epoch, and has written nothing; the reads of both halves wait for the apply
// (rule B1).
func TestRequestsDuringSplit(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1", "tz", "2")
	n.wantGet(user, "ta", "1")
	split := n.begin(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: splitCmd(50, 3, "tm")}
	}))
	write := n.begin(n.putReq(user, c.timestamp(), "tz", "9"))
	read := n.begin(n.getReq(user, "tz", c.timestamp()))
	if *split != nil || *write != nil || *read != nil {
		t.Fatalf("answered before the split is applied: %v %v %v", *split, *write, *read)
	}
	c.settle()
	if (*split).GetRegionError() != nil {
		t.Fatal(*split)
	}
	if (*write).GetRegionError().GetEpochNotMatch() == nil || (*read).GetRegionError().GetEpochNotMatch() == nil {
		t.Fatalf("write and read of the child at the parent: %v %v", *write, *read)
	}
	c.leader(50).wantGet(50, "tz", "2")
}

// Rule B1: from the moment in which a split or the end of a merged region is in the log
// until the leader has applied it, nothing is read or written there, under a lease or
// not: others may have applied it, and serve the keys in a region of their own.
func TestNothingIsServedBeforeABoundaryIsApplied(t *testing.T) {
	for name, begin := range map[string]func(n *node) **kvpb.Response{
		"split": func(n *node) **kvpb.Response {
			return n.begin(n.request(right, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: splitCmd(60, 3, "tp")} }))
		},
		"merge": func(n *node) **kvpb.Response { return n.beginMerge(user, right) },
	} {
		t.Run(name, func(t *testing.T) {
			c, n := halves(t)
			index := n.s.replica(right).AppliedIndex()
			c.cut = func(e *multiraft.Envelope) bool {
				return e.RegionID == right && e.ToStore == n.id && e.Message.GetType() == raftpb.MsgAppResp
			}
			done := begin(n)
			c.settle()
			if _, held := n.s.Lease(right); !held || *done != nil || n.s.replica(right).AppliedIndex() > index {
				t.Fatalf("it is applied already, or there is no lease (%v): %v", held, *done)
			}
			var out []**kvpb.Response
			for _, key := range []string{"tn", "tz"} {
				out = append(out, n.begin(n.getReq(right, key, c.timestamp())), n.begin(n.putReq(right, c.timestamp(), key, "9")))
			}
			c.settle()
			for i, r := range out {
				if *r != nil {
					t.Errorf("request %d was answered before: %v", i, *r)
				}
			}
			c.cut = nil
			c.until("all are answered", func() bool {
				return *done != nil && !slices.ContainsFunc(out, func(r **kvpb.Response) bool { return *r == nil })
			})
			for i, r := range out {
				if e := (*r).GetRegionError(); e.GetEpochNotMatch() == nil && e.GetServerBusy() == nil {
					t.Errorf("request %d, which came for the region as it was, is answered %v", i, *r)
				}
			}
			l := c.leader(map[string]uint64{"split": 60, "merge": user}[name])
			l.wantGet(map[string]uint64{"split": 60, "merge": user}[name], "tz", "2")
		})
	}
}

// Rule B4: messages for a region that is not born yet are held and make no shell;
// once the split is applied the new replica goes on with them.
func TestMessagesBeforeBirth(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.tick()
	slow := c.stores[n.id%3+1]
	// The slow store gets no appends of the parent, but all of the child's messages.
	c.cut = func(e *multiraft.Envelope) bool {
		return e.ToStore == slow.id && e.RegionID == user && e.Message.GetType() == raftpb.MsgApp
	}
	if resp := n.admin(user, splitCmd(50, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50).put(50, "tz", "1")
	c.tick()
	if slow.s.replica(50) != nil {
		t.Fatal("a replica was made beside the parent that covers it")
	}
	c.heal()
	c.until("the child is born and catches up", func() bool {
		r := slow.s.replica(50)
		return r != nil && !r.Shell() && slow.localGet("tz") == "1"
	})
	if slow.s.Stats().SnapshotsGot != 0 {
		t.Error("the child came by a raft snapshot")
	}
}

// Rule C6: if a store has voted in the child and the split is lost all the same, the
// replay leaves the vote and the log alone. (The birth syncs the state engine, so
// the test puts an older state beside the log.)
func TestReplayedSplitKeepsTheChildsVote(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.tick()
	for _, o := range c.stores {
		if err := o.s.SyncState(); err != nil {
			t.Fatal(err)
		}
	}
	c.settle()
	old := make(map[uint64]*engine.MemFS)
	for _, o := range c.stores {
		old[o.id] = engine.CrashClone(o.fs, 0, 1)
	}
	if resp := n.admin(user, splitCmd(50, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50).put(50, "tz", "1")
	c.tick()
	c.tick()
	for _, id := range c.storeIDs() {
		o := c.stores[id]
		g, err := o.eng.Logs.Group(50)
		if err != nil {
			t.Fatal(err)
		}
		before := g.HardState()
		last, _ := g.LastIndex()
		if before.GetTerm() <= 5 {
			t.Fatalf("store %d knows no election: %v", o.id, before)
		}
		logs := engine.CrashClone(o.fs, 0, 1)
		o.crash()
		fs := engine.NewCrashableMemFS()
		copyDir(t, old[o.id], fs, "store/state")
		copyDir(t, logs, fs, "store/log")
		o.fs = fs
		o.openEngines()
		if got, _ := storedRegions(o.eng.State); len(got) != 1 {
			t.Fatalf("store %d: regions %v survived without a sync", o.id, got)
		}
		o.start()
		c.settle()
		c.until("the split is replayed", func() bool { return o.s.replica(50) != nil && !o.s.replica(50).Shell() })
		if g, err = o.eng.Logs.Group(50); err != nil {
			t.Fatal(err)
		}
		after := g.HardState()
		afterLast, _ := g.LastIndex()
		if after.GetTerm() < before.GetTerm() || after.GetTerm() == before.GetTerm() && after.GetVote() != before.GetVote() ||
			afterLast < last {
			t.Fatalf("store %d: hard state %v, last %d became %v, %d", o.id, before, last, after, afterLast)
		}
	}
	c.leader(50).wantGet(50, "tz", "1")
}

// A region that grows beyond the limit is split by itself into parts that hold
// everything; small ones are left alone.
func TestSplitBySize(t *testing.T) {
	c := newCluster(t, 3)
	c.split = 20_000
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	value := string(bytes.Repeat([]byte("v"), 1000))
	for i := range 60 {
		key := fmt.Sprintf("t%03d", i)
		var r *metapb.Region
		for _, info := range n.s.Regions() {
			if region.Contains(info.Region, []byte(key)) {
				r = info.Region
			}
		}
		c.leader(r.GetId()).put(r.GetId(), key, value)
		if i%10 == 9 {
			for _, o := range c.stores {
				if err := o.s.SyncState(); err != nil {
					t.Fatal(err)
				}
			}
			c.settle()
			c.tick()
		}
	}
	infos := n.s.Regions()
	if len(infos) < 3 || len(infos) > 8 {
		t.Fatalf("%d regions after 60 kB with a limit of 20 kB", len(infos))
	}
	total := 0
	for _, i := range infos {
		l := c.leader(i.Region.GetId())
		resp := l.call(l.request(i.Region.GetId(), func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{
				StartKey: i.Region.GetStartKey(), EndKey: i.Region.GetEndKey(), Read: &kvpb.ReadContext{ReadTs: uint64(c.timestamp())}}}
		}))
		if resp.GetRegionError() != nil || resp.GetScan().GetError() != nil {
			t.Fatal(resp)
		}
		total += len(resp.GetScan().GetPairs())
	}
	if total != 60 {
		t.Fatalf("%d rows in all regions, want 60", total)
	}
}

// seconds has requests come, some a second, and looks at the load behind each.
func (c *cluster) seconds(n *node, seconds, requests int, send func(i int)) {
	c.t.Helper()
	for range seconds {
		for i := range requests {
			send(i)
		}
		c.pass(time.Second)
		n.s.CheckLoad()
		c.settle()
	}
}

// A region to which more requests come than it may get, for ten seconds without a break,
// is split where half of them go. Its parts serve what it had; placement hears of the load.
func TestSplitByLoad(t *testing.T) {
	const most = 40
	c := newCluster(t, 3)
	c.load = most
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	key := func(i int) string { return fmt.Sprintf("t%02d", i%20) }
	for i := range 20 {
		n.put(user, key(i), "1")
	}
	read := func(i int) { n.wantGet(n.regionOf(key(i)), key(i), "1") }
	c.seconds(n, 9, most+20, read)
	c.seconds(n, 1, most-20, read) // a calm second
	c.seconds(n, 9, most+20, read)
	if got := n.s.Stats().Splits; got > 0 {
		t.Fatal("split before the load has lasted")
	}
	if got := n.s.Report()[0].GetReadsPerSecond(); got != 32 {
		t.Errorf("placement hears of %v reads a second", got)
	}
	c.seconds(n, 3, most+20, read)
	if got := n.s.Stats().Splits; got != 1 {
		t.Fatalf("%d splits", got)
	}
	left, right := n.regionOf("t00"), n.regionOf("t19")
	if left == right {
		t.Fatal("all keys are in one region")
	}
	if got := n.s.Stats().LoadSplits; got != 1 {
		t.Errorf("%d of them by load", got)
	}
	if at := string(n.s.replica(right).Descriptor().GetStartKey()); at < "t07" || at > "t13" {
		t.Errorf("split at %q", at)
	}
	for i := range 20 {
		read(i)
	}
	// Each part gets half: that is below the bound.
	c.seconds(n, 12, most+20, read)
	if got := n.s.Stats().Splits; got != 1 {
		t.Errorf("%d splits: a part was split whose load is small", got)
	}
}

// A region whose requests go to one key is not split, nor one whose transactions write
// on both sides of every key.
func TestNoSplitByLoadThatDoesNotHelp(t *testing.T) {
	const most = 40
	for name, send := range map[string]func(n *node, i int){
		"one key":     func(n *node, _ int) { n.put(user, "t05", "2") },
		"wide writes": func(n *node, i int) { n.put(user, "t00", "2", "t19", fmt.Sprint(i)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 3)
			c.load = most
			c.bootstrap(userRegion(1, 2, 3))
			n := c.leader(user)
			c.seconds(n, 15, most+20, func(i int) { send(n, i) })
			if got := n.s.Stats().Splits; got > 0 {
				t.Errorf("%d splits", got)
			}
		})
	}
}

// regionOf returns the region that holds a key on a store.
func (n *node) regionOf(key string) uint64 {
	for _, i := range n.s.Regions() {
		if region.Contains(i.Region, []byte(key)) {
			return i.Region.GetId()
		}
	}
	n.c.t.Fatalf("store %d holds no region for %s", n.id, key)
	return 0
}

// Bad splits are refused and change nothing.
func TestBadSplits(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	for _, a := range []*kvpb.AdminRequest{
		splitCmd(50, 1), splitCmd(50, 2, "tm"), splitCmd(50, 1, "tm", "ta"), splitCmd(50, 1, "\x01"),
		splitCmd(50, 1, "\x02"), splitCmd(user, 1, "tm"), splitCmd(50, 1, "tm", "tm"),
	} {
		if resp := n.admin(user, a); resp.GetRegionError() == nil {
			t.Errorf("split %v was accepted", a)
		}
	}
	if v := n.s.replica(user).Descriptor().GetEpoch().GetVersion(); v != 1 {
		t.Errorf("version is %d", v)
	}
}

var (
	_ = engine.EmptyRepr
	_ timestamp.Timestamp
)

// A child takes part in nothing before its state is durable. If a crash takes an
// unsynced split away, and the parent comes back by a raft snapshot of after the
// split, then the child has not lost anything that it acknowledged.
func TestBirthIsDurable(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "tz", "1")
	c.tick()
	if resp := n.admin(user, splitCmd(50, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50).put(50, "tz", "2")
	c.tick()
	for _, id := range c.storeIDs() {
		o := c.stores[id]
		o.crash()
		o.openEngines()
		if got, err := storedRegions(o.eng.State); err != nil || len(got) != 2 {
			t.Errorf("store %d has regions %v after a crash, %v", id, got, err)
		}
		o.start()
	}
	c.leader(50).wantGet(50, "tz", "2")
}

// Between the apply of a split and the birth, messages for the child are held.
func TestMessagesBetweenSplitAndBirth(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "tz", "1")
	c.tick()
	c.tick()
	slow := c.stores[n.id%3+1]
	split := n.begin(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: splitCmd(50, 3, "tm")}
	}))
	// The slow store applies the split, but its blocking work waits.
	for i := 0; i < 500; i++ {
		for _, o := range c.stores {
			if o != slow {
				o.s.Poll()
				continue
			}
			if e, ok := o.s.work.unknown.pop(); ok {
				o.s.receiveUnknown(e)
			}
			_ = o.s.driver.PollRound() || o.s.driver.FlushLog()
		}
	}
	if *split == nil || len(slow.s.mu.births) != 1 {
		t.Fatalf("split %v, births %v", *split, slow.s.mu.births)
	}
	if slow.s.replica(50) != nil || len(slow.s.mu.held[50]) == 0 {
		t.Fatal("the message was not held")
	}
	c.leader(50).wantGet(50, "tz", "1")
	c.until("the child catches up", func() bool {
		return slow.s.replica(50) != nil && slow.s.replica(50).AppliedIndex() == c.leader(50).s.replica(50).AppliedIndex()
	})
	if slow.s.Stats().SnapshotsGot != 0 {
		t.Error("the child came by a raft snapshot")
	}
}
