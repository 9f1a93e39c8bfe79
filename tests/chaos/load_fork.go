package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// forkLoad writes the rows of a group one by one while others read the group. All
// reads must agree on an order of the writes: if one saw the first and not the
// second, and another the second and not the first, the past has forked.
type forkLoad struct {
	mu struct {
		sync.Mutex
		made  int
		tally tally
	}
	ops journal[forkOp]
}

// forkOp is the write of a row of a group, or a read of the group.
type forkOp struct {
	attempt
	Group int    `json:"group"`
	Write int    `json:"write"` // number of the row; -1: a read
	How   string `json:"how,omitempty"`
	Saw   []bool `json:"saw,omitempty"`
}

const (
	forkRows  = 4
	forkReads = 6 // of each group
)

func newForkLoad() load { return &forkLoad{} }

func forkKey(group, row int) int { return row%4*stride + group }

func (l *forkLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_fork (k int PRIMARY KEY, grp int NOT NULL)")
}

func (l *forkLoad) tables() []string { return []string{"chaos_fork"} }
func (l *forkLoad) keys() int        { return forkRows }

func (l *forkLoad) step(c *client) {
	l.mu.Lock()
	n := l.mu.made
	l.mu.made++
	l.mu.Unlock()
	group, role := n/(forkRows+forkReads), n%(forkRows+forkReads)
	// Writes and reads in turns, so that there is something to see in between.
	if role%2 == 0 && role/2 < forkRows {
		l.write(c, group, role/2)
		return
	}
	l.read(c, group, c.rng.IntN(2) == 0)
}

func (l *forkLoad) touch(c *client, key int) attempt {
	l.mu.Lock()
	l.mu.made += forkRows + forkReads
	group := l.mu.made / (forkRows + forkReads)
	l.mu.made += forkRows + forkReads // nobody else works on that one
	l.mu.Unlock()
	return l.write(c, group, key)
}

func (l *forkLoad) write(c *client, group, row int) attempt {
	op := forkOp{Group: group, Write: row}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "INSERT INTO chaos_fork VALUES ($1, $2)", forkKey(group, row), group)
		return err
	})
	l.record(op)
	return op.attempt
}

// read reads a group in one statement, or where a transaction has one snapshot in
// a statement for each row.
func (l *forkLoad) read(c *client, group int, single bool) attempt {
	op := forkOp{Group: group, Write: -1, Saw: make([]bool, forkRows)}
	if single || !c.r.level.snapshot() {
		op.How = "one statement"
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, "SELECT k FROM chaos_fork WHERE k IN ($1, $2, $3, $4)", forkKey(group, 0), forkKey(group, 1), forkKey(group, 2), forkKey(group, 3))
			if err != nil {
				return err
			}
			clear(op.Saw)
			var k int
			_, err = pgx.ForEachRow(rows, []any{&k}, func() error { op.Saw[k/stride] = true; return nil })
			return err
		})
	} else {
		op.How = "one transaction"
		order := c.rng.Perm(forkRows)
		op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
			for _, row := range order {
				var k int
				err := conn.QueryRow(ctx, "SELECT k FROM chaos_fork WHERE k = $1", forkKey(group, row)).Scan(&k)
				if err != nil && !errors.Is(err, pgx.ErrNoRows) {
					return err
				}
				op.Saw[row] = err == nil
			}
			return nil
		})
	}
	l.record(op)
	return op.attempt
}

func (l *forkLoad) record(op forkOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
}

// final reads the groups that were worked on last.
func (l *forkLoad) final(c *client) error {
	l.mu.Lock()
	last := l.mu.made / (forkRows + forkReads)
	l.mu.Unlock()
	for g := max(0, last-20); g <= last; g++ {
		if a := l.read(c, g, true); a.Outcome != OK {
			return errors.New(a.Error)
		}
	}
	return nil
}

func (l *forkLoad) verdict(level) verdict {
	faults, partial := forkFaults(l.ops.all())
	return judged(l.mu.tally, fmt.Sprintf("%d reads saw a part of their group", partial), faults)
}

// forkFaults compares the reads of each group with each other and with the writes.
func forkFaults(ops []forkOp) (faults []string, partial int) {
	groups := map[int][]forkOp{}
	for _, op := range ops {
		groups[op.Group] = append(groups[op.Group], op)
	}
	for g, ops := range groups {
		var reads []forkOp
		for _, r := range ops {
			if r.Write >= 0 || r.Outcome != OK {
				continue
			}
			if slices.Contains(r.Saw, true) && slices.Contains(r.Saw, false) {
				partial++
			}
			for _, other := range reads {
				if !sawAll(r.Saw, other.Saw) && !sawAll(other.Saw, r.Saw) {
					faults = append(faults, fmt.Sprintf("group %d: %s saw %v, %s saw %v: %v; %v", g, r.How, r.Saw, other.How, other.Saw, r.attempt, other.attempt))
				}
			}
			reads = append(reads, r)
			for _, w := range ops {
				switch {
				case w.Write < 0:
				case r.Saw[w.Write] && w.Outcome == Failed:
					faults = append(faults, fmt.Sprintf("group %d: row %d was read although its insert failed: %v; %v", g, w.Write, r.attempt, w.attempt))
				case !r.Saw[w.Write] && w.Outcome == OK && w.Done < r.Invoked:
					faults = append(faults, fmt.Sprintf("group %d: row %d was acknowledged and not read: %v; %v", g, w.Write, r.attempt, w.attempt))
				}
			}
		}
	}
	return faults, partial
}

// sawAll reports whether b saw all that a saw.
func sawAll(a, b []bool) bool {
	for i := range a {
		if a[i] && !b[i] {
			return false
		}
	}
	return true
}

func (l *forkLoad) save(w io.Writer) error { return l.ops.save(w) }
