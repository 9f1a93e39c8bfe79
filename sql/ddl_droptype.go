package sql

import (
	"context"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// dropTypes is DROP TYPE and DROP DOMAIN.
func (d *ddl) dropTypes(ctx context.Context, st *ast.Drop) error {
	var list []*catalog.UserType
	for _, n := range st.Names {
		u, err := d.typeToDrop(n, st)
		if err != nil {
			return err
		}
		if u != nil {
			list = append(list, u)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return d.dropAll(ctx, nil, list, st.Cascade)
}

// typeToDrop finds a type that is to be dropped; nil if it may be missing and is.
func (d *ddl) typeToDrop(n ast.Name, st *ast.Drop) (*catalog.UserType, error) {
	t, err := d.namedType(n)
	switch {
	case sqlerr.Is(err, sqlerr.InvalidSchemaName) && st.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "schema %q does not exist, skipping", n.Schema)
		return nil, nil
	case sqlerr.Is(err, sqlerr.UndefinedObject) && st.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "type %q does not exist, skipping", n.String())
		return nil, nil
	case err != nil:
		return nil, err
	case st.Kind == ast.ObjDomain && !t.IsDomain():
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a domain", n.String())
	}
	if u := d.snap().UserType(t.OID); u != nil {
		if sc := d.snap().SchemaByID(u.Schema); sc != nil {
			if ok, err := d.s.owns(sc.OwnerID()); ok || err != nil {
				return u, err
			}
		}
		return u, d.mustOwnType(u)
	}
	refuse := func(format string, args ...any) *sqlerr.Error {
		return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop type "+t.String()+" because "+format, args...)
	}
	switch {
	case t.IsUser() && t.IsArray():
		return nil, refuse("type %s requires it", t.Elem()).WithHint("You can drop type %s instead.", t.Elem())
	case t.IsComposite():
		rel := d.snap().Table(t.Def().Rel)
		what := rel.Kind() + " " + d.relName(rel)
		return nil, refuse("%s requires it", what).WithHint("You can drop %s instead.", what)
	}
	return nil, refuse("it is required by the database system")
}

// typeName is how messages name a type.
func (d *ddl) typeName(id catalog.ID) string {
	if t, ok := d.snap().TypeByOID(id); ok {
		return d.s.typeText(d.snap(), t)
	}
	return itoa(int(id))
}

// shownType is typeText in the transaction's snapshot.
func (s *Session) shownType(t types.Type) string { return s.typeText(s.tx.snap, t) }

// typeText prints a type as format_type does, with the schema of one that its bare name
// would not find.
func (s *Session) typeText(snap *catalog.Snapshot, t types.Type) string {
	if !t.IsUser() {
		return t.String()
	}
	if t.IsArray() {
		return s.typeText(snap, t.Elem()) + "[]"
	}
	def := t.Def()
	if s.typeVisible(snap, t.OID) {
		return def.Quoted
	}
	return plan.QuoteIdent(def.Schema) + "." + def.Quoted
}

// typeVisible says whether the bare name of a type finds it.
func (s *Session) typeVisible(snap *catalog.Snapshot, oid types.OID) bool {
	t, ok := snap.TypeByOID(oid)
	if !ok {
		return false
	}
	for _, p := range s.path(snap, true) {
		if sc := snap.Schema(p); sc != nil {
			if found, ok := snap.TypeNamed(sc.ID, t.Name()); ok {
				return found.OID == oid
			}
		}
	}
	return false
}

// typeDependents lists what depends directly on a type or the array type over it, in
// PostgreSQL's order: what is made of the array first, older objects before newer ones.
func (d *ddl) typeDependents(id, array catalog.ID) []dependent {
	var out []dependent
	if array != 0 {
		out = d.dependentsOnType(array)
	}
	return append(out, d.dependentsOnType(id)...)
}

func (d *ddl) dependentsOnType(id catalog.ID) (out []dependent) {
	uses := func(t types.Type) (string, bool) {
		if t.OID == id {
			return "type " + d.typeName(t.OID), true
		}
		return "", false
	}
	defer func() {
		slices.SortStableFunc(out, func(a, b dependent) int {
			if a.oid != b.oid {
				return int(a.oid) - int(b.oid)
			}
			return int(b.column) - int(a.column)
		})
	}()
	for _, x := range d.snap().Tables() {
		if x.Virtual {
			continue
		}
		if x.View != nil {
			if d.viewUsesType(x, id) {
				out = append(out, dependent{what: "view " + d.relName(x), on: "type " + d.typeName(id), view: x, oid: x.ID})
			}
			continue
		}
		for i := range x.Columns {
			c := &x.Columns[i]
			if c.Dropped {
				continue
			}
			if on, ok := uses(c.Type); ok {
				out = append(out, dependent{what: "column " + plan.QuoteIdent(c.Name) + " of table " + d.relName(x), on: on, table: x, column: c.ID, whole: true, oid: x.ID})
			} else if d.textUsesType(c.Default, id) {
				out = append(out, dependent{what: "default value for column " + plan.QuoteIdent(c.Name) + " of table " + d.relName(x), on: "type " + d.typeName(id), table: x, column: c.ID, oid: x.ID})
			}
		}
	}
	for _, u := range d.snap().UserTypes() {
		switch {
		case u.Domain != nil:
			if on, ok := uses(u.Domain.Base); ok {
				out = append(out, dependent{what: "type " + d.typeName(u.ID), on: on, typ: u, oid: u.ID})
			}
		case u.Composite != nil:
			for i := range u.Composite.Columns {
				c := &u.Composite.Columns[i]
				if on, ok := uses(c.Type); ok && !c.Dropped {
					out = append(out, dependent{what: "column " + plan.QuoteIdent(c.Name) + " of composite type " + d.typeName(u.ID), on: on, typ: u, column: c.ID, whole: true, oid: u.Composite.Rel})
				}
			}
		}
	}
	return out
}

// viewUsesType reports whether a view shows a type or names it.
func (d *ddl) viewUsesType(v *catalog.Table, id catalog.ID) bool {
	for i := range v.Columns {
		if t := v.Columns[i].Type; t.OID == id {
			return true
		}
	}
	return d.textUsesType(v.View.Query, id)
}

// textUsesType reports whether a stored text names a type: whether its name stands
// there as a word. It may take something else of that name for it, and then a type is
// kept that could go.
func (d *ddl) textUsesType(text string, id catalog.ID) bool {
	t, ok := d.snap().TypeByOID(id)
	if !ok || text == "" {
		return false
	}
	if u := d.snap().UserType(id); u == nil {
		return false // a table's row type: who reads the table depends on that
	}
	name := t.Name()
	word := func(c byte) bool {
		return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for rest, at := strings.ToLower(text), 0; ; {
		i := strings.Index(rest[at:], strings.ToLower(name))
		if i < 0 {
			return false
		}
		i += at
		end := i + len(name)
		if (i == 0 || !word(rest[i-1])) && (end == len(rest) || !word(rest[end])) {
			return true
		}
		at = i + 1
	}
}

// dropIndexesOver drops the indexes over columns that go: one that others read and
// write leaves through its states before the column does. again says that this took
// transactions of its own.
func (d *ddl) dropIndexesOver(ctx context.Context, r *removal) (again bool, err error) {
	type place struct {
		table  catalog.ID
		number uint64
	}
	var later []place
	for _, x := range r.found {
		if !x.whole || x.table == nil || r.gone[x.table.ID] {
			continue
		}
		for i := range x.table.Indexes {
			ix := &x.table.Indexes[i]
			over := ix.Uses(x.column)
			p := place{x.table.ID, ix.Number}
			switch {
			case !over || slices.Contains(later, p):
			case i == 0:
				return false, sqlerr.Unsupported("dropping column %q of table %q, which is part of the primary key,", x.table.Column(x.column).Name, x.table.Name)
			case d.isNew(x.table):
				if err := d.dropIndexNow(ctx, x.table.ID, ix.Number); err != nil {
					return false, err
				}
			default:
				later = append(later, p)
			}
		}
	}
	if len(later) == 0 {
		return false, nil
	}
	return true, d.online(ctx, func(ctx context.Context, e *Engine) error {
		for _, p := range later {
			if err := e.removeIndex(ctx, p.table, p.number, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropIndexNow drops an index of a table that only this transaction knows.
func (d *ddl) dropIndexNow(ctx context.Context, table catalog.ID, number uint64) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := d.snap().Table(table).Clone()
		takeOut(n, number)
		if err := ch.DropIndexData(ctx, n, number); err != nil {
			return err
		}
		return ch.PutTable(ctx, n)
	})
}

// sameTables looks tables up again; one that is gone is left out.
func (d *ddl) sameTables(list []*catalog.Table) (out []*catalog.Table) {
	for _, t := range list {
		if now := d.snap().Table(t.ID); now != nil {
			out = append(out, now)
		}
	}
	return out
}

func (d *ddl) sameTypes(list []*catalog.UserType) (out []*catalog.UserType) {
	for _, t := range list {
		if now := d.snap().UserType(t.ID); now != nil {
			out = append(out, now)
		}
	}
	return out
}
