// Package stats holds what the planner knows about the rows of a table.
//
//	rows ──Add──▶ Sampler ──Finish──▶ Table ──Encode/Decode──▶ a key of the catalog
//
// A Sampler keeps a random sample of bounded size of the rows that it is shown
// (Vitter's algorithm R) and makes of each column the fraction of NULLs, the
// number of distinct values (the estimator of Haas and Stokes that PostgreSQL
// uses, IBM research report RJ 10025), the most common values and a histogram of
// the others. Table and Column answer questions about selectivity.
//
// # Concurrency
//
// A finished Table is immutable. A Sampler belongs to one goroutine.
package stats
