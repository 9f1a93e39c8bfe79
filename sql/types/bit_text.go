package types

import (
	"encoding/binary"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// A bit string lies in its Datum as the digits 0 and 1, whose order as text is
// the order of bit strings.

// bitLengthMax is PostgreSQL's bound of bits in a value.
const bitLengthMax = 1<<31 - 8

// parseBit reads digits, binary ones (also after a b) or, after an x,
// hexadecimal ones.
func parseBit(s string, t Type) (Datum, error) {
	digits, hex := s, false
	if s != "" {
		switch s[0] {
		case 'b', 'B':
			digits = s[1:]
		case 'x', 'X':
			digits, hex = s[1:], true
		}
	}
	var b strings.Builder
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		v := byte(0)
		switch {
		case isDigit(c):
			v = c - '0'
		case hex && (c|0x20 >= 'a' && c|0x20 <= 'f'):
			v = c | 0x20 - 'a' + 10
		default:
			v = 255
		}
		if !hex {
			if v > 1 {
				return Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "\"%s\" is not a valid binary digit", charAt(digits, i))
			}
			b.WriteByte('0' + v)
			continue
		}
		if v > 15 {
			return Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "\"%s\" is not a valid hexadecimal digit", charAt(digits, i))
		}
		for bit := 3; bit >= 0; bit-- {
			b.WriteByte('0' + v>>bit&1)
		}
	}
	return NewString(b.String()), nil
}

func charAt(s string, i int) string {
	for _, c := range s[i:] {
		return string(c)
	}
	return ""
}

// fitBit fits a bit string to its length: an explicit cast cuts or fills with
// zeros, an assignment refuses what does not fit (22026, 22001).
func fitBit(d Datum, t Type, explicit bool) (Datum, error) {
	s, n := d.Str(), int(t.Typmod)
	switch {
	case n <= 0 || len(s) == n || t.OID == OIDVarbit && len(s) < n:
		return d, nil
	case explicit && len(s) > n:
		return NewString(s[:n]), nil
	case explicit:
		return NewString(s + strings.Repeat("0", n-len(s))), nil
	case t.OID == OIDVarbit:
		return Null, sqlerr.New(sqlerr.StringDataRightTruncation, "bit string too long for type bit varying(%d)", n)
	}
	return Null, sqlerr.New(sqlerr.StringDataLengthMismatch, "bit string length %d does not match type bit(%d)", len(s), n)
}

func appendBitBinary(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, PackBits(s)...)
}

// PackBits puts digits into bytes, the first digit into the highest bit.
func PackBits(s string) []byte {
	out := make([]byte, (len(s)+7)/8)
	for i := 0; i < len(s); i++ {
		out[i/8] |= (s[i] & 1) << (7 - i%8)
	}
	return out
}

func decodeBitBinary(b []byte) (Datum, error) {
	if len(b) < 4 {
		return Null, errShort()
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	if n < 0 || n > bitLengthMax {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid length in external bit string")
	}
	if len(b) < (n+7)/8 {
		return Null, errShort()
	}
	if len(b) > (n+7)/8 {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "incorrect binary data format")
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = '0' + b[i/8]>>(7-i%8)&1
	}
	return NewBytes(out), nil
}
