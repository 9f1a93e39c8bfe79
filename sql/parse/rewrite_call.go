package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// callInfo is what the grammar engine has no slot for in a call.
type callInfo struct {
	call   *ast.FuncCall
	filter bool
	swap   bool // the last two arguments were written in the other order
}

// call rewrites a function call whose name of n parts begins at token start; the current token is its parenthesis. A plain call is
// emitted as such. DISTINCT, ORDER BY, FILTER, WITHIN GROUP and OVER need the one aggregate of the engine's grammar that takes them
// all; the function's own name travels as its first argument.
func (p *parser) call(start, n int) {
	parts := p.parts(start, n)
	open := p.i
	closing := int(p.tok().match)
	f := &ast.FuncCall{At: p.atToken(start), Func: p.makeName(p.atToken(start), parts)}
	universal := p.callIsUniversal(open, closing)
	switch {
	case universal:
		p.universalCall(f, start, open, closing)
	case p.peek(1).kind == '*':
		f.Star = true
		p.emitSentinel("call"+p.addSide(&callInfo{call: f}), start)
		p.emitTight("()")
		p.i += 2
		p.expect(')')
		p.height = 1
	default:
		if n <= 2 {
			out := append(p.cur.out, ' ')
			p.cur.out = out
			p.mark(start)
			for i, part := range parts {
				if i > 0 {
					out = append(out, '.')
				}
				out = appendName(out, part)
			}
			p.cur.out = out
		} else {
			p.emitSentinel("call"+p.addSide(&callInfo{call: f}), start)
		}
		p.emitTight("(")
		p.next()
		p.acceptKw(kwAll)
		if p.kind() != ')' {
			p.args()
		} else {
			p.height = 0
		}
		p.expect(')')
		p.emitTight(")")
		p.height++
	}
}

// callIsUniversal looks for the clauses that a plain call of the engine's grammar cannot carry.
func (p *parser) callIsUniversal(open, closing int) bool {
	if closing >= len(p.toks)-1 {
		return false
	}
	after, then := p.toks[closing+1], p.toks[min(closing+2, len(p.toks)-1)]
	switch {
	case after.kw == kwWithin && then.kw == kwGroup,
		after.kw == kwFilter && then.kind == '(',
		after.kw == kwOver && (then.kind == '(' || then.isColID()):
		return true
	}
	if p.toks[open+1].kw == kwDistinct {
		return true
	}
	for i := open + 1; i < closing; i++ {
		switch t := &p.toks[i]; {
		case t.kind == '(' || t.kind == '[':
			i = int(t.match)
		case t.kw == kwOrder && p.toks[i+1].kw == kwBy:
			return true
		}
	}
	return false
}

func (p *parser) universalCall(f *ast.FuncCall, start, open, closing int) {
	info := &callInfo{call: f}
	p.i = open + 1
	p.emitMarked("GROUP_CONCAT", start)
	p.emitTight("(")
	switch {
	case p.acceptKw(kwDistinct):
		f.Distinct = true
		p.emitTight("DISTINCT")
	default:
		p.acceptKw(kwAll)
	}
	p.emitString("\x00" + f.Func.Name + p.addSide(info))
	h := 0
	switch {
	case p.kind() == '*' && p.peek(1).kind == ')' && !f.Distinct:
		f.Star = true
		p.next()
	case p.kind() != ')':
		p.emitTight(",")
		p.args()
		h = p.height
	case f.Distinct:
		p.syntaxError()
	}
	order := 0
	if p.isKw(kwOrder) {
		order = p.i
		p.next()
		p.expectKw(kwBy)
		p.i = closing // the list is rewritten below, after the filter
	}
	p.expect(')')
	end := p.i
	if p.isKw(kwWithin) && p.peekKw(1, kwGroup) {
		f.WithinGroup = true
		if order != 0 {
			p.fail(sqlerr.SyntaxError, p.pos(), "cannot use multiple ORDER BY clauses with WITHIN GROUP")
		}
		if f.Distinct {
			p.fail(sqlerr.SyntaxError, p.pos(), "cannot use DISTINCT with WITHIN GROUP")
		}
		p.i += 2
		if p.kind() != '(' {
			p.syntaxError()
		}
		closing = int(p.tok().match)
		order = p.i + 1
		end = min(closing+1, len(p.toks)-1)
		p.i = end
	}
	if p.isKw(kwFilter) && p.peek(1).kind == '(' {
		info.filter = true
		p.i += 2
		p.expectKw(kwWhere)
		p.emitTight(",")
		p.emit(sentinel("filter") + "(")
		p.expr()
		h = max(h, p.height)
		p.emitTight(")")
		p.expect(')')
		end = p.i
	}
	if order != 0 {
		p.i = order
		if !p.isKw(kwOrder) {
			p.syntaxError()
		}
		p.orderBy()
		if p.i != closing {
			p.syntaxError()
		}
	}
	p.i = end
	p.emitTight(")")
	if p.isKw(kwOver) {
		if f.WithinGroup {
			p.unsupported("OVER for ordered-set aggregate " + f.Func.Name)
		}
		if order != 0 {
			p.fail(sqlerr.FeatureNotSupported, f.Pos, "aggregate ORDER BY is not implemented for window functions")
		}
		if f.Distinct {
			p.fail(sqlerr.FeatureNotSupported, f.Pos, "DISTINCT is not implemented for window functions")
		}
		p.over(f)
	}
	p.height = h + 1
}

