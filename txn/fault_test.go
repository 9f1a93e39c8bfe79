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

// kindOf names a request in tests.
func kindOf(req *kvpb.Request) string {
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Prewrite:
		if cmd.Prewrite.GetOnePc() {
			return "onepc"
		}
		return "prewrite"
	default:
		return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", cmd), "*kvpb.Request_"))
	}
}

// once returns a hook that makes a fault the first time that a kind of request
// comes to a phase.
func once(kind string, at phase, f fault, then func()) func(phase, uint64, *kvpb.Request) fault {
	var done atomic.Bool
	return func(p phase, _ uint64, req *kvpb.Request) fault {
		if p != at || kindOf(req) != kind || !done.CompareAndSwap(false, true) {
			return none
		}
		if then != nil {
			then()
		}
		return f
	}
}

// Every single fault on the way of a commit leaves it either committed, with
// success, or not committed at all, and never applied twice.
func TestCommitThroughFaults(t *testing.T) {
	kinds := map[string][]string{"onepc": {"onepc"}, "twopc": {"prewrite", "commit"}, "async": {"prewrite", "commit"}}
	for mode, steps := range kinds {
		for _, step := range steps {
			for _, at := range []phase{before, after} {
				for _, f := range []fault{lose, ambiguous, notLeader, busy, unsent} {
					for _, change := range []string{"", "split", "leader"} {
						if at == after && f != lose && f != ambiguous {
							continue
						}
						name := fmt.Sprintf("%s/%s/%d/%d/%s", mode, step, at, f, change)
						t.Run(name, func(t *testing.T) { commitThroughFault(t, mode, step, at, f, change) })
					}
				}
			}
		}
	}
}

func commitThroughFault(t *testing.T, mode, step string, at phase, f fault, change string) {
	cuts := []string{"m"}
	if mode == "onepc" {
		cuts = nil
	}
	run := withCluster
	if mode == "twopc" {
		run = inTwoPhases
	}
	run(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1", "z", "1")
		synctestWait()
		c.setHook(once(step, at, f, func() {
			switch change {
			case "split":
				c.split("k")
			case "leader":
				c.moveLeaders()
			}
		}))
		tx := mustBegin(t, cl)
		if get(t, tx, "a") != "1" {
			t.Fatal("lost the first write")
		}
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("l"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
			t.Fatal(err)
		}
		err := tx.Commit(bg, CommitOptions{})
		got := scan(t, mustBegin(t, cl), ScanOptions{})
		var aborted *AbortedError
		switch {
		case err == nil && got == "a=2 l=2 z=2":
		case errors.As(err, &aborted) && got == "a=1 z=1" && mode == "onepc" && change == "split":
			// The region is gone before it could be asked again: marked, to be safe.
		default:
			t.Errorf("commit said %v, found %q", err, got)
		}
		synctestWait()
		if n := c.locks(); n != 0 {
			t.Errorf("%d locks are left", n)
		}
	})
}

