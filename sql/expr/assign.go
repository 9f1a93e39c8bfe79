package expr

import (
	"strconv"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// ArrayAssign is the array that SET a[i] = value or SET a[l:u] = value makes of an
// array. The bounds of a slice that are left out are nil.
type ArrayAssign struct {
	Array        Expr
	Index, Upper []Expr
	Slice        bool
	Value        Expr
	Typ          types.Type
}

// JSONAssign is the document that SET d[key] = value makes of a jsonb.
type JSONAssign struct {
	Doc   Expr
	Index []Expr
	Value Expr
}

func (e *ArrayAssign) Type() types.Type { return e.Typ }
func (e *JSONAssign) Type() types.Type  { return types.JSONB }

func (e *ArrayAssign) Children() []Expr {
	out := []Expr{e.Array, e.Value}
	for _, list := range [][]Expr{e.Index, e.Upper} {
		for _, x := range list {
			if x != nil {
				out = append(out, x)
			}
		}
	}
	return out
}

func (e *ArrayAssign) WithChildren(c []Expr) Expr {
	n := *e
	n.Array, n.Value, c = c[0], c[1], c[2:]
	take := func(old []Expr) []Expr {
		out := make([]Expr, len(old))
		for i, x := range old {
			if x != nil {
				out[i], c = c[0], c[1:]
			}
		}
		return out
	}
	n.Index, n.Upper = take(e.Index), take(e.Upper)
	mustLen("assignment", c, 0)
	return &n
}

func (e *JSONAssign) Children() []Expr { return append([]Expr{e.Doc, e.Value}, e.Index...) }
func (e *JSONAssign) WithChildren(c []Expr) Expr {
	return &JSONAssign{Doc: c[0], Value: c[1], Index: c[2:]}
}

// AssignElement makes what a column holds after the assignment of value to its
// part [index…] or, with slice, [index:upper, …].
func (b *Builder) AssignElement(column string, old Expr, index, upper []Expr, slice bool, value Expr) (Expr, error) {
	t := old.Type().Base()
	if t.OID == types.OIDJSONB {
		if slice {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "jsonb subscript does not support slices")
		}
		ix, err := b.jsonIndexes(index)
		if err != nil {
			return nil, err
		}
		v, err := b.assignPart(value, column, types.JSONB)
		return &JSONAssign{Doc: old, Index: ix, Value: v}, err
	}
	if !t.IsArray() {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", t.Bare())
	}
	n := &ArrayAssign{Array: old, Slice: slice, Typ: t}
	var err error
	if n.Index, err = b.indexes(index); err != nil {
		return nil, err
	}
	if n.Upper, err = b.indexes(upper); err != nil {
		return nil, err
	}
	want := t.Elem()
	if slice {
		want = t
	}
	n.Value, err = b.assignPart(value, column, want)
	return n, err
}

func (b *Builder) assignPart(value Expr, column string, to types.Type) (Expr, error) {
	if from := value.Type(); !isUnknown(from) && !b.Catalog.CanCoerce(from, to, CastAssignment) {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "subscripted assignment to \"%s\" requires type %s but expression is of type %s", column, to, from.Bare()).
			WithHint("You will need to rewrite or cast the expression.")
	}
	return b.Cast(value, to, CastAssignment)
}

func errSubscriptCount() error {
	return sqlerr.New(sqlerr.ArraySubscriptError, "wrong number of array subscripts")
}

func errSubscriptRange() error {
	return sqlerr.New(sqlerr.ArraySubscriptError, "array subscript out of range")
}

func (e *ArrayAssign) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	old, err := e.Array.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	a := old.Array()
	if a == nil {
		a = &types.Array{Elem: e.Typ.Elem().Bare()}
	}
	lower, err := evalSubscripts(ctx, row, e.Index)
	if err != nil {
		return types.Null, err
	}
	upper, err := evalSubscripts(ctx, row, e.Upper)
	if err != nil {
		return types.Null, err
	}
	v, err := e.Value.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	var out *types.Array
	switch {
	case !e.Slice:
		out, err = setElement(a, lower, v)
	case v.IsNull():
		return old, nil
	default:
		out, err = setSlice(a, lower, upper, v.Array())
	}
	if err != nil {
		return types.Null, err
	}
	return types.NewArray(out), nil
}

// evalSubscripts evaluates subscripts; one left out is nil.
func evalSubscripts(ctx *EvalContext, row Row, list []Expr) ([]*int64, error) {
	out := make([]*int64, len(list))
	for i, x := range list {
		if x == nil {
			continue
		}
		d, err := x.Eval(ctx, row)
		if err != nil {
			return nil, err
		}
		if d.IsNull() {
			return nil, sqlerr.New(sqlerr.NullValueNotAllowed, "array subscript in assignment must not be null")
		}
		n := d.Int()
		out[i] = &n
	}
	return out, nil
}

