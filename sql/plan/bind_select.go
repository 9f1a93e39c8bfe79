package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// bindSelect binds a query at any level. With keepUnknown, literals of unknown type
// stay so in the result, for the caller to settle.
func (b *binder) bindSelect(q *ast.Select, e env, keepUnknown bool) (Node, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	if q.AsOf != nil && !b.o.AsOf {
		return nil, b.errAt(unsupported("AS OF SYSTEM TIME in this place"), q.AsOf)
	}
	if q.With != nil {
		old := b.ctes
		defer func() { b.ctes = old }()
		if err := b.bindWith(q.With, e); err != nil {
			return nil, err
		}
	}
	if q.WithTies && len(q.OrderBy) == 0 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "WITH TIES cannot be specified without ORDER BY clause")
	}
	if core, ok := q.Body.(*ast.SelectCore); ok {
		return b.bindCore(core, q, e, keepUnknown)
	}
	if len(q.Locking) > 0 {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT or VALUES"), q)
	}
	var n Node
	var err error
	switch body := q.Body.(type) {
	case *ast.Values:
		n, err = b.bindValues(body, e, keepUnknown && len(q.OrderBy) == 0)
	case *ast.SetOp:
		n, err = b.bindSetOp(body, e)
	default:
		return nil, sqlerr.Internal("no binding for query body %T", q.Body)
	}
	if err != nil {
		return nil, err
	}
	if len(q.OrderBy) > 0 {
		if n, err = b.orderOutput(n, q.OrderBy, e); err != nil {
			return nil, err
		}
	}
	return b.limit(n, q, e)
}

// orderOutput sorts the result of VALUES or a set operation, whose columns alone
// may be named.
func (b *binder) orderOutput(n Node, items []ast.OrderItem, e env) (Node, error) {
	s := &scope{env: e}
	for i, c := range n.Columns() {
		s.cols = append(s.cols, column(i, c, -1, ""))
	}
	keys := make([]expr.SortKey, len(items))
	for i, o := range items {
		at, err := b.outputPlace(o.Expr, n.Columns(), "ORDER BY")
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			keys[i], err = b.orderKey(o, s.cols[at].e)
		} else {
			if _, plain := o.Expr.(*ast.ColumnRef); !plain {
				return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").
					WithDetail("Only result column names can be used, not expressions or functions.").
					WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."), o.Expr)
			}
			keys[i], err = b.sortKey(o, s)
		}
		if err != nil {
			return nil, err
		}
	}
	return &Sort{Input: n, Keys: keys}, nil
}

// outputPlace resolves a number or the bare name of an output column; -1 if e is
// neither.
func (b *binder) outputPlace(e ast.Expr, cs []Column, clause string) (int, error) {
	switch e := e.(type) {
	case *ast.Const:
		if e.Kind != ast.ConstInt {
			if e.Kind == ast.ConstNull || e.Kind == ast.ConstBool {
				return -1, nil
			}
			return -1, b.errAt(sqlerr.New(sqlerr.SyntaxError, "non-integer constant in %s", clause), e)
		}
		n, err := strconv.Atoi(e.Text)
		if err != nil || n < 1 || n > len(cs) {
			return -1, b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "%s position %s is not in select list", clause, e.Text), e)
		}
		return n - 1, nil
	case *ast.ColumnRef:
		if e.Star || len(e.Parts) != 1 {
			return -1, nil
		}
		found := -1
		for i, c := range cs {
			if c.Name == e.Parts[0] {
				if found >= 0 {
					return -1, b.errAt(sqlerr.New(sqlerr.AmbiguousColumn, "%s %q is ambiguous", clause, c.Name), e)
				}
				found = i
			}
		}
		return found, nil
	}
	return -1, nil
}

