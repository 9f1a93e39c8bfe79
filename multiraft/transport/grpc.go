package transport

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/multiraft"
)

// Options are the parameters of NewGRPC. All are required but ClusterID, Snapshots
// and DialSnapshots.
type Options struct {
	// StoreID is the own store.
	StoreID uint64
	// ClusterID goes with every stream, and streams of another cluster are
	// refused. Store, region and peer ids are small numbers that every cluster
	// has: without it an address that moves to another cluster mixes the two.
	ClusterID uint64
	// Receiver takes what arrives.
	Receiver multiraft.Receiver
	// Snapshots takes raft snapshots; nil refuses them.
	Snapshots multiraft.SnapshotHandler
	// Dial returns a connection to a store, at its present address. It is called
	// for every attempt to open a stream, from several goroutines, should return
	// a shared connection if there is one, and need not wait for it to be ready.
	// The connection stays the server's: the transport does not close it.
	// DialOptions has what such a connection should be made with.
	Dial func(ctx context.Context, storeID uint64) (*grpc.ClientConn, error)
	// DialSnapshots is Dial for raft snapshots, and should return another connection:
	// what a snapshot has on its way down a slow line, a stream's window at least,
	// stands before everything else of its connection. Nil is Dial.
	DialSnapshots func(ctx context.Context, storeID uint64) (*grpc.ClientConn, error)
	// Clock and Rand pace reconnection. Rand is used by one goroutine at a time.
	Clock env.Clock
	Rand  env.Rand
	// Logger gets an event when a stream breaks and when it is back.
	Logger *slog.Logger
}

// GRPC is the transport between processes.
type GRPC struct {
	o        Options
	group    *stop.Group
	counters counters
	mu       struct {
		sync.RWMutex
		peers map[uint64]*peer
	}
	rand struct {
		sync.Mutex
		env.Rand
	}
}

// peer is what leaves for one store.
type peer struct {
	stores, liveness, append *outgoing
}

var _ multiraft.Transport = (*GRPC)(nil)

// NewGRPC returns a transport that opens streams as messages come.
func NewGRPC(o Options) (*GRPC, error) {
	if o.StoreID == 0 || o.Receiver == nil || o.Dial == nil || o.Clock == nil || o.Rand == nil || o.Logger == nil {
		return nil, errors.New("raft transport: StoreID, Receiver, Dial, Clock, Rand and Logger are required")
	}
	if o.DialSnapshots == nil {
		o.DialSnapshots = o.Dial
	}
	t := &GRPC{o: o, group: stop.NewGroup(context.Background())}
	t.mu.peers = make(map[uint64]*peer)
	t.rand.Rand = o.Rand
	return t, nil
}

// Register adds the transport's service to a server, which must take messages of
// MessageBytesMax: see ServerOptions.
func (t *GRPC) Register(s grpc.ServiceRegistrar) { s.RegisterService(serviceDesc(), t) }

// Close breaks all streams in both directions and returns when every goroutine
// has ended. Messages that are queued or sent afterwards are dropped without a
// report. The grpc.Server may be stopped before or after.
func (t *GRPC) Close() { t.group.Stop() }

// Send implements multiraft.Transport.
func (t *GRPC) Send(env *multiraft.Envelope) {
	class := env.Class()
	invariants.Assert(class != multiraft.ClassSnapshot,
		"raft snapshot of region %d among ordinary messages", env.RegionID)
	if env.ToStore == t.o.StoreID {
		t.o.Receiver.Receive(unshare(env))
		return
	}
	p := t.peer(env.ToStore)
	switch class {
	case multiraft.ClassStores:
		p.stores.send(env)
	case multiraft.ClassLiveness:
		p.liveness.send(env)
	default:
		p.append.send(env)
	}
}

// Flush implements multiraft.Transport.
func (t *GRPC) Flush() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.mu.peers {
		p.stores.flush()
		p.liveness.flush()
		p.append.flush()
	}
}

// peer returns the queues to a store, making them at the first message. They stay
// until Close: a cluster has a bounded number of stores, and an idle queue is one
// waiting goroutine.
func (t *GRPC) peer(store uint64) *peer {
	t.mu.RLock()
	p := t.mu.peers[store]
	t.mu.RUnlock()
	if p != nil {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.mu.peers[store]; p != nil {
		return p
	}
	p = &peer{
		stores:   newOutgoing(t, store, multiraft.ClassStores),
		liveness: newOutgoing(t, store, multiraft.ClassLiveness),
		append:   newOutgoing(t, store, multiraft.ClassAppend),
	}
	t.mu.peers[store] = p
	t.group.Go("raft-send-stores", p.stores.run)
	t.group.Go("raft-send-liveness", p.liveness.run)
	t.group.Go("raft-send-append", p.append.run)
	return p
}

// jitter spreads a delay.
func (t *GRPC) jitter(d time.Duration) time.Duration {
	t.rand.Lock()
	defer t.rand.Unlock()
	return env.Jitter(t.rand.Rand, d)
}

const (
	keepaliveTime    = 10 * time.Second // the least that gRPC allows a client
	keepaliveTimeout = 3 * time.Second
)

// ServerOptions are what a grpc.Server should be made with to serve this transport.
// Other services may share it.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MessageBytesMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
	}
}

// DialOptions are what connections between stores should be made with, besides
// credentials: a peer that vanished without a word is noticed within seconds (the
// timeout also bounds how long sent data may stay unacknowledged), and one that
// is back is found within a second.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: backoffMax},
			MinConnectTimeout: keepaliveTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MessageBytesMax)),
	}
}
