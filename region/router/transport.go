package router

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// Handler is a store of this process. Send must always answer, at the latest
// when ctx ends; the request may be kept until its fate is known but not changed.
type Handler interface {
	Send(ctx context.Context, req *kvpb.Request) *kvpb.Response
}

// DialFunc returns the connection to a store, which the caller of the transport
// owns and closes: usually one that is kept for all calls.
type DialFunc func(ctx context.Context, storeID uint64) (*grpc.ClientConn, error)

// answerBytesMax bounds an answer: a page of a scan is 1 MB plus at most one row.
const answerBytesMax = 64 << 20

// Transport is the Sender of production: a function call for stores of this
// process, gRPC for all others. Small requests to a store share one stream (a
// pipe), large ones and those that come before the pipe stands are calls of their
// own. It may be used concurrently.
type Transport struct {
	dial  DialFunc
	group *stop.Group
	mu    struct {
		sync.RWMutex
		local  map[uint64]Handler
		pipes  map[uint64]*pipe // by store; nil while one is being opened
		closed bool
	}
}

// NewTransport returns a transport without local stores. With a nil dial only
// local stores can be reached. Close it.
func NewTransport(dial DialFunc) *Transport {
	t := &Transport{dial: dial, group: stop.NewGroup(context.Background())}
	t.mu.local = make(map[uint64]Handler)
	t.mu.pipes = make(map[uint64]*pipe)
	return t
}

// Close breaks all pipes, with what is under way in them, and waits for their
// goroutines. Requests sent afterwards travel by themselves.
func (t *Transport) Close() {
	t.mu.Lock()
	t.mu.closed = true
	pipes := t.mu.pipes
	t.mu.pipes = make(map[uint64]*pipe)
	t.mu.Unlock()
	for _, p := range pipes {
		if p != nil {
			p.close()
		}
	}
	t.group.Stop()
}

// Register makes a store of this process reachable by a function call.
func (t *Transport) Register(storeID uint64, h Handler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.local[storeID] = h
}

// Unregister undoes Register.
func (t *Transport) Unregister(storeID uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.local, storeID)
}

// Send implements Sender.
func (t *Transport) Send(ctx context.Context, storeID uint64, req *kvpb.Request) (*kvpb.Response, error) {
	t.mu.RLock()
	h, p := t.mu.local[storeID], t.mu.pipes[storeID]
	t.mu.RUnlock()
	if h != nil {
		return h.Send(ctx, req), nil
	}
	if p != nil && fitsPipe(req) {
		if resp, taken, err := p.call(ctx, storeID, req); taken {
			return resp, err
		}
	}
	return t.sendAlone(ctx, storeID, req)
}

// sendAlone sends a request as a call of its own.
func (t *Transport) sendAlone(ctx context.Context, storeID uint64, req *kvpb.Request) (*kvpb.Response, error) {
	if t.dial == nil {
		return nil, &NotSentError{StoreID: storeID, Err: errors.New("no such store in this process")}
	}
	conn, err := t.dial(ctx, storeID)
	if err != nil {
		return nil, &NotSentError{StoreID: storeID, Err: err}
	}
	switch conn.GetState() {
	case connectivity.TransientFailure, connectivity.Shutdown:
		conn.Connect()
		return nil, &NotSentError{StoreID: storeID, Err: fmt.Errorf("connection is in state %s", conn.GetState())}
	}
	if conn.GetState() == connectivity.Ready {
		t.openPipe(storeID, conn)
	}
	// gRPC sets the peer once the call was given a connection. Without one,
	// nothing left this process.
	var at peer.Peer
	resp, err := kvpb.NewKVClient(conn).Send(ctx, req, grpc.Peer(&at), grpc.MaxCallRecvMsgSize(answerBytesMax))
	if err == nil {
		return resp, nil
	}
	switch {
	case at.Addr == nil:
		return nil, &NotSentError{StoreID: storeID, Err: err}
	case status.Code(err) == codes.ResourceExhausted, status.Code(err) == codes.Unimplemented:
		// A message above gRPC's limits, or a peer that is no store: trying again
		// does not help. Answers to writes are small, so nothing ran.
		return nil, &RegionError{RegionID: req.GetHeader().GetRegionId(), StoreID: storeID, Message: err.Error()}
	}
	return nil, fmt.Errorf("send to store %d: %w", storeID, err)
}

// openPipe opens the pipe to a store in the background, unless there is one.
func (t *Transport) openPipe(storeID uint64, conn *grpc.ClientConn) {
	t.mu.Lock()
	if _, there := t.mu.pipes[storeID]; there || t.mu.closed {
		t.mu.Unlock()
		return
	}
	t.mu.pipes[storeID] = nil
	t.mu.Unlock()
	// Ends when the stream stands or the connection turns out to be broken.
	started := t.group.Go("kv-pipe-open", func(ctx context.Context) {
		p, err := openPipe(ctx, conn, t.group, func(p *pipe) { t.dropPipe(storeID, p) })
		if err != nil {
			t.dropPipe(storeID, nil)
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if _, wanted := t.mu.pipes[storeID]; wanted && !p.isBroken() {
			t.mu.pipes[storeID] = p
		} else {
			delete(t.mu.pipes, storeID)
			p.cancel()
		}
	})
	if !started {
		t.dropPipe(storeID, nil)
	}
}

// dropPipe forgets a pipe, if it is the store's present one.
func (t *Transport) dropPipe(storeID uint64, p *pipe) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now, there := t.mu.pipes[storeID]; there && now == p {
		delete(t.mu.pipes, storeID)
	}
}
