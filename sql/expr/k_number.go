package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (k kernels) integers() {
	// Arithmetic over every pair of widths; the result has the wider one.
	for _, x := range []struct {
		infix, a, b string
		oid         types.OID
	}{
		{"int2", "int2", "int2", types.OIDInt2}, {"int4", "int4", "int4", types.OIDInt4}, {"int8", "int8", "int8", types.OIDInt8},
		{"int24", "int2", "int4", types.OIDInt4}, {"int42", "int4", "int2", types.OIDInt4},
		{"int28", "int2", "int8", types.OIDInt8}, {"int82", "int8", "int2", types.OIDInt8},
		{"int48", "int4", "int8", types.OIDInt8}, {"int84", "int8", "int4", types.OIDInt8},
	} {
		t := types.Of(x.oid)
		lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
		switch x.oid {
		case types.OIDInt2:
			lo, hi = math.MinInt16, math.MaxInt16
		case types.OIDInt4:
			lo, hi = math.MinInt32, math.MaxInt32
		}
		args := "(" + x.a + "," + x.b + ")"
		k.f2(x.infix+"pl"+args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Int(), b.Int()
			r := p + q
			if r < lo || r > hi || (r > p) != (q > 0) && q != 0 {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(r), nil
		})
		k.f2(x.infix+"mi"+args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Int(), b.Int()
			r := p - q
			if r < lo || r > hi || (r < p) != (q > 0) && q != 0 {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(r), nil
		})
		k.f2(x.infix+"mul"+args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Int(), b.Int()
			r := p * q
			if p != 0 && (r/p != q || p == -1 && q == math.MinInt64) || r < lo || r > hi {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(r), nil
		})
		k.f2(x.infix+"div"+args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Int(), b.Int()
			if q == 0 {
				return types.Null, types.ErrDivisionByZero()
			}
			if q == -1 && p == lo {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(p / q), nil
		})
	}
	for _, n := range []string{"int2", "int4", "int8"} {
		info, _ := types.LookupName(n)
		oid := info.OID
		t := types.Of(oid)
		lo := map[string]int64{"int2": math.MinInt16, "int4": math.MinInt32, "int8": math.MinInt64}[n]
		bits := map[string]uint{"int2": 16, "int4": 32, "int8": 64}[n]
		pair, one := "("+n+","+n+")", "("+n+")"
		k.f2(n+"mod"+pair+" mod"+pair, func(_ *EvalContext, a, b datum) (datum, error) {
			q := b.Int()
			if q == 0 {
				return types.Null, types.ErrDivisionByZero()
			}
			if q == -1 {
				return types.NewInt(0), nil
			}
			return types.NewInt(a.Int() % q), nil
		})
		k.f1(n+"um"+one, func(_ *EvalContext, a datum) (datum, error) {
			if a.Int() == lo {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(-a.Int()), nil
		})
		k.f1(n+"up"+one, same)
		k.f1("abs"+one+" "+n+"abs"+one, func(_ *EvalContext, a datum) (datum, error) {
			i := a.Int()
			if i == lo {
				return types.Null, errOutOfRange(t)
			}
			if i < 0 {
				i = -i
			}
			return types.NewInt(i), nil
		})
		k.f2(n+"and"+pair, func(_ *EvalContext, a, b datum) (datum, error) { return types.NewInt(a.Int() & b.Int()), nil })
		k.f2(n+"or"+pair, func(_ *EvalContext, a, b datum) (datum, error) { return types.NewInt(a.Int() | b.Int()), nil })
		k.f2(n+"xor"+pair, func(_ *EvalContext, a, b datum) (datum, error) { return types.NewInt(a.Int() ^ b.Int()), nil })
		k.f1(n+"not"+one, func(_ *EvalContext, a datum) (datum, error) { return types.NewInt(^a.Int()), nil })
		wrap := func(i int64) int64 {
			switch n {
			case "int2":
				return int64(int16(i))
			case "int4":
				return int64(int32(i))
			}
			return i
		}
		// The count is taken modulo the width, as the processors PostgreSQL runs
		// on do; int2 is shifted as an int.
		mask := int64(31)
		if bits == 64 {
			mask = 63
		}
		k.f2(n+"shl("+n+",int4)", func(_ *EvalContext, a, b datum) (datum, error) {
			return types.NewInt(wrap(a.Int() << uint64(b.Int()&mask))), nil
		})
		k.f2(n+"shr("+n+",int4)", func(_ *EvalContext, a, b datum) (datum, error) {
			return types.NewInt(a.Int() >> uint64(b.Int()&mask)), nil
		})
	}
	for _, n := range []string{"int4", "int8"} {
		lo := int64(math.MinInt32)
		t := types.Int4
		if n == "int8" {
			lo, t = math.MinInt64, types.Int8
		}
		pair := "(" + n + "," + n + ")"
		k.f2("gcd"+pair, func(_ *EvalContext, a, b datum) (datum, error) {
			g, ok := gcd(a.Int(), b.Int(), lo)
			if !ok {
				return types.Null, errOutOfRange(t)
			}
			return types.NewInt(g), nil
		})
		k.f2("lcm"+pair, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Int(), b.Int()
			if p == 0 || q == 0 {
				return types.NewInt(0), nil
			}
			g, ok := gcd(p, q, lo)
			if !ok {
				return types.Null, errOutOfRange(t)
			}
			p /= g
			r := p * q
			if r/q != p || r < lo || r > -(lo+1) || r == lo {
				return types.Null, errOutOfRange(t)
			}
			if r < 0 {
				r = -r
			}
			return types.NewInt(r), nil
		})
	}
	k.f1("to_hex(int4)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewString(strconv.FormatUint(uint64(uint32(a.Int())), 16)), nil
	})
	k.f1("to_hex(int8)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewString(strconv.FormatUint(uint64(a.Int()), 16)), nil
	})
}

