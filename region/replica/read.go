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

// reading is a read on its way through the steps of rule B5.
type reading struct {
	c     *Call
	ts    timestamp.Timestamp // what max_ts is raised to; zero: a read without a timestamp
	spans []latch.Span
	// check says whether the keys lie in the region.
	check func(*metapb.Region) errorAnswer
	// eval reads from the engine snapshot.
	eval func(engine.Reader) (*kvpb.Response, error)
	// confirmed is the leadership that a quorum confirmed after the read began.
	confirmed *leadership
}

func (r *Replica) read(c *Call) {
	rd := &reading{c: c}
	switch req := c.req.GetCmd().(type) {
	case *kvpb.Request_Get:
		q := req.Get
		rd.ts = timestamp.Timestamp(q.GetRead().GetReadTs())
		rd.spans = []latch.Span{latch.Point(q.GetKey())}
		rd.check = func(d *metapb.Region) errorAnswer { return checkKey(d, q.GetKey()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return evalGet(e, q) }
	case *kvpb.Request_BatchGet:
		q := req.BatchGet
		if len(q.GetKeys()) > requestKeysMax {
			c.finish(region.Response(region.Refused("%d keys in one request, at most %d", len(q.GetKeys()), requestKeysMax)))
			return
		}
		rd.ts = timestamp.Timestamp(q.GetRead().GetReadTs())
		for _, k := range q.GetKeys() {
			rd.spans = append(rd.spans, latch.Point(k))
		}
		rd.check = func(d *metapb.Region) errorAnswer { return checkKeyList(d, q.GetKeys()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return evalBatchGet(e, q) }
	case *kvpb.Request_Scan:
		q := req.Scan
		rd.ts = timestamp.Timestamp(q.GetRead().GetReadTs())
		rd.spans = []latch.Span{latch.Range(q.GetStartKey(), q.GetEndKey())}
		rd.check = func(d *metapb.Region) errorAnswer { return checkRange(d, q.GetStartKey(), q.GetEndKey()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return evalScan(e, q) }
	case *kvpb.Request_ScanLocks:
		q := req.ScanLocks
		// Not a read at a timestamp: whoever asks for all locks there are must not
		// push commits to the end of time.
		rd.spans = []latch.Span{latch.Range(q.GetStartKey(), q.GetEndKey())}
		rd.check = func(d *metapb.Region) errorAnswer { return checkRange(d, q.GetStartKey(), q.GetEndKey()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return evalScanLocks(e, q) }
	}
	if q := c.req.GetCheckSecondaryLocks(); q != nil {
		if len(q.GetKeys()) == 0 || len(q.GetKeys()) > requestKeysMax {
			c.finish(region.Response(region.Refused("%d keys in one request, between 1 and %d are allowed", len(q.GetKeys()), requestKeysMax)))
			return
		}
		// A read at the caller's timestamp: what is not locked yet can only be locked
		// with a min_commit_ts above it.
		rd.ts = timestamp.Timestamp(q.GetCallerTs())
		for _, k := range q.GetKeys() {
			rd.spans = append(rd.spans, latch.Point(k))
		}
		rd.check = func(d *metapb.Region) errorAnswer { return checkKeyList(d, q.GetKeys()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return r.evalSecondaries(nil, e, q) }
	}
	if q := c.req.GetValidate(); q != nil {
		if len(q.GetSpans()) == 0 || len(q.GetSpans()) > requestKeysMax || q.GetCommitTs() <= q.GetReadTs() {
			c.finish(region.Response(region.Refused("validation of %d spans from %d to %d", len(q.GetSpans()), q.GetReadTs(), q.GetCommitTs())))
			return
		}
		// A read at the commit timestamp: it raises max_ts and waits for commits in
		// one phase that may come below.
		rd.ts = timestamp.Timestamp(q.GetCommitTs())
		rd.spans = ranges(q.GetSpans())
		rd.check = func(d *metapb.Region) errorAnswer { return checkSpans(d, q.GetSpans()) }
		rd.eval = func(e engine.Reader) (*kvpb.Response, error) { return evalValidate(e, q) }
	}
	if rd.ts >= timestamp.Max {
		c.finish(region.Response(region.Refused("read at a timestamp that no oracle issues")))
		return
	}
	r.readFrom(rd)
}

// readFrom takes the steps of rule B5 in their order: raise max_ts, wait for
// memory locks, take the engine snapshot, then check term, epoch and lease.
func (r *Replica) readFrom(rd *reading) {
	l, desc, e := r.check(rd.c.req, false)
	if e == nil {
		e = rd.check(desc)
	}
	if e != nil {
		rd.c.finish(region.Response(e))
		return
	}
	l.raiseMaxTS(rd.ts)
	free, _ := l.latches.Read(rd.spans, rd.ts, func(ok bool) {
		rd.c.exec(func() {
			if rd.c.answered() {
				return
			}
			if !ok {
				r.mu.Lock()
				e := r.notLeaderLocked()
				r.mu.Unlock()
				rd.c.finish(region.Response(e))
				return
			}
			r.readSnapshot(rd, l)
		})
	})
	if free {
		r.readSnapshot(rd, l)
	}
}

func (r *Replica) readSnapshot(rd *reading, l *leadership) {
	snap := r.cfg.State.NewSnapshot()
	now, desc, e := r.check(rd.c.req, false)
	switch {
	case e == nil && now != l:
		e = region.ServerBusy("the leadership has changed", 1)
	case e == nil:
		e = rd.check(desc)
	}
	if e != nil {
		snap.Close()
		rd.c.finish(region.Response(e))
		return
	}
	serve := func() {
		resp, err := r.tooOld(rd.c.req), error(nil)
		if resp == nil {
			resp, err = rd.eval(snap)
		}
		err = errors.Join(err, snap.Close())
		if err != nil {
			r.damaged("read", err)
			resp = region.Response(region.Unavailable(err.Error()))
		}
		rd.c.finish(resp)
	}
	if rd.confirmed == l {
		serve()
		return
	}
	r.mu.Lock()
	valid := r.mu.lead == l && r.holdsLeaseLocked(l)
	r.mu.Unlock()
	if valid {
		// The snapshot was taken before this check, as the rule wants it.
		r.confirm(rd.c, l, func(e errorAnswer) {
			if e != nil {
				snap.Close()
				rd.c.finish(region.Response(e))
				return
			}
			serve()
		})
		return
	}
	// The question to the quorum takes a while: do not pin the engine meanwhile.
	// What the quorum confirms is that nobody else led when the read began, so a
	// snapshot that is taken afterwards holds all that was acknowledged before.
	snap.Close()
	r.confirm(rd.c, l, func(e errorAnswer) {
		if e != nil {
			rd.c.finish(region.Response(e))
			return
		}
		if rd.c.answered() {
			return
		}
		rd.confirmed = l
		r.readFrom(rd)
	})
}

func readOptions(c *kvpb.ReadContext) mvcc.ReadOptions {
	o := mvcc.ReadOptions{TS: timestamp.Timestamp(c.GetReadTs()), Own: timestamp.Timestamp(c.GetOwnStartTs())}
	for _, ts := range c.GetIgnoreLocks() {
		o.Ignore = append(o.Ignore, timestamp.Timestamp(ts))
	}
	return o
}

func evalGet(e engine.Reader, q *kvpb.GetRequest) (*kvpb.Response, error) {
	v, err := mvcc.Get(e, q.GetKey(), readOptions(q.GetRead()))
	resp := &kvpb.GetResponse{Found: v.Found, Value: v.Value, CommitTs: uint64(v.CommitTS)}
	if err != nil {
		if resp.Error = keyError(err); resp.Error == nil {
			return nil, err
		}
	}
	return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: resp}}, nil
}

func evalBatchGet(e engine.Reader, q *kvpb.BatchGetRequest) (*kvpb.Response, error) {
	resp := &kvpb.BatchGetResponse{}
	o := readOptions(q.GetRead())
	for _, k := range q.GetKeys() {
		v, err := mvcc.Get(e, k, o)
		switch {
		case err != nil:
			ke := keyError(err)
			if ke == nil {
				return nil, err
			}
			resp.Pairs = append(resp.Pairs, &kvpb.Pair{Key: k, Error: ke})
		case v.Found:
			resp.Pairs = append(resp.Pairs, &kvpb.Pair{Key: k, Value: v.Value, CommitTs: uint64(v.CommitTS)})
		}
	}
	return &kvpb.Response{Cmd: &kvpb.Response_BatchGet{BatchGet: resp}}, nil
}

func limit(asked uint32, most int) int {
	if asked == 0 || int64(asked) > int64(most) {
		return most
	}
	return int(asked)
}

func evalScan(e engine.Reader, q *kvpb.ScanRequest) (*kvpb.Response, error) {
	o := mvcc.ScanOptions{
		ReadOptions: readOptions(q.GetRead()), Start: q.GetStartKey(), End: q.GetEndKey(),
		Reverse: q.GetReverse(), RowsMax: limit(q.GetLimitRows(), scanRowsMax),
		BytesMax: limit(q.GetLimitBytes(), scanBytesMax), KeysOnly: q.GetKeysOnly(),
	}
	res, err := mvcc.Scan(e, o)
	resp := &kvpb.ScanResponse{More: res.More, ResumeKey: res.Resume}
	if err != nil {
		if resp.Error = keyError(err); resp.Error == nil {
			return nil, err
		}
	}
	for _, row := range res.Rows {
		resp.Pairs = append(resp.Pairs, &kvpb.Pair{Key: row.Key, Value: row.Value, CommitTs: uint64(row.CommitTS)})
	}
	return &kvpb.Response{Cmd: &kvpb.Response_Scan{Scan: resp}}, nil
}

func evalScanLocks(e engine.Reader, q *kvpb.ScanLocksRequest) (*kvpb.Response, error) {
	locks, resume, err := mvcc.ScanLocks(e, q.GetStartKey(), q.GetEndKey(),
		timestamp.Timestamp(q.GetMaxTs()), limit(q.GetLimit(), locksMax))
	if err != nil {
		return nil, err
	}
	resp := &kvpb.ScanLocksResponse{ResumeKey: resume, More: len(resume) > 0}
	for i := range locks {
		resp.Locks = append(resp.Locks, lockInfo(locks[i].Key, &locks[i].Lock))
	}
	return &kvpb.Response{Cmd: &kvpb.Response_ScanLocks{ScanLocks: resp}}, nil
}

func ranges(list []*kvpb.KeySpan) []latch.Span {
	out := make([]latch.Span, len(list))
	for i, s := range list {
		out[i] = latch.Range(s.GetStart(), s.GetEnd())
	}
	return out
}

func checkSpans(d *metapb.Region, list []*kvpb.KeySpan) errorAnswer {
	for _, s := range list {
		if e := checkRange(d, s.GetStart(), s.GetEnd()); e != nil {
			return e
		}
	}
	return nil
}

func evalValidate(e engine.Reader, q *kvpb.ValidateRequest) (*kvpb.Response, error) {
	resp := &kvpb.ValidateResponse{}
	for _, s := range q.GetSpans() {
		err := mvcc.ValidateSpan(e, s.GetStart(), s.GetEnd(), timestamp.Timestamp(q.GetStartTs()),
			timestamp.Timestamp(q.GetReadTs()), timestamp.Timestamp(q.GetCommitTs()), timestamps(q.GetIgnoreLocks()))
		if err == nil {
			continue
		}
		if resp.Error = keyError(err); resp.Error == nil {
			return nil, err
		}
		break
	}
	return &kvpb.Response{Cmd: &kvpb.Response_Validate{Validate: resp}}, nil
}

// rawPair is an unversioned pair.
type RawPair struct{ Key, Value []byte }

// ReadRaw reads raw values of [start, end) at the leader and calls done once.
func (r *Replica) ReadRaw(start, end []byte, exec func(func()), done func([]RawPair, *kvpb.RegionError)) *Call {
	if exec == nil {
		exec = func(f func()) { f() }
	}
	var rows []mvcc.Row
	c := &Call{req: &kvpb.Request{}, exec: exec, done: func(resp *kvpb.Response) {
		if e := resp.GetRegionError(); e != nil {
			done(nil, e)
			return
		}
		pairs := make([]RawPair, len(rows))
		for i, row := range rows {
			pairs[i] = RawPair{row.Key, row.Value}
		}
		done(pairs, nil)
	}}
	r.readFrom(&reading{
		c: c, spans: []latch.Span{latch.Range(start, end)},
		check: func(d *metapb.Region) errorAnswer { return checkRange(d, start, end) },
		eval: func(e engine.Reader) (*kvpb.Response, error) {
			var err error
			rows, _, err = mvcc.RawScan(e, keys.User(start), keys.User(end), 0)
			return &kvpb.Response{}, err
		},
	})
	return c
}

// Confirm calls done once with the term if the replica led beyond doubt at some
// moment after the call.
func (r *Replica) Confirm(exec func(func()), done func(term uint64, e *kvpb.RegionError)) *Call {
	if exec == nil {
		exec = func(f func()) { f() }
	}
	var term uint64
	c := &Call{req: &kvpb.Request{}, exec: exec, done: func(resp *kvpb.Response) { done(term, resp.GetRegionError()) }}
	l, _, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return c
	}
	term = l.term
	r.confirm(c, l, func(e errorAnswer) { c.finish(&kvpb.Response{RegionError: e}) })
	return c
}