// The coordinator crashes at every step. Whoever comes next sees all or nothing,
// and nothing stays locked.
func TestCoordinatorCrash(t *testing.T) {
	for _, tc := range []struct {
		step string
		at   phase
		nth  int // which request of that kind
		want string
	}{
		{"prewrite", before, 1, "a=1 h=1 z=1"},
		{"prewrite", after, 1, "a=1 h=1 z=1"},
		{"prewrite", after, 2, "a=1 h=1 z=1"},
		{"prewrite", after, 3, "a=1 h=1 z=1"},
		{"commit", before, 1, "a=1 h=1 z=1"},
		{"commit", after, 1, "a=2 h=2 z=2"},
	} {
		t.Run(fmt.Sprintf("%s/%d/%d", tc.step, tc.at, tc.nth), func(t *testing.T) {
			inTwoPhases(t, []string{"c", "m"}, func(t *testing.T, c *cluster, other *Client) {
				mustPut(t, other, "a", "1", "h", "1", "z", "1")
				synctestWait()
				cl := c.client(nil)
				ctx, cancel := context.WithCancel(bg)
				defer cancel()
				var seen atomic.Int64
				var dead atomic.Bool
				c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
					if dead.Load() {
						return lose
					}
					if p == tc.at && kindOf(req) == tc.step && int(seen.Add(1)) == tc.nth {
						dead.Store(true)
						cancel()
						return lose
					}
					return none
				})
				tx := mustBegin(t, cl)
				for _, k := range []string{"a", "h", "z"} {
					if err := tx.Put([]byte(k), []byte("2")); err != nil {
						t.Fatal(err)
					}
				}
				err := tx.Commit(ctx, CommitOptions{})
				crash(cl)
				if err == nil {
					t.Error("commit succeeded in a crash")
				}
				var unknown *UnknownOutcomeError
				if isUnknown := errors.As(err, &unknown); isUnknown != (tc.step == "commit") {
					t.Errorf("got %v", err)
				}
				c.setHook(nil)

				// Readers from the far end first: they meet secondaries.
				reader := mustBegin(t, other)
				if got := scan(t, reader, ScanOptions{Reverse: true}); got != reversed(tc.want) {
					t.Errorf("next reader sees %q, want %q", got, reversed(tc.want))
				}
				// A writer gets through, at the latest when the locks' life is over.
				writes := 0
				if err := other.RunAutocommit(bg, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
					writes++
					return errors.Join(tx.Put([]byte("a"), []byte("3")), tx.Put([]byte("h"), []byte("3")), tx.Put([]byte("z"), []byte("3")))
				}); err != nil || writes > 2 {
					t.Errorf("next writer: %v after %d runs", err, writes)
				}
				if got := scan(t, mustBegin(t, other), ScanOptions{}); got != "a=3 h=3 z=3" {
					t.Errorf("next writer left %q", got)
				}
				// The first reader's snapshot has not moved.
				if got := scan(t, reader, ScanOptions{}); got != tc.want {
					t.Errorf("snapshot changed to %q, want %q", got, tc.want)
				}
				synctestWait()
				if n := c.locks(); n != 0 {
					t.Errorf("%d locks are left", n)
				}
			})
		})
	}
}

func reversed(s string) string {
	f := strings.Fields(s)
	for i, j := 0, len(f)-1; i < j; i, j = i+1, j-1 {
		f[i], f[j] = f[j], f[i]
	}
	return strings.Join(f, " ")
}

// A reader does not wait for a transaction that is committing: it pushes it, does
// not see it, and the commit gets a timestamp above the reader's.
func TestReaderPushesWriter(t *testing.T) {
	inTwoPhases(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1", "z", "1")
		synctestWait()
		reader := c.client(nil)
		defer closeClient(t, reader)
		var (
			rtx   *Txn
			saw   string
			took  time.Duration
			first = true
		)
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if p == before && kindOf(req) == "commit" && first {
				// The commit timestamp is drawn, the record is not written yet.
				first = false
				rtx = mustBegin(t, reader)
				began := time.Now()
				saw = scan(t, rtx, ScanOptions{})
				took = time.Since(began)
			}
			return none
		})
		tx := mustBegin(t, cl)
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		if saw != "a=1 z=1" {
			t.Errorf("reader saw %q", saw)
		}
		if took > 10*time.Millisecond {
			t.Errorf("reader waited %v", took)
		}
		if tx.CommitTS() <= rtx.startTS {
			t.Errorf("committed at %s, below the reader's %s", tx.CommitTS(), rtx.startTS)
		}
		if got := scan(t, rtx, ScanOptions{}); got != "a=1 z=1" {
			t.Errorf("reader's snapshot changed to %q", got)
		}
	})
}

// A prewrite that arrives after somebody marked the primary is refused, and the
// transaction reports that it did not commit.
func TestLatePrewriteIsRefused(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		mustPut(t, cl, "a", "1", "z", "1")
		synctestWait()
		other := c.client(nil)
		defer closeClient(t, other)
		first := true
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			// The primary's prewrite is on its way while the secondary is locked.
			if p == before && kindOf(req) == "prewrite" && string(req.GetPrewrite().GetMutations()[0].GetKey()) == "a" && first {
				first = false
				time.Sleep(10 * time.Second)
			}
			return none
		})
		tx := mustBegin(t, cl)
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- tx.Commit(bg, CommitOptions{}) }()
		time.Sleep(time.Second)
		began := time.Now()
		mustPut(t, other, "z", "3") // waits for the life of the lock, then marks
		if d := time.Since(began); d < defaultLockTTL-2*time.Second || d > defaultLockTTL+time.Second {
			t.Errorf("writer waited %v for a lock that lives %v", d, defaultLockTTL)
		}
		var aborted *AbortedError
		if err := <-done; !errors.As(err, &aborted) {
			t.Errorf("late commit: %v", err)
		}
		if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "a=1 z=3" {
			t.Errorf("found %q", got)
		}
	})
}

