package plan

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/types"
)

// Without statistics, sizes are guessed: enough to tell a point from a range and
// a range from everything.
const (
	guessTable  = 10000.0
	guessEq     = 10.0 // rows per value of a column that is not unique
	guessRange  = 0.1
	guessFilter = 0.3
	guessSet    = 100.0
)

// access chooses access paths and join methods from the leaves up.
func (o *optimizer) access(n Node) Node {
	if j, ok := n.(*Join); ok && j.Kind == InnerJoin {
		if best := o.orderJoins(j); best != nil {
			return best
		}
	}
	mapInputs(n, o.access)
	switch n := n.(type) {
	case *Scan:
		o.chooseIndex(n)
	case *VirtualScan:
		n.Eq = virtualEq(n)
	case *Join:
		return o.chooseJoin(n)
	case *Sort:
		return o.dropSort(n)
	case *Limit:
		if n.Ties == nil {
			o.hintLimit(n.Input, n)
		}
	}
	return n
}

// cond is a condition of a scan in the form column op values.
type cond struct {
	col  int // place in the scan's columns
	op   string
	vals []expr.Expr // of = and IN; one for a range
	arr  expr.Expr   // of = ANY
	src  expr.Expr
	null bool
}

// condOf recognises a condition that an index can serve.
func condOf(e expr.Expr) (cond, bool) {
	switch e := e.(type) {
	case *expr.OpCall:
		if e.Left == nil {
			return cond{}, false
		}
		l, r, op := e.Left, e.Right, e.Op.Name
		if _, ok := l.(*expr.Column); !ok {
			l, r = r, l
			switch op {
			case "<":
				op = ">"
			case "<=":
				op = ">="
			case ">":
				op = "<"
			case ">=":
				op = "<="
			}
		}
		c, ok := l.(*expr.Column)
		if !ok || !constant(r) || !comparable(c.Typ, r.Type()) {
			return cond{}, false
		}
		switch op {
		case "=", "<", "<=", ">", ">=":
			return cond{col: c.Index, op: op, vals: []expr.Expr{r}, src: e}, true
		}
	case *expr.InList:
		c, ok := e.Arg.(*expr.Column)
		if !ok || e.Negate {
			return cond{}, false
		}
		for _, x := range e.List {
			if !constant(x) || !comparable(c.Typ, x.Type()) {
				return cond{}, false
			}
		}
		return cond{col: c.Index, op: "=", vals: e.List, src: e}, true
	case *expr.AnyAll:
		c, ok := e.Left.(*expr.Column)
		if !ok || e.All || e.Op.Op.Name != "=" || !constant(e.Right) || !comparable(c.Typ, e.Right.Type().Elem()) {
			return cond{}, false
		}
		return cond{col: c.Index, op: "=", arr: e.Right, src: e}, true
	case *expr.IsNull:
		c, ok := e.Arg.(*expr.Column)
		if !ok || e.Negate {
			return cond{}, false
		}
		return cond{col: c.Index, op: "=", null: true, src: e}, true
	}
	return cond{}, false
}

// constant reports whether e has one value for a whole scan.
func constant(e expr.Expr) bool {
	if _, hi := columnRange(e); hi >= 0 {
		return false
	}
	return expr.VolatilityOf(e) != expr.Volatile &&
		!expr.Any(e, func(x expr.Expr) bool { _, ok := x.(*expr.SubqueryExpr); return ok })
}

// comparable reports whether a value of type val can stand in a key for a column
// of type col.
func comparable(col, val types.Type) bool {
	col, val = col.Bare(), val.Bare()
	if col == val {
		return true
	}
	text := func(t types.Type) bool {
		return t.OID == types.OIDText || t.OID == types.OIDVarchar || t.OID == types.OIDName
	}
	oid := func(t types.Type) bool {
		return t.OID == types.OIDOid || t.OID == types.OIDRegClass || t.OID == types.OIDRegType
	}
	return isInt(col) && isInt(val) || text(col) && text(val) || oid(col) && oid(val)
}

