package sql

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// testWriter collects results as text.
type testWriter struct {
	cols   []pgwire.Column
	format *types.FormatContext
	rows   [][]string
	tags   []string
	notes  []string
	params []string
	copyIn [][]byte
	sent   bool // nothing can be taken back any more
	mark   struct{ rows, tags int }
}

func (w *testWriter) Notice(n *sqlerr.Notice)     { w.notes = append(w.notes, n.Severity+": "+n.Message) }
func (w *testWriter) ParameterStatus(k, v string) { w.params = append(w.params, k+"="+v) }
func (w *testWriter) Columns(c []pgwire.Column, f *types.FormatContext) error {
	w.cols, w.format = c, f
	return nil
}
func (w *testWriter) Row(row []types.Datum) error {
	out := make([]string, len(row))
	for i, d := range row {
		if d.IsNull() {
			out[i] = "NULL"
			continue
		}
		out[i] = string(types.EncodeText(nil, d, w.cols[i].Type, w.format))
		if out[i] == "" {
			out[i] = "(empty)"
		}
	}
	w.rows = append(w.rows, out)
	return nil
}
func (w *testWriter) Complete(tag string) error { w.tags = append(w.tags, tag); return nil }
func (w *testWriter) CompleteRows(verb string, n int64) error {
	if verb == "INSERT" {
		verb = "INSERT 0"
	}
	return w.Complete(fmt.Sprintf("%s %d", verb, n))
}
func (w *testWriter) EmptyQuery() error { return w.Complete("(empty)") }
func (w *testWriter) Mark()             { w.mark.rows, w.mark.tags = len(w.rows), len(w.tags) }
func (w *testWriter) Rewind() bool {
	if w.sent {
		return false
	}
	w.rows, w.tags = w.rows[:w.mark.rows], w.tags[:w.mark.tags]
	return true
}
func (w *testWriter) CopyIn(int16, int) (pgwire.CopyReader, error) { return &testCopy{w.copyIn}, nil }
func (w *testWriter) CopyOut(int16, int) (pgwire.CopyWriter, error) {
	return testCopyOut{w}, nil
}

type testCopy struct{ data [][]byte }

func (c *testCopy) Next() ([]byte, error) {
	if len(c.data) == 0 {
		return nil, io.EOF
	}
	d := c.data[0]
	c.data = c.data[1:]
	return d, nil
}

type testCopyOut struct{ w *testWriter }

func (c testCopyOut) WriteRow(b []byte) error {
	c.w.rows = append(c.w.rows, []string{strings.TrimSuffix(string(b), "\n")})
	return nil
}
func (c testCopyOut) Done() error { return nil }

// testSession is a session over a memStore.
type testSession struct {
	t testing.TB
	s *Session
}

func newTestEngine(t testing.TB) (*Engine, *memStore) {
	store := newMemStore()
	seed := uint64(1)
	e, err := New(Options{Store: store, Clock: env.SystemClock(), NodeID: 1, Version: "test", NewRand: func() env.Rand {
		return env.SeededRand(atomic.AddUint64(&seed, 1))
	}})
	if err != nil {
		t.Fatal(err)
	}
	return e, store
}

func (e *Engine) testSession(t testing.TB) *testSession {
	s, err := e.NewSession(context.Background(), pgwire.SessionParams{User: "postgres", Database: "postgres", Notifier: &testWriter{}})
	if err != nil {
		t.Fatal(err)
	}
	return &testSession{t, s.(*Session)}
}

func (s *testSession) exec(sql string) (*testWriter, error) {
	w := &testWriter{}
	s.s.params.Notifier = w
	return w, s.s.ExecSimple(context.Background(), sql, w)
}

func (s *testSession) must(sql string) *testWriter {
	s.t.Helper()
	w, err := s.exec(sql)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, describe(err))
	}
	return w
}

func describe(err error) string {
	e := sqlerr.As(err)
	s := e.Code + " " + e.Message
	if e.Detail != "" {
		s += "\nDETAIL " + e.Detail
	}
	return s
}

