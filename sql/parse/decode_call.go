package parse

import (
	"strings"

	tast "github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// call decodes a plain function call or one of the sentinel functions.
func (d *decoder) call(n *tast.FuncCallExpr) ast.Expr {
	plain, kind, side := d.splitSentinel(n.FnName.O)
	if kind == "" {
		at := d.at(n)
		f := &ast.FuncCall{At: at, Func: ast.Name{At: at, Schema: n.Schema.O, Name: plain}}
		d.args(f, n.Args)
		return f
	}
	if n.Schema.O != "" {
		d.unexpected(n)
	}
	if e := d.sentinelCall(n, kind, side); e != nil {
		return e
	}
	panic(bail{sqlerr.Internal("sentinel %q out of place", kind)})
}

func (d *decoder) sentinelCall(n *tast.FuncCallExpr, kind string, side any) ast.Expr {
	arg := func(i int) ast.Expr { return d.expr(n.Args[i]) }
	switch kind {
	case "num":
		return &ast.Const{At: d.at(n), Kind: ast.ConstDecimal, Text: n.Args[0].(*literal).GetString()}
	case "cast":
		c := side.(*ast.TypeCast)
		c.Expr = arg(0)
		return c
	case "collate":
		c := side.(*ast.Collate)
		c.Expr = arg(0)
		return c
	case "attz":
		z := side.(*ast.AtTimeZone)
		z.Expr, z.Zone = arg(0), arg(1)
		return z
	case "is":
		b := side.(*ast.IsBool)
		b.Expr = arg(0)
		return b
	case "norm":
		return side.(*normalizedTest).call(arg(0))
	case "dist":
		e := side.(*ast.IsDistinct)
		e.Left, e.Right = arg(0), arg(1)
		return e
	case "not":
		return &ast.Not{At: d.at(n), Expr: arg(0)}
	case "pre":
		u := side.(*ast.UnaryOp)
		u.Expr = arg(0)
		return u
	case "sub":
		return d.subscript(n, side.(*ast.Index))
	case "field":
		f := side.(*ast.FieldSelect)
		f.Expr = arg(0)
		return f
	case "array":
		return &ast.Array{At: d.at(n), Elems: d.exprs(n.Args)}
	case "arrayq":
		return &ast.ArraySubquery{At: d.at(n), Query: d.query(n.Args[0].(*tast.SubqueryExpr).Query)}
	case "row":
		return &ast.Row{At: d.at(n), Elems: d.exprs(n.Args), Explicit: true}
	case "coalesce":
		return &ast.Coalesce{At: d.at(n), Args: d.exprs(n.Args)}
	case "greatest", "least":
		return &ast.MinMax{At: d.at(n), Greatest: kind == "greatest", Args: d.exprs(n.Args)}
	case "grouping":
		return &ast.Grouping{At: d.at(n), Args: d.exprs(n.Args)}
	case "nullif":
		return &ast.NullIf{At: d.at(n), Left: arg(0), Right: arg(1)}
	case "call":
		return d.specialCall(n, side.(*callInfo))
	case "gset":
		g := side.(*ast.GroupingSet)
		g.Items = d.exprs(n.Args)
		return g
	}
	return nil
}

// subscript decodes [i] and [lo:hi]; a chain of them is one Subscript.
func (d *decoder) subscript(n *tast.FuncCallExpr, ix *ast.Index) ast.Expr {
	bound := func(i int) ast.Expr {
		if f, ok := n.Args[i].(*tast.FuncCallExpr); ok && f.FnName.O == "\x00none" {
			return nil
		}
		return d.expr(n.Args[i])
	}
	ix.Lo = bound(1)
	if ix.Slice {
		ix.Hi = bound(2)
	}
	base := d.expr(n.Args[0])
	if s, ok := base.(*ast.Subscript); ok {
		if _, chained := n.Args[0].(*tast.FuncCallExpr); chained {
			s.Indexes = append(s.Indexes, *ix)
			return s
		}
	}
	return &ast.Subscript{At: ast.At{Pos: base.Position()}, Expr: base, Indexes: []ast.Index{*ix}}
}

// args decodes arguments, where name => value and VARIADIC may stand.
func (d *decoder) args(f *ast.FuncCall, in []tast.ExprNode) {
	if len(in) == 0 {
		return
	}
	f.Args = make([]ast.Expr, 0, len(in))
	named := false
	for i, e := range in {
		if c, ok := e.(*tast.FuncCallExpr); ok && strings.HasPrefix(c.FnName.O, "\x00") {
			_, kind, side := d.splitSentinel(c.FnName.O)
			switch kind {
			case "arg":
				a := side.(*ast.NamedArg)
				a.Expr = d.expr(c.Args[0])
				f.Args = append(f.Args, a)
				named = true
				continue
			case "variadic":
				if i != len(in)-1 {
					d.p.fail(sqlerr.SyntaxError, d.pos(c.OriginTextPosition()), "syntax error at or near \"VARIADIC\"")
				}
				f.Variadic = true
				f.Args = append(f.Args, d.expr(c.Args[0]))
				continue
			}
		}
		a := d.expr(e)
		if named {
			d.p.fail(sqlerr.SyntaxError, a.Position(), "positional argument cannot follow named argument")
		}
		f.Args = append(f.Args, a)
	}
}

// specialCall decodes a call that the rewriter described beforehand; some of PostgreSQL's forms order the arguments differently.
func (d *decoder) specialCall(n *tast.FuncCallExpr, info *callInfo) ast.Expr {
	f := info.call
	if f.Form == ast.FormTrim && len(n.Args) > 0 {
		if c, ok := n.Args[0].(*tast.FuncCallExpr); ok && c.FnName.O == "\x00trimchars" {
			d.args(f, n.Args[1:])
			f.Args = append(f.Args, d.expr(c.Args[0]))
			return f
		}
	}
	d.args(f, n.Args)
	last := len(f.Args) - 1
	if f.Form == ast.FormPosition || info.swap {
		f.Args[last-1], f.Args[last] = f.Args[last], f.Args[last-1]
	}
	return f
}

// universal decodes the aggregate that carries every call with DISTINCT, ORDER BY, FILTER or WITHIN GROUP.
func (d *decoder) universal(n *tast.AggregateFuncExpr) ast.Expr {
	f := d.universalArgs(n.F, n.Args)
	if n.Distinct != f.Distinct {
		d.unexpected(n)
	}
	if n.Order != nil {
		f.OrderBy = d.orderItems(n.Order.Items)
	}
	return f
}

// universalArgs decodes name, arguments and filter. The engine adds its separator as last argument.
func (d *decoder) universalArgs(name string, in []tast.ExprNode) *ast.FuncCall {
	if !strings.EqualFold(name, "group_concat") || len(in) < 2 {
		panic(bail{sqlerr.Internal("unexpected aggregate %s in the parsed text", name)})
	}
	lit, ok := in[0].(*literal)
	if !ok {
		d.unexpected(in[0])
	}
	_, _, side := d.splitSentinel(lit.GetString())
	info, ok := side.(*callInfo)
	if !ok {
		d.unexpected(lit)
	}
	in = in[1 : len(in)-1]
	f := info.call
	if info.filter {
		c, ok := in[len(in)-1].(*tast.FuncCallExpr)
		if !ok || c.FnName.O != "\x00filter" {
			d.unexpected(in[len(in)-1])
		}
		f.Filter = d.expr(c.Args[0])
		in = in[:len(in)-1]
	}
	d.args(f, in)
	return f
}

func (d *decoder) windowCall(n *tast.WindowFuncExpr) ast.Expr {
	f := d.universalArgs(n.Name, n.Args)
	if n.IgnoreNull || n.FromLast || f.Over == nil {
		d.unexpected(n)
	}
	at := f.Over.At
	*f.Over = d.window(&n.Spec)
	f.Over.At = at
	return f
}

func (d *decoder) window(s *tast.WindowSpec) ast.Window {
	name, _, side := d.splitSentinel(s.Name.O)
	w := ast.Window{Name: name, Ref: s.Ref.O, RefOnly: s.OnlyAlias}
	if def, ok := side.(*ast.Window); ok {
		w.At = def.At
	}
	if s.OnlyAlias {
		w.Ref, w.Name = w.Name, ""
		if s.Ref.O != "" {
			w.Ref = s.Ref.O
		}
	}
	if s.Frame != nil {
		d.unexpected(s.Frame)
	}
	if s.PartitionBy != nil {
		for _, it := range s.PartitionBy.Items {
			if kind, side := d.sentinelColumn(it.Expr); kind == "frame" {
				w.Frame = side.(*ast.Frame)
				continue
			}
			w.PartitionBy = append(w.PartitionBy, d.expr(it.Expr))
		}
	}
	if s.OrderBy != nil {
		w.OrderBy = d.orderItems(s.OrderBy.Items)
	}
	return w
}

func (d *decoder) orderItems(items []*tast.ByItem) []ast.OrderItem {
	out := make([]ast.OrderItem, len(items))
	for i, it := range items {
		o := ast.OrderItem{Desc: it.Desc}
		e := it.Expr
		if f, ok := e.(*tast.FuncCallExpr); ok {
			if _, kind, side := d.splitSentinel(f.FnName.O); kind == "ord" {
				s := side.(*ast.OrderItem)
				o.Nulls, o.Using = s.Nulls, s.Using
				e = f.Args[0]
			}
		}
		o.Expr = d.expr(e)
		o.Pos = ast.Leftmost(o.Expr)
		out[i] = o
	}
	return out
}
