package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/elle"
)

// level of isolation, as a flag names it, SQL, and the checkers. The cluster takes
// its timestamps from one oracle, so that a snapshot holds all that was
// acknowledged before it: hence the strong forms.
type level struct {
	name, sql string
	promise   elle.Level
}

var levels = []level{
	{"read-committed", "READ COMMITTED", elle.ReadCommitted},
	{"repeatable-read", "REPEATABLE READ", elle.StrongSnapshotIsolation},
	{"serializable", "SERIALIZABLE", elle.StrictSerializable},
}

// snapshot reports whether a transaction reads from one snapshot and its writes
// conflict with what others have written since.
func (l level) snapshot() bool { return l.promise != elle.ReadCommitted }

// offered asks the server whether it has a level. If not, the error is its answer.
func (l level) offered(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL "+l.sql); err != nil {
		if _, rerr := conn.Exec(ctx, "ROLLBACK"); rerr != nil {
			return rerr
		}
		return fmt.Errorf("level %s is not offered: %w", l.name, err)
	}
	_, err := conn.Exec(ctx, "ROLLBACK")
	return err
}
