package catalog

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/types"
)

// Temporary relations belong to one session. Their descriptors are never written: they
// are part of the snapshots of that session and of no other (WithTemp), and so they are
// gone with it, however it ends. Their numbers are like everybody's, so that none can
// be taken for another object.

// SchemaTemp is the schema of temporary relations, each session's own. Its other name
// is pg_temp.
const SchemaTemp ID = 13950

// TempStorage is the least storage number of temporary relations, above all others: an
// object's number has 32 bits.
const TempStorage = 1 << 40

// OnCommit says what the end of a transaction does to a temporary table.
type OnCommit uint8

// The actions. The zero value keeps the rows.
const (
	PreserveRows OnCommit = iota
	DeleteRows
	DropTable
)

// Temp is the temporary relations of a session at one time. It is immutable.
type Temp struct {
	gen    uint64
	schema *Schema
	tables []*Table // by id
}

// Tables returns the relations in the order of their numbers; nil has none.
func (t *Temp) Tables() []*Table {
	if t == nil {
		return nil
	}
	return t.tables
}

// Gen tells what Temps hold apart, over all sessions of the node; nil has 0.
func (t *Temp) Gen() uint64 {
	if t == nil {
		return 0
	}
	return t.gen
}

// TempSchema returns the schema of temporary relations, nil if the session has made
// none yet.
func (s *Snapshot) TempSchema() *Schema { return s.schemas[SchemaTemp] }

// TempGen is the Gen of the snapshot's temporary relations.
func (s *Snapshot) TempGen() uint64 { return s.tempGen }

// Temp returns the temporary relations of a snapshot, nil if it has not even their
// schema.
func (s *Snapshot) Temp() *Temp {
	sc := s.TempSchema()
	if sc == nil {
		return nil
	}
	t := &Temp{gen: s.tempGen, schema: sc}
	for _, x := range s.tables {
		if x.Temp {
			t.tables = append(t.tables, x)
		}
	}
	slices.SortFunc(t.tables, func(a, b *Table) int { return int(a.ID) - int(b.ID) })
	return t
}

// WithTemp returns a snapshot with a session's temporary relations. A view that reads
// what is not there any more is left out. A column whose type has been dropped, which
// nobody could know of, keeps it as it was.
func (s *Snapshot) WithTemp(t *Temp) *Snapshot {
	if t == nil {
		return s
	}
	c := s.clone()
	c.tempGen = t.gen
	c.addSchema(t.schema)
	for _, x := range t.tables {
		if x.View == nil {
			c.addTable(x.Clone())
		}
	}
	// A view's number is above those of the views that it reads, unless one of these was
	// replaced: so it is tried until no more come.
	for left := len(t.tables); ; {
		n := 0
		for _, x := range t.tables {
			if x.View == nil || c.tables[x.ID] != nil {
				continue
			}
			if slices.ContainsFunc(x.View.Refs, func(r ViewRef) bool { return c.tables[r.ID] == nil }) {
				n++
				continue
			}
			c.addTable(x.Clone())
		}
		if n == 0 || n == left {
			break
		}
		left = n
	}
	for _, x := range t.tables {
		if now := c.tables[x.ID]; now != nil {
			c.linkTable(now)
		}
	}
	return c
}

// TempType reports whether a type is made of a temporary relation's row.
func (s *Snapshot) TempType(t types.Type) bool {
	if t.OID < FirstUserID || s.TempSchema() == nil {
		return false
	}
	for _, x := range s.tables {
		if x.Temp && x.TypeID != 0 && s.attached(t).Uses(x.TypeID) {
			return true
		}
	}
	return false
}

// PutTempSchema gives the session its schema of temporary relations.
func (ch *Change) PutTempSchema(ctx context.Context, name string) error {
	if err := ch.begin(ctx, true); err != nil {
		return err
	}
	s := &Schema{ID: SchemaTemp, Name: name}
	s.ACL = ClassSchema.Default(s.OwnerID()).grant(s.OwnerID(), Everybody, Usage|Create, false)
	ch.snap.addSchema(s)
	return nil
}
