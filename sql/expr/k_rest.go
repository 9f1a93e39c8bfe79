package expr

import (
	"math/bits"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// rest are functions of chapter 9 of PostgreSQL's manual that stand by themselves.
func (k kernels) rest() {
	k.f2("lcm(numeric,numeric)", func(ctx *EvalContext, a, b datum) (datum, error) { return numericLCM(k, ctx, a, b) })
	k.f2("ltrim(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) { return str(trimBytesLeft(a.Str(), b.Str())) })
	k.f2("rtrim(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) { return str(trimBytesRight(a.Str(), b.Str())) })
	k.f1("pg_size_pretty(numeric)", func(_ *EvalContext, a datum) (datum, error) { return numericSizePretty(a) })
	k.fn("width_bucket(numeric,numeric,numeric,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return numericBucket(a[0], a[1], a[2], a[3].Int())
	})
	k.fn("width_bucket(anycompatible,anycompatiblearray)", func(_ *EvalContext, sig *Signature, a []datum) (datum, error) {
		return bucketOf(a[0], a[1].Array(), sig.Args[0])
	})
	k.fn("substring(text,text,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		p, err := similarToRegex(a[1].Str(), a[2].Str())
		if err != nil {
			return types.Null, err
		}
		return k["substring(text,text)"].fn2(ctx, a[0], p)
	})
	k.f1("to_ascii(text)", func(*EvalContext, datum) (datum, error) {
		return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "encoding conversion from UTF8 to ASCII not supported")
	})
	k.f1("hashtext(text)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(int32(hashBytes([]byte(a.Str()))))), nil
	})
	k.f1("pg_sleep_until(timestamptz)", func(ctx *EvalContext, a datum) (datum, error) {
		if ctx.Clock == nil || !types.TimestampIsFinite(a.Int()) {
			return types.Null, sqlerr.Unsupported("pg_sleep_until here")
		}
		d := types.ToTime(a.Int()).Sub(ctx.Clock.Now())
		return k["pg_sleep(float8)"].fn1(ctx, types.NewFloat(float64(max(d, 0))/float64(time.Second)))
	})
}

// trimBytesLeft and trimBytesRight take off bytes that are in a set.
func trimBytesLeft(s, set string) string {
	for s != "" && strings.IndexByte(set, s[0]) >= 0 {
		s = s[1:]
	}
	return s
}

func trimBytesRight(s, set string) string {
	for s != "" && strings.IndexByte(set, s[len(s)-1]) >= 0 {
		s = s[:len(s)-1]
	}
	return s
}

func numericLCM(k kernels, ctx *EvalContext, a, b datum) (datum, error) {
	if a.IsNaN() || b.IsNaN() || types.NumericIsInf(a) || types.NumericIsInf(b) {
		return types.NumericNaN(), nil
	}
	scale := int(max(-a.Decimal().Exponent, -b.Decimal().Exponent, 0))
	if types.NumericSign(a) == 0 || types.NumericSign(b) == 0 {
		return types.NumericRound(types.NumericFromInt(0), scale), nil
	}
	g, err := k["gcd(numeric,numeric)"].fn2(ctx, a, b)
	if err != nil {
		return types.Null, err
	}
	q, err := types.NumericDivTrunc(a, g)
	if err != nil {
		return types.Null, err
	}
	m, err := types.NumericMul(q, b)
	if err != nil {
		return types.Null, err
	}
	if types.NumericSign(m) < 0 {
		m = types.NumericNeg(m)
	}
	return types.NumericRound(m, scale), nil
}

