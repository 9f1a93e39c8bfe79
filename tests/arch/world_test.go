package arch

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// outside lists what a package must be handed instead of reaching for it.
var outside = map[string]struct {
	names []string // selectors of the package; none: all
	why   string
}{
	"time":      {[]string{"Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until"}, "the clock is injected (internal/env)"},
	"math/rand": {nil, "random sources are injected (internal/env)"},
	"math/rand/v2": {[]string{"Int", "IntN", "Int64", "Uint64", "Float64", "N", "Perm", "Shuffle", "Uint32", "Int32", "Int64N", "Uint64N"},
		"the process's random source cannot be repeated: a seeded one is injected"},
	"os": {[]string{"Open", "Create", "OpenFile", "ReadFile", "WriteFile", "Remove", "RemoveAll", "Rename", "Mkdir", "MkdirAll", "MkdirTemp", "CreateTemp", "Stat", "ReadDir", "Exit"},
		"files go through the engine's file system"},
	"net": {[]string{"Listen", "Dial", "DialTimeout", "ListenPacket"}, "sockets are opened by server"},
}

// mayReachOut are the folders that meet the world.
var mayReachOut = []string{"internal/env", "cmd", "server", "tests"}

// excused are single uses with their reason.
var excused = map[string]string{}

// worldFaults lists what a file reaches for that it should be handed.
func worldFaults(f *file) (out []string) {
	names := map[string]string{} // local name → import path
	for p, n := range f.imports() {
		if _, ok := outside[p]; ok {
			if strings.HasSuffix(p, "/v2") && n == "v2" {
				n = "rand"
			}
			names[n] = p
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if !ok || id.Obj != nil {
			return true
		}
		rule, ok := outside[names[id.Name]]
		if !ok {
			return true
		}
		use := id.Name + "." + sel.Sel.Name
		if excused[f.path+" "+use] != "" {
			return true
		}
		if rule.names == nil {
			out = append(out, f.at(sel)+" uses "+use+": "+rule.why)
		}
		for _, bad := range rule.names {
			if sel.Sel.Name == bad {
				out = append(out, f.at(sel)+" uses "+use+": "+rule.why)
			}
		}
		return true
	})
	return out
}

// Clock, random source, files and network come from outside, so that a
// simulation can supply them.
func TestTheWorldIsInjected(t *testing.T) {
	for _, f := range tree(t) {
		if f.test || within(f.dir, mayReachOut...) {
			continue
		}
		for _, fault := range worldFaults(f) {
			t.Error(fault)
		}
	}
}

// initFaults lists init functions: registration by import hides who uses what.
func initFaults(f *file) (out []string) {
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			out = append(out, f.at(fn)+": no init functions: state is made by constructors")
		}
	}
	return out
}

func TestNoInit(t *testing.T) {
	for _, f := range tree(t) {
		if f.generated {
			continue
		}
		for _, fault := range initFaults(f) {
			t.Error(fault)
		}
	}
}

// todoFaults lists TODOs that do not say what is missing.
func todoFaults(f *file) (out []string) {
	for _, g := range f.ast.Comments {
		for _, c := range g.List {
			for _, word := range []string{"TODO", "FIXME", "XXX"} {
				if i := strings.Index(c.Text, word); i >= 0 && len(strings.TrimSpace(c.Text[i:])) < 30 {
					out = append(out, f.at(c)+": a "+word+" says what is missing and what would go wrong")
				}
			}
		}
	}
	return out
}

func TestTodosSaySomething(t *testing.T) {
	for _, f := range tree(t) {
		if within(f.dir, "tests/arch") {
			continue
		}
		for _, fault := range todoFaults(f) {
			t.Error(fault)
		}
	}
}

// Every package says what it is.
func TestPackageComments(t *testing.T) {
	has, files := map[string]bool{}, map[string]int{}
	for _, f := range tree(t) {
		if f.test || f.generated {
			continue
		}
		files[f.dir]++
		if f.ast.Doc != nil && len(f.ast.Doc.Text()) > 20 {
			has[f.dir] = true
		}
	}
	for dir := range files {
		if !has[dir] {
			t.Errorf("package %s has no comment: what it is, its invariants, who may call it concurrently", dir)
		}
	}
}

// longFile is where a file surely holds a second idea.
const longFile = 1200

// longTables are long because their one subject is.
var longTables = map[string]string{
	"sql/parse/keywords.go": "the table of PostgreSQL's keywords",
	"sql/expr/tables.go":    "the table of PostgreSQL's functions, operators and casts",
}

func TestFileLength(t *testing.T) {
	for _, f := range tree(t) {
		switch {
		case f.generated || f.test || longTables[f.path] != "":
		case f.lines > longFile:
			t.Errorf("%s has %d lines: which second idea has moved in?", f.path, f.lines)
		case f.lines > 800:
			t.Logf("%s has %d lines", f.path, f.lines)
		}
	}
}

// The rules about source text can fail.
func TestSourceRulesCatch(t *testing.T) {
	f, err := parseFile("txn/bad.go", `package txn

import (
	"math/rand"
	"os"
	"time"
)

// TODO later
func init() { time.Sleep(1); _ = rand.Int(); _, _ = os.Open("x") }
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(worldFaults(f)); got != 3 {
		t.Errorf("found %d uses of the world, want 3: %v", got, worldFaults(f))
	}
	if len(initFaults(f)) != 1 {
		t.Error("did not find the init function")
	}
	if len(todoFaults(f)) != 1 {
		t.Error("did not find the empty TODO")
	}
	if f.fset.Position(token.Pos(1)).Line != 1 {
		t.Error("positions are lost")
	}
}
