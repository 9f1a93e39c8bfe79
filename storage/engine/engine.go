package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quorate-db/quorate/storage/keys"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("engine is closed")

// ErrFatal is wrapped by every error after a fatal disk error; see the package
// documentation.
var ErrFatal = errors.New("the engine has stopped for good")

// Kind chooses what an engine is tuned for and how its keys are ordered.
type Kind int

// The kinds of engine. The zero value is invalid, so that nobody opens the
// wrong one by omission.
const (
	// StateEngine holds applied state; its keys are made by keys.Append… and
	// ordered by user key, then newest timestamp first.
	StateEngine Kind = iota + 1
	// LogEngine holds raft logs; its keys are ordered bytewise.
	LogEngine
)

// String returns the word that the format marker uses.
func (k Kind) String() string {
	switch k {
	case StateEngine:
		return "state"
	case LogEngine:
		return "log"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Options configures Open. Kind is the only field without a default.
type Options struct {
	Kind Kind
	// FS is the file system; nil is the operating system's.
	FS FS
	// Cache is shared among engines; nil means a private one of 8 MB.
	Cache *Cache
	// Logger receives Pebble's messages; nil discards them.
	Logger *slog.Logger
	// MemTableBytes is the size of one memtable; zero is 64 MB for a log engine
	// and 32 MB for a state engine.
	MemTableBytes uint64
	// OnFatal is called once, from any goroutine, with the first fatal error. It
	// must not call the engine.
	OnFatal func(error)
	// DeterministicForSim disables automatic compactions and what else runs by
	// itself, as far as Pebble allows, for the deterministic simulation.
	DeterministicForSim bool
	// ReadOnly opens an engine that is there and changes nothing on the disk. Writes
	// are refused.
	ReadOnly bool
}

// Engine is one open store.
type Engine struct {
	db      *pebble.DB
	opts    *pebble.Options
	fs      FS
	dir     string
	kind    Kind
	logger  *slog.Logger
	onFatal func(error)

	fatal    atomic.Pointer[fatalError]
	poisoned atomic.Bool // Pebble panicked: its mutexes may be held
	life     struct {
		sync.RWMutex // read-locked by calls, locked by Close
		closed       bool
	}
}

type fatalError struct{ cause error }

func (f *fatalError) Error() string { return ErrFatal.Error() + ": " + f.cause.Error() }

// Unwrap lets errors.Is find both ErrFatal and the cause.
func (f *fatalError) Unwrap() []error { return []error{ErrFatal, f.cause} }

// fail records a fatal error. Only the first one counts.
func (e *Engine) fail(cause error) error {
	f := &fatalError{cause: cause}
	if !e.fatal.CompareAndSwap(nil, f) {
		return e.fatal.Load()
	}
	e.logger.Error("engine stopped", "dir", e.dir, "kind", e.kind.String(), "err", cause)
	if e.onFatal != nil {
		e.onFatal(f)
	}
	return f
}

// enter takes the read lock that keeps Close out, or says why the engine cannot
// be used. Every successful enter is followed by leave.
func (e *Engine) enter() error {
	e.life.RLock()
	if e.life.closed {
		e.life.RUnlock()
		return ErrClosed
	}
	if f := e.fatal.Load(); f != nil {
		e.life.RUnlock()
		return f
	}
	return nil
}

func (e *Engine) leave() { e.life.RUnlock() }

// guard runs one write on Pebble. Pebble panics or calls its logger's Fatalf
// when the write-ahead log fails; both become the engine's fatal error.
func (e *Engine) guard(write func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.poisoned.Store(true)
			cause, ok := p.(error)
			if !ok {
				cause = fmt.Errorf("%v", p)
			}
			err = e.fail(cause)
		}
	}()
	err = write()
	if f := e.fatal.Load(); f != nil {
		return f
	}
	return err
}

// FS returns the file system that the engine lives on.
func (e *Engine) FS() FS { return e.fs }

// Dir returns the engine's directory.
func (e *Engine) Dir() string { return e.dir }

// Kind returns what the engine was opened as.
func (e *Engine) Kind() Kind { return e.kind }

// Err returns the fatal error, if there was one.
func (e *Engine) Err() error {
	if f := e.fatal.Load(); f != nil {
		return f
	}
	return nil
}

// NewBatch returns an empty batch that cannot be read from.
func (e *Engine) NewBatch() *Batch { return &Batch{eng: e, b: e.db.NewBatch()} }

// NewIndexedBatch returns an empty batch whose Get and NewIter see the engine
// with the batch's own operations on top. It costs more than NewBatch.
func (e *Engine) NewIndexedBatch() *Batch {
	return &Batch{eng: e, b: e.db.NewIndexedBatch(), indexed: true}
}

