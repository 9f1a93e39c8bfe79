package pgwire

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/internal/env"
	"go.uber.org/goleak"
)

// No test of this package may leave a goroutine behind: each connection's ends
// with it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is far above what any step takes, so that a hang fails by name.
const testTimeout = 20 * time.Second

type testServer struct {
	*Server
	engine *fakeEngine
	log    *lockedBuffer
}

func testOptions(e *fakeEngine, log io.Writer) Options {
	return Options{
		Engine:  e,
		Clock:   env.SystemClock(),
		Entropy: rand.Reader,
		Auth:    TrustAll{},
		Logger:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// newTestServer starts a server without a listener; change may adapt its options.
func newTestServer(t testing.TB, change func(*Options)) *testServer {
	t.Helper()
	s := &testServer{engine: newFakeEngine(), log: &lockedBuffer{}}
	opts := testOptions(s.engine, s.log)
	if change != nil {
		change(&opts)
	}
	var err error
	if s.Server, err = New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if n := s.engine.open.Load(); n != 0 {
			t.Errorf("%d sessions were not closed", n)
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return s
}

// listen serves on loopback and returns the address.
func (s *testServer) listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// client speaks raw messages over an in-memory connection. What the server sends
// is read at once by a goroutine, so that neither side waits for the other.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bytes.Buffer // read, not yet taken
	more chan []byte
	done chan struct{}
}

// connect opens a connection without sending anything.
func (s *testServer) connect(t testing.TB) *client {
	t.Helper()
	near, far := net.Pipe()
	s.ServeConn(far)
	return newClient(t, near)
}

func newClient(t testing.TB, conn net.Conn) *client {
	c := &client{t: t, conn: conn, in: &bytes.Buffer{}, more: make(chan []byte, 1<<16), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer close(c.more)
		buf := make([]byte, 32<<10)
		for {
			n, err := conn.Read(buf)
			if n > 0 {
				c.more <- bytes.Clone(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.conn.Close()
	<-c.done
}

// login starts a session and takes the answer.
func (s *testServer) login(t testing.TB) *client {
	t.Helper()
	c := s.connect(t)
	c.send(&pgproto3.StartupMessage{ProtocolVersion: protocol30, Parameters: map[string]string{"user": "app"}})
	c.until("ReadyForQuery")
	return c
}

func (c *client) send(msgs ...pgproto3.FrontendMessage) {
	c.t.Helper()
	var buf []byte
	for _, m := range msgs {
		var err error
		if buf, err = m.Encode(buf); err != nil {
			c.t.Fatal(err)
		}
	}
	c.write(buf)
}

// write sends bytes. The server may close first, which is not an error here.
func (c *client) write(b []byte) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(testTimeout))
	if _, err := c.conn.Write(b); err != nil && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
		c.t.Logf("write: %v", err)
	}
}

var errServerClosed = errors.New("closed")

// take returns the next n bytes.
func (c *client) take(n int) ([]byte, error) {
	timeout := time.NewTimer(testTimeout)
	defer timeout.Stop()
	for c.in.Len() < n {
		select {
		case b, ok := <-c.more:
			if !ok {
				return nil, errServerClosed
			}
			c.in.Write(b)
		case <-timeout.C:
			return nil, errors.New("the server does not answer")
		}
	}
	return c.in.Next(n), nil
}

// message is a message of the server's.
type message struct {
	typ  byte
	body []byte
}

func (c *client) receive() (message, error) {
	head, err := c.take(5)
	if err != nil {
		return message{}, err
	}
	m := message{typ: head[0]}
	n := int(binary.BigEndian.Uint32(head[1:])) - 4
	if n < 0 {
		return m, fmt.Errorf("message %q with length %d", m.typ, n+4)
	}
	body, err := c.take(n)
	m.body = bytes.Clone(body)
	return m, err
}

// until receives messages up to the first whose text begins with prefix, or the
// end of the connection, and returns their texts.
func (c *client) until(prefix string) []string {
	c.t.Helper()
	var lines []string
	for {
		m, err := c.receive()
		if errors.Is(err, errServerClosed) {
			return append(lines, "closed")
		}
		if err != nil {
			c.t.Fatalf("%v, after\n%s", err, strings.Join(lines, "\n"))
		}
		lines = append(lines, m.String())
		if strings.HasPrefix(m.String(), prefix) {
			return lines
		}
	}
}

// query runs a simple query and returns the answer.
func (c *client) query(sql string) []string {
	c.t.Helper()
	c.send(&pgproto3.Query{String: sql})
	return c.until("ReadyForQuery")
}

// mustWork proves that a connection answers as ever.
func (c *client) mustWork() {
	c.t.Helper()
	want := "RowDescription c1:25:text | DataRow hello | CommandComplete SELECT 1 | ReadyForQuery I"
	if got := strings.Join(c.query("echo hello"), " | "); got != want {
		c.t.Errorf("connection does not work any more:\n got %s\nwant %s", got, want)
	}
}

// String prints a message for transcripts.
func (m message) String() string {
	f := fields{body: m.body}
	switch m.typ {
	case 'R':
		return fmt.Sprintf("Authentication %d", f.uint32())
	case 'S':
		return fmt.Sprintf("ParameterStatus %s=%s", f.text(), f.text())
	case 'K':
		return fmt.Sprintf("BackendKeyData process and %d bytes", len(m.body)-4)
	case 'v':
		s := fmt.Sprintf("NegotiateProtocolVersion %d.%d", f.uint16(), f.uint16())
		for range f.uint32() {
			s += " " + string(f.text())
		}
		return s
	case 'Z':
		return "ReadyForQuery " + string(m.body)
	case 'T':
		s := "RowDescription"
		for range f.uint16() {
			name := f.text()
			f.skip(6)
			oid := f.uint32()
			f.skip(6)
			s += fmt.Sprintf(" %s:%d:%s", name, oid, []string{"text", "binary"}[f.uint16()])
		}
		return s
	case 't':
		s := "ParameterDescription"
		for range f.uint16() {
			s += fmt.Sprintf(" %d", f.uint32())
		}
		return s
	case 'D':
		var vals []string
		for range f.uint16() {
			switch v := f.value(); {
			case v == nil:
				vals = append(vals, "NULL")
			case len(v) > 100:
				vals = append(vals, fmt.Sprintf("(%d bytes)", len(v)))
			case bytes.IndexFunc(v, func(r rune) bool { return r < ' ' }) >= 0:
				vals = append(vals, fmt.Sprintf("0x%x", v))
			default:
				vals = append(vals, string(v))
			}
		}
		return "DataRow " + strings.Join(vals, ",")
	case 'C':
		return fmt.Sprintf("CommandComplete %s", f.text())
	case 'E', 'N':
		s := map[byte]string{'E': "ErrorResponse", 'N': "NoticeResponse"}[m.typ]
		for k := f.byte(); k != 0; k = f.byte() {
			s += fmt.Sprintf(" %c=%q", k, f.text())
		}
		return s
	case 'G', 'H':
		return fmt.Sprintf("%s format=%d columns=%d", map[byte]string{'G': "CopyInResponse", 'H': "CopyOutResponse"}[m.typ], f.byte(), f.uint16())
	case 'd':
		return fmt.Sprintf("CopyData %q", m.body)
	}
	if name, ok := map[byte]string{'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'n': "NoData",
		's': "PortalSuspended", 'I': "EmptyQueryResponse", 'c': "CopyDone"}[m.typ]; ok && len(m.body) == 0 {
		return name
	}
	return fmt.Sprintf("unknown message %q %x", m.typ, m.body)
}

func contextWithTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}
