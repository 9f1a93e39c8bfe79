package replica

import (
	"encoding/binary"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// heardLocked notes that a message of a leader is about to be stepped: this peer
// will help nobody else while its store supports the leader's.
// Requires: r.mu held.
func (r *Replica) heardLocked(env *multiraft.Envelope, v *liveness.View) {
	m := env.Message
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if m.GetTerm() >= r.soft.term {
			r.mu.bound.Heard(v, env.FromPeer, env.FromStore, m.GetTerm())
			r.quiet = 0
			r.mu.awaitsStart = false
			if m.GetTerm() > r.soft.term || !r.mu.bound.Epoch.IsZero() {
				r.campaignIn = 0
			}
		}
	}
}

// boundLocked reports whether the replica has promised its leader to help nobody
// else. A leader that is no voter any more holds nobody (rule A5).
// Requires: r.mu held.
func (r *Replica) boundLocked(v *liveness.View) bool {
	return r.mu.lead == nil && r.mu.bound.Holds(v) && region.HasVoter(r.mu.desc, r.mu.bound.Peer)
}

// campaignTransfer is the context of a vote request in a transfer that the leader
// itself began (raft.campaignTransfer, which the library keeps to itself).
const campaignTransfer = "CampaignTransfer"

// verdict is what to do with a message.
type verdict int

const (
	stepIt verdict = iota
	dropIt
	holdIt // until the present leader's store is not supported any more (rule A9)
)

// judgeVoteLocked decides about a vote request.
// Requires: r.mu held, the message is one.
func (r *Replica) judgeVoteLocked(m *raftpb.Message, v *liveness.View, now time.Duration, trusted bool) verdict {
	if r.mu.desc == nil {
		return dropIt // rule B4: a shell has no say
	}
	if r.mu.lead != nil && r.leaseValidLocked(r.mu.lead, v, now, trusted) {
		return dropIt // rule A3
	}
	if m.GetType() == raftpb.MsgVote && string(m.GetContext()) == campaignTransfer {
		// Begun by the leader of the term before, who holds no lease in it any more; if
		// that is a newer term than the one this peer is bound in, it had a leader.
		r.mu.bound.Released(r.mu.bound.Peer, m.GetTerm()-1)
		return stepIt
	}
	switch {
	case r.cfg.Clock.Now().Before(r.mu.silentUntil):
		return dropIt // rule A11
	case r.boundLocked(v):
		return holdIt
	}
	return stepIt
}

// leaseValidLocked reports whether l may serve a read without asking anybody.
// Requires: r.mu held, l == r.mu.lead.
func (r *Replica) leaseValidLocked(l *leadership, v *liveness.View, now time.Duration, trusted bool) bool {
	if r.cfg.DisableLeases || l.noLease || !trusted || r.mu.desc == nil {
		return false
	}
	var a, b [8]uint64
	in, out := voterStores(r.mu.desc, a[:0], b[:0])
	return l.acks.LeaseEnd(v, r.cfg.StoreID, in, out) > now
}

// voterStores appends the stores of the voters to in, and those of the outgoing
// configuration to out if there are two.
func voterStores(desc *metapb.Region, in, out []uint64) ([]uint64, []uint64) {
	joint := false
	for _, p := range desc.GetPeers() {
		switch p.GetRole() {
		case metapb.PeerRole_VOTER:
			in, out = append(in, p.GetStoreId()), append(out, p.GetStoreId())
		case metapb.PeerRole_INCOMING_VOTER:
			in, joint = append(in, p.GetStoreId()), true
		case metapb.PeerRole_OUTGOING_VOTER:
			out, joint = append(out, p.GetStoreId()), true
		}
	}
	if !joint {
		out = nil
	}
	return in, out
}

// cutOffFor is how long a leader must find itself cut off before it believes it: a
// process that was stopped finds what came meanwhile only some moments after its ticks.
const cutOffFor = 50 * time.Millisecond

