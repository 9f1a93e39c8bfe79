package plan

import (
	"math"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
)

// Costs are in PostgreSQL's unit, so that plans read the same: about a hundredth
// of a millisecond, the time for some ten rows of a scan.
const (
	costRow     = 0.01   // a row passing through an operator
	costRead    = 0.02   // a pair read by a scan and decoded
	costOp      = 0.0025 // an operator of an expression
	costLookup  = 0.08   // a key read in a batch of lookups
	costRequest = 1.0    // a request to the regions
	costHash    = 0.015  // a row put into a hash table
	costPage    = 4096.0 // rows of a request of a long scan
	// costOff is added for a method that a setting has turned off: it is taken only
	// where there is no other.
	costOff = 1e10
)

// Methods is a set of access paths and join methods.
type Methods uint16

// What can be turned off: enable_seqscan and so on.
const (
	SeqScans Methods = 1 << iota
	IndexScans
	IndexOnlyScans
	HashJoins
	MergeJoins
	NestLoops
	Sorts
)

// Estimate is what a node is expected to cost and to produce.
type Estimate struct {
	// Startup is the cost before the first row, Total that of all rows.
	Startup, Total float64
	Rows           float64
	// Width is the average size of a row in bytes.
	Width int
}

// estimator computes estimates from the leaves up. It does not change a plan.
type estimator struct {
	stats func(*catalog.Table) *stats.Table // nil: nothing is known
	off   Methods
	// tables are the tables that were met, by OID.
	tables map[types.OID]*tableInfo
	memo   map[Node]Estimate
}

// tableInfo is a table with what is known of its rows.
type tableInfo struct {
	t    *catalog.Table
	st   *stats.Table // nil for nothing
	rows float64
}

func newEstimator(st func(*catalog.Table) *stats.Table, off Methods) *estimator {
	return &estimator{stats: st, off: off, tables: map[types.OID]*tableInfo{}, memo: map[Node]Estimate{}}
}

// table returns what is known of a table.
func (e *estimator) table(t *catalog.Table) *tableInfo {
	if i := e.tables[t.ID]; i != nil {
		return i
	}
	i := &tableInfo{t: t, rows: guessTable}
	if e.stats != nil && !t.Virtual {
		if i.st = e.stats(t); i.st != nil {
			i.rows = max(1, i.st.Rows)
		}
	}
	e.tables[t.ID] = i
	return i
}

// column finds the statistics of a node's column; st is nil if there are none.
func (e *estimator) column(c Column) (info *tableInfo, st *stats.Column) {
	if c.TableOID == 0 {
		return nil, nil
	}
	if info = e.tables[c.TableOID]; info == nil {
		return nil, nil
	}
	return info, info.st.Column(c.AttNum)
}

// distinct estimates the number of different values of a column among rows of a
// node.
func (e *estimator) distinct(c Column, rows float64) float64 {
	info, st := e.column(c)
	if info == nil {
		return max(1, min(rows, rows*guessRange))
	}
	nd := 0.0
	if st != nil {
		nd = st.DistinctOf(info.rows)
	}
	if nd == 0 {
		nd = max(1, info.rows/guessEq)
		if info.unique(c.AttNum) {
			nd = info.rows
		}
		if c.Type.OID == types.OIDBool {
			nd = 2
		}
	}
	if rows < nd {
		return max(1, rows)
	}
	return nd
}

// unique reports whether a column alone is a unique key.
func (i *tableInfo) unique(id int16) bool {
	for k := range i.t.Indexes {
		if ix := &i.t.Indexes[k]; (ix.Unique || ix.Full) && ix.Pred == "" && ix.State == catalog.Public && len(ix.Columns) == 1 && ix.Columns[0].Column == id {
			return true
		}
	}
	return false
}

// of estimates a node.
func (e *estimator) of(n Node) Estimate {
	if x, ok := e.memo[n]; ok {
		return x
	}
	x := e.node(n)
	x.Rows = max(x.Rows, 0)
	if x.Width == 0 {
		for _, c := range n.Columns() {
			x.Width += e.width(c)
		}
	}
	e.memo[n] = x
	return x
}

