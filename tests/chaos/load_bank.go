package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
)

// bankLoad moves money between accounts while others add it up: the sum never
// changes. With split, each account is in a table of its own.
type bankLoad struct {
	split bool
	mu    struct {
		sync.Mutex
		tally tally
		reads int
		moved int
	}
	ops journal[bankOp]
}

// bankOp is a transfer, or a read of all accounts.
type bankOp struct {
	attempt
	From   int    `json:"from,omitempty"`
	To     int    `json:"to,omitempty"`
	Amount int    `json:"amount,omitempty"`
	How    string `json:"how,omitempty"` // the query of a read
	Sum    int    `json:"sum,omitempty"`
	Fault  string `json:"fault,omitempty"`
}

const (
	bankAccounts = 8
	bankEach     = 100
	bankSum      = bankAccounts * bankEach
)

func newBankLoad() load       { return &bankLoad{} }
func newBankTablesLoad() load { return &bankLoad{split: true} }

func (l *bankLoad) table(account int) string {
	if l.split {
		return fmt.Sprintf("chaos_bank_%d", account)
	}
	return "chaos_bank"
}

func (l *bankLoad) tables() []string {
	if !l.split {
		return []string{l.table(0)}
	}
	return []string{l.table(0), l.table(bankAccounts - 1)}
}

// accountID keeps accounts in different regions of a table that was split.
func accountID(account int) int { return account%4*stride + account }

func (l *bankLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	for a := range bankAccounts {
		if l.split || a == 0 {
			if err := executeAll(ctx, conn, fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0))", l.table(a))); err != nil {
				return err
			}
		}
		if err := executeAll(ctx, conn, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", l.table(a), accountID(a), bankEach)); err != nil {
			return err
		}
	}
	return nil
}

func (l *bankLoad) step(c *client) {
	if c.rng.IntN(3) == 0 {
		l.readAll(c, c.rng.IntN(3))
		return
	}
	from := c.rng.IntN(bankAccounts)
	l.transfer(c, from, (from+1+c.rng.IntN(bankAccounts-1))%bankAccounts, 1+c.rng.IntN(20))
}

func (l *bankLoad) keys() int { return bankAccounts }

func (l *bankLoad) touch(c *client, key int) attempt {
	return l.transfer(c, key, (key+1)%bankAccounts, 0)
}

func (l *bankLoad) transfer(c *client, from, to, amount int) attempt {
	op := bankOp{From: from, To: to, Amount: amount}
	poor := false
	op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
		if !c.r.level.snapshot() {
			return l.transferRelative(ctx, conn, op)
		}
		var have, there int
		for _, a := range []struct {
			account int
			to      *int
		}{{from, &have}, {to, &there}} {
			if err := conn.QueryRow(ctx, fmt.Sprintf("SELECT balance FROM %s WHERE id = $1", l.table(a.account)), accountID(a.account)).Scan(a.to); err != nil {
				return err
			}
		}
		if poor = have < amount; poor {
			return nil // it has only read
		}
		// Balances that the client has computed: a lost update breaks the sum.
		if err := l.change(ctx, conn, from, "$2", have-amount); err != nil {
			return err
		}
		return l.change(ctx, conn, to, "$2", there+amount)
	})
	l.record(op, !poor && amount > 0)
	return op.attempt
}

// transferRelative leaves the sums to the server: under read committed a client
// must not compute with what it has read.
func (l *bankLoad) transferRelative(ctx context.Context, conn *pgx.Conn, op bankOp) error {
	if err := l.change(ctx, conn, op.From, "balance - $2", op.Amount); err != nil {
		return err // 23514 if the account does not cover it
	}
	return l.change(ctx, conn, op.To, "balance + $2", op.Amount)
}

func (l *bankLoad) change(ctx context.Context, conn *pgx.Conn, account int, to string, amount int) error {
	tag, err := conn.Exec(ctx, fmt.Sprintf("UPDATE %s SET balance = %s WHERE id = $1", l.table(account), to), accountID(account), amount)
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("account %d: %s", account, tag)
	}
	return err
}

// queries of a read of all accounts, each in one statement.
func (l *bankLoad) query(which int) string {
	if !l.split {
		return [...]string{
			"SELECT balance FROM chaos_bank",
			"SELECT sum(balance) FROM chaos_bank WHERE balance >= 0",
			fmt.Sprintf("SELECT balance FROM chaos_bank WHERE id < %d UNION ALL SELECT balance FROM chaos_bank WHERE id >= %d", 2*stride, 2*stride),
		}[which]
	}
	q := ""
	for a := range bankAccounts {
		if a > 0 {
			q += " UNION ALL "
		}
		q += "SELECT balance FROM " + l.table(a)
	}
	if which == 1 {
		return "SELECT sum(balance) FROM (" + q + ") AS b"
	}
	return q
}

// readAll adds all accounts up, in one statement or, where a transaction has one
// snapshot, in one for each account.
func (l *bankLoad) readAll(c *client, which int) bankOp {
	op := bankOp{How: l.query(which)}
	if which == 2 && c.r.level.snapshot() {
		op.How = "one after the other"
		op.attempt = c.transact(func(ctx context.Context, conn *pgx.Conn) error {
			op.Sum = 0
			for a := range bankAccounts {
				var b int
				if err := conn.QueryRow(ctx, fmt.Sprintf("SELECT balance FROM %s WHERE id = $1", l.table(a)), accountID(a)).Scan(&b); err != nil {
					return err
				}
				op.Sum += b
			}
			return nil
		})
	} else {
		op.attempt = c.single(func(ctx context.Context, conn *pgx.Conn) error {
			op.Sum = 0
			rows, err := conn.Query(ctx, op.How)
			if err != nil {
				return err
			}
			var b int
			_, err = pgx.ForEachRow(rows, []any{&b}, func() error { op.Sum += b; return nil })
			return err
		})
	}
	if op.Outcome == OK && op.Sum != bankSum {
		op.Fault = fmt.Sprintf("the accounts held %d together, it was %d", op.Sum, bankSum)
	}
	l.record(op, false)
	return op
}

func (l *bankLoad) record(op bankOp, moved bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.tally.add(op.attempt)
	if op.Outcome == OK && op.How != "" {
		l.mu.reads++
	}
	if op.Outcome == OK && moved {
		l.mu.moved++
	}
	l.ops.add(op)
}

func (l *bankLoad) final(c *client) error {
	for which := range 3 {
		if op := l.readAll(c, which); op.Outcome != OK {
			return errors.New(op.Error)
		}
	}
	return nil
}

func (l *bankLoad) verdict(level) verdict {
	var faults []string
	for _, op := range l.ops.all() {
		if op.Fault != "" {
			faults = append(faults, fmt.Sprintf("%s (%s): %v", op.Fault, op.How, op.attempt))
		}
	}
	return judged(l.mu.tally, fmt.Sprintf("%d transfers, %d sums read", l.mu.moved, l.mu.reads), faults)
}

func (l *bankLoad) save(w io.Writer) error { return l.ops.save(w) }
