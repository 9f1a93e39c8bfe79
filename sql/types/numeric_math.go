package types

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Scale rules of PostgreSQL's numeric.c.
const (
	numericMinSigDigits    = 16
	numericMaxResultScale  = 2000 // of functions
	numericMaxDisplayScale = NumericMaxPrecision
)

// ErrDivisionByZero returns division_by_zero (22012).
func ErrDivisionByZero() error { return sqlerr.New(sqlerr.DivisionByZero, "division by zero") }

var smallPow10 = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// alignInline brings two inline numerics to one scale.
func alignInline(a, b Datum) (x, y int64, scale uint16, ok bool) {
	if a.kind != KindNumeric || b.kind != KindNumeric || a.ptr != nil || b.ptr != nil {
		return 0, 0, 0, false
	}
	x, y = a.num, b.num
	switch {
	case a.scale == b.scale:
		return x, y, a.scale, true
	case a.scale < b.scale:
		x, ok = scaleUp(x, b.scale-a.scale)
		return x, y, b.scale, ok
	default:
		y, ok = scaleUp(y, a.scale-b.scale)
		return x, y, a.scale, ok
	}
}

func scaleUp(x int64, by uint16) (int64, bool) {
	if int(by) >= len(smallPow10) {
		return 0, x == 0
	}
	return mul64(x, smallPow10[by])
}

func mul64(x, y int64) (int64, bool) {
	neg := (x < 0) != (y < 0)
	hi, lo := bits.Mul64(abs64(x), abs64(y))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if neg {
		return -int64(lo), true
	}
	return int64(lo), true
}

func abs64(x int64) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}

// NumericAdd returns a + b at the larger of both scales.
func NumericAdd(a, b Datum) (Datum, error) {
	if x, y, s, ok := alignInline(a, b); ok {
		if z := x + y; (z > x) == (y > 0) && z != math.MinInt64 {
			return NewNumericInt64(z, s), nil
		}
	}
	return addDecimals(a.Decimal(), b.Decimal(), false)
}

// NumericSub returns a - b at the larger of both scales.
func NumericSub(a, b Datum) (Datum, error) {
	if x, y, s, ok := alignInline(a, b); ok {
		if z := x - y; (z < x) == (y > 0) && z != math.MinInt64 {
			return NewNumericInt64(z, s), nil
		}
	}
	return addDecimals(a.Decimal(), b.Decimal(), true)
}

func addDecimals(x, y *apd.Decimal, negate bool) (Datum, error) {
	if x.Form == apd.NaN || y.Form == apd.NaN {
		return NumericNaN(), nil
	}
	yNeg := y.Negative != negate
	if x.Form == apd.Infinite {
		if y.Form == apd.Infinite && x.Negative != yNeg {
			return NumericNaN(), nil
		}
		return NumericInf(x.Negative), nil
	}
	if y.Form == apd.Infinite {
		return NumericInf(yNeg), nil
	}
	scale := max(-x.Exponent, -y.Exponent)
	xs, ys := signedCoeff(x, scale), signedCoeff(y, scale)
	if negate {
		ys.Neg(ys)
	}
	return fromSigned(xs.Add(xs, ys), scale)
}

// signedCoeff returns the coefficient with its sign at the given scale.
func signedCoeff(d *apd.Decimal, scale int32) *apd.BigInt {
	z := new(apd.BigInt)
	if by := scale + d.Exponent; by > 0 {
		z.Mul(&d.Coeff, pow10(int(by)))
	} else {
		z.Set(&d.Coeff)
	}
	if d.Negative {
		z.Neg(z)
	}
	return z
}

func fromSigned(z *apd.BigInt, scale int32) (Datum, error) {
	d := &apd.Decimal{Negative: z.Sign() < 0, Exponent: -scale}
	d.Coeff.Abs(z)
	return checkNumeric(d)
}

// NumericNeg returns -a.
func NumericNeg(a Datum) Datum {
	if c, s, ok := a.NumericInt64(); ok {
		return NewNumericInt64(-c, s)
	}
	d := new(apd.Decimal)
	d.Set(a.Decimal())
	if d.Form != apd.NaN {
		d.Negative = !d.Negative
	}
	return NewNumeric(d)
}

