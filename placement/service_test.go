package placement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeGroup is the placement group's replicated state shared by the services of
// several stores, one of which leads.
type fakeGroup struct {
	mu     sync.Mutex
	kv     map[string][]byte
	term   uint64
	leader uint64
	noLead bool // the leader's lease cannot be confirmed
	refuse bool // writes fail
	writes int
	chs    []chan struct{} // of all replicas
}

// setLeaderLocked begins the next term. Requires: g.mu held.
func (g *fakeGroup) setLeaderLocked(store uint64) {
	g.leader, g.term = store, g.term+1
	for _, ch := range g.chs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

type fakeReplica struct {
	g     *fakeGroup
	store uint64
	ch    chan struct{}
}

var errFake = errors.New("not the leader")

func (r *fakeReplica) Leader() (uint64, bool) {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	return r.g.term, r.g.leader == r.store
}
func (r *fakeReplica) LeaderStore() uint64 {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	return r.g.leader
}
func (r *fakeReplica) Lease(context.Context) (uint64, error) {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	if r.g.leader != r.store || r.g.noLead {
		return 0, errFake
	}
	return r.g.term, nil
}
func (r *fakeReplica) ReadRaw(_ context.Context, start, end []byte) (out []KV, err error) {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	for k, v := range r.g.kv {
		if k >= string(start) && k < string(end) {
			out = append(out, KV{[]byte(k), v})
		}
	}
	sort.Slice(out, func(i, j int) bool { return bytes.Compare(out[i].Key, out[j].Key) < 0 })
	return out, nil
}
func (r *fakeReplica) WriteRaw(_ context.Context, term uint64, puts []KV) error {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	if r.g.leader != r.store || r.g.term != term || r.g.refuse {
		return errFake
	}
	r.g.writes++
	for _, p := range puts {
		r.g.kv[string(p.Key)] = p.Value
	}
	return nil
}
func (r *fakeReplica) Changed() <-chan struct{} { return r.ch }

// fakeCluster carries out admin commands on one region at once.
type fakeCluster struct {
	mu      sync.Mutex
	region  *metapb.Region
	leader  uint64
	term    uint64
	changes []string
	report  func(*placementpb.RegionReport)
}

func (c *fakeCluster) Admin(_ context.Context, leader uint64, r *metapb.Region, req *kvpb.AdminRequest) (*kvpb.AdminResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if leader != c.leader || !proto.Equal(r.Epoch, c.region.Epoch) {
		return nil, &RetryableError{errors.New("stale")}
	}
	switch cmd := req.Cmd.(type) {
	case *kvpb.AdminRequest_ChangePeers:
		next := proto.Clone(c.region).(*metapb.Region)
		var names []string
		for _, ch := range cmd.ChangePeers.Changes {
			names = append(names, fmt.Sprintf("%s %d", ch.Type, ch.Peer.StoreId))
			i := slices.IndexFunc(next.Peers, func(p *metapb.Peer) bool { return p.Id == ch.Peer.Id })
			switch ch.Type {
			case kvpb.ChangeType_ADD_LEARNER:
				next.Peers = append(next.Peers, ch.Peer)
			case kvpb.ChangeType_PROMOTE:
				next.Peers[i].Role = metapb.PeerRole_VOTER
			case kvpb.ChangeType_REMOVE:
				next.Peers = slices.Delete(next.Peers, i, i+1)
			}
		}
		next.Epoch.ConfVer++
		c.region = next
		c.changes = append(c.changes, fmt.Sprint(names))
		go c.tell()
		return &kvpb.AdminResponse{Cmd: &kvpb.AdminResponse_ChangePeers{ChangePeers: &kvpb.ChangePeersResponse{Region: next}}}, nil
	case *kvpb.AdminRequest_TransferLeader:
		c.leader = cmd.TransferLeader.ToStore
		c.term++
		c.changes = append(c.changes, fmt.Sprintf("lead %d", c.leader))
		go c.tell()
		return &kvpb.AdminResponse{}, nil
	case *kvpb.AdminRequest_Describe:
		d := &kvpb.DescribeResponse{Region: c.region, LastIndex: 10}
		for _, p := range c.region.Peers {
			d.Progress = append(d.Progress, &kvpb.PeerProgress{PeerId: p.Id, Match: 10})
		}
		return &kvpb.AdminResponse{Cmd: &kvpb.AdminResponse_Describe{Describe: d}}, nil
	}
	return nil, errors.New("unexpected command")
}

func (c *fakeCluster) tell() {
	c.mu.Lock()
	r := &placementpb.RegionReport{Region: c.region, LeaderStore: c.leader, Term: c.term}
	c.mu.Unlock()
	c.report(r)
}

func newService(t *testing.T, g *fakeGroup, store uint64, admin Admin) *Service {
	return newServiceWith(t, g, Options{StoreID: store, Admin: admin})
}

func newServiceWith(t *testing.T, g *fakeGroup, o Options) *Service {
	r := &fakeReplica{g: g, store: o.StoreID, ch: make(chan struct{}, 1)}
	g.mu.Lock()
	g.chs = append(g.chs, r.ch)
	g.mu.Unlock()
	o.ClusterID, o.Group = 7, r
	o.AddressOf = func(id uint64) string { return fmt.Sprintf("node%d", id) }
	o.Clock, o.Logger = env.SystemClock(), slog.New(slog.NewTextHandler(io.Discard, nil))
	s := New(o)
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

func lead(g *fakeGroup, store uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setLeaderLocked(store)
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// Over changes of leader, ids and timestamps never repeat and timestamps rise,
// though each leader keeps its own memory of what it gave.
func TestNothingIsGivenTwice(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	services := []*Service{newService(t, g, 1, nil), newService(t, g, 2, nil)}
	ctx := context.Background()
	ids := map[uint64]bool{}
	var last timestamp.Timestamp
	for round := 0; round < 6; round++ {
		s := services[round%2]
		lead(g, s.o.StoreID)
		await(t, "leadership", func() bool { _, err := s.Timestamps(ctx, 1, 0); return err == nil })
		for i := 0; i < 50; i++ {
			ts, err := s.Timestamps(ctx, 3, 0)
			if err != nil || ts <= last {
				t.Fatalf("round %d: %v after %v: %v", round, ts, last, err)
			}
			last = ts + 2
			id, err := s.AllocIDs(ctx, 40)
			if err != nil {
				t.Fatal(err)
			}
			for n := id; n < id+40; n++ {
				if ids[n] {
					t.Fatalf("id %d given twice", n)
				}
				ids[n] = true
			}
		}
		other := services[(round+1)%2]
		var nl *ErrNotLeader
		if _, err := other.Timestamps(ctx, 1, 0); !errors.As(err, &nl) {
			t.Fatalf("the store that does not lead gave a timestamp: %v", err)
		}
	}
}

// A leader whose lease cannot be confirmed gives no timestamp, though its window
// has room: another store may lead already.
func TestNoTimestampWithoutLease(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	s := newService(t, g, 1, nil)
	lead(g, 1)
	await(t, "leadership", func() bool { _, err := s.Timestamps(context.Background(), 1, 0); return err == nil })
	g.mu.Lock()
	g.noLead = true
	g.mu.Unlock()
	if ts, err := s.Timestamps(context.Background(), 1, 0); err == nil {
		t.Fatalf("gave %v", ts)
	}
}

// Stores get ids in the order of joining; a repeated join, even at a new leader,
// gets the same id; a store of another cluster is refused.
func TestJoin(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	a, b := newService(t, g, 1, nil), newService(t, g, 2, nil)
	ctx := context.Background()
	join := func(s *Service, cluster, id uint64, token string) (uint64, error) {
		r, err := s.Join(ctx, &placementpb.JoinRequest{ClusterId: cluster, JoinToken: token, Store: &metapb.Store{Id: id, RpcAddress: token}})
		return r.GetStoreId(), err
	}
	lead(g, 1)
	await(t, "leadership", func() bool { return a.current() != nil })
	for i, want := range []struct {
		id    uint64
		token string
		get   uint64
	}{{1, "", 1}, {0, "x", 2}, {0, "y", 3}, {0, "x", 2}} {
		cluster := uint64(0)
		if want.id != 0 {
			cluster = 7
		}
		if got, err := join(a, cluster, want.id, want.token); err != nil || got != want.get {
			t.Fatalf("join %d: store %d, want %d: %v", i, got, want.get, err)
		}
	}
	lead(g, 2)
	await(t, "the other's leadership", func() bool { return b.current() != nil })
	if got, err := join(b, 0, 0, "y"); err != nil || got != 3 {
		t.Fatalf("repeated at the new leader: %d, %v", got, err)
	}
	if _, err := join(b, 8, 2, ""); err == nil {
		t.Fatal("a store of another cluster was let in")
	}
	if _, err := join(b, 7, 9, ""); err == nil {
		t.Fatal("a store that was never given an id was let in")
	}
}

// A cluster that grows to three stores: each region gets learners first and goes
// from one voter to three in one step; leaders spread afterwards.
func TestClusterGrows(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	c := &fakeCluster{leader: 1, term: 1, region: &metapb.Region{Id: 2, Epoch: &metapb.Epoch{Version: 1, ConfVer: 1},
		Peers: []*metapb.Peer{{Id: 2, StoreId: 1, NodeId: 1}}}}
	s := newService(t, g, 1, c)
	ctx := t.Context()
	c.report = func(r *placementpb.RegionReport) {
		_, _ = s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Full: true, Store: &metapb.Store{Id: r.LeaderStore}, Regions: []*placementpb.RegionReport{r}})
	}
	lead(g, 1)
	await(t, "leadership", func() bool { return s.current() != nil })
	for i, token := range []string{"", "x", "y"} {
		req := &placementpb.JoinRequest{JoinToken: token, Store: &metapb.Store{}}
		if i == 0 {
			req.ClusterId, req.Store.Id = 7, 1
		}
		if _, err := s.Join(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "three voters", func() bool {
		for id := uint64(1); id <= 3; id++ {
			_, _ = s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Store: &metapb.Store{Id: id}})
		}
		c.tell()
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, p := range c.region.Peers {
			if p.Role == metapb.PeerRole_VOTER {
				n++
			}
		}
		return n == 3
	})
	c.mu.Lock()
	got := fmt.Sprint(c.changes)
	c.mu.Unlock()
	if want := "[[ADD_LEARNER 2] [ADD_LEARNER 3] [PROMOTE 2 PROMOTE 3]]"; got != want {
		t.Fatalf("steps %s, want %s", got, want)
	}
	// By hand: lead elsewhere, seen when the call returns.
	op, _, err := s.Operate(ctx, &placementpb.OperateRequest{RegionId: 2, Kind: "transfer-leader", ToStore: 2, Wait: true})
	if err != nil || op.State != "done" {
		t.Fatalf("transfer: %v %v", op, err)
	}
	var refused *ErrRefused
	if _, _, err := s.Operate(ctx, &placementpb.OperateRequest{RegionId: 2, Kind: "transfer-leader", ToStore: 9, Wait: true}); !errors.As(err, &refused) {
		t.Fatalf("transfer to a node that is not there: %v", err)
	}
}

