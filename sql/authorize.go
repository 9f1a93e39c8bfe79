package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Every statement asks here whether it may: plans by what they need of relations
// (authorize), the others by the methods below. What nobody has allowed is denied;
// the owner of an object and a superuser may do everything with it.

// authorize checks what a plan needs, as ExecCheckRTPerms does in PostgreSQL.
func (s *Session) authorize(needs []*plan.Need) error {
	if past := s.tx.snap; s.tx.present != nil {
		// The rights of today count, unless there is no such table any more.
		defer func() { s.tx.snap = past }()
		for _, n := range needs {
			s.tx.snap = s.tx.present
			if !n.Table.Virtual && s.tx.present.Table(n.Table.ID) == nil {
				s.tx.snap = past
			}
			if err := s.authorizeNow([]*plan.Need{n}); err != nil {
				return err
			}
		}
		return nil
	}
	return s.authorizeNow(needs)
}

// authorizeNow is authorize by the rights of the transaction's snapshot.
func (s *Session) authorizeNow(needs []*plan.Need) error {
	if len(needs) == 0 {
		return nil
	}
	me, err := s.me()
	if err != nil {
		return err
	}
	for _, n := range needs {
		as := me.ID
		if n.As != 0 {
			as = n.As
		}
		if r := s.tx.snap.Role(as); r != nil && r.Super {
			continue
		}
		// The plan may be older than the list.
		t := s.tx.snap.Table(n.Table.ID)
		if t == nil {
			t = n.Table
		}
		if n.Schema {
			if err := s.useSchema(as, t.Schema); err != nil {
				e := *sqlerr.As(err)
				e.Position = n.Position
				return &e
			}
		}
		if !s.mayUse(as, t, n) {
			return denied(t)
		}
	}
	return nil
}

// settled makes sure that what a plan writes is not written back without a new column
// by a node that does not know it yet.
func (s *Session) settled(ctx context.Context, needs []*plan.Need) error {
	for _, n := range needs {
		if n.Privileges&(catalog.Insert|catalog.Update) == 0 {
			continue
		}
		t := s.tx.snap.Table(n.Table.ID)
		if t == nil {
			continue
		}
		if err := s.keysSettled(ctx, t); err != nil {
			return err
		}
		if t.Since == 0 {
			continue
		}
		if t.Since > s.tx.base.Version() {
			return sqlerr.Unsupported("writing to a table to which this transaction has added a column").
				WithHint("Commit first, or add the column outside a transaction block.")
		}
		if err := s.e.catalog.AwaitPublished(ctx, s.tx.base, t.Since); err != nil {
			return err
		}
	}
	return nil
}

// mayShow reports whether messages may have values of columns of a table: the session's
// role may read them.
func (s *Session) mayShow(t *catalog.Table, columns []int16) bool {
	need := &plan.Need{Table: t, Privileges: catalog.Select, Selected: map[int16]bool{}}
	for _, c := range columns {
		need.Selected[c] = true
	}
	me, err := s.me()
	return err == nil && (me.Super || s.mayUse(me.ID, t, need))
}

// mayUse reports whether a role has what is needed of a table, or of its columns.
func (s *Session) mayUse(role catalog.ID, t *catalog.Table, n *plan.Need) bool {
	rest := n.Privileges &^ s.tableRights(role, t, n.Privileges)
	if rest == 0 {
		return true
	}
	if rest&^(catalog.Select|catalog.Insert|catalog.Update) != 0 {
		return false
	}
	for _, c := range []struct {
		p   catalog.Privileges
		set map[int16]bool
	}{{catalog.Select, n.Selected}, {catalog.Insert, n.Inserted}, {catalog.Update, n.Updated}} {
		if rest&c.p != 0 && !s.onColumns(role, t, c.p, c.set) {
			return false
		}
	}
	return true
}

// onColumns reports whether a role has a privilege on all columns of a set; on any,
// if the set is empty.
func (s *Session) onColumns(role catalog.ID, t *catalog.Table, p catalog.Privileges, set map[int16]bool) bool {
	for id := range set {
		c := t.Column(id)
		if c == nil || s.tx.snap.Has(c.ACL, role, p) == 0 {
			return false
		}
	}
	if len(set) > 0 {
		return true
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Dropped && s.tx.snap.Has(c.ACL, role, p) != 0 {
			return true
		}
	}
	return false
}

// hiddenCatalogs are those that only superusers may read: they hold passwords.
var hiddenCatalogs = map[string]bool{"pg_authid": true, "pg_shadow": true, "pg_user_mapping": true, "pg_statistic": true, "pg_subscription": true,
	"pg_largeobject": true, "pg_hba_file_rules": true, "pg_file_settings": true, "pg_config": true}

// tableRights returns which of want a role has on a whole table, view or sequence.
func (s *Session) tableRights(role catalog.ID, t *catalog.Table, want catalog.Privileges) catalog.Privileges {
	snap := s.tx.snap
	if t.Virtual {
		if r := snap.Role(role); r != nil && r.Super {
			return want
		}
		if hiddenCatalogs[t.Name] {
			return 0
		}
		return want & catalog.Select
	}
	got := snap.Has(classOf(t).Of(t.ACL, t.OwnerID()), role, want)
	if want&catalog.Select != 0 && snap.HasRights(role, catalog.RoleReadAllData) {
		got |= catalog.Select
	}
	if snap.HasRights(role, catalog.RoleWriteAllData) {
		got |= want & (catalog.Insert | catalog.Update | catalog.Delete)
	}
	return got
}

