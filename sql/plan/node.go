package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/types"
)

// Column describes one column of a node's rows.
type Column struct {
	Name string
	Type types.Type
	// TableOID and AttNum name the table column it comes from unchanged, or are 0.
	TableOID types.OID
	AttNum   int16
}

// Node is a part of a plan. The set of implementations is closed.
type Node interface {
	// Columns describes the rows. The slice must not be changed.
	Columns() []Column
	// Inputs returns the nodes below.
	Inputs() []Node
}

// cols is embedded by nodes that hold their columns.
type cols struct{ Cols []Column }

func (c *cols) Columns() []Column { return c.Cols }

// Scan reads a table through one of its indexes.
type Scan struct {
	cols
	Table *catalog.Table
	Alias string
	// Wanted has for each column the place in Table.Columns, or -1 if nobody reads
	// it: such columns are NULL.
	Wanted []int
	// Index is what is scanned; Primary is set if the rows have to be looked up in
	// the primary index because Index does not cover Wanted.
	Index   *rowcodec.Index
	Primary *rowcodec.Index
	// Access limits the keys; nil is the whole index.
	Access *Access
	// Filter is checked for each row; nil for none.
	Filter  expr.Expr
	Reverse bool
	// Limit is a hint: rows beyond it are not needed. 0 is none.
	Limit int64
	// Lock is the strength in which the rows are locked: 0 is none, 1 FOR KEY SHARE
	// … 4 FOR UPDATE. LockWait says what to do about one that is locked by somebody
	// else.
	Lock     uint8
	LockWait ast.LockWait
}

// Access is a condition on the first columns of an index.
type Access struct {
	// Eq has the values that the first columns may have. The expressions read no
	// column.
	Eq []EqSet
	// Lo and Hi bound the next column; nil is open.
	Lo, Hi       expr.Expr
	LoInc, HiInc bool
	// Conds are the conditions that the access fulfils, for EXPLAIN.
	Conds []expr.Expr
}

// EqSet is the values of one column: those of List, or the elements of Array. A NULL
// among them matches nothing.
type EqSet struct {
	List  []expr.Expr
	Array expr.Expr
	// Null asks for IS NULL.
	Null bool
}

// Point reports whether the access leaves one key per combination of values.
func (s *Scan) Point() bool {
	if s.Access == nil || !(s.Index.Desc.Unique || s.Index.Desc.Full) || len(s.Access.Eq) != len(s.Index.Desc.Columns) {
		return false
	}
	for _, e := range s.Access.Eq {
		if e.Null {
			return false
		}
	}
	return true
}

// VirtualScan reads a table whose rows a function makes.
type VirtualScan struct {
	cols
	Table  *catalog.Table
	Alias  string
	Wanted []int
	Filter expr.Expr
	// Eq are conditions column = value that the table may use to make fewer rows;
	// Filter holds them too. Keys are places in Table.Columns.
	Eq map[int]expr.Expr
}

// Values produces literal rows. A Values with one row and no columns stands for
// a missing FROM.
type Values struct {
	cols
	Rows [][]expr.Expr
}

// FuncScan is functions in FROM, side by side.
type FuncScan struct {
	cols
	Funcs      []expr.Expr // *expr.SetCall, or another expression: one row
	Widths     []int       // columns of each
	Ordinality bool
	Alias      string
}

// Filter keeps the rows for which Cond is true.
type Filter struct {
	Input Node
	Cond  expr.Expr
}

// Project computes expressions.
type Project struct {
	cols
	Input Node
	Exprs []expr.Expr
}

// ProjectSet appends the columns of set-returning functions to its input's rows:
// as many rows as the longest set has, NULLs behind the end of the others.
type ProjectSet struct {
	cols
	Input Node
	Sets  []*expr.SetCall
}

// JoinKind is the kind of a Join.
type JoinKind uint8

// The kinds. Semi and Anti produce rows of the left side only.
const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	SemiJoin
	AntiJoin
)

func (k JoinKind) String() string {
	return [...]string{"Inner", "Left", "Right", "Full", "Semi", "Anti"}[k]
}

// Join joins two inputs. Its rows are those of the left and the right side behind
// each other, of a semi or anti join the left side's. Cond reads both in any case.
type Join struct {
	cols
	Kind        JoinKind
	Left, Right Node
	// LeftKeys and RightKeys are pairwise equal (hashed); each reads its own side.
	// Empty for a nested loop.
	LeftKeys, RightKeys []expr.Expr
	// KeyTypes are the types that the pairs are compared as.
	KeyTypes []types.Type
	// Cond is the rest of the condition over both sides; nil for none.
	Cond expr.Expr
	// NullAware is of an anti join for NOT IN, which has one pair of keys and no Cond:
	// a NULL is equal to everything.
	NullAware bool
}

// half reports whether the rows are those of the left side only.
func (n *Join) half() bool { return n.Kind == SemiJoin || n.Kind == AntiJoin }

