package multiraft_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// toyStore is a Processor whose groups replicate lists of strings.
type toyStore struct {
	id     uint64
	t      testing.TB
	drv    *multiraft.Driver
	state  *engine.Engine
	tr     multiraft.Transport
	groups map[uint64]*toyGroup
	ids    []uint64
	// changed is sent to, without waiting, whenever something was applied or a
	// leader changed.
	changed chan struct{}
	// trace, if set, gets a line per processed group.
	trace func(format string, args ...any)
	fatal chan error

	processed, unreachable atomic.Int64
}

type toyGroup struct {
	id, peer uint64
	node     *raft.RawNode
	timer    multiraft.ElectionTimer
	busy     atomic.Bool // being processed, to prove exclusivity

	mu struct {
		sync.Mutex
		inbox       []*raftpb.Message
		props       [][]byte
		unreachable []uint64
		transfer    uint64
		applied     []string
		leader      bool
		term        uint64
	}
}

// Peer ids: store s of group g is 10g+s.
func toyPeer(group, store uint64) uint64 { return group*10 + store }
func toyStoreOf(peer uint64) uint64      { return peer % 10 }

// toyLog makes the log of a store: where it is written, and the storage of each
// group, which starts at index 1 of term 1 with all stores as voters.
type toyLog interface {
	multiraft.LogStore
	storage(group uint64, cs *raftpb.ConfState) raft.Storage
}

type toyOptions struct {
	stores, groups int
	log            func(store uint64) toyLog // nil: memory
	manual         bool
	tick           time.Duration
	seed           uint64
	settings       multiraft.RaftSettings
	trace          func(format string, args ...any)
	workers        int
}

