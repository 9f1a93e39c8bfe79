package sql

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (d *ddl) roleStatement(ctx context.Context, st ast.Statement) (ok bool, err error) {
	switch st := st.(type) {
	case *ast.CreateRole:
		if st.Alter {
			return true, d.alterRole(ctx, st)
		}
		return true, d.createRole(ctx, st)
	case *ast.AlterRole:
		if st.RenameTo != "" {
			return true, d.renameRole(ctx, st)
		}
		return true, d.setForRole(ctx, st)
	case *ast.Grant:
		if st.Kind == "" {
			return true, d.grantRoles(ctx, st)
		}
		return true, d.grant(ctx, st)
	case *ast.DefaultPrivileges:
		return true, d.defaultPrivileges(ctx, st)
	case *ast.OwnedBy:
		return true, d.dropOrReassign(ctx, st)
	case *ast.AlterSchema:
		return true, d.alterSchema(ctx, st)
	}
	return false, nil
}

func denyRole(format string, args ...any) error {
	return sqlerr.New(sqlerr.InsufficientPrivilege, format, args...)
}

// mayManage checks that the session's role may create and change roles like r.
func (d *ddl) mayManage(r *catalog.Role, denial string) error {
	me, err := d.s.me()
	switch {
	case err != nil:
		return err
	case me.Super:
		return nil
	case r.Super:
		return denyRole("must be superuser to alter superuser roles or change superuser attribute")
	case !me.CreateRole:
		return denyRole("%s", denial)
	}
	return nil
}

func checkRoleName(name string) error {
	switch {
	case name == "public" || name == "none":
		return sqlerr.New(sqlerr.ReservedName, "role name %q is reserved", name)
	case strings.HasPrefix(name, "pg_"):
		return sqlerr.New(sqlerr.ReservedName, "role name %q is reserved", name).WithDetail("Role names starting with \"pg_\" are reserved.")
	}
	return nil
}

