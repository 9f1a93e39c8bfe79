package types

import (
	"encoding/binary"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// decodeDomain reads a value of a domain: as its base type, fitted to the base's
// modifier and tested against the constraints.
func decodeDomain(t Type, ctx *FormatContext, read func(base Type) (Datum, error)) (Datum, error) {
	base := t.Base()
	d, err := read(base.Bare())
	if err == nil {
		d, err = ApplyTypmod(d, base, false)
	}
	if err == nil {
		err = CheckDomain(d, t, ctx)
	}
	if err != nil {
		return Null, err
	}
	return d, nil
}

func errRecord(s, detail string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed record literal: \"%s\"", s).WithDetail("%s", detail)
}

// parseRecord reads (a,"b c",) as a value of a composite type.
func parseRecord(s string, t Type, ctx *FormatContext) (Datum, error) {
	if !t.IsComposite() {
		return Null, sqlerr.New(sqlerr.FeatureNotSupported, "input of anonymous composite types is not implemented")
	}
	at := 0
	skip := func() {
		for at < len(s) && isBlank(s[at]) {
			at++
		}
	}
	if skip(); at >= len(s) || s[at] != '(' {
		return Null, errRecord(s, "Missing left parenthesis.")
	}
	at++
	fields := make([]Datum, len(t.def.Fields))
	for i, f := range t.def.Fields {
		if i > 0 {
			if at >= len(s) || s[at] != ',' {
				return Null, errRecord(s, "Too few columns.")
			}
			at++
		}
		if at < len(s) && (s[at] == ',' || s[at] == ')') {
			if err := CheckDomain(Null, f.Type, ctx); err != nil {
				return Null, err
			}
			continue
		}
		text, end, ok := recordField(s, at)
		if at = end; !ok {
			return Null, errRecord(s, "Unexpected end of input.")
		}
		d, err := decodeText(text, f.Type, ctx)
		if err == nil && f.Type.Typmod >= 0 {
			d, err = ApplyTypmod(d, f.Type, false)
		}
		if err != nil {
			return Null, err
		}
		fields[i] = d
	}
	if at >= len(s) || s[at] != ')' {
		return Null, errRecord(s, "Too many columns.")
	}
	at++
	if skip(); at < len(s) {
		return Null, errRecord(s, "Junk after right parenthesis.")
	}
	return t.def.NewRow(fields), nil
}

// recordField reads the field that begins at a place, quotes and backslashes
// removed, and returns where it ends; false if the text ends before.
func recordField(s string, at int) (text string, end int, ok bool) {
	var b []byte
	quoted := false
	for ; ; at++ {
		if at >= len(s) {
			return "", at, false
		}
		switch c := s[at]; {
		case !quoted && (c == ',' || c == ')'):
			return string(b), at, true
		case c == '\\':
			if at++; at >= len(s) {
				return "", at, false
			}
			b = append(b, s[at])
		case c == '"' && !quoted:
			quoted = true
		case c == '"' && at+1 < len(s) && s[at+1] == '"':
			b = append(b, c)
			at++
		case c == '"':
			quoted = false
		default:
			b = append(b, c)
		}
	}
}

func decodeRecordBinary(b []byte, t Type, ctx *FormatContext, depth int) (Datum, error) {
	if !t.IsComposite() {
		return Null, sqlerr.New(sqlerr.FeatureNotSupported, "input of anonymous composite types is not implemented")
	}
	if len(b) < 4 {
		return Null, errShort()
	}
	n := int32(binary.BigEndian.Uint32(b))
	if b = b[4:]; int(n) != len(t.def.Fields) {
		return Null, sqlerr.New(sqlerr.DatatypeMismatch, "wrong number of columns: %d, expected %d", n, len(t.def.Fields))
	}
	fields := make([]Datum, n)
	for i, f := range t.def.Fields {
		if len(b) < 8 {
			return Null, errShort()
		}
		oid, size := OID(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))
		if b = b[8:]; oid != f.Type.OID {
			return Null, sqlerr.New(sqlerr.DatatypeMismatch, "binary data has type %d (%s) instead of expected %d (%s) in record column %d",
				oid, Of(oid), f.Type.OID, f.Type.Bare(), i+1)
		}
		var err error
		switch {
		case size == -1:
			err = CheckDomain(Null, f.Type, ctx)
		case size < 0 || int(size) > len(b):
			err = errShort()
		default:
			// An array of rows may hold arrays again: only arrays in arrays are refused.
			if fields[i], err = decodeBinary(b[:size], f.Type, ctx, 0); err == nil && f.Type.Typmod >= 0 {
				fields[i], err = ApplyTypmod(fields[i], f.Type, false)
			}
			b = b[size:]
		}
		if err != nil {
			return Null, err
		}
	}
	if len(b) != 0 {
		return Null, errLong(t)
	}
	return t.def.NewRow(fields), nil
}
