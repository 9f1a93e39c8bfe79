package catalog

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// ID names a schema, table, index or constraint; it is the object's OID.
type ID = types.OID

// FirstUserID is the first id given to an object of a user, as in PostgreSQL
// (FirstNormalObjectId).
const FirstUserID ID = 16384

// OIDs of the schemas that always exist. The first two and the last one are
// PostgreSQL's.
const (
	SchemaPgCatalog   ID = 11
	SchemaPublic      ID = 2200
	SchemaInformation ID = 13200
	SchemaQuorate     ID = 13900
)

// Schema is a namespace.
type Schema struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	// Virtual is set for schemas that always exist.
	Virtual bool   `json:"-"`
	Owner   ID     `json:"owner,omitempty"` // 0 is Superuser, as in what follows
	ACL     ACL    `json:"acl,omitzero"`
	Comment string `json:"comment,omitempty"` // of COMMENT ON, as in what follows
}

// IndexState is how far an index is known to statements.
type IndexState uint8

// The states, in the order in which a new index passes them.
const (
	// Public indexes are read and written.
	Public IndexState = iota
	// DeleteOnly indexes lose the entries of deleted and changed rows.
	DeleteOnly
	// WriteOnly indexes are kept up to date in full but are not read.
	WriteOnly
)

func (s IndexState) String() string {
	switch s {
	case Public:
		return "public"
	case DeleteOnly:
		return "delete-only"
	case WriteOnly:
		return "write-only"
	}
	return fmt.Sprintf("IndexState(%d)", uint8(s))
}

// Column describes a column. Its ID is its attribute number and never changes.
type Column struct {
	ID      int16      `json:"id"`
	Name    string     `json:"name"`
	Type    types.Type `json:"type"`
	NotNull bool       `json:"not_null,omitempty"`
	// NullRefused says that no NULL may be written any more, although rows may hold some:
	// the column is becoming NOT NULL.
	NullRefused bool `json:"null_refused,omitempty"`
	// Default is the text of the default expression, "" for none.
	Default string `json:"default,omitempty"`
	// Generated is the text of the expression that a generated column is computed by, ""
	// for others; GeneratedReads are the columns that it reads.
	Generated      string  `json:"generated,omitempty"`
	GeneratedReads []int16 `json:"generated_reads,omitempty"`
	// Hidden columns appear neither in * nor in the virtual tables. The row id of
	// a table without a primary key is one.
	Hidden bool `json:"hidden,omitempty"`
	// RowID says that the value is made by the node that inserts.
	RowID bool `json:"rowid,omitempty"`
	// Identity is 'a' for GENERATED ALWAYS AS IDENTITY, 'd' for BY DEFAULT, else 0;
	// Sequence is where the values come from.
	Identity byte `json:"identity,omitempty"`
	Sequence ID   `json:"sequence,omitempty"`
	// Missing is the value of rows that were there before the column and do not hold
	// it, as rowcodec.AppendMissing writes it; without it they have NULL.
	Missing []byte `json:"missing,omitempty"`
	// Dropped columns keep their number; nothing reads or writes them.
	Dropped bool   `json:"dropped,omitempty"`
	ACL     ACL    `json:"acl,omitzero"` // beside the table's; nil is nothing
	Comment string `json:"comment,omitempty"`
}

// IndexColumn is one key column of an index: a column of the table, or an expression
// over its columns.
type IndexColumn struct {
	Column int16 `json:"column"`         // 0 for an expression
	Desc   bool  `json:"desc,omitempty"` // with NULLs first; ascending has them last
	// Expr is the text of the expression, to be bound; Text is how PostgreSQL prints it,
	// for messages, Name what the catalogue calls the column.
	Expr string     `json:"expr,omitempty"`
	Text string     `json:"text,omitempty"`
	Name string     `json:"name,omitempty"`
	Type types.Type `json:"type,omitzero"` // of the expression
	// Collation and OpClass are what was asked for beside the default; the order is the
	// same.
	Collation string `json:"collation,omitempty"`
	OpClass   string `json:"opclass,omitempty"`
}

