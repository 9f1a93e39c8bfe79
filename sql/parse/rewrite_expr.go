package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
)

// level is an operator's precedence, PostgreSQL's table from the bottom up. The grammar engine has its own precedences; the
// emitted text is chosen so that both agree.
type level uint8

const (
	levelOr level = iota + 1
	levelAnd
	levelNot
	levelIs
	levelCompare // not associative
	levelLike    // LIKE, BETWEEN, IN: not associative
	levelOther   // every operator without a line of its own
	levelAdd
	levelMul
	levelPower
)

// expr rewrites a whole a_expr.
func (p *parser) expr() { p.exprLevel(levelOr, false) }

// exprB rewrites a b_expr: an expression that stops at AND, NOT, IN, LIKE, BETWEEN and IS NULL, as the grammar needs it where such a
// word may follow (DEFAULT of a column, POSITION(a IN b)).
func (p *parser) exprB() { p.exprLevel(levelOr, true) }

// exprState is what one run of exprLevel knows about the operators before the current token.
type exprState struct {
	min   level
	bOnly bool
	// Where the left operand of an IS, of a LIKE and of an other operator would begin in the text.
	isFrom, likeFrom, opFrom int
	// closed says that the last thing rewritten was an operator that ends by itself (IS NULL, IN (…), = ANY (…)), whose text begins
	// at closedFrom. A tighter operator after it takes it as a whole.
	closed     bool
	closedFrom int
	closings   int
	cmp        bool // a comparison is open: another one would be a syntax error
	pred       bool // a LIKE, BETWEEN or IN is open
	like       bool // a LIKE that may take ESCAPE is open
	isOpen     bool // an IS DISTINCT FROM is open
	height     int
}

// exprLevel rewrites operands and operators of at least the given level. It stops at the first token that continues
// nothing, which the caller checks.
func (p *parser) exprLevel(min level, bOnly bool) {
	p.enter()
	s := exprState{min: min, bOnly: bOnly}
	s.operandStarts(levelIs, len(p.cur.out))
	first := true
	compared := false
	for {
		p.operandOrNot(&s, first)
		first = false
		s.height = max(s.height, p.height)
		for {
			again, lower := p.operator(&s)
			compared = compared || s.cmp || s.isOpen
			s.height = max(s.height, p.height) + 1
			if s.height > heightMax {
				p.tooDeep()
			}
			if again == exprDone {
				p.height = s.height
				p.compared = compared
				p.leave()
				return
			}
			if again == exprOperand {
				first = lower
				break
			}
		}
	}
}

// operandStarts notes that what is emitted from offset at on is an operand of an operator just above the given level.
func (s *exprState) operandStarts(l level, at int) {
	if l <= levelIs {
		s.isFrom = at
	}
	if l <= levelCompare {
		s.likeFrom = at
	}
	s.opFrom = at
}

// close notes that an operator ended by itself.
func (s *exprState) close(from int) {
	s.closings++
	s.closed, s.closedFrom = true, from
	s.cmp, s.pred, s.like = false, false, false
}

// closedOperator prepares for a tighter operator after one that ended by itself: PostgreSQL takes all of the latter as left operand.
func (p *parser) closedOperator(s *exprState, t *token) (done bool) {
	at := p.at()
	switch {
	case t.kind == tTypecast:
		p.next()
		c := &ast.TypeCast{At: at, Type: p.typeName()}
		p.wrap(s.closedFrom, "cast"+p.addSide(c))
		p.emitTight(")")
		return true
	case t.kw == kwCollate && !s.bOnly:
		p.collate(s.closedFrom)
		return true
	case t.kw == kwAt && !s.bOnly:
		p.atTimeZone(s.closedFrom)
		return true
	case t.kind == tOp, t.kind == '+', t.kind == '-', t.kind == '*', t.kind == '/', t.kind == '%', t.kind == '^', t.kw == kwOperator,
		t.kw == kwLike, t.kw == kwIlike, t.kw == kwSimilar, t.kw == kwIn, t.kw == kwBetween,
		t.kw == kwNot && !s.bOnly:
		p.insert(s.closedFrom, " (")
		p.emitTight(")")
	}
	s.closed = false
	return false
}

