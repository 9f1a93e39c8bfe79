package expr

import (
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/sql/types"
)

// reader reads the SQL expressions of the tests: enough of PostgreSQL's grammar
// for the golden file, so that this package is tested without the parser.
type reader struct {
	b    *Builder
	toks []token
	at   int
}

type token struct {
	kind byte // i identifier, q quoted identifier, s string, n number, o operator, e end
	text string
}

func readExpr(b *Builder, sql string) (e Expr, err error) {
	defer func() {
		if r := recover(); r != nil {
			if re, ok := r.(readError); ok {
				err = re.err
				return
			}
			panic(r)
		}
	}()
	r := &reader{b: b, toks: lexTest(sql)}
	e = r.expr(0)
	if r.peek().kind != 'e' {
		return nil, fmt.Errorf("reader: junk at %q in %q", r.peek().text, sql)
	}
	return b.Known(e)
}

type readError struct{ err error }

func must[T any](v T, err error) T {
	if err != nil {
		panic(readError{err})
	}
	return v
}

func lexTest(s string) []token {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			i++
		case c == '\'' || (c == 'E' || c == 'e') && i+1 < len(s) && s[i+1] == '\'':
			esc := c != '\''
			if esc {
				i++
			}
			var b strings.Builder
			for i++; i < len(s); i++ {
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				} else if esc && s[i] == '\\' && i+1 < len(s) {
					i++
					if n := strings.IndexByte("ntr", s[i]); n >= 0 {
						b.WriteByte("\n\t\r"[n])
						continue
					}
				}
				b.WriteByte(s[i])
			}
			i++
			out = append(out, token{'s', b.String()})
		case c == '"':
			j := strings.IndexByte(s[i+1:], '"') + i + 1
			out = append(out, token{'q', s[i+1 : j]})
			i = j + 1
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			j := i
			for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == '.' && !strings.HasPrefix(s[j:], "..")) {
				j++
			}
			if j < len(s) && s[j]|0x20 == 'e' {
				j++
				if s[j] == '-' || s[j] == '+' {
					j++
				}
				for j < len(s) && s[j] >= '0' && s[j] <= '9' {
					j++
				}
			}
			out = append(out, token{'n', s[i:j]})
			i = j
		case c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_':
			j := i
			for j < len(s) && (s[j]|0x20 >= 'a' && s[j]|0x20 <= 'z' || s[j] == '_' || s[j] >= '0' && s[j] <= '9') {
				j++
			}
			out = append(out, token{'i', strings.ToLower(s[i:j])})
			i = j
		case strings.IndexByte("()[],;", c) >= 0:
			out = append(out, token{'o', string(c)})
			i++
		case strings.HasPrefix(s[i:], "::"):
			out = append(out, token{'o', "::"})
			i += 2
		case c == ':':
			out = append(out, token{'o', ":"})
			i++
		default:
			j := i
			for j < len(s) && strings.IndexByte("+-*/<>=~!@#%^&|`?", s[j]) >= 0 {
				j++
			}
			if j == i {
				panic(readError{fmt.Errorf("reader: character %q", c)})
			}
			op := s[i:j]
			// A sign at the end belongs to what follows, unless the operator has
			// one of the special characters.
			for len(op) > 1 && (op[len(op)-1] == '-' || op[len(op)-1] == '+') && !strings.ContainsAny(op, "~!@#%^&|`?") {
				op = op[:len(op)-1]
			}
			out = append(out, token{'o', op})
			i += len(op)
		}
	}
	return append(out, token{kind: 'e'})
}

func (r *reader) peek() token { return r.toks[r.at] }
func (r *reader) next() token { t := r.toks[r.at]; r.at++; return t }
func (r *reader) op(s string) bool {
	if t := r.peek(); t.kind == 'o' && t.text == s {
		r.at++
		return true
	}
	return false
}
func (r *reader) word(ws ...string) bool {
	for i, w := range ws {
		if r.at+i >= len(r.toks) || r.toks[r.at+i].kind != 'i' || r.toks[r.at+i].text != w {
			return false
		}
	}
	r.at += len(ws)
	return true
}
func (r *reader) want(s string) {
	if !r.op(s) {
		panic(readError{fmt.Errorf("reader: %q expected at %q", s, r.peek().text)})
	}
}

