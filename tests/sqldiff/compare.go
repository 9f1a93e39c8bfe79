package sqldiff

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// outcome is what a server answered.
type outcome struct {
	columns []pgconn.FieldDescription
	rows    [][][]byte
	tag     string
	err     *pgconn.PgError
}

// statement is what is sent.
type statement struct {
	sql string
	// params are text; nil sends a simple query.
	params   []string
	extended bool
	binary   bool
	order    string // the ORDER BY that settles the order of all rows
	// tainted: see generator.
	tainted bool
}

// statementTimeout bounds one statement on both servers.
const statementTimeout = 20 * time.Second

// run sends a statement. The error is one of the connection.
func run(ctx context.Context, c *pgconn.PgConn, s statement) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*statementTimeout)
	defer cancel()
	o := &outcome{}
	var err error
	if s.extended || len(s.params) > 0 {
		vals := make([][]byte, len(s.params))
		for i, p := range s.params {
			vals[i] = []byte(p)
		}
		formats := []int16{0}
		if s.binary {
			formats[0] = 1
		}
		err = o.read(c.ExecParams(ctx, s.sql, vals, nil, nil, formats))
	} else {
		mr := c.Exec(ctx, s.sql)
		for mr.NextResult() {
			_ = o.read(mr.ResultReader()) // Close has the same error
		}
		err = mr.Close()
	}
	if err != nil && !errors.As(err, &o.err) {
		return nil, err
	}
	return o, nil
}

func (o *outcome) read(rr *pgconn.ResultReader) error {
	o.columns = append([]pgconn.FieldDescription(nil), rr.FieldDescriptions()...)
	for rr.NextRow() {
		row := make([][]byte, len(rr.Values()))
		for i, v := range rr.Values() {
			if v != nil {
				row[i] = append([]byte{}, v...)
			}
		}
		o.rows = append(o.rows, row)
	}
	if len(o.columns) == 0 {
		o.columns = append(o.columns, rr.FieldDescriptions()...)
	}
	tag, err := rr.Close()
	o.tag = tag.String()
	return err
}

// difference says how Quorate's answer differs from PostgreSQL's. kind is a short
// word with what is needed to tell differences apart; "" is none.
type difference struct {
	kind   string
	detail string
}

func compare(s statement, q, p *outcome) difference {
	switch {
	case q.err != nil && (q.err.Code == "XX000" || strings.Contains(q.err.Message, "panic")):
		return difference{"internal error", q.err.Message}
	case q.err != nil && p.err != nil:
		if q.err.Code == p.err.Code {
			return difference{}
		}
		if arrayFault.MatchString(p.err.Message) && dataError(q.err) {
			return difference{}
		}
		if q.err.Code == "0A000" {
			return difference{"error 0A000", q.err.Message}
		}
		if dataError(q.err) && dataError(p.err) { // there may be several
			return difference{}
		}
		return difference{fmt.Sprintf("error %s, PostgreSQL %s", q.err.Code, p.err.Code), q.err.Message + " / " + p.err.Message}
	case q.err != nil:
		return difference{"error " + q.err.Code, q.err.Message}
	case p.err != nil && (dataError(p.err) || p.err.Code == "0A000") && q.tag == "SELECT 0":
		return difference{} // PostgreSQL computes constants before it looks for a row
	case p.err != nil:
		return difference{"no error " + p.err.Code, p.err.Message}
	case q.tag != p.tag:
		return difference{"tag", q.tag + " / " + p.tag}
	}
	if d := compareColumns(q.columns, p.columns); d.kind != "" {
		return d
	}
	ordered := s.order != "" && strings.HasSuffix(s.sql, s.order)
	return compareRows(q, p, ordered, s.binary)
}

// dataError is an error that a value makes, or the form of a statement that may
// have several faults.
func dataError(e *pgconn.PgError) bool {
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "42") || strings.HasPrefix(e.Code, "21") || strings.HasPrefix(e.Code, "23") || e.Code == "0A000" && strings.Contains(e.Message, "not supported")
}

func compareColumns(q, p []pgconn.FieldDescription) difference {
	if len(q) != len(p) {
		return difference{"columns", fmt.Sprintf("%d columns / %d", len(q), len(p))}
	}
	for i := range q {
		switch {
		case q[i].Name != p[i].Name:
			return difference{"column name", fmt.Sprintf("%q / %q", q[i].Name, p[i].Name)}
		case q[i].DataTypeOID != p[i].DataTypeOID:
			return difference{"column type", fmt.Sprintf("column %d: %d / %d", i+1, q[i].DataTypeOID, p[i].DataTypeOID)}
		case q[i].TypeModifier != p[i].TypeModifier:
			return difference{"type modifier", fmt.Sprintf("column %d of type %d: %d / %d", i+1, q[i].DataTypeOID, q[i].TypeModifier, p[i].TypeModifier)}
		case q[i].DataTypeSize != p[i].DataTypeSize:
			return difference{"type size", fmt.Sprintf("column %d of type %d: %d / %d", i+1, q[i].DataTypeOID, q[i].DataTypeSize, p[i].DataTypeSize)}
		}
	}
	return difference{}
}