// newToyStore makes a store without a transport: see start.
func newToyStore(t testing.TB, id uint64, o toyOptions) *toyStore {
	t.Helper()
	eng, err := engine.Open("state", engine.Options{Kind: engine.StateEngine, FS: engine.NewMemFS(), MemTableBytes: 1 << 20, DeterministicForSim: o.manual})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	s := &toyStore{
		id: id, t: t, state: eng, groups: map[uint64]*toyGroup{}, trace: o.trace,
		changed: make(chan struct{}, 1), fatal: make(chan error, 8),
	}
	var log toyLog = newMemLog()
	if o.log != nil {
		log = o.log(id)
	}
	for g := uint64(1); g <= uint64(o.groups); g++ {
		cs := &raftpb.ConfState{}
		for st := range o.stores {
			cs.Voters = append(cs.Voters, toyPeer(g, uint64(st+1)))
		}
		peer := toyPeer(g, id)
		cfg := multiraft.RaftConfig(peer, log.storage(g, cs), 1, o.settings, slog.New(slog.DiscardHandler))
		node, err := raft.NewRawNode(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.groups[g] = &toyGroup{
			id: g, peer: peer, node: node,
			timer: multiraft.NewElectionTimer(env.SeededRand(o.seed<<16+peer), multiraft.RaftSettings{ElectionTicks: cfg.ElectionTick}),
		}
		s.ids = append(s.ids, g)
	}
	s.drv, err = multiraft.New(multiraft.Options{
		Log: log, State: eng, Transport: (*toyTransport)(s), Processor: s,
		Clock: env.SystemClock(), TickInterval: o.tick, Manual: o.manual, Workers: o.workers,
		Groups: func() []uint64 { return s.ids },
		Logger: slog.New(slog.DiscardHandler),
		Fatal:  func(err error) { s.fatal <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.drv.Stop)
	return s
}

// toyTransport lets a store's transport be set after its driver was made.
type toyTransport toyStore

func (t *toyTransport) Send(e *multiraft.Envelope) { t.tr.Send(e) }
func (t *toyTransport) Flush()                     { t.tr.Flush() }
func (t *toyTransport) SendSnapshot(ctx context.Context, to uint64, h multiraft.SnapshotHeader, rate int64, c func() ([]byte, error)) error {
	return t.tr.SendSnapshot(ctx, to, h, rate, c)
}

func (s *toyStore) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Process implements multiraft.Processor.
func (s *toyStore) Process(group uint64, work multiraft.Work, round *multiraft.Round) {
	g := s.groups[group]
	if g == nil {
		return
	}
	if !g.busy.CompareAndSwap(false, true) {
		s.t.Errorf("group %d of store %d is processed twice at once", group, s.id)
	}
	// Released after the callbacks: the group belongs to the worker until then.
	round.AfterApply(func() { g.busy.Store(false) })
	s.processed.Add(1)
	if work.Ticks > multiraft.MaxTicks {
		s.t.Errorf("%d ticks at once", work.Ticks)
	}
	if s.trace != nil {
		s.trace("store %d group %d %+v", s.id, group, work)
	}

	g.mu.Lock()
	inbox, props, unreachable, transfer := g.mu.inbox, g.mu.props, g.mu.unreachable, g.mu.transfer
	g.mu.inbox, g.mu.props, g.mu.unreachable, g.mu.transfer = nil, nil, nil, 0
	g.mu.Unlock()
	if transfer != 0 {
		g.node.TransferLeader(transfer)
	}
	for _, m := range inbox {
		g.timer.Stepped(m)
		_ = g.node.Step(m) // a stale answer is no fault
	}
	for _, p := range unreachable {
		g.node.ReportUnreachable(p)
	}
	for _, p := range props {
		_ = g.node.Propose(p) // dropped without a leader: the test asks again
	}
	for range work.Ticks {
		g.mu.Lock()
		leader := g.mu.leader
		g.mu.Unlock()
		g.timer.Tick(g.node, leader, true)
	}
	for g.node.HasReady() {
		s.ready(g, g.node.Ready(), round)
	}
}

func (s *toyStore) ready(g *toyGroup, rd raft.Ready, round *multiraft.Round) {
	if rd.SoftState != nil {
		g.mu.Lock()
		g.mu.leader = rd.SoftState.RaftState == raft.StateLeader
		g.mu.Unlock()
		s.notify()
	}
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			a := multiraft.Append{Group: g.id, Entries: m.GetEntries(), MustSync: rd.MustSync}
			if m.Term != nil {
				a.HardState = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
				g.mu.Lock()
				g.mu.term = m.GetTerm()
				g.mu.Unlock()
			}
			for _, r := range m.GetResponses() {
				if r.GetTo() == g.peer {
					a.Responses = append(a.Responses, r)
				} else {
					g.timer.Sending(r)
					a.Envelopes = append(a.Envelopes, s.envelope(g, r))
				}
			}
			round.Append(a)
		case raft.LocalApplyThread:
			var lines []string
			for _, e := range m.GetEntries() {
				if len(e.GetData()) > 0 {
					lines = append(lines, string(e.GetData()))
				}
				k := keys.RegionLocal(g.id, fmt.Sprintf("applied/%d", e.GetIndex()))
				if err := round.StateBatch().Set(k, e.GetData()); err != nil {
					s.t.Error(err)
				}
			}
			round.AfterApply(func() {
				g.mu.Lock()
				g.mu.applied = append(g.mu.applied, lines...)
				g.mu.Unlock()
				if s.trace != nil {
					s.trace("store %d group %d applied %q", s.id, g.id, lines)
				}
				for _, r := range m.GetResponses() {
					_ = g.node.Step(r)
				}
				s.drv.Enqueue(g.id, multiraft.Ready)
				s.notify()
			})
		default:
			round.Send(s.envelope(g, m))
		}
	}
}

func (s *toyStore) envelope(g *toyGroup, m *raftpb.Message) *multiraft.Envelope {
	return &multiraft.Envelope{
		RegionID: g.id, FromStore: s.id, ToStore: toyStoreOf(m.GetTo()),
		FromPeer: g.peer, ToPeer: m.GetTo(), Message: m,
	}
}

// Deliver implements multiraft.Processor.
func (s *toyStore) Deliver(group uint64, m *raftpb.Message) {
	g := s.groups[group]
	if g == nil {
		return
	}
	g.mu.Lock()
	g.mu.inbox = append(g.mu.inbox, m)
	g.mu.Unlock()
	s.drv.Enqueue(group, multiraft.Requests)
}

// Receive implements multiraft.Receiver.
func (s *toyStore) Receive(e *multiraft.Envelope) { s.Deliver(e.RegionID, e.Message) }

// ReportUnreachable implements multiraft.Receiver.
func (s *toyStore) ReportUnreachable(group, toPeer uint64) {
	s.unreachable.Add(1)
	g := s.groups[group]
	if g == nil {
		return
	}
	g.mu.Lock()
	g.mu.unreachable = append(g.mu.unreachable, toPeer)
	g.mu.Unlock()
	s.drv.Enqueue(group, multiraft.Requests)
}

// propose hands a proposal to the group, which drops it unless it leads.
func (s *toyStore) propose(group uint64, p string) {
	g := s.groups[group]
	g.mu.Lock()
	g.mu.props = append(g.mu.props, []byte(p))
	g.mu.Unlock()
	s.drv.Enqueue(group, multiraft.Requests)
}

// transfer asks the group's leader to hand over.
func (s *toyStore) transfer(group, peer uint64) {
	g := s.groups[group]
	g.mu.Lock()
	g.mu.transfer = peer
	g.mu.Unlock()
	s.drv.Enqueue(group, multiraft.Requests)
}

func (s *toyStore) count(group uint64) int {
	g := s.groups[group]
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mu.applied)
}

