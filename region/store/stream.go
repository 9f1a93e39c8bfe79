package store

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

const (
	// streamCallsMax bounds the calls under way of one stream. A sender keeps
	// fewer (router.pipePendingMax); one that does not loses its stream.
	streamCallsMax = 32768
	// answersMax bounds one message of answers.
	answersMax = 256
	// callersMax bounds the goroutines that a stream keeps for what it does not do
	// itself. More are started when they are needed, and end when they are not: the
	// stack of one that stays has its size already.
	callersMax = 64
	// shareCalls is how many calls a goroutine begins: to wake another one costs as
	// much as to evaluate a write.
	shareCalls = 16
)

type streamService struct {
	kvpb.UnimplementedKVStreamServer
	s *Store
}

// Calls serves a stream of small requests. The goroutine that received them does
// what can be done at once, one after the other: it answers reads, in one message, and
// evaluates writes. Of many it leaves a share to others (see beginAll). What waits for
// the log, a latch or a lock is answered later by the writer goroutine.
func (k streamService) Calls(stream grpc.BidiStreamingServer[kvpb.CallBatch, kvpb.AnswerBatch]) error {
	c := &callStream{s: k.s, stream: stream, wake: make(chan struct{}, 1), over: make(chan struct{}), work: make(chan func())}
	c.mu.running = make(map[uint64]*replica.Call)
	written := make(chan struct{})
	// The writer ends with this function, or with the store.
	started := k.s.group.Go("kv-stream-write", func(ctx context.Context) {
		defer close(written)
		c.write(ctx)
	})
	if !started {
		return status.Error(codes.Unavailable, "the store is stopping")
	}
	// The sender waits for this before it sends anything.
	err := stream.SendHeader(nil)
	if err == nil {
		err = c.receive()
	}
	c.end()
	<-written
	return err
}

// callStream is the server's side of one stream.
type callStream struct {
	s      *Store
	stream grpc.BidiStreamingServer[kvpb.CallBatch, kvpb.AnswerBatch]
	wake   chan struct{} // holds one: there are answers
	over   chan struct{} // closed by end
	work   chan func()   // to a goroutine that waits for it
	kept   atomic.Int32  // goroutines that wait, or will
	send   sync.Mutex    // a stream has one sender at a time
	mu     struct {
		sync.Mutex
		ended   bool
		inRound bool // receive will send the answers itself
		answers []*kvpb.Answer
		running map[uint64]*replica.Call // nil: being begun
	}
}

// receive begins what comes until the stream ends.
func (c *callStream) receive() error {
	for {
		batch, err := c.stream.Recv()
		if err != nil {
			return err
		}
		for _, id := range batch.GetCancelled() {
			c.cancel(id)
		}
		c.mu.Lock()
		c.mu.inRound = true
		full := len(c.mu.running)+len(batch.GetCalls()) > streamCallsMax
		c.mu.Unlock()
		if full {
			return status.Errorf(codes.ResourceExhausted, "more than %d calls under way in one stream", streamCallsMax)
		}
		c.beginAll(batch.GetCalls())
		c.mu.Lock()
		c.mu.inRound = false
		c.mu.Unlock()
		if err := c.flush(); err != nil {
			return err
		}
	}
}

// beginAll begins calls: a share of them here, the others elsewhere.
func (c *callStream) beginAll(calls []*kvpb.Call) {
	c.mu.Lock()
	for _, q := range calls {
		c.mu.running[q.GetId()] = nil
	}
	c.mu.Unlock()
	for len(calls) > shareCalls {
		rest := len(calls) - shareCalls
		share := calls[rest:]
		c.goOn(func() { c.beginShare(share) })
		calls = calls[:rest]
	}
	c.beginShare(calls)
}

// beginShare begins calls and has what they propose processed together: the first
// would wake a worker for itself.
func (c *callStream) beginShare(calls []*kvpb.Call) {
	p := proposals{s: c.s}
	for _, q := range calls {
		c.begin(q, p.add)
	}
	p.enqueue()
}

