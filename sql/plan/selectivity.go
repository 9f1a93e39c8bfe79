package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
)

// Shares of rows that satisfy conditions of which nothing is known.
const (
	guessLike = 0.05
	guessNull = 0.005
)

// selectivity estimates the share of rows with the given columns that satisfy a
// condition, between 0 and 1. rows is how many there are.
func (e *estimator) selectivity(c expr.Expr, cols []Column, rows float64) float64 {
	if c == nil {
		return 1
	}
	share := 1.0
	var ranges []*rangeShare
	for _, k := range conjuncts(c, nil) {
		if col, lo, hi, ok := e.rangeOf(k, cols); ok {
			at := slices.IndexFunc(ranges, func(r *rangeShare) bool { return r.col == col })
			if at < 0 {
				ranges = append(ranges, &rangeShare{col, lo, hi})
				continue
			}
			r := ranges[at]
			r.lo, r.hi = max(r.lo, lo), min(r.hi, hi)
			continue
		}
		share *= e.one(k, cols, rows)
	}
	for _, r := range ranges {
		_, st := e.column(cols[r.col])
		notNull := 1.0
		if st != nil {
			notNull = 1 - st.NullFrac
		}
		share *= max(min(notNull, r.hi)-r.lo, min(0.0005, 1/max(rows, 1)))
	}
	return min(1, max(0, share))
}

// rangeShare says between which shares of the ordered values a range lies.
type rangeShare struct {
	col    int
	lo, hi float64
}

// rangeOf recognises column < constant and the like, where the histogram can tell.
func (e *estimator) rangeOf(c expr.Expr, cols []Column) (col int, lo, hi float64, ok bool) {
	k, is := condOf(c)
	if !is || len(k.vals) != 1 || k.op == "=" || k.null || k.arr != nil || k.col >= len(cols) {
		return 0, 0, 0, false
	}
	v, known := expr.IsConst(k.vals[0])
	_, st := e.column(cols[k.col])
	if !known || v.IsNull() || st == nil || !sameKind(v, k.vals[0].Type(), st) {
		return 0, 0, 0, false
	}
	below := st.Below(v, k.op == "<=" || k.op == ">")
	if below < 0 {
		return 0, 0, 0, false
	}
	if k.op == "<" || k.op == "<=" {
		return k.col, 0, below, true
	}
	return k.col, below, 1, true
}

// sameKind reports whether a value of a type can be compared with those of a
// column's statistics.
func sameKind(v types.Datum, t types.Type, st *stats.Column) bool {
	return comparable(st.Type, t) && types.KindOf(st.Type) == v.Kind()
}

// one estimates a condition that is no conjunction.
func (e *estimator) one(c expr.Expr, cols []Column, rows float64) float64 {
	switch c := c.(type) {
	case *expr.Const:
		if c.Val.IsTrue() {
			return 1
		}
		return 0
	case *expr.Column:
		if c.Index < len(cols) {
			if _, st := e.column(cols[c.Index]); st != nil {
				if s := st.Equal(types.True, rows); s >= 0 {
					return s
				}
			}
		}
		return 0.5
	case *expr.Logic:
		if !c.Or {
			return e.selectivity(c, cols, rows)
		}
		none := 1.0
		for _, a := range c.Args {
			none *= 1 - e.selectivity(a, cols, rows)
		}
		return 1 - none
	case *expr.Not:
		return 1 - e.selectivity(c.Arg, cols, rows)
	case *expr.IsNull:
		s := e.nulls(c.Arg, cols)
		if c.Negate {
			return 1 - s
		}
		return s
	case *expr.InList:
		s := 0.0
		for _, x := range c.List {
			s += e.equalTo(c.Arg, x, cols, rows)
		}
		s = min(1, s)
		if c.Negate {
			return 1 - s
		}
		return s
	case *expr.AnyAll:
		if c.All {
			return guessFilter
		}
		if c.Op.Op.Name != "=" {
			return guessFilter
		}
		return min(1, float64(arrayLen(c.Right))*e.equalTo(c.Left, &expr.Param{Typ: c.Left.Type()}, cols, rows))
	case *expr.OpCall:
		return e.operator(c, cols, rows)
	case *expr.SubqueryExpr:
		return 0.5
	}
	return guessFilter
}

func (e *estimator) nulls(x expr.Expr, cols []Column) float64 {
	if c, ok := x.(*expr.Column); ok && c.Index < len(cols) {
		info, st := e.column(cols[c.Index])
		if st != nil {
			return st.NullFrac
		}
		if info != nil {
			if col := info.t.Column(cols[c.Index].AttNum); col != nil && col.NotNull {
				return 0
			}
		}
	}
	return guessNull
}

