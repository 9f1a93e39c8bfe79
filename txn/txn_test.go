package txn

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

func mustBegin(t testing.TB, cl *Client) *Txn {
	t.Helper()
	tx, err := cl.Begin(bg, TxnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func mustPut(t testing.TB, cl *Client, pairs ...string) {
	t.Helper()
	tx := mustBegin(t, cl)
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(bg, CommitOptions{}); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, tx *Txn, key string) string {
	t.Helper()
	v, found, err := tx.Get(bg, []byte(key))
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if !found {
		return "-"
	}
	return string(v)
}

func scan(t testing.TB, tx *Txn, opts ScanOptions) string {
	t.Helper()
	it := tx.Scan(opts)
	defer it.Close()
	var out []string
	for it.Next(bg) {
		out = append(out, string(it.Key())+"="+string(it.Value()))
	}
	if it.Err() != nil {
		t.Fatalf("scan: %v", it.Err())
	}
	return strings.Join(out, " ")
}

// A transaction sees its own writes, others see them after the commit, and one
// that began before does not.
func TestSnapshotAndOwnWrites(t *testing.T) {
	for _, cuts := range [][]string{nil, {"b", "c", "d"}} {
		withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
			mustPut(t, cl, "a", "1", "b", "2", "c", "3")
			old := mustBegin(t, cl)
			tx := mustBegin(t, cl)
			for _, err := range []error{tx.Put([]byte("b"), []byte("20")), tx.Delete([]byte("c")), tx.Put([]byte("d"), []byte("40")), tx.LockKey([]byte("a"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if got, want := scan(t, tx, ScanOptions{}), "a=1 b=20 d=40"; got != want {
				t.Errorf("own scan %q, want %q", got, want)
			}
			if got, want := scan(t, tx, ScanOptions{Reverse: true, Start: []byte("b")}), "d=40 b=20"; got != want {
				t.Errorf("own reverse scan %q, want %q", got, want)
			}
			got, err := tx.BatchGet(bg, [][]byte{[]byte("d"), []byte("c"), []byte("a"), []byte("x"), []byte("a")})
			if err != nil || string(got[0].Value) != "40" || got[1].Found || string(got[2].Value) != "1" || got[3].Found || string(got[4].Value) != "1" {
				t.Errorf("own batch get: %v, %v", got, err)
			}
			if err := tx.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			if got, want := scan(t, old, ScanOptions{}), "a=1 b=2 c=3"; got != want {
				t.Errorf("older snapshot sees %q, want %q", got, want)
			}
			if got, want := scan(t, mustBegin(t, cl), ScanOptions{}), "a=1 b=20 d=40"; got != want {
				t.Errorf("newer snapshot sees %q, want %q", got, want)
			}
			st := cl.Stats()
			if cuts == nil && (st.OnePhase != 2 || st.Async != 0) || cuts != nil && (st.OnePhase != 0 || st.Async != 2) {
				t.Errorf("wrong kind of commit: %+v", st)
			}
		})
	}
}

// The first committer wins, and the loser is told who won.
func TestLostUpdateImpossible(t *testing.T) {
	for _, cuts := range [][]string{nil, {"m"}} {
		withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
			mustPut(t, cl, "a", "1", "z", "1")
			t1, t2 := mustBegin(t, cl), mustBegin(t, cl)
			for _, tx := range []*Txn{t1, t2} {
				get(t, tx, "a")
				if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
					t.Fatal(err)
				}
			}
			if err := t2.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			err := t1.Commit(bg, CommitOptions{})
			var conflict *ConflictError
			if !errors.As(err, &conflict) || conflict.ConflictStartTS != t2.startTS || conflict.ConflictCommitTS != t2.CommitTS() || conflict.StartTS != t1.startTS {
				t.Errorf("got %v, want a conflict with %v", err, t2.startTS)
			}
			if !IsRetryable(err) {
				t.Error("a conflict can be tried again")
			}
			if cl.Stats().Conflicts != 1 {
				t.Error("conflict not counted")
			}
		})
	}
}