func compareRows(q, p *outcome, ordered, binary bool) difference {
	if len(q.rows) != len(p.rows) {
		return difference{"row count", fmt.Sprintf("%d rows / %d", len(q.rows), len(p.rows))}
	}
	a, b := q.rows, p.rows
	if !ordered {
		a, b = sorted(a, p.columns, binary), sorted(b, p.columns, binary)
	}
	tied := false
	for i := range a {
		for j := range a[i] {
			if ordered && isChar(p, j) && bytes.Equal(bytes.TrimRight(a[i][j], " "), bytes.TrimRight(b[i][j], " ")) {
				// Of char values that differ in blanks alone each may come first.
				tied = tied || !bytes.Equal(a[i][j], b[i][j])
				continue
			}
			if !sameValue(a[i][j], b[i][j], p.columns[j].DataTypeOID, binary) {
				kind := "value"
				if ordered && sameMultiset(q, p, binary) {
					kind = "order"
				}
				return difference{kind, fmt.Sprintf("row %d, column %d: %s / %s", i+1, j+1, show(a[i][j], binary), show(b[i][j], binary))}
			}
		}
	}
	if tied && !sameMultiset(q, p, binary) {
		return difference{"value", "blanks of char values"}
	}
	return difference{}
}

// isChar reports whether a column is of type character.
func isChar(o *outcome, j int) bool { return o.columns[j].DataTypeOID == 1042 }

func sameMultiset(q, p *outcome, binary bool) bool {
	return compareRows(q, p, false, binary).kind == ""
}

func show(v []byte, binary bool) string {
	if v == nil {
		return "NULL"
	}
	if binary {
		return fmt.Sprintf("%x", v)
	}
	return strconv.Quote(string(v))
}

// sorted orders rows by their text, floats by their value: their last digits may
// differ.
func sorted(rows [][][]byte, columns []pgconn.FieldDescription, binary bool) [][][]byte {
	out := append([][][]byte(nil), rows...)
	sort.SliceStable(out, func(a, b int) bool {
		for j := range out[a] {
			x, y := out[a][j], out[b][j]
			if (x == nil) != (y == nil) {
				return x == nil
			}
			if columns[j].DataTypeOID == 701 && !binary && x != nil {
				f, _ := strconv.ParseFloat(string(x), 64)
				g, _ := strconv.ParseFloat(string(y), 64)
				finite := math.Abs(f) <= math.MaxFloat64 && math.Abs(g) <= math.MaxFloat64
				if finite && math.Abs(f-g) <= inexactDigits*math.Max(math.Abs(f), math.Abs(g)) {
					continue
				}
				if c := cmp.Compare(f, g); c != 0 {
					return c < 0
				}
				continue
			}
			if binary {
				x, y = oneNaN(x, columns[j].DataTypeOID), oneNaN(y, columns[j].DataTypeOID)
			}
			if c := bytes.Compare(x, y); c != 0 {
				return c < 0
			}
		}
		return false
	})
	return out
}

// inexactDigits is how far float8 results of C's mathematical functions may lie
// apart, relatively.
const inexactDigits = 1e-13

func sameValue(q, p []byte, oid uint32, binary bool) bool {
	if (q == nil) != (p == nil) {
		return false
	}
	if bytes.Equal(q, p) {
		return true
	}
	if binary && (oid == 1007 || oid == 1009) && len(q) >= 12 && len(p) >= 12 {
		// The second word says that there may be NULLs: PostgreSQL does not always
		// look whether any is left.
		return bytes.Equal(q[:4], p[:4]) && bytes.Equal(q[8:], p[8:])
	}
	if binary && oid >= commonOID && len(q) >= 12 && len(p) >= 12 {
		// An array names the number of its elements' type, which each server has its own of.
		return bytes.Equal(q[:4], p[:4]) && bytes.Equal(q[12:], p[12:])
	}
	if binary && isNaN(q, oid) && isNaN(p, oid) {
		return true
	}
	if oid != 701 {
		return false
	}
	if binary {
		x, y := math.Float64frombits(binary64(q)), math.Float64frombits(binary64(p))
		return math.Abs(x-y) <= inexactDigits*math.Max(math.Abs(x), math.Abs(y))
	}
	x, errx := strconv.ParseFloat(string(q), 64)
	y, erry := strconv.ParseFloat(string(p), 64)
	return errx == nil && erry == nil && math.Abs(x-y) <= inexactDigits*math.Max(math.Abs(x), math.Abs(y))
}

func binary64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// oneNaN gives all NaNs of a binary float the same bytes.
func oneNaN(b []byte, oid uint32) []byte {
	if isNaN(b, oid) {
		return []byte("\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	return b
}

// isNaN tells the many NaNs of a binary float.
func isNaN(b []byte, oid uint32) bool {
	return oid == 700 && len(b) == 4 && math.IsNaN(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))) || oid == 701 && math.IsNaN(math.Float64frombits(binary64(b)))
}
