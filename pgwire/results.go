package pgwire

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// results is the ResultWriter of a connection: it encodes into the connection's
// output buffer. One value serves all statements, one after another.
type results struct {
	out *writer
	// describe sends a RowDescription for Columns: the simple protocol does, while
	// an extended client asks for it with Describe.
	describe bool

	cols   []Column
	format *types.FormatContext
	inRows bool

	// completed counts the statements that were completed in this call, so that a
	// session that forgets to complete one is found out, and not its client left
	// waiting.
	completed int
	mark      int64 // place of the last Mark, -1 if there was none
	copyIn    *copyReader
	copyOut   bool
	read      *conn // where COPY data is read from
}

// begin prepares for a call of the session.
func (r *results) begin(describe bool) {
	r.describe = describe
	r.completed = 0
	r.mark = -1
	r.endStatement()
}

func (r *results) endStatement() {
	r.cols, r.format, r.inRows = nil, nil, false
	r.copyIn, r.copyOut = nil, false
}

func (r *results) Notice(n *sqlerr.Error)             { r.out.diagnosis('N', n) }
func (r *results) ParameterStatus(name, value string) { r.out.parameterStatus(name, value) }

func (r *results) Columns(cols []Column, format *types.FormatContext) error {
	if r.inRows || r.copyIn != nil || r.copyOut {
		return sqlerr.Internal("columns begun within the results of a statement")
	}
	if r.describe {
		if err := r.out.rowDescription(cols, true); err != nil {
			return err
		}
	}
	r.cols, r.format, r.inRows = cols, format, true
	return r.out.err
}

func (r *results) Row(row []types.Datum) error {
	if !r.inRows || len(row) != len(r.cols) {
		return sqlerr.Internal("row of %d values for %d columns", len(row), len(r.cols))
	}
	w := r.out
	if w.err != nil {
		return w.err
	}
	w.open('D')
	start := w.start
	var err error
	buf := binary.BigEndian.AppendUint16(w.buf, uint16(len(row)))
	for i := range row {
		at := len(buf)
		buf = append(buf, 0xff, 0xff, 0xff, 0xff) // the length of NULL
		if row[i].IsNull() {
			continue
		}
		col := &r.cols[i]
		if col.Format == FormatBinary {
			if buf, err = types.EncodeBinary(buf, row[i], col.Type, r.format); err != nil {
				w.abandon()
				return err
			}
		} else {
			buf = types.EncodeText(buf, row[i], col.Type, r.format)
		}
		if len(buf)-start > messageBytesLimit {
			w.abandon()
			return sqlerr.New(sqlerr.ProgramLimitExceeded, "a row exceeds the %d bytes that a message can hold", messageBytesLimit)
		}
		binary.BigEndian.PutUint32(buf[at:], uint32(len(buf)-at-4))
	}
	w.buf = buf
	w.close()
	return w.flushFull()
}

func (r *results) Complete(tag string) error {
	if err := r.finish(); err != nil {
		return err
	}
	r.out.commandComplete(tag)
	return r.out.flushFull()
}

func (r *results) CompleteRows(verb string, rows int64) error {
	if err := r.finish(); err != nil {
		return err
	}
	r.out.commandCompleteRows(verb, rows)
	return r.out.flushFull()
}

func (r *results) EmptyQuery() error {
	if err := r.finish(); err != nil {
		return err
	}
	r.out.empty('I')
	return r.out.flushFull()
}

// finish ends what the statement has begun.
func (r *results) finish() error {
	switch {
	case r.out.err != nil:
		return r.out.err
	case r.copyIn != nil && r.copyIn.err != io.EOF:
		// What the client still sends would be taken for the data of a later COPY.
		return sqlerr.Internal("statement completed before the end of its COPY data")
	case r.copyOut:
		return sqlerr.Internal("statement completed within COPY TO STDOUT")
	}
	r.endStatement()
	r.completed++
	return nil
}

func (r *results) Mark() { r.mark = r.out.position() }

func (r *results) Rewind() bool {
	if r.mark < 0 || r.copyIn != nil || !r.out.rewind(r.mark) {
		return false
	}
	r.endStatement()
	return true
}

// rowDescription describes the columns of a result. Before Bind the formats are
// not known and text is sent, as PostgreSQL does.
func (w *writer) rowDescription(cols []Column, formatsKnown bool) error {
	if len(cols) > math.MaxUint16 {
		return sqlerr.New(sqlerr.TooManyColumns, "result has %d columns, the protocol has room for %d", len(cols), math.MaxUint16)
	}
	w.open('T')
	w.uint16(uint16(len(cols)))
	for i := range cols {
		c := &cols[i]
		w.cstring(c.Name)
		w.uint32(c.TableOID)
		w.uint16(uint16(c.AttNum))
		w.uint32(uint32(c.Type.OID))
		w.uint16(uint16(c.Type.Len()))
		w.uint32(uint32(c.Type.Typmod))
		if formatsKnown {
			w.uint16(uint16(c.Format))
		} else {
			w.uint16(uint16(FormatText))
		}
	}
	w.close()
	return nil
}

// parameterDescription names the types of a statement's parameters.
func (w *writer) parameterDescription(params []types.Type) error {
	if len(params) > math.MaxUint16 {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "statement has %d parameters, the protocol has room for %d", len(params), math.MaxUint16)
	}
	w.open('t')
	w.uint16(uint16(len(params)))
	for _, t := range params {
		w.uint32(uint32(t.OID))
	}
	w.close()
	return nil
}
