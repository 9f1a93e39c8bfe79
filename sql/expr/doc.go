// Package expr holds bound expressions: trees whose names are resolved and whose
// types are known, their evaluation, and the catalogue of operators, functions,
// aggregates and casts they are built from.
//
//	AST ──binder──▶ Builder ──▶ Expr tree ──Fold──▶ Expr tree ──Eval(ctx, row)──▶ Datum
//	                   │
//	                   ▼
//	                Catalog   overload resolution by PostgreSQL's rules (chapter 10)
//
// The binder (sql/plan) knows names, scopes and positions; it asks a Builder for
// every node, and the Builder picks the overload and puts in the casts. After
// that nothing here looks at a name again.
//
// A literal without type, and a parameter whose type is not known yet, have type
// unknown until a Builder method gives them one. Every method that takes operands
// does so; at the top of an expression Builder.Known turns what is left into text.
//
// # Invariants
//
//   - Eval returns a Datum stored as the node's Type demands, with the type's
//     modifier already applied, or NULL.
//   - A strict function or operator is never called with a NULL.
//   - Expressions are immutable. Transform builds new nodes and shares the rest.
//   - Subqueries are evaluated by whoever made them, through the Subquery
//     interface; aggregates, window functions and set-returning functions never
//     evaluate in place: their nodes refuse, and the planner replaces them.
//
// # Concurrency
//
// A Catalog and every Expr may be used by many goroutines at once. An EvalContext
// belongs to one goroutine.
package expr
