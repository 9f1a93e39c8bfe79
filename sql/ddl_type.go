package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// typeDDL runs a statement about types; ok is false for any other.
func (d *ddl) typeDDL(ctx context.Context, st ast.Statement) (ok bool, err error) {
	switch st := st.(type) {
	case *ast.CreateEnum:
		return true, d.createEnum(ctx, st)
	case *ast.CreateComposite:
		return true, d.createComposite(ctx, st)
	case *ast.CreateDomain:
		return true, d.createDomain(ctx, st)
	case *ast.AlterEnum:
		return true, d.alterEnum(ctx, st)
	case *ast.AlterType:
		return true, d.alterType(ctx, st)
	case *ast.AlterDomain:
		return true, d.alterDomain(ctx, st)
	}
	return false, nil
}

// namedType resolves the name of a type.
func (d *ddl) namedType(n ast.Name) (types.Type, error) {
	return plan.ResolveType(ast.TypeName{At: n.At, Schema: n.Schema, Name: n.Name}, d.s.planOptions(d.text, nil))
}

// newType sees whether a type of that name can be made, and where.
func (d *ddl) newType(n ast.Name) (*catalog.Schema, error) {
	sc, err := d.newIn(n)
	if err != nil {
		return nil, err
	}
	if _, exists := d.snap().TypeNamed(sc.ID, n.Name); exists {
		return nil, errTypeExists(n.Name)
	}
	return sc, nil
}

func errTypeExists(name string) *sqlerr.Error {
	return sqlerr.New(sqlerr.DuplicateObject, "type %q already exists", name)
}

// freeRowType refuses a name for a relation that a type has already: the relation's
// row type is called the same.
func (d *ddl) freeRowType(sc *catalog.Schema, name string) error {
	t, exists := d.snap().TypeNamed(sc.ID, name)
	switch {
	case !exists:
		return nil
	case t.IsComposite():
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", name)
	}
	return errTypeExists(name).WithHint("A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.")
}

// arrayName picks the name of the array type over a new type.
func arrayName(snap *catalog.Snapshot, schema catalog.ID, name string) string {
	for out := clip("_"+name, maxName); ; out = clip("_"+out, maxName) {
		if _, taken := snap.TypeNamed(schema, out); !taken {
			return out
		}
	}
}

// putNewType gives a new type its numbers and names and writes it.
func (d *ddl) putNewType(ctx context.Context, ch *catalog.Change, sc *catalog.Schema, t *catalog.UserType) error {
	for _, id := range []*catalog.ID{&t.ID, &t.ArrayID} {
		n, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		*id = n
	}
	me, err := d.s.me()
	if err != nil {
		return err
	}
	t.Schema, t.Owner = sc.ID, me.ID
	t.ArrayName = arrayName(ch.Current(), sc.ID, t.Name)
	return ch.PutType(ctx, t)
}

func (d *ddl) createEnum(ctx context.Context, st *ast.CreateEnum) error {
	sc, err := d.newType(st.Type)
	if err != nil {
		return err
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		t := &catalog.UserType{Name: st.Type.Name, Enum: &catalog.Enum{}}
		keys := enumKeys(nil, nil, len(st.Labels))
		seen := map[string]bool{}
		for i, name := range st.Labels {
			if err := checkLabel(name); err != nil {
				return err
			}
			if seen[name] {
				return sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"").
					WithTable("pg_catalog", "pg_enum").WithConstraint("pg_enum_typid_label_index")
			}
			seen[name] = true
			id, err := ch.NewID(ctx)
			if err != nil {
				return err
			}
			t.Enum.Labels = append(t.Enum.Labels, catalog.EnumLabel{ID: id, Name: name, Key: keys[i]})
		}
		return d.putNewType(ctx, ch, sc, t)
	})
}

func checkLabel(name string) error {
	if len(name) > maxName {
		return sqlerr.New(sqlerr.InvalidName, "invalid enum label %q", name).WithDetail("Labels must be %d bytes or less.", maxName)
	}
	return nil
}

