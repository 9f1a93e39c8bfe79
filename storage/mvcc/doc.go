// Package mvcc is the multi-version store as functions: they read from an
// engine.Reader and add to an engine.Writer. There is no goroutine, no lock and
// no state here; the caller holds latches on the keys from evaluation to apply,
// keeps max_ts, the memory locks and the safe point, and replicates the batch.
//
// # What is stored
//
//	data      user key, commit timestamp → Version: put, delete or lock record
//	lock      user key                   → Lock: one transaction's claim
//	rollback  user key, start timestamp  → mark: this transaction is dead here
//
// The protocol is Percolator's (OSDI'10, §2.2), with these differences: a value
// travels in the lock and becomes the version, so there is no third column;
// versions carry the transaction's start timestamp, so FindCommit settles an
// unknown outcome; rollback marks have a prefix of their own and never get in the
// way of a read.
//
// # Invariants
//
//   - A user key has at most one lock.
//   - A version's commit timestamp is above its start timestamp, and at or above
//     the MinCommitTS of the lock that it came from.
//   - For one transaction and key there is never both a version and a rollback
//     mark. A mark refuses every later prewrite of that transaction.
//   - The commit timestamps of the versions of a key are distinct, and a version
//     is never written below an existing one by the functions here, except by
//     Commit of a lock that was there first.
//
// # Rules for callers
//
// The commit timestamp of a transaction must be at or above every MinCommitTS
// that its prewrites returned: readers pass by a lock whose MinCommitTS is above
// their timestamp. Reads below the region's safe point, and prewrites, locks and
// commits of transactions that started below it, are refused by the caller:
// versions and marks there may be gone.
//
// If a function returns an error, what it has added to the writer is undefined;
// the caller drops the batch. Functions that write take a Reader which must show
// the state before the batch (or the batch indexed on top of it).
//
// Slices in results are the caller's own. Slices in arguments are not kept.
package mvcc
