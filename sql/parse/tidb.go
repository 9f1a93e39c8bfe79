package parse

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	tparser "github.com/pingcap/tidb/pkg/parser"
	tast "github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// literal is our value of the engine's literals. It keeps what was written: an int64 or uint64, a decimal's text, a string, a
// bool, or nil.
type literal struct {
	tast.TexprNode
	value any
}

// decimalText is a decimal as written, of any length.
type decimalText string

// paramMarker is a `?`, known by its offset in the emitted text.
type paramMarker struct {
	literal
	offset int
}

func (n *literal) SetValue(v any) { n.value = v }
func (n *literal) GetValue() any  { return n.value }
func (n *literal) GetString() string {
	s, _ := n.value.(string)
	return s
}
func (n *literal) GetDatumString() string                  { return n.GetString() }
func (n *literal) GetProjectionOffset() int                { return -1 }
func (n *literal) SetProjectionOffset(int)                 {}
func (n *literal) Restore(*format.RestoreCtx) error        { return errNoRestore }
func (n *literal) Format(io.Writer)                        {}
func (n *literal) Accept(v tast.Visitor) (tast.Node, bool) { return accept(n, v) }

func (n *paramMarker) SetOrder(int)                            {}
func (n *paramMarker) Accept(v tast.Visitor) (tast.Node, bool) { return accept(n, v) }

func accept(n tast.Node, v tast.Visitor) (tast.Node, bool) {
	node, _ := v.Enter(n)
	return v.Leave(node)
}

var errNoRestore = sqlerr.Internal("the emitted text is never restored")

// engines pools the TiDB parsers, which are costly to make and not safe for concurrent use.
//
// The engine takes its literals from five package variables of its own. They are set here once, before the first engine is
// made: the one piece of process-wide state in this package, forced by the engine's interface. Nothing else in the process
// may use that parser.
var (
	hookOnce sync.Once
	engines  = sync.Pool{New: func() any { return newEngine() }}
)

func setHooks() {
	tast.NewValueExpr = func(value any, _ string, _ string) tast.ValueExpr {
		if v, ok := value.(*literal); ok {
			return v
		}
		return &literal{value: value}
	}
	tast.NewParamMarkerExpr = func(offset int) tast.ParamMarkerExpr { return &paramMarker{offset: offset} }
	tast.NewDecimal = func(s string) (any, error) { return decimalText(s), nil }
	tast.NewHexLiteral = func(s string) (any, error) { return nil, sqlerr.Internal("hex literal %s in emitted text", s) }
	tast.NewBitLiteral = func(s string) (any, error) { return nil, sqlerr.Internal("bit literal %s in emitted text", s) }
}

func newEngine() *tparser.Parser {
	hookOnce.Do(setHooks)
	e := tparser.New()
	e.SetSQLMode(mysql.ModeANSIQuotes | mysql.ModePipesAsConcat | mysql.ModeNoBackslashEscapes | mysql.ModeIgnoreSpace)
	e.EnableWindowFunc(true)
	e.SetStrictDoubleTypeCheck(false)
	return e
}

// decodeFragments parses all fragments in one call of the engine and decodes each into its place.
func (p *parser) decodeFragments() {
	var b strings.Builder
	n := 0
	for _, f := range p.frags {
		n += len(f.out) + 1
	}
	b.Grow(n)
	for i, f := range p.frags {
		if i > 0 {
			b.WriteByte(';')
		}
		f.base = b.Len()
		b.Write(f.out)
	}
	text := b.String()
	if p.record != nil {
		p.record(text)
	}
	e := engines.Get().(*tparser.Parser)
	stmts, _, err := e.ParseSQL(text)
	if err != nil {
		p.engineError(text, err)
	}
	if len(stmts) != len(p.frags) {
		panic(bail{sqlerr.Internal("%d statements came back for %d fragments", len(stmts), len(p.frags))})
	}
	for i, f := range p.frags {
		d := decoder{p: p, f: f}
		d.fragment(stmts[i])
	}
	engines.Put(e) // not after a panic: an engine that did not finish is dropped
}

// engineError turns the engine's complaint about the emitted text into PostgreSQL's about the client's.
func (p *parser) engineError(text string, err error) {
	offset := len(text)
	if m := nearPattern.FindStringSubmatch(err.Error()); m != nil {
		offset -= len(m[1])
		if m[2] != "" {
			n, _ := strconv.Atoi(m[2])
			offset = len(text) - n
		}
	}
	for i := len(p.frags) - 1; i >= 0; i-- {
		f := p.frags[i]
		if f.base > offset {
			continue
		}
		if tok, ok := f.source(offset); ok && tok >= 0 && offset < len(text) {
			p.syntaxErrorAt(tok)
		}
		break
	}
	p.syntaxErrorAt(p.i)
}

// nearPattern takes the engine's error apart: what is left of the text from the offending token on, or its length when that is long.
var nearPattern = regexp.MustCompile(`(?s)line \d+ column \d+ near "(.*?)"(?: \(total length (\d+)\))?\s*$`)
