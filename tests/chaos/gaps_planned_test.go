package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// A node is drained, as before a restart: its leaders leave, and a client of another
// node notices next to nothing. Sessions of the drained node go on, with what they
// have begun.
func TestGapsDrain(t *testing.T) {
	var session *pgx.Conn
	n := 0
	load := freeRows
	load.before = func(ctx context.Context, victim *cluster.Node) (func(), error) {
		conn, err := victim.Connect(ctx)
		if err != nil {
			return nil, err
		}
		session = conn
		n++
		_, err = conn.Exec(ctx, "BEGIN")
		if err == nil {
			_, err = conn.Exec(ctx, "INSERT INTO gap_rows VALUES ($1)", -2*n)
		}
		return func() { _ = conn.Close(context.Background()) }, err // all answers were read
	}
	drain := gapFault{
		hurt: func(ctx context.Context, c *cluster.Cluster, victim *cluster.Node) error {
			if err := c.CLI(ctx, "node", "drain", fmt.Sprint(victim.ID), "--timeout", "60s").Err(); err != nil {
				return err
			}
			leads, err := leaderships(ctx, c)
			if err != nil {
				return err
			}
			if left := leads[victim.ID]; len(left) > 0 {
				return fmt.Errorf("node %d is drained and leads %v", victim.ID, left)
			}
			if _, err := session.Exec(ctx, "INSERT INTO gap_rows VALUES ($1)", -2*n-1); err != nil {
				return fmt.Errorf("in a transaction that began before the drain: %w", err)
			}
			if _, err := session.Exec(ctx, "COMMIT"); err != nil {
				return fmt.Errorf("in a transaction that began before the drain: %w", err)
			}
			return nil
		},
		mend: func(ctx context.Context, c *cluster.Cluster, victim *cluster.Node) error {
			return c.CLI(ctx, "node", "recommission", fmt.Sprint(victim.ID), "--timeout", "60s").Err()
		},
		settle: true,
	}
	gaps(t, cluster.Options{}, load, drain, gapBounds{most: 100 * time.Millisecond, share: 0.01, max: 500 * time.Millisecond})
}

// rising checks ids of transactions, which are timestamps of the oracle: each is above
// all that anybody had been given before it was asked for, and none comes twice.
type rising struct {
	most atomic.Int64
	mu   sync.Mutex
	seen map[int64]bool
	errs []error
}

func (r *rising) ask(ctx context.Context, conn *pgx.Conn) error {
	floor := r.most.Load()
	var id int64
	if err := conn.QueryRow(ctx, "SELECT txid_current()").Scan(&id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id <= floor {
		r.errs = append(r.errs, fmt.Errorf("timestamp %d was given after %d", id, floor))
	}
	if r.seen[id] {
		r.errs = append(r.errs, fmt.Errorf("timestamp %d was given twice", id))
	}
	r.seen[id] = true
	if id > r.most.Load() {
		r.most.Store(id)
	}
	return nil
}

// The leader of the timestamp oracle is killed while the clocks of all nodes jump by
// up to an hour, back and forth: timestamps are there again within a second, and they
// only ever rise.
func TestGapsTimestamps(t *testing.T) {
	if os.Getenv("CHAOS_GAPS") == "" {
		t.Skip("builds a binary of its own: make chaos CHAOS_TESTS=TestGapsTimestamps")
	}
	r := &rising{seen: map[int64]bool{}}
	rng := rand.New(rand.NewPCG(1, 7))
	jump := func(c *cluster.Cluster) error {
		for _, n := range c.Nodes() {
			d := between(rng, time.Second, time.Hour) * time.Duration(rng.IntN(3)-1)
			if rng.IntN(4) == 0 {
				d = time.Hour * time.Duration(2*rng.IntN(2)-1)
			}
			if err := n.SetFaults(fmt.Sprintf("clock offset=%v", d.Truncate(time.Second))); err != nil {
				return err
			}
		}
		return nil
	}
	load := gapLoad{
		setup:     []string{"CREATE TABLE gap_rows (id int PRIMARY KEY)"},
		write:     func(ctx context.Context, conn *pgx.Conn, _ int) error { return r.ask(ctx, conn) },
		placement: true,
		around: func(c *cluster.Cluster) func() int {
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			for _, n := range c.Nodes() {
				wg.Go(func() { // ends with stop
					for ctx.Err() == nil {
						conn := tryConnect(n)
						for conn != nil && ctx.Err() == nil && r.ask(ctx, conn) == nil {
							idle(ctx, 10*time.Millisecond)
						}
						if conn != nil {
							_ = conn.Close(context.Background()) // it is broken, or was used to its end
						}
						idle(ctx, 50*time.Millisecond)
					}
				})
			}
			return func() int { stop(); wg.Wait(); return 0 }
		},
		check: func(context.Context, *pgx.Conn, []int, int) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			return errors.Join(r.errs...)
		},
	}
	kill := killFault
	kill.hurt = func(_ context.Context, c *cluster.Cluster, n *cluster.Node) error {
		if err := jump(c); err != nil {
			return err
		}
		n.Kill()
		return jump(c)
	}
	gaps(t, cluster.Options{Binary: faultyBinary(t)}, load, kill, killBounds)
	t.Logf("%d timestamps", len(r.seen))
}
