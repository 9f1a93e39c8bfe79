package store

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
)

// isolate loses everything from and to a store.
func (c *cluster) isolate(id uint64) {
	c.cut = func(e *multiraft.Envelope) bool { return e.FromStore == id || e.ToStore == id }
}

func (c *cluster) heal() { c.cut = nil }

// A read under a valid lease is answered without a message; when the lease has
// ended without a quorum, it is not answered.
func TestLeaseRead(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1") // takes the lease
	c.isolate(n.id)
	before := n.s.Stats().LeaseReads
	out := n.begin(n.getReq(user, "ta", c.timestamp()))
	if *out == nil || (*out).GetGet() == nil {
		t.Fatalf("a read under a lease waits: %v", *out)
	}
	if n.s.Stats().LeaseReads != before+1 {
		t.Error("the read was not under a lease")
	}
	for range 6 { // the lease lasts 540 ms, and who hears nobody for longer gives up
		c.tick()
	}
	out = n.begin(n.getReq(user, "ta", c.timestamp()))
	c.settle()
	if *out != nil {
		t.Fatalf("a leader without lease and quorum answers: %v", *out)
	}
	c.until("the leader steps down", func() bool { return *out != nil })
	if (*out).GetRegionError().GetNotLeader() == nil {
		t.Fatalf("answer after the leadership was lost: %v", *out)
	}
}

// No other leader is elected as long as the old one may serve under its lease:
// the moment at which the others elect lies behind the end of the lease.
func TestNoElectionWithinLease(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1")
	c.isolate(n.id)
	for range 100 {
		c.tick()
		served := n.begin(n.getReq(user, "ta", c.timestamp()))
		c.settle()
		for _, o := range c.stores {
			if o == n || !o.s.replica(user).Info().IsLeader {
				continue
			}
			if *served != nil && (*served).GetGet() != nil {
				t.Fatal("two stores may serve")
			}
			return
		}
	}
	t.Fatal("nobody was elected")
}

// Rule A3: a leader that holds a lease has nothing to do with votes, not even with one
// that a transfer asks for and that the library would let through: whatever transfer
// that was, the leader of this term did not begin it.
func TestA3LeaderDropsVotesUnderItsLease(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1")
	term := n.s.replica(user).Info().Term
	from := region.PeerOn(n.s.replica(user).Descriptor(), n.id%3+1)
	to := region.PeerOn(n.s.replica(user).Descriptor(), n.id)
	if _, held := n.s.Lease(user); !held {
		t.Fatal("no lease")
	}
	c.stores[from.GetStoreId()].tr.Transport.Send(&multiraft.Envelope{
		RegionID: user, FromStore: from.GetStoreId(), ToStore: n.id, FromPeer: from.GetId(), ToPeer: to.GetId(),
		Message: &raftpb.Message{
			Type: raftpb.MsgVote.Enum(), From: proto.Uint64(from.GetId()), To: proto.Uint64(to.GetId()), Term: proto.Uint64(term + 1),
			LogTerm: proto.Uint64(term), Index: proto.Uint64(1 << 40), Context: []byte("CampaignTransfer"),
		},
	})
	c.settle()
	if i := n.s.replica(user).Info(); !i.IsLeader || i.Term != term {
		t.Fatalf("the leader of term %d took part in an election of term %d", term, i.Term)
	}
}

// Rule A3: after a transfer began the lease is gone for the rest of the term, even
// if the target never gets to know.
func TestLeaseNotServedAfterTransfer(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1")
	// The TimeoutNow is delayed.
	var delayed []*multiraft.Envelope
	c.cut = func(e *multiraft.Envelope) bool {
		if e.Message.GetType() == raftpb.MsgTimeoutNow {
			delayed = append(delayed, e)
			return true
		}
		return false
	}
	to := n.id%3 + 1
	out := n.begin(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
			TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}}}
	}))
	c.until("the transfer is given up", func() bool { return *out != nil })
	if (*out).GetRegionError().GetServerBusy() == nil {
		t.Fatalf("answer to a transfer that failed: %v", *out)
	}
	if len(delayed) == 0 {
		t.Fatal("no TimeoutNow was sent")
	}
	n.wantGet(user, "ta", "1") // by asking the quorum
	if n.s.replica(user).Info().Term != delayed[0].Message.GetTerm() {
		t.Fatal("the term has changed")
	}
	leases := n.s.Stats().LeaseReads
	n.wantGet(user, "ta", "1")
	if got := n.s.Stats().LeaseReads; got != leases {
		t.Fatal("a read was served under a lease after a transfer")
	}
	// Now it arrives, and the old leader is cut off before it hears of it.
	c.isolate(n.id)
	c.stores[to].tr.Transport.Send(&multiraft.Envelope{
		RegionID: user, FromStore: n.id, ToStore: to, FromPeer: delayed[0].FromPeer, ToPeer: delayed[0].ToPeer,
		Message: delayed[0].Message,
	})
	c.settle()
	if !c.stores[to].s.replica(user).Info().IsLeader {
		t.Fatal("the target was not elected")
	}
	out = n.begin(n.getReq(user, "ta", c.timestamp()))
	c.settle()
	if *out != nil && (*out).GetGet() != nil {
		t.Fatal("the old leader served a read beside the new one")
	}
}

