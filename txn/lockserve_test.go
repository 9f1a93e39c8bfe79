package txn

import (
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// The row locks of the test cluster: one table for all regions. Who has to wait
// asks again each millisecond.

// lock answers nil if the request has to wait.
func (ev *evaluation) lock(q *kvpb.LockRequest) (*kvpb.LockResponse, error) {
	ev.raise(q.GetReadTs())
	ev.c.rows.Expire(time.Now())
	own, read := timestamp.Timestamp(q.GetOwner().GetId()), timestamp.Timestamp(q.GetReadTs())
	owner := locktable.Owner{ID: locktable.OwnerID(own), PID: q.GetOwner().GetPid(), Statement: q.GetOwner().GetStatement()}
	resp := &kvpb.LockResponse{}
	var locked uint32
	fail := func(err error) (*kvpb.LockResponse, error) {
		ke, err := ev.keyError(err)
		resp.Error = ke
		return resp, err
	}
	for _, key := range q.GetKeys() {
		row := &kvpb.LockedKey{Key: key}
		if q.GetDemand() == kvpb.LockDemand_LOCK_ROW {
			v, err := mvcc.Get(ev.b, key, mvcc.ReadOptions{TS: read, Own: own})
			if err != nil {
				return fail(err)
			}
			if !v.Found {
				resp.Keys = append(resp.Keys, row)
				continue
			}
			row.Found, row.Value = true, v.Value
		}
		fresh := ev.c.rows.Mode(owner.ID, string(key)) == 0
		switch out, _ := ev.c.rows.Acquire(time.Now(), owner, string(key), locktable.Mode(q.GetMode()), locktable.NoWait); out {
		case locktable.Ended:
			resp.Error = &kvpb.KeyError{Kind: &kvpb.KeyError_OwnerEnded{OwnerEnded: &kvpb.OwnerEnded{Owner: uint64(own)}}}
			return resp, nil
		case locktable.Busy:
			if q.GetPolicy() == LockBlock {
				return nil, nil
			}
			o, mode, _ := ev.c.rows.Against(owner.ID, string(key), locktable.Mode(q.GetMode()))
			row.Busy = &kvpb.RowLocked{Key: key, Holder: &kvpb.LockOwner{Id: uint64(o.ID), Pid: o.PID, Statement: o.Statement}, Mode: kvpb.LockMode(mode)}
			resp.Keys = append(resp.Keys, row)
			if q.GetPolicy() == LockSkip {
				continue
			}
			return resp, nil
		}
		row.Locked = true
		for _, h := range q.GetChecks() {
			if string(h.GetKey()) != string(key) {
				continue
			}
			if err := mvcc.CheckHeld(ev.b, key, mvcc.Mode(h.GetMode()), own, timestamp.Timestamp(h.GetForUpdateTs())); err != nil {
				return fail(err)
			}
		}
		n, err := mvcc.Newest(ev.b, key, own, mvcc.Mode(q.GetMode()), read)
		if err != nil {
			return fail(err)
		}
		row.ForUpdateTs = uint64(max(read, n.Any))
		if q.GetDemand() == kvpb.LockDemand_LOCK_ABSENT && n.Found && n.Value.Kind == mvcc.Put {
			if fresh {
				ev.c.rows.ReleaseKeys(time.Now(), owner.ID, []string{string(key)})
			}
			return fail(&mvcc.AlreadyExistsError{Key: key, Value: n.Value.Value, CommitTS: n.Value.CommitTS})
		}
		if n.Changed != nil && fresh && q.GetSkipGone() && n.Value.Kind == mvcc.Delete {
			ev.c.rows.ReleaseKeys(time.Now(), owner.ID, []string{string(key)})
			resp.Keys = append(resp.Keys, &kvpb.LockedKey{Key: key})
			continue
		}
		resp.Keys = append(resp.Keys, row)
		if locked++; q.GetMost() > 0 && locked >= q.GetMost() && n.Changed == nil {
			return resp, nil
		}
		if q.GetDemand() == kvpb.LockDemand_LOCK_ROW && n.Changed != nil {
			row.Changed = &kvpb.WriteConflict{Key: key, ConflictStartTs: uint64(n.Changed.StartTS), ConflictCommitTs: uint64(n.Changed.CommitTS)}
			return resp, nil
		}
	}
	return resp, nil
}

func (ev *evaluation) releaseChecked(q *kvpb.ReleaseRequest) *kvpb.ReleaseResponse {
	resp := ev.release(q)
	for _, h := range q.GetChecks() {
		err := mvcc.CheckHeld(ev.b, h.GetKey(), mvcc.Mode(h.GetMode()), timestamp.Timestamp(q.GetOwner()), timestamp.Timestamp(h.GetForUpdateTs()))
		if ke, _ := ev.keyError(err); ke != nil {
			resp.Error = ke
		}
	}
	return resp
}

func (ev *evaluation) release(q *kvpb.ReleaseRequest) *kvpb.ReleaseResponse {
	if q.GetAll() {
		ev.decided(q.GetOwner())
		return &kvpb.ReleaseResponse{}
	}
	ev.unlock(q.GetOwner(), q.GetKeys())
	return &kvpb.ReleaseResponse{}
}

func (ev *evaluation) unlock(owner uint64, keys [][]byte) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = string(k)
	}
	ev.c.rows.ReleaseKeys(time.Now(), locktable.OwnerID(owner), names)
}

