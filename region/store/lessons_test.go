package store

import (
	"fmt"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// Schedules that broke other systems.

// passWithout lets time pass for all stores but one, which is stopped.
func (c *cluster) passWithout(stopped *node, d time.Duration) {
	const step = 10 * time.Millisecond
	for end := c.clock.now.Add(d); c.clock.now.Before(end); {
		c.clock.now = c.clock.now.Add(step)
		for busy := true; busy; {
			busy = false
			for _, id := range c.storeIDs() {
				if n := c.stores[id]; n != stopped && n.s.Poll() {
					busy = true
				}
			}
		}
		for _, id := range c.storeIDs() {
			if n := c.stores[id]; n != stopped {
				n.s.TickLiveness()
				if c.clock.now.UnixNano()%int64(multiraft.TickInterval) == 0 {
					n.s.Tick()
				}
			}
		}
	}
}

// A leader whose process was stopped for longer than its lease finds a read in its
// queue when it goes on, before anything else: it must not serve it.
func TestPausedLeaderServesNothingQueued(t *testing.T) {
	c, lead, others := resting(t)
	for i := 0; elected(others) == nil; i++ {
		if i > 50 {
			t.Fatal("nobody takes over from a leader that is stopped")
		}
		c.passWithout(lead, 100*time.Millisecond)
	}
	if !lead.s.replica(user).Info().IsLeader {
		t.Fatal("the stopped leader knows that it was replaced")
	}
	out := lead.begin(lead.getReq(user, "ta", c.timestamp()))
	if *out != nil && (*out).GetGet() != nil {
		t.Fatalf("a leader of former times answered %v", *out)
	}
	c.settle()
	if *out != nil && (*out).GetGet() != nil {
		t.Fatalf("a leader of former times answered %v", *out)
	}
}

// A read that asks the quorum anew, because an answer was lost, sees at least what
// was acknowledged when it began.
func TestReadIndexAskedAgain(t *testing.T) {
	c := newCluster(t, 3)
	c.noLeases = true
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.cut = func(e *multiraft.Envelope) bool { return e.Message.GetType() == raftpb.MsgHeartbeatResp }
	first := n.begin(n.getReq(user, "ta", c.timestamp()))
	c.settle()
	if *first != nil {
		t.Fatalf("answered without a quorum: %v", *first)
	}
	n.put(user, "ta", "2")
	second := n.begin(n.getReq(user, "ta", c.timestamp()))
	c.settle()
	c.heal()
	c.until("the reads are answered", func() bool { return *first != nil && *second != nil })
	if got := (*second).GetGet(); got != nil && string(got.GetValue()) != "2" {
		t.Fatalf("a read that began after the write returned %q", got.GetValue())
	}
}

// The leader loses one follower, then the other, while the first hears of that one
// again: a leader appears within one election, though all slept.
func TestPartitionMovesWhileARegionSleeps(t *testing.T) {
	c, lead, others := resting(t)
	between := func(e *multiraft.Envelope, a, b uint64) bool {
		return e.FromStore == a && e.ToStore == b || e.FromStore == b && e.ToStore == a
	}
	c.cut = func(e *multiraft.Envelope) bool { return between(e, lead.id, others[0].id) }
	lead.put(user, "ta", "2")
	c.pass(2 * time.Second)
	now := c.leader(user)
	now.put(user, "ta", "3")
	c.cut = func(e *multiraft.Envelope) bool {
		return between(e, now.id, others[0].id) || between(e, now.id, others[1].id) || between(e, now.id, lead.id)
	}
	var rest []*node
	for _, id := range c.storeIDs() {
		if n := c.stores[id]; n != now {
			rest = append(rest, n)
		}
	}
	c.within(3*time.Second, "the other two elect", func() bool { return elected(rest) != nil })
	elected(rest).wantGet(user, "ta", "3")
}

// A store that is down while a sleeping region splits gets both halves when it comes
// back, though nobody has anything to tell it but that.
func TestSplitWhileAStoreIsDown(t *testing.T) {
	c, _, others := resting(t)
	others[0].crash()
	c.pass(5 * time.Second)
	lead := c.leader(user)
	if resp := lead.admin(user, splitCmd(50, 3, "tg")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50)
	c.pass(5 * time.Second)
	others[0].restart()
	c.within(5*time.Second, "both halves are there and equal", func() bool {
		for _, id := range []uint64{user, 50} {
			r := others[0].s.replica(id)
			if r == nil || r.Shell() || r.AppliedIndex() != lead.s.replica(id).AppliedIndex() {
				return false
			}
		}
		return true
	})
}

// A replica that waits for its raft snapshot refuses requests at once.
func TestReplicaWithoutStateRefusesAtOnce(t *testing.T) {
	c := newCluster(t, 4)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.cut = func(e *multiraft.Envelope) bool { return e.Message.GetType() == raftpb.MsgSnap }
	resp := n.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{ChangePeers: &kvpb.ChangePeersRequest{
		Changes: []*kvpb.Change{{Type: kvpb.ChangeType_ADD_LEARNER, Peer: &metapb.Peer{Id: 99, NodeId: 4, StoreId: 4}}}}}})
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.until("the new store hears of the region", func() bool { return c.stores[4].s.replica(user) != nil })
	if !c.stores[4].s.replica(user).Shell() {
		t.Fatal("it has the region's state already")
	}
	out := c.stores[4].begin(n.getReq(user, "ta", c.timestamp()))
	if *out == nil || (*out).GetRegionError() == nil {
		t.Fatalf("answer of a replica without state: %v", *out)
	}
}

// All stores of many regions start at once: each region has a leader that serves
// within ten seconds.
func TestManyRegionsStartTogether(t *testing.T) {
	const regions = 400
	c := newCluster(t, 3)
	var list []*metapb.Region
	key := func(i int) []byte { return fmt.Appendf(nil, "t%05d", i) }
	for i := range regions {
		start, end := key(i), key(i+1)
		if i == 0 {
			start = []byte{2}
		}
		if i == regions-1 {
			end = nil
		}
		var peers []*metapb.Peer
		for s := uint64(1); s <= 3; s++ {
			peers = append(peers, &metapb.Peer{Id: 10000 + uint64(i)*3 + s, NodeId: s, StoreId: s})
		}
		list = append(list, region.Initial(region.FirstUserID+uint64(i), start, end, peers...))
	}
	c.bootstrap(list...)
	missing := func() int {
		led := make(map[uint64]bool)
		for _, n := range c.stores {
			for _, d := range list {
				if i := n.s.replica(d.GetId()).Info(); i.IsLeader && i.Ready {
					led[d.GetId()] = true
				}
			}
		}
		return regions - len(led)
	}
	c.within(10*time.Second, "all regions are led at first", func() bool { return missing() == 0 })
	for _, n := range c.stores {
		n.crash()
	}
	for _, id := range c.storeIDs() {
		c.stores[id].restart()
	}
	took := c.within(10*time.Second, "all regions are led again", func() bool { return missing() == 0 })
	t.Logf("%d regions led after %v", regions, took)
}