// A transfer moves the leadership at once.
func TestTransfer(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	to := n.id%3 + 1
	resp := n.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
		TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}})
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	if o := c.leader(user); o.id != to {
		t.Fatalf("store %d leads, want %d", o.id, to)
	}
	c.stores[to].wantGet(user, "ta", "1")
	c.stores[to].put(user, "ta", "2")
}

// Rule A11: a voter that restarts does not help to elect another leader while the
// old one holds a lease that rests on its promise.
func TestRestartedVoterDoesNotVoteEarly(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	var helper, rival *node
	for _, id := range c.storeIDs() {
		if o := c.stores[id]; o != n && helper == nil {
			helper = o
		} else if o != n {
			rival = o
		}
	}
	n.put(user, "ta", "1")
	// The rival hears nothing for long, so that it is free to campaign.
	c.isolate(rival.id)
	for range 15 {
		c.tick()
	}
	n.wantGet(user, "ta", "1") // the lease rests on the helper now
	helper.crash()
	helper.restart()
	c.isolate(n.id)
	for range 30 {
		rival.s.replica(user).Campaign()
		c.settle()
		served := n.begin(n.getReq(user, "ta", c.timestamp()))
		c.settle()
		if *served == nil || (*served).GetGet() == nil {
			return // the lease has ended, and nobody was elected before
		}
		if rival.s.replica(user).Info().IsLeader || helper.s.replica(user).Info().IsLeader {
			t.Fatal("another leader was elected while the lease ran")
		}
		c.tick()
	}
	t.Fatal("the lease never ended")
}

// A follower that learns of a higher term forgets its leader, but not what it
// promised to it.
func TestPromiseOutlivesTheTerm(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	var follower, rival *node
	for _, id := range c.storeIDs() {
		if o := c.stores[id]; o != n && follower == nil {
			follower = o
		} else if o != n {
			rival = o
		}
	}
	c.isolate(rival.id)
	for range 15 {
		c.tick()
	}
	n.wantGet(user, "ta", "1")
	c.isolate(n.id)
	term := n.s.replica(user).Info().Term
	// A late rejection of a PreVote raises the follower's term and leaves it
	// without a leader.
	follower.s.replica(user).Receive(&multiraft.Envelope{
		RegionID: user, FromStore: rival.id, ToStore: follower.id, FromPeer: 10 + rival.id, ToPeer: 10 + follower.id,
		Message: &raftpb.Message{
			Type: raftpb.MsgPreVoteResp.Enum(), From: new(10 + rival.id), To: new(10 + follower.id),
			Term: new(term + 1), Reject: new(true),
		},
	})
	follower.s.driver.Enqueue(user, multiraft.Requests)
	c.settle()
	if i := follower.s.replica(user).Info(); i.Term != term+1 || i.Leader != nil {
		t.Fatalf("the follower is at %+v", i)
	}
	for {
		served := n.begin(n.getReq(user, "ta", c.timestamp()))
		c.settle()
		if *served == nil || (*served).GetGet() == nil {
			return
		}
		if rival.s.replica(user).Info().IsLeader || follower.s.replica(user).Info().IsLeader {
			t.Fatal("another leader was elected while the lease ran")
		}
		c.tick()
	}
}

// A store that led until it was stopped goes on with an order to hand over. Meanwhile
// another one leads: it must not carry the order out, which the library forwards, for
// it would not give its lease up before (rule A3).
func TestForwardedTransferIsIgnored(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1")
	handed := false
	c.cut = func(e *multiraft.Envelope) bool {
		handed = handed || e.Message != nil && e.Message.GetType() == raftpb.MsgTimeoutNow
		return false
	}
	from, target := n.id%3+1, (n.id+1)%3+1
	d := n.s.replica(user).Descriptor()
	receiver{n.s}.Receive(&multiraft.Envelope{
		RegionID: user, FromStore: from, ToStore: n.id, FromPeer: 10 + from, ToPeer: 10 + n.id,
		ConfVer: d.GetEpoch().GetConfVer(), Version: d.GetEpoch().GetVersion(),
		Message: &raftpb.Message{Type: raftpb.MsgTransferLeader.Enum(), From: proto.Uint64(10 + target), To: proto.Uint64(10 + n.id),
			Term: proto.Uint64(n.s.replica(user).Info().Term)},
	})
	c.settle()
	if handed || !n.leads(user) {
		t.Fatalf("the leader hands over: %v, it leads: %v", handed, n.leads(user))
	}
}
