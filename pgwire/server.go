package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Options configures a Server. Engine, Clock, Entropy and Auth are required; the
// zero value of everything else is a usable default.
type Options struct {
	Engine Engine
	Clock  env.Clock
	// Entropy gives the secrets of cancel keys: crypto/rand.Reader. It must be safe
	// for concurrent use.
	Entropy io.Reader
	Auth    Authenticator
	Logger  *slog.Logger

	// TLSConfig is asked for each connection that wants TLS, so that certificates
	// can change. If it is nil, or returns nil, the answer to SSLRequest is N. Only a
	// configuration with exactly one of Certificates lets clients bind their password
	// to the connection (SCRAM-SHA-256-PLUS).
	TLSConfig func() *tls.Config

	// NodeID goes into the process ids of this server's connections.
	NodeID uint32
	// Canceller takes cancel requests for other nodes; without it they are dropped.
	Canceller Canceller

	// ConnectionsMax bounds the authenticated connections; the default is 10,000.
	ConnectionsMax int
	// MessageBytesMax bounds one message of a client, and with it one statement and
	// one value; the default is 64 MiB, the most is 1 GiB - 1.
	MessageBytesMax int
	// AuthTimeout bounds the time from accept to the first ReadyForQuery; the
	// default is 10 s.
	AuthTimeout time.Duration
	// WriteTimeout is how long a client may leave 64 KiB of results unread before it
	// is cut off; the default is 5 minutes.
	WriteTimeout time.Duration
}

const (
	// startingMax bounds the connections that have not authenticated. They hold less
	// than a KiB each beside their goroutine, and at most AuthTimeout.
	startingMax = 20000

	// acceptPause is the wait after a failed accept, which is mostly for want of
	// file descriptors.
	acceptPause = 50 * time.Millisecond
)

func (o *Options) validate() error {
	switch {
	case o.Engine == nil:
		return errors.New("pgwire: no engine")
	case o.Clock == nil:
		return errors.New("pgwire: no clock")
	case o.Entropy == nil:
		return errors.New("pgwire: no source of secrets")
	case o.Auth == nil:
		return errors.New("pgwire: no authenticator")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ConnectionsMax == 0 {
		o.ConnectionsMax = 10000
	}
	if o.MessageBytesMax == 0 {
		o.MessageBytesMax = 64 << 20
	}
	if o.AuthTimeout == 0 {
		o.AuthTimeout = 10 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 5 * time.Minute
	}
	switch {
	case o.ConnectionsMax < 1 || o.ConnectionsMax >= processMask:
		return fmt.Errorf("pgwire: limit of %d connections is not between 1 and %d", o.ConnectionsMax, processMask-1)
	case o.MessageBytesMax < smallBytesMax || o.MessageBytesMax > messageBytesLimit:
		return fmt.Errorf("pgwire: message limit of %d bytes is not between %d and %d", o.MessageBytesMax, smallBytesMax, messageBytesLimit)
	case o.AuthTimeout < 0 || o.WriteTimeout < 0:
		return errors.New("pgwire: negative timeout")
	}
	return nil
}

// Server serves the PostgreSQL protocol on any number of listeners. All methods
// are safe for concurrent use.
type Server struct {
	opts         Options
	group        *stop.Group
	buffers      buffers
	wrongCancels cancelLimiter
	// draining is read by a connection after it has marked itself idle, and set
	// before Shutdown looks for idle connections, so that one of them sees the other.
	draining atomic.Bool

	mu struct {
		sync.Mutex
		closed      bool
		listeners   map[net.Listener]struct{}
		conns       map[*conn]struct{}
		processes   map[uint32]*conn // by process id; the connections that count
		lastProcess uint32
		admitted    int           // connections that count towards ConnectionsMax
		drained     chan struct{} // closed when the last connection leaves while draining
	}
}

// New returns a server that does not listen yet: see Serve.
func New(opts Options) (*Server, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Server{opts: opts, group: stop.NewGroup(context.Background())}
	s.wrongCancels.clock = opts.Clock
	s.mu.listeners = make(map[net.Listener]struct{})
	s.mu.conns = make(map[*conn]struct{})
	s.mu.processes = make(map[uint32]*conn)
	s.mu.drained = make(chan struct{})
	s.group.Go("pgwire clients", s.watchClients) // ends with Close
	return s, nil
}

// Serve accepts connections until the listener fails for good or the server is
// shut down or closed, and then returns nil. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.mu.closed || s.draining.Load() {
		s.mu.Unlock()
		return nil
	}
	s.mu.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.mu.listeners, l)
		s.mu.Unlock()
	}()
	for {
		nc, err := l.Accept()
		if err == nil {
			s.ServeConn(nc)
			continue
		}
		if s.draining.Load() || s.group.Context().Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept a connection: %w", err)
		}
		s.opts.Logger.Warn("accept a connection", "err", err)
		if env.Sleep(s.group.Context(), s.opts.Clock, acceptPause) != nil {
			return nil
		}
	}
}

