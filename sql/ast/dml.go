package ast

// Overriding is the OVERRIDING clause of INSERT.
type Overriding uint8

// The choices of OVERRIDING.
const (
	OverridingNone Overriding = iota
	OverridingUser
	OverridingSystem
)

// Insert is INSERT INTO. Exactly one of Source and DefaultValues is given. A VALUES list is a Select with a Values body; its
// rows may hold *Default where DEFAULT was written.
type Insert struct {
	At
	With          *With
	Table         *TableRef
	Columns       []Ident // empty: all columns in order
	Overriding    Overriding
	Source        *Select
	DefaultValues bool
	OnConflict    *OnConflict
	Returning     []Target
}

// OnConflict is ON CONFLICT. A target is absent (DO NOTHING only), a constraint's name, or a list of elements with an
// optional predicate, from which the binder infers a unique index.
type OnConflict struct {
	At
	Constraint string
	Target     []IndexElem
	// TargetWhere is the predicate after the target list, for partial indexes.
	TargetWhere Expr
	DoNothing   bool
	Set         []Assignment
	Where       Expr
}

// IndexElem is a column or expression of an index or of a conflict target. Exactly one of Column and Expr is set.
type IndexElem struct {
	At
	Column    string
	Expr      Expr
	Collation *Name
	OpClass   *Name
	OpParams  []StorageParam
	Desc      bool
	Nulls     NullsOrder
}

// Assignment is one item of SET. With one column and Multi false it is col = value. With Multi the columns are assigned from a
// row: Value is a *Row of as many elements, a *ScalarSubquery, or any row-valued expression.
type Assignment struct {
	At
	Columns []Ident
	Multi   bool
	// Target is the part of the column that is assigned to, nil for all of it.
	Target *Subscript
	Value  Expr
}

// Update is UPDATE.
type Update struct {
	At
	With  *With
	Table *TableRef
	Set   []Assignment
	From  []TableExpr
	Where Expr
	// CurrentOf is the cursor of WHERE CURRENT OF, in place of Where.
	CurrentOf string
	Returning []Target
}

// Delete is DELETE FROM.
type Delete struct {
	At
	With  *With
	Table *TableRef
	Using []TableExpr
	Where Expr
	// CurrentOf is the cursor of WHERE CURRENT OF, in place of Where.
	CurrentOf string
	Returning []Target
}

// MergeAction is what a WHEN clause of MERGE does.
type MergeAction uint8

// The actions. MergeInsert only of WHEN NOT MATCHED, MergeUpdate and MergeDelete only of WHEN MATCHED.
const (
	MergeNothing MergeAction = iota
	MergeInsert
	MergeUpdate
	MergeDelete
)

// MergeWhen is a WHEN clause of MERGE. Set is of UPDATE; Columns, Overriding and Values are of INSERT.
type MergeWhen struct {
	At
	Matched bool
	Cond    Expr // after AND
	Action  MergeAction
	Set     []Assignment
	Columns []Ident
	// Values has one row, which may hold *Default; nil is DEFAULT VALUES.
	Values     *Select
	Overriding Overriding
}

// Merge is MERGE INTO. Source has exactly one item.
type Merge struct {
	At
	With   *With
	Table  *TableRef
	Source []TableExpr
	On     Expr
	Whens  []*MergeWhen
}

// Tag is "MERGE".
func (*Merge) Tag() string { return "MERGE" }

// Tag is "INSERT".
func (*Insert) Tag() string { return "INSERT" }

// Tag is "UPDATE".
func (*Update) Tag() string { return "UPDATE" }

// Tag is "DELETE".
func (*Delete) Tag() string { return "DELETE" }
