package sql

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// copyLineMax bounds one row of COPY, PostgreSQL's MaxAllocSize.
const copyLineMax = 1<<30 - 1

func (s *Session) copy(ctx context.Context, p *portal, st *ast.Copy, w pgwire.ResultWriter) error {
	if st.File != "" || st.Program != "" {
		return sqlerr.Unsupported("COPY with a file or program of the server")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	f, err := newCopyFormat(st.Options)
	if err != nil {
		return err
	}
	// While data flows the client has been told so: nothing can be run again.
	p.done = completion{verb: "COPY"}
	if st.From {
		return s.copyFrom(ctx, p, st, f, w)
	}
	return s.copyTo(ctx, p, st, f, w)
}

// copyFormat is the options of a copy.
type copyFormat struct {
	binary       bool // and none of what follows
	csv          bool
	header       bool
	matchHeader  bool
	delim, quote byte
	escape       byte
	null         string
	opts         ast.CopyOptions
}

func newCopyFormat(o ast.CopyOptions) (*copyFormat, error) {
	f := &copyFormat{csv: o.Format == ast.CopyCSV, header: o.Header, matchHeader: o.HeaderMatch, delim: '\t', null: `\N`, quote: '"', opts: o}
	if o.Format == ast.CopyBinary {
		f.binary = true
		return f, checkBinaryOptions(o)
	}
	if f.csv {
		f.delim, f.null = ',', ""
	}
	one := func(what string, v *string, into *byte) error {
		if v == nil {
			return nil
		}
		if len(*v) != 1 {
			return sqlerr.New(sqlerr.FeatureNotSupported, "COPY %s must be a single one-byte character", what)
		}
		*into = (*v)[0]
		return nil
	}
	if err := one("delimiter", o.Delimiter, &f.delim); err != nil {
		return nil, err
	}
	if (o.Quote != nil || o.Escape != nil) && !f.csv {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "COPY quote available only in CSV mode")
	}
	if err := one("quote", o.Quote, &f.quote); err != nil {
		return nil, err
	}
	f.escape = f.quote
	if err := one("escape", o.Escape, &f.escape); err != nil {
		return nil, err
	}
	if o.Null != nil {
		f.null = *o.Null
	}
	switch {
	case f.delim == '\n' || f.delim == '\r':
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "COPY delimiter cannot be newline or carriage return")
	case strings.ContainsAny(f.null, "\r\n"):
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "COPY null representation cannot use newline or carriage return")
	case !f.csv && strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, f.delim) >= 0:
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "COPY delimiter cannot be %q", string(f.delim))
	case strings.IndexByte(f.null, f.delim) >= 0:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "COPY delimiter must not appear in the NULL specification")
	case o.Encoding != nil && !strings.EqualFold(strings.ReplaceAll(*o.Encoding, "-", ""), "utf8"):
		return nil, sqlerr.Unsupported("COPY with ENCODING %q", *o.Encoding)
	case len(o.ForceNotNull) > 0 || len(o.ForceNull) > 0:
		return nil, sqlerr.Unsupported("COPY with FORCE_NULL or FORCE_NOT_NULL")
	}
	return f, nil
}

// wire is the format that the client is told of.
func (f *copyFormat) wire() int16 {
	if f.binary {
		return pgwire.FormatBinary
	}
	return pgwire.FormatText
}

// copyColumns resolves the column list.
func copyColumns(t *catalog.Table, list []ast.Ident) ([]int, error) {
	var out []int
	if len(list) == 0 {
		for i := range t.Columns {
			if c := &t.Columns[i]; !c.Hidden && !c.Dropped && c.Generated == "" {
				out = append(out, i)
			}
		}
		return out, nil
	}
	for _, id := range list {
		c := t.ColumnByName(id.Name)
		if c == nil {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", id.Name, t.Name)
		}
		if c.Generated != "" {
			return nil, sqlerr.New(sqlerr.InvalidColumnReference, "column %q is a generated column", c.Name).
				WithDetail("Generated columns cannot be used in COPY.")
		}
		at := t.ColumnIndex(c.ID)
		for _, o := range out {
			if o == at {
				return nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", id.Name)
			}
		}
		out = append(out, at)
	}
	return out, nil
}

