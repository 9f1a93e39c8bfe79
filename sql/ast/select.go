package ast

// Select is a query at any level: a statement, a subquery, an operand of UNION. The clauses that PostgreSQL applies to
// the whole of a query are here, what they apply to is in Body. `TABLE t` comes as SELECT * FROM t.
type Select struct {
	At
	With *With
	Body QueryBody
	// OrderBy, Limit, Offset apply after the body. LIMIT ALL and LIMIT NULL written as ALL give a nil Limit.
	OrderBy       []OrderItem
	Limit, Offset Expr
	// WithTies: FETCH FIRST … WITH TIES.
	WithTies bool
	Locking  []LockClause
	// AsOf is the moment of AS OF SYSTEM TIME, nil without one. Only a query that is a statement has it.
	AsOf Expr
}

// SelectCore is SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW.
type SelectCore struct {
	At
	// Distinct is plain DISTINCT; DistinctOn holds the list of DISTINCT ON (…). Never both.
	Distinct   bool
	DistinctOn []Expr
	// Targets may be empty: SELECT FROM t gives rows without columns.
	Targets []Target
	// From holds the comma-separated items, empty when there is no FROM.
	From  []TableExpr
	Where Expr
	// GroupBy items are expressions or *GroupingSet (as the only node of its kind, it satisfies Expr in this list alone).
	GroupBy         []Expr
	GroupByDistinct bool
	Having          Expr
	Windows         []Window
}

