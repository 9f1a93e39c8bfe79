package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// aggregate puts an Aggregate below the select list if one is needed and makes
// the list, HAVING and the sort keys read its output.
func (k *core) aggregate(groups *grouping, having expr.Expr, grouped bool) error {
	need := grouped || having != nil
	for _, x := range k.exprs {
		need = need || expr.HasAggregate(x) || expr.HasGrouping(x)
	}
	if !need {
		return nil
	}
	if err := k.noRecursiveAggregate(having); err != nil {
		return err
	}
	a := &aggregator{k: k, n: &Aggregate{Input: k.node, Sets: groups.sets}}
	for _, g := range groups.exprs {
		a.group(g)
	}
	a.dependent()
	var err error
	for i, x := range k.exprs {
		if k.exprs[i], err = a.rewrite(x); err != nil {
			return k.b.errAt(err, k.asts[i])
		}
	}
	if having != nil {
		if having, err = a.rewrite(having); err != nil {
			return err
		}
	}
	// Group keys may have been added for functionally dependent columns after
	// aggregates got their places: aggregates count from the end of the keys.
	n := len(a.n.Groups)
	for i := range a.n.Sets {
		// What depends on the keys of every set belongs to every set.
		for p := len(groups.exprs); p < n; p++ {
			a.n.Sets[i] = append(slices.Clone(a.n.Sets[i]), p)
		}
	}
	fix := func(x expr.Expr) (expr.Expr, error) {
		return expr.Transform(x, func(y expr.Expr) (expr.Expr, error) {
			if c, ok := y.(*expr.Column); ok && c.Index == setColumn {
				return &expr.Column{Index: n + len(a.n.Aggs), Typ: c.Typ, Name: c.Name}, nil
			} else if ok && c.Index >= aggBase {
				return &expr.Column{Index: c.Index - aggBase + n, Typ: c.Typ, Name: c.Name}, nil
			}
			return y, nil
		})
	}
	for i, x := range k.exprs {
		if k.exprs[i], err = fix(x); err != nil {
			return err
		}
	}
	for i, g := range a.n.Groups {
		a.n.Cols = append(a.n.Cols, Column{Name: columnName(g, i), Type: g.Type()})
	}
	for _, c := range a.n.Aggs {
		a.n.Cols = append(a.n.Cols, Column{Name: c.Fn.Name, Type: c.Type()})
	}
	if a.n.Sets != nil {
		a.n.Cols = append(a.n.Cols, Column{Name: "grouping set", Type: types.Int4})
	}
	k.node = a.n
	if having != nil {
		if having, err = fix(having); err != nil {
			return err
		}
		k.node = &Filter{Input: k.node, Cond: having}
	}
	return nil
}

// noRecursiveAggregate refuses aggregates over a recursive query's own rows.
func (k *core) noRecursiveAggregate(having expr.Expr) error {
	recursive := false
	for _, r := range k.scope.rels {
		recursive = recursive || r.recursive
	}
	if !recursive {
		return nil
	}
	list := k.exprs
	if having != nil {
		list = append(list[:len(list):len(list)], having)
	}
	for _, x := range list {
		if expr.HasAggregate(x) {
			return k.b.atAggregate(sqlerr.New(sqlerr.InvalidRecursion, "aggregate functions are not allowed in a recursive query's recursive term"), x)
		}
	}
	return nil
}

// aggBase marks a column that is an aggregate's result until the number of group
// keys is known.
const aggBase = 1 << 24

// setColumn marks the column with the number of the grouping set.
const setColumn = 1 << 25

func columnName(e expr.Expr, _ int) string {
	if c, ok := e.(*expr.Column); ok {
		return c.Name
	}
	return "?column?"
}

type aggregator struct {
	k *core
	n *Aggregate
	// free are the relations whose columns need not be grouped, because all of
	// their primary key is.
	free map[int]bool
	// inSubquery says that an expression is what a subquery reads.
	inSubquery bool
}

func (a *aggregator) group(g expr.Expr) int {
	for i, h := range a.n.Groups {
		if expr.Equal(g, h) {
			return i
		}
	}
	a.n.Groups = append(a.n.Groups, g)
	return len(a.n.Groups) - 1
}

// dependent finds the relations whose primary key is grouped by.
func (a *aggregator) dependent() {
	a.free = map[int]bool{}
	s := a.k.scope
	for r, rel := range s.rels {
		if rel.table == nil || !rel.table.HasPrimaryKey() {
			continue
		}
		all := true
		for _, pk := range rel.table.PrimaryKey().Columns {
			found := false
			for _, c := range s.cols {
				if c.rel == r && c.attnum == pk.Column {
					for i, g := range a.n.Groups {
						found = found || a.inAllSets(i) && expr.Equal(g, c.e)
					}
				}
			}
			all = all && found
		}
		a.free[r] = all
	}
}

