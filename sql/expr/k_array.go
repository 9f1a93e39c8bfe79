package expr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (k kernels) arrays() {
	dim := func(d datum, n int64) (types.Dim, bool) {
		a := d.Array()
		if n < 1 || n > int64(len(a.Dims)) {
			return types.Dim{}, false
		}
		return a.Dims[n-1], true
	}
	k.f2("array_length(anyarray,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		if d, ok := dim(a, b.Int()); ok {
			return types.NewInt(int64(d.Len)), nil
		}
		return types.Null, nil
	})
	k.f2("array_lower(anyarray,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		if d, ok := dim(a, b.Int()); ok {
			return types.NewInt(int64(d.Lower)), nil
		}
		return types.Null, nil
	})
	k.f2("array_upper(anyarray,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		if d, ok := dim(a, b.Int()); ok {
			return types.NewInt(int64(d.Lower) + int64(d.Len) - 1), nil
		}
		return types.Null, nil
	})
	k.f1("array_ndims(anyarray)", func(_ *EvalContext, a datum) (datum, error) {
		if n := len(a.Array().Dims); n > 0 {
			return types.NewInt(int64(n)), nil
		}
		return types.Null, nil
	})
	k.f1("array_dims(anyarray)", func(_ *EvalContext, a datum) (datum, error) {
		if len(a.Array().Dims) == 0 {
			return types.Null, nil
		}
		var b []byte
		for _, d := range a.Array().Dims {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(d.Lower), 10)
			b = append(b, ':')
			b = strconv.AppendInt(b, int64(d.Lower)+int64(d.Len)-1, 10)
			b = append(b, ']')
		}
		return str(string(b))
	})
	k.f1("cardinality(anyarray)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(len(a.Array().Elems))), nil
	})
	k.fn("array_append(anycompatiblearray,anycompatible)", func(_ *EvalContext, sig *Signature, a []datum) (datum, error) {
		return appendTo(a[0], a[1], sig.Result)
	})
	k.fn("array_prepend(anycompatible,anycompatiblearray)", func(_ *EvalContext, sig *Signature, a []datum) (datum, error) {
		arr, err := oneDim(a[1], sig.Result)
		if err != nil {
			return types.Null, err
		}
		out := types.NewArrayOf(arr.Elem, append([]datum{a[0]}, arr.Elems...))
		if len(arr.Dims) == 1 {
			out.Dims[0].Lower = arr.Dims[0].Lower
		}
		return types.NewArray(out), nil
	})
	k.fn("array_cat(anycompatiblearray,anycompatiblearray)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return catArrays(a[0], a[1])
	})
	find := func(arr *types.Array, v datum, from int64) int64 {
		if len(arr.Dims) == 0 {
			return -1
		}
		lower := int64(arr.Dims[0].Lower)
		for i := max(0, from-lower); i < int64(len(arr.Elems)); i++ {
			e := arr.Elems[i]
			if e.IsNull() && v.IsNull() || !e.IsNull() && !v.IsNull() && types.Equal(e, v, arr.Elem) {
				return i + lower
			}
		}
		return -1
	}
	multi := func(a *types.Array) error {
		if len(a.Dims) > 1 {
			return sqlerr.New(sqlerr.FeatureNotSupported, "searching for elements in multidimensional arrays is not supported")
		}
		return nil
	}
	k.fn("array_position(anycompatiblearray,anycompatible) array_position(anycompatiblearray,anycompatible,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		if err := multi(a[0].Array()); err != nil {
			return types.Null, err
		}
		if a[1].IsNull() && !slices.ContainsFunc(a[0].Array().Elems, datum.IsNull) {
			return types.Null, nil // whatever the third argument is
		}
		from := int64(-1 << 31)
		if len(a) == 3 {
			if a[2].IsNull() {
				return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "initial position must not be null")
			}
			from = a[2].Int()
		}
		if p := find(a[0].Array(), a[1], from); p >= 0 || len(a[0].Array().Elems) > 0 && p != -1 {
			return types.NewInt(p), nil
		}
		return types.Null, nil
	})
	k.fn("array_positions(anycompatiblearray,anycompatible)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		arr := a[0].Array()
		if err := multi(arr); err != nil {
			return types.Null, err
		}
		var out []datum
		for i, e := range arr.Elems {
			if e.IsNull() && a[1].IsNull() || !e.IsNull() && !a[1].IsNull() && types.Equal(e, a[1], arr.Elem) {
				out = append(out, types.NewInt(int64(i)+int64(arr.Dims[0].Lower)))
			}
		}
		return types.NewArray(types.NewArrayOf(types.Int4, out)), nil
	})
	replace := func(arr *types.Array, old, new datum, remove bool) (datum, error) {
		if remove && len(arr.Dims) > 1 {
			return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "removing elements from multidimensional arrays is not supported")
		}
		out := &types.Array{Elem: arr.Elem, Dims: arr.Dims}
		for _, e := range arr.Elems {
			if e.IsNull() && old.IsNull() || !e.IsNull() && !old.IsNull() && types.Equal(e, old, arr.Elem) {
				if remove {
					continue
				}
				e = new
			}
			out.Elems = append(out.Elems, e)
		}
		if remove {
			if len(out.Elems) == 0 {
				return types.NewArray(&types.Array{Elem: arr.Elem}), nil
			}
			out.Dims = []types.Dim{{Len: int32(len(out.Elems)), Lower: arr.Dims[0].Lower}}
		}
		return types.NewArray(out), nil
	}
	k.fn("array_remove(anycompatiblearray,anycompatible)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		return replace(a[0].Array(), a[1], types.Null, true)
	})
	k.fn("array_replace(anycompatiblearray,anycompatible,anycompatible)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		return replace(a[0].Array(), a[1], a[2], false)
	})
	join := func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		if a[0].IsNull() || a[1].IsNull() {
			return types.Null, nil
		}
		arr := a[0].Array()
		var b strings.Builder
		first := true
		for _, e := range arr.Elems {
			if e.IsNull() && (len(a) < 3 || a[2].IsNull()) {
				continue
			}
			if !first {
				b.WriteString(a[1].Str())
			}
			first = false
			if e.IsNull() {
				b.WriteString(a[2].Str())
			} else {
				b.WriteString(types.TextOf(e, arr.Elem, ctx.format()))
			}
			if b.Len() > textMax {
				return types.Null, errTextTooLong()
			}
		}
		return str(b.String())
	}
	k.fn("array_to_string(anyarray,text) array_to_string(anyarray,text,text)", join)
	split := func(a []datum) ([]datum, bool) {
		if a[0].IsNull() {
			return nil, false
		}
		s := a[0].Str()
		var parts []string
		switch {
		case s == "":
		case a[1].IsNull():
			for _, r := range s {
				parts = append(parts, string(r))
			}
		case a[1].Str() == "":
			parts = []string{s}
		default:
			parts = strings.Split(s, a[1].Str())
		}
		out := make([]datum, len(parts))
		for i, p := range parts {
			if len(a) < 3 || a[2].IsNull() || p != a[2].Str() {
				out[i] = types.NewString(p)
			}
		}
		return out, true
	}
	k.fn("string_to_array(text,text) string_to_array(text,text,text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		items, ok := split(a)
		if !ok {
			return types.Null, nil
		}
		return types.NewArray(types.NewArrayOf(types.Text, items)), nil
	})
	k.set("string_to_table(text,text) string_to_table(text,text,text)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		items, _ := split(a)
		return &sliceIter{items: items}, nil
	})
	contains := func(a, b *types.Array) bool {
		if len(b.Elems)*len(a.Elems) > 64 {
			set := &datumSet{typ: a.Elem, buckets: make(map[uint64][]datum, len(a.Elems))}
			for _, x := range a.Elems {
				set.add(x)
			}
			for _, y := range b.Elems {
				if y.IsNull() || !set.has(y) {
					return false
				}
			}
			return true
		}
	next:
		for _, y := range b.Elems {
			if y.IsNull() {
				return false
			}
			for _, x := range a.Elems {
				if !x.IsNull() && types.Equal(x, y, a.Elem) {
					continue next
				}
			}
			return false
		}
		return true
	}
	k.f2("arraycontains(anyarray,anyarray)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(contains(a.Array(), b.Array())), nil
	})
	k.f2("arraycontained(anyarray,anyarray)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(contains(b.Array(), a.Array())), nil
	})
	k.f2("arrayoverlap(anyarray,anyarray)", func(_ *EvalContext, a, b datum) (datum, error) {
		x, y := a.Array(), b.Array()
		set := &datumSet{typ: x.Elem, buckets: make(map[uint64][]datum, len(x.Elems))}
		for _, e := range x.Elems {
			set.add(e)
		}
		for _, e := range y.Elems {
			if !e.IsNull() && set.has(e) {
				return types.True, nil
			}
		}
		return types.False, nil
	})
	fill := func(_ *EvalContext, sig *Signature, a []datum) (datum, error) {
		if a[1].IsNull() || len(a) == 3 && a[2].IsNull() {
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "dimension array or low bound array cannot be null")
		}
		out := &types.Array{Elem: sig.Result.Elem().Bare()}
		total := int64(1)
		for i, d := range a[1].Array().Elems {
			if d.IsNull() {
				return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "dimension values cannot be null")
			}
			n := d.Int()
			if n < 0 || total*max(n, 1) > types.MaxArrayElems || i >= types.MaxArrayDims {
				return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", types.MaxArrayElems)
			}
			total *= n
			lower := int64(1)
			if len(a) == 3 {
				if lb := a[2].Array().Elems; i < len(lb) && !lb[i].IsNull() {
					lower = lb[i].Int()
				} else {
					return types.Null, sqlerr.New(sqlerr.ArraySubscriptError, "wrong number of array subscripts")
				}
			}
			out.Dims = append(out.Dims, types.Dim{Len: int32(n), Lower: int32(lower)})
		}
		if total == 0 || len(out.Dims) == 0 {
			return types.NewArray(&types.Array{Elem: out.Elem}), nil
		}
		out.Elems = make([]datum, total)
		for i := range out.Elems {
			out.Elems[i] = a[0]
		}
		return types.NewArray(out), nil
	}
	k.fn("array_fill(anyelement,_int4) array_fill(anyelement,_int4,_int4)", fill)
	k.fn("trim_array(anyarray,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		arr, n := a[0].Array(), a[1].Int()
		have := int64(0)
		if len(arr.Dims) > 0 {
			have = int64(arr.Dims[0].Len)
		}
		if n < 0 || n > have {
			return types.Null, sqlerr.New(sqlerr.ArraySubscriptError, "number of elements to trim must be between 0 and %d", have)
		}
		keep := have - n
		if keep == 0 {
			return types.NewArray(&types.Array{Elem: arr.Elem}), nil
		}
		out := &types.Array{Elem: arr.Elem, Dims: append([]types.Dim(nil), arr.Dims...)}
		out.Dims[0] = types.Dim{Len: int32(keep), Lower: 1}
		out.Elems = arr.Elems[:int64(len(arr.Elems))/have*keep]
		return types.NewArray(out), nil
	})
}

