package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/jackc/pgx/v5"
)

// monotonicLoad checks timestamps. A transaction's id is its start timestamp
// (txid_current), so it must be larger than the ids of all transactions that were
// acknowledged before it began, on whatever node, and no two have the same. Half
// of the transactions write what follows the largest value they read, together
// with their id: values must rise as the ids do.
type monotonicLoad struct {
	mu struct {
		sync.Mutex
		tally tally
	}
	ops journal[monotonicOp]
}

// monotonicOp is a transaction; Value is 0 if it only asked for its id.
type monotonicOp struct {
	attempt
	XID   int64 `json:"xid"`
	Value int   `json:"value,omitempty"`
	// Rows are all there is at the end, by value. Only of final reads.
	Rows []monotonicRow `json:"rows,omitempty"`
}

type monotonicRow struct {
	Value int
	XID   int64
}

func newMonotonicLoad() load { return &monotonicLoad{} }

func (l *monotonicLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_mono (v int PRIMARY KEY, xid bigint NOT NULL)", "INSERT INTO chaos_mono VALUES (0, 0)")
}

func (l *monotonicLoad) tables() []string { return []string{"chaos_mono"} }
func (l *monotonicLoad) keys() int        { return 1 }

func (l *monotonicLoad) step(c *client) {
	if c.rng.IntN(4) > 0 {
		op := monotonicOp{}
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT txid_current()").Scan(&op.XID)
		})
		l.record(op)
		return
	}
	l.touch(c, 0)
}

func (l *monotonicLoad) touch(c *client, _ int) attempt {
	op := monotonicOp{}
	op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "SELECT v + 1, txid_current() FROM chaos_mono ORDER BY v DESC LIMIT 1").Scan(&op.Value, &op.XID); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "INSERT INTO chaos_mono VALUES ($1, $2)", op.Value, op.XID)
		return err
	})
	l.record(op)
	return op.attempt
}

func (l *monotonicLoad) record(op monotonicOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
}

func (l *monotonicLoad) final(c *client) error {
	op := monotonicOp{}
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT v, xid FROM chaos_mono WHERE v > 0 ORDER BY v")
		if err != nil {
			return err
		}
		op.Rows, err = pgx.CollectRows(rows, pgx.RowToStructByPos[monotonicRow])
		return err
	})
	if op.Outcome != OK {
		return errors.New(op.Error)
	}
	l.record(op)
	return nil
}

func (l *monotonicLoad) verdict(level) verdict {
	return judged(l.mu.tally, "", monotonicFaults(l.ops.all()))
}

func monotonicFaults(ops []monotonicOp) (faults []string) {
	fault := func(what string, a, b monotonicOp) {
		faults = append(faults, fmt.Sprintf("%s: value %d xid %d: %v; value %d xid %d: %v", what, a.Value, a.XID, a.attempt, b.Value, b.XID, b.attempt))
	}
	var done []monotonicOp // that have an id and ended, by their end
	byXID, byValue := map[int64]monotonicOp{}, map[int]monotonicOp{}
	for _, op := range ops {
		if op.XID == 0 || op.Outcome != OK {
			continue
		}
		done = append(done, op)
		if other, ok := byXID[op.XID]; ok {
			fault("two transactions with one id", other, op)
		}
		byXID[op.XID] = op
		if other, ok := byValue[op.Value]; ok && op.Value > 0 {
			fault("two transactions wrote one value", other, op)
		}
		byValue[op.Value] = op
	}
	began := slices.Clone(done)
	sort.Slice(done, func(i, j int) bool { return done[i].Done < done[j].Done })
	sort.Slice(began, func(i, j int) bool { return began[i].Invoked < began[j].Invoked })
	var largest, last monotonicOp // by id and by value, of those that had ended
	at := 0
	for _, op := range began {
		for ; at < len(done) && done[at].Done < op.Invoked; at++ {
			if done[at].XID > largest.XID {
				largest = done[at]
			}
			if done[at].Value > last.Value {
				last = done[at]
			}
		}
		if op.XID <= largest.XID {
			fault("an id is not above those that were acknowledged", largest, op)
		}
		if op.Value > 0 && op.Value <= last.Value {
			fault("a value is not above those that were acknowledged", last, op)
		}
	}
	for _, op := range ops {
		faults = append(faults, monotonicRowFaults(op.Rows, byValue)...)
	}
	return faults
}

// monotonicRowFaults judges the rows at the end, if they were read.
func monotonicRowFaults(rows []monotonicRow, wrote map[int]monotonicOp) (faults []string) {
	if rows == nil {
		return nil
	}
	there := map[int]bool{}
	for i, r := range rows {
		there[r.Value] = true
		if r.Value != i+1 {
			faults = append(faults, fmt.Sprintf("row %d holds value %d", i+1, r.Value))
		}
		if i > 0 && r.XID <= rows[i-1].XID {
			faults = append(faults, fmt.Sprintf("value %d was written by %d, the value after it by %d", rows[i-1].Value, rows[i-1].XID, r.XID))
		}
	}
	for v, op := range wrote {
		if v > 0 && !there[v] {
			faults = append(faults, fmt.Sprintf("value %d was acknowledged and is not there: %v", v, op.attempt))
		}
	}
	return faults
}

func (l *monotonicLoad) save(w io.Writer) error { return l.ops.save(w) }
