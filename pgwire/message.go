package pgwire

import (
	"bytes"
	"encoding/binary"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// decode turns the body of the last message read into pgproto3's form, for the
// messages that are not decoded here (Query, Parse, Describe, Close, CopyFail).
// The error is for the client; the stream stays in step.
//
// pgproto3 v2 takes bodies that PostgreSQL refuses, and panics on others, so it
// sees only what checkBody has walked through. The recover is for what that may
// have missed.
func (c *conn) decode(typ byte, body []byte) (msg pgproto3.FrontendMessage, err error) {
	if err := checkBody(typ, body); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			msg, err = nil, protocolError("message of type %q cannot be decoded", typ)
		}
	}()
	if c.backend == nil {
		c.backend = pgproto3.NewBackend(c.in, nil)
	}
	msg, err = c.backend.Receive()
	if err != nil {
		return nil, malformed(typ).WithCause(err)
	}
	return msg, nil
}

// checkBody checks that a body has exactly the fields of its type, and text in
// the right encoding.
func checkBody(typ byte, body []byte) error {
	f := fields{body: body}
	switch typ {
	case 'Q', 'f':
		f.text()
	case 'P':
		f.text()
		f.text()
		f.skip(4 * int(f.uint16()))
	case 'D', 'C':
		if kind := f.byte(); f.err == nil && kind != 'S' && kind != 'P' {
			name := "DESCRIBE"
			if typ == 'C' {
				name = "CLOSE"
			}
			return sqlerr.New(sqlerr.ProtocolViolation, "invalid %s message subtype %d", name, kind)
		}
		f.text()
	}
	return f.end(typ)
}

// execute is the Execute message.
type execute struct {
	portal  string
	maxRows int
}

// decodeExecute reads an Execute message. pgproto3 would make two allocations of it.
func (c *conn) decodeExecute(body []byte) (execute, error) {
	f := fields{body: body}
	portal := f.text()
	maxRows := int32(f.uint32())
	if err := f.end('E'); err != nil {
		return execute{}, err
	}
	// PostgreSQL takes a negative limit for none.
	return execute{portal: c.names.portal.intern(portal), maxRows: int(max(maxRows, 0))}, nil
}

// decodeBind reads a Bind message into the connection's request, whose values
// point into body. pgproto3's decoder panics on a negative length and allocates
// by what the counts announce. Counts are unsigned: 65,535 parameters are legal.
func (c *conn) decodeBind(body []byte) (*BindRequest, error) {
	b := &c.bind
	f := fields{body: body}
	b.Portal = c.names.portal.intern(f.text())
	b.Statement = c.names.statement.intern(f.text())

	formats := f.codes()
	n := int(f.uint16())
	if f.err == nil && len(formats) > 2 && len(formats) != 2*n {
		return nil, sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d parameter formats but %d parameters", len(formats)/2, n)
	}
	if 4*n > len(f.body) {
		return nil, malformed('B')
	}
	b.Params = b.Params[:0]
	for i := range n {
		p := Param{Value: f.value()}
		switch len(formats) {
		case 0:
		case 2:
			p.Format = int16(binary.BigEndian.Uint16(formats))
		default:
			p.Format = int16(binary.BigEndian.Uint16(formats[2*i:]))
		}
		if err := checkFormat(p.Format); err != nil {
			return nil, err
		}
		if p.Format == FormatText && p.Value != nil {
			if err := CheckText(p.Value); err != nil {
				return nil, err
			}
		}
		b.Params = append(b.Params, p)
	}

	b.ResultFormats = b.ResultFormats[:0]
	for codes := f.codes(); len(codes) > 0; codes = codes[2:] {
		format := int16(binary.BigEndian.Uint16(codes))
		if err := checkFormat(format); err != nil {
			return nil, err
		}
		b.ResultFormats = append(b.ResultFormats, format)
	}
	if err := f.end('B'); err != nil {
		return nil, err
	}
	return b, nil
}

// forget drops what the request points to, and its memory if that is a lot.
func (b *BindRequest) forget() {
	const keep = 256
	if cap(b.Params) > keep {
		b.Params = nil
	} else {
		// All of it: values behind its end would keep the buffers of long messages.
		clear(b.Params[:cap(b.Params)])
	}
	if cap(b.ResultFormats) > keep {
		b.ResultFormats = nil
	}
}

func checkFormat(format int16) error {
	if format != FormatText && format != FormatBinary {
		return sqlerr.New(sqlerr.InvalidParameterValue, "unsupported format code: %d", format)
	}
	return nil
}

// malformed is the error for a body whose frame is sound but whose contents are
// not: an ordinary error, after which the connection goes on.
func malformed(typ byte) *sqlerr.Error {
	return sqlerr.New(sqlerr.ProtocolViolation, "invalid format of a message of type %q", typ)
}

// fields reads the fields of a message body one after another. After the first
// error every read returns zero.
type fields struct {
	body []byte
	err  error
}

// end returns the first error, or one if something is left.
func (f *fields) end(typ byte) error {
	if f.err == errShort || f.err == nil && len(f.body) > 0 {
		return malformed(typ)
	}
	return f.err
}

// errShort stands for a field that reaches beyond the body.
var errShort = sqlerr.New(sqlerr.ProtocolViolation, "insufficient data left in message")

func (f *fields) take(n int) []byte {
	if f.err != nil || n < 0 || n > len(f.body) {
		f.fail(errShort)
		return nil
	}
	b := f.body[:n:n]
	f.body = f.body[n:]
	return b
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) skip(n int) { f.take(n) }

func (f *fields) byte() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// text reads a string up to its zero byte and checks its encoding.
func (f *fields) text() []byte {
	n := bytes.IndexByte(f.body, 0)
	if n < 0 {
		f.fail(errShort)
		return nil
	}
	b := f.take(n)
	f.take(1)
	if f.err == nil {
		if err := CheckText(b); err != nil {
			f.fail(err)
		}
	}
	return b
}

// codes reads a counted list of two-byte codes.
func (f *fields) codes() []byte { return f.take(2 * int(f.uint16())) }

// value reads a counted value: nil for -1, which is NULL.
func (f *fields) value() []byte {
	n := int32(f.uint32())
	switch {
	case f.err != nil || n == -1:
		return nil
	case n < 0:
		f.fail(sqlerr.New(sqlerr.ProtocolViolation, "negative length %d of a parameter", n))
		return nil
	case n == 0:
		return []byte{}
	}
	return f.take(int(n))
}

// interned is the last string of a kind that a client sent. Clients repeat the
// names of statements and portals, and a repeated one costs no allocation.
type interned string

func (s *interned) intern(b []byte) string {
	if string(b) != string(*s) {
		*s = interned(b)
	}
	return string(*s)
}
