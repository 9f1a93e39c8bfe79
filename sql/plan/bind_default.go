package plan

import (
	"fmt"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// NextvalText is how defaults name a sequence: by its number, so that neither the
// search path nor another name changes what is meant.
func NextvalText(id catalog.ID) string { return fmt.Sprintf("nextval('%d'::regclass)", id) }

// QuoteIdent writes an identifier, in quotes if it needs them.
func QuoteIdent(s string) string { return expr.QuoteIdent(s) }

// StoredDefault is what a descriptor keeps of a default expression: its text, or a
// call of nextval with the sequence's number.
func StoredDefault(o Options, e ast.Expr, text string) (string, error) {
	c, ok := e.(*ast.FuncCall)
	if !ok || c.Func.Name != "nextval" || c.Func.Schema != "" && c.Func.Schema != "pg_catalog" || len(c.Args) != 1 {
		return text, nil
	}
	arg := c.Args[0]
	if cast, ok := arg.(*ast.TypeCast); ok && cast.Type.Name == "regclass" {
		arg = cast.Expr
	}
	lit, ok := arg.(*ast.Const)
	if !ok || lit.Kind != ast.ConstString {
		return text, nil
	}
	d, err := types.DecodeText(lit.Text, types.RegClass, o.Eval.Format)
	if err != nil {
		return "", err
	}
	return NextvalText(d.OID()), nil
}

// always refuses a value for a column GENERATED ALWAYS AS IDENTITY.
func errAlways(c *catalog.Column) error {
	return sqlerr.New(sqlerr.GeneratedAlways, "cannot insert a non-DEFAULT value into column %q", c.Name).
		WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", c.Name).
		WithHint("Use OVERRIDING SYSTEM VALUE to override.")
}

// overriding tells what becomes of a value given for a column: whether the default
// takes its place, or it is refused.
func overriding(c *catalog.Column, o ast.Overriding) (useDefault bool, err error) {
	switch {
	case c.Generated != "":
		return false, errGenerated(c, "cannot insert a non-DEFAULT value into column %q")
	case c.Identity == 0:
		return false, nil
	case o == ast.OverridingUser:
		return true, nil
	case c.Identity == 'a' && o != ast.OverridingSystem:
		return false, errAlways(c)
	}
	return false, nil
}
