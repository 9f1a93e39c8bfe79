package sql

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// granting is a GRANT or REVOKE, its names looked up.
type granting struct {
	d        *ddl
	st       *ast.Grant
	me       *catalog.Role
	grantees []catalog.ID
}

func (d *ddl) newGranting(st *ast.Grant) (*granting, error) {
	me, err := d.s.me()
	if err != nil {
		return nil, err
	}
	g := &granting{d: d, st: st, me: me}
	if st.GrantedBy != "" {
		if by, err := d.s.roleNamed(st.GrantedBy); err != nil {
			return nil, err
		} else if by.ID != me.ID {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "grantor must be current user")
		}
	}
	for _, name := range st.Grantees {
		if name == "public" {
			g.grantees = append(g.grantees, catalog.Everybody)
			continue
		}
		r, err := d.s.roleNamed(name)
		if err != nil {
			return nil, err
		}
		g.grantees = append(g.grantees, r.ID)
	}
	return g, nil
}

// privileges reads the list of a class of objects, and the part of it that is for
// columns.
func (g *granting) privileges(c catalog.ObjectClass, what string) (p catalog.Privileges, columns map[string]catalog.Privileges, err error) {
	if len(g.st.Privileges) == 0 {
		return c.All(), nil, nil
	}
	for _, x := range g.st.Privileges {
		var one catalog.Privileges
		limit, kind := c.All(), what
		if x.Columns != nil {
			limit, kind = catalog.ClassColumn.All(), "column"
			if c != catalog.ClassTable {
				return 0, nil, sqlerr.New(sqlerr.InvalidGrantOperation, "column privileges are only valid for relations")
			}
		}
		if x.Name == "all" && x.Columns != nil {
			one = limit
		} else {
			var ok bool
			if one, ok = catalog.ParsePrivilege(x.Name); !ok {
				return 0, nil, sqlerr.New(sqlerr.SyntaxError, "unrecognized privilege type %q", x.Name)
			}
			if one&^limit != 0 {
				return 0, nil, sqlerr.New(sqlerr.InvalidGrantOperation, "invalid privilege type %s for %s", one.Names()[0], kind)
			}
		}
		if x.Columns == nil {
			p |= one
			continue
		}
		if columns == nil {
			columns = map[string]catalog.Privileges{}
		}
		for _, name := range x.Columns {
			columns[name] |= one
		}
	}
	return p, columns, nil
}

// apply changes one list. any is what the session's role has on the object, so that
// it may learn what it cannot do; rights is the list that says what may be passed on,
// which for a column includes its table's.
func (g *granting) apply(c catalog.ObjectClass, a, rights catalog.ACL, owner catalog.ID, p catalog.Privileges, name string, denial error) (catalog.ACL, error) {
	snap := g.d.snap()
	grantor, can := snap.Grantable(rights, owner, g.me.ID, p)
	switch {
	case can == 0 && snap.Has(rights, g.me.ID, c.All()) == 0:
		return nil, denial
	case can == 0 && g.st.Revoke:
		g.d.s.warn(sqlerr.WarningPrivilegeNotRevoked, "no privileges could be revoked for %q", name)
	case can == 0:
		g.d.s.warn(sqlerr.WarningPrivilegeNotGranted, "no privileges were granted for %q", name)
	case can != p && len(g.st.Privileges) > 0 && g.st.Revoke:
		g.d.s.warn(sqlerr.WarningPrivilegeNotRevoked, "not all privileges could be revoked for %q", name)
	case can != p && len(g.st.Privileges) > 0:
		g.d.s.warn(sqlerr.WarningPrivilegeNotGranted, "not all privileges were granted for %q", name)
	}
	if can == 0 {
		return a, nil
	}
	return g.change(a, owner, grantor, can)
}

