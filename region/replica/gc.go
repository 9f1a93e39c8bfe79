package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// gcState is how far old versions of the region are given up. It is replicated: it
// changes by entries, children of splits and raft snapshots take it along.
//
// Invariants: both only rise, and collect <= fence.
type gcState struct {
	// fence: reads at timestamps below it, and prewrites and commits of transactions
	// that started below it, are refused (rule B6).
	fence timestamp.Timestamp
	// collect: what is invisible to reads at or above it may be gone. No lock of a
	// transaction that started below it is left in the whole cluster.
	collect timestamp.Timestamp
}

func (g gcState) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(g.fence)), uint64(g.collect))
}

// decodeGC reads what append wrote; nothing at all is the zero value.
func decodeGC(b []byte) (gcState, error) {
	if len(b) == 0 {
		return gcState{}, nil
	}
	fence, n := binary.Uvarint(b)
	if n <= 0 {
		return gcState{}, errors.New("bounds of the garbage collection: truncated")
	}
	collect, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) || collect > fence {
		return gcState{}, errors.New("bounds of the garbage collection: malformed")
	}
	return gcState{fence: timestamp.Timestamp(fence), collect: timestamp.Timestamp(collect)}, nil
}

func (g *gcState) apply(payload []byte) error {
	to, err := decodeGC(payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errBadCommand, err)
	}
	g.fence, g.collect = max(g.fence, to.fence), max(g.collect, to.collect)
	return nil
}

// RaiseGC raises the region's bounds, if this replica leads and fence is above what
// it is. collect is no new news by itself: it waits for the next fence, so that an
// idle region has one entry for both. done may be nil.
//
// The entry is evaluated under a latch on the whole region. So when it is applied,
// no write is under way that was judged by the old fence, and what a scan finds of
// old locks afterwards is all there will ever be.
func (r *Replica) RaiseGC(fence, collect timestamp.Timestamp, done func(*kvpb.RegionError)) {
	c := &Call{req: &kvpb.Request{}, exec: func(f func()) { f() }, done: func(resp *kvpb.Response) {
		if done != nil {
			done(resp.GetRegionError())
		}
	}}
	l, _, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	if r.gcBounds().fence >= fence {
		c.finish(&kvpb.Response{})
		return
	}
	payload := gcState{fence: fence, collect: min(collect, fence)}.append(nil)
	whole := []latch.Span{latch.Range(nil, nil)}
	r.underLatches(c, l, whole, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		r.propose(l, desc, &proposal{call: c, guard: g, resp: &kvpb.Response{}, cmd: command{kind: cmdGC, payload: payload}})
	})
}

func (r *Replica) gcBounds() gcState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.applied.gc
}

// GCBounds returns the region's bounds as applied here: see gcState.
func (r *Replica) GCBounds() (fence, collect timestamp.Timestamp) {
	g := r.gcBounds()
	return g.fence, g.collect
}

// tooOld returns the answer to a request that belongs to a transaction, or reads a
// snapshot, from below the fence, nil if it may go on. A read asks after it has
// taken its engine snapshot (rule B5), a write under its latches.
func (r *Replica) tooOld(req *kvpb.Request) *kvpb.Response {
	fence := r.gcBounds().fence
	if fence == 0 {
		return nil
	}
	refuse := func(ts uint64) *kvpb.KeyError {
		if ts == 0 || timestamp.Timestamp(ts) >= fence {
			return nil
		}
		return &kvpb.KeyError{Kind: &kvpb.KeyError_ReadBelowGc{ReadBelowGc: &kvpb.ReadBelowGC{Ts: ts, GcTs: uint64(fence)}}}
	}
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Lock:
		if ke := refuse(cmd.Lock.GetReadTs()); ke != nil {
			return &kvpb.Response{Cmd: &kvpb.Response_Lock{Lock: &kvpb.LockResponse{Error: ke}}}
		}
	case *kvpb.Request_Validate:
		if ke := refuse(cmd.Validate.GetReadTs()); ke != nil {
			return &kvpb.Response{Cmd: &kvpb.Response_Validate{Validate: &kvpb.ValidateResponse{Error: ke}}}
		}
	case *kvpb.Request_Get:
		if ke := refuse(cmd.Get.GetRead().GetReadTs()); ke != nil {
			return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: &kvpb.GetResponse{Error: ke}}}
		}
	case *kvpb.Request_BatchGet:
		if ke := refuse(cmd.BatchGet.GetRead().GetReadTs()); ke != nil && len(cmd.BatchGet.GetKeys()) > 0 {
			return &kvpb.Response{Cmd: &kvpb.Response_BatchGet{BatchGet: &kvpb.BatchGetResponse{
				Pairs: []*kvpb.Pair{{Key: cmd.BatchGet.GetKeys()[0], Error: ke}}}}}
		}
	case *kvpb.Request_Scan:
		if ke := refuse(cmd.Scan.GetRead().GetReadTs()); ke != nil {
			return &kvpb.Response{Cmd: &kvpb.Response_Scan{Scan: &kvpb.ScanResponse{Error: ke}}}
		}
	case *kvpb.Request_Prewrite:
		if ke := refuse(cmd.Prewrite.GetStartTs()); ke != nil {
			return prewriteAnswer(&kvpb.PrewriteResponse{Errors: []*kvpb.KeyError{ke}})
		}
	case *kvpb.Request_Commit:
		if ke := refuse(cmd.Commit.GetStartTs()); ke != nil {
			return &kvpb.Response{Cmd: &kvpb.Response_Commit{Commit: &kvpb.CommitResponse{Error: ke}}}
		}
	}
	return nil
}

