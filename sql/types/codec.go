package types

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// EncodeText appends the text form of d, a value of type t, to dst. NULL has no
// text form: nothing is appended and the caller says NULL its own way.
func EncodeText(dst []byte, d Datum, t Type, ctx *FormatContext) []byte {
	if t.def != nil {
		if t = t.Base(); t.IsEnum() && d.kind == KindString {
			return appendEnum(dst, d, t)
		}
	}
	switch d.kind {
	case KindNull:
		return dst
	case KindBool:
		if d.num != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case KindNumeric:
		return appendNumeric(dst, d)
	case KindInterval:
		return appendInterval(dst, d.Interval(), ctx.orDefault().IntervalStyle)
	case KindArray:
		if isVector(t.OID) {
			return appendVector(dst, d.Array())
		}
		return appendArray(dst, d.Array(), ctx.orDefault())
	case KindRecord:
		return appendRecord(dst, d.Record(), ctx.orDefault())
	case KindFloat:
		c := ctx.orDefault()
		if t.OID == OIDFloat4 {
			return appendFloat(dst, d.Float(), 32, c.ExtraFloatDigits+1)
		}
		return appendFloat(dst, d.Float(), 64, c.ExtraFloatDigits+1)
	case KindString:
		switch t.OID {
		case OIDBytea:
			return appendBytea(dst, d.Str(), ctx.orDefault().ByteaOutput)
		case OIDUUID:
			return appendUUID(dst, d.Str())
		case OIDJSONB:
			return AppendJSONB(dst, d.JSON())
		case OIDChar:
			if s := d.Str(); s != "" && s[0] >= 0x80 {
				return append(dst, '\\', '0'+s[0]>>6, '0'+s[0]>>3&7, '0'+s[0]&7)
			}
		}
		return append(dst, d.Str()...)
	}
	switch t.storage() {
	case storeDate:
		return appendDate(dst, d.num, ctx.orDefault())
	case storeTimestamp:
		return appendTimestamp(dst, d.num, nil, ctx.orDefault())
	case storeTimestamptz:
		return appendTimestamp(dst, d.num, ctx.Location(), ctx.orDefault())
	case storeTime:
		return appendTimeOfDay(dst, d.num)
	case storeTimetz:
		return appendTimetz(dst, d)
	case storeReg:
		return appendReg(dst, d.OID(), t.OID, ctx.orDefault())
	}
	return strconv.AppendInt(dst, d.num, 10)
}

// TextOf is EncodeText into a string.
func TextOf(d Datum, t Type, ctx *FormatContext) string {
	if d.kind == KindString && t.def == nil && t.OID != OIDBytea && t.OID != OIDUUID && t.OID != OIDChar && t.OID != OIDJSONB {
		return d.Str()
	}
	var buf [64]byte
	return string(EncodeText(buf[:0], d, t, ctx))
}

// EncodeBinary appends the binary form of d, a value of type t that is not NULL,
// to dst, as the type's send function would. It fails with feature_not_supported
// for a type without binary form, and with an internal error when d is not
// stored as t is.
func EncodeBinary(dst []byte, d Datum, t Type, ctx *FormatContext) ([]byte, error) {
	t = t.Base()
	s := t.storage()
	if want := s.kind(); want != d.kind {
		if s == storeNone {
			return dst, t.CheckBuilt()
		}
		return dst, sqlerr.Internal("value stored as %s where type %s wants %s", d.kind, t, want)
	}
	switch s {
	case storeBool:
		return append(dst, byte(d.num)), nil
	case storeInt2:
		return binary.BigEndian.AppendUint16(dst, uint16(d.num)), nil
	case storeInt4, storeOID, storeReg, storeDate:
		return binary.BigEndian.AppendUint32(dst, uint32(d.num)), nil
	case storeInt8, storeTime, storeTimestamp, storeTimestamptz:
		return binary.BigEndian.AppendUint64(dst, uint64(d.num)), nil
	case storeFloat4:
		if d.IsNaN() {
			return binary.BigEndian.AppendUint32(dst, 0x7fc00000), nil
		}
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(d.Float()))), nil
	case storeFloat8:
		if d.IsNaN() { // of the many, the one that C compilers make
			return binary.BigEndian.AppendUint64(dst, 0x7ff8000000000000), nil
		}
		return binary.BigEndian.AppendUint64(dst, uint64(d.num)), nil
	case storeNumeric:
		return appendNumericBinary(dst, d), nil
	case storeChar:
		if d.num == 0 {
			return append(dst, 0), nil
		}
		return append(dst, d.Str()...), nil
	case storeText, storeBpchar, storeName, storeBytea, storeUUID, storeVoid, storeJSON:
		return append(dst, d.Str()...), nil
	case storeJSONB:
		return AppendJSONB(append(dst, 1), d.JSON()), nil
	case storeJSONPath:
		return append(append(dst, 1), d.Str()...), nil
	case storeTimetz:
		return appendTimetzBinary(dst, d), nil
	case storeBit:
		return appendBitBinary(dst, d.Str()), nil
	case storeEnum:
		return appendEnum(dst, d, t), nil
	case storeInterval:
		v := d.Interval()
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.Micros))
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.Days))
		return binary.BigEndian.AppendUint32(dst, uint32(v.Months)), nil
	case storeArray, storeVector:
		return appendArrayBinary(dst, d.Array(), ctx)
	case storeRecord:
		r := d.Record()
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Fields)))
		var err error
		for i, f := range r.Fields {
			dst = binary.BigEndian.AppendUint32(dst, uint32(r.Types[i].OID))
			if dst, err = appendItemBinary(dst, f, r.Types[i], ctx); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, sqlerr.Unsupported("binary output of type %s", t)
}

