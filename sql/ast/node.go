package ast

import "unicode/utf8"

// Pos is a place in the text that was given to the parser, as byte offset plus one. Zero means unknown.
type Pos int32

// PosAt makes the Pos of a 0-based byte offset.
func PosAt(offset int) Pos { return Pos(offset + 1) }

// Offset is the 0-based byte offset, or -1 when the position is unknown.
func (p Pos) Offset() int { return int(p) - 1 }

// Char is the 1-based position in characters of text, which is what the `P` field of PostgreSQL's ErrorResponse wants.
// text must be the whole text given to the parser, not only the statement's part. Zero when the position is unknown.
func (p Pos) Char(text string) int {
	if p <= 0 {
		return 0
	}
	off := min(p.Offset(), len(text))
	return utf8.RuneCountInString(text[:off]) + 1
}

// At is embedded by every node that an error can point at.
type At struct{ Pos Pos }

// Position is the place an error about this node should name.
func (a At) Position() Pos { return a.Pos }

// Node is any part of the tree that has a place in the text.
type Node interface{ Position() Pos }

// Statement is one whole SQL statement. The set of implementations is closed.
type Statement interface {
	Node
	// Tag is the command tag without counts, as CommandComplete has it ("INSERT", "CREATE TABLE"). It is what a statement of
	// this kind is called in error messages, too.
	Tag() string
}

// Expr is a value expression. The set of implementations is closed (expr.go).
type Expr interface {
	Node
	isExpr()
}

// TableExpr is an item of a FROM list: *TableRef, *SubqueryRef, *FuncRef or *Join.
type TableExpr interface {
	Node
	isTableExpr()
}

// QueryBody is what a Select orders and limits: *SelectCore, *Values or *SetOp.
type QueryBody interface {
	Node
	isQueryBody()
}

// Name is a name with at most two qualifiers. Catalog is the database, when three parts were written; PostgreSQL accepts only
// the current one there.
type Name struct {
	At
	Catalog, Schema, Name string
}

// String is the name as a message shows it: parts joined with dots, without quotes.
func (n Name) String() string {
	s := n.Name
	if n.Schema != "" {
		s = n.Schema + "." + s
	}
	if n.Catalog != "" {
		s = n.Catalog + "." + s
	}
	return s
}

// Ident is one identifier with its place.
type Ident struct {
	At
	Name string
}

// TypeName is a type as written. Words that PostgreSQL's grammar makes into a type (`integer`, `double precision`,
// `character varying(5)`, `timestamp with time zone`) come with Schema "pg_catalog" and the internal name (int4, float8,
// varchar, timestamptz); every other name comes as written, and the binder looks it up on the search path. So the keyword
// `char` is pg_catalog.bpchar with modifier 1 while the quoted "char" is Name "char" without schema, another type.
type TypeName struct {
	At
	Catalog, Schema, Name string
	// Mods are the numbers in parentheses: (10,2) of numeric(10,2), 3 of timestamp(3). For interval(p) too.
	Mods []int32
	// IntervalFields is the field restriction of an interval ("year to month"), in lower case; empty for none.
	IntervalFields string
	// ArrayDims counts `[]` (or ARRAY); PostgreSQL gives the number no meaning beyond "is an array".
	ArrayDims int
	// SetOf is true for SETOF t, legal only in function results.
	SetOf bool
}

// OpName is an operator, schema-qualified only when written OPERATOR(schema.op). `!=` comes as `<>`.
type OpName struct {
	Catalog, Schema, Name string
}

// String is the operator as a message shows it.
func (o OpName) String() string {
	if o.Schema != "" {
		return o.Schema + "." + o.Name
	}
	return o.Name
}
