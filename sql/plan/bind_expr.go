package plan

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// expr binds an expression in a scope. The result may be of type unknown.
func (b *binder) expr(e ast.Expr, s *scope) (expr.Expr, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	out, err := b.expr1(e, s)
	return out, b.errAt(err, e)
}

func (b *binder) exprs(list []ast.Expr, s *scope) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		x, err := b.expr(e, s)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func (b *binder) expr1(e ast.Expr, s *scope) (expr.Expr, error) {
	switch e := e.(type) {
	case *ast.Const:
		return b.constant(e)
	case *ast.Param:
		return b.param(e)
	case *ast.ColumnRef:
		return b.columnRef(e, s)
	case *ast.TypeCast:
		return b.typeCast(e, s)
	case *ast.TypedLiteral:
		t, err := ResolveType(e.Type, b.o)
		if err != nil {
			return nil, b.errAt(err, e.Type)
		}
		return b.eb.Cast(expr.NewUnknown(e.Text), t, expr.CastExplicit)
	case *ast.UnaryOp:
		return b.unary(e, s)
	case *ast.BinaryOp:
		if err := checkOpSchema(e.Op); err != nil {
			return nil, err
		}
		return b.two(e.Left, e.Right, s, func(l, r expr.Expr) (expr.Expr, error) { return b.eb.Binary(e.Op.Name, l, r) })
	case *ast.And:
		return b.logic(e.Args, "AND", s, b.eb.And)
	case *ast.Or:
		return b.logic(e.Args, "OR", s, b.eb.Or)
	case *ast.Not:
		return b.logic([]ast.Expr{e.Expr}, "NOT", s, func(a ...expr.Expr) (expr.Expr, error) { return b.eb.Not(a[0]) })
	case *ast.IsNull:
		return b.one(e.Expr, s, func(x expr.Expr) (expr.Expr, error) { return b.eb.IsNull(x, e.Not) })
	case *ast.IsBool:
		want := types.Null
		switch e.Test {
		case ast.TestTrue:
			want = types.True
		case ast.TestFalse:
			want = types.False
		}
		return b.one(e.Expr, s, func(x expr.Expr) (expr.Expr, error) { return b.eb.IsBool(x, want, e.Not) })
	case *ast.IsDistinct:
		return b.two(e.Left, e.Right, s, func(l, r expr.Expr) (expr.Expr, error) { return b.eb.IsDistinct(l, r, e.Not) })
	case *ast.Between:
		xs, err := b.exprs([]ast.Expr{e.Expr, e.Lo, e.Hi}, s)
		if err != nil {
			return nil, err
		}
		return b.eb.Between(xs[0], xs[1], xs[2], e.Symmetric, e.Not)
	case *ast.InList:
		x, err := b.expr(e.Expr, s)
		if err != nil {
			return nil, err
		}
		list, err := b.exprs(e.List, s)
		if err != nil {
			return nil, err
		}
		return b.eb.In(x, list, e.Not)
	case *ast.Like:
		return b.like(e, s)
	case *ast.AnyAll:
		return b.anyAll(e, s)
	case *ast.InSubquery:
		return b.inSubquery(e, s)
	case *ast.Exists:
		sub, args, _, err := b.subquery(e.Query, s)
		if err != nil {
			return nil, err
		}
		return b.eb.ExistsSubquery(sub, args, false)
	case *ast.ScalarSubquery:
		sub, args, cs, err := b.subqueryOne(e.Query, s)
		if err != nil {
			return nil, err
		}
		return b.eb.ScalarSubquery(sub, args, cs[0].Type)
	case *ast.ArraySubquery:
		sub, args, cs, err := b.subqueryOne(e.Query, s)
		if err != nil {
			return nil, err
		}
		return b.eb.ArraySubquery(sub, args, cs[0].Type)
	case *ast.Case:
		return b.caseExpr(e, s)
	case *ast.Coalesce:
		return b.many(e.Args, s, b.eb.Coalesce)
	case *ast.NullIf:
		return b.two(e.Left, e.Right, s, b.eb.NullIf)
	case *ast.MinMax:
		if e.Greatest {
			return b.many(e.Args, s, b.eb.Greatest)
		}
		return b.many(e.Args, s, b.eb.Least)
	case *ast.FuncCall:
		return b.funcCall(e, s)
	case *ast.Array:
		return b.many(e.Elems, s, b.eb.Array)
	case *ast.Row:
		items, err := b.rowItems(e.Elems, s)
		if err != nil {
			return nil, err
		}
		return b.eb.Row(items)
	case *ast.Subscript:
		return b.subscript(e, s)
	case *ast.Collate:
		// All text sorts by bytes; the names that mean that (or the default) are taken.
		switch e.Collation.Name {
		case "default", "C", "POSIX", "ucs_basic":
			return b.expr(e.Expr, s)
		}
		return nil, unsupported("collation \"" + e.Collation.Name + "\"")
	case *ast.AtTimeZone:
		return b.two(e.Zone, e.Expr, s, func(z, x expr.Expr) (expr.Expr, error) {
			return b.eb.Call("pg_catalog", "timezone", []expr.Expr{z, x}, false)
		})
	case *ast.CurrentValue:
		return b.currentValue(e)
	case *ast.Default:
		return nil, sqlerr.New(sqlerr.SyntaxError, "DEFAULT is not allowed in this context")
	case *ast.FieldSelect:
		return b.fieldSelect(e, s)
	case *ast.Grouping:
		return b.groupingCall(e, s)
	case *ast.NamedArg:
		return b.expr(e.Expr, s)
	}
	return nil, sqlerr.Internal("no binding for expression %T", e)
}

