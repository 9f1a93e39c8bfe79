package sql

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// rule is something that is to hold for every row of a table. It is made to hold for
// new rows first; once no transaction can commit any more that did not know it, the
// stored ones are looked at, and then it is declared.
type rule struct {
	// hold makes it hold for what is written, declare says that it holds for all, and
	// undo takes back what hold did.
	hold          func(ctx context.Context, ch *catalog.Change, t *catalog.Table) error
	declare, undo func(t *catalog.Table)
	// look returns the column that must not be NULL, or the constraint; both are nil if
	// they are gone.
	look func(t *catalog.Table) (*catalog.Column, *catalog.Check)
	// foreign returns the OID of a foreign key, which is looked at in another way; nil
	// for other rules.
	foreign func() catalog.ID
}

func notNullRule(column int16) rule {
	return rule{
		hold: func(_ context.Context, _ *catalog.Change, t *catalog.Table) error {
			c := t.Column(column)
			if c == nil || c.Dropped {
				return errConcurrentDDL(t)
			}
			c.NullRefused = true
			return nil
		},
		declare: func(t *catalog.Table) { c := t.Column(column); c.NotNull, c.NullRefused = true, false },
		undo:    func(t *catalog.Table) { t.Column(column).NullRefused = false },
		look: func(t *catalog.Table) (*catalog.Column, *catalog.Check) {
			if c := t.Column(column); c != nil && !c.Dropped {
				return c, nil
			}
			return nil, nil
		},
	}
}

// checkRule is a CHECK constraint. add puts it into the descriptor, unvalidated; it is
// nil for one that is there already and only to be validated.
func checkRule(name string, add func(ctx context.Context, ch *catalog.Change, t *catalog.Table) error) rule {
	find := func(t *catalog.Table) int {
		return slices.IndexFunc(t.Checks, func(c catalog.Check) bool { return c.Name == name })
	}
	r := rule{
		hold: add,
		declare: func(t *catalog.Table) {
			if i := find(t); i >= 0 {
				t.Checks[i].Unvalidated = false
			}
		},
		undo: func(t *catalog.Table) {
			if i := find(t); i >= 0 {
				t.Checks = slices.Delete(t.Checks, i, i+1)
			}
		},
		look: func(t *catalog.Table) (*catalog.Column, *catalog.Check) {
			if i := find(t); i >= 0 {
				return nil, &t.Checks[i]
			}
			return nil, nil
		},
	}
	if add == nil {
		r.hold = func(context.Context, *catalog.Change, *catalog.Table) error { return nil }
		r.undo = func(*catalog.Table) {}
	}
	return r
}

// constrain makes a rule hold for a table: at once if only this transaction knows the
// table, else in steps.
func (d *ddl) constrain(ctx context.Context, t *catalog.Table, r rule) error {
	if d.isNew(t) {
		return d.change(ctx, func(ch *catalog.Change) error {
			n := t.Clone()
			if err := r.hold(ctx, ch, n); err != nil {
				return err
			}
			if err := d.s.lookAtRows(ctx, n, r); err != nil {
				return err
			}
			r.declare(n)
			return ch.PutTable(ctx, n)
		})
	}
	// What is wrong now is found before anything changes.
	if err := d.tryRule(ctx, t, r); err != nil {
		return err
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error { return e.constrain(ctx, t.ID, r) })
}

func (d *ddl) tryRule(ctx context.Context, t *catalog.Table, r rule) error {
	sp := d.s.tx.tx.Savepoint()
	n := t.Clone()
	err := r.hold(ctx, d.s.e.catalog.Change(d.s.tx.tx, d.snap()), n)
	if err == nil {
		err = d.s.lookAtRows(ctx, n, r)
	}
	if undo := d.s.tx.tx.RollbackTo(ctx, sp, false); err == nil {
		err = undo
	}
	return err
}

// constrain makes a rule hold for a table that other nodes write. If it is
// interrupted the rule goes on holding for what is written, undeclared.
func (e *Engine) constrain(ctx context.Context, id catalog.ID, r rule) error {
	step := func(ctx context.Context, f func(context.Context, *catalog.Change, *catalog.Table) error) error {
		return e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			n := now.Clone()
			if err := f(ctx, ch, n); err != nil {
				return err
			}
			return ch.PutTable(ctx, n)
		})
	}
	just := func(f func(*catalog.Table)) func(context.Context, *catalog.Change, *catalog.Table) error {
		return func(_ context.Context, _ *catalog.Change, t *catalog.Table) error { f(t); return nil }
	}
	if err := step(ctx, r.hold); err != nil {
		return err
	}
	// After one more version no transaction commits that did not know the rule.
	err := step(ctx, just(func(*catalog.Table) {}))
	if err == nil {
		err = e.settle(ctx)
	}
	switch {
	case err != nil:
	case r.foreign != nil:
		err = e.lookAtReferences(ctx, id, r.foreign())
	default:
		err = e.lookAtRows(ctx, id, r)
	}
	if err == nil {
		return step(ctx, just(r.declare))
	}
	if undo := step(context.WithoutCancel(ctx), just(r.undo)); undo != nil {
		e.o.Logger.Error("take back a constraint", "table", id, "err", undo)
	}
	return err
}

// lookAtRows is Session.lookAtRows in a session of its own.
func (e *Engine) lookAtRows(ctx context.Context, id catalog.ID, r rule) error {
	s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
	if err := s.begin(ctx, TxnOptions{ReadOnly: true}, false); err != nil {
		return err
	}
	defer s.abort(ctx)
	if err := s.open(ctx); err != nil {
		return err
	}
	t := s.tx.snap.Table(id)
	if t == nil {
		return sqlerr.New(sqlerr.UndefinedTable, "the table was dropped meanwhile")
	}
	return s.lookAtRows(ctx, t, r)
}

