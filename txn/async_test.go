package txn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// prewrites reports whether a request locks key.
func prewrites(req *kvpb.Request, key string) bool {
	for _, m := range req.GetPrewrite().GetMutations() {
		if string(m.GetKey()) == key {
			return true
		}
	}
	return false
}

// atPrewrite returns a hook that does something the first time that key is to be
// locked, or was locked.
func atPrewrite(key string, at phase, then func() fault) hookFunc {
	var done atomic.Bool
	return func(p phase, _ uint64, req *kvpb.Request) fault {
		if p != at || !prewrites(req, key) || !done.CompareAndSwap(false, true) {
			return none
		}
		return then()
	}
}

func puts(t testing.TB, tx *Txn, kv ...string) {
	t.Helper()
	for i := 0; i < len(kv); i += 2 {
		if err := tx.Put([]byte(kv[i]), []byte(kv[i+1])); err != nil {
			t.Fatal(err)
		}
	}
}

func noLocks(t *testing.T, c *cluster) {
	t.Helper()
	synctestWait()
	if n := c.locks(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func onlyAsync(t *testing.T, cl *Client, n uint64) {
	t.Helper()
	if s := cl.Stats(); s.Async != n || s.TwoPhase != 0 {
		t.Errorf("%d async commits and %d in two phases, want %d and none", s.Async, s.TwoPhase, n)
	}
}

// The commit is answered when the locks stand: no commit request, no second timestamp
// comes before the answer.
func TestAsyncAnswersAfterTheLocks(t *testing.T) {
	withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
		release := make(chan struct{})
		var sent sync.Map
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if p == before {
				n, _ := sent.LoadOrStore(kindOf(req), new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			}
			if kindOf(req) == "commit" {
				<-release
			}
			return none
		})
		tx := mustBegin(t, cl)
		puts(t, tx, "a", "1", "h", "1", "z", "1")
		calls := c.tso.calls.Load()
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		if n, _ := sent.Load("prewrite"); n.(*atomic.Int64).Load() != 3 || c.tso.calls.Load()-calls != 1 {
			t.Errorf("%d prewrites, %d timestamps", n.(*atomic.Int64).Load(), c.tso.calls.Load()-calls)
		}
		// The next transaction of anybody sees it, though no record is written.
		other := c.client(nil)
		defer closeClient(t, other)
		next := mustBegin(t, other)
		if got := scan(t, next, ScanOptions{}); got != "a=1 h=1 z=1" || next.startTS < tx.CommitTS() {
			t.Errorf("next transaction, from %s, sees %q of %s", next.startTS, got, tx.CommitTS())
		}
		close(release)
		onlyAsync(t, cl, 1)
		noLocks(t, c)
	})
}

// A read that was served before the lock came lies below the commit, whichever of the
// keys it was: the locks promise it.
func TestAsyncCommitsAboveReads(t *testing.T) {
	for _, key := range []string{"a", "h", "z"} {
		withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
			other := c.client(nil)
			defer closeClient(t, other)
			var reader *Txn
			c.setHook(atPrewrite(key, before, func() fault {
				// The other keys' floor is drawn already.
				reader = mustBegin(t, other)
				if got := get(t, reader, key); got != "-" {
					t.Errorf("reader sees %q", got)
				}
				return none
			}))
			tx := mustBegin(t, cl)
			puts(t, tx, "a", "1", "h", "1", "z", "1")
			if err := tx.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			if tx.CommitTS() <= reader.startTS {
				t.Errorf("committed at %s, the read was at %s", tx.CommitTS(), reader.startTS)
			}
			if got := scan(t, reader, ScanOptions{}); got != "" {
				t.Errorf("the snapshot has changed to %q", got)
			}
			onlyAsync(t, cl, 1)
		})
	}
}

