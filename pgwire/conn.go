package pgwire

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// conn is one client's connection. Its goroutine owns all fields but the atomic
// ones; raw is set once.
type conn struct {
	server *Server
	raw    net.Conn // the socket; in and out use it, or TLS over it
	tls    bool
	// certName is the common name of the client's verified certificate. serverCert is
	// the certificate that the client saw, nil if it is not known which of several.
	certName   string
	serverCert []byte

	in      *reader
	out     writer
	res     results
	backend *pgproto3.Backend // made by the first message that needs it
	bind    BindRequest
	names   struct{ portal, statement interned }

	session   Session
	processID uint32
	secret    []byte // set before the process id is known to the server
	admitted  bool   // guarded by Server.mu after the start

	// atBoundary says that ReadyForQuery was the last thing sent: nothing of a
	// cycle is pending.
	atBoundary bool
	// skipping drops messages up to Sync after an error in the extended protocol.
	skipping bool
	// lostErr is the error of the socket or the framing that a session met while it
	// read COPY data.
	lostErr error

	notes notifications

	// running is the session for those who cancel it from outside.
	running atomic.Pointer[Session]
	// idle is set while the connection waits for its client outside of a transaction.
	idle atomic.Bool
	// handled counts up when the handling of a message begins, and again when it ends:
	// it is odd in between. lookedAt is what busy saw last; guarded by Server.mu.
	handled  atomic.Uint64
	lookedAt uint64
	// terminating is the FATAL error that somebody else ends the connection with.
	terminating atomic.Pointer[sqlerr.Error]
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, raw: nc}
	c.in = newReader(nc, &s.buffers, s.opts.MessageBytesMax)
	c.out = writer{conn: nc, buffers: &s.buffers, clock: s.opts.Clock, timeout: s.opts.WriteTimeout, start: -1}
	c.res = results{out: &c.out, read: c, mark: -1}
	c.notes.done = sync.NewCond(&c.notes.mu)
	return c
}

// run serves the connection to its end.
func (c *conn) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.server.remove(c)
	defer c.raw.Close()
	err := c.guard(func() error {
		if err := c.start(ctx); err != nil {
			return err
		}
		return c.loop(ctx)
	})
	said := c.farewell(err)
	c.closeSession()
	c.in.release()
	c.out.release()
	if said {
		c.linger()
	}
}

// guard turns a panic into an error that ends this connection and no other.
func (c *conn) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log().Error("panic in a session", "panic", p, "stack", string(debug.Stack()))
			err = sqlerr.Internal("internal error; the connection is closed").WithSeverity(sqlerr.SeverityFatal)
		}
	}()
	return f()
}

func (c *conn) log() *slog.Logger {
	return c.server.opts.Logger.With("process", c.processID, "client", c.raw.RemoteAddr())
}

// loop handles messages until the connection ends. io.EOF is the good end; an
// *sqlerr.Error is told to the client.
func (c *conn) loop(ctx context.Context) error {
	for {
		if c.atBoundary {
			c.rest()
		}
		typ, body, err := c.in.readMessage()
		if c.idle.Load() {
			c.idle.Store(false)
			c.wakeNotifications()
		}
		if t := c.terminating.Load(); t != nil {
			return t
		}
		if err != nil {
			return err
		}
		c.handled.Add(1)
		err = c.handle(ctx, typ, body)
		c.handled.Add(1)
		if err != nil {
			return err
		}
	}
}

// rest prepares for a wait of unknown length: buffers go back, and a server that
// drains may end the connection here.
func (c *conn) rest() {
	c.bind.forget()
	c.out.release()
	if c.in.buffered() > 0 {
		return
	}
	c.in.release()
	if c.session.TxStatus() == TxIdle {
		c.idle.Store(true)
		c.restNotifications()
		if c.server.draining.Load() {
			c.terminate(errShutdown())
		}
	}
}

