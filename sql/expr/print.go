package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/types"
)

// Equal reports whether two expressions are the same: same nodes, same types,
// same literals. Volatile functions are never the same as themselves elsewhere,
// but that is for the caller to know.
func Equal(a, b Expr) bool { return a == b || Fingerprint(a) == Fingerprint(b) }

// Fingerprint returns a key that is equal for Equal expressions only. Subqueries
// are the same only if they are the same object.
func Fingerprint(e Expr) string {
	p := printer{exact: true}
	p.expr(e)
	return p.b.String()
}

// Format writes e as SQL for EXPLAIN and for column defaults. column names a
// column; nil uses Column.Name.
func Format(e Expr, column func(*Column) string) string {
	p := printer{column: column}
	p.expr(e)
	return p.b.String()
}

// FormatNamed is Format with names of types as typeName gives them.
func FormatNamed(e Expr, column func(*Column) string, typeName func(types.Type) string) string {
	p := printer{column: column, typeName: typeName}
	p.expr(e)
	return p.b.String()
}

// printer writes expressions: as SQL, or exactly, with types and indexes.
type printer struct {
	b      strings.Builder
	exact  bool
	column func(*Column) string
	// stored and pretty: see FormatStored.
	stored, pretty bool
	// typeName prints a type; nil is its String.
	typeName func(types.Type) string
}

func (p *printer) s(parts ...string) {
	for _, x := range parts {
		p.b.WriteString(x)
	}
}

func (p *printer) list(list []Expr) {
	for i, x := range list {
		if i > 0 {
			p.s(", ")
		}
		if p.pretty {
			p.s(p.bare(x))
			continue
		}
		p.expr(x)
	}
}

func (p *printer) typ(t types.Type) {
	name := t.String()
	if p.typeName != nil && !p.exact {
		name = p.typeName(t)
	}
	p.s("::", name)
	if p.exact {
		p.s("#", strconv.FormatUint(uint64(t.OID), 10), ".", strconv.Itoa(int(t.Typmod)))
	}
}