// Index describes an index. The primary index of a table holds all columns; its
// keys are unique and not null.
type Index struct {
	// ID is the object's OID. Number is its place in keys, unique within a table.
	ID      ID            `json:"id"`
	Number  uint64        `json:"number"`
	Name    string        `json:"name"`
	Columns []IndexColumn `json:"columns"`
	Unique  bool          `json:"unique,omitempty"`
	// Include are columns of the table that the entries hold beside the key.
	Include []int16 `json:"include,omitempty"`
	// Pred is the condition of the rows that have an entry, as text; "" is all rows.
	Pred string `json:"pred,omitempty"`
	// Reads are the columns that Pred and the expressions read.
	Reads []int16 `json:"reads,omitempty"`
	// ConstraintID is the OID of the PRIMARY KEY or UNIQUE constraint that the
	// index stands for, 0 for an index made by CREATE INDEX and for the hidden
	// primary index of a table without primary key.
	ConstraintID ID `json:"constraint_id,omitempty"`
	// Full indexes store all columns of the row: primary ones, also while built.
	Full bool `json:"full,omitempty"`
	// Key says that the index stands for the primary key although rows are kept by a
	// hidden row id: it was declared when the table had other indexes.
	Key     bool       `json:"key,omitempty"`
	State   IndexState `json:"state,omitempty"`
	Comment string     `json:"comment,omitempty"`
}

// Derives reports whether something is computed of a row before its entry can be made:
// an expression, or whether there is one.
func (x *Index) Derives() bool { return len(x.Reads) > 0 || x.Pred != "" || x.hasExpr() }

// IsPrimaryKey reports whether the index stands for a primary key that the user
// declared.
func (x *Index) IsPrimaryKey() bool { return (x.Full || x.Key) && x.ConstraintID != 0 }

func (x *Index) hasExpr() bool {
	return slices.ContainsFunc(x.Columns, func(c IndexColumn) bool { return c.Column == 0 })
}

// Uses reports whether entries depend on a column of the table.
func (x *Index) Uses(column int16) bool {
	return slices.ContainsFunc(x.Columns, func(c IndexColumn) bool { return c.Column == column }) ||
		slices.Contains(x.Include, column) || slices.Contains(x.Reads, column)
}

// Check is a CHECK constraint.
type Check struct {
	ID      ID      `json:"id"`
	Name    string  `json:"name"`
	Expr    string  `json:"expr"` // text, as written
	Columns []int16 `json:"columns,omitempty"`
	// Unvalidated says that rows written before it was known may break it.
	Unvalidated bool `json:"unvalidated,omitempty"`
}

// Sequence describes a sequence. Its state is a key of its own, see SequenceKey.
type Sequence struct {
	Type      ID    `json:"type"` // int2, int4 or int8
	Start     int64 `json:"start"`
	Increment int64 `json:"increment"`
	Min       int64 `json:"min"`
	Max       int64 `json:"max"`
	Cache     int64 `json:"cache"`
	Cycle     bool  `json:"cycle,omitempty"`
	// OwnerTable and OwnerColumn are the column that the sequence is dropped with, 0
	// for none. Internal says that it belongs to an identity column.
	OwnerTable  ID    `json:"owner_table,omitempty"`
	OwnerColumn int16 `json:"owner_column,omitempty"`
	Internal    bool  `json:"internal,omitempty"`
}

// View describes a view.
type View struct {
	// Query is the text of the query as it was written.
	Query string `json:"query"`
	// Refs says what the names of relations in it stand for.
	Refs []ViewRef `json:"refs,omitempty"`
}

// ViewRef is a relation that a view reads, under the name that its query has for
// it, with the columns that it had when the view was created.
type ViewRef struct {
	Schema  string       `json:"schema,omitempty"`
	Name    string       `json:"name"`
	ID      ID           `json:"id"`
	Columns []ViewColumn `json:"columns"`
}

// ViewColumn is a column's number with the name that the view knows it by.
type ViewColumn struct {
	ID   int16  `json:"id"`
	Name string `json:"name"`
}

