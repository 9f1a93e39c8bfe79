package txn

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quorate-db/quorate/region/locktable"
)

// loseLocks forgets all row locks, as the crash of the leaders does.
func (c *cluster) loseLocks() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = locktable.New(5 * time.Second)
}

// lockRow locks a row in a transaction of its own snapshot.
func lockRow(t *testing.T, tx *Txn, key string, mode LockMode) {
	t.Helper()
	if err := tx.NewReadSnapshot(bg); err != nil {
		t.Fatal(err)
	}
	got, err := tx.LockRows(bg, [][]byte{[]byte(key)}, mode, LockNoWait)
	if err != nil || !got[0].Locked {
		t.Fatalf("lock %s: %v, %v", key, got, err)
	}
}

// Two transactions that lock a row in modes that exclude each other do not both commit,
// although the lock of the first is lost with its leader before the second takes its
// own: whichever commits last is told. In modes that go together both commit. So with
// every pair of modes, of transactions that write the row, another one in the same
// region or in another, or nothing.
func TestLostLocksAreNoticed(t *testing.T) {
	const row = "m"
	modes := []LockMode{LockKeyShare, LockShare, LockNoKeyUpdate, LockUpdate}
	works := map[string]func(tx *Txn) error{
		"nothing":            func(*Txn) error { return nil },
		"in the same region": func(tx *Txn) error { return tx.Put(fmt.Append(nil, "n", tx.startTS), []byte("x")) },
		"in another":         func(tx *Txn) error { return tx.Put(fmt.Append(nil, "a", tx.startTS), []byte("x")) },
		"in two regions more": func(tx *Txn) error {
			return errors.Join(tx.Put(fmt.Append(nil, "a", tx.startTS), nil), tx.Put(fmt.Append(nil, "x", tx.startTS), nil))
		},
		"the row": func(tx *Txn) error {
			if tx.locks.mode([]byte(row)) == LockNoKeyUpdate {
				return tx.Update([]byte(row), []byte("changed"))
			}
			return tx.Put([]byte(row), []byte("changed"))
		},
	}
	for _, async := range []int{0, -1} {
		for _, first := range modes {
			for _, second := range modes {
				for name1, work1 := range works {
					for name2, work2 := range works {
						writes1, writes2 := name1 == "the row", name2 == "the row"
						if writes1 && first < LockNoKeyUpdate || writes2 && second < LockNoKeyUpdate {
							continue // they would lock it more strongly
						}
						exclude := first+second > LockUpdate
						for _, order := range []string{"first", "second"} {
							inBubble(t, func(t *testing.T) {
								c := newCluster(t, "b", "w")
								c.asyncKeysMax = async
								defer c.close()
								cl := c.client(nil)
								defer closeClient(t, cl)
								mustPut(t, cl, row, "0")
								t1 := mustBegin(t, cl)
								lockRow(t, t1, row, first)
								if exclude {
									c.loseLocks()
								}
								t2 := mustBegin(t, cl)
								lockRow(t, t2, row, second)
								for _, err := range []error{work1(t1), work2(t2)} {
									if err != nil {
										t.Fatal(err)
									}
								}
								var err1, err2 error
								if order == "first" {
									err1 = t1.Commit(bg, CommitOptions{})
									err2 = t2.Commit(bg, CommitOptions{})
								} else {
									err2 = t2.Commit(bg, CommitOptions{})
									err1 = t1.Commit(bg, CommitOptions{})
								}
								what := fmt.Sprintf("async %d: %v writes %s, then %v writes %s, the %s commits first: %v, %v", async, first, name1, second, name2, order, err1, err2)
								// A transaction that only looked and committed before the other one
								// was before it.
								looked := order == "first" && name1 == "nothing" || order == "second" && name2 == "nothing"
								switch {
								case exclude && err1 == nil && err2 == nil && !looked:
									t.Errorf("both committed: %s", what)
								case !exclude && (err1 != nil || err2 != nil):
									t.Errorf("one did not commit: %s", what)
								}
							})
						}
					}
				}
			}
		}
	}
}

