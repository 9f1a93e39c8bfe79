package types

import (
	"strconv"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// appendReg writes an object's name, or its number when it has none.
func appendReg(dst []byte, object, reg OID, ctx *FormatContext) []byte {
	if object == 0 {
		return append(dst, '-')
	}
	if ctx.Names != nil {
		if name, ok := ctx.Names.ObjectName(reg, object); ok {
			return append(dst, name...)
		}
	}
	if reg == OIDRegType {
		if _, ok := Lookup(object); ok {
			return append(dst, Of(object).String()...)
		}
	}
	return strconv.AppendUint(dst, uint64(object), 10)
}

// parseReg reads a number, "-" for none, or a name.
func parseReg(s string, t Type, ctx *FormatContext) (Datum, error) {
	if s == "-" {
		return NewOID(0), nil
	}
	if s != "" && isDigit(s[0]) {
		if n, err := parseOID(s, Oid); err == nil {
			return NewInt(n), nil
		}
	}
	if t.OID == OIDRegType {
		typ, err := ParseType(s)
		if err == nil {
			return NewOID(typ.OID), nil
		}
		if ctx.Names == nil {
			return Null, err
		}
	}
	if ctx.Names == nil {
		return Null, sqlerr.Unsupported("a name as %s here", t.Bare())
	}
	oid, err := ctx.Names.ObjectOID(t.OID, s)
	if err != nil {
		return Null, err
	}
	return NewOID(oid), nil
}
