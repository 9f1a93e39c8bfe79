package catalog

import (
	"cmp"
	"context"
	"sort"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// UserType describes a type that a user made: one of Enum, Domain and Composite is
// set. Like a Table it is shared by snapshots and never changed.
type UserType struct {
	ID     ID     `json:"id"`
	Schema ID     `json:"schema"`
	Name   string `json:"name"`
	// SchemaName is filled in when the type joins a snapshot.
	SchemaName string `json:"-"`
	Owner      ID     `json:"owner,omitempty"` // 0 is Superuser
	Version    uint64 `json:"version"`         // raised by every change
	// ArrayID and ArrayName are those of the array type over it.
	ArrayID   ID     `json:"array_id"`
	ArrayName string `json:"array_name"`

	Enum      *Enum      `json:"enum,omitempty"`
	Domain    *Domain    `json:"domain,omitempty"`
	Composite *Composite `json:"composite,omitempty"`

	Comment string `json:"comment,omitempty"`
}

// Enum is what is particular to an enum: its labels in order.
type Enum struct {
	Labels []EnumLabel `json:"labels"`
}

// EnumLabel is a label of an enum.
type EnumLabel struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	// Key is how rows store the value; see types.Label.
	Key []byte `json:"key"`
	// Since is the schema version that brought the label, 0 for one that the type was
	// made with. It may be written from the next version on: every node knows it then.
	Since uint64 `json:"since,omitempty"`
}

// Domain is what is particular to a domain.
type Domain struct {
	Base types.Type `json:"base"`
	// Default is the text of the default expression, "" for none.
	Default string        `json:"default,omitempty"`
	NotNull bool          `json:"not_null,omitempty"`
	Checks  []DomainCheck `json:"checks,omitempty"`
}

// DomainCheck is a CHECK constraint of a domain. Unvalidated ones hold for new
// values, but stored ones may break them.
type DomainCheck struct {
	ID          ID     `json:"id"`
	Name        string `json:"name"`
	Expr        string `json:"expr"`
	Unvalidated bool   `json:"unvalidated,omitempty"`
}

// Composite is what is particular to a composite type. Rel is its number in
// pg_class.
type Composite struct {
	Rel        ID       `json:"rel"`
	Columns    []Column `json:"columns"`
	NextColumn int16    `json:"next_column"`
}

// OwnerID returns the role that owns the type.
func (t *UserType) OwnerID() ID { return cmp.Or(t.Owner, Superuser) }

// Clone returns a copy that may be changed.
func (t *UserType) Clone() *UserType {
	c := *t
	if t.Enum != nil {
		c.Enum = &Enum{Labels: append([]EnumLabel(nil), t.Enum.Labels...)}
	}
	if t.Domain != nil {
		d := *t.Domain
		d.Checks = append([]DomainCheck(nil), d.Checks...)
		c.Domain = &d
	}
	if t.Composite != nil {
		d := *t.Composite
		d.Columns = append([]Column(nil), d.Columns...)
		c.Composite = &d
	}
	return &c
}

// Validate checks what every type must have.
func (t *UserType) Validate() error {
	kinds := 0
	for _, is := range []bool{t.Enum != nil, t.Domain != nil, t.Composite != nil} {
		if is {
			kinds++
		}
	}
	if t.ID == 0 || t.Name == "" || kinds != 1 {
		return sqlerr.Internal("type %q (%d): no id or name, or of %d kinds", t.Name, t.ID, kinds)
	}
	if t.Enum != nil {
		for i, l := range t.Enum.Labels {
			if i > 0 && string(t.Enum.Labels[i-1].Key) >= string(l.Key) || len(l.Key) == 0 {
				return sqlerr.Internal("enum %q: label %q is out of order", t.Name, l.Name)
			}
		}
	}
	return nil
}

// Uses reports whether the type is made of the one with that number.
func (t *UserType) Uses(s *Snapshot, oid ID) bool {
	if t.Domain != nil {
		return s.attached(t.Domain.Base).Uses(oid)
	}
	if t.Composite != nil {
		for _, c := range t.Composite.Columns {
			if !c.Dropped && s.attached(c.Type).Uses(oid) {
				return true
			}
		}
	}
	return false
}

