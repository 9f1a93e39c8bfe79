package expr

import (
	"math"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// castHow says what a cast does to the stored value before the modifier is
// applied.
type castHow uint8

const (
	castRelabel castHow = iota // nothing
	castFunc                   // the catalogue's function
	castTextOut                // write as text
	castTextIn                 // read from text
	castElems                  // cast each element of an array
	castFields                 // make a row of a composite type of a row constructor's
)

// FindCast returns the cast between two types if it is allowed in the context.
// Casts through text (any type to text, text to any type) are not in the
// catalogue and not found here; Builder.Cast knows them.
func (c *Catalog) FindCast(from, to types.OID, context CastContext) (*CastDef, bool) {
	d, ok := c.casts[castKey{from, to}]
	if !ok || d.Context > context {
		return nil, false
	}
	return d, true
}

// CanCoerce reports whether Builder.Cast would succeed.
func (c *Catalog) CanCoerce(from, to types.Type, context CastContext) bool {
	if from.OID == to.OID || to.OID == types.OIDAny || isUnknown(from) {
		return true
	}
	if to.IsPolymorphic() {
		return c.genericFits([]types.OID{to.OID}, []types.Type{from})
	}
	_, _, ok := c.pathway(from, to, context)
	return ok
}

// pathway is find_coercion_pathway: how a value gets from one type to another.
func (c *Catalog) pathway(from, to types.Type, context CastContext) (castHow, *CastDef, bool) {
	from, to = from.Base(), to.Base()
	switch {
	case from.IsComposite() && to.OID == types.OIDRecord:
		return castRelabel, nil, true
	case from.OID == types.OIDRecord && to.IsComposite():
		return castFields, nil, true
	case to.OID == types.OIDRecordArray && from.IsArray() && from.Elem().IsComposite():
		return castRelabel, nil, true
	}
	if from.OID == to.OID {
		return castRelabel, nil, true
	}
	if d, ok := c.FindCast(from.OID, to.OID, context); ok {
		if d.Binary {
			return castRelabel, d, true
		}
		return castFunc, d, true
	}
	if _, blocked := c.casts[castKey{from.OID, to.OID}]; blocked {
		return 0, nil, false
	}
	// int2vector and oidvector are arrays here too, but nothing becomes one this way.
	if !from.Elem().IsZero() && to.IsArray() && (from.IsArray() || from.OID == types.OIDInt2Vector || from.OID == types.OIDOidVector) {
		if _, _, ok := c.pathway(from.Elem(), to.Elem(), context); ok {
			return castElems, nil, true
		}
		return 0, nil, false
	}
	switch {
	case context >= CastAssignment && to.Category() == 'S' && from.IsBuilt():
		return castTextOut, nil, true
	case context == CastExplicit && from.Category() == 'S' && to.IsBuilt():
		return castTextIn, nil, true
	}
	return 0, nil, false
}

// Cast converts e to a type. A literal of unknown type is read as that type, a
// parameter of unknown type becomes one. A cast that does not exist is
// cannot_coerce (42846), one that is not allowed in the context
// datatype_mismatch (42804).
func (b *Builder) Cast(e Expr, to types.Type, context CastContext) (Expr, error) {
	from := e.Type()
	if from == to {
		return e, nil
	}
	if isUnknown(from) {
		switch x := e.(type) {
		case *Const:
			return b.readLiteral(x, to, context)
		case *Param:
			return b.settleParam(x, to, context)
		}
		// A column of type unknown holds text.
		from = types.Text
	}
	if err := to.CheckBuilt(); err != nil {
		return nil, err
	}
	if to.OID == types.OIDRecord && from.Base().IsComposite() {
		return e, nil // it is a record as it is, and keeps its names
	}
	how, def, ok := b.Catalog.pathway(from, to, context)
	if how == castFields {
		return b.castRow(e, to, context)
	}
	if !ok {
		if context == CastExplicit {
			return nil, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", from.Bare(), to.Bare())
		}
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot convert type %s to %s", from.Bare(), to.Bare())
	}
	c := &Cast{Arg: e, To: to, Explicit: context == CastExplicit, how: how, def: def}
	if how == castElems {
		fe, te := from.Base().Elem(), to.Base().Elem()
		h, d, _ := b.Catalog.pathway(fe, te, context)
		if h == castFields {
			return nil, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", from.Bare(), to.Bare())
		}
		c.elem = &Cast{To: te.Bare(), Explicit: c.Explicit, how: h, def: d, Arg: &Const{Typ: fe}}
	}
	return c, nil
}

// castRow makes a row of a composite type, or of a domain over one, out of a row
// constructor or the row of another table: field by field.
func (b *Builder) castRow(e Expr, to types.Type, context CastContext) (Expr, error) {
	bad := func(detail string, args ...any) error {
		err := sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", e.Type().Bare(), to.Bare())
		if detail != "" {
			err.WithDetail(detail, args...)
		}
		return err
	}
	row, ok := e.(*RowExpr)
	if !ok {
		return nil, bad("")
	}
	fields := to.Base().Def().Fields
	switch {
	case len(row.Items) < len(fields):
		return nil, bad("Input has too few columns.")
	case len(row.Items) > len(fields):
		return nil, bad("Input has too many columns.")
	}
	out := &RowExpr{Typ: to.Base(), NullIfAll: row.NullIfAll, Items: make([]Expr, len(fields))}
	for i, f := range fields {
		out.Names = append(out.Names, f.Name)
		from := row.Items[i].Type()
		if !isUnknown(from) && !b.Catalog.CanCoerce(from, f.Type, context) {
			return nil, bad("Cannot cast type %s to %s in column %d.", from.Bare(), f.Type.Bare(), i+1)
		}
		var err error
		if out.Items[i], err = b.Cast(row.Items[i], f.Type, context); err != nil {
			return nil, err
		}
	}
	if to.IsDomain() {
		return &Cast{Arg: out, To: to, Explicit: context == CastExplicit, how: castRelabel}, nil
	}
	return out, nil
}

// coerce casts to a type without touching the modifier when only that differs: an
// operator or function takes a varchar(5) as it is.
func (b *Builder) coerce(e Expr, to types.Type) (Expr, error) {
	if e.Type().OID == to.OID || to.OID == types.OIDAny {
		return e, nil
	}
	return b.Cast(e, to, CastImplicit)
}

func (b *Builder) readLiteral(x *Const, to types.Type, context CastContext) (Expr, error) {
	if isUnknown(to) {
		return x, nil
	}
	if to.IsDomain() {
		// Read as what is under the domain; its constraints are tested when the
		// statement runs.
		base, err := b.readLiteral(x, to.Base(), context)
		if err != nil {
			return nil, err
		}
		return &Cast{Arg: base, To: to, Explicit: context == CastExplicit, how: castRelabel}, nil
	}
	if x.Val.IsNull() {
		if err := to.CheckBuilt(); err != nil && to.OID != types.OIDAnyArray {
			return nil, err
		}
		return &Const{Typ: to}, nil
	}
	read := to.Bare()
	if to.OID == types.OIDInterval {
		read = to
	}
	d, err := types.DecodeText(x.Val.Str(), read, b.Eval.format())
	if err != nil {
		if b.Place != nil && x.At > 0 {
			err = b.Place(err, x.At)
		}
		return nil, err
	}
	fit, err := types.ApplyTypmod(d, to, context == CastExplicit)
	if err != nil {
		// PostgreSQL finds this out when the statement runs, if it gets there.
		return &Cast{Arg: &Const{Val: d, Typ: read}, To: to, Explicit: context == CastExplicit, how: castRelabel}, nil
	}
	return &Const{Val: fit, Typ: to}, nil
}

func (b *Builder) settleParam(x *Param, to types.Type, context CastContext) (Expr, error) {
	if isUnknown(to) {
		return x, nil
	}
	if err := to.CheckBuilt(); err != nil {
		return nil, err
	}
	if b.ParamType == nil {
		return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "could not determine data type of parameter $%d", x.Index+1)
	}
	got, err := b.ParamType(x.Index, to.Bare())
	if err != nil {
		return nil, err
	}
	if isUnknown(got) {
		return nil, sqlerr.Internal("parameter $%d is still of unknown type", x.Index+1)
	}
	p := &Param{Index: x.Index, Typ: got}
	if got.OID != to.OID && !b.Catalog.CanCoerce(got, to, context) {
		return nil, sqlerr.New(sqlerr.AmbiguousParameter, "inconsistent types deduced for parameter $%d", x.Index+1).
			WithDetail("%s versus %s", got.Bare(), to.Bare())
	}
	return b.Cast(p, to, context)
}

