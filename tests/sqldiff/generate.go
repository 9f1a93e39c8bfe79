package sqldiff

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// column is a name that an expression may use.
type column struct {
	table, name, typ string
	// stored columns hold what tables hold: no edge of a float, and one text for
	// each value.
	stored bool
	// tables that are joined may have the same name for two columns.
	qualify bool
	// computed stands for an expression that is no name, such as an aggregate.
	computed *node
}

// exact is whether equal values of the column print alike.
func (c column) exact() bool { return c.stored || pools[c.typ].exact }

func (c column) node() *node {
	if c.computed != nil {
		return c.computed
	}
	if c.table == "" || !c.qualify {
		return expression(c.typ, c.name)
	}
	return expression(c.typ, c.table+"."+c.name)
}

// generator makes statements over the tables of a scenario. It is a function of
// its random source.
type generator struct {
	r      *rand.Rand
	calls  *calls
	tables []*table
	// scopes are the columns in sight, the innermost last.
	scopes [][]column
	// aliases counts tables of the statement, for names.
	aliases int
	// edge is the percentage of constants at the edge of their type.
	edge int
	// subqueries allowed in expressions.
	subqueries bool
	// params collects constants as parameters when it is not nil.
	params *[]string
	// tainted says that the order in which parts are computed may decide whether
	// there is an error, and which.
	tainted bool
}

// expr makes an expression of a type.
func (g *generator) expr(typ string, depth int) *node {
	if depth <= 0 {
		return g.leaf(typ)
	}
	switch n := g.r.IntN(100); {
	case n < 15:
		return g.leaf(typ)
	case n < 22:
		return g.form(typ, depth)
	case n < 28:
		if e := g.cast(typ, depth); e != nil {
			return e
		}
	case n < 31 && g.subqueries:
		return g.scalarSubquery(typ, depth)
	case n < 60 && typ == "bool":
		return g.condition(depth)
	}
	list := g.calls.scalar[typ]
	if len(list) == 0 {
		return g.leaf(typ)
	}
	return g.call(pick(g.r, list), depth)
}

// leaf is a column or a constant.
func (g *generator) leaf(typ string) *node {
	if chance(g.r, 70) {
		if c := g.column(typ); c != nil {
			return c
		}
	}
	if chance(g.r, 6) {
		g.tainted = true // a NULL keeps a strict function's other arguments from being computed
		if chance(g.r, 50) {
			return expression(typ, "NULL")
		}
		return expression(typ, "NULL::"+sqlName(typ))
	}
	return g.constant(typ)
}

func (g *generator) constant(typ string) *node {
	v := value(g.r, typ, g.edge)
	if g.params != nil && chance(g.r, 60) {
		g.tainted = true // PostgreSQL plans with the values
		*g.params = append(*g.params, strings.ReplaceAll(v, "''", "'"))
		return expression(typ, fmt.Sprintf("$%d::%s", len(*g.params), sqlName(typ)))
	}
	return expression(typ, literal(typ, v, g.r.IntN(3)))
}

// column picks one of a type, most often from the innermost scope; nil if there is
// none.
func (g *generator) column(typ string) *node {
	for i := len(g.scopes) - 1; i >= 0; i-- {
		var fit []column
		for _, c := range g.scopes[i] {
			if c.typ == typ {
				fit = append(fit, c)
			}
		}
		if len(fit) > 0 && chance(g.r, 80) {
			return pick(g.r, fit).node()
		}
	}
	return nil
}

// wider are the types that turn into another by themselves.
var wider = map[string][]string{
	"int4": {"int2", "posint"}, "int8": {"int2", "int4"}, "numeric": {"int2", "int4", "int8"}, "float8": {"int4", "int8", "float4", "numeric"}, "float4": {"int2"},
	"text": {"varchar", "bpchar", "code"}, "timestamp": {"date"}, "timestamptz": {"date", "timestamp"}, "interval": {"time"},
}

