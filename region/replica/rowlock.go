package replica

import (
	"bytes"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// locking is a LockRequest on its way through its keys. Each key is locked and
// read under its latch, so that no commit is between the two; the wait for a lock
// is without latches.
type locking struct {
	r    *Replica
	c    *Call
	q    *kvpb.LockRequest
	l    *leadership
	next int // key
	resp *kvpb.LockResponse
	// locked keys of the answer; counted for enough alone.
	locked uint32
}

func (r *Replica) lockRows(c *Call, q *kvpb.LockRequest) {
	mode := locktable.Mode(q.GetMode())
	switch {
	case len(q.GetKeys()) == 0 || len(q.GetKeys()) > requestKeysMax:
		c.finish(region.Response(region.Refused("%d keys in one request, between 1 and %d are allowed", len(q.GetKeys()), requestKeysMax)))
		return
	case q.GetOwner().GetId() == 0 || !mode.Valid() || q.GetReadTs() >= uint64(timestamp.Max) || q.GetReadTs() == 0 && q.GetDemand() != kvpb.LockDemand_LOCK_BARE:
		c.finish(region.Response(region.Refused("lock request without an owner, a mode or a timestamp")))
		return
	}
	l, desc, e := r.check(c.req, false)
	if e == nil {
		e = checkKeyList(desc, q.GetKeys())
	}
	if e == nil && q.GetDemand() == kvpb.LockDemand_LOCK_BARE && l.rows.settling() {
		e = region.ServerBusy("the new leader waits for the owners of advisory locks", 100)
	}
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	lk := &locking{r: r, c: c, q: q, l: l, resp: &kvpb.LockResponse{}}
	lk.goOn()
}

func (lk *locking) goOn() {
	rest := lk.q.GetKeys()[lk.next:]
	lk.r.underLatches(lk.c, lk.l, points(rest), func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		if e := checkKeyList(desc, rest); e != nil {
			lk.r.giveUp(lk.c, l, g, e)
			return
		}
		if resp := lk.r.tooOld(lk.c.req); resp != nil {
			l.latches.Release(g)
			lk.c.finish(resp)
			return
		}
		l.raiseMaxTS(timestamp.Timestamp(lk.q.GetReadTs()))
		for lk.next < len(lk.q.GetKeys()) {
			more, e := lk.one(lk.q.GetKeys()[lk.next])
			if e != nil {
				lk.r.giveUp(lk.c, l, g, e)
				return
			}
			if more == lockWaits {
				l.latches.Release(g)
				lk.r.cfg.Host.LockWaits()
				return
			}
			lk.next++
			if more == lockStops || lk.enough() {
				break
			}
		}
		l.latches.Release(g)
		lk.r.confirm(lk.c, l, func(e errorAnswer) {
			if e != nil {
				lk.c.finish(region.Response(e))
				return
			}
			lk.finish()
		})
	})
}

// enough reports whether as many keys are locked as the request wants.
func (lk *locking) enough() bool {
	if n := len(lk.resp.GetKeys()); n > 0 && lk.resp.GetKeys()[n-1].GetLocked() {
		lk.locked++
	}
	return lk.q.GetMost() > 0 && lk.locked >= lk.q.GetMost()
}

func (lk *locking) finish() {
	lk.c.finish(&kvpb.Response{Cmd: &kvpb.Response_Lock{Lock: lk.resp}})
}

// lockStep says how a request goes on after a key.
type lockStep uint8

const (
	lockNext lockStep = iota
	lockWaits
	lockStops
)