// numericSizePretty is pg_size_pretty of a number of any size: each unit is 1,024 of
// the one before, rounded half away from zero when it is written.
func numericSizePretty(n datum) (datum, error) {
	text := func(unit string) (datum, error) { return str(types.TextOf(n, types.Numeric, nil) + " " + unit) }
	below := func(limit int64) bool {
		a := n
		if types.NumericSign(a) < 0 {
			a = types.NumericNeg(a)
		}
		return types.Compare(a, types.NumericFromInt(limit), types.Numeric) < 0
	}
	if below(10 * 1024) {
		return text("bytes")
	}
	divide := func(by int64) error {
		var err error
		n, err = types.NumericDivTrunc(n, types.NumericFromInt(by))
		return err
	}
	// One bit more is kept than is shown, to round by.
	if err := divide(512); err != nil {
		return types.Null, err
	}
	units := []string{"kB", "MB", "GB", "TB", "PB"}
	for i, u := range units {
		if i == len(units)-1 || below(20*1024-1) {
			one := types.NumericFromInt(1)
			if types.NumericSign(n) < 0 {
				one = types.NumericFromInt(-1)
			}
			var err error
			if n, err = types.NumericAdd(n, one); err == nil {
				err = divide(2)
			}
			if err != nil {
				return types.Null, err
			}
			return text(u)
		}
		if err := divide(1024); err != nil {
			return types.Null, err
		}
	}
	return types.Null, nil
}

func numericBucket(x, lo, hi datum, n int64) (datum, error) {
	bad := func(msg string) (datum, error) {
		return types.Null, sqlerr.New(sqlerr.InvalidArgumentForWidthBucketFunction, "%s", msg)
	}
	order := types.Compare(lo, hi, types.Numeric)
	switch {
	case n <= 0:
		return bad("count must be greater than zero")
	case x.IsNaN() || lo.IsNaN() || hi.IsNaN():
		return bad("operand, lower bound, and upper bound cannot be NaN")
	case types.NumericIsInf(lo) || types.NumericIsInf(hi):
		return bad("lower and upper bounds must be finite")
	case order == 0:
		return bad("lower bound cannot equal upper bound")
	case types.Compare(x, lo, types.Numeric)*order > 0:
		return types.NewInt(0), nil
	case types.Compare(x, hi, types.Numeric)*order <= 0:
		return intRange(n+1, types.OIDInt4)
	}
	from, err := types.NumericSub(x, lo)
	if err != nil {
		return types.Null, err
	}
	width, err := types.NumericSub(hi, lo)
	if err != nil {
		return types.Null, err
	}
	if from, err = types.NumericMul(from, types.NumericFromInt(n)); err != nil {
		return types.Null, err
	}
	q, err := types.NumericDivTrunc(from, width)
	if err != nil {
		return types.Null, err
	}
	i, _ := types.NumericToInt(q)
	return types.NewInt(min(i, n-1) + 1), nil
}

// bucketOf is how many of the sorted thresholds are not above x.
func bucketOf(x datum, a *types.Array, t types.Type) (datum, error) {
	if len(a.Dims) > 1 {
		return types.Null, sqlerr.New(sqlerr.ArraySubscriptError, "thresholds must be one-dimensional array")
	}
	for _, d := range a.Elems {
		if d.IsNull() {
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "thresholds array must not contain NULLs")
		}
	}
	lo, hi := 0, len(a.Elems)
	for lo < hi {
		mid := (lo + hi) / 2
		if types.Compare(x, a.Elems[mid], t) < 0 {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return types.NewInt(int64(lo)), nil
}

// hashBytes is Jenkins' lookup3 as PostgreSQL uses it on little-endian machines:
// what hashtext() gives must not change.
func hashBytes(p []byte) uint32 {
	a := uint32(0x9e3779b9) + uint32(len(p)) + 3923095
	b, c := a, a
	word := func(i int) uint32 {
		var w uint32
		for j := range 4 {
			if i+j < len(p) {
				w |= uint32(p[i+j]) << (8 * j)
			}
		}
		return w
	}
	for len(p) >= 12 {
		a, b, c = a+word(0), b+word(4), c+word(8)
		a = (a - c) ^ bits.RotateLeft32(c, 4)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 6)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 8)
		b += a
		a = (a - c) ^ bits.RotateLeft32(c, 16)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 19)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 4)
		b += a
		p = p[12:]
	}
	// The lowest byte of c is kept for the length.
	a, b, c = a+word(0), b+word(4), c+word(8)<<8
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return c
}
