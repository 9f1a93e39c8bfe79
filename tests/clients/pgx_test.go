package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgx reads and writes in all its modes.
func TestPgx(t *testing.T) {
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	for i, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := context.Background()
			cfg, err := pgx.ParseConfig(dsn(i))
			if err != nil {
				t.Fatal(err)
			}
			cfg.DefaultQueryExecMode = mode
			c, err := pgx.ConnectConfig(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(ctx)
			pgxRun(t, c, fmt.Sprintf("pgx_%d", i))
		})
	}
}

func pgxRun(t *testing.T, c *pgx.Conn, table string) {
	ctx := context.Background()
	must := func(_ pgconn.CommandTag, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Exec(ctx, "create table "+table+" (id bigint generated always as identity primary key, name text not null unique, n int, f float8, at timestamptz, raw bytea, tags text[])"))
	dropAfter(t, "drop table "+table)
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	var id int64
	if err := c.QueryRow(ctx, "insert into "+table+" (name, n, f, at, raw, tags) values ($1, $2, $3, $4, $5, $6) returning id",
		"one", 1, 0.5, at, []byte{0, 1, 255}, []string{"a", "b c"}).Scan(&id); err != nil {
		t.Fatal(err)
	}
	var name string
	var n int
	var f float64
	var got time.Time
	var raw []byte
	var tags []string
	if err := c.QueryRow(ctx, "select name, n, f, at, raw, tags from "+table+" where id = $1", id).Scan(&name, &n, &f, &got, &raw, &tags); err != nil {
		t.Fatal(err)
	}
	if name != "one" || n != 1 || f != 0.5 || !got.Equal(at) || string(raw) != "\x00\x01\xff" || strings.Join(tags, ",") != "a,b c" {
		t.Fatal(name, n, f, got, raw, tags)
	}
	_, err := c.Exec(ctx, "insert into "+table+" (name) values ($1)", "one")
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "23505" || pe.ConstraintName != table+"_name_key" || pe.Detail != "Key (name)=(one) already exists." {
		t.Fatalf("%#v", err)
	}
	b := &pgx.Batch{}
	for i := range 10 {
		b.Queue("insert into "+table+" (name, n) values ($1, $2)", fmt.Sprint("b", i), i)
	}
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
	rows := [][]any{{"c1", 1}, {"c2", nil}, {"c3", 3}}
	if copied, err := c.CopyFrom(ctx, pgx.Identifier{table}, []string{"name", "n"}, pgx.CopyFromRows(rows)); err != nil || copied != 3 {
		t.Fatal(copied, err)
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	must(tx.Exec(ctx, "update "+table+" set n = n + 1 where id = $1", id))
	inner, err := tx.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inner.Exec(ctx, "select 1/0"); err == nil {
		t.Fatal("1/0 has a value")
	}
	if err := errors.Join(inner.Rollback(ctx), tx.Commit(ctx)); err != nil {
		t.Fatal(err)
	}
	var count, sum int
	if err := c.QueryRow(ctx, "select count(*), sum(n) from "+table+" where name = any($1)", []string{"one", "c1", "c3", "b9"}).Scan(&count, &sum); err != nil || count != 4 || sum != 2+1+3+9 {
		t.Fatal(count, sum, err)
	}
}

// Three nodes count in one row at once, and no step is lost.
func TestPgxConcurrent(t *testing.T) {
	ctx := context.Background()
	c := connect(t, dsn(0))
	if _, err := c.Exec(ctx, "create table pgx_counter (id int primary key, n int not null); insert into pgx_counter values (1, 0)"); err != nil {
		t.Fatal(err)
	}
	dropAfter(t, "drop table pgx_counter")
	const workers, steps = 6, 20
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		c := connect(t, dsn(w))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range steps {
				err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
					var n int
					if err := tx.QueryRow(ctx, "select n from pgx_counter where id = 1 for update").Scan(&n); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, "update pgx_counter set n = $1 where id = 1", n+1)
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	var n int
	if err := c.QueryRow(ctx, "select n from pgx_counter").Scan(&n); err != nil || n != workers*steps {
		t.Fatal(n, err)
	}
}
