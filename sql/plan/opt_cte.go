package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
)

// inlineCTEs puts a WITH query in the place of its only reader, so that conditions
// and limits reach it, where PostgreSQL does too: not with MATERIALIZED, nor if it
// writes, calls volatile functions or is recursive. A reader that is run many
// times, in a subquery or on the right of a lateral join, keeps the stored rows.
func inlineCTEs(root Node) Node {
	counts := map[*CTE]int{}
	countCTEs(root, counts)
	var put func(Node) Node
	put = func(n Node) Node {
		if s, ok := n.(*CTEScan); ok {
			c := s.CTE
			if counts[c] == 1 && c.Hint != ast.MaterializeAlways && !c.Recursive && !volatile(c.Plan) {
				return put(c.Plan)
			}
			return n
		}
		switch n := n.(type) {
		case *Apply:
			n.Left = put(n.Left)
		case *RecursiveUnion:
			n.Left = put(n.Left)
		default:
			mapInputs(n, put)
		}
		return n
	}
	return put(root)
}

// countCTEs counts the readers of all WITH queries below n.
func countCTEs(n Node, counts map[*CTE]int) {
	walkNodes(n, func(m Node) {
		if s, ok := m.(*CTEScan); ok {
			if counts[s.CTE]++; counts[s.CTE] == 1 {
				countCTEs(s.CTE.Plan, counts)
			}
		}
		for _, x := range nodeExprs(m) {
			expr.Walk(x, func(y expr.Expr) bool {
				if c, ok := y.(*expr.SubqueryExpr); ok {
					if sub, ok := c.Sub.(*Subplan); ok {
						countCTEs(sub.Plan, counts)
					}
				}
				return true
			})
		}
	})
}
