// Package txn runs transactions over regions from the gateway's side: snapshot
// reads, a write buffer, one- and two-phase commit, and the settlement of locks
// that others left behind (Percolator, with a central timestamp oracle).
//
//	Client ── Begin ──> Txn: Get, Scan, Put, Insert, Delete, LockKey, savepoints
//	  │                  │ reads: snapshot at the start timestamp + own buffer
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
// Not here yet: row locks (LockKey is optimistic and conflicts at commit), READ
// COMMITTED snapshots per statement (it runs as REPEATABLE READ), SERIALIZABLE,
// async commit, and streaming of prewrites while a transaction is still open.
package txn