// A long commit keeps its locks alive by heartbeats, though it began long ago.
func TestHeartbeatsKeepLocksAlive(t *testing.T) {
	inTwoPhases(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		other := c.client(nil)
		defer closeClient(t, other)
		first := true
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if p == before && kindOf(req) == "commit" && first {
				first = false
				time.Sleep(30 * time.Second)
			}
			return none
		})
		tx := mustBegin(t, cl)
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // an open transaction may be older than its locks' life
		done := make(chan error)
		go func() { done <- tx.Commit(bg, CommitOptions{}) }()
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		defer cancel()
		w, err := other.Begin(ctx, TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Put([]byte("z"), []byte("3")); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(ctx, CommitOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("writer got past a living lock: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("long commit: %v", err)
		}
	})
}

// An unknown outcome is reported as such when it cannot be settled, and only then.
func TestUnknownOutcome(t *testing.T) {
	for _, cuts := range [][]string{nil, {"m"}} {
		for _, ran := range []bool{true, false} {
			inTwoPhases(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				deciding := "onepc"
				if cuts != nil {
					deciding = "commit"
				}
				var cut atomic.Bool
				c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
					if cut.Load() {
						return lose
					}
					if kindOf(req) == deciding && (p == after) == ran {
						cut.Store(true)
						return lose
					}
					return none
				})
				runs := 0
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				began := time.Now()
				err := cl.RunAutocommit(ctx, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
					runs++
					return errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2")))
				})
				var unknown *UnknownOutcomeError
				if !errors.As(err, &unknown) || IsRetryable(err) || runs != 1 {
					t.Errorf("got %v after %d runs", err, runs)
				}
				if d := time.Since(began); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
				c.setHook(nil)
				want := ""
				if ran {
					want = "a=2 z=2"
				}
				if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != want {
					t.Errorf("found %q, want %q", got, want)
				}
			})
		}
	}
}

// The client's own time ends while the answer is under way: the outcome is still
// found out.
func TestCancelDuringCommitIsSettled(t *testing.T) {
	for _, cuts := range [][]string{nil, {"m"}} {
		for _, ran := range []bool{true, false} {
			inTwoPhases(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				deciding := "onepc"
				if cuts != nil {
					deciding = "commit"
				}
				ctx, cancel := context.WithCancel(bg)
				defer cancel()
				at := before
				if ran {
					at = after
				}
				c.setHook(once(deciding, at, lose, cancel))
				tx := mustBegin(t, cl)
				if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("z"), []byte("2"))); err != nil {
					t.Fatal(err)
				}
				err := tx.Commit(ctx, CommitOptions{})
				got := scan(t, mustBegin(t, cl), ScanOptions{})
				if err == nil && got != "a=2 z=2" || err != nil && (got != "" || !errors.Is(err, context.Canceled)) {
					t.Errorf("commit said %v, found %q", err, got)
				}
				if ran && err != nil {
					t.Errorf("a commit that happened was reported as %v", err)
				}
				if cl.Stats().Settled == 0 {
					t.Error("nothing was settled")
				}
			})
		}
	}
}

// A commit timestamp chosen by a region is not told to the client before the
// oracle is there: the next transaction of anybody sees the commit.
func TestOracleIsMovedAboveRegionTimestamps(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		c.mu.Lock()
		c.regions[0].maxTS = timestamp.Make(time.Now().UnixMilli()+5000, 0)
		c.mu.Unlock()
		mustPut(t, cl, "a", "1")
		other := c.client(nil)
		defer closeClient(t, other)
		if got := get(t, mustBegin(t, other), "a"); got != "1" {
			t.Errorf("next reader sees %q", got)
		}
		// In the normal case it costs nothing.
		calls := c.tso.calls.Load()
		time.Sleep(10 * time.Second)
		if err := cl.RunAutocommit(bg, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
			return tx.Put([]byte("a"), []byte("2"))
		}); err != nil {
			t.Fatal(err)
		}
		if n := c.tso.calls.Load() - calls; n != 1 {
			t.Errorf("autocommit write took %d timestamps, want 1", n)
		}
	})
}

