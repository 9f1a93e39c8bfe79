package ast

// IsolationLevel is an isolation level as written.
type IsolationLevel uint8

// The levels; IsolationUnset means that none was written.
const (
	IsolationUnset IsolationLevel = iota
	ReadUncommitted
	ReadCommitted
	RepeatableRead
	Serializable
)

// String is the level in PostgreSQL's lower-case words, as SHOW transaction_isolation has it.
func (l IsolationLevel) String() string {
	switch l {
	case ReadUncommitted:
		return "read uncommitted"
	case ReadCommitted:
		return "read committed"
	case RepeatableRead:
		return "repeatable read"
	case Serializable:
		return "serializable"
	}
	return ""
}

// TxnModes are the modes of BEGIN and SET TRANSACTION; nil pointers were not written.
type TxnModes struct {
	Isolation  IsolationLevel
	ReadOnly   *bool
	Deferrable *bool
	AsOf       *Expr // AS OF SYSTEM TIME
}

// Begin is BEGIN and START TRANSACTION.
type Begin struct {
	At
	Start bool // written START TRANSACTION, which has its own tag
	Modes TxnModes
}

// Commit is COMMIT and END. Chain is AND CHAIN.
type Commit struct {
	At
	Chain bool
}

// Rollback is ROLLBACK and ABORT.
type Rollback struct {
	At
	Chain bool
}

// Savepoint is SAVEPOINT name.
type Savepoint struct {
	At
	Name string
}

// ReleaseSavepoint is RELEASE [SAVEPOINT] name.
type ReleaseSavepoint struct {
	At
	Name string
}

// RollbackTo is ROLLBACK TO [SAVEPOINT] name.
type RollbackTo struct {
	At
	Name string
}

// PreparedTxn is PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED; Action is "prepare", "commit" or "rollback".
type PreparedTxn struct {
	At
	Action string
	GID    string
}

// SetScope says how long a SET holds.
type SetScope uint8

// The scopes: SET and SET SESSION are the same.
const (
	ScopeSession SetScope = iota
	ScopeLocal
)

// SetVar is SET name = values and RESET name. The special forms come under the parameter's name: SET TIME ZONE is "timezone",
// SET NAMES "client_encoding", SET ROLE "role", SET SESSION AUTHORIZATION "session_authorization", SET SCHEMA "search_path",
// SET SEED "seed", SET XML OPTION "xmloption".
type SetVar struct {
	At
	Scope SetScope
	// Name is in lower case; custom parameters keep their dot (a.b). Empty with ResetAll.
	Name string
	// Values are the items of the list in order. Empty with Default.
	Values []SetValue
	// Default: TO DEFAULT, or RESET, or SET TIME ZONE LOCAL.
	Default bool
	// Reset tells RESET from SET … TO DEFAULT, for the tag. ResetAll is RESET ALL.
	Reset    bool
	ResetAll bool
}

// SetValueKind is the kind of a SetValue.
type SetValueKind uint8

// The kinds: an identifier or keyword, a quoted string, a number (with its sign), an interval literal.
const (
	SetWord SetValueKind = iota
	SetString
	SetNumber
	SetInterval
)

// SetValue is one value of a SET. Words come folded to lower case unless they were quoted.
type SetValue struct {
	At
	Kind SetValueKind
	Text string
	Type TypeName // of SetInterval
}

// SetTransaction is SET TRANSACTION and, with Session, SET SESSION CHARACTERISTICS AS TRANSACTION.
type SetTransaction struct {
	At
	Session  bool
	Modes    TxnModes
	Snapshot string // SET TRANSACTION SNAPSHOT 'id'
}

// SetConstraints is SET CONSTRAINTS; no Names means ALL.
type SetConstraints struct {
	At
	Names    []Name
	Deferred bool
}

// ShowVar is SHOW name, with special forms under their parameter's name (transaction_isolation, timezone,
// session_authorization); Name is "all" for SHOW ALL.
type ShowVar struct {
	At
	Name string
}

// ShowRegions is Quorate's SHOW REGIONS FROM TABLE t | INDEX i. Kind is ObjTable or ObjIndex.
type ShowRegions struct {
	At
	Kind ObjectKind
	Name Name
}

// Discard is DISCARD ALL|PLANS|SEQUENCES|TEMP; What is that word in upper case.
type Discard struct {
	At
	What string
}

// CopyFormat is the format of COPY.
type CopyFormat uint8

// The formats.
const (
	CopyText CopyFormat = iota
	CopyCSV
	CopyBinary
)