// Apply runs Right once for every row of Left, with Args (over Left's row) as its
// arguments. Kind is InnerJoin or LeftJoin.
type Apply struct {
	cols
	Kind  JoinKind
	Left  Node
	Right Node
	Args  []expr.Expr
	Cond  expr.Expr
	// Lookup says that a rule made it out of a Join, for EXPLAIN.
	Lookup bool
}

// Aggregate groups its input. Its rows are the group's keys, then the results.
// Without keys there is exactly one group.
type Aggregate struct {
	cols
	Input  Node
	Groups []expr.Expr
	Aggs   []*expr.AggCall
	// Sets are the grouping sets as lists of places in Groups; nil is one set of
	// all. With them the keys that are not in a row's set are NULL, and the set's
	// number, from 1, is the last column.
	Sets [][]int
}

// Window computes window calls that need the same order of rows. Its rows are the
// input's with the results behind them, in that order.
type Window struct {
	cols
	Input Node
	// Spec has the partition and the order; its frame is that of one of the calls.
	Spec  *expr.WindowSpec
	Calls []*expr.WindowCall
}

// Sort orders its input.
type Sort struct {
	Input Node
	Keys  []expr.SortKey
	// Limit is a hint: rows beyond it are not needed. nil is none.
	Limit, Offset expr.Expr
}

// Limit cuts its input. nil expressions mean no limit, no offset.
type Limit struct {
	Input         Node
	Limit, Offset expr.Expr
	// Ties are the keys by which further rows are like the last one, of WITH TIES.
	Ties []expr.SortKey
}

