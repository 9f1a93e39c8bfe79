package plan

import (
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// implies reports whether pred is true for every row for which all of conds are. It
// may say no although it is so. Values that are not known yet (parameters, outer
// values) count for nothing.
//
// The rules are those of PostgreSQL's predtest.c that pay: AND and OR are taken apart on
// both sides, and a simple condition follows from an equal one, from a narrower
// comparison with a constant, or, if it is IS NOT NULL, from a strict one.
func implies(conds []expr.Expr, pred expr.Expr) bool {
	if l, ok := pred.(*expr.Logic); ok {
		for _, p := range l.Args {
			if implies(conds, p) == l.Or {
				return l.Or // one of OR is enough, one of AND that fails too
			}
		}
		if !l.Or {
			return true
		}
		// An OR among the conditions may imply the whole by its cases.
	}
	for _, c := range conds {
		if impliedBy(c, pred) {
			return true
		}
	}
	return false
}

func impliedBy(c, pred expr.Expr) bool {
	if l, ok := c.(*expr.Logic); ok {
		for _, x := range l.Args {
			if implies([]expr.Expr{x}, pred) != l.Or {
				return !l.Or // one of AND is enough, one of OR that fails too
			}
		}
		return l.Or
	}
	if c, pred = plainBool(c), plainBool(pred); expr.Equal(c, pred) {
		return expr.VolatilityOf(c) == expr.Immutable
	}
	if n, ok := pred.(*expr.IsNull); ok && n.Negate {
		return needsValue(c, n.Arg)
	}
	if p, ok := valuesOf(pred); ok {
		if k, ok := valuesOf(c); ok && expr.Equal(k.arg, p.arg) && expr.VolatilityOf(p.arg) == expr.Immutable {
			return k.within(p)
		}
	}
	return false
}

// plainBool writes b = true as b and b = false as NOT b, which are true for the same
// rows.
func plainBool(e expr.Expr) expr.Expr {
	c, ok := e.(*expr.OpCall)
	if !ok || c.Left == nil || c.Op.Name != "=" || c.Left.Type().OID != types.OIDBool {
		return e
	}
	k, ok := c.Right.(*expr.Const)
	if !ok || k.Val.IsNull() || k.Typ.OID != types.OIDBool {
		return e
	}
	if k.Val.Bool() {
		return c.Left
	}
	return &expr.Not{Arg: c.Left}
}

// needsValue reports whether a condition is not true where arg is NULL.
func needsValue(c, arg expr.Expr) bool {
	if expr.VolatilityOf(arg) != expr.Immutable {
		return false
	}
	switch c := c.(type) {
	case *expr.OpCall:
		return c.Op.Strict && (c.Left != nil && strictIn(c.Left, arg) || strictIn(c.Right, arg))
	case *expr.InList:
		return strictIn(c.Arg, arg) && (!c.Negate || len(c.List) > 0)
	case *expr.AnyAll:
		return !c.All && c.Op.Op.Strict && strictIn(c.Left, arg)
	case *expr.IsNull:
		return c.Negate && strictIn(c.Arg, arg)
	case *expr.Not:
		return strictIn(c.Arg, arg)
	}
	return strictIn(c, arg)
}

// strictIn reports whether e is NULL where arg is.
func strictIn(e, arg expr.Expr) bool {
	if expr.Equal(e, arg) {
		return true
	}
	switch e := e.(type) {
	case *expr.OpCall:
		return e.Op.Strict && (e.Left != nil && strictIn(e.Left, arg) || strictIn(e.Right, arg))
	case *expr.FuncCall:
		if !e.Fn.Strict || e.Spread {
			return false
		}
		for _, a := range e.Args {
			if strictIn(a, arg) {
				return true
			}
		}
	}
	return false
}

// values is a condition of the form arg op constant, or arg IN (constants).
type values struct {
	arg  expr.Expr
	op   string
	list []types.Datum // one for an inequality
	typ  types.Type
}

func valuesOf(e expr.Expr) (values, bool) {
	switch e := e.(type) {
	case *expr.OpCall:
		if e.Left == nil {
			return values{}, false
		}
		l, r, op := e.Left, e.Right, e.Op.Name
		if _, ok := l.(*expr.Const); ok {
			l, r, op = r, l, turned[op]
		}
		k, ok := r.(*expr.Const)
		if !ok || k.Val.IsNull() || turned[op] == "" || !comparable(l.Type(), k.Typ) {
			return values{}, false
		}
		return values{l, op, []types.Datum{k.Val}, k.Typ}, true
	case *expr.InList:
		if e.Negate {
			return values{}, false
		}
		v := values{arg: e.Arg, op: "="}
		for _, x := range e.List {
			k, ok := x.(*expr.Const)
			if !ok || !comparable(e.Arg.Type(), k.Typ) {
				return values{}, false
			}
			if v.typ = k.Typ; !k.Val.IsNull() {
				v.list = append(v.list, k.Val)
			}
		}
		return v, len(v.list) > 0
	case *expr.AnyAll:
		k, ok := e.Right.(*expr.Const)
		if !ok || e.All || e.Op.Op.Name != "=" || k.Val.IsNull() || !comparable(e.Left.Type(), k.Typ.Elem()) {
			return values{}, false
		}
		v := values{arg: e.Left, op: "=", typ: k.Typ.Elem()}
		for _, d := range k.Val.Array().Elems {
			if !d.IsNull() {
				v.list = append(v.list, d)
			}
		}
		return v, len(v.list) > 0
	}
	return values{}, false
}

// turned has the comparisons that valuesOf knows and what they are with the sides
// swapped.
var turned = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=", "<>": "<>"}

// within reports whether every value that c allows is allowed by p.
func (c values) within(p values) bool {
	typ := c.typ.Base()
	switch {
	case c.op == "=":
		for _, d := range c.list {
			if !p.allows(d, typ) {
				return false
			}
		}
		return true
	case p.op == "=" || c.op == "<>":
		return false
	}
	bound := c.list[0]
	cmp := types.Compare(bound, p.list[0], typ)
	up := c.op == ">" || c.op == ">="
	switch p.op {
	case ">":
		return up && (cmp > 0 || cmp == 0 && c.op == ">")
	case ">=":
		return up && cmp >= 0
	case "<":
		return !up && (cmp < 0 || cmp == 0 && c.op == "<")
	case "<=":
		return !up && cmp <= 0
	case "<>":
		if up {
			return cmp > 0 || cmp == 0 && c.op == ">"
		}
		return cmp < 0 || cmp == 0 && c.op == "<"
	}
	return false
}

// allows reports whether arg = d fulfils p.
func (p values) allows(d types.Datum, typ types.Type) bool {
	for _, x := range p.list {
		cmp := types.Compare(d, x, typ)
		if p.op == "=" && cmp == 0 || p.op == "<>" && cmp != 0 || p.op == "<" && cmp < 0 || p.op == "<=" && cmp <= 0 ||
			p.op == ">" && cmp > 0 || p.op == ">=" && cmp >= 0 {
			return true
		}
	}
	return false
}
