package sql

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// ddl runs a statement that changes the schema; ok is false for any other.
func (s *Session) ddl(ctx context.Context, st ast.Statement, text string) (ok bool, err error) {
	if err := s.open(ctx); err != nil {
		return false, err
	}
	d := &ddl{s: s, text: text}
	if ok, err := d.typeDDL(ctx, st); ok {
		return true, err
	}
	if ok, err := d.roleStatement(ctx, st); ok {
		return true, err
	}
	switch st := st.(type) {
	case *ast.CreateTable:
		return true, d.createTable(ctx, st)
	case *ast.CreateView:
		return true, d.createView(ctx, st)
	case *ast.CreateSequence:
		return true, d.createSequence(ctx, st)
	case *ast.CreateIndex:
		return true, d.createIndex(ctx, st)
	case *ast.Drop:
		return true, d.drop(ctx, st)
	case *ast.Truncate:
		return true, d.truncate(ctx, st)
	case *ast.AlterTable:
		return true, d.alterTable(ctx, st)
	case *ast.CreateSchema:
		return true, d.createSchema(ctx, st)
	case *ast.Comment:
		return true, d.comment(ctx, st)
	}
	return false, nil
}

// ddl is one statement that changes the schema.
type ddl struct {
	s    *Session
	text string // that positions refer to
	// cascaded is what is dropped with a schema, to be told with what depends on it.
	cascaded []dependent
}

func (d *ddl) at(err error, n ast.Node) error {
	if e, ok := err.(*sqlerr.Error); ok && e.Position == 0 && n.Position() > 0 {
		c := *e
		c.Position = n.Position().Char(d.text)
		return &c
	}
	return err
}

func (d *ddl) snap() *catalog.Snapshot { return d.s.tx.snap }

// change modifies the catalog within the session's transaction.
func (d *ddl) change(ctx context.Context, f func(*catalog.Change) error) error {
	ch := d.s.e.catalog.Change(d.s.tx.tx, d.s.tx.snap)
	if err := f(ch); err != nil {
		return err
	}
	d.s.tx.snap = ch.Snapshot()
	return nil
}

// table resolves the name of a table.
func (s *Session) table(n ast.Name, text string) (*catalog.Table, error) {
	d := &ddl{s: s, text: text}
	r, ok, err := s.resolve(n)
	if err != nil {
		return nil, d.unresolved(err, n)
	}
	if !ok {
		// Unlike a query's, this error has no position.
		return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", n.String())
	}
	if r.Index != nil {
		return nil, d.at(sqlerr.New(sqlerr.WrongObjectType, "%q is not a table", n.Name), n)
	}
	if !r.Table.IsTable() {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a table", n.Name)
	}
	return r.Table, nil
}

// unresolved places the error of a name that was not resolved; a denial has no
// place.
func (d *ddl) unresolved(err error, n ast.Name) error {
	if sqlerr.Is(err, sqlerr.InsufficientPrivilege) {
		return err
	}
	return d.at(err, n)
}

// userTable is table for one that is to be changed.
func (d *ddl) userTable(n ast.Name) (*catalog.Table, error) {
	t, err := d.s.table(n, d.text)
	if err != nil {
		return nil, err
	}
	if t.Virtual {
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system catalog", t.Name)
	}
	return t, nil
}

