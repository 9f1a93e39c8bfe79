// Package raftlog keeps the raft logs of all regions of a store in one log
// engine, so that one fsync serves a whole round of groups.
//
//	scheduler worker ── WriteBatch: many groups' entries and hard states
//	                         │ CommitAsync: one engine batch, visible
//	                         │ Wait: durable, one fsync
//	raft.RawNode ── GroupLog (raft.Storage): memory first, then the engine
//
// # Visibility and durability
//
// raft with AsyncStorageWrites sends MsgStorageAppend and keeps its entries in
// its own unstable tail until it gets the message's Responses. It demands that
// the Storage shows the entries at the latest when the response is stepped, and
// that responses are stepped only when the entries are durable, in the order of
// the messages of that region. Therefore:
//
//   - CommitAsync makes a batch readable: entry cache, LastIndex, Term and hard
//     state change when it has been written to the engine, before the fsync.
//     That is harmless, since raft reads its unstable tail before the Storage.
//   - The caller steps the responses after Wait (or Commit) has returned nil.
//   - Batches that touch the same region must be committed in the order of the
//     region's messages. Batches are durable in the order of CommitAsync.
//
// A message without Responses needs no fsync; CommitNoSync serves it.
//
// # Invariants
//
//   - first = truncated index + 1 <= last + 1; entries first…last are all there.
//   - An append starts at first…last+1. Starting below last+1 replaces the suffix.
//   - The entry cache holds a suffix of the log, entries that end at last.
//
// # Failures
//
// Entries, hard state and truncated state carry a format version and a CRC-32C
// over key and content: a flipped bit, or an entry in the wrong place, is an
// error that names region and index. An error of a write is the engine's fatal
// error: the store stops.
//
// # Concurrency
//
// LogStore and GroupLog may be used concurrently; writes to one region are made
// by one goroutine at a time. A WriteBatch belongs to one goroutine. Lock order:
// LogStore.mu, then GroupLog.mu; neither is held during a write.
//
// # Ownership
//
// Entries handed to Append are kept in the cache: nobody may change them
// afterwards. Entries handed out are shared in the same way; the slice around
// them is the caller's own.
package raftlog
