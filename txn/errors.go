package txn

import (
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/region/router"
)

var (
	// ErrFinished is returned by every method of a transaction that was committed
	// or rolled back, successfully or not.
	ErrFinished = errors.New("transaction is finished")
	// ErrReadOnly is returned by writes to a read-only transaction.
	ErrReadOnly = errors.New("transaction is read-only")
	// ErrNoSavepoint is returned for a savepoint that was released or rolled over.
	ErrNoSavepoint = errors.New("savepoint does not exist")
	// ErrClosed is returned when the client is closing.
	ErrClosed = errors.New("transaction client is closed")
)

// ConflictError says that another transaction wrote a key first (SQLSTATE 40001).
// The transaction did not commit.
type ConflictError struct {
	Key     []byte
	StartTS timestamp.Timestamp // of the transaction that fails
	// ConflictStartTS is the id of the transaction that won.
	ConflictStartTS timestamp.Timestamp
	// ConflictCommitTS is 0 if the winner had not committed when this transaction
	// gave way to it.
	ConflictCommitTS timestamp.Timestamp
	// Read: the key was read, not written, by the transaction that fails.
	Read bool
}

func (e *ConflictError) Error() string {
	if e.ConflictCommitTS == 0 {
		return fmt.Sprintf("write conflict on key %x: transaction %s holds it, transaction %s gives way", e.Key, e.ConflictStartTS, e.StartTS)
	}
	return fmt.Sprintf("write conflict on key %x: transaction %s committed it at %s, after transaction %s had started", e.Key, e.ConflictStartTS, e.ConflictCommitTS, e.StartTS)
}

// AlreadyExistsError says that a key which must not exist does (23505). From
// Insert it leaves the transaction usable; from Commit it means that the
// transaction did not commit.
type AlreadyExistsError struct {
	Key []byte
	// Value is what stands there; nil if the region did not say.
	Value []byte
	// CommitTS is since when; 0 if the region did not say.
	CommitTS timestamp.Timestamp
}

func (e *AlreadyExistsError) Error() string { return fmt.Sprintf("key %x already exists", e.Key) }

// ChangedError says that a row was changed after the snapshot that a statement
// wants to change or lock it by. The row is locked now. In READ COMMITTED the
// statement is to be run again with a newer snapshot; else the transaction has
// failed (40001).
type ChangedError struct {
	Key              []byte
	StartTS          timestamp.Timestamp // of the transaction that met the change
	ReadTS           timestamp.Timestamp
	ConflictStartTS  timestamp.Timestamp
	ConflictCommitTS timestamp.Timestamp
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("key %x was changed by transaction %s at %s, after the snapshot at %s of transaction %s",
		e.Key, e.ConflictStartTS, e.ConflictCommitTS, e.ReadTS, e.StartTS)
}

// Holder is a transaction that holds or wants a lock, and whose it is.
type Holder struct {
	StartTS   timestamp.Timestamp // 0: unknown
	Node, PID uint32              // 0: unknown
	Statement string              // empty: unknown
}

// LockNotAvailableError says that a row lock was not to be had at once, or in time
// (55P03).
type LockNotAvailableError struct {
	Key     []byte
	Holder  Holder
	Timeout bool
}

func (e *LockNotAvailableError) Error() string {
	return fmt.Sprintf("key %x is locked by transaction %s", e.Key, e.Holder.StartTS)
}

// Waiting is one of the waits of a deadlock.
type Waiting struct {
	Holder
	Key  []byte
	Mode LockMode
}

// DeadlockError says that transactions waited for each other in a circle and that
// this one was chosen to end it (40P01). The first wait is its own; each waits for
// the transaction of the next, the last for the first.
type DeadlockError struct{ Circle []Waiting }

func (e *DeadlockError) Error() string {
	return fmt.Sprintf("deadlock among %d transactions", len(e.Circle))
}

// AbortedError says that the transaction was aborted by somebody else, usually
// because its locks had outlived their life (40001). It did not commit.
type AbortedError struct {
	StartTS timestamp.Timestamp
	Key     []byte
	Reason  string
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("transaction %s was aborted: %s", e.StartTS, e.Reason)
}

// UnknownOutcomeError says that the transaction may or may not have committed
// and that this could not be found out (40003). It must never be run again
// blindly.
type UnknownOutcomeError struct {
	StartTS timestamp.Timestamp
	Primary []byte
	Err     error
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("it is unknown whether transaction %s committed: %v", e.StartTS, e.Err)
}

func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// TooLargeError says that the write buffer, or one value, would pass its limit
// (54000). The write was not taken; the transaction is still usable.
type TooLargeError struct {
	Key          []byte // set if it is about one value
	Bytes, Limit int64
}

func (e *TooLargeError) Error() string {
	if e.Key != nil {
		return fmt.Sprintf("value of key %x is too large: %d bytes, the limit is %d", e.Key, e.Bytes, e.Limit)
	}
	return fmt.Sprintf("transaction is too large: %d bytes of writes, the limit is %d", e.Bytes, e.Limit)
}

// CommitTSTooLargeError says that the commit timestamp would pass the one given
// by CommitOptions.MaxCommitTS: the caller's view of the schema may be old. The
// transaction did not commit and may be run again with a newer view (40001).
type CommitTSTooLargeError struct {
	CommitTS, MaxCommitTS timestamp.Timestamp
}

func (e *CommitTSTooLargeError) Error() string {
	return fmt.Sprintf("transaction would commit at %s, above its bound %s", e.CommitTS, e.MaxCommitTS)
}

// ReadBelowGCError says that the snapshot is older than what is kept (72000).
type ReadBelowGCError struct {
	ReadTS, GCTS timestamp.Timestamp
}

func (e *ReadBelowGCError) Error() string {
	return fmt.Sprintf("snapshot at %s is too old: versions below %s were removed", e.ReadTS, e.GCTS)
}

// DiskFull says where a write was refused because the disk has no space for it
// (53100), "" if err is another error. The transaction did not commit.
func DiskFull(err error) string {
	var unknown *UnknownOutcomeError
	var refused *router.RegionError
	if errors.As(err, &unknown) || !errors.As(err, &refused) || !refused.DiskFull {
		return ""
	}
	return refused.Error()
}

// UnsupportedError names something that is not built (0A000).
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return e.What + " is not supported" }

// IsRetryable reports whether a transaction that ended with err certainly did not
// commit and has a chance if it is run again from its start.
func IsRetryable(err error) bool {
	var unknown *UnknownOutcomeError
	if errors.As(err, &unknown) {
		return false
	}
	var (
		conflict *ConflictError
		aborted  *AbortedError
		tooLate  *CommitTSTooLargeError
		changed  *ChangedError
	)
	return errors.As(err, &changed) || errors.As(err, &conflict) || errors.As(err, &aborted) || errors.As(err, &tooLate)
}
