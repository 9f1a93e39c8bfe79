package ast

// StorageParam is an item of WITH (…): a name, possibly with a prefix (toast.autovacuum_enabled), and its value as text.
type StorageParam struct {
	At
	Namespace, Name string
	// Value is the text of the value; HasValue is false for a name alone.
	Value    string
	HasValue bool
}

// Persistence is TEMP, UNLOGGED or neither.
type Persistence uint8

// The choices of Persistence.
const (
	Permanent Persistence = iota
	Temporary
	Unlogged
)

// OnCommit is the ON COMMIT clause of a temporary table.
type OnCommit uint8

// The choices of ON COMMIT.
const (
	OnCommitNone OnCommit = iota
	OnCommitPreserve
	OnCommitDelete
	OnCommitDrop
)

// ConstraintKind is the kind of a Constraint.
type ConstraintKind uint8

// The kinds of Constraint.
const (
	ConstraintNotNull ConstraintKind = iota // column constraint only
	ConstraintNull                          // the noise word NULL
	ConstraintDefault
	ConstraintIdentity
	ConstraintGenerated
	ConstraintCheck
	ConstraintPrimaryKey
	ConstraintUnique
	ConstraintForeignKey
	ConstraintExclude
)

// RefAction is ON DELETE or ON UPDATE of a foreign key.
type RefAction uint8

// The actions.
const (
	NoAction RefAction = iota
	Restrict
	Cascade
	SetNull
	SetDefault
)

// MatchType is the MATCH of a foreign key.
type MatchType uint8

// The match types.
const (
	MatchSimple MatchType = iota
	MatchFull
)

// Constraint is a table or column constraint. Which fields are used depends on Kind. Column constraints PRIMARY KEY, UNIQUE
// and REFERENCES have no Columns: the column they stand at is meant.
type Constraint struct {
	At
	Name string
	Kind ConstraintKind
	// Expr is that of DEFAULT, CHECK and GENERATED ALWAYS AS (…) STORED; ExprText is how the client wrote it.
	Expr     Expr
	ExprText string
	// NoInherit of CHECK.
	NoInherit bool
	// IdentityAlways: GENERATED ALWAYS AS IDENTITY, otherwise BY DEFAULT. Sequence holds its options.
	IdentityAlways bool
	Sequence       []SequenceOption
	// Columns of PRIMARY KEY, UNIQUE, FOREIGN KEY; Include of the first two.
	Columns          []Ident
	Include          []Ident
	NullsNotDistinct bool
	UsingIndex       string
	Params           []StorageParam
	Tablespace       string
	// Method, Exclude and Where are those of EXCLUDE.
	Method  string
	Exclude []ExcludeElem
	Where   Expr
	// RefTable to Match are those of a foreign key; SetColumns is the column list of ON DELETE SET NULL (…).
	RefTable           Name
	RefColumns         []Ident
	OnDelete, OnUpdate RefAction
	SetColumns         []Ident
	Match              MatchType
	// Deferrable, InitiallyDeferred, NotValid as written.
	Deferrable        bool
	InitiallyDeferred bool
	NotValid          bool
}

// ExcludeElem is an element of EXCLUDE with the operator that no two rows may meet.
type ExcludeElem struct {
	Elem IndexElem
	Op   OpName
}

// ColumnDef is a column of CREATE TABLE or ADD COLUMN, its constraints in the order written.
type ColumnDef struct {
	At
	Name        string
	Type        TypeName
	Collation   *Name
	Compression string
	Constraints []*Constraint
}

// LikeClause is LIKE table INCLUDING …; Options are lower-case words with their sign ("+defaults", "-indexes", "+all").
type LikeClause struct {
	At
	Table   Name
	Options []string
}

// CreateTable is CREATE TABLE. CREATE TABLE AS is CreateTableAs.
type CreateTable struct {
	At
	Table       Name
	Persistence Persistence
	IfNotExists bool
	Columns     []*ColumnDef
	Constraints []*Constraint
	Likes       []LikeClause
	Inherits    []Name
	// PartitionBy is "range", "list" or "hash", with PartitionKeys; both empty for an ordinary table.
	PartitionBy   string
	PartitionKeys []IndexElem
	// PartitionOf is set for CREATE TABLE … PARTITION OF; PartitionBound is the text of FOR VALUES … or "DEFAULT".
	PartitionOf    *Name
	PartitionBound string
	AccessMethod   string
	Params         []StorageParam
	OnCommit       OnCommit
	Tablespace     string
}

// CreateTableAs is CREATE TABLE … AS query and CREATE MATERIALIZED VIEW; Query is *Select or *Execute.
type CreateTableAs struct {
	At
	Table        Name
	Materialized bool
	Persistence  Persistence
	IfNotExists  bool
	Columns      []string
	AccessMethod string
	Params       []StorageParam
	OnCommit     OnCommit
	Tablespace   string
	Query        Statement
	// QueryText is the text of the query as the client wrote it.
	QueryText string
	NoData    bool
}

