package plan

import (
	"time"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Derived is what has to be computed of a table's row before its entry in an index can
// be made. All of it is immutable.
type Derived struct {
	Exprs []expr.Expr // of the index's columns that are expressions, in their order
	Pred  expr.Expr   // rows for which it is not true have no entry; nil for none
}

// derived binds what the indexes of a table compute: one element for each, nil where
// there is nothing; nil if there is nothing for all of them.
func (b *binder) derived(t *catalog.Table) ([]*Derived, error) {
	var out []*Derived
	for i := range t.Indexes {
		if !t.Indexes[i].Derives() {
			continue
		}
		d, err := b.derivedOf(t, &t.Indexes[i])
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make([]*Derived, len(t.Indexes))
		}
		out[i] = d
	}
	return out, nil
}

func (b *binder) derivedOf(t *catalog.Table, ix *catalog.Index) (*Derived, error) {
	d := &Derived{}
	s := tableScope(t, t.Name, nil)
	for _, c := range ix.Columns {
		if c.Column != 0 {
			continue
		}
		x, err := b.storedExpr(c.Expr, s, "")
		if err != nil {
			return nil, sqlerr.Wrap(err, "bind an expression of index %q", ix.Name)
		}
		d.Exprs = append(d.Exprs, x)
	}
	if ix.Pred == "" {
		return d, nil
	}
	var err error
	if d.Pred, err = b.storedExpr(ix.Pred, s, "WHERE"); err != nil {
		return nil, sqlerr.Wrap(err, "bind the condition of index %q", ix.Name)
	}
	return d, nil
}

// storedPath is what names in stored expressions are looked up in, so that they mean
// the same in every session.
var storedPath = []string{"pg_catalog", "public"}

// storedExpr binds a text that StoreExpr has made; condition is the clause of which it
// is the condition, "" for a value.
func (b *binder) storedExpr(text string, s *scope, condition string) (expr.Expr, error) {
	path := b.o.Path
	b.o.Path = storedPath
	x, err := b.stored(text, s)
	b.o.Path = path
	if err != nil {
		return nil, err
	}
	return b.settleExpr(x, condition)
}

func (b *binder) settleExpr(x expr.Expr, condition string) (_ expr.Expr, err error) {
	if condition != "" {
		x, err = b.eb.Condition(x, condition)
	} else {
		x, err = b.eb.Known(x)
	}
	if err != nil {
		return nil, err
	}
	return expr.Fold(x, b.o.Eval)
}

// DerivedOf binds what one index computes; nil for nothing.
func DerivedOf(o Options, t *catalog.Table, ix *catalog.Index) (*Derived, error) {
	if !ix.Derives() {
		return nil, nil
	}
	return newBinder(o).derivedOf(t, ix)
}

// ExprUse says what an expression over a table's row is kept for.
type ExprUse uint8

// The uses of kept expressions.
const (
	IndexExpr ExprUse = iota
	IndexPredicate
	GenerationExpr
)

func (u ExprUse) String() string {
	return [...]string{"index expression", "index predicate", "column generation expression"}[u]
}

func (u ExprUse) errMutable() *sqlerr.Error {
	if u == GenerationExpr {
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "generation expression is not immutable")
	}
	return sqlerr.New(sqlerr.InvalidObjectDefinition, "functions in %s must be marked IMMUTABLE", u)
}

// StoredExpr is an immutable expression over a table's row in the form in which a
// descriptor keeps it.
type StoredExpr struct {
	// Text means the same under every search path and setting.
	Text string
	// Pretty is the text for messages and for \d.
	Pretty string
	Name   string // what a column of it is called: "lower", "expr"
	Type   types.Type
	Reads  []int16
	Column int16 // of the table, if the expression is nothing but it
}

// StoreExpr checks an expression and makes it independent of the session. Errors are
// PostgreSQL's.
func StoreExpr(o Options, e ast.Expr, t *catalog.Table, use ExprUse) (StoredExpr, error) {
	return newBinder(o).storeExpr(e, t, use, nil)
}

