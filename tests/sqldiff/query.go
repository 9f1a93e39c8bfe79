package sqldiff

import (
	"fmt"
	"strconv"
	"strings"
)

// item is an expression of a select list.
type item struct {
	node   *node
	typ    string
	exact  bool
	stored bool
}

// exactTypes are those whose equal values print alike.
var exactTypes = func() []string {
	var out []string
	for _, t := range typeNames {
		if pools[t].exact {
			out = append(out, t)
		}
	}
	return out
}()

// push opens a scope; the function returned closes it.
func (g *generator) push(s []column) func() {
	g.scopes = append(g.scopes, s)
	return func() { g.scopes = g.scopes[:len(g.scopes)-1] }
}

func (g *generator) alias() string {
	g.aliases++
	return "r" + strconv.Itoa(g.aliases)
}

// query makes a SELECT for the top of a statement. order is the text of its ORDER
// BY if that settles the order of all rows.
func (g *generator) query(depth int) (q *node, order string) {
	var with *node
	if chance(g.r, 12) {
		with = g.with(depth - 1)
	}
	body, items := g.body(nil, depth, true)
	q = syntax(with, body)
	total := true
	for _, it := range items {
		total = total && it.exact
	}
	if chance(g.r, 50) {
		by, limit := g.orderBy(len(items)), (*node)(nil)
		if total {
			order = by
			if chance(g.r, 50) {
				limit = optional(g.limit())
			}
		}
		q.parts = append(q.parts, part{sub: optional(by, limit)})
	}
	return q, order
}

func (g *generator) with(depth int) *node {
	sub, items := g.body(nil, min(depth, 3), false)
	name := "w" + strconv.Itoa(len(g.tables))
	cols := make([]string, len(items))
	t := &table{name: name, derived: true}
	for i, it := range items {
		cols[i] = "x" + strconv.Itoa(i)
		t.columns = append(t.columns, tableColumn{name: cols[i], typ: it.typ, loose: !it.stored})
	}
	g.tables = append(g.tables, t)
	return syntax("WITH "+name+" ("+strings.Join(cols, ", ")+") AS "+pick(g.r, []string{"", "", "MATERIALIZED ", "NOT MATERIALIZED "})+"(", sub, ") ")
}

