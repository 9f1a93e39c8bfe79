package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

var typeInt8 = types.Int8

func (d *ddl) alterTable(ctx context.Context, st *ast.AlterTable) error {
	if st.Kind == ast.ObjSequence {
		return d.alterSequence(ctx, st)
	}
	if st.Kind == ast.ObjView {
		return d.alterView(ctx, st)
	}
	if len(st.Actions) == 1 && st.Kind == ast.ObjTable {
		// ALTER TABLE gives away views and sequences too.
		if _, ok := st.Actions[0].(*ast.OwnerTo); ok {
			if r, ok, err := d.s.resolve(st.Table); err == nil && ok && r.Index == nil && r.Table.View != nil {
				return d.alterView(ctx, st)
			} else if err == nil && ok && r.Index == nil && r.Table.Sequence != nil {
				return d.alterSequence(ctx, st)
			}
		}
	}
	if len(st.Actions) == 1 {
		if to, ok := st.Actions[0].(*ast.RenameTo); ok && (st.Kind == ast.ObjIndex || st.Kind == ast.ObjTable) {
			return d.renameAny(ctx, st, to.NewName)
		}
	}
	if st.Kind != ast.ObjTable {
		if len(st.Actions) == 1 {
			if split, ok := st.Actions[0].(*ast.SplitAt); ok && st.Kind == ast.ObjIndex {
				return d.splitIndex(ctx, st, split)
			}
			if _, ok := st.Actions[0].(*ast.Unsplit); ok && st.Kind == ast.ObjIndex {
				return d.unsplitIndex(ctx, st)
			}
		}
		return sqlerr.Unsupported("%s", st.Tag())
	}
	r, ok, err := d.s.resolve(st.Table)
	if err != nil {
		return d.unresolved(err, st.Table)
	}
	if !ok && st.IfExists {
		d.s.noticef(sqlerr.SuccessfulCompletion, "relation %q does not exist, skipping", st.Table.Name)
		return nil
	}
	if ok && r.Index != nil {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a table", st.Table.Name)
	}
	t, err := d.userTable(st.Table)
	if err != nil {
		return err
	}
	if err := d.s.mustOwn(t); err != nil {
		return err
	}
	if err := d.noPendingChecks("ALTER TABLE", t); err != nil {
		return err
	}
	for _, a := range st.Actions {
		if err := d.alter(ctx, t, a, len(st.Actions)); err != nil {
			return err
		}
		if t = d.snap().Table(t.ID); t == nil {
			return sqlerr.Internal("table vanished while it was altered")
		}
	}
	return nil
}

