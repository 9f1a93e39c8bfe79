package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// noWindow refuses window calls in a clause, named as PostgreSQL names it.
func (b *binder) noWindow(x expr.Expr, clause string) error {
	var err error
	expr.Walk(x, func(n expr.Expr) bool {
		if w, ok := n.(*expr.WindowCall); ok && err == nil {
			err = b.place(sqlerr.New(sqlerr.WindowingError, "window functions are not allowed in %s", clause), w.At)
		}
		return err == nil
	})
	return err
}

// windowCall completes a call that has an OVER clause.
func (b *binder) windowCall(e *ast.FuncCall, x expr.Expr, s *scope) (expr.Expr, error) {
	var w expr.WindowCall
	switch c := x.(type) {
	case *expr.WindowCall:
		w = *c
		switch {
		case e.Distinct:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "DISTINCT is not implemented for window functions")
		case len(e.OrderBy) > 0:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "aggregate ORDER BY is not implemented for window functions")
		case e.Filter != nil:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "FILTER is not implemented for non-aggregate window functions")
		}
	case *expr.AggCall:
		switch {
		case e.Distinct:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "DISTINCT is not implemented for window functions")
		case len(e.OrderBy) > 0:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "aggregate ORDER BY is not implemented for window functions")
		}
		w = expr.WindowCall{Fn: c.Fn, Sig: c.Sig, Args: c.Args}
	default:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", e.Func.Name)
	}
	w.At = int32(e.Position())
	if e.Filter != nil {
		f, err := b.expr(e.Filter, s)
		if err != nil {
			return nil, err
		}
		if err := b.noWindow(f, "FILTER"); err != nil {
			return nil, err
		}
		if w.Filter, err = b.eb.Condition(f, "FILTER"); err != nil {
			return nil, b.errAt(err, e.Filter)
		}
	}
	for i, a := range w.Args {
		if err := b.nestedWindow(a); err != nil {
			return nil, err
		}
		if expr.HasSet(a) {
			return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "window function calls cannot contain set-returning function calls").
				WithHint("You might be able to move the set-returning function into a LATERAL FROM item."), e.Args[i])
		}
	}
	spec, err := b.windowSpec(e.Over, s)
	if err != nil {
		return nil, err
	}
	w.Spec = spec
	return &w, nil
}

func (b *binder) nestedWindow(x expr.Expr) error {
	var err error
	expr.Walk(x, func(n expr.Expr) bool {
		if w, ok := n.(*expr.WindowCall); ok && err == nil {
			err = b.place(sqlerr.New(sqlerr.WindowingError, "window function calls cannot be nested"), w.At)
		}
		return err == nil
	})
	return err
}

