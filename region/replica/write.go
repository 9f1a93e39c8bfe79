package replica

import (
	"errors"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// writing is how one kind of write is done.
type writing struct {
	spans []latch.Span
	check func(*metapb.Region) errorAnswer
	// eval fills the batch. What it adds is dropped if it returns an error answer,
	// or a response together with drop.
	eval func(ev *evaluation) (*kvpb.Response, error)
}

// evaluation is what a write may look at while it is evaluated.
type evaluation struct {
	r     *Replica
	l     *leadership
	guard *latch.Guard
	state engine.Reader
	batch *engine.Batch

	// decided is a transaction that ends here for certain if the evaluation is
	// applied, or if it finds that nothing is left to do: its row locks go then.
	decided timestamp.Timestamp
	drop    bool        // the batch must not be proposed
	more    bool        // there is more to do when this is applied
	refused errorAnswer // answer this, nothing runs
}

func (r *Replica) write(c *Call) {
	w, e := planWrite(c.req)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	r.runWrite(c, w)
}

func (r *Replica) runWrite(c *Call, w *writing) {
	l, desc, e := r.check(c.req, false)
	if e == nil {
		e = w.check(desc)
	}
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	r.underLatches(c, l, w.spans, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		if e := w.check(desc); e != nil {
			r.giveUp(c, l, g, e)
			return
		}
		r.evaluate(c, l, desc, g, w)
	})
}

func (r *Replica) evaluate(c *Call, l *leadership, desc *metapb.Region, g *latch.Guard, w *writing) {
	if resp := r.tooOld(c.req); resp != nil {
		l.latches.Release(g)
		c.finish(resp)
		return
	}
	batch := r.cfg.State.NewBatch()
	defer batch.Close()
	// The latches keep every key that is looked at as it is, so the engine itself
	// will do, without an engine snapshot.
	ev := &evaluation{r: r, l: l, guard: g, state: r.cfg.State, batch: batch}
	resp, err := w.eval(ev)
	if err != nil {
		r.damaged("evaluate", err)
		r.giveUp(c, l, g, region.Unavailable(err.Error()))
		return
	}
	if ev.refused != nil {
		r.giveUp(c, l, g, ev.refused)
		return
	}
	if ev.drop || batch.Empty() {
		// An answer that comes from what is here must come from the leader.
		if ev.decided != 0 && !ev.drop {
			l.rows.release(ev.decided)
		}
		l.latches.Release(g)
		r.confirm(c, l, func(e errorAnswer) {
			if e != nil {
				c.finish(region.Response(e))
				return
			}
			c.finish(resp)
		})
		return
	}
	p := &proposal{
		call: c, guard: g, resp: resp, decided: ev.decided,
		cmd: command{kind: cmdWrite, payload: batch.Repr()},
	}
	if ev.more {
		p.then = func() {
			if c.restart() {
				c.exec(func() { r.runWrite(c, w) })
			}
		}
	}
	r.propose(l, desc, p)
}

func points(list [][]byte) []latch.Span {
	spans := make([]latch.Span, len(list))
	for i, k := range list {
		spans[i] = latch.Point(k)
	}
	return spans
}

func planWrite(req *kvpb.Request) (*writing, errorAnswer) {
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Prewrite:
		return planPrewrite(cmd.Prewrite)
	case *kvpb.Request_Commit:
		q := cmd.Commit
		if q.GetStartTs() == 0 || q.GetCommitTs() <= q.GetStartTs() || q.GetCommitTs() >= uint64(timestamp.Max) {
			return nil, region.Refused("commit timestamp %d does not follow start timestamp %d", q.GetCommitTs(), q.GetStartTs())
		}
		return planKeys(q.GetKeys(), func(ev *evaluation) (*kvpb.Response, error) {
			resp := &kvpb.CommitResponse{}
			ev.decided = timestamp.Timestamp(q.GetStartTs())
			var err error
			resp.Error, err = ev.each(q.GetKeys(), func(k []byte) error {
				return mvcc.Commit(ev.batch, ev.state, k, timestamp.Timestamp(q.GetStartTs()), timestamp.Timestamp(q.GetCommitTs()))
			})
			return &kvpb.Response{Cmd: &kvpb.Response_Commit{Commit: resp}}, err
		})
	case *kvpb.Request_Rollback:
		q := cmd.Rollback
		return planKeys(q.GetKeys(), func(ev *evaluation) (*kvpb.Response, error) {
			resp := &kvpb.RollbackResponse{}
			ev.decided = timestamp.Timestamp(q.GetStartTs())
			var err error
			resp.Error, err = ev.each(q.GetKeys(), func(k []byte) error {
				return mvcc.Rollback(ev.batch, ev.state, k, timestamp.Timestamp(q.GetStartTs()), true)
			})
			return &kvpb.Response{Cmd: &kvpb.Response_Rollback{Rollback: resp}}, err
		})
	case *kvpb.Request_CheckTxnStatus:
		q := cmd.CheckTxnStatus
		return planKeys([][]byte{q.GetPrimary()}, func(ev *evaluation) (*kvpb.Response, error) { return evalCheckTxn(ev, q) })
	case *kvpb.Request_CheckSecondaryLocks:
		q := cmd.CheckSecondaryLocks
		return planKeys(q.GetKeys(), func(ev *evaluation) (*kvpb.Response, error) {
			return ev.r.evalSecondaries(ev.batch, ev.state, q)
		})
	case *kvpb.Request_Heartbeat:
		q := cmd.Heartbeat
		return planKeys([][]byte{q.GetPrimary()}, func(ev *evaluation) (*kvpb.Response, error) {
			ttl, err := mvcc.Heartbeat(ev.batch, ev.state, q.GetPrimary(), timestamp.Timestamp(q.GetStartTs()), q.GetTtlMs())
			resp := &kvpb.HeartbeatResponse{TtlMs: ttl}
			resp.Error, err = ev.keyError(err)
			return &kvpb.Response{Cmd: &kvpb.Response_Heartbeat{Heartbeat: resp}}, err
		})
	case *kvpb.Request_Resolve:
		return planResolve(cmd.Resolve)
	case *kvpb.Request_DeleteRange:
		return planDeleteRange(cmd.DeleteRange)
	}
	return nil, region.Refused("not a write")
}

