package sql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// dropRelations is DROP TABLE, VIEW and SEQUENCE.
func (d *ddl) dropRelations(ctx context.Context, st *ast.Drop) error {
	kind := strings.ToLower(string(st.Kind))
	var list []*catalog.Table
	for _, n := range st.Names {
		t, err := d.toDrop(n, kind, st.IfExists)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if err := d.noPendingChecks("DROP TABLE", t); err != nil {
			return err
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return nil
	}
	return d.dropAll(ctx, list, nil, st.Cascade)
}

// toDrop finds a relation that is to be dropped; nil if it may be missing and is.
func (d *ddl) toDrop(n ast.Name, kind string, ifExists bool) (*catalog.Table, error) {
	r, ok, err := d.s.resolve(n)
	if err != nil && ifExists && sqlerr.Is(err, sqlerr.InvalidSchemaName) {
		d.s.noticef(sqlerr.SuccessfulCompletion, "schema %q does not exist, skipping", n.Schema)
		return nil, nil
	}
	switch {
	case err != nil:
		return nil, err
	case !ok && ifExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "%s %q does not exist, skipping", kind, n.Name)
		return nil, nil
	case !ok:
		return nil, sqlerr.New(sqlerr.UndefinedTable, "%s %q does not exist", kind, n.Name)
	}
	is := r.Table.Kind()
	if r.Index != nil {
		is = "index"
	}
	switch {
	case is != kind:
		article := "a"
		if is == "index" {
			article = "an"
		}
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a %s", n.Name, kind).
			WithHint("Use DROP %s to remove %s %s.", strings.ToUpper(is), article, is)
	case r.Table.Virtual:
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system catalog", n.Name)
	case r.Table.Sequence != nil && r.Table.Sequence.Internal:
		q := r.Table.Sequence
		t := d.snap().Table(q.OwnerTable)
		col := t.Column(q.OwnerColumn).Name
		return nil, sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop sequence %s because column %s of table %s requires it", d.relName(r.Table), col, d.relName(t)).
			WithHint("You can drop column %s of table %s instead.", col, d.relName(t))
	}
	return r.Table, d.mayDrop(r.Table)
}

// mayDrop checks that a relation, or its schema, is the session's role's.
func (d *ddl) mayDrop(t *catalog.Table) error {
	if sc := d.snap().SchemaByID(t.Schema); sc != nil {
		if ok, err := d.s.owns(sc.OwnerID()); ok || err != nil {
			return err
		}
	}
	return d.s.mustOwn(t)
}

// relName is how messages name a relation.
func (d *ddl) relName(t *catalog.Table) string {
	if d.s.relVisible(d.snap(), t.ID).IsTrue() {
		return plan.QuoteIdent(t.Name)
	}
	return plan.QuoteIdent(t.SchemaName) + "." + plan.QuoteIdent(t.Name)
}

// dependent is something that a relation cannot be dropped without.
type dependent struct {
	what, on string
	view     *catalog.Table // to be dropped too
	table    *catalog.Table // whose column loses its default
	column   int16
	key      catalog.ID // the foreign key of table that is to be dropped, 0: none
	// whole: it is the column that goes, of table or of the composite type typ; a typ
	// without column is to be dropped too.
	whole bool
	typ   *catalog.UserType
	// Objects are listed by oid, parts of one from the last.
	oid catalog.ID
}

// dependents lists what depends directly on a relation, but for what goes with it.
func (d *ddl) dependents(t *catalog.Table) []dependent {
	var out []dependent
	on := t.Kind() + " " + d.relName(t)
	for _, x := range d.snap().Tables() {
		if x.View != nil {
			for _, r := range x.View.Refs {
				if r.ID == t.ID {
					out = append(out, dependent{what: "view " + d.relName(x), on: on, view: x})
					break
				}
			}
		}
		for i := range x.ForeignKeys {
			if k := &x.ForeignKeys[i]; k.RefTable == t.ID && x.ID != t.ID {
				out = append(out, dependent{what: d.keyName(x, k), on: on, table: x, key: k.ID})
			}
		}
		if t.Sequence == nil {
			continue
		}
		for i := range x.Columns {
			if c := &x.Columns[i]; !c.Dropped && c.Sequence != t.ID && usesSequence(c, t.ID) {
				out = append(out, dependent{what: "default value for column " + plan.QuoteIdent(c.Name) + " of table " + d.relName(x), on: on, table: x, column: c.ID})
			}
		}
	}
	return out
}

// copyView refuses a view as the table of COPY.
func (d *ddl) copyView(n ast.Name, from bool) error {
	r, ok, err := d.s.resolve(n)
	if err != nil || !ok || r.Index != nil || r.Table.View == nil {
		return nil // whatever is wrong is found later
	}
	if from {
		return sqlerr.New(sqlerr.WrongObjectType, "cannot copy to view %q", n.Name).
			WithHint("To enable copying to a view, provide an INSTEAD OF INSERT trigger.")
	}
	return sqlerr.New(sqlerr.WrongObjectType, "cannot copy from view %q", n.Name).WithHint("Try the COPY (SELECT ...) TO variant.")
}

// removal is what a DROP takes away.
type removal struct {
	d      *ddl
	gone   map[catalog.ID]bool
	tables []*catalog.Table
	types  []*catalog.UserType
	found  []dependent
}

func (r *removal) addTable(t *catalog.Table) bool {
	if r.gone[t.ID] {
		return false
	}
	r.gone[t.ID] = true
	r.tables = append(r.tables, t)
	return true
}

func (r *removal) addType(t *catalog.UserType) bool {
	if r.gone[t.ID] {
		return false
	}
	r.gone[t.ID] = true
	r.types = append(r.types, t)
	return true
}

