package plan

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
)

// fitting prepares an index for a scan with the conditions conds: key has what the
// index's conditions look like for condOf, with columns behind the scan's in the place
// of its expressions. ok is false if the scan may need rows that have no entry.
func (o *optimizer) fitting(s *Scan, ix *catalog.Index, conds []expr.Expr, plain []cond) (key []cond, ok bool) {
	if !ix.Derives() {
		return plain, true
	}
	d := o.derived(s, ix)
	if d == nil || d.Pred != nil && !implies(conds, d.Pred) {
		return nil, false
	}
	if len(d.Exprs) == 0 {
		return plain, true
	}
	key = append(key, plain...)
	for _, c := range conds {
		for i, x := range d.Exprs {
			sub := replaceSide(c, x, &expr.Column{Index: len(s.Cols) + i, Typ: x.Type()})
			if sub == nil {
				continue
			}
			if k, ok := condOf(sub); ok && k.col == len(s.Cols)+i {
				k.src = c
				key = append(key, k)
			}
		}
	}
	return key, true
}

// derived binds what an index computes, over the columns of a scan; nil if the scan
// does not have all of the columns, and therefore no condition on them.
func (o *optimizer) derived(s *Scan, ix *catalog.Index) *Derived {
	d, known := o.bound[ix]
	if !known {
		d, _ = o.b.derivedOf(s.Table, ix)
		if o.bound == nil {
			o.bound = map[*catalog.Index]*Derived{}
		}
		o.bound[ix] = d
	}
	if d == nil {
		return nil
	}
	places := make([]expr.Expr, len(s.Table.Columns))
	for i := range places {
		c := &s.Table.Columns[i]
		if p := placeOf(s, c.ID); p >= 0 {
			places[i] = &expr.Column{Index: p, Typ: c.Type, Name: c.Name}
		}
	}
	for _, id := range ix.Reads {
		if places[s.Table.ColumnIndex(id)] == nil {
			return nil
		}
	}
	out := &Derived{}
	for _, x := range d.Exprs {
		out.Exprs = append(out.Exprs, substitute(x, places))
	}
	if d.Pred != nil {
		out.Pred = substitute(d.Pred, places)
	}
	return out
}

// keyPlace is where fitting's conditions have the i-th column of an index, -1 for
// nowhere.
func keyPlace(s *Scan, ix *catalog.Index, i int) int {
	if ix.Columns[i].Column != 0 {
		return placeOf(s, ix.Columns[i].Column)
	}
	at := len(s.Cols)
	for _, c := range ix.Columns[:i] {
		if c.Column == 0 {
			at++
		}
	}
	return at
}

// replaceSide puts by in the place of x where a condition compares it; nil if it does
// not.
func replaceSide(c, x expr.Expr, by *expr.Column) expr.Expr {
	switch c := c.(type) {
	case *expr.OpCall:
		n := *c
		switch {
		case c.Left == nil:
			return nil
		case expr.Equal(c.Left, x):
			n.Left = by
		case expr.Equal(c.Right, x):
			n.Right = by
		default:
			return nil
		}
		return &n
	case *expr.InList:
		if expr.Equal(c.Arg, x) {
			n := *c
			n.Arg = by
			return &n
		}
	case *expr.AnyAll:
		if expr.Equal(c.Left, x) {
			n := *c
			n.Left = by
			return &n
		}
	case *expr.IsNull:
		if expr.Equal(c.Arg, x) {
			n := *c
			n.Arg = by
			return &n
		}
	}
	return nil
}
