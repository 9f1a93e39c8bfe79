package sqldiff

import (
	"slices"
	"strings"
)

// write makes an INSERT, UPDATE or DELETE and names the table it changes.
func (g *generator) write(depth int) (*node, *table) {
	g.tainted = true
	t := pick(g.r, g.tables)
	switch n := g.r.IntN(10); {
	case n < 4:
		return g.insert(t, depth), t
	case n < 8:
		return g.update(t, depth), t
	}
	return g.delete(t, depth), t
}

func tableScope(t *table, name string) []column {
	out := make([]column, len(t.columns))
	for i, c := range t.columns {
		out[i] = column{table: name, name: c.name, typ: c.typ, stored: true, qualify: true}
	}
	return out
}

func (g *generator) returning(scope []column, depth int) *node {
	if chance(g.r, 50) {
		return nil
	}
	if chance(g.r, 30) {
		return optional(" RETURNING *")
	}
	defer g.push(scope)()
	var items []*node
	for range 1 + g.r.IntN(3) {
		items = append(items, g.item("", min(depth-1, 2), false, false).node)
	}
	return optional(" RETURNING ", list(items))
}

// fitting is an expression that may be stored in a column. Floats and intervals get
// plain constants, so that a column's sum stays exact.
func (g *generator) fitting(c tableColumn, depth int) *node {
	switch {
	case chance(g.r, 6):
		return syntax("DEFAULT")
	case chance(g.r, 8) && !c.notNull:
		return syntax("NULL")
	case !pools[c.typ].exact || chance(g.r, 50):
		return syntax("'" + pick(g.r, pools[c.typ].plain) + "'")
	}
	return g.argument(c.typ, depth)
}

func (g *generator) insert(t *table, depth int) *node {
	var cols []tableColumn
	for _, c := range t.columns {
		if c.notNull || chance(g.r, 80) {
			cols = append(cols, c)
		}
	}
	if len(cols) == 0 {
		cols = t.columns
	}
	var names []string
	for _, c := range cols {
		names = append(names, c.name)
	}
	var rows []*node
	for range 1 + g.r.IntN(3) {
		row := []any{"("}
		for i, c := range cols {
			if i > 0 {
				row = append(row, ", ")
			}
			done := g.push(nil)
			row = append(row, g.fitting(c, 1))
			done()
		}
		rows = append(rows, syntax(append(row, ")")...))
	}
	source := syntax("VALUES ", list(rows))
	conflict := g.conflict(t, depth)
	if conflict == nil && chance(g.r, 15) {
		var types []string
		for _, c := range cols {
			types = append(types, c.typ)
		}
		if !slices.ContainsFunc(types, func(t string) bool { return !pools[t].exact }) {
			source = g.subquery(types, 2)
		}
	}
	return syntax("INSERT INTO "+t.name+" ("+strings.Join(names, ", ")+") ", source, conflict, g.returning(tableScope(t, t.name), depth))
}

func (g *generator) conflict(t *table, depth int) *node {
	if len(t.unique) == 0 || chance(g.r, 50) {
		return nil
	}
	target := ""
	u := pick(g.r, t.unique)
	if chance(g.r, 80) {
		target = " (" + strings.Join(u, ", ") + ")"
	}
	sets := g.sets(t, append(tableScope(t, t.name), tableScope(t, "excluded")...), depth)
	if target == "" || sets == nil || chance(g.r, 40) {
		return syntax(" ON CONFLICT" + target + " DO NOTHING")
	}
	where := (*node)(nil)
	if chance(g.r, 20) {
		done := g.push(append(tableScope(t, t.name), tableScope(t, "excluded")...))
		where = optional(" WHERE ", g.predicate(2))
		done()
	}
	return syntax(" ON CONFLICT"+target+" DO UPDATE SET ", sets, where)
}

// sets assigns to columns outside of unique indexes: among several rows the order
// would decide which of them is refused. nil if there are none.
func (g *generator) sets(t *table, scope []column, depth int) *node {
	defer g.push(scope)()
	var items []*node
	for _, c := range t.columns {
		if slices.ContainsFunc(t.unique, func(u []string) bool { return slices.Contains(u, c.name) }) || !chance(g.r, 50) {
			continue
		}
		items = append(items, syntax(c.name+" = ", g.fitting(c, min(depth-1, 3))))
	}
	if len(items) == 0 {
		return nil
	}
	return list(items)
}

func (g *generator) update(t *table, depth int) *node {
	scope := tableScope(t, t.name)
	if len(t.unique) > 0 && chance(g.r, 20) {
		// One row gets a new key.
		u := t.unique[0]
		var where []any
		for i, c := range u {
			if i > 0 {
				where = append(where, " AND ")
			}
			where = append(where, c+" = ", expression(t.column(c).typ, literal(t.column(c).typ, value(g.r, t.column(c).typ, 0), 0)))
		}
		c := t.column(pick(g.r, u))
		done := g.push(scope)
		e := g.fitting(c, 2)
		done()
		return syntax(append(append([]any{"UPDATE " + t.name + " SET " + c.name + " = ", e, " WHERE "}, where...), g.returning(scope, depth))...)
	}
	from, all, extra := (*node)(nil), scope, (*node)(nil)
	if len(t.unique) > 0 && chance(g.r, 15) {
		// Joined to itself over the whole key, a row meets one other at most.
		other := g.alias()
		from = syntax(" FROM " + t.name + " AS " + other)
		var on []string
		for _, c := range t.unique[0] {
			on = append(on, t.name+"."+c+" = "+other+"."+c)
		}
		extra = syntax(strings.Join(on, " AND ") + " AND ")
		all = append(append([]column(nil), scope...), tableScope(t, other)...)
	}
	sets := g.sets(t, all, depth)
	if sets == nil {
		return g.delete(t, depth)
	}
	defer g.push(all)()
	where := syntax(" WHERE ", extra, g.predicate(depth-1))
	if extra == nil {
		where.optional = true
	}
	return syntax("UPDATE "+t.name+" SET ", sets, from, where, g.returning(all, depth))
}

func (g *generator) delete(t *table, depth int) *node {
	scope := tableScope(t, t.name)
	using, all := (*node)(nil), scope
	ret := g.returning(scope, depth)
	if chance(g.r, 15) {
		n, rs := g.relation(1)
		if ret != nil && ret.String() == " RETURNING *" {
			ret = nil // which of several partners is shown is open
		}
		using, all = syntax(" USING ", n), append(append([]column(nil), scope...), qualified(rs)...)
	}
	defer g.push(all)()
	return syntax("DELETE FROM "+t.name, using, " WHERE ", g.predicate(depth-1), ret)
}
