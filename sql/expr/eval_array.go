package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (e *ArrayExpr) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	elem := e.Typ.Elem().Bare()
	if !e.Nested {
		items := make([]types.Datum, len(e.Items))
		for i, x := range e.Items {
			d, err := x.Eval(ctx, row)
			if err != nil {
				return types.Null, err
			}
			items[i] = d
		}
		return types.NewArray(types.NewArrayOf(elem, items)), nil
	}
	// Arrays of equal shape become the inner dimensions; empty ones and NULLs
	// vanish if all are.
	var out types.Array
	out.Elem = elem
	var inner []types.Dim
	count := 0
	empty := 0
	for _, x := range e.Items {
		d, err := x.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		a := d.Array()
		if a == nil || len(a.Dims) == 0 {
			empty++
			continue
		}
		if count == 0 {
			inner = a.Dims
			if len(inner) >= types.MaxArrayDims {
				return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", len(inner)+1, types.MaxArrayDims)
			}
		} else if !sameDims(inner, a.Dims) {
			return types.Null, errUnevenArrays()
		}
		count++
		out.Elems = append(out.Elems, a.Elems...)
	}
	if count > 0 && empty > 0 {
		return types.Null, errUnevenArrays()
	}
	if count > 0 {
		out.Dims = append([]types.Dim{{Len: int32(count), Lower: 1}}, inner...)
	}
	return types.NewArray(&out), nil
}

func errUnevenArrays() error {
	return sqlerr.New(sqlerr.ArraySubscriptError, "multidimensional arrays must have array expressions with matching dimensions")
}

func sameDims(a, b []types.Dim) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (e *Subscript) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Array.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	if d.Kind() == types.KindString {
		return e.byteOf(ctx, row, d.Str())
	}
	a := d.Array()
	if e.Slice {
		return e.slice(ctx, row, a)
	}
	at := int64(0)
	fits := len(e.Index) == len(a.Dims)
	for i, x := range e.Index {
		v, err := x.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if v.IsNull() {
			return types.Null, nil
		}
		if !fits {
			continue
		}
		n := v.Int() - int64(a.Dims[i].Lower)
		if n < 0 || n >= int64(a.Dims[i].Len) {
			fits = false
			continue
		}
		at = at*int64(a.Dims[i].Len) + n
	}
	if !fits {
		return types.Null, nil
	}
	return a.Elems[at], nil
}

// nameLen is how many bytes a value of type name has in PostgreSQL, the last zero.
const nameLen = 64

// byteOf is a byte of a name, counted from 0; behind its end there are zeros.
func (e *Subscript) byteOf(ctx *EvalContext, row Row, name string) (types.Datum, error) {
	v, err := e.Index[0].Eval(ctx, row)
	if err != nil || v.IsNull() || v.Int() < 0 || v.Int() >= nameLen {
		return types.Null, err
	}
	if v.Int() >= int64(len(name)) {
		return types.NewString(""), nil
	}
	return types.NewString(name[v.Int() : v.Int()+1]), nil
}

func (e *Subscript) slice(ctx *EvalContext, row Row, a *types.Array) (types.Datum, error) {
	empty := types.NewArray(&types.Array{Elem: a.Elem})
	lo, up := make([]int64, len(a.Dims)), make([]int64, len(a.Dims))
	for i, d := range a.Dims {
		lo[i], up[i] = int64(d.Lower), int64(d.Lower)+int64(d.Len)-1
	}
	none := len(e.Index) > len(a.Dims)
	for i := range e.Index {
		for side, x := range []Expr{e.Index[i], e.Upper[i]} {
			if x == nil {
				continue
			}
			v, err := x.Eval(ctx, row)
			if err != nil {
				return types.Null, err
			}
			if v.IsNull() {
				return types.Null, nil
			}
			if none {
				continue
			}
			if side == 0 {
				lo[i] = max(lo[i], v.Int())
			} else {
				up[i] = min(up[i], v.Int())
			}
		}
	}
	if none {
		return empty, nil
	}
	out := &types.Array{Elem: a.Elem}
	for i := range a.Dims {
		if lo[i] > up[i] {
			return empty, nil
		}
		out.Dims = append(out.Dims, types.Dim{Len: int32(up[i] - lo[i] + 1), Lower: 1})
	}
	if len(a.Dims) == 0 {
		return empty, nil
	}
	var walk func(dim int, base int64)
	walk = func(dim int, base int64) {
		for i := lo[dim]; i <= up[dim]; i++ {
			at := base*int64(a.Dims[dim].Len) + i - int64(a.Dims[dim].Lower)
			if dim == len(a.Dims)-1 {
				out.Elems = append(out.Elems, a.Elems[at])
			} else {
				walk(dim+1, at)
			}
		}
	}
	walk(0, 0)
	return types.NewArray(out), nil
}

