package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// virtualClock is a clock that tests move by hand.
type virtualClock struct{ now time.Time }

func (c *virtualClock) Now() time.Time                     { return c.now }
func (c *virtualClock) NewTimer(time.Duration) env.Timer   { panic("no timers in manual mode") }
func (c *virtualClock) NewTicker(time.Duration) env.Ticker { panic("no tickers in manual mode") }
func newVirtualClock() *virtualClock                       { return &virtualClock{now: time.Unix(1_700_000_000, 0)} }

// cluster is some stores in manual mode on one goroutine and a virtual clock.
type cluster struct {
	t      testing.TB
	clock  *virtualClock
	net    *transport.LocalNetwork
	stores map[uint64]*node
	ts     timestamp.Timestamp
	noTS   bool // the oracle gives errors
	ids    uint64
	// cut says which messages get lost.
	cut func(env *multiraft.Envelope) bool
	// catch takes messages out of the network, to be delivered later.
	catch func(f *filterTransport, env *multiraft.Envelope) bool
	// observer of all stores.
	observer replica.Observer
	split    int64 // SplitSizeBytes
	logs     int64 // LogBudgetBytes
	load     int   // LoadSplitRequests
	noLeases bool
	raft     multiraft.RaftSettings
	oldLocks int // told of, in all
}

type node struct {
	c     *cluster
	id    uint64
	fs    *engine.MemFS
	eng   *Engines
	s     *Store
	tr    *filterTransport
	clock env.Clock
	fatal error
	// suspects are the stores that OnSuspected was called with.
	suspects []uint64
	wrap     func(engine.FS) engine.FS // nil: none
}

// filterTransport loses messages.
type filterTransport struct {
	multiraft.Transport
	c *cluster
}

func (f *filterTransport) Send(e *multiraft.Envelope) {
	if f.c.catch != nil && f.c.catch(f, e) {
		return
	}
	if f.c.cut != nil && f.c.cut(e) {
		return
	}
	f.Transport.Send(e)
}

func (f *filterTransport) SendSnapshot(ctx context.Context, to uint64, h multiraft.SnapshotHeader, rate int64, chunks func() ([]byte, error)) error {
	if f.c.cut != nil && f.c.cut(h.Envelope) {
		return errors.New("cut")
	}
	return f.Transport.SendSnapshot(ctx, to, h, rate, chunks)
}

func newCluster(t testing.TB, n int) *cluster {
	clock := newVirtualClock()
	c := &cluster{
		t: t, clock: clock, net: transport.NewLocalNetwork(clock), stores: make(map[uint64]*node),
		ts: timestamp.Make(1000, 0), ids: 1000,
	}
	for id := uint64(1); id <= uint64(n); id++ {
		c.stores[id] = &node{c: c, id: id, fs: engine.NewCrashableMemFS(), clock: clock}
	}
	t.Cleanup(func() {
		for _, n := range c.stores {
			n.stop()
		}
	})
	return c
}

func (c *cluster) AllocIDs(_ context.Context, n int) (uint64, error) {
	first := c.ids
	c.ids += uint64(n)
	return first, nil
}

func (c *cluster) timestamp() timestamp.Timestamp {
	c.ts++
	return c.ts
}

func (n *node) openEngines() {
	var fs engine.FS = n.fs
	if n.wrap != nil {
		fs = n.wrap(fs)
	}
	eng, err := OpenEngines(EngineOptions{Dir: "store", FS: fs, DeterministicForSim: true, MemTableBytes: 1 << 20})
	if err != nil {
		n.c.t.Fatalf("store %d: %v", n.id, err)
	}
	n.eng = eng
}

func (n *node) ident() Ident { return Ident{ClusterID: 7, StoreID: n.id, NodeID: n.id} }

