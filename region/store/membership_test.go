package store

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

func change(t kvpb.ChangeType, peer, store uint64) *kvpb.Change {
	return &kvpb.Change{Type: t, Peer: &metapb.Peer{Id: peer, NodeId: store, StoreId: store}}
}

func (n *node) changePeers(id uint64, changes ...*kvpb.Change) *kvpb.Response {
	n.c.t.Helper()
	return n.admin(id, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
		ChangePeers: &kvpb.ChangePeersRequest{Changes: changes}}})
}

func (n *node) mustChange(id uint64, changes ...*kvpb.Change) *metapb.Region {
	n.c.t.Helper()
	resp := n.changePeers(id, changes...)
	if resp.GetRegionError() != nil {
		n.c.t.Fatalf("change of membership: %v", resp.GetRegionError())
	}
	return resp.GetAdmin().GetChangePeers().GetRegion()
}

// localGet reads a key from a store's engine, whoever leads.
func (n *node) localGet(key string) string {
	n.c.t.Helper()
	v, err := mvcc.Get(n.eng.State, keys.User(key), mvcc.ReadOptions{TS: n.c.timestamp()})
	if err != nil {
		n.c.t.Fatal(err)
	}
	return string(v.Value)
}

// grow makes the only replica of the user region three: two learners by raft
// snapshot, then both promoted in one joint change.
func (c *cluster) grow() *node {
	c.t.Helper()
	n := c.leader(user)
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 102, 2))
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 103, 3))
	c.until("the learners are filled", func() bool {
		for _, id := range []uint64{2, 3} {
			r := c.stores[id].s.replica(user)
			if r == nil || r.Shell() || r.AppliedIndex() < n.s.replica(user).AppliedIndex() {
				return false
			}
		}
		return true
	})
	n.mustChange(user, change(kvpb.ChangeType_PROMOTE, 102, 2), change(kvpb.ChangeType_PROMOTE, 103, 3))
	return n
}

// A group grows from one to three voters while it holds data, and the new ones
// carry it alone afterwards.
func TestGrowByLearnersAndSnapshots(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	for i := range 20 {
		n.put(user, "t"+string(rune('a'+i)), "v")
	}
	// A lock and a rollback mark travel too.
	start := c.timestamp()
	resp := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(start), Primary: []byte("tlock"), TtlMs: 1000,
			Mutations: []*kvpb.Mutation{{Key: []byte("tlock"), Value: []byte("x")}}}}
	}))
	if resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0 {
		t.Fatal(resp)
	}
	c.grow()
	desc := n.s.replica(user).Descriptor()
	for _, p := range desc.GetPeers() {
		if p.GetRole() != metapb.PeerRole_VOTER {
			t.Fatalf("peers are %v", desc.GetPeers())
		}
	}
	if region.IsJoint(desc) || desc.GetEpoch().GetConfVer() != 5 {
		t.Fatalf("descriptor %v", desc)
	}
	for _, id := range []uint64{2, 3} {
		if got := c.stores[id].localGet("tc"); got != "v" {
			t.Errorf("store %d has %q", id, got)
		}
		l, err := mvcc.GetLock(c.stores[id].eng.State, keys.User("tlock"))
		if err != nil || l == nil || l.StartTS != start {
			t.Errorf("store %d: lock %v, %v", id, l, err)
		}
	}
	n.crash()
	o := c.leader(user)
	o.wantGet(user, "tc", "v")
	o.put(user, "tc", "w")
	o.wantGet(user, "tc", "w")
}

// A removed peer destroys itself, leaves a tombstone, and does not come back:
// neither by a restart nor by a late message.
func TestRemovedReplicaDoesNotComeBack(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.grow()
	var late []*multiraft.Envelope
	c.cut = func(e *multiraft.Envelope) bool {
		if e.ToStore == 3 && e.Message.GetType() == raftpb.MsgApp {
			late = append(late, e)
		}
		return false
	}
	n.put(user, "ta", "2")
	n.mustChange(user, change(kvpb.ChangeType_REMOVE, 103, 3))
	c.until("the replica is gone", func() bool { return c.stores[3].s.replica(user) == nil })
	if got := c.stores[3].localGet("ta"); got != "" {
		t.Errorf("data of the removed replica is left: %q", got)
	}
	send := func() {
		for _, e := range late {
			cp := *e
			cp.Message = &raftpb.Message{Type: e.Message.Type, To: e.Message.To, From: e.Message.From, Term: e.Message.Term,
				Index: e.Message.Index, LogTerm: e.Message.LogTerm, Commit: e.Message.Commit}
			receiver{c.stores[3].s}.Receive(&cp)
		}
		c.settle()
	}
	send()
	if c.stores[3].s.replica(user) != nil {
		t.Fatal("a late message made a replica of a removed peer")
	}
	c.stores[3].crash()
	c.stores[3].restart()
	send()
	if c.stores[3].s.replica(user) != nil {
		t.Fatal("the replica came back after a restart")
	}
	// A newer peer may live there.
	n = c.leader(user)
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 203, 3))
	c.until("the new peer is filled", func() bool {
		r := c.stores[3].s.replica(user)
		return r != nil && !r.Shell() && r.PeerID() == 203
	})
	c.stores[3].crash()
	c.stores[3].restart()
	if r := c.stores[3].s.replica(user); r == nil || r.PeerID() != 203 {
		t.Fatal("the new peer was lost in a restart")
	}
	if got := c.stores[3].localGet("ta"); got != "2" {
		t.Errorf("the new peer has %q", got)
	}
}

