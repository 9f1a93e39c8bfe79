package plan

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
)

// BulkInsert is an Insert whose values come from outside of the plan: COPY. It has
// no Input; Defaults fill the columns that are not given.
func BulkInsert(o Options, t *catalog.Table, places []int) (*Bulk, error) {
	b := newBinder(o)
	n := &Bulk{Places: places, Insert: Insert{Table: t}}
	var err error
	if n.Insert.Indexes, err = Indexes(t); err != nil {
		return nil, err
	}
	if n.Insert.Generated, err = b.generatedColumns(t); err != nil {
		return nil, err
	}
	if n.Insert.Derived, err = b.derived(t); err != nil {
		return nil, err
	}
	if n.Insert.Checks, err = b.checks(t); err != nil {
		return nil, err
	}
	if n.Insert.Keys, err = b.references(t, false, nil); err != nil {
		return nil, err
	}
	w := &target{table: t}
	given := make([]expr.Expr, len(places))
	for i := range given {
		given[i] = &expr.Const{}
	}
	if n.Defaults, err = b.fullRow(w, places, given); err != nil {
		return nil, err
	}
	for _, p := range places {
		n.Defaults[p] = nil
	}
	return n, nil
}

// Bulk is an insertion of rows from outside.
type Bulk struct {
	Insert Insert
	// Places are the places in Table.Columns of the values given.
	Places []int
	// Defaults are the expressions of the other columns; nil at Places.
	Defaults []expr.Expr
}