// note remembers what depends on something that goes, and follows it.
func (r *removal) note(list []dependent) {
	for _, x := range list {
		if x.view != nil && r.gone[x.view.ID] || x.table != nil && r.gone[x.table.ID] || x.typ != nil && r.gone[x.typ.ID] || r.has(x) {
			continue
		}
		r.found = append(r.found, x)
		switch {
		case x.view != nil:
			r.addTable(x.view)
			r.followTable(x.view)
		case x.typ != nil && !x.whole:
			r.addType(x.typ)
			r.note(r.d.typeDependents(x.typ.ID, x.typ.ArrayID))
		}
	}
}

// has reports whether the column goes already.
func (r *removal) has(x dependent) bool {
	for _, y := range r.found {
		if y.table != nil && x.table != nil && y.table.ID == x.table.ID && (y.key != 0 && y.key == x.key || y.key == 0 && x.key == 0 && y.column == x.column && y.whole) {
			return true
		}
	}
	return false
}

func (r *removal) followTable(t *catalog.Table) {
	for _, q := range sequencesOf(r.d.snap(), t.ID) {
		if r.addTable(q) {
			r.followTable(q)
		}
	}
	r.note(r.d.dependents(t))
	if t.TypeID != 0 {
		r.note(r.d.typeDependents(t.TypeID, t.ArrayTypeID))
	}
}

// dropAll drops relations and types with what belongs to them and, with cascade, what
// depends on them.
func (d *ddl) dropAll(ctx context.Context, tables []*catalog.Table, list []*catalog.UserType, cascade bool) error {
	r := &removal{d: d, gone: map[catalog.ID]bool{}}
	for _, t := range tables {
		r.addTable(t)
	}
	for _, t := range list {
		r.addType(t)
	}
	for _, t := range tables {
		r.followTable(t)
	}
	for _, t := range list {
		r.note(d.typeDependents(t.ID, t.ArrayID))
	}
	if len(r.found) > 0 && !cascade {
		return d.errDependents(tables, list, r.found)
	}
	switch again, err := d.dropIndexesOver(ctx, r); {
	case err != nil:
		return err
	case again:
		// A transaction of its own did that: everything is looked up anew.
		return d.dropAll(ctx, d.sameTables(tables), d.sameTypes(list), cascade)
	}
	d.noticeCascade(append(d.cascaded, r.found...))
	return d.change(ctx, func(ch *catalog.Change) error { return r.carryOut(ctx, ch) })
}

// carryOut drops everything.
func (r *removal) carryOut(ctx context.Context, ch *catalog.Change) error {
	for _, x := range r.found {
		if err := x.loosen(ctx, ch, r.gone); err != nil {
			return err
		}
	}
	for _, t := range r.tables {
		if err := ch.DropTable(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range r.types {
		if err := ch.DropType(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// loosen takes away what depends on something that is dropped: a default, a column, an
// attribute. What goes as a whole is dropped by itself.
func (x dependent) loosen(ctx context.Context, ch *catalog.Change, gone map[catalog.ID]bool) error {
	switch {
	case x.key != 0 && gone[x.table.ID]:
	case x.key != 0:
		c := ch.Current().Table(x.table.ID).Clone()
		c.DropForeignKey(x.key)
		return ch.PutTable(ctx, c)
	case x.table != nil && !gone[x.table.ID]:
		c := ch.Current().Table(x.table.ID).Clone()
		col := c.Column(x.column)
		col.Default = ""
		if x.whole {
			// Its number is never used again: what rows have of it stays and is not read.
			col.Dropped, col.NotNull = true, false
			c.Checks = slices.DeleteFunc(c.Checks, func(k catalog.Check) bool { return slices.Contains(k.Columns, x.column) })
			c.ForeignKeys = slices.DeleteFunc(c.ForeignKeys, func(k catalog.ForeignKey) bool { return slices.Contains(k.Columns, x.column) })
		}
		return ch.PutTable(ctx, c)
	case x.typ != nil && x.whole && !gone[x.typ.ID]:
		c := ch.Current().UserType(x.typ.ID).Clone()
		for i := range c.Composite.Columns {
			if c.Composite.Columns[i].ID == x.column {
				c.Composite.Columns[i].Dropped = true
			}
		}
		return ch.PutType(ctx, c)
	}
	return nil
}

func (d *ddl) errDependents(tables []*catalog.Table, list []*catalog.UserType, found []dependent) error {
	var lines []string
	for _, x := range found {
		lines = append(lines, x.what+" depends on "+x.on)
	}
	msg := "cannot drop desired object(s) because other objects depend on them"
	if len(tables)+len(list) == 1 {
		what := ""
		if len(list) == 1 {
			what = "type " + d.typeName(list[0].ID)
		} else {
			what = tables[0].Kind() + " " + d.relName(tables[0])
		}
		msg = fmt.Sprintf("cannot drop %s because other objects depend on it", what)
	}
	return sqlerr.New(sqlerr.DependentObjectsStillExist, "%s", msg).WithDetail("%s", strings.Join(lines, "\n")).
		WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
}

func (d *ddl) noticeCascade(found []dependent) {
	switch len(found) {
	case 0:
	case 1:
		d.s.noticef(sqlerr.SuccessfulCompletion, "drop cascades to %s", found[0].what)
	default:
		n := sqlerr.NewNotice("drop cascades to %d other objects", len(found))
		var lines []string
		for _, x := range found {
			lines = append(lines, "drop cascades to "+x.what)
		}
		n.Code, n.Detail = sqlerr.SuccessfulCompletion, strings.Join(lines, "\n")
		d.s.notice(n)
	}
}