// A reader that meets a lock while another key is not locked yet passes without
// waiting: what is missing will come above it. With the primary missing too.
func TestAsyncReaderPassesWhileLocksAreMissing(t *testing.T) {
	for _, missing := range []string{"a", "h", "z"} {
		withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
			mustPut(t, cl, "a", "0", "h", "0", "z", "0")
			synctestWait()
			other := c.client(nil)
			defer closeClient(t, other)
			goOn := make(chan struct{})
			c.setHook(atPrewrite(missing, before, func() fault { <-goOn; return none }))
			tx := mustBegin(t, cl)
			puts(t, tx, "a", "1", "h", "1", "z", "1")
			done := make(chan error)
			go func() { done <- tx.Commit(bg, CommitOptions{}) }()
			time.Sleep(time.Second) // the others are locked
			if n := c.locks(); n != 2 {
				t.Errorf("%d locks stand", n)
			}
			reader := mustBegin(t, other)
			began := time.Now()
			if got := scan(t, reader, ScanOptions{}); got != "a=0 h=0 z=0" {
				t.Errorf("reader sees %q", got)
			}
			if d := time.Since(began); d > 10*time.Millisecond {
				t.Errorf("reader waited %v", d)
			}
			close(goOn)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if tx.CommitTS() <= reader.startTS {
				t.Errorf("committed at %s, the read was at %s", tx.CommitTS(), reader.startTS)
			}
			if got := scan(t, reader, ScanOptions{Reverse: true}); got != "z=0 h=0 a=0" {
				t.Errorf("the snapshot has changed to %q", got)
			}
		})
	}
}

// All locks stand and the coordinator has not heard of it: whoever comes finds the
// transaction committed, at the same timestamp that the coordinator reports later.
func TestAsyncCommittedByOthers(t *testing.T) {
	for _, writer := range []bool{false, true} {
		withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
			other := c.client(nil)
			defer closeClient(t, other)
			goOn := make(chan struct{})
			c.setHook(atPrewrite("h", after, func() fault { <-goOn; return lose }))
			tx := mustBegin(t, cl)
			puts(t, tx, "a", "1", "h", "1", "z", "1")
			done := make(chan error)
			go func() { done <- tx.Commit(bg, CommitOptions{}) }()
			time.Sleep(time.Second)
			if n := c.locks(); n != 3 {
				t.Errorf("%d locks stand", n)
			}
			began := time.Now()
			want := "a=1 h=1 z=1"
			if writer {
				mustPut(t, other, "z", "2", "a", "2")
				want = "a=2 h=1 z=2"
			}
			reader := mustBegin(t, other)
			if got := scan(t, reader, ScanOptions{}); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
			if d := time.Since(began); d > 100*time.Millisecond {
				t.Errorf("waited %v for a transaction that is committed", d)
			}
			close(goOn)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			got, err := other.Begin(bg, TxnOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			for ts, want := range map[timestamp.Timestamp]string{tx.CommitTS() - 1: "-", tx.CommitTS(): "1"} {
				if err := got.SetReadTS(bg, ts); err != nil {
					t.Fatal(err)
				}
				if v := get(t, got, "h"); v != want {
					t.Errorf("at %s, reported was %s: %q, want %q", ts, tx.CommitTS(), v, want)
				}
			}
			noLocks(t, c)
		})
	}
}

// The coordinator dies with any set of its locks written. Whoever comes next, reader or
// writer, from either end, sees all if all stand and else nothing, and in the end
// nothing is locked.
func TestAsyncCoordinatorCrash(t *testing.T) {
	for _, locked := range []string{"", "a", "h", "z", "ah", "az", "hz", "ahz"} {
		for _, reverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", locked, reverse), func(t *testing.T) { asyncCrash(t, locked, reverse) })
		}
	}
}

func asyncCrash(t *testing.T, locked string, reverse bool) {
	withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, other *Client) {
		mustPut(t, other, "a", "1", "h", "1", "z", "1")
		synctestWait()
		cl := c.client(nil)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		tx := mustBegin(t, cl)
		puts(t, tx, "a", "2", "h", "2", "z", "2")
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if muts := req.GetPrewrite().GetMutations(); p == before && len(muts) == 1 && strings.Contains(locked, string(muts[0].GetKey())) {
				return none
			}
			return lose
		})
		err := tx.Commit(ctx, CommitOptions{})
		crash(cl)
		var unknown *UnknownOutcomeError
		if !errors.As(err, &unknown) {
			t.Errorf("nobody could be asked, the commit said %v", err)
		}
		if n := c.locks(); n != len(locked) {
			t.Errorf("%d locks stand, want those on %q", n, locked)
		}
		c.setHook(nil)
		want := "a=1 h=1 z=1"
		if locked == "ahz" {
			want = "a=2 h=2 z=2"
		}
		if reverse {
			want = reversed(want)
		}
		reader := mustBegin(t, other)
		if got := scan(t, reader, ScanOptions{Reverse: reverse}); got != want {
			t.Errorf("next reader sees %q, want %q", got, want)
		}
		if err := other.RunAutocommit(bg, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
			puts(t, tx, "a", "3", "h", "3", "z", "3")
			return nil
		}); err != nil {
			t.Errorf("next writer: %v", err)
		}
		if got := scan(t, mustBegin(t, other), ScanOptions{}); got != "a=3 h=3 z=3" {
			t.Errorf("next writer left %q", got)
		}
		if got := scan(t, reader, ScanOptions{Reverse: reverse}); got != want {
			t.Errorf("snapshot changed to %q, want %q", got, want)
		}
		noLocks(t, c)
	})
}

