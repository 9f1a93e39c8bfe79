package txn

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// evaluation runs one request against MVCC, as the leader of a region does.
type evaluation struct {
	c      *cluster
	r      *fakeRegion
	b      *engine.Batch
	failed bool // nothing may be applied
}

func (ev *evaluation) raise(ts uint64) { ev.r.maxTS = max(ev.r.maxTS, timestamp.Timestamp(ts)) }

func (ev *evaluation) read(rc *kvpb.ReadContext) mvcc.ReadOptions {
	ev.raise(rc.GetReadTs())
	o := mvcc.ReadOptions{TS: timestamp.Timestamp(rc.GetReadTs()), Own: timestamp.Timestamp(rc.GetOwnStartTs())}
	for _, ts := range rc.GetIgnoreLocks() {
		o.Ignore = append(o.Ignore, timestamp.Timestamp(ts))
	}
	return o
}

func (ev *evaluation) run(req *kvpb.Request) (*kvpb.Response, error) {
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Get:
		r, err := ev.get(cmd.Get)
		return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: r}}, err
	case *kvpb.Request_BatchGet:
		r, err := ev.batchGet(cmd.BatchGet)
		return &kvpb.Response{Cmd: &kvpb.Response_BatchGet{BatchGet: r}}, err
	case *kvpb.Request_Scan:
		r, err := ev.scan(cmd.Scan)
		return &kvpb.Response{Cmd: &kvpb.Response_Scan{Scan: r}}, err
	case *kvpb.Request_Prewrite:
		r, err := ev.prewrite(cmd.Prewrite)
		return &kvpb.Response{Cmd: &kvpb.Response_Prewrite{Prewrite: r}}, err
	case *kvpb.Request_Commit:
		var err error
		for _, k := range cmd.Commit.GetKeys() {
			if err = mvcc.Commit(ev.b, ev.b, k, timestamp.Timestamp(cmd.Commit.GetStartTs()), timestamp.Timestamp(cmd.Commit.GetCommitTs())); err != nil {
				break
			}
		}
		ev.unlock(cmd.Commit.GetStartTs(), cmd.Commit.GetKeys())
		ke, err := ev.keyError(err)
		return &kvpb.Response{Cmd: &kvpb.Response_Commit{Commit: &kvpb.CommitResponse{Error: ke}}}, err
	case *kvpb.Request_Rollback:
		var err error
		for _, k := range cmd.Rollback.GetKeys() {
			if err = mvcc.Rollback(ev.b, ev.b, k, timestamp.Timestamp(cmd.Rollback.GetStartTs()), true); err != nil {
				break
			}
		}
		ev.unlock(cmd.Rollback.GetStartTs(), cmd.Rollback.GetKeys())
		ke, err := ev.keyError(err)
		return &kvpb.Response{Cmd: &kvpb.Response_Rollback{Rollback: &kvpb.RollbackResponse{Error: ke}}}, err
	case *kvpb.Request_CheckTxnStatus:
		r, err := ev.status(cmd.CheckTxnStatus)
		return &kvpb.Response{Cmd: &kvpb.Response_CheckTxnStatus{CheckTxnStatus: r}}, err
	case *kvpb.Request_CheckSecondaryLocks:
		r, err := ev.secondaries(cmd.CheckSecondaryLocks)
		return &kvpb.Response{Cmd: &kvpb.Response_CheckSecondaryLocks{CheckSecondaryLocks: r}}, err
	case *kvpb.Request_Resolve:
		r, err := ev.resolve(cmd.Resolve)
		return &kvpb.Response{Cmd: &kvpb.Response_Resolve{Resolve: r}}, err
	case *kvpb.Request_Heartbeat:
		ttl, err := mvcc.Heartbeat(ev.b, ev.b, cmd.Heartbeat.GetPrimary(), timestamp.Timestamp(cmd.Heartbeat.GetStartTs()), cmd.Heartbeat.GetTtlMs())
		ke, err := ev.keyError(err)
		return &kvpb.Response{Cmd: &kvpb.Response_Heartbeat{Heartbeat: &kvpb.HeartbeatResponse{Error: ke, TtlMs: ttl}}}, err
	}
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Lock:
		r, err := ev.lock(cmd.Lock)
		if r == nil {
			return nil, err
		}
		return &kvpb.Response{Cmd: &kvpb.Response_Lock{Lock: r}}, err
	case *kvpb.Request_Release:
		return &kvpb.Response{Cmd: &kvpb.Response_Release{Release: ev.releaseChecked(cmd.Release)}}, nil
	case *kvpb.Request_Keep:
		known := ev.c.rows.Keep(time.Now(), locktable.OwnerID(cmd.Keep.GetOwner().GetId()))
		return &kvpb.Response{Cmd: &kvpb.Response_Keep{Keep: &kvpb.KeepResponse{Known: known}}}, nil
	case *kvpb.Request_Validate:
		r, err := ev.validate(cmd.Validate)
		return &kvpb.Response{Cmd: &kvpb.Response_Validate{Validate: r}}, err
	}
	return nil, fmt.Errorf("request %T", req.GetCmd())
}

