package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// nextsMax is how many versions a scan steps over before it seeks: a step is
// several times cheaper, unless there are many.
const nextsMax = 4

// Scan returns visible rows in order, or *LockedError for the first lock that
// stands in the way of a row within the limits.
func Scan(r engine.Reader, o ScanOptions) (res ScanResult, err error) {
	if len(o.End) > 0 && bytes.Compare(o.Start, o.End) >= 0 {
		return ScanResult{}, nil
	}
	s := scanner{o: o}
	defer func() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
		if err != nil {
			res = ScanResult{}
		}
	}()
	if err := s.open(r); err != nil {
		return ScanResult{}, err
	}
	if o.Reverse {
		err = s.backward()
	} else {
		err = s.forward()
	}
	if err == nil {
		err = s.checkLocks(r)
	}
	return s.res, err
}

// scanner walks over versions, and then over the locks of where it came. The locks come
// last because a table that is written in two phases leaves the engine much to step over
// where they were, which a short scan of it need not do.
type scanner struct {
	o     ScanOptions
	data  *engine.Iterator
	res   ScanResult
	bytes int

	prefix []byte // of the user key being read
	seek   []byte // scratch
	best   []byte // value of the best version found backwards
	arena  []byte // what rows point into
}

func (s *scanner) open(r engine.Reader) error {
	span := keys.KindSpan(keys.KindData, s.o.Start, s.o.End)
	var err error
	if s.data, err = r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End}); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return nil
}

func (s *scanner) close() error {
	if s.data == nil {
		return nil
	}
	if err := s.data.Close(); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return nil
}

// checkLocks returns *LockedError for a lock in the part that was scanned, on a key with
// or without a version.
func (s *scanner) checkLocks(r engine.Reader) error {
	start, end := s.o.Start, s.o.End
	switch {
	case !s.res.More:
	case s.o.Reverse:
		start = s.res.Resume
	default:
		end = s.res.Resume
	}
	var locked *LockedError // the first in the direction of the scan
	err := visitLocks(r, start, end, func(user keys.User, l *Lock) error {
		if !s.o.blockedBy(l) {
			return nil
		}
		locked = &LockedError{Key: bytes.Clone(user), Lock: *l}
		if s.o.Reverse {
			return nil
		}
		return errStop
	})
	if err == nil && locked != nil {
		return locked
	}
	return err
}

func (s *scanner) forward() error {
	for ok := s.data.First(); ok; ok = s.data.Valid() {
		prefix, _, err := splitVersion(s.data.Key())
		if err != nil {
			return err
		}
		s.prefix = append(s.prefix[:0], prefix...)
		v, found, err := s.visibleForward()
		if err != nil {
			return err
		}
		if found && v.Kind == Put && s.emit(v) {
			s.res.More = true
			s.res.Resume = keys.Next(userOf(s.prefix))
			return nil
		}
		if s.samePrefix() {
			s.data.NextPrefix()
		}
	}
	return s.end()
}

// end returns what ended the scan before its limits.
func (s *scanner) end() error {
	if err := s.data.Error(); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return nil
}

// samePrefix reports whether data still stands on a version of the present key.
func (s *scanner) samePrefix() bool {
	if !s.data.Valid() {
		return false
	}
	k := s.data.Key()
	return bytes.Equal(k[:keys.SplitSuffix(k)], s.prefix)
}

// visibleForward finds the newest put or delete at or below the read timestamp,
// starting at or before it among the versions of the present key. It leaves data
// on that version or behind the key.
func (s *scanner) visibleForward() (Version, bool, error) {
	for steps := 0; s.samePrefix(); steps++ {
		_, ts, err := splitVersion(s.data.Key())
		if err != nil {
			return Version{}, false, err
		}
		if ts > s.o.TS {
			if steps < nextsMax {
				s.data.Next()
			} else {
				s.seek = keys.AppendSuffix(append(s.seek[:0], s.prefix...), s.o.TS)
				s.data.SeekGE(s.seek)
			}
			continue
		}
		v, err := s.version(ts)
		if err != nil {
			return Version{}, false, err
		}
		if v.Kind != LockOnly {
			return v, true, nil
		}
		s.data.Next()
	}
	return Version{}, false, nil
}

// version decodes where data stands.
func (s *scanner) version(ts timestamp.Timestamp) (Version, error) {
	v, err := decodeVersion(s.data.Value(), ts)
	if err != nil {
		return Version{}, fmt.Errorf("scan %v: %w", userOf(s.prefix), errors.Join(err, s.data.Error()))
	}
	return v, nil
}

