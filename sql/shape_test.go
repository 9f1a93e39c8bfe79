package sql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What has a shape, and which; "" is none.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		text, shape string
		nums        []int32
	}{
		{"SELECT abalance FROM pgbench_accounts WHERE aid = 4711;", "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", []int32{4711}},
		{"update t set v = v + -5 where id=7 and k <= 9", "update t set v = v + -$1 where id=$2 and k <= $3", []int32{5, 7, 9}},
		{"insert into t (a, b) values (1, 'it is 5', -3), (4,now(),6)", "insert into t (a, b) values ($1, 'it is 5', -$2), ($3,now(),$4)", []int32{1, 3, 4, 6}},
		{"delete from t where id = 0123", "delete from t where id = $1", []int32{123}},
		{"select a from t where b = 'x' and id = 1 ; ", "select a from t where b = 'x' and id = $1 ; ", []int32{1}},
		{"select a from t where id = 999999999", "select a from t where id = $1", []int32{999999999}},
		// Numbers of other types, or that may be.
		{"select a from t where id = 2147483647", "", nil},
		{"select a from t where id = 9999999999", "", nil},
		{"select a from t where id = 1.5", "", nil},
		{"select a from t where id = 1e3", "", nil},
		{"select a from t where id = 1_000", "", nil},
		{"select a from t where id = .5", "", nil},
		{"select a from t where id = 0x1F", "", nil},
		// Numbers that are no values, or stand where that is not certain.
		{"select a from t where id = 1 order by 1", "", nil},
		{"select a from t where id = 1 limit 5", "", nil},
		{"select a from t where id = 1 group by -1", "", nil},
		{"select cast('1' as numeric(10,2)) from t where id = 1", "", nil},
		{"select f(1) from t where id = 1", "", nil},
		{"insert into t values (f(1))", "", nil},
		{"insert into t values (float(5) '1')", "", nil},
		{"select a from t where id in (1, 2)", "", nil},
		{"select a from t where id between 1 and 2", "", nil},
		{"select a from t where id = 1::bigint", "", nil},
		{"select a[1] from t where id = 1", "", nil},
		{"select 1", "", nil},
		{"select a from t where id = $1", "", nil},
		// Texts that are to be read with more care.
		{"select a from t where id = 1 -- 2", "", nil},
		{"select a from t where id = 1 /* 2 */", "", nil},
		{"select a from t where b = 'it''s' and id = 1", "", nil},
		{`select a from t where b = E'\'' and id = 1`, "", nil},
		{`select a from t where b = 'x\' and id = 1`, "", nil},
		{"select a from t where b = 'open and id = 1", "", nil},
		{`select a from t where b = x'1F' and id = 1`, "", nil},
		{`select "a" from t where id = 1`, "", nil},
		{"select a from t where b = $$1$$ and id = 1", "", nil},
		{"select 1; select a from t where id = 1", "", nil},
		{"select a from t where id = 1; commit", "", nil},
		{"explain select a from t where id = 1", "", nil},
		{"select a from t where id = (select max(b) from u where c = 1)", "", nil},
		{"values (1)", "", nil},
		{"", "", nil},
		{"select a from t where id = 1 and b = '" + strings.Repeat("x", shapeBytesMax) + "'", "", nil},
		{"insert into t values " + strings.Repeat("(1),", shapeParamsMax) + "(1)", "", nil},
	} {
		var h shapes
		got := ""
		if h.of(c.text) {
			got = string(h.text)
		}
		if got != c.shape || c.shape != "" && !slices.Equal(h.nums, c.nums) {
			t.Errorf("%s: shape %q with %v, want %q with %v", c.text, got, h.nums, c.shape, c.nums)
		}
	}
}