func (d *ddl) createRole(ctx context.Context, st *ast.CreateRole) error {
	if err := checkRoleName(st.Name.Name); err != nil {
		if !strings.HasPrefix(st.Name.Name, "pg_") {
			err = d.at(err, st.Name)
		}
		return err
	}
	r := &catalog.Role{Name: st.Name.Name, Connections: -1, Login: st.Kind == "user"}
	me, err := d.s.me()
	if err != nil {
		return err
	}
	if !me.Super {
		for _, o := range st.Options {
			switch o.Name {
			case "superuser":
				return denyRole("must be superuser to create superusers")
			case "replication":
				return denyRole("must be superuser to create replication users")
			case "bypassrls":
				return denyRole("must be superuser to create bypassrls users")
			}
		}
	}
	if err := d.mayManage(r, "permission denied to create role"); err != nil {
		return err
	}
	if d.snap().RoleByName(st.Name.Name) != nil {
		return sqlerr.New(sqlerr.DuplicateObject, "role %q already exists", st.Name.Name)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		var err error
		if r.ID, err = ch.NewID(ctx); err != nil {
			return err
		}
		if err := d.roleOptions(ctx, ch, r, st.Options); err != nil {
			return err
		}
		if err := ch.PutRole(ctx, r); err != nil {
			return err
		}
		for _, o := range st.Options {
			switch o.Name {
			case "in role":
				for _, name := range o.Roles {
					if err := d.addMembers(ctx, ch, name, []string{st.Name.Name}, false); err != nil {
						return err
					}
				}
			case "role", "user", "admin":
				if err := d.addMembers(ctx, ch, st.Name.Name, o.Roles, o.Name == "admin"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// roleOptions applies the options that concern the role alone.
func (d *ddl) roleOptions(ctx context.Context, ch *catalog.Change, r *catalog.Role, list []ast.RoleOption) error {
	seen := map[string]bool{}
	for _, o := range list {
		kind, on := strings.TrimPrefix(o.Name, "no"), !strings.HasPrefix(o.Name, "no")
		if seen[kind] {
			return d.at(sqlerr.New(sqlerr.SyntaxError, "conflicting or redundant options"), o)
		}
		seen[kind] = true
		switch kind {
		case "superuser":
			r.Super = on
		case "createdb":
			r.CreateDB = on
		case "createrole":
			r.CreateRole = on
		case "inherit":
			r.NoInherit = !on
		case "login":
			r.Login = on
		case "replication":
			r.Replication = on
		case "bypassrls":
			r.BypassRLS = on
		case "connection limit":
			n, err := strconv.Atoi(o.Value)
			if err != nil || n < -1 {
				return sqlerr.New(sqlerr.InvalidParameterValue, "invalid connection limit: %s", o.Value)
			}
			r.Connections = n
		case "valid until":
			t, err := d.validUntil(o.Value)
			if err != nil {
				return err
			}
			r.ValidUntil = t
		case "password":
			if o.Null {
				r.Password = ""
				continue
			}
			if err := d.setPassword(ctx, ch, r, o.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *ddl) validUntil(text string) (*int64, error) {
	v, err := types.DecodeText(text, types.Timestamptz, d.s.formatContext())
	if err != nil {
		return nil, err
	}
	t := v.Int()
	return &t, nil
}

// setPassword stores the verifier of a password, or the one that is given in its
// place. The first password of a cluster also makes the secret by which roles
// without one look like others.
func (d *ddl) setPassword(ctx context.Context, ch *catalog.Change, r *catalog.Role, password string) error {
	if _, ok := pgwire.ParseVerifier(password); ok {
		r.Password = password
	} else {
		switch {
		case password == "":
			d.s.noticef(sqlerr.SuccessfulCompletion, "empty string is not a valid password, clearing password")
			r.Password = ""
			return nil
		case len(password) == 35 && strings.HasPrefix(password, "md5"):
			return sqlerr.Unsupported("a password that was hashed with MD5")
		}
		salt := make([]byte, pgwire.SaltBytes)
		if _, err := io.ReadFull(d.s.e.o.Entropy, salt); err != nil {
			return sqlerr.Internal("make a salt: %v", err)
		}
		v, err := pgwire.NewVerifier(password, salt)
		if err != nil {
			return sqlerr.New(sqlerr.InvalidParameterValue, "this password cannot be used").WithCause(err)
		}
		r.Password = v.String()
	}
	info := *ch.Current().Database()
	if info.MockSecret != nil {
		return nil
	}
	info.MockSecret = make([]byte, 32)
	if _, err := io.ReadFull(d.s.e.o.Entropy, info.MockSecret); err != nil {
		return sqlerr.Internal("make a secret: %v", err)
	}
	return ch.PutDatabase(ctx, &info)
}

func (d *ddl) changeable(name string) (*catalog.Role, error) {
	r, err := d.s.roleNamed(name)
	if err != nil {
		return nil, err
	}
	if r.Virtual {
		return nil, sqlerr.New(sqlerr.ReservedName, "role name %q is reserved", r.Name).WithDetail("Role names starting with \"pg_\" are reserved.")
	}
	return r, nil
}

// alterRole is ALTER ROLE with options, and ALTER GROUP … ADD USER by another name.
func (d *ddl) alterRole(ctx context.Context, st *ast.CreateRole) error {
	old, err := d.changeable(st.Name.Name)
	if err != nil {
		return err
	}
	me, err := d.s.me()
	if err != nil {
		return err
	}
	onlyPassword := true
	for _, o := range st.Options {
		onlyPassword = onlyPassword && o.Name == "password"
		switch o.Name {
		case "superuser", "nosuperuser":
			if !me.Super {
				return denyRole("must be superuser to alter superuser roles or change superuser attribute")
			}
		case "replication", "noreplication":
			if !me.Super {
				return denyRole("must be superuser to alter replication roles or change replication attribute")
			}
		case "bypassrls", "nobypassrls":
			if !me.Super {
				return denyRole("must be superuser to change bypassrls attribute")
			}
		case "in role", "role", "user", "admin":
			return d.at(sqlerr.New(sqlerr.SyntaxError, "option %q not recognized", o.Name), o)
		}
	}
	if !(onlyPassword && me.ID == old.ID) {
		if err := d.mayManage(old, "permission denied"); err != nil {
			return err
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		r := old.Clone()
		if err := d.roleOptions(ctx, ch, r, st.Options); err != nil {
			return err
		}
		return ch.PutRole(ctx, r)
	})
}

func (d *ddl) renameRole(ctx context.Context, st *ast.AlterRole) error {
	old, err := d.changeable(st.Name)
	if err != nil {
		return err
	}
	switch {
	case old.Name == d.s.sessionUser():
		return sqlerr.New(sqlerr.FeatureNotSupported, "session user cannot be renamed")
	case old.Name == d.s.user():
		return sqlerr.New(sqlerr.FeatureNotSupported, "current user cannot be renamed")
	}
	if err := checkRoleName(st.RenameTo); err != nil {
		return err
	}
	if d.snap().RoleByName(st.RenameTo) != nil {
		return sqlerr.New(sqlerr.DuplicateObject, "role %q already exists", st.RenameTo)
	}
	if err := d.mayManage(old, "permission denied to rename role"); err != nil {
		return err
	}
	r := old.Clone()
	r.Name = st.RenameTo
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutRole(ctx, r) })
}

// setForRole is ALTER ROLE … SET and RESET: what new sessions begin with.
func (d *ddl) setForRole(ctx context.Context, st *ast.AlterRole) error {
	if st.Database != "" && st.Database != databaseName {
		return sqlerr.New(sqlerr.UndefinedDatabase, "database %q does not exist", st.Database)
	}
	if st.Name == "" {
		me, err := d.s.me()
		if err != nil {
			return err
		}
		if !me.Super {
			return denyRole("must be superuser to alter settings globally")
		}
		info := *d.snap().Database()
		if info.Settings, err = d.newSettings(info.Settings, st.Set); err != nil {
			return err
		}
		return d.change(ctx, func(ch *catalog.Change) error { return ch.PutDatabase(ctx, &info) })
	}
	old, err := d.changeable(st.Name)
	if err != nil {
		return err
	}
	if me, err := d.s.me(); err != nil || me.ID != old.ID {
		if err == nil {
			err = d.mayManage(old, "permission denied")
		}
		if err != nil {
			return err
		}
	}
	r := old.Clone()
	if r.Settings, err = d.newSettings(r.Settings, st.Set); err != nil {
		return err
	}
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutRole(ctx, r) })
}

func (d *ddl) newSettings(old []catalog.Setting, set *ast.SetVar) ([]catalog.Setting, error) {
	if set.ResetAll {
		return nil, nil
	}
	key := lower(set.Name)
	at := slices.IndexFunc(old, func(x catalog.Setting) bool { return x.Name == key })
	out := slices.Clone(old)
	if set.Default {
		if at >= 0 {
			out = slices.Delete(out, at, at+1)
		}
		return out, nil
	}
	def := d.s.e.defs[key]
	switch {
	case def == nil && !strings.Contains(key, "."):
		return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter %q", set.Name)
	case def != nil && def.readOnly || key == "role" || key == "session_authorization" || strings.HasPrefix(key, "transaction_"):
		return nil, sqlerr.New(sqlerr.CantChangeRuntimeParam, "parameter %q cannot be changed", set.Name)
	}
	v := setText(set.Values)
	if def != nil {
		var err error
		if _, err = def.check(v); err != nil {
			return nil, err
		}
	}
	if at < 0 {
		return append(out, catalog.Setting{Name: key, Value: v}), nil
	}
	out[at].Value = v
	return out, nil
}

// dropRoles is DROP ROLE.
func (d *ddl) dropRoles(ctx context.Context, st *ast.Drop) error {
	me, err := d.s.me()
	if err != nil {
		return err
	}
	if !me.Super && !me.CreateRole {
		return denyRole("permission denied to drop role")
	}
	for _, n := range st.Names {
		r := d.snap().RoleByName(n.Name)
		switch {
		case r == nil && st.IfExists:
			d.s.noticef(sqlerr.SuccessfulCompletion, "role %q does not exist, skipping", n.Name)
			continue
		case r == nil:
			return sqlerr.New(sqlerr.UndefinedObject, "role %q does not exist", n.Name)
		case r.Name == d.s.user():
			return sqlerr.New(sqlerr.ObjectInUse, "current user cannot be dropped")
		case r.Name == d.s.sessionUser():
			return sqlerr.New(sqlerr.ObjectInUse, "session user cannot be dropped")
		case r.Super && !me.Super:
			return denyRole("must be superuser to drop superusers")
		case r.ID < catalog.FirstUserID:
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop role %s because it is required by the database system", r.Name)
		}
		if lines := d.dependOnRole(r.ID); len(lines) > 0 {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "role %q cannot be dropped because some objects depend on it", r.Name).
				WithDetail("%s", strings.Join(lines, "\n"))
		}
		if err := d.change(ctx, func(ch *catalog.Change) error { return ch.DropRole(ctx, r) }); err != nil {
			return err
		}
	}
	return nil
}

// dependOnRole lists what a role owns and has privileges on.
func (d *ddl) dependOnRole(id catalog.ID) []string {
	type line struct {
		object catalog.ID
		text   string
	}
	var lines []line
	note := func(object, owner catalog.ID, a catalog.ACL, what string) {
		switch {
		case owner == id:
			lines = append(lines, line{object, "owner of " + what})
		case a.Mentions(id):
			lines = append(lines, line{object, "privileges for " + what})
		}
	}
	for _, u := range d.snap().UserTypes() {
		note(u.ID, u.OwnerID(), nil, "type "+d.typeName(u.ID))
	}
	for _, sc := range d.snap().Schemas() {
		note(sc.ID, sc.OwnerID(), sc.ACL, "schema "+sc.Name)
	}
	for _, t := range d.snap().Tables() {
		if t.Virtual {
			continue
		}
		note(t.ID, t.OwnerID(), t.ACL, t.Kind()+" "+d.relName(t))
		for i := range t.Columns {
			if c := &t.Columns[i]; !c.Dropped && c.ACL.Mentions(id) {
				lines = append(lines, line{t.ID, fmt.Sprintf("privileges for column %s of table %s", c.Name, d.relName(t))})
			}
		}
	}
	for _, da := range d.snap().DefaultACLs() {
		if da.Role == id || da.ACL.Mentions(id) {
			lines = append(lines, line{da.ID, "default privileges of role " + roleName(d.snap(), da.Role)})
		}
	}
	info := d.snap().Database()
	note(info.ID, info.Owner, info.ACL, "database "+databaseName)
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.object, b.object) })
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.text
	}
	return out
}

