package replica

import "go.etcd.io/raft/v3/raftpb"

// Observer sees Raft at work, so that a simulation can check the five properties
// of the Raft paper (figure 3). It is called while the replica's state changes:
// it must not block and not call the store. Slices and entries must not be
// changed or kept.
type Observer interface {
	// BecameLeader: the store leads region in term; its log ends at lastIndex,
	// the empty entry of the term included.
	BecameLeader(region, store, term, lastIndex uint64)
	// Appended: entries are handed to the store's log, replacing what was there
	// from the first one's index on.
	Appended(region, store uint64, entries []*raftpb.Entry)
	// Committed: the replica knows entries up to index to be committed, being in term.
	Committed(region, store, term, index uint64)
	// Applied: the entry at index, of term, is applied; hash is over its type and
	// data.
	Applied(region, store, index, term, hash uint64)
	// VoteGranted: the store's replica voted for peer in term. It is called when the
	// vote reaches the candidate, so the vote is durable: one that a crash swallowed
	// before it was sent does not bind.
	VoteGranted(region, store, term, peer uint64)
	// LeaseHeld: the store served or was ready to serve a read under its lease.
	LeaseHeld(region, store, term uint64)
	// SnapshotInstalled: the log restarts behind (index, term).
	SnapshotInstalled(region, store, index, term uint64)
}
