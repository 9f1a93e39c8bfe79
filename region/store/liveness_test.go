package store

import (
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
)

// pass lets time pass in small steps, in which liveness is looked after, with
// replicas' ticks at their pace.
func (c *cluster) pass(d time.Duration) {
	const step = 10 * time.Millisecond
	for end := c.clock.now.Add(d); c.clock.now.Before(end); {
		c.clock.now = c.clock.now.Add(step)
		for _, id := range c.storeIDs() {
			if n := c.stores[id]; n.s != nil {
				n.s.TickLiveness()
				if c.clock.now.UnixNano()%int64(multiraft.TickInterval) == 0 {
					n.tick()
				}
			}
		}
		c.settle()
	}
}

// within passes time until cond holds and returns how long it took.
func (c *cluster) within(d time.Duration, what string, cond func() bool) time.Duration {
	c.t.Helper()
	for begun := c.clock.now; c.clock.now.Sub(begun) <= d; c.pass(10 * time.Millisecond) {
		if cond() {
			return c.clock.now.Sub(begun)
		}
	}
	c.t.Fatalf("not within %v: %s", d, what)
	return 0
}

// resting returns a cluster of three whose region is led, written to, and asleep,
// the leader, and the others.
func resting(t *testing.T) (c *cluster, lead *node, others []*node) {
	t.Helper()
	c = newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	lead = c.leader(user)
	lead.put(user, "ta", "1")
	c.within(3*time.Second, "the region falls asleep", func() bool { return c.asleep(user) })
	for _, id := range c.storeIDs() {
		if n := c.stores[id]; n != lead {
			others = append(others, n)
		}
	}
	return c, lead, others
}

// asleep reports whether no replica of the region wants a tick.
func (c *cluster) asleep(id uint64) bool {
	for _, n := range c.stores {
		if n.s == nil {
			continue
		}
		v, now, trusted := n.s.live.look()
		if !trusted {
			v = &liveness.View{}
		}
		if r := n.s.replica(id); r != nil && r.WantsTick(v, now) {
			return false
		}
	}
	return true
}

func (n *node) leads(id uint64) bool {
	r := n.s.replica(id)
	return r != nil && r.Info().IsLeader
}

// elected returns who leads besides the old one.
func elected(among []*node) *node {
	for _, n := range among {
		if n.s != nil && n.leads(user) {
			return n
		}
	}
	return nil
}

// A region at rest sends nothing; its leader reads under its lease for as long as
// it likes.
func TestA8IdleRegionCostsNothing(t *testing.T) {
	c, lead, _ := resting(t)
	sent := 0
	c.cut = func(e *multiraft.Envelope) bool {
		if e.Liveness == nil {
			sent++
		}
		return false
	}
	rounds := lead.s.Stats().Driver.Rounds
	c.pass(5 * time.Second)
	if sent > 0 || lead.s.Stats().Driver.Rounds > rounds {
		t.Fatalf("%d messages and %d rounds in five idle seconds", sent, lead.s.Stats().Driver.Rounds-rounds)
	}
	before := lead.s.Stats().LeaseReads
	lead.wantGet(user, "ta", "1")
	if lead.s.Stats().LeaseReads != before+1 || sent > 0 {
		t.Fatal("a read of an idle region is not under the lease")
	}
}

// Rule A8: a leader does not sleep before everybody knows that the last entry is
// committed: a message of that is never repeated.
func TestA8SleepsOnlyWhenCommitIsKnown(t *testing.T) {
	c, lead, others := resting(t)
	deaf := others[0]
	// What tells of the commit is lost on its way to one follower; entries pass.
	c.cut = func(e *multiraft.Envelope) bool {
		m := e.Message
		return e.ToStore == deaf.id && (m.GetType() == raftpb.MsgHeartbeat || m.GetType() == raftpb.MsgApp && len(m.GetEntries()) == 0)
	}
	lead.put(user, "ta", "2")
	c.pass(2 * time.Second)
	if deaf.s.replica(user).AppliedIndex() == lead.s.replica(user).AppliedIndex() {
		t.Fatal("the test does not keep the commit from the follower")
	}
	if c.asleep(user) {
		t.Fatal("the leader sleeps though a follower does not know the commit")
	}
	c.cut = nil
	c.within(2*time.Second, "the follower has applied it and all sleep", func() bool {
		return deaf.s.replica(user).AppliedIndex() == lead.s.replica(user).AppliedIndex() && c.asleep(user)
	})
}

