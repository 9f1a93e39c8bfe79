package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Builder makes typed nodes: it resolves overloads, gives literals and
// parameters of unknown type a type, and adds casts. A Builder serves one
// statement and one goroutine. Errors carry no position; the binder adds it.
type Builder struct {
	Catalog *Catalog
	// Eval supplies the settings that literals are read under; only Format and
	// what Fold may need is used.
	Eval *EvalContext
	// ParamType is told the type a parameter of unknown type is used as and
	// returns the parameter's type, which may differ if it was settled before by
	// another use. When nil, every parameter must come with a type.
	ParamType func(index int, want types.Type) (types.Type, error)
}

// Cast converts e to a type. A literal of unknown type is read as that type, a
// parameter of unknown type becomes one. A cast that does not exist is
// cannot_coerce (42846), one that is not allowed in the context
// datatype_mismatch (42804).
func (b *Builder) Cast(e Expr, to types.Type, context CastContext) (Expr, error) {
	return nil, errStub
}

// Known gives e the type text if its type is still unknown.
func (b *Builder) Known(e Expr) (Expr, error) { return nil, errStub }

// Condition casts e to bool for a clause such as WHERE, JOIN/ON, HAVING, CASE/WHEN
// or AND, whose name the message carries: "argument of WHERE must be type
// boolean, not type integer" (42804).
func (b *Builder) Condition(e Expr, clause string) (Expr, error) { return nil, errStub }

// Binary applies an infix operator by its name (+, ||, ~~, @>, …); "!=" is "<>".
// Two rows are compared field by field.
func (b *Builder) Binary(op string, left, right Expr) (Expr, error) { return nil, errStub }

// Unary applies a prefix operator.
func (b *Builder) Unary(op string, arg Expr) (Expr, error) { return nil, errStub }

// Call calls a function. schema is empty for a search by name alone; functions
// live in pg_catalog. With variadic, the last argument is the array for the
// variadic parameter (VARIADIC arr). The result is a *FuncCall, an *AggCall, a
// *SetCall, or for a name that is a type a *Cast (int4('1')). Window functions
// are refused with feature_not_supported.
func (b *Builder) Call(schema, name string, args []Expr, variadic bool) (Expr, error) {
	return nil, errStub
}

// CallStar calls an aggregate with a star: count(*).
func (b *Builder) CallStar(schema, name string) (Expr, error) { return nil, errStub }

// And, Or and Not are the three-valued connectives.
func (b *Builder) And(args ...Expr) (Expr, error) { return nil, errStub }
func (b *Builder) Or(args ...Expr) (Expr, error)  { return nil, errStub }
func (b *Builder) Not(arg Expr) (Expr, error)     { return nil, errStub }

// IsNull makes arg IS [NOT] NULL.
func (b *Builder) IsNull(arg Expr, negate bool) (Expr, error) { return nil, errStub }

// IsBool makes arg IS [NOT] want, where want is types.True, types.False or NULL
// for UNKNOWN.
func (b *Builder) IsBool(arg Expr, want types.Datum, negate bool) (Expr, error) {
	return nil, errStub
}

// IsDistinct makes left IS [NOT] DISTINCT FROM right.
func (b *Builder) IsDistinct(left, right Expr, negate bool) (Expr, error) { return nil, errStub }

// Between makes arg [NOT] BETWEEN [SYMMETRIC] low AND high.
func (b *Builder) Between(arg, low, high Expr, symmetric, negate bool) (Expr, error) {
	return nil, errStub
}

// In makes arg [NOT] IN (list…), also over rows.
func (b *Builder) In(arg Expr, list []Expr, negate bool) (Expr, error) { return nil, errStub }

// AnyAll makes left op ANY (array) or left op ALL (array).
func (b *Builder) AnyAll(op string, left, array Expr, all bool) (Expr, error) { return nil, errStub }