// TestLogic runs the files under testdata/logic. A file is a list of records,
// separated by blank lines:
//
//	statement ok            statement error CODE [message]
//	SQL …                   SQL …
//
//	query [rowsort]
//	SQL …
//	----
//	values separated by tabs, one row a line
//
// "session NAME" switches to another session. The expected results were compared
// with PostgreSQL 15's where it has the feature (see TestLogicAgainstPostgres).
// Set QUORATE_REWRITE=1 to write what comes out into the files.
func TestLogic(t *testing.T) {
	files, err := filepath.Glob("testdata/logic/*.slt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no logic tests: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".slt"), func(t *testing.T) { runLogic(t, f, logicRun{}) })
	}
}

// TestLogicWithoutRules runs the same files with plans as they were bound: the
// rules must not change a result. Records of EXPLAIN are left out, and those whose
// head ends in "rules": errors that a rule avoids.
func TestLogicWithoutRules(t *testing.T) {
	if os.Getenv("QUORATE_REWRITE") != "" {
		t.Skip("the files are being rewritten")
	}
	files, _ := filepath.Glob("testdata/logic/*.slt")
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".slt"), func(t *testing.T) { runLogic(t, f, logicRun{noRules: true}) })
	}
}

// TestLogicByShape runs the same files with the plans of shapes where there are any:
// the first time already.
func TestLogicByShape(t *testing.T) {
	if os.Getenv("QUORATE_REWRITE") != "" {
		t.Skip("the files are being rewritten")
	}
	files, _ := filepath.Glob("testdata/logic/*.slt")
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".slt"), func(t *testing.T) { runLogic(t, f, logicRun{shapes: true}) })
	}
}

type record struct {
	line   int
	head   string
	sql    []string
	want   []string
	hasRes bool
}

func readLogic(t testing.TB, file string) (records []record) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	var cur *record
	n := 0
	flush := func() {
		if cur != nil {
			records = append(records, *cur)
			cur = nil
		}
	}
	for sc.Scan() {
		n++
		line := sc.Text()
		switch {
		case line == "":
			flush()
		case cur == nil && strings.HasPrefix(line, "#"):
			records = append(records, record{line: n, head: line})
		case cur == nil:
			cur = &record{line: n, head: line}
		case line == "----" && !cur.hasRes:
			cur.hasRes = true
		case cur.hasRes:
			cur.want = append(cur.want, line)
		default:
			cur.sql = append(cur.sql, line)
		}
	}
	flush()
	return records
}

func formatRows(w *testWriter, sorted bool) []string {
	out := make([]string, len(w.rows))
	for i, r := range w.rows {
		out[i] = strings.ReplaceAll(strings.Join(r, "\t"), "\n", "\\n")
	}
	if sorted {
		sort.Strings(out)
	}
	return out
}

// logicRun says how the files are run.
type logicRun struct {
	noRules bool
	// off are settings that are off from the start.
	off []string
	// analyze: before every query all tables are analyzed.
	analyze bool
	// shapes: statements are taken for ones of a shape that was seen before.
	shapes bool
}

// plain reports whether plans are as without any setting.
func (r *logicRun) plain() bool { return !r.noRules && !r.analyze && len(r.off) == 0 }

// Methods of plans that are turned off must not change a result, nor must what is
// known of the tables.
func TestLogicWithOtherPlans(t *testing.T) {
	if os.Getenv("QUORATE_REWRITE") != "" {
		t.Skip("the files are being rewritten")
	}
	files, _ := filepath.Glob("testdata/logic/*.slt")
	for _, run := range []logicRun{{analyze: true}, {off: []string{"enable_hashjoin"}}, {off: []string{"enable_nestloop"}}, {off: []string{"enable_seqscan"}},
		{off: []string{"enable_indexscan", "enable_indexonlyscan"}}, {off: []string{"enable_seqscan", "enable_hashjoin", "enable_sort"}, analyze: true}} {
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".slt") + "," + strings.Join(run.off, ",")
			if name = strings.TrimSuffix(name, ","); strings.HasPrefix(name, "analyze") {
				continue // it looks at what it has asked to be looked at
			}
			t.Run(name, func(t *testing.T) { runLogic(t, f, run) })
		}
	}
}