// width is the average size of a column's values.
func (e *estimator) width(c Column) int {
	if _, st := e.column(c); st != nil && st.Width > 0 {
		return st.Width
	}
	if n := c.Type.Len(); n > 0 {
		return int(n)
	}
	return 32 // as PostgreSQL's get_typavgwidth
}

func (e *estimator) node(n Node) Estimate {
	switch n := n.(type) {
	case *Scan:
		return e.scan(n)
	case *VirtualScan:
		rows := guessSet
		if len(n.Eq) > 0 {
			rows = guessEq
		}
		return Estimate{Total: guessSet * costRow, Rows: rows}
	case *Values:
		rows := float64(len(n.Rows))
		return Estimate{Total: rows * costRow, Rows: rows}
	case *FuncScan, *WorkScan:
		return Estimate{Total: guessSet * costRow, Rows: guessSet}
	case *CTEScan:
		in := e.of(n.CTE.Plan)
		return Estimate{Total: in.Rows * costRow, Rows: in.Rows}
	case *Filter:
		in := e.of(n.Input)
		rows := in.Rows * e.selectivity(n.Cond, n.Columns(), in.Rows)
		return Estimate{Startup: in.Startup, Total: in.Total + in.Rows*e.condCost(n.Cond), Rows: atLeastOne(rows, in.Rows)}
	case *Project:
		in := e.of(n.Input)
		ops := 0
		for _, x := range n.Exprs {
			if _, ok := x.(*expr.Column); !ok {
				ops++
			}
		}
		return Estimate{Startup: in.Startup, Total: in.Total + in.Rows*float64(ops)*costOp, Rows: in.Rows}
	case *ProjectSet:
		in := e.of(n.Input)
		return Estimate{Startup: in.Startup, Total: in.Total + in.Rows*guessEq*costRow, Rows: in.Rows * guessEq}
	case *Join:
		return e.join(n)
	case *Apply:
		return e.apply(n)
	case *Aggregate:
		return e.aggregate(n)
	case *Window:
		in := e.of(n.Input)
		return Estimate{Startup: in.Total, Total: in.Total + sortCost(in.Rows) + in.Rows*costRow*float64(len(n.Calls)), Rows: in.Rows}
	case *Sort:
		return e.sort(n)
	case *Limit:
		return e.limit(n)
	case *Distinct:
		in := e.of(n.Input)
		return Estimate{Startup: in.Startup, Total: in.Total + in.Rows*costHash, Rows: atLeastOne(in.Rows*guessFilter, in.Rows)}
	case *SetOp:
		l, r := e.of(n.Left), e.of(n.Right)
		x := Estimate{Startup: l.Startup, Total: l.Total + r.Total, Rows: l.Rows + r.Rows}
		if n.Kind != Union {
			x.Rows = l.Rows
		}
		if !n.All || n.Kind != Union {
			x.Total += (l.Rows + r.Rows) * costHash
		}
		return x
	case *RecursiveUnion:
		l, r := e.of(n.Left), e.of(n.Right)
		return Estimate{Startup: l.Startup, Total: l.Total + 10*r.Total, Rows: l.Rows + 10*r.Rows}
	}
	x := Estimate{Rows: 1}
	for _, in := range n.Inputs() {
		c := e.of(in)
		x.Startup, x.Total, x.Rows = x.Startup+c.Startup, x.Total+c.Total+c.Rows*costRow, c.Rows
	}
	return x
}

// atLeastOne is a guess that does not say "none" where there may be some.
func atLeastOne(rows, of float64) float64 {
	if of < 1 {
		return max(rows, 0)
	}
	return max(rows, 1)
}

// condCost is what checking a condition costs for a row.
func (e *estimator) condCost(c expr.Expr) float64 {
	if c == nil {
		return 0
	}
	cost := 0.0
	expr.Walk(c, func(x expr.Expr) bool {
		switch x := x.(type) {
		case *expr.OpCall, *expr.FuncCall, *expr.InList, *expr.AnyAll:
			cost += costOp
		case *expr.SubqueryExpr:
			if sub, ok := x.Sub.(*Subplan); ok && sub.Correlated {
				cost += e.of(sub.Plan).Total
			}
		}
		return true
	})
	return cost
}

