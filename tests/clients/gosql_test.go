package clients

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepg "github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
)

func open(t *testing.T, node int) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn(node))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// lib/pq: placeholders, prepared statements, COPY, notices of errors, LISTEN.
func TestLibPQ(t *testing.T) {
	db := open(t, 1)
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	exec("create table pq_t (id serial primary key, name text not null, tags text[], at timestamp)")
	dropAfter(t, "drop table pq_t")
	at := time.Date(2024, 1, 2, 3, 4, 5, 678000000, time.UTC)
	exec("insert into pq_t (name, tags, at) values ($1, $2, $3)", "one", pq.Array([]string{"x", `y"z`}), at)
	var tags []string
	var got time.Time
	if err := db.QueryRow("select tags, at from pq_t where name = $1", "one").Scan(pq.Array(&tags), &got); err != nil || len(tags) != 2 || tags[1] != `y"z` || !got.Equal(at) {
		t.Fatal(tags, got, err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	st, err := tx.Prepare(pq.CopyIn("pq_t", "name"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := st.Exec(fmt.Sprint("copy", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = st.Exec()
	if err := errors.Join(err, st.Close(), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow("select count(*) from pq_t").Scan(&n); err != nil || n != 101 {
		t.Fatal(n, err)
	}
	_, err = db.Exec("insert into pq_t (name) values (null)")
	var pe *pq.Error
	if !errors.As(err, &pe) || pe.Code != "23502" || pe.Column != "name" || pe.Table != "pq_t" {
		t.Fatalf("%#v", err)
	}
	l := pq.NewListener(dsn(2), time.Second, time.Second, nil)
	defer l.Close()
	if err := l.Listen("pq_channel"); err != nil {
		t.Fatal(err)
	}
	exec("select pg_notify('pq_channel', 'hello')")
	select {
	case got := <-l.Notify:
		if got == nil || got.Extra != "hello" {
			t.Fatalf("%#v", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no notification from another node")
	}
}

// golang-migrate goes up, finds nothing to do, and down.
func TestGolangMigrate(t *testing.T) {
	files := fstest.MapFS{
		"1_one.up.sql":   {Data: []byte("create table gm_t (id bigserial primary key, name text); create index on gm_t (name); insert into gm_t (name) values ('x');")},
		"1_one.down.sql": {Data: []byte("drop table gm_t;")},
		"2_two.up.sql":   {Data: []byte("alter table gm_t add column n int not null default 7;")},
		"2_two.down.sql": {Data: []byte("alter table gm_t drop column n;")},
	}
	db := open(t, 0)
	driver, err := migratepg.WithInstance(db, &migratepg.Config{MigrationsTable: "gm_migrations"})
	if err != nil {
		t.Fatal(err)
	}
	dropAfter(t, "drop table if exists gm_migrations")
	src, err := iofs.New(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.NewWithInstance("iofs", src, "postgres", driver)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(); err != nil {
		t.Fatal(err)
	}
	if err := m.Up(); !errors.Is(err, migrate.ErrNoChange) {
		t.Fatalf("the second time: %v", err)
	}
	var n int
	if err := open(t, 1).QueryRow("select n from gm_t where name = 'x'").Scan(&n); err != nil || n != 7 {
		t.Fatal(n, err)
	}
	if err := m.Down(); err != nil {
		t.Fatal(err)
	}
}

// goose goes up, tells where it is, and down.
func TestGoose(t *testing.T) {
	files := fstest.MapFS{
		"00001_one.sql": {Data: []byte("-- +goose Up\ncreate table goose_t (id int primary key, name text);\n-- +goose Down\ndrop table goose_t;\n")},
		"00002_two.sql": {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently goose_i on goose_t (name);\n-- +goose Down\ndrop index goose_i;\n")},
	}
	p, err := goose.NewProvider(goose.DialectPostgres, open(t, 2), files)
	if err != nil {
		t.Fatal(err)
	}
	dropAfter(t, "drop table if exists goose_db_version")
	ctx := context.Background()
	if res, err := p.Up(ctx); err != nil || len(res) != 2 {
		t.Fatal(res, err)
	}
	if res, err := p.Up(ctx); err != nil || len(res) != 0 {
		t.Fatal(res, err)
	}
	if v, err := p.GetDBVersion(ctx); err != nil || v != 2 {
		t.Fatal(v, err)
	}
	if res, err := p.DownTo(ctx, 0); err != nil || len(res) != 2 {
		t.Fatal(res, err)
	}
}
