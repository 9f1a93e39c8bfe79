package plan

import (
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/sql/expr"
)

// Explain prints a plan in the shape of PostgreSQL's EXPLAIN (COSTS OFF), one
// string per line. Names of node types are PostgreSQL's where there is one.
func Explain(p *Plan) []string {
	e := &explainer{}
	e.node(p.Root, 0)
	return e.lines
}

type explainer struct {
	lines []string
	subs  int
}

func (e *explainer) node(n Node, depth int) {
	// Projections that only compute do not show, as in PostgreSQL.
	if p, ok := n.(*Project); ok {
		e.node(p.Input, depth)
		e.subplans(n, depth)
		return
	}
	title, details := describe(n)
	indent := ""
	if depth > 0 {
		indent = strings.Repeat("      ", depth-1) + "  ->  "
	}
	e.lines = append(e.lines, indent+title)
	pad := strings.Repeat("      ", depth) + "  "
	for _, d := range details {
		e.lines = append(e.lines, pad+d)
	}
	for _, in := range n.Inputs() {
		e.node(in, depth+1)
	}
	e.subplans(n, depth)
}

// subplans prints the subqueries in a node's expressions.
func (e *explainer) subplans(n Node, depth int) {
	for _, x := range nodeExprs(n) {
		expr.Walk(x, func(y expr.Expr) bool {
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
			e.lines = append(e.lines, strings.Repeat("      ", depth)+fmt.Sprintf("  %s %d", kind, e.subs))
			e.node(sub.Plan, depth+1)
			return true
		})
	}
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

func texts(xs []expr.Expr) string {
	out := make([]string, len(xs))
	for i, x := range xs {
		out[i] = text(x)
	}
	return strings.Join(out, ", ")
}

func conds(label string, xs ...expr.Expr) []string {
	var out []string
	for _, x := range xs {
		if x != nil {
			out = append(out, text(x))
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return []string{label + ": " + paren(out[0])}
	}
	for i := range out {
		out[i] = paren(out[i])
	}
	return []string{label + ": (" + strings.Join(out, " AND ") + ")"}
}

func paren(s string) string {
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		return s
	}
	return "(" + s + ")"
}

func describe(n Node) (title string, details []string) {
	switch n := n.(type) {
	case *Scan:
		return describeScan(n)
	case *VirtualScan:
		return "Seq Scan on " + onTable(n.Table.Name, n.Alias), conds("Filter", n.Filter)
	case *Values:
		if len(n.Cols) == 0 && len(n.Rows) == 1 || len(n.Rows) == 1 {
			return "Result", nil
		}
		return "Values Scan", nil
	case *FuncScan:
		return "Function Scan on " + n.Alias, nil
	case *CTEScan:
		return "CTE Scan on " + onTable(n.CTE.Name, n.Alias), nil
	case *RecursiveUnion:
		return "Recursive Union", nil
	case *WorkScan:
		return "WorkTable Scan on " + onTable(n.Work.Name, n.Alias), nil
	case *Filter:
		return "Filter", conds("Filter", n.Cond)
	case *ProjectSet:
		return "ProjectSet", nil
	case *Join:
		return describeJoin(n)
	case *Apply:
		name := "Nested Loop"
		if n.Kind == LeftJoin {
			name += " Left Join"
		}
		return name, conds("Join Filter", n.Cond)
	case *Aggregate:
		if len(n.Groups) == 0 {
			return "Aggregate", nil
		}
		if n.Sets != nil {
			var lines []string
			for _, set := range n.Sets {
				if len(set) == 0 {
					lines = append(lines, "Group Key: ()")
					continue
				}
				keys := make([]expr.Expr, len(set))
				for i, p := range set {
					keys[i] = n.Groups[p]
				}
				lines = append(lines, "Hash Key: "+texts(keys))
			}
			return "MixedAggregate", lines
		}
		return "HashAggregate", []string{"Group Key: " + texts(n.Groups)}
	case *Window:
		return "WindowAgg", nil
	case *Sort:
		keys := make([]string, len(n.Keys))
		for i, k := range n.Keys {
			keys[i] = text(k.Expr)
			if k.Descending {
				keys[i] += " DESC"
			}
			if k.NullsFirst != k.Descending {
				keys[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[k.NullsFirst]
			}
		}
		return "Sort", []string{"Sort Key: " + strings.Join(keys, ", ")}
	case *LockRows:
		return "LockRows", nil
	case *Limit:
		return "Limit", nil
	case *Distinct:
		return "Unique", nil
	case *SetOp:
		switch {
		case n.Kind == Union && n.All:
			return "Append", nil
		case n.Kind == Union:
			return "HashAggregate (Append)", nil
		}
		name := "HashSetOp " + [...]string{"Union", "Intersect", "Except"}[n.Kind]
		if n.All {
			name += " All"
		}
		return name, nil
	case *Insert:
		if n.Conflict != nil {
			res := "UPDATE"
			if n.Conflict.Set == nil {
				res = "NOTHING"
			}
			return "Insert on " + n.Table.Name, []string{"Conflict Resolution: " + res}
		}
		return "Insert on " + n.Table.Name, nil
	case *Update:
		return "Update on " + n.Table.Name, nil
	case *Delete:
		return "Delete on " + n.Table.Name, nil
	case *Merge:
		return "Merge on " + n.Table.Name, nil
	}
	return fmt.Sprintf("%T", n), nil
}

func describeScan(n *Scan) (string, []string) {
	table := onTable(n.Table.Name, n.Alias)
	if n.Access == nil && n.Index.Desc.Full {
		name := "Seq Scan on "
		if n.Reverse {
			name = "Seq Scan Backward on "
		}
		return name + table, conds("Filter", n.Filter)
	}
	name := "Index Scan"
	if n.Primary == nil && !n.Index.Desc.Full {
		name = "Index Only Scan"
	}
	if n.Reverse {
		name += " Backward"
	}
	var details []string
	if n.Access != nil {
		details = conds("Index Cond", n.Access.Conds...)
	}
	return name + " using " + n.Index.Desc.Name + " on " + table, append(details, conds("Filter", n.Filter)...)
}

func describeJoin(n *Join) (string, []string) {
	kind := ""
	if n.Kind != InnerJoin {
		kind = " " + n.Kind.String()
	}
	if len(n.LeftKeys) == 0 {
		name := "Nested Loop"
		if kind != "" {
			name += kind + " Join"
		}
		return name, conds("Join Filter", n.Cond)
	}
	pairs := make([]string, len(n.LeftKeys))
	for i := range pairs {
		pairs[i] = "(" + text(n.LeftKeys[i]) + " = " + text(n.RightKeys[i]) + ")"
	}
	cond := strings.Join(pairs, " AND ")
	if len(pairs) > 1 {
		cond = "(" + cond + ")"
	}
	return "Hash" + kind + " Join", append([]string{"Hash Cond: " + cond}, conds("Join Filter", n.Cond)...)
}
