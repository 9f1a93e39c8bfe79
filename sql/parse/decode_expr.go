package parse

import (
	"strconv"
	"strings"

	tast "github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// decoder turns the engine's tree into ours. It is a whitelist: a node or field it does not expect is an error, because
// what the engine accepts beyond the rewriter's intent is MySQL and not PostgreSQL.
type decoder struct {
	p *parser
	f *fragment
}

// unexpected refuses a node that the rewriter never asks for.
func (d *decoder) unexpected(what any) {
	panic(bail{sqlerr.Internal("unexpected %T in the parsed text", what)})
}

// pos maps an offset of the emitted text to the client's text.
func (d *decoder) pos(offset int) ast.Pos {
	if tok, ok := d.f.source(offset); ok && tok >= 0 {
		return d.p.atToken(tok).Pos
	}
	return 0
}

func (d *decoder) at(e tast.ExprNode) ast.At { return ast.At{Pos: d.pos(e.OriginTextPosition())} }

// operatorAt is the place of the infix operator before the operand e.
func (d *decoder) operatorAt(e tast.ExprNode) ast.At {
	if tok, ok := d.f.before(e.OriginTextPosition()); ok && tok >= 0 {
		return d.p.atToken(tok)
	}
	return ast.At{}
}

// splitSentinel takes a name apart: what stands before the NUL, the sentinel's kind, and the side entry it refers to.
func (d *decoder) splitSentinel(name string) (plain, kind string, side any) {
	i := strings.IndexByte(name, 0)
	if i < 0 {
		return name, "", nil
	}
	plain, kind = name[:i], name[i+1:]
	if j := strings.IndexByte(kind, '#'); j >= 0 && !strings.HasPrefix(kind, "op:") {
		n, err := strconv.Atoi(kind[j+1:])
		if err != nil || n >= len(d.p.side) {
			panic(bail{sqlerr.Internal("bad sentinel %q", name)})
		}
		return plain, kind[:j], d.p.side[n]
	}
	return plain, kind, nil
}

func (d *decoder) exprs(in []tast.ExprNode) []ast.Expr {
	if len(in) == 0 {
		return nil
	}
	out := make([]ast.Expr, len(in))
	for i, e := range in {
		out[i] = d.expr(e)
	}
	return out
}

func (d *decoder) expr(e tast.ExprNode) ast.Expr {
	switch n := e.(type) {
	case *literal:
		return d.literal(n)
	case *paramMarker:
		tok, ok := d.f.source(n.offset)
		if !ok || tok < 0 {
			d.unexpected(n)
		}
		return &ast.Param{At: d.p.atToken(tok), N: int(d.p.toks[tok].num)}
	case *tast.ColumnNameExpr:
		return d.column(n)
	case *tast.ParenthesesExpr:
		return d.expr(n.Expr)
	case *tast.BinaryOperationExpr:
		return d.binary(n)
	case *tast.UnaryOperationExpr:
		return d.unary(n)
	case *tast.FuncCallExpr:
		return d.call(n)
	case *tast.AggregateFuncExpr:
		return d.universal(n)
	case *tast.WindowFuncExpr:
		return d.windowCall(n)
	case *tast.IsNullExpr:
		return &ast.IsNull{At: d.at(n), Expr: d.expr(n.Expr), Not: n.Not}
	case *tast.BetweenExpr:
		return d.between(n)
	case *tast.PatternInExpr:
		return d.in(n)
	case *tast.RowExpr:
		return &ast.Row{At: d.at(n), Elems: d.exprs(n.Values)}
	case *tast.CaseExpr:
		return d.caseExpr(n)
	case *tast.SubqueryExpr:
		return &ast.ScalarSubquery{At: d.at(n), Query: d.query(n.Query)}
	case *tast.ExistsSubqueryExpr:
		return d.exists(n)
	case *tast.PositionExpr:
		return d.position(n)
	}
	d.unexpected(e)
	return nil
}

// position is an integer of ORDER BY or GROUP BY, which the engine treats as a column's number.
func (d *decoder) position(n *tast.PositionExpr) ast.Expr {
	if n.P != nil {
		return d.expr(n.P)
	}
	tok, ok := d.f.source(n.OriginTextPosition())
	at := ast.At{}
	if ok && tok >= 0 {
		at = d.p.atToken(tok)
	}
	return &ast.Const{At: at, Kind: ast.ConstInt, Text: strconv.Itoa(n.N)}
}

func (d *decoder) literal(n *literal) ast.Expr {
	c := &ast.Const{At: d.at(n)}
	switch v := n.value.(type) {
	case nil:
	case bool:
		c.Kind, c.Text = ast.ConstBool, strconv.FormatBool(v)
	case int64:
		c.Kind, c.Text = ast.ConstInt, strconv.FormatInt(v, 10)
	case uint64:
		c.Kind, c.Text = ast.ConstInt, strconv.FormatUint(v, 10)
	case decimalText:
		c.Kind, c.Text = ast.ConstInt, strings.TrimLeft(string(v), "0")
		if strings.ContainsAny(c.Text, ".eE") {
			d.unexpected(v)
		}
	case string:
		c.Kind, c.Text = ast.ConstString, v
	default:
		d.unexpected(v)
	}
	return c
}

func (d *decoder) column(n *tast.ColumnNameExpr) ast.Expr {
	name := n.Name
	plain, kind, side := d.splitSentinel(name.Name.O)
	if kind == "expr" {
		return side.(ast.Expr)
	}
	c := &ast.ColumnRef{At: d.at(n)}
	parts := 1
	if name.Table.O != "" {
		parts++
	}
	if name.Schema.O != "" {
		parts++
	}
	c.Parts = make([]string, 0, parts)
	if name.Schema.O != "" {
		c.Parts = append(c.Parts, name.Schema.O)
	}
	if name.Table.O != "" {
		c.Parts = append(c.Parts, name.Table.O)
	}
	switch kind {
	case "":
		c.Parts = append(c.Parts, plain)
	case "star":
		c.Star = true
	default:
		panic(bail{sqlerr.Internal("sentinel %q out of place", kind)})
	}
	return c
}

// sentinelColumn is the kind of a column that is an infix sentinel, "" for any other expression.
func (d *decoder) sentinelColumn(e tast.ExprNode) (kind string, side any) {
	c, ok := e.(*tast.ColumnNameExpr)
	if !ok || c.Name.Table.O != "" {
		return "", nil
	}
	_, kind, side = d.splitSentinel(c.Name.Name.O)
	return kind, side
}

// operatorNames are the native infix operators, by PostgreSQL's names.
func operatorName(op opcode.Op) string {
	switch op {
	case opcode.Plus:
		return "+"
	case opcode.Minus:
		return "-"
	case opcode.Mul:
		return "*"
	case opcode.Div:
		return "/"
	case opcode.Mod:
		return "%"
	case opcode.Xor:
		return "^"
	case opcode.EQ:
		return "="
	case opcode.NE:
		return "<>"
	case opcode.LT:
		return "<"
	case opcode.LE:
		return "<="
	case opcode.GT:
		return ">"
	case opcode.GE:
		return ">="
	}
	return ""
}

func isComparison(op opcode.Op) bool {
	switch op {
	case opcode.EQ, opcode.NE, opcode.LT, opcode.LE, opcode.GT, opcode.GE:
		return true
	}
	return false
}

func (d *decoder) binary(n *tast.BinaryOperationExpr) ast.Expr {
	switch n.Op {
	case opcode.LogicAnd, opcode.LogicOr:
		return d.logic(n)
	case opcode.LeftShift:
		return d.otherOperator(n)
	case opcode.Or:
		return d.like(n)
	}
	name := operatorName(n.Op)
	if name == "" {
		d.unexpected(n)
	}
	op := ast.OpName{Name: name}
	at := d.operatorAt(n.R)
	if isComparison(n.Op) {
		if l, ok := n.L.(*tast.BinaryOperationExpr); ok && isComparison(l.Op) && !d.isAnyAll(l.R) {
			panic(bail{sqlerr.Internal("chained comparison in the parsed text")})
		}
		if d.isAnyAll(n.R) {
			return d.anyAll(at, op, n.L, n.R)
		}
	}
	return &ast.BinaryOp{At: at, Op: op, Left: d.expr(n.L), Right: d.expr(n.R)}
}

// logic flattens a chain of the same connective; written from the left, it may be very long.
func (d *decoder) logic(n *tast.BinaryOperationExpr) ast.Expr {
	op := n.Op
	count := 1
	var e tast.ExprNode = n
	for {
		b, ok := e.(*tast.BinaryOperationExpr)
		if !ok || b.Op != op {
			break
		}
		count++
		e = b.L
	}
	args := make([]ast.Expr, count)
	at := ast.At{}
	e = n
	for i := count - 1; i > 0; i-- {
		b := e.(*tast.BinaryOperationExpr)
		args[i] = d.expr(b.R)
		at = d.operatorAt(b.R)
		e = b.L
	}
	args[0] = d.expr(e)
	if op == opcode.LogicAnd {
		return &ast.And{At: at, Args: args}
	}
	return &ast.Or{At: at, Args: args}
}

// otherOperator decodes L << ~op << R.
func (d *decoder) otherOperator(n *tast.BinaryOperationExpr) ast.Expr {
	l, ok := n.L.(*tast.BinaryOperationExpr)
	if !ok || l.Op != opcode.LeftShift {
		d.unexpected(n)
	}
	kind, side := d.sentinelColumn(l.R)
	var op ast.OpName
	switch {
	case strings.HasPrefix(kind, "op:"):
		op.Name = kind[len("op:"):]
	case kind == "op":
		op = *side.(*ast.OpName)
	case kind == "overlaps":
		return d.overlaps(d.at(l.R), l.L, n.R)
	default:
		d.unexpected(n)
	}
	at := d.at(l.R)
	if d.isAnyAll(n.R) {
		return d.anyAll(at, op, l.L, n.R)
	}
	return &ast.BinaryOp{At: at, Op: op, Left: d.expr(l.L), Right: d.expr(n.R)}
}

// overlaps decodes (a, b) OVERLAPS (c, d), a function of four arguments.
func (d *decoder) overlaps(at ast.At, left, right tast.ExprNode) ast.Expr {
	f := &ast.FuncCall{At: at, Form: ast.FormOverlaps, Func: ast.Name{At: at, Schema: "pg_catalog", Name: "overlaps"}}
	for i, e := range []tast.ExprNode{left, right} {
		row, ok := d.expr(e).(*ast.Row)
		if !ok {
			tok, _ := d.f.source(e.OriginTextPosition())
			d.p.syntaxErrorAt(max(tok, 0))
		}
		if len(row.Elems) != 2 {
			side := "left"
			if i == 1 {
				side = "right"
			}
			d.p.fail(sqlerr.SyntaxError, row.Pos, "wrong number of parameters on %s side of OVERLAPS expression", side)
		}
		f.Args = append(f.Args, row.Elems...)
	}
	return f
}

// isAnyAll reports whether e is the right side of op ANY or op ALL.
func (d *decoder) isAnyAll(e tast.ExprNode) bool {
	f, ok := e.(*tast.FuncCallExpr)
	return ok && (f.FnName.O == "\x00any" || f.FnName.O == "\x00all")
}

func (d *decoder) anyAll(at ast.At, op ast.OpName, left, right tast.ExprNode) ast.Expr {
	f := right.(*tast.FuncCallExpr)
	a := &ast.AnyAll{At: at, Op: op, Left: d.expr(left), All: f.FnName.O == "\x00all"}
	if q, ok := f.Args[0].(*tast.SubqueryExpr); ok && len(f.Args) == 1 {
		a.Query = d.query(q.Query)
		return a
	}
	a.Array = d.expr(f.Args[0])
	return a
}

// like decodes L | ~like | R and L | ~like | R | ~esc | E.
func (d *decoder) like(n *tast.BinaryOperationExpr) ast.Expr {
	l, ok := n.L.(*tast.BinaryOperationExpr)
	if !ok || l.Op != opcode.Or {
		d.unexpected(n)
	}
	kind, _ := d.sentinelColumn(l.R)
	if kind == "esc" {
		inner, ok := l.L.(*tast.BinaryOperationExpr)
		if !ok || inner.Op != opcode.Or {
			d.unexpected(n)
		}
		e, ok := d.like(inner).(*ast.Like)
		if !ok || e.Escape != nil {
			d.unexpected(n)
		}
		e.Escape = d.expr(n.R)
		return e
	}
	e := &ast.Like{At: d.at(l.R)}
	word, not := strings.CutPrefix(kind, "not")
	e.Not = not
	operator := ""
	switch word {
	case "like":
		operator = "~~"
	case "ilike":
		e.Kind, operator = ast.LikeILike, "~~*"
	case "similar":
		e.Kind = ast.LikeSimilar
	default:
		d.unexpected(n)
	}
	if d.isAnyAll(n.R) {
		if operator == "" {
			d.p.unsupportedAt(e.Pos, "SIMILAR TO ANY")
		}
		if not {
			operator = "!" + operator
		}
		return d.anyAll(e.At, ast.OpName{Name: operator}, l.L, n.R)
	}
	e.Expr, e.Pattern = d.expr(l.L), d.expr(n.R)
	return e
}

func (d *decoder) unary(n *tast.UnaryOperationExpr) ast.Expr {
	switch n.Op {
	case opcode.Plus:
		return &ast.UnaryOp{At: d.at(n), Op: ast.OpName{Name: "+"}, Expr: d.expr(n.V)}
	case opcode.Minus:
		return &ast.UnaryOp{At: d.at(n), Op: ast.OpName{Name: "-"}, Expr: d.expr(n.V)}
	case opcode.Not:
		return &ast.Not{At: d.at(n), Expr: d.expr(n.V)}
	}
	d.unexpected(n)
	return nil
}

func (d *decoder) between(n *tast.BetweenExpr) ast.Expr {
	b := &ast.Between{At: d.operatorAt(n.Left), Expr: d.expr(n.Expr), Not: n.Not}
	lo := n.Left
	if f, ok := lo.(*tast.FuncCallExpr); ok && f.FnName.O == "\x00sym" {
		b.Symmetric = true
		lo = f.Args[0]
	}
	b.Lo, b.Hi = d.expr(lo), d.expr(n.Right)
	return b
}

func (d *decoder) in(n *tast.PatternInExpr) ast.Expr {
	left := d.expr(n.Expr)
	if n.Sel != nil {
		q, ok := n.Sel.(*tast.SubqueryExpr)
		if !ok {
			d.unexpected(n.Sel)
		}
		return &ast.InSubquery{At: d.operatorAt(q), Expr: left, Query: d.query(q.Query), Not: n.Not}
	}
	return &ast.InList{At: d.operatorAt(n.List[0]), Expr: left, List: d.exprs(n.List), Not: n.Not}
}

func (d *decoder) caseExpr(n *tast.CaseExpr) ast.Expr {
	c := &ast.Case{At: d.at(n), Whens: make([]ast.When, len(n.WhenClauses))}
	if n.Value != nil {
		c.Operand = d.expr(n.Value)
	}
	for i, w := range n.WhenClauses {
		cond := d.expr(w.Expr)
		c.Whens[i] = ast.When{At: ast.At{Pos: ast.Leftmost(cond)}, Cond: cond, Result: d.expr(w.Result)}
	}
	if n.ElseClause != nil {
		c.Else = d.expr(n.ElseClause)
	}
	return c
}

func (d *decoder) exists(n *tast.ExistsSubqueryExpr) ast.Expr {
	q, ok := n.Sel.(*tast.SubqueryExpr)
	if !ok {
		d.unexpected(n.Sel)
	}
	e := &ast.Exists{At: d.at(n), Query: d.query(q.Query)}
	if n.Not {
		return &ast.Not{At: e.At, Expr: e}
	}
	return e
}