func (g *generator) orderBy(n int) string {
	var by []string
	for _, i := range g.r.Perm(n) {
		by = append(by, strconv.Itoa(i+1)+pick(g.r, []string{"", "", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"}))
	}
	return " ORDER BY " + strings.Join(by, ", ")
}

func (g *generator) limit() string {
	s := pick(g.r, []string{"", " LIMIT " + strconv.Itoa(g.r.IntN(6)), " FETCH FIRST " + strconv.Itoa(1+g.r.IntN(4)) + " ROWS ONLY"})
	if s == "" || chance(g.r, 40) {
		s = " OFFSET " + strconv.Itoa(g.r.IntN(4)) + s
	}
	return s
}

// subquery is a query inside an expression or FROM. types nil leaves the columns
// to it.
func (g *generator) subquery(types []string, depth int) *node {
	q, _ := g.body(types, min(depth, 2), false)
	return q
}

// body makes a select or a set operation of selects. The select list has these
// types, or random ones.
func (g *generator) body(types []string, depth int, top bool) (*node, []item) {
	if depth >= 2 && chance(g.r, 14) {
		return g.setOperation(types, depth)
	}
	q, items := g.selects(types, depth, top)
	exact := true
	for _, it := range items {
		exact = exact && it.exact
	}
	if !top && exact && chance(g.r, 12) {
		q = syntax(q, optional(g.orderBy(len(items)), g.limit()))
	}
	return q, items
}

func (g *generator) setOperation(types []string, depth int) (*node, []item) {
	g.tainted = true
	op := pick(g.r, []string{" UNION ALL ", " UNION ", " INTERSECT ", " EXCEPT ", " INTERSECT ALL ", " EXCEPT ALL "})
	if types == nil {
		for range 1 + g.r.IntN(3) {
			types = append(types, pick(g.r, exactTypes))
		}
	}
	for _, t := range types {
		if !pools[t].exact {
			op = " UNION ALL "
		}
	}
	a, ia := g.selects(types, depth-1, false)
	b, _ := g.selects(types, depth-1, false)
	for i := range ia {
		ia[i].exact, ia[i].stored = pools[types[i]].exact, false
		ia[i].typ = types[i]
	}
	return syntax("(", a, ")"+op+"(", b, ")"), ia
}

// selects makes one SELECT.
func (g *generator) selects(types []string, depth int, top bool) (*node, []item) {
	var from, where, group, having *node
	var scope []column
	if !chance(g.r, 6) {
		from, scope = g.from(depth)
		from = syntax(" FROM ", from)
	}
	done := g.push(scope)
	defer func() { done() }()
	if from != nil && chance(g.r, 60) {
		g.tainted = true
		where = optional(" WHERE ", g.predicate(depth-1))
	}
	aggregated := from != nil && chance(g.r, 30)
	if aggregated {
		g.tainted = true
		var visible []column
		group, visible = g.grouping(scope, depth)
		done()
		done = g.push(visible)
		if chance(g.r, 30) {
			having = optional(" HAVING ", g.expr("bool", min(depth-1, 3)))
		}
	}
	distinct := chance(g.r, 12)
	var items []item
	if types == nil {
		for range 1 + g.r.IntN(3) {
			items = append(items, g.item("", depth-1, distinct, top && !distinct && !aggregated))
		}
	}
	for _, t := range types {
		distinct = distinct && pools[t].exact
		items = append(items, g.item(t, depth-1, false, false))
	}
	exact := true
	list := make([]any, 0, 2*len(items))
	for i, it := range items {
		exact = exact && it.exact
		if i > 0 {
			list = append(list, ", ")
		}
		list = append(list, it.node)
		if chance(g.r, 20) {
			list = append(list, fmt.Sprintf(" AS n%d", i))
		}
	}
	head := "SELECT "
	if distinct && exact {
		head = "SELECT DISTINCT "
	}
	return syntax(head, syntax(list...), from, where, group, having), items
}

// item makes an expression of a select list; typ "" leaves the type to it.
func (g *generator) item(typ string, depth int, exact, inexact bool) item {
	if c := g.anyColumn(); c != nil && typ == "" && chance(g.r, 30) && (!exact || c.exact()) {
		return item{node: c.node(), typ: c.typ, exact: c.exact(), stored: c.stored}
	}
	if inexact && chance(g.r, 6) {
		return item{node: g.call(pick(g.r, g.calls.inexact), min(depth, 2)), typ: "float8"}
	}
	if typ == "" {
		typ = pick(g.r, typeNames)
		if exact {
			typ = pick(g.r, exactTypes)
		}
	}
	return item{node: g.expr(typ, depth), typ: typ, exact: pools[typ].exact}
}

// grouping makes GROUP BY and returns what may be read behind it.
func (g *generator) grouping(scope []column, depth int) (*node, []column) {
	var keys []any
	var visible []column
	for range g.r.IntN(3) {
		if len(scope) == 0 {
			break
		}
		c := pick(g.r, scope)
		if !c.exact() {
			continue
		}
		if len(keys) > 0 {
			keys = append(keys, ", ")
		}
		keys = append(keys, c.node())
		visible = append(visible, c)
	}
	for range 2 + g.r.IntN(3) {
		if a := g.aggregate(pick(g.r, typeNames), depth-1); a != nil {
			visible = append(visible, *a)
		}
	}
	if len(keys) == 0 {
		if len(visible) == 0 || chance(g.r, 10) {
			visible = append(visible, column{typ: "int8", computed: expression("int8", "count(*)")})
		}
		return nil, visible
	}
	return syntax(append([]any{" GROUP BY "}, keys...)...), visible
}

// aggregate makes one with a result of a type; nil if there is none.
func (g *generator) aggregate(typ string, depth int) *column {
	sub := g.subqueries
	g.subqueries = sub && chance(g.r, 20)
	defer func() { g.subqueries = sub }()
	depth = min(depth, 3)
	filter := (*node)(nil)
	if chance(g.r, 15) {
		filter = optional(" FILTER (WHERE ", g.expr("bool", depth-1), ")")
	}
	if typ == "text" && chance(g.r, 50) {
		e := g.expr("text", depth-1)
		return &column{typ: typ, computed: expression(typ, "string_agg("+pick(g.r, []string{"", "DISTINCT "}), e, ", ',' ORDER BY ", e, ")", filter)}
	}
	if typ == "_int4" || typ == "_text" {
		e := g.expr(typ[1:], depth-1)
		return &column{typ: typ, computed: expression(typ, "array_agg(", e, " ORDER BY ", e, pick(g.r, []string{"", " DESC"}), ")", filter)}
	}
	if typ == "int8" && chance(g.r, 30) {
		return &column{typ: typ, computed: expression(typ, "count(*)", filter)}
	}
	list := g.calls.aggregate[typ]
	if len(list) == 0 {
		return nil
	}
	k := pick(g.r, list)
	if k.inexact {
		return nil
	}
	var args []any
	exact := true
	for i, a := range k.args {
		if i > 0 {
			args = append(args, ", ")
		}
		if a == "any" {
			a = pick(g.r, exactTypes)
		}
		e := (*node)(nil)
		if !pools[a].exact && a != "numeric" || (a == "numeric" && (k.name == "min" || k.name == "max")) {
			exact = false
			if e = g.storedColumn(a); e == nil {
				return nil
			}
		} else {
			e = g.expr(a, depth-1)
		}
		args = append(args, e)
	}
	distinct := ""
	if exact && chance(g.r, 20) && len(k.args) == 1 && k.args[0] != "numeric" {
		distinct = "DISTINCT "
	}
	if len(k.args) == 0 {
		return &column{typ: typ, computed: expression(typ, k.name+"(*)", filter)}
	}
	return &column{typ: typ, computed: expression(typ, append(append([]any{k.name + "(" + distinct}, args...), ")", filter)...)}
}

// storedColumn is a column of the innermost scope that holds what a table holds.
func (g *generator) storedColumn(typ string) *node {
	if len(g.scopes) == 0 {
		return nil
	}
	for _, c := range g.scopes[len(g.scopes)-1] {
		if c.typ == typ && c.stored {
			return c.node()
		}
	}
	return nil
}

func (g *generator) scalarSubquery(typ string, depth int) *node {
	g.tainted = true
	if chance(g.r, 20) {
		return expression(typ, "(SELECT ", g.expr(typ, depth-1), ")")
	}
	from, scope := g.from(1)
	defer g.push(scope)()
	a := g.aggregate(typ, depth-1)
	if a == nil {
		return expression(typ, "(SELECT ", g.expr(typ, depth-1), ")")
	}
	return expression(typ, "(SELECT ", a.computed, " FROM ", from, optional(" WHERE ", g.predicate(depth-1)), ")")
}

// from makes what stands behind FROM, with one to three relations.
func (g *generator) from(depth int) (*node, []column) {
	n, scope := g.relation(depth)
	more := 0
	if depth >= 2 && chance(g.r, 40) {
		more = 1 + g.r.IntN(2)
	}
	for range more {
		g.tainted = true
		n, scope = g.join(n, scope, depth-1)
	}
	return n, scope
}

// join joins a further relation.
func (g *generator) join(left *node, ls []column, depth int) (*node, []column) {
	kind := pick(g.r, []string{"JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ",", "LATERAL"})
	if kind == "LATERAL" {
		done := g.push(qualified(ls))
		name := g.alias()
		q, items := g.body(nil, min(depth, 2), false)
		done()
		cols, rs := derived(name, items)
		both := append(qualified(ls), rs...)
		if chance(g.r, 50) {
			return syntax(left, " CROSS JOIN LATERAL (", q, ") AS "+name+cols), both
		}
		return syntax(left, " LEFT JOIN LATERAL (", q, ") AS "+name+cols+" ON true"), both
	}
	right, rs := g.relation(depth)
	both := append(qualified(ls), qualified(rs)...)
	if kind == "CROSS JOIN" || kind == "," {
		return syntax(left, " "+kind+" ", right), both
	}
	if kind == "FULL JOIN" { // PostgreSQL wants a condition that it can hash or merge
		for _, a := range ls {
			for _, b := range rs {
				if a.typ == b.typ && a.computed == nil {
					return syntax("(", left, " FULL JOIN ", right, " ON ", qualify(a).node(), " = ", qualify(b).node(), ")"), both
				}
			}
		}
		kind = "LEFT JOIN"
	}
	for _, a := range ls {
		for _, b := range rs {
			if a.typ == b.typ && chance(g.r, 40) {
				extra := (*node)(nil)
				if chance(g.r, 25) {
					done := g.push(both)
					extra = optional(" AND ", g.expr("bool", min(depth, 2)))
					done()
				}
				return syntax("(", left, " "+kind+" ", right, " ON ", qualify(a).node(), pick(g.r, []string{" = ", " = ", " = ", " < "}), qualify(b).node(), extra, ")"), both
			}
		}
	}
	done := g.push(both)
	defer done()
	return syntax("(", left, " "+kind+" ", right, " ON ", g.predicate(min(depth, 2)), ")"), both
}

func qualify(c column) column { c.qualify = true; return c }

func qualified(s []column) []column {
	out := make([]column, len(s))
	for i, c := range s {
		out[i] = qualify(c)
	}
	return out
}

// derived names the columns of a subquery in FROM.
func derived(name string, items []item) (string, []column) {
	var names []string
	var scope []column
	for i, it := range items {
		n := "y" + strconv.Itoa(i)
		names = append(names, n)
		scope = append(scope, column{table: name, name: n, typ: it.typ, stored: it.stored, qualify: true})
	}
	return "(" + strings.Join(names, ", ") + ")", scope
}

func (g *generator) relation(depth int) (*node, []column) {
	name := g.alias()
	switch n := g.r.IntN(100); {
	case n < 10 && depth >= 2:
		q, items := g.body(nil, depth-1, false)
		cols, scope := derived(name, items)
		return syntax("(", q, ") AS "+name+cols), scope
	case n < 15:
		return g.values(name)
	case n < 18:
		return syntax("generate_series(" + quoteSpecial("small", pick(g.r, special["small"])) + ", " + pick(g.r, special["positive"]) + ") AS " + name + "(y0)"),
			[]column{{table: name, name: "y0", typ: "int4", stored: true, qualify: true}}
	case n < 20:
		typ := pick(g.r, []string{"int4", "text"})
		return syntax("unnest(", g.constant("_"+typ), ") AS "+name+"(y0)"), []column{{table: name, name: "y0", typ: typ, stored: true, qualify: true}}
	}
	t := pick(g.r, g.tables)
	scope := make([]column, len(t.columns))
	q := chance(g.r, 80)
	for i, c := range t.columns {
		scope[i] = column{table: name, name: c.name, typ: c.typ, stored: !c.loose, qualify: q}
	}
	return syntax(t.name + " AS " + name), scope
}

func (g *generator) values(name string) (*node, []column) {
	var types []string
	for range 1 + g.r.IntN(2) {
		types = append(types, pick(g.r, exactTypes))
	}
	var rows []*node
	for range 1 + g.r.IntN(4) {
		row := []any{"("}
		for i, t := range types {
			if i > 0 {
				row = append(row, ", ")
			}
			row = append(row, expression(t, literal(t, value(g.r, t, g.edge), 0)))
		}
		rows = append(rows, syntax(append(row, ")")...))
	}
	var items []item
	for _, t := range types {
		items = append(items, item{typ: t, exact: true, stored: true})
	}
	cols, scope := derived(name, items)
	return syntax("(VALUES ", list(rows), ") AS "+name+cols), scope
}