// A peer that was away when it was removed hears it from the others.
func TestStaleReplicaIsTold(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.grow()
	c.isolate(3)
	c.tick()
	n = c.leader(user)
	n.mustChange(user, change(kvpb.ChangeType_REMOVE, 103, 3))
	for range 5 {
		c.tick()
	}
	if c.stores[3].s.replica(user) == nil {
		t.Fatal("the cut off replica is gone before it could know")
	}
	c.heal()
	c.until("the stale replica is gone", func() bool { return c.stores[3].s.replica(user) == nil })
}

// Even if all whom it knows have been replaced, on the same stores, by peers that it
// does not know.
func TestStaleReplicaKnowsNobodyLeft(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	c.leader(user).put(user, "ta", "1")
	c.isolate(3)
	c.until("one of the others leads", func() bool { return c.leader(user).id != 3 })
	c.changeAtLeader(user, change(kvpb.ChangeType_REMOVE, 13, 3))
	for _, store := range []uint64{1, 2} {
		c.changeAtLeader(user, change(kvpb.ChangeType_REMOVE, 10+store, store))
		c.until("the peer is gone", func() bool { return c.stores[store].s.replica(user) == nil })
		c.changeAtLeader(user, change(kvpb.ChangeType_ADD_LEARNER, 210+store, store))
		c.until("the learner is filled", func() bool {
			r := c.stores[store].s.replica(user)
			return r != nil && !r.Shell()
		})
		c.changeAtLeader(user, change(kvpb.ChangeType_PROMOTE, 210+store, store))
	}
	if c.stores[3].s.replica(user) == nil {
		t.Fatal("the cut off replica is gone before it could know")
	}
	c.heal()
	c.until("the stale replica is gone", func() bool { return c.stores[3].s.replica(user) == nil })
}

// So does a learner, which never campaigns and never forgets its leader.
func TestStaleLearnerIsTold(t *testing.T) {
	c := newCluster(t, 2)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 102, 2))
	c.until("the learner is filled", func() bool {
		r := c.stores[2].s.replica(user)
		return r != nil && !r.Shell() && r.Info().Leader != nil
	})
	c.isolate(2)
	n.mustChange(user, change(kvpb.ChangeType_REMOVE, 102, 2))
	for range 5 {
		c.tick()
	}
	if c.stores[2].s.replica(user) == nil {
		t.Fatal("the cut off learner is gone before it could know")
	}
	c.heal()
	c.until("the stale learner is gone", func() bool { return c.stores[2].s.replica(user) == nil })
}

// A crash between the synced tombstone and the removal of the state: the
// tombstone wins when the store is opened.
func TestTombstoneWinsAtOpen(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	if err := n.s.SyncState(); err != nil {
		t.Fatal(err)
	}
	if err := n.s.erase(user, 11, nil); err != nil { // the first half of a removal
		t.Fatal(err)
	}
	n.crash()
	n.restart()
	if n.s.replica(user) != nil {
		t.Fatal("a replica with a tombstone was loaded")
	}
	if got := n.localGet("ta"); got != "" {
		t.Errorf("its data is left: %q", got)
	}
}

// A change of membership that was applied is not applied again after a restart
// (rule C1), and the same request again is refused by its epoch.
func TestChangeAppliedTwiceHasNoEffect(t *testing.T) {
	c := newCluster(t, 2)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	req := n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
			ChangePeers: &kvpb.ChangePeersRequest{Changes: []*kvpb.Change{change(kvpb.ChangeType_ADD_LEARNER, 102, 2)}}}}}
	})
	if resp := n.call(req); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	if resp := n.call(req); resp.GetRegionError().GetEpochNotMatch() == nil {
		t.Fatalf("the same change again: %v", resp)
	}
	want := n.s.replica(user).Descriptor()
	for _, synced := range []bool{false, true} {
		if synced {
			if err := n.s.SyncState(); err != nil {
				t.Fatal(err)
			}
		}
		n.crash()
		n.restart()
		n = c.leader(user)
		n.put(user, "ta", "1")
		got := n.s.replica(user).Descriptor()
		if got.GetEpoch().GetConfVer() != want.GetEpoch().GetConfVer() || len(got.GetPeers()) != 2 {
			t.Fatalf("synced %v: descriptor after the restart is %v, want %v", synced, got, want)
		}
	}
}