// A new schema version is confirmed only when every gateway works with it or has
// lost its lease; a gateway that stays behind gets no new lease.
func TestSchemaLease(t *testing.T) {
	// There was a leader before: its leases may run.
	g := &fakeGroup{kv: map[string][]byte{string(keyTS): putNumber(uint64(timestamp.Make(time.Now().UnixMilli(), 0)))}}
	s := newService(t, g, 1, nil)
	ctx := context.Background()
	lead(g, 1)
	await(t, "leadership", func() bool { return s.current() != nil })
	ask := func(node, version, publish uint64) *placementpb.SchemaLeaseResponse {
		t.Helper()
		r, err := s.SchemaLease(ctx, &placementpb.SchemaLeaseRequest{NodeId: node, Version: version, Publish: publish})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask(1, 1, 1); r.Confirmed {
		t.Fatal("confirmed while leases of a former leader may run")
	}
	await(t, "the quiet time", func() bool { return ask(1, 1, 0).Confirmed })
	old := ask(2, 1, 0)
	if r := ask(1, 2, 2); r.Confirmed {
		t.Fatal("confirmed though node 2 may commit with version 1")
	}
	if r := ask(2, 1, 0); r.LeaseUntil != 0 || r.Version != 2 {
		t.Fatalf("node 2 works with version 1 and got %v", r)
	}
	await(t, "the end of node 2's lease", func() bool { return ask(1, 2, 0).Confirmed })
	ts, err := s.Timestamps(ctx, 1, 0)
	if err != nil || uint64(ts) <= old.LeaseUntil {
		t.Fatalf("confirmed at %v, inside node 2's lease until %d (%v)", ts, old.LeaseUntil, err)
	}
	ask(2, 2, 0)
	if r := ask(1, 3, 3); r.Confirmed {
		t.Fatal("confirmed though node 2 may commit with version 2")
	}
	if r := ask(2, 3, 0); !r.Confirmed {
		t.Fatal("both work with version 3")
	}
}

// A replica is not taken away when the voters that stay would be no quorum, because
// their stores are silent: not by order, nor by a plan. One that is silent itself may
// go.
func TestRemovePeerKeepsAQuorum(t *testing.T) {
	g := &fakeGroup{kv: map[string][]byte{}}
	c := &fakeCluster{leader: 1, term: 1, region: &metapb.Region{Id: 2, Epoch: &metapb.Epoch{Version: 1, ConfVer: 1},
		Peers: []*metapb.Peer{{Id: 2, StoreId: 1, NodeId: 1}, {Id: 3, StoreId: 2, NodeId: 2}, {Id: 4, StoreId: 3, NodeId: 3}}}}
	s := newService(t, g, 1, c)
	ctx := t.Context()
	c.report = func(r *placementpb.RegionReport) {
		_, _ = s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Full: true, Store: &metapb.Store{Id: r.LeaderStore}, Regions: []*placementpb.RegionReport{r}})
	}
	lead(g, 1)
	await(t, "leadership", func() bool { return s.current() != nil })
	for i, token := range []string{"", "x", "y"} {
		req := &placementpb.JoinRequest{JoinToken: token, Store: &metapb.Store{}}
		if i == 0 {
			req.ClusterId, req.Store.Id = 7, 1
		}
		if _, err := s.Join(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	for id := uint64(1); id <= 3; id++ {
		_, _ = s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Store: &metapb.Store{Id: id}})
	}
	c.tell()
	l := s.current()
	s.mu.Lock()
	l.stores[3].silent, l.stores[3].silentAt = true, time.Now()
	s.mu.Unlock()
	var refused *ErrRefused
	_, _, err := s.Operate(ctx, &placementpb.OperateRequest{RegionId: 2, Kind: "remove-peer", FromStore: 2, Wait: true})
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "quorum") {
		t.Fatalf("the order to leave nodes 1 and 3, which is silent: %v", err)
	}
	if err := s.remove(ctx, l, 2, 2, c.region.Epoch); !errors.As(err, &refused) {
		t.Fatalf("the step of a plan: %v", err)
	}
	if err := s.remove(ctx, l, 2, 3, &metapb.Epoch{Version: 1}); err == nil {
		t.Fatal("the step of a plan for another epoch was carried out")
	}
	if op, _, err := s.Operate(ctx, &placementpb.OperateRequest{RegionId: 2, Kind: "remove-peer", FromStore: 3, Wait: true}); err != nil || op.State != "done" {
		t.Fatalf("the silent one: %v %v", op, err)
	}
}
