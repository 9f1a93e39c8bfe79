package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
)

// uniqueLoad lets all clients fight for names, each with a row of its own: by
// INSERT, by INSERT with ON CONFLICT DO NOTHING, and by UPDATE of a row that they
// have. A unique index gives a name to one of them at most, at every level.
type uniqueLoad struct {
	mu struct {
		sync.Mutex
		made  int
		tally tally
	}
	ops journal[uniqueOp]
}

// uniqueOp is an attempt to get a name for a row, or a final read.
type uniqueOp struct {
	attempt
	Name int    `json:"name"`
	ID   int    `json:"id"`
	How  string `json:"how"`
	Rows int    `json:"rows"`
	// Found are the rows of a final read, their ids by name.
	Found map[int][]int `json:"found,omitempty"`
}

// nameless rows have a name that nobody fights for.
const nameless = 1 << 24

func newUniqueLoad() load { return &uniqueLoad{} }

func (l *uniqueLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_unique (id int PRIMARY KEY, name int NOT NULL UNIQUE)")
}

func (l *uniqueLoad) tables() []string { return []string{"chaos_unique"} }
func (l *uniqueLoad) keys() int        { return 4 }

func (l *uniqueLoad) step(c *client) {
	l.mu.Lock()
	n := l.mu.made
	l.mu.made++
	l.mu.Unlock()
	l.take(c, n/clients, n, c.rng.IntN(3))
}

// touch takes a name that nobody else wants.
func (l *uniqueLoad) touch(c *client, key int) attempt {
	l.mu.Lock()
	n := l.mu.made/clients*clients + clients
	l.mu.made = n + clients
	l.mu.Unlock()
	return l.take(c, n/clients, n+key, 0)
}

func (l *uniqueLoad) take(c *client, name, n, how int) attempt {
	op := uniqueOp{Name: name, ID: n%4*stride + n}
	insert := func(ctx context.Context, conn *pgx.Conn, name int, more string) error {
		tag, err := conn.Exec(ctx, "INSERT INTO chaos_unique VALUES ($1, $2)"+more, op.ID, name)
		op.Rows = int(tag.RowsAffected())
		return err
	}
	switch how {
	case 0:
		op.How = "insert"
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, name, "") })
	case 1:
		op.How = "insert or nothing"
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
			return insert(ctx, conn, name, " ON CONFLICT (name) DO NOTHING")
		})
	default:
		op.How = "insert and update"
		op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
			if err := insert(ctx, conn, nameless+n, ""); err != nil {
				return err
			}
			tag, err := conn.Exec(ctx, "UPDATE chaos_unique SET name = $2 WHERE id = $1", op.ID, name)
			op.Rows = int(tag.RowsAffected())
			return err
		})
	}
	l.record(op)
	if op.State == "23505" { // as it should be, if somebody else has the name
		op.Outcome = OK
	}
	return op.attempt
}

// record counts a name that somebody else has as a success: the database has done
// its work.
func (l *uniqueLoad) record(op uniqueOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := op.attempt
	if op.State == "23505" {
		counted.Outcome = OK
	}
	l.mu.tally.add(counted)
	l.ops.add(op)
}

// final reads the table, through both of its indexes.
func (l *uniqueLoad) final(c *client) error {
	for _, how := range []string{"SELECT id, name FROM chaos_unique", "SELECT id, name FROM chaos_unique WHERE name >= 0", "SELECT id, name FROM chaos_unique WHERE id >= 0"} {
		op := uniqueOp{How: how}
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, how)
			if err != nil {
				return err
			}
			op.Found = map[int][]int{}
			var id, name int
			_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { op.Found[name] = append(op.Found[name], id); return nil })
			return err
		})
		if op.Outcome != OK {
			return errors.New(op.Error)
		}
		l.record(op)
	}
	return nil
}

func (l *uniqueLoad) verdict(level) verdict {
	return judged(l.mu.tally, "", uniqueFaults(l.ops.all()))
}

func uniqueFaults(ops []uniqueOp) (faults []string) {
	type fate struct {
		won           []uniqueOp
		maybe, seized bool // there is an unknown outcome; somebody was told that it is taken
	}
	names := map[int]*fate{}
	tried := map[int]uniqueOp{}
	for _, op := range ops {
		if op.Found != nil {
			continue
		}
		f := names[op.Name]
		if f == nil {
			f = &fate{}
			names[op.Name] = f
		}
		tried[op.ID] = op
		switch {
		case op.Outcome == OK && op.Rows == 1:
			f.won = append(f.won, op)
		case op.Outcome == Unknown:
			f.maybe = true
		case op.Outcome == OK || op.State == "23505":
			f.seized = true
		}
	}
	for name, f := range names {
		if len(f.won) > 1 {
			faults = append(faults, fmt.Sprintf("name %d was given to row %d (%s): %v; and to row %d (%s): %v", name, f.won[0].ID, f.won[0].How, f.won[0].attempt, f.won[1].ID, f.won[1].How, f.won[1].attempt))
		}
		if f.seized && len(f.won) == 0 && !f.maybe {
			faults = append(faults, fmt.Sprintf("name %d was refused as taken, and nobody ever got it", name))
		}
	}
	for _, read := range ops {
		if read.Found == nil {
			continue
		}
		for name, ids := range read.Found {
			if len(ids) != 1 {
				faults = append(faults, fmt.Sprintf("name %d has rows %v by %s", name, ids, read.How))
			}
			for _, id := range ids {
				if op, ok := tried[id]; !ok || op.Name != name || op.Outcome == Failed || op.Outcome == OK && op.Rows == 0 {
					faults = append(faults, fmt.Sprintf("row %d with name %d is there by %s: %s of name %d: %v", id, name, read.How, op.How, op.Name, op.attempt))
				}
			}
		}
		for name, f := range names {
			for _, op := range f.won {
				if len(read.Found[name]) == 0 {
					faults = append(faults, fmt.Sprintf("name %d was given to row %d and is not there by %s: %v", name, op.ID, read.How, op.attempt))
				}
			}
		}
	}
	return faults
}

func (l *uniqueLoad) save(w io.Writer) error { return l.ops.save(w) }
