package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// bindMerge binds MERGE: the source joined with the target, and what is done to
// the pairs.
func (b *binder) bindMerge(s *ast.Merge) (Node, error) {
	if s.With != nil {
		if err := b.bindWith(s.With, env{}); err != nil {
			return nil, err
		}
	}
	if err := checkReachable(s.Whens); err != nil {
		return nil, err
	}
	w, err := b.mergeTarget(s.Table)
	if err != nil {
		return nil, err
	}
	table, err := b.scan(w.table, w.alias, true)
	if err != nil {
		return nil, err
	}
	source, from, err := b.bindTable(s.Source[0], env{}.hides(w.scope))
	if err != nil {
		return nil, err
	}
	for _, r := range from.rels {
		if r.name == w.alias {
			return nil, b.errAt(sqlerr.New(sqlerr.DuplicateAlias, "name %q specified more than once", w.alias).
				WithDetail("The name is used both as MERGE target table and data source."), nil)
		}
	}
	kind := InnerJoin
	for _, when := range s.Whens {
		if when.Action == ast.MergeInsert {
			kind = LeftJoin
		}
	}
	width := len(source.Columns())
	both, err := b.joinScopes(from, w.scope, width, env{}, s)
	if err != nil {
		return nil, err
	}
	join := newJoin(kind, source, table)
	if join.Cond, err = b.condition(s.On, "JOIN/ON", both); err != nil {
		return nil, err
	}
	n := &Merge{Table: w.table, Indexes: w.indexes, Derived: w.derived, Checks: w.checks, Generated: w.generated, Changed: make([]bool, len(w.table.Columns))}
	n.Input = targetFirst(join, width)
	if n.Keys, err = b.references(w.table, true, nil); err != nil {
		return nil, err
	}
	return n, b.mergeWhens(n, w, from, s.Whens)
}

// targetFirst puts the columns behind the first width ones before them.
func targetFirst(j *Join, width int) *Project {
	p := identity(j)
	p.Cols = append(append([]Column{}, p.Cols[width:]...), p.Cols[:width]...)
	p.Exprs = append(append([]expr.Expr{}, p.Exprs[width:]...), p.Exprs[:width]...)
	return p
}

func (b *binder) mergeTarget(ref *ast.TableRef) (*target, error) {
	t, err := b.resolveTable(ref.Table)
	if err != nil {
		return nil, err
	}
	if t.View != nil || t.Sequence != nil {
		kind := "views"
		if t.Sequence != nil {
			kind = "sequences"
		}
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot execute MERGE on relation %q", t.Name).
			WithDetail("This operation is not supported for %s.", kind)
	}
	return b.target(ref, 0)
}

// checkReachable refuses clauses behind one that always counts.
func checkReachable(whens []*ast.MergeWhen) error {
	var always [2]bool
	for _, w := range whens {
		i := 0
		if w.Matched {
			i = 1
		}
		if always[i] {
			return sqlerr.New(sqlerr.SyntaxError, "unreachable WHEN clause specified after unconditional WHEN clause")
		}
		always[i] = w.Cond == nil
	}
	return nil
}

// mergeWhens binds the clauses over the rows of n's input. Those of NOT MATCHED see
// the source alone.
func (b *binder) mergeWhens(n *Merge, w *target, from *scope, whens []*ast.MergeWhen) error {
	width := len(w.table.Columns)
	both, err := b.joinScopes(w.scope, from, width, env{}, nil)
	if err != nil {
		return err
	}
	alone := &scope{rels: from.rels, env: env{}.hides(w.scope)}
	for _, c := range from.cols {
		c.e = shift(c.e, width)
		alone.cols = append(alone.cols, c)
	}
	for _, when := range whens {
		m := &MergeWhen{Matched: when.Matched, Action: when.Action}
		n.Whens = append(n.Whens, m)
		sees := alone
		if when.Matched {
			sees = both
		}
		if when.Cond != nil {
			if m.Cond, err = b.mergeCondition(when.Cond, sees); err != nil {
				return err
			}
		}
		switch when.Action {
		case ast.MergeDelete:
			w.need.Privileges |= catalog.Delete
		case ast.MergeInsert:
			w.need.Privileges |= catalog.Insert
			m.Row, err = b.mergeInsert(w, when, alone)
		case ast.MergeUpdate:
			var changed []bool
			m.Row, changed, err = b.assignments(w, when.Set, both)
			for i := range changed {
				n.Changed[i] = n.Changed[i] || changed[i]
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *binder) mergeCondition(e ast.Expr, s *scope) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	const where = "MERGE WHEN conditions"
	if expr.HasAggregate(x) {
		return nil, b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", where), x), e)
	}
	if err := b.noWindow(x, where); err != nil {
		return nil, err
	}
	if expr.HasSet(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in %s", where), e)
	}
	x, err = b.eb.Condition(x, "WHEN")
	return x, b.errAt(err, e)
}

func (b *binder) mergeInsert(w *target, when *ast.MergeWhen, s *scope) ([]expr.Expr, error) {
	if when.Values == nil {
		return b.fullRow(w, nil, nil)
	}
	places, err := b.insertColumns(w, &ast.Insert{Columns: when.Columns})
	if err != nil {
		return nil, err
	}
	for _, i := range places {
		mark(&w.need.Inserted, w.table.Columns[i].ID)
	}
	row := when.Values.Body.(*ast.Values).Rows[0]
	switch {
	case len(row) > len(places):
		return nil, tooMany(b, row[len(places)])
	case len(when.Columns) > len(row):
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "INSERT has more target columns than expressions"), when.Columns[len(row)])
	}
	vals := make([]expr.Expr, len(row))
	for i, e := range row {
		if _, ok := e.(*ast.Default); ok {
			continue
		}
		if vals[i], err = b.mergeValue(e, &w.table.Columns[places[i]], when.Overriding, s); err != nil {
			return nil, err
		}
	}
	return b.fullRow(w, places, vals)
}

// mergeValue binds a value for a column; nil is its default.
func (b *binder) mergeValue(e ast.Expr, c *catalog.Column, o ast.Overriding, s *scope) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if useDefault, err := overriding(c, o); err != nil || useDefault {
		return nil, err
	}
	if expr.HasAggregate(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in VALUES"), e)
	}
	if err := b.noWindow(x, "VALUES"); err != nil {
		return nil, err
	}
	if expr.HasSet(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in VALUES"), e)
	}
	return b.assign(x, c, e)
}
