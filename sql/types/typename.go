package types

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// sqlNames are the spellings of SQL whose words differ from pg_type's names.
var sqlNames = map[string]OID{
	"boolean":                     OIDBool,
	"bool":                        OIDBool,
	"smallint":                    OIDInt2,
	"integer":                     OIDInt4,
	"int":                         OIDInt4,
	"bigint":                      OIDInt8,
	"real":                        OIDFloat4,
	"double precision":            OIDFloat8,
	"float":                       OIDFloat8,
	"decimal":                     OIDNumeric,
	"dec":                         OIDNumeric,
	"character varying":           OIDVarchar,
	"char varying":                OIDVarchar,
	"national character varying":  OIDVarchar,
	"national char varying":       OIDVarchar,
	"nchar varying":               OIDVarchar,
	"character":                   OIDBpchar,
	"char":                        OIDBpchar,
	"nchar":                       OIDBpchar,
	"national character":          OIDBpchar,
	"national char":               OIDBpchar,
	"timestamp without time zone": OIDTimestamp,
	"timestamp with time zone":    OIDTimestamptz,
	"time without time zone":      OIDTime,
	"time with time zone":         OIDTimetz,
	"bit varying":                 OIDVarbit,
	"bit":                         OIDBit,
}

// intervalFields are the qualifiers of INTERVAL.
var intervalFields = map[string]int32{
	"year": fieldYear, "month": fieldMonth, "day": fieldDay,
	"hour": fieldHour, "minute": fieldMinute, "second": fieldSecond,
	"year to month":    fieldYear | fieldMonth,
	"day to hour":      fieldDay | fieldHour,
	"day to minute":    fieldDay | fieldHour | fieldMinute,
	"day to second":    fieldDay | fieldHour | fieldMinute | fieldSecond,
	"hour to minute":   fieldHour | fieldMinute,
	"hour to second":   fieldHour | fieldMinute | fieldSecond,
	"minute to second": fieldMinute | fieldSecond,
}

// ParseType reads the name of a type as SQL spells it: "integer", "int4",
// "character varying(10)", "numeric(10,2)[]", "timestamp(3) with time zone",
// "interval day to second(3)", "pg_catalog.int4", "_text", `"char"`. An unknown
// name is undefined_object (42704), malformed text a syntax error (42601).
func ParseType(s string) (Type, error) {
	words, args, array, err := splitTypeName(s)
	if err != nil {
		return Type{}, err
	}
	t, err := typeByWords(s, words, args)
	if err != nil || array == 0 {
		return t, err
	}
	if !hasArray(t) {
		return Type{}, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", t)
	}
	a, _ := t.ArrayOf()
	return a, nil
}

func hasArray(t Type) bool { _, ok := t.ArrayOf(); return ok }

type typeWord struct {
	text   string
	quoted bool
}

// splitTypeName cuts the text into words, the numbers in parentheses, and the
// number of array dimensions.
func splitTypeName(s string) (words []typeWord, args []int64, array int, err error) {
	bad := func(at int) error {
		near := strings.TrimSpace(s[min(at, len(s)):])
		if near == "" {
			return sqlerr.New(sqlerr.SyntaxError, "syntax error at end of type name \"%s\"", s)
		}
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"%s\" in type name \"%s\"", near, s)
	}
	hasArgs := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isBlank(c):
			i++
		case c == '"':
			var b strings.Builder
			j := i + 1
			for {
				if j >= len(s) {
					return nil, nil, 0, bad(i)
				}
				if s[j] == '"' {
					if j+1 < len(s) && s[j+1] == '"' {
						b.WriteByte('"')
						j += 2
						continue
					}
					break
				}
				b.WriteByte(s[j])
				j++
			}
			words = append(words, typeWord{b.String(), true})
			i = j + 1
		case c == '(':
			if hasArgs || len(words) == 0 || array > 0 {
				return nil, nil, 0, bad(i)
			}
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				return nil, nil, 0, bad(i)
			}
			for _, p := range strings.Split(s[i+1:i+end], ",") {
				n, e := strconv.ParseInt(strings.TrimSpace(p), 10, 64)
				if e != nil {
					return nil, nil, 0, bad(i)
				}
				args = append(args, n)
			}
			hasArgs = true
			i += end + 1
		case c == '[':
			end := strings.IndexByte(s[i:], ']')
			if end < 0 || len(words) == 0 {
				return nil, nil, 0, bad(i)
			}
			if in := strings.TrimSpace(s[i+1 : i+end]); in != "" {
				if _, ok := digits(in); !ok {
					return nil, nil, 0, bad(i)
				}
			}
			array++
			i += end + 1
		case c == '.':
			words = append(words, typeWord{".", false})
			i++
		case isAlpha(c) || c == '_' || c >= 0x80:
			j := i
			for j < len(s) && (isAlpha(s[j]) || isDigit(s[j]) || s[j] == '_' || s[j] == '$' || s[j] >= 0x80) {
				j++
			}
			if array > 0 {
				if w := strings.ToLower(s[i:j]); w != "array" {
					return nil, nil, 0, bad(i)
				}
			}
			w := strings.ToLower(s[i:j])
			if w == "array" && len(words) > 0 {
				if array == 0 {
					array = 1
				}
				// integer ARRAY[4] has its bounds counted above.
			} else {
				words = append(words, typeWord{w, false})
			}
			i = j
		default:
			return nil, nil, 0, bad(i)
		}
	}
	if len(words) == 0 {
		return nil, nil, 0, bad(0)
	}
	return words, args, array, nil
}

