package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/region"
)

// A replica that was found when its store was opened awaits its start: it wants no
// ticks and does not campaign by itself. Either a leader finds it, or the store says
// that it is its turn (Begin), or a candidate comes whose log lacks what this one has.
// So when all stores of a cluster start together, each region has one candidate, and
// those who only wait cost nothing.

// AwaitsStart reports whether the replica awaits its start.
func (r *Replica) AwaitsStart() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.awaitsStart && !r.mu.destroyed
}

// StartRank returns how many of the voters on stores that live come before this one,
// and whether those of them whose own silence is over are enough to elect a leader.
// It is not enough as long as this peer itself must be silent (rule A11).
func (r *Replica) StartRank(lives, heard func(store uint64) bool) (rank int, enough bool) {
	r.mu.Lock()
	desc, silent := r.mu.desc, r.cfg.Clock.Now().Before(r.mu.silentUntil)
	r.mu.Unlock()
	if desc == nil || silent {
		return 0, false
	}
	var voters []uint64
	in, out, inHeard, outHeard := 0, 0, 0, 0
	for _, p := range desc.GetPeers() {
		if !region.IsVoter(p.GetRole()) {
			continue
		}
		own := p.GetId() == r.cfg.PeerID
		if own || lives(p.GetStoreId()) {
			voters = append(voters, p.GetId())
		}
		n := 0
		if own || heard(p.GetStoreId()) {
			n = 1
		}
		if region.VotesBefore(p.GetRole()) {
			out, outHeard = out+1, outHeard+n
		}
		if region.VotesAfter(p.GetRole()) {
			in, inHeard = in+1, inHeard+n
		}
	}
	slices.Sort(voters)
	i := slices.Index(voters, r.cfg.PeerID)
	if i < 0 {
		return 0, false
	}
	n := len(voters)
	// As in rank, the candidates spread over the stores.
	return (i + n - int(r.cfg.RegionID%uint64(n))) % n, 2*inHeard > in && 2*outHeard > out
}

// Begin ends the wait. With campaign set the replica tries to lead at once.
func (r *Replica) Begin(campaign bool) {
	r.mu.Lock()
	was := r.mu.awaitsStart
	r.mu.awaitsStart = false
	r.mu.Unlock()
	if was && campaign {
		r.enqueueOp(func(*raft.RawNode) {
			if r.soft.leader == 0 && r.soft.state == raft.StateFollower {
				r.campaignFree()
			}
		})
	}
}

// outdoes reports whether this replica awaits its start and its log has what that of a
// candidate lacks: then it is no use to wait for that one. Process only.
func (r *Replica) outdoes(m *raftpb.Message) bool {
	if t := m.GetType(); t != raftpb.MsgVote && t != raftpb.MsgPreVote || !r.AwaitsStart() {
		return false
	}
	last, err := r.group.LastIndex()
	if err != nil {
		return false
	}
	term, err := r.group.Term(last)
	return err == nil && (m.GetLogTerm() < term || m.GetLogTerm() == term && m.GetIndex() < last)
}

// stepForward has a replica that outdoes a candidate campaign, those on other stores
// that do so, too, one after the other. Process only.
func (r *Replica) stepForward() {
	r.Begin(false)
	if r.campaignIn == 0 {
		r.campaignIn = 1 + 2*r.rank(0)
	}
}