// CopyOptions are the options of COPY, from the old and the new syntax alike. Strings are nil when the option was not written, so
// that the defaults of the format apply.
type CopyOptions struct {
	Format        CopyFormat
	Delimiter     *string
	Null          *string
	Header        bool
	HeaderMatch   bool // HEADER MATCH
	Quote         *string
	Escape        *string
	Encoding      *string
	Freeze        bool
	ForceQuoteAll bool
	ForceQuote    []string
	ForceNotNull  []string
	ForceNull     []string
}

// Copy is COPY. Exactly one of Table and Query is set. Without File and Program it is STDIN or STDOUT.
type Copy struct {
	At
	From    bool
	Table   *Name
	Columns []Ident
	Query   Statement
	File    string
	Program string
	Options CopyOptions
	Where   Expr
}

// Prepare is PREPARE name (types) AS statement. StatementText is the statement's text.
type Prepare struct {
	At
	Name          string
	Types         []TypeName
	Statement     Statement
	StatementText string
}

// Execute is EXECUTE name (args).
type Execute struct {
	At
	Name string
	Args []Expr
}

// Deallocate is DEALLOCATE name; an empty Name is ALL.
type Deallocate struct {
	At
	Name string
}

// ExplainFormat is the FORMAT of EXPLAIN.
type ExplainFormat uint8

// The formats.
const (
	ExplainText ExplainFormat = iota
	ExplainJSON
	ExplainXML
	ExplainYAML
)

// Explain is EXPLAIN. Pointers are nil when the option was not written.
type Explain struct {
	At
	Analyze, Verbose              bool
	Costs, Settings, Buffers, WAL *bool
	Timing, Summary, GenericPlan  *bool
	Format                        ExplainFormat
	Statement                     Statement
}

// VacuumOption is an option of VACUUM or ANALYZE in lower case, its value as text ("" when none).
type VacuumOption struct {
	At
	Name, Value string
}

// VacuumTable is a table with an optional column list.
type VacuumTable struct {
	At
	Table   Name
	Columns []Ident
}

// Vacuum is VACUUM, and ANALYZE alone with AnalyzeOnly. No Tables means all.
type Vacuum struct {
	At
	AnalyzeOnly bool
	Options     []VacuumOption
	Tables      []VacuumTable
}

// DeclareCursor is DECLARE name CURSOR. Scroll is nil when neither SCROLL nor NO SCROLL was written.
type DeclareCursor struct {
	At
	Name        string
	Binary      bool
	Insensitive bool
	Scroll      *bool
	Hold        bool
	Query       *Select
	// QueryText is the text of the query.
	QueryText string
}

// FetchDirection is the direction of FETCH and MOVE.
type FetchDirection uint8

// The directions; FetchForward and FetchBackward use Count.
const (
	FetchForward FetchDirection = iota
	FetchBackward
	FetchAbsolute
	FetchRelative
)

// Fetch is FETCH and, with Move, MOVE. NEXT is forward 1, PRIOR backward 1, FIRST absolute 1, LAST absolute -1, as in PostgreSQL.
// All overrides Count.
type Fetch struct {
	At
	Move      bool
	Cursor    string
	Direction FetchDirection
	Count     int64
	All       bool
}

// CloseCursor is CLOSE name; an empty Name is ALL.
type CloseCursor struct {
	At
	Name string
}

// Listen is LISTEN channel.
type Listen struct {
	At
	Channel string
}

// Notify is NOTIFY channel [, payload].
type Notify struct {
	At
	Channel, Payload string
}

// Unlisten is UNLISTEN channel; an empty Channel is `*`.
type Unlisten struct {
	At
	Channel string
}

// LockTable is LOCK TABLE; Mode is the lock mode in lower case ("access exclusive", the default).
type LockTable struct {
	At
	Tables []TableRef
	Mode   string
	NoWait bool
}

// Grant is GRANT and, with Revoke, REVOKE, of privileges or of roles. Privileges are lower-case words, empty for ALL.
type Grant struct {
	At
	Revoke     bool
	Privileges []Privilege
	// Kind is the kind of object ("TABLE", "SCHEMA", "ALL TABLES IN SCHEMA", …), empty when roles are granted.
	Kind        ObjectKind
	Objects     []Name
	Roles       []string // granted roles when Kind is empty
	Grantees    []string // "public" for PUBLIC
	GrantOption bool     // WITH GRANT or ADMIN OPTION; REVOKE … OPTION FOR
	GrantedBy   string
	Cascade     bool
	AlterGroup  bool // written as ALTER GROUP
}

// Privilege is a privilege with an optional column list.
type Privilege struct {
	At
	Name    string
	Columns []string
}

// Call is CALL procedure(args).
type Call struct {
	At
	Func *FuncCall
}

// Do is DO 'code'.
type Do struct {
	At
	Language, Code string
}

// AdminCheck is ADMIN CHECK TABLE: the indexes of tables are compared with their rows.
type AdminCheck struct {
	At
	Tables []Name
}