// oneDim returns the array, the empty one for NULL, refusing more dimensions.
func oneDim(d datum, t types.Type) (*types.Array, error) {
	if d.IsNull() {
		return &types.Array{Elem: t.Elem().Bare()}, nil
	}
	a := d.Array()
	if len(a.Dims) > 1 {
		return nil, sqlerr.New(sqlerr.DataException, "argument must be empty or one-dimensional array")
	}
	return a, nil
}

func appendTo(d, v datum, t types.Type) (datum, error) {
	arr, err := oneDim(d, t)
	if err != nil {
		return types.Null, err
	}
	elems := make([]datum, 0, len(arr.Elems)+1)
	out := types.NewArrayOf(arr.Elem, append(append(elems, arr.Elems...), v))
	if len(arr.Dims) == 1 {
		out.Dims[0].Lower = arr.Dims[0].Lower
	}
	return types.NewArray(out), nil
}

// catArrays joins arrays of equal dimensions, or one with the next lower number
// of them to one of the next higher.
func catArrays(a, b datum) (datum, error) {
	switch {
	case a.IsNull():
		return b, nil
	case b.IsNull():
		return a, nil
	}
	x, y := a.Array(), b.Array()
	switch {
	case len(x.Dims) == 0:
		return b, nil
	case len(y.Dims) == 0:
		return a, nil
	}
	bad := func() (datum, error) {
		e := sqlerr.New(sqlerr.ArraySubscriptError, "cannot concatenate incompatible arrays")
		switch len(x.Dims) - len(y.Dims) {
		case 0:
			e.WithDetail("Arrays with differing element dimensions are not compatible for concatenation.")
		case 1, -1:
			e.WithDetail("Arrays with differing dimensions are not compatible for concatenation.")
		default:
			e.WithDetail("Arrays of %d and %d dimensions are not compatible for concatenation.", len(x.Dims), len(y.Dims))
		}
		return types.Null, e
	}
	same := func(p, q []types.Dim) bool {
		if len(p) != len(q) {
			return false
		}
		for i := range p {
			if p[i].Len != q[i].Len {
				return false
			}
		}
		return true
	}
	out := &types.Array{Elem: x.Elem}
	switch {
	case len(x.Dims) == len(y.Dims) && same(x.Dims[1:], y.Dims[1:]):
		out.Dims = append([]types.Dim(nil), x.Dims...)
		out.Dims[0].Len += y.Dims[0].Len
	case len(x.Dims) == len(y.Dims)+1 && same(x.Dims[1:], y.Dims):
		out.Dims = append([]types.Dim(nil), x.Dims...)
		out.Dims[0].Len++
	case len(x.Dims)+1 == len(y.Dims) && same(x.Dims, y.Dims[1:]):
		out.Dims = append([]types.Dim(nil), y.Dims...)
		out.Dims[0].Len++
	default:
		return bad()
	}
	if len(x.Elems)+len(y.Elems) > types.MaxArrayElems {
		return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", types.MaxArrayElems)
	}
	out.Elems = append(append(make([]datum, 0, len(x.Elems)+len(y.Elems)), x.Elems...), y.Elems...)
	return types.NewArray(out), nil
}
