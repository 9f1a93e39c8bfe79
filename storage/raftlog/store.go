package raftlog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// cacheBytesDefault is enough for the entries of a few seconds, which is how far
// apply and followers normally lag.
const cacheBytesDefault = 32 << 20

// Options configures Open. The zero value is good.
type Options struct {
	// CacheBytes bounds the entry cache of the store; zero is 32 MB.
	CacheBytes int64
}

// LogStore holds the logs of all groups of one store.
type LogStore struct {
	eng      *engine.Engine
	cacheMax int64
	cached   atomic.Int64 // bytes in the entry caches of all groups
	size     atomic.Int64 // of the groups' logs, see GroupLog.SizeBytes
	// recovered: Recover has written something since SyncRecovered, which holds
	// recoverMu while it syncs.
	recovered atomic.Bool
	recoverMu sync.Mutex

	mu struct {
		sync.Mutex
		groups map[uint64]*GroupLog
		ring   []*GroupLog // the same, in the order of creation, for eviction
		hand   int
	}
}

// Open uses a log engine, which the caller keeps open and closes afterwards.
func Open(eng *engine.Engine, o Options) (*LogStore, error) {
	if eng.Kind() != engine.LogEngine {
		return nil, fmt.Errorf("open log store: %s is a %v engine", eng.Dir(), eng.Kind())
	}
	if o.CacheBytes < 0 {
		return nil, fmt.Errorf("open log store: cache of %d bytes", o.CacheBytes)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	s := &LogStore{eng: eng, cacheMax: o.CacheBytes}
	s.mu.groups = make(map[uint64]*GroupLog)
	return s, nil
}

// Group returns the log of a region, reading its state on the first call. A
// region without a log has an empty one.
func (s *LogStore) Group(regionID uint64) (*GroupLog, error) {
	s.mu.Lock()
	g := s.mu.groups[regionID]
	s.mu.Unlock()
	if g != nil {
		return g, nil
	}
	// Reading happens outside of the lock; of two readers one wins.
	g = &GroupLog{store: s, regionID: regionID}
	if err := g.load(); err != nil {
		return nil, fmt.Errorf("load raft log of region %d: %w", regionID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if won := s.mu.groups[regionID]; won != nil {
		return won, nil
	}
	s.mu.groups[regionID] = g
	s.mu.ring = append(s.mu.ring, g)
	s.size.Add(g.state().size)
	return g, nil
}

// Regions returns the ids of all regions that have a log or hard state here,
// ascending; destroyed ones are not among them.
func (s *LogStore) Regions() (ids []uint64, err error) {
	it, err := s.eng.NewIter(engine.IterOptions{})
	if err != nil {
		return nil, fmt.Errorf("list raft logs: %w", err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			ids, err = nil, fmt.Errorf("list raft logs: %w", cerr)
		}
	}()
	for ok := it.First(); ok; {
		d, err := keys.DecodeLog(it.Key())
		if err != nil {
			return nil, fmt.Errorf("list raft logs: %w", err)
		}
		if d.Kind == keys.LogTombstone {
			ok = it.Next()
			continue
		}
		ids = append(ids, d.RegionID)
		ok = it.SeekGE(keys.LogRegionEnd(d.RegionID))
	}
	return ids, nil
}

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
//
// A crash may have come between the installation of a raft snapshot in the state
// engine and the reset of the log. So a log that ends below the applied index, or
// holds another term there, is emptied and restarted at it; and the hard state's
// commit is raised to the applied index, because raft refuses to start otherwise.
// Neither is durable before SyncRecovered, which the caller calls once for many
// regions, before any of them takes part in its group. A log that begins above the applied index, or that
// has committed what it does not hold, is ErrCorrupt: acknowledged entries are
// gone, and the replica must not vote.
func (s *LogStore) Recover(regionID, appliedIndex, appliedTerm uint64) (Recovered, error) {
	fail := func(err error) (Recovered, error) {
		return Recovered{}, fmt.Errorf("recover raft log of region %d at applied index %d, term %d: %w",
			regionID, appliedIndex, appliedTerm, err)
	}
	g, err := s.Group(regionID)
	if err != nil {
		return Recovered{}, err
	}
	st := g.state()
	if st.truncIndex > appliedIndex {
		return fail(fmt.Errorf("%w: it begins behind index %d", ErrCorrupt, st.truncIndex))
	}
	reset := st.last < appliedIndex
	if !reset {
		term, err := g.Term(appliedIndex)
		if err != nil {
			return fail(err)
		}
		reset = term != appliedTerm
	}
	switch {
	case reset:
		if err := s.resetTo(regionID, appliedIndex, appliedTerm, false); err != nil {
			return fail(err)
		}
		s.recovered.Store(true)
	case st.hs.GetCommit() > st.last:
		return fail(fmt.Errorf("%w: commit index %d is above the last entry %d", ErrCorrupt, st.hs.GetCommit(), st.last))
	case st.hs.GetCommit() < appliedIndex:
		hs := raiseHardState(st.hs, appliedIndex, appliedTerm)
		w := s.NewBatch()
		defer w.Close()
		if err := w.Append(regionID, hs, nil); err != nil {
			return fail(err)
		}
		if err := w.CommitNoSync(); err != nil {
			return fail(err)
		}
		s.recovered.Store(true)
	}
	st = g.state()
	return Recovered{HardState: cloneHardState(st.hs), First: st.truncIndex + 1, Last: st.last, Reset: reset}, nil
}

// SyncRecovered makes durable what Recover has written so far.
func (s *LogStore) SyncRecovered() error {
	s.recoverMu.Lock() // what another caller syncs just now may be ours
	defer s.recoverMu.Unlock()
	if !s.recovered.Swap(false) {
		return nil
	}
	if err := s.Sync(); err != nil {
		return fmt.Errorf("sync recovered raft logs: %w", err)
	}
	return nil
}

// raiseHardState returns hs with its commit, and if needed its term, raised to
// an entry that is known to be committed. A vote of an older term is forgotten.
func raiseHardState(hs *pb.HardState, index, term uint64) *pb.HardState {
	out := cloneHardState(hs)
	if index > out.GetCommit() {
		out.Commit = new(index)
	}
	if term > out.GetTerm() {
		out.Term, out.Vote = new(term), new(uint64(0))
	}
	return out
}

func cloneHardState(hs *pb.HardState) *pb.HardState {
	return &pb.HardState{
		Term:   new(hs.GetTerm()),
		Vote:   new(hs.GetVote()),
		Commit: new(hs.GetCommit()),
	}
}

// deletesMax is up to how many entries are removed one by one. Range deletions
// are cheap to write and dear to keep.
const deletesMax = 128

// removeEntries adds the removal of the entries lo…hi to a batch.
func removeEntries(b *engine.Batch, regionID, lo, hi uint64) error {
	if lo > hi {
		return nil
	}
	if hi-lo >= deletesMax {
		return b.DeleteRange(keys.LogEntryKey(regionID, lo), keys.LogEntryKey(regionID, hi+1))
	}
	for i := lo; i <= hi; i++ {
		if err := b.Delete(keys.LogEntryKey(regionID, i)); err != nil {
			return err
		}
	}
	return nil
}

// CompactTo drops the entries up to and including index. The caller guarantees
// that index is at most the durable applied index. It is not synced: a crash may
// bring the entries back. It does nothing if they are gone already. It may run
// while entries behind index are appended.
func (s *LogStore) CompactTo(regionID, index uint64) error {
	g, err := s.Group(regionID)
	if err != nil {
		return err
	}
	st := g.state()
	if index <= st.truncIndex {
		return nil
	}
	if index > st.last {
		return fmt.Errorf("compact raft log of region %d to %d: it ends at %d", regionID, index, st.last)
	}
	term, err := g.Term(index)
	if err != nil {
		return fmt.Errorf("compact raft log of region %d to %d: %w", regionID, index, err)
	}
	b := s.eng.NewBatch()
	defer b.Close()
	key := keys.LogTruncatedKey(regionID)
	err = errors.Join(
		b.Set(key, seal(key, index, term)),
		removeEntries(b, regionID, st.truncIndex+1, index),
	)
	if err == nil {
		err = s.eng.Apply(b, false)
	}
	if err != nil {
		return fmt.Errorf("compact raft log of region %d to %d: %w", regionID, index, err)
	}
	g.compacted(index, term)
	return nil
}

// ResetTo empties the log so that it goes on behind (index, term), and raises
// the hard state's commit to index. It is for the installation of a raft
// snapshot, after the state engine has it, and for a new region. Synced. Nothing
// else may be under way for the region. A log whose commit is above index is
// refused.
func (s *LogStore) ResetTo(regionID, index, term uint64) error {
	return s.resetTo(regionID, index, term, true)
}

func (s *LogStore) resetTo(regionID, index, term uint64, sync bool) error {
	g, err := s.Group(regionID)
	if err != nil {
		return err
	}
	st := g.state()
	if c := st.hs.GetCommit(); c > index {
		return fmt.Errorf("reset raft log of region %d to %d: %w: entries up to %d are committed", regionID, index, ErrCorrupt, c)
	}
	hs := raiseHardState(st.hs, index, term)
	b := s.eng.NewBatch()
	defer b.Close()
	tk, hk := keys.LogTruncatedKey(regionID), keys.LogHardStateKey(regionID)
	err = errors.Join(
		b.DeleteRange(keys.LogEntryKey(regionID, 0), keys.LogEntriesEnd(regionID)),
		b.Set(tk, seal(tk, index, term)),
		b.Set(hk, seal(hk, hs.GetTerm(), hs.GetVote(), hs.GetCommit())),
	)
	if err == nil {
		err = s.eng.Apply(b, sync)
	}
	if err != nil {
		return fmt.Errorf("reset raft log of region %d to %d: %w", regionID, index, err)
	}
	g.reset(index, term, hs)
	return nil
}

// Tombstone says that a region's replica was removed from this store.
type Tombstone struct {
	// MinPeerID is the smallest peer id that may live here again. It never
	// decreases.
	MinPeerID uint64
}

// Destroy removes a region's log and hard state and leaves a tombstone, in one
// synced write. The region's GroupLog is dead from then on; a new peer gets a
// new one from Group. Nothing else may be under way for the region.
func (s *LogStore) Destroy(regionID uint64, t Tombstone) error {
	old, _, err := s.Tombstone(regionID)
	if err != nil {
		return err
	}
	t.MinPeerID = max(t.MinPeerID, old.MinPeerID)
	b := s.eng.NewBatch()
	defer b.Close()
	key := keys.LogTombstoneKey(regionID)
	err = errors.Join(
		b.DeleteRange(keys.LogRegionStart(regionID), keys.LogRegionEnd(regionID)),
		b.Set(key, seal(key, t.MinPeerID)),
	)
	if err == nil {
		err = s.eng.Apply(b, true)
	}
	if err != nil {
		return fmt.Errorf("destroy raft log of region %d: %w", regionID, err)
	}
	s.forget(regionID)
	return nil
}

func (s *LogStore) forget(regionID uint64) {
	s.mu.Lock()
	g := s.mu.groups[regionID]
	delete(s.mu.groups, regionID)
	for i, other := range s.mu.ring {
		if other == g {
			s.mu.ring = append(s.mu.ring[:i:i], s.mu.ring[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	if g != nil {
		g.kill()
	}
}

// Tombstone returns the region's tombstone.
func (s *LogStore) Tombstone(regionID uint64) (t Tombstone, found bool, err error) {
	key := keys.LogTombstoneKey(regionID)
	v, found, err := s.eng.Get(key)
	if err == nil && found {
		err = unsealFields(key, v, &t.MinPeerID)
	}
	if err != nil {
		return Tombstone{}, false, fmt.Errorf("read tombstone of region %d: %w", regionID, err)
	}
	return t, found, nil
}

// Sync makes everything durable that was committed before the call.
func (s *LogStore) Sync() error { return s.eng.Sync() }

// SizeBytes estimates the bytes of the entries in all logs that were asked for with
// Group.
func (s *LogStore) SizeBytes() int64 { return s.size.Load() }

// CachedBytes returns the size of the entry cache.
func (s *LogStore) CachedBytes() int64 { return s.cached.Load() }

// evict brings the entry cache back under its bound: groups in turn give up the
// older half of what they have.
func (s *LogStore) evict() {
	if s.cached.Load() <= s.cacheMax {
		return
	}
	// A little more than needed, so that not every append comes here.
	target := s.cacheMax - s.cacheMax/8
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := 0
	for s.cached.Load() > target && idle < len(s.mu.ring) {
		s.mu.hand = (s.mu.hand + 1) % len(s.mu.ring)
		if s.mu.ring[s.mu.hand].evictHalf() {
			idle = 0
		} else {
			idle++
		}
	}
}
