package types

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

func appendBytea(dst []byte, s string, out ByteaOutput) []byte {
	if out == ByteaHex {
		dst = append(dst, '\\', 'x')
		const digits = "0123456789abcdef"
		for i := 0; i < len(s); i++ {
			dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
		}
		return dst
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func parseBytea(s string) (Datum, error) {
	if strings.HasPrefix(s, "\\x") {
		b, err := DecodeHex(s[2:])
		if err != nil {
			return Null, err
		}
		return NewBytes(b), nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c != '\\':
			out = append(out, c)
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		default:
			return Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type bytea")
		}
	}
	return NewBytes(out), nil
}

// DecodeHex reads pairs of hexadecimal digits with blanks between pairs. An error
// is invalid_parameter_value (22023).
func DecodeHex(s string) ([]byte, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); {
		if isBlank(s[i]) {
			i++
			continue
		}
		hi, ok := hexDigit(s[i])
		if !ok {
			return nil, badHex(s[i:])
		}
		if i+1 >= len(s) {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		lo, ok := hexDigit(s[i+1])
		if !ok {
			return nil, badHex(s[i+1:])
		}
		out = append(out, hi<<4|lo)
		i += 2
	}
	return out, nil
}

func badHex(s string) error {
	_, n := utf8.DecodeRuneInString(s)
	return sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal digit: \"%s\"", s[:n])
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return (c | 0x20) - 'a' + 10, true
	}
	return 0, false
}

func appendUUID(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	for i := 0; i < len(s); i++ {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
	}
	return dst
}

// parseUUID takes 32 hexadecimal digits, with hyphens after any group of four,
// and braces around all.
func parseUUID(s string) (Datum, error) {
	p := s
	if strings.HasPrefix(p, "{") {
		if !strings.HasSuffix(p, "}") {
			return Null, errSyntax(UUID, s)
		}
		p = p[1 : len(p)-1]
	}
	var u [16]byte
	for i := range u {
		if len(p) < 2 {
			return Null, errSyntax(UUID, s)
		}
		hi, ok1 := hexDigit(p[0])
		lo, ok2 := hexDigit(p[1])
		if !ok1 || !ok2 {
			return Null, errSyntax(UUID, s)
		}
		u[i] = hi<<4 | lo
		p = p[2:]
		if i%2 == 1 && i < 15 && strings.HasPrefix(p, "-") {
			p = p[1:]
		}
	}
	if p != "" {
		return Null, errSyntax(UUID, s)
	}
	return NewUUID(u), nil
}

// NowIn returns the instant as the timestamp that clocks in the zone show.
func NowIn(t time.Time, loc *time.Location) int64 { return UTCToLocal(FromTime(t), loc) }