// CreateIndex is CREATE INDEX; an empty Name asks for a generated one.
type CreateIndex struct {
	At
	Name             Ident
	Unique           bool
	Concurrently     bool
	IfNotExists      bool
	Table            Name
	Only             bool
	Method           string // as written, "" for the default (btree)
	Elems            []IndexElem
	Include          []IndexElem
	NullsNotDistinct bool
	Params           []StorageParam
	Tablespace       string
	Where            Expr
	// WhereText is how the client wrote Where.
	WhereText string
}

// ObjectKind names a kind of database object in the words PostgreSQL uses ("TABLE", "MATERIALIZED VIEW").
type ObjectKind string

// The kinds that have a statement node of their own here.
const (
	ObjTable     ObjectKind = "TABLE"
	ObjIndex     ObjectKind = "INDEX"
	ObjView      ObjectKind = "VIEW"
	ObjMatView   ObjectKind = "MATERIALIZED VIEW"
	ObjSequence  ObjectKind = "SEQUENCE"
	ObjSchema    ObjectKind = "SCHEMA"
	ObjType      ObjectKind = "TYPE"
	ObjDomain    ObjectKind = "DOMAIN"
	ObjDatabase  ObjectKind = "DATABASE"
	ObjRole      ObjectKind = "ROLE"
	ObjColumn    ObjectKind = "COLUMN"
	ObjExtension ObjectKind = "EXTENSION"
)

// Drop is DROP kind [IF EXISTS] names [CASCADE|RESTRICT].
type Drop struct {
	At
	Kind         ObjectKind
	Names        []Name
	IfExists     bool
	Concurrently bool
	Cascade      bool
	Force        bool // DROP DATABASE … WITH (FORCE)
}

// Truncate is TRUNCATE.
type Truncate struct {
	At
	Tables          []TableRef
	RestartIdentity bool
	Cascade         bool
}

// AlterTable is ALTER TABLE, ALTER INDEX, ALTER VIEW, ALTER SEQUENCE and ALTER MATERIALIZED VIEW: one relation, one or more
// actions in order. Renames, SET SCHEMA and Quorate's own region actions stand alone.
type AlterTable struct {
	At
	Kind     ObjectKind
	Table    Name
	Only     bool
	IfExists bool
	Actions  []AlterAction
}

// AlterAction is one action of an AlterTable. The set of implementations is closed.
type AlterAction interface {
	Node
	isAlterAction()
}

// AddColumn is ADD [COLUMN] [IF NOT EXISTS].
type AddColumn struct {
	At
	IfNotExists bool
	Column      *ColumnDef
}

// DropColumn is DROP [COLUMN] [IF EXISTS].
type DropColumn struct {
	At
	IfExists bool
	Name     string
	Cascade  bool
}

// AddConstraint is ADD constraint.
type AddConstraint struct {
	At
	Constraint *Constraint
}

// DropConstraint is DROP CONSTRAINT.
type DropConstraint struct {
	At
	IfExists bool
	Name     string
	Cascade  bool
}

// ValidateConstraint is VALIDATE CONSTRAINT.
type ValidateConstraint struct {
	At
	Name string
}

// AlterColumnType is ALTER COLUMN … TYPE.
type AlterColumnType struct {
	At
	Column    string
	Type      TypeName
	Collation *Name
	Using     Expr
}

// AlterColumnDefault is SET DEFAULT or, with a nil Expr, DROP DEFAULT.
type AlterColumnDefault struct {
	At
	Column   string
	Expr     Expr
	ExprText string
}

// AlterColumnNull is SET NOT NULL or DROP NOT NULL.
type AlterColumnNull struct {
	At
	Column  string
	NotNull bool
}

// AlterColumnIdentity is ADD GENERATED … AS IDENTITY, SET GENERATED … and DROP IDENTITY.
type AlterColumnIdentity struct {
	At
	Column string
	// Action is "add", "set" or "drop".
	Action   string
	Always   bool
	IfExists bool
	Sequence []SequenceOption
}

// DropExpression is ALTER COLUMN … DROP EXPRESSION.
type DropExpression struct {
	At
	Column   string
	IfExists bool
}

// RenameTo is RENAME TO.
type RenameTo struct {
	At
	NewName string
}

// RenameColumn is RENAME [COLUMN] a TO b.
type RenameColumn struct {
	At
	Name, NewName string
}

// RenameConstraint is RENAME CONSTRAINT a TO b.
type RenameConstraint struct {
	At
	Name, NewName string
}

// OwnerTo is OWNER TO role.
type OwnerTo struct {
	At
	Role string
}

// SetSchema is SET SCHEMA.
type SetSchema struct {
	At
	Schema string
}

// SetStorageParams is SET (…) or, with Reset, RESET (…).
type SetStorageParams struct {
	At
	Reset  bool
	Params []StorageParam
}

// AlterSequenceOptions is what ALTER SEQUENCE takes beyond the common actions.
type AlterSequenceOptions struct {
	At
	Options []SequenceOption
}

// SplitAt is Quorate's SPLIT AT: Source is a Values or any query whose rows are key prefixes.
type SplitAt struct {
	At
	Source *Select
}

// Unsplit is Quorate's UNSPLIT.
type Unsplit struct{ At }

