package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// waitHoldingLocksMax is how long a younger transaction that may hold locks waits
// for an older one. Two transactions that wait for each other would otherwise do
// so for ever; the older one may wait, so one of them always gets on.
const waitHoldingLocksMax = 100 * time.Millisecond

// commitRounds bounds how often a commit is tried with a later timestamp because
// readers had pushed the primary.
const commitRounds = 50

// twoPhases locks all keys, then commits the primary, then answers; the other
// keys follow in the background.
func (cm *committer) twoPhases(ctx context.Context) (timestamp.Timestamp, error) {
	cm.floor = cm.start
	defer cm.startPrewrites()()
	atLeast, err := cm.prewriteAll(ctx)
	if err != nil {
		cm.cleanUp()
		return 0, cm.awaitWinner(ctx, err)
	}
	ts, err := cm.commitTimestamp(ctx, atLeast)
	if err == nil {
		err = cm.validate(ctx, ts, 0)
	}
	if err != nil {
		cm.cleanUp()
		return 0, err
	}
	ts, done, err := cm.commitPrimary(ctx, ts)
	var unknown *UnknownOutcomeError
	switch {
	case errors.As(err, &unknown):
		// Whoever meets the locks will find out.
		return 0, err
	case err != nil:
		cm.cleanUp()
		return 0, err
	}
	cm.c.stats.twoPhase.Add(1)
	cm.c.settled.put(cm.start, fate{decided: true, commitTS: ts})
	cm.commitSecondaries(ts, done)
	return ts, nil
}

// ---- first phase ----

// startPrewrites prepares the first phase and has the primary's lock kept alive until
// the returned function is called.
func (cm *committer) startPrewrites() (end func()) {
	cm.beat.since = cm.c.opts.Clock.Now()
	cm.c.beats.add(&cm.beat)
	cm.byKey = make(map[string]*kvpb.Mutation, len(cm.muts))
	for _, m := range cm.muts {
		cm.byKey[string(m.GetKey())] = m
	}
	return func() { cm.c.beats.remove(&cm.beat) }
}

// prewriteAll locks all keys and returns a lower bound of the commit timestamp.
// On error some locks may stand.
func (cm *committer) prewriteAll(ctx context.Context) (timestamp.Timestamp, error) {
	var atLeast atomic.Uint64
	groups, err := cm.c.groupKeys(ctx, cm.keys)
	if err != nil {
		return 0, err
	}
	batches := cm.batches(groups)
	if len(batches) > requestsInFlightMax && !cm.async {
		// It will take a while: with the primary first, heartbeats have something
		// to renew, and whoever meets a lock finds the primary.
		for i, b := range batches {
			if cm.hasPrimary(b) {
				batches[0], batches[i] = batches[i], batches[0]
				break
			}
		}
		if err := cm.prewriteBatch(ctx, batches[0], 0, &atLeast); err != nil {
			return 0, err
		}
		batches = batches[1:]
	}
	inFlight := requestsInFlightMax
	if cm.async {
		inFlight = prewritesInFlightMax
	}
	err = parallelUpTo(ctx, inFlight, len(batches), func(ctx context.Context, i int) error {
		return cm.prewriteBatch(ctx, batches[i], 0, &atLeast)
	})
	return timestamp.Timestamp(atLeast.Load()), err
}

// batches cuts the mutations of each region into requests of bounded size.
func (cm *committer) batches(groups []router.KeyGroup) [][]*kvpb.Mutation {
	var out [][]*kvpb.Mutation
	for _, g := range groups {
		var batch []*kvpb.Mutation
		size := 0
		for _, key := range g.Keys {
			m := cm.byKey[string(key)]
			n := mutationBytes(m)
			if len(batch) > 0 && (size+n > cm.c.opts.BatchBytesMax || len(batch) >= cm.c.opts.BatchKeysMax) {
				out, batch, size = append(out, batch), nil, 0
			}
			batch, size = append(batch, m), size+n
		}
		out = append(out, batch)
	}
	return out
}

func (cm *committer) hasPrimary(batch []*kvpb.Mutation) bool {
	for _, m := range batch {
		if bytes.Equal(m.GetKey(), cm.primary) {
			return true
		}
	}
	return false
}