// chooseIndex picks the cheapest access path. A single row by its primary key needs
// no figures.
func (o *optimizer) chooseIndex(s *Scan) {
	conds := conjuncts(s.Filter, nil)
	var usable []cond
	for _, c := range conds {
		if k, ok := condOf(c); ok {
			usable = append(usable, k)
		}
	}
	best := candidate{index: s.Index}
	if len(s.Table.Indexes) == 1 && len(usable) == 0 {
		return
	}
	bestCost := -1.0
	for i := range s.Table.Indexes {
		ix := &s.Table.Indexes[i]
		if ix.State != catalog.Public {
			continue
		}
		key, ok := o.fitting(s, ix, conds, usable)
		if !ok {
			continue
		}
		c, ok := o.tryIndex(s, ix, key)
		if !ok {
			continue
		}
		if ix.Full && c.single(s) {
			best = c
			break
		}
		if bestCost < 0 {
			bestCost = o.est.scan(best.on(s, conds)).Total
		}
		if cost := o.est.scan(c.on(s, conds)).Total; cost < bestCost {
			best, bestCost = c, cost
		}
	}
	*s = *best.on(s, conds)
}

type candidate struct {
	index   *rowcodec.Index
	primary *rowcodec.Index
	access  *Access
	used    []expr.Expr
}

// on returns the scan by way of the candidate.
func (c *candidate) on(s *Scan, conds []expr.Expr) *Scan {
	n := *s
	n.Index, n.Access, n.Primary = c.index, c.access, c.primary
	n.Filter = conjoin(without(conds, c.used))
	return &n
}

// single reports whether the candidate leaves one key.
func (c *candidate) single(s *Scan) bool {
	n := *s
	n.Index, n.Access = c.index, c.access
	if !n.Point() {
		return false
	}
	for _, e := range c.access.Eq {
		if len(e.List) != 1 || e.Array != nil {
			return false
		}
	}
	return true
}

func without(list, drop []expr.Expr) []expr.Expr {
	var out []expr.Expr
next:
	for _, e := range list {
		for _, d := range drop {
			if e == d {
				continue next
			}
		}
		out = append(out, e)
	}
	return out
}

// tryIndex matches conditions with the first columns of an index.
func (o *optimizer) tryIndex(s *Scan, ix *catalog.Index, conds []cond) (candidate, bool) {
	x, err := rowcodec.NewIndex(s.Table, ix)
	if err != nil {
		return candidate{}, false
	}
	c := candidate{index: x, access: &Access{}}
	for i := range ix.Columns {
		place := keyPlace(s, ix, i)
		if place < 0 {
			break
		}
		if k, ok := findCond(conds, place, "="); ok {
			set := EqSet{List: k.vals, Array: k.arr, Null: k.null}
			c.access.Eq = append(c.access.Eq, set)
			c.used = append(c.used, k.src)
			continue
		}
		lo, okLo := findCond(conds, place, ">")
		if !okLo {
			lo, okLo = findCond(conds, place, ">=")
		}
		hi, okHi := findCond(conds, place, "<")
		if !okHi {
			hi, okHi = findCond(conds, place, "<=")
		}
		if okLo {
			c.access.Lo, c.access.LoInc = lo.vals[0], lo.op == ">="
			c.used = append(c.used, lo.src)
		}
		if okHi {
			c.access.Hi, c.access.HiInc = hi.vals[0], hi.op == "<="
			c.used = append(c.used, hi.src)
		}
		break
	}
	covers := ix.Full || s.Lock == 0 && x.Covers(s.Wanted)
	if len(c.used) == 0 {
		// A whole index that covers the columns is smaller than the table.
		// So is one of few rows.
		if ix.Full || !covers && ix.Pred == "" {
			return c, false
		}
		c.access = nil
	} else {
		c.access.Conds = c.used
	}
	if !covers {
		if c.primary, err = rowcodec.NewIndex(s.Table, s.Table.Primary()); err != nil {
			return c, false
		}
	}
	return c, true
}

// placeOf returns where a scan produces a column, -1 if nowhere.
func placeOf(s *Scan, id int16) int {
	for i, c := range s.Cols {
		if c.AttNum == id {
			return i
		}
	}
	return -1
}

func findCond(conds []cond, col int, op string) (cond, bool) {
	for _, c := range conds {
		if c.col == col && c.op == op {
			return c, true
		}
	}
	return cond{}, false
}

// virtualEq collects column = value conditions for the makers of virtual rows.
func virtualEq(n *VirtualScan) map[int]expr.Expr {
	var out map[int]expr.Expr
	for _, e := range conjuncts(n.Filter, nil) {
		c, ok := condOf(e)
		if !ok || c.op != "=" || len(c.vals) != 1 || c.arr != nil || c.null {
			continue
		}
		if out == nil {
			out = map[int]expr.Expr{}
		}
		out[n.Wanted[c.col]] = c.vals[0]
	}
	return out
}

func constOf(e expr.Expr) (types.Datum, bool) {
	if e == nil {
		return types.Null, false
	}
	d, ok := expr.IsConst(e)
	return d, ok && !d.IsNull()
}

