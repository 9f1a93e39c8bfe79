package pgwire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Codes in the place of the protocol version of a startup packet, and versions.
// pgproto3 v2 reads these packets too, but knows neither 3.2 nor its longer
// cancel keys, so that they are decoded here.
const (
	codeCancel = 1234<<16 | 5678
	codeSSL    = 1234<<16 | 5679
	codeGSS    = 1234<<16 | 5680

	protocol30     uint32 = 3 << 16
	protocol32     uint32 = 3<<16 | 2
	protocolLatest        = protocol32
)

// startup is what a client asks for.
type startup struct {
	protocol       uint32 // the version that will be spoken
	negotiate      bool   // the client asked for something else
	unknownOptions []string
	user, database string
	settings       []Setting
}

// start brings the connection to its first ReadyForQuery. A CancelRequest is
// served here too, and ends with io.EOF.
func (c *conn) start(ctx context.Context) error {
	s := c.server
	// Covers everything up to the session, the TLS handshake included.
	if err := c.raw.SetDeadline(s.opts.Clock.Now().Add(s.opts.AuthTimeout)); err != nil {
		return fmt.Errorf("set the deadline of authentication: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.AuthTimeout)
	defer cancel()
	if err := c.open(ctx); err != nil {
		if t := c.terminating.Load(); t != nil {
			return t
		}
		return err
	}
	c.in.trusted = true
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift the deadline of authentication: %w", err)
	}
	if t := c.terminating.Load(); t != nil {
		// Its interruption of reads may have come before the deadline was lifted.
		return t
	}
	return c.ready()
}

// open does what start does, up to ReadyForQuery.
func (c *conn) open(ctx context.Context) error {
	pkt, err := c.request(ctx)
	if err != nil {
		return err
	}
	st, err := parseStartup(pkt)
	if err != nil {
		return err
	}
	if st.negotiate {
		c.out.negotiateProtocolVersion(st.protocol, st.unknownOptions)
	}
	if err := c.server.admit(c, st.protocol); err != nil {
		return err
	}
	client := Client{User: st.user, Database: st.database, Addr: c.raw.RemoteAddr(), TLS: c.tls, CertName: c.certName}
	proof, err := c.server.opts.Auth.Authenticate(ctx, client)
	if err != nil {
		return sqlerr.As(err)
	}
	if proof.Password != nil {
		if err := c.checkPassword(st.user, proof.Password); err != nil {
			return err
		}
	}
	// Before the session, which may have notices of its own.
	c.out.open('R') // AuthenticationOk
	c.out.uint32(0)
	c.out.close()
	session, err := c.server.opts.Engine.NewSession(ctx, SessionParams{
		User:       st.user,
		Database:   st.database,
		Settings:   st.settings,
		RemoteAddr: c.raw.RemoteAddr(),
		TLS:        c.tls,
		ProcessID:  c.processID,
		Notifier:   &c.res,
		Terminate:  c.terminate,
		Notify:     c.notify,
	})
	if err != nil {
		return sqlerr.As(err)
	}
	c.session = session
	c.running.Store(&session)

	for _, p := range session.ReportedSettings() {
		c.out.parameterStatus(p.Name, p.Value)
	}
	c.out.open('K') // BackendKeyData
	c.out.uint32(c.processID)
	c.out.buf = append(c.out.buf, c.secret...)
	c.out.close()
	return nil
}

// request answers requests for encryption and cancel requests, and returns the
// startup packet proper.
func (c *conn) request(ctx context.Context) ([]byte, error) {
	var askedTLS, askedGSS bool
	for {
		if err := c.in.fill(1); err != nil {
			return nil, err
		}
		if !askedTLS && !askedGSS && c.in.buf[c.in.r] == tlsHandshakeRecord {
			if config := c.tlsConfig(); config != nil {
				askedTLS = true
				if err := c.startTLS(ctx, config, true); err != nil {
					return nil, err
				}
				continue
			}
		}
		pkt, err := c.in.readStartup()
		if err != nil {
			return nil, err
		}
		switch code := binary.BigEndian.Uint32(pkt); {
		case code == codeCancel:
			c.server.cancelRequest(ctx, host(c.raw.RemoteAddr()), pkt[4:])
			return nil, io.EOF // served
		case code == codeSSL && !askedTLS && len(pkt) == 4:
			askedTLS = true
			config := c.tlsConfig()
			if config == nil {
				if err := c.answer('N'); err != nil {
					return nil, err
				}
				continue
			}
			if c.in.buffered() > 0 {
				// Such bytes were not protected: whoever put them there could speak for the
				// client (CVE-2021-23214).
				return nil, protocolError("received unencrypted data after SSL request")
			}
			if err := c.answer('S'); err != nil {
				return nil, err
			}
			if err := c.startTLS(ctx, config, false); err != nil {
				return nil, err
			}
		case code == codeGSS && !askedGSS && len(pkt) == 4:
			askedGSS = true
			if err := c.answer('N'); err != nil {
				return nil, err
			}
		case code>>16 == 3:
			return pkt, nil
		default:
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.%d",
				code>>16, code&0xffff, protocolLatest&0xffff)
		}
	}
}

