package sql

import (
	"context"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// column finds a column that ALTER TABLE names.
func (d *ddl) column(t *catalog.Table, name string) (*catalog.Column, error) {
	if c := t.ColumnByName(name); c != nil {
		return c, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
}

// changeColumn changes one column's descriptor in a single version.
func (d *ddl) changeColumn(ctx context.Context, t *catalog.Table, id int16, f func(*catalog.Column)) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		f(n.Column(id))
		return ch.PutTable(ctx, n)
	})
}

// columnDefault is SET DEFAULT and DROP DEFAULT.
func (d *ddl) columnDefault(ctx context.Context, t *catalog.Table, a *ast.AlterColumnDefault) error {
	c, err := d.column(t, a.Column)
	if err != nil {
		return err
	}
	if c.Generated != "" {
		e := sqlerr.New(sqlerr.SyntaxError, "column %q of relation %q is a generated column", c.Name, t.Name)
		if a.Expr == nil {
			e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
		}
		return e
	}
	if c.Identity != 0 {
		e := errIdentityColumn(t, c)
		if a.Expr == nil {
			e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.")
		}
		return e
	}
	text := ""
	if a.Expr != nil {
		o := d.s.planOptions(d.text, nil)
		if err := plan.CheckDefault(o, a.Expr, c.Name, c.Type); err != nil {
			e := *sqlerr.As(err) // PostgreSQL names no place here
			e.Position = 0
			return &e
		}
		if text, err = plan.StoredDefault(o, a.Expr, a.ExprText); err != nil {
			return err
		}
	}
	return d.changeColumn(ctx, t, c.ID, func(c *catalog.Column) { c.Default = text })
}

func errIdentityColumn(t *catalog.Table, c *catalog.Column) *sqlerr.Error {
	return sqlerr.New(sqlerr.SyntaxError, "column %q of relation %q is an identity column", c.Name, t.Name)
}

// columnNull is SET NOT NULL and DROP NOT NULL.
func (d *ddl) columnNull(ctx context.Context, t *catalog.Table, a *ast.AlterColumnNull) error {
	c, err := d.column(t, a.Column)
	if err != nil {
		return err
	}
	if a.NotNull {
		if c.NotNull {
			return nil
		}
		return d.constrain(ctx, t, notNullRule(c.ID))
	}
	if c.Identity != 0 {
		return errIdentityColumn(t, c)
	}
	if t.HasPrimaryKey() && t.PrimaryKey().Uses(c.ID) {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q is in a primary key", c.Name)
	}
	return d.changeColumn(ctx, t, c.ID, func(c *catalog.Column) { c.NotNull, c.NullRefused = false, false })
}

// columnType is ALTER COLUMN … TYPE, if no row has to change for it and a node that
// knows the old type can read what the new one allows.
func (d *ddl) columnType(ctx context.Context, t *catalog.Table, a *ast.AlterColumnType) error {
	c, err := d.column(t, a.Column)
	if err != nil {
		return err
	}
	typ, err := plan.ResolveType(a.Type, d.s.planOptions(d.text, nil))
	if err != nil {
		return d.at(err, a.Type)
	}
	switch {
	case a.Using != nil:
		return d.at(sqlerr.Unsupported("ALTER COLUMN TYPE with USING"), a)
	case a.Collation != nil && a.Collation.Name != "default" && a.Collation.Name != "C":
		return d.at(sqlerr.Unsupported("collation %q", a.Collation.Name), a)
	case len(t.GeneratedFrom(c.ID)) > 0:
		return sqlerr.New(sqlerr.FeatureNotSupported, "cannot alter type of a column used by a generated column").
			WithDetail("Column %q is used by generated column %q.", c.Name, t.GeneratedFrom(c.ID)[0].Name)
	case c.Type.OID == typ.OID && c.Type.Typmod == typ.Typmod:
		return nil
	case c.Generated != "":
		return d.at(sqlerr.Unsupported("changing the type of a generated column"), a)
	case !widens(c.Type, typ):
		return d.at(sqlerr.Unsupported("changing a column from %s to %s, which changes its rows,", c.Type, typ), a)
	}
	for i := range t.Indexes {
		if slices.Contains(t.Indexes[i].Reads, c.ID) {
			return d.at(sqlerr.Unsupported("changing the type of column %q, which index %q computes with,", c.Name, t.Indexes[i].Name), a)
		}
	}
	views, err := d.viewsOn(t, c)
	if err != nil {
		return err
	}
	if len(views) > 0 {
		return sqlerr.New(sqlerr.FeatureNotSupported, "cannot alter type of a column used by a view or rule").
			WithDetail("rule _RETURN on view %s depends on column %q", d.relName(views[0]), c.Name)
	}
	return d.changeColumn(ctx, t, c.ID, func(c *catalog.Column) { c.Type = typ })
}

