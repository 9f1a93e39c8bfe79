// Package txn runs transactions over regions from the gateway's side: snapshot
// reads, a write buffer, one-phase, async and two-phase commit, and the settlement of locks
// that others left behind (Percolator, with a central timestamp oracle).
//
//	Client ── Begin ──> Txn: Get, Scan, LockRows, Put, Insert, Delete, savepoints
//	  │                  │ reads: a snapshot + own buffer
//	  │                  └ Commit: nothing | one phase | locks alone | two phases
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
// primary key; in an async commit by its locks: it is committed once all of them
// stand. DESIGN.md has the argument for that. Invariants of the others:
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
// are known, and a newer one ends the transaction; a transaction that writes nothing
// has its locks checked when it releases them. A key that is locked in a shared
// mode only becomes a durable lock for the moment of a two-phase commit, one holder
// at a time, and leaves a trace that the locks which it excludes find. DESIGN.md has
// the argument. Owners of locks give a sign of life each second
// and lose them after LockTTL without one, or when their gateway is lost.
//
// # Lost gateways
//
// A transaction lives in its gateway's process. If that is killed, stopped or cut
// off, what it has locked would be in the way until its time to live is over. Row
// locks and durable locks therefore carry the gateway's store and boot id, under
// which other stores support that process or do not (store liveness). A gateway is
// lost if a store has heard of a later process of it, or if a majority of those that
// have supported the process do not any more; whoever meets a lock asks
// (Options.GatewayLost, region/store/gateway.go), and only if its own store has
// withdrawn its support. The time to live stays what counts when that cannot be
// found out.
//
// Nothing that is promised rests on such a verdict. It may be wrong in every way: the
// gateway may live, be heard by others, and go on at any time. So losing a gateway
// does to its transactions only what the end of their life does:
//
//   - A row lock is given to the next. It is a promise that may get lost in any case:
//     the prewrite of the key, which every locked key has, looks for versions above
//     the one that the lock showed, and fails if there is one (rule E5). If nobody
//     has changed the row the transaction may commit after all. Advisory locks, which
//     nothing checks, carry no gateway: they live as long as their sessions' signs.
//   - A transaction of which a durable lock is met is decided at its primary, under
//     the latch of that key, as ever. The record is there: it has committed, the lock
//     is carried forward. The lock is there: it goes, and a mark takes its place.
//     Neither is there: a mark. The coordinator's commit of the primary comes before
//     that or after it. Before: whoever asked sees the record. After: it finds the
//     mark, and answers 40001. Its late prewrites find the mark on the primary, or,
//     on other keys, leave locks of which the primary says that they are void.
//
// The schedules: a gateway that is cut off from one store only keeps its locks (the
// others support it). One that is not heard, or hears nothing, loses them. One that
// restarts has lost them at once. One that comes back in the middle of a commit finds
// the mark or has won. A verdict is about the moment and is not kept: what a gateway
// locks after it is back is not taken from it. The tests TestLostGateway here,
// TestLocksOfALostGateway and TestLostGatewayComesBack in region/store play them.
//
// # Validation
//
// SERIALIZABLE is a snapshot whose reads are validated at the commit timestamp
// (validate.go): within the one-phase commit if all of them lie in its region, else
// after the last prewrite.
//
// Not here yet: streaming of prewrites while a transaction is still open.
package txn
