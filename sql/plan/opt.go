package plan

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// optimize applies the rules to a bound plan: conditions are moved down, columns
// that nobody reads are dropped, then every scan gets an access path and every
// join a method. Subplans of expressions are treated likewise.
func (b *binder) optimize(p *Plan) error {
	o := &optimizer{b: b, eval: b.o.Eval, eb: b.eb, est: newEstimator(b.o.Stats, b.o.Off)}
	if len(p.Modifying) == 0 {
		p.Root = inlineCTEs(p.Root)
	}
	root, err := o.run(p.Root)
	if err != nil {
		return err
	}
	p.Root = root
	p.Doomed = o.doomed(root)
	for _, c := range p.Modifying {
		o.cte(c)
	}
	return o.err
}

// doomed finds what PostgreSQL finds when it plans: SELECT 1/0.
func (o *optimizer) doomed(root Node) error {
	p, ok := root.(*Project)
	if !ok {
		return nil
	}
	if v, ok := p.Input.(*Values); !ok || len(v.Rows) != 1 {
		return nil
	}
	for _, e := range p.Exprs {
		if err := expr.ConstantError(e, o.eval); err != nil {
			return err
		}
	}
	return nil
}

type optimizer struct {
	b    *binder
	eval *expr.EvalContext
	eb   *expr.Builder
	est  *estimator
	err  error
	// seen are the WITH queries that have been treated already.
	seen map[*CTE]bool
	// bound has what indexes compute, over their tables' columns.
	bound map[*catalog.Index]*Derived
}

func (o *optimizer) run(n Node) (Node, error) {
	n = o.unnest(n)
	n = o.fold(n)
	n = o.push(n)
	o.prune(n, allOf(n))
	n = o.access(n)
	return n, o.err
}

func allOf(n Node) []bool {
	need := make([]bool, len(n.Columns()))
	for i := range need {
		need[i] = true
	}
	return need
}

// fold computes constant parts and treats the subplans in expressions.
func (o *optimizer) fold(n Node) Node {
	mapInputs(n, o.fold)
	if c, ok := n.(*CTEScan); ok {
		o.cte(c.CTE)
	}
	mapExprs(n, func(e expr.Expr) expr.Expr {
		expr.Walk(e, func(x expr.Expr) bool {
			if s, ok := x.(*expr.SubqueryExpr); ok {
				o.subplan(s)
			}
			return true
		})
		if c, ok := e.(*expr.Const); ok {
			return c
		}
		f, err := expr.Fold(e, o.eval)
		if err != nil {
			return e
		}
		return f
	})
	if f, ok := n.(*Filter); ok && neverTrue(f.Cond) {
		f.Cond = expr.NewConst(types.False, types.Bool)
	}
	return n
}

// cte treats a WITH query, once: an access path is not chosen twice.
func (o *optimizer) cte(c *CTE) {
	if o.seen[c] {
		return
	}
	if o.seen == nil {
		o.seen = map[*CTE]bool{}
	}
	o.seen[c] = true
	plan, err := o.run(c.Plan)
	if err != nil {
		o.err = err
		return
	}
	c.Plan = plan
}

func (o *optimizer) subplan(s *expr.SubqueryExpr) {
	sub, ok := s.Sub.(*Subplan)
	if !ok || sub.done {
		return
	}
	sub.done = true
	n, err := o.run(sub.Plan)
	if err != nil {
		o.err = err
		return
	}
	sub.Plan = n
}

// conjuncts splits a condition at its ANDs.
func conjuncts(e expr.Expr, out []expr.Expr) []expr.Expr {
	if e == nil {
		return out
	}
	if l, ok := e.(*expr.Logic); ok && !l.Or {
		for _, a := range l.Args {
			out = conjuncts(a, out)
		}
		return out
	}
	return append(out, e)
}

// conjoin is the opposite of conjuncts; nil for none.
func conjoin(list []expr.Expr) expr.Expr {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &expr.Logic{Args: append([]expr.Expr(nil), list...)}
}

// columnRange tells which columns an expression reads: none, or from lo to hi.
func columnRange(e expr.Expr) (lo, hi int) {
	lo, hi = -1, -1
	expr.Walk(e, func(x expr.Expr) bool {
		if c, ok := x.(*expr.Column); ok {
			if lo < 0 || c.Index < lo {
				lo = c.Index
			}
			hi = max(hi, c.Index)
		}
		return true
	})
	return lo, hi
}

