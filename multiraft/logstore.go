package multiraft

import "go.etcd.io/raft/v3/raftpb"

// LogStore is what the driver needs of the store's Raft log. RaftLog makes one
// of a raftlog.Store; tests put faults in between.
type LogStore interface {
	// NewBatch returns an empty batch. It is called by one goroutine at a time.
	NewBatch() LogBatch
}

// LogBatch is one write of many groups' appends.
type LogBatch interface {
	// Append adds a group's new hard state, which may be nil, and entries, which
	// may be none.
	Append(group uint64, hs *raftpb.HardState, entries []*raftpb.Entry) error
	// Commit writes the batch: after it returned the entries can be read. With
	// sync the write has been handed to the disk, and Wait says when it is
	// durable. Batches become durable in the order of their commits.
	Commit(sync bool) error
	// Wait returns when the batch is durable, at once if it was committed
	// without sync. It may run on another goroutine than the next batch's Append
	// and Commit.
	Wait() error
	// Close releases the batch. Requires: Wait returned, or Commit was not
	// called or failed.
	Close() error
}