// answer sends one byte outside of any message.
func (c *conn) answer(b byte) error {
	if c.out.buf == nil {
		c.out.buf = c.out.buffers.get()[:0]
	}
	c.out.buf = append(c.out.buf, b)
	err := c.out.flush()
	c.out.release()
	return err
}

// tlsHandshakeRecord is the first byte of a client that starts TLS without asking.
const tlsHandshakeRecord = 0x16

// alpn is the protocol name that a client must offer when it starts TLS directly.
const alpn = "postgresql"

func (c *conn) tlsConfig() *tls.Config {
	if c.tls || c.server.opts.TLSConfig == nil {
		return nil
	}
	return c.server.opts.TLSConfig()
}

// startTLS goes on encrypted. direct says that the handshake has begun in what
// has already been read.
func (c *conn) startTLS(ctx context.Context, config *tls.Config, direct bool) error {
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{alpn}
	var under = c.raw
	if direct {
		under = &prefixedConn{Conn: c.raw, prefix: append([]byte(nil), c.in.buf[c.in.r:c.in.w]...)}
		c.in.r, c.in.w = 0, 0
	}
	conn := tls.Server(under, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.tls = true
	c.in.conn, c.out.conn = conn, conn
	state := conn.ConnectionState()
	if len(state.VerifiedChains) > 0 {
		c.certName = state.PeerCertificates[0].Subject.CommonName
	}
	if len(config.Certificates) == 1 {
		c.serverCert = config.Certificates[0].Certificate[0]
	}
	if direct && state.NegotiatedProtocol != alpn {
		return protocolError("received direct SSL connection request without ALPN protocol negotiation extension")
	}
	return nil
}

// prefixedConn is a connection of which the first bytes have been read.
type prefixedConn struct {
	net.Conn
	prefix []byte
}

func (p *prefixedConn) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// negotiateProtocolVersion offers a client less than it asked for.
func (w *writer) negotiateProtocolVersion(protocol uint32, unknownOptions []string) {
	w.open('v')
	w.uint32(protocol)
	w.uint32(uint32(len(unknownOptions)))
	for _, o := range unknownOptions {
		w.cstring(o)
	}
	w.close()
}

// parseStartup reads a packet whose code is a version 3.x.
func parseStartup(pkt []byte) (startup, error) {
	asked := binary.BigEndian.Uint32(pkt)
	st := startup{protocol: min(asked, protocolLatest), negotiate: asked > protocolLatest}
	var options string
	var hasDatabase bool
	f := fields{body: pkt[4:]}
	for {
		name := string(f.text())
		if name == "" {
			break
		}
		value := string(f.text())
		switch {
		case f.err != nil:
		case name == "user":
			st.user = value
		case name == "database":
			st.database, hasDatabase = value, value != ""
		case name == "options":
			options = value
		case name == "replication":
			if !isFalse(value) {
				return startup{}, sqlerr.Unsupported("the replication protocol").WithSeverity(sqlerr.SeverityFatal)
			}
		case strings.HasPrefix(name, "_pq_."):
			st.unknownOptions = append(st.unknownOptions, name)
			st.negotiate = true
		default:
			st.settings = append(st.settings, Setting{name, value})
		}
	}
	switch {
	case f.err == errShort || f.err == nil && len(f.body) > 0:
		return startup{}, protocolError("invalid startup packet layout: expected terminator as last byte")
	case f.err != nil:
		return startup{}, f.err
	case st.user == "":
		return startup{}, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "no PostgreSQL user name specified in startup packet")
	}
	if !hasDatabase {
		st.database = st.user
	}
	fromOptions, err := parseOptions(options)
	if err != nil {
		return startup{}, err
	}
	st.settings = append(fromOptions, st.settings...)
	return st, nil
}

func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "false", "off", "no", "0", "f", "n":
		return true
	}
	return false
}

// parseOptions reads the command-line switches of the "options" parameter: -c
// name=value, -cname=value and --name=value, parted by blanks that a backslash
// makes part of a value.
func parseOptions(s string) ([]Setting, error) {
	var settings []Setting
	args := splitOptions(s)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		var assignment string
		switch {
		case arg == "-c" && i+1 < len(args):
			i++
			assignment = args[i]
		case strings.HasPrefix(arg, "-c"):
			assignment = arg[2:]
		case strings.HasPrefix(arg, "--"):
			assignment = arg[2:]
		}
		name, value, ok := strings.Cut(assignment, "=")
		if !ok || name == "" {
			return nil, sqlerr.New(sqlerr.SyntaxError, "invalid command-line argument for server process: %s", arg)
		}
		settings = append(settings, Setting{strings.ReplaceAll(name, "-", "_"), value})
	}
	return settings, nil
}

func splitOptions(s string) []string {
	var args []string
	var arg []byte
	in := false
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == ' ' || b >= '\t' && b <= '\r':
			if in {
				args, arg, in = append(args, string(arg)), arg[:0], false
			}
			continue
		case b == '\\' && i+1 < len(s):
			i++
		}
		arg, in = append(arg, s[i]), true
	}
	if in {
		args = append(args, string(arg))
	}
	return args
}
