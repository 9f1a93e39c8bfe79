package catalog

import (
	"cmp"
	"context"
	"sort"
)

// Superuser is the OID of the role that a cluster begins with (BOOTSTRAP_SUPERUSERID
// in PostgreSQL), SuperuserName its name.
const (
	Superuser     ID = 10
	SuperuserName    = "postgres"
)

// Everybody stands for all roles (PUBLIC) in the list of who has a privilege.
const Everybody ID = 0

// Database is the OID of the one database.
const Database ID = 5

// Role is who owns objects and has privileges.
type Role struct {
	ID          ID     `json:"id"`
	Name        string `json:"name"`
	Super       bool   `json:"super,omitempty"`
	NoInherit   bool   `json:"no_inherit,omitempty"`
	CreateRole  bool   `json:"create_role,omitempty"`
	CreateDB    bool   `json:"create_db,omitempty"`
	Login       bool   `json:"login,omitempty"`
	Replication bool   `json:"replication,omitempty"`
	BypassRLS   bool   `json:"bypass_rls,omitempty"`
	// Connections is the most that the role may have at a node, -1 for any number.
	Connections int `json:"connections"`
	// Password is a verifier as pgwire.Verifier prints it, empty for none.
	Password string `json:"password,omitempty"`
	// ValidUntil is when the password ends to be valid, a timestamptz in microseconds
	// since 2000; nil is never.
	ValidUntil *int64 `json:"valid_until,omitempty"`
	// Settings are what a session of the role begins with (ALTER ROLE … SET).
	Settings []Setting `json:"settings,omitempty"`
	// Member lists the roles that this one is a direct member of.
	Member []Membership `json:"member,omitempty"`
	// Virtual roles are described by no row and cannot be changed.
	Virtual bool   `json:"-"`
	Comment string `json:"comment,omitempty"`
}

// Setting is a parameter, its name in lower case, with its value as written.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Membership is a role's membership in another.
type Membership struct {
	Role    ID   `json:"role"`
	Admin   bool `json:"admin,omitempty"` // may pass it on
	Grantor ID   `json:"grantor"`
}

// Clone returns a copy that shares nothing that can be changed.
func (r *Role) Clone() *Role {
	c := *r
	c.Member = append([]Membership(nil), r.Member...)
	c.Settings = append([]Setting(nil), r.Settings...)
	return &c
}

// The roles that every cluster has, with PostgreSQL's names and OIDs ("Predefined
// Roles" in its manual).
const (
	roleDatabaseOwner ID = 6171
	RoleReadAllData   ID = 6181
	RoleWriteAllData  ID = 6182
	roleMonitor       ID = 3373
	roleReadSettings  ID = 3374
	// RoleReadAllStats may see the statements of others.
	RoleReadAllStats ID = 3375
	roleScanTables   ID = 3377
	// RoleSignalBackend may cancel statements of others and end their sessions.
	RoleSignalBackend ID = 4200
)

func builtinRoles() []*Role {
	out := []*Role{{ID: Superuser, Name: SuperuserName, Super: true, CreateRole: true, CreateDB: true, Login: true, Replication: true, BypassRLS: true, Connections: -1}}
	for _, r := range []struct {
		id   ID
		name string
	}{
		{roleDatabaseOwner, "pg_database_owner"}, {RoleReadAllData, "pg_read_all_data"}, {RoleWriteAllData, "pg_write_all_data"}, {roleMonitor, "pg_monitor"},
		{roleReadSettings, "pg_read_all_settings"}, {RoleReadAllStats, "pg_read_all_stats"}, {roleScanTables, "pg_stat_scan_tables"},
		{4569, "pg_read_server_files"}, {4570, "pg_write_server_files"}, {4571, "pg_execute_server_program"},
		{RoleSignalBackend, "pg_signal_backend"}, {4544, "pg_checkpoint"},
	} {
		role := &Role{ID: r.id, Name: r.name, Connections: -1, Virtual: true}
		if r.id == roleMonitor {
			for _, of := range []ID{roleReadSettings, RoleReadAllStats, roleScanTables} {
				role.Member = append(role.Member, Membership{Role: of, Grantor: Superuser})
			}
		}
		out = append(out, role)
	}
	return out
}

// Role returns a role by OID, nil if there is none.
func (s *Snapshot) Role(id ID) *Role { return s.roles[id] }

// RoleByName returns a role by name, nil if there is none.
func (s *Snapshot) RoleByName(name string) *Role { return s.roleByName[name] }

// Roles returns all roles ordered by id.
func (s *Snapshot) Roles() []*Role {
	out := make([]*Role, 0, len(s.roles))
	for _, r := range s.roles {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func (s *Snapshot) addRole(r *Role) {
	if old := s.roles[r.ID]; old != nil {
		delete(s.roleByName, old.Name)
	}
	s.roles[r.ID], s.roleByName[r.Name] = r, r
}

func (s *Snapshot) removeRole(r *Role) {
	delete(s.roles, r.ID)
	delete(s.roleByName, r.Name)
}

// IsMember reports whether a role is the other one or, directly or not, a member of
// it; a superuser is a member of every role. It may then become that role.
func (s *Snapshot) IsMember(role, of ID) bool {
	r := s.roles[role]
	return r != nil && (r.Super || s.reaches(role, of, false))
}

// HasRights reports whether a role has what the other one has without having to
// become it: it is a member through roles that inherit.
func (s *Snapshot) HasRights(role, of ID) bool {
	r := s.roles[role]
	return r != nil && (r.Super || s.reaches(role, of, true))
}

// reaches follows memberships. None of them form a circle.
func (s *Snapshot) reaches(role, of ID, inherited bool) bool {
	if role == of {
		return true
	}
	if of == roleDatabaseOwner && s.reaches(role, s.database.Owner, inherited) {
		return true // its one member, whoever that is
	}
	r := s.roles[role]
	if r == nil || inherited && r.NoInherit {
		return false
	}
	for _, m := range r.Member {
		if s.reaches(m.Role, of, inherited) {
			return true
		}
	}
	return false
}

// IsRoleAdmin reports whether a role may make others members of the other one.
func (s *Snapshot) IsRoleAdmin(role, of ID) bool {
	r := s.roles[role]
	if r == nil {
		return false
	}
	if r.Super {
		return true
	}
	for _, m := range r.Member {
		if m.Role == of && m.Admin || s.IsRoleAdmin(m.Role, of) {
			return true
		}
	}
	return false
}

// OwnerID is the role that owns the schema.
func (s *Schema) OwnerID() ID { return cmp.Or(s.Owner, Superuser) }

// OwnerID is the role that owns the table.
func (t *Table) OwnerID() ID { return cmp.Or(t.Owner, Superuser) }

// PutRole adds a role or replaces the one of the same id.
func (ch *Change) PutRole(ctx context.Context, r *Role) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.write(ctx, r.ID, descriptor{Role: r}); err != nil {
		return err
	}
	ch.snap.addRole(r)
	return nil
}

// DropRole removes a role, which must own nothing and have no privileges, and its
// members' memberships.
func (ch *Change) DropRole(ctx context.Context, r *Role) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.w.Delete(ctx, descKey(r.ID)); err != nil {
		return err
	}
	ch.snap.removeRole(r)
	for _, other := range ch.snap.Roles() {
		for i, m := range other.Member {
			if m.Role != r.ID {
				continue
			}
			c := other.Clone()
			c.Member = append(c.Member[:i], c.Member[i+1:]...)
			if err := ch.PutRole(ctx, c); err != nil {
				return err
			}
			break
		}
	}
	return nil
}
