package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region"
)

type progress = tracker.Progress

// Process does what is pending, as multiraft.Processor wants it: requests, ticks,
// output.
func (r *Replica) Process(work multiraft.Work, round *multiraft.Round) {
	r.mu.Lock()
	if r.mu.destroyed || r.mu.installing {
		// While a raft snapshot is installed the RawNode is left alone: its
		// storage messages must stay in order. What came from the log writer is
		// kept for later.
		r.mu.inbox = nil
		r.mu.patience = patience{}
		r.mu.Unlock()
		r.runBarriers()
		return
	}
	r.mu.Unlock()
	r.round = round
	defer func() { r.round = nil }()
	if r.resumeApply(round) {
		return
	}
	r.mu.Lock()
	local, inbox, ops, incoming := r.mu.local, r.mu.inbox, r.mu.ops, r.mu.incoming
	lost, ticks := r.mu.lostPeer, work.Ticks+r.mu.owed
	r.mu.owed = 0
	r.mu.local, r.mu.inbox, r.mu.ops, r.mu.incoming = nil, nil, nil, nil
	if len(lost) > 0 {
		r.mu.lostPeer = make(map[uint64]struct{})
	}
	r.mu.Unlock()

	r.news.acksOnly = incoming == nil && len(lost) == 0 && len(ops) == 0 && work.Ticks == 0 && onlyAcks(inbox)
	r.news.was = r.commit
	for _, m := range local {
		r.stepLocal(m)
	}
	beatsLast(inbox)
	for _, env := range inbox {
		r.stepPeer(env)
	}
	if incoming != nil {
		r.stepSnapshot(incoming)
	}
	for _, id := range sortedKeys(lost) {
		r.rn.ReportUnreachable(id)
	}
	if len(ops) > 0 {
		r.lookAround() // they ask who leads
	}
	for _, f := range ops {
		f(r.rn)
	}
	r.lookAround()
	r.proposeQueued()
	r.askQuorum()
	if ticks > 0 {
		for range ticks {
			r.tick()
		}
		r.lookAround()
	}
	for r.rn.HasReady() && !r.installingNow() {
		r.handleReady(r.rn.Ready(), round)
		r.lookAround()
		r.askQuorum()
	}
	if r.expects != nil {
		// Raft did not want the snapshot.
		r.expects.Discard()
		r.expects = nil
	}
	r.calmDown()
}

func (r *Replica) installingNow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.installing || r.mu.destroyed
}

// stepLocal handles a response of the log writer.
func (r *Replica) stepLocal(m *raftpb.Message) {
	r.mu.Lock()
	f := r.mu.barriers[m]
	delete(r.mu.barriers, m)
	r.mu.Unlock()
	if f != nil {
		f()
		return
	}
	r.sawVote(m, r.cfg.StoreID)
	if err := r.rn.Step(m); err != nil {
		r.log.Debug("storage response refused", "type", m.GetType(), "error", err)
	}
}

// sawVote tells the observer of a vote that has arrived.
func (r *Replica) sawVote(m *raftpb.Message, from uint64) {
	if o := r.cfg.Observer; o != nil && m.GetType() == raftpb.MsgVoteResp && !m.GetReject() {
		o.VoteGranted(r.cfg.RegionID, from, m.GetTerm(), r.cfg.PeerID)
	}
}

