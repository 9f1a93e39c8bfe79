package sql

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// What the catalogs show of roles and privileges.

// dACL prints a list of privileges; the default one is NULL, as in PostgreSQL.
func dACL(s *Session, a catalog.ACL) types.Datum {
	if a == nil {
		return types.Null
	}
	items := make([]types.Datum, len(a))
	for i, g := range a {
		items[i] = dText(g.Text(func(id catalog.ID) string { return roleName(s.tx.snap, id) }))
	}
	return types.NewArray(types.NewArrayOf(types.AclItem, items))
}

// letteredClasses are the kinds of objects by the letters of acldefault.
var letteredClasses = map[string]catalog.ObjectClass{"c": catalog.ClassColumn, "r": catalog.ClassTable, "s": catalog.ClassSequence, "d": catalog.ClassDatabase,
	"f": catalog.ClassFunction, "l": catalog.ClassLanguage, "n": catalog.ClassSchema, "T": catalog.ClassType}

// ownersOnly are those of which only the owner has privileges, and there are none.
var ownersOnly = map[string]string{"L": "rw", "p": "sA", "t": "C", "F": "U", "S": "U"}

// defaultACL is acldefault.
func (s *Session) defaultACL(letter string, owner catalog.ID) (types.Datum, error) {
	if c, ok := letteredClasses[letter]; ok {
		return dACL(s, c.Default(owner)), nil
	}
	if p, ok := ownersOnly[letter]; ok {
		name := roleName(s.tx.snap, owner)
		return types.NewArray(types.NewArrayOf(types.AclItem, []types.Datum{dText(catalog.ACLName(name) + "=" + p + "/" + catalog.ACLName(name))})), nil
	}
	return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized object type abbreviation: %s", letter)
}

func dSettings(list []catalog.Setting) types.Datum {
	if len(list) == 0 {
		return types.Null
	}
	items := make([]types.Datum, len(list))
	for i, x := range list {
		items[i] = dText(x.Name + "=" + x.Value)
	}
	return types.NewArray(types.NewArrayOf(types.Text, items))
}

func dUntil(v *int64) types.Datum {
	if v == nil {
		return types.Null
	}
	return dInt(*v)
}

// ownerName prints who owns something.
func (s *Session) ownerName(id catalog.ID) types.Datum { return dText(roleName(s.tx.snap, id)) }

func (s *Session) roleOID(name string) types.OID {
	if r := s.tx.snap.RoleByName(name); r != nil {
		return r.ID
	}
	return 0
}

func pgRoles(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	for _, r := range s.tx.snap.Roles() {
		if err := yield([]types.Datum{dText(r.Name), dBool(r.Super), dBool(!r.NoInherit), dBool(r.CreateRole), dBool(r.CreateDB), dBool(r.Login),
			dBool(r.Replication), dInt(int64(r.Connections)), dText("********"), dUntil(r.ValidUntil), dBool(r.BypassRLS), dSettings(r.Settings),
			dOID(r.ID)}); err != nil {
			return err
		}
	}
	return nil
}