// A prewrite that comes after somebody has given the transaction up is refused, and the
// transaction says that it did not commit. While its locks live nobody gives it up.
func TestAsyncLatePrewriteIsRefused(t *testing.T) {
	for _, late := range []string{"a", "z"} {
		withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
			mustPut(t, cl, "a", "1", "z", "1")
			synctestWait()
			other := c.client(nil)
			defer closeClient(t, other)
			c.setHook(atPrewrite(late, before, func() fault { time.Sleep(10 * time.Second); return none }))
			// The coordinator gives no sign of life meanwhile.
			tx := mustBegin(t, cl)
			puts(t, tx, "a", "2", "z", "2")
			done := make(chan error)
			go func() { done <- tx.Commit(bg, CommitOptions{}) }()
			time.Sleep(100 * time.Millisecond)
			hook := c.hook.Load()
			c.setHook(func(p phase, s uint64, req *kvpb.Request) fault {
				if kindOf(req) == "heartbeat" {
					return lose
				}
				return (*hook)(p, s, req)
			})
			stood := map[string]string{"a": "z", "z": "a"}[late]
			began := time.Now()
			mustPut(t, other, stood, "3")
			if d := time.Since(began); d < defaultLockTTL-2*time.Second || d > defaultLockTTL+time.Second {
				t.Errorf("writer waited %v for a lock that lives %v", d, defaultLockTTL)
			}
			var aborted *AbortedError
			if err := <-done; !errors.As(err, &aborted) {
				t.Errorf("late commit: %v", err)
			}
			want := map[string]string{"a": "a=1 z=3", "z": "a=3 z=1"}[late]
			if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
			noLocks(t, c)
		})
	}
}

// A coordinator that lives is waited for, beyond the life of a lock that nobody renews.
func TestAsyncHeartbeats(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		other := c.client(nil)
		defer closeClient(t, other)
		c.setHook(atPrewrite("z", before, func() fault { time.Sleep(20 * time.Second); return none }))
		tx := mustBegin(t, cl)
		puts(t, tx, "a", "2", "z", "2")
		done := make(chan error)
		go func() { done <- tx.Commit(bg, CommitOptions{}) }()
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		defer cancel()
		w := mustBegin(t, other)
		puts(t, w, "a", "3")
		if err := w.Commit(ctx, CommitOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("writer got past a living lock: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("long commit: %v", err)
		}
	})
}

// A refused transaction is told so only when it can never commit: a copy of its
// prewrite that comes late finds a mark, though what was in its way is gone.
func TestAsyncLateCopy(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		other := c.client(nil)
		defer closeClient(t, other)
		mustPut(t, other, "z", "0")
		synctestWait()
		holder := mustBegin(t, other)
		if _, err := holder.LockRows(bg, [][]byte{[]byte("z")}, LockUpdate, LockBlock); err != nil {
			t.Fatal(err)
		}
		var copied *kvpb.Request
		var store uint64
		c.setHook(func(p phase, s uint64, req *kvpb.Request) fault {
			if p == before && prewrites(req, "z") && copied == nil {
				copied, store = req, s
			}
			return none
		})
		tx := mustBegin(t, cl)
		puts(t, tx, "a", "1", "z", "1")
		err := tx.Commit(bg, CommitOptions{})
		if err == nil || !IsRetryable(err) {
			t.Fatalf("a row that somebody has locked: %v", err)
		}
		c.setHook(nil)
		_ = holder.Rollback(bg)
		resp, err := c.Send(bg, store, copied)
		if err != nil || resp.GetPrewrite().GetErrors()[0].GetAborted() == nil {
			t.Errorf("the late copy was answered %v, %v", resp, err)
		}
		if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "z=0" {
			t.Errorf("found %q", got)
		}
		noLocks(t, c)
	})
}

