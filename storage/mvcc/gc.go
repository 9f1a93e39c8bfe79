package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// gcVisitFactor bounds the versions that one GC call reads: limit times this.
const gcVisitFactor = 64

// GC drops from [start, end) what no read at or above safePoint can see: of each
// key every version below the newest put or delete at or below safePoint, that
// one too if it is a delete, lock records at or below safePoint, and the rollback
// marks of transactions that started below it. About limit versions and limit
// marks go at most. The caller has made sure that no lock of a transaction that started
// below safePoint is left, and refuses such transactions.
func GC(b engine.Writer, r engine.Reader, start, end keys.User, safePoint timestamp.Timestamp, limit int) (GCResult, error) {
	if limit <= 0 {
		return GCResult{}, fmt.Errorf("collect garbage: limit %d is not positive", limit)
	}
	g := collector{b: b, safePoint: safePoint, limit: limit}
	if err := g.collectVersions(r, start, end); err != nil {
		return GCResult{}, err
	}
	// Only where the versions are done.
	markEnd := end
	if g.res.More {
		markEnd = keys.Next(g.res.Resume)
	}
	if err := g.collectMarks(r, start, markEnd); err != nil {
		return GCResult{}, err
	}
	return g.res, nil
}

type collector struct {
	b         engine.Writer
	safePoint timestamp.Timestamp
	limit     int
	visited   int
	res       GCResult

	key     keys.User // being read
	kept    int64     // of it
	decided bool      // the newest version at or below safePoint has been seen
	// tombstone is the key of the delete that is that newest version. It hides the
	// older versions, so it goes only after all of them.
	tombstone []byte
}

func (g *collector) collectVersions(r engine.Reader, start, end keys.User) error {
	full := false
	err := visitData(r, start, end, func(user keys.User, v Version) (next, error) {
		if g.key == nil || !bytes.Equal(user, g.key) {
			if err := g.dropTombstone(); err != nil {
				return stop, err
			}
			g.key, g.decided = append(g.key[:0], user...), false
			g.res.Kept, g.kept = g.res.Kept+g.kept, 0
			// Between keys only: going on inside one would find the same again.
			full = g.visited >= g.limit*gcVisitFactor
		}
		g.visited++
		if full || g.res.Versions >= g.limit {
			// The tombstone stays: what it hides may be left.
			g.tombstone, g.kept = nil, 0
			g.res.More, g.res.Resume = true, bytes.Clone(g.key)
			return stop, nil
		}
		switch {
		case v.CommitTS > g.safePoint:
			g.keep(user, v)
			return nextVersion, nil
		case g.decided, v.Kind == LockOnly:
			return nextVersion, g.drop(keys.DataVersion(user, v.CommitTS))
		}
		g.decided = true
		if v.Kind == Delete {
			g.tombstone = keys.DataVersion(user, v.CommitTS)
		} else {
			g.keep(user, v)
		}
		return nextVersion, nil
	})
	if err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	g.res.Kept += g.kept
	return g.dropTombstone()
}

// versionOverhead is what a version takes besides the user key and the value: kind,
// escapes and timestamps.
const versionOverhead = 24

func (g *collector) keep(user keys.User, v Version) {
	g.kept += int64(len(user) + len(v.Value) + versionOverhead)
}

func (g *collector) dropTombstone() error {
	if g.tombstone == nil {
		return nil
	}
	k := g.tombstone
	g.tombstone = nil
	return g.drop(k)
}

func (g *collector) drop(version []byte) error {
	if err := g.b.Delete(version); err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	g.res.Versions++
	return nil
}

func (g *collector) collectMarks(r engine.Reader, start, end keys.User) (err error) {
	if len(end) > 0 && bytes.Compare(start, end) >= 0 {
		return nil
	}
	span := keys.KindSpan(keys.KindRollback, start, end)
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return fmt.Errorf("collect rollback marks: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	visited, full := 0, false
	var key keys.User
	for ok := it.First(); ok; ok = it.Next() {
		user, startTS, err := keys.DecodeVersion(it.Key())
		if err != nil {
			return fmt.Errorf("collect rollback marks: %w", err)
		}
		if key == nil || !bytes.Equal(user, key) {
			key = append(key[:0], user...)
			full = visited >= g.limit*gcVisitFactor
		}
		visited++
		if full || g.res.Marks >= g.limit {
			if !g.res.More || bytes.Compare(user, g.res.Resume) < 0 {
				g.res.More, g.res.Resume = true, bytes.Clone(user)
			}
			return nil
		}
		if startTS >= g.safePoint {
			continue
		}
		if err := g.b.Delete(it.Key()); err != nil {
			return fmt.Errorf("collect rollback marks: %w", err)
		}
		g.res.Marks++
	}
	return nil
}
