package sql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestLogicAgainstPostgres checks the expectations in the logic tests against a
// real PostgreSQL 15, named by QUORATE_PG (a connection string). Records whose
// head ends in "nopg", and files with "# nopg" at the top, are about what PostgreSQL
// does not have or does otherwise.
func TestLogicAgainstPostgres(t *testing.T) {
	dsn := os.Getenv("QUORATE_PG")
	if dsn == "" {
		t.Skip("QUORATE_PG is not set")
	}
	files, _ := filepath.Glob("testdata/logic/*.slt")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".slt"), func(t *testing.T) {
			recs := readLogic(t, file)
			if len(recs) > 0 && recs[0].head == "# nopg" {
				t.Skip("not about PostgreSQL")
			}
			againstPostgres(t, dsn, file, recs)
		})
	}
}

func againstPostgres(t *testing.T, dsn, file string, recs []record) {
	ctx := context.Background()
	open := func() *pgconn.PgConn {
		c, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(ctx) })
		return c
	}
	conn := open()
	if _, err := conn.Exec(ctx, "drop schema public cascade; create schema public").ReadAll(); err != nil {
		t.Fatal(err)
	}
	conns := map[string]*pgconn.PgConn{"": conn}
	for _, r := range recs {
		f := strings.Fields(r.head)
		if strings.HasPrefix(r.head, "#") || f[len(f)-1] == "nopg" {
			continue
		}
		if f[0] == "session" {
			if conns[f[1]] == nil {
				conns[f[1]] = open()
			}
			conn = conns[f[1]]
			continue
		}
		sql := strings.Join(r.sql, "\n")
		where := fmt.Sprintf("%s:%d: %s", file, r.line, sql)
		results, err := conn.Exec(ctx, sql).ReadAll()
		if f[0] == "statement" && f[1] == "error" {
			pe, ok := err.(*pgconn.PgError)
			if !ok {
				t.Errorf("%s\nPostgreSQL gives no error", where)
				continue
			}
			got := "statement error " + pe.Code
			if len(f) > 3 {
				got += " " + pe.Message
			}
			if got != r.head {
				t.Errorf("%s\npg   %s\nhave %s", where, got, r.head)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s\npg %v", where, err)
			continue
		}
		var got []string
		for _, res := range results {
			if f[0] == "statement" {
				got = append(got, res.CommandTag.String())
				continue
			}
			for _, row := range res.Rows {
				out := make([]string, len(row))
				for i, v := range row {
					switch {
					case v == nil:
						out[i] = "NULL"
					case len(v) == 0:
						out[i] = "(empty)"
					default:
						out[i] = string(v)
					}
				}
				got = append(got, strings.ReplaceAll(strings.Join(out, "\t"), "\n", "\\n"))
			}
		}
		if len(f) > 1 && f[1] == "rowsort" {
			sort.Strings(got)
		}
		if r.hasRes && strings.Join(got, "\n") != strings.Join(r.want, "\n") {
			t.Errorf("%s\npg\n%s\nhave\n%s", where, strings.Join(got, "\n"), strings.Join(r.want, "\n"))
		}
	}
}