// A prewrite whose answer is lost, and the end of the client's own time: the outcome is
// found out. Where nobody can be asked it is unknown, and nothing else.
func TestAsyncOutcomeIsSettled(t *testing.T) {
	for _, ran := range []bool{false, true} {
		for _, reachable := range []bool{true, false} {
			withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
				ctx, cancel := context.WithCancel(bg)
				defer cancel()
				var away atomic.Bool
				at := before
				if ran {
					at = after
				}
				last := atPrewrite("z", at, func() fault {
					time.Sleep(time.Second) // a is locked by now
					away.Store(!reachable)
					cancel()
					return lose
				})
				c.setHook(func(p phase, s uint64, req *kvpb.Request) fault {
					if away.Load() {
						return lose
					}
					return last(p, s, req)
				})
				runs := 0
				err := cl.RunAutocommit(ctx, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
					runs++
					puts(t, tx, "a", "1", "z", "1")
					return nil
				})
				c.setHook(nil)
				got := scan(t, mustBegin(t, cl), ScanOptions{})
				want := map[bool]string{true: "a=1 z=1", false: ""}[ran]
				if got != want || runs != 1 {
					t.Errorf("found %q, want %q, after %d runs", got, want, runs)
				}
				var unknown *UnknownOutcomeError
				switch {
				case !reachable:
					if !errors.As(err, &unknown) || IsRetryable(err) {
						t.Errorf("ran %v: nobody can be asked, the answer is %v", ran, err)
					}
				case ran && err != nil:
					t.Errorf("a commit that happened was reported as %v", err)
				case !ran && !errors.Is(err, context.Canceled):
					t.Errorf("a commit that did not happen was reported as %v", err)
				}
				time.Sleep(10 * time.Second) // the life of the locks
				_ = scan(t, mustBegin(t, cl), ScanOptions{})
				noLocks(t, c)
			})
		}
	}
}

// Who settles a transaction may die in the middle of it: the next one comes to the same
// end, from records and from marks.
func TestAsyncRecoveryIsRecovered(t *testing.T) {
	for _, complete := range []bool{true, false} {
		for _, done := range []string{"a", "h", "z"} {
			withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, other *Client) {
				cl := c.client(nil)
				tx := mustBegin(t, cl)
				puts(t, tx, "a", "1", "h", "1", "z", "1")
				var dead atomic.Bool
				c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
					if p == before && (kindOf(req) == "commit" || !complete && prewrites(req, done)) || dead.Load() {
						dead.Store(!complete)
						return lose
					}
					return none
				})
				ctx, cancel := context.WithTimeout(bg, time.Second)
				err := tx.Commit(ctx, CommitOptions{})
				cancel()
				crash(cl)
				if (err == nil) != complete {
					t.Fatalf("commit: %v", err)
				}
				c.setHook(nil)
				// Somebody settles one key and is gone.
				f, err := other.checkSecondaries(bg, tx.startTS, [][]byte{[]byte("a"), []byte("h"), []byte("z")}, 0, true)
				if err != nil || (f.commitTS != 0) != complete {
					t.Fatalf("first recovery: %+v, %v", f, err)
				}
				if complete {
					if err := other.resolveKeys(bg, uint64(tx.startTS), [][]byte{[]byte(done)}, f); err != nil {
						t.Fatal(err)
					}
				}
				next := c.client(nil)
				defer closeClient(t, next)
				got := scan(t, mustBegin(t, next), ScanOptions{})
				if want := map[bool]string{true: "a=1 h=1 z=1", false: ""}[complete]; got != want {
					t.Errorf("complete %v, %s settled: found %q", complete, done, got)
				}
				time.Sleep(10 * time.Second)
				_ = scan(t, mustBegin(t, next), ScanOptions{})
				noLocks(t, c)
			})
		}
	}
}

