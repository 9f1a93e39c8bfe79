package scheduler

import (
	"fmt"

	"github.com/quorate-db/quorate/proto/metapb"
)

// balanceBytesFrom is the mean of bytes on a store from which sizes count: below it
// regions are small and their number is what costs.
const balanceBytesFrom = 64 << 20

// Balance plans to move replicas from the fullest store to the emptiest, by their
// number and bytes. A move is planned only if the two would still stand in the same
// order afterwards, with half the replica's own weight to spare. So every move makes
// the differences smaller, and there is none that undoes another.
func Balance(s *Snapshot) []Plan {
	b := newBalance(s)
	if len(b.ids) < 2 {
		return nil
	}
	var plans []Plan
	moved := map[uint64]bool{}
	used := map[uint64]bool{} // one move out of and into a store per round
	for {
		plan, ok := b.next(moved, used)
		if !ok {
			return plans
		}
		moved[plan.RegionID] = true
		used[plan.From], used[plan.To] = true, true
		plans = append(plans, plan)
	}
}

type balance struct {
	s     *Snapshot
	ids   []uint64
	score map[uint64]float64 // 2 is the mean
	count float64            // mean number of replicas
	bytes float64            // mean bytes, 0: do not count
}

func newBalance(s *Snapshot) *balance {
	b := &balance{s: s, score: map[uint64]float64{}}
	n := map[uint64]float64{}
	size := map[uint64]float64{}
	for _, st := range s.Stores {
		if st.Live && st.Accepts {
			b.ids = append(b.ids, st.ID)
			n[st.ID] = 0
		}
	}
	for i := range s.Regions {
		for _, p := range s.Regions[i].Peers {
			if _, ok := n[p.StoreId]; ok {
				n[p.StoreId]++
				size[p.StoreId] += float64(s.Regions[i].Size)
				b.count++
				b.bytes += float64(s.Regions[i].Size)
			}
		}
	}
	if len(b.ids) == 0 || b.count == 0 {
		b.ids = nil
		return b
	}
	b.count /= float64(len(b.ids))
	if b.bytes /= float64(len(b.ids)); b.bytes < balanceBytesFrom {
		b.bytes = 0
	}
	for _, id := range b.ids {
		b.score[id] = b.weight(n[id], size[id])
	}
	return b
}

// weight of some replicas and bytes, against the mean of a store.
func (b *balance) weight(replicas, bytes float64) float64 {
	if b.bytes == 0 {
		return 2 * replicas / b.count
	}
	return replicas/b.count + bytes/b.bytes
}

// slack is the difference between two stores that is left alone: a twentieth of the
// mean.
const slack = 0.1

func (b *balance) next(moved, used map[uint64]bool) (Plan, bool) {
	var best Plan
	bestGain, bestCost := 0.0, 0
	for _, from := range b.ids {
		for _, to := range b.ids {
			diff := b.score[from] - b.score[to]
			st := b.s.store(to)
			if from == to || used[from] || used[to] || diff <= slack || st.Incoming >= incomingMax {
				continue
			}
			for i := range b.s.Regions {
				r := &b.s.Regions[i]
				w := b.weight(1, float64(r.Size))
				if diff <= 2.5*w || moved[r.ID] || !b.s.movable(r, from, to) {
					continue
				}
				cost := 0
				if r.Leader == from {
					cost++
				}
				if r.Costly {
					cost += 2
				}
				// The sum of the squares falls by twice this.
				gain := w * (diff - w)
				if best.Kind == "" || cost < bestCost || cost == bestCost && gain > bestGain {
					bestGain, bestCost = gain, cost
					best = Plan{Kind: MovePeer, RegionID: r.ID, Epoch: r.Epoch, From: from, To: to,
						Reason: fmt.Sprintf("store %d is %.0f %% full of the mean, store %d %.0f %%", from, 50*b.score[from], to, 50*b.score[to])}
				}
			}
		}
	}
	return best, best.Kind != ""
}

// movable reports whether a region's voter may be moved without risk: nothing else
// is amiss with it.
func (s *Snapshot) movable(r *Region, from, to uint64) bool {
	if r.Busy || r.Held || r.Leader == 0 || r.joint() || len(r.Pending) > 0 || len(r.Down) > 0 || r.on(to) != nil {
		return false
	}
	p := r.on(from)
	if p == nil || p.Role != metapb.PeerRole_VOTER {
		return false
	}
	for _, q := range r.Peers {
		if q.Role != metapb.PeerRole_VOTER || s.gone(q.StoreId) != "" {
			return false
		}
	}
	return len(r.Peers) >= min(s.full(), s.usable())
}