// copyFrom is COPY t FROM STDIN.
func (s *Session) copyFrom(ctx context.Context, p *portal, st *ast.Copy, f *copyFormat, w pgwire.ResultWriter) error {
	if st.Where != nil {
		return sqlerr.Unsupported("COPY FROM … WHERE")
	}
	d := &ddl{s: s, text: p.prep.text}
	if err := d.copyView(*st.Table, true); err != nil {
		return err
	}
	t, err := d.userTable(*st.Table)
	if err != nil {
		return err
	}
	if s.tx.readOnly && !t.Temp {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute COPY FROM in a read-only transaction")
	}
	cols, err := copyColumns(t, st.Columns)
	if err != nil {
		return err
	}
	need := &plan.Need{Table: t, Privileges: catalog.Insert, Schema: st.Table.Schema != "", Inserted: map[int16]bool{}}
	for _, c := range cols {
		need.Inserted[t.Columns[c].ID] = true
	}
	if err := s.authorize([]*plan.Need{need}); err != nil {
		return err
	}
	if err := s.settled(ctx, []*plan.Need{need}); err != nil {
		return err
	}
	s.tx.tx.Prepare(StatementOptions{Text: p.prep.text, Bulk: true})
	rt := s.runtime(ctx, nil)
	// The client has been told that rows arrive one by one, so a duplicate key shall
	// come up where it is met.
	rt.Autocommit = false
	ins, err := plan.BulkInsert(s.planOptions(p.prep.text, nil), t, cols)
	if err != nil {
		return err
	}
	bulk, err := rt.Bulk(ctx, ins)
	if err != nil {
		return err
	}
	in, err := w.CopyIn(f.wire(), len(cols))
	if err != nil {
		return err
	}
	// What follows a bad row is read and thrown away, or it would be taken for the
	// next message.
	var n int64
	if f.binary {
		n, err = s.copyRowsBinary(ctx, &binaryReader{in: in}, t, cols, bulk)
	} else {
		n, err = s.copyRows(ctx, &copyReader{in: in, f: f}, f, t, cols, bulk)
	}
	if err != nil {
		return err
	}
	p.done.rows = n
	s.e.known.changed(t.ID, n)
	return nil
}

func (s *Session) copyRows(ctx context.Context, r *copyReader, f *copyFormat, t *catalog.Table, cols []int, bulk *exec.Bulk) (int64, error) {
	format := s.formatContext()
	var n int64
	fields := make([]copyField, 0, len(cols))
	vals := make([]types.Datum, len(cols))
	first := true
	for {
		line, err := r.record()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		where := func(err error, col string) error {
			e := *sqlerr.As(err)
			e.Where = "COPY " + t.Name + ", line " + itoa(r.line)
			if col != "" {
				e.Where += ", column " + col
			} else {
				e.Where += ": " + quoteShort(string(line))
			}
			return &e
		}
		if err := pgwire.CheckText(line); err != nil {
			return 0, where(err, "")
		}
		if fields, err = f.split(line, fields[:0]); err != nil {
			return 0, where(err, "")
		}
		if first && f.header {
			first = false
			if f.matchHeader {
				if err := checkHeader(t, cols, fields); err != nil {
					return 0, where(err, "")
				}
			}
			continue
		}
		first = false
		if len(fields) > len(cols) {
			return 0, where(sqlerr.New(sqlerr.BadCopyFileFormat, "extra data after last expected column"), "")
		}
		for i, c := range cols {
			col := &t.Columns[c]
			if i >= len(fields) {
				return 0, where(sqlerr.New(sqlerr.BadCopyFileFormat, "missing data for column %q", col.Name), "")
			}
			if fields[i].null {
				vals[i] = types.Null
				if err := types.CheckDomain(types.Null, col.Type, format); err != nil {
					return 0, where(err, col.Name+": null input")
				}
				continue
			}
			if vals[i], err = types.DecodeText(fields[i].text, col.Type, format); err != nil {
				return 0, where(err, col.Name+": "+quoteShort(fields[i].text))
			}
		}
		if err := bulk.Add(ctx, vals, int64(r.line)); err != nil {
			if bulk.Failed() != 0 {
				return 0, flushed(t, bulk, err)
			}
			return 0, where(err, "")
		}
		if n++; n&0xff == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	if err := bulk.Flush(ctx); err != nil {
		return 0, flushed(t, bulk, err)
	}
	return n, nil
}

// flushed says which line a row came from that was gathered and found wrong later,
// when its text is gone.
func flushed(t *catalog.Table, bulk *exec.Bulk, err error) error {
	line := bulk.Failed()
	if line == 0 {
		return err
	}
	e := *sqlerr.As(err)
	e.Where = "COPY " + t.Name + ", line " + itoa(int(line))
	return &e
}

func quoteShort(s string) string {
	if len(s) > 100 {
		s = clip(s, 100) + "..."
	}
	return "\"" + s + "\""
}

func checkHeader(t *catalog.Table, cols []int, fields []copyField) error {
	if len(fields) != len(cols) {
		return sqlerr.New(sqlerr.BadCopyFileFormat, "wrong number of fields in header line: got %d, expected %d", len(fields), len(cols))
	}
	for i, c := range cols {
		if fields[i].text != t.Columns[c].Name {
			return sqlerr.New(sqlerr.BadCopyFileFormat, "column name mismatch in header line field %d: got %q, expected %q", i+1, fields[i].text, t.Columns[c].Name)
		}
	}
	return nil
}

type copyField struct {
	text string
	null bool
}

// copyReader cuts the client's messages into records.
type copyReader struct {
	in   pgwire.CopyReader
	f    *copyFormat
	buf  []byte
	at   int
	line int
	eof  bool
	done bool // the end marker was met
}

// record returns the next record without its line end. It is valid until the next
// call.
func (r *copyReader) record() ([]byte, error) {
	if r.done {
		return nil, r.drain()
	}
	scan, quoted := r.at, false
	for {
		for ; scan < len(r.buf); scan++ {
			c := r.buf[scan]
			switch {
			case r.f.csv && c == r.f.quote:
				quoted = !quoted
			case r.f.csv && quoted && c == r.f.escape && r.f.escape != r.f.quote:
				if scan+1 == len(r.buf) && !r.eof {
					goto more
				}
				scan++
			case !r.f.csv && c == '\\':
				// An escaped line end belongs to the field.
				if scan+1 == len(r.buf) && !r.eof {
					goto more
				}
				scan++
			case c == '\n' && !quoted:
				return r.take(scan, scan+1)
			}
		}
		if r.eof {
			if r.at == len(r.buf) {
				return nil, io.EOF
			}
			return r.take(len(r.buf), len(r.buf))
		}
	more:
		data, err := r.in.Next()
		if err == io.EOF {
			r.eof = true
			continue
		}
		if err != nil {
			return nil, err
		}
		scan -= r.at
		r.buf = append(r.buf[:copy(r.buf, r.buf[r.at:])], data...)
		r.at = 0
		if len(r.buf) > copyLineMax {
			return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "a row of COPY is longer than %d bytes", copyLineMax)
		}
	}
}

