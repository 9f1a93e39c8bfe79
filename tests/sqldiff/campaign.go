package sqldiff

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// scenarioStatements is how many statements run over one schema.
const scenarioStatements = 150

// campaign runs generated statements on both servers.
type campaign struct {
	quorate, postgres *pgconn.PgConn
	calls             *calls
	accepted          []*accepted
	seed              uint64
	// numbers of users' types on each server, to ours.
	quorateOIDs, postgresOIDs map[uint32]uint32

	logf func(format string, args ...any)

	// history are the statements that made the present state of both servers.
	history []string

	compared, errors, reordered, timeouts int
	findings                              []finding
	// known counts differences that look alike: one of each is kept.
	known map[string]int
	// most findings that are shrunk and kept.
	most int
}

// finding is a difference with what repeats it.
type finding struct {
	diff     difference
	scenario int
	script   string
}

func (c *campaign) scenarioRand(i int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(i))) }

// both runs a statement on the two servers at once.
func (c *campaign) both(ctx context.Context, s statement) (q, p *outcome, err error) {
	type answer struct {
		o   *outcome
		err error
	}
	ch := make(chan answer, 1)
	go func() { // ends with the statement
		o, err := run(ctx, c.postgres, s)
		ch <- answer{o, err}
	}()
	q, err = run(ctx, c.quorate, s)
	a := <-ch
	if err != nil {
		return nil, nil, fmt.Errorf("quorate: %w\n%s", err, s.sql)
	}
	if a.err != nil {
		return nil, nil, fmt.Errorf("postgres: %w\n%s", a.err, s.sql)
	}
	q.renumber(c.quorateOIDs)
	a.o.renumber(c.postgresOIDs)
	return q, a.o, nil
}

// rebuild makes the state of a history anew on both servers.
func (c *campaign) rebuild(ctx context.Context, history []string) error {
	for _, conn := range []*pgconn.PgConn{c.quorate, c.postgres} {
		if err := dropTables(ctx, conn); err != nil {
			return err
		}
	}
	c.history = nil
	for _, h := range history {
		s := statement{sql: h}
		q, p, err := c.both(ctx, s)
		if err != nil {
			return err
		}
		if d := compare(s, q, p); d.kind != "" {
			c.found(0, d, []string{h})
			continue
		}
		if q.err == nil {
			c.history = append(c.history, h)
		}
	}
	return nil
}

