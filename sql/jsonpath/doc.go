// Package jsonpath reads and writes SQL/JSON path expressions, the values of type
// jsonpath (PostgreSQL's manual, section 9.16.2).
//
//	text ──Parse──▶ *Path (tree of *Node) ──String──▶ the text in its normal form
//
// A node is an item or an operator; Next is the accessor that is applied to its
// result. What the language means is up to the evaluator (sql/expr). Nothing here
// knows SQL's types: numbers stay text, in the form that type numeric prints.
//
// A Path does not change after Parse and may be used by many goroutines.
package jsonpath