// decided releases what a transaction has locked. The regions of the test cluster
// share a table, so it is only called where the whole transaction is meant.
func (ev *evaluation) decided(start uint64) { ev.c.rows.Release(time.Now(), locktable.OwnerID(start)) }

// against returns the errors of mutations whose keys others have locked.
func (ev *evaluation) against(q *kvpb.PrewriteRequest) (kes []*kvpb.KeyError) {
	id := locktable.OwnerID(q.GetStartTs())
	for _, m := range q.GetMutations() {
		if m.GetOp() == kvpb.MutationOp_CHECK_NOT_EXISTS {
			continue
		}
		mm := mutationOf(m)
		mode := locktable.Mode(mm.Strength())
		if ev.c.rows.Mode(id, string(m.GetKey())) >= mode {
			continue
		}
		o, _, found := ev.c.rows.Against(id, string(m.GetKey()), mode)
		if l, err := mvcc.GetLock(ev.b, m.GetKey()); err == nil && l != nil && uint64(l.StartTS) == uint64(o.ID) {
			continue // the holder is about to be decided
		}
		if found {
			kes = append(kes, &kvpb.KeyError{Kind: &kvpb.KeyError_RowLocked{RowLocked: &kvpb.RowLocked{
				Key: m.GetKey(), Holder: &kvpb.LockOwner{Id: uint64(o.ID)},
			}}})
		}
	}
	return kes
}

func (ev *evaluation) validate(q *kvpb.ValidateRequest) (*kvpb.ValidateResponse, error) {
	ev.raise(q.GetCommitTs())
	ke, err := ev.validateSpans(q.GetSpans(), q.GetStartTs(), q.GetReadTs(), q.GetCommitTs(), q.GetIgnoreLocks())
	return &kvpb.ValidateResponse{Error: ke}, err
}

func (ev *evaluation) validateSpans(spans []*kvpb.KeySpan, start, read, commit uint64, ignore []uint64) (*kvpb.KeyError, error) {
	var skip []timestamp.Timestamp
	for _, ts := range ignore {
		skip = append(skip, timestamp.Timestamp(ts))
	}
	for _, s := range spans {
		err := mvcc.ValidateSpan(ev.b, s.GetStart(), s.GetEnd(), timestamp.Timestamp(start), timestamp.Timestamp(read), timestamp.Timestamp(commit), skip)
		if ke, err := ev.keyError(err); ke != nil || err != nil {
			return ke, err
		}
	}
	return nil, nil
}

// versionsOf counts the versions of a key, lock records among them.
func (c *cluster) versionsOf(key string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	span := keys.KindSpan(keys.KindData, keys.User(key), keys.Next(keys.User(key)))
	it, err := c.eng.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		c.t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n
}
