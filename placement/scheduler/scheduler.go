// Package scheduler decides what placement should do: pure functions from a
// snapshot of the cluster to plans with reasons. They hold no state, start
// nothing and read no clock, so the same code runs live, in explanations and in
// simulations.
//
//	Replicas   brings every region to the wanted number of voters
//	Repair     replaces replicas on stores that are down or leave, takes extra ones away
//	Evict      moves leaders off stores that drain or leave
//	Balance    spreads replicas by number and bytes
//	Leaders    spreads leaders evenly over the stores
//	Merges     joins small neighbours
//	Settle     ends merges that nobody looks after
//
// Explain says of one region what each of them thinks of it.
//
// A plan carries the epoch of the region that it was made for; who carries it out
// drops it when the region has moved on.
package scheduler

import (
	"fmt"
	"sort"

	"github.com/quorate-db/quorate/proto/metapb"
)

// Kind of a plan.
type Kind string

// The kinds, with the names that people see.
const (
	AddPeer        Kind = "add-peer"        // add a learner on To; it is promoted by a later plan
	Promote        Kind = "promote"         // make all caught-up learners voters, in one joint change
	TransferLeader Kind = "transfer-leader" // From → To
	MovePeer       Kind = "move-peer"       // From → To
	RemovePeer     Kind = "remove-peer"     // From
	Merge          Kind = "merge"           // Source into RegionID, its left neighbour
	SettleMerge    Kind = "settle-merge"    // end a merge that nobody looks after
)

// Store is a store as the schedulers see it.
type Store struct {
	ID       uint64
	Live     bool // reports within the last seconds
	Accepts  bool // may be given replicas and leaders: up, neither draining nor leaving
	Down     bool // silent for so long that its replicas are replaced
	Draining bool // its leaders are to go
	Leaving  bool // everything that it holds is to go
	Replicas int  // peers of regions of the snapshot
	Leaders  int
	Incoming int // replicas that running operators give to it
}

// Region is a region as the schedulers see it.
type Region struct {
	ID      uint64
	Epoch   *metapb.Epoch
	Peers   []*metapb.Peer
	Leader  uint64 // store; 0 while unknown
	Size    uint64 // bytes, about
	Pending map[uint64]bool
	Down    map[uint64]bool
	Busy    bool // an operator works on it
	Held    bool // somebody chose its leader by hand a moment ago
	// Sticky: somebody asked for the boundary at its start.
	Sticky bool
	// Rested: its range has not changed for so long that a merge undoes no split of
	// just now.
	Rested bool
	// MergesInto is the region that it is being merged into, 0: it is not. Stuck says
	// that this goes on for too long.
	MergesInto uint64
	Stuck      bool
	// Costly: a change of its leader interrupts more than the region itself, as
	// that of the placement group does.
	Costly bool
}

// Snapshot is the cluster at one moment. Regions are ordered by start key.
type Snapshot struct {
	Stores  []Store
	Regions []Region
	// ReplicasWanted is the number of voters of a region when there are stores
	// enough, 3 unless configured.
	ReplicasWanted int
	// MergeBelow is the size in bytes below which two neighbours together are merged,
	// 0: never.
	MergeBelow uint64
}

// Plan is one operator to be made.
type Plan struct {
	Kind     Kind
	RegionID uint64
	Epoch    *metapb.Epoch
	From, To uint64
	Peers    []*metapb.Peer // Promote: the learners
	Source   uint64         // Merge
	Reason   string
}

// Regions returns the regions that a plan concerns.
func (p *Plan) Regions() []uint64 {
	if p.Source != 0 {
		return []uint64{p.RegionID, p.Source}
	}
	return []uint64{p.RegionID}
}

func (s *Snapshot) store(id uint64) *Store {
	for i := range s.Stores {
		if s.Stores[i].ID == id {
			return &s.Stores[i]
		}
	}
	return nil
}

func (s *Snapshot) usable() (n int) {
	for _, st := range s.Stores {
		if st.Live && st.Accepts {
			n++
		}
	}
	return n
}

func (r *Region) on(store uint64) *metapb.Peer {
	for _, p := range r.Peers {
		if p.StoreId == store {
			return p
		}
	}
	return nil
}

func (r *Region) joint() bool {
	for _, p := range r.Peers {
		if p.Role == metapb.PeerRole_INCOMING_VOTER || p.Role == metapb.PeerRole_OUTGOING_VOTER {
			return true
		}
	}
	return false
}

