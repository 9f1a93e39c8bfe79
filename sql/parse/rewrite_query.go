package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// queryTail is what follows a query's body and has no slot in the engine's grammar: the text carries `LIMIT ?`, whose mark refers to it.
type queryTail struct {
	limit, offset       ast.Expr
	hasLimit, hasOffset bool
	withTies            bool
	locking             []ast.LockClause
	hasOrder, hasWith   bool
	pos                 ast.Pos
}

func (t *queryTail) empty() bool {
	return !t.hasLimit && !t.hasOffset && !t.withTies && len(t.locking) == 0
}

// queryTo parses a query as a fragment of its own, into *dst.
func (p *parser) queryTo(dst **ast.Select) {
	outer := p.begin(fragQuery, dst)
	p.query()
	p.end(outer)
}

// isQueryStart reports whether a query begins at the current token.
func (p *parser) isQueryStart() bool {
	switch p.tok().kw {
	case kwSelect, kwValues, kwWith, kwTable:
		return true
	}
	return p.kind() == '(' && p.isQueryParen(p.i)
}

// subquery rewrites ( query ).
func (p *parser) subquery() {
	p.enter()
	p.emitMarked("(", p.i)
	p.expect('(')
	p.query()
	p.expect(')')
	p.emitTight(")")
	p.leave()
	p.height = 1
}

// query rewrites a query with all its clauses.
func (p *parser) query() {
	tail := &queryTail{pos: p.pos()}
	p.queryInto(tail)
	if !tail.empty() {
		p.emit("LIMIT")
		p.cur.out = append(p.cur.out, ' ')
		p.side = append(p.side, tail)
		p.cur.marks = append(p.cur.marks, mark{out: int32(len(p.cur.out)), token: int32(-len(p.side))})
		p.emitTight("?")
	}
}

// queryInto rewrites a query up to its tail. Parentheses around a whole query mean nothing: its clauses and those after the
// parentheses belong to the same query, each allowed once.
func (p *parser) queryInto(tail *queryTail) {
	if p.isKw(kwWith) {
		if tail.hasWith {
			p.fail(sqlerr.SyntaxError, p.pos(), "multiple WITH clauses not allowed")
		}
		tail.hasWith = true
		into, asOf, later := p.into, p.asOf, p.laterArm
		p.into, p.asOf, p.laterArm = nil, nil, false
		p.with()
		p.into, p.asOf, p.laterArm = into, asOf, later
	}
	if p.kind() == '(' && p.isQueryParen(p.i) && !p.setOpFollows(int(p.tok().match)+1) {
		p.enter()
		p.next()
		p.queryInto(tail)
		p.expect(')')
		p.leave()
	} else {
		p.setOperation()
	}
	p.queryTail(tail)
}

func (p *parser) setOpFollows(i int) bool {
	switch p.toks[min(i, len(p.toks)-1)].kw {
	case kwUnion, kwIntersect, kwExcept:
		return true
	}
	return false
}

// setOperation rewrites operands joined by UNION, INTERSECT and EXCEPT, in one flat list that the decoder associates.
func (p *parser) setOperation() {
	p.setOperand()
	later := p.laterArm
	defer func() { p.laterArm = later }()
	for n := 0; p.setOpFollows(p.i); n++ {
		if n > nestingMax {
			p.tooDeep()
		}
		text := upper(p.tok().text)
		at := p.i
		p.next()
		if p.acceptKw(kwAll) {
			text += " ALL"
		} else {
			p.acceptKw(kwDistinct)
		}
		p.emitMarked(text, at)
		p.laterArm = true
		p.setOperand()
	}
}

func (p *parser) setOperand() {
	asOf := p.asOf
	if !p.isKw(kwSelect) {
		p.asOf = nil
	}
	switch t := p.tok(); {
	case t.kind == '(':
		if !p.isQueryParen(p.i) {
			p.syntaxErrorAt(p.i + 1)
		}
		p.subquery()
	case t.kw == kwSelect:
		p.selectCore()
	case t.kw == kwValues:
		p.values()
	case t.kw == kwTable:
		p.emitMarked("SELECT", p.i)
		p.emit("`\x00star`")
		p.next()
		p.emit("FROM")
		r := &ast.TableRef{At: p.at()}
		p.relation(r)
		p.emitTableRef(r)
		if p.asOfFollows() {
			p.asOfClause(asOf)
		}
	default:
		p.syntaxError()
	}
}

