package sql

import (
	"fmt"
	"sync"
	"testing"
)

// Sessions of two gateways over one store take values at the same time, by ones
// and in bulk, with rollbacks between: no value comes twice.
func TestSequenceIsUnique(t *testing.T) {
	a, store := newTestEngine(t)
	b, err := New(Options{Store: store, Clock: a.o.Clock, NodeID: 2, Version: "test", NewRand: a.o.NewRand})
	if err != nil {
		t.Fatal(err)
	}
	a.testSession(t).must("create sequence s; create sequence c cache 10")
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 6 {
		e := a
		if i%2 == 1 {
			e = b
		}
		s := e.testSession(t)
		wg.Go(func() {
			for n := range 20 {
				size := 1 + n%2*30
				seq := []string{"s", "c"}[n%3/2]
				q := fmt.Sprintf("begin; select nextval('%s') from generate_series(1, %d); rollback", seq, size)
				w, err := s.exec(q)
				if err != nil {
					t.Errorf("%s: %v", q, err)
					return
				}
				mu.Lock()
				for _, r := range w.rows {
					if seen[seq+r[0]] {
						t.Errorf("%s gave %s twice", seq, r[0])
					}
					seen[seq+r[0]] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