func pgAuthid(s *Session, yield func(fields) error) error {
	for _, r := range s.tx.snap.Roles() {
		row := fields{"oid": dOID(r.ID), "rolname": dText(r.Name), "rolsuper": dBool(r.Super), "rolinherit": dBool(!r.NoInherit),
			"rolcreaterole": dBool(r.CreateRole), "rolcreatedb": dBool(r.CreateDB), "rolcanlogin": dBool(r.Login), "rolreplication": dBool(r.Replication),
			"rolbypassrls": dBool(r.BypassRLS), "rolconnlimit": dInt(int64(r.Connections)), "rolvaliduntil": dUntil(r.ValidUntil)}
		if r.Password != "" {
			row["rolpassword"] = dText(r.Password)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func pgAuthMembers(s *Session, yield func(fields) error) error {
	for _, r := range s.tx.snap.Roles() {
		for _, m := range r.Member {
			if err := yield(fields{"roleid": dOID(m.Role), "member": dOID(r.ID), "grantor": dOID(m.Grantor), "admin_option": dBool(m.Admin)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func pgUser(s *Session, yield func(fields) error) error {
	for _, r := range s.tx.snap.Roles() {
		if !r.Login {
			continue
		}
		if err := yield(fields{"usename": dText(r.Name), "usesysid": dOID(r.ID), "usecreatedb": dBool(r.CreateDB), "usesuper": dBool(r.Super),
			"userepl": dBool(r.Replication), "usebypassrls": dBool(r.BypassRLS), "passwd": dText("********"), "valuntil": dUntil(r.ValidUntil),
			"useconfig": dSettings(r.Settings)}); err != nil {
			return err
		}
	}
	return nil
}

// pgShadow is pg_user with the passwords.
func pgShadow(s *Session, yield func(fields) error) error {
	return pgUser(s, func(row fields) error {
		row["passwd"] = types.Null
		if r := s.tx.snap.RoleByName(row["usename"].Str()); r.Password != "" {
			row["passwd"] = dText(r.Password)
		}
		return yield(row)
	})
}

func pgGroup(s *Session, yield func(fields) error) error {
	for _, r := range s.tx.snap.Roles() {
		if r.Login {
			continue
		}
		var members []types.Datum
		for _, m := range s.tx.snap.Roles() {
			if slices.ContainsFunc(m.Member, func(x catalog.Membership) bool { return x.Role == r.ID }) {
				members = append(members, dOID(m.ID))
			}
		}
		if err := yield(fields{"groname": dText(r.Name), "grosysid": dOID(r.ID), "grolist": types.NewArray(types.NewArrayOf(types.Oid, members))}); err != nil {
			return err
		}
	}
	return nil
}

func pgDefaultACL(s *Session, yield func(fields) error) error {
	letter := map[catalog.ObjectClass]byte{catalog.ClassTable: 'r', catalog.ClassSequence: 'S', catalog.ClassFunction: 'f', catalog.ClassType: 'T', catalog.ClassSchema: 'n'}
	for _, d := range s.tx.snap.DefaultACLs() {
		if err := yield(fields{"oid": dOID(d.ID), "defaclrole": dOID(d.Role), "defaclnamespace": dOID(d.Schema), "defaclobjtype": dChar(letter[d.Class]),
			"defaclacl": dACL(s, d.ACL)}); err != nil {
			return err
		}
	}
	return nil
}

// pgInitPrivs lists the privileges of the system's schemas, which were never granted by
// anybody: pg_dump leaves them out.
func pgInitPrivs(s *Session, yield func(fields) error) error {
	for _, sc := range s.tx.snap.Schemas() {
		if !sc.Virtual || sc.ID == catalog.SchemaPublic || sc.ACL == nil {
			continue
		}
		if err := yield(fields{"objoid": dOID(sc.ID), "classoid": dOID(classPgNamespace), "objsubid": dInt(0), "privtype": dChar('i'), "initprivs": dACL(s, sc.ACL)}); err != nil {
			return err
		}
	}
	return nil
}

func pgDBRoleSetting(s *Session, yield func(fields) error) error {
	row := func(role catalog.ID, m []catalog.Setting) error {
		if len(m) == 0 {
			return nil
		}
		return yield(fields{"setdatabase": dOID(0), "setrole": dOID(role), "setconfig": dSettings(m)})
	}
	if err := row(0, s.tx.snap.Database().Settings); err != nil {
		return err
	}
	for _, r := range s.tx.snap.Roles() {
		if err := row(r.ID, r.Settings); err != nil {
			return err
		}
	}
	return nil
}

// infoEnabledRoles lists the roles whose privileges the session has.
func infoEnabledRoles(s *Session, yield func(fields) error) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	for _, r := range s.tx.snap.Roles() {
		if s.tx.snap.HasRights(me.ID, r.ID) {
			if err := yield(fields{"role_name": dText(r.Name)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func infoApplicableRoles(s *Session, yield func(fields) error) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	for _, r := range s.tx.snap.Roles() {
		if !s.tx.snap.HasRights(me.ID, r.ID) {
			continue
		}
		for _, m := range r.Member {
			if err := yield(fields{"grantee": dText(r.Name), "role_name": dText(roleName(s.tx.snap, m.Role)), "is_grantable": dYes(m.Admin)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// notPublic leaves out what is granted to everybody.
func notPublic(rows viewRows) viewRows {
	return func(s *Session, yield func(fields) error) error {
		return rows(s, func(row fields) error {
			if row["grantee"].Str() == "PUBLIC" {
				return nil
			}
			return yield(row)
		})
	}
}

// granteeName is how information_schema names a grantee.
func (s *Session) granteeName(id catalog.ID) string {
	if id == catalog.Everybody {
		return "PUBLIC"
	}
	return roleName(s.tx.snap, id)
}

// enabled reports whether a grant is shown: it is by or to a role that the session
// has the rights of, or to everybody.
func (s *Session) enabled(me catalog.ID, g catalog.Grant) bool {
	return g.Grantee == catalog.Everybody || s.tx.snap.HasRights(me, g.Grantee) || s.tx.snap.HasRights(me, g.Grantor)
}

// eachGrant calls f for every privilege of a list that the session may see.
func (s *Session) eachGrant(a catalog.ACL, owner catalog.ID, f func(g catalog.Grant, privilege string, grantable bool) error) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	for _, g := range a {
		if !s.enabled(me.ID, g) {
			continue
		}
		for _, name := range g.Privileges.Names() {
			p, _ := catalog.ParsePrivilege(name)
			if err := f(g, name, g.Grantable&p != 0 || s.tx.snap.HasRights(g.Grantee, owner)); err != nil {
				return err
			}
		}
	}
	return nil
}

func infoTablePrivileges(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		if t.Sequence != nil {
			return nil
		}
		return s.eachGrant(catalog.ClassTable.Of(t.ACL, t.OwnerID()), t.OwnerID(), func(g catalog.Grant, privilege string, grantable bool) error {
			return yield(fields{"grantor": dText(roleName(s.tx.snap, g.Grantor)), "grantee": dText(s.granteeName(g.Grantee)), "table_catalog": dText(databaseName),
				"table_schema": dText(t.SchemaName), "table_name": dText(t.Name), "privilege_type": dText(privilege), "is_grantable": dYes(grantable),
				"with_hierarchy": dYes(privilege == "SELECT")})
		})
	})
}

func infoColumnPrivileges(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		if t.Sequence != nil {
			return nil
		}
		for _, c := range t.Visible() {
			// What is granted on the table is granted on its columns.
			var a catalog.ACL
			for _, g := range append(slices.Clone(catalog.ClassTable.Of(t.ACL, t.OwnerID())), c.ACL...) {
				g.Privileges &= catalog.ClassColumn.All()
				if i := slices.IndexFunc(a, func(x catalog.Grant) bool { return x.Grantee == g.Grantee && x.Grantor == g.Grantor }); i >= 0 {
					a[i].Privileges |= g.Privileges
					a[i].Grantable |= g.Grantable
				} else {
					a = append(a, g)
				}
			}
			err := s.eachGrant(a, t.OwnerID(), func(g catalog.Grant, privilege string, grantable bool) error {
				return yield(fields{"grantor": dText(roleName(s.tx.snap, g.Grantor)), "grantee": dText(s.granteeName(g.Grantee)), "table_catalog": dText(databaseName),
					"table_schema": dText(t.SchemaName), "table_name": dText(t.Name), "column_name": dText(c.Name), "privilege_type": dText(privilege),
					"is_grantable": dYes(grantable)})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// infoUsagePrivileges lists those on sequences; collations and domains are not
// listed.
func infoUsagePrivileges(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		if t.Sequence == nil {
			return nil
		}
		return s.eachGrant(catalog.ClassSequence.Of(t.ACL, t.OwnerID()), t.OwnerID(), func(g catalog.Grant, privilege string, grantable bool) error {
			if privilege != "USAGE" {
				return nil
			}
			return yield(fields{"grantor": dText(roleName(s.tx.snap, g.Grantor)), "grantee": dText(s.granteeName(g.Grantee)), "object_catalog": dText(databaseName),
				"object_schema": dText(t.SchemaName), "object_name": dText(t.Name), "object_type": dText("SEQUENCE"), "privilege_type": dText(privilege),
				"is_grantable": dYes(grantable)})
		})
	})
}