func same(_ *EvalContext, a datum) (datum, error) { return a, nil }

func gcd(a, b, lo int64) (int64, bool) {
	for b != 0 {
		if b == -1 {
			a, b = 1, 0
			break
		}
		a, b = b, a%b
	}
	if a == lo {
		return 0, false
	}
	if a < 0 {
		a = -a
	}
	return a, true
}

// checkFloat raises what PostgreSQL raises when finite operands give an infinity,
// or operands that are not zero give zero.
func checkFloat(r float64, infOK, zeroOK bool) (datum, error) {
	if math.IsInf(r, 0) && !infOK {
		return types.Null, errFloatOverflow()
	}
	if r == 0 && !zeroOK {
		return types.Null, errFloatUnderflow()
	}
	return types.NewFloat(r), nil
}

func (k kernels) floats() {
	inf := func(f float64) bool { return math.IsInf(f, 0) }
	for _, x := range []struct {
		prefix, args string
		narrow       bool
	}{
		{"float4", "(float4,float4)", true}, {"float8", "(float8,float8)", false},
		{"float48", "(float4,float8)", false}, {"float84", "(float8,float4)", false},
	} {
		round := func(f float64) float64 { return f }
		if x.narrow {
			round = func(f float64) float64 { return float64(float32(f)) }
		}
		k.f2(x.prefix+"pl"+x.args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Float(), b.Float()
			return checkFloat(round(p+q), inf(p) || inf(q), true)
		})
		k.f2(x.prefix+"mi"+x.args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Float(), b.Float()
			return checkFloat(round(p-q), inf(p) || inf(q), true)
		})
		k.f2(x.prefix+"mul"+x.args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Float(), b.Float()
			return checkFloat(round(p*q), inf(p) || inf(q), p == 0 || q == 0)
		})
		k.f2(x.prefix+"div"+x.args, func(_ *EvalContext, a, b datum) (datum, error) {
			p, q := a.Float(), b.Float()
			if q == 0 && !math.IsNaN(p) {
				return types.Null, types.ErrDivisionByZero()
			}
			return checkFloat(round(p/q), inf(p), p == 0 || inf(q))
		})
	}
	for _, n := range []string{"float4", "float8"} {
		k.f1(n+"um("+n+")", func(_ *EvalContext, a datum) (datum, error) { return types.NewFloat(-a.Float()), nil })
		k.f1(n+"up("+n+")", same)
		k.f1("abs("+n+") "+n+"abs("+n+")", func(_ *EvalContext, a datum) (datum, error) { return types.NewFloat(math.Abs(a.Float())), nil })
	}
	one := func(sigs string, f func(float64) (float64, error)) {
		k.f1(sigs, func(_ *EvalContext, a datum) (datum, error) {
			x := a.Float()
			r, err := f(x)
			if err != nil {
				return types.Null, err
			}
			return checkFloat(r, inf(x), true)
		})
	}
	plain := func(f func(float64) float64) func(float64) (float64, error) {
		return func(x float64) (float64, error) { return f(x), nil }
	}
	one("ceil(float8) ceiling(float8)", plain(math.Ceil))
	one("floor(float8)", plain(math.Floor))
	one("round(float8) dround(float8)", plain(math.RoundToEven))
	one("trunc(float8) dtrunc(float8)", plain(math.Trunc))
	one("sign(float8)", func(x float64) (float64, error) {
		switch {
		case x > 0:
			return 1, nil
		case x < 0:
			return -1, nil
		}
		return 0, nil
	})
	one("sqrt(float8) dsqrt(float8)", func(x float64) (float64, error) {
		if x < 0 {
			return 0, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "cannot take square root of a negative number")
		}
		return math.Sqrt(x), nil
	})
	one("cbrt(float8) dcbrt(float8)", plain(math.Cbrt))
	k.f1("exp(float8) dexp(float8)", func(_ *EvalContext, a datum) (datum, error) {
		x := a.Float()
		return checkFloat(math.Exp(x), inf(x), inf(x))
	})
	logs := func(f func(float64) float64) func(float64) (float64, error) {
		return func(x float64) (float64, error) {
			if x == 0 {
				return 0, sqlerr.New(sqlerr.InvalidArgumentForLog, "cannot take logarithm of zero")
			}
			if x < 0 {
				return 0, sqlerr.New(sqlerr.InvalidArgumentForLog, "cannot take logarithm of a negative number")
			}
			return f(x), nil
		}
	}
	one("ln(float8) dlog1(float8)", logs(naturalLog))
	one("log(float8) log10(float8) dlog10(float8)", logs(decimalLog))
	trig := func(name string, f func(float64) float64, ok func(float64) bool) {
		one(name+"(float8)", func(x float64) (float64, error) {
			if math.IsNaN(x) {
				return x, nil
			}
			if !ok(x) {
				return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "input is out of range")
			}
			return f(x), nil
		})
	}
	finite := func(x float64) bool { return !math.IsInf(x, 0) }
	unit := func(x float64) bool { return x >= -1 && x <= 1 }
	always := func(float64) bool { return true }
	trig("sin", math.Sin, finite)
	trig("cos", math.Cos, finite)
	trig("tan", math.Tan, finite)
	trig("asin", math.Asin, unit)
	trig("acos", math.Acos, unit)
	trig("atan", math.Atan, always)
	// Beyond the range these are infinite, not an error.
	k.f1("sinh(float8)", func(_ *EvalContext, a datum) (datum, error) { return types.NewFloat(math.Sinh(a.Float())), nil })
	k.f1("cot(float8)", func(_ *EvalContext, a datum) (datum, error) {
		if math.IsInf(a.Float(), 0) {
			return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "input is out of range")
		}
		return types.NewFloat(1 / math.Tan(a.Float())), nil
	})
	k.f1("cosh(float8)", func(_ *EvalContext, a datum) (datum, error) { return types.NewFloat(math.Cosh(a.Float())), nil })
	trig("tanh", math.Tanh, always)
	trig("degrees", func(x float64) float64 { return x * (180 / math.Pi) }, always)
	k.f1("radians(float8)", func(_ *EvalContext, a datum) (datum, error) {
		x := a.Float()
		return checkFloat(x*(math.Pi/180), inf(x), x == 0)
	})
	k.f2("atan2(float8,float8)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewFloat(math.Atan2(a.Float(), b.Float())), nil
	})
	k.fn("pi()", func(*EvalContext, *Signature, []datum) (datum, error) { return types.NewFloat(math.Pi), nil })
	k.f2("power(float8,float8) pow(float8,float8) dpow(float8,float8)", func(_ *EvalContext, a, b datum) (datum, error) {
		x, y := a.Float(), b.Float()
		if x == 0 && y < 0 {
			return types.Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
		}
		if x < 0 && y != math.Floor(y) && !inf(y) && !math.IsNaN(y) {
			return types.Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "a negative number raised to a non-integer power yields a complex result")
		}
		return checkFloat(math.Pow(x, y), inf(x) || inf(y), x == 0 || inf(x) || inf(y))
	})
	k.fn("random()", func(ctx *EvalContext, _ *Signature, _ []datum) (datum, error) {
		if ctx.Seeded != nil && ctx.Seeded.set {
			return types.NewFloat(ctx.Seeded.next()), nil
		}
		if ctx.Rand == nil {
			return types.Null, sqlerr.Unsupported("random() here")
		}
		return types.NewFloat(float64(ctx.Rand.Uint64()>>11) / (1 << 53)), nil
	})
	k.fn("width_bucket(float8,float8,float8,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return widthBucket(a[0].Float(), a[1].Float(), a[2].Float(), a[3].Int())
	})
}

