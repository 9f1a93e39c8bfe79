package pgwire

import (
	"io"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// CopyIn implements ResultWriter.
func (r *results) CopyIn(format int16, columns int) (CopyReader, error) {
	if r.inRows || r.copyIn != nil || r.copyOut {
		return nil, sqlerr.Internal("COPY FROM STDIN begun within the results of a statement")
	}
	r.out.copyResponse('G', format, columns)
	// The client sends nothing before it has seen the response.
	if err := r.out.flush(); err != nil {
		return nil, err
	}
	r.copyIn = &copyReader{conn: r.read}
	return r.copyIn, nil
}

// CopyOut implements ResultWriter.
func (r *results) CopyOut(format int16, columns int) (CopyWriter, error) {
	if r.inRows || r.copyIn != nil || r.copyOut {
		return nil, sqlerr.Internal("COPY TO STDOUT begun within the results of a statement")
	}
	r.out.copyResponse('H', format, columns)
	r.copyOut = true
	return copyWriter{r}, r.out.err
}

func (w *writer) copyResponse(typ byte, format int16, columns int) {
	w.open(typ)
	w.byte(byte(format))
	w.uint16(uint16(columns))
	for range columns {
		w.uint16(uint16(format))
	}
	w.close()
}

// copyReader reads CopyData messages.
type copyReader struct {
	conn *conn
	err  error // io.EOF or the error the copy ended with
}

// Next implements CopyReader. Flush and Sync are ignored, as the protocol wants
// ("COPY Operations"): a client may send them without waiting for the response.
func (r *copyReader) Next() ([]byte, error) {
	for r.err == nil {
		typ, body, err := r.conn.in.readMessage()
		if err != nil {
			r.err = r.conn.lost(err)
			break
		}
		switch typ {
		case 'd':
			return body, nil
		case 'c':
			r.err = io.EOF
		case 'f':
			r.err = r.conn.copyFailed(body)
		case 'H', 'S':
		case 'X':
			r.err = r.conn.lost(io.EOF)
		default:
			r.err = r.conn.lost(protocolError("unexpected message type %q during COPY from stdin", typ))
		}
	}
	return nil, r.err
}

// copyFailed turns a CopyFail message into the error that ends the statement.
func (c *conn) copyFailed(body []byte) error {
	msg, err := c.decode('f', body)
	if err != nil {
		return err
	}
	return sqlerr.New(sqlerr.QueryCanceled, "COPY from stdin failed: %s", msg.(*pgproto3.CopyFail).Message)
}

// copyWriter writes CopyData messages.
type copyWriter struct{ r *results }

// WriteRow implements CopyWriter.
func (c copyWriter) WriteRow(data []byte) error {
	if !c.r.copyOut {
		return sqlerr.Internal("COPY data written after its end")
	}
	if len(data) > messageBytesLimit {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "a row exceeds the %d bytes that a message can hold", messageBytesLimit)
	}
	w := c.r.out
	w.open('d')
	w.buf = append(w.buf, data...)
	w.close()
	return w.flushFull()
}

// Done implements CopyWriter.
func (c copyWriter) Done() error {
	if !c.r.copyOut {
		return sqlerr.Internal("COPY data ended twice")
	}
	c.r.copyOut = false
	c.r.out.empty('c')
	return c.r.out.flushFull()
}
