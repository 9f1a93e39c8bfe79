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
// # Why a second Pebble
//
// Segment files of 64 MB, with one writer, a CRC-32C for each batch and an index of
// entries in memory, were tried against it: 40,000 commits of 8 groups with 2 entries
// of 200 bytes, each synced, logs compacted to 100 entries every 1,000 commits, three
// runs in turns on two busy cores.
//
//	                     CPU µs/entry  bytes on disk/byte  syncs/commit  open ms
//	this package            15.6–16.6                2.55          1.00  380–657
//	segments (trial)          7.8–8.6                2.32          1.00  161–453
//
// A written entry costs half, but a replicated write costs 250 to 300 µs of CPU on all
// its stores together (make raftbench), of which the three logs would save 25: a tenth.
// The bytes on disk are nearly the same, because most of them fill up the last page of
// each sync. That does not pay for a second format with its own recovery, deletion of
// segments that one idle group holds back, and migration. The first line is what
// BenchmarkCommit measures; the trial was not kept.
//
// # Ownership
//
// Entries handed to Append are kept in the cache: nobody may change them
// afterwards. Entries handed out are shared in the same way; the slice around
// them is the caller's own.
package raftlog
