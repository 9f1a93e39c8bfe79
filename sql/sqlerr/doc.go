// Package sqlerr holds the errors a SQL client can see: PostgreSQL's SQLSTATE
// codes and an Error with the fields of the wire protocol's ErrorResponse and
// NoticeResponse.
//
// Every error that reaches a client has a code from here. Errors of lower
// layers travel as they are, wrapped with what was tried, and become an Error at
// the top: As finds the Error inside a chain, or maps what it does not know to
// internal_error (XX000).
//
// An Error is built once and not changed after it was returned: the With…
// methods are for the constructor's expression. Values are therefore safe for
// concurrent use once published.
package sqlerr
