package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// asyncKeyBytesMax bounds the keys that the primary's lock of an async commit lists.
const asyncKeyBytesMax = 64 << 10

// asyncPossible reports whether the transaction can commit with its locks: DESIGN.md,
// "Who may".
func (cm *committer) asyncPossible() bool {
	if len(cm.muts) > cm.c.opts.AsyncKeysMax || len(cm.reads) > 0 {
		return false
	}
	size := 0
	for _, m := range cm.muts {
		if !bearsRecord(m) {
			return false
		}
		size += len(m.GetKey())
	}
	return size <= asyncKeyBytesMax
}

// secondaries returns the keys but for the primary.
func (cm *committer) secondaries() [][]byte {
	out := make([][]byte, 0, len(cm.muts))
	for _, m := range cm.muts {
		if string(m.GetKey()) != string(cm.primary) {
			out = append(out, m.GetKey())
		}
	}
	return out
}

// asyncCommit locks all keys and is done: the transaction is committed once all its
// locks stand, at the largest of the timestamps that they bear. The records follow in
// the background.
//
// An error other than *UnknownOutcomeError means that one of the keys bears a mark, so
// that not all locks can stand, ever.
func (cm *committer) asyncCommit(ctx context.Context) (timestamp.Timestamp, error) {
	floor, err := cm.lowerBound(ctx)
	if err != nil {
		return 0, err
	}
	cm.async, cm.floor = true, floor
	defer cm.startPrewrites()()
	ts, err := cm.prewriteAll(ctx)
	if err != nil {
		if ts, err = cm.settleAsync(err); err != nil {
			var unknown *UnknownOutcomeError
			if errors.As(err, &unknown) {
				return 0, err // whoever meets the locks will find out
			}
			cm.cleanUp()
			return 0, cm.awaitWinner(ctx, err)
		}
	}
	cm.c.settled.put(cm.start, fate{decided: true, commitTS: ts})
	cm.commitSecondaries(ts, nil)
	if _, err := cm.overdue(ctx, ts); err != nil {
		return 0, err
	}
	cm.c.stats.async.Add(1)
	return ts, nil
}

// settleAsync finds out whether the transaction is committed after a prewrite has
// failed or its answer was lost, and makes sure that it never will be if it is not: a
// key bears a mark then. Success means committed. Otherwise err is returned, which
// must be true of a transaction that did not commit, or an error that says that it is
// not known.
func (cm *committer) settleAsync(err error) (timestamp.Timestamp, error) {
	if !cm.sent.Load() {
		return 0, err
	}
	ctx, cancel := cm.c.detached(cm.c.opts.SettleTimeout)
	defer cancel()
	f, checkErr := cm.c.checkSecondaries(ctx, cm.start, cm.recordKeys(nil), 0, true)
	if checkErr != nil {
		return 0, cm.unknown(fmt.Errorf("%w (looking for it: %w)", err, checkErr))
	}
	cm.c.stats.settled.Add(1)
	if f.commitTS == 0 {
		return 0, err
	}
	return f.commitTS, nil
}

// inspectAsync finds out what became of a transaction in async commit whose primary is
// locked. Where it is not decided it does not commit at or below callerTS (0: does not
// matter), unless pushed is not set. If its life is over it is decided.
func (c *Client) inspectAsync(ctx context.Context, primary *kvpb.LockInfo, callerTS timestamp.Timestamp, over bool) (fate, error) {
	start := timestamp.Timestamp(primary.GetStartTs())
	if !over && callerTS != 0 && primary.GetMinCommitTs() > uint64(callerTS) {
		return fate{pushed: true}, nil
	}
	keys := append([][]byte{primary.GetKey()}, primary.GetSecondaries()...)
	f, err := c.checkSecondaries(ctx, start, keys, callerTS, over)
	if err != nil {
		return fate{}, err
	}
	if f.decided {
		// Settle all of it while its keys are known.
		c.work.offer(func(ctx context.Context) error { return c.resolveKeys(ctx, uint64(start), keys, f) })
	}
	return f, nil
}

// checkSecondaries looks at all keys of a transaction in async commit, the primary's
// too. With mark a missing lock is kept out for ever, and the fate is decided. Without,
// a lock that is missing will, if it comes, promise to commit above callerTS: then
// pushed is set.
func (c *Client) checkSecondaries(ctx context.Context, start timestamp.Timestamp, keys [][]byte, callerTS timestamp.Timestamp, mark bool) (fate, error) {
	var (
		mu    sync.Mutex
		found secondaryFates
	)
	err := c.perRegion(ctx, keys, limits{keys: c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_CheckSecondaryLocks{CheckSecondaryLocks: &kvpb.CheckSecondaryLocksRequest{
			StartTs: uint64(start), Keys: keys, CallerTs: uint64(callerTS), RollbackIfMissing: mark,
		}}})
		if err != nil {
			return err
		}
		r := resp.GetCheckSecondaryLocks()
		if r == nil || len(r.GetLocks()) != len(keys) {
			return errMalformed("check secondary locks", resp)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, l := range r.GetLocks() {
			found.add(l)
		}
		return nil
	})
	if err != nil {
		return fate{}, fmt.Errorf("find out about transaction %s: %w", start, err)
	}
	f, err := found.fate(callerTS)
	if err == nil && mark && !f.decided {
		err = errors.New("a key was to be marked and was not")
	}
	if err != nil {
		return fate{}, fmt.Errorf("find out about transaction %s: %w", start, err)
	}
	return f, nil
}

// secondaryFates sums up what the keys of a transaction in async commit tell.
type secondaryFates struct {
	committed           timestamp.Timestamp // 0: no record
	marked, missing     bool
	twoPhases, disagree bool
	minCommit           timestamp.Timestamp // largest of the locks
}

func (s *secondaryFates) add(l *kvpb.SecondaryLock) {
	switch l.GetState() {
	case kvpb.TxnState_LOCKED:
		s.minCommit = max(s.minCommit, timestamp.Timestamp(l.GetMinCommitTs()))
		s.twoPhases = s.twoPhases || !l.GetAsync()
	case kvpb.TxnState_COMMITTED:
		ts := timestamp.Timestamp(l.GetCommitTs())
		s.disagree = s.disagree || ts == 0 || s.committed != 0 && s.committed != ts
		s.committed = ts
	case kvpb.TxnState_ROLLED_BACK:
		s.marked = true
	default:
		s.missing = true
	}
}

func (s *secondaryFates) fate(callerTS timestamp.Timestamp) (fate, error) {
	switch {
	case s.disagree || s.committed != 0 && s.marked:
		return fate{}, errors.New("its keys disagree about its end")
	case s.committed != 0:
		return fate{decided: true, commitTS: s.committed}, nil
	case s.marked:
		return fate{decided: true}, nil
	case s.twoPhases:
		return fate{}, errors.New("it commits in two phases and asynchronously")
	case !s.missing:
		return fate{decided: true, commitTS: s.minCommit}, nil
	}
	return fate{pushed: callerTS != 0}, nil
}
