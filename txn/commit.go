package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	reads   []*kvpb.KeySpan // SERIALIZABLE: to be validated

	// async: the locks are those of an async commit, with a commit timestamp not
	// below floor.
	async bool
	floor timestamp.Timestamp
	sent  atomic.Bool // a prewrite of an async commit
}

// commit runs once, with finished already set.
func (t *Txn) commit(ctx context.Context, opts CommitOptions) error {
	defer t.buf.drop()
	if t.buf.count == 0 {
		// Locks without writes have done their work.
		err := t.endLocks(ctx)
		t.c.count(err)
		if err == nil {
			t.c.stats.readOnly.Add(1)
		}
		return err
	}
	err := t.commitWrites(ctx, opts)
	if err != nil {
		t.releaseLocks()
	}
	return err
}

func (t *Txn) commitWrites(ctx context.Context, opts CommitOptions) error {
	if t.c.work.closed() {
		return ErrClosed
	}
	start, err := t.StartTS(ctx)
	if err != nil {
		return err
	}
	cm := &committer{c: t.c, start: start, autocommit: t.opts.Autocommit, bound: opts}
	cm.collect(t)
	if cm.primary == nil {
		// Nothing is left but the promise that some keys do not exist.
		err := cm.checkOnly(ctx, t)
		if err == nil {
			err = t.endLocks(ctx)
		}
		if err == nil {
			t.c.stats.readOnly.Add(1)
		}
		return err
	}
	cm.collectReads(t.reads.spans())
	cm.beat = heartbeat{primary: cm.primary, startTS: uint64(start), began: t.startedAt}
	commitTS, err := cm.run(ctx)
	t.c.count(err)
	if err != nil {
		return cm.explain(err)
	}
	t.commitTS = commitTS
	t.c.keeper.remove(t)
	if rest := cm.unwritten(&t.locks); len(rest) > 0 {
		// What the commit knows nothing of: a lock whose write was undone, or one that
		// was asked for in vain.
		t.c.work.do(func(ctx context.Context) error { return t.c.release(ctx, start, rest, true) })
	}
	return nil
}

// explain tells a conflict with what was read from one with what was written.
func (cm *committer) explain(err error) error {
	var conflict *ConflictError
	if errors.As(err, &conflict) && len(cm.reads) > 0 && !conflict.Read {
		conflict.Read = !slices.ContainsFunc(cm.keys, func(k []byte) bool { return bytes.Equal(k, conflict.Key) })
	}
	return err
}