// A commit comes after everything that was acknowledged before it was asked for,
// however old the transaction is: a snapshot that misses the earlier commit does
// not see the later one.
func TestCommitOrderFollowsTime(t *testing.T) {
	for _, cuts := range [][]string{nil, {"c"}, {"c", "m"}} {
		withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
			old := mustBegin(t, cl)
			if err := errors.Join(old.Put([]byte("d"), []byte("old")), old.Put([]byte("z"), []byte("old"))); err != nil {
				t.Fatal(err)
			}
			snapshot := mustBegin(t, cl)
			mustPut(t, cl, "b", "first")
			if err := old.Commit(bg, CommitOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := scan(t, snapshot, ScanOptions{}); got != "" {
				t.Errorf("snapshot sees %q", got)
			}
		})
	}
}

// A region that has served reads far above the oracle forces the commit
// timestamp of all keys above them.
func TestCommitAboveEveryRegion(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		far := timestamp.Make(time.Now().UnixMilli()+5000, 0)
		c.mu.Lock()
		c.regions[1].maxTS = far
		c.mu.Unlock()
		mustPut(t, cl, "a", "1", "z", "1")
		synctestWait()
		if n := c.locks(); n != 0 {
			t.Errorf("%d locks left", n)
		}
		if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "a=1 z=1" {
			t.Errorf("found %q", got)
		}
	})
}

func TestMaxCommitTS(t *testing.T) {
	for _, cuts := range [][]string{nil, {"m"}} {
		withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
			tx := mustBegin(t, cl)
			if err := errors.Join(tx.Put([]byte("a"), nil), tx.Put([]byte("z"), nil)); err != nil {
				t.Fatal(err)
			}
			var large *CommitTSTooLargeError
			err := tx.Commit(bg, CommitOptions{MaxCommitTS: func() timestamp.Timestamp { return BoundNever }})
			if !errors.As(err, &large) || !IsRetryable(err) {
				t.Errorf("got %v", err)
			}
			synctestWait()
			if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "" || c.locks() != 0 {
				t.Errorf("found %q and %d locks", got, c.locks())
			}
		})
	}
}

// A bound that is behind for a moment, as after a change of the oracle's leader, is
// waited for: the transaction commits instead of failing. The transaction may have
// begun above the bound: the new leader's first timestamps are.
func TestMaxCommitTSRises(t *testing.T) {
	t.Run("from above the start", func(t *testing.T) {
		testBoundRises(t, func(tx *Txn) timestamp.Timestamp { return tx.startTS.Next() })
	})
	t.Run("from below the start", func(t *testing.T) {
		testBoundRises(t, func(tx *Txn) timestamp.Timestamp { return tx.startTS - 1 })
	})
}

func testBoundRises(t *testing.T, low func(*Txn) timestamp.Timestamp) {
	for _, cuts := range [][]string{nil, {"m"}} {
		withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
			tx := mustBegin(t, cl)
			if err := errors.Join(tx.Put([]byte("a"), []byte("1")), tx.Put([]byte("z"), []byte("1"))); err != nil {
				t.Fatal(err)
			}
			var asked atomic.Int32 // batches of a prewrite ask side by side
			bound := func() timestamp.Timestamp {
				if asked.Add(1) < 5 {
					return low(tx)
				}
				return timestamp.Max
			}
			// Another transaction's read pushes the commit above the first bound.
			if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "" {
				t.Fatalf("found %q", got)
			}
			if err := tx.Commit(bg, CommitOptions{MaxCommitTS: bound}); err != nil {
				t.Fatalf("after %d questions: %v", asked.Load(), err)
			}
			if got := scan(t, mustBegin(t, cl), ScanOptions{}); got != "a=1 z=1" || asked.Load() < 5 {
				t.Errorf("found %q after %d questions", got, asked.Load())
			}
		})
	}
}

