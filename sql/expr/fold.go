package expr

import (
	"slices"

	"github.com/quorate-db/quorate/sql/types"
)

// Fold evaluates the constant parts of e that are immutable. A part whose
// evaluation fails is left as it is, so that the error comes when, and only if,
// it is reached (as in CASE … ELSE 1/0 END).
func Fold(e Expr, ctx *EvalContext) (Expr, error) {
	if ctx == nil {
		ctx = &EvalContext{}
	}
	return Transform(e, func(n Expr) (Expr, error) { return foldNode(n, ctx), nil })
}

// ConstantError returns the error of a part of e, folded before, that is immutable
// and constant and cannot be computed, nil if there is none. Parts that need not be
// reached (of CASE, COALESCE, AND, OR, subqueries) are left out.
func ConstantError(e Expr, ctx *EvalContext) error {
	if ctx == nil {
		ctx = &EvalContext{}
	}
	switch e.(type) {
	case *OpCall, *FuncCall, *Cast:
	default:
		return nil
	}
	constant := true
	for _, c := range e.Children() {
		if err := ConstantError(c, ctx); err != nil {
			return err
		}
		_, ok := c.(*Const)
		constant = constant && ok
	}
	if !constant || ownVolatility(e) != Immutable {
		return nil
	}
	_, err := e.Eval(ctx, nil)
	return err
}

func foldNode(n Expr, ctx *EvalContext) Expr {
	switch x := n.(type) {
	case *Const, *Column, *Param, *OuterParam, *AggCall, *WindowCall, *SetCall, *SubqueryExpr:
		return n
	case *Logic:
		return foldLogic(x)
	case *Case:
		return foldCase(x)
	case *Coalesce:
		return foldCoalesce(x)
	}
	if nullByStrictness(n, ctx) {
		return &Const{Typ: n.Type()}
	}
	if ownVolatility(n) != Immutable {
		return n
	}
	for _, c := range n.Children() {
		if _, ok := c.(*Const); !ok {
			return n
		}
	}
	d, err := n.Eval(ctx, nil)
	if err != nil {
		return n
	}
	if d.Kind() == types.KindRecord {
		return n
	}
	return &Const{Val: d, Typ: n.Type()}
}

// nullByStrictness reports whether n is a strict operator or function one of whose
// arguments is a NULL constant: its value is NULL and the other arguments, which
// might fail, are never looked at, as in PostgreSQL (evaluate_function in
// optimizer/util/clauses.c). One that is constant, or has a constant part, was looked
// at before, and failed.
func nullByStrictness(n Expr, ctx *EvalContext) bool {
	switch x := n.(type) {
	case *OpCall:
		if !x.Op.Strict {
			return false
		}
	case *FuncCall:
		if !x.Fn.Strict {
			return false
		}
	default:
		return false
	}
	null := slices.ContainsFunc(n.Children(), func(a Expr) bool { c, ok := a.(*Const); return ok && c.Val.IsNull() })
	return null && !slices.ContainsFunc(n.Children(), func(a Expr) bool {
		_, ok := a.(*Const)
		return !ok && (constant(a) || ConstantError(a, ctx) != nil)
	})
}

// constant reports whether e depends on nothing.
func constant(e Expr) bool {
	free := true
	Walk(e, func(n Expr) bool {
		if _, ok := n.(*Column); ok || ownVolatility(n) != Immutable {
			free = false
		}
		return free
	})
	return free
}

// foldLogic drops operands that decide nothing and stops at one that decides
// all, as long as no operand before it might fail.
func foldLogic(x *Logic) Expr {
	var keep []Expr
	for _, a := range x.Args {
		c, ok := a.(*Const)
		if !ok || c.Val.IsNull() {
			keep = append(keep, a)
			continue
		}
		if c.Val.Bool() == x.Or {
			return c
		}
	}
	switch {
	case len(keep) == len(x.Args):
		return x
	case len(keep) == 0:
		return &Const{Val: types.NewBool(!x.Or), Typ: types.Bool}
	case len(keep) == 1:
		return keep[0]
	}
	return &Logic{Or: x.Or, Args: keep}
}

func foldCase(x *Case) Expr {
	n := &Case{Typ: x.Typ, Else: x.Else}
	for _, w := range x.When {
		c, ok := w.Cond.(*Const)
		if !ok {
			n.When = append(n.When, w)
			continue
		}
		if c.Val.IsTrue() {
			n.Else = w.Result
			break
		}
	}
	if len(n.When) == 0 {
		if n.Else == nil {
			return &Const{Typ: x.Typ}
		}
		return n.Else
	}
	return n
}

func foldCoalesce(x *Coalesce) Expr {
	var keep []Expr
	for _, a := range x.Args {
		c, ok := a.(*Const)
		if ok && c.Val.IsNull() {
			continue
		}
		keep = append(keep, a)
		if ok {
			break
		}
	}
	switch len(keep) {
	case 0:
		return &Const{Typ: x.Typ}
	case 1:
		return keep[0]
	}
	return &Coalesce{Args: keep, Typ: x.Typ}
}

// IsConst returns the value of e if it is a literal.
func IsConst(e Expr) (types.Datum, bool) {
	c, ok := e.(*Const)
	if !ok {
		return types.Null, false
	}
	return c.Val, true
}

// VolatilityOf returns the strongest volatility in e. Parameters and outer values
// count as stable, columns and literals as immutable.
func VolatilityOf(e Expr) Volatility {
	v := Immutable
	Walk(e, func(n Expr) bool {
		v = max(v, ownVolatility(n))
		return v != Volatile
	})
	return v
}

func ownVolatility(n Expr) Volatility {
	switch x := n.(type) {
	case *Param, *OuterParam, *Sample:
		return Stable
	case *SubqueryExpr, *AggCall, *WindowCall, *SetCall:
		return Volatile
	case *FuncCall:
		return x.Fn.Volatility
	case *OpCall:
		return x.Op.Volatility
	case *Cast:
		return x.volatility()
	case *AnyAll:
		return x.Op.Op.Volatility
	case *Const, *Column, *Logic, *Not, *IsNull, *IsBool, *IsDistinct, *Case, *Coalesce, *NullIf,
		*MinMax, *InList, *ArrayExpr, *Subscript, *RowExpr, *RowCompare, *Field, *JSONSubscript, *ArrayAssign, *JSONAssign:
		return Immutable
	}
	// A node of somebody else's.
	return Volatile
}
