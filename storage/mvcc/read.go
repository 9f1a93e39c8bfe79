package mvcc

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// Get returns the value of key that is visible at o.TS, or *LockedError. It
// costs one look-up for the lock and one seek for the version.
func Get(r engine.Reader, key keys.User, o ReadOptions) (Value, error) {
	l, err := GetLock(r, key)
	if err != nil {
		return Value{}, err
	}
	if l != nil && o.blockedBy(l) {
		return Value{}, &LockedError{Key: bytes.Clone(key), Lock: *l}
	}
	v, found, err := newestValue(r, key, o.TS)
	if err != nil || !found || v.Kind == Delete {
		return Value{}, err
	}
	return Value{Found: true, Value: v.Value, CommitTS: v.CommitTS}, nil
}

// blockedBy reports whether a read must not pass a lock: the transaction may
// commit, or may have committed, at or below the read timestamp.
func (o *ReadOptions) blockedBy(l *Lock) bool {
	switch {
	case l.Kind == LockOnly, l.Kind == Shared, l.StartTS > o.TS, l.MinCommitTS > o.TS:
		return false
	case o.Own != 0 && l.StartTS == o.Own:
		return false
	}
	return !slices.Contains(o.Ignore, l.StartTS)
}

// GetLock returns the lock on key, or nil.
func GetLock(r engine.Reader, key keys.User) (*Lock, error) {
	b, found, err := r.Get(keys.Lock(key))
	if err != nil {
		return nil, fmt.Errorf("read lock of %v: %w", key, err)
	}
	if !found {
		return nil, nil
	}
	l, err := decodeLock(b)
	if err != nil {
		return nil, fmt.Errorf("read lock of %v: %w", key, err)
	}
	return l, nil
}

func hasMark(r engine.Reader, key keys.User, startTS timestamp.Timestamp) (bool, error) {
	b, found, err := r.Get(keys.RollbackMark(key, startTS))
	if err == nil && found {
		err = checkMark(b)
	}
	if err != nil {
		return false, fmt.Errorf("read rollback mark of %v: %w", key, err)
	}
	return found, nil
}

// versions calls visit for the versions of key at or below ts, newest first,
// until it returns false. The Value points into the iterator.
func versions(r engine.Reader, key keys.User, ts timestamp.Timestamp, visit func(Version) bool) (err error) {
	// A prefix seek never leaves the versions of the key, so no bounds are needed.
	from := keys.DataVersion(key, ts)
	it, err := r.NewIter(engine.IterOptions{})
	if err != nil {
		return fmt.Errorf("read versions of %v: %w", key, err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("read versions of %v: %w", key, cerr)
		}
	}()
	for ok := it.SeekPrefixGE(from); ok; ok = it.Next() {
		_, commitTS, err := splitVersion(it.Key())
		if err != nil {
			return err
		}
		v, err := decodeVersion(it.Value(), commitTS)
		if err != nil {
			if ierr := it.Error(); ierr != nil {
				err = ierr
			}
			return fmt.Errorf("read versions of %v: %w", key, err)
		}
		if !visit(v) {
			return nil
		}
	}
	return nil
}

// newestValue returns the newest version at or below ts that is a put or a
// delete. Its value is a copy.
func newestValue(r engine.Reader, key keys.User, ts timestamp.Timestamp) (out Version, found bool, err error) {
	err = versions(r, key, ts, func(v Version) bool {
		if v.Kind == LockOnly {
			return true
		}
		out, found = v, true
		if v.Kind == Put {
			out.Value = append([]byte{}, v.Value...)
		}
		return false
	})
	return out, found, err
}

// NewestResult is what Newest found.
type NewestResult struct {
	Found bool    // there is a put or a delete
	Value Version // the newest of them; its Value is a copy
	// Any is the commit timestamp of the newest version of any kind, 0 if there is
	// none.
	Any timestamp.Timestamp
	// Changed is the newest put or delete above what was seen that the mode does not go
	// together with, without its value; nil if there is none.
	Changed *Version
}

// Newest returns the newest committed state of a key for a transaction own that is about to lock
// it in a mode and has seen it at seen. It returns *LockedError if another
// transaction's lock stands on the key that excludes this mode.
func Newest(r engine.Reader, key keys.User, own timestamp.Timestamp, mode Mode, seen timestamp.Timestamp) (NewestResult, error) {
	l, err := GetLock(r, key)
	if err != nil {
		return NewestResult{}, err
	}
	if l != nil && l.StartTS != own && mode.Conflicts(l.strength()) {
		return NewestResult{}, &LockedError{Key: bytes.Clone(key), Lock: *l}
	}
	var out NewestResult
	err = versions(r, key, timestamp.Max, func(v Version) bool {
		out.Any = max(out.Any, v.CommitTS)
		if v.Kind == LockOnly {
			return true
		}
		if !out.Found {
			out.Found, out.Value = true, v
			if v.Kind == Put {
				out.Value.Value = append([]byte{}, v.Value...)
			}
		}
		if v.CommitTS <= seen {
			return false
		}
		if mode.Conflicts(v.strength()) {
			v.Value = nil
			out.Changed = &v
			return false
		}
		return true
	})
	return out, err
}

// FindCommit returns when the transaction committed key, or found = false.
func FindCommit(r engine.Reader, key keys.User, startTS timestamp.Timestamp) (commitTS timestamp.Timestamp, found bool, err error) {
	err = versions(r, key, timestamp.Max, func(v Version) bool {
		if v.CommitTS <= startTS {
			return false
		}
		if v.StartTS == startTS {
			commitTS, found = v.CommitTS, true
		}
		return !found
	})
	return commitTS, found, err
}

// splitVersion cuts a data key into the part that all versions of the user key
// share and the commit timestamp.
func splitVersion(key []byte) (prefix []byte, ts timestamp.Timestamp, err error) {
	n := keys.SplitSuffix(key)
	if n < 2 || n == len(key) {
		return nil, 0, fmt.Errorf("%w: key %x is no version", ErrCorrupt, clip(key))
	}
	ts, err = keys.DecodeSuffix(key[n:])
	return key[:n], ts, err
}

// userOf returns the user key inside a prefix that splitVersion returned.
func userOf(prefix []byte) keys.User { return prefix[1 : len(prefix)-1] }
