package sql

import (
	"context"
	"maps"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// constraintTimes is what SET CONSTRAINTS has said in a transaction.
type constraintTimes struct {
	all  *bool // deferred; nil: as they were declared
	byID map[catalog.ID]bool
}

func (c constraintTimes) deferred(k *catalog.ForeignKey) bool {
	if d, ok := c.byID[k.ID]; ok {
		return d
	}
	if c.all != nil {
		return *c.all
	}
	return k.Deferred
}

// keyTimes is the session as the executor asks it about constraints.
type keyTimes struct{ s *Session }

func (c keyTimes) Deferred(k *catalog.ForeignKey) bool { return c.s.tx.times.deferred(k) }

func (c keyTimes) Defer(d *exec.Deferred) {
	t := c.s.tx
	t.deferred.Checks = append(t.deferred.Checks, d.Checks...)
	t.deferred.Above = max(t.deferred.Above, d.Above)
}

// setConstraints is SET CONSTRAINTS. What becomes immediate is checked at once.
func (s *Session) setConstraints(ctx context.Context, st *ast.SetConstraints) error {
	if !s.tx.block {
		s.warn(sqlerr.NoActiveSQLTransaction, "SET CONSTRAINTS can only be used in transaction blocks")
		return nil
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	times := constraintTimes{all: &st.Deferred}
	if len(st.Names) > 0 {
		times = constraintTimes{all: s.tx.times.all, byID: maps.Clone(s.tx.times.byID)}
		if times.byID == nil {
			times.byID = map[catalog.ID]bool{}
		}
	}
	for _, n := range st.Names {
		list, err := s.constraintsNamed(n, st.Deferred)
		if err != nil {
			return err
		}
		for _, k := range list {
			times.byID[k.ID] = st.Deferred
		}
	}
	s.tx.times = times
	if st.Deferred {
		return nil
	}
	return s.runDeferred(ctx, "SET CONSTRAINTS", func(k *catalog.ForeignKey) bool { return !times.deferred(k) })
}

// constraintsNamed finds the constraints of a name: in the named schema, or in the first
// one of the path that has any.
func (s *Session) constraintsNamed(n ast.Name, deferred bool) (list []*catalog.ForeignKey, err error) {
	path := s.path(s.tx.snap, true)
	if n.Schema != "" {
		if s.tx.snap.Schema(n.Schema) == nil {
			return nil, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", n.Schema)
		}
		path = []string{n.Schema}
	}
	for _, name := range path {
		found := false
		for _, t := range s.tx.snap.Tables() {
			if t.SchemaName != name || t.Virtual {
				continue
			}
			k := t.ForeignKey(n.Name)
			switch {
			case k == nil && !constraintNames(t)[n.Name]:
				continue
			case deferred && (k == nil || !k.Deferrable):
				return nil, sqlerr.New(sqlerr.WrongObjectType, "constraint %q is not deferrable", n.Name)
			case k != nil:
				list = append(list, k)
			}
			found = true
		}
		if found {
			return list, nil
		}
	}
	return nil, sqlerr.New(sqlerr.UndefinedObject, "constraint %q does not exist", n.Name)
}

// runDeferred makes the checks that were put off, of the constraints that which accepts.
// In READ COMMITTED they see what is committed by now.
func (s *Session) runDeferred(ctx context.Context, what string, which func(*catalog.ForeignKey) bool) error {
	t := s.tx
	if len(t.deferred.Checks) == 0 {
		return nil
	}
	t.tx.Prepare(StatementOptions{Text: what, LockTimeout: s.settings.hot.lockTimeout})
	for attempt := 0; ; attempt++ {
		t.stale = true
		if err := s.open(ctx); err != nil {
			return err
		}
		now, later := exec.Deferred{Above: t.deferred.Above}, exec.Deferred{Above: t.deferred.Above}
		for _, c := range t.deferred.Checks {
			x := t.snap.Table(c.Table)
			if x == nil || x.ForeignKeyByID(c.Constraint) == nil {
				continue
			}
			if which(x.ForeignKeyByID(c.Constraint)) {
				now.Checks = append(now.Checks, c)
			} else {
				later.Checks = append(later.Checks, c)
			}
		}
		err := s.runtime(ctx, nil).RunDeferred(ctx, &now, func(table, constraint catalog.ID) (*plan.ForeignKey, error) {
			x := t.snap.Table(table)
			return plan.ForeignKeyOf(s.planOptions("", nil), x, x.ForeignKeyByID(constraint))
		})
		if err == nil {
			t.deferred = later
			return nil
		}
		if attempt >= rerunsMax || ctx.Err() != nil || !s.mayRerun(err) {
			return err
		}
	}
}

// checkDeferred makes all checks that were put off to the commit.
func (s *Session) checkDeferred(ctx context.Context) error {
	return s.runDeferred(ctx, "COMMIT", func(*catalog.ForeignKey) bool { return true })
}

// noPendingChecks refuses to change a table of which checks are put off.
func (d *ddl) noPendingChecks(what string, t *catalog.Table) error {
	for _, c := range d.s.tx.deferred.Checks {
		if c.Written == t.ID {
			return sqlerr.New(sqlerr.ObjectInUse, "cannot %s %q because it has pending trigger events", what, t.Name)
		}
	}
	return nil
}

// keysSettled is called before rows of a table are written. A foreign key that came with
// one schema version is not relied on until every transaction that can still commit knows
// it: else one that does not could take away the row that is referred to. Rows that the
// transaction writes which brought the constraint are looked at again when that is so.
func (s *Session) keysSettled(ctx context.Context, t *catalog.Table) error {
	for i := range t.ForeignKeys {
		k := &t.ForeignKeys[i]
		if k.Since == 0 {
			continue
		}
		if s.tx.snap.Changed() && !sameSince(s.tx.base.Table(t.ID), k) {
			if s.tx.early == nil {
				s.tx.early = map[catalog.ID]catalog.ID{}
			}
			s.tx.early[k.ID] = t.ID
			continue
		}
		if s.tx.base.Version() < k.Since {
			if err := s.e.reachVersion(ctx, k.Since); err != nil {
				return err
			}
		}
		if err := s.e.catalog.AwaitPublished(ctx, s.tx.base, k.Since); err != nil {
			return err
		}
		if err := s.e.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sameSince reports whether a foreign key was in a table as it is, before a transaction
// changed it.
func sameSince(before *catalog.Table, k *catalog.ForeignKey) bool {
	if before == nil {
		return false
	}
	b := before.ForeignKeyByID(k.ID)
	return b != nil && b.Since == k.Since
}

// reachVersion makes schema versions without changes until there is the given one.
func (e *Engine) reachVersion(ctx context.Context, version uint64) error {
	for done := false; !done; {
		err := e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
			ch := e.catalog.Change(tx, snap)
			if done = snap.Version() >= version; done {
				return snap, nil
			}
			if err := ch.Touch(ctx); err != nil {
				return nil, err
			}
			return ch.Snapshot(), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// doubtEarly marks the constraints as not validated by which the transaction that brings
// them has written rows, and has them validated after the commit. If that cannot be done
// they stay so.
func (s *Session) doubtEarly(ctx context.Context) error {
	for id, table := range s.tx.early {
		t := s.tx.snap.Table(table)
		if t == nil || t.ForeignKeyByID(id) == nil || t.ForeignKeyByID(id).Unvalidated {
			continue
		}
		name := t.ForeignKeyByID(id).Name
		d := &ddl{s: s}
		if err := d.change(ctx, func(ch *catalog.Change) error {
			n := t.Clone()
			n.ForeignKeyByID(id).Unvalidated = true
			return ch.PutTable(ctx, n)
		}); err != nil {
			return err
		}
		s.tx.afterCommit = append(s.tx.afterCommit, func(ctx context.Context) error {
			ctx = context.WithoutCancel(ctx)
			if err := s.e.constrain(ctx, table, foreignRule(id, nil)); err != nil {
				s.warn(sqlerr.Warning, "foreign key constraint %q could not be validated and is left NOT VALID: %v", name, err)
			}
			return nil
		})
	}
	s.tx.early = nil
	return nil
}
