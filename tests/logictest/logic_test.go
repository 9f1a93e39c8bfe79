package logictest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func scripts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.slt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts under testdata: %v", err)
	}
	if only := os.Getenv("QUORATE_LOGICTEST"); only != "" {
		files, err = filepath.Glob("testdata/" + only + ".slt")
		if err != nil || len(files) == 0 {
			t.Fatalf("no script %s: %v", only, err)
		}
	}
	return files
}

func readScript(t testing.TB, file string) []*Record {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	records, err := ParseScript(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return records
}

// Every script gives what PostgreSQL gives, whatever the cluster looks like.
// QUORATE_LOGICTEST picks scripts by a pattern for their names.
func TestScripts(t *testing.T) {
	for i, s := range shapes() {
		if i > 0 && testing.Short() {
			break
		}
		t.Run(s.name, func(t *testing.T) {
			dsns := startCluster(t, s)
			most := 0
			for i, f := range scripts(t) {
				t.Run(strings.TrimSuffix(filepath.Base(f), ".slt"), func(t *testing.T) { runScript(t, s, dsns, i, f) })
				most = max(most, regions(t, dsns[0]))
			}
			if s.splitBytes > 0 && os.Getenv("QUORATE_LOGICTEST") == "" && most < manyRegions {
				t.Errorf("there were at most %d regions: this shape shows nothing", most)
			}
		})
	}
}

// manyRegions is how many regions the scripts lie in at least if regions are tiny.
const manyRegions = 8

func regions(t *testing.T, dsn string) int {
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	r := c.ExecParams(context.Background(), "SELECT count(*) FROM quorate.regions", nil, nil, nil, nil).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	n, err := strconv.Atoi(string(r.Rows[0][0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d regions", n)
	return n
}

const failuresShown = 60

func runScript(t *testing.T, s shape, dsns []string, i int, file string) {
	ctx := context.Background()
	if err := dropAll(ctx, dsns[0]); err != nil {
		t.Fatal(err)
	}
	failed := 0
	x := &Runner{DSNs: append(append([]string{}, dsns[i%len(dsns):]...), dsns[:i%len(dsns)]...), Extended: s.extended, Engines: []string{"quorate"}}
	x.Failed = func(r *Record, why string) bool {
		failed++
		t.Errorf("%s:%d: %s\n%s", file, r.Line, r.SQL, why)
		return failed < failuresShown
	}
	defer x.Close()
	if err := x.Run(ctx, readScript(t, file)); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// TestRecord writes the results of a real PostgreSQL 15 into the scripts. It runs
// only if QUORATE_LOGICTEST_RECORD is a connection string of a superuser; every
// script gets a new database.
func TestRecord(t *testing.T) {
	dsn := os.Getenv("QUORATE_LOGICTEST_RECORD")
	if dsn == "" {
		t.Skip("QUORATE_LOGICTEST_RECORD names no PostgreSQL to record from")
	}
	for _, f := range scripts(t) {
		ctx := context.Background()
		c, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, "DROP DATABASE IF EXISTS logictest").ReadAll(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, "CREATE DATABASE logictest TEMPLATE template0").ReadAll(); err != nil {
			t.Fatal(err)
		}
		records := readScript(t, f)
		x := &Runner{DSNs: []string{dsn + " dbname=logictest"}, Engines: []string{"postgresql"}, Record: true}
		x.Failed = func(r *Record, why string) bool {
			t.Errorf("%s:%d: PostgreSQL says otherwise: %s\n%s", f, r.Line, r.SQL, why)
			return true
		}
		if err := x.Run(ctx, records); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		x.Close()
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteScript(&b, records); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
