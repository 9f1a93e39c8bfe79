package logictest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Scripts with several sessions. A line is
//
//	NAME: SQL          runs it and compares what follows up to an empty line
//	NAME! SQL          begins it; it has to wait for a lock
//	NAME?              waits for what was begun and compares
//
// Results are rows as a|b, then the command tag, or ERROR and the SQLSTATE.
type sessionScript struct {
	t     *testing.T
	dsns  []string
	conns map[string]*pgconn.PgConn
	begun map[string]chan string
	watch *pgconn.PgConn
	// waits says by which query a session is seen to wait.
	waits string
}

const sessionPatience = 20 * time.Second

func (s *sessionScript) conn(ctx context.Context, name string) *pgconn.PgConn {
	if c := s.conns[name]; c != nil {
		return c
	}
	c, err := pgconn.Connect(ctx, s.dsns[len(s.conns)%len(s.dsns)])
	if err != nil {
		s.t.Fatal(err)
	}
	s.conns[name] = c
	return c
}

func outcomeOf(ctx context.Context, c *pgconn.PgConn, sql string) string {
	var b strings.Builder
	results, err := c.Exec(ctx, sql).ReadAll()
	for _, r := range results {
		for _, row := range r.Rows {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = string(v)
			}
			b.WriteString(strings.Join(cells, "|") + "\n")
		}
		if r.Err == nil {
			b.WriteString(r.CommandTag.String() + "\n")
		}
	}
	var pe *pgconn.PgError
	switch {
	case err == nil:
	case asPgError(err, &pe):
		b.WriteString("ERROR " + pe.Code + "\n")
	default:
		b.WriteString("FAILED " + err.Error() + "\n")
	}
	return b.String()
}

func asPgError(err error, pe **pgconn.PgError) bool {
	e, ok := err.(*pgconn.PgError)
	*pe = e
	return ok
}

// awaitWait returns when the session is seen to wait for a lock.
func (s *sessionScript) awaitWait(ctx context.Context, name string) {
	pid := s.conns[name].PID()
	for ctx.Err() == nil {
		select {
		case out := <-s.begun[name]:
			s.t.Fatalf("%s did not wait: %s", name, out)
		default:
		}
		if !strings.HasPrefix(outcomeOf(ctx, s.watch, fmt.Sprintf(s.waits, pid)), "0\n") {
			return
		}
	}
	s.t.Fatalf("%s is not seen to wait", name)
}

func (s *sessionScript) run(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), sessionPatience)
	defer cancel()
	var err error
	if s.watch, err = pgconn.Connect(ctx, s.dsns[0]); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		for _, c := range s.conns {
			_ = c.Close(context.Background())
		}
		_ = s.watch.Close(context.Background())
	}()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.IndexAny(line, ":!?")
		name, sql := line[:at], strings.TrimSpace(line[at+1:])
		var got string
		switch line[at] {
		case '!':
			c, out := s.conn(ctx, name), make(chan string, 1)
			s.begun[name] = out
			go func() { out <- outcomeOf(ctx, c, sql) }()
			s.awaitWait(ctx, name)
			continue
		case '?':
			got = <-s.begun[name]
		default:
			got = outcomeOf(ctx, s.conn(ctx, name), sql)
		}
		var want strings.Builder
		first := n
		for in.Scan() {
			n++
			if in.Text() == "" {
				break
			}
			want.WriteString(in.Text() + "\n")
		}
		if got != want.String() {
			s.t.Fatalf("%s:%d: %s\ngot:\n%swant:\n%s", filepath.Base(path), first, line, got, want.String())
		}
	}
}

// Transactions side by side come out as in PostgreSQL, on one region and on several
// with leaders on several nodes.
func TestSessions(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, sh := range []shape{{name: "one-node", nodes: 1}, {name: "three-nodes", nodes: 3}, {name: "tiny-regions", nodes: 3, splitBytes: tinyRegionBytes}} {
		t.Run(sh.name, func(t *testing.T) {
			dsns := startCluster(t, sh)
			runSessions(t, dsns, files, "SELECT count(*) FROM quorate.locks WHERE pid = %d AND NOT granted")
		})
	}
}

// The scripts say what PostgreSQL does: POSTGRES_DSN names one.
func TestSessionsOnPostgreSQL(t *testing.T) {
	dsn := os.Getenv("POSTGRES_DSN")
	if dsn == "" {
		t.Skip("needs POSTGRES_DSN, a PostgreSQL to compare with")
	}
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	// PostgreSQL ends the wait of whoever looks first, not that of the youngest, and looks
	// again at one row where Quorate runs the statement again.
	files = slices.DeleteFunc(files, func(f string) bool {
		return filepath.Base(f) == "deadlock.txt" || filepath.Base(f) == "predicate_write_read_committed.txt"
	})
	runSessions(t, []string{dsn}, files, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event_type = 'Lock'")
}

func runSessions(t *testing.T, dsns, files []string, waits string) {
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			s := &sessionScript{t: t, dsns: dsns, conns: map[string]*pgconn.PgConn{}, begun: map[string]chan string{}, waits: waits}
			s.run(f)
		})
	}
}
