package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
)

func explained(t *testing.T, s *Snapshot, id uint64) *Explain {
	t.Helper()
	x, ok := NewExplain(s, id, Notes{Busy: map[uint64]string{2: "operator 7 (merge) runs"}, Rests: map[uint64]string{2: "its range changed 12s ago"},
		Stores: map[uint64]string{3: "node 3 is silent since 10:00"}})
	if !ok {
		t.Fatalf("region %d is not in the snapshot", id)
	}
	return x
}

// Each thing that keeps two neighbours apart is named, and the boundary of a SPLIT AT
// with the command that lets go of it.
func TestExplainNamesWhatKeepsNeighboursApart(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name   string
		change func(s *Snapshot, r []Region)
		state  string
		why    string
	}{
		{"small neighbours", func(*Snapshot, []Region) {}, Plans, "hold 2.0 MB together, less than 20.0 MB"},
		{"never", func(s *Snapshot, _ []Region) { s.MergeBelow = 0 }, Content, "region-merge-size is 0"},
		{"a boundary that is kept", func(_ *Snapshot, r []Region) { r[1].Sticky = true }, Content, "SPLIT AT"},
		{"large together", func(_ *Snapshot, r []Region) { r[0].Size, r[1].Size = 12*mb, 9*mb }, Content, "21.0 MB together, below 20.0 MB"},
		{"split a moment ago", func(_ *Snapshot, r []Region) { r[1].Rested = false }, Waits, "region 2: its range changed 12s ago"},
		{"an operator works on one", func(_ *Snapshot, r []Region) { r[1].Busy = true }, Waits, "operator 7 (merge) runs"},
		{"moved by hand", func(_ *Snapshot, r []Region) { r[0].Held = true }, Waits, "by hand"},
		{"the region of placement", func(_ *Snapshot, r []Region) { r[0].Costly = true }, Content, "region 1 holds the state of placement"},
		{"no leader", func(_ *Snapshot, r []Region) { r[1].Leader = 0 }, Waits, "no leader"},
		{"a peer that lags", func(_ *Snapshot, r []Region) { r[1].Pending = map[uint64]bool{2: true} }, Waits, "lags"},
		{"a store away", func(s *Snapshot, _ []Region) { s.Stores[2].Live = false }, Waits, "node 3 is silent since 10:00"},
		{"a learner", func(_ *Snapshot, r []Region) { r[0].Peers = append(voters(1, 2), learner(3)) }, Waits, "node 3 is no voter"},
		{"one replica short", func(_ *Snapshot, r []Region) { r[0].Peers = r[0].Peers[:2] }, Waits, "fewer replicas"},
		{"being merged", func(_ *Snapshot, r []Region) { r[1].MergesInto = 1 }, Waits, "being merged into region 1"},
	} {
		s := &Snapshot{Stores: stores(3), ReplicasWanted: 3, MergeBelow: 20 * mb}
		for id := range uint64(2) {
			s.Regions = append(s.Regions, Region{ID: id + 1, Peers: voters(1, 2, 3), Leader: 1, Rested: true, Size: mb})
		}
		c.change(s, s.Regions)
		right, left := explained(t, s, 1).Merge()
		if right.State != c.state || !strings.Contains(right.Why, c.why) || left != (Verdict{}) {
			t.Errorf("%s: %+v, want %s … %s", c.name, right, c.state, c.why)
		}
		if _, again := explained(t, s, 2).Merge(); again.State != c.state {
			t.Errorf("%s: seen from the right it is %+v", c.name, again)
		}
	}
}

// Why a replica is missing, and what would bring it.
func TestExplainMissingReplicas(t *testing.T) {
	for _, c := range []struct {
		name  string
		snap  *Snapshot
		state string
		why   string
	}{
		{"whole", &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1, 2, 3)}}}, Content, "3 of 3 voters"},
		{"alone", &Snapshot{Stores: stores(1), Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1)}}}, Blocked, "1 nodes can hold replicas"},
		{"two nodes", &Snapshot{Stores: stores(2), Regions: []Region{{ID: 2, Leader: 1, Peers: append(voters(1), learner(2))}}}, Blocked, "two voters are worse than one"},
		{"a new node", &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1)}}}, Plans, "add-peer: 1 replicas of 3"},
		{"catching up", &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Leader: 1, Peers: append(voters(1), learner(2), learner(3)),
			Pending: map[uint64]bool{2: true, 3: true}}}}, Waits, "the replica on node 2 catches up"},
		{"busy", &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1), Busy: true}}}, Waits, "operator 7"},
		{"silent", &Snapshot{Stores: []Store{{ID: 1, Live: true, Accepts: true}, {ID: 2, Live: true, Accepts: true}, {ID: 3, Accepts: true}},
			Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1, 2, 3), Down: map[uint64]bool{3: true}}}}, Waits, "node 3 is silent since 10:00"},
		{"nobody takes it over", &Snapshot{Stores: []Store{{ID: 1, Live: true, Accepts: true}, {ID: 2, Live: true, Accepts: true}, {ID: 3, Leaving: true, Live: true}},
			Regions: []Region{{ID: 2, Leader: 1, Peers: voters(1, 2, 3)}}}, Blocked, "node 3 leaves the cluster"},
		{"no leader", &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Peers: voters(1)}}}, Blocked, "no leader"},
	} {
		if v := explained(t, c.snap, 2).Replicas(); v.State != c.state || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s: %+v, want %s … %s", c.name, v, c.state, c.why)
		}
	}
}