func (g *granting) change(a catalog.ACL, owner, grantor catalog.ID, p catalog.Privileges) (catalog.ACL, error) {
	var err error
	for _, grantee := range g.grantees {
		if g.st.Revoke {
			a, err = g.d.snap().Take(a, owner, grantor, grantee, p, g.st.GrantOption, g.st.Cascade)
		} else {
			a, err = g.d.snap().Give(a, owner, grantor, grantee, p, g.st.GrantOption)
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// grant is GRANT and REVOKE of privileges on objects.
func (d *ddl) grant(ctx context.Context, st *ast.Grant) error {
	g, err := d.newGranting(st)
	if err != nil {
		return err
	}
	switch st.Kind {
	case ast.ObjTable, ast.ObjSequence:
		var list []*catalog.Table
		for _, n := range st.Objects {
			t, err := d.grantable(n, st.Kind)
			if err != nil {
				return err
			}
			list = append(list, t)
		}
		return g.onTables(ctx, list)
	case "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA":
		list, err := d.tablesIn(st.Objects, st.Kind == "ALL SEQUENCES IN SCHEMA")
		if err != nil {
			return err
		}
		return g.onTables(ctx, list)
	case "ALL FUNCTIONS IN SCHEMA", "ALL PROCEDURES IN SCHEMA", "ALL ROUTINES IN SCHEMA":
		if _, _, err := g.privileges(catalog.ClassFunction, "function"); err != nil {
			return err
		}
		_, err := d.tablesIn(st.Objects, true) // schemas have no functions of users
		return err
	case ast.ObjSchema:
		return g.onSchemas(ctx)
	case ast.ObjDatabase:
		return g.onDatabase(ctx)
	}
	return sqlerr.Unsupported("%s ON %s", st.Tag(), st.Kind)
}

// grantable finds a relation by name. Sequences may be called tables.
func (d *ddl) grantable(n ast.Name, kind ast.ObjectKind) (*catalog.Table, error) {
	r, ok, err := d.s.resolve(n)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", n.String())
	case r.Index != nil:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is an index", n.Name)
	case kind == ast.ObjSequence && r.Table.Sequence == nil:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", n.Name)
	case r.Table.Virtual:
		return nil, sqlerr.Unsupported("changing the privileges of a system catalog")
	}
	return r.Table, nil
}

// tablesIn lists the tables and views, or the sequences, of schemas.
func (d *ddl) tablesIn(schemas []ast.Name, sequences bool) ([]*catalog.Table, error) {
	var list []*catalog.Table
	for _, n := range schemas {
		sc := d.snap().Schema(n.Name)
		if sc == nil {
			return nil, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", n.Name)
		}
		for _, t := range d.snap().Tables() {
			if t.Schema == sc.ID && !t.Virtual && (t.Sequence != nil) == sequences {
				list = append(list, t)
			}
		}
	}
	return list, nil
}

func (g *granting) onTables(ctx context.Context, list []*catalog.Table) error {
	return g.d.change(ctx, func(ch *catalog.Change) error {
		for _, t := range list {
			c, err := g.onTable(t)
			if err != nil {
				return err
			}
			if err := ch.PutTable(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *granting) onTable(t *catalog.Table) (*catalog.Table, error) {
	class, what := classOf(t), "relation"
	if g.st.Kind != ast.ObjTable && t.Sequence != nil {
		what = "sequence"
	}
	p, columns, err := g.privileges(class, what)
	if err != nil {
		return nil, err
	}
	c, owner := t.Clone(), t.OwnerID()
	table := class.Of(t.ACL, owner)
	if p != 0 {
		if c.ACL, err = g.apply(class, table, table, owner, p, t.Name, denied(t)); err != nil {
			return nil, err
		}
	}
	for i := range c.Columns {
		col := &c.Columns[i]
		q := columns[col.Name]
		delete(columns, col.Name)
		if col.Dropped || col.Hidden {
			continue
		}
		if g.st.Revoke && col.ACL != nil {
			// What is taken from the table is taken from its columns.
			q |= p & catalog.ClassColumn.All()
		}
		if q == 0 {
			continue
		}
		a := catalog.ClassColumn.Of(col.ACL, owner)
		rights := append(append(catalog.ACL{}, a...), table...)
		if a, err = g.apply(catalog.ClassColumn, a, rights, owner, q, col.Name, denied(t)); err != nil {
			return nil, err
		}
		if col.ACL = a; len(a) == 0 {
			col.ACL = nil
		}
	}
	for name := range columns {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
	}
	return c, nil
}

func (g *granting) onSchemas(ctx context.Context) error {
	p, _, err := g.privileges(catalog.ClassSchema, "schema")
	if err != nil {
		return err
	}
	return g.d.change(ctx, func(ch *catalog.Change) error {
		for _, n := range g.st.Objects {
			sc := ch.Current().Schema(n.Name)
			if sc == nil {
				return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", n.Name)
			}
			if sc.Virtual && sc.ID != catalog.SchemaPublic {
				return sqlerr.Unsupported("changing the privileges of schema %q", sc.Name)
			}
			c := *sc
			a := catalog.ClassSchema.Of(sc.ACL, sc.OwnerID())
			denial := sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", sc.Name)
			if c.ACL, err = g.apply(catalog.ClassSchema, a, a, sc.OwnerID(), p, sc.Name, denial); err != nil {
				return err
			}
			if err := ch.PutSchema(ctx, &c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *granting) onDatabase(ctx context.Context) error {
	p, _, err := g.privileges(catalog.ClassDatabase, "database")
	if err != nil {
		return err
	}
	for _, n := range g.st.Objects {
		if n.Name != databaseName {
			return sqlerr.New(sqlerr.UndefinedDatabase, "database %q does not exist", n.Name)
		}
	}
	info := *g.d.snap().Database()
	a := catalog.ClassDatabase.Of(info.ACL, info.Owner)
	denial := sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for database %s", databaseName)
	if info.ACL, err = g.apply(catalog.ClassDatabase, a, a, info.Owner, p, databaseName, denial); err != nil {
		return err
	}
	return g.d.change(ctx, func(ch *catalog.Change) error { return ch.PutDatabase(ctx, &info) })
}

// defaultClasses are the classes that ALTER DEFAULT PRIVILEGES names.
var defaultClasses = map[ast.ObjectKind]catalog.ObjectClass{"TABLES": catalog.ClassTable, "SEQUENCES": catalog.ClassSequence,
	"SCHEMAS": catalog.ClassSchema, "FUNCTIONS": catalog.ClassFunction, "ROUTINES": catalog.ClassFunction, "TYPES": catalog.ClassType}

// defaultPrivileges is ALTER DEFAULT PRIVILEGES.
func (d *ddl) defaultPrivileges(ctx context.Context, st *ast.DefaultPrivileges) error {
	g, err := d.newGranting(st.Grant)
	if err != nil {
		return err
	}
	class := defaultClasses[st.Grant.Kind]
	what := map[catalog.ObjectClass]string{catalog.ClassTable: "relation", catalog.ClassSequence: "sequence", catalog.ClassSchema: "schema",
		catalog.ClassFunction: "function", catalog.ClassType: "type"}[class]
	p, columns, err := g.privileges(class, what)
	switch {
	case err != nil:
		return err
	case columns != nil:
		return sqlerr.New(sqlerr.InvalidGrantOperation, "default privileges cannot be set for columns")
	case class == catalog.ClassSchema && len(st.Schemas) > 0:
		return sqlerr.New(sqlerr.InvalidGrantOperation, "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS")
	}
	roles := []*catalog.Role{g.me}
	if len(st.Roles) > 0 {
		roles = nil
		for _, name := range st.Roles {
			r, err := d.s.roleNamed(name)
			if err != nil {
				return err
			}
			if !d.snap().IsMember(g.me.ID, r.ID) {
				return denyRole("must be member of role %q", r.Name)
			}
			roles = append(roles, r)
		}
	}
	schemas := []catalog.ID{0}
	if len(st.Schemas) > 0 {
		schemas = nil
		for _, name := range st.Schemas {
			sc := d.snap().Schema(name)
			if sc == nil {
				return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", name)
			}
			schemas = append(schemas, sc.ID)
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, r := range roles {
			for _, schema := range schemas {
				if err := g.setDefault(ctx, ch, r.ID, schema, class, p); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (g *granting) setDefault(ctx context.Context, ch *catalog.Change, role, schema catalog.ID, class catalog.ObjectClass, p catalog.Privileges) error {
	old := ch.Current().DefaultACL(role, schema, class)
	usual := catalog.ACL{}
	if schema == 0 {
		usual = class.Default(role)
	}
	a := usual
	if old != nil {
		a = old.ACL
	}
	a, err := g.change(a, role, role, p)
	switch {
	case err != nil:
		return err
	case slices.Equal(a, usual) && old == nil:
		return nil
	case slices.Equal(a, usual):
		return ch.DropDefaultACL(ctx, old)
	}
	slices.SortStableFunc(a, func(x, y catalog.Grant) int {
		return cmp.Or(cmp.Compare(x.Grantee, y.Grantee), cmp.Compare(x.Grantor, y.Grantor))
	})
	n := &catalog.DefaultACL{Role: role, Schema: schema, Class: class, ACL: a}
	if old != nil {
		n.ID = old.ID
	} else if n.ID, err = ch.NewID(ctx); err != nil {
		return err
	}
	return ch.PutDefaultACL(ctx, n)
}

// giveTo makes the session's role the owner of a new relation, with the privileges
// that ALTER DEFAULT PRIVILEGES asks for.
func (d *ddl) giveTo(t *catalog.Table) error {
	me, err := d.s.me()
	if err != nil {
		return err
	}
	t.Owner, t.ACL = me.ID, d.snap().NewACL(me.ID, t.Schema, classOf(t))
	return nil
}

// newOwner finds the role that an object is given to and checks that the session's
// may give it away.
func (d *ddl) newOwner(name string) (*catalog.Role, error) {
	r, err := d.s.roleNamed(name)
	if err != nil {
		return nil, err
	}
	me, err := d.s.me()
	if err != nil {
		return nil, err
	}
	if !d.snap().IsMember(me.ID, r.ID) {
		return nil, denyRole("must be member of role %q", r.Name)
	}
	return r, nil
}

// ownerTo is ALTER … OWNER TO of a table, view or sequence.
func (d *ddl) ownerTo(ctx context.Context, t *catalog.Table, name string) error {
	r, err := d.newOwner(name)
	if err != nil || r.ID == t.OwnerID() {
		return err
	}
	me, err := d.s.me()
	if err != nil {
		return err
	}
	if !me.Super && d.s.schemaRights(r.ID, t.Schema, catalog.Create) == 0 {
		return denyRole("permission denied for schema %s", t.SchemaName)
	}
	return d.change(ctx, func(ch *catalog.Change) error { return giveAway(ctx, ch, t, r.ID) })
}

// giveAway changes the owner of a relation and of the sequences of its columns.
func giveAway(ctx context.Context, ch *catalog.Change, t *catalog.Table, to catalog.ID) error {
	for _, x := range append(sequencesOf(ch.Current(), t.ID), t) {
		c, from := x.Clone(), x.OwnerID()
		c.Owner, c.ACL = to, x.ACL.Owned(from, to)
		for i := range c.Columns {
			c.Columns[i].ACL = c.Columns[i].ACL.Owned(from, to)
		}
		if err := ch.PutTable(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// alterSchema is ALTER SCHEMA.
func (d *ddl) alterSchema(ctx context.Context, st *ast.AlterSchema) error {
	sc := d.snap().Schema(st.Name)
	if sc == nil {
		return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", st.Name)
	}
	if err := d.s.mustOwnSchema(sc); err != nil {
		return err
	}
	if sc.Virtual && (st.RenameTo != "" || sc.ID != catalog.SchemaPublic) {
		return sqlerr.Unsupported("changing schema %q", sc.Name)
	}
	c := *sc
	if st.RenameTo == "" {
		r, err := d.newOwner(st.Owner)
		if err != nil {
			return err
		}
		c.Owner, c.ACL = r.ID, sc.ACL.Owned(sc.OwnerID(), r.ID)
	} else {
		switch {
		case d.snap().Schema(st.RenameTo) != nil:
			return sqlerr.New(sqlerr.DuplicateSchema, "schema %q already exists", st.RenameTo)
		case strings.HasPrefix(st.RenameTo, "pg_"):
			return sqlerr.New(sqlerr.ReservedName, "unacceptable schema name %q", st.RenameTo).
				WithDetail("The prefix \"pg_\" is reserved for system schemas.")
		}
		if err := d.mayCreateSchema(); err != nil {
			return err
		}
		c.Name = st.RenameTo
	}
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutSchema(ctx, &c) })
}

// mayCreateSchema checks the right to create schemas in the database.
func (d *ddl) mayCreateSchema() error {
	me, err := d.s.me()
	if err != nil {
		return err
	}
	info := d.snap().Database()
	if d.snap().Has(catalog.ClassDatabase.Of(info.ACL, info.Owner), me.ID, catalog.Create) == 0 {
		return denyRole("permission denied for database %s", databaseName)
	}
	return nil
}

// dropOrReassign is DROP OWNED and REASSIGN OWNED.
func (d *ddl) dropOrReassign(ctx context.Context, st *ast.OwnedBy) error {
	me, err := d.s.me()
	if err != nil {
		return err
	}
	verb := "drop"
	if st.To != "" {
		verb = "reassign"
	}
	roles := map[catalog.ID]bool{}
	for _, name := range st.Roles {
		r, err := d.s.roleNamed(name)
		if err != nil {
			return err
		}
		if !d.snap().IsMember(me.ID, r.ID) {
			return denyRole("permission denied to %s objects", verb)
		}
		if r.ID < catalog.FirstUserID {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot %s objects owned by role %s because they are required by the database system", verb, r.Name)
		}
		roles[r.ID] = true
	}
	if st.To != "" {
		to, err := d.newOwner(st.To)
		if err != nil {
			return err
		}
		return d.reassign(ctx, roles, to.ID)
	}
	return d.dropOwned(ctx, roles, st.Cascade)
}

func (d *ddl) reassign(ctx context.Context, roles map[catalog.ID]bool, to catalog.ID) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, t := range ch.Current().Tables() {
			if roles[t.OwnerID()] && !t.Virtual {
				if err := giveAway(ctx, ch, ch.Current().Table(t.ID), to); err != nil {
					return err
				}
			}
		}
		for _, u := range ch.Current().UserTypes() {
			if roles[u.OwnerID()] {
				c := u.Clone()
				c.Owner = to
				if err := ch.PutType(ctx, c); err != nil {
					return err
				}
			}
		}
		for _, sc := range ch.Current().Schemas() {
			if roles[sc.OwnerID()] {
				c := *sc
				c.Owner, c.ACL = to, sc.ACL.Owned(sc.OwnerID(), to)
				if err := ch.PutSchema(ctx, &c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// dropOwned drops what roles own and takes from them what they have been given.
func (d *ddl) dropOwned(ctx context.Context, roles map[catalog.ID]bool, cascade bool) error {
	var list []*catalog.Table
	for _, t := range d.snap().Tables() {
		if roles[t.OwnerID()] && !t.Virtual && (t.Sequence == nil || t.Sequence.OwnerTable == 0) {
			list = append(list, t)
		}
	}
	var owned []*catalog.UserType
	for _, u := range d.snap().UserTypes() {
		if roles[u.OwnerID()] {
			owned = append(owned, u)
		}
	}
	if len(list)+len(owned) > 0 {
		if err := d.dropAll(ctx, list, owned, cascade); err != nil {
			return err
		}
	}
	schemas := &ast.Drop{Kind: ast.ObjSchema, Cascade: cascade}
	for _, sc := range d.snap().Schemas() {
		if roles[sc.OwnerID()] && !sc.Virtual {
			schemas.Names = append(schemas.Names, ast.Name{Name: sc.Name})
		}
	}
	if len(schemas.Names) > 0 {
		if err := d.dropSchemas(ctx, schemas); err != nil {
			return err
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error { return forget(ctx, ch, roles) })
}

// forget takes roles out of all lists of privileges.
func forget(ctx context.Context, ch *catalog.Change, roles map[catalog.ID]bool) error {
	without := func(a catalog.ACL) (catalog.ACL, bool) {
		if a == nil {
			return nil, false
		}
		out := slices.DeleteFunc(slices.Clone(a), func(g catalog.Grant) bool { return roles[g.Grantee] || roles[g.Grantor] })
		return out, len(out) != len(a)
	}
	for _, t := range ch.Current().Tables() {
		c := t.Clone()
		var changed, column bool
		c.ACL, changed = without(t.ACL)
		for i := range c.Columns {
			if c.Columns[i].ACL, column = without(c.Columns[i].ACL); len(c.Columns[i].ACL) == 0 {
				c.Columns[i].ACL = nil
			}
			changed = changed || column
		}
		if changed {
			if err := ch.PutTable(ctx, c); err != nil {
				return err
			}
		}
	}
	for _, sc := range ch.Current().Schemas() {
		if a, changed := without(sc.ACL); changed {
			c := *sc
			c.ACL = a
			if err := ch.PutSchema(ctx, &c); err != nil {
				return err
			}
		}
	}
	for _, da := range ch.Current().DefaultACLs() {
		a, changed := without(da.ACL)
		switch {
		case roles[da.Role]:
			if err := ch.DropDefaultACL(ctx, da); err != nil {
				return err
			}
		case changed:
			c := *da
			c.ACL = a
			if err := ch.PutDefaultACL(ctx, &c); err != nil {
				return err
			}
		}
	}
	info := *ch.Current().Database()
	if a, changed := without(info.ACL); changed {
		info.ACL = a
		return ch.PutDatabase(ctx, &info)
	}
	return nil
}
