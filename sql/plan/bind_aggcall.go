package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// aggregateCall gives an aggregate the clauses that its call has.
func (b *binder) aggregateCall(e *ast.FuncCall, agg *expr.AggCall, s *scope) (*expr.AggCall, error) {
	if e.WithinGroup {
		agg.Direct = len(e.Args)
	}
	if err := b.checkWithinGroup(e, agg); err != nil {
		return nil, err
	}
	agg.At = int32(e.Position())
	for _, a := range agg.Args {
		if expr.HasAggregate(a) {
			return nil, b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested"), a)
		}
		if err := b.noWindowInAggregate(a); err != nil {
			return nil, err
		}
	}
	if !e.Distinct && len(e.OrderBy) == 0 && e.Filter == nil {
		return agg, nil
	}
	if e.Distinct {
		for i, a := range agg.Args {
			if err := types.CheckEqual(a.Type()); err != nil && a.Type().OID != types.OIDAny {
				return nil, b.errAt(err, e.Args[min(i, len(e.Args)-1)])
			}
		}
	}
	c := *agg
	c.Distinct = e.Distinct
	if e.Distinct && len(e.OrderBy) == 0 && agg.Fn.OrderMatters() {
		// PostgreSQL finds the distinct values by sorting.
		for _, a := range agg.Args {
			if types.CheckOrdered(a.Type()) == nil {
				c.OrderBy = append(c.OrderBy, expr.SortKey{Expr: a})
			}
		}
	}
	for i, o := range e.OrderBy {
		k, err := b.sortKey(o, s)
		if e.WithinGroup && err == nil {
			// In the type that the aggregate takes.
			k, err = b.orderKey(o, agg.Args[len(e.Args)+i])
		}
		if err != nil {
			return nil, err
		}
		if err := b.noWindowInAggregate(k.Expr); err != nil {
			return nil, err
		}
		c.OrderBy = append(c.OrderBy, k)
	}
	if e.Filter != nil {
		var err error
		if c.Filter, err = b.filterClause(e.Filter, s); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// filterClause binds the condition of FILTER.
func (b *binder) filterClause(e ast.Expr, s *scope) (expr.Expr, error) {
	f, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if err := b.noWindow(f, "FILTER"); err != nil {
		return nil, err
	}
	if f, err = b.eb.Condition(f, "FILTER"); err != nil {
		return nil, b.errAt(err, e)
	}
	if expr.HasAggregate(f) {
		return nil, b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in FILTER"), f)
	}
	return f, nil
}

// levelMark remembers how many arguments a level had.
type levelMark struct {
	level *level
	args  int
}

// marks are those of the levels around a scope, the innermost first.
func (s *scope) marks() (out []levelMark) {
	for ; s != nil; s = s.env.parent {
		if s.env.level != nil {
			out = append(out, levelMark{s.env.level, len(s.env.level.args)})
		}
	}
	return out
}

// ofLevel puts an aggregate where PostgreSQL computes it ("Aggregate Expressions"):
// in the innermost of the queries whose columns it reads. One that reads no column
// of s goes outwards, and s sees its result as an argument; marks tell how many
// arguments there were before it was bound, for they are its own.
func (b *binder) ofLevel(a *expr.AggCall, s *scope, marks []levelMark) (expr.Expr, error) {
	outer, inner := false, false
	for _, x := range a.Children() {
		expr.Walk(x, func(y expr.Expr) bool {
			switch y.(type) {
			case *expr.OuterParam:
				outer = true
			case *expr.Column:
				inner = true
			}
			return true
		})
	}
	if !outer || inner || s.env.level == nil {
		return a, nil
	}
	args := s.env.level.args
	up, err := expr.Transform(a, func(x expr.Expr) (expr.Expr, error) {
		if p, ok := x.(*expr.OuterParam); ok {
			return args[p.Index], nil
		}
		return x, nil
	})
	if err != nil {
		return nil, err
	}
	if len(marks) > 0 && marks[0].level == s.env.level {
		s.env.level.args = args[:marks[0].args:marks[0].args]
		marks = marks[1:]
	}
	call := up.(*expr.AggCall)
	for _, x := range call.Children() {
		if expr.HasAggregate(x) {
			return nil, b.place(sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested"), a.At)
		}
	}
	out, err := b.ofLevel(call, s.env.parent, marks)
	if err != nil {
		return nil, err
	}
	return s.env.level.arg(out, a.Fn.Name), nil
}

// noAggregateArgs refuses aggregates of the query whose FROM a lateral item is in.
func (b *binder) noAggregateArgs(l *level) error {
	if l == nil {
		return nil
	}
	for _, x := range l.args {
		if expr.HasAggregate(x) {
			return b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in FROM clause of their own query level"), x)
		}
	}
	return nil
}

// hypothetical binds rank(…) WITHIN GROUP (ORDER BY …) and its like: every direct
// argument has the type of what it is compared with.
func (b *binder) hypothetical(e *ast.FuncCall, s *scope) (*expr.AggCall, error) {
	if !e.WithinGroup {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", e.Func.Name)
	}
	if e.Over != nil {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "OVER is not supported for ordered-set aggregate %s", e.Func.Name), e)
	}
	direct, err := b.exprs(e.Args, s)
	if err != nil {
		return nil, err
	}
	var sorted []expr.Expr
	for _, o := range e.OrderBy {
		x, err := b.expr(o.Expr, s)
		if err != nil {
			return nil, err
		}
		sorted = append(sorted, x)
	}
	if len(direct) != len(sorted) {
		return nil, expr.NoFunction(e.Func.Schema, e.Func.Name, append(direct, sorted...)).
			WithHint("To use the hypothetical-set aggregate %s, the number of hypothetical direct arguments (here %d) must match the number of ordering columns (here %d).",
				e.Func.Name, len(direct), len(sorted))
	}
	keys := make([]expr.SortKey, len(sorted))
	for i := range sorted {
		_, pair, err := b.eb.Common("WITHIN GROUP", []expr.Expr{sorted[i], direct[i]})
		if err != nil {
			return nil, b.errAt(err, ast.At{Pos: ast.Leftmost(e.Args[i])})
		}
		sorted[i], direct[i] = pair[0], pair[1]
		if keys[i], err = b.orderKey(e.OrderBy[i], sorted[i]); err != nil {
			return nil, err
		}
	}
	call := expr.NewHypothetical(e.Func.Name, direct, sorted, keys)
	call.At = int32(e.Position())
	for _, a := range call.Args {
		if expr.HasAggregate(a) {
			return nil, b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested"), a)
		}
		if err := b.noWindowInAggregate(a); err != nil {
			return nil, err
		}
	}
	if e.Filter != nil {
		call.Filter, err = b.filterClause(e.Filter, s)
	}
	return call, err
}
