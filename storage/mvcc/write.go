package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// Prewrite locks one key for a transaction. It refuses with *LockedError (a
// foreign lock), *AbortedError (a rollback mark), *WriteConflictError (a foreign
// version, lock records included, above the start or for-update timestamp) and,
// by the mutation's constraint, *AlreadyExistsError or *NotExistsError.
//
// It may be repeated: if the transaction's own lock stands it is left alone, and
// if the transaction has committed the key the result says so.
func Prewrite(b engine.Writer, r engine.Reader, m Mutation, p PrewriteParams) (PrewriteResult, error) {
	if err := checkMutation(m, p.StartTS); err != nil {
		return PrewriteResult{}, fmt.Errorf("prewrite %v: %w", m.Key, err)
	}
	switch {
	case len(p.Primary) == 0:
		return PrewriteResult{}, fmt.Errorf("prewrite %v: no primary", m.Key)
	case p.TTLms == 0:
		return PrewriteResult{}, fmt.Errorf("prewrite %v: no time to live", m.Key)
	case len(p.Secondaries) > secondariesMax:
		return PrewriteResult{}, fmt.Errorf("prewrite %v: %d secondaries exceed the limit of %d", m.Key, len(p.Secondaries), secondariesMax)
	}
	own, err := foreignLock(r, m.Key, p.StartTS)
	if err != nil {
		return PrewriteResult{}, err
	}
	if own != nil {
		return PrewriteResult{Repeated: true, MinCommitTS: own.MinCommitTS, Async: own.Async}, nil
	}
	c, err := checkConflict(r, m, p.StartTS)
	if err != nil {
		return PrewriteResult{}, err
	}
	if c.committed != 0 {
		return PrewriteResult{CommitTS: c.committed}, nil
	}
	l := &Lock{
		Kind:        m.Kind,
		Primary:     p.Primary,
		StartTS:     p.StartTS,
		TTLms:       p.TTLms,
		ForUpdateTS: m.ForUpdateTS,
		MinCommitTS: max(p.MinCommitTS, c.above),
		TxnSize:     p.TxnSize,
		Gateway:     p.Gateway,
		Async:       p.Async,
	}
	l.Held = m.recorded()
	if m.Kind == Put {
		l.Value = m.Value
	}
	if p.Async && bytes.Equal(m.Key, p.Primary) {
		l.Secondaries = p.Secondaries
	}
	if err := putLock(b, m.Key, l); err != nil {
		return PrewriteResult{}, err
	}
	return PrewriteResult{MinCommitTS: l.MinCommitTS, Async: l.Async}, nil
}

func checkMutation(m Mutation, startTS timestamp.Timestamp) error {
	switch {
	case m.Kind < Put || m.Kind > Shared:
		return fmt.Errorf("invalid kind %d", m.Kind)
	case len(m.Key) == 0:
		return errors.New("empty key")
	case startTS == 0 || startTS >= timestamp.Max || m.ForUpdateTS >= timestamp.Max:
		return fmt.Errorf("start timestamp %d, for-update timestamp %d out of range", startTS, m.ForUpdateTS)
	case m.Constraint > MustExist:
		return fmt.Errorf("invalid constraint %d", m.Constraint)
	case m.Held > ModeUpdate:
		return fmt.Errorf("invalid lock mode %d", m.Held)
	}
	return nil
}

// conflicts reports whether a version above those that a mutation knows of is in its
// way. Two changes are in each other's way. Otherwise it counts whether the locks exclude
// each other: then one of the two was lost, and its transaction must not believe that it
// had it. Who changes a row that he has not locked was promised nothing, so that traces do
// not concern him, unless he takes away the key which they stand for.
func (m *Mutation) conflicts(v Version) bool {
	changes := m.Kind == Put || m.Kind == Delete
	switch {
	case changes && v.Kind != LockOnly:
		return true
	case m.Held == 0 && m.Kind != Shared && v.trace():
		return changes && m.Strength() == ModeUpdate
	}
	return m.Strength().Conflicts(v.strength())
}