// kind is how values of that storage are kept.
func (s storage) kind() Kind {
	switch s {
	case storeNone:
		return KindNull
	case storeBool:
		return KindBool
	case storeFloat4, storeFloat8:
		return KindFloat
	case storeNumeric:
		return KindNumeric
	case storeText, storeBpchar, storeName, storeChar, storeBytea, storeUUID, storeVoid,
		storeJSON, storeJSONB, storeJSONPath, storeBit, storeEnum:
		return KindString
	case storeInterval:
		return KindInterval
	case storeArray, storeVector:
		return KindArray
	case storeRecord:
		return KindRecord
	}
	return KindInt
}

// KindOf returns how values of a type are stored, KindNull for one that is not
// built.
func KindOf(t Type) Kind { return t.storage().kind() }

// appendItemBinary writes an element with its length, -1 for NULL.
func appendItemBinary(dst []byte, d Datum, t Type, ctx *FormatContext) ([]byte, error) {
	if d.IsNull() {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32), nil
	}
	at := len(dst)
	dst, err := EncodeBinary(append(dst, 0, 0, 0, 0), d, t, ctx)
	if err == nil {
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, err
}

// DecodeText reads the text form of a value, as the type's input function would,
// and applies t's modifier as an assignment does: too long a varchar is an
// error (use DecodeText on the bare type and ApplyTypmod for an explicit cast).
// Text is checked to be UTF-8 without NUL. The result may share memory with s.
func DecodeText(s string, t Type, ctx *FormatContext) (Datum, error) {
	if err := checkText(s); err != nil {
		return Null, err
	}
	d, err := decodeText(s, t, ctx.orDefault())
	if err != nil || t.Typmod < 0 {
		return d, err
	}
	return ApplyTypmod(d, t, false)
}

func decodeText(s string, t Type, ctx *FormatContext) (Datum, error) {
	if t.IsDomain() {
		return decodeDomain(t, ctx, func(base Type) (Datum, error) { return decodeText(s, base, ctx) })
	}
	var n int64
	var err error
	switch t.storage() {
	case storeBool:
		b, err := parseBool(s)
		if err != nil {
			return Null, err
		}
		return NewBool(b), nil
	case storeInt2:
		n, err = parseInt(s, t, math.MinInt16, math.MaxInt16)
	case storeInt4:
		n, err = parseInt(s, t, math.MinInt32, math.MaxInt32)
	case storeInt8:
		n, err = parseInt(s, t, math.MinInt64, math.MaxInt64)
	case storeOID:
		n, err = parseOID(s, t)
	case storeReg:
		return parseReg(s, t, ctx)
	case storeFloat4, storeFloat8:
		f, err := parseFloat(s, t)
		if err != nil {
			return Null, err
		}
		return NewFloat(f), nil
	case storeNumeric:
		return ParseNumeric(s)
	case storeText, storeBpchar:
		if t.OID == OIDAclItem {
			return Null, sqlerr.Unsupported("input of type aclitem")
		}
		return NewString(s), nil
	case storeVoid:
		return NewString(""), nil
	case storeName:
		return NewString(CutName(s)), nil
	case storeChar:
		return NewString(charOf(s)), nil
	case storeBytea:
		return parseBytea(s)
	case storeUUID:
		return parseUUID(s)
	case storeJSON:
		return NewString(s), CheckJSON(s)
	case storeJSONB:
		return parseJSONB(s)
	case storeJSONPath:
		return parseJSONPath(s)
	case storeTimetz:
		return parseTimetz(s, ctx)
	case storeBit:
		return parseBit(s, t)
	case storeDate:
		n, err = parseDate(s, ctx)
	case storeTime:
		n, err = parseTime(s, ctx)
	case storeTimestamp:
		n, err = parseTimestamp(s, t, false, ctx)
	case storeTimestamptz:
		n, err = parseTimestamp(s, t, true, ctx)
	case storeInterval:
		v, err := parseInterval(s, t.Typmod, ctx)
		if err != nil {
			return Null, err
		}
		return NewInterval(v), nil
	case storeVector:
		return parseVector(s, t, ctx)
	case storeArray:
		return parseArray(s, t, ctx)
	case storeEnum:
		return parseEnum(s, t)
	case storeRecord:
		return parseRecord(s, t, ctx)
	default:
		return Null, sqlerr.Unsupported("type %s", t.Bare())
	}
	if err != nil {
		return Null, err
	}
	return NewInt(n), nil
}

