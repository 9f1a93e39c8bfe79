package sql

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// nullWriter takes results and forgets them.
type nullWriter struct{ rows int }

func (w *nullWriter) Columns([]pgwire.Column, *types.FormatContext) error { return nil }
func (w *nullWriter) Row([]types.Datum) error                             { w.rows++; return nil }
func (w *nullWriter) Complete(string) error                               { return nil }
func (w *nullWriter) CompleteRows(string, int64) error                    { return nil }
func (w *nullWriter) EmptyQuery() error                                   { return nil }
func (w *nullWriter) Notice(*sqlerr.Notice)                               {}
func (w *nullWriter) ParameterStatus(string, string)                      {}
func (w *nullWriter) Mark()                                               {}
func (w *nullWriter) Rewind() bool                                        { return true }
func (w *nullWriter) CopyIn(int16, int) (pgwire.CopyReader, error)        { return nil, nil }
func (w *nullWriter) CopyOut(int16, int) (pgwire.CopyWriter, error)       { return nil, nil }

const benchRows = 1000

func benchSession(b *testing.B) *Session {
	p := &fakePlacement{}
	l := &fakeLease{p: p}
	e, err := New(Options{Store: newMemStore(), Clock: env.SystemClock(), NodeID: 1, Lease: l, NewRand: func() env.Rand { return env.SeededRand(1) }})
	if err != nil {
		b.Fatal(err)
	}
	p.leases = append(p.leases, l)
	s := e.testSession(b)
	s.must("create table t (id int primary key, k int not null, c text not null)")
	s.must(fmt.Sprintf("insert into t select i, i * 7, 'row ' || i from generate_series(1, %d) i", benchRows))
	b.ReportAllocs()
	return s.s
}

// benchPrepared runs a prepared statement as drivers do: Bind, Execute, Sync.
func benchPrepared(b *testing.B, s *Session, text string, params func(i int) []pgwire.Param, rows int) {
	ctx, w := context.Background(), &nullWriter{}
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(s.Parse(ctx, "p", text, nil))
	check(s.Sync(ctx))
	req := &pgwire.BindRequest{Statement: "p", ResultFormats: []int16{pgwire.FormatBinary}}
	for i := 0; b.Loop(); i++ {
		req.Params = params(i)
		check(s.Bind(ctx, req))
		_, err := s.Execute(ctx, "", 0, w)
		check(err)
		check(s.Sync(ctx))
	}
	if rows > 0 && w.rows != b.N*rows {
		b.Fatalf("%d rows of %d statements", w.rows, b.N)
	}
}

func benchSimple(b *testing.B, s *Session, text func(i int) string) {
	ctx, w := context.Background(), &nullWriter{}
	for i := 0; b.Loop(); i++ {
		if err := s.ExecSimple(ctx, text(i), w); err != nil {
			b.Fatal(err)
		}
	}
}

func intParam(i int) pgwire.Param {
	return pgwire.Param{Format: pgwire.FormatBinary, Value: binary.BigEndian.AppendUint32(nil, uint32(i))}
}

// What the gateway takes for the commonest statements, over a store in memory.
func BenchmarkStatement(b *testing.B) {
	b.Run("prepared/point select", func(b *testing.B) {
		benchPrepared(b, benchSession(b), "select c from t where id = $1", func(i int) []pgwire.Param {
			return []pgwire.Param{intParam(i%benchRows + 1)}
		}, 1)
	})
	b.Run("prepared/range of 100", func(b *testing.B) {
		benchPrepared(b, benchSession(b), "select c from t where id between $1 and $1 + 99", func(i int) []pgwire.Param {
			return []pgwire.Param{intParam(i%800 + 1)}
		}, 100)
	})
	b.Run("prepared/update", func(b *testing.B) {
		benchPrepared(b, benchSession(b), "update t set k = k + 1 where id = $1", func(i int) []pgwire.Param {
			return []pgwire.Param{intParam(i%benchRows + 1)}
		}, 0)
	})
	b.Run("simple/point select", func(b *testing.B) {
		benchSimple(b, benchSession(b), func(i int) string { return fmt.Sprintf("SELECT c FROM t WHERE id = %d;", i%benchRows+1) })
	})
	b.Run("simple/update", func(b *testing.B) {
		benchSimple(b, benchSession(b), func(i int) string { return fmt.Sprintf("UPDATE t SET k = k + %d WHERE id = %d;", i, i%benchRows+1) })
	})
	b.Run("simple/insert", func(b *testing.B) {
		s := benchSession(b)
		benchSimple(b, s, func(i int) string {
			return fmt.Sprintf("INSERT INTO t (id, k, c) VALUES (%d, %d, 'text');", benchRows+1+i, i)
		})
	})
}
