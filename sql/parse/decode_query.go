package parse

import (
	"strings"

	tast "github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// fragment decodes one statement of the engine into its place.
func (d *decoder) fragment(n tast.StmtNode) {
	switch d.f.kind {
	case fragQuery:
		*d.f.dst.(**ast.Select) = d.query(n)
	case fragQueryInPlace:
		dst := d.f.dst.(*ast.Select)
		at, asOf := dst.At, dst.AsOf
		*dst = *d.query(n)
		dst.At, dst.AsOf = at, asOf
	case fragExpr:
		*d.f.dst.(*ast.Expr) = d.expr(d.fields(n)[0].Expr)
	case fragExprs:
		dst := d.f.dst.(*[]ast.Expr)
		for _, f := range d.fields(n) {
			*dst = append(*dst, d.expr(f.Expr))
		}
	case fragCall:
		c := d.f.dst.(*ast.Call)
		f, ok := d.expr(d.fields(n)[0].Expr).(*ast.FuncCall)
		if !ok {
			d.p.syntaxErrorAt(0)
		}
		c.Func = f
	case fragTargets:
		*d.f.dst.(*[]ast.Target) = d.targets(d.fields(n))
	case fragFrom:
		s, ok := n.(*tast.SelectStmt)
		if !ok || s.From == nil || s.Where != nil {
			d.unexpected(n)
		}
		*d.f.dst.(*[]ast.TableExpr) = d.from(s.From)
	case fragWith:
		dst := d.f.dst.(*ast.With)
		at := dst.At
		switch s := n.(type) {
		case *tast.SelectStmt:
			*dst = *d.with(s.With)
		default:
			d.unexpected(n)
		}
		dst.At = at
	case fragInsert:
		d.insert(n)
	case fragUpdate:
		d.update(n)
	case fragDelete:
		s, ok := n.(*tast.DeleteStmt)
		if !ok || s.Order != nil || s.Limit != nil || s.With != nil || s.IsMultiTable {
			d.unexpected(n)
		}
		*d.f.dst.(*ast.Expr) = d.expr(s.Where)
	}
}

// fields gives the select list of a fragment that is nothing else.
func (d *decoder) fields(n tast.StmtNode) []*tast.SelectField {
	s, ok := n.(*tast.SelectStmt)
	if !ok || s.From != nil || s.Where != nil || s.OrderBy != nil || s.Limit != nil || s.With != nil || s.Fields == nil {
		d.unexpected(n)
	}
	return s.Fields.Fields
}

func (d *decoder) insert(n tast.StmtNode) {
	s, ok := n.(*tast.InsertStmt)
	if !ok || s.Select != nil || s.OnDuplicate != nil || len(s.Columns) > 0 || s.IsReplace || s.IgnoreErr {
		d.unexpected(n)
	}
	v := &ast.Values{Rows: make([][]ast.Expr, len(s.Lists))}
	for i, row := range s.Lists {
		v.Rows[i] = d.exprs(row)
	}
	if len(v.Rows) > 0 && len(v.Rows[0]) > 0 {
		v.Pos = ast.Leftmost(v.Rows[0][0])
	}
	*d.f.dst.(**ast.Select) = &ast.Select{At: v.At, Body: v}
}

func (d *decoder) update(n tast.StmtNode) {
	s, ok := n.(*tast.UpdateStmt)
	if !ok || s.Order != nil || s.Limit != nil || s.With != nil || s.IgnoreErr {
		d.unexpected(n)
	}
	dst := d.f.dst.(*updateParts)
	for _, a := range s.List {
		_, kind, side := d.splitSentinel(a.Column.Name.O)
		m, ok := side.(*multiAssign)
		if !ok {
			d.unexpected(a)
		}
		target, part := m.target.(*ast.Subscript)
		if m.target != nil && !part {
			d.unexpected(a)
		}
		*dst.set = append(*dst.set, ast.Assignment{At: m.at, Columns: m.columns, Multi: kind == "multi", Target: target, Value: d.expr(a.Expr)})
	}
	if s.Where != nil {
		*dst.where = d.expr(s.Where)
	}
}

// query decodes a query at any level.
func (d *decoder) query(n tast.Node) *ast.Select {
	switch s := n.(type) {
	case *tast.SelectStmt:
		return d.selectStmt(s)
	case *tast.SetOprStmt:
		out := d.setOperation(s.SelectList.Selects)
		return d.wholeQuery(out, s.With, s.OrderBy, s.Limit)
	case *tast.SetOprSelectList:
		if len(s.Selects) == 1 {
			// A single operand keeps its own clauses; the list repeats its WITH.
			return d.query(s.Selects[0])
		}
		out := d.setOperation(s.Selects)
		return d.wholeQuery(out, s.With, s.OrderBy, s.Limit)
	}
	d.unexpected(n)
	return nil
}

// wholeQuery adds the clauses that apply to a whole query.
func (d *decoder) wholeQuery(out *ast.Select, with *tast.WithClause, order *tast.OrderByClause, limit *tast.Limit) *ast.Select {
	if with != nil {
		out.With = d.with(with)
	}
	if order != nil {
		out.OrderBy = d.orderItems(order.Items)
	}
	if limit != nil {
		d.tail(out, limit)
	}
	return out
}

func (d *decoder) tail(out *ast.Select, l *tast.Limit) {
	m, ok := l.Count.(*paramMarker)
	if !ok || l.Offset != nil {
		d.unexpected(l)
	}
	tok, ok := d.f.source(m.offset)
	if !ok || tok >= 0 {
		d.unexpected(l)
	}
	t, ok := d.p.side[-tok-1].(*queryTail)
	if !ok {
		d.unexpected(l)
	}
	out.Limit, out.Offset, out.WithTies, out.Locking = t.limit, t.offset, t.withTies, t.locking
}

// setOperation associates a flat list of operands: INTERSECT binds tighter, everything else goes from the left.
func (d *decoder) setOperation(list []tast.Node) *ast.Select {
	type operand struct {
		q   *ast.Select
		op  ast.SetOpKind
		all bool
	}
	join := func(l, r operand) *ast.Select {
		at := ast.At{Pos: l.q.Pos}
		return &ast.Select{At: at, Body: &ast.SetOp{At: at, Kind: r.op, All: r.all, Left: l.q, Right: r.q}}
	}
	var stack []operand
	for i, n := range list {
		o := operand{q: d.query(n)}
		if i > 0 {
			o.op, o.all = d.setOp(n)
		}
		if i > 0 && o.op == ast.Intersect {
			top := &stack[len(stack)-1]
			top.q = join(*top, o)
			continue
		}
		stack = append(stack, o)
	}
	out := stack[0]
	for _, o := range stack[1:] {
		out = operand{q: join(out, o)}
	}
	return out.q
}

func (d *decoder) setOp(n tast.Node) (ast.SetOpKind, bool) {
	var t *tast.SetOprType
	switch s := n.(type) {
	case *tast.SelectStmt:
		t = s.AfterSetOperator
	case *tast.SetOprSelectList:
		t = s.AfterSetOperator
	}
	if t == nil {
		d.unexpected(n)
	}
	switch *t {
	case tast.Union:
		return ast.Union, false
	case tast.UnionAll:
		return ast.Union, true
	case tast.Intersect:
		return ast.Intersect, false
	case tast.IntersectAll:
		return ast.Intersect, true
	case tast.Except:
		return ast.Except, false
	case tast.ExceptAll:
		return ast.Except, true
	}
	d.unexpected(n)
	return 0, false
}

func (d *decoder) selectStmt(s *tast.SelectStmt) *ast.Select {
	if s.LockInfo != nil || s.SelectIntoOpt != nil || len(s.TableHints) > 0 {
		d.unexpected(s)
	}
	out := &ast.Select{}
	switch s.Kind {
	case tast.SelectStmtKindValues:
		v := &ast.Values{Rows: make([][]ast.Expr, len(s.Lists))}
		for i, row := range s.Lists {
			v.Rows[i] = d.exprs(row.Values)
		}
		if len(v.Rows) > 0 && len(v.Rows[0]) > 0 {
			v.Pos = ast.Leftmost(v.Rows[0][0])
		}
		out.Body, out.At = v, v.At
	case tast.SelectStmtKindSelect:
		c := d.core(s)
		out.Body, out.At = c, c.At
	default:
		d.unexpected(s)
	}
	return d.wholeQuery(out, s.With, s.OrderBy, s.Limit)
}

func (d *decoder) core(s *tast.SelectStmt) *ast.SelectCore {
	c := &ast.SelectCore{Distinct: s.Distinct}
	fields := s.Fields.Fields
	if len(fields) > 0 {
		if f, ok := fields[0].Expr.(*tast.FuncCallExpr); ok {
			switch f.FnName.O {
			case "\x00don":
				c.Distinct, c.DistinctOn = false, d.exprs(f.Args)
				fields = fields[1:]
			case "\x00empty":
				fields = fields[1:]
			}
		}
	}
	c.Targets = d.targets(fields)
	if len(c.Targets) > 0 {
		c.Pos = c.Targets[0].Pos
	}
	if s.From != nil {
		c.From = d.from(s.From)
	}
	if s.Where != nil {
		c.Where = d.expr(s.Where)
	}
	if s.GroupBy != nil {
		if s.GroupBy.Rollup {
			d.unexpected(s.GroupBy)
		}
		for _, it := range s.GroupBy.Items {
			if f, ok := it.Expr.(*tast.FuncCallExpr); ok && f.FnName.O == "\x00gdistinct" {
				c.GroupByDistinct = true
				continue
			}
			c.GroupBy = append(c.GroupBy, d.expr(it.Expr))
		}
	}
	if s.Having != nil {
		c.Having = d.expr(s.Having.Expr)
	}
	for i := range s.WindowSpecs {
		c.Windows = append(c.Windows, d.window(&s.WindowSpecs[i]))
	}
	return c
}

func (d *decoder) targets(fields []*tast.SelectField) []ast.Target {
	if len(fields) == 0 {
		return nil
	}
	out := make([]ast.Target, len(fields))
	for i, f := range fields {
		if f.WildCard != nil {
			d.unexpected(f.WildCard)
		}
		e := d.expr(f.Expr)
		out[i] = ast.Target{At: ast.At{Pos: ast.Leftmost(e)}, Expr: e, Label: f.AsName.O}
	}
	return out
}

func (d *decoder) with(w *tast.WithClause) *ast.With {
	out := &ast.With{Recursive: w.IsRecursive}
	for _, c := range w.CTEs {
		_, kind, side := d.splitSentinel(c.Name.O)
		info, ok := side.(*cteInfo)
		if kind != "cte" || !ok || len(c.ColNameList) > 0 {
			d.unexpected(c)
		}
		if info.cte.Query == nil {
			info.cte.Query = d.query(c.Query.Query)
		}
		out.CTEs = append(out.CTEs, info.cte)
	}
	if len(out.CTEs) > 0 {
		out.At = out.CTEs[0].At
	}
	return out
}

// from decodes a FROM list: joins without a condition are the engine's form of the comma.
func (d *decoder) from(c *tast.TableRefsClause) []ast.TableExpr {
	var out []ast.TableExpr
	var n tast.ResultSetNode = c.TableRefs
	for {
		j, ok := n.(*tast.Join)
		if !ok || j.On != nil || j.Right == nil && j.Left == nil {
			out = append(out, d.tableExpr(n))
			break
		}
		if j.Right == nil {
			n = j.Left
			continue
		}
		if j.ExplicitParens {
			d.unexpected(j)
		}
		out = append(out, d.tableExpr(j.Right))
		n = j.Left
	}
	for i, k := 0, len(out)-1; i < k; i, k = i+1, k-1 {
		out[i], out[k] = out[k], out[i]
	}
	return out
}

func (d *decoder) tableExpr(n tast.ResultSetNode) ast.TableExpr {
	switch t := n.(type) {
	case *tast.TableSource:
		return d.tableSource(t)
	case *tast.Join:
		if t.Right == nil {
			return d.tableExpr(t.Left)
		}
		return d.join(t)
	}
	d.unexpected(n)
	return nil
}

func (d *decoder) join(t *tast.Join) ast.TableExpr {
	if t.On == nil || t.NaturalJoin || t.StraightJoin || len(t.Using) > 0 || t.Tp != tast.LeftJoin {
		d.unexpected(t)
	}
	f, ok := t.On.Expr.(*tast.FuncCallExpr)
	if !ok {
		d.unexpected(t.On)
	}
	_, _, side := d.splitSentinel(f.FnName.O)
	info, ok := side.(*joinInfo)
	if !ok {
		d.unexpected(t.On)
	}
	j := &ast.Join{At: ast.At{Pos: info.pos}, Kind: info.kind, Natural: info.natural, Using: info.using}
	j.Left, j.Right = d.tableExpr(t.Left), d.tableExpr(t.Right)
	if len(f.Args) == 1 {
		j.On = d.expr(f.Args[0])
	}
	return j
}

func (d *decoder) tableSource(t *tast.TableSource) ast.TableExpr {
	if t.Lateral || len(t.ColumnNames) > 0 {
		d.unexpected(t)
	}
	if tn, ok := t.Source.(*tast.TableName); ok {
		_, _, side := d.splitSentinel(tn.Name.O)
		r, ok := side.(*ast.TableRef)
		if !ok || tn.TableSample != nil || tn.AsOf != nil || len(tn.IndexHints) > 0 || len(tn.PartitionNames) > 0 || t.AsName.O != "" {
			d.unexpected(tn)
		}
		return r
	}
	_, _, side := d.splitSentinel(t.AsName.O)
	switch r := side.(type) {
	case *ast.SubqueryRef:
		r.Query = d.query(t.Source)
		return r
	case *ast.FuncRef:
		s, ok := t.Source.(*tast.SelectStmt)
		if !ok {
			d.unexpected(t.Source)
		}
		f, ok := d.fields(s)[0].Expr.(*tast.FuncCallExpr)
		if !ok || f.FnName.O != "\x00srf" || len(f.Args) != len(r.Funcs) {
			d.unexpected(t.Source)
		}
		for i, a := range f.Args {
			r.Funcs[i].Expr = d.expr(a)
		}
		return r
	}
	panic(bail{sqlerr.Internal("unexpected alias %q in the parsed text", strings.ReplaceAll(t.AsName.O, "\x00", "~"))})
}
