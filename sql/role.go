package sql

import (
	"context"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/txn"
)

// A session has three roles (PostgreSQL manual, "SET SESSION AUTHORIZATION"): who
// logged in (params.User), who that one passes for, and who of those that one is a
// member of it acts as. The last one is asked for privileges.

// sessionUser is who the session passes for.
func (s *Session) sessionUser() string {
	if v := s.settings.hot.authorization; v != "" {
		return v
	}
	return s.params.User
}

// user is who the session acts as.
func (s *Session) user() string {
	if v := s.settings.hot.role; v != "" && v != "none" {
		return v
	}
	return s.sessionUser()
}

// me is the role that the session acts as.
func (s *Session) me() (*catalog.Role, error) {
	r := s.tx.snap.RoleByName(s.user())
	if r == nil {
		return nil, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "role %q does not exist", s.user()).
			WithDetail("It was dropped or renamed while the session was open.")
	}
	return r, nil
}

// roleNamed finds a role by its name as written: current_user and its like stand
// for the session's own.
func (s *Session) roleNamed(name string) (*catalog.Role, error) {
	switch name {
	case "current_user", "current_role":
		name = s.user()
	case "session_user":
		name = s.sessionUser()
	}
	if r := s.tx.snap.RoleByName(name); r != nil {
		return r, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedObject, "role %q does not exist", name)
}

// roleName prints a role of the snapshot.
func roleName(snap *catalog.Snapshot, id catalog.ID) string {
	if r := snap.Role(id); r != nil {
		return r.Name
	}
	return itoa(int(id))
}

// present returns the catalogue as it is now, outside of any session.
func (e *Engine) present(ctx context.Context) (*catalog.Snapshot, error) {
	t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true, Owner: txn.Owner{Node: e.o.NodeID}})
	if err != nil {
		return nil, err
	}
	defer t.Rollback(context.WithoutCancel(ctx))
	if err := t.Start(ctx); err != nil {
		return nil, err
	}
	return e.catalog.At(ctx, t)
}

// Login implements pgwire.Roles.
func (e *Engine) Login(ctx context.Context, role string) (pgwire.Login, error) {
	snap, err := e.present(ctx)
	if err != nil {
		return pgwire.Login{}, notYet(err)
	}
	l := pgwire.Login{Secret: snap.Database().MockSecret}
	if r := snap.RoleByName(role); r != nil {
		l.Verifier = r.Password
		if r.ValidUntil != nil && *r.ValidUntil != types.TimestampInfinity {
			l.ValidUntil = types.ToTime(*r.ValidUntil)
		}
	}
	return l, nil
}

// MayMonitor reports whether a role may log in and see what others do: a superuser or a
// member of pg_read_all_stats.
func (e *Engine) MayMonitor(ctx context.Context, role string) (bool, error) {
	snap, err := e.present(ctx)
	if err != nil {
		return false, notYet(err)
	}
	r := snap.RoleByName(role)
	return r != nil && r.Login && snap.HasRights(r.ID, catalog.RoleReadAllStats), nil
}

// notYet is the error for a client that comes while the catalogue cannot be read.
func notYet(err error) error {
	return sqlerr.New(sqlerr.CannotConnectNow, "the database system cannot read its catalog now").WithDetail("%v.", err).WithCause(err)
}

// admit checks that a client that has proved who it is may have a session, and
// returns what its role's sessions begin with.
func (e *Engine) admit(ctx context.Context, p pgwire.SessionParams) (*catalog.Role, map[string]string, error) {
	snap, err := e.present(ctx)
	if err != nil {
		return nil, nil, notYet(err)
	}
	r := snap.RoleByName(p.User)
	switch {
	case r == nil:
		return nil, nil, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "role %q does not exist", p.User)
	case !r.Login:
		return nil, nil, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "role %q is not permitted to log in", p.User)
	case p.Database != databaseName:
		return nil, nil, sqlerr.New(sqlerr.UndefinedDatabase, "database %q does not exist", p.Database)
	}
	d := snap.Database()
	if snap.Has(catalog.ClassDatabase.Of(d.ACL, d.Owner), r.ID, catalog.Connect) == 0 {
		return nil, nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for database %q", p.Database).
			WithDetail("User does not have CONNECT privilege.")
	}
	if r.Connections >= 0 && !r.Super && e.connections(r.Name) >= r.Connections {
		return nil, nil, sqlerr.New(sqlerr.TooManyConnections, "too many connections for role %q", r.Name)
	}
	begin := map[string]string{}
	for _, x := range append(d.Settings[:len(d.Settings):len(d.Settings)], r.Settings...) {
		def := e.defs[x.Name]
		if def == nil {
			begin[x.Name] = x.Value
		} else if v, err := def.check(x.Value); err == nil {
			// One that is no value any more is passed over: it must not keep clients out.
			begin[x.Name] = v
		}
	}
	return r, begin, nil
}

// connections counts this node's sessions of a role.
func (e *Engine) connections(role string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for s := range e.mu.sessions {
		if s.params.User == role {
			n++
		}
	}
	return n
}

// setRole is SET ROLE and SET SESSION AUTHORIZATION; nil goes back.
func (s *Session) setRole(key string, value *string, local bool) error {
	snap := s.tx.snap
	if value != nil && (*value == "none" || *value == "default") {
		value = nil
	}
	if value != nil {
		r := snap.RoleByName(*value)
		if r == nil {
			return sqlerr.New(sqlerr.InvalidParameterValue, "role %q does not exist", *value)
		}
		switch login := snap.RoleByName(s.params.User); {
		case key == "session_authorization" && r.Name != s.params.User && (login == nil || !login.Super):
			return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied to set session authorization")
		case key == "role":
			if from := snap.RoleByName(s.sessionUser()); from == nil || !snap.IsMember(from.ID, r.ID) {
				return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied to set role %q", *value)
			}
		}
	}
	n, err := s.settings.with(key, value, local)
	if err != nil {
		return err
	}
	if key == "session_authorization" {
		none := "none"
		if n, err = n.with("role", &none, local); err != nil {
			return err
		}
	}
	s.setSettings(n.withSuper(snap))
	return nil
}

// withSuper reports whether the role that these settings name is a superuser.
func (s *settings) withSuper(snap *catalog.Snapshot) *settings {
	name := s.must("role")
	if name == "" || name == "none" {
		name = s.must("session_authorization")
	}
	v := "off"
	if r := snap.RoleByName(name); r != nil && r.Super {
		v = "on"
	}
	if s.must("is_superuser") == v {
		return s
	}
	c := *s
	c.vals = copyMap(s.vals)
	c.vals["is_superuser"] = v
	return &c
}

// databaseName is the one database.
const databaseName = "postgres"

var _ pgwire.Roles = (*Engine)(nil)
