package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is a mistake that the suite must notice.
type mutant struct {
	name   string // what it does, in a few words; unique
	breaks string // the promise that is broken
	// module is the path of the library that is changed; empty: the product.
	module string
	// file is relative to the root of the module. It holds old exactly once, which
	// becomes new.
	file, old, new string
	// also are further changes of the same mistake, in the same module.
	also []edit
	by   killer
}

type edit struct{ file, old, new string }

func (m *mutant) edits() []edit { return append([]edit{{m.file, m.old, m.new}}, m.also...) }

// killer is the test that must fail.
type killer struct {
	pkg  string // relative to the root: ./region/store
	test string // its name, or Test/subtest
	args []string
	// seeds is set for the simulation, which is run until a seed fails.
	seeds bool
}

func test(pkg, name string) killer { return killer{pkg: pkg, test: name} }

// sim is the simulation over a number of seeds. first is one that noticed when the
// mutant was written; changes of the product move it, so the others follow.
func sim(first uint64, seeds int) killer {
	return killer{pkg: "./tests/sim", test: "TestSeeds", seeds: true, args: []string{
		"-first", strconv.FormatUint(first, 10), "-seeds", strconv.Itoa(seeds), "-most", "1", "-shrink=false",
	}}
}

func (k killer) String() string { return strings.TrimPrefix(k.pkg, "./") + " " + k.test }

// registry is all mutants.
func registry() []mutant {
	var out []mutant
	out = append(out, consensus...)
	out = append(out, rules...)
	out = append(out, transactions...)
	return out
}

// apply returns the changed files by path below root, the folder of the module.
func (m *mutant) apply(root string) (map[string][]byte, error) {
	out := make(map[string][]byte)
	for _, e := range m.edits() {
		path := filepath.Join(root, filepath.FromSlash(e.file))
		src, changed := out[path]
		if !changed {
			var err error
			if src, err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
		switch n := strings.Count(string(src), e.old); {
		case e.old == "" || e.old == e.new:
			return nil, fmt.Errorf("%s: the mutant changes nothing", e.file)
		case n != 1:
			return nil, fmt.Errorf("%s holds the old text %d times, it must be there once:\n%s", e.file, n, e.old)
		}
		src = []byte(strings.Replace(string(src), e.old, e.new, 1))
		if _, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("%s: the mutant is no Go: %w", e.file, err)
		}
		out[path] = src
	}
	return out, nil
}