// Levels: 1 OR, 2 AND, 3 NOT, 4 IS, 5 comparison, 6 BETWEEN IN LIKE, 7 other
// operators, 8 + -, 9 * / %, 10 ^, 11 AT TIME ZONE, 12 unary, 13 postfix.
func (r *reader) expr(level int) Expr {
	var left Expr
	switch {
	case level <= 3 && r.word("not"):
		left = must(r.b.Not(r.expr(3)))
	case r.op("-"):
		left = must(r.b.Unary("-", r.expr(12)))
	case r.op("+"):
		left = must(r.b.Unary("+", r.expr(12)))
	case r.peek().kind == 'o' && strings.Contains(" @ ~ |/ ||/ ", " "+r.peek().text+" "):
		op := r.next().text
		left = must(r.b.Unary(op, r.expr(8)))
	default:
		left = r.primary()
	}
	for {
		t := r.peek()
		switch {
		case t.kind == 'i' && t.text == "or" && level <= 1:
			r.next()
			left = must(r.b.Or(left, r.expr(2)))
		case t.kind == 'i' && t.text == "and" && level <= 2:
			r.next()
			left = must(r.b.And(left, r.expr(3)))
		case t.kind == 'i' && t.text == "is" && level <= 4:
			r.next()
			left = r.is(left)
		case t.kind == 'o' && isComparison(t.text) && level <= 5, t.kind == 'o' && t.text == "!=" && level <= 5:
			r.next()
			left = r.compare(t.text, left)
		case t.kind == 'i' && level <= 6 && (t.text == "between" || t.text == "in" || t.text == "like" || t.text == "ilike" || t.text == "not"):
			left = r.member(left)
		case t.kind == 'i' && t.text == "at" && level <= 11:
			r.next()
			if !r.word("time", "zone") {
				panic(readError{fmt.Errorf("reader: TIME ZONE expected")})
			}
			zone := r.expr(12)
			left = must(r.b.Call("pg_catalog", "timezone", []Expr{zone, left}, false))
		case t.kind == 'o' && (t.text == "+" || t.text == "-") && level <= 8:
			r.next()
			left = must(r.b.Binary(t.text, left, r.expr(9)))
		case t.kind == 'o' && (t.text == "*" || t.text == "/" || t.text == "%") && level <= 9:
			r.next()
			left = must(r.b.Binary(t.text, left, r.expr(10)))
		case t.kind == 'o' && t.text == "^" && level <= 10:
			r.next()
			left = must(r.b.Binary("^", left, r.expr(11)))
		case t.kind == 'o' && level <= 7 && strings.IndexByte("()[],;:", t.text[0]) < 0 && !strings.Contains("+-*/%^", t.text) && !isComparison(t.text):
			r.next()
			left = r.compare(t.text, left)
			_ = t
		default:
			return left
		}
	}
}

func (r *reader) compare(op string, left Expr) Expr {
	for _, q := range []string{"any", "all"} {
		if r.word(q) {
			r.want("(")
			arr := r.expr(0)
			r.want(")")
			return must(r.b.AnyAll(op, left, arr, q == "all"))
		}
	}
	level := 6
	if !isComparison(op) && op != "!=" {
		level = 8
	}
	return must(r.b.Binary(op, left, r.expr(level)))
}

func (r *reader) is(left Expr) Expr {
	neg := r.word("not")
	switch {
	case r.word("null"):
		return must(r.b.IsNull(left, neg))
	case r.word("true"):
		return must(r.b.IsBool(left, types.True, neg))
	case r.word("false"):
		return must(r.b.IsBool(left, types.False, neg))
	case r.word("unknown"):
		return must(r.b.IsBool(left, types.Null, neg))
	case r.word("distinct", "from"):
		return must(r.b.IsDistinct(left, r.expr(5), neg))
	}
	panic(readError{fmt.Errorf("reader: IS %q", r.peek().text)})
}

