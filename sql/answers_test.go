package sql

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// The files testdata/answers/*.sql hold a statement a line; the .out beside each
// has PostgreSQL 15's answers, recorded by TestRecordAnswers: for a query the names
// and types of the columns and each row as text and in binary form, for an error its
// code, message, detail and hint. A line "# nobin" leaves out the binary forms of the
// statement behind it, for values that differ from run to run in them.

// answer writes the answer to one statement.
type answer struct{ strings.Builder }

func (a *answer) statement(sql string) { a.WriteString("> " + sql + "\n") }

func (a *answer) fail(code, message, detail, hint string) {
	fmt.Fprintf(a, "ERROR %s: %s\n", code, message)
	if detail != "" {
		fmt.Fprintf(a, "DETAIL %s\n", detail)
	}
	if hint != "" {
		fmt.Fprintf(a, "HINT %s\n", hint)
	}
}

func (a *answer) columns(names, ts []string) {
	for i, n := range names {
		if i > 0 {
			a.WriteString(" | ")
		}
		fmt.Fprintf(a, "%s %s", n, ts[i])
	}
	a.WriteString("\n")
}

// value writes one value; nil is NULL. Long binary forms are a checksum.
func (a *answer) value(first bool, v []byte, binary bool) {
	if !first {
		a.WriteString("\t")
	}
	switch {
	case v == nil:
		a.WriteString("NULL")
	case !binary:
		a.WriteString(strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\t", "\\t", "\r", "\\r").Replace(string(v)))
	case len(v) > 40:
		fmt.Fprintf(a, "crc %08x of %d", crc32.ChecksumIEEE(v), len(v))
	default:
		a.WriteString(hex.EncodeToString(v))
	}
}

// statements reads a file of cases.
func statements(t *testing.T, file string) (list []string, nobin map[int]bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	nobin = map[int]bool{}
	for _, line := range strings.Split(string(b), "\n") {
		switch {
		case line == "# nobin":
			nobin[len(list)] = true
		case line != "" && line[0] != '#':
			list = append(list, line)
		}
	}
	return list, nobin
}

func answerFiles(t *testing.T) []string {
	files, err := filepath.Glob("testdata/answers/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no answers: %v", err)
	}
	return files
}