// Like makes arg [NOT] LIKE or ILIKE pattern [ESCAPE escape]; escape is nil when
// not given.
func (b *Builder) Like(arg, pattern, escape Expr, insensitive, negate bool) (Expr, error) {
	return nil, errStub
}

// Case makes CASE [operand] WHEN … END; operand and els may be nil.
func (b *Builder) Case(operand Expr, when []CaseWhen, els Expr) (Expr, error) { return nil, errStub }

// Coalesce, NullIf, Greatest and Least make the expressions of those names.
func (b *Builder) Coalesce(args []Expr) (Expr, error)    { return nil, errStub }
func (b *Builder) NullIf(left, right Expr) (Expr, error) { return nil, errStub }
func (b *Builder) Greatest(args []Expr) (Expr, error)    { return nil, errStub }
func (b *Builder) Least(args []Expr) (Expr, error)       { return nil, errStub }

// Array makes ARRAY[items…]. Items that are arrays give a further dimension.
func (b *Builder) Array(items []Expr) (Expr, error) { return nil, errStub }

// Subscript makes array[index…].
func (b *Builder) Subscript(array Expr, index []Expr) (Expr, error) { return nil, errStub }

// Slice makes array[lower:upper, …]; a nil bound is left open.
func (b *Builder) Slice(array Expr, lower, upper []Expr) (Expr, error) { return nil, errStub }

// Row makes ROW(items…).
func (b *Builder) Row(items []Expr) (Expr, error) { return nil, errStub }

// ScalarSubquery, ExistsSubquery and ArraySubquery make subqueries of those
// kinds; typ is the type of the subquery's only column.
func (b *Builder) ScalarSubquery(sub Subquery, args []Expr, typ types.Type) (Expr, error) {
	return nil, errStub
}
func (b *Builder) ExistsSubquery(sub Subquery, args []Expr, negate bool) (Expr, error) {
	return nil, errStub
}
func (b *Builder) ArraySubquery(sub Subquery, args []Expr, typ types.Type) (Expr, error) {
	return nil, errStub
}

// QuantifiedSubquery makes left op ANY (subquery), or ALL; cols are the types of
// the subquery's columns. x IN (SELECT …) is = ANY, NOT IN is its Not.
func (b *Builder) QuantifiedSubquery(op string, left []Expr, sub Subquery, args []Expr, cols []types.Type, all bool) (Expr, error) {
	return nil, errStub
}

// Common settles one type for the given expressions by the rules for UNION, CASE
// and related constructs, and returns them cast to it. context names the
// construct in the message ("CASE", "UNION", "VALUES", "IN", "COALESCE").
func (b *Builder) Common(context string, exprs []Expr) (types.Type, []Expr, error) {
	return types.Type{}, nil, errStub
}

// Assign casts e to a column's type for INSERT and UPDATE. The message of a cast
// that is not allowed names the column (42804).
func (b *Builder) Assign(e Expr, column string, to types.Type) (Expr, error) { return nil, errStub }

var errStub = sqlerr.Unsupported("this expression")

// NewCatalog builds the catalogue. It costs about a millisecond; one per process
// is enough.
func NewCatalog() *Catalog { return &Catalog{} }

// ResolveFunction finds the overload for a call by PostgreSQL's rules. Arguments
// of no known type have type unknown. No candidate is undefined_function (42883),
// several equally good ones ambiguous_function (42725), both with PostgreSQL's
// text and hint.
func (c *Catalog) ResolveFunction(schema, name string, args []types.Type, variadic bool) (*ResolvedFunc, error) {
	return nil, errStub
}

// ResolveOperator finds the overload of an operator; left is the zero Type for a
// prefix operator.
func (c *Catalog) ResolveOperator(name string, left, right types.Type) (*ResolvedOp, error) {
	return nil, errStub
}

// FindCast returns the cast between two types if it is allowed in the context.
// Casts through text (any type to text, text to any type) are not in the
// catalogue and not found here; Builder.Cast knows them.
func (c *Catalog) FindCast(from, to types.OID, context CastContext) (*CastDef, bool) {
	return nil, false
}