// scan estimates the reading of a table through the index that the scan names.
func (e *estimator) scan(s *Scan) Estimate {
	info := e.table(s.Table)
	total := info.rows
	read, spans := total, 1.0
	if a := s.Access; a != nil {
		if s.Point() {
			read = keysOf(a)
			spans = math.Ceil(read / 256)
		} else {
			read = total * e.accessShare(a, s, total)
			spans = keysOf(a)
		}
		read = min(max(read, 0), total)
	}
	rows := read * e.selectivity(s.Filter, s.Cols, total)
	if s.Index.Desc.Pred != "" {
		// It has the rows that its condition leaves, which the filter may ask for again.
		read = min(read, total*guessRange)
		rows = min(rows, read)
	}
	x := Estimate{Rows: rows}
	if read >= 1 || s.Access == nil {
		x.Rows = atLeastOne(rows, read)
	} else {
		x.Rows = max(rows, min(1, read))
	}
	want := read
	if s.Limit > 0 && rows > float64(s.Limit) {
		want = read * float64(s.Limit) / max(rows, 1)
	}
	x.Total = costRequest*spans + want*(costRead+e.condCost(s.Filter))
	x.Total += costRequest * math.Floor(want/costPage)
	if s.Primary != nil {
		x.Total += costRequest*math.Ceil(want/256) + want*costLookup
	}
	x.Startup = 0
	x.Total += e.scanOff(s)
	return x
}

// scanOff is the penalty of a kind of scan that is turned off.
func (e *estimator) scanOff(s *Scan) float64 {
	kind := IndexScans
	switch {
	case s.Access == nil && s.Index.Desc.Full:
		kind = SeqScans
	case s.Primary == nil && !s.Index.Desc.Full:
		kind = IndexOnlyScans | IndexScans
	}
	if e.off&kind != 0 {
		return costOff
	}
	return 0
}

// keysOf is how many combinations of values an access names.
func keysOf(a *Access) float64 {
	n := 1.0
	for _, s := range a.Eq {
		switch {
		case s.Array != nil:
			n *= max(1, float64(arrayLen(s.Array)))
		case s.Null:
		default:
			n *= max(1, float64(len(s.List)))
		}
	}
	return n
}

// arrayLen is the length of an array, a guess if it is not known.
func arrayLen(x expr.Expr) int {
	if d, ok := expr.IsConst(x); ok {
		if d.IsNull() {
			return 0
		}
		return len(d.Array().Elems)
	}
	return 10
}

// accessShare is the share of an index that an access reads.
func (e *estimator) accessShare(a *Access, s *Scan, rows float64) float64 {
	return e.selectivity(conjoin(a.Conds), s.Cols, rows)
}

func sortCost(rows float64) float64 {
	return 2 * costOp * rows * math.Log2(max(rows, 2))
}

func (e *estimator) sort(n *Sort) Estimate {
	in := e.of(n.Input)
	cost := sortCost(in.Rows)
	if d, ok := constOf(n.Limit); ok && float64(d.Int()) < in.Rows {
		cost = 2 * costOp * in.Rows * math.Log2(max(2*float64(d.Int()), 2))
	}
	x := Estimate{Startup: in.Total + cost, Total: in.Total + cost + in.Rows*costOp, Rows: in.Rows}
	if e.off&Sorts != 0 {
		x.Total, x.Startup = x.Total+costOff, x.Startup+costOff
	}
	return x
}

func (e *estimator) limit(n *Limit) Estimate {
	in := e.of(n.Input)
	want := in.Rows
	if d, ok := constOf(n.Limit); ok {
		want = min(want, float64(d.Int()))
	} else if n.Limit != nil {
		want = min(want, max(1, in.Rows*guessRange))
	}
	skip := 0.0
	if d, ok := constOf(n.Offset); ok {
		skip = min(float64(d.Int()), in.Rows)
	}
	want = min(want, in.Rows-skip)
	share := 1.0
	if in.Rows > 0 {
		share = min(1, (want+skip)/in.Rows)
	}
	return Estimate{Startup: in.Startup, Total: in.Startup + (in.Total-in.Startup)*share, Rows: want}
}

