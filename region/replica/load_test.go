package replica

import (
	"fmt"
	"testing"
	"time"
)

func point(key string, write bool) KeySpan {
	return KeySpan{Start: []byte(key), Last: []byte(key), Write: write}
}

func (l *Load) note(s KeySpan) {
	if place, keep := l.Count(s.Write); keep {
		l.Remember(place, s)
	}
}

// A split key cuts the requests into about halves; there is none if that does not help,
// or if it makes transactions of one region into such of two.
func TestLoadSplitKey(t *testing.T) {
	even := func(i int) KeySpan { return point(fmt.Sprintf("k%02d", i*100/loadSamples), i%2 == 0) }
	for _, tc := range []struct {
		name     string
		span     func(i int) KeySpan
		min, max string // of the key; empty: none
	}{
		{"evenly spread", even, "k45", "k55"},
		{"most at the end", func(i int) KeySpan {
			if i%4 == 0 {
				return even(i)
			}
			return point(fmt.Sprintf("y%03d", i), false)
		}, "y000", "y099"},
		{"one key takes all", func(int) KeySpan { return point("k", true) }, "", ""},
		{"one key takes most", func(i int) KeySpan {
			if i%10 == 0 {
				return even(i)
			}
			return point("k50", false)
		}, "", ""},
		{"two keys", func(i int) KeySpan { return point([]string{"a", "b"}[i%2], true) }, "b", "b"},
		{"scans of everything", func(int) KeySpan { return KeySpan{Start: []byte("a"), End: []byte("z")} }, "", ""},
		{"short scans", func(i int) KeySpan {
			s := even(i)
			s.End = append(append([]byte(nil), s.Start...), 'x')
			return s
		}, "k45", "k55"},
		{"transactions over all of it", func(i int) KeySpan {
			if i%5 > 0 {
				return point(string(even(i).Start), false)
			}
			return KeySpan{Start: []byte("k00"), Last: []byte("k99"), Write: true}
		}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l Load
			for i := range loadSamples {
				l.note(tc.span(i))
			}
			key := string(l.SplitKey([]byte("a")))
			if tc.min == "" && key != "" || key < tc.min || key > tc.max {
				t.Errorf("split at %q, not in [%q, %q]", key, tc.min, tc.max)
			}
			if again := l.SplitKey([]byte("a")); again != nil {
				t.Errorf("the sample was kept: %q", again)
			}
		})
	}
}

// The sample is of all requests of its time, not of the first or the last: after ten
// times as many the middle is still found.
func TestLoadSampleIsOfAll(t *testing.T) {
	var l Load
	const n = 50 * loadSamples
	for i := range n {
		l.note(point(fmt.Sprintf("k%03d", i*1000/n), false)) // a walk through the keys
	}
	if key := string(l.SplitKey(nil)); key < "k350" || key > "k650" {
		t.Errorf("split at %q", key)
	}
}

// A region is busy since the first of the seconds in which more requests came than it
// may get; one that was calm ends it. Rates are told in steps.
func TestLoadLook(t *testing.T) {
	var l Load
	now := time.Unix(1000, 0)
	second := func(requests int) (since time.Time, changed, any bool) {
		for range requests {
			l.note(point("k", true))
		}
		now = now.Add(time.Second)
		return l.Look(now, 100)
	}
	second(10)
	if since, _, any := second(50); !since.IsZero() || !any {
		t.Errorf("busy since %v with 50 requests a second, any %v", since, any)
	}
	second(101)
	begun := now
	for range 20 {
		if since, _, _ := second(200); !since.Equal(begun) {
			t.Fatalf("busy since %v, not %v", since, begun)
		}
	}
	if r, w := l.Rates(); r != 0 || w != 128 {
		t.Errorf("rates %d, %d with 200 writes a second", r, w)
	}
	if _, changed, _ := second(201); changed {
		t.Error("the same rate is told again")
	}
	if since, _, _ := second(99); !since.IsZero() {
		t.Errorf("busy since %v after a calm second", since)
	}
	for range 30 {
		second(0)
	}
	if r, w := l.Rates(); r != 0 || w != 0 {
		t.Errorf("rates %d, %d at rest", r, w)
	}
	if _, _, any := second(0); any {
		t.Error("a region at rest is looked at again")
	}
}