// alterView is ALTER VIEW.
func (d *ddl) alterView(ctx context.Context, st *ast.AlterTable) error {
	r, ok, err := d.s.resolve(st.Table)
	switch {
	case err != nil:
		return err
	case !ok && st.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "relation %q does not exist, skipping", st.Table.Name)
		return nil
	case !ok:
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", st.Table.String())
	case r.Index != nil || r.Table.View == nil:
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a view", st.Table.Name)
	}
	if err := d.s.mustOwn(r.Table); err != nil {
		return err
	}
	for _, a := range st.Actions {
		v := d.snap().Table(r.Table.ID)
		switch a := a.(type) {
		case *ast.OwnerTo:
			err = d.ownerTo(ctx, v, a.Role)
		case *ast.RenameTo:
			err = d.renameRelation(ctx, catalog.Relation{Table: v}, a.NewName)
		case *ast.RenameColumn:
			err = d.renameColumn(ctx, v, a)
		case *ast.SetSchema:
			err = d.setSchema(ctx, v, a)
		default:
			err = d.at(sqlerr.Unsupported("this form of ALTER VIEW (%s)", alterName(a)), a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// alter runs one action.
func (d *ddl) alter(ctx context.Context, t *catalog.Table, a ast.AlterAction, actions int) error {
	switch a := a.(type) {
	case *ast.AddConstraint:
		return d.addConstraint(ctx, t, a, actions)
	case *ast.AddColumn:
		return d.addColumn(ctx, t, a, actions)
	case *ast.SplitAt:
		return d.splitTable(ctx, t, a)
	case *ast.Unsplit:
		return d.unsplitTable(ctx, t)
	case *ast.OwnerTo:
		return d.ownerTo(ctx, t, a.Role)
	case *ast.AlterColumnIdentity:
		return d.columnIdentity(ctx, t, a)
	case *ast.AlterColumnDefault:
		return d.columnDefault(ctx, t, a)
	case *ast.AlterColumnNull:
		return d.columnNull(ctx, t, a)
	case *ast.AlterColumnType:
		return d.columnType(ctx, t, a)
	case *ast.SetSchema:
		return d.setSchema(ctx, t, a)
	case *ast.DropExpression:
		return d.dropExpression(ctx, t, a)
	case *ast.DropColumn:
		return d.dropColumn(ctx, t, a, actions)
	case *ast.DropConstraint:
		return d.dropConstraint(ctx, t, a, actions)
	case *ast.ValidateConstraint:
		return d.validateConstraint(ctx, t, a)
	case *ast.RenameTo:
		return d.renameRelation(ctx, catalog.Relation{Table: t}, a.NewName)
	case *ast.RenameColumn:
		return d.renameColumn(ctx, t, a)
	case *ast.RenameConstraint:
		return d.renameConstraint(ctx, t, a)
	case *ast.SetStorageParams:
		return d.change(ctx, func(ch *catalog.Change) error {
			c := t.Clone()
			c.Options = copyMap(t.Options)
			for _, p := range a.Params {
				if a.Reset {
					delete(c.Options, p.Name)
				} else {
					c.Options[p.Name] = p.Value
				}
			}
			return ch.PutTable(ctx, c)
		})
	case *ast.UnsupportedAction:
		return d.at(sqlerr.Unsupported("ALTER TABLE … %s", a.What), a)
	}
	return d.at(sqlerr.Unsupported("this form of ALTER TABLE (%s)", alterName(a)), a)
}

func alterName(a ast.AlterAction) string {
	switch a.(type) {
	case *ast.RenameTo, *ast.RenameColumn, *ast.RenameConstraint:
		return "RENAME"
	case *ast.AlterColumnDefault:
		return "ALTER COLUMN DEFAULT"
	case *ast.SetSchema:
		return "SET SCHEMA"
	case *ast.Scatter:
		return "SCATTER"
	}
	return "unknown action"
}

// addColumn adds a column. No row changes: what the default is now is what the rows
// that are there have. Outside a block it takes two versions: in the first, writers
// keep the column's values but nobody sets any, so a node that is a version behind
// cannot lose one. Inside a block it takes one, and who writes waits (settled).
func (d *ddl) addColumn(ctx context.Context, t *catalog.Table, a *ast.AddColumn, actions int) error {
	if t.ColumnByName(a.Column.Name) != nil {
		if a.IfNotExists {
			d.s.noticef(sqlerr.DuplicateColumn, "column %q of relation %q already exists, skipping", a.Column.Name, t.Name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q of relation %q already exists", a.Column.Name, t.Name)
	}
	c := t.Clone()
	b := &tableBuilder{d: d, t: c}
	rest, err := b.column(ctx, a.Column)
	if err != nil {
		return err
	}
	if err := b.generate(); err != nil {
		return err
	}
	col := &c.Columns[len(c.Columns)-1]
	if len(rest) > 0 && actions > 1 && !d.isNew(t) {
		return d.at(sqlerr.Unsupported("ADD COLUMN with a constraint beside other actions"), a)
	}
	if col.Generated == "" && (col.Default != "" || col.NotNull || col.Type.IsDomain()) {
		if err := d.fillColumn(ctx, t, col, a); err != nil {
			return err
		}
	}
	id, num := t.ID, col.ID
	online := !d.isNew(t) && !d.s.tx.block
	switch {
	case col.Generated != "":
		err = d.addGenerated(ctx, t, c, num)
	case !online:
		err = d.change(ctx, func(ch *catalog.Change) error {
			if !d.isNew(t) {
				c.Since = ch.NextVersion()
			}
			return ch.PutTable(ctx, c)
		})
	default:
		err = d.addColumnOnline(ctx, t, c, num)
	}
	for _, k := range rest {
		if err != nil {
			break
		}
		if err = d.addConstraint(ctx, d.snap().Table(id), &ast.AddConstraint{At: k.At, Constraint: k}, 1); err != nil && online {
			clean := context.WithoutCancel(ctx)
			if undo := d.s.e.dropColumn(clean, id, num, nil); undo != nil {
				d.s.e.o.Logger.Error("take back a new column", "table", id, "column", num, "err", undo)
			}
		}
	}
	return err
}

// fillColumn finds what the rows that are there have in a new column.
func (d *ddl) fillColumn(ctx context.Context, t *catalog.Table, col *catalog.Column, a *ast.AddColumn) error {
	empty, err := d.isEmpty(ctx, t)
	if err != nil {
		return err
	}
	x, err := plan.DefaultValue(d.s.planOptions(d.text, nil), col)
	if err != nil {
		return err
	}
	if expr.VolatilityOf(x) == expr.Volatile {
		if empty && (d.isNew(t) || !col.NotNull) {
			return nil
		}
		return d.at(sqlerr.Unsupported("ADD COLUMN with a default that differs from row to row, on a table that has rows or is known to others"), a)
	}
	v, err := x.Eval(d.s.evalContext(nil), nil)
	switch {
	case err != nil:
		return err
	case !v.IsNull():
		col.Missing, err = rowcodec.AppendMissing(nil, v)
		return err
	case !col.NotNull:
		return nil
	case !empty:
		return sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", col.Name, t.Name).
			WithTable(t.SchemaName, t.Name).WithColumn(col.Name)
	case d.isNew(t):
		return nil
	}
	return d.at(sqlerr.Unsupported("ADD COLUMN with NOT NULL and without DEFAULT on a table that others know"), a)
}

// addColumnOnline makes c, which has one column more, of a table that other nodes use.
func (d *ddl) addColumnOnline(ctx context.Context, t, c *catalog.Table, num int16) error {
	c.Column(num).Hidden = true
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		if err := e.ddlStep(ctx, t.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			if now.Version != t.Version {
				return errConcurrentDDL(now)
			}
			return ch.PutTable(ctx, c.Clone())
		}); err != nil {
			return err
		}
		return e.ddlStep(ctx, t.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			n := now.Clone()
			n.Column(num).Hidden = false
			return ch.PutTable(ctx, n)
		})
	})
}

func errConcurrentDDL(t *catalog.Table) error {
	return sqlerr.New(sqlerr.ObjectInUse, "table %q is being altered by another statement", t.Name)
}

func (d *ddl) addConstraint(ctx context.Context, t *catalog.Table, a *ast.AddConstraint, actions int) error {
	c := a.Constraint
	switch c.Kind {
	case ast.ConstraintPrimaryKey:
		if t.HasPrimaryKey() {
			return sqlerr.New(sqlerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", t.Name)
		}
	case ast.ConstraintUnique:
	case ast.ConstraintCheck:
		return d.addCheck(ctx, t, c)
	case ast.ConstraintForeignKey:
		return d.addForeignKey(ctx, t, c, actions)
	default:
		return d.at(unsupportedConstraint(c), c)
	}
	primary := c.Kind == ast.ConstraintPrimaryKey
	return d.addIndex(ctx, t, primary, actions, func(ch *catalog.Change, n *catalog.Table) (*catalog.Index, error) {
		b := &tableBuilder{d: d, ch: ch, t: n, taken: map[string]bool{}, constraints: constraintNames(n)}
		return b.uniqueIndex(ctx, c, primary)
	})
}

func constraintNames(t *catalog.Table) map[string]bool {
	m := map[string]bool{}
	for _, c := range t.Checks {
		m[c.Name] = true
	}
	for i := range t.ForeignKeys {
		m[t.ForeignKeys[i].Name] = true
	}
	for _, ix := range t.Indexes {
		if ix.ConstraintID != 0 {
			m[ix.Name] = true
		}
	}
	return m
}