// movable reports whether a condition may be evaluated elsewhere than it was
// written: not if it has effects or its value changes from call to call.
func movable(e expr.Expr) bool {
	return expr.VolatilityOf(e) != expr.Volatile
}

// push moves conditions towards the scans.
func (o *optimizer) push(n Node) Node { return o.pushInto(n, nil) }

// pushInto puts conditions over n's columns as deep into n as possible.
func (o *optimizer) pushInto(n Node, conds []expr.Expr) Node {
	switch n := n.(type) {
	case *Filter:
		if neverTrue(n.Cond) {
			// Nothing below is read, so nothing may be moved there that is.
			n.Input = o.push(n.Input)
			return n
		}
		var stay []expr.Expr
		for _, c := range conjuncts(n.Cond, nil) {
			if movable(c) {
				conds = append(conds, factor(c)...)
			} else {
				stay = append(stay, c)
			}
		}
		return filter(o.pushInto(n.Input, conds), stay)
	case *Scan:
		n.Filter = conjoin(append(conjuncts(n.Filter, nil), conds...))
		return n
	case *VirtualScan:
		n.Filter = conjoin(append(conjuncts(n.Filter, nil), conds...))
		return n
	case *Join:
		return o.pushJoin(n, conds)
	case *Apply:
		return o.pushApply(n, conds)
	case *Project:
		down, stay := through(n.Exprs, conds)
		n.Input = o.pushInto(n.Input, down)
		return filter(n, stay)
	case *Aggregate:
		// Conditions on group keys hold for whole groups.
		var down, stay []expr.Expr
		for _, c := range conds {
			if _, hi := columnRange(c); hi >= 0 && hi < len(n.Groups) && n.Sets == nil && movable(c) {
				down = append(down, substitute(c, n.Groups))
			} else {
				stay = append(stay, c)
			}
		}
		n.Input = o.pushInto(n.Input, down)
		return filter(n, stay)
	case *Window:
		// What holds for whole partitions may be checked before.
		var down, stay []expr.Expr
		for _, c := range conds {
			if n.wholePartitions(c) {
				down = append(down, c)
			} else {
				stay = append(stay, c)
			}
		}
		n.Input = o.pushInto(n.Input, down)
		return filter(n, stay)
	case *Sort:
		if n.Limit == nil && n.Offset == nil {
			n.Input = o.pushInto(n.Input, conds)
			return n
		}
	case *Distinct:
		if n.On == nil {
			n.Input = o.pushInto(n.Input, conds)
			return n
		}
	case *SetOp:
		if len(conds) > 0 {
			n.Left = o.pushInto(n.Left, conds)
			n.Right = o.pushInto(n.Right, conds)
			return n
		}
	}
	mapInputs(n, o.push)
	return filter(n, conds)
}

func filter(n Node, conds []expr.Expr) Node {
	if len(conds) == 0 {
		return n
	}
	return &Filter{Input: n, Cond: conjoin(conds)}
}

// through rewrites conditions over a projection's outputs as conditions over its
// input, where every output that they read is movable.
func through(exprs []expr.Expr, conds []expr.Expr) (down, stay []expr.Expr) {
	for _, c := range conds {
		ok := true
		expr.Walk(c, func(x expr.Expr) bool {
			if col, is := x.(*expr.Column); is {
				e := exprs[col.Index]
				ok = ok && movable(e) && !expr.Any(e, func(y expr.Expr) bool { _, sub := y.(*expr.SubqueryExpr); return sub })
			}
			return true
		})
		if ok {
			down = append(down, substitute(c, exprs))
		} else {
			stay = append(stay, c)
		}
	}
	return down, stay
}

// wholePartitions reports whether a condition is true or false for all rows of a
// partition alike.
func (n *Window) wholePartitions(c expr.Expr) bool {
	if _, hi := columnRange(c); hi < 0 || !movable(c) {
		return false
	}
	return !expr.Any(c, func(x expr.Expr) bool {
		col, ok := x.(*expr.Column)
		if !ok {
			return false
		}
		for _, p := range n.Spec.Partition {
			if expr.Equal(p, &expr.Column{Index: col.Index, Typ: col.Typ, Name: col.Name}) {
				return false
			}
		}
		return true
	})
}

// substitute replaces columns by the expressions that compute them.
func substitute(e expr.Expr, by []expr.Expr) expr.Expr {
	out, err := expr.Transform(e, func(x expr.Expr) (expr.Expr, error) {
		if c, ok := x.(*expr.Column); ok {
			return by[c.Index], nil
		}
		return x, nil
	})
	if err != nil {
		return e
	}
	return out
}

