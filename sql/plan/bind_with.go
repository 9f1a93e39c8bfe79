package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// cteScope is the queries of WITH clauses that are visible.
type cteScope struct {
	parent *cteScope
	name   string
	def    *ast.CTE
	// outer are the WITH queries that the definition itself sees, e its surroundings.
	outer *cteScope
	e     env
	// cte is the query once it is bound; shared by its readers.
	cte *CTE
	// binding is set while the definition is being bound.
	binding bool
	// work is what a reference to a recursive query inside of itself reads.
	work *Work
	// recursive definitions refer to themselves.
	recursive bool
}

// bindWith makes the queries of a WITH clause visible, one after the other or, with
// RECURSIVE, all at once.
func (b *binder) bindWith(w *ast.With, e env) error {
	scopes := make([]*cteScope, len(w.CTEs))
	for i, c := range w.CTEs {
		for _, d := range w.CTEs[:i] {
			if c.Name == d.Name {
				return b.errAt(sqlerr.New(sqlerr.DuplicateAlias, "WITH query name %q specified more than once", c.Name), c)
			}
		}
		if _, ok := c.Query.(*ast.Merge); ok {
			return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "MERGE not supported in WITH query"), c)
		}
		if _, ok := c.Query.(*ast.Select); !ok && w != b.topWith {
			return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "WITH clause containing a data-modifying statement must be at the top level"), c)
		}
		scopes[i] = &cteScope{parent: b.ctes, name: c.Name, def: c, outer: b.ctes, e: e}
		if w.Recursive {
			b.ctes = scopes[i]
		}
	}
	defer func(old []*ast.CTE) { b.future = old }(b.future)
	if w.Recursive {
		for _, s := range scopes {
			s.outer = b.ctes
		}
		if err := b.checkRecursion(scopes); err != nil {
			return err
		}
	}
	// Bound now, so that errors come also when nobody reads it.
	for i, s := range scopes {
		if !w.Recursive {
			b.future = w.CTEs[i:]
			s.parent, s.outer = b.ctes, b.ctes
			b.ctes = s
		}
		if s.cte != nil {
			continue // an earlier one has referred to it
		}
		if _, err := b.bindCTE(s); err != nil {
			return err
		}
	}
	return nil
}

// bindCTE binds the query of a CTE; a new one each time.
func (b *binder) bindCTE(s *cteScope) (Node, error) {
	old := b.ctes
	b.ctes = s.outer
	s.binding = true
	defer func() { b.ctes, s.binding = old, false }()
	args := 0
	if s.e.level != nil {
		args = len(s.e.level.args)
	}
	n, err := b.bindCTEQuery(s)
	if err != nil {
		return nil, err
	}
	if len(s.def.Columns) > len(n.Columns()) {
		return nil, b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "WITH query %q has %d columns available but %d columns specified",
			s.name, len(n.Columns()), len(s.def.Columns)), s.def)
	}
	_, selects := s.def.Query.(*ast.Select)
	if len(s.def.Columns) > 0 && selects {
		p := identity(n)
		for i, name := range s.def.Columns {
			p.Cols[i].Name = name
		}
		n = p
	}
	// A query that reads outer columns has other rows for each outer row: then its
	// readers do not share it.
	shared := (s.e.level == nil || len(s.e.level.args) == args && !readsOuter(n)) && !s.readsWork(n)
	if shared && s.cte == nil && !b.inlined(s, n) {
		s.cte = &CTE{Name: s.name, Plan: n, Modifies: !selects}
		s.cte.Hint, s.cte.Recursive = s.def.Materialize, s.recursive
		if !selects {
			b.modifying = append(b.modifying, s.cte)
		}
	}
	return n, nil
}

// readsWork reports whether a plan reads the rows of a recursion around it, which
// are others in each round.
func (s *cteScope) readsWork(n Node) bool {
	found := false
	walkNodes(n, func(m Node) {
		if w, ok := m.(*WorkScan); ok {
			for o := s.outer; o != nil; o = o.parent {
				found = found || o != s && o.work == w.Work
			}
		}
	})
	return found
}

// inlined reports whether NOT MATERIALIZED makes each reader run the query itself.
func (b *binder) inlined(s *cteScope, n Node) bool {
	return s.def.Materialize == ast.MaterializeNever && !s.recursive && !volatile(n)
}

// volatile reports whether a plan writes or calls a volatile function.
func volatile(n Node) bool {
	found := false
	walkNodes(n, func(m Node) {
		switch m := m.(type) {
		case *Insert, *Update, *Delete, *Merge, *LockRows:
			found = true
		case *CTEScan:
			found = found || m.CTE.Modifies
		case *Scan:
			found = found || m.Lock != 0
		}
		for _, x := range nodeExprs(m) {
			expr.Walk(x, func(y expr.Expr) bool {
				if c, ok := y.(*expr.FuncCall); ok && c.Fn.Volatility == expr.Volatile {
					found = true
				}
				if c, ok := y.(*expr.SubqueryExpr); ok {
					sub, is := c.Sub.(*Subplan)
					found = found || !is || volatile(sub.Plan)
				}
				return !found
			})
		}
	})
	return found
}

func (b *binder) bindCTEQuery(s *cteScope) (n Node, err error) {
	switch q := s.def.Query.(type) {
	case *ast.Select:
		if s.recursive {
			return b.bindRecursive(s, q)
		}
		return b.bindSelect(q, s.e, false)
	case *ast.Insert:
		n, _, err = b.bindInsert(q)
	case *ast.Update:
		n, _, err = b.bindUpdate(q)
	case *ast.Delete:
		n, _, err = b.bindDelete(q)
	default:
		return nil, b.errAt(unsupported(q.Tag()+" in WITH"), s.def)
	}
	return n, err
}

// cteRef returns a reader of a WITH query.
func (b *binder) cteRef(name, alias string) (Node, bool, error) {
	for s := b.ctes; s != nil; s = s.parent {
		if s.name != name {
			continue
		}
		if s.work != nil {
			scan := &WorkScan{Work: s.work, Alias: alias}
			scan.Cols = slices.Clone(s.work.Cols)
			return scan, true, nil
		}
		if s.cte == nil {
			n, err := b.bindCTE(s)
			if err != nil || s.cte == nil {
				return n, true, err
			}
		}
		if s.cte.Modifies && s.cte.Plan.Columns() == nil {
			return nil, true, sqlerr.New(sqlerr.FeatureNotSupported, "WITH query %q does not have a RETURNING clause", name)
		}
		scan := &CTEScan{CTE: s.cte, Alias: alias}
		scan.Cols = append(scan.Cols, s.cte.Plan.Columns()...)
		for i, name := range s.def.Columns {
			scan.Cols[i].Name = name
		}
		return scan, true, nil
	}
	return nil, false, nil
}

// relationMissing is the error for a name that stands for nothing; a WITH query that
// comes later is the usual mistake.
func (b *binder) relationMissing(n ast.Name) error {
	err := sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", n.String())
	for _, c := range b.future {
		if n.Schema == "" && c.Name == n.Name {
			return err.WithDetail("There is a WITH item named %q, but it cannot be referenced from this part of the query.", n.Name).
				WithHint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references.")
		}
	}
	return err
}

// readsOuter reports whether a plan reads arguments of its level.
func readsOuter(n Node) bool {
	found := false
	walkNodes(n, func(m Node) {
		for _, x := range nodeExprs(m) {
			found = found || expr.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.OuterParam); return ok })
		}
	})
	return found
}
