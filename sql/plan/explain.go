package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/stats"
)

// ExplainOptions says what Explain and ExplainJSON show: the options of EXPLAIN.
type ExplainOptions struct {
	Costs, Verbose, Timing, Buffers bool
	// Stats and Off are those of Options: estimates are computed anew.
	Stats func(*catalog.Table) *stats.Table
	Off   Methods
	// Actual is what happened in the nodes; nil if the statement was not run. A node
	// that is missing was never executed.
	Actual map[Node]*Actual
	// Planning and Execution are shown by Summary.
	Summary             bool
	Planning, Execution time.Duration
}

// Actual is what happened in a node, over all times that it was executed.
type Actual struct {
	Loops, Rows int64
	// Startup is the time until the first row, Total until the last one, inputs
	// included.
	Startup, Total time.Duration
	// Removed are rows that a condition turned away.
	Removed int64
	// Requests are reads sent to regions, inputs included.
	Requests int64
}

// prop is a fact about a node: a string, a list of strings, a number or a bool.
type prop struct {
	label string
	value any
}

// explained is a node as EXPLAIN shows it.
type explained struct {
	node Node
	// kind is JSON's "Node Type"; title is the first line of the text form.
	kind, title string
	// head are facts that the title has in the text form; details have lines of their
	// own.
	head, details []prop
	output        []string
	// relation is JSON's "Parent Relationship"; sub is the name of a subquery.
	relation, sub string
	plans         []*explained
}

type explainer struct {
	o    ExplainOptions
	est  *estimator
	subs int
	seen map[*CTE]bool
}

func newExplainer(o ExplainOptions) *explainer {
	return &explainer{o: o, est: newEstimator(o.Stats, o.Off), seen: map[*CTE]bool{}}
}

// tree describes a plan.
func (e *explainer) tree(p *Plan) *explained {
	if e.o.Costs {
		e.est.of(p.Root) // the tables become known before any condition is looked at
	}
	x := e.node(p.Root, "")
	for _, c := range p.Modifying {
		e.cte(x, c)
	}
	return x
}

func (e *explainer) node(n Node, relation string) *explained {
	// Projections that only compute do not show, as in PostgreSQL.
	var exprs []expr.Expr
	var hidden []Node
	for {
		p, ok := n.(*Project)
		if !ok {
			break
		}
		if exprs == nil {
			exprs = p.Exprs
		}
		hidden = append(hidden, n)
		n = p.Input
	}
	x := describe(n)
	x.node, x.relation = n, relation
	if e.o.Verbose {
		x.output = outputs(n, exprs)
	}
	for i, in := range n.Inputs() {
		x.plans = append(x.plans, e.node(in, relationOf(n, i)))
	}
	for _, h := range hidden {
		e.subplans(x, h)
	}
	e.subplans(x, n)
	if s, ok := n.(*CTEScan); ok {
		e.cte(x, s.CTE)
	}
	return x
}

// relationOf is what PostgreSQL calls an input of a node.
func relationOf(n Node, i int) string {
	if _, ok := n.(*SetOp); ok {
		return "Member"
	}
	if i == 1 {
		return "Inner"
	}
	return "Outer"
}

// cte shows a WITH query at its first reader.
func (e *explainer) cte(x *explained, c *CTE) {
	if e.seen[c] {
		return
	}
	e.seen[c] = true
	sub := e.node(c.Plan, "InitPlan")
	sub.sub = "CTE " + c.Name
	x.plans = append(x.plans, sub)
}

// subplans shows the subqueries in a node's expressions.
func (e *explainer) subplans(x *explained, n Node) {
	for _, ex := range nodeExprs(n) {
		expr.Walk(ex, func(y expr.Expr) bool {
			s, ok := y.(*expr.SubqueryExpr)
			if !ok {
				return true
			}
			sub, ok := s.Sub.(*Subplan)
			if !ok {
				return true
			}
			e.subs++
			kind := "InitPlan"
			if sub.Correlated {
				kind = "SubPlan"
			}
			p := e.node(sub.Plan, kind)
			p.sub = fmt.Sprintf("%s %d", kind, e.subs)
			x.plans = append(x.plans, p)
			return true
		})
	}
}

