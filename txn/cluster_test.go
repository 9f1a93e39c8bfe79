package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/region/router"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// cluster stands in for a cluster: real MVCC on a memory file system, split into
// regions with leaders, behind a router's Sender. One mutex takes the place of
// latches, Raft and apply.
type cluster struct {
	t   testing.TB
	eng *engine.Engine

	mu      sync.Mutex
	regions []*fakeRegion // by start key
	nextID  uint64

	// hook is asked before and after a request runs; see fault. May be nil.
	hook atomic.Pointer[hookFunc]

	rows *locktable.Table

	// asyncKeysMax is what its clients are told.
	asyncKeysMax int

	tso     fakeTSO
	sent    atomic.Int64
	maxOnly atomic.Uint64 // limit of an entry in bytes; 0: none
}

type hookFunc func(phase phase, store uint64, req *kvpb.Request) fault

// setHook may be called while requests are under way.
func (c *cluster) setHook(f hookFunc) {
	if f == nil {
		c.hook.Store(nil)
		return
	}
	c.hook.Store(&f)
}

type phase int

const (
	before phase = iota
	after
)

// fault is what a hook does to a request.
type fault int

const (
	none      fault = iota
	lose            // before: never runs; after: ran; the sender learns nothing
	notLeader       // before: refused without a hint
	busy            // before: refused
	ambiguous       // after: ran, answered as ambiguous; before: did not run, answered so
	unsent          // before: the store is not reachable
)

type fakeRegion struct {
	meta   *metapb.Region
	leader uint64
	term   uint64
	maxTS  timestamp.Timestamp
	ready  time.Time // when the leader has its timestamp (rule D5)
}

var errNotReady = errors.New("the leader has no timestamp yet")

// fakeTSO issues timestamps from the clock of the bubble.
type fakeTSO struct {
	mu    sync.Mutex
	last  timestamp.Timestamp
	calls atomic.Int64
	fail  atomic.Bool
}

func (o *fakeTSO) Timestamp(ctx context.Context) (timestamp.Timestamp, error) {
	return o.AtLeast(ctx, 0)
}

func (o *fakeTSO) AtLeast(ctx context.Context, ts timestamp.Timestamp) (timestamp.Timestamp, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o.calls.Add(1)
	if o.fail.Load() {
		return 0, errors.New("oracle is away")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = max(o.last+1, timestamp.Make(time.Now().UnixMilli(), 0), ts+1)
	return o.last, nil
}

const stores = 3

// newCluster makes a cluster whose regions are cut at the given keys.
func newCluster(t testing.TB, cuts ...string) *cluster {
	t.Helper()
	eng, err := engine.Open("db", engine.Options{Kind: engine.StateEngine, FS: engine.NewMemFS(), DeterministicForSim: true, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, eng: eng, nextID: 2, rows: locktable.New(5 * time.Second)}
	c.regions = []*fakeRegion{c.newRegion("", "", 1)}
	for _, k := range cuts {
		c.split(k)
	}
	return c
}

func (c *cluster) close() {
	if err := c.eng.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) newRegion(start, end string, version uint64) *fakeRegion {
	id := c.nextID
	c.nextID++
	m := &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end), Epoch: &metapb.Epoch{ConfVer: 1, Version: version}}
	for s := uint64(1); s <= stores; s++ {
		m.Peers = append(m.Peers, &metapb.Peer{Id: id*10 + s, NodeId: s, StoreId: s})
	}
	return &fakeRegion{meta: m, leader: id%stores + 1, term: 1}
}

// split cuts a region at key; the left side keeps its id.
func (c *cluster) split(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.regions {
		if bytes.Compare(r.meta.StartKey, []byte(key)) < 0 && (len(r.meta.EndKey) == 0 || bytes.Compare([]byte(key), r.meta.EndKey) < 0) {
			version := r.meta.Epoch.Version + 1
			right := c.newRegion(key, string(r.meta.EndKey), version)
			right.maxTS = r.maxTS
			left := &metapb.Region{Id: r.meta.Id, StartKey: r.meta.StartKey, EndKey: []byte(key), Epoch: &metapb.Epoch{ConfVer: 1, Version: version}, Peers: r.meta.Peers}
			r.meta = left
			c.regions = append(c.regions[:i+1], append([]*fakeRegion{right}, c.regions[i+1:]...)...)
			return
		}
	}
}

// moveLeader gives every region another leader in a newer term.
func (c *cluster) moveLeaders() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.regions {
		r.leader, r.term = r.leader%stores+1, r.term+1
		// What the former leader served is known to nobody: a fresh timestamp covers
		// it, and until it is there nothing commits by max_ts.
		r.ready = time.Now().Add(3 * time.Millisecond)
		ts, err := c.tso.AtLeast(context.Background(), 0)
		if err != nil {
			ts = r.maxTS
		}
		r.maxTS = ts
	}
}

func (c *cluster) LookupKey(_ context.Context, key []byte) (router.Route, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := sort.Search(len(c.regions), func(i int) bool { return bytes.Compare(c.regions[i].meta.StartKey, key) > 0 }) - 1
	return router.Route{Region: c.regions[i].meta, LeaderStore: c.regions[i].leader, Term: c.regions[i].term}, nil
}

func (c *cluster) LookupID(_ context.Context, id uint64) (router.Route, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.regions {
		if r.meta.Id == id {
			return router.Route{Region: r.meta, LeaderStore: r.leader, Term: r.term}, nil
		}
	}
	return router.Route{}, fmt.Errorf("no region %d", id)
}

