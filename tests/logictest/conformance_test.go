package logictest

import (
	"bufio"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
)

var (
	corpusAll     = flag.Bool("corpus", false, "run every script of the sqllogictest corpus instead of those of fast.txt")
	corpusRecords = flag.Int("corpus-records", 400, "records to run of each script of the corpus, 0 for all")
	corpusOnly    = flag.String("corpus-only", "", "run only scripts whose name matches this regular expression")
)

// corpusDir finds the sqllogictest corpus, which is not part of the repository.
func corpusDir(t testing.TB) string {
	dir := os.Getenv("QUORATE_CONFORMANCE")
	if dir == "" {
		dir = "../../../shared/conformance"
	}
	dir = filepath.Join(dir, "sqllogictest")
	if _, err := os.Stat(filepath.Join(dir, "fast.txt")); err != nil {
		t.Skipf("SKIPPED: the sqllogictest corpus is not at %s (set QUORATE_CONFORMANCE)", dir)
	}
	return dir
}

func corpusLines(t testing.TB, file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func corpusScripts(t testing.TB, dir string) []string {
	names := corpusLines(t, filepath.Join(dir, "fast.txt"))
	if *corpusAll {
		names = nil
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".test.gz") {
				rel, rerr := filepath.Rel(dir, path)
				names = append(names, filepath.ToSlash(rel))
				return rerr
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		sort.Strings(names)
	}
	only, err := regexp.Compile(*corpusOnly)
	if err != nil {
		t.Fatalf("-corpus-only: %v", err)
	}
	kept := names[:0]
	for _, n := range names {
		if only.MatchString(n) {
			kept = append(kept, n)
		}
	}
	return kept
}

func corpusScript(t testing.TB, file string) []*Record {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	records, err := ParseScript(z)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return records
}

// The corpus gives what it says, but for what PostgreSQL itself does otherwise.
// What is not built (0A000) is counted and printed, together with what fails
// because of it; the features are listed in testdata/corpus-not-built.txt, and
// that list must not grow. QUORATE_CONFORMANCE_DSN runs it against another server.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := corpusDir(t)
	known := map[string]bool{}
	for _, l := range corpusLines(t, filepath.Join(dir, "pg15-known-failures.txt")) {
		known[l] = true
	}
	var dsns []string
	elsewhere := os.Getenv("QUORATE_CONFORMANCE_DSN")
	if elsewhere != "" {
		dsns = []string{elsewhere}
	} else {
		dsns = startCluster(t, shape{nodes: 1})
	}
	allowed := map[string]bool{}
	for _, l := range corpusLines(t, "testdata/corpus-not-built.txt") {
		allowed[l] = true
	}
	total := struct{ ran, skipped, known, notBuilt int }{}
	began := time.Now()
	for _, name := range corpusScripts(t, dir) {
		t.Run(strings.TrimSuffix(name, ".test.gz"), func(t *testing.T) {
			if err := dropAll(context.Background(), dsns[0]); err != nil {
				t.Fatal(err)
			}
			records := corpusScript(t, filepath.Join(dir, filepath.FromSlash(name)))
			records = sample(records, *corpusRecords)
			missing := map[string]bool{} // objects that could not be made
			script := strings.TrimSuffix(name, ".gz")
			failed := 0
			x := &Runner{DSNs: dsns, Engines: []string{"postgresql"}}
			x.Failed = func(r *Record, why string) bool {
				if known[fmt.Sprintf("%s:%d", script, r.Line)] {
					total.known++
					return true
				}
				if strings.HasPrefix(why, "ERROR 0A000: ") {
					what := strings.TrimPrefix(firstLine(why), "ERROR 0A000: ")
					if !allowed[what] {
						t.Errorf("%s:%d: not built, and not in testdata/corpus-not-built.txt: %s\n%s", script, r.Line, what, r.SQL)
					}
					if m := created.FindStringSubmatch(r.SQL); m != nil {
						missing[strings.ToLower(m[1])] = true
					}
					total.notBuilt++
					return true
				}
				for _, w := range words.FindAllString(strings.ToLower(r.SQL), -1) {
					if missing[w] {
						total.notBuilt++
						return true
					}
				}
				failed++
				t.Errorf("%s:%d: %s\n%s", script, r.Line, r.SQL, why)
				return failed < 10
			}
			defer x.Close()
			if err := x.Run(context.Background(), records); err != nil {
				t.Error(err)
			}
			total.ran += x.Ran
			total.skipped += x.Skipped
		})
	}
	t.Logf("%d records in %v: %d not for PostgreSQL, %d where PostgreSQL differs, %d of what is not built", total.ran, time.Since(began).Round(time.Second), total.skipped, total.known, total.notBuilt)
}

var (
	created = regexp.MustCompile(`(?i)^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\s+|TEMPORARY\s+)?(?:VIEW|TRIGGER|TABLE|UNIQUE\s+INDEX|INDEX)\s+(\w+)`)
	words   = regexp.MustCompile(`\w+`)
)

func firstLine(s string) string {
	l, _, _ := strings.Cut(s, "\n")
	return l
}

// sample takes about max queries, evenly from the script, and all statements
// between them. Of a script with very many statements it takes the beginning.
func sample(records []*Record, max int) []*Record {
	if max == 0 {
		return records
	}
	queries, statements := 0, 0
	for i, r := range records {
		if r.Kind == Query {
			queries++
		} else if statements++; statements > 4*max {
			records = records[:i]
			break
		}
	}
	if queries <= max {
		return records
	}
	var out []*Record
	taken, seen := 0, 0
	for _, r := range records {
		if r.Kind == Query {
			seen++
			if seen*max/queries <= taken {
				continue
			}
			taken++
		}
		out = append(out, r)
	}
	return out
}

// A sample keeps the order, every statement, and no more queries than asked for.
func TestSample(t *testing.T) {
	records, err := ParseScript(bufio.NewReader(strings.NewReader(strings.Repeat("statement ok\nx\n\nquery I\ny\n\nquery I\nz\n\n", 10))))
	if err != nil {
		t.Fatal(err)
	}
	s := sample(records, 5)
	n := map[Kind]int{}
	for _, r := range s {
		n[r.Kind]++
	}
	if n[Statement] != 10 || n[Query] != 5 {
		t.Fatalf("kept %v of 10 statements and 20 queries", n)
	}
}
