package replica

import (
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/region"
)

// WantsTick reports whether the replica has anything to do with a tick. A follower
// that is bound has not, nor has a leader that sleeps. v is an empty view if
// nothing that was promised may be trusted. The answer follows from the replica's
// state, which changes within Process or before a call of Host.Changed, and from what
// v says at instant now of supports, grants and who is alive: the store relies on that
// and does not ask again before one of these has changed.
func (r *Replica) WantsTick(v *liveness.View, now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.mu.lead
	if l == nil {
		return r.mu.leaving || !r.mu.awaitsStart && !r.boundLocked(v)
	}
	if l.asleep && !(r.leaseValidLocked(l, v, now, true) && r.peersThereLocked(l, v, now)) {
		l.asleep, l.refresh = false, true
	}
	return !l.asleep
}

// lazyTicks is how many ticks of a leader that only waits for heartbeats to be due are
// dealt with at a time. Not more than HeartbeatTicks: between a heartbeat and the check
// for a quorum that is due 5 ticks later its answers must find the time to come.
const lazyTicks = multiraft.HeartbeatTicks

// TickDue is asked with each tick that the replica wants: it reports whether to process
// it now. If not the tick counts with the next look at the replica. v and now are as
// with WantsTick.
func (r *Replica) TickDue(v *liveness.View, now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, desc := r.mu.lead, r.mu.desc
	if l == nil || !l.ready || l.refresh || len(l.asking)+len(l.asked) > 0 || l.transferTo != 0 || l.merge != nil || len(l.waitKnown) > 0 ||
		desc.GetMerging() != nil || region.IsJoint(desc) || !r.leaseValidLocked(l, v, now, true) || r.mu.owed+1 >= lazyTicks {
		return true
	}
	r.mu.owed++
	return false
}

// peersThereLocked reports whether of each peer the leader knows what it has to
// expect: its store lives, or it is down and its store is gone.
// Requires: r.mu held, l == r.mu.lead.
func (r *Replica) peersThereLocked(l *leadership, v *liveness.View, now time.Duration) bool {
	for _, p := range r.mu.desc.GetPeers() {
		if p.GetStoreId() != r.cfg.StoreID && slices.Contains(l.down, p.GetId()) == v.Peer(p.GetStoreId()).Alive(now) {
			return false
		}
	}
	return true
}

// Wake lets a leader tick again and ask its followers to acknowledge: the support
// for its store has changed (rule A8).
func (r *Replica) Wake() {
	r.mu.Lock()
	l := r.mu.lead
	if l != nil {
		l.asleep, l.refresh = false, true
	}
	r.mu.Unlock()
	if l != nil {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
	}
}

// maybeSleep lets a leader rest until something happens: it holds a lease, nothing
// is under way, and every peer, but for those that are down, has told in the
// present epoch that it has the whole log and knows it to be committed (rule A8).
// Process only, after a tick.
func (r *Replica) maybeSleep() {
	v, now, trusted := r.cfg.Host.Liveness()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.mu.lead
	if l == nil {
		return
	}
	// The library checks for a quorum every election timeout, counted in ticks of the
	// leadership, by who was heard of since the last time. Awake again, enough of it must
	// be left to hear of somebody.
	if l.ticks++; l.ticks%r.electionTicks >= r.electionTicks/2 {
		return
	}
	if !l.ready || len(l.queue)+len(l.inflight)+len(l.asking)+len(l.asked) > 0 || l.refresh || l.transferTo != 0 ||
		len(r.sent) > 0 || l.knowing != nil || r.apl.desc.GetMerging() != nil || region.IsJoint(r.apl.desc) || !r.leaseValidLocked(l, v, now, trusted) || !r.peersThereLocked(l, v, now) {
		return
	}
	if r.everyoneKnows(l, v) {
		l.asleep = true
		l.recent.fold()
	}
}

// everyoneKnows reports whether all peers that are not down hold the whole log,
// know it to be committed, and are bound.
func (r *Replica) everyoneKnows(l *leadership, v *liveness.View) bool {
	last, err := r.group.LastIndex()
	if err != nil || last != r.apl.index || r.mu.applied.index != last {
		return false
	}
	all := true
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		if id == r.cfg.PeerID || slices.Contains(l.down, id) {
			return
		}
		peer := region.PeerByID(r.apl.desc, id)
		all = all && peer != nil && p.State == tracker.StateReplicate && p.Match == last &&
			l.commits[id] >= last && l.acks.Current(v, peer.GetStoreId())
	})
	return all
}

// heldVote is a vote request that was refused because of the support for the
// leader's store.
type heldVote struct {
	env *multiraft.Envelope
	at  time.Time
}

// heldVoteMax is how long a vote request is kept: longer than two stores' looks at
// a third one differ.
const heldVoteMax = time.Second

// LetGo tells the replica that a store is not supported any more. If that one led
// the region, the replica forgets its leader and campaigns when it is its turn, later
// ticks later. It reports whether the replica is concerned (rules A7 and A9).
func (r *Replica) LetGo(store uint64, later int) bool {
	r.mu.Lock()
	concerned := r.mu.lead == nil && !r.mu.destroyed &&
		(r.mu.bound.Store == store || region.PeerByID(r.mu.desc, r.mu.leader).GetStoreId() == store)
	r.mu.Unlock()
	return concerned && r.enqueueOp(func(*raft.RawNode) { r.letGo(store, later) })
}

