package sql

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
)

// slowOracle is a store whose timestamps take their time: waiting is called by those
// who wait for one.
type slowOracle struct {
	*memStore
	waiting func()
}

func (s *slowOracle) Begin(o TxnOptions) (Txn, error) {
	t, err := s.memStore.Begin(o)
	return &slowTxn{Txn: t, s: s}, err
}

type slowTxn struct {
	Txn
	s      *slowOracle
	waited bool
}

func (t *slowTxn) Start(ctx context.Context) error {
	if f := t.s.waiting; !t.waited && f != nil {
		t.waited = true
		f()
	}
	return t.Txn.Start(ctx)
}

// The statement that begins a transaction is planned before its timestamp is waited
// for. A schema that changes meanwhile is seen as it is at the timestamp, whether the
// statement could be planned before or not.
func TestPlannedWhileTheOracleIsAsked(t *testing.T) {
	p := &fakePlacement{}
	store := &slowOracle{memStore: newMemStore()}
	engine := func(id uint32, store Store) *Engine {
		l := &fakeLease{p: p}
		seed := uint64(1000 * id)
		e, err := New(Options{Store: store, Clock: env.SystemClock(), NodeID: id, Lease: l, NewRand: func() env.Rand {
			return env.SeededRand(atomic.AddUint64(&seed, 1))
		}})
		if err != nil {
			t.Fatal(err)
		}
		p.leases = append(p.leases, l)
		return e
	}
	e, other := engine(1, store), engine(2, store.memStore)
	s, o := e.testSession(t), other.testSession(t)
	s.must("create table t (id int primary key, v int)")
	s.must("insert into t values (1, 10)")
	s.must("select 1")

	before, then := e.PlannedAhead(), uint64(0)
	store.waiting = func() { then = e.PlannedAhead() }
	for i, q := range []string{"select v from t where id = 1", "update t set v = v + 1", "insert into t values (2, 0)", "delete from t where id = 2"} {
		s.must(q)
		if want := before + uint64(i) + 1; then != want {
			t.Errorf("%s: %d plans when the timestamp was waited for, want %d", q, then, want)
		}
	}

	for i, q := range []string{"select * from t", "select c1 from t"} {
		store.waiting = func() {
			store.waiting = nil
			o.must(fmt.Sprintf("alter table t add column c%d int", i))
		}
		w := s.must(q)
		want := [][]string{{"1", "11", "NULL"}, {"NULL"}}[i]
		if fmt.Sprint(w.rows) != fmt.Sprint([][]string{want}) {
			t.Errorf("%s: %v, want %v", q, w.rows, want)
		}
	}
}
