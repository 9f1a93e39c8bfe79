package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (e *Logic) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	// AND ends at the first false, OR at the first true; otherwise NULL wins.
	unknown := false
	for _, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if d.IsNull() {
			unknown = true
		} else if d.Bool() == e.Or {
			return d, nil
		}
	}
	if unknown {
		return types.Null, nil
	}
	return types.NewBool(!e.Or), nil
}

func (e *Not) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	return types.NewBool(!d.Bool()), nil
}

func (e *IsNull) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	if r := d.Record(); r != nil {
		// A row is NULL if all fields are, and NOT NULL if none is.
		for _, f := range r.Fields {
			if f.IsNull() == e.Negate {
				return types.False, nil
			}
		}
		return types.True, nil
	}
	return types.NewBool(d.IsNull() != e.Negate), nil
}

func (e *IsBool) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	same := d.IsNull() == e.Want.IsNull() && d.Bool() == e.Want.Bool()
	return types.NewBool(same != e.Negate), nil
}

func (e *IsDistinct) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	l, err := e.Left.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	r, err := e.Right.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	distinct := l.IsNull() != r.IsNull()
	if !distinct && !l.IsNull() {
		eq, err := e.Equal.call2(ctx, nil, l, r)
		if err != nil {
			return types.Null, err
		}
		distinct = !eq.Bool()
	}
	return types.NewBool(distinct != e.Negate), nil
}

func (e *Case) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	for i := range e.When {
		d, err := e.When[i].Cond.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if d.IsTrue() {
			return e.When[i].Result.Eval(ctx, row)
		}
	}
	if e.Else == nil {
		return types.Null, nil
	}
	return e.Else.Eval(ctx, row)
}

func (e *Coalesce) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	for _, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil || !d.IsNull() {
			return d, err
		}
	}
	return types.Null, nil
}

func (e *NullIf) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	l, err := e.Left.Eval(ctx, row)
	if err != nil || l.IsNull() {
		return types.Null, err
	}
	r, err := e.Right.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	if r.IsNull() {
		return l, nil
	}
	eq, err := e.Equal.call2(ctx, nil, l, r)
	if err != nil || eq.IsTrue() {
		return types.Null, err
	}
	return l, nil
}

func (e *MinMax) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	var best types.Datum
	for _, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if d.IsNull() {
			continue
		}
		if best.IsNull() || (types.Compare(d, best, e.Typ) < 0) == e.Least && !types.Equal(d, best, e.Typ) {
			best = d
		}
	}
	return best, nil
}

func (e *RowExpr) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	if e.Typ.IsComposite() || e.NullIfAll {
		return e.named(ctx, row)
	}
	r := &types.Record{Types: make([]types.Type, len(e.Items)), Fields: make([]types.Datum, len(e.Items)), Names: e.Names}
	for i, x := range e.Items {
		d, err := x.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		r.Types[i], r.Fields[i] = x.Type(), d
	}
	return types.NewRecord(r), nil
}

// named makes a row of a composite type, or one that may be missing.
func (e *RowExpr) named(ctx *EvalContext, row Row) (types.Datum, error) {
	fields, ts := make([]types.Datum, len(e.Items)), make([]types.Type, len(e.Items))
	none := e.NullIfAll
	for i, x := range e.Items {
		d, err := x.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		fields[i], ts[i] = d, x.Type()
		none = none && d.IsNull()
	}
	switch {
	case none:
		return types.Null, nil
	case e.Typ.IsComposite():
		return e.Typ.Def().NewRow(fields), nil
	}
	return types.NewRecord(&types.Record{Types: ts, Names: e.Names, Fields: fields}), nil
}

func (e *Field) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	r := d.Record()
	if r == nil || e.Index >= len(r.Fields) {
		return types.Null, sqlerr.Internal("field %d of a row with fewer", e.Index+1)
	}
	return r.Fields[e.Index], nil
}

func (e *RowCompare) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	for i := range e.Left {
		l, err := e.Left[i].Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		r, err := e.Right[i].Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		if l.IsNull() || r.IsNull() {
			return types.Null, nil
		}
		eq, err := e.Equal[i].Op.call2(ctx, nil, l, r)
		if err != nil {
			return types.Null, err
		}
		if eq.IsTrue() {
			continue
		}
		less, err := e.Less[i].Op.call2(ctx, nil, l, r)
		if err != nil {
			return types.Null, err
		}
		return types.NewBool(less.IsTrue() == (e.Op[0] == '<')), nil
	}
	return types.NewBool(len(e.Op) == 2), nil
}

func (e *OpCall) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	op := e.Op
	if e.Left == nil {
		d, err := e.Right.Eval(ctx, row)
		if err != nil || d.IsNull() && op.Strict {
			return types.Null, err
		}
		return op.fn1(ctx, d)
	}
	// Both sides are computed, as PostgreSQL does: an error in the right one shows
	// though the left one is NULL.
	l, err := e.Left.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	r, err := e.Right.Eval(ctx, row)
	if err != nil || op.Strict && (l.IsNull() || r.IsNull()) {
		return types.Null, err
	}
	if op.fn2 != nil {
		return op.fn2(ctx, l, r)
	}
	return op.call2(ctx, &e.Sig, l, r)
}

// call2 applies an infix operator to values that a strict one accepts.
func (o *Op) call2(ctx *EvalContext, sig *Signature, l, r types.Datum) (types.Datum, error) {
	if o.fn2 != nil {
		return o.fn2(ctx, l, r)
	}
	if ctx == nil {
		ctx = &EvalContext{}
	}
	args, mark := ctx.push(2)
	defer ctx.pop(mark)
	args[0], args[1] = l, r
	return o.fnN(ctx, sig, args)
}

func (e *FuncCall) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	f := e.Fn
	switch {
	case f.fn1 != nil:
		d, err := e.Args[0].Eval(ctx, row)
		if err != nil || d.IsNull() && f.Strict {
			return types.Null, err
		}
		return f.fn1(ctx, d)
	case f.fn2 != nil:
		l, err := e.Args[0].Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		r, err := e.Args[1].Eval(ctx, row)
		if err != nil || f.Strict && (l.IsNull() || r.IsNull()) {
			return types.Null, err
		}
		return f.fn2(ctx, l, r)
	}
	args, mark := ctx.push(len(e.Args))
	defer ctx.pop(mark)
	null := false
	for i, a := range e.Args {
		d, err := a.Eval(ctx, row)
		if err != nil {
			return types.Null, err
		}
		null = null || d.IsNull()
		args[i] = d
	}
	if null && f.Strict {
		return types.Null, nil
	}
	if e.Spread {
		return e.spread(ctx, args)
	}
	if f.fnN != nil {
		return f.fnN(ctx, &e.Sig, args)
	}
	if f.system && ctx.System != nil {
		return ctx.System.Call(ctx, f.Name, args)
	}
	return types.Null, sqlerr.Unsupported("function %s", f.Name)
}

// spread calls the function with the elements of the array that the last argument
// is. A NULL array gives NULL.
func (e *FuncCall) spread(ctx *EvalContext, args []types.Datum) (types.Datum, error) {
	last := len(args) - 1
	if args[last].IsNull() {
		return types.Null, nil
	}
	a := args[last].Array()
	sig := Signature{Args: append([]types.Type(nil), e.Sig.Args[:last]...), Result: e.Sig.Result}
	for range a.Elems {
		sig.Args = append(sig.Args, a.Elem)
	}
	return e.Fn.fnN(ctx, &sig, append(append([]types.Datum(nil), args[:last]...), a.Elems...))
}
