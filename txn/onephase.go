package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// onePhase asks the only region of the transaction to commit it at once. It
// returns errTwoPhases if that is not possible and nothing was written.
//
// After a lost answer the same request is sent again: the region refuses to
// commit a transaction twice and answers with the first commit if there was one.
// Whatever else ends the attempts then is reported only after the primary was
// looked up and, if it has no record, marked.
func (cm *committer) onePhase(ctx context.Context) (timestamp.Timestamp, error) {
	floor, err := cm.lowerBound(ctx)
	if err != nil {
		return 0, err
	}
	var lost bool // a request was sent that may have committed
	end := func(err error) (timestamp.Timestamp, error) {
		if !lost {
			return 0, err
		}
		if errors.Is(err, errTwoPhases) {
			err = &AbortedError{StartTS: cm.start, Key: cm.primary, Reason: "its region changed while the answer to its commit was lost"}
		}
		ts, err := cm.settle(err)
		if err != nil {
			return 0, err
		}
		return cm.committedOnce(ctx, ts)
	}
	for attempt := 0; ; attempt++ {
		resp, err := cm.c.opts.Router.Send(ctx, cm.prewriteRequest(cm.muts, floor, true))
		var (
			ambiguous *router.AmbiguousError
			tooLarge  *router.EntryTooLargeError
		)
		switch {
		case err == nil:
		case errors.As(err, &ambiguous):
			lost = true
			if waitErr := cm.c.pause(ctx, attempt); waitErr != nil {
				return end(obstacle(waitErr, err))
			}
			continue
		case errors.Is(err, router.ErrRegionChanged), errors.As(err, &tooLarge):
			cm.c.stats.regionChanges.Add(1)
			return end(errTwoPhases)
		default:
			return end(err)
		}
		r := resp.GetPrewrite()
		if r == nil {
			lost = true
			return end(errMalformed("commit in one phase", resp))
		}
		if r.GetOnePcCommitTs() != 0 {
			return cm.committedOnce(ctx, timestamp.Timestamp(r.GetOnePcCommitTs()))
		}
		committed, locks, fatal := cm.verdict(r.GetErrors())
		switch {
		case committed != 0:
			return cm.committedOnce(ctx, committed)
		case fatal != nil:
			var late *CommitTSTooLargeError
			if !lost && errors.As(fatal, &late) && cm.boundReaches(ctx, late.CommitTS) {
				continue // nothing was written
			}
			return end(fatal)
		case len(locks) == 0 || cm.ownLock(locks):
			// The region chose to lock the keys instead.
			return end(errTwoPhases)
		}
		// Nothing of this transaction stands anywhere, so waiting blocks nobody.
		alive, err := cm.c.passForWrite(ctx, locks)
		if err != nil {
			return end(err)
		}
		if alive != nil {
			if waitErr := cm.c.pause(ctx, attempt); waitErr != nil {
				return end(fmt.Errorf("%w (waiting for the lock of transaction %d on key %x)", waitErr, alive.GetStartTs(), alive.GetKey()))
			}
		}
	}
}

// ownLock reports whether a lock of this transaction is among locks.
func (cm *committer) ownLock(locks []*kvpb.LockInfo) bool {
	for _, l := range locks {
		if l.GetStartTs() == uint64(cm.start) {
			return true
		}
	}
	return false
}

func (cm *committer) committedOnce(ctx context.Context, ts timestamp.Timestamp) (timestamp.Timestamp, error) {
	ts, err := cm.overdue(ctx, ts)
	if err == nil {
		cm.c.stats.onePhase.Add(1)
	}
	return ts, err
}

// prewriteRequest returns the request for some of the mutations.
func (cm *committer) prewriteRequest(muts []*kvpb.Mutation, floor timestamp.Timestamp, onePhase bool) *kvpb.Request {
	q := &kvpb.PrewriteRequest{
		StartTs: uint64(cm.start), Primary: cm.primary, Mutations: muts,
		TtlMs: cm.c.lockLifeMs(cm.beat.began), Gateway: cm.c.opts.Gateway, MinCommitTs: uint64(floor),
		OnePc: onePhase, TxnSize: uint64(len(cm.muts)), ReadTs: uint64(cm.start),
	}
	switch {
	case onePhase:
		q.Reads, q.MaxCommitTs = cm.reads, uint64(cm.bound.max())
	case cm.async:
		q.Async, q.MaxCommitTs = true, uint64(cm.bound.max())
		if cm.hasPrimary(muts) {
			q.Secondaries = cm.secondaries()
		}
	}
	// In two phases the coordinator chooses the timestamp and checks the bound then:
	// it may rise while the locks are written.
	return &kvpb.Request{Cmd: &kvpb.Request_Prewrite{Prewrite: q}}
}