func (p *printer) expr(e Expr) {
	if p.stored && p.storedExpr(e) {
		return
	}
	switch x := e.(type) {
	case *Const:
		p.literal(x)
	case *Column:
		switch {
		case p.exact:
			p.s("$c", strconv.Itoa(x.Index))
		case p.column != nil:
			p.s(p.column(x))
		case x.Name != "":
			p.s(QuoteIdent(x.Name))
		default:
			p.s("column", strconv.Itoa(x.Index+1))
		}
	case *Param:
		p.s("$", strconv.Itoa(x.Index+1))
	case *OuterParam:
		p.s("$outer", strconv.Itoa(x.Index))
	case *Cast:
		wrap := !p.exact || !isPrimary(x.Arg)
		if wrap {
			p.s("(")
		}
		p.expr(x.Arg)
		if wrap {
			p.s(")")
		}
		p.typ(x.To)
		if p.exact && x.Explicit {
			p.s("!")
		}
	case *FuncCall:
		p.s(x.Fn.Name)
		p.oid(x.Fn.OID)
		p.s("(")
		if x.Spread {
			p.s("VARIADIC ")
		}
		p.list(x.Args)
		p.s(")")
	case *Field:
		p.s("(")
		p.expr(x.Arg)
		p.s(").", QuoteIdent(x.Name))
	case *ArrayAssign:
		p.s("assign(")
		p.list(x.Children())
		if x.Slice {
			p.s(":")
		}
		p.s(")")
	case *JSONAssign:
		p.s("assign(")
		p.list(x.Children())
		p.s(")")
	case *JSONSubscript:
		p.expr(x.Doc)
		for _, i := range x.Index {
			p.s("[")
			p.expr(i)
			p.s("]")
		}
	case *SetCall:
		p.s(x.Fn.Name)
		p.oid(x.Fn.OID)
		p.s("(")
		p.list(x.Args)
		p.s(")")
	case *AggCall:
		p.aggregate(x)
	case *WindowCall:
		p.window(x)
	case *GroupingCall:
		p.s("GROUPING(")
		p.list(x.Args)
		p.s(")")
	case *OpCall:
		p.s("(")
		if x.Left != nil {
			p.expr(x.Left)
			p.s(" ")
		}
		p.s(x.Op.Name)
		p.oid(x.Op.OID)
		p.s(" ")
		p.expr(x.Right)
		p.s(")")
	case *Logic:
		word := " AND "
		if x.Or {
			word = " OR "
		}
		p.s("(")
		for i, a := range x.Args {
			if i > 0 {
				p.s(word)
			}
			p.expr(a)
		}
		p.s(")")
	case *Sample:
		p.s("sample(")
		p.list(x.Children())
		p.s(")")
	case *Not:
		p.s("(NOT ")
		p.expr(x.Arg)
		p.s(")")
	case *IsNull:
		p.is(x.Arg, "NULL", x.Negate)
	case *IsBool:
		word := "FALSE"
		if x.Want.IsNull() {
			word = "UNKNOWN"
		} else if x.Want.Bool() {
			word = "TRUE"
		}
		p.is(x.Arg, word, x.Negate)
	case *IsDistinct:
		p.s("(")
		p.expr(x.Left)
		if x.Negate {
			p.s(" IS NOT DISTINCT FROM ")
		} else {
			p.s(" IS DISTINCT FROM ")
		}
		p.expr(x.Right)
		p.s(")")
	case *Case:
		p.s("CASE")
		for _, w := range x.When {
			p.s(" WHEN ")
			p.expr(w.Cond)
			p.s(" THEN ")
			p.expr(w.Result)
		}
		if x.Else != nil {
			p.s(" ELSE ")
			p.expr(x.Else)
		}
		p.s(" END")
	case *Coalesce:
		p.s("COALESCE(")
		p.list(x.Args)
		p.s(")")
	case *NullIf:
		p.s("NULLIF(")
		p.list([]Expr{x.Left, x.Right})
		p.s(")")
	case *MinMax:
		if x.Least {
			p.s("LEAST(")
		} else {
			p.s("GREATEST(")
		}
		p.list(x.Args)
		p.s(")")
	case *InList:
		p.s("(")
		p.expr(x.Arg)
		if x.Negate {
			p.s(" NOT")
		}
		p.s(" IN (")
		p.list(x.List)
		p.s("))")
	case *AnyAll:
		p.s("(")
		p.expr(x.Left)
		p.s(" ", x.Op.Op.Name)
		p.oid(x.Op.Op.OID)
		if x.All {
			p.s(" ALL (")
		} else {
			p.s(" ANY (")
		}
		p.expr(x.Right)
		p.s("))")
	case *ArrayExpr:
		p.s("ARRAY[")
		p.list(x.Items)
		p.s("]")
		if p.exact || len(x.Items) == 0 {
			p.typ(x.Typ)
		}
	case *Subscript:
		p.s("(")
		p.expr(x.Array)
		p.s(")")
		for i := range x.Index {
			p.s("[")
			if x.Index[i] != nil {
				p.expr(x.Index[i])
			}
			if x.Slice {
				p.s(":")
				if x.Upper[i] != nil {
					p.expr(x.Upper[i])
				}
			}
			p.s("]")
		}
	case *RowExpr:
		p.s("ROW(")
		p.list(x.Items)
		p.s(")")
		if x.Typ.IsComposite() {
			p.typ(x.Typ)
		}
	case *RowCompare:
		p.s("(ROW(")
		p.list(x.Left)
		p.s(") ", x.Op, " ROW(")
		p.list(x.Right)
		p.s("))")
	case *SubqueryExpr:
		p.subquery(x)
	default:
		if s, ok := e.(fmt.Stringer); ok && !p.exact {
			p.s(s.String())
			return
		}
		p.s(fmt.Sprintf("%T@%p", e, e))
	}
}

func (p *printer) oid(oid types.OID) {
	if p.exact {
		p.s("#", strconv.FormatUint(uint64(oid), 10))
	}
}

func (p *printer) is(arg Expr, word string, negate bool) {
	p.s("(")
	p.expr(arg)
	p.s(" IS ")
	if negate {
		p.s("NOT ")
	}
	p.s(word, ")")
}

func (p *printer) literal(x *Const) {
	if x.Val.IsNull() {
		p.s("NULL")
		if !isUnknown(x.Typ) || p.exact {
			p.typ(x.Typ)
		}
		return
	}
	text := types.TextOf(x.Val, x.Typ, nil)
	switch x.Typ.OID {
	case types.OIDInt4, types.OIDInt8, types.OIDNumeric, types.OIDFloat8:
		if !p.exact && x.Val.Kind() != types.KindFloat && !x.Val.IsNaN() {
			if text[0] == '-' {
				p.s("'", text, "'")
				p.typ(x.Typ)
				return
			}
			p.s(text)
			return
		}
	case types.OIDBool:
		if !p.exact {
			if x.Val.Bool() {
				p.s("true")
			} else {
				p.s("false")
			}
			return
		}
	}
	// Without E'…': the text is for a server with standard_conforming_strings.
	p.s("'", strings.ReplaceAll(text, "'", "''"), "'")
	p.typ(x.Typ)
}