func (s *toyStore) leads(group uint64) bool {
	g := s.groups[group]
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.leader
}

func (s *toyStore) applied(group uint64) []string {
	g := s.groups[group]
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.mu.applied)
}

// toyCluster is several stores, joined by the caller.
type toyCluster struct {
	t      testing.TB
	stores []*toyStore
}

func newToyCluster(t testing.TB, o toyOptions, join func(*toyStore) multiraft.Transport) *toyCluster {
	t.Helper()
	c := &toyCluster{t: t}
	for id := range o.stores {
		c.stores = append(c.stores, newToyStore(t, uint64(id+1), o))
	}
	for _, s := range c.stores {
		s.tr = join(s)
	}
	for _, s := range c.stores {
		if err := s.drv.Start(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// leader returns the store that leads the group, or nil.
func (c *toyCluster) leader(group uint64) *toyStore {
	for _, s := range c.stores {
		if s.leads(group) {
			return s
		}
	}
	return nil
}

// waitFor returns when ok does, which is asked after every change.
func (c *toyCluster) waitFor(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-c.stores[0].changed:
		case <-poll.C:
		case <-deadline.C:
			c.t.Fatalf("waited too long: %s", what)
		}
	}
}

// commitEverywhere proposes n strings in every group until all stores have
// applied each, and checks that all stores applied the same list.
func (c *toyCluster) commitEverywhere(n int) {
	c.t.Helper()
	groups := c.stores[0].ids
	missing := func() (left int) {
		for _, g := range groups {
			for i := range n {
				p := fmt.Sprintf("g%d-%d", g, i)
				for _, s := range c.stores {
					if !slices.Contains(s.applied(g), p) {
						left++
					}
				}
			}
		}
		return left
	}
	ask := func() {
		for _, g := range groups {
			l := c.leader(g)
			if l == nil {
				continue
			}
			have := l.applied(g)
			for i := range n {
				if p := fmt.Sprintf("g%d-%d", g, i); !slices.Contains(have, p) {
					l.propose(g, p)
				}
			}
		}
	}
	last := time.Time{}
	c.waitFor("all proposals applied everywhere", func() bool {
		if missing() == 0 {
			return true
		}
		if time.Since(last) > 300*time.Millisecond {
			last = time.Now()
			ask()
		}
		return false
	})
	c.waitFor("all stores applied the same", func() bool {
		for _, g := range groups {
			want := c.stores[0].applied(g)
			for _, s := range c.stores[1:] {
				if !slices.Equal(want, s.applied(g)) {
					return false
				}
			}
		}
		return true
	})
}

// memLog keeps logs in memory and lets tests hold or fail the disk.
type memLog struct {
	mu struct {
		sync.Mutex
		groups map[uint64]*raft.MemoryStorage
	}
	syncs atomic.Int64
	// gate, if set, is called by Wait of a synced batch.
	gate atomic.Pointer[func() error]
}

func newMemLog() *memLog {
	l := &memLog{}
	l.mu.groups = map[uint64]*raft.MemoryStorage{}
	return l
}

func (l *memLog) storage(group uint64, cs *raftpb.ConfState) raft.Storage {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.mu.groups[group]
	if s == nil {
		s = raft.NewMemoryStorage()
		if err := s.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(uint64(1)), Term: new(uint64(1)), ConfState: cs,
		}}); err != nil {
			panic(err)
		}
		l.mu.groups[group] = s
	}
	return s
}

func (l *memLog) NewBatch() multiraft.LogBatch { return &memBatch{l: l} }

type memBatch struct {
	l    *memLog
	ops  []func() error
	sync bool
}

func (b *memBatch) Append(group uint64, hs *raftpb.HardState, es []*raftpb.Entry) error {
	b.l.mu.Lock()
	s := b.l.mu.groups[group]
	b.l.mu.Unlock()
	b.ops = append(b.ops, func() error {
		if hs != nil {
			if err := s.SetHardState(hs); err != nil {
				return err
			}
		}
		return s.Append(es)
	})
	return nil
}

func (b *memBatch) Commit(sync bool) error {
	for _, op := range b.ops {
		if err := op(); err != nil {
			return err
		}
	}
	if sync {
		b.l.syncs.Add(1)
	}
	b.sync = sync
	return nil
}

func (b *memBatch) Wait() error {
	if gate := b.l.gate.Load(); gate != nil && b.sync {
		return (*gate)()
	}
	return nil
}

func (b *memBatch) Close() error { return nil }

var _ io.Closer = (*memBatch)(nil)
