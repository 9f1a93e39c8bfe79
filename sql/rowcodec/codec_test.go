package rowcodec

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

var codecTypes = []types.Type{types.Bool, types.Int2, types.Int4, types.Int8, types.Float8, types.Numeric, types.Text, types.Bytea, types.Date,
	types.Timestamptz, types.UUID, types.Oid, types.Bpchar, types.IntervalType, types.TextArray, types.Int4Array,
	types.JSONB, types.Timetz, types.Varbit}

func randomJSON(r *rand.Rand, depth int) *types.JSONNode {
	if depth > 0 && r.IntN(2) == 0 {
		n := &types.JSONNode{Kind: types.JSONArray}
		var m []types.JSONMember
		for range r.IntN(3) {
			x := randomJSON(r, depth-1)
			n.Items = append(n.Items, x)
			m = append(m, types.JSONMember{Name: []string{"", "a", "b", "aa", "\x00"}[r.IntN(5)], Value: x})
		}
		if r.IntN(2) == 0 {
			return types.NewJSONObject(m)
		}
		return n
	}
	switch k := types.JSONKind(r.IntN(5)); k {
	case types.JSONNumber:
		return &types.JSONNode{Kind: k, Num: types.NewNumericInt64(r.Int64N(40)-20, uint16(r.IntN(3)))}
	case types.JSONString:
		return &types.JSONNode{Kind: k, Str: []string{"", "a", "ab", "b", "a\x00"}[r.IntN(5)]}
	default:
		return &types.JSONNode{Kind: k}
	}
}

func randomDatum(r *rand.Rand, t types.Type) types.Datum {
	if r.IntN(5) == 0 {
		return types.Null
	}
	str := func() string {
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = "ab\x00 Zé"[r.IntN(6)]
		}
		return string(b)
	}
	switch t.OID {
	case types.OIDBool:
		return types.NewBool(r.IntN(2) == 0)
	case types.OIDFloat8:
		return types.NewFloat([]float64{0, math.Copysign(0, -1), 1.5, -2, math.Inf(1), math.Inf(-1), r.NormFloat64()}[r.IntN(7)])
	case types.OIDNumeric:
		if r.IntN(6) == 0 {
			d, err := types.DecodeText([]string{"NaN", "123456789012345678901234567890.5", "1e30", "-1e-20"}[r.IntN(4)], t, nil)
			if err != nil {
				panic(err)
			}
			return d
		}
		return types.NewNumericInt64(r.Int64N(2000)-1000, uint16(r.IntN(4)))
	case types.OIDText, types.OIDBpchar:
		return types.NewString(str())
	case types.OIDBytea:
		return types.NewBytes([]byte(str()))
	case types.OIDUUID:
		return types.NewUUID([16]byte{byte(r.IntN(256)), 1, 0, 0, 255})
	case types.OIDInterval:
		return types.NewInterval(types.Interval{Months: int32(r.IntN(9)) - 4, Days: -3, Micros: r.Int64() >> 20})
	case types.OIDTextArray, types.OIDInt4Array:
		var es []types.Datum
		for range r.IntN(4) {
			es = append(es, randomDatum(r, t.Elem()))
		}
		return types.NewArray(types.NewArrayOf(t.Elem(), es))
	case types.OIDJSONB:
		doc, err := types.EncodeJSONB(randomJSON(r, 3))
		if err != nil {
			panic(err)
		}
		return types.NewJSONB(doc)
	case types.OIDTimetz:
		return types.NewTimetz(r.Int64N(types.MicrosPerDay), r.IntN(7200)-3600)
	case types.OIDVarbit:
		b := make([]byte, r.IntN(10))
		for i := range b {
			b[i] = '0' + byte(r.IntN(2))
		}
		return types.NewBytes(b)
	case types.OIDOid:
		return types.NewInt(int64(r.Uint32()))
	}
	return types.NewInt([]int64{0, -1, 39, 40, 255, -256, 1 << 40, math.MinInt64 >> r.IntN(60)}[r.IntN(8)])
}