// Replicas plans at most one step for each region that has fewer voters than
// wanted. A cluster of two stores keeps one voter and a learner: a second voter
// would only lower availability. From three stores up, the learners become voters
// in one joint change, so a region never rests at two voters.
func Replicas(s *Snapshot) []Plan {
	want := s.ReplicasWanted
	if want <= 0 {
		want = 3
	}
	members := min(want, s.usable())
	placed := map[uint64]int{} // replicas that this round adds
	var plans []Plan
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.Busy || r.Leader == 0 || r.joint() {
			continue
		}
		voters := 0
		liveLearners := 0
		var ready []*metapb.Peer
		for _, p := range r.Peers {
			if p.Role == metapb.PeerRole_VOTER {
				voters++
				continue
			}
			// A learner on a dead store counts for nothing: another one takes
			// its place.
			if st := s.store(p.StoreId); st != nil && st.Live && !r.Down[p.StoreId] {
				liveLearners++
				if !r.Pending[p.StoreId] {
					ready = append(ready, p)
				}
			}
		}
		if voters >= want {
			continue
		}
		if n := voters + len(ready); n >= want && len(ready) > 0 {
			plans = append(plans, Plan{Kind: Promote, RegionID: r.ID, Epoch: r.Epoch, Peers: ready[:want-voters],
				Reason: fmt.Sprintf("%d voters of %d, %d learners have caught up", voters, want, len(ready))})
			continue
		}
		if voters+liveLearners >= members {
			continue
		}
		to := emptiest(s, r, placed)
		if to == 0 {
			continue
		}
		placed[to]++
		plans = append(plans, Plan{Kind: AddPeer, RegionID: r.ID, Epoch: r.Epoch, To: to,
			Reason: fmt.Sprintf("%d replicas of %d", voters+liveLearners, members)})
	}
	return plans
}

// emptiest returns the usable store without a peer of r that has the fewest
// replicas, 0 if there is none.
func emptiest(s *Snapshot, r *Region, placed map[uint64]int) uint64 {
	var best uint64
	bestN := 0
	for _, st := range s.Stores {
		if !st.Live || !st.Accepts || r.on(st.ID) != nil {
			continue
		}
		if n := st.Replicas + placed[st.ID]; best == 0 || n < bestN {
			best, bestN = st.ID, n
		}
	}
	return best
}

// leaderPlansMax bounds the transfers of one round, several times what runs at once:
// each plan may look at all regions.
const leaderPlansMax = 64

// Leaders plans transfers from the store with the most leaders to the one with
// the fewest until they are at most one apart. It moves leaders to voters only
// that live and have caught up, leaves alone what is held, and takes a costly
// region only where no other will do.
func Leaders(s *Snapshot) []Plan {
	count := map[uint64]int{}
	var ids []uint64
	for _, st := range s.Stores {
		if st.Live && st.Accepts {
			count[st.ID] = 0
			ids = append(ids, st.ID)
		}
	}
	for i := range s.Regions {
		if l := s.Regions[i].Leader; l != 0 {
			if _, ok := count[l]; ok {
				count[l]++
			}
		}
	}
	moved := map[uint64]bool{}
	var plans []Plan
	for len(ids) > 1 && len(plans) < leaderPlansMax {
		sort.Slice(ids, func(i, j int) bool {
			if count[ids[i]] != count[ids[j]] {
				return count[ids[i]] < count[ids[j]]
			}
			return ids[i] < ids[j]
		})
		plan, ok := Plan{}, false
		from := ids[len(ids)-1]
		for _, to := range ids {
			if count[from]-count[to] < 2 {
				break
			}
			if r := s.leaderToMove(from, to, moved); r != nil {
				plan, ok = Plan{Kind: TransferLeader, RegionID: r.ID, Epoch: r.Epoch, From: from, To: to,
					Reason: fmt.Sprintf("store %d leads %d regions, store %d leads %d", from, count[from], to, count[to])}, true
				break
			}
		}
		if !ok {
			break
		}
		moved[plan.RegionID] = true
		count[plan.From]--
		count[plan.To]++
		plans = append(plans, plan)
	}
	return plans
}

// leaderToMove returns a region that from leads and to could lead, nil if there is
// none.
func (s *Snapshot) leaderToMove(from, to uint64, moved map[uint64]bool) *Region {
	var costly *Region
	for i := range s.Regions {
		r := &s.Regions[i]
		if r.Leader != from || r.Busy || r.Held || moved[r.ID] || r.joint() {
			continue
		}
		p := r.on(to)
		if p == nil || p.Role != metapb.PeerRole_VOTER || r.Pending[to] || r.Down[to] {
			continue
		}
		if !r.Costly {
			return r
		}
		costly = r
	}
	return costly
}
