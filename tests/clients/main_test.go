package clients

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

var slice = flag.Int("slice", -1, "run the clients whose turn it is on that day, -1 for all")

// running is the cluster that all tests use; each makes tables of its own.
var running *cluster.Cluster

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "quorate-clients-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	binary, err := cluster.Build(ctx, dir)
	if err != nil {
		return 1, err
	}
	running = cluster.New(cluster.Options{Binary: binary, Dir: dir})
	if err := running.Start(ctx, 3); err != nil {
		running.Close()
		return 1, err
	}
	code := m.Run()
	return code, running.Close()
}

// turns is how many shares the clients are divided in, for the slices of a CI run.
const turns = 4

// turn skips a client whose day it is not.
func turn(t *testing.T, mine int) {
	t.Helper()
	if *slice >= 0 && *slice%turns != mine {
		t.Skipf("another slice: it runs when the day modulo %d is %d", turns, mine)
	}
}

// dsn is where to connect at node i.
func dsn(i int) string { return running.Nodes()[i%len(running.Nodes())].DSN() }

func hostPort(t testing.TB, dsn string) (host, port string) {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c.Host, strconv.Itoa(int(c.Port))
}

// environment is what libpq and the scripts read.
func environment(t testing.TB, dsn string) []string {
	host, port := hostPort(t, dsn)
	var ports []string
	for _, n := range running.Nodes() {
		_, p := hostPort(t, n.DSN())
		ports = append(ports, p)
	}
	return append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=postgres", "PGDATABASE=postgres", "PGSSLMODE=disable", "PSQLRC=/dev/null",
		"PGCONNECT_TIMEOUT=10", "PGTZ=UTC", "LC_ALL=C.UTF-8", "CLIENT_PORTS="+strings.Join(ports, ","))
}

// program finds one of PostgreSQL's programs, and skips where it is not installed.
func program(t testing.TB, name string) string {
	t.Helper()
	if path := filepath.Join("/usr/lib/postgresql/15/bin", name); exists(path) {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: postgresql-client-15)", name)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// command runs a program against dsn and returns what it printed.
func command(t testing.TB, dsn, stdin, path string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment(t, dsn)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// dropAfter drops relations when the test is over.
func dropAfter(t testing.TB, statements ...string) {
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), dsn(0))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close(context.Background())
		for _, s := range statements {
			if _, err := c.Exec(context.Background(), s); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	})
}