// noWindowInAggregate refuses window calls below an aggregate.
func (b *binder) noWindowInAggregate(x expr.Expr) error {
	var err error
	expr.Walk(x, func(n expr.Expr) bool {
		if w, ok := n.(*expr.WindowCall); ok && err == nil {
			err = b.place(sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot contain window function calls"), w.At)
		}
		return err == nil
	})
	return err
}

// windowSpec binds an OVER clause.
func (b *binder) windowSpec(w *ast.Window, s *scope) (*expr.WindowSpec, error) {
	var named []ast.Window
	if s != nil {
		named = s.windows
	}
	if !w.RefOnly {
		return b.windowDef(w, named, s)
	}
	for i := range named {
		if named[i].Name == w.Ref {
			return b.windowDef(&named[i], named[:i], s)
		}
	}
	return nil, b.errAt(sqlerr.New(sqlerr.UndefinedObject, "window %q does not exist", w.Ref), w)
}

// checkWindows binds the WINDOW clause, also what nobody uses.
func (b *binder) checkWindows(list []ast.Window, s *scope) error {
	for i := range list {
		for j := range list[:i] {
			if list[j].Name == list[i].Name {
				return b.errAt(sqlerr.New(sqlerr.WindowingError, "window %q is already defined", list[i].Name), &list[i])
			}
		}
		if _, err := b.windowDef(&list[i], list[:i], s); err != nil {
			return err
		}
	}
	return nil
}

// windowDef binds a window definition; before are the ones it may copy.
func (b *binder) windowDef(w *ast.Window, before []ast.Window, s *scope) (*expr.WindowSpec, error) {
	spec := &expr.WindowSpec{}
	if w.Ref != "" {
		base, err := b.copiedWindow(w, before, s)
		if err != nil {
			return nil, err
		}
		spec.Partition, spec.Order = base.Partition, base.Order
	}
	for _, p := range w.PartitionBy {
		x, err := b.windowExpr(p, s)
		if err != nil {
			return nil, err
		}
		if err := types.CheckOrdered(x.Type()); err != nil {
			return nil, b.errAt(err, p)
		}
		spec.Partition = append(spec.Partition, x)
	}
	for _, o := range w.OrderBy {
		x, err := b.windowExpr(o.Expr, s)
		if err != nil {
			return nil, err
		}
		k, err := b.orderKey(o, x)
		if err != nil {
			return nil, err
		}
		spec.Order = append(spec.Order, k)
	}
	return spec, b.frame(w, spec, s)
}

func (b *binder) copiedWindow(w *ast.Window, before []ast.Window, s *scope) (*expr.WindowSpec, error) {
	for i := range before {
		ref := &before[i]
		if ref.Name != w.Ref {
			continue
		}
		base, err := b.windowDef(ref, before[:i], s)
		switch {
		case err != nil:
			return nil, err
		case len(w.PartitionBy) > 0:
			return nil, b.errAt(sqlerr.New(sqlerr.WindowingError, "cannot override PARTITION BY clause of window %q", w.Ref), w)
		case len(w.OrderBy) > 0 && len(base.Order) > 0:
			return nil, b.errAt(sqlerr.New(sqlerr.WindowingError, "cannot override ORDER BY clause of window %q", w.Ref), w)
		case ref.Frame != nil:
			err := sqlerr.New(sqlerr.WindowingError, "cannot copy window %q because it has a frame clause", w.Ref)
			if w.Name == "" && len(w.OrderBy) == 0 && w.Frame == nil {
				err = err.WithHint("Omit the parentheses in this OVER clause.")
			}
			return nil, b.errAt(err, w)
		}
		return base, nil
	}
	return nil, b.errAt(sqlerr.New(sqlerr.UndefinedObject, "window %q does not exist", w.Ref), w)
}

// windowExpr binds an expression of PARTITION BY or ORDER BY. Numbers and names of
// output columns have no special meaning there.
func (b *binder) windowExpr(e ast.Expr, s *scope) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	if err := b.noWindow(x, "window definitions"); err != nil {
		return nil, err
	}
	if expr.HasSet(x) {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in window definitions"), e)
	}
	x, err = b.eb.Known(x)
	return x, b.errAt(err, e)
}

