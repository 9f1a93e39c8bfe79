package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (d *ddl) createDomain(ctx context.Context, st *ast.CreateDomain) error {
	sc, err := d.newType(st.Domain)
	if err != nil {
		return err
	}
	base, err := plan.ResolveType(st.Type, d.s.planOptions(d.text, nil))
	if err == nil && base.Category() == 'P' {
		return sqlerr.New(sqlerr.DatatypeMismatch, "%q is not a valid base type for a domain", base.Name())
	}
	if err == nil {
		err = base.CheckBuilt()
	}
	if err != nil {
		return d.at(err, st.Type)
	}
	if st.Collation != nil {
		switch st.Collation.Name {
		case "default", "C", "POSIX", "ucs_basic":
		default:
			return d.at(sqlerr.Unsupported("collation %q", st.Collation.Name), st)
		}
		if i, ok := base.Base().Info(); !ok || i.Collation == 0 {
			return d.at(sqlerr.New(sqlerr.DatatypeMismatch, "collations are not supported by type %s", base), st)
		}
	}
	dom := &catalog.Domain{Base: base}
	var checks []*ast.Constraint
	null := false
	for _, c := range st.Constraints {
		switch c.Kind {
		case ast.ConstraintNotNull, ast.ConstraintNull:
			if dom.NotNull && c.Kind == ast.ConstraintNull || null && c.Kind == ast.ConstraintNotNull {
				return sqlerr.New(sqlerr.SyntaxError, "conflicting NULL/NOT NULL constraints")
			}
			null, dom.NotNull = null || c.Kind == ast.ConstraintNull, dom.NotNull || c.Kind == ast.ConstraintNotNull
		case ast.ConstraintDefault:
			if dom.Default != "" {
				return sqlerr.New(sqlerr.SyntaxError, "multiple default expressions")
			}
			if dom.Default, err = d.domainDefault(c.Expr, c.ExprText, st.Domain.Name, base); err != nil {
				return err
			}
		case ast.ConstraintCheck:
			checks = append(checks, c)
		default:
			return errDomainConstraint(c)
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, c := range checks {
			if err := d.domainCondition(c, base); err != nil {
				return err
			}
			if err := addDomainCheck(ctx, ch, dom, st.Domain.Name, c); err != nil {
				return err
			}
		}
		return d.putNewType(ctx, ch, sc, &catalog.UserType{Name: st.Domain.Name, Domain: dom})
	})
}

func errDomainConstraint(c *ast.Constraint) error {
	what := "unique constraints"
	switch c.Kind {
	case ast.ConstraintPrimaryKey:
		what = "primary key constraints"
	case ast.ConstraintForeignKey:
		what = "foreign key constraints"
	case ast.ConstraintExclude:
		what = "exclusion constraints"
	case ast.ConstraintIdentity, ast.ConstraintGenerated:
		return sqlerr.New(sqlerr.SyntaxError, "specifying GENERATED is not possible for domains")
	}
	return sqlerr.New(sqlerr.SyntaxError, "%s not possible for domains", what)
}

func (d *ddl) domainDefault(e ast.Expr, text, name string, base types.Type) (string, error) {
	o := d.s.planOptions(d.text, nil)
	if err := plan.CheckDefault(o, e, name, base); err != nil {
		return "", err
	}
	return plan.StoredDefault(o, e, text)
}

// domainCondition sees whether a CHECK constraint can be one of a domain over base.
func (d *ddl) domainCondition(c *ast.Constraint, base types.Type) error {
	if c.NoInherit {
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "check constraints for domains cannot be marked NO INHERIT")
	}
	return plan.CheckDomainCondition(d.s.planOptions(d.text, nil), c.Expr, base)
}

// addDomainCheck adds a CHECK constraint to the descriptor of a domain.
func addDomainCheck(ctx context.Context, ch *catalog.Change, dom *catalog.Domain, domain string, c *ast.Constraint) error {
	taken := func(name string) bool {
		for _, x := range dom.Checks {
			if x.Name == name {
				return true
			}
		}
		return false
	}
	name := c.Name
	if name == "" {
		name = chooseName(domain, "", "check", taken)
	} else if taken(name) {
		return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for domain %q already exists", name, domain)
	}
	id, err := ch.NewID(ctx)
	if err != nil {
		return err
	}
	dom.Checks = append(dom.Checks, catalog.DomainCheck{ID: id, Name: name, Expr: c.ExprText})
	return nil
}

