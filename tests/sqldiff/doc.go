// Package sqldiff proves Quorate's answers with statements that a generator makes.
//
//	seed ──▶ scenario (tables, indexes, rows) ──▶ statement (a tree) ──┬─▶ Quorate ────┐
//	                       ▲                          ▲              └─▶ PostgreSQL ─┴─▶ compare ──▶ shrink
//	                       └─ expr.Catalog: every function, operator and aggregate that is built
//
// TestAgainstPostgres runs every statement on a private PostgreSQL 15 too and compares
// rows (in order where ORDER BY settles it), column names, types and modifiers,
// command tags and SQLSTATEs; after a write, the whole table. Without PostgreSQL it is
// skipped and says so. TestLaws needs no other server: see law.
//
// What the two may do differently lies in testdata/accepted.txt, with reasons, and in
// the rule about errors of values: where a statement leaves the order of evaluation
// open, only one of the two may meet one. Such a statement is called tainted.
//
// What is generated keeps to what has one right answer: values that are equal and
// print differently (numeric 1.0 and 1.00) stay out of DISTINCT, GROUP BY, set
// operations and sort keys with LIMIT; sums of floats are over values that add up
// exactly; results of the C library's functions are compared to thirteen digits.
//
// A run is a function of -seed and -statements. A difference is printed with the
// seed, the number of its scenario (-scenario begins there) and a script.
package sqldiff
