package rowcodec

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/types"
)

// Kinds of payload in a row value. They are on disk: never renumber.
const (
	kindInt     = 1 // zigzag varint
	kindFloat   = 2 // eight bytes, little endian
	kindBytes   = 3 // uvarint length, bytes
	kindFalse   = 4
	kindTrue    = 5
	kindNumeric = 6  // uvarint scale, zigzag varint coefficient
	kindBig     = 7  // numeric as text: uvarint length, bytes
	kindInterv  = 8  // three zigzag varints: months, days, microseconds
	kindArray   = 9  // uvarint length, then the array; see appendArray
	kindRecord  = 10 // uvarint length, then the row value; see appendRecord
	kindNull    = 11 // NULL in a column whose absence means something else
)

const maxArrayDims = 6

// appendPayload appends the payload of a value that is not NULL.
func appendPayload(dst []byte, d types.Datum) (kind byte, out []byte, err error) {
	switch d.Kind() {
	case types.KindBool:
		if d.Bool() {
			return kindTrue, dst, nil
		}
		return kindFalse, dst, nil
	case types.KindInt:
		return kindInt, binary.AppendVarint(dst, d.Int()), nil
	case types.KindFloat:
		return kindFloat, binary.LittleEndian.AppendUint64(dst, math.Float64bits(d.Float())), nil
	case types.KindString:
		s := d.Str()
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		return kindBytes, append(dst, s...), nil
	case types.KindNumeric:
		if c, scale, ok := d.NumericInt64(); ok {
			dst = binary.AppendUvarint(dst, uint64(scale))
			return kindNumeric, binary.AppendVarint(dst, c), nil
		}
		s := d.Decimal().Text('f')
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		return kindBig, append(dst, s...), nil
	case types.KindInterval:
		v := d.Interval()
		dst = binary.AppendVarint(dst, int64(v.Months))
		dst = binary.AppendVarint(dst, int64(v.Days))
		return kindInterv, binary.AppendVarint(dst, v.Micros), nil
	case types.KindArray:
		body, err := appendArray(nil, d.Array())
		if err != nil {
			return 0, nil, err
		}
		dst = binary.AppendUvarint(dst, uint64(len(body)))
		return kindArray, append(dst, body...), nil
	case types.KindRecord:
		body, err := appendRecord(nil, d.Record())
		if err != nil {
			return 0, nil, err
		}
		dst = binary.AppendUvarint(dst, uint64(len(body)))
		return kindRecord, append(dst, body...), nil
	}
	return 0, nil, fmt.Errorf("no row encoding for a value stored as %v", d.Kind())
}

// AppendMissing is the form of catalog.Column.Missing: a kind and the payload. The
// value is not NULL.
func AppendMissing(dst []byte, d types.Datum) ([]byte, error) {
	dst = append(dst, kindFor(d))
	_, dst, err := appendPayload(dst, d)
	return dst, err
}

func decodeMissing(b []byte) (types.Datum, error) {
	if len(b) == 0 {
		return types.Null, errCorrupt
	}
	d, rest, err := decodePayload(b[0], b[1:])
	if err == nil && len(rest) > 0 {
		err = errCorrupt
	}
	return d, err
}

// appendArray appends element type, dimensions and the elements, each with its
// kind (0 for NULL) in front.
func appendArray(dst []byte, a *types.Array) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(a.Elem.OID))
	dst = binary.AppendVarint(dst, int64(a.Elem.Typmod))
	dst = append(dst, byte(len(a.Dims)))
	for _, dim := range a.Dims {
		dst = binary.AppendVarint(dst, int64(dim.Len))
		dst = binary.AppendVarint(dst, int64(dim.Lower))
	}
	for _, e := range a.Elems {
		if e.IsNull() {
			dst = append(dst, 0)
			continue
		}
		at := len(dst)
		kind, out, err := appendPayload(append(dst, 0), e)
		if err != nil {
			return nil, err
		}
		out[at] = kind
		dst = out
	}
	return dst, nil
}

// appendRecord writes a value of a composite type: for each attribute that is not
// NULL its number as uvarint, its kind and its payload. Attributes can thus be added
// to the type, and dropped, without touching a row.
func appendRecord(dst []byte, r *types.Record) ([]byte, error) {
	if len(r.Nums) != len(r.Fields) {
		return nil, fmt.Errorf("no row encoding for a record of no known type")
	}
	for i, f := range r.Fields {
		if f.IsNull() {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(r.Nums[i]))
		at := len(dst)
		kind, out, err := appendPayload(append(dst, 0), f)
		if err != nil {
			return nil, err
		}
		out[at] = kind
		dst = out
	}
	return dst, nil
}

// decodeRecord reads a row value. Types and names are left to types.Conform.
func decodeRecord(b []byte) (*types.Record, error) {
	r := &types.Record{}
	for len(b) > 0 {
		num, n := binary.Uvarint(b)
		if n <= 0 || num > math.MaxInt16 || len(b) <= n {
			return nil, errCorrupt
		}
		d, rest, err := decodePayload(b[n], b[n+1:])
		if err != nil {
			return nil, err
		}
		r.Nums, r.Fields = append(r.Nums, int16(num)), append(r.Fields, d)
		// The types are not known here; a value must have as many as it has fields.
		r.Types = append(r.Types, types.Unknown)
		b = rest
	}
	return r, nil
}