// Checkpoint is CHECKPOINT.
type Checkpoint struct{ At }

// Unsupported is a statement that was recognised by its head and is not built. The engine answers 0A000 and names What, for
// example "CREATE TRIGGER". The rest of its text was not looked at.
type Unsupported struct {
	At
	What string
}

// Tag is "BEGIN" or "START TRANSACTION".
func (s *Begin) Tag() string {
	if s.Start {
		return "START TRANSACTION"
	}
	return "BEGIN"
}

// Tag is "COMMIT".
func (*Commit) Tag() string { return "COMMIT" }

// Tag is "ROLLBACK".
func (*Rollback) Tag() string { return "ROLLBACK" }

// Tag is "SAVEPOINT".
func (*Savepoint) Tag() string { return "SAVEPOINT" }

// Tag is "RELEASE".
func (*ReleaseSavepoint) Tag() string { return "RELEASE" }

// Tag is "ROLLBACK", as PostgreSQL answers.
func (*RollbackTo) Tag() string { return "ROLLBACK" }

// Tag is "PREPARE TRANSACTION", "COMMIT PREPARED" or "ROLLBACK PREPARED".
func (s *PreparedTxn) Tag() string {
	switch s.Action {
	case "commit":
		return "COMMIT PREPARED"
	case "rollback":
		return "ROLLBACK PREPARED"
	}
	return "PREPARE TRANSACTION"
}

// Tag is "SET" or "RESET".
func (s *SetVar) Tag() string {
	if s.Reset || s.ResetAll {
		return "RESET"
	}
	return "SET"
}

// Tag is "SET".
func (*SetTransaction) Tag() string { return "SET" }

// Tag is "SET CONSTRAINTS".
func (*SetConstraints) Tag() string { return "SET CONSTRAINTS" }

// Tag is "SHOW".
func (*ShowVar) Tag() string { return "SHOW" }

// Tag is "SHOW".
func (*ShowRegions) Tag() string { return "SHOW" }

// Tag is "DISCARD " and what.
func (s *Discard) Tag() string { return "DISCARD " + s.What }

// Tag is "COPY".
func (*Copy) Tag() string { return "COPY" }

// Tag is "PREPARE".
func (*Prepare) Tag() string { return "PREPARE" }

// Tag is "EXECUTE"; PostgreSQL answers the tag of the executed statement.
func (*Execute) Tag() string { return "EXECUTE" }

// Tag is "DEALLOCATE" or "DEALLOCATE ALL".
func (s *Deallocate) Tag() string {
	if s.Name == "" {
		return "DEALLOCATE ALL"
	}
	return "DEALLOCATE"
}

// Tag is "EXPLAIN".
func (*Explain) Tag() string { return "EXPLAIN" }

// Tag is "VACUUM" or "ANALYZE".
func (s *Vacuum) Tag() string {
	if s.AnalyzeOnly {
		return "ANALYZE"
	}
	return "VACUUM"
}

// Tag is "DECLARE CURSOR".
func (*DeclareCursor) Tag() string { return "DECLARE CURSOR" }

// Tag is "FETCH" or "MOVE".
func (s *Fetch) Tag() string {
	if s.Move {
		return "MOVE"
	}
	return "FETCH"
}

// Tag is "CLOSE CURSOR" or "CLOSE CURSOR ALL".
func (s *CloseCursor) Tag() string {
	if s.Name == "" {
		return "CLOSE CURSOR ALL"
	}
	return "CLOSE CURSOR"
}

// Tag is "LISTEN".
func (*Listen) Tag() string { return "LISTEN" }

// Tag is "NOTIFY".
func (*Notify) Tag() string { return "NOTIFY" }

// Tag is "UNLISTEN".
func (*Unlisten) Tag() string { return "UNLISTEN" }

// Tag is "LOCK TABLE".
func (*LockTable) Tag() string { return "LOCK TABLE" }

// Tag is "GRANT" or "REVOKE", with " ROLE" when roles are granted.
func (s *Grant) Tag() string {
	if s.AlterGroup {
		return "ALTER ROLE"
	}
	t := "GRANT"
	if s.Revoke {
		t = "REVOKE"
	}
	if s.Kind == "" {
		t += " ROLE"
	}
	return t
}

// Tag is "CALL".
func (*Call) Tag() string { return "CALL" }

// Tag is "DO".
func (*Do) Tag() string { return "DO" }

// Tag is "CHECKPOINT".
func (*Checkpoint) Tag() string { return "CHECKPOINT" }

// Tag is "ADMIN CHECK TABLE".
func (*AdminCheck) Tag() string { return "ADMIN CHECK TABLE" }

// Tag is What.
func (s *Unsupported) Tag() string { return s.What }