// limit adds LIMIT and OFFSET.
func (b *binder) limit(n Node, q *ast.Select, e env) (Node, error) {
	if q.Limit == nil && q.Offset == nil {
		return n, nil
	}
	l := &Limit{Input: n}
	bind := func(x ast.Expr, clause string) (expr.Expr, error) {
		if x == nil {
			return nil, nil
		}
		y, err := b.expr(x, &scope{env: e})
		if err != nil {
			return nil, err
		}
		if err := b.noWindow(y, clause); err != nil {
			return nil, err
		}
		if expr.Any(y, func(z expr.Expr) bool { _, ok := z.(*expr.Column); return ok }) {
			return nil, b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "argument of %s must not contain variables", clause), x)
		}
		y, err = b.eb.Cast(y, types.Int8, expr.CastAssignment)
		return y, b.errAt(err, x)
	}
	var err error
	if l.Limit, err = bind(q.Limit, "LIMIT"); err != nil {
		return nil, err
	}
	if l.Offset, err = bind(q.Offset, "OFFSET"); err != nil {
		return nil, err
	}
	if q.WithTies {
		below := n
		if lr, ok := n.(*LockRows); ok {
			below = lr.Input
		}
		l.Ties = sortKeysOf(below)
		return l, nil
	}
	if lr, ok := n.(*LockRows); ok && l.Limit != nil {
		lr.Limit, lr.Offset = l.Limit, l.Offset
		if lr.Skips() {
			return l, nil // more rows may be looked at than are given out
		}
		n = lr.Input
	}
	if s, ok := n.(*Sort); ok && l.Limit != nil {
		s.Limit, s.Offset = l.Limit, l.Offset
	}
	return l, nil
}

// sortKeysOf are the keys that the rows of a query with ORDER BY come in the order
// of.
func sortKeysOf(n Node) []expr.SortKey {
	switch n := n.(type) {
	case *Sort:
		return n.Keys
	case *Distinct:
		return sortKeysOf(n.Input)
	}
	return nil
}

func (b *binder) bindValues(v *ast.Values, e env, keepUnknown bool) (Node, error) {
	n := &Values{Rows: make([][]expr.Expr, len(v.Rows))}
	width := len(v.Rows[0])
	for i, row := range v.Rows {
		if len(row) != width {
			return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length"), v)
		}
		var err error
		if n.Rows[i], err = b.exprs(row, &scope{env: e}); err != nil {
			return nil, err
		}
		for j, x := range n.Rows[i] {
			if expr.HasAggregate(x) {
				return nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in VALUES"), row[j])
			}
			if err := b.noWindow(x, "VALUES"); err != nil {
				return nil, err
			}
			if expr.HasSet(x) {
				return nil, b.errAt(unsupported("a set-returning function in VALUES"), row[j])
			}
		}
	}
	n.Cols = make([]Column, width)
	for c := range width {
		col := make([]expr.Expr, len(n.Rows))
		unknown := true
		for i := range n.Rows {
			col[i] = n.Rows[i][c]
			unknown = unknown && col[i].Type().OID == types.OIDUnknown
		}
		n.Cols[c] = Column{Name: "column" + strconv.Itoa(c+1), Type: types.Unknown}
		if unknown && keepUnknown {
			continue
		}
		t, col, err := b.eb.Common("VALUES", col)
		if err != nil {
			return nil, b.errAt(err, v)
		}
		n.Cols[c].Type = t
		for i := range n.Rows {
			n.Rows[i][c] = col[i]
		}
	}
	return n, nil
}

