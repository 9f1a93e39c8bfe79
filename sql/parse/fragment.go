package parse

import (
	"slices"
	"strconv"
	"sync"

	"github.com/quorate-db/quorate/sql/ast"
)

// fragmentKind says what a fragment's text is and what its place in the tree is made of.
type fragmentKind uint8

const (
	fragExpr         fragmentKind = iota // SELECT expr               → *ast.Expr
	fragExprs                            // SELECT expr, …            → *[]ast.Expr
	fragTargets                          // SELECT targets            → *[]ast.Target
	fragQuery                            // a query                   → **ast.Select
	fragFrom                             // SELECT 1 FROM items       → *[]ast.TableExpr
	fragWith                             // WITH … SELECT 1           → *ast.With, filled in place
	fragInsert                           // INSERT INTO t VALUES …    → **ast.Select
	fragQueryInPlace                     // a query                   → *ast.Select, filled in place
	fragUpdate                           // UPDATE t SET … [WHERE …]  → *updateParts
	fragDelete                           // DELETE FROM t WHERE …     → *ast.Expr
	fragCall                             // SELECT f(…)               → *ast.Call
)

// updateParts is where the assignments of UPDATE and ON CONFLICT DO UPDATE go.
type updateParts struct {
	set   *[]ast.Assignment
	where *ast.Expr
}

// fragment is one statement for the grammar engine. All fragments of one client statement are parsed in one call.
type fragment struct {
	kind  fragmentKind
	dst   any
	out   []byte
	marks []mark
	base  int // offset of out in the joined text
}

// mark says that the text at out comes from a token, or, when token is negative, belongs to side entry -token-1.
type mark struct {
	out   int32
	token int32
}

// fragments are reused: the statement cache misses often enough that their buffers count. Holding nothing but memory between uses,
// the pool is no state.
var fragmentPool = sync.Pool{New: func() any { return new(fragment) }}

// fragmentBytesKept bounds the buffer that a fragment takes back into the pool.
const fragmentBytesKept = 64 << 10

func putFragment(f *fragment) {
	if cap(f.out) > fragmentBytesKept {
		return
	}
	*f = fragment{out: f.out[:0], marks: f.marks[:0]}
	fragmentPool.Put(f)
}

// begin opens a fragment inside the current one, which goes on when the returned function has been called.
func (p *parser) begin(kind fragmentKind, dst any) (outer *fragment) {
	outer = p.cur
	f := fragmentPool.Get().(*fragment)
	f.kind, f.dst = kind, dst
	p.cur = f
	return outer
}

func (p *parser) end(outer *fragment) {
	p.frags = append(p.frags, p.cur)
	p.cur = outer
}

// emit writes template text; every element begins with a space so that no two can melt into one.
func (p *parser) emit(s string) {
	p.cur.out = append(p.cur.out, ' ')
	p.cur.out = append(p.cur.out, s...)
}

// emitTight writes template text directly after what is there.
func (p *parser) emitTight(s string) { p.cur.out = append(p.cur.out, s...) }

// mark notes that what is emitted next comes from token i.
func (p *parser) mark(i int) {
	p.cur.marks = append(p.cur.marks, mark{out: int32(len(p.cur.out)), token: int32(i)})
}

// emitMarked writes template text that stands for token i.
func (p *parser) emitMarked(s string, i int) {
	p.cur.out = append(p.cur.out, ' ')
	p.mark(i)
	p.cur.out = append(p.cur.out, s...)
}

// emitName writes a name in back-quotes.
func (p *parser) emitName(s string) {
	p.cur.out = append(p.cur.out, ' ')
	p.cur.out = appendName(p.cur.out, s)
}

func appendName(out []byte, s string) []byte {
	out = append(out, '`')
	for i := 0; i < len(s); i++ {
		if s[i] == '`' {
			out = append(out, '`')
		}
		out = append(out, s[i])
	}
	return append(out, '`')
}

// emitString writes a string literal.
func (p *parser) emitString(s string) {
	out := append(p.cur.out, ' ', '\'')
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	p.cur.out = append(out, '\'')
}

// addSide keeps v and returns the sentinel suffix that refers to it.
func (p *parser) addSide(v any) string {
	p.side = append(p.side, v)
	return "#" + strconv.Itoa(len(p.side)-1)
}

// sentinel is the back-quoted name of a sentinel. A NUL can never come from a client, so no name can be mistaken for it.
func sentinel(name string) string { return "`\x00" + name + "`" }

// emitSentinel writes a sentinel that stands for token i.
func (p *parser) emitSentinel(name string, i int) { p.emitMarked(sentinel(name), i) }

// insert puts text before what was emitted from offset at on.
func (p *parser) insert(at int, s string) {
	f := p.cur
	f.out = slices.Insert(f.out, at, []byte(s)...)
	for i := len(f.marks) - 1; i >= 0 && int(f.marks[i].out) >= at; i-- {
		f.marks[i].out += int32(len(s))
	}
}

// wrap makes what was emitted from offset at on the first argument of a sentinel function; the caller emits the rest and the
// closing parenthesis.
func (p *parser) wrap(at int, name string) { p.insert(at, " "+sentinel(name)+"(") }

// source is the token index behind the text at an offset of the joined text: of the last mark at or before it.
func (f *fragment) source(offset int) (token int, ok bool) {
	i, found := slices.BinarySearchFunc(f.marks, int32(offset-f.base), func(m mark, at int32) int { return int(m.out - at) })
	if !found {
		i--
	}
	if i < 0 {
		return 0, false
	}
	return int(f.marks[i].token), true
}

// before is the token index of the last mark before an offset of the joined text.
func (f *fragment) before(offset int) (token int, ok bool) { return f.source(offset - 1) }
