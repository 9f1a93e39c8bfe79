package sql

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// TestOnlineDerivedIndexes: partial and expression indexes are built and dropped while
// other gateways move rows in and out of their conditions; at the end each of them has
// exactly the entries of the rows that there are.
func TestOnlineDerivedIndexes(t *testing.T) {
	gws := newGateways(t, 3)
	ddl := gws[0].testSession(t)
	ddl.must("create table t (id int primary key, v int, w text)")
	ddl.must("insert into t select g, g % 50, 'X' || g from generate_series(1, 300) g")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := gws[k%3].testSession(t)
			r := env.SeededRand(uint64(k))
			for i := 0; !stop.Load() && i < 2000; i++ {
				id := 1 + r.Uint64()%400
				sql := fmt.Sprintf("update t set v = %d, w = upper(w) || '%d' where id = %d", r.Uint64()%50, i%7, id)
				switch r.Uint64() % 5 {
				case 0:
					sql = fmt.Sprintf("insert into t values (%d, %d, 'n%d') on conflict (id) do update set v = excluded.v", id, r.Uint64()%50, id)
				case 1:
					sql = fmt.Sprintf("delete from t where id = %d", id)
				}
				if _, err := s.exec(sql); err != nil && !sqlerr.Is(err, sqlerr.TRSerializationFailure) {
					t.Errorf("%s: %v", sql, describe(err))
					return
				}
			}
		}()
	}
	for _, sql := range []string{
		"create index t_p on t (id) where v < 25", "create index t_e on t (lower(w), (v + id))", "drop index t_p",
		"create unique index t_u on t ((id * 2)) include (v, w) where v >= 10", "create index t_p on t (v) include (w) where w like 'X%'",
	} {
		ddl.must(sql)
	}
	stop.Store(true)
	wg.Wait()
	checkIndexes(t, ddl, "t")
}

// checkIndexes compares the indexes of a table with its rows.
func checkIndexes(t *testing.T, s *testSession, table string) {
	t.Helper()
	if _, err := s.exec("admin check table " + table); err != nil {
		t.Error(describe(err))
	}
}

// TestOnlineGeneratedColumn: a generated column is added while other gateways write; at
// the end it has its value in every row.
func TestOnlineGeneratedColumn(t *testing.T) {
	gws := newGateways(t, 3)
	ddl := gws[0].testSession(t)
	ddl.must("create table t (id int primary key, v int)")
	ddl.must("insert into t select g, g % 50 from generate_series(1, 300) g")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := gws[k].testSession(t)
			r := env.SeededRand(uint64(k))
			for i := 0; !stop.Load() && i < 2000; i++ {
				sql := fmt.Sprintf("update t set v = v + 1 where id = %d", 1+r.Uint64()%300)
				if r.Uint64()%3 == 0 {
					sql = fmt.Sprintf("insert into t (id, v) values (%d, %d)", 1000+k*10000+i, i)
				}
				if _, err := s.exec(sql); err != nil && !sqlerr.Is(err, sqlerr.TRSerializationFailure) {
					t.Errorf("%s: %v", sql, describe(err))
					return
				}
			}
		}()
	}
	ddl.must("alter table t add column w int generated always as (v * 2) stored not null")
	ddl.must("create index t_w on t (w)")
	stop.Store(true)
	wg.Wait()
	if n := ddl.must("select count(*) from t where w is distinct from v * 2").rows[0][0]; n != "0" {
		t.Errorf("%s rows have another value", n)
	}
	checkIndexes(t, ddl, "t")
}

