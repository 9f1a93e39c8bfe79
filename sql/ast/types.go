package ast

// CreateComposite is CREATE TYPE … AS (…). Of the columns only name, type and
// collation are used.
type CreateComposite struct {
	At
	Type    Name
	Columns []*ColumnDef
}

// CreateDomain is CREATE DOMAIN, its constraints in the order written.
type CreateDomain struct {
	At
	Domain      Name
	Type        TypeName
	Collation   *Name
	Constraints []*Constraint
}

// AlterEnum is ALTER TYPE … ADD VALUE or, with a Rename, RENAME VALUE.
type AlterEnum struct {
	At
	Type        Name
	Label       string
	IfNotExists bool
	// Neighbor is the label that the new one comes before or, with After, behind; nil
	// for the end.
	Neighbor *string
	After    bool
	// Rename is the new name of the label.
	Rename *string
}

// AlterType is what ALTER TYPE and ALTER DOMAIN have in common: RENAME TO, SET SCHEMA,
// OWNER TO, RENAME ATTRIBUTE. One of the fields behind Type is set.
type AlterType struct {
	At
	Kind ObjectKind // ObjType or ObjDomain
	Type Name

	NewName, Schema, Owner string
	// Attribute is the one that gets the name NewName.
	Attribute string
}

// AlterDomain is one action of ALTER DOMAIN on the domain's default or constraints.
type AlterDomain struct {
	At
	Domain Name
	Action DomainAction
	// Expr and ExprText are those of SET DEFAULT.
	Expr     Expr
	ExprText string
	// Constraint of ADD; Name of DROP, VALIDATE and RENAME.
	Constraint    *Constraint
	Name, NewName string
	IfExists      bool
	Cascade       bool
}

// DomainAction says what an AlterDomain does.
type DomainAction uint8

// The actions.
const (
	DomainSetDefault DomainAction = iota
	DomainDropDefault
	DomainSetNotNull
	DomainDropNotNull
	DomainAddConstraint
	DomainDropConstraint
	DomainValidate
	DomainRenameConstraint
)

// Tag is "CREATE TYPE".
func (*CreateComposite) Tag() string { return "CREATE TYPE" }

// Tag is "CREATE DOMAIN".
func (*CreateDomain) Tag() string { return "CREATE DOMAIN" }

// Tag is "ALTER TYPE".
func (*AlterEnum) Tag() string { return "ALTER TYPE" }

// Tag is "ALTER TYPE" or "ALTER DOMAIN".
func (s *AlterType) Tag() string { return "ALTER " + string(s.Kind) }

// Tag is "ALTER DOMAIN".
func (*AlterDomain) Tag() string { return "ALTER DOMAIN" }
