// Package multiraft drives the many Raft groups of one store. It is mechanism
// only: a scheduler, a log writer and the interface of the transport. The one map
// of groups lives in the store (region/store), which implements Processor; the
// RawNode of a group lives in its replica (region/replica).
//
//	 Enqueue, ticker                              Transport (peers' stores)
//	      │                                          ▲            │ Receiver
//	      ▼                                          │            ▼
//	┌───────────┐  a round of groups   ┌────────────────────┐   Processor
//	│ scheduler │ ───────────────────▶ │ worker: Process(g) │   (region/store)
//	└───────────┘                      └─────────┬──────────┘      ▲
//	      ▲ a group with new work                │ Round           │ Deliver
//	      └──────────────────────────────────────┤                 │
//	                     messages, state batch,  │ appends         │
//	                     callbacks               ▼                 │
//	                                        ┌────────────┐ durable │
//	                                        │ log writer │─────────┘
//	                                        └────────────┘
//
// # The round is the batch
//
// A worker takes several groups, calls Processor.Process for each and then
// finishes the round once for all of them, in this order:
//
//  1. messages that need no durability are sent: a leader's followers write in
//     parallel with the leader's own disk (Raft thesis §10.2.1);
//  2. the appends of all groups go to the log writer, which makes one engine
//     batch of everything that is queued and syncs it once;
//  3. the state batch of all groups is committed, unsynced;
//  4. the AfterApply callbacks run.
//
// The groups stay owned by the worker until the last callback has returned.
//
// # From sync to sync
//
// A round costs the same for one group as for ten: a batch of the state engine, a
// frame to each other store, goroutines and threads that wake up. So the log writer has
// one batch on its way to the disk at a time, and what is appended meanwhile makes up
// the next one; a worker leaves nothing to another below 16 groups. Workers that waited
// for the end of a sync before they made more appends gained nothing that could be
// measured (64 and 1,024 groups, 64 writers).
//
// # Invariants
//
//   - One group is never processed by two workers at a time. Work that arrives
//     for a group while it is being processed makes it run once more afterwards.
//   - A group's appends reach the log in the order in which its rounds made them,
//     and responses are delivered in that order, only after everything appended
//     with MustSync up to and including the append that carries them is durable.
//   - After the first error of the log engine or the state engine nothing more is
//     acknowledged: no response, no callback, no message (see Options.Fatal).
//   - Every queue has a bound. A full log queue blocks the workers; a full
//     transport queue drops messages and reports the peer unreachable.
//   - The ticker rests while no group wants a tick, and looks again only when it is
//     stirred (Driver.Stir): a store at rest is not woken for it.
//
// # Concurrency and lock order
//
// Enqueue, EnqueueAll, Metrics and Stop may be called from anywhere. The
// scheduler's and the log queue's mutexes are leaves: nothing is called while
// they are held. Processor methods are called without any lock of this package.
//
// # Manual mode
//
// With Options.Manual nothing starts a goroutine. A deterministic simulation
// calls PollRound, FlushLog and TickAll from one goroutine. They run the same
// code as the workers, the log writer and the ticker; order is first in, first
// out, and ticks are queued in the order of Options.Groups, which the store must
// therefore return sorted.
//
// Elections need one thing more to repeat themselves: the Raft library draws the
// spread of election timeouts from the operating system. ElectionTimer replaces
// that draw with a given source, in simulation and production alike.
package multiraft