// outputs are the columns of a node, for VERBOSE.
func outputs(n Node, exprs []expr.Expr) (out []string) {
	for _, x := range exprs {
		out = append(out, text(x))
	}
	if exprs == nil {
		for _, c := range n.Columns() {
			out = append(out, c.Name)
		}
	}
	return out
}

func onTable(table, alias string) string {
	if alias == "" || alias == table {
		return table
	}
	return table + " " + alias
}

func text(x expr.Expr) string {
	return expr.Format(x, func(c *expr.Column) string { return c.Name })
}

func texts(xs []expr.Expr) (out []string) {
	for _, x := range xs {
		out = append(out, text(x))
	}
	return out
}

// conds is a condition as a fact; none if all are nil.
func conds(label string, xs ...expr.Expr) []prop {
	var out []string
	for _, x := range xs {
		if x != nil {
			out = append(out, paren(text(x)))
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return []prop{{label, out[0]}}
	}
	return []prop{{label, "(" + strings.Join(out, " AND ") + ")"}}
}

func paren(s string) string {
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		return s
	}
	return "(" + s + ")"
}

// shown is a node without particulars.
func shown(kind string, details ...prop) *explained {
	return &explained{kind: kind, title: kind, details: details}
}

// reads is a node that reads something with a name.
func reads(kind, label, name, alias string, details []prop) *explained {
	if alias == "" {
		alias = name
	}
	return &explained{kind: kind, title: kind + " on " + onTable(name, alias), head: []prop{{label, name}, {"Alias", alias}}, details: details}
}

func describe(n Node) *explained {
	switch n := n.(type) {
	case *Scan:
		return describeScan(n)
	case *VirtualScan:
		return reads("Seq Scan", "Relation Name", n.Table.Name, n.Alias, conds("Filter", n.Filter))
	case *Values:
		if len(n.Rows) == 1 {
			return shown("Result")
		}
		return shown("Values Scan")
	case *FuncScan:
		return &explained{kind: "Function Scan", title: "Function Scan on " + n.Alias, head: []prop{{"Alias", n.Alias}}}
	case *CTEScan:
		return reads("CTE Scan", "CTE Name", n.CTE.Name, n.Alias, nil)
	case *RecursiveUnion:
		return shown("Recursive Union")
	case *WorkScan:
		return reads("WorkTable Scan", "CTE Name", n.Work.Name, n.Alias, nil)
	case *Filter:
		if d, ok := expr.IsConst(n.Cond); ok && !d.IsTrue() {
			return shown("Result", prop{"One-Time Filter", "false"})
		}
		return shown("Filter", conds("Filter", n.Cond)...)
	case *ProjectSet:
		return shown("ProjectSet")
	case *Join:
		return describeJoin(n)
	case *Apply:
		return joined("Nested Loop", n.Kind, conds("Join Filter", n.Cond))
	case *Aggregate:
		return describeAggregate(n)
	case *Window:
		return shown("WindowAgg")
	case *Sort:
		return shown("Sort", prop{"Sort Key", sortKeys(n.Keys)})
	case *LockRows:
		return shown("LockRows")
	case *Limit:
		return shown("Limit")
	case *Distinct:
		return shown("Unique")
	case *SetOp:
		return describeSetOp(n)
	case *Insert:
		var details []prop
		if n.Conflict != nil {
			res := "UPDATE"
			if n.Conflict.Set == nil {
				res = "NOTHING"
			}
			details = []prop{{"Conflict Resolution", res}}
		}
		return modifies("Insert", n.Table.Name, details)
	case *Update:
		return modifies("Update", n.Table.Name, nil)
	case *Delete:
		return modifies("Delete", n.Table.Name, nil)
	case *Merge:
		return modifies("Merge", n.Table.Name, nil)
	}
	return shown(fmt.Sprintf("%T", n))
}