// lookAtRows returns an error if a stored row breaks a rule.
func (s *Session) lookAtRows(ctx context.Context, t *catalog.Table, r rule) error {
	c, k := r.look(t)
	check := ""
	switch {
	case c == nil && k == nil:
		return sqlerr.New(sqlerr.UndefinedObject, "the constraint was dropped meanwhile")
	case k != nil:
		check = k.Expr
	}
	pl, err := plan.TableViolation(s.planOptions("", nil), t, c, check)
	if err != nil {
		return err
	}
	found, err := s.anyRow(ctx, pl)
	switch {
	case err != nil || !found:
		return err
	case c != nil:
		return sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", c.Name, t.Name).
			WithTable(t.SchemaName, t.Name).WithColumn(c.Name)
	}
	return sqlerr.New(sqlerr.CheckViolation, "check constraint %q of relation %q is violated by some row", k.Name, t.Name).
		WithTable(t.SchemaName, t.Name).WithConstraint(k.Name)
}

// addCheck is ADD CHECK.
func (d *ddl) addCheck(ctx context.Context, t *catalog.Table, c *ast.Constraint) error {
	k, err := d.checkOf(ctx, t, c)
	if err != nil {
		return err
	}
	version := t.Version
	add := func(ctx context.Context, ch *catalog.Change, n *catalog.Table) error {
		if n.Version != version {
			return errConcurrentDDL(n)
		}
		var err error
		if k.ID, err = ch.NewID(ctx); err != nil {
			return err
		}
		n.Checks = append(n.Checks, k)
		return nil
	}
	if !c.NotValid {
		return d.constrain(ctx, t, checkRule(k.Name, add))
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		if err := add(ctx, ch, n); err != nil {
			return err
		}
		return ch.PutTable(ctx, n)
	})
}

// checkOf makes the descriptor of a CHECK constraint that is to be added, but for its
// number.
func (d *ddl) checkOf(ctx context.Context, t *catalog.Table, c *ast.Constraint) (catalog.Check, error) {
	sp := d.s.tx.tx.Savepoint()
	n := t.Clone()
	b := &tableBuilder{d: d, ch: d.s.e.catalog.Change(d.s.tx.tx, d.snap()), t: n, taken: map[string]bool{}, constraints: constraintNames(n)}
	err := b.check(ctx, c)
	if undo := d.s.tx.tx.RollbackTo(ctx, sp, false); err == nil {
		err = undo
	}
	if err != nil {
		return catalog.Check{}, err
	}
	k := n.Checks[len(n.Checks)-1]
	k.Unvalidated = true
	return k, nil
}

// validateConstraint is VALIDATE CONSTRAINT.
func (d *ddl) validateConstraint(ctx context.Context, t *catalog.Table, a *ast.ValidateConstraint) error {
	if k := t.ForeignKey(a.Name); k != nil {
		return d.validateForeignKey(ctx, t, k)
	}
	i := slices.IndexFunc(t.Checks, func(c catalog.Check) bool { return c.Name == a.Name })
	switch {
	case i < 0 && constraintNames(t)[a.Name]:
		return sqlerr.New(sqlerr.WrongObjectType, "constraint %q of relation %q is not a foreign key or check constraint", a.Name, t.Name)
	case i < 0:
		return errNoConstraint(a.Name, t)
	case !t.Checks[i].Unvalidated:
		return nil
	}
	return d.constrain(ctx, t, checkRule(a.Name, nil))
}

func errNoConstraint(name string, t *catalog.Table) error {
	return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of relation %q does not exist", name, t.Name)
}

// dropConstraint is DROP CONSTRAINT.
func (d *ddl) dropConstraint(ctx context.Context, t *catalog.Table, a *ast.DropConstraint, actions int) error {
	if i := slices.IndexFunc(t.Checks, func(c catalog.Check) bool { return c.Name == a.Name }); i >= 0 {
		return d.change(ctx, func(ch *catalog.Change) error {
			n := t.Clone()
			n.Checks = slices.Delete(n.Checks, i, i+1)
			return ch.PutTable(ctx, n)
		})
	}
	if k := t.ForeignKey(a.Name); k != nil {
		return d.dropForeignKey(ctx, t, k.ID)
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		switch {
		case ix.Name != a.Name || ix.ConstraintID == 0:
			continue
		}
		refs := d.refersBy(t, ix)
		switch {
		case len(refs) > 0 && !a.Cascade:
			return d.errReferred("constraint "+plan.QuoteIdent(ix.Name)+" on table "+d.relName(t), "index "+plan.QuoteIdent(ix.Name), refs)
		case ix.Full:
			return d.at(sqlerr.Unsupported("DROP CONSTRAINT of a primary key"), a)
		case d.isNew(t):
			d.noticeKeys(refs)
			if err := d.dropKeys(ctx, refs); err != nil {
				return err
			}
			return d.dropIndexNow(ctx, t.ID, ix.Number)
		case actions > 1:
			return d.at(sqlerr.Unsupported("several actions in one ALTER TABLE that drops an index of an existing table"), a)
		}
		id, number := t.ID, ix.Number
		d.noticeKeys(refs)
		return d.online(ctx, func(ctx context.Context, e *Engine) error {
			if err := e.dropKeys(ctx, refs); err != nil {
				return err
			}
			return e.removeIndex(ctx, id, number, nil)
		})
	}
	if a.IfExists {
		d.s.noticef(sqlerr.SuccessfulCompletion, "constraint %q of relation %q does not exist, skipping", a.Name, t.Name)
		return nil
	}
	return errNoConstraint(a.Name, t)
}
