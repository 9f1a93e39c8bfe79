package expr

import (
	"math"
	"sort"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// regression sums up pairs (Y, X) by Youngs and Cramer's method, as
// float8_regr_accum does.
type regression struct {
	n, sx, sxx, sy, syy, sxy float64
	result                   func(*regression) (float64, bool)
	count                    bool
}

func (s *regression) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() || args[1].IsNull() {
		return nil
	}
	y, x := args[0].Float(), args[1].Float()
	before := s.n
	s.n++
	s.sx += x
	s.sy += y
	if before > 0 {
		tx, ty := x*s.n-s.sx, y*s.n-s.sy
		scale := 1 / (s.n * before)
		s.sxx += tx * tx * scale
		s.syy += ty * ty * scale
		s.sxy += tx * ty * scale
		infinite := func(f float64) bool { return math.IsInf(f, 0) }
		if infinite(s.sx) || infinite(s.sxx) || infinite(s.sy) || infinite(s.syy) || infinite(s.sxy) {
			if (infinite(s.sx) || infinite(s.sxx)) && !infinite(x) || (infinite(s.sy) || infinite(s.syy)) && !infinite(y) ||
				infinite(s.sxy) && !infinite(x) && !infinite(y) {
				return errFloatOverflow()
			}
			if infinite(s.sxx) {
				s.sxx = math.NaN()
			}
			if infinite(s.syy) {
				s.syy = math.NaN()
			}
			if infinite(s.sxy) {
				s.sxy = math.NaN()
			}
		}
		return nil
	}
	odd := func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }
	if odd(x) {
		s.sxx, s.sxy = math.NaN(), math.NaN()
	}
	if odd(y) {
		s.syy, s.sxy = math.NaN(), math.NaN()
	}
	return nil
}

func (s *regression) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*regression)
	if !ok {
		return errMerge()
	}
	switch {
	case o.n == 0:
	case s.n == 0:
		s.n, s.sx, s.sxx, s.sy, s.syy, s.sxy = o.n, o.sx, o.sxx, o.sy, o.syy, o.sxy
	default:
		n := s.n + o.n
		tx, ty := s.sx/s.n-o.sx/o.n, s.sy/s.n-o.sy/o.n
		s.sxx += o.sxx + s.n*o.n*tx*tx/n
		s.syy += o.syy + s.n*o.n*ty*ty/n
		s.sxy += o.sxy + s.n*o.n*tx*ty/n
		s.sx += o.sx
		s.sy += o.sy
		s.n = n
	}
	return nil
}

func (s *regression) Result(*EvalContext) (datum, error) {
	if s.count {
		return types.NewInt(int64(s.n)), nil
	}
	f, ok := s.result(s)
	if !ok {
		return types.Null, nil
	}
	return types.NewFloat(f), nil
}
func (s *regression) Size() int { return 72 }

func (k kernels) regressions() {
	some := func(f func(s *regression) float64) func(*regression) (float64, bool) {
		return func(s *regression) (float64, bool) { return f(s), s.n >= 1 }
	}
	// spread is for what divides by the spread of X.
	spread := func(f func(s *regression) float64) func(*regression) (float64, bool) {
		return func(s *regression) (float64, bool) { return f(s), s.n >= 1 && s.sxx != 0 }
	}
	for name, f := range map[string]func(*regression) (float64, bool){
		"regr_sxx":   some(func(s *regression) float64 { return s.sxx }),
		"regr_syy":   some(func(s *regression) float64 { return s.syy }),
		"regr_sxy":   some(func(s *regression) float64 { return s.sxy }),
		"regr_avgx":  some(func(s *regression) float64 { return s.sx / s.n }),
		"regr_avgy":  some(func(s *regression) float64 { return s.sy / s.n }),
		"covar_pop":  some(func(s *regression) float64 { return s.sxy / s.n }),
		"covar_samp": func(s *regression) (float64, bool) { return s.sxy / (s.n - 1), s.n >= 2 },
		"corr": func(s *regression) (float64, bool) {
			return s.sxy / math.Sqrt(s.sxx*s.syy), s.n >= 1 && s.sxx != 0 && s.syy != 0
		},
		"regr_r2": spread(func(s *regression) float64 {
			if s.syy == 0 {
				return 1
			}
			return s.sxy * s.sxy / (s.sxx * s.syy)
		}),
		"regr_slope":     spread(func(s *regression) float64 { return s.sxy / s.sxx }),
		"regr_intercept": spread(func(s *regression) float64 { return (s.sy - s.sx*s.sxy/s.sxx) / s.n }),
	} {
		k.agg(name+"(float8,float8)", func(*Signature) AggState { return &regression{result: f} })
	}
	k.agg("regr_count(float8,float8)", func(*Signature) AggState { return &regression{count: true} })
}

