package parse

import (
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// primary rewrites a c_expr with its casts and subscripts.
func (p *parser) primary() {
	start := len(p.cur.out)
	p.height = 1
	indirection := false
	switch t := p.tok(); t.kind {
	case tInt:
		p.emitMarked(t.text, p.i)
		p.next()
	case tDecimal:
		p.emitSentinel("num", p.i)
		p.emitTight("(")
		p.emitString(t.text)
		p.emitTight(")")
		p.next()
	case tString:
		p.cur.out = append(p.cur.out, ' ')
		p.mark(p.i)
		p.cur.out = p.cur.out[:len(p.cur.out)-1]
		p.emitString(t.text)
		p.next()
	case tBit:
		p.checkBits(t)
		p.leaf(&ast.Const{At: p.at(), Kind: ast.ConstBit, Text: t.text}, 1)
	case tParam:
		p.emitMarked("?", p.i)
		p.param()
		indirection = true
	case '(':
		p.parens()
		indirection = true
	case tIdent:
		indirection = p.nameOrCall()
	case tKeyword:
		indirection = p.keywordPrimary(t)
	default:
		p.syntaxError()
	}
	for n := 0; ; n++ {
		if n > nestingMax {
			p.tooDeep()
		}
		switch {
		case p.kind() == tTypecast:
			at := p.at()
			p.next()
			c := &ast.TypeCast{At: at, Type: p.typeName()}
			p.wrap(start, "cast"+p.addSide(c))
			p.emitTight(")")
			indirection = false
		case indirection && p.kind() == '[':
			p.subscript(start)
		case indirection && p.kind() == '.':
			p.fieldSelect(start)
		default:
			return
		}
		p.postfixHeight()
	}
}

func (p *parser) checkBits(t *token) {
	if t.text[0] == 'b' {
		if i := strings.IndexFunc(t.text[1:], func(r rune) bool { return r != '0' && r != '1' }); i >= 0 {
			p.fail(sqlerr.InvalidTextRepresentation, p.pos(), "\"%c\" is not a valid binary digit", []rune(t.text[1+i:])[0])
		}
		return
	}
	if i := strings.IndexFunc(t.text[1:], func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }); i >= 0 {
		p.fail(sqlerr.InvalidTextRepresentation, p.pos(), "\"%c\" is not a valid hexadecimal digit", []rune(t.text[1+i:])[0])
	}
}

// leaf emits a sentinel for an expression that needs nothing from the grammar, made of n tokens.
func (p *parser) leaf(e ast.Expr, n int) {
	p.emitSentinel("expr"+p.addSide(e), p.i)
	p.i += n
	p.height = 1
}

// parens rewrites ( … ): a subquery, a row or an expression.
func (p *parser) parens() {
	if p.isQueryParen(p.i) {
		p.subquery()
		return
	}
	p.emitMarked("(", p.i)
	p.next()
	p.exprList()
	p.expect(')')
	p.emitTight(")")
	p.height++
}

// isQueryParen reports whether the parenthesis at token i encloses a query rather than an expression or a join.
func (p *parser) isQueryParen(i int) bool {
	depth := 0
	for p.toks[i].kind == '(' {
		depth++
		i++
	}
	switch p.toks[i].kw {
	case kwSelect, kwValues, kwWith, kwTable:
	default:
		return false
	}
	// ((SELECT 1) + 2) has a query inside but is none: every inner pair must be followed by what continues a query.
	for ; depth > 1; depth-- {
		i--
		switch after := p.toks[min(int(p.toks[i].match)+1, len(p.toks)-1)]; {
		case after.kind == ')':
		case after.kw == kwUnion, after.kw == kwIntersect, after.kw == kwExcept, after.kw == kwOrder, after.kw == kwLimit,
			after.kw == kwOffset, after.kw == kwFetch, after.kw == kwFor:
		default:
			return false
		}
	}
	return true
}

// subscript rewrites [i] and [lo:hi] after the primary that began at start.
func (p *parser) subscript(start int) {
	at := p.at()
	p.expect('[')
	empty := func() bool { return p.kind() == ':' || p.kind() == ']' }
	bound := func() {
		p.emitTight(",")
		if empty() {
			p.emit(sentinel("none") + "()")
			return
		}
		h := p.height
		p.expr()
		p.height = max(h, p.height)
	}
	if p.kind() == ']' {
		p.syntaxError()
	}
	ix := &ast.Index{At: at}
	p.wrap(start, "sub"+p.addSide(ix))
	bound()
	if p.accept(':') {
		ix.Slice = true
		bound()
	}
	p.expect(']')
	p.emitTight(")")
}