func (n *node) start() {
	n.c.t.Helper()
	s, err := Open(n.eng, Options{
		Transport: func(r multiraft.Receiver, h multiraft.SnapshotHandler) (multiraft.Transport, error) {
			n.tr = &filterTransport{Transport: n.c.net.Join(n.id, r, h), c: n.c}
			return n.tr, nil
		},
		Timestamps: func(context.Context) (timestamp.Timestamp, error) {
			if n.c.noTS {
				return 0, errors.New("no oracle")
			}
			return n.c.timestamp(), nil
		},
		Clock: n.clock, Rand: env.SeededRand(n.id), Logger: slog.New(slog.DiscardHandler),
		Fatal:    func(err error) { n.fatal = err },
		Observer: n.c.observer, Manual: true, SnapshotBytesPerSecond: -1,
		OldLocks: func(l []mvcc.KeyLock) { n.c.oldLocks += len(l) },
		Splits:   n.c, SplitSizeBytes: n.c.split, LogBudgetBytes: n.c.logs, LoadSplitRequests: n.c.load, DisableLeases: n.c.noLeases, Raft: n.c.raft, Peers: testPeers{n},
		OnSuspected: func(store uint64) { n.suspects = append(n.suspects, store) },
	})
	if err != nil {
		n.c.t.Fatalf("store %d: %v", n.id, err)
	}
	n.s = s
}

// testPeers asks the other stores by a function call.
type testPeers struct{ n *node }

func (p testPeers) Stores() (out []uint64) {
	for _, id := range p.n.c.storeIDs() {
		if id != p.n.id && p.n.c.stores[id].s != nil {
			out = append(out, id)
		}
	}
	return out
}

func (p testPeers) Send(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error) {
	return p.n.c.stores[store].s.Send(ctx, req), nil
}

func (n *node) stop() {
	if n.s != nil {
		n.s.Close()
		n.s = nil
	}
	if n.eng != nil {
		n.eng.Close()
		n.eng = nil
	}
}

// crash loses what was not synced and leaves the store down.
func (n *node) crash() { n.crashKeeping(0, 1) }

// crashKeeping keeps each unsynced piece with the given probability in percent.
func (n *node) crashKeeping(percent int, seed uint64) {
	fs := engine.CrashClone(n.fs, percent, seed)
	n.stop()
	n.tr.Transport.(*transport.Local).Close()
	n.fs = fs
}

func (n *node) restart() {
	n.c.t.Helper()
	n.openEngines()
	n.start()
}

// bootstrap makes all regions on all stores, each with a voter on every store.
func (c *cluster) bootstrap(regions ...*metapb.Region) {
	c.t.Helper()
	for _, id := range c.storeIDs() {
		n := c.stores[id]
		n.openEngines()
		var own []*metapb.Region
		for _, r := range regions {
			if region.PeerOn(r, id) != nil {
				own = append(own, r)
			}
		}
		if err := Bootstrap(n.eng, n.ident(), own); err != nil {
			c.t.Fatal(err)
		}
		n.start()
	}
}

func (c *cluster) storeIDs() []uint64 {
	var ids []uint64
	for id := uint64(1); id <= uint64(len(c.stores)); id++ {
		ids = append(ids, id)
	}
	return ids
}

// userRegion is region 2 with voters on the given stores; the peer on store s has
// id 10+s.
func userRegion(stores ...uint64) *metapb.Region {
	var peers []*metapb.Peer
	for _, s := range stores {
		peers = append(peers, &metapb.Peer{Id: 10 + s, NodeId: s, StoreId: s})
	}
	return region.Initial(region.FirstUserID, []byte{2}, nil, peers...)
}

// settle polls all stores until nothing is left to do.
func (c *cluster) settle() {
	c.t.Helper()
	for i := 0; ; i++ {
		busy := false
		for _, id := range c.storeIDs() {
			if n := c.stores[id]; n.s != nil && n.s.Poll() {
				busy = true
			}
		}
		if !busy {
			return
		}
		if i > 100000 {
			c.t.Fatal("stores never come to rest")
		}
	}
}

// tick gives the store one tick, of which nobody must be left out who wants it.
func (n *node) tick() {
	n.c.t.Helper()
	n.s.Tick()
	if ids := n.s.Overslept(); len(ids) > 0 {
		n.c.t.Errorf("store %d: regions %v want a tick and get none", n.id, ids)
	}
}

// tick passes one tick everywhere and settles.
func (c *cluster) tick() {
	c.t.Helper()
	c.clock.now = c.clock.now.Add(multiraft.TickInterval)
	for _, id := range c.storeIDs() {
		if n := c.stores[id]; n.s != nil {
			n.tick()
			n.s.TickLiveness()
		}
	}
	c.settle()
}

