// Package tpch runs the 22 queries of TPC-H on Quorate and on a private PostgreSQL 15
// over the same rows, compares the answers and prints the times side by side.
//
//	seed ──▶ generator ──COPY──┬─▶ one node of Quorate ──┐
//	                           └─▶ PostgreSQL ───────────┴─▶ queries ──▶ compare, times
//
// The rows are of a generator of our own, deterministic, with the distributions of
// the TPC-H specification (revision 3, clause 4.2.3) as far as the queries need them:
// they are not dbgen's, so the times are no TPC-H results.
package tpch
