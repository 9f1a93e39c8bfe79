package router

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/proto/kvpb"
)

const (
	// pipeBatchMax bounds the calls of one message: what a sender finds queued is
	// rarely more than the clients of a node.
	pipeBatchMax = 256
	// pipePendingMax bounds the calls under way; further ones travel by themselves.
	pipePendingMax = 16384
	// pipeCallBytesMax and pipeKeysMax bound what is sent through a pipe: a larger
	// request would hold up all that stand behind it.
	pipeCallBytesMax = 32 << 10
	pipeKeysMax      = 64
)

// errPipeBroke says that the stream ended with a call under way: it may have run.
var errPipeBroke = errors.New("the stream to the store broke")

// pipe carries small requests to one store over one gRPC stream and keeps answers
// and questions together by their ids.
//
//	call ──▶ queue ──▶ writer goroutine ──▶ stream ──▶ store
//	call ◀── pending[id] ◀── reader goroutine ◀── stream ◀──┘
//
// A pipe is opened once and never mended: when its stream breaks all pending calls
// fail, and the transport opens another.
type pipe struct {
	stream grpc.BidiStreamingClient[kvpb.CallBatch, kvpb.AnswerBatch]
	cancel context.CancelFunc
	wake   chan struct{} // holds one: something is queued
	mu     struct {
		sync.Mutex
		queue     []*kvpb.Call
		cancelled []uint64
		pending   map[uint64]*pipeCall
		lastID    uint64
		broken    bool
	}
}

// pipeCall is a call that waits for its answer.
type pipeCall struct {
	answer chan *kvpb.Response // holds one; closed when the pipe broke
	sent   bool                // guarded by the pipe's mutex: it has left the queue
}

// openPipe opens the stream to a store. The goroutines end when the stream breaks
// or close is called, and they belong to the group.
func openPipe(ctx context.Context, conn *grpc.ClientConn, group *stop.Group, ended func(*pipe)) (*pipe, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := kvpb.NewKVStreamClient(conn).Calls(ctx, grpc.MaxCallRecvMsgSize(answerBytesMax))
	if err == nil {
		// The server sends its header when it begins to serve the stream. Before
		// that nothing is sent: a stream that is refused would leave it unknown
		// whether the requests have run.
		var md metadata.MD
		if md, err = stream.Header(); err == nil && md == nil {
			err = errPipeBroke
		}
	}
	if err != nil {
		cancel()
		return nil, err
	}
	p := &pipe{stream: stream, cancel: cancel, wake: make(chan struct{}, 1)}
	p.mu.pending = make(map[uint64]*pipeCall)
	started := group.Go("kv-pipe-write", func(context.Context) { p.write(ctx) }) &&
		group.Go("kv-pipe-read", func(context.Context) {
			p.read()
			p.close()
			ended(p)
		})
	if !started {
		p.close()
		return nil, errors.New("the transport is closed")
	}
	return p, nil
}

// close breaks the stream and fails what is pending. It may be called repeatedly.
func (p *pipe) close() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.broken {
		return
	}
	p.mu.broken = true
	for _, c := range p.mu.pending {
		close(c.answer)
	}
	clear(p.mu.pending)
	p.mu.queue, p.mu.cancelled = nil, nil
}

func (p *pipe) isBroken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.broken
}

// call sends a request and waits. taken is false, and nothing was done, if the
// pipe is broken or full.
func (p *pipe) call(ctx context.Context, storeID uint64, req *kvpb.Request) (resp *kvpb.Response, taken bool, err error) {
	c := &pipeCall{answer: make(chan *kvpb.Response, 1)}
	p.mu.Lock()
	if p.mu.broken || len(p.mu.pending) >= pipePendingMax {
		p.mu.Unlock()
		return nil, false, nil
	}
	p.mu.lastID++
	id := p.mu.lastID
	p.mu.pending[id] = c
	p.mu.queue = append(p.mu.queue, &kvpb.Call{Id: id, Request: req})
	p.mu.Unlock()
	p.rouse()
	select {
	case resp, ok := <-c.answer:
		if ok {
			return resp, true, nil
		}
		// The mutex was released by whoever closed the channel, so sent is final.
		if !c.sent {
			return nil, true, &NotSentError{StoreID: storeID, Err: errPipeBroke}
		}
		return nil, true, fmt.Errorf("send to store %d: %w", storeID, errPipeBroke)
	case <-ctx.Done():
		if p.forget(id, c) {
			return nil, true, &NotSentError{StoreID: storeID, Err: ctx.Err()}
		}
		return nil, true, fmt.Errorf("send to store %d: %w", storeID, ctx.Err())
	}
}