// Apply commits a batch atomically; with sync it returns when the write is
// durable. The batch may only be closed afterwards.
func (e *Engine) Apply(b *Batch, sync bool) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := b.startCommit(e); err != nil {
		return err
	}
	opt := pebble.NoSync
	if sync {
		opt = pebble.Sync
	}
	if err := e.guard(func() error { return e.db.Apply(b.b, opt) }); err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	return nil
}

// ApplyNoSyncWait commits a batch atomically and starts its sync without
// waiting for it. When it returns the write is visible; it is durable when
// b.SyncWait has returned nil, which must be called before b is closed.
func (e *Engine) ApplyNoSyncWait(b *Batch) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if b.Empty() {
		// Pebble returns early for an empty batch, without a sync to wait for.
		return errors.New("apply batch without waiting: the batch is empty")
	}
	if err := b.startCommit(e); err != nil {
		return err
	}
	if err := e.guard(func() error { return e.db.ApplyNoSyncWait(b.b, pebble.Sync) }); err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	b.syncing = true
	return nil
}

// Sync makes everything durable that was written before the call, with one
// sync of the write-ahead log.
func (e *Engine) Sync() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	return e.syncLocked()
}

// syncLocked is Sync. Requires: enter succeeded.
func (e *Engine) syncLocked() error {
	if err := e.guard(func() error { return e.db.LogData(nil, pebble.Sync) }); err != nil {
		return fmt.Errorf("sync write-ahead log: %w", err)
	}
	return nil
}

// Flush writes the memtables to disk and waits for it.
func (e *Engine) Flush() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.guard(e.db.Flush); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Compact compacts all keys in [start, end) and waits for it.
func (e *Engine) Compact(ctx context.Context, start, end []byte) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.guard(func() error { return e.db.Compact(ctx, start, end, false) }); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

// DeleteRange deletes the keys in [start, end), unsynced.
func (e *Engine) DeleteRange(start, end []byte) error {
	b := e.NewBatch()
	defer b.Close()
	if err := b.DeleteRange(start, end); err != nil {
		return err
	}
	return e.Apply(b, false)
}

// IngestAndExcise replaces, atomically and durably, what the span excise holds
// by the files at paths, which SSTWriter made on this engine's FS. The files may
// also hold keys outside excise: these are added, so several spans are replaced
// by deleting the others with range deletions inside the files. With a zero span
// nothing is excised. The files are moved into the engine.
//
// All writes made before the call are durable when it returns.
func (e *Engine) IngestAndExcise(ctx context.Context, paths []string, excise keys.Span) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	// An ingest is durable at once. Without this sync it would survive a crash that
	// earlier writes do not.
	if err := e.syncLocked(); err != nil {
		return err
	}
	err := e.guard(func() error {
		if len(excise.Start) == 0 && len(excise.End) == 0 {
			return e.db.Ingest(ctx, paths)
		}
		if e.opts.Comparer.Compare(excise.Start, excise.End) >= 0 {
			return fmt.Errorf("empty span [%x, %x)", []byte(excise.Start), []byte(excise.End))
		}
		_, err := e.db.IngestAndExcise(ctx, paths, nil, nil,
			pebble.KeyRange{Start: excise.Start, End: excise.End})
		return err
	})
	if err != nil {
		return fmt.Errorf("ingest %d files: %w", len(paths), err)
	}
	return nil
}

// Checkpoint writes a copy of the engine to dir, which must not exist, with
// hard links where possible. Every write made before the call is in it.
func (e *Engine) Checkpoint(dir string) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.guard(func() error { return e.db.Checkpoint(dir, pebble.WithFlushedWAL()) }); err != nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	if err := writeMarker(e.fs, dir, e.kind); err != nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	return nil
}

// DiskUsage estimates how many bytes the keys in [start, end) take on disk.
// What is still in memtables does not count.
func (e *Engine) DiskUsage(start, end []byte) (uint64, error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.leave()
	n, err := e.db.EstimateDiskUsage(start, end)
	if err != nil {
		return 0, fmt.Errorf("estimate disk usage: %w", err)
	}
	return n, nil
}

// Close flushes nothing but syncs the write-ahead log and closes the files. It
// waits for calls that are under way. A second Close does nothing. Batches,
// snapshots and iterators must have been closed before.
func (e *Engine) Close() (err error) {
	e.life.Lock()
	defer e.life.Unlock()
	if e.life.closed {
		return nil
	}
	e.life.closed = true
	if e.poisoned.Load() {
		// Closing would wait for a mutex that nobody releases.
		return e.Err()
	}
	// Pebble panics when something of it is still open.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close %v engine %s: %v", e.kind, e.dir, p)
		}
	}()
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close %v engine %s: %w", e.kind, e.dir, err)
	}
	return nil
}
