package txn

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// Txn is one transaction. It must be used by one goroutine at a time and ended
// with Commit or Rollback. See the package comment for who owns byte slices.
type Txn struct {
	c      *Client
	opts   TxnOptions
	future TimestampFuture

	startTS timestamp.Timestamp // 0: not awaited yet
	readTS  timestamp.Timestamp // 0: the same as startTS
	// startedAt is when the start timestamp arrived; the life of locks counts
	// from the timestamp.
	startedAt time.Time

	buf   buffer
	locks lockSet
	// owner and statement are for those who meet the locks.
	owner       Owner
	statement   string
	lockTimeout time.Duration
	bulk        bool
	reads       spanSet // SERIALIZABLE
	// requests counts the reads that were sent to regions.
	requests atomic.Int64
	// ignore lists transactions whose locks are no obstacle for this snapshot.
	ignore ignoreSet

	finished bool
	open     bool // held is in the client's set of open transactions
	held     timestamp.Timestamp
	commitTS timestamp.Timestamp
}

func newTxn(c *Client, opts TxnOptions) *Txn {
	t := &Txn{c: c, opts: opts}
	t.buf.init(c.opts.BufferBytesMax)
	return t
}

// Requests returns how many reads were sent to regions so far, retries of the
// router not counted. It may be called concurrently.
func (t *Txn) Requests() int64 { return t.requests.Load() }

// StartTS returns the transaction's start timestamp, which is its id. The first
// call may wait for the oracle.
func (t *Txn) StartTS(ctx context.Context) (timestamp.Timestamp, error) {
	if t.startTS != 0 {
		return t.startTS, nil
	}
	var (
		ts  timestamp.Timestamp
		err error
	)
	if f := t.future; f != nil {
		// A future can be awaited once; after an error a new one is asked for.
		t.future = nil
		ts, err = f.Wait(ctx)
	} else {
		ts, err = t.c.opts.Timestamps.Timestamp(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("get start timestamp: %w", err)
	}
	t.c.observe(ts)
	t.startTS, t.startedAt = ts, t.c.opts.Clock.Now()
	if !t.finished {
		t.open, t.held = true, ts
		t.c.active.add(ts)
	}
	return ts, nil
}

// ReadTS returns the timestamp that reads see.
func (t *Txn) ReadTS(ctx context.Context) (timestamp.Timestamp, error) {
	if t.readTS != 0 {
		return t.readTS, nil
	}
	return t.StartTS(ctx)
}

// SetReadTS makes a read-only transaction read at ts, which must not be above
// what the oracle has issued.
func (t *Txn) SetReadTS(ctx context.Context, ts timestamp.Timestamp) error {
	if !t.opts.ReadOnly {
		return errors.New("only a read-only transaction can read at a given timestamp")
	}
	start, err := t.StartTS(ctx)
	if err != nil {
		return err
	}
	if present := max(start, t.readTS); ts == 0 || ts > present {
		return fmt.Errorf("cannot read at %s: the present is %s", ts, present)
	}
	t.readTS = ts
	if t.open { // counts with what it reads
		t.c.active.add(ts)
		t.c.active.remove(t.held)
		t.held = ts
	}
	t.ignore.reset()
	return nil
}

// ReadAt makes a transaction in which nothing was written or locked a read-only one
// that reads at ts, in any isolation level. Errors as of SetReadTS.
func (t *Txn) ReadAt(ctx context.Context, ts timestamp.Timestamp) error {
	switch {
	case t.finished:
		return ErrFinished
	case t.HasWrites() || t.locks.len() > 0:
		return errors.New("a transaction that has written or locked cannot read the past")
	}
	was := t.opts.ReadOnly
	t.opts.ReadOnly = true
	err := t.SetReadTS(ctx, ts)
	if err != nil {
		t.opts.ReadOnly = was
	}
	return err
}

// NewReadSnapshot makes a READ COMMITTED transaction see what is committed now. It
// is called before every statement but the first, and before one is run again. In
// the other isolation levels it does nothing.
func (t *Txn) NewReadSnapshot(ctx context.Context) error {
	if t.finished {
		return ErrFinished
	}
	if t.opts.Isolation != ReadCommitted || t.opts.ReadOnly && t.readTS != 0 && t.readTS < t.startTS {
		return nil
	}
	if _, err := t.StartTS(ctx); err != nil {
		return err
	}
	ts, err := t.c.Timestamp(ctx)
	if err != nil {
		return fmt.Errorf("get read timestamp: %w", err)
	}
	t.readTS, t.buf.since = ts, ts
	t.ignore.reset()
	return nil
}

// SetIsolation changes the isolation level of a transaction in which nothing was
// read or written yet.
func (t *Txn) SetIsolation(l Isolation) { t.opts.Isolation = l }

// UseSnapshot makes reads and writes see the snapshot at ts, one that the
// transaction had at some time, until the returned function is called: for
// statements that go on while others have begun.
func (t *Txn) UseSnapshot(ts timestamp.Timestamp) (restore func()) {
	if ts == t.snapshotTS() || t.opts.Isolation != ReadCommitted {
		return func() {}
	}
	read, since := t.readTS, t.buf.since
	t.readTS, t.buf.since = ts, ts
	return func() { t.readTS, t.buf.since = read, since }
}

// snapshotTS is the timestamp that reads see. It must be known.
func (t *Txn) snapshotTS() timestamp.Timestamp {
	if t.readTS != 0 {
		return t.readTS
	}
	return t.startTS
}

// ReadOnly reports whether writes are refused.
func (t *Txn) ReadOnly() bool { return t.opts.ReadOnly }

// Autocommit reports whether the transaction is a single statement.
func (t *Txn) Autocommit() bool { return t.opts.Autocommit }

// HasWrites reports whether Commit would have anything to do.
func (t *Txn) HasWrites() bool { return t.buf.count > 0 }

// BufferedBytes returns the size of the writes kept in memory.
func (t *Txn) BufferedBytes() int64 { return t.buf.bytes }

// CommitTS returns the commit timestamp after a Commit that wrote something,
// else 0.
func (t *Txn) CommitTS() timestamp.Timestamp { return t.commitTS }

// KeyValue is a key with its value.
type KeyValue struct{ Key, Value []byte }

// Result is the answer for one key.
type Result struct {
	Value []byte
	Found bool
}

// Put sets a key. Errors: ErrFinished, ErrReadOnly, *TooLargeError.
func (t *Txn) Put(key, value []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.buf.put(key, value)
}

// Update is Put for a row of which the columns that others may refer to stay as they
// are: it goes together with locks of LockKeyShare, as if it were locked in
// LockNoKeyUpdate.
func (t *Txn) Update(key, value []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.buf.update(key, value)
}

// Delete removes a key, whether or not it exists. Errors as for Put.
func (t *Txn) Delete(key []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.buf.delete(key)
}

// LockKey makes the commit fail with *ConflictError if another transaction writes
// or locks the key before that. It does not wait and does not keep others away.
func (t *Txn) LockKey(key []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.buf.lock(key)
}

// Insert sets a key that must not exist. Otherwise the answer is
// *AlreadyExistsError: at once, except that in an autocommit transaction a key
// which is not in the buffer is checked by Commit, which saves a round trip.
func (t *Txn) Insert(ctx context.Context, key, value []byte) error {
	return t.InsertBatch(ctx, []KeyValue{{key, value}})
}

// InsertBatch is Insert for several keys with one round of checks. After an error
// none of them is in the buffer.
func (t *Txn) InsertBatch(ctx context.Context, items []KeyValue) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.insert(ctx, items)
}

