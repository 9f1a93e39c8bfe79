package expr

import (
	"slices"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// genericFits reports whether the arguments agree about what the polymorphic
// parameters stand for; the others are not looked at.
func (c *Catalog) genericFits(declared []types.OID, args []types.Type) bool {
	_, err := c.bindGeneric(declared, args)
	return err == nil
}

// generic is what polymorphic parameters stand for in one call.
type generic struct {
	elem   types.Type // anyelement; the element type of anyarray
	compat types.Type // anycompatible
}

func (c *Catalog) bindGeneric(declared []types.OID, args []types.Type) (generic, error) {
	var g generic
	var compat []types.Type
	usesElem, usesCompat, nonArray, usesEnum := false, false, false, false
	for i, d := range declared {
		a := args[i].Bare()
		switch d {
		case types.OIDAnyElement, types.OIDAnyNonArray, types.OIDAnyEnum:
			usesElem = true
			nonArray = nonArray || d == types.OIDAnyNonArray
			usesEnum = usesEnum || d == types.OIDAnyEnum
			if isUnknown(a) {
				continue
			}
			if d == types.OIDAnyEnum && !a.IsEnum() {
				return g, errPoly("type matched to anyenum is not an enum type: %s", a)
			}
			if !g.elem.IsZero() && g.elem != a {
				return g, errPoly("arguments declared \"anyelement\" are not all alike").
					WithDetail("%s versus %s", g.elem, a)
			}
			g.elem = a
		case types.OIDAnyArray:
			usesElem = true
			if isUnknown(a) {
				continue
			}
			a = a.Base()
			e := a.Elem().Bare()
			if a.Elem().IsZero() {
				return g, errPoly("argument declared %s is not an array but type %s", "anyarray", a)
			}
			if !g.elem.IsZero() && g.elem != e {
				return g, errPoly("argument declared anyarray is not consistent with argument declared anyelement").
					WithDetail("%s versus %s", a, g.elem)
			}
			g.elem = e
		case types.OIDAnyCompatible, types.OIDAnyCompatibleNonArray:
			usesCompat = true
			compat = append(compat, a)
			if d == types.OIDAnyCompatibleNonArray && a.Base().IsArray() {
				return g, errPoly("type matched to anycompatiblenonarray is an array type: %s", a)
			}
		case types.OIDAnyCompatibleArray:
			usesCompat = true
			if isUnknown(a) {
				compat = append(compat, a)
				continue
			}
			if a = a.Base(); a.Elem().IsZero() {
				return g, errPoly("argument declared %s is not an array but type %s", "anycompatiblearray", a)
			}
			compat = append(compat, a.Elem().Bare())
		}
	}
	if usesEnum && g.elem.IsZero() {
		return g, errPoly("could not determine polymorphic type because input has type unknown")
	}
	if usesElem && nonArray && g.elem.Base().IsArray() {
		return g, errPoly("type matched to anynonarray is an array type: %s", g.elem)
	}
	if usesCompat {
		// Those of unknown type have no say, or a domain would lose its name to them.
		compat = slices.DeleteFunc(compat, isUnknown)
		t, err := c.SelectCommonType("", compat)
		if err != nil {
			return g, errPoly("arguments of anycompatible family cannot be cast to a common type")
		}
		for _, a := range compat {
			if !c.CanCoerce(a, t, CastImplicit) {
				return g, errPoly("arguments of anycompatible family cannot be cast to a common type")
			}
		}
		g.compat = t.Bare()
	}
	return g, nil
}

func errPoly(format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.DatatypeMismatch, format, args...)
}

// settle gives each argument and the result of a chosen overload their types.
func (c *Catalog) settle(declared []types.OID, result types.OID, args []types.Type) (Signature, error) {
	sig := Signature{Args: make([]types.Type, len(declared)), Result: types.Of(result)}
	g, err := c.bindGeneric(declared, args)
	if err != nil {
		return sig, err
	}
	for i, d := range declared {
		if sig.Args[i], err = g.stand(types.Of(d)); err != nil {
			return sig, err
		}
		if d == types.OIDAny {
			sig.Args[i] = args[i].Bare()
		}
	}
	sig.Result, err = g.stand(sig.Result)
	return sig, err
}

// stand replaces a polymorphic type by what it stands for.
func (g generic) stand(t types.Type) (types.Type, error) {
	elem, array := g.elem, false
	switch t.OID {
	case types.OIDAnyElement, types.OIDAnyNonArray, types.OIDAnyEnum:
	case types.OIDAnyArray:
		array = true
	case types.OIDAnyCompatible, types.OIDAnyCompatibleNonArray:
		elem = g.compat
	case types.OIDAnyCompatibleArray:
		elem, array = g.compat, true
	default:
		return t, nil
	}
	if elem.IsZero() {
		return t, errPoly("could not determine polymorphic type because input has type unknown")
	}
	if !array {
		return elem, nil
	}
	a, ok := elem.ArrayOf()
	if !ok {
		return t, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", elem)
	}
	return a, nil
}

// SelectCommonType settles the type of UNION, CASE and related constructs
// (section 10.5). The error is datatype_mismatch (42804).
func (c *Catalog) SelectCommonType(context string, ts []types.Type) (types.Type, error) {
	if len(ts) == 0 {
		return types.Text, nil
	}
	same := true
	for _, t := range ts[1:] {
		same = same && t.OID == ts[0].OID
	}
	if same && !isUnknown(ts[0]) {
		for _, t := range ts[1:] {
			if t.Typmod != ts[0].Typmod {
				return ts[0].Bare(), nil
			}
		}
		return ts[0], nil
	}
	// Domains that differ are as good as what is under them.
	ts = baseTypes(ts)
	best := ts[0]
	for _, t := range ts[1:] {
		switch {
		case isUnknown(t) || t.OID == best.OID:
		case isUnknown(best):
			best = t
		case t.Category() != best.Category():
			return types.Type{}, sqlerr.New(sqlerr.DatatypeMismatch, "%s types %s and %s cannot be matched", context, best.Bare(), t.Bare())
		case !best.IsPreferred() && c.CanCoerce(best, t, CastImplicit) && !c.CanCoerce(t, best, CastImplicit):
			best = t
		}
	}
	if isUnknown(best) {
		return types.Text, nil
	}
	// The modifier stays only where every typed member has the same type and modifier.
	for _, t := range ts {
		if t != best {
			return best.Bare(), nil
		}
	}
	return best, nil
}
