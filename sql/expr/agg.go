package expr

import (
	"math"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// AggState computes one aggregate over one group. It belongs to one goroutine.
type AggState interface {
	// Add takes the arguments of one row; rows that FILTER or DISTINCT leave out
	// are not given to it. It keeps no reference to the slice.
	Add(ctx *EvalContext, args []types.Datum) error
	// Merge adds what another state of the same aggregate has seen, as if its
	// rows came after one's own. The other state must not be used afterwards.
	Merge(ctx *EvalContext, other AggState) error
	// Result returns the value so far. Add may go on afterwards.
	Result(ctx *EvalContext) (types.Datum, error)
	// Size estimates the memory held, in bytes.
	Size() int
}

// NewAggState returns the state of an aggregate over no rows.
func NewAggState(fn *Func, sig *Signature) (AggState, error) {
	if fn.agg == nil {
		return nil, sqlerr.Unsupported("aggregate %s", fn.Name)
	}
	return fn.agg(sig), nil
}

func errMerge() error { return sqlerr.Internal("merge of states of different aggregates") }

func (k kernels) aggregates() {
	k.agg("count()", func(*Signature) AggState { return &countAgg{star: true} })
	k.agg("count(any)", func(*Signature) AggState { return &countAgg{} })
	k.agg("sum(int2) sum(int4)", func(*Signature) AggState { return &intSum{} })
	k.agg("sum(int8)", func(*Signature) AggState { return &numSum{} })
	k.agg("sum(numeric)", func(*Signature) AggState { return &numSum{} })
	k.agg("avg(int2) avg(int4) avg(int8) avg(numeric)", func(*Signature) AggState { return &numSum{avg: true} })
	k.agg("sum(float4)", func(*Signature) AggState { return &floatSum{narrow: true} })
	k.agg("sum(float8)", func(*Signature) AggState { return &floatSum{} })
	k.agg("avg(float4) avg(float8)", func(*Signature) AggState { return &floatSum{avg: true} })
	k.agg("sum(interval)", func(*Signature) AggState { return &intervalSum{} })
	k.agg("avg(interval)", func(*Signature) AggState { return &intervalSum{avg: true} })
	for _, t := range strings.Fields("int2 int4 int8 float4 float8 numeric text bpchar oid date time timetz timestamp timestamptz interval anyarray anyenum") {
		k.agg("min("+t+")", func(sig *Signature) AggState { return &extreme{typ: sig.Result, sign: -1} })
		k.agg("max("+t+")", func(sig *Signature) AggState { return &extreme{typ: sig.Result, sign: 1} })
	}
	k.agg("bool_and(bool) every(bool)", func(*Signature) AggState {
		return &fold{f: func(a, b datum) datum { return types.NewBool(a.Bool() && b.Bool()) }}
	})
	k.agg("bool_or(bool)", func(*Signature) AggState {
		return &fold{f: func(a, b datum) datum { return types.NewBool(a.Bool() || b.Bool()) }}
	})
	for _, t := range []string{"int2", "int4", "int8"} {
		k.agg("bit_and("+t+")", func(*Signature) AggState {
			return &fold{f: func(a, b datum) datum { return types.NewInt(a.Int() & b.Int()) }}
		})
		k.agg("bit_or("+t+")", func(*Signature) AggState {
			return &fold{f: func(a, b datum) datum { return types.NewInt(a.Int() | b.Int()) }}
		})
		k.agg("bit_xor("+t+")", func(*Signature) AggState {
			return &fold{f: func(a, b datum) datum { return types.NewInt(a.Int() ^ b.Int()) }}
		})
	}
	k.agg("string_agg(text,text) string_agg(bytea,bytea)", func(*Signature) AggState { return &stringAgg{} })
	k.agg("array_agg(anynonarray) array_agg(anyarray)", func(sig *Signature) AggState { return &arrayAgg{result: sig.Result, of: sig.Args[0]} })
	for _, x := range []struct {
		names      string
		pop, sqrt_ bool
	}{
		{"variance var_samp", false, false}, {"var_pop", true, false},
		{"stddev stddev_samp", false, true}, {"stddev_pop", true, true},
	} {
		for _, n := range strings.Fields(x.names) {
			for _, t := range strings.Fields("int2 int4 int8 numeric") {
				k.agg(n+"("+t+")", func(*Signature) AggState { return &numVariance{pop: x.pop, root: x.sqrt_} })
			}
			for _, t := range strings.Fields("float4 float8") {
				k.agg(n+"("+t+")", func(*Signature) AggState { return &floatVariance{pop: x.pop, root: x.sqrt_} })
			}
		}
	}
}

type countAgg struct {
	n    int64
	star bool
}

func (s *countAgg) Add(_ *EvalContext, args []datum) error {
	if s.star || !args[0].IsNull() {
		s.n++
	}
	return nil
}

func (s *countAgg) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*countAgg)
	if !ok {
		return errMerge()
	}
	s.n += o.n
	return nil
}

