package sql

import (
	"context"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// foreignKey adds a foreign key to the table that is being built or changed.
func (b *tableBuilder) foreignKey(ctx context.Context, c *ast.Constraint) error {
	parent, err := b.referenced(c)
	if err != nil {
		return err
	}
	k := catalog.ForeignKey{RefTable: parent.ID, OnDelete: refAction(c.OnDelete), OnUpdate: refAction(c.OnUpdate), Match: catalog.MatchSimple,
		Deferrable: c.Deferrable, Deferred: c.InitiallyDeferred, Unvalidated: c.NotValid && b.t.Version > 0}
	if c.Match == ast.MatchFull {
		k.Match = catalog.MatchFull
	}
	if k.Columns, err = keyColumns(b.t, c.Columns); err != nil {
		return err
	}
	if k.SetColumns, err = keyColumns(b.t, c.SetColumns); err != nil {
		return err
	}
	for i, id := range k.SetColumns {
		if !slices.Contains(k.Columns, id) {
			return sqlerr.New(sqlerr.InvalidColumnReference, "column %q referenced in ON DELETE SET action must be part of foreign key", c.SetColumns[i].Name)
		}
	}
	if err := b.target(parent, c, &k); err != nil {
		return err
	}
	if err := b.d.mayRefer(parent, k.RefColumns); err != nil {
		return err
	}
	if len(k.Columns) != len(k.RefColumns) {
		return sqlerr.New(sqlerr.InvalidForeignKey, "number of referencing and referenced columns for foreign key disagree")
	}
	if err := b.nameForeignKey(c, &k); err != nil {
		return err
	}
	for i := range k.Columns {
		from, to := b.t.Column(k.Columns[i]), parent.Column(k.RefColumns[i])
		if !plan.CanRefer(b.d.s.planOptions(b.d.text, nil), from.Type, to.Type) {
			return sqlerr.New(sqlerr.DatatypeMismatch, "foreign key constraint %q cannot be implemented", k.Name).
				WithDetail("Key columns %q and %q are of incompatible types: %s and %s.", from.Name, to.Name, from.Type, to.Type)
		}
	}
	if k.ID, err = b.ch.NewID(ctx); err != nil {
		return err
	}
	if !b.d.isNew(parent) && !k.Unvalidated {
		k.Since = b.ch.NextVersion() + 1
	}
	b.t.ForeignKeys = append(b.t.ForeignKeys, k)
	return nil
}

func refAction(a ast.RefAction) catalog.RefAction {
	return [...]catalog.RefAction{ast.NoAction: catalog.NoAction, ast.Restrict: catalog.Restrict, ast.Cascade: catalog.Cascade,
		ast.SetNull: catalog.SetNull, ast.SetDefault: catalog.SetDefault}[a]
}

// referenced finds the table that a foreign key refers to.
func (b *tableBuilder) referenced(c *ast.Constraint) (*catalog.Table, error) {
	d := b.d
	r, ok, err := d.s.resolve(c.RefTable)
	if err == nil && (!ok || r.Table.ID == b.t.ID) && c.RefTable.Name == b.t.Name && (c.RefTable.Schema == "" || c.RefTable.Schema == b.schema) {
		return b.t, nil
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", c.RefTable.String())
	case r.Index != nil:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is an index", c.RefTable.Name)
	case !r.Table.IsTable():
		return nil, sqlerr.New(sqlerr.WrongObjectType, "referenced relation %q is not a table", r.Table.Name)
	case r.Table.Virtual:
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system catalog", r.Table.Name)
	case b.t.Temp && !r.Table.Temp:
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "constraints on temporary tables may reference only temporary tables")
	case !b.t.Temp && r.Table.Temp:
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "constraints on permanent tables may reference only permanent tables")
	}
	return r.Table, nil
}

func keyColumns(t *catalog.Table, list []ast.Ident) (out []int16, err error) {
	if len(list) > 32 {
		return nil, sqlerr.New(sqlerr.TooManyColumns, "cannot have more than 32 keys in a foreign key")
	}
	for _, id := range list {
		c := t.ColumnByName(id.Name)
		if c == nil {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q referenced in foreign key constraint does not exist", id.Name)
		}
		out = append(out, c.ID)
	}
	return out, nil
}

