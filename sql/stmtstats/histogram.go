package stmtstats

import (
	"math"
	"math/bits"
	"time"
)

// A histogram's buckets are the powers of two of microseconds, each cut in four:
// a quantile is known to a quarter of its size at worst.
const (
	quarters = 4
	powers   = 31 // up to 2^31 µs, about 36 minutes; what is longer is counted there
	buckets  = powers * quarters
)

// Histogram counts durations. It is a value: copies are independent.
type Histogram [buckets]uint64

// bucketOf is the bucket of a duration.
func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 1))
	power := bits.Len64(us) - 1
	quarter := 0
	if power >= 2 {
		quarter = int(us>>(power-2)) & (quarters - 1)
	} else {
		quarter = int(us<<(2-power)) & (quarters - 1)
	}
	return min(power*quarters+quarter, buckets-1)
}

// lower is where a bucket begins, in microseconds.
func lower(b int) float64 {
	return math.Exp2(float64(b/quarters)) * (1 + float64(b%quarters)/quarters)
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) { h[bucketOf(d)]++ }

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i := range h {
		h[i] += o[i]
	}
}

// Since is what was counted after an earlier copy was taken.
func (h *Histogram) Since(earlier *Histogram) Histogram {
	out := *h
	for i := range out {
		out[i] -= min(out[i], earlier[i])
	}
	return out
}

// Count is how many durations were counted.
func (h *Histogram) Count() uint64 {
	n := uint64(0)
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile is the duration that the share q of all stayed under, taken as spread
// evenly over their bucket; 0 if nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	rest := q * float64(h.Count())
	for b, c := range h {
		if c == 0 {
			continue
		}
		if rest <= float64(c) {
			from, to := lower(b), lower(b+1)
			return time.Duration((from + (to-from)*rest/float64(c)) * float64(time.Microsecond))
		}
		rest -= float64(c)
	}
	return 0
}

// Below counts the durations that are certainly below d: d is rounded down to
// where a bucket begins.
func (h *Histogram) Below(d time.Duration) uint64 {
	n := uint64(0)
	for b := range bucketOf(d) {
		n += h[b]
	}
	return n
}
