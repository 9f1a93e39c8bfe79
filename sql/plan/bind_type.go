package plan

import (
	"slices"
	"strconv"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// ResolveType turns a type's name into the type: a built-in one, or one of a user's
// along the search path.
func ResolveType(n ast.TypeName, o Options) (types.Type, error) {
	if n.SetOf {
		return types.Type{}, unsupported("SETOF in this place")
	}
	t, err := o.typeNamed(n.Schema, n.Name)
	if err != nil {
		return types.Type{}, err
	}
	if n.IntervalFields != "" {
		name := "interval " + n.IntervalFields
		if len(n.Mods) > 0 {
			name += "(" + strconv.Itoa(int(n.Mods[0])) + ")"
		}
		if t, err = types.ParseType(name); err != nil {
			return types.Type{}, err
		}
	} else if len(n.Mods) > 0 {
		args := make([]int64, len(n.Mods))
		for i, m := range n.Mods {
			args[i] = int64(m)
		}
		if t.IsUser() {
			return types.Type{}, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type \"%s\"", t.Name())
		}
		mod, err := types.MakeTypmod(t.OID, args)
		if err != nil {
			return types.Type{}, err
		}
		t.Typmod = mod
	}
	if n.ArrayDims > 0 {
		a, ok := t.ArrayOf()
		if !ok {
			return types.Type{}, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", t)
		}
		t = a
	}
	return t, nil
}

// typeNamed finds a type by its name in pg_type.
func (o Options) typeNamed(schema, name string) (types.Type, error) {
	if schema != "" {
		missing := sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", schema+"."+name)
		if schema == "pg_catalog" {
			if info, ok := types.LookupName(name); ok {
				return types.Of(info.OID), nil
			}
			return types.Type{}, missing
		}
		if o.Catalog == nil {
			return types.Type{}, missing
		}
		sc := o.Catalog.Schema(schema)
		if sc == nil {
			return types.Type{}, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", schema)
		}
		if t, ok := o.Catalog.TypeNamed(sc.ID, name); ok {
			return t, nil
		}
		return types.Type{}, missing
	}
	if !slices.Contains(o.Path, "pg_catalog") {
		if info, ok := types.LookupName(name); ok {
			return types.Of(info.OID), nil
		}
	}
	for _, p := range o.Path {
		if o.Catalog == nil {
			break
		}
		if sc := o.Catalog.Schema(p); sc != nil {
			if t, ok := o.Catalog.TypeNamed(sc.ID, name); ok {
				return t, nil
			}
		}
	}
	if o.Catalog == nil {
		if info, ok := types.LookupName(name); ok {
			return types.Of(info.OID), nil
		}
	}
	return types.Type{}, sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", name)
}

// userType is what the builder asks when type(x) may be meant.
func (b *binder) userType(schema, name string) (types.Type, bool) {
	t, err := b.o.typeNamed(schema, name)
	return t, err == nil && t.IsUser() && !t.IsArray()
}

// expandRow takes a row value apart: its fields, with their names.
func (b *binder) expandRow(x expr.Expr) ([]expr.Expr, []string, error) {
	var names []string
	switch r := x.(type) {
	case *expr.RowExpr:
		for i := range r.Items {
			if i < len(r.Names) {
				names = append(names, r.Names[i])
			} else {
				names = append(names, "f"+strconv.Itoa(i+1))
			}
		}
		return r.Items, names, nil
	case *expr.SetCall:
		if x.Type().OID == types.OIDRecord {
			names, _ = r.Columns()
		}
	}
	if t := x.Type().Base(); t.IsComposite() {
		for _, f := range t.Def().Fields {
			names = append(names, f.Name)
		}
	} else if names == nil {
		if x.Type().OID == types.OIDRecord {
			return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "record type has not been registered")
		}
		return nil, nil, sqlerr.New(sqlerr.WrongObjectType, "type %s is not composite", x.Type().Bare())
	}
	out := make([]expr.Expr, len(names))
	for i, n := range names {
		var err error
		if out[i], err = b.eb.Field(x, n); err != nil {
			return nil, nil, err
		}
	}
	return out, names, nil
}

// rowItems binds the elements of a row constructor, in which t.* stands for the
// columns of t.
func (b *binder) rowItems(list []ast.Expr, s *scope) ([]expr.Expr, error) {
	var out []expr.Expr
	for _, e := range list {
		var x expr.Expr
		var err error
		switch e := e.(type) {
		case *ast.ColumnRef:
			if e.Star && len(e.Parts) > 0 && s != nil {
				if x, err = b.wholeRow(s, e.Parts[len(e.Parts)-1]); err == nil && x == nil {
					err = missingFrom(s, e.Parts[len(e.Parts)-1])
				}
			}
		case *ast.FieldSelect:
			if e.Star {
				x, err = b.expr(e.Expr, s)
			}
		}
		if err != nil {
			return nil, b.errAt(err, e)
		}
		if x == nil {
			if x, err = b.expr(e, s); err != nil {
				return nil, err
			}
			out = append(out, x)
			continue
		}
		fields, _, err := b.expandRow(x)
		if err != nil {
			return nil, b.errAt(err, e)
		}
		out = append(out, fields...)
	}
	return out, nil
}
