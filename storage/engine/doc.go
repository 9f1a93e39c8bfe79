// Package engine is the only package that knows Pebble. It gives the layers
// above two kinds of store on disk, one comparer and one set of failure rules:
//
//	        raftlog        mvcc, region/replica
//	           │                   │
//	LogEngine: raft logs    StateEngine: applied state
//	           └──── Engine, Batch, Snapshot, Iterator ────┘
//	                          Pebble, FS
//
// # Durability
//
// Apply with sync waits for the write-ahead log. Without it the write is visible
// at once and survives a crash only after a later Sync, a synced write, or a
// flush: always in order, so that what survives is a prefix of what was written.
// There is one exception in Pebble, closed here: an ingest would overtake earlier
// unsynced writes, therefore IngestAndExcise syncs first.
//
// # Fail-stop
//
// An error of the disk in the background or in the write-ahead log is fatal: the
// kernel may have dropped the dirty pages, so a retry would lie. The first such
// error is handed to Options.OnFatal once; from then on every call fails with an
// error that wraps ErrFatal. A call that was under way at that moment may never
// return, so the owner is expected to end the process.
//
// # Ownership of bytes
//
// Keys and values passed in are copied before the call returns. Reader.Get
// returns a copy that the caller owns. Iterator.Key and Iterator.Value are valid
// until the next call that moves the iterator. Batch.Repr is valid until the
// batch is changed or closed.
//
// # Concurrency
//
// Engine and Snapshot may be used concurrently. A Batch, an Iterator and an
// SSTWriter belong to one goroutine at a time. Batches, snapshots and iterators
// must be closed before the engine is.
package engine