func (d *ddl) alterDomain(ctx context.Context, st *ast.AlterDomain) error {
	t, err := d.namedType(st.Domain)
	if err != nil {
		return err
	}
	u := d.snap().UserType(t.OID)
	if u == nil || u.Domain == nil {
		return sqlerr.New(sqlerr.WrongObjectType, "%s is not a domain", t)
	}
	if err := d.mustOwnType(u); err != nil {
		return err
	}
	c := u.Clone()
	at := -1
	for i := range c.Domain.Checks {
		if c.Domain.Checks[i].Name == st.Name {
			at = i
		}
	}
	missing := sqlerr.New(sqlerr.UndefinedObject, "constraint %q of domain %q does not exist", st.Name, u.Name)
	switch st.Action {
	case ast.DomainSetDefault:
		if c.Domain.Default, err = d.domainDefault(st.Expr, st.ExprText, u.Name, t.Def().Base); err != nil {
			return err
		}
	case ast.DomainDropDefault:
		c.Domain.Default = ""
	case ast.DomainDropNotNull:
		c.Domain.NotNull = false
	case ast.DomainDropConstraint:
		if at < 0 && st.IfExists {
			d.s.noticef(sqlerr.SuccessfulCompletion, "constraint %q of domain %q does not exist, skipping", st.Name, u.Name)
			return nil
		}
		if at < 0 {
			return missing
		}
		c.Domain.Checks = append(c.Domain.Checks[:at:at], c.Domain.Checks[at+1:]...)
	case ast.DomainRenameConstraint:
		if at < 0 {
			return missing
		}
		for _, x := range c.Domain.Checks {
			if x.Name == st.NewName {
				return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for domain %s already exists", st.NewName, u.Name)
			}
		}
		c.Domain.Checks[at].Name = st.NewName
	default:
		return d.constrainDomain(ctx, st, u, at)
	}
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutType(ctx, c) })
}

// constrainDomain is SET NOT NULL, ADD CONSTRAINT and VALIDATE CONSTRAINT: stored
// values have to be looked at. The constraint is made to hold for new values first, and
// once no transaction can commit any more that did not know it, for the old ones.
func (d *ddl) constrainDomain(ctx context.Context, st *ast.AlterDomain, u *catalog.UserType, at int) error {
	t, _ := d.snap().TypeByOID(u.ID)
	build := func(ctx context.Context, ch *catalog.Change, c *catalog.UserType) error {
		switch st.Action {
		case ast.DomainSetNotNull:
			c.Domain.NotNull = true
		case ast.DomainAddConstraint:
			if err := addDomainCheck(ctx, ch, c.Domain, u.Name, st.Constraint); err != nil {
				return err
			}
			c.Domain.Checks[len(c.Domain.Checks)-1].Unvalidated = true
		}
		return nil
	}
	look := func(x *catalog.Domain) domainLook {
		switch st.Action {
		case ast.DomainSetNotNull:
			return domainLook{notNull: true}
		case ast.DomainValidate:
			return domainLook{check: x.Checks[at].Expr}
		}
		return domainLook{check: st.Constraint.ExprText}
	}
	switch {
	case st.Action == ast.DomainValidate && at < 0:
		return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of domain %q does not exist", st.Name, u.Name)
	case st.Action == ast.DomainSetNotNull && u.Domain.NotNull, st.Action == ast.DomainValidate && !u.Domain.Checks[at].Unvalidated:
		return nil
	}
	if st.Action == ast.DomainAddConstraint {
		if err := d.domainCondition(st.Constraint, t.Def().Base); err != nil {
			return err
		}
	}
	cols, err := d.domainColumns(u)
	if err != nil {
		return err
	}
	notValid := st.Action == ast.DomainAddConstraint && st.Constraint.NotValid
	old := false // whether a table is known to others
	for _, c := range cols {
		old = old || !d.isNew(c.table)
	}
	if old && !notValid {
		return d.constrainOnline(ctx, u, cols, look(u.Domain), build)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		c := u.Clone()
		if err := build(ctx, ch, c); err != nil {
			return err
		}
		if !notValid {
			if err := d.s.checkStored(ctx, t, cols, look(c.Domain)); err != nil {
				return err
			}
			validated(c)
		}
		return ch.PutType(ctx, c)
	})
}

func validated(u *catalog.UserType) {
	for i := range u.Domain.Checks {
		u.Domain.Checks[i].Unvalidated = false
	}
}

// domainColumn is a column that holds values of a domain.
type domainColumn struct {
	table  *catalog.Table
	column *catalog.Column
}

// domainColumns finds the columns of a domain and of domains over it. One that holds
// its values in arrays or rows cannot be looked into.
func (d *ddl) domainColumns(u *catalog.UserType) ([]domainColumn, error) {
	var out []domainColumn
	for _, t := range d.snap().Tables() {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Dropped || !t.IsTable() || t.Virtual || !c.Type.IsUser() || !c.Type.Uses(u.ID) {
				continue
			}
			x := c.Type
			for x.OID != u.ID && x.IsDomain() {
				x = x.Def().Base
			}
			if x.OID != u.ID {
				return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot alter type %q because column \"%s.%s\" uses it", u.Name, t.Name, c.Name)
			}
			out = append(out, domainColumn{t, c})
		}
	}
	return out, nil
}

