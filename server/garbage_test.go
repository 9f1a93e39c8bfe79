package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// A node gives old versions up by itself: of a key that was written often the newest
// version stays, and a snapshot that is older than the retention is refused.
func TestNodeCollectsGarbage(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Well above the second after which a report tells placement of the transaction
	// that is open: the fence must not pass it before.
	n := startNode(t, Config{Retention: 4 * time.Second})
	key := []byte("tgarbage")
	var first *txn.Txn
	for i := range 100 {
		tx, err := n.txn.Begin(ctx, txn.TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if first, err = n.txn.Begin(ctx, txn.TxnOptions{ReadOnly: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Put(key, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx, txn.CommitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	old, err := first.StartTS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.txn.OldestActive(); got != old {
		t.Errorf("the oldest open transaction is said to be %v, want %v", got, old)
	}
	// A transaction that is open holds the fence.
	until(t, ctx, func() bool { return n.store.GC().Fence == old })
	if _, _, err := first.Get(ctx, key); err != nil {
		t.Errorf("read of the oldest open transaction: %v", err)
	}
	_ = first.Rollback(ctx)
	until(t, ctx, func() bool { return versionsOf(t, n, key) == 1 })
	tx, err := n.txn.Begin(ctx, txn.TxnOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if v, _, err := tx.Get(ctx, key); err != nil || string(v) != "99" {
		t.Errorf("the newest value is %q (%v)", v, err)
	}
	if err := tx.SetReadTS(ctx, old); err != nil {
		t.Fatal(err)
	}
	var below *txn.ReadBelowGCError
	if _, _, err := tx.Get(ctx, key); !errors.As(err, &below) {
		t.Errorf("read of a snapshot that was given up: %v", err)
	}
}

func versionsOf(t *testing.T, n *Node, key keys.User) (count int) {
	t.Helper()
	span := keys.KindSpan(keys.KindData, key, keys.Next(key))
	it, err := n.engines.State.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		count++
	}
	return count
}

// startNode starts a node of its own cluster in this process and stops it with the
// test.
func startNode(t *testing.T, cfg Config) *Node {
	t.Helper()
	cfg.StoreDir = t.TempDir()
	cfg.ListenSQL, cfg.ListenRPC, cfg.ListenHTTP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	n, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.StopNow(context.Background()) })
	return n
}

// until looks again until cond holds.
func until(t *testing.T, ctx context.Context, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it never came to be")
		}
	}
}

// The space of a table that was truncated or dropped is given back, and that of its
// neighbours is not.
func TestSpaceOfDroppedTables(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{Retention: 500 * time.Millisecond})
	conn, err := pgx.Connect(ctx, "postgres://postgres@"+n.SQLAddr()+"/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	run := func(statement string) {
		t.Helper()
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for _, table := range []string{"before", "gone", "emptied", "after"} {
		run("create table " + table + " (id int primary key, v text)")
		run("insert into " + table + " values (1, 'x'), (2, 'y'), (3, 'z')")
	}
	rows := func() int { return rowsIn(t, n) }
	if got := rows(); got != 12 {
		t.Fatalf("%d rows, want 12", got)
	}
	run("drop table gone")
	run("truncate emptied")
	run("insert into emptied values (7, 'new')")
	until(t, ctx, func() bool { return rows() == 7 })
	for table, want := range map[string]int{"before": 3, "after": 3, "emptied": 1} {
		var got int
		if err := conn.QueryRow(ctx, "select count(*) from "+table).Scan(&got); err != nil || got != want {
			t.Errorf("%s holds %d rows, want %d (%v)", table, got, want, err)
		}
	}
	until(t, ctx, func() bool {
		list, _, err := n.sql.Garbage(ctx)
		return err == nil && len(list) == 0
	})
}

// rowsIn counts the versions of all tables in the engine.
func rowsIn(t *testing.T, n *Node) (count int) {
	t.Helper()
	span := keys.KindSpan(keys.KindData, keys.User{keys.PrefixTable}, keys.User{keys.PrefixTable + 1})
	it, err := n.engines.State.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		count++
	}
	return count
}
