package main

import "testing"

// A small heap grows by a step between collections, a large one by itself.
func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, gcPercentMax}, {1 << 20, gcPercentMax}, {16 << 20, 400}, {32 << 20, 200}, {64 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("%d bytes kept: %d per cent, want %d", c.live, got, c.want)
		}
	}
}
