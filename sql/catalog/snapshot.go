package catalog

import (
	"maps"
	"sort"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Snapshot is all descriptors at one version. It is immutable; so are the
// descriptors that it hands out.
type Snapshot struct {
	version uint64
	// changed counts the changes that the transaction has made on top of version,
	// so that plans made before one of them are not used after it.
	changed uint64
	// tempGen is raised by every change of temporary relations.
	tempGen uint64

	schemas      map[ID]*Schema
	schemaByName map[string]*Schema
	tables       map[ID]*Table
	relations    map[relName]Relation
	indexes      map[ID]IndexRef
	// referrers has for each table the tables with foreign keys that refer to it.
	referrers   map[ID]map[ID]struct{}
	roles       map[ID]*Role
	roleByName  map[string]*Role
	defaultACLs map[ID]*DefaultACL
	database    *DatabaseInfo

	// types are the descriptors of users' types; typeNames and typeRefs also have
	// tables' row types and all array types. defs holds what they define.
	types     map[ID]*UserType
	typeNames map[relName]ID
	typeRefs  map[ID]typeRef
	defs      map[ID]*types.Def
}

type relName struct {
	schema ID
	name   string
}

// Relation is what a name of a relation stands for: a table, or an index of it.
type Relation struct {
	Table *Table
	Index *Index // nil for the table itself
}

// IndexRef is an index with its table.
type IndexRef struct {
	Table *Table
	Index *Index
}

// Version tells snapshots apart: two with the same Version hold the same
// descriptors, unless a transaction changed them (see Key).
func (s *Snapshot) Version() uint64 { return s.version }

// Key identifies the contents of a snapshot: version and number of changes that
// the asking transaction made to it.
func (s *Snapshot) Key() (version, changes uint64) { return s.version, s.changed }

// Schema returns a schema by name, nil if there is none.
func (s *Snapshot) Schema(name string) *Schema { return s.schemaByName[name] }

// SchemaByID returns a schema by OID, nil if there is none.
func (s *Snapshot) SchemaByID(id ID) *Schema { return s.schemas[id] }

// Table returns a table by OID, nil if there is none.
func (s *Snapshot) Table(id ID) *Table { return s.tables[id] }

// IndexByID returns an index by OID.
func (s *Snapshot) IndexByID(id ID) (IndexRef, bool) {
	r, ok := s.indexes[id]
	return r, ok
}

// Relation looks a name up in one schema.
func (s *Snapshot) Relation(schema ID, name string) (Relation, bool) {
	r, ok := s.relations[relName{schema, name}]
	return r, ok
}

// Resolve finds a relation by its name as written: in the named schema, or, if
// none is named, along the path. ok is false if there is none; an unknown
// schema is 3F000.
func (s *Snapshot) Resolve(schema, name string, path []string) (r Relation, ok bool, err error) {
	if schema != "" {
		sc := s.Schema(schema)
		if sc == nil && schema == "pg_temp" {
			return r, false, nil // it is there for everybody, and empty
		}
		if sc == nil {
			return r, false, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", schema)
		}
		r, ok = s.Relation(sc.ID, name)
		return r, ok, nil
	}
	for _, p := range path {
		if sc := s.Schema(p); sc != nil {
			if r, ok = s.Relation(sc.ID, name); ok {
				return r, true, nil
			}
		}
	}
	return r, false, nil
}

// Schemas returns all schemas ordered by id.
func (s *Snapshot) Schemas() []*Schema {
	out := make([]*Schema, 0, len(s.schemas))
	for _, sc := range s.schemas {
		out = append(out, sc)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Tables returns all tables, virtual ones too, ordered by id.
func (s *Snapshot) Tables() []*Table {
	out := make([]*Table, 0, len(s.tables))
	for _, t := range s.tables {
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func newSnapshot(version uint64) *Snapshot {
	return &Snapshot{
		version:      version,
		schemas:      map[ID]*Schema{},
		schemaByName: map[string]*Schema{},
		tables:       map[ID]*Table{},
		relations:    map[relName]Relation{},
		indexes:      map[ID]IndexRef{},
		referrers:    map[ID]map[ID]struct{}{},
		roles:        map[ID]*Role{},
		roleByName:   map[string]*Role{},
		defaultACLs:  map[ID]*DefaultACL{},
		types:        map[ID]*UserType{},
		typeNames:    map[relName]ID{},
		typeRefs:     map[ID]typeRef{},
		defs:         map[ID]*types.Def{},
	}
}

func (s *Snapshot) clone() *Snapshot {
	c := newSnapshot(s.version)
	c.changed, c.tempGen = s.changed, s.tempGen
	for _, sc := range s.schemas {
		c.addSchema(sc)
	}
	for _, t := range s.tables {
		c.addTable(t)
	}
	for _, r := range s.roles {
		c.addRole(r)
	}
	for id, d := range s.defaultACLs {
		c.defaultACLs[id] = d
	}
	c.database = s.database
	for _, t := range s.types {
		c.addType(t)
	}
	maps.Copy(c.defs, s.defs)
	return c
}

func (s *Snapshot) addSchema(sc *Schema) {
	// Set before anybody else sees the schema, as below.
	if sc.ID < FirstUserID && !sc.Virtual {
		sc.Virtual = true
	}
	s.schemas[sc.ID] = sc
	s.schemaByName[sc.Name] = sc
	if sc.ID == SchemaTemp {
		s.schemaByName["pg_temp"] = sc
	}
}

// putSchema is addSchema for one that may have another name already, which its
// tables know.
func (s *Snapshot) putSchema(sc *Schema) {
	old := s.schemas[sc.ID]
	if old != nil {
		s.removeSchema(old)
	}
	s.addSchema(sc)
	if old == nil || old.Name == sc.Name {
		return
	}
	for _, t := range s.tables {
		if t.Schema == sc.ID {
			c := t.Clone()
			c.SchemaName = sc.Name
			s.addTable(c)
		}
	}
}

func (s *Snapshot) removeSchema(sc *Schema) {
	delete(s.schemas, sc.ID)
	delete(s.schemaByName, sc.Name)
}

func (s *Snapshot) addTable(t *Table) {
	// Set before anybody else sees the table, and never changed after.
	if sc := s.schemas[t.Schema]; t.SchemaName == "" && sc != nil {
		t.SchemaName = sc.Name
	}
	s.tables[t.ID] = t
	s.refer(t)
	s.relations[relName{t.Schema, t.Name}] = Relation{Table: t}
	if t.TypeID != 0 {
		s.nameType(t.Schema, t.Name, t.TypeID, typeRef{table: t})
	}
	if t.ArrayTypeID != 0 {
		s.nameType(t.Schema, t.ArrayTypeName, t.ArrayTypeID, typeRef{table: t, array: true})
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if ix.ID == 0 {
			continue // the hidden index of a table without primary key
		}
		s.indexes[ix.ID] = IndexRef{t, ix}
		s.relations[relName{t.Schema, ix.Name}] = Relation{Table: t, Index: ix}
	}
}

func (s *Snapshot) removeTable(t *Table) {
	delete(s.tables, t.ID)
	s.unrefer(t)
	delete(s.relations, relName{t.Schema, t.Name})
	if t.TypeID != 0 {
		s.forgetType(t.Schema, t.Name, t.TypeID)
	}
	if t.ArrayTypeID != 0 {
		s.forgetType(t.Schema, t.ArrayTypeName, t.ArrayTypeID)
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.ID != 0 {
			delete(s.indexes, ix.ID)
			delete(s.relations, relName{t.Schema, ix.Name})
		}
	}
}
