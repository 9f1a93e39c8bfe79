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
// conflict as long as its output can be taken back, then with row locks.
//
// In READ COMMITTED each statement of a block has a snapshot of its own. One that
// writes or locks does all its work before the first row is sent; when a row that it
// wants has changed it is undone by a savepoint and run again (rerun.go), the locks
// stay. A transaction that has changed the schema keeps its snapshot from then on.
// A failed block gives its locks up at once.
//
// A transaction AS OF SYSTEM TIME (asof.go) reads rows and schema at a timestamp of the
// past. The statement that begins a transaction is planned while its timestamp is on the
// way (openAndPlan).
//
// # Online index changes
//
// A statement that adds an index to a table with rows runs several transactions:
// one for each state of the index (catalog.IndexState), each published, and one
// for each piece of the back-fill. It cannot run in a transaction block.
//
// A generated column of a table with rows comes the same way (ddl_generated.go): hidden
// first, while writers compute it already, then for the rows that are there, and only
// then shown. ADMIN CHECK TABLE (admincheck.go) compares indexes with rows.
//
// # Foreign keys
//
// They are looked after at the end of a statement, for all its rows together
// (exec/foreign.go), or at the commit (constraints.go). No reference is ever left without
// its row, at any level of isolation:
//
//   - Who writes a reference locks its key FOR KEY SHARE in the unique index, whether it
//     locks anything else or not. Who deletes a row or changes its key locks row and key
//     FOR UPDATE, and looks for references afterwards. The two exclude each other, and row
//     locks hold up to the commit or the transaction fails (txn/DESIGN.md, "Row locks"):
//     a lock that got lost with its leader is noticed at the commit, by what the other
//     one has left on the key, a change or a trace.
//   - So one of the two comes first. If it is the reference, its transaction has committed
//     before the other got the lock, which shows that (exec.LockedRow.Known): references
//     are looked for at a snapshot that is not below it. Where the transaction has one
//     snapshot for good and that is below, it is 40001. If it is the deletion, the row has
//     changed after the snapshot of the other: a new snapshot, in which it is gone, or
//     40001.
//   - Actions write the rows that they find under locks like any statement.
//   - A node that does not know the constraint does neither. ADD FOREIGN KEY to an existing
//     table first holds for what is written, then waits until no transaction can commit
//     that does not know it, then looks at the rows, piece by piece; a row whose primary
//     key changes meanwhile is checked by who changes it. Until it is declared no row is
//     changed for its sake (ForeignKey.Building). A constraint that comes with its table or
//     column in one step is not relied on before that time either (ForeignKey.Since):
//     who writes a reference waits. Rows of the very transaction that brought it are looked
//     at again after its commit; the constraint is NOT VALID until then.
//
// # Temporary relations, cursors, notifications
//
// Temporary relations are of one session, in its memory (temp.go): a transaction works
// on a fork of their rows, the catalogue's snapshots of that session have their
// descriptors. A cursor keeps the rows that it has given (cursor.go); WITH HOLD reads the
// rest at the commit. NOTIFY writes a record in its transaction, which nodes with
// sessions that listen read (notify.go).
//
// # Seams
//
//   - Store is what transactions are made by: TxnStore for the cluster, a map in tests.
//   - virtualTables lists the tables that functions fill; a new one is an entry there.
//   - backfill works on key ranges with a batch per transaction, so that it can
//     move to a job that other nodes resume.
//   - Admin is how statements reach the regions.
//   - Garbage lists storage of dropped, truncated and rewritten tables; the node that
//     leads placement deletes it once no snapshot can read it.
//   - systemInfo.Call answers the functions that package expr only declares.
//   - copyFormat holds the text and csv formats, copy_binary.go the binary one.
//   - testdata/logic has the logic tests; TestLogicAgainstPostgres compares them with
//     a real server, TestLogicWithoutRules with plans as they were bound.
//
// # Sequences and views
//
// A sequence's values are taken by transactions of their own (sequence.go): none is
// given twice. A view keeps its text with what its names stood for (plan.NewView).
//
// # Known weaknesses
//
//   - pg_get_viewdef gives a view's text as it was written, not as PostgreSQL prints it.
//
//   - A duplicate key within a pipeline of the extended protocol is reported at its
//     Sync, because the check rides in the commit.
//
//   - ADD COLUMN inside a block takes one schema version: until all nodes have
//     heard of it, an update by one that has not loses values of the new column.
//
//   - A node that dies during an online change leaves an invalid index, which DROP
//     INDEX removes (a half-added primary key cannot be removed yet).
//
//   - A node that dies during ADD FOREIGN KEY leaves a constraint that is NOT VALID and
//     changes no rows, which VALIDATE CONSTRAINT completes or DROP CONSTRAINT removes.
//
//   - Rows that refer to many deleted keys are looked up one key after the other.
//
//   - A type can be dropped that a temporary table of another session has a column of;
//     the column keeps it as it was. A temporary view of another session over a relation
//     that is dropped vanishes.
//
//   - FETCH BACKWARD works on a cursor declared without SCROLL as long as its rows are
//     few; PostgreSQL refuses it for some queries.
//
// # Concurrency
//
// An Engine is safe for concurrent use. A Session belongs to one goroutine, but
// for Cancel.
package sql