// unwritten returns the keys that may be locked and on which the commit leaves no
// trace that would release them.
func (cm *committer) unwritten(s *lockSet) (rest [][]byte) {
	touched := s.keys()
	if len(touched) == 0 {
		return nil
	}
	written := make(map[string]struct{}, len(cm.muts))
	for _, m := range cm.muts {
		if m.Op != kvpb.MutationOp_CHECK_NOT_EXISTS {
			written[string(m.Key)] = struct{}{}
		}
	}
	for _, k := range touched {
		if _, ok := written[string(k)]; !ok {
			rest = append(rest, k)
		}
	}
	return rest
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
// Every key that is locked is among them, written or not, so that the commit finds
// out if a lock was lost (rule E5).
func (cm *committer) collect(t *Txn) {
	b := &t.buf
	t.locks.mu.Lock()
	held := t.locks.held
	t.locks.mu.Unlock()
	written := 0
	cm.muts = make([]*kvpb.Mutation, 0, b.count)
	cm.keys = make([][]byte, 0, b.count)
	for n := b.head.next[0]; n != nil; n = n.next[0] {
		m := mutation(n)
		if m == nil {
			continue
		}
		m.ForUpdateTs = uint64(n.top.since)
		if h := held[string(m.Key)]; h != nil {
			m.Held = h.mode
			written++
			if exclusive(h.mode) {
				// A shared lock has not shown the row as it is written now: others may have
				// changed it beside KEY SHARE.
				m.ForUpdateTs = uint64(h.forUpdate)
			}
		}
		cm.muts = append(cm.muts, m)
	}
	if written < len(held) {
		cm.addLocked(held)
	}
	for _, m := range cm.muts {
		cm.keys = append(cm.keys, m.Key)
		cm.bytes += mutationBytes(m)
		if cm.primary == nil && bearsRecord(m) {
			cm.primary = m.Key
		}
	}
}

// collectReads sets what has to be validated. A key that the commit locks by itself
// need not: its prewrite finds every change since it was read, and then the lock
// keeps it as it is (rule E2).
func (cm *committer) collectReads(spans []keySpan) {
	if len(spans) == 0 {
		return
	}
	locked := make(map[string]struct{}, len(cm.muts))
	for _, m := range cm.muts {
		if bearsRecord(m) {
			locked[string(m.GetKey())] = struct{}{}
		}
	}
	for _, s := range spans {
		if s.isKey() {
			if _, ok := locked[string(s.start)]; ok {
				continue
			}
		}
		cm.reads = append(cm.reads, &kvpb.KeySpan{Start: s.start, End: s.end})
	}
}

// addLocked adds the keys that are locked and not written.
func (cm *committer) addLocked(held map[string]*heldLock) {
	written := make(map[string]struct{}, len(cm.muts))
	for _, m := range cm.muts {
		written[string(m.Key)] = struct{}{}
	}
	for k, h := range held {
		if _, ok := written[k]; ok {
			continue
		}
		m := &kvpb.Mutation{Key: []byte(k), Op: kvpb.MutationOp_LOCK_ONLY, ForUpdateTs: uint64(h.forUpdate), Held: h.mode}
		if !exclusive(h.mode) {
			m.Op = kvpb.MutationOp_LOCK_SHARED
		}
		cm.muts = append(cm.muts, m)
	}
	slices.SortFunc(cm.muts, func(a, b *kvpb.Mutation) int { return bytes.Compare(a.Key, b.Key) })
}

// bearsRecord reports whether the commit of a mutation leaves a record.
func bearsRecord(m *kvpb.Mutation) bool {
	return m.Op != kvpb.MutationOp_CHECK_NOT_EXISTS && m.Op != kvpb.MutationOp_LOCK_SHARED
}

func mutation(n *node) *kvpb.Mutation {
	m := &kvpb.Mutation{Key: n.key}
	switch n.top.op {
	case opPut:
		m.Op, m.Value, m.KeyStays = kvpb.MutationOp_PUT, n.top.value, n.top.keyStays
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
	var keys [][]byte
	for _, m := range cm.muts {
		if m.Op == kvpb.MutationOp_CHECK_NOT_EXISTS {
			keys = append(keys, m.Key)
		}
	}
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
		if len(groups) == 1 && cm.readsWithin(ctx, cm.primary) {
			ts, err := cm.onePhase(ctx)
			if !errors.Is(err, errTwoPhases) {
				return ts, err
			}
		}
	}
	if cm.asyncPossible() {
		return cm.asyncCommit(ctx)
	}
	return cm.twoPhases(ctx)
}

// lowerBound returns a timestamp that the commit must not be below: what a region
// chooses by itself is only above what that region has seen.
func (cm *committer) lowerBound(ctx context.Context) (timestamp.Timestamp, error) {
	floor := cm.start
	for _, m := range cm.muts {
		// What a lock has shown to be committed lies below.
		floor = max(floor, timestamp.Timestamp(m.GetForUpdateTs()).Next())
	}
	if cm.autocommit {
		return floor, nil
	}
	// The transaction may be old. Its commit must come after every commit that was
	// acknowledged before it asked for its own.
	ts, err := cm.c.Timestamp(ctx)
	if err != nil {
		return 0, fmt.Errorf("get lower bound of the commit timestamp: %w", err)
	}
	return max(floor, ts), nil
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
