package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ddlLoad changes the schema while others write: indexes come and go, columns are
// added, tables are made. An index agrees with its table at every moment, and a
// table that was made can be written to through every node at once.
type ddlLoad struct {
	mu struct {
		sync.Mutex
		made    int
		changes int // of the schema
		tally   tally
	}
	ops journal[ddlOp]
}

// ddlOp is a change of the schema, a write, or a comparison of index and table.
type ddlOp struct {
	attempt
	Text  string `json:"text"`
	ID    int    `json:"id,omitempty"` // of an insert
	Fault string `json:"fault,omitempty"`
	// Found are the ids of a final read.
	Found map[int]int `json:"found,omitempty"`
}

// ddlValues are the values of the indexed column.
const ddlValues = 5

func newDDLLoad() load { return &ddlLoad{} }

func (l *ddlLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_ddl (id int PRIMARY KEY, a int NOT NULL, one int NOT NULL DEFAULT 1)")
}

func (l *ddlLoad) tables() []string { return []string{"chaos_ddl"} }
func (l *ddlLoad) keys() int        { return 4 }

func (l *ddlLoad) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.made++
	return l.mu.made
}

func (l *ddlLoad) step(c *client) {
	if c.id == 0 {
		l.change(c)
		return
	}
	switch c.rng.IntN(6) {
	case 0, 1, 2:
		l.insert(c, l.next())
	case 3:
		n := 1 + c.rng.IntN(l.next())
		l.statement(c, fmt.Sprintf("UPDATE chaos_ddl SET a = (a + 1) %% %d WHERE id = %d", ddlValues, n%4*stride+n), 0)
	case 4:
		l.compare(c, c.rng.IntN(ddlValues))
	default: // two rows swap places in the index
		n, m := 1+c.rng.IntN(l.next()), 1+c.rng.IntN(l.next())
		op := ddlOp{Text: fmt.Sprintf("update rows %d and %d", n, m)}
		op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
			for _, x := range []int{n, m} {
				if _, err := conn.Exec(ctx, "UPDATE chaos_ddl SET a = $2 WHERE id = $1", x%4*stride+x, (n+m)%ddlValues); err != nil {
					return err
				}
			}
			return nil
		})
		l.record(op)
	}
}

func (l *ddlLoad) touch(c *client, _ int) attempt { return l.insert(c, l.next()) }

func (l *ddlLoad) insert(c *client, n int) attempt {
	return l.statement(c, fmt.Sprintf("INSERT INTO chaos_ddl (id, a) VALUES (%d, %d)", n%4*stride+n, n%ddlValues), n%4*stride+n)
}

func (l *ddlLoad) statement(c *client, text string, id int) attempt {
	op := ddlOp{Text: text, ID: id}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, text)
		return err
	})
	l.record(op)
	return op.attempt
}

// compare counts the rows of a value in one statement twice: as an index answers
// it if there is one, and from a column that only the table has.
func (l *ddlLoad) compare(c *client, value int) {
	op := ddlOp{Text: fmt.Sprintf("SELECT (SELECT count(*) FROM chaos_ddl WHERE a = %d), (SELECT count(*) FROM chaos_ddl WHERE a + one = %d)", value, value+1)}
	var index, table int
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, op.Text).Scan(&index, &table)
	})
	if op.Outcome == OK && index != table {
		op.Fault = fmt.Sprintf("%d rows with a = %d by the index, %d by the table", index, value, table)
	}
	l.record(op)
}

// ddlPause is between two changes of the schema, so that others get work done.
const ddlPause = 100 * time.Millisecond

// change changes the schema. Objects whose making was not acknowledged may be
// there or not, so every statement says what to do then.
func (l *ddlLoad) change(c *client) {
	l.mu.Lock()
	n := l.mu.changes
	l.mu.changes++
	l.mu.Unlock()
	idle(context.Background(), ddlPause)
	switch n % 4 {
	case 0:
		l.statement(c, "CREATE INDEX IF NOT EXISTS chaos_ddl_a ON chaos_ddl (a)", 0)
	case 1:
		l.statement(c, fmt.Sprintf("ALTER TABLE chaos_ddl ADD COLUMN IF NOT EXISTS c%d int", n/4%20), 0)
	case 2:
		table := fmt.Sprintf("chaos_made_%d", n)
		if l.statement(c, "CREATE TABLE "+table+" (id int PRIMARY KEY)", 0).Outcome == OK {
			l.insertEverywhere(c, table)
		}
	default:
		l.statement(c, "DROP INDEX IF EXISTS chaos_ddl_a", 0)
	}
}

// insertEverywhere inserts into a new table through each node: a node that does not
// answer is excused, one that does not know the table is not.
func (l *ddlLoad) insertEverywhere(c *client, table string) {
	for i, n := range c.r.servers() {
		other := newClient(c.r, c.id)
		other.fixed, other.at = true, i
		if other.connect() {
			l.statement(other, fmt.Sprintf("INSERT INTO %s VALUES (%d)", table, n.id), 0)
			other.leave()
		}
	}
}

func (l *ddlLoad) record(op ddlOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
}

func (l *ddlLoad) final(c *client) error {
	for v := range ddlValues {
		l.compare(c, v)
	}
	op := ddlOp{Text: "SELECT id FROM chaos_ddl"}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, op.Text)
		if err != nil {
			return err
		}
		op.Found = map[int]int{}
		var id int
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error { op.Found[id]++; return nil })
		return err
	})
	if op.Outcome != OK {
		return errors.New(op.Error)
	}
	l.record(op)
	return nil
}

func (l *ddlLoad) verdict(level) verdict {
	return judged(l.mu.tally, fmt.Sprintf("%d changes of the schema", l.mu.changes), ddlFaults(l.ops.all()))
}

func ddlFaults(ops []ddlOp) (faults []string) {
	var reads []ddlOp
	for _, op := range ops {
		if op.Found != nil {
			reads = append(reads, op)
		}
	}
	for _, op := range ops {
		if op.Fault != "" {
			faults = append(faults, fmt.Sprintf("%s: %v", op.Fault, op.attempt))
		}
		for _, read := range reads {
			if n := read.Found[op.ID]; op.ID != 0 && misplaced(n, op.Outcome) {
				faults = append(faults, fmt.Sprintf("row %d is there %d times, its insert: %v", op.ID, n, op.attempt))
			}
		}
	}
	return faults
}

func (l *ddlLoad) save(w io.Writer) error { return l.ops.save(w) }
