package exec

import (
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// rowChecker enforces what a table's descriptor demands of each row.
type rowChecker struct {
	table     *catalog.Table
	checks    []plan.CheckExpr
	generated []plan.GeneratedExpr
	ev        *expr.EvalContext
}

// check computes the generated columns of a row that is complete otherwise, and
// enforces NOT NULL and CHECK.
func (c *rowChecker) check(row []types.Datum) error {
	for _, g := range c.generated {
		d, err := g.Expr.Eval(c.ev, row)
		if err != nil {
			return err
		}
		row[g.Place] = d
	}
	for i := range c.table.Columns {
		col := &c.table.Columns[i]
		if (col.NotNull || col.NullRefused) && !col.Dropped && row[i].IsNull() {
			return sqlerr.New(sqlerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", col.Name, c.table.Name).
				WithDetail("Failing row contains %s.", c.describe(row)).WithTable(c.table.SchemaName, c.table.Name).WithColumn(col.Name)
		}
	}
	for i := range c.checks {
		d, err := c.checks[i].Expr.Eval(c.ev, row)
		if err != nil {
			return err
		}
		if !d.IsNull() && !d.Bool() {
			return sqlerr.New(sqlerr.CheckViolation, "new row for relation %q violates check constraint %q", c.table.Name, c.checks[i].Name).
				WithDetail("Failing row contains %s.", c.describe(row)).WithTable(c.table.SchemaName, c.table.Name).WithConstraint(c.checks[i].Name)
		}
	}
	return nil
}

// describe prints a row as PostgreSQL does in these messages: values longer than
// 64 bytes are cut.
func (c *rowChecker) describe(row []types.Datum) string {
	var b strings.Builder
	b.WriteByte('(')
	first := true
	for i := range c.table.Columns {
		col := &c.table.Columns[i]
		if col.Dropped || col.Hidden {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		if row[i].IsNull() {
			b.WriteString("null")
			continue
		}
		s := string(types.EncodeText(nil, row[i], col.Type, c.ev.Format))
		if len(s) > 64 {
			n := 64
			for n > 0 && s[n]&0xc0 == 0x80 {
				n--
			}
			s = s[:n] + "..."
		}
		b.WriteString(s)
	}
	b.WriteByte(')')
	return b.String()
}

// UniqueViolation is the error for a key of a unique index that exists already.
func UniqueViolation(x *rowcodec.Index, key []byte, format *types.FormatContext) error {
	vals, err := x.DecodeKey(key)
	if err != nil {
		return sqlerr.Wrap(err, "describe a duplicate key of index %q", x.Desc.Name)
	}
	return uniqueViolation(x, vals, format)
}

func uniqueViolation(x *rowcodec.Index, vals []types.Datum, format *types.FormatContext) error {
	if x.Desc.ID == 0 {
		return sqlerr.Internal("row id of table %q is not unique", x.Table.Name).
			WithHint("Two nodes may run under one node id, or a clock was set back.")
	}
	var names, text strings.Builder
	for i, c := range x.Desc.Columns {
		if i > 0 {
			names.WriteString(", ")
			text.WriteString(", ")
		}
		names.WriteString(x.Table.KeyText(c, QuoteIdent))
		if vals[i].IsNull() {
			text.WriteString("null")
		} else {
			text.Write(types.EncodeText(nil, vals[i], x.Table.KeyType(c), format))
		}
	}
	return sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates unique constraint %q", x.Desc.Name).
		WithDetail("Key (%s)=(%s) already exists.", names.String(), text.String()).
		WithTable(x.Table.SchemaName, x.Table.Name).WithConstraint(x.Desc.Name)
}

// QuoteIdent quotes a name that would not read back as itself without quotes.
func QuoteIdent(s string) string {
	plain := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
