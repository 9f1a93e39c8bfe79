// Package pgwire speaks the server side of the PostgreSQL protocol, versions 3.0
// and 3.2, and knows nothing of SQL: statements, values and errors pass through
// the interfaces in session.go, which the SQL layer implements and the
// composition root joins.
//
//	socket ── reader ──► conn (one goroutine) ──► Session (Parse, Bind, Execute …)
//	   ▲                                             │ pushes columns, rows, tags
//	   └───────── writer (one output buffer) ◄───────┘ through ResultWriter
//
// # What it keeps true
//
//   - One goroutine per connection reads, executes and writes answers. A client that
//     reads slowly stops its own session and no other; after a write timeout it
//     is cut off.
//   - Nothing is allocated on the word of a client: a length is checked against
//     a cap before the body is read, bodies are read in pieces, and before
//     authentication the cap is that of a startup packet.
//   - No byte sequence stops the process. Headers are checked before pgproto3
//     sees a message (its decoders are known to panic on several), Bind is
//     decoded here, and a panic that slips through ends its own connection.
//   - Answers come in protocol order: after an error in the extended protocol
//     everything up to Sync is read and dropped; each Query and each Sync gets
//     exactly one ReadyForQuery unless the connection ends.
//   - Text that enters is UTF-8 without zero bytes (22021 otherwise), so that
//     the layers below need not ask.
//   - An idle connection holds no buffers.
//   - A client that is gone is noticed within two seconds, also while its session
//     works and nobody reads from the socket (gone.go; on Linux).
//   - Notifications go out while a connection waits for its client outside of a
//     transaction, in a goroutine that it waits for before it writes itself
//     (notify.go); the number of those that wait is bounded.
//
// # Concurrency
//
// Server's methods are safe for concurrent use. A Session is called from its
// connection's goroutine only, except Cancel. A server's mutex is held neither
// over I/O nor over a call into a Session.
package pgwire
