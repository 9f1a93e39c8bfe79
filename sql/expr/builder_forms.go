package expr

import (
	"strconv"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// And makes the conjunction of conditions.
func (b *Builder) And(args ...Expr) (Expr, error) { return b.logic(false, "AND", args) }

// Or makes the disjunction of conditions.
func (b *Builder) Or(args ...Expr) (Expr, error) { return b.logic(true, "OR", args) }

func (b *Builder) logic(or bool, name string, args []Expr) (Expr, error) {
	var flat []Expr
	for _, a := range args {
		c, err := b.Condition(a, name)
		if err != nil {
			return nil, err
		}
		if l, ok := c.(*Logic); ok && l.Or == or {
			flat = append(flat, l.Args...)
			continue
		}
		flat = append(flat, c)
	}
	switch len(flat) {
	case 0:
		return &Const{Val: types.NewBool(!or), Typ: types.Bool}, nil
	case 1:
		return flat[0], nil
	}
	return &Logic{Or: or, Args: flat}, nil
}

// Not negates a condition.
func (b *Builder) Not(arg Expr) (Expr, error) {
	c, err := b.Condition(arg, "NOT")
	if err != nil {
		return nil, err
	}
	return &Not{Arg: c}, nil
}

// IsNull makes arg IS [NOT] NULL.
func (b *Builder) IsNull(arg Expr, negate bool) (Expr, error) {
	arg, err := b.Known(arg)
	if err != nil {
		return nil, err
	}
	return &IsNull{Arg: arg, Negate: negate}, nil
}

// IsBool makes arg IS [NOT] want, where want is types.True, types.False or NULL
// for UNKNOWN.
func (b *Builder) IsBool(arg Expr, want types.Datum, negate bool) (Expr, error) {
	clause := "IS "
	if negate {
		clause += "NOT "
	}
	switch {
	case want.IsNull():
		clause += "UNKNOWN"
	case want.Bool():
		clause += "TRUE"
	default:
		clause += "FALSE"
	}
	arg, err := b.Condition(arg, clause)
	if err != nil {
		return nil, err
	}
	return &IsBool{Arg: arg, Want: want, Negate: negate}, nil
}

// IsDistinct makes left IS [NOT] DISTINCT FROM right.
func (b *Builder) IsDistinct(left, right Expr, negate bool) (Expr, error) {
	lr, ok1 := constructed(left)
	rr, ok2 := constructed(right)
	if ok1 && ok2 {
		if len(lr.Items) != len(rr.Items) {
			return nil, sqlerr.New(sqlerr.SyntaxError, "unequal number of entries in row expressions")
		}
		var parts []Expr
		for i := range lr.Items {
			p, err := b.IsDistinct(lr.Items[i], rr.Items[i], negate)
			if err != nil {
				return nil, err
			}
			parts = append(parts, p)
		}
		return b.logic(!negate, "IS DISTINCT FROM", parts)
	}
	eq, err := b.Binary("=", left, right)
	if err != nil {
		return nil, err
	}
	call, ok := eq.(*OpCall)
	if !ok {
		return nil, sqlerr.Unsupported("IS DISTINCT FROM over these operands")
	}
	return &IsDistinct{Left: call.Left, Right: call.Right, Equal: call.Op, Negate: negate}, nil
}

// Between makes arg [NOT] BETWEEN [SYMMETRIC] low AND high.
func (b *Builder) Between(arg, low, high Expr, symmetric, negate bool) (Expr, error) {
	between := func(low, high Expr) (Expr, error) {
		ops := []string{">=", "<="}
		if negate {
			ops = []string{"<", ">"}
		}
		l, err := b.Binary(ops[0], arg, low)
		if err != nil {
			return nil, err
		}
		h, err := b.Binary(ops[1], arg, high)
		if err != nil {
			return nil, err
		}
		return b.logic(negate, "BETWEEN", []Expr{l, h})
	}
	x, err := between(low, high)
	if err != nil || !symmetric {
		return x, err
	}
	y, err := between(high, low)
	if err != nil {
		return nil, err
	}
	return b.logic(!negate, "BETWEEN", []Expr{x, y})
}

// In makes arg [NOT] IN (list…), also over rows.
func (b *Builder) In(arg Expr, list []Expr, negate bool) (Expr, error) {
	op := "="
	if negate {
		op = "<>"
	}
	each := func() (Expr, error) {
		var parts []Expr
		for _, x := range list {
			p, err := b.Binary(op, arg, x)
			if err != nil {
				return nil, err
			}
			if p, err = b.Condition(p, "IN"); err != nil {
				return nil, err
			}
			parts = append(parts, p)
		}
		return b.logic(!negate, "IN", parts)
	}
	if _, row := constructed(arg); row || len(list) == 1 {
		return each()
	}
	// As PostgreSQL does: items of a common type are compared as one list, if the
	// operator can be found that way.
	t, err := b.Catalog.SelectCommonType("IN", append([]types.Type{arg.Type()}, typesOf(list)...))
	if err != nil || t.OID == types.OIDRecord {
		return each()
	}
	cast := make([]Expr, len(list))
	for i, x := range list {
		if cast[i], err = b.Cast(x, t.Bare(), CastImplicit); err != nil {
			return nil, err
		}
	}
	if arg, err = b.coerce(arg, t.Bare()); err != nil {
		return nil, err
	}
	r, err := b.Catalog.ResolveOperator("=", arg.Type(), t.Bare())
	if err != nil {
		return nil, err
	}
	if arg, err = b.coerce(arg, r.Left); err != nil {
		return nil, err
	}
	for i := range cast {
		if cast[i], err = b.coerce(cast[i], r.Right); err != nil {
			return nil, err
		}
	}
	return newInList(arg, cast, negate, r.Op), nil
}

func typesOf(list []Expr) []types.Type {
	ts := make([]types.Type, len(list))
	for i, x := range list {
		ts[i] = x.Type()
	}
	return ts
}

// AnyAll makes left op ANY (array) or left op ALL (array).
func (b *Builder) AnyAll(op string, left, array Expr, all bool) (Expr, error) {
	at := array.Type().Base()
	elem := types.Unknown
	if !isUnknown(at) {
		if elem = at.Elem().Bare(); at.Elem().IsZero() {
			return nil, sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires array on right side")
		}
	}
	r, err := b.Catalog.ResolveOperator(op, left.Type(), elem)
	if err != nil {
		return nil, err
	}
	if r.Result.OID != types.OIDBool {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean")
	}
	if left, err = b.coerce(left, r.Left); err != nil {
		return nil, err
	}
	if v, lit := array.(*Const); lit && isUnknown(at) && v.Val.IsNull() && r.Right.OID == types.OIDRecord {
		return &AnyAll{Left: left, Right: &Const{Typ: types.Of(types.OIDRecordArray)}, Op: r, All: all}, nil
	}
	want, ok := r.Right.ArrayOf()
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", r.Right)
	}
	if elem.OID != r.Right.OID && !(r.Right.OID == types.OIDRecord && elem.Base().IsComposite()) {
		if array, err = b.Cast(array, want, CastImplicit); err != nil {
			return nil, err
		}
	}
	return &AnyAll{Left: left, Right: array, Op: r, All: all}, nil
}

