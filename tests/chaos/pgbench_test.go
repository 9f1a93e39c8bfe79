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
			args := append([]string{"-n", "-c", "8", "-j", "2", "-T", fmt.Sprint(seconds), "-M", protocol, "--failures-detailed"}, script.args...)
			r, err := cluster.PGBench(ctx, gateway.DSN(), args...)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: %d transactions, %.0f a second, %d retried, %d failed", script.name, protocol, r.Transactions, r.TPS, r.Retried, r.Failed)
			if r.Transactions == 0 {
				t.Errorf("%s, %s: no transaction\n%s", script.name, protocol, r.Output)
			}
			// Two of 8 clients meet on one of 100,000 accounts now and then. Until
			// rows are locked one of them then fails where PostgreSQL would wait.
			if allowed := 1 + r.Transactions/1000; script.name == "-N" && r.Failed > allowed || script.name != "-N" && r.Failed > 0 {
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

// Leaders move and regions split while pgbench runs: no client is aborted and no
// transaction fails, and region ls shows what was asked for. (Two transactions
// that meet on an account by chance are retried; nothing but that is.)
func TestPgbenchWhileRegionsMove(t *testing.T) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		t.Skip("pgbench is not installed (Debian: postgresql-15)")
	}
	c := newCluster(t)
	seconds := 3 * number(t, "CHAOS_SECONDS", 2)
	ctx := within(t, 2*time.Minute+time.Duration(seconds)*time.Second)
	must(t, c.Start(ctx, 3))
	gateway := c.Nodes()[0]
	_, err := cluster.PGBench(ctx, gateway.DSN(), "-i", "-s", "1", "-q")
	must(t, err)
	type answer struct {
		r   cluster.BenchResult
		err error
	}
	ended := make(chan answer, 1)
	go func() { // ends with pgbench, which ends by itself or with ctx
		r, err := cluster.PGBench(ctx, gateway.DSN(), "-n", "-N", "-c", "8", "-j", "2", "-M", "prepared", "-T", fmt.Sprint(seconds), "--max-tries", "1000")
		ended <- answer{r, err}
	}()
	moves, splits := 0, 0
	for i := 0; ; i++ {
		select {
		case a := <-ended:
			must(t, a.err)
			t.Logf("%d transfers and %d splits; pgbench: %d transactions, %.0f a second, %d failed", moves, splits, a.r.Transactions, a.r.TPS, a.r.Failed)
			if a.r.Failed > 0 || a.r.Transactions == 0 {
				t.Errorf("of %d transactions %d failed\n%s", a.r.Transactions, a.r.Failed, a.r.Output)
			}
			if moves == 0 || splits == 0 {
				t.Errorf("%d transfers and %d splits fell into the run: it proves nothing", moves, splits)
			}
			if s := readSums(t, ctx, gateway); s.accounts != s.history {
				t.Errorf("sums differ: %+v", s)
			}
			rs, err := c.Regions(ctx, "")
			must(t, err)
			checkTiling(t, rs)
			return
		default:
		}
		rs, err := c.Regions(ctx, "pgbench_accounts")
		must(t, err)
		region := rs[i%len(rs)]
		if region.Leader == nil {
			continue
		}
		to := region.Leader.NodeID%3 + 1
		must(t, c.CLI(ctx, "region", "transfer-leader", fmt.Sprint(region.ID), "--to", fmt.Sprint(to)).Err())
		if got := regionByID(t, ctx, c, region.ID); got.Leader == nil || got.Leader.NodeID != to {
			t.Errorf("region %d was to be led by node %d; region ls says %+v", region.ID, to, got.Leader)
		}
		moves++
		if splits < 8 {
			must(t, execute(ctx, c.Nodes()[2], fmt.Sprintf("ALTER TABLE pgbench_accounts SPLIT AT VALUES (%d)", 10000*(splits+1))))
			splits++
			now, err := c.Regions(ctx, "pgbench_accounts")
			must(t, err)
			if len(now) != len(rs)+1 {
				t.Errorf("%d regions before SPLIT AT a new place, %d after", len(rs), len(now))
			}
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
