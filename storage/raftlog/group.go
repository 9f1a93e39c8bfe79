package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// ErrDestroyed is returned by a GroupLog after Destroy of its region.
var ErrDestroyed = errors.New("raft log was destroyed")

// GroupLog is the log of one region. It implements raft.Storage.
type GroupLog struct {
	store    *LogStore
	regionID uint64

	mu struct {
		sync.Mutex
		groupState
		dead        bool
		cache       []*pb.Entry // invariant: contiguous, and ends at last unless empty
		conf        *pb.ConfState
		snapshotter func() (*pb.Snapshot, error)
	}
}

// groupState is what is known of a log without reading entries.
type groupState struct {
	hs                    *pb.HardState // never nil, never changed in place
	truncIndex, truncTerm uint64
	last, lastTerm        uint64 // invariant: last >= truncIndex
	size                  int64  // estimated bytes of all entries
}

var _ raft.Storage = (*GroupLog)(nil)

func (g *GroupLog) state() groupState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.groupState
}

// load reads the state from the engine and checks that no entry is missing.
func (g *GroupLog) load() (err error) {
	st := groupState{hs: cloneHardState(nil)}
	key := keys.LogHardStateKey(g.regionID)
	v, found, err := g.store.eng.Get(key)
	if err == nil && found {
		err = unsealFields(key, v, st.hs.Term, st.hs.Vote, st.hs.Commit)
	}
	if err != nil {
		return err
	}
	key = keys.LogTruncatedKey(g.regionID)
	v, found, err = g.store.eng.Get(key)
	if err == nil && found {
		err = unsealFields(key, v, &st.truncIndex, &st.truncTerm)
	}
	if err != nil {
		return err
	}
	st.last, st.lastTerm = st.truncIndex, st.truncTerm
	it, err := g.store.eng.NewIter(engine.IterOptions{
		Lower: keys.LogEntryKey(g.regionID, 0),
		Upper: keys.LogEntriesEnd(g.regionID),
	})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	var lastKey, lastValue []byte
	for ok := it.First(); ok; ok = it.Next() {
		d, err := keys.DecodeLog(it.Key())
		if err != nil {
			return err
		}
		if d.Index != st.last+1 {
			return fmt.Errorf("%w: entry %d follows %d", ErrCorrupt, d.Index, st.last)
		}
		st.last = d.Index
		st.size += int64(len(it.Value()))
		lastKey = append(lastKey[:0], it.Key()...)
		lastValue = append(lastValue[:0], it.Value()...)
	}
	if lastKey != nil {
		e, err := decodeEntry(lastKey, lastValue, st.last)
		if err != nil {
			return err
		}
		st.lastTerm = e.GetTerm()
	}
	g.mu.groupState = st
	g.mu.conf = &pb.ConfState{}
	return nil
}

// RegionID returns whose log it is.
func (g *GroupLog) RegionID() uint64 { return g.regionID }

// SetConfState sets what InitialState returns, before the RawNode is made. The
// configuration lives in the applied state, not here.
func (g *GroupLog) SetConfState(cs *pb.ConfState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.conf = proto.CloneOf(cs)
	if cs == nil {
		g.mu.conf = &pb.ConfState{}
	}
}

// SetSnapshotter sets what Snapshot calls; without it every call returns
// raft.ErrSnapshotTemporarilyUnavailable.
func (g *GroupLog) SetSnapshotter(f func() (*pb.Snapshot, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.snapshotter = f
}

// InitialState implements raft.Storage.
func (g *GroupLog) InitialState() (*pb.HardState, *pb.ConfState, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.dead {
		return nil, nil, g.destroyed()
	}
	return cloneHardState(g.mu.hs), proto.CloneOf(g.mu.conf), nil
}

// HardState returns the hard state as last written; never nil.
func (g *GroupLog) HardState() *pb.HardState { return cloneHardState(g.state().hs) }

// SizeBytes estimates the bytes of the entries in the log, for decisions about
// compaction.
func (g *GroupLog) SizeBytes() int64 { return g.state().size }

// FirstIndex implements raft.Storage.
func (g *GroupLog) FirstIndex() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.dead {
		return 0, g.destroyed()
	}
	return g.mu.truncIndex + 1, nil
}

// LastIndex implements raft.Storage.
func (g *GroupLog) LastIndex() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.dead {
		return 0, g.destroyed()
	}
	return g.mu.last, nil
}