// operandOrNot rewrites an operand with the NOTs before it. The grammar engine knows NOT only at the start of an expression and
// after AND, OR and NOT; elsewhere it is wrapped.
func (p *parser) operandOrNot(s *exprState, native bool) {
	if native && s.min <= levelNot && !s.bOnly {
		for p.isKw(kwNot) {
			p.emitMarked("NOT", p.i)
			p.next()
			s.height++
			s.operandStarts(levelIs, len(p.cur.out))
		}
	} else if p.isKw(kwNot) {
		if s.bOnly {
			p.syntaxError()
		}
		p.emitSentinel("not", p.i)
		p.emitTight("(")
		p.next()
		p.exprLevel(levelNot, false)
		p.emitTight(")")
		p.height++
		return
	}
	p.operand(s.bOnly)
}

type exprNext uint8

const (
	exprDone     exprNext = iota // the expression ends before the current token
	exprOperand                  // an infix operator was rewritten, its right operand follows
	exprOperator                 // a postfix operator was rewritten, another operator may follow
)

// operator rewrites the operator at the current token. lower is true after AND and OR, where NOT may follow natively.
func (p *parser) operator(s *exprState) (next exprNext, lower bool) {
	t := p.tok()
	p.height = 0
	if s.closed && p.closedOperator(s, t) {
		if s.closings++; s.closings > nestingMax {
			p.tooDeep()
		}
		return exprOperator, false
	}
	switch t.kind {
	case '+', '-':
		return p.infix(s, levelAdd, t.text), false
	case '*', '/', '%':
		return p.infix(s, levelMul, t.text), false
	case '^':
		return p.infix(s, levelPower, t.text), false
	case '<', '>', '=', tLE, tGE, tNE:
		return p.comparison(s, t), false
	case tOp:
		if s.min > levelOther {
			return exprDone, false
		}
		return p.otherOperator(s, ast.OpName{Name: t.text}, 1), false
	case tKeyword:
		return p.wordOperator(s, t)
	}
	return exprDone, false
}

func (p *parser) infix(s *exprState, l level, text string) exprNext {
	if l < s.min {
		return exprDone
	}
	p.emitMarked(text, p.i)
	p.next()
	return exprOperand
}

func (p *parser) comparison(s *exprState, t *token) exprNext {
	if levelCompare < s.min {
		return exprDone
	}
	if s.cmp {
		p.syntaxError() // a < b < c
	}
	p.emitMarked(t.text, p.i)
	p.next()
	s.cmp, s.pred, s.like = true, false, false
	if p.anyAll(s) {
		s.close(s.isFrom)
		return exprOperator
	}
	s.operandStarts(levelCompare, len(p.cur.out))
	return exprOperand
}

// otherOperator rewrites an operator of the big left-associative level as a sentinel between two <<, which the grammar engine has
// exactly there. The operator takes n tokens.
func (p *parser) otherOperator(s *exprState, op ast.OpName, n int) exprNext {
	at := p.i
	p.i += n
	p.emit("<<")
	name := "op:" + op.Name
	if op.Schema != "" {
		name = "op" + p.addSide(&op)
	}
	p.emitMarked(string(appendName(nil, "\x00"+name)), at)
	p.emit("<<")
	cmp, pred, like := s.cmp, s.pred, s.like
	if p.anyAll(s) {
		s.close(s.opFrom)
		s.cmp, s.pred, s.like = cmp, pred, like
		return exprOperator
	}
	return exprOperand
}

// anyAll rewrites ANY, SOME or ALL with its parentheses as right operand, if it follows.
func (p *parser) anyAll(s *exprState) bool {
	if s.bOnly || !(p.isKw(kwAny) || p.isKw(kwSome) || p.isKw(kwAll)) {
		return false
	}
	name := "any"
	if p.isKw(kwAll) {
		name = "all"
	}
	p.emitSentinel(name, p.i)
	p.emitTight("(")
	p.next()
	if p.kind() == '(' && p.isQueryParen(p.i) {
		p.subquery()
	} else {
		p.expect('(')
		p.expr()
		p.expect(')')
	}
	p.emitTight(")")
	p.height++
	return true
}