// enumKeys makes n keys in order between two keys; nil is an open end.
func enumKeys(lo, hi []byte, n int) [][]byte {
	if n == 0 {
		return nil
	}
	mid := keyBetween(lo, hi)
	left := (n - 1) / 2
	out := enumKeys(lo, mid, left)
	return append(append(out, mid), enumKeys(mid, hi, n-1-left)...)
}

// keyBetween makes a short byte string that sorts between two others. None of these
// ends in a zero byte, so that there is always room. A nil hi is infinity.
func keyBetween(lo, hi []byte) []byte {
	var out []byte
	for i := 0; ; i++ {
		l, h := 0, 256
		if i < len(lo) {
			l = int(lo[i])
		}
		if i < len(hi) {
			h = int(hi[i])
		}
		if h-l > 1 {
			return append(out, byte(l+(h-l)/2))
		}
		out = append(out, byte(l))
		if l < h {
			hi = nil // everything that goes on from here is below it
		}
	}
}

// alteredEnum finds the enum of an ALTER TYPE.
func (d *ddl) alteredEnum(n ast.Name) (*catalog.UserType, error) {
	t, err := d.namedType(n)
	if err != nil {
		return nil, err
	}
	u := d.snap().UserType(t.OID)
	if u == nil || u.Enum == nil {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%s is not an enum", t)
	}
	return u, d.mustOwnType(u)
}

func labelIndex(e *catalog.Enum, name string) int {
	for i := range e.Labels {
		if e.Labels[i].Name == name {
			return i
		}
	}
	return -1
}

// alterEnum adds or renames a label. Rows hold keys, not labels: none changes.
func (d *ddl) alterEnum(ctx context.Context, st *ast.AlterEnum) error {
	u, err := d.alteredEnum(st.Type)
	if err != nil {
		return err
	}
	name := st.Label
	if st.Rename != nil {
		name = *st.Rename
	}
	if err := checkLabel(name); err != nil {
		return err
	}
	c := u.Clone()
	at := labelIndex(u.Enum, st.Label)
	if st.Rename != nil {
		if at < 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "%q is not an existing enum label", st.Label)
		}
		if labelIndex(u.Enum, name) >= 0 {
			return sqlerr.New(sqlerr.DuplicateObject, "enum label %q already exists", name)
		}
		c.Enum.Labels[at].Name = name
		return d.change(ctx, func(ch *catalog.Change) error { return ch.PutType(ctx, c) })
	}
	if at >= 0 {
		if st.IfNotExists {
			d.s.noticef(sqlerr.DuplicateObject, "enum label %q already exists, skipping", name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateObject, "enum label %q already exists", name)
	}
	place := len(u.Enum.Labels)
	if st.Neighbor != nil {
		if place = labelIndex(u.Enum, *st.Neighbor); place < 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "%q is not an existing enum label", *st.Neighbor)
		}
		if st.After {
			place++
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		id, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		l := catalog.EnumLabel{ID: id, Name: name}
		var lo, hi []byte
		if place > 0 {
			lo = c.Enum.Labels[place-1].Key
		}
		if place < len(c.Enum.Labels) {
			hi = c.Enum.Labels[place].Key
		}
		l.Key, l.Since = keyBetween(lo, hi), ch.NextVersion()
		d.s.tx.afterCommit = append(d.s.tx.afterCommit, d.s.e.publishLabel)
		c.Enum.Labels = append(c.Enum.Labels[:place:place], append([]catalog.EnumLabel{l}, c.Enum.Labels[place:]...)...)
		return ch.PutType(ctx, c)
	})
}