// foreignLock returns the transaction's own lock on key or nil, and
// *LockedError if another transaction's stands there.
func foreignLock(r engine.Reader, key keys.User, startTS timestamp.Timestamp) (own *Lock, err error) {
	l, err := GetLock(r, key)
	if err != nil || l == nil {
		return nil, err
	}
	if l.StartTS != startTS {
		return nil, &LockedError{Key: bytes.Clone(key), Lock: *l}
	}
	return l, nil
}

// checked is what checkConflict found.
type checked struct {
	committed timestamp.Timestamp // not zero: the transaction has committed the key
	above     timestamp.Timestamp // the smallest commit timestamp that fits
}

// checkConflict decides whether a transaction without a lock on the key may
// change it.
func checkConflict(r engine.Reader, m Mutation, startTS timestamp.Timestamp) (checked, error) {
	if m.Quiet {
		if invariants.Enabled {
			if err := assertQuiet(r, m.Key, startTS); err != nil {
				return checked{}, err
			}
		}
		if m.Constraint == NoConstraint {
			return checked{above: max(startTS, m.ForUpdateTS) + 1}, nil
		}
	}
	marked, err := hasMark(r, m.Key, startTS)
	if err != nil {
		return checked{}, err
	}
	if marked {
		return checked{}, &AbortedError{Key: bytes.Clone(m.Key), StartTS: startTS}
	}
	limit := max(startTS, m.ForUpdateTS)
	var (
		newest, value       Version // newest of all; newest put or delete
		committed           timestamp.Timestamp
		haveNewest, haveVal bool
	)
	above := limit
	err = versions(r, m.Key, timestamp.Max, func(v Version) bool {
		above = max(above, v.CommitTS)
		if !haveNewest && m.conflicts(v) {
			newest, haveNewest = v, true
			newest.Value = nil
		}
		if v.CommitTS > startTS && v.StartTS == startTS {
			committed = v.CommitTS
			return false
		}
		if !haveVal && v.Kind != LockOnly {
			value, haveVal = v, true
			value.Value = nil
			if m.Constraint == MustNotExist {
				value.Value = bytes.Clone(v.Value) // for the error
			}
		}
		// Above the limit the transaction's own commit may follow; below it only the
		// newest value matters, if at all.
		return v.CommitTS > limit || (!haveVal && m.Constraint != NoConstraint)
	})
	if err != nil {
		return checked{}, err
	}
	if committed != 0 {
		return checked{committed: committed}, nil
	}
	if haveNewest && newest.CommitTS > limit {
		return checked{}, &WriteConflictError{
			Key: bytes.Clone(m.Key), StartTS: startTS,
			ConflictStartTS: newest.StartTS, ConflictCommitTS: newest.CommitTS,
		}
	}
	exists := haveVal && value.Kind == Put
	switch {
	case m.Constraint == MustNotExist && exists:
		return checked{}, &AlreadyExistsError{Key: bytes.Clone(m.Key), Value: value.Value, CommitTS: value.CommitTS}
	case m.Constraint == MustExist && !exists:
		return checked{}, &NotExistsError{Key: bytes.Clone(m.Key)}
	}
	return checked{above: above + 1}, nil
}

// assertQuiet asserts what Mutation.Quiet says.
func assertQuiet(r engine.Reader, key keys.User, startTS timestamp.Timestamp) error {
	marked, err := hasMark(r, key, startTS)
	if err != nil {
		return err
	}
	invariants.Assert(!marked, "%v is called quiet since %v and has a rollback mark", key, startTS)
	return versions(r, key, timestamp.Max, func(v Version) bool {
		invariants.Assert(v.CommitTS < startTS, "%v is called quiet since %v and has a version at %v", key, startTS, v.CommitTS)
		return false
	})
}

