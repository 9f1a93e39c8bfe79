package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// CheckTxnStatus decides what became of a transaction by its primary. A lock
// whose life is over, or whose gateway is lost, is rolled back with a mark, unless it is async: then the
// state is TxnLocked with no life left, and the caller looks at the secondaries.
// It returns *NotPrimaryError if the lock on the key belongs to another primary.
func CheckTxnStatus(b engine.Writer, r engine.Reader, p CheckTxnParams) (TxnStatus, error) {
	if p.StartTS == 0 || p.CallerTS >= timestamp.Max {
		return TxnStatus{}, fmt.Errorf("check transaction %v: caller timestamp %v out of range", p.StartTS, p.CallerTS)
	}
	l, err := GetLock(r, p.Primary)
	if err != nil {
		return TxnStatus{}, err
	}
	if l != nil && l.StartTS == p.StartTS {
		return checkLocked(b, l, p)
	}
	return withoutLock(b, r, p.Primary, p.StartTS, p.RollbackIfMissing)
}

// checkLocked decides about a transaction whose lock stands on the key.
func checkLocked(b engine.Writer, l *Lock, p CheckTxnParams) (TxnStatus, error) {
	if !bytes.Equal(l.Primary, p.Primary) {
		return TxnStatus{}, &NotPrimaryError{Key: bytes.Clone(p.Primary), StartTS: p.StartTS, Primary: l.Primary}
	}
	left := l.TTLLeftMs(p.Now)
	if p.GatewayLost {
		left = 0
	}
	if p.Force || (left == 0 && !l.Async) {
		if err := dropLock(b, p.Primary); err != nil {
			return TxnStatus{}, err
		}
		if err := putMark(b, p.Primary, p.StartTS); err != nil {
			return TxnStatus{}, err
		}
		return TxnStatus{State: TxnRolledBack}, nil
	}
	st := TxnStatus{State: TxnLocked, TTLLeftMs: left, Lock: l}
	// The commit timestamp of an async transaction follows from its locks; it
	// cannot be pushed any more.
	if p.CallerTS != 0 && !l.Async && l.MinCommitTS <= p.CallerTS {
		l.MinCommitTS = p.CallerTS + 1
		st.Pushed = true
		if err := putLock(b, p.Primary, l); err != nil {
			return TxnStatus{}, err
		}
	}
	return st, nil
}

// CheckSecondary tells what became of one key of a transaction in async commit:
// TxnLocked with the lock, TxnCommitted, TxnRolledBack or TxnMissing. With
// rollbackIfMissing a missing key is marked, so that no prewrite of it can come any
// more and the transaction is not committed ever; b may be nil without it. A lock is
// left as it is, however old.
func CheckSecondary(b engine.Writer, r engine.Reader, key keys.User, startTS timestamp.Timestamp, rollbackIfMissing bool) (TxnStatus, error) {
	l, err := GetLock(r, key)
	if err != nil {
		return TxnStatus{}, err
	}
	if l != nil && l.StartTS == startTS {
		return TxnStatus{State: TxnLocked, Lock: l}, nil
	}
	return withoutLock(b, r, key, startTS, rollbackIfMissing)
}

// withoutLock tells what became of a transaction by a key that it has not locked.
func withoutLock(b engine.Writer, r engine.Reader, key keys.User, startTS timestamp.Timestamp, rollbackIfMissing bool) (TxnStatus, error) {
	commitTS, found, err := FindCommit(r, key, startTS)
	if err != nil {
		return TxnStatus{}, err
	}
	if found {
		return TxnStatus{State: TxnCommitted, CommitTS: commitTS}, nil
	}
	marked, err := hasMark(r, key, startTS)
	if err != nil {
		return TxnStatus{}, err
	}
	if marked {
		return TxnStatus{State: TxnRolledBack}, nil
	}
	if !rollbackIfMissing {
		return TxnStatus{State: TxnMissing}, nil
	}
	if err := putMark(b, key, startTS); err != nil {
		return TxnStatus{}, err
	}
	return TxnStatus{State: TxnRolledBack}, nil
}