// Who may commit asynchronously, and who may not.
func TestAsyncWhoMay(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  TxnOptions
		keys  int
		do    func(t *testing.T, tx *Txn)
		async bool
	}{
		{"read committed", TxnOptions{}, 2, nil, true},
		{"as many keys as the primary lists", TxnOptions{}, 256, nil, true},
		{"one more", TxnOptions{}, 257, nil, false},
		{"a key that must not exist", TxnOptions{Autocommit: true}, 2, func(t *testing.T, tx *Txn) {
			if err := tx.Insert(bg, []byte("new"), nil); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"only a promise that a key does not exist", TxnOptions{Autocommit: true}, 2, func(t *testing.T, tx *Txn) {
			if err := errors.Join(tx.Insert(bg, []byte("new"), nil), tx.Delete([]byte("new"))); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a lock of its own", TxnOptions{}, 2, func(t *testing.T, tx *Txn) {
			if _, err := tx.LockRows(bg, [][]byte{[]byte("row")}, LockUpdate, LockBlock); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a lock that is shared", TxnOptions{}, 2, func(t *testing.T, tx *Txn) {
			if _, err := tx.LockRows(bg, [][]byte{[]byte("row")}, LockShare, LockBlock); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"snapshot that was read", TxnOptions{Isolation: RepeatableRead}, 2, func(t *testing.T, tx *Txn) { get(t, tx, "row") }, true},
		{"serializable, read elsewhere", TxnOptions{Isolation: Serializable}, 2, func(t *testing.T, tx *Txn) { get(t, tx, "row") }, false},
		{"serializable, read what it writes", TxnOptions{Isolation: Serializable}, 2, func(t *testing.T, tx *Txn) { get(t, tx, "k001"); get(t, tx, "k000") }, true},
		{"serializable, read a range", TxnOptions{Isolation: Serializable}, 2, func(t *testing.T, tx *Txn) {
			scan(t, tx, ScanOptions{Start: []byte("k000"), End: []byte("k002")})
		}, false},
		{"serializable, wrote only", TxnOptions{Isolation: Serializable}, 2, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withCluster(t, []string{"k001", "n"}, func(t *testing.T, c *cluster, cl *Client) {
				mustPut(t, cl, "row", "1")
				was := cl.Stats()
				tx, err := cl.Begin(bg, tc.opts)
				if err != nil {
					t.Fatal(err)
				}
				if tc.do != nil {
					tc.do(t, tx)
				}
				for i := range tc.keys {
					puts(t, tx, fmt.Sprintf("k%03d", i), "1")
				}
				if err := tx.Commit(bg, CommitOptions{}); err != nil {
					t.Fatal(err)
				}
				s := cl.Stats()
				if async := s.Async-was.Async == 1; async != tc.async || s.TwoPhase-was.TwoPhase == 1 == tc.async {
					t.Errorf("%d async and %d in two phases", s.Async-was.Async, s.TwoPhase-was.TwoPhase)
				}
				noLocks(t, c)
			})
		})
	}
}

// A bound of the commit timestamp holds for what a region chooses: it is waited for,
// and where it does not rise the transaction is given up, certainly.
func TestAsyncKeepsTheBound(t *testing.T) {
	for _, rises := range []bool{true, false} {
		withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
			tx := mustBegin(t, cl)
			puts(t, tx, "a", "1", "z", "1")
			// A read pushes one of the two keys above the bound, the other could commit.
			reader := mustBegin(t, cl)
			_ = get(t, reader, "z")
			asked := 0
			var mu sync.Mutex
			bound := func() timestamp.Timestamp {
				mu.Lock()
				defer mu.Unlock()
				switch asked++; {
				case asked > 8 && rises:
					return timestamp.Max
				case asked > 8:
					return BoundNever
				}
				return reader.startTS
			}
			err := tx.Commit(bg, CommitOptions{MaxCommitTS: bound})
			var late *CommitTSTooLargeError
			want := ""
			if rises {
				want = "a=1 z=1"
			}
			if rises != (err == nil) || !rises && !errors.As(err, &late) {
				t.Errorf("rises %v: %v", rises, err)
			}
			if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != want {
				t.Errorf("rises %v: found %q", rises, got)
			}
			noLocks(t, c)
		})
	}
}

