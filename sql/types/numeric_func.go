package types

import (
	"math"
	"math/big"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// NumericSqrt returns the square root with at least 16 significant digits.
func NumericSqrt(a Datum) (Datum, error) {
	d := a.Decimal()
	if d.Form == apd.NaN {
		return a, nil
	}
	if NumericSign(a) < 0 {
		return Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "cannot take square root of a negative number")
	}
	if d.Form == apd.Infinite {
		return a, nil
	}
	// The result's scale, as numeric_sqrt assumes it from the weight.
	w, _ := leadingGroup(d)
	sweight := floorDiv((w+1)*4, 2) - 1
	scale := numericMinSigDigits - sweight
	scale = max(scale, int(-d.Exponent), 0)
	return sqrtTo(d, min(scale, numericMaxDisplayScale))
}

// NumericSqrtSameScale returns the square root of a finite value that is not
// negative, with as many decimals as the value has: how PostgreSQL gets from a
// variance to a standard deviation.
func NumericSqrtSameScale(a Datum) (Datum, error) {
	d := a.Decimal()
	return sqrtTo(d, max(int(-d.Exponent), 0))
}

func sqrtTo(d *apd.Decimal, scale int) (Datum, error) {
	// sqrt(c·10^-s)·10^scale = sqrt(c·10^(2·scale-s)), with one digit more to round by.
	shift := 2*(scale+1) + int(d.Exponent)
	n := new(big.Int).Set(d.Coeff.MathBigInt())
	ten := big.NewInt(10)
	if shift >= 0 {
		n.Mul(n, new(big.Int).Exp(ten, big.NewInt(int64(shift)), nil))
	} else {
		n.Quo(n, new(big.Int).Exp(ten, big.NewInt(int64(-shift)), nil))
	}
	n.Sqrt(n)
	r := &apd.Decimal{Exponent: int32(-(scale + 1))}
	r.Coeff.SetMathBigInt(n)
	return checkNumeric(roundDecimal(r, scale))
}

// precise returns a context of so many digits.
func precise(digits int) *apd.Context {
	c := apd.BaseContext.WithPrecision(uint32(max(digits, 20)))
	c.Rounding = apd.RoundHalfUp
	c.Traps = 0
	c.MaxExponent, c.MinExponent = apd.MaxExponent, apd.MinExponent
	return c
}

// magnitude returns the power of ten of the first digit.
func magnitude(d *apd.Decimal) int { return int(d.NumDigits()) + int(d.Exponent) - 1 }

// NumericExp returns e^a.
func NumericExp(a Datum) (Datum, error) {
	d := a.Decimal()
	switch {
	case d.Form == apd.NaN:
		return a, nil
	case d.Form == apd.Infinite && d.Negative:
		return NewNumericInt64(0, 0), nil
	case d.Form == apd.Infinite:
		return a, nil
	}
	f, err := d.Float64()
	if err != nil {
		f = math.Inf(1)
		if d.Negative {
			f = math.Inf(-1)
		}
	}
	val := f * 0.434294481903252 // to base 10
	val = math.Max(val, -numericMaxResultScale)
	val = math.Min(val, numericMaxResultScale)
	scale := numericMinSigDigits - int(val)
	scale = min(max(scale, int(-d.Exponent), 0), numericMaxDisplayScale)
	// Beyond these exponents exp_var gives up.
	if f >= 3*numericMaxResultScale {
		return Null, errNumericOverflow()
	}
	if f <= -3*numericMaxResultScale || f*0.434294481903252 < -float64(scale)-2 {
		return NewNumericInt64(0, uint16(scale)), nil
	}
	return expTo(d, scale, int(math.Abs(val))+scale)
}

// expDigitsMax is where the decimal library's exponents end (apd.MaxExponent),
// short of what numeric can hold.
const expDigitsMax = 99000

func errExpDigits() error {
	return sqlerr.Unsupported("a power or exponential with more than %d digits", expDigitsMax)
}

