package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/quorate-db/quorate"

// file is one Go file of the tree, parsed.
type file struct {
	path      string // relative to the root, with slashes
	dir       string
	test      bool
	generated bool
	lines     int
	fset      *token.FileSet
	ast       *ast.File
}

// imports are the paths that the file imports, with the names they have in it.
func (f *file) imports() map[string]string {
	m := map[string]string{}
	for _, i := range f.ast.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		name := p[strings.LastIndex(p, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		m[p] = name
	}
	return m
}

func (f *file) at(n ast.Node) string {
	pos := f.fset.Position(n.Pos())
	return f.path + ":" + itoa(pos.Line)
}

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func parseFile(path, src string) (*file, error) {
	fset := token.NewFileSet()
	a, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	dir := "."
	if i := strings.LastIndex(path, "/"); i >= 0 {
		dir = path[:i]
	}
	return &file{
		path: path, dir: dir, fset: fset, ast: a, test: strings.HasSuffix(path, "_test.go"),
		generated: strings.HasSuffix(path, ".pb.go"), lines: strings.Count(src, "\n"),
	}, nil
}

// tree parses every Go file of the project.
func tree(t *testing.T) []*file {
	t.Helper()
	root := "../.."
	var files []*file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != root && (strings.HasPrefix(n, ".") && n != ".." || n == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := parseFile(rel, string(src))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("found %d Go files: the walk does not see the project", len(files))
	}
	return files
}

// within reports whether dir is one of the folders or below one.
func within(dir string, folders ...string) bool {
	for _, f := range folders {
		if dir == f || strings.HasPrefix(dir, f+"/") {
			return true
		}
	}
	return false
}
