package ast

import (
	"strconv"
	"strings"
)

// Deparse writes an expression as PostgreSQL text that parses to the same tree. Every operator is in parentheses, as PostgreSQL's
// own deparser does without pretty printing, so no reader needs to know precedences.
func Deparse(e Expr) string {
	var d deparser
	d.expr(e)
	return d.b.String()
}

// DeparseQuery is Deparse for a query.
func DeparseQuery(s *Select) string {
	var d deparser
	d.query(s)
	return d.b.String()
}

// QuoteIdent is name in double quotes unless it is a plain lower-case identifier that is no key word of PostgreSQL's. It
// errs on the side of quoting.
func QuoteIdent(name string) string {
	plain := name != ""
	for i := range len(name) {
		c := name[i]
		if !(c == '_' || 'a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9')) {
			plain = false
			break
		}
	}
	if plain && !reservedName(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// reservedName reports whether an unquoted name could be taken for something else: key words that are not unreserved.
func reservedName(s string) bool {
	switch s {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint", "binary",
		"bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation", "column",
		"concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_schema",
		"current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc", "distinct", "do", "else",
		"end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest",
		"group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into",
		"is", "isnull", "join", "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "national",
		"natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order",
		"out", "outer", "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references", "returning",
		"right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "table",
		"tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using",
		"values", "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement",
		"xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable":
		return true
	}
	return false
}

// QuoteString is s as a string literal that reads the same whatever standard_conforming_strings says.
func QuoteString(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// deparser collects the text.
type deparser struct{ b strings.Builder }

func (d *deparser) s(parts ...string) {
	for _, p := range parts {
		d.b.WriteString(p)
	}
}

func (d *deparser) name(n Name) {
	if n.Catalog != "" {
		d.s(QuoteIdent(n.Catalog), ".")
	}
	if n.Schema != "" {
		d.s(QuoteIdent(n.Schema), ".")
	}
	d.s(QuoteIdent(n.Name))
}

func (d *deparser) list(es []Expr) {
	for i, e := range es {
		if i > 0 {
			d.s(", ")
		}
		d.expr(e)
	}
}

func (d *deparser) op(o OpName) {
	if o.Schema != "" {
		d.s("OPERATOR(", QuoteIdent(o.Schema), ".", o.Name, ")")
		return
	}
	d.s(o.Name)
}

// binary writes (l word r).
func (d *deparser) binary(l Expr, word string, r Expr) {
	d.s("(")
	d.expr(l)
	d.s(" ", word, " ")
	d.expr(r)
	d.s(")")
}

func (d *deparser) call(name string, args ...Expr) {
	d.s(name, "(")
	d.list(args)
	d.s(")")
}

func (d *deparser) sub(s *Select) {
	d.s("(")
	d.query(s)
	d.s(")")
}

func not(n bool) string {
	if n {
		return "NOT "
	}
	return ""
}

func (d *deparser) expr(e Expr) {
	switch n := e.(type) {
	case *Const:
		d.constant(n)
	case *Param:
		d.s("$", strconv.Itoa(n.N))
	case *ColumnRef:
		for i, p := range n.Parts {
			if i > 0 {
				d.s(".")
			}
			d.s(QuoteIdent(p))
		}
		if n.Star {
			if len(n.Parts) > 0 {
				d.s(".")
			}
			d.s("*")
		}
	case *TypeCast:
		d.s("(")
		d.expr(n.Expr)
		d.s(")::")
		d.typeName(n.Type)
	case *TypedLiteral:
		d.typedLiteral(n)
	case *UnaryOp:
		d.s("(")
		d.op(n.Op)
		d.s(" ")
		d.expr(n.Expr)
		d.s(")")
	case *BinaryOp:
		d.s("(")
		d.expr(n.Left)
		d.s(" ")
		d.op(n.Op)
		d.s(" ")
		d.expr(n.Right)
		d.s(")")
	case *And:
		d.chain(n.Args, " AND ")
	case *Or:
		d.chain(n.Args, " OR ")
	case *Not:
		d.s("(NOT ")
		d.expr(n.Expr)
		d.s(")")
	case *IsNull:
		d.test(n.Expr, n.Not, "NULL")
	case *IsBool:
		d.test(n.Expr, n.Not, [...]string{"TRUE", "FALSE", "UNKNOWN"}[n.Test])
	case *IsDistinct:
		d.binary(n.Left, "IS "+not(n.Not)+"DISTINCT FROM", n.Right)
	case *Between:
		word := not(n.Not) + "BETWEEN "
		if n.Symmetric {
			word += "SYMMETRIC "
		}
		d.s("(")
		d.expr(n.Expr)
		d.s(" ", word)
		d.expr(n.Lo)
		d.s(" AND ")
		d.expr(n.Hi)
		d.s(")")
	case *InList:
		d.s("(")
		d.expr(n.Expr)
		d.s(" ", not(n.Not), "IN (")
		d.list(n.List)
		d.s("))")
	case *InSubquery:
		d.s("(")
		d.expr(n.Expr)
		d.s(" ", not(n.Not), "IN ")
		d.sub(n.Query)
		d.s(")")
	case *Like:
		d.s("(")
		d.expr(n.Expr)
		d.s(" ", not(n.Not), [...]string{"LIKE", "ILIKE", "SIMILAR TO"}[n.Kind], " ")
		d.expr(n.Pattern)
		if n.Escape != nil {
			d.s(" ESCAPE ")
			d.expr(n.Escape)
		}
		d.s(")")
	case *AnyAll:
		d.anyAll(n)
	case *Exists:
		d.s("EXISTS ")
		d.sub(n.Query)
	case *ScalarSubquery:
		d.sub(n.Query)
	case *ArraySubquery:
		d.s("ARRAY")
		d.sub(n.Query)
	case *Case:
		d.caseExpr(n)
	case *Coalesce:
		d.call("COALESCE", n.Args...)
	case *NullIf:
		d.call("NULLIF", n.Left, n.Right)
	case *MinMax:
		if n.Greatest {
			d.call("GREATEST", n.Args...)
		} else {
			d.call("LEAST", n.Args...)
		}
	case *FuncCall:
		d.funcCall(n)
	case *NamedArg:
		d.s(QuoteIdent(n.Name), " => ")
		d.expr(n.Expr)
	case *Grouping:
		d.call("GROUPING", n.Args...)
	case *GroupingSet:
		d.groupingSet(n)
	case *Array:
		d.s("ARRAY[")
		d.list(n.Elems)
		d.s("]")
	case *Row:
		if n.Explicit {
			d.s("ROW")
		}
		d.s("(")
		d.list(n.Elems)
		d.s(")")
	case *Subscript:
		d.subscript(n)
	case *FieldSelect:
		d.s("(")
		d.expr(n.Expr)
		d.s(").")
		if n.Star {
			d.s("*")
		} else {
			d.s(QuoteIdent(n.Field))
		}
	case *Collate:
		d.s("(")
		d.expr(n.Expr)
		d.s(" COLLATE ")
		d.name(n.Collation)
		d.s(")")
	case *AtTimeZone:
		d.binary(n.Expr, "AT TIME ZONE", n.Zone)
	case *Default:
		d.s("DEFAULT")
	case *CurrentValue:
		d.s(strings.ToUpper(n.Name))
		if n.Precision >= 0 {
			d.s("(", strconv.Itoa(n.Precision), ")")
		}
	}
}

func (d *deparser) chain(args []Expr, word string) {
	d.s("(")
	for i, a := range args {
		if i > 0 {
			d.s(word)
		}
		d.expr(a)
	}
	d.s(")")
}

func (d *deparser) test(e Expr, n bool, what string) {
	d.s("(")
	d.expr(e)
	d.s(" IS ", not(n), what, ")")
}

func (d *deparser) constant(n *Const) {
	switch n.Kind {
	case ConstNull:
		d.s("NULL")
	case ConstBool, ConstInt, ConstDecimal:
		d.s(n.Text)
	case ConstString:
		d.s(QuoteString(n.Text))
	case ConstBit:
		d.s(strings.ToUpper(n.Text[:1]), "'", n.Text[1:], "'")
	}
}

func (d *deparser) typeName(t TypeName) {
	if t.SetOf {
		d.s("SETOF ")
	}
	// The words of the grammar have no schema: pg_catalog.interval could carry no fields, pg_catalog.bpchar is char(1).
	if t.Schema == "pg_catalog" && t.Name == "interval" {
		d.s("interval")
		if t.IntervalFields != "" {
			d.s(" ", t.IntervalFields)
		}
	} else {
		d.name(Name{Catalog: t.Catalog, Schema: t.Schema, Name: t.Name})
	}
	d.mods(t.Mods)
	for range t.ArrayDims {
		d.s("[]")
	}
}

func (d *deparser) mods(mods []int32) {
	for i, m := range mods {
		if i == 0 {
			d.s("(")
		} else {
			d.s(",")
		}
		d.s(strconv.Itoa(int(m)))
	}
	if len(mods) > 0 {
		d.s(")")
	}
}

func (d *deparser) typedLiteral(n *TypedLiteral) {
	if n.Type.IntervalFields != "" {
		fields := n.Type.IntervalFields
		if len(n.Type.Mods) > 0 {
			fields += "(" + strconv.Itoa(int(n.Type.Mods[0])) + ")"
		}
		d.s("interval ", strings.TrimSpace(QuoteString(n.Text)), " ", fields)
		return
	}
	if len(n.Type.Mods) > 0 {
		// typename(1) 'text' is legal for the grammar's own types only, so their words are used.
		d.s(keywordType(n.Type.Name))
		d.mods(n.Type.Mods)
		if strings.HasSuffix(n.Type.Name, "tz") {
			d.s(" with time zone")
		}
		d.s(" ", strings.TrimSpace(QuoteString(n.Text)))
		return
	}
	d.typeName(n.Type)
	d.s(" ", strings.TrimSpace(QuoteString(n.Text)))
}

// keywordType is the word of the grammar behind an internal name.
func keywordType(name string) string {
	switch name {
	case "bpchar":
		return "char"
	case "varbit":
		return "bit varying"
	case "timetz":
		return "time"
	case "timestamptz":
		return "timestamp"
	}
	return name
}

func (d *deparser) anyAll(n *AnyAll) {
	d.s("(")
	d.expr(n.Left)
	d.s(" ")
	d.op(n.Op)
	if n.All {
		d.s(" ALL ")
	} else {
		d.s(" ANY ")
	}
	if n.Query != nil {
		d.sub(n.Query)
	} else {
		d.s("(")
		if _, ok := n.Array.(*ScalarSubquery); ok {
			d.s("(")
			d.expr(n.Array)
			d.s(")")
		} else {
			d.expr(n.Array)
		}
		d.s(")")
	}
	d.s(")")
}

func (d *deparser) caseExpr(n *Case) {
	d.s("CASE")
	if n.Operand != nil {
		d.s(" ")
		d.expr(n.Operand)
	}
	for _, w := range n.Whens {
		d.s(" WHEN ")
		d.expr(w.Cond)
		d.s(" THEN ")
		d.expr(w.Result)
	}
	if n.Else != nil {
		d.s(" ELSE ")
		d.expr(n.Else)
	}
	d.s(" END")
}

func (d *deparser) subscript(n *Subscript) {
	d.s("(")
	d.expr(n.Expr)
	d.s(")")
	for _, ix := range n.Indexes {
		d.s("[")
		if ix.Lo != nil {
			d.expr(ix.Lo)
		}
		if ix.Slice {
			d.s(":")
			if ix.Hi != nil {
				d.expr(ix.Hi)
			}
		}
		d.s("]")
	}
}

func (d *deparser) funcCall(n *FuncCall) {
	if d.special(n) {
		return
	}
	d.name(n.Func)
	d.s("(")
	if n.Distinct {
		d.s("DISTINCT ")
	}
	if n.Star {
		d.s("*")
	}
	for i, a := range n.Args {
		if i > 0 {
			d.s(", ")
		}
		if n.Variadic && i == len(n.Args)-1 {
			d.s("VARIADIC ")
		}
		d.expr(a)
	}
	if len(n.OrderBy) > 0 && !n.WithinGroup {
		d.orderBy(n.OrderBy)
	}
	d.s(")")
	if n.WithinGroup {
		d.s(" WITHIN GROUP (")
		d.orderBy(n.OrderBy)
		d.s(")")
	}
	if n.Filter != nil {
		d.s(" FILTER (WHERE ")
		d.expr(n.Filter)
		d.s(")")
	}
	if n.Over != nil {
		d.s(" OVER ")
		if n.Over.RefOnly {
			d.s(QuoteIdent(n.Over.Ref))
		} else {
			d.window(n.Over)
		}
	}
}

// special writes the calls that have a syntax of their own.
func (d *deparser) special(n *FuncCall) bool {
	arg := func(i int) { d.expr(n.Args[i]) }
	switch n.Form {
	case FormExtract:
		c, ok := n.Args[0].(*Const)
		if !ok {
			return false
		}
		d.s("EXTRACT(", strings.TrimSpace(QuoteString(c.Text)), " FROM ")
		arg(1)
	case FormPosition:
		d.s("POSITION((")
		arg(1)
		d.s(") IN (")
		arg(0)
		d.s(")")
	case FormCollationFor:
		d.s("COLLATION FOR (")
		arg(0)
	case FormOverlay:
		d.s("OVERLAY(")
		arg(0)
		d.s(" PLACING ")
		arg(1)
		d.s(" FROM ")
		arg(2)
		if len(n.Args) > 3 {
			d.s(" FOR ")
			arg(3)
		}
	case FormSubstring:
		d.s("SUBSTRING(")
		arg(0)
		d.s(" FROM ")
		arg(1)
		if len(n.Args) > 2 {
			d.s(" FOR ")
			arg(2)
		}
	case FormSimilar:
		d.s("SUBSTRING(")
		arg(0)
		d.s(" SIMILAR ")
		arg(1)
		d.s(" ESCAPE ")
		arg(2)
	case FormTrim:
		d.s("TRIM(", map[string]string{"btrim": "BOTH", "ltrim": "LEADING", "rtrim": "TRAILING"}[n.Func.Name], " ")
		if len(n.Args) == 2 {
			arg(1)
			d.s(" ")
		}
		d.s("FROM ")
		if len(n.Args) > 2 {
			d.list(n.Args)
		} else {
			arg(0)
		}
	case FormOverlaps:
		d.s("((")
		d.list(n.Args[:2])
		d.s(") OVERLAPS (")
		d.list(n.Args[2:])
		d.s(")")
	default:
		return false
	}
	d.s(")")
	return true
}
