package txn

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// A transaction does not grow with the savepoints that it has set and released, or
// rolled back to, inside of another one.
func TestSavepointsAreBounded(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		tx := mustBegin(t, cl)
		outer := tx.Savepoint()
		var first int64
		for i := range 10_000 {
			inner := tx.Savepoint()
			for _, k := range []string{"a", "b"} {
				if err := tx.Put([]byte(k), fmt.Append(nil, 1_000_000+i)); err != nil {
					t.Fatal(err)
				}
			}
			if i%3 == 0 {
				if err := tx.RollbackTo(inner); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Release(inner); err != nil {
				t.Fatal(err)
			}
			if i == 9 {
				first = tx.BufferedBytes()
			}
		}
		if got := tx.BufferedBytes(); got > first {
			t.Errorf("%d bytes after ten savepoints, %d after ten thousand", first, got)
		}
		if err := tx.RollbackTo(outer); err != nil {
			t.Fatal(err)
		}
		if tx.HasWrites() {
			t.Error("the outer savepoint did not undo what was written within released ones")
		}
		_ = tx.Rollback(bg)
	})
}

// A thousand savepoints inside each other, released and rolled back at random, against
// copies of a map.
func TestNestedSavepointsAgainstModel(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		rng := seededRand(t, rand.Uint64())
		tx := mustBegin(t, cl)
		type level struct {
			sp    Savepoint
			state map[string]string
		}
		now := map[string]string{}
		var stack []level
		deepest := 0
		for i := range 20_000 {
			switch n := rng.IntN(100); {
			case n < 40 && len(stack) < 1000, i < 1000:
				stack = append(stack, level{tx.Savepoint(), maps.Clone(now)})
				deepest = max(deepest, len(stack))
			case n < 43 && len(stack) > 0:
				at := len(stack) - 1 - rng.IntN(min(len(stack), 50))
				if err := tx.RollbackTo(stack[at].sp); err != nil {
					t.Fatal(err)
				}
				now, stack = maps.Clone(stack[at].state), stack[:at+1]
			case n < 70 && len(stack) > 0:
				at := len(stack) - 1 - rng.IntN(min(len(stack), 3))
				if err := tx.Release(stack[at].sp); err != nil {
					t.Fatal(err)
				}
				stack = stack[:at]
			default:
				k, v := fmt.Sprint(rng.IntN(20)), fmt.Sprint(i)
				if rng.IntN(4) == 0 {
					delete(now, k)
					if err := tx.Delete([]byte(k)); err != nil {
						t.Fatal(err)
					}
					break
				}
				now[k] = v
				if err := tx.Put([]byte(k), []byte(v)); err != nil {
					t.Fatal(err)
				}
			}
			if i%100 == 0 {
				if got := bufferedMap(t, tx); !maps.Equal(got, now) {
					t.Fatalf("step %d: %v, want %v", i, got, now)
				}
			}
		}
		if deepest < 1000 {
			t.Errorf("at most %d savepoints", deepest)
		}
		_ = tx.Rollback(bg)
	})
}

func bufferedMap(t *testing.T, tx *Txn) map[string]string {
	t.Helper()
	out := map[string]string{}
	it := tx.Scan(ScanOptions{})
	defer it.Close()
	for it.Next(bg) {
		out[string(it.Key())] = string(it.Value())
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return out
}