// Table describes a table, or a view or sequence, which have no index.
type Table struct {
	ID     ID     `json:"id"`
	Schema ID     `json:"schema"`
	Name   string `json:"name"`
	// SchemaName is filled in when the table joins a snapshot; errors carry it.
	SchemaName string `json:"-"`
	Version    uint64 `json:"version"` // raised by every change
	// StorageID is the table id in keys.
	StorageID uint64 `json:"storage_id"`
	TypeID    ID     `json:"type_id,omitempty"` // OID of the row type
	// ArrayTypeID and ArrayTypeName are those of the array type over the row type; a
	// table of an old version of the program has none.
	ArrayTypeID   ID       `json:"array_type_id,omitempty"`
	ArrayTypeName string   `json:"array_type_name,omitempty"`
	Columns       []Column `json:"columns"`
	// Indexes[0] is the primary index and public.
	Indexes []Index `json:"indexes"`
	Checks  []Check `json:"checks,omitempty"`
	// ForeignKeys are the table's own; see Snapshot.Referrers for the others.
	ForeignKeys []ForeignKey      `json:"foreign_keys,omitempty"`
	NextColumn  int16             `json:"next_column"`
	NextIndex   uint64            `json:"next_index"`
	Options     map[string]string `json:"options,omitempty"` // storage parameters, kept and not used
	// Since is the schema version with which a column came in one step, 0 for none. A
	// node that is a version behind writes rows back without the column, so nobody gives
	// it a value before that version is published.
	Since uint64 `json:"since,omitempty"`

	Sequence *Sequence `json:"sequence,omitempty"`
	View     *View     `json:"view,omitempty"`

	Owner ID  `json:"owner,omitempty"`
	ACL   ACL `json:"acl,omitzero"`

	Comment string `json:"comment,omitempty"`

	// Virtual tables have rows that a function makes.
	Virtual bool `json:"-"`
	// Temp relations belong to a session; see Temp. OnCommit is of tables.
	Temp     bool     `json:"-"`
	OnCommit OnCommit `json:"-"`
}

// IsTable reports whether it has rows of its own: it is no view and no sequence.
func (t *Table) IsTable() bool { return t.Sequence == nil && t.View == nil }

// Kind is what error messages call it.
func (t *Table) Kind() string {
	switch {
	case t.Sequence != nil:
		return "sequence"
	case t.View != nil:
		return "view"
	}
	return "table"
}

// Primary returns the primary index.
func (t *Table) Primary() *Index { return &t.Indexes[0] }

// PrimaryKey returns the index of the primary key that the user declared, nil if there
// is none. It need not be the primary index.
func (t *Table) PrimaryKey() *Index {
	for i := range t.Indexes {
		if t.Indexes[i].IsPrimaryKey() {
			return &t.Indexes[i]
		}
	}
	return nil
}

// HasPrimaryKey reports whether the user declared a primary key.
func (t *Table) HasPrimaryKey() bool { return t.PrimaryKey() != nil }

// Column returns the column with the given number, nil if there is none.
func (t *Table) Column(id int16) *Column {
	// Numbers are places in the usual case: nothing is ever taken out.
	if i := int(id) - 1; i >= 0 && i < len(t.Columns) && t.Columns[i].ID == id {
		return &t.Columns[i]
	}
	for i := range t.Columns {
		if t.Columns[i].ID == id {
			return &t.Columns[i]
		}
	}
	return nil
}

// ColumnIndex returns the place of a column in Columns, -1 if there is none.
func (t *Table) ColumnIndex(id int16) int {
	if i := int(id) - 1; i >= 0 && i < len(t.Columns) && t.Columns[i].ID == id {
		return i
	}
	for i := range t.Columns {
		if t.Columns[i].ID == id {
			return i
		}
	}
	return -1
}

// ColumnByName returns the live column of that name, hidden ones excepted.
func (t *Table) ColumnByName(name string) *Column {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Name == name && !c.Dropped && !c.Hidden {
			return c
		}
	}
	return nil
}

// GeneratedFrom returns the generated columns that are computed of a column.
func (t *Table) GeneratedFrom(id int16) []*Column {
	var out []*Column
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Generated != "" && !c.Dropped && slices.Contains(c.GeneratedReads, id) {
			out = append(out, c)
		}
	}
	return out
}

// Visible returns the live columns that * stands for.
func (t *Table) Visible() []*Column {
	out := make([]*Column, 0, len(t.Columns))
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Dropped && !c.Hidden {
			out = append(out, c)
		}
	}
	return out
}

// KeyType is the type of a key column of an index.
func (t *Table) KeyType(c IndexColumn) types.Type {
	if c.Column == 0 {
		return c.Type
	}
	return t.Column(c.Column).Type
}

// KeyText is a key column of an index in SQL, as it stands in an index's definition.
func (t *Table) KeyText(c IndexColumn, quote func(string) string) string {
	if c.Column == 0 {
		return c.Text
	}
	return quote(t.Column(c.Column).Name)
}

// KeyName is what the catalogue calls a key column of an index.
func (t *Table) KeyName(c IndexColumn) string {
	if c.Column == 0 {
		return c.Name
	}
	return t.Column(c.Column).Name
}

// Index returns the index with the given number, nil if there is none.
func (t *Table) Index(number uint64) *Index {
	for i := range t.Indexes {
		if t.Indexes[i].Number == number {
			return &t.Indexes[i]
		}
	}
	return nil
}