func (b *binder) storeExpr(e ast.Expr, t *catalog.Table, use ExprUse, col *catalog.Column) (StoredExpr, error) {
	var out StoredExpr
	x, err := b.expr(e, tableScope(t, t.Name, nil))
	if err != nil {
		return out, err
	}
	if err := b.checkUse(x, e, use); err != nil {
		return out, err
	}
	condition := ""
	switch use {
	case IndexPredicate:
		condition = "WHERE"
	}
	if x, err = b.settleExpr(x, condition); err != nil {
		return out, b.errAt(err, e)
	}
	printed := x
	if use == GenerationExpr {
		// The text is without the conversion to the column's type.
		if x, err = b.generated(x, col, nil); err != nil {
			return out, err
		}
		if x, err = expr.Fold(x, b.o.Eval); err != nil {
			return out, err
		}
	}
	if expr.VolatilityOf(x) != expr.Immutable {
		return out, use.errMutable()
	}
	set := map[int]struct{}{}
	expr.Columns(x, set)
	for i := range t.Columns {
		if _, ok := set[i]; ok {
			out.Reads = append(out.Reads, t.Columns[i].ID)
		}
	}
	if c, ok := x.(*expr.Column); ok {
		out.Column = t.Columns[c.Index].ID
	}
	name := func(c *expr.Column) string { return expr.QuoteIdent(t.Columns[c.Index].Name) }
	out.Type, out.Pretty, out.Name = x.Type(), keyText(x, name, true), "expr"
	if n, strength := figureName(e); strength > 0 {
		out.Name = n
	}
	// What PostgreSQL would print is free of settings; what the client wrote is taken if
	// that cannot be read again.
	for _, text := range []string{expr.FormatStored(printed, name, false), ast.Deparse(e)} {
		if b.means(text, t, use, col, condition, x) {
			out.Text = text
			return out, nil
		}
	}
	return out, b.errAt(unsupported("an "+use.String()+" that depends on settings or the search path, or this expression in one"), e)
}

func (b *binder) checkUse(x expr.Expr, e ast.Expr, use ExprUse) error {
	switch {
	case len(b.params) > 0:
		return sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1")
	case expr.HasAggregate(x):
		return b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %ss", use), x), e)
	case expr.HasWindow(x):
		return b.noWindow(x, use.String()+"s")
	case expr.HasSet(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in %ss", use), ast.At{Pos: ast.Leftmost(e)})
	case hasSubquery(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "cannot use subquery in %s", use), e)
	}
	return nil
}

// means reports whether a text, read by a session with odd settings, is x.
func (b *binder) means(text string, t *catalog.Table, use ExprUse, col *catalog.Column, condition string, x expr.Expr) bool {
	odd := b.o
	odd.Eval = &expr.EvalContext{Format: &types.FormatContext{TimeZone: time.FixedZone("odd", 5*3600+45*60), DateOrder: types.OrderDMY}}
	if odd.Eval.Format.DateOrder == b.o.Eval.Format.DateOrder {
		odd.Eval.Format.DateOrder = types.OrderYMD
	}
	odd.Eval.Format.Names, odd.Eval.Format.Domains, odd.Eval.System = b.o.Eval.Format.Names, b.o.Eval.Format.Domains, b.o.Eval.System
	o := newBinder(odd)
	y, err := o.storedExpr(text, tableScope(t, t.Name, nil), condition)
	if err == nil && use == GenerationExpr {
		if y, err = o.generated(y, col, nil); err == nil {
			y, err = expr.Fold(y, odd.Eval)
		}
	}
	return err == nil && expr.Equal(x, y)
}

// keyText writes an index's expression with the parentheses that it needs there.
func keyText(x expr.Expr, name func(*expr.Column) string, pretty bool) string {
	text := expr.FormatStored(x, name, pretty)
	switch x := x.(type) {
	case *expr.FuncCall:
		if expr.IsAtTimeZone(x) && pretty {
			return "(" + text + ")"
		}
		return text
	case *expr.Coalesce, *expr.MinMax, *expr.NullIf:
		return text
	}
	return "(" + text + ")"
}

// IndexTexts prints the expressions of an index as they stand in its definition, or
// alone, and its condition.
func IndexTexts(o Options, t *catalog.Table, ix *catalog.Index, pretty bool) (keys, alone []string, pred string, err error) {
	d, err := DerivedOf(o, t, ix)
	if err != nil || d == nil {
		return nil, nil, "", err
	}
	name := func(c *expr.Column) string { return expr.QuoteIdent(t.Columns[c.Index].Name) }
	for _, x := range d.Exprs {
		keys, alone = append(keys, keyText(x, name, pretty)), append(alone, expr.FormatStored(x, name, pretty))
	}
	if d.Pred != nil {
		pred = expr.FormatStored(d.Pred, name, pretty)
	}
	return keys, alone, pred, nil
}

// generated makes the value of a generated column of an expression.
func (b *binder) generated(x expr.Expr, c *catalog.Column, e ast.Expr) (expr.Expr, error) {
	y, err := b.eb.Assign(x, c.Name, c.Type)
	if sqlerr.Is(err, sqlerr.DatatypeMismatch) {
		err = sqlerr.New(sqlerr.DatatypeMismatch, "column %q is of type %s but default expression is of type %s", c.Name, c.Type, x.Type()).
			WithHint("You will need to rewrite or cast the expression.")
	}
	if err != nil && e != nil {
		err = b.errAt(err, e)
	}
	return y, err
}
