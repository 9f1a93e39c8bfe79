package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cost is what statements cost, from the counters of a node.
type cost struct {
	proposals, syncs, timestamps, onePhase, async, twoPhase uint64
}

func (n *Node) costNow() cost {
	st, ts := n.store.Stats(), n.txn.Stats()
	return cost{
		proposals: st.Proposals, syncs: st.Driver.LogSyncs, timestamps: n.oracle.Fetches(),
		onePhase: ts.OnePhase, async: ts.Async, twoPhase: ts.TwoPhase,
	}
}

func (c cost) since(o cost) cost {
	return cost{
		c.proposals - o.proposals, c.syncs - o.syncs, c.timestamps - o.timestamps,
		c.onePhase - o.onePhase, c.async - o.async, c.twoPhase - o.twoPhase,
	}
}

// measure runs f and returns what it has cost, and how much of that may be due to what
// a node does by itself: placement stores the window of timestamps about once a second,
// which is a proposal and a sync, and other things now and then.
func (n *Node) measure(f func()) (c cost, idle uint64) {
	was, began := n.costNow(), time.Now()
	f()
	return n.costNow().since(was), 6 + 4*uint64(time.Since(began)/time.Second)
}

// An autocommit insert costs one proposal, one sync of the log and one question to the
// oracle. A transaction over two regions is two proposals, one round of locks, when its
// commit is answered: the records, two more, follow. Nothing is in two phases.
func TestCostOfCommits(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{})
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/postgres?default_query_exec_mode=simple_protocol", n.SQLAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	exec := func(q string) {
		t.Helper()
		if _, err := c.Exec(ctx, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	exec("create table t (id int primary key, v int)")
	exec("insert into t values (0, 0)")
	const rows = 300
	got, idle := n.measure(func() {
		for i := 1; i <= rows; i++ {
			exec(fmt.Sprintf("insert into t values (%d, 1)", i))
		}
	})
	t.Logf("%d inserts: %+v, by itself up to %d", rows, got, idle)
	if got.onePhase != rows || got.proposals < rows || got.proposals > rows+idle || got.syncs > rows+idle || got.timestamps > rows+idle {
		t.Errorf("%d inserts cost %+v, by itself the node may do %d", rows, got, idle)
	}

	exec("alter table t split at values (1000)")
	const pairs = 100
	was := n.store.Stats().Proposals
	got, idle = n.measure(func() {
		for i := range pairs {
			exec(fmt.Sprintf("insert into t values (%d, 1), (%d, 1)", 400+i, 2000+i))
		}
		// The records of the last ones are on their way.
		until(t, ctx, func() bool { return n.store.Stats().Proposals-was >= 4*pairs })
	})
	t.Logf("%d inserts over two regions: %+v, by itself up to %d", pairs, got, idle)
	if got.async != pairs || got.twoPhase != 0 || got.proposals < 4*pairs || got.proposals > 4*pairs+idle || got.timestamps > pairs+idle {
		t.Errorf("%d transactions over two regions cost %+v, by itself the node may do %d", pairs, got, idle)
	}
}

// An autocommit statement asks the oracle once at most, and is planned while the answer
// is on its way.
func TestTimestampsOverlapPlanning(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{})
	for _, mode := range []string{"simple_protocol", "exec", "cache_statement"} {
		c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/postgres?default_query_exec_mode=%s", n.SQLAddr(), mode))
		if err != nil {
			t.Fatal(err)
		}
		exec := func(q string, args ...any) {
			t.Helper()
			if _, err := c.Exec(ctx, q, args...); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		exec("drop table if exists t")
		exec("create table t (id int primary key, v int)")
		exec("select * from t") // a lease on the schema of now
		const rounds = 100
		for _, s := range []string{"insert into t values (%d::int, 0)", "update t set v = v + 1 where id = %d::int", "select v from t where id = %d::int", "delete from t where id = %d::int"} {
			ahead := n.sql.PlannedAhead()
			got, idle := n.measure(func() {
				for i := range rounds {
					exec(fmt.Sprintf(s, i)) // another text each time, of no shape: to be planned anew
				}
			})
			ahead = n.sql.PlannedAhead() - ahead
			t.Logf("%s, %s: %d timestamps, %d planned ahead", mode, s, got.timestamps, ahead)
			statements := uint64(rounds)
			if mode == "cache_statement" {
				statements *= 2 // Parse is a cycle of its own
			}
			if got.timestamps > statements+idle {
				t.Errorf("%s, %s: %d timestamps for %d statements", mode, s, got.timestamps, statements)
			}
			if ahead < rounds*9/10 {
				t.Errorf("%s, %s: %d of %d statements were planned ahead of their timestamps", mode, s, ahead, rounds)
			}
		}
		_ = c.Close(ctx)
	}
}
