package plan

import (
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// neverTrue says whether a folded condition of a WHERE or HAVING is false or NULL
// for every row because of a constant in it. PostgreSQL finds that when it plans
// (canonicalize_qual), so that the rest, which might fail, is not evaluated.
func neverTrue(e expr.Expr) bool {
	switch e := e.(type) {
	case *expr.Const:
		return e.Val.IsNull() || e.Typ.OID == types.OIDBool && !e.Val.Bool()
	case *expr.Logic:
		for _, a := range e.Args {
			if neverTrue(a) != e.Or {
				return !e.Or
			}
		}
		return e.Or
	case *expr.Not:
		return neverFalse(e.Arg)
	}
	return false
}

// neverFalse is the same of the negated condition.
func neverFalse(e expr.Expr) bool {
	switch e := e.(type) {
	case *expr.Const:
		return e.Val.IsNull() || e.Typ.OID == types.OIDBool && e.Val.Bool()
	case *expr.Logic:
		for _, a := range e.Args {
			if neverFalse(a) == e.Or {
				return e.Or
			}
		}
		return !e.Or
	case *expr.Not:
		return neverTrue(e.Arg)
	}
	return false
}
