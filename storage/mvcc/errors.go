package mvcc

import (
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/keys"
)

// ErrCorrupt is wrapped by errors about stored bytes that cannot be read.
var ErrCorrupt = errors.New("corrupt data")

// LockedError: a foreign lock is in the way. Resolve it and try again.
type LockedError struct {
	Key  keys.User
	Lock Lock
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("key %v is locked by transaction %v", e.Key, e.Lock.StartTS)
}

// WriteConflictError: another transaction committed after this one's snapshot.
type WriteConflictError struct {
	Key              keys.User
	StartTS          timestamp.Timestamp // of the refused transaction
	ConflictStartTS  timestamp.Timestamp
	ConflictCommitTS timestamp.Timestamp
}

func (e *WriteConflictError) Error() string {
	return fmt.Sprintf("key %v was changed by transaction %v at %v, after transaction %v began",
		e.Key, e.ConflictStartTS, e.ConflictCommitTS, e.StartTS)
}

// AlreadyExistsError: the key has a value, against MustNotExist.
type AlreadyExistsError struct {
	Key      keys.User
	Value    []byte
	CommitTS timestamp.Timestamp
}

func (e *AlreadyExistsError) Error() string { return fmt.Sprintf("key %v exists", e.Key) }

// NotExistsError: the key has no value, against MustExist.
type NotExistsError struct {
	Key keys.User
}

func (e *NotExistsError) Error() string { return fmt.Sprintf("key %v does not exist", e.Key) }

// AbortedError: the transaction has been rolled back on this key, for ever.
type AbortedError struct {
	Key     keys.User
	StartTS timestamp.Timestamp
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("transaction %v was rolled back on key %v", e.StartTS, e.Key)
}

// CommittedError: the transaction has committed on this key, at CommitTS.
type CommittedError struct {
	Key      keys.User
	StartTS  timestamp.Timestamp
	CommitTS timestamp.Timestamp
}

func (e *CommittedError) Error() string {
	return fmt.Sprintf("transaction %v committed key %v at %v", e.StartTS, e.Key, e.CommitTS)
}

// TxnNotFoundError: there is no lock, version or mark of the transaction.
type TxnNotFoundError struct {
	Key     keys.User
	StartTS timestamp.Timestamp
}

func (e *TxnNotFoundError) Error() string {
	return fmt.Sprintf("no trace of transaction %v on key %v", e.StartTS, e.Key)
}

// CommitTSTooSmallError: a reader has been promised that the transaction does
// not commit below MinCommitTS. Take a larger timestamp.
type CommitTSTooSmallError struct {
	Key         keys.User
	StartTS     timestamp.Timestamp
	CommitTS    timestamp.Timestamp // refused
	MinCommitTS timestamp.Timestamp
}

func (e *CommitTSTooSmallError) Error() string {
	return fmt.Sprintf("transaction %v may not commit key %v at %v, below %v",
		e.StartTS, e.Key, e.CommitTS, e.MinCommitTS)
}

// NotPrimaryError: the key is locked by the transaction, but is not its primary.
type NotPrimaryError struct {
	Key     keys.User
	StartTS timestamp.Timestamp
	Primary keys.User
}

func (e *NotPrimaryError) Error() string {
	return fmt.Sprintf("key %v is not the primary of transaction %v, %v is", e.Key, e.StartTS, e.Primary)
}

// OwnLockError: the transaction asks for a one-phase commit of a key on which
// its own prewrite stands. It must go on in two phases.
type OwnLockError struct {
	Key     keys.User
	StartTS timestamp.Timestamp
}

func (e *OwnLockError) Error() string {
	return fmt.Sprintf("transaction %v has already prewritten key %v", e.StartTS, e.Key)
}