func (b *binder) one(e ast.Expr, s *scope, f func(expr.Expr) (expr.Expr, error)) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	return f(x)
}

func (b *binder) two(l, r ast.Expr, s *scope, f func(l, r expr.Expr) (expr.Expr, error)) (expr.Expr, error) {
	x, err := b.expr(l, s)
	if err != nil {
		return nil, err
	}
	y, err := b.expr(r, s)
	if err != nil {
		return nil, err
	}
	return f(x, y)
}

func (b *binder) many(list []ast.Expr, s *scope, f func([]expr.Expr) (expr.Expr, error)) (expr.Expr, error) {
	xs, err := b.exprs(list, s)
	if err != nil {
		return nil, err
	}
	return f(xs)
}

func (b *binder) logic(list []ast.Expr, clause string, s *scope, f func(...expr.Expr) (expr.Expr, error)) (expr.Expr, error) {
	xs := make([]expr.Expr, len(list))
	for i, e := range list {
		x, err := b.expr(e, s)
		if err != nil {
			return nil, err
		}
		if xs[i], err = b.eb.Condition(x, clause); err != nil {
			return nil, b.errAt(err, e)
		}
	}
	return f(xs...)
}

func (b *binder) constant(e *ast.Const) (expr.Expr, error) {
	switch e.Kind {
	case ast.ConstNull:
		return expr.NewNull(), nil
	case ast.ConstBool:
		return expr.NewConst(types.NewBool(e.Text == "true"), types.Bool), nil
	case ast.ConstString:
		c := expr.NewUnknown(e.Text)
		c.At = int32(e.Position())
		return c, nil
	case ast.ConstInt, ast.ConstDecimal:
		return number(e.Kind, e.Text)
	}
	d, err := types.DecodeText(e.Text, types.Bit, nil)
	return expr.NewConst(d, types.Bit), err
}

// number gives an integer the smallest of int4, int8 and numeric that holds it.
func number(kind ast.ConstKind, text string) (expr.Expr, error) {
	if kind == ast.ConstInt {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if n == int64(int32(n)) {
				return expr.NewConst(types.NewInt(n), types.Int4), nil
			}
			return expr.NewConst(types.NewInt(n), types.Int8), nil
		}
	}
	d, err := types.DecodeText(text, types.Numeric, nil)
	if err != nil {
		return nil, err
	}
	return expr.NewConst(d, types.Numeric), nil
}

func (b *binder) typeCast(e *ast.TypeCast, s *scope) (expr.Expr, error) {
	t, err := ResolveType(e.Type, b.o)
	if err != nil {
		return nil, b.errAt(err, e.Type)
	}
	// ARRAY[…]::t[] hands the type to the elements, also when there are none.
	if a, ok := e.Expr.(*ast.Array); ok && t.IsArray() {
		if len(a.Elems) == 0 {
			return expr.NewConst(types.NewArray(types.NewArrayOf(t.Elem(), nil)), t), nil
		}
	}
	x, err := b.expr(e.Expr, s)
	if err != nil {
		return nil, err
	}
	return b.eb.Cast(x, t, expr.CastExplicit)
}

