package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// IsHypothetical reports whether a name is that of an aggregate that tells where a
// row would stand (PostgreSQL, "Hypothetical-Set Aggregate Functions").
func IsHypothetical(schema, name string) bool {
	if schema != "" && schema != "pg_catalog" {
		return false
	}
	switch name {
	case "rank", "dense_rank", "percent_rank", "cume_dist":
		return true
	}
	return false
}

// NewHypothetical makes the call of such an aggregate. direct and sorted have the
// same types in pairs; keys are how sorted is ordered.
func NewHypothetical(name string, direct, sorted []Expr, keys []SortKey) *AggCall {
	result := types.Float8
	if name == "rank" || name == "dense_rank" {
		result = types.Int8
	}
	args := append(append([]Expr{}, direct...), sorted...)
	sig := Signature{Result: result}
	for _, a := range args {
		sig.Args = append(sig.Args, a.Type())
	}
	order := make([]SortKey, len(keys))
	ts := make([]types.Type, len(keys))
	for i, k := range keys {
		order[i], ts[i] = SortKey{Descending: k.Descending, NullsFirst: k.NullsFirst}, k.Expr.Type()
	}
	fn := &Func{Name: name, Kind: FuncAggregate}
	fn.agg = func(*Signature) AggState { return &hypothetical{name: name, order: order, types: ts} }
	return &AggCall{Fn: fn, Sig: sig, Args: args, Direct: len(direct), OrderBy: keys}
}

// hypothetical counts the rows before the hypothetical one, and those that are its
// peers. The executor adds the rows in order.
type hypothetical struct {
	name  string
	order []SortKey
	types []types.Type

	rows, before, peers int64
	distinct            int64 // among those before
	last                []datum
	size                int
}

func (s *hypothetical) Add(_ *EvalContext, args []datum) error {
	n := len(s.order)
	s.rows++
	switch c := s.compare(args[n:], args[:n]); {
	case c == 0:
		s.peers++
	case c < 0:
		s.before++
		if s.name == "dense_rank" && (s.last == nil || s.compare(s.last, args[n:]) != 0) {
			s.distinct++
			s.last = append(s.last[:0], args[n:]...)
			s.size = 0
			for _, d := range s.last {
				s.size += d.Size()
			}
		}
	}
	return nil
}

func (s *hypothetical) compare(a, b []datum) int {
	for i, k := range s.order {
		c := 0
		switch an, bn := a[i].IsNull(), b[i].IsNull(); {
		case an && bn:
			continue
		case an != bn:
			c = 1
			if an == k.NullsFirst {
				c = -1
			}
			return c
		default:
			c = types.Compare(a[i], b[i], s.types[i])
		}
		if k.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// Merge cannot be done: dense_rank would have to know the values.
func (s *hypothetical) Merge(*EvalContext, AggState) error { return errMerge() }

func (s *hypothetical) Result(*EvalContext) (datum, error) {
	switch s.name {
	case "rank":
		return types.NewInt(s.before + 1), nil
	case "dense_rank":
		return types.NewInt(s.distinct + 1), nil
	case "percent_rank":
		if s.rows == 0 {
			return types.NewFloat(0), nil
		}
		return types.NewFloat(float64(s.before) / float64(s.rows)), nil
	}
	return types.NewFloat(float64(s.before+s.peers+1) / float64(s.rows+1)), nil
}

func (s *hypothetical) Size() int { return 96 + s.size }

// NoFunction is the error for a call of a function that there is not, with a hint to
// be added.
func NoFunction(schema, name string, args []Expr) *sqlerr.Error {
	ts := make([]types.Type, len(args))
	for i, a := range args {
		ts[i] = a.Type()
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", callText(schema, name, ts))
}
