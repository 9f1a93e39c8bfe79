package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// GeneratedExpr computes a generated column over the rest of its row.
type GeneratedExpr struct {
	Place int // in Table.Columns
	Expr  expr.Expr
}

// Generated binds the generated columns of a table.
func Generated(o Options, t *catalog.Table) ([]GeneratedExpr, error) {
	return newBinder(o).generatedColumns(t)
}

func (b *binder) generatedColumns(t *catalog.Table) ([]GeneratedExpr, error) {
	var out []GeneratedExpr
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Generated == "" || c.Dropped {
			continue
		}
		x, err := b.storedExpr(c.Generated, tableScope(t, t.Name, nil), "")
		if err == nil {
			x, err = b.generated(x, c, nil)
		}
		if err == nil {
			x, err = expr.Fold(x, b.o.Eval)
		}
		if err != nil {
			return nil, sqlerr.Wrap(err, "bind generated column %q of table %q", c.Name, t.Name)
		}
		out = append(out, GeneratedExpr{i, x})
	}
	return out, nil
}

// StoreGenerated is StoreExpr for the expression of a generated column.
func StoreGenerated(o Options, e ast.Expr, t *catalog.Table, c *catalog.Column) (StoredExpr, error) {
	return newBinder(o).storeExpr(e, t, GenerationExpr, c)
}

// GeneratedText prints the expression of a generated column.
func GeneratedText(o Options, t *catalog.Table, c *catalog.Column) (string, error) {
	b := newBinder(o)
	x, err := b.storedExpr(c.Generated, tableScope(t, t.Name, nil), "")
	if err != nil {
		return "", err
	}
	return expr.FormatStored(x, func(c *expr.Column) string { return expr.QuoteIdent(t.Columns[c.Index].Name) }, false), nil
}

// MarkGenerated adds the generated columns to those that change.
func MarkGenerated(t *catalog.Table, changed []bool) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Generated != "" && !c.Dropped {
			for _, id := range c.GeneratedReads {
				changed[i] = changed[i] || changed[t.ColumnIndex(id)]
			}
		}
	}
}

// errGenerated refuses a value for a generated column.
func errGenerated(c *catalog.Column, message string) error {
	return sqlerr.New(sqlerr.GeneratedAlways, message, c.Name).WithDetail("Column %q is a generated column.", c.Name)
}