// prewriteBatch locks some keys. Repeating it is harmless, so lost answers and
// region changes only cost another attempt.
func (cm *committer) prewriteBatch(ctx context.Context, batch []*kvpb.Mutation, depth int, atLeast *atomic.Uint64) error {
	var waitUntil time.Time
	for attempt := 0; ; attempt++ {
		cm.sent.Store(true)
		resp, err := cm.c.sendIdempotent(ctx, cm.prewriteRequest(batch, cm.floor, false))
		var tooLarge *router.EntryTooLargeError
		switch {
		case errors.Is(err, router.ErrRegionChanged):
			return cm.prewriteAgain(ctx, batch, depth+1, atLeast)
		case errors.As(err, &tooLarge) && len(batch) > 1:
			half := len(batch) / 2
			if err := cm.prewriteBatch(ctx, batch[:half:half], depth, atLeast); err != nil {
				return err
			}
			return cm.prewriteBatch(ctx, batch[half:], depth, atLeast)
		case err != nil:
			return err
		}
		r := resp.GetPrewrite()
		if r == nil {
			return errMalformed("prewrite", resp)
		}
		if len(r.GetErrors()) == 0 {
			raise(atLeast, r.GetMinCommitTs())
			if cm.hasPrimary(batch) {
				cm.beat.locked.Store(true)
			}
			return nil
		}
		committed, locks, fatal := cm.verdict(r.GetErrors())
		var late *CommitTSTooLargeError
		switch {
		case committed != 0 && cm.async:
			// All locks stood, and somebody who met one has settled this key.
			raise(atLeast, uint64(committed))
			return nil
		case errors.As(fatal, &late) && cm.boundReaches(ctx, late.CommitTS):
			continue // nothing was written
		case committed != 0:
			// Only this coordinator commits, and it has not begun to.
			return fmt.Errorf("transaction %s is committed at %s before its second phase", cm.start, committed)
		case fatal != nil:
			return fatal
		}
		alive, err := cm.c.passForWrite(ctx, locks)
		if err != nil {
			return err
		}
		if alive == nil {
			continue
		}
		now := cm.c.opts.Clock.Now()
		if waitUntil.IsZero() {
			waitUntil = now.Add(waitHoldingLocksMax)
		}
		if alive.GetStartTs() < uint64(cm.start) && !now.Before(waitUntil) {
			cm.blockedBy.Store(alive)
			return &ConflictError{Key: alive.GetKey(), StartTS: cm.start, ConflictStartTS: timestamp.Timestamp(alive.GetStartTs())}
		}
		if err := cm.c.pause(ctx, attempt); err != nil {
			return fmt.Errorf("%w (waiting for the lock of transaction %d on key %x)", err, alive.GetStartTs(), alive.GetKey())
		}
	}
}

// awaitWinner holds back the news that this transaction gave way to one that is
// still on its way, until that one is decided: the same work would only meet it
// again. No lock of this transaction is in its way meanwhile. The wait is bounded
// by the life of a lock that nobody renews.
func (cm *committer) awaitWinner(ctx context.Context, err error) error {
	lock := cm.blockedBy.Load()
	var conflict *ConflictError
	if lock == nil || !errors.As(err, &conflict) || conflict.ConflictCommitTS != 0 {
		return err
	}
	until := cm.c.opts.Clock.Now().Add(cm.c.opts.LockTTL + waitHoldingLocksMax)
	for attempt := 0; cm.c.opts.Clock.Now().Before(until); attempt++ {
		f, inspectErr := cm.c.inspect(ctx, lock, 0)
		if inspectErr != nil {
			return err
		}
		if f.decided {
			conflict.ConflictCommitTS = f.commitTS
			return err
		}
		if cm.c.pause(ctx, attempt) != nil {
			return err
		}
	}
	return err
}

// prewriteAgain groups the keys of a batch whose region has changed.
func (cm *committer) prewriteAgain(ctx context.Context, batch []*kvpb.Mutation, depth int, atLeast *atomic.Uint64) error {
	keys := make([][]byte, len(batch))
	for i, m := range batch {
		keys[i] = m.GetKey()
	}
	groups, err := cm.c.groupAgain(ctx, keys, depth)
	if err != nil {
		return err
	}
	for _, b := range cm.batches(groups) {
		if err := cm.prewriteBatch(ctx, b, depth, atLeast); err != nil {
			return err
		}
	}
	return nil
}

func raise(v *atomic.Uint64, to uint64) {
	for {
		old := v.Load()
		if to <= old || v.CompareAndSwap(old, to) {
			return
		}
	}
}

// ---- second phase ----

// commitTimestamp takes a commit timestamp, which must be asked for after the
// last lock stands and not be below atLeast: readers have passed below it.
func (cm *committer) commitTimestamp(ctx context.Context, atLeast timestamp.Timestamp) (timestamp.Timestamp, error) {
	ts, err := cm.c.Timestamp(ctx)
	if err == nil && ts < atLeast {
		ts, err = cm.c.opts.Timestamps.AtLeast(ctx, atLeast)
		cm.c.observe(ts)
	}
	if err != nil {
		return 0, fmt.Errorf("get commit timestamp: %w", err)
	}
	if limit := cm.bound.max(); limit != 0 && ts > limit && !cm.boundReaches(ctx, ts) {
		return 0, &CommitTSTooLargeError{CommitTS: ts, MaxCommitTS: limit}
	}
	return ts, nil
}

