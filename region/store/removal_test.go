package store

import (
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// begins sends a change of membership without waiting for the answer.
func (n *node) begins(id uint64, changes ...*kvpb.Change) **kvpb.Response {
	return n.begin(n.request(id, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
			ChangePeers: &kvpb.ChangePeersRequest{Changes: changes}}}}
	}))
}

// confEntry is the index of the newest entry of a message that changes the membership,
// or of the newest one that ends a joint configuration; 0 if there is none.
func confEntry(e *multiraft.Envelope, end bool) (index uint64) {
	for _, entry := range e.Message.GetEntries() {
		cc := &raftpb.ConfChangeV2{}
		if entry.GetType() != raftpb.EntryConfChangeV2 || proto.Unmarshal(entry.GetData(), cc) != nil {
			continue
		}
		if !end || len(cc.GetChanges()) == 0 {
			index = entry.GetIndex()
		}
	}
	return index
}

// replacing has four stores, of which the fourth is to replace one of the first three.
func replacing(t *testing.T) (c *cluster, lead *node, victim, stays uint64) {
	c = newCluster(t, 4)
	c.bootstrap(userRegion(1, 2, 3))
	lead = c.leader(user)
	lead.put(user, "ta", "1")
	lead.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 104, 4))
	c.until("the learner is filled", func() bool {
		r := c.stores[4].s.replica(user)
		return r != nil && !r.Shell() && r.AppliedIndex() == lead.s.replica(user).AppliedIndex()
	})
	for _, id := range []uint64{1, 2, 3} {
		if id != lead.id {
			victim, stays = stays, id
		}
	}
	return c, lead, victim, stays
}

// A voter is replaced. The leader alone knows that this is committed, but for the
// replaced voter, and is lost with its disk: the others hold the old configuration to be
// the present one, of which there is a majority only with the replaced voter. So that
// one must be there still, also after a restart.
func TestReplacedVoterStaysUntilItIsKnown(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		c, lead, victim, stays := replacing(t)
		end := uint64(0)
		c.cut = func(e *multiraft.Envelope) bool {
			if e.Message == nil || e.FromStore != lead.id {
				return false
			}
			end = max(end, confEntry(e, true))
			return end != 0 && e.ToStore != victim && e.Message.GetCommit() >= end
		}
		answer := lead.begins(user, change(kvpb.ChangeType_PROMOTE, 104, 4), change(kvpb.ChangeType_REMOVE, 10+victim, victim))
		c.settle()
		if d := lead.s.replica(user).Descriptor(); region.PeerOn(d, victim) != nil || *answer != nil {
			t.Fatalf("the leader has %v and answers %v", d.GetPeers(), *answer)
		}
		if restarts {
			for _, id := range []uint64{victim, stays, 4} {
				c.stores[id].crash()
				c.stores[id].restart()
			}
			c.settle()
		}
		lead.crash() // for good
		c.cut = nil
		n := c.leader(user)
		n.wantGet(user, "ta", "1")
		n.put(user, "ta", "2")
		c.until("the replaced voter is gone", func() bool { return c.stores[victim].s.replica(user) == nil })
		n = c.leader(user)
		if d := n.s.replica(user).Descriptor(); region.IsJoint(d) || len(d.GetPeers()) != 3 {
			t.Errorf("peers at the end: %v", d.GetPeers())
		}
		n.put(user, "ta", "3")
	}
}

// The replaced voter is gone: the leader and the new voter know. The leader is lost with
// its disk. The third voter does not know, and has more of the log than the new one,
// which it does not vote for; by the old configuration it cannot win either. The new
// voter tells it what is committed.
func TestWhoKnowsTellsWhoHasTheLog(t *testing.T) {
	c, lead, victim, stays := replacing(t)
	end := uint64(0)
	c.catch = func(f *filterTransport, e *multiraft.Envelope) bool {
		if e.Message == nil || e.FromStore != lead.id {
			return false
		}
		end = max(end, confEntry(e, true))
		if end == 0 || e.ToStore != stays || e.Message.GetCommit() < end {
			return false
		}
		late := *e
		late.Message = proto.Clone(e.Message).(*raftpb.Message)
		late.Message.Commit = proto.Uint64(end - 1) // as it was before
		f.Transport.Send(&late)
		return true
	}
	lead.mustChange(user, change(kvpb.ChangeType_PROMOTE, 104, 4), change(kvpb.ChangeType_REMOVE, 10+victim, victim))
	c.until("the replaced voter is gone", func() bool { return c.stores[victim].s.replica(user) == nil })
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Message != nil && e.FromStore == lead.id && e.ToStore == 4
	}
	lead.put(user, "ta", "2")
	if d := c.stores[stays].s.replica(user).Descriptor(); !region.IsJoint(d) {
		t.Fatalf("store %d knows already: %v", stays, d.GetPeers())
	}
	lead.crash() // for good
	c.cut, c.catch = nil, nil
	n := c.leader(user)
	n.wantGet(user, "ta", "2")
	n.put(user, "ta", "3")
}

