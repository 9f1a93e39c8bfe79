package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// fromList rewrites the items of FROM. The engine's grammar joins them; what an item is stands beside the text, and the item's alias
// refers to it.
func (p *parser) fromList() {
	for n := 0; ; n++ {
		if n > nestingMax {
			p.tooDeep()
		}
		p.tableExpr()
		if !p.accept(',') {
			return
		}
		p.emitTight(",")
	}
}

// fromTo parses a list of FROM items as a fragment of its own.
func (p *parser) fromTo(dst *[]ast.TableExpr) {
	outer := p.begin(fragFrom, dst)
	p.emitTight("SELECT 1 FROM")
	p.fromList()
	p.end(outer)
}

// joinStarts reports whether a join follows.
func (p *parser) joinStarts() bool {
	switch p.tok().kw {
	case kwJoin, kwInner, kwLeft, kwRight, kwFull, kwCross, kwNatural:
		return true
	}
	return false
}

// joinInfo describes a join; a sentinel in its ON or USING refers to it.
type joinInfo struct {
	pos     ast.Pos
	kind    ast.JoinKind
	natural bool
	using   []ast.Ident
}

// tableExpr rewrites an item with all joins that follow it. Each join is emitted as LEFT JOIN … ON, from which the engine builds the
// same left-deep tree; the sentinel in its condition says what kind of join it is.
func (p *parser) tableExpr() {
	p.enter()
	p.tablePrimary()
	for n := 0; p.joinStarts(); n++ {
		if n > nestingMax {
			p.tooDeep()
		}
		p.join()
	}
	p.leave()
}

func (p *parser) join() {
	j := &joinInfo{pos: p.pos()}
	j.natural = p.acceptKw(kwNatural)
	switch p.tok().kw {
	case kwInner:
		p.next()
	case kwLeft:
		j.kind = ast.JoinLeft
	case kwRight:
		j.kind = ast.JoinRight
	case kwFull:
		j.kind = ast.JoinFull
	case kwCross:
		if j.natural {
			p.syntaxError()
		}
		j.kind = ast.JoinCross
		p.next()
	}
	if j.kind == ast.JoinLeft || j.kind == ast.JoinRight || j.kind == ast.JoinFull {
		p.next()
		p.acceptKw(kwOuter)
	}
	p.expectKw(kwJoin)
	p.emit("LEFT JOIN")
	if j.natural || j.kind == ast.JoinCross {
		p.tablePrimary()
		p.emit("ON " + sentinel("join"+p.addSide(j)) + "()")
		return
	}
	// a JOIN b JOIN c ON x ON y joins b and c first.
	open := len(p.cur.out)
	p.tablePrimary()
	nested := false
	for p.joinStarts() {
		nested = true
		p.enter()
		p.join()
		p.leave()
	}
	if nested {
		p.insert(open, " (")
		p.emitTight(")")
	}
	switch {
	case p.acceptKw(kwOn):
		p.emit("ON " + sentinel("join"+p.addSide(j)) + "(")
		p.expr()
		p.emitTight(")")
	case p.acceptKw(kwUsing):
		j.using = p.identList()
		if p.isKw(kwAs) && !p.asOfFollows() {
			p.unsupported("an alias of JOIN USING")
		}
		p.emit("ON " + sentinel("join"+p.addSide(j)) + "()")
	default:
		p.syntaxError()
	}
}

// tablePrimary rewrites one FROM item without joins.
func (p *parser) tablePrimary() {
	lateral := p.acceptKw(kwLateral)
	switch t := p.tok(); {
	case t.kind == '(':
		if p.isQueryParen(p.i) {
			p.subqueryRef(lateral)
			return
		}
		if lateral {
			p.syntaxErrorAt(p.i + 1)
		}
		p.emit("(")
		p.next()
		inner := p.i
		p.tableExpr()
		if p.kind() != ')' || !p.parenHasJoin(inner) {
			p.syntaxError()
		}
		p.next()
		p.emitTight(")")
		if p.isKw(kwAs) && !p.asOfFollows() || p.tok().isColID() && !p.joinStarts() {
			p.unsupported("an alias of a parenthesized join")
		}
	case t.kw == kwRows && p.peekKw(1, kwFrom) && p.peek(2).kind == '(':
		p.rowsFrom(lateral)
	case p.functionFollows():
		p.functionRef(lateral)
	case t.kw == kwXmltable:
		p.unsupported("XMLTABLE")
	case lateral:
		p.syntaxError()
	default:
		r := &ast.TableRef{At: p.at()}
		p.relation(r)
		p.tableAlias(r)
		if p.isKw(kwTablesample) {
			p.sample(r)
		}
		p.emitTableRef(r)
	}
}

// parenHasJoin reports whether the parentheses whose content begins at token i hold a join, the only thing beside a query that
// may stand in parentheses in FROM.
func (p *parser) parenHasJoin(i int) bool {
	for ; i < p.i; i++ {
		switch t := &p.toks[i]; {
		case t.kind == '(':
			i = int(t.match)
		case t.kw == kwJoin:
			return true
		}
	}
	// ((a JOIN b ON …)): the join is one level deeper.
	return p.toks[p.i-1].kind == ')'
}

// emitTableRef writes a table's name with the reference to everything else about it.
func (p *parser) emitTableRef(r *ast.TableRef) {
	p.emitName(r.Table.Name + "\x00t" + p.addSide(r))
}