// Distinct keeps the first of the rows that are equal in the columns On (all if
// nil).
type Distinct struct {
	Input Node
	On    []int
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind uint8

// The kinds of SetOp.
const (
	Union SetOpKind = iota
	Intersect
	Except
)

// SetOp combines two inputs with the same column types.
type SetOp struct {
	cols
	Kind        SetOpKind
	All         bool
	Left, Right Node
}

// CTE is a query of a WITH clause that is run once and read by CTEScans.
type CTE struct {
	Name string
	Plan Node
	// Modifies says that it writes: then it is run to its end also if nobody reads
	// it.
	Modifies bool
	// Recursive queries are never run by their readers: what they keep bounds them.
	Recursive bool
	Hint      ast.Materialize
}

// RecursiveUnion is a query of WITH RECURSIVE that refers to itself. Left is run
// once, Right as long as it gives new rows, over those that came last.
type RecursiveUnion struct {
	cols
	All         bool
	Left, Right Node
	Work        *Work
}

// Work stands for the rows that came last in a RecursiveUnion.
type Work struct {
	Name string
	Cols []Column
}

// WorkScan reads them.
type WorkScan struct {
	cols
	Work  *Work
	Alias string
}

// CTEScan reads the rows of a CTE.
type CTEScan struct {
	cols
	CTE   *CTE
	Alias string
}

// Insert adds rows. Its input's rows have a value for each element of
// Table.Columns; those of RowID columns are made by the executor.
type Insert struct {
	cols      // of Returning
	Input     Node
	Table     *catalog.Table
	Indexes   []*rowcodec.Index // [0] is the primary index
	Derived   []*Derived        // beside Indexes; nil if nothing is to be computed for any
	Checks    []CheckExpr
	Generated []GeneratedExpr
	Conflict  *Conflict
	Returning []expr.Expr // over the row; nil for no rows
	// Reads says that Returning or Conflict have subqueries.
	Reads bool
	// Keys is what foreign keys ask; nil: nothing.
	Keys *References
}

// CheckExpr is a CHECK constraint over a table's row.
type CheckExpr struct {
	Name string
	Expr expr.Expr
}

// Conflict is ON CONFLICT.
type Conflict struct {
	// Arbiters are places in Indexes; nil means every unique index.
	Arbiters []int
	// Set computes the new row over the present row and the excluded row behind it;
	// nil is DO NOTHING. Changed tells which columns it assigns.
	Set     []expr.Expr
	Changed []bool
	Where   expr.Expr // over the same; nil for none
}

// Update changes rows. Its input's rows begin with all of Table.Columns.
type Update struct {
	cols
	Input     Node
	Table     *catalog.Table
	Indexes   []*rowcodec.Index
	Derived   []*Derived
	Checks    []CheckExpr
	Generated []GeneratedExpr
	// NewRow computes the new row over the input's row. Changed tells which columns
	// are assigned; the others' expressions give the old value.
	NewRow  []expr.Expr
	Changed []bool
	// Returning is over the new row with the rest of the input's row behind it.
	Returning []expr.Expr
	Keys      *References
}

// Delete removes rows. Its input's rows begin with all of Table.Columns.
type Delete struct {
	cols
	Input     Node
	Table     *catalog.Table
	Indexes   []*rowcodec.Index
	Derived   []*Derived
	Returning []expr.Expr // over the input's row
	Keys      *References
}

// Merge changes the rows of a table as a source says. Its input's rows have all of
// Table.Columns, NULLs if there is no such row for the source's, and the source's
// columns behind them.
type Merge struct {
	cols
	Input     Node
	Table     *catalog.Table
	Indexes   []*rowcodec.Index
	Derived   []*Derived
	Checks    []CheckExpr
	Generated []GeneratedExpr
	Whens     []*MergeWhen
	// Changed tells which columns one of the clauses assigns.
	Changed []bool
	Keys    *References
}

// MergeWhen is a WHEN clause. The first one whose Cond is true counts.
type MergeWhen struct {
	Matched bool
	Cond    expr.Expr // nil for none
	Action  ast.MergeAction
	Row     []expr.Expr // the new row of INSERT and UPDATE
}

// Columns and Inputs of the nodes that have no columns of their own.
func (n *Filter) Columns() []Column   { return n.Input.Columns() }
func (n *Sort) Columns() []Column     { return n.Input.Columns() }
func (n *Limit) Columns() []Column    { return n.Input.Columns() }
func (n *Distinct) Columns() []Column { return n.Input.Columns() }

func (n *Scan) Inputs() []Node           { return nil }
func (n *VirtualScan) Inputs() []Node    { return nil }
func (n *Values) Inputs() []Node         { return nil }
func (n *FuncScan) Inputs() []Node       { return nil }
func (n *CTEScan) Inputs() []Node        { return nil }
func (n *WorkScan) Inputs() []Node       { return nil }
func (n *RecursiveUnion) Inputs() []Node { return []Node{n.Left, n.Right} }
func (n *Filter) Inputs() []Node         { return []Node{n.Input} }
func (n *Project) Inputs() []Node        { return []Node{n.Input} }
func (n *ProjectSet) Inputs() []Node     { return []Node{n.Input} }
func (n *Join) Inputs() []Node           { return []Node{n.Left, n.Right} }
func (n *Apply) Inputs() []Node          { return []Node{n.Left, n.Right} }
func (n *Aggregate) Inputs() []Node      { return []Node{n.Input} }
func (n *Window) Inputs() []Node         { return []Node{n.Input} }
func (n *Sort) Inputs() []Node           { return []Node{n.Input} }
func (n *Limit) Inputs() []Node          { return []Node{n.Input} }
func (n *Distinct) Inputs() []Node       { return []Node{n.Input} }
func (n *SetOp) Inputs() []Node          { return []Node{n.Left, n.Right} }
func (n *Insert) Inputs() []Node         { return []Node{n.Input} }
func (n *Update) Inputs() []Node         { return []Node{n.Input} }
func (n *Delete) Inputs() []Node         { return []Node{n.Input} }
func (n *Merge) Inputs() []Node          { return []Node{n.Input} }

// Plan is a statement ready to run.
type Plan struct {
	Root Node
	// Params are the types of $1, $2, ….
	Params []types.Type
	// Columns describes the result; nil for a statement that returns no rows.
	Columns []Column
	// RowKey is set for a cursor's query over one table: its rows have more columns than
	// Columns tells.
	RowKey *RowKey
	// Writes says that it changes data.
	Writes bool
	// Needs lists the privileges that it takes.
	Needs []*Need
	// Tables lists the versions of the tables it was made for.
	Tables []TableVersion
	// Settings says that constants depend on settings as they were when it was made
	// (time zone, search path): such a plan is not used after a change of them.
	Verb string // SELECT, INSERT, UPDATE, DELETE, MERGE
	// Doomed is the error of a constant in the result of a query without FROM: nothing
	// of its answer, nor a portal, is made first.
	Doomed error
	// HasKeys says that foreign keys have to do with what it writes.
	HasKeys bool
	// Modifying are the WITH queries that write, in their order.
	Modifying []*CTE
}

// Target returns the table that the statement itself writes to, nil for none.
func (p *Plan) Target() *catalog.Table {
	switch n := p.Root.(type) {
	case *Insert:
		return n.Table
	case *Update:
		return n.Table
	case *Delete:
		return n.Table
	case *Merge:
		return n.Table
	}
	return nil
}

// TableVersion names a version of a table.
type TableVersion struct {
	ID      catalog.ID
	Version uint64
}

// Subplan is a subquery in an expression. It implements expr.Subquery by asking
// the executor, which it finds through the evaluation's SystemInfo.
type Subplan struct {
	Plan Node
	// Correlated subplans depend on their arguments.
	Correlated bool

	done bool // the rules have been applied
}

// SubplanRunner is implemented by the SystemInfo that the executor evaluates
// under.
type SubplanRunner interface {
	RunSubplan(ctx *expr.EvalContext, s *Subplan, args []types.Datum, limit int, yield func(expr.Row) (bool, error)) error
}
