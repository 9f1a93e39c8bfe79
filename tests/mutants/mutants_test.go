package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// Every mutant still fits the source, is another program, and names a test that is
// there.
func TestMutantsApply(t *testing.T) {
	names := make(map[string]bool)
	dirs := map[string]string{"": root}
	for _, m := range registry() {
		if names[m.name] || m.name == "" || m.breaks == "" {
			t.Errorf("mutant %q: its name is not its own, or it does not say what it breaks", m.name)
		}
		names[m.name] = true
		if dirs[m.module] == "" {
			dir, err := moduleDir(t.Context(), root, m.module)
			if err != nil {
				t.Fatal(err)
			}
			dirs[m.module] = dir
		}
		if _, err := m.apply(dirs[m.module]); err != nil {
			t.Errorf("mutant %q: %v", m.name, err)
		}
		if !hasTest(t, m.by) {
			t.Errorf("mutant %q: there is no test %v", m.name, m.by)
		}
	}
}

func hasTest(t *testing.T, k killer) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, k.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(k.test, "/")
	re := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\(t \*testing\.T\)`)
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if re.Match(src) {
			return true
		}
	}
	return false
}

// A text that is not there once is refused, and so is one that makes no Go.
func TestApplyRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n\nvar x, y = 1, 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		old, new string
		ok       bool
	}{
		{"1, 1", "1, 2", true},
		{"1", "2", false},
		{"3", "2", false},
		{"1, 1", "1, 1", false},
		{"1, 1", "1,, 1", false},
	} {
		m := mutant{file: "a.go", old: c.old, new: c.new}
		if _, err := m.apply(dir); (err == nil) != c.ok {
			t.Errorf("%q for %q: %v", c.new, c.old, err)
		}
	}
}

// Only a test that ran and failed is a kill.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		out     string
		failed  bool
		killed  bool
		verdict bool
		seed    string
	}{
		{"ok  \tx\t0.1s\n", false, false, true, ""},
		{"--- FAIL: TestX (0.00s)\n    x_test.go:12: it is 3\nFAIL\n", true, true, true, ""},
		{"--- FAIL: TestSeeds (0.00s)\n    seeds_test.go:64: seed 1: 20 steps\n    seeds_test.go:72: seed 2: log matching broken at 3s: so\nFAIL\n", true, true, true, "2"},
		{"panic: runtime error: index out of range\n\ngoroutine 7\nFAIL\tx\t0.1s\n", true, true, true, ""},
		{"panic: test timed out after 1m0s\nFAIL\tx\n", true, false, false, ""},
		{"# x\n./x.go:3:1: undefined: y\nFAIL\tx [build failed]\n", true, false, false, ""},
		{"ok  \tx\t0.1s [no tests to run]\n", false, false, false, ""},
		{"go: no such module\n", true, false, false, ""},
	} {
		o, err := judge(c.out, c.failed)
		if o.killed != c.killed || (err == nil) != c.verdict || o.seed != c.seed {
			t.Errorf("%q: killed %v by seed %q, error %v", c.out, o.killed, o.seed, err)
		}
	}
}

// The slices of successive days are others, and come to every mutant.
func TestSlicesRotate(t *testing.T) {
	seen := make(map[string]bool)
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range len(registry()) {
		list, err := choose("", true, day)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list[:min(perDay, len(list))] {
			seen[m.name] = true
		}
		day = day.AddDate(0, 0, 1)
	}
	if len(seen) != len(registry()) {
		t.Errorf("%d of %d mutants are ever run", len(seen), len(registry()))
	}
}
