package exec

import (
	"context"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/storage/keys"
)

// KV is the transaction that a statement runs in. Reads see the snapshot of the
// transaction and its own writes. Byte slices that are passed in are kept and
// must not be changed afterwards; slices that come back never change.
type KV interface {
	// ReadTS is the snapshot.
	ReadTS() timestamp.Timestamp
	// Get returns the value of a key, nil if there is none. A value is never empty.
	Get(ctx context.Context, key keys.User) ([]byte, error)
	// BatchGet returns the values of many keys in their order.
	BatchGet(ctx context.Context, keys []keys.User) ([][]byte, error)
	// Scan starts reading the pairs in [start, end).
	Scan(ctx context.Context, start, end keys.User, opts ScanOptions) (Iterator, error)
	Put(ctx context.Context, key keys.User, value []byte) error
	// Update is Put for a row that exists and of which the columns of unique keys stay as
	// they are, so that LockKeyShare of others is no obstacle.
	Update(ctx context.Context, key keys.User, value []byte) error
	// Insert is Put for keys that must not exist: otherwise a *DuplicateError is
	// returned, now or by the commit. All or none are written.
	Insert(ctx context.Context, pairs []Pair) error
	Delete(ctx context.Context, key keys.User) error
	// Locking reports whether rows are to be locked before they are changed; if not,
	// the commit finds out whether somebody was in the way.
	Locking() bool
	// LockRows locks rows that the snapshot shows and waits for those who have locked
	// them. It fails if a row was changed after the snapshot.
	LockRows(ctx context.Context, keys []keys.User, l RowLocking) ([]LockedRow, error)
	// Later returns the transaction as of a later snapshot, of a timestamp that its row
	// locks have shown. Where a transaction has one snapshot for good that is a conflict.
	Later(ts timestamp.Timestamp) (KV, error)
}

// RowLocking says how rows are locked.
type RowLocking struct {
	Mode LockMode
	Wait LockWait
	// KeyOnly, with LockKeyShare: nothing but the columns of the key is read, so that no
	// level minds a change of others.
	KeyOnly bool
	// Most, with LockSkip: no more rows than these are wanted, the first ones that are
	// free. The answer may lack rows at the end. 0 is all.
	Most int
}

// LockMode is the strength of a row lock, weakest first.
type LockMode uint8

// The modes, as in PostgreSQL. The zero value is no lock.
const (
	LockNone LockMode = iota
	LockKeyShare
	LockShare
	LockNoKeyUpdate
	LockUpdate
)

// LockWait says what to do about a row that somebody else has locked.
type LockWait uint8

// The policies. The zero value waits.
const (
	LockBlock LockWait = iota
	LockNoWait
	LockSkip
)

func lockWait(w ast.LockWait) LockWait {
	switch w {
	case ast.LockSkip:
		return LockSkip
	case ast.LockNoWait:
		return LockNoWait
	}
	return LockBlock
}

// LockedRow is the answer for one row.
type LockedRow struct {
	// Locked is false if the snapshot shows no such row, or if it was skipped.
	Locked bool
	// Value is the row in the snapshot, if it was read together with the lock; nil
	// says nothing.
	Value []byte
	// Present says that the row is known to exist, read or not.
	Present bool
	// Known is a timestamp up to which it is known what others did about the row; 0: that
	// of the snapshot.
	Known timestamp.Timestamp
}

// Pair is a key with its value.
type Pair struct {
	Key   keys.User
	Value []byte
}

// ScanOptions tells what a scan is for.
type ScanOptions struct {
	Reverse bool
	// Limit is how many pairs will be read at most; 0 is unknown.
	Limit int64
}

// Iterator reads pairs. Close may be called more than once.
type Iterator interface {
	// Next moves to the next pair, the first one to begin with.
	Next(ctx context.Context) (bool, error)
	Key() []byte
	Value() []byte
	Close()
}

// DuplicateError says that the key of an Insert exists.
type DuplicateError struct {
	Key keys.User
	// Unseen: it was committed after the snapshot.
	Unseen bool
}

// UnseenError says that a row stands in the way of ON CONFLICT which the snapshot
// does not show: with a newer one the statement can do as it was told.
type UnseenError struct {
	Key keys.User
}

func (e *UnseenError) Error() string {
	return fmt.Sprintf("key %x was written after the snapshot", []byte(e.Key))
}

func (e *DuplicateError) Error() string { return fmt.Sprintf("key %x already exists", []byte(e.Key)) }
