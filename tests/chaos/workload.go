package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// Kind of an operation.
type Kind int

const (
	Single   Kind = iota // one INSERT by itself
	Pair                 // two rows far apart, in one transaction
	Transfer             // from one account to another, with a line in the history
)

const (
	accounts       = 20
	initialBalance = 1000
	// pairOffset keeps the second row of a pair away from the first one's region
	// once the table is split.
	pairOffset = int64(1) << 40
	// opTimeout bounds one operation as seen by a client.
	opTimeout = 20 * time.Second
)

// Op is an operation with its outcome. ID is unique; a pair also has ID +
// pairOffset; a transfer's line in the history has ID.
type Op struct {
	Kind          Kind
	ID            int64
	From, To, Amt int64
	Invoked, Done time.Time
	Outcome       Outcome
	Err           error
}

// Mix says which operations a workload has, by weight.
type Mix struct{ Single, Pair, Transfer int }

// AllKinds is the usual mix.
var AllKinds = Mix{Single: 4, Pair: 3, Transfer: 3}

// Workload is a set of writers at work.
type Workload struct {
	c    *cluster.Cluster
	mix  Mix
	stop context.CancelFunc
	wg   sync.WaitGroup
	gate sync.RWMutex // held for reading during an operation, for writing while paused

	mu struct {
		sync.Mutex
		ops     []Op
		nextID  int64
		changed chan struct{} // closed and replaced when an operation has ended
	}
}

// Setup makes the tables and the accounts.
func Setup(ctx context.Context, n *cluster.Node) error {
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // all answers were read
	for _, s := range []string{
		"CREATE TABLE chaos_rows (id bigint PRIMARY KEY, kind int NOT NULL, v text NOT NULL)",
		"CREATE TABLE chaos_bank (id int PRIMARY KEY, balance bigint NOT NULL)",
		"CREATE TABLE chaos_history (id bigint PRIMARY KEY, src int NOT NULL, dst int NOT NULL, amount bigint NOT NULL)",
		fmt.Sprintf("INSERT INTO chaos_bank SELECT g, %d FROM generate_series(1, %d) AS g", initialBalance, accounts),
	} {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// StartWorkload starts writers that go on until Stop. Seed makes their choices
// repeatable, though not their timing.
func StartWorkload(c *cluster.Cluster, writers int, mix Mix, seed uint64) *Workload {
	ctx, stop := context.WithCancel(context.Background())
	w := &Workload{c: c, mix: mix, stop: stop}
	w.mu.changed = make(chan struct{})
	for i := range writers {
		w.wg.Add(1)
		go func() { // ends with Stop
			defer w.wg.Done()
			w.write(ctx, i, rand.New(rand.NewPCG(seed, uint64(i))))
		}()
	}
	return w
}

// Stop ends the writers, each after the operation it is at, and returns all
// operations.
func (w *Workload) Stop() []Op {
	w.stop()
	w.wg.Wait()
	return w.Ops()
}

// Pause returns when no operation is under way; none begins before Resume.
func (w *Workload) Pause() { w.gate.Lock() }

// Resume ends a pause.
func (w *Workload) Resume() { w.gate.Unlock() }

// Ops are the operations that have ended so far.
func (w *Workload) Ops() []Op {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Op(nil), w.mu.ops...)
}

// Gap waits for the first success among operations that began after t, and
// returns how long after t it came.
func (w *Workload) Gap(ctx context.Context, t time.Time) (time.Duration, error) {
	seen := 0
	for {
		w.mu.Lock()
		ops, changed := w.mu.ops, w.mu.changed
		w.mu.Unlock()
		for _, o := range ops[seen:] {
			if o.Outcome == OK && o.Invoked.After(t) {
				return o.Done.Sub(t), nil
			}
		}
		seen = len(ops)
		select {
		case <-changed:
		case <-ctx.Done():
			last := "none ended at all"
			if len(ops) > 0 {
				last = fmt.Sprintf("the last one: %v", ops[len(ops)-1].Err)
			}
			return 0, fmt.Errorf("no write that began after the fault succeeded within %v; %s", time.Since(t).Round(time.Millisecond), last)
		}
	}
}

// AwaitOK waits until count more operations have succeeded.
func (w *Workload) AwaitOK(ctx context.Context, count int) error {
	w.mu.Lock()
	seen := len(w.mu.ops)
	w.mu.Unlock()
	for count > 0 {
		w.mu.Lock()
		ops, changed := w.mu.ops, w.mu.changed
		w.mu.Unlock()
		for _, o := range ops[seen:] {
			if o.Outcome == OK {
				count--
			}
		}
		seen = len(ops)
		if count <= 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d more successful writes: %w", count, ctx.Err())
		}
	}
	return nil
}