func (b *binder) bindSetOp(o *ast.SetOp, e env) (Node, error) {
	l, err := b.bindSelect(o.Left, e, true)
	if err != nil {
		return nil, err
	}
	r, err := b.bindSelect(o.Right, e, true)
	if err != nil {
		return nil, err
	}
	name := [...]string{"UNION", "INTERSECT", "EXCEPT"}[o.Kind]
	if len(l.Columns()) != len(r.Columns()) {
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "each %s query must have the same number of columns", name), o.Right)
	}
	n := &SetOp{Kind: SetOpKind(o.Kind), All: o.All}
	for i, c := range l.Columns() {
		lt, rt := c.Type, r.Columns()[i].Type
		t := lt
		if lt != rt || lt.OID == types.OIDUnknown {
			if t, err = b.o.Exprs.SelectCommonType(name, []types.Type{lt, rt}); err != nil {
				return nil, b.errAt(err, o.Right)
			}
			for side, from := range []types.Type{lt, rt} {
				if from.OID != types.OIDUnknown && !b.o.Exprs.CanCoerce(from, t, expr.CastImplicit) {
					return nil, b.errAt(sqlerr.New(sqlerr.CannotCoerce, "%s could not convert type %s to %s", name, from.Bare(), t.Bare()), []*ast.Select{o.Left, o.Right}[side])
				}
			}
			if l, err = b.coerceColumn(l, i, t); err != nil {
				return nil, err
			}
			if r, err = b.coerceColumn(r, i, t); err != nil {
				return nil, err
			}
		}
		if !o.All {
			if err := types.CheckEqual(t); err != nil {
				return nil, b.errAt(err, o)
			}
		}
		n.Cols = append(n.Cols, Column{Name: c.Name, Type: t})
	}
	n.Left, n.Right = l, r
	return n, nil
}

// coerceColumn casts the i-th column of a fresh node.
func (b *binder) coerceColumn(n Node, i int, t types.Type) (Node, error) {
	if n.Columns()[i].Type == t {
		return n, nil
	}
	var err error
	switch n := n.(type) {
	case *Project:
		if n.Exprs[i], err = b.eb.Cast(n.Exprs[i], t, expr.CastImplicit); err != nil {
			return nil, err
		}
		n.Cols[i].Type = t
		n.Cols[i].TableOID, n.Cols[i].AttNum = 0, 0
		return n, nil
	case *Values:
		for _, row := range n.Rows {
			if row[i], err = b.eb.Cast(row[i], t, expr.CastImplicit); err != nil {
				return nil, err
			}
		}
		n.Cols[i].Type = t
		return n, nil
	}
	p := identity(n)
	if p.Exprs[i], err = b.eb.Cast(p.Exprs[i], t, expr.CastImplicit); err != nil {
		return nil, err
	}
	p.Cols[i] = Column{Name: p.Cols[i].Name, Type: t}
	return p, nil
}

// identity projects all columns of n.
func identity(n Node) *Project {
	p := &Project{Input: n}
	for i, c := range n.Columns() {
		p.Cols = append(p.Cols, c)
		p.Exprs = append(p.Exprs, &expr.Column{Index: i, Typ: c.Type, Name: c.Name})
	}
	return p
}

// core is a SELECT in the making.
type core struct {
	b     *binder
	scope *scope
	node  Node
	// exprs are the outputs, then the extra sort keys.
	exprs []expr.Expr
	cols  []Column
	asts  []ast.Expr
	n     int // outputs
}

