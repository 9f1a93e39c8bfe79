package sql

import (
	"slices"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// domainChecks tests values of domains for a session (types.DomainChecker).
type domainChecks struct{ s *Session }

// maxDomainChecks bounds how many domains a session keeps the bound conditions of.
const maxDomainChecks = 200

// CheckDomain tests the CHECK constraints of one domain. Their conditions are bound
// once for each definition.
func (c domainChecks) CheckDomain(t types.Type, d *types.Def, v types.Datum) error {
	conds, err := c.bound(d)
	if err != nil {
		return err
	}
	ev := &expr.EvalContext{Format: c.s.formatContext(), System: systemInfo(c), Clock: c.s.e.o.Clock, Rand: c.s.rand, StmtTime: c.s.e.o.Clock.Now()}
	if c.s.tx != nil {
		ev.TxnTime = c.s.tx.start
	}
	for i, x := range conds {
		ok, err := x.Eval(ev, expr.Row{v})
		if err != nil {
			return err
		}
		if !ok.IsNull() && !ok.Bool() {
			def := t.Def()
			return sqlerr.New(sqlerr.CheckViolation, "value for domain %s violates check constraint \"%s\"", t, d.Checks[i].Name).
				WithTable(def.Schema, "").WithDataType(def.Name).WithConstraint(d.Checks[i].Name)
		}
	}
	return nil
}

func (c domainChecks) bound(d *types.Def) ([]expr.Expr, error) {
	s := c.s
	if x, ok := s.domains[d]; ok {
		return x, nil
	}
	var snap *catalog.Snapshot
	if s.tx != nil {
		snap = s.tx.snap
	}
	if snap == nil {
		snap = s.e.catalog.Latest()
	}
	o := plan.Options{Catalog: snap, Path: s.path(snap, true), Exprs: s.e.exprs, Eval: &expr.EvalContext{Format: s.formatContext()},
		ParseExpr: parse.ParseExpr}
	// What the condition names lies where the domain was made, most likely.
	for _, name := range []string{d.Schema, "public"} {
		if !slices.Contains(o.Path, name) {
			o.Path = append(o.Path, name)
		}
	}
	out := make([]expr.Expr, len(d.Checks))
	for i, k := range d.Checks {
		var err error
		if out[i], err = plan.DomainCheck(o, k.Expr, d.Base); err != nil {
			return nil, sqlerr.Wrap(err, "bind constraint %q of domain %q", k.Name, d.Name)
		}
	}
	if len(s.domains) >= maxDomainChecks || s.domains == nil {
		s.domains = map[*types.Def][]expr.Expr{}
	}
	s.domains[d] = out
	return out, nil
}
