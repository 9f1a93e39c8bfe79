package logictest

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Sessions of all nodes are seen from each, a statement or a session is ended from
// another node, and notifications cross.
func TestSessionsAcrossNodes(t *testing.T) {
	dsns := startCluster(t, shape{name: "three-nodes", nodes: 3})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connect := func(node int) *pgx.Conn {
		t.Helper()
		c, err := pgx.Connect(ctx, dsns[node])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	a, b := connect(0), connect(2)
	pid := strconv.Itoa(int(b.PgConn().PID()))
	// running runs a statement that does not end by itself, and waits until a sees it.
	running := func(c *pgx.Conn) <-chan error {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(ctx, "select pg_sleep(600)")
			done <- err
		}()
		for active := false; !active; {
			if err := a.QueryRow(ctx, "select count(*) = 1 from pg_stat_activity where pid = "+pid+" and state = 'active' and query like '%pg_sleep%'").Scan(&active); err != nil {
				t.Fatal(err)
			}
		}
		return done
	}
	code := func(err error) string {
		var e *pgconn.PgError
		if errors.As(err, &e) {
			return e.Code
		}
		return ""
	}
	yes := func(sql string) {
		t.Helper()
		var ok bool
		if err := a.QueryRow(ctx, sql).Scan(&ok); err != nil || !ok {
			t.Errorf("%s: %v, %v", sql, ok, err)
		}
	}
	yes("select count(distinct node_id) = 2 from quorate.sessions")

	done := running(b)
	yes("select pg_cancel_backend(" + pid + ")")
	if err := <-done; code(err) != "57014" {
		t.Errorf("the statement ended with %v", err)
	}
	// A client's own cancel request may reach any node.
	done = running(b)
	cancelAt(t, a.Config().Host, a.Config().Port, b.PgConn().PID(), b.PgConn().SecretKey())
	if err := <-done; code(err) != "57014" {
		t.Errorf("the statement ended with %v", err)
	}
	// A role that is no superuser may not end a superuser's session.
	for _, sql := range []string{"create role walter login", "set role walter"} {
		if _, err := a.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Exec(ctx, "select pg_terminate_backend("+pid+")"); code(err) != "42501" {
		t.Errorf("another role's pg_terminate_backend: %v", err)
	}
	if _, err := a.Exec(ctx, "reset role"); err != nil {
		t.Fatal(err)
	}
	yes("select not pg_cancel_backend(1)")

	l := connect(1)
	if _, err := l.Exec(ctx, "listen news"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Exec(ctx, "notify news, 'across'"); err != nil {
		t.Fatal(err)
	}
	n, err := l.WaitForNotification(ctx)
	if err != nil || n.Channel != "news" || n.Payload != "across" || n.PID != b.PgConn().PID() {
		t.Errorf("heard %v, %v", n, err)
	}

	done = running(b)
	yes("select pg_terminate_backend(" + pid + ", 20000)")
	if err := <-done; code(err) != "57P01" {
		t.Errorf("the session ended with %v", err)
	}
	yes("select count(*) = 0 from pg_stat_activity where pid = " + pid)
}

// cancelAt sends a cancel request to a node.
func cancelAt(t *testing.T, host string, port uint16, pid uint32, secret []byte) {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := binary.BigEndian.AppendUint32(nil, uint32(12+len(secret)))
	b = binary.BigEndian.AppendUint32(b, 80877102)
	b = binary.BigEndian.AppendUint32(b, pid)
	if _, err := c.Write(append(b, secret...)); err != nil {
		t.Fatal(err)
	}
}
