package mvcc

import (
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/keys"
)

// Kind is what a mutation, a lock or a version does to its key.
type Kind uint8

// The kinds. The zero value is invalid.
const (
	// Put sets a value.
	Put Kind = iota + 1
	// Delete removes the value.
	Delete
	// LockOnly changes nothing, but conflicts with other writers: a locking read.
	// It commits as a lock record, which reads skip.
	LockOnly
	// Shared is a locking read of which many are under way on one key. Only one of them
	// stands as a lock at a time, while it commits. It commits as a trace: a lock record
	// that only the locks which it excludes conflict with. Of several on top of each
	// other one is kept, so a trace settles no transaction.
	Shared
)

// Mode is the strength of a row lock, weakest first, as in the lock table; zero: none.
type Mode uint8

// The modes.
const (
	ModeKeyShare Mode = iota + 1
	ModeShare
	ModeNoKeyUpdate
	ModeUpdate
)

// Conflicts reports whether two transactions may not have these locks at once:
// PostgreSQL's table, with the modes numbered from the weakest.
func (m Mode) Conflicts(o Mode) bool { return m != 0 && o != 0 && m+o > ModeUpdate }

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case Put:
		return "put"
	case Delete:
		return "delete"
	case LockOnly:
		return "lock"
	case Shared:
		return "shared lock"
	}
	return "invalid"
}

// Lock is a transaction's durable claim on a key.
type Lock struct {
	Kind    Kind
	Primary keys.User           // the key whose fate decides the transaction
	StartTS timestamp.Timestamp // the transaction
	// TTLms is how long the lock lives, in milliseconds of TSO physical time,
	// always counted from StartTS; Heartbeat raises it.
	TTLms uint64
	// ForUpdateTS is up to when other transactions' versions were accepted; zero
	// means StartTS.
	ForUpdateTS timestamp.Timestamp
	// MinCommitTS is a lower bound of the commit timestamp: readers at or above it
	// must wait or push, readers below it may pass.
	MinCommitTS timestamp.Timestamp
	// TxnSize is a hint: how many keys the transaction writes.
	TxnSize uint64
	// Gateway is the process that the transaction runs in, zero if that is not
	// known: who finds that it is gone need not wait for the end of the life.
	Gateway Gateway
	// Async says that the transaction is committed once all its locks stand.
	// Secondaries, on the primary only, lists the other keys.
	Async       bool
	Secondaries []keys.User
	Value       []byte // of Put
	// Held is the strength of a LockOnly or Shared. Of a Put it is ModeNoKeyUpdate if
	// the key of the row stays, see Mutation.
	Held Mode
}

// Gateway is a store and its boot id.
type Gateway struct{ Store, Boot uint64 }

// Expired reports whether the lock's life has ended at now.
func (l *Lock) Expired(now timestamp.Timestamp) bool { return l.TTLLeftMs(now) == 0 }

// TTLLeftMs returns how many milliseconds the lock still lives at now.
func (l *Lock) TTLLeftMs(now timestamp.Timestamp) uint64 {
	var age uint64
	if now > l.StartTS {
		age = uint64(now.PhysicalMs() - l.StartTS.PhysicalMs())
	}
	if age >= l.TTLms {
		return 0
	}
	return l.TTLms - age
}

// Version is a committed change of a key.
type Version struct {
	Kind     Kind
	StartTS  timestamp.Timestamp
	CommitTS timestamp.Timestamp
	Value    []byte // of Put
	// Held is the mode of a lock record, and of a Put ModeNoKeyUpdate if the key of the
	// row has stayed; zero stands for ModeUpdate.
	Held Mode
}

// strength is what the lock excludes while it stands.
func (l *Lock) strength() Mode {
	switch {
	case l.Held != 0:
		return l.Held
	case l.Kind == Shared:
		return ModeShare
	}
	return ModeUpdate
}

// strength is what the version stands for, among those who have locked the key.
func (v *Version) strength() Mode {
	if v.Held != 0 {
		return v.Held
	}
	return ModeUpdate
}

// trace reports whether the version is what a shared lock has left.
func (v *Version) trace() bool {
	return v.Kind == LockOnly && (v.Held == ModeKeyShare || v.Held == ModeShare)
}

// Constraint is what a mutation demands of the newest committed value.
type Constraint uint8

// The constraints. The zero value demands nothing.
const (
	NoConstraint Constraint = iota
	// MustNotExist refuses with *AlreadyExistsError.
	MustNotExist
	// MustExist refuses with *NotExistsError.
	MustExist
)

// Mutation is one change that a transaction wants to make.
type Mutation struct {
	Kind       Kind
	Key        keys.User
	Value      []byte // of Put
	Constraint Constraint
	// ForUpdateTS is set for a key that the transaction has locked in the lock
	// table: versions up to here do not conflict. Zero means the start timestamp.
	ForUpdateTS timestamp.Timestamp
	// Held is the mode in which it has done so, and has a right to find that nobody else
	// had a lock which that excludes.
	Held Mode
	// Quiet: the caller knows that no version and no rollback mark of the key has the
	// transaction's start timestamp or a later one, so that nobody looks for them.
	Quiet bool
	// KeyStays says of a Put that it leaves the columns by which others may refer to the
	// row as they are, so that it goes together with locks of ModeKeyShare.
	KeyStays bool
}

// Strength is the mode of the mutation's lock while it is under way and of the version
// that it leaves: the stronger one of what it does and of what the transaction held.
func (m *Mutation) Strength() Mode {
	switch {
	case m.Kind == Put && m.KeyStays:
		return max(m.Held, ModeNoKeyUpdate)
	case m.Kind == Put, m.Kind == Delete:
		return ModeUpdate
	case m.Held != 0:
		return m.Held
	case m.Kind == Shared:
		return ModeShare
	}
	return ModeUpdate
}