// target finds the unique index over the columns that are referred to: the primary key if
// none are named.
func (b *tableBuilder) target(parent *catalog.Table, c *ast.Constraint, k *catalog.ForeignKey) (err error) {
	if len(c.RefColumns) == 0 {
		if !parent.HasPrimaryKey() {
			return sqlerr.New(sqlerr.UndefinedObject, "there is no primary key for referenced table %q", parent.Name)
		}
		k.RefIndex = parent.Primary().ID
		for _, x := range parent.Primary().Columns {
			k.RefColumns = append(k.RefColumns, x.Column)
		}
		return nil
	}
	if k.RefColumns, err = keyColumns(parent, c.RefColumns); err != nil {
		return err
	}
	for i, id := range k.RefColumns {
		if slices.Contains(k.RefColumns[:i], id) {
			return sqlerr.New(sqlerr.InvalidForeignKey, "foreign key referenced-columns list must not contain duplicates")
		}
	}
	for i := range parent.Indexes {
		x := &parent.Indexes[i]
		if refersToAll(x, k.RefColumns) {
			k.RefIndex = x.ID
			return nil
		}
	}
	return sqlerr.New(sqlerr.InvalidForeignKey, "there is no unique constraint matching given keys for referenced table %q", parent.Name)
}

// refersToAll reports whether an index makes just these columns unique.
func refersToAll(x *catalog.Index, columns []int16) bool {
	return (x.Unique || x.Full) && x.Pred == "" && x.ID != 0 && x.State == catalog.Public && len(x.Columns) == len(columns) &&
		!slices.ContainsFunc(x.Columns, func(c catalog.IndexColumn) bool { return !slices.Contains(columns, c.Column) })
}

// mayRefer checks the privilege REFERENCES on a table or on columns of it.
func (d *ddl) mayRefer(t *catalog.Table, columns []int16) error {
	if d.snap().Table(t.ID) == nil {
		return nil // it is being created
	}
	me, err := d.s.me()
	if err != nil || me.Super {
		return err
	}
	if d.s.tableRights(me.ID, t, catalog.References) != 0 {
		return nil
	}
	for _, id := range columns {
		if d.snap().Has(t.Column(id).ACL, me.ID, catalog.References) == 0 {
			return denied(t)
		}
	}
	return nil
}

// nameForeignKey names a constraint as it was told to, or as PostgreSQL would.
func (b *tableBuilder) nameForeignKey(c *ast.Constraint, k *catalog.ForeignKey) error {
	own := constraintNames(b.t)
	if k.Name = c.Name; k.Name != "" {
		if own[k.Name] || b.constraints[k.Name] {
			return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for relation %q already exists", k.Name, b.t.Name)
		}
	} else {
		var names []string
		for _, id := range k.Columns {
			names = append(names, b.t.Column(id).Name)
		}
		k.Name = chooseName(b.t.Name, strings.Join(names, "_"), "fkey", func(name string) bool {
			return own[name] || b.constraints[name] || b.constraintTaken(name)
		})
	}
	b.constraints[k.Name] = true
	return nil
}

// constraintTaken reports whether a table of the schema has a constraint of a name.
func (b *tableBuilder) constraintTaken(name string) bool {
	return slices.ContainsFunc(b.ch.Current().Tables(), func(t *catalog.Table) bool {
		return t.Schema == b.t.Schema && t.ID != b.t.ID && constraintNames(t)[name]
	})
}

// addForeignKey is ADD FOREIGN KEY.
func (d *ddl) addForeignKey(ctx context.Context, t *catalog.Table, c *ast.Constraint, actions int) error {
	add := func(ctx context.Context, ch *catalog.Change, n *catalog.Table) (*catalog.ForeignKey, error) {
		b := &tableBuilder{d: d, ch: ch, t: n, schema: t.SchemaName, taken: map[string]bool{}, constraints: map[string]bool{}}
		if err := b.foreignKey(ctx, c); err != nil {
			return nil, err
		}
		return &n.ForeignKeys[len(n.ForeignKeys)-1], nil
	}
	if c.NotValid || d.isNew(t) || d.allNull(t, c) {
		var made *catalog.ForeignKey
		err := d.change(ctx, func(ch *catalog.Change) (err error) {
			n := t.Clone()
			if made, err = add(ctx, ch, n); err != nil {
				return err
			}
			return ch.PutTable(ctx, n)
		})
		if err != nil || c.NotValid {
			return err
		}
		return d.checkNewKey(ctx, t.ID, made.ID)
	}
	if actions > 1 {
		return d.at(sqlerr.Unsupported("several actions in one ALTER TABLE that adds a foreign key to an existing table"), c)
	}
	// What can be found wrong is found before anything changes.
	sp := d.s.tx.tx.Savepoint()
	_, err := add(ctx, d.s.e.catalog.Change(d.s.tx.tx, d.snap()), t.Clone())
	if undo := d.s.tx.tx.RollbackTo(ctx, sp, false); err == nil {
		err = undo
	}
	if err != nil {
		return err
	}
	version := t.Version
	var id catalog.ID
	hold := func(ctx context.Context, ch *catalog.Change, n *catalog.Table) error {
		if n.Version != version {
			return errConcurrentDDL(n)
		}
		k, err := addIn(ctx, d, add, ch, n)
		if err != nil {
			return err
		}
		k.Unvalidated, k.Building, k.Since = true, true, 0
		id = k.ID
		return nil
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		return e.constrain(ctx, t.ID, foreignRuleOf(func() catalog.ID { return id }, hold))
	})
}

