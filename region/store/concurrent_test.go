package store

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
)

// realCluster is three stores with their goroutines and a real clock.
type realCluster struct {
	t      testing.TB
	ts     atomic.Uint64
	ids    atomic.Uint64
	stores [4]*Store // by id
}

func (c *realCluster) AllocIDs(_ context.Context, n int) (uint64, error) {
	return c.ids.Add(uint64(n)) - uint64(n), nil
}

func startReal(t testing.TB) *realCluster {
	c := &realCluster{t: t}
	c.ts.Store(uint64(timestamp.Make(1000, 0)))
	c.ids.Store(1000)
	clock := env.SystemClock()
	net := transport.NewLocalNetwork(clock)
	for id := uint64(1); id <= 3; id++ {
		eng, err := OpenEngines(EngineOptions{Dir: "store", FS: engine.NewMemFS(), MemTableBytes: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if err := Bootstrap(eng, Ident{ClusterID: 7, StoreID: id, NodeID: id}, []*metapb.Region{userRegion(1, 2, 3)}); err != nil {
			t.Fatal(err)
		}
		var local *transport.Local
		s, err := Open(eng, Options{
			Transport: func(r multiraft.Receiver, h multiraft.SnapshotHandler) (multiraft.Transport, error) {
				local = net.Join(id, r, h)
				return local, nil
			},
			Timestamps: func(context.Context) (timestamp.Timestamp, error) { return timestamp.Timestamp(c.ts.Add(1)), nil },
			Clock:      clock, Rand: env.SeededRand(id), Logger: slog.New(slog.DiscardHandler),
			Fatal:        func(err error) { t.Errorf("store %d: %v", id, err) },
			TickInterval: 10 * time.Millisecond, Splits: c, SplitSizeBytes: 1 << 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.stores[id] = s
		t.Cleanup(func() {
			local.Close()
			s.Close()
			eng.Close()
		})
	}
	return c
}

// send finds the leader of a key's region by asking, as a router does.
func (c *realCluster) send(ctx context.Context, key string, cmd func(*kvpb.Request)) *kvpb.Response {
	var last *kvpb.Response
	for try := 0; ctx.Err() == nil; try++ {
		s := c.stores[try%3+1]
		for _, i := range s.Regions() {
			if !region.Contains(i.Region, []byte(key)) {
				continue
			}
			if l := i.Leader; l != nil {
				s = c.stores[l.GetStoreId()]
			}
			req := &kvpb.Request{Header: &kvpb.Header{RegionId: i.Region.GetId(), Epoch: i.Region.GetEpoch()}}
			cmd(req)
			last = s.Send(ctx, req)
			if last.GetRegionError() == nil || last.GetRegionError().GetAmbiguous() != nil {
				return last
			}
			break
		}
		_ = env.Sleep(ctx, env.SystemClock(), 2*time.Millisecond)
	}
	return last
}

// Counters are incremented concurrently by one-phase commits through the blocking
// Send while leaders move and the region is split: no acknowledged increment is
// lost and none is there twice.
func TestConcurrentIncrements(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("run", concurrentIncrements)
}

func concurrentIncrements(t *testing.T) {
	c := startReal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const workers, rounds, counters = 8, 60, 5
	var acked, unknown [counters]atomic.Int64
	key := func(i int) string { return fmt.Sprintf("tcounter%d", i) }
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				i := (w + r) % counters
				for ctx.Err() == nil {
					start := c.ts.Add(1)
					resp := c.send(ctx, key(i), func(q *kvpb.Request) {
						q.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key(i)), Read: &kvpb.ReadContext{ReadTs: start}}}
					})
					if resp.GetRegionError() != nil || resp.GetGet().GetError() != nil {
						t.Errorf("get: %v", resp)
						return
					}
					n, _ := strconv.Atoi(string(resp.GetGet().GetValue()))
					resp = c.send(ctx, key(i), func(q *kvpb.Request) {
						q.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: start, OnePc: true,
							Mutations: []*kvpb.Mutation{{Key: []byte(key(i)), Value: []byte(strconv.Itoa(n + 1))}}}}
					})
					if resp.GetRegionError().GetAmbiguous() != nil {
						unknown[i].Add(1)
						break
					}
					if resp.GetRegionError() != nil {
						t.Errorf("put: %v", resp)
						return
					}
					if len(resp.GetPrewrite().GetErrors()) > 0 {
						continue // a conflict: again
					}
					for {
						seen := c.ts.Load()
						if seen >= resp.GetPrewrite().GetOnePcCommitTs() || c.ts.CompareAndSwap(seen, resp.GetPrewrite().GetOnePcCommitTs()) {
							break
						}
					}
					acked[i].Add(1)
					break
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 6 {
			if i == 3 {
				resp := c.send(ctx, key(0), func(q *kvpb.Request) {
					first, _ := c.AllocIDs(ctx, 4)
					q.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{
						Keys:       [][]byte{[]byte(key(2))},
						NewRegions: []*kvpb.NewRegion{{RegionId: first, PeerIds: []uint64{first + 1, first + 2, first + 3}}}}}}}
				})
				if resp.GetRegionError() != nil {
					t.Errorf("split: %v", resp)
				}
			}
			c.send(ctx, key(i%counters), func(q *kvpb.Request) {
				q.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
					TransferLeader: &kvpb.TransferLeaderRequest{ToStore: uint64(i%3) + 1}}}}
			})
			_ = env.Sleep(ctx, env.SystemClock(), 30*time.Millisecond)
		}
	})
	wg.Wait()
	var total int64
	for i := range counters {
		ts := c.ts.Add(1)
		resp := c.send(ctx, key(i), func(q *kvpb.Request) {
			q.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key(i)), Read: &kvpb.ReadContext{ReadTs: ts}}}
		})
		n, _ := strconv.ParseInt(string(resp.GetGet().GetValue()), 10, 64)
		if n < acked[i].Load() || n > acked[i].Load()+unknown[i].Load() {
			t.Errorf("counter %d is %d; %d increments were acknowledged, %d unknown", i, n, acked[i].Load(), unknown[i].Load())
		}
		total += n
	}
	if total == 0 {
		t.Error("nothing was written")
	}
	// A request whose context has ended is answered at once.
	done, stop := context.WithCancel(ctx)
	stop()
	s := c.stores[1]
	r := s.Regions()[0]
	if resp := s.Send(done, &kvpb.Request{Header: &kvpb.Header{RegionId: r.Region.GetId(), Epoch: r.Region.GetEpoch()},
		Cmd: &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte("ta"), Read: &kvpb.ReadContext{ReadTs: c.ts.Add(1)}}}}); resp == nil {
		t.Error("no response")
	}
	// Drain moves everything away from a store.
	if err := c.stores[2].Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	if got := len(c.stores[2].Report()); got != 0 {
		t.Errorf("%d regions are led from a drained store", got)
	}
}
