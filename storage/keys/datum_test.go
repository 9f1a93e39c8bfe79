package keys

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/apd/v3"
)

func dec(t testing.TB, s string) *apd.Decimal {
	t.Helper()
	d, _, err := apd.NewFromString(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var decimalsAscending = []string{
	"-Infinity", "-1e100000", "-123456789012345678901234567890", "-1000", "-999.9", "-999", "-100.5",
	"-100", "-99", "-12.3", "-12.29", "-10", "-9.99", "-1.5", "-1.05", "-1", "-0.99", "-0.1", "-0.011", "-0.01",
	"-0.0099", "-1e-50", "0", "1e-50", "0.0099", "0.01", "0.011", "0.1", "0.11", "0.99", "1", "1.001", "1.01", "1.05", "1.1",
	"1.5", "9.99", "10", "12.29", "12.3", "99", "100", "100.5", "101", "999", "999.9", "1000", "123456789012345678901234567890",
	"1e100000", "Infinity", "NaN",
}

// ascending lists, for every type, encodings in the order of their SQL values.
func ascending(t testing.TB, d Direction) map[string][][]byte {
	out := map[string][][]byte{}
	add := func(name string, b []byte) { out[name] = append(out[name], b) }
	add("bool", AppendBool(nil, d, false))
	add("bool", AppendBool(nil, d, true))
	for _, v := range []int64{
		math.MinInt64, math.MinInt64 + 1, -1 << 56, -1<<56 + 1, -65537, -65536, -65535, -257, -256, -255, -2, -1, 0, 1,
		intInlineMax - 1, intInlineMax, intInlineMax + 1, 255, 256, 65535, 65536, 1<<56 - 1, 1 << 56, math.MaxInt64 - 1, math.MaxInt64,
	} {
		add("int", AppendInt(nil, d, v))
	}
	for _, v := range []float64{
		math.Inf(-1), -math.MaxFloat64, -1.5, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 1.5,
		math.MaxFloat64, math.Inf(1), math.NaN(),
	} {
		add("float", AppendFloat(nil, d, v))
	}
	for _, v := range decimalsAscending {
		add("decimal", AppendDecimal(nil, d, dec(t, v)))
	}
	for _, v := range []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xfe", "\xff", "\xff\x00", "\xff\xff"} {
		add("string", AppendString(nil, d, v))
		add("bytes", AppendBytes(nil, d, []byte(v)))
	}
	for name := range out {
		add(name, AppendNull(nil, d))
	}
	return out
}

// The bytewise order of encodings is PostgreSQL's order of the values, with NULL
// last; descending is the reverse. No encoding is a prefix of another.
func TestDatumOrder(t *testing.T) {
	for _, d := range []Direction{Ascending, Descending} {
		for name, list := range ascending(t, d) {
			for i := range list {
				for j := range list {
					got, want := bytes.Compare(list[i], list[j]), 0
					if i < j {
						want = -1
					} else if i > j {
						want = 1
					}
					if d == Descending {
						want = -want
					}
					if got != want {
						t.Errorf("%s desc=%v: values %d and %d: %x against %x = %d, want %d", name, d, i, j, list[i], list[j], got, want)
					}
					if i != j && bytes.HasPrefix(list[i], list[j]) {
						t.Errorf("%s: %x is a prefix of %x", name, list[j], list[i])
					}
				}
				if rest, err := SkipDatum(append(bytes.Clone(list[i]), 'x')); err != nil || string(rest) != "x" {
					t.Errorf("%s: skip %x: rest %q, err %v", name, list[i], rest, err)
				}
			}
		}
	}
}

// Values come back, of either direction, and what follows is left over.
func TestDatumRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		d := Direction(i%2 == 1)
		v := int64(rnd.Uint64()) >> rnd.IntN(64)
		rest, gotInt, err := DecodeInt(append(AppendInt(nil, d, v), 'x'))
		if err != nil || gotInt != v || string(rest) != "x" {
			t.Fatalf("int %d: %d, rest %q, err %v", v, gotInt, rest, err)
		}
		f := math.Float64frombits(rnd.Uint64())
		rest, gotFloat, err := DecodeFloat(append(AppendFloat(nil, d, f), 'x'))
		if err != nil || (gotFloat != f && f == f) || (f != f && gotFloat == gotFloat) || string(rest) != "x" {
			t.Fatalf("float %v: %v, rest %q, err %v", f, gotFloat, rest, err)
		}
		s := make([]byte, rnd.IntN(12))
		for j := range s {
			s[j] = []byte{0, 1, 'a', 0xfe, 0xff}[rnd.IntN(5)]
		}
		rest, gotString, err := DecodeString(append(AppendString(nil, d, string(s)), 'x'))
		if err != nil || gotString != string(s) || string(rest) != "x" {
			t.Fatalf("string %q: %q, rest %q, err %v", s, gotString, rest, err)
		}
		a := apd.New(int64(rnd.Uint64())>>rnd.IntN(64), int32(rnd.IntN(40)-20))
		b := apd.New(int64(rnd.Uint64())>>rnd.IntN(64), int32(rnd.IntN(40)-20))
		ea, eb := AppendDecimal(nil, d, a), AppendDecimal(nil, d, b)
		rest, gotDec, err := DecodeDecimal(append(bytes.Clone(ea), 'x'))
		if err != nil || gotDec.Cmp(a) != 0 || string(rest) != "x" {
			t.Fatalf("decimal %v: %v, rest %q, err %v", a, gotDec, rest, err)
		}
		want := a.Cmp(b)
		if d == Descending {
			want = -want
		}
		if got := bytes.Compare(ea, eb); got != want {
			t.Fatalf("decimals %v and %v: %d, want %d", a, b, got, want)
		}
	}
}