// frame binds the frame clause.
func (b *binder) frame(w *ast.Window, spec *expr.WindowSpec, s *scope) error {
	spec.Frame = expr.Frame{End: expr.FrameBound{Kind: expr.CurrentRow}}
	f := w.Frame
	if f == nil {
		return nil
	}
	spec.Frame = expr.Frame{Mode: expr.FrameMode(f.Mode), Exclude: expr.FrameExclude(f.Exclude)}
	offset := f.Start.Offset != nil || f.End.Offset != nil
	switch {
	case f.Mode == ast.FrameGroups && len(spec.Order) == 0:
		return b.errAt(sqlerr.New(sqlerr.WindowingError, "GROUPS mode requires an ORDER BY clause"), w)
	case f.Mode == ast.FrameRange && offset && len(spec.Order) != 1:
		return b.errAt(sqlerr.New(sqlerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"), w)
	}
	for _, x := range []struct {
		in  *ast.FrameBound
		out *expr.FrameBound
	}{{&f.Start, &spec.Frame.Start}, {&f.End, &spec.Frame.End}} {
		x.out.Kind = expr.FrameBoundKind(x.in.Kind)
		if x.in.Offset == nil {
			continue
		}
		if err := b.frameOffset(x.in, x.out, spec, s); err != nil {
			return err
		}
	}
	return nil
}

var frameModes = [...]string{"RANGE", "ROWS", "GROUPS"}

func (b *binder) frameOffset(in *ast.FrameBound, out *expr.FrameBound, spec *expr.WindowSpec, s *scope) error {
	mode := frameModes[spec.Frame.Mode]
	x, err := b.expr(in.Offset, s)
	if err != nil {
		return err
	}
	switch {
	case expr.HasAggregate(x):
		return b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in window %s", mode), x), in.Offset)
	case expr.HasSet(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in window definitions"), in.Offset)
	}
	if err := b.noWindow(x, "window "+mode); err != nil {
		return err
	}
	if spec.Frame.Mode != expr.FrameRange {
		if !b.o.Exprs.CanCoerce(x.Type(), types.Int8, expr.CastAssignment) {
			return b.errAt(sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type bigint, not type %s", mode, x.Type()), ast.At{Pos: ast.Leftmost(in.Offset)})
		}
		if x, err = b.eb.Cast(x, types.Int8, expr.CastAssignment); err != nil {
			return b.errAt(err, in.Offset)
		}
	} else if x, err = b.rangeOffset(x, in, out, spec); err != nil {
		return err
	}
	if expr.Any(x, func(z expr.Expr) bool { _, ok := z.(*expr.Column); return ok }) {
		return b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "argument of %s must not contain variables", mode), in.Offset)
	}
	out.Offset = x
	return nil
}

// rangeOffset finds out how an offset of RANGE is added to the sort key, for the
// types that PostgreSQL's btree families have in_range functions for.
func (b *binder) rangeOffset(x expr.Expr, in *ast.FrameBound, out *expr.FrameBound, spec *expr.WindowSpec) (expr.Expr, error) {
	key := spec.Order[0].Expr.Type().Bare()
	var want types.Type
	switch key.OID {
	case types.OIDInt2, types.OIDInt4, types.OIDInt8:
		want = key
		if t := x.Type().OID; t == types.OIDInt2 || t == types.OIDInt4 || t == types.OIDInt8 {
			want = x.Type().Bare()
		}
	case types.OIDFloat4, types.OIDFloat8:
		want = types.Float8
	case types.OIDNumeric:
		want = types.Numeric
	case types.OIDDate, types.OIDTime, types.OIDTimestamp, types.OIDTimestamptz, types.OIDInterval, types.OIDTimetz:
		want = types.IntervalType
	default:
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", key), in.Offset)
	}
	if !b.o.Exprs.CanCoerce(x.Type(), want, expr.CastImplicit) {
		return nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s", key, x.Type()).
			WithHint("Cast the offset value to an appropriate type."), ast.At{Pos: ast.Leftmost(in.Offset)})
	}
	x, err := b.eb.Cast(x, want, expr.CastImplicit)
	if err != nil {
		return nil, b.errAt(err, in.Offset)
	}
	switch key.OID {
	case types.OIDDate, types.OIDTimestamp, types.OIDTimestamptz, types.OIDInterval:
	default:
		return x, nil // plain arithmetic, done by the executor
	}
	op := "+"
	if in.Kind == ast.OffsetPreceding != spec.Order[0].Descending {
		op = "-"
	}
	var base expr.Expr = &expr.Column{Index: 0, Typ: key, Name: "key"}
	if key.OID == types.OIDDate {
		if base, err = b.eb.Cast(base, types.Timestamp, expr.CastImplicit); err != nil {
			return nil, err
		}
		spec.Frame.Key = base
	}
	out.Shift, err = b.eb.Binary(op, base, &expr.Column{Index: 1, Typ: want, Name: "offset"})
	return x, err
}

// window puts a Window for every order of rows that the window calls need on top
// of the node, and columns in the place of the calls.
func (k *core) window() error {
	var calls []*expr.WindowCall
	for _, x := range k.exprs {
		expr.Walk(x, func(y expr.Expr) bool {
			w, ok := y.(*expr.WindowCall)
			if ok {
				calls = append(calls, w)
			}
			return !ok
		})
	}
	if len(calls) == 0 {
		return nil
	}
	places := map[*expr.WindowCall]int{}
	for i, c := range calls {
		if _, done := places[c]; done {
			continue
		}
		n := &Window{Input: k.node, Spec: c.Spec}
		n.Cols = append(n.Cols, k.node.Columns()...)
		for _, d := range calls[i:] {
			if _, done := places[d]; done || !d.Spec.SameSort(c.Spec) {
				continue
			}
			places[d] = len(n.Cols)
			n.Calls = append(n.Calls, d)
			n.Cols = append(n.Cols, Column{Name: d.Fn.Name, Type: d.Type()})
		}
		k.node = n
	}
	for i, x := range k.exprs {
		k.exprs[i] = replaceWindows(x, places)
	}
	return nil
}

// replaceWindows works from the top, because the operands of a call are no
// business of what is above the Window.
func replaceWindows(x expr.Expr, places map[*expr.WindowCall]int) expr.Expr {
	if w, ok := x.(*expr.WindowCall); ok {
		return &expr.Column{Index: places[w], Typ: w.Type(), Name: w.Fn.Name}
	}
	children := x.Children()
	if len(children) == 0 || !expr.HasWindow(x) {
		return x
	}
	fresh := make([]expr.Expr, len(children))
	for i, c := range children {
		fresh[i] = replaceWindows(c, places)
	}
	return x.WithChildren(fresh)
}
