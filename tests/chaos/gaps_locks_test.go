package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// hotRows are the rows that all clients of these tests change, half of them in each
// of two regions.
const hotRows = 8

var hotSetup = []string{
	"CREATE TABLE gap_rows (id bigint PRIMARY KEY, n bigint NOT NULL)",
	fmt.Sprintf("INSERT INTO gap_rows SELECT g, 0 FROM generate_series(0, %d) AS g", hotRows-1),
	fmt.Sprintf("ALTER TABLE gap_rows SPLIT AT VALUES (%d)", hotRows/2),
}

func writeHot(ctx context.Context, conn *pgx.Conn, n int) error {
	_, err := conn.Exec(ctx, "UPDATE gap_rows SET n = n + 1 WHERE id = $1", n%hotRows)
	return err
}

// checkHot counts: each acknowledged write has added one.
func checkHot(ctx context.Context, conn *pgx.Conn, acked []int, beside int) error {
	var sum int
	if err := conn.QueryRow(ctx, "SELECT sum(n)::bigint FROM gap_rows").Scan(&sum); err != nil {
		return err
	}
	if sum < len(acked)+beside {
		return fmt.Errorf("%d writes were acknowledged, %d are there", len(acked)+beside, sum)
	}
	return nil
}

// heldRows: a session of the node that is hurt has locked all rows and does nothing.
// The node does not lead them, or their locks would go with it.
var heldRows = gapLoad{
	setup: hotSetup, write: writeHot, check: checkHot, follower: true,
	before: func(ctx context.Context, victim *cluster.Node) (func(), error) {
		conn, err := victim.Connect(ctx)
		if err != nil {
			return nil, err
		}
		end := func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = conn.Close(ctx) // the node may be another process by now
		}
		for _, s := range []string{"BEGIN", "SELECT n FROM gap_rows FOR UPDATE"} {
			if _, err := conn.Exec(ctx, s); err != nil {
				end()
				return nil, fmt.Errorf("%s: %w", s, err)
			}
		}
		return end, nil
	},
}

// contendedRows: clients of all nodes change pairs of the rows, one in each region,
// in transactions.
var contendedRows = gapLoad{setup: hotSetup, write: writeHot, check: checkHot, around: contend}

// contenders is how many of those clients each node has.
const contenders = 2

func contend(c *cluster.Cluster) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	var acked atomic.Int64
	var wg sync.WaitGroup
	for i, n := range c.Nodes() {
		for j := range contenders {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			wg.Go(func() { // ends with stop
				for ctx.Err() == nil {
					contendOn(ctx, n, rng, &acked)
					idle(ctx, 20*time.Millisecond)
				}
			})
		}
	}
	return func() int {
		cancel()
		wg.Wait()
		return int(acked.Load())
	}
}

// contendOn works on one connection until it fails.
func contendOn(ctx context.Context, n *cluster.Node, rng *rand.Rand, acked *atomic.Int64) {
	conn := tryConnect(n)
	if conn == nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	for ctx.Err() == nil {
		tctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := pgx.BeginFunc(tctx, conn, func(tx pgx.Tx) error {
			for _, id := range []int{rng.IntN(hotRows / 2), hotRows/2 + rng.IntN(hotRows/2)} {
				if err := writeHot(tctx, tx.Conn(), id); err != nil {
					return err
				}
			}
			return nil
		})
		cancel()
		if err == nil {
			acked.Add(2)
		}
		if conn.IsClosed() {
			return
		}
	}
}

// faultOf is a kind of fault, and whether it needs proxies between the nodes.
func faultOf(kind string) (f gapFault, opts cluster.Options) {
	switch kind {
	case "kill":
		return killFault, cluster.Options{}
	case "pause":
		return pauseFault, cluster.Options{}
	}
	return cuts[kind], cluster.Options{Proxied: true}
}

// lockKinds are the faults of the tests with locks.
var lockKinds = append([]string{"kill", "pause"}, slices.Sorted(maps.Keys(cuts))...)

// The rows that a client writes are locked by a session of a node that is killed,
// stops, or is cut off: the client gets them as soon as a majority of the stores has
// seen that it is gone, well before the life of the locks ends.
func TestGapsHeldLocks(t *testing.T) { lockGaps(t, heldRows) }

// The same for the node that leads the rows, while clients of all nodes change them
// in transactions over two regions.
func TestGapsContended(t *testing.T) { lockGaps(t, contendedRows) }

// lockGaps measures with the bounds of the same faults without locks.
func lockGaps(t *testing.T, load gapLoad) {
	for _, kind := range gapKinds(lockKinds...) {
		t.Run(kind, func(t *testing.T) {
			fault, opts := faultOf(kind)
			b := cutBounds
			if kind == "kill" {
				b = killBounds
			}
			gaps(t, opts, load, fault, b)
		})
	}
}