// handle handles one message. The error it returns ends the connection.
func (c *conn) handle(ctx context.Context, typ byte, body []byte) error {
	if c.skipping && typ != 'S' && typ != 'X' {
		return nil
	}
	switch typ {
	case 'Q':
		return c.simpleQuery(ctx, body)
	case 'F':
		c.session.Fail(ctx, true)
		return c.endSimple(sqlerr.Unsupported("the function call protocol"))
	case 'S':
		return c.sync(ctx)
	case 'H':
		return c.out.flush()
	case 'X':
		return io.EOF
	case 'd', 'c', 'f':
		// The rest of a COPY that has failed here while the client was sending.
		return nil
	default:
		c.atBoundary = false
		return c.extended(ctx, typ, body)
	}
}

// failed tells the client of an error. It returns the error that ends the
// connection, if this is one.
func (c *conn) failed(err error) error {
	switch {
	case c.out.err != nil:
		return c.out.err
	case c.lostErr != nil:
		return c.lostErr
	}
	if t := c.terminating.Load(); t != nil {
		return t
	}
	e := sqlerr.As(err)
	if e.Severity == sqlerr.SeverityFatal || e.Severity == sqlerr.SeverityPanic {
		return e
	}
	c.logInternal(e)
	c.out.abandon()
	c.out.diagnosis('E', e)
	return c.out.flush()
}

// logInternal logs an error that is no fault of the client's.
func (c *conn) logInternal(e *sqlerr.Error) {
	if e.Code == sqlerr.InternalError || e.Code == sqlerr.DataCorrupted {
		c.log().Error("internal error", "code", e.Code, "message", e.Message, "cause", e.Cause)
	}
}

// ready ends a cycle.
func (c *conn) ready() error {
	if c.session.TxStatus() == TxIdle {
		c.writeNotifications()
	}
	c.out.readyForQuery(c.session.TxStatus())
	c.atBoundary = true
	return c.out.flush()
}

// lost notes an error of the stream that a session has run into, and returns what
// the session is told.
func (c *conn) lost(err error) error {
	if c.lostErr == nil {
		c.lostErr = err
		if t := c.terminating.Load(); t != nil {
			c.lostErr = t
		}
	}
	var e *sqlerr.Error
	if errors.As(c.lostErr, &e) {
		return e
	}
	return sqlerr.New(sqlerr.ConnectionFailure, "connection to the client is lost").WithCause(err)
}

// terminate ends the connection with an error, from any goroutine.
func (c *conn) terminate(e *sqlerr.Error) {
	fatal := *e
	fatal.Severity = sqlerr.SeverityFatal
	if !c.terminating.CompareAndSwap(nil, &fatal) {
		return
	}
	c.cancelRunning()
	c.interruptRead()
}

// interruptRead makes a blocked read, and every later one, return at once.
func (c *conn) interruptRead() {
	// The connection may be gone already, which does as well.
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
}

// cancelRunning cancels what the session is doing, from any goroutine.
func (c *conn) cancelRunning() {
	if s := c.running.Load(); s != nil {
		(*s).Cancel()
	}
}

// farewell tells the client why the connection ends, if there is a reason to
// tell, and reports whether it did.
func (c *conn) farewell(err error) bool {
	if err == nil || c.out.err != nil {
		return false
	}
	var e *sqlerr.Error
	if !errors.As(err, &e) {
		if !errors.Is(err, io.EOF) {
			c.log().Debug("connection lost", "err", err)
		}
		return false
	}
	c.logInternal(e)
	fatal := *e
	fatal.Severity = sqlerr.SeverityFatal
	c.out.abandon()
	c.out.diagnosis('E', &fatal)
	return c.out.flush() == nil
}

// closeSession closes the session, whatever state a panic may have left it in.
func (c *conn) closeSession() {
	if c.session == nil {
		return
	}
	_ = c.guard(func() error { c.session.Close(); return nil })
	c.running.Store(nil)
}

const (
	lingerTime  = 250 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger reads on for a moment before the socket is closed. Closing while the
// client still sends resets the connection, and the client may then never see
// the error that it was told.
func (c *conn) linger() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.raw.SetReadDeadline(c.server.opts.Clock.Now().Add(lingerTime)) != nil {
		return
	}
	// Whatever comes is dropped, and any error is as good as the end.
	_, _ = io.CopyN(io.Discard, c.raw, lingerBytes)
}