func (b *binder) unary(e *ast.UnaryOp, s *scope) (expr.Expr, error) {
	if err := checkOpSchema(e.Op); err != nil {
		return nil, err
	}
	// The grammar folds signs into a number, so that -9223372036854775808 is one, and
	// what they leave decides its type.
	sign, inner := "", ast.Expr(e)
	for {
		u, ok := inner.(*ast.UnaryOp)
		if !ok || u.Op.Name != "-" || checkOpSchema(u.Op) != nil {
			break
		}
		if inner = u.Expr; sign == "" {
			sign = "-"
		} else {
			sign = ""
		}
	}
	if c, ok := inner.(*ast.Const); ok && (c.Kind == ast.ConstInt || c.Kind == ast.ConstDecimal) && inner != ast.Expr(e) {
		return number(c.Kind, sign+c.Text)
	}
	return b.one(e.Expr, s, func(x expr.Expr) (expr.Expr, error) { return b.eb.Unary(e.Op.Name, x) })
}

func checkOpSchema(o ast.OpName) error {
	if o.Schema == "" || o.Schema == "pg_catalog" {
		return nil
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "operator does not exist: %s", o)
}

// columnRef binds a name: a column, or the row of a table.
func (b *binder) columnRef(e *ast.ColumnRef, s *scope) (expr.Expr, error) {
	if e.Star && len(e.Parts) == 0 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "row expansion via \"*\" is not supported here")
	}
	if s == nil {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot use column reference in this context")
	}
	if e.Star {
		// As a value, t.* is the row of t.
		table := e.Parts[len(e.Parts)-1]
		x, err := b.wholeRow(s, table)
		if err == nil && x == nil {
			err = missingFrom(s, table)
		}
		return x, err
	}
	var schema, table, name string
	switch n := len(e.Parts); n {
	case 1:
		name = e.Parts[0]
	case 2:
		table, name = e.Parts[0], e.Parts[1]
	case 3, 4:
		schema, table, name = e.Parts[n-3], e.Parts[n-2], e.Parts[n-1]
	default:
		return nil, sqlerr.New(sqlerr.SyntaxError, "improper qualified name (too many dotted names): %s", strings.Join(e.Parts, "."))
	}
	x, err := b.find(s, schema, table, name, e)
	if err != nil || x != nil {
		return x, err
	}
	if table == "" {
		x, err := b.wholeRow(s, name)
		if err != nil || x != nil {
			return x, err
		}
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", name)
	}
	if s.relVisible(schema, table) {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %s.%s does not exist", table, name)
	}
	return nil, missingFrom(s, table)
}

