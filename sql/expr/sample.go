package expr

import (
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Sample is the condition of TABLESAMPLE: whether a row belongs to the sample. It is
// decided by the row's key and the seed, so that REPEATABLE gives the same rows
// whatever the plan is.
type Sample struct {
	Percent Expr // real
	Seed    Expr // double precision; nil takes another one for each statement
	Keys    []Expr
}

func (e *Sample) Type() types.Type { return types.Bool }

func (e *Sample) Children() []Expr {
	out := []Expr{e.Percent}
	if e.Seed != nil {
		out = append(out, e.Seed)
	}
	return append(out, e.Keys...)
}

func (e *Sample) WithChildren(c []Expr) Expr {
	n := &Sample{Percent: c[0]}
	c = c[1:]
	if e.Seed != nil {
		n.Seed, c = c[0], c[1:]
	}
	n.Keys = c
	return n
}

func (e *Sample) Eval(ctx *EvalContext, row Row) (datum, error) {
	percent, err := e.Percent.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	if percent.IsNull() {
		return types.Null, sqlerr.New(sqlerr.InvalidTablesampleArgument, "TABLESAMPLE parameter cannot be null")
	}
	p := percent.Float()
	if !(p >= 0 && p <= 100) {
		return types.Null, sqlerr.New(sqlerr.InvalidTablesampleArgument, "sample percentage must be between 0 and 100")
	}
	seed := uint64(ctx.StmtTime.UnixNano())
	if e.Seed != nil {
		d, err := e.Seed.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if d.IsNull() {
			return types.Null, sqlerr.New(sqlerr.InvalidTablesampleRepeat, "TABLESAMPLE REPEATABLE parameter cannot be null")
		}
		seed = math.Float64bits(d.Float())
	}
	h := mix(seed)
	for _, k := range e.Keys {
		d, err := k.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if !d.IsNull() {
			h = types.Hash(h, d, k.Type())
		}
	}
	return types.NewBool(float64(mix(h)>>11)/(1<<53) < p/100), nil
}

// mix spreads a hash over all its bits (splitmix64).
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
