package placement

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/placement/tso"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func (g *fakeGroup) written() (writes int, bound timestamp.Timestamp) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes, timestamp.Timestamp(binary.BigEndian.Uint64(g.kv[string(keyTS)]))
}

// While nobody has a transaction the bound of timestamps is written seldom, though
// the gateways' leases on the schema go on. The first one who asks again is served at
// once, and puts the bound back to where a new leader would not surprise anybody.
func TestQuietClusterWritesSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGroup{kv: map[string][]byte{}}
		s := newService(t, g, 1, nil)
		lead(g, 1)
		ctx := context.Background()
		await(t, "leadership", func() bool { _, err := s.Timestamps(ctx, 1, 0); return err == nil })
		pass := func(seconds int, f func() error) (writes int) {
			before, _ := g.written()
			for range seconds {
				time.Sleep(time.Second)
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}
			after, _ := g.written()
			return after - before
		}
		ask := func() error { _, err := s.Timestamps(ctx, 1, 0); return err }
		renew := func() error {
			_, err := s.SchemaLease(ctx, &placementpb.SchemaLeaseRequest{NodeId: 1})
			return err
		}
		if n := pass(60, ask); n < 55 {
			t.Fatalf("%d bounds were written in a busy minute, which are too few for a window of %v", n, tso.Window)
		}
		pass(int(quietAfter/time.Second)+2, renew)
		if n := pass(90, renew); n < 9 || n > 11 {
			t.Fatalf("%d bounds were written in 90 quiet seconds", n)
		}
		ts, err := s.Timestamps(ctx, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, bound := g.written()
		if ahead := bound.PhysicalMs() - ts.PhysicalMs(); ahead <= 0 || ahead > tso.Window.Milliseconds() {
			t.Fatalf("the stored bound is %d ms ahead of somebody who has just begun", ahead)
		}
		if n := pass(5, ask); n < 4 {
			t.Fatalf("%d bounds were written in five busy seconds", n)
		}
	})
}

// A transaction that runs keeps the window narrow, however long it asks for nothing.
func TestRunningTransactionKeepsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGroup{kv: map[string][]byte{}}
		s := newService(t, g, 1, nil)
		lead(g, 1)
		ctx := context.Background()
		await(t, "leadership", func() bool { return s.current() != nil })
		store := &metapb.Store{Id: 1, RpcAddress: "a"}
		if _, err := s.Join(ctx, &placementpb.JoinRequest{ClusterId: 7, Store: store}); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			if _, err := s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Store: store, OldestStartTs: 5}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			s.mu.Lock()
			wide := s.mu.lead.oracle.Wide(time.Now())
			s.mu.Unlock()
			if wide {
				t.Fatal("the window is wide though a transaction runs")
			}
		}
	})
}

// The fence of the garbage collection stops when it has passed the last transaction, so
// that regions at rest are not woken for it, and goes on when there are transactions
// again.
func TestFenceRestsWithTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGroup{kv: map[string][]byte{}}
		s := newServiceWith(t, g, Options{StoreID: 1, Retention: 10 * time.Second})
		lead(g, 1)
		ctx := context.Background()
		fence := func() timestamp.Timestamp {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.mu.lead.gc.fence
		}
		var last timestamp.Timestamp
		ask := func() {
			ts, err := s.Timestamps(ctx, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			last = ts
		}
		await(t, "leadership", func() bool { return s.current() != nil })
		for range 30 {
			ask()
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Second)
		rest := fence()
		if rest < last {
			t.Fatalf("the fence %v has not passed the last transaction %v", rest, last)
		}
		time.Sleep(10 * time.Minute)
		if fence() != rest {
			t.Fatalf("the fence went on to %v though nobody has begun a transaction since %v", fence(), last)
		}
		ask()
		time.Sleep(20 * time.Second)
		if fence() < last {
			t.Fatalf("the fence %v has not passed the transaction %v", fence(), last)
		}
	})
}
