package sql

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// What the planner knows of tables. ANALYZE writes a record per table; a node
// remembers those that its statements have asked for and looks now and then, in
// the background, whether there are newer ones. Planning never waits for them.
//
//	ANALYZE ──▶ record in the store ◀── load ── StatisticsLoop ◀── want ── planning
//	writes ──▶ changes ──flush──▶ counter in the store ──▶ automatic ANALYZE

const (
	// statsFresh is how long what a node remembers counts as new.
	statsFresh = 30 * time.Second
	// statsWanted bounds the tables that wait to be looked up. What finds no place is
	// asked for again by the next statement.
	statsWanted = 256
	// autoAnalyzePeriod is autovacuum_naptime.
	autoAnalyzePeriod = time.Minute
	// A table is analyzed again after so many changes and this share of its rows:
	// autovacuum_analyze_threshold and autovacuum_analyze_scale_factor.
	autoAnalyzeChanges = 50
	autoAnalyzeShare   = 0.1
	// guessRowBytes is what a row takes in a region, to guess how many there are.
	guessRowBytes = 100
)

// statistics is what a node remembers. It may be used concurrently.
type statistics struct {
	// gen is raised when something is learned; plans depend on it.
	gen  atomic.Uint64
	want chan catalog.ID

	mu struct {
		sync.Mutex
		tables map[catalog.ID]*knownStats
		// changes counts rows that were written here since they were last told.
		changes map[catalog.ID]int64
	}
}

type knownStats struct {
	st     *stats.Table // nil: there are none
	loaded time.Time
	asked  bool // a look-up is on its way
}

func (k *statistics) init() {
	k.want = make(chan catalog.ID, statsWanted)
	k.mu.tables = map[catalog.ID]*knownStats{}
	k.mu.changes = map[catalog.ID]int64{}
}

// tableStats returns what this node knows of a table, nil for nothing.
func (e *Engine) tableStats(t *catalog.Table) *stats.Table {
	if t.Virtual || t.Temp || !t.IsTable() {
		return nil
	}
	k := &e.known
	now := e.o.Clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.mu.tables[t.ID]
	if known == nil {
		known = &knownStats{}
		k.mu.tables[t.ID] = known
	}
	if !known.asked && now.Sub(known.loaded) > statsFresh {
		select {
		case k.want <- t.ID:
			known.asked = true
		default:
		}
	}
	return known.st
}

// learn remembers what was found; nil says that there is nothing.
func (k *statistics) learn(id catalog.ID, st *stats.Table, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.mu.tables[id]
	if known == nil {
		known = &knownStats{}
		k.mu.tables[id] = known
	}
	old := known.st
	known.st, known.loaded, known.asked = st, now, false
	if (old == nil) != (st == nil) || st != nil && differs(old, st) {
		k.gen.Add(1)
	}
}

// differs reports whether plans may come out differently.
func differs(a, b *stats.Table) bool {
	if a.At.IsZero() && b.At.IsZero() {
		return a.Rows > 2*b.Rows || b.Rows > 2*a.Rows
	}
	return !a.At.Equal(b.At)
}

// changed counts rows that a statement has written.
func (k *statistics) changed(id catalog.ID, n int64) {
	if n == 0 {
		return
	}
	k.mu.Lock()
	k.mu.changes[id] += n
	k.mu.Unlock()
}

// loadStats reads the record of a table; nil if there is none.
func loadStats(ctx context.Context, r catalog.Reader, t *catalog.Table) (*stats.Table, error) {
	b, err := r.Get(ctx, catalog.StatisticsKey(t.ID))
	if err != nil || b == nil {
		return nil, err
	}
	return stats.Decode(b, func(id int16) (types.Type, bool) {
		c := t.Column(id)
		if c == nil || c.Dropped {
			return types.Type{}, false
		}
		return c.Type.Base(), true
	})
}

// StatisticsLoop keeps what this node knows of tables up to date, and, where elected
// says that it is this node's turn, analyzes tables that have changed. It returns
// when ctx ends.
func (e *Engine) StatisticsLoop(ctx context.Context, elected func() bool) {
	tick := e.o.Clock.NewTimer(autoAnalyzePeriod)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case id := <-e.known.want:
			err = e.refreshStats(ctx, id)
		case <-tick.C():
			if err = e.flushChanges(ctx); err == nil && elected() {
				err = e.autoAnalyze(ctx)
			}
			tick = e.o.Clock.NewTimer(autoAnalyzePeriod)
		}
		if err != nil && ctx.Err() == nil {
			e.o.Logger.Debug("statistics are not up to date", "err", err)
			_ = env.Sleep(ctx, e.o.Clock, time.Second)
		}
	}
}

