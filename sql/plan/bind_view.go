package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// A view's query is bound against what its names meant, and against the columns
// that its relations had, when it was created: View.Refs. So neither the search
// path nor new columns nor other names change it.

// NewView binds the query of a view that is to be created and returns its columns
// and the relations that it reads.
func NewView(o Options, q *ast.Select) (cols []Column, refs []catalog.ViewRef, err error) {
	b := newBinder(o)
	b.recording = &refs
	if q.With.Writes() {
		return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "views must not contain data-modifying statements in WITH")
	}
	n, err := b.bindSelect(q, env{}, false)
	if err != nil {
		return nil, nil, err
	}
	if len(b.params) > 0 {
		return nil, nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1")
	}
	return n.Columns(), refs, nil
}

func newBinder(o Options) *binder {
	b := &binder{o: o, tables: map[catalog.ID]uint64{}, colPos: map[*expr.Column]ast.Pos{}}
	b.eb = &expr.Builder{Catalog: o.Exprs, Eval: o.Eval, ParamType: b.paramType, Place: b.place, TypeNamed: b.userType}
	return b
}

// record notes what a name in a view's query stands for.
func (b *binder) record(n ast.Name, t *catalog.Table) {
	if b.recording == nil {
		return
	}
	for _, r := range *b.recording {
		if r.Schema == n.Schema && r.Name == n.Name {
			return
		}
	}
	ref := catalog.ViewRef{Schema: n.Schema, Name: n.Name, ID: t.ID}
	for _, c := range t.Visible() {
		ref.Columns = append(ref.Columns, catalog.ViewColumn{ID: c.ID, Name: c.Name})
	}
	*b.recording = append(*b.recording, ref)
}

// viewRef finds what a name in the query of the view being bound stands for.
func (b *binder) viewRef(n ast.Name) (*catalog.Table, *catalog.ViewRef, error) {
	for i := range b.view.Refs {
		r := &b.view.Refs[i]
		if r.Schema != n.Schema || r.Name != n.Name {
			continue
		}
		t := b.o.Catalog.Table(r.ID)
		if t == nil {
			break
		}
		b.use(t)
		return t, r, nil
	}
	return nil, nil, b.relationMissing(n)
}

// bindView binds a view as the query that it stands for.
func (b *binder) bindView(t *catalog.Table) (Node, error) {
	if b.o.ParseQuery == nil {
		return nil, sqlerr.Internal("no parser for view %q", t.Name)
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	q, err := b.o.ParseQuery(t.View.Query)
	if err != nil {
		return nil, sqlerr.Wrap(err, "read view %q", t.Name)
	}
	ctes, text, view, recording, future, owner := b.ctes, b.o.Text, b.view, b.recording, b.future, b.owner
	b.ctes, b.o.Text, b.view, b.recording, b.future, b.owner = nil, t.View.Query, t.View, nil, nil, t.OwnerID()
	n, err := b.bindSelect(q, env{}, false)
	b.ctes, b.o.Text, b.view, b.recording, b.future, b.owner = ctes, text, view, recording, future, owner
	if err != nil {
		if pe, ok := err.(*sqlerr.Error); ok && pe.Position != 0 {
			c := *pe
			c.Position = 0
			err = &c
		}
		return nil, err
	}
	if len(n.Columns()) != len(t.Columns) {
		return nil, sqlerr.Internal("view %q has %d columns instead of %d", t.Name, len(n.Columns()), len(t.Columns))
	}
	p := identity(n)
	for i := range t.Columns {
		c := &t.Columns[i]
		if p.Exprs[i], err = b.eb.Cast(p.Exprs[i], c.Type, expr.CastAssignment); err != nil {
			return nil, err
		}
		p.Cols[i] = Column{Name: c.Name, Type: c.Type, TableOID: t.ID, AttNum: c.ID}
	}
	return p, nil
}

// CheckViewColumns gives the columns of a view their names and sees whether they
// can be those of a relation.
func CheckViewColumns(cols []Column, names []string) ([]Column, error) {
	if len(names) > len(cols) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "CREATE VIEW specifies more column names than columns")
	}
	out := append([]Column(nil), cols...)
	for i, name := range names {
		out[i].Name = name
	}
	seen := map[string]bool{}
	for _, c := range out {
		if seen[c.Name] {
			return nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name)
		}
		seen[c.Name] = true
		if c.Type.OID == types.OIDRecord {
			return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, c.Type)
		}
	}
	return out, nil
}