// A transaction that validates its reads against one that commits asynchronously: one
// of the two sees the other, at every point of the other's way.
func TestAsyncAgainstValidation(t *testing.T) {
	for _, at := range []string{"a", "z"} {
		for _, p := range []phase{before, after} {
			withCluster(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
				mustPut(t, cl, "a", "0", "h", "0", "z", "0")
				synctestWait()
				other := c.client(nil)
				defer closeClient(t, other)
				// V reads a and z and writes h; W reads h, which it also locks, and writes a
				// and z. Only one may commit without having seen the other.
				v, err := other.Begin(bg, TxnOptions{Isolation: Serializable})
				if err != nil {
					t.Fatal(err)
				}
				sum := get(t, v, "a") + get(t, v, "z")
				puts(t, v, "h", "v"+sum, "zz", "v")
				var vErr error
				c.setHook(atPrewrite(at, p, func() fault {
					vErr = v.Commit(bg, CommitOptions{})
					return none
				}))
				w := mustBegin(t, cl)
				puts(t, w, "a", "1", "z", "1")
				wErr := w.Commit(bg, CommitOptions{})
				if wErr != nil {
					t.Errorf("at %s/%d: the blind write failed: %v", at, p, wErr)
				}
				// If both committed, V comes first.
				if vErr == nil && v.CommitTS() >= w.CommitTS() {
					t.Errorf("at %s/%d: V committed at %s with reads that W changed at %s", at, p, v.CommitTS(), w.CommitTS())
				}
				noLocks(t, c)
			})
		}
	}
}

// A failed check that a key does not exist is a read: the deletion that comes after it
// commits above, so that the transaction which was refused conflicts with it for ever.
func TestAsyncExistenceCheckIsARead(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "z", "0")
		del := mustBegin(t, cl)
		if err := errors.Join(del.Delete([]byte("z")), del.Put([]byte("b"), nil)); err != nil {
			t.Fatal(err)
		}
		ins, err := cl.Begin(bg, TxnOptions{Autocommit: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := ins.Insert(bg, []byte("z"), []byte("1")); err != nil {
			t.Fatal(err)
		}
		puts(t, ins, "a", "1")
		var exists *AlreadyExistsError
		if err := ins.Commit(bg, CommitOptions{}); !errors.As(err, &exists) {
			t.Fatalf("insert: %v", err)
		}
		if err := del.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		if del.CommitTS() <= ins.startTS {
			t.Errorf("deleted at %s, and at %s the key was there", del.CommitTS(), ins.startTS)
		}
	})
}

// Many clients move money between regions with async commits, others with two phases;
// answers get lost, leaders move, regions are split, and clients die in the middle of
// their commits. Every snapshot has the whole sum; a transaction that begins after a
// commit was acknowledged is above it and sees it; in the end nothing is locked.
func TestAsyncBankWithCrashes(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { asyncBank(t, seed) })
	}
}

type bankWorld struct {
	t     *testing.T
	c     *cluster
	seed  uint64
	acked atomic.Uint64 // largest commit timestamp that was acknowledged
	alive atomic.Bool
	done  atomic.Int64 // transfers that were acknowledged
}

const (
	bankAccounts = 10
	bankStart    = 100
	bankWorkers  = 5
	// bankTransfers is how many each worker tries.
	bankTransfers = 40
)

func bankKey(i int) []byte { return fmt.Appendf(nil, "acct%02d", i) }

func asyncBank(t *testing.T, seed uint64) {
	inBubble(t, func(t *testing.T) {
		b := &bankWorld{t: t, c: newCluster(t, "acct03", "acct06"), seed: seed}
		defer b.c.close()
		b.alive.Store(true)
		cl := b.c.client(nil)
		init := mustBegin(t, cl)
		for i := range bankAccounts {
			puts(t, init, string(bankKey(i)), strconv.Itoa(bankStart))
		}
		if err := init.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		b.c.setHook(b.hook())
		var wg, rg sync.WaitGroup
		for w := range bankWorkers {
			wg.Go(func() { b.work(w) })
		}
		rg.Go(func() {
			for n := 0; b.alive.Load(); n++ {
				b.look(cl, n%2 == 1)
				time.Sleep(3 * time.Millisecond)
			}
		})
		wg.Wait()
		b.alive.Store(false)
		rg.Wait()
		time.Sleep(10 * time.Second)
		for range 2 {
			// The first snapshot passes by the second lock of a transaction that it found
			// to be over.
			b.look(cl, false)
			synctestWait()
		}
		noLocks(t, b.c)
		if n := b.done.Load(); n < bankWorkers*bankTransfers/5 {
			t.Errorf("only %d transfers of %d were committed: the run says nothing", n, bankWorkers*bankTransfers)
		}
		closeClient(t, cl)
	})
}

