package store

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// A peer that stays away holds back no more of the log than its budget, and nothing
// is dropped that is not durably applied. It is filled by a raft snapshot later.
func TestDeadPeerHoldsBackItsBudget(t *testing.T) {
	const budget = 64 << 10
	c := newCluster(t, 3)
	c.raft.LogKeepBytes = budget
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	dead := c.stores[n.id%3+1]
	dead.crash()
	g, err := n.eng.Logs.Group(user)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		for k := range 10 {
			n.put(user, fmt.Sprintf("t%d", k), fmt.Sprint(i, strings.Repeat("x", 2<<10)))
		}
		durable := n.s.replica(user).AppliedIndex()
		if err := n.s.SyncState(); err != nil {
			t.Fatal(err)
		}
		c.settle()
		first, err := g.FirstIndex()
		if err != nil {
			t.Fatal(err)
		}
		if first > durable+1 {
			t.Fatalf("compacted to %d, durably applied is %d", first, durable)
		}
		if size := g.SizeBytes(); size > budget {
			t.Fatalf("%d bytes are kept, the budget is %d", size, budget)
		}
	}
	dead.restart()
	c.agree()
	if dead.s.Stats().SnapshotsGot == 0 {
		t.Error("caught up without a raft snapshot: the log was never compacted beyond what the peer had")
	}
	if got := dead.localGet("t1"); !strings.HasPrefix(got, "19") {
		t.Errorf("it has %.10q", got)
	}
}

// The logs of all regions of a store are bounded together: a peer that stays away holds
// back no more of many regions than of one, however little each keeps by itself. What the
// peers that are there need is kept: they get no raft snapshot.
func TestDeadPeerHoldsBackTheBudgetOfTheStore(t *testing.T) {
	const budget, regions = 64 << 10, 8
	c := newCluster(t, 3)
	c.logs = budget
	var list []*metapb.Region
	id := func(i int) region.ID { return user + region.ID(i) }
	key := func(i int, k string) string { return fmt.Sprintf("t%d%s", i, k) }
	for i := range regions {
		start, end := []byte(key(i, "")), []byte(key(i+1, ""))
		peers := userRegion(1, 2, 3).GetPeers()
		list = append(list, region.Initial(id(i), start, end, peers...))
	}
	c.bootstrap(list...)
	for i := range regions {
		c.leader(id(i)).put(id(i), key(i, "a"), "0")
	}
	dead := c.stores[1]
	dead.crash()
	sum := func(n *node) (size int64) {
		for _, l := range list {
			g, err := n.eng.Logs.Group(l.GetId())
			if err != nil {
				t.Fatal(err)
			}
			size += g.SizeBytes()
		}
		return size
	}
	grown := int64(0)
	for round := range 10 {
		for i := range regions {
			n := c.leader(id(i))
			n.put(id(i), key(i, "b"), fmt.Sprint(round, strings.Repeat("x", 4<<10)))
		}
		for range 2 { // those that only lag are asked for more with the second sync
			for _, n := range c.stores {
				if n.s == nil {
					continue
				}
				grown = max(grown, sum(n))
				if err := n.s.SyncState(); err != nil {
					t.Fatal(err)
				}
			}
			c.settle()
		}
		for id, n := range c.stores {
			if n.s == nil {
				continue
			}
			if size := sum(n); size > budget || size != n.eng.Logs.SizeBytes() {
				t.Fatalf("round %d: store %d keeps %d bytes, the budget is %d; it counts %d", round, id, size, budget, n.eng.Logs.SizeBytes())
			}
		}
	}
	if grown <= budget {
		t.Fatalf("at most %d bytes were kept: nothing had to be cut", grown)
	}
	for id, n := range c.stores {
		if n.s != nil && n.s.Stats().SnapshotsGot > 0 {
			t.Errorf("store %d, which was there, needed a raft snapshot", id)
		}
	}
	dead.restart()
	c.until("the store that was away has everything", func() bool {
		for i := range regions {
			if !strings.HasPrefix(dead.localGet(key(i, "b")), "9") {
				return false
			}
		}
		return true
	})
	if dead.s.Stats().SnapshotsGot == 0 {
		t.Error("caught up without a raft snapshot: no log was cut")
	}
}

// A leader without its followers takes proposals up to a bound and refuses the rest
// with ServerBusy: those have not run and never will.
func TestUncommittedProposalsAreBounded(t *testing.T) {
	c := newCluster(t, 3)
	c.raft.MaxUncommittedBytes = 32 << 10
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	c.cut = func(e *multiraft.Envelope) bool { return e.Message != nil && e.FromStore != n.id }
	var answers []**kvpb.Response
	value := strings.Repeat("x", 4<<10)
	for i := range 30 {
		answers = append(answers, n.begin(n.putReq(user, c.timestamp(), fmt.Sprintf("t%02d", i), value)))
		c.settle() // no tick: nobody loses the leadership
	}
	taken := 0
	for i, a := range answers {
		switch {
		case *a == nil:
			taken++
		case (*a).GetRegionError().GetServerBusy() == nil:
			t.Errorf("write %d: %v", i, *a)
		case i < 4:
			t.Errorf("write %d was refused: %v", i, *a)
		}
	}
	if taken == 0 || taken > 10 {
		t.Errorf("%d writes of 4 KB were taken, the bound is 32 KB", taken)
	}
	c.cut = nil
	c.until("what was taken is decided", func() bool {
		for _, a := range answers {
			if *a == nil {
				return false
			}
		}
		return true
	})
	c.agree()
	for i, a := range answers {
		e := (*a).GetRegionError()
		if got := c.leader(user).get(user, fmt.Sprintf("t%02d", i)); e == nil && got != value || e.GetServerBusy() != nil && got != "" {
			t.Errorf("write %d was answered %v and is %d bytes long", i, e, len(got))
		}
	}
}

// A follower that acknowledges nothing is sent no more than the window; the others go
// on, and it catches up when it is back.
func TestSlowFollowerGetsNoMoreThanTheWindow(t *testing.T) {
	const window = 64 << 10
	c := newCluster(t, 3)
	c.raft.MaxInflightBytes, c.raft.MaxAppendBytes = window, 16<<10
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	slow := n.id%3 + 1
	sent := 0
	c.cut = func(e *multiraft.Envelope) bool {
		if e.ToStore != slow || e.Message == nil || e.Message.GetType() != raftpb.MsgApp {
			return false
		}
		for _, entry := range e.Message.GetEntries() {
			sent += len(entry.GetData())
		}
		return true
	}
	value := strings.Repeat("x", 4<<10)
	for i := range 50 {
		out := n.begin(n.putReq(user, c.timestamp(), "tb", fmt.Sprint(i, value)))
		c.settle() // no tick
		if *out == nil || (*out).GetRegionError() != nil {
			t.Fatalf("write %d: %v", i, *out)
		}
	}
	if sent == 0 || sent > window+16<<10 {
		t.Errorf("%d bytes were sent to a follower that acknowledges nothing, the window is %d", sent, window)
	}
	c.cut = nil
	c.agree()
	if got := c.stores[slow].localGet("tb"); got != "49"+" "+value && got != fmt.Sprint(49, value) {
		t.Errorf("the slow follower has %.10q", got)
	}
}