// randomSnapshot is a cluster in any state.
func randomSnapshot(rnd *rand.Rand) *Snapshot {
	s := &Snapshot{ReplicasWanted: 3, MergeBelow: uint64(rnd.IntN(2)) * (20 << 20)}
	chance := func(n int) bool { return rnd.IntN(n) == 0 }
	for id := range uint64(1 + rnd.IntN(5)) {
		s.Stores = append(s.Stores, Store{ID: id + 1, Live: !chance(6), Accepts: !chance(8), Down: chance(10), Draining: chance(10), Leaving: chance(10), Incoming: rnd.IntN(3)})
	}
	for id := range uint64(1 + rnd.IntN(6)) {
		r := Region{ID: id + 1, Size: uint64(rnd.IntN(90 << 20)), Busy: chance(6), Held: chance(8), Sticky: chance(3), Rested: !chance(4), Costly: id == 0 && chance(2), Stuck: chance(3)}
		for _, i := range rnd.Perm(len(s.Stores))[:1+rnd.IntN(len(s.Stores))] {
			r.Peers = append(r.Peers, &metapb.Peer{Id: 100 + uint64(i), StoreId: s.Stores[i].ID, Role: []metapb.PeerRole{0, 0, 0, 0, 0, 1, 2}[rnd.IntN(7)]})
		}
		if !chance(8) {
			r.Leader = r.Peers[0].StoreId
		}
		if chance(5) {
			r.Pending = map[uint64]bool{r.Peers[rnd.IntN(len(r.Peers))].StoreId: true}
		}
		if chance(6) {
			r.Down = map[uint64]bool{r.Peers[rnd.IntN(len(r.Peers))].StoreId: true}
		}
		if chance(10) {
			r.MergesInto = 1 + uint64(rnd.IntN(6))
		}
		s.Regions = append(s.Regions, r)
	}
	for i := range s.Stores {
		for _, r := range s.Regions {
			if r.on(s.Stores[i].ID) != nil {
				s.Stores[i].Replicas++
			}
			if r.Leader == s.Stores[i].ID {
				s.Stores[i].Leaders++
			}
		}
	}
	return s
}

// In any state of a cluster an explanation says that a scheduler plans exactly when it
// does, and always says why.
func TestExplainAgreesWithThePlans(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		s := randomSnapshot(rnd)
		for _, r := range s.Regions {
			x, _ := NewExplain(s, r.ID, Notes{})
			right, left := x.Merge()
			verdicts := map[string]Verdict{"replicas": x.Replicas(), "evict": x.Evict(), "balance": x.Balance(), "leaders": x.Leaders(), "settle": x.Settle()}
			plans := map[string][]Plan{"replicas": append(Replicas(s), Repair(s)...), "evict": Evict(s), "balance": Balance(s), "leaders": Leaders(s), "settle": Settle(s)}
			for name, v := range verdicts {
				does := slices.ContainsFunc(plans[name], func(p Plan) bool { return slices.Contains(p.Regions(), r.ID) })
				if does != (v.State == Plans) || v.Why == "" {
					t.Fatalf("seed %d: %s of region %d plans: %v, but says %+v\n%s", seed, name, r.ID, does, v, snapText(s))
				}
			}
			merges := slices.ContainsFunc(Merges(s), func(p Plan) bool { return slices.Contains(p.Regions(), r.ID) })
			if merges != (right.State == Plans || left.State == Plans) {
				t.Fatalf("seed %d: merge of region %d: %v, but says %+v and %+v\n%s", seed, r.ID, merges, right, left, snapText(s))
			}
		}
	}
}

func snapText(s *Snapshot) string {
	var out strings.Builder
	for _, st := range s.Stores {
		fmt.Fprintf(&out, "%+v\n", st)
	}
	for _, r := range s.Regions {
		fmt.Fprintf(&out, "%+v\n", r)
	}
	return out.String()
}