// hook makes faults as long as the world is alive.
func (b *bankWorld) hook() hookFunc {
	rng := rand.New(rand.NewPCG(b.seed, 7))
	splits := []string{"acct02", "acct05", "acct08", "acct01", "acct07"}
	var mu sync.Mutex
	return func(p phase, _ uint64, req *kvpb.Request) fault {
		if !b.alive.Load() {
			return none
		}
		mu.Lock()
		d, delay := rng.IntN(400), time.Duration(rng.IntN(3000))*time.Microsecond
		cut := ""
		if d == 399 && len(splits) > 0 && p == before {
			cut, splits = splits[0], splits[1:]
		}
		mu.Unlock()
		time.Sleep(delay)
		switch {
		case cut != "":
			b.c.split(cut)
		case d == 398 && p == before:
			b.c.moveLeaders()
		case d < 8:
			return lose
		case d < 14:
			return ambiguous
		case d < 17 && p == before:
			return busy
		}
		return none
	}
}

// work transfers money with clients that die now and then.
func (b *bankWorld) work(w int) {
	r := rand.New(rand.NewPCG(b.seed, uint64(w)+100))
	change := func(o *Options) {
		if w == 0 {
			o.AsyncKeysMax = -1 // one of them commits in two phases
		}
	}
	cl := b.c.client(change)
	for range bankTransfers {
		ctx, cancel := context.WithCancel(bg)
		dies := r.IntN(8) == 0
		if dies {
			time.AfterFunc(time.Duration(r.IntN(15_000))*time.Microsecond, cancel)
		}
		from, to, n := r.IntN(bankAccounts), r.IntN(bankAccounts), 1+r.IntN(5)
		if from == to {
			to = (from + 1) % bankAccounts
		}
		b.transfer(ctx, cl, from, to, n)
		cancel()
		if dies {
			crash(cl)
			cl = b.c.client(change)
		}
	}
	closeClient(b.t, cl)
}

func (b *bankWorld) transfer(ctx context.Context, cl *Client, from, to, n int) {
	floor := b.acked.Load()
	tx, err := cl.Begin(ctx, TxnOptions{Isolation: RepeatableRead})
	if err != nil {
		return
	}
	if uint64(tx.startTS) < floor {
		b.t.Errorf("a transaction began at %s, below an acknowledged commit at %d", tx.startTS, floor)
	}
	got, err := tx.BatchGet(ctx, [][]byte{bankKey(from), bankKey(to)})
	if err != nil {
		_ = tx.Rollback(bg)
		return
	}
	x, _ := strconv.Atoi(string(got[0].Value))
	y, _ := strconv.Atoi(string(got[1].Value))
	puts(b.t, tx, string(bankKey(from)), strconv.Itoa(x-n), string(bankKey(to)), strconv.Itoa(y+n))
	floor = b.acked.Load()
	if tx.Commit(ctx, CommitOptions{}) != nil {
		return
	}
	ts := uint64(tx.CommitTS())
	if ts < floor {
		b.t.Errorf("committed at %d, below a commit at %d that was acknowledged before", ts, floor)
	}
	raise(&b.acked, ts)
	b.done.Add(1)
}

// look reads all accounts in one snapshot.
func (b *bankWorld) look(cl *Client, reverse bool) {
	floor := b.acked.Load()
	tx := mustBegin(b.t, cl)
	if uint64(tx.startTS) < floor {
		b.t.Errorf("a snapshot at %s is below an acknowledged commit at %d", tx.startTS, floor)
	}
	sum, rows := 0, 0
	for _, pair := range strings.Fields(scan(b.t, tx, ScanOptions{Reverse: reverse, LimitHint: 3})) {
		v, _ := strconv.Atoi(pair[strings.IndexByte(pair, '=')+1:])
		sum += v
		rows++
	}
	if sum != bankAccounts*bankStart || rows != bankAccounts {
		b.t.Errorf("snapshot %s: sum %d in %d accounts", tx.startTS, sum, rows)
	}
}