// NumericSign returns -1, 0 or 1; NaN is 1 here, as it is greater than all.
func NumericSign(a Datum) int {
	if c, _, ok := a.NumericInt64(); ok {
		switch {
		case c < 0:
			return -1
		case c > 0:
			return 1
		}
		return 0
	}
	d := a.Decimal()
	if d.Form == apd.NaN {
		return 1
	}
	if d.Form == apd.Finite && d.Coeff.Sign() == 0 {
		return 0
	}
	if d.Negative {
		return -1
	}
	return 1
}

// NumericMul returns a × b at the sum of both scales.
func NumericMul(a, b Datum) (Datum, error) {
	if a.kind == KindNumeric && b.kind == KindNumeric && a.ptr == nil && b.ptr == nil && int(a.scale)+int(b.scale) <= NumericMaxScale {
		if z, ok := mul64(a.num, b.num); ok {
			return NewNumericInt64(z, a.scale+b.scale), nil
		}
	}
	x, y := a.Decimal(), b.Decimal()
	if x.Form != apd.Finite || y.Form != apd.Finite {
		if x.Form == apd.NaN || y.Form == apd.NaN || NumericSign(a) == 0 || NumericSign(b) == 0 {
			return NumericNaN(), nil
		}
		return NumericInf(x.Negative != y.Negative), nil
	}
	d := &apd.Decimal{Negative: x.Negative != y.Negative, Exponent: x.Exponent + y.Exponent}
	d.Coeff.Mul(&x.Coeff, &y.Coeff)
	if -d.Exponent > NumericMaxScale {
		d = roundDecimal(d, NumericMaxScale)
	}
	return checkNumeric(d)
}

// specialQuotient settles a division with a NaN, an infinity or a zero in it.
func specialQuotient(a, b Datum, x, y *apd.Decimal) (Datum, bool, error) {
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return NumericNaN(), true, nil
	case x.Form == apd.Infinite && y.Form == apd.Infinite:
		return NumericNaN(), true, nil
	case y.Form == apd.Finite && y.Coeff.Sign() == 0:
		return Null, true, ErrDivisionByZero()
	case x.Form == apd.Infinite:
		return NumericInf(x.Negative != y.Negative), true, nil
	case y.Form == apd.Infinite:
		return NewNumericInt64(0, 0), true, nil
	}
	return Null, false, nil
}

// NumericDiv returns a / b with at least 16 significant digits, by
// select_div_scale's rule.
func NumericDiv(a, b Datum) (Datum, error) {
	var ta, tb apd.Decimal
	x, y := a.DecimalInto(&ta), b.DecimalInto(&tb)
	if d, done, err := specialQuotient(a, b, x, y); done {
		return d, err
	}
	return divDecimals(x, y, divScale(x, y), true)
}

// divScale is select_div_scale.
func divScale(x, y *apd.Decimal) int {
	w1, f1 := leadingGroup(x)
	w2, f2 := leadingGroup(y)
	qweight := w1 - w2
	if f1 <= f2 {
		qweight--
	}
	rscale := numericMinSigDigits - qweight*4
	rscale = max(rscale, int(-x.Exponent), int(-y.Exponent), 0)
	return min(rscale, numericMaxDisplayScale)
}

