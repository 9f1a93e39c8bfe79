package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// asOfClient is a client of one node that is asked for the past.
type asOfClient struct {
	t   *testing.T
	ctx context.Context
	n   *Node
	c   *pgx.Conn
}

func newAsOfClient(t *testing.T, ctx context.Context, n *Node, user string) *asOfClient {
	t.Helper()
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s@%s/postgres", user, n.SQLAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return &asOfClient{t, ctx, n, c}
}

func (a *asOfClient) exec(q string, args ...any) {
	a.t.Helper()
	if _, err := a.c.Exec(a.ctx, q, args...); err != nil {
		a.t.Fatalf("%s: %v", q, err)
	}
}

// text runs a query and returns its rows as text, all in one.
func (a *asOfClient) text(q string, args ...any) string {
	a.t.Helper()
	out, err := a.try(q, args...)
	if err != nil {
		a.t.Fatalf("%s: %v", q, err)
	}
	return out
}

func (a *asOfClient) try(q string, args ...any) (string, error) {
	rows, err := a.c.Query(a.ctx, q, args...)
	if err != nil {
		return "", err
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		v, err := r.Values()
		return fmt.Sprint(v), err
	})
	return fmt.Sprint(all), err
}

// code runs a query that must fail and returns the SQLSTATE.
func (a *asOfClient) code(q string, args ...any) string {
	a.t.Helper()
	out, err := a.try(q, args...)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		a.t.Errorf("%s: %s (%v), want an error", q, out, err)
		return ""
	}
	return pe.Code
}

// moment returns a point in time that lies between everything that was done before and
// everything that will be done.
func (a *asOfClient) moment() time.Time {
	a.t.Helper()
	return a.pass(a.now().PhysicalMs()).Time()
}

func (a *asOfClient) now() timestamp.Timestamp {
	a.t.Helper()
	ts, err := a.n.txn.Timestamp(a.ctx)
	if err != nil {
		a.t.Fatal(err)
	}
	return ts
}

// pass waits until the oracle is beyond a millisecond and returns the first moment of
// the next one.
func (a *asOfClient) pass(ms int64) timestamp.Timestamp {
	a.t.Helper()
	until(a.t, a.ctx, func() bool { return a.now().PhysicalMs() > ms })
	return timestamp.Make(ms+1, 0)
}

func literal(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.000Z07:00") }

// The past is read as it was, rows and schema alike, however its moment is written, in
// a statement of its own and in a block.
func TestAsOfSystemTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAsOfClient(t, ctx, startNode(t, Config{}), "postgres")
	a.exec("create table t (id int primary key, v int)")
	a.exec("create table gone (id int primary key, v text)")
	a.exec("insert into t values (1, 10), (2, 20)")
	a.exec("insert into gone values (1, 'here')")
	at := a.moment()
	a.exec("update t set v = v + 1")
	a.exec("delete from t where id = 2")
	a.exec("alter table t add column w int")
	a.exec("create index on t (v)")
	a.exec("drop table gone")
	a.exec("insert into t values (3, 30, 8)")

	when := literal(at)
	const then = "[[1 10] [2 20]]"
	for _, q := range []string{
		"select * from t as of system time '" + when + "' order by id",
		"select * from t x as of system time '" + when + "' where x.v > 0 order by id",
		"(select * from t as x as of system time timestamptz '" + when + "' order by id)",
		"select * from t as of system time '" + when + "'::timestamptz - interval '0 s' order by id limit 5",
		fmt.Sprintf("select * from t as of system time %d order by id", at.UnixNano()),
		fmt.Sprintf("select * from t as of system time %d.0000000001 order by id", at.UnixNano()),
		fmt.Sprintf("select * from t as of system time '%d' order by id", at.UnixNano()),
		"select a.id, b.v from t a join t b using (id) as of system time '" + when + "' order by id",
		"with x as (select * from t) select * from x as of system time '" + when + "' order by id",
		"table t as of system time '" + when + "'",
	} {
		if got := a.text(q); got != then {
			t.Errorf("%s: %s, want %s", q, got, then)
		}
	}
	if got := a.text("select v from t as of system time '"+when+"' where id = $1", 2); got != "[[20]]" {
		t.Errorf("with a parameter: %s", got)
	}
	if got := a.text("select * from gone as of system time '" + when + "'"); got != "[[1 here]]" {
		t.Errorf("a table that was dropped since: %s", got)
	}
	if got := a.text("select count(*) from pg_class as of system time '" + when + "' where relname = 'gone'"); got != "[[1]]" {
		t.Errorf("the catalog then: %s", got)
	}
	// The index was not complete then, and must not be used.
	if got := a.text("explain select * from t as of system time '" + when + "' where v = 10"); got == "" {
		t.Error("no plan")
	}
	if got := a.text("select id from t as of system time '" + when + "' where v = 20"); got != "[[2]]" {
		t.Errorf("by a column that was indexed since: %s", got)
	}
	a.exec("prepare p as select * from t as of system time '" + when + "' order by id")
	if got := a.text("execute p"); got != then {
		t.Errorf("execute: %s", got)
	}
	if got := a.text("select * from t order by id"); got != "[[1 11 <nil>] [3 30 8]]" {
		t.Errorf("the present: %s", got)
	}

	for _, begin := range [][]string{
		{"begin as of system time '" + when + "'"},
		{"begin isolation level serializable, as of system time '" + when + "'"},
		{"start transaction read only as of system time '" + when + "'"},
		{"begin", "set transaction as of system time '" + when + "'"},
	} {
		for _, q := range begin {
			a.exec(q)
		}
		other := newAsOfClient(t, ctx, a.n, "postgres")
		for range 2 {
			if got := a.text("select id, v from t order by id"); got != then {
				t.Errorf("%v: %s, want %s", begin, got, then)
			}
			other.exec("update t set v = v + 1")
		}
		if got := a.text("show transaction_read_only"); got != "[[on]]" {
			t.Errorf("%v: read only is %s", begin, got)
		}
		a.exec("commit")
	}
}

