// Package inspect reads a store that no process uses: who it belongs to, its regions,
// raft logs, tombstones and keys, for people. It changes nothing on the disk.
//
//	Open ── read-only engines ── Ident, Regions, Tombstones, Log, Keys
//	  └──── the catalog, if the store holds its region: names of tables, types of values
//
// A store in use is refused (ErrInUse), so that nobody reads what is being written. What
// cannot be read is told in the place where it stands, and the rest goes on: the printer
// is wanted most when something is damaged.
//
// A Store belongs to one goroutine at a time.
package inspect
