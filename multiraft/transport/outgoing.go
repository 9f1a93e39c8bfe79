package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
)

const (
	// queueMessagesMax and queueBytesMax bound what waits for one store and
	// class. All groups of a store tick together, so that the heartbeats of many
	// thousand regions come in one go.
	queueMessagesMax = 16384
	queueBytesMax    = 32 << 20

	// backoffMin and backoffMax bound the pause between attempts to open a
	// stream. A store that is back must be heard well within an election timeout.
	backoffMin = 50 * time.Millisecond
	backoffMax = 500 * time.Millisecond
)

// outgoing is the queue of one class to one store, and the stream that empties
// it.
type outgoing struct {
	t     *GRPC
	store uint64
	class multiraft.Class
	// wake holds at most one token: there is something to send.
	wake chan struct{}
	mu   struct {
		sync.Mutex
		queue []queued
		bytes int
		// away: the store could not be reached a moment ago. Messages are
		// dropped rather than queued until the next attempt, since they would be
		// stale by then.
		away bool
	}
}

type queued struct {
	env  *multiraft.Envelope
	size int
}

func newOutgoing(t *GRPC, store uint64, class multiraft.Class) *outgoing {
	return &outgoing{t: t, store: store, class: class, wake: make(chan struct{}, 1)}
}

// send queues a message or drops it.
func (o *outgoing) send(env *multiraft.Envelope) {
	size := multiraft.EnvelopeSizeMax(env)
	o.mu.Lock()
	// A message alone is admitted whatever its size.
	full := len(o.mu.queue) >= queueMessagesMax || (o.mu.bytes > 0 && o.mu.bytes+size > queueBytesMax)
	drop := full || o.mu.away
	if !drop {
		o.mu.queue = append(o.mu.queue, queued{env, size})
		o.mu.bytes += size
	}
	due := len(o.mu.queue) >= frameMessagesMax || o.mu.bytes >= frameBytesMax
	o.mu.Unlock()
	switch {
	case drop:
		o.unreachable(env)
	case due:
		o.signal()
	}
}

func (o *outgoing) flush() {
	o.mu.Lock()
	some := len(o.mu.queue) > 0
	o.mu.Unlock()
	if some {
		o.signal()
	}
}

func (o *outgoing) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outgoing) unreachable(env *multiraft.Envelope) {
	if o.t.group.Context().Err() == nil {
		o.t.counters.dropped.Add(1)
		o.t.o.Receiver.ReportUnreachable(env.RegionID, env.ToPeer)
	}
}

// take removes what fits into a frame; envs is reused memory.
func (o *outgoing) take(envs []*multiraft.Envelope) ([]*multiraft.Envelope, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := 0
	for _, q := range o.mu.queue {
		if len(envs) == frameMessagesMax || size >= frameBytesMax {
			break
		}
		envs = append(envs, q.env)
		size += q.size
	}
	rest := copy(o.mu.queue, o.mu.queue[len(envs):])
	clear(o.mu.queue[rest:])
	o.mu.queue = o.mu.queue[:rest]
	o.mu.bytes -= size
	return envs, size
}

// setAway drops the queue when the store is away.
func (o *outgoing) setAway(away bool) {
	o.mu.Lock()
	o.mu.away = away
	var dropped []queued
	if away {
		dropped = o.mu.queue
		o.mu.queue, o.mu.bytes = nil, 0
	}
	o.mu.Unlock()
	for _, q := range dropped {
		o.unreachable(q.env)
	}
}

// run sends what is queued until the transport closes.
func (o *outgoing) run(ctx context.Context) {
	failures := 0
	for {
		select {
		case <-o.wake:
		case <-ctx.Done():
			return
		}
		var opened time.Time
		streamCtx, cancel := context.WithCancel(ctx)
		stream, err := o.t.open(streamCtx, o.t.o.Dial, o.store, methodMessages, failures > 0)
		if err == nil {
			if failures > 0 {
				o.t.o.Logger.Info("raft stream is open", "to_store", o.store, "class", o.class.String(), "failures", failures)
			}
			opened = o.t.o.Clock.Now()
			err = o.pump(stream)
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		// A stream that is refused is opened first and ends at once.
		if !opened.IsZero() && o.t.o.Clock.Now().Sub(opened) > 2*backoffMax {
			failures = 0
		}
		failures++
		o.t.counters.breaks.Add(1)
		if failures == 1 {
			o.t.o.Logger.Warn("raft stream broke", "to_store", o.store, "class", o.class.String(), "error", err)
		}
		o.setAway(true)
		pause := min(backoffMin<<min(failures-1, 10), backoffMax)
		if env.Sleep(ctx, o.t.o.Clock, o.t.jitter(pause)) != nil {
			return
		}
		o.setAway(false)
	}
}

// pump uses a stream until it breaks.
func (o *outgoing) pump(stream grpc.ClientStream) error {
	envs := make([]*multiraft.Envelope, 0, frameMessagesMax)
	for {
		var size int
		if envs, size = o.take(envs[:0]); len(envs) == 0 {
			select {
			case <-o.wake:
				runtime.Gosched() // workers that are ready to run may have more for the frame
				continue
			case <-stream.Context().Done():
				return streamError(stream)
			}
		}
		content := encodeFrame(o.t.o.StoreID, o.store, envs, size, o.bad)
		o.t.counters.frames.Add(1)
		o.t.counters.sent.Add(uint64(len(envs)))
		o.t.counters.bytes.Add(uint64(content.Len()))
		if err := stream.SendMsg(newFrame(content)); err != nil {
			for _, env := range envs {
				o.unreachable(env)
			}
			if errors.Is(err, io.EOF) {
				err = streamError(stream)
			}
			return err
		}
		clear(envs)
	}
}

// bad is told of messages that cannot be encoded: a defect of ours, which must
// not take the others down.
func (o *outgoing) bad(env *multiraft.Envelope, err error) {
	o.t.o.Logger.Error("raft message dropped", "region", env.RegionID, "to_store", o.store, "error", err)
}

// open opens a stream to a store. retry says that the last attempt failed, and
// that gRPC should not sit out a pause of its own.
func (t *GRPC) open(ctx context.Context, dial func(context.Context, uint64) (*grpc.ClientConn, error),
	store uint64, method string, retry bool) (grpc.ClientStream, error) {
	conn, err := dial(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("dial store %d: %w", store, err)
	}
	if retry {
		conn.ResetConnectBackoff()
	}
	ctx = metadata.AppendToOutgoingContext(ctx, clusterKey, strconv.FormatUint(t.o.ClusterID, 10))
	desc := &grpc.StreamDesc{StreamName: method, ClientStreams: true}
	s, err := conn.NewStream(ctx, desc, "/"+serviceName+"/"+method, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		return nil, fmt.Errorf("open stream to store %d: %w", store, err)
	}
	return s, nil
}

// streamError returns why a stream ended.
func streamError(s grpc.ClientStream) error {
	if err := s.RecvMsg(new(wrapperspb.BytesValue)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return errors.New("the other store closed the stream")
}
