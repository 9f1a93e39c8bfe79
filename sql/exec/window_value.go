package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// arg evaluates an argument of a call for a row of the partition.
func (o *windowOp) arg(c *expr.WindowCall, i, row int) (types.Datum, error) {
	return c.Args[i].Eval(o.ev, o.part.rows[row][:o.w])
}

// lagLead reads a row at a distance, whatever the frame is.
func (o *windowOp) lagLead(ctx context.Context, c *expr.WindowCall) ([]types.Datum, error) {
	n := len(o.part.rows)
	out := make([]types.Datum, n)
	for i := range out {
		if i&1023 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		by := int64(1)
		if len(c.Args) > 1 {
			d, err := o.arg(c, 1, i)
			if err != nil {
				return nil, err
			}
			if d.IsNull() {
				continue
			}
			by = d.Int()
		}
		if c.Fn.Name == "lag" {
			by = -by
		}
		var err error
		switch at := int64(i) + by; {
		case at >= 0 && at < int64(n):
			out[i], err = o.arg(c, 0, int(at))
		case len(c.Args) > 2:
			out[i], err = o.arg(c, 2, i)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ntile divides the partition into buckets whose sizes differ by one at most.
func (o *windowOp) ntile(c *expr.WindowCall) ([]types.Datum, error) {
	out := make([]types.Datum, len(o.part.rows))
	d, err := o.arg(c, 0, 0)
	if err != nil || d.IsNull() {
		return out, err
	}
	buckets := d.Int()
	if buckets <= 0 {
		return nil, sqlerr.New(sqlerr.InvalidArgumentForNtile, "argument of ntile must be greater than zero")
	}
	n := int64(len(out))
	size, larger := n/buckets, n%buckets
	for i := range out {
		at := int64(i)
		if at < larger*(size+1) {
			out[i] = types.NewInt(at/(size+1) + 1)
		} else {
			out[i] = types.NewInt(larger + (at-larger*(size+1))/size + 1)
		}
	}
	return out, nil
}

// frameValue reads one row of the frame.
func (o *windowOp) frameValue(ctx context.Context, c *expr.WindowCall) ([]types.Datum, error) {
	f, err := o.newFrames(c.Spec)
	if err != nil {
		return nil, err
	}
	out := make([]types.Datum, len(o.part.rows))
	for i := range out {
		if i&1023 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := f.move(i); err != nil {
			return nil, err
		}
		nth := int64(1)
		if c.Fn.Name == "nth_value" {
			d, err := o.arg(c, 1, i)
			if err != nil {
				return nil, err
			}
			if d.IsNull() {
				continue
			}
			if nth = d.Int(); nth <= 0 {
				return nil, sqlerr.New(sqlerr.InvalidArgumentForNthValue, "argument of nth_value must be greater than zero")
			}
		}
		at := f.nth(i, nth)
		if c.Fn.Name == "last_value" {
			at = f.lastRow(i)
		}
		if at < 0 {
			continue
		}
		if out[i], err = o.arg(c, 0, at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nth returns the n-th row of a row's frame, counted from 1; -1 if there are
// fewer.
func (f *frames) nth(row int, n int64) int {
	lo, hi := f.excluded(row)
	lo, hi = max(lo, f.head), min(hi, f.tail)
	if lo >= hi {
		lo, hi = f.tail, f.tail
	}
	if before := int64(lo - f.head); n <= before {
		return f.head + int(n) - 1
	} else if before > 0 {
		n -= before
	}
	if f.spec.Exclude == expr.ExcludeTies && row >= lo && row < hi {
		if n == 1 {
			return row
		}
		n--
	}
	if n <= int64(f.tail-hi) {
		return hi + int(n) - 1
	}
	return -1
}

// lastRow returns the last row of a row's frame, -1 if it is empty.
func (f *frames) lastRow(row int) int {
	lo, hi := f.excluded(row)
	at := f.tail - 1
	if at >= lo && at < hi {
		if f.spec.Exclude == expr.ExcludeTies && row >= f.head && row <= at {
			return row
		}
		at = lo - 1
	}
	if at < f.head {
		return -1
	}
	return at
}