// cutOff reports whether so many stores have been silent for a support period that this
// leader has no lease and can commit nothing. Stores that were never heard of do not
// count as silent. Process only, with every tick.
func (r *Replica) cutOff() bool {
	v, now, trusted := r.cfg.Host.Liveness()
	if r.soft.state != raft.StateLeader || r.cfg.DisableLeases || !trusted || !majoritySilent(r.apl.desc, r.cfg.StoreID, v, now) {
		r.cutSince = 0
		return false
	}
	if r.cutSince == 0 {
		r.cutSince = now
	}
	return now-r.cutSince >= cutOffFor
}

// majoritySilent reports whether a store hears of too few others for a quorum.
func majoritySilent(desc *metapb.Region, self uint64, v *liveness.View, now time.Duration) bool {
	lost := func(voters []uint64) bool {
		silent := 0
		for _, s := range voters {
			if s != self && v.Peer(s).Silent(now) {
				silent++
			}
		}
		return 2*silent >= len(voters) && silent > 0
	}
	var a, b [8]uint64
	in, out := voterStores(desc, a[:0], b[:0])
	return lost(in) || lost(out)
}

// holdsLeaseLocked is leaseValidLocked at this moment.
// Requires: r.mu held, l == r.mu.lead.
func (r *Replica) holdsLeaseLocked(l *leadership) bool {
	v, now, trusted := r.cfg.Host.Liveness()
	return r.leaseValidLocked(l, v, now, trusted)
}

// Lease reports whether the replica may serve reads without asking anybody now, and
// as the leader of which term.
func (r *Replica) Lease() (term uint64, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.lead == nil {
		return 0, false
	}
	return r.mu.lead.term, r.holdsLeaseLocked(r.mu.lead)
}

// readIndex is one question to the quorum and the reads that wait for its answer.
type readIndex struct {
	seq     uint64
	waiters []func(ok bool)
}

// confirmMax bounds reads that wait for a quorum.
const confirmMax = 16384

// confirmLocked has f called with true when a quorum answered a question sent
// after this call, or with false when the leadership is lost. It reports false,
// without keeping f, if too many wait.
// Requires: r.mu held, l == r.mu.lead. The caller enqueues the replica.
func (l *leadership) confirmLocked(f func(ok bool)) bool {
	if len(l.asking) >= confirmMax {
		return false
	}
	l.asking = append(l.asking, f)
	l.asleep = false
	return true
}

// readIndexInFlightMax: one question on its way and one behind it, so that reads
// share questions under load instead of sending one each.
const readIndexInFlightMax = 2

// askQuorum sends a question if somebody waits for one. Process only.
func (r *Replica) askQuorum() {
	r.mu.Lock()
	l := r.mu.lead
	if l == nil || !l.ready || r.soft.state != raft.StateLeader || len(l.asked) >= readIndexInFlightMax ||
		(len(l.asking) == 0 && !(l.refresh && len(l.asked) == 0)) {
		r.mu.Unlock()
		return
	}
	l.refresh = false
	l.readSeq++
	q := readIndex{seq: l.readSeq, waiters: l.asking}
	l.asking = nil
	l.asked = append(l.asked, q)
	r.mu.Unlock()
	ctx := binary.BigEndian.AppendUint64(make([]byte, 0, 16), l.term)
	r.rn.ReadIndex(binary.BigEndian.AppendUint64(ctx, q.seq))
}

// confirmed handles answers of the quorum. Process only.
func (r *Replica) confirmed(states []raft.ReadState) {
	for _, s := range states {
		if len(s.RequestCtx) != 16 {
			continue
		}
		term, seq := binary.BigEndian.Uint64(s.RequestCtx), binary.BigEndian.Uint64(s.RequestCtx[8:])
		var waiters []func(bool)
		r.mu.Lock()
		if l := r.mu.lead; l != nil && l.term == term {
			for len(l.asked) > 0 && l.asked[0].seq <= seq {
				q := l.asked[0]
				l.asked = l.asked[1:]
				waiters = append(waiters, q.waiters...)
			}
		}
		r.mu.Unlock()
		for _, f := range waiters {
			f(true)
		}
	}
}
