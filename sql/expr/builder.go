package expr

import (
	"errors"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Builder makes typed nodes: it resolves overloads, gives literals and
// parameters of unknown type a type, and adds casts. A Builder serves one
// statement and one goroutine. Errors carry no position; the binder adds it.
type Builder struct {
	Catalog *Catalog
	// Eval supplies the settings that literals are read under; only Format is
	// used.
	Eval *EvalContext
	// ParamType is told the type a parameter of unknown type is used as and
	// returns the parameter's type, which may differ if it was settled before by
	// another use. When nil, every parameter must come with a type.
	ParamType func(index int, want types.Type) (types.Type, error)
	// Place gives an error about a literal's text the literal's place (Const.At).
	// May be nil.
	Place func(err error, at int32) error
	// TypeNamed finds a user's type by its name, for type(x). May be nil.
	TypeNamed func(schema, name string) (types.Type, bool)
}

// Known gives e the type text if its type is still unknown.
func (b *Builder) Known(e Expr) (Expr, error) {
	if isUnknown(e.Type()) {
		return b.Cast(e, types.Text, CastImplicit)
	}
	return e, nil
}

// Condition casts e to bool for a clause such as WHERE, JOIN/ON, HAVING, CASE/WHEN
// or AND, whose name the message carries: "argument of WHERE must be type
// boolean, not type integer" (42804).
func (b *Builder) Condition(e Expr, clause string) (Expr, error) {
	if t := e.Type(); t.Base().OID != types.OIDBool && !isUnknown(t) {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type boolean, not type %s", clause, t.Bare())
	}
	return b.Cast(e, types.Bool, CastImplicit)
}

// Assign casts e to a column's type for INSERT and UPDATE. The message of a cast
// that is not allowed names the column (42804).
func (b *Builder) Assign(e Expr, column string, to types.Type) (Expr, error) {
	out, err := b.Cast(e, to, CastAssignment)
	if se := (*sqlerr.Error)(nil); errors.As(err, &se) && se.Code == sqlerr.DatatypeMismatch && !isUnknown(e.Type()) {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "column \"%s\" is of type %s but expression is of type %s", column, to.Bare(), e.Type().Bare()).
			WithHint("You will need to rewrite or cast the expression.")
	}
	return out, err
}

// Binary applies an infix operator by its name (+, ||, ~~, @>, …); "!=" is "<>".
// Two rows are compared field by field.
func (b *Builder) Binary(op string, left, right Expr) (Expr, error) {
	if op == "!=" {
		op = "<>"
	}
	lr, ok1 := constructed(left)
	rr, ok2 := constructed(right)
	if ok1 && ok2 && isComparison(op) {
		return b.rows(op, lr.Items, rr.Items)
	}
	r, err := b.Catalog.ResolveOperator(op, left.Type(), right.Type())
	if err != nil {
		return nil, err
	}
	if left, err = b.coerce(left, r.Left); err != nil {
		return nil, err
	}
	if right, err = b.coerce(right, r.Right); err != nil {
		return nil, err
	}
	return &OpCall{Op: r.Op, Left: left, Right: right, Sig: Signature{Args: []types.Type{r.Left, r.Right}, Result: r.Result}}, nil
}

// constructed returns a row that is written as ROW(…), which is compared field by
// field. A table's row and one of a composite type are single values.
func constructed(e Expr) (*RowExpr, bool) {
	r, ok := e.(*RowExpr)
	return r, ok && r.Names == nil
}

func isComparison(op string) bool {
	switch op {
	case "=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}

// rows compares two row constructors.
func (b *Builder) rows(op string, left, right []Expr) (Expr, error) {
	if len(left) != len(right) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "unequal number of entries in row expressions")
	}
	if len(left) == 0 {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot compare rows of zero length")
	}
	if len(left) == 1 {
		return b.Binary(op, left[0], right[0])
	}
	if op == "=" || op == "<>" {
		parts := make([]Expr, len(left))
		for i := range left {
			p, err := b.Binary(op, left[i], right[i])
			if err != nil {
				return nil, err
			}
			parts[i] = p
		}
		return &Logic{Or: op == "<>", Args: parts}, nil
	}
	n := &RowCompare{Op: op}
	for i := range left {
		lt, err := b.Catalog.ResolveOperator("<", left[i].Type(), right[i].Type())
		if err != nil {
			return nil, err
		}
		eq, err := b.Catalog.ResolveOperator("=", left[i].Type(), right[i].Type())
		if err != nil {
			return nil, err
		}
		l, err := b.coerce(left[i], lt.Left)
		if err != nil {
			return nil, err
		}
		r, err := b.coerce(right[i], lt.Right)
		if err != nil {
			return nil, err
		}
		n.Left, n.Right = append(n.Left, l), append(n.Right, r)
		n.Less, n.Equal = append(n.Less, lt), append(n.Equal, eq)
	}
	return n, nil
}