// runBarriers runs the barriers that have been reached of a replica that steps
// nothing any more.
func (r *Replica) runBarriers() {
	var fs []func()
	r.mu.Lock()
	kept := r.mu.local[:0]
	for _, m := range r.mu.local {
		if f := r.mu.barriers[m]; f != nil {
			delete(r.mu.barriers, m)
			fs = append(fs, f)
		} else if !r.mu.destroyed {
			kept = append(kept, m)
		}
	}
	r.mu.local = kept
	r.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// peersMetMax bounds the memory of stores of peers outside of the descriptor.
const peersMetMax = 64

func (r *Replica) stepPeer(env *multiraft.Envelope) {
	m := env.Message
	if len(r.peerOf) >= peersMetMax {
		clear(r.peerOf)
	}
	r.peerOf[env.FromPeer] = env.FromStore
	if r.stepMembership(env) {
		return
	}
	if !r.admit(env) {
		return
	}
	r.sawVote(m, env.FromStore)
	if !r.failing(env.FromStore) {
		r.timer.Stepped(m)
	}
	if r.outdoes(m) {
		r.stepForward()
	}
	if err := r.rn.Step(m); err != nil {
		r.log.Debug("message refused", "type", m.GetType(), "from", m.GetFrom(), "error", err)
	}
}

// admit decides whether Raft gets to see a message, and notes what follows from
// its coming.
func (r *Replica) admit(env *multiraft.Envelope) bool {
	m := env.Message
	t := m.GetType()
	if t == raftpb.MsgTransferLeader {
		// The library forwards one that comes too late, when the leader is another one
		// by now. That one would hand over without giving its lease up (rule A3).
		return false
	}
	vote := t == raftpb.MsgVote || t == raftpb.MsgPreVote
	if t == raftpb.MsgForgetLeader {
		r.stepReleased(env)
		return false
	}
	if vote && m.GetTerm() > r.soft.term && env.FromPeer == r.soft.leader {
		// Rule A5: who asks for votes in a higher term leads no more.
		_ = r.rn.ForgetLeader()
	}
	v, now, trusted := r.cfg.Host.Liveness()
	if r.shuns(env, v) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if vote {
		r.mu.bound.Asked(env.FromPeer, m.GetTerm())
		switch r.judgeVoteLocked(m, v, now, trusted) {
		case holdIt:
			r.held[env.FromPeer] = heldVote{env, r.cfg.Clock.Now()}
			return false
		case dropIt:
			return false
		}
		if lead := r.soft.leader; lead != 0 && m.GetTerm() > r.soft.term && v.Peer(r.storeOf(lead)).Supports.IsZero() {
			// The library would refuse as long as it hears of the leader, however ill
			// that one's store is: who is supported decides here.
			_ = r.rn.ForgetLeader()
		}
	}
	if t == raftpb.MsgTimeoutNow {
		// The leader has given its lease up for the rest of its term.
		r.mu.bound.Released(env.FromPeer, m.GetTerm())
	}
	if l := r.mu.lead; l != nil {
		r.noteAckLocked(l, env)
	}
	r.heardLocked(env, v)
	return true
}

// failing reports whether a store lives, but lost its support: its disk hangs, or it
// hears nothing. Its leaders do not keep others from campaigning.
func (r *Replica) failing(store uint64) bool {
	v, now, _ := r.cfg.Host.Liveness()
	p := v.Peer(store)
	return p.Supports.IsZero() && p.Alive(now) && store != r.cfg.StoreID
}

// noteAckLocked takes from a response what it says about its sender (rule A2).
// Requires: r.mu held, l == r.mu.lead.
func (r *Replica) noteAckLocked(l *leadership, env *multiraft.Envelope) {
	switch env.Message.GetType() {
	case raftpb.MsgHeartbeatResp:
	case raftpb.MsgAppResp:
		l.asleep = false
	default:
		l.asleep = false
		return
	}
	if env.Message.GetTerm() != l.term {
		return
	}
	if t := env.Message.GetType(); t == raftpb.MsgAppResp && !env.Message.GetReject() {
		n := r.newsOf(l.term)
		n.acked = max(n.acked, env.Message.GetIndex())
	}
	l.acks.Note(env.FromStore, env.Epoch)
	l.commits[env.FromPeer] = max(l.commits[env.FromPeer], env.Commit)
}

func (r *Replica) tick() {
	if r.cutOff() {
		r.stepDown()
	}
	leads := r.soft.state == raft.StateLeader
	v, _, _ := r.cfg.Host.Liveness()
	r.mu.Lock()
	bound := r.boundLocked(v)
	may := r.mu.desc != nil && !bound && !r.cfg.Clock.Now().Before(r.mu.silentUntil)
	r.mu.Unlock()
	r.tickKnowing(r.leaving)
	if bound && !leads {
		r.probeSlowly()
		return
	}
	if r.timer.Tick(r.rn, leads, may) {
		r.campaignIn = 0
	}
	if leads {
		r.quiet = 0
		r.tickLeader()
		r.maybeSleep()
		return
	}
	r.tickFree(may)
	// What counts is hearing from a leader, not believing in one: a learner that
	// was removed believes in its last leader for ever.
	if r.apl.desc != nil {
		r.quiet++
		r.maybeProbe()
	}
}

// stepDown ends the leadership of a replica whose store hears no majority of the
// others. The library would notice too, up to two election timeouts later; until then
// the followers would keep their promises to a leader that is of no use to anybody. It
// may well be heard by them, and its word that it leads no more sets them free (rule A5).
func (r *Replica) stepDown() {
	r.log.Debug("steps down: no majority of the stores is heard of")
	// The library asks whether a quorum was heard of since it was asked last: the second
	// time none was.
	for range 2 {
		m := &raftpb.Message{Type: raftpb.MsgCheckQuorum.Enum(), From: proto.Uint64(raft.LocalAppendThread), To: proto.Uint64(r.cfg.PeerID)}
		if err := r.rn.Step(m); err != nil {
			r.log.Debug("check of the quorum refused", "error", err)
		}
	}
	r.lookAround()
}

func (r *Replica) handleReady(rd raft.Ready, round *multiraft.Round) {
	if len(rd.ReadStates) > 0 {
		r.confirmed(rd.ReadStates)
	}
	mustSync := rd.MustSync || commitsConfChange(rd)
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			r.handleAppend(m, mustSync, round)
		case raft.LocalApplyThread:
			r.apply(m, round)
		default:
			if m.GetType() == raftpb.MsgSnap {
				r.sendSnapshot(m)
				continue
			}
			if m.GetType() == raftpb.MsgApp && len(m.GetEntries()) == 0 && r.commitCanWait(m) {
				continue
			}
			if env := r.envelope(m); env != nil {
				round.Send(env)
			}
		}
	}
}

