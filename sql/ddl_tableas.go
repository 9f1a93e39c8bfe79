package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// createTableAs is CREATE TABLE … AS and SELECT … INTO: a table like the rows of a
// query, and the rows in it.
func (s *Session) createTableAs(ctx context.Context, p *portal, st *ast.CreateTableAs) error {
	if st.Materialized {
		return sqlerr.Unsupported("CREATE MATERIALIZED VIEW")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	d := &ddl{s: s, text: p.prep.text}
	if err := d.checkTableAs(st); err != nil {
		return err
	}
	sc, err := d.relationIn(ctx, ast.Name{Schema: st.Table.Schema, Name: st.Table.Name}, st.Persistence) // its error has no position
	if err != nil {
		return err
	}
	commit, err := onCommit(st.OnCommit, sc)
	if err != nil {
		return err
	}
	if _, exists := d.snap().Relation(sc.ID, st.Table.Name); exists {
		if st.IfNotExists {
			s.noticef(sqlerr.DuplicateTable, "relation %q already exists, skipping", st.Table.Name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.Table.Name)
	}
	pl, params, err := s.tableAsPlan(ctx, p, st)
	if err != nil {
		return err
	}
	t, err := d.tableLike(ctx, sc, st, pl.Columns, commit)
	if err != nil || st.NoData {
		return err
	}
	if pl.Doomed != nil {
		return pl.Doomed
	}
	s.tx.queried = true
	if pl.Writes {
		s.tx.tx.Prepare(StatementOptions{Text: p.prep.text, LockTimeout: s.settings.hot.lockTimeout, Lock: len(pl.Modifying) == 0})
	}
	rt := s.runtime(ctx, params)
	rt.Autocommit = false
	p.done.verb = "SELECT"
	p.done.rows, err = s.fillTable(ctx, rt, pl, t)
	return err
}

func (d *ddl) checkTableAs(st *ast.CreateTableAs) error {
	switch {
	case st.Tablespace != "" && st.Tablespace != "pg_default":
		return sqlerr.New(sqlerr.UndefinedObject, "tablespace %q does not exist", st.Tablespace)
	case st.AccessMethod != "" && st.AccessMethod != "heap":
		return sqlerr.New(sqlerr.UndefinedObject, "access method %q does not exist", st.AccessMethod)
	}
	return nil
}

// tableAsPlan plans the query: one of its own, or a prepared statement's.
func (s *Session) tableAsPlan(ctx context.Context, p *portal, st *ast.CreateTableAs) (*plan.Plan, []types.Datum, error) {
	query, text, params, declared := st.Query, p.prep.text, p.params, p.prep.params
	if ex, ok := query.(*ast.Execute); ok {
		q, vals, err := s.executeArgs(ctx, ex, text)
		if err != nil {
			return nil, nil, err
		}
		query, text, params, declared = q.stmt, q.text, vals, q.params
	}
	sel, ok := query.(*ast.Select)
	if !ok {
		return nil, nil, sqlerr.New(sqlerr.SyntaxError, "prepared statement is not a SELECT")
	}
	pl, err := plan.New(sel, s.planOptions(text, declared))
	return pl, params, err
}

// tableLike creates a table with the columns of a query.
func (d *ddl) tableLike(ctx context.Context, sc *catalog.Schema, st *ast.CreateTableAs, cols []plan.Column, commit catalog.OnCommit) (t *catalog.Table, err error) {
	if len(st.Columns) > len(cols) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "too many column names were specified")
	}
	err = d.change(ctx, func(ch *catalog.Change) error {
		b := &tableBuilder{d: d, ch: ch, taken: map[string]bool{st.Table.Name: true}, constraints: map[string]bool{}}
		if t, err = b.build(ctx, sc, &ast.CreateTable{At: st.At, Table: st.Table, Params: st.Params, Persistence: st.Persistence}); err != nil {
			return err
		}
		t.OnCommit = commit
		// The hidden row id was made first; the columns are numbered from 1, as ever.
		key := t.Columns[0]
		t.Columns = nil
		for i, c := range cols {
			name := c.Name
			if i < len(st.Columns) {
				name = st.Columns[i]
			}
			if err := b.plainColumn(name, c.Type); err != nil {
				return err
			}
		}
		key.ID = t.NextColumn
		t.NextColumn++
		t.Columns = append(t.Columns, key)
		t.Indexes[0].Columns[0].Column = key.ID
		if err := d.giveTo(t); err != nil {
			return err
		}
		return ch.PutTable(ctx, t)
	})
	return t, err
}

// plainColumn adds a column without anything.
func (b *tableBuilder) plainColumn(name string, typ types.Type) error {
	switch {
	case b.t.ColumnByName(name) != nil:
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", name)
	case typ.Category() == 'P', typ.Category() == 'X':
		return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", name, typ)
	case len(b.t.Columns) >= 1600:
		return sqlerr.New(sqlerr.TooManyColumns, "tables can have at most 1600 columns")
	}
	if err := typ.CheckBuilt(); err != nil {
		return err
	}
	if len(b.t.Columns) == 0 {
		b.t.NextColumn = 1
	}
	b.t.Columns = append(b.t.Columns, catalog.Column{ID: b.t.NextColumn, Name: name, Type: typ})
	b.t.NextColumn++
	return nil
}

// fillTable runs a query and puts its rows into a table of this transaction.
func (s *Session) fillTable(ctx context.Context, rt *exec.Runtime, pl *plan.Plan, t *catalog.Table) (n int64, err error) {
	places := make([]int, len(pl.Columns))
	for i := range places {
		places[i] = i
	}
	into, err := plan.BulkInsert(s.planOptions("", nil), t, places)
	if err != nil {
		return 0, err
	}
	bulk, err := rt.Bulk(ctx, into)
	if err != nil {
		return 0, err
	}
	ex, err := rt.Start(ctx, pl)
	if err != nil {
		return 0, err
	}
	defer ex.Close()
	for ; ; n++ {
		row, err := ex.Next(ctx)
		if err != nil {
			return n, err
		}
		if row == nil {
			return n, bulk.Flush(ctx)
		}
		if err := bulk.Add(ctx, row, 0); err != nil {
			return n, err
		}
	}
}
