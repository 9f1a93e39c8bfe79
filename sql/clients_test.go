package sql

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/pgwire"
)

// serve runs an engine behind the wire protocol and returns its address.
func serve(t testing.TB, e *Engine) string {
	t.Helper()
	srv, err := pgwire.New(pgwire.Options{Engine: e, Clock: env.SystemClock(), Entropy: rand.Reader, Auth: pgwire.TrustLoopback{}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return l.Addr().String()
}

func connect(t testing.TB, addr string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), "postgres://postgres@"+addr+"/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// client runs one of PostgreSQL's programs, and skips where it is not installed.
func client(t testing.TB, addr, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/lib/postgresql/15/bin/" + name
		if _, err := os.Stat(path); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	host, port, _ := net.SplitHostPort(addr)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=postgres", "PGDATABASE=postgres", "PSQLRC=/dev/null", "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPgbench: an unmodified pgbench loads and runs, in all protocols, and the sums
// agree.
func TestPgbench(t *testing.T) {
	e, _ := newTestEngine(t)
	addr := serve(t, e)
	if out, err := client(t, addr, "pgbench", "-i", "-s", "1", "-q"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range []string{
		"-n -c 2 -t 20 -S -M simple", "-n -c 2 -t 20 -S -M extended", "-n -c 2 -t 20 -S -M prepared",
		"-n -c 2 -t 10 -N -M simple", "-n -c 2 -t 10 -N -M extended", "-n -c 2 -t 10 -N -M prepared",
		"-n -c 4 -t 10 -M simple --max-tries=100", "-n -c 4 -t 10 -M extended --max-tries=100", "-n -c 4 -t 10 -M prepared --max-tries=100",
		"-c 1 -t 5",
	} {
		out, err := client(t, addr, "pgbench", strings.Fields(args)...)
		if err != nil || strings.Contains(out, "aborted") {
			t.Fatalf("pgbench %s: %v\n%s", args, err, out)
		}
	}
	c := connect(t, addr)
	var branches, tellers, accounts, history int64
	err := c.QueryRow(context.Background(), `select (select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers),
		(select sum(abalance) from pgbench_accounts), (select coalesce(sum(delta), 0) from pgbench_history)`).Scan(&branches, &tellers, &accounts, &history)
	if err != nil {
		t.Fatal(err)
	}
	// The last run truncated the history, as pgbench does without -n.
	if branches != tellers {
		t.Errorf("branches %d, tellers %d, accounts %d, history %d", branches, tellers, accounts, history)
	}
}

// TestPgx: the extended protocol with a driver that prepares, describes and uses
// binary formats.
func TestPgx(t *testing.T) {
	ctx := context.Background()
	e, _ := newTestEngine(t)
	c := connect(t, serve(t, e))
	if _, err := c.Exec(ctx, "create table t (id int primary key, name text not null, at timestamptz, n numeric(8,2))"); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	tag, err := c.Exec(ctx, "insert into t values ($1, $2, $3, $4)", 1, "one", at, "12.5")
	if err != nil || tag.String() != "INSERT 0 1" {
		t.Fatal(tag, err)
	}
	var name string
	var got time.Time
	var n string
	if err := c.QueryRow(ctx, "select name, at, n::text from t where id = $1", 1).Scan(&name, &got, &n); err != nil || name != "one" || !got.Equal(at) || n != "12.50" {
		t.Fatal(name, got, n, err)
	}
	_, err = c.Exec(ctx, "insert into t values ($1, $2)", 1, "dup")
	if pe, ok := err.(*pgconn.PgError); !ok || pe.Code != "23505" || pe.Detail != "Key (id)=(1) already exists." || pe.ConstraintName != "t_pkey" {
		t.Fatalf("%#v", err)
	}
	// A batch is one implicit transaction.
	b := &pgx.Batch{}
	b.Queue("insert into t values ($1, 'b1')", 2)
	b.Queue("insert into t values ($1, 'b2')", 3)
	b.Queue("select count(*) from t")
	res := c.SendBatch(ctx, b)
	for range 2 {
		if _, err := res.Exec(); err != nil {
			t.Fatal(err)
		}
	}
	var count int
	if err := res.QueryRow().Scan(&count); err != nil || count != 3 {
		t.Fatal(count, err)
	}
	if err := res.Close(); err != nil {
		t.Fatal(err)
	}
	b = &pgx.Batch{}
	b.Queue("insert into t values (4, 'x')")
	b.Queue("select 1/0")
	if err := c.SendBatch(ctx, b).Close(); err == nil {
		t.Fatal("a batch with an error succeeded")
	}
	if err := c.QueryRow(ctx, "select count(*) from t").Scan(&count); err != nil || count != 3 {
		t.Fatalf("rows after a failed batch: %d %v", count, err)
	}
	// = ANY with an array parameter, and a parameter's type from the other operand.
	rows, err := c.Query(ctx, "select id from t where id = any($1) order by id limit $2", []int32{3, 1, 9}, 5)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil || len(ids) != 2 || ids[0] != 1 || ids[1] != 3 {
		t.Fatal(ids, err)
	}
	// A transaction with a savepoint.
	tx, err := c.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "update t set name = 'in tx' where id = $1", 1); err != nil {
		t.Fatal(err)
	}
	sp, err := tx.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sp.Exec(ctx, "select nope"); err == nil {
		t.Fatal("no error")
	}
	if err := sp.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.QueryRow(ctx, "select name from t where id = 1").Scan(&name); err != nil || name != "in tx" {
		t.Fatal(name, err)
	}
	// Copy in, text format.
	ct, err := c.PgConn().CopyFrom(ctx, strings.NewReader("10\tten\t\\N\t1\n11\tel\\tf\t2024-01-01\t2\n"), "copy t from stdin")
	if err != nil || ct.RowsAffected() != 2 {
		t.Fatal(ct, err)
	}
	if err := c.QueryRow(ctx, "select name from t where id = 11").Scan(&name); err != nil || name != "el\tf" {
		t.Fatal(name, err)
	}
	_, err = c.PgConn().CopyFrom(ctx, strings.NewReader("12\tten\n"), "copy t from stdin")
	if pe, ok := err.(*pgconn.PgError); !ok || pe.Code != "22P04" {
		t.Fatalf("%v", err)
	}
	// The plan of a prepared statement is made again when the table changes.
	if _, err := c.Prepare(ctx, "ps", "select * from t where id = $1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, "alter table t add column extra int"); err != nil {
		t.Fatal(err)
	}
	_, err = c.Exec(ctx, "ps", 1)
	if pe, ok := err.(*pgconn.PgError); !ok || pe.Code != "0A000" || pe.Routine != "RevalidateCachedQuery" {
		t.Fatalf("%v", err)
	}
}

// TestPsqlDescribe: psql's backslash commands read the virtual tables.
func TestPsqlDescribe(t *testing.T) {
	e, _ := newTestEngine(t)
	addr := serve(t, e)
	s := e.testSession(t)
	s.must("create table people (id int primary key, name varchar(20) not null default 'x', age int check (age > 0), unique (name))")
	s.must("create index on people (age desc)")
	for cmd, want := range map[string][]string{
		`\dt`: {"public | people | table | postgres"},
		`\d people`: {"id     | integer               |           | not null |", "name   | character varying(20) |           | not null | 'x'",
			`"people_pkey" PRIMARY KEY, btree (id)`, `"people_age_idx" btree (age DESC)`, `"people_name_key" UNIQUE CONSTRAINT, btree (name)`, `"people_age_check" CHECK`},
		`\di`: {"public | people_pkey     | index | postgres | people"},
		`\dn`: {"public"},
		`\l`:  {"postgres | postgres | UTF8"},
		`\du`: {"Superuser"},
	} {
		out, err := client(t, addr, "psql", "-X", "-c", cmd)
		for _, w := range want {
			if err != nil || !strings.Contains(out, w) {
				t.Errorf("%s: %v: no %q in\n%s", cmd, err, w, out)
			}
		}
	}
}