// addIn runs add in a transaction that is not the session's own: names are resolved by
// its catalog.
func addIn(ctx context.Context, d *ddl, add func(context.Context, *catalog.Change, *catalog.Table) (*catalog.ForeignKey, error), ch *catalog.Change, n *catalog.Table) (*catalog.ForeignKey, error) {
	if d.s.tx == nil {
		d.s.tx = &txnState{snap: ch.Current(), base: ch.Current()}
		defer func() { d.s.tx = nil }()
	}
	return add(ctx, ch, n)
}

// allNull reports whether the columns of a foreign key came in this transaction and are
// NULL in all rows that others know.
func (d *ddl) allNull(t *catalog.Table, c *ast.Constraint) bool {
	base := d.s.tx.base.Table(t.ID)
	return base != nil && slices.ContainsFunc(c.Columns, func(id ast.Ident) bool {
		col := t.ColumnByName(id.Name)
		return col != nil && base.Column(col.ID) == nil && col.Missing == nil && c.Match != ast.MatchFull
	})
}

// checkNewKey looks at the rows of a table that only this transaction knows, or whose
// column it has added.
func (d *ddl) checkNewKey(ctx context.Context, table, id catalog.ID) error {
	t := d.snap().Table(table)
	empty, err := d.isEmpty(ctx, t)
	if err != nil || empty {
		return err
	}
	if _, _, err = d.s.foreignPiece(ctx, d.s.tx.tx.Statement(), t, t.ForeignKeyByID(id), nil, 0); err != nil {
		return err
	}
	if d.isNew(t) && !t.Temp && t.ForeignKeyByID(id).Since != 0 {
		if d.s.tx.early == nil {
			d.s.tx.early = map[catalog.ID]catalog.ID{}
		}
		d.s.tx.early[id] = table
	}
	return nil
}

// foreignRule is the rule of a foreign key that is there already and only to be
// validated, or of one that hold puts into the descriptor.
func foreignRule(id catalog.ID, hold func(context.Context, *catalog.Change, *catalog.Table) error) rule {
	return foreignRuleOf(func() catalog.ID { return id }, hold)
}

func foreignRuleOf(id func() catalog.ID, hold func(context.Context, *catalog.Change, *catalog.Table) error) rule {
	r := rule{
		hold: hold,
		declare: func(t *catalog.Table) {
			if k := t.ForeignKeyByID(id()); k != nil {
				k.Unvalidated, k.Building = false, false
			}
		},
		undo:    func(t *catalog.Table) { t.DropForeignKey(id()) },
		foreign: id,
	}
	if hold == nil {
		r.hold = func(context.Context, *catalog.Change, *catalog.Table) error { return nil }
		r.undo = func(*catalog.Table) {}
	}
	return r
}

// lookAtReferences returns an error if a stored row refers to nothing. It works in
// transactions of bounded size. A row that moves meanwhile is checked by who moves it.
func (e *Engine) lookAtReferences(ctx context.Context, table, id catalog.ID) error {
	s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
	var start keys.User
	for {
		if err := s.begin(ctx, TxnOptions{ReadOnly: true}, false); err != nil {
			return err
		}
		next, done, err := s.referencesFrom(ctx, table, id, start)
		s.abort(ctx)
		if err != nil || done {
			return err
		}
		start = next
	}
}

func (s *Session) referencesFrom(ctx context.Context, table, id catalog.ID, start keys.User) (next keys.User, done bool, err error) {
	if err := s.open(ctx); err != nil {
		return nil, false, err
	}
	t := s.tx.snap.Table(table)
	if t == nil || t.ForeignKeyByID(id) == nil {
		return nil, false, sqlerr.New(sqlerr.UndefinedObject, "the constraint was dropped meanwhile")
	}
	return s.foreignPiece(ctx, s.tx.tx.Statement(), t, t.ForeignKeyByID(id), start, backfillRows)
}