// Rule A8: a follower whose store was away, and supports the leader's in a new
// epoch, finds the leader awake and gets what it lacks.
func TestA8EpochChangeWakesLeader(t *testing.T) {
	c, lead, others := resting(t)
	away := others[0]
	c.isolate(away.id)
	c.pass(time.Second)
	lead.put(user, "ta", "2")
	c.within(6*time.Second, "the leader sleeps though a follower is down", func() bool { return len(lead.s.awake()) == 0 })
	c.heal()
	c.within(time.Second, "the follower has caught up", func() bool {
		return away.s.replica(user).AppliedIndex() == lead.s.replica(user).AppliedIndex()
	})
	if !lead.leads(user) {
		t.Fatal("a follower that came back cost the leader its place")
	}
}

// Rule A8: a support that a live store gave anew, for a leader that sleeps under the
// acknowledgement of the other, wakes the leader: it collects a new acknowledgement, and
// the follower is bound again, though its own campaign was not heard of.
func TestA8NewSupportIsAcknowledged(t *testing.T) {
	c, lead, others := resting(t)
	f := others[0]
	votes := func(e *multiraft.Envelope) bool {
		return e.Message != nil && (e.Message.GetType() == raftpb.MsgPreVote || e.Message.GetType() == raftpb.MsgVote)
	}
	// The follower hears nothing of the leader's store; that one hears the follower.
	c.cut = func(e *multiraft.Envelope) bool { return votes(e) || e.FromStore == lead.id && e.ToStore == f.id }
	c.within(2*liveness.Support, "the support ends", func() bool { return f.s.Stats().Withdrawals > 0 })
	c.cut = votes
	c.within(liveness.Support, "the follower is bound again", func() bool {
		v, now, _ := f.s.live.look()
		return !f.s.replica(user).WantsTick(v, now)
	})
	c.within(2*time.Second, "all sleep", func() bool { return c.asleep(user) })
	if !lead.leads(user) {
		t.Fatal("it cost the leader its place")
	}
}

// Rules A7 and A9: when a leader's store dies its idle regions have a new leader
// after one support period and a round of votes, without a duel.
func TestA9Failover(t *testing.T) {
	c, lead, others := resting(t)
	term := lead.s.replica(user).Info().Term
	lead.crash()
	took := c.within(liveness.Support+100*time.Millisecond, "another leader", func() bool { return elected(others) != nil })
	n := elected(others)
	if got := n.s.replica(user).Info().Term; got != term+1 {
		t.Fatalf("it took %d terms", got-term)
	}
	t.Logf("led again after %v", took)
	n.wantGet(user, "ta", "1")
}

// A leader whose store hears nobody, but is heard, gives up within a support period
// instead of keeping its followers bound until their support for it has run out as well:
// they have another leader, under a lease, well before. Their stores know earlier that
// what is sent to it is lost.
func TestDeafLeaderGivesUp(t *testing.T) {
	c, lead, others := resting(t)
	begun := c.clock.now
	c.cut = func(e *multiraft.Envelope) bool { return e.ToStore == lead.id }
	c.within(liveness.Deaf+2*liveness.Heartbeat, "its store is suspected by both others", func() bool {
		return slices.Contains(others[0].suspects, lead.id) && slices.Contains(others[1].suspects, lead.id)
	})
	for _, n := range others {
		if n.s.Stats().Withdrawals > 0 {
			t.Error("a store was suspected only when its support had run out")
		}
	}
	c.within(liveness.Support+3*multiraft.TickInterval, "another leader", func() bool { return elected(others) != nil })
	took := c.clock.now.Sub(begun)
	if most := liveness.Support + 3*multiraft.TickInterval; took > most {
		t.Errorf("another leader after %v, not within %v", took, most)
	}
	for _, n := range others {
		if n.s.Stats().Withdrawals > 0 {
			t.Error("the leader was replaced only when the support for its store had run out")
		}
	}
	t.Logf("led again after %v", took)
	if lead.leads(user) {
		t.Error("the deaf store leads still")
	}
	n := elected(others)
	c.within(time.Second, "a lease", func() bool { _, held := n.s.Lease(user); return held })
	n.put(user, "ta", "2")
	// It hears again: nobody is disturbed.
	term := n.s.replica(user).Info().Term
	c.heal()
	c.within(3*time.Second, "it has caught up", func() bool { return lead.localGet("ta") == "2" })
	c.pass(2 * time.Second)
	if got := n.s.replica(user).Info().Term; got != term || !n.leads(user) {
		t.Errorf("the store that came back cost the leader its place: term %d, then %d", term, got)
	}
}

