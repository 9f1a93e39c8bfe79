// Package logictest runs scripts of SQL statements with their expected results
// against Quorate: the project's own, under testdata, in several shapes of
// cluster, and the sqllogictest corpus that is kept beside the project.
//
//	file ──ParseScript──▶ records ──Run──▶ outcome of each ──▶ compared, or recorded
//	                                 │
//	                          pgconn (simple or extended protocol)
//
// A script is a list of records, separated by blank lines:
//
//	statement ok | error [CODE | regular expression]
//	query TYPES [nosort|rowsort|valuesort] [label]      the corpus' form
//	query [nosort|rowsort]                              the exact form
//	copy ok | error                                     COPY, with its input
//	session NAME                                        another connection
//	skipif ENGINE, onlyif ENGINE                        for the next record
//	hash-threshold N, halt
//
// The statement follows, then a line ---- and what must come out. In the corpus'
// form that is one value a line, rendered as TYPES says (I, R, T), or a hash. In
// the exact form it is a line name:type of each column, then one row a line, the
// values as the server sends them, separated by tabs. Below a statement (optional
// there) it is the notices and command tags, or all fields of the error.
//
// A copy record holds the data for COPY FROM STDIN between lines <<<< and >>>>,
// and has what COPY TO STDOUT sends as its outcome.
//
// The engine's names are postgresql (as the corpus has it) and quorate. The exact
// results under testdata were written by PostgreSQL 15, see TestRecord: only
// records marked "onlyif quorate" are our own word.
//
// Nothing here is safe for concurrent use; a run is one goroutine.
package logictest