// TestAdminCheckTable: ADMIN CHECK TABLE finds an entry that is missing, one that differs
// and one too many, and nothing in a table that is well.
func TestAdminCheckTable(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("create table c (id int primary key, v int, w text)")
	s.must("create index c_v on c (v) include (w) where v > 0")
	s.must("insert into c values (1, 10, 'a'), (2, 20, 'b'), (3, -1, 'c')")
	s.must("admin check table c")
	ctx := t.Context()
	for what, change := range map[string]func(tx Txn, k, v []byte) error{
		"the row has no entry": func(tx Txn, k, _ []byte) error { return tx.Delete(ctx, k) },
		"its entry differs":    func(tx Txn, k, v []byte) error { return tx.Put(ctx, k, append(bytes.Clone(v), 0x12, 0)) },
		"an entry that its row does not have": func(tx Txn, k, v []byte) error {
			k = bytes.Clone(k)
			k[len(k)-1] ^= 1
			return tx.Put(ctx, k, v)
		},
	} {
		tx, err := e.o.Store.Begin(TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Start(ctx); err != nil {
			t.Fatal(err)
		}
		snap, err := e.catalog.At(ctx, tx)
		if err != nil {
			t.Fatal(err)
		}
		var key, value []byte
		for _, d := range snap.Tables() {
			if d.Name != "c" || d.Virtual {
				continue
			}
			x, err := rowcodec.NewIndex(d, &d.Indexes[1])
			if err != nil {
				t.Fatal(err)
			}
			lo, hi := x.Span()
			if err := tx.Each(ctx, lo, hi, func(k, v []byte) error { key, value = bytes.Clone(k), bytes.Clone(v); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := change(tx, key, value); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx, func() timestamp.Timestamp { return timestamp.Max }); err != nil {
			t.Fatal(err)
		}
		_, err = s.exec("admin check table c")
		if sqlerr.CodeOf(err) != sqlerr.IndexCorrupted || !strings.Contains(sqlerr.As(err).Detail, what) {
			t.Errorf("%s: %v", what, describe(err))
		}
		s.must("drop index c_v")
		s.must("create index c_v on c (v) include (w) where v > 0")
		s.must("admin check table c")
	}
}

// TestDerivedIndexesAnswerAlike: queries over tables with random partial and expression
// indexes give the same rows as without rules, after random changes of the rows.
func TestDerivedIndexesAnswerAlike(t *testing.T) {
	e, _ := newTestEngine(t)
	s, plain := e.testSession(t), e.testSession(t)
	plain.must("set quorate.plan_rules = off")
	for seed := range uint64(8) {
		r := env.SeededRand(seed)
		pick := func(list ...string) string { return list[r.Uint64()%uint64(len(list))] }
		num := func() string { return fmt.Sprint(int64(r.Uint64()%14) - 2) }
		value := func() string { return pick("a", "b", "a + b", "abs(a)", "a - b", "length(c)") }
		var pred func(depth int) string
		pred = func(depth int) string {
			switch k := r.Uint64() % 9; {
			case k < 2 && depth > 0:
				return "(" + pred(depth-1) + pick(" and ", " or ") + pred(depth-1) + ")"
			case k == 2:
				return value() + pick(" is null", " is not null")
			case k == 3:
				return value() + " in (" + num() + ", " + num() + ", " + num() + ")"
			case k == 4:
				return pick("c", "lower(c)") + pick(" = ", " > ", " <= ") + pick("'x1'", "'X2'", "'x3'")
			case k == 5:
				return pick("f", "not f", "f = true", "f is not null")
			}
			return value() + pick(" = ", " < ", " <= ", " > ", " >= ", " <> ") + num()
		}
		s.must("create table d (id int primary key, a int, b int, c text, f bool)")
		for range 7 {
			key := pick("a", "b", "lower(c)", "(a + b)", "(abs(a))", "(a - b), c", "b, lower(c)", "id")
			s.must("create index on d (" + key + ")" + pick("", " include (b)", " include (c, a)") + pick("", " where "+pred(1), " where "+pred(1)))
		}
		row := func() string {
			return pick("null", num(), num()) + ", " + pick("null", num(), num()) + ", " + pick("null", "'x1'", "'X1'", "'X2'", "'x3'") + ", " + pick("null", "true", "false")
		}
		for id := range 60 {
			s.must(fmt.Sprintf("insert into d values (%d, %s)", id, row()))
		}
		for range 40 {
			if r.Uint64()%4 == 0 {
				s.must("update d set (a, b, c, f) = (" + row() + ") where " + pred(1) + " and id % 3 = " + fmt.Sprint(r.Uint64()%3))
			}
			q := "select * from d where " + pred(1) + pick("", " and "+pred(1), " and "+pred(0)+" and "+pred(0))
			q += pick(" order by id", " order by a, id", " order by b desc, id") + pick("", " limit 5")
			got, want := s.must(q).rows, plain.must(q).rows
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d: %s\n%v\nwithout rules\n%v\n%v", seed, q, got, want, s.must("select indexdef from pg_indexes where tablename = 'd'").rows)
			}
		}
		checkIndexes(t, s, "d")
		s.must("drop table d")
	}
}
