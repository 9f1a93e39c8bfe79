package chaos

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// An unmodified pgbench loads and runs on three nodes with each script and each
// protocol; no client is aborted, and the money is where the history says after
// each run.
func TestPgbench(t *testing.T) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		t.Skip("pgbench is not installed (Debian: postgresql-15)")
	}
	c := newCluster(t)
	seconds := number(t, "CHAOS_SECONDS", 2)
	ctx := within(t, 2*time.Minute+9*time.Duration(seconds+10)*time.Second)
	must(t, c.Start(ctx, 3))
	gateway := c.Nodes()[1] // not the one that everything began on
	began := time.Now()
	load, err := cluster.PGBench(ctx, gateway.DSN(), "-i", "-s", "1", "-q")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("pgbench -i -s 1 took %v", time.Since(began).Round(time.Millisecond))
	s := readSums(t, ctx, gateway)
	if s.rows != 100000 {
		t.Fatalf("pgbench -i loaded %d accounts: %s", s.rows, load.Output)
	}
	for _, script := range []struct {
		name string
		args []string
	}{
		// First, because all four sums are equal as long as only this one ran.
		// Until rows are locked its transactions meet on the one branch: retried.
		{"default", []string{"--max-tries", "1000"}},
		{"-N", []string{"-N"}},
		{"-S", []string{"-S"}},
	} {
		for _, protocol := range []string{"simple", "extended", "prepared"} {
			args := append([]string{"-n", "-c", "8", "-j", "2", "-T", fmt.Sprint(seconds), "-M", protocol}, script.args...)
			r, err := cluster.PGBench(ctx, gateway.DSN(), args...)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: %d transactions, %.0f a second, %d retried, %d failed", script.name, protocol, r.Transactions, r.TPS, r.Retried, r.Failed)
			if r.Transactions == 0 {
				t.Errorf("%s, %s: no transaction\n%s", script.name, protocol, r.Output)
			}
			if r.Failed > 0 {
				t.Errorf("%s, %s: %d transactions failed\n%s", script.name, protocol, r.Failed, r.Output)
			}
			s := readSums(t, ctx, gateway)
			if s.branches != s.tellers || s.accounts != s.history {
				t.Errorf("%s, %s: sums differ: %+v", script.name, protocol, s)
			}
			if script.name == "default" && s.branches != s.accounts {
				t.Errorf("%s, %s: after the default script alone all four are equal: %+v", script.name, protocol, s)
			}
		}
	}
	for _, n := range c.Nodes() {
		if got, want := readSums(t, ctx, n), readSums(t, ctx, gateway); got != want {
			t.Errorf("node %d reads %+v, node %d %+v", n.ID, got, gateway.ID, want)
		}
	}
}

// sums of pgbench's tables.
type sums struct{ branches, tellers, accounts, history, rows int64 }

func readSums(t *testing.T, ctx context.Context, n *cluster.Node) sums {
	t.Helper()
	conn, err := n.Connect(ctx)
	must(t, err)
	defer func() { _ = conn.Close(context.Background()) }() // all answers were read
	var s sums
	for _, q := range []struct {
		text string
		into *int64
	}{
		{"SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches", &s.branches},
		{"SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers", &s.tellers},
		{"SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts", &s.accounts},
		{"SELECT coalesce(sum(delta), 0) FROM pgbench_history", &s.history},
		{"SELECT count(*) FROM pgbench_accounts", &s.rows},
	} {
		if err := conn.QueryRow(ctx, q.text).Scan(q.into); err != nil {
			t.Fatalf("%s: %v", q.text, err)
		}
	}
	return s
}
