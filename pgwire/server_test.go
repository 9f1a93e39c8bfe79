package pgwire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

func join(lines []string) string { return strings.Join(lines, " | ") }

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(testTimeout)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s does not happen", what)
		}
	}
}

// TestConnectionLimit: the client that is one too many hears 53300, and has its
// place once another leaves. Those that have not authenticated do not count.
func TestConnectionLimit(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.ConnectionsMax = 2 })
	half := s.connect(t)
	a, b := s.login(t), s.login(t)
	c := s.connect(t)
	c.write(startupPacket(protocol30, "user=app"))
	if got := join(c.until("ReadyForQuery")); !strings.Contains(got, `C="53300"`) || !strings.HasSuffix(got, "closed") {
		t.Errorf("third client got %s", got)
	}
	a.send(&pgproto3.Terminate{})
	a.until("closed")
	eventually(t, "the end of a session", func() bool { return s.Connections() == 2 })
	half.write(startupPacket(protocol30, "user=app"))
	half.until("ReadyForQuery")
	half.mustWork()
	b.mustWork()
}

// TestAuthTimeout: a client that says nothing, or never ends its packet, is
// dropped in time.
func TestAuthTimeout(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.AuthTimeout = 20 * time.Millisecond })
	for _, sent := range []string{"", "\x00\x00\x00\x20\x00\x03\x00\x00user"} {
		c := s.connect(t)
		c.write([]byte(sent))
		if got := join(c.until("ReadyForQuery")); got != "closed" {
			t.Errorf("after %q: %s", sent, got)
		}
	}
}

// TestAuthTimeoutLifted: the deadline of the start does not outlive it.
func TestAuthTimeoutLifted(t *testing.T) {
	s := newTestServer(t, nil)
	near, far := net.Pipe()
	d := &deadlines{Conn: far}
	s.ServeConn(d)
	c := newClient(t, near)
	c.write(startupPacket(protocol30, "user=app"))
	c.until("ReadyForQuery")
	c.mustWork()
	if got := d.read.Load(); got != 0 {
		t.Errorf("a session reads with a deadline of %d", got)
	}
}

// deadlines notes the deadline of reads, in Unix seconds, 0 for none.
type deadlines struct {
	net.Conn
	read atomic.Int64
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.read.Store(max(t.Unix(), 0))
	return d.Conn.SetDeadline(t)
}

// TestAuthenticator: without certificates only this machine is trusted, and the
// refusal says what to do.
func TestAuthenticator(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "10.0.0.1:1": false, "[fe80::1%eth0]:5": false} {
		a := stringAddr(addr)
		_, err := TrustLoopback{}.Authenticate(context.Background(), Client{User: "u", Database: "d", Addr: a})
		if (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
		if err != nil && sqlerr.CodeOf(err) != sqlerr.InvalidAuthorizationSpecification {
			t.Errorf("%s: code %s", addr, sqlerr.CodeOf(err))
		}
	}
	if _, err := (TrustLoopback{}).Authenticate(context.Background(), Client{}); err == nil {
		t.Error("a client without address is trusted")
	}
	s := newTestServer(t, func(o *Options) { o.Auth = TrustLoopback{} })
	c := s.connect(t) // an in-memory connection is not loopback
	c.write(startupPacket(protocol30, "user=app"))
	if got := join(c.until("ReadyForQuery")); !strings.Contains(got, `C="28000"`) || !strings.HasSuffix(got, "closed") {
		t.Errorf("got %s", got)
	}
}

type stringAddr string

func (a stringAddr) Network() string { return "tcp" }
func (a stringAddr) String() string  { return string(a) }

// key takes the process id and secret out of a greeting.
func (s *testServer) loginWithKey(t *testing.T, protocol uint32) (c *client, key []byte) {
	c = s.connect(t)
	c.write(startupPacket(protocol, "user=app"))
	for {
		m, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if m.typ == 'K' {
			key = m.body
		}
		if m.typ == 'Z' {
			return c, key
		}
	}
}

func (s *testServer) cancel(t *testing.T, key []byte) {
	c := s.connect(t)
	pkt := binary.BigEndian.AppendUint32(nil, uint32(8+len(key)))
	pkt = binary.BigEndian.AppendUint32(pkt, codeCancel)
	c.write(append(pkt, key...))
	if got := join(c.until("")); got != "closed" {
		t.Errorf("cancel request was answered with %s", got)
	}
}