// Scatter is Quorate's SCATTER.
type Scatter struct{ At }

// UnsupportedAction is an action that was recognised but not built; What names it for the error.
type UnsupportedAction struct {
	At
	What string
}

func (*AddColumn) isAlterAction()            {}
func (*DropColumn) isAlterAction()           {}
func (*AddConstraint) isAlterAction()        {}
func (*DropConstraint) isAlterAction()       {}
func (*ValidateConstraint) isAlterAction()   {}
func (*AlterColumnType) isAlterAction()      {}
func (*AlterColumnDefault) isAlterAction()   {}
func (*AlterColumnNull) isAlterAction()      {}
func (*AlterColumnIdentity) isAlterAction()  {}
func (*DropExpression) isAlterAction()       {}
func (*RenameTo) isAlterAction()             {}
func (*RenameColumn) isAlterAction()         {}
func (*RenameConstraint) isAlterAction()     {}
func (*OwnerTo) isAlterAction()              {}
func (*SetSchema) isAlterAction()            {}
func (*SetStorageParams) isAlterAction()     {}
func (*AlterSequenceOptions) isAlterAction() {}
func (*SplitAt) isAlterAction()              {}
func (*Unsplit) isAlterAction()              {}
func (*Scatter) isAlterAction()              {}
func (*UnsupportedAction) isAlterAction()    {}

// CreateSchema is CREATE SCHEMA; Name is empty when only AUTHORIZATION was given.
type CreateSchema struct {
	At
	Name          string
	IfNotExists   bool
	Authorization string
}

// CreateView is CREATE [OR REPLACE] VIEW. QueryText is how the client wrote the query.
type CreateView struct {
	At
	View        Name
	OrReplace   bool
	Persistence Persistence
	Recursive   bool
	Columns     []string
	Params      []StorageParam
	Query       *Select
	QueryText   string
	// CheckOption is "", "local" or "cascaded".
	CheckOption string
}

// SequenceOption is one option of a sequence or identity column. Name is one of "as", "increment", "minvalue", "maxvalue",
// "start", "restart", "cache", "cycle", "owned by", "sequence name". None marks NO MINVALUE, NO MAXVALUE, NO CYCLE and OWNED BY
// NONE; HasValue is false for RESTART alone.
type SequenceOption struct {
	At
	Name     string
	Value    int64
	HasValue bool
	None     bool
	Type     TypeName // of "as"
	Owner    []string // of "owned by" and "sequence name": the dotted name
}

// CreateSequence is CREATE SEQUENCE.
type CreateSequence struct {
	At
	Sequence    Name
	Persistence Persistence
	IfNotExists bool
	Options     []SequenceOption
}

// CreateEnum is CREATE TYPE … AS ENUM.
type CreateEnum struct {
	At
	Type   Name
	Labels []string
}

// CreateRole is CREATE ROLE|USER|GROUP and, with Alter, ALTER ROLE|USER. Options keep their words in lower case.
type CreateRole struct {
	At
	Alter   bool
	Kind    string // "role", "user" or "group"
	Name    Ident
	Options []RoleOption
}

// RoleOption is one option of a role: "login", "nologin", "password" with Value, "in role" with Roles…
type RoleOption struct {
	At
	Name  string
	Value string
	Null  bool // PASSWORD NULL
	Roles []string
}

// Comment is COMMENT ON kind name IS 'text'; a nil Text is IS NULL.
type Comment struct {
	At
	Kind ObjectKind
	Name []string
	Text *string
}

// Tag is "CREATE TABLE".
func (*CreateTable) Tag() string { return "CREATE TABLE" }

// Tag is "SELECT" (PostgreSQL answers SELECT n), or "CREATE MATERIALIZED VIEW".
func (s *CreateTableAs) Tag() string {
	if s.Materialized {
		return "CREATE MATERIALIZED VIEW"
	}
	return "CREATE TABLE AS"
}

// Tag is "CREATE INDEX".
func (*CreateIndex) Tag() string { return "CREATE INDEX" }

// Tag is "DROP " and the kind.
func (s *Drop) Tag() string { return "DROP " + string(s.Kind) }

// Tag is "TRUNCATE TABLE".
func (*Truncate) Tag() string { return "TRUNCATE TABLE" }

// Tag is "ALTER " and the kind.
func (s *AlterTable) Tag() string { return "ALTER " + string(s.Kind) }

// Tag is "CREATE SCHEMA".
func (*CreateSchema) Tag() string { return "CREATE SCHEMA" }

// Tag is "CREATE VIEW".
func (*CreateView) Tag() string { return "CREATE VIEW" }

// Tag is "CREATE SEQUENCE".
func (*CreateSequence) Tag() string { return "CREATE SEQUENCE" }

// Tag is "CREATE TYPE".
func (*CreateEnum) Tag() string { return "CREATE TYPE" }

// Tag is "CREATE ROLE" or "ALTER ROLE", for users and groups too.
func (s *CreateRole) Tag() string {
	if s.Alter {
		return "ALTER ROLE"
	}
	return "CREATE ROLE"
}

// Tag is "COMMENT".
func (*Comment) Tag() string { return "COMMENT" }