func (e *AnyAll) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	l, err := e.Left.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	d, err := e.Right.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	op := e.Op.Op
	unknown := false
	items := d.Array().Elems
	if len(items) == 0 {
		return types.NewBool(e.All), nil
	}
	if l.IsNull() && op.Strict {
		return types.Null, nil
	}
	for _, x := range items {
		if x.IsNull() && op.Strict {
			unknown = true
			continue
		}
		v, err := op.call2(ctx, nil, l, x)
		if err != nil {
			return types.Null, err
		}
		if v.IsNull() {
			unknown = true
		} else if v.Bool() != e.All {
			return v, nil
		}
	}
	if unknown {
		return types.Null, nil
	}
	return types.NewBool(e.All), nil
}

// newInList gathers a list of literals into a set when that pays off.
func newInList(arg Expr, list []Expr, negate bool, eq *Op) *InList {
	n := &InList{Arg: arg, List: list, Negate: negate, eq: eq}
	const worth = 9 // PostgreSQL's MIN_ARRAY_SIZE_FOR_HASHED_SAOP
	if len(list) < worth || eq == nil || eq.Left != eq.Right {
		return n
	}
	t := types.Of(eq.Left)
	if t.IsPolymorphic() {
		return n
	}
	set := &datumSet{typ: t, buckets: make(map[uint64][]types.Datum, len(list))}
	for _, x := range list {
		c, ok := x.(*Const)
		if !ok {
			return n
		}
		set.add(c.Val)
	}
	n.set = set
	return n
}

// datumSet is a set of values of one type.
type datumSet struct {
	typ     types.Type
	buckets map[uint64][]types.Datum
	null    bool
}

func (s *datumSet) add(d types.Datum) {
	if d.IsNull() {
		s.null = true
		return
	}
	if !s.has(d) {
		h := types.Hash(0, d, s.typ)
		s.buckets[h] = append(s.buckets[h], d)
	}
}

func (s *datumSet) has(d types.Datum) bool {
	for _, x := range s.buckets[types.Hash(0, d, s.typ)] {
		if types.Equal(x, d, s.typ) {
			return true
		}
	}
	return false
}

func (e *InList) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	if e.set != nil {
		if e.set.has(d) {
			return types.NewBool(!e.Negate), nil
		}
		if e.set.null {
			return types.Null, nil
		}
		return types.NewBool(e.Negate), nil
	}
	unknown := false
	for _, x := range e.List {
		v, err := x.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if v.IsNull() {
			unknown = true
			continue
		}
		eq, err := e.eq.call2(ctx, nil, d, v)
		if err != nil {
			return types.Null, err
		}
		if eq.IsTrue() {
			return types.NewBool(!e.Negate), nil
		}
	}
	if unknown {
		return types.Null, nil
	}
	return types.NewBool(e.Negate), nil
}

func (e *SubqueryExpr) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	args, mark := ctx.push(len(e.Args) + len(e.Left))
	defer ctx.pop(mark)
	left := args[len(e.Args):]
	args = args[:len(e.Args):len(e.Args)]
	for i, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		args[i] = d
	}
	switch e.Kind {
	case SubqueryExists:
		found := false
		err := e.Sub.Rows(ctx, args, 1, func(Row) (bool, error) { found = true; return false, nil })
		return types.NewBool(found != e.Negate), err
	case SubqueryScalar:
		n := 0
		var v types.Datum
		err := e.Sub.Rows(ctx, args, 2, func(r Row) (bool, error) {
			if n++; n > 1 {
				return false, sqlerr.New(sqlerr.CardinalityViolation, "more than one row returned by a subquery used as an expression")
			}
			v = r[0]
			return true, nil
		})
		if err != nil {
			return types.Null, err
		}
		return v, nil
	case SubqueryArray:
		s := &arrayAgg{result: e.Typ, of: e.Typ.Elem()}
		if e.Nested {
			s.of = e.Typ // arrays become a further dimension
		}
		err := e.Sub.Rows(ctx, args, 0, func(r Row) (bool, error) { return true, s.Add(ctx, r[:1]) })
		if err != nil {
			return types.Null, err
		}
		d, err := s.Result(ctx)
		if err == nil && d.IsNull() {
			d = types.NewArray(&types.Array{Elem: e.Typ.Elem().Bare()})
		}
		return d, err
	}
	for i, l := range e.Left {
		d, err := l.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		left[i] = d
	}
	all := e.Kind == SubqueryAll
	pair := make(Row, 2*len(left))
	copy(pair, left)
	unknown, decided := false, false
	err := e.Sub.Rows(ctx, args, 0, func(r Row) (bool, error) {
		copy(pair[len(left):], r)
		v, err := e.Compare.Eval(ctx, pair)
		if err != nil {
			return false, err
		}
		if v.IsNull() {
			unknown = true
		} else if v.Bool() != all {
			decided = true
			return false, nil
		}
		return true, nil
	})
	switch {
	case err != nil:
		return types.Null, err
	case decided:
		return types.NewBool(all == e.Negate), nil
	case unknown:
		return types.Null, nil
	}
	return types.NewBool(all != e.Negate), nil
}