// Nobody is handed a leadership whose store does not hear of it: the region takes no
// writes during a transfer.
func TestNoTransferToTheDeaf(t *testing.T) {
	c, lead, others := resting(t)
	deaf := others[0]
	c.cut = func(e *multiraft.Envelope) bool { return e.ToStore == deaf.id }
	c.within(time.Second, "it is found to be deaf", func() bool { return slices.Contains(lead.suspects, deaf.id) })
	resp := lead.admin(user, transferCmd(deaf.id))
	if resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("a transfer to a store that hears nothing was answered %v", resp)
	}
	begun := c.clock.now
	lead.put(user, "ta", "3")
	if took := c.clock.now.Sub(begun); took > 0 {
		t.Errorf("a write waited for %v", took)
	}
}

// A transfer whose message is lost holds writes up for half a second, not for an election
// timeout, though it is asked for again all the time; the next one that arrives succeeds.
func TestLostTransferHoldsWritesUpBriefly(t *testing.T) {
	c, lead, others := resting(t)
	lost := 0
	c.cut = func(e *multiraft.Envelope) bool {
		if e.Message.GetType() == raftpb.MsgTimeoutNow {
			lost++
			return true
		}
		return false
	}
	order := func() **kvpb.Response {
		return lead.begin(lead.request(user, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: transferCmd(others[0].id)} }))
	}
	asked := order()
	c.settle()
	write := lead.begin(lead.putReq(user, c.timestamp(), "ta", "2"))
	c.within(600*time.Millisecond, "the write has happened", func() bool {
		if *asked == nil {
			order()
		}
		return *write != nil
	})
	if (*write).GetPrewrite().GetOnePcCommitTs() == 0 || (*asked).GetRegionError().GetServerBusy() == nil || lost != 1 {
		t.Fatalf("write: %v, transfer: %v, %d lost", *write, *asked, lost)
	}
	c.cut = nil
	order()
	c.within(time.Second, "the leadership is handed over", func() bool { return others[0].leads(user) })
}

// Rule A9: a vote request that comes while the leader's store is still supported is
// kept, and answered as soon as it is not: whoever of the two notices later, and ranks
// first or second, the other one leads at once.
func TestA9HeldVote(t *testing.T) {
	for i := range 2 {
		c, lead, others := resting(t)
		early, late := others[i], others[1-i]
		asked := false
		c.cut = func(e *multiraft.Envelope) bool {
			vote := e.Message != nil && (e.Message.GetType() == raftpb.MsgPreVote || e.Message.GetType() == raftpb.MsgVote)
			if vote && e.FromStore == early.id && late.s.Stats().Withdrawals == 0 {
				if asked && e.ToStore == late.id {
					return true // one request has to do
				}
				asked = asked || e.ToStore == late.id
			}
			// It hears of the leader's store for less long than the other.
			return vote && e.FromStore == late.id ||
				e.FromStore == lead.id && e.ToStore == early.id || e.ToStore == lead.id && e.FromStore == early.id
		}
		c.pass(liveness.Support / 3)
		lead.crash()
		c.within(2*liveness.Support, "the support has ended everywhere", func() bool { return late.s.Stats().Withdrawals > 0 })
		if !asked {
			t.Fatal("nobody asked for votes before: the test proves nothing")
		}
		c.within(heldFor, "the one that asked before leads", func() bool { return elected(others) != nil })
		if elected(others) != early {
			t.Error("the one whose request was held did not win")
		}
	}
}