func (e *Cast) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Arg.Eval(ctx, row)
	if err != nil {
		return types.Null, err
	}
	if d.IsNull() {
		return types.Null, types.CheckDomain(d, e.To, ctx.format())
	}
	return e.apply(ctx, d)
}

// apply casts a value that is not NULL.
func (e *Cast) apply(ctx *EvalContext, d types.Datum) (types.Datum, error) {
	d, err := e.convert(ctx, d, e.To.Base())
	if err == nil && e.To.IsDomain() {
		err = types.CheckDomain(d, e.To, ctx.format())
	}
	return d, err
}

// convert casts a value to a type that is no domain.
func (e *Cast) convert(ctx *EvalContext, d types.Datum, to types.Type) (types.Datum, error) {
	var err error
	switch e.how {
	case castFunc:
		if to.OID == types.OIDBit && d.Kind() == types.KindInt {
			// The length decides which bits there are.
			return types.NewString(intToBit(d.Int(), int(max(to.Typmod, 1)))), nil
		}
		d, err = e.def.fn(ctx, d)
	case castTextOut:
		d = types.NewString(types.TextOf(d, e.Arg.Type(), ctx.format()))
		if to.OID == types.OIDName {
			d = types.NewString(types.CutName(d.Str()))
		}
	case castTextIn:
		t := to.Bare()
		if t.OID == types.OIDInterval {
			t = to
		}
		s := d.Str()
		if e.Arg.Type().Base().OID == types.OIDBpchar {
			s = strings.TrimRight(s, " ")
		}
		d, err = types.DecodeText(s, t, ctx.format())
	case castElems:
		a := d.Array()
		out := &types.Array{Elem: e.elem.To, Dims: a.Dims, Elems: make([]types.Datum, len(a.Elems))}
		for i, x := range a.Elems {
			if x.IsNull() {
				if err = types.CheckDomain(x, e.elem.To, ctx.format()); err != nil {
					return types.Null, err
				}
				continue
			}
			if out.Elems[i], err = e.elem.apply(ctx, x); err != nil {
				return types.Null, err
			}
		}
		d = types.NewArray(out)
	}
	if err != nil || to.Typmod < 0 {
		return d, err
	}
	return types.ApplyTypmod(d, to, e.Explicit)
}

