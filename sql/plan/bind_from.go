package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// bindFrom binds a FROM list: the join of its items.
func (b *binder) bindFrom(items []ast.TableExpr, e env) (Node, *scope, error) {
	return b.joinFrom(nil, &scope{env: e}, items, e)
}

// joinFrom joins items to a node that is there already (nil: none).
func (b *binder) joinFrom(n Node, s *scope, items []ast.TableExpr, e env) (Node, *scope, error) {
	for _, item := range items {
		in := e
		var l *level
		if n != nil && lateral(item) {
			l = &level{}
			siblings := *s
			siblings.lateral = true
			in = env{parent: &siblings, level: l}
		} else if n != nil {
			in = in.hides(s)
		}
		m, ms, err := b.bindTable(item, in)
		if err == nil {
			err = b.noAggregateArgs(l)
		}
		if err != nil {
			return nil, nil, err
		}
		if n == nil {
			n, s = m, ms
			continue
		}
		joined, err := b.joinScopes(s, ms, len(n.Columns()), e, item)
		if err != nil {
			return nil, nil, err
		}
		if l != nil && len(l.args) > 0 {
			n = newApply(InnerJoin, n, m, l.args)
		} else {
			n = newJoin(InnerJoin, n, m)
		}
		s = joined
	}
	if n == nil {
		n = &Values{Rows: [][]expr.Expr{{}}}
	}
	return n, s, nil
}

func newJoin(kind JoinKind, l, r Node) *Join {
	j := &Join{Kind: kind, Left: l, Right: r}
	j.Cols = joinColumns(l, r)
	return j
}

func newApply(kind JoinKind, l, r Node, args []expr.Expr) *Apply {
	a := &Apply{Kind: kind, Left: l, Right: r, Args: args}
	a.Cols = joinColumns(l, r)
	return a
}

func joinColumns(l, r Node) []Column {
	out := make([]Column, 0, len(l.Columns())+len(r.Columns()))
	return append(append(out, l.Columns()...), r.Columns()...)
}

// lateral reports whether an item may refer to the items before it.
func lateral(t ast.TableExpr) bool {
	switch t := t.(type) {
	case *ast.SubqueryRef:
		return t.Lateral
	case *ast.FuncRef:
		return true
	case *ast.Join:
		return lateral(t.Left) || lateral(t.Right)
	}
	return false
}

// bindTable binds one item of FROM. e is what lateral parts of it see.
func (b *binder) bindTable(t ast.TableExpr, e env) (Node, *scope, error) {
	if err := b.enter(); err != nil {
		return nil, nil, err
	}
	defer b.leave()
	// Only lateral parts see the items before them; the others see what is around
	// the whole query, through the same level.
	plain := plainEnv(e)
	switch t := t.(type) {
	case *ast.TableRef:
		return b.bindTableRef(t, plain)
	case *ast.SubqueryRef:
		in := plain
		if t.Lateral {
			in = e
			if e.parent != nil {
				// For what is inside, the siblings are an outer query like any other.
				outer := *e.parent
				outer.lateral = false
				in.parent = &outer
			}
		}
		// The names of the WITH clauses around stay visible inside.
		n, err := b.bindSelect(t.Query, in, false)
		if err != nil {
			return nil, nil, err
		}
		s, err := b.relScope(n.Columns(), scopeRel{name: t.Alias}, t.Columns, e, t)
		return n, s, err
	case *ast.FuncRef:
		return b.bindFuncRef(t, e)
	case *ast.Join:
		return b.bindJoin(t, e)
	}
	return nil, nil, sqlerr.Internal("no binding for FROM item %T", t)
}

