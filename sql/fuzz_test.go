package sql

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// tooMuch are expressions that are allowed to take much memory or time.
var tooMuch = regexp.MustCompile(`(?i)sleep|[0-9]{4}|[0-9]e[0-9]|repeat.*repeat|pad.*pad|\^|power|factorial|series|fill`)

// FuzzEval proves that no expression makes the binder, the planner or the evaluation
// panic or report an internal error, with the planner's rules and without.
func FuzzEval(f *testing.F) {
	cases, err := os.ReadFile(filepath.Join("expr", "testdata", "cases.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for i, line := range strings.Split(string(cases), "\n") {
		if i%7 == 0 && line != "" && line[0] != '#' {
			f.Add(line)
		}
	}
	for _, s := range []string{"a", "a + b::int", "c || a", "(select max(a) from t where b = x.b)", "case when a > 1 then c end", "a in (1, 2)", "count(*) over (order by a)", "array_agg(c order by a)", "row(a, b) = row(1, null)"} {
		f.Add(s)
	}
	e, _ := newTestEngine(f)
	plain, _ := newTestEngine(f)
	plain.noRules = true
	sessions := []*testSession{e.testSession(f), plain.testSession(f)}
	for _, s := range sessions {
		s.must("create table t (a int primary key, b text, c text[]); insert into t values (1, 'x', '{p,q}'), (2, null, null), (3, '7', '{}')")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 300 || tooMuch.MatchString(text) {
			return // of no use as a seed either
		}
		for _, s := range sessions {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			w := &testWriter{}
			s.s.params.Notifier = w
			err := s.s.ExecSimple(ctx, "SELECT "+text+" FROM t AS x", w)
			cancel()
			if err != nil && sqlerr.As(err).Code == sqlerr.InternalError {
				t.Fatalf("%v (%v)\n%s", err, sqlerr.As(err).Cause, text)
			}
			if err := s.s.ExecSimple(context.Background(), "ROLLBACK", &testWriter{}); err != nil && sqlerr.As(err).Code == sqlerr.InternalError {
				t.Fatalf("after %s: %v", text, err)
			}
		}
	})
}