// An atomic replacement goes through a joint configuration and is answered when
// it is left.
func TestReplaceInOneStep(t *testing.T) {
	c := newCluster(t, 4)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.grow()
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 104, 4))
	desc := n.mustChange(user, change(kvpb.ChangeType_PROMOTE, 104, 4), change(kvpb.ChangeType_REMOVE, 103, 3))
	if region.IsJoint(desc) || len(desc.GetPeers()) != 3 || region.PeerByID(desc, 103) != nil {
		t.Fatalf("after the replacement: %v", desc)
	}
	c.until("the old peer is gone", func() bool { return c.stores[3].s.replica(user) == nil })
	// Refusals that cost nothing.
	for _, ch := range []*kvpb.Change{
		change(kvpb.ChangeType_PROMOTE, 102, 2),
		change(kvpb.ChangeType_ADD_LEARNER, 105, 2), change(kvpb.ChangeType_REMOVE, 999, 9),
	} {
		if resp := n.changePeers(user, ch); resp.GetRegionError() == nil {
			t.Errorf("%v was accepted", ch)
		}
	}
}

var _ = replica.InitialIndex

// A learner that was never filled cannot become a voter. It is a shell, which never
// votes and which only a leader can fill: a leader that came to need its vote and
// then lost its office would leave a region without a leader for ever.
func TestUnfilledLearnerIsNotPromoted(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.isolate(3)
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 103, 3))
	resp := n.changePeers(user, change(kvpb.ChangeType_PROMOTE, 103, 3))
	if resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("promoted a peer that has nothing: %v", resp)
	}
	n.put(user, "tb", "2")
	c.heal()
	c.until("the learner is filled and promoted", func() bool {
		return n.changePeers(user, change(kvpb.ChangeType_PROMOTE, 103, 3)).GetRegionError() == nil
	})
	n.put(user, "tc", "3")
}

// changeAtLeader sends a change of membership to whoever leads, as placement does.
func (c *cluster) changeAtLeader(id uint64, changes ...*kvpb.Change) *metapb.Region {
	c.t.Helper()
	for range 10 {
		resp := c.leader(id).changePeers(id, changes...)
		if e := resp.GetRegionError(); e == nil {
			return resp.GetAdmin().GetChangePeers().GetRegion()
		} else if e.GetNotLeader() == nil && e.GetServerBusy() == nil {
			c.t.Fatalf("change of membership: %v", e)
		}
	}
	c.t.Fatal("change of membership: no leader took it")
	return nil
}

// The leader's own peer is removed, and replaced, by handing over first: the row
// locks in its memory are the next leader's, and what was written is there.
func TestLeaderIsRemoved(t *testing.T) {
	for _, replace := range []bool{false, true} {
		c := newCluster(t, 4)
		c.bootstrap(userRegion(1, 2, 3))
		n := c.leader(user)
		n.put(user, "ta", "1", "tl", "1")
		holder := c.timestamp()
		n.lock(user, holder, holder, "tl")
		changes := []*kvpb.Change{change(kvpb.ChangeType_REMOVE, 10+n.id, n.id)}
		if replace {
			c.changeAtLeader(user, change(kvpb.ChangeType_ADD_LEARNER, 104, 4))
			c.until("the learner is filled", func() bool {
				r := c.stores[4].s.replica(user)
				return r != nil && !r.Shell()
			})
			changes = append(changes, change(kvpb.ChangeType_PROMOTE, 104, 4))
		}
		if resp := n.changePeers(user, changes...); resp.GetRegionError().GetNotLeader() == nil {
			t.Fatalf("the leader answers %v", resp)
		}
		desc := c.changeAtLeader(user, changes...)
		want := 2
		if replace {
			want = 3
		}
		if region.PeerByID(desc, 10+n.id) != nil || len(desc.GetPeers()) != want || region.IsJoint(desc) {
			t.Fatalf("replace %v: %v", replace, desc)
		}
		o := c.leader(user)
		resp := o.call(o.putReq(user, c.timestamp(), "tl", "x"))
		if len(resp.GetPrewrite().GetErrors()) == 0 {
			t.Errorf("replace %v: the row lock of %v was lost: %v", replace, holder, resp)
		}
		c.until("its replica is gone", func() bool { return n.s.replica(user) == nil })
		o.wantGet(user, "ta", "1")
		o.put(user, "ta", "2")
	}
}

// The only voter cannot be removed, nor hand over to a learner.
func TestOnlyVoterIsNotRemoved(t *testing.T) {
	c := newCluster(t, 2)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.mustChange(user, change(kvpb.ChangeType_ADD_LEARNER, 102, 2))
	for _, ch := range [][]*kvpb.Change{
		{change(kvpb.ChangeType_REMOVE, 11, 1)},
		{change(kvpb.ChangeType_REMOVE, 11, 1), change(kvpb.ChangeType_PROMOTE, 102, 2)},
	} {
		resp := n.changePeers(user, ch...)
		if e := resp.GetRegionError(); e == nil || e.GetNotLeader() != nil || e.GetServerBusy() != nil {
			t.Errorf("%v: %v", ch, resp)
		}
	}
	n.put(user, "ta", "2")
}
