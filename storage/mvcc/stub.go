package mvcc

import (
	"errors"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

var errNotBuilt = errors.New("mvcc: not built yet")

// Get returns the value of key that is visible at o.TS, or *LockedError.
func Get(r engine.Reader, key keys.User, o ReadOptions) (Value, error) { return Value{}, errNotBuilt }

// Scan returns visible rows in order, or *LockedError for the first lock that
// stands in the way of a row within the limits.
func Scan(r engine.Reader, o ScanOptions) (ScanResult, error) { return ScanResult{}, errNotBuilt }

// Prewrite locks one key for a transaction after checking for conflicts.
func Prewrite(b engine.Writer, r engine.Reader, m Mutation, p PrewriteParams) (PrewriteResult, error) {
	return PrewriteResult{}, errNotBuilt
}

// OnePC checks like Prewrite and writes the versions directly. A commitTS in the
// result that is not the one asked for means that the transaction committed before.
func OnePC(b engine.Writer, r engine.Reader, muts []Mutation, startTS, commitTS timestamp.Timestamp) (timestamp.Timestamp, error) {
	return 0, errNotBuilt
}

// Commit turns the transaction's lock on key into a version.
func Commit(b engine.Writer, r engine.Reader, key keys.User, startTS, commitTS timestamp.Timestamp) error {
	return errNotBuilt
}

// Rollback removes the transaction's lock on key and, with mark, writes a mark.
func Rollback(b engine.Writer, r engine.Reader, key keys.User, startTS timestamp.Timestamp, mark bool) error {
	return errNotBuilt
}

// CheckTxnStatus decides what became of a transaction by its primary.
func CheckTxnStatus(b engine.Writer, r engine.Reader, p CheckTxnParams) (TxnStatus, error) {
	return TxnStatus{}, errNotBuilt
}

// FindCommit returns when the transaction committed key, or found = false.
func FindCommit(r engine.Reader, key keys.User, startTS timestamp.Timestamp) (commitTS timestamp.Timestamp, found bool, err error) {
	return 0, false, errNotBuilt
}

// Heartbeat raises the life of the primary's lock to ttlMs, counted from the
// start of the transaction, and returns the life that it has then.
func Heartbeat(b engine.Writer, r engine.Reader, primary keys.User, startTS timestamp.Timestamp, ttlMs uint64) (uint64, error) {
	return 0, errNotBuilt
}

// ScanLocks returns locks in [start, end) of transactions that started at or
// below maxTS, at most limit; resume is set if there may be more.
func ScanLocks(r engine.Reader, start, end keys.User, maxTS timestamp.Timestamp, limit int) (locks []KeyLock, resume keys.User, err error) {
	return nil, nil, errNotBuilt
}

// GetLock returns the lock on key, or nil.
func GetLock(r engine.Reader, key keys.User) (*Lock, error) { return nil, errNotBuilt }

// ValidateSpan checks that nothing in [start, end) was or can be committed in
// (readTS, commitTS] by another transaction than own.
func ValidateSpan(r engine.Reader, start, end keys.User, own, readTS, commitTS timestamp.Timestamp) error {
	return errNotBuilt
}

// GC drops what no read at or above safePoint can see, at most limit versions.
func GC(b engine.Writer, r engine.Reader, start, end keys.User, safePoint timestamp.Timestamp, limit int) (GCResult, error) {
	return GCResult{}, errNotBuilt
}

// RawPut sets an unversioned value.
func RawPut(b engine.Writer, key keys.User, value []byte) error { return errNotBuilt }

// RawDelete removes an unversioned value.
func RawDelete(b engine.Writer, key keys.User) error { return errNotBuilt }

// RawGet returns an unversioned value.
func RawGet(r engine.Reader, key keys.User) (value []byte, found bool, err error) {
	return nil, false, errNotBuilt
}

// RawScan returns unversioned values of [start, end), at most limit (zero: all);
// resume is set if there is more.
func RawScan(r engine.Reader, start, end keys.User, limit int) (rows []Row, resume keys.User, err error) {
	return nil, nil, errNotBuilt
}
