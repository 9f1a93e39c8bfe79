package sql

import (
	"context"
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

const (
	checkRows     = 1000 // that are compared at once
	checkFindings = 5    // that are reported of an index
)

// adminCheck is ADMIN CHECK TABLE: every public index must have the entry of every row
// that it is to have one of, and no other. All is read in one snapshot.
func (s *Session) adminCheck(ctx context.Context, st *ast.AdminCheck, text string) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, n := range st.Tables {
		t, err := s.table(n, text)
		if err != nil {
			return err
		}
		if !t.IsTable() || t.Virtual {
			return sqlerr.New(sqlerr.WrongObjectType, "%q is not a table", t.Name)
		}
		if err := s.mustOwn(t); err != nil {
			return err
		}
		for i := 1; i < len(t.Indexes); i++ {
			if t.Indexes[i].State != catalog.Public {
				continue
			}
			if err := s.checkIndex(ctx, t, &t.Indexes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexCheck compares one index with its table.
type indexCheck struct {
	s     *Session
	t     *catalog.Table
	rows  *rowcodec.Index
	index *exec.IndexWriter
	fetch *rowcodec.Fetcher
	found []string
	more  int
}

func (s *Session) checkIndex(ctx context.Context, t *catalog.Table, ix *catalog.Index) error {
	c := &indexCheck{s: s, t: t}
	var err error
	if c.rows, err = rowcodec.NewIndex(t, t.Primary()); err != nil {
		return err
	}
	if c.index, err = s.indexWriter(ctx, t, ix); err != nil {
		return err
	}
	if c.fetch, err = c.rows.NewFetcher(rowcodec.AllColumns(t)); err != nil {
		return err
	}
	if err := c.eachBatch(ctx, c.rows, c.compareRows); err != nil {
		return err
	}
	if err := c.eachBatch(ctx, c.index.Index, c.compareEntries); err != nil {
		return err
	}
	if len(c.found) == 0 {
		return nil
	}
	if c.more > 0 {
		c.found = append(c.found, fmt.Sprintf("and %d more", c.more))
	}
	return sqlerr.New(sqlerr.IndexCorrupted, "index %q does not agree with table %q", ix.Name, t.Name).
		WithDetail("%s", strings.Join(c.found, "\n")).WithTable(t.SchemaName, t.Name).
		WithHint("DROP INDEX and CREATE INDEX make it anew.")
}

func (c *indexCheck) note(key []byte, what string) {
	if len(c.found) >= checkFindings {
		c.more++
		return
	}
	c.found = append(c.found, c.s.describeKey(key)+": "+what)
}

// eachBatch reads all pairs of an index, some at a time.
func (c *indexCheck) eachBatch(ctx context.Context, x *rowcodec.Index, f func(ctx context.Context, batch []exec.Pair) error) error {
	start, end := x.Span()
	for {
		batch, err := c.read(ctx, start, end)
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := f(ctx, batch); err != nil {
			return err
		}
		start = keys.Next(batch[len(batch)-1].Key)
	}
}

func (c *indexCheck) read(ctx context.Context, start, end keys.User) (batch []exec.Pair, err error) {
	it, err := c.s.tx.tx.Scan(ctx, start, end, exec.ScanOptions{Limit: checkRows})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for len(batch) < checkRows {
		ok, err := it.Next(ctx)
		if err != nil || !ok {
			return batch, err
		}
		batch = append(batch, exec.Pair{Key: append(keys.User(nil), it.Key()...), Value: append([]byte(nil), it.Value()...)})
	}
	return batch, nil
}

// entry makes the entry of a row; its key is nil for none.
func (c *indexCheck) entry(row exec.Pair) (p exec.Pair, err error) {
	vals := make([]types.Datum, len(c.t.Columns))
	if err := c.fetch.Decode(row.Key, row.Value, vals); err != nil {
		return p, err
	}
	key, unique, err := c.index.Key(vals)
	if err != nil || key == nil {
		return p, err
	}
	p.Key = key
	p.Value, err = c.index.Value(vals, unique)
	return p, err
}

// compareRows looks for the entries of rows.
func (c *indexCheck) compareRows(ctx context.Context, rows []exec.Pair) error {
	var want []exec.Pair
	var list, of []keys.User
	for _, r := range rows {
		p, err := c.entry(r)
		if err != nil {
			return err
		}
		if p.Key != nil {
			want, list, of = append(want, p), append(list, p.Key), append(of, r.Key)
		}
	}
	have, err := c.s.tx.tx.BatchGet(ctx, list)
	if err != nil {
		return err
	}
	for i, v := range have {
		switch {
		case v == nil:
			c.note(of[i], "the row has no entry")
		case string(v) != string(want[i].Value):
			c.note(of[i], "its entry differs")
		}
	}
	return nil
}

// compareEntries looks for the rows of entries.
func (c *indexCheck) compareEntries(ctx context.Context, entries []exec.Pair) error {
	list := make([]keys.User, len(entries))
	for i, e := range entries {
		var err error
		if list[i], err = c.index.PrimaryKey(c.rows.Prefix(), e.Key, e.Value); err != nil {
			return err
		}
	}
	have, err := c.s.tx.tx.BatchGet(ctx, list)
	if err != nil {
		return err
	}
	for i, v := range have {
		if v == nil {
			c.note(entries[i].Key, "an entry without a row")
			continue
		}
		p, err := c.entry(exec.Pair{Key: list[i], Value: v})
		if err != nil {
			return err
		}
		if string(p.Key) != string(entries[i].Key) {
			c.note(entries[i].Key, "an entry that its row does not have")
		}
	}
	return nil
}
