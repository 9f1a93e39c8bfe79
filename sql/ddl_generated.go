package sql

import (
	"context"
	"reflect"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// generation is a GENERATED ALWAYS AS (…) STORED whose column is known.
type generation struct {
	column *ast.ColumnDef
	con    *ast.Constraint
	id     int16
}

func (b *tableBuilder) generation(c *ast.ColumnDef, con *ast.Constraint) error {
	if k := len(b.generations); k > 0 && b.generations[k-1].column == c {
		return b.d.at(sqlerr.New(sqlerr.SyntaxError, "multiple generation clauses specified for column %q of table %q", c.Name, b.t.Name), con)
	}
	b.generations = append(b.generations, generation{column: c, con: con})
	return nil
}

// generate reads the expressions of the generated columns; all columns are there.
func (b *tableBuilder) generate() error {
	made := map[string]bool{}
	for i := range b.t.Columns {
		if c := &b.t.Columns[i]; c.Generated != "" && !c.Dropped {
			made[c.Name] = true
		}
	}
	for _, g := range b.generations {
		made[g.column.Name] = true
	}
	for _, g := range b.generations {
		var err error
		eachColumnRef(reflect.ValueOf(g.con.Expr), func(r *ast.ColumnRef) {
			if name := r.Parts[len(r.Parts)-1]; err == nil && !r.Star && made[name] {
				err = sqlerr.New(sqlerr.InvalidObjectDefinition, "cannot use generated column %q in column generation expression", name).
					WithDetail("A generated column cannot reference another generated column.")
				if b.t.Version == 0 { // PostgreSQL names no place in ALTER TABLE
					err = b.d.at(err, r)
				}
			}
		})
		if err != nil {
			return err
		}
		c := b.t.Column(g.id)
		x, err := plan.StoreGenerated(b.d.s.planOptions(b.d.text, nil), g.con.Expr, b.t, c)
		if err != nil {
			return err
		}
		c.Generated, c.GeneratedReads = x.Text, x.Reads
	}
	b.generations = nil
	return nil
}

// addGenerated makes c, which has one generated column more than t, the table. Writers
// compute the column before anybody can see it; then the rows that are there get it,
// and only then it is shown.
func (d *ddl) addGenerated(ctx context.Context, t, c *catalog.Table, num int16) error {
	empty, err := d.isEmpty(ctx, t)
	if err != nil {
		return err
	}
	switch {
	case d.isNew(t):
		return d.change(ctx, func(ch *catalog.Change) error {
			for start := keys.User(nil); ; {
				next, err := d.s.generatePiece(ctx, c, num, start)
				if err != nil {
					return err
				}
				if next == nil {
					return ch.PutTable(ctx, c)
				}
				start = next
			}
		})
	case d.s.tx.block && !empty:
		return sqlerr.Unsupported("adding a generated column to a table with rows inside a transaction block")
	}
	c.Column(num).Hidden = true
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		err := e.ddlStep(ctx, t.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			if now.Version != t.Version {
				return errConcurrentDDL(now)
			}
			return ch.PutTable(ctx, c.Clone())
		})
		if err != nil {
			return err
		}
		if err = e.fillGenerated(ctx, t.ID, num); err == nil {
			return e.ddlStep(ctx, t.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
				n := now.Clone()
				n.Column(num).Hidden = false
				return ch.PutTable(ctx, n)
			})
		}
		if undo := e.dropColumn(context.WithoutCancel(ctx), t.ID, num, nil); undo != nil {
			e.o.Logger.Error("take back a new column", "table", t.ID, "column", num, "err", undo)
		}
		return err
	})
}

// fillGenerated computes a generated column, which writers know, for all rows.
func (e *Engine) fillGenerated(ctx context.Context, id catalog.ID, num int16) error {
	// After one more version no transaction commits that does not know the column.
	err := e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		return ch.PutTable(ctx, now.Clone())
	})
	if err == nil {
		err = e.settle(ctx)
	}
	for start := keys.User(nil); err == nil; {
		var next keys.User
		err = e.retrySession(ctx, func(ctx context.Context, s *Session) (err error) {
			t := s.tx.snap.Table(id)
			if t == nil || t.Column(num).Dropped {
				return sqlerr.New(sqlerr.UndefinedColumn, "the column was dropped meanwhile")
			}
			next, err = s.generatePiece(ctx, t, num, start)
			return err
		})
		if next == nil {
			break
		}
		start = next
	}
	return err
}

