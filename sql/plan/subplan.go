package plan

import (
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Rows runs the subquery.
func (s *Subplan) Rows(ctx *expr.EvalContext, args []types.Datum, limit int, yield func(expr.Row) (bool, error)) error {
	r, ok := ctx.System.(SubplanRunner)
	if !ok {
		return sqlerr.Unsupported("a subquery in this place")
	}
	return r.RunSubplan(ctx, s, args, limit, yield)
}