// queryTail reads ORDER BY, LIMIT, OFFSET, FETCH and FOR in any of the orders that PostgreSQL takes.
func (p *parser) queryTail(tail *queryTail) {
	once := func(seen *bool, what string) {
		if *seen {
			p.fail(sqlerr.SyntaxError, p.pos(), "multiple %s clauses not allowed", what)
		}
		*seen = true
	}
	if p.isKw(kwOrder) {
		once(&tail.hasOrder, "ORDER BY")
		p.orderBy()
	}
	for {
		switch p.tok().kw {
		case kwLimit:
			once(&tail.hasLimit, "LIMIT")
			p.next()
			if !p.acceptKw(kwAll) {
				p.exprTo(&tail.limit)
			}
			if p.kind() == ',' {
				panic(bail{sqlerr.New(sqlerr.SyntaxError, "LIMIT #,# syntax is not supported").
					WithHint("Use separate LIMIT and OFFSET clauses.").WithPosition(p.pos().Char(p.src))})
			}
		case kwOffset:
			once(&tail.hasOffset, "OFFSET")
			p.next()
			p.exprTo(&tail.offset)
			if !p.acceptKw(kwRow) {
				p.acceptKw(kwRows)
			}
		case kwFetch:
			once(&tail.hasLimit, "LIMIT")
			p.fetchFirst(tail)
		case kwFor:
			p.locking(tail)
		default:
			return
		}
	}
}

func (p *parser) fetchFirst(tail *queryTail) {
	p.next()
	if !p.acceptKw(kwFirst) {
		p.expectKw(kwNext)
	}
	if p.isKw(kwRow) && p.peek(1).kind != '(' || p.isKw(kwRows) {
		tail.limit = &ast.Const{At: p.at(), Kind: ast.ConstInt, Text: "1"}
	} else {
		p.exprTo(&tail.limit)
	}
	if !p.acceptKw(kwRow) {
		p.expectKw(kwRows)
	}
	if p.acceptKws(kwWith, kwTies) {
		if !tail.hasOrder {
			p.fail(sqlerr.SyntaxError, 0, "WITH TIES cannot be specified without ORDER BY clause")
		}
		tail.withTies = true
		return
	}
	p.expectKw(kwOnly)
}

func (p *parser) locking(tail *queryTail) {
	c := ast.LockClause{At: p.at()}
	p.next()
	switch {
	case p.acceptKws(kwRead, kwOnly):
		return
	case p.acceptKw(kwUpdate):
		c.Strength = ast.ForUpdate
	case p.acceptKws(kwNo, kwKey, kwUpdate):
		c.Strength = ast.ForNoKeyUpdate
	case p.acceptKw(kwShare):
		c.Strength = ast.ForShare
	case p.acceptKws(kwKey, kwShare):
		c.Strength = ast.ForKeyShare
	default:
		p.syntaxError()
	}
	if p.acceptKw(kwOf) {
		c.Of = p.names()
	}
	if p.acceptKw(kwNowait) {
		c.Wait = ast.LockNoWait
	} else if p.acceptKws(kwSkip, kwLocked) {
		c.Wait = ast.LockSkip
	}
	tail.locking = append(tail.locking, c)
}

// values rewrites VALUES (…), (…).
func (p *parser) values() {
	p.emitMarked("VALUES", p.i)
	p.expectKw(kwValues)
	p.valuesRows("ROW(")
}