// Values is VALUES (…), (…). Rows may differ in length: PostgreSQL refuses that after parsing.
type Values struct {
	At
	Rows [][]Expr
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind uint8

// The kinds of SetOp.
const (
	Union SetOpKind = iota
	Intersect
	Except
)

// SetOp combines two queries. Operands that had no parentheses carry no With, OrderBy, Limit or Locking of their own.
// The tree is already associated as PostgreSQL does it: INTERSECT first, the others from the left.
type SetOp struct {
	At
	Kind        SetOpKind
	All         bool
	Left, Right *Select
}

// Target is an item of a select or RETURNING list. Label is the name after AS, empty when the name is for the binder to
// choose. `*` and t.* are ColumnRefs with Star.
type Target struct {
	At
	Expr  Expr
	Label string
}

// NullsOrder says where NULLs sort.
type NullsOrder uint8

// The choices of NULLS; the default is last for ascending, first for descending.
const (
	NullsDefault NullsOrder = iota
	NullsFirst
	NullsLast
)

// OrderItem is an item of ORDER BY. Using is the operator of USING op, its name empty otherwise.
type OrderItem struct {
	At
	Expr  Expr
	Desc  bool
	Nulls NullsOrder
	Using OpName
}

// GroupingSetKind is the form of a GroupingSet.
type GroupingSetKind uint8

// The kinds of GroupingSet. GroupEmpty is (), only GroupSets contains further sets.
const (
	GroupEmpty GroupingSetKind = iota
	GroupRollup
	GroupCube
	GroupSets
)

// GroupingSet is a GROUP BY item other than an expression.
type GroupingSet struct {
	At
	Kind  GroupingSetKind
	Items []Expr
}

// FrameMode is ROWS, RANGE or GROUPS.
type FrameMode uint8

// The frame modes.
const (
	FrameRange FrameMode = iota
	FrameRows
	FrameGroups
)

// BoundKind is the kind of a frame bound.
type BoundKind uint8

// The kinds of FrameBound, in order.
const (
	UnboundedPreceding BoundKind = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// FrameBound is one end of a frame; Offset only for OffsetPreceding and OffsetFollowing.
type FrameBound struct {
	At
	Kind   BoundKind
	Offset Expr
}

// FrameExclude is the EXCLUDE clause of a frame.
type FrameExclude uint8

// The choices of EXCLUDE.
const (
	ExcludeNoOthers FrameExclude = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// Frame is a window frame. A frame written without BETWEEN ends at the current row, and End says so.
type Frame struct {
	At
	Mode       FrameMode
	Start, End FrameBound
	Exclude    FrameExclude
}

// Window is a window definition: an item of WINDOW (Name set), or an OVER clause (Name empty). OVER w is a Window with
// only Ref and RefOnly; OVER (w …) has Ref and copies it.
type Window struct {
	At
	Name        string
	Ref         string
	RefOnly     bool
	PartitionBy []Expr
	OrderBy     []OrderItem
	// Frame is nil when none was written: RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW.
	Frame *Frame
}

// Materialize is the [NOT] MATERIALIZED of a CTE.
type Materialize uint8

// The choices of MATERIALIZED.
const (
	MaterializeDefault Materialize = iota
	MaterializeAlways
	MaterializeNever
)

// With is a WITH clause.
type With struct {
	At
	Recursive bool
	CTEs      []*CTE
}

// CTE is one named query; Query is *Select, *Insert, *Update or *Delete.
type CTE struct {
	At
	Name        string
	Columns     []string
	Materialize Materialize
	Query       Statement
}

// Writes reports whether one of the queries changes data. A nil With has none.
func (w *With) Writes() bool {
	if w == nil {
		return false
	}
	for _, c := range w.CTEs {
		if _, ok := c.Query.(*Select); !ok {
			return true
		}
	}
	return false
}

// LockStrength is the strength of a row lock, weakest first.
type LockStrength uint8

// The strengths.
const (
	ForKeyShare LockStrength = iota
	ForShare
	ForNoKeyUpdate
	ForUpdate
)

// LockWait says what to do about a row locked by somebody else.
type LockWait uint8

// The choices.
const (
	LockBlock LockWait = iota
	LockSkip
	LockNoWait
)

// LockClause is FOR UPDATE|SHARE|… [OF tables] [NOWAIT|SKIP LOCKED].
type LockClause struct {
	At
	Strength LockStrength
	Of       []Name
	Wait     LockWait
}

// Sample is TABLESAMPLE method(args) [REPEATABLE (seed)].
type Sample struct {
	At
	Method     Name
	Args       []Expr
	Repeatable Expr
}

// TableRef is a table, view or CTE in FROM, and the target of DML.
type TableRef struct {
	At
	Table   Name
	Only    bool
	Alias   string
	Columns []string
	Sample  *Sample
}

// SubqueryRef is a query in FROM. PostgreSQL 15 demands an alias, so Alias is never empty.
type SubqueryRef struct {
	At
	Query   *Select
	Lateral bool
	Alias   string
	Columns []string
}

// ColumnSpec is a column of a function's column definition list.
type ColumnSpec struct {
	At
	Name      string
	Type      TypeName
	Collation *Name
}

// RangeFunc is one function of a FuncRef with its own column definitions (ROWS FROM only).
type RangeFunc struct {
	At
	Expr    Expr // FuncCall or one of the keyword forms
	Columns []ColumnSpec
}

// FuncRef is a function in FROM. More than one function only with ROWS FROM. Functions are always lateral.
type FuncRef struct {
	At
	Funcs      []RangeFunc
	RowsFrom   bool
	Lateral    bool
	Ordinality bool
	Alias      string
	Columns    []string
	ColumnDefs []ColumnSpec
}

// JoinKind is the kind of a Join.
type JoinKind uint8

// The kinds of Join.
const (
	JoinInner JoinKind = iota
	JoinLeft
	JoinRight
	JoinFull
	JoinCross
)

// Join is an explicit join. Exactly one of Natural, Using and On is set, none for JoinCross.
type Join struct {
	At
	Kind        JoinKind
	Left, Right TableExpr
	Natural     bool
	Using       []Ident
	On          Expr
}

func (*GroupingSet) isExpr() {}

func (*SelectCore) isQueryBody() {}
func (*Values) isQueryBody()     {}
func (*SetOp) isQueryBody()      {}

func (*TableRef) isTableExpr()    {}
func (*SubqueryRef) isTableExpr() {}
func (*FuncRef) isTableExpr()     {}
func (*Join) isTableExpr()        {}

// Tag is "SELECT".
func (*Select) Tag() string { return "SELECT" }
