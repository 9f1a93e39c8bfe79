package types

import (
	"testing"
	"time"
)

// fuzzTypes are the types whose decoders are fuzzed.
var fuzzTypes = []Type{
	Bool, Int2, Int4, Int8, Float4, Float8, Numeric, Text, Bpchar, Name, Char, Bytea, Date, Time, Timestamp, Timestamptz,
	IntervalType, UUID, Oid, RegType, Int2Vector, OidVector, Int4Array, TextArray, Float8Array, NumericArray, TimestamptzArray,
	{OID: OIDNumeric, Typmod: 10<<16 | 2 + 4}, {OID: OIDVarchar, Typmod: 9}, {OID: OIDTimestamp, Typmod: 2},
}

func fuzzContext() *FormatContext {
	return &FormatContext{Now: time.Date(2024, 3, 5, 12, 30, 0, 0, time.UTC)}
}

// Whatever text a client sends: no panic, and a value that was read is read back
// from its own text and binary forms as the same value.
func FuzzText(f *testing.F) {
	for i, s := range []string{"t", "-1", "2147483647", "1e5", "NaN", "1.50", "x", "2024-02-29 10:11:12.5+02", "1 year 2 mons -3 days 04:05:06.7",
		"P1Y2M3DT4H5M6.7S", "{1,2,NULL}", `{"a b","\\",NULL}`, "[2:3]={1,2}", `\x00ff`, "infinity", "Jan 8 1999 BC", "1-2", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1 2 3", "J2451187", "now", "{{1,2},{3,4}}", "1e-300000", "0x1p-2"} {
		f.Add(uint8(i), s)
		for j := range fuzzTypes {
			f.Add(uint8(j), s)
		}
	}
	ctx := fuzzContext()
	f.Fuzz(func(t *testing.T, n uint8, s string) {
		typ := fuzzTypes[int(n)%len(fuzzTypes)]
		d, err := DecodeText(s, typ, ctx)
		if err != nil {
			return
		}
		text := TextOf(d, typ, ctx)
		back, err := DecodeText(text, typ, ctx)
		if err != nil {
			t.Fatalf("%s %q wrote %q, which does not read: %v", typ, s, text, err)
		}
		if !Equal(d, back, typ) && typ != IntervalType {
			t.Fatalf("%s %q wrote %q, which reads as %q", typ, s, text, TextOf(back, typ, ctx))
		}
		if Hash(1, d, typ) != Hash(1, back, typ) {
			t.Fatalf("%s %q: equal values, different hashes", typ, s)
		}
		b, err := EncodeBinary(nil, d, typ, ctx)
		if err != nil {
			t.Fatalf("%s %q: %v", typ, s, err)
		}
		bin, err := DecodeBinary(b, typ, ctx)
		if err != nil {
			t.Fatalf("%s %q: binary does not read: %v", typ, s, err)
		}
		if got := TextOf(bin, typ, ctx); got != text {
			t.Fatalf("%s %q: binary came back as %q, not %q", typ, s, got, text)
		}
	})
}