// analyzeAll looks at all tables as the background does.
func (e *Engine) analyzeAll(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
	err := s.runOnce(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		for _, tab := range snap.Tables() {
			if tab.Virtual || !tab.IsTable() {
				continue
			}
			if err := s.analyzeTable(ctx, tx, tab, nil); err != nil {
				return nil, err
			}
		}
		return snap, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func runLogic(t *testing.T, file string, run logicRun) {
	e, _ := newTestEngine(t)
	e.noRules = run.noRules
	for _, name := range run.off {
		e.defs[name].def = "off"
	}
	sessions := map[string]*testSession{"": e.testSession(t)}
	cur := sessions[""]
	rewrite := os.Getenv("QUORATE_REWRITE") != ""
	recs := readLogic(t, file)
	for i := range recs {
		r := &recs[i]
		f := strings.Fields(r.head)
		if strings.HasPrefix(r.head, "#") {
			continue
		}
		if f[0] == "session" {
			if sessions[f[1]] == nil {
				sessions[f[1]] = e.testSession(t)
			}
			cur = sessions[f[1]]
			continue
		}
		sql := strings.Join(r.sql, "\n")
		if !run.plain() && strings.HasPrefix(sql, "explain") || run.noRules && f[len(f)-1] == "rules" {
			continue
		}
		if run.shapes {
			cur.s.shapes.find(sql) // now it has been seen
		}
		if run.analyze && f[0] == "query" {
			e.analyzeAll(t)
		}
		w, err := cur.exec(sql)
		where := fmt.Sprintf("%s:%d: %s", file, r.line, sql)
		switch {
		case f[0] == "statement" && f[1] == "ok":
			if err != nil {
				t.Errorf("%s\n%v", where, describe(err))
			}
			if r.hasRes && !rewrite && strings.Join(w.tags, "\n") != strings.Join(r.want, "\n") {
				t.Errorf("%s\ngot tags %q want %q", where, w.tags, r.want)
			}
			if r.hasRes {
				r.want = w.tags
			}
		case f[0] == "statement":
			if err == nil {
				t.Errorf("%s\nsucceeded, wanted %s", where, r.head)
				continue
			}
			got := "statement error " + sqlerr.CodeOf(err) + " " + sqlerr.As(err).Message
			if len(f) < 4 || len(f) == 4 && f[3] == "nopg" {
				got = "statement error " + sqlerr.CodeOf(err)
			}
			if got != strings.TrimSuffix(r.head, " nopg") && !rewrite {
				t.Errorf("%s\ngot  %s\nwant %s", where, got, r.head)
			}
			r.head = "statement error " + sqlerr.CodeOf(err) + " " + sqlerr.As(err).Message
		case f[0] == "query":
			if err != nil {
				t.Errorf("%s\n%v", where, describe(err))
				continue
			}
			got := formatRows(w, len(f) > 1 && f[1] == "rowsort")
			if strings.Join(got, "\n") != strings.Join(r.want, "\n") && !rewrite {
				t.Errorf("%s\ngot\n%s\nwant\n%s", where, strings.Join(got, "\n"), strings.Join(r.want, "\n"))
			}
			r.want, r.hasRes = got, true
		default:
			t.Fatalf("%s:%d: unknown record %q", file, r.line, r.head)
		}
	}
	if rewrite {
		writeLogic(t, file, recs)
	}
}

func writeLogic(t *testing.T, file string, recs []record) {
	var b strings.Builder
	for _, r := range recs {
		b.WriteString(r.head + "\n")
		if strings.HasPrefix(r.head, "#") {
			continue
		}
		for _, l := range r.sql {
			b.WriteString(l + "\n")
		}
		if r.hasRes {
			b.WriteString("----\n")
			for _, l := range r.want {
				b.WriteString(l + "\n")
			}
		}
		b.WriteString("\n")
	}
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(b.String(), "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
