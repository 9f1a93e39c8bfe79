package plan

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
)

// DefaultText prints a column's default as PostgreSQL does: with the types of
// its literals, and without the conversion to the column's type.
func DefaultText(o Options, c *catalog.Column) (string, error) {
	b := newBinder(o)
	x, err := b.defaultOf(c)
	if err != nil {
		return "", err
	}
	for {
		cast, ok := x.(*expr.Cast)
		if !ok || cast.Explicit {
			break
		}
		x = cast.Arg
	}
	if k, ok := x.(*expr.Const); ok {
		x = &expr.Const{Val: k.Val, Typ: k.Typ.Bare()}
	}
	return expr.FormatNamed(x, nil, o.TypeText), nil
}

// CheckText prints a CHECK condition, likewise.
func CheckText(o Options, t *catalog.Table, c *catalog.Check) (string, error) {
	b := newBinder(o)
	x, err := b.stored(c.Expr, tableScope(t, t.Name, nil))
	if err != nil {
		return "", err
	}
	return expr.FormatNamed(x, func(c *expr.Column) string { return expr.QuoteIdent(t.Columns[c.Index].Name) }, o.TypeText), nil
}