// fieldSelect rewrites .name and .* after the primary that began at start.
func (p *parser) fieldSelect(start int) {
	at := p.at()
	p.next()
	f := &ast.FieldSelect{At: at}
	if p.accept('*') {
		f.Star = true
	} else {
		f.Field = p.label()
	}
	p.wrap(start, "field"+p.addSide(f))
	p.emitTight(")")
}

// keywordPrimary rewrites a primary that begins with a key word, and reports whether [ and . may follow.
func (p *parser) keywordPrimary(t *token) (indirection bool) {
	follows := p.peek(1).kind
	switch t.kw {
	case kwNull, kwTrue, kwFalse:
		p.emitMarked(t.text, p.i)
		p.next()
		return false
	case kwDefault:
		p.leaf(&ast.Default{At: p.at()}, 1)
		return false
	case kwCase:
		p.caseExpr()
		return false
	case kwCast:
		p.castExpr()
		return false
	case kwArray:
		p.arrayExpr()
		return false
	case kwExists:
		if follows == '(' {
			p.emitMarked("EXISTS", p.i)
			p.next()
			if !p.isQueryParen(p.i) {
				p.syntaxErrorAt(p.i + 1)
			}
			p.subquery()
			return false
		}
	case kwRow:
		if follows == '(' {
			p.rowExpr()
			return false
		}
	case kwCurrentDate, kwCurrentRole, kwCurrentUser, kwSessionUser, kwUser, kwCurrentCatalog:
		p.leaf(&ast.CurrentValue{At: p.at(), Name: t.text, Precision: -1}, 1)
		return false
	case kwCurrentSchema:
		if follows != '(' && follows != '.' {
			p.leaf(&ast.CurrentValue{At: p.at(), Name: t.text, Precision: -1}, 1)
			return false
		}
	case kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwLocaltimestamp:
		p.currentTime(t)
		return false
	case kwCollation:
		if p.peekKw(1, kwFor) {
			p.next()
			p.next()
			p.expect('(')
			p.specialCall("pg_collation_for", ast.FormCollationFor)
			return false
		}
	}
	if p.specialForm(t, follows) {
		return false
	}
	if p.typedLiteral(t) {
		return false
	}
	return p.nameOrCall()
}

func (p *parser) currentTime(t *token) {
	c := &ast.CurrentValue{At: p.at(), Name: t.text, Precision: -1}
	p.emitSentinel("expr"+p.addSide(c), p.i)
	p.next()
	if p.accept('(') {
		c.Precision = int(p.expectInt())
		p.expect(')')
	}
}

func (p *parser) caseExpr() {
	p.emitMarked("CASE", p.i)
	p.next()
	h := 0
	sub := func(kw string) {
		if kw != "" {
			p.emit(kw)
		}
		p.expr()
		h = max(h, p.height)
	}
	if !p.isKw(kwWhen) {
		sub("")
	}
	if !p.isKw(kwWhen) {
		p.syntaxError()
	}
	for p.acceptKw(kwWhen) {
		sub("WHEN")
		p.expectKw(kwThen)
		sub("THEN")
	}
	if p.acceptKw(kwElse) {
		sub("ELSE")
	}
	p.expectKw(kwEnd)
	p.emit("END")
	p.height = h + 1
}

func (p *parser) castExpr() {
	c := &ast.TypeCast{At: p.at()}
	p.emitSentinel("cast"+p.addSide(c), p.i)
	p.emitTight("(")
	p.next()
	p.expect('(')
	p.expr()
	p.expectKw(kwAs)
	c.Type = p.typeName()
	p.expect(')')
	p.emitTight(")")
	p.height++
}

func (p *parser) arrayExpr() {
	at := p.i
	p.next()
	switch {
	case p.kind() == '[':
		p.arrayElems(at)
	case p.kind() == '(' && p.isQueryParen(p.i):
		p.emitSentinel("arrayq", at)
		p.emitTight("(")
		p.subquery()
		p.emitTight(")")
		p.height++
	default:
		p.syntaxError()
	}
}

// arrayElems rewrites [a, b], whose elements may be such lists themselves.
func (p *parser) arrayElems(at int) {
	p.enter()
	p.emitSentinel("array", at)
	p.emitTight("(")
	p.expect('[')
	h := 0
	for p.kind() != ']' {
		if p.kind() == '[' {
			p.arrayElems(p.i)
		} else {
			p.expr()
		}
		h = max(h, p.height)
		if !p.accept(',') {
			break
		}
		if p.kind() == ']' {
			p.syntaxError()
		}
		p.emitTight(",")
	}
	p.expect(']')
	p.emitTight(")")
	p.height = h + 1
	p.leave()
}

