package sql

import (
	"context"
	"errors"
	"testing"
)

// A table is analyzed by itself once it has changed much, and not before.
func TestAutomaticAnalyze(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	ctx := context.Background()
	rows := func() string { return s.must("select reltuples from pg_class where relname = 't'").rows[0][0] }
	pass := func() {
		t.Helper()
		if err := e.flushChanges(ctx); err != nil {
			t.Fatal(err)
		}
		if err := e.autoAnalyze(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.must("create table t (a int primary key)")
	s.must("insert into t select generate_series(1, 49)")
	if pass(); rows() != "-1" {
		t.Errorf("analyzed after 49 changes: %s rows", rows())
	}
	s.must("insert into t values (50)")
	if pass(); rows() != "50" {
		t.Errorf("%s rows are known after 50 changes, want 50", rows())
	}
	s.must("delete from t where a <= 40")
	if pass(); rows() != "50" {
		t.Errorf("analyzed after 40 changes of 50 rows: %s rows", rows())
	}
	s.must("update t set a = a + 100")
	s.must("update t set a = a + 100")
	if pass(); rows() != "10" {
		t.Errorf("%s rows are known, want 10", rows())
	}
	// Records of a table that is gone go too.
	s.must("drop table t")
	pass()
	if n := s.must("select count(*) from pg_statistic").rows[0][0]; n != "0" {
		t.Errorf("%s records are left", n)
	}
}

// A pass that finds nothing changed writes nothing.
func TestIdlePassWritesNothing(t *testing.T) {
	e, store := newTestEngine(t)
	s := e.testSession(t)
	ctx := context.Background()
	s.must("create table t (a int primary key)")
	s.must("insert into t select generate_series(1, 60)")
	pass := func() int {
		t.Helper()
		before := store.commits
		if err := e.flushChanges(ctx); err != nil {
			t.Fatal(err)
		}
		if err := e.autoAnalyze(ctx); err != nil {
			t.Fatal(err)
		}
		return store.commits - before
	}
	if pass() == 0 {
		t.Error("nothing was written of a table that has changed")
	}
	if n := pass(); n != 0 {
		t.Errorf("%d commits wrote something though nothing has changed", n)
	}
}

// A look-up that fails is no trouble for a table that was forgotten meanwhile.
func TestLookUpOfForgottenTableFails(t *testing.T) {
	e, store := newTestEngine(t)
	e.o.Store = closedStore{store}
	if err := e.refreshStats(context.Background(), 1<<30); err == nil {
		t.Error("a store that is closed has answered")
	}
}

// closedStore begins no transactions.
type closedStore struct{ *memStore }

func (closedStore) Begin(TxnOptions) (Txn, error) { return nil, errors.New("closed") }

// Another node learns what ANALYZE has found, in the background.
func TestStatisticsReachOtherNodes(t *testing.T) {
	e, store := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table t (a int primary key)")
	s.must("insert into t select generate_series(1, 100)")
	s.must("analyze t")
	other, err := New(Options{Store: store, Clock: e.o.Clock, NodeID: 2, Version: "test", NewRand: e.o.NewRand})
	if err != nil {
		t.Fatal(err)
	}
	o := other.testSession(t)
	ctx := context.Background()
	o.must("select * from t where a < 5")
	before := other.known.gen.Load()
	if err := other.refreshStats(ctx, <-other.known.want); err != nil {
		t.Fatal(err)
	}
	if got := o.must("select reltuples from pg_class where relname = 't'").rows[0][0]; got != "100" {
		t.Errorf("%s rows are known, want 100", got)
	}
	if other.known.gen.Load() == before {
		t.Error("plans are not made again")
	}
}

// The pieces that are read of a region cover it without overlap.
func TestPieces(t *testing.T) {
	for _, c := range [][2]string{{"a", "b"}, {"ab", "ab\x00"}, {"a\xff\xff", "c"}, {"a", "a\x01"}} {
		list := pieces([]byte(c[0]), []byte(c[1]))
		at := c[0]
		for _, p := range list {
			if string(p.Start) != at || string(p.End) <= at {
				t.Errorf("%q: piece %q to %q, want it to begin at %q", c, p.Start, p.End, at)
			}
			at = string(p.End)
		}
		if at != c[1] {
			t.Errorf("%q: ends at %q", c, at)
		}
	}
}