// one treats one key. The key's latch is held.
func (lk *locking) one(key []byte) (lockStep, errorAnswer) {
	var (
		q     = lk.q
		state = lk.r.cfg.State
		row   = &kvpb.LockedKey{Key: key}
	)
	if q.GetDemand() == kvpb.LockDemand_LOCK_ROW {
		v, err := mvcc.Get(state, key, mvcc.ReadOptions{
			TS: timestamp.Timestamp(q.GetReadTs()), Own: timestamp.Timestamp(q.GetOwner().GetId()), Ignore: timestamps(q.GetIgnoreLocks()),
		})
		if err != nil {
			return lk.failed(err)
		}
		if !v.Found {
			lk.resp.Keys = append(lk.resp.Keys, row)
			return lockNext, nil
		}
		row.Found, row.Value = true, v.Value
	}
	policy := locktable.Block
	if q.GetPolicy() != kvpb.LockPolicy_LOCK_BLOCK {
		policy = locktable.NoWait
	}
	owner := ownerOf(q.GetOwner())
	out, w, fresh, refused := lk.l.rows.acquire(owner, key, locktable.Mode(q.GetMode()), policy, lk.waited)
	switch {
	case refused != nil:
		return lockStops, refused
	case out == locktable.Waiting:
		// A grant may have come in between; taking it back then does nothing.
		lk.c.onAbandon(func() { lk.l.rows.cancel(w, true) })
		return lockWaits, nil
	case out == locktable.Busy:
		// The holder may have committed, with only the last step of it still to come
		// here: its durable lock tells who to ask.
		l, err := mvcc.GetLock(state, key)
		if err != nil {
			return lk.failed(err)
		}
		if l != nil && uint64(l.StartTS) != q.GetOwner().GetId() {
			return lk.failed(&mvcc.LockedError{Key: key, Lock: *l})
		}
		if ke := lk.l.rows.against(timestamp.Timestamp(owner.ID), key, locktable.Mode(q.GetMode())); ke != nil {
			row.Busy = ke.GetRowLocked()
		} else {
			row.Busy = &kvpb.RowLocked{Key: key} // somebody waits
		}
		lk.resp.Keys = append(lk.resp.Keys, row)
		if q.GetPolicy() == kvpb.LockPolicy_LOCK_SKIP {
			return lockNext, nil
		}
		return lockStops, nil
	case out == locktable.Ended:
		lk.resp.Error = ownerEnded(owner.ID)
		return lockStops, nil
	case out == locktable.Full:
		return lockStops, region.Refused("region %d holds too many row locks", lk.r.cfg.RegionID)
	}
	row.Locked = true
	if q.GetDemand() == kvpb.LockDemand_LOCK_BARE {
		lk.resp.Keys = append(lk.resp.Keys, row)
		return lockNext, nil
	}
	return lk.read(state, row, owner, fresh)
}

// read looks at the newest version of a key that is locked now.
func (lk *locking) read(state engine.Reader, row *kvpb.LockedKey, owner locktable.Owner, fresh bool) (lockStep, errorAnswer) {
	readTS := timestamp.Timestamp(lk.q.GetReadTs())
	for _, h := range lk.q.GetChecks() {
		if !bytes.Equal(h.GetKey(), row.GetKey()) {
			continue
		}
		err := mvcc.CheckHeld(state, h.GetKey(), mvcc.Mode(h.GetMode()), timestamp.Timestamp(owner.ID), timestamp.Timestamp(h.GetForUpdateTs()))
		if err != nil {
			return lk.failed(err)
		}
	}
	n, err := mvcc.Newest(state, row.GetKey(), timestamp.Timestamp(owner.ID), mvcc.Mode(lk.q.GetMode()), readTS)
	if err != nil {
		if fresh && lk.q.GetPolicy() != kvpb.LockPolicy_LOCK_BLOCK {
			lk.l.rows.releaseKeys(timestamp.Timestamp(owner.ID), [][]byte{row.GetKey()})
		}
		return lk.failed(err)
	}
	row.ForUpdateTs = uint64(max(readTS, n.Any))
	if lk.q.GetDemand() == kvpb.LockDemand_LOCK_ABSENT {
		if n.Found && n.Value.Kind == mvcc.Put {
			if fresh {
				lk.l.rows.releaseKeys(timestamp.Timestamp(owner.ID), [][]byte{row.GetKey()})
			}
			lk.resp.Error = &kvpb.KeyError{Kind: &kvpb.KeyError_AlreadyExists{AlreadyExists: &kvpb.AlreadyExists{
				Key: row.GetKey(), Value: n.Value.Value, CommitTs: uint64(n.Value.CommitTS),
			}}}
			return lockStops, nil
		}
		lk.resp.Keys = append(lk.resp.Keys, row)
		return lockNext, nil
	}
	if c := n.Changed; c != nil && fresh && lk.q.GetSkipGone() && lk.q.GetPolicy() == kvpb.LockPolicy_LOCK_SKIP && n.Value.Kind == mvcc.Delete {
		lk.l.rows.releaseKeys(timestamp.Timestamp(owner.ID), [][]byte{row.GetKey()})
		lk.resp.Keys = append(lk.resp.Keys, &kvpb.LockedKey{Key: row.GetKey()})
		return lockNext, nil
	}
	lk.resp.Keys = append(lk.resp.Keys, row)
	if c := n.Changed; c != nil {
		row.Changed = &kvpb.WriteConflict{
			Key: row.GetKey(), StartTs: uint64(owner.ID),
			ConflictStartTs: uint64(c.StartTS), ConflictCommitTs: uint64(c.CommitTS),
		}
		return lockStops, nil
	}
	return lockNext, nil
}

