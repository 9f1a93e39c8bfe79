package types

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// trimSpace cuts the blanks that isspace of C knows in the C locale.
func trimSpace(s string) string { return strings.Trim(s, " \t\n\v\f\r") }

func errSyntax(t Type, s string) *sqlerr.Error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type %s: \"%s\"", t.Bare(), s)
}

func errRange(t Type, s string) *sqlerr.Error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value \"%s\" is out of range for type %s", s, t.Bare())
}

// parseInt reads a signed decimal integer between min and max with blanks
// around it.
func parseInt(s string, t Type, min, max int64) (int64, error) {
	p := trimSpace(s)
	neg := false
	if p != "" && (p[0] == '-' || p[0] == '+') {
		neg = p[0] == '-'
		p = p[1:]
	}
	if p == "" {
		return 0, errSyntax(t, s)
	}
	for i := 0; i < len(p); i++ {
		if p[i] < '0' || p[i] > '9' {
			return 0, errSyntax(t, s)
		}
	}
	// Counting downwards reaches the least number too.
	var n int64
	for i := 0; i < len(p); i++ {
		d := int64(p[i] - '0')
		if n < (math.MinInt64+d)/10 {
			return 0, errRange(t, s)
		}
		n = n*10 - d
	}
	if !neg {
		if n == math.MinInt64 {
			return 0, errRange(t, s)
		}
		n = -n
	}
	if n < min || n > max {
		return 0, errRange(t, s)
	}
	return n, nil
}

// parseOID reads an unsigned 32-bit number. As PostgreSQL does, a negative one
// is taken modulo 2^32.
func parseOID(s string, t Type) (int64, error) {
	p := trimSpace(s)
	digits := strings.TrimLeft(p, "+-")
	if digits == "" || len(p)-len(digits) > 1 {
		return 0, errSyntax(t, s)
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, errSyntax(t, s)
		}
	}
	n, err := strconv.ParseInt(p, 10, 64)
	if err != nil || n > math.MaxUint32 || n < math.MinInt32 {
		return 0, errRange(t, s)
	}
	return int64(uint32(n)), nil
}

// parseFloat reads what strtod reads. A number that is not zero but rounds to
// zero is out of range, as one that is too large.
func parseFloat(s string, t Type) (float64, error) {
	p := trimSpace(s)
	if p == "" || strings.IndexByte(p, '_') >= 0 {
		return 0, errSyntax(t, s)
	}
	bits := 64
	if t.OID == OIDFloat4 {
		bits = 32
	}
	hex := strings.TrimLeft(p, "+-")
	if len(hex) > 1 && hex[0] == '0' && hex[1]|0x20 == 'x' && !strings.ContainsAny(hex, "pP") {
		p += "p0"
	}
	f, err := strconv.ParseFloat(p, bits)
	if err != nil {
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			return 0, errFloatRange(t, p)
		}
		return 0, errSyntax(t, s)
	}
	if f == 0 && mantissaNotZero(p) {
		return 0, errFloatRange(t, p)
	}
	return f, nil
}

func errFloatRange(t Type, s string) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type %s", s, t.Bare())
}

func mantissaNotZero(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '1' && c <= '9':
			return true
		case c == 'e' || c == 'E' || c == 'p' || c == 'P':
			return false
		}
	}
	return false
}