// forget takes a call back that nobody waits for any more. It reports whether the
// call had not left yet.
func (p *pipe) forget(id uint64, c *pipeCall) (unsent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.pending, id)
	if c.sent {
		if !p.mu.broken {
			p.mu.cancelled = append(p.mu.cancelled, id)
			p.rouse()
		}
		return false
	}
	for i, q := range p.mu.queue {
		if q.Id == id {
			p.mu.queue = append(p.mu.queue[:i], p.mu.queue[i+1:]...)
			break
		}
	}
	return true
}

func (p *pipe) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the stream breaks. The order is that of the
// queue; nothing relies on it.
func (p *pipe) write(ctx context.Context) {
	defer p.close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
			runtime.Gosched() // whoever is ready to run may have more calls
		}
		for {
			batch := p.take()
			if batch == nil {
				break
			}
			// An error means that the stream is over: the reader gets the reason.
			if p.stream.Send(batch) != nil {
				return
			}
		}
	}
}

// take returns the next message, nil if nothing is queued.
func (p *pipe) take() *kvpb.CallBatch {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.mu.queue), pipeBatchMax)
	if n == 0 && len(p.mu.cancelled) == 0 {
		return nil
	}
	batch := &kvpb.CallBatch{Calls: p.mu.queue[:n:n], Cancelled: p.mu.cancelled}
	for _, q := range batch.Calls {
		if c := p.mu.pending[q.Id]; c != nil {
			c.sent = true
		}
	}
	if p.mu.queue = p.mu.queue[n:]; len(p.mu.queue) == 0 {
		p.mu.queue = nil
	}
	p.mu.cancelled = nil
	return batch
}

// read hands answers to those who wait until the stream ends.
func (p *pipe) read() {
	for {
		batch, err := p.stream.Recv()
		if err != nil {
			return
		}
		p.mu.Lock()
		for _, a := range batch.GetAnswers() {
			if c := p.mu.pending[a.GetId()]; c != nil && a.GetResponse() != nil {
				delete(p.mu.pending, a.GetId())
				c.answer <- a.GetResponse()
			}
		}
		p.mu.Unlock()
	}
}

// fitsPipe reports whether a request is small and so is its answer.
func fitsPipe(req *kvpb.Request) bool {
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Get, *kvpb.Request_CheckTxnStatus, *kvpb.Request_Heartbeat:
		return true
	case *kvpb.Request_Lock:
		return len(cmd.Lock.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Release:
		return len(cmd.Release.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Keep:
		return len(cmd.Keep.GetLocks()) <= pipeKeysMax
	case *kvpb.Request_Validate:
		return len(cmd.Validate.GetSpans()) <= pipeKeysMax
	case *kvpb.Request_BatchGet:
		return len(cmd.BatchGet.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Scan:
		n := cmd.Scan.GetLimitRows()
		return n > 0 && n <= pipeKeysMax
	case *kvpb.Request_CheckSecondaryLocks:
		return len(cmd.CheckSecondaryLocks.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Commit:
		return len(cmd.Commit.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Rollback:
		return len(cmd.Rollback.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Resolve:
		return len(cmd.Resolve.GetKeys()) > 0 && len(cmd.Resolve.GetKeys()) <= pipeKeysMax
	case *kvpb.Request_Prewrite:
		if len(cmd.Prewrite.GetMutations()) > pipeKeysMax {
			return false
		}
		size := 0
		for _, m := range cmd.Prewrite.GetMutations() {
			size += len(m.GetKey()) + len(m.GetValue())
		}
		return size <= pipeCallBytesMax
	}
	return false
}