// keyError turns an error of mvcc into an answer.
func (ev *evaluation) keyError(err error) (*kvpb.KeyError, error) {
	if err == nil {
		return nil, nil
	}
	ev.failed = true
	var (
		locked    *mvcc.LockedError
		conflict  *mvcc.WriteConflictError
		exists    *mvcc.AlreadyExistsError
		aborted   *mvcc.AbortedError
		committed *mvcc.CommittedError
		small     *mvcc.CommitTSTooSmallError
		notFound  *mvcc.TxnNotFoundError
	)
	switch {
	case errors.As(err, &locked):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Locked{Locked: lockInfo(locked.Key, &locked.Lock)}}, nil
	case errors.As(err, &conflict):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Conflict{Conflict: &kvpb.WriteConflict{
			Key: conflict.Key, StartTs: uint64(conflict.StartTS),
			ConflictStartTs: uint64(conflict.ConflictStartTS), ConflictCommitTs: uint64(conflict.ConflictCommitTS),
		}}}, nil
	case errors.As(err, &exists):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_AlreadyExists{AlreadyExists: &kvpb.AlreadyExists{Key: exists.Key, Value: exists.Value}}}, nil
	case errors.As(err, &aborted):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Aborted{Aborted: &kvpb.TxnAborted{Key: aborted.Key, StartTs: uint64(aborted.StartTS)}}}, nil
	case errors.As(err, &committed):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Committed{Committed: &kvpb.TxnCommitted{
			Key: committed.Key, StartTs: uint64(committed.StartTS), CommitTs: uint64(committed.CommitTS),
		}}}, nil
	case errors.As(err, &small):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_CommitTsTooSmall{CommitTsTooSmall: &kvpb.CommitTsTooSmall{Key: small.Key, MinCommitTs: uint64(small.MinCommitTS)}}}, nil
	case errors.As(err, &notFound):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_TxnNotFound{TxnNotFound: &kvpb.TxnNotFound{Key: notFound.Key, StartTs: uint64(notFound.StartTS)}}}, nil
	}
	return nil, err
}

func lockInfo(key []byte, l *mvcc.Lock) *kvpb.LockInfo {
	return &kvpb.LockInfo{
		Key: key, Op: map[bool]kvpb.MutationOp{true: kvpb.MutationOp_LOCK_SHARED}[l.Kind == mvcc.Shared], Primary: l.Primary, StartTs: uint64(l.StartTS), TtlMs: l.TTLms,
		MinCommitTs: uint64(l.MinCommitTS), TxnSize: l.TxnSize, Async: l.Async,
		Gateway: &kvpb.Gateway{Store: l.Gateway.Store, Boot: l.Gateway.Boot},
	}
}

func (ev *evaluation) get(req *kvpb.GetRequest) (*kvpb.GetResponse, error) {
	v, err := mvcc.Get(ev.b, req.GetKey(), ev.read(req.GetRead()))
	ke, err := ev.keyError(err)
	return &kvpb.GetResponse{Error: ke, Found: v.Found, Value: v.Value, CommitTs: uint64(v.CommitTS)}, err
}

func (ev *evaluation) batchGet(req *kvpb.BatchGetRequest) (*kvpb.BatchGetResponse, error) {
	o := ev.read(req.GetRead())
	resp := &kvpb.BatchGetResponse{}
	for _, key := range req.GetKeys() {
		v, err := mvcc.Get(ev.b, key, o)
		ke, err := ev.keyError(err)
		if err != nil {
			return nil, err
		}
		if ke != nil || v.Found {
			resp.Pairs = append(resp.Pairs, &kvpb.Pair{Key: key, Value: v.Value, CommitTs: uint64(v.CommitTS), Error: ke})
		}
	}
	return resp, nil
}