// A statement is parsed and planned by its shape the second time, with the numbers of
// its own, follows changes of the schema and of rights, and is told by its own text.
// What does not touch one row by its key never is.
func TestPlansByShape(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (id int primary key, v int, c smallint)")
	kept := func(text string) bool {
		if !s.s.shapes.of(text) {
			return false
		}
		k := s.s.shapes.known[string(s.s.shapes.text)]
		return k != nil && k.prep != nil && k.prep.plan != nil && !k.bad
	}
	for i := range 5 {
		s.must(fmt.Sprintf("insert into t values (%d, %d, 7)", i, 10*i))
	}
	if !kept("insert into t values (9, 9, 9)") {
		t.Error("an insert has no plan by shape")
	}
	for i := range 5 {
		s.must(fmt.Sprintf("update t set v = v + %d where id = %d", i, i))
		if w := s.must(fmt.Sprintf("select v from t where id = %d", i)); len(w.rows) != 1 || w.rows[0][0] != fmt.Sprint(11*i) {
			t.Errorf("row %d is %v", i, w.rows)
		}
	}
	if !kept("select v from t where id = 77") || !kept("update t set v = v + 1 where id = 77") {
		t.Error("a point read or write has no plan by shape")
	}
	for i := range 3 {
		if _, err := s.exec(fmt.Sprintf("insert into t values (%d, 0, 99999)", 100+i)); err == nil || describe(err) != "22003 smallint out of range" {
			t.Errorf("a number out of range: %v", describe(err))
		}
		if w := s.must(fmt.Sprintf("select count(*) from t where v > %d", i)); w.rows[0][0] != "4" && w.rows[0][0] != "5" {
			t.Errorf("count: %v", w.rows)
		}
	}
	if kept("select count(*) from t where v > 5") {
		t.Error("a query over all rows is planned by shape")
	}
	s.must("alter table t add column d int default 3")
	if w := s.must("select d from t where id = 1"); w.rows[0][0] != "3" {
		t.Errorf("the new column: %v", w.rows)
	}
	for range 3 {
		s.must("select d from t where id = 1")
	}
	s.must("alter table t drop column d")
	if _, err := s.exec("select d from t where id = 1"); err == nil || describe(err) != `42703 column "d" does not exist` {
		t.Errorf("a dropped column: %s", describe(err))
	}
	for range 3 {
		s.must("select * from t where id = 1")
	}
	s.must("alter table t drop column c")
	if w := s.must("select * from t where id = 1"); len(w.rows[0]) != 2 {
		t.Errorf("a column less: %v", w.rows)
	}
	s.must("begin")
	if _, err := s.exec("insert into t values (1, 1)"); err == nil {
		t.Error("a duplicate key was taken")
	}
	if _, err := s.exec("select v from t where id = 1"); err == nil || !strings.Contains(describe(err), "25P02") {
		t.Errorf("a failed block runs statements: %v", describe(err))
	}
	s.must("rollback")
	if w := s.must("select v from t where id = 1"); w.rows[0][0] != "11" {
		t.Errorf("after the rollback: %v", w.rows)
	}
}

// The statistics of statements know one that ran by its shape by the same text as before.
func TestShapesInStatistics(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (id int primary key, v int)")
	for i := range 6 {
		s.must(fmt.Sprintf(" select v from t where id = %d and v <> -3 ; ", i))
	}
	found := 0
	for _, st := range e.Statements() {
		if strings.Contains(st.Text, "select v") {
			if found++; st.Calls != 6 || st.Errors != 0 {
				t.Errorf("%s: %d calls, %d errors", st.Text, st.Calls, st.Errors)
			}
		}
	}
	if found != 1 {
		t.Errorf("it is counted under %d texts", found)
	}
}

// Statements that are planned by their shape look after foreign keys, also those that
// came after the plan.
func TestForeignKeysByShape(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table p (id int primary key)")
	s.must("create table c (id int primary key, pid int)")
	for i := range 4 {
		s.must(fmt.Sprintf("insert into p values (%d)", i))
		s.must(fmt.Sprintf("insert into c values (%d, %d)", i, i))
		s.must(fmt.Sprintf("update c set pid = %d where id = %d", i, i))
		s.must(fmt.Sprintf("delete from p where id = %d", 100+i))
	}
	shapes := []string{"insert into c values (7, 7)", "update c set pid = 7 where id = 1", "delete from p where id = 1"}
	for round := range 3 {
		for _, sql := range shapes {
			if !s.s.shapes.of(sql) || s.s.shapes.known[string(s.s.shapes.text)].prep == nil {
				t.Errorf("round %d: %s: no plan by shape", round, sql)
			}
			_, err := s.exec(sql)
			if refused := err != nil && strings.HasPrefix(describe(err), "23503"); refused != (round > 0) || !refused && err != nil {
				t.Errorf("round %d: %s: %v", round, sql, err)
			}
		}
		if round == 0 {
			s.must("delete from c where pid = 7")
			s.must("insert into p values (1)")
			s.must("insert into c values (1, 1)")
			s.must("alter table c add foreign key (pid) references p")
		}
	}
}
