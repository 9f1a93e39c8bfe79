package suspect

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// What is under way to a store ends when it is suspected, what comes later does
// not; it is waited for longer the longer the suspicion lasts, and as usual once
// the store has answered.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 5 * time.Second
		s := New(env.SystemClock())
		patience := func() time.Duration {
			_, d := s.Enter(1, most)
			return d
		}
		before, _ := s.Enter(1, most)
		other, _ := s.Enter(2, most)
		if d := patience(); d != most {
			t.Fatalf("an unsuspected store is waited for %v", d)
		}
		cause := errors.New("silent")
		s.Suspect(1, cause)
		if context.Cause(before) != cause {
			t.Errorf("a request under way ended with %v", context.Cause(before))
		}
		after, d := s.Enter(1, most)
		if after.Err() != nil || other.Err() != nil {
			t.Error("a later request ended too, or one to another store")
		}
		if d != Patience {
			t.Errorf("a fresh suspect is waited for %v", d)
		}
		time.Sleep(4 * time.Second)
		if d := patience(); d != 2*time.Second {
			t.Errorf("after 4 s a suspect is waited for %v", d)
		}
		time.Sleep(time.Hour)
		if d := patience(); d != most {
			t.Errorf("after an hour a suspect is waited for %v", d)
		}
		s.Suspect(1, cause)
		if d := patience(); after.Err() == nil || d != Patience {
			t.Errorf("suspected again: %v, waited for %v", after.Err(), d)
		}
		s.Answered(1)
		s.Answered(2)
		if d := patience(); d != most || s.suspects.Load() != 0 {
			t.Errorf("after an answer: waited for %v, %d suspects", d, s.suspects.Load())
		}
	})
}