// Values that SQL calls equal have one encoding.
func TestDatumEqualValuesEncodeEqually(t *testing.T) {
	for _, list := range [][]string{{"1", "1.0", "1.000", "10e-1"}, {"100", "1e2", "100.00"}, {"0", "0.00", "-0", "0e10"}, {"-1.5", "-1.50"}} {
		for _, s := range list {
			if a, b := AppendDecimal(nil, Ascending, dec(t, list[0])), AppendDecimal(nil, Ascending, dec(t, s)); !bytes.Equal(a, b) {
				t.Errorf("%s and %s: %x and %x", list[0], s, a, b)
			}
		}
	}
	if a, b := AppendFloat(nil, Ascending, 0), AppendFloat(nil, Ascending, math.Copysign(0, -1)); !bytes.Equal(a, b) {
		t.Errorf("zero and negative zero: %x and %x", a, b)
	}
	if a, b := AppendFloat(nil, Ascending, math.NaN()), AppendFloat(nil, Ascending, math.Float64frombits(0xfff8000000000001)); !bytes.Equal(a, b) {
		t.Errorf("two NaNs: %x and %x", a, b)
	}
}

func FuzzDatumStringOrder(f *testing.F) {
	f.Add([]byte("a\x00"), []byte("a"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		want := bytes.Compare(a, b)
		if got := bytes.Compare(AppendBytes(nil, Ascending, a), AppendBytes(nil, Ascending, b)); got != want {
			t.Fatalf("ascending %q, %q: %d, want %d", a, b, got, want)
		}
		if got := bytes.Compare(AppendBytes(nil, Descending, a), AppendBytes(nil, Descending, b)); got != -want {
			t.Fatalf("descending %q, %q: %d, want %d", a, b, got, -want)
		}
	})
}

// Arbitrary bytes are an error or a value that encodes to the same bytes again.
func FuzzDecodeDatum(f *testing.F) {
	for _, d := range []Direction{Ascending, Descending} {
		for _, list := range ascending(f, d) {
			for _, b := range list {
				f.Add(b)
			}
		}
	}
	f.Add([]byte{tagDecPos, 0x10, 101, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		typ, d := PeekDatum(b)
		var rest, again []byte
		var err error
		switch typ {
		case DatumNull:
			rest, again = b[1:], AppendNull(nil, d)
		case DatumBool:
			var v bool
			rest, v, err = DecodeBool(b)
			again = AppendBool(nil, d, v)
		case DatumInt:
			var v int64
			rest, v, err = DecodeInt(b)
			again = AppendInt(nil, d, v)
		case DatumFloat:
			var v float64
			rest, v, err = DecodeFloat(b)
			again = AppendFloat(nil, d, v)
		case DatumDecimal:
			var v *apd.Decimal
			rest, v, err = DecodeDecimal(b)
			if err == nil {
				again = AppendDecimal(nil, d, v)
			}
		case DatumBytes:
			var v []byte
			rest, v, err = DecodeBytes(b)
			again = AppendBytes(nil, d, v)
		case DatumString:
			var v string
			rest, v, err = DecodeString(b)
			again = AppendString(nil, d, v)
		default:
			err = ErrMalformed
		}
		skipped, serr := SkipDatum(b)
		if err != nil {
			return
		}
		if serr != nil || !bytes.Equal(skipped, rest) {
			t.Fatalf("%x: skip leaves %x (%v), decode %x", b, skipped, serr, rest)
		}
		if used := b[:len(b)-len(rest)]; !bytes.Equal(used, again) {
			t.Fatalf("%x (%v) encodes as %x", used, typ, again)
		}
	})
}

func FuzzPrettyNeverFails(f *testing.F) {
	f.Add([]byte("t\x35\x01\x10"))
	f.Add([]byte(DataVersion(User("t\x35"), 5)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if User(b).String() == "" || Encoded(b).String() == "" || FormatLog(b) == "" {
			t.Fatalf("%x prints as nothing", b)
		}
	})
}