func (b *binder) bindTableRef(t *ast.TableRef, e env) (Node, *scope, error) {
	alias := t.Alias
	if alias == "" {
		alias = t.Table.Name
	}
	if t.Table.Schema == "" {
		if n, ok, err := b.cteRef(t.Table.Name, alias); err != nil || ok {
			if err != nil {
				return nil, nil, b.errAt(err, t)
			}
			if t.Sample != nil {
				return nil, nil, b.errAt(errSampled(), t)
			}
			_, recursive := n.(*WorkScan)
			s, err := b.relScope(n.Columns(), scopeRel{name: alias, recursive: recursive}, t.Columns, e, t)
			return n, s, err
		}
	}
	table, err := b.resolveTable(t.Table)
	if err != nil {
		return nil, nil, err
	}
	var n Node
	switch {
	case t.Sample == nil:
		n, err = b.relation(table, alias, t.Table)
	case table.View != nil || table.Sequence != nil:
		err = errSampled()
	case b.view != nil || b.recording != nil:
		err = unsupported("TABLESAMPLE in a view")
	default:
		n, err = b.sample(table, alias, t.Sample, e)
	}
	if err != nil {
		return nil, nil, b.errAt(err, t)
	}
	rel := scopeRel{name: alias, table: table, need: b.need(table, t.Table, catalog.Select)}
	if t.Alias == "" {
		if sc := b.o.Catalog.SchemaByID(table.Schema); sc != nil {
			rel.schema = sc.Name
		}
	}
	s, err := b.relScope(n.Columns(), rel, t.Columns, e, t)
	return n, s, err
}

// relation reads a table, view or sequence by the name n.
func (b *binder) relation(t *catalog.Table, alias string, n ast.Name) (Node, error) {
	var shape []catalog.ViewColumn
	if b.view != nil {
		_, r, err := b.viewRef(n)
		if err != nil {
			return nil, err
		}
		shape = r.Columns
	}
	if t.View != nil {
		v, err := b.bindView(t)
		if err != nil || shape == nil || len(shape) == len(v.Columns()) {
			return v, err
		}
		p := identity(v)
		p.Cols, p.Exprs = p.Cols[:len(shape)], p.Exprs[:len(shape)]
		return p, nil
	}
	if shape == nil {
		return b.scan(t, alias, false)
	}
	var cs []Column
	var wanted []int
	for _, c := range shape {
		i := t.ColumnIndex(c.ID)
		if i < 0 {
			return nil, sqlerr.Internal("column %q of table %q is gone", c.Name, t.Name)
		}
		if t.Columns[i].Dropped {
			continue // no view reads it, or it would be there
		}
		cs = append(cs, Column{Name: c.Name, Type: t.Columns[i].Type, TableOID: t.ID, AttNum: c.ID})
		wanted = append(wanted, i)
	}
	return b.scanOf(t, alias, cs, wanted)
}

// scan reads a table: its visible columns or, with all, every one.
func (b *binder) scan(t *catalog.Table, alias string, all bool) (Node, error) {
	var cs []Column
	var wanted []int
	for i := range t.Columns {
		c := &t.Columns[i]
		if !all && (c.Dropped || c.Hidden) {
			continue
		}
		cs = append(cs, Column{Name: c.Name, Type: c.Type, TableOID: t.ID, AttNum: c.ID})
		wanted = append(wanted, i)
	}
	return b.scanOf(t, alias, cs, wanted)
}

func (b *binder) scanOf(t *catalog.Table, alias string, cs []Column, wanted []int) (Node, error) {
	if t.Virtual || t.Sequence != nil {
		return &VirtualScan{cols: cols{cs}, Table: t, Alias: alias, Wanted: wanted}, nil
	}
	ix, err := rowcodec.NewIndex(t, t.Primary())
	if err != nil {
		return nil, err
	}
	return &Scan{cols: cols{cs}, Table: t, Alias: alias, Wanted: wanted, Index: ix}, nil
}

