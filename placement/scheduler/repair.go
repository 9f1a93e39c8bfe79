package scheduler

import (
	"fmt"

	"github.com/quorate-db/quorate/proto/metapb"
)

// Repair plans at most one step for each region that has a replica where none
// should be: on a store that is down for good or leaves the cluster, or one too
// many. A voter is replaced, never just taken away while fewer would be left than
// are wanted; so nothing is planned while no store can take the new one.
func Repair(s *Snapshot) []Plan {
	incoming := map[uint64]int{}
	var plans []Plan
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.Busy || r.Leader == 0 || r.joint() {
			continue
		}
		if p, ok := s.repair(r, incoming); ok {
			if p.To != 0 {
				incoming[p.To]++
			}
			plans = append(plans, p)
		}
	}
	return plans
}

// full is how many voters a region has when there are stores enough.
func (s *Snapshot) full() int {
	if s.ReplicasWanted <= 0 {
		return 3
	}
	return s.ReplicasWanted
}

// gone says why a store should hold no replica, "" if it may.
func (s *Snapshot) gone(store uint64) string {
	st := s.store(store)
	switch {
	case st == nil:
		return fmt.Sprintf("store %d is no member", store)
	case st.Leaving:
		return fmt.Sprintf("store %d leaves the cluster", store)
	case st.Down:
		return fmt.Sprintf("store %d is down", store)
	}
	return ""
}

func (s *Snapshot) repair(r *Region, incoming map[uint64]int) (Plan, bool) {
	plan := Plan{RegionID: r.ID, Epoch: r.Epoch}
	voters, good := 0, 0
	var victim *metapb.Peer // a voter where none should be
	for _, p := range r.Peers {
		why := s.gone(p.StoreId)
		if p.Role != metapb.PeerRole_VOTER {
			if why != "" {
				plan.Kind, plan.From, plan.Reason = RemovePeer, p.StoreId, "a learner is left where "+why
				return plan, true
			}
			continue
		}
		voters++
		if why == "" {
			good++
			continue
		}
		// One that is down goes first: it counts against the quorum.
		if victim == nil || s.store(victim.StoreId) != nil && !s.store(victim.StoreId).Down {
			victim = p
		}
	}
	switch {
	case victim != nil && good >= s.full() && good*2 > voters:
		plan.Kind, plan.From, plan.Reason = RemovePeer, victim.StoreId, s.gone(victim.StoreId)+", and there are enough others"
		return plan, true
	case victim != nil:
		to := s.heir(r, incoming)
		if to == 0 {
			return plan, false
		}
		plan.Kind, plan.From, plan.To, plan.Reason = MovePeer, victim.StoreId, to, s.gone(victim.StoreId)
		return plan, true
	}
	return s.extra(r, voters)
}

// extra takes away voters, and learners that nobody needs.
func (s *Snapshot) extra(r *Region, voters int) (Plan, bool) {
	plan := Plan{Kind: RemovePeer, RegionID: r.ID, Epoch: r.Epoch}
	full := s.full()
	if r.Held || voters < full {
		return plan, false // a learner may be about to be promoted
	}
	var fullest *metapb.Peer
	for _, p := range r.Peers {
		if p.Role != metapb.PeerRole_VOTER {
			plan.From, plan.Reason = p.StoreId, fmt.Sprintf("%d voters are enough, the learner is left over", voters)
			return plan, true
		}
		if p.StoreId != r.Leader && (fullest == nil || s.store(p.StoreId).Replicas > s.store(fullest.StoreId).Replicas) {
			fullest = p
		}
	}
	if voters <= full || fullest == nil {
		return plan, false
	}
	plan.From, plan.Reason = fullest.StoreId, fmt.Sprintf("%d voters, %d are wanted", voters, full)
	return plan, true
}

// incomingMax is how many replicas a store may be filling at once: it installs one
// raft snapshot after the other anyway.
const incomingMax = 2

// heir returns the store that takes a replica over: one that holds a learner which
// follows, else the emptiest without a peer; 0 if there is none now.
func (s *Snapshot) heir(r *Region, incoming map[uint64]int) uint64 {
	for _, p := range r.Peers {
		if st := s.store(p.StoreId); p.Role == metapb.PeerRole_LEARNER && st != nil && st.Live && st.Accepts &&
			!r.Pending[p.StoreId] && !r.Down[p.StoreId] {
			return p.StoreId
		}
	}
	var best *Store
	for i := range s.Stores {
		st := &s.Stores[i]
		if !st.Live || !st.Accepts || r.on(st.ID) != nil || st.Incoming+incoming[st.ID] >= incomingMax {
			continue
		}
		if best == nil || st.Replicas+incoming[st.ID] < best.Replicas+incoming[best.ID] {
			best = st
		}
	}
	if best == nil {
		return 0
	}
	return best.ID
}

// Evict plans to move leaders off stores that drain or leave.
func Evict(s *Snapshot) []Plan {
	leaders := map[uint64]int{}
	for _, st := range s.Stores {
		leaders[st.ID] = st.Leaders
	}
	var plans []Plan
	for i := range s.Regions {
		r := &s.Regions[i]
		from := s.store(r.Leader)
		if from == nil || !from.Draining && !from.Leaving || r.Busy || r.joint() {
			continue
		}
		var to uint64
		for _, p := range r.Peers {
			st := s.store(p.StoreId)
			if p.Role != metapb.PeerRole_VOTER || st == nil || !st.Live || !st.Accepts || r.Pending[st.ID] || r.Down[st.ID] {
				continue
			}
			if to == 0 || leaders[st.ID] < leaders[to] {
				to = st.ID
			}
		}
		if to == 0 {
			continue
		}
		leaders[to]++
		why := "drains"
		if from.Leaving {
			why = "leaves the cluster"
		}
		plans = append(plans, Plan{Kind: TransferLeader, RegionID: r.ID, Epoch: r.Epoch, From: r.Leader, To: to,
			Reason: fmt.Sprintf("store %d %s", r.Leader, why)})
	}
	return plans
}

// Blocker says what keeps a leaving store from getting rid of its replicas, "" if
// nothing does.
func Blocker(s *Snapshot, store uint64) string {
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.on(store) == nil || r.Busy {
			continue
		}
		if r.Leader == 0 {
			return fmt.Sprintf("region %d has no leader: no quorum of its replicas answers", r.ID)
		}
		if r.joint() {
			continue
		}
		free := 0
		for _, st := range s.Stores {
			if st.Live && st.Accepts && (r.on(st.ID) == nil || r.on(st.ID).Role == metapb.PeerRole_LEARNER) {
				free++
			}
		}
		good := 0
		for _, p := range r.Peers {
			if p.Role == metapb.PeerRole_VOTER && s.gone(p.StoreId) == "" {
				good++
			}
		}
		if p := r.on(store); p.Role == metapb.PeerRole_VOTER && free == 0 && good < s.full() {
			return fmt.Sprintf("region %d would be left with %d voters, and no other live node can take one: start another node", r.ID, good)
		}
	}
	return ""
}