// Like makes arg [NOT] LIKE or ILIKE pattern [ESCAPE escape]; escape is nil when
// not given.
func (b *Builder) Like(arg, pattern, escape Expr, insensitive, negate bool) (Expr, error) {
	op := "~~"
	if negate {
		op = "!~~"
	}
	if insensitive {
		op += "*"
	}
	if escape != nil {
		p, err := b.Call("pg_catalog", "like_escape", []Expr{pattern, escape}, false)
		if err != nil {
			return nil, err
		}
		pattern = p
	}
	return b.Binary(op, arg, pattern)
}

// Case makes CASE [operand] WHEN … END; operand and els may be nil.
func (b *Builder) Case(operand Expr, when []CaseWhen, els Expr) (Expr, error) {
	n := &Case{When: make([]CaseWhen, len(when))}
	if operand != nil {
		op, err := b.Known(operand)
		if err != nil {
			return nil, err
		}
		operand = op
	}
	results := make([]Expr, 0, len(when)+1)
	// The ELSE result goes first when the type is settled.
	if els == nil {
		els = NewNull()
	}
	results = append(results, els)
	for i, w := range when {
		cond := w.Cond
		var err error
		if operand != nil {
			if cond, err = b.Binary("=", operand, cond); err != nil {
				return nil, err
			}
		}
		if n.When[i].Cond, err = b.Condition(cond, "CASE/WHEN"); err != nil {
			return nil, err
		}
		results = append(results, w.Result)
	}
	t, cast, err := b.Common("CASE", results)
	if err != nil {
		return nil, err
	}
	n.Typ = t
	n.Else = cast[0]
	for i := range n.When {
		n.When[i].Result = cast[i+1]
	}
	return n, nil
}

