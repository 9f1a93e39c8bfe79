package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The command line and SQL agree on merging: exit codes, what is listed afterwards, and
// boundaries that are kept until somebody lets go of them.
func TestMergeCommands(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, time.Minute)
	must(t, c.Start(ctx, 3))
	must(t, c.WaitFor(ctx, "replicated"))
	conn, err := c.Nodes()[1].Connect(ctx)
	must(t, err)
	must(t, executeAll(ctx, conn, "CREATE TABLE m (k int PRIMARY KEY, v int)", "INSERT INTO m SELECT i, i FROM generate_series(1, 100) i",
		"ALTER TABLE m SPLIT AT VALUES (25), (50), (75)"))
	rs, err := c.Regions(ctx, "m")
	must(t, err)
	if len(rs) != 4 {
		t.Fatalf("%d regions after three splits", len(rs))
	}
	for _, x := range []struct {
		id   string
		code int
		says string
	}{
		{fmt.Sprint(rs[3].ID), 6, "no right neighbour"}, {"1", 6, "placement"}, {"999999", 1, "not known"}, {"x", 2, "not the id of a region"},
	} {
		if o := c.CLI(ctx, "region", "merge", x.id); o.Code != x.code || !strings.Contains(o.Stderr, x.says) {
			t.Errorf("region merge %s: exit code %d, want %d: %s", x.id, o.Code, x.code, o.Stderr)
		}
	}
	must(t, c.CLI(ctx, "region", "merge", fmt.Sprint(rs[1].ID)).Err())
	now, err := c.Regions(ctx, "m")
	must(t, err)
	if len(now) != 3 || now[1].ID != rs[1].ID || now[1].EndKey != rs[2].EndKey {
		t.Fatalf("regions after the merge: %+v", now)
	}
	var sum int
	must(t, executeAll(ctx, conn, "UPDATE m SET v = v + 1", "ALTER TABLE m UNSPLIT", "ALTER TABLE m UNSPLIT"))
	must(t, conn.QueryRow(ctx, "SELECT sum(v) FROM m").Scan(&sum))
	if sum != 5150 {
		t.Errorf("the sum is %d", sum)
	}
	if o := c.CLI(ctx, "operator", "ls", "--history"); !strings.Contains(o.Stdout, "unsplit") || !strings.Contains(o.Stdout, "merge") {
		t.Errorf("history:\n%s", o.Stdout)
	}
	if _, err := conn.Exec(ctx, "ALTER TABLE nowhere UNSPLIT"); code(err) != "42P01" {
		t.Errorf("UNSPLIT of no table: %v", err)
	}
	must(t, conn.Close(ctx))
}
