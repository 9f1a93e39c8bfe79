package replica

import (
	"errors"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

func planPrewrite(q *kvpb.PrewriteRequest) (*writing, errorAnswer) {
	if q.GetStartTs() == 0 {
		return nil, region.Refused("prewrite without a start timestamp")
	}
	list := make([][]byte, len(q.GetMutations()))
	for i, m := range q.GetMutations() {
		list[i] = m.GetKey()
	}
	if len(q.GetMutations()) > 0 && !q.GetOnePc() && (len(q.GetPrimary()) == 0 || q.GetTtlMs() == 0) {
		return nil, region.Refused("prewrite without a primary or without a time to live")
	}
	if q.GetOnePc() {
		w, e := planKeys(list, func(ev *evaluation) (*kvpb.Response, error) { return evalOnePC(ev, q) })
		if e != nil || len(q.GetReads()) == 0 {
			return w, e
		}
		// What was read is kept as it is from the validation to the apply.
		for _, s := range ranges(q.GetReads()) {
			w.spans = append(w.spans, s.Shared())
		}
		keysOnly := w.check
		w.check = func(d *metapb.Region) errorAnswer {
			if e := keysOnly(d); e != nil {
				return e
			}
			return checkSpans(d, q.GetReads())
		}
		return w, nil
	}
	return planKeys(list, func(ev *evaluation) (*kvpb.Response, error) { return evalPrewrite(ev, q) })
}

func prewriteAnswer(resp *kvpb.PrewriteResponse) *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Prewrite{Prewrite: resp}}
}

// splitMutations sorts mutations into those that write and those that only check.
func splitMutations(ms []*kvpb.Mutation) (writes, checks []mvcc.Mutation, e errorAnswer) {
	for _, m := range ms {
		out := mvcc.Mutation{
			Key: m.GetKey(), Value: m.GetValue(), ForUpdateTS: timestamp.Timestamp(m.GetForUpdateTs()),
			Held: mvcc.Mode(m.GetHeld()), KeyStays: m.GetKeyStays(),
		}
		switch m.GetExistence() {
		case kvpb.Existence_ANY:
		case kvpb.Existence_MUST_NOT_EXIST:
			out.Constraint = mvcc.MustNotExist
		case kvpb.Existence_MUST_EXIST:
			out.Constraint = mvcc.MustExist
		default:
			return nil, nil, region.Refused("mutation with an unknown demand on existence")
		}
		switch m.GetOp() {
		case kvpb.MutationOp_PUT:
			out.Kind = mvcc.Put
		case kvpb.MutationOp_DELETE:
			out.Kind, out.Value = mvcc.Delete, nil
		case kvpb.MutationOp_LOCK_ONLY:
			out.Kind, out.Value = mvcc.LockOnly, nil
		case kvpb.MutationOp_LOCK_SHARED:
			out.Kind, out.Value = mvcc.Shared, nil
		case kvpb.MutationOp_CHECK_NOT_EXISTS:
			out.Kind, out.Value, out.Constraint = mvcc.LockOnly, nil, mvcc.MustNotExist
			checks = append(checks, out)
			continue
		default:
			return nil, nil, region.Refused("mutation with an unknown operation")
		}
		writes = append(writes, out)
	}
	return writes, checks, nil
}

// observe raises max_ts for what a prewrite is about to look at: a check of
// existence is a read, whether it fails or not (rule D5).
func (ev *evaluation) observe(start timestamp.Timestamp, muts []mvcc.Mutation) {
	for _, m := range muts {
		if m.Constraint != mvcc.NoConstraint {
			ev.l.raiseMaxTS(max(start, m.ForUpdateTS))
		}
	}
}

// findQuiet marks the writes of keys to which nothing has happened since the
// transaction started, as far as the leader knows without looking.
func (ev *evaluation) findQuiet(start timestamp.Timestamp, writes []mvcc.Mutation) {
	for i := range writes {
		writes[i].Quiet = ev.l.recent.bound(writes[i].Key) < start
	}
}