// proposals gathers the regions that have something to propose until enqueue is
// called.
type proposals struct {
	s    *Store
	mu   sync.Mutex
	over bool
	ids  []uint64
}

func (p *proposals) add(regionID uint64) {
	p.mu.Lock()
	over := p.over
	if !over {
		p.ids = append(p.ids, regionID)
	}
	p.mu.Unlock()
	if over {
		p.s.driver.Enqueue(regionID, multiraft.Requests)
	}
}

func (p *proposals) enqueue() {
	p.mu.Lock()
	p.over = true
	ids := p.ids
	p.ids = nil
	p.mu.Unlock()
	p.s.driver.EnqueueAll(ids, multiraft.Requests)
}

// begin begins a call that is among the running ones.
func (c *callStream) begin(q *kvpb.Call, proposed func(uint64)) {
	id := q.GetId()
	r, e := c.s.route(q.GetRequest())
	if e != nil {
		c.answer(id, region.Response(e))
		return
	}
	call := r.SendOneOf(q.GetRequest(), c.goOn, func(resp *kvpb.Response) {
		c.answer(id, c.s.enrich(q.GetRequest(), resp))
	}, proposed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, still := c.mu.running[id]; still {
		c.mu.running[id] = call
	}
}

// goOn runs what follows a wait, and a share of what comes: not on the goroutine that
// ended the wait, which is often a worker of the scheduler, and not on the one that
// receives, so that many writes use all processors.
func (c *callStream) goOn(f func()) {
	select {
	case c.work <- f:
		return
	default:
	}
	if !c.s.group.Go("kv-stream-call", func(ctx context.Context) { c.evaluate(ctx, f) }) {
		f()
	}
}

// evaluate runs f, and what comes after it while the stream lasts.
func (c *callStream) evaluate(ctx context.Context, f func()) {
	f()
	if c.kept.Add(1) > callersMax {
		c.kept.Add(-1)
		return
	}
	for {
		select {
		case f := <-c.work:
			f()
		case <-c.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// answer queues an answer. It does not block.
func (c *callStream) answer(id uint64, resp *kvpb.Response) {
	c.mu.Lock()
	delete(c.mu.running, id)
	rouse := false
	if !c.mu.ended {
		c.mu.answers = append(c.mu.answers, &kvpb.Answer{Id: id, Response: resp})
		rouse = !c.mu.inRound
	}
	c.mu.Unlock()
	if rouse {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// cancel gives a call up: its caller has left.
func (c *callStream) cancel(id uint64) {
	c.mu.Lock()
	call := c.mu.running[id]
	c.mu.Unlock()
	if call != nil {
		call.Abandon("the caller waits no longer")
	}
}

func (c *callStream) write(ctx context.Context) {
	for {
		select {
		case <-c.over:
			return
		case <-ctx.Done():
			return
		case <-c.wake:
			runtime.Gosched() // whoever is ready to run may have more answers
		}
		if c.flush() != nil {
			return // receive hears of it too
		}
	}
}

// flush sends the queued answers.
func (c *callStream) flush() error {
	c.send.Lock()
	defer c.send.Unlock()
	for {
		c.mu.Lock()
		n := min(len(c.mu.answers), answersMax)
		out := c.mu.answers[:n:n]
		if c.mu.answers = c.mu.answers[n:]; len(c.mu.answers) == 0 {
			c.mu.answers = nil
		}
		c.mu.Unlock()
		if n == 0 {
			return nil
		}
		if err := c.stream.Send(&kvpb.AnswerBatch{Answers: out}); err != nil {
			return err
		}
	}
}

// end gives up what is under way: nobody can be answered any more.
func (c *callStream) end() {
	c.mu.Lock()
	c.mu.ended = true
	c.mu.answers = nil
	left := make([]*replica.Call, 0, len(c.mu.running))
	for _, call := range c.mu.running {
		left = append(left, call)
	}
	c.mu.Unlock()
	for _, call := range left {
		call.Abandon("the caller's stream broke")
	}
	close(c.over)
}
