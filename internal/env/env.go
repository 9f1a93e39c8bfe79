// Package env holds what a component needs from the world and must be handed:
// a clock and a random source. Production code passes System(); simulations and
// tests pass their own, so that a run can be repeated from its seed. Files come
// from storage/engine's FS and the network from multiraft's Transport.
//
// This is the only package below server/ that may touch package time's clock or
// the process's random source; tests/arch checks it.
package env

import (
	"crypto/rand"
	"encoding/binary"
	mrand "math/rand/v2"
	"time"
)

// Clock tells the time and makes timers. Values of Now carry a monotonic
// reading, so differences between them are immune to steps of the wall clock.
// A Clock is safe for concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimer returns a timer that fires once, d from now.
	NewTimer(d time.Duration) Timer
	// NewTicker returns a ticker of period d, which must be positive. Ticks
	// that nobody receives are dropped, not queued. The first tick may come early: tickers
	// of the same long period tick together.
	NewTicker(d time.Duration) Ticker
}

// Timer fires once on C.
type Timer interface {
	C() <-chan time.Time
	// Stop reports whether it kept the timer from firing.
	Stop() bool
	Reset(d time.Duration)
}

// Ticker fires again and again on C until stopped.
type Ticker interface {
	C() <-chan time.Time
	Stop()
}

// Rand is a source of random numbers. It need not be safe for concurrent use:
// every component is given its own.
type Rand interface {
	Uint64() uint64
}

// Env is what a component is handed.
type Env struct {
	Clock Clock
	Rand  Rand
}

// System returns the real clock and a random source seeded by the operating
// system.
func System() Env { return Env{Clock: systemClock{}, Rand: SystemRand()} }

// SystemClock returns the machine's clock.
func SystemClock() Clock { return systemClock{} }

// SystemRand returns a new random source seeded by the operating system. The
// source is not fit for secrets: those come from crypto/rand.
func SystemRand() Rand {
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		panic("env: operating system gives no random bytes: " + err.Error())
	}
	return mrand.New(mrand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
}

// SeededRand returns a random source that repeats itself for the same seed.
func SeededRand(seed uint64) Rand { return mrand.New(mrand.NewPCG(seed, 0x9e3779b97f4a7c15)) }

// Intn returns a number in [0, n). It panics if n is not positive.
func Intn(r Rand, n int) int {
	if n <= 0 {
		panic("env: Intn of a bound that is not positive")
	}
	return int(r.Uint64() % uint64(n))
}

// Jitter returns a duration in [d/2, 3d/2).
func Jitter(r Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + time.Duration(r.Uint64()%uint64(d))
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }
func (systemClock) NewTimer(d time.Duration) Timer {
	return systemTimer{time.NewTimer(d)}
}
func (systemClock) NewTicker(d time.Duration) Ticker {
	if d >= alignFrom {
		return newAlignedTicker(d)
	}
	return systemTicker{time.NewTicker(d)}
}

type systemTimer struct{ t *time.Timer }

func (s systemTimer) C() <-chan time.Time   { return s.t.C }
func (s systemTimer) Stop() bool            { return s.t.Stop() }
func (s systemTimer) Reset(d time.Duration) { s.t.Reset(d) }

type systemTicker struct{ t *time.Ticker }

func (s systemTicker) C() <-chan time.Time { return s.t.C }
func (s systemTicker) Stop()               { s.t.Stop() }
