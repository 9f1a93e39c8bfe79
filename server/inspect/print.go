package inspect

import (
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// errEnough ends a walk at its limit.
var errEnough = errors.New("enough")

// Tombstone says that peers of a region below an id were removed from this store.
type Tombstone struct {
	Region uint64
	Text   string
}

// Tombstones lists the regions that were removed from this store, by id.
func (s *Store) Tombstones() ([]Tombstone, error) {
	var out []Tombstone
	err := s.walk(s.engines.Log, nil, nil, func(k, v []byte) error {
		d, err := keys.DecodeLog(k)
		if err == nil && d.Kind == keys.LogTombstone {
			out = append(out, Tombstone{d.RegionID, raftlog.FormatKV(k, v)})
		}
		return nil
	})
	return out, err
}

// Entry is an entry of a raft log.
type Entry struct {
	Index, Term uint64
	Type        string
	Bytes       int
	Command     string   // what it carries
	Operations  []string // of a write: what it does to the state engine
	Problem     string
}

// Log reads the entries [from, to] of a region's log, at most limit; zero stands for the
// first, the last, and no limit. What a write does is listed with operations set, values
// too with values.
func (s *Store) Log(region, from, to uint64, limit int, operations, values bool) ([]Entry, error) {
	g, err := s.engines.Logs.Group(region)
	if err != nil {
		return nil, err
	}
	first, err := g.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := g.LastIndex()
	if err != nil {
		return nil, err
	}
	from = max(from, first)
	if to == 0 || to > last {
		to = last
	}
	var out []Entry
	for i := from; i <= to && (limit == 0 || len(out) < limit); i++ {
		list, err := g.Entries(i, i+1, 1<<62)
		if err != nil || len(list) != 1 {
			out = append(out, Entry{Index: i, Problem: fmt.Sprint(err)})
			continue
		}
		e := list[0]
		entry := Entry{Index: e.GetIndex(), Term: e.GetTerm(), Type: e.GetType().String(), Bytes: len(e.GetData())}
		var payload []byte
		if entry.Command, payload, err = replica.FormatEntry(e); err != nil {
			entry.Problem = err.Error()
		}
		if operations && payload != nil {
			err := engine.VisitRepr(payload, func(op engine.Op) error {
				entry.Operations = append(entry.Operations, s.operation(op, values))
				return nil
			})
			if err != nil {
				entry.Problem = err.Error()
			}
		}
		out = append(out, entry)
	}
	return out, nil
}

func (s *Store) operation(op engine.Op, values bool) string {
	switch op.Kind {
	case engine.OpSet:
		return "set " + s.Pair(op.Key, op.Value, values)
	case engine.OpDelete:
		return "delete " + s.engineKey(op.Key)
	default:
		return fmt.Sprintf("delete [%s, %s)", s.engineKey(op.Key), s.engineKey(op.End))
	}
}

// engineKey writes a key of the state engine.
func (s *Store) engineKey(k []byte) string {
	d, err := keys.Decode(k)
	if err != nil {
		return keys.Encoded(k).String()
	}
	ts := ""
	if d.HasTS {
		ts = " @" + d.TS.String()
	}
	switch d.Kind {
	case keys.KindData:
		return "data " + s.Key(d.User) + ts
	case keys.KindLock:
		return "lock " + s.Key(d.User)
	case keys.KindRollback:
		return "rollback " + s.Key(d.User) + ts
	}
	return keys.Encoded(k).String()
}

// Pair writes a pair of the state engine; what a row holds only with values.
func (s *Store) Pair(k, v []byte, values bool) string {
	name := s.engineKey(k)
	d, err := keys.Decode(k)
	if err != nil {
		return fmt.Sprintf("%s = %d bytes", name, len(v))
	}
	switch d.Kind {
	case keys.KindData, keys.KindLock, keys.KindRollback:
		text, err := mvcc.FormatValue(k, v, values)
		if err != nil {
			return name + " ! " + err.Error()
		}
		return name + " = " + text
	case keys.KindRegionLocal:
		return name + " = " + replica.FormatLocal(d.Name, v)
	}
	if values {
		return fmt.Sprintf("%s = 0x%x", name, v)
	}
	return fmt.Sprintf("%s = %d bytes", name, len(v))
}

// Keys prints pairs of the state engine, in its order, until print has been called limit
// times (0: no limit): those of a kind (0: all kinds) whose user keys lie in [start, end).
// An empty end is infinity. It reports whether there are more.
func (s *Store) Keys(kind keys.Kind, start, end []byte, limit int, values bool, print func(string)) (more bool, err error) {
	spans := keys.UserSpans(start, end)
	switch kind {
	case 0:
		if len(start) == 0 && len(end) == 0 {
			spans = append(spans, keys.AllRegionLocalSpan(), keys.KindSpan(keys.KindStoreLocal, nil, nil))
		}
	case keys.KindRegionLocal:
		spans = []keys.Span{keys.AllRegionLocalSpan()}
	default:
		spans = []keys.Span{keys.KindSpan(kind, start, end)}
	}
	n := 0
	for _, span := range spans {
		err := s.walk(s.engines.State, span.Start, span.End, func(k, v []byte) error {
			if limit > 0 && n == limit {
				return errEnough
			}
			n++
			print(s.Pair(k, v, values))
			return nil
		})
		if errors.Is(err, errEnough) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}
