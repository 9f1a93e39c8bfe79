package transport

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
)

// Options are the parameters of NewGRPC. All are required but Snapshots.
type Options struct {
	// StoreID is the own store.
	StoreID uint64
	// Receiver takes what arrives.
	Receiver multiraft.Receiver
	// Snapshots takes raft snapshots; nil refuses them.
	Snapshots multiraft.SnapshotHandler
	// Dial returns a connection to a store, at its present address. It is called
	// for every attempt to open a stream, should return a shared connection if
	// there is one, and need not wait for it to be ready. The connection stays
	// the server's: the transport does not close it. DialOptions has what such a
	// connection should be made with.
	Dial func(ctx context.Context, storeID uint64) (*grpc.ClientConn, error)
	// Clock and Rand pace reconnection. Rand is used by one goroutine at a time.
	Clock env.Clock
	Rand  env.Rand
	// Logger gets an event when a stream breaks and when it is back.
	Logger *slog.Logger
}

var errNotBuilt = errors.New("raft transport over gRPC is not built yet")

// GRPC is the transport between processes.
type GRPC struct{}

// NewGRPC returns a transport that opens streams as messages come.
func NewGRPC(o Options) (*GRPC, error) { return nil, errNotBuilt }

// Register adds the transport's service to a server made with ServerOptions.
func (t *GRPC) Register(s grpc.ServiceRegistrar) {}

// Close breaks all streams in both directions and returns when every goroutine
// has ended.
func (t *GRPC) Close() {}

// Send implements multiraft.Transport.
func (t *GRPC) Send(env *multiraft.Envelope) {}

// Flush implements multiraft.Transport.
func (t *GRPC) Flush() {}

// SendSnapshot implements multiraft.Transport.
func (t *GRPC) SendSnapshot(ctx context.Context, toStore uint64, header multiraft.SnapshotHeader,
	bytesPerSecond int64, chunks func() ([]byte, error)) error {
	return errNotBuilt
}

var _ multiraft.Transport = (*GRPC)(nil)

// ServerOptions are what a grpc.Server needs to serve this transport besides
// protobuf services.
func ServerOptions() []grpc.ServerOption { return nil }

// DialOptions are what connections between stores should be made with, besides
// credentials.
func DialOptions() []grpc.DialOption { return nil }
