// Package plan turns a statement's syntax tree into a tree of plan nodes.
//
//	ast + catalog ──bind──▶ nodes with bound expressions ──rules, costs──▶ nodes with access paths
//
// Binding (bind*.go) resolves names, expands stars, infers types of parameters
// and builds expressions through expr.Builder. The rules (opt*.go) push
// conditions down, choose indexes and join methods and drop sorts that an index
// makes unnecessary. Both work on the same node types (node.go), so a plan can be
// executed before any rule has run; tests compare the two.
//
// # Costs
//
// The rules first turn subqueries in conditions into joins (opt_unnest.go), push
// conditions down and drop columns. Then the order of inner joins, their methods and
// the access paths are chosen by estimated cost: up to ten relations among all
// orders, beyond greedily (opt_join.go). An estimator (cost.go, selectivity.go)
// computes the cost of any tree of nodes from what package stats knows of tables;
// EXPLAIN shows the same figures. Reading one row by its primary key is recognised
// before anything is estimated. A method that a setting turns off costs costOff more,
// so it is taken only where there is no other.
//
// # Rows
//
// A node produces rows of as many values as it has Columns; an expression in a
// node reads the rows of its input (or inputs, one behind the other) by
// position.
//
// # Levels
//
// A subquery in an expression, and the right side of a lateral join, is a level
// of its own: its plan runs once per outer row with a list of arguments, which
// its expressions read as expr.OuterParam. A name that is found two levels up
// becomes an argument of both. Derived tables belong to the level that they stand
// in.
//
// # Concurrency
//
// A finished plan is immutable and may be executed by many at once. Binding is
// for one goroutine.
package plan