// letGo forgets a leader on that store, unless the replica has heard of it again.
// Process only.
func (r *Replica) letGo(store uint64, later int) {
	v, _, _ := r.cfg.Host.Liveness()
	r.mu.Lock()
	bound := r.boundLocked(v)
	if !bound && r.mu.bound.Store == store {
		r.mu.bound = liveness.Bound{}
	}
	voter := region.HasVoter(r.mu.desc, r.cfg.PeerID)
	r.mu.Unlock()
	if bound || r.soft.state == raft.StateLeader {
		return
	}
	if lead := r.soft.leader; lead != 0 && r.storeOf(lead) == store {
		_ = r.rn.ForgetLeader()
		r.lookAround()
	}
	r.shunned, r.shunnedUntil = store, r.cfg.Clock.Now().Add(shunTime)
	r.stepHeld()
	r.lookAround()
	if !voter || r.soft.leader != 0 || r.soft.state != raft.StateFollower {
		return
	}
	if rank := r.rank(store); rank > 0 || later > 0 {
		// The next tick may come at once.
		r.campaignIn = rank + later + 1
		return
	}
	r.campaignFree()
}

// shunTime is how long a leader is not listened to after its store lost its support
// here: a few rounds of votes. A store whose disk hangs, or that hears nothing, goes
// on talking, and each heartbeat would end a campaign that has just begun.
const shunTime = 500 * time.Millisecond

// shuns reports whether a message comes from such a leader.
func (r *Replica) shuns(env *multiraft.Envelope, v *liveness.View) bool {
	if env.FromStore != r.shunned || env.Message.GetTerm() > r.soft.term {
		return false
	}
	switch env.Message.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat:
		return v.Peer(env.FromStore).Supports.IsZero() && r.cfg.Clock.Now().Before(r.shunnedUntil)
	}
	return false
}

func (r *Replica) storeOf(peer uint64) uint64 {
	if p := region.PeerByID(r.apl.desc, peer); p != nil {
		return p.GetStoreId()
	}
	return r.peerOf[peer]
}

// rank is this peer's place in the order of candidates after a leader on that store
// is gone. It differs from region to region, so that the new leaders spread.
func (r *Replica) rank(gone uint64) int {
	var voters []uint64
	for _, p := range r.apl.desc.GetPeers() {
		if region.IsVoter(p.GetRole()) && p.GetStoreId() != gone {
			voters = append(voters, p.GetId())
		}
	}
	slices.Sort(voters)
	i := slices.Index(voters, r.cfg.PeerID)
	if i < 0 {
		return len(voters)
	}
	n := len(voters)
	return (i + n - int(r.cfg.RegionID%uint64(n))) % n
}

// campaignFree campaigns unless a promise or a fresh start forbids it.
func (r *Replica) campaignFree() {
	v, _, _ := r.cfg.Host.Liveness()
	r.mu.Lock()
	may := !r.boundLocked(v) && r.mu.desc != nil && !r.cfg.Clock.Now().Before(r.mu.silentUntil)
	r.mu.Unlock()
	if may {
		r.campaign(r.rn)
	}
}

// stepHeld steps the vote requests that were held back.
func (r *Replica) stepHeld() {
	now := r.cfg.Clock.Now()
	for _, peer := range sortedKeys(r.held) {
		if h := r.held[peer]; now.Sub(h.at) < heldVoteMax {
			delete(r.held, peer)
			r.stepPeer(h.env)
		}
	}
	clear(r.held)
}

// tickFree is a tick of a replica that neither leads nor is bound. may says that it
// may campaign.
func (r *Replica) tickFree(may bool) {
	if r.released != 0 {
		// Rule A5: again and again, until a leader is known.
		for _, p := range r.apl.desc.GetPeers() {
			if p.GetId() == r.cfg.PeerID {
				continue
			}
			m := &raftpb.Message{
				Type: raftpb.MsgForgetLeader.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(p.GetId()),
				Term: proto.Uint64(r.released),
			}
			if env := r.envelope(m); env != nil {
				r.cfg.Host.SendMessage(env)
			}
		}
	}
	if r.campaignIn > 0 {
		if r.campaignIn--; r.campaignIn == 0 && may && r.soft.state == raft.StateFollower {
			r.campaign(r.rn)
		}
	}
}

// stepReleased handles the word of a peer that it does not lead in a term any more.
func (r *Replica) stepReleased(env *multiraft.Envelope) {
	term := env.Message.GetTerm()
	r.mu.Lock()
	r.mu.bound.Released(env.FromPeer, term)
	r.mu.Unlock()
	if r.soft.leader == env.FromPeer && r.soft.term <= term && r.soft.state == raft.StateFollower {
		r.letGo(env.FromStore, 0)
	}
}

// ProbePeriod is how often a follower that hears nothing, because all is quiet,
// asks whether it is still a member.
const ProbePeriod = time.Minute

// ProbeDue reports whether the replica is a follower that has not asked its members
// for so long. It does so with its next tick.
func (r *Replica) ProbeDue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.lead == nil && r.cfg.Clock.Now().Sub(r.mu.probedAt) >= ProbePeriod
}

// probeSlowly asks the other members if that is due.
func (r *Replica) probeSlowly() {
	now := r.cfg.Clock.Now()
	r.mu.Lock()
	due := now.Sub(r.mu.probedAt) >= ProbePeriod
	if due {
		r.mu.probedAt = now
	}
	r.mu.Unlock()
	if due {
		r.askMembers()
	}
}
