package ast

// ConstKind tells the kinds of untyped literals apart.
type ConstKind uint8

// The kinds of Const.
const (
	ConstNull    ConstKind = iota
	ConstBool              // Text is "true" or "false"
	ConstInt               // Text is decimal digits of any length; the binder chooses int4, int8 or numeric
	ConstDecimal           // Text is a number with a point or an exponent: numeric
	ConstString            // Text is the decoded content; type "unknown" until it is bound
	ConstBit               // Text begins with 'b' or 'x' and the digits follow, as PostgreSQL's own lexer gives it
)

// Const is a literal. Signs are not part of it: -1 is UnaryOp{-, 1}.
type Const struct {
	At
	Kind ConstKind
	Text string
}

// Param is $N, N >= 1.
type Param struct {
	At
	N int
}

// ColumnRef is a possibly qualified name: column, table.column, schema.table.column or catalog.schema.table.column. With
// Star the last part is `*` and Parts holds only what stands before it, so a bare `*` has no parts.
// PostgreSQL also reads t (a whole row) and t.f(a function of a row) out of the same syntax; the binder decides.
type ColumnRef struct {
	At
	Parts []string
	Star  bool
}

// TypeCast is expr::type and CAST(expr AS type). Pos is the `::` or the CAST.
type TypeCast struct {
	At
	Expr Expr
	Type TypeName
}

// TypedLiteral is type 'text' (DATE '2024-01-01', INTERVAL '3' MONTH).
type TypedLiteral struct {
	At
	Type TypeName
	Text string
}

// UnaryOp is a prefix operator. Pos is the operator.
type UnaryOp struct {
	At
	Op   OpName
	Expr Expr
}

// BinaryOp is an infix operator other than AND, OR and the LIKE family. Pos is the operator, where PostgreSQL points at when
// no such operator exists. Comparisons are operators like any other; with two Rows they compare rows.
type BinaryOp struct {
	At
	Op          OpName
	Left, Right Expr
}

// And is a conjunction of two or more operands; a AND b AND c is one And.
type And struct {
	At
	Args []Expr
}

// Or is a disjunction of two or more operands.
type Or struct {
	At
	Args []Expr
}

// Not is NOT expr.
type Not struct {
	At
	Expr Expr
}

// IsNull is expr IS [NOT] NULL.
type IsNull struct {
	At
	Expr Expr
	Not  bool
}

// BoolTest is what IsBool asks for.
type BoolTest uint8

// The tests of IsBool.
const (
	TestTrue BoolTest = iota
	TestFalse
	TestUnknown
)

// IsBool is expr IS [NOT] TRUE, FALSE or UNKNOWN.
type IsBool struct {
	At
	Expr Expr
	Test BoolTest
	Not  bool
}

// IsDistinct is left IS [NOT] DISTINCT FROM right.
type IsDistinct struct {
	At
	Left, Right Expr
	Not         bool
}

// Between is expr [NOT] BETWEEN [SYMMETRIC] lo AND hi.
type Between struct {
	At
	Expr, Lo, Hi Expr
	Not          bool
	Symmetric    bool
}

// InList is expr [NOT] IN (list); the list is not empty.
type InList struct {
	At
	Expr Expr
	List []Expr
	Not  bool
}

// InSubquery is expr [NOT] IN (query).
type InSubquery struct {
	At
	Expr  Expr
	Query *Select
	Not   bool
}

// LikeKind tells the pattern languages apart.
type LikeKind uint8

// The kinds of Like. The operators behind them are ~~, ~~* and, for SIMILAR TO, ~ on similar_to_escape(pattern).
const (
	LikeLike LikeKind = iota
	LikeILike
	LikeSimilar
)

// Like is expr [NOT] LIKE | ILIKE | SIMILAR TO pattern [ESCAPE escape].
type Like struct {
	At
	Kind          LikeKind
	Expr, Pattern Expr
	Escape        Expr
	Not           bool
}

// AnyAll is left op ANY|SOME|ALL (array) or (query). Exactly one of Array and Query is set. LIKE and ILIKE come with their
// operator's name (~~, !~~, ~~*, !~~*).
type AnyAll struct {
	At
	Op    OpName
	Left  Expr
	All   bool
	Array Expr
	Query *Select
}

// Exists is EXISTS (query).
type Exists struct {
	At
	Query *Select
}

// ScalarSubquery is (query) used as a value; also as a row on the right of a multi-column assignment.
type ScalarSubquery struct {
	At
	Query *Select
}

// ArraySubquery is ARRAY(query).
type ArraySubquery struct {
	At
	Query *Select
}

// When is one branch of a Case.
type When struct {
	At
	Cond, Result Expr
}

// Case is both CASE forms; Operand is nil in the searched form, Else is nil when absent.
type Case struct {
	At
	Operand Expr
	Whens   []When
	Else    Expr
}

// Coalesce is COALESCE(args), a keyword form that no schema can redefine.
type Coalesce struct {
	At
	Args []Expr
}

// NullIf is NULLIF(left, right).
type NullIf struct {
	At
	Left, Right Expr
}

// MinMax is GREATEST(args) or LEAST(args).
type MinMax struct {
	At
	Greatest bool
	Args     []Expr
}