func dropTables(ctx context.Context, conn *pgconn.PgConn) error {
	r, err := run(ctx, conn, statement{sql: "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relkind = 'r'"})
	if err != nil {
		return err
	}
	var names []string
	for _, row := range r.rows {
		names = append(names, string(row[0]))
	}
	if len(names) == 0 {
		return nil
	}
	if r, err = run(ctx, conn, statement{sql: "DROP TABLE " + strings.Join(names, ", ")}); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// run compares about n statements, from scenario first on.
func (c *campaign) run(ctx context.Context, first, n int) error {
	c.known = map[string]int{}
	for i := first; c.compared < n && len(c.findings) < c.most; i++ {
		if err := c.scenario(ctx, i); err != nil {
			return fmt.Errorf("seed %d, scenario %d: %w", c.seed, i, err)
		}
		if i%50 == 49 {
			c.logf("%s", c.summary())
		}
	}
	return nil
}

func (c *campaign) scenario(ctx context.Context, i int) error {
	r := c.scenarioRand(i)
	sc := newScenario(r, i%10 == 9)
	if err := c.rebuild(ctx, sc.setup); err != nil {
		return err
	}
	for range scenarioStatements {
		if err := c.statement(ctx, r, sc, i); err != nil {
			return err
		}
		if len(c.findings) >= c.most {
			break
		}
	}
	return nil
}

// statement makes and compares one statement.
func (c *campaign) statement(ctx context.Context, r *rand.Rand, sc *scenario, i int) error {
	g := &generator{r: r, calls: c.calls, tables: slices.Clone(sc.tables), edge: pick(r, []int{3, 3, 15}), subqueries: chance(r, 50)}
	s := statement{extended: chance(r, 40), binary: chance(r, 15)}
	s.extended = s.extended || s.binary
	if chance(r, 10) {
		g.params = &[]string{}
	}
	var root *node
	var written *table
	switch n := r.IntN(100); {
	case n < 25:
		root = g.simple(1 + r.IntN(6))
	case n < 78:
		root, s.order = g.query(1 + r.IntN(6))
	default:
		g.params, s = nil, statement{}
		root, written = g.write(1 + r.IntN(4))
	}
	if g.params != nil {
		s.params = *g.params
	}
	s.sql, s.tainted = root.String(), g.tainted
	if len(s.sql) > 20000 {
		return nil
	}
	return c.check(ctx, s, root, written, i)
}

// simple is a SELECT whose errors do not depend on the order in which parts are
// computed: expressions over one table.
func (g *generator) simple(depth int) *node {
	g.subqueries = false
	var from *node
	var scope []column
	if chance(g.r, 75) {
		from, scope = g.relation(0)
		from = syntax(" FROM ", from)
	}
	defer g.push(scope)()
	if chance(g.r, 25) {
		return syntax("SELECT ", g.call(pick(g.r, g.calls.inexact), min(depth, 2)), from)
	}
	return syntax("SELECT ", g.expr(pick(g.r, typeNames), depth), optional(", ", g.expr(pick(g.r, typeNames), min(depth, 3))), from)
}

func (c *campaign) check(ctx context.Context, s statement, root *node, written *table, scenario int) error {
	began := len(c.history)
	d, ok, err := c.try(ctx, s)
	if err != nil {
		return err
	}
	c.compared++
	if d.kind == "" && !ok {
		c.errors++
	}
	if d.kind == "" && written != nil && ok {
		c.history = append(c.history, s.sql)
		d, err = c.sameTable(ctx, written)
		if err != nil {
			return err
		}
	}
	if d.kind == "" || c.excused(s, d) {
		if d.kind != "" && written != nil {
			return c.rebuild(ctx, c.history[:began])
		}
		return nil
	}
	base := slices.Clone(c.history[:began])
	again := func(n *node) bool {
		t := s
		t.sql = n.String()
		if written == nil {
			e, _, err := c.try(ctx, t)
			return err == nil && e.kind == d.kind && !c.excused(t, e)
		}
		return c.writeDiffers(ctx, t, written, d.kind)
	}
	if written != nil {
		if err := c.rebuild(ctx, base); err != nil {
			return err
		}
	}
	if t := time.Now(); true {
		root = shrink(root, 400, func(n *node) bool { return time.Since(t) < 20*time.Second && again(n) })
	}
	t := s
	t.sql = root.String()
	if written == nil {
		if e, _, err := c.try(ctx, t); err == nil && e.kind != "" {
			d = e
		}
	}
	key := signature(t.sql, d)
	if c.known[key]++; c.known[key] > 1 {
		if written != nil {
			return c.rebuild(ctx, base)
		}
		return nil
	}
	script := relevant(base, t.sql)
	if len(s.params) > 0 {
		script = append(script, "-- parameters: "+strings.Join(s.params, ", "))
	}
	c.found(scenario, d, append(script, t.sql))
	if written != nil {
		return c.rebuild(ctx, base)
	}
	return nil
}

// writeDiffers runs a statement that writes in a transaction and takes it back.
func (c *campaign) writeDiffers(ctx context.Context, t statement, written *table, kind string) bool {
	if _, _, err := c.both(ctx, statement{sql: "BEGIN"}); err != nil {
		return false
	}
	defer func() { _, _, _ = c.both(ctx, statement{sql: "ROLLBACK"}) }()
	e, ok, err := c.try(ctx, t)
	if err == nil && e.kind == "" && ok {
		e, err = c.sameTable(ctx, written)
	}
	return err == nil && e.kind == kind && !c.excused(t, e)
}

// try runs and compares; ok says that both succeeded.
func (c *campaign) try(ctx context.Context, s statement) (d difference, ok bool, err error) {
	q, p, err := c.both(ctx, s)
	if err != nil {
		return difference{}, false, err
	}
	if q.err != nil && (q.err.Code == "57014" || q.err.Code == "53200") || p.err != nil && p.err.Code == "57014" {
		c.timeouts++
		return difference{}, false, nil
	}
	return compare(s, q, p), q.err == nil && p.err == nil, nil
}

func (c *campaign) sameTable(ctx context.Context, t *table) (difference, error) {
	d, _, err := c.try(ctx, statement{sql: "SELECT * FROM " + t.name})
	if d.kind != "" {
		d.kind = "table after: " + d.kind
	}
	return d, err
}

func (c *campaign) excused(s statement, d difference) bool {
	if code, ok := strings.CutPrefix(d.kind, "error "); ok && s.tainted && dataErrorCode(code) && (code != "0A000" || arrayFault.MatchString(d.detail)) || strings.HasPrefix(d.kind, "no error ") && s.tainted && dataErrorCode(strings.TrimPrefix(d.kind, "no error ")) {
		c.reordered++
		return true
	}
	for _, a := range c.accepted {
		if a.matches(s, d) {
			a.used++
			return true
		}
	}
	return false
}

// arrayFault are errors of values that have the code of what is not built.
var arrayFault = regexp.MustCompile("multidimensional|cannot be binned|^unit .* not supported for type|^cannot convert (NaN|infinity)")

func dataErrorCode(code string) bool {
	return len(code) == 5 && (code[:2] == "22" || code == "21000" || code == "23514" || code == "0A000")
}

func (c *campaign) found(scenario int, d difference, script []string) {
	c.findings = append(c.findings, finding{d, scenario, strings.Join(script, ";\n") + ";"})
	c.logf("seed %d, scenario %d: %s: %s\n%s;", c.seed, scenario, d.kind, d.detail, strings.Join(script, ";\n"))
}

var tableName = regexp.MustCompile(`\bt[0-3]\b`)

// relevant are the statements that speak of the tables that sql speaks of.
func relevant(history []string, sql string) []string {
	names := tableName.FindAllString(sql, -1)
	var out []string
	for _, h := range history {
		if n := tableName.FindString(h); slices.Contains(names, n) {
			out = append(out, h)
		}
	}
	return out
}

var (
	numbers = regexp.MustCompile(`[0-9]+`)
	callees = regexp.MustCompile(`[a-z_]+[a-z0-9_]*\(|::[a-z]+|[-+*/%<>=~!@#&|^]+`)
)

// signature makes differences with probably one cause look alike.
func signature(sql string, d difference) string {
	if strings.HasPrefix(d.kind, "error") || strings.HasPrefix(d.kind, "no error") || strings.HasPrefix(d.kind, "internal") {
		return d.kind + numbers.ReplaceAllString(d.detail, "#")
	}
	names := callees.FindAllString(sql, -1)
	slices.Sort(names)
	return d.kind + strings.Join(slices.Compact(names), " ")
}

func (c *campaign) summary() string {
	return fmt.Sprintf("%d statements compared, %d of them errors in both, %d data errors that depend on the order of evaluation, %d over time, %d differences",
		c.compared, c.errors, c.reordered, c.timeouts, len(c.findings))
}
