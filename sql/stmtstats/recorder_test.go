package stmtstats

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1_700_000_000, 0)

func text(s string) func() string { return func() string { return s } }

// TestRecord proves that runs of one statement add up, and that a user's are told
// from another's.
func TestRecord(t *testing.T) {
	r := New(0, epoch)
	k := Key{"ann", 1}
	r.Record(k, text("select $1"), Observation{Took: 3 * time.Millisecond, Rows: 2, Retries: 1}, epoch)
	r.Record(k, func() string { t.Error("the text of a known statement was asked for"); return "" }, Observation{Took: time.Millisecond, Rows: 1}, epoch.Add(time.Second))
	r.Record(k, nil, Observation{Took: 5 * time.Millisecond, Failed: true}, epoch)
	r.Record(Key{"bob", 1}, text("select $1"), Observation{Took: time.Second}, epoch)
	list := r.List()
	if len(list) != 2 || list[0].User != "bob" {
		t.Fatalf("not two statements, bob's first: %+v", list)
	}
	s := list[1]
	if s.Calls != 2 || s.Errors != 1 || s.Rows != 3 || s.Retries != 1 || s.Total != 9*time.Millisecond || s.Min != time.Millisecond ||
		s.Max != 5*time.Millisecond || s.Mean() != 3*time.Millisecond || !s.Last.Equal(epoch.Add(time.Second)) || s.Durations.Count() != 3 || s.Text != "select $1" {
		t.Errorf("wrong sums: %+v", s)
	}
	other := s
	s.Merge(&other)
	if s.Calls != 4 || s.Errors != 2 || s.Min != time.Millisecond || s.Durations.Count() != 6 || s.Total != 18*time.Millisecond {
		t.Errorf("wrong merge: %+v", s)
	}
	r.Reset(epoch.Add(time.Minute))
	if left := r.List(); len(left) != 0 {
		t.Errorf("left after a reset: %+v", left)
	}
	if got := r.Totals(); got.Calls != 3 || got.Errors != 1 || got.Retries != 1 {
		t.Errorf("totals do not go on: %+v", got)
	}
}

// TestBounded proves that memory is bounded and that statements which are called
// often outlive those that came once.
func TestBounded(t *testing.T) {
	r := New(100, epoch)
	hot := Key{"u", 1 << 40}
	for i := range 5000 {
		now := epoch.Add(time.Duration(i) * time.Second)
		r.Record(hot, text("hot"), Observation{Took: time.Microsecond}, now)
		r.Record(Key{"u", uint64(i)}, text("cold"), Observation{Took: time.Microsecond}, now)
	}
	list := r.List()
	if len(list) > 100 {
		t.Errorf("%d statements, at most 100", len(list))
	}
	if list[0].Key != hot || list[0].Calls != 5000 {
		t.Errorf("the statement that was called most is gone: %+v", list[0])
	}
	if _, dropped := r.Since(); int(dropped)+len(list) != 5001 {
		t.Errorf("%d kept and %d dropped of 5001", len(list), dropped)
	}
}

// TestQuantile proves the histogram's error bound against sorted samples.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.SliceOfN(rapid.Int64Range(1, 2_000_000_000), 1, 200).Draw(t, "us")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		var h Histogram
		for _, u := range us {
			h.Add(time.Duration(u) * time.Microsecond)
		}
		slices.Sort(us)
		at := int(q*float64(len(us))+0.999999) - 1
		want := float64(us[max(min(at, len(us)-1), 0)])
		got := float64(h.Quantile(q)) / 1000
		if got < want/1.26-1 || got > want*1.26+1 {
			t.Fatalf("quantile %v of %v: %v µs, exactly %v µs", q, us, got, want)
		}
	})
}

// TestBuckets proves that buckets tile the durations in order.
func TestBuckets(t *testing.T) {
	last := -1
	for us := int64(1); us < 1<<33; us += 1 + us/64 {
		b := bucketOf(time.Duration(us) * time.Microsecond)
		if b < last || b < buckets-1 && (float64(us) < lower(b) || float64(us) >= lower(b+1)) {
			t.Fatalf("%d µs in bucket %d (%v to %v), the one before in %d", us, b, lower(b), lower(b+1), last)
		}
		last = b
	}
	var h, before Histogram
	h.Add(time.Millisecond)
	before = h
	h.Add(time.Second)
	diff := h.Since(&before)
	if diff.Count() != 1 || diff.Below(500*time.Millisecond) != 0 || h.Below(500*time.Millisecond) != 1 {
		t.Errorf("the difference of two looks is wrong: %d", diff.Count())
	}
}

// TestConcurrent proves that nothing is lost between sessions; run it with -race.
func TestConcurrent(t *testing.T) {
	r := New(50, epoch)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				n := rand.Uint64N(80)
				r.Record(Key{"u", n}, text(fmt.Sprint(n)), Observation{Took: time.Microsecond}, epoch)
			}
		})
	}
	wg.Wait()
	if got := r.Totals().Calls; got != 16000 {
		t.Errorf("%d calls counted of 16000", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := New(0, epoch)
	b.ReportAllocs()
	for b.Loop() {
		r.Record(Key{"u", 7}, text("x"), Observation{Took: 50 * time.Microsecond}, epoch)
	}
}