// TestCancel: the right key cancels what runs, and only in its own session; a
// wrong secret, a secret of the wrong length and another process id do nothing.
func TestCancel(t *testing.T) {
	for _, protocol := range []uint32{protocol30, protocol32} {
		s := newTestServer(t, func(o *Options) { o.NodeID = 5 })
		a, key := s.loginWithKey(t, protocol)
		if node := ProcessNode(binary.BigEndian.Uint32(key)); node != 5 {
			t.Errorf("process id is of node %d", node)
		}
		b, other := s.loginWithKey(t, protocol)
		s.cancel(t, key) // idle: nothing happens
		a.mustWork()

		a.send(&pgproto3.Query{String: "wait"})
		<-s.engine.waiting
		b.send(&pgproto3.Query{String: "wait"})
		<-s.engine.waiting
		wrong := append([]byte(nil), key...)
		wrong[len(wrong)-1] ^= 1
		s.cancel(t, wrong)
		s.cancel(t, key[:len(key)-1])
		s.cancel(t, append(append([]byte(nil), key...), 0))
		s.cancel(t, append(append([]byte(nil), other[:4]...), key[4:]...))
		s.cancel(t, key)
		if got := join(a.until("ReadyForQuery")); !strings.Contains(got, `C="57014"`) {
			t.Errorf("got %s", got)
		}
		a.mustWork()
		if b.in.Len() > 0 || len(b.more) > 0 {
			t.Error("another session was cancelled")
		}
		s.cancel(t, other)
		b.until("ReadyForQuery")
	}
}

// TestCancelGuessing: an address that sent a hundred wrong keys within a second
// is not heard, even with the right one.
func TestCancelGuessing(t *testing.T) {
	clock := &manualClock{now: time.Unix(1000, 0)}
	l := &cancelLimiter{clock: clock}
	for i := range wrongCancelsPerSecond {
		if !l.allow("a") {
			t.Fatalf("refused after %d", i)
		}
		l.count("a")
	}
	if l.allow("a") {
		t.Error("allowed after too many")
	}
	if !l.allow("b") {
		t.Error("another address is refused")
	}
	clock.now = clock.now.Add(time.Second)
	if !l.allow("a") {
		t.Error("refused a second later")
	}
	for i := range 2 * wrongCancelsAddresses {
		l.allow(string(rune(i)))
		l.count(string(rune(i)))
	}
	if len(l.mu.wrong) > wrongCancelsAddresses+1 {
		t.Errorf("table of %d addresses", len(l.mu.wrong))
	}
}

// TestCancelElsewhere: a key of another node is passed on.
func TestCancelElsewhere(t *testing.T) {
	there := make(chan uint32, 1)
	s := newTestServer(t, func(o *Options) { o.NodeID = 1; o.Canceller = cancellerFunc(func(id uint32) { there <- id }) })
	s.cancel(t, []byte{0, 0x20, 0, 9, 1, 2, 3, 4})
	if id := <-there; ProcessNode(id) != 2 {
		t.Errorf("passed on %x", id)
	}
}

type cancellerFunc func(id uint32)

func (f cancellerFunc) Cancel(_ context.Context, id uint32, _ []byte) error { f(id); return nil }

