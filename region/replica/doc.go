// Package replica is one member of a region's Raft group.
//
//	Send ─▶ check ─▶ read: max_ts, memory locks, engine snapshot, lease ─▶ mvcc ─▶ answer
//	           └──▶ write: latches, evaluate (mvcc ─▶ batch), propose ─┐
//	                                                                 ▼
//	multiraft.Driver ── Process ──▶ RawNode ──▶ Round: messages, log append, state batch
//	                                                                 │ commit
//	                                     AfterApply: publish, release latches, answer
//
// The leader evaluates a command under latches into a ready engine batch and
// replicates the bytes; every replica applies the same bytes. A command carries
// the epoch and the term that it was evaluated in, and is checked against both
// again when it is applied.
//
// # Invariants
//
//   - applied <= committed; applied index, term, configuration and descriptor
//     change in the same engine batch as the data (rule C1).
//   - A leader evaluates nothing before it has applied an entry of its own term.
//   - Latches are held until the outcome is known and applied here, or until the
//     replica has lost the leadership; a later term evaluates nothing before
//     every entry of this one that can still apply has been applied.
//   - A command is proposed at most once. "Ambiguous" is answered if and only if
//     it was handed to Raft and its outcome is not known here.
//   - What started below the region's fence is refused, and only what is invisible
//     at its collect point, which lies at or below the fence, is ever deleted. Both
//     are replicated, the deletions are not (gc.go, DESIGN.md).
//   - A region that is being merged serves nothing until the log of its neighbour has
//     decided; the neighbour takes it only when all its replicas have made that durable
//     (merge.go, absorb.go, DESIGN.md).
//   - A voter that was removed stays, and votes, until a majority of the new
//     configuration durably knows it; only then is the change answered, and the next one
//     begun (known.go, DESIGN.md).
//   - A lease rests on stores that support this one and followers that acknowledged
//     in this term and epoch; it is given up for the rest of the term before a
//     transfer starts. DESIGN.md has the argument.
//   - The leader's commit index reaches a follower with the next append or heartbeat,
//     or at once behind an entry that is not a plain write; see patience.go. Nothing
//     may wait for a follower to have applied a write.
//   - A replica at rest costs nothing: neither a leader that sleeps nor a follower
//     that is bound wants ticks, nor one that awaits its start (start.go).
//
// # Concurrency and lock order
//
// A Replica may be used concurrently. Process is called by one worker at a time
// and owns the RawNode; Replica.mu guards the rest of the state. Lock order:
// Replica.mu, then the latch manager's own mutex. No callback is made with either
// of them held.
package replica
