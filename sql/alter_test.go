package sql

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// writers run some hundred statements each on all gateways, or until stop is called; an error other than a
// conflict, and than those of allowed, fails the test. more waits until n further ones
// have run, or all.
func writers(t *testing.T, gws []*Engine, statement func(k, i int, r env.Rand) string, allowed ...string) (more func(n int64), stop func()) {
	t.Helper()
	var over atomic.Bool
	var ran, left atomic.Int64
	left.Store(int64(2 * len(gws)))
	var wg sync.WaitGroup
	for k := range 2 * len(gws) {
		wg.Go(func() {
			defer left.Add(-1)
			s := gws[k%len(gws)].testSession(t)
			r := env.SeededRand(uint64(k))
			for i := 0; !over.Load() && i < 500; i++ {
				sql := statement(k, i, r)
				_, err := s.exec(sql)
				ran.Add(1)
				ok := err == nil || sqlerr.Is(err, sqlerr.TRSerializationFailure)
				for _, code := range allowed {
					ok = ok || sqlerr.Is(err, code)
				}
				if !ok {
					t.Errorf("%s: %v", sql, describe(err))
					return
				}
			}
		})
	}
	more = func(n int64) {
		for until := ran.Load() + n; ran.Load() < until && left.Load() > 0; {
			runtime.Gosched()
		}
	}
	return more, func() {
		over.Store(true)
		wg.Wait()
	}
}

// While other gateways write, columns and rules come and go: whatever is declared holds
// for every row, and no writer meets an error that is not its own.
func TestAlterTableOnline(t *testing.T) {
	for _, c := range []struct {
		name, table, alter string
		statement          func(k, i int, r env.Rand) string
		allowed            []string
		bad                string // rows that must not be there after a success
	}{
		{
			name: "not null", table: "create table t (id int primary key, v int)",
			alter: "alter table t alter v set not null",
			statement: func(k, i int, r env.Rand) string {
				v := "1"
				if i < 30 && i%10 == 9 {
					v = "null"
				}
				return fmt.Sprintf("insert into t values (%d, %s)", 1000000*(k+1)+i, v)
			},
			allowed: []string{sqlerr.NotNullViolation}, bad: "v is null",
		},
		{
			name: "check", table: "create table t (id int primary key, v int)",
			alter: "alter table t add check (v > 0)",
			statement: func(k, i int, r env.Rand) string {
				v := 1
				if i < 30 && i%10 == 9 {
					v = 0
				}
				return fmt.Sprintf("insert into t values (%d, %d)", 1000000*(k+1)+i, v)
			},
			allowed: []string{sqlerr.CheckViolation}, bad: "v <= 0",
		},
		{
			name: "default", table: "create table t (id int primary key, v int)",
			alter: "alter table t add x int not null default 7",
			statement: func(k, i int, r env.Rand) string {
				if i%2 == 0 {
					return fmt.Sprintf("insert into t (id, v) values (%d, 1)", 1000000*(k+1)+i)
				}
				return fmt.Sprintf("update t set v = v + 1 where id = %d", 1000000*(k+1)+i-1)
			},
			bad: "x is null or x <> 7",
		},
		{
			name: "drop", table: "create table t (id int primary key, v int, x int not null check (x > 0) default 1)",
			alter: "alter table t drop column x",
			statement: func(k, i int, r env.Rand) string {
				if i%2 == 0 {
					return fmt.Sprintf("insert into t (id, v) values (%d, 1)", 1000000*(k+1)+i)
				}
				return fmt.Sprintf("update t set v = v + 1 where id = %d", 1000000*(r.Uint64()%6+1)+r.Uint64()%uint64(i))
			},
			bad: "v is null",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			gws := newGateways(t, 3)
			ddl := gws[0].testSession(t)
			ddl.must(c.table)
			more, stop := writers(t, gws, c.statement, c.allowed...)
			done := false
			for range 50 {
				more(20)
				_, err := ddl.exec(c.alter)
				if done = err == nil; done {
					break
				}
				ok := sqlerr.Is(err, sqlerr.TRSerializationFailure)
				for _, code := range c.allowed {
					ok = ok || sqlerr.Is(err, code)
				}
				if !ok {
					t.Errorf("%s: %v", c.alter, describe(err))
					break
				}
				ddl.must("delete from t where " + c.bad)
			}
			more(20)
			stop()
			if !done {
				t.Fatal("the table was never altered")
			}
			if got := ddl.must("select count(*) from t where " + c.bad).rows; len(got) != 1 || got[0][0] != "0" {
				t.Errorf("%v rows are what they must not be", got)
			}
		})
	}
}

