package plan

import "github.com/quorate-db/quorate/sql/expr"

// nodeExprs returns the expressions of a node that are not nil.
func nodeExprs(n Node) []expr.Expr {
	var out []expr.Expr
	add := func(xs ...expr.Expr) {
		for _, x := range xs {
			if x != nil {
				out = append(out, x)
			}
		}
	}
	switch n := n.(type) {
	case *Scan:
		add(n.Filter)
		if a := n.Access; a != nil {
			for _, e := range a.Eq {
				add(e.List...)
				add(e.Array)
			}
			add(a.Lo, a.Hi)
		}
	case *VirtualScan:
		add(n.Filter)
		for _, x := range n.Eq {
			add(x)
		}
	case *Values:
		for _, r := range n.Rows {
			add(r...)
		}
	case *FuncScan:
		add(n.Funcs...)
	case *Filter:
		add(n.Cond)
	case *Project:
		add(n.Exprs...)
	case *ProjectSet:
		for _, s := range n.Sets {
			add(s)
		}
	case *Join:
		add(n.LeftKeys...)
		add(n.RightKeys...)
		add(n.Cond)
	case *Apply:
		add(n.Args...)
		add(n.Cond)
	case *Aggregate:
		add(n.Groups...)
		for _, a := range n.Aggs {
			add(a)
		}
	case *Window:
		for _, c := range n.Calls {
			add(c)
		}
	case *Sort:
		for _, k := range n.Keys {
			add(k.Expr)
		}
		add(n.Limit, n.Offset)
	case *LockRows:
		add(n.Limit, n.Offset)
	case *Limit:
		add(n.Limit, n.Offset)
		for _, k := range n.Ties {
			add(k.Expr)
		}
	case *Insert:
		add(n.Returning...)
		if c := n.Conflict; c != nil {
			add(c.Set...)
			add(c.Where)
		}
		for _, c := range n.Checks {
			add(c.Expr)
		}
	case *Update:
		add(n.NewRow...)
		add(n.Returning...)
		for _, c := range n.Checks {
			add(c.Expr)
		}
	case *Delete:
		add(n.Returning...)
	case *Merge:
		for _, w := range n.Whens {
			add(w.Cond)
			add(w.Row...)
		}
		for _, c := range n.Checks {
			add(c.Expr)
		}
	}
	return out
}