// Snapshot implements raft.Storage.
func (g *GroupLog) Snapshot() (*pb.Snapshot, error) {
	g.mu.Lock()
	f := g.mu.snapshotter
	g.mu.Unlock()
	if f == nil {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return f()
}

func (g *GroupLog) destroyed() error {
	return fmt.Errorf("region %d: %w", g.regionID, ErrDestroyed)
}

// Term implements raft.Storage.
func (g *GroupLog) Term(i uint64) (uint64, error) {
	g.mu.Lock()
	term, known, err := g.termLocked(i)
	g.mu.Unlock()
	if known || err != nil {
		return term, err
	}
	e, err := g.readOne(i)
	if err != nil {
		return 0, err
	}
	return e.GetTerm(), nil
}

// termLocked answers from memory if it can. Requires: g.mu held.
func (g *GroupLog) termLocked(i uint64) (term uint64, known bool, err error) {
	switch {
	case g.mu.dead:
		return 0, false, g.destroyed()
	case i < g.mu.truncIndex:
		return 0, false, raft.ErrCompacted
	case i > g.mu.last:
		return 0, false, raft.ErrUnavailable
	case i == g.mu.truncIndex:
		return g.mu.truncTerm, true, nil
	case i == g.mu.last:
		return g.mu.lastTerm, true, nil
	}
	if first := g.cacheFirstLocked(); i >= first {
		return g.mu.cache[i-first].GetTerm(), true, nil
	}
	return 0, false, nil
}

// cacheFirstLocked returns the first index in the cache, last+1 if it is empty.
func (g *GroupLog) cacheFirstLocked() uint64 { return g.mu.last + 1 - uint64(len(g.mu.cache)) }

func (g *GroupLog) readOne(i uint64) (*pb.Entry, error) {
	key := keys.LogEntryKey(g.regionID, i)
	v, found, err := g.store.eng.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", keys.FormatLog(key), err)
	}
	if !found {
		return nil, g.missing(i)
	}
	return decodeEntry(key, v, i)
}

// missing explains why an entry that was in the bounds is not in the engine: it
// was compacted meanwhile, or it is lost.
func (g *GroupLog) missing(i uint64) error {
	if st := g.state(); i <= st.truncIndex {
		return raft.ErrCompacted
	}
	return fmt.Errorf("%w: region %d, entry %d is missing", ErrCorrupt, g.regionID, i)
}