// argument makes an expression for an argument of a declared type.
func (g *generator) argument(typ string, depth int) *node {
	if p, ok := special[typ]; ok {
		if chance(g.r, 90) || always[typ] {
			return syntax(quoteSpecial(typ, pick(g.r, p)))
		}
		if typ == "hour" || typ == "year" {
			return g.expr("int4", depth)
		}
		return g.expr("text", depth)
	}
	if typ == "any" {
		typ = pick(g.r, typeNames)
	}
	if w := wider[typ]; len(w) > 0 && chance(g.r, 12) {
		typ = pick(g.r, w)
	}
	if chance(g.r, 3) {
		return expression(typ, "'"+value(g.r, typ, g.edge)+"'")
	}
	return g.expr(typ, depth)
}

// always are the special pools that nothing else may stand for: another text would
// be read in ways that have no meaning, or take memory.
var always = map[string]bool{"zone": true, "small": true, "positive": true, "form": true, "numfmt": true, "timefmt": true, "datefmt": true, "datetext": true, "flags": true}

func quoteSpecial(pool, v string) string {
	switch pool {
	case "small", "positive", "year", "hour":
		if v[0] == '-' {
			return "(" + v + ")"
		}
		return v
	}
	return "'" + v + "'"
}

func (g *generator) call(k *call, depth int) *node {
	args := make([]*node, len(k.args))
	for i, a := range k.args {
		args[i] = g.argument(a, depth-1-g.r.IntN(2))
	}
	if !k.op {
		parts := []any{k.name + "("}
		for i, a := range args {
			if i > 0 {
				parts = append(parts, ", ")
			}
			parts = append(parts, a)
		}
		return expression(k.result, append(parts, ")")...)
	}
	var e *node
	if len(args) == 1 {
		e = expression(k.result, k.name+" ", args[0])
	} else {
		e = expression(k.result, args[0], " "+k.name+" ", args[1])
	}
	if chance(g.r, 5) {
		return e
	}
	return expression(k.result, "(", e, ")")
}

// form makes what is neither a call nor a cast.
func (g *generator) form(typ string, depth int) *node {
	d := depth - 1
	g.tainted = true // most forms compute only some of their parts
	switch g.r.IntN(8) {
	case 0:
		return expression(typ, "coalesce(", g.expr(typ, d), ", ", g.expr(typ, d), ")")
	case 1:
		return expression(typ, "nullif(", g.expr(typ, d), ", ", g.expr(typ, d), ")")
	case 2:
		if pools[typ].exact {
			return expression(typ, pick(g.r, []string{"greatest(", "least("}), g.expr(typ, d), ", ", g.expr(typ, d), optional(", ", g.expr(typ, d)), ")")
		}
	case 3:
		t := pick(g.r, []string{"int4", "text", "bool", "date"})
		return expression(typ, "CASE ", g.expr(t, d), " WHEN ", g.expr(t, d), " THEN ", g.expr(typ, d), optional(" WHEN ", g.expr(t, d), " THEN ", g.expr(typ, d)), optional(" ELSE ", g.expr(typ, d)), " END")
	case 4:
		if (typ == "int4" || typ == "text") && chance(g.r, 30) {
			return expression(typ, "(", g.expr("pair", d), map[string]string{"int4": ").x", "text": ").y"}[typ])
		}
		if typ == "int4" || typ == "text" || typ == "mood" || typ == "pair" {
			return expression(typ, "(", g.expr("_"+typ, d), ")[", g.argument("small", d), "]")
		}
		if typ[0] == '_' {
			if chance(g.r, 30) {
				return expression(typ, "(", g.expr(typ, d), ")[", g.argument("small", d), ":", g.argument("positive", d), "]")
			}
			return expression(typ, "ARRAY[", g.expr(typ[1:], d), optional(", ", g.expr(typ[1:], d)), "]")
		}
	case 5, 6:
		if typ == "pair" {
			return expression(typ, "ROW(", g.argument("int4", d), ", ", g.argument("text", d), ")::pair")
		}
		if typ == "numeric" {
			return expression(typ, "extract(", pick(g.r, special["part"]), " FROM ", g.expr(pick(g.r, []string{"date", "timestamp", "timestamptz", "interval", "time"}), d), ")")
		}
		if typ == "timestamp" || typ == "timestamptz" {
			other := map[string]string{"timestamp": "timestamptz", "timestamptz": "timestamp"}[typ]
			return expression(typ, "(", g.expr(other, d), " AT TIME ZONE ", g.argument("zone", d), ")")
		}
	}
	return expression(typ, "CASE WHEN ", g.expr("bool", d), " THEN ", g.expr(typ, d), optional(" WHEN ", g.expr("bool", d), " THEN ", g.expr(typ, d)), optional(" ELSE ", g.expr(typ, d)), " END")
}