// Whatever bytes a client sends: no panic, no memory beyond the message's size,
// and what was read round-trips.
func FuzzBinary(f *testing.F) {
	ctx := fuzzContext()
	for i, typ := range fuzzTypes {
		for _, s := range []string{"1", "{1,2}", "1.5", "2024-01-01", "1 day"} {
			if d, err := DecodeText(s, typ, ctx); err == nil {
				b, _ := EncodeBinary(nil, d, typ, ctx)
				f.Add(uint8(i), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		typ := fuzzTypes[int(n)%len(fuzzTypes)]
		d, err := DecodeBinary(b, typ, ctx)
		if err != nil {
			return
		}
		TextOf(d, typ, ctx)
		again, err := EncodeBinary(nil, d, typ, ctx)
		if err != nil {
			t.Fatalf("%s %x: %v", typ, b, err)
		}
		back, err := DecodeBinary(again, typ, ctx)
		if err != nil || !Equal(d, back, typ) {
			t.Fatalf("%s %x: came back as %q, %v", typ, b, TextOf(back, typ, ctx), err)
		}
	})
}

func BenchmarkEncodeInt(b *testing.B) {
	var buf [32]byte
	d := NewInt(123456)
	b.ReportAllocs()
	for b.Loop() {
		EncodeText(buf[:0], d, Int4, nil)
	}
}

func BenchmarkDecodeTimestamp(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeText("2024-01-02 03:04:05.678", Timestamp, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompareNumeric(b *testing.B) {
	x, _ := ParseNumeric("123.45")
	y, _ := ParseNumeric("123.450")
	b.ReportAllocs()
	for b.Loop() {
		if Compare(x, y, Numeric) != 0 {
			b.Fatal("not equal")
		}
	}
}

func BenchmarkAddNumeric(b *testing.B) {
	x, _ := ParseNumeric("123.45")
	y, _ := ParseNumeric("1.5")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NumericAdd(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

// JSON that is read keeps its value: the text of a jsonb is the same jsonb, its
// bytes are valid, and json's own check agrees.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{"{}", "[1,2.50,-1e3]", `{"a":{"b":[null,true,"x\n\u00e9"]},"a":1}`, `"\ud83d\ude00"`, "  1 ", "[[[]]]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := DecodeText(s, JSONB, nil)
		if err != nil {
			return
		}
		if err := ValidJSONB(d.JSON()); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if err := CheckJSON(s); err != nil {
			t.Errorf("%q is jsonb but no json: %v", s, err)
		}
		text := TextOf(d, JSONB, nil)
		again, err := DecodeText(text, JSONB, nil)
		if err != nil || again.JSON() != d.JSON() {
			t.Errorf("%q prints as %q, which reads as another value (%v)", s, text, err)
		}
		if !JSONBContains(d.JSON(), d.JSON()) || Compare(d, again, JSONB) != 0 || Hash(0, d, JSONB) != Hash(0, again, JSONB) {
			t.Errorf("%q is not equal to itself", text)
		}
		if _, _, _, err := SplitJSON(s); err != nil {
			t.Errorf("split %q: %v", s, err)
		}
	})
}

// Bytes that are no jsonb are found out without a panic.
func FuzzValidJSONB(f *testing.F) {
	for _, s := range []string{`{"a":[1,null,"x"]}`, "[]", "1.5"} {
		d, _ := DecodeText(s, JSONB, nil)
		f.Add([]byte(d.Str()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if ValidJSONB(JSONDoc(b)) == nil {
			text := string(AppendJSONB(nil, JSONDoc(b)))
			if _, err := DecodeText(text, JSONB, nil); err != nil {
				t.Errorf("valid %x prints as %q: %v", b, text, err)
			}
		}
	})
}

// A timetz keeps its parts in both forms, and integers order as instants do.
func FuzzTimetz(f *testing.F) {
	f.Add(int64(0), 0, int64(MicrosPerDay), -57599)
	f.Add(int64(1), 3600, int64(3600*MicrosPerSecond), 57599)
	f.Fuzz(func(t *testing.T, m1 int64, z1 int, m2 int64, z2 int) {
		for _, v := range []int64{m1, m2} {
			if v < 0 || v > MicrosPerDay {
				return
			}
		}
		for _, z := range []int{z1, z2} {
			if z < -timetzZoneMax || z > timetzZoneMax {
				return
			}
		}
		a, b := NewTimetz(m1, z1), NewTimetz(m2, z2)
		if m, z := a.Timetz(); m != m1 || z != z1 {
			t.Fatalf("%d %d became %d %d", m1, z1, m, z)
		}
		u1, u2 := m1-int64(z1)*MicrosPerSecond, m2-int64(z2)*MicrosPerSecond
		want := cmpInt(u1, u2)
		if want == 0 {
			want = cmpInt(int64(-z1), int64(-z2))
		}
		if got := Compare(a, b, Timetz); got != want {
			t.Errorf("compare gives %d, want %d", got, want)
		}
		text := TextOf(a, Timetz, nil)
		if again, err := DecodeText(text, Timetz, nil); err != nil || again.Int() != a.Int() {
			t.Errorf("%s reads as another value (%v)", text, err)
		}
		bin, _ := EncodeBinary(nil, a, Timetz, nil)
		if again, err := DecodeBinary(bin, Timetz, nil); err != nil || again.Int() != a.Int() {
			t.Errorf("%x reads as another value (%v)", bin, err)
		}
	})
}