func (b *binder) bindCore(c *ast.SelectCore, q *ast.Select, e env, keepUnknown bool) (Node, error) {
	k := &core{b: b}
	var err error
	if k.node, k.scope, err = b.bindFrom(c.From, e); err != nil {
		return nil, err
	}
	k.scope.windows = c.Windows
	if len(q.Locking) > 0 {
		if err := b.checkLocking(k, c, q); err != nil {
			return nil, err
		}
	}
	if c.Where != nil {
		cond, err := b.condition(c.Where, "WHERE", k.scope)
		if err != nil {
			return nil, err
		}
		k.node = &Filter{Input: k.node, Cond: cond}
	}
	if err := k.targets(c.Targets); err != nil {
		return nil, err
	}
	keepUnknown = keepUnknown && !c.Distinct && len(q.OrderBy) == 0
	for i, x := range k.exprs {
		if keepUnknown && isLiteral(x) {
			continue
		}
		if k.exprs[i], err = b.eb.Known(x); err != nil {
			return nil, b.errAt(err, k.asts[i])
		}
		k.cols[i].Type = k.exprs[i].Type()
	}
	k.n = len(k.exprs)
	groups, err := k.groupBy(c)
	if err != nil {
		return nil, err
	}
	var having expr.Expr
	if c.Having != nil {
		x, err := b.expr(c.Having, k.scope)
		if err != nil {
			return nil, err
		}
		if err := b.noWindow(x, "HAVING"); err != nil {
			return nil, err
		}
		if having, err = b.eb.Condition(x, "HAVING"); err != nil {
			return nil, b.errAt(err, c.Having)
		}
	}
	keys, keyPlaces, err := k.orderBy(q.OrderBy, c.Distinct)
	if err != nil {
		return nil, err
	}
	on, err := k.distinctOn(c.DistinctOn, keyPlaces)
	if err != nil {
		return nil, err
	}
	var locked []LockedTable
	if len(q.Locking) > 0 {
		for _, x := range k.exprs {
			if expr.HasAggregate(x) {
				return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "%s is not allowed with aggregate functions", lockingName(q)), q.Locking[0])
			}
		}
		locked = k.lockRows(q)
	}
	keyed := b.keyed == c
	if keyed {
		b.keyed, b.visible = nil, k.n
		b.rowKey = k.rowKey(c)
		keyed = b.rowKey != nil
	}
	if err := k.aggregate(groups, having, len(c.GroupBy) > 0); err != nil {
		return nil, err
	}
	if err := b.checkWindows(c.Windows, k.scope); err != nil {
		return nil, err
	}
	if err := k.window(); err != nil {
		return nil, err
	}
	k.sets()
	var n Node = &Project{cols: cols{k.cols}, Input: k.node, Exprs: k.exprs}
	if c.Distinct {
		for i, col := range k.cols[:k.n] {
			if err := types.CheckEqual(col.Type); err != nil {
				return nil, b.errAt(err, k.asts[i])
			}
		}
		n = &Distinct{Input: n}
	}
	if len(keys) > 0 {
		n = &Sort{Input: n, Keys: keys}
	}
	if on != nil {
		n = &Distinct{Input: n, On: on}
	}
	if locked != nil {
		n = &LockRows{Input: n, Tables: locked}
	}
	if n, err = b.limit(n, q, e); err != nil {
		return nil, err
	}
	if len(k.exprs) > k.n && !keyed {
		p := identity(n)
		p.Cols, p.Exprs = p.Cols[:k.n:k.n], p.Exprs[:k.n:k.n]
		n = p
	}
	return n, nil
}

func isLiteral(x expr.Expr) bool {
	switch x.(type) {
	case *expr.Const, *expr.Param:
		return x.Type().OID == types.OIDUnknown
	}
	return false
}

// condition binds a WHERE or ON condition.
func (b *binder) condition(e ast.Expr, clause string, s *scope) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if expr.HasAggregate(x) {
		what := clause
		if what == "JOIN/ON" {
			what = "JOIN conditions"
		}
		return nil, b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", what), x), e)
	}
	if err := b.noWindow(x, strings.Replace(clause, "JOIN/ON", "JOIN conditions", 1)); err != nil {
		return nil, err
	}
	if err := b.noGrouping(x, strings.Replace(clause, "JOIN/ON", "JOIN conditions", 1)); err != nil {
		return nil, err
	}
	if expr.HasSet(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in %s", clause), e)
	}
	x, err = b.eb.Condition(x, clause)
	return x, b.errAt(err, e)
}

// targets binds the select list and expands stars.
func (k *core) targets(list []ast.Target) error {
	for _, t := range list {
		if ref, ok := t.Expr.(*ast.ColumnRef); ok && ref.Star {
			if err := k.star(ref); err != nil {
				return err
			}
			continue
		}
		if f, ok := t.Expr.(*ast.FieldSelect); ok && f.Star {
			if err := k.rowStar(f); err != nil {
				return k.b.errAt(err, f)
			}
			continue
		}
		x, err := k.b.expr(t.Expr, k.scope)
		if err != nil {
			return err
		}
		name := t.Label
		if name == "" {
			name = targetName(t.Expr)
		}
		k.add(x, name, t.Expr)
		if c := &k.cols[len(k.cols)-1]; true {
			c.TableOID, c.AttNum = k.scope.origin(x)
		}
	}
	if len(k.cols) > maxColumns {
		return sqlerr.New(sqlerr.TooManyColumns, "target lists can have at most %d entries", maxColumns)
	}
	return nil
}