// appendFloat writes a float of the given bits (32 or 64). With extra > 0 it is
// the shortest text that reads back the same, else as many significant digits as
// are always right, plus extra.
func appendFloat(dst []byte, f float64, bits, extra int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	digits := 15 // DBL_DIG
	if bits == 32 {
		digits = 6 // FLT_DIG
	}
	if extra <= 0 {
		if digits += extra; digits < 1 {
			digits = 1
		}
		return strconv.AppendFloat(dst, f, 'g', digits, bits)
	}
	// Exponents from -4 up to the sure digits are written without exponent.
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	at := exponentAt(e)
	if onBoundary(e, at, f, bits) {
		// PostgreSQL wants a text inside the interval that reads back as f, not
		// on its edge, where only rounding to even decides.
		for n := countDigits(e[:at]); n < 17; n++ {
			e = strconv.AppendFloat(buf[:0], f, 'e', n, bits)
			if back, err := strconv.ParseFloat(string(e), bits); err == nil && back == f {
				if at = exponentAt(e); !onBoundary(e, at, f, bits) {
					break
				}
			}
		}
		at = exponentAt(e)
	}
	if bits == 32 {
		// Between two equally near texts of that length the one that ends in an
		// even digit is taken.
		var other [32]byte
		even := strconv.AppendFloat(other[:0], f, 'e', countDigits(e[:at])-1, bits)
		if back, err := strconv.ParseFloat(string(even), bits); err == nil && back == f && len(even) == len(e) && !onBoundary(even, exponentAt(even), f, bits) {
			e = append(buf[:0], even...)
		}
	}
	exp, _ := strconv.Atoi(string(e[at+1:]))
	if exp < -4 || exp >= digits {
		return append(dst, e...)
	}
	if bits == 32 {
		return strconv.AppendFloat(dst, f, 'f', max(countDigits(e[:at])-1-exp, 0), bits)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}

func countDigits(b []byte) (n int) {
	for _, c := range b {
		if isDigit(c) {
			n++
		}
	}
	return n
}

func exponentAt(e []byte) int {
	at := len(e) - 1
	for e[at] != 'e' {
		at--
	}
	return at
}

// onBoundary reports whether the text d.ddde+xx lies exactly half way between f
// and one of its neighbours. That takes a number whose unit in the last place is
// at least one, and one that few enough powers of five divide.
func onBoundary(e []byte, at int, f float64, bits int) bool {
	f = math.Abs(f)
	low := 0x1p52
	if bits == 32 {
		low = 0x1p23
	}
	if f < low || f > 0x1p140 {
		return false
	}
	exp, _ := strconv.Atoi(string(e[at+1:]))
	digits := make([]byte, 0, 64)
	for _, c := range e[:at] {
		if isDigit(c) {
			digits = append(digits, c)
		}
	}
	exp -= len(digits) - 1
	if exp < -1 {
		return false
	}
	for range exp {
		digits = append(digits, '0')
	}
	text, _ := new(big.Int).SetString(string(digits), 10)
	if exp < 0 {
		// One digit after the point: compare tenths.
		return isMidpoint(new(big.Int).Mul(text, big.NewInt(2)), f, bits, 20)
	}
	return isMidpoint(new(big.Int).Mul(text, big.NewInt(2)), f, bits, 2)
}

// isMidpoint compares scaled, which is a value times unit, with the middles
// between f and its neighbours.
func isMidpoint(scaled *big.Int, f float64, bits int, unit int64) bool {
	for _, to := range []float64{0, math.Inf(1)} {
		next := math.Nextafter(f, to)
		if bits == 32 {
			next = float64(math.Nextafter32(float32(f), float32(to)))
		}
		if math.IsInf(next, 0) {
			continue
		}
		x, _ := new(big.Float).SetFloat64(f).Int(nil)
		y, _ := new(big.Float).SetFloat64(next).Int(nil)
		if next != math.Trunc(next) || f != math.Trunc(f) {
			continue
		}
		mid := x.Add(x, y)
		if mid.Mul(mid, big.NewInt(unit/2)).Cmp(scaled) == 0 {
			return true
		}
	}
	return false
}

// parseBool accepts unambiguous beginnings of true, false, yes, no, on, off, and
// 1 and 0.
func parseBool(s string) (bool, error) {
	p := strings.ToLower(trimSpace(s))
	if p != "" {
		switch {
		case strings.HasPrefix("true", p), strings.HasPrefix("yes", p), p == "on", p == "1":
			return true, nil
		case strings.HasPrefix("false", p), strings.HasPrefix("no", p), p == "of", p == "off", p == "0":
			return false, nil
		}
	}
	return false, errSyntax(Bool, s)
}
