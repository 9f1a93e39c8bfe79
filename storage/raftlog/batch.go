package raftlog

import (
	"errors"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// WriteBatch collects what a round of groups wants to persist. It is used once:
// Append…, then one of Commit, CommitNoSync, CommitAsync and Wait, then Close.
type WriteBatch struct {
	store     *LogStore
	regions   []*regionWrite // in the order of their first Append
	byID      map[uint64]*regionWrite
	eng       *engine.Batch // set by a commit that had something to write
	committed bool
	waiting   bool
}

// regionWrite is what one region wants to persist.
type regionWrite struct {
	group   *GroupLog
	hs      *pb.HardState
	entries []*pb.Entry
}

// NewBatch returns an empty batch.
func (s *LogStore) NewBatch() *WriteBatch {
	return &WriteBatch{store: s, byID: make(map[uint64]*regionWrite)}
}

// Append adds the entries and, if it is not nil, the hard state of a region. The
// entries must be contiguous; where they overlap what is there, or what was added
// before, they replace it and all behind it. A region may be appended to several
// times. The entries are kept and must not be changed afterwards; the slice is not.
func (w *WriteBatch) Append(regionID uint64, hs *pb.HardState, entries []*pb.Entry) error {
	if w.committed {
		return fmt.Errorf("append to raft log of region %d: the batch was committed", regionID)
	}
	for i, e := range entries {
		if e.GetIndex() == 0 || e.GetIndex() != entries[0].GetIndex()+uint64(i) {
			return fmt.Errorf("append to raft log of region %d: entry %d does not follow %d",
				regionID, e.GetIndex(), entries[0].GetIndex()+uint64(i)-1)
		}
	}
	rw := w.byID[regionID]
	if rw == nil {
		g, err := w.store.Group(regionID)
		if err != nil {
			return err
		}
		rw = &regionWrite{group: g}
		w.byID[regionID] = rw
		w.regions = append(w.regions, rw)
	}
	if hs != nil {
		rw.hs = hs
	}
	if len(entries) == 0 {
		return nil
	}
	if len(rw.entries) > 0 {
		first, next := rw.entries[0].GetIndex(), entries[0].GetIndex()
		switch {
		case next > first+uint64(len(rw.entries)):
			return fmt.Errorf("append to raft log of region %d: entry %d leaves a gap", regionID, next)
		case next > first:
			rw.entries = append(rw.entries[:next-first], entries...)
			return nil
		}
	}
	rw.entries = append(rw.entries[:0], entries...)
	return nil
}

// Empty reports whether nothing was added.
func (w *WriteBatch) Empty() bool { return len(w.regions) == 0 }

// Commit writes the batch and waits for the fsync.
func (w *WriteBatch) Commit() error {
	if err := w.CommitAsync(); err != nil {
		return err
	}
	return w.Wait()
}

// CommitNoSync writes the batch and makes it visible; a later synced batch makes
// it durable too.
func (w *WriteBatch) CommitNoSync() error {
	return w.commit(func(b *engine.Batch) error { return w.store.eng.Apply(b, false) })
}

// CommitAsync writes the batch, makes it visible, and starts the fsync. Wait must
// follow.
func (w *WriteBatch) CommitAsync() error {
	if err := w.commit(w.store.eng.ApplyNoSyncWait); err != nil {
		return err
	}
	w.waiting = true
	return nil
}

// Wait waits for the fsync that CommitAsync started.
func (w *WriteBatch) Wait() error {
	if !w.waiting {
		return errors.New("wait for raft log: no commit was started")
	}
	w.waiting = false
	if w.eng == nil {
		return nil // nothing was written
	}
	if err := w.eng.SyncWait(); err != nil {
		return fmt.Errorf("sync raft log: %w", err)
	}
	return nil
}

// commit builds the engine batch, writes it by apply and publishes the result.
// If it fails before the write nothing has changed.
func (w *WriteBatch) commit(apply func(*engine.Batch) error) error {
	if w.committed {
		return errors.New("commit raft log batch: it was committed before")
	}
	w.committed = true
	b := w.store.eng.NewBatch()
	for _, rw := range w.regions {
		if err := rw.stage(b); err != nil {
			return errors.Join(fmt.Errorf("append to raft log of region %d: %w", rw.group.regionID, err), b.Close())
		}
	}
	if b.Empty() {
		return b.Close()
	}
	if err := apply(b); err != nil {
		return errors.Join(fmt.Errorf("write raft log: %w", err), b.Close())
	}
	w.eng = b
	for _, rw := range w.regions {
		rw.group.appended(rw.hs, rw.entries)
	}
	w.store.evict()
	return nil
}

// stage checks what a region wants against its log and adds it to the batch.
func (rw *regionWrite) stage(b *engine.Batch) error {
	if _, err := rw.group.LastIndex(); err != nil {
		return err // destroyed since
	}
	st := rw.group.state()
	id := rw.group.regionID
	last := st.last
	if n := len(rw.entries); n > 0 {
		first := rw.entries[0].GetIndex()
		if first <= st.truncIndex || first > st.last+1 {
			return fmt.Errorf("entry %d does not fit a log of %d…%d", first, st.truncIndex+1, st.last)
		}
		last = rw.entries[n-1].GetIndex()
	}
	if rw.hs.GetCommit() > last {
		return fmt.Errorf("commit index %d is above the last entry %d", rw.hs.GetCommit(), last)
	}
	var key, value []byte
	for _, e := range rw.entries {
		key = keys.AppendLogEntryKey(key[:0], id, e.GetIndex())
		value = appendEntry(value[:0], key, e)
		if err := b.Set(key, value); err != nil {
			return err
		}
	}
	if err := removeEntries(b, id, last+1, st.last); err != nil {
		return err
	}
	if rw.hs != nil {
		key := keys.LogHardStateKey(id)
		return b.Set(key, seal(key, rw.hs.GetTerm(), rw.hs.GetVote(), rw.hs.GetCommit()))
	}
	return nil
}

// Close releases the batch. It must not be called between CommitAsync and Wait.
func (w *WriteBatch) Close() error {
	if w.waiting && w.eng != nil {
		return errors.New("close raft log batch: its sync has not been waited for")
	}
	if w.eng == nil {
		return nil
	}
	b := w.eng
	w.eng = nil
	return b.Close()
}