func (lk *locking) failed(err error) (lockStep, errorAnswer) {
	if ke := keyError(err); ke != nil {
		lk.resp.Error = ke
		return lockStops, nil
	}
	lk.r.log.Error("lock request failed", "error", err)
	return lockStops, region.Unavailable(err.Error())
}

// waited goes on after a wait.
func (lk *locking) waited(end waitEnd) {
	lk.c.exec(func() {
		switch {
		case lk.c.answered():
		case end.granted:
			lk.goOn()
		case end.circle != nil:
			lk.resp.Error = &kvpb.KeyError{Kind: &kvpb.KeyError_Deadlock{Deadlock: end.circle}}
			lk.finish()
		case end.refused != nil:
			lk.c.finish(region.Response(end.refused))
		default:
			lk.resp.Error = ownerEnded(locktable.OwnerID(lk.q.GetOwner().GetId()))
			lk.finish()
		}
	})
}

func ownerEnded(id locktable.OwnerID) *kvpb.KeyError {
	return &kvpb.KeyError{Kind: &kvpb.KeyError_OwnerEnded{OwnerEnded: &kvpb.OwnerEnded{Owner: uint64(id)}}}
}

func timestamps(list []uint64) []timestamp.Timestamp {
	out := make([]timestamp.Timestamp, len(list))
	for i, ts := range list {
		out[i] = timestamp.Timestamp(ts)
	}
	return out
}

// releaseRows gives locks up. A transaction that writes nothing has them checked on
// that occasion, as those of others are by their prewrites (rule E5): its lock may have
// been lost with a leader, and somebody else have had one that it excludes. It waits for the latches of the keys: while a split
// or a transfer writes the lock table down nothing may be taken out of it.
func (r *Replica) releaseRows(c *Call, q *kvpb.ReleaseRequest) {
	owner := timestamp.Timestamp(q.GetOwner())
	r.onLockTable(c, q.GetKeys(), len(q.GetChecks()) > 0, func(l *leadership) *kvpb.Response {
		resp := &kvpb.ReleaseResponse{}
		for _, h := range q.GetChecks() {
			err := mvcc.CheckHeld(r.cfg.State, h.GetKey(), mvcc.Mode(h.GetMode()), owner, timestamp.Timestamp(h.GetForUpdateTs()))
			if err == nil {
				continue
			}
			if resp.Error = keyError(err); resp.Error == nil {
				r.log.Error("check of a row lock failed", "error", err)
				return region.Response(region.Unavailable(err.Error()))
			}
			break
		}
		if q.GetAll() {
			l.rows.release(owner)
		} else {
			l.rows.releaseKeys(owner, q.GetKeys())
		}
		return &kvpb.Response{Cmd: &kvpb.Response_Release{Release: resp}}
	})
}

// keepOwner notes that an owner lives.
func (r *Replica) keepOwner(c *Call, q *kvpb.KeepRequest) {
	list := make([][]byte, len(q.GetLocks()))
	for i, h := range q.GetLocks() {
		list[i] = h.GetKey()
	}
	r.onLockTable(c, list, false, func(l *leadership) *kvpb.Response {
		owner := ownerOf(q.GetOwner())
		resp := &kvpb.KeepResponse{Known: l.rows.keep(owner.ID)}
		if q.GetReassert() {
			for _, h := range q.GetLocks() {
				mode := locktable.Mode(h.GetMode())
				if !mode.Valid() {
					continue
				}
				out, _, _, _ := l.rows.acquire(owner, h.GetKey(), mode, locktable.NoWait, nil)
				if out != locktable.Granted {
					resp.Lost = append(resp.Lost, h.GetKey())
				}
			}
		}
		return &kvpb.Response{Cmd: &kvpb.Response_Keep{Keep: resp}}
	})
}

// onLockTable runs f under the latches of some keys. If f reads, the answer counts only
// if this was the leader all the while.
func (r *Replica) onLockTable(c *Call, list [][]byte, reads bool, f func(*leadership) *kvpb.Response) {
	if len(list) == 0 || len(list) > requestKeysMax {
		c.finish(region.Response(region.Refused("%d keys in one request, between 1 and %d are allowed", len(list), requestKeysMax)))
		return
	}
	l, desc, e := r.check(c.req, false)
	if e == nil {
		e = checkKeyList(desc, list)
	}
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	r.underLatches(c, l, points(list), func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		if e := checkKeyList(desc, list); e != nil {
			r.giveUp(c, l, g, e)
			return
		}
		resp := f(l)
		l.latches.Release(g)
		if !reads {
			c.finish(resp)
			return
		}
		r.confirm(c, l, func(e errorAnswer) {
			if e != nil {
				resp = region.Response(e)
			}
			c.finish(resp)
		})
	})
}