func (r *reader) member(left Expr) Expr {
	neg := r.word("not")
	switch {
	case (r.toks[r.at].text == "like" || r.toks[r.at].text == "ilike") && (r.toks[r.at+1].text == "any" || r.toks[r.at+1].text == "all"):
		op := "~~"
		if neg {
			op = "!~~"
		}
		if r.next().text == "ilike" {
			op += "*"
		}
		return r.compare(op, left)
	case r.word("between"):
		sym := r.word("symmetric")
		lo := r.expr(7)
		if !r.word("and") {
			panic(readError{fmt.Errorf("reader: AND expected")})
		}
		return must(r.b.Between(left, lo, r.expr(7), sym, neg))
	case r.word("in"):
		r.want("(")
		return must(r.b.In(left, r.list(")"), neg))
	}
	fold := r.next().text == "ilike"
	pat := r.expr(7)
	var esc Expr
	if r.word("escape") {
		esc = r.expr(7)
	}
	return must(r.b.Like(left, pat, esc, fold, neg))
}

// list reads expressions up to the closing token.
func (r *reader) list(end string) []Expr {
	var out []Expr
	if r.op(end) {
		return out
	}
	for {
		out = append(out, r.expr(0))
		if r.op(end) {
			return out
		}
		r.want(",")
	}
}

func (r *reader) typeName() types.Type {
	var text []string
	for {
		t := r.peek()
		switch {
		case t.kind == 'q':
			text = append(text, `"`+t.text+`"`)
		case t.kind == 'i' && (len(text) == 0 || strings.Contains(" precision varying without with time zone to year month day hour minute second ", " "+t.text+" ")):
			text = append(text, t.text)
		case t.kind == 'o' && t.text == "(" && len(text) > 0:
			for t.text != ")" {
				text = append(text, t.text)
				r.at++
				t = r.peek()
			}
			text = append(text, ")")
		case t.kind == 'o' && t.text == "[" && r.toks[r.at+1].text == "]" && r.toks[r.at+1].kind == 'o':
			text = append(text, "[]")
			r.at++
		default:
			name := strings.Join(text, " ")
			for _, p := range []string{"(", ")", ",", "-"} {
				name = strings.ReplaceAll(name, p+" ", p)
			}
			return must(types.ParseType(name))
		}
		r.at++
	}
}

func (r *reader) primary() Expr {
	e := r.atom()
	for {
		switch {
		case r.op("::"):
			e = must(r.b.Cast(e, r.typeName(), CastExplicit))
		case r.peek().kind == 'o' && r.peek().text == "[":
			var lo, up []Expr
			slice := false
			for r.op("[") {
				var l, u Expr
				if p := r.peek(); !(p.kind == 'o' && p.text == ":") {
					l = r.expr(0)
				}
				if r.op(":") {
					slice = true
					if p := r.peek(); !(p.kind == 'o' && p.text == "]") {
						u = r.expr(0)
					}
				}
				r.want("]")
				lo, up = append(lo, l), append(up, u)
			}
			if slice {
				e = must(r.b.Slice(e, lo, up))
			} else {
				e = must(r.b.Subscript(e, lo))
			}
		default:
			return e
		}
	}
}

func (r *reader) atom() Expr {
	t := r.next()
	switch t.kind {
	case 's':
		return NewUnknown(t.text)
	case 'n':
		return must(NumberLiteral(t.text))
	case 'o':
		if t.text == "(" {
			list := r.list(")")
			if len(list) == 1 {
				return list[0]
			}
			return must(r.b.Row(list))
		}
	case 'q':
		if r.op("(") {
			return must(r.b.Call("", t.text, r.list(")"), false))
		}
	case 'i':
		return r.named(t.text)
	}
	panic(readError{fmt.Errorf("reader: unexpected %q", t.text)})
}

