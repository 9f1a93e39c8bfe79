package sqldiff

import (
	"math/rand/v2"
	"slices"
	"strconv"
)

// pool holds the constants of a type: ordinary ones, which a table may hold, and
// those at the edges. The text is what stands between quotes.
type pool struct {
	plain, edge []string
	// exact types have one text per value: a value's equals print alike.
	exact bool
}

var pools = map[string]pool{
	"bool":   {[]string{"true", "false"}, nil, true},
	"int2":   {[]string{"0", "1", "-1", "2", "3", "7", "10", "-100"}, []string{"32767", "-32768"}, true},
	"int4":   {[]string{"0", "1", "2", "3", "-1", "-7", "5", "10", "42", "100"}, []string{"2147483647", "-2147483648", "65536", "46341"}, true},
	"int8":   {[]string{"0", "1", "2", "-1", "3", "12", "-40", "1000"}, []string{"9223372036854775807", "-9223372036854775808", "4294967296", "3037000500"}, true},
	"float4": {[]string{"0", "1", "-1", "0.5", "2.25", "-3.75", "100"}, []string{"NaN", "Infinity", "-Infinity", "3e38", "1e-40", "0.1"}, false},
	"float8": {[]string{"0", "1", "-1", "0.5", "2.25", "-3.75", "1000.125", "1e10"}, []string{"NaN", "Infinity", "-Infinity", "1e308", "-1e308", "5e-324", "0.1", "123456789.123"}, false},
	"numeric": {[]string{"0", "1", "-1", "1.5", "0.001", "-12345.678", "100", "2.75", "7"},
		[]string{"NaN", "Infinity", "-Infinity", "100000000000000000000", "99999999999999999999.99", "0.0000000001", "0.000", "-0.5"}, false},
	"text":    {[]string{"", "a", "b", "abc", "ABC", "foo bar", "10", "-3", "3.5", "a%b", "true", "x_y"}, []string{"é", "日本語", "\\", "  pad ", "it''s", "2024-02-29", "%", "_", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, true},
	"varchar": {[]string{"", "a", "b", "abc", "Zz", "5", "foo"}, []string{"é ", "%", "0123456789"}, true},
	"bpchar":  {[]string{"a", "b", "abc", "x y", ""}, []string{"é", "abcde"}, false},
	"bytea":   {[]string{`\x`, `\x00`, `\x6162`, `\xdeadbeef`}, []string{`\xff00ff`, `\x5c`}, true},
	"date":    {[]string{"2024-01-01", "2024-02-29", "1999-12-31", "1970-01-01", "2000-01-01", "2024-12-30"}, []string{"infinity", "-infinity", "0001-01-01", "4713-01-01 BC", "5874897-12-31", "1582-10-10"}, true},
	"time":    {[]string{"00:00:00", "12:34:56.789", "23:59:59", "06:00:00"}, []string{"24:00:00", "23:59:59.999999", "00:00:00.000001"}, true},
	"timestamp": {[]string{"2024-01-01 00:00:00", "2024-02-29 12:30:45.5", "1999-12-31 23:59:59", "1970-01-01 00:00:00", "2024-03-31 02:30:00"},
		[]string{"infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "0001-01-01 00:00:00"}, true},
	"timestamptz": {[]string{"2024-01-01 00:00:00+00", "2024-02-29 12:30:45.5+05:30", "1999-12-31 23:59:59-08", "1970-01-01 00:00:00+00", "2024-07-01 00:00:00 Europe/Paris"},
		[]string{"infinity", "-infinity", "4713-01-02 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"}, true},
	"interval": {[]string{"0", "1 day", "1 mon", "-1 hour", "1 year 2 mons 3 days 04:05:06.789", "-7 days", "00:00:00.5"}, []string{"178000000 years", "-178000000 years", "1 microsecond", "1 mon -1 day", "30 days", "24:00:00"}, false},
	"uuid":     {[]string{"00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-1234-1234-123456789abc"}, nil, true},
	"_int4":    {[]string{"{}", "{1}", "{1,2,3}", "{NULL,1}", "{3,2,1,0}"}, []string{"{{1,2},{3,4}}", "[2:3]={7,8}", "{2147483647}"}, true},
	"mood":     {[]string{"sad", "ok", "happy", "so so"}, []string{"meh", ""}, true},
	"posint":   {[]string{"0", "1", "2", "5", "42", "100"}, []string{"2147483647", "-999"}, true},
	"code":     {[]string{"", "a", "b", "abc", "foo bar"}, []string{"it''s", "é"}, true},
	"pair":     {[]string{"(1,a)", "(2,b)", "(,)", "(1,)", "(2,abc)", `(3,"x y")`}, []string{`(-1,"")`, `(2147483647,"(,""\\")`}, true},
	"_mood":    {[]string{"{}", "{sad}", "{ok,happy}", "{NULL,sad}", `{"so so"}`}, []string{"{{sad,ok},{ok,sad}}", "[2:3]={ok,meh}"}, true},
	"_pair":    {[]string{"{}", `{"(1,a)"}`, `{"(1,a)",NULL}`, `{"(2,b)","(,)"}`}, []string{`[0:0]={"(1,x)"}`}, true},
	"_text":    {[]string{"{}", "{a}", "{a,b,NULL}", "{\"\",\"x y\"}"}, []string{"{{a,b},{c,d}}", "{\"NULL\",\"a\\\\b\"}"}, true},
}

// typeNames are the keys of pools, in a fixed order.
var typeNames = func() []string {
	var out []string
	for t := range pools {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}()

// sqlNames are the types whose name in a statement is not that of the catalogue.
var sqlNames = map[string]string{"_int4": "int4[]", "_text": "text[]", "bpchar": "char(5)", "varchar": "varchar(10)", "_mood": "mood[]", "_pair": "pair[]"}

func sqlName(typ string) string {
	if n, ok := sqlNames[typ]; ok {
		return n
	}
	return typ
}

// special pools are for arguments that mean something: a unit, a format, a pattern.
var special = map[string][]string{
	"unit":     {"year", "month", "day", "hour", "minute", "second", "quarter", "week", "decade", "century", "millennium", "milliseconds", "microseconds", "DAY"},
	"part":     {"year", "month", "day", "hour", "minute", "second", "quarter", "week", "decade", "century", "millennium", "milliseconds", "microseconds", "epoch", "dow", "doy", "isodow", "isoyear", "julian"},
	"numfmt":   {"999", "0009.99", "S999D9", "999,999", "FM999.99", "9.9EEEE", "RN", "PL99", "99MI", "999PR", "L99", "99V99", "00th", "B99"},
	"timefmt":  {"YYYY-MM-DD", "HH24:MI:SS", "HH12:MI AM", "Day", "FMMonth DDth", "Dy Mon", "IYYY-IW", "Q", "J", "US", "MS", "DDD", "WW W", "CC", "BC", "YYYY-MM-DD HH24:MI:SS.US", "\"q\"YY", "SSSS", "RM"},
	"datetext": {"2024-02-29", "1999-12-31", "2000-01-01"},
	"datefmt":  {"YYYY-MM-DD"},
	"pattern":  {"a", "b.*", "^a", "[a-c]+", "(a)(b)?", "o{2}", "\\d+", "x|y", "", ".", "$"},
	"flags":    {"", "g", "i", "gi"},
	"like":     {"%", "a%", "%b", "_", "%a%", "", "a_c", "\\%", "A%"},
	"coding":   {"hex", "base64", "escape"},
	"charset":  {"UTF8", "LATIN1", "SQL_ASCII"},
	"zone":     {"UTC", "Europe/Paris", "America/New_York", "+03", "Asia/Kolkata", "EST"},
	"form":     {"%s", "%s-%s", "%I", "%L", "%%", "%1$s", "x"},
	"small":    {"0", "1", "2", "3", "-1", "5"},
	"positive": {"1", "2", "3", "5", "12"},
	"year":     {"2024", "1999", "1", "-5"},
	"hour":     {"0", "5", "23"},
	"word":     {"a", "b", ",", "", "o", " ", "abc"},
	"sep":      {",", "", " ", "a"},
}

// simplest is a constant of a type, in SQL.
func simplest(typ string) string { return literal(typ, pools[typ].plain[0], 0) }

// literal writes a constant; form picks among the ways to do so.
func literal(typ, val string, form int) string {
	switch typ {
	case "bool":
		return val
	case "int4":
		if val[0] == '-' {
			return "(" + val + ")"
		}
		return val
	case "numeric":
		if _, err := strconv.ParseFloat(val, 64); err == nil && form != 0 && val[0] != '-' && val[0] != 'N' && val[0] != 'I' && slices.Contains([]byte(val), '.') {
			return val
		}
	case "text":
		if form != 0 {
			return "'" + val + "'"
		}
	}
	if form == 2 && typ[0] != '_' && typ != "bpchar" && typ != "varchar" {
		return typ + " '" + val + "'"
	}
	return "'" + val + "'::" + sqlName(typ)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// chance is true in percent of all calls.
func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// value picks a constant of a type: now and then one at the edge.
func value(r *rand.Rand, typ string, edge int) string {
	p := pools[typ]
	if len(p.edge) > 0 && chance(r, edge) {
		return pick(r, p.edge)
	}
	return pick(r, p.plain)
}