func typeByWords(s string, words []typeWord, args []int64) (Type, error) {
	qualified := false
	if len(words) >= 3 && words[1].text == "." && !words[1].quoted {
		if words[0].text != "pg_catalog" {
			return Type{}, errNoType(words[0].text + "." + words[2].text)
		}
		words = words[2:]
		qualified = true
	}
	if len(words) == 1 && (words[0].quoted || qualified) {
		info, ok := LookupName(words[0].text)
		if !ok {
			return Type{}, errNoType(s)
		}
		return withArgs(info.OID, args)
	}
	text := make([]string, len(words))
	for i, w := range words {
		if w.quoted || w.text == "." {
			return Type{}, errNoType(s)
		}
		text[i] = w.text
	}
	name := strings.Join(text, " ")
	if text[0] == "interval" {
		return intervalType(s, strings.Join(text[1:], " "), args)
	}
	oid, ok := sqlNames[name]
	if !ok {
		info, found := LookupName(name)
		if !found {
			return Type{}, errNoType(s)
		}
		oid = info.OID
	}
	switch {
	case name == "float" && len(args) == 1:
		switch p := args[0]; {
		case p < 1:
			return Type{}, sqlerr.New(sqlerr.InvalidParameterValue, "precision for type float must be at least 1 bit")
		case p > 53:
			return Type{}, sqlerr.New(sqlerr.InvalidParameterValue, "precision for type float must be less than 54 bits")
		case p <= 24:
			return Float4, nil
		}
		return Float8, nil
	case oid == OIDBpchar && len(args) == 0 && name != "bpchar":
		// char alone is char(1).
		args = []int64{1}
	case name == "bit" && len(args) == 0:
		args = []int64{1}
	}
	return withArgs(oid, args)
}

func withArgs(oid OID, args []int64) (Type, error) {
	if len(args) == 0 {
		return Of(oid), nil
	}
	m, err := MakeTypmod(oid, args)
	return Type{OID: oid, Typmod: m}, err
}

func intervalType(s, fields string, args []int64) (Type, error) {
	mask := int32(intervalFullRange)
	if fields != "" {
		m, ok := intervalFields[fields]
		if !ok {
			return Type{}, errNoType(s)
		}
		mask = m
	}
	precision := int64(intervalFullPrecision)
	if len(args) > 0 {
		precision = clampPrecision(args[0])
		if args[0] < 0 {
			return Type{}, sqlerr.New(sqlerr.InvalidParameterValue, "INTERVAL(%d) precision must not be negative", args[0])
		}
	}
	if fields == "" && len(args) == 0 {
		return IntervalType, nil
	}
	return Type{OID: OIDInterval, Typmod: mask<<16 | int32(precision)}, nil
}

func clampPrecision(p int64) int64 { return min(p, 6) }

func errNoType(name string) error {
	return sqlerr.New(sqlerr.UndefinedObject, "type \"%s\" does not exist", strings.TrimSpace(name))
}