func randomTable(r *rand.Rand) *catalog.Table {
	t := &catalog.Table{ID: 20000, StorageID: 20000 + uint64(r.IntN(300)), Name: "t", NextColumn: 1, NextIndex: 3}
	for range 2 + r.IntN(6) {
		c := catalog.Column{ID: t.NextColumn, Name: string(rune('a' + len(t.Columns))), Type: codecTypes[r.IntN(len(codecTypes))]}
		t.NextColumn += 1 + int16(r.IntN(3)*r.IntN(20)) // gaps: dropped and hidden columns
		t.Columns = append(t.Columns, c)
	}
	t.Columns[0].Type = codecTypes[r.IntN(13)] // a type that may be in a key
	pick := func() (out []catalog.IndexColumn) {
		out = append(out, catalog.IndexColumn{Column: t.Columns[0].ID, Desc: r.IntN(2) == 0})
		for _, c := range t.Columns[1:] {
			if CheckKeyType(c.Type) == nil && r.IntN(2) == 0 {
				out = append(out, catalog.IndexColumn{Column: c.ID, Desc: r.IntN(2) == 0})
			}
		}
		return out
	}
	t.Indexes = []catalog.Index{
		{ID: 1, Number: 1, Name: "pk", Unique: true, Full: true, Columns: pick()},
		{ID: 2, Number: 2, Name: "ix", Unique: r.IntN(2) == 0, Columns: pick()},
	}
	return t
}

// TestRoundTrip: whatever a row holds, its pairs give it back, and the entry of a
// secondary index leads to the row's own key.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		tab := randomTable(r)
		pk, err := NewIndex(tab, &tab.Indexes[0])
		if err != nil {
			t.Fatal(err)
		}
		ix, err := NewIndex(tab, &tab.Indexes[1])
		if err != nil {
			t.Fatal(err)
		}
		row := make([]types.Datum, len(tab.Columns))
		for i, c := range tab.Columns {
			row[i] = randomDatum(r, c.Type)
		}
		key, unique, err := pk.Key(row)
		if err != nil {
			t.Fatal(err)
		}
		val, err := pk.Value(row, unique)
		if err != nil {
			t.Fatal(err)
		}
		f, err := pk.NewFetcher(AllColumns(tab))
		if err != nil {
			t.Fatal(err)
		}
		out := make([]types.Datum, len(row))
		if err := f.Decode(key, val, out); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, c := range tab.Columns {
			a, b := types.EncodeText(nil, row[i], c.Type, nil), types.EncodeText(nil, out[i], c.Type, nil)
			if row[i].IsNull() != out[i].IsNull() || !row[i].IsNull() && !bytes.Equal(a, b) {
				t.Fatalf("seed %d: column %d of type %v: %q came back as %q", seed, i, c.Type, a, b)
			}
		}
		ikey, iunique, err := ix.Key(row)
		if err != nil {
			t.Fatal(err)
		}
		ival, err := ix.Value(row, iunique)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ix.PrimaryKey(pk.Prefix(), ikey, ival)
		if err != nil || !bytes.Equal(back, key) {
			t.Fatalf("seed %d: entry leads to %x, not %x (%v)", seed, back, key, err)
		}
	}
}

// TestKeyOrder: keys of one index sort as their values do.
func TestKeyOrder(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		typ := codecTypes[r.IntN(13)]
		a, b := randomDatum(r, typ), randomDatum(r, typ)
		desc := r.IntN(2) == 0
		x, err := AppendKeyDatum(nil, a, typ, desc)
		if err != nil {
			t.Fatal(err)
		}
		y, err := AppendKeyDatum(nil, b, typ, desc)
		if err != nil {
			t.Fatal(err)
		}
		want := types.Compare(a, b, typ)
		if desc {
			want = -want
		}
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("seed %d, type %v desc %v: keys compare %d, values %d", seed, typ, desc, got, want)
		}
	}
}

// FuzzDecode: no bytes make the decoder panic.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	tab := randomTable(r)
	pk, err := NewIndex(tab, &tab.Indexes[0])
	if err != nil {
		f.Fatal(err)
	}
	fetch, err := pk.NewFetcher(AllColumns(tab))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("key"), []byte{1, 0x13, 2, 'a', 'b'})
	f.Add(append([]byte(nil), pk.Prefix()...), []byte{1, 0x19, 5, 25, 1, 1, 2, 2})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		out := make([]types.Datum, len(tab.Columns))
		_ = fetch.Decode(key, value, out)
		_, _ = pk.DecodeKey(key)
		_, _ = decodeArray(value)
	})
}
