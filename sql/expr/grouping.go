package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// GroupingCall is GROUPING(args). It does not evaluate: the planner knows which
// grouping set a row is of and puts the answer in its place.
type GroupingCall struct {
	Args []Expr
	// At and ArgAt are places in the statement, as ast.Pos has them.
	At    int32
	ArgAt []int32
}

// HasGrouping reports whether e holds a GROUPING call.
func HasGrouping(e Expr) bool {
	return Any(e, func(x Expr) bool { _, ok := x.(*GroupingCall); return ok })
}

// Type is integer.
func (e *GroupingCall) Type() types.Type { return types.Int4 }

// Eval refuses.
func (e *GroupingCall) Eval(*EvalContext, Row) (types.Datum, error) {
	return types.Null, sqlerr.Internal("GROUPING evaluated as an expression")
}

// Children are the arguments.
func (e *GroupingCall) Children() []Expr { return e.Args }

// WithChildren returns the call over other arguments.
func (e *GroupingCall) WithChildren(c []Expr) Expr {
	mustLen("GROUPING", c, len(e.Args))
	n := *e
	n.Args = c
	return &n
}
