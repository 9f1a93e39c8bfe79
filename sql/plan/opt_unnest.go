package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// unnest turns subqueries in the conditions of filters into joins:
//
//	EXISTS (…), x IN (SELECT …)         semi join
//	NOT EXISTS (…)                      anti join
//	x NOT IN (SELECT …)                 anti join in which NULL is equal to all
//
// A subquery that it leaves alone is run for every row as before, or once if it
// depends on none. It comes before all other rules: what was a level of its own
// becomes a part of this one.
func (o *optimizer) unnest(n Node) Node {
	mapInputs(n, o.unnest)
	f, ok := n.(*Filter)
	if !ok || neverTrue(f.Cond) {
		return n
	}
	input := f.Input
	var rest []expr.Expr
	all := conjuncts(f.Cond, nil)
	for i, c := range all {
		if !hasSubquery(c) {
			rest = append(rest, c)
			continue
		}
		others := slices.DeleteFunc(slices.Delete(slices.Clone(all), i, i+1), hasSubquery)
		j := o.unnestOne(input, others, c)
		if j == nil {
			rest = append(rest, c)
			continue
		}
		input = j
	}
	if input == f.Input {
		return n
	}
	return filter(input, rest)
}

// unnestOne joins a subquery that a condition asks about; nil if it cannot be, or
// is cheaper to run for the rows that the other conditions leave.
func (o *optimizer) unnestOne(input Node, others []expr.Expr, c expr.Expr) Node {
	negate := false
	if n, ok := c.(*expr.Not); ok {
		c, negate = n.Arg, true
	}
	switch c := c.(type) {
	case *expr.SubqueryExpr:
		negate = negate != c.Negate
		switch c.Kind {
		case expr.SubqueryExists:
			return o.unnestExists(input, others, c, negate)
		case expr.SubqueryAny:
			return o.unnestIn(input, c, negate)
		}
	}
	return nil
}

// outerFree reports whether nothing below n reads a value of an outer level or
// does what must not be done another number of times.
func outerFree(n Node) bool {
	free := true
	walkNodes(n, func(m Node) {
		switch m := m.(type) {
		case *Insert, *Update, *Delete, *Merge, *LockRows, *WorkScan, *RecursiveUnion:
			free = false
		case *Scan:
			free = free && m.Lock == 0
		}
		for _, x := range nodeExprs(m) {
			free = free && movable(x) && !hasOuter(x)
		}
	})
	return free
}

func hasOuter(x expr.Expr) bool {
	return expr.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.OuterParam); return ok })
}

// peeled is a subquery without what stands on top of its FROM and WHERE.
type peeled struct {
	from  Node
	conds []expr.Expr // over from's rows and the outer level
	outs  []expr.Expr // over from's rows: what the subquery gives
}

// peel takes projections and filters off a subquery whose only references to the
// outer level are in its WHERE; ok is false if there are others.
func peel(n Node) (p peeled, ok bool) {
	var outs []expr.Expr
	for i, c := range n.Columns() {
		outs = append(outs, &expr.Column{Index: i, Typ: c.Type, Name: c.Name})
	}
	for {
		switch m := n.(type) {
		case *Project:
			for i := range outs {
				outs[i] = substitute(outs[i], m.Exprs)
			}
			for i := range p.conds {
				p.conds[i] = substitute(p.conds[i], m.Exprs)
			}
			n = m.Input
			continue
		case *Filter:
			if !movable(m.Cond) {
				return p, false
			}
			p.conds = append(p.conds, conjuncts(m.Cond, nil)...)
			n = m.Input
			continue
		case *Sort:
			if m.Limit == nil && m.Offset == nil {
				n = m.Input
				continue
			}
		}
		break
	}
	p.from, p.outs = n, outs
	for _, x := range slices.Concat(p.outs, p.conds) {
		if !movable(x) {
			return p, false
		}
	}
	return p, outerFree(n)
}