func (s *countAgg) Result(*EvalContext) (datum, error) { return types.NewInt(s.n), nil }
func (s *countAgg) Size() int                          { return 16 }

// intSum is the sum of int2 and int4, a bigint.
type intSum struct {
	sum int64
	any bool
}

func (s *intSum) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	return s.add(args[0].Int())
}

func (s *intSum) add(i int64) error {
	r := s.sum + i
	if (r > s.sum) != (i > 0) && i != 0 {
		return errOutOfRange(types.Int8)
	}
	s.sum, s.any = r, true
	return nil
}

func (s *intSum) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*intSum)
	if !ok {
		return errMerge()
	}
	if !o.any {
		return nil
	}
	return s.add(o.sum)
}

func (s *intSum) Result(*EvalContext) (datum, error) {
	if !s.any {
		return types.Null, nil
	}
	return types.NewInt(s.sum), nil
}
func (s *intSum) Size() int { return 16 }

// numSum is the sum or average in numeric, of integers too.
type numSum struct {
	avg   bool
	n     int64
	small int64 // part of the sum, not yet in total
	total datum
}

func (s *numSum) Add(_ *EvalContext, args []datum) error {
	d := args[0]
	switch d.Kind() {
	case types.KindNull:
		return nil
	case types.KindInt:
		s.n++
		i := d.Int()
		r := s.small + i
		if (r > s.small) == (i > 0) || i == 0 {
			s.small = r
			return nil
		}
		d = types.NumericFromInt(i)
		return s.add(d)
	}
	s.n++
	return s.add(d)
}

func (s *numSum) add(d datum) error {
	if s.total.IsNull() {
		s.total = d
		return nil
	}
	var err error
	s.total, err = types.NumericAdd(s.total, d)
	return err
}

func (s *numSum) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*numSum)
	if !ok {
		return errMerge()
	}
	s.n += o.n
	if !o.total.IsNull() {
		if err := s.add(o.total); err != nil {
			return err
		}
	}
	return s.add(types.NumericFromInt(o.small))
}

func (s *numSum) Result(*EvalContext) (datum, error) {
	if s.n == 0 {
		return types.Null, nil
	}
	sum := types.NumericFromInt(s.small)
	if !s.total.IsNull() {
		var err error
		if sum, err = types.NumericAdd(s.total, sum); err != nil {
			return types.Null, err
		}
	}
	if !s.avg {
		return sum, nil
	}
	return types.NumericDiv(sum, types.NumericFromInt(s.n))
}
func (s *numSum) Size() int { return 48 + s.total.Size() }

type floatSum struct {
	avg, narrow bool
	n           int64
	sum         float64
}

func (s *floatSum) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	return s.add(args[0].Float(), 1)
}

func (s *floatSum) add(f float64, n int64) error {
	r := s.sum + f
	if s.narrow {
		r = float64(float32(r))
	}
	if math.IsInf(r, 0) && !math.IsInf(f, 0) && !math.IsInf(s.sum, 0) {
		return errFloatOverflow()
	}
	s.sum = r
	s.n += n
	return nil
}

func (s *floatSum) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*floatSum)
	if !ok {
		return errMerge()
	}
	if o.n == 0 {
		return nil
	}
	return s.add(o.sum, o.n)
}

func (s *floatSum) Result(*EvalContext) (datum, error) {
	switch {
	case s.n == 0:
		return types.Null, nil
	case s.avg:
		return types.NewFloat(s.sum / float64(s.n)), nil
	}
	return types.NewFloat(s.sum), nil
}
func (s *floatSum) Size() int { return 24 }

type intervalSum struct {
	avg bool
	n   int64
	sum types.Interval
}

func (s *intervalSum) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	return s.add(args[0].Interval(), 1)
}

func (s *intervalSum) add(v types.Interval, n int64) error {
	var err error
	s.sum, err = s.sum.Add(v)
	s.n += n
	return err
}

