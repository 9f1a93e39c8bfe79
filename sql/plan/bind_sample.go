package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// sample reads a table with TABLESAMPLE. Both methods choose rows, not blocks: there
// are none.
func (b *binder) sample(t *catalog.Table, alias string, c *ast.Sample, e env) (Node, error) {
	name := c.Method.String()
	switch {
	case name != "bernoulli" && name != "system" && name != "pg_catalog.bernoulli" && name != "pg_catalog.system":
		return nil, b.errAt(sqlerr.New(sqlerr.UndefinedObject, "tablesample method %s does not exist", name), c.Method)
	case len(c.Args) != 1:
		return nil, b.errAt(sqlerr.New(sqlerr.InvalidTablesampleArgument, "tablesample method %s requires 1 argument, not %d", name, len(c.Args)), c.Method)
	}
	cond := &expr.Sample{}
	var err error
	if cond.Percent, err = b.sampleArg(c.Args[0], "TABLESAMPLE", types.Float4, e); err != nil {
		return nil, err
	}
	if c.Repeatable != nil {
		if cond.Seed, err = b.sampleArg(c.Repeatable, "REPEATABLE", types.Float8, e); err != nil {
			return nil, err
		}
	}
	all, err := b.scan(t, alias, true)
	if err != nil {
		return nil, err
	}
	p := identity(all)
	p.Input = &Filter{Input: all, Cond: cond}
	out := &Project{Input: p.Input}
	for i := range t.Columns {
		col := &t.Columns[i]
		if t.Virtual && !col.Dropped || !t.Virtual && isKey(t, col.ID) {
			cond.Keys = append(cond.Keys, p.Exprs[i])
		}
		if !col.Dropped && !col.Hidden {
			out.Exprs, out.Cols = append(out.Exprs, p.Exprs[i]), append(out.Cols, p.Cols[i])
		}
	}
	return out, nil
}

func isKey(t *catalog.Table, id int16) bool {
	for _, c := range t.Primary().Columns {
		if c.Column == id {
			return true
		}
	}
	return false
}

// sampleArg binds an argument; it may not read the tables of the query it stands in.
func (b *binder) sampleArg(e ast.Expr, what string, t types.Type, in env) (expr.Expr, error) {
	x, err := b.expr(e, &scope{env: in})
	if err != nil {
		return nil, err
	}
	switch {
	case expr.HasAggregate(x):
		return nil, b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in functions in FROM"), x), e)
	case expr.HasSet(x):
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions must appear at top level of FROM"), e)
	}
	if err := b.noWindow(x, "functions in FROM"); err != nil {
		return nil, err
	}
	y, err := b.eb.Cast(x, t, expr.CastAssignment)
	if sqlerr.Is(err, sqlerr.CannotCoerce) || sqlerr.Is(err, sqlerr.DatatypeMismatch) {
		err = sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type %s, not type %s", what, t, x.Type().Bare())
	}
	return y, b.errAt(err, ast.At{Pos: ast.Leftmost(e)})
}

func errSampled() error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "TABLESAMPLE clause can only be applied to tables and materialized views")
}