// bindFuncRef binds functions in FROM.
func (b *binder) bindFuncRef(t *ast.FuncRef, e env) (Node, *scope, error) {
	n := &FuncScan{Ordinality: t.Ordinality, Alias: t.Alias}
	inner := &scope{env: e}
	var rel scopeRel
	funcs := unnested(t.Funcs)
	named := t.Alias != "" && !t.RowsFrom && len(funcs) == 1
	for _, f := range funcs {
		defs := f.Columns
		if !t.RowsFrom {
			defs = t.ColumnDefs
		}
		x, err := b.expr(f.Expr, inner)
		if err != nil {
			return nil, nil, err
		}
		if x, err = b.eb.Known(x); err != nil {
			return nil, nil, b.errAt(err, f.Expr)
		}
		if expr.HasAggregate(x) {
			return nil, nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in functions in FROM"), f.Expr)
		}
		if err := b.noWindow(x, "functions in FROM"); err != nil {
			return nil, nil, err
		}
		if x, err = b.columnDefs(x, defs, f.Expr); err != nil {
			return nil, nil, err
		}
		names, ts := []string{targetName(f.Expr)}, []types.Type{x.Type()}
		if call, ok := x.(*expr.SetCall); ok {
			names, ts = call.Columns()
			if len(names) == 1 && len(call.Fn.OutNames)+len(call.Sig.OutNames) == 0 && named {
				names = []string{t.Alias} // a function with one column is called as its alias
			}
		} else if expr.HasSet(x) {
			return nil, nil, b.errAt(unsupported("a set-returning function inside an expression in FROM"), f.Expr)
		} else if named {
			names = []string{t.Alias}
		}
		if row := x.Type().Base(); row.IsComposite() {
			names, ts = nil, nil
			for _, f := range row.Def().Fields {
				names, ts = append(names, f.Name), append(ts, f.Type)
			}
			if len(funcs) == 1 && !t.Ordinality {
				rel.row = row
			}
		}
		n.Funcs = append(n.Funcs, x)
		n.Widths = append(n.Widths, len(names))
		for i := range names {
			n.Cols = append(n.Cols, Column{Name: names[i], Type: ts[i]})
		}
	}
	if t.Ordinality {
		n.Cols = append(n.Cols, Column{Name: "ordinality", Type: types.Int8})
	}
	alias := t.Alias
	if alias == "" {
		alias = targetName(t.Funcs[0].Expr)
	}
	rel.name = alias
	s, err := b.relScope(n.Cols, rel, t.Columns, e, t)
	return n, s, err
}

// columnDefs gives a function returning record the columns that the query declares
// for it.
func (b *binder) columnDefs(x expr.Expr, defs []ast.ColumnSpec, at ast.Expr) (expr.Expr, error) {
	call, ok := x.(*expr.SetCall)
	record := ok && call.Sig.Result.OID == types.OIDRecord && len(call.Fn.OutNames) == 0
	switch {
	case len(defs) == 0 && record:
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "a column definition list is required for functions returning \"record\""), at)
	case len(defs) == 0:
		return x, nil
	case ok && len(call.Fn.OutNames) > 1:
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "a column definition list is redundant for a function with OUT parameters"), defs[0])
	case !record:
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "a column definition list is only allowed for functions returning \"record\""), defs[0])
	}
	c := *call
	for _, d := range defs {
		t, err := ResolveType(d.Type, b.o)
		if err != nil {
			return nil, b.errAt(err, d.Type)
		}
		c.Sig.OutNames, c.Sig.OutTypes = append(c.Sig.OutNames, d.Name), append(c.Sig.OutTypes, t)
	}
	return &c, nil
}

// unnested takes unnest of several arrays apart, which stands for ROWS FROM of one
// each (PostgreSQL, "Table Functions").
func unnested(fs []ast.RangeFunc) []ast.RangeFunc {
	var out []ast.RangeFunc
	for _, f := range fs {
		call, ok := f.Expr.(*ast.FuncCall)
		if !ok || call.Func.Name != "unnest" || len(call.Args) < 2 {
			out = append(out, f)
			continue
		}
		for _, a := range call.Args {
			one := *call
			one.Args = call.Args[:0:0]
			one.Args = append(one.Args, a)
			out = append(out, ast.RangeFunc{Expr: &one})
		}
	}
	return out
}

var joinKinds = map[ast.JoinKind]JoinKind{
	ast.JoinInner: InnerJoin, ast.JoinCross: InnerJoin, ast.JoinLeft: LeftJoin, ast.JoinRight: RightJoin, ast.JoinFull: FullJoin,
}

