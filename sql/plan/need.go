package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
)

// Need is what a statement needs to be allowed to do with a relation. Who runs the
// statement is asked for it each time, because plans outlive privileges.
type Need struct {
	Table *catalog.Table
	// As is the role that has to have the privileges: the owner of the view in whose
	// query the relation stands; 0 is whoever runs the statement.
	As catalog.ID
	// Privileges are needed on the table, or on the columns below.
	Privileges                  catalog.Privileges
	Selected, Inserted, Updated map[int16]bool // by attribute number
	// Schema is set if the statement names the relation's schema, at Position.
	Schema   bool
	Position int // in characters from 1, 0 for none
}

// need notes that a relation is used, and how.
func (b *binder) need(t *catalog.Table, n ast.Name, p catalog.Privileges) *Need {
	x := &Need{Table: t, As: b.owner, Privileges: p, Schema: n.Schema != "" && b.view == nil}
	if x.Schema {
		x.Position = n.Position().Char(b.o.Text)
	}
	b.needs = append(b.needs, x)
	return x
}

// read notes that a column of a scope is read.
func (s *scope) read(c *scopeCol) {
	if c.rel < 0 || c.attnum == 0 {
		return
	}
	if n := s.rels[c.rel].need; n != nil {
		n.Privileges |= catalog.Select
		mark(&n.Selected, c.attnum)
	}
}

func mark(set *map[int16]bool, column int16) {
	if *set == nil {
		*set = map[int16]bool{}
	}
	(*set)[column] = true
}

// locked notes that rows of the relations that a locking clause means are locked,
// which takes the right to change them.
func (s *scope) locked(q *ast.Select) {
	for i := range s.rels {
		if n := s.rels[i].need; n != nil {
			if mode, _ := lockOf(q, s.rels[i].name); mode > 0 {
				n.Privileges |= catalog.Update
			}
		}
	}
}
