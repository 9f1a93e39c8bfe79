package types

import (
	"math"
	"unsafe"

	"github.com/cockroachdb/apd/v3"
)

// Limits of numeric, from PostgreSQL's "Numeric Types": digits before and after
// the decimal point.
const (
	numericMaxDigitsBefore = 131072
	NumericMaxScale        = 16383
	// NumericMaxPrecision bounds the precision of a typmod.
	NumericMaxPrecision = 1000
)

// NewNumeric returns a numeric. A numeric has a scale, the number of digits
// shown after the point, which is -Exponent; a positive exponent is multiplied
// out. It takes over v, which must not change afterwards. Of the special forms
// NaN and the infinities are kept.
func NewNumeric(v *apd.Decimal) Datum {
	switch v.Form {
	case apd.NaN, apd.NaNSignaling:
		return Datum{kind: KindNumeric, ptr: unsafe.Pointer(&apd.Decimal{Form: apd.NaN})}
	case apd.Infinite:
		return Datum{kind: KindNumeric, ptr: unsafe.Pointer(&apd.Decimal{Form: apd.Infinite, Negative: v.Negative})}
	}
	if v.Exponent > 0 {
		if v.Coeff.Sign() != 0 {
			v.Coeff.Mul(&v.Coeff, pow10(int(v.Exponent)))
		}
		v.Exponent = 0
	}
	if v.Coeff.Sign() == 0 {
		v.Negative = false
	}
	if v.Coeff.IsInt64() && -v.Exponent <= math.MaxUint16 {
		n := v.Coeff.Int64()
		if v.Negative {
			n = -n
		}
		return NewNumericInt64(n, uint16(-v.Exponent))
	}
	return Datum{kind: KindNumeric, ptr: unsafe.Pointer(v)}
}

// NewNumericInt64 returns the numeric coeff × 10^-scale without allocating.
func NewNumericInt64(coeff int64, scale uint16) Datum {
	if coeff == math.MinInt64 {
		// The inline form is symmetric, so that negation cannot overflow.
		d := new(apd.Decimal)
		d.Coeff.SetUint64(1 << 63)
		d.Negative = true
		d.Exponent = -int32(scale)
		return Datum{kind: KindNumeric, ptr: unsafe.Pointer(d)}
	}
	return Datum{kind: KindNumeric, num: coeff, scale: scale}
}

// NumericInt64 returns coefficient and scale of a numeric that is stored
// inline, which is the case for every finite one whose coefficient lies within
// ±(2^63-1).
func (d Datum) NumericInt64() (coeff int64, scale uint16, ok bool) {
	if d.kind != KindNumeric || d.ptr != nil {
		return 0, 0, false
	}
	return d.num, d.scale, true
}

// Decimal returns the value of a numeric. It must not be changed: it may be
// shared. For an inline value it is built anew; DecimalInto saves that.
func (d Datum) Decimal() *apd.Decimal { return d.DecimalInto(new(apd.Decimal)) }

// DecimalInto is Decimal with the space for an inline value given by the
// caller. The result may or may not be tmp.
func (d Datum) DecimalInto(tmp *apd.Decimal) *apd.Decimal {
	if d.kind != KindNumeric {
		tmp.SetInt64(0)
		return tmp
	}
	if d.ptr != nil {
		return (*apd.Decimal)(d.ptr)
	}
	tmp.Form = apd.Finite
	tmp.Negative = d.num < 0
	if d.num < 0 {
		tmp.Coeff.SetInt64(-d.num)
	} else {
		tmp.Coeff.SetInt64(d.num)
	}
	tmp.Exponent = -int32(d.scale)
	return tmp
}

// IsNaN reports whether d is the NaN of float4, float8 or numeric.
func (d Datum) IsNaN() bool {
	switch d.kind {
	case KindFloat:
		return math.IsNaN(d.Float())
	case KindNumeric:
		return d.ptr != nil && (*apd.Decimal)(d.ptr).Form == apd.NaN
	}
	return false
}

// pow10 returns 10^n as a fresh number.
func pow10(n int) *apd.BigInt {
	z := apd.NewBigInt(10)
	return z.Exp(z, apd.NewBigInt(int64(n)), nil)
}