// wordOperator rewrites the operators that are key words.
func (p *parser) wordOperator(s *exprState, t *token) (next exprNext, lower bool) {
	if t.kw == kwOperator && p.peek(1).kind == '(' {
		if s.min > levelOther {
			return exprDone, false
		}
		op, n := p.qualifiedOperator()
		return p.otherOperator(s, op, n), false
	}
	if t.kw == kwIs {
		return p.is(s), false
	}
	if t.kw == kwOverlaps && s.min <= levelOther {
		p.emit("<<")
		p.emitSentinel("overlaps", p.i)
		p.emit("<<")
		p.next()
		if p.kind() != '(' && !p.isKw(kwRow) {
			p.syntaxError()
		}
		return exprOperand, false
	}
	if s.bOnly {
		return exprDone, false
	}
	switch t.kw {
	case kwAnd, kwOr:
		l := levelAnd
		if t.kw == kwOr {
			l = levelOr
		}
		if p.infix(s, l, t.text) == exprDone {
			return exprDone, false
		}
		s.cmp, s.pred, s.like, s.isOpen = false, false, false, false
		s.closings = 0
		s.operandStarts(levelIs, len(p.cur.out))
		return exprOperand, true
	case kwIsnull, kwNotnull:
		if s.min > levelIs {
			return exprDone, false
		}
		p.isTestAllowed(s)
		text := "IS NULL"
		if t.kw == kwNotnull {
			text = "IS NOT NULL"
		}
		p.emitMarked(text, p.i)
		p.next()
		s.close(s.isFrom)
		return exprOperator, false
	case kwEscape:
		if !s.like {
			return exprDone, false
		}
		p.next()
		p.emit("| " + sentinel("esc") + " |")
		s.like = false
		return exprOperand, false
	case kwNot:
		switch p.peek(1).kw {
		case kwLike, kwIlike, kwSimilar, kwIn, kwBetween:
			return p.predicate(s, p.peek(1).kw, true), false
		}
	case kwLike, kwIlike, kwSimilar, kwIn, kwBetween:
		return p.predicate(s, t.kw, false), false
	}
	return exprDone, false
}

// predicate rewrites [NOT] LIKE, ILIKE, SIMILAR TO, IN and BETWEEN.
func (p *parser) predicate(s *exprState, kw keyword, not bool) exprNext {
	if s.min > levelLike {
		return exprDone
	}
	if s.pred {
		p.syntaxError()
	}
	at := p.i
	if not {
		p.next()
	}
	p.next()
	s.pred = true
	word := ""
	if not {
		word = "NOT "
	}
	switch kw {
	case kwIn:
		cmp := s.cmp
		p.in(at, word)
		s.close(s.likeFrom)
		s.cmp = cmp
		return exprOperator
	case kwBetween:
		p.between(at, word)
		return exprOperator
	}
	name := "like"
	switch kw {
	case kwIlike:
		name = "ilike"
	case kwSimilar:
		p.expectKw(kwTo)
		name = "similar"
	}
	if not {
		name = "not" + name
	}
	p.emit("|")
	p.emitSentinel(name, at)
	p.emit("|")
	s.like = true
	if p.anyAll(s) {
		cmp := s.cmp
		s.close(s.likeFrom)
		s.cmp = cmp
		return exprOperator
	}
	s.operandStarts(levelLike, len(p.cur.out))
	return exprOperand
}

func (p *parser) in(at int, word string) {
	p.emitMarked(word+"IN", at)
	if p.kind() == '(' && p.isQueryParen(p.i) {
		p.subquery()
		return
	}
	p.expect('(')
	p.emit("(")
	p.exprList()
	p.expect(')')
	p.emitTight(")")
}

func (p *parser) between(at int, word string) {
	p.emitMarked(word+"BETWEEN", at)
	symmetric := p.acceptKw(kwSymmetric)
	if symmetric {
		p.emit(sentinel("sym") + "(")
	} else {
		p.acceptKw(kwAsymmetric)
	}
	start := len(p.cur.out)
	p.exprB()
	if symmetric {
		p.emitTight(")")
	} else if p.compared {
		p.insert(start, " (")
		p.emitTight(")")
	}
	h := p.height
	p.expectKw(kwAnd)
	p.emit("AND")
	p.exprLevel(levelOther, false)
	p.height = max(h, p.height)
}

// isTestAllowed refuses an IS test right after an IS DISTINCT FROM: PostgreSQL's IS is not associative.
func (p *parser) isTestAllowed(s *exprState) {
	if s.isOpen {
		p.syntaxError()
	}
	s.cmp, s.pred, s.like = false, false, false
}

