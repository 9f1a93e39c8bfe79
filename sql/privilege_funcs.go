package sql

import (
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// The functions that ask for privileges (PostgreSQL manual, "Access Privilege
// Inquiry Functions"). Each takes an optional role, an object by name or OID, and a
// list of privileges of which one suffices.

// asked is a privilege, or the right to pass it on.
type asked struct {
	p      catalog.Privileges
	option bool
}

// askedFor reads a list of privileges, such as "SELECT, UPDATE WITH GRANT OPTION".
func askedFor(text string, c catalog.ObjectClass) ([]asked, error) {
	var out []asked
	for _, item := range strings.Split(text, ",") {
		name := strings.Join(strings.Fields(strings.ToUpper(item)), " ")
		name, option := strings.CutSuffix(name, " WITH GRANT OPTION")
		p, ok := catalog.ParsePrivilege(name)
		if !ok || p&^c.All() != 0 {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized privilege type: %q", strings.TrimSpace(item))
		}
		out = append(out, asked{p, option})
	}
	return out, nil
}

// any reports whether one of the privileges is there.
func (s *Session) any(list []asked, role, owner catalog.ID, a catalog.ACL, has func(catalog.Privileges) bool) types.Datum {
	return dBool(slices.ContainsFunc(list, func(x asked) bool {
		if !x.option {
			return has(x.p)
		}
		_, can := s.tx.snap.Grantable(a, owner, role, x.p)
		return can != 0
	}))
}

// askedRole takes the role from the arguments, if there is one.
func (s *Session) askedRole(args []types.Datum, three bool) (catalog.ID, []types.Datum, error) {
	if !three {
		me, err := s.me()
		if err != nil {
			return 0, nil, err
		}
		return me.ID, args, nil
	}
	id, err := s.roleArg(args[0])
	return id, args[1:], err
}

func (s *Session) roleArg(d types.Datum) (catalog.ID, error) {
	if d.Kind() != types.KindString {
		return d.OID(), nil
	}
	if d.Str() == "public" {
		return catalog.Everybody, nil
	}
	r := s.tx.snap.RoleByName(d.Str())
	if r == nil {
		return 0, sqlerr.New(sqlerr.UndefinedObject, "role %q does not exist", d.Str())
	}
	return r.ID, nil
}

// relationArg finds a table, view or sequence; nil if there is none of that OID.
func (s *Session) relationArg(d types.Datum) (*catalog.Table, error) {
	oid := d.OID()
	if d.Kind() == types.KindString {
		var err error
		if oid, err = (objectNames{s}).ObjectOID(types.OIDRegClass, d.Str()); err != nil {
			return nil, err
		}
	}
	return s.tx.snap.Table(oid), nil
}

func (s *Session) privilegeFunc(_ *expr.EvalContext, name string, args []types.Datum) (types.Datum, error) {
	n := 2
	if name == "has_column_privilege" {
		n = 3
	}
	role, rest, err := s.askedRole(args, len(args) > n)
	if err != nil {
		return types.Null, err
	}
	list := rest[len(rest)-1].Str()
	switch name {
	case "has_table_privilege", "has_any_column_privilege", "has_sequence_privilege", "has_column_privilege":
		return s.hasOnRelation(name, role, rest, list)
	case "has_schema_privilege":
		return s.hasOnSchema(role, rest[0], list)
	case "has_database_privilege":
		want, err := askedFor(list, catalog.ClassDatabase)
		if err != nil {
			return types.Null, err
		}
		if d := rest[0]; d.Kind() == types.KindString && d.Str() != databaseName {
			return types.Null, sqlerr.New(sqlerr.UndefinedDatabase, "database %q does not exist", d.Str())
		}
		info := s.tx.snap.Database()
		a := catalog.ClassDatabase.Of(info.ACL, info.Owner)
		return s.any(want, role, info.Owner, a, func(p catalog.Privileges) bool { return s.tx.snap.Has(a, role, p) != 0 }), nil
	case "pg_has_role":
		return s.hasRole(role, rest[0], list)
	}
	return types.True, nil // functions and types: everybody may use them
}

func (s *Session) hasOnRelation(name string, role catalog.ID, args []types.Datum, list string) (types.Datum, error) {
	t, err := s.relationArg(args[0])
	if err != nil || t == nil {
		return types.Null, err
	}
	class := catalog.ClassTable
	switch {
	case name == "has_sequence_privilege":
		class = catalog.ClassSequence
		if t.Sequence == nil {
			given := t.Name
			if args[0].Kind() == types.KindString {
				given = args[0].Str()
			}
			return types.Null, sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", given)
		}
	case name == "has_column_privilege" || name == "has_any_column_privilege":
		class = catalog.ClassColumn
	}
	want, err := askedFor(list, class)
	if err != nil {
		return types.Null, err
	}
	a, owner := classOf(t).Of(t.ACL, t.OwnerID()), t.OwnerID()
	set := map[int16]bool{}
	if name == "has_column_privilege" {
		c := t.Column(int16(args[1].Int()))
		if args[1].Kind() == types.KindString {
			if c = t.ColumnByName(args[1].Str()); c == nil {
				return types.Null, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", args[1].Str(), t.Name)
			}
		}
		if c == nil || c.Dropped {
			return types.Null, nil
		}
		set[c.ID] = true
		a = append(append(catalog.ACL{}, a...), c.ACL...)
	}
	return s.any(want, role, owner, a, func(p catalog.Privileges) bool {
		return s.tableRights(role, t, p) != 0 || class == catalog.ClassColumn && s.onColumns(role, t, p, set)
	}), nil
}

func (s *Session) hasOnSchema(role catalog.ID, d types.Datum, list string) (types.Datum, error) {
	want, err := askedFor(list, catalog.ClassSchema)
	if err != nil {
		return types.Null, err
	}
	var sc *catalog.Schema
	if d.Kind() == types.KindString {
		if sc = s.tx.snap.Schema(d.Str()); sc == nil {
			return types.Null, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", d.Str())
		}
	} else if sc = s.tx.snap.SchemaByID(d.OID()); sc == nil {
		return types.Null, nil
	}
	return s.any(want, role, sc.OwnerID(), catalog.ClassSchema.Of(sc.ACL, sc.OwnerID()), func(p catalog.Privileges) bool {
		return s.schemaRights(role, sc.ID, p) != 0
	}), nil
}

// hasRole is pg_has_role.
func (s *Session) hasRole(role catalog.ID, d types.Datum, list string) (types.Datum, error) {
	of, err := s.roleArg(d)
	if err != nil {
		return types.Null, err
	}
	snap := s.tx.snap
	got := false
	for _, item := range strings.Split(list, ",") {
		switch strings.Join(strings.Fields(strings.ToUpper(item)), " ") {
		case "USAGE":
			got = got || snap.HasRights(role, of)
		case "MEMBER":
			got = got || snap.IsMember(role, of)
		case "USAGE WITH ADMIN OPTION", "USAGE WITH GRANT OPTION", "MEMBER WITH ADMIN OPTION", "MEMBER WITH GRANT OPTION":
			got = got || snap.IsRoleAdmin(role, of)
		default:
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized privilege type: %q", strings.TrimSpace(item))
		}
	}
	return dBool(got), nil
}
