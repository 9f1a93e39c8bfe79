// Package clients runs real clients, unmodified, against three nodes: each makes a
// schema by its own means, reads and writes, uses transactions, meets errors and looks
// at the schema. `make clients` runs all of them.
//
// Go's are tests here. Those of other languages are scripts in scripts/, which run when
// the interpreter and the library are installed; what is missing is skipped by name.
// It is a module of its own so that the drivers are no dependencies of the database.
package clients