// classOf is the class of a table's privileges.
func classOf(t *catalog.Table) catalog.ObjectClass {
	if t.Sequence != nil {
		return catalog.ClassSequence
	}
	return catalog.ClassTable
}

func denied(t *catalog.Table) error {
	return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for %s %s", t.Kind(), t.Name).WithRoutine("aclcheck_error")
}

// schemaRights returns which of want a role has on a schema.
func (s *Session) schemaRights(role, schema catalog.ID, want catalog.Privileges) catalog.Privileges {
	sc := s.tx.snap.SchemaByID(schema)
	if sc == nil {
		return 0
	}
	got := s.tx.snap.Has(catalog.ClassSchema.Of(sc.ACL, sc.OwnerID()), role, want)
	if s.tx.snap.HasRights(role, catalog.RoleReadAllData) || s.tx.snap.HasRights(role, catalog.RoleWriteAllData) {
		got |= want & catalog.Usage
	}
	return got
}

// searches reports whether the search path goes through a schema: it exists and the
// session's role may use it.
func (s *Session) searches(snap *catalog.Snapshot, schema string) bool {
	sc := snap.Schema(schema)
	if sc == nil {
		return false
	}
	r := snap.RoleByName(s.user())
	if r == nil || r.Super {
		return true
	}
	return snap.Has(catalog.ClassSchema.Of(sc.ACL, sc.OwnerID()), r.ID, catalog.Usage) != 0 || snap.HasRights(r.ID, catalog.RoleReadAllData) ||
		snap.HasRights(r.ID, catalog.RoleWriteAllData)
}

// resolve finds a relation by its name as written. Naming a schema takes the right
// to use it.
func (s *Session) resolve(n ast.Name) (catalog.Relation, bool, error) {
	snap := s.tx.snap
	if sc := snap.Schema(n.Schema); sc != nil {
		me, err := s.me()
		if err == nil {
			err = s.useSchema(me.ID, sc.ID)
		}
		if err != nil {
			return catalog.Relation{}, false, err
		}
	}
	return snap.Resolve(n.Schema, n.Name, s.path(snap, true))
}

func (s *Session) useSchema(role, schema catalog.ID) error {
	if s.schemaRights(role, schema, catalog.Usage) != 0 {
		return nil
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", s.tx.snap.SchemaByID(schema).Name).WithRoutine("aclcheck_error")
}

// mayTable checks that the session's role has a privilege on a table.
func (s *Session) mayTable(t *catalog.Table, p catalog.Privileges) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	if s.tableRights(me.ID, t, p) == p {
		return nil
	}
	return denied(t)
}

// mayLock checks the right to LOCK TABLE: who may read a table may keep it from
// being dropped, who may change it may keep others away.
func (s *Session) mayLock(t *catalog.Table, mode string) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	need := catalog.Update | catalog.Delete | catalog.Truncate
	switch mode {
	case "access share":
		need |= catalog.Select | catalog.Insert
	case "row exclusive":
		need |= catalog.Insert
	}
	if s.tableRights(me.ID, t, need) == 0 {
		return denied(t)
	}
	return nil
}

// mayCreateIn checks that the session's role may put objects into a schema.
func (s *Session) mayCreateIn(schema catalog.ID) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	if s.schemaRights(me.ID, schema, catalog.Create) != 0 {
		return nil
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", s.tx.snap.SchemaByID(schema).Name).WithRoutine("aclcheck_error")
}

// owns reports whether the session's role has the rights of an owner.
func (s *Session) owns(owner catalog.ID) (bool, error) {
	me, err := s.me()
	if err != nil {
		return false, err
	}
	return s.tx.snap.HasRights(me.ID, owner), nil
}

// mustOwn checks that the session's role owns a table, view or sequence.
func (s *Session) mustOwn(t *catalog.Table) error { return s.mustOwnNamed(t, t.Kind(), t.Name) }

// mustOwnNamed is mustOwn for what goes with a table: an index.
func (s *Session) mustOwnNamed(t *catalog.Table, kind, name string) error {
	ok, err := s.owns(t.OwnerID())
	if err != nil || ok {
		return err
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "must be owner of %s %s", kind, name).WithRoutine("aclcheck_error")
}

func (s *Session) mustOwnSchema(sc *catalog.Schema) error {
	ok, err := s.owns(sc.OwnerID())
	if err != nil || ok {
		return err
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "must be owner of schema %s", sc.Name).WithRoutine("aclcheck_error")
}

// maySee reports whether the session's role may see what a session of another one
// does.
func (s *Session) maySee(user string) bool {
	snap := s.tx.snap
	me, other := snap.RoleByName(s.user()), snap.RoleByName(user)
	if me == nil {
		return false
	}
	return other != nil && snap.HasRights(me.ID, other.ID) || snap.HasRights(me.ID, catalog.RoleReadAllStats)
}
