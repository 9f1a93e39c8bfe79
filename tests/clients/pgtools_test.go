package clients

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

// The roles that testdata/schema.sql gives rights to. A dump does not make them.
const makeRoles = `create role clients_ann login; create role "clients Odd"`

// startPostgres starts a private PostgreSQL, and skips where there is none.
func startPostgres(t *testing.T) string {
	t.Helper()
	bin, err := postgres.Bin()
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "quorate-clients-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := postgres.Start(ctx, bin, dir, "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return p.DSN
}

// psql runs statements or backslash commands; an error ends it.
func psql(t *testing.T, dsn, input string) string {
	t.Helper()
	out, err := command(t, dsn, input, program(t, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1")
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// psqlSame are inputs of psql that print the same with Quorate and with PostgreSQL.
var psqlSame = []string{
	`\d people`, `\d s2.people`, `\d "Upper Case"`, `\d sq`, `\d zz_base`, `\d orders_total`, `\d addr`, `\dt`, `\dt s2.*`, `\di`, `\dv`, `\ds`,
	`\dT`, `\dD`, `\dp orders`, `\dp people`, `\ddp`, `\df pg_catalog.substring`, `\dd nothing`, "select 1 as a, 'x'::text as b \\gdesc",
	"\\copy (select id, total from orders where id <= 3 order by 1) to stdout csv header",
	"\\x on\nselect * from s2.people order by id;", "select id from orders order by id limit 1 \\gset\n\\echo :id",
	"begin; savepoint a; select count(*) from people; rollback to a; commit;", "\\set FETCH_COUNT 50\nselect count(*), sum(total) from orders;",
	"select id, flags, total from orders order by id limit 2 \\crosstabview id flags total\n",
}

// psqlRuns print what differs by its nature: sizes, names of databases.
var psqlRuns = map[string]string{`\dt+`: "people", `\di+`: "orders_total", `\dv+`: "zz_base", `\dn`: "s2", `\dn+`: "s2", `\l`: "postgres", `\du`: "clients_ann", `\dx`: "extensions",
	`\d+ orders`: "orders_total_check", `\dconfig work_mem`: "work_mem", `\conninfo`: "postgres", `\encoding`: "UTF8", `\sv zz_base`: "zz_base",
	// It goes on until there is an error.
	"create temp sequence w;\n\\set ON_ERROR_STOP off\nselect 10 / (3 - nextval('w')) as v \\watch 0.01\n": "division by zero"}

// psql's commands show the same as with PostgreSQL.
func TestPsql(t *testing.T) {
	turn(t, 0)
	pg := startPostgres(t)
	for _, at := range []string{dsn(0), pg} {
		psql(t, at, makeRoles+";\n"+read(t, "schema.sql"))
	}
	t.Cleanup(func() { psql(t, dsn(0), read(t, "unmake.sql")) })
	for _, input := range psqlSame {
		want, got := psql(t, pg, input+"\n"), psql(t, dsn(1), input+"\n")
		if got != want {
			t.Errorf("%s\n--- Quorate\n%s--- PostgreSQL\n%s", input, got, want)
		}
	}
	for input, want := range psqlRuns {
		if got := psql(t, dsn(2), input+"\n"); !strings.Contains(got, want) {
			t.Errorf("%s has no %s\n%s", input, want, got)
		}
	}
	if got, err := command(t, dsn(0), "copy people (name, p) from stdin;\nx\t-1\n\\.\n", program(t, "psql"), "-X", "-q"); err != nil || !strings.Contains(got, "violates check constraint \"posint_check\"") {
		t.Error(err, got)
	}
}

// pgbench loads and runs in all its modes.
func TestPgbench(t *testing.T) {
	turn(t, 1)
	path := program(t, "pgbench")
	for _, args := range []string{"-i -s 1 -q", "-n -c 3 -t 20 -M simple --max-tries=50", "-n -c 3 -t 20 -M extended --max-tries=50", "-n -c 3 -t 20 -M prepared --max-tries=50", "-n -S -c 3 -t 50 -M prepared"} {
		if out, err := command(t, dsn(1), "", path, strings.Fields(args)...); err != nil || strings.Contains(out, "aborted") {
			t.Fatalf("pgbench %s: %v\n%s", args, err, out)
		}
	}
	dropAfter(t, "drop table pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history")
	if got := strings.Fields(psql(t, dsn(2), "\\t on\nselect (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history), (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history);\n")); !slices.Equal(got, []string{"t", "|", "t"}) {
		t.Error("the sums differ: ", got)
	}
}

// secret is the random word of newer minor versions of pg_dump.
var secret = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// tables of testdata/schema.sql, with the columns that order them.
var dumped = []string{"people order by id", "orders order by id", "s2.people order by id", "nokey order by a, b", `"Upper Case" order by x`, "aa_over order by id"}

// pg_dump runs unmodified. What it writes makes the same again in an empty Quorate, and
// in PostgreSQL.
func TestPgDump(t *testing.T) {
	turn(t, 2)
	pg := startPostgres(t)
	psql(t, dsn(0), makeRoles+";\n"+read(t, "schema.sql"))
	t.Cleanup(func() { psql(t, dsn(0), read(t, "unmake.sql")) })
	dump := func(dsn string, args ...string) string {
		t.Helper()
		out, err := command(t, dsn, "", program(t, "pg_dump"), args...)
		if err != nil {
			t.Fatalf("pg_dump %s: %v\n%s", args, err, out)
		}
		return secret.ReplaceAllString(out, "")
	}
	text := dump(dsn(1))
	empty := emptyQuorate(t)
	for _, to := range []string{empty, pg} {
		psql(t, to, makeRoles)
		psql(t, to, text)
		for _, table := range dumped {
			q := "copy (select * from " + table + ") to stdout;\n"
			if want, got := psql(t, dsn(0), q), psql(t, to, q); got != want {
				t.Errorf("%s differs in %s:\n%.2000s\nwant\n%.2000s", table, to, got, want)
			}
		}
	}
	if again := dump(empty); again != text {
		t.Errorf("the dump of the restored database differs:\n%s\nwas\n%s", again, text)
	}
	archive := filepath.Join(t.TempDir(), "dump")
	dump(dsn(2), "-Fc", "-f", archive)
	second := emptyQuorate(t)
	psql(t, second, makeRoles)
	if out, err := command(t, second, "", program(t, "pg_restore"), "--exit-on-error", "-d", "postgres", archive); err != nil {
		t.Fatalf("pg_restore: %v\n%s", err, out)
	}
	if again := dump(second, "--inserts"); again != dump(dsn(0), "--inserts") {
		t.Error("what pg_restore has made differs")
	}
}

// emptyQuorate starts a node of its own.
func emptyQuorate(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	binary, err := cluster.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	c := cluster.New(cluster.Options{Binary: binary, Dir: dir})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(ctx, 1); err != nil {
		t.Fatal(err)
	}
	return c.Nodes()[0].DSN()
}