func (ev *evaluation) scan(req *kvpb.ScanRequest) (*kvpb.ScanResponse, error) {
	rows := int(req.GetLimitRows())
	o := mvcc.ScanOptions{
		ReadOptions: ev.read(req.GetRead()), Start: req.GetStartKey(), End: req.GetEndKey(), Reverse: req.GetReverse(),
		RowsMax: rows, BytesMax: int(req.GetLimitBytes()), KeysOnly: req.GetKeysOnly(),
	}
	res, err := mvcc.Scan(ev.b, o)
	ke, err := ev.keyError(err)
	if err != nil {
		return nil, err
	}
	if ke != nil {
		// The good rows before the lock.
		if key := ke.GetLocked().GetKey(); req.GetReverse() {
			o.Start = append(slices.Clone(key), 0)
		} else {
			o.End = key
		}
		if res, err = mvcc.Scan(ev.b, o); err != nil {
			return nil, err
		}
	}
	resp := &kvpb.ScanResponse{Error: ke}
	for _, row := range res.Rows {
		resp.Pairs = append(resp.Pairs, &kvpb.Pair{Key: row.Key, Value: row.Value, CommitTs: uint64(row.CommitTS)})
	}
	if ke == nil {
		resp.More, resp.ResumeKey = res.More, res.Resume
	}
	return resp, nil
}

func mutationOf(m *kvpb.Mutation) mvcc.Mutation {
	kinds := map[kvpb.MutationOp]mvcc.Kind{
		kvpb.MutationOp_PUT: mvcc.Put, kvpb.MutationOp_DELETE: mvcc.Delete,
		kvpb.MutationOp_LOCK_ONLY: mvcc.LockOnly, kvpb.MutationOp_LOCK_SHARED: mvcc.Shared,
	}
	return mvcc.Mutation{
		Kind: kinds[m.GetOp()], Key: m.GetKey(), Value: m.GetValue(), ForUpdateTS: timestamp.Timestamp(m.GetForUpdateTs()),
		Held: mvcc.Mode(m.GetHeld()), KeyStays: m.GetKeyStays(),
	}
}

func (ev *evaluation) prewrite(req *kvpb.PrewriteRequest) (*kvpb.PrewriteResponse, error) {
	start := timestamp.Timestamp(req.GetStartTs())
	resp := &kvpb.PrewriteResponse{Errors: ev.against(req)}
	if len(resp.Errors) > 0 {
		ev.failed = true
		return resp, nil
	}
	muts := make([]mvcc.Mutation, 0, len(req.GetMutations()))
	for _, m := range req.GetMutations() {
		mm := mutationOf(m)
		if m.GetOp() == kvpb.MutationOp_CHECK_NOT_EXISTS {
			v, err := mvcc.Get(ev.b, m.GetKey(), mvcc.ReadOptions{TS: timestamp.Max - 1, Own: start})
			if err == nil && v.Found {
				err = &mvcc.AlreadyExistsError{Key: m.GetKey(), Value: v.Value}
			}
			ke, err := ev.keyError(err)
			if err != nil {
				return nil, err
			}
			if ke != nil {
				resp.Errors = append(resp.Errors, ke)
			}
			continue
		}
		if m.GetExistence() == kvpb.Existence_MUST_NOT_EXIST {
			mm.Constraint = mvcc.MustNotExist
		}
		muts = append(muts, mm)
	}
	floor := max(ev.r.maxTS+1, timestamp.Timestamp(req.GetMinCommitTs()), start+1)
	if req.GetAsync() || req.GetOnePc() {
		if d := ev.r.ready; d.After(time.Now()) {
			return nil, errNotReady
		}
	}
	if limit := timestamp.Timestamp(req.GetMaxCommitTs()); limit != 0 && floor > limit {
		ev.failed = true
		resp.Errors = append(resp.Errors, &kvpb.KeyError{Kind: &kvpb.KeyError_CommitTsTooLarge{CommitTsTooLarge: &kvpb.CommitTsTooLarge{
			CommitTs: uint64(floor), MaxCommitTs: uint64(limit)}}})
		return resp, nil
	}
	if req.GetOnePc() {
		ev.raise(uint64(floor))
		if ke, err := ev.validateSpans(req.GetReads(), req.GetStartTs(), req.GetReadTs(), uint64(floor), nil); ke != nil || err != nil {
			resp.Errors = append(resp.Errors, ke)
			return resp, err
		}
		if len(resp.Errors) > 0 {
			return resp, nil
		}
		ts, err := mvcc.OnePC(ev.b, ev.b, muts, start, floor)
		if small := (*mvcc.CommitTSTooSmallError)(nil); errors.As(err, &small) {
			ev.raise(uint64(small.MinCommitTS))
			return ev.prewrite(req)
		}
		ke, err := ev.keyError(err)
		if err != nil {
			return nil, err
		}
		if ke != nil {
			resp.Errors = append(resp.Errors, ke)
			return resp, nil
		}
		resp.OnePcCommitTs = uint64(ts)
		ev.decided(req.GetStartTs())
		return resp, nil
	}
	for _, m := range muts {
		r, err := mvcc.Prewrite(ev.b, ev.b, m, mvcc.PrewriteParams{
			Primary: req.GetPrimary(), StartTS: start, MinCommitTS: floor, TTLms: req.GetTtlMs(), TxnSize: req.GetTxnSize(),
			Gateway: mvcc.Gateway{Store: req.GetGateway().GetStore(), Boot: req.GetGateway().GetBoot()},
			Async:   req.GetAsync(), Secondaries: users(req.GetSecondaries()),
		})
		ke, err := ev.keyError(err)
		if err != nil {
			return nil, err
		}
		if r.CommitTS != 0 {
			ke = &kvpb.KeyError{Kind: &kvpb.KeyError_Committed{Committed: &kvpb.TxnCommitted{Key: m.Key, StartTs: req.GetStartTs(), CommitTs: uint64(r.CommitTS)}}}
		}
		if ke != nil {
			resp.Errors = append(resp.Errors, ke)
			continue
		}
		resp.MinCommitTs = max(resp.MinCommitTs, uint64(r.MinCommitTS))
	}
	return resp, nil
}