// domainLook is what stored values are looked at for.
type domainLook struct {
	notNull bool
	check   string // the text of a CHECK condition
}

// checkStored looks at the stored values of columns of a domain t.
func (s *Session) checkStored(ctx context.Context, t types.Type, cols []domainColumn, look domainLook) error {
	for _, c := range cols {
		pl, err := plan.DomainViolation(s.planOptions("", nil), c.table, c.column, t.Base(), look.check)
		if err != nil {
			return err
		}
		found, err := s.anyRow(ctx, pl)
		switch {
		case err != nil:
			return err
		case found && look.notNull:
			return sqlerr.New(sqlerr.NotNullViolation, "column %q of table %q contains null values", c.column.Name, c.table.Name).
				WithTable(c.table.SchemaName, c.table.Name).WithColumn(c.column.Name)
		case found:
			return sqlerr.New(sqlerr.CheckViolation, "column %q of table %q contains values that violate the new constraint", c.column.Name, c.table.Name).
				WithTable(c.table.SchemaName, c.table.Name).WithColumn(c.column.Name)
		}
	}
	return nil
}

// anyRow reports whether a plan gives a row.
func (s *Session) anyRow(ctx context.Context, pl *plan.Plan) (bool, error) {
	rt := s.runtime(ctx, nil)
	ex, err := rt.Start(ctx, pl)
	if err != nil {
		return false, err
	}
	defer ex.Close()
	row, err := ex.Next(ctx)
	return row != nil, err
}

// constrainOnline constrains a domain whose tables other nodes write.
func (d *ddl) constrainOnline(ctx context.Context, u *catalog.UserType, cols []domainColumn, look domainLook,
	build func(context.Context, *catalog.Change, *catalog.UserType) error) error {
	t, _ := d.snap().TypeByOID(u.ID)
	// What is wrong now is found before anything changes.
	if err := d.s.checkStored(ctx, t, cols, look); err != nil {
		return err
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		version := u.Version
		err := e.typeStep(ctx, u.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.UserType) error {
			if now.Version != version {
				return sqlerr.New(sqlerr.ObjectInUse, "type %q is being altered by another statement", now.Name)
			}
			c := now.Clone()
			if err := build(ctx, ch, c); err != nil {
				return err
			}
			version = now.Version + 1
			return ch.PutType(ctx, c)
		})
		if err != nil {
			return err
		}
		// After one more version no transaction commits that did not know the constraint.
		err = e.typeStep(ctx, u.ID, func(ctx context.Context, ch *catalog.Change, _ *catalog.UserType) error { return ch.Touch(ctx) })
		if err == nil {
			err = e.settle(ctx)
		}
		if err == nil {
			err = e.checkDomainNow(ctx, u.ID, look)
		}
		if err == nil {
			return e.typeStep(ctx, u.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.UserType) error {
				c := now.Clone()
				validated(c)
				return ch.PutType(ctx, c)
			})
		}
		clean := context.WithoutCancel(ctx)
		if undo := e.typeStep(clean, u.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.UserType) error {
			c := u.Clone()
			c.Version = now.Version
			return ch.PutType(ctx, c)
		}); undo != nil {
			e.o.Logger.Error("take back a constraint of a domain", "type", u.Name, "err", undo)
		}
		return err
	})
}

// checkDomainNow is checkStored in a session of its own.
func (e *Engine) checkDomainNow(ctx context.Context, id catalog.ID, look domainLook) error {
	s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
	if err := s.begin(ctx, TxnOptions{ReadOnly: true}, false); err != nil {
		return err
	}
	defer s.abort(ctx)
	if err := s.open(ctx); err != nil {
		return err
	}
	u := s.tx.snap.UserType(id)
	if u == nil {
		return sqlerr.New(sqlerr.UndefinedObject, "the type was dropped meanwhile")
	}
	cols, err := (&ddl{s: s}).domainColumns(u)
	if err != nil {
		return err
	}
	t, _ := s.tx.snap.TypeByOID(id)
	return s.checkStored(ctx, t, cols, look)
}

// typeStep is ddlStep for a type.
func (e *Engine) typeStep(ctx context.Context, id catalog.ID, f func(context.Context, *catalog.Change, *catalog.UserType) error) error {
	return e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		t := snap.UserType(id)
		if t == nil {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "the type was dropped meanwhile")
		}
		ch := e.catalog.Change(tx, snap)
		if err := f(ctx, ch, t); err != nil {
			return nil, err
		}
		return ch.Snapshot(), nil
	})
}
