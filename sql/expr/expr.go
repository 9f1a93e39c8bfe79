package expr

import (
	"fmt"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Expr is a bound expression.
type Expr interface {
	// Type is the type of the result. It does not change.
	Type() types.Type
	// Eval computes the value for a row. The row is not kept; the result may
	// share memory with it.
	Eval(ctx *EvalContext, row Row) (types.Datum, error)
	// Children returns the operands in order of evaluation, nil for a leaf. The
	// slice must not be changed.
	Children() []Expr
	// WithChildren returns the same node over other operands of the same number
	// and types. It takes over the slice.
	WithChildren([]Expr) Expr
}

// Const is a literal. With type unknown, Val is its text.
type Const struct {
	Val types.Datum
	Typ types.Type
	// At is where a literal stands in the statement, as ast.Pos has it; 0 if
	// unknown. Only errors about its text use it.
	At int32
	// number marks a literal written as digits, whose sign may still come.
	number bool
}

// NewConst returns a literal of a known type.
func NewConst(v types.Datum, t types.Type) *Const { return &Const{Val: v, Typ: t} }

// NewUnknown returns a quoted literal whose type is not yet known.
func NewUnknown(text string) *Const { return &Const{Val: types.NewString(text), Typ: types.Unknown} }

// NewNull returns a NULL of type unknown.
func NewNull() *Const { return &Const{Typ: types.Unknown} }

func (e *Const) Type() types.Type                            { return e.Typ }
func (e *Const) Eval(*EvalContext, Row) (types.Datum, error) { return e.Val, nil }
func (e *Const) Children() []Expr                            { return nil }
func (e *Const) WithChildren([]Expr) Expr                    { return e }

// Column reads one value of the input row.
type Column struct {
	Index int
	Typ   types.Type
	// Name is for messages and plans.
	Name string
}

func (e *Column) Type() types.Type { return e.Typ }
func (e *Column) Eval(_ *EvalContext, row Row) (types.Datum, error) {
	if uint(e.Index) >= uint(len(row)) {
		return types.Null, sqlerr.Internal("column %d (%s) of a row with %d values", e.Index, e.Name, len(row))
	}
	return row[e.Index], nil
}
func (e *Column) Children() []Expr         { return nil }
func (e *Column) WithChildren([]Expr) Expr { return e }

// Param is $(Index+1).
type Param struct {
	Index int
	Typ   types.Type
}

func (e *Param) Type() types.Type { return e.Typ }
func (e *Param) Eval(ctx *EvalContext, _ Row) (types.Datum, error) {
	if uint(e.Index) >= uint(len(ctx.Params)) {
		return types.Null, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", e.Index+1)
	}
	return ctx.Params[e.Index], nil
}
func (e *Param) Children() []Expr         { return nil }
func (e *Param) WithChildren([]Expr) Expr { return e }

// OuterParam reads a value that the surrounding query passed to a correlated
// subquery: SubqueryExpr.Args[Index] as seen from inside.
type OuterParam struct {
	Index int
	Typ   types.Type
	Name  string
}

func (e *OuterParam) Type() types.Type { return e.Typ }
func (e *OuterParam) Eval(ctx *EvalContext, _ Row) (types.Datum, error) {
	if uint(e.Index) >= uint(len(ctx.Outer)) {
		return types.Null, sqlerr.Internal("outer value %d (%s) of %d", e.Index, e.Name, len(ctx.Outer))
	}
	return ctx.Outer[e.Index], nil
}
func (e *OuterParam) Children() []Expr         { return nil }
func (e *OuterParam) WithChildren([]Expr) Expr { return e }

// Walk calls visit for e and everything below it, a node before its operands.
// Operands of a node for which visit returns false are left out.
func Walk(e Expr, visit func(Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	for _, c := range e.Children() {
		Walk(c, visit)
	}
}

// Transform replaces nodes from the leaves up: f gets each node with its operands
// already replaced and returns what to put there. Parts that do not change are
// shared with e.
func Transform(e Expr, f func(Expr) (Expr, error)) (Expr, error) {
	children := e.Children()
	var changed []Expr
	for i, c := range children {
		n, err := Transform(c, f)
		if err != nil {
			return nil, err
		}
		if n != c && changed == nil {
			changed = make([]Expr, len(children))
			copy(changed, children)
		}
		if changed != nil {
			changed[i] = n
		}
	}
	if changed != nil {
		e = e.WithChildren(changed)
	}
	return f(e)
}

// Any reports whether pred holds for e or anything below it.
func Any(e Expr, pred func(Expr) bool) bool {
	found := false
	Walk(e, func(x Expr) bool {
		if !found && pred(x) {
			found = true
		}
		return !found
	})
	return found
}

// HasAggregate reports whether e holds an aggregate call.
func HasAggregate(e Expr) bool {
	return Any(e, func(x Expr) bool { _, ok := x.(*AggCall); return ok })
}

// HasSet reports whether e holds a call of a set-returning function.
func HasSet(e Expr) bool {
	return Any(e, func(x Expr) bool { _, ok := x.(*SetCall); return ok })
}

// Columns adds the indexes of the columns that e reads to set.
func Columns(e Expr, set map[int]struct{}) {
	Walk(e, func(x Expr) bool {
		if c, ok := x.(*Column); ok {
			set[c.Index] = struct{}{}
		}
		return true
	})
}

// EvalBool evaluates a condition; NULL is false.
func EvalBool(e Expr, ctx *EvalContext, row Row) (bool, error) {
	d, err := e.Eval(ctx, row)
	return d.IsTrue(), err
}

func mustLen(what string, children []Expr, n int) {
	if len(children) != n {
		panic(fmt.Sprintf("expr: %s with %d operands instead of %d", what, len(children), n))
	}
}
