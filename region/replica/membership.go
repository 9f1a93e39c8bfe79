package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// A peer that was removed while it was away never gets the entry that says so.
// It asks the members it knows; those tell it. The question and the answer travel
// as messages that Raft itself does not send between peers here.
const (
	memberQuestion = raftpb.MsgReadIndex
	memberAnswer   = raftpb.MsgReadIndexResp
)

// IsMemberQuestion reports whether a message only asks whether its sender is still a
// member: any peer of the region may answer it.
func IsMemberQuestion(env *multiraft.Envelope) bool {
	return env.Message.GetType() == memberQuestion && env.Message.GetIndex() == 0
}

// probeTicks is how long a replica that hears from no leader waits before it asks
// whether it is still a member, and between questions.
const probeTicks = 30

// stepMembership handles messages between members and former members. It reports
// whether the message was one, so that Raft must not see it.
func (r *Replica) stepMembership(env *multiraft.Envelope) bool {
	m := env.Message
	desc := r.apl.desc
	switch m.GetType() {
	case memberAnswer:
		r.stepAnswer(m)
		return true
	case memberQuestion, raftpb.MsgVote, raftpb.MsgPreVote:
		question := m.GetType() == memberQuestion
		if question && m.GetIndex() != 0 {
			r.answerFence(env.FromPeer, m.GetIndex())
			return true
		}
		if desc == nil {
			return question
		}
		mine, theirs := desc.GetEpoch().GetConfVer(), max(env.ConfVer, m.GetCommit())
		switch {
		case theirs < mine:
			r.tellMembership(env.FromPeer, desc)
		case !question && theirs > mine:
			// The candidate may know that the leader who binds this peer is none, and
			// that entries are committed whose leader is gone: see heed.
			r.askMember(env.FromPeer)
		}
		if question && m.GetCommit() != 0 && env.ToPeer == r.cfg.PeerID {
			r.answerKnown(env.FromPeer, m.GetCommit())
		}
		return question || env.ConfVer < mine && region.PeerByID(desc, env.FromPeer) == nil
	}
	return false
}

// stepAnswer handles what a member, or a store that was the region's, tells.
func (r *Replica) stepAnswer(m *raftpb.Message) {
	switch {
	case m.GetReject():
		r.cfg.Host.MergedAway(r)
	case m.GetIndex() != 0:
		r.noteFence(m.GetFrom(), m.GetIndex())
	case m.GetCommit() != 0:
		r.noteKnown(m.GetFrom(), m.GetCommit())
	default:
		r.learnMembership(m.GetContext(), m.GetRejectHint(), m.GetLogTerm())
	}
}

// tellMembership tells a peer of an older configuration which one is applied here, and
// up to where.
func (r *Replica) tellMembership(peer uint64, desc *metapb.Region) {
	b, err := proto.Marshal(desc)
	if err != nil {
		return
	}
	m := &raftpb.Message{
		Type: memberAnswer.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(peer), Context: b,
		RejectHint: proto.Uint64(r.apl.index), LogTerm: proto.Uint64(r.apl.term),
	}
	if env := r.envelope(m); env != nil {
		r.cfg.Host.SendMessage(env)
	}
}

// learnMembership takes the answer to a question. index and term are of the last entry
// that the other one has applied.
func (r *Replica) learnMembership(b []byte, index, term uint64) {
	now := &metapb.Region{}
	if proto.Unmarshal(b, now) != nil || now.GetId() != r.cfg.RegionID {
		return
	}
	switch {
	case now.GetEpoch().GetConfVer() <= r.apl.desc.GetEpoch().GetConfVer():
	case region.PeerByID(now, r.cfg.PeerID) == nil:
		r.leave(now)
	case r.apl.desc != nil:
		r.heed(now, index, term)
	}
}

// maybeProbe asks the other members. Process only, once per tick without a sign of a
// leader.
func (r *Replica) maybeProbe() {
	if r.quiet%probeTicks != 0 {
		return
	}
	r.askMembers()
}

// askMembers asks all other members. Process only: the questions of all replicas of
// the round leave together.
func (r *Replica) askMembers() {
	for _, p := range r.apl.desc.GetPeers() {
		if p.GetId() != r.cfg.PeerID {
			r.askMember(p.GetId())
		}
	}
}

func (r *Replica) askMember(peer uint64) {
	m := &raftpb.Message{Type: memberQuestion.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(peer)}
	if env := r.envelope(m); env != nil {
		r.round.Send(env)
	}
}

// Destroy makes the replica take part in nothing any more; then is called, on a
// goroutine that may wait, when the log writer holds nothing of it. It reports
// false if the replica is being destroyed already.
func (r *Replica) Destroy(then func()) bool {
	return r.enqueueOp(func(*raft.RawNode) {
		round := r.round
		r.barrier(round, nil, func() { r.cfg.Host.RunBlocking(then) })
		r.Retire("the replica is removed from the store")
	})
}
