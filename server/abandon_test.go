package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// lockHolder is a session in a transaction block that has locked a row of its own.
type lockHolder struct {
	t *testing.T
	c *pgconn.PgConn
}

func newLockHolder(t *testing.T, ctx context.Context, n *Node, setup string, row int) lockHolder {
	t.Helper()
	h := newRawConn(t, ctx, n)
	if setup != "" {
		h.exec(ctx, setup)
	}
	h.exec(ctx, "begin")
	h.exec(ctx, fmt.Sprintf("update t set v = v + 1 where id = %d", row))
	h.exec(ctx, fmt.Sprintf("select pg_advisory_xact_lock(%d)", row))
	return h
}

// newRawConn is a session that does nothing yet.
func newRawConn(t *testing.T, ctx context.Context, n *Node) lockHolder {
	t.Helper()
	c, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/postgres", n.SQLAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return lockHolder{t, c}
}

func (h lockHolder) exec(ctx context.Context, q string) {
	h.t.Helper()
	if err := h.try(ctx, q); err != nil {
		h.t.Fatalf("%s: %v", q, err)
	}
}

func (h lockHolder) try(ctx context.Context, q string) error {
	_, err := h.c.Exec(ctx, q).ReadAll()
	return err
}

func sqlState(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return fmt.Sprintf("no SQLSTATE: %v", err)
}

// Whatever ends a statement or a session from outside, what its transaction has locked
// is free at once: well before the four seconds after which the locks of the dead are
// free anyway. Row 1 is held by a bystander all the time; the victim holds row 2 and
// waits for row 1, or sleeps, or does nothing.
func TestNothingLeavesLocksBehind(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	nodes := startNodes(t, ctx, 3)
	setup := newLockHolder(t, ctx, nodes[0], "create table t (id int primary key, v int); insert into t values (1, 0), (2, 0)", 1)
	setup.exec(ctx, "rollback")
	bystander := newLockHolder(t, ctx, nodes[0], "", 1)
	const wait = "update t set v = v + 1 where id = 1"
	watch := newLockHolder(t, ctx, nodes[1], "", 4)
	reset := func(c net.Conn) { // as the kernel does for a process that is gone with data unread
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	shut := func(c net.Conn) { _ = c.Close() }
	for _, c := range []struct {
		name, setup, statement string
		state                  string // SQLSTATE, "" if the session learns nothing
		from                   func(h lockHolder)
		gone                   func(net.Conn) // how the client goes away, without a word
		most                   time.Duration  // 0: one second
	}{
		{name: "cancel", statement: wait, state: "57014", from: func(h lockHolder) { _ = h.c.CancelRequest(ctx) }},
		{name: "cancel of a sleep", statement: "select pg_sleep(100)", state: "57014", from: func(h lockHolder) { _ = h.c.CancelRequest(ctx) }},
		{name: "statement_timeout", setup: "set statement_timeout = 200", statement: wait, state: "57014"},
		{name: "lock_timeout", setup: "set lock_timeout = 200", statement: wait, state: "55P03"},
		{name: "nowait", statement: "select * from t where id = 1 for update nowait", state: "55P03"},
		{name: "transaction_timeout", setup: "set transaction_timeout = 500", statement: wait, state: "25P04"},
		{name: "transaction_timeout of an idle one", setup: "set transaction_timeout = 500"},
		{name: "idle_in_transaction_session_timeout", setup: "set idle_in_transaction_session_timeout = 200"},
		{name: "killed while idle", gone: reset},
		{name: "closed while idle", gone: shut},
		{name: "killed while it waits", statement: wait, gone: reset, most: 5 * time.Second},
		{name: "closed while it waits", statement: wait, gone: shut, most: 5 * time.Second},
		{name: "closed while it sleeps", statement: "select pg_sleep(100)", gone: shut, most: 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			victim := newLockHolder(t, ctx, nodes[1], c.setup, 2)
			next := newLockHolder(t, ctx, nodes[2], "", 3)
			ended := make(chan error, 1)
			switch {
			case c.gone != nil:
				// By hand: the library would ask the server to cancel the statement.
				h, err := victim.c.Hijack()
				if err != nil {
					t.Fatal(err)
				}
				if c.statement != "" {
					h.Frontend.Send(&pgproto3.Query{String: c.statement})
					if err := h.Frontend.Flush(); err != nil {
						t.Fatal(err)
					}
					until(t, ctx, func() bool { return isActive(ctx, watch, h.PID) })
				}
				c.gone(h.Conn)
			case c.statement != "":
				go func() { ended <- victim.try(ctx, c.statement) }()
				if c.from != nil {
					until(t, ctx, func() bool { return isActive(ctx, watch, victim.c.PID()) })
					c.from(victim)
				}
				if err := <-ended; c.state != "" && sqlState(err) != c.state {
					t.Errorf("the statement ended with %v, want %s", err, c.state)
				}
			default: // a timeout ends the session
				_, err := victim.c.ReceiveMessage(ctx)
				if err == nil {
					_, err = victim.c.ReceiveMessage(ctx)
				}
				t.Logf("the session ends: %v", err)
			}
			most := c.most
			if most == 0 {
				most = time.Second
			}
			began := time.Now()
			enough, cancel := context.WithTimeout(ctx, most+time.Second)
			defer cancel()
			next.exec(enough, "update t set v = v + 1 where id = 2")
			next.exec(enough, "select pg_advisory_xact_lock(2)")
			if took := time.Since(began); took > most {
				t.Errorf("its locks were free after %v, want %v", took, most)
			} else {
				t.Logf("its locks were free after %v", took)
			}
			next.exec(ctx, "rollback")
		})
	}
	bystander.exec(ctx, "commit")
	watch.exec(ctx, "commit")
	if got := lockCount(t, ctx, bystander); got != "0" {
		t.Errorf("%s locks are left", got)
	}
}

func isActive(ctx context.Context, h lockHolder, pid uint32) bool {
	res, err := h.c.Exec(ctx, fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d and state = 'active'", pid)).ReadAll()
	return err == nil && string(res[0].Rows[0][0]) == "1"
}

func lockCount(t *testing.T, ctx context.Context, h lockHolder) string {
	t.Helper()
	res, err := h.c.Exec(ctx, "select count(*) from quorate.locks").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return string(res[0].Rows[0][0])
}

// startNodes starts nodes of one cluster in this process.
func startNodes(t *testing.T, ctx context.Context, count int) []*Node {
	t.Helper()
	nodes := []*Node{startNode(t, Config{})}
	for len(nodes) < count {
		nodes = append(nodes, startNode(t, Config{Join: []string{nodes[0].RPCAddr()}}))
	}
	until(t, ctx, func() bool {
		c, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/postgres", nodes[0].SQLAddr()))
		if err != nil {
			return false
		}
		defer func() { _ = c.Close(ctx) }()
		res, err := c.Exec(ctx, "select count(*) from quorate.nodes").ReadAll()
		return err == nil && string(res[0].Rows[0][0]) == fmt.Sprint(count)
	})
	return nodes
}