// heldFor is less than a tick: nobody campaigns meanwhile.
const heldFor = multiraft.TickInterval / 2

// Rule A5: a leader whose process is started anew at once leads no more; its
// followers, who sleep and never missed a message, find another leader.
func TestA5LeaderRestartsInPlace(t *testing.T) {
	c, lead, others := resting(t)
	lead.crash()
	lead.restart()
	c.within(1500*time.Millisecond, "a leader", func() bool {
		return elected(others) != nil || lead.leads(user)
	})
}

// Rule A5: a leader that steps down while its store lives lets its followers go.
func TestA5LeaderReleases(t *testing.T) {
	c, lead, others := resting(t)
	// Only Raft's messages to the leader are lost: stores go on to support it.
	c.cut = func(e *multiraft.Envelope) bool { return e.Liveness == nil && e.ToStore == lead.id }
	out := lead.begin(lead.putReq(user, c.timestamp(), "ta", "2")) // wakes it
	c.within(3*time.Second, "the leader steps down", func() bool { return !lead.leads(user) })
	c.within(time.Second, "another leader", func() bool { return elected(others) != nil })
	if (*out).GetRegionError().GetAmbiguous() == nil {
		t.Fatalf("the answer of a leader that lost its place: %v", *out)
	}
}

// Rule A5: so does one that got its place by a transfer: it is not bound any more to the
// leader that gave it, whose store is supported all the time, not even if that one's last
// heartbeat came behind the word to take over.
func TestA5LeaderByTransferReleases(t *testing.T) {
	c, from, others := resting(t)
	lead := others[0]
	c.cut = func(e *multiraft.Envelope) bool {
		if e.Message.GetType() != raftpb.MsgTimeoutNow {
			return false
		}
		late := proto.CloneOf(e.Message)
		late.Type = raftpb.MsgHeartbeat.Enum()
		behind := *e
		behind.Message = late
		r := lead.s.replica(user)
		r.Receive(e)
		r.Receive(&behind)
		lead.s.driver.Enqueue(user, multiraft.Requests)
		return true
	}
	from.admin(user, transferCmd(lead.id))
	c.within(time.Second, "the transfer", func() bool { return lead.leads(user) })
	lead.put(user, "ta", "1")
	c.pass(3 * time.Second) // everybody rests again, bound to the new leader
	c.cut = func(e *multiraft.Envelope) bool {
		return e.Liveness == nil && (e.ToStore == lead.id || e.FromStore == lead.id)
	}
	lead.begin(lead.putReq(user, c.timestamp(), "ta", "2")) // wakes it
	c.within(3*time.Second, "the leader steps down", func() bool { return !lead.leads(user) })
	// Its first word that it leads no more was lost.
	c.heal()
	c.within(3*time.Second, "a leader", func() bool { return elected([]*node{from, lead, others[1]}) != nil })
}

// Rule A5: a follower lets go of a leader that asks for votes in a higher term, even
// if nothing else tells it that the leader's leadership is over.
func TestA5LeaderAsksForVotes(t *testing.T) {
	c, lead, others := resting(t)
	f := others[0]
	c.cut = func(e *multiraft.Envelope) bool { return e.Liveness == nil }
	term := lead.s.replica(user).Info().Term
	f.s.replica(user).Receive(&multiraft.Envelope{
		RegionID: user, FromStore: lead.id, ToStore: f.id, FromPeer: 10 + lead.id, ToPeer: 10 + f.id,
		Message: &raftpb.Message{
			Type: raftpb.MsgPreVote.Enum(), From: new(10 + lead.id), To: new(10 + f.id), Term: new(term + 1),
			LogTerm: new(term), Index: new(uint64(1000)),
		},
	})
	f.s.driver.Enqueue(user, multiraft.Requests)
	c.settle()
	if i := f.s.replica(user).Info(); i.Leader != nil {
		t.Fatalf("still believes in %v", i.Leader)
	}
	if len(f.s.awake()) == 0 {
		t.Fatal("still sleeps")
	}
}

