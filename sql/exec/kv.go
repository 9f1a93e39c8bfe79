package exec

import (
	"context"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
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
	// Insert is Put for keys that must not exist: otherwise a *DuplicateError is
	// returned, now or by the commit. All or none are written.
	Insert(ctx context.Context, pairs []Pair) error
	Delete(ctx context.Context, key keys.User) error
	// Lock makes the transaction conflict with others that write the key.
	Lock(ctx context.Context, key keys.User) error
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
}

func (e *DuplicateError) Error() string { return fmt.Sprintf("key %x already exists", []byte(e.Key)) }