// relation reads [ONLY] name [*].
func (p *parser) relation(r *ast.TableRef) {
	r.At = p.at()
	if p.acceptKw(kwOnly) {
		r.Only = true
		if p.accept('(') {
			r.At = p.at()
			r.Table = p.name()
			p.expect(')')
			return
		}
		r.At = p.at()
	}
	r.Table = p.name()
	if p.kind() == '*' && !r.Only {
		p.next()
	}
}

// tableAlias reads [AS] alias [(columns)].
func (p *parser) tableAlias(r *ast.TableRef) {
	if p.asOfFollows() {
		return
	}
	if p.acceptKw(kwAs) || p.tok().isColID() {
		r.Alias = p.colID()
		if p.kind() == '(' {
			r.Columns = p.parenNames()
		}
	}
}

func (p *parser) sample(r *ast.TableRef) {
	s := &ast.Sample{At: p.at()}
	p.next()
	s.Method = p.anyName()
	p.expect('(')
	p.exprsTo(&s.Args)
	p.expect(')')
	if p.acceptKw(kwRepeatable) {
		p.expect('(')
		p.exprTo(&s.Repeatable)
		p.expect(')')
	}
	r.Sample = s
}

func (p *parser) subqueryRef(lateral bool) {
	r := &ast.SubqueryRef{At: p.at(), Lateral: lateral}
	isValues := p.peekKw(1, kwValues)
	p.subquery()
	if p.asOfFollows() || !p.acceptKw(kwAs) && !p.tok().isColID() {
		what, hint := "subquery", "For example, FROM (SELECT ...) [AS] foo."
		if isValues {
			what, hint = "VALUES", "For example, FROM (VALUES ...) [AS] foo."
		}
		panic(bail{sqlerr.New(sqlerr.SyntaxError, "%s in FROM must have an alias", what).WithHint("%s", hint).WithPosition(r.Pos.Char(p.src))})
	}
	r.Alias = p.colID()
	if p.kind() == '(' {
		r.Columns = p.parenNames()
	}
	p.emit("AS")
	p.emitName(r.Alias + "\x00q" + p.addSide(r))
}

// functionFollows reports whether a function call stands here rather than a table.
func (p *parser) functionFollows() bool {
	t := p.tok()
	if t.kind == tKeyword {
		switch t.kw {
		case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwLocaltimestamp, kwCurrentRole, kwCurrentUser,
			kwSessionUser, kwUser, kwCurrentCatalog:
			return true
		case kwCurrentSchema:
			return true
		case kwCast, kwCoalesce, kwExtract, kwGreatest, kwLeast, kwNormalize, kwNullif, kwOverlay, kwPosition, kwSubstring, kwTreat,
			kwTrim:
			return p.peek(1).kind == '('
		case kwCollation:
			return p.peekKw(1, kwFor)
		}
	}
	if !t.isTypeFunc() && !t.isColID() {
		return false
	}
	n := 1
	for p.peek(n).kind == '.' && p.peek(n+1).isLabel() {
		n += 2
	}
	return p.peek(n).kind == '(' && (n > 1 || t.isTypeFunc())
}

func (p *parser) functionRef(lateral bool) {
	r := &ast.FuncRef{At: p.at(), Lateral: lateral, Funcs: make([]ast.RangeFunc, 1)}
	r.Funcs[0].At = r.At
	p.emit("(SELECT " + sentinel("srf") + "(")
	p.windowlessCall()
	p.emitTight(")) AS")
	p.funcAlias(r)
}

// windowlessCall rewrites a function call that has neither OVER nor FILTER, with nothing after it.
func (p *parser) windowlessCall() { p.primary() }

func (p *parser) rowsFrom(lateral bool) {
	r := &ast.FuncRef{At: p.at(), Lateral: lateral, RowsFrom: true}
	p.i += 3
	p.emit("(SELECT " + sentinel("srf") + "(")
	for {
		f := ast.RangeFunc{At: p.at()}
		if !p.functionFollows() {
			p.syntaxError()
		}
		p.windowlessCall()
		if p.acceptKw(kwAs) {
			f.Columns = p.columnSpecs()
		}
		r.Funcs = append(r.Funcs, f)
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
	p.expect(')')
	p.emitTight(")) AS")
	p.funcAlias(r)
}

// funcAlias reads WITH ORDINALITY and the alias of a function in FROM.
func (p *parser) funcAlias(r *ast.FuncRef) {
	if p.acceptKws(kwWith, kwOrdinality) {
		r.Ordinality = true
	}
	switch {
	case p.asOfFollows():
	case p.acceptKw(kwAs):
		if p.kind() == '(' {
			r.ColumnDefs = p.columnSpecs()
			break
		}
		p.funcAliasName(r)
	case p.tok().isColID():
		p.funcAliasName(r)
	}
	p.emitName(r.Alias + "\x00f" + p.addSide(r))
}

func (p *parser) funcAliasName(r *ast.FuncRef) {
	r.Alias = p.colID()
	if p.kind() != '(' {
		return
	}
	if k := p.peek(2).kind; k == ',' || k == ')' {
		r.Columns = p.parenNames()
		return
	}
	r.ColumnDefs = p.columnSpecs()
}

// columnSpecs reads ( name type [COLLATE c], … ).
func (p *parser) columnSpecs() []ast.ColumnSpec {
	var out []ast.ColumnSpec
	p.expect('(')
	for {
		c := ast.ColumnSpec{At: p.at(), Name: p.colID()}
		c.Type = p.typeName()
		if p.acceptKw(kwCollate) {
			n := p.anyName()
			c.Collation = &n
		}
		out = append(out, c)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return out
}