// FuncForm says which special syntax a FuncCall was written in; it matters for showing it again and for the name of an
// unlabelled column only where documented.
type FuncForm uint8

// The forms of a FuncCall. Name, schema ("pg_catalog") and argument order are already those of PostgreSQL's function.
const (
	FormCall         FuncForm = iota
	FormExtract               // EXTRACT(field FROM x): extract('field', x)
	FormOverlay               // OVERLAY(s PLACING t FROM i [FOR n]): overlay(s, t, i [, n])
	FormPosition              // POSITION(a IN b): position(b, a)
	FormSubstring             // SUBSTRING(s FROM i FOR n): substring(s, i, n)
	FormTrim                  // TRIM(...): btrim, ltrim or rtrim
	FormNormalize             // NORMALIZE(s [, form])
	FormCollationFor          // COLLATION FOR (x): pg_collation_for(x)
	FormOverlaps              // (a, b) OVERLAPS (c, d): overlaps(a, b, c, d)
	FormSimilar               // SUBSTRING(s SIMILAR p ESCAPE e): substring(s, p, e)
)

// FuncCall is a call of a function, aggregate or window function; which of them only the catalog can tell.
type FuncCall struct {
	At
	Func Name
	Form FuncForm
	// Args in order; an argument passed by name is a *NamedArg.
	Args []Expr
	// Star is f(*), with no Args.
	Star bool
	// Variadic: the last argument was marked VARIADIC.
	Variadic bool
	// Distinct and OrderBy are those inside the parentheses (aggregates). With WithinGroup OrderBy is the list of
	// WITHIN GROUP (ORDER BY …) instead.
	Distinct    bool
	OrderBy     []OrderItem
	WithinGroup bool
	Filter      Expr
	// Over is nil unless the call has an OVER clause.
	Over *Window
}

// NamedArg is name => value in an argument list.
type NamedArg struct {
	At
	Name string
	Expr Expr
}

// Grouping is GROUPING(args).
type Grouping struct {
	At
	Args []Expr
}

// Array is ARRAY[elems]. Elements that are themselves *Array make a multi-dimensional array.
type Array struct {
	At
	Elems []Expr
}

// Row is ROW(elems) or (a, b, …). The implicit form has at least two elements. In a GROUP BY list the implicit form is a
// list of grouping expressions, as in PostgreSQL.
type Row struct {
	At
	Elems    []Expr
	Explicit bool
}

// Index is one [i] or [lo:hi]. In a slice either bound may be nil; otherwise only Lo is used.
type Index struct {
	At
	Slice  bool
	Lo, Hi Expr
}

// Subscript is expr[i][j]….
type Subscript struct {
	At
	Expr    Expr
	Indexes []Index
}

// FieldSelect is (expr).field, or (expr).* with Star.
type FieldSelect struct {
	At
	Expr  Expr
	Field string
	Star  bool
}

// Collate is expr COLLATE name.
type Collate struct {
	At
	Expr      Expr
	Collation Name
}

// AtTimeZone is expr AT TIME ZONE zone: the function timezone(zone, expr).
type AtTimeZone struct {
	At
	Expr, Zone Expr
}

// Default is the word DEFAULT as a value. The grammar takes it anywhere; only INSERT and UPDATE give it a meaning.
type Default struct{ At }

// CurrentValue is a function written without parentheses: current_date, current_time, current_timestamp, localtime,
// localtimestamp, current_role, current_user, session_user, user, current_catalog, current_schema. Name is that word.
type CurrentValue struct {
	At
	Name string
	// Precision is the number in parentheses, -1 when none was written.
	Precision int
}

func (*Const) isExpr()          {}
func (*Param) isExpr()          {}
func (*ColumnRef) isExpr()      {}
func (*TypeCast) isExpr()       {}
func (*TypedLiteral) isExpr()   {}
func (*UnaryOp) isExpr()        {}
func (*BinaryOp) isExpr()       {}
func (*And) isExpr()            {}
func (*Or) isExpr()             {}
func (*Not) isExpr()            {}
func (*IsNull) isExpr()         {}
func (*IsBool) isExpr()         {}
func (*IsDistinct) isExpr()     {}
func (*Between) isExpr()        {}
func (*InList) isExpr()         {}
func (*InSubquery) isExpr()     {}
func (*Like) isExpr()           {}
func (*AnyAll) isExpr()         {}
func (*Exists) isExpr()         {}
func (*ScalarSubquery) isExpr() {}
func (*ArraySubquery) isExpr()  {}
func (*Case) isExpr()           {}
func (*Coalesce) isExpr()       {}
func (*NullIf) isExpr()         {}
func (*MinMax) isExpr()         {}
func (*FuncCall) isExpr()       {}
func (*NamedArg) isExpr()       {}
func (*Grouping) isExpr()       {}
func (*Array) isExpr()          {}
func (*Row) isExpr()            {}
func (*Subscript) isExpr()      {}
func (*FieldSelect) isExpr()    {}
func (*Collate) isExpr()        {}
func (*AtTimeZone) isExpr()     {}
func (*Default) isExpr()        {}
func (*CurrentValue) isExpr()   {}