var errCorrupt = fmt.Errorf("malformed row value")

// decodePayload reads a payload and returns the bytes behind it.
func decodePayload(kind byte, b []byte) (d types.Datum, rest []byte, err error) {
	switch kind {
	case kindNull:
		return types.Null, b, nil
	case kindFalse:
		return types.False, b, nil
	case kindTrue:
		return types.True, b, nil
	case kindInt:
		v, n := binary.Varint(b)
		if n <= 0 {
			return d, nil, errCorrupt
		}
		return types.NewInt(v), b[n:], nil
	case kindFloat:
		if len(b) < 8 {
			return d, nil, errCorrupt
		}
		return types.NewFloat(math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:], nil
	case kindBytes:
		v, rest, ok := cutBytes(b)
		if !ok {
			return d, nil, errCorrupt
		}
		return types.NewBytes(v), rest, nil
	case kindNumeric:
		scale, n := binary.Uvarint(b)
		if n <= 0 || scale > math.MaxUint16 {
			return d, nil, errCorrupt
		}
		c, m := binary.Varint(b[n:])
		if m <= 0 {
			return d, nil, errCorrupt
		}
		return types.NewNumericInt64(c, uint16(scale)), b[n+m:], nil
	case kindBig:
		v, rest, ok := cutBytes(b)
		if !ok {
			return d, nil, errCorrupt
		}
		dec, _, err := apd.NewFromString(string(v))
		if err != nil {
			return d, nil, errCorrupt
		}
		return types.NewNumeric(dec), rest, nil
	case kindInterv:
		var f [3]int64
		for i := range f {
			v, n := binary.Varint(b)
			if n <= 0 {
				return d, nil, errCorrupt
			}
			f[i], b = v, b[n:]
		}
		return types.NewInterval(types.Interval{Months: int32(f[0]), Days: int32(f[1]), Micros: f[2]}), b, nil
	case kindArray:
		v, rest, ok := cutBytes(b)
		if !ok {
			return d, nil, errCorrupt
		}
		a, err := decodeArray(v)
		if err != nil {
			return d, nil, err
		}
		return types.NewArray(a), rest, nil
	case kindRecord:
		v, rest, ok := cutBytes(b)
		if !ok {
			return d, nil, errCorrupt
		}
		r, err := decodeRecord(v)
		if err != nil {
			return d, nil, err
		}
		return types.NewRecord(r), rest, nil
	}
	return d, nil, fmt.Errorf("%w: kind %d", errCorrupt, kind)
}

// skipPayload returns the bytes behind a payload.
func skipPayload(kind byte, b []byte) ([]byte, error) {
	switch kind {
	case kindFalse, kindTrue, kindNull:
		return b, nil
	case kindFloat:
		if len(b) < 8 {
			return nil, errCorrupt
		}
		return b[8:], nil
	case kindBytes, kindBig, kindArray, kindRecord:
		_, rest, ok := cutBytes(b)
		if !ok {
			return nil, errCorrupt
		}
		return rest, nil
	}
	_, rest, err := decodePayload(kind, b)
	return rest, err
}

func cutBytes(b []byte) (v, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return b[w:end:end], b[end:], true
}

func decodeArray(b []byte) (*types.Array, error) {
	oid, n := binary.Uvarint(b)
	if n <= 0 || oid > math.MaxUint32 {
		return nil, errCorrupt
	}
	b = b[n:]
	mod, n := binary.Varint(b)
	if n <= 0 || len(b) <= n || b[n] > maxArrayDims {
		return nil, errCorrupt
	}
	dims := int(b[n])
	b = b[n+1:]
	a := &types.Array{Elem: types.Type{OID: types.OID(oid), Typmod: int32(mod)}}
	count := int64(0)
	if dims > 0 {
		count = 1
	}
	for range dims {
		l, n := binary.Varint(b)
		if n <= 0 {
			return nil, errCorrupt
		}
		lower, m := binary.Varint(b[n:])
		// Every element takes a byte at least, which bounds what is allocated.
		if m <= 0 || l < 0 || l > int64(len(b)) || lower < math.MinInt32 || lower > math.MaxInt32 {
			return nil, errCorrupt
		}
		if count *= l; count > int64(len(b)) {
			return nil, errCorrupt
		}
		a.Dims = append(a.Dims, types.Dim{Len: int32(l), Lower: int32(lower)})
		b = b[n+m:]
	}
	if count > 0 {
		a.Elems = make([]types.Datum, 0, count)
	}
	for range count {
		if len(b) == 0 {
			return nil, errCorrupt
		}
		kind := b[0]
		b = b[1:]
		if kind == 0 {
			a.Elems = append(a.Elems, types.Null)
			continue
		}
		d, rest, err := decodePayload(kind, b)
		if err != nil {
			return nil, err
		}
		a.Elems, b = append(a.Elems, d), rest
	}
	if len(b) != 0 {
		return nil, errCorrupt
	}
	return a, nil
}
