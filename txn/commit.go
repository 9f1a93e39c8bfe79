package txn

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// committer carries one transaction through its commit. It knows what may have
// been sent, and therefore which errors are safe to report.
type committer struct {
	c          *Client
	start      timestamp.Timestamp
	autocommit bool
	bound      CommitOptions
	beat       heartbeat
	// blockedBy is a lock of an older transaction that this one gave way to.
	blockedBy atomic.Pointer[kvpb.LockInfo]

	muts    []*kvpb.Mutation // by key
	byKey   map[string]*kvpb.Mutation
	keys    [][]byte
	bytes   int
	primary []byte
}

// commit runs once, with finished already set.
func (t *Txn) commit(ctx context.Context, opts CommitOptions) error {
	defer t.buf.drop()
	if t.buf.count == 0 {
		t.c.stats.readOnly.Add(1)
		return nil
	}
	if t.c.work.closed() {
		return ErrClosed
	}
	start, err := t.StartTS(ctx)
	if err != nil {
		return err
	}
	cm := &committer{c: t.c, start: start, autocommit: t.opts.Autocommit, bound: opts}
	cm.collect(&t.buf)
	if cm.primary == nil {
		// Nothing is left but the promise that some keys do not exist.
		err := cm.checkOnly(ctx, t)
		if err == nil {
			t.c.stats.readOnly.Add(1)
		}
		return err
	}
	cm.beat = heartbeat{primary: cm.primary, startTS: uint64(start), began: t.startedAt}
	commitTS, err := cm.run(ctx)
	t.c.count(err)
	if err != nil {
		return err
	}
	t.commitTS = commitTS
	return nil
}

func (c *Client) count(err error) {
	var (
		conflict *ConflictError
		aborted  *AbortedError
		unknown  *UnknownOutcomeError
	)
	switch {
	case errors.As(err, &unknown):
		c.stats.unknown.Add(1)
	case errors.As(err, &conflict):
		c.stats.conflicts.Add(1)
	case errors.As(err, &aborted):
		c.stats.aborted.Add(1)
	}
}

// collect turns the buffer into mutations and chooses the primary: the first key
// that will bear a record.
func (cm *committer) collect(b *buffer) {
	cm.muts = make([]*kvpb.Mutation, 0, b.count)
	cm.keys = make([][]byte, 0, b.count)
	for n := b.head.next[0]; n != nil; n = n.next[0] {
		m := mutation(n)
		if m == nil {
			continue
		}
		cm.muts = append(cm.muts, m)
		cm.keys = append(cm.keys, m.Key)
		cm.bytes += mutationBytes(m)
		if cm.primary == nil && m.Op != kvpb.MutationOp_CHECK_NOT_EXISTS {
			cm.primary = m.Key
		}
	}
}

func mutation(n *node) *kvpb.Mutation {
	m := &kvpb.Mutation{Key: n.key}
	switch n.top.op {
	case opPut:
		m.Op, m.Value = kvpb.MutationOp_PUT, n.top.value
	case opDelete:
		m.Op = kvpb.MutationOp_DELETE
		if n.top.fresh {
			// Inserted and deleted again: the key must not have existed.
			m.Op = kvpb.MutationOp_CHECK_NOT_EXISTS
		}
	case opLock:
		m.Op = kvpb.MutationOp_LOCK_ONLY
	default:
		return nil
	}
	if n.top.fresh {
		m.Existence = kvpb.Existence_MUST_NOT_EXIST
	}
	return m
}

// mutationBytes is about what a mutation takes in a request.
func mutationBytes(m *kvpb.Mutation) int { return len(m.GetKey()) + len(m.GetValue()) + 16 }

func (cm *committer) checkOnly(ctx context.Context, t *Txn) error {
	keys := cm.keys
	t.buf.drop()
	t.finished = false
	got, err := t.BatchGet(ctx, keys)
	t.finished = true
	if err != nil {
		return err
	}
	for i, r := range got {
		if r.Found {
			return &AlreadyExistsError{Key: keys[i], Value: r.Value}
		}
	}
	return nil
}

// errTwoPhases says that one phase is not possible and that nothing was written.
var errTwoPhases = errors.New("transaction needs two phases")

