package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// A gateway stands still in the middle of a commit, at every point of it, for less
// than the life of its locks, and goes on. Meanwhile a writer that knows the gateway
// to be lost gets through, without waiting for that life to end: the transaction has
// either committed before it, wholly, or it is aborted and its coordinator says so
// when it goes on. A writer that does not know waits.
func TestLostGateway(t *testing.T) {
	for _, tc := range []struct {
		step   string
		key    string // that the request must hold
		at     phase
		commit bool // the record was there already
	}{
		{"prewrite", "a", before, false}, // the primary's lock is still to come
		{"prewrite", "a", after, false},
		{"prewrite", "z", before, false},
		{"prewrite", "z", after, false},
		{"commit", "a", before, false},
		{"commit", "a", after, true},
		{"commit", "z", before, true},
	} {
		for i := range 4 {
			lost, async := i&1 == 0, i&2 == 0
			commit, run := tc.commit, inTwoPhases
			if async {
				// Committed once all locks stand; the records are an afterthought.
				commit, run = tc.step == "commit" || tc.at == after, withCluster
			}
			t.Run(fmt.Sprintf("%s of %s/%d/lost=%v,async=%v", tc.step, tc.key, tc.at, lost, async), func(t *testing.T) {
				run(t, []string{"m"}, func(t *testing.T, c *cluster, _ *Client) {
					gateway := &kvpb.Gateway{Store: 1, Boot: 7}
					paused := c.client(func(o *Options) { o.Gateway = gateway })
					defer closeClient(t, paused)
					var asked atomic.Int64
					other := c.client(func(o *Options) {
						o.Gateway = &kvpb.Gateway{Store: 2, Boot: 9}
						o.GatewayLost = func(_ context.Context, store, boot uint64) bool {
							if store != 1 || boot != 7 {
								t.Errorf("asked about process %d of store %d", boot, store)
							}
							asked.Add(1)
							return lost
						}
					})
					defer closeClient(t, other)
					const pause = 3 * time.Second // below the life of a lock
					var reached atomic.Bool
					at := make(chan struct{})
					c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
						if p == tc.at && kindOf(req) == tc.step && holdsKey(req, tc.key) && reached.CompareAndSwap(false, true) {
							close(at)
							time.Sleep(pause)
						}
						return none
					})
					tx := mustBegin(t, paused)
					if err := errors.Join(tx.Put([]byte("a"), []byte("1")), tx.Put([]byte("z"), []byte("1"))); err != nil {
						t.Fatal(err)
					}
					first := make(chan error, 1)
					go func() { first <- tx.Commit(bg, CommitOptions{}) }()
					<-at
					time.Sleep(10 * time.Millisecond) // what goes on beside the stop is done
					began := time.Now()
					err := other.RunAutocommit(bg, AutocommitOptions{}, func(_ context.Context, tx *Txn) error {
						return errors.Join(tx.Put([]byte("z"), []byte("2")), tx.Put([]byte("a"), []byte("2")))
					})
					waited := time.Since(began)
					if err != nil {
						t.Errorf("the writer: %v", err)
					}
					if lost && waited > 500*time.Millisecond {
						t.Errorf("the writer waited for %v", waited)
					}
					firstErr := <-first
					var aborted *AbortedError
					var conflict *ConflictError
					switch {
					case commit && firstErr != nil:
						t.Errorf("the transaction had committed; the answer was %v", firstErr)
					case lost && !commit && !errors.As(firstErr, &aborted) && !errors.As(firstErr, &conflict):
						t.Errorf("the transaction was aborted; the answer was %v", firstErr)
					}
					c.setHook(nil)
					if got := scan(t, mustBegin(t, other), ScanOptions{}); got != "a=2 z=2" && (firstErr != nil || got != "a=1 z=1") {
						t.Errorf("%q is left, the paused transaction ended with %v", got, firstErr)
					}
					if tc.step == "prewrite" && tc.at == after && tc.key == "a" && asked.Load() == 0 {
						t.Error("nobody asked about the gateway")
					}
					synctestWait()
					if n := c.locks(); n != 0 {
						t.Errorf("%d locks are left", n)
					}
				})
			})
		}
	}
}

// holdsKey reports whether a prewrite or a commit is about a key.
func holdsKey(req *kvpb.Request, key string) bool {
	for _, m := range req.GetPrewrite().GetMutations() {
		if string(m.GetKey()) == key {
			return true
		}
	}
	for _, k := range req.GetCommit().GetKeys() {
		if bytes.Equal(k, []byte(key)) {
			return true
		}
	}
	return false
}