func (r *reader) named(w string) Expr {
	switch w {
	case "null":
		return NewNull()
	case "true", "false":
		return &Const{Val: types.NewBool(w == "true"), Typ: types.Bool}
	case "current_date", "current_timestamp", "localtimestamp", "current_user":
		if p := r.peek(); p.kind != 'o' || p.text != "(" {
			return must(r.b.Call("", w, nil, false))
		}
	case "timestamp", "timestamptz", "time", "interval":
		save := r.at
		r.at--
		to := r.typeName()
		if r.peek().kind == 's' {
			lit := r.next().text
			if p := r.peek(); w == "interval" && p.kind == 'i' && strings.Contains(" year month day hour minute second ", " "+p.text+" ") {
				save := r.at
				r.toks[r.at-1] = token{'i', "interval"}
				r.at = save - 1
				to = r.typeName()
			}
			return must(r.b.Cast(NewUnknown(lit), to, CastExplicit))
		}
		r.at = save
	case "array":
		return r.array()
	case "row":
		r.want("(")
		return must(r.b.Row(r.list(")")))
	case "case":
		return r.caseExpr()
	case "cast":
		r.want("(")
		e := r.expr(0)
		if !r.word("as") {
			panic(readError{fmt.Errorf("reader: AS expected")})
		}
		to := r.typeName()
		r.want(")")
		return must(r.b.Cast(e, to, CastExplicit))
	case "coalesce", "nullif", "greatest", "least":
		r.want("(")
		args := r.list(")")
		switch w {
		case "coalesce":
			return must(r.b.Coalesce(args))
		case "nullif":
			return must(r.b.NullIf(args[0], args[1]))
		case "greatest":
			return must(r.b.Greatest(args))
		}
		return must(r.b.Least(args))
	case "extract":
		r.want("(")
		field := r.next().text
		if !r.word("from") {
			panic(readError{fmt.Errorf("reader: FROM expected")})
		}
		src := r.expr(0)
		r.want(")")
		return must(r.b.Call("pg_catalog", "extract", []Expr{NewUnknown(field), src}, false))
	case "substring", "overlay", "position", "trim":
		if e, ok := r.keywordCall(w); ok {
			return e
		}
	}
	if r.op("(") {
		return must(r.b.Call("", w, r.list(")"), false))
	}
	// type 'literal'
	r.at--
	save := r.at
	if to := r.typeName(); r.peek().kind == 's' {
		return must(r.b.Cast(NewUnknown(r.next().text), to, CastExplicit))
	}
	r.at = save
	panic(readError{fmt.Errorf("reader: name %q", w)})
}

func (r *reader) keywordCall(w string) (Expr, bool) {
	save := r.at
	r.want("(")
	fn := w
	if w == "trim" {
		fn = "btrim"
		switch {
		case r.word("leading"):
			fn = "ltrim"
		case r.word("trailing"):
			fn = "rtrim"
		case r.word("both"):
		}
		var chars Expr
		if !r.word("from") {
			chars = r.expr(0)
			if !r.word("from") {
				if r.op(")") {
					return must(r.b.Call("pg_catalog", fn, []Expr{chars}, false)), true
				}
				r.at = save
				return nil, false
			}
		}
		args := []Expr{r.expr(0)}
		if chars != nil {
			args = append(args, chars)
		}
		r.want(")")
		return must(r.b.Call("pg_catalog", fn, args, false)), true
	}
	args := []Expr{r.expr(7)}
	found := false
	for _, k := range []string{"placing", "from", "for", "in"} {
		if r.word(k) {
			found = true
			args = append(args, r.expr(7))
			if k == "in" {
				args[0], args[1] = args[1], args[0]
			}
		}
	}
	if !found || !r.op(")") {
		r.at = save
		return nil, false
	}
	return must(r.b.Call("pg_catalog", fn, args, false)), true
}

// array reads [items], where an item may be a list in brackets itself.
func (r *reader) array() Expr {
	r.want("[")
	var items []Expr
	if !r.op("]") {
		for {
			if p := r.peek(); p.kind == 'o' && p.text == "[" {
				items = append(items, r.array())
			} else {
				items = append(items, r.expr(0))
			}
			if r.op("]") {
				break
			}
			r.want(",")
		}
	}
	if len(items) == 0 {
		r.want("::")
		return must(r.b.EmptyArray(r.typeName()))
	}
	return must(r.b.Array(items))
}

func (r *reader) caseExpr() Expr {
	var operand, els Expr
	if p := r.peek(); !(p.kind == 'i' && p.text == "when") {
		operand = r.expr(0)
	}
	var when []CaseWhen
	for r.word("when") {
		c := r.expr(0)
		if !r.word("then") {
			panic(readError{fmt.Errorf("reader: THEN expected")})
		}
		when = append(when, CaseWhen{Cond: c, Result: r.expr(0)})
	}
	if r.word("else") {
		els = r.expr(0)
	}
	if !r.word("end") {
		panic(readError{fmt.Errorf("reader: END expected")})
	}
	return must(r.b.Case(operand, when, els))
}