// OnePC checks each mutation as Prewrite does and writes versions at commitTS
// directly. It returns commitTS, or the timestamp at which the transaction turns
// out to have committed before; nothing was written then. Beyond Prewrite's
// errors it returns *OwnLockError and *CommitTSTooSmallError. The keys must be
// distinct.
func OnePC(b engine.Writer, r engine.Reader, muts []Mutation, startTS, commitTS timestamp.Timestamp) (timestamp.Timestamp, error) {
	if commitTS <= startTS || commitTS >= timestamp.Max {
		return 0, fmt.Errorf("one-phase commit: commit timestamp %v does not follow %v", commitTS, startTS)
	}
	for _, m := range muts {
		if err := checkMutation(m, startTS); err != nil {
			return 0, fmt.Errorf("one-phase commit of %v: %w", m.Key, err)
		}
		own, err := foreignLock(r, m.Key, startTS)
		if err != nil {
			return 0, err
		}
		if own != nil {
			return 0, &OwnLockError{Key: bytes.Clone(m.Key), StartTS: startTS}
		}
		c, err := checkConflict(r, m, startTS)
		if err != nil {
			return 0, err
		}
		if c.committed != 0 {
			return c.committed, nil
		}
		if c.above > commitTS {
			return 0, &CommitTSTooSmallError{Key: bytes.Clone(m.Key), StartTS: startTS, CommitTS: commitTS, MinCommitTS: c.above}
		}
	}
	for _, m := range muts {
		if m.Kind == Shared {
			if err := putTrace(b, r, m.Key, startTS, commitTS, m.Held); err != nil {
				return 0, err
			}
			continue
		}
		v := Version{Kind: m.Kind, StartTS: startTS, CommitTS: commitTS, Held: m.recorded()}
		if m.Kind == Put {
			v.Value = m.Value
		}
		if err := putVersion(b, m.Key, v); err != nil {
			return 0, err
		}
	}
	return commitTS, nil
}

// Commit turns the transaction's lock on key into a version, a shared lock into a
// trace. Repeating it is harmless, but for a shared lock, whose trace may be gone. It
// refuses with *CommitTSTooSmallError, *AbortedError if a mark
// stands, *CommittedError if the key was committed at another timestamp, and
// *TxnNotFoundError.
func Commit(b engine.Writer, r engine.Reader, key keys.User, startTS, commitTS timestamp.Timestamp) error {
	if startTS == 0 || commitTS <= startTS || commitTS >= timestamp.Max {
		return fmt.Errorf("commit %v: commit timestamp %v does not follow %v", key, commitTS, startTS)
	}
	l, err := GetLock(r, key)
	if err != nil {
		return err
	}
	if l == nil || l.StartTS != startTS {
		return commitWithoutLock(r, key, startTS, commitTS)
	}
	if l.MinCommitTS > commitTS {
		return &CommitTSTooSmallError{Key: bytes.Clone(key), StartTS: startTS, CommitTS: commitTS, MinCommitTS: l.MinCommitTS}
	}
	if l.Kind == Shared {
		if err := putTrace(b, r, key, startTS, commitTS, l.Held); err != nil {
			return err
		}
		return dropLock(b, key)
	}
	v := Version{Kind: l.Kind, StartTS: startTS, CommitTS: commitTS, Value: l.Value, Held: l.Held}
	if err := putVersion(b, key, v); err != nil {
		return err
	}
	return dropLock(b, key)
}

// putTrace writes what a shared lock leaves. A trace right below is of no more use: the
// new one takes its place, and its mode if that is stronger. So a row that many lock in
// turn does not pile them up.
func putTrace(b engine.Writer, r engine.Reader, key keys.User, startTS, commitTS timestamp.Timestamp, held Mode) error {
	if held == 0 {
		held = ModeShare
	}
	var below *Version
	err := versions(r, key, timestamp.Max, func(v Version) bool {
		if v.trace() {
			below = &Version{CommitTS: v.CommitTS, Held: v.Held}
		}
		return false
	})
	if err != nil {
		return err
	}
	if below != nil && below.CommitTS < commitTS {
		held = max(held, below.Held)
		if err := dropVersion(b, key, below.CommitTS); err != nil {
			return err
		}
	}
	return putVersion(b, key, Version{Kind: LockOnly, StartTS: startTS, CommitTS: commitTS, Held: held})
}

