package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// inferArbiters finds the unique indexes over exactly the columns and expressions of
// the target, whose condition the target's implies.
func (b *binder) inferArbiters(w *target, o *ast.OnConflict, c *Conflict) error {
	want := map[int16]bool{}
	var exprs []expr.Expr
	for _, e := range o.Target {
		if e.Collation != nil || e.OpClass != nil {
			return b.errAt(unsupported("a collation or operator class in a conflict target"), e)
		}
		if e.Expr != nil {
			x, err := b.expr(e.Expr, w.scope)
			if err == nil {
				x, err = b.settleExpr(x, "")
			}
			if err != nil {
				return err
			}
			w.need.Privileges |= catalog.Select
			if col, ok := x.(*expr.Column); ok {
				want[w.table.Columns[col.Index].ID] = true
			} else {
				exprs = append(exprs, x)
			}
			continue
		}
		i, err := w.column(b, ast.Ident{At: e.At, Name: e.Column})
		if err != nil {
			return b.errAt(sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", e.Column), e)
		}
		want[w.table.Columns[i].ID] = true
		w.need.Privileges |= catalog.Select
		mark(&w.need.Selected, w.table.Columns[i].ID)
	}
	var conds []expr.Expr
	if o.TargetWhere != nil {
		x, err := b.expr(o.TargetWhere, w.scope)
		if err == nil {
			x, err = b.settleExpr(x, "")
		}
		if err != nil {
			return b.errAt(err, o.TargetWhere)
		}
		if x.Type().OID == types.OIDBool { // PostgreSQL does not ask for it here
			conds = conjuncts(x, nil)
		}
	}
	for i := range w.table.Indexes {
		if w.arbiter(i, want, exprs, conds) {
			c.Arbiters = append(c.Arbiters, i)
		}
	}
	if c.Arbiters == nil {
		return sqlerr.New(sqlerr.InvalidColumnReference, "there is no unique or exclusion constraint matching the ON CONFLICT specification")
	}
	return nil
}

func (w *target) arbiter(i int, want map[int16]bool, exprs, conds []expr.Expr) bool {
	ix := &w.table.Indexes[i]
	if !ix.Unique && !ix.Full || ix.State != catalog.Public || ix.ID == 0 {
		return false
	}
	var d Derived
	if w.derived != nil && w.derived[i] != nil {
		d = *w.derived[i]
	}
	columns := map[int16]bool{}
	for _, col := range ix.Columns {
		if col.Column != 0 {
			columns[col.Column] = true
			if !want[col.Column] {
				return false
			}
		}
	}
	return len(columns) == len(want) && allIn(exprs, d.Exprs) && allIn(d.Exprs, exprs) && (d.Pred == nil || implies(conds, d.Pred))
}

func allIn(list, of []expr.Expr) bool {
	for _, x := range list {
		if !slices.ContainsFunc(of, func(y expr.Expr) bool { return expr.Equal(x, y) }) {
			return false
		}
	}
	return true
}