func widthBucket(x, lo, hi float64, n int64) (datum, error) {
	bad := func(msg string) (datum, error) {
		return types.Null, sqlerr.New(sqlerr.InvalidArgumentForWidthBucketFunction, "%s", msg)
	}
	switch {
	case n <= 0:
		return bad("count must be greater than zero")
	case math.IsNaN(x) || math.IsNaN(lo) || math.IsNaN(hi):
		return bad("operand, lower bound, and upper bound cannot be NaN")
	case math.IsInf(lo, 0) || math.IsInf(hi, 0):
		return bad("lower and upper bounds must be finite")
	case lo == hi:
		return bad("lower bound cannot equal upper bound")
	}
	down := lo > hi
	if down {
		x, lo, hi = -x, -lo, -hi
	}
	switch {
	case x < lo:
		return types.NewInt(0), nil
	case x >= hi:
		if n == math.MaxInt32 {
			return types.Null, errOutOfRange(types.Int4)
		}
		return types.NewInt(n + 1), nil
	}
	r := int64(float64(n) * ((x - lo) / (hi - lo)))
	if r >= n {
		r = n - 1
	}
	return types.NewInt(r + 1), nil
}

// formatG writes a float as C's %.*g does.
func formatG(f float64, digits int) string {
	return strconv.FormatFloat(f, 'g', digits, 64)
}