// inner makes the conditions of a subquery that read nothing of the outer level a
// filter, and returns the others over the rows of input and the subquery's.
func (p *peeled) inner(lw int, args []expr.Expr) (right Node, on []expr.Expr) {
	var own []expr.Expr
	for _, c := range p.conds {
		if !hasOuter(c) {
			own = append(own, c)
			continue
		}
		on = append(on, raise(c, lw, args))
	}
	return filter(p.from, own), on
}

// raise makes an expression of a subquery one over the rows of the outer level with
// the subquery's behind them.
func raise(e expr.Expr, lw int, args []expr.Expr) expr.Expr {
	out, err := expr.Transform(e, func(x expr.Expr) (expr.Expr, error) {
		switch x := x.(type) {
		case *expr.Column:
			return &expr.Column{Index: x.Index + lw, Typ: x.Typ, Name: x.Name}, nil
		case *expr.OuterParam:
			return args[x.Index], nil
		}
		return x, nil
	})
	if err != nil {
		return e
	}
	return out
}

func plainArgs(args []expr.Expr) bool {
	for _, a := range args {
		if !movable(a) || hasSubquery(a) {
			return false
		}
	}
	return true
}

func (o *optimizer) unnestExists(input Node, others []expr.Expr, s *expr.SubqueryExpr, negate bool) Node {
	sub, ok := s.Sub.(*Subplan)
	if !ok || sub.done || !sub.Correlated || !plainArgs(s.Args) {
		return nil
	}
	p, ok := peel(sub.Plan)
	if !ok {
		return nil
	}
	if o.fewRuns(input, others, p.from, p.conds) {
		return nil
	}
	right, on := p.inner(len(input.Columns()), s.Args)
	if len(on) == 0 {
		return nil
	}
	kind := SemiJoin
	if negate {
		kind = AntiJoin
	}
	j := halfJoin(kind, input, right)
	j.Cond = conjoin(on)
	return j
}

// fewRuns reports whether a subquery that finds its rows through an index is
// run so rarely that this is cheaper than to read all that it may ever need.
func (o *optimizer) fewRuns(input Node, others []expr.Expr, from Node, conds []expr.Expr) bool {
	est := newEstimator(o.est.stats, o.est.off)
	all := est.of(from)
	indexed := false
	for _, c := range conds {
		in, _, ok := correlation(c)
		if !ok {
			continue
		}
		if col, isCol := in.(*expr.Column); isCol {
			indexed = indexed || est.leads(from.Columns()[col.Index])
		}
	}
	if !indexed {
		return false
	}
	runs := est.of(filter(input, others)).Rows
	return runs*4*costRequest < all.Total
}

// leads reports whether a column is the first of an index.
func (e *estimator) leads(c Column) bool {
	info, _ := e.column(c)
	if info == nil {
		return false
	}
	for i := range info.t.Indexes {
		if ix := &info.t.Indexes[i]; ix.State == catalog.Public && ix.Columns[0].Column == c.AttNum {
			return true
		}
	}
	return false
}

// halfJoin is a semi or anti join: its rows are those of the left side.
func halfJoin(kind JoinKind, l, r Node) *Join {
	j := &Join{Kind: kind, Left: l, Right: r}
	j.Cols = l.Columns()
	return j
}

