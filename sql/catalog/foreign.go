package catalog

import (
	"slices"

	"github.com/quorate-db/quorate/sql/types"
)

// RefAction is what becomes of rows whose referenced row goes or changes its key.
type RefAction byte

// The actions, by PostgreSQL's letters in pg_constraint.
const (
	NoAction   RefAction = 'a'
	Restrict   RefAction = 'r'
	Cascade    RefAction = 'c'
	SetNull    RefAction = 'n'
	SetDefault RefAction = 'd'
)

// MatchType says which rows refer to nothing: those with a NULL among the columns
// (MatchSimple), or those with nothing but NULLs (MatchFull), by PostgreSQL's letters.
type MatchType byte

// The match types.
const (
	MatchSimple MatchType = 's'
	MatchFull   MatchType = 'f'
)

// ForeignKey is a FOREIGN KEY constraint of a table.
type ForeignKey struct {
	ID      ID      `json:"id"`
	Name    string  `json:"name"`
	Columns []int16 `json:"columns"`
	// RefTable has a unique index of the OID RefIndex over RefColumns, which are pairwise
	// equal to Columns.
	RefTable   ID        `json:"ref_table"`
	RefColumns []int16   `json:"ref_columns"`
	RefIndex   ID        `json:"ref_index"`
	OnDelete   RefAction `json:"on_delete"`
	OnUpdate   RefAction `json:"on_update"`
	Match      MatchType `json:"match"`
	// SetColumns are those that ON DELETE SET NULL and SET DEFAULT set; none are all.
	SetColumns []int16 `json:"set_columns,omitempty"`
	// Deferrable constraints may be checked at the commit, Deferred ones are unless the
	// transaction says otherwise.
	Deferrable bool `json:"deferrable,omitempty"`
	Deferred   bool `json:"deferred,omitempty"`
	// Unvalidated says that rows written before it was known may break it. Building says
	// that it is not declared yet: new rows are checked, and no row is changed for its
	// sake.
	Unvalidated bool `json:"unvalidated,omitempty"`
	Building    bool `json:"building,omitempty"`
	// Since is the schema version that has to be published before a row may refer to
	// another by it: then every node looks for such rows. 0 is none.
	Since uint64 `json:"since,omitempty"`
}

// Referrer is a foreign key that refers to a table, with its own table.
type Referrer struct {
	Table *Table
	Key   *ForeignKey
}

// ForeignKey returns the foreign key of a name, nil if there is none.
func (t *Table) ForeignKey(name string) *ForeignKey {
	for i := range t.ForeignKeys {
		if t.ForeignKeys[i].Name == name {
			return &t.ForeignKeys[i]
		}
	}
	return nil
}

// ForeignKeyByID returns the foreign key of an OID, nil if there is none.
func (t *Table) ForeignKeyByID(id ID) *ForeignKey {
	for i := range t.ForeignKeys {
		if t.ForeignKeys[i].ID == id {
			return &t.ForeignKeys[i]
		}
	}
	return nil
}

// DropForeignKey takes a foreign key out of a table that is being changed.
func (t *Table) DropForeignKey(id ID) {
	t.ForeignKeys = slices.DeleteFunc(slices.Clone(t.ForeignKeys), func(k ForeignKey) bool { return k.ID == id })
}

// Referrers returns the foreign keys that refer to a table, its own among them, in the
// order in which they were made.
func (s *Snapshot) Referrers(id ID) []Referrer {
	var out []Referrer
	for t := range s.referrers[id] {
		x := s.tables[t]
		if x == nil {
			continue
		}
		for i := range x.ForeignKeys {
			if k := &x.ForeignKeys[i]; k.RefTable == id {
				out = append(out, Referrer{x, k})
			}
		}
	}
	slices.SortFunc(out, func(a, b Referrer) int { return int(int64(a.Key.ID) - int64(b.Key.ID)) })
	return out
}

// refer keeps the tables that refer to others.
func (s *Snapshot) refer(t *Table) {
	for i := range t.ForeignKeys {
		to := t.ForeignKeys[i].RefTable
		if s.referrers[to] == nil {
			s.referrers[to] = map[types.OID]struct{}{}
		}
		s.referrers[to][t.ID] = struct{}{}
	}
}

func (s *Snapshot) unrefer(t *Table) {
	for i := range t.ForeignKeys {
		delete(s.referrers[t.ForeignKeys[i].RefTable], t.ID)
	}
}
