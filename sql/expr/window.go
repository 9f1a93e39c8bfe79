package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// WindowCall is a call of a window function, or of an aggregate with OVER. It does
// not evaluate: the planner computes it over sorted partitions and puts a Column
// in its place.
type WindowCall struct {
	Fn     *Func
	Sig    Signature
	Args   []Expr // empty for count(*)
	Filter Expr   // nil for none; aggregates only
	// Spec is nil until the binder has seen the OVER clause.
	Spec *WindowSpec
	// At is where the call stands in the statement, as ast.Pos has it; only errors
	// use it.
	At int32
}

// WindowSpec says which rows a window call sees, and in which order.
type WindowSpec struct {
	Partition []Expr
	Order     []SortKey
	Frame     Frame
}

// FrameMode says in what the ends of a frame count.
type FrameMode uint8

// The modes.
const (
	FrameRange FrameMode = iota
	FrameRows
	FrameGroups
)

// FrameBoundKind is the form of one end of a frame.
type FrameBoundKind uint8

// The kinds, in the order in which they may follow each other.
const (
	UnboundedPreceding FrameBoundKind = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// FrameExclude is EXCLUDE.
type FrameExclude uint8

// What is left out of a frame.
const (
	ExcludeNothing FrameExclude = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// FrameBound is one end of a frame.
type FrameBound struct {
	Kind FrameBoundKind
	// Offset reads no column; nil unless Kind is one with an offset.
	Offset Expr
	// Shift, of RANGE over other types than numbers, computes where the frame ends
	// from the current row's sort key and the offset, as a row of two.
	Shift Expr
}

// Frame is the frame clause. The zero Frame is that of a window without one, but
// for its end: RANGE UNBOUNDED PRECEDING ends at CURRENT ROW.
type Frame struct {
	Mode       FrameMode
	Start, End FrameBound
	Exclude    FrameExclude
	// Key converts a sort key, as a row of one, to the type that Shift computes;
	// nil if it is of that type.
	Key Expr
}

// HasWindow reports whether e holds a window call.
func HasWindow(e Expr) bool {
	return Any(e, func(x Expr) bool { _, ok := x.(*WindowCall); return ok })
}

// Type is the result's type.
func (e *WindowCall) Type() types.Type { return e.Sig.Result }

// Eval refuses.
func (e *WindowCall) Eval(*EvalContext, Row) (types.Datum, error) {
	return types.Null, sqlerr.Internal("window function %s evaluated as an expression", e.Fn.Name)
}

// Children are the arguments, the filter, and what the window is made of; Shift
// and Key, which read rows of their own, are not among them.
func (e *WindowCall) Children() []Expr {
	out := append([]Expr(nil), e.Args...)
	if e.Filter != nil {
		out = append(out, e.Filter)
	}
	if e.Spec != nil {
		out = append(out, e.Spec.Partition...)
		for _, k := range e.Spec.Order {
			out = append(out, k.Expr)
		}
		for _, b := range []FrameBound{e.Spec.Frame.Start, e.Spec.Frame.End} {
			if b.Offset != nil {
				out = append(out, b.Offset)
			}
		}
	}
	return out
}

// WithChildren returns the call over other operands.
func (e *WindowCall) WithChildren(c []Expr) Expr {
	n := *e
	take := func(count int) []Expr {
		var out []Expr
		out, c = c[:count:count], c[count:]
		return out
	}
	n.Args = take(len(e.Args))
	if e.Filter != nil {
		n.Filter = take(1)[0]
	}
	if e.Spec != nil {
		spec := *e.Spec
		spec.Partition = take(len(e.Spec.Partition))
		spec.Order = append([]SortKey(nil), e.Spec.Order...)
		for i, x := range take(len(spec.Order)) {
			spec.Order[i].Expr = x
		}
		for _, b := range []*FrameBound{&spec.Frame.Start, &spec.Frame.End} {
			if b.Offset != nil {
				b.Offset = take(1)[0]
			}
		}
		n.Spec = &spec
	}
	mustLen("window call", c, 0)
	return &n
}

// windows declares the window functions; package exec computes them.
func (k kernels) windows() {
	k.put("row_number() rank() dense_rank() percent_rank() cume_dist() ntile(int4)", kernel{})
	k.put("lag(anyelement) lag(anyelement,int4) lag(anycompatible,int4,anycompatible)", kernel{})
	k.put("lead(anyelement) lead(anyelement,int4) lead(anycompatible,int4,anycompatible)", kernel{})
	k.put("first_value(anyelement) last_value(anyelement) nth_value(anyelement,int4)", kernel{})
}

func (p *printer) window(x *WindowCall) {
	p.call(x.Fn, x.Args)
	if x.Filter != nil {
		p.s(" FILTER (WHERE ")
		p.expr(x.Filter)
		p.s(")")
	}
	p.s(" OVER (")
	if x.Spec == nil {
		p.s("?)")
		return
	}
	if !p.exact {
		p.s("?)")
		return
	}
	p.list(x.Spec.Partition)
	p.s(";")
	for _, k := range x.Spec.Order {
		p.sortKey(k)
		p.s(",")
	}
	p.frame(&x.Spec.Frame)
	p.s(")")
}

// SameSort reports whether two windows need their rows in the same order.
func (w *WindowSpec) SameSort(o *WindowSpec) bool {
	if len(w.Partition) != len(o.Partition) || len(w.Order) != len(o.Order) {
		return false
	}
	for i, x := range w.Partition {
		if !Equal(x, o.Partition[i]) {
			return false
		}
	}
	for i, k := range w.Order {
		if l := o.Order[i]; k.Descending != l.Descending || k.NullsFirst != l.NullsFirst || !Equal(k.Expr, l.Expr) {
			return false
		}
	}
	return true
}

func (p *printer) call(f *Func, args []Expr) {
	p.s(f.Name)
	p.oid(f.OID)
	p.s("(")
	if len(args) == 0 && f.Name == "count" {
		p.s("*")
	}
	p.list(args)
	p.s(")")
}

func (p *printer) sortKey(k SortKey) {
	p.expr(k.Expr)
	if k.Descending {
		p.s(" DESC")
	}
	if k.NullsFirst != k.Descending {
		if k.NullsFirst {
			p.s(" NULLS FIRST")
		} else {
			p.s(" NULLS LAST")
		}
	}
}

// frame writes a frame so that only equal ones look alike.
func (p *printer) frame(f *Frame) {
	p.s(string("RSG"[f.Mode]), string('0'+rune(f.Exclude)))
	for _, b := range []FrameBound{f.Start, f.End} {
		p.s(" ", string('0'+rune(b.Kind)))
		if b.Offset != nil {
			p.expr(b.Offset)
		}
	}
}