// pushJoin sorts conditions out to the sides of a join.
func (o *optimizer) pushJoin(n *Join, conds []expr.Expr) Node {
	lw := len(n.Left.Columns())
	var left, right, on, stay []expr.Expr
	// Conditions above the join.
	for _, c := range conds {
		lo, hi := columnRange(c)
		switch {
		case hi < lw && (n.Kind == InnerJoin || n.Kind == LeftJoin || n.half()) && hi >= 0:
			left = append(left, c)
		case lo >= lw && (n.Kind == InnerJoin || n.Kind == RightJoin):
			right = append(right, shift(c, -lw))
		case n.Kind == InnerJoin && hi >= 0:
			on = append(on, c)
		default:
			stay = append(stay, c)
		}
	}
	// The join's own condition: what concerns only the side that is filled with
	// NULLs may be checked before joining.
	for _, c := range conjuncts(n.Cond, nil) {
		lo, hi := columnRange(c)
		switch {
		case !movable(c) || hi < 0:
			on = append(on, c)
		case hi < lw && (n.Kind == InnerJoin || n.Kind == RightJoin || n.Kind == SemiJoin):
			left = append(left, c)
		case lo >= lw && (n.Kind == InnerJoin || n.Kind == LeftJoin || n.half()):
			right = append(right, shift(c, -lw))
		default:
			on = append(on, c)
		}
	}
	if n.Kind == InnerJoin {
		left, right = transfer(left, right, on, lw)
	}
	n.Left = o.pushInto(n.Left, left)
	n.Right = o.pushInto(n.Right, right)
	o.equiKeys(n, on)
	return filter(n, stay)
}

// transfer copies column = constant conditions over to columns of the other side
// that are equal to the column.
func transfer(left, right, on []expr.Expr, lw int) (l, r []expr.Expr) {
	l, r = left, right
	for _, c := range on {
		op, ok := c.(*expr.OpCall)
		if !ok || op.Op.Name != "=" {
			continue
		}
		a, aok := op.Left.(*expr.Column)
		z, zok := op.Right.(*expr.Column)
		if !aok || !zok || a.Typ.Bare() != z.Typ.Bare() {
			continue
		}
		if a.Index > z.Index {
			a, z = z, a
		}
		if a.Index >= lw || z.Index < lw {
			continue
		}
		for _, k := range left {
			if swapped, ok := replaceEq(k, a.Index, &expr.Column{Index: z.Index - lw, Typ: z.Typ, Name: z.Name}); ok {
				r = append(r, swapped)
			}
		}
		for _, k := range right {
			if swapped, ok := replaceEq(k, z.Index-lw, a); ok {
				l = append(l, swapped)
			}
		}
	}
	return l, r
}

// replaceEq turns column = constant into other = constant.
func replaceEq(e expr.Expr, index int, other *expr.Column) (expr.Expr, bool) {
	op, ok := e.(*expr.OpCall)
	if !ok || op.Op.Name != "=" || op.Left == nil {
		return nil, false
	}
	c, ok := op.Left.(*expr.Column)
	if !ok || c.Index != index || c.Typ.Bare() != other.Typ.Bare() {
		return nil, false
	}
	if _, hi := columnRange(op.Right); hi >= 0 || !movable(op.Right) {
		return nil, false
	}
	return op.WithChildren([]expr.Expr{other, op.Right}), true
}

// equiKeys takes equalities between the sides out of a join's condition, to be
// hashed.
func (o *optimizer) equiKeys(n *Join, conds []expr.Expr) {
	lw := len(n.Left.Columns())
	var rest []expr.Expr
	for _, c := range conds {
		l, r, t, ok := equality(c, lw)
		if !ok {
			rest = append(rest, c)
			continue
		}
		n.LeftKeys, n.RightKeys = append(n.LeftKeys, l), append(n.RightKeys, shift(r, -lw))
		n.KeyTypes = append(n.KeyTypes, t)
	}
	n.Cond = conjoin(rest)
}