func (p *parser) valuesRows(open string) {
	h := 0
	for {
		p.expect('(')
		p.emit(open)
		p.exprList()
		h = max(h, p.height)
		p.expect(')')
		p.emitTight(")")
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
	p.height = h
}

// selectCore rewrites SELECT … WINDOW.
func (p *parser) selectCore() {
	into, asOf, later := p.into, p.asOf, p.laterArm
	p.into, p.asOf, p.laterArm = nil, nil, false
	p.emitMarked("SELECT", p.i)
	p.expectKw(kwSelect)
	comma := false
	switch {
	case p.acceptKw(kwAll):
	case p.acceptKw(kwDistinct):
		p.emit("DISTINCT")
		if p.isKw(kwOn) {
			p.emitSentinel("don", p.i)
			p.next()
			p.emitTight("(")
			p.expect('(')
			p.exprList()
			p.expect(')')
			p.emitTight(")")
			comma = true
		}
	}
	p.targets(comma)
	if p.isKw(kwInto) {
		p.selectInto(into, later)
	}
	if p.acceptKw(kwFrom) {
		p.emit("FROM")
		p.fromList()
	}
	if p.asOfFollows() {
		p.asOfClause(asOf)
	}
	if p.acceptKw(kwWhere) {
		p.emit("WHERE")
		p.expr()
	}
	if p.isKw(kwGroup) {
		p.groupBy()
	}
	if p.acceptKw(kwHaving) {
		p.emit("HAVING")
		p.expr()
	}
	if p.acceptKw(kwWindow) {
		p.emit("WINDOW")
		for {
			at, name, side := p.i, p.tok().text, &ast.Window{}
			p.colID()
			p.emitMarked(string(appendName(nil, name+"\x00window"+p.addSide(side))), at)
			p.expectKw(kwAs)
			p.emit("AS")
			side.At = p.at()
			p.windowSpec()
			if !p.accept(',') {
				break
			}
			p.emitTight(",")
		}
	}
}

// asOfFollows tells AS OF SYSTEM TIME from an alias "of".
func (p *parser) asOfFollows() bool {
	return p.isKw(kwAs) && p.peekKw(1, kwOf) && p.peekKw(2, kwSystem) && p.peekKw(3, kwTime)
}

// asOfTo reads AS OF SYSTEM TIME with its expression.
func (p *parser) asOfTo(dst *ast.Expr) {
	p.i += 4
	p.exprTo(dst)
}

// asOfClause reads AS OF SYSTEM TIME behind FROM. It is for a whole statement, so dst is nil anywhere else.
func (p *parser) asOfClause(dst *ast.Select) {
	if dst == nil {
		p.unsupported("AS OF SYSTEM TIME of a part of a statement")
	}
	p.asOfTo(&dst.AsOf)
	if p.setOpFollows(p.i) {
		p.unsupported("AS OF SYSTEM TIME of a part of a statement")
	}
}

// targetsEnd reports whether a select list is empty here.
func (p *parser) targetsEnd() bool {
	switch p.kind() {
	case tEOF, ';', ')':
		return true
	}
	switch p.tok().kw {
	case kwFrom, kwWhere, kwGroup, kwHaving, kwWindow, kwUnion, kwIntersect, kwExcept, kwOrder, kwLimit, kwOffset, kwFetch, kwFor, kwInto:
		return true
	}
	return p.asOfFollows()
}

// targets rewrites a select or RETURNING list. comma says that an item stands before it already.
func (p *parser) targets(comma bool) {
	if p.targetsEnd() {
		if !comma {
			p.emit(sentinel("empty") + "()")
		}
		return
	}
	for {
		if comma {
			p.emitTight(",")
		}
		comma = true
		p.target()
		if !p.accept(',') {
			return
		}
	}
}

func (p *parser) target() {
	if p.kind() == '*' {
		p.emitSentinel("star", p.i)
		p.next()
		return
	}
	p.expr()
	switch {
	case p.asOfFollows():
	case p.acceptKw(kwAs):
		p.emit("AS")
		p.emitName(p.label())
	case p.tok().isBareLabel():
		p.emit("AS")
		p.emitName(p.label())
	}
}

// orderBy rewrites ORDER BY with its list.
func (p *parser) orderBy() {
	p.expectKw(kwOrder)
	p.expectKw(kwBy)
	p.emit("ORDER BY")
	h := 0
	for {
		start := len(p.cur.out)
		p.sortExpr()
		h = max(h, p.height)
		desc := false
		item := &ast.OrderItem{}
		switch {
		case p.acceptKw(kwAsc):
		case p.acceptKw(kwDesc):
			desc = true
		case p.acceptKw(kwUsing):
			if p.isKw(kwOperator) {
				op, n := p.qualifiedOperator()
				item.Using = op
				p.i += n
			} else {
				item.Using.Name = p.operatorName()
			}
		}
		item.Nulls = p.nullsOrder()
		if item.Nulls != ast.NullsDefault || item.Using.Name != "" {
			p.wrap(start, "ord"+p.addSide(item))
			p.emitTight(")")
		}
		if desc {
			p.emit("DESC")
		}
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
	p.height = h
}

// sortExpr rewrites an item of ORDER BY or GROUP BY. A lone integer is a column's number for the engine, which forgets its place, so it
// goes beside the text.
func (p *parser) sortExpr() {
	if p.kind() == tInt {
		switch n := p.peek(1); {
		case n.kind == ',', n.kind == ')', n.kind == ';', n.kind == tEOF,
			n.kw == kwAsc, n.kw == kwDesc, n.kw == kwNulls, n.kw == kwLimit, n.kw == kwHaving, n.kw == kwOrder:
			p.leaf(&ast.Const{At: p.at(), Kind: ast.ConstInt, Text: p.tok().text}, 1)
			return
		}
	}
	p.expr()
}

func (p *parser) nullsOrder() ast.NullsOrder {
	if !p.isKw(kwNulls) {
		return ast.NullsDefault
	}
	switch {
	case p.acceptKws(kwNulls, kwFirst):
		return ast.NullsFirst
	case p.acceptKws(kwNulls, kwLast):
		return ast.NullsLast
	}
	return ast.NullsDefault
}

// groupBy rewrites GROUP BY with grouping sets.
func (p *parser) groupBy() {
	p.next()
	p.expectKw(kwBy)
	p.emit("GROUP BY")
	if p.acceptKw(kwDistinct) {
		p.emit(sentinel("gdistinct") + "(),")
	} else {
		p.acceptKw(kwAll)
	}
	p.groupItems()
}

func (p *parser) groupItems() {
	for {
		p.groupItem()
		if !p.accept(',') {
			return
		}
		p.emitTight(",")
	}
}

func (p *parser) groupItem() {
	t := p.tok()
	set := func(kind ast.GroupingSetKind, skip int) {
		p.emitSentinel("gset"+p.addSide(&ast.GroupingSet{At: p.at(), Kind: kind}), p.i)
		p.emitTight("(")
		p.i += skip
	}
	switch {
	case t.kind == '(' && p.peek(1).kind == ')':
		set(ast.GroupEmpty, 2)
		p.emitTight(")")
	case (t.kw == kwRollup || t.kw == kwCube) && p.peek(1).kind == '(':
		kind := ast.GroupRollup
		if t.kw == kwCube {
			kind = ast.GroupCube
		}
		set(kind, 2)
		p.exprList()
		p.expect(')')
		p.emitTight(")")
	case t.kw == kwGrouping && p.peekKw(1, kwSets):
		set(ast.GroupSets, 2)
		p.expect('(')
		p.enter()
		p.groupItems()
		p.leave()
		p.expect(')')
		p.emitTight(")")
	default:
		p.sortExpr()
	}
}

// cteInfo is a common table expression whose name in the text refers to it.
type cteInfo struct{ cte *ast.CTE }

// with rewrites a WITH clause. A body that writes is parsed by the shell and stands in the text as an empty query.
func (p *parser) with() {
	p.emitMarked("WITH", p.i)
	p.expectKw(kwWith)
	if p.acceptKw(kwRecursive) {
		p.emit("RECURSIVE")
	}
	for {
		p.cte()
		if !p.accept(',') {
			return
		}
		p.emitTight(",")
	}
}

func (p *parser) cte() {
	c := &ast.CTE{At: p.at()}
	at := p.i
	c.Name = p.colID()
	p.emitMarked(string(appendName(nil, c.Name+"\x00cte"+p.addSide(&cteInfo{c}))), at)
	if p.kind() == '(' {
		c.Columns = p.parenNames()
	}
	p.expectKw(kwAs)
	p.emit("AS")
	switch {
	case p.acceptKw(kwMaterialized):
		c.Materialize = ast.MaterializeAlways
	case p.isKw(kwNot):
		p.next()
		p.expectKw(kwMaterialized)
		c.Materialize = ast.MaterializeNever
	}
	if p.kind() != '(' {
		p.syntaxError()
	}
	switch first := p.peek(1); {
	case first.kw == kwInsert, first.kw == kwUpdate, first.kw == kwDelete, first.kw == kwMerge, first.kw == kwWith && p.withIsDML(p.i+1):
		p.next()
		p.enter()
		p.statementTo(&c.Query)
		p.leave()
		p.expect(')')
		p.emit("(SELECT 1)")
	default:
		p.subquery()
	}
	if p.isKw(kwSearch) {
		p.unsupported("the SEARCH clause")
	}
	if p.isKw(kwCycle) {
		p.unsupported("the CYCLE clause")
	}
}

// withIsDML looks past the WITH clause at token i for INSERT, UPDATE, DELETE or MERGE.
func (p *parser) withIsDML(i int) bool {
	for i++; i < len(p.toks); i++ {
		switch t := &p.toks[i]; {
		case t.kind == '(':
			i = int(t.match)
			if k := p.toks[min(i+1, len(p.toks)-1)].kw; i < len(p.toks) {
				switch k {
				case kwInsert, kwUpdate, kwDelete, kwMerge:
					return true
				case kwSelect, kwValues, kwTable:
					return false
				}
			}
		case t.kind == tEOF, t.kind == ';', t.kind == ')':
			return false
		}
	}
	return false
}