func (e *estimator) aggregate(n *Aggregate) Estimate {
	in := e.of(n.Input)
	rows := 1.0
	if len(n.Groups) > 0 {
		rows = e.groups(n.Groups, n.Input.Columns(), in.Rows)
		for _, set := range n.Sets[min(1, len(n.Sets)):] {
			_ = set
			rows *= 1.5
		}
	}
	cost := in.Total + in.Rows*(costHash+costOp*float64(len(n.Aggs)))
	return Estimate{Startup: cost, Total: cost + rows*costRow, Rows: rows}
}

// groups estimates how many groups the values of expressions make.
func (e *estimator) groups(by []expr.Expr, cols []Column, rows float64) float64 {
	n := 1.0
	for _, g := range by {
		set := map[int]struct{}{}
		expr.Columns(g, set)
		part := 1.0
		for c := range set {
			part *= e.distinct(cols[c], rows)
		}
		n *= part
	}
	return max(1, min(n, rows))
}

func (e *estimator) join(n *Join) Estimate {
	l, r := e.of(n.Left), e.of(n.Right)
	x := Estimate{Rows: e.joinRows(n, l, r)}
	pairs := e.condCost(n.Cond)
	if len(n.LeftKeys) > 0 {
		x.Startup = r.Total + l.Startup
		x.Total = l.Total + r.Total + r.Rows*costHash + l.Rows*(costRow+costOp*float64(len(n.LeftKeys))) + x.Rows*(costRow+pairs)
		if e.off&HashJoins != 0 {
			x.Total += costOff
		}
		return x
	}
	x.Startup = r.Total + l.Startup
	x.Total = l.Total + r.Total + l.Rows*r.Rows*(costOp+pairs) + x.Rows*costRow
	if e.off&NestLoops != 0 {
		x.Total += costOff
	}
	return x
}

// joinRows estimates how many rows a join produces.
func (e *estimator) joinRows(n *Join, l, r Estimate) float64 {
	rows := l.Rows * r.Rows
	for i := range n.LeftKeys {
		rows *= e.equalShare(n.LeftKeys[i], n.Left.Columns(), l.Rows, n.RightKeys[i], n.Right.Columns(), r.Rows)
	}
	if n.Cond != nil {
		rows *= e.selectivity(n.Cond, n.Cols, max(l.Rows, r.Rows))
	}
	switch n.Kind {
	case LeftJoin:
		rows = max(rows, l.Rows)
	case RightJoin:
		rows = max(rows, r.Rows)
	case FullJoin:
		rows = max(rows, l.Rows+r.Rows)
	case SemiJoin:
		rows = min(l.Rows, max(rows, l.Rows*e.semiShare(n, l, r)))
	case AntiJoin:
		rows = l.Rows * max(0.1, 1-e.semiShare(n, l, r))
	}
	return atLeastOne(rows, min(l.Rows, r.Rows))
}

// semiShare is the share of the left rows that have a partner.
func (e *estimator) semiShare(n *Join, l, r Estimate) float64 {
	if len(n.LeftKeys) == 0 {
		return 0.5
	}
	share := 1.0
	for i := range n.LeftKeys {
		a := e.distinctOf(n.LeftKeys[i], n.Left.Columns(), l.Rows)
		b := e.distinctOf(n.RightKeys[i], n.Right.Columns(), r.Rows)
		share = min(share, b/max(a, 1))
	}
	return min(1, share)
}

func (e *estimator) apply(n *Apply) Estimate {
	l, r := e.of(n.Left), e.of(n.Right)
	rows := l.Rows * r.Rows * e.selectivity(n.Cond, n.Cols, max(l.Rows, r.Rows))
	if n.Kind == LeftJoin {
		rows = max(rows, l.Rows)
	}
	x := Estimate{Startup: l.Startup, Total: l.Total + l.Rows*r.Total + rows*costRow, Rows: atLeastOne(rows, l.Rows)}
	if n.Lookup && e.off&NestLoops != 0 {
		x.Total += costOff
	}
	return x
}