// widens reports whether every value of one type is one of the other, stored alike.
func widens(from, to types.Type) bool {
	switch {
	case from.OID == types.OIDVarchar && to.OID == types.OIDText, from.OID == types.OIDText && to.OID == types.OIDVarchar && to.Typmod < 0:
		return true
	case from.OID == types.OIDVarchar && to.OID == types.OIDVarchar:
		return to.Typmod < 0 || from.Typmod >= 0 && to.Typmod >= from.Typmod
	case from.OID == types.OIDNumeric && to.OID == types.OIDNumeric:
		if to.Typmod < 0 || from.Typmod < 0 {
			return to.Typmod < 0
		}
		// Precision and scale, each in 16 bits above PostgreSQL's VARHDRSZ.
		old, now := from.Typmod-4, to.Typmod-4
		return old&0xffff == now&0xffff && now>>16 >= old>>16
	}
	return false
}

// dropColumn takes a column out, with its indexes, checks and sequences. Its number is
// never used again: what rows hold of it stays and is not read.
func (d *ddl) dropColumn(ctx context.Context, t *catalog.Table, a *ast.DropColumn, actions int) error {
	c, err := d.column(t, a.Name)
	if err != nil {
		if a.IfExists {
			d.s.noticef(sqlerr.SuccessfulCompletion, "column %q of relation %q does not exist, skipping", a.Name, t.Name)
			return nil
		}
		return err
	}
	refs := d.snap().Referrers(t.ID)
	refs = slices.DeleteFunc(refs, func(r catalog.Referrer) bool {
		return !slices.Contains(r.Key.RefColumns, c.ID) || r.Table.ID == t.ID && slices.Contains(r.Key.Columns, c.ID)
	})
	if len(refs) > 0 && !a.Cascade {
		return d.errReferred("column "+plan.QuoteIdent(c.Name)+" of table "+d.relName(t), "", refs)
	}
	var over []uint64
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if !ix.Uses(c.ID) {
			continue
		}
		if ix.Full {
			return d.at(sqlerr.Unsupported("DROP COLUMN of a column of the primary key"), a)
		}
		over = append(over, ix.Number)
	}
	if !d.isNew(t) && actions > 1 {
		return d.at(sqlerr.Unsupported("several actions in one ALTER TABLE that drops a column of an existing table"), a)
	}
	if list := t.GeneratedFrom(c.ID); len(list) > 0 {
		return d.dropGeneratedOf(ctx, t, c, list, a, actions)
	}
	views, err := d.viewsOn(t, c)
	if err != nil {
		return err
	}
	if len(views) > 0 {
		if !a.Cascade {
			return d.errColumnDependents(t, c, views)
		}
		if err := d.dropAll(ctx, views, nil, true); err != nil {
			return err
		}
		var gone []dependent
		for _, v := range views {
			gone = append(gone, dependent{what: "view " + d.relName(v)})
		}
		d.noticeCascade(gone)
	}
	d.noticeKeys(refs)
	id, num := t.ID, c.ID
	if d.isNew(t) {
		if err := d.dropKeys(ctx, refs); err != nil {
			return err
		}
		for _, n := range over {
			if err := d.dropIndexNow(ctx, id, n); err != nil {
				return err
			}
		}
		return d.change(ctx, func(ch *catalog.Change) error { return takeColumn(ctx, ch, d.snap().Table(id), num) })
	}
	if len(views) > 0 {
		return d.at(sqlerr.Unsupported("DROP COLUMN of an existing table that takes views along: drop them first"), a)
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		if err := e.dropKeys(ctx, refs); err != nil {
			return err
		}
		return e.dropColumn(ctx, id, num, over)
	})
}

