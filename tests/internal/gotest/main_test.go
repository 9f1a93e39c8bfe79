package main

import (
	"strings"
	"testing"
)

// A skipped test is named with its reason, a failed one with its output, and what
// a package printed outside its tests (a panic, a time-out) is not lost.
func TestSummary(t *testing.T) {
	in := `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:12: pgbench is not installed\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: lost a row\n"}
{"Action":"fail","Package":"p","Test":"TestB","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"panic: deep\n"}
{"Action":"fail","Package":"p","Elapsed":0.2}
{"Action":"output","Package":"q","Test":"TestC","Output":"quiet\n"}
{"Action":"pass","Package":"q","Test":"TestC","Elapsed":0.1}
{"Action":"pass","Package":"q","Elapsed":0.2}
{"ImportPath":"z","Action":"build-output","Output":"z.go:1: undefined: x\n"}
`
	var b strings.Builder
	r := read(strings.NewReader(in), &b)
	r.summary(&b)
	got := b.String()
	for _, want := range []string{"SKIP  p TestA: pgbench is not installed", "FAIL  p", "lost a row", "panic: deep", "ok    q", "undefined: x"} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "quiet") {
		t.Errorf("output of a test that passed is printed:\n%s", got)
	}
	if r.bad != 1 || r.good != 1 {
		t.Errorf("counted %d bad and %d good", r.bad, r.good)
	}
}
