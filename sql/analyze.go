package sql

import (
	"bytes"
	"context"
	"math/big"
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

const (
	// analyzeWhole is the size up to which a table is read as a whole.
	analyzeWhole = 256 << 20
	// Of a larger one so many pieces are read of each region, rows in all.
	analyzePieces = 8
	analyzeRows   = 10 * stats.SampleRows
)

// vacuum is VACUUM, which has nothing to do but checks its tables, and ANALYZE.
func (s *Session) vacuum(ctx context.Context, st *ast.Vacuum, text string) error {
	if s.tx.block && !st.AnalyzeOnly {
		return sqlerr.New(sqlerr.ActiveSQLTransaction, "VACUUM cannot run inside a transaction block")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	analyze := st.AnalyzeOnly
	for _, o := range st.Options {
		if o.Name == "analyze" && o.Value != "false" && o.Value != "off" && o.Value != "0" {
			analyze = true
		}
	}
	if analyze && s.tx.readOnly {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", st.Tag())
	}
	s.tx.queried = true
	if len(st.Tables) == 0 && analyze {
		for _, t := range s.tx.snap.Tables() {
			if t.Virtual || !t.IsTable() {
				continue
			}
			if owns, err := s.owns(t.OwnerID()); err != nil {
				return err
			} else if !owns {
				continue
			}
			if err := s.analyzeTable(ctx, s.tx.tx, t, nil); err != nil {
				return err
			}
		}
		return nil
	}
	for _, ref := range st.Tables {
		t, err := s.table(ref.Table, text)
		if err != nil {
			return err
		}
		cols, err := s.analyzedColumns(t, ref)
		if err != nil {
			return err
		}
		owns, err := s.owns(t.OwnerID())
		if err != nil {
			return err
		}
		if !owns {
			what := map[bool]string{true: "analyze", false: "vacuum"}[st.AnalyzeOnly]
			s.warn(sqlerr.Warning, "skipping \"%s\" --- only table or database owner can %s it", t.Name, what)
			continue
		}
		if !analyze {
			continue
		}
		if err := s.analyzeTable(ctx, s.tx.tx, t, cols); err != nil {
			return err
		}
	}
	return nil
}

// analyzedColumns finds the columns that ANALYZE names; nil for all.
func (s *Session) analyzedColumns(t *catalog.Table, ref ast.VacuumTable) (out []int16, err error) {
	for _, name := range ref.Columns {
		c := t.ColumnByName(name.Name)
		switch {
		case c == nil:
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", name.Name, t.Name)
		case slices.Contains(out, c.ID):
			return nil, sqlerr.New(sqlerr.DuplicateColumn, "column \"%s\" of relation \"%s\" appears more than once", name.Name, t.Name)
		}
		out = append(out, c.ID)
	}
	return out, nil
}

// analyzeTable looks at the rows of a table and puts what it found into tx. Columns
// that are not in only keep what was known of them; nil is all.
func (s *Session) analyzeTable(ctx context.Context, tx Txn, t *catalog.Table, only []int16) error {
	if t.Temp {
		return nil // its rows are in memory, and few
	}
	a, err := newAnalysis(s, tx, t, only)
	if err != nil {
		return err
	}
	if err := a.read(ctx); err != nil {
		return err
	}
	st := &stats.Table{Rows: a.rows, At: s.e.o.Clock.Now().UTC(), Columns: map[int16]*stats.Column{}}
	if only != nil {
		old, err := loadStats(ctx, tx, t)
		if err != nil {
			return err
		}
		if old != nil {
			for id, c := range old.Columns {
				st.Columns[id] = c
			}
		}
	}
	for i, id := range a.ids {
		st.Columns[id] = a.sample.Finish(i, a.rows)
	}
	b, err := stats.Encode(st)
	if err != nil {
		return err
	}
	if err := tx.Put(ctx, catalog.StatisticsKey(t.ID), b); err != nil {
		return err
	}
	if err := tx.Delete(ctx, catalog.ChangesKey(t.ID)); err != nil {
		return err
	}
	s.tx.afterCommit = append(s.tx.afterCommit, func(context.Context) error {
		s.e.known.learn(t.ID, st, s.e.o.Clock.Now())
		s.e.known.mu.Lock()
		defer s.e.known.mu.Unlock()
		delete(s.e.known.mu.changes, t.ID)
		return nil
	})
	return nil
}

// analysis reads a sample of the rows of a table.
type analysis struct {
	e      *Engine
	tx     Txn
	t      *catalog.Table
	ids    []int16
	fetch  *rowcodec.Fetcher
	span   Span
	sample *stats.Sampler
	row    []types.Datum
	bytes  int64 // of the pairs that were read
	rows   float64
}

func newAnalysis(s *Session, tx Txn, t *catalog.Table, only []int16) (*analysis, error) {
	a := &analysis{e: s.e, tx: tx, t: t}
	x, err := rowcodec.NewIndex(t, t.Primary())
	if err != nil {
		return nil, err
	}
	var places []int
	var ts []types.Type
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Dropped || c.Hidden || only != nil && !slices.Contains(only, c.ID) {
			continue
		}
		a.ids, places, ts = append(a.ids, c.ID), append(places, i), append(ts, c.Type.Base())
	}
	if a.fetch, err = x.NewFetcher(places); err != nil {
		return nil, err
	}
	start, end := x.Span()
	a.span = Span{start, end}
	a.row = make([]types.Datum, len(places))
	a.sample = stats.NewSampler(ts, func(n int64) int64 { return int64(s.rand.Uint64() % uint64(n)) })
	return a, nil
}

// read reads a small table as a whole, and of a large one pieces of every region.
func (a *analysis) read(ctx context.Context) error {
	var inner []RegionInfo // that hold nothing else
	rest, size := []Span{{a.span.Start, a.span.End}}, uint64(0)
	if a.e.o.Admin != nil {
		regions, err := a.e.o.Admin.Regions(ctx, a.span.Start, a.span.End)
		if err != nil {
			return err
		}
		for _, r := range regions {
			if bytes.Compare(r.Start, a.span.Start) >= 0 && len(r.End) > 0 && bytes.Compare(r.End, a.span.End) <= 0 {
				inner, size = append(inner, r), size+r.SizeBytes
			}
		}
		if size <= analyzeWhole {
			inner, size = nil, 0
		} else {
			rest = []Span{{a.span.Start, inner[0].Start}, {inner[len(inner)-1].End, a.span.End}}
		}
	}
	for _, r := range inner {
		for _, p := range pieces(r.Start, r.End) {
			if _, err := a.piece(ctx, p.Start, p.End, max(1, analyzeRows/(analyzePieces*len(inner)))); err != nil {
				return err
			}
		}
	}
	if seen := a.sample.Seen(); seen > 0 {
		a.rows = max(float64(seen), float64(size)/(float64(a.bytes)/float64(seen)))
	}
	for _, p := range rest {
		if bytes.Compare(p.Start, p.End) >= 0 {
			continue
		}
		n, err := a.piece(ctx, p.Start, p.End, 0)
		if err != nil {
			return err
		}
		a.rows += float64(n)
	}
	return nil
}

// piece shows up to max rows (0: all) of a range to the sampler.
func (a *analysis) piece(ctx context.Context, start, end []byte, most int) (n int, err error) {
	it, err := a.tx.Scan(ctx, start, end, exec.ScanOptions{Limit: int64(most)})
	if err != nil {
		return 0, err
	}
	defer it.Close()
	for most == 0 || n < most {
		ok, err := it.Next(ctx)
		if err != nil || !ok {
			return n, err
		}
		clear(a.row)
		if err := a.fetch.Decode(it.Key(), it.Value(), a.row); err != nil {
			return n, sqlerr.Wrap(err, "read table %q", a.t.Name)
		}
		a.sample.Add(a.row)
		a.bytes += int64(len(it.Key()) + len(it.Value()))
		n++
	}
	return n, nil
}

// pieces cuts a range of keys into parts of equal distance, taking the keys for
// fractions.
func pieces(start, end []byte) []Span {
	n := max(len(start), len(end)) + 2
	pad := func(k []byte) *big.Int {
		return new(big.Int).SetBytes(append(bytes.Clone(k), make([]byte, n-len(k))...))
	}
	lo, hi := pad(start), pad(end)
	step := new(big.Int).Sub(hi, lo)
	step.Div(step, big.NewInt(analyzePieces))
	if step.Sign() <= 0 {
		return []Span{{start, end}}
	}
	var out []Span
	at := start
	for i := 1; i <= analyzePieces; i++ {
		next := keys.User(end)
		if i < analyzePieces {
			lo.Add(lo, step)
			next = lo.FillBytes(make([]byte, n))
		}
		out = append(out, Span{at, next})
		at = next
	}
	return out
}