// CheckHeld reports with *WriteConflictError that a row lock of a transaction has not
// kept what it promises: a version above what it has shown, or a lock of another
// transaction that is about to commit, which it excludes.
func CheckHeld(r engine.Reader, key keys.User, held Mode, startTS, forUpdateTS timestamp.Timestamp) error {
	m := Mutation{Kind: LockOnly, Key: key, Held: held, ForUpdateTS: forUpdateTS}
	if err := checkMutation(m, startTS); err != nil {
		return fmt.Errorf("check a row lock on %v: %w", key, err)
	}
	l, err := GetLock(r, key)
	if err != nil {
		return err
	}
	if l != nil && l.StartTS != startTS {
		comes := Version{Kind: l.Kind, Held: l.Held}
		if l.Kind == Shared {
			comes = Version{Kind: LockOnly, Held: max(l.Held, ModeKeyShare)}
		}
		if m.conflicts(comes) {
			return &WriteConflictError{Key: bytes.Clone(key), StartTS: startTS, ConflictStartTS: l.StartTS}
		}
	}
	_, err = checkConflict(r, m, startTS)
	return err
}

func commitWithoutLock(r engine.Reader, key keys.User, startTS, commitTS timestamp.Timestamp) error {
	was, found, err := FindCommit(r, key, startTS)
	if err != nil {
		return err
	}
	if found {
		if was == commitTS {
			return nil
		}
		return &CommittedError{Key: bytes.Clone(key), StartTS: startTS, CommitTS: was}
	}
	marked, err := hasMark(r, key, startTS)
	if err != nil {
		return err
	}
	if marked {
		return &AbortedError{Key: bytes.Clone(key), StartTS: startTS}
	}
	return &TxnNotFoundError{Key: bytes.Clone(key), StartTS: startTS}
}

// Rollback removes the transaction's lock on key and, with mark, leaves a mark
// that refuses every later prewrite. Without mark the caller vouches that no
// prewrite is on its way. It returns *CommittedError if the transaction has
// committed the key. Repeating it is harmless.
func Rollback(b engine.Writer, r engine.Reader, key keys.User, startTS timestamp.Timestamp, mark bool) error {
	l, err := GetLock(r, key)
	if err != nil {
		return err
	}
	if l != nil && l.StartTS == startTS {
		if err := dropLock(b, key); err != nil {
			return err
		}
	} else {
		commitTS, found, err := FindCommit(r, key, startTS)
		if err != nil {
			return err
		}
		if found {
			return &CommittedError{Key: bytes.Clone(key), StartTS: startTS, CommitTS: commitTS}
		}
	}
	if !mark {
		return nil
	}
	return putMark(b, key, startTS)
}

func putLock(b engine.Writer, key keys.User, l *Lock) error {
	if err := b.Set(keys.Lock(key), encodeLock(l)); err != nil {
		return fmt.Errorf("write lock of %v: %w", key, err)
	}
	return nil
}

func dropLock(b engine.Writer, key keys.User) error {
	if err := b.Delete(keys.Lock(key)); err != nil {
		return fmt.Errorf("remove lock of %v: %w", key, err)
	}
	return nil
}

func putVersion(b engine.Writer, key keys.User, v Version) error {
	invariants.Assert(v.CommitTS > v.StartTS, "version of %v: commit %v, start %v", key, v.CommitTS, v.StartTS)
	if err := b.Set(keys.DataVersion(key, v.CommitTS), encodeVersion(v)); err != nil {
		return fmt.Errorf("write version of %v: %w", key, err)
	}
	return nil
}

func dropVersion(b engine.Writer, key keys.User, commitTS timestamp.Timestamp) error {
	if err := b.Delete(keys.DataVersion(key, commitTS)); err != nil {
		return fmt.Errorf("remove version of %v: %w", key, err)
	}
	return nil
}

func putMark(b engine.Writer, key keys.User, startTS timestamp.Timestamp) error {
	if err := b.Set(keys.RollbackMark(key, startTS), encodeMark()); err != nil {
		return fmt.Errorf("write rollback mark of %v: %w", key, err)
	}
	return nil
}
