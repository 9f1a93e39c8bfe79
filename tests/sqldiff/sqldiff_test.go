package sqldiff

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

var (
	statements = flag.Int("statements", 2000, "statements to compare")
	seed       = flag.Uint64("seed", 1, "seed of the generator; 0 takes one from the clock")
	first      = flag.Int("scenario", 0, "scenario to begin with")
	most       = flag.Int("most", 20, "differences after which a run ends")
)

// startPostgres starts the server to compare with, or skips.
func startPostgres(t *testing.T) *pgconn.PgConn {
	t.Helper()
	bin, err := postgres.Bin()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // the user postgres must get in
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p, err := postgres.Start(ctx, bin, filepath.Join(dir, "postgres"), "fsync=off", "full_page_writes=off", "synchronous_commit=off",
		"timezone=UTC", "jit=off", "autovacuum=off", fmt.Sprintf("statement_timeout=%d", statementTimeout.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Log(err)
		}
	})
	return connect(t, p.DSN)
}

func connect(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the server may be gone
	return c
}

// startQuorate starts nodes in this process and connects to the last.
func startQuorate(t *testing.T, nodes int, splitBytes int64) *pgconn.PgConn {
	t.Helper()
	return session(t, startNodes(t, nodes, splitBytes))
}

// session is a connection with the settings of the comparison.
func session(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	c := connect(t, dsn)
	for _, s := range []string{"SET timezone = 'UTC'", fmt.Sprintf("SET statement_timeout = %d", statementTimeout.Milliseconds())} {
		if _, err := c.Exec(context.Background(), s).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// startNodes starts a cluster in this process and returns how to connect to the
// last of its nodes.
func startNodes(t *testing.T, nodes int, splitBytes int64) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	base := server.Config{
		ListenSQL: "127.0.0.1:0", ListenRPC: "127.0.0.1:0", ListenHTTP: "127.0.0.1:0",
		CacheBytes: 32 << 20, SplitSizeBytes: splitBytes,
		Local: server.NewLocalCluster(env.SystemClock()), Env: env.System(),
	}
	var running []*server.Node
	t.Cleanup(func() {
		for i := len(running) - 1; i >= 0; i-- {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			if err := running[i].Stop(ctx); err != nil {
				t.Logf("stop node %d: %v", i+1, err)
			}
			cancel()
		}
	})
	for i := range nodes {
		c := base
		c.StoreDir = filepath.Join(dir, fmt.Sprintf("node%d", i+1))
		if i > 0 {
			c.Join = []string{running[0].RPCAddr()}
		}
		n, err := server.Start(ctx, c)
		if err != nil {
			t.Fatalf("start node %d: %v", i+1, err)
		}
		running = append(running, n)
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: running[nodes-1].SQLAddr(), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

func theSeed() uint64 {
	if *seed == 0 {
		return uint64(time.Now().Unix())
	}
	return *seed
}

// tinyRegionBytes makes a table of a few hundred rows lie in several regions.
const tinyRegionBytes = 8 << 10

// Generated statements give what a real PostgreSQL gives: rows, column names and
// types, command tags, SQLSTATEs. A failure prints its seed and a short script. One
// node takes two thirds of them, three nodes with tiny regions the rest.
func TestAgainstPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	p := startPostgres(t)
	t.Run("one-node", func(t *testing.T) {
		newCampaign(t, startQuorate(t, 1, 0), p).test(t, *statements*2/3)
	})
	t.Run("three-nodes", func(t *testing.T) {
		c := newCampaign(t, startQuorate(t, 3, tinyRegionBytes), p)
		c.seed++
		c.test(t, *statements/3)
	})
}

func newCampaign(t *testing.T, q, p *pgconn.PgConn) *campaign {
	t.Helper()
	list, err := readAccepted("testdata/accepted.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) >= 20 {
		t.Errorf("%d accepted differences: mend some", len(list))
	}
	ours, err := makeUserTypes(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := makeUserTypes(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return &campaign{quorateOIDs: ours, postgresOIDs: theirs, quorate: q, postgres: p, calls: newCalls(expr.NewCatalog()), accepted: list, seed: theSeed(), logf: t.Logf, most: *most}
}

func (c *campaign) test(t *testing.T, n int) {
	t.Helper()
	began := time.Now()
	if err := c.run(context.Background(), *first, n); err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d: %s, in %v", c.seed, c.summary(), time.Since(began).Round(time.Second))
	for _, a := range c.accepted {
		if a.used > 0 {
			t.Logf("accepted %d times: %s", a.used, a.reason)
		}
	}
	if len(c.findings) > 0 {
		t.Errorf("%d differences", len(c.findings))
	}
}

// Queries of one server agree with each other: see law.
func TestLaws(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dsn := startNodes(t, 1, tinyRegionBytes)
	conn := session(t, dsn)
	if _, err := makeUserTypes(context.Background(), conn); err != nil {
		t.Fatal(err)
	}
	cs := newCalls(expr.NewCatalog())
	for _, k := range []struct {
		name string
		laws []law
	}{{"partitions", laws}, {"norec", []law{norec}}} {
		t.Run(k.name, func(t *testing.T) {
			l := &lawRun{conn: conn, calls: cs, seed: theSeed(), logf: t.Logf}
			if err := l.check(context.Background(), *statements/2, k.laws...); err != nil {
				t.Fatal(err)
			}
			l.report(t)
		})
	}
	t.Run("plans", func(t *testing.T) {
		off := session(t, dsn)
		if _, err := off.Exec(context.Background(), "SET quorate.plan_rules = off").ReadAll(); err != nil {
			t.Fatal(err)
		}
		l := &lawRun{conn: conn, calls: cs, seed: theSeed() + 1, logf: t.Logf}
		if err := l.independent(context.Background(), off, *statements/4); err != nil {
			t.Fatal(err)
		}
		l.report(t)
	})
}

func (l *lawRun) report(t *testing.T) {
	t.Helper()
	t.Logf("seed %d: %d checked, %d of them void because of an error, %d broken", l.seed, l.checked, l.errors, l.broken)
	if l.broken > 0 {
		t.Errorf("%d broken", l.broken)
	}
}
