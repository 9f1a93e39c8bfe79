package store

import (
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// tiles are n regions that cover everything, each with a voter on three stores.
func tiles(n int) (out []*metapb.Region) {
	for i := range uint64(n) {
		var start, end []byte
		if start = []byte{2}; i > 0 {
			start = []byte{2, byte(i)}
		}
		if i+1 < uint64(n) {
			end = []byte{2, byte(i + 1)}
		}
		id := region.FirstUserID + i
		var peers []*metapb.Peer
		for s := range uint64(3) {
			peers = append(peers, &metapb.Peer{Id: 1000 + 10*i + s, NodeId: s + 1, StoreId: s + 1})
		}
		out = append(out, region.Initial(id, start, end, peers...))
	}
	return out
}

// all returns all stores.
func (c *cluster) all() (out []*node) {
	for _, id := range c.storeIDs() {
		out = append(out, c.stores[id])
	}
	return out
}

// leaders counts the regions that each store leads, and all of them.
func (c *cluster) leaders(regions []*metapb.Region) (byStore map[uint64]int, led int) {
	byStore = map[uint64]int{}
	for id, n := range c.stores {
		for _, r := range regions {
			if n.s != nil && n.s.replica(r.GetId()).Info().Ready {
				byStore[id]++
				led++
			}
		}
	}
	return byStore, led
}

// When all stores start together each region has one candidate, which leads as soon as
// the silence after a restart is over. Who waits for it is not even given ticks.
func TestAllStoresStartTogether(t *testing.T) {
	c := newCluster(t, 3)
	regions := tiles(60)
	c.bootstrap(regions...)
	c.until("all regions are led", func() bool { _, led := c.leaders(regions); return led == len(regions) })
	terms := map[uint64]uint64{}
	for _, r := range regions {
		terms[r.GetId()] = c.stores[1].s.replica(r.GetId()).Info().Term
	}
	for _, n := range c.stores {
		n.crash()
	}
	for _, id := range c.storeIDs() {
		c.stores[id].restart()
	}
	sent := map[raftpb.MessageType]int{}
	c.cut = func(e *multiraft.Envelope) bool {
		sent[e.Message.GetType()]++
		return false
	}
	c.pass(liveness.Support / 2)
	for id, n := range c.stores {
		if awake := n.s.awake(); len(awake) > 0 {
			t.Errorf("store %d: %d regions are awake though nobody may vote yet", id, len(awake))
		}
	}
	took := c.within(liveness.Support, "all regions are led again", func() bool { _, led := c.leaders(regions); return led == len(regions) })
	pre, votes, want := sent[raftpb.MsgPreVote], sent[raftpb.MsgVote], 2*len(regions)
	t.Logf("led again %v after the start, by %d and %d requests for votes", took+liveness.Support/2, pre, votes)
	if pre != want || votes != want {
		t.Errorf("%d and %d requests for votes, one candidate each needs %d and %d", pre, votes, want, want)
	}
	byStore, _ := c.leaders(regions)
	for id, n := range c.stores {
		if byStore[id] != len(regions)/3 {
			t.Errorf("store %d leads %d of %d regions", id, byStore[id], len(regions))
		}
		for _, r := range regions {
			if got := n.s.replica(r.GetId()).Info().Term; got != terms[r.GetId()]+1 {
				t.Errorf("region %d went from term %d to %d", r.GetId(), terms[r.GetId()], got)
			}
		}
	}
}

// A store that does not come back is not waited for.
func TestStartWithoutOneStore(t *testing.T) {
	c := newCluster(t, 3)
	regions := tiles(9)
	c.bootstrap(regions...)
	c.until("all regions are led", func() bool { _, led := c.leaders(regions); return led == len(regions) })
	for _, n := range c.stores {
		n.crash()
	}
	c.stores[1].restart()
	c.stores[3].restart()
	c.within(liveness.Support+300*time.Millisecond, "two stores lead all regions", func() bool {
		_, led := c.leaders(regions)
		return led == len(regions)
	})
}

// Who is first in rank but lacks a part of the log is overtaken at once by one that has
// it, not after the time that is left to the first.
func TestStartOfTheLongerLog(t *testing.T) {
	for late := uint64(1); late <= 3; late++ {
		c := newCluster(t, 3)
		c.bootstrap(userRegion(1, 2, 3))
		lead := c.leader(user)
		if lead.id == late {
			other := c.stores[late%3+1]
			lead.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: other.id}}})
			lead = c.leader(user)
		}
		c.isolate(late)
		lead.put(user, "ta", "1")
		for _, n := range c.stores {
			n.crash()
		}
		c.heal()
		for _, id := range c.storeIDs() {
			c.stores[id].restart()
		}
		c.within(liveness.Support+startStep/2, "somebody leads", func() bool { return elected(c.all()) != nil })
		if n := elected(c.all()); n.id == late {
			t.Fatalf("store %d leads without the last entry", late)
		} else {
			n.wantGet(user, "ta", "1")
		}
	}
}

// A replica that nobody looks after does not wait for ever: it asks whether it is still
// a member, and campaigns when it can.
func TestStartAlone(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	c.leader(user)
	for _, n := range c.stores {
		n.crash()
	}
	n := c.stores[1]
	n.restart()
	if n.wants(user) {
		t.Fatal("it wants ticks though it is nobody's turn")
	}
	c.within(startPatience+time.Second, "it is on its own", func() bool { return n.wants(user) })
	c.stores[2].restart()
	c.within(5*time.Second, "two are enough", func() bool { return elected(c.all()) != nil })
}
