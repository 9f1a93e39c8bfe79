package sql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// fakePlacement publishes schema versions to several gateways: a version is
// published once every gateway has confirmed it.
type fakePlacement struct {
	mu     sync.Mutex
	leases []*fakeLease
}

type fakeLease struct {
	p     *fakePlacement
	heard atomic.Uint64
	inUse func(uint64) uint64
	lag   time.Duration // how long the gateway takes to hear of a version
	// before, if set, is called at the beginning of Publish.
	before func()
}

func (l *fakeLease) SetInUse(f func(uint64) uint64) { l.inUse = f }
func (l *fakeLease) Version() uint64                { return l.heard.Load() }
func (l *fakeLease) Until() timestamp.Timestamp     { return timestamp.Max }

func (l *fakeLease) hear(v uint64) {
	for {
		old := l.heard.Load()
		if v <= old || l.heard.CompareAndSwap(old, v) {
			return
		}
	}
}

func (l *fakeLease) Publish(ctx context.Context, v uint64) error {
	if l.before != nil {
		l.before()
	}
	l.hear(v)
	l.p.mu.Lock()
	leases := l.p.leases
	l.p.mu.Unlock()
	for _, o := range leases {
		if o != l && o.heard.Load() < v {
			_ = env.Sleep(ctx, env.SystemClock(), o.lag)
			o.hear(v)
		}
		for o.inUse(o.heard.Load()) < v {
			if err := env.Sleep(ctx, env.SystemClock(), 100*time.Microsecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// newGateways returns engines over one store that share their schema versions.
func newGateways(t testing.TB, n int) []*Engine {
	store, p := newMemStore(), &fakePlacement{}
	var out []*Engine
	for i := range n {
		l := &fakeLease{p: p, lag: time.Duration(i) * time.Millisecond}
		seed := uint64(1000 * i)
		e, err := New(Options{Store: store, Clock: env.SystemClock(), NodeID: uint32(i + 1), Lease: l, NewRand: func() env.Rand {
			return env.SeededRand(atomic.AddUint64(&seed, 1))
		}})
		if err != nil {
			t.Fatal(err)
		}
		p.leases = append(p.leases, l)
		out = append(out, e)
	}
	return out
}

// TestOnlineIndexes: while other gateways insert, change and delete rows, indexes
// and a primary key are added and dropped; afterwards every way to read the table
// gives the same rows, and no acknowledged write is lost.
func TestOnlineIndexes(t *testing.T) {
	gws := newGateways(t, 3)
	ddl := gws[0].testSession(t)
	ddl.must("create table t (id int not null, v int, w text)")
	ddl.must("insert into t select g, g % 50, 'x' || g from generate_series(1, 500) g")
	var stop atomic.Bool
	var wg sync.WaitGroup
	var inserted, deleted, conflicts atomic.Int64
	for k := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := gws[k%3].testSession(t)
			r := env.SeededRand(uint64(k))
			for i := 0; !stop.Load() && i < 3000; i++ {
				var sql string
				var count *atomic.Int64
				switch r.Uint64() % 4 {
				case 0, 1:
					sql = fmt.Sprintf("insert into t values (%d, %d, 'n')", 10000+k*100000+i, i%50)
					count = &inserted
				case 2:
					sql = fmt.Sprintf("update t set v = v + 1, w = w || '.' where id = %d", 1+r.Uint64()%500)
				default:
					sql = fmt.Sprintf("delete from t where id = %d", 10000+k*100000+int(r.Uint64()%uint64(i+1)))
					count = &deleted
				}
				w, err := s.exec(sql)
				switch {
				case sqlerr.Is(err, sqlerr.TRSerializationFailure):
					conflicts.Add(1)
				case err != nil:
					t.Errorf("%s: %v", sql, describe(err))
					return
				case count != nil:
					var n int64
					if _, err := fmt.Sscanf(w.tags[0], map[bool]string{true: "INSERT 0 %d", false: "DELETE %d"}[count == &inserted], &n); err != nil {
						t.Errorf("tag %q", w.tags[0])
					}
					count.Add(n)
				}
			}
		}()
	}
	for _, sql := range []string{
		"create index t_v on t (v)", "drop index t_v", "create index t_v2 on t (v, w)", "drop index t_v2",
		"alter table t add primary key (id)", "create index t_v on t (v)", "create index t_w on t (w desc)",
	} {
		ddl.must(sql)
	}
	stop.Store(true)
	wg.Wait()
	want := fmt.Sprint(500 + inserted.Load() - deleted.Load())
	for _, q := range []string{"select count(*) from t", "select count(*) from t where id > 0", "select count(*) from t where v >= 0", "select count(*) from t where w > ''"} {
		if got := ddl.must(q).rows[0][0]; got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	t.Logf("%s rows, %d conflicts", want, conflicts.Load())
	// Every entry leads to its row and every row has its entry.
	bad := ddl.must(`select count(*) from (select v, count(*) n from t where v >= 0 group by v) a full join
		(select v, count(*) n from t where id >= 0 group by v) b using (v) where a.n is distinct from b.n`)
	if bad.rows[0][0] != "0" {
		t.Errorf("index and table differ for %s values", bad.rows[0][0])
	}
}

// TestUniqueIndexFailsOnline: a unique index over duplicates fails and leaves
// nothing behind.
func TestUniqueIndexFailsOnline(t *testing.T) {
	s := newGateways(t, 2)[0].testSession(t)
	s.must("create table t (a int, b int)")
	s.must("insert into t values (1, 1), (2, 1)")
	_, err := s.exec("create unique index u on t (b)")
	e := sqlerr.As(err)
	if sqlerr.CodeOf(err) != sqlerr.UniqueViolation || e.Detail != "Key (b)=(1) is duplicated." {
		t.Fatal(describe(err))
	}
	if n := s.must("select count(*) from pg_index where indrelid = 't'::regclass").rows[0][0]; n != "0" {
		t.Errorf("%s indexes left", n)
	}
	s.must("insert into t values (3, 1)")
	s.must("delete from t where a > 1")
	s.must("create unique index u on t (b)")
}

// TestAutocommitRetries: single statements that conflict are run again by
// themselves, in both protocols, and none is lost.
func TestAutocommitRetries(t *testing.T) {
	e, _ := newTestEngine(t)
	e.testSession(t).must("create table c (id int primary key, n int)")
	e.testSession(t).must("insert into c values (1, 0)")
	const workers, each = 8, 25
	var wg sync.WaitGroup
	var done atomic.Int64
	for k := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := e.testSession(t)
			for range each {
				var err error
				if k%2 == 0 {
					_, err = s.exec("update c set n = n + 1 where id = 1")
				} else {
					err = s.extendedExec("update c set n = n + 1 where id = 1")
				}
				if err == nil {
					done.Add(1)
				} else if !sqlerr.Is(err, sqlerr.TRSerializationFailure) {
					t.Error(describe(err))
				}
			}
		}()
	}
	wg.Wait()
	if got := e.testSession(t).must("select n from c").rows[0][0]; got != fmt.Sprint(done.Load()) {
		t.Errorf("counter is %s after %d updates", got, done.Load())
	}
}

// extendedExec runs a statement as Parse, Bind, Execute, Sync.
func (s *testSession) extendedExec(sql string) error {
	ctx := context.Background()
	w := &testWriter{}
	s.s.params.Notifier = w
	run := func() error {
		if err := s.s.Parse(ctx, "", sql, nil); err != nil {
			return err
		}
		if err := s.s.Bind(ctx, &pgwire.BindRequest{}); err != nil {
			return err
		}
		_, err := s.s.Execute(ctx, "", 0, w)
		return err
	}
	err := run()
	if serr := s.s.Sync(ctx); err == nil {
		err = serr
	}
	return err
}

// TestPortalSuspends: a row limit stops a portal and the next Execute goes on.
func TestPortalSuspends(t *testing.T) {
	ctx := context.Background()
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	w := &testWriter{}
	if err := s.s.Parse(ctx, "q", "select generate_series(1, 5)", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.s.Bind(ctx, &pgwire.BindRequest{Portal: "p", Statement: "q"}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false} {
		susp, err := s.s.Execute(ctx, "p", 2, w)
		if err != nil || susp != want {
			t.Fatalf("execute %d: %v %v", i, susp, err)
		}
	}
	if len(w.rows) != 5 || len(w.tags) != 1 || w.tags[0] != "SELECT 1" {
		t.Errorf("%d rows, tags %q", len(w.rows), w.tags)
	}
	if err := s.s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.s.Execute(ctx, "p", 0, w); sqlerr.CodeOf(err) != sqlerr.UndefinedCursor {
		t.Errorf("portal after Sync: %v", err)
	}
}

// TestCancelAndTimeout: a running statement ends with 57014 when it is cancelled or
// takes too long.
func TestCancelAndTimeout(t *testing.T) {
	e, _ := newTestEngine(t)
	s := e.testSession(t)
	s.must("set statement_timeout = 20")
	_, err := s.exec("select count(*) from generate_series(1, 1000000000)")
	if sqlerr.CodeOf(err) != sqlerr.QueryCanceled || sqlerr.As(err).Message != "canceling statement due to statement timeout" {
		t.Errorf("%v", err)
	}
	s.must("reset statement_timeout")
	timer := env.SystemClock().NewTimer(20 * time.Millisecond)
	go func() {
		<-timer.C()
		s.s.Cancel()
	}()
	_, err = s.exec("select count(*) from generate_series(1, 1000000000)")
	if sqlerr.CodeOf(err) != sqlerr.QueryCanceled || sqlerr.As(err).Message != "canceling statement due to user request" {
		t.Errorf("%v", err)
	}
	s.must("select 1")
}

// TestMemoryLimit: what does not fit ends with 53200 and the session lives on.
func TestMemoryLimit(t *testing.T) {
	e, _ := newTestEngine(t)
	e.o.MemoryLimit = 1 << 20
	s := e.testSession(t)
	for _, q := range []string{
		"select g from generate_series(1, 1000000) g order by -g", "select g, count(*) from generate_series(1, 1000000) g group by g",
		"select distinct g from generate_series(1, 1000000) g", "select * from generate_series(1, 1000000) a join generate_series(1, 1000000) b on a = b",
	} {
		if _, err := s.exec(q); sqlerr.CodeOf(err) != sqlerr.OutOfMemory {
			t.Errorf("%s: %v", q, err)
		}
	}
	if got := s.must("select g from generate_series(1, 200000) g order by -g limit 1").rows[0][0]; got != "200000" {
		t.Errorf("top row is %s", got)
	}
}

// recordingLease calls seen after every version that is published.
type recordingLease struct {
	fakeLease
	seen func()
}

func (l *recordingLease) Publish(ctx context.Context, v uint64) error {
	l.hear(v)
	l.seen()
	return nil
}

// Two adjacent versions are at work at any time: what the older one takes for NOT
// NULL the newer one must write.
func TestOnlineVersionsAgreeOnNotNull(t *testing.T) {
	for alter, least := range map[string]int{"alter table t add primary key (id)": 4, "alter table t drop column w": 3} {
		versionsAgree(t, alter, least)
	}
}

func versionsAgree(t *testing.T, alter string, least int) {
	var e *Engine
	var versions []catalog.Table
	lease := &recordingLease{seen: func() {
		// Latest is what the last statement saw: look at the new version.
		ctx := t.Context()
		r, err := e.o.Store.Begin(TxnOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Rollback(ctx)
		if err := r.Start(ctx); err != nil {
			t.Fatal(err)
		}
		snap, err := e.catalog.At(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range snap.Tables() {
			if d.Name == "t" {
				versions = append(versions, *d.Clone())
			}
		}
	}}
	e, err := New(Options{Store: newMemStore(), Clock: env.SystemClock(), NodeID: 1, Lease: lease, NewRand: func() env.Rand { return env.SeededRand(1) }})
	if err != nil {
		t.Fatal(err)
	}
	s := e.testSession(t)
	s.must("create table t (id int, v int, w int not null default 1)")
	s.must("insert into t values (1, 1), (2, 2)")
	s.must(alter)
	s.must("select 1")
	if len(versions) < least {
		t.Fatalf("%s: %d versions seen", alter, len(versions))
	}
	for i := range len(versions) - 1 {
		for c := range versions[i].Columns {
			old, now := &versions[i].Columns[c], &versions[i+1].Columns[c]
			if old.NotNull && !old.Dropped && now.Dropped {
				t.Errorf("%s: step %d drops column %q, which step %d takes for NOT NULL", alter, i+1, old.Name, i)
			}
		}
	}
}
