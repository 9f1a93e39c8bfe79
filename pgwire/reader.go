package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

const (
	// startupBytesMax bounds a startup packet without its length word
	// (MAX_STARTUP_PACKET_LENGTH in PostgreSQL).
	startupBytesMax = 10000
	// passwordBytesMax bounds a message of the authentication exchange
	// (PG_MAX_SASL_MESSAGE_LENGTH in PostgreSQL).
	passwordBytesMax = 1024
	// smallBytesMax bounds messages that carry no data, only names
	// (PQ_SMALL_MESSAGE_LIMIT in PostgreSQL).
	smallBytesMax = 10000
	// messageBytesLimit is the largest message PostgreSQL would take
	// (PQ_LARGE_MESSAGE_LIMIT), and the largest value of Options.MessageBytesMax.
	messageBytesLimit = 1<<30 - 1
)

// reader cuts the byte stream of a client into messages. It checks each header
// before it reads the body, and reads bodies in pieces that grow with what has
// arrived, so that an announced length allocates nothing.
//
// While a connection is idle or has not authenticated, its reader makes do with
// the small array inside it.
type reader struct {
	conn    net.Conn
	buffers *buffers
	// bodyBytesMax bounds the bodies of messages that carry data.
	bodyBytesMax int
	// trusted lets the reader borrow a buffer of full size. Before authentication
	// it grows by doubling from the small array.
	trusted bool

	small [512]byte
	buf   []byte // small[:] or a slice borrowed or made
	r, w  int    // buf[r:w] has arrived and is not consumed
	err   error  // first error of conn

	// msg is the last message with its header; next is where pgproto3 reads on.
	msg  []byte
	next int
}

func newReader(conn net.Conn, b *buffers, bodyBytesMax int) *reader {
	r := &reader{conn: conn, buffers: b, bodyBytesMax: bodyBytesMax}
	r.buf = r.small[:]
	return r
}

// buffered is the number of bytes that have arrived and are not consumed.
func (r *reader) buffered() int { return r.w - r.r }

// readStartup reads a packet of the start phase and returns it without its
// length: a four-byte code and what follows.
func (r *reader) readStartup() ([]byte, error) {
	if err := r.fill(4); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(r.buf[r.r:])
	if n < 8 || n > 4+startupBytesMax {
		return nil, protocolError("invalid length of startup packet: %d", n)
	}
	if err := r.fill(int(n)); err != nil {
		return nil, err
	}
	pkt := r.buf[r.r+4 : r.r+int(n)]
	r.r += int(n)
	return pkt, nil
}

// readPassword reads the answer to a request for authentication, valid until the
// next call.
func (r *reader) readPassword() ([]byte, error) {
	if err := r.fill(5); err != nil {
		return nil, err
	}
	if typ := r.buf[r.r]; typ != 'p' {
		return nil, protocolError("expected SASL response, got message type %d", typ)
	}
	n := binary.BigEndian.Uint32(r.buf[r.r+1:])
	if n < 4 || n > 4+passwordBytesMax {
		return nil, protocolError("invalid length %d of a password message", n)
	}
	if err := r.fill(1 + int(n)); err != nil {
		return nil, err
	}
	body := r.buf[r.r+5 : r.r+1+int(n)]
	r.r += 1 + int(n)
	return body, nil
}

// readMessage reads one message and returns its type and body, valid until the
// next call. io.EOF means that the client closed between messages. An error of
// type *sqlerr.Error says that the stream makes no sense from here on.
func (r *reader) readMessage() (typ byte, body []byte, err error) {
	r.shrink()
	if err := r.fill(5); err != nil {
		return 0, nil, err
	}
	typ = r.buf[r.r]
	n, err := checkHeader(typ, binary.BigEndian.Uint32(r.buf[r.r+1:]), r.bodyBytesMax)
	if err != nil {
		return 0, nil, err
	}
	if err := r.fill(5 + n); err != nil {
		return 0, nil, err
	}
	r.msg, r.next = r.buf[r.r:r.r+5+n], 0
	r.r += 5 + n
	return typ, r.msg[5:], nil
}

