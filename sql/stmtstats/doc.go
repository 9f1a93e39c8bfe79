// Package stmtstats counts what statements cost, by their normal form: what
// PostgreSQL keeps in pg_stat_statements. A node counts what its own sessions
// run, in memory only.
//
// # Concurrency
//
// A Recorder may be used by all sessions at once. Record takes a shared lock and
// the lock of one statement's counters; only a statement that was never seen
// takes the exclusive one.
package stmtstats