// castsFrom lists what may be cast to a type. Text is read only from constants
// that look like the type: anything else is an error nearly always.
var castsFrom = map[string][]string{
	"int2": {"int4", "int8", "numeric", "float8", "float4"}, "int4": {"int2", "int8", "numeric", "float8", "float4", "bool", "posint"}, "int8": {"int2", "int4", "numeric", "float8", "float4"},
	"float4": {"int4", "float8", "numeric", "int8"}, "float8": {"int4", "int8", "float4", "numeric"}, "numeric": {"int2", "int4", "int8", "float8", "float4"},
	"posint": {"int4", "int2", "numeric", "int8"}, "code": {"text", "varchar", "mood"}, "bool": {"int4"}, "date": {"timestamp", "timestamptz"}, "time": {"timestamp", "timestamptz", "interval"}, "timestamp": {"date", "timestamptz"},
	"timestamptz": {"date", "timestamp"}, "interval": {"time"}, "varchar": {"text", "bpchar", "mood", "code"}, "bpchar": {"text", "varchar"}, "_text": {"_int4"},
	"text": {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "varchar", "bpchar", "bytea", "date", "time", "timestamp", "timestamptz", "interval", "uuid", "_int4", "_text", "mood", "pair", "code", "_mood", "posint"},
}

func (g *generator) cast(typ string, depth int) *node {
	from := castsFrom[typ]
	name := sqlName(typ)
	switch {
	case typ == "numeric" && chance(g.r, 40):
		name = pick(g.r, []string{"numeric(10,2)", "numeric(20,0)", "numeric(5,1)", "numeric(30,10)"})
	case typ == "varchar" || typ == "bpchar":
		name = pick(g.r, []string{"varchar(3)", "varchar", "char(4)", "char", "varchar(20)"})
		if typ == "bpchar" {
			name = pick(g.r, []string{"char(4)", "char(8)"})
		}
	case (typ == "timestamp" || typ == "timestamptz" || typ == "time" || typ == "interval") && chance(g.r, 40):
		name = typ + pick(g.r, []string{"(0)", "(3)", "(1)"})
	}
	var inner *node
	switch {
	case chance(g.r, 15) && typ != "text":
		inner = expression("text", "'"+value(g.r, typ, g.edge)+"'::text")
	case len(from) > 0:
		inner = g.expr(pick(g.r, from), depth-1)
	case typ == "bool":
		inner = g.expr("int4", depth-1)
	default:
		return nil
	}
	if chance(g.r, 50) {
		return expression(typ, "CAST(", inner, " AS "+name+")")
	}
	return expression(typ, "(", inner, ")::"+name)
}

// comparable are the types that conditions compare.
var comparable = []string{"int4", "text", "int8", "int2", "numeric", "date", "timestamp", "bool", "uuid", "varchar", "bpchar", "float8", "timestamptz", "time", "bytea", "interval", "_int4", "float4", "mood", "posint", "code", "pair", "_mood", "_pair"}