// Rule A6: a leader that hears nothing, while all it says arrives but that it gives up,
// is replaced.
func TestA6DeafLeaderIsReplaced(t *testing.T) {
	c, lead, others := resting(t)
	c.cut = func(e *multiraft.Envelope) bool {
		m := e.Message
		return e.ToStore == lead.id || e.FromStore == lead.id && (m.GetType() == raftpb.MsgForgetLeader || m.GetType() == raftpb.MsgPreVote)
	}
	// One period until its echo is old, one until the support runs out.
	c.within(2*liveness.Support+500*time.Millisecond, "another leader", func() bool { return elected(others) != nil })
	for _, n := range others {
		if n.s.Stats().Withdrawals == 0 {
			t.Fatal("the leader was replaced, but not because it lost its support")
		}
	}
	if _, held := lead.s.Lease(user); held {
		t.Fatal("the deaf leader holds a lease")
	}
}

// Rule A1: a supporter that restarts forgets whom it is bound to: what it
// acknowledged before is worth nothing for the lease, although its store supports
// the leader's again.
func TestA1RestartedSupporterDoesNotCount(t *testing.T) {
	c, lead, others := resting(t)
	c.isolate(others[1].id)
	c.pass(700 * time.Millisecond) // the lease rests on others[0] alone
	if _, held := lead.s.Lease(user); !held {
		t.Fatal("no lease to begin with")
	}
	others[0].crash()
	others[0].restart()
	// Stores hear each other, but the restarted follower does not hear its leader.
	c.cut = func(e *multiraft.Envelope) bool {
		return e.FromStore == others[1].id || e.ToStore == others[1].id || e.Liveness == nil
	}
	c.within(time.Second, "the stores support each other", func() bool {
		v, _, _ := lead.s.live.look()
		return v.Peer(others[0].id).Grant.Epoch.Supporter == 2
	})
	c.pass(liveness.Support)
	if _, held := lead.s.Lease(user); held {
		t.Fatal("a lease rests on a follower that remembers nothing")
	}
	c.isolate(others[1].id)
	c.within(500*time.Millisecond, "a lease by new acknowledgements", func() bool {
		_, held := lead.s.Lease(user)
		return held
	})
}

// Rule A2: an acknowledgement of a former term does not count in a later one.
func TestA2AcknowledgementOfFormerTerm(t *testing.T) {
	c, lead, others := resting(t)
	f := others[0]
	i := lead.s.replica(user).Info()
	v, _, _ := f.s.live.look()
	e := v.Peer(lead.id).Supports
	// The leader is elected anew, and hears from nobody in the new term but in late
	// messages of the old one.
	resp := lead.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: f.id}}})
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(user)
	c.cut = func(m *multiraft.Envelope) bool {
		m.Epoch = liveness.Epoch{} // what is said in the new term does not count
		return false
	}
	resp = f.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: lead.id}}})
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	lead = c.leader(user)
	if got := lead.s.replica(user).Info().Term; got != i.Term+2 || !lead.leads(user) {
		t.Fatalf("term %d", got)
	}
	now := lead.s.replica(user).Info().Term
	for _, term := range []uint64{i.Term, now} {
		lead.s.replica(user).Receive(&multiraft.Envelope{
			RegionID: user, FromStore: f.id, ToStore: lead.id, FromPeer: 10 + f.id, ToPeer: 10 + lead.id, Epoch: e,
			Message: &raftpb.Message{
				Type: raftpb.MsgHeartbeatResp.Enum(), From: new(10 + f.id), To: new(10 + lead.id), Term: new(term),
			},
		})
		lead.s.driver.Enqueue(user, multiraft.Requests)
		c.settle()
		if _, held := lead.s.Lease(user); held != (term == now) {
			t.Fatalf("an acknowledgement of term %d in term %d: lease %v", term, now, held)
		}
	}
}

// Rule A4: when the wall clock runs away from the lease clock, as after the
// suspension of a machine, no read is served under what was promised before.
func TestA4SuspendedMachineHasNoLease(t *testing.T) {
	c, lead, _ := resting(t)
	l := lead.s.live
	// As if the clocks had agreed a second differently at the last look.
	was := l.view.Load()
	l.view.Store(&liveView{View: was.View, drift: was.drift - time.Second})
	l.mu.drift -= time.Second
	if _, held := lead.s.Lease(user); held {
		t.Fatal("a lease right after the suspension")
	}
	lead.s.TickLiveness()
	if _, held := lead.s.Lease(user); held {
		t.Fatal("a lease after the clocks were compared, without a new promise")
	}
	c.within(time.Second, "a lease by new promises", func() bool { _, held := lead.s.Lease(user); return held })
}