// chooseJoin looks keys up where that is cheaper, and puts the smaller side of a
// hash join on the right, where it is kept. The order of inner joins has been chosen
// already as a rule: see joinGraph.
func (o *optimizer) chooseJoin(n *Join) Node {
	if len(n.LeftKeys) == 0 || n.half() {
		return n
	}
	l, r := o.est.of(n.Left), o.est.of(n.Right)
	if n.Kind == InnerJoin || n.Kind == LeftJoin {
		if a := o.lookup(n, l); a != nil && o.est.of(a).Total < o.est.of(n).Total {
			return a
		}
	}
	if l.Rows >= r.Rows || n.Kind != InnerJoin && n.Kind != LeftJoin {
		return n
	}
	// Swapped, the columns have to be put back into their order.
	kind := n.Kind
	if kind == LeftJoin {
		kind = RightJoin
	}
	lw, rw := len(n.Left.Columns()), len(n.Right.Columns())
	back := make([]expr.Expr, lw+rw)
	for i, c := range n.Cols {
		at := i + rw
		if i >= lw {
			at = i - lw
		}
		back[i] = &expr.Column{Index: at, Typ: c.Type, Name: c.Name}
	}
	s := newJoin(kind, n.Right, n.Left)
	s.LeftKeys, s.RightKeys, s.KeyTypes = n.RightKeys, n.LeftKeys, n.KeyTypes
	if n.Cond != nil {
		s.Cond = renamed(n.Cond, back)
	}
	return &Project{cols: cols{n.Cols}, Input: s, Exprs: back}
}

// lookup makes an Apply that scans the right side by its key for each row of the
// left side; nil if the right side is no scan or has no fitting index.
func (o *optimizer) lookup(n *Join, left Estimate) Node {
	s, ok := n.Right.(*Scan)
	if !ok || left.Rows > 1e6 {
		return nil
	}
	inner := o.lookupScan(s, n.LeftKeys, n.RightKeys)
	if inner == nil {
		return nil
	}
	a := newApply(n.Kind, n.Left, inner, n.LeftKeys)
	a.Cond, a.Lookup = n.Cond, true
	return a
}

// lookupScan makes the scan of an Apply whose arguments are lk, equal to rk over the
// scan's rows; nil if no index serves that.
func (o *optimizer) lookupScan(s *Scan, lk, rk []expr.Expr) *Scan {
	if s.Access != nil && s.Point() {
		return nil
	}
	inner := *s
	inner.Wanted = append([]int(nil), s.Wanted...)
	conds := conjuncts(s.Filter, nil)
	if s.Access != nil {
		conds = append(conds, s.Access.Conds...)
	}
	var own []expr.Expr
	for i := range lk {
		col, isCol := rk[i].(*expr.Column)
		if !isCol || !comparable(col.Typ, lk[i].Type()) {
			return nil
		}
		eq, err := o.eb.Binary("=", col, &expr.OuterParam{Index: i, Typ: lk[i].Type(), Name: "left"})
		if err != nil {
			return nil
		}
		own = append(own, eq)
	}
	// The conditions that were there refer to no outer values if the scan belongs to
	// this level; inside the Apply they would be looked up in its own arguments.
	for _, c := range conds {
		if hasOuter(c) {
			return nil
		}
	}
	inner.Filter = conjoin(append(conds, own...))
	inner.Access, inner.Primary = nil, nil
	var err error
	if inner.Index, err = rowcodec.NewIndex(s.Table, s.Table.Primary()); err != nil {
		return nil
	}
	o.chooseIndex(&inner)
	if inner.Access == nil || len(inner.Access.Eq) == 0 || !usesOuter(inner.Access) {
		return nil
	}
	return &inner
}

func usesOuter(a *Access) bool {
	for _, e := range a.Eq {
		for _, x := range e.List {
			if _, ok := x.(*expr.OuterParam); ok {
				return true
			}
		}
	}
	return false
}

