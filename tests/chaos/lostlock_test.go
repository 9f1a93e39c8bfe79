package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// A transaction has locked a row FOR SHARE, or FOR KEY SHARE, and the process of the
// row's leader is killed. Another transaction then deletes the row: either it has to
// wait, or the first one does not commit, whether it has written something or not.
func TestSharedLockSurvivesItsLeader(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, 3*time.Minute)
	must(t, c.Start(ctx, 3))
	admin, err := c.Nodes()[0].Connect(ctx)
	must(t, err)
	must(t, executeAll(ctx, admin, "CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE child (id int PRIMARY KEY, parent int)",
		"INSERT INTO parent SELECT generate_series(1, 10)", "ALTER TABLE child SPLIT AT VALUES (0)"))
	must(t, admin.Close(ctx))
	row := 0
	for _, mode := range []string{"SHARE", "KEY SHARE"} {
		for _, writes := range []bool{false, true} {
			row++
			t.Run(fmt.Sprintf("%s, writes %v", mode, writes), func(t *testing.T) { loseLeader(t, ctx, c, mode, writes, row) })
		}
	}
}

func loseLeader(t *testing.T, ctx context.Context, c *cluster.Cluster, mode string, writes bool, row int) {
	must(t, c.WaitFor(ctx, "replicated"))
	_, leader, err := c.Leader(ctx, "parent")
	must(t, err)
	var others []*cluster.Node
	for _, n := range c.Nodes() {
		if n != leader {
			others = append(others, n)
		}
	}
	holder, err := others[0].Connect(ctx)
	must(t, err)
	defer func() { _ = holder.Close(ctx) }()
	must(t, executeAll(ctx, holder, "BEGIN", fmt.Sprintf("SELECT * FROM parent WHERE id = %d FOR %s", row, mode)))
	if writes {
		must(t, executeAll(ctx, holder, fmt.Sprintf("INSERT INTO child VALUES (%d, %d)", row, row)))
	}
	leader.Kill()
	defer func() { must(t, leader.Start(ctx)) }()
	deleter, err := others[1].Connect(ctx)
	must(t, err)
	defer func() { _ = deleter.Close(ctx) }()
	dctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tag, err := deleter.Exec(dctx, "DELETE FROM parent WHERE id = $1", row)
	deleted := err == nil && tag.RowsAffected() == 1
	_, err = holder.Exec(ctx, "COMMIT")
	t.Logf("the row was deleted meanwhile: %v; the holder's commit: %v", deleted, err)
	var pe *pgconn.PgError
	switch {
	case deleted && err == nil:
		t.Error("the row went although it was locked, and the holder was not told")
	case err != nil && (!errors.As(err, &pe) || pe.Code != "40001"):
		t.Errorf("the holder was told %v, want 40001", err)
	}
}
