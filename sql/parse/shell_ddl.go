package parse

import "github.com/quorate-db/quorate/sql/ast"

func (p *parser) ddlStatement(t *token) ast.Statement {
	switch t.kw {
	case kwCreate, kwDrop, kwAlter, kwTruncate, kwComment, kwGrant, kwRevoke:
		p.unsupported(upper(t.text))
	}
	return nil
}

func (p *parser) copyStmt() ast.Statement {
	p.unsupported("COPY")
	return nil
}

func (p *parser) indexElems() []ast.IndexElem {
	p.unsupported("a conflict target")
	return nil
}