// equality recognises left = right between the sides of a join, over types whose
// values can be compared with each other directly.
func equality(c expr.Expr, lw int) (l, r expr.Expr, t types.Type, ok bool) {
	op, isOp := c.(*expr.OpCall)
	if !isOp || op.Op.Name != "=" || op.Left == nil || !movable(c) {
		return nil, nil, t, false
	}
	l, r = op.Left, op.Right
	llo, lhi := columnRange(l)
	rlo, rhi := columnRange(r)
	if llo < 0 || rlo < 0 {
		return nil, nil, t, false
	}
	if llo >= lw && rhi < lw {
		l, r = r, l
	} else if !(lhi < lw && rlo >= lw) {
		return nil, nil, t, false
	}
	t, ok = hashType(l.Type(), r.Type())
	return l, r, t, ok
}

func hashType(a, b types.Type) (types.Type, bool) {
	a, b = a.Bare(), b.Bare()
	if a == b {
		return a, types.CheckOrdered(a) == nil
	}
	if isInt(a) && isInt(b) {
		return types.Int8, true
	}
	return types.Type{}, false
}

func isInt(t types.Type) bool {
	switch t.OID {
	case types.OIDInt2, types.OIDInt4, types.OIDInt8:
		return true
	}
	return false
}

func (o *optimizer) pushApply(n *Apply, conds []expr.Expr) Node {
	lw := len(n.Left.Columns())
	var left, on, stay []expr.Expr
	for _, c := range conds {
		_, hi := columnRange(c)
		switch {
		case hi < lw && hi >= 0:
			left = append(left, c)
		case n.Kind == InnerJoin:
			on = append(on, c)
		default:
			stay = append(stay, c)
		}
	}
	for _, c := range conjuncts(n.Cond, nil) {
		if _, hi := columnRange(c); hi < lw && hi >= 0 && n.Kind == InnerJoin && movable(c) {
			left = append(left, c)
		} else {
			on = append(on, c)
		}
	}
	n.Left = o.pushInto(n.Left, left)
	n.Right = o.push(n.Right)
	n.Cond = conjoin(on)
	return filter(n, stay)
}

// prune marks the columns of scans that nobody reads.
func (o *optimizer) prune(n Node, need []bool) {
	use := func(width int, list ...expr.Expr) []bool {
		m := make([]bool, width)
		set := map[int]struct{}{}
		for _, e := range list {
			if e != nil {
				expr.Columns(e, set)
			}
		}
		for i := range set {
			if i < width {
				m[i] = true
			}
		}
		return m
	}
	or := func(a, b []bool) []bool {
		for i := range a {
			a[i] = a[i] || b[i]
		}
		return a
	}
	width := func(m Node) int { return len(m.Columns()) }
	switch n := n.(type) {
	case *Scan:
		m := or(use(len(n.Wanted), n.Filter), need)
		for i := range n.Wanted {
			if !m[i] {
				n.Wanted[i] = -1
			}
		}
	case *VirtualScan:
	case *Filter:
		o.prune(n.Input, or(use(width(n.Input), n.Cond), need))
	case *Project:
		var list []expr.Expr
		for i, e := range n.Exprs {
			if need[i] || !movable(e) {
				list = append(list, e)
			}
		}
		// Outputs that nobody reads are not computed.
		for i := range n.Exprs {
			if !need[i] && movable(n.Exprs[i]) {
				n.Exprs[i] = &expr.Const{Typ: n.Exprs[i].Type()}
			}
		}
		o.prune(n.Input, use(width(n.Input), list...))
	case *Window:
		var list []expr.Expr
		for _, c := range n.Calls {
			list = append(list, c)
		}
		w := width(n.Input)
		o.prune(n.Input, or(use(w, list...), need[:w]))
	case *Sort:
		m := append([]bool(nil), need...)
		for _, k := range n.Keys {
			m = or(m, use(len(m), k.Expr))
		}
		o.prune(n.Input, m)
	case *LockRows:
		m := append([]bool(nil), need...)
		for _, t := range n.Tables {
			for _, c := range t.Cols {
				m[c] = true
			}
		}
		o.prune(n.Input, m)
	case *Limit:
		m := append([]bool(nil), need...)
		for _, k := range n.Ties {
			m = or(m, use(len(m), k.Expr))
		}
		o.prune(n.Input, m)
	case *Join:
		l, r := width(n.Left), width(n.Right)
		both := use(l+r, n.Cond)
		copy(both, or(append([]bool(nil), need...), both[:len(need)]))
		o.prune(n.Left, or(use(l, n.LeftKeys...), both[:l]))
		o.prune(n.Right, or(use(r, n.RightKeys...), both[l:]))
	case *Apply:
		l, r := width(n.Left), width(n.Right)
		both := or(use(l+r, n.Cond), need)
		o.prune(n.Left, or(use(l, n.Args...), both[:l]))
		o.prune(n.Right, both[l:])
	case *ProjectSet:
		w := width(n.Input)
		var list []expr.Expr
		for _, s := range n.Sets {
			list = append(list, s)
		}
		o.prune(n.Input, or(use(w, list...), need[:w]))
	case *Aggregate:
		list := append([]expr.Expr(nil), n.Groups...)
		for i, a := range n.Aggs {
			if !need[len(n.Groups)+i] && movable(&expr.ArrayExpr{Items: a.Children()}) {
				// Folding has removed who read it: its arguments are not computed.
				unread := *a
				unread.Filter = expr.NewConst(types.False, types.Bool)
				n.Aggs[i], a = &unread, &unread
			}
			list = append(list, a)
		}
		o.prune(n.Input, use(width(n.Input), list...))
	default:
		for _, in := range n.Inputs() {
			o.prune(in, allOf(in))
		}
	}
}