// recorded is the strength as locks and versions keep it: zero for what they stand for
// anyway.
func (m *Mutation) recorded() Mode {
	switch {
	case m.Kind == LockOnly, m.Kind == Shared:
		return m.Held
	case m.Kind == Put && m.Strength() == ModeNoKeyUpdate:
		return ModeNoKeyUpdate
	}
	return 0
}

// PrewriteParams is what all mutations of a prewrite have in common.
type PrewriteParams struct {
	Primary keys.User
	StartTS timestamp.Timestamp
	// MinCommitTS is a lower bound of the commit timestamp: above the region's
	// max_ts and the coordinator's own bound. Zero means StartTS + 1.
	MinCommitTS timestamp.Timestamp
	TTLms       uint64
	TxnSize     uint64
	Gateway     Gateway
	Async       bool
	// Secondaries is stored on the primary of an async commit.
	Secondaries []keys.User
}

// PrewriteResult says what a prewrite did.
type PrewriteResult struct {
	// CommitTS is set if the transaction has already committed on this key;
	// nothing was written then.
	CommitTS timestamp.Timestamp
	// MinCommitTS of the lock that stands now.
	MinCommitTS timestamp.Timestamp
	// Repeated says that the transaction's own lock stood before; it is left as
	// it was.
	Repeated bool
	// Async tells whether the lock that stands is one of an async commit.
	Async bool
}

// TxnState is what CheckTxnStatus found.
type TxnState uint8

// The states of a transaction. The zero value is invalid.
const (
	// TxnCommitted: CommitTS is set.
	TxnCommitted TxnState = iota + 1
	// TxnRolledBack: a mark stands, perhaps since this call.
	TxnRolledBack
	// TxnLocked: undecided; Lock, TTLLeftMs are set.
	TxnLocked
	// TxnMissing: neither lock, version nor mark; nothing was written.
	TxnMissing
)

// String returns the state's name.
func (s TxnState) String() string {
	switch s {
	case TxnCommitted:
		return "committed"
	case TxnRolledBack:
		return "rolled back"
	case TxnLocked:
		return "locked"
	case TxnMissing:
		return "missing"
	}
	return "invalid"
}

// TxnStatus is the fate of a transaction as its primary tells it.
type TxnStatus struct {
	State     TxnState
	CommitTS  timestamp.Timestamp
	TTLLeftMs uint64 // zero: expired
	// Lock is the primary's lock, after a push, if State is TxnLocked.
	Lock *Lock
	// Pushed says that this call raised the lock's MinCommitTS.
	Pushed bool
}

// CheckTxnParams is a question about a transaction.
type CheckTxnParams struct {
	Primary keys.User
	StartTS timestamp.Timestamp
	// Now is the TSO's time, against which the life of the lock is measured.
	Now timestamp.Timestamp
	// CallerTS is the timestamp of a reader that wants to pass: the MinCommitTS of
	// a lock that lives is pushed above it, unless it is async. Zero: no push.
	CallerTS timestamp.Timestamp
	// RollbackIfMissing writes a mark if there is no trace of the transaction, so
	// that a delayed prewrite is refused. The caller has waited for the life of
	// the lock that it met.
	RollbackIfMissing bool
	// GatewayLost: the life of the lock counts as over, whatever Now says.
	GatewayLost bool
	// Force rolls back a lock that still lives, and an async one. Since an async
	// transaction is committed once all its locks stand, the caller has made sure
	// that one of them is missing and can never come (it has been marked).
	Force bool
}

// ReadOptions says how a read sees the store.
type ReadOptions struct {
	// TS is the read timestamp; versions committed at or below it are visible.
	TS timestamp.Timestamp
	// Own is the reader's transaction: its own locks are no obstacle, and not
	// read either (the coordinator overlays its write buffer). Zero: none.
	Own timestamp.Timestamp
	// Ignore lists transactions whose locks are known to be no obstacle at TS:
	// pushed above it, or rolled back.
	Ignore []timestamp.Timestamp
}

// Value is a visible value.
type Value struct {
	Found    bool // false: no value at that timestamp; the rest is zero
	Value    []byte
	CommitTS timestamp.Timestamp
}

// ScanOptions bounds a scan. At least one of the limits should be set: nothing
// else bounds the result.
type ScanOptions struct {
	ReadOptions
	Start, End keys.User // [Start, End); an empty End is no upper bound
	Reverse    bool      // from End downwards
	RowsMax    int       // zero is no limit
	// BytesMax bounds the sum of keys and values; the row that reaches it is still
	// returned. Zero is no limit.
	BytesMax int
	KeysOnly bool // leaves Row.Value nil
}

// Row is a visible key and value.
type Row struct {
	Key      keys.User
	Value    []byte
	CommitTS timestamp.Timestamp
}

// ScanResult is a part of a range.
type ScanResult struct {
	Rows []Row
	// More says that a limit ended the scan. The rest is [Resume, End), or in
	// reverse [Start, Resume).
	More   bool
	Resume keys.User
}

// KeyLock is a lock and where it stands.
type KeyLock struct {
	Key  keys.User
	Lock Lock
}

// GCResult says what a collection did.
type GCResult struct {
	Versions, Marks int
	// Kept is about how many bytes the versions take that stay, of the keys that are
	// done with. Where marks alone are left over, keys may be counted again.
	Kept int64
	// More says that the limit ended it; the rest starts at Resume.
	More   bool
	Resume keys.User
}
