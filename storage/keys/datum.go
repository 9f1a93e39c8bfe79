package keys

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/apd/v3"
)

// Datum encodings: order-preserving and self-delimiting, one tag byte first.
//
// Ascending, bytewise order is PostgreSQL's order within one type, with NULL
// after every value. Descending is the complement of every byte, so the order
// is exactly reversed (NULL first, as PostgreSQL does for DESC). Ascending tags
// are below 0x80, so the tag also tells the direction.
//
// Integers of every SQL width, dates and timestamps use the integer encoding.
const (
	tagFalse = 0x02
	tagTrue  = 0x03

	// Integers: tagIntSmall - n is a negative number of n bytes; then the numbers
	// 0…intInlineMax as the tag itself; then positive numbers of n bytes.
	tagIntSmall  = 0x10
	intInlineMax = 0x27
	tagIntBig    = tagIntSmall + intInlineMax // + n

	tagFloat = 0x40

	tagDecNegInf = 0x44
	tagDecNeg    = 0x45
	tagDecZero   = 0x46
	tagDecPos    = 0x47
	tagDecInf    = 0x48
	tagDecNaN    = 0x49

	tagBytes  = 0x50
	tagString = 0x51

	tagNull = 0x7e

	descBit = 0x80
)

// Direction is the order in which a datum sorts inside a key.
type Direction bool

// The directions. Ascending is the zero value.
const (
	Ascending  Direction = false
	Descending Direction = true
)

// finish complements what was appended from position n on, if d is Descending.
func (d Direction) finish(b []byte, n int) []byte {
	if d == Descending {
		for i := n; i < len(b); i++ {
			b[i] = ^b[i]
		}
	}
	return b
}

// AppendNull appends NULL.
func AppendNull(dst []byte, d Direction) []byte {
	return d.finish(append(dst, tagNull), len(dst))
}

// AppendBool appends a boolean; false sorts before true.
func AppendBool(dst []byte, d Direction, v bool) []byte {
	tag := byte(tagFalse)
	if v {
		tag = tagTrue
	}
	return d.finish(append(dst, tag), len(dst))
}

// AppendInt appends a signed number.
func AppendInt(dst []byte, d Direction, v int64) []byte {
	n := len(dst)
	return d.finish(appendInt(dst, v), n)
}

func appendInt(dst []byte, v int64) []byte {
	switch {
	case v < 0:
		// -1 is kept as 0xff…fe would be: the complement of v counts down from zero.
		u := uint64(^v)
		n := byteLen(u)
		dst = append(dst, byte(tagIntSmall-n))
		return appendBig(dst, uint64(v), n)
	case v <= intInlineMax:
		return append(dst, byte(tagIntSmall+v))
	default:
		n := byteLen(uint64(v))
		dst = append(dst, byte(tagIntBig+n))
		return appendBig(dst, uint64(v), n)
	}
}

// AppendFloat appends a float. Negative zero is zero; all NaNs are one value,
// above +Infinity.
func AppendFloat(dst []byte, d Direction, v float64) []byte {
	n := len(dst)
	var u uint64
	switch {
	case v != v:
		u = 0x7ff8 << 48
	case v != 0:
		u = math.Float64bits(v)
	}
	if u>>63 != 0 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	dst = append(dst, tagFloat)
	return d.finish(binary.BigEndian.AppendUint64(dst, u), n)
}

// AppendBytes appends a byte string.
func AppendBytes(dst []byte, d Direction, v []byte) []byte {
	n := len(dst)
	return d.finish(appendEscaped(append(dst, tagBytes), v), n)
}

// AppendString appends a text value; it sorts bytewise (the collation "C").
func AppendString(dst []byte, d Direction, v string) []byte {
	n := len(dst)
	return d.finish(appendEscaped(append(dst, tagString), v), n)
}

