package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Bounds of grouping sets, PostgreSQL's.
const (
	maxGroupingSets = 4096
	maxCube         = 12
)

// grouping is a GROUP BY clause: all expressions and, if there are grouping sets,
// the places of those of each set.
type grouping struct {
	exprs []expr.Expr
	sets  [][]int // nil: one set of all
}

// place adds an expression unless it is there.
func (g *grouping) place(x expr.Expr) int {
	for i, y := range g.exprs {
		if expr.Equal(x, y) {
			return i
		}
	}
	g.exprs = append(g.exprs, x)
	return len(g.exprs) - 1
}

// groupBy binds the GROUP BY list. Grouping sets of several items are multiplied
// with each other.
func (k *core) groupBy(c *ast.SelectCore) (*grouping, error) {
	g := &grouping{}
	product := [][]int{nil}
	special := false
	for _, item := range c.GroupBy {
		sets, err := k.groupSets(g, item)
		if err != nil {
			return nil, err
		}
		_, set := item.(*ast.GroupingSet)
		special = special || set
		if len(product)*len(sets) > maxGroupingSets {
			return nil, k.b.errAt(sqlerr.New(sqlerr.StatementTooComplex, "too many grouping sets present (maximum %d)", maxGroupingSets), item)
		}
		var next [][]int
		for _, a := range product {
			for _, b := range sets {
				next = append(next, union(a, b))
			}
		}
		product = next
	}
	if !special {
		return g, nil
	}
	if c.GroupByDistinct {
		product = distinctSets(product)
	}
	if len(product) > 1 || len(product[0]) < len(g.exprs) {
		g.sets = product
	}
	return g, nil
}

func union(a, b []int) []int {
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

func distinctSets(list [][]int) [][]int {
	var out [][]int
	seen := map[string]bool{}
	for _, s := range list {
		key := make([]byte, 0, 2*len(s))
		for _, x := range slices.Sorted(slices.Values(s)) {
			key = append(key, byte(x>>8), byte(x))
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			out = append(out, s)
		}
	}
	return out
}

// groupSets binds an item of GROUP BY or of GROUPING SETS.
func (k *core) groupSets(g *grouping, item ast.Expr) ([][]int, error) {
	s, ok := item.(*ast.GroupingSet)
	if !ok {
		one, err := k.groupList(g, item)
		return [][]int{one}, err
	}
	switch s.Kind {
	case ast.GroupEmpty:
		return [][]int{nil}, nil
	case ast.GroupSets:
		var out [][]int
		for _, x := range s.Items {
			more, err := k.groupSets(g, x)
			if err != nil {
				return nil, err
			}
			if out = append(out, more...); len(out) > maxGroupingSets {
				return nil, k.b.errAt(sqlerr.New(sqlerr.StatementTooComplex, "too many grouping sets present (maximum %d)", maxGroupingSets), s)
			}
		}
		return out, nil
	}
	if s.Kind == ast.GroupCube && len(s.Items) > maxCube {
		return nil, k.b.errAt(sqlerr.New(sqlerr.TooManyColumns, "CUBE is limited to %d elements", maxCube), s)
	}
	parts := make([][]int, len(s.Items))
	for i, x := range s.Items {
		var err error
		if parts[i], err = k.groupList(g, x); err != nil {
			return nil, err
		}
	}
	var out [][]int
	if s.Kind == ast.GroupRollup {
		for n := len(parts); n >= 0; n-- {
			var set []int
			for _, p := range parts[:n] {
				set = union(set, p)
			}
			out = append(out, set)
		}
		return out, nil
	}
	for mask := 1<<len(parts) - 1; mask >= 0; mask-- {
		var set []int
		for i, p := range parts {
			if mask&(1<<(len(parts)-1-i)) != 0 {
				set = union(set, p)
			}
		}
		out = append(out, set)
	}
	return out, nil
}

// groupList binds an expression or a list of some in parentheses.
func (k *core) groupList(g *grouping, item ast.Expr) ([]int, error) {
	items := []ast.Expr{item}
	if r, ok := item.(*ast.Row); ok && !r.Explicit {
		items = r.Elems
	}
	var out []int
	for _, x := range items {
		e, err := k.groupItem(x)
		if err != nil {
			return nil, err
		}
		out = union(out, []int{g.place(e)})
	}
	return out, nil
}

// groupingCall binds GROUPING(…). Which of the arguments are grouped is known only
// when the query's grouping is.
func (b *binder) groupingCall(e *ast.Grouping, s *scope) (expr.Expr, error) {
	if len(e.Args) > 31 {
		return nil, sqlerr.New(sqlerr.TooManyArguments, "GROUPING must have fewer than 32 arguments")
	}
	args, err := b.exprs(e.Args, s)
	if err != nil {
		return nil, err
	}
	for i, a := range args {
		if args[i], err = b.eb.Known(a); err != nil {
			return nil, b.errAt(err, e.Args[i])
		}
	}
	g := &expr.GroupingCall{Args: args, At: int32(e.Position())}
	for _, a := range e.Args {
		g.ArgAt = append(g.ArgAt, int32(ast.Leftmost(a)))
	}
	return g, nil
}

// noGrouping refuses GROUPING in a clause.
func (b *binder) noGrouping(x expr.Expr, clause string) error {
	var err error
	expr.Walk(x, func(n expr.Expr) bool {
		if g, ok := n.(*expr.GroupingCall); ok && err == nil {
			err = b.place(sqlerr.New(sqlerr.GroupingError, "grouping operations are not allowed in %s", clause), g.At)
		}
		return err == nil
	})
	return err
}

// groupingBits turns GROUPING(…) into a look-up by the number of the grouping set,
// the last column of the Aggregate.
func (a *aggregator) groupingBits(g *expr.GroupingCall) (expr.Expr, error) {
	places := make([]int, len(g.Args))
	for i, x := range g.Args {
		places[i] = slices.IndexFunc(a.n.Groups, func(y expr.Expr) bool { return expr.Equal(x, y) })
		if places[i] < 0 {
			return nil, a.k.b.place(sqlerr.New(sqlerr.GroupingError, "arguments to GROUPING must be grouping expressions of the associated query level"), g.ArgAt[i])
		}
	}
	if a.n.Sets == nil {
		return expr.NewConst(types.NewInt(0), types.Int4), nil
	}
	values := make([]types.Datum, len(a.n.Sets))
	for i, set := range a.n.Sets {
		bits := int64(0)
		for _, p := range places {
			bits <<= 1
			if !slices.Contains(set, p) {
				bits |= 1
			}
		}
		values[i] = types.NewInt(bits)
	}
	table := expr.NewConst(types.NewArray(types.NewArrayOf(types.Int4, values)), types.Int4Array)
	set := &expr.Column{Index: setColumn, Typ: types.Int4, Name: "grouping set"}
	return a.k.b.eb.Subscript(table, []expr.Expr{set})
}