// CanCoerce reports whether Builder.Cast would succeed.
func (c *Catalog) CanCoerce(from, to types.Type, context CastContext) bool { return false }

// SelectCommonType settles the type of UNION, CASE and related constructs. The
// error is datatype_mismatch (42804).
func (c *Catalog) SelectCommonType(context string, ts []types.Type) (types.Type, error) {
	return types.Type{}, errStub
}

// Funcs lists every function in the order of their numbers, for pg_proc.
func (c *Catalog) Funcs() []*Func { return c.all }

// FuncsNamed lists the overloads of a name. The result must not be changed.
func (c *Catalog) FuncsNamed(name string) []*Func { return c.funcs[name] }

// FuncByOID returns the function with that number.
func (c *Catalog) FuncByOID(oid types.OID) (*Func, bool) {
	f, ok := c.byOID[oid]
	return f, ok
}

// Op returns the operator over exactly these types.
func (c *Catalog) Op(name string, left, right types.OID) (*Op, bool) { return nil, false }

// Fold evaluates the constant parts of e that are immutable. A part whose
// evaluation fails is left as it is, so that the error comes when, and only if,
// it is reached (as in CASE … ELSE 1/0 END).
func Fold(e Expr, ctx *EvalContext) (Expr, error) { return e, nil }

// IsConst returns the value of e if it is a literal.
func IsConst(e Expr) (types.Datum, bool) {
	c, ok := e.(*Const)
	if !ok {
		return types.Null, false
	}
	return c.Val, true
}

// VolatilityOf returns the strongest volatility in e. Parameters and outer values
// count as stable, columns and literals as immutable.
func VolatilityOf(e Expr) Volatility { return Volatile }

// Equal reports whether two expressions are the same: same nodes, same types,
// same literals.
func Equal(a, b Expr) bool { return a == b }

// Fingerprint returns a key that is equal for Equal expressions only. Subqueries
// are the same only if they are the same object.
func Fingerprint(e Expr) string { return "" }

// Format writes e as SQL for EXPLAIN and for column defaults. column names a
// column; nil uses Column.Name.
func Format(e Expr, column func(*Column) string) string { return "" }

// ColumnName returns the name that a SELECT list gives to an expression without
// AS: the function's or the column's name, the type of a cast, "case",
// "coalesce", "array", …, "?column?".
func ColumnName(e Expr) string { return "?column?" }

// AggState computes one aggregate over one group. It belongs to one goroutine.
type AggState interface {
	// Add takes the arguments of one row; rows that FILTER or DISTINCT leave out
	// are not given to it. It keeps no reference to the slice.
	Add(ctx *EvalContext, args []types.Datum) error
	// Merge adds what another state of the same aggregate has seen. The other
	// state must not be used afterwards.
	Merge(ctx *EvalContext, other AggState) error
	// Result returns the value so far. Add may go on afterwards.
	Result(ctx *EvalContext) (types.Datum, error)
	// Size estimates the memory held, in bytes.
	Size() int
}

// NewAggState returns the state of an aggregate over no rows.
func NewAggState(fn *Func, sig *Signature) (AggState, error) { return nil, errStub }

// SetIter yields the rows of a set-returning function.
type SetIter interface {
	// Next returns the next row, or nil after the last one. The row is valid
	// until the next call.
	Next(ctx *EvalContext) (Row, error)
}

// Rows starts a set-returning function for an outer row.
func (e *SetCall) Rows(ctx *EvalContext, row Row) (SetIter, error) { return nil, errStub }

// Columns returns the names and types of the columns of a set-returning function.
func (e *SetCall) Columns() (names []string, ts []types.Type) { return nil, nil }

type setFunc func(ctx *EvalContext, sig *Signature, args []types.Datum) (SetIter, error)
type aggFunc func(sig *Signature) AggState
type datumSet struct{}
type castHow uint8