func (d *ddl) createComposite(ctx context.Context, st *ast.CreateComposite) error {
	sc, err := d.newIn(st.Type)
	if err != nil {
		return err
	}
	if _, exists := d.snap().TypeNamed(sc.ID, st.Type.Name); exists {
		return errTypeExists(st.Type.Name)
	}
	if _, exists := d.snap().Relation(sc.ID, st.Type.Name); exists {
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.Type.Name)
	}
	c := &catalog.Composite{NextColumn: 1}
	for _, col := range st.Columns {
		for _, x := range c.Columns {
			if x.Name == col.Name {
				return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", col.Name)
			}
		}
		typ, err := plan.ResolveType(col.Type, d.s.planOptions(d.text, nil))
		if err == nil && typ.Category() == 'P' {
			return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", col.Name, typ)
		}
		if err == nil {
			err = typ.CheckBuilt()
		}
		if err != nil {
			return d.at(err, col.Type)
		}
		c.Columns = append(c.Columns, catalog.Column{ID: c.NextColumn, Name: col.Name, Type: typ})
		c.NextColumn++
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		if c.Rel, err = ch.NewID(ctx); err != nil {
			return err
		}
		return d.putNewType(ctx, ch, sc, &catalog.UserType{Name: st.Type.Name, Composite: c})
	})
}

// alterType is RENAME TO, SET SCHEMA, OWNER TO and RENAME ATTRIBUTE.
func (d *ddl) alterType(ctx context.Context, st *ast.AlterType) error {
	t, err := d.namedType(st.Type)
	if err != nil {
		return err
	}
	if st.Kind == ast.ObjDomain && !t.IsDomain() {
		return sqlerr.New(sqlerr.WrongObjectType, "%s is not a domain", t)
	}
	u := d.snap().UserType(t.OID)
	switch {
	case t.IsArray():
		return sqlerr.New(sqlerr.WrongObjectType, "cannot alter array type %s", t).
			WithHint("You can alter type %s, which will alter the array type as well.", t.Elem())
	case u == nil && t.IsComposite() && st.Attribute != "":
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a composite type", t.Name())
	case u == nil && t.IsComposite():
		return sqlerr.New(sqlerr.WrongObjectType, "%s is a table's row type", t).WithHint("Use ALTER TABLE instead.")
	case u == nil:
		return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system type", t.Name())
	}
	if err := d.mustOwnType(u); err != nil {
		return err
	}
	c := u.Clone()
	switch {
	case st.Owner != "":
		to, err := d.newOwner(st.Owner)
		if err != nil {
			return err
		}
		c.Owner = to.ID
	case st.Attribute != "":
		if err := renameAttribute(c, st.Attribute, st.NewName); err != nil {
			return err
		}
	case st.Schema != "":
		sc := d.snap().Schema(st.Schema)
		switch {
		case sc == nil:
			return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", st.Schema)
		case sc.Virtual && sc.ID != catalog.SchemaPublic:
			return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", sc.Name)
		case sc.ID == u.Schema:
			return nil
		}
		if _, taken := d.snap().TypeNamed(sc.ID, u.Name); taken {
			return sqlerr.New(sqlerr.DuplicateObject, "type %q already exists in schema %q", u.Name, sc.Name)
		}
		c.Schema, c.ArrayName = sc.ID, arrayName(d.snap(), sc.ID, u.Name)
	default:
		if _, taken := d.snap().TypeNamed(u.Schema, st.NewName); taken {
			return errTypeExists(st.NewName)
		}
		c.Name, c.ArrayName = st.NewName, arrayName(d.snap(), u.Schema, st.NewName)
	}
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutType(ctx, c) })
}

// mustOwnType checks that the session's role owns a type.
func (d *ddl) mustOwnType(u *catalog.UserType) error {
	ok, err := d.s.owns(u.OwnerID())
	if err != nil || ok {
		return err
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "must be owner of type %s", d.typeName(u.ID)).WithRoutine("aclcheck_error")
}

func renameAttribute(u *catalog.UserType, from, to string) error {
	if u.Composite == nil {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a composite type", u.Name)
	}
	var col *catalog.Column
	for i := range u.Composite.Columns {
		switch c := &u.Composite.Columns[i]; c.Name {
		case from:
			col = c
		case to:
			return sqlerr.New(sqlerr.DuplicateColumn, "column %q of relation %q already exists", to, u.Name)
		}
	}
	if col == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", from)
	}
	col.Name = to
	return nil
}