// leadingGroup returns weight and value of the first base-10000 digit.
func leadingGroup(d *apd.Decimal) (weight int, first int) {
	if d.Coeff.Sign() == 0 {
		return 0, 0
	}
	n := int(d.NumDigits())
	exp := n + int(d.Exponent) - 1 // power of ten of the first digit
	weight = floorDiv(exp, 4)
	width := exp - 4*weight + 1
	if d.Coeff.IsInt64() {
		c := d.Coeff.Int64()
		if n > width {
			return weight, int(c / smallPow10[n-width])
		}
		return weight, int(c * smallPow10[width-n])
	}
	var q apd.BigInt
	q.Quo(&d.Coeff, pow10(n-width))
	return weight, int(q.Int64())
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// divDecimals returns x / y at the given scale, rounded half away from zero or
// cut.
func divDecimals(x, y *apd.Decimal, scale int, round bool) (Datum, error) {
	// x.c·10^x.e / (y.c·10^y.e) = z·10^-scale
	shift := scale + int(x.Exponent) - int(y.Exponent)
	var num, den apd.BigInt
	num.Set(&x.Coeff)
	den.Set(&y.Coeff)
	if shift >= 0 {
		num.Mul(&num, pow10(shift))
	} else {
		den.Mul(&den, pow10(-shift))
	}
	var q, rem apd.BigInt
	q.QuoRem(&num, &den, &rem)
	if round {
		rem.Lsh(&rem, 1)
		if rem.CmpAbs(&den) >= 0 {
			q.Add(&q, apd.NewBigInt(1))
		}
	}
	d := &apd.Decimal{Negative: x.Negative != y.Negative, Exponent: int32(-scale)}
	d.Coeff.Set(&q)
	return checkNumeric(d)
}

// NumericDivTrunc returns the integer part of a / b.
func NumericDivTrunc(a, b Datum) (Datum, error) {
	x, y := a.Decimal(), b.Decimal()
	if d, done, err := specialQuotient(a, b, x, y); done {
		return d, err
	}
	return divDecimals(x, y, 0, false)
}

// NumericMod returns the remainder of the division that truncates, with the sign
// of a.
func NumericMod(a, b Datum) (Datum, error) {
	x, y := a.Decimal(), b.Decimal()
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return NumericNaN(), nil
	case x.Form == apd.Infinite:
		if NumericSign(b) == 0 {
			return Null, ErrDivisionByZero()
		}
		return NumericNaN(), nil
	case y.Form == apd.Infinite:
		return a, nil
	case y.Coeff.Sign() == 0:
		return Null, ErrDivisionByZero()
	}
	scale := max(-x.Exponent, -y.Exponent)
	xs, ys := signedCoeff(x, scale), signedCoeff(y, scale)
	return fromSigned(xs.Rem(xs, ys), scale)
}

// NumericRound rounds half away from zero to scale digits after the point
// (before it, if negative).
func NumericRound(a Datum, scale int) Datum {
	return clampedRescale(a, scale, true)
}

// NumericTrunc cuts to scale digits after the point.
func NumericTrunc(a Datum, scale int) Datum {
	return clampedRescale(a, scale, false)
}

func clampedRescale(a Datum, scale int, round bool) Datum {
	d := a.Decimal()
	if d.Form != apd.Finite {
		return a
	}
	scale = max(min(scale, numericMaxResultScale), -numericMaxResultScale)
	return NewNumeric(rescale(d, scale, round))
}

// NumericCeil returns the least integer not below a, NumericFloor the greatest
// not above.
func NumericCeil(a Datum) (Datum, error)  { return towards(a, false) }
func NumericFloor(a Datum) (Datum, error) { return towards(a, true) }

func towards(a Datum, down bool) (Datum, error) {
	d := a.Decimal()
	if d.Form != apd.Finite {
		return a, nil
	}
	t := truncDecimal(d, 0)
	if t.Cmp(d) == 0 {
		return NewNumeric(t), nil
	}
	if d.Negative == down {
		t.Coeff.Add(&t.Coeff, apd.NewBigInt(1))
		t.Negative = d.Negative
	}
	return checkNumeric(t)
}

// NumericFromInt returns an integer as numeric of scale 0.
func NumericFromInt(i int64) Datum { return NewNumericInt64(i, 0) }

// NumericToInt rounds half away from zero to an integer; ok is false when it
// does not fit 64 bits, or a is NaN or infinite.
func NumericToInt(a Datum) (i int64, ok bool) {
	if c, s, inline := a.NumericInt64(); inline && s == 0 {
		return c, true
	}
	d := a.Decimal()
	if d.Form != apd.Finite {
		return 0, false
	}
	if d.NumDigits()+int64(d.Exponent) > 20 {
		return 0, false
	}
	z := signedCoeff(roundDecimal(d, 0), 0)
	if !z.IsInt64() {
		return 0, false
	}
	return z.Int64(), true
}

// CompareNumeric orders two numerics.
func CompareNumeric(a, b Datum) int {
	if x, y, _, ok := alignInline(a, b); ok {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	var ta, tb apd.Decimal
	x, y := a.DecimalInto(&ta), b.DecimalInto(&tb)
	if x.Form == apd.NaN || y.Form == apd.NaN {
		switch {
		case x.Form == y.Form:
			return 0
		case x.Form == apd.NaN:
			return 1
		}
		return -1
	}
	return x.Cmp(y)
}

// NumericIsInf reports whether a is one of the infinities.
func NumericIsInf(a Datum) bool {
	return a.kind == KindNumeric && a.ptr != nil && (*apd.Decimal)(a.ptr).Form == apd.Infinite
}