// boundWait is how long a commit waits for its bound to rise. A new leader of the
// oracle begins up to one window (2 s, or 10 s after a rest) ahead of the timestamps that bounds were
// made from; the next renewal makes up for it.
const boundWait = 3 * time.Second

// boundReaches waits until the transaction may commit at ts. It reports false if
// the bound is BoundNever, does not rise in time, or ctx ends.
func (cm *committer) boundReaches(ctx context.Context, ts timestamp.Timestamp) bool {
	began := cm.c.opts.Clock.Now()
	for attempt := 0; ; attempt++ {
		limit := cm.bound.max()
		if limit == 0 || limit >= ts {
			return true
		}
		if limit == BoundNever || cm.c.opts.Clock.Now().Sub(began) > boundWait {
			return false
		}
		if cm.c.pause(ctx, attempt) != nil {
			return false
		}
	}
}

// commitPrimary writes the commit record, which decides the transaction. It also
// returns which keys the request took along. An error other than
// *UnknownOutcomeError means that there is no record and never will be.
//
// Once an answer was lost the request is sent again until one comes, beyond the
// end of ctx if need be.
func (cm *committer) commitPrimary(ctx context.Context, ts timestamp.Timestamp) (_ timestamp.Timestamp, done map[string]bool, _ error) {
	var lost bool
	// detach replaces the statement's context, once, by one of its own.
	var cancel context.CancelFunc
	detach := func() bool {
		if cancel != nil {
			return false
		}
		ctx, cancel = cm.c.detached(cm.c.opts.SettleTimeout)
		return true
	}
	defer func() {
		if cancel != nil {
			cancel()
		}
	}()
	end := func(err error) (timestamp.Timestamp, map[string]bool, error) {
		if !lost {
			return 0, nil, err
		}
		ts, err := cm.settle(err)
		return ts, nil, err
	}
	keys := cm.withPrimary(ctx)
	rounds := 0
	for attempt := 0; ; attempt++ {
		resp, err := cm.c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{
			StartTs: uint64(cm.start), CommitTs: uint64(ts), Keys: keys,
		}}})
		var (
			ambiguous *router.AmbiguousError
			tooLarge  *router.EntryTooLargeError
		)
		switch {
		case err == nil:
		case errors.Is(err, router.ErrRegionChanged), errors.As(err, &tooLarge) && len(keys) > 1:
			keys = [][]byte{cm.primary}
			continue
		case errors.As(err, &ambiguous):
			lost = true
			if waitErr := cm.c.pause(ctx, attempt); waitErr != nil && !detach() {
				return 0, nil, cm.unknown(obstacle(waitErr, err))
			}
			continue
		case lost && ctx.Err() != nil:
			if !detach() {
				return 0, nil, cm.unknown(err)
			}
			continue
		default:
			return end(err)
		}
		r := resp.GetCommit()
		if r == nil {
			lost = true
			return end(errMalformed("commit", resp))
		}
		ke := r.GetError()
		if ke == nil {
			done = make(map[string]bool, len(keys))
			for _, k := range keys {
				done[string(k)] = true
			}
			if lost {
				cm.c.stats.settled.Add(1)
			}
			return ts, done, nil
		}
		switch k := ke.GetKind().(type) {
		case *kvpb.KeyError_Committed:
			if k.Committed.GetCommitTs() == 0 || !bytes.Equal(k.Committed.GetKey(), cm.primary) {
				return end(keyError(ke, cm.start))
			}
			return timestamp.Timestamp(k.Committed.GetCommitTs()), nil, nil
		case *kvpb.KeyError_CommitTsTooSmall:
			// A reader was promised that this transaction commits above it. The lock
			// still stands, so no earlier request has committed or can.
			lost = false
			if rounds++; rounds > commitRounds {
				return 0, nil, &AbortedError{StartTS: cm.start, Key: cm.primary, Reason: "readers kept pushing its commit timestamp"}
			}
			if ts, err = cm.commitTimestamp(ctx, timestamp.Timestamp(k.CommitTsTooSmall.GetMinCommitTs())); err != nil {
				return 0, nil, err
			}
			if err := cm.validate(ctx, ts, rounds); err != nil {
				return 0, nil, err
			}
		default:
			return end(keyError(ke, cm.start))
		}
	}
}