// refreshStats looks a table up. One that was never analyzed is guessed by its size.
func (e *Engine) refreshStats(ctx context.Context, id catalog.ID) (err error) {
	var st *stats.Table
	defer func() {
		if err != nil {
			e.known.mu.Lock()
			defer e.known.mu.Unlock()
			if known := e.known.mu.tables[id]; known != nil {
				known.asked = false
			}
		}
	}()
	tx, err := e.o.Store.Begin(TxnOptions{ReadOnly: true, Autocommit: true})
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if err := tx.Start(ctx); err != nil {
		return err
	}
	snap, err := e.catalog.At(ctx, tx)
	if err != nil {
		return err
	}
	t := snap.Table(id)
	if t == nil {
		e.known.mu.Lock()
		defer e.known.mu.Unlock()
		delete(e.known.mu.tables, id)
		return nil
	}
	if st, err = loadStats(ctx, tx, t); err != nil {
		return err
	}
	if st == nil {
		st = e.guessBySize(ctx, t)
	}
	e.known.learn(id, st, e.o.Clock.Now())
	return nil
}

// guessBySize guesses the number of rows of a table by the regions that hold nothing
// else; nil if there is no such region, as for a small table.
func (e *Engine) guessBySize(ctx context.Context, t *catalog.Table) *stats.Table {
	if e.o.Admin == nil {
		return nil
	}
	start := keys.TablePrefix(t.StorageID)
	end := keys.PrefixEnd(start)
	regions, err := e.o.Admin.Regions(ctx, start, end)
	if err != nil {
		return nil
	}
	size := uint64(0)
	for _, r := range regions {
		if bytes.Compare(r.Start, start) >= 0 && len(r.End) > 0 && bytes.Compare(r.End, end) <= 0 {
			size += r.SizeBytes
		}
	}
	if size == 0 {
		return nil
	}
	return &stats.Table{Rows: float64(size) / guessRowBytes / float64(max(1, len(t.Indexes)))}
}

// flushChanges adds what was counted here to the counters of the cluster.
func (e *Engine) flushChanges(ctx context.Context) error {
	e.known.mu.Lock()
	list := e.known.mu.changes
	e.known.mu.changes = map[catalog.ID]int64{}
	e.known.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		for id, n := range list {
			if snap.Table(id) == nil {
				continue
			}
			key := catalog.ChangesKey(id)
			b, err := tx.Get(ctx, key)
			if err != nil {
				return nil, err
			}
			old, _ := binary.Uvarint(b)
			if err := tx.Put(ctx, key, binary.AppendUvarint(nil, old+uint64(n))); err != nil {
				return nil, err
			}
		}
		return snap, nil
	})
	if err != nil {
		for id, n := range list {
			e.known.changed(id, n)
		}
	}
	return err
}

// autoAnalyze analyzes the tables that have changed much, each in a transaction of
// its own. It waits for nobody, and nobody for it.
func (e *Engine) autoAnalyze(ctx context.Context) error {
	due, err := e.dueTables(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range due {
		s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
		err := s.runOnce(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
			if t := snap.Table(id); t != nil {
				return snap, s.analyzeTable(ctx, tx, t, nil)
			}
			return snap, nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("analyze table %d: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

// dueTables lists the tables that have changed much, and takes away what is kept of
// tables that are gone.
func (e *Engine) dueTables(ctx context.Context) (due []catalog.ID, err error) {
	err = e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		due = nil
		var gone []keys.User
		for prefix, each := range map[string]func(id catalog.ID, value []byte) error{
			string(catalog.ChangesPrefix()): func(id catalog.ID, value []byte) error {
				n, _ := binary.Uvarint(value)
				st, err := loadStats(ctx, tx, snap.Table(id))
				if err != nil {
					return err
				}
				rows := 0.0
				if st != nil {
					rows = st.Rows
				}
				if float64(n) >= autoAnalyzeChanges+autoAnalyzeShare*rows {
					due = append(due, id)
				}
				return nil
			},
			string(catalog.StatisticsPrefix()): func(catalog.ID, []byte) error { return nil },
		} {
			start := keys.User(prefix)
			err := tx.Each(ctx, start, keys.PrefixEnd(start), func(key, value []byte) error {
				_, n, err := keys.DecodeUint(key[len(start):])
				if err != nil {
					return err
				}
				if snap.Table(catalog.ID(n)) == nil {
					gone = append(gone, bytes.Clone(key))
					return nil
				}
				return each(catalog.ID(n), value)
			})
			if err != nil {
				return nil, err
			}
		}
		for _, key := range gone {
			if err := tx.Delete(ctx, key); err != nil {
				return nil, err
			}
		}
		return snap, nil
	})
	return due, err
}