func (o *optimizer) unnestIn(input Node, s *expr.SubqueryExpr, negate bool) Node {
	sub, ok := s.Sub.(*Subplan)
	if !ok || sub.done || !plainArgs(s.Args) || !plainArgs(s.Left) || !movable(s.Compare) || hasSubquery(s.Compare) {
		return nil
	}
	lw := len(input.Columns())
	p := peeled{from: sub.Plan}
	for i, c := range sub.Plan.Columns() {
		p.outs = append(p.outs, &expr.Column{Index: i, Typ: c.Type, Name: c.Name})
	}
	if sub.Correlated {
		if negate {
			return nil // NULLs would count for one outer row and not for another
		}
		if p, ok = peel(sub.Plan); !ok {
			return nil
		}
	} else if !outerFree(sub.Plan) {
		return nil
	}
	right, on := p.inner(lw, s.Args)
	// Compare is over the operands and the subquery's values.
	vals := append([]expr.Expr(nil), s.Left...)
	for _, out := range p.outs {
		vals = append(vals, raise(out, lw, s.Args))
	}
	cmp := conjuncts(substitute(s.Compare, vals), nil)
	if !negate {
		for _, c := range cmp {
			if _, _, _, ok := equality(c, lw); !ok {
				return nil // to be compared with every row in either way
			}
		}
		if len(on) == 0 && allOutputs(cmp, lw, len(right.Columns())) {
			// Once each, they may be joined in any order.
			j := newJoin(InnerJoin, input, &Distinct{Input: right})
			j.Cond = conjoin(cmp)
			return j
		}
		j := halfJoin(SemiJoin, input, right)
		j.Cond = conjoin(append(on, cmp...))
		return j
	}
	if len(cmp) != 1 {
		return nil
	}
	l, r, t, ok := equality(cmp[0], lw)
	if !ok {
		return nil
	}
	j := halfJoin(AntiJoin, input, right)
	j.LeftKeys, j.RightKeys, j.KeyTypes = []expr.Expr{l}, []expr.Expr{shift(r, -lw)}, []types.Type{t}
	j.NullAware = true
	return j
}

// allOutputs reports whether equalities with the left side fix every column of the
// right side, which is width wide.
func allOutputs(cmp []expr.Expr, lw, width int) bool {
	fixed := map[int]bool{}
	for _, c := range cmp {
		_, r, _, _ := equality(c, lw)
		col, ok := r.(*expr.Column)
		if !ok {
			return false
		}
		fixed[col.Index] = true
	}
	return len(fixed) == width
}

// correlation recognises inner = outer; in reads the subquery's rows only, on the
// outer level only.
func correlation(c expr.Expr) (in, on expr.Expr, ok bool) {
	op, isOp := c.(*expr.OpCall)
	if !isOp || op.Op.Name != "=" || op.Left == nil || hasSubquery(c) {
		return nil, nil, false
	}
	in, on = op.Left, op.Right
	if hasOuter(in) {
		in, on = on, in
	}
	_, read := columnRange(on)
	_, own := columnRange(in)
	if hasOuter(in) || read >= 0 || own < 0 {
		return nil, nil, false
	}
	_, ok = hashType(in.Type(), on.Type())
	return in, on, ok
}

// factor takes conditions that all arms of an OR have in common out of it.
func factor(c expr.Expr) []expr.Expr {
	or, ok := c.(*expr.Logic)
	if !ok || !or.Or || len(or.Args) < 2 {
		return []expr.Expr{c}
	}
	arms := make([][]expr.Expr, len(or.Args))
	for i, a := range or.Args {
		arms[i] = conjuncts(a, nil)
	}
	var common []expr.Expr
	for _, k := range arms[0] {
		if !movable(k) || hasSubquery(k) {
			continue
		}
		in := true
		for _, arm := range arms[1:] {
			in = in && slices.ContainsFunc(arm, func(x expr.Expr) bool { return expr.Equal(x, k) })
		}
		if in {
			common = append(common, k)
		}
	}
	if len(common) == 0 {
		return []expr.Expr{c}
	}
	rest := make([]expr.Expr, 0, len(arms))
	for _, arm := range arms {
		left := slices.DeleteFunc(arm, func(x expr.Expr) bool {
			return slices.ContainsFunc(common, func(k expr.Expr) bool { return expr.Equal(x, k) })
		})
		if len(left) == 0 {
			return common // an arm that asks for nothing else
		}
		rest = append(rest, conjoin(left))
	}
	return append(common, &expr.Logic{Or: true, Args: rest})
}