func (b *binder) bindJoin(t *ast.Join, e env) (Node, *scope, error) {
	l, ls, err := b.bindTable(t.Left, e)
	if err != nil {
		return nil, nil, err
	}
	in := e
	var lv *level
	if lateral(t.Right) {
		lv = &level{}
		siblings := *ls
		siblings.lateral = true
		// Beyond this join's left side lie the items before the whole join.
		siblings.env = e
		in = env{parent: &siblings, level: lv}
	} else {
		in = in.hides(ls)
	}
	r, rs, err := b.bindTable(t.Right, in)
	if err == nil {
		err = b.noAggregateArgs(lv)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := b.joinScopes(ls, rs, len(l.Columns()), plainEnv(e), t)
	if err != nil {
		return nil, nil, err
	}
	kind := joinKinds[t.Kind]
	s.nullable(kind, len(ls.rels))
	cond, err := b.joinCondition(t, s, ls, rs, len(l.Columns()))
	if err != nil {
		return nil, nil, err
	}
	if lv != nil && len(lv.args) > 0 {
		if kind == RightJoin || kind == FullJoin {
			return nil, nil, b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "invalid reference to FROM-clause entry").
				WithDetail("The combining JOIN type must be INNER or LEFT for a LATERAL reference."), t)
		}
		a := newApply(kind, l, r, lv.args)
		a.Cond = cond
		return a, s, nil
	}
	j := newJoin(kind, l, r)
	j.Cond = cond
	return j, s, nil
}

// nullable marks the tables of which an outer join makes rows of NULLs; the first
// left ones are those of its left side.
func (s *scope) nullable(kind JoinKind, left int) {
	for i := range s.rels {
		if kind == FullJoin || kind == LeftJoin && i >= left || kind == RightJoin && i < left {
			s.rels[i].nullable = true
		}
	}
}

// plainEnv is the environment of what is not lateral.
func plainEnv(e env) env {
	if e.parent != nil && e.parent.lateral {
		return env{parent: e.parent.mask(), level: e.level, beyond: e.beyond}
	}
	return e
}

// joinCondition binds ON, USING or NATURAL; the latter two also merge columns of s.
func (b *binder) joinCondition(t *ast.Join, s, ls, rs *scope, lw int) (expr.Expr, error) {
	if t.On != nil {
		return b.condition(t.On, "JOIN/ON", s)
	}
	names := t.Using
	if t.Natural {
		for _, c := range ls.cols {
			if c.merged || c.hidden {
				continue
			}
			for _, d := range rs.cols {
				if d.name == c.name && !d.merged && !d.hidden {
					names = append(names, ast.Ident{At: t.At, Name: c.name})
					break
				}
			}
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	var conds []expr.Expr
	var merged []scopeCol
	for _, name := range names {
		li, err := b.usingColumn(ls, name, "left")
		if err != nil {
			return nil, err
		}
		ri, err := b.usingColumn(rs, name, "right")
		if err != nil {
			return nil, err
		}
		lc, rc := &s.cols[li], &s.cols[len(ls.cols)+ri]
		eq, err := b.eb.Binary("=", lc.e, rc.e)
		if err != nil {
			return nil, b.errAt(err, name)
		}
		conds = append(conds, eq)
		m := scopeCol{rel: -1, name: name.Name, e: lc.e, oid: lc.oid, attnum: lc.attnum}
		typ, both, err := b.eb.Common("JOIN/USING", []expr.Expr{lc.e, rc.e})
		if err != nil {
			return nil, b.errAt(err, name)
		}
		switch t.Kind {
		case ast.JoinRight:
			m.e, m.oid, m.attnum = rc.e, rc.oid, rc.attnum
		case ast.JoinFull:
			if m.e, err = b.eb.Coalesce(both); err != nil {
				return nil, err
			}
			m.oid, m.attnum = 0, 0
		default:
			if lc.e.Type() != typ {
				m.e, m.oid, m.attnum = both[0], 0, 0
			}
		}
		lc.merged, rc.merged = true, true
		merged = append(merged, m)
	}
	s.cols = append(merged, s.cols...)
	if len(conds) == 1 {
		return conds[0], nil
	}
	return b.eb.And(conds...)
}

func (b *binder) usingColumn(s *scope, name ast.Ident, side string) (int, error) {
	found := -1
	for i, c := range s.cols {
		if c.name != name.Name || c.merged || c.hidden {
			continue
		}
		if found >= 0 {
			return 0, b.errAt(sqlerr.New(sqlerr.AmbiguousColumn, "common column name %q appears more than once in %s table", name.Name, side), name)
		}
		found = i
		s.read(&s.cols[i])
	}
	if found < 0 {
		return 0, sqlerr.New(sqlerr.UndefinedColumn, "column %q specified in USING clause does not exist in %s table", name.Name, side)
	}
	return found, nil
}
