// Package postgres starts a private PostgreSQL 15 that tests and benchmarks compare
// Quorate with: a database directory of its own, locale C, a free port on
// loopback; alone, or with standbys that a commit waits for. It dies with the
// process that started it.
package postgres