// typeRef is what a number of a type belongs to.
type typeRef struct {
	user  *UserType
	table *Table // whose row type it is
	array bool   // the array type over it
}

// UserType returns the descriptor of a type, nil for a number that has none: of a
// built-in type, a table's row type or an array.
func (s *Snapshot) UserType(id ID) *UserType { return s.types[id] }

// UserTypes lists the types in the order of their numbers.
func (s *Snapshot) UserTypes() []*UserType {
	out := make([]*UserType, 0, len(s.types))
	for _, t := range s.types {
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// TypeByOID returns the type with that number.
func (s *Snapshot) TypeByOID(oid ID) (types.Type, bool) {
	if _, ok := types.Lookup(oid); ok {
		return types.Of(oid), true
	}
	if s == nil {
		return types.Type{}, false
	}
	if d := s.defs[oid]; d != nil {
		return d.Type(), true
	}
	return types.Type{}, false
}

// TypeNamed returns the type of that name in a schema.
func (s *Snapshot) TypeNamed(schema ID, name string) (types.Type, bool) {
	if schema == SchemaPgCatalog {
		if i, ok := types.LookupName(name); ok {
			return types.Of(i.OID), true
		}
	}
	if s == nil {
		return types.Type{}, false
	}
	oid, ok := s.typeNames[relName{schema, name}]
	if !ok {
		return types.Type{}, false
	}
	return s.TypeByOID(oid)
}

// TypeSchema returns the schema that a type is in.
func (s *Snapshot) TypeSchema(oid ID) *Schema {
	if _, ok := types.Lookup(oid); ok {
		return s.schemas[SchemaPgCatalog]
	}
	switch r := s.typeRefs[oid]; {
	case r.user != nil:
		return s.schemas[r.user.Schema]
	case r.table != nil:
		return s.schemas[r.table.Schema]
	}
	return nil
}

// Row returns the row type of a table, or record for one that has none.
func (s *Snapshot) Row(t *Table) types.Type {
	if s != nil {
		if d := s.defs[t.TypeID]; d != nil && t.TypeID != 0 {
			return d.Type()
		}
	}
	return types.RecordType
}

// Attach gives a type of another snapshot, or one without definition, the
// definition that it has here.
func (s *Snapshot) Attach(t types.Type) types.Type { return s.attached(t) }

func (s *Snapshot) attached(t types.Type) types.Type {
	if t.OID < FirstUserID {
		return t
	}
	if d := s.def(t.OID); d != nil {
		return d.Type().WithTypmod(t.Typmod)
	}
	return t
}

// def returns the definition of a number, making it if need be.
func (s *Snapshot) def(oid ID) *types.Def {
	if d, ok := s.defs[oid]; ok {
		return d
	}
	r, ok := s.typeRefs[oid]
	if !ok {
		return nil
	}
	s.defs[oid] = nil // no type is made of itself; should a descriptor say so, it ends here
	var d *types.Def
	if r.user != nil {
		d = s.defOf(r.user)
	} else {
		s.linkTable(r.table)
		d = s.defs[r.table.TypeID]
	}
	if d == nil {
		return nil
	}
	s.defs[d.OID] = d
	if a := d.ArrayType(); !a.IsZero() {
		s.defs[a.OID] = a.Def()
	}
	return s.defs[oid]
}

// HasNewLabels reports whether there are enum labels that nobody may write before the
// next version.
func (s *Snapshot) HasNewLabels() bool {
	for _, t := range s.types {
		if t.Enum == nil {
			continue
		}
		for i := range t.Enum.Labels {
			if s.isNew(&t.Enum.Labels[i]) {
				return true
			}
		}
	}
	return false
}

func (s *Snapshot) isNew(l *EnumLabel) bool { return l.Since != 0 && s.version <= l.Since }

func newDef(id ID, name, schema string, kind byte, array ID) *types.Def {
	return &types.Def{Info: types.Info{OID: id, Name: name, Kind: kind, Array: array}, Schema: schema, Quoted: ast.QuoteIdent(name),
		Qualified: schema != "public"}
}

func (s *Snapshot) defOf(t *UserType) *types.Def {
	var d *types.Def
	switch {
	case t.Enum != nil:
		d = newDef(t.ID, t.Name, t.SchemaName, types.KindOfEnum, t.ArrayID)
		for i := range t.Enum.Labels {
			l := &t.Enum.Labels[i]
			d.Labels = append(d.Labels, types.Label{OID: l.ID, Name: l.Name, Key: string(l.Key), New: s.isNew(l)})
		}
	case t.Domain != nil:
		d = newDef(t.ID, t.Name, t.SchemaName, types.KindOfDomain, t.ArrayID)
		d.Base, d.NotNull, d.Default = s.attached(t.Domain.Base), t.Domain.NotNull, t.Domain.Default
		for _, c := range t.Domain.Checks {
			d.Checks = append(d.Checks, types.DomainCheck{Name: c.Name, Expr: c.Expr})
		}
		sort.Slice(d.Checks, func(i, j int) bool { return d.Checks[i].Name < d.Checks[j].Name })
	default:
		d = newDef(t.ID, t.Name, t.SchemaName, types.KindOfComposite, t.ArrayID)
		d.Rel = t.Composite.Rel
		d.Fields = s.fields(t.Composite.Columns)
	}
	d.Finish(t.ArrayName)
	return d
}

// eachKeyType calls f with the key columns of indexes that are expressions.
func (t *Table) eachKeyType(f func(*IndexColumn)) {
	for i := range t.Indexes {
		for j := range t.Indexes[i].Columns {
			if c := &t.Indexes[i].Columns[j]; c.Column == 0 {
				f(c)
			}
		}
	}
}

func (s *Snapshot) fields(cols []Column) []types.Field {
	var out []types.Field
	for i := range cols {
		if c := &cols[i]; !c.Dropped && !c.Hidden {
			out = append(out, types.Field{Name: c.Name, Type: s.attached(c.Type), Num: c.ID})
		}
	}
	return out
}

// linkTable gives a table's columns the definitions of their types, in a copy if
// they have others, and makes its row type.
func (s *Snapshot) linkTable(t *Table) {
	for i := range t.Columns {
		if typ := s.attached(t.Columns[i].Type); typ != t.Columns[i].Type {
			if s.tables[t.ID] == t {
				t = t.Clone()
				s.replaceTable(t)
			}
			t.Columns[i].Type = typ
		}
	}
	stale := false
	t.eachKeyType(func(c *IndexColumn) { stale = stale || s.attached(c.Type) != c.Type })
	if stale {
		if s.tables[t.ID] == t {
			t = t.Clone()
			s.replaceTable(t)
		}
		t.eachKeyType(func(c *IndexColumn) { c.Type = s.attached(c.Type) })
	}
	if t.TypeID == 0 {
		return
	}
	d := newDef(t.TypeID, t.Name, t.SchemaName, types.KindOfComposite, t.ArrayTypeID)
	d.Rel, d.Fields = t.ID, s.fields(t.Columns)
	d.Finish(t.ArrayTypeName)
	s.defs[d.OID] = d
	if a := d.ArrayType(); !a.IsZero() {
		s.defs[a.OID] = a.Def()
	}
}

// replaceTable puts a copy in the place of a table.
func (s *Snapshot) replaceTable(t *Table) {
	s.tables[t.ID] = t
	s.relations[relName{t.Schema, t.Name}] = Relation{Table: t}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.ID != 0 {
			s.indexes[ix.ID] = IndexRef{t, ix}
			s.relations[relName{t.Schema, ix.Name}] = Relation{Table: t, Index: ix}
		}
	}
	if t.TypeID != 0 {
		s.typeRefs[t.TypeID] = typeRef{table: t}
	}
	if t.ArrayTypeID != 0 {
		s.typeRefs[t.ArrayTypeID] = typeRef{table: t, array: true}
	}
}

// link makes all definitions anew: a type has changed, and with it every type made
// of it and every table with a column of one of these.
func (s *Snapshot) link() {
	s.defs = make(map[ID]*types.Def, len(s.typeRefs))
	for id := range s.types {
		s.def(id)
	}
	for id := range s.tables {
		// The map's values are looked up: linking one table may replace it.
		if t := s.tables[id]; s.defs[t.TypeID] == nil || t.TypeID == 0 {
			s.linkTable(t)
		}
	}
}

// rowInUse reports whether something is made of a table's row type.
func (s *Snapshot) rowInUse(t *Table) bool {
	if t.TypeID == 0 {
		return false
	}
	for _, x := range s.types {
		if x.Uses(s, t.TypeID) {
			return true
		}
	}
	for _, x := range s.tables {
		for i := range x.Columns {
			if x.Columns[i].Type.IsUser() && x.Columns[i].Type.Uses(t.TypeID) {
				return true
			}
		}
	}
	return false
}

// nameTypes fills in the names of schemas. The types must be the snapshot's own.
func (s *Snapshot) nameTypes() {
	for _, t := range s.types {
		if sc := s.schemas[t.Schema]; sc != nil {
			t.SchemaName = sc.Name
		}
	}
}

func (s *Snapshot) addType(t *UserType) {
	if sc := s.schemas[t.Schema]; t.SchemaName == "" && sc != nil {
		t.SchemaName = sc.Name
	}
	s.types[t.ID] = t
	s.nameType(t.Schema, t.Name, t.ID, typeRef{user: t})
	if t.ArrayID != 0 {
		s.nameType(t.Schema, t.ArrayName, t.ArrayID, typeRef{user: t, array: true})
	}
}

func (s *Snapshot) nameType(schema ID, name string, oid ID, r typeRef) {
	s.typeNames[relName{schema, name}] = oid
	s.typeRefs[oid] = r
}

func (s *Snapshot) forgetType(schema ID, name string, oid ID) {
	if s.typeNames[relName{schema, name}] == oid {
		delete(s.typeNames, relName{schema, name})
	}
	delete(s.typeRefs, oid)
	delete(s.defs, oid)
}

func (s *Snapshot) removeType(t *UserType) {
	delete(s.types, t.ID)
	s.forgetType(t.Schema, t.Name, t.ID)
	if t.ArrayID != 0 {
		s.forgetType(t.Schema, t.ArrayName, t.ArrayID)
	}
}

// PutType writes a type. It takes over t.
func (ch *Change) PutType(ctx context.Context, t *UserType) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	t.Version++
	t.SchemaName = ""
	if err := t.Validate(); err != nil {
		return err
	}
	if t.Schema == SchemaTemp {
		return sqlerr.Unsupported("a temporary type")
	}
	for i := 0; t.Composite != nil && i < len(t.Composite.Columns); i++ {
		if c := &t.Composite.Columns[i]; !c.Dropped && ch.snap.TempType(c.Type) {
			return sqlerr.Unsupported("a type made of the row type of a temporary table")
		}
	}
	if t.Domain != nil && ch.snap.TempType(t.Domain.Base) {
		return sqlerr.Unsupported("a type made of the row type of a temporary table")
	}
	if err := ch.write(ctx, t.ID, descriptor{Type: t}); err != nil {
		return err
	}
	if old := ch.snap.types[t.ID]; old != nil {
		ch.snap.removeType(old)
	}
	ch.snap.addType(t)
	ch.snap.link()
	return nil
}

// DropType removes a type. Nothing may be made of it any more.
func (ch *Change) DropType(ctx context.Context, t *UserType) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.w.Delete(ctx, descKey(t.ID)); err != nil {
		return err
	}
	ch.snap.removeType(ch.snap.types[t.ID])
	return nil
}

// NextVersion is the schema version that this change makes.
func (ch *Change) NextVersion() uint64 { return ch.snap.version + 1 }

// Touch makes a schema version in which nothing changes. Once it is published every
// node knows the version before it.
func (ch *Change) Touch(ctx context.Context) error { return ch.begin(ctx, false) }