// client returns a client with a router of its own.
func (c *cluster) client(change func(*Options)) *Client {
	c.t.Helper()
	sys := env.System()
	r, err := router.New(router.Options{Directory: c, Sender: c, Clock: sys.Clock, Rand: env.SeededRand(1)})
	if err != nil {
		c.t.Fatal(err)
	}
	opts := Options{Router: r, Timestamps: &c.tso, Clock: sys.Clock, Rand: env.SeededRand(2), AsyncKeysMax: c.asyncKeysMax}
	if change != nil {
		change(&opts)
	}
	cl, err := New(opts)
	if err != nil {
		c.t.Fatal(err)
	}
	return cl
}

var errLost = errors.New("connection lost")

// Send implements router.Sender.
func (c *cluster) Send(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.sent.Add(1)
	ask := func(p phase) fault {
		if f := c.hook.Load(); f != nil {
			return (*f)(p, store, req)
		}
		return none
	}
	switch ask(before) {
	case lose:
		return nil, errLost
	case unsent:
		return nil, &router.NotSentError{StoreID: store, Err: errLost}
	case notLeader:
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_NotLeader{NotLeader: &kvpb.NotLeader{}}}), nil
	case busy:
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_ServerBusy{ServerBusy: &kvpb.ServerBusy{BackoffMs: 5}}}), nil
	case ambiguous:
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_Ambiguous{Ambiguous: &kvpb.Ambiguous{}}}), nil
	}
	c.mu.Lock()
	resp := c.serve(store, req)
	c.mu.Unlock()
	for resp == nil { // a row lock is not free
		if err := env.Sleep(ctx, env.SystemClock(), time.Millisecond); err != nil {
			return nil, err
		}
		c.mu.Lock()
		resp = c.serve(store, req)
		c.mu.Unlock()
	}
	switch ask(after) {
	case lose:
		return nil, errLost
	case ambiguous:
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_Ambiguous{Ambiguous: &kvpb.Ambiguous{}}}), nil
	}
	return resp, nil
}

func regionErr(e *kvpb.RegionError) *kvpb.Response { return &kvpb.Response{RegionError: e} }

// serve requires c.mu held.
func (c *cluster) serve(store uint64, req *kvpb.Request) *kvpb.Response {
	var r *fakeRegion
	for _, x := range c.regions {
		if x.meta.Id == req.GetHeader().GetRegionId() {
			r = x
		}
	}
	if r == nil {
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_RegionNotFound{RegionNotFound: &kvpb.RegionNotFound{}}})
	}
	if r.leader != store {
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_NotLeader{NotLeader: &kvpb.NotLeader{Leader: r.meta.Peers[r.leader-1], Term: r.term}}})
	}
	if req.GetHeader().GetEpoch().GetVersion() != r.meta.Epoch.Version {
		current := []*metapb.Region{}
		for _, x := range c.regions {
			current = append(current, x.meta)
		}
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_EpochNotMatch{EpochNotMatch: &kvpb.EpochNotMatch{Current: current}}})
	}
	ev := evaluation{c: c, r: r, b: c.eng.NewIndexedBatch()}
	defer ev.b.Close()
	resp, err := ev.run(req)
	if errors.Is(err, errNotReady) {
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_ServerBusy{ServerBusy: &kvpb.ServerBusy{BackoffMs: 2}}})
	}
	if err != nil {
		c.t.Errorf("evaluate %T: %v", req.GetCmd(), err)
		return regionErr(&kvpb.RegionError{Message: err.Error()})
	}
	if ev.failed || ev.b.Empty() {
		return resp
	}
	if limit := c.maxOnly.Load(); limit > 0 && uint64(ev.b.Len()) > limit {
		return regionErr(&kvpb.RegionError{Kind: &kvpb.RegionError_EntryTooLarge{EntryTooLarge: &kvpb.EntryTooLarge{Size: uint64(ev.b.Len()), Limit: limit}}})
	}
	if err := c.eng.Apply(ev.b, false); err != nil {
		c.t.Errorf("apply: %v", err)
	}
	return resp
}

// inBubble runs f with virtual time. The goroutines of f must end with it.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// withCluster runs f in a bubble with a cluster and a client, and checks at the
// end that the client's background work comes to an end.
func withCluster(t *testing.T, cuts []string, f func(t *testing.T, c *cluster, cl *Client)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, cuts...)
		defer c.close()
		cl := c.client(nil)
		defer closeClient(t, cl)
		f(t, c, cl)
	})
}

// inTwoPhases is withCluster without async commits.
func inTwoPhases(t *testing.T, cuts []string, f func(t *testing.T, c *cluster, cl *Client)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, cuts...)
		c.asyncKeysMax = -1
		defer c.close()
		cl := c.client(nil)
		defer closeClient(t, cl)
		f(t, c, cl)
	})
}

func closeClient(t testing.TB, cl *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := cl.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// crash ends a client at once: what it has in the background is lost.
func crash(cl *Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = cl.Close(ctx)
}

// locks returns how many locks stand anywhere.
func (c *cluster) locks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	locks, _, err := mvcc.ScanLocks(c.eng, nil, nil, timestamp.Max-1, 10_000)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range locks {
		c.t.Logf("lock on %v: %v", l.Key, &l.Lock)
	}
	return len(locks)
}

func seededRand(t testing.TB, seed uint64) *rand.Rand {
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// synctestWait lets all background work come to rest.
func synctestWait() {
	time.Sleep(time.Second)
	synctest.Wait()
}
