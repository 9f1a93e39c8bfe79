package store

import (
	"fmt"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// countMessages counts what the stores send about the user region, by type.
func (c *cluster) countMessages() map[raftpb.MessageType]int {
	sent := map[raftpb.MessageType]int{}
	c.cut = func(e *multiraft.Envelope) bool {
		if e.RegionID == user && e.Message != nil {
			sent[e.Message.GetType()]++
		}
		return false
	}
	return sent
}

// applied are the applied indexes of the user region by store.
func (c *cluster) applied() (list []uint64) {
	for _, id := range c.storeIDs() {
		list = append(list, c.stores[id].s.replica(user).AppliedIndex())
	}
	return list
}

// agree waits until all replicas of the user region have applied the same.
func (c *cluster) agree() {
	c.t.Helper()
	c.until("all have applied the same", func() bool {
		a := c.applied()
		return a[0] == a[1] && a[1] == a[2]
	})
}

// A write costs one append to each follower and one acknowledgement from it. The
// commit index travels with the next append or heartbeat, and then everybody has
// applied the last write too.
func TestWriteCostsFourMessages(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	const writes = 50
	sent := c.countMessages()
	for i := range writes {
		n.put(user, "ta", fmt.Sprint(i))
	}
	if a, r := sent[raftpb.MsgApp], sent[raftpb.MsgAppResp]; a != 2*writes || r != 2*writes || len(sent) != 2 {
		t.Errorf("%d writes sent %v", writes, sent)
	}
	c.agree()
	for _, o := range c.stores {
		if got := o.localGet("ta"); got != fmt.Sprint(writes-1) {
			t.Errorf("store %d has %q", o.id, got)
		}
	}
}

// What the followers must do soon they are told at once: they bear the child of a
// split without waiting for a heartbeat.
func TestSplitIsToldAtOnce(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	out := n.begin(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: splitCmd(50, 3, "tm")}
	}))
	c.settle()
	if *out == nil || (*out).GetRegionError() != nil {
		t.Fatalf("split: %v", *out)
	}
	for _, o := range c.stores {
		if o.s.replica(50) == nil {
			t.Errorf("store %d has no replica of the child", o.id)
		}
	}
}

// An append that was lost is found and repeated, although the leader sends no empty
// appends for the commit index: the follower's answer to the next heartbeat starts it.
func TestLostAppendIsRepeated(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	to := n.id%3 + 1
	lost := 0
	c.cut = func(e *multiraft.Envelope) bool {
		drop := e.RegionID == user && e.ToStore == to && e.Message.GetType() == raftpb.MsgApp && lost == 0
		if drop {
			lost++
		}
		return drop
	}
	n.put(user, "ta", "1")
	if lost != 1 {
		t.Fatalf("%d appends were lost", lost)
	}
	c.agree()
}

// With one follower away and a disk that is slower than the other's, the own disk
// decides: that it is done is not put off.
func TestOwnDiskIsLast(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "0")
	c.agree()
	away, there := n.id%3+1, c.stores[(n.id+1)%3+1]
	c.cut = func(e *multiraft.Envelope) bool { return e.ToStore == away || e.FromStore == away }
	for i := range 20 {
		out := n.begin(n.putReq(user, c.timestamp(), "tb", fmt.Sprint(i)))
		for n.s.driver.PollRound() { // proposes, and has nothing on the disk yet
		}
		for there.s.Poll() {
		}
		for n.s.driver.PollRound() { // takes the acknowledgement
		}
		c.settle() // no tick
		if *out == nil || (*out).GetRegionError() != nil {
			t.Fatalf("write %d without a tick: %v", i, *out)
		}
	}
}