// write is one writer: it has one connection, and takes the next node's after an
// error that broke it.
func (w *Workload) write(ctx context.Context, writer int, rng *rand.Rand) {
	at := writer
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.Background()) // it was used up to its end
		}
	}()
	for ctx.Err() == nil {
		if conn == nil {
			running := w.c.Running()
			if len(running) > 0 {
				conn = tryConnect(running[at%len(running)])
			}
			if conn == nil {
				at++
				idle(ctx, 20*time.Millisecond)
				continue
			}
		}
		op := w.one(conn, rng)
		if op.Err != nil && (conn.IsClosed() || code(op.Err) == "" || code(op.Err)[:2] == "57" || code(op.Err)[:2] == "08") {
			_ = conn.Close(context.Background()) // it is of no use any more
			conn = nil
			at++
		}
	}
}

// one runs one operation and records it.
func (w *Workload) one(conn *pgx.Conn, rng *rand.Rand) Op {
	w.gate.RLock()
	defer w.gate.RUnlock()
	op := w.next(rng)
	op.Invoked = time.Now()
	var sent bool
	sent, op.Err = perform(conn, op)
	op.Done = time.Now()
	op.Outcome = outcomeOf(op.Err, sent)
	w.record(op)
	return op
}

func tryConnect(n *cluster.Node) *pgx.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := n.Connect(ctx)
	if err != nil {
		return nil // the next node, then
	}
	return conn
}

func idle(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (w *Workload) next(rng *rand.Rand) Op {
	w.mu.Lock()
	w.mu.nextID++
	op := Op{ID: w.mu.nextID}
	w.mu.Unlock()
	switch k := rng.IntN(w.mix.Single + w.mix.Pair + w.mix.Transfer); {
	case k < w.mix.Single:
		op.Kind = Single
	case k < w.mix.Single+w.mix.Pair:
		op.Kind = Pair
	default:
		op.Kind = Transfer
		op.From = 1 + rng.Int64N(accounts)
		op.To = 1 + (op.From+rng.Int64N(accounts-1))%accounts
		op.Amt = 1 + rng.Int64N(20)
	}
	return op
}

func (w *Workload) record(op Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.ops = append(w.mu.ops, op)
	close(w.mu.changed)
	w.mu.changed = make(chan struct{})
}

// value is the text of a row: it follows from the id, so that a row with another
// one's text is seen.
func value(id int64) string { return fmt.Sprintf("row %d of chaos", id) }

const insertRow = "INSERT INTO chaos_rows (id, kind, v) VALUES ($1, $2, $3)"

// perform runs an operation, and reports whether what decides it was sent.
func perform(conn *pgx.Conn, op Op) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	if op.Kind == Single {
		_, err = conn.Exec(ctx, insertRow, op.ID, int(Single), value(op.ID))
		return true, err
	}
	// A transfer writes what it computes from what it has read: READ COMMITTED would
	// be allowed to lose an update.
	if _, err = conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ"); err != nil {
		return false, err
	}
	if op.Kind == Pair {
		err = insertPair(ctx, conn, op)
	} else {
		err = transfer(ctx, conn, op)
	}
	if err != nil {
		if code(err) != "" {
			_, _ = conn.Exec(ctx, "ROLLBACK") // err says what went wrong; a dead connection shows at its next use
		}
		return false, err
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		return false, fmt.Errorf("COMMIT was answered by %s", tag) // rolled back: certainly not done
	}
	return true, err
}

func insertPair(ctx context.Context, conn *pgx.Conn, op Op) error {
	for _, id := range []int64{op.ID, op.ID + pairOffset} {
		if _, err := conn.Exec(ctx, insertRow, id, int(Pair), value(id)); err != nil {
			return err
		}
	}
	return nil
}

func transfer(ctx context.Context, conn *pgx.Conn, op Op) error {
	// One account is read and written back by the client: a lost update breaks the sum.
	var have int64
	if err := conn.QueryRow(ctx, "SELECT balance FROM chaos_bank WHERE id = $1", op.From).Scan(&have); err != nil {
		return err
	}
	for _, s := range []struct {
		text string
		args []any
	}{
		{"UPDATE chaos_bank SET balance = $2 WHERE id = $1", []any{op.From, have - op.Amt}},
		{"UPDATE chaos_bank SET balance = balance + $2 WHERE id = $1", []any{op.To, op.Amt}},
		{"INSERT INTO chaos_history VALUES ($1, $2, $3, $4)", []any{op.ID, op.From, op.To, op.Amt}},
	} {
		tag, err := conn.Exec(ctx, s.text, s.args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("%s %v: %d rows", s.text, s.args, tag.RowsAffected())
		}
	}
	return nil
}
