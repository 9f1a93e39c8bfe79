package tso

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// A leader that finds a stored bound gives only timestamps above it, even when
// its wall clock is an hour behind.
func TestNewLeaderStartsAboveStoredBound(t *testing.T) {
	now := time.Now()
	stored := timestamp.Make(now.UnixMilli(), 77)
	o := New(stored, now.Add(-time.Hour))
	b, due := o.NextBound(now.Add(-time.Hour), false)
	if !due {
		t.Fatal("a new oracle must ask for a bound")
	}
	if b <= stored {
		t.Fatalf("next bound %v is not above the stored one %v", b, stored)
	}
	o.Extend(b)
	ts, err := o.Grant(now.Add(-time.Hour), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ts <= stored {
		t.Fatalf("gave %v, not above the stored bound %v", ts, stored)
	}
}

// Nothing is given before a bound is stored, and nothing at or above it after.
func TestNothingBeyondTheBound(t *testing.T) {
	now := time.Now()
	o := New(0, now)
	if _, err := o.Grant(now, 1, 0); !errors.Is(err, ErrWindow) {
		t.Fatalf("without a bound: %v", err)
	}
	b, _ := o.NextBound(now, false)
	o.Extend(b)
	if _, err := o.Grant(now.Add(Window+time.Millisecond), 1, 0); !errors.Is(err, ErrWindow) {
		t.Fatalf("past the bound: %v", err)
	}
	if _, due := o.NextBound(now.Add(Window/4), false); due {
		t.Fatal("asked for a new bound too early")
	}
	if _, due := o.NextBound(now.Add(Window*3/4), false); !due {
		t.Fatal("did not ask for a new bound in time")
	}
}

// Over random steps of time, sizes, jumps ahead and changes of leader with wrong
// clocks, timestamps never repeat and never go back.
func TestTimestampsRise(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	now := time.Now()
	var stored, last timestamp.Timestamp
	o := New(stored, now)
	for i := 0; i < 20000; i++ {
		now = now.Add(time.Duration(r.IntN(20)) * time.Millisecond)
		if r.IntN(200) == 0 { // another leader, its clock off by up to an hour
			skew := time.Duration(r.IntN(7200)-3600) * time.Second
			now = now.Add(skew)
			o = New(stored, now)
		}
		if b, due := o.NextBound(now, r.IntN(2) == 0); due && r.IntN(3) > 0 {
			stored = b
			o.Extend(b)
		}
		var atLeast timestamp.Timestamp
		if r.IntN(5) == 0 {
			atLeast = last + timestamp.Timestamp(r.IntN(5))
		}
		n := uint32(r.IntN(100) + 1)
		first, err := o.Grant(now, n, atLeast)
		if errors.Is(err, ErrWindow) {
			continue
		}
		if err != nil {
			// Only a jump after a leader whose clock was ahead may be refused.
			continue
		}
		if first <= last || first <= atLeast {
			t.Fatalf("seed %d step %d: gave %v after %v (at least %v)", seed, i, first, last, atLeast)
		}
		last = first + timestamp.Timestamp(n) - 1
		if last >= stored {
			t.Fatalf("seed %d step %d: gave %v at or above the stored bound %v", seed, i, last, stored)
		}
	}
}

// A caller cannot burn the clock with an absurd lower bound.
func TestAtLeastIsBounded(t *testing.T) {
	now := time.Now()
	o := New(0, now)
	b, _ := o.NextBound(now, false)
	o.Extend(b)
	if _, err := o.Grant(now, 1, timestamp.Make(now.Add(time.Hour).UnixMilli(), 0)); err == nil || errors.Is(err, ErrWindow) {
		t.Fatalf("a jump of an hour: %v", err)
	}
}