// Clone returns a copy that shares nothing that can be changed.
func (t *Table) Clone() *Table {
	c := *t
	c.Columns = append([]Column(nil), t.Columns...)
	c.Indexes = append([]Index(nil), t.Indexes...)
	for i := range c.Indexes {
		c.Indexes[i].Columns = append([]IndexColumn(nil), t.Indexes[i].Columns...)
		c.Indexes[i].Include = slices.Clone(t.Indexes[i].Include)
		c.Indexes[i].Reads = slices.Clone(t.Indexes[i].Reads)
	}
	c.Checks = append([]Check(nil), t.Checks...)
	c.ForeignKeys = append([]ForeignKey(nil), t.ForeignKeys...)
	if t.Sequence != nil {
		s := *t.Sequence
		c.Sequence = &s
	}
	return &c
}

// Validate checks what every reader relies on.
func (t *Table) Validate() error {
	bad := func(format string, args ...any) error {
		return sqlerr.Internal("table %q (%d): %s", t.Name, t.ID, fmt.Sprintf(format, args...))
	}
	if t.Virtual {
		return nil
	}
	if !t.IsTable() {
		if t.ID == 0 || t.Name == "" || len(t.Indexes) > 0 {
			return bad("no id or name, or indexes")
		}
		return nil
	}
	if t.ID == 0 || t.Name == "" || t.StorageID == 0 {
		return bad("no id, name or storage")
	}
	if len(t.Indexes) == 0 || !t.Indexes[0].Full || t.Indexes[0].State != Public {
		return bad("no public primary index")
	}
	seen := map[uint64]bool{}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if ix.Number == 0 || ix.Number >= t.NextIndex || seen[ix.Number] {
			return bad("index %q has number %d", ix.Name, ix.Number)
		}
		seen[ix.Number] = true
		if len(ix.Columns) == 0 {
			return bad("index %q has no columns", ix.Name)
		}
		uses := slices.Concat(ix.Include, ix.Reads)
		for _, c := range ix.Columns {
			if c.Column != 0 {
				uses = append(uses, c.Column)
			} else if c.Expr == "" || c.Type.IsZero() || ix.Full {
				return bad("index %q has an expression without text or type", ix.Name)
			}
		}
		for _, id := range uses {
			if col := t.Column(id); col == nil || col.Dropped {
				return bad("index %q has column %d", ix.Name, id)
			}
		}
	}
	last := int16(0)
	for i := range t.Columns {
		if t.Columns[i].ID <= last || t.Columns[i].ID >= t.NextColumn {
			return bad("column %q has number %d", t.Columns[i].Name, t.Columns[i].ID)
		}
		last = t.Columns[i].ID
	}
	return nil
}

// Descriptors are kept as JSON behind a version byte: they are small, read once
// per version and node, and people want to read them in a dump.
const descVersion = 1

type descriptor struct {
	Schema     *Schema       `json:"schema,omitempty"`
	Table      *Table        `json:"table,omitempty"`
	Role       *Role         `json:"role,omitempty"`
	Type       *UserType     `json:"type,omitempty"`
	DefaultACL *DefaultACL   `json:"default_acl,omitempty"`
	Database   *DatabaseInfo `json:"database,omitempty"`
}

// kinds counts what is described: one thing.
func (d *descriptor) kinds() int {
	n := 0
	for _, set := range []bool{d.Schema != nil, d.Table != nil, d.Type != nil, d.Role != nil, d.DefaultACL != nil, d.Database != nil} {
		if set {
			n++
		}
	}
	return n
}

func encodeDesc(d descriptor) ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode descriptor: %w", err)
	}
	return append([]byte{descVersion}, b...), nil
}

func decodeDesc(b []byte) (descriptor, error) {
	var d descriptor
	if len(b) == 0 || b[0] != descVersion {
		return d, fmt.Errorf("descriptor of unknown format %.1x: a newer version of the program wrote it", b)
	}
	if err := json.Unmarshal(b[1:], &d); err != nil {
		return d, fmt.Errorf("decode descriptor: %w", err)
	}
	if n := d.kinds(); n != 1 {
		return d, fmt.Errorf("descriptor describes %d objects: a newer version of the program wrote it", n)
	}
	if d.Type != nil {
		return d, d.Type.Validate()
	}
	if d.Table != nil {
		return d, d.Table.Validate()
	}
	return d, nil
}