// is rewrites the IS tests. Only IS [NOT] NULL is left to the grammar engine; the others become functions of all that stands
// before them at this level.
func (p *parser) is(s *exprState) exprNext {
	if s.min > levelIs {
		return exprDone
	}
	at := p.i
	n := 1
	not := p.peekKw(n, kwNot)
	if not {
		n++
	}
	what := p.peek(n).kw
	if s.bOnly && what != kwDistinct && what != kwDocument {
		p.syntaxErrorAt(p.i + n) // whatever a b_expr stands in, no IS follows it
	}
	p.isTestAllowed(s)
	p.i += n
	switch what {
	case kwNull:
		p.next()
		text := "IS NULL"
		if not {
			text = "IS NOT NULL"
		}
		p.emitMarked(text, at)
		s.close(s.isFrom)
	case kwTrue, kwFalse, kwUnknown:
		if s.closings > nestingMax {
			p.tooDeep()
		}
		p.next()
		test := ast.TestTrue
		switch what {
		case kwFalse:
			test = ast.TestFalse
		case kwUnknown:
			test = ast.TestUnknown
		}
		p.wrap(s.isFrom, "is"+p.addSide(&ast.IsBool{At: p.atToken(at), Test: test, Not: not}))
		p.emitTight(")")
		s.close(s.isFrom)
	case kwDistinct:
		p.next()
		p.expectKw(kwFrom)
		p.wrap(s.isFrom, "dist"+p.addSide(&ast.IsDistinct{At: p.atToken(at), Not: not}))
		p.emitTight(",")
		p.exprLevel(levelCompare, s.bOnly)
		p.emitTight(")")
		s.isOpen = true
	case kwNormalized, kwNfc, kwNfd, kwNfkc, kwNfkd:
		test := &normalizedTest{at: p.atToken(at), not: not}
		if what != kwNormalized {
			test.form = upper(p.tok().text)
			p.next()
		}
		p.expectKw(kwNormalized)
		p.wrap(s.isFrom, "norm"+p.addSide(test))
		p.emitTight(")")
		s.close(s.isFrom)
	case kwDocument:
		p.unsupportedAt(p.atToken(at).Pos, "IS DOCUMENT")
	default:
		p.syntaxError()
	}
	return exprOperator
}

// normalizedTest is IS [NOT] form NORMALIZED, which calls a function.
type normalizedTest struct {
	at   ast.At
	form string // "" for the default
	not  bool
}

// call is the test over e.
func (t *normalizedTest) call(e ast.Expr) ast.Expr {
	f := &ast.FuncCall{At: t.at, Func: ast.Name{At: t.at, Schema: "pg_catalog", Name: "is_normalized"}, Args: []ast.Expr{e}}
	if t.form != "" {
		f.Args = append(f.Args, &ast.Const{At: t.at, Kind: ast.ConstString, Text: t.form})
	}
	if t.not {
		return &ast.Not{At: t.at, Expr: f}
	}
	return f
}

func (p *parser) atToken(i int) ast.At { return ast.At{Pos: ast.PosAt(int(p.toks[i].start))} }

// qualifiedOperator reads OPERATOR(schema.op) at the current token without moving; n is its length in tokens.
func (p *parser) qualifiedOperator() (op ast.OpName, n int) {
	start := p.i
	p.i += 2
	var parts []string
	for p.tok().isColID() && p.peek(1).kind == '.' {
		parts = append(parts, p.tok().text)
		p.i += 2
	}
	op.Name = p.operatorName()
	switch len(parts) {
	case 0:
	case 1:
		op.Schema = parts[0]
	case 2:
		op.Catalog, op.Schema = parts[0], parts[1]
	default:
		p.syntaxError()
	}
	p.expect(')')
	n = p.i - start
	p.i = start
	return op, n
}

// operatorName reads any operator.
func (p *parser) operatorName() string {
	t := p.tok()
	switch t.kind {
	case tOp, '+', '-', '*', '/', '%', '^', '<', '>', '=', tLE, tGE, tNE:
		p.next()
		return t.text
	}
	p.syntaxError()
	return ""
}

// operand rewrites a primary with its signs, casts, subscripts, COLLATE and AT TIME ZONE; the last two are not for a b_expr.
func (p *parser) operand(bOnly bool) {
	start := len(p.cur.out)
	p.signedPrimary(bOnly)
	for n := 0; !bOnly; n++ {
		if n > nestingMax {
			p.tooDeep()
		}
		switch p.tok().kw {
		case kwCollate:
			p.collate(start)
		case kwAt:
			p.atTimeZone(start)
		default:
			return
		}
	}
}

