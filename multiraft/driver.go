package multiraft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/storage/engine"
)

// PlacementGroup is the id of the placement group, which has a worker of its
// own: nothing else may delay the timestamps and ids that it gives to all.
const PlacementGroup = 1

// Options are the parameters of New.
type Options struct {
	// Log receives all appends of the store. Required.
	Log LogStore
	// State is the engine that the rounds' state batches go to. Required.
	State *engine.Engine
	// Transport carries messages to other stores. Required.
	Transport Transport
	// Processor owns the groups. Required.
	Processor Processor
	// Clock drives the ticker. Required unless Manual.
	Clock env.Clock
	// Workers is the number of workers besides that of the placement group.
	// Zero means max(2, GOMAXPROCS): writes are asynchronous, workers do not
	// wait for disks, so more would only switch.
	Workers int
	// TickInterval is the time between ticks. Zero means TickInterval.
	TickInterval time.Duration
	// Manual starts no goroutine: see PollRound, FlushLog and TickAll.
	Manual bool
	// Groups returns the ids of all groups that tick. Required. For
	// repeatable simulations they must be sorted. While there are none the ticker
	// rests, and asks again only after a call of Stir.
	Groups func() []uint64
	// Logger is required.
	Logger *slog.Logger
	// Fatal is called once, with the first error of a log or state write. The
	// driver has stopped acknowledging by then and does nothing more; an fsync
	// that failed is never retried, because the kernel may have forgotten the
	// dirty pages. Fatal must not call Stop on its own goroutine. Required.
	Fatal func(error)
}

// ErrStopped is returned by Start of a driver that was stopped.
var ErrStopped = errors.New("multiraft driver is stopped")

// Driver runs the groups of one store.
type Driver struct {
	opts      Options
	processor Processor
	transport Transport
	state     *engine.Engine
	sched     *scheduler
	log       *logWriter
	counters  counters

	// manual mode: the round that PollRound reuses.
	manual worker

	failure failure
	// Two groups, because the log writer must outlive the workers: one of them
	// may be waiting for room in its queue.
	workers, writers *stop.Group
	// resting: the ticker waits for stir.
	resting atomic.Bool
	stir    chan struct{} // of capacity one
	mu      struct {
		sync.Mutex
		started, stopped bool
	}
}

// New returns a driver that does nothing yet: see Start.
func New(o Options) (*Driver, error) {
	switch {
	case o.Log == nil, o.State == nil, o.Transport == nil, o.Processor == nil,
		o.Groups == nil, o.Logger == nil, o.Fatal == nil:
		return nil, errors.New("multiraft driver: Log, State, Transport, Processor, Groups, Logger and Fatal are required")
	case o.Clock == nil && !o.Manual:
		return nil, errors.New("multiraft driver: Clock is required unless Manual")
	}
	if o.Workers <= 0 {
		o.Workers = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Manual {
		o.Workers = 1
	}
	if o.TickInterval <= 0 {
		o.TickInterval = TickInterval
	}
	d := &Driver{
		opts:      o,
		processor: o.Processor,
		transport: o.Transport,
		state:     o.State,
		sched:     newScheduler(o.Workers),
		workers:   stop.NewGroup(context.Background()),
		writers:   stop.NewGroup(context.Background()),
		stir:      make(chan struct{}, 1),
	}
	d.log = newLogWriter(d)
	d.manual.init(d)
	return d, nil
}

// Start begins to work. In manual mode it only checks that the driver was not
// stopped.
func (d *Driver) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.stopped {
		return ErrStopped
	}
	if d.mu.started || d.opts.Manual {
		d.mu.started = true
		return nil
	}
	d.mu.started = true
	d.writers.Go("log-write", func(context.Context) { d.log.writeLoop() })
	d.writers.Go("log-deliver", func(context.Context) { d.log.deliverLoop() })
	for i, sh := range d.sched.shards {
		for range sh.workers {
			d.workers.Go(fmt.Sprintf("raft-worker-%d", i), func(context.Context) { d.workLoop(sh) })
		}
	}
	d.workers.Go("raft-ticker", d.tickLoop)
	return nil
}

