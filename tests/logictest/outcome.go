package logictest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Outcome is what a statement answered.
type Outcome struct {
	Columns []pgconn.FieldDescription // of the last result with rows
	Rows    [][][]byte                // of all results; nil is NULL
	Tags    []string
	Notices []*pgconn.Notice
	CopyOut string
	// Err is the error that the server sent, nil if there was none.
	Err *pgconn.PgError
}

var escaper = strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`)

// lines is the outcome of a statement or of COPY in the exact form.
func (o *Outcome) lines() []string {
	var out []string
	for _, n := range o.Notices {
		out = append(out, fmt.Sprintf("%s %s: %s", n.Severity, n.Code, escaper.Replace(n.Message)))
	}
	if o.CopyOut != "" {
		out = append(out, strings.Split(strings.TrimSuffix(o.CopyOut, "\n"), "\n")...)
	}
	if o.Err != nil {
		return append(out, errorLines(o.Err)...)
	}
	return append(out, o.Tags...)
}

func errorLines(e *pgconn.PgError) []string {
	out := []string{fmt.Sprintf("%s %s: %s", e.Severity, e.Code, escaper.Replace(e.Message))}
	add := func(name, val string) {
		if val != "" {
			out = append(out, name+": "+escaper.Replace(val))
		}
	}
	add("DETAIL", e.Detail)
	add("HINT", e.Hint)
	if e.Position != 0 {
		add("POSITION", strconv.Itoa(int(e.Position)))
	}
	add("CONTEXT", e.Where)
	add("SCHEMA", e.SchemaName)
	add("TABLE", e.TableName)
	add("COLUMN", e.ColumnName)
	add("TYPE", e.DataTypeName)
	add("CONSTRAINT", e.ConstraintName)
	return out
}

// exact is the outcome of a query in the exact form.
func (o *Outcome) exact(types *pgtype.Map, sorted bool) []string {
	head := make([]string, len(o.Columns))
	for i, c := range o.Columns {
		name := strconv.Itoa(int(c.DataTypeOID))
		if t, ok := types.TypeForOID(c.DataTypeOID); ok {
			name = t.Name
		}
		if c.TypeModifier >= 0 {
			name += "(" + strconv.Itoa(int(c.TypeModifier)) + ")"
		}
		head[i] = escaper.Replace(c.Name) + ":" + name
	}
	rows := make([]string, len(o.Rows))
	for i, r := range o.Rows {
		vals := make([]string, len(r))
		for j, v := range r {
			switch {
			case v == nil:
				vals[j] = "NULL"
			case len(v) == 0:
				vals[j] = "(empty)"
			default:
				vals[j] = escaper.Replace(string(v))
			}
		}
		if rows[i] = strings.Join(vals, "\t"); len(r) == 0 {
			rows[i] = "(no values)" // an empty line would end the record
		}
	}
	if sorted {
		sort.Strings(rows)
	}
	if len(head) == 0 {
		head = []string{"(no columns)"}
	}
	return append([]string{strings.Join(head, "\t")}, rows...)
}

// corpus is the outcome of a query in the corpus' form. If hash is set, it is the
// line that stands for all values.
func (o *Outcome) corpus(types, sortMode string, hash bool) ([]string, error) {
	rows := make([][]string, len(o.Rows))
	for i, r := range o.Rows {
		if len(r) != len(types) {
			return nil, fmt.Errorf("%d columns, wanted %d (%s)", len(r), len(types), types)
		}
		rows[i] = make([]string, len(r))
		for j, v := range r {
			s, err := renderCorpus(types[j], v)
			if err != nil {
				return nil, fmt.Errorf("column %d: %w", j+1, err)
			}
			rows[i][j] = s
		}
	}
	if sortMode == "rowsort" {
		sort.SliceStable(rows, func(a, b int) bool {
			for j := range rows[a] {
				if rows[a][j] != rows[b][j] {
					return rows[a][j] < rows[b][j]
				}
			}
			return false
		})
	}
	vals := []string{}
	for _, r := range rows {
		vals = append(vals, r...)
	}
	if sortMode == "valuesort" {
		sort.Strings(vals)
	}
	if !hash {
		return vals, nil
	}
	sum := md5.New()
	for _, v := range vals {
		sum.Write([]byte(v + "\n"))
	}
	return []string{fmt.Sprintf("%d values hashing to %s", len(vals), hex.EncodeToString(sum.Sum(nil)))}, nil
}

func renderCorpus(typ byte, v []byte) (string, error) {
	if v == nil {
		return "NULL", nil
	}
	s := string(v)
	switch typ {
	case 'I':
		switch s {
		case "t":
			return "1", nil
		case "f":
			return "0", nil
		}
		if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			return s, nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "", fmt.Errorf("%q is not a number", s)
		}
		return strconv.FormatInt(int64(f), 10), nil
	case 'R':
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "", fmt.Errorf("%q is not a number", s)
		}
		return strconv.FormatFloat(f, 'f', 3, 64), nil
	case 'T':
		if s == "" {
			return "(empty)", nil
		}
		b := []byte(s)
		for i, c := range b {
			if c < ' ' || c > '~' {
				b[i] = '@'
			}
		}
		return string(b), nil
	}
	return "", fmt.Errorf("unknown type letter %q", typ)
}