// volatility of the cast itself.
func (e *Cast) volatility() Volatility {
	if e.To.IsDomain() {
		return Stable // constraints may come and go
	}
	switch e.how {
	case castFunc:
		if e.def.Stable {
			return Stable
		}
	case castTextOut:
		return ioVolatility(e.Arg.Type())
	case castTextIn:
		return ioVolatility(e.To)
	case castElems:
		return e.elem.volatility()
	}
	return Immutable
}

// ioVolatility says whether a type's text form depends on settings.
func ioVolatility(t types.Type) Volatility {
	if t = t.Base(); t.IsComposite() {
		return Stable
	}
	if t.IsArray() {
		return ioVolatility(t.Elem())
	}
	switch t.OID {
	case types.OIDDate, types.OIDTime, types.OIDTimestamp, types.OIDTimestamptz, types.OIDTimetz, types.OIDInterval, types.OIDBytea,
		types.OIDRegClass, types.OIDRegType, types.OIDRegProc, types.OIDRegProcedure, types.OIDRegNamespace,
		types.OIDRegRole, types.OIDRegOper, types.OIDRegOperator, types.OIDRecord, types.OIDFloat4, types.OIDFloat8:
		return Stable
	}
	return Immutable
}

func errOutOfRange(t types.Type) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "%s out of range", t)
}

