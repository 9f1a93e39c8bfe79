package multiraft_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

// grpcNet joins stores over gRPC on loopback.
type grpcNet struct {
	t  testing.TB
	mu sync.Mutex
	// addresses of the stores
	addresses map[uint64]string
	conns     map[string]*grpc.ClientConn
}

func newGRPCNet(t testing.TB) *grpcNet {
	n := &grpcNet{t: t, addresses: map[uint64]string{}, conns: map[string]*grpc.ClientConn{}}
	t.Cleanup(func() {
		for _, c := range n.conns {
			_ = c.Close()
		}
	})
	return n
}

func (n *grpcNet) dial(_ context.Context, store uint64) (*grpc.ClientConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.addresses[store]
	if !ok {
		return nil, fmt.Errorf("no address of store %d", store)
	}
	if c := n.conns[a]; c != nil {
		return c, nil
	}
	c, err := grpc.NewClient(a, append(transport.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err == nil {
		n.conns[a] = c
	}
	return c, err
}

// join starts a store's server and returns its transport.
func (n *grpcNet) join(id uint64, r multiraft.Receiver, h multiraft.SnapshotHandler) *transport.GRPC {
	n.t.Helper()
	tr, err := transport.NewGRPC(transport.Options{
		StoreID: id, Receiver: r, Snapshots: h, Dial: n.dial,
		Clock: env.SystemClock(), Rand: env.SeededRand(id), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	srv := grpc.NewServer(transport.ServerOptions()...)
	tr.Register(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
	n.mu.Lock()
	n.addresses[id] = lis.Addr().String()
	n.mu.Unlock()
	n.t.Cleanup(func() {
		tr.Close()
		srv.Stop()
		<-done
	})
	return tr
}