// forgotten reports whether the record of a transaction may have been collected, so
// that its absence says nothing. Nobody who holds one of its locks has to ask: there
// is none left.
func (r *Replica) forgotten(start timestamp.Timestamp) bool { return start < r.gcBounds().collect }

// OldLocks returns up to limit locks of transactions that started below the fence.
// If there is none the replica remembers that, see Info.CleanTS. Any replica may be
// asked: it has applied the fence, and so every lock that can be below it.
func (r *Replica) OldLocks(limit int) ([]mvcc.KeyLock, error) {
	r.mu.Lock()
	fence, desc, done := r.mu.applied.gc.fence, r.mu.desc, r.mu.clean
	gone := r.mu.destroyed || r.mu.installing
	r.mu.Unlock()
	if desc == nil || gone || fence <= done {
		return nil, nil
	}
	snap := r.cfg.State.NewSnapshot()
	defer snap.Close()
	locks, _, err := mvcc.ScanLocks(snap, desc.GetStartKey(), desc.GetEndKey(), fence.Prev(), limit)
	if err != nil || len(locks) > 0 {
		return locks, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.desc == desc && !r.mu.destroyed {
		// A region that changed its range meanwhile is looked at again.
		r.mu.clean = max(r.mu.clean, fence)
		r.cfg.Host.Applied(r)
	}
	return nil, nil
}

// gcPass is where this replica's own collection stands. It is not replicated: each
// replica deletes in its own time.
type gcPass struct {
	sync.Mutex
	loaded bool
	// settled is how many bytes were written before everything that they made
	// garbage was collected.
	settled uint64
	// When collect reaches at, all of the first written bytes are older than it.
	at      timestamp.Timestamp
	written uint64

	running bool
	to      timestamp.Timestamp
	next    keys.User
	// The pass counts what stays, to correct the estimate of the region's size.
	kept    int64
	began   uint64 // written when it began
	version uint64 // of the region's range then
}

// GCDue reports whether a pass over the region is worth its while: something was
// written since the last one, and is old enough by now. now is a timestamp that the
// oracle has reached.
func (r *Replica) GCDue(now timestamp.Timestamp) bool {
	collect := r.gcBounds().collect
	p := &r.pass
	p.Lock()
	defer p.Unlock()
	if p.running {
		return true
	}
	written := r.written.Load()
	if now == 0 {
		return false
	}
	if !p.loaded {
		// What was written before the store was opened is not known: look once.
		p.loaded, p.at, p.written, p.settled = true, now, written, written
		return false
	}
	if p.at == 0 {
		if written == p.settled {
			return false
		}
		p.at, p.written = now, written
	}
	return collect >= p.at
}

// forget has the region looked at again: what it holds now came from elsewhere.
func (p *gcPass) forget() {
	p.Lock()
	defer p.Unlock()
	p.loaded, p.running, p.at = false, false, 0
}

// gcBatch bounds the versions that one CollectGarbage deletes.
const gcBatch = 512

// CollectGarbage deletes one batch of what no read can see any more and reports
// whether the pass goes on. The deletions are not replicated and not synced: a
// replica that loses them makes them again.
//
// It runs beside everything else. What it deletes is garbage in every later state
// of these keys too, whoever holds them then, so it does no harm if the region is
// split, filled by a raft snapshot or removed meanwhile.
func (r *Replica) CollectGarbage() (more bool, deleted int, err error) {
	r.mu.Lock()
	collect, desc := r.mu.applied.gc.collect, r.mu.desc
	gone := r.mu.destroyed || r.mu.installing
	r.mu.Unlock()
	p := &r.pass
	p.Lock()
	defer p.Unlock()
	if desc == nil || gone || collect == 0 {
		p.running = false
		return false, 0, nil
	}
	if !p.running {
		p.running, p.to, p.next = true, collect, desc.GetStartKey()
		p.kept, p.began, p.version = 0, r.written.Load(), desc.GetEpoch().GetVersion()
	}
	snap := r.cfg.State.NewSnapshot()
	defer snap.Close()
	batch := r.cfg.State.NewBatch()
	defer batch.Close()
	start := keys.User(maxKey(p.next, desc.GetStartKey()))
	res, err := mvcc.GC(batch, snap, start, desc.GetEndKey(), p.to, gcBatch)
	if err != nil {
		return false, 0, err
	}
	if !batch.Empty() {
		fault.Hit("collect/before-delete")
		if err := r.cfg.State.Apply(batch, false); err != nil {
			return false, 0, err
		}
		fault.Hit("collect/after-delete")
	}
	p.kept += res.Kept
	if p.next = res.Resume; res.More {
		return true, res.Versions + res.Marks, nil
	}
	p.running = false
	if p.version == desc.GetEpoch().GetVersion() {
		// The estimate counts what is written, not what is overwritten or deleted.
		r.SetSize(p.kept + int64(r.written.Load()-p.began))
	}
	if p.at != 0 && p.to >= p.at {
		p.settled, p.at = p.written, 0
	}
	return false, res.Versions + res.Marks, nil
}

func maxKey(a, b []byte) []byte {
	if string(a) < string(b) {
		return b
	}
	return a
}