// expTo returns e^d at a scale, computed with so many digits.
func expTo(d *apd.Decimal, scale, digits int) (Datum, error) {
	r := new(apd.Decimal)
	if _, err := precise(digits+12).Exp(r, d); err != nil {
		return Null, sqlerr.Internal("exponential of a numeric: %v", err)
	}
	if r.Form != apd.Finite {
		return Null, errNumericOverflow()
	}
	return checkNumeric(roundDecimal(r, scale))
}

func errLogarithm(sign int) error {
	what := "a negative number"
	if sign == 0 {
		what = "zero"
	}
	return sqlerr.New(sqlerr.InvalidArgumentForLog, "cannot take logarithm of %s", what)
}

// lnWeight estimates the decimal weight of ln(d), as estimate_ln_dweight does.
func lnWeight(d *apd.Decimal) int {
	if NumericSign(NewNumeric(new(apd.Decimal).Set(d))) <= 0 {
		return 0
	}
	lo, hi := apd.New(9, -1), apd.New(11, -1)
	if d.Cmp(lo) >= 0 && d.Cmp(hi) <= 0 {
		// ln(1+x) is about x near one.
		var x apd.Decimal
		_, _ = precise(50+int(d.NumDigits())).Sub(&x, d, apd.New(1, 0))
		if x.Coeff.Sign() == 0 {
			return 0
		}
		w, first := leadingGroup(&x)
		return w*4 + int(math.Log10(float64(first)))
	}
	// From the first digits.
	m := magnitude(d)
	s := d.Coeff.String()
	if len(s) > 8 {
		s = s[:8]
	}
	var lead float64
	for _, c := range s {
		lead = lead*10 + float64(c-'0')
	}
	ln := math.Log(lead) + float64(m-len(s)+1)*math.Ln10
	return int(math.Log10(math.Abs(ln)))
}

// NumericLn returns the natural logarithm.
func NumericLn(a Datum) (Datum, error) {
	d := a.Decimal()
	if d.Form == apd.NaN {
		return a, nil
	}
	if s := NumericSign(a); s <= 0 {
		return Null, errLogarithm(s)
	}
	if d.Form == apd.Infinite {
		return a, nil
	}
	scale := numericMinSigDigits - lnWeight(d)
	scale = min(max(scale, int(-d.Exponent), 0), numericMaxDisplayScale)
	r, err := lnTo(d, scale+10)
	if err != nil {
		return Null, err
	}
	return checkNumeric(roundDecimal(r, scale))
}

func lnTo(d *apd.Decimal, digits int) (*apd.Decimal, error) {
	r := new(apd.Decimal)
	if m := magnitude(d); m > 1000 || m < -1000 {
		// Beyond the library's exponents: ln(x·10^m) = ln(x) + m·ln(10).
		x := new(apd.Decimal).Set(d)
		x.Exponent -= int32(m)
		lx, err := lnTo(x, digits)
		if err != nil {
			return nil, err
		}
		ten, err := lnTo(apd.New(10, 0), digits+8)
		if err != nil {
			return nil, err
		}
		c := precise(digits + 20)
		if _, err := c.Mul(ten, ten, apd.New(int64(m), 0)); err != nil {
			return nil, sqlerr.Internal("logarithm of a numeric: %v", err)
		}
		if _, err := c.Add(r, lx, ten); err != nil {
			return nil, sqlerr.Internal("logarithm of a numeric: %v", err)
		}
		return r, nil
	}
	if _, err := precise(digits+int(d.NumDigits())+8).Ln(r, d); err != nil {
		return nil, sqlerr.Internal("logarithm of a numeric: %v", err)
	}
	return r, nil
}