func (cm *committer) run(ctx context.Context) (timestamp.Timestamp, error) {
	if cm.bytes <= cm.c.opts.OnePhaseBytesMax && len(cm.keys) <= cm.c.opts.BatchKeysMax {
		groups, err := cm.c.groupKeys(ctx, cm.keys)
		if err != nil {
			return 0, err
		}
		if len(groups) == 1 {
			ts, err := cm.onePhase(ctx)
			if !errors.Is(err, errTwoPhases) {
				return ts, err
			}
		}
	}
	return cm.twoPhases(ctx)
}

// overdue makes sure that the oracle has passed a commit timestamp which did not
// come from it, before the client hears of it: otherwise the client's next
// transaction could start below. A timestamp one above an issued one is fine,
// since the next one issued is at least there.
func (cm *committer) overdue(ctx context.Context, ts timestamp.Timestamp) (timestamp.Timestamp, error) {
	c := cm.c
	if ts <= c.Observed()+1 {
		return ts, nil
	}
	seen, err := c.opts.Timestamps.AtLeast(ctx, ts)
	if err != nil {
		settleCtx, cancel := c.detached(c.opts.SettleTimeout)
		defer cancel()
		if seen, err = c.opts.Timestamps.AtLeast(settleCtx, ts); err != nil {
			return 0, cm.unknown(fmt.Errorf("committed at %s, but the oracle cannot be moved there: %w", ts, err))
		}
	}
	c.observe(seen)
	return ts, nil
}

func (cm *committer) unknown(err error) error {
	return &UnknownOutcomeError{StartTS: cm.start, Primary: cm.primary, Err: err}
}

// settle finds out whether the transaction committed after a request that could
// have committed it got lost, and makes sure that it never will if it has not:
// the primary then bears a mark. Success means committed. Otherwise err is
// returned, or what says more; it must be true of a transaction that did not
// commit.
func (cm *committer) settle(err error) (timestamp.Timestamp, error) {
	ctx, cancel := cm.c.detached(cm.c.opts.SettleTimeout)
	defer cancel()
	resp, checkErr := cm.c.checkStatus(ctx, &kvpb.CheckTxnStatusRequest{
		Primary: cm.primary, StartTs: uint64(cm.start), RollbackIfMissing: true,
	})
	if checkErr != nil {
		return 0, cm.unknown(fmt.Errorf("%w (looking for it: %w)", err, checkErr))
	}
	switch resp.GetState() {
	case kvpb.TxnState_COMMITTED:
		cm.c.stats.settled.Add(1)
		return timestamp.Timestamp(resp.GetCommitTs()), nil
	case kvpb.TxnState_ROLLED_BACK:
		cm.c.stats.settled.Add(1)
		return 0, err
	case kvpb.TxnState_LOCKED:
		return cm.settleLocked(ctx, err)
	}
	return 0, cm.unknown(fmt.Errorf("%w (looking for it: state %s)", err, resp.GetState()))
}

// settleLocked rolls the own primary back, unless it turns out to be committed.
func (cm *committer) settleLocked(ctx context.Context, err error) (timestamp.Timestamp, error) {
	rollErr := cm.c.rollBack(ctx, cm.start, [][]byte{cm.primary})
	var committed *committedError
	switch {
	case errors.As(rollErr, &committed):
		cm.c.stats.settled.Add(1)
		return committed.commitTS, nil
	case rollErr != nil:
		return 0, cm.unknown(fmt.Errorf("%w (rolling it back: %w)", err, rollErr))
	}
	cm.c.stats.settled.Add(1)
	return 0, err
}

// verdict sorts the key errors of a prewrite: the transaction's own commit, what
// ends the transaction, or only locks.
func (cm *committer) verdict(errs []*kvpb.KeyError) (committed timestamp.Timestamp, locks []*kvpb.LockInfo, fatal error) {
	for _, ke := range errs {
		switch k := ke.GetKind().(type) {
		case *kvpb.KeyError_Committed:
			if k.Committed.GetStartTs() == uint64(cm.start) && k.Committed.GetCommitTs() != 0 {
				return timestamp.Timestamp(k.Committed.GetCommitTs()), nil, nil
			}
			fatal = keyError(ke, cm.start)
		case *kvpb.KeyError_Locked:
			locks = append(locks, k.Locked)
		case *kvpb.KeyError_AlreadyExists:
			// Another key's conflict says more: run again, the transaction may find
			// that this key does not matter any more.
			if fatal == nil {
				fatal = keyError(ke, cm.start)
			}
		default:
			var conflict *ConflictError
			if !errors.As(fatal, &conflict) {
				fatal = keyError(ke, cm.start)
			}
		}
	}
	return 0, locks, fatal
}
