package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// valueScope is what the condition of a domain is bound in: VALUE alone, which is e.
func valueScope(e expr.Expr) *scope {
	return &scope{cols: []scopeCol{{rel: -1, name: "value", e: e}}}
}

// DomainCheck binds the condition of a domain's CHECK constraint over a row whose only
// value is of the domain's base type.
func DomainCheck(o Options, text string, base types.Type) (expr.Expr, error) {
	b := newBinder(o)
	x, err := b.stored(text, valueScope(&expr.Column{Typ: base, Name: "VALUE"}))
	if err != nil {
		return nil, err
	}
	return b.eb.Condition(x, "CHECK")
}

// DomainCheckText prints the condition of a domain's CHECK constraint.
func DomainCheckText(o Options, text string, base types.Type) (string, error) {
	b := newBinder(o)
	x, err := b.stored(text, valueScope(&expr.Column{Typ: base, Name: "VALUE"}))
	if err != nil {
		return "", err
	}
	return expr.FormatNamed(x, func(*expr.Column) string { return "VALUE" }, o.TypeText), nil
}

// CheckDomainCondition sees whether an expression can be the condition of a domain over
// base.
func CheckDomainCondition(o Options, e ast.Expr, base types.Type) error {
	b := newBinder(o)
	x, err := b.expr(e, valueScope(&expr.Column{Typ: base, Name: "VALUE"}))
	if err != nil {
		return err
	}
	if err := b.checkConstraint(x, e); err != nil {
		return err
	}
	_, err = b.eb.Condition(x, "CHECK")
	return b.errAt(err, e)
}

// checkConstraint refuses what cannot be part of a CHECK constraint.
func (b *binder) checkConstraint(x expr.Expr, e ast.Expr) error {
	switch {
	case len(b.params) > 0:
		return sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1")
	case expr.HasAggregate(x):
		return b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in check constraints"), e)
	case expr.HasWindow(x):
		return b.noWindow(x, "check constraints")
	case expr.HasSet(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in check constraints"), e)
	case hasSubquery(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "cannot use subquery in check constraint"), e)
	}
	return nil
}

// DomainViolation is the plan of the rows of a table whose column, of a domain over
// base, breaks a condition or, without one, is NULL.
func DomainViolation(o Options, t *catalog.Table, c *catalog.Column, base types.Type, check string) (*Plan, error) {
	b := newBinder(o)
	n, err := b.scan(t, t.Name, false)
	if err != nil {
		return nil, err
	}
	b.use(t)
	var value expr.Expr
	for i, x := range n.Columns() {
		if x.AttNum == c.ID {
			value = &expr.Column{Index: i, Typ: x.Type, Name: c.Name}
		}
	}
	if value == nil {
		return nil, sqlerr.Internal("column %q of table %q is gone", c.Name, t.Name)
	}
	if value, err = b.eb.Cast(value, base, expr.CastImplicit); err != nil {
		return nil, err
	}
	cond, err := b.eb.IsNull(value, false)
	if check != "" {
		if cond, err = b.stored(check, valueScope(value)); err == nil {
			cond, err = b.eb.Not(cond)
		}
	}
	if err != nil {
		return nil, err
	}
	return b.filtered(n, cond)
}

// TableViolation is the plan of the rows of a table that break a CHECK condition or,
// without one, are NULL in a column.
func TableViolation(o Options, t *catalog.Table, c *catalog.Column, check string) (*Plan, error) {
	b := newBinder(o)
	n, err := b.scan(t, t.Name, false)
	if err != nil {
		return nil, err
	}
	b.use(t)
	s := &scope{rels: []scopeRel{{name: t.Name, table: t}}}
	var cond expr.Expr
	for i, x := range n.Columns() {
		s.cols = append(s.cols, column(i, x, 0, t.Name))
		if c != nil && x.AttNum == c.ID {
			cond, err = b.eb.IsNull(&expr.Column{Index: i, Typ: x.Type, Name: c.Name}, false)
		}
	}
	if check != "" {
		if cond, err = b.stored(check, s); err == nil {
			cond, err = b.eb.Not(cond)
		}
	}
	if err != nil {
		return nil, err
	}
	if cond == nil {
		return nil, sqlerr.Internal("a column of table %q is gone", t.Name)
	}
	return b.filtered(n, cond)
}

// filtered is the plan of the rows of a scan that meet a condition.
func (b *binder) filtered(n Node, cond expr.Expr) (*Plan, error) {
	p := &Plan{Verb: "SELECT", Root: &Filter{Input: n, Cond: cond}, Columns: n.Columns()}
	for id, v := range b.tables {
		p.Tables = append(p.Tables, TableVersion{id, v})
	}
	if b.o.NoRules {
		return p, nil
	}
	return p, b.optimize(p)
}
