// Package catalog knows which schemas, tables and indexes exist.
//
// Descriptors are rows under the system prefix of the key space. They are read
// at the snapshot of the transaction that asks and written by the transaction
// that changes them, so a DDL statement commits or vanishes with the rest of its
// transaction.
//
//	\x02 v        schema version, raised once by every transaction with DDL
//	\x02 i        next object id (only when no other source of ids is given)
//	\x02 d <id>   descriptor of a schema, table, view, sequence or type
//	\x02 s <id>   state of a sequence, written by transactions of its own
//	\x02 g <id>   storage that no descriptor refers to any more, with its reason
//
// A Snapshot is an immutable view of all descriptors at one version. Catalog
// keeps the last few of them by version, so a transaction whose version is
// known needs no read. A Change is a snapshot under modification by one
// transaction; it is not safe for concurrent use, everything else here is.
//
// Types of users are descriptors like tables are. A snapshot makes a types.Def of each,
// of each table's row type and of the arrays over them, and hangs it into the types of
// columns; a type that changes makes new definitions of everything that is made of it.
// A label that was added to an enum may be written from the version after the one that
// brought it (EnumLabel.Since): every node can read it then.
//
// Temporary relations of a session are in its snapshots only and are never written
// (temp.go).
//
// Invariants
//
//   - All DDL transactions write the version key, so two of them conflict and
//     versions form one line. Descriptors need no other mutual exclusion.
//   - An object id is also its OID and is never used again.
//   - The rows of a table live under its StorageID, which TRUNCATE and rewrites
//     replace; the old storage is recorded under \x02 g. Who deletes its rows
//     once no snapshot can read them is up to the node (see Garbage).
//   - An index that is being built passes DeleteOnly, WriteOnly and Public, each in a
//     published version of its own. Two adjacent versions may be in use at a time
//     (F1, "Online, Asynchronous Schema Change in F1", §3), not more: the
//     Lease sees to that: a transaction commits with the version it began with or
//     the next one, at a timestamp up to the lease's end (see BeginCommit).
package catalog