// TestShutdown: idle connections hear 57P01 at once, one in a transaction when
// that ends; Shutdown then returns.
func TestShutdown(t *testing.T) {
	s := newTestServer(t, nil)
	idle, busy, open := s.login(t), s.login(t), s.login(t)
	open.query("begin")
	busy.send(&pgproto3.Query{String: "wait"})
	<-s.engine.waiting

	done := make(chan error, 1)
	go func() { done <- s.Shutdown(contextWithTimeout(t)) }()
	const bye = `ErrorResponse S="FATAL" V="FATAL" C="57P01" M="terminating connection due to administrator command" | closed`
	if got := join(idle.until("closed")); got != bye {
		t.Errorf("idle connection got %s", got)
	}
	open.mustWorkInTransaction()
	open.send(&pgproto3.Query{String: "commit"})
	if got := join(open.until("closed")); got != "CommandComplete COMMIT | ReadyForQuery I | "+bye {
		t.Errorf("connection in a transaction got %s", got)
	}
	late := s.connect(t)
	late.write(startupPacket(protocol30, "user=app"))
	if got := join(late.until("closed")); !strings.Contains(got, `C="57P03"`) {
		t.Errorf("new connection got %s", got)
	}
	select {
	case err := <-done:
		t.Fatalf("shutdown returned %v with a connection at work", err)
	default:
	}
	s.engine.lastBusy().Cancel()
	if got := join(busy.until("closed")); !strings.HasSuffix(got, bye) {
		t.Errorf("busy connection got %s", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (c *client) mustWorkInTransaction() {
	c.t.Helper()
	if got := join(c.query("nothing")); got != "CommandComplete NOTHING | ReadyForQuery T" {
		c.t.Errorf("got %s", got)
	}
}

// TestShutdownForced: when its time is up Shutdown ends what is left.
func TestShutdownForced(t *testing.T) {
	s := newTestServer(t, nil)
	busy := s.login(t)
	busy.send(&pgproto3.Query{String: "wait"})
	<-s.engine.waiting
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	busy.until("closed")
}

// TestTerminate: the session's handle ends an idle connection at once and a busy
// one by cancelling it; the first error counts.
func TestTerminate(t *testing.T) {
	s := newTestServer(t, nil)
	for _, busy := range []bool{false, true} {
		c := s.login(t)
		session := s.engine.lastSession()
		if busy {
			c.send(&pgproto3.Query{String: "wait"})
			<-s.engine.waiting
		}
		session.params.Terminate(sqlerr.New(sqlerr.IdleSessionTimeout, "idle"))
		session.params.Terminate(sqlerr.New(sqlerr.AdminShutdown, "second"))
		if got := join(c.until("closed")); got != `ErrorResponse S="FATAL" V="FATAL" C="57P05" M="idle" | closed` {
			t.Errorf("busy=%v: got %s", busy, got)
		}
	}
	// In the middle of a COPY.
	c := s.login(t)
	c.send(&pgproto3.Query{String: "copyin"})
	c.until("CopyInResponse")
	s.engine.lastSession().params.Terminate(sqlerr.New(sqlerr.AdminShutdown, "bye"))
	if got := join(c.until("closed")); got != `ErrorResponse S="FATAL" V="FATAL" C="57P01" M="bye" | closed` {
		t.Errorf("in COPY: got %s", got)
	}
}

// TestSlowReader: a client that does not read stops itself only, and is cut off
// after the write timeout.
func TestSlowReader(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.WriteTimeout = 50 * time.Millisecond })
	other := s.login(t)
	near, far := net.Pipe() // nobody reads what comes
	defer near.Close()
	s.ServeConn(far)
	w := startupPacket(protocol30, "user=app")
	near.SetWriteDeadline(time.Now().Add(testTimeout))
	if _, err := near.Write(w); err != nil {
		t.Fatal(err)
	}
	other.mustWork()
	eventually(t, "the end of the slow connection", func() bool { return s.Connections() == 1 })
	other.mustWork()
}

// TestRewindAfterFlush: once a part of the results has been sent, they cannot be
// taken back, and the session is told.
func TestRewindAfterFlush(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.login(t)
	got := c.query("retry 100000")
	if last := join(got[len(got)-2:]); !strings.Contains(last, `C="40001"`) {
		t.Errorf("got %s", last)
	}
	// A long result before the mark does not matter.
	got = c.query("rows 20000; retry")
	if last := join(got[len(got)-4:]); last != "RowDescription id:23:text name:25:text | DataRow 2,second | CommandComplete SELECT 1 | ReadyForQuery I" {
		t.Errorf("got %s", last)
	}
}

// TestLargeMessages: values far larger than the buffers go in and out unharmed.
func TestLargeMessages(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.login(t)
	text := strings.Repeat("é", 2<<20)
	c.send(&pgproto3.Parse{Query: "echo $1"}, &pgproto3.Bind{Parameters: [][]byte{[]byte(text)}}, &pgproto3.Execute{}, &pgproto3.Sync{},
		&pgproto3.Query{String: "big 3000000"})
	if got := join(c.until("ReadyForQuery")); got != "ParseComplete | BindComplete | DataRow (4194304 bytes) | CommandComplete SELECT 1 | ReadyForQuery I" {
		t.Errorf("got %s", got)
	}
	if got := join(c.until("ReadyForQuery")); got != "RowDescription big:25:text | DataRow (3000000 bytes) | CommandComplete SELECT 1 | ReadyForQuery I" {
		t.Errorf("got %s", got)
	}
	c.mustWork()
}

// TestManyParameters: counts are unsigned, 65,535 parameters work.
func TestManyParameters(t *testing.T) {
	s := newTestServer(t, nil)
	c := s.login(t)
	c.send(&pgproto3.Parse{Query: "nothing", ParameterOIDs: make([]uint32, 65535)},
		&pgproto3.Bind{Parameters: make([][]byte, 65535)}, &pgproto3.Sync{})
	if got := join(c.until("ReadyForQuery")); !strings.Contains(got, "bind message supplies 65535 parameters") {
		t.Errorf("got %s", got)
	}
}

// TestListener: Serve takes connections from a listener, answers errors so that
// the client can read them although it is still sending, and ends with the server.
func TestListener(t *testing.T) {
	s := newTestServer(t, nil)
	addr := s.listen(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append([]byte("\xff\xff\xff\xff\x00\x03\x00\x00"), make([]byte, 100<<10)...)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(testTimeout))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "invalid length of startup packet") {
		t.Errorf("got %q, %v", answer, err)
	}
	s.Close()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("still listening after Close")
	}
	if err := s.Serve(mustListen(t)); err != nil {
		t.Errorf("serve after close: %v", err)
	}
}

func mustListen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOptions: what cannot work is refused by name.
func TestOptions(t *testing.T) {
	good := testOptions(newFakeEngine(), io.Discard)
	for name, change := range map[string]func(*Options){
		"engine":        func(o *Options) { o.Engine = nil },
		"clock":         func(o *Options) { o.Clock = nil },
		"secrets":       func(o *Options) { o.Entropy = nil },
		"authenticator": func(o *Options) { o.Auth = nil },
		"connections":   func(o *Options) { o.ConnectionsMax = 1 << 20 },
		"message":       func(o *Options) { o.MessageBytesMax = 1 << 30 },
		"timeout":       func(o *Options) { o.AuthTimeout = -1 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
