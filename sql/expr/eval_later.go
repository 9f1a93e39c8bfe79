package expr

import "github.com/quorate-db/quorate/sql/types"

func newInList(arg Expr, list []Expr, negate bool, eq *Op) *InList {
	return &InList{Arg: arg, List: list, Negate: negate, eq: eq}
}
func (e *InList) Eval(ctx *EvalContext, row Row) (types.Datum, error)    { return types.Null, errStub }
func (e *AnyAll) Eval(ctx *EvalContext, row Row) (types.Datum, error)    { return types.Null, errStub }
func (e *ArrayExpr) Eval(ctx *EvalContext, row Row) (types.Datum, error) { return types.Null, errStub }
func (e *Subscript) Eval(ctx *EvalContext, row Row) (types.Datum, error) { return types.Null, errStub }
func (e *Cast) Eval(ctx *EvalContext, row Row) (types.Datum, error)      { return types.Null, errStub }
func (e *SubqueryExpr) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	return types.Null, errStub
}
