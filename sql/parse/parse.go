package parse

import (
	"sync"

	"github.com/quorate-db/quorate/sql/ast"
)

// parsers are reused for their buffers; like the fragments they carry nothing from one text to the next.
var parsers = sync.Pool{New: func() any { return new(parser) }}

// tokensKept bounds the token buffer that goes back into the pool.
const tokensKept = 4096

func getParser() *parser { return parsers.Get().(*parser) }

func putParser(p *parser) {
	if cap(p.toks) > tokensKept {
		return
	}
	clear(p.toks[:cap(p.toks)])
	clear(p.side[:cap(p.side)])
	*p = parser{lexer: lexer{toks: p.toks[:0], open: p.open[:0]}, side: p.side[:0], frags: p.frags[:0]}
	parsers.Put(p)
}

// Parse parses every statement of a text; an empty text and one of comments only have none. Errors are *sqlerr.Error with
// PostgreSQL's words, SQLSTATE and position. Safe for concurrent use.
func Parse(sql string) ([]Statement, error) {
	var out []Statement
	p := getParser()
	defer putParser(p)
	err := p.run(sql, func() { out = p.statements() })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ParseExpr parses a single expression.
func ParseExpr(text string) (ast.Expr, error) {
	var e ast.Expr
	p := getParser()
	defer putParser(p)
	err := p.run(text, func() {
		p.exprTo(&e)
		p.expectEnd()
		p.finish()
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// ParseType parses the name of a type, as in '…'::regtype and in PREPARE.
func ParseType(text string) (ast.TypeName, error) {
	var t ast.TypeName
	p := getParser()
	defer putParser(p)
	err := p.run(text, func() {
		t = p.typeName()
		p.expectEnd()
	})
	if err != nil {
		return ast.TypeName{}, err
	}
	return t, nil
}

func (p *parser) expectEnd() {
	if p.kind() != tEOF {
		p.syntaxError()
	}
}
