package env

import (
	"testing"
	"testing/synctest"
	"time"
)

// Tickers of one long period that were made at different times tick at the same
// moments, once per period, from the first period on; one that is stopped is silent.
func TestLongTickersTickTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		a := SystemClock().NewTicker(time.Second)
		time.Sleep(300 * time.Millisecond)
		b := SystemClock().NewTicker(time.Second)
		defer b.Stop()
		if first := <-a.C(); first.Sub(began) > time.Second {
			t.Fatalf("the first tick came after %v", first.Sub(began))
		} else if first.Sub(began) < 300*time.Millisecond {
			<-a.C() // b was not there yet
		}
		at := time.Now()
		for range 5 {
			if got := <-b.C(); !got.Equal(at) {
				t.Fatalf("the other ticked at %v, not at %v", got, at)
			}
			if at = <-a.C(); !at.Equal(time.Now()) {
				t.Fatalf("a tick of %v came at %v", at, time.Now())
			}
		}
		a.Stop()
		time.Sleep(3 * time.Second)
		select {
		case at := <-a.C():
			t.Fatalf("ticked at %v though stopped", at)
		default:
		}
	})
}