// Rule A10: a store whose disk hangs loses the support of the others.
func TestA10HungDiskLosesLeadership(t *testing.T) {
	c, lead, others := resting(t)
	// Nothing that the leader's log writer has queued is written any more.
	hung := func() {
		c.clock.now = c.clock.now.Add(10 * time.Millisecond)
		for _, id := range c.storeIDs() {
			n := c.stores[id]
			n.s.TickLiveness()
			if c.clock.now.UnixNano()%int64(multiraft.TickInterval) == 0 {
				n.tick()
			}
		}
		for range 20 {
			for _, n := range others {
				n.s.Poll()
			}
			lead.s.driver.PollRound()
		}
	}
	for range 200 {
		if hung(); elected(others) != nil {
			return
		}
	}
	t.Fatal("a leader whose disk hangs keeps its leadership")
}

// When the disks of all stores hang at once, as on one machine, nobody can be elected:
// the leader stays, and commits as soon as the disks are back.
func TestStallOfAllDisksCostsNoLeader(t *testing.T) {
	c, lead, others := resting(t)
	term := lead.s.replica(user).Info().Term
	out := lead.begin(lead.putReq(user, c.timestamp(), "ta", "2"))
	for range 200 {
		c.clock.now = c.clock.now.Add(10 * time.Millisecond)
		for _, id := range c.storeIDs() {
			n := c.stores[id]
			n.s.TickLiveness()
			if c.clock.now.UnixNano()%int64(multiraft.TickInterval) == 0 {
				n.tick()
			}
		}
		for range 20 {
			for _, id := range c.storeIDs() {
				c.stores[id].s.driver.PollRound() // without the log writer
			}
		}
	}
	if *out != nil {
		t.Fatalf("answered while all disks hang: %v", *out)
	}
	c.settle()
	if *out == nil || (*out).GetPrewrite().GetOnePcCommitTs() == 0 {
		t.Errorf("the write is answered %v", *out)
	}
	c.pass(time.Second)
	if i := lead.s.replica(user).Info(); !i.IsLeader || i.Term != term {
		t.Errorf("the leader lost its place: %+v", i)
	}
	for _, n := range append(others, lead) {
		if w := n.s.Stats().Withdrawals; w > 0 {
			t.Errorf("store %d withdrew %d supports", n.id, w)
		}
	}
}

// Rule A11: see TestRestartedVoterDoesNotVoteEarly. A restarted store does not
// campaign either.
func TestA11RestartedStoreIsSilent(t *testing.T) {
	c, lead, others := resting(t)
	for _, n := range others {
		n.crash()
	}
	lead.crash()
	others[0].restart()
	others[1].restart()
	begun := c.clock.now
	c.within(4*time.Second, "a leader", func() bool { return elected(others) != nil })
	if d := c.clock.now.Sub(begun); d < liveness.Support {
		t.Fatalf("stores that had just started elected a leader after %v", d)
	}
}

// A leader keeps its place, and its followers sleep, while messages of Raft and of
// stores come late, twice or not at all now and then.
func TestHealthyLeaderStays(t *testing.T) {
	c, lead, _ := resting(t)
	term := lead.s.replica(user).Info().Term
	n := 0
	c.cut = func(*multiraft.Envelope) bool { n++; return n%4 == 0 }
	for range 20 {
		lead.begin(lead.putReq(user, c.timestamp(), "ta", "x"))
		c.pass(500 * time.Millisecond)
	}
	if i := lead.s.replica(user).Info(); !i.IsLeader || i.Term != term {
		t.Fatalf("the leader lost its place: %+v", i)
	}
	if region.IsJoint(lead.s.replica(user).Descriptor()) {
		t.Fatal("joint")
	}
}

// transferCmd is the order to hand a leadership over.
func transferCmd(store uint64) *kvpb.AdminRequest {
	return &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: store}}}
}
