// Package exec runs plans.
//
//	plan.Node ──build──▶ operator ──Next──▶ Batch of rows ──Next──▶ … ──▶ Sink
//	                        │
//	                        ▼
//	                    KV: a transaction's reads and buffered writes
//
// An operator is made for one execution and pulls batches of at most BatchRows
// rows from its inputs; a columnar batch can take Batch's place behind the same
// method. Statements that write read all their input before they write the
// first row, so they never see their own effects.
//
// # Ownership
//
// A batch belongs to whoever made it. The rows in it are overwritten by the next
// call of Next with it; whoever keeps a row copies its datums. What a datum
// points to never changes.
//
// # Limits
//
// What sorts, hashes and materialized rows hold is counted by Runtime.Memory;
// beyond the limit the statement ends with 53200. Nothing spills to disk yet.
//
// # Concurrency
//
// A Runtime and its operators belong to one goroutine. Plans are shared.
package exec
