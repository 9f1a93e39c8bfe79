package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"
)

// registerLoad reads, writes and compares-and-sets single rows in statements by
// themselves, which must be linearizable at every level.
type registerLoad struct {
	mu struct {
		sync.Mutex
		hot   [registers]int // the keys in use
		used  [registers]int // on each of them
		made  int
		value int
		last  [registers]int // value drawn for each of them
		tally tally
	}
	ops journal[registerOp]
}

const (
	registers = 4
	// opsPerRegister is when a key is replaced: the search for an order takes
	// exponential time in the operations with an unknown outcome.
	opsPerRegister = 300
	// porcupineTimeout bounds that search, for all keys together.
	porcupineTimeout = time.Minute
)

// registerOp is an operation on a key. A register that was never written is 0.
type registerOp struct {
	attempt
	Key  int    `json:"key"`
	Kind string `json:"kind"`
	Old  int    `json:"old,omitempty"` // that a cas expects
	New  int    `json:"new,omitempty"` // that a write or cas sets
	Got  int    `json:"got,omitempty"` // that a read saw; of a cas: the rows it changed
}

func newRegisterLoad() load {
	l := &registerLoad{}
	for i := range registers {
		l.mu.hot[i] = l.newKeyLocked()
	}
	return l
}

func (l *registerLoad) newKeyLocked() int {
	l.mu.made++
	return l.mu.made%4*stride + l.mu.made
}

func (l *registerLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_registers (k int PRIMARY KEY, v int NOT NULL)")
}

func (l *registerLoad) tables() []string { return []string{"chaos_registers"} }
func (l *registerLoad) keys() int        { return registers }

// next draws an operation on a register in use. A cas expects what was drawn last,
// which has a chance to be there.
func (l *registerLoad) next(slot int, kind string) registerOp {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.used[slot]++; l.mu.used[slot] > opsPerRegister {
		l.mu.hot[slot], l.mu.used[slot], l.mu.last[slot] = l.newKeyLocked(), 1, 0
	}
	op := registerOp{Key: l.mu.hot[slot], Kind: kind, Old: l.mu.last[slot]}
	if kind != "read" {
		l.mu.value++
		l.mu.last[slot], op.New = l.mu.value, l.mu.value
	}
	return op
}

func (l *registerLoad) step(c *client) {
	kind := [...]string{"read", "write", "cas"}[c.rng.IntN(3)]
	l.perform(c, l.next(c.rng.IntN(registers), kind))
}

func (l *registerLoad) touch(c *client, key int) attempt { return l.perform(c, l.next(key, "write")) }

func (l *registerLoad) perform(c *client, op registerOp) attempt {
	op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
		switch op.Kind {
		case "read":
			err := conn.QueryRow(ctx, "SELECT v FROM chaos_registers WHERE k = $1", op.Key).Scan(&op.Got)
			if errors.Is(err, pgx.ErrNoRows) {
				op.Got, err = 0, nil
			}
			return err
		case "write":
			_, err := conn.Exec(ctx, "INSERT INTO chaos_registers VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v", op.Key, op.New)
			return err
		default:
			tag, err := conn.Exec(ctx, "UPDATE chaos_registers SET v = $3 WHERE k = $1 AND v = $2", op.Key, op.Old, op.New)
			op.Got = int(tag.RowsAffected())
			return err
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	l.ops.add(op)
	return op.attempt
}

// final reads the registers in use.
func (l *registerLoad) final(c *client) error {
	for slot := range registers {
		if a := l.perform(c, l.next(slot, "read")); a.Outcome != OK {
			return errors.New(a.Error)
		}
	}
	return nil
}

// registerModel says what the operations on one register do, to porcupine.
var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		now, op := state.(int), input.(registerOp)
		switch {
		case op.Kind == "read":
			return op.Got == now, now
		case op.Kind == "write":
			return true, op.New
		case op.Outcome == Unknown: // it changed the register if it could
			if op.Old == now && now != 0 {
				return true, op.New
			}
			return true, now
		case op.Got == 1:
			return op.Old == now && now != 0, op.New
		default:
			return op.Old != now || now == 0, now
		}
	},
	DescribeOperation: func(input, _ any) string {
		op := input.(registerOp)
		return fmt.Sprintf("%s old %d new %d got %d", op.Kind, op.Old, op.New, op.Got)
	},
}

// registerOperations are the operations of a key that may have had an effect. An
// unknown one ends never: it may happen at any time, or after everything.
func registerOperations(ops []registerOp) map[int][]porcupine.Operation {
	byKey := map[int][]porcupine.Operation{}
	for _, op := range ops {
		if op.Outcome == Failed || op.Outcome == Unknown && op.Kind == "read" {
			continue
		}
		done := op.Done
		if op.Outcome == Unknown {
			done = math.MaxInt64
		}
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Invoked, Return: done})
	}
	return byKey
}

func (l *registerLoad) verdict(level) verdict {
	var faults []string
	undecided := 0
	byKey := registerOperations(l.ops.all())
	deadline := time.Now().Add(porcupineTimeout)
	for k, ops := range byKey {
		switch porcupine.CheckOperationsTimeout(registerModel, ops, max(time.Millisecond, time.Until(deadline))) {
		case porcupine.Illegal:
			faults = append(faults, fmt.Sprintf("the %d operations on register %d are not linearizable", len(ops), k))
		case porcupine.Unknown:
			undecided++
		}
	}
	return judged(l.mu.tally, fmt.Sprintf("%d registers, %d of them not decided within %v", len(byKey), undecided, porcupineTimeout), faults)
}

func (l *registerLoad) save(w io.Writer) error { return l.ops.save(w) }
