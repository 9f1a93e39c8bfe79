package multiraft

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/raftlog"
)

// RaftLog makes a store's Raft log usable as Options.Log.
func RaftLog(s *raftlog.LogStore) LogStore { return raftLog{s} }

type raftLog struct{ s *raftlog.LogStore }

func (l raftLog) NewBatch() LogBatch { return &raftLogBatch{s: l.s, b: l.s.NewBatch()} }

type raftLogBatch struct {
	s    *raftlog.LogStore
	b    *raftlog.WriteBatch
	wait bool
	// bare: nothing to write, but a sync is wanted.
	bare bool
}

func (b *raftLogBatch) Append(group uint64, hs *raftpb.HardState, entries []*raftpb.Entry) error {
	if hs == nil && len(entries) == 0 {
		return nil // only responses that wait for their turn
	}
	return b.b.Append(group, hs, entries)
}

func (b *raftLogBatch) Commit(sync bool) error {
	switch {
	case b.b.Empty():
		b.bare = sync
		return nil
	case sync:
		b.wait = true
		return b.b.CommitAsync()
	default:
		return b.b.CommitNoSync()
	}
}

func (b *raftLogBatch) Wait() error {
	if b.bare {
		return b.s.Sync()
	}
	if !b.wait {
		return nil
	}
	return b.b.Wait()
}

func (b *raftLogBatch) Close() error { return b.b.Close() }
