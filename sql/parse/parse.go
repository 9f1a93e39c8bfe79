package parse

import "github.com/quorate-db/quorate/sql/ast"

// Parse parses every statement of a text; an empty text and one of comments only have none. Errors are *sqlerr.Error with
// PostgreSQL's words, SQLSTATE and position. Safe for concurrent use.
func Parse(sql string) ([]Statement, error) {
	var out []Statement
	p := &parser{}
	err := p.run(sql, func() { out = p.statements() })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ParseExpr parses a single expression.
func ParseExpr(text string) (ast.Expr, error) {
	var e ast.Expr
	p := &parser{}
	err := p.run(text, func() {
		p.exprTo(&e)
		p.expectEnd()
		p.finish()
	})
	return e, err
}

// ParseType parses the name of a type, as in '…'::regtype and in PREPARE.
func ParseType(text string) (ast.TypeName, error) {
	var t ast.TypeName
	p := &parser{}
	err := p.run(text, func() {
		t = p.typeName()
		p.expectEnd()
	})
	return t, err
}

func (p *parser) expectEnd() {
	if p.kind() != tEOF {
		p.syntaxError()
	}
}
