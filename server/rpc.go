package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// messageBytesMax bounds a message between nodes: a page of a scan or a batch of
// a transaction is about 1 MB, raft's batches too; one row may have 16 MB.
const messageBytesMax = 64 << 20

// dialer keeps one connection to each other node. It is the one place where
// addresses and credentials between nodes are decided.
type dialer struct {
	book *addressBook
	mu   struct {
		sync.Mutex
		conns  map[string]*grpc.ClientConn // by address
		closed bool
	}
}

func newDialer(book *addressBook) *dialer {
	d := &dialer{book: book}
	d.mu.conns = map[string]*grpc.ClientConn{}
	return d
}

// store returns the connection to a store. The connection is shared and must not
// be closed; it connects by itself when it is used.
func (d *dialer) store(_ context.Context, id uint64) (*grpc.ClientConn, error) {
	addr := d.book.rpc(id)
	if addr == "" {
		return nil, fmt.Errorf("the address of store %d is not known", id)
	}
	return d.address(addr)
}

// address returns the connection to an address.
func (d *dialer) address(addr string) (*grpc.ClientConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed {
		return nil, fmt.Errorf("connect to %s: the node is stopping", addr)
	}
	if c := d.mu.conns[addr]; c != nil {
		return c, nil
	}
	c, err := Dial(addr)
	if err != nil {
		return nil, err
	}
	d.mu.conns[addr] = c
	return c, nil
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.closed = true
	for _, c := range d.mu.conns {
		_ = c.Close() // only says that it was closed before
	}
	d.mu.conns = nil
}

// Dial returns a connection to a node's RPC address, for nodes and for the
// command line. It connects when it is first used.
func Dial(addr string) (*grpc.ClientConn, error) {
	c, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax)),
		// A restarted peer is found again within half a second.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second, PermitWithoutStream: true}),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithReadBufferSize(64<<10), grpc.WithWriteBufferSize(64<<10),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c, nil
}

// NewGRPCServer returns the server of a node, without services: with the limits and
// buffers that the streams between nodes want.
func NewGRPCServer() *grpc.Server {
	return grpc.NewServer(
		grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(messageBytesMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
		grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(4<<20),
		grpc.ReadBufferSize(64<<10), grpc.WriteBufferSize(64<<10),
	)
}
