package chaos

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/elle"
)

// Each level is what it says: of two transactions that read what the other one
// writes both commit under snapshot isolation, as write skew, and the checker calls
// it that; where the level is serializable one of them fails.
func TestLevelsAreWhatTheySay(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, time.Minute)
	node, err := c.Add(ctx)
	must(t, err)
	must(t, node.WaitSQL(ctx))
	must(t, execute(ctx, node, "CREATE TABLE chaos_lists (k int PRIMARY KEY, v text NOT NULL)"))
	for i, lev := range levels {
		t.Run(lev.name, func(t *testing.T) {
			h := elle.History{Final: map[int][]int{}}
			keys := [2]int{10 * i, 10*i + 1}
			var conns [2]*pgx.Conn
			for j := range conns {
				conn, err := node.Connect(ctx)
				must(t, err)
				defer func() { _ = conn.Close(context.Background()) }() // all answers were read
				conns[j] = conn
			}
			if err := lev.offered(ctx, conns[0]); err != nil {
				t.Skip(err)
			}
			for j, conn := range conns { // both read before either writes
				tx := elle.Txn{ID: j, Invoked: int64(j), Done: 100}
				must(t, executeAll(ctx, conn, "BEGIN ISOLATION LEVEL "+lev.sql))
				for _, k := range keys {
					list, err := readList(ctx, conn, k)
					must(t, err)
					tx.Ops = append(tx.Ops, elle.Read(k, list...))
				}
				h.Txns = append(h.Txns, tx)
			}
			for j, conn := range conns {
				tx := &h.Txns[j]
				tx.Ops = append(tx.Ops, elle.Append(keys[j], 1))
				_, err := conn.Exec(ctx, upsertList, keys[j], strconv.Itoa(1))
				if err == nil {
					_, err = conn.Exec(ctx, "COMMIT")
				}
				switch {
				case err == nil:
					tx.Outcome = elle.OK
				case code(err) == "40001":
					tx.Outcome = elle.Failed
				default:
					t.Fatal(err)
				}
			}
			for _, k := range keys {
				list, err := readList(ctx, conns[0], k)
				if err != nil {
					must(t, executeAll(ctx, conns[0], "ROLLBACK"))
					list, err = readList(ctx, conns[0], k)
				}
				must(t, err)
				h.Final[k] = list
			}
			report, err := elle.Check(h)
			must(t, err)
			t.Log(report.Summary())
			if err := report.Verdict(lev.promise); err != nil {
				t.Error(err)
			}
			if skew := report.Kinds()[elle.G2Item] > 0; skew == lev.promise.Forbids(elle.G2Item) {
				t.Errorf("write skew: %v: %v", skew, h.Txns)
			}
		})
	}
}
