package exec

import (
	"math"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// frames walks the frame [head, tail) of a window over the rows of a partition.
// EXCLUDE is not part of it, see inFrame.
type frames struct {
	o    *windowOp
	p    *partition
	spec *expr.Frame
	// start and end are the offsets: numbers for ROWS and GROUPS.
	start, end types.Datum

	head, tail int
}

func (o *windowOp) newFrames(spec *expr.WindowSpec) (*frames, error) {
	f := &frames{o: o, p: &o.part, spec: &spec.Frame}
	var err error
	if f.start, err = f.offset(&spec.Frame.Start, "starting"); err != nil {
		return nil, err
	}
	f.end, err = f.offset(&spec.Frame.End, "ending")
	return f, err
}

func (f *frames) offset(b *expr.FrameBound, which string) (types.Datum, error) {
	if b.Offset == nil {
		return types.Null, nil
	}
	d, err := b.Offset.Eval(f.o.ev, nil)
	switch {
	case err != nil:
		return d, err
	case d.IsNull():
		return d, sqlerr.New(sqlerr.NullValueNotAllowed, "frame %s offset must not be null", which)
	case f.spec.Mode != expr.FrameRange:
		if d.Int() < 0 {
			return d, sqlerr.New(sqlerr.InvalidPrecedingOrFollowingSize, "frame %s offset must not be negative", which)
		}
	case f.negative(d):
		return d, sqlerr.New(sqlerr.InvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function")
	}
	return d, nil
}

func (f *frames) negative(d types.Datum) bool {
	switch d.Kind() {
	case types.KindInt:
		return d.Int() < 0
	case types.KindFloat:
		return d.Float() < 0 || math.IsNaN(d.Float())
	case types.KindNumeric:
		return d.IsNaN() || types.NumericSign(d) < 0
	case types.KindInterval:
		if t := f.o.n.Spec.Order[0].Expr.Type().OID; t == types.OIDTime || t == types.OIDTimetz {
			return d.Interval().Micros < 0
		}
		return d.Interval().Compare(types.Interval{}) < 0
	}
	return false
}

// move sets head and tail for a row. Rows must come in order.
func (f *frames) move(row int) error {
	var err error
	if f.head, err = f.bound(&f.spec.Start, f.start, row, f.head, false); err != nil {
		return err
	}
	f.tail, err = f.bound(&f.spec.End, f.end, row, f.tail, true)
	return err
}

// bound finds the first row of the frame or, with end, the one behind the last.
// last is what it was for the row before.
func (f *frames) bound(b *expr.FrameBound, off types.Datum, row, last int, end bool) (int, error) {
	n := len(f.p.rows)
	switch b.Kind {
	case expr.UnboundedPreceding:
		return 0, nil
	case expr.UnboundedFollowing:
		return n, nil
	case expr.CurrentRow:
		switch {
		case f.spec.Mode == expr.FrameRows && end:
			return row + 1, nil
		case f.spec.Mode == expr.FrameRows:
			return row, nil
		case end:
			return f.p.peersEnd(row), nil
		}
		return f.p.peersStart(row), nil
	}
	if f.spec.Mode == expr.FrameRange {
		return f.rangeBound(b, off, row, last, end)
	}
	at, limit := row, n
	if f.spec.Mode == expr.FrameGroups {
		at, limit = f.p.group[row], len(f.p.groups)-1
	}
	// Both numbers are below 2^63, so that clamping avoids an overflow.
	far := int(min(off.Int(), int64(n)+1))
	if b.Kind == expr.OffsetPreceding {
		at -= far
	} else {
		at += far
	}
	if end {
		at++
	}
	at = min(max(at, 0), limit)
	if f.spec.Mode == expr.FrameGroups {
		return f.p.groups[at], nil
	}
	return at, nil
}

// rangeBound moves on from where the bound was for the row before, as
// PostgreSQL's nodeWindowAgg.c does.
func (f *frames) rangeBound(b *expr.FrameBound, off types.Datum, row, last int, end bool) (int, error) {
	key := &f.o.n.Spec.Order[0]
	at := f.o.w + len(f.o.n.Spec.Partition)
	cur := f.p.rows[row][at]
	for ; last < len(f.p.rows); last++ {
		x := f.p.rows[last][at]
		if x.IsNull() || cur.IsNull() {
			// Only where NULLs sort matters then.
			before := x.IsNull() && !cur.IsNull()
			if !key.NullsFirst {
				before = !x.IsNull() && cur.IsNull()
			}
			same := x.IsNull() == cur.IsNull()
			if before || end && same {
				continue
			}
			break
		}
		c, err := f.compareShifted(b, x, cur, off)
		if err != nil {
			return 0, err
		}
		if key.Descending {
			c = -c
		}
		if c < 0 || end && c == 0 {
			continue
		}
		break
	}
	return last, nil
}

// compareShifted compares a row's key with the current row's moved by the offset.
func (f *frames) compareShifted(b *expr.FrameBound, x, cur, off types.Datum) (int, error) {
	minus := b.Kind == expr.OffsetPreceding != f.o.n.Spec.Order[0].Descending
	switch cur.Kind() {
	case types.KindFloat:
		return compareFloatShift(x.Float(), cur.Float(), off.Float(), minus), nil
	case types.KindNumeric:
		return compareNumericShift(x, cur, off, minus)
	case types.KindInt:
		if b.Shift == nil {
			delta := off.Int()
			if off.Kind() == types.KindInterval {
				delta = off.Interval().Micros
			}
			return compareIntShift(x.Int(), cur.Int(), delta, minus), nil
		}
	}
	to, err := b.Shift.Eval(f.o.ev, []types.Datum{cur, off})
	if err != nil {
		return 0, err
	}
	if k := f.spec.Key; k != nil {
		if x, err = k.Eval(f.o.ev, []types.Datum{x}); err != nil {
			return 0, err
		}
	}
	return types.Compare(x, to, b.Shift.Type()), nil
}

// compareIntShift compares x with cur ± off, off >= 0, where the sum may be out of
// range.
func compareIntShift(x, cur, off int64, minus bool) int {
	sum := cur + off
	if minus {
		sum = cur - off
		if sum > cur {
			return 1
		}
	} else if sum < cur {
		return -1
	}
	switch {
	case x < sum:
		return -1
	case x > sum:
		return 1
	}
	return 0
}

// compareFloatShift treats NaN as the greatest value, equal to itself, as in_range
// of floats does.
func compareFloatShift(x, cur, off float64, minus bool) int {
	switch {
	case math.IsNaN(x) && math.IsNaN(cur):
		return 0
	case math.IsNaN(x):
		return 1
	case math.IsNaN(cur):
		return -1
	}
	if math.IsInf(off, 1) && math.IsInf(cur, 0) && math.IsInf(cur, 1) == minus {
		// Infinity on both sides: everything is in range of it.
		return 0
	}
	sum := cur + off
	if minus {
		sum = cur - off
	}
	switch {
	case x < sum:
		return -1
	case x > sum:
		return 1
	}
	return 0
}

func compareNumericShift(x, cur, off types.Datum, minus bool) (int, error) {
	if x.IsNaN() || cur.IsNaN() {
		return types.CompareNumeric(x, cur), nil
	}
	if types.NumericIsInf(off) && types.NumericIsInf(cur) && (types.NumericSign(cur) > 0) == minus {
		return 0, nil
	}
	op := types.NumericAdd
	if minus {
		op = types.NumericSub
	}
	sum, err := op(cur, off)
	if err != nil {
		return 0, err
	}
	return types.CompareNumeric(x, sum), nil
}

// excluded returns the rows [lo, hi) that EXCLUDE concerns; with TIES the current
// row among them stays.
func (f *frames) excluded(row int) (lo, hi int) {
	switch f.spec.Exclude {
	case expr.ExcludeCurrentRow:
		return row, row + 1
	case expr.ExcludeGroup, expr.ExcludeTies:
		return f.p.peersStart(row), f.p.peersEnd(row)
	}
	return 0, 0
}

// inFrame reports whether a row of [head, tail) is in the frame of row.
func (f *frames) inFrame(row, i int) bool {
	if i < f.head || i >= f.tail {
		return false
	}
	lo, hi := f.excluded(row)
	return i < lo || i >= hi || f.spec.Exclude == expr.ExcludeTies && i == row
}
