package txn

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/locktable"
)

// shapes are one region, where the commit validates by itself, and several, where it
// does after its locks stand.
var serialShapes = map[string][]string{"one region": nil, "several": {"c", "m"}}

// begin2 begins two SERIALIZABLE transactions.
func begin2(t *testing.T, cl *Client) (t1, t2 *Txn) {
	t.Helper()
	var err [2]error
	t1, err[0] = cl.Begin(bg, TxnOptions{Isolation: Serializable})
	t2, err[1] = cl.Begin(bg, TxnOptions{Isolation: Serializable})
	if e := errors.Join(err[:]...); e != nil {
		t.Fatal(e)
	}
	return t1, t2
}

// oneCommits commits both and demands that exactly one does.
func oneCommits(t *testing.T, t1, t2 *Txn) {
	t.Helper()
	err1, err2 := t1.Commit(bg, CommitOptions{}), t2.Commit(bg, CommitOptions{})
	var conflict *ConflictError
	if err1 != nil || !errors.As(err2, &conflict) || !conflict.Read {
		t.Errorf("commits ended with %v and %v", err1, err2)
	}
}

// Write skew: each reads what the other writes. The second to commit finds that what it
// has read was changed after its snapshot, though before its commit.
func TestWriteSkewIsFound(t *testing.T) {
	for name, cuts := range serialShapes {
		t.Run(name, func(t *testing.T) {
			withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				mustPut(t, cl, "a", "1", "z", "1", "h", "1")
				t1, t2 := begin2(t, cl)
				get(t, t1, "a")
				get(t, t2, "z")
				puts(t, t1, "z", "2", "h1", "2")
				puts(t, t2, "a", "2", "h2", "2")
				time.Sleep(time.Second)
				oneCommits(t, t1, t2)
			})
		})
	}
}

// Phantoms: each looks through a range in which nothing is and puts a row into the
// other's.
func TestPhantomsAreFound(t *testing.T) {
	for name, cuts := range serialShapes {
		t.Run(name, func(t *testing.T) {
			withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
				mustPut(t, cl, "a0", "1", "z0", "1")
				t1, t2 := begin2(t, cl)
				scan(t, t1, ScanOptions{Start: []byte("a1"), End: []byte("a9")})
				scan(t, t2, ScanOptions{Start: []byte("z1"), End: []byte("z9"), Reverse: true})
				puts(t, t1, "z5", "2", "h1", "2")
				puts(t, t2, "a5", "2", "h2", "2")
				oneCommits(t, t1, t2)
			})
		})
	}
}

// A row lock that was lost with the memory of its leader has promised nothing: if
// somebody changed the row meanwhile the commit fails, though the row was only locked.
func TestLostRowLockIsLookedAtAgain(t *testing.T) {
	for name, cuts := range serialShapes {
		for _, changed := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				withCluster(t, cuts, func(t *testing.T, c *cluster, cl *Client) {
					mustPut(t, cl, "a", "1", "z", "1")
					tx := mustBegin(t, cl)
					if _, err := tx.LockRows(bg, [][]byte{[]byte("a")}, LockUpdate, LockBlock); err != nil {
						t.Fatal(err)
					}
					puts(t, tx, "z", "2", "h", "2")
					c.mu.Lock()
					c.rows.ReleaseKeys(time.Now(), locktable.OwnerID(tx.startTS), []string{"a"})
					c.mu.Unlock()
					if changed {
						mustPut(t, cl, "a", "3")
					}
					err := tx.Commit(bg, CommitOptions{})
					var conflict *ConflictError
					if changed != errors.As(err, &conflict) || !changed && err != nil {
						t.Errorf("changed %v: %v", changed, err)
					}
				})
			})
		}
	}
}

// In two phases no other key is committed before the primary's record is known to be
// there: nothing else decides.
func TestPrimaryIsCommittedFirst(t *testing.T) {
	inTwoPhases(t, []string{"c", "m"}, func(t *testing.T, c *cluster, cl *Client) {
		var decided atomic.Bool
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if kindOf(req) != "commit" {
				return none
			}
			switch primary := holdsKey(req, "a"); {
			case primary && p == before:
				time.Sleep(time.Second)
			case primary:
				decided.Store(true)
			case p == before && !decided.Load():
				t.Errorf("%q are committed before the primary", req.GetCommit().GetKeys())
			}
			return none
		})
		tx := mustBegin(t, cl)
		puts(t, tx, "a", "1", "h", "1", "z", "1")
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		noLocks(t, c)
	})
}