// LockKey conflicts like a write, in both directions.
func TestLockKeyConflicts(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1", "z", "1")
		locker, writer := mustBegin(t, cl), mustBegin(t, cl)
		if err := errors.Join(locker.LockKey([]byte("a")), writer.Put([]byte("a"), []byte("2"))); err != nil {
			t.Fatal(err)
		}
		if err := locker.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		var conflict *ConflictError
		if err := writer.Commit(bg, CommitOptions{}); !errors.As(err, &conflict) {
			t.Errorf("write of a key locked meanwhile: %v", err)
		}
		if got := get(t, mustBegin(t, cl), "a"); got != "1" {
			t.Errorf("a lock changed the value to %q", got)
		}
	})
}

// Insert answers at once in an explicit transaction, and at commit, without a
// read, in an autocommit one.
func TestInsert(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1")
		var exists *AlreadyExistsError

		tx := mustBegin(t, cl)
		if err := tx.Insert(bg, []byte("a"), []byte("2")); !errors.As(err, &exists) || string(exists.Value) != "1" {
			t.Errorf("explicit insert over a row: %v", err)
		}
		if err := tx.InsertBatch(bg, []KeyValue{{[]byte("b"), []byte("1")}, {[]byte("c"), nil}, {[]byte("b"), []byte("2")}}); !errors.As(err, &exists) {
			t.Errorf("insert of a key twice: %v", err)
		}
		if tx.HasWrites() {
			t.Error("a failed batch left writes")
		}
		// Deleted by the transaction itself: free again.
		if err := errors.Join(tx.Delete([]byte("a")), tx.Insert(bg, []byte("a"), []byte("3"))); err != nil {
			t.Errorf("insert after delete: %v", err)
		}
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}

		auto, err := cl.Begin(bg, TxnOptions{Autocommit: true})
		if err != nil {
			t.Fatal(err)
		}
		sent := c.sent.Load()
		if err := auto.Insert(bg, []byte("a"), []byte("4")); err != nil || c.sent.Load() != sent {
			t.Errorf("autocommit insert asked a region: %v", err)
		}
		if err := auto.Commit(bg, CommitOptions{}); !errors.As(err, &exists) || string(exists.Value) != "3" {
			t.Errorf("commit of an autocommit insert over a row: %v", err)
		}
		if c.sent.Load() != sent+1 {
			t.Errorf("autocommit insert took %d requests, want 1", c.sent.Load()-sent)
		}

		// Inserted and deleted again: still must not have existed.
		for key, want := range map[string]bool{"a": false, "new": true} {
			auto, _ := cl.Begin(bg, TxnOptions{Autocommit: true})
			if err := errors.Join(auto.Insert(bg, []byte(key), nil), auto.Delete([]byte(key))); err != nil {
				t.Fatal(err)
			}
			err := auto.Commit(bg, CommitOptions{})
			if want && err != nil || !want && !errors.As(err, &exists) {
				t.Errorf("insert and delete of %s: %v", key, err)
			}
		}
	})
}

func TestSavepoints(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1")
		tx := mustBegin(t, cl)
		put := func(k, v string) {
			if err := tx.Put([]byte(k), []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		put("a", "2")
		s1 := tx.Savepoint()
		put("a", "3")
		put("b", "1")
		s2 := tx.Savepoint()
		put("b", "2")
		put("b", "3")
		if err := tx.Delete([]byte("a")); err != nil {
			t.Fatal(err)
		}
		if err := tx.RollbackTo(s2); err != nil {
			t.Fatal(err)
		}
		if got, want := scan(t, tx, ScanOptions{}), "a=3 b=1"; got != want {
			t.Errorf("after the inner rollback %q, want %q", got, want)
		}
		put("b", "4")
		if err := tx.RollbackTo(s2); err != nil {
			t.Fatal("a savepoint survives a rollback to it:", err)
		}
		if err := tx.RollbackTo(s1); err != nil {
			t.Fatal(err)
		}
		if got, want := scan(t, tx, ScanOptions{}), "a=2"; got != want {
			t.Errorf("after the outer rollback %q, want %q", got, want)
		}
		if err := tx.RollbackTo(s2); !errors.Is(err, ErrNoSavepoint) {
			t.Errorf("savepoint that was rolled over: %v", err)
		}
		put("z", "9")
		if err := tx.Release(s1); err != nil {
			t.Fatal(err)
		}
		if err := tx.RollbackTo(s1); !errors.Is(err, ErrNoSavepoint) {
			t.Errorf("released savepoint: %v", err)
		}
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		if got, want := scan(t, mustBegin(t, cl), ScanOptions{}), "a=2 z=9"; got != want {
			t.Errorf("committed %q, want %q", got, want)
		}
	})
}