// RunAutocommit tries conflicts again, until something was shown to the client.
func TestRunAutocommit(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		other := c.client(nil)
		defer closeClient(t, other)
		conflicts := 3
		add := func(_ context.Context, tx *Txn) error {
			n, _ := strconv.Atoi(get(t, tx, "a"))
			if conflicts > 0 {
				conflicts--
				mustPut(t, other, "a", strconv.Itoa(n+1))
			}
			return errors.Join(tx.Put([]byte("a"), []byte(strconv.Itoa(n+1))), tx.Put([]byte("z"), nil))
		}
		if err := cl.RunAutocommit(bg, AutocommitOptions{}, add); err != nil {
			t.Fatal(err)
		}
		if got := get(t, mustBegin(t, cl), "a"); got != "4" {
			t.Errorf("three foreign and one own increment make %q", got)
		}
		if cl.Stats().Retries != 3 {
			t.Errorf("stats %+v", cl.Stats())
		}
		conflicts = 1
		var conflict *ConflictError
		if err := cl.RunAutocommit(bg, AutocommitOptions{MayRetry: func() bool { return false }}, add); !errors.As(err, &conflict) {
			t.Errorf("after the client saw rows: %v", err)
		}
		conflicts = 1000
		if err := cl.RunAutocommit(bg, AutocommitOptions{}, add); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "gave up") {
			t.Errorf("endless conflicts: %v", err)
		}
	})
}

// The answer to a commit is lost, and the repeated request is refused because of
// what happened since: it still has committed.
func TestRefusalAfterLostCommit(t *testing.T) {
	withCluster(t, nil, func(t *testing.T, c *cluster, cl *Client) {
		other := c.client(nil)
		defer closeClient(t, other)
		c.setHook(once("onepc", after, lose, func() {
			c.setHook(nil)
			mustPut(t, other, "x", "other")
		}))
		runs := 0
		err := cl.RunAutocommit(bg, AutocommitOptions{}, func(ctx context.Context, tx *Txn) error {
			runs++
			return errors.Join(tx.Insert(ctx, []byte("x"), nil), tx.Delete([]byte("x")), tx.Put([]byte("a"), []byte("1")))
		})
		if got := scan(t, mustBegin(t, cl), ScanOptions{}); err != nil || runs != 1 || got != "a=1 x=other" {
			t.Errorf("%v after %d runs, found %q", err, runs, got)
		}
	})
}

// Two transactions that lock each other's keys in opposite order do not wait for
// each other for ever.
func TestNoDeadlock(t *testing.T) {
	withCluster(t, []string{"m"}, func(t *testing.T, c *cluster, cl *Client) {
		// Each one's first prewrite is held up until the other's has run.
		var mu sync.Mutex
		got := map[string]int{}
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if p != before || kindOf(req) != "prewrite" {
				return none
			}
			pw := req.GetPrewrite()
			id := fmt.Sprint(pw.GetStartTs())
			mine := string(pw.GetMutations()[0].GetValue())
			key := string(pw.GetMutations()[0].GetKey())
			mu.Lock()
			got[id]++
			mu.Unlock()
			if mine == "1" && key == "z" || mine == "2" && key == "a" {
				time.Sleep(20 * time.Millisecond)
			}
			return none
		})
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i := 1; i <= 2; i++ {
			wg.Go(func() {
				tx := mustBegin(t, cl)
				v := []byte(strconv.Itoa(i))
				errs[i] = errors.Join(tx.Put([]byte("a"), v), tx.Put([]byte("z"), v))
				if errs[i] == nil {
					errs[i] = tx.Commit(bg, CommitOptions{})
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		var conflict *ConflictError
		if ok1, ok2 := errs[1] == nil, errs[2] == nil; ok1 == ok2 || !ok1 && !errors.As(errs[1], &conflict) || !ok2 && !errors.As(errs[2], &conflict) {
			t.Errorf("got %v and %v, want one to win", errs[1], errs[2])
		}
	})
}

// Money moves between accounts in many regions while answers are lost, leaders
// move and regions are split. The sum never changes in any snapshot, and in the
// end it is what the acknowledged transfers make it.
func TestBankUnderFaults(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bank(t, seed) })
	}
}