// Heartbeat raises the life of the primary's lock to ttlMs, counted from the
// start of the transaction, and returns the life that it has then: it never
// becomes shorter. Without the lock it returns *CommittedError, *AbortedError or
// *TxnNotFoundError.
func Heartbeat(b engine.Writer, r engine.Reader, primary keys.User, startTS timestamp.Timestamp, ttlMs uint64) (uint64, error) {
	l, err := GetLock(r, primary)
	if err != nil {
		return 0, err
	}
	if l == nil || l.StartTS != startTS {
		// No commit timestamp is zero, so a commit is reported too.
		return 0, commitWithoutLock(r, primary, startTS, 0)
	}
	if !bytes.Equal(l.Primary, primary) {
		return 0, &NotPrimaryError{Key: bytes.Clone(primary), StartTS: startTS, Primary: l.Primary}
	}
	if ttlMs <= l.TTLms {
		return l.TTLms, nil
	}
	l.TTLms = ttlMs
	if err := putLock(b, primary, l); err != nil {
		return 0, err
	}
	return ttlMs, nil
}

// ValidateSpan checks that no other transaction than own has committed a change
// in [start, end) within (readTS, commitTS], and that none can any more: it
// returns *WriteConflictError for a version and *LockedError for a lock that
// could still commit there. Lock records change nothing and do not count. Locks
// of the transactions in ignore are known to be no obstacle. The caller has raised
// max_ts to commitTS before. An empty end is no upper bound.
func ValidateSpan(r engine.Reader, start, end keys.User, own, readTS, commitTS timestamp.Timestamp, ignore []timestamp.Timestamp) error {
	o := ReadOptions{TS: commitTS, Own: own, Ignore: ignore}
	err := visitLocks(r, start, end, func(user keys.User, l *Lock) error {
		if o.blockedBy(l) {
			return &LockedError{Key: bytes.Clone(user), Lock: *l}
		}
		return nil
	})
	if err != nil || readTS >= commitTS {
		return err
	}
	return visitData(r, start, end, func(user keys.User, v Version) (next, error) {
		switch {
		case v.CommitTS > commitTS || v.StartTS == own || v.Kind == LockOnly && v.CommitTS > readTS:
			return nextVersion, nil
		case v.CommitTS <= readTS:
			return nextKey, nil
		}
		return stop, &WriteConflictError{
			Key: bytes.Clone(user), StartTS: own,
			ConflictStartTS: v.StartTS, ConflictCommitTS: v.CommitTS,
		}
	})
}

// next tells visitData where to go on.
type next uint8

const (
	nextVersion next = iota
	nextKey
	stop
)

// visitData calls visit for the versions in [start, end), key by key, newest
// first. User key and value are valid during the call.
func visitData(r engine.Reader, start, end keys.User, visit func(keys.User, Version) (next, error)) (err error) {
	if len(end) > 0 && bytes.Compare(start, end) >= 0 {
		return nil
	}
	span := keys.KindSpan(keys.KindData, start, end)
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return fmt.Errorf("scan versions: %w", err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("scan versions: %w", cerr)
		}
	}()
	for ok := it.First(); ok; {
		prefix, ts, err := splitVersion(it.Key())
		if err != nil {
			return fmt.Errorf("scan versions: %w", err)
		}
		v, err := decodeVersion(it.Value(), ts)
		if err != nil {
			return fmt.Errorf("scan versions of %v: %w", userOf(prefix), errors.Join(err, it.Error()))
		}
		where, err := visit(userOf(prefix), v)
		if err != nil {
			return err
		}
		switch where {
		case nextVersion:
			ok = it.Next()
		case nextKey:
			ok = it.NextPrefix()
		default:
			return nil
		}
	}
	return nil
}