// Stop lets the workers finish their rounds, writes and acknowledges what is in
// the log queue, and returns when all goroutines have ended. It does not close
// the log, the engine or the transport, which must outlive it. A second call
// waits too. Work that is still scheduled is dropped. In manual mode nothing is
// flushed: to stop is to crash, FlushLog before it is to shut down.
func (d *Driver) Stop() {
	d.mu.Lock()
	d.mu.stopped = true
	d.mu.Unlock()
	d.sched.stop()
	d.workers.Stop()
	d.log.close()
	d.writers.Stop()
}

// Enqueue schedules a group. While the group is being processed it is remembered
// and the group runs once more afterwards. It never blocks and does nothing after
// Stop.
func (d *Driver) Enqueue(group uint64, f Flags) { d.sched.enqueue(group, f, 0) }

// Scheduled reports whether a group waits for a worker or is with one. For
// simulations: it may be over by the time of the answer.
func (d *Driver) Scheduled(group uint64) bool { return d.sched.knows(group) }

// EnqueueAll schedules many groups, in their order.
func (d *Driver) EnqueueAll(groups []uint64, f Flags) { d.sched.enqueueAll(groups, f, 0) }

// TickAll gives one tick to every group, as the ticker does in automatic mode.
func (d *Driver) TickAll() { d.tickAll() }

func (d *Driver) tickAll() (some bool) {
	groups := d.opts.Groups()
	d.sched.enqueueAll(groups, 0, 1)
	return len(groups) > 0
}

// Stir says that Options.Groups may have an answer again. It must be called after
// whatever makes it so. It never blocks, and costs nothing while there are groups that
// tick.
func (d *Driver) Stir() {
	if !d.resting.Load() {
		return
	}
	select {
	case d.stir <- struct{}{}:
	default:
	}
}

// SyncLog has done called once a sync of the log has ended that began after the
// call, together with others that are due, even if there is nothing to write. It
// never blocks and reports false, without calling done, if the log's queue is full
// or the driver has stopped.
func (d *Driver) SyncLog(done func()) bool { return d.log.enqueueSync(done) }

// Fail stops the driver as a failed write of its own does: for a store that finds
// its disk or its data damaged elsewhere. Options.Fatal is called unless it was
// before.
func (d *Driver) Fail(err error) { d.fail(err) }

// Failed returns the error that was handed to Options.Fatal, or nil.
func (d *Driver) Failed() error { return d.failure.err() }

// restAfter is how many ticks in a row nobody wants before the ticker rests.
const restAfter = 2

// tickLoop gives ticks to those who want them, every TickInterval as long as there are
// any.
func (d *Driver) tickLoop(ctx context.Context) {
	for ctx.Err() == nil {
		d.tickWhileWanted(ctx)
		d.resting.Store(true)
		// Who came before that has not called for a tick.
		for !d.tickAll() {
			select {
			case <-d.stir:
			case <-ctx.Done():
				return
			}
		}
		d.resting.Store(false)
	}
}

func (d *Driver) tickWhileWanted(ctx context.Context) {
	t := d.opts.Clock.NewTicker(d.opts.TickInterval)
	defer t.Stop()
	for idle := 0; idle < restAfter; idle++ {
		select {
		case <-t.C():
		case <-ctx.Done():
			return
		}
		if d.tickAll() {
			idle = -1
		}
	}
}

// fail stops everything that would acknowledge something. Only the first call
// counts.
func (d *Driver) fail(err error) {
	if !d.failure.set(err) {
		return
	}
	d.sched.stop()
	d.log.abandon()
	d.opts.Logger.Error("store stops: a write failed", "error", err)
	d.opts.Fatal(err)
}

// failure is the first fatal error.
type failure struct{ p atomic.Pointer[error] }

func (f *failure) set(err error) bool { return f.p.CompareAndSwap(nil, &err) }

func (f *failure) err() error {
	if p := f.p.Load(); p != nil {
		return *p
	}
	return nil
}