// rowLocks returns the row locks of others that forbid the writes (rule E5). A
// prewrite never waits for one (rule E6).
//
// Where the holder's own prewrite stands on the key, that is what is in the way: its
// transaction is about to be decided, and may be settled by anybody.
func (ev *evaluation) rowLocks(start timestamp.Timestamp, writes []mvcc.Mutation) (kes []*kvpb.KeyError, err error) {
	for _, m := range writes {
		ke := ev.l.rows.against(start, m.Key, locktable.Mode(m.Strength()))
		if ke == nil {
			continue
		}
		l, err := mvcc.GetLock(ev.state, m.Key)
		if err != nil {
			return nil, err
		}
		if l == nil || uint64(l.StartTS) != ke.GetRowLocked().GetHolder().GetId() {
			kes = append(kes, ke)
		}
	}
	return kes, nil
}

// evalChecks runs mutations that write nothing against a batch that is thrown away.
func (ev *evaluation) evalChecks(checks []mvcc.Mutation, p mvcc.PrewriteParams) ([]*kvpb.KeyError, error) {
	if len(checks) == 0 {
		return nil, nil
	}
	scratch := ev.r.cfg.State.NewBatch()
	defer scratch.Close()
	var kes []*kvpb.KeyError
	for _, m := range checks {
		_, err := mvcc.Prewrite(scratch, ev.state, m, p)
		ke, err := ev.keyError(err)
		if err != nil {
			return nil, err
		}
		if ke != nil {
			kes = append(kes, ke)
		}
	}
	return kes, nil
}

func evalPrewrite(ev *evaluation, q *kvpb.PrewriteRequest) (*kvpb.Response, error) {
	writes, checks, e := splitMutations(q.GetMutations())
	if e != nil {
		ev.refused = e
		return nil, nil
	}
	start := timestamp.Timestamp(q.GetStartTs())
	ev.observe(start, writes)
	ev.observe(start, checks)
	ev.findQuiet(start, writes)
	p := mvcc.PrewriteParams{
		Primary: q.GetPrimary(), StartTS: start, TTLms: q.GetTtlMs(), TxnSize: q.GetTxnSize(),
		Gateway: mvcc.Gateway{Store: q.GetGateway().GetStore(), Boot: q.GetGateway().GetBoot()},
		// The commit timestamp of a transaction in two phases is taken from the
		// oracle after the last prewrite, so max_ts has no say in it.
		MinCommitTS: max(timestamp.Timestamp(q.GetMinCommitTs()), start.Next()),
	}
	if q.GetAsync() {
		if !ev.tsReady() {
			return nil, nil
		}
		p.Async, p.Secondaries = true, users(q.GetSecondaries())
		p.MinCommitTS = ev.lockMemory(p.MinCommitTS, false)
	}
	resp := &kvpb.PrewriteResponse{}
	locked, err := ev.rowLocks(start, writes)
	if err != nil {
		return nil, err
	}
	if len(locked) > 0 {
		resp.Errors, ev.drop = locked, true
	}
	for _, m := range writes {
		res, err := mvcc.Prewrite(ev.batch, ev.state, m, p)
		ke, err := ev.keyError(err)
		switch {
		case err != nil:
			return nil, err
		case ke != nil:
			resp.Errors = append(resp.Errors, ke)
		case res.CommitTS != 0:
			ev.drop = true
			resp.Errors = append(resp.Errors, committedError(keys.User(m.Key), start, res.CommitTS))
		case !res.Repeated && q.GetAsync() && q.GetMaxCommitTs() != 0 && uint64(res.MinCommitTS) > q.GetMaxCommitTs():
			ev.drop = true
			resp.Errors = append(resp.Errors, tooLarge(res.MinCommitTS, q.GetMaxCommitTs()))
		default:
			resp.MinCommitTs = max(resp.MinCommitTs, uint64(res.MinCommitTS))
		}
	}
	kes, err := ev.evalChecks(checks, p)
	if err != nil {
		return nil, err
	}
	resp.Errors = append(resp.Errors, kes...)
	if len(resp.Errors) > 0 {
		resp.MinCommitTs = 0
	}
	return prewriteAnswer(resp), nil
}

// tsReady reports whether max_ts covers what former leaders served (rule D5). If not
// the request is refused for now.
func (ev *evaluation) tsReady() bool {
	ev.r.mu.Lock()
	defer ev.r.mu.Unlock()
	if !ev.l.tsReady {
		ev.refused = region.ServerBusy("the new leader waits for a timestamp", 5)
	}
	return ev.l.tsReady
}