// intRange checks an integer against a type's bounds.
func intRange(i int64, oid types.OID) (types.Datum, error) {
	switch oid {
	case types.OIDInt2:
		if i < math.MinInt16 || i > math.MaxInt16 {
			return types.Null, errOutOfRange(types.Int2)
		}
	case types.OIDInt4:
		if i < math.MinInt32 || i > math.MaxInt32 {
			return types.Null, errOutOfRange(types.Int4)
		}
	case types.OIDOid, types.OIDRegClass, types.OIDRegType, types.OIDRegProc, types.OIDRegProcedure, types.OIDRegNamespace, types.OIDRegRole, types.OIDRegOper, types.OIDRegOperator:
		if i < 0 || i > math.MaxUint32 {
			return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "OID out of range")
		}
	}
	return types.NewInt(i), nil
}

// castKernel returns the function of a cast of pg_cast, nil if it is not built.
func castKernel(from, to types.OID) func(*EvalContext, types.Datum) (types.Datum, error) {
	fk, tk := types.KindOf(types.Of(from)), types.KindOf(types.Of(to))
	ft, tt := types.Of(from), types.Of(to)
	isTime := func(o types.OID) bool {
		switch o {
		case types.OIDDate, types.OIDTime, types.OIDTimestamp, types.OIDTimestamptz, types.OIDInterval:
			return true
		}
		return false
	}
	isBit := func(o types.OID) bool { return o == types.OIDBit || o == types.OIDVarbit }
	switch {
	case from == types.OIDTimetz || to == types.OIDTimetz:
		return timetzCast(from, to)
	case isBit(from) || isBit(to):
		return bitCast(from, to)
	case from == types.OIDJSONB && to == types.OIDJSON:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			return types.NewBytes(types.AppendJSONB(nil, d.JSON())), nil
		}
	case from == types.OIDJSON && to == types.OIDJSONB:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return types.DecodeText(d.Str(), tt, nil) }
	case from == types.OIDJSONB:
		return jsonbCast(to)
	case isTime(from) && isTime(to):
		return timeCast(from, to)
	case isTime(from) || isTime(to):
		return nil
	case from == types.OIDInt4 && to == types.OIDChar:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			i := d.Int()
			if i < math.MinInt8 || i > math.MaxInt8 {
				return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"char\" out of range")
			}
			if i == 0 {
				return types.NewString(""), nil
			}
			return types.NewString(string([]byte{byte(i)})), nil
		}
	case from == types.OIDChar && to == types.OIDInt4:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			if s := d.Str(); s != "" {
				return types.NewInt(int64(int8(s[0]))), nil
			}
			return types.NewInt(0), nil
		}
	case from == types.OIDInt4 && to == types.OIDBool:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return types.NewBool(d.Int() != 0), nil }
	case from == types.OIDBool && to == types.OIDInt4:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			if d.Bool() {
				return types.NewInt(1), nil
			}
			return types.NewInt(0), nil
		}
	case from == types.OIDBool && tk == types.KindString:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			if d.Bool() {
				return types.NewString("true"), nil
			}
			return types.NewString("false"), nil
		}
	case fk == types.KindString && tt.OID == types.OIDRegClass:
		return func(ctx *EvalContext, d types.Datum) (types.Datum, error) {
			return types.DecodeText(d.Str(), tt, ctx.format())
		}
	case fk == types.KindInt && tk == types.KindInt:
		if from == types.OIDInt4 && to != types.OIDInt2 && to != types.OIDInt8 {
			return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
				return types.NewInt(int64(uint32(d.Int()))), nil
			}
		}
		if to == types.OIDInt4 && from != types.OIDInt2 && from != types.OIDInt8 {
			return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
				return types.NewInt(int64(int32(d.Int()))), nil
			}
		}
		if from == types.OIDInt2 && to != types.OIDInt4 && to != types.OIDInt8 {
			return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
				return types.NewInt(int64(uint32(d.Int()))), nil
			}
		}
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return intRange(d.Int(), to) }
	case fk == types.KindInt && tk == types.KindFloat:
		if to == types.OIDFloat4 {
			return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
				return types.NewFloat(float64(float32(d.Int()))), nil
			}
		}
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return types.NewFloat(float64(d.Int())), nil }
	case fk == types.KindInt && tk == types.KindNumeric:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return types.NumericFromInt(d.Int()), nil }
	case fk == types.KindFloat && tk == types.KindInt:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return floatToInt(d.Float(), to) }
	case fk == types.KindFloat && tk == types.KindFloat:
		if to == types.OIDFloat8 {
			return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return d, nil }
		}
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return toFloat4(d.Float()) }
	case fk == types.KindFloat && tk == types.KindNumeric:
		digits := 15
		if from == types.OIDFloat4 {
			digits = 6
		}
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return floatToNumeric(d.Float(), digits) }
	case fk == types.KindNumeric && tk == types.KindInt:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return numericToInt(d, to) }
	case fk == types.KindNumeric && tk == types.KindFloat:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return numericToFloat(d, tt) }
	case fk == types.KindNumeric && tk == types.KindNumeric:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return d, nil }
	case from == types.OIDBpchar && tk == types.KindString && to != types.OIDBpchar:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			s := strings.TrimRight(d.Str(), " ")
			switch to {
			case types.OIDName:
				s = types.CutName(s)
			case types.OIDChar:
				s = firstByte(d.Str())
			}
			return types.NewString(s), nil
		}
	case fk == types.KindString && to == types.OIDName:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			return types.NewString(types.CutName(d.Str())), nil
		}
	case fk == types.KindString && to == types.OIDChar:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			return types.NewString(firstByte(d.Str())), nil
		}
	case from == types.OIDChar && tk == types.KindString:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) {
			return types.NewString(types.TextOf(d, ft, nil)), nil
		}
	case fk == types.KindString && tk == types.KindString && from != types.OIDBytea && to != types.OIDBytea && from != types.OIDUUID && to != types.OIDUUID:
		return func(_ *EvalContext, d types.Datum) (types.Datum, error) { return d, nil }
	}
	return nil
}

