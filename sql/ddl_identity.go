package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// columnIdentity is ALTER COLUMN … ADD GENERATED and DROP IDENTITY.
func (d *ddl) columnIdentity(ctx context.Context, t *catalog.Table, a *ast.AlterColumnIdentity) error {
	c, err := d.column(t, a.Column)
	if err != nil {
		return err
	}
	state := func(format string) error {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, format, c.Name, t.Name)
	}
	switch {
	case a.Action == "add" && !c.NotNull:
		return state("column %q of relation %q must be declared NOT NULL before identity can be added")
	case a.Action == "add" && c.Identity != 0:
		return state("column %q of relation %q is already an identity column")
	case a.Action == "add" && c.Default != "":
		return state("column %q of relation %q already has a default value")
	case a.Action == "add":
		return d.addIdentity(ctx, t, c.ID, a)
	case c.Identity == 0 && a.Action == "drop" && a.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "column %q of relation %q is not an identity column, skipping", c.Name, t.Name)
		return nil
	case c.Identity == 0:
		return state("column %q of relation %q is not an identity column")
	}
	return d.dropIdentity(ctx, t, c.ID)
}

func (d *ddl) addIdentity(ctx context.Context, t *catalog.Table, column int16, a *ast.AlterColumnIdentity) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		b := &tableBuilder{d: d, ch: ch, t: n, taken: map[string]bool{}, constraints: constraintNames(n)}
		col := n.Column(column)
		if err := b.identity(ctx, col, a.Sequence, a.Always); err != nil {
			return err
		}
		return ch.PutTable(ctx, n)
	})
}

func (d *ddl) dropIdentity(ctx context.Context, t *catalog.Table, column int16) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		c := n.Column(column)
		q := ch.Current().Table(c.Sequence)
		c.Sequence, c.Identity = 0, 0
		if err := ch.PutTable(ctx, n); err != nil || q == nil {
			return err
		}
		return ch.DropTable(ctx, q)
	})
}
