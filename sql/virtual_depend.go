package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// The numbers of the catalogs that pg_depend names.
const (
	classType    types.OID = 1247 // pg_type
	classDefault types.OID = 2604 // pg_attrdef
	classRewrite types.OID = 2618 // pg_rewrite

	classExtension types.OID = 3079 // pg_extension
)

// extensionOID is the number of the extension that the schema quorate belongs to: one
// that is there from the beginning, so that pg_dump leaves its views out.
const extensionOID types.OID = 13899

func pgExtension(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	return yield([]types.Datum{dOID(extensionOID), dText("quorate"), dOID(ownerOID), dOID(catalog.SchemaQuorate), dBool(false), dText("1.0"), types.Null, types.Null})
}

// object is a thing, or a column of a relation, that others depend on.
type object struct {
	class, id types.OID
	sub       int16
}

// attrdefOID is the number of a column's default. Defaults have none of their own:
// table and column make one that is stable.
func attrdefOID(t *catalog.Table, c *catalog.Column) types.OID {
	return types.OID(uint32(t.ID)<<11 ^ uint32(c.ID) | 1<<31)
}

// ruleOID is the number of the rule by which PostgreSQL keeps a view's query.
func ruleOID(view *catalog.Table) types.OID { return types.OID(uint32(view.ID) | 1<<30) }

// pgDepend lists what pg_dump and introspection ask for: who owns a sequence, which
// default takes its values from one, what a view reads, what types are made of.
func pgDepend(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	depends := func(x, on object, kind byte) error {
		return yield([]types.Datum{dOID(x.class), dOID(x.id), dInt(int64(x.sub)), dOID(on.class), dOID(on.id), dInt(int64(on.sub)), dChar(kind)})
	}
	tables := s.tx.snap.Tables()
	var sequences []*catalog.Table
	for _, t := range tables {
		if q := t.Sequence; q != nil && !t.Virtual {
			sequences = append(sequences, t)
			if q.OwnerTable == 0 {
				continue
			}
			kind := byte('a')
			if q.Internal {
				kind = 'i'
			}
			if err := depends(object{classPgClass, t.ID, 0}, object{classPgClass, q.OwnerTable, q.OwnerColumn}, kind); err != nil {
				return err
			}
		}
	}
	own := object{classExtension, extensionOID, 0}
	if err := depends(object{classPgNamespace, catalog.SchemaQuorate, 0}, own, 'e'); err != nil {
		return err
	}
	for _, t := range tables {
		if t.Schema == catalog.SchemaQuorate {
			if err := depends(object{classPgClass, t.ID, 0}, own, 'e'); err != nil {
				return err
			}
		}
		if t.Virtual {
			continue
		}
		if err := relationDepends(t, sequences, depends); err != nil {
			return err
		}
	}
	return typeDepends(s, depends)
}

// relationDepends lists what the columns and the query of a relation depend on.
func relationDepends(t *catalog.Table, sequences []*catalog.Table, depends func(x, on object, kind byte) error) error {
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Dropped {
			continue
		}
		column := object{classPgClass, t.ID, c.ID}
		if c.Type.IsUser() && t.View == nil {
			if err := depends(column, object{classType, c.Type.OID, 0}, 'n'); err != nil {
				return err
			}
		}
		if c.Default == "" || c.Hidden {
			continue
		}
		def := object{classDefault, attrdefOID(t, c), 0}
		if err := depends(def, column, 'a'); err != nil {
			return err
		}
		for _, q := range sequences {
			if usesSequence(c, q.ID) {
				if err := depends(def, object{classPgClass, q.ID, 0}, 'n'); err != nil {
					return err
				}
			}
		}
	}
	if t.View == nil {
		return nil
	}
	rule := object{classRewrite, ruleOID(t), 0}
	if err := depends(rule, object{classPgClass, t.ID, 0}, 'i'); err != nil {
		return err
	}
	for _, r := range t.View.Refs {
		for _, c := range r.Columns {
			if err := depends(rule, object{classPgClass, r.ID, c.ID}, 'n'); err != nil {
				return err
			}
		}
		if len(r.Columns) == 0 {
			if err := depends(rule, object{classPgClass, r.ID, 0}, 'n'); err != nil {
				return err
			}
		}
	}
	return nil
}

// typeDepends lists the types that domains and composite types are made of.
func typeDepends(s *Session, depends func(x, on object, kind byte) error) error {
	for _, u := range s.tx.snap.UserTypes() {
		t, ok := s.tx.snap.TypeByOID(u.ID)
		if !ok {
			continue
		}
		switch {
		case u.Domain != nil && t.Def().Base.IsUser():
			if err := depends(object{classType, u.ID, 0}, object{classType, t.Def().Base.OID, 0}, 'n'); err != nil {
				return err
			}
		case u.Composite != nil:
			if err := depends(object{classPgClass, u.Composite.Rel, 0}, object{classType, u.ID, 0}, 'i'); err != nil {
				return err
			}
			for _, f := range t.Def().Fields {
				if !f.Type.IsUser() {
					continue
				}
				if err := depends(object{classPgClass, u.Composite.Rel, f.Num}, object{classType, f.Type.OID, 0}, 'n'); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// pgRewrite has the rule of each view.
func pgRewrite(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	view, byView := eq[2]
	for _, t := range tablesFor(s.tx.snap, view, byView) {
		if t.View == nil {
			continue
		}
		if err := yield([]types.Datum{dOID(ruleOID(t)), dText("_RETURN"), dOID(t.ID), dChar('1'), dChar('O'), dBool(true), dText("<>"), dText("")}); err != nil {
			return err
		}
	}
	return nil
}