func (e *estimator) operator(c *expr.OpCall, cols []Column, rows float64) float64 {
	if c.Left == nil {
		return guessFilter
	}
	switch c.Op.Name {
	case "=":
		return e.equals(c.Left, c.Right, cols, rows)
	case "<>", "!=":
		return 1 - e.equals(c.Left, c.Right, cols, rows)
	case "<", "<=", ">", ">=":
		_, l := c.Left.(*expr.Column)
		_, r := c.Right.(*expr.Column)
		if l && r {
			return guessFilter
		}
		return guessRange
	case "~~":
		return e.like(c, cols)
	case "!~~":
		return 1 - e.like(c, cols)
	case "~~*", "~", "~*":
		return guessLike
	case "!~~*", "!~", "!~*":
		return 1 - guessLike
	}
	return guessFilter
}

// equals estimates a = b in either order.
func (e *estimator) equals(a, b expr.Expr, cols []Column, rows float64) float64 {
	ca, aok := a.(*expr.Column)
	cb, bok := b.(*expr.Column)
	switch {
	case aok && bok && ca.Index < len(cols) && cb.Index < len(cols):
		return 1 / max(e.distinct(cols[ca.Index], rows), e.distinct(cols[cb.Index], rows))
	case aok:
		return e.equalTo(a, b, cols, rows)
	case bok:
		return e.equalTo(b, a, cols, rows)
	}
	return e.equalTo(a, b, cols, rows)
}

// equalTo estimates x = v, v being no column.
func (e *estimator) equalTo(x, v expr.Expr, cols []Column, rows float64) float64 {
	c, ok := x.(*expr.Column)
	if !ok || c.Index >= len(cols) {
		return 1 / max(e.distinctOf(x, cols, rows), 1)
	}
	info, st := e.column(cols[c.Index])
	if st != nil {
		if d, known := expr.IsConst(v); known {
			if d.IsNull() {
				return 0
			}
			if sameKind(d, v.Type(), st) {
				if s := st.Equal(d, info.rows); s >= 0 {
					return s
				}
			}
		}
		if s := st.EqualAny(info.rows); s >= 0 {
			return s
		}
	}
	return 1 / e.distinct(cols[c.Index], rows)
}

// distinctOf is distinct for an expression.
func (e *estimator) distinctOf(x expr.Expr, cols []Column, rows float64) float64 {
	if c, ok := x.(*expr.Column); ok && c.Index < len(cols) {
		return e.distinct(cols[c.Index], rows)
	}
	return max(1, rows*guessRange)
}

// equalShare estimates which share of the pairs of rows of two inputs has equal
// keys: System R's rule.
func (e *estimator) equalShare(l expr.Expr, lcols []Column, lrows float64, r expr.Expr, rcols []Column, rrows float64) float64 {
	nd := max(e.distinctOf(l, lcols, lrows), e.distinctOf(r, rcols, rrows))
	return (1 - e.nulls(l, lcols)) * (1 - e.nulls(r, rcols)) / max(nd, 1)
}

// like estimates LIKE by the text that the pattern begins with.
func (e *estimator) like(c *expr.OpCall, cols []Column) float64 {
	col, ok := c.Left.(*expr.Column)
	d, known := expr.IsConst(c.Right)
	if !ok || !known || d.IsNull() || col.Index >= len(cols) {
		return guessLike
	}
	prefix, exact := likePrefix(d.Str())
	_, st := e.column(cols[col.Index])
	if st == nil || prefix == "" || types.KindOf(st.Type) != types.KindString {
		return guessLike
	}
	if exact {
		if s := st.Equal(types.NewString(prefix), 1e6); s >= 0 {
			return s
		}
		return guessLike
	}
	lo, hi := st.Below(types.NewString(prefix), false), 1.0
	if end, ok := prefixEnd(prefix); ok {
		hi = st.Below(types.NewString(end), false)
	}
	if lo < 0 || hi < lo {
		return guessLike
	}
	return max(hi-lo, 0.0001)
}

// likePrefix returns the text that all matches of a LIKE pattern begin with; exact
// if the pattern has nothing else.
func likePrefix(pattern string) (prefix string, exact bool) {
	var b []byte
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '%', '_':
			return string(b), false
		case '\\':
			if i++; i == len(pattern) {
				return string(b), false
			}
			b = append(b, pattern[i])
		default:
			b = append(b, c)
		}
	}
	return string(b), true
}

// prefixEnd returns the first text behind all that begin with p; ok is false if
// there is none.
func prefixEnd(p string) (string, bool) {
	b := []byte(p)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0x7f {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}
