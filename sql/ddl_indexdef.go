package sql

import (
	"context"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// indexDraft is what CREATE INDEX says of an index, understood over a version of its
// table.
type indexDraft struct {
	over  *catalog.Table
	ix    catalog.Index
	names columnNames
}

// draftIndex understands a CREATE INDEX.
func (d *ddl) draftIndex(t *catalog.Table, st *ast.CreateIndex) (*indexDraft, error) {
	x := &indexDraft{over: t, ix: catalog.Index{Unique: st.Unique, Name: st.Name.Name}}
	for i := range st.Elems {
		c, err := d.indexColumn(t, &x.ix, &st.Elems[i], &x.names)
		if err != nil {
			return nil, err
		}
		x.ix.Columns = append(x.ix.Columns, c)
	}
	for i := range st.Include {
		if err := d.includeColumn(t, &x.ix, &st.Include[i], &x.names); err != nil {
			return nil, err
		}
	}
	if st.Where != nil {
		p, err := plan.StoreExpr(d.s.planOptions(d.text, nil), st.Where, t, plan.IndexPredicate)
		if err != nil {
			return nil, err
		}
		x.ix.Pred = p.Text
		addReads(&x.ix, p.Reads)
	}
	return x, nil
}

// make makes the descriptor out of the draft; t may be a later version of the table.
func (x *indexDraft) make(ctx context.Context, d *ddl, ch *catalog.Change, t *catalog.Table) (*catalog.Index, error) {
	for i := range x.over.Columns {
		if c := &x.over.Columns[i]; x.ix.Uses(c.ID) {
			if now := t.Column(c.ID); now == nil || now.Dropped || now.Name != c.Name || now.Type != c.Type {
				return nil, errConcurrentDDL(t)
			}
		}
	}
	b := &tableBuilder{d: d, ch: ch, t: t, taken: map[string]bool{}}
	ix := x.ix
	if ix.Name == "" {
		ix.Name = chooseName(t.Name, x.names.join(), "idx", b.relTaken)
	} else if _, exists := ch.Current().Relation(t.Schema, ix.Name); exists {
		return nil, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", ix.Name)
	}
	var err error
	if ix.ID, err = ch.NewID(ctx); err != nil {
		return nil, err
	}
	ix.Number = b.number()
	return &ix, nil
}

// indexColumn makes a key column of an index.
func (d *ddl) indexColumn(t *catalog.Table, ix *catalog.Index, e *ast.IndexElem, names *columnNames) (catalog.IndexColumn, error) {
	c := catalog.IndexColumn{Desc: e.Desc}
	var typ types.Type
	if e.Expr != nil {
		x, err := plan.StoreExpr(d.s.planOptions(d.text, nil), e.Expr, t, plan.IndexExpr)
		if err != nil {
			return c, err
		}
		name := names.add(x.Name)
		typ = x.Type
		if c.Column = x.Column; c.Column == 0 {
			c.Expr, c.Text, c.Name, c.Type = x.Text, x.Pretty, name, typ
			addReads(ix, x.Reads)
		}
	} else {
		col := t.ColumnByName(e.Column)
		if col == nil {
			return c, sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", e.Column)
		}
		c.Column, typ = col.ID, col.Type
		names.add(e.Column)
	}
	if err := rowcodec.CheckKeyType(typ); err != nil {
		return c, d.at(err, e)
	}
	if err := d.indexOrder(&c, e, typ); err != nil {
		return c, err
	}
	if e.Nulls == ast.NullsFirst && !e.Desc || e.Nulls == ast.NullsLast && e.Desc {
		return c, d.at(sqlerr.Unsupported("an index with NULLs on the other end"), e)
	}
	return c, nil
}

// indexOrder takes the collations and operator classes that order as an index here
// does: by the type's own order, text by bytes.
func (d *ddl) indexOrder(c *catalog.IndexColumn, e *ast.IndexElem, typ types.Type) error {
	text := typ.Category() == 'S'
	if e.Collation != nil {
		switch {
		case !text:
			return sqlerr.New(sqlerr.DatatypeMismatch, "collations are not supported by type %s", typ)
		case e.Collation.Name == "default":
		case e.Collation.Name == "C" || e.Collation.Name == "POSIX":
			c.Collation = e.Collation.Name
		default:
			return d.at(sqlerr.Unsupported("collation %q of an index", e.Collation.Name), e)
		}
	}
	if e.OpClass == nil {
		return nil
	}
	if len(e.OpParams) > 0 {
		return d.at(sqlerr.Unsupported("parameters of an operator class"), e)
	}
	class := opclassNamed(e.OpClass.Name)
	switch {
	case class == nil:
		return sqlerr.New(sqlerr.UndefinedObject, "operator class %q does not exist for access method \"btree\"", e.OpClass.Name)
	case class.oid == defaultOpclass(typ):
		return nil
	case patternOps[e.OpClass.Name] != nil:
		for _, oid := range patternOps[e.OpClass.Name] {
			if typ.Base().OID == oid {
				c.OpClass = e.OpClass.Name
				return nil
			}
		}
		return sqlerr.New(sqlerr.DatatypeMismatch, "operator class %q does not accept data type %s", e.OpClass.Name, typ)
	}
	return d.at(sqlerr.Unsupported("operator class %q of an index", e.OpClass.Name), e)
}

// patternOps are the operator classes that order text by bytes, with the types they take.
var patternOps = map[string][]types.OID{
	"text_pattern_ops":    {types.OIDText, types.OIDVarchar},
	"varchar_pattern_ops": {types.OIDText, types.OIDVarchar},
	"bpchar_pattern_ops":  {types.OIDBpchar},
	"varchar_ops":         {types.OIDText, types.OIDVarchar},
}

// includeColumn adds a column of INCLUDE.
func (d *ddl) includeColumn(t *catalog.Table, ix *catalog.Index, e *ast.IndexElem, names *columnNames) error {
	bad := func(what string) error {
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "including column does not support %s", what)
	}
	switch {
	case e.Expr != nil:
		return sqlerr.New(sqlerr.FeatureNotSupported, "expressions are not supported in included columns")
	case e.Collation != nil:
		return bad("a collation")
	case e.OpClass != nil:
		return bad("an operator class")
	case e.Desc:
		return bad("ASC/DESC options")
	case e.Nulls != 0:
		return bad("NULLS FIRST/LAST options")
	}
	col := t.ColumnByName(e.Column)
	if col == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", e.Column)
	}
	names.add(e.Column)
	ix.Include = append(ix.Include, col.ID)
	return nil
}

func addReads(ix *catalog.Index, more []int16) {
	for _, id := range more {
		known := false
		for _, have := range ix.Reads {
			known = known || have == id
		}
		if !known {
			ix.Reads = append(ix.Reads, id)
		}
	}
}

// columnNames are the names of an index's columns, which differ from each other; out of
// them the index's own is made (PostgreSQL's ChooseIndexColumnNames).
type columnNames []string

func (n *columnNames) add(name string) string {
	out := name
	for i := 1; n.has(out); i++ {
		out = clip(name, maxName-len(itoa(i))) + itoa(i)
	}
	*n = append(*n, out)
	return out
}

func (n *columnNames) has(name string) bool {
	for _, x := range *n {
		if x == name {
			return true
		}
	}
	return false
}

func (n *columnNames) join() string { return strings.Join(*n, "_") }