// Savepoint marks the present state of the write buffer and of the row locks.
// Savepoints nest.
func (t *Txn) Savepoint() Savepoint {
	sp := t.buf.savepoint()
	sp.locks = t.locks.len()
	return sp
}

// RollbackTo undoes all writes since the savepoint, which stays; those set after
// it are gone. Row locks are kept.
func (t *Txn) RollbackTo(sp Savepoint) error {
	if t.finished {
		return ErrFinished
	}
	return t.buf.rollbackTo(sp)
}

// ReleaseLocksTo gives up the row locks that were taken since the savepoint on
// keys that were not locked before. The writes must have been undone.
func (t *Txn) ReleaseLocksTo(ctx context.Context, sp Savepoint) {
	keys := t.locks.cut(sp.locks)
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if err := t.c.release(ctx, t.startTS, keys, false); err != nil {
		t.c.opts.Logger.Debug("row locks not released", "txn", uint64(t.startTS), "err", err)
	}
}

// Release forgets a savepoint and those set after it and keeps the writes.
func (t *Txn) Release(sp Savepoint) error {
	if t.finished {
		return ErrFinished
	}
	return t.buf.release(sp)
}

// CommitOptions bounds a commit.
type CommitOptions struct {
	// MaxCommitTS returns the largest timestamp that the transaction may commit
	// at; 0 means no bound, BoundNever that it may not commit any more. It is asked
	// as late as possible, and again while a bound that is too low may still rise.
	// Nil: no bound.
	MaxCommitTS func() timestamp.Timestamp
}

// BoundNever is a bound of a commit that will not rise. Any other bound may, even
// one below the start of the transaction: a new leader of the oracle begins above
// everything that bounds were made from.
const BoundNever timestamp.Timestamp = 1

func (o CommitOptions) max() timestamp.Timestamp {
	if o.MaxCommitTS == nil {
		return 0
	}
	return o.MaxCommitTS()
}

// Commit makes all writes visible at once, or none. It ends the transaction
// whatever the answer. Errors: *ConflictError, *AlreadyExistsError,
// *AbortedError, *CommitTSTooLargeError, ErrClosed or the error of ctx when the
// transaction certainly did not commit; *UnknownOutcomeError when that could not
// be found out. A transaction that has begun to commit may succeed although ctx
// ended.
func (t *Txn) Commit(ctx context.Context, opts CommitOptions) error {
	if t.finished {
		return ErrFinished
	}
	t.finished = true
	defer t.close()
	return t.commit(ctx, opts)
}

// close takes the transaction out of the set of open ones.
func (t *Txn) close() {
	if t.open {
		t.open = false
		t.c.active.remove(t.held)
	}
}

// Rollback drops all writes and row locks. It may be called after Commit and then does nothing.
func (t *Txn) Rollback(context.Context) error {
	if t.finished {
		return nil
	}
	t.finished = true
	t.close()
	t.c.stats.rolledBack.Add(1)
	t.buf.drop()
	t.releaseLocks()
	return nil
}

func (t *Txn) writable() error {
	switch {
	case t.finished:
		return ErrFinished
	case t.opts.ReadOnly:
		return ErrReadOnly
	}
	return nil
}