// TestRecordAnswers asks a real PostgreSQL 15, named by QUORATE_PG, for every
// answer. It changes files only when QUORATE_REGENERATE is set.
func TestRecordAnswers(t *testing.T) {
	dsn := os.Getenv("QUORATE_PG")
	if dsn == "" || os.Getenv("QUORATE_REGENERATE") == "" {
		t.Skip("QUORATE_PG or QUORATE_REGENERATE is not set")
	}
	ctx := context.Background()
	for _, file := range answerFiles(t) {
		conn, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "drop schema public cascade; create schema public; set timezone = 'Europe/Berlin'").ReadAll(); err != nil {
			t.Fatal(err)
		}
		var out answer
		list, nobin := statements(t, file)
		for i, sql := range list {
			out.statement(sql)
			recordAnswer(ctx, conn, &out, sql, !nobin[i])
		}
		conn.Close(ctx)
		if err := os.WriteFile(strings.TrimSuffix(file, ".sql")+".out", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func recordAnswer(ctx context.Context, conn *pgconn.PgConn, out *answer, sql string, binary bool) {
	results, err := readAll(conn.Exec(ctx, sql))
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		out.fail(pe.Code, pe.Message, pe.Detail, pe.Hint)
		return
	}
	if err != nil || len(results) != 1 {
		fmt.Fprintf(out, "BROKEN %v\n", err)
		return
	}
	r := results[0]
	if len(r.FieldDescriptions) == 0 {
		out.WriteString(r.CommandTag.String() + "\n")
		return
	}
	var names, ts []string
	for _, f := range r.FieldDescriptions {
		names = append(names, f.Name)
		t := types.Of(types.OID(f.DataTypeOID)).WithTypmod(f.TypeModifier)
		ts = append(ts, t.String())
		if _, ok := types.Lookup(t.OID); !ok {
			// A user's type: its name is the same on both sides, its number is not.
			q := conn.ExecParams(ctx, "select format_type($1, -1)", [][]byte{[]byte(fmt.Sprint(f.DataTypeOID))}, []uint32{26}, nil, nil).Read()
			if q.Err == nil {
				ts[len(ts)-1] = string(q.Rows[0][0])
			}
		}
	}
	out.columns(names, ts)
	rows := func(r *pgconn.Result, binary bool) {
		for _, row := range r.Rows {
			for i, v := range row {
				out.value(i == 0, v, binary)
			}
			out.WriteString("\n")
		}
	}
	rows(r, false)
	if !binary || !strings.HasPrefix(strings.ToLower(sql), "select") {
		return
	}
	bin := conn.ExecParams(ctx, sql, nil, nil, nil, []int16{1}).Read()
	if bin.Err != nil {
		out.WriteString("nobin\n")
		return
	}
	out.WriteString("bin\n")
	rows(bin, true)
}

// readAll is ReadAll that keeps the columns of a result without rows.
func readAll(m *pgconn.MultiResultReader) ([]*pgconn.Result, error) {
	var out []*pgconn.Result
	for m.NextResult() {
		r := m.ResultReader()
		fields := append([]pgconn.FieldDescription(nil), r.FieldDescriptions()...)
		res := r.Read()
		if res.FieldDescriptions == nil && len(fields) > 0 {
			res.FieldDescriptions = fields
		}
		out = append(out, res)
	}
	return out, m.Close()
}

// Every statement gives PostgreSQL's columns, types, texts, binary forms and errors.
func TestAnswers(t *testing.T) {
	total, bad := 0, 0
	for _, file := range answerFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
			want := readAnswers(t, file)
			e, _ := newTestEngine(t)
			s := e.testSession(t)
			s.must("set timezone = 'Europe/Berlin'")
			list, nobin := statements(t, file)
			for i, sql := range list {
				total++
				var out answer
				out.statement(sql)
				giveAnswer(s, &out, sql, !nobin[i])
				if i >= len(want) || !strings.HasPrefix(want[i], "> "+sql+"\n") {
					t.Fatalf("%s: no answer is recorded for %s", file, sql)
				}
				if got := out.String(); got != want[i] {
					bad++
					if got = strings.TrimSuffix(got, "\n"); strings.Contains(want[i], "\nnobin\n") {
						if head, _, _ := strings.Cut(got, "\nbin\n"); head == strings.TrimSuffix(want[i], "\nnobin\n") {
							bad--
							continue
						}
					}
					t.Errorf("%s\ngot  %s\nwant %s", sql, got[len(sql)+3:], want[i][len(sql)+3:])
				}
			}
		})
	}
	t.Logf("%d statements, %d differ", total, bad)
}

// readAnswers splits a file of answers, one for each statement.
func readAnswers(t *testing.T, file string) []string {
	b, err := os.ReadFile(strings.TrimSuffix(file, ".sql") + ".out")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, part := range bytes.Split(b, []byte("\n> ")) {
		out = append(out, "> "+strings.TrimSuffix(strings.TrimPrefix(string(part), "> "), "\n")+"\n")
	}
	return out
}

func giveAnswer(s *testSession, out *answer, sql string, binary bool) {
	w := &answerWriter{}
	s.s.params.Notifier = w
	if err := s.s.ExecSimple(context.Background(), sql, w); err != nil {
		e := sqlerr.As(err)
		out.fail(e.Code, e.Message, e.Detail, e.Hint)
		return
	}
	if w.cols == nil {
		out.WriteString(strings.Join(w.tags, "\n") + "\n")
		return
	}
	var names, ts []string
	for _, c := range w.cols {
		names, ts = append(names, c.Name), append(ts, c.Type.String())
	}
	out.columns(names, ts)
	out.WriteString(w.text.String())
	if !binary || !strings.HasPrefix(strings.ToLower(sql), "select") {
		return
	}
	out.WriteString("bin\n" + w.binary.String())
}

// answerWriter writes rows in both forms.
type answerWriter struct {
	testWriter
	text, binary answer
}

func (w *answerWriter) Row(row []types.Datum) error {
	for i, d := range row {
		var text, bin []byte
		if !d.IsNull() {
			text = types.EncodeText([]byte{}, d, w.cols[i].Type, w.format)
			var err error
			if bin, err = types.EncodeBinary([]byte{}, d, w.cols[i].Type, w.format); err != nil {
				bin = []byte(err.Error())
			}
		}
		w.text.value(i == 0, text, false)
		w.binary.value(i == 0, bin, true)
	}
	w.text.WriteString("\n")
	w.binary.WriteString("\n")
	return nil
}

func (w *answerWriter) Rewind() bool {
	w.text.Reset()
	w.binary.Reset()
	return w.testWriter.Rewind()
}
