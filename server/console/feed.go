package console

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// feedPeriod is how often the pages get a new snapshot.
const feedPeriod = 2 * time.Second

// feed makes snapshots while somebody looks, and gives each to everybody who does.
type feed struct {
	next  func(ctx context.Context) []byte
	clock env.Clock

	mu struct {
		sync.Mutex
		subs   map[chan []byte]struct{}
		last   []byte
		stop   context.CancelFunc // of the loop; nil: it does not run
		closed bool
	}
	wg sync.WaitGroup
}

func newFeed(next func(ctx context.Context) []byte, clock env.Clock) *feed {
	f := &feed{next: next, clock: clock}
	f.mu.subs = map[chan []byte]struct{}{}
	return f
}

// join returns a channel of snapshots, closed with the feed; leave must follow.
func (f *feed) join() (sub <-chan []byte, leave func()) {
	ch := make(chan []byte, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.closed {
		close(ch)
		return ch, func() {}
	}
	f.mu.subs[ch] = struct{}{}
	if f.mu.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f.mu.stop, f.mu.last = cancel, nil
		f.wg.Go(func() { f.run(ctx) })
	} else if f.mu.last != nil {
		ch <- f.mu.last // at most a period old
	}
	return ch, func() { f.leave(ch) }
}

func (f *feed) leave(ch chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.mu.subs, ch)
	if len(f.mu.subs) == 0 && f.mu.stop != nil {
		f.mu.stop()
		f.mu.stop = nil
	}
}

func (f *feed) run(ctx context.Context) {
	for {
		b := f.next(ctx)
		if ctx.Err() != nil {
			return
		}
		f.give(ctx, b)
		if env.Sleep(ctx, f.clock, feedPeriod) != nil {
			return
		}
	}
}

// give sends a snapshot; a page that has not read the one before gets this one in its
// place. A loop that was stopped gives nothing: another may run already.
func (f *feed) give(ctx context.Context, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b == nil || ctx.Err() != nil {
		return
	}
	f.mu.last = b
	for ch := range f.mu.subs {
		select {
		case <-ch:
		default:
		}
		ch <- b
	}
}

// close ends all channels and waits for the loop.
func (f *feed) close() {
	f.mu.Lock()
	f.mu.closed = true
	for ch := range f.mu.subs {
		close(ch)
		delete(f.mu.subs, ch)
	}
	if f.mu.stop != nil {
		f.mu.stop()
		f.mu.stop = nil
	}
	f.mu.Unlock()
	f.wg.Wait()
}
