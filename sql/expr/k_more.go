package expr

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// dateBin puts a timestamp into the bin of a stride that begins at an origin.
func dateBin(stride types.Interval, t, origin int64) (datum, error) {
	if !types.TimestampIsFinite(t) {
		return types.NewInt(t), nil
	}
	if !types.TimestampIsFinite(origin) {
		return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "origin out of range")
	}
	if stride.Months != 0 {
		return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	micros := int64(stride.Days)*types.MicrosPerDay + stride.Micros
	if micros <= 0 {
		return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "stride must be greater than zero")
	}
	q, _ := floorMod(t-origin, micros)
	return timestamp(origin + q*micros)
}

// unistr resolves \XXXX, \+XXXXXX, \uXXXX and \UXXXXXXXX.
func unistr(s string) (string, error) {
	var b strings.Builder
	high := rune(-1)
	bad := func() (string, error) {
		return "", sqlerr.New(sqlerr.SyntaxError, "invalid Unicode escape").
			WithHint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
	}
	pair := func() (string, error) { return "", sqlerr.New(sqlerr.SyntaxError, "invalid Unicode surrogate pair") }
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			if high >= 0 {
				return pair()
			}
			b.WriteByte(s[i])
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == '\\' {
			if high >= 0 {
				return pair()
			}
			b.WriteByte('\\')
			i += 2
			continue
		}
		skip, n := 1, 4
		if i+1 < len(s) {
			switch s[i+1] {
			case '+':
				skip, n = 2, 6
			case 'u':
				skip, n = 2, 4
			case 'U':
				skip, n = 2, 8
			}
		}
		if i+skip+n > len(s) {
			return bad()
		}
		v, err := strconv.ParseUint(s[i+skip:i+skip+n], 16, 32)
		if err != nil || strings.ContainsAny(s[i+skip:i+skip+n], "+-_") {
			return bad()
		}
		i += skip + n
		r := rune(v)
		switch {
		case v == 0 || v > utf8.MaxRune:
			return "", sqlerr.New(sqlerr.SyntaxError, "invalid Unicode code point: %04X", v)
		case r >= 0xD800 && r < 0xDC00:
			if high >= 0 {
				return pair()
			}
			high = r
			continue
		case r >= 0xDC00 && r < 0xE000:
			if high < 0 {
				return pair()
			}
			r, high = (high-0xD800)<<10+(r-0xDC00)+0x10000, -1
		case high >= 0:
			return pair()
		}
		b.WriteRune(r)
	}
	if high >= 0 {
		return pair()
	}
	return b.String(), nil
}

// sizeBytes reads a size as pg_size_pretty writes it.
func sizeBytes(s string) (datum, error) {
	bad := func() *sqlerr.Error {
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid size: \"%s\"", s)
	}
	p := strings.TrimSpace(s)
	i := 0
	digits := func() (n int) {
		for i < len(p) && p[i] >= '0' && p[i] <= '9' {
			i++
			n++
		}
		return n
	}
	if i < len(p) && (p[i] == '-' || p[i] == '+') {
		i++
	}
	have := digits()
	if i < len(p) && p[i] == '.' {
		i++
		have += digits()
	}
	if have == 0 {
		return types.Null, bad()
	}
	if i+1 < len(p) && p[i]|0x20 == 'e' {
		mark := i
		i++
		if p[i] == '-' || p[i] == '+' {
			i++
		}
		if digits() == 0 {
			i = mark
		}
	}
	n, err := types.ParseNumeric(p[:i])
	if err != nil {
		return types.Null, err
	}
	unit := strings.TrimSpace(p[i:])
	if unit != "" {
		shift, ok := map[string]uint{"bytes": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40, "pb": 50}[strings.ToLower(unit)]
		if !ok {
			return types.Null, bad().WithDetail("Invalid size unit: \"%s\".", unit).
				WithHint("Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".")
		}
		if n, err = types.NumericMul(n, types.NumericFromInt(1<<shift)); err != nil {
			return types.Null, err
		}
	}
	return numericToInt(n, types.OIDInt8)
}

// more are functions of several sections that need a few lines each.
func (k kernels) more() {
	k.fn("date_bin(interval,timestamp,timestamp) date_bin(interval,timestamptz,timestamptz)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return dateBin(a[0].Interval(), a[1].Int(), a[2].Int())
	})
	k.f1("unistr(text)", func(_ *EvalContext, a datum) (datum, error) {
		s, err := unistr(a.Str())
		return types.NewString(s), err
	})
	k.f1("pg_size_bytes(text)", func(_ *EvalContext, a datum) (datum, error) { return sizeBytes(a.Str()) })
	k.fn("pg_trigger_depth()", func(*EvalContext, *Signature, []datum) (datum, error) { return types.NewInt(0), nil })
	k.fn("pg_jit_available()", func(*EvalContext, *Signature, []datum) (datum, error) { return types.False, nil })
	for _, op := range []struct {
		name  string
		holds func(c int) bool
	}{
		{"lt", func(c int) bool { return c < 0 }}, {"le", func(c int) bool { return c <= 0 }},
		{"gt", func(c int) bool { return c > 0 }}, {"ge", func(c int) bool { return c >= 0 }},
	} {
		k.f2("text_pattern_"+op.name+"(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
			return types.NewBool(op.holds(strings.Compare(a.Str(), b.Str()))), nil
		})
		k.f2("bpchar_pattern_"+op.name+"(bpchar,bpchar)", func(_ *EvalContext, a, b datum) (datum, error) {
			return types.NewBool(op.holds(types.Compare(a, b, types.Bpchar))), nil
		})
	}
	// The three-way comparisons behind the btree operator classes.
	for sig, t := range map[string]types.Type{
		"btboolcmp(bool,bool)": types.Bool, "btint4cmp(int4,int4)": types.Int4, "btint8cmp(int8,int8)": types.Int8,
		"btfloat4cmp(float4,float4)": types.Float4, "btfloat8cmp(float8,float8)": types.Float8,
		"date_cmp(date,date)": types.Date, "time_cmp(time,time)": types.Time,
		"timetz_cmp(timetz,timetz)": types.Timetz, "timestamp_cmp(timestamp,timestamp)": types.Timestamp,
		"timestamptz_cmp(timestamptz,timestamptz)": types.Timestamptz, "interval_cmp(interval,interval)": types.IntervalType,
		"numeric_cmp(numeric,numeric)": types.Numeric,
		"btoidcmp(oid,oid)":            types.Oid, "btarraycmp(anyarray,anyarray)": types.AnyArray,
		"btrecordcmp(record,record)": types.RecordType, "enum_cmp(anyenum,anyenum)": types.Text,
	} {
		k.f2(sig, func(_ *EvalContext, a, b datum) (datum, error) {
			return types.NewInt(int64(types.Compare(a, b, t))), nil
		})
	}
}
