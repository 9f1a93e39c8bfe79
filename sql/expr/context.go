package expr

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/jsonpath"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Row is one row of input, indexed by Column.Index.
type Row = []types.Datum

// EvalContext is what an evaluation may see besides the row. It belongs to one
// goroutine. The zero value evaluates everything that is immutable.
type EvalContext struct {
	// Ctx ends the evaluation of what takes long (pg_sleep, large results); nil
	// never does.
	Ctx context.Context
	// Params are the values of $1, $2, … converted to the types that the
	// statement's binding settled on.
	Params []types.Datum
	// Outer are the values a correlated subquery was called with; see
	// SubqueryExpr.Args and OuterParam.
	Outer []types.Datum

	// TxnTime is what now() returns, StmtTime statement_timestamp().
	TxnTime, StmtTime time.Time
	// Clock serves clock_timestamp(), timeofday() and pg_sleep().
	Clock env.Clock
	// Rand serves random().
	Rand env.Rand
	// Seeded serves it once setseed was called in the session; nil for no session.
	Seeded *SeededRandom
	// RandBytes fills b with random bytes fit for gen_random_uuid(). When nil,
	// Rand is used.
	RandBytes func(b []byte)

	// Format holds the settings that text forms depend on; nil is the default.
	Format *types.FormatContext
	// System answers what only the session and the catalogue know.
	System SystemInfo
	// Notice takes a message for the client; nil drops it.
	Notice func(*sqlerr.Notice)

	regexes map[regexKey]*regexMatcher
	paths   map[string]*jsonpath.Path
	zones   map[string]*time.Location

	// stack lends argument slots to calls of more than two arguments.
	stack []types.Datum
}

// SystemInfo is what functions ask of the session and of the catalogue. A method
// that is not built returns sqlerr.Unsupported.
type SystemInfo interface {
	CurrentUser() string
	SessionUser() string
	CurrentDatabase() string
	// SearchPath lists the schemas of the search path that exist, in order; with
	// implicit, also pg_catalog where it is searched without being named.
	SearchPath(implicit bool) []string
	// Version is the text of version().
	Version() string
	// Setting returns a run-time parameter by name, case-insensitive.
	Setting(name string) (string, bool)
	// SetSetting changes one, for the transaction only when local, and returns
	// the value as it then reads.
	SetSetting(name, value string, local bool) (string, error)
	BackendPID() int32
	// TransactionID returns the current transaction's number; when assign is
	// false and there is none yet, ok is false.
	TransactionID(assign bool) (id uint64, ok bool, err error)

	// Call evaluates a function that the expression package only declares
	// (IsSystem of Func), such as pg_table_is_visible, pg_get_expr,
	// obj_description, nextval, pg_advisory_lock. The arguments have the types
	// of the declaration; strict ones are not NULL. name has no schema. The
	// arguments must not be kept.
	Call(ctx *EvalContext, name string, args []types.Datum) (types.Datum, error)
}

func (c *EvalContext) format() *types.FormatContext {
	if c == nil {
		return nil
	}
	return c.Format
}

// Err returns the error of a canceled evaluation. Long loops ask it now and then.
func (c *EvalContext) Err() error {
	if c == nil || c.Ctx == nil {
		return nil
	}
	return c.Ctx.Err()
}

// push lends n slots; pop gives them back with every later one.
func (c *EvalContext) push(n int) (slots []types.Datum, mark int) {
	mark = len(c.stack)
	if mark+n > cap(c.stack) {
		// A fresh block: slots already lent stay valid in the old one.
		size := 2 * cap(c.stack)
		if size < mark+n {
			size = mark + n + 16
		}
		grown := make([]types.Datum, mark, size)
		copy(grown, c.stack)
		c.stack = grown
	}
	c.stack = c.stack[:mark+n]
	slots = c.stack[mark : mark+n : mark+n]
	clear(slots)
	return slots, mark
}

func (c *EvalContext) pop(mark int) { c.stack = c.stack[:mark] }