// A column that is added inside a block comes in one version. A gateway that does not
// know it yet writes rows back without it, so nobody may give it a value before all do.
func TestColumnAddedInABlock(t *testing.T) {
	gws := newGateways(t, 3)
	slow := gws[2]
	for _, l := range gws[0].o.Lease.(*fakeLease).p.leases[2:] {
		l.lag = 30 * time.Millisecond
	}
	ddl, quick, behind := gws[0].testSession(t), gws[1].testSession(t), slow.testSession(t)
	ddl.must("create table t (id int primary key, v int)")
	ddl.must("insert into t values (1, 0)")
	behind.must("update t set v = v + 1")
	var wg sync.WaitGroup
	var over, failed atomic.Bool
	var updates atomic.Int64
	wg.Go(func() {
		for !over.Load() {
			_, err := behind.exec("update t set v = v + 1 where id = 1")
			switch {
			case err == nil:
				updates.Add(1)
			case !sqlerr.Is(err, sqlerr.TRSerializationFailure):
				t.Error(describe(err))
				failed.Store(true)
				return
			}
		}
	})
	wg.Go(func() {
		ddl.must("begin")
		ddl.must("alter table t add column x int")
		if _, err := ddl.exec("update t set x = 1"); !sqlerr.Is(err, sqlerr.FeatureNotSupported) {
			t.Errorf("a write to the new column before its commit: %v", err)
		}
		ddl.must("rollback")
		ddl.must("begin")
		ddl.must("alter table t add column x int")
		ddl.must("commit")
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := quick.exec("update t set x = 5 where id = 1")
		if err == nil {
			break
		}
		if !sqlerr.Is(err, sqlerr.UndefinedColumn) && !sqlerr.Is(err, sqlerr.TRSerializationFailure) || time.Now().After(deadline) {
			t.Fatal(describe(err))
		}
	}
	// Whoever was behind has written the row back since.
	for until := updates.Load() + 2; updates.Load() < until && !failed.Load(); {
		runtime.Gosched()
	}
	over.Store(true)
	wg.Wait()
	if got := quick.must("select x from t").rows; got[0][0] != "5" {
		t.Errorf("an acknowledged value was lost: %v", got)
	}
}

// A transaction that is open when a rule is made does not know it. Whenever it commits,
// what is declared in the end holds for its rows too.
func TestOpenTransactionMeetsARule(t *testing.T) {
	for _, alter := range []string{"alter table t alter v set not null", "alter table t add check (v is not null)"} {
		published, refused := 0, 0
		for k := 1; published >= k-1; k++ {
			gws := newGateways(t, 2)
			ddl, open := gws[0].testSession(t), gws[1].testSession(t)
			ddl.must("create table t (id int primary key, v int)")
			open.must("begin")
			open.must("insert into t values (1, null)")
			published = 0
			gws[0].o.Lease.(*fakeLease).before = func() {
				if published++; published != k {
					return
				}
				if _, err := open.exec("commit"); err != nil {
					refused++
				}
			}
			_, err := ddl.exec(alter)
			if nulls := ddl.must("select count(*) from t").rows[0][0]; err == nil && nulls != "0" {
				t.Errorf("%s: a commit at the %d. publication of a version was missed", alter, k)
			}
		}
		if published < 4 || refused == 0 {
			t.Errorf("%s: %d versions were published, %d commits refused", alter, published, refused)
		}
	}
}
