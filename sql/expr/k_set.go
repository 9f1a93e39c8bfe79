package expr

import (
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// SetIter yields the rows of a set-returning function.
type SetIter interface {
	// Next returns the next row, or nil after the last one. The row is valid
	// until the next call.
	Next(ctx *EvalContext) (Row, error)
}

// Rows starts a set-returning function for an outer row. A strict function over
// a NULL gives no rows.
func (e *SetCall) Rows(ctx *EvalContext, row Row) (SetIter, error) {
	args := make([]types.Datum, len(e.Args))
	for i, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil {
			return nil, err
		}
		if d.IsNull() && e.Fn.Strict {
			return &sliceIter{}, nil
		}
		args[i] = d
	}
	if e.Fn.set == nil {
		return nil, sqlerr.Unsupported("function %s", e.Fn.Name)
	}
	return e.Fn.set(ctx, &e.Sig, args)
}

// Columns returns the names and types of the columns of a set-returning function.
func (e *SetCall) Columns() (names []string, ts []types.Type) {
	if len(e.Sig.OutNames) > 0 {
		return e.Sig.OutNames, e.Sig.OutTypes
	}
	if len(e.Fn.OutNames) > 0 {
		for i, n := range e.Fn.OutNames {
			names = append(names, n)
			ts = append(ts, types.Of(e.Fn.OutTypes[i]))
		}
		return names, ts
	}
	return []string{e.Fn.Name}, []types.Type{e.Sig.Result}
}

// sliceIter yields values that are all there already.
type sliceIter struct {
	items []types.Datum
	row   [1]types.Datum
}

func (it *sliceIter) Next(*EvalContext) (Row, error) {
	if len(it.items) == 0 {
		return nil, nil
	}
	it.row[0], it.items = it.items[0], it.items[1:]
	return it.row[:], nil
}

// seqIter yields what step gives until it says no more.
type seqIter struct {
	row  [1]types.Datum
	next func(ctx *EvalContext) (types.Datum, bool, error)
}

func (it *seqIter) Next(ctx *EvalContext) (Row, error) {
	d, ok, err := it.next(ctx)
	if err != nil || !ok {
		return nil, err
	}
	it.row[0] = d
	return it.row[:], nil
}

func errStepZero() error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "step size cannot equal zero")
}

func (k kernels) sets() {
	ints := func(lo, hi int64) setFunc {
		return func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			cur, end, step := a[0].Int(), a[1].Int(), int64(1)
			if len(a) == 3 {
				step = a[2].Int()
			}
			if step == 0 {
				return nil, errStepZero()
			}
			done := false
			return &seqIter{next: func(*EvalContext) (datum, bool, error) {
				if done || step > 0 && cur > end || step < 0 && cur < end {
					return types.Null, false, nil
				}
				d := types.NewInt(cur)
				n := cur + step
				if n < lo || n > hi || (n > cur) != (step > 0) {
					done = true
				}
				cur = n
				return d, true, nil
			}}, nil
		}
	}
	k.set("generate_series(int4,int4) generate_series(int4,int4,int4)", ints(math.MinInt32, math.MaxInt32))
	k.set("generate_series(int8,int8) generate_series(int8,int8,int8)", ints(math.MinInt64, math.MaxInt64))
	k.set("generate_series(numeric,numeric) generate_series(numeric,numeric,numeric)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		cur, end, step := a[0], a[1], types.NumericFromInt(1)
		if len(a) == 3 {
			step = a[2]
		}
		for i, what := range []string{"start", "stop", "step size"}[:len(a)] {
			if a[i].IsNaN() {
				return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%s value cannot be NaN", what)
			}
			if types.NumericIsInf(a[i]) {
				return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%s value cannot be infinity", what)
			}
		}
		sign := types.NumericSign(step)
		if sign == 0 {
			return nil, errStepZero()
		}
		return &seqIter{next: func(*EvalContext) (datum, bool, error) {
			if c := types.CompareNumeric(cur, end); sign > 0 && c > 0 || sign < 0 && c < 0 {
				return types.Null, false, nil
			}
			d := cur
			var err error
			cur, err = types.NumericAdd(cur, step)
			return d, true, err
		}}, nil
	})
	times := func(zoned bool) setFunc {
		return func(ctx *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			cur, end, step := a[0].Int(), a[1].Int(), a[2].Interval()
			sign := step.Compare(types.Interval{})
			if sign == 0 {
				return nil, errStepZero()
			}
			return &seqIter{next: func(ctx *EvalContext) (datum, bool, error) {
				if sign > 0 && cur > end || sign < 0 && cur < end {
					return types.Null, false, nil
				}
				d := types.NewInt(cur)
				var err error
				if zoned {
					cur, err = AddIntervalTZ(cur, step, ctx.format().Location())
				} else {
					cur, err = addInterval(cur, step)
				}
				return d, true, err
			}}, nil
		}
	}
	k.set("generate_series(timestamp,timestamp,interval)", times(false))
	k.set("generate_series(timestamptz,timestamptz,interval)", times(true))
	k.set("unnest(anyarray)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		return &sliceIter{items: a[0].Array().Elems}, nil
	})
	subscripts := func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		arr, n := a[0].Array(), a[1].Int()
		if n < 1 || n > int64(len(arr.Dims)) {
			return &sliceIter{}, nil
		}
		d := arr.Dims[n-1]
		lo, hi := int64(d.Lower), int64(d.Lower)+int64(d.Len)-1
		down := len(a) == 3 && a[2].Bool()
		return &seqIter{next: func(*EvalContext) (datum, bool, error) {
			if lo > hi {
				return types.Null, false, nil
			}
			if down {
				hi--
				return types.NewInt(hi + 1), true, nil
			}
			lo++
			return types.NewInt(lo - 1), true, nil
		}}, nil
	}
	// No table is partitioned yet.
	k.set("pg_partition_ancestors(regclass)", func(*EvalContext, *Signature, []datum) (SetIter, error) { return &sliceIter{}, nil })
	k.set("generate_subscripts(anyarray,int4) generate_subscripts(anyarray,int4,bool)", subscripts)
}
