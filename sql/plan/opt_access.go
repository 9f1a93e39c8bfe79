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
	// lookupMax is the most rows for which a key is looked up one by one rather than
	// the other side read and hashed.
	lookupMax = 200.0
)

// access chooses access paths and join methods from the leaves up.
func (o *optimizer) access(n Node) Node {
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

// chooseIndex picks the index that leaves the fewest rows.
func (o *optimizer) chooseIndex(s *Scan) {
	conds := conjuncts(s.Filter, nil)
	var usable []cond
	for _, c := range conds {
		if k, ok := condOf(c); ok {
			usable = append(usable, k)
		}
	}
	best := candidate{rows: guessTable, cost: guessTable, index: s.Index}
	for range conds {
		best.rows *= guessFilter
	}
	for i := range s.Table.Indexes {
		ix := &s.Table.Indexes[i]
		if ix.State != catalog.Public {
			continue
		}
		key, ok := o.fitting(s, ix, conds, usable)
		if !ok {
			continue
		}
		c, ok := o.tryIndex(s, ix, key, len(conds))
		if ok && c.cost < best.cost {
			best = c
		}
	}
	s.Index, s.Access, s.Primary = best.index, best.access, best.primary
	s.rows = max(best.rows, 1)
	s.Filter = conjoin(without(conds, best.used))
}

type candidate struct {
	index   *rowcodec.Index
	primary *rowcodec.Index
	access  *Access
	used    []expr.Expr
	rows    float64
	cost    float64
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
func (o *optimizer) tryIndex(s *Scan, ix *catalog.Index, conds []cond, all int) (candidate, bool) {
	x, err := rowcodec.NewIndex(s.Table, ix)
	if err != nil {
		return candidate{}, false
	}
	c := candidate{index: x, access: &Access{}}
	keys, scanned := 1.0, guessTable
	for i, ic := range ix.Columns {
		place := keyPlace(s, ix, i)
		if place < 0 {
			break
		}
		if k, ok := findCond(conds, place, "="); ok {
			set := EqSet{List: k.vals, Array: k.arr, Null: k.null}
			if k.null && (ic.Column == 0 || !s.Table.Column(ic.Column).NotNull) {
				keys *= 2
			} else {
				keys *= max(1, float64(len(k.vals)))
				if k.arr != nil {
					keys *= 10
				}
			}
			c.access.Eq = append(c.access.Eq, set)
			c.used = append(c.used, k.src)
			scanned = keys * guessEq
			if i == len(ix.Columns)-1 && (ix.Unique || ix.Full) && !k.null {
				scanned = keys
			}
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
			scanned *= guessRange
		}
		if okHi {
			c.access.Hi, c.access.HiInc = hi.vals[0], hi.op == "<="
			c.used = append(c.used, hi.src)
			scanned *= guessRange
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
		if ix.Pred != "" {
			scanned *= guessRange
		}
		c.cost = 0.9 * scanned
	} else {
		c.access.Conds = c.used
		c.cost = scanned
	}
	if !covers {
		if c.primary, err = rowcodec.NewIndex(s.Table, s.Table.Primary()); err != nil {
			return c, false
		}
		c.cost *= 4
	}
	c.rows = scanned
	for range all - len(c.used) {
		c.rows *= guessFilter
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

// estimate guesses how many rows a node produces.
func estimate(n Node) float64 {
	switch n := n.(type) {
	case *Scan:
		if n.rows > 0 {
			return n.rows
		}
		return guessTable
	case *VirtualScan:
		if len(n.Eq) > 0 {
			return guessEq
		}
		return guessSet
	case *Values:
		return float64(len(n.Rows))
	case *FuncScan, *CTEScan, *WorkScan:
		return guessSet
	case *Filter:
		return max(1, estimate(n.Input)*guessFilter)
	case *Join:
		l, r := estimate(n.Left), estimate(n.Right)
		if len(n.LeftKeys) > 0 {
			return max(l, r)
		}
		return l * r
	case *Apply:
		return estimate(n.Left) * estimate(n.Right)
	case *Aggregate:
		if len(n.Groups) == 0 {
			return 1
		}
		return max(1, estimate(n.Input)*guessRange)
	case *Limit:
		if d, ok := constOf(n.Limit); ok {
			return min(estimate(n.Input), float64(d.Int()))
		}
		return estimate(n.Input)
	case *SetOp:
		return estimate(n.Left) + estimate(n.Right)
	}
	if in := n.Inputs(); len(in) == 1 {
		return estimate(in[0])
	}
	return guessTable
}

func constOf(e expr.Expr) (types.Datum, bool) {
	if e == nil {
		return types.Null, false
	}
	d, ok := expr.IsConst(e)
	return d, ok && !d.IsNull()
}

// chooseJoin looks keys up where one side is small and the other has an index on
// the key, and puts the smaller side of a hash join on the right, where it is kept.
func (o *optimizer) chooseJoin(n *Join) Node {
	if len(n.LeftKeys) == 0 {
		return n
	}
	l, r := estimate(n.Left), estimate(n.Right)
	if l <= lookupMax && r > l && (n.Kind == InnerJoin || n.Kind == LeftJoin) {
		if a := o.lookup(n.Kind, n.Left, n.Right, n.LeftKeys, n.RightKeys, n.Cond); a != nil {
			return a
		}
	}
	if n.Kind != InnerJoin || l >= r {
		return n
	}
	// Swapped, the columns have to be put back into their order.
	lw, rw := len(n.Left.Columns()), len(n.Right.Columns())
	back := make([]expr.Expr, lw+rw)
	there := make([]expr.Expr, lw+rw)
	for i, c := range n.Cols {
		at := i + rw
		if i >= lw {
			at = i - lw
		}
		back[i] = &expr.Column{Index: at, Typ: c.Type, Name: c.Name}
		there[i] = back[i]
	}
	s := newJoin(InnerJoin, n.Right, n.Left)
	s.LeftKeys, s.RightKeys, s.KeyTypes = n.RightKeys, n.LeftKeys, n.KeyTypes
	if n.Cond != nil {
		s.Cond = substitute(n.Cond, there)
	}
	return &Project{cols: cols{n.Cols}, Input: s, Exprs: back}
}

// lookup makes an Apply that scans the right side by its key for each row of the
// left side; nil if the right side is no scan or has no fitting index.
func (o *optimizer) lookup(kind JoinKind, left, right Node, lk, rk []expr.Expr, rest expr.Expr) Node {
	s, ok := right.(*Scan)
	if !ok || s.Access != nil && s.Point() {
		return nil
	}
	inner := *s
	inner.Wanted = append([]int(nil), s.Wanted...)
	conds := conjuncts(s.Filter, nil)
	if s.Access != nil {
		conds = append(conds, s.Access.Conds...)
	}
	var args []expr.Expr
	var own []expr.Expr
	for i := range lk {
		col, isCol := rk[i].(*expr.Column)
		if !isCol || !comparable(col.Typ, lk[i].Type()) {
			return nil
		}
		eq, err := o.eb.Binary("=", col, &expr.OuterParam{Index: len(args), Typ: lk[i].Type(), Name: "left"})
		if err != nil {
			return nil
		}
		args, own = append(args, lk[i]), append(own, eq)
	}
	// The conditions that were there refer to no outer values if the scan belongs to
	// this level; inside the Apply they would be looked up in its own arguments.
	for _, c := range conds {
		if expr.Any(c, func(x expr.Expr) bool { _, ok := x.(*expr.OuterParam); return ok }) {
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
	if inner.Access == nil || len(inner.Access.Eq) == 0 || !usesOuter(inner.Access) || inner.rows > guessEq {
		return nil
	}
	a := newApply(kind, left, &inner, args)
	a.Cond, a.Lookup = rest, true
	return a
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
		if !ok {
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
