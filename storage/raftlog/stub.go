package raftlog

import (
	"errors"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/engine"
)

var errNotBuilt = errors.New("raftlog: not built yet")

// Options configures Open. The zero value is good.
type Options struct {
	// CacheBytes bounds the entry cache of the store; zero is 32 MB.
	CacheBytes int64
}

// LogStore holds the logs of all groups of one store.
type LogStore struct{}

// Open uses a log engine, which the caller keeps open and closes afterwards.
func Open(eng *engine.Engine, o Options) (*LogStore, error) { return nil, errNotBuilt }

// Group returns the log of a region, reading its state on the first call.
func (s *LogStore) Group(regionID uint64) (*GroupLog, error) { return nil, errNotBuilt }

// Regions returns the ids of all regions that have a log or hard state here,
// ascending; destroyed ones are not among them.
func (s *LogStore) Regions() ([]uint64, error) { return nil, errNotBuilt }

// Recovered is what Recover found.
type Recovered struct {
	// HardState is never nil; it is empty for a region without one.
	HardState *pb.HardState
	// First and Last are the bounds of the log; First = Last + 1 if it is empty.
	First, Last uint64
	// Reset says that the log was emptied and restarted at the applied index.
	Reset bool
}

// Recover reconciles a region's log with its applied state, as found in the
// state engine, before a RawNode is made.
func (s *LogStore) Recover(regionID, appliedIndex, appliedTerm uint64) (Recovered, error) {
	return Recovered{}, errNotBuilt
}

// CompactTo drops the entries up to and including index. The caller guarantees
// that index is at most the durable applied index. Not synced.
func (s *LogStore) CompactTo(regionID, index uint64) error { return errNotBuilt }

// ResetTo empties the log so that it goes on behind (index, term), and raises
// the hard state's commit to index. Synced.
func (s *LogStore) ResetTo(regionID, index, term uint64) error { return errNotBuilt }

// Tombstone says that a region's replica was removed from this store.
type Tombstone struct {
	// MinPeerID is the smallest peer id that may live here again.
	MinPeerID uint64
}

// Destroy removes a region's log and leaves a tombstone, in one synced write.
func (s *LogStore) Destroy(regionID uint64, t Tombstone) error { return errNotBuilt }

// Tombstone returns the region's tombstone.
func (s *LogStore) Tombstone(regionID uint64) (t Tombstone, found bool, err error) {
	return Tombstone{}, false, errNotBuilt
}

// NewBatch returns an empty batch.
func (s *LogStore) NewBatch() *WriteBatch { return &WriteBatch{} }

// WriteBatch collects what a round of groups wants to persist.
type WriteBatch struct{}

// Append adds the entries and, if it is not nil, the hard state of a region. A
// region may be appended to several times.
func (w *WriteBatch) Append(regionID uint64, hs *pb.HardState, entries []*pb.Entry) error {
	return errNotBuilt
}

// Empty reports whether nothing was added.
func (w *WriteBatch) Empty() bool { return true }

// Commit writes the batch and waits for the fsync.
func (w *WriteBatch) Commit() error { return errNotBuilt }

// CommitNoSync writes the batch; a later synced batch makes it durable too.
func (w *WriteBatch) CommitNoSync() error { return errNotBuilt }

// CommitAsync writes the batch, makes it visible, and starts the fsync.
func (w *WriteBatch) CommitAsync() error { return errNotBuilt }

// Wait waits for the fsync that CommitAsync started.
func (w *WriteBatch) Wait() error { return errNotBuilt }

// Close releases the batch. It must not be called between CommitAsync and Wait.
func (w *WriteBatch) Close() error { return nil }

// GroupLog is the log of one region. It implements raft.Storage.
type GroupLog struct{}

var _ raft.Storage = (*GroupLog)(nil)

// SetConfState sets what InitialState returns, before the RawNode is made.
func (g *GroupLog) SetConfState(cs *pb.ConfState) {}

// SetSnapshotter sets what Snapshot calls; without it every call returns
// raft.ErrSnapshotTemporarilyUnavailable.
func (g *GroupLog) SetSnapshotter(f func() (*pb.Snapshot, error)) {}

// InitialState implements raft.Storage.
func (g *GroupLog) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return nil, nil, errNotBuilt
}

// Entries implements raft.Storage.
func (g *GroupLog) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) { return nil, errNotBuilt }

// Term implements raft.Storage.
func (g *GroupLog) Term(i uint64) (uint64, error) { return 0, errNotBuilt }

// LastIndex implements raft.Storage.
func (g *GroupLog) LastIndex() (uint64, error) { return 0, errNotBuilt }

// FirstIndex implements raft.Storage.
func (g *GroupLog) FirstIndex() (uint64, error) { return 0, errNotBuilt }

// Snapshot implements raft.Storage.
func (g *GroupLog) Snapshot() (*pb.Snapshot, error) { return nil, errNotBuilt }

// HardState returns the hard state as last written; never nil.
func (g *GroupLog) HardState() *pb.HardState { return &pb.HardState{} }

// SizeBytes estimates the bytes of the entries in the log, for decisions about
// compaction.
func (g *GroupLog) SizeBytes() int64 { return 0 }