// Entries implements raft.Storage.
func (g *GroupLog) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	g.mu.Lock()
	switch {
	case g.mu.dead:
		g.mu.Unlock()
		return nil, g.destroyed()
	case lo <= g.mu.truncIndex:
		g.mu.Unlock()
		return nil, raft.ErrCompacted
	case hi > g.mu.last+1:
		g.mu.Unlock()
		return nil, raft.ErrUnavailable
	case lo >= hi:
		g.mu.Unlock()
		return nil, nil
	}
	limit := sizeLimit{max: maxSize}
	cacheFirst := g.cacheFirstLocked()
	var cached []*pb.Entry // of the part that is in the cache
	if from := max(lo, cacheFirst); from < hi {
		cached = g.mu.cache[from-cacheFirst : hi-cacheFirst]
		if lo >= cacheFirst {
			n := 0
			for n < len(cached) && limit.take(cached[n]) {
				n++
			}
			out := append([]*pb.Entry(nil), cached[:n]...)
			g.mu.Unlock()
			return out, nil
		}
		cached = append([]*pb.Entry(nil), cached...)
	}
	g.mu.Unlock()

	out, full, err := g.readRange(lo, min(hi, cacheFirst), &limit)
	if err != nil || full {
		return out, err
	}
	for _, e := range cached {
		if !limit.take(e) {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

// sizeLimit counts like raft does: at least one entry, then up to max bytes.
type sizeLimit struct {
	max, sum uint64
	any      bool
}

func (l *sizeLimit) take(e *pb.Entry) bool {
	n := uint64(proto.Size(e))
	if l.any && (n > l.max || l.sum > l.max-n) {
		return false
	}
	l.any = true
	l.sum += n
	return true
}

// readRange reads the entries [lo, hi) from the engine.
func (g *GroupLog) readRange(lo, hi uint64, limit *sizeLimit) (out []*pb.Entry, full bool, err error) {
	it, err := g.store.eng.NewIter(engine.IterOptions{
		Lower: keys.LogEntryKey(g.regionID, lo),
		Upper: keys.LogEntryKey(g.regionID, hi),
	})
	if err != nil {
		return nil, false, fmt.Errorf("read raft log of region %d: %w", g.regionID, err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			out, err = nil, fmt.Errorf("read raft log of region %d: %w", g.regionID, cerr)
		}
	}()
	want := lo
	var key []byte
	for ok := it.First(); ok; ok = it.Next() {
		key = keys.AppendLogEntryKey(key[:0], g.regionID, want)
		if !bytes.Equal(key, it.Key()) {
			break
		}
		e, err := decodeEntry(key, it.Value(), want)
		if err != nil {
			return nil, false, err
		}
		if !limit.take(e) {
			return out, true, nil
		}
		out = append(out, e)
		want++
	}
	if err := it.Error(); err != nil {
		return nil, false, fmt.Errorf("read raft log of region %d: %w", g.regionID, err)
	}
	if want < hi {
		return nil, false, g.missing(want)
	}
	return out, false, nil
}

// cacheCost is what an entry counts in the cache: its data and its structs.
func cacheCost(e *pb.Entry) int64 { return int64(len(e.GetData())) + 128 }

// storedCost estimates the size of an entry in the engine, without its key.
func storedCost(e *pb.Entry) int64 { return int64(len(e.GetData())) + 10 }

// appended publishes entries and hard state that have been written.
func (g *GroupLog) appended(hs *pb.HardState, entries []*pb.Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.dead {
		return
	}
	if hs != nil {
		g.mu.hs = cloneHardState(hs)
	}
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if first <= g.mu.last {
		g.cutLocked(first)
	}
	tail := entries[len(entries)-1]
	for _, e := range entries {
		g.growLocked(storedCost(e))
		g.store.cached.Add(cacheCost(e))
	}
	g.mu.cache = append(g.mu.cache, entries...)
	g.mu.last, g.mu.lastTerm = tail.GetIndex(), tail.GetTerm()
}

// growLocked counts n more bytes of entries, here and for the store. Requires: g.mu held.
func (g *GroupLog) growLocked(n int64) {
	g.mu.size += n
	g.store.size.Add(n)
}

// cutLocked forgets the entries from index on. Requires: g.mu held.
func (g *GroupLog) cutLocked(index uint64) {
	count := g.mu.last - g.mu.truncIndex
	removed := g.mu.last + 1 - index
	cacheFirst := g.cacheFirstLocked()
	keep := 0
	if index > cacheFirst {
		keep = int(index - cacheFirst)
	}
	for _, e := range g.mu.cache[keep:] {
		g.growLocked(-storedCost(e))
		g.store.cached.Add(-cacheCost(e))
		removed--
		count--
	}
	if count > 0 {
		g.growLocked(-(g.mu.size / int64(count) * int64(removed)))
	}
	clear(g.mu.cache[keep:])
	g.mu.cache = g.mu.cache[:keep]
	g.mu.last = index - 1
	g.mu.lastTerm = 0 // the caller sets both
}

// compacted publishes that the entries up to index are gone.
func (g *GroupLog) compacted(index, term uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.dead || index <= g.mu.truncIndex {
		return
	}
	count := g.mu.last - g.mu.truncIndex
	removed := index - g.mu.truncIndex
	if index == g.mu.last {
		g.growLocked(-g.mu.size)
	} else {
		g.growLocked(-(g.mu.size / int64(count) * int64(removed)))
	}
	if first := g.cacheFirstLocked(); index >= first {
		g.dropFrontLocked(int(index - first + 1))
	}
	g.mu.truncIndex, g.mu.truncTerm = index, term
}

// dropFrontLocked removes the n oldest entries from the cache. Requires: g.mu held.
func (g *GroupLog) dropFrontLocked(n int) {
	for _, e := range g.mu.cache[:n] {
		g.store.cached.Add(-cacheCost(e))
	}
	clear(g.mu.cache[:n])
	g.mu.cache = g.mu.cache[n:]
	if len(g.mu.cache) == 0 {
		g.mu.cache = nil
	}
}

// evictHalf gives up the older half of the cache and reports whether there was any.
func (g *GroupLog) evictHalf() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mu.cache) == 0 {
		return false
	}
	g.dropFrontLocked((len(g.mu.cache) + 1) / 2)
	return true
}

// reset publishes an empty log behind (index, term).
func (g *GroupLog) reset(index, term uint64, hs *pb.HardState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropFrontLocked(len(g.mu.cache))
	g.growLocked(-g.mu.size)
	g.mu.groupState = groupState{hs: hs, truncIndex: index, truncTerm: term, last: index, lastTerm: term}
}

// kill makes every further call fail.
func (g *GroupLog) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropFrontLocked(len(g.mu.cache))
	g.growLocked(-g.mu.size)
	g.mu.dead = true
}
