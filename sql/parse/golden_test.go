package parse

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// parseRecorded parses sql and gives the text that went through the engine, too; NUL shows as ~.
func parseRecorded(sql string) (stmts []Statement, texts []string, err error) {
	p := &parser{}
	p.record = func(s string) { texts = append(texts, strings.ReplaceAll(s, "\x00", "~")) }
	err = p.run(sql, func() { stmts = p.statements() })
	return stmts, texts, err
}

// TestEncodings shows for each construct the text that the engine gets and the tree that comes back. It must be run before the
// engine is upgraded: a change of its grammar shows here.
func TestEncodings(t *testing.T) {
	datadriven.Walk(t, "testdata/encodings", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var b strings.Builder
			stmts, texts, err := parseRecorded(d.Input)
			if err != nil {
				e := sqlerr.As(err)
				b.WriteString("error " + e.Code + ": " + e.Message + "\n")
				return b.String()
			}
			for _, s := range texts {
				b.WriteString("engine: " + strings.ReplaceAll(s, ";", "\n      ; ") + "\n")
			}
			dump := ast.Dump
			if d.HasArg("positions") {
				dump = ast.DumpPositions
			}
			for _, s := range stmts {
				b.WriteString("tree: " + dump(s.AST) + "\n")
			}
			return b.String()
		})
	})
}

// TestRoundTrip proves on the corpus and the clients' queries that the deparsed text of a query parses to the same tree.
func TestRoundTrip(t *testing.T) {
	dir := conformanceDir(t)
	var texts []string
	for _, e := range readCorpus(t, dir+"/pg-dialect-corpus.sql") {
		texts = append(texts, e.sql)
	}
	for _, name := range []string{"psql", "pgx", "django", "pg_dump", "typeorm", "sqlalchemy-2", "pgcli"} {
		for _, s := range clientStatements(t, dir+"/client-queries/"+name+".sql") {
			texts = append(texts, placeholders(s.sql))
		}
	}
	n := 0
	for _, text := range texts {
		stmts, err := Parse(text)
		if err != nil {
			continue
		}
		for _, s := range stmts {
			q, ok := s.AST.(*ast.Select)
			if !ok || q.With != nil && hasDML(q.With) {
				continue
			}
			n++
			again := ast.DeparseQuery(q)
			back, err := Parse(again)
			if err != nil {
				t.Errorf("%v\n\tof  %s\n\twas %s", err, again, s.Text)
				continue
			}
			if got, want := ast.Dump(back[0].AST), ast.Dump(q); got != want {
				t.Errorf("%s\n\tdeparsed %s\n\tgot  %s\n\twant %s", s.Text, again, got, want)
			}
		}
	}
	if n < 500 {
		t.Fatalf("only %d queries", n)
	}
}

func hasDML(w *ast.With) bool {
	for _, c := range w.CTEs {
		if _, ok := c.Query.(*ast.Select); !ok {
			return true
		}
	}
	return false
}