// planKeys is a write of single keys.
func planKeys(list [][]byte, eval func(*evaluation) (*kvpb.Response, error)) (*writing, errorAnswer) {
	if len(list) == 0 || len(list) > requestKeysMax {
		return nil, region.Refused("%d keys in one request, between 1 and %d are allowed", len(list), requestKeysMax)
	}
	seen := make(map[string]struct{}, len(list))
	for _, k := range list {
		if _, dup := seen[string(k)]; dup {
			// An evaluation does not see what it has written itself.
			return nil, region.Refused("key %v is named twice", keys.User(k))
		}
		seen[string(k)] = struct{}{}
	}
	return &writing{
		spans: points(list),
		check: func(d *metapb.Region) errorAnswer { return checkKeyList(d, list) },
		eval:  eval,
	}, nil
}

// each runs f for every key and stops at the first one that the client must hear
// of; the batch is dropped then.
func (ev *evaluation) each(list [][]byte, f func([]byte) error) (*kvpb.KeyError, error) {
	for _, k := range list {
		if ke, err := ev.keyError(f(k)); ke != nil || err != nil {
			return ke, err
		}
	}
	return nil, nil
}

// keyError tells the client's errors from the store's.
func (ev *evaluation) keyError(err error) (*kvpb.KeyError, error) {
	if err == nil {
		return nil, nil
	}
	ke := keyError(err)
	if ke == nil {
		return nil, err
	}
	ev.drop = true
	return ke, nil
}

func evalCheckTxn(ev *evaluation, q *kvpb.CheckTxnStatusRequest) (*kvpb.Response, error) {
	// If the primary is not locked yet, its lock will not promise to commit below.
	ev.l.raiseMaxTS(timestamp.Timestamp(q.GetCallerTs()))
	forgotten := ev.r.forgotten(timestamp.Timestamp(q.GetStartTs()))
	st, err := mvcc.CheckTxnStatus(ev.batch, ev.state, mvcc.CheckTxnParams{
		Primary: q.GetPrimary(), StartTS: timestamp.Timestamp(q.GetStartTs()),
		Now: timestamp.Timestamp(q.GetCurrentTs()), CallerTS: timestamp.Timestamp(q.GetCallerTs()),
		RollbackIfMissing: q.GetRollbackIfMissing() && !forgotten, GatewayLost: q.GetGatewayLost(),
	})
	if err != nil {
		return nil, err
	}
	if forgotten && st.State == mvcc.TxnMissing {
		ev.refused = unknownFate(q.GetStartTs())
		return nil, nil
	}
	resp := &kvpb.CheckTxnStatusResponse{CommitTs: uint64(st.CommitTS), TtlMs: st.TTLLeftMs, Pushed: st.Pushed}
	if resp.State, err = stateOf(st.State); err != nil {
		return nil, err
	}
	switch st.State {
	case mvcc.TxnRolledBack:
		ev.decided = timestamp.Timestamp(q.GetStartTs())
	case mvcc.TxnLocked:
		resp.Lock = lockInfo(q.GetPrimary(), st.Lock)
		for _, k := range st.Lock.Secondaries {
			resp.Lock.Secondaries = append(resp.Lock.Secondaries, k)
		}
		// Pushed tells that a read at caller_ts may pass, whoever pushed.
		resp.Pushed = st.Pushed || (q.GetCallerTs() != 0 && st.Lock.MinCommitTS > timestamp.Timestamp(q.GetCallerTs()))
	}
	return &kvpb.Response{Cmd: &kvpb.Response_CheckTxnStatus{CheckTxnStatus: resp}}, nil
}