func bank(t *testing.T, seed uint64) {
	const accounts, start, workers, transfers = 12, 100, 6, 40
	key := func(i int) []byte { return fmt.Appendf(nil, "acct%02d", i) }
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, "acct04", "acct08")
		cl, cl2 := c.client(nil), c.client(nil)
		init := mustBegin(t, cl)
		for i := range accounts {
			if err := init.Put(key(i), []byte(strconv.Itoa(start))); err != nil {
				t.Fatal(err)
			}
		}
		if err := init.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		var (
			mu     sync.Mutex
			rng    = seededRand(t, seed)
			splits = []string{"acct02", "acct06", "acct10", "acct03", "acct11"}
			calm   atomic.Bool
		)
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if calm.Load() {
				return none
			}
			mu.Lock()
			d := rng.IntN(300)
			delay := time.Duration(rng.IntN(3)) * time.Millisecond
			var cut string
			if d == 299 && len(splits) > 0 && p == before {
				cut, splits = splits[0], splits[1:]
			}
			mu.Unlock()
			time.Sleep(delay)
			switch {
			case cut != "":
				c.split(cut)
			case d == 298 && p == before:
				c.moveLeaders()
			case d < 6:
				return lose
			case d < 12:
				return ambiguous
			case d < 15 && p == before:
				return notLeader
			case d < 18 && p == before:
				return busy
			case d < 21 && p == before:
				return unsent
			}
			return none
		})
		var (
			deltas  [accounts]atomic.Int64
			unknown atomic.Int64
			wg      sync.WaitGroup
		)
		for w := range workers {
			r := rand.New(rand.NewPCG(seed, uint64(w)+100))
			client := cl
			if w%2 == 1 {
				client = cl2
			}
			wg.Go(func() {
				for range transfers {
					from, to, n := r.IntN(accounts), r.IntN(accounts), 1+r.IntN(5)
					if from == to {
						continue
					}
					err := client.RunAutocommit(bg, AutocommitOptions{}, func(ctx context.Context, tx *Txn) error {
						got, err := tx.BatchGet(ctx, [][]byte{key(from), key(to)})
						if err != nil {
							return err
						}
						a, _ := strconv.Atoi(string(got[0].Value))
						b, _ := strconv.Atoi(string(got[1].Value))
						return errors.Join(tx.Put(key(from), []byte(strconv.Itoa(a-n))), tx.Put(key(to), []byte(strconv.Itoa(b+n))))
					})
					var u *UnknownOutcomeError
					switch {
					case err == nil:
						deltas[from].Add(int64(-n))
						deltas[to].Add(int64(n))
					case errors.As(err, &u):
						unknown.Add(1)
					case !IsRetryable(err):
						t.Errorf("transfer: %v", err)
					}
				}
			})
		}
		stop := make(chan struct{})
		var rg sync.WaitGroup
		rg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				tx := mustBegin(t, cl2)
				sum, seen := 0, 0
				it := tx.Scan(ScanOptions{Reverse: n%2 == 1, LimitHint: 3})
				for it.Next(bg) {
					v, _ := strconv.Atoi(string(it.Value()))
					sum += v
					seen++
				}
				it.Close()
				if it.Err() != nil || sum != accounts*start || seen != accounts {
					t.Errorf("snapshot %s: sum %d of %d accounts, %v", tx.startTS, sum, seen, it.Err())
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
		wg.Wait()
		close(stop)
		rg.Wait()
		calm.Store(true)
		tx := mustBegin(t, cl)
		for i := range accounts {
			v, _ := strconv.Atoi(get(t, tx, string(key(i))))
			if want := int(deltas[i].Load()) + start; v != want && unknown.Load() == 0 {
				t.Errorf("account %d has %d, acknowledged transfers make %d", i, v, want)
			}
		}
		t.Logf("unknown %d, stats %+v", unknown.Load(), cl.Stats())
		closeClient(t, cl)
		closeClient(t, cl2)
		if n := c.locks(); n != 0 {
			t.Errorf("%d locks are left", n)
		}
		c.close()
	})
}