// AppendDecimal appends a decimal. Numerically equal values encode equally
// whatever their scale; NaN sorts above +Infinity, as in PostgreSQL. The scale
// is lost: a decoded value has no trailing zeros.
func AppendDecimal(dst []byte, d Direction, v *apd.Decimal) []byte {
	n := len(dst)
	return d.finish(appendDecimal(dst, v), n)
}

const (
	escape     = 0x00 // a zero byte is written as escape, escapedZero
	escapeEnd  = 0x01
	escapeZero = 0xff
)

func appendEscaped[T []byte | string](dst []byte, v T) []byte {
	start := 0
	for i := 0; i < len(v); i++ {
		if v[i] == escape {
			dst = append(dst, v[start:i]...)
			dst = append(dst, escape, escapeZero)
			start = i + 1
		}
	}
	dst = append(dst, v[start:]...)
	return append(dst, escape, escapeEnd)
}

// DatumType says what kind of datum an encoding holds.
type DatumType uint8

// The datum types. The zero value is none.
const (
	DatumNone DatumType = iota
	DatumNull
	DatumBool
	DatumInt
	DatumFloat
	DatumDecimal
	DatumBytes
	DatumString
)

// String returns the type's name.
func (t DatumType) String() string {
	switch t {
	case DatumNull:
		return "null"
	case DatumBool:
		return "bool"
	case DatumInt:
		return "int"
	case DatumFloat:
		return "float"
	case DatumDecimal:
		return "decimal"
	case DatumBytes:
		return "bytes"
	case DatumString:
		return "string"
	}
	return "none"
}

// PeekDatum tells type and direction of the datum at the start of b, or
// DatumNone if there is none. It looks at the tag only.
func PeekDatum(b []byte) (DatumType, Direction) {
	if len(b) == 0 {
		return DatumNone, Ascending
	}
	tag, d := b[0], Ascending
	if tag&descBit != 0 {
		tag, d = ^tag, Descending
	}
	switch {
	case tag == tagNull:
		return DatumNull, d
	case tag == tagFalse || tag == tagTrue:
		return DatumBool, d
	case tag >= tagIntSmall-8 && tag <= tagIntBig+8:
		return DatumInt, d
	case tag == tagFloat:
		return DatumFloat, d
	case tag >= tagDecNegInf && tag <= tagDecNaN:
		return DatumDecimal, d
	case tag == tagBytes:
		return DatumBytes, d
	case tag == tagString:
		return DatumString, d
	}
	return DatumNone, d
}

func wantDatum(b []byte, want DatumType) (Direction, error) {
	got, d := PeekDatum(b)
	if got != want {
		return d, fmt.Errorf("datum %x is %v, not %v: %w", clip(b), got, want, ErrMalformed)
	}
	return d, nil
}

func malformed(b []byte, t DatumType) error {
	return fmt.Errorf("%v datum %x: %w", t, clip(b), ErrMalformed)
}

// clip bounds how much of a malformed key an error shows.
func clip(b []byte) []byte { return b[:min(len(b), 64)] }

// flip returns n bytes of b in ascending form: b itself, or a complemented copy.
func flip(b []byte, n int, d Direction) []byte {
	if d == Ascending {
		return b[:n]
	}
	return d.finish(append([]byte(nil), b[:n]...), 0)
}

// DecodeNull reports whether b starts with NULL, and the bytes behind it. If
// it does not, rest is b.
func DecodeNull(b []byte) (rest []byte, isNull bool) {
	if t, _ := PeekDatum(b); t == DatumNull {
		return b[1:], true
	}
	return b, false
}

// DecodeBool reads a boolean of either direction.
func DecodeBool(b []byte) (rest []byte, v bool, err error) {
	d, err := wantDatum(b, DatumBool)
	if err != nil {
		return nil, false, err
	}
	return b[1:], flip(b, 1, d)[0] == tagTrue, nil
}