// condition is a boolean form that is not a call.
func (g *generator) condition(depth int) *node {
	d := depth - 1
	g.tainted = true
	t := pick(g.r, comparable)
	if chance(g.r, 60) { // most often over a column, so that it means something
		if c := g.anyColumn(); c != nil {
			t = c.typ
		}
	}
	a := func() *node { return g.argument(t, d) }
	not := pick(g.r, []string{"", "NOT "})
	n := g.r.IntN(16)
	if !g.subqueries && n >= 13 {
		n -= 5
	}
	switch n {
	case 0, 1:
		return expression("bool", "(", g.expr("bool", d), " AND ", g.expr("bool", d), ")")
	case 2, 3:
		return expression("bool", "(", g.expr("bool", d), " OR ", g.expr("bool", d), ")")
	case 4:
		return expression("bool", "(NOT ", g.expr("bool", d), ")")
	case 5:
		return expression("bool", "(", g.expr(pick(g.r, typeNames), d), " IS "+not+"NULL)")
	case 6:
		return expression("bool", "(", g.expr("bool", d), " IS "+not+pick(g.r, []string{"TRUE", "FALSE", "UNKNOWN"})+")")
	case 7:
		return expression("bool", "(", a(), " "+not+"BETWEEN "+pick(g.r, []string{"", "SYMMETRIC "}), a(), " AND ", a(), ")")
	case 8:
		return expression("bool", "(", a(), " "+not+"IN (", a(), optional(", ", a()), optional(", ", a()), "))")
	case 9:
		return expression("bool", "(", a(), " IS "+not+"DISTINCT FROM ", a(), ")")
	case 10:
		u := pick(g.r, []string{"int4", "text", "mood", "pair"})
		return expression("bool", "(", g.argument(u, d), " "+pick(g.r, []string{"=", "<>", "<", ">="})+" "+pick(g.r, []string{"ANY", "ALL"})+" (", g.expr("_"+u, d), "))")
	case 11:
		return expression("bool", "((", a(), ", ", g.expr("int4", d), ") "+pick(g.r, []string{"=", "<>", "<", ">=", "IS DISTINCT FROM"})+" (", a(), ", ", g.expr("int4", d), "))")
	case 12:
		return expression("bool", "(", g.expr("text", d), " "+not+pick(g.r, []string{"LIKE ", "ILIKE ", "SIMILAR TO "}), g.argument("like", d), ")")
	case 13:
		return expression("bool", not+"EXISTS (", g.subquery(nil, d), ")")
	case 14:
		return expression("bool", "(", a(), " "+not+"IN (", g.subquery([]string{t}, d), "))")
	}
	return expression("bool", "(", a(), " "+pick(g.r, []string{"=", "<>", "<", ">", "<=", ">="})+" "+pick(g.r, []string{"ANY", "ALL"})+" (", g.subquery([]string{t}, d), "))")
}

func (g *generator) anyColumn() *column {
	if len(g.scopes) == 0 {
		return nil
	}
	s := g.scopes[len(g.scopes)-1]
	if len(s) == 0 {
		return nil
	}
	c := pick(g.r, s)
	return &c
}

// predicate is a condition for WHERE: half of the time one that an index could
// serve.
func (g *generator) predicate(depth int) *node {
	c := g.anyColumn()
	if c == nil || chance(g.r, 45) {
		return g.expr("bool", depth)
	}
	k := func() *node {
		if chance(g.r, 70) {
			return g.constant(c.typ)
		}
		return g.argument(c.typ, 1)
	}
	var e *node
	switch g.r.IntN(7) {
	case 0, 1:
		e = expression("bool", c.node(), " = ", k())
	case 2:
		e = expression("bool", c.node(), pick(g.r, []string{" < ", " > ", " <= ", " >= ", " <> "}), k())
	case 3:
		e = expression("bool", c.node(), " BETWEEN ", k(), " AND ", k())
	case 4:
		e = expression("bool", c.node(), " IN (", k(), optional(", ", k()), optional(", ", k()), ")")
	case 5:
		e = expression("bool", c.node(), pick(g.r, []string{" IS NULL", " IS NOT NULL"}))
	default:
		e = expression("bool", k(), pick(g.r, []string{" = ", " < ", " >= "}), c.node())
	}
	if chance(g.r, 50) {
		return expression("bool", e, " AND ", g.predicate(depth-1))
	}
	if chance(g.r, 15) {
		return expression("bool", "(", e, " OR ", g.predicate(depth-1), ")")
	}
	return e
}
