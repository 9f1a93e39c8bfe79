package plan

import (
	"math"
	"math/bits"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// joinsMax is up to how many relations the best order is looked for among all;
// beyond, the cheapest pair is joined again and again.
const joinsMax = 10

// relSet is a set of relations of a joinGraph.
type relSet uint64

// joinGraph is a tree of inner joins taken apart. Expressions in it are over the
// columns of all relations in their first order, behind each other.
type joinGraph struct {
	o     *optimizer
	rels  []Node
	first []int // of each relation, its first column
	width int
	preds []joinPred
	rows  map[relSet]float64
	best  map[relSet]*joinStep
	tried map[lookupKey]*lookupTry
}

// joinPred is a condition between relations.
type joinPred struct {
	cond expr.Expr
	on   relSet
	// Of an equality: the relations of its sides.
	eq          bool
	l, r        expr.Expr
	lOn, rOn    relSet
	typ         types.Type
	selectivity float64
}

// joinStep is the cheapest way to join a set that was found.
type joinStep struct {
	set         relSet
	left, right *joinStep // nil for a relation
	lookup      bool
	cost        float64
}

type lookupKey struct {
	rel  int
	from relSet
}

type lookupTry struct {
	ok         bool
	cost, rows float64
}

// orderJoins chooses the order and the methods of a tree of inner joins; nil if
// there is nothing to choose.
func (o *optimizer) orderJoins(top *Join) Node {
	g := &joinGraph{o: o, rows: map[relSet]float64{}, best: map[relSet]*joinStep{}, tried: map[lookupKey]*lookupTry{}}
	out, ok := g.flatten(top)
	if !ok || len(g.rels) > 64 || !g.place() {
		return nil
	}
	for i, r := range g.rels {
		g.rels[i] = o.access(r)
		g.rows[1<<i] = max(o.est.of(g.rels[i]).Rows, 1e-3)
		g.best[1<<i] = &joinStep{set: 1 << i, cost: o.est.of(g.rels[i]).Total}
	}
	g.rate()
	var plan *joinStep
	if len(g.rels) <= joinsMax {
		plan = g.dynamic()
	} else {
		plan = g.greedy()
	}
	n, layout := g.build(plan)
	return g.restore(n, layout, out, top.Cols)
}

// flatten takes a tree apart. It returns what the node's columns are.
func (g *joinGraph) flatten(n Node) ([]expr.Expr, bool) {
	switch n := n.(type) {
	case *Join:
		if n.Kind != InnerJoin {
			break
		}
		l, ok := g.flatten(n.Left)
		if !ok {
			return nil, false
		}
		r, ok := g.flatten(n.Right)
		if !ok {
			return nil, false
		}
		both := append(append([]expr.Expr(nil), l...), r...)
		for i := range n.LeftKeys {
			g.preds = append(g.preds, joinPred{eq: true, l: renamed(n.LeftKeys[i], l), r: renamed(n.RightKeys[i], r), typ: n.KeyTypes[i]})
		}
		for _, c := range conjuncts(n.Cond, nil) {
			if !movable(c) {
				return nil, false
			}
			g.preds = append(g.preds, joinPred{cond: renamed(c, both)})
		}
		return both, true
	case *Project:
		if _, join := n.Input.(*Join); !join || !onlyColumns(n.Exprs) {
			break
		}
		in, ok := g.flatten(n.Input)
		if !ok {
			return nil, false
		}
		out := make([]expr.Expr, len(n.Exprs))
		for i, x := range n.Exprs {
			if c, ok := x.(*expr.Column); ok {
				out[i] = in[c.Index]
			} else {
				out[i] = x
			}
		}
		return out, true
	}
	out := make([]expr.Expr, len(n.Columns()))
	for i, c := range n.Columns() {
		out[i] = &expr.Column{Index: g.width + i, Typ: c.Type, Name: c.Name}
	}
	g.rels = append(g.rels, n)
	g.first = append(g.first, g.width)
	g.width += len(out)
	return out, true
}

// onlyColumns reports whether a projection computes nothing.
func onlyColumns(exprs []expr.Expr) bool {
	for _, x := range exprs {
		switch x.(type) {
		case *expr.Column, *expr.Const:
		default:
			return false
		}
	}
	return true
}

// on returns the relations that an expression reads.
func (g *joinGraph) on(x expr.Expr) relSet {
	var s relSet
	expr.Walk(x, func(y expr.Expr) bool {
		if c, ok := y.(*expr.Column); ok {
			s |= 1 << g.relOf(c.Index)
		}
		return true
	})
	return s
}

func (g *joinGraph) relOf(col int) int {
	i := len(g.first) - 1
	for g.first[i] > col {
		i--
	}
	return i
}

// place finds out which relations the conditions read; false if one reads less than
// two: such a tree is left as it is.
func (g *joinGraph) place() bool {
	for i := range g.preds {
		p := &g.preds[i]
		if p.eq {
			p.lOn, p.rOn = g.on(p.l), g.on(p.r)
			p.on = p.lOn | p.rOn
		} else {
			p.on = g.on(p.cond)
		}
		if bits.OnesCount64(uint64(p.on)) < 2 || p.eq && (p.lOn == 0 || p.rOn == 0) {
			return false
		}
	}
	return true
}

// rate estimates how many rows the conditions leave.
func (g *joinGraph) rate() {
	all := make([]Column, 0, g.width)
	for _, r := range g.rels {
		all = append(all, r.Columns()...)
	}
	for i := range g.preds {
		p := &g.preds[i]
		if !p.eq {
			p.selectivity = g.o.est.selectivity(p.cond, all, 1e4)
			continue
		}
		p.selectivity = g.o.est.equalShare(p.l, all, g.rowsOf(p.lOn), p.r, all, g.rowsOf(p.rOn))
	}
}

func (g *joinGraph) rowsOf(s relSet) float64 {
	n := 1.0
	for r := s; r != 0; r &= r - 1 {
		n *= g.rows[r&-r]
	}
	return n
}

// setRows estimates how many rows the join of a set has.
func (g *joinGraph) setRows(s relSet) float64 {
	if n, ok := g.rows[s]; ok {
		return n
	}
	n := g.rowsOf(s)
	for i := range g.preds {
		if p := &g.preds[i]; p.on&^s == 0 {
			n *= p.selectivity
		}
	}
	n = max(n, 1e-3)
	g.rows[s] = n
	return n
}

// joined reports whether an equality links two sets.
func (g *joinGraph) joined(a, b relSet) bool {
	for i := range g.preds {
		if p := &g.preds[i]; p.eq && (p.lOn&^a == 0 && p.rOn&^b == 0 || p.lOn&^b == 0 && p.rOn&^a == 0) {
			return true
		}
	}
	return false
}

// dynamic finds the cheapest order among all (Selinger et al., SIGMOD 1979, with
// bushy trees). Sets that nothing links are joined only where a whole would not
// come about otherwise.
func (g *joinGraph) dynamic() *joinStep {
	all := relSet(1)<<len(g.rels) - 1
	for s := relSet(3); s <= all; s++ {
		if bits.OnesCount64(uint64(s)) < 2 {
			continue
		}
		for _, cross := range []bool{false, true} {
			for l := s & -s; l != s; l = (l - s) & s {
				r := s &^ l
				if g.best[l] == nil || g.best[r] == nil || !cross && !g.joined(l, r) {
					continue
				}
				g.consider(g.best[l], g.best[r])
			}
			if g.best[s] != nil || s != all && !g.needsCross(s) {
				break
			}
		}
	}
	if g.best[all] == nil {
		return g.greedy()
	}
	return g.best[all]
}

// needsCross reports whether nothing links a set to the others: then its own
// relations may be joined without a condition. Small ones are worth it too.
func (g *joinGraph) needsCross(s relSet) bool {
	return g.setRows(s) <= 4*guessSet
}

// greedy joins the two sets whose join is the cheapest until one is left.
func (g *joinGraph) greedy() *joinStep {
	var list []*joinStep
	for i := range g.rels {
		list = append(list, g.best[1<<i])
	}
	for len(list) > 1 {
		bi, bj, best := -1, -1, (*joinStep)(nil)
		bestRank := math.Inf(1)
		for i := range list {
			for j := range list {
				if i == j {
					continue
				}
				s := list[i].set | list[j].set
				delete(g.best, s)
				g.consider(list[i], list[j])
				step := g.best[s]
				rank := g.setRows(s)*costRow + step.cost
				if !g.joined(list[i].set, list[j].set) {
					rank += costOff
				}
				if rank < bestRank {
					bi, bj, best, bestRank = i, j, step, rank
				}
			}
		}
		var rest []*joinStep
		for k, x := range list {
			if k != bi && k != bj {
				rest = append(rest, x)
			}
		}
		list = append(rest, best)
	}
	return list[0]
}

// consider keeps the join of two sets, the right one kept in memory or looked up,
// if it is cheaper than what was found.
func (g *joinGraph) consider(l, r *joinStep) {
	s := l.set | r.set
	lr, rr, out := g.setRows(l.set), g.setRows(r.set), g.setRows(s)
	keep := func(cost float64, lookup bool) {
		if b := g.best[s]; b == nil || cost < b.cost {
			g.best[s] = &joinStep{set: s, left: l, right: r, cost: cost, lookup: lookup}
		}
	}
	off := g.o.est.off
	switch cost := l.cost + r.cost + out*costRow; {
	case g.joined(l.set, r.set):
		cost += rr*costHash + lr*(costRow+costOp)
		if off&HashJoins != 0 {
			cost += costOff
		}
		keep(cost, false)
	default:
		cost += lr * rr * costOp
		if off&NestLoops != 0 {
			cost += costOff
		}
		keep(cost, false)
	}
	if r.left == nil && off&NestLoops == 0 {
		if t := g.lookup(bits.TrailingZeros64(uint64(r.set)), l.set); t.ok {
			keep(l.cost+lr*t.cost+out*costRow, true)
		}
	}
}

// keys returns the equalities between a set and another one, each side over all
// columns, and the other conditions that become checkable.
func (g *joinGraph) keys(l, r relSet) (lk, rk []expr.Expr, ts []types.Type, rest []expr.Expr) {
	s := l | r
	for i := range g.preds {
		p := &g.preds[i]
		if p.on&^s != 0 || p.on&^l == 0 || p.on&^r == 0 {
			continue // not yet, or below already
		}
		switch {
		case p.eq && p.lOn&^l == 0 && p.rOn&^r == 0:
			lk, rk, ts = append(lk, p.l), append(rk, p.r), append(ts, p.typ)
		case p.eq && p.lOn&^r == 0 && p.rOn&^l == 0:
			lk, rk, ts = append(lk, p.r), append(rk, p.l), append(ts, p.typ)
		case p.eq:
			if c, err := g.o.eb.Binary("=", p.l, p.r); err == nil {
				rest = append(rest, c)
			}
		default:
			rest = append(rest, p.cond)
		}
	}
	return lk, rk, ts, rest
}

// lookup tries whether a relation can be looked up by what a set gives.
func (g *joinGraph) lookup(rel int, from relSet) *lookupTry {
	near := relSet(0)
	for i := range g.preds {
		if p := &g.preds[i]; p.on&(1<<rel) != 0 {
			near |= p.on
		}
	}
	from &= near
	key := lookupKey{rel, from}
	if t := g.tried[key]; t != nil {
		return t
	}
	t := &lookupTry{}
	g.tried[key] = t
	s, ok := g.rels[rel].(*Scan)
	if !ok {
		return t
	}
	lk, rk, _, _ := g.keys(from, 1<<rel)
	if len(lk) == 0 {
		return t
	}
	own := make([]expr.Expr, len(rk))
	for i, k := range rk {
		own[i] = shift(k, -g.first[rel])
	}
	if inner := g.o.lookupScan(s, lk, own); inner != nil {
		e := g.o.est.of(inner)
		t.ok, t.cost, t.rows = true, e.Total+costRow, e.Rows
	}
	return t
}

// build makes the nodes of a step. layout says which of all columns each of the
// node's columns is.
func (g *joinGraph) build(s *joinStep) (Node, []int) {
	if s.left == nil {
		rel := bits.TrailingZeros64(uint64(s.set))
		layout := make([]int, len(g.rels[rel].Columns()))
		for i := range layout {
			layout[i] = g.first[rel] + i
		}
		if scan, ok := g.rels[rel].(*Scan); ok {
			return narrow(scan, layout)
		}
		return g.rels[rel], layout
	}
	l, ll := g.build(s.left)
	lk, rk, ts, rest := g.keys(s.left.set, s.right.set)
	if s.lookup {
		if n, layout := g.buildLookup(s, l, ll, lk, rk, rest); n != nil {
			return n, layout
		}
	}
	r, rl := g.build(s.right)
	layout := append(append([]int(nil), ll...), rl...)
	j := newJoin(InnerJoin, l, r)
	j.LeftKeys, j.RightKeys, j.KeyTypes = g.placed(lk, ll), g.placed(rk, rl), ts
	j.Cond = conjoin(g.placed(rest, layout))
	return j, layout
}

// buildLookup makes the Apply of a lookup.
func (g *joinGraph) buildLookup(s *joinStep, l Node, ll []int, lk, rk, rest []expr.Expr) (Node, []int) {
	rel := bits.TrailingZeros64(uint64(s.right.set))
	scan := g.rels[rel].(*Scan)
	own := make([]expr.Expr, len(rk))
	for i, k := range rk {
		own[i] = shift(k, -g.first[rel])
	}
	inner := g.o.lookupScan(scan, lk, own)
	if inner == nil {
		return nil, nil
	}
	layout := append([]int(nil), ll...)
	for i := range inner.Cols {
		layout = append(layout, g.first[rel]+i)
	}
	a := newApply(InnerJoin, l, inner, g.placed(lk, ll))
	a.Cond, a.Lookup = conjoin(g.placed(rest, layout)), true
	return a, layout
}

// placed rewrites expressions over all columns for rows of a layout.
func (g *joinGraph) placed(list []expr.Expr, layout []int) []expr.Expr {
	if len(list) == 0 {
		return nil
	}
	by := make([]expr.Expr, g.width)
	for at, c := range layout {
		by[c] = g.column(c, at)
	}
	out := make([]expr.Expr, len(list))
	for i, x := range list {
		out[i] = renamed(x, by)
	}
	return out
}

// column is the column c of all at a place in a row.
func (g *joinGraph) column(c, at int) expr.Expr {
	rel := g.relOf(c)
	col := g.rels[rel].Columns()[c-g.first[rel]]
	return &expr.Column{Index: at, Typ: col.Type, Name: col.Name}
}

// restore puts the columns back into the order of the tree that was taken apart.
// Columns that nobody reads are NULL.
func (g *joinGraph) restore(n Node, layout []int, out []expr.Expr, cs []Column) Node {
	by := make([]expr.Expr, g.width)
	for c := range by {
		rel := g.relOf(c)
		by[c] = &expr.Const{Typ: g.rels[rel].Columns()[c-g.first[rel]].Type}
	}
	for at, c := range layout {
		by[c] = g.column(c, at)
	}
	same := len(layout) == len(out)
	exprs := make([]expr.Expr, len(out))
	for i, x := range out {
		exprs[i] = substitute(x, by)
		c, ok := exprs[i].(*expr.Column)
		if ok {
			exprs[i] = &expr.Column{Index: c.Index, Typ: cs[i].Type, Name: cs[i].Name}
		}
		same = same && ok && c.Index == i
	}
	if same {
		return n
	}
	return &Project{cols: cols{cs}, Input: n, Exprs: exprs}
}

// narrow drops the columns of a scan that nobody reads. layout is cut likewise.
func narrow(s *Scan, layout []int) (Node, []int) {
	drop := 0
	for _, w := range s.Wanted {
		if w < 0 {
			drop++
		}
	}
	if drop == 0 {
		return s, layout
	}
	c := *s
	c.Cols, c.Wanted = nil, nil
	by := make([]expr.Expr, len(s.Cols))
	var out []int
	for i, w := range s.Wanted {
		col := s.Cols[i]
		by[i] = &expr.Const{Typ: col.Type}
		if w >= 0 {
			by[i] = &expr.Column{Index: len(out), Typ: col.Type, Name: col.Name}
			c.Cols, c.Wanted, out = append(c.Cols, col), append(c.Wanted, w), append(out, layout[i])
		}
	}
	if c.Filter != nil {
		c.Filter = renamed(c.Filter, by)
	}
	if a := s.Access; a != nil {
		moved := *a
		moved.Conds = make([]expr.Expr, len(a.Conds))
		for i, x := range a.Conds {
			moved.Conds[i] = renamed(x, by)
		}
		c.Access = &moved
	}
	return &c, out
}

// renamed is substitute that keeps the names which expressions know columns by.
func renamed(e expr.Expr, by []expr.Expr) expr.Expr {
	out, err := expr.Transform(e, func(x expr.Expr) (expr.Expr, error) {
		if c, ok := x.(*expr.Column); ok {
			if to, ok := by[c.Index].(*expr.Column); ok {
				return &expr.Column{Index: to.Index, Typ: c.Typ, Name: c.Name}, nil
			}
			return by[c.Index], nil
		}
		return x, nil
	})
	if err != nil {
		return e
	}
	return out
}