// DecodeInt reads a signed number of either direction.
func DecodeInt(b []byte) (rest []byte, v int64, err error) {
	d, err := wantDatum(b, DatumInt)
	if err != nil {
		return nil, 0, err
	}
	buf := flip(b, min(len(b), 9), d)
	v, n, ok := decodeInt(buf)
	if !ok {
		return nil, 0, malformed(b, DatumInt)
	}
	return b[n:], v, nil
}

// decodeInt reads an ascending number and returns how many bytes it took.
func decodeInt(b []byte) (v int64, n int, ok bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	tag := int(b[0])
	switch {
	case tag >= tagIntSmall-8 && tag < tagIntSmall:
		n = tagIntSmall - tag
		if len(b) < 1+n {
			return 0, 0, false
		}
		u := ^uint64(0)
		for _, c := range b[1 : 1+n] {
			u = u<<8 | uint64(c)
		}
		v = int64(u)
		// Refuse longer encodings than needed, and eight bytes that are not negative.
		if v >= 0 || byteLen(uint64(^v)) != n {
			return 0, 0, false
		}
		return v, 1 + n, true
	case tag >= tagIntSmall && tag <= tagIntBig:
		return int64(tag - tagIntSmall), 1, true
	case tag > tagIntBig && tag <= tagIntBig+8:
		n = tag - tagIntBig
		u, _, ok := readBig(b[1:], n)
		if !ok || u <= intInlineMax || u > math.MaxInt64 {
			return 0, 0, false
		}
		return int64(u), 1 + n, true
	}
	return 0, 0, false
}

// DecodeFloat reads a float of either direction.
func DecodeFloat(b []byte) (rest []byte, v float64, err error) {
	d, err := wantDatum(b, DatumFloat)
	if err != nil {
		return nil, 0, err
	}
	if len(b) < 9 {
		return nil, 0, malformed(b, DatumFloat)
	}
	u := binary.BigEndian.Uint64(flip(b, 9, d)[1:])
	if u>>63 != 0 {
		u &^= 1 << 63
	} else {
		u = ^u
	}
	v = math.Float64frombits(u)
	if u == 1<<63 || (v != v && u != 0x7ff8<<48) {
		return nil, 0, malformed(b, DatumFloat)
	}
	return b[9:], v, nil
}

// DecodeBytes reads a byte string of either direction. The result does not
// share memory with b.
func DecodeBytes(b []byte) (rest, v []byte, err error) { return decodeEscaped(b, DatumBytes) }

// DecodeString reads a text value of either direction.
func DecodeString(b []byte) (rest []byte, v string, err error) {
	rest, raw, err := decodeEscaped(b, DatumString)
	return rest, string(raw), err
}

func decodeEscaped(b []byte, t DatumType) (rest, v []byte, err error) {
	d, err := wantDatum(b, t)
	if err != nil {
		return nil, nil, err
	}
	var mask byte
	if d == Descending {
		mask = 0xff
	}
	v = []byte{}
	for i := 1; i < len(b); i++ {
		c := b[i] ^ mask
		if c != escape {
			v = append(v, c)
			continue
		}
		i++
		if i == len(b) {
			break
		}
		switch b[i] ^ mask {
		case escapeEnd:
			return b[i+1:], v, nil
		case escapeZero:
			v = append(v, 0)
		default:
			return nil, nil, malformed(b, t)
		}
	}
	return nil, nil, malformed(b, t)
}

// SkipDatum returns the bytes behind the datum at the start of b, whatever its
// type, without building its value.
func SkipDatum(b []byte) (rest []byte, err error) {
	t, d := PeekDatum(b)
	switch t {
	case DatumNull, DatumBool:
		return b[1:], nil
	case DatumInt:
		rest, _, err = DecodeInt(b)
	case DatumFloat:
		rest, _, err = DecodeFloat(b)
	case DatumDecimal:
		rest, err = skipDecimal(b, d)
	case DatumBytes, DatumString:
		rest, _, err = decodeEscaped(b, t)
	default:
		err = malformed(b, DatumNone)
	}
	return rest, err
}