// NumericLog returns the logarithm of a to a base.
func NumericLog(base, a Datum) (Datum, error) {
	b, d := base.Decimal(), a.Decimal()
	if b.Form == apd.NaN || d.Form == apd.NaN {
		return NumericNaN(), nil
	}
	for _, v := range []Datum{base, a} {
		if s := NumericSign(v); s <= 0 {
			return Null, errLogarithm(s)
		}
	}
	switch {
	case b.Form == apd.Infinite && d.Form == apd.Infinite:
		return NumericNaN(), nil
	case b.Form == apd.Infinite:
		return NewNumericInt64(0, 0), nil
	case d.Form == apd.Infinite:
		return a, nil
	}
	bw, dw := lnWeight(b), lnWeight(d)
	scale := numericMinSigDigits - (dw - bw)
	scale = min(max(scale, int(-b.Exponent), int(-d.Exponent), 0), numericMaxDisplayScale)
	lb, err := lnTo(b, scale+12+max(0, bw)-min(0, dw))
	if err != nil {
		return Null, err
	}
	if lb.IsZero() {
		return Null, ErrDivisionByZero()
	}
	ld, err := lnTo(d, scale+12+max(0, bw)-min(0, dw))
	if err != nil {
		return Null, err
	}
	r := new(apd.Decimal)
	if _, err := precise(scale+int(max(0, dw))+20).Quo(r, ld, lb); err != nil {
		return Null, sqlerr.Internal("logarithm of a numeric: %v", err)
	}
	return checkNumeric(roundDecimal(r, scale))
}

// NumericPower returns a^b.
func NumericPower(a, b Datum) (Datum, error) {
	x, y := a.Decimal(), b.Decimal()
	one := NewNumericInt64(1, 0)
	isOne := func(v Datum) bool { return CompareNumeric(v, one) == 0 }
	bad := func(msg string) (Datum, error) {
		return Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "%s", msg)
	}
	if x.Form == apd.NaN || y.Form == apd.NaN {
		// 1^NaN and NaN^0 are 1.
		if x.Form != apd.NaN && isOne(a) || y.Form != apd.NaN && NumericSign(b) == 0 {
			return one, nil
		}
		return NumericNaN(), nil
	}
	integral := y.Form == apd.Finite && truncDecimal(y, 0).Cmp(y) == 0
	if x.Form == apd.Infinite || y.Form == apd.Infinite {
		return infinitePower(a, b, x, y, integral)
	}
	switch {
	case NumericSign(a) == 0 && NumericSign(b) < 0:
		return bad("zero raised to a negative power is undefined")
	case NumericSign(a) < 0 && !integral:
		return bad("a negative number raised to a non-integer power yields a complex result")
	}
	if integral {
		if n, ok := NumericToInt(b); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return intPower(x, n)
		}
	}
	if NumericSign(a) == 0 {
		return NewNumericInt64(0, numericMinSigDigits), nil
	}
	abs := new(apd.Decimal).Abs(x)
	negative := x.Negative && !isEven(y)
	lw := lnWeight(abs)
	// A first estimate tells how many digits the result has before its point.
	ln, err := lnTo(abs, 20+max(0, -lw))
	if err != nil {
		return Null, err
	}
	e := new(apd.Decimal)
	if _, err := precise(30).Mul(e, ln, y); err != nil {
		return Null, sqlerr.Internal("power of a numeric: %v", err)
	}
	val, err := e.Float64()
	if err != nil {
		val = math.Inf(e.Sign())
	}
	if val >= 3*numericMaxResultScale {
		return Null, errNumericOverflow()
	}
	val *= 0.434294481903252
	capped := math.Max(math.Min(val, numericMaxResultScale), -numericMaxResultScale)
	scale := numericMinSigDigits - int(capped)
	scale = min(max(scale, int(-x.Exponent), int(-y.Exponent), 0), numericMaxDisplayScale)
	if val < -float64(scale)-2 {
		return NewNumericInt64(0, uint16(scale)), nil
	}
	digits := scale + int(math.Abs(capped)) + 20
	if ln, err = lnTo(abs, digits+max(0, -lw)); err != nil {
		return Null, err
	}
	if _, err := precise(digits+int(y.NumDigits())).Mul(e, ln, y); err != nil {
		return Null, sqlerr.Internal("power of a numeric: %v", err)
	}
	r, err := expTo(e, scale, digits)
	if err == nil && negative {
		r = NumericNeg(r)
	}
	return r, err
}