// dropColumn takes a column out of a table that other nodes use. First nobody demands
// anything of it any more, so that a node that still knows it can live with rows of one
// that does not.
func (e *Engine) dropColumn(ctx context.Context, id catalog.ID, column int16, over []uint64) error {
	for _, n := range over {
		if err := e.removeIndex(ctx, id, n, nil); err != nil {
			return err
		}
	}
	err := e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		n := now.Clone()
		loosenColumn(n, column)
		return ch.PutTable(ctx, n)
	})
	if err != nil {
		return err
	}
	return e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		return takeColumn(ctx, ch, now, column)
	})
}

func loosenColumn(t *catalog.Table, column int16) {
	c := t.Column(column)
	c.NotNull, c.NullRefused = false, false
	t.Checks = slices.DeleteFunc(t.Checks, func(k catalog.Check) bool { return slices.Contains(k.Columns, column) })
	t.ForeignKeys = slices.DeleteFunc(t.ForeignKeys, func(k catalog.ForeignKey) bool { return slices.Contains(k.Columns, column) })
}

func takeColumn(ctx context.Context, ch *catalog.Change, t *catalog.Table, column int16) error {
	n := t.Clone()
	loosenColumn(n, column)
	c := n.Column(column)
	c.Default, c.Identity, c.Dropped = "", 0, true
	c.Generated, c.GeneratedReads = "", nil
	for _, q := range sequencesOf(ch.Current(), t.ID) {
		if q.Sequence.OwnerColumn == column {
			if err := ch.DropTable(ctx, q); err != nil {
				return err
			}
		}
	}
	return ch.PutTable(ctx, n)
}

// viewsOn finds the views that read a column of a table.
func (d *ddl) viewsOn(t *catalog.Table, c *catalog.Column) (out []*catalog.Table, err error) {
	for _, v := range d.snap().Tables() {
		if v.View == nil || !slices.ContainsFunc(v.View.Refs, func(r catalog.ViewRef) bool { return r.ID == t.ID }) {
			continue
		}
		text := "SELECT * FROM " + plan.QuoteIdent(v.SchemaName) + "." + plan.QuoteIdent(v.Name)
		q, err := parseQuery(text)
		if err != nil {
			return nil, err
		}
		pl, err := plan.New(q, d.s.planOptions(text, nil))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(pl.Needs, func(n *plan.Need) bool { return n.Table.ID == t.ID && n.Selected[c.ID] }) {
			out = append(out, v)
		}
	}
	return out, nil
}

func (d *ddl) errColumnDependents(t *catalog.Table, c *catalog.Column, views []*catalog.Table) error {
	what := "column " + plan.QuoteIdent(c.Name) + " of table " + d.relName(t)
	r := &removal{d: d, gone: map[catalog.ID]bool{}}
	for _, v := range views {
		r.note([]dependent{{what: "view " + d.relName(v), on: what, view: v}})
	}
	var lines []string
	for _, x := range r.found {
		lines = append(lines, x.what+" depends on "+x.on)
	}
	return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop %s because other objects depend on it", what).
		WithDetail("%s", strings.Join(lines, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
}
