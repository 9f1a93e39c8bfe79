package parse

import "github.com/quorate-db/quorate/sql/ast"

// mergeStmt parses MERGE INTO … USING … ON … WHEN ….
func (p *parser) mergeStmt(with *ast.With) ast.Statement {
	s := &ast.Merge{At: p.at(), With: with}
	p.next()
	p.expectKw(kwInto)
	s.Table = p.dmlTarget()
	p.expectKw(kwUsing)
	outer := p.begin(fragFrom, &s.Source)
	p.emitTight("SELECT 1 FROM")
	p.tableExpr()
	p.end(outer)
	p.expectKw(kwOn)
	p.exprTo(&s.On)
	for {
		w := &ast.MergeWhen{At: p.at()}
		p.expectKw(kwWhen)
		p.mergeWhen(w)
		s.Whens = append(s.Whens, w)
		if !p.isKw(kwWhen) {
			return s
		}
	}
}

func (p *parser) mergeWhen(w *ast.MergeWhen) {
	w.Matched = !p.acceptKw(kwNot)
	p.expectKw(kwMatched)
	if p.acceptKw(kwAnd) {
		p.exprTo(&w.Cond)
	}
	p.expectKw(kwThen)
	switch {
	case p.acceptKw(kwDo):
		p.expectKw(kwNothing)
	case w.Matched && p.acceptKw(kwDelete):
		w.Action = ast.MergeDelete
	case w.Matched && p.acceptKw(kwUpdate):
		w.Action = ast.MergeUpdate
		outer := p.begin(fragUpdate, &updateParts{set: &w.Set})
		p.setClause()
		p.end(outer)
	case !w.Matched && p.acceptKw(kwInsert):
		w.Action = ast.MergeInsert
		p.mergeInsert(w)
	default:
		p.syntaxError()
	}
}

func (p *parser) mergeInsert(w *ast.MergeWhen) {
	if p.isKw(kwDefault) {
		p.next()
		p.expectKw(kwValues)
		return
	}
	if p.kind() == '(' {
		w.Columns = p.insertColumns()
	}
	w.Overriding = p.overriding()
	if !p.isKw(kwValues) || p.peek(1).kind != '(' {
		p.syntaxError()
	}
	if after := int(p.peek(1).match) + 1; after < len(p.toks) && p.toks[after].kind == ',' {
		p.syntaxErrorAt(after)
	}
	p.insertValues(&w.Values)
}
