package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/quorate-db/quorate/multiraft"
)

// A write costs a group one look at the leader to propose, one at each follower to
// append, and one at the leader when the first of them has acknowledged. What else
// happens for it changes nothing that anybody waits for, so that no worker is woken
// and no message sent for it; it is seen to with whatever comes next, at the latest
// with the next heartbeat:
//
//   - that an entry is durable here, unless it is committed or acknowledged already;
//   - the acknowledgements behind the one that committed, and answers to heartbeats
//     when everything was sent and nobody asked;
//   - the new commit index, which the next append or heartbeat carries. Entries whose
//     effect the followers must know soon, such as a split, are told at once.

// patience is what the last Process left to wait for. The zero value waits for
// nothing: everything that comes is handled at once.
type patience struct {
	log   bool   // entries that are durable here are news to nobody
	acks  bool   // acknowledgements up to commit are, and answers to heartbeats
	term  uint64 // of the leadership
	until uint64 // commit index, of the leadership
}

// withLog reports whether a response of the log writer may wait.
func (p *patience) withLog(m *raftpb.Message) bool {
	t := m.GetType()
	return p.log && (t == raftpb.MsgStorageAppendResp || t == raftpb.MsgAppResp)
}

// withPeer reports whether a message from a peer may wait. l is what is led now.
func (p *patience) withPeer(l *leadership, env *multiraft.Envelope) bool {
	m := env.Message
	if !p.acks || m.GetReject() || m.GetTerm() != p.term || l == nil || l.term != p.term {
		return false
	}
	switch m.GetType() {
	case raftpb.MsgAppResp:
		return m.GetIndex() <= p.until
	case raftpb.MsgHeartbeatResp:
		// One with a context answers a read; one in a new epoch gives a lease. The next
		// tick takes the others: that somebody lives and what he knows to be committed.
		return len(m.GetContext()) == 0 && !l.asleep && l.acks.Has(env.FromStore, env.Epoch)
	}
	return false
}

// news is what a leader knows of its log beyond the RawNode. Process only.
type news struct {
	term uint64 // of the leadership that the rest is about
	// last is the end of the log.
	last uint64
	// acked is the highest index that another peer has acknowledged.
	acked uint64
	// urgent is the last entry whose commit the followers must hear of at once.
	urgent uint64
	// acksOnly: nothing but acknowledgements and proposals came to this Process.
	acksOnly bool
	// was is the commit index at the beginning of this Process.
	was uint64
}

// onlyAcks reports whether there is nothing in an inbox but acknowledged appends and
// heartbeats.
func onlyAcks(inbox []*multiraft.Envelope) bool {
	for _, env := range inbox {
		switch m := env.Message; {
		case m.GetReject():
			return false
		case m.GetType() == raftpb.MsgHeartbeatResp && len(m.GetContext()) == 0:
		case m.GetType() != raftpb.MsgAppResp:
			return false
		}
	}
	return true
}

// beatsLast moves the acknowledged heartbeats of an inbox behind the rest: what else
// came from their senders may be the answer to what the library would ask them for.
func beatsLast(inbox []*multiraft.Envelope) {
	beat := func(env *multiraft.Envelope) int {
		if env.Message.GetType() == raftpb.MsgHeartbeatResp {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(inbox, func(a, b *multiraft.Envelope) int { return beat(a) - beat(b) })
}

// newsOf returns what is known in this term.
func (r *Replica) newsOf(term uint64) *news {
	if r.news.term != term {
		r.news = news{term: term, acksOnly: r.news.acksOnly, was: r.news.was}
	}
	return &r.news
}

// noteAppended looks at entries that are about to be written.
func (r *Replica) noteAppended(entries []*raftpb.Entry) {
	if len(entries) == 0 || r.soft.state != raft.StateLeader {
		return
	}
	n := r.newsOf(r.soft.term)
	n.last = entries[len(entries)-1].GetIndex()
	for _, e := range entries {
		if !plainWrite(e) {
			n.urgent = e.GetIndex()
		}
	}
}

// plainWrite reports whether nothing but the keys and values that it writes depends
// on the application of an entry.
func plainWrite(e *raftpb.Entry) bool {
	d := e.GetData()
	return e.GetType() == raftpb.EntryNormal && len(d) > 1 && commandKind(d[1]) == cmdWrite
}

// commitCanWait reports whether m, which tells a peer a new commit index and nothing
// else, need not be sent.
func (r *Replica) commitCanWait(m *raftpb.Message) bool {
	n := r.newsOf(r.soft.term)
	// In answer to a heartbeat's answer the library sends empty appends that find
	// out what was lost. If one of them would carry a new commit index, the next entry
	// finds that out as well, or the answer to the next heartbeat.
	if !n.acksOnly || r.soft.state != raft.StateLeader || m.GetCommit() <= n.was {
		return false
	}
	r.mu.Lock()
	l := r.mu.lead
	known := l != nil && l.commits[m.GetTo()] >= n.urgent
	r.mu.Unlock()
	if !known {
		return false
	}
	flows := false
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		flows = flows || id == m.GetTo() && p.State == tracker.StateReplicate && !p.MsgAppFlowPaused
	})
	return flows
}

// calmDown decides, at the end of Process, for what the replica need not be processed
// again soon.
func (r *Replica) calmDown() {
	var p patience
	switch r.soft.state {
	case raft.StateLeader:
		n := r.newsOf(r.soft.term)
		p.log = n.acked <= r.commit && r.apl.index >= r.commit
		p.acks, p.term, p.until = true, r.soft.term, r.commit
		others := false
		r.rn.WithProgress(func(id uint64, typ raft.ProgressType, pr progress) {
			if id == r.cfg.PeerID {
				return
			}
			others = others || typ == raft.ProgressTypePeer
			if pr.State != tracker.StateReplicate || pr.MsgAppFlowPaused || pr.Next <= n.last {
				p.acks = false
			}
		})
		p.log = p.log && others // else the own disk alone decides
		p.acks = p.acks && r.transferee == 0
	case raft.StateFollower:
		p.log = r.apl.index >= r.commit
	}
	r.mu.Lock()
	r.mu.patience = p
	// What came meanwhile was measured by another patience.
	again := false
	for _, m := range r.mu.local {
		again = again || !p.withLog(m)
	}
	for _, env := range r.mu.inbox {
		again = again || !p.withPeer(r.mu.lead, env)
	}
	r.mu.Unlock()
	if again {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
	}
}