// Common settles one type for the given expressions by the rules for UNION, CASE
// and related constructs, and returns them cast to it. context names the
// construct in the message ("CASE", "UNION", "VALUES", "IN", "COALESCE").
func (b *Builder) Common(context string, exprs []Expr) (types.Type, []Expr, error) {
	t, err := b.Catalog.SelectCommonType(context, typesOf(exprs))
	if err != nil {
		return types.Type{}, nil, err
	}
	out := make([]Expr, len(exprs))
	for i, e := range exprs {
		if !isUnknown(e.Type()) && !b.Catalog.CanCoerce(e.Type(), t, CastImplicit) {
			return types.Type{}, nil, sqlerr.New(sqlerr.CannotCoerce, "%s could not convert type %s to %s", context, e.Type().Bare(), t.Bare())
		}
		if out[i], err = b.Cast(e, t, CastImplicit); err != nil {
			return types.Type{}, nil, err
		}
	}
	return t, out, nil
}

// Coalesce makes COALESCE.
func (b *Builder) Coalesce(args []Expr) (Expr, error) {
	t, cast, err := b.Common("COALESCE", args)
	if err != nil {
		return nil, err
	}
	return &Coalesce{Args: cast, Typ: t}, nil
}

// NullIf makes NULLIF.
func (b *Builder) NullIf(left, right Expr) (Expr, error) {
	eq, err := b.Binary("=", left, right)
	if err != nil {
		return nil, err
	}
	call, ok := eq.(*OpCall)
	if !ok {
		return nil, sqlerr.Unsupported("NULLIF over rows")
	}
	// The result has the type that the comparison cast the left side to.
	return &NullIf{Left: call.Left, Right: call.Right, Equal: call.Op}, nil
}

// Greatest makes GREATEST.
func (b *Builder) Greatest(args []Expr) (Expr, error) { return b.minMax(args, false, "GREATEST") }

// Least makes LEAST.
func (b *Builder) Least(args []Expr) (Expr, error) { return b.minMax(args, true, "LEAST") }

func (b *Builder) minMax(args []Expr, least bool, name string) (Expr, error) {
	t, cast, err := b.Common(name, args)
	if err != nil {
		return nil, err
	}
	if err := types.CheckOrdered(t); err != nil {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "could not identify a comparison function for type %s", t)
	}
	return &MinMax{Least: least, Args: cast, Typ: t}, nil
}

// Array makes ARRAY[items…]. Items that are arrays give a further dimension.
func (b *Builder) Array(items []Expr) (Expr, error) {
	if len(items) == 0 {
		return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "cannot determine type of empty array").
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	t, cast, err := b.Common("ARRAY", items)
	if err != nil {
		return nil, err
	}
	arr, ok := t.ArrayOf()
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", t)
	}
	return &ArrayExpr{Items: cast, Nested: t.IsArray(), Typ: arr}, nil
}

// EmptyArray makes ARRAY[]::t; t is the array's type.
func (b *Builder) EmptyArray(t types.Type) (Expr, error) {
	if !t.IsArray() {
		return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "cannot determine type of empty array").
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	return &Const{Val: types.NewArray(&types.Array{Elem: t.Elem().Bare()}), Typ: t}, nil
}

// Subscript makes array[index…].
func (b *Builder) Subscript(array Expr, index []Expr) (Expr, error) {
	if array.Type().Base().OID == types.OIDJSONB {
		return b.jsonSubscript(array, index)
	}
	elem := array.Type().Base().Elem()
	if array.Type().Base().OID == types.OIDName && len(index) == 1 {
		elem = types.Char
	}
	if elem.IsZero() {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", array.Type().Bare())
	}
	ix, err := b.indexes(index)
	if err != nil {
		return nil, err
	}
	return &Subscript{Array: array, Index: ix, Typ: elem}, nil
}

// Slice makes array[lower:upper, …]; a nil bound is left open.
func (b *Builder) Slice(array Expr, lower, upper []Expr) (Expr, error) {
	if array.Type().Base().OID == types.OIDJSONB {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "jsonb subscript does not support slices")
	}
	if !array.Type().Base().IsArray() {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", array.Type().Bare())
	}
	if len(lower) != len(upper) {
		return nil, sqlerr.Internal("slice with %d lower and %d upper bounds", len(lower), len(upper))
	}
	lo, err := b.indexes(lower)
	if err != nil {
		return nil, err
	}
	up, err := b.indexes(upper)
	if err != nil {
		return nil, err
	}
	return &Subscript{Array: array, Index: lo, Upper: up, Slice: true, Typ: array.Type().Base()}, nil
}

