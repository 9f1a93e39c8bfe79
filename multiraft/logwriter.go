package multiraft

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/quorate-db/quorate/internal/fault"
)

const (
	// logQueueBytesMax bounds what is queued or being written, in bytes of
	// entries. A full queue blocks the workers. That is right because an append
	// cannot be dropped (the RawNode counts on each, in order), and because a
	// store whose disk is that far behind must not take in more: its groups stop
	// reading their inboxes, and the flow control of the Raft library stops their
	// leaders. It cannot deadlock: the log writer never waits for a worker.
	logQueueBytesMax = 32 << 20
	// logBatchBytesMax bounds one engine batch, so that one group's bulk does
	// not delay the others' answers by much more than a fsync.
	logBatchBytesMax = 4 << 20
	// logLandedMax bounds the batches that are durable and not yet delivered.
	logLandedMax = 16
	// appendOverheadBytes is what an append counts for besides its data, and
	// likewise an entry.
	appendOverheadBytes = 64
)

// logWriter takes the appends of all rounds, writes them in batches and delivers
// their responses when they are durable. One goroutine writes a batch and waits for
// its sync, another delivers, so that the disk does not wait for that.
//
// What is appended while a sync runs makes up the next batch.
type logWriter struct {
	d  *Driver
	mu struct {
		sync.Mutex
		queue []Append
		spare []Append // memory for the next queue
		// bytes counts the queue and what is in flight.
		bytes     int
		closed    bool // no more appends come; drain
		abandoned bool // a write failed; drop everything
	}
	nonEmpty, room *sync.Cond
	landed         chan flight
}

// flight is a batch on its way to the disk, or back from it.
type flight struct {
	batch   LogBatch
	appends []Append
	bytes   int
}

func newLogWriter(d *Driver) *logWriter {
	w := &logWriter{d: d, landed: make(chan flight, logLandedMax)}
	w.nonEmpty = sync.NewCond(&w.mu.Mutex)
	w.room = sync.NewCond(&w.mu.Mutex)
	return w
}

// enqueue copies the appends into the queue. It waits while the queue is full
// and reports false if the store has failed.
func (w *logWriter) enqueue(as []Append) bool {
	n := 0
	for i := range as {
		n += as[i].size
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.bytes >= logQueueBytesMax && !w.d.opts.Manual {
		w.d.counters.logFull.Add(1)
		for w.mu.bytes >= logQueueBytesMax && !w.mu.abandoned {
			w.room.Wait()
		}
	}
	if w.mu.abandoned || w.mu.closed {
		return false
	}
	w.mu.queue = append(w.mu.queue, as...)
	w.addBytesLocked(n)
	w.nonEmpty.Signal()
	return true
}

func (w *logWriter) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.bytes >= logQueueBytesMax
}

// addBytesLocked changes the fill of the queue.
// Requires: w.mu held.
func (w *logWriter) addBytesLocked(n int) {
	w.mu.bytes += n
	w.d.counters.logQueuedAt.Store(uint64(w.mu.bytes))
}

// enqueueSync asks for a sync of whatever is in the log, unless the queue is full.
func (w *logWriter) enqueueSync(done func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.bytes >= logQueueBytesMax || w.mu.abandoned || w.mu.closed {
		return false
	}
	w.mu.queue = append(w.mu.queue, Append{MustSync: true, Durable: done, size: appendOverheadBytes})
	w.addBytesLocked(appendOverheadBytes)
	w.nonEmpty.Signal()
	return true
}

// close makes the loops end once everything queued is written.
func (w *logWriter) close() {
	w.mu.Lock()
	w.mu.closed = true
	w.mu.Unlock()
	w.nonEmpty.Broadcast()
	w.room.Broadcast()
}

// abandon makes the loops end without writing or delivering anything more.
func (w *logWriter) abandon() {
	w.mu.Lock()
	w.mu.abandoned = true
	w.mu.queue = nil
	w.mu.Unlock()
	w.nonEmpty.Broadcast()
	w.room.Broadcast()
}

