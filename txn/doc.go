// Package txn runs transactions over regions from the gateway's side: snapshot
// reads, a write buffer, one- and two-phase commit, and the settlement of locks
// that others left behind (Percolator, with a central timestamp oracle).
//
//	Client ── Begin ──> Txn: Get, Scan, LockRows, Put, Insert, Delete, savepoints
//	  │                  │ reads: a snapshot + own buffer
//	  │                  └ Commit: nothing | one phase | two phases
//	  ├── TimestampSource (BatchingOracle over placement's Fetch)
//	  ├── Sender (region/router)
//	  └── background: secondaries, clean-up, heartbeats
//
// A transaction's id is its start timestamp. It sees what was committed at or
// below that timestamp, and its own writes. The first committer wins: a commit
// fails with *ConflictError if another transaction committed one of its keys
// above its start.
//
// What became of a transaction is decided at one place, the record of its
// primary key. Invariants:
//
//   - The commit record of the primary is asked for only when every lock stands,
//     with a timestamp taken from the oracle after that.
//   - Commit answers with success only when the commit record certainly exists,
//     with an error other than *UnknownOutcomeError only when it certainly does
//     not and never will (the primary bears a rollback mark, or nothing was ever
//     sent that could commit).
//   - A commit timestamp that a region chose is not told to the client before the
//     oracle is known to be at least there.
//
// A Client may be used concurrently, a Txn by one goroutine at a time. Keys and
// values handed to a Txn belong to it from then on and must not be changed;
// those that it returns must not be changed either.
//
// # Isolation and row locks
//
// The snapshot is the one of the start, or in READ COMMITTED the one of the present
// statement (NewReadSnapshot). Writers lock rows first (LockRows, Insert): in the
// memory of the leader of the row's region, with direct hand-over. A row that was
// changed after the snapshot is a *ChangedError: the statement is to be run again
// with a newer snapshot, or the transaction has failed. An autocommit transaction
// does without locks until it has failed once.
//
// A lock is a promise that may get lost with its leader. So every locked key,
// written or not, is in the prewrite with the timestamp up to which its versions
// are known, and a newer one ends the transaction. A key that is locked in a shared
// mode only becomes a durable lock for the moment of a two-phase commit, one holder
// at a time, and leaves no record. Owners of locks give a sign of life each second
// and lose them after LockTTL without one.
//
// SERIALIZABLE is a snapshot whose reads are validated at the commit timestamp
// (validate.go): within the one-phase commit if all of them lie in its region, else
// after the last prewrite.
//
// Not here yet: async commit, and streaming of prewrites while a transaction is
// still open.
package txn