// until ticks until cond holds.
func (c *cluster) until(what string, cond func() bool) {
	c.t.Helper()
	for i := 0; i < 200; i++ {
		if cond() {
			return
		}
		c.tick()
	}
	c.t.Fatalf("never: %s", what)
}

// leader waits for a leader of the region that may evaluate and returns its store.
func (c *cluster) leader(id uint64) *node {
	c.t.Helper()
	var found *node
	c.until(fmt.Sprintf("region %d has a leader", id), func() bool {
		var term uint64
		found = nil
		for _, sid := range c.storeIDs() {
			n := c.stores[sid]
			if n.s == nil {
				continue
			}
			if r := n.s.replica(id); r != nil {
				if i := r.Info(); i.Ready && i.Term > term {
					found, term = n, i.Term
				}
			}
		}
		return found != nil
	})
	return found
}

// request fills the header of a request to a region as the store knows it.
func (n *node) request(id uint64, cmd func(*kvpb.Request)) *kvpb.Request {
	n.c.t.Helper()
	req := &kvpb.Request{Header: &kvpb.Header{RegionId: id}}
	if r := n.s.replica(id); r != nil {
		req.Header.Epoch = r.Descriptor().GetEpoch()
	}
	cmd(req)
	return req
}

// begin sends a request and returns where the answer will be.
func (n *node) begin(req *kvpb.Request) **kvpb.Response {
	out := new(*kvpb.Response)
	n.s.SendAsync(req, func(r *kvpb.Response) {
		if *out != nil {
			n.c.t.Error("answered twice")
		}
		*out = r
	})
	return out
}

// call sends a request and waits for the answer.
func (n *node) call(req *kvpb.Request) *kvpb.Response {
	n.c.t.Helper()
	out := n.begin(req)
	n.c.settle()
	for i := 0; *out == nil && i < 100; i++ {
		n.c.tick()
	}
	if *out == nil {
		n.c.t.Fatalf("no answer to %v", req)
	}
	return *out
}

func (n *node) getReq(id uint64, key string, ts timestamp.Timestamp) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key), Read: &kvpb.ReadContext{ReadTs: uint64(ts)}}}
	})
}

func (n *node) putReq(id uint64, start timestamp.Timestamp, pairs ...string) *kvpb.Request {
	return n.request(id, func(r *kvpb.Request) {
		p := &kvpb.PrewriteRequest{StartTs: uint64(start), OnePc: true, Primary: []byte(pairs[0]), TtlMs: 3000}
		for i := 0; i < len(pairs); i += 2 {
			p.Mutations = append(p.Mutations, &kvpb.Mutation{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
		}
		r.Cmd = &kvpb.Request_Prewrite{Prewrite: p}
	})
}

// put commits in one phase and returns the commit timestamp.
func (n *node) put(id uint64, pairs ...string) timestamp.Timestamp {
	n.c.t.Helper()
	resp := n.call(n.putReq(id, n.c.timestamp(), pairs...))
	if resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0 {
		n.c.t.Fatalf("put %v at store %d: %v", pairs, n.id, resp)
	}
	ts := timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs())
	n.c.ts = max(n.c.ts, ts)
	return ts
}

func (n *node) get(id uint64, key string) string {
	n.c.t.Helper()
	resp := n.call(n.getReq(id, key, n.c.timestamp()))
	if resp.GetRegionError() != nil || resp.GetGet().GetError() != nil {
		n.c.t.Fatalf("get %s at store %d: %v", key, n.id, resp)
	}
	if !resp.GetGet().GetFound() {
		return ""
	}
	return string(resp.GetGet().GetValue())
}

func (n *node) wantGet(id uint64, key, want string) {
	n.c.t.Helper()
	if got := n.get(id, key); got != want {
		n.c.t.Fatalf("%s at store %d is %q, want %q", key, n.id, got, want)
	}
}

func (n *node) admin(id uint64, a *kvpb.AdminRequest) *kvpb.Response {
	n.c.t.Helper()
	return n.call(n.request(id, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: a} }))
}
