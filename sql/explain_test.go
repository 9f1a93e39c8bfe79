package sql

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Tools read the JSON form: the members that they need are there, at every node.
func TestExplainJSON(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (a int primary key, b int)")
	s.must("insert into t select i, i % 3 from generate_series(1, 9) i")
	w := s.must("explain (analyze, verbose, buffers, format json) select x.b, count(*) from t x join t y on x.b = y.a where x.a > 2 group by 1 order by 2")
	if len(w.rows) != 1 || w.cols[0].Type.Name() != "json" || w.cols[0].Name != "QUERY PLAN" {
		t.Fatalf("%d rows of %v", len(w.rows), w.cols)
	}
	var got []struct {
		Plan      map[string]any
		Planning  float64 `json:"Planning Time"`
		Execution float64 `json:"Execution Time"`
	}
	if err := json.Unmarshal([]byte(w.rows[0][0]), &got); err != nil {
		t.Fatalf("%v in %s", err, w.rows[0][0])
	}
	if got[0].Execution <= 0 || got[0].Planning <= 0 {
		t.Errorf("planning %v ms, execution %v ms", got[0].Planning, got[0].Execution)
	}
	var kinds []string
	var walk func(n map[string]any)
	walk = func(n map[string]any) {
		kinds = append(kinds, n["Node Type"].(string))
		for _, k := range []string{"Startup Cost", "Total Cost", "Plan Rows", "Plan Width", "Actual Startup Time", "Actual Total Time", "Actual Rows", "Actual Loops", "Shared Read Blocks"} {
			if _, ok := n[k].(float64); !ok {
				t.Errorf("%s has no %s: %v", n["Node Type"], k, n)
			}
		}
		plans, _ := n["Plans"].([]any)
		for _, p := range plans {
			walk(p.(map[string]any))
		}
	}
	walk(got[0].Plan)
	if kinds[0] != "Sort" || !strings.Contains(strings.Join(kinds, ","), "Aggregate,Hash Join") {
		t.Errorf("nodes %v", kinds)
	}
	if rows := got[0].Plan["Actual Rows"]; rows != 2.0 {
		t.Errorf("%v rows, want 2", rows)
	}
}

// The text form is what PostgreSQL's users and tools know.
func TestExplainAnalyzeText(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (a int primary key, b int)")
	s.must("insert into t select i, i % 3 from generate_series(1, 9) i")
	w := s.must("explain analyze select * from t where b = 1")
	for i, want := range []string{
		`^Seq Scan on t  \(cost=\d+\.\d\d\.\.\d+\.\d\d rows=\d+ width=8\) \(actual time=\d+\.\d{3}\.\.\d+\.\d{3} rows=3 loops=1\)$`,
		`^  Filter: \(t\.b = 1\)$`, `^  Rows Removed by Filter: 6$`, `^Planning Time: \d+\.\d{3} ms$`, `^Execution Time: \d+\.\d{3} ms$`} {
		if i >= len(w.rows) || !regexp.MustCompile(want).MatchString(w.rows[i][0]) {
			t.Errorf("line %d of %q is not %s", i, w.rows, want)
		}
	}
	// What is explained with ANALYZE is done.
	s.must("explain analyze update t set b = 7 where a < 3")
	if w := s.must("select count(*) from t where b = 7"); w.rows[0][0] != "2" {
		t.Errorf("%s rows were changed, want 2", w.rows[0][0])
	}
}
