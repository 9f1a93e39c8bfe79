package types

import "github.com/quorate-db/quorate/sql/sqlerr"

// ParseType reads the name of a type as SQL spells it: "integer", "int4",
// "character varying(10)", "numeric(10,2)[]", "timestamp(3) with time zone",
// "pg_catalog.int4", "_text". An unknown name is undefined_object (42704).
func ParseType(s string) (Type, error) {
	return Type{}, sqlerr.Unsupported("type name %q", s)
}

// MakeTypmod makes the modifier from the numbers in parentheses after a type's
// name, checking them as PostgreSQL does (22023).
func MakeTypmod(oid OID, args []int64) (int32, error) {
	return -1, sqlerr.Unsupported("modifier of type %s", Of(oid))
}

// String returns the name as format_type gives it: "integer",
// "character varying(10)", "numeric(10,2)[]".
func (t Type) String() string { return t.Name() }