func (k *core) add(x expr.Expr, name string, at ast.Expr) {
	k.exprs = append(k.exprs, x)
	k.cols = append(k.cols, Column{Name: name, Type: x.Type()})
	k.asts = append(k.asts, at)
}

// origin tells which table column an expression is, if it is one.
func (s *scope) origin(x expr.Expr) (types.OID, int16) {
	c, ok := x.(*expr.Column)
	if !ok {
		return 0, 0
	}
	for i := range s.cols {
		if d, ok := s.cols[i].e.(*expr.Column); ok && d.Index == c.Index && s.cols[i].oid != 0 {
			return s.cols[i].oid, s.cols[i].attnum
		}
	}
	return 0, 0
}

func (k *core) star(ref *ast.ColumnRef) error {
	s, rel := k.scope, -1
	switch n := len(ref.Parts); n {
	case 0:
		if len(s.rels) == 0 {
			return k.b.errAt(sqlerr.New(sqlerr.SyntaxError, "SELECT * with no tables specified is not valid"), ref)
		}
	default:
		table, schema := ref.Parts[n-1], ""
		if n > 1 {
			schema = ref.Parts[n-2]
		}
		for i, r := range s.rels {
			if r.name == table && (schema == "" || r.schema == schema) {
				rel = i
			}
		}
		if rel < 0 {
			return k.b.outerStar(k, table, schema, ref)
		}
	}
	for i := range s.cols {
		c := &s.cols[i]
		if c.hidden || rel >= 0 && c.rel != rel || rel < 0 && c.merged {
			continue
		}
		s.read(c)
		k.add(c.e, c.name, ref)
		k.cols[len(k.cols)-1].TableOID, k.cols[len(k.cols)-1].AttNum = c.oid, c.attnum
	}
	return nil
}

// rowStar expands (row).*.
func (k *core) rowStar(f *ast.FieldSelect) error {
	x, err := k.b.expr(f.Expr, k.scope)
	if err != nil {
		return err
	}
	fields, names, err := k.b.expandRow(x)
	for i := range fields {
		k.add(fields[i], names[i], f)
	}
	return err
}

func (b *binder) outerStar(k *core, table, schema string, ref *ast.ColumnRef) error {
	if k.scope.env.parent.relVisible(schema, table) {
		return b.errAt(unsupported("expanding * of a table of an outer query"), ref)
	}
	return b.errAt(sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", table), ref)
}

func (k *core) groupItem(item ast.Expr) (expr.Expr, error) {
	b := k.b
	var x expr.Expr
	var err error
	// A bare name is an input column first, an output column second; a number is
	// an output column.
	if ref, ok := item.(*ast.ColumnRef); ok && len(ref.Parts) == 1 && !ref.Star {
		if x, err = b.find(k.scope, "", "", ref.Parts[0], ref); err != nil {
			return nil, err
		}
		if _, outer := x.(*expr.OuterParam); outer {
			x = nil
		}
	}
	if x == nil {
		at, err := b.outputPlace(item, k.cols[:k.n], "GROUP BY")
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			x = k.exprs[at]
		}
	}
	if x == nil {
		if x, err = b.expr(item, k.scope); err != nil {
			return nil, err
		}
		if x, err = b.eb.Known(x); err != nil {
			return nil, b.errAt(err, item)
		}
	}
	if expr.HasAggregate(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in GROUP BY"), item)
	}
	if err := b.noWindow(x, "GROUP BY"); err != nil {
		return nil, err
	}
	if err := b.noGrouping(x, "GROUP BY"); err != nil {
		return nil, err
	}
	if expr.HasSet(x) {
		return nil, b.errAt(unsupported("a set-returning function in GROUP BY"), item)
	}
	return x, b.errAt(types.CheckEqual(x.Type()), item)
}