func (p *printer) aggregate(x *AggCall) {
	p.s(x.Fn.Name)
	p.oid(x.Fn.OID)
	p.s("(")
	if x.Distinct {
		p.s("DISTINCT ")
	}
	if len(x.Args) == 0 && x.Fn.Name == "count" {
		p.s("*")
	}
	p.list(x.Args)
	for i, k := range x.OrderBy {
		if i == 0 {
			p.s(" ORDER BY ")
		} else {
			p.s(", ")
		}
		p.sortKey(k)
	}
	p.s(")")
	if x.Filter != nil {
		p.s(" FILTER (WHERE ")
		p.expr(x.Filter)
		p.s(")")
	}
}

func (p *printer) subquery(x *SubqueryExpr) {
	if x.Negate {
		p.s("NOT ")
	}
	if len(x.Left) > 0 {
		p.s("(")
		p.list(x.Left)
		p.s(") ")
	}
	p.s([]string{"", "EXISTS", "ARRAY", "ANY ", "ALL "}[x.Kind], "(SubPlan")
	if s, ok := x.Sub.(fmt.Stringer); ok && !p.exact {
		p.s(" ", s.String())
	}
	if p.exact {
		p.s(fmt.Sprintf("@%p", x.Sub))
		if x.Compare != nil {
			p.s("; ")
			p.expr(x.Compare)
		}
		p.s("; ")
		p.list(x.Args)
	}
	p.s(")")
}

func isPrimary(e Expr) bool {
	switch e.(type) {
	case *Const, *Column, *Param, *FuncCall, *Cast, *Coalesce, *NullIf, *MinMax, *OpCall, *Logic, *AggCall, *WindowCall:
		return true
	}
	return false
}

// ColumnName returns the name that a SELECT list gives to an expression without
// AS: the function's or the column's name, the type of a cast, "case",
// "coalesce", "array", …, "?column?". What a literal or a parenthesis hides is
// for the binder, which sees the text; this is the same for what it can see.
func ColumnName(e Expr) string {
	name, _ := columnName(e)
	return name
}

// columnName also says how good the name is: a cast's type gives way to a name
// from inside.
func columnName(e Expr) (string, int) {
	switch x := e.(type) {
	case *Column:
		if x.Name != "" {
			return x.Name, 2
		}
	case *FuncCall:
		return x.Fn.Name, 2
	case *AggCall:
		return x.Fn.Name, 2
	case *SetCall:
		return x.Fn.Name, 2
	case *Cast:
		if n, s := columnName(x.Arg); s > 1 || !x.Explicit {
			return n, s
		}
		return x.To.Name(), 1
	case *Case:
		if x.Else != nil {
			if n, s := columnName(x.Else); s > 1 {
				return n, s
			}
		}
		return "case", 1
	case *Coalesce:
		return "coalesce", 2
	case *NullIf:
		return "nullif", 2
	case *MinMax:
		if x.Least {
			return "least", 2
		}
		return "greatest", 2
	case *ArrayExpr:
		return "array", 2
	case *RowExpr:
		return "row", 2
	case *Subscript:
		return columnName(x.Array)
	case *SubqueryExpr:
		switch x.Kind {
		case SubqueryExists:
			return "exists", 2
		case SubqueryArray:
			return "array", 2
		}
	}
	return "?column?", 0
}

// QuoteLiteral writes a text as a string literal, with E and doubled backslashes
// where there are any.
func QuoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.IndexByte(s, '\\') >= 0 {
		q = "E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// QuoteIdent writes an identifier, in quotes if it needs them.
func QuoteIdent(s string) string {
	safe := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			safe = false
		}
	}
	if safe && !isReserved(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// reservedWords are the keywords that cannot be column names without quotes, or
// only some of the time.
const reservedWords = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real references returning right row select session_user setof similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable "

func isReserved(s string) bool { return strings.Contains(reservedWords, " "+s+" ") }