func users(list [][]byte) (out []keys.User) {
	for _, k := range list {
		out = append(out, k)
	}
	return out
}

func (ev *evaluation) secondaries(req *kvpb.CheckSecondaryLocksRequest) (*kvpb.CheckSecondaryLocksResponse, error) {
	ev.raise(req.GetCallerTs())
	resp := &kvpb.CheckSecondaryLocksResponse{}
	for _, k := range req.GetKeys() {
		st, err := mvcc.CheckSecondary(ev.b, ev.b, k, timestamp.Timestamp(req.GetStartTs()), req.GetRollbackIfMissing())
		if err != nil {
			return nil, err
		}
		l := &kvpb.SecondaryLock{State: states[st.State], CommitTs: uint64(st.CommitTS)}
		if st.Lock != nil {
			l.MinCommitTs, l.Async = uint64(st.Lock.MinCommitTS), st.Lock.Async
		}
		resp.Locks = append(resp.Locks, l)
	}
	return resp, nil
}

var states = map[mvcc.TxnState]kvpb.TxnState{
	mvcc.TxnCommitted: kvpb.TxnState_COMMITTED, mvcc.TxnRolledBack: kvpb.TxnState_ROLLED_BACK,
	mvcc.TxnLocked: kvpb.TxnState_LOCKED, mvcc.TxnMissing: kvpb.TxnState_MISSING,
}

func (ev *evaluation) status(req *kvpb.CheckTxnStatusRequest) (*kvpb.CheckTxnStatusResponse, error) {
	ev.raise(req.GetCallerTs())
	st, err := mvcc.CheckTxnStatus(ev.b, ev.b, mvcc.CheckTxnParams{
		Primary: req.GetPrimary(), StartTS: timestamp.Timestamp(req.GetStartTs()), Now: timestamp.Timestamp(req.GetCurrentTs()),
		CallerTS: timestamp.Timestamp(req.GetCallerTs()), RollbackIfMissing: req.GetRollbackIfMissing(),
		GatewayLost: req.GetGatewayLost(),
	})
	if err != nil {
		return nil, err
	}
	resp := &kvpb.CheckTxnStatusResponse{State: states[st.State], CommitTs: uint64(st.CommitTS), TtlMs: st.TTLLeftMs, Pushed: st.Pushed}
	if st.Lock != nil {
		resp.Lock = lockInfo(req.GetPrimary(), st.Lock)
		for _, k := range st.Lock.Secondaries {
			resp.Lock.Secondaries = append(resp.Lock.Secondaries, k)
		}
	}
	return resp, nil
}

func (ev *evaluation) resolve(req *kvpb.ResolveRequest) (*kvpb.ResolveResponse, error) {
	start := timestamp.Timestamp(req.GetStartTs())
	list := req.GetKeys()
	if len(list) == 0 {
		locks, _, err := mvcc.ScanLocks(ev.b, req.GetStartKey(), req.GetEndKey(), start, 10_000)
		if err != nil {
			return nil, err
		}
		for _, l := range locks {
			if l.Lock.StartTS == start {
				list = append(list, l.Key)
			}
		}
	}
	ev.unlock(req.GetStartTs(), list)
	for _, k := range list {
		var err error
		if req.GetCommitTs() != 0 {
			err = mvcc.Commit(ev.b, ev.b, k, start, timestamp.Timestamp(req.GetCommitTs()))
		} else {
			err = mvcc.Rollback(ev.b, ev.b, k, start, true)
		}
		var gone *mvcc.TxnNotFoundError
		if req.GetCommitTs() != 0 && errors.As(err, &gone) {
			continue // a shared lock leaves no trace
		}
		ke, err := ev.keyError(err)
		if err != nil || ke != nil {
			return &kvpb.ResolveResponse{Error: ke}, err
		}
	}
	return &kvpb.ResolveResponse{}, nil
}
