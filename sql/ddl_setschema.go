package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// setSchema is SET SCHEMA of a table or view. Its indexes and row type are in its
// schema by themselves; the sequences of its columns come along.
func (d *ddl) setSchema(ctx context.Context, t *catalog.Table, a *ast.SetSchema) error {
	sc := d.snap().Schema(a.Schema)
	switch {
	case sc == nil:
		return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", a.Schema)
	case sc.ID == t.Schema:
		return nil
	case sc.ID == catalog.SchemaTemp || t.Temp:
		return sqlerr.New(sqlerr.FeatureNotSupported, "cannot move objects into or out of temporary schemas")
	}
	if err := d.s.mayCreateIn(sc.ID); err != nil {
		return err
	}
	move := append([]*catalog.Table{t}, sequencesOf(d.snap(), t.ID)...)
	for _, x := range move {
		names := []string{x.Name}
		for i := range x.Indexes {
			if x.Indexes[i].ID != 0 {
				names = append(names, x.Indexes[i].Name)
			}
		}
		for _, name := range names {
			if _, exists := d.snap().Relation(sc.ID, name); exists {
				return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists in schema %q", name, sc.Name)
			}
		}
	}
	if _, exists := d.snap().TypeNamed(sc.ID, t.Name); exists && t.TypeID != 0 {
		return sqlerr.New(sqlerr.DuplicateObject, "type %q already exists in schema %q", t.Name, sc.Name)
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		for _, x := range move {
			n := x.Clone()
			n.Schema, n.SchemaName = sc.ID, sc.Name
			if n.ArrayTypeID != 0 {
				n.ArrayTypeName = arrayName(d.snap(), sc.ID, n.Name)
			}
			if err := ch.PutTable(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
}
