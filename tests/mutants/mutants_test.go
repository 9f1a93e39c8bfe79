package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// Every mutant still fits the source, is another program that compiles, and names a
// test that is there.
func TestMutantsApply(t *testing.T) {
	check := newChecker(t)
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
		files, err := m.apply(dirs[m.module])
		if err == nil && m.module == "" {
			err = check.types(files)
		}
		if err != nil {
			t.Errorf("mutant %q: %v", m.name, err)
		}
		if !hasTest(t, m.by) {
			t.Errorf("mutant %q: there is no test %v", m.name, m.by)
		}
	}
}

// checker finds out whether changed packages would compile, without compiling them.
type checker struct {
	exports map[string]string   // of a package: the file that the compiler made of it
	sources map[string][]string // of a folder: the files of its package
	fset    *token.FileSet
	imports types.Importer
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{exports: map[string]string{}, sources: map[string][]string{}, fset: token.NewFileSet()}
	// The tags are those of the simulation.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags", "faults", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,Standard", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c.exports[p.ImportPath] = p.Export
		for _, f := range p.GoFiles {
			c.sources[p.Dir] = append(c.sources[p.Dir], filepath.Join(p.Dir, f))
		}
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(c.exports[path]) })
	return c
}

// types checks the packages of some files, whose new texts are given.
func (c *checker) types(changed map[string][]byte) error {
	texts := make(map[string][]byte)
	var dirs []string
	for path, src := range changed {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		texts[abs] = src
		if d := filepath.Dir(abs); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	for _, d := range dirs {
		var files []*ast.File
		for _, path := range c.sources[d] {
			var src any // nil: read the file
			if b := texts[path]; b != nil {
				src = b
			}
			f, err := parser.ParseFile(c.fset, path, src, 0)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		if len(files) == 0 {
			return fmt.Errorf("no package in %s", d)
		}
		if _, err := (&types.Config{Importer: c.imports}).Check(d, c.fset, files, nil); err != nil {
			return err
		}
	}
	return nil
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