// take removes what fits into one batch. It returns nil when there is nothing,
// with wait only once the writer is closed or abandoned.
func (w *logWriter) take(wait bool) (as []Append, bytes int) {
	if wait {
		// Workers that are ready to run may have more for the same batch.
		runtime.Gosched()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for wait && len(w.mu.queue) == 0 && !w.mu.closed && !w.mu.abandoned {
		w.nonEmpty.Wait()
		if len(w.mu.queue) > 0 {
			w.mu.Unlock()
			runtime.Gosched()
			w.mu.Lock()
		}
	}
	if w.mu.abandoned || len(w.mu.queue) == 0 {
		return nil, 0
	}
	n := 0
	for n < len(w.mu.queue) && bytes < logBatchBytesMax {
		bytes += w.mu.queue[n].size
		n++
	}
	if n == len(w.mu.queue) {
		as = w.mu.queue
		w.mu.queue, w.mu.spare = w.mu.spare, nil
		return as, bytes
	}
	as = append(make([]Append, 0, n), w.mu.queue[:n]...)
	rest := copy(w.mu.queue, w.mu.queue[n:])
	clear(w.mu.queue[rest:])
	w.mu.queue = w.mu.queue[:rest]
	return as, bytes
}

// writeLoop writes and syncs batches until the writer is closed and the queue is
// empty.
func (w *logWriter) writeLoop() {
	defer close(w.landed)
	for {
		as, n := w.take(true)
		if as == nil {
			return
		}
		f, err := w.write(as, n)
		if err != nil {
			w.d.fail(err)
			return
		}
		if !w.land(f) {
			return
		}
		w.landed <- f
	}
}

// deliverLoop delivers the batches in their order.
func (w *logWriter) deliverLoop() {
	for f := range w.landed {
		w.deliver(f)
	}
}

// FlushLog writes and syncs what is queued, delivers the responses and reports
// whether there was anything. Manual mode only.
func (d *Driver) FlushLog() bool {
	any := false
	for {
		as, n := d.log.take(false)
		if as == nil {
			return any
		}
		any = true
		f, err := d.log.write(as, n)
		if err != nil {
			d.fail(err)
			return any
		}
		if !d.log.land(f) {
			return any
		}
		d.log.deliver(f)
	}
}

// write makes one batch of the appends and hands it to the disk.
func (w *logWriter) write(as []Append, bytes int) (flight, error) {
	b := w.d.opts.Log.NewBatch()
	sync, entries, data := false, 0, 0
	for i := range as {
		a := &as[i]
		if err := b.Append(a.Group, a.HardState, a.Entries); err != nil {
			_ = b.Close()
			return flight{}, fmt.Errorf("append to the log of region %d: %w", a.Group, err)
		}
		sync = sync || a.MustSync
		entries += len(a.Entries)
		for _, e := range a.Entries {
			data += len(e.GetData())
		}
	}
	fault.Hit("log/before-append")
	if err := b.Commit(sync); err != nil {
		_ = b.Close()
		return flight{}, fmt.Errorf("write %d appends to the log: %w", len(as), err)
	}
	fault.Hit("log/after-append")
	c := &w.d.counters
	c.logBatches.Add(1)
	if sync {
		c.logSyncs.Add(1)
	}
	c.logAppends.Add(uint64(len(as)))
	c.logEntries.Add(uint64(entries))
	c.logBytes.Add(uint64(data))
	return flight{batch: b, appends: as, bytes: bytes}, nil
}

// land waits until a batch is durable. It reports false if the store has failed.
func (w *logWriter) land(f flight) bool {
	err := f.batch.Wait()
	if cerr := f.batch.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		w.d.fail(fmt.Errorf("sync the log: %w", err))
	}
	if w.d.failure.err() != nil {
		return false
	}
	fault.Hit("log/after-sync")
	return true
}

// deliver delivers the responses of a batch that is durable, unless the store has
// failed.
func (w *logWriter) deliver(f flight) {
	if w.d.failure.err() != nil {
		return
	}
	sent := 0
	for i := range f.appends {
		a := &f.appends[i]
		for _, env := range a.Envelopes {
			w.d.transport.Send(env)
		}
		sent += len(a.Envelopes)
		for _, m := range a.Responses {
			w.d.processor.Deliver(a.Group, m)
		}
		if a.Durable != nil {
			a.Durable()
		}
	}
	if sent > 0 {
		w.d.transport.Flush()
		w.d.counters.messages.Add(uint64(sent))
	}
	clear(f.appends)
	w.mu.Lock()
	w.addBytesLocked(-f.bytes)
	if w.mu.spare == nil {
		w.mu.spare = f.appends[:0]
	}
	w.mu.Unlock()
	w.room.Broadcast()
}
