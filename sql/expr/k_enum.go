package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// enums are the functions over the labels of an enum. They look at the type of
// their arguments only, which may be NULL, but for the bounds of enum_range.
func (k kernels) enums() {
	pick := func(last bool) funcN {
		return func(_ *EvalContext, sig *Signature, _ []datum) (datum, error) {
			d := sig.Args[0].Def()
			if d == nil {
				return types.Null, errNoEnum()
			}
			i := 0
			if last {
				i = len(d.Labels) - 1
			}
			if len(d.Labels) == 0 {
				return types.Null, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "enum %s contains no values", sig.Args[0])
			}
			return d.EnumValue(i), d.CheckUsable(i)
		}
	}
	k.fn("enum_first(anyenum)", pick(false))
	k.fn("enum_last(anyenum)", pick(true))
	k.fn("enum_range(anyenum)", func(_ *EvalContext, sig *Signature, _ []datum) (datum, error) {
		return enumRange(sig.Args[0], types.Null, types.Null)
	})
	k.fn("enum_range(anyenum,anyenum)", func(_ *EvalContext, sig *Signature, a []datum) (datum, error) {
		return enumRange(sig.Args[0], a[0], a[1])
	})
	k.f2("enum_larger(anyenum,anyenum)", func(_ *EvalContext, a, b datum) (datum, error) {
		if a.Str() > b.Str() {
			return a, nil
		}
		return b, nil
	})
	k.f2("enum_smaller(anyenum,anyenum)", func(_ *EvalContext, a, b datum) (datum, error) {
		if a.Str() < b.Str() {
			return a, nil
		}
		return b, nil
	})
}

func errNoEnum() error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "could not determine actual enum type")
}

// enumRange is the array of the labels between two values; NULL leaves an end open.
func enumRange(t types.Type, from, to datum) (datum, error) {
	d := t.Def()
	if d == nil {
		return types.Null, errNoEnum()
	}
	var out []datum
	for i := range d.Labels {
		v := d.EnumValue(i)
		if !from.IsNull() && v.Str() < from.Str() || !to.IsNull() && v.Str() > to.Str() {
			continue
		}
		if err := d.CheckUsable(i); err != nil {
			return types.Null, err
		}
		out = append(out, v)
	}
	return types.NewArray(types.NewArrayOf(t.Bare(), out)), nil
}
