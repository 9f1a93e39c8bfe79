package tpch

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

var (
	scale   = flag.Float64("scale", 0.001, "scale factor: 1 is 6 million lines of orders")
	only    = flag.String("queries", "", "numbers of queries, by comma; empty is all")
	repeat  = flag.Int("repeat", 1, "runs of each query; the fastest counts")
	explain = flag.Bool("explain", false, "print EXPLAIN ANALYZE of each query")
	most    = flag.Float64("ratio", 0, "fail if the geometric mean of the times exceeds PostgreSQL's so many times; 0: do not")
)

func connect(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

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
	p, err := postgres.Start(ctx, bin, filepath.Join(dir, "postgres"), "fsync=off", "synchronous_commit=off", "timezone=UTC", "autovacuum=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return connect(t, p.DSN)
}

func startQuorate(t *testing.T) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := server.Start(ctx, server.Config{ListenSQL: "127.0.0.1:0", ListenRPC: "127.0.0.1:0", ListenHTTP: "127.0.0.1:0",
		CacheBytes: 128 << 20, StoreDir: filepath.Join(t.TempDir(), "node"), Local: server.NewLocalCluster(env.SystemClock()), Env: env.System()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = n.Stop(ctx)
	})
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: n.SQLAddr(), Path: "/postgres", RawQuery: "sslmode=disable"}
	return connect(t, u.String())
}

func load(t *testing.T, c *pgconn.PgConn, data map[string]*strings.Builder) {
	t.Helper()
	ctx := context.Background()
	run := func(sql string) {
		t.Helper()
		if _, err := c.Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(schema)
	for _, table := range tables {
		if _, err := c.CopyFrom(ctx, strings.NewReader(data[table].String()), "copy "+table+" from stdin"); err != nil {
			t.Fatalf("copy %s: %v", table, err)
		}
	}
	run("create index orders_custkey on orders (o_custkey)")
	run("analyze")
}

// ask returns the rows of a query and the shortest time that it took.
func ask(t *testing.T, c *pgconn.PgConn, sql string) (rows [][]string, best time.Duration) {
	t.Helper()
	for range max(1, *repeat) {
		start := time.Now()
		res, err := c.Exec(context.Background(), sql).ReadAll()
		took := time.Since(start)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if best == 0 || took < best {
			best = took
		}
		rows = nil
		for _, r := range res[len(res)-1].Rows {
			row := make([]string, len(r))
			for i, v := range r {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, best
}

// same compares two answers. Numbers are compared by value: an average may have
// another number of digits behind the ones that count.
func same(a, b [][]string) bool {
	return slices.EqualFunc(a, b, func(x, y []string) bool {
		return slices.EqualFunc(x, y, func(p, q string) bool {
			if p == q {
				return true
			}
			f, err1 := strconv.ParseFloat(p, 64)
			g, err2 := strconv.ParseFloat(q, 64)
			return err1 == nil && err2 == nil && math.Abs(f-g) <= 1e-9*math.Abs(f)
		})
	})
}

// The 22 queries give what PostgreSQL gives over the same rows. The times of both
// are printed.
func TestQueries(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	p, q := startPostgres(t), startQuorate(t)
	data := generate(*scale, 1)
	load(t, p, data)
	load(t, q, data)
	var table strings.Builder
	fmt.Fprintf(&table, "scale %g\nquery   rows  quorate ms  postgres ms  ratio\n", *scale)
	logs, n := 0.0, 0
	for i, sql := range queries {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), strconv.Itoa(i+1)) {
			continue
		}
		t.Run(fmt.Sprintf("Q%d", i+1), func(t *testing.T) {
			want, pt := ask(t, p, sql)
			got, qt := ask(t, q, sql)
			if !same(got, want) {
				t.Errorf("%d rows, PostgreSQL has %d\ngot  %.600v\nwant %.600v", len(got), len(want), got, want)
			}
			ratio := float64(qt) / float64(pt)
			logs, n = logs+math.Log(ratio), n+1
			fmt.Fprintf(&table, "Q%-4d %6d %11.1f %12.1f %6.1f\n", i+1, len(got), qt.Seconds()*1000, pt.Seconds()*1000, ratio)
			if *explain {
				lines, _ := ask(t, q, "explain analyze "+sql)
				for _, l := range lines {
					fmt.Fprintln(&table, "    ", l[0])
				}
			}
		})
	}
	mean := math.Exp(logs / float64(max(n, 1)))
	fmt.Fprintf(&table, "geometric mean of the ratios: %.2f\n", mean)
	t.Log("\n" + table.String())
	if *most > 0 && mean > *most {
		t.Errorf("the geometric mean is %.2f times PostgreSQL's, more than %.2f", mean, *most)
	}
}

// The rows are the same at every run and on every machine.
func TestGeneratorIsDeterministic(t *testing.T) {
	a, b := generate(0.0005, 7), generate(0.0005, 7)
	for _, table := range tables {
		if a[table].String() != b[table].String() || a[table].Len() == 0 {
			t.Errorf("table %s differs from run to run, or is empty", table)
		}
	}
	if c := generate(0.0005, 8); c["lineitem"].String() == a["lineitem"].String() {
		t.Error("another seed makes the same rows")
	}
}