// mapInputs replaces the inputs of a node.
func mapInputs(n Node, f func(Node) Node) {
	switch n := n.(type) {
	case *Filter:
		n.Input = f(n.Input)
	case *Project:
		n.Input = f(n.Input)
	case *ProjectSet:
		n.Input = f(n.Input)
	case *Join:
		n.Left, n.Right = f(n.Left), f(n.Right)
	case *Apply:
		n.Left, n.Right = f(n.Left), f(n.Right)
	case *Aggregate:
		n.Input = f(n.Input)
	case *Window:
		n.Input = f(n.Input)
	case *Sort:
		n.Input = f(n.Input)
	case *LockRows:
		n.Input = f(n.Input)
	case *Limit:
		n.Input = f(n.Input)
	case *Distinct:
		n.Input = f(n.Input)
	case *SetOp:
		n.Left, n.Right = f(n.Left), f(n.Right)
	case *RecursiveUnion:
		n.Left, n.Right = f(n.Left), f(n.Right)
	case *Insert:
		n.Input = f(n.Input)
	case *Update:
		n.Input = f(n.Input)
	case *Delete:
		n.Input = f(n.Input)
	case *Merge:
		n.Input = f(n.Input)
	}
}

// mapExprs replaces the expressions of a node.
func mapExprs(n Node, f func(expr.Expr) expr.Expr) {
	one := func(e *expr.Expr) {
		if *e != nil {
			*e = f(*e)
		}
	}
	list := func(es []expr.Expr) {
		for i := range es {
			one(&es[i])
		}
	}
	switch n := n.(type) {
	case *Scan:
		one(&n.Filter)
	case *VirtualScan:
		one(&n.Filter)
	case *Values:
		for _, r := range n.Rows {
			list(r)
		}
	case *FuncScan:
		for i, e := range n.Funcs {
			if _, set := e.(*expr.SetCall); !set {
				n.Funcs[i] = f(e)
			} else {
				f(e)
			}
		}
	case *Filter:
		one(&n.Cond)
	case *Project:
		list(n.Exprs)
	case *Join:
		one(&n.Cond)
	case *Apply:
		list(n.Args)
		one(&n.Cond)
	case *Aggregate:
		list(n.Groups)
		for _, a := range n.Aggs {
			for _, arg := range a.Args {
				f(arg)
			}
			if a.Filter != nil {
				f(a.Filter)
			}
		}
	case *Window:
		for _, c := range n.Calls {
			for _, x := range c.Children() {
				f(x) // for the subplans in it
			}
		}
	case *ProjectSet:
		for _, s := range n.Sets {
			for _, arg := range s.Args {
				f(arg)
			}
		}
	case *Sort:
		for i := range n.Keys {
			one(&n.Keys[i].Expr)
		}
		one(&n.Limit)
		one(&n.Offset)
	case *LockRows:
		one(&n.Limit)
		one(&n.Offset)
	case *Limit:
		one(&n.Limit)
		one(&n.Offset)
	case *Insert:
		list(n.Returning)
		if n.Conflict != nil {
			list(n.Conflict.Set)
			one(&n.Conflict.Where)
		}
	case *Update:
		list(n.NewRow)
		list(n.Returning)
	case *Delete:
		list(n.Returning)
	case *Merge:
		for _, w := range n.Whens {
			one(&w.Cond)
			list(w.Row)
		}
	}
}
