package multiraft

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
)

// ElectionTimer decides when a peer that is not the leader campaigns. It stands
// in for the election timer of the Raft library, which draws its spread from a
// package-level source seeded by the operating system, so that no run could be
// repeated.
//
// It works by never letting the library's own timer fire: a peer that is not the
// leader gets TickQuiesced, which only moves the library's count of ticks since
// it heard from its leader (the count by which it refuses votes, Raft thesis
// §6.4.1, and by which it answers PreVotes), and is told to Campaign when the
// timeout that was drawn here has passed. A leader gets the ordinary Tick, which
// involves no chance.
//
// The two counts need not agree: this one only decides when to try, and trying at
// any time is safe. The timeout lies in [electionTicks, 2 electionTicks) and is
// drawn anew each time, as in Raft §9.3.
//
// An ElectionTimer belongs to its replica and is not safe for concurrent use.
type ElectionTimer struct {
	rand          env.Rand
	electionTicks int
	spread        int
	elapsed       int
	// timeout is drawn when elapsed reaches electionTicks, so that a healthy
	// follower, which hears from its leader all the time, draws nothing.
	timeout int
	term    uint64
}

// NewElectionTimer returns a timer that starts a full timeout from now.
// s is what the peer's raft.Config was made with.
func NewElectionTimer(r env.Rand, s RaftSettings) ElectionTimer {
	ticks := orDefault(s.ElectionTicks, ElectionTicks)
	return ElectionTimer{rand: r, electionTicks: ticks, spread: orDefault(s.ElectionSpreadTicks, ticks)}
}

// Stepped is called with every message from another peer that is about to be
// stepped: what proves a leader of the newest term seen starts the timeout anew.
func (t *ElectionTimer) Stepped(m *raftpb.Message) {
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if m.GetTerm() >= t.term {
			t.term = m.GetTerm()
			t.Reset()
		}
	}
}

// Sending is called with every vote answer that Ready hands out: granting a vote
// gives the candidate its time (Raft §5.2).
func (t *ElectionTimer) Sending(m *raftpb.Message) {
	if m.GetType() == raftpb.MsgVoteResp && !m.GetReject() {
		t.term = max(t.term, m.GetTerm())
		t.Reset()
	}
}

// Reset starts the timeout anew: the peer lost its leadership, was born, or has
// just campaigned by itself.
func (t *ElectionTimer) Reset() { t.elapsed, t.timeout = 0, 0 }

// Tick passes one tick. leader is whether the RawNode leads; the answer of the
// last Ready will do, since a state that changed later has just begun and is not
// hurt by one tick of the other kind. A peer with
// mayCampaign unset (a learner, one not born yet, one of a store that has just
// restarted) keeps counting and campaigns at the first tick that allows it. Tick
// reports whether the peer campaigned; the library still refuses if it is not a
// voter, or if a configuration change is waiting to be applied.
func (t *ElectionTimer) Tick(n *raft.RawNode, leader, mayCampaign bool) bool {
	if leader {
		t.Reset()
		n.Tick()
		return false
	}
	n.TickQuiesced()
	t.elapsed++
	if t.elapsed < t.electionTicks {
		return false
	}
	if t.timeout == 0 {
		t.timeout = t.electionTicks + env.Intn(t.rand, t.spread)
	}
	if t.elapsed < t.timeout || !mayCampaign {
		return false
	}
	t.Reset()
	// The only error is ErrProposalDropped, for a message type that this is not.
	_ = n.Campaign()
	return true
}