// withPrimary returns the keys that can be committed in one request with the
// primary, which comes first. They must follow it in the key space, as the
// primary is the first key that bears a record.
func (cm *committer) withPrimary(ctx context.Context) [][]byte {
	keys := [][]byte{cm.primary}
	rt, err := cm.c.opts.Router.Lookup(ctx, cm.primary)
	if err != nil {
		return keys
	}
	end := rt.Region.GetEndKey()
	size := mutationBytes(cm.byKey[string(cm.primary)])
	for _, m := range cm.muts {
		if !bearsRecord(m) || bytes.Compare(m.GetKey(), cm.primary) <= 0 {
			continue
		}
		if len(end) > 0 && bytes.Compare(m.GetKey(), end) >= 0 {
			break
		}
		if size += mutationBytes(m); len(keys) >= cm.c.opts.BatchKeysMax || size > cm.c.opts.BatchBytesMax {
			break
		}
		keys = append(keys, m.GetKey())
	}
	return keys
}

// recordKeys returns the keys whose locks become records, without those in done.
func (cm *committer) recordKeys(done map[string]bool) [][]byte {
	keys := make([][]byte, 0, len(cm.muts))
	for _, m := range cm.muts {
		if bearsRecord(m) && !done[string(m.GetKey())] {
			keys = append(keys, m.GetKey())
		}
	}
	return keys
}

// sharedKeys returns the keys whose locks only go.
func (cm *committer) sharedKeys() (keys [][]byte) {
	for _, m := range cm.muts {
		if m.GetOp() == kvpb.MutationOp_LOCK_SHARED {
			keys = append(keys, m.GetKey())
		}
	}
	return keys
}

// sizeOf returns a function that tells how large the mutation of a key is. It
// keeps no values alive.
func (cm *committer) sizeOf() func(key []byte) int {
	sizes := make(map[string]int32, len(cm.muts))
	for _, m := range cm.muts {
		sizes[string(m.GetKey())] = int32(mutationBytes(m))
	}
	return func(key []byte) int { return int(sizes[string(key)]) }
}

func (cm *committer) commitSecondaries(ts timestamp.Timestamp, done map[string]bool) {
	if shared := cm.sharedKeys(); len(shared) > 0 {
		c, start := cm.c, cm.start
		c.work.do(func(ctx context.Context) error {
			return c.perRegion(ctx, shared, limits{keys: c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
				resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{
					StartTs: uint64(start), CommitTs: uint64(ts), Keys: keys,
				}}})
				return resolveAnswer(resp, err)
			})
		})
	}
	keys := cm.recordKeys(done)
	if len(keys) == 0 {
		return
	}
	c, start := cm.c, cm.start
	// Commit moves the values from the locks to the versions: its entries are as
	// large as those of the prewrite.
	lim := limits{keys: c.opts.BatchKeysMax, bytes: c.opts.BatchBytesMax, size: cm.sizeOf()}
	c.work.do(func(ctx context.Context) error {
		return c.perRegion(ctx, keys, lim, func(ctx context.Context, keys [][]byte) error {
			resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{
				StartTs: uint64(start), CommitTs: uint64(ts), Keys: keys,
			}}})
			if err != nil {
				return fmt.Errorf("commit %d secondary keys of transaction %s: %w", len(keys), start, err)
			}
			r := resp.GetCommit()
			if r == nil {
				return errMalformed("commit", resp)
			}
			if ke := r.GetError(); ke != nil {
				c.opts.Logger.Error("secondary key of a committed transaction refused", "txn", uint64(start), "err", keyError(ke, start))
				return keyError(ke, start)
			}
			return nil
		})
	})
}

// cleanUp removes, in the background, the locks that a failed commit may have
// left, and marks the keys against prewrites that are still on their way.
func (cm *committer) cleanUp() {
	keys, c, start, primary := append(cm.recordKeys(nil), cm.sharedKeys()...), cm.c, cm.start, cm.primary
	c.work.do(func(ctx context.Context) error {
		roll := func(ctx context.Context, keys [][]byte) error {
			err := c.rollBack(ctx, start, keys)
			if err != nil {
				return fmt.Errorf("roll back %d keys of transaction %s: %w", len(keys), start, err)
			}
			return nil
		}
		// The primary first: it decides.
		if err := c.perRegion(ctx, [][]byte{primary}, limits{keys: 1}, roll); err != nil {
			return err
		}
		return c.perRegion(ctx, keys, limits{keys: c.opts.BatchKeysMax}, roll)
	})
}

// rollBack removes locks and leaves marks on keys of one region. The answer
// *committedError means that the transaction has committed.
func (c *Client) rollBack(ctx context.Context, start timestamp.Timestamp, keys [][]byte) error {
	resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Rollback{Rollback: &kvpb.RollbackRequest{
		StartTs: uint64(start), Keys: keys,
	}}})
	if err != nil {
		return err
	}
	r := resp.GetRollback()
	if r == nil {
		return errMalformed("roll back", resp)
	}
	if ke := r.GetError(); ke != nil {
		return keyError(ke, start)
	}
	return nil
}
