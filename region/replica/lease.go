package replica

import (
	"encoding/binary"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
)

// leaseTimes are derived from the settings once. See DESIGN.md.
type leaseTimes struct {
	// promise is how long a peer that heard from a leader helps nobody else to be
	// elected, on its own clock from the moment of hearing.
	promise time.Duration
	// lease is how long a leader trusts the promises of a quorum, on its own clock
	// from before it asked.
	lease time.Duration
	// renew is the age at which a read renews the lease in the background.
	renew         time.Duration
	electionTicks int
}

// clockSkewMax is how far wall clock and monotonic clock may part during a lease
// before the lease is given up: the machine was suspended (rule A4).
const clockSkewMax = 50 * time.Millisecond

func newLeaseTimes(cfg Config) leaseTimes {
	ticks := cfg.Raft.ElectionTicks
	if ticks == 0 {
		ticks = multiraft.ElectionTicks
	}
	tick := cfg.TickInterval
	if tick == 0 {
		tick = multiraft.TickInterval
	}
	t := leaseTimes{promise: time.Duration(ticks) * tick, electionTicks: ticks}
	t.lease = time.Duration(max(ticks-multiraft.MaxTicks-1, 0)) * tick * 9 / 10
	t.renew = t.lease * 2 / 3
	return t
}

// heard notes that a message of a leader is about to be stepped: this peer will
// help nobody else for a while.
// Requires: r.mu held.
func (r *Replica) heardLocked(m *raftpb.Message) {
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if m.GetTerm() >= r.soft.term {
			if until := r.cfg.Clock.Now().Add(r.times.promise); until.After(r.mu.guardUntil) {
				r.mu.guardUntil = until
			}
			r.quiet = 0
		}
	}
}

// campaignTransfer is the context of a vote request in a transfer that the leader
// itself began (raft.campaignTransfer, which the library keeps to itself).
const campaignTransfer = "CampaignTransfer"

// refusesVote reports whether a vote request must be dropped without an answer.
// Requires: r.mu held.
func (r *Replica) refusesVoteLocked(m *raftpb.Message) bool {
	if t := m.GetType(); t != raftpb.MsgVote && t != raftpb.MsgPreVote {
		return false
	}
	now := r.cfg.Clock.Now()
	if r.mu.desc == nil {
		return true // rule B4: a shell has no say
	}
	if r.mu.lead != nil && r.leaseValidLocked(r.mu.lead, now) {
		return true // rule A3
	}
	forced := m.GetType() == raftpb.MsgVote && string(m.GetContext()) == campaignTransfer
	return !forced && now.Before(r.mu.guardUntil)
}

// leaseValidLocked reports whether l may serve a read without asking anybody.
// Requires: r.mu held, l == r.mu.lead.
func (r *Replica) leaseValidLocked(l *leadership, now time.Time) bool {
	if r.cfg.DisableLeases || l.noLease || l.leaseFrom.IsZero() {
		return false
	}
	age := now.Sub(l.leaseFrom)
	if age < 0 || age >= r.times.lease {
		return false
	}
	// Without their monotonic readings the two times are on the wall clock.
	skew := now.Round(0).Sub(l.leaseFrom.Round(0)) - age
	return skew <= clockSkewMax && skew >= -clockSkewMax
}

// readIndex is one question to the quorum and the reads that wait for its answer.
type readIndex struct {
	seq     uint64
	sentAt  time.Time
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
		(len(l.asking) == 0 && !(l.renew && len(l.asked) == 0)) {
		r.mu.Unlock()
		return
	}
	l.renew = false
	l.readSeq++
	q := readIndex{seq: l.readSeq, sentAt: r.cfg.Clock.Now(), waiters: l.asking}
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
				if !l.noLease && q.sentAt.After(l.leaseFrom) {
					l.leaseFrom = q.sentAt
				}
			}
		}
		r.mu.Unlock()
		for _, f := range waiters {
			f(true)
		}
	}
}