// setElement replaces one element; a one-dimensional array grows as far as needed.
func setElement(a *types.Array, index []*int64, v types.Datum) (*types.Array, error) {
	out := &types.Array{Elem: a.Elem, Dims: append([]types.Dim(nil), a.Dims...)}
	if len(a.Dims) == 0 {
		for _, i := range index {
			out.Dims = append(out.Dims, types.Dim{Len: 1, Lower: int32(*i)})
		}
		out.Elems = []types.Datum{v}
		return out, nil
	}
	if len(index) != len(a.Dims) {
		return nil, errSubscriptCount()
	}
	if len(a.Dims) == 1 {
		if err := stretch(out, a, *index[0], *index[0]); err != nil {
			return nil, err
		}
		out.Elems[*index[0]-int64(out.Dims[0].Lower)] = v
		return out, nil
	}
	at := int64(0)
	for i, d := range a.Dims {
		n := *index[i] - int64(d.Lower)
		if n < 0 || n >= int64(d.Len) {
			return nil, errSubscriptRange()
		}
		at = at*int64(d.Len) + n
	}
	out.Elems = append([]types.Datum(nil), a.Elems...)
	out.Elems[at] = v
	return out, nil
}

// stretch copies the elements of a one-dimensional array so that the places from
// lo to hi exist, NULLs between.
func stretch(out, a *types.Array, lo, hi int64) error {
	first := int64(a.Dims[0].Lower)
	last := first + int64(len(a.Elems)) - 1
	from, to := min(first, lo), max(last, hi)
	if to-from+1 > types.MaxArrayElems {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", types.MaxArrayElems)
	}
	out.Elems = make([]types.Datum, to-from+1)
	copy(out.Elems[first-from:], a.Elems)
	out.Dims[0] = types.Dim{Len: int32(to - from + 1), Lower: int32(from)}
	return nil
}

// setSlice replaces a slice by the elements of src, in order.
func setSlice(a *types.Array, lower, upper []*int64, src *types.Array) (*types.Array, error) {
	out := &types.Array{Elem: a.Elem, Dims: append([]types.Dim(nil), a.Dims...)}
	if len(a.Dims) == 0 {
		count := int64(1)
		for i := range lower {
			if lower[i] == nil || upper[i] == nil {
				return nil, sqlerr.New(sqlerr.ArraySubscriptError, "array slice subscript must provide both boundaries").
					WithDetail("When assigning to a slice of an empty array value, slice boundaries must be fully specified.")
			}
			n := *upper[i] - *lower[i] + 1
			if n < 1 {
				return nil, sqlerr.New(sqlerr.ArraySubscriptError, "upper bound cannot be less than lower bound")
			}
			out.Dims = append(out.Dims, types.Dim{Len: int32(n), Lower: int32(*lower[i])})
			count *= n
		}
		if count > int64(len(src.Elems)) {
			return nil, errSourceSmall()
		}
		out.Elems = append([]types.Datum(nil), src.Elems[:count]...)
		return out, nil
	}
	if len(lower) > len(a.Dims) {
		return nil, errSubscriptCount()
	}
	lo, hi := make([]int64, len(a.Dims)), make([]int64, len(a.Dims))
	count := int64(1)
	for i, d := range a.Dims {
		lo[i], hi[i] = int64(d.Lower), int64(d.Lower)+int64(d.Len)-1
		if i < len(lower) {
			if lower[i] != nil {
				lo[i] = *lower[i]
			}
			if upper[i] != nil {
				hi[i] = *upper[i]
			}
			if lo[i] > hi[i] {
				return nil, sqlerr.New(sqlerr.ArraySubscriptError, "upper bound cannot be less than lower bound")
			}
			if len(a.Dims) > 1 && (lo[i] < int64(d.Lower) || hi[i] >= int64(d.Lower)+int64(d.Len)) {
				return nil, errSubscriptRange()
			}
		}
		count *= hi[i] - lo[i] + 1
	}
	if count > int64(len(src.Elems)) {
		return nil, errSourceSmall()
	}
	if len(a.Dims) == 1 {
		if err := stretch(out, a, lo[0], hi[0]); err != nil {
			return nil, err
		}
		copy(out.Elems[lo[0]-int64(out.Dims[0].Lower):], src.Elems[:count])
		return out, nil
	}
	out.Elems = append([]types.Datum(nil), a.Elems...)
	next := 0
	var walk func(dim int, base int64)
	walk = func(dim int, base int64) {
		for i := lo[dim]; i <= hi[dim]; i++ {
			at := base*int64(a.Dims[dim].Len) + i - int64(a.Dims[dim].Lower)
			if dim == len(a.Dims)-1 {
				out.Elems[at] = src.Elems[next]
				next++
			} else {
				walk(dim+1, at)
			}
		}
	}
	walk(0, 0)
	return out, nil
}

func errSourceSmall() error {
	return sqlerr.New(sqlerr.ArraySubscriptError, "source array too small")
}

func (e *JSONAssign) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	old, err := e.Doc.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	path := make([]types.Datum, len(e.Index))
	for i, x := range e.Index {
		if path[i], err = x.Eval(ctx, row); err != nil {
			return types.Null, err
		}
		if path[i].IsNull() {
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "jsonb subscript in assignment must not be null")
		}
	}
	v, err := e.Value.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	value := &types.JSONNode{}
	if !v.IsNull() {
		value = types.JSONRaw(v.JSON())
	}
	if old.IsNull() {
		// The first subscript says whether an array or an object begins.
		empty := &types.JSONNode{Kind: types.JSONObject}
		if _, err := strconv.ParseInt(path[0].Str(), 10, 32); err == nil {
			empty.Kind = types.JSONArray
		}
		if old, err = jsonbOf(empty, nil); err != nil {
			return types.Null, err
		}
	}
	return jsonbSet(old.JSON(), path, value, setFill)
}