// grantRoles is GRANT and REVOKE of memberships.
func (d *ddl) grantRoles(ctx context.Context, st *ast.Grant) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, name := range st.Roles {
			var err error
			if st.Revoke {
				err = d.removeMembers(ctx, ch, name, st.Grantees, st.GrantOption)
			} else {
				err = d.addMembers(ctx, ch, name, st.Grantees, st.GrantOption)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// roleIn is roleNamed in the catalogue as the statement has changed it so far.
func (d *ddl) roleIn(ch *catalog.Change, name string) (*catalog.Role, error) {
	if r := ch.Current().RoleByName(name); r != nil {
		return r, nil
	}
	return d.s.roleNamed(name)
}

func (d *ddl) mayGrantRole(ch *catalog.Change, of *catalog.Role) error {
	me, err := d.s.me()
	switch {
	case err != nil:
		return err
	case me.Super:
		return nil
	case of.Super:
		return denyRole("must be superuser to alter superusers")
	case !me.CreateRole && !ch.Current().IsRoleAdmin(me.ID, of.ID):
		return denyRole("must have admin option on role %q", of.Name)
	}
	return nil
}

func (d *ddl) addMembers(ctx context.Context, ch *catalog.Change, role string, members []string, admin bool) error {
	of, err := d.roleIn(ch, role)
	if err != nil {
		return err
	}
	if err := d.mayGrantRole(ch, of); err != nil {
		return err
	}
	me, err := d.s.me()
	if err != nil {
		return err
	}
	for _, name := range members {
		m, err := d.roleIn(ch, name)
		switch {
		case err != nil:
			return err
		case m.Virtual:
			return sqlerr.New(sqlerr.ReservedName, "role name %q is reserved", m.Name)
		case of.Name == "pg_database_owner":
			return sqlerr.New(sqlerr.FeatureNotSupported, "role %q cannot have explicit members", of.Name)
		case m.ID == of.ID || memberOf(ch.Current(), of.ID, m.ID):
			return sqlerr.New(sqlerr.InvalidGrantOperation, "role %q is a member of role %q", of.Name, m.Name)
		}
		c := m.Clone()
		i := slices.IndexFunc(c.Member, func(x catalog.Membership) bool { return x.Role == of.ID })
		switch {
		case i >= 0 && (!admin || c.Member[i].Admin):
			d.s.noticef(sqlerr.SuccessfulCompletion, "role %q is already a member of role %q", m.Name, of.Name)
			continue
		case i >= 0:
			c.Member[i].Admin = true
		default:
			c.Member = append(c.Member, catalog.Membership{Role: of.ID, Admin: admin, Grantor: me.ID})
		}
		if err := ch.PutRole(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// memberOf is Snapshot.IsMember without the privilege of superusers.
func memberOf(snap *catalog.Snapshot, role, of catalog.ID) bool {
	if role == of {
		return true
	}
	r := snap.Role(role)
	return r != nil && slices.ContainsFunc(r.Member, func(m catalog.Membership) bool { return memberOf(snap, m.Role, of) })
}

func (d *ddl) removeMembers(ctx context.Context, ch *catalog.Change, role string, members []string, adminOnly bool) error {
	of, err := d.roleIn(ch, role)
	if err != nil {
		return err
	}
	if err := d.mayGrantRole(ch, of); err != nil {
		return err
	}
	for _, name := range members {
		m, err := d.roleIn(ch, name)
		if err != nil {
			return err
		}
		c := m.Clone()
		i := slices.IndexFunc(c.Member, func(x catalog.Membership) bool { return x.Role == of.ID })
		switch {
		case i < 0:
			d.s.warn(sqlerr.Warning, "role %q is not a member of role %q", m.Name, of.Name)
			continue
		case adminOnly:
			c.Member[i].Admin = false
		default:
			c.Member = slices.Delete(c.Member, i, i+1)
		}
		if err := ch.PutRole(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
