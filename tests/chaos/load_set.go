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

// setLoad inserts rows with unique keys, one or two at a time, and reads groups of
// them by the primary key, by an index, and by a column that no index has. A read holds all that was acknowledged
// before it began, and nothing that failed or that began after it.
type setLoad struct {
	mu struct {
		sync.Mutex
		made  int
		tally tally
	}
	ops journal[setOp]
}

// setOp is an insert of IDs, or a read of a group (-1: of all) that saw them.
type setOp struct {
	attempt
	Insert bool   `json:"insert,omitempty"`
	Group  int    `json:"group"`
	How    string `json:"how,omitempty"`
	IDs    []int  `json:"ids"`
}

const (
	// groupSize is how many rows a group gets.
	groupSize = 40
	// pairGap is from the number of a row to that of its twin: a group that is in
	// another region, and that is used for nothing else.
	pairGap = groupSize * 10_001
)

func newSetLoad() load { return &setLoad{} }

// row numbers rows: those of a group are together, groups that follow each other
// are in different regions of a table that was split.
func setRow(n int) (id, group int) {
	group = n / groupSize
	return group%4*stride + group*groupSize + n%groupSize, group
}

func (l *setLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn,
		"CREATE TABLE chaos_set (id int PRIMARY KEY, grp int NOT NULL, u text NOT NULL UNIQUE, one int NOT NULL DEFAULT 1)",
		"CREATE INDEX chaos_set_grp ON chaos_set (grp)")
}

func (l *setLoad) tables() []string { return []string{"chaos_set"} }
func (l *setLoad) keys() int        { return 4 }

func (l *setLoad) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.made++
	return l.mu.made
}

func (l *setLoad) step(c *client) {
	switch c.rng.IntN(5) {
	case 0, 1:
		l.insert(c, c.single, l.next())
	case 2: // in two groups, so that other regions have to be asked
		n := l.next()
		l.insert(c, c.transact, n, n+pairGap)
	default:
		l.mu.Lock()
		made := l.mu.made
		l.mu.Unlock()
		_, group := setRow(max(0, made-c.rng.IntN(2*groupSize)))
		how := [...]string{"SELECT id FROM chaos_set WHERE grp = $1", "SELECT id FROM chaos_set WHERE id >= $1 AND id < $1 + 40", "SELECT id FROM chaos_set WHERE grp + one = $1 + 1"}[c.rng.IntN(3)]
		l.read(c, how, group)
	}
}

func (l *setLoad) touch(c *client, _ int) attempt { return l.insert(c, c.single, l.next()) }

func (l *setLoad) insert(c *client, how func(func(context.Context, *pgx.Conn) error) attempt, rows ...int) attempt {
	op := setOp{Insert: true}
	for _, n := range rows {
		id, group := setRow(n)
		op.IDs, op.Group = append(op.IDs, id), group
	}
	op.attempt = how(func(ctx context.Context, conn *pgx.Conn) error {
		for i, n := range rows {
			_, group := setRow(n)
			if _, err := conn.Exec(ctx, "INSERT INTO chaos_set (id, grp, u) VALUES ($1, $2, $3)", op.IDs[i], group, fmt.Sprint("row ", op.IDs[i])); err != nil {
				return err
			}
		}
		return nil
	})
	l.record(op)
	return op.attempt
}

// read reads a group, or everything if that is -1.
func (l *setLoad) read(c *client, how string, group int) attempt {
	op := setOp{Group: group, How: how}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		op.IDs = nil
		var args []any
		if group >= 0 {
			args = []any{group}
		}
		if how == "SELECT id FROM chaos_set WHERE id >= $1 AND id < $1 + 40" {
			first, _ := setRow(group * groupSize)
			args = []any{first}
		}
		rows, err := conn.Query(ctx, how, args...)
		if err != nil {
			return err
		}
		op.IDs, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	l.record(op)
	return op.attempt
}

func (l *setLoad) record(op setOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
}

func (l *setLoad) final(c *client) error {
	for _, how := range []string{"SELECT id FROM chaos_set WHERE one = 1", "SELECT id FROM chaos_set WHERE grp >= 0", "SELECT id FROM chaos_set WHERE u > 'row'"} {
		if a := l.read(c, how, -1); a.Outcome != OK {
			return errors.New(a.Error)
		}
	}
	return nil
}

func (l *setLoad) verdict(level) verdict {
	return judged(l.mu.tally, "", setFaults(l.ops.all()))
}

// setFaults compares reads with inserts.
func setFaults(ops []setOp) (faults []string) {
	wrote := map[int]*setOp{}
	for i := range ops {
		if ops[i].Insert {
			for _, id := range ops[i].IDs {
				wrote[id] = &ops[i]
			}
		}
	}
	groups := map[int][]int{}
	for id := range wrote {
		group := id % stride / groupSize
		groups[group], groups[-1] = append(groups[group], id), append(groups[-1], id)
	}
	for _, r := range ops {
		if r.Insert || r.Outcome != OK {
			continue
		}
		fault := func(id int, what string) {
			faults = append(faults, fmt.Sprintf("row %d %s: %s of group %d: %v; inserted: %v", id, what, r.How, r.Group, r.attempt, wrote[id].attempt))
		}
		saw := map[int]int{}
		for _, id := range r.IDs {
			saw[id]++
			if wrote[id] == nil {
				faults = append(faults, fmt.Sprintf("row %d was never inserted: %s: %v", id, r.How, r.attempt))
			}
		}
		for _, id := range groups[r.Group] {
			w, n := wrote[id], saw[id]
			half := slices.ContainsFunc(w.IDs, func(other int) bool { return (saw[other] > 0) != (n > 0) })
			switch {
			case n > 1:
				fault(id, fmt.Sprintf("was read %d times", n))
			case n == 0 && w.Outcome == OK && w.Done < r.Invoked:
				fault(id, "was acknowledged and not read")
			case n > 0 && w.Outcome == Failed:
				fault(id, "was read although its insert failed")
			case n > 0 && w.Invoked > r.Done:
				fault(id, "was read before its insert began")
			case r.Group < 0 && half:
				fault(id, "was read without its twin, or not with it")
			}
		}
	}
	return faults
}

func (l *setLoad) save(w io.Writer) error { return l.ops.save(w) }
