// Package sqldiff compares Quorate's answers with those of a real PostgreSQL 15.
package sqldiff