func isEven(y *apd.Decimal) bool {
	var m apd.Decimal
	_, _ = precise(int(y.NumDigits())+int(max(0, y.Exponent))+5).Rem(&m, y, apd.New(2, 0))
	return m.IsZero()
}

func infinitePower(a, b Datum, x, y *apd.Decimal, integral bool) (Datum, error) {
	one := NewNumericInt64(1, 0)
	switch {
	case CompareNumeric(a, one) == 0 || NumericSign(b) == 0:
		return one, nil
	case y.Form == apd.Infinite:
		if NumericSign(a) == 0 {
			if y.Negative {
				return Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined")
			}
			return NewNumericInt64(0, 0), nil
		}
		abs := a
		if NumericSign(a) < 0 {
			abs = NumericNeg(a)
		}
		c := CompareNumeric(abs, one)
		switch {
		case c == 0:
			return one, nil
		case (c > 0) != y.Negative:
			return NumericInf(false), nil
		}
		return NewNumericInt64(0, 0), nil
	case !x.Negative:
		if y.Negative {
			return NewNumericInt64(0, 0), nil
		}
		return NumericInf(false), nil
	case !integral:
		return Null, sqlerr.New(sqlerr.InvalidArgumentForPowerFunction, "a negative number raised to a non-integer power yields a complex result")
	case y.Negative:
		return NewNumericInt64(0, 0), nil
	}
	return NumericInf(!isEven(y)), nil
}

// intPower raises to an integer power, with the scale that power_var gives such
// exponents.
func intPower(x *apd.Decimal, n int64) (Datum, error) {
	// The result's magnitude, from the first digits of the base.
	var val float64
	if x.Coeff.Sign() != 0 {
		s := x.Coeff.String()
		m := magnitude(x)
		if len(s) > 8 {
			s = s[:8]
		}
		var lead float64
		for _, c := range s {
			lead = lead*10 + float64(c-'0')
		}
		val = (math.Log10(lead) + float64(m-len(s)+1)) * float64(n)
	}
	if val > numericMaxDigitsBefore {
		return Null, errNumericOverflow()
	}
	if val > expDigitsMax {
		return Null, errExpDigits()
	}
	capped := math.Max(val, -numericMaxResultScale)
	scale := min(max(numericMinSigDigits, int(-x.Exponent)), numericMaxDisplayScale)
	switch {
	case n == 0:
		return NewNumeric(roundDecimal(apd.New(1, 0), scale)), nil
	case x.Coeff.Sign() == 0:
		return NewNumericInt64(0, uint16(scale)), nil
	case n == 1:
		return NewNumeric(roundDecimal(x, scale)), nil
	case val < -float64(scale)-2:
		return NewNumericInt64(0, uint16(scale)), nil
	}
	ctx := precise(scale + int(math.Abs(capped)) + 20)
	r := apd.New(1, 0)
	p := new(apd.Decimal).Set(x)
	for m := abs64(n); ; {
		if m&1 == 1 {
			if _, err := ctx.Mul(r, r, p); err != nil {
				return Null, errNumericOverflow()
			}
		}
		if m >>= 1; m == 0 {
			break
		}
		if _, err := ctx.Mul(p, p, p); err != nil {
			return Null, errNumericOverflow()
		}
	}
	if n < 0 {
		if _, err := ctx.Quo(r, apd.New(1, 0), r); err != nil {
			return Null, errNumericOverflow()
		}
	}
	return checkNumeric(roundDecimal(r, scale))
}