func modifies(op, table string, details []prop) *explained {
	return &explained{kind: "ModifyTable", title: op + " on " + table,
		head: []prop{{"Operation", op}, {"Relation Name", table}, {"Alias", table}}, details: details}
}

func sortKeys(keys []expr.SortKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = text(k.Expr)
		if k.Descending {
			out[i] += " DESC"
		}
		if k.NullsFirst != k.Descending {
			out[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[k.NullsFirst]
		}
	}
	return out
}

func describeAggregate(n *Aggregate) *explained {
	x := &explained{kind: "Aggregate"}
	strategy := "Hashed"
	switch {
	case len(n.Groups) == 0:
		strategy, x.title = "Plain", "Aggregate"
	case n.Sets != nil:
		strategy, x.title = "Mixed", "MixedAggregate"
		for _, set := range n.Sets {
			if len(set) == 0 {
				x.details = append(x.details, prop{"Group Key", []string{"()"}})
				continue
			}
			keys := make([]expr.Expr, len(set))
			for i, p := range set {
				keys[i] = n.Groups[p]
			}
			x.details = append(x.details, prop{"Hash Key", texts(keys)})
		}
	default:
		x.title, x.details = "HashAggregate", []prop{{"Group Key", texts(n.Groups)}}
	}
	x.head = []prop{{"Strategy", strategy}, {"Partial Mode", "Simple"}}
	return x
}

func describeSetOp(n *SetOp) *explained {
	switch {
	case n.Kind == Union && n.All:
		return shown("Append")
	case n.Kind == Union:
		x := shown("Append")
		x.title = "HashAggregate (Append)"
		return x
	}
	op := [...]string{"Union", "Intersect", "Except"}[n.Kind]
	if n.All {
		op += " All"
	}
	return &explained{kind: "SetOp", title: "HashSetOp " + op, head: []prop{{"Strategy", "Hashed"}, {"Command", op}}}
}

func describeScan(n *Scan) *explained {
	if n.Access == nil && n.Index.Desc.Full {
		x := reads("Seq Scan", "Relation Name", n.Table.Name, n.Alias, conds("Filter", n.Filter))
		if n.Reverse {
			x.title = strings.Replace(x.title, "Seq Scan", "Seq Scan Backward", 1)
			x.head = append([]prop{{"Scan Direction", "Backward"}}, x.head...)
		}
		return x
	}
	kind, direction, how := "Index Scan", "Forward", ""
	if n.Primary == nil && !n.Index.Desc.Full {
		kind = "Index Only Scan"
	}
	if n.Reverse {
		direction, how = "Backward", " Backward"
	}
	var details []prop
	if n.Access != nil {
		details = conds("Index Cond", n.Access.Conds...)
	}
	x := reads(kind, "Relation Name", n.Table.Name, n.Alias, append(details, conds("Filter", n.Filter)...))
	x.title = kind + how + " using " + n.Index.Desc.Name + " on " + onTable(n.Table.Name, n.Alias)
	x.head = append([]prop{{"Scan Direction", direction}, {"Index Name", n.Index.Desc.Name}}, x.head...)
	return x
}

// joined is a join of a kind.
func joined(kind string, k JoinKind, details []prop) *explained {
	x := shown(kind, details...)
	x.head = []prop{{"Join Type", k.String()}}
	switch {
	case k == InnerJoin:
	case kind == "Hash Join":
		x.title = "Hash " + k.String() + " Join"
	default:
		x.title += " " + k.String() + " Join"
	}
	return x
}

func describeJoin(n *Join) *explained {
	if len(n.LeftKeys) == 0 {
		return joined("Nested Loop", n.Kind, conds("Join Filter", n.Cond))
	}
	pairs := make([]string, len(n.LeftKeys))
	for i := range pairs {
		pairs[i] = "(" + text(n.LeftKeys[i]) + " = " + text(n.RightKeys[i]) + ")"
	}
	cond := strings.Join(pairs, " AND ")
	if len(pairs) > 1 {
		cond = "(" + cond + ")"
	}
	return joined("Hash Join", n.Kind, append([]prop{{"Hash Cond", cond}}, conds("Join Filter", n.Cond)...))
}
