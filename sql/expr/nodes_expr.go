package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Types of the nodes.

func (e *AggCall) Type() types.Type      { return e.Sig.Result }
func (e *SetCall) Type() types.Type      { return e.Sig.Result }
func (e *SubqueryExpr) Type() types.Type { return e.Typ }
func (e *Logic) Type() types.Type        { return types.Bool }
func (e *Not) Type() types.Type          { return types.Bool }
func (e *IsNull) Type() types.Type       { return types.Bool }
func (e *IsBool) Type() types.Type       { return types.Bool }
func (e *IsDistinct) Type() types.Type   { return types.Bool }
func (e *Case) Type() types.Type         { return e.Typ }
func (e *Coalesce) Type() types.Type     { return e.Typ }
func (e *NullIf) Type() types.Type       { return e.Left.Type() }
func (e *MinMax) Type() types.Type       { return e.Typ }
func (e *InList) Type() types.Type       { return types.Bool }
func (e *AnyAll) Type() types.Type       { return types.Bool }
func (e *ArrayExpr) Type() types.Type    { return e.Typ }
func (e *Subscript) Type() types.Type    { return e.Typ }
func (e *RowExpr) Type() types.Type {
	if e.Typ.IsZero() {
		return types.RecordType
	}
	return e.Typ
}
func (e *RowCompare) Type() types.Type { return types.Bool }
func (e *Field) Type() types.Type      { return e.Typ }
func (e *FuncCall) Type() types.Type   { return e.Sig.Result }
func (e *OpCall) Type() types.Type     { return e.Sig.Result }
func (e *Cast) Type() types.Type       { return e.To }

// Operands and their replacement.

func (e *AggCall) Children() []Expr {
	if len(e.OrderBy) == 0 && e.Filter == nil {
		return e.Args
	}
	out := append([]Expr(nil), e.Args...)
	for _, k := range e.OrderBy {
		out = append(out, k.Expr)
	}
	if e.Filter != nil {
		out = append(out, e.Filter)
	}
	return out
}

func (e *AggCall) WithChildren(c []Expr) Expr {
	n := *e
	n.Args, c = c[:len(e.Args):len(e.Args)], c[len(e.Args):]
	n.OrderBy = make([]SortKey, len(e.OrderBy))
	for i, k := range e.OrderBy {
		k.Expr = c[i]
		n.OrderBy[i] = k
	}
	c = c[len(e.OrderBy):]
	if e.Filter != nil {
		n.Filter, c = c[0], c[1:]
	}
	mustLen("aggregate", c, 0)
	return &n
}

func (e *SetCall) Children() []Expr { return e.Args }
func (e *SetCall) WithChildren(c []Expr) Expr {
	mustLen("set-returning function", c, len(e.Args))
	n := *e
	n.Args = c
	return &n
}

func (e *SubqueryExpr) Children() []Expr {
	if len(e.Left) == 0 {
		return e.Args
	}
	return append(append([]Expr(nil), e.Left...), e.Args...)
}

func (e *SubqueryExpr) WithChildren(c []Expr) Expr {
	mustLen("subquery", c, len(e.Left)+len(e.Args))
	n := *e
	n.Left, n.Args = c[:len(e.Left):len(e.Left)], c[len(e.Left):]
	return &n
}

func (e *Logic) Children() []Expr           { return e.Args }
func (e *Logic) WithChildren(c []Expr) Expr { return &Logic{Or: e.Or, Args: c} }

func (e *Not) Children() []Expr           { return []Expr{e.Arg} }
func (e *Not) WithChildren(c []Expr) Expr { return &Not{Arg: c[0]} }

func (e *IsNull) Children() []Expr           { return []Expr{e.Arg} }
func (e *IsNull) WithChildren(c []Expr) Expr { return &IsNull{Arg: c[0], Negate: e.Negate} }

func (e *IsBool) Children() []Expr { return []Expr{e.Arg} }
func (e *IsBool) WithChildren(c []Expr) Expr {
	return &IsBool{Arg: c[0], Want: e.Want, Negate: e.Negate}
}

func (e *IsDistinct) Children() []Expr { return []Expr{e.Left, e.Right} }
func (e *IsDistinct) WithChildren(c []Expr) Expr {
	n := *e
	n.Left, n.Right = c[0], c[1]
	return &n
}

func (e *Case) Children() []Expr {
	out := make([]Expr, 0, 2*len(e.When)+1)
	for _, w := range e.When {
		out = append(out, w.Cond, w.Result)
	}
	if e.Else != nil {
		out = append(out, e.Else)
	}
	return out
}

