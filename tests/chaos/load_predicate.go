package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
)

// predicateLoad lets two clients each look for rows in two tables that satisfy a
// condition, and, if there are none, insert one into one of the tables. Only one
// of the two can be right: that both commit is write skew by a phantom (G2 of
// Adya's), legal under snapshot isolation.
type predicateLoad struct {
	mu struct {
		sync.Mutex
		made  int
		tally tally
	}
	ops journal[predicateOp]
}

// predicateOp is one half of a pair.
type predicateOp struct {
	attempt
	Pair     int    `json:"pair"`
	Second   bool   `json:"second,omitempty"`
	How      string `json:"how"`
	Inserted bool   `json:"inserted"` // it found nothing and tried to insert
	// Found is of the final reads: how many rows of the pair there are.
	Found map[int]int `json:"found,omitempty"`
}

// conditions by which the halves of a pair look: through a secondary index, and
// through a range of the primary key.
var conditions = []string{
	"pair = $1 AND value % 3 = 0",
	"id >= $1 * 1000 AND id < $1 * 1000 + 2",
}

// predicateID is the key of a half's row: pairs spread over a table that was split.
func predicateID(pair int, second bool) int {
	if second {
		return 1000*pair + 1
	}
	return 1000 * pair
}

func newPredicateLoad() load { return &predicateLoad{} }

func (l *predicateLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	for _, t := range []string{"chaos_g2_a", "chaos_g2_b"} {
		if err := executeAll(ctx, conn,
			"CREATE TABLE "+t+" (id int PRIMARY KEY, pair int NOT NULL, value int NOT NULL)",
			fmt.Sprintf("CREATE INDEX %s_pair ON %s (pair)", t, t)); err != nil {
			return err
		}
	}
	return nil
}

func (l *predicateLoad) tables() []string { return []string{"chaos_g2_a", "chaos_g2_b"} }
func (l *predicateLoad) keys() int        { return 2 }

func (l *predicateLoad) step(c *client) {
	l.mu.Lock()
	n := l.mu.made
	l.mu.made++
	l.mu.Unlock()
	l.half(c, n/2, n%2 == 1)
}

// touch writes a pair of its own by one half.
func (l *predicateLoad) touch(c *client, key int) attempt {
	l.mu.Lock()
	l.mu.made += l.mu.made%2 + 2
	pair := l.mu.made/2 - 1
	l.mu.Unlock()
	return l.half(c, pair, key == 1)
}

func (l *predicateLoad) half(c *client, pair int, second bool) attempt {
	op := predicateOp{Pair: pair, Second: second, How: conditions[pair%len(conditions)]}
	op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
		for _, t := range l.tables() {
			rows, err := conn.Query(ctx, "SELECT id FROM "+t+" WHERE "+op.How, pair)
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
			if err != nil || len(ids) > 0 {
				return err
			}
		}
		table, id := "chaos_g2_a", predicateID(pair, second)
		if second {
			table = "chaos_g2_b"
		}
		op.Inserted = true
		_, err := conn.Exec(ctx, "INSERT INTO "+table+" VALUES ($1, $2, 30)", id, pair)
		return err
	})
	l.record(op)
	return op.attempt
}

func (l *predicateLoad) record(op predicateOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
}

func (l *predicateLoad) final(c *client) error {
	op := predicateOp{Pair: -1}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT id FROM chaos_g2_a UNION ALL SELECT id FROM chaos_g2_b")
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

func (l *predicateLoad) verdict(lev level) verdict {
	faults, skews := predicateFaults(l.ops.all(), lev)
	return judged(l.mu.tally, fmt.Sprintf("%d pairs of which both halves committed", skews), faults)
}

// predicateFaults compares what is there at the end with what was answered, and
// counts the pairs of which both halves did their insert.
func predicateFaults(ops []predicateOp, lev level) (faults []string, skews int) {
	type half struct {
		pair   int
		second bool
	}
	done := map[half]predicateOp{}
	for _, op := range ops {
		if op.Pair >= 0 && op.Inserted {
			done[half{op.Pair, op.Second}] = op
		}
	}
	for h, op := range done {
		other, both := done[half{h.pair, true}]
		if !h.second && both && op.Outcome == OK && other.Outcome == OK {
			skews++
			if lev.promise.Forbids("G2-item") {
				faults = append(faults, fmt.Sprintf("both halves of pair %d (%s) committed: %v; %v", h.pair, op.How, op.attempt, other.attempt))
			}
		}
	}
	for _, read := range ops {
		if read.Pair >= 0 {
			continue
		}
		for h, op := range done {
			id := predicateID(h.pair, h.second)
			if n := read.Found[id]; misplaced(n, op.Outcome) {
				faults = append(faults, fmt.Sprintf("row %d is there %d times, its insert: %v", id, n, op.attempt))
			}
		}
	}
	return faults, skews
}

func (l *predicateLoad) save(w io.Writer) error { return l.ops.save(w) }