// orderBy binds ORDER BY: each key is an output or an extra expression behind
// them. Places are positions in exprs.
func (k *core) orderBy(items []ast.OrderItem, distinct bool) (keys []expr.SortKey, places []int, err error) {
	for _, o := range items {
		at, err := k.orderPlace(o.Expr, "ORDER BY")
		if err != nil {
			return nil, nil, err
		}
		if distinct && at >= k.n {
			return nil, nil, k.b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list"), o.Expr)
		}
		key, err := k.b.orderKey(o, &expr.Column{Index: at, Typ: k.exprs[at].Type(), Name: k.cols[at].Name})
		if err != nil {
			return nil, nil, err
		}
		keys, places = append(keys, key), append(places, at)
	}
	return keys, places, nil
}

func (k *core) orderPlace(e ast.Expr, clause string) (int, error) {
	b := k.b
	at, err := b.outputPlace(e, k.cols[:k.n], clause)
	if sqlerr.Is(err, sqlerr.AmbiguousColumn) {
		// Two outputs of that name are no problem if they are the same.
		at, err = k.samePlace(e.(*ast.ColumnRef), err)
	}
	if err != nil || at >= 0 {
		return at, err
	}
	x, err := b.expr(e, k.scope)
	if err != nil {
		return 0, err
	}
	if x, err = b.eb.Known(x); err != nil {
		return 0, b.errAt(err, e)
	}
	for i, y := range k.exprs {
		if expr.Equal(x, y) && expr.VolatilityOf(x) != expr.Volatile {
			return i, nil
		}
	}
	k.add(x, targetName(e), e)
	return len(k.exprs) - 1, nil
}

func (k *core) samePlace(ref *ast.ColumnRef, ambiguous error) (int, error) {
	first := -1
	for i, c := range k.cols[:k.n] {
		if c.Name != ref.Parts[0] {
			continue
		}
		if first < 0 {
			first = i
		} else if !expr.Equal(k.exprs[first], k.exprs[i]) {
			return -1, ambiguous
		}
	}
	return first, nil
}

// distinctOn binds DISTINCT ON.
func (k *core) distinctOn(list []ast.Expr, keyPlaces []int) ([]int, error) {
	if len(list) == 0 {
		return nil, nil
	}
	on := make([]int, 0, len(list))
	for _, e := range list {
		at, err := k.orderPlace(e, "DISTINCT ON")
		if err != nil {
			return nil, err
		}
		on = append(on, at)
	}
	for i := range min(len(keyPlaces), len(on)) {
		if !slices.Contains(on, keyPlaces[i]) {
			return nil, k.b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"), list[0])
		}
	}
	return on, nil
}

// sets moves set-returning functions of the select list into a node of their own.
func (k *core) sets() {
	width := len(k.node.Columns())
	var list []*expr.SetCall
	for i, x := range k.exprs {
		if !expr.HasSet(x) {
			continue
		}
		k.exprs[i], _ = expr.Transform(x, func(y expr.Expr) (expr.Expr, error) {
			call, ok := y.(*expr.SetCall)
			if !ok {
				return y, nil
			}
			list = append(list, call)
			return &expr.Column{Index: width + len(list) - 1, Typ: call.Type(), Name: call.Fn.Name}, nil
		})
	}
	if len(list) == 0 {
		return
	}
	n := &ProjectSet{Input: k.node, Sets: list}
	n.Cols = append(n.Cols, k.node.Columns()...)
	for _, s := range list {
		n.Cols = append(n.Cols, Column{Name: s.Fn.Name, Type: s.Type()})
	}
	k.node = n
}

func walkNodes(n Node, f func(Node)) {
	f(n)
	for _, in := range n.Inputs() {
		walkNodes(in, f)
	}
}