// rewrite replaces group keys and aggregates by columns of the Aggregate.
func (a *aggregator) rewrite(x expr.Expr) (expr.Expr, error) {
	switch x.(type) {
	case *expr.Const, *expr.Param, *expr.OuterParam:
		if a.n.Sets == nil {
			return x, nil
		}
	}
	if g, ok := x.(*expr.GroupingCall); ok {
		return a.groupingBits(g)
	}
	for i, g := range a.n.Groups {
		if expr.Equal(x, g) {
			return &expr.Column{Index: i, Typ: x.Type(), Name: columnName(g, i)}, nil
		}
	}
	if call, ok := x.(*expr.AggCall); ok {
		if err := a.checkDirect(call); err != nil {
			return nil, err
		}
		for i, c := range a.n.Aggs {
			if expr.Equal(c, call) {
				return &expr.Column{Index: aggBase + i, Typ: call.Type(), Name: call.Fn.Name}, nil
			}
		}
		a.n.Aggs = append(a.n.Aggs, call)
		return &expr.Column{Index: aggBase + len(a.n.Aggs) - 1, Typ: call.Type(), Name: call.Fn.Name}, nil
	}
	if c, ok := x.(*expr.Column); ok {
		if a.isFree(c) {
			return &expr.Column{Index: a.group(c), Typ: c.Typ, Name: c.Name}, nil
		}
		err := sqlerr.New(sqlerr.GroupingError, "column %q must appear in the GROUP BY clause or be used in an aggregate function", c.Name)
		if a.inSubquery {
			err = sqlerr.New(sqlerr.GroupingError, "subquery uses ungrouped column %q from outer query", c.Name)
		}
		if pos := a.k.b.colPos[c]; pos > 0 {
			return nil, a.k.b.errAt(err, ast.At{Pos: pos})
		}
		return nil, err
	}
	children := x.Children()
	if len(children) == 0 {
		return x, nil
	}
	if q, ok := x.(*expr.SubqueryExpr); ok {
		return a.rewriteSubquery(q)
	}
	fresh := make([]expr.Expr, len(children))
	for i, c := range children {
		var err error
		if fresh[i], err = a.rewrite(c); err != nil {
			return nil, err
		}
	}
	return x.WithChildren(fresh), nil
}

// rewriteSubquery does the same for what a subquery reads and is compared with.
func (a *aggregator) rewriteSubquery(q *expr.SubqueryExpr) (expr.Expr, error) {
	children := q.Children()
	fresh := make([]expr.Expr, len(children))
	defer func(old bool) { a.inSubquery = old }(a.inSubquery)
	for i, c := range children {
		var err error
		a.inSubquery = slices.Contains(q.Args, c)
		if fresh[i], err = a.rewrite(c); err != nil {
			return nil, err
		}
	}
	return q.WithChildren(fresh), nil
}

// inAllSets reports whether a group key is one of every grouping set.
func (a *aggregator) inAllSets(i int) bool {
	for _, set := range a.n.Sets {
		if !slices.Contains(set, i) {
			return false
		}
	}
	return true
}

func (a *aggregator) isFree(c *expr.Column) bool {
	for i := range a.k.scope.cols {
		sc := &a.k.scope.cols[i]
		if d, ok := sc.e.(*expr.Column); ok && d.Index == c.Index && sc.rel >= 0 && a.free[sc.rel] {
			return true
		}
	}
	return false
}

// checkWithinGroup holds WITHIN GROUP to the aggregates that are made for it.
func (b *binder) checkWithinGroup(e *ast.FuncCall, agg *expr.AggCall) error {
	switch ordered := agg.Fn.IsOrderedSet(); {
	case e.WithinGroup && !ordered:
		return sqlerr.New(sqlerr.WrongObjectType, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", e.Func.Name)
	case ordered && !e.WithinGroup:
		return sqlerr.New(sqlerr.WrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", e.Func.Name)
	}
	return nil
}

// checkDirect holds the direct arguments of an aggregate to grouped columns. They are
// computed for each row, of which each of a group gives the same.
func (a *aggregator) checkDirect(call *expr.AggCall) error {
	for _, x := range call.Args[:call.Direct] {
		reads := expr.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.Column); return ok })
		if reads && a.n.Sets != nil {
			return a.k.b.place(unsupported("a direct argument that depends on columns, together with grouping sets"), call.At)
		}
		_, err := a.rewrite(x)
		if e, ok := err.(*sqlerr.Error); ok {
			return e.WithDetail("Direct arguments of an ordered-set aggregate must use only grouped columns.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
