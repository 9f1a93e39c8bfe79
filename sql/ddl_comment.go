package sql

import (
	"context"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// comment is COMMENT ON for what has a place for one in its descriptor.
func (d *ddl) comment(ctx context.Context, st *ast.Comment) error {
	text := ""
	if st.Text != nil {
		text = *st.Text // an empty one is none, as in PostgreSQL
	}
	switch st.Kind {
	case ast.ObjTable, ast.ObjView, ast.ObjSequence, ast.ObjIndex:
		return d.commentRelation(ctx, st, text)
	case "COLUMN":
		return d.commentColumn(ctx, st, text)
	case ast.ObjSchema:
		return d.commentSchema(ctx, st, text)
	}
	return sqlerr.Unsupported("COMMENT ON %s", st.Kind)
}

// commented resolves the relation that the first parts of a name stand for.
func (d *ddl) commented(st *ast.Comment, parts []string) (catalog.Relation, error) {
	n := ast.Name{At: st.At, Name: parts[len(parts)-1]}
	if len(parts) > 1 {
		n.Schema = parts[len(parts)-2]
	}
	r, ok, err := d.s.resolve(n)
	switch {
	case err != nil:
		return r, err
	case !ok:
		return r, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", n.String())
	case r.Table.Virtual:
		return r, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system catalog", r.Table.Name)
	}
	return r, nil
}

func (d *ddl) commentRelation(ctx context.Context, st *ast.Comment, text string) error {
	r, err := d.commented(st, st.Name)
	if err != nil {
		return err
	}
	kind := ast.ObjIndex
	switch {
	case r.Index != nil:
	case r.Table.Sequence != nil:
		kind = ast.ObjSequence
	case r.Table.View != nil:
		kind = ast.ObjView
	default:
		kind = ast.ObjTable
	}
	if kind != st.Kind {
		article := map[ast.ObjectKind]string{ast.ObjTable: "a table", ast.ObjView: "a view", ast.ObjSequence: "a sequence", ast.ObjIndex: "an index"}[st.Kind]
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not %s", st.Name[len(st.Name)-1], article)
	}
	name := r.Table.Name
	if r.Index != nil {
		name = r.Index.Name
	}
	if err := d.s.mustOwnNamed(r.Table, strings.ToLower(string(kind)), name); err != nil {
		return err
	}
	t := r.Table.Clone()
	if r.Index == nil {
		t.Comment = text
	} else {
		t.Index(r.Index.Number).Comment = text
	}
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutTable(ctx, t) })
}

func (d *ddl) commentColumn(ctx context.Context, st *ast.Comment, text string) error {
	n := len(st.Name)
	if n < 2 {
		return sqlerr.New(sqlerr.SyntaxError, "column name must be qualified")
	}
	r, err := d.commented(st, st.Name[:n-1])
	switch {
	case err != nil:
		return err
	case r.Index != nil || r.Table.Sequence != nil:
		return sqlerr.New(sqlerr.WrongObjectType, "cannot set comment on relation %q", st.Name[n-2])
	}
	if err := d.s.mustOwn(r.Table); err != nil {
		return err
	}
	t := r.Table.Clone()
	c := t.ColumnByName(st.Name[n-1])
	if c == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", st.Name[n-1], t.Name)
	}
	c.Comment = text
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutTable(ctx, t) })
}

func (d *ddl) commentSchema(ctx context.Context, st *ast.Comment, text string) error {
	sc := d.snap().Schema(st.Name[0])
	switch {
	case sc == nil:
		return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", st.Name[0])
	case sc.Virtual:
		return sqlerr.Unsupported("COMMENT ON a schema that always exists")
	}
	if err := d.s.mustOwnSchema(sc); err != nil {
		return err
	}
	n := *sc
	n.Comment = text
	return d.change(ctx, func(ch *catalog.Change) error { return ch.PutSchema(ctx, &n) })
}

// Catalogs that comments name as the kind of their object.
const (
	classPgClass     types.OID = 1259
	classPgNamespace types.OID = 2615
)

// eachComment calls f with the comments on a table, its columns and its indexes.
func eachComment(t *catalog.Table, f func(object types.OID, column int16, text string) error) error {
	if t.Comment != "" {
		if err := f(t.ID, 0, t.Comment); err != nil {
			return err
		}
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Comment != "" && !c.Dropped {
			if err := f(t.ID, c.ID, c.Comment); err != nil {
				return err
			}
		}
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Comment != "" {
			if err := f(ix.ID, 0, ix.Comment); err != nil {
				return err
			}
		}
	}
	return nil
}

func pgDescription(s *Session, yield func(fields) error) error {
	row := func(class, object types.OID, column int16, text string) error {
		return yield(fields{"objoid": dOID(object), "classoid": dOID(class), "objsubid": dInt(int64(column)), "description": dText(text)})
	}
	for _, sc := range s.tx.snap.Schemas() {
		if sc.Comment != "" {
			if err := row(classPgNamespace, sc.ID, 0, sc.Comment); err != nil {
				return err
			}
		}
	}
	return eachTable(s, false, func(t *catalog.Table) error {
		return eachComment(t, func(object types.OID, column int16, text string) error {
			return row(classPgClass, object, column, text)
		})
	})
}

// description is obj_description(oid [, catalog]) and col_description(oid, column).
func description(snap *catalog.Snapshot, name string, args []types.Datum) types.Datum {
	oid, column := args[0].OID(), int16(0)
	class := ""
	if len(args) > 1 {
		if name == "col_description" {
			if column = int16(args[1].Int()); column == 0 {
				return types.Null
			}
		} else {
			class = args[1].Str()
		}
	}
	if sc := snap.SchemaByID(oid); sc != nil && name == "obj_description" && (class == "" || class == "pg_namespace") && sc.Comment != "" {
		return dText(sc.Comment)
	}
	if class != "" && class != "pg_class" {
		return types.Null
	}
	out := types.Null
	for _, t := range tablesFor(snap, types.NewOID(oid), true) {
		eachComment(t, func(object types.OID, c int16, text string) error {
			if object == oid && c == column {
				out = dText(text)
			}
			return nil
		})
	}
	return out
}
