package sql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// hears waits for notifications on a connection and returns them as channel:payload,
// and whether each came from the process.
func hears(t *testing.T, c *pgx.Conn, n int, from uint32) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out []string
	for len(out) < n {
		got, err := c.WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", out, err)
		}
		if got.PID != from {
			t.Errorf("%s comes from process %d, not %d", got.Channel, got.PID, from)
		}
		out = append(out, got.Channel+":"+got.Payload)
	}
	return out
}

// Notifications reach the sessions that listen, on whatever gateway, when their
// transaction has committed and in the order in which they were made; what is rolled
// back, sent twice or of another channel does not come.
func TestNotify(t *testing.T) {
	gws := newGateways(t, 2)
	for _, e := range gws {
		e.o.Wake = func() {
			for _, other := range gws {
				if other != e {
					other.Wake()
				}
			}
		}
	}
	a, b, c := connect(t, serve(t, gws[0])), connect(t, serve(t, gws[0])), connect(t, serve(t, gws[1]))
	ctx := context.Background()
	do := func(c *pgx.Conn, list ...string) {
		t.Helper()
		for _, sql := range list {
			if _, err := c.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	pid := a.PgConn().PID()
	do(a, "notify x, 'before'")
	do(b, "listen x", `listen "Y"`)
	do(c, "begin", "listen x", "savepoint s", "listen z", "rollback to s", "commit")
	do(a, "notify x, 'one'")
	want := []string{"x:one"}
	for _, l := range []*pgx.Conn{b, c} {
		if got := hears(t, l, 1, pid); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	do(a, "begin", "notify x, 'two'", "notify x, 'two'", "notify z, 'nobody'", "savepoint s", "notify x, 'undone'", "rollback to s",
		"select pg_notify('x', 'three')", "notify x", "commit")
	do(a, "begin", "notify x, 'rolled back'", "rollback", "notify x, 'four'")
	want = []string{"x:two", "x:three", "x:", "x:four"}
	for _, l := range []*pgx.Conn{b, c} {
		if got := hears(t, l, 4, pid); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	// A session in a transaction hears nothing before its end.
	do(b, "begin", "select 1")
	do(a, `notify "Y", 'later'`)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if n, err := b.WaitForNotification(short); err == nil {
		t.Errorf("%v came within a transaction", n)
	}
	b = connect(t, serve(t, gws[0])) // the wait above has broken the connection
	do(b, "listen q", "unlisten *", "listen r", "listen x", "unlisten x")
	var list []string
	if err := b.QueryRow(ctx, "select array_agg(c) from pg_listening_channels() c").Scan(&list); err != nil || !slices.Equal(list, []string{"r"}) {
		t.Errorf("listens on %v, %v", list, err)
	}
	// One's own notification comes with the answer.
	do(b, "notify q", "notify x", "notify r, 'mine'")
	if got := hears(t, b, 1, b.PgConn().PID()); !slices.Equal(got, []string{"r:mine"}) {
		t.Errorf("got %v", got)
	}
	for sql, code := range map[string]string{"select pg_notify('', 'x')": sqlerr.InvalidParameterValue,
		"select pg_notify('x', repeat('y', 8000))": sqlerr.InvalidParameterValue, "select pg_notify(repeat('y', 64), '')": sqlerr.InvalidParameterValue} {
		if _, err := b.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// However many commit at once, on both gateways, each notification comes once.
func TestNotifyUnderLoad(t *testing.T) {
	gws := newGateways(t, 2) // they do not wake each other: looking now and then must do
	l := connect(t, serve(t, gws[0]))
	ctx := context.Background()
	if _, err := l.Exec(ctx, "listen x"); err != nil {
		t.Fatal(err)
	}
	const writers, each = 6, 40
	for w := range writers {
		s := gws[w%2].testSession(t)
		go func() {
			for i := range each {
				for {
					if _, err := s.exec(fmt.Sprintf("notify x, '%d %d'", w, i)); err == nil {
						break
					}
				}
			}
		}()
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	next := make([]int, writers)
	for range writers * each {
		n, err := l.WaitForNotification(wait)
		if err != nil {
			t.Fatalf("%v: %v", next, err)
		}
		var w, i int
		if _, err := fmt.Sscan(n.Payload, &w, &i); err != nil {
			t.Fatal(err)
		}
		if next[w] != i {
			t.Fatalf("writer %d: notification %d in the place of %d", w, i, next[w])
		}
		next[w]++
	}
}
