package replica

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// KeySpan is the keys that a request touches: from Start up to End, or without an End
// those from Start to Last.
type KeySpan struct {
	Start, Last, End []byte
	Write            bool
}

// endsBefore reports whether the span lies below key.
func (s KeySpan) endsBefore(key []byte) bool {
	if len(s.End) > 0 {
		return bytes.Compare(s.End, key) <= 0
	}
	return bytes.Compare(s.Last, key) < 0
}

// loadSamples is how many requests are remembered, of all since the sample began: enough
// to find the middle to within a tenth.
const loadSamples = 128

// Load counts the requests that come to a replica and remembers a random few of them. It
// is the store's, which looks at it now and then; Count and Remember may be called by
// anybody. The zero value is ready.
type Load struct {
	reads, writes atomic.Uint64
	// noted counts the requests of the sample's time.
	noted atomic.Uint64

	mu struct {
		sync.Mutex
		sample [loadSamples]KeySpan
	}

	// What follows is the watcher's alone.
	lastReads, lastWrites uint64
	readRate, writeRate   float64 // per second, smoothed
	busySince             time.Time
	at                    time.Time
	// rates are the two as last told, see Rates.
	rates atomic.Uint64
}

// Count counts a request. With keep set, Remember is to be called for it with place.
func (l *Load) Count(write bool) (place int, keep bool) {
	if write {
		l.writes.Add(1)
	} else {
		l.reads.Add(1)
	}
	n := l.noted.Add(1)
	i := n - 1
	if n > loadSamples {
		// Each request stays in the sample with the same chance, and few take the lock.
		i = mix(n) % n
	}
	return int(i), i < loadSamples
}

// Remember puts a copy of a request's keys into the sample.
func (l *Load) Remember(place int, s KeySpan) {
	s.Start, s.Last, s.End = bytes.Clone(s.Start), bytes.Clone(s.Last), bytes.Clone(s.End)
	l.mu.Lock()
	l.mu.sample[place] = s
	l.mu.Unlock()
}

// mix scatters a counter (SplitMix64, Steele et al. 2014).
func mix(n uint64) uint64 {
	n *= 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// rateDecay is what a second counts for in a smoothed rate.
const rateDecay = 0.25

// Look takes the time since the last look into account: it returns since when more than
// most requests a second have come without a break (zero: they do not), whether the
// rates as Rates tells them have changed, and whether any request came. Called by one
// goroutine.
func (l *Load) Look(now time.Time, most float64) (busySince time.Time, changed, any bool) {
	reads, writes := l.reads.Load(), l.writes.Load()
	dr, dw := float64(reads-l.lastReads), float64(writes-l.lastWrites)
	seconds := now.Sub(l.at).Seconds()
	if l.at.IsZero() || seconds > 5 {
		seconds = 1 // since nobody knows when
	}
	if seconds <= 0 {
		return l.busySince, false, true
	}
	l.lastReads, l.lastWrites, l.at = reads, writes, now
	weight := min(1, rateDecay*seconds)
	l.readRate += weight * (dr/seconds - l.readRate)
	l.writeRate += weight * (dw/seconds - l.writeRate)
	switch busy := (dr+dw)/seconds > most; {
	case !busy:
		l.forget()
	case l.busySince.IsZero():
		l.forget()
		l.busySince = now
	}
	any = dr+dw > 0 || l.readRate+l.writeRate >= rateLeast
	told := pack(step(l.readRate), step(l.writeRate))
	return l.busySince, l.rates.Swap(told) != told, any
}

// forget begins a new sample.
func (l *Load) forget() {
	l.busySince = time.Time{}
	l.noted.Store(0)
}

// rateLeast is the least rate that is told: below it a region is at rest.
const rateLeast = 16

// step rounds a rate down to a power of two, so that it is told again only when it has
// doubled or halved.
func step(rate float64) uint32 {
	n := uint32(rateLeast)
	if rate < rateLeast {
		return 0
	}
	for rate >= 2*float64(n) && n < 1<<30 {
		n *= 2
	}
	return n
}

func pack(reads, writes uint32) uint64 { return uint64(reads)<<32 | uint64(writes) }

// Rates are about how many requests a second come, rounded down to powers of two; below
// 16 they are 0.
func (l *Load) Rates() (reads, writes uint32) {
	v := l.rates.Load()
	return uint32(v >> 32), uint32(v)
}

const (
	// loadPartMax is the share of the requests that the busier part may keep, together
	// with those that go to both: else a split helps little.
	loadPartMax = 0.67
	// loadCutMax is the share of the writes that a split may cut in two: what was
	// committed in one phase is committed by locks afterwards.
	loadCutMax = 0.1
)

// SplitKey returns a key that cuts the requests of the sample into about halves, or nil
// if there is none: one key takes most of them, or most go to both sides. Called by the
// goroutine that calls Look; a new sample begins.
func (l *Load) SplitKey(start []byte) []byte {
	n := min(l.noted.Load(), loadSamples)
	l.mu.Lock()
	spans := slices.Clone(l.mu.sample[:n])
	l.mu.Unlock()
	l.forget()
	if n < loadSamples {
		return nil
	}
	return splitKey(spans, start)
}

func splitKey(spans []KeySpan, start []byte) []byte {
	writes := 0
	var tries [][]byte
	for _, s := range spans {
		if s.Write {
			writes++
		}
		if bytes.Compare(s.Start, start) > 0 {
			tries = append(tries, s.Start)
		}
	}
	slices.SortFunc(tries, bytes.Compare)
	tries = slices.CompactFunc(tries, bytes.Equal)
	var best []byte
	least := loadPartMax * float64(len(spans))
	for _, key := range tries {
		left, right, both, cut := 0, 0, 0, 0
		for _, s := range spans {
			switch {
			case s.endsBefore(key):
				left++
			case bytes.Compare(s.Start, key) >= 0:
				right++
			default:
				both++
				if s.Write {
					cut++
				}
			}
		}
		if part := float64(max(left, right) + both); part <= least && float64(cut) <= loadCutMax*float64(writes) {
			best, least = key, part
		}
	}
	return best
}
