package client

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// remote is the placement service of another store.
type remote struct {
	placementpb.UnimplementedPlacementServer
	placementpb.UnimplementedOracleServer
	next           atomic.Uint64
	calls, streams atomic.Int32
	deposed, hang  atomic.Bool
	hung           chan struct{} // gets one for each request that hangs
}

func (r *remote) answer(req *placementpb.TimestampsRequest) *placementpb.TimestampsResponse {
	n := uint64(req.Count)
	return &placementpb.TimestampsResponse{First: r.next.Add(n) - n + 1, Count: req.Count}
}

func (r *remote) Timestamps(_ context.Context, req *placementpb.TimestampsRequest) (*placementpb.TimestampsResponse, error) {
	r.calls.Add(1)
	return r.answer(req), nil
}

func (r *remote) Stream(st grpc.BidiStreamingServer[placementpb.TimestampsRequest, placementpb.TimestampsResponse]) error {
	r.streams.Add(1)
	for {
		req, err := st.Recv()
		if err != nil {
			return err
		}
		switch {
		case r.deposed.Load():
			return st.Send(&placementpb.TimestampsResponse{Error: &placementpb.Error{NotLeader: true, Message: "no leader"}})
		case r.hang.Load():
			r.hung <- struct{}{}
			<-st.Context().Done()
			return st.Context().Err()
		}
		if err := st.Send(r.answer(req)); err != nil {
			return err
		}
	}
}

// Timestamps of another store come through one stream, in ascending order. A leader
// that is none any more, one that is given up and a caller that does not wait end it,
// and a call finds them; afterwards there is another stream.
func TestTimestampsOverAStream(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &remote{hung: make(chan struct{}, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	placementpb.RegisterPlacementServer(srv, r)
	placementpb.RegisterOracleServer(srv, r)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }() // until Stop
	defer func() { srv.Stop(); <-served }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Connect()
	for s := conn.GetState(); s != connectivity.Ready; s = conn.GetState() {
		if !conn.WaitForStateChange(ctx, s) {
			t.Fatal("no connection")
		}
	}
	c := New(Options{StoreID: 1, Dial: func(context.Context, uint64) (*grpc.ClientConn, error) { return conn, nil },
		Peers: func() []uint64 { return []uint64{2} }, Clock: env.SystemClock(), Rand: env.SeededRand(1)})
	defer c.Stop()
	last := uint64(0)
	ask := func(calls, streams int32) {
		t.Helper()
		first, err := c.Timestamps(ctx, 3, 0)
		if err != nil || uint64(first) <= last || r.calls.Load() != calls || r.streams.Load() != streams {
			t.Errorf("timestamp %d after %d, %v, by %d calls and %d streams, want %d and %d", first, last, err, r.calls.Load(), r.streams.Load(), calls, streams)
		}
		last = uint64(first) + 2
	}
	ask(1, 0) // nobody is known to lead
	for range 10 {
		ask(1, 1)
	}
	r.deposed.Store(true)
	ask(2, 1)
	r.deposed.Store(false)
	ask(2, 2)
	r.hang.Store(true)
	done := make(chan error)
	go func() {
		_, err := c.Timestamps(ctx, 1, 0)
		done <- err
	}()
	<-r.hung
	r.hang.Store(false)
	c.Forget(2)
	if err := <-done; err != nil {
		t.Errorf("a request to a store that was given up: %v", err)
	}
	last = r.next.Load()
	ask(3, 3)
	r.hang.Store(true)
	impatient, leave := context.WithCancel(ctx)
	go func() {
		_, err := c.Timestamps(impatient, 1, 0)
		done <- err
	}()
	<-r.hung
	r.hang.Store(false)
	leave()
	if err := <-done; err == nil {
		t.Error("a timestamp for a caller that has gone")
	}
	c.setLeader(2)
	last = r.next.Load()
	ask(3, 4)
}