// A lock that is lost and taken again, in a stronger mode, has not been held all the
// while. One that was shared with others, who are done, has.
func TestLostLockTakenAgain(t *testing.T) {
	withCluster(t, []string{"b"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "m", "0")
		t1, t2 := mustBegin(t, cl), mustBegin(t, cl)
		lockRow(t, t1, "m", LockShare)
		lockRow(t, t2, "m", LockShare)
		if err := errors.Join(t2.Put([]byte("n"), nil), t2.Commit(bg, CommitOptions{})); err != nil {
			t.Fatal(err)
		}
		lockRow(t, t1, "m", LockUpdate)
		if err := errors.Join(t1.Put([]byte("m"), []byte("1")), t1.Commit(bg, CommitOptions{})); err != nil {
			t.Errorf("the other one only shared the row: %v", err)
		}

		t3 := mustBegin(t, cl)
		lockRow(t, t3, "m", LockShare)
		c.loseLocks()
		mustPut(t, cl, "m", "2")
		err := t3.NewReadSnapshot(bg)
		if err == nil {
			_, err = t3.LockRows(bg, [][]byte{[]byte("m")}, LockUpdate, LockNoWait)
		}
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			t.Errorf("the row changed under its lock: %v", err)
		}
		_ = t3.Rollback(bg)
	})
}

// Many that share a row one after the other leave one trace of it.
func TestTracesDoNotPileUp(t *testing.T) {
	withCluster(t, []string{"b"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "m", "0")
		for i := range 20 {
			tx := mustBegin(t, cl)
			lockRow(t, tx, "m", []LockMode{LockKeyShare, LockShare}[i%2])
			if err := tx.Put(fmt.Append(nil, []string{"n", "a"}[i/2%2], i), []byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctestWait()
		if n := c.versionsOf("m"); n != 2 {
			t.Errorf("%d versions of the row, want its value and one trace", n)
		}
	})
}

// LockSome takes the first rows that are free, beside those that the transaction has, in
// the order given, from region to region, and keeps nothing of the others.
func TestLockSome(t *testing.T) {
	for name, cuts := range serialShapes {
		t.Run(name, func(t *testing.T) {
			withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				var rows [][]byte
				for _, k := range []string{"a", "b", "d", "e", "n", "o", "p"} {
					mustPut(t, cl, k, "0")
					rows = append(rows, []byte(k))
				}
				other, tx := mustBegin(t, cl), beginAt(t, cl, TxnOptions{Isolation: ReadCommitted})
				lockRow(t, other, "a", LockUpdate)
				lockRow(t, other, "e", LockUpdate)
				lockRow(t, tx, "d", LockUpdate)
				gone := mustBegin(t, cl)
				if err := errors.Join(gone.Delete([]byte("b")), gone.Commit(bg, CommitOptions{})); err != nil {
					t.Fatal(err)
				}
				some := func(most int) (got string) {
					t.Helper()
					list, err := tx.LockSome(bg, rows, LockUpdate, most)
					if err != nil {
						t.Fatal(err)
					}
					for i, r := range list {
						if r.Locked {
							got += string(rows[i])
						}
					}
					return got
				}
				if got := some(1); got != "d" {
					t.Errorf("locked %q, want the one that it has", got)
				}
				if got := some(2); got != "dn" {
					t.Errorf("locked %q, want that and the first free one", got)
				}
				if n := tx.locks.len(); n != 2 {
					t.Errorf("%d locks are kept in mind, want two", n)
				}
				lockRow(t, other, "o", LockUpdate)
				if got := some(9); got != "dnp" {
					t.Errorf("locked %q, want all that is free", got)
				}
				_, _ = tx.Rollback(bg), other.Rollback(bg)
			})
		})
	}
}