func (p *parser) rowExpr() {
	p.emitSentinel("row", p.i)
	p.emitTight("(")
	p.i += 2
	if p.kind() != ')' {
		p.exprList()
	}
	p.expect(')')
	p.emitTight(")")
	p.height++
}

// typedLiteral rewrites a literal of a type that begins with a key word: INTERVAL '1' DAY, timestamp with time zone '…',
// double precision '1'. Nothing is consumed when there is none.
func (p *parser) typedLiteral(t *token) bool {
	switch t.kw {
	case kwBigint, kwBit, kwBoolean, kwChar, kwCharacter, kwDec, kwDecimal, kwDouble, kwFloat, kwInt, kwInteger, kwInterval,
		kwNational, kwNchar, kwNumeric, kwReal, kwSmallint, kwTime, kwTimestamp, kwVarchar:
	default:
		return false
	}
	switch f := p.peek(1); {
	case f.kind == tString, f.kind == '(':
	case f.kw == kwWith, f.kw == kwWithout, f.kw == kwPrecision, f.kw == kwVarying, f.kw == kwChar, f.kw == kwCharacter:
		if f.kw == kwWith && !p.peekKw(2, kwTime) {
			return false
		}
	default:
		return false
	}
	start, at := p.i, p.at()
	typ := p.simpleType()
	typ.At = at
	if t.kw == kwBit && p.i == start+1 {
		typ.Mods = nil // before a literal, bit alone has the literal's length
	}
	if p.kind() != tString {
		p.syntaxError()
	}
	lit := &ast.TypedLiteral{At: at, Text: p.tok().text}
	p.next()
	if t.kw == kwInterval && typ.Mods == nil {
		p.intervalFields(&typ)
	}
	lit.Type = typ
	p.emitSentinel("expr"+p.addSide(lit), start)
	return true
}

// nameOrCall rewrites what begins with a name: a column, a function call, a literal with its type's name.
func (p *parser) nameOrCall() (indirection bool) {
	start := p.i
	first := p.tok()
	if !first.isColID() && !first.isTypeFunc() {
		p.syntaxError()
	}
	p.next()
	n, star := 1, false
	for p.kind() == '.' {
		if p.peek(1).kind == '*' {
			p.i += 2
			star = true
			break
		}
		if !p.peek(1).isLabel() {
			p.syntaxErrorAt(p.i + 1)
		}
		p.i += 2
		n++
	}
	if !star {
		switch k := p.kind(); {
		case k == '(' && (n > 1 || first.isTypeFunc()):
			p.call(start, n)
			return false
		case k == tString && (n > 1 || first.isTypeFunc()):
			p.genericLiteral(start)
			return false
		}
	}
	if !first.isColID() {
		p.syntaxError() // a word for functions only, and no call
	}
	p.column(start, n, star)
	return !star
}

// parts gives the words of a dotted name of n parts that begins at token start.
func (p *parser) parts(start, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = p.toks[start+2*i].text
	}
	return out
}

func (p *parser) column(start, n int, star bool) {
	p.height = 1
	total := n
	if star {
		total++
	}
	if total > 3 {
		parts := p.parts(start, n)
		if total > 4 {
			p.fail(sqlerr.SyntaxError, p.atToken(start).Pos, "improper qualified name (too many dotted names): %s", strings.Join(parts, "."))
		}
		p.emitSentinel("expr"+p.addSide(&ast.ColumnRef{At: p.atToken(start), Parts: parts, Star: star}), start)
		return
	}
	out := append(p.cur.out, ' ')
	p.cur.out = out
	p.mark(start)
	for i := range n {
		if i > 0 {
			out = append(out, '.')
		}
		out = appendName(out, p.toks[start+2*i].text)
	}
	if star {
		out = append(out, ".`\x00star`"...)
	}
	p.cur.out = out
}

// genericLiteral rewrites typename 'text'.
func (p *parser) genericLiteral(start int) {
	end := p.i
	p.i = start
	at := p.at()
	n := p.anyName()
	typ := ast.TypeName{At: at, Catalog: n.Catalog, Schema: n.Schema, Name: n.Name}
	p.i = end
	lit := &ast.TypedLiteral{At: at, Type: typ, Text: p.tok().text}
	p.emitSentinel("expr"+p.addSide(lit), start)
	p.next()
	p.height = 1
}
