package expr

import "strings"

// FormatStored writes an expression as PostgreSQL prints one that it has stored, as an
// index, a constraint or a generated column has; pretty leaves out the parentheses that
// nobody needs (pg_get_expr and pg_get_indexdef have both forms). column names a column.
func FormatStored(e Expr, column func(*Column) string, pretty bool) string {
	p := printer{column: column, stored: true, pretty: pretty}
	if pretty {
		return p.bare(e)
	}
	p.expr(e)
	return p.b.String()
}

// storedExpr writes the nodes that look different there; it reports whether it has.
func (p *printer) storedExpr(e Expr) bool {
	switch x := e.(type) {
	case *InList:
		op, word := " = ", "ANY"
		if x.Negate {
			op, word = " <> ", "ALL"
		}
		p.s("(")
		p.expr(x.Arg)
		if len(x.List) == 1 {
			p.s(op)
			p.expr(x.List[0])
			p.s(")")
			return true
		}
		p.s(op, word, " (ARRAY[")
		p.list(x.List)
		p.s("]))")
		return true
	case *FuncCall:
		if !IsAtTimeZone(x) {
			return false
		}
		p.s("(")
		p.expr(x.Args[1])
		p.s(" AT TIME ZONE ")
		p.expr(x.Args[0])
		p.s(")")
		return true
	case *Logic:
		if !p.pretty {
			return false
		}
		word := " AND "
		if x.Or {
			word = " OR "
		}
		p.s("(")
		for i, a := range x.Args {
			if i > 0 {
				p.s(word)
			}
			if l, ok := a.(*Logic); ok && l.Or && !x.Or {
				p.expr(a)
			} else {
				p.s(p.bare(a))
			}
		}
		p.s(")")
		return true
	case *Not:
		if !p.pretty {
			return false
		}
		p.s("(NOT ")
		if _, ok := x.Arg.(*Logic); ok {
			p.expr(x.Arg)
		} else {
			p.s(p.bare(x.Arg))
		}
		p.s(")")
		return true
	case *Cast:
		if !p.pretty {
			return false
		}
		switch x.Arg.(type) {
		case *Column, *Const, *FuncCall, *Coalesce, *Cast:
			p.expr(x.Arg)
		default:
			p.s("(", p.bare(x.Arg), ")")
		}
		p.typ(x.To)
		return true
	case *OpCall:
		if !p.pretty || x.Left == nil {
			return false
		}
		p.s("(")
		p.operand(x, x.Left, true)
		p.s(" ", x.Op.Name, " ")
		p.operand(x, x.Right, false)
		p.s(")")
		return true
	}
	return false
}

// IsAtTimeZone reports whether a call is what AT TIME ZONE stands for.
func IsAtTimeZone(x *FuncCall) bool { return x.Fn.Name == "timezone" && len(x.Args) == 2 }

// operand writes a side of an operator: without parentheses where arithmetic does
// without.
func (p *printer) operand(of *OpCall, e Expr, left bool) {
	if c, ok := e.(*OpCall); ok && c.Left != nil {
		inner, outer := arithmetic(c.Op.Name), arithmetic(of.Op.Name)
		if outer > 0 && (inner > outer || inner == outer && left) {
			p.s(p.bare(e))
			return
		}
	}
	p.expr(e)
}

func arithmetic(op string) int {
	switch op {
	case "+", "-":
		return 1
	case "*", "/", "%":
		return 2
	}
	return 0
}

// bare is the text of an expression without the parentheses around all of it.
func (p *printer) bare(e Expr) string {
	q := printer{column: p.column, stored: p.stored, pretty: p.pretty}
	q.expr(e)
	text := q.b.String()
	if strings.HasPrefix(text, "(") && Closing(text) == len(text)-1 {
		return text[1 : len(text)-1]
	}
	return text
}

// Closing is where the parenthesis that text begins with is closed, -1 for nowhere. Quoted parentheses do not count.
func Closing(text string) int {
	depth := 0
	var quote byte
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