// checkText refuses what no text can hold.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errEncoding(s)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	return nil
}

// errEncoding names the first bytes that are no character, as PostgreSQL does.
func errEncoding(s string) error {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r != utf8.RuneError || n != 1 {
			s = s[n:]
			continue
		}
		want := 1
		switch {
		case s[0] >= 0xF0:
			want = 4
		case s[0] >= 0xE0:
			want = 3
		case s[0] >= 0xC0:
			want = 2
		}
		var b []byte
		for i := 0; i < want && i < len(s); i++ {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, '0', 'x')
			b = hex.AppendEncode(b, []byte{s[i]})
		}
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", b)
	}
	return nil
}

// CheckText returns character_not_in_repertoire (22021) for a text that is not
// UTF-8 or has a NUL.
func CheckText(s string) error { return checkText(s) }

func errShort() error {
	return sqlerr.New(sqlerr.ProtocolViolation, "insufficient data left in message")
}

func errLong(t Type) error {
	return sqlerr.New(sqlerr.InvalidBinaryRepresentation, "incorrect binary data format").
		WithDetail("The value is too long for type %s.", t.Bare())
}

// DecodeBinary reads the binary form of a value, as the type's receive function
// would, and applies t's modifier as an assignment does. Malformed input is
// 22P03 or 08P01. The result does not refer to b.
func DecodeBinary(b []byte, t Type, ctx *FormatContext) (Datum, error) {
	d, err := decodeBinary(b, t, ctx.orDefault(), 0)
	if err != nil || t.Typmod < 0 {
		return d, err
	}
	return ApplyTypmod(d, t, false)
}

func decodeBinary(b []byte, t Type, ctx *FormatContext, depth int) (Datum, error) {
	if t.IsDomain() {
		return decodeDomain(t, ctx, func(base Type) (Datum, error) { return decodeBinary(b, base, ctx, depth) })
	}
	s := t.storage()
	size := -1
	switch s {
	case storeBool, storeChar:
		size = 1
	case storeInt2:
		size = 2
	case storeInt4, storeOID, storeReg, storeDate, storeFloat4:
		size = 4
	case storeInt8, storeTime, storeTimestamp, storeTimestamptz, storeFloat8:
		size = 8
	case storeTimetz:
		size = 12
	case storeInterval, storeUUID:
		size = 16
	}
	if size >= 0 && len(b) != size {
		if len(b) < size {
			return Null, errShort()
		}
		return Null, errLong(t)
	}
	switch s {
	case storeBool:
		return NewBool(b[0] != 0), nil
	case storeChar:
		return NewString(charOf(string(b))), nil
	case storeInt2:
		return NewInt(int64(int16(binary.BigEndian.Uint16(b)))), nil
	case storeInt4:
		return NewInt(int64(int32(binary.BigEndian.Uint32(b)))), nil
	case storeOID, storeReg:
		return NewInt(int64(binary.BigEndian.Uint32(b))), nil
	case storeInt8:
		return NewInt(int64(binary.BigEndian.Uint64(b))), nil
	case storeFloat4:
		return NewFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))), nil
	case storeFloat8:
		return NewFloat(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
	case storeDate:
		n := int64(int32(binary.BigEndian.Uint32(b)))
		if DateIsFinite(n) && !DateInRange(n) {
			return Null, ErrDateRange()
		}
		return NewInt(n), nil
	case storeTimestamp, storeTimestamptz:
		n := int64(binary.BigEndian.Uint64(b))
		if TimestampIsFinite(n) && !TimestampInRange(n) {
			return Null, ErrTimestampRange()
		}
		return NewInt(n), nil
	case storeTime:
		n := int64(binary.BigEndian.Uint64(b))
		if n < 0 || n > MicrosPerDay {
			return Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "time out of range")
		}
		return NewInt(n), nil
	case storeInterval:
		return NewInterval(Interval{
			Micros: int64(binary.BigEndian.Uint64(b)),
			Days:   int32(binary.BigEndian.Uint32(b[8:])),
			Months: int32(binary.BigEndian.Uint32(b[12:])),
		}), nil
	case storeNumeric:
		return decodeNumericBinary(b)
	case storeTimetz:
		return decodeTimetzBinary(b)
	case storeBit:
		return decodeBitBinary(b)
	case storeJSON:
		if err := checkText(string(b)); err != nil {
			return Null, err
		}
		return NewString(string(b)), CheckJSON(string(b))
	case storeJSONB, storeJSONPath:
		if len(b) == 0 {
			return Null, errShort()
		}
		if b[0] != 1 {
			return Null, sqlerr.Internal("unsupported %s version number %d", t.Bare(), b[0])
		}
		if err := checkText(string(b[1:])); err != nil {
			return Null, err
		}
		return decodeText(string(b[1:]), t, ctx)
	case storeText, storeBpchar, storeName:
		v := string(b)
		if err := checkText(v); err != nil {
			return Null, err
		}
		if s == storeName && len(v) >= 64 {
			return Null, sqlerr.New(sqlerr.NameTooLong, "identifier too long").
				WithDetail("Identifier must be less than 64 characters.")
		}
		return NewString(v), nil
	case storeBytea, storeUUID:
		return NewString(string(b)), nil
	case storeVoid:
		return NewString(""), nil
	case storeVector, storeArray:
		return decodeArrayBinary(b, t, ctx, depth)
	case storeEnum:
		v := string(b)
		if err := checkText(v); err != nil {
			return Null, err
		}
		return parseEnum(v, t)
	case storeRecord:
		return decodeRecordBinary(b, t, ctx, depth)
	}
	return Null, sqlerr.Unsupported("type %s", t.Bare())
}