func (b *Builder) indexes(list []Expr) ([]Expr, error) {
	if len(list) > types.MaxArrayDims {
		return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", len(list), types.MaxArrayDims)
	}
	out := make([]Expr, len(list))
	for i, x := range list {
		if x == nil {
			continue
		}
		if !b.Catalog.CanCoerce(x.Type(), types.Int4, CastAssignment) {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "array subscript must have type integer")
		}
		c, err := b.Cast(x, types.Int4, CastAssignment)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

// Field makes (row).name; the fields must be known here: of a table's row, or of the
// columns of a function.
func (b *Builder) Field(row Expr, name string) (Expr, error) {
	switch x := row.(type) {
	case *RowExpr:
		for i := range x.Items {
			if i < len(x.Names) && x.Names[i] == name || x.Names == nil && name == "f"+strconv.Itoa(i+1) {
				return b.Known(x.Items[i])
			}
		}
		if !x.Typ.IsComposite() {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "could not identify column \"%s\" in record data type", name)
		}
	case *SetCall:
		names, ts := x.Columns()
		if x.Sig.Result.OID == types.OIDRecord {
			for i, n := range names {
				if n == name {
					return &Field{Arg: row, Index: i, Name: name, Typ: ts[i]}, nil
				}
			}
		}
	}
	if t := row.Type().Base(); t.IsComposite() {
		for i, f := range t.Def().Fields {
			if f.Name == name {
				return &Field{Arg: row, Index: i, Name: name, Typ: f.Type}, nil
			}
		}
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column \"%s\" not found in data type %s", name, row.Type().Bare())
	}
	if row.Type().OID == types.OIDRecord {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "could not identify column \"%s\" in record data type", name)
	}
	return nil, sqlerr.New(sqlerr.WrongObjectType, "column notation .%s applied to type %s, which is not a composite type", name, row.Type().Bare())
}

// Row makes ROW(items…).
func (b *Builder) Row(items []Expr) (Expr, error) {
	out := make([]Expr, len(items))
	for i, x := range items {
		k := x
		// Literals stay unknown, so that a comparison can give them a type.
		out[i] = k
	}
	return &RowExpr{Items: out}, nil
}

// ScalarSubquery makes (SELECT …) as a value; typ is the type of its only column.
func (b *Builder) ScalarSubquery(sub Subquery, args []Expr, typ types.Type) (Expr, error) {
	return &SubqueryExpr{Kind: SubqueryScalar, Sub: sub, Args: args, Typ: typ}, nil
}

// ExistsSubquery makes [NOT] EXISTS (SELECT …).
func (b *Builder) ExistsSubquery(sub Subquery, args []Expr, negate bool) (Expr, error) {
	return &SubqueryExpr{Kind: SubqueryExists, Sub: sub, Args: args, Negate: negate, Typ: types.Bool}, nil
}

// ArraySubquery makes ARRAY(SELECT …); typ is the type of its only column.
func (b *Builder) ArraySubquery(sub Subquery, args []Expr, typ types.Type) (Expr, error) {
	arr, ok := typ.ArrayOf()
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", typ)
	}
	return &SubqueryExpr{Kind: SubqueryArray, Sub: sub, Args: args, Nested: typ.IsArray(), Typ: arr}, nil
}

// QuantifiedSubquery makes left op ANY (subquery), or ALL; cols are the types of
// the subquery's columns. x IN (SELECT …) is = ANY, NOT IN is its Not.
func (b *Builder) QuantifiedSubquery(op string, left []Expr, sub Subquery, args []Expr, cols []types.Type, all bool) (Expr, error) {
	if len(left) < len(cols) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns")
	}
	if len(left) > len(cols) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too few columns")
	}
	n := &SubqueryExpr{Kind: SubqueryAny, Sub: sub, Args: args, Typ: types.Bool}
	if all {
		n.Kind = SubqueryAll
	}
	ls, rs := make([]Expr, len(left)), make([]Expr, len(left))
	for i, l := range left {
		// A literal takes the type of the column it is compared with.
		if isUnknown(l.Type()) {
			x, err := b.Cast(l, cols[i].Bare(), CastImplicit)
			if err != nil {
				return nil, err
			}
			l = x
		}
		n.Left = append(n.Left, l)
		ls[i] = &Column{Index: i, Typ: l.Type(), Name: "left"}
		rs[i] = &Column{Index: len(left) + i, Typ: cols[i], Name: "right"}
	}
	var err error
	if len(left) == 1 {
		n.Compare, err = b.Binary(op, ls[0], rs[0])
	} else if !isComparison(op) {
		return nil, sqlerr.Unsupported("row comparison with operator %s", op)
	} else {
		n.Compare, err = b.rows(op, ls, rs)
	}
	if err != nil {
		return nil, err
	}
	if n.Compare.Type().OID != types.OIDBool {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "row comparison operator must yield type boolean, not type %s", n.Compare.Type())
	}
	return n, nil
}
