// Package sql runs statements for clients: sessions, their transactions,
// prepared statements, settings, and everything that is not a query.
//
//	pgwire ──▶ Session ──parse──▶ ast ──plan.New──▶ Plan ──exec──▶ KV (a txn.Txn)
//	              │                                  ▲
//	              ├── ddl*.go     CREATE, ALTER, DROP, TRUNCATE ── catalog.Change
//	              ├── copy*.go    COPY                              │
//	              ├── virtual*.go tables of pg_catalog and quorate  │
//	              └── settings.go SET, SHOW                         │
//	                         catalog.Catalog: a Snapshot per transaction
//
// Engine implements pgwire.Engine and Session pgwire.Session; nothing else of
// package pgwire is used here.
//
// # Transactions
//
// A session is idle, in an implicit transaction (one statement, one string of
// statements, or what lies between two Syncs), in a transaction block, or in a
// failed one. A statement that is a transaction of its own is run again after a
// conflict as long as its output can be taken back. READ COMMITTED runs as
// REPEATABLE READ; SERIALIZABLE is refused.
//
// # Online index changes
//
// A statement that adds an index to a table with rows runs several transactions:
// one for each state of the index (catalog.IndexState), each published, and one
// for each piece of the back-fill. It cannot run in a transaction block.
//
// # Seams
//
//   - Store is what transactions are made by: TxnStore for the cluster, a map in tests.
//   - virtualTables lists the tables that functions fill; a new one is an entry there.
//   - backfill works on key ranges with a batch per transaction, so that it can
//     move to a job that other nodes resume.
//   - Admin is how statements reach the regions.
//
// # Concurrency
//
// An Engine is safe for concurrent use. A Session belongs to one goroutine, but
// for Cancel.
package sql
