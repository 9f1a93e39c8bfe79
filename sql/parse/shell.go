package parse

import (
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// upper is for words of our own and key words only.
func upper(s string) string { return strings.ToUpper(s) }

// statementTo parses one statement into *dst and stops at the first token that does not belong to it. Queries are filled in when the
// fragments are decoded; everything else is there at once, with expressions still missing.
func (p *parser) statementTo(dst *ast.Statement) {
	p.enter()
	*dst = p.statement()
	p.leave()
}

func (p *parser) statement() ast.Statement {
	t := p.tok()
	if t.kind == '(' {
		return p.selectStmt()
	}
	if t.kind != tKeyword {
		p.syntaxError()
	}
	switch t.kw {
	case kwSelect, kwValues, kwTable:
		return p.selectStmt()
	case kwWith:
		if p.withIsDML(p.i) {
			return p.withDML()
		}
		return p.selectStmt()
	case kwInsert:
		return p.insertStmt(nil)
	case kwUpdate:
		return p.updateStmt(nil)
	case kwDelete:
		return p.deleteStmt(nil)
	case kwMerge:
		return p.mergeStmt(nil)
	}
	if s := p.txnStatement(t); s != nil {
		return s
	}
	if s := p.sessionStatement(t); s != nil {
		return s
	}
	if s := p.ddlStatement(t); s != nil {
		return s
	}
	if s := p.utilityStatement(t); s != nil {
		return s
	}
	p.syntaxError()
	return nil
}

// selectStmt parses a query as a statement. The Select is allocated now, so that the statement can be handed around, and
// overwritten by the decoder.
func (p *parser) selectStmt() ast.Statement {
	s, start := &ast.Select{At: p.at()}, p.i
	into := &ast.CreateTableAs{At: s.At, Query: s}
	p.into, p.asOf = into, s
	p.queryInPlace(s)
	p.into, p.asOf = nil, nil
	if into.Table.Name == "" {
		return s
	}
	into.QueryText = p.textFrom(start)
	return into
}

// selectInto reads INTO table, which makes a CREATE TABLE AS of the statement; dst is nil where none may stand, later says that it is
// because of a set operation, of which this is not the first query.
func (p *parser) selectInto(dst *ast.CreateTableAs, later bool) {
	allowed := dst != nil
	if !allowed {
		dst = new(ast.CreateTableAs)
	}
	p.next()
	switch {
	case p.acceptKws(kwLocal, kwTemporary), p.acceptKws(kwLocal, kwTemp), p.acceptKws(kwGlobal, kwTemporary), p.acceptKws(kwGlobal, kwTemp),
		p.acceptKw(kwTemporary), p.acceptKw(kwTemp):
		dst.Persistence = ast.Temporary
	case p.acceptKw(kwUnlogged):
		dst.Persistence = ast.Unlogged
	}
	p.acceptKw(kwTable)
	at := p.pos()
	dst.Table = p.name()
	switch {
	case allowed:
	case later:
		p.fail(sqlerr.SyntaxError, at, "INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT")
	default:
		p.fail(sqlerr.SyntaxError, at, "SELECT ... INTO is not allowed here")
	}
}

func (p *parser) queryInPlace(s *ast.Select) {
	outer := p.begin(fragQueryInPlace, s)
	p.query()
	p.end(outer)
}

// rest answers a statement that is recognised but not built; what follows its head is passed over up to the end of the statement or of the
// parentheses around it.
func (p *parser) rest(what string) ast.Statement {
	s := &ast.Unsupported{At: p.at(), What: what}
	for {
		switch t := p.tok(); t.kind {
		case tEOF, ';', ')':
			return s
		case '(', '[':
			p.i = int(t.match)
			if k := p.kind(); k == tEOF || k == ';' {
				return s
			}
		}
		p.next()
	}
}

// withDML parses WITH … INSERT, UPDATE or DELETE. The WITH clause is a fragment of its own.
func (p *parser) withDML() ast.Statement {
	var s ast.Statement
	with := new(ast.With)
	with.At = p.at()
	outer := p.begin(fragWith, with)
	p.with()
	p.emit("SELECT 1")
	p.end(outer)
	switch p.tok().kw {
	case kwInsert:
		s = p.insertStmt(with)
	case kwUpdate:
		s = p.updateStmt(with)
	case kwDelete:
		s = p.deleteStmt(with)
	case kwMerge:
		s = p.mergeStmt(with)
	default:
		p.syntaxError()
	}
	return s
}

// textFrom is the source from token start up to the current token.
func (p *parser) textFrom(start int) string {
	if p.i <= start {
		return ""
	}
	return p.src[p.toks[start].start:p.toks[p.i-1].end]
}
