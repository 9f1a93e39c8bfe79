package chaos

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// line is a row of the bank's history.
type line struct{ src, dst, amount int64 }

// State is everything the workload has written, as one node reads it.
type State struct {
	Rows    map[int64]string
	History map[int64]line
	Balance map[int64]int64
}

// Read reads the state through a node, in one transaction.
func Read(ctx context.Context, n *cluster.Node) (*State, error) {
	conn, err := n.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.Background()) }()                   // all answers were read
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}) // one snapshot for all
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // it only reads
	s := &State{Rows: map[int64]string{}, History: map[int64]line{}, Balance: map[int64]int64{}}
	rows, err := tx.Query(ctx, "SELECT id, v FROM chaos_rows ORDER BY id")
	if err != nil {
		return nil, err
	}
	last := int64(-1)
	for rows.Next() {
		var id int64
		var v string
		if err := rows.Scan(&id, &v); err != nil {
			return nil, err
		}
		if id <= last {
			return nil, fmt.Errorf("id %d came after %d: twice, or out of order", id, last)
		}
		last = id
		s.Rows[id] = v
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, "SELECT id, src, dst, amount FROM chaos_history"); err != nil {
		return nil, err
	}
	for rows.Next() {
		var id int64
		var l line
		if err := rows.Scan(&id, &l.src, &l.dst, &l.amount); err != nil {
			return nil, err
		}
		s.History[id] = l
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, "SELECT id, balance FROM chaos_bank"); err != nil {
		return nil, err
	}
	for rows.Next() {
		var id, balance int64
		if err := rows.Scan(&id, &balance); err != nil {
			return nil, err
		}
		s.Balance[id] = balance
	}
	return s, rows.Err()
}

// Check reads the state through every running node and compares it with the
// operations.
func Check(ctx context.Context, c *cluster.Cluster, ops []Op) error {
	var errs []error
	for _, n := range c.Running() {
		s, err := Read(ctx, n)
		if err != nil {
			errs = append(errs, fmt.Errorf("read through node %d: %w", n.ID, err))
			continue
		}
		if err := Verify(ops, s); err != nil {
			errs = append(errs, fmt.Errorf("as node %d reads it: %w", n.ID, err))
		}
	}
	return errors.Join(errs...)
}

// faultsShown bounds the length of a verdict.
const faultsShown = 20

// Verify compares a state with the operations that led to it.
func Verify(ops []Op, s *State) error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	known := map[int64]bool{}
	for _, o := range ops {
		known[o.ID] = true
		first, second := false, false
		switch o.Kind {
		case Transfer:
			var l line
			l, first = s.History[o.ID]
			second = first
			if want := (line{o.From, o.To, o.Amt}); first && l != want {
				fault("transfer %d: history says %v, it was %v", o.ID, l, want)
			}
		case Pair:
			known[o.ID+pairOffset] = true
			_, first = s.Rows[o.ID]
			_, second = s.Rows[o.ID+pairOffset]
		case Single:
			_, first = s.Rows[o.ID]
			second = first
		}
		when := fmt.Sprintf("(%s, invoked %s, ended %s, %v)", o.Outcome, o.Invoked.Format("15:04:05.000"), o.Done.Format("15:04:05.000"), o.Err)
		switch {
		case first != second:
			fault("torn: of pair %d the first row is there: %v, the second: %v %s", o.ID, first, second, when)
		case o.Outcome == OK && !first:
			fault("lost: operation %d %s", o.ID, when)
		case o.Outcome == Failed && first:
			fault("done although it failed: operation %d %s", o.ID, when)
		}
	}
	for id, v := range s.Rows {
		if !known[id] {
			fault("row %d was never written", id)
		}
		if v != value(id) {
			fault("row %d holds %q", id, v)
		}
	}
	faults = append(faults, verifyBank(s, known)...)
	if len(faults) == 0 {
		return nil
	}
	sort.Strings(faults)
	count := len(faults)
	if count > faultsShown {
		faults = append(faults[:faultsShown], "…")
	}
	return fmt.Errorf("%d faults:\n  %s", count, strings.Join(faults, "\n  "))
}

// verifyBank checks that the accounts hold what the history says.
func verifyBank(s *State, known map[int64]bool) (faults []string) {
	want := map[int64]int64{}
	for id := int64(1); id <= accounts; id++ {
		want[id] = initialBalance
	}
	for id, l := range s.History {
		if !known[id] {
			faults = append(faults, fmt.Sprintf("line %d of the history was never written", id))
		}
		want[l.src] -= l.amount
		want[l.dst] += l.amount
	}
	sum := int64(0)
	for id, b := range s.Balance {
		sum += b
		if b != want[id] {
			faults = append(faults, fmt.Sprintf("account %d holds %d, by the history %d", id, b, want[id]))
		}
	}
	if sum != accounts*initialBalance || len(s.Balance) != accounts {
		faults = append(faults, fmt.Sprintf("%d accounts hold %d together, it was %d in %d", len(s.Balance), sum, accounts*initialBalance, accounts))
	}
	return faults
}

// Summary counts operations by outcome and names the errors.
func Summary(ops []Op) string {
	counts, errs := map[Outcome]int{}, map[string]int{}
	for _, o := range ops {
		counts[o.Outcome]++
		if o.Err != nil {
			e := code(o.Err)
			if e == "" {
				e = "connection"
			}
			errs[o.Outcome.String()+" "+e]++
		}
	}
	var names []string
	for e, n := range errs {
		names = append(names, fmt.Sprintf("%s: %d", e, n))
	}
	sort.Strings(names)
	return fmt.Sprintf("%d operations: %d ok, %d failed, %d unknown (%s)", len(ops), counts[OK], counts[Failed], counts[Unknown], strings.Join(names, ", "))
}
