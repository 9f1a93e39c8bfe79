package multiraft_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// simNet holds messages until step delivers one of them, and loses, repeats and
// reorders them as its random source says.
type simNet struct {
	rand                  env.Rand
	dropPercent, dupCount int
	queue                 []*multiraft.Envelope
	stores                map[uint64]*toyStore
	cut                   map[uint64]bool
}

func (n *simNet) Send(e *multiraft.Envelope) {
	if n.cut[e.FromStore] || n.cut[e.ToStore] || env.Intn(n.rand, 100) < n.dropPercent {
		return
	}
	n.queue = append(n.queue, e)
	if n.dupCount > 0 && env.Intn(n.rand, n.dupCount) == 0 {
		n.queue = append(n.queue, e)
	}
}

func (n *simNet) Flush() {}

func (n *simNet) SendSnapshot(context.Context, uint64, multiraft.SnapshotHeader, int64, func() ([]byte, error)) error {
	return errors.New("no snapshots here")
}

// step delivers one message, any of the first ten.
func (n *simNet) step(t testing.TB) bool {
	if len(n.queue) == 0 {
		return false
	}
	i := env.Intn(n.rand, min(len(n.queue), 10))
	e := n.queue[i]
	n.queue = slices.Delete(n.queue, i, i+1)
	// Through the codec: a message may be delivered twice, to stores that keep
	// what they are given.
	b, err := multiraft.AppendEnvelope(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := multiraft.DecodeEnvelope(b)
	if err != nil {
		t.Fatal(err)
	}
	n.stores[e.ToStore].Receive(got)
	return true
}

// simulation is a cluster on one goroutine.
type simulation struct {
	*toyCluster
	net  *simNet
	rand env.Rand
	hash interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	leaders map[[2]uint64]uint64 // group and term to peer
}

func newSimulation(t testing.TB, seed uint64, o toyOptions) *simulation {
	s := &simulation{rand: env.SeededRand(seed), hash: fnv.New64a(), leaders: map[[2]uint64]uint64{}}
	s.net = &simNet{rand: env.SeededRand(seed + 1), stores: map[uint64]*toyStore{}, cut: map[uint64]bool{}}
	o.manual, o.seed = true, seed
	o.trace = func(format string, args ...any) { fmt.Fprintf(s.hash, format+"\n", args...) }
	s.toyCluster = newToyCluster(t, o, func(st *toyStore) multiraft.Transport {
		s.net.stores[st.id] = st
		return s.net
	})
	return s
}

// step lets one random thing happen.
func (s *simulation) step() {
	st := s.stores[env.Intn(s.rand, len(s.stores))]
	switch r := env.Intn(s.rand, 100); {
	case r < 2:
		st.drv.TickAll()
	case r < 40:
		st.drv.PollRound()
	case r < 60:
		st.drv.FlushLog()
	default:
		s.net.step(s.t)
	}
	s.check(st)
}

// quiet runs until nothing is left to do, without ticks.
func (s *simulation) quiet() {
	for busy := true; busy; {
		busy = s.net.step(s.t)
		for _, st := range s.stores {
			for st.drv.PollRound() {
				busy = true
			}
			busy = st.drv.FlushLog() || busy
		}
	}
}

// check holds two of the Raft properties over what a store shows: one leader in
// a term, and the same list of commands everywhere.
func (s *simulation) check(st *toyStore) {
	for id, g := range st.groups {
		if b := g.node.BasicStatus(); b.RaftState == raft.StateLeader {
			k := [2]uint64{id, b.HardState.GetTerm()}
			if old, ok := s.leaders[k]; ok && old != g.peer {
				s.t.Fatalf("group %d has two leaders in term %d: %d and %d", id, k[1], old, g.peer)
			}
			s.leaders[k] = g.peer
		}
		mine := st.applied(id)
		for _, other := range s.stores {
			theirs := other.applied(id)
			n := min(len(mine), len(theirs))
			if !slices.Equal(mine[:n], theirs[:n]) {
				s.t.Fatalf("group %d: store %d applied %q, store %d %q", id, st.id, mine, other.id, theirs)
			}
		}
	}
}

func (s *simulation) elect() {
	s.t.Helper()
	for range 400 {
		for _, st := range s.stores {
			st.drv.TickAll()
		}
		s.quiet()
		if !slices.ContainsFunc(s.stores[0].ids, func(g uint64) bool { return s.leader(g) == nil }) {
			return
		}
	}
	s.t.Fatal("no leaders")
}

// With messages lost, repeated and reordered, a store cut off for a while, and
// every interleaving of ticks, rounds and syncs that the seeds bring, there is one
// leader in a term, lists never differ, and once the network heals everything
// proposed then commits everywhere.
func TestSimulationUnderFaults(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			s := newSimulation(t, seed, toyOptions{stores: 3, groups: 3})
			s.net.dropPercent, s.net.dupCount = 5, 10
			for i := range 12000 {
				if i%40 == 0 {
					g := s.stores[0].ids[env.Intn(s.rand, 3)]
					if l := s.leader(g); l != nil {
						l.propose(g, fmt.Sprintf("early%d", i))
					}
				}
				if i%3000 == 1500 {
					s.net.cut[uint64(i/3000%3+1)] = true
				}
				if i%3000 == 0 {
					clear(s.net.cut)
				}
				s.step()
			}
			if len(s.leaders) == 0 {
				t.Fatal("nobody was ever elected: the run proves nothing")
			}
			clear(s.net.cut)
			s.net.dropPercent = 0
			s.elect()
			for _, g := range s.stores[0].ids {
				s.leader(g).propose(g, "last")
			}
			for range 40 {
				for _, st := range s.stores {
					st.drv.TickAll()
				}
				s.quiet()
				for _, st := range s.stores {
					s.check(st)
				}
			}
			for _, st := range s.stores {
				for _, g := range st.ids {
					if got := st.applied(g); len(got) == 0 || got[len(got)-1] != "last" {
						t.Errorf("store %d group %d applied %q", st.id, g, got)
					}
				}
			}
		})
	}
}

