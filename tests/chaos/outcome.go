package chaos

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what is known of an operation when it has ended.
type Outcome int

const (
	Unknown Outcome = iota // zero: nothing was learned
	OK
	Failed
)

func (o Outcome) String() string { return [...]string{"unknown", "ok", "failed"}[o] }

// outcomeOf judges an operation by the error of its last step. Before the COMMIT
// (or, without a transaction block, the statement) was sent nothing can have
// happened. An answer from the server whose class says that the transaction was
// rolled back means failed; everything else, and every lost connection, means that
// nobody knows.
func outcomeOf(err error, commitSent bool) Outcome {
	if err == nil {
		return OK
	}
	if !commitSent {
		return Failed
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) && len(pe.Code) == 5 {
		switch pe.Code[:2] {
		case "40":
			if pe.Code == "40003" { // statement completion unknown
				return Unknown
			}
			return Failed
		case "22", "23", "25", "42":
			return Failed
		}
		return Unknown
	}
	// pgconn.SafeToRetry is no help: it says "nothing was sent" (conn closed) also
	// of statements during which the connection broke, and which were carried out.
	return Unknown
}

// misplaced reports whether a row that is there so often contradicts the outcome of
// its insert.
func misplaced(times int, o Outcome) bool {
	return times > 1 || times == 0 && o == OK || times > 0 && o == Failed
}

// code is the SQLSTATE of an error, or empty.
func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}