// A scan does not see what is written while it runs.
func TestScanIsStableUnderWrites(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1", "c", "1")
		tx := mustBegin(t, cl)
		if err := errors.Join(tx.Put([]byte("b"), []byte("1")), tx.Put([]byte("e"), []byte("1"))); err != nil {
			t.Fatal(err)
		}
		it := tx.Scan(ScanOptions{})
		defer it.Close()
		var got []string
		for it.Next(bg) {
			got = append(got, string(it.Key())+"="+string(it.Value()))
			// The update moves every row behind the scan: it must not be met again.
			next := append(append([]byte(nil), it.Key()...), 'x')
			if err := errors.Join(tx.Put(next, []byte("2")), tx.Put([]byte("b"), []byte("changed")), tx.Put([]byte("d"), []byte("new")),
				tx.Put([]byte("e"), []byte("changed")), tx.Delete(it.Key())); err != nil {
				t.Fatal(err)
			}
		}
		if s := strings.Join(got, " "); s != "a=1 b=1 c=1 e=1" {
			t.Errorf("got %q", s)
		}
	})
}

func TestLimitsAndStates(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.close()
		cl := c.client(func(o *Options) { o.BufferBytesMax = 1000 })
		tx := mustBegin(t, cl)
		var large *TooLargeError
		if err := tx.Put([]byte("a"), make([]byte, 1000)); !errors.As(err, &large) || !strings.Contains(err.Error(), "transaction is too large") {
			t.Errorf("large transaction: %v", err)
		}
		if err := tx.Put([]byte("a"), make([]byte, entryBytesMax)); !errors.As(err, &large) || large.Key == nil {
			t.Errorf("large value: %v", err)
		}
		for i := range 1000 { // overwriting does not add up
			if err := tx.Put([]byte("a"), make([]byte, 100+i%2)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Rollback(bg); err != nil {
			t.Fatal(err)
		}
		if err := tx.Put([]byte("a"), nil); !errors.Is(err, ErrFinished) {
			t.Errorf("after rollback: %v", err)
		}
		if _, _, err := tx.Get(bg, []byte("a")); !errors.Is(err, ErrFinished) {
			t.Errorf("after rollback: %v", err)
		}
		ro, _ := cl.Begin(bg, TxnOptions{ReadOnly: true})
		if err := ro.Put([]byte("a"), nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("write in a read-only transaction: %v", err)
		}
		late := mustBegin(t, cl)
		if err := late.Put([]byte("a"), nil); err != nil {
			t.Fatal(err)
		}
		closeClient(t, cl)
		if err := late.Commit(bg, CommitOptions{}); !errors.Is(err, ErrClosed) {
			t.Errorf("commit after close: %v", err)
		}
	})
}

// A read-only transaction can read the past and not the future.
func TestSetReadTS(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1")
		past, _ := cl.Timestamp(bg)
		mustPut(t, cl, "a", "2")
		tx, _ := cl.Begin(bg, TxnOptions{ReadOnly: true})
		if err := tx.SetReadTS(bg, past); err != nil {
			t.Fatal(err)
		}
		if got := get(t, tx, "a"); got != "1" {
			t.Errorf("read %q in the past, want 1", got)
		}
		if err := tx.SetReadTS(bg, tx.startTS+1000); err == nil {
			t.Error("read in the future was accepted")
		}
	})
}