// A leader commits what its predecessor proposed, its own removal. A follower is bound
// to it, whose store lives, and must be let go: whether it has heard of the commit or not;
// if it has, though nobody tells it that the leader leads no more.
func TestLeaderThatRemovesItselfLetsGo(t *testing.T) {
	for _, k := range []struct{ heard, told bool }{{false, true}, {true, true}, {true, false}} {
		heard := k.heard
		c := newCluster(t, 3)
		// Another region, or the stores would have nothing more to do with each other.
		other := region.Initial(region.PlacementID, nil, []byte{2}, &metapb.Peer{Id: 21, NodeId: 1, StoreId: 1},
			&metapb.Peer{Id: 22, NodeId: 2, StoreId: 2}, &metapb.Peer{Id: 23, NodeId: 3, StoreId: 3})
		c.bootstrap(other, userRegion(1, 2, 3))
		first := c.leader(user)
		first.put(user, "ta", "1")
		second, third := uint64(0), uint64(0)
		for _, id := range []uint64{1, 2, 3} {
			if id != first.id {
				second, third = third, id
			}
		}
		// The entry reaches the second store alone, and its acknowledgement is lost.
		index := uint64(0)
		c.cut = func(e *multiraft.Envelope) bool {
			if e.Message != nil && e.FromStore == first.id {
				index = max(index, confEntry(e, false))
			}
			return e.FromStore == first.id && e.ToStore == third ||
				e.ToStore == first.id && e.Message != nil && e.Message.GetType() == raftpb.MsgAppResp
		}
		first.begins(user, change(kvpb.ChangeType_REMOVE, 10+second, second))
		c.settle()
		// The first store is cut off, the second one is elected and commits.
		led := false
		untold := func(e *multiraft.Envelope) bool {
			return !k.told && e.Message != nil && e.FromStore == second && e.Message.GetType() == raftpb.MsgForgetLeader
		}
		c.cut = func(e *multiraft.Envelope) bool {
			led = led || e.Message != nil && e.FromStore == second && e.Message.GetType() == raftpb.MsgApp
			return e.FromStore == first.id || e.ToStore == first.id || untold(e) ||
				!heard && e.Message != nil && e.FromStore == second && e.ToStore == third && e.Message.GetCommit() >= index
		}
		c.until("the second store has led and leads no more", func() bool {
			r := c.stores[second].s.replica(user)
			return led && (r == nil || !r.Info().IsLeader)
		})
		c.cut = func(e *multiraft.Envelope) bool {
			return untold(e) || !heard && e.Message != nil && e.FromStore == second && e.ToStore == third && e.Message.GetCommit() >= index
		}
		c.until("there is a leader that commits", func() bool {
			n := c.leader(user)
			return n.call(n.putReq(user, c.timestamp(), "ta", "2")).GetRegionError() == nil
		})
		c.cut = nil
		c.until("the removed replica is gone", func() bool { return c.stores[second].s.replica(user) == nil })
		c.leader(user).wantGet(user, "ta", "2")
	}
}

// The next change of membership begins when the one before is known to a majority, and
// the caller is told then.
func TestChangeIsAnsweredWhenItIsKnown(t *testing.T) {
	c, lead, victim, stays := replacing(t)
	c.cut = func(e *multiraft.Envelope) bool {
		// Answers to questions: what is durable is not told.
		return e.Message != nil && e.ToStore == lead.id && e.Message.GetType() == raftpb.MsgReadIndexResp
	}
	answer := lead.begins(user, change(kvpb.ChangeType_PROMOTE, 104, 4), change(kvpb.ChangeType_REMOVE, 10+victim, victim))
	for range 5 {
		c.tick()
	}
	if d := lead.s.replica(user).Descriptor(); region.PeerOn(d, victim) != nil || *answer != nil {
		t.Fatalf("the leader has %v and answers %v", d.GetPeers(), *answer)
	}
	next := lead.begins(user, change(kvpb.ChangeType_REMOVE, 10+stays, stays))
	for range 5 {
		c.tick()
	}
	if d := lead.s.replica(user).Descriptor(); region.PeerOn(d, stays) == nil || *next != nil {
		t.Fatalf("the next change: the leader has %v and answers %v", d.GetPeers(), *next)
	}
	c.cut = nil
	c.until("both are answered", func() bool { return *answer != nil && *next != nil })
	if e := (*answer).GetRegionError(); e != nil {
		t.Error(e)
	}
	if e := (*next).GetRegionError(); e != nil {
		t.Error(e)
	}
}

// A vote is not taken away when too few of those that stay are live.
func TestChangeThatLeavesNoQuorumIsRefused(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	others := slices.DeleteFunc([]uint64{1, 2, 3}, func(id uint64) bool { return id == n.id })
	down, up := others[0], others[1]
	c.stores[down].crash()
	for range 10 {
		c.tick()
	}
	n = c.leader(user)
	for _, ch := range []*kvpb.Change{change(kvpb.ChangeType_REMOVE, 10+up, up), change(kvpb.ChangeType_DEMOTE, 10+up, up)} {
		e := n.changePeers(user, ch).GetRegionError()
		if e == nil || e.GetKind() != nil {
			t.Fatalf("%v: %v", ch, e)
		}
	}
	n.mustChange(user, change(kvpb.ChangeType_REMOVE, 10+down, down))
	n.put(user, "ta", "2")
}