func (k kernels) numerics() {
	k.f2("numeric_add(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericAdd(a, b) })
	k.f2("numeric_sub(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericSub(a, b) })
	k.f2("numeric_mul(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericMul(a, b) })
	k.f2("numeric_div(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericDiv(a, b) })
	k.f2("numeric_mod(numeric,numeric) mod(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericMod(a, b) })
	k.f2("div(numeric,numeric) numeric_div_trunc(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericDivTrunc(a, b) })
	k.f1("numeric_uminus(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericNeg(a), nil })
	k.f1("numeric_uplus(numeric)", same)
	k.f1("abs(numeric) numeric_abs(numeric)", func(_ *EvalContext, a datum) (datum, error) {
		if types.NumericSign(a) < 0 {
			return types.NumericNeg(a), nil
		}
		return a, nil
	})
	k.f1("sign(numeric)", func(_ *EvalContext, a datum) (datum, error) {
		if a.IsNaN() {
			return a, nil
		}
		return types.NumericFromInt(int64(types.NumericSign(a))), nil
	})
	k.f1("ceil(numeric) ceiling(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericCeil(a) })
	k.f1("floor(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericFloor(a) })
	k.f1("round(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericRound(a, 0), nil })
	k.f2("round(numeric,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericRound(a, int(b.Int())), nil })
	k.f1("trunc(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericTrunc(a, 0), nil })
	k.f2("trunc(numeric,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericTrunc(a, int(b.Int())), nil })
	k.f1("sqrt(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericSqrt(a) })
	k.f1("exp(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericExp(a) })
	k.f1("ln(numeric)", func(_ *EvalContext, a datum) (datum, error) { return types.NumericLn(a) })
	k.f1("log(numeric) log10(numeric)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NumericLog(types.NumericFromInt(10), a)
	})
	k.f2("log(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericLog(a, b) })
	k.f2("power(numeric,numeric) pow(numeric,numeric) numeric_power(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NumericPower(a, b) })
	k.f2("gcd(numeric,numeric)", func(_ *EvalContext, a, b datum) (datum, error) {
		if a.IsNaN() || b.IsNaN() || types.NumericIsInf(a) || types.NumericIsInf(b) {
			return types.NumericNaN(), nil
		}
		scale := max(-a.Decimal().Exponent, -b.Decimal().Exponent, 0)
		for types.NumericSign(b) != 0 {
			m, err := types.NumericMod(a, b)
			if err != nil {
				return types.Null, err
			}
			a, b = b, m
		}
		if types.NumericSign(a) < 0 {
			a = types.NumericNeg(a)
		}
		return types.NumericRound(a, int(scale)), nil
	})
	k.f1("scale(numeric)", func(_ *EvalContext, a datum) (datum, error) {
		if a.IsNaN() || types.NumericIsInf(a) {
			return types.Null, nil
		}
		return types.NewInt(int64(-a.Decimal().Exponent)), nil
	})
	trim := func(a datum) (datum, int) {
		s := types.TextOf(a, types.Numeric, nil)
		if strings.IndexByte(s, '.') < 0 {
			return a, 0
		}
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		d, err := types.ParseNumeric(s)
		if err != nil {
			return a, 0
		}
		if i := strings.IndexByte(s, '.'); i >= 0 {
			return d, len(s) - i - 1
		}
		return d, 0
	}
	k.f1("trim_scale(numeric)", func(_ *EvalContext, a datum) (datum, error) { d, _ := trim(a); return d, nil })
	k.f1("min_scale(numeric)", func(_ *EvalContext, a datum) (datum, error) {
		if a.IsNaN() || types.NumericIsInf(a) {
			return types.Null, nil
		}
		_, s := trim(a)
		return types.NewInt(int64(s)), nil
	})
	k.f1("factorial(int8)", func(_ *EvalContext, a datum) (datum, error) {
		n := a.Int()
		if n < 0 {
			return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "factorial of a negative number is undefined")
		}
		if n > 32177 {
			return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
		}
		r := types.NumericFromInt(1)
		var err error
		for i := int64(2); i <= n && err == nil; i++ {
			r, err = types.NumericMul(r, types.NumericFromInt(i))
		}
		return r, err
	})
}

// naturalLog is math.Log, which on some machines takes a subnormal number for the
// smallest normal one.
func naturalLog(x float64) float64 {
	const smallestNormal = 0x1p-1022
	if x > 0 && x < smallestNormal {
		return math.Log(x*0x1p54) - 54*math.Ln2
	}
	return math.Log(x)
}

// decimalLog is math.Log10 with the same care.
func decimalLog(x float64) float64 {
	const smallestNormal = 0x1p-1022
	if x > 0 && x < smallestNormal {
		return math.Log10(x*0x1p54) - 54*math.Log10(2)
	}
	return math.Log10(x)
}
