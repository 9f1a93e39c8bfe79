package sql

import (
	"context"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (d *ddl) createView(ctx context.Context, st *ast.CreateView) error {
	if st.CheckOption != "" {
		return sqlerr.Unsupported("WITH CHECK OPTION")
	}
	var err error
	if st.Recursive {
		if st, err = recursiveView(st); err != nil {
			return err
		}
	}
	cols, refs, err := plan.NewView(d.s.planOptions(d.text, nil), st.Query)
	if err != nil {
		return err
	}
	if cols, err = plan.CheckViewColumns(cols, st.Columns); err != nil {
		return err
	}
	sc, err := d.viewIn(ctx, st, refs)
	if err != nil {
		return err
	}
	old, exists := d.snap().Relation(sc.ID, st.View.Name)
	switch {
	case exists && !st.OrReplace:
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.View.Name)
	case exists && (old.Index != nil || old.Table.View == nil):
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a view", st.View.Name)
	}
	if !exists {
		if err := d.freeRowType(sc, st.View.Name); err != nil {
			return err
		}
	}
	v := &catalog.View{Query: strings.TrimSpace(st.QueryText), Refs: refs}
	if exists {
		return d.replaceView(ctx, old.Table, v, cols)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		id, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		typeID, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		arrayID, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		t := &catalog.Table{ArrayTypeID: arrayID, ArrayTypeName: arrayName(ch.Current(), sc.ID, st.View.Name), ID: id, Schema: sc.ID, Name: st.View.Name, TypeID: typeID, View: v, Temp: sc.ID == catalog.SchemaTemp}
		viewColumns(t, cols)
		if err := d.giveTo(t); err != nil {
			return err
		}
		return ch.PutTable(ctx, t)
	})
}

// viewIn finds the schema of a new view, which is temporary if what it reads is.
func (d *ddl) viewIn(ctx context.Context, st *ast.CreateView, refs []catalog.ViewRef) (*catalog.Schema, error) {
	p := st.Persistence
	reads := func(r catalog.ViewRef) bool { t := d.snap().Table(r.ID); return t != nil && t.Temp }
	if p == ast.Permanent && slices.ContainsFunc(refs, reads) {
		p = ast.Temporary
		d.s.noticef(sqlerr.SuccessfulCompletion, "view %q will be a temporary view", st.View.Name)
	}
	n := st.View
	if p == ast.Temporary {
		n.At = ast.At{} // what is wrong with it has no place
	}
	return d.relationIn(ctx, n, p)
}

// recursiveView is CREATE RECURSIVE VIEW v (c) AS q as PostgreSQL keeps it: WITH
// RECURSIVE v (c) AS (q) SELECT c FROM v.
func recursiveView(st *ast.CreateView) (*ast.CreateView, error) {
	cols := make([]string, len(st.Columns))
	for i, c := range st.Columns {
		cols[i] = plan.QuoteIdent(c)
	}
	name, list := plan.QuoteIdent(st.View.Name), strings.Join(cols, ", ")
	c := *st
	c.QueryText = "WITH RECURSIVE " + name + " (" + list + ") AS (" + strings.TrimSpace(st.QueryText) + ") SELECT " + list + " FROM " + name
	var err error
	c.Query, err = parseQuery(c.QueryText)
	return &c, err
}

func viewColumns(t *catalog.Table, cols []plan.Column) {
	t.Columns = nil
	for i, c := range cols {
		t.Columns = append(t.Columns, catalog.Column{ID: int16(i + 1), Name: c.Name, Type: c.Type})
	}
	t.NextColumn = int16(len(cols) + 1)
}

// replaceView is CREATE OR REPLACE VIEW of one that exists: columns may only be
// added at the end.
func (d *ddl) replaceView(ctx context.Context, t *catalog.Table, v *catalog.View, cols []plan.Column) error {
	if len(cols) < len(t.Columns) {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot drop columns from view")
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		switch {
		case c.Name != cols[i].Name:
			return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot change name of view column %q to %q", c.Name, cols[i].Name).
				WithHint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.")
		case c.Type.OID != cols[i].Type.OID || c.Type.Typmod != cols[i].Type.Typmod:
			return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot change data type of view column %q from %s to %s", c.Name, c.Type, cols[i].Type)
		}
	}
	for _, r := range v.Refs {
		if d.reads(r.ID, t.ID) {
			return sqlerr.New(sqlerr.InvalidObjectDefinition, "infinite recursion detected in rules for relation %q", t.Name)
		}
	}
	if err := d.s.mustOwn(t); err != nil {
		return err
	}
	c := t.Clone()
	c.View = v
	viewColumns(c, cols)
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutTable(ctx, c) })
}

// reads reports whether a relation is another one or a view that reads it.
func (d *ddl) reads(id, other catalog.ID) bool {
	t := d.snap().Table(id)
	if id == other || t == nil || t.View == nil {
		return id == other
	}
	for _, r := range t.View.Refs {
		if d.reads(r.ID, other) {
			return true
		}
	}
	return false
}

// parseQuery reads the text of a view.
func parseQuery(text string) (*ast.Select, error) {
	list, err := parse.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		if q, ok := list[0].AST.(*ast.Select); ok {
			return q, nil
		}
	}
	return nil, sqlerr.Internal("a view's text is no query: %s", text)
}

// viewDef is pg_get_viewdef.
func (s *Session) viewDef(snap *catalog.Snapshot, t *catalog.Table) types.Datum {
	if t == nil || t.View == nil {
		return types.Null
	}
	return types.NewString(" " + s.viewText(snap, t) + ";")
}

func pgViews(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		if t.View == nil {
			return nil
		}
		return yield(fields{"schemaname": dText(t.SchemaName), "viewname": dText(t.Name), "viewowner": s.ownerName(t.OwnerID()), "definition": s.viewDef(s.tx.snap, t)})
	})
}

func infoViews(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		if t.View == nil {
			return nil
		}
		no := dYes(false)
		return yield(fields{"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name),
			"view_definition": s.viewDef(s.tx.snap, t), "check_option": dText("NONE"), "is_updatable": no, "is_insertable_into": no,
			"is_trigger_updatable": no, "is_trigger_deletable": no, "is_trigger_insertable_into": no})
	})
}
