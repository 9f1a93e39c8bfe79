package client

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// oracleStream asks the leader for timestamps over one stream: a call of its own for
// each request costs more than twice as much on both sides. Whatever goes wrong ends
// the stream and is left to Client.call, which finds the leader; timestamps that were
// asked for and never seen are lost and harm nobody.
type oracleStream struct {
	asking sync.Mutex // held by the one who asks; guards stream
	stream grpc.BidiStreamingClient[placementpb.TimestampsRequest, placementpb.TimestampsResponse]

	mu struct {
		sync.Mutex
		store  uint64 // that the stream goes to, 0: there is none
		cancel context.CancelFunc
		closed bool
	}
}

// ask reports false if the stream gave no timestamps, and another way is to be tried.
func (o *oracleStream) ask(ctx context.Context, c *Client, count uint32, atLeast timestamp.Timestamp) (first timestamp.Timestamp, ok bool) {
	leader := c.Leader()
	if leader == 0 || leader == c.o.StoreID || !o.asking.TryLock() {
		return 0, false
	}
	defer o.asking.Unlock()
	if !o.open(ctx, c, leader) {
		return 0, false
	}
	// The stream lives longer than ctx, but not longer than a request in it that nobody
	// waits for: the next one would get its answer.
	stop := context.AfterFunc(ctx, o.end)
	var resp *placementpb.TimestampsResponse
	err := o.stream.Send(&placementpb.TimestampsRequest{Count: count, AtLeast: uint64(atLeast)})
	if err == nil {
		resp, err = o.stream.Recv()
	}
	if !stop() || err != nil || resp.GetError() != nil || resp.GetFirst() == 0 || resp.GetCount() != count {
		o.end()
		return 0, false
	}
	c.o.Suspects.Answered(leader)
	return timestamp.Timestamp(resp.GetFirst()), true
}

// open makes sure that there is a stream to the leader, if there is a connection.
// Requires: o.asking held.
func (o *oracleStream) open(ctx context.Context, c *Client, leader uint64) bool {
	o.mu.Lock()
	there, closed := o.mu.store == leader, o.mu.closed
	o.mu.Unlock()
	if there || closed {
		return there && !closed
	}
	o.end()
	conn, err := c.o.Dial(ctx, leader)
	if err != nil || conn.GetState() != connectivity.Ready {
		return false
	}
	sctx, cancel := context.WithCancel(context.Background())
	stream, err := placementpb.NewOracleClient(conn).Stream(sctx)
	if err != nil {
		cancel()
		return false
	}
	o.stream = stream
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed {
		cancel()
		return false
	}
	o.mu.store, o.mu.cancel = leader, cancel
	return true
}

// end ends the stream and what is asked in it. It may be called from any goroutine.
func (o *oracleStream) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.cancel != nil {
		o.mu.cancel()
	}
	o.mu.store, o.mu.cancel = 0, nil
}

// endAt is end if the stream goes to a store.
func (o *oracleStream) endAt(store uint64) {
	o.mu.Lock()
	same := o.mu.store == store
	o.mu.Unlock()
	if same {
		o.end()
	}
}

// close ends the stream for good.
func (o *oracleStream) close() {
	o.mu.Lock()
	o.mu.closed = true
	o.mu.Unlock()
	o.end()
}