// The same seed gives the same run, down to the work of every group in every
// round, elections included; another seed gives another.
func TestSimulationRepeats(t *testing.T) {
	run := func(seed uint64) (uint64, int) {
		s := newSimulation(t, seed, toyOptions{stores: 3, groups: 5})
		s.net.dropPercent, s.net.dupCount = 5, 10
		for i := range 8000 {
			if i%50 == 0 {
				g := s.stores[0].ids[env.Intn(s.rand, 5)]
				if l := s.leader(g); l != nil {
					l.propose(g, fmt.Sprint("p", i))
				}
			}
			s.step()
		}
		return s.hash.Sum64(), len(s.leaders)
	}
	a, elections := run(1)
	if elections == 0 {
		t.Fatal("nobody was ever elected: the run proves nothing")
	}
	if b, _ := run(1); a != b {
		t.Error("two runs of one seed differ")
	}
	if c, _ := run(2); a == c {
		t.Error("runs of two seeds are equal")
	}
}

// realLog is the store's Raft log on an engine.
type realLog struct {
	multiraft.LogStore
	t testing.TB
	s *raftlog.LogStore
}

func newRealLog(t testing.TB) *realLog {
	t.Helper()
	eng, err := engine.Open("log", engine.Options{
		Kind: engine.LogEngine, FS: engine.NewMemFS(), MemTableBytes: 4 << 20, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	s, err := raftlog.Open(eng, raftlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &realLog{LogStore: multiraft.RaftLog(s), t: t, s: s}
}

func (l *realLog) storage(group uint64, cs *raftpb.ConfState) raft.Storage {
	l.t.Helper()
	if err := l.s.ResetTo(group, 1, 1); err != nil {
		l.t.Fatal(err)
	}
	g, err := l.s.Group(group)
	if err != nil {
		l.t.Fatal(err)
	}
	g.SetConfState(cs)
	return g
}

// A round of twenty groups, one proposal each, costs every store one sync, on the
// real log store.
func TestOneSyncPerRound(t *testing.T) {
	const groups = 20
	s := newSimulation(t, 3, toyOptions{stores: 3, groups: groups, log: func(uint64) toyLog { return newRealLog(t) }})
	s.elect()
	// All leaders on one store, so that its round has all groups.
	first := s.stores[0]
	for _, g := range first.ids {
		if l := s.leader(g); l != first {
			l.groups[g].node.TransferLeader(toyPeer(g, first.id))
			l.drv.Enqueue(g, multiraft.Ready)
		}
	}
	s.quiet()
	before := first.drv.Metrics()
	for _, g := range first.ids {
		if !first.leads(g) {
			t.Fatalf("group %d is not led by store 1", g)
		}
		first.propose(g, "x")
	}
	for first.drv.PollRound() {
	}
	first.drv.FlushLog()
	m := first.drv.Metrics()
	if batches, syncs := m.LogBatches-before.LogBatches, m.LogSyncs-before.LogSyncs; batches != 1 || syncs != 1 {
		t.Errorf("%d batches and %d syncs for one round", batches, syncs)
	}
	if n := m.LogEntries - before.LogEntries; n != groups {
		t.Errorf("%d entries for %d proposals", n, groups)
	}
	follower := s.stores[1]
	before = follower.drv.Metrics()
	for s.net.step(t) {
	}
	for follower.drv.PollRound() {
	}
	follower.drv.FlushLog()
	if m := follower.drv.Metrics(); m.LogSyncs-before.LogSyncs != 1 {
		t.Errorf("%d syncs at the follower", m.LogSyncs-before.LogSyncs)
	}
	s.quiet()
	for _, st := range s.stores {
		for _, g := range st.ids {
			if got := st.applied(g); !slices.Equal(got, []string{"x"}) {
				t.Errorf("store %d group %d applied %q", st.id, g, got)
			}
		}
	}
}
