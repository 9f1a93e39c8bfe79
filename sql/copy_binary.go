package sql

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// The binary format of COPY (PostgreSQL, "COPY", "Binary Format"): a signature, a
// word of flags, a header extension with its length; then rows, each with the number
// of its fields and each field with its length; and -1 in the place of a number of
// fields at the end.
const (
	copySignature = "PGCOPY\n\xff\r\n\x00"
	// copyFlagOIDs says that rows begin with an OID, which PostgreSQL has given up.
	copyFlagOIDs = 1 << 16
	// copyFlagsCritical are those that a reader must know.
	copyFlagsCritical = 0xffff << 16
	copyTrailer       = -1
)

// checkBinaryOptions refuses what only texts have.
func checkBinaryOptions(o ast.CopyOptions) error {
	switch {
	case o.Delimiter != nil:
		return sqlerr.New(sqlerr.SyntaxError, "cannot specify DELIMITER in BINARY mode")
	case o.Null != nil:
		return sqlerr.New(sqlerr.SyntaxError, "cannot specify NULL in BINARY mode")
	case o.Header:
		return sqlerr.New(sqlerr.FeatureNotSupported, "cannot specify HEADER in BINARY mode")
	}
	return nil
}

func badCopy(format string, args ...any) error {
	return sqlerr.New(sqlerr.BadCopyFileFormat, format, args...)
}

// binaryReader reads the data of a client as one stream.
type binaryReader struct {
	in  pgwire.CopyReader
	buf []byte
	at  int // what comes before it was read
}

// next returns n bytes, valid until the next call. It returns io.EOF if there are
// none at all, and 22P04 if there are fewer.
func (r *binaryReader) next(n int) ([]byte, error) {
	for len(r.buf)-r.at < n {
		data, err := r.in.Next()
		switch {
		case err == io.EOF && len(r.buf) == r.at:
			return nil, io.EOF
		case err == io.EOF:
			return nil, badCopy("unexpected EOF in COPY data")
		case err != nil:
			return nil, err
		}
		r.buf = append(r.buf[:copy(r.buf, r.buf[r.at:])], data...)
		r.at = 0
	}
	b := r.buf[r.at : r.at+n]
	r.at += n
	return b, nil
}

// must is next where the data may not end.
func (r *binaryReader) must(n int) ([]byte, error) {
	b, err := r.next(n)
	if err == io.EOF {
		return nil, badCopy("unexpected EOF in COPY data")
	}
	return b, err
}

func (r *binaryReader) int32() (int32, error) {
	b, err := r.must(4)
	if err != nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(b)), nil
}

// header reads what comes before the rows.
func (r *binaryReader) header() error {
	b, err := r.next(len(copySignature))
	if err != nil && err != io.EOF && !sqlerr.Is(err, sqlerr.BadCopyFileFormat) {
		return err
	}
	if err != nil || string(b) != copySignature {
		return badCopy("COPY file signature not recognized")
	}
	flags, err := r.int32()
	switch {
	case err != nil:
		return badCopy("invalid COPY file header (missing flags)")
	case uint32(flags)&copyFlagOIDs != 0:
		return badCopy("invalid COPY file header (WITH OIDS)")
	case uint32(flags)&copyFlagsCritical != 0:
		return badCopy("unrecognized critical flags in COPY file header")
	}
	n, err := r.int32()
	if err != nil || n < 0 {
		return badCopy("invalid COPY file header (missing length)")
	}
	for n > 0 { // of no meaning yet, and of any length
		step := min(n, 4096)
		if _, err := r.must(int(step)); err != nil {
			return badCopy("invalid COPY file header (wrong length)")
		}
		n -= step
	}
	return nil
}

// fields reads the number of fields of the next row; io.EOF after the last.
func (r *binaryReader) fields(want int) error {
	b, err := r.next(2)
	if err != nil {
		return err // the trailer may be missing
	}
	n := int16(binary.BigEndian.Uint16(b))
	if n == copyTrailer {
		if _, err := r.next(1); err != nil {
			return err
		}
		return badCopy("received copy data after EOF marker")
	}
	if int(n) != want {
		return badCopy("row field count is %d, expected %d", n, want)
	}
	return nil
}

// value reads one field.
func (r *binaryReader) value(t types.Type, format *types.FormatContext) (types.Datum, error) {
	n, err := r.int32()
	switch {
	case err != nil:
		return types.Null, err
	case n == -1:
		return types.Null, types.CheckDomain(types.Null, t, format)
	case n < 0:
		return types.Null, badCopy("invalid field size")
	case n >= copyLineMax:
		return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "a field of COPY has %d bytes or more", copyLineMax)
	}
	b, err := r.must(int(n))
	if err != nil {
		return types.Null, err
	}
	return types.DecodeBinary(b, t, format)
}

// copyRowsBinary reads rows until the client ends them, and inserts them.
func (s *Session) copyRowsBinary(ctx context.Context, r *binaryReader, t *catalog.Table, cols []int, bulk *exec.Bulk) (int64, error) {
	if err := r.header(); err != nil {
		return 0, err
	}
	format := s.formatContext()
	vals := make([]types.Datum, len(cols))
	for n := int64(0); ; n++ {
		where := func(err error, col string) error {
			e := *sqlerr.As(err)
			e.Where = "COPY " + t.Name + ", line " + itoa(int(n+1))
			if col != "" {
				e.Where += ", column " + col
			}
			return &e
		}
		err := r.fields(len(cols))
		if err == io.EOF {
			if err := bulk.Flush(ctx); err != nil {
				return 0, flushed(t, bulk, err)
			}
			return n, nil
		}
		if err != nil {
			return 0, where(err, "")
		}
		for i, c := range cols {
			col := &t.Columns[c]
			if vals[i], err = r.value(col.Type, format); err != nil {
				return 0, where(err, col.Name)
			}
		}
		if err := bulk.Add(ctx, vals, n+1); err != nil {
			if bulk.Failed() != 0 {
				return 0, flushed(t, bulk, err)
			}
			return 0, where(err, "")
		}
		if n&0xff == 0xff && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// copyRowsOut writes the rows of a query.
func copyRowsOut(ctx context.Context, next func(context.Context) ([]types.Datum, error), ts []types.Type, out pgwire.CopyWriter, format *types.FormatContext) (int64, error) {
	line := append([]byte(copySignature), make([]byte, 8)...) // no flags, no extension
	if err := out.WriteRow(line); err != nil {
		return 0, err
	}
	for n := int64(0); ; n++ {
		row, err := next(ctx)
		if err != nil {
			return 0, err
		}
		if row == nil {
			if err := out.WriteRow([]byte{0xff, 0xff}); err != nil {
				return 0, err
			}
			return n, out.Done()
		}
		line = binary.BigEndian.AppendUint16(line[:0], uint16(len(row)))
		for i, d := range row {
			at := len(line)
			line = append(line, 0xff, 0xff, 0xff, 0xff) // NULL
			if d.IsNull() {
				continue
			}
			if line, err = types.EncodeBinary(line, d, ts[i], format); err != nil {
				return 0, err
			}
			binary.BigEndian.PutUint32(line[at:], uint32(len(line)-at-4))
		}
		if err := out.WriteRow(line); err != nil {
			return 0, err
		}
	}
}