// dropSort removes a sort whose input comes in that order from an index.
func (o *optimizer) dropSort(n *Sort) Node {
	s, places := scanBelow(n.Input)
	if s == nil {
		return n
	}
	want := make([]orderKey, len(n.Keys))
	for i, k := range n.Keys {
		c, ok := k.Expr.(*expr.Column)
		if !ok || places[c.Index] < 0 || k.NullsFirst != k.Descending {
			return n
		}
		want[i] = orderKey{s.Cols[places[c.Index]].AttNum, k.Descending}
	}
	if reverse, ok := ordered(s, s.Index.Desc, want); ok {
		s.Reverse = reverse
		return n.Input
	}
	// Without a condition that an index serves, an index may serve the order: worth
	// it if only a few rows are wanted, or the index is the table itself.
	if s.Access != nil {
		return n
	}
	for i := range s.Table.Indexes {
		ix := &s.Table.Indexes[i]
		if ix.State != catalog.Public {
			continue
		}
		x, err := rowcodec.NewIndex(s.Table, ix)
		if err != nil {
			continue
		}
		covers := ix.Full || s.Lock == 0 && x.Covers(s.Wanted)
		if !covers && n.Limit == nil {
			continue
		}
		if _, ok := o.fitting(s, ix, conjuncts(s.Filter, nil), nil); !ok {
			continue
		}
		reverse, ok := ordered(&Scan{Table: s.Table}, ix, want)
		if !ok || !covers && !o.worthOrder(n, s, x) {
			continue
		}
		s.Index, s.Reverse, s.Primary = x, reverse, nil
		if !covers {
			if s.Primary, err = rowcodec.NewIndex(s.Table, s.Table.Primary()); err != nil {
				continue
			}
		}
		return n.Input
	}
	return n
}

// worthOrder reports whether reading the first rows of a table in the order of an
// index, with a lookup for each, is cheaper than reading all and sorting.
func (o *optimizer) worthOrder(n *Sort, s *Scan, x *rowcodec.Index) bool {
	limit, ok := constOf(n.Limit)
	if !ok {
		return true // a parameter: small, as a rule
	}
	most := float64(limit.Int())
	if off, ok := constOf(n.Offset); ok {
		most += float64(off.Int())
	}
	all := o.est.of(n)
	by := *s
	by.Index = x
	by.Primary = s.Index
	inOrder := o.est.scan(&by)
	share := min(1, most/max(inOrder.Rows, 1))
	return costRequest+inOrder.Total*share < all.Total
}

type orderKey struct {
	column int16
	desc   bool
}

// ordered reports whether a scan through ix gives the wanted order, possibly read
// backwards. Columns with a single value do not matter.
func ordered(s *Scan, ix *catalog.Index, want []orderKey) (reverse, ok bool) {
	at := 0
	if s.Access != nil {
		for _, e := range s.Access.Eq {
			if len(e.List) != 1 && !e.Null {
				return false, false // several values: ordered by them first
			}
			at++
		}
	}
	fixed := map[int16]bool{}
	for _, c := range ix.Columns[:at] {
		fixed[c.Column] = true
	}
	first := true
	for _, w := range want {
		if fixed[w.column] {
			continue
		}
		if at >= len(ix.Columns) {
			// All columns of a unique key are fixed or used: further keys cannot matter.
			return reverse, ix.Full
		}
		c := ix.Columns[at]
		if c.Column != w.column {
			return false, false
		}
		if first {
			reverse, first = c.Desc != w.desc, false
		} else if (c.Desc != w.desc) != reverse {
			return false, false
		}
		at++
	}
	return reverse, true
}

// scanBelow finds the scan that gives a node its order. places tells for each of
// the node's columns which column of the scan it is, -1 for none.
func scanBelow(n Node) (*Scan, []int) {
	switch n := n.(type) {
	case *Scan:
		places := make([]int, len(n.Cols))
		for i := range places {
			places[i] = i
		}
		return n, places
	case *Filter:
		return scanBelow(n.Input)
	case *Project:
		s, below := scanBelow(n.Input)
		if s == nil {
			return nil, nil
		}
		places := make([]int, len(n.Exprs))
		for i, e := range n.Exprs {
			places[i] = -1
			if c, ok := e.(*expr.Column); ok {
				places[i] = below[c.Index]
			}
		}
		return s, places
	}
	return nil, nil
}

// hintLimit tells a scan how many rows are wanted.
func (o *optimizer) hintLimit(n Node, l *Limit) {
	d, ok := constOf(l.Limit)
	if !ok {
		return
	}
	limit := d.Int()
	if l.Offset != nil {
		off, ok := constOf(l.Offset)
		if !ok {
			return
		}
		limit += off.Int()
	}
	if limit <= 0 || limit > 1<<30 {
		return
	}
	for {
		switch m := n.(type) {
		case *Project:
			n = m.Input
			continue
		case *LockRows:
			if m.Skips() {
				return
			}
			n = m.Input
			continue
		case *Scan:
			if m.Filter == nil {
				m.Limit = limit
			}
		}
		return
	}
}
