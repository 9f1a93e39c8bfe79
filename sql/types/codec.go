package types

import "github.com/quorate-db/quorate/sql/sqlerr"

// EncodeText appends the text form of d, a value of type t, to dst. NULL has no
// text form: nothing is appended and the caller says NULL its own way.
func EncodeText(dst []byte, d Datum, t Type, ctx *FormatContext) []byte {
	return dst
}

// EncodeBinary appends the binary form of d, a value of type t that is not NULL,
// to dst, as the type's send function would. It fails with feature_not_supported
// for a type without binary form, and with an internal error when d is not
// stored as t is.
func EncodeBinary(dst []byte, d Datum, t Type, ctx *FormatContext) ([]byte, error) {
	return dst, sqlerr.Unsupported("binary output of type %s", t)
}

// DecodeText reads the text form of a value, as the type's input function would,
// and applies t's modifier as an assignment does: too long a varchar is an
// error (use DecodeText on the bare type and ApplyTypmod for an explicit cast).
// Text of the client is checked to be UTF-8 without NUL. The result does not
// refer to memory of s beyond s itself.
func DecodeText(s string, t Type, ctx *FormatContext) (Datum, error) {
	return Null, sqlerr.Unsupported("text input of type %s", t)
}

// DecodeBinary reads the binary form of a value, as the type's receive function
// would, and applies t's modifier as an assignment does. Malformed input is
// 22P03 or 08P01. The result does not refer to b.
func DecodeBinary(b []byte, t Type, ctx *FormatContext) (Datum, error) {
	return Null, sqlerr.Unsupported("binary input of type %s", t)
}

// ApplyTypmod fits a value of type t.Bare() to t's modifier: rounds a numeric or
// a time, pads a bpchar, and cuts (explicit cast) or refuses (assignment, 22001)
// too long a text; blanks beyond the length are always cut.
func ApplyTypmod(d Datum, t Type, explicit bool) (Datum, error) {
	if d.IsNull() || t.Typmod < 0 {
		return d, nil
	}
	return Null, sqlerr.Unsupported("modifier of type %s", t)
}
