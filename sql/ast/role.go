package ast

// AlterRole is ALTER ROLE with RENAME TO, SET, RESET. An empty Name is ALL.
type AlterRole struct {
	At
	Name     string
	RenameTo string
	// Set is the setting that sessions of the role begin with; nil with RenameTo.
	Set *SetVar
	// Database limits it to one database; empty for all.
	Database string
}

// DefaultPrivileges is ALTER DEFAULT PRIVILEGES.
type DefaultPrivileges struct {
	At
	Roles, Schemas []string // empty: the current role, all schemas
	// Grant has no Objects; its Kind is "TABLES", "SEQUENCES", "FUNCTIONS", "TYPES" or "SCHEMAS".
	Grant *Grant
}

// OwnedBy is DROP OWNED and, with To, REASSIGN OWNED.
type OwnedBy struct {
	At
	Roles   []string
	To      string
	Cascade bool
}

// AlterSchema is ALTER SCHEMA with RENAME TO or OWNER TO.
type AlterSchema struct {
	At
	Name            string
	RenameTo, Owner string
}

// Tag is "ALTER ROLE".
func (*AlterRole) Tag() string { return "ALTER ROLE" }

// Tag is "ALTER DEFAULT PRIVILEGES".
func (*DefaultPrivileges) Tag() string { return "ALTER DEFAULT PRIVILEGES" }

// Tag is "DROP OWNED" or "REASSIGN OWNED".
func (s *OwnedBy) Tag() string {
	if s.To != "" {
		return "REASSIGN OWNED"
	}
	return "DROP OWNED"
}

// Tag is "ALTER SCHEMA".
func (*AlterSchema) Tag() string { return "ALTER SCHEMA" }