// Next implements pgproto3.ChunkReader over the message that readMessage has
// returned, so that pgproto3 sees only whole messages with a checked header.
func (r *reader) Next(n int) ([]byte, error) {
	if n < 0 || n > len(r.msg)-r.next {
		return nil, fmt.Errorf("read %d bytes of a message that has %d left", n, len(r.msg)-r.next)
	}
	b := r.msg[r.next : r.next+n : r.next+n]
	r.next += n
	return b, nil
}

// release gives the buffer back if nothing has arrived that it must hold. It
// invalidates the last message.
func (r *reader) release() {
	if len(r.buf) == len(r.small) || r.w-r.r > len(r.small) {
		return
	}
	n := copy(r.small[:], r.buf[r.r:r.w])
	r.buffers.put(r.buf)
	r.buf, r.r, r.w, r.msg = r.small[:], 0, n, nil
}

// shrink drops a buffer that was grown for one large message.
func (r *reader) shrink() {
	if len(r.buf) <= keepBytesMax || r.w-r.r > pooledBytes {
		return
	}
	buf := r.buffers.get()
	n := copy(buf, r.buf[r.r:r.w])
	r.buf, r.r, r.w, r.msg = buf, 0, n, nil
}

// fill makes buf[r:w] at least n bytes long.
func (r *reader) fill(n int) error {
	for r.w-r.r < n {
		if r.err != nil {
			if r.w > r.r && errors.Is(r.err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return r.err
		}
		r.makeRoom(n)
		m, err := r.conn.Read(r.buf[r.w:])
		r.w += m
		r.err = err
	}
	return nil
}

// makeRoom leaves room behind w, for n bytes from r on if the buffer is that
// long. It grows only a buffer that is full of bytes of the same message.
// Requires: w-r < n.
func (r *reader) makeRoom(n int) {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if len(r.buf)-r.r >= n {
		return
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if len(r.buf) >= n {
		return
	}
	var bigger []byte
	switch {
	case r.trusted && len(r.buf) < pooledBytes:
		// Leaving the small array early saves a system call.
		bigger = r.buffers.get()
	case r.w < len(r.buf):
		return
	default:
		bigger = make([]byte, min(n, 2*len(r.buf)))
	}
	copy(bigger, r.buf[:r.w])
	r.buffers.put(r.buf)
	r.buf = bigger
}

// checkHeader returns the length of the body of a message from its type and
// length word, and an error for a message that no client sends.
func checkHeader(typ byte, length uint32, bodyBytesMax int) (int, error) {
	limit := smallBytesMax
	switch typ {
	case 'B', 'P', 'Q', 'd', 'F', 'f':
		limit = bodyBytesMax
	case 'C', 'D', 'E', 'H', 'S', 'X', 'c':
	case 'p':
		return 0, protocolError("password message outside of authentication")
	default:
		return 0, protocolError("invalid frontend message type %d", typ)
	}
	if length < 4 {
		return 0, protocolError("invalid length %d of a message of type %q", length, typ)
	}
	if n := int64(length) - 4; n > int64(limit) {
		if n > messageBytesLimit || limit == smallBytesMax {
			return 0, protocolError("invalid length %d of a message of type %q", length, typ)
		}
		return 0, sqlerr.New(sqlerr.ProgramLimitExceeded, "a message of %d bytes exceeds the limit of %d bytes", n, limit).
			WithSeverity(sqlerr.SeverityFatal)
	}
	return int(length) - 4, nil
}

// protocolError is a FATAL protocol_violation: the byte stream is not understood
// from here on.
func protocolError(format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.ProtocolViolation, format, args...).WithSeverity(sqlerr.SeverityFatal)
}