// signedPrimary rewrites a primary with the prefix operators before it.
func (p *parser) signedPrimary(bOnly bool) {
	signs := 0
	for p.kind() == '+' || p.kind() == '-' {
		p.emitMarked(p.tok().text, p.i)
		p.next()
		if signs++; signs > nestingMax {
			p.tooDeep()
		}
	}
	switch t := p.tok(); {
	case t.kind == tOp:
		p.prefixOperator(ast.OpName{Name: t.text}, 1, bOnly)
	case t.kw == kwOperator && p.peek(1).kind == '(':
		op, n := p.qualifiedOperator()
		p.prefixOperator(op, n, bOnly)
	case t.kw == kwNot:
		p.operandOrNot(&exprState{min: levelOr, bOnly: bOnly}, false)
	default:
		p.primary()
	}
	p.height += signs
}

// collate rewrites COLLATE after the operand that began at start.
func (p *parser) collate(start int) {
	at := p.at()
	p.next()
	n := p.anyName()
	p.wrap(start, "collate"+p.addSide(&ast.Collate{At: at, Collation: n}))
	p.emitTight(")")
	p.postfixHeight()
}

// atTimeZone rewrites AT TIME ZONE after the operand that began at start. It associates from the left, so an AT TIME ZONE after the zone
// belongs to the whole.
func (p *parser) atTimeZone(start int) {
	at := p.at()
	p.next()
	p.expectKws(kwTime, kwZone)
	p.wrap(start, "attz"+p.addSide(&ast.AtTimeZone{At: at}))
	p.emitTight(",")
	h := p.height
	p.enter()
	zone := len(p.cur.out)
	p.signedPrimary(false)
	for p.isKw(kwCollate) {
		p.collate(zone)
	}
	p.leave()
	p.emitTight(")")
	p.height = max(h, p.height)
	p.postfixHeight()
}

// postfixHeight counts one more level around the current operand; postfix chains nest the tree like parentheses do.
func (p *parser) postfixHeight() {
	p.height++
	if p.height > heightMax {
		p.tooDeep()
	}
}

// prefixOperator rewrites any prefix operator but + and -. It binds weaker than arithmetic, so everything of a higher level
// belongs to it.
func (p *parser) prefixOperator(op ast.OpName, n int, bOnly bool) {
	p.emitSentinel("pre"+p.addSide(&ast.UnaryOp{At: p.at(), Op: op}), p.i)
	p.emitTight("(")
	p.i += n
	p.exprLevel(levelAdd, bOnly)
	p.emitTight(")")
	p.height++
}

// exprList rewrites expressions up to the first token that is no comma.
func (p *parser) exprList() {
	h := 0
	for {
		p.expr()
		h = max(h, p.height)
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
	p.height = h
}

// exprTo parses an expression outside any other text, into *dst. Plain literals and parameters need no grammar.
func (p *parser) exprTo(dst *ast.Expr) {
	if e := p.simpleExpr(); e != nil {
		*dst = e
		return
	}
	outer := p.begin(fragExpr, dst)
	p.emitTight("SELECT")
	p.expr()
	p.end(outer)
}

// exprBTo is exprTo for a b_expr.
func (p *parser) exprBTo(dst *ast.Expr) {
	outer := p.begin(fragExpr, dst)
	p.emitTight("SELECT")
	p.exprB()
	p.end(outer)
}

// exprsTo parses a list of expressions into *dst.
func (p *parser) exprsTo(dst *[]ast.Expr) {
	outer := p.begin(fragExprs, dst)
	p.emitTight("SELECT")
	p.exprList()
	p.end(outer)
}

// simpleExpr reads an expression of a single token, or none.
func (p *parser) simpleExpr() ast.Expr {
	switch k := p.peek(1).kind; k {
	case ',', ')', ']', ';', tEOF:
	case tKeyword:
		switch p.peek(1).kw {
		case kwOffset, kwLimit, kwFor, kwFetch, kwRow, kwRows, kwReturning:
		default:
			return nil
		}
	default:
		return nil
	}
	t, at := p.tok(), p.at()
	var e ast.Expr
	switch t.kind {
	case tInt:
		e = &ast.Const{At: at, Kind: ast.ConstInt, Text: t.text}
	case tString:
		e = &ast.Const{At: at, Kind: ast.ConstString, Text: t.text}
	case tParam:
		e = p.param()
		return e
	default:
		return nil
	}
	p.next()
	return e
}

func (p *parser) param() *ast.Param {
	t := p.tok()
	e := &ast.Param{At: p.at(), N: int(t.num)}
	p.numParams = max(p.numParams, e.N)
	p.next()
	return e
}