// ApplyTypmod fits a value of type t.Bare() to t's modifier: rounds a numeric or
// a time, pads a bpchar, and cuts (explicit cast) or refuses (assignment, 22001)
// too long a text; blanks beyond the length are always cut.
func ApplyTypmod(d Datum, t Type, explicit bool) (Datum, error) {
	if d.IsNull() || t.Typmod < 0 {
		return d, nil
	}
	switch t.storage() {
	case storeBpchar:
		return fitText(d, t, explicit, true)
	case storeText:
		if t.OID == OIDVarchar {
			return fitText(d, t, explicit, false)
		}
	case storeNumeric:
		return fitNumeric(d, t)
	case storeTime:
		return NewInt(roundMicros(d.num, t.Typmod)), nil
	case storeTimetz:
		micros, east := d.Timetz()
		return NewTimetz(roundMicros(micros, t.Typmod), east), nil
	case storeBit:
		return fitBit(d, t, explicit)
	case storeTimestamp, storeTimestamptz:
		if !TimestampIsFinite(d.num) {
			return d, nil
		}
		n := roundMicros(d.num, t.Typmod)
		if !TimestampInRange(n) {
			return Null, ErrTimestampRange()
		}
		return NewInt(n), nil
	case storeInterval:
		return NewInterval(fitInterval(d.Interval(), t.Typmod)), nil
	case storeArray:
		a := d.Array()
		elem := t.Elem()
		out := &Array{Elem: a.Elem, Dims: a.Dims, Elems: make([]Datum, len(a.Elems))}
		for i, e := range a.Elems {
			v, err := ApplyTypmod(e, elem, explicit)
			if err != nil {
				return Null, err
			}
			out.Elems[i] = v
		}
		return NewArray(out), nil
	}
	return d, nil
}

// fitText cuts or refuses a text of more characters than the modifier allows.
func fitText(d Datum, t Type, explicit, pad bool) (Datum, error) {
	limit := int(t.Typmod) - 4
	s := d.Str()
	if len(s) <= limit && !pad {
		return d, nil
	}
	chars := utf8.RuneCountInString(s)
	if chars <= limit {
		if pad && chars < limit {
			return NewString(s + strings.Repeat(" ", limit-chars)), nil
		}
		return d, nil
	}
	cut := 0
	for i := 0; i < limit; i++ {
		_, n := utf8.DecodeRuneInString(s[cut:])
		cut += n
	}
	if !explicit && strings.TrimRight(s[cut:], " ") != "" {
		return Null, sqlerr.New(sqlerr.StringDataRightTruncation, "value too long for type %s", t)
	}
	return NewString(s[:cut]), nil
}

// CutName cuts a text to the 63 bytes of a name, at a character's end.
func CutName(s string) string {
	const most = 63
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// charOf makes the value of a "char": the first byte, or the one that \ooo says.
func charOf(s string) string {
	if len(s) == 4 && s[0] == '\\' && isOctal(s[1]) && isOctal(s[2]) && isOctal(s[3]) {
		return cString((s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'))
	}
	if s == "" {
		return ""
	}
	return cString(s[0])
}

func cString(c byte) string {
	if c == 0 {
		return ""
	}
	return string([]byte{c})
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
