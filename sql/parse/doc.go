// Package parse turns PostgreSQL text into the trees of sql/ast.
//
// TiDB's parser (a MySQL grammar) does the grammar of queries and expressions; nothing of a client's text reaches it unchecked, and
// nothing of its types leaves this package. Five layers, one statement's way from the top to the bottom:
//
//	lexer      lexer*.go     PostgreSQL's tokens: strings of all kinds, nested comments, operators, $n; statements are cut here
//	shell      shell*.go     recursive descent over statement heads. Transaction control, SET, SHOW, DDL and utility statements
//	                         end here; of queries and data changes it cuts out what the engine's grammar has no slot for
//	rewriter   rewrite*.go   emits text for the engine: every name in back-quotes, PostgreSQL-only syntax as sentinels
//	engine     tidb.go       TiDB's parser, pooled, with our own literals
//	decoder    decode*.go    a whitelist from the engine's tree to ours
//
// # Sentinels
//
// A sentinel is a back-quoted name that contains a NUL, which no client's text can contain: `\0cast#3`(x) is a function call for
// the engine and the cast described by side entry 3 for the decoder. A name before the NUL is there for whoever reads the text.
// What the engine's precedences do not give is either an infix sentinel on a level that is free (`<<` carries all operators of
// PostgreSQL's "any other operator" level, `|` the LIKE family) or a function around operands whose ends the rewriter knows (casts,
// COLLATE, AT TIME ZONE, IS DISTINCT FROM, prefix operators).
//
// # Fragments
//
// A statement may need several texts: LIMIT expressions, RETURNING lists, the parts of ON CONFLICT, DEFAULT and CHECK expressions of
// DDL. Each is a fragment with its own place in the tree; all fragments of one statement go through the engine in one call,
// separated by semicolons, and are decoded in the order they were finished.
//
// # Positions
//
// Every token that reaches the emitted text leaves a mark (offset in the fragment, token). Node positions of the engine map
// back through the marks; ast.Pos is relative to the whole text given to Parse.
//
// # Limits
//
// 64 MiB of text (54000), 1,000 levels of nesting and chains of 50,000 operators (54001; AND and OR count, although
// they come out flat). Byte 0 and
// invalid UTF-8 are 22021.
//
// # Concurrency
//
// Every exported function and method is safe for concurrent use. Trees are immutable once returned (see sql/ast). The five hook
// variables of TiDB's parser are set once per process: tidb.go says why.
package parse