func (s *intervalSum) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*intervalSum)
	if !ok {
		return errMerge()
	}
	return s.add(o.sum, o.n)
}

func (s *intervalSum) Result(*EvalContext) (datum, error) {
	switch {
	case s.n == 0:
		return types.Null, nil
	case s.avg:
		return interval(scaleInterval(s.sum, float64(s.n), true))
	}
	return types.NewInterval(s.sum), nil
}
func (s *intervalSum) Size() int { return 32 }

// extreme is min and max.
type extreme struct {
	typ  types.Type
	sign int
	best datum
}

func (s *extreme) Add(_ *EvalContext, args []datum) error {
	d := args[0]
	if !d.IsNull() && (s.best.IsNull() || types.Compare(d, s.best, s.typ)*s.sign > 0) {
		s.best = d
	}
	return nil
}

func (s *extreme) Merge(ctx *EvalContext, other AggState) error {
	o, ok := other.(*extreme)
	if !ok {
		return errMerge()
	}
	return s.Add(ctx, []datum{o.best})
}

func (s *extreme) Result(*EvalContext) (datum, error) { return s.best, nil }
func (s *extreme) Size() int                          { return 32 + s.best.Size() }

// fold joins values by an associative function.
type fold struct {
	f   func(a, b datum) datum
	acc datum
}

func (s *fold) Add(_ *EvalContext, args []datum) error {
	switch d := args[0]; {
	case d.IsNull():
	case s.acc.IsNull():
		s.acc = d
	default:
		s.acc = s.f(s.acc, d)
	}
	return nil
}

func (s *fold) Merge(ctx *EvalContext, other AggState) error {
	o, ok := other.(*fold)
	if !ok {
		return errMerge()
	}
	return s.Add(ctx, []datum{o.acc})
}

func (s *fold) Result(*EvalContext) (datum, error) { return s.acc, nil }
func (s *fold) Size() int                          { return 40 }

type stringAgg struct {
	b     []byte
	any   bool
	first string // the separator before the first value, which Merge needs
}

func (s *stringAgg) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	sep := args[1].Str()
	if s.any {
		s.b = append(s.b, sep...)
	} else {
		s.first = sep
	}
	s.any = true
	s.b = append(s.b, args[0].Str()...)
	if len(s.b) > textMax {
		return errTextTooLong()
	}
	return nil
}

func (s *stringAgg) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*stringAgg)
	if !ok {
		return errMerge()
	}
	if !o.any {
		return nil
	}
	if !s.any {
		*s = *o
		return nil
	}
	s.b = append(append(s.b, o.first...), o.b...)
	if len(s.b) > textMax {
		return errTextTooLong()
	}
	return nil
}

func (s *stringAgg) Result(*EvalContext) (datum, error) {
	if !s.any {
		return types.Null, nil
	}
	return types.NewString(string(s.b)), nil
}
func (s *stringAgg) Size() int { return 64 + cap(s.b) }

// arrayAgg gathers values, NULLs too; arrays become a further dimension.
type arrayAgg struct {
	result, of types.Type
	items      []datum
	size       int
}

func (s *arrayAgg) Add(_ *EvalContext, args []datum) error {
	d := args[0]
	if s.of.IsArray() {
		switch {
		case d.IsNull():
			return sqlerr.New(sqlerr.NullValueNotAllowed, "cannot accumulate null arrays")
		case len(d.Array().Dims) == 0:
			return sqlerr.New(sqlerr.ArraySubscriptError, "cannot accumulate empty arrays")
		case len(s.items) > 0 && !sameDims(s.items[0].Array().Dims, d.Array().Dims):
			return sqlerr.New(sqlerr.ArraySubscriptError, "cannot accumulate arrays of different dimensionality")
		}
	}
	if len(s.items) >= types.MaxArrayElems {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", types.MaxArrayElems)
	}
	s.items = append(s.items, d)
	s.size += d.Size()
	return nil
}

func (s *arrayAgg) Merge(ctx *EvalContext, other AggState) error {
	o, ok := other.(*arrayAgg)
	if !ok {
		return errMerge()
	}
	for _, d := range o.items {
		if err := s.Add(ctx, []datum{d}); err != nil {
			return err
		}
	}
	return nil
}

