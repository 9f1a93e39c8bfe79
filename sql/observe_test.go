package sql

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/pgwire"
)

// counted says what was counted of each statement, one a line.
func counted(e *Engine) string {
	var b strings.Builder
	list := e.Statements()
	for i := range list {
		s := &list[i]
		fmt.Fprintf(&b, "%s: %d calls, %d errors, %d rows\n", s.Text, s.Calls, s.Errors, s.Rows)
	}
	return b.String()
}

func (e *Engine) mustHaveCounted(t *testing.T, want ...string) {
	t.Helper()
	got := counted(e)
	for _, w := range want {
		if !strings.Contains(got, w+"\n") {
			t.Errorf("missing %q in\n%s", w, got)
		}
	}
	if n := strings.Count(got, "\n"); n != len(want) {
		t.Errorf("%d statements, want %d:\n%s", n, len(want), got)
	}
}

// TestStatementsAreCounted proves that statements of both protocols are counted
// once each, by their normal form, and failed ones apart.
func TestStatementsAreCounted(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (a int primary key)")
	s.must("insert into t values (1), (2)")
	s.must("insert into t values (3), (4), (5)")
	s.must("select a from t where a > 3; select a  from t where a > 1")
	if _, err := s.exec("insert into t values (1)"); err == nil {
		t.Fatal("a duplicate went in")
	}
	if _, err := s.exec("selec"); err == nil {
		t.Fatal("nonsense was understood")
	}
	e.mustHaveCounted(t, "create table t (a int primary key): 1 calls, 0 errors, 0 rows",
		"insert into t values ($1), ...: 2 calls, 0 errors, 5 rows", "insert into t values ($1): 0 calls, 1 errors, 0 rows",
		"select a from t where a > $1: 2 calls, 0 errors, 6 rows")

	e.ResetStatements()
	if err := s.extendedExec("insert into t values (6)"); err != nil {
		t.Fatal(err)
	}
	if err := s.extendedExec("insert into t values (6)"); err == nil {
		t.Fatal("a duplicate went in")
	}
	e.mustHaveCounted(t, "insert into t values ($1): 1 calls, 1 errors, 1 rows")
}

// TestImplicitTransactionIsCounted proves that a statement of the extended protocol
// counts as what became of its transaction, and that a portal that stops on the way
// is one run.
func TestImplicitTransactionIsCounted(t *testing.T) {
	ctx := context.Background()
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (a int primary key)")
	e.ResetStatements()
	w := &testWriter{}
	run := func(sql string, max int) error {
		if err := s.s.Parse(ctx, "", sql, nil); err != nil {
			return err
		}
		if err := s.s.Bind(ctx, &pgwire.BindRequest{}); err != nil {
			return err
		}
		for {
			if again, err := s.s.Execute(ctx, "", max, w); err != nil || !again {
				return err
			}
		}
	}
	for _, sql := range []string{"insert into t values (1)", "select a from t, generate_series(1, 5)"} {
		if err := run(sql, 2); err != nil {
			t.Fatal(err)
		}
	}
	if got := counted(e); got != "" {
		t.Errorf("counted before the transaction has ended: %s", got)
	}
	if err := run("select 1 / 0", 0); err == nil {
		t.Fatal("divided by zero")
	}
	if err := s.s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	e.mustHaveCounted(t, "insert into t values ($1): 0 calls, 1 errors, 0 rows",
		"select a from t, generate_series($1, $2): 0 calls, 1 errors, 0 rows")

	e.ResetStatements()
	if err := run("select a from t, generate_series(1, 5)", 2); err != nil {
		t.Fatal(err)
	}
	if err := run("insert into t values (1)", 2); err != nil {
		t.Fatal(err)
	}
	if err := s.s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	e.mustHaveCounted(t, "insert into t values ($1): 1 calls, 0 errors, 1 rows", "select a from t, generate_series($1, $2): 1 calls, 0 errors, 0 rows")
}

// TestSlowStatementsAreLogged proves that log_min_duration_statement decides what is
// logged, and that the log has no constants.
func TestSlowStatementsAreLogged(t *testing.T) {
	e, _ := newTestEngine(t)
	var out bytes.Buffer
	e.o.Logger = slog.New(slog.NewTextHandler(&out, nil))
	s := e.testSession(t)
	s.must("select 'silent'")
	s.must("set log_min_duration_statement = '10s'")
	s.must("select 'fast'")
	s.must("set log_min_duration_statement = 0")
	s.must("select 'secret'")
	if got := s.must("show log_min_duration_statement").rows[0][0]; got != "0" {
		t.Errorf("SHOW says %q", got)
	}
	s.must("reset log_min_duration_statement")
	if got := s.must("show log_min_duration_statement").rows[0][0]; got != "-1" {
		t.Errorf("SHOW says %q after RESET", got)
	}
	log := out.String()
	if !strings.Contains(log, `statement="select $1"`) || strings.Contains(log, "secret") {
		t.Errorf("not logged without its constant:\n%s", log)
	}
	if n := strings.Count(log, `statement="select $1"`); n != 1 {
		t.Errorf("%d lines for one slow statement:\n%s", n, log)
	}
}

// TestStatementsView proves what quorate.statements shows, and to whom.
func TestStatementsView(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create role ann login")
	s.must("select 'mine'")
	const q = "select user_name, query, calls, total_ms >= mean_ms, p99_ms >= p50_ms, last_run <= now() + '1s' from quorate.statements where query like '%privilege%' or query = 'select $1'"
	if got := fmt.Sprint(s.must(q).rows); got != "[[postgres select $1 1 t t t]]" {
		t.Errorf("a superuser sees %s", got)
	}
	other, err := e.NewSession(context.Background(), pgwire.SessionParams{User: "ann", Database: "postgres", Notifier: &testWriter{}})
	if err != nil {
		t.Fatal(err)
	}
	ann := &testSession{t, other.(*Session)}
	ann.must("select 'hers'")
	rows := ann.must("select user_name, query, query_id is null from quorate.statements order by 1, 2").rows
	for _, r := range rows {
		if hidden := r[1] == notForYou; hidden != (r[0] == "postgres") || hidden != (r[2] == "t") {
			t.Errorf("a user sees %v", r)
		}
	}
	if !strings.Contains(fmt.Sprint(rows), "[ann select $1 f]") {
		t.Errorf("a user does not see her own statement: %v", rows)
	}
}
