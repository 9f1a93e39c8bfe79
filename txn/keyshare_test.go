package txn

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// keyShareShapes put the row "m" into the only region, or into one of several.
var keyShareShapes = map[string][]string{"one region": nil, "several": {"b", "w"}}

// eachLevel runs f on each shape and at each level.
func eachLevel(t *testing.T, f func(t *testing.T, c *cluster, cl *Client, l Isolation)) {
	for name, cuts := range keyShareShapes {
		for _, l := range []Isolation{ReadCommitted, RepeatableRead, Serializable} {
			t.Run(fmt.Sprint(name, l), func(t *testing.T) {
				withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) { f(t, c, cl, l) })
			})
		}
	}
}

func beginAt(t *testing.T, cl *Client, o TxnOptions) *Txn {
	t.Helper()
	tx, err := cl.Begin(bg, o)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// refers locks the key of "m" and writes a row that refers to it into another region.
func refers(t *testing.T, tx *Txn) {
	t.Helper()
	got, err := tx.LockKeys(bg, [][]byte{[]byte("m")}, LockNoWait)
	if err != nil || !got[0].Locked {
		t.Fatalf("lock the key: %v, %v", got, err)
	}
	puts(t, tx, fmt.Sprint("a", tx.startTS), "m")
}

// Rows that refer to another one come side by side with changes of that one which leave
// its key: nobody waits and nobody fails, in any order, at any level, whether the change
// has locked the row or is a statement of its own.
func TestKeySharesBesideUpdates(t *testing.T) {
	eachLevel(t, func(t *testing.T, c *cluster, cl *Client, l Isolation) {
		mustPut(t, cl, "m", "0")
		ends := func(order ...*Txn) {
			t.Helper()
			for i, tx := range order {
				if err := tx.Commit(bg, CommitOptions{}); err != nil {
					t.Errorf("number %d of %d: %v", i+1, len(order), err)
				}
			}
		}
		update := func(tx *Txn) *Txn {
			t.Helper()
			if tx.Locking() {
				if _, err := tx.LockRows(bg, [][]byte{[]byte("m")}, LockNoKeyUpdate, LockNoWait); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Update([]byte("m"), fmt.Append(nil, tx.startTS)); err != nil {
				t.Fatal(err)
			}
			return tx
		}
		for _, auto := range []bool{false, true} {
			for order := range 3 {
				child, other := beginAt(t, cl, TxnOptions{Isolation: l}), beginAt(t, cl, TxnOptions{Isolation: l})
				parent := beginAt(t, cl, TxnOptions{Isolation: l, Autocommit: auto})
				refers(t, child)
				switch order {
				case 0: // it changes under the locks
					refers(t, other)
					ends(update(parent), child, other)
				case 1: // it has changed since the snapshot of the second
					ends(update(parent))
					refers(t, other)
					ends(other, child)
				case 2: // it is about to change
					update(parent)
					refers(t, other)
					ends(child, parent, other)
				}
			}
		}
	})
}

// Changes of the key, and what was read of other columns at SERIALIZABLE, do count.
func TestKeySharesBesideKeyChanges(t *testing.T) {
	eachLevel(t, func(t *testing.T, c *cluster, cl *Client, l Isolation) {
		var conflict *ConflictError
		var changed *ChangedError
		locks := func(tx *Txn, m LockMode) error {
			_, err := tx.LockRows(bg, [][]byte{[]byte("m")}, m, LockNoWait)
			return err
		}
		late := func(change func(tx *Txn) error) error {
			t.Helper()
			mustPut(t, cl, "m", "0")
			child := beginAt(t, cl, TxnOptions{Isolation: l})
			tx := mustBegin(t, cl)
			if err := errors.Join(change(tx), tx.Commit(bg, CommitOptions{})); err != nil {
				t.Fatal(err)
			}
			if tx = mustBegin(t, cl); errors.Join(tx.Update([]byte("m"), []byte("2")), tx.Commit(bg, CommitOptions{})) != nil {
				t.Fatal("update")
			}
			defer func() { _ = child.Rollback(bg) }()
			return locks(child, LockKeyShare)
		}
		if err := late(func(tx *Txn) error { return tx.Update([]byte("m"), []byte("1")) }); err != nil {
			t.Errorf("the key stayed: %v", err)
		}
		// A change of the key below one that leaves it.
		if err := late(func(tx *Txn) error { return tx.Put([]byte("m"), []byte("1")) }); !errors.As(err, &changed) && !errors.As(err, &conflict) {
			t.Errorf("the key changed: %v", err)
		}
		// A write that was deleted and put again, or inserted, is no change of other columns.
		if err := late(func(tx *Txn) error {
			return errors.Join(tx.Delete([]byte("m")), tx.Update([]byte("m"), []byte("1")))
		}); !errors.As(err, &changed) && !errors.As(err, &conflict) {
			t.Errorf("the row went and came: %v", err)
		}

		// The value of a row is used, which only LockKeys does not do.
		mustPut(t, cl, "m", "0")
		tx := beginAt(t, cl, TxnOptions{Isolation: l})
		if err := locks(tx, LockKeyShare); err != nil {
			t.Fatal(err)
		}
		other := beginAt(t, cl, TxnOptions{Isolation: l})
		if err := errors.Join(other.Update([]byte("m"), []byte("1")), other.Commit(bg, CommitOptions{})); err != nil {
			t.Fatal(err)
		}
		puts(t, tx, "a", "0")
		if err := tx.Commit(bg, CommitOptions{}); (l == Serializable) != errors.As(err, &conflict) {
			t.Errorf("an old value was used: %v", err)
		}

		// A write under KEY SHARE alone is no right to overwrite what was never seen.
		tx = beginAt(t, cl, TxnOptions{Isolation: l})
		get(t, tx, "m")
		other = beginAt(t, cl, TxnOptions{Isolation: l})
		if err := errors.Join(other.Update([]byte("m"), []byte("2")), other.Commit(bg, CommitOptions{})); err != nil {
			t.Fatal(err)
		}
		if err := locks(tx, LockKeyShare); err != nil {
			t.Fatal(err)
		}
		if err := tx.Update([]byte("m"), []byte("3")); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(bg, CommitOptions{}); !errors.As(err, &conflict) {
			t.Errorf("a lost update: %v", err)
		}
	})
}

// Who takes the key of a row away without having locked it first is told that others
// have referred to it since his snapshot; who changes other columns is not concerned.
func TestUnlockedKeyChangesSeeTraces(t *testing.T) {
	eachLevel(t, func(t *testing.T, c *cluster, cl *Client, l Isolation) {
		mustPut(t, cl, "m", "0")
		for name, change := range map[string]func(*Txn) error{
			"deleted": func(tx *Txn) error { return tx.Delete([]byte("m")) },
			"key":     func(tx *Txn) error { return tx.Put([]byte("m"), []byte("1")) },
			"":        func(tx *Txn) error { return tx.Update([]byte("m"), []byte("1")) },
		} {
			tx := beginAt(t, cl, TxnOptions{Isolation: l, Autocommit: true})
			child := beginAt(t, cl, TxnOptions{Isolation: l})
			refers(t, child)
			if err := child.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			var conflict *ConflictError
			err := errors.Join(change(tx), tx.Commit(bg, CommitOptions{}))
			if (name != "") != errors.As(err, &conflict) || name == "" && err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

// KEY SHARE was lost, somebody took the row away, and it came back: making the lock
// stronger tells so.
func TestLostKeyShareTakenAgain(t *testing.T) {
	withCluster(t, []string{"b"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "m", "0")
		tx := mustBegin(t, cl)
		lockRow(t, tx, "m", LockKeyShare)
		c.loseLocks()
		mustPut(t, cl, "m", "1") // a key, as far as it tells
		err := tx.NewReadSnapshot(bg)
		if err == nil {
			_, err = tx.LockRows(bg, [][]byte{[]byte("m")}, LockNoKeyUpdate, LockNoWait)
		}
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			t.Errorf("the row changed under its lock: %v", err)
		}
		_ = tx.Rollback(bg)
	})
}

// SERIALIZABLE: that a row to be locked is not there was read too. Each looks for the row
// that the other one makes.
func TestLocksOfAbsentRowsAreReads(t *testing.T) {
	for name, cuts := range serialShapes {
		t.Run(name, func(t *testing.T) {
			withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				t1, t2 := begin2(t, cl)
				for tx, key := range map[*Txn]string{t1: "a", t2: "z"} {
					got, err := tx.LockRows(bg, [][]byte{[]byte(key)}, LockUpdate, LockBlock)
					if err != nil || got[0].Locked {
						t.Fatal(got, err)
					}
				}
				puts(t, t1, "z", "2", "h1", "2")
				puts(t, t2, "a", "2", "h2", "2")
				time.Sleep(time.Second)
				oneCommits(t, t1, t2)
			})
		})
	}
}