func (s *arrayAgg) Result(*EvalContext) (datum, error) {
	if len(s.items) == 0 {
		return types.Null, nil
	}
	elem := s.result.Elem().Bare()
	if !s.of.IsArray() {
		return types.NewArray(types.NewArrayOf(elem, append([]datum(nil), s.items...))), nil
	}
	out := &types.Array{Elem: elem, Dims: append([]types.Dim{{Len: int32(len(s.items)), Lower: 1}}, s.items[0].Array().Dims...)}
	for _, d := range s.items {
		out.Elems = append(out.Elems, d.Array().Elems...)
	}
	return types.NewArray(out), nil
}
func (s *arrayAgg) Size() int { return 96 + s.size }

// numVariance is the variance family in numeric: n·Σx² − (Σx)² over n² or
// n·(n−1).
type numVariance struct {
	pop, root bool
	n         int64
	sum, sq   datum
}

func (s *numVariance) Add(_ *EvalContext, args []datum) error {
	d := args[0]
	if d.IsNull() {
		return nil
	}
	if d.Kind() == types.KindInt {
		d = types.NumericFromInt(d.Int())
	}
	sq, err := types.NumericMul(d, d)
	if err != nil {
		return err
	}
	return s.add(1, d, sq)
}

func (s *numVariance) add(n int64, sum, sq datum) error {
	if s.n == 0 {
		s.sum, s.sq = types.NumericFromInt(0), types.NumericFromInt(0)
	}
	var err error
	if s.sum, err = types.NumericAdd(s.sum, sum); err != nil {
		return err
	}
	if s.sq, err = types.NumericAdd(s.sq, sq); err != nil {
		return err
	}
	s.n += n
	return nil
}

func (s *numVariance) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*numVariance)
	if !ok {
		return errMerge()
	}
	if o.n == 0 {
		return nil
	}
	return s.add(o.n, o.sum, o.sq)
}

func (s *numVariance) Result(*EvalContext) (datum, error) {
	if s.n == 0 || s.n == 1 && !s.pop {
		return types.Null, nil
	}
	if s.sum.IsNaN() || types.NumericIsInf(s.sum) {
		return types.NumericNaN(), nil
	}
	n := types.NumericFromInt(s.n)
	a, err := types.NumericMul(n, s.sq)
	if err != nil {
		return types.Null, err
	}
	b, err := types.NumericMul(s.sum, s.sum)
	if err != nil {
		return types.Null, err
	}
	num, err := types.NumericSub(a, b)
	if err != nil {
		return types.Null, err
	}
	if types.NumericSign(num) <= 0 {
		return types.NumericFromInt(0), nil
	}
	den := n
	if !s.pop {
		den = types.NumericFromInt(s.n - 1)
	}
	if den, err = types.NumericMul(n, den); err != nil {
		return types.Null, err
	}
	v, err := types.NumericDiv(num, den)
	if err != nil || !s.root {
		return v, err
	}
	return types.NumericSqrtSameScale(v)
}
func (s *numVariance) Size() int { return 48 + s.sum.Size() + s.sq.Size() }

// floatVariance updates mean and squared deviations by Youngs and Cramer's
// method, as float8_accum does.
type floatVariance struct {
	pop, root  bool
	n, sum, m2 float64
}

func (s *floatVariance) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	x := args[0].Float()
	s.n++
	s.sum += x
	if s.n > 1 {
		t := x*s.n - s.sum
		s.m2 += t * t / (s.n * (s.n - 1))
		if math.IsInf(s.sum, 0) || math.IsInf(s.m2, 0) {
			if !math.IsInf(x, 0) && !math.IsNaN(x) && !math.IsNaN(s.m2) {
				return errFloatOverflow()
			}
			s.m2 = math.NaN()
		}
	} else if math.IsNaN(x) || math.IsInf(x, 0) {
		s.m2 = math.NaN()
	}
	return nil
}

func (s *floatVariance) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*floatVariance)
	if !ok {
		return errMerge()
	}
	switch {
	case o.n == 0:
	case s.n == 0:
		s.n, s.sum, s.m2 = o.n, o.sum, o.m2
	default:
		t := s.sum/s.n - o.sum/o.n
		s.m2 += o.m2 + s.n*o.n*t*t/(s.n+o.n)
		s.n += o.n
		s.sum += o.sum
	}
	return nil
}

func (s *floatVariance) Result(*EvalContext) (datum, error) {
	if s.n == 0 || s.n == 1 && !s.pop {
		return types.Null, nil
	}
	v := s.m2 / s.n
	if !s.pop {
		v = s.m2 / (s.n - 1)
	}
	if s.root {
		v = math.Sqrt(v)
	}
	return types.NewFloat(v), nil
}
func (s *floatVariance) Size() int { return 32 }