func firstByte(s string) string {
	if s == "" {
		return ""
	}
	return s[:1]
}

func floatToInt(f float64, to types.OID) (types.Datum, error) {
	r := math.RoundToEven(f)
	lo, hi := float64(math.MinInt64), float64(1<<63)
	switch to {
	case types.OIDInt2:
		lo, hi = math.MinInt16, math.MaxInt16+1
	case types.OIDInt4:
		lo, hi = math.MinInt32, math.MaxInt32+1
	}
	if !(r >= lo && r < hi) {
		return types.Null, errOutOfRange(types.Of(to))
	}
	return types.NewInt(int64(r)), nil
}

func toFloat4(f float64) (types.Datum, error) {
	g := float64(float32(f))
	if math.IsInf(g, 0) && !math.IsInf(f, 0) {
		return types.Null, errFloatOverflow()
	}
	if g == 0 && f != 0 {
		return types.Null, errFloatUnderflow()
	}
	return types.NewFloat(g), nil
}

func numericToInt(d types.Datum, to types.OID) (types.Datum, error) {
	i, ok := types.NumericToInt(d)
	if !ok {
		if d.IsNaN() {
			return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert NaN to %s", types.Of(to))
		}
		if types.NumericIsInf(d) {
			return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert infinity to %s", types.Of(to))
		}
		return types.Null, errOutOfRange(types.Of(to))
	}
	return intRange(i, to)
}

func numericToFloat(d types.Datum, t types.Type) (types.Datum, error) {
	// The nearest float is the one that its text reads as.
	return types.DecodeText(types.TextOf(d, types.Numeric, nil), t.Bare(), nil)
}

// floatToNumeric takes as many significant digits as the float surely has.
func floatToNumeric(f float64, digits int) (types.Datum, error) {
	switch {
	case math.IsNaN(f):
		return types.NumericNaN(), nil
	case math.IsInf(f, 0):
		return types.NumericInf(f < 0), nil
	}
	return types.ParseNumeric(formatG(f, digits))
}

func errFloatOverflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
}

func errFloatUnderflow() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: underflow")
}
