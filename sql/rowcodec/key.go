package rowcodec

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// keyForm is how values of a type are encoded in keys.
type keyForm uint8

const (
	formNone keyForm = iota
	formBool
	formInt
	formFloat
	formDecimal
	formString
	formBpchar
	formBytes
	formJSON
)

func formOf(t types.Type) keyForm {
	t = t.Base()
	if t.IsEnum() {
		return formBytes // what is stored is ordered as the labels are
	}
	switch t.OID {
	case types.OIDBool:
		return formBool
	case types.OIDInt2, types.OIDInt4, types.OIDInt8, types.OIDOid, types.OIDXid, types.OIDCid, types.OIDDate, types.OIDTime, types.OIDTimetz,
		types.OIDTimestamp, types.OIDTimestamptz, types.OIDRegProc, types.OIDRegClass, types.OIDRegType, types.OIDRegNamespace,
		types.OIDRegRole, types.OIDRegProcedure, types.OIDRegOper, types.OIDRegOperator, types.OIDRegCollation:
		return formInt
	case types.OIDFloat4, types.OIDFloat8:
		return formFloat
	case types.OIDNumeric:
		return formDecimal
	case types.OIDText, types.OIDVarchar, types.OIDName, types.OIDChar, types.OIDBit, types.OIDVarbit:
		return formString
	case types.OIDBpchar:
		return formBpchar
	case types.OIDBytea, types.OIDUUID:
		return formBytes
	case types.OIDJSONB:
		return formJSON
	}
	return formNone
}

// exact reports whether a key gives the value back as it was.
func (f keyForm) exact() bool {
	switch f {
	case formBool, formInt, formString, formBytes:
		return true
	}
	return false
}

// CheckKeyType returns 0A000 if values of a type cannot be part of a key.
func CheckKeyType(t types.Type) error {
	if formOf(t) == formNone {
		return sqlerr.Unsupported("an index over a column of type %s", t)
	}
	return nil
}

// AppendKeyDatum appends a value of type t in its order-preserving encoding.
func AppendKeyDatum(dst []byte, d types.Datum, t types.Type, desc bool) ([]byte, error) {
	return appendKeyForm(dst, d, formOf(t), keys.Direction(desc))
}

func appendKeyForm(dst []byte, d types.Datum, form keyForm, dir keys.Direction) ([]byte, error) {
	if d.IsNull() {
		return keys.AppendNull(dst, dir), nil
	}
	switch form {
	case formBool:
		return keys.AppendBool(dst, dir, d.Bool()), nil
	case formInt:
		return keys.AppendInt(dst, dir, d.Int()), nil
	case formFloat:
		return keys.AppendFloat(dst, dir, d.Float()), nil
	case formDecimal:
		var tmp apd.Decimal
		return keys.AppendDecimal(dst, dir, d.DecimalInto(&tmp)), nil
	case formString:
		return keys.AppendString(dst, dir, d.Str()), nil
	case formBpchar:
		return keys.AppendString(dst, dir, strings.TrimRight(d.Str(), " ")), nil
	case formBytes:
		return keys.AppendBytes(dst, dir, d.UnsafeBytes()), nil
	}
	if form == formJSON {
		return keys.AppendBytes(dst, dir, appendJSONKey(nil, d.JSON(), true)), nil
	}
	return nil, sqlerr.Internal("no key encoding for a value stored as %v", d.Kind())
}

// decodeKeyDatum reads what appendKeyForm wrote. For forms that are not exact
// the result is equal to the value but may look different.
func decodeKeyDatum(b []byte, form keyForm) (d types.Datum, rest []byte, err error) {
	if rest, null := keys.DecodeNull(b); null {
		return types.Null, rest, nil
	}
	switch form {
	case formBool:
		rest, v, err := keys.DecodeBool(b)
		return types.NewBool(v), rest, err
	case formInt:
		rest, v, err := keys.DecodeInt(b)
		return types.NewInt(v), rest, err
	case formFloat:
		rest, v, err := keys.DecodeFloat(b)
		return types.NewFloat(v), rest, err
	case formDecimal:
		rest, v, err := keys.DecodeDecimal(b)
		if err != nil {
			return d, nil, err
		}
		return types.NewNumeric(v), rest, nil
	case formString, formBpchar:
		rest, v, err := keys.DecodeString(b)
		return types.NewString(v), rest, err
	case formJSON:
		rest, v, err := keys.DecodeBytes(b)
		if err != nil {
			return d, nil, err
		}
		d, err = decodeJSONKey(v)
		return d, rest, err
	case formBytes:
		rest, v, err := keys.DecodeBytes(b)
		return types.NewBytes(v), rest, err
	}
	return d, nil, sqlerr.Internal("no key decoding for this type")
}
