package plan

import (
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// DefaultText prints a column's default as PostgreSQL does: with the types of
// its literals, and without the conversion to the column's type.
func DefaultText(o Options, c *catalog.Column) (string, error) {
	b := newBinder(o)
	if text, ok := b.quotedNumber(c); ok {
		return text, nil
	}
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

// quotedNumber prints a default of a numeric column that was written in quotes: a whole
// number keeps them, and none is rounded to the column's scale.
func (b *binder) quotedNumber(c *catalog.Column) (string, bool) {
	if c.Default == "" || c.Identity != 0 || c.Type.OID != types.OIDNumeric {
		return "", false
	}
	x, err := b.stored(c.Default, nil)
	k, ok := x.(*expr.Const)
	if err != nil || !ok || k.Typ.OID != types.OIDUnknown || k.Val.IsNull() {
		return "", false
	}
	v, err := types.DecodeText(k.Val.Str(), types.Numeric, nil)
	if err != nil {
		return "", false
	}
	text := types.TextOf(v, types.Numeric, nil)
	if text[0] >= '0' && text[0] <= '9' && strings.ContainsAny(text, ".eE") {
		return text, true
	}
	return "'" + text + "'::numeric", true
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