// MakeTypmod makes the modifier from the numbers in parentheses after a type's
// name, checking them as PostgreSQL does (22023).
func MakeTypmod(oid OID, args []int64) (int32, error) {
	bad := func(format string, a ...any) (int32, error) {
		return -1, sqlerr.New(sqlerr.InvalidParameterValue, format, a...)
	}
	if len(args) == 0 {
		return -1, nil
	}
	info, _ := Lookup(oid)
	if info != nil && info.IsArray() {
		return MakeTypmod(info.Elem, args)
	}
	switch oid {
	case OIDVarchar, OIDBpchar:
		name := "varchar"
		if oid == OIDBpchar {
			name = "char"
		}
		if len(args) != 1 {
			return bad("invalid type modifier")
		}
		if args[0] < 1 {
			return bad("length for type %s must be at least 1", name)
		}
		if args[0] > 10485760 { // MaxAttrSize
			return bad("length for type %s cannot exceed 10485760", name)
		}
		return int32(args[0]) + 4, nil
	case OIDNumeric:
		if len(args) > 2 {
			return bad("invalid NUMERIC type modifier")
		}
		p, s := args[0], int64(0)
		if p < 1 || p > NumericMaxPrecision {
			return bad("NUMERIC precision %d must be between 1 and %d", p, NumericMaxPrecision)
		}
		if len(args) == 2 {
			if s = args[1]; s < -1000 || s > 1000 {
				return bad("NUMERIC scale %d must be between -1000 and 1000", s)
			}
		}
		return int32(p<<16|s&0x7ff) + 4, nil
	case OIDTimestamp, OIDTimestamptz, OIDTime, OIDTimetz:
		name := map[OID]string{OIDTimestamp: "TIMESTAMP(%d)%s precision", OIDTimestamptz: "TIMESTAMP(%d)%s precision", OIDTime: "TIME(%d)%s precision", OIDTimetz: "TIME(%d)%s precision"}[oid]
		zone := ""
		if oid == OIDTimestamptz || oid == OIDTimetz {
			zone = " WITH TIME ZONE"
		}
		if len(args) != 1 {
			return bad("invalid type modifier")
		}
		if args[0] < 0 {
			return bad(name+" must not be negative", args[0], zone)
		}
		return int32(clampPrecision(args[0])), nil
	case OIDBit, OIDVarbit:
		name := "bit"
		if oid == OIDVarbit {
			name = "varbit"
		}
		if len(args) != 1 {
			return bad("invalid type modifier")
		}
		if args[0] < 1 {
			return bad("length for type %s must be at least 1", name)
		}
		if args[0] > 83886080 { // MaxAttrSize in bits
			return bad("length for type %s cannot exceed 83886080", name)
		}
		return int32(args[0]), nil
	case OIDInterval:
		t, err := intervalType("interval", "", args[:1])
		return t.Typmod, err
	}
	return -1, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type \"%s\"", Of(oid).Name())
}

// String returns the name as format_type gives it: "integer",
// "character varying(10)", "numeric(10,2)[]".
func (t Type) String() string {
	if t.def != nil {
		if e := t.def.elem; !e.IsZero() {
			return e.String() + "[]"
		}
		return t.def.typeName()
	}
	info, ok := Lookup(t.OID)
	if !ok {
		if t.OID == 0 {
			return "-"
		}
		return "???"
	}
	if info.IsArray() {
		return Type{OID: info.Elem, Typmod: t.Typmod}.String() + "[]"
	}
	mod := func(name, rest string) string {
		if t.Typmod >= 0 {
			return name + "(" + strconv.Itoa(int(t.Typmod)) + ")" + rest
		}
		return name + rest
	}
	length := func(name string) string {
		if t.Typmod >= 4 {
			return name + "(" + strconv.Itoa(int(t.Typmod)-4) + ")"
		}
		return name
	}
	switch t.OID {
	case OIDBool:
		return "boolean"
	case OIDInt2:
		return "smallint"
	case OIDInt4:
		return "integer"
	case OIDInt8:
		return "bigint"
	case OIDFloat4:
		return "real"
	case OIDFloat8:
		return "double precision"
	case OIDChar:
		return "\"char\""
	case OIDAny:
		return "\"any\""
	case OIDBpchar:
		if t.Typmod < 4 {
			// Without length the name must not be "character", which is char(1).
			return "character"
		}
		return length("character")
	case OIDVarchar:
		return length("character varying")
	case OIDBit:
		return mod("bit", "")
	case OIDVarbit:
		return mod("bit varying", "")
	case OIDNumeric:
		if t.Typmod < 4 {
			return "numeric"
		}
		p, s := numericTypmod(t.Typmod)
		return "numeric(" + strconv.Itoa(p) + "," + strconv.Itoa(s) + ")"
	case OIDTime:
		return mod("time", " without time zone")
	case OIDTimetz:
		return mod("time", " with time zone")
	case OIDTimestamp:
		return mod("timestamp", " without time zone")
	case OIDTimestamptz:
		return mod("timestamp", " with time zone")
	case OIDInterval:
		return intervalName(t.Typmod)
	}
	return info.Name
}

func intervalName(typmod int32) string {
	name := "interval"
	if typmod < 0 {
		return name
	}
	fields := typmod >> 16 & intervalFullRange
	if fields != intervalFullRange {
		for text, mask := range intervalFields {
			if mask == fields {
				name += " " + text
				break
			}
		}
	}
	if p := typmod & intervalFullPrecision; p != intervalFullPrecision {
		name += "(" + strconv.Itoa(int(p)) + ")"
	}
	return name
}