// newIn finds the schema for a new object.
func (d *ddl) newIn(n ast.Name) (*catalog.Schema, error) {
	var sc *catalog.Schema
	if n.Schema != "" {
		if sc = d.snap().Schema(n.Schema); sc == nil {
			return nil, d.at(sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", n.Schema), n)
		}
	} else {
		if d.s.createsInTemp() {
			return nil, sqlerr.Unsupported("such an object in pg_temp")
		}
		path := d.s.path(d.snap(), false)
		if len(path) == 0 {
			return nil, d.at(sqlerr.New(sqlerr.InvalidSchemaName, "no schema has been selected to create in"), n)
		}
		sc = d.snap().Schema(path[0])
	}
	if sc.ID == catalog.SchemaTemp {
		return nil, sqlerr.Unsupported("such an object in pg_temp")
	}
	if sc.Virtual && sc.ID != catalog.SchemaPublic {
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", sc.Name)
	}
	return sc, d.at(d.s.mayCreateIn(sc.ID), n)
}

// isNew reports whether nobody else knows the table: it is temporary, or this
// transaction has created it.
func (d *ddl) isNew(t *catalog.Table) bool { return t.Temp || d.s.tx.base.Table(t.ID) == nil }

func (d *ddl) createSchema(ctx context.Context, st *ast.CreateSchema) error {
	name := st.Name
	me, err := d.s.me()
	if err != nil {
		return err
	}
	owner := me
	if st.Authorization != "" {
		if owner, err = d.newOwner(st.Authorization); err != nil {
			return err
		}
	}
	if name == "" {
		name = owner.Name
	}
	if err := d.mayCreateSchema(); err != nil {
		return err
	}
	if strings.HasPrefix(name, "pg_") {
		return sqlerr.New(sqlerr.ReservedName, "unacceptable schema name %q", name).
			WithDetail("The prefix \"pg_\" is reserved for system schemas.")
	}
	if d.snap().Schema(name) != nil {
		if st.IfNotExists {
			d.s.noticef(sqlerr.DuplicateSchema, "schema %q already exists, skipping", name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateSchema, "schema %q already exists", name)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		id, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		return ch.PutSchema(ctx, &catalog.Schema{ID: id, Name: name, Owner: owner.ID, ACL: d.snap().NewACL(owner.ID, 0, catalog.ClassSchema)})
	})
}

// drop is DROP TABLE, INDEX and SCHEMA.
func (d *ddl) drop(ctx context.Context, st *ast.Drop) error {
	switch st.Kind {
	case ast.ObjTable, ast.ObjSequence, ast.ObjView:
		return d.dropRelations(ctx, st)
	case ast.ObjIndex:
		return d.dropIndexes(ctx, st)
	case ast.ObjSchema:
		return d.dropSchemas(ctx, st)
	case ast.ObjRole:
		return d.dropRoles(ctx, st)
	case ast.ObjType, ast.ObjDomain:
		return d.dropTypes(ctx, st)
	}
	if st.IfExists {
		// None of the other kinds can exist.
		for _, n := range st.Names {
			d.s.noticef(sqlerr.SuccessfulCompletion, "%s %q does not exist, skipping", strings.ToLower(string(st.Kind)), n.Name)
		}
		return nil
	}
	return sqlerr.Unsupported("DROP %s", st.Kind)
}

// emptySchemas drops what is in schemas and what depends on that.
func (d *ddl) emptySchemas(ctx context.Context, st *ast.Drop) error {
	var inside []*catalog.Table
	var list []*catalog.UserType
	for _, n := range st.Names {
		sc := d.snap().Schema(n.Name)
		if sc == nil || sc.Virtual {
			continue
		}
		for _, t := range d.snap().Tables() {
			if t.Schema == sc.ID {
				inside = append(inside, t)
			}
		}
		for _, t := range d.snap().UserTypes() {
			if t.Schema == sc.ID {
				list = append(list, t)
			}
		}
	}
	if len(inside)+len(list) == 0 {
		return nil
	}
	for _, t := range inside {
		if t.Sequence == nil || t.Sequence.OwnerTable == 0 {
			d.cascaded = append(d.cascaded, dependent{what: t.Kind() + " " + d.relName(t)})
		}
	}
	for _, t := range list {
		d.cascaded = append(d.cascaded, dependent{what: "type " + d.typeName(t.ID)})
	}
	return d.dropAll(ctx, inside, list, true)
}

func (d *ddl) dropSchemas(ctx context.Context, st *ast.Drop) error {
	for _, n := range st.Names {
		if sc := d.snap().Schema(n.Name); sc != nil {
			if err := d.s.mustOwnSchema(sc); err != nil {
				return err
			}
		}
	}
	if st.Cascade {
		if err := d.emptySchemas(ctx, st); err != nil {
			return err
		}
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, n := range st.Names {
			sc := d.snap().Schema(n.Name)
			if sc == nil {
				if st.IfExists {
					d.s.noticef(sqlerr.SuccessfulCompletion, "schema %q does not exist, skipping", n.Name)
					continue
				}
				return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", n.Name)
			}
			if sc.Virtual {
				return sqlerr.Unsupported("dropping schema %q", sc.Name)
			}
			first := ""
			for _, t := range d.snap().UserTypes() {
				if t.Schema == sc.ID {
					first = "type " + d.typeName(t.ID)
				}
			}
			for _, t := range d.snap().Tables() {
				if t.Schema == sc.ID {
					first = "table " + sc.Name + "." + t.Name
					break
				}
			}
			if first != "" && !st.Cascade {
				return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop schema %s because other objects depend on it", sc.Name).
					WithDetail("%s depends on schema %s", first, sc.Name).
					WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			if err := ch.DropSchema(ctx, sc); err != nil {
				return err
			}
		}
		return nil
	})
}

// truncate gives tables new, empty storage.
func (d *ddl) truncate(ctx context.Context, st *ast.Truncate) error {
	var list []*catalog.Table
	for _, ref := range st.Tables {
		t, err := d.userTable(ref.Table)
		if err != nil {
			return err
		}
		if err := d.s.mayTable(t, catalog.Truncate); err != nil {
			return err
		}
		list = append(list, t)
	}
	list, err := d.truncated(list, st.Cascade)
	if err != nil {
		return err
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		seen := map[catalog.ID]bool{}
		for _, t := range list {
			if seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			for i := range t.Indexes {
				if t.Indexes[i].State != catalog.Public {
					return sqlerr.New(sqlerr.ObjectInUse, "cannot truncate %q because index %q is being built or dropped", t.Name, t.Indexes[i].Name)
				}
			}
			id, err := ch.NewID(ctx)
			if err != nil {
				return err
			}
			c := t.Clone()
			c.StorageID = storageOf(id, t.Temp)
			for i := range c.ForeignKeys {
				// Who does not know the new storage does not see the rows that refer.
				if k := &c.ForeignKeys[i]; !d.isNew(t) && !k.Unvalidated {
					k.Since = ch.NextVersion() + 1
				}
			}
			if err := ch.PutTable(ctx, c); err != nil {
				return err
			}
			if !st.RestartIdentity {
				continue
			}
			for _, q := range sequencesOf(ch.Snapshot(), t.ID) {
				if err := d.restart(ctx, ch, q.Clone(), &q.Sequence.Start); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// maxName is the length of an identifier, PostgreSQL's NAMEDATALEN - 1.
const maxName = 63

// objectName joins parts of a generated name, cutting the longer of the first two
// where the whole would be too long, as PostgreSQL's makeObjectName does.
func objectName(name1, name2, label string) string {
	over := 0
	if name2 != "" {
		over++
	}
	if label != "" {
		over += len(label) + 1
	}
	avail := maxName - over
	n1, n2 := len(name1), len(name2)
	for n1+n2 > avail {
		if n1 > n2 {
			n1--
		} else {
			n2--
		}
	}
	out := clip(name1, n1)
	if name2 != "" {
		out += "_" + clip(name2, n2)
	}
	if label != "" {
		out += "_" + label
	}
	return out
}

// clip cuts s to n bytes at most without breaking a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// chooseName finds a free name like the parts say, with a number behind the label
// if need be.
func chooseName(name1, name2, label string, taken func(string) bool) string {
	name := objectName(name1, name2, label)
	for i := 1; taken(name); i++ {
		name = objectName(name1, name2, label+itoa(i))
	}
	return name
}
