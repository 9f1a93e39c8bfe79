package expr

import (
	"math"
	"math/bits"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// SeededRandom is what random() gives in a session after setseed: the numbers that
// PostgreSQL 15 gives, from xoroshiro128** (Blackman, Vigna). The zero value was
// never seeded. It belongs to one goroutine.
type SeededRandom struct {
	set    bool
	s0, s1 uint64
}

// seed starts the sequence that belongs to a number from -1 to 1. Its state is made
// by splitmix64, as the authors advise.
func (r *SeededRandom) seed(f float64) {
	x := uint64(int64(float64(1<<52-1) * f))
	split := func() uint64 {
		x += 0x9e3779b97f4a7c15
		v := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		v = (v ^ v>>27) * 0x94d049bb133111eb
		return v ^ v>>31
	}
	r.s0, r.s1, r.set = split(), split(), true
}

// next is a number from 0 to 1, below 1.
func (r *SeededRandom) next() float64 {
	v := bits.RotateLeft64(r.s0*5, 7) * 9
	x := r.s0 ^ r.s1
	r.s0 = bits.RotateLeft64(r.s0, 24) ^ x ^ x<<16
	r.s1 = bits.RotateLeft64(x, 37)
	return math.Ldexp(float64(v>>12), -52)
}

func (k kernels) seeds() {
	k.f1("setseed(float8)", func(ctx *EvalContext, a datum) (datum, error) {
		f := a.Float()
		if f < -1 || f > 1 || math.IsNaN(f) {
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "setseed parameter %s is out of allowed range [-1,1]", formatG(f, 6))
		}
		if ctx.Seeded == nil {
			return types.Null, sqlerr.Internal("no session to seed")
		}
		ctx.Seeded.seed(f)
		return types.NewString(""), nil // void
	})
}
