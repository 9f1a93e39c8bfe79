package sql

import (
	"context"
	"reflect"
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Views, defaults and sequences refer to relations and columns by number, so a new name
// does not concern them. The conditions of CHECK constraints, and
// what indexes are over, are text.

// renameAny is ALTER TABLE … RENAME TO and ALTER INDEX … RENAME TO, which take every
// kind of relation.
func (d *ddl) renameAny(ctx context.Context, st *ast.AlterTable, name string) error {
	r, ok, err := d.s.resolve(st.Table)
	switch {
	case err != nil:
		return d.unresolved(err, st.Table)
	case !ok && st.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "relation %q does not exist, skipping", st.Table.Name)
		return nil
	case !ok:
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", st.Table.String())
	case r.Table.Virtual:
		return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system catalog", st.Table.Name)
	case r.Index != nil:
		err = d.s.mustOwnNamed(r.Table, "index", r.Index.Name)
	default:
		err = d.s.mustOwn(r.Table)
	}
	if err != nil {
		return err
	}
	return d.renameRelation(ctx, r, name)
}

// renameRelation gives a table, view, sequence or index another name.
func (d *ddl) renameRelation(ctx context.Context, r catalog.Relation, name string) error {
	t := r.Table
	sc := d.snap().SchemaByID(t.Schema)
	if err := d.s.mayCreateIn(sc.ID); err != nil {
		return err
	}
	if _, exists := d.snap().Relation(sc.ID, name); exists {
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", name)
	}
	if r.Index != nil {
		number := r.Index.Number
		return d.change(ctx, func(ch *catalog.Change) error {
			n := t.Clone()
			n.Index(number).Name = name
			return ch.PutTable(ctx, n)
		})
	}
	if t.Sequence == nil {
		if err := d.freeRowType(sc, name); err != nil {
			return err
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		n.Name = name
		if n.ArrayTypeID != 0 {
			n.ArrayTypeName = arrayName(d.snap(), sc.ID, name)
		}
		if err := d.rewriteTexts(n, func(parts []string) {
			if i := len(parts) - 2; i >= 0 && parts[i] == t.Name {
				parts[i] = name
			}
		}); err != nil {
			return err
		}
		return ch.PutTable(ctx, n)
	})
}

// renameColumn is RENAME COLUMN of a table or view.
func (d *ddl) renameColumn(ctx context.Context, t *catalog.Table, a *ast.RenameColumn) error {
	c := t.ColumnByName(a.Name)
	if c == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", a.Name)
	}
	if t.ColumnByName(a.NewName) != nil {
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q of relation %q already exists", a.NewName, t.Name)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		n.Column(c.ID).Name = a.NewName
		if err := d.rewriteTexts(n, func(parts []string) {
			if i := len(parts) - 1; parts[i] == a.Name {
				parts[i] = a.NewName
			}
		}); err != nil {
			return err
		}
		return ch.PutTable(ctx, n)
	})
}

// renameConstraint is RENAME CONSTRAINT. That of an index is called as the index.
func (d *ddl) renameConstraint(ctx context.Context, t *catalog.Table, a *ast.RenameConstraint) error {
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Name == a.Name && ix.ConstraintID != 0 {
			return d.renameRelation(ctx, catalog.Relation{Table: t, Index: ix}, a.NewName)
		}
	}
	i := slices.IndexFunc(t.Checks, func(c catalog.Check) bool { return c.Name == a.Name })
	key := t.ForeignKey(a.Name)
	switch {
	case i < 0 && key == nil:
		return sqlerr.New(sqlerr.UndefinedObject, "constraint %q for table %q does not exist", a.Name, t.Name)
	case constraintNames(t)[a.NewName]:
		return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for relation %q already exists", a.NewName, t.Name)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		if key != nil {
			n.ForeignKey(a.Name).Name = a.NewName
		} else {
			n.Checks[i].Name = a.NewName
		}
		return ch.PutTable(ctx, n)
	})
}

// rewriteTexts lets f change the names of the columns in a table's conditions and
// expressions. Those in which nothing changes stay as they were written.
func (d *ddl) rewriteTexts(t *catalog.Table, f func(parts []string)) error {
	for i := range t.Checks {
		if err := rewriteText(&t.Checks[i].Expr, f); err != nil {
			return sqlerr.Wrap(err, "read check constraint %q of table %q", t.Checks[i].Name, t.Name)
		}
	}
	for i := range t.Columns {
		if err := rewriteText(&t.Columns[i].Generated, f); err != nil {
			return sqlerr.Wrap(err, "read the expression of column %q of table %q", t.Columns[i].Name, t.Name)
		}
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		err := rewriteText(&ix.Pred, f)
		for j := range ix.Columns {
			if err == nil {
				err = rewriteText(&ix.Columns[j].Expr, f)
			}
		}
		if err != nil {
			return sqlerr.Wrap(err, "read the expressions of index %q", ix.Name)
		}
		texts, _, _, err := plan.IndexTexts(d.s.planOptions("", nil), t, ix, true)
		if err != nil {
			return err
		}
		for j := range ix.Columns {
			if c := &ix.Columns[j]; c.Column == 0 {
				c.Text, texts = texts[0], texts[1:]
			}
		}
	}
	return nil
}

func rewriteText(text *string, f func(parts []string)) error {
	if *text == "" {
		return nil
	}
	e, err := parse.ParseExpr(*text)
	if err != nil {
		return err
	}
	changed := false
	eachColumnRef(reflect.ValueOf(e), func(r *ast.ColumnRef) {
		if r.Star {
			return
		}
		before := slices.Clone(r.Parts)
		f(r.Parts)
		changed = changed || !slices.Equal(before, r.Parts)
	})
	if changed {
		*text = ast.Deparse(e)
	}
	return nil
}

// eachColumnRef walks over a tree of package ast.
func eachColumnRef(v reflect.Value, f func(*ast.ColumnRef)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if r, ok := v.Interface().(*ast.ColumnRef); ok {
			f(r)
			return
		}
		eachColumnRef(v.Elem(), f)
	case reflect.Slice:
		for i := range v.Len() {
			eachColumnRef(v.Index(i), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachColumnRef(v.Field(i), f)
			}
		}
	}
}
