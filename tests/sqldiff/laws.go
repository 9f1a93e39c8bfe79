package sqldiff

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A law is an equation between queries of one server, so it needs no other: what
// the two sides return must be the same rows.
//
//   - Ternary logic partitioning (Rigger and Su, OOPSLA 2020): a query gives what its
//     parts WHERE p, WHERE NOT p and WHERE p IS NULL give together.
//   - NoREC (Rigger and Su, ESEC/FSE 2020): as many rows meet a condition in WHERE,
//     where an index may serve it, as in the select list, where none can.
//   - Plan independence: a query gives the same with the planner's rules and without.
type law struct {
	name string
	// make returns the two sides. They are sums of the rows of several queries.
	make func(g *generator) (left, right []string)
}

var laws = []law{
	{"tlp", partitionRows}, {"tlp", partitionRows}, {"tlp distinct", partitionDistinct}, {"tlp aggregate", partitionAggregate}, {"tlp having", partitionHaving},
}

var norec = law{"norec", countTwice}

// partitions are the three conditions that p makes.
func partitions(p string) []string { return []string{p, "NOT " + p, p + " IS NULL"} }

func (g *generator) source() (from string, scope []column) {
	n, scope := g.from(1 + g.r.IntN(3))
	return n.String(), scope
}

// selectable are columns whose values may be compared, with a few to spare.
func selectable(r *rand.Rand, scope []column) []column {
	var out []column
	for _, c := range scope {
		if c.exact() {
			out = append(out, c)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(len(out), 1+r.IntN(3))]
}

func names(cols []column) string {
	if len(cols) == 0 {
		return "1"
	}
	var out []string
	for _, c := range cols {
		out = append(out, c.node().String())
	}
	return strings.Join(out, ", ")
}

func (g *generator) lawPredicate(scope []column) string {
	defer g.push(scope)()
	return "(" + g.predicate(1+g.r.IntN(4)).String() + ")"
}

func partitionRows(g *generator) (left, right []string) {
	from, scope := g.source()
	list := names(selectable(g.r, scope))
	for _, p := range partitions(g.lawPredicate(scope)) {
		right = append(right, "SELECT "+list+" FROM "+from+" WHERE "+p)
	}
	return []string{"SELECT " + list + " FROM " + from}, right
}

func partitionDistinct(g *generator) (left, right []string) {
	from, scope := g.source()
	list := names(selectable(g.r, scope))
	var parts []string
	for _, p := range partitions(g.lawPredicate(scope)) {
		parts = append(parts, "SELECT DISTINCT "+list+" FROM "+from+" WHERE "+p)
	}
	return []string{"SELECT DISTINCT " + list + " FROM " + from}, []string{strings.Join(parts, " UNION ")}
}

func partitionAggregate(g *generator) (left, right []string) {
	from, scope := g.source()
	heads, tails := []string{"count(*)"}, []string{"sum(a0)::int8"}
	for _, c := range selectable(g.r, scope) {
		if c.typ == "bool" || c.typ == "uuid" || c.typ == "bytea" {
			continue
		}
		aggs := []string{"min", "max"}
		if c.typ == "int2" || c.typ == "int4" || c.typ == "int8" {
			aggs = append(aggs, "sum")
		}
		a := pick(g.r, aggs)
		tails = append(tails, fmt.Sprintf("%s(a%d)", a, len(heads)))
		h := a + "(" + c.node().String() + ")"
		if a == "sum" {
			h += "::numeric"
		}
		heads = append(heads, h)
	}
	for i := range heads {
		heads[i] += fmt.Sprintf(" AS a%d", i)
	}
	list := strings.Join(heads, ", ")
	var parts []string
	for _, p := range partitions(g.lawPredicate(scope)) {
		parts = append(parts, "SELECT "+list+" FROM "+from+" WHERE "+p)
	}
	return []string{"SELECT " + list + " FROM " + from}, []string{"SELECT " + strings.Join(tails, ", ") + " FROM (" + strings.Join(parts, " UNION ALL ") + ") AS parts"}
}

func partitionHaving(g *generator) (left, right []string) {
	from, scope := g.source()
	keys := selectable(g.r, scope)
	if len(keys) == 0 {
		return partitionRows(g)
	}
	visible := append(slices.Clone(keys), column{typ: "int8", computed: expression("int8", "count(*)")})
	if c := keys[0]; c.typ == "int4" {
		visible = append(visible, column{typ: "int4", computed: expression("int4", "max("+c.node().String()+")")})
	}
	q := "SELECT " + names(keys) + ", count(*) FROM " + from + " GROUP BY " + names(keys)
	g.subqueries = false
	for _, p := range partitions(g.lawPredicate(visible)) {
		right = append(right, q+" HAVING "+p)
	}
	return []string{q}, right
}

func countTwice(g *generator) (left, right []string) {
	from, scope := g.source()
	p := g.lawPredicate(scope)
	return []string{"SELECT count(*) FROM " + from + " WHERE " + p}, []string{"SELECT coalesce(sum((" + p + " IS TRUE)::int), 0) FROM " + from}
}

// lawRun checks laws on one server.
type lawRun struct {
	conn  *pgconn.PgConn
	calls *calls
	seed  uint64
	logf  func(format string, args ...any)

	checked, errors, broken int
}

// check makes n instances of laws over scenarios of their own.
func (l *lawRun) check(ctx context.Context, n int, which ...law) error {
	for i := 0; l.checked < n && l.broken < 10; i++ {
		r := rand.New(rand.NewPCG(l.seed, uint64(i)))
		sc := newScenario(r, i%10 == 9)
		if err := l.setup(ctx, sc); err != nil {
			return err
		}
		for range scenarioStatements {
			w := pick(r, which)
			g := &generator{r: r, calls: l.calls, tables: sc.tables, edge: 5, subqueries: chance(r, 40)}
			left, right := w.make(g)
			if err := l.equation(ctx, sc, w.name, left, right); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lawRun) setup(ctx context.Context, sc *scenario) error {
	if err := dropTables(ctx, l.conn); err != nil {
		return err
	}
	for _, s := range sc.setup {
		if o, err := run(ctx, l.conn, statement{sql: s}); err != nil {
			return err
		} else if o.err != nil && o.err.Code[:2] != "23" {
			return fmt.Errorf("%s: %w", s, o.err)
		}
	}
	return nil
}

func (l *lawRun) equation(ctx context.Context, sc *scenario, name string, left, right []string) error {
	l.checked++
	a, ok, err := l.rows(ctx, left)
	if err != nil || !ok {
		return err
	}
	b, ok, err := l.rows(ctx, right)
	if err != nil || !ok {
		return err
	}
	if slices.Equal(a, b) {
		return nil
	}
	l.broken++
	l.logf("seed %d: %s: %d rows and %d rows differ\n%s\n-- left\n%s;\n-- right\n%s;", l.seed, name, len(a), len(b),
		strings.Join(relevant(sc.setup, strings.Join(left, " ")), ";\n"), strings.Join(left, ";\n"), strings.Join(right, ";\n"))
	return nil
}

// rows are the rows of all queries as text, sorted. An error of a value makes the
// instance void: one side may meet it and the other not.
func (l *lawRun) rows(ctx context.Context, queries []string) ([]string, bool, error) {
	var out []string
	for _, q := range queries {
		o, err := run(ctx, l.conn, statement{sql: q})
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", q, err)
		}
		if o.err != nil {
			l.errors++
			if o.err.Code == "XX000" {
				l.broken++
				l.logf("seed %d: internal error: %s\n%s", l.seed, o.err.Message, q)
			}
			return nil, false, nil
		}
		for _, row := range o.rows {
			var b bytes.Buffer
			for _, v := range row {
				if v == nil {
					b.WriteString("\x00N")
				}
				b.Write(v)
				b.WriteByte(0)
			}
			out = append(out, b.String())
		}
	}
	sort.Strings(out)
	return out, true, nil
}

// independent compares queries with the planner's rules on (l.conn) and off.
func (l *lawRun) independent(ctx context.Context, off *pgconn.PgConn, n int) error {
	for i := 0; l.checked < n && l.broken < 10; i++ {
		r := rand.New(rand.NewPCG(l.seed, uint64(i)))
		sc := newScenario(r, i%10 == 9)
		if err := l.setup(ctx, sc); err != nil {
			return err
		}
		for range scenarioStatements {
			g := &generator{r: r, calls: l.calls, tables: slices.Clone(sc.tables), edge: 5, subqueries: chance(r, 50)}
			root, order := g.query(1 + r.IntN(5))
			s := statement{sql: root.String(), order: order, tainted: true}
			l.checked++
			a, err := run(ctx, l.conn, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.sql, err)
			}
			b, err := run(ctx, off, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.sql, err)
			}
			if a.err != nil || b.err != nil {
				l.errors++
				if a.err != nil && a.err.Code == "57014" || b.err != nil && b.err.Code == "57014" {
					continue // without the rules some would run for hours
				}
				if a.err != nil && dataErrorCode(a.err.Code) || b.err != nil && dataErrorCode(b.err.Code) {
					continue
				}
			}
			d := compare(s, a, b)
			if d.kind == "" || d.kind == "type modifier" {
				continue
			}
			l.broken++
			l.logf("seed %d: rules on and off: %s: %s\n%s\n%s;", l.seed, d.kind, d.detail, strings.Join(relevant(sc.setup, s.sql), ";\n"), s.sql)
		}
	}
	return nil
}