func resolveOne(ev *evaluation, q *kvpb.ResolveRequest, k []byte) error {
	start := timestamp.Timestamp(q.GetStartTs())
	if q.GetCommitTs() != 0 {
		err := mvcc.Commit(ev.batch, ev.state, k, start, timestamp.Timestamp(q.GetCommitTs()))
		var gone *mvcc.TxnNotFoundError
		if errors.As(err, &gone) {
			// A shared lock leaves no trace: somebody was faster.
			return nil
		}
		return err
	}
	return mvcc.Rollback(ev.batch, ev.state, k, start, true)
}

// resolveBytesMax leaves room below the limit of an entry.
const resolveBytesMax = 2 << 20

func planResolve(q *kvpb.ResolveRequest) (*writing, errorAnswer) {
	answer := func(ke *kvpb.KeyError) *kvpb.Response {
		return &kvpb.Response{Cmd: &kvpb.Response_Resolve{Resolve: &kvpb.ResolveResponse{Error: ke}}}
	}
	if q.GetStartTs() == 0 || q.GetCommitTs() != 0 && (q.GetCommitTs() <= q.GetStartTs() || q.GetCommitTs() >= uint64(timestamp.Max)) {
		return nil, region.Refused("commit timestamp %d does not follow start timestamp %d", q.GetCommitTs(), q.GetStartTs())
	}
	if len(q.GetKeys()) > 0 {
		return planKeys(q.GetKeys(), func(ev *evaluation) (*kvpb.Response, error) {
			ev.decided = timestamp.Timestamp(q.GetStartTs())
			ke, err := ev.each(q.GetKeys(), func(k []byte) error { return resolveOne(ev, q, k) })
			return answer(ke), err
		})
	}
	return &writing{
		spans: []latch.Span{latch.Range(q.GetStartKey(), q.GetEndKey())},
		check: func(d *metapb.Region) errorAnswer { return checkRange(d, q.GetStartKey(), q.GetEndKey()) },
		eval: func(ev *evaluation) (*kvpb.Response, error) {
			ev.decided = timestamp.Timestamp(q.GetStartTs())
			from := keys.User(q.GetStartKey())
			for {
				locks, resume, err := mvcc.ScanLocks(ev.state, from, q.GetEndKey(), timestamp.Timestamp(q.GetStartTs()), locksMax)
				if err != nil {
					return nil, err
				}
				for i := range locks {
					if locks[i].Lock.StartTS != timestamp.Timestamp(q.GetStartTs()) {
						continue
					}
					if ev.batch.Len() > resolveBytesMax {
						ev.more = true
						return answer(nil), nil
					}
					if ke, err := ev.keyError(resolveOne(ev, q, locks[i].Key)); ke != nil || err != nil {
						return answer(ke), err
					}
				}
				if len(resume) == 0 {
					return answer(nil), nil
				}
				from = resume
			}
		},
	}, nil
}

func planDeleteRange(q *kvpb.DeleteRangeRequest) (*writing, errorAnswer) {
	return &writing{
		spans: []latch.Span{latch.Range(q.GetStartKey(), q.GetEndKey())},
		check: func(d *metapb.Region) errorAnswer { return checkRange(d, q.GetStartKey(), q.GetEndKey()) },
		eval: func(ev *evaluation) (*kvpb.Response, error) {
			resp := &kvpb.Response{Cmd: &kvpb.Response_DeleteRange{DeleteRange: &kvpb.DeleteRangeResponse{}}}
			for _, kind := range []keys.Kind{keys.KindData, keys.KindLock, keys.KindRollback} {
				s := keys.KindSpan(kind, q.GetStartKey(), q.GetEndKey())
				if string(s.Start) == string(s.End) {
					return resp, nil
				}
				if err := ev.batch.DeleteRange(s.Start, s.End); err != nil {
					return nil, err
				}
			}
			return resp, nil
		},
	}, nil
}

// WriteRaw writes unversioned values if the replica leads in term, and calls done
// once.
func (r *Replica) WriteRaw(term uint64, puts []RawPair, deletes [][]byte, exec func(func()), done func(*kvpb.RegionError)) *Call {
	if exec == nil {
		exec = func(f func()) { f() }
	}
	c := &Call{req: &kvpb.Request{}, exec: exec, done: func(resp *kvpb.Response) { done(resp.GetRegionError()) }}
	all := make([][]byte, 0, len(puts)+len(deletes))
	for _, p := range puts {
		all = append(all, p.Key)
	}
	all = append(all, deletes...)
	w, e := planKeys(all, func(ev *evaluation) (*kvpb.Response, error) {
		if ev.l.term != term {
			ev.refused = region.NotLeader(r.cfg.RegionID, nil, ev.l.term)
			return nil, nil
		}
		// Reads have no timestamp to pass by: they wait for the apply.
		ev.l.latches.Lock(ev.guard, noTimestamp)
		for _, p := range puts {
			if err := mvcc.RawPut(ev.batch, p.Key, p.Value); err != nil {
				return nil, err
			}
		}
		for _, k := range deletes {
			if err := mvcc.RawDelete(ev.batch, k); err != nil {
				return nil, err
			}
		}
		return &kvpb.Response{}, nil
	})
	if e != nil {
		c.finish(region.Response(e))
		return c
	}
	r.runWrite(c, w)
	return c
}
