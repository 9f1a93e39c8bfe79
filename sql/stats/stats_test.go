package stats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quorate-db/quorate/sql/types"
)

// sampleOf shows rows of one int column to a sampler.
func sampleOf(t *testing.T, n int, f func(i int) types.Datum) *Column {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	s := NewSampler([]types.Type{types.Int4}, func(n int64) int64 { return r.Int64N(n) })
	for i := range n {
		s.Add([]types.Datum{f(i)})
	}
	if s.Seen() != int64(n) {
		t.Fatalf("%d of %d rows seen", s.Seen(), n)
	}
	return s.Finish(0, float64(n))
}

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance*want }

// A sample of a tenth of the rows tells the shapes of columns apart.
func TestColumns(t *testing.T) {
	const rows = 10 * SampleRows
	unique := sampleOf(t, rows, func(i int) types.Datum { return types.NewInt(int64(i)) })
	if unique.Distinct != -1 || len(unique.Common) != 0 || len(unique.Bounds) != buckets+1 || unique.Correlation < 0.99 {
		t.Errorf("unique: distinct %v, %d common, %d bounds, correlation %v", unique.Distinct, len(unique.Common), len(unique.Bounds), unique.Correlation)
	}
	if s := unique.Below(types.NewInt(rows/4), false); !near(s, 0.25, 0.05) {
		t.Errorf("a quarter is below a quarter, not %v", s)
	}
	if s := unique.Equal(types.NewInt(77), rows); !near(s, 1.0/rows, 0.01) {
		t.Errorf("one value of a unique column is a share of %v", s)
	}
	few := sampleOf(t, rows, func(i int) types.Datum {
		if i%4 == 0 {
			return types.Null
		}
		return types.NewInt(int64(i % 10 / 5)) // 0 and 1
	})
	if few.Distinct != 2 || len(few.Common) != 2 || !near(few.NullFrac, 0.25, 0.05) {
		t.Errorf("few: distinct %v, %d common, %v NULLs", few.Distinct, len(few.Common), few.NullFrac)
	}
	if s := few.Equal(types.NewInt(9), rows); s > 2.0/rows {
		t.Errorf("a value that is not there is a share of %v", s)
	}
	many := sampleOf(t, rows, func(i int) types.Datum { return types.NewInt(int64(i*2654435761) % 5000) })
	if d := many.DistinctOf(rows); !near(d, 5000, 0.1) {
		t.Errorf("%v distinct values, want 5000", d)
	}
}

// Wide rows are sampled too, in bounded memory.
func TestSampleIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := NewSampler([]types.Type{types.Text}, func(n int64) int64 { return r.Int64N(n) })
	wide := types.NewString(string(make([]byte, 10_000)))
	for range 2 * SampleRows {
		s.Add([]types.Datum{wide})
	}
	if s.size > sampleBytes || len(s.rows) < 1000 {
		t.Errorf("%d rows of %d bytes are kept", len(s.rows), s.size)
	}
}

// What is stored reads back.
func TestCodec(t *testing.T) {
	c := sampleOf(t, 1000, func(i int) types.Datum { return types.NewInt(int64(i % 300)) })
	b, err := Encode(&Table{Rows: 1000, At: time.Unix(5, 0).UTC(), Columns: map[int16]*Column{1: c, 2: c}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b, func(id int16) (types.Type, bool) { return types.Int4, id == 1 })
	if err != nil {
		t.Fatal(err)
	}
	g := got.Column(1)
	if got.Rows != 1000 || !got.At.Equal(time.Unix(5, 0)) || got.Column(2) != nil || g == nil {
		t.Fatalf("read %+v", got)
	}
	if len(g.Common) != len(c.Common) || len(g.Bounds) != len(c.Bounds) || g.Distinct != c.Distinct || g.Below(types.NewInt(100), true) != c.Below(types.NewInt(100), true) {
		t.Errorf("read %+v, wrote %+v", g, c)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := Encode(&Table{Rows: 3, Columns: map[int16]*Column{1: {Type: types.Int4, Common: []types.Datum{types.NewInt(4)}, Freqs: []float64{1}}}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := Decode(b, func(int16) (types.Type, bool) { return types.Int4, true }); err == nil && x == nil {
			t.Error("neither statistics nor an error")
		}
	})
}
