// Package store owns the replicas of one store: the one map of groups, their
// start, birth and removal, and what they share.
//
//	Send, SendAsync, KV service, Local ──┐
//	                                     ▼
//	Receive (transport) ──▶ Store ── map of replica.Replica ──▶ multiraft.Driver
//	                          │
//	                          ├─ liveness: one message per store and period, for all replicas
//	                          └─ workers: state engine sync, raft snapshots (one sent,
//	                             one received at a time), splits by size and load,
//	                             timestamps, garbage collection
//
// # Life of a replica
//
//   - Bootstrap writes the first regions. Open loads all replicas whose descriptor
//     is in the state engine, finishes removals that a crash cut short (a synced
//     tombstone in the log engine wins), and reconciles each log with the applied
//     state that it finds.
//   - What Open finds awaits its start: it wants no ticks until a leader finds it or it
//     is its turn to campaign. Each region has one candidate at a time, among the stores
//     that live, and each store has at most 500 under way (start.go). So a cluster whose
//     stores start together leads thousands of regions within seconds.
//   - A message for a region that is not here makes a shell, unless a replica of
//     another region still covers its range: then the message is held for a while.
//     A shell never votes; a raft snapshot fills it.
//   - Applying a merge ends the replica of the region that is taken: its state goes in
//     the batch that extends the other one, its log afterwards, with a tombstone for
//     ever. A raft snapshot of the merged region does the same.
//   - Applying a split makes the children. Its own removal, or hearing about it from a
//     member, destroys a replica as soon as a majority of the new members durably know of
//     it: tombstone first.
//
// # Invariants
//
//   - Initialised replicas of a store do not overlap.
//   - A durable applied index is published only for what was applied before the
//     state engine's sync began; no log is compacted beyond it.
//   - The logs of all regions together hold at most a budget (64 MB) for peers that are
//     away or lag, besides what was written since the sync before the last.
//   - A store at rest syncs its log once per liveness period (rule A10), its state once
//     a second, and does nothing else with its disk.
//   - No disk write that waits runs on a scheduler worker.
//   - A support that ends is published before any replica hears of it.
//
// # Concurrency and lock order
//
// All exported methods may be called concurrently. Store.mu is taken before a
// replica's locks and never while one is held. Callbacks (SendAsync, Reporter,
// Observer, OnLeaderChange) run without any lock of this package, on goroutines
// of the scheduler among others: they must not block.
//
// # Manual mode
//
// With Options.Manual nothing starts a goroutine. A simulation drives the store
// with Tick, TickLiveness, Poll and SyncState, and asks with SendAsync; everything completes
// within these calls, in an order that only depends on its inputs.
package store