// Unary applies a prefix operator.
func (b *Builder) Unary(op string, arg Expr) (Expr, error) {
	if op == "-" {
		if lit, ok := negatedLiteral(arg); ok {
			return lit, nil
		}
	}
	r, err := b.Catalog.ResolveOperator(op, types.Type{}, arg.Type())
	if err != nil {
		return nil, err
	}
	if arg, err = b.coerce(arg, r.Right); err != nil {
		return nil, err
	}
	return &OpCall{Op: r.Op, Right: arg, Sig: Signature{Args: []types.Type{r.Right}, Result: r.Result}}, nil
}

// negatedLiteral puts the sign into a numeric literal, so that -9223372036854775808
// is what it says (PostgreSQL's doNegate).
func negatedLiteral(e Expr) (Expr, bool) {
	c, ok := e.(*Const)
	if !ok || !c.number {
		return nil, false
	}
	lit, err := NumberLiteral("-" + types.TextOf(c.Val, c.Typ, nil))
	if err != nil {
		return nil, false
	}
	lit.number = false
	return lit, true
}

// NumberLiteral makes the literal that a number written in SQL is: int4, int8 or
// numeric, whichever holds it first.
func NumberLiteral(text string) (*Const, error) {
	for _, t := range []types.Type{types.Int4, types.Int8} {
		if d, err := types.DecodeText(text, t, nil); err == nil {
			return &Const{Val: d, Typ: t, number: true}, nil
		}
	}
	d, err := types.ParseNumeric(text)
	if err != nil {
		return nil, err
	}
	return &Const{Val: d, Typ: types.Numeric, number: true}, nil
}

// Call calls a function. schema is empty for a search by name alone; functions
// live in pg_catalog. With variadic, the last argument is the array for the
// variadic parameter (VARIADIC arr). The result is a *FuncCall, an *AggCall, a
// *SetCall, a *WindowCall without its window, or for a name that is a type a
// *Cast (int4('1')).
func (b *Builder) Call(schema, name string, args []Expr, variadic bool) (Expr, error) {
	if schema == "" {
		if e, ok, err := b.sqlValue(name, args); ok {
			return e, err
		}
	}
	ts := make([]types.Type, len(args))
	for i, a := range args {
		ts[i] = a.Type()
	}
	if len(args) == 1 && isUnknown(ts[0]) {
		// A literal in a type's name is read as that type, whatever functions of the
		// name there are.
		if cast, ok := b.literalCast(schema, name, args[0]); ok {
			return cast()
		}
	}
	r, err := b.Catalog.ResolveFunction(schema, name, ts, variadic)
	if err != nil {
		if cast, ok := b.functionalCast(schema, name, args, err); ok {
			return cast, nil
		}
		return nil, err
	}
	f := r.Func
	out := make([]Expr, 0, len(f.Args))
	for i, a := range args {
		want := r.Sig.Args[i]
		if a, err = b.coerce(a, want); err != nil {
			return nil, err
		}
		if _, lit := a.(*Const); isUnknown(a.Type()) && !lit {
			if a, err = b.Known(a); err != nil {
				return nil, err
			}
		}
		if want.OID == types.OIDAny {
			r.Sig.Args[i] = a.Type().Bare()
		}
		out = append(out, a)
	}
	if r.Spread >= 0 {
		at := len(out) - r.Spread
		elem := types.Text
		if r.Spread > 0 {
			elem = r.Sig.Args[at]
		}
		arr, ok := elem.ArrayOf()
		if !ok {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", elem)
		}
		items := append([]Expr(nil), out[at:]...)
		out = append(out[:at], &ArrayExpr{Items: items, Typ: arr})
		r.Sig.Args = append(r.Sig.Args[:at:at], arr)
	}
	for i := len(out); i < len(f.Args); i++ {
		def := f.defaults[i-(len(f.Args)-len(f.defaults))]
		t := types.Of(f.Args[i])
		out = append(out, &Const{Val: def, Typ: t})
		r.Sig.Args = append(r.Sig.Args, t)
	}
	spread := f.Variadic && variadic && f.Args[len(f.Args)-1] == types.OIDAny
	if spread && f.fnN == nil {
		return nil, sqlerr.Unsupported("VARIADIC in a call of %s", name)
	}
	if last := len(out) - 1; spread && !out[last].Type().IsArray() {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "VARIADIC argument must be an array")
	}
	switch f.Kind {
	case FuncAggregate:
		return &AggCall{Fn: f, Sig: r.Sig, Args: out}, nil
	case FuncSet:
		return &SetCall{Fn: f, Sig: r.Sig, Args: out}, nil
	case FuncWindow:
		return &WindowCall{Fn: f, Sig: r.Sig, Args: out}, nil
	}
	return &FuncCall{Fn: f, Sig: r.Sig, Args: out, Spread: spread}, nil
}

