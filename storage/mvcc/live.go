package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// VisitLive calls visit for every pair of [start, end) that a complete GC at
// safePoint would leave, kind by kind, in the order of the engine: versions, locks,
// rollback marks, raw values. So replicas that have collected more or less of their
// garbage show the same. Key and value are valid during the call.
func VisitLive(r engine.Reader, start, end keys.User, safePoint timestamp.Timestamp, visit func(key, value []byte) error) error {
	v := liveVersions{safePoint: safePoint}
	for _, k := range []struct {
		kind keys.Kind
		live func(key, value []byte) (bool, error)
	}{
		{keys.KindData, v.live},
		{keys.KindLock, func([]byte, []byte) (bool, error) { return true, nil }},
		{keys.KindRollback, func(key, _ []byte) (bool, error) {
			_, startTS, err := keys.DecodeVersion(key)
			return startTS >= safePoint, err
		}},
		{keys.KindRaw, func([]byte, []byte) (bool, error) { return true, nil }},
	} {
		if err := visitKind(r, keys.KindSpan(k.kind, start, end), k.live, visit); err != nil {
			return fmt.Errorf("visit kind %c: %w", k.kind, err)
		}
	}
	return nil
}

func visitKind(r engine.Reader, span keys.Span, live func(key, value []byte) (bool, error), visit func(key, value []byte) error) (err error) {
	if bytes.Equal(span.Start, span.End) {
		return nil
	}
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value := it.Value()
		is, err := live(it.Key(), value)
		if err != nil {
			return errors.Join(err, it.Error())
		}
		if is {
			if err := visit(it.Key(), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// liveVersions tells the versions of one key after the other, newest first.
type liveVersions struct {
	safePoint timestamp.Timestamp
	key       []byte
	decided   bool // the newest put or delete at or below safePoint was seen
}

func (l *liveVersions) live(key, value []byte) (bool, error) {
	prefix, ts, err := splitVersion(key)
	if err != nil {
		return false, err
	}
	v, err := decodeVersion(value, ts)
	if err != nil {
		return false, err
	}
	if l.key == nil || !bytes.Equal(prefix, l.key) {
		l.key, l.decided = append(l.key[:0], prefix...), false
	}
	switch {
	case ts > l.safePoint:
		return true, nil
	case l.decided, v.Kind == LockOnly:
		return false, nil
	}
	l.decided = true
	return v.Kind == Put, nil
}
