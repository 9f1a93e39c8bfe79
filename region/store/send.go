package store

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/region/replica"
)

// Send runs a request in its region and waits for the answer. If ctx ends first
// the answer is ServerBusy when nothing was proposed, else Ambiguous. A response
// is never nil. Keys and values of the request must not be changed until then;
// those of the response belong to the caller.
func (s *Store) Send(ctx context.Context, req *kvpb.Request) *kvpb.Response {
	if resp := s.sendToStore(req); resp != nil {
		return resp
	}
	r, e := s.route(req)
	if e != nil {
		return region.Response(e)
	}
	w := newWaiter[*kvpb.Response]()
	c := r.Send(req, w.exec, w.done)
	return s.enrich(req, w.wait(ctx, func() { c.Abandon(ctx.Err().Error()) }))
}

// SendAsync runs a request and calls done once, from any goroutine, possibly
// before it returns. done must not block.
func (s *Store) SendAsync(req *kvpb.Request, done func(*kvpb.Response)) {
	r, e := s.route(req)
	if e != nil {
		done(region.Response(e))
		return
	}
	r.Send(req, nil, func(resp *kvpb.Response) { done(s.enrich(req, resp)) })
}

// sendToStore answers requests that are not for a region; nil if req is for one.
func (s *Store) sendToStore(req *kvpb.Request) *kvpb.Response {
	locks, br, support := req.GetLocks(), req.GetBreakWait(), req.GetSupport()
	if locks == nil && br == nil && support == nil {
		return nil
	}
	if e := s.checkHeader(req.GetHeader()); e != nil {
		return region.Response(e)
	}
	if support != nil {
		g := support.GetGateway()
		return &kvpb.Response{Cmd: &kvpb.Response_Support{Support: &kvpb.SupportResponse{
			Support: s.support(locktable.Gateway{Store: g.GetStore(), Boot: g.GetBoot()}),
		}}}
	}
	if locks != nil {
		return &kvpb.Response{Cmd: &kvpb.Response_Locks{Locks: s.lockList(locks)}}
	}
	return &kvpb.Response{Cmd: &kvpb.Response_BreakWait{BreakWait: &kvpb.BreakWaitResponse{Broken: s.breakWait(br.GetDeadlock())}}}
}

func (s *Store) route(req *kvpb.Request) (*replica.Replica, *kvpb.RegionError) {
	if e := s.checkHeader(req.GetHeader()); e != nil {
		return nil, e
	}
	r := s.replica(req.GetHeader().GetRegionId())
	if r == nil {
		return nil, s.notHere(req.GetHeader().GetRegionId())
	}
	if e := s.space.refuses(req); e != nil {
		return nil, e
	}
	s.noteLoad(r, req)
	return r, nil
}

func (s *Store) checkHeader(h *kvpb.Header) *kvpb.RegionError {
	if s.closed.Load() {
		return region.Unavailable("it is stopping")
	}
	if s.failed.Load() {
		return region.Unavailable("it has failed")
	}
	if h == nil {
		return region.Refused("request without a header")
	}
	if id := h.GetClusterId(); id != 0 && id != s.ident.ClusterID {
		return region.Refused("request is for cluster %x, this is cluster %x", id, s.ident.ClusterID)
	}
	if id := h.GetStoreId(); id != 0 && id != s.ident.StoreID {
		return region.StoreNotMatch(s.ident.StoreID)
	}
	return nil
}

// enrich adds to a refusal what else this store knows over the range that the
// sender had in mind: after a split the request belongs to a child.
func (s *Store) enrich(req *kvpb.Request, resp *kvpb.Response) *kvpb.Response {
	if nf := resp.GetRegionError().GetRegionNotFound(); nf != nil {
		return region.Response(s.notHere(nf.GetRegionId()))
	}
	e := resp.GetRegionError().GetEpochNotMatch()
	if e == nil {
		return resp
	}
	// Keys to the right of the region went to its children; they are found by
	// walking on from where it ends now.
	const most = 16
	known := make(map[uint64]bool)
	for _, d := range e.GetCurrent() {
		known[d.GetId()] = true
	}
	if len(e.GetCurrent()) == 0 {
		return resp
	}
	asked := req.GetHeader().GetEpoch().GetVersion()
	left := e.GetCurrent()[0]
	for _, i := range s.Regions() {
		d := i.Region
		// A child's version is that of the split that made it, or newer.
		if len(e.Current) < most && !known[d.GetId()] && len(left.GetEndKey()) != 0 &&
			string(d.GetStartKey()) >= string(left.GetEndKey()) && d.GetEpoch().GetVersion() > asked {
			known[d.GetId()] = true
			e.Current = append(e.Current, d)
		}
	}
	return resp
}

// waiter lets a goroutine wait for an answer and run what goes on after waits, so
// that scheduler workers are not kept with it. An answer that is there before
// anybody waits costs no channel.
type waiter[T any] struct {
	mu       sync.Mutex
	answered bool
	answer   T
	work     func()        // to be run by whoever waits
	gone     bool          // nobody waits any more
	wake     chan struct{} // of capacity one; nil until somebody blocks
}

func newWaiter[T any]() *waiter[T] { return &waiter[T]{} }

// done gives the answer. It is called once.
func (w *waiter[T]) done(v T) {
	w.mu.Lock()
	w.answered, w.answer = true, v
	w.rouseLocked()
	w.mu.Unlock()
}

// exec hands f to the waiting goroutine. A call has one thing to go on with at a
// time; what does not fit, or comes when nobody waits, runs here.
func (w *waiter[T]) exec(f func()) {
	w.mu.Lock()
	if !w.gone && w.work == nil {
		w.work = f
		w.rouseLocked()
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	f()
}

// rouseLocked wakes whoever blocks. Requires: w.mu held.
func (w *waiter[T]) rouseLocked() {
	if w.wake == nil {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wait returns the answer. When ctx ends it calls abandon, which makes one. What
// was handed over runs before it returns: it gives latches back.
func (w *waiter[T]) wait(ctx context.Context, abandon func()) T {
	var done <-chan struct{}
	for {
		w.mu.Lock()
		if f := w.work; f != nil {
			w.work = nil
			w.mu.Unlock()
			f()
			continue
		}
		if w.answered {
			w.gone = true
			w.mu.Unlock()
			return w.answer
		}
		first := w.wake == nil
		if first {
			w.wake = make(chan struct{}, 1)
		}
		w.mu.Unlock()
		if first {
			done = ctx.Done()
		}
		select {
		case <-w.wake:
		case <-done:
			done = nil
			abandon()
		}
	}
}

// RegisterKV serves the KV service of kvpb on a gRPC server.
func (s *Store) RegisterKV(server grpc.ServiceRegistrar) {
	kvpb.RegisterKVServer(server, kvService{s: s})
	kvpb.RegisterKVStreamServer(server, streamService{s: s})
}

type kvService struct {
	kvpb.UnimplementedKVServer
	s *Store
}

func (k kvService) Send(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error) {
	return k.s.Send(ctx, req), nil
}
