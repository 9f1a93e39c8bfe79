package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// References is what foreign keys ask of those who write a table.
type References struct {
	Table   *catalog.Table
	Indexes []*rowcodec.Index
	Derived []*Derived // beside Indexes
	Checks  []CheckExpr
	// Generated are the columns that are computed of the others.
	Generated []GeneratedExpr
	// Own are the table's foreign keys, Others those that refer to it.
	Own, Others []*ForeignKey
}

// ForeignKey is a foreign key with what is needed to look after it.
type ForeignKey struct {
	Desc          *catalog.ForeignKey
	Child, Parent *catalog.Table
	// Writes is how the referring rows are changed, of one with such an action.
	Writes *References
	// Columns and RefColumns are places in the Columns of Child and Parent.
	Columns, RefColumns []int
	// Target is the unique index that says which keys exist; its i-th column is that of
	// the pair Order[i].
	Target *rowcodec.Index
	Order  []int
	// Lookup finds referring rows, by its first columns in the order of LookupOrder; nil:
	// they are looked for among all rows, Rows.
	Lookup      *rowcodec.Index
	LookupOrder []int
	Rows        *rowcodec.Index
	// ToParent and ToChild make a value of one side one of the other, over a row of a
	// single value; nil where nothing is to be done. Exact asks that the way back leads
	// to the same value: otherwise nothing is equal to it.
	ToParent, ToChild []expr.Expr
	Exact             []bool
	// Defaults are those of Columns, for SET DEFAULT.
	Defaults []expr.Expr
}

// Acts reports whether referring rows are changed when their row goes (or, with update,
// changes its key).
func (k *ForeignKey) Acts(update bool) bool {
	switch k.Action(update) {
	case catalog.Cascade, catalog.SetNull, catalog.SetDefault:
		return true
	}
	return false
}

// Action is what becomes of referring rows. Nothing is changed for the sake of a
// constraint that may never come to be.
func (k *ForeignKey) Action(update bool) catalog.RefAction {
	switch {
	case k.Desc.Building:
		return catalog.NoAction
	case update:
		return k.Desc.OnUpdate
	}
	return k.Desc.OnDelete
}

// references binds the foreign keys of a table, and with others those that refer to it;
// nil if there are none. changed, if it is not nil, are the columns that are written.
func (b *binder) references(t *catalog.Table, others bool, changed []bool) (*References, error) {
	if b.o.Catalog == nil || !b.concerned(t, others, changed) {
		return nil, nil
	}
	b.hasKeys = true
	return b.referencesOf(t, others)
}

func (b *binder) referrers(t *catalog.Table) []catalog.Referrer {
	if b.o.Catalog == nil {
		return nil
	}
	return b.o.Catalog.Referrers(t.ID)
}

// concerned reports whether a foreign key has to do with what is written.
func (b *binder) concerned(t *catalog.Table, others bool, changed []bool) bool {
	touched := func(cols []int16) bool {
		return changed == nil || slices.ContainsFunc(cols, func(c int16) bool { return changed[t.ColumnIndex(c)] })
	}
	for i := range t.ForeignKeys {
		k := &t.ForeignKeys[i]
		if touched(k.Columns) {
			return true
		}
		// A row that moves must not slip past who looks at the stored ones.
		for _, c := range t.Primary().Columns {
			if k.Unvalidated && touched([]int16{c.Column}) {
				return true
			}
		}
	}
	return others && slices.ContainsFunc(b.o.Catalog.Referrers(t.ID), func(r catalog.Referrer) bool { return touched(r.Key.RefColumns) })
}

func (b *binder) referencesOf(t *catalog.Table, others bool) (*References, error) {
	if r := b.refs[t.ID]; r != nil && others {
		return r, nil
	}
	r := &References{Table: t}
	if others {
		if b.refs == nil {
			b.refs = map[catalog.ID]*References{}
		}
		b.refs[t.ID] = r
	}
	var err error
	if r.Indexes, err = Indexes(t); err != nil {
		return nil, err
	}
	if r.Derived, err = b.derived(t); err != nil {
		return nil, err
	}
	if r.Generated, err = b.generatedColumns(t); err != nil {
		return nil, err
	}
	if r.Checks, err = b.checks(t); err != nil {
		return nil, err
	}
	for i := range t.ForeignKeys {
		k, err := b.foreignKey(t, &t.ForeignKeys[i])
		if err != nil {
			return nil, err
		}
		r.Own = append(r.Own, k)
	}
	if !others {
		return r, nil
	}
	for _, o := range b.o.Catalog.Referrers(t.ID) {
		k, err := b.foreignKey(o.Table, o.Key)
		if err != nil {
			return nil, err
		}
		if k.Acts(false) || k.Acts(true) {
			if k.Writes, err = b.referencesOf(o.Table, true); err != nil {
				return nil, err
			}
			if k.Defaults, err = b.keyDefaults(k); err != nil {
				return nil, err
			}
		}
		r.Others = append(r.Others, k)
	}
	return r, nil
}