// orderedSet keeps the values of an ordered-set aggregate. Their order is made by
// the executor, which sorts what it adds; args are the direct arguments, then the
// value.
type orderedSet struct {
	sig    *Signature
	direct datum
	items  []datum
	size   int
	result func(s *orderedSet) (datum, error)
}

func (s *orderedSet) Add(_ *EvalContext, args []datum) error {
	last := len(args) - 1
	if last > 0 {
		s.direct = args[0]
	}
	if !args[last].IsNull() {
		s.items = append(s.items, args[last])
		s.size += args[last].Size()
	}
	return nil
}

func (s *orderedSet) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*orderedSet)
	if !ok {
		return errMerge()
	}
	if s.direct.IsNull() {
		s.direct = o.direct
	}
	s.items = append(s.items, o.items...)
	s.size += o.size
	return nil
}

func (s *orderedSet) Result(*EvalContext) (datum, error) {
	if len(s.items) == 0 {
		return types.Null, nil
	}
	return s.result(s)
}
func (s *orderedSet) Size() int { return 96 + s.size }

// fractions evaluates an aggregate for the fraction, or for each of an array.
func (s *orderedSet) fractions(at func(p float64) (datum, error)) (datum, error) {
	one := func(d datum) (datum, error) {
		if d.IsNull() {
			return types.Null, nil
		}
		p := d.Float()
		if p < 0 || p > 1 || math.IsNaN(p) {
			return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "percentile value %s is not between 0 and 1", formatG(p, 6))
		}
		return at(p)
	}
	a := s.direct.Array()
	if a == nil {
		return one(s.direct)
	}
	out := &types.Array{Elem: s.sig.Result.Elem().Bare(), Dims: a.Dims, Elems: make([]datum, len(a.Elems))}
	for i, d := range a.Elems {
		var err error
		if out.Elems[i], err = one(d); err != nil {
			return types.Null, err
		}
	}
	return types.NewArray(out), nil
}

func percentileDisc(s *orderedSet) (datum, error) {
	return s.fractions(func(p float64) (datum, error) {
		return s.items[max(int(math.Ceil(p*float64(len(s.items))))-1, 0)], nil
	})
}

func percentileCont(s *orderedSet) (datum, error) {
	return s.fractions(func(p float64) (datum, error) {
		at := p * float64(len(s.items)-1)
		lo, hi := s.items[int(math.Floor(at))], s.items[int(math.Ceil(at))]
		part := at - math.Floor(at)
		if lo.Kind() == types.KindInterval {
			if part == 0 {
				return lo, nil
			}
			neg, err := lo.Interval().Neg()
			if err != nil {
				return types.Null, err
			}
			diff, err := hi.Interval().Add(neg)
			if err != nil {
				return types.Null, err
			}
			step, err := scaleInterval(diff, part, false)
			if err != nil {
				return types.Null, err
			}
			return interval(lo.Interval().Add(step))
		}
		if part == 0 {
			return lo, nil
		}
		return types.NewFloat(lo.Float() + part*(hi.Float()-lo.Float())), nil
	})
}

// mode is the commonest value, of several the first in order.
func mode(s *orderedSet) (datum, error) {
	t := s.sig.Result
	best, most := types.Null, 0
	for i := 0; i < len(s.items); {
		n := sort.Search(len(s.items)-i, func(j int) bool { return !types.Equal(s.items[i], s.items[i+j], t) })
		if n > most {
			best, most = s.items[i], n
		}
		i += n
	}
	return best, nil
}

func (k kernels) orderedSets() {
	k.agg("percentile_disc(float8,anyelement) percentile_disc(_float8,anyelement)", func(sig *Signature) AggState {
		return &orderedSet{sig: sig, result: percentileDisc}
	})
	k.agg("percentile_cont(float8,float8) percentile_cont(float8,interval) percentile_cont(_float8,float8) percentile_cont(_float8,interval)", func(sig *Signature) AggState {
		return &orderedSet{sig: sig, result: percentileCont}
	})
	k.agg("mode(anyelement)", func(sig *Signature) AggState { return &orderedSet{sig: sig, result: mode} })
}

// IsOrderedSet reports whether an aggregate takes its input WITHIN GROUP.
func (f *Func) IsOrderedSet() bool {
	switch f.Name {
	case "percentile_disc", "percentile_cont", "mode":
		return f.Kind == FuncAggregate
	}
	return false
}