func (r *copyReader) take(end, next int) ([]byte, error) {
	line := r.buf[r.at:end]
	r.at = next
	r.line++
	if r.f.csv && r.line > 1 {
		// Line ends within quotes count, but in the first record, where PostgreSQL has
		// not seen yet what a line end is.
		r.line += bytes.Count(line, []byte{'\n'})
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if string(line) == `\.` {
		r.done = true
		return nil, r.drain()
	}
	return line, nil
}

// drain reads to the end of the copy.
func (r *copyReader) drain() error {
	for !r.eof {
		if _, err := r.in.Next(); err == io.EOF {
			r.eof = true
		} else if err != nil {
			return err
		}
	}
	return io.EOF
}

// split cuts a record into fields.
func (f *copyFormat) split(line []byte, out []copyField) ([]copyField, error) {
	if f.csv {
		return f.splitCSV(line, out)
	}
	start, escaped := 0, false
	for i := 0; i <= len(line); i++ {
		if i < len(line) && line[i] == '\\' {
			escaped = true
			i++
			continue
		}
		if i < len(line) && line[i] != f.delim {
			continue
		}
		raw := string(line[start:min(i, len(line))])
		switch {
		case raw == f.null:
			out = append(out, copyField{null: true})
		case escaped:
			out = append(out, copyField{text: unescapeCopy(raw)})
		default:
			out = append(out, copyField{text: raw})
		}
		start, escaped = i+1, false
	}
	return out, nil
}

// unescapeCopy reads backslash sequences of the text format.
func unescapeCopy(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			b.WriteByte(c)
			continue
		}
		i++
		switch c = s[i]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'v':
			b.WriteByte('\v')
		case 'x':
			n, j := 0, i+1
			for j < len(s) && j < i+3 && hexDigit(s[j]) >= 0 {
				n = n<<4 | hexDigit(s[j])
				j++
			}
			if j == i+1 {
				b.WriteByte('x')
				break
			}
			b.WriteByte(byte(n))
			i = j - 1
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n, j := 0, i
			for j < len(s) && j < i+3 && s[j] >= '0' && s[j] <= '7' {
				n = n<<3 | int(s[j]-'0')
				j++
			}
			b.WriteByte(byte(n))
			i = j - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (f *copyFormat) splitCSV(line []byte, out []copyField) ([]copyField, error) {
	for i := 0; ; {
		var b []byte
		quoted, in := false, false
		for ; i < len(line); i++ {
			c := line[i]
			switch {
			case in && c == f.escape && i+1 < len(line) && (line[i+1] == f.quote || line[i+1] == f.escape):
				i++
				b = append(b, line[i])
			case c == f.quote:
				in, quoted = !in, true
			case c == f.delim && !in:
				goto field
			default:
				b = append(b, c)
			}
		}
		if in {
			return nil, sqlerr.New(sqlerr.BadCopyFileFormat, "unterminated CSV quoted field")
		}
	field:
		out = append(out, copyField{text: string(b), null: !quoted && string(b) == f.null})
		if i >= len(line) {
			return out, nil
		}
		i++
	}
}

// copyTo is COPY t TO STDOUT and COPY (query) TO STDOUT.
func (s *Session) copyTo(ctx context.Context, p *portal, st *ast.Copy, f *copyFormat, w pgwire.ResultWriter) error {
	q, err := s.copyQuery(st, p.prep.text)
	if err != nil {
		return err
	}
	pl, err := plan.New(q, s.planOptions(p.prep.text, nil))
	if err != nil {
		return err
	}
	if _, ok := q.(*ast.Merge); ok {
		return sqlerr.New(sqlerr.FeatureNotSupported, "MERGE not supported in COPY")
	}
	if pl.Columns == nil {
		return sqlerr.New(sqlerr.FeatureNotSupported, "COPY query must have a RETURNING clause")
	}
	rt := s.runtime(ctx, nil)
	ex, err := rt.Start(ctx, pl)
	if err != nil {
		return err
	}
	defer ex.Close()
	out, err := w.CopyOut(f.wire(), len(pl.Columns))
	if err != nil {
		return err
	}
	if f.binary {
		ts := make([]types.Type, len(pl.Columns))
		for i, c := range pl.Columns {
			ts[i] = c.Type
		}
		p.done.rows, err = copyRowsOut(ctx, ex.Next, ts, out, rt.Eval.Format)
		return err
	}
	var line []byte
	if f.header {
		for i, c := range pl.Columns {
			if i > 0 {
				line = append(line, f.delim)
			}
			line = f.append(line, c.Name, false)
		}
		if err := out.WriteRow(append(line, '\n')); err != nil {
			return err
		}
	}
	force := map[string]bool{}
	for _, name := range f.opts.ForceQuote {
		force[name] = true
	}
	for {
		row, err := ex.Next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		line = line[:0]
		for i, d := range row {
			if i > 0 {
				line = append(line, f.delim)
			}
			if d.IsNull() {
				line = append(line, f.null...)
				continue
			}
			c := pl.Columns[i]
			line = f.append(line, string(types.EncodeText(nil, d, c.Type, rt.Eval.Format)), f.opts.ForceQuoteAll || force[c.Name])
		}
		if err := out.WriteRow(append(line, '\n')); err != nil {
			return err
		}
		p.done.rows++
	}
	return out.Done()
}

// copyQuery is the query whose rows are copied out.
func (s *Session) copyQuery(st *ast.Copy, text string) (ast.Statement, error) {
	if st.Query != nil {
		return st.Query, nil
	}
	if err := (&ddl{s: s, text: text}).copyView(*st.Table, false); err != nil {
		return nil, err
	}
	t, err := s.table(*st.Table, text)
	if err != nil {
		return nil, err
	}
	if t.Virtual && t.Schema == catalog.SchemaQuorate {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot copy from view %q", t.Name)
	}
	core := &ast.SelectCore{From: []ast.TableExpr{&ast.TableRef{Table: *st.Table}}}
	cols, err := copyColumns(t, st.Columns)
	if err != nil {
		return nil, err
	}
	for _, c := range cols {
		core.Targets = append(core.Targets, ast.Target{Expr: &ast.ColumnRef{Parts: []string{t.Name, t.Columns[c].Name}}})
	}
	return &ast.Select{Body: core}, nil
}

// append adds one field in the format.
func (f *copyFormat) append(dst []byte, s string, force bool) []byte {
	if f.csv {
		if !force && s != f.null && s != `\.` && strings.IndexByte(s, f.delim) < 0 && strings.IndexByte(s, f.quote) < 0 && !strings.ContainsAny(s, "\r\n") {
			return append(dst, s...)
		}
		dst = append(dst, f.quote)
		for i := 0; i < len(s); i++ {
			if s[i] == f.quote || s[i] == f.escape {
				dst = append(dst, f.escape)
			}
			dst = append(dst, s[i])
		}
		return append(dst, f.quote)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case '\\':
			dst = append(dst, '\\', '\\')
		default:
			if c == f.delim {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
	}
	return dst
}