func (e *Case) WithChildren(c []Expr) Expr {
	n := &Case{Typ: e.Typ, When: make([]CaseWhen, len(e.When))}
	for i := range n.When {
		n.When[i] = CaseWhen{Cond: c[2*i], Result: c[2*i+1]}
	}
	if e.Else != nil {
		n.Else = c[2*len(e.When)]
	}
	return n
}

func (e *Coalesce) Children() []Expr           { return e.Args }
func (e *Coalesce) WithChildren(c []Expr) Expr { return &Coalesce{Args: c, Typ: e.Typ} }

func (e *NullIf) Children() []Expr { return []Expr{e.Left, e.Right} }
func (e *NullIf) WithChildren(c []Expr) Expr {
	n := *e
	n.Left, n.Right = c[0], c[1]
	return &n
}

func (e *MinMax) Children() []Expr           { return e.Args }
func (e *MinMax) WithChildren(c []Expr) Expr { return &MinMax{Least: e.Least, Args: c, Typ: e.Typ} }

func (e *InList) Children() []Expr { return append([]Expr{e.Arg}, e.List...) }
func (e *InList) WithChildren(c []Expr) Expr {
	return newInList(c[0], c[1:], e.Negate, e.eq)
}

func (e *AnyAll) Children() []Expr { return []Expr{e.Left, e.Right} }
func (e *AnyAll) WithChildren(c []Expr) Expr {
	n := *e
	n.Left, n.Right = c[0], c[1]
	return &n
}

func (e *ArrayExpr) Children() []Expr { return e.Items }
func (e *ArrayExpr) WithChildren(c []Expr) Expr {
	return &ArrayExpr{Items: c, Nested: e.Nested, Typ: e.Typ}
}

func (e *Subscript) Children() []Expr {
	out := append(make([]Expr, 0, 1+len(e.Index)+len(e.Upper)), e.Array)
	for _, list := range [][]Expr{e.Index, e.Upper} {
		for _, x := range list {
			if x != nil {
				out = append(out, x)
			}
		}
	}
	return out
}

func (e *Subscript) WithChildren(c []Expr) Expr {
	n := *e
	n.Array, c = c[0], c[1:]
	take := func(old []Expr) []Expr {
		out := make([]Expr, len(old))
		for i, x := range old {
			if x != nil {
				out[i], c = c[0], c[1:]
			}
		}
		return out
	}
	n.Index = take(e.Index)
	n.Upper = take(e.Upper)
	mustLen("subscript", c, 0)
	return &n
}

func (e *RowExpr) Children() []Expr { return e.Items }
func (e *RowExpr) WithChildren(c []Expr) Expr {
	n := *e
	n.Items = c
	return &n
}

func (e *Field) Children() []Expr { return []Expr{e.Arg} }
func (e *Field) WithChildren(c []Expr) Expr {
	n := *e
	n.Arg = c[0]
	return &n
}

func (e *RowCompare) Children() []Expr { return append(append([]Expr(nil), e.Left...), e.Right...) }
func (e *RowCompare) WithChildren(c []Expr) Expr {
	n := *e
	n.Left, n.Right = c[:len(e.Left):len(e.Left)], c[len(e.Left):]
	return &n
}

func (e *FuncCall) Children() []Expr { return e.Args }
func (e *FuncCall) WithChildren(c []Expr) Expr {
	mustLen(e.Fn.Name, c, len(e.Args))
	n := *e
	n.Args = c
	return &n
}

func (e *OpCall) Children() []Expr {
	if e.Left == nil {
		return []Expr{e.Right}
	}
	return []Expr{e.Left, e.Right}
}

func (e *OpCall) WithChildren(c []Expr) Expr {
	n := *e
	if e.Left == nil {
		n.Right = c[0]
		return &n
	}
	n.Left, n.Right = c[0], c[1]
	return &n
}

func (e *Cast) Children() []Expr { return []Expr{e.Arg} }
func (e *Cast) WithChildren(c []Expr) Expr {
	n := *e
	n.Arg = c[0]
	return &n
}

// Nodes that are never evaluated in place.

func (e *AggCall) Eval(*EvalContext, Row) (types.Datum, error) {
	return types.Null, sqlerr.Internal("aggregate %s evaluated as an expression", e.Fn.Name)
}

func (e *SetCall) Eval(*EvalContext, Row) (types.Datum, error) {
	return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "set-valued function called in context that cannot accept a set")
}
