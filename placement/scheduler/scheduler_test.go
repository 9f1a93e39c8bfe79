package scheduler

import (
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
)

func voters(stores ...uint64) (ps []*metapb.Peer) {
	for _, s := range stores {
		ps = append(ps, &metapb.Peer{Id: 100 + s, StoreId: s, NodeId: s})
	}
	return ps
}

func learner(store uint64) *metapb.Peer {
	return &metapb.Peer{Id: 100 + store, StoreId: store, NodeId: store, Role: metapb.PeerRole_LEARNER}
}

func stores(n int) (ss []Store) {
	for i := 1; i <= n; i++ {
		ss = append(ss, Store{ID: uint64(i), Live: true, Accepts: true})
	}
	return ss
}

// Two stores: one voter and a learner, never two voters (a second voter would
// only lower availability).
func TestTwoStoresKeepOneVoter(t *testing.T) {
	s := &Snapshot{Stores: stores(2), Regions: []Region{{ID: 2, Peers: voters(1), Leader: 1}}}
	p := Replicas(s)
	if len(p) != 1 || p[0].Kind != AddPeer || p[0].To != 2 {
		t.Fatalf("%+v", p)
	}
	s.Regions[0].Peers = append(s.Regions[0].Peers, learner(2))
	if p := Replicas(s); len(p) != 0 {
		t.Fatalf("with its learner in place: %+v", p)
	}
}

// One to three voters goes in one joint change, and only when both learners have
// caught up.
func TestOneToThreeInOneStep(t *testing.T) {
	s := &Snapshot{Stores: stores(3), Regions: []Region{{ID: 2, Leader: 1,
		Peers: append(voters(1), learner(2), learner(3)), Pending: map[uint64]bool{3: true}}}}
	if p := Replicas(s); len(p) != 0 {
		t.Fatalf("a learner is behind: %+v", p)
	}
	s.Regions[0].Pending = nil
	p := Replicas(s)
	if len(p) != 1 || p[0].Kind != Promote || len(p[0].Peers) != 2 {
		t.Fatalf("%+v", p)
	}
}

// Regions that are busy, leaderless or between two configurations are left alone.
func TestReplicasLeavesOthersAlone(t *testing.T) {
	joint := voters(1, 2)
	joint[1].Role = metapb.PeerRole_INCOMING_VOTER
	s := &Snapshot{Stores: stores(3), Regions: []Region{
		{ID: 2, Peers: voters(1), Leader: 0},
		{ID: 3, Peers: voters(1), Leader: 1, Busy: true},
		{ID: 4, Peers: joint, Leader: 1},
		{ID: 5, Peers: voters(1, 2, 3), Leader: 1},
	}}
	if p := Replicas(s); len(p) != 0 {
		t.Fatalf("%+v", p)
	}
}

// Leaders end at most one apart, whatever the start, and never on a store that is
// down, leaving, behind, or no voter.
func TestLeadersSpread(t *testing.T) {
	s := &Snapshot{Stores: stores(4)}
	s.Stores[3].Live = false
	for id := uint64(1); id <= 10; id++ {
		s.Regions = append(s.Regions, Region{ID: id, Peers: voters(1, 2, 3, 4), Leader: 1})
	}
	count := map[uint64]int{1: 10}
	for _, p := range Leaders(s) {
		count[p.From]--
		count[p.To]++
	}
	if count[4] != 0 || count[1] > 4 || count[2] < 3 || count[3] < 3 {
		t.Fatalf("leaders %v", count)
	}
	for i := range s.Regions {
		s.Regions[i].Pending = map[uint64]bool{2: true, 3: true}
	}
	if p := Leaders(s); len(p) != 0 {
		t.Fatalf("moved a leader to a replica that is behind: %+v", p)
	}
}

// The placement group's leader moves only where no other region's will do, and a
// leader that was chosen by hand does not move.
func TestLeadersMovesWhatDisturbsLeast(t *testing.T) {
	s := &Snapshot{Stores: stores(3), Regions: []Region{
		{ID: 1, Peers: voters(1, 2, 3), Leader: 1, Costly: true},
		{ID: 2, Peers: voters(1, 2, 3), Leader: 1, Held: true},
		{ID: 3, Peers: voters(1, 2, 3), Leader: 1},
		{ID: 4, Peers: voters(1, 2, 3), Leader: 2},
	}}
	if p := Leaders(s); len(p) != 1 || p[0].RegionID != 3 || p[0].To != 3 {
		t.Errorf("with an ordinary region to move: %+v", p)
	}
	s.Regions[2].Busy = true
	if p := Leaders(s); len(p) != 1 || p[0].RegionID != 1 {
		t.Errorf("with the costly region alone: %+v", p)
	}
	s.Regions[0].Held = true
	if p := Leaders(s); len(p) != 0 {
		t.Errorf("with nothing but held ones: %+v", p)
	}
}
