package pgwire

import (
	"encoding/binary"
	"net"
	"strconv"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// writer encodes messages into the one output buffer of a connection.
//
// Messages are appended to buf as open, append…, close. Errors of the socket are
// sticky: after one, flush returns it and the buffer is dropped.
type writer struct {
	conn    net.Conn
	buffers *buffers
	clock   env.Clock
	timeout time.Duration // for one piece of at most flushPieceBytes

	buf []byte
	// start is where the open message begins, -1 if none is open.
	start int
	// sent counts the bytes that went to conn, so that sent+len(buf) is a place in
	// the stream that survives a flush.
	sent int64
	err  error
}

// flushPieceBytes bounds what must go out within one write timeout, so that a
// long result is not cut off while the client keeps reading.
const flushPieceBytes = 64 << 10

// position is where the next byte will be in the stream.
func (w *writer) position() int64 { return w.sent + int64(len(w.buf)) }

// rewind drops everything behind a position. It reports false if that has been
// sent in part.
func (w *writer) rewind(position int64) bool {
	if position < w.sent || position > w.position() {
		return false
	}
	w.buf, w.start = w.buf[:position-w.sent], -1
	return true
}

// open begins a message.
func (w *writer) open(typ byte) {
	if w.buf == nil {
		w.buf = w.buffers.get()[:0]
	}
	w.start = len(w.buf)
	w.buf = append(w.buf, typ, 0, 0, 0, 0)
}

// close ends the open message by filling in its length.
func (w *writer) close() {
	binary.BigEndian.PutUint32(w.buf[w.start+1:], uint32(len(w.buf)-w.start-1))
	w.start = -1
}

// abandon drops the open message, if any.
func (w *writer) abandon() {
	if w.start >= 0 {
		w.buf, w.start = w.buf[:w.start], -1
	}
}

// flush sends the buffer.
func (w *writer) flush() error {
	for b := w.buf; len(b) > 0 && w.err == nil; {
		piece := b[:min(len(b), flushPieceBytes)]
		if w.timeout > 0 {
			w.err = w.conn.SetWriteDeadline(w.clock.Now().Add(w.timeout))
		}
		if w.err == nil {
			_, w.err = w.conn.Write(piece)
		}
		b = b[len(piece):]
	}
	w.sent += int64(len(w.buf))
	if cap(w.buf) > keepBytesMax {
		w.buf = nil
	} else {
		w.buf = w.buf[:0]
	}
	return w.err
}

// flushFull sends the buffer if it is full. Requires: no message is open.
func (w *writer) flushFull() error {
	if len(w.buf) < flushBytes {
		return w.err
	}
	return w.flush()
}

// release gives an empty buffer back.
func (w *writer) release() {
	if w.buf != nil && len(w.buf) == 0 {
		w.buffers.put(w.buf)
		w.buf = nil
	}
}

func (w *writer) byte(b byte)     { w.buf = append(w.buf, b) }
func (w *writer) uint16(v uint16) { w.buf = binary.BigEndian.AppendUint16(w.buf, v) }
func (w *writer) uint32(v uint32) { w.buf = binary.BigEndian.AppendUint32(w.buf, v) }

// cstring appends a string with its terminator. A zero byte within, which the
// protocol cannot carry, ends it early.
func (w *writer) cstring(s string) {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			s = s[:i]
			break
		}
	}
	w.buf = append(append(w.buf, s...), 0)
}

// empty writes a message without a body.
func (w *writer) empty(typ byte) {
	w.open(typ)
	w.close()
}

func (w *writer) readyForQuery(txStatus byte) {
	w.open('Z')
	w.byte(txStatus)
	w.close()
}

func (w *writer) parameterStatus(name, value string) {
	w.open('S')
	w.cstring(name)
	w.cstring(value)
	w.close()
}

func (w *writer) commandComplete(tag string) {
	w.open('C')
	w.cstring(tag)
	w.close()
}

func (w *writer) commandCompleteRows(verb string, rows int64) {
	w.open('C')
	w.buf = append(w.buf, verb...)
	if verb == "INSERT" {
		// The place of the oid that PostgreSQL once gave to an inserted row.
		w.buf = append(w.buf, " 0"...)
	}
	w.byte(' ')
	w.buf = strconv.AppendInt(w.buf, rows, 10)
	w.byte(0)
	w.close()
}

// diagnosis writes an ErrorResponse ('E') or a NoticeResponse ('N').
func (w *writer) diagnosis(typ byte, e *sqlerr.Error) {
	severity := e.Severity
	if severity == "" {
		severity = sqlerr.SeverityError
		if typ == 'N' {
			severity = sqlerr.SeverityNotice
		}
	}
	code := e.Code
	if len(code) != 5 {
		code = sqlerr.InternalError
	}
	w.open(typ)
	w.field('S', severity)
	w.field('V', severity)
	w.field('C', code)
	w.byte('M') // required, even if empty
	w.cstring(e.Message)
	w.field('D', e.Detail)
	w.field('H', e.Hint)
	if e.Position > 0 {
		w.byte('P')
		w.buf = strconv.AppendInt(w.buf, int64(e.Position), 10)
		w.byte(0)
	}
	w.field('W', e.Where)
	w.field('s', e.Schema)
	w.field('t', e.Table)
	w.field('c', e.Column)
	w.field('d', e.DataType)
	w.field('n', e.Constraint)
	w.field('R', e.Routine)
	w.byte(0)
	w.close()
}

func (w *writer) field(code byte, value string) {
	if value != "" {
		w.byte(code)
		w.cstring(value)
	}
}