// ServeConn serves one connection in a goroutine of the server's. It takes over
// the connection and closes it.
func (s *Server) ServeConn(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	refuse := s.mu.closed || len(s.mu.conns)-s.mu.admitted >= startingMax
	if !refuse {
		s.mu.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	// The goroutine ends when the client closes, breaks the protocol or is
	// terminated; Close closes its socket.
	if refuse || !s.group.Go("pgwire connection", c.run) {
		nc.Close()
		if !refuse {
			s.remove(c)
		}
	}
}

// Connections is the number of open connections, counting those that have not
// authenticated yet.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Shutdown drains the server: it closes the listeners, sends 57P01 to idle
// connections at once and to the others when their transaction ends, and returns
// when none is left. When ctx ends first it closes the rest and returns the error
// of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.closeListeners()
	s.mu.Lock()
	idle := make([]*conn, 0, len(s.mu.conns))
	for c := range s.mu.conns {
		if c.idle.Load() {
			idle = append(idle, c)
		}
	}
	s.checkDrainedLocked()
	s.mu.Unlock()
	for _, c := range idle {
		c.terminate(errShutdown())
	}
	var err error
	select {
	case <-s.mu.drained:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return err
}

// Close ends all connections at once and waits for their sessions to close.
func (s *Server) Close() {
	s.draining.Store(true)
	s.closeListeners()
	s.mu.Lock()
	s.mu.closed = true
	conns := make([]*conn, 0, len(s.mu.conns))
	for c := range s.mu.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.terminate(errShutdown())
		// What is stuck in a write must not wait for a slow client.
		c.raw.Close()
	}
	s.group.Stop()
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	ls := make([]net.Listener, 0, len(s.mu.listeners))
	for l := range s.mu.listeners {
		ls = append(ls, l)
	}
	s.mu.Unlock()
	for _, l := range ls {
		l.Close()
	}
}

// admit counts a connection towards the limit and gives it its process id.
func (s *Server) admit(c *conn, protocol uint32) error {
	if s.draining.Load() {
		return sqlerr.New(sqlerr.CannotConnectNow, "the database system is shutting down")
	}
	s.mu.Lock()
	full := s.mu.admitted >= s.opts.ConnectionsMax
	if !full {
		s.mu.admitted++
		c.admitted = true
	}
	s.mu.Unlock()
	if full {
		return sqlerr.New(sqlerr.TooManyConnections, "sorry, too many clients already").
			WithDetail("The node takes at most %d connections.", s.opts.ConnectionsMax)
	}
	return s.newProcess(c, protocol)
}

// remove forgets a connection.
func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
	if s.mu.processes[c.processID] == c {
		delete(s.mu.processes, c.processID)
	}
	if c.admitted {
		s.mu.admitted--
	}
	s.checkDrainedLocked()
}

// Requires: s.mu held.
func (s *Server) checkDrainedLocked() {
	if len(s.mu.conns) > 0 || !s.draining.Load() {
		return
	}
	select {
	case <-s.mu.drained:
	default:
		close(s.mu.drained)
	}
}

func errShutdown() *sqlerr.Error {
	return sqlerr.New(sqlerr.AdminShutdown, "terminating connection due to administrator command").
		WithSeverity(sqlerr.SeverityFatal)
}
