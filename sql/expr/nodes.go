package expr

import (
	"github.com/quorate-db/quorate/sql/types"
)

// AggCall is a call of an aggregate. It does not evaluate: the planner computes
// it with NewAggState and puts a Column in its place.
type AggCall struct {
	Fn       *Func
	Sig      Signature
	Args     []Expr // empty for count(*)
	Distinct bool
	OrderBy  []SortKey
	Filter   Expr // nil for none
	// Direct is how many of Args stand before WITHIN GROUP.
	Direct int
	// At is where the call stands in the statement, as ast.Pos has it; only errors
	// use it.
	At int32
}

// SortKey is one item of an ORDER BY.
type SortKey struct {
	Expr       Expr
	Descending bool
	NullsFirst bool
}

// SetCall is a call of a set-returning function. It does not evaluate: the
// planner runs it with Rows and puts a Column in its place.
type SetCall struct {
	Fn   *Func
	Sig  Signature
	Args []Expr
}

// SubqueryKind says what is asked of a subquery.
type SubqueryKind uint8

const (
	SubqueryScalar SubqueryKind = iota // (SELECT …)
	SubqueryExists                     // EXISTS (SELECT …)
	SubqueryArray                      // ARRAY(SELECT …)
	SubqueryAny                        // x op ANY (SELECT …), x IN (SELECT …)
	SubqueryAll                        // x op ALL (SELECT …)
)

// Subquery runs a subquery. It is implemented by the executor.
type Subquery interface {
	// Rows calls yield for the rows in order until there are no more, yield
	// returns false, or limit rows were given (0: no limit). args are the values
	// that OuterParam reads inside. An uncorrelated subquery may remember its
	// rows from one call to the next within a statement.
	Rows(ctx *EvalContext, args []types.Datum, limit int, yield func(Row) (more bool, err error)) error
}

// SubqueryExpr is a subquery inside an expression.
type SubqueryExpr struct {
	Kind SubqueryKind
	Sub  Subquery
	// Args are expressions over the row outside, evaluated before each run.
	Args []Expr
	// Left are the operands before IN, ANY or ALL; Compare relates them to the
	// subquery's row: an expression over the row (left values…, subquery's
	// values…). Both are empty for the other kinds.
	Left    []Expr
	Compare Expr
	// Nested marks ARRAY(SELECT …) over a column that holds arrays.
	Nested bool
	// Negate is for NOT EXISTS and NOT IN.
	Negate bool
	Typ    types.Type
}

// Logic is AND or OR of two or more operands.
type Logic struct {
	Or   bool
	Args []Expr
}

// Not negates a condition.
type Not struct{ Arg Expr }

// IsNull is IS [NOT] NULL. For a row value it asks about all fields.
type IsNull struct {
	Arg    Expr
	Negate bool
}

// IsBool is IS [NOT] TRUE, FALSE or UNKNOWN (Want NULL).
type IsBool struct {
	Arg    Expr
	Want   types.Datum
	Negate bool
}

// IsDistinct is IS [NOT] DISTINCT FROM. Equal compares the two values, as an
// expression over a row of two.
type IsDistinct struct {
	Left, Right Expr
	Equal       *Op
	Negate      bool
}

// Case is CASE. With an operand, the conditions already compare with it.
type Case struct {
	When []CaseWhen
	Else Expr // nil is NULL
	Typ  types.Type
}

// CaseWhen is one branch of a CASE.
type CaseWhen struct{ Cond, Result Expr }

// Coalesce returns the first argument that is not NULL.
type Coalesce struct {
	Args []Expr
	Typ  types.Type
}

// NullIf returns NULL if the arguments are equal, else the first.
type NullIf struct {
	Left, Right Expr
	Equal       *Op
}

// MinMax is GREATEST or LEAST: NULLs are left out.
type MinMax struct {
	Least bool
	Args  []Expr
	Typ   types.Type
}

// InList is x [NOT] IN (a, b, …) over operands of one type.
type InList struct {
	Arg    Expr
	List   []Expr
	Negate bool
	eq     *Op
	set    *datumSet // of the list when it is constant
}

// AnyAll is x op ANY (array) or x op ALL (array).
type AnyAll struct {
	Left, Right Expr
	Op          *ResolvedOp
	All         bool
}

// ArrayExpr is ARRAY[…]. With Nested, the items are arrays that become the
// inner dimensions.
type ArrayExpr struct {
	Items  []Expr
	Nested bool
	Typ    types.Type
}

// Subscript is a[i][j]… or, with Slice, a[l:u]…; omitted bounds of a slice are
// nil.
type Subscript struct {
	Array Expr
	Index []Expr
	Upper []Expr // of a slice
	Slice bool
	Typ   types.Type
}

// RowExpr is ROW(…), or the row of a table, whose columns have names.
type RowExpr struct {
	Items []Expr
	Names []string
	// Typ is the composite type of the row, zero for a record.
	Typ types.Type
	// NullIfAll says that a row of NULLs stands for no row at all: that of a table on
	// the nullable side of an outer join.
	NullIfAll bool
}

// Field is one field of a row value.
type Field struct {
	Arg   Expr
	Index int
	Name  string
	Typ   types.Type
}

// RowCompare compares two rows of equal length field by field: <, <=, >, >=.
// Equality is built from AND and OR.
type RowCompare struct {
	Op          string
	Left, Right []Expr
	// Less and Equal hold the operators of each pair.
	Less, Equal []*ResolvedOp
}

// FuncCall calls a function.
type FuncCall struct {
	Fn   *Func
	Sig  Signature
	Args []Expr
	// Spread marks a call with VARIADIC array of a function that takes any number of
	// arguments of any type: the elements of the last argument are its arguments.
	Spread bool
}

// OpCall applies an operator. Left is nil for a prefix operator.
type OpCall struct {
	Op          *Op
	Left, Right Expr
	Sig         Signature
}

// Cast converts a value. Use Builder.Cast to make one.
type Cast struct {
	Arg      Expr
	To       types.Type
	Explicit bool
	how      castHow
	def      *CastDef
	elem     *Cast // of an array's elements, with Arg nil
}