// commitsConfChange reports whether a change of membership becomes committed here.
// That must be durable soon: a replica which it removes is gone at once, and one that
// forgot the change in a crash, with the state that it had applied, would go back to a
// configuration whose majority may not be there any more.
func commitsConfChange(rd raft.Ready) bool {
	for _, m := range rd.Messages {
		if m.GetTo() != raft.LocalApplyThread {
			continue
		}
		for _, e := range m.GetEntries() {
			if e.GetType() != raftpb.EntryNormal {
				return true
			}
		}
	}
	return false
}

func (r *Replica) handleAppend(m *raftpb.Message, mustSync bool, round *multiraft.Round) {
	if !raft.IsEmptySnap(m.GetSnapshot()) {
		r.startInstall(m, round)
		return
	}
	a := multiraft.Append{Group: r.cfg.RegionID, Entries: m.GetEntries(), MustSync: mustSync}
	if mustSync && (m.Term != nil || m.Vote != nil || m.Commit != nil) {
		// A commit index alone is not written: Raft does not need it back (Raft §5.1,
		// figure 2), and a restart begins at the applied index at least. That of a change
		// of membership is.
		a.HardState = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
	}
	r.noteAppended(a.Entries)
	a.Responses, a.Envelopes = r.splitResponses(m.GetResponses())
	if o := r.cfg.Observer; o != nil {
		if len(a.Entries) > 0 {
			o.Appended(r.cfg.RegionID, r.cfg.StoreID, a.Entries)
		}
		if m.Commit != nil {
			o.Committed(r.cfg.RegionID, r.cfg.StoreID, m.GetTerm(), m.GetCommit())
		}
	}
	if !mustSync && len(a.Responses)+len(a.Envelopes) == 0 {
		return
	}
	round.Append(a)
}

// splitResponses sorts the responses of a storage message into those to the own
// peer and those to others.
func (r *Replica) splitResponses(responses []*raftpb.Message) (own []*raftpb.Message, others []*multiraft.Envelope) {
	for _, m := range responses {
		if m.GetTo() == r.cfg.PeerID {
			own = append(own, m)
			continue
		}
		r.timer.Sending(m)
		if env := r.envelope(m); env != nil {
			others = append(others, env)
		}
	}
	return own, others
}

// envelope addresses a message, or returns nil if the peer's store is not known.
func (r *Replica) envelope(m *raftpb.Message) *multiraft.Envelope {
	desc := r.apl.desc
	env := &multiraft.Envelope{
		RegionID: r.cfg.RegionID, FromStore: r.cfg.StoreID, FromPeer: r.cfg.PeerID,
		ToPeer: m.GetTo(), Message: m,
	}
	if p := region.PeerByID(desc, m.GetTo()); p != nil {
		env.ToStore = p.GetStoreId()
	} else if env.ToStore = r.peerOf[m.GetTo()]; env.ToStore == 0 {
		return nil
	}
	switch m.GetType() {
	case raftpb.MsgAppResp, raftpb.MsgHeartbeatResp:
		v, _, _ := r.cfg.Host.Liveness()
		r.mu.Lock()
		if r.boundLocked(v) {
			env.Epoch = r.mu.bound.Ack(v, m.GetTo(), m.GetTerm())
		}
		r.mu.Unlock()
		env.Commit = r.commit
	}
	if desc != nil {
		env.ConfVer, env.Version = desc.GetEpoch().GetConfVer(), desc.GetEpoch().GetVersion()
		env.HasRange, env.StartKey, env.EndKey = true, desc.GetStartKey(), desc.GetEndKey()
	}
	return env
}

// proposeQueued hands the queued proposals to Raft.
func (r *Replica) proposeQueued() {
	r.mu.Lock()
	l := r.mu.lead
	if l == nil || len(l.queue) == 0 {
		r.mu.Unlock()
		return
	}
	queue := l.queue
	l.queue = nil
	for _, p := range queue {
		l.inflight[p.cmd.id] = p
	}
	r.mu.Unlock()
	for _, p := range queue {
		var err error
		if p.conf != nil {
			err = r.rn.ProposeConfChange(p.conf.raft)
		} else {
			err = r.rn.Propose(p.data)
		}
		if err != nil {
			// Nothing of it is in the log.
			r.failProposal(l, p, region.ServerBusy("proposals are not accepted now: "+err.Error(), 10))
		}
	}
}

// failProposal answers a proposal that will certainly not be applied.
func (r *Replica) failProposal(l *leadership, p *proposal, e errorAnswer) {
	r.mu.Lock()
	_, mine := l.inflight[p.cmd.id]
	if mine {
		delete(l.inflight, p.cmd.id)
		l.bytes -= len(p.data)
	}
	r.mu.Unlock()
	if !mine {
		return
	}
	r.cfg.Counters.ProposalsFailed.Add(1)
	l.latches.Release(p.guard)
	p.call.finish(region.Response(e))
}
