package parse

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// conformanceDir finds the recorded material: QUORATE_CONFORMANCE, or the folder beside the project.
func conformanceDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("QUORATE_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no conformance material at %s (set QUORATE_CONFORMANCE): %v", dir, err)
	}
	return dir
}

// entry is one statement text of a corpus with its name.
type entry struct{ name, sql string }

// readCorpus reads blocks of one `-- name` line and the text up to the next.
func readCorpus(t testing.TB, path string) []entry {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []entry
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			if n := len(out); n == 0 || strings.HasSuffix(strings.TrimSpace(out[n-1].sql), ";") {
				out = append(out, entry{name: strings.TrimSpace(name)})
				continue
			}
		}
		if n := len(out); n > 0 {
			out[n-1].sql += line
		}
	}
	return out
}

// readRefusals reads a list of `name<TAB>SQLSTATE message` lines.
func readRefusals(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, want, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("%s: no tab in %q", path, line)
		}
		out[name] = want
	}
	return out
}

func refusal(err error) string {
	e := sqlerr.As(err)
	return e.Code + " " + e.Message
}

// TestDialectCorpus proves that every construct of the corpus is parsed, or refused with the error of the checked-in list. Its log is the
// table of refusals.
func TestDialectCorpus(t *testing.T) {
	dir := conformanceDir(t)
	want := readRefusals(t, "testdata/corpus_refusals.txt")
	entries := readCorpus(t, filepath.Join(dir, "pg-dialect-corpus.sql"))
	if len(entries) < 280 {
		t.Fatalf("only %d entries", len(entries))
	}
	parsed := 0
	for _, e := range entries {
		list, err := Parse(e.sql)
		for _, s := range list {
			if u, ok := s.AST.(*ast.Unsupported); ok {
				t.Logf("%-40s recognised, no tree: %s", e.name, u.What)
			}
		}
		if err != nil {
			t.Logf("%-40s %s", e.name, refusal(err))
		}
		w, refused := want[e.name]
		delete(want, e.name)
		switch {
		case err == nil && refused:
			t.Errorf("%s: parsed, expected %s", e.name, w)
		case err != nil && !refused:
			t.Errorf("%s: %s\n\t%s", e.name, refusal(err), strings.TrimSpace(e.sql))
		case err != nil && refusal(err) != w:
			t.Errorf("%s: %s, expected %s", e.name, refusal(err), w)
		case err == nil:
			parsed++
		}
	}
	for name := range want {
		t.Errorf("listed refusal %q is not in the corpus", name)
	}
	t.Logf("%d of %d parsed", parsed, len(entries))
}

// clientStatements reads the recorded statements of a client; syntaxError says that PostgreSQL refused it as such.
func clientStatements(t testing.TB, path string) (out []clientStatement) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cur := clientStatement{}
	flush := func() {
		if strings.TrimSpace(cur.sql) != "" {
			out = append(out, cur)
		}
		cur = clientStatement{}
	}
	for line := range strings.Lines(string(data)) {
		switch text := strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(text, "-- @error"):
			cur.err = text
		case strings.HasPrefix(text, "-- @"), strings.HasPrefix(text, "-- ====="):
			if cur.sql != "" {
				flush()
			}
			if !strings.HasPrefix(text, "-- @send") {
				continue
			}
			cur = clientStatement{}
		case text == ";":
			flush()
		case text == "" && cur.sql == "":
		default:
			cur.sql += line
		}
	}
	flush()
	return out
}

type clientStatement struct{ sql, err string }

// TestClientQueries proves that every statement that real clients sent is parsed, save those PostgreSQL itself refused and those
// on the checked-in list.
func TestClientQueries(t *testing.T) {
	dir := conformanceDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "client-queries", "*.sql"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	want := readRefusals(t, "testdata/client_refusals.txt")
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".sql")
		t.Run(name, func(t *testing.T) {
			n := 0
			for _, s := range clientStatements(t, f) {
				n++
				sql := placeholders(s.sql)
				_, err := Parse(sql)
				if strings.Contains(s.err, "42601") {
					if err == nil {
						t.Errorf("parsed, but PostgreSQL said %s\n\t%s", s.err, sql)
					}
					continue
				}
				if err == nil {
					continue
				}
				if _, ok := want[firstLine(sql)]; ok {
					continue
				}
				t.Errorf("%s\n\t%s", refusal(err), sql)
			}
			t.Logf("%d statements", n)
		})
	}
}

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// placeholders puts a number where the recording has {{oid…}}.
func placeholders(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "{{")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		j := strings.Index(s[i:], "}}")
		if j < 0 {
			b.WriteString(s)
			return b.String()
		}
		for i+j+2 < len(s) && s[i+j+2] == '}' {
			j++
		}
		b.WriteString(s[:i] + "1")
		s = s[i+j+2:]
	}
}

// TestMutations proves on broken forms of everything recorded that no text leads to an internal error: every sentinel is consumed and the
// engine gives back only what the rewriter asked for.
func TestMutations(t *testing.T) {
	dir := conformanceDir(t)
	var texts []string
	for _, e := range readCorpus(t, filepath.Join(dir, "pg-dialect-corpus.sql")) {
		texts = append(texts, e.sql)
	}
	for _, name := range []string{"psql", "pgx", "pg_dump", "django", "typeorm"} {
		for _, s := range clientStatements(t, filepath.Join(dir, "client-queries", name+".sql")) {
			texts = append(texts, placeholders(s.sql))
		}
	}
	seed := uint64(20)
	if s := os.Getenv("QUORATE_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	r := rand.New(rand.NewPCG(seed, 5))
	for range 2 {
		for _, text := range texts {
			sql := mutate(r, text)
			if e := sqlerrOf(second(Parse(sql))); e != nil && e.Code == sqlerr.InternalError {
				t.Errorf("seed %d: %v (%v)\n\t%s", seed, e, e.Cause, sql)
			}
		}
	}
}

func second(_ []Statement, err error) error { return err }