// A moment that counts from now.
func TestAsOfSystemTimeAgo(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAsOfClient(t, ctx, startNode(t, Config{}), "postgres")
	a.exec("create table t (v int)")
	a.exec("insert into t values (1)")
	at := a.moment()
	a.pass(at.UnixMilli() + 2000) // how late the statements below may come
	a.exec("update t set v = 2")
	for _, f := range []string{"'-%dms'", "interval '-%d ms'", "'-%dms'::interval", "now() - interval '%d ms'"} {
		// now() is the gateway's clock, the moment was the oracle's: a second is theirs.
		ago := a.now().Time().Sub(at).Milliseconds() - 1000
		q := "select v from t as of system time " + fmt.Sprintf(f, ago)
		if got := a.text(q); got != "[[1]]" {
			t.Errorf("%s: %s", q, got)
		}
	}
	if got := a.text("select v from t as of system time '0s'"); got != "[[2]]" {
		t.Errorf("at once: %s", got)
	}
}

// What is no moment of the past that can be read is refused, and so is all that would
// change something, or mix two moments.
func TestAsOfSystemTimeRefusals(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAsOfClient(t, ctx, startNode(t, Config{}), "postgres")
	a.exec("create table t (id int primary key, v int)")
	a.exec("insert into t values (1, 1)")
	when := literal(a.moment())
	for _, c := range []struct{ q, want string }{
		{"select * from t as of system time '2222-01-01'", "22023"},
		{"select * from t as of system time '10s'", "22023"},
		{"select * from t as of system time 'infinity'", "22023"},
		{"select * from t as of system time 'some day'", "22023"},
		{"select * from t as of system time null::timestamptz", "22023"},
		{"select * from t as of system time true", "22023"},
		{"select * from t as of system time '-9 minutes'", "42P01"}, // there was no table
		{"explain create table u as select * from t as of system time '" + when + "'", "0A000"},
		{"select * from t as of system time '-1 hour'", "72000"},
		{"select * from t as of system time '1999-12-31'", "72000"},
		{"select * from t as of system time '-infinity'", "72000"},
		{"select * from t as of system time 0", "72000"},
		{"select * from t as of system time id", "0A000"},
		{"select * from t as of system time (select now())", "0A000"},
		{"select * from t as of system time '" + when + "' union select * from t", "0A000"},
		{"select * from t union select * from t as of system time '" + when + "'", "0A000"},
		{"(select * from t as of system time '" + when + "') union select * from t", "0A000"},
		{"select * from (select * from t as of system time '" + when + "') x", "0A000"},
		{"select (select v from t as of system time '" + when + "')", "0A000"},
		{"create view w as select * from t as of system time '" + when + "'", "0A000"},
		{"create table u as select * from t as of system time '" + when + "'", "0A000"},
		{"insert into t select id + 1, v from t as of system time '" + when + "'", "0A000"},
		{"select * into u from t as of system time '" + when + "'", "0A000"},
		{"select * from t as of system time '" + when + "' for update", "25006"},
		{"begin read write as of system time '" + when + "'", "42601"},
		{"begin as of system time '-1s' as of system time '-1s'", "42601"},
		{"begin as of system time '2222-01-01'", "22023"},
		{"set session characteristics as transaction as of system time '-1s'", "0A000"},
	} {
		if got := a.code(c.q); got != c.want {
			t.Errorf("%s: %s, want %s", c.q, got, c.want)
		}
		if s := a.c.PgConn().TxStatus(); s != 'I' {
			t.Fatalf("%s left a transaction: %c", c.q, s)
		}
	}
	for _, c := range []struct{ begin, q, want string }{
		{"begin as of system time '" + when + "'", "update t set v = 2", "25006"},
		{"begin as of system time '" + when + "'", "create table u (i int)", "25006"},
		{"begin as of system time '" + when + "'", "select * from t for share", "25006"},
		{"begin as of system time '" + when + "'", "set transaction read write", "25001"},
		{"begin as of system time '" + when + "'", "set transaction as of system time '-1ms'", "25001"},
		{"begin as of system time '" + when + "'", "select * from t as of system time '" + when + "'", "0A000"},
		{"begin", "select * from t as of system time '" + when + "'", "0A000"},
		{"begin; select 1", "set transaction as of system time '" + when + "'", "25001"},
		{"begin; savepoint x", "set transaction as of system time '" + when + "'", "25001"},
	} {
		if _, err := a.c.PgConn().Exec(ctx, c.begin).ReadAll(); err != nil {
			t.Fatalf("%s: %v", c.begin, err)
		}
		if got := a.code(c.q); got != c.want {
			t.Errorf("%s; %s: %s, want %s", c.begin, c.q, got, c.want)
		}
		a.exec("rollback")
	}
	// Statements of one implicit transaction: the second must not see the first one's past.
	b := &pgx.Batch{}
	b.Queue("select v from t as of system time '" + when + "'")
	b.Queue("select v from t")
	var pe *pgconn.PgError
	if err := a.c.SendBatch(ctx, b).Close(); !errors.As(err, &pe) || pe.Code != "0A000" {
		t.Errorf("the past and the present in one transaction: %v", err)
	}
}

