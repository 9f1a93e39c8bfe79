package pgwire

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/types"
)

// loopConn is a client that sends the same bytes n times and reads everything at
// no cost, so that a benchmark counts the server's work only.
type loopConn struct {
	net.Conn
	cycle   []byte
	at, n   int
	written int64
}

func (c *loopConn) Read(b []byte) (int, error) {
	if c.n == 0 {
		return 0, io.EOF
	}
	m := copy(b, c.cycle[c.at:])
	if c.at += m; c.at == len(c.cycle) {
		c.at = 0
		c.n--
	}
	return m, nil
}

func (c *loopConn) Write(b []byte) (int, error) {
	c.written += int64(len(b))
	return len(b), nil
}

func (c *loopConn) SetWriteDeadline(time.Time) error { return nil }
func (c *loopConn) SetReadDeadline(time.Time) error  { return nil }
func (c *loopConn) RemoteAddr() net.Addr             { return stringAddr("127.0.0.1:1") }

// cycles returns a connection whose client repeats a cycle, with a session that
// knows the statement "s".
func cycles(t testing.TB, msgs ...pgproto3.FrontendMessage) (*conn, *loopConn) {
	s := newTestServer(t, nil)
	loop := &loopConn{}
	for _, m := range msgs {
		var err error
		if loop.cycle, err = m.Encode(loop.cycle); err != nil {
			t.Fatal(err)
		}
	}
	c := newConn(s.Server, loop)
	session, err := s.engine.NewSession(t.Context(), SessionParams{User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	c.session, c.in.trusted = session, true
	if err := session.Parse(t.Context(), "s", "rows 1 $1", nil); err != nil {
		t.Fatal(err)
	}
	return c, loop
}

func (c *conn) runCycles(t testing.TB, loop *loopConn, n int) {
	loop.n, c.in.err = n, nil
	if err := c.loop(t.Context()); err != io.EOF {
		t.Fatal(err)
	}
}

var preparedCycle = []pgproto3.FrontendMessage{
	&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("42")}},
	&pgproto3.Execute{}, &pgproto3.Sync{},
}

// TestCycleAllocations: a prepared statement costs no allocation in this package.
func TestCycleAllocations(t *testing.T) {
	c, loop := cycles(t, preparedCycle...)
	c.runCycles(t, loop, 10)
	// The fake session makes one string of its parameter.
	if n := testing.AllocsPerRun(1000, func() { c.runCycles(t, loop, 1) }); n > 1 {
		t.Errorf("%v allocations for Bind, Execute, Sync", n)
	}
}

func BenchmarkCycle(b *testing.B) {
	for _, bench := range []struct {
		name string
		msgs []pgproto3.FrontendMessage
	}{
		{"simple", []pgproto3.FrontendMessage{&pgproto3.Query{String: "nothing"}}},
		{"prepared", preparedCycle},
		{"described", []pgproto3.FrontendMessage{
			&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("42")}},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
		{"extended", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: "rows 1 $1"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("42")}},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c, loop := cycles(b, bench.msgs...)
			b.ReportAllocs()
			b.ResetTimer()
			c.runCycles(b, loop, b.N)
		})
	}
}

func BenchmarkRows(b *testing.B) {
	c, loop := cycles(b)
	cols := []Column{
		{Name: "id", Type: types.Int8}, {Name: "aid", Type: types.Int4}, {Name: "name", Type: types.Text},
		{Name: "filler", Type: types.Text}, {Name: "empty", Type: types.Text},
	}
	row := []types.Datum{types.NewInt(123456), types.NewInt(42), types.NewString("somebody"),
		types.NewString("some eighty bytes of filler, as the rows of a table in everyday use may have them"), types.Null}
	c.res.begin(true)
	if err := c.res.Columns(cols, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := c.res.Row(row); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(loop.written / int64(b.N))
}
