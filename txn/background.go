package txn

import (
	"context"
	"sync"
	"time"
)

const (
	backgroundWorkers  = 4
	backgroundQueueMax = 1024
)

// task is a piece of work that may be lost: somebody who meets the locks will do
// it then.
type task func(ctx context.Context) error

// background runs tasks on a few workers behind a bounded queue.
type background struct {
	c     *Client
	queue chan task
	mu    struct {
		sync.Mutex
		closed  bool
		pending int           // queued or running
		idle    chan struct{} // closed when closed and pending is 0
	}
}

func (b *background) start(c *Client) {
	b.c = c
	b.queue = make(chan task, backgroundQueueMax)
	b.mu.idle = make(chan struct{})
	for range backgroundWorkers {
		c.group.Go("background", b.work)
	}
}

// work ends when the client's group stops; what is still queued then is lost.
func (b *background) work(ctx context.Context) {
	for {
		select {
		case t := <-b.queue:
			b.run(ctx, t)
			b.done()
		case <-ctx.Done():
			return
		}
	}
}

func (b *background) run(ctx context.Context, t task) {
	ctx, cancel := context.WithTimeout(ctx, b.c.opts.CleanupTimeout)
	defer cancel()
	if err := t(ctx); err != nil {
		b.c.stats.backgroundLost.Add(1)
		b.c.opts.Logger.Warn("background work given up", "err", err)
	}
}

// offer queues a task if there is room and else drops it.
func (b *background) offer(t task) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.closed {
		return false
	}
	select {
	case b.queue <- t:
		b.mu.pending++
		return true
	default:
		return false
	}
}

// do queues a task; if there is no room the caller does it, which slows down
// those who make too much work.
func (b *background) do(t task) {
	if !b.offer(t) {
		b.run(b.c.group.Context(), t)
	}
}

func (b *background) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.pending--
	if b.mu.closed && b.mu.pending == 0 {
		close(b.mu.idle)
	}
}

func (b *background) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.closed
}

// drain refuses new tasks and waits until all are done or ctx ends.
func (b *background) drain(ctx context.Context) error {
	b.mu.Lock()
	if !b.mu.closed {
		b.mu.closed = true
		if b.mu.pending == 0 {
			close(b.mu.idle)
		}
	}
	b.mu.Unlock()
	select {
	case <-b.mu.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// detached returns a context that outlives the statement's, for at most d. The
// client's end ends it too.
func (c *Client) detached(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.group.Context(), d)
}