// A read of the past waits for nobody's lock and takes none.
func TestAsOfSystemTimeTakesNoLock(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAsOfClient(t, ctx, startNode(t, Config{}), "postgres")
	a.exec("create table t (id int primary key, v int)")
	a.exec("insert into t values (1, 1)")
	when := literal(a.moment())
	other := newAsOfClient(t, ctx, a.n, "postgres")
	other.exec("begin")
	other.exec("update t set v = 2")
	a.exec("begin as of system time '" + when + "'")
	if got := a.text("select v from t"); got != "[[1]]" {
		t.Errorf("beside a lock: %s", got)
	}
	if got := a.text("select count(*) from quorate.locks"); got != "[[1]]" {
		t.Errorf("%s locks, want that of the writer", got)
	}
	other.exec("update t set v = 3")
	other.exec("commit")
	a.exec("commit")
}

// The rights of today decide who may look at the past.
func TestAsOfSystemTimeRights(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAsOfClient(t, ctx, startNode(t, Config{}), "postgres")
	a.exec("create table t (id int primary key, v int)")
	a.exec("create table g (id int primary key)")
	a.exec("insert into t values (1, 1)")
	a.exec("create role ann login")
	a.exec("grant select on t to ann")
	when := literal(a.moment())
	ann := newAsOfClient(t, ctx, a.n, "ann")
	q := "select v from t as of system time '" + when + "'"
	if got := ann.text(q); got != "[[1]]" {
		t.Errorf("with the right: %s", got)
	}
	a.exec("revoke select on t from ann")
	if got := ann.code(q); got != "42501" {
		t.Errorf("the right was revoked since: %s", got)
	}
	a.exec("drop table g")
	if got := ann.code("select * from g as of system time '" + when + "'"); got != "42501" {
		t.Errorf("a table that is gone, and was not for her: %s", got)
	}
	a.exec("create role bob login")
	a.exec("grant select on t to bob")
	bob := newAsOfClient(t, ctx, a.n, "bob")
	if got := bob.text(q); got != "[[1]]" {
		t.Errorf("the right was granted since: %s", got)
	}
}

// The collection of garbage does not pass a block that reads the past, and what is
// older than the window is refused.
func TestAsOfSystemTimeHoldsGarbage(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{Retention: 4 * time.Second})
	a := newAsOfClient(t, ctx, n, "postgres")
	a.exec("create table t (v int)")
	a.exec("insert into t values (1)")
	at := a.moment()
	a.exec("update t set v = 2")
	a.exec("begin as of system time '" + literal(at) + "'")
	held := timestamp.Make(at.UnixMilli(), 0)
	if got := n.txn.OldestActive(); got != held {
		t.Errorf("the oldest open snapshot is said to be %v, want %v", got, held)
	}
	until(t, ctx, func() bool { return n.store.GC().Fence == held })
	if got := a.text("select v from t"); got != "[[1]]" {
		t.Errorf("behind the fence: %s", got)
	}
	a.exec("commit")
	until(t, ctx, func() bool { return n.store.GC().Fence > held })
	if got := a.code("select v from t as of system time '" + literal(at) + "'"); got != "72000" {
		t.Errorf("what is no longer kept: %s", got)
	}
}
