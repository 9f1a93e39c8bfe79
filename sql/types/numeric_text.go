package types

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

func errNumericOverflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
}

// NaN and the infinities of numeric.
func NumericNaN() Datum { return NewNumeric(&apd.Decimal{Form: apd.NaN}) }
func NumericInf(negative bool) Datum {
	return NewNumeric(&apd.Decimal{Form: apd.Infinite, Negative: negative})
}

// ParseNumeric reads the text form of a numeric without modifier. The scale is
// the number of digits after the point as written.
func ParseNumeric(s string) (Datum, error) {
	p := trimSpace(s)
	if p == "" {
		return Null, errSyntax(Numeric, s)
	}
	neg := false
	q := p
	if q[0] == '+' || q[0] == '-' {
		neg = q[0] == '-'
		q = q[1:]
	}
	if q == "" {
		return Null, errSyntax(Numeric, s)
	}
	if c := q[0]; c != '.' && (c < '0' || c > '9') {
		switch strings.ToLower(q) {
		case "nan":
			if len(q) == len(p) {
				return NumericNaN(), nil
			}
		case "inf", "infinity":
			return NumericInf(neg), nil
		}
		return Null, errSyntax(Numeric, s)
	}
	// Digits, one point, digits.
	var (
		scale, digits int
		point         bool
		coeff         int64
		small         = true
		buf           []byte
		i             int
	)
	for ; i < len(q); i++ {
		c := q[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits++
		if point {
			scale++
		}
		if small {
			if coeff > (math.MaxInt64-9)/10 {
				small = false
				buf = strconv.AppendInt(make([]byte, 0, len(q)), coeff, 10)
				buf = append(buf, c)
			} else {
				coeff = coeff*10 + int64(c-'0')
			}
		} else {
			buf = append(buf, c)
		}
	}
	if digits == 0 {
		return Null, errSyntax(Numeric, s)
	}
	exp := 0
	if i < len(q) {
		if q[i]|0x20 != 'e' {
			return Null, errSyntax(Numeric, s)
		}
		e, err := strconv.Atoi(q[i+1:])
		if err != nil {
			if ne, ok := err.(*strconv.NumError); !ok || ne.Err != strconv.ErrRange {
				return Null, errSyntax(Numeric, s)
			}
			return Null, errNumericOverflow()
		}
		if e > math.MaxInt32/2 || e < -math.MaxInt32/2 {
			return Null, errNumericOverflow()
		}
		exp = e
	}
	scale -= exp
	if small && scale >= 0 && scale <= NumericMaxScale {
		if neg {
			coeff = -coeff
		}
		return NewNumericInt64(coeff, uint16(scale)), nil
	}
	d := new(apd.Decimal)
	if small {
		d.Coeff.SetInt64(coeff)
	} else if _, ok := d.Coeff.SetString(string(buf), 10); !ok {
		return Null, errSyntax(Numeric, s)
	}
	d.Negative = neg
	if scale < 0 {
		if d.Coeff.Sign() == 0 {
			scale = 0
		} else if int64(d.NumDigits())-int64(scale) > numericMaxDigitsBefore {
			return Null, errNumericOverflow()
		}
	}
	d.Exponent = int32(-scale)
	return checkNumeric(d)
}

// checkNumeric makes a Datum of a result, refusing what the format cannot hold.
func checkNumeric(d *apd.Decimal) (Datum, error) {
	if d.Form == apd.Finite {
		if -d.Exponent > NumericMaxScale || d.NumDigits()+int64(d.Exponent) > numericMaxDigitsBefore {
			return Null, errNumericOverflow()
		}
	}
	return NewNumeric(d), nil
}

// appendNumeric writes a numeric with exactly its scale.
func appendNumeric(dst []byte, v Datum) []byte {
	coeff, scale, ok := v.NumericInt64()
	if ok {
		if coeff < 0 {
			dst = append(dst, '-')
			coeff = -coeff
		}
		var buf [24]byte
		return appendScaled(dst, strconv.AppendInt(buf[:0], coeff, 10), int(scale))
	}
	d := v.Decimal()
	switch d.Form {
	case apd.NaN, apd.NaNSignaling:
		return append(dst, "NaN"...)
	case apd.Infinite:
		if d.Negative {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	}
	if d.Negative {
		dst = append(dst, '-')
	}
	return appendScaled(dst, d.Coeff.Append(nil, 10), int(-d.Exponent))
}

func appendScaled(dst, digits []byte, scale int) []byte {
	if scale == 0 {
		return append(dst, digits...)
	}
	if n := len(digits) - scale; n > 0 {
		dst = append(dst, digits[:n]...)
		dst = append(dst, '.')
		return append(dst, digits[n:]...)
	}
	dst = append(dst, '0', '.')
	for i := len(digits); i < scale; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// numericTypmod splits the modifier. The scale has 11 bits and a sign.
func numericTypmod(typmod int32) (precision, scale int) {
	typmod -= 4
	return int(typmod>>16) & 0xffff, int((typmod&0x7ff)^1024) - 1024
}

func fitNumeric(v Datum, t Type) (Datum, error) {
	precision, scale := numericTypmod(t.Typmod)
	overflow := func() *sqlerr.Error {
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "numeric field overflow")
	}
	if coeff, s, ok := v.NumericInt64(); ok && int(s) == scale && precision >= 18 {
		_ = coeff
		if precision >= 19 {
			return v, nil
		}
	}
	d := v.Decimal()
	if d.Form == apd.NaN {
		return v, nil
	}
	if d.Form == apd.Infinite {
		return Null, overflow().WithDetail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	r := roundDecimal(d, scale)
	digits := int(r.NumDigits())
	if r.Coeff.Sign() == 0 {
		digits = 0
	}
	if digits+int(r.Exponent) > precision-scale {
		limit := "1"
		if n := precision - scale; n != 0 {
			limit = "10^" + strconv.Itoa(n)
		}
		return Null, overflow().WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.", precision, scale, limit)
	}
	return NewNumeric(r), nil
}

// roundDecimal rounds half away from zero to scale digits after the point, or
// for a negative scale before it, and gives the result that scale (at least 0).
func roundDecimal(d *apd.Decimal, scale int) *apd.Decimal {
	return rescale(d, scale, true)
}

// truncDecimal cuts to scale digits after the point.
func truncDecimal(d *apd.Decimal, scale int) *apd.Decimal {
	return rescale(d, scale, false)
}

func rescale(d *apd.Decimal, scale int, round bool) *apd.Decimal {
	r := new(apd.Decimal)
	have := int(-d.Exponent)
	r.Negative = d.Negative
	r.Exponent = int32(-scale)
	switch {
	case have == scale:
		r.Coeff.Set(&d.Coeff)
	case have < scale:
		r.Coeff.Mul(&d.Coeff, pow10(scale-have))
	case have-scale > int(d.NumDigits())+1:
		// Everything goes.
	default:
		p := pow10(have - scale)
		var rem apd.BigInt
		r.Coeff.QuoRem(&d.Coeff, p, &rem)
		if round {
			rem.Lsh(&rem, 1)
			if rem.CmpAbs(p) >= 0 {
				r.Coeff.Add(&r.Coeff, apd.NewBigInt(1))
			}
		}
	}
	if r.Coeff.Sign() == 0 {
		r.Negative = false
	}
	if scale < 0 {
		if r.Coeff.Sign() != 0 {
			r.Coeff.Mul(&r.Coeff, pow10(-scale))
		}
		r.Exponent = 0
	}
	return r
}

// The wire form of numeric: number of base-10000 digits, weight of the first,
// sign, scale, digits.
const (
	numericPos  = 0x0000
	numericNeg  = 0x4000
	numericNaN  = 0xC000
	numericPInf = 0xD000
	numericNInf = 0xF000
)

func appendNumericBinary(dst []byte, v Datum) []byte {
	var tmp apd.Decimal
	d := v.DecimalInto(&tmp)
	head := func(n, weight int, sign, scale uint16) {
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		dst = binary.BigEndian.AppendUint16(dst, uint16(weight))
		dst = binary.BigEndian.AppendUint16(dst, sign)
		dst = binary.BigEndian.AppendUint16(dst, scale)
	}
	switch {
	case d.Form == apd.NaN:
		head(0, 0, numericNaN, 0)
		return dst
	case d.Form == apd.Infinite && d.Negative:
		head(0, 0, numericNInf, 32)
		return dst
	case d.Form == apd.Infinite:
		head(0, 0, numericPInf, 32)
		return dst
	}
	scale := int(-d.Exponent)
	if d.Coeff.Sign() == 0 {
		head(0, 0, numericPos, uint16(scale))
		return dst
	}
	sign := uint16(numericPos)
	if d.Negative {
		sign = numericNeg
	}
	digits := d.Coeff.Append(nil, 10)
	// Pad so that the point falls between groups of four.
	if pad := (4 - scale%4) % 4; pad > 0 {
		digits = append(digits, "000"[:pad]...)
	}
	groupsAfter := (scale + 3) / 4
	if pad := (4 - len(digits)%4) % 4; pad > 0 {
		digits = append([]byte("000")[:pad], digits...)
	}
	groups := make([]uint16, len(digits)/4)
	for i := range groups {
		n, _ := strconv.Atoi(string(digits[4*i : 4*i+4]))
		groups[i] = uint16(n)
	}
	weight := len(groups) - groupsAfter - 1
	for len(groups) > 0 && groups[0] == 0 {
		groups = groups[1:]
		weight--
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	head(len(groups), weight, sign, uint16(scale))
	for _, g := range groups {
		dst = binary.BigEndian.AppendUint16(dst, g)
	}
	return dst
}

func decodeNumericBinary(b []byte) (Datum, error) {
	bad := func(what string) (Datum, error) {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid %s in external \"numeric\" value", what)
	}
	if len(b) < 8 {
		return Null, errShort()
	}
	n := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	b = b[8:]
	switch sign {
	case numericPos, numericNeg:
	case numericNaN:
		return NumericNaN(), nil
	case numericPInf, numericNInf:
		return NumericInf(sign == numericNInf), nil
	default:
		return bad("sign")
	}
	if scale > NumericMaxScale {
		return bad("scale")
	}
	if len(b) != 2*n {
		if len(b) < 2*n {
			return Null, errShort()
		}
		return Null, errLong(Numeric)
	}
	if n == 0 {
		return NewNumericInt64(0, uint16(scale)), nil
	}
	digits := make([]byte, 0, 4*n)
	for i := 0; i < n; i++ {
		g := binary.BigEndian.Uint16(b[2*i:])
		if g > 9999 {
			return bad("digit")
		}
		digits = append(digits, byte('0'+g/1000), byte('0'+g/100%10), byte('0'+g/10%10), byte('0'+g%10))
	}
	d := new(apd.Decimal)
	if _, ok := d.Coeff.SetString(string(digits), 10); !ok {
		return bad("digit")
	}
	d.Negative = sign == numericNeg
	d.Exponent = int32(4 * (weight + 1 - n))
	if d.NumDigits()+int64(d.Exponent) > numericMaxDigitsBefore {
		return Null, errNumericOverflow()
	}
	// Digits beyond the scale are dropped, as numeric_recv does.
	return checkNumeric(truncDecimal(d, scale))
}