// generatePiece computes a column for some rows from start on (nil: the first) and
// returns where to go on, nil at the end.
func (s *Session) generatePiece(ctx context.Context, t *catalog.Table, num int16, start keys.User) (next keys.User, err error) {
	x, err := rowcodec.NewIndex(t, t.Primary())
	if err != nil {
		return nil, err
	}
	fetch, err := x.NewFetcher(rowcodec.AllColumns(t))
	if err != nil {
		return nil, err
	}
	list, err := plan.Generated(s.planOptions("", nil), t)
	if err != nil {
		return nil, err
	}
	ev := s.evalContext(nil)
	ev.Ctx = ctx
	lo, hi := x.Span()
	if start != nil {
		lo = start
	}
	it, err := s.tx.tx.Scan(ctx, lo, hi, exec.ScanOptions{Limit: backfillRows})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	c, place := t.Column(num), t.ColumnIndex(num)
	row := make([]types.Datum, len(t.Columns))
	var pairs []exec.Pair
	for len(pairs) < backfillRows {
		ok, err := it.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			next = nil
			break
		}
		if err := fetch.Decode(it.Key(), it.Value(), row); err != nil {
			return nil, err
		}
		for _, g := range list {
			if g.Place != place {
				continue
			}
			if row[place], err = g.Expr.Eval(ev, row); err != nil {
				return nil, err
			}
		}
		if c.NotNull && row[place].IsNull() {
			return nil, sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", c.Name, t.Name).
				WithTable(t.SchemaName, t.Name).WithColumn(c.Name)
		}
		value, err := x.Value(row, true)
		if err != nil {
			return nil, err
		}
		key := append(keys.User(nil), it.Key()...)
		pairs, next = append(pairs, exec.Pair{Key: key, Value: value}), keys.Next(key)
	}
	for _, p := range pairs {
		if err := s.tx.tx.Put(ctx, p.Key, p.Value); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// dropExpression is ALTER COLUMN … DROP EXPRESSION: the column keeps its values.
func (d *ddl) dropExpression(ctx context.Context, t *catalog.Table, a *ast.DropExpression) error {
	c, err := d.column(t, a.Column)
	switch {
	case err != nil:
		return err
	case c.Generated != "":
		return d.changeColumn(ctx, t, c.ID, func(c *catalog.Column) { c.Generated, c.GeneratedReads = "", nil })
	case a.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "column %q of relation %q is not a stored generated column, skipping", c.Name, t.Name)
		return nil
	}
	return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "column %q of relation %q is not a stored generated column", c.Name, t.Name)
}

// dropGeneratedOf is DROP COLUMN of one that generated columns are computed of.
func (d *ddl) dropGeneratedOf(ctx context.Context, t *catalog.Table, c *catalog.Column, list []*catalog.Column, a *ast.DropColumn, actions int) error {
	if !a.Cascade {
		var lines []string
		for _, g := range list {
			lines = append(lines, "column "+g.Name+" of table "+d.relName(t)+" depends on column "+c.Name+" of table "+d.relName(t))
		}
		return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop column %s of table %s because other objects depend on it", c.Name, d.relName(t)).
			WithDetail("%s", strings.Join(lines, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	var gone []dependent
	for _, g := range list {
		gone = append(gone, dependent{what: "column " + g.Name + " of table " + d.relName(t)})
	}
	d.noticeCascade(gone)
	for _, g := range list {
		if err := d.dropColumn(ctx, d.snap().Table(t.ID), &ast.DropColumn{At: a.At, Name: g.Name, Cascade: true}, actions); err != nil {
			return err
		}
	}
	return d.dropColumn(ctx, d.snap().Table(t.ID), a, actions)
}

// generatedText is the expression of a generated column as pg_get_expr prints it.
func (s *Session) generatedText(t *catalog.Table, c *catalog.Column) string {
	text, err := plan.GeneratedText(s.planOptions("", nil), t, c)
	if err != nil {
		return c.Generated
	}
	return text
}
