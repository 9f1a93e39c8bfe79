package sql

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// The key of a label that is put anywhere lies between those of its neighbours,
// however many came before it.
func TestEnumKeysHaveRoom(t *testing.T) {
	for seed := range uint64(20) {
		r := env.SeededRand(seed)
		keys := enumKeys(nil, nil, int(r.Uint64()%40))
		for range 300 {
			at := int(r.Uint64() % uint64(len(keys)+1))
			if seed%4 == 0 {
				at = min(1, len(keys)) // always into the same gap
			}
			var lo, hi []byte
			if at > 0 {
				lo = keys[at-1]
			}
			if at < len(keys) {
				hi = keys[at]
			}
			keys = slices.Insert(keys, at, keyBetween(lo, hi))
		}
		for i := 1; i < len(keys); i++ {
			if string(keys[i-1]) >= string(keys[i]) {
				t.Fatalf("seed %d: key %d is %x, behind %x", seed, i, keys[i], keys[i-1])
			}
		}
		for _, k := range keys {
			if k[len(k)-1] == 0 || len(k) > 100 {
				t.Fatalf("seed %d: key %x", seed, k)
			}
		}
	}
}

// While a gateway adds labels, those that hear of it later never meet a row whose label
// they do not know: what they read are labels, in their order.
func TestLabelsReachEveryGateway(t *testing.T) {
	gws := newGateways(t, 3)
	ddl := gws[0].testSession(t)
	ddl.must("create type mood as enum ('l000', 'l999')")
	ddl.must("create table t (id int primary key, m mood not null)")
	ddl.must("create index t_m on t (m)")
	var stop atomic.Bool
	var latest atomic.Int64
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := gws[k].testSession(t)
			for i := 0; !stop.Load(); i++ {
				label := fmt.Sprintf("l%03d", latest.Load())
				_, err := s.exec(fmt.Sprintf("insert into t values (%d, '%s')", k*1000000+i, label))
				if err != nil && !sqlerr.Is(err, sqlerr.TRSerializationFailure) && !sqlerr.Is(err, sqlerr.UnsafeNewEnumValueUsage) && !sqlerr.Is(err, sqlerr.InvalidTextRepresentation) {
					t.Errorf("insert %s: %v", label, describe(err))
					return
				}
				w, err := s.exec("select distinct m, m::text as label from t where m >= 'l000' order by m")
				if err != nil {
					if sqlerr.Is(err, sqlerr.TRSerializationFailure) {
						continue
					}
					t.Error(describe(err))
					return
				}
				for j, row := range w.rows {
					if len(row[0]) != 4 || row[0][0] != 'l' || row[0] != row[1] || j > 0 && row[0] <= w.rows[j-1][0] {
						t.Errorf("labels %v", w.rows)
						return
					}
				}
			}
		}()
	}
	for i := 1; i <= 15; i++ {
		ddl.must(fmt.Sprintf("alter type mood add value 'l%03d' before 'l999'", i))
		latest.Store(int64(i))
		ddl.must(fmt.Sprintf("insert into t values (%d, 'l%03d')", -i, i))
	}
	stop.Store(true)
	wg.Wait()
	for _, g := range gws {
		w := g.testSession(t).must("select count(distinct m) from t where id < 0")
		if w.rows[0][0] != "15" {
			t.Errorf("%s labels", w.rows[0][0])
		}
	}
}

// A gateway that dies between the two steps of ALTER TYPE … ADD VALUE leaves a label
// that the next who wants to write it makes usable, at whatever gateway that is and by
// either protocol.
func TestLabelOfACrashedGateway(t *testing.T) {
	gws := newGateways(t, 2)
	ddl := gws[0].testSession(t)
	ddl.must("create type mood as enum ('sad')")
	ddl.must("create table t (m mood)")
	crash := func(label string) {
		t.Helper()
		ddl.must("begin")
		ddl.must("alter type mood add value '" + label + "'")
		ddl.s.tx.afterCommit = nil
		ddl.must("commit")
	}
	crash("ok")
	other := gws[1].testSession(t)
	other.must("insert into t values ('ok')")
	crash("happy")
	ctx := context.Background()
	if err := other.s.Parse(ctx, "p", "insert into t values ('happy')", nil); err != nil {
		t.Fatal("parse:", describe(err))
	}
	if err := other.s.Sync(ctx); err != nil {
		t.Fatal(describe(err))
	}
	if err := other.s.Parse(ctx, "q", "insert into t values ($1)", nil); err != nil {
		t.Fatal(describe(err))
	}
	if err := other.s.Sync(ctx); err != nil {
		t.Fatal(describe(err))
	}
	crash("glad")
	if err := other.s.Bind(ctx, &pgwire.BindRequest{Portal: "q", Statement: "q", Params: []pgwire.Param{{Value: []byte("glad")}}}); err != nil {
		t.Fatal("bind:", describe(err))
	}
	if err := other.s.Sync(ctx); err != nil {
		t.Fatal(describe(err))
	}
	// A label of the transaction itself stays what it is.
	other.must("begin")
	other.must("alter type mood add value 'new'")
	if _, err := other.exec("insert into t values ('new')"); !sqlerr.Is(err, sqlerr.UnsafeNewEnumValueUsage) {
		t.Errorf("a label of this transaction: %v", err)
	}
	other.must("rollback")
}

