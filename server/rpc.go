package server

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/server/certs"
)

// messageBytesMax bounds a message between nodes: a page of a scan or a batch of
// a transaction is about 1 MB, raft's batches too; one row may have 16 MB.
const messageBytesMax = 64 << 20

// dialer keeps one connection to each other node, and one more for raft snapshots. It
// is the one place where addresses and credentials between nodes are decided.
type dialer struct {
	book  *addressBook
	certs *certs.Store // nil: without TLS
	mu    struct {
		sync.Mutex
		conns  map[string]*grpc.ClientConn // by address
		bulk   map[string]*grpc.ClientConn // likewise, for raft snapshots
		closed bool
	}
}

func newDialer(book *addressBook, c *certs.Store) *dialer {
	d := &dialer{book: book, certs: c}
	d.mu.conns, d.mu.bulk = map[string]*grpc.ClientConn{}, map[string]*grpc.ClientConn{}
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

// snapshots returns another connection to a store, for raft snapshots.
func (d *dialer) snapshots(_ context.Context, id uint64) (*grpc.ClientConn, error) {
	addr := d.book.rpc(id)
	if addr == "" {
		return nil, fmt.Errorf("the address of store %d is not known", id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connLocked(d.mu.bulk, addr)
}

// address returns the connection to an address.
func (d *dialer) address(addr string) (*grpc.ClientConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connLocked(d.mu.conns, addr)
}

// connLocked returns the connection to an address among those of one kind.
// Requires: d.mu held.
func (d *dialer) connLocked(conns map[string]*grpc.ClientConn, addr string) (*grpc.ClientConn, error) {
	if d.mu.closed {
		return nil, fmt.Errorf("connect to %s: the node is stopping", addr)
	}
	if c := conns[addr]; c != nil {
		return c, nil
	}
	c, err := Dial(addr, d.certs)
	if err != nil {
		return nil, err
	}
	conns[addr] = c
	return c, nil
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.closed = true
	for _, conns := range []map[string]*grpc.ClientConn{d.mu.conns, d.mu.bulk} {
		for _, c := range conns {
			_ = c.Close() // only says that it was closed before
		}
	}
	d.mu.conns, d.mu.bulk = nil, nil
}

// Dial returns a connection to a node's RPC address, for nodes and for the
// command line. It connects when it is first used. Without certificates it is not
// encrypted.
func Dial(addr string, c *certs.Store) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if c != nil {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", addr, err)
		}
		creds = credentials.NewTLS(c.Dial(host))
	}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(creds),
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
	return conn, nil
}

// NewGRPCServer returns the server of a node, without services: with the limits and
// buffers that the streams between nodes want. With certificates every caller has to
// show one of the cluster, and may call what mayCall says.
func NewGRPCServer(c *certs.Store) *grpc.Server {
	var options []grpc.ServerOption
	if c != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(c.RPC())),
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
				if err := mayCall(ctx, info.FullMethod); err != nil {
					return nil, err
				}
				return handler(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
				if err := mayCall(ss.Context(), info.FullMethod); err != nil {
					return err
				}
				return handler(srv, ss)
			}))
	}
	return grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(messageBytesMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
		grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(4<<20),
		grpc.ReadBufferSize(64<<10), grpc.WriteBufferSize(64<<10),
	)...)
}

// adminService may be called by the administrator too; everything else is between
// nodes.
var adminService = "/" + adminpb.Admin_ServiceDesc.ServiceName + "/"

// mayCall decides by the certificate that a caller has shown: a node may call
// everything, the role postgres the administration but for what nodes say to each
// other, and nobody else anything.
func mayCall(ctx context.Context, method string) error {
	name := ""
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
			name = info.State.VerifiedChains[0][0].Subject.CommonName
		}
	}
	switch {
	case name == certs.NodeName:
		return nil
	case name == adminRole && strings.HasPrefix(method, adminService) && method != adminService+"Hello":
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "the certificate of %q does not allow to call %s", name, method)
}

// adminRole is the role whose certificate opens the administration.
const adminRole = "postgres"