// sqlValue makes what the standard writes without parentheses: CURRENT_DATE,
// CURRENT_TIMESTAMP(3), USER, …
func (b *Builder) sqlValue(name string, args []Expr) (Expr, bool, error) {
	var to types.Type
	switch name {
	case "user", "current_role":
		name = "current_user"
	case "current_catalog":
		name = "current_database"
	case "current_date":
		to = types.Date
	case "current_timestamp":
		to = types.Timestamptz
	case "localtimestamp":
		to = types.Timestamp
	case "localtime":
		to = types.Time
	case "current_time":
		to = types.Timetz
	default:
		return nil, false, nil
	}
	if to.IsZero() {
		if len(args) > 0 {
			return nil, false, nil
		}
		e, err := b.Call("pg_catalog", name, nil, false)
		return e, true, err
	}
	if len(args) > 1 || len(args) == 1 && to == types.Date {
		return nil, false, nil
	}
	if len(args) == 1 {
		v, ok := IsConst(args[0])
		if !ok || args[0].Type().OID != types.OIDInt4 {
			return nil, false, nil
		}
		mod, err := types.MakeTypmod(to.OID, []int64{v.Int()})
		if err != nil {
			return nil, true, err
		}
		to = to.WithTypmod(mod)
	}
	now, err := b.Call("pg_catalog", "now", nil, false)
	if err != nil {
		return nil, true, err
	}
	e, err := b.Cast(now, to, CastExplicit)
	return e, true, err
}

// functionalCast reads type(x) as a cast, where that is what PostgreSQL does:
// the type's name, one argument, and a cast that needs no function of that name.
func (b *Builder) functionalCast(schema, name string, args []Expr, cause error) (Expr, bool) {
	if len(args) != 1 || !sqlerr.Is(cause, sqlerr.UndefinedFunction) && !sqlerr.Is(cause, sqlerr.FeatureNotSupported) {
		return nil, false
	}
	to, ok := b.typeNamed(schema, name)
	if !ok {
		return nil, false
	}
	if !isUnknown(args[0].Type()) {
		if _, _, ok := b.Catalog.pathway(args[0].Type(), to, CastExplicit); !ok {
			return nil, false
		}
	}
	e, err := b.Cast(args[0], to, CastExplicit)
	return e, err == nil
}

// literalCast is the reading of a literal as the type of that name, if there is
// one.
func (b *Builder) literalCast(schema, name string, arg Expr) (func() (Expr, error), bool) {
	c, lit := arg.(*Const)
	if !lit || c.Typ.OID != types.OIDUnknown {
		return nil, false
	}
	to, ok := b.typeNamed(schema, name)
	if !ok || !to.IsBuilt() {
		return nil, false
	}
	return func() (Expr, error) { return b.Cast(arg, to, CastExplicit) }, true
}

// typeNamed finds the type that a function's name may mean.
func (b *Builder) typeNamed(schema, name string) (types.Type, bool) {
	if schema == "" || schema == "pg_catalog" {
		if info, ok := types.LookupName(name); ok {
			return types.Of(info.OID), info.Kind != 'p'
		}
	}
	if b.TypeNamed == nil {
		return types.Type{}, false
	}
	return b.TypeNamed(schema, name)
}

// CallStar calls an aggregate with a star: count(*).
func (b *Builder) CallStar(schema, name string) (Expr, error) {
	r, err := b.Catalog.ResolveFunction(schema, name, nil, false)
	if err != nil {
		return nil, err
	}
	if r.Func.Kind != FuncAggregate {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", name, name)
	}
	return &AggCall{Fn: r.Func, Sig: r.Sig}, nil
}