// missingFrom is the error for a table name that is not in FROM; one that has an
// alias there is the usual mistake.
func missingFrom(s *scope, table string) error {
	for ; s != nil; s = s.env.parent {
		if (&scope{rels: s.env.beyond}).hasRel("", table) {
			return sqlerr.New(sqlerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", table).
				WithHint("There is an entry for table %q, but it cannot be referenced from this part of the query.", table)
		}
		for _, r := range s.rels {
			if r.table != nil && r.table.Name == table && r.name != table {
				return sqlerr.New(sqlerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", table).
					WithHint("Perhaps you meant to reference the table alias %q.", r.name)
			}
		}
	}
	return sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", table)
}

func (b *binder) like(e *ast.Like, s *scope) (expr.Expr, error) {
	list := []ast.Expr{e.Expr, e.Pattern}
	if e.Escape != nil {
		list = append(list, e.Escape)
	}
	xs, err := b.exprs(list, s)
	if err != nil {
		return nil, err
	}
	var esc expr.Expr
	if e.Escape != nil {
		esc = xs[2]
	}
	if e.Kind != ast.LikeSimilar {
		return b.eb.Like(xs[0], xs[1], esc, e.Kind == ast.LikeILike, e.Not)
	}
	args := []expr.Expr{xs[1]}
	if esc != nil {
		args = append(args, esc)
	}
	pattern, err := b.eb.Call("pg_catalog", "similar_to_escape", args, false)
	if err != nil {
		return nil, err
	}
	op := "~"
	if e.Not {
		op = "!~"
	}
	return b.eb.Binary(op, xs[0], pattern)
}

func (b *binder) caseExpr(e *ast.Case, s *scope) (expr.Expr, error) {
	var operand, els expr.Expr
	var err error
	if e.Operand != nil {
		if operand, err = b.expr(e.Operand, s); err != nil {
			return nil, err
		}
	}
	when := make([]expr.CaseWhen, len(e.Whens))
	for i, w := range e.Whens {
		if when[i].Cond, err = b.expr(w.Cond, s); err != nil {
			return nil, err
		}
		if e.Operand == nil {
			if when[i].Cond, err = b.eb.Condition(when[i].Cond, "CASE/WHEN"); err != nil {
				return nil, b.errAt(err, w.Cond)
			}
		}
		if when[i].Result, err = b.expr(w.Result, s); err != nil {
			return nil, err
		}
	}
	if e.Else != nil {
		if els, err = b.expr(e.Else, s); err != nil {
			return nil, err
		}
	}
	return b.eb.Case(operand, when, els)
}

func (b *binder) subscript(e *ast.Subscript, s *scope) (expr.Expr, error) {
	a, err := b.expr(e.Expr, s)
	if err != nil {
		return nil, err
	}
	lo, hi, slice, err := b.subscripts(e, a.Type(), s)
	if err != nil {
		return nil, err
	}
	if slice {
		return b.eb.Slice(a, lo, hi)
	}
	return b.eb.Subscript(a, lo)
}

// subscripts binds the subscripts of a value of type t: the lower bounds and, if one
// of them is a slice, the upper ones.
func (b *binder) subscripts(e *ast.Subscript, t types.Type, s *scope) (lo, hi []expr.Expr, slice bool, err error) {
	for _, ix := range e.Indexes {
		slice = slice || ix.Slice
	}
	bind := func(x ast.Expr) (expr.Expr, error) {
		if x == nil {
			return nil, nil
		}
		y, err := b.expr(x, s)
		if err != nil || t.Base().OID == types.OIDJSONB {
			return y, err
		}
		y, err = b.eb.Cast(y, types.Int4, expr.CastAssignment)
		return y, b.errAt(err, x)
	}
	for _, ix := range e.Indexes {
		l, err := bind(ix.Lo)
		if err != nil {
			return nil, nil, false, err
		}
		h, err := bind(ix.Hi)
		if err != nil {
			return nil, nil, false, err
		}
		if slice && !ix.Slice {
			// a[2][1:3] is a[1:2][1:3].
			l, h = expr.NewConst(types.NewInt(1), types.Int4), l
		}
		lo, hi = append(lo, l), append(hi, h)
	}
	return lo, hi, slice, nil
}

// fieldSelect binds (row).field.
func (b *binder) fieldSelect(e *ast.FieldSelect, s *scope) (expr.Expr, error) {
	if e.Star {
		return nil, unsupported("row expansion via \"*\" of an expression")
	}
	x, err := b.expr(e.Expr, s)
	if err != nil {
		return nil, err
	}
	return b.eb.Field(x, e.Field)
}

func (b *binder) currentValue(e *ast.CurrentValue) (expr.Expr, error) {
	call := func(name string) (expr.Expr, error) { return b.eb.Call("pg_catalog", name, nil, false) }
	castNow := func(t types.Type) (expr.Expr, error) {
		now, err := call("now")
		if err != nil {
			return nil, err
		}
		if e.Precision >= 0 {
			mod, err := types.MakeTypmod(t.OID, []int64{int64(e.Precision)})
			if err != nil {
				return nil, err
			}
			t.Typmod = mod
		}
		return b.eb.Cast(now, t, expr.CastExplicit)
	}
	switch e.Name {
	case "current_timestamp":
		if e.Precision < 0 {
			return call("now")
		}
		return castNow(types.Timestamptz)
	case "current_date":
		return castNow(types.Date)
	case "current_time":
		return castNow(types.Timetz)
	case "localtimestamp":
		return castNow(types.Timestamp)
	case "localtime":
		return castNow(types.Time)
	case "current_user", "current_role", "user":
		return call("current_user")
	case "session_user":
		return call("session_user")
	case "current_catalog":
		return call("current_database")
	case "current_schema":
		return call("current_schema")
	}
	return nil, unsupported(e.Name)
}

// atAggregate gives an error the place of the first aggregate in x.
func (b *binder) atAggregate(err error, x expr.Expr) error {
	expr.Walk(x, func(n expr.Expr) bool {
		if a, ok := n.(*expr.AggCall); ok && a.At > 0 {
			err = b.place(err, a.At)
		}
		return true
	})
	return err
}

func (b *binder) funcCall(e *ast.FuncCall, s *scope) (expr.Expr, error) {
	marks := s.marks()
	if expr.IsHypothetical(e.Func.Schema, e.Func.Name) && (e.WithinGroup || e.Over == nil && len(e.Args) > 0) {
		c, err := b.hypothetical(e, s)
		if err != nil {
			return nil, err
		}
		return b.ofLevel(c, s, marks)
	}
	var x expr.Expr
	var err error
	if e.Star {
		x, err = b.eb.CallStar(e.Func.Schema, e.Func.Name)
	} else {
		var args []expr.Expr
		if args, err = b.exprs(e.Args, s); err != nil {
			return nil, err
		}
		if e.WithinGroup {
			// What is sorted comes behind the direct arguments.
			for _, o := range e.OrderBy {
				x, err := b.expr(o.Expr, s)
				if err != nil {
					return nil, err
				}
				args = append(args, x)
			}
		}
		var names []string
		for i, a := range e.Args {
			if n, ok := a.(*ast.NamedArg); ok {
				if names == nil {
					names = make([]string, len(e.Args))
				}
				names[i] = n.Name
			}
		}
		if names != nil {
			x, err = b.eb.CallNamed(e.Func.Schema, e.Func.Name, args, names)
		} else {
			x, err = b.eb.Call(e.Func.Schema, e.Func.Name, args, e.Variadic)
		}
	}
	if err != nil {
		return nil, err
	}
	if e.Over != nil {
		return b.windowCall(e, x, s)
	}
	if _, ok := x.(*expr.WindowCall); ok {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "window function %s requires an OVER clause", e.Func.Name)
	}
	agg, ok := x.(*expr.AggCall)
	if !ok {
		if set, ok := x.(*expr.SetCall); ok {
			for _, a := range set.Args {
				if expr.HasSet(a) {
					return nil, unsupported("a set-returning function as argument of another")
				}
			}
		}
		if e.Distinct || len(e.OrderBy) > 0 || e.Filter != nil {
			what := "DISTINCT"
			if e.Filter != nil {
				what = "FILTER"
			} else if !e.Distinct {
				what = "ORDER BY"
			}
			return nil, sqlerr.New(sqlerr.WrongObjectType, "%s specified, but %s is not an aggregate function", what, e.Func.Name)
		}
		return x, nil
	}
	c, err := b.aggregateCall(e, agg, s)
	if err != nil {
		return nil, err
	}
	return b.ofLevel(c, s, marks)
}

// sortKey binds an ORDER BY item whose expression is an ordinary one.
func (b *binder) sortKey(o ast.OrderItem, s *scope) (expr.SortKey, error) {
	x, err := b.expr(o.Expr, s)
	if err != nil {
		return expr.SortKey{}, err
	}
	if x, err = b.eb.Known(x); err != nil {
		return expr.SortKey{}, b.errAt(err, o.Expr)
	}
	return b.orderKey(o, x)
}

// orderKey gives a bound expression the direction of an ORDER BY item.
func (b *binder) orderKey(o ast.OrderItem, x expr.Expr) (expr.SortKey, error) {
	k := expr.SortKey{Expr: x, Descending: o.Desc}
	switch o.Using.Name {
	case "", "<":
	case ">":
		k.Descending = true
	default:
		return k, b.errAt(unsupported("ORDER BY USING "+o.Using.Name), o)
	}
	if err := types.CheckOrdered(x.Type()); err != nil {
		return k, b.errAt(err, o.Expr)
	}
	switch o.Nulls {
	case ast.NullsDefault:
		k.NullsFirst = k.Descending
	case ast.NullsFirst:
		k.NullsFirst = true
	}
	return k, nil
}

// subquery binds a query that is used as a value in scope s.
func (b *binder) subquery(q *ast.Select, s *scope) (*Subplan, []expr.Expr, []Column, error) {
	l := &level{}
	n, err := b.bindSelect(q, env{parent: s, level: l}, false)
	if err != nil {
		return nil, nil, nil, err
	}
	return &Subplan{Plan: n, Correlated: len(l.args) > 0}, l.args, n.Columns(), nil
}

func (b *binder) subqueryOne(q *ast.Select, s *scope) (*Subplan, []expr.Expr, []Column, error) {
	sub, args, cs, err := b.subquery(q, s)
	if err == nil && len(cs) != 1 {
		err = sqlerr.New(sqlerr.SyntaxError, "subquery must return only one column")
	}
	return sub, args, cs, err
}

func (b *binder) anyAll(e *ast.AnyAll, s *scope) (expr.Expr, error) {
	if err := checkOpSchema(e.Op); err != nil {
		return nil, err
	}
	if e.Query != nil {
		return b.quantified(e.Op.Name, e.Left, e.Query, e.All, s)
	}
	return b.two(e.Left, e.Array, s, func(l, r expr.Expr) (expr.Expr, error) {
		return b.eb.AnyAll(e.Op.Name, l, r, e.All)
	})
}

func (b *binder) inSubquery(e *ast.InSubquery, s *scope) (expr.Expr, error) {
	x, err := b.quantified("=", e.Expr, e.Query, false, s)
	if err != nil || !e.Not {
		return x, err
	}
	return b.eb.Not(x)
}

func (b *binder) quantified(op string, left ast.Expr, q *ast.Select, all bool, s *scope) (expr.Expr, error) {
	list := []ast.Expr{left}
	if r, ok := left.(*ast.Row); ok {
		list = r.Elems
	}
	l, err := b.exprs(list, s)
	if err != nil {
		return nil, err
	}
	sub, args, cs, err := b.subquery(q, s)
	if err != nil {
		return nil, err
	}
	switch {
	case len(cs) > len(l):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns")
	case len(cs) < len(l):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too few columns")
	}
	ts := make([]types.Type, len(cs))
	for i, c := range cs {
		ts[i] = c.Type
	}
	return b.eb.QuantifiedSubquery(op, l, sub, args, ts, all)
}

// targetName is the name of a select item without AS, as PostgreSQL's
// FigureColname picks it.
func targetName(e ast.Expr) string {
	if name, strength := figureName(e); strength > 0 {
		return name
	}
	return "?column?"
}

func figureName(e ast.Expr) (name string, strength int) {
	switch e := e.(type) {
	case *ast.ColumnRef:
		if len(e.Parts) > 0 {
			return e.Parts[len(e.Parts)-1], 2
		}
	case *ast.FuncCall:
		return e.Func.Name, 2
	case *ast.TypeCast:
		if name, s := figureName(e.Expr); s > 1 {
			return name, s
		}
		return e.Type.Name, 1
	case *ast.TypedLiteral:
		return e.Type.Name, 1
	case *ast.Collate:
		return figureName(e.Expr)
	case *ast.Case:
		if e.Else != nil {
			if name, s := figureName(e.Else); s > 1 {
				return name, s
			}
		}
		return "case", 1
	case *ast.Coalesce:
		return "coalesce", 2
	case *ast.NullIf:
		return "nullif", 2
	case *ast.MinMax:
		if e.Greatest {
			return "greatest", 2
		}
		return "least", 2
	case *ast.Array:
		return "array", 2
	case *ast.ArraySubquery:
		return "array", 2
	case *ast.Row:
		return "row", 2
	case *ast.Exists:
		return "exists", 2
	case *ast.Subscript:
		return figureName(e.Expr)
	case *ast.FieldSelect:
		return e.Field, 2
	case *ast.AtTimeZone:
		return "timezone", 2
	case *ast.CurrentValue:
		return e.Name, 2
	case *ast.Grouping:
		return "grouping", 2
	case *ast.ScalarSubquery:
		if core, ok := firstCore(e.Query); ok && len(core.Targets) > 0 {
			if t := core.Targets[0]; t.Label != "" {
				return t.Label, 2
			} else {
				return targetName(t.Expr), 2
			}
		}
		return "?column?", 2
	}
	return "", 0
}

// firstCore is the leftmost SELECT of a query, which names its columns.
func firstCore(q *ast.Select) (*ast.SelectCore, bool) {
	for {
		switch body := q.Body.(type) {
		case *ast.SelectCore:
			return body, true
		case *ast.SetOp:
			q = body.Left
		default:
			return nil, false
		}
	}
}