func (b *binder) keyDefaults(k *ForeignKey) ([]expr.Expr, error) {
	if k.Desc.OnDelete != catalog.SetDefault && k.Desc.OnUpdate != catalog.SetDefault {
		return nil, nil
	}
	out := make([]expr.Expr, len(k.Columns))
	for i, c := range k.Columns {
		var err error
		if out[i], err = b.defaultOf(&k.Child.Columns[c]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ForeignKeyOf binds a foreign key by itself: to check it, not to act.
func ForeignKeyOf(o Options, t *catalog.Table, d *catalog.ForeignKey) (*ForeignKey, error) {
	return newBinder(o).foreignKey(t, d)
}

func (b *binder) foreignKey(t *catalog.Table, d *catalog.ForeignKey) (*ForeignKey, error) {
	k := &ForeignKey{Desc: d, Child: t, Parent: b.o.Catalog.Table(d.RefTable)}
	if d.RefTable == t.ID {
		k.Parent = t // it may not be in the catalog yet
	}
	if k.Parent == nil {
		return nil, sqlerr.Internal("foreign key %q of table %q refers to table %d, which does not exist", d.Name, t.Name, d.RefTable)
	}
	var target *catalog.Index
	for i := range k.Parent.Indexes {
		if x := &k.Parent.Indexes[i]; x.ID == d.RefIndex {
			target = x
		}
	}
	if target == nil {
		return nil, sqlerr.Internal("foreign key %q of table %q refers to index %d of table %q, which does not exist", d.Name, t.Name, d.RefIndex, k.Parent.Name)
	}
	var err error
	if k.Target, err = rowcodec.NewIndex(k.Parent, target); err != nil {
		return nil, err
	}
	if k.Rows, err = rowcodec.NewIndex(t, t.Primary()); err != nil {
		return nil, err
	}
	for _, c := range target.Columns {
		k.Order = append(k.Order, slices.Index(d.RefColumns, c.Column))
	}
	n := len(d.Columns)
	k.ToParent, k.ToChild, k.Exact = make([]expr.Expr, n), make([]expr.Expr, n), make([]bool, n)
	indexed := true
	for i := range d.Columns {
		c, p := t.ColumnIndex(d.Columns[i]), k.Parent.ColumnIndex(d.RefColumns[i])
		k.Columns, k.RefColumns = append(k.Columns, c), append(k.RefColumns, p)
		from, to := t.Columns[c].Type.Base(), k.Parent.Columns[p].Type.Base()
		if from.OID == to.OID {
			continue
		}
		if k.ToParent[i], err = b.eb.Cast(&expr.Column{Typ: from}, to.Bare(), expr.CastAssignment); err != nil {
			return nil, err
		}
		if k.ToChild[i], err = b.eb.Cast(&expr.Column{Typ: to}, from.Bare(), expr.CastExplicit); err != nil {
			return nil, err
		}
		k.Exact[i] = keyFamily(from) == keyFamily(to)
		indexed = indexed && k.Exact[i]
	}
	if indexed {
		err = k.findLookup()
	}
	return k, err
}

// findLookup chooses an index that begins with the referring columns, in any order: the
// shortest.
func (k *ForeignKey) findLookup() error {
	var best *catalog.Index
	n := len(k.Desc.Columns)
	for i := range k.Child.Indexes {
		x := &k.Child.Indexes[i]
		if x.State != catalog.Public || x.Pred != "" || len(x.Columns) < n || best != nil && len(best.Columns) <= len(x.Columns) {
			continue
		}
		if !slices.ContainsFunc(x.Columns[:n], func(c catalog.IndexColumn) bool { return !slices.Contains(k.Desc.Columns, c.Column) }) {
			best = x
		}
	}
	if best == nil {
		return nil
	}
	for _, c := range best.Columns[:n] {
		k.LookupOrder = append(k.LookupOrder, slices.Index(k.Desc.Columns, c.Column))
	}
	var err error
	k.Lookup, err = rowcodec.NewIndex(k.Child, best)
	return err
}

// keyFamily groups the types that can be compared with each other without one of them
// being converted, as PostgreSQL's operator families of btree do.
func keyFamily(t types.Type) types.OID {
	switch t.OID {
	case types.OIDInt2, types.OIDInt4, types.OIDInt8:
		return types.OIDInt8
	case types.OIDFloat4, types.OIDFloat8:
		return types.OIDFloat8
	case types.OIDText, types.OIDVarchar, types.OIDName:
		return types.OIDText
	case types.OIDDate, types.OIDTimestamp, types.OIDTimestamptz:
		return types.OIDTimestamptz
	}
	return t.OID
}

// CanRefer reports whether a column of one type may refer to one of another.
func CanRefer(o Options, from, to types.Type) bool {
	from, to = from.Base(), to.Base()
	if keyFamily(from) == keyFamily(to) {
		return true
	}
	b := newBinder(o)
	if _, err := b.eb.Cast(&expr.Column{Typ: from}, to.Bare(), expr.CastImplicit); err != nil {
		return false
	}
	_, err := b.eb.Cast(&expr.Column{Typ: to}, from.Bare(), expr.CastExplicit)
	return err == nil
}
