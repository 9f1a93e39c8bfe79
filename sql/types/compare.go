package types

import "github.com/quorate-db/quorate/sql/sqlerr"

// Compare orders two values of type t as PostgreSQL's btree operator class does
// and returns -1, 0 or 1. NULLs are equal to each other and greater than
// everything else, the default of ORDER BY. NaN is greater than all numbers and
// equal to itself; bpchar ignores blanks at the end; text is ordered by bytes.
func Compare(a, b Datum, t Type) int {
	return 0
}

// Equal reports whether Compare is 0, possibly faster.
func Equal(a, b Datum, t Type) bool { return Compare(a, b, t) == 0 }

// Hash mixes d, a value of type t, into the running hash h: equal values of one
// type give equal hashes. It is not stable across versions and not for disk.
func Hash(h uint64, d Datum, t Type) uint64 { return h }

// CheckOrdered returns undefined_function (42883) if values of the type have no
// order, as an ORDER BY or an index would ask.
func CheckOrdered(t Type) error {
	return sqlerr.Unsupported("ordering of type %s", t)
}
