// Package ast is Quorate's own query tree: what sql/parse makes of a client's PostgreSQL text and what the binder, the
// DDL engine and the executor work on. Nothing of the TiDB parser's types is in it.
//
// The tree says what the client wrote, before any name is looked up: `x + 1` is a BinaryOp named "+", `sum(x)` is a FuncCall
// named "sum", and whether either exists is for the binder to decide. Syntax with a fixed meaning that PostgreSQL's grammar
// itself gives to a function (EXTRACT, TRIM, SUBSTRING … FROM, POSITION, OVERLAY) is already that function's call.
//
// Invariants:
//
//   - Trees are immutable once sql/parse has handed them out: the statement cache gives the same tree to many sessions.
//     A consumer that wants a different tree builds a new one.
//   - Identifiers are folded and unquoted: the text PostgreSQL would store in its catalog. The empty string means "not given",
//     which is no valid identifier in PostgreSQL.
//   - A nil Expr, pointer or slice means that the clause was not written.
//   - Parentheses are not kept; the tree's shape carries them. Only Row.Explicit tells ROW(a, b) from (a, b).
//   - Pos is 1-based bytes into the text that was given to the parser (see Pos).
//
// All functions are safe for concurrent use.
package ast