// A constraint that ALTER DOMAIN has added holds for every row, whoever wrote it while
// it came.
func TestDomainConstraintOnline(t *testing.T) {
	gws := newGateways(t, 3)
	ddl := gws[0].testSession(t)
	ddl.must("create domain small as int")
	ddl.must("create table t (id int primary key, v small)")
	ddl.must("insert into t select g, g % 50 from generate_series(1, 300) g")
	var stop atomic.Bool
	var wg sync.WaitGroup
	var pause sync.RWMutex
	for k := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := gws[k].testSession(t)
			for i := 0; !stop.Load(); i++ {
				sql := fmt.Sprintf("insert into t values (%d, 77)", k*1000000+1000+i)
				if i%3 == 0 {
					sql = fmt.Sprintf("update t set v = 78 where id = %d", 1+i%300)
				}
				pause.RLock()
				_, err := s.exec(sql)
				pause.RUnlock()
				if err != nil && !sqlerr.Is(err, sqlerr.TRSerializationFailure) && !sqlerr.Is(err, sqlerr.CheckViolation) {
					t.Errorf("%s: %v", sql, describe(err))
					return
				}
			}
		}()
	}
	// The store of this test has no row locks, so that a statement over all rows would
	// lose against the writers for ever: they pause for it.
	settle := func() {
		t.Helper()
		pause.Lock()
		defer pause.Unlock()
		ddl.must("delete from t where v > 70")
	}
	added := 0
	for range 8 {
		settle()
		if _, err := ddl.exec("alter domain small add constraint low check (value < 70)"); err == nil {
			added++
			if n := ddl.must("select count(*) from t where v >= 70").rows[0][0]; n != "0" {
				t.Errorf("%s rows break the constraint", n)
			}
			ddl.must("alter domain small drop constraint low")
		} else if !sqlerr.Is(err, sqlerr.CheckViolation) {
			t.Fatal(describe(err))
		}
	}
	stop.Store(true)
	wg.Wait()
	settle()
	ddl.must("alter domain small add constraint low check (value < 70)")
	t.Logf("added %d times under writes", added)
}

// Parameters of users' types: their numbers are told, text and binary values are read,
// and a label that came after the statement was prepared is known.
func TestParametersOfUserTypes(t *testing.T) {
	e, _ := newTestEngine(t)
	c := connect(t, serve(t, e)).PgConn()
	ctx := context.Background()
	for _, sql := range []string{"create type mood as enum ('sad', 'ok')", "create domain pos as int not null check (value > 0)",
		"create type pair as (x pos, y mood)", "create table t (m mood, p pos, q pair, a mood[])"} {
		if _, err := c.Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	oids := map[string]uint32{}
	for _, name := range []string{"mood", "pos", "pair", "_mood"} {
		r := c.ExecParams(ctx, "select oid from pg_type where typname = $1", [][]byte{[]byte(name)}, nil, nil, nil).Read()
		if r.Err != nil || len(r.Rows) != 1 {
			t.Fatal(name, r.Err)
		}
		var oid uint32
		if _, err := fmt.Sscan(string(r.Rows[0][0]), &oid); err != nil {
			t.Fatal(err)
		}
		oids[name] = oid
	}
	d, err := c.Prepare(ctx, "s", "insert into t values ($1, $2, $3, $4) returning m, p, q, a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint32{oids["mood"], oids["pos"], oids["pair"], oids["_mood"]}; !slices.Equal(d.ParamOIDs, want) {
		t.Errorf("parameters %v, want %v", d.ParamOIDs, want)
	}
	if f := d.Fields; f[0].DataTypeOID != oids["mood"] || f[1].DataTypeOID != 23 || f[2].DataTypeOID != oids["pair"] || f[3].DataTypeOID != oids["_mood"] {
		t.Errorf("columns %v", f)
	}
	if _, err := c.Exec(ctx, "alter type mood add value 'new' before 'ok'").ReadAll(); err != nil {
		t.Fatal(err)
	}
	send := func(p string) (string, error) {
		r := c.ExecPrepared(ctx, "s", [][]byte{[]byte("new"), []byte(p), []byte("(1,new)"), []byte("{ok,new}")}, nil, nil).Read()
		if r.Err != nil {
			return "", r.Err
		}
		return fmt.Sprintf("%s", r.Rows[0]), nil
	}
	if got, err := send("5"); err != nil || got != "[new 5 (1,new) {ok,new}]" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := send("0"); err == nil || err.(*pgconn.PgError).Code != sqlerr.CheckViolation || err.(*pgconn.PgError).ConstraintName != "pos_check" || err.(*pgconn.PgError).DataTypeName != "pos" {
		t.Errorf("0 for a positive number: %v", err)
	}
	if r := c.ExecPrepared(ctx, "s", [][]byte{nil, nil, nil, nil}, nil, nil).Read(); r.Err == nil || r.Err.(*pgconn.PgError).Code != sqlerr.NotNullViolation {
		t.Errorf("NULL for a domain that does not allow it: %v", r.Err)
	}
	// What goes out in binary form comes in again.
	r := c.ExecPrepared(ctx, "s", [][]byte{[]byte("ok"), []byte("7"), []byte("(2,sad)"), []byte("{new,sad}")}, nil, []int16{1}).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	back := c.ExecPrepared(ctx, "s", r.Rows[0], []int16{1}, nil).Read()
	if back.Err != nil || fmt.Sprintf("%s", back.Rows[0]) != "[ok 7 (2,sad) {new,sad}]" {
		t.Errorf("binary: %s, %v", back.Rows, back.Err)
	}
}
