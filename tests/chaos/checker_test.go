package chaos

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The checker sees each kind of damage, and none where there is none.
func TestVerify(t *testing.T) {
	ops := []Op{
		{Kind: Single, ID: 1, Outcome: OK}, {Kind: Single, ID: 2, Outcome: Failed}, {Kind: Single, ID: 3, Outcome: Unknown},
		{Kind: Pair, ID: 4, Outcome: OK}, {Kind: Pair, ID: 5, Outcome: Unknown},
		{Kind: Transfer, ID: 6, From: 1, To: 2, Amt: 7, Outcome: OK}, {Kind: Transfer, ID: 7, From: 2, To: 3, Amt: 9, Outcome: Unknown},
	}
	good := func() *State {
		s := &State{Rows: map[int64]string{}, History: map[int64]line{6: {1, 2, 7}}, Balance: map[int64]int64{}}
		for _, id := range []int64{1, 4, 4 + pairOffset} {
			s.Rows[id] = value(id)
		}
		for id := int64(1); id <= accounts; id++ {
			s.Balance[id] = initialBalance
		}
		s.Balance[1] -= 7
		s.Balance[2] += 7
		return s
	}
	for _, c := range []struct {
		name, want string
		change     func(*State)
	}{
		{"nothing wrong", "", func(*State) {}},
		{"unknown ones done", "", func(s *State) {
			for _, id := range []int64{3, 5, 5 + pairOffset} {
				s.Rows[id] = value(id)
			}
			s.History[7] = line{2, 3, 9}
			s.Balance[2] -= 9
			s.Balance[3] += 9
		}},
		{"acknowledged row gone", "lost: operation 1", func(s *State) { delete(s.Rows, 1) }},
		{"acknowledged transfer gone", "lost: operation 6", func(s *State) { delete(s.History, 6) }},
		{"failed row there", "done although it failed: operation 2", func(s *State) { s.Rows[2] = value(2) }},
		{"half an acknowledged pair", "torn: of pair 4", func(s *State) { delete(s.Rows, 4) }},
		{"half an unknown pair", "torn: of pair 5", func(s *State) { s.Rows[5+pairOffset] = value(5 + pairOffset) }},
		{"row from nowhere", "row 99 was never written", func(s *State) { s.Rows[99] = value(99) }},
		{"wrong text", "row 1 holds", func(s *State) { s.Rows[1] = value(4) }},
		{"lost update", "account 2 holds", func(s *State) { s.Balance[2] -= 7 }},
		{"other amount", "history says", func(s *State) { s.History[6] = line{1, 2, 8} }},
		{"account gone", "accounts hold", func(s *State) { delete(s.Balance, 9) }},
	} {
		s := good()
		c.change(s)
		err := Verify(ops, s)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Only an answer that says "rolled back" makes an operation failed once what
// decides it was sent.
func TestOutcome(t *testing.T) {
	answer := func(code string) error { return fmt.Errorf("exec: %w", &pgconn.PgError{Code: code}) }
	lost := errors.New("unexpected EOF")
	for _, c := range []struct {
		err  error
		sent bool
		want Outcome
	}{
		{nil, true, OK}, {lost, false, Failed}, {lost, true, Unknown},
		{answer("40001"), true, Failed}, {answer("40003"), true, Unknown}, {answer("23505"), true, Failed},
		{answer("57P01"), true, Unknown}, {answer("XX000"), true, Unknown}, {answer("08006"), true, Unknown},
		{fmt.Errorf("exec: %w", closedError{}), true, Unknown},
		{answer("40003"), false, Failed}, {answer("25P02"), true, Failed}, {answer("53200"), true, Unknown},
	} {
		if got := outcomeOf(c.err, c.sent); got != c.want {
			t.Errorf("%v, sent %v: %v, want %v", c.err, c.sent, got, c.want)
		}
	}
}

// closedError is what pgx gives for a connection that broke under a statement.
type closedError struct{}

func (closedError) Error() string     { return "conn closed" }
func (closedError) SafeToRetry() bool { return true }