// lockMemory puts the memory lock on what is about to be written and then chooses a
// timestamp above every read that was served, and not below least (rule E1: memory
// lock first, then max_ts). It is a commit timestamp, which max_ts is raised to, or
// the lower bound of one.
func (ev *evaluation) lockMemory(least timestamp.Timestamp, raise bool) timestamp.Timestamp {
	l := ev.l
	return l.latches.Lock(ev.guard, func() timestamp.Timestamp {
		for {
			seen := l.maxTS.Load()
			c := max(timestamp.Timestamp(seen).Next(), least)
			if !raise || l.maxTS.CompareAndSwap(seen, uint64(c)) {
				return c
			}
		}
	})
}

func tooLarge(commit timestamp.Timestamp, limit uint64) *kvpb.KeyError {
	return &kvpb.KeyError{Kind: &kvpb.KeyError_CommitTsTooLarge{CommitTsTooLarge: &kvpb.CommitTsTooLarge{
		CommitTs: uint64(commit), MaxCommitTs: limit,
	}}}
}

func users(list [][]byte) []keys.User {
	out := make([]keys.User, len(list))
	for i, k := range list {
		out[i] = k
	}
	return out
}

// evalOnePC commits in one phase, in the order of rule E1: with the latches held,
// memory lock first, then the commit timestamp above max_ts, which is raised to
// it, then the checks.
func evalOnePC(ev *evaluation, q *kvpb.PrewriteRequest) (*kvpb.Response, error) {
	writes, checks, e := splitMutations(q.GetMutations())
	if e != nil {
		ev.refused = e
		return nil, nil
	}
	if !ev.tsReady() {
		return nil, nil
	}
	start := timestamp.Timestamp(q.GetStartTs())
	ev.findQuiet(start, writes)
	least := max(timestamp.Timestamp(q.GetMinCommitTs()), start.Next())
	for {
		resp, err := commitOnce(ev, q, writes, checks, ev.lockMemory(least, true))
		// A lock record that is not in the way may lie above what the region has served.
		var small *mvcc.CommitTSTooSmallError
		if !errors.As(err, &small) || small.MinCommitTS <= least {
			return resp, err
		}
		least = small.MinCommitTS
	}
}

// commitOnce is evalOnePC at one timestamp. *mvcc.CommitTSTooSmallError says that it
// has to be a later one.
func commitOnce(ev *evaluation, q *kvpb.PrewriteRequest, writes, checks []mvcc.Mutation, commit timestamp.Timestamp) (*kvpb.Response, error) {
	start := timestamp.Timestamp(q.GetStartTs())
	fail := func(kes ...*kvpb.KeyError) (*kvpb.Response, error) {
		ev.drop = true
		return prewriteAnswer(&kvpb.PrewriteResponse{Errors: kes}), nil
	}
	if limit := q.GetMaxCommitTs(); limit != 0 && uint64(commit) > limit {
		return fail(tooLarge(commit, limit))
	}
	if kes, err := ev.rowLocks(start, writes); err != nil {
		return nil, err
	} else if len(kes) > 0 {
		return fail(kes...)
	}
	for _, s := range q.GetReads() {
		// Any version above the snapshot counts, and every lock: its transaction may
		// commit at or below this one's timestamp (rule E1).
		err := mvcc.ValidateSpan(ev.state, s.GetStart(), s.GetEnd(), start, timestamp.Timestamp(q.GetReadTs()), commit, nil)
		if ke, err := ev.keyError(err); err != nil {
			return nil, err
		} else if ke != nil {
			return fail(ke)
		}
	}
	// The locks are thrown away: primary and life only have to be there.
	kes, err := ev.evalChecks(checks, mvcc.PrewriteParams{
		Primary: keys.User("-"), StartTS: start, MinCommitTS: commit, TTLms: 1,
	})
	if err != nil {
		return nil, err
	}
	if len(kes) > 0 {
		return fail(kes...)
	}
	if len(writes) > 0 {
		var small *mvcc.CommitTSTooSmallError
		if commit, err = mvcc.OnePC(ev.batch, ev.state, writes, start, commit); errors.As(err, &small) {
			return nil, err
		} else if err != nil {
			ke, err := ev.keyError(err)
			if err != nil {
				return nil, err
			}
			return fail(ke)
		}
	}
	ev.decided = start
	return prewriteAnswer(&kvpb.PrewriteResponse{OnePcCommitTs: uint64(commit)}), nil
}