func (s *scanner) backward() error {
	for ok := s.data.Last(); ok; ok = s.data.Valid() {
		prefix, _, err := splitVersion(s.data.Key())
		if err != nil {
			return err
		}
		s.prefix = append(s.prefix[:0], prefix...)
		v, found, err := s.visibleBackward()
		if err != nil {
			return err
		}
		if found && v.Kind == Put && s.emit(v) {
			s.res.More = true
			s.res.Resume = bytes.Clone(userOf(s.prefix))
			return nil
		}
		if s.samePrefix() {
			s.data.SeekLT(s.prefix)
		}
	}
	return s.end()
}

// visibleBackward is visibleForward for a data iterator that stands on the
// oldest version of the key: it walks towards newer ones and keeps the last that
// is visible. It leaves data on a version of the key or before it.
func (s *scanner) visibleBackward() (best Version, found bool, err error) {
	for steps := 0; s.samePrefix(); steps++ {
		_, ts, err := splitVersion(s.data.Key())
		if err != nil {
			return Version{}, false, err
		}
		if ts > s.o.TS {
			break
		}
		if steps == nextsMax {
			s.seek = keys.AppendSuffix(append(s.seek[:0], s.prefix...), s.o.TS)
			s.data.SeekGE(s.seek)
			if best, found, err = s.visibleForward(); err != nil {
				return Version{}, false, err
			}
			// It may have ended behind the key, and a scan must not turn around.
			s.best = append(s.best[:0], best.Value...)
			best.Value = s.best
			s.data.SeekLT(s.prefix)
			return best, found, nil
		}
		v, err := s.version(ts)
		if err != nil {
			return Version{}, false, err
		}
		if v.Kind != LockOnly {
			// The iterator moves on: keep a copy.
			s.best = append(s.best[:0], v.Value...)
			v.Value = s.best
			best, found = v, true
		}
		s.data.Prev()
	}
	return best, found, nil
}

// emit adds a row and reports whether a limit has been reached.
func (s *scanner) emit(v Version) (full bool) {
	row := Row{Key: s.keep(userOf(s.prefix)), CommitTS: v.CommitTS}
	s.bytes += len(row.Key)
	if !s.o.KeysOnly {
		row.Value = s.keep(v.Value)
		s.bytes += len(row.Value)
	}
	s.res.Rows = append(s.res.Rows, row)
	return (s.o.RowsMax > 0 && len(s.res.Rows) >= s.o.RowsMax) ||
		(s.o.BytesMax > 0 && s.bytes >= s.o.BytesMax)
}

const arenaChunk = 8 << 10

// keep copies b into memory shared by several rows; each row's slice is capped,
// so that appending to it does not touch the next.
func (s *scanner) keep(b []byte) []byte {
	if len(b) > arenaChunk/4 {
		return bytes.Clone(b)
	}
	if len(b) > cap(s.arena)-len(s.arena) {
		s.arena = make([]byte, 0, arenaChunk)
	}
	n := len(s.arena)
	s.arena = append(s.arena, b...)
	return s.arena[n:len(s.arena):len(s.arena)]
}

// ScanLocks returns locks in [start, end) of transactions that started at or
// below maxTS, in key order, at most limit (which must be positive); resume is
// set if there may be more behind them.
func ScanLocks(r engine.Reader, start, end keys.User, maxTS timestamp.Timestamp, limit int) (locks []KeyLock, resume keys.User, err error) {
	if limit <= 0 {
		return nil, nil, fmt.Errorf("scan locks: limit %d is not positive", limit)
	}
	err = visitLocks(r, start, end, func(user keys.User, l *Lock) error {
		if l.StartTS > maxTS {
			return nil
		}
		locks = append(locks, KeyLock{Key: bytes.Clone(user), Lock: *l})
		if len(locks) == limit {
			resume = keys.Next(user)
			return errStop
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return locks, resume, nil
}

// errStop ends a visit without being an error of it.
var errStop = errors.New("stop")

// visitLocks calls visit for every lock in [start, end), in order. The user key
// is valid during the call.
func visitLocks(r engine.Reader, start, end keys.User, visit func(keys.User, *Lock) error) (err error) {
	if len(end) > 0 && bytes.Compare(start, end) >= 0 {
		return nil
	}
	span := keys.KindSpan(keys.KindLock, start, end)
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return fmt.Errorf("scan locks: %w", err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("scan locks: %w", cerr)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		user, err := keys.DecodeUser(it.Key(), keys.KindLock)
		if err != nil {
			return fmt.Errorf("scan locks: %w", err)
		}
		l, err := decodeLock(it.Value())
		if err != nil {
			return fmt.Errorf("scan lock of %v: %w", user, errors.Join(err, it.Error()))
		}
		if err := visit(user, l); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