// foreignPiece looks at up to limit rows (0: all) from start on.
func (s *Session) foreignPiece(ctx context.Context, kv exec.KV, t *catalog.Table, k *catalog.ForeignKey, start keys.User, limit int) (next keys.User, done bool, err error) {
	x, err := plan.ForeignKeyOf(s.planOptions("", nil), t, k)
	if err != nil {
		return nil, false, err
	}
	rt := s.runtime(ctx, nil)
	rt.KV, rt.MayShow = kv, nil // who changes a table may see it
	return rt.CheckReferences(ctx, x, start, limit)
}

// dropForeignKey takes a foreign key out.
func (d *ddl) dropForeignKey(ctx context.Context, t *catalog.Table, id catalog.ID) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		n.DropForeignKey(id)
		return ch.PutTable(ctx, n)
	})
}

// validateForeignKey is VALIDATE CONSTRAINT.
func (d *ddl) validateForeignKey(ctx context.Context, t *catalog.Table, k *catalog.ForeignKey) error {
	if !k.Unvalidated {
		return nil
	}
	if !d.isNew(t) {
		id := k.ID
		return d.online(ctx, func(ctx context.Context, e *Engine) error { return e.constrain(ctx, t.ID, foreignRule(id, nil)) })
	}
	err := d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		n.ForeignKeyByID(k.ID).Unvalidated = false
		return ch.PutTable(ctx, n)
	})
	if err != nil {
		return err
	}
	return d.checkNewKey(ctx, t.ID, k.ID)
}

// keyName is how messages name a foreign key.
func (d *ddl) keyName(t *catalog.Table, k *catalog.ForeignKey) string {
	return "constraint " + plan.QuoteIdent(k.Name) + " on table " + d.relName(t)
}

// refersBy returns the foreign keys that refer to a table by an index of it.
func (d *ddl) refersBy(t *catalog.Table, ix *catalog.Index) []catalog.Referrer {
	return slices.DeleteFunc(d.snap().Referrers(t.ID), func(r catalog.Referrer) bool { return r.Key.RefIndex != ix.ID })
}

// errReferred is the error of dropping what foreign keys refer to by on ("": by itself).
func (d *ddl) errReferred(what, on string, refs []catalog.Referrer) error {
	if on == "" {
		on = what
	}
	var lines []string
	for _, r := range refs {
		lines = append(lines, d.keyName(r.Table, r.Key)+" depends on "+on)
	}
	return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop %s because other objects depend on it", what).
		WithDetail("%s", strings.Join(lines, "\n")).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
}

func (d *ddl) noticeKeys(refs []catalog.Referrer) {
	var gone []dependent
	for _, r := range refs {
		gone = append(gone, dependent{what: d.keyName(r.Table, r.Key)})
	}
	d.noticeCascade(gone)
}

// dropKeys takes foreign keys out within the session's transaction.
func (d *ddl) dropKeys(ctx context.Context, refs []catalog.Referrer) error {
	for _, r := range refs {
		if t := d.snap().Table(r.Table.ID); t != nil {
			if err := d.dropForeignKey(ctx, t, r.Key.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropKeys takes foreign keys out, each in a version of its own.
func (e *Engine) dropKeys(ctx context.Context, refs []catalog.Referrer) error {
	for _, r := range refs {
		err := e.ddlStep(ctx, r.Table.ID, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			n := now.Clone()
			n.DropForeignKey(r.Key.ID)
			return ch.PutTable(ctx, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// truncated adds the tables that refer to those of a TRUNCATE, or refuses.
func (d *ddl) truncated(list []*catalog.Table, cascade bool) ([]*catalog.Table, error) {
	in := map[catalog.ID]bool{}
	for _, t := range list {
		in[t.ID] = true
	}
	for i := 0; i < len(list); i++ {
		for _, r := range d.snap().Referrers(list[i].ID) {
			switch {
			case in[r.Table.ID]:
				continue
			case !cascade:
				return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot truncate a table referenced in a foreign key constraint").
					WithDetail("Table %q references %q.", r.Table.Name, list[i].Name).
					WithHint("Truncate table %q at the same time, or use TRUNCATE ... CASCADE.", r.Table.Name)
			}
			in[r.Table.ID] = true
			d.s.noticef(sqlerr.SuccessfulCompletion, "truncate cascades to table %q", r.Table.Name)
			if err := d.s.mayTable(r.Table, catalog.Truncate); err != nil {
				return nil, err
			}
			list = append(list, r.Table)
		}
	}
	for _, t := range list {
		if err := d.noPendingChecks("TRUNCATE", t); err != nil {
			return nil, err
		}
	}
	return list, nil
}
