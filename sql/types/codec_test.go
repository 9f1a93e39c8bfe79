package types

import (
	"testing"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Each text is read and written back; want is PostgreSQL 15's output, or the
// SQLSTATE it answers.
func TestTextForms(t *testing.T) {
	berlin, err := LoadTimeZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	ctx := &FormatContext{TimeZone: berlin, Now: time.Date(2024, 3, 5, 12, 30, 0, 500000000, time.UTC)}
	for _, c := range []struct{ typ, in, want string }{
		{"bool", " TrUe ", "t"}, {"bool", "of", "f"}, {"bool", "o", "22P02"},
		{"int4", " -2147483648 ", "-2147483648"}, {"int4", "2147483648", "22003"}, {"int4", "12a", "22P02"},
		{"int8", "-9223372036854775808", "-9223372036854775808"}, {"int8", "9223372036854775808", "22003"},
		{"float8", "1e15", "1e+15"}, {"float8", "123456789012345", "123456789012345"}, {"float8", "-inf", "-Infinity"},
		{"float8", "1e-400", "22003"}, {"float8", "0.1", "0.1"}, {"float4", "16777217", "1.6777216e+07"}, {"float8", "1_0", "22P02"},
		{"numeric", "1.50", "1.50"}, {"numeric", "-.5e-2", "-0.005"}, {"numeric", "1.5e3", "1500"}, {"numeric", "nan", "NaN"},
		{"numeric", "12345678901234567890.123", "12345678901234567890.123"}, {"numeric", "1e-20000", "22003"}, {"numeric", "1e999999999", "22003"},
		{"numeric(5,2)", "123.455", "123.46"}, {"numeric(5,2)", "1234.5", "22003"}, {"numeric(3,-1)", "15", "20"},
		{"varchar(3)", "abc  ", "abc"}, {"varchar(3)", "abcd", "22001"}, {"char(5)", "ab", "ab   "}, {"char(2)", "é€x", "22001"},
		{"bytea", `\x00fF`, `\x00ff`}, {"bytea", `a\\b\001`, `\x615c6201`}, {"bytea", `\x0`, "22023"}, {"bytea", `\9`, "22P02"},
		{"uuid", "{A0EEBC99-9c0b4ef8-bb6d6bb9bd380a11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {"uuid", "a0", "22P02"},
		{"date", "2024-02-30", "22008"}, {"date", "Feb 29, 2024", "2024-02-29"}, {"date", "1/8/1999", "1999-01-08"},
		{"date", "0044-03-15 BC", "0044-03-15 BC"}, {"date", "infinity", "infinity"}, {"date", "today", "2024-03-05"},
		{"date", "19990108", "1999-01-08"}, {"date", "990108", "1999-01-08"}, {"date", "J2451187", "1999-01-08"}, {"date", "nope", "22007"},
		{"timestamp", "2024-01-02 03:04:05.678900", "2024-01-02 03:04:05.6789"}, {"timestamp", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05"},
		{"timestamp(2)", "2024-01-02 03:04:05.675", "2024-01-02 03:04:05.68"}, {"timestamp", "Jan 8 04:05:06 PM 1999", "1999-01-08 16:05:06"},
		{"timestamptz", "2024-07-01 12:00", "2024-07-01 12:00:00+02"}, {"timestamptz", "2024-01-01 12:00 America/New_York", "2024-01-01 18:00:00+01"},
		{"timestamptz", "2024-03-31 02:30", "2024-03-31 03:30:00+02"}, {"timestamptz", "2024-10-27 02:30", "2024-10-27 02:30:00+01"},
		{"timestamptz", "now", "2024-03-05 13:30:00.5+01"}, {"timestamptz", "epoch", "1970-01-01 01:00:00+01"},
		{"timestamptz", "1850-01-01 00:00", "1850-01-01 00:00:00+00:53:28"}, {"timestamptz", "2024-01-01 00:00 Nowhere/Land", "22023"},
		{"time", "04:05:06.789", "04:05:06.789"}, {"time", "040506", "04:05:06"}, {"time", "4:05 PM", "16:05:00"}, {"time", "25:00", "22008"},
		{"interval", "1 year 2 mons -3 days 04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"}, {"interval", "1.5 days", "1 day 12:00:00"},
		{"interval", "P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"}, {"interval", "1 day ago", "-1 days"}, {"interval", "1-2", "1 year 2 mons"},
		{"interval", "0", "00:00:00"}, {"interval", "1 fortnight", "22007"}, {"interval day to minute", "1 2:03:04", "1 day 02:03:00"}, {"interval month", "3", "3 mons"},
		{"int4[]", "{1, 2,NULL}", "{1,2,NULL}"}, {"text[]", `{a,"b c","",NULL,"NULL","q\"x"}`, `{a,"b c","",NULL,"NULL","q\"x"}`},
		{"int4[]", "{{1,2},{3,4}}", "{{1,2},{3,4}}"}, {"int4[]", "{{1},{2,3}}", "22P02"}, {"int4[]", "[0:1]={7,8}", "[0:1]={7,8}"}, {"int4[]", "{}", "{}"},
		{"int4[]", "{1,}", "22P02"}, {"int2vector", "1 2 3", "1 2 3"}, {`"char"`, `\303`, `\303`}, {`"char"`, "xyz", "x"},
		{"oid", "4294967295", "4294967295"}, {"oid", "-1", "4294967295"}, {"regtype", "integer", "integer"}, {"xml", "<a/>", "0A000"}, {"json", "{}", "{}"}, {"jsonb", "{\"b\":1,\"a\":[]}", "{\"a\": [], \"b\": 1}"}, {"timetz", "12:00+02", "12:00:00+02"}, {"varbit", "0101", "0101"}, {"jsonpath", "$.a", "$.\"a\""},
		{"text", "a\x00", "22021"}, {"text", "\xff", "22021"},
	} {
		typ, err := ParseType(c.typ)
		if err != nil {
			t.Errorf("%s: %v", c.typ, err)
			continue
		}
		d, err := DecodeText(c.in, typ, ctx)
		if err != nil {
			if sqlerr.CodeOf(err) != c.want {
				t.Errorf("%s %q: %v, want %s", c.typ, c.in, err, c.want)
			}
			continue
		}
		if got := TextOf(d, typ, ctx); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.typ, c.in, got, c.want)
		}
		b, err := EncodeBinary(nil, d, typ, ctx)
		if err != nil {
			t.Errorf("%s %q: binary: %v", c.typ, c.in, err)
			continue
		}
		back, err := DecodeBinary(b, typ, ctx)
		if err != nil {
			t.Errorf("%s %q: binary back: %v", c.typ, c.in, err)
		} else if !Equal(d, back, typ) || TextOf(back, typ, ctx) != c.want {
			t.Errorf("%s %q: binary came back as %q", c.typ, c.in, TextOf(back, typ, ctx))
		}
	}
}

// Names are read in every spelling and written as format_type does.
func TestTypeNames(t *testing.T) {
	for _, c := range [][2]string{
		{"int", "integer"}, {"INT4", "integer"}, {"pg_catalog.int8", "bigint"}, {"character varying(10)", "character varying(10)"},
		{"varchar", "character varying"}, {"char", "character(1)"}, {"bpchar", "character"}, {`"char"`, `"char"`},
		{"numeric(10, 2)[]", "numeric(10,2)[]"}, {"decimal(5)", "numeric(5,0)"}, {"numeric(3,-2)", "numeric(3,-2)"}, {"timestamp(3) with time zone", "timestamp(3) with time zone"},
		{"timestamptz", "timestamp with time zone"}, {"double   precision", "double precision"}, {"float(20)", "real"}, {"_text", "text[]"},
		{"int[][]", "integer[]"}, {"interval day to second(3)", "interval day to second(3)"}, {"interval", "interval"}, {"text array", "text[]"},
		{"time(2)", "time(2) without time zone"},
	} {
		typ, err := ParseType(c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if typ.String() != c[1] {
			t.Errorf("%s: got %q, want %q", c[0], typ, c[1])
		}
	}
	for name, code := range map[string]string{"nosuch": "42704", "varchar(0)": "22023", "int(4)": "42601", "numeric(1001)": "22023", "": "42601", "int)": "42601"} {
		if _, err := ParseType(name); sqlerr.CodeOf(err) != code {
			t.Errorf("%q: %v, want %s", name, err, code)
		}
	}
}