func (p *parser) over(f *ast.FuncCall) {
	p.next()
	f.Over = &ast.Window{At: p.at()}
	p.emit("OVER")
	if p.kind() == '(' {
		p.windowSpec()
		return
	}
	p.emitName(p.colID())
}

// args rewrites an argument list: expressions, name => expr, VARIADIC expr.
func (p *parser) args() {
	h := 0
	for {
		p.arg()
		h = max(h, p.height)
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
	p.height = h
}

func (p *parser) arg() {
	at := p.i
	name := ""
	switch {
	case p.isKw(kwVariadic):
		p.next()
		name = "variadic"
	case p.tok().isTypeFunc() && (p.peek(1).kind == tArrow || p.peek(1).kind == tColonEq):
		name = "arg" + p.addSide(&ast.NamedArg{At: p.at(), Name: p.tok().text})
		p.i += 2
	default:
		p.expr()
		return
	}
	p.emitSentinel(name, at)
	p.emitTight("(")
	p.expr()
	p.emitTight(")")
	p.height++
}

// windowSpec rewrites ( [w] [PARTITION BY …] [ORDER BY …] [frame] ). The frame is kept beside the text, under a sentinel that
// is the first item of PARTITION BY.
func (p *parser) windowSpec() {
	p.expect('(')
	p.emit("(")
	if t := p.tok(); t.isColID() && t.kw != kwPartition && t.kw != kwRange && t.kw != kwRows && t.kw != kwGroups {
		p.emitName(p.colID())
	}
	at := len(p.cur.out)
	text := " PARTITION BY "
	tail := ""
	if p.isKw(kwPartition) {
		p.next()
		p.expectKw(kwBy)
		p.emit("PARTITION BY")
		at = len(p.cur.out)
		text, tail = " ", ","
		p.exprList()
	}
	if p.isKw(kwOrder) {
		p.orderBy()
	}
	if f := p.frame(); f != nil {
		p.insert(at, text+sentinel("frame"+p.addSide(f))+tail)
	}
	p.expect(')')
	p.emit(")")
}

// frame reads a window frame, nil when there is none.
func (p *parser) frame() *ast.Frame {
	f := &ast.Frame{At: p.at()}
	switch p.tok().kw {
	case kwRows:
		f.Mode = ast.FrameRows
	case kwRange:
		f.Mode = ast.FrameRange
	case kwGroups:
		f.Mode = ast.FrameGroups
	default:
		return nil
	}
	p.next()
	if p.acceptKw(kwBetween) {
		p.frameBound(&f.Start)
		p.expectKw(kwAnd)
		p.frameBound(&f.End)
	} else {
		p.frameBound(&f.Start)
		f.End = ast.FrameBound{At: f.Start.At, Kind: ast.CurrentRow}
	}
	p.checkFrame(f)
	if p.acceptKw(kwExclude) {
		switch {
		case p.acceptKws(kwCurrent, kwRow):
			f.Exclude = ast.ExcludeCurrentRow
		case p.acceptKw(kwGroup):
			f.Exclude = ast.ExcludeGroup
		case p.acceptKw(kwTies):
			f.Exclude = ast.ExcludeTies
		default:
			p.expectKws(kwNo, kwOthers)
		}
	}
	return f
}

func (p *parser) frameBound(b *ast.FrameBound) {
	b.At = p.at()
	switch {
	case p.acceptKws(kwCurrent, kwRow):
		b.Kind = ast.CurrentRow
		return
	case p.isKw(kwUnbounded) && (p.peekKw(1, kwPreceding) || p.peekKw(1, kwFollowing)):
		b.Kind = ast.UnboundedPreceding
		if p.peekKw(1, kwFollowing) {
			b.Kind = ast.UnboundedFollowing
		}
		p.i += 2
		return
	}
	p.exprTo(&b.Offset)
	b.Kind = ast.OffsetPreceding
	if p.acceptKw(kwFollowing) {
		b.Kind = ast.OffsetFollowing
		return
	}
	p.expectKw(kwPreceding)
}

// checkFrame refuses the frames that PostgreSQL's grammar refuses.
func (p *parser) checkFrame(f *ast.Frame) {
	switch {
	case f.Start.Kind == ast.UnboundedFollowing:
		p.fail(sqlerr.WindowingError, f.Start.Pos, "frame start cannot be UNBOUNDED FOLLOWING")
	case f.End.Kind == ast.UnboundedPreceding:
		p.fail(sqlerr.WindowingError, f.End.Pos, "frame end cannot be UNBOUNDED PRECEDING")
	case f.Start.Kind == ast.CurrentRow && f.End.Kind == ast.OffsetPreceding:
		p.fail(sqlerr.WindowingError, f.End.Pos, "frame starting from current row cannot have preceding rows")
	case f.Start.Kind == ast.OffsetFollowing && (f.End.Kind == ast.OffsetPreceding || f.End.Kind == ast.CurrentRow):
		what := "preceding rows"
		if f.End.Pos == f.Start.Pos {
			p.fail(sqlerr.WindowingError, f.Start.Pos, "frame starting from following row cannot end with current row")
		}
		if f.End.Kind == ast.CurrentRow {
			what = "current row"
			p.fail(sqlerr.WindowingError, f.End.Pos, "frame starting from following row cannot end with %s", what)
		}
		p.fail(sqlerr.WindowingError, f.End.Pos, "frame starting from following row cannot have %s", what)
	}
}

// specialCall rewrites the arguments after an opening parenthesis as a call of a function of pg_catalog, commas between them.
func (p *parser) specialCall(name string, form ast.FuncForm) {
	p.beginSpecial(p.i-2, name, form)
	p.exprList()
	p.endSpecial()
}

func (p *parser) beginSpecial(at int, name string, form ast.FuncForm) *callInfo {
	f := &ast.FuncCall{At: p.atToken(at), Form: form, Func: ast.Name{At: p.atToken(at), Schema: "pg_catalog", Name: name}}
	info := &callInfo{call: f}
	p.emitSentinel("call"+p.addSide(info), at)
	p.emitTight("(")
	return info
}

func (p *parser) endSpecial() {
	p.expect(')')
	p.emitTight(")")
	p.height++
}

// specialForm rewrites the calls with key words between their arguments; false when t begins none.
func (p *parser) specialForm(t *token, follows kind) bool {
	if follows != '(' {
		return false
	}
	at := p.i
	sentinelCall := func(name string) {
		p.i += 2
		p.emitSentinel(name, at)
		p.emitTight("(")
		p.exprList()
		p.endSpecial()
	}
	switch t.kw {
	case kwCoalesce:
		sentinelCall("coalesce")
	case kwGreatest:
		sentinelCall("greatest")
	case kwLeast:
		sentinelCall("least")
	case kwGrouping:
		sentinelCall("grouping")
	case kwNullif:
		p.i += 2
		p.emitSentinel("nullif", at)
		p.emitTight("(")
		p.expr()
		p.expect(',')
		p.emitTight(",")
		p.expr()
		p.endSpecial()
	case kwExtract:
		p.i += 2
		p.extract(at)
	case kwPosition:
		p.i += 2
		p.position(at)
	case kwOverlay:
		p.i += 2
		p.overlay(at)
	case kwSubstring:
		p.i += 2
		p.substring(at)
	case kwTrim:
		p.i += 2
		p.trim(at)
	case kwNormalize:
		p.i += 2
		p.beginSpecial(at, "normalize", ast.FormNormalize)
		p.expr()
		if p.accept(',') {
			switch p.tok().kw {
			case kwNfc, kwNfd, kwNfkc, kwNfkd:
			default:
				p.syntaxError()
			}
			p.emitTight(",")
			p.emitString(p.tok().text)
			p.next()
		}
		p.endSpecial()
	case kwTreat:
		p.unsupported("TREAT")
	case kwXmlconcat, kwXmlelement, kwXmlexists, kwXmlforest, kwXmlparse, kwXmlpi, kwXmlroot, kwXmlserialize:
		p.unsupported(upper(t.text))
	default:
		return false
	}
	return true
}

func (p *parser) extract(at int) {
	p.beginSpecial(at, "extract", ast.FormExtract)
	t := p.tok()
	if t.kind != tString && !t.isLabel() {
		p.syntaxError()
	}
	p.emitString(t.text)
	p.next()
	p.expectKw(kwFrom)
	p.emitTight(",")
	p.expr()
	p.endSpecial()
}

// position swaps nothing here: the decoder turns POSITION(a IN b) into position(b, a).
func (p *parser) position(at int) {
	p.beginSpecial(at, "position", ast.FormPosition)
	p.exprB()
	p.expectKw(kwIn)
	p.emitTight(",")
	p.exprB()
	p.endSpecial()
}

func (p *parser) overlay(at int) {
	info := p.beginSpecial(at, "overlay", ast.FormOverlay)
	if p.kind() == ')' {
		info.call.Form = ast.FormCall
		p.endSpecial()
		return
	}
	p.expr()
	if !p.acceptKw(kwPlacing) {
		info.call.Form = ast.FormCall
		if p.accept(',') {
			p.emitTight(",")
			p.exprList()
		}
		p.endSpecial()
		return
	}
	p.emitTight(",")
	p.expr()
	p.expectKw(kwFrom)
	p.emitTight(",")
	p.expr()
	if p.acceptKw(kwFor) {
		p.emitTight(",")
		p.expr()
	}
	p.endSpecial()
}

func (p *parser) substring(at int) {
	info := p.beginSpecial(at, "substring", ast.FormSubstring)
	if p.kind() == ')' {
		info.call.Form = ast.FormCall
		p.endSpecial()
		return
	}
	p.expr()
	switch {
	case p.acceptKw(kwFrom):
		p.emitTight(",")
		p.expr()
		if p.acceptKw(kwFor) {
			p.emitTight(",")
			p.expr()
		}
	case p.acceptKw(kwFor):
		// SUBSTRING(s FOR n) is substring(s, 1, n); with FROM after it the two change places.
		mid := len(p.cur.out)
		p.emitTight(",")
		p.expr()
		if p.acceptKw(kwFrom) {
			info.swap = true
			p.emitTight(",")
			p.expr()
		} else {
			p.insert(mid, ", 1")
		}
	case p.acceptKw(kwSimilar):
		info.call.Form = ast.FormSimilar
		p.emitTight(",")
		p.expr()
		p.expectKw(kwEscape)
		p.emitTight(",")
		p.expr()
	default:
		info.call.Form = ast.FormCall
		if p.accept(',') {
			p.emitTight(",")
			p.exprList()
		}
	}
	p.endSpecial()
}

func (p *parser) trim(at int) {
	name := "btrim"
	switch {
	case p.acceptKw(kwBoth):
	case p.acceptKw(kwLeading):
		name = "ltrim"
	case p.acceptKw(kwTrailing):
		name = "rtrim"
	}
	p.beginSpecial(at, name, ast.FormTrim)
	if p.acceptKw(kwFrom) {
		p.exprList()
		p.endSpecial()
		return
	}
	chars := len(p.cur.out)
	p.expr()
	if p.acceptKw(kwFrom) {
		// TRIM(chars FROM s): the decoder moves the characters to the end.
		p.insert(chars, " "+sentinel("trimchars")+"(")
		p.emitTight("),")
		p.exprList()
	} else if p.accept(',') {
		p.emitTight(",")
		p.exprList()
	}
	p.endSpecial()
}
