package keys

import (
	"math"

	"github.com/cockroachdb/apd/v3"
)

// A finite decimal other than zero is written as 0.d1d2d3… × 10^e with d1 ≠ 0:
// the tag of its sign, e as an integer, then the digits in pairs (each pair + 1
// as one byte) and a zero byte. Trailing zeros are dropped first, so equal
// values have equal encodings. For negative values everything behind the tag is
// complemented.

const decimalEnd = 0x00

func appendDecimal(dst []byte, v *apd.Decimal) []byte {
	switch v.Form {
	case apd.NaN, apd.NaNSignaling:
		return append(dst, tagDecNaN)
	case apd.Infinite:
		if v.Negative {
			return append(dst, tagDecNegInf)
		}
		return append(dst, tagDecInf)
	}
	if v.Coeff.Sign() == 0 {
		return append(dst, tagDecZero)
	}
	digits := v.Coeff.Append(make([]byte, 0, 40), 10)
	e := int64(len(digits)) + int64(v.Exponent)
	for digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	tag := byte(tagDecPos)
	if v.Negative {
		tag = tagDecNeg
	}
	dst = append(dst, tag)
	n := len(dst)
	dst = appendInt(dst, e)
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		dst = append(dst, pair+1)
	}
	dst = append(dst, decimalEnd)
	return Direction(v.Negative).finish(dst, n)
}

// DecodeDecimal reads a decimal of either direction, without trailing zeros.
func DecodeDecimal(b []byte) (rest []byte, v *apd.Decimal, err error) {
	d, err := wantDatum(b, DatumDecimal)
	if err != nil {
		return nil, nil, err
	}
	v = new(apd.Decimal)
	switch flip(b, 1, d)[0] {
	case tagDecNegInf:
		v.Form, v.Negative = apd.Infinite, true
		return b[1:], v, nil
	case tagDecInf:
		v.Form = apd.Infinite
		return b[1:], v, nil
	case tagDecNaN:
		v.Form = apd.NaN
		return b[1:], v, nil
	case tagDecZero:
		return b[1:], v, nil
	}
	negative, e, pairs, rest, ok := splitDecimal(b, d)
	if !ok {
		return nil, nil, malformed(b, DatumDecimal)
	}
	digits := make([]byte, 0, 2*len(pairs))
	for _, p := range pairs {
		p--
		digits = append(digits, '0'+p/10, '0'+p%10)
	}
	if digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	if digits[0] == '0' || digits[len(digits)-1] == '0' {
		return nil, nil, malformed(b, DatumDecimal)
	}
	exp := e - int64(len(digits))
	if exp < math.MinInt32 || exp > math.MaxInt32 {
		return nil, nil, malformed(b, DatumDecimal)
	}
	if _, ok := v.Coeff.SetString(string(digits), 10); !ok {
		return nil, nil, malformed(b, DatumDecimal)
	}
	v.Negative, v.Exponent = negative, int32(exp)
	return rest, v, nil
}

func skipDecimal(b []byte, d Direction) ([]byte, error) {
	if tag := flip(b, 1, d)[0]; tag != tagDecNeg && tag != tagDecPos {
		return b[1:], nil
	}
	_, _, _, rest, ok := splitDecimal(b, d)
	if !ok {
		return nil, malformed(b, DatumDecimal)
	}
	return rest, nil
}

// splitDecimal takes a finite decimal other than zero apart.
func splitDecimal(b []byte, d Direction) (negative bool, e int64, pairs, rest []byte, ok bool) {
	negative = flip(b, 1, d)[0] == tagDecNeg
	// Two complements cancel out.
	body := Direction(negative != bool(d))
	end := byte(decimalEnd)
	if body == Descending {
		end = ^end
	}
	e, n, ok := decodeInt(flip(b[1:], min(len(b)-1, 9), body))
	if !ok {
		return false, 0, nil, nil, false
	}
	digits := b[1+n:]
	for i, c := range digits {
		if c != end {
			continue
		}
		pairs = flip(digits, i, body)
		for _, p := range pairs {
			if p > 100 {
				return false, 0, nil, nil, false
			}
		}
		return negative, e, pairs, digits[i+1:], len(pairs) > 0
	}
	return false, 0, nil, nil, false
}
