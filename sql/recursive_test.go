package sql

import (
	"testing"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// A recursion without end is stopped by the memory limit, however few rows each
// round has, and by statement_timeout where it keeps nothing.
func TestEndlessRecursion(t *testing.T) {
	e, _ := newTestEngine(t)
	e.o.MemoryLimit = 1 << 20
	s := e.testSession(t)
	for _, q := range []string{
		"with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
		"with recursive t(n) as (select 1 union select n + 1 from t) select count(*) from t",
		"with recursive t(n) as (select 1 union all select n from t, generate_series(1, 10)) select count(*) from t",
	} {
		if _, err := s.exec(q); sqlerr.CodeOf(err) != sqlerr.OutOfMemory {
			t.Errorf("%s: %v, wanted 53200", q, err)
		}
	}
	e.o.MemoryLimit = 0
	s.must("set statement_timeout = 100")
	q := "with recursive t(n) as (select 1 union all select n + 1 from t) select n from t where n < 0"
	if _, err := s.exec(q); sqlerr.CodeOf(err) != sqlerr.QueryCanceled {
		t.Errorf("%s: %v, wanted 57014", q, err)
	}
	if got := s.must("with recursive t(n) as (select 1 union all select n + 1 from t) select n from t limit 3"); len(got.rows) != 3 {
		t.Errorf("%d rows of an endless recursion instead of 3", len(got.rows))
	}
}

// What a window needs counts against the memory limit.
func TestWindowMemory(t *testing.T) {
	e, _ := newTestEngine(t)
	e.o.MemoryLimit = 1 << 20
	s := e.testSession(t)
	s.must("select sum(x) over (order by x) from generate_series(1, 1000) x")
	q := "select sum(x) over (order by x) from generate_series(1, 100000) x"
	if _, err := s.exec(q); sqlerr.CodeOf(err) != sqlerr.OutOfMemory {
		t.Errorf("%s: %v, wanted 53200", q, err)
	}
}
