package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

type yieldRow = func([]types.Datum) error

func pgNamespace(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	for _, sc := range s.tx.snap.Schemas() {
		if err := yield([]types.Datum{dOID(sc.ID), dText(sc.Name), dOID(sc.OwnerID()), dACL(s, sc.ACL)}); err != nil {
			return err
		}
	}
	return nil
}

const (
	amHeap  types.OID = 2
	amBtree types.OID = 403
)

func pgAm(_ context.Context, _ *Session, _ map[int]types.Datum, yield yieldRow) error {
	if err := yield([]types.Datum{dOID(amHeap), dText("heap"), dOID(3), dChar('t')}); err != nil {
		return err
	}
	return yield([]types.Datum{dOID(amBtree), dText("btree"), dOID(330), dChar('i')})
}

// persistence is pg_class.relpersistence of a relation and its indexes.
func persistence(t *catalog.Table) byte {
	if t.Temp {
		return 't'
	}
	return 'p'
}

// tablesFor lists the tables that a condition on one of their OIDs leaves.
func tablesFor(snap *catalog.Snapshot, oid types.Datum, ok bool) []*catalog.Table {
	if !ok {
		return snap.Tables()
	}
	if t := snap.Table(oid.OID()); t != nil {
		return []*catalog.Table{t}
	}
	if r, found := snap.IndexByID(oid.OID()); found {
		return []*catalog.Table{r.Table}
	}
	return nil
}

func pgClass(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	oid, byOID := eq[0]
	for _, t := range tablesFor(s.tx.snap, oid, byOID) {
		live := t.Visible()
		hasIndex := false
		for i := range t.Indexes {
			hasIndex = hasIndex || t.Indexes[i].ID != 0
		}
		kind := byte('r')
		if isView(t) {
			kind = 'v'
		} else if t.Sequence != nil {
			kind = 'S'
		}
		row := classRow(t.ID, t.Name, t.Schema, kind, len(live), t.TypeID, amHeap, types.OID(t.StorageID&^catalog.TempStorage))
		row[5], row[30] = dOID(t.OwnerID()), dACL(s, t.ACL)
		row[10], row[13] = s.relTuples(t), dBool(hasIndex)
		row[15] = dChar(persistence(t))
		row[18] = dInt(int64(len(t.Checks)))
		// Clients ask for foreign keys where there are triggers.
		row[20] = dBool(len(t.ForeignKeys) > 0 || len(s.tx.snap.Referrers(t.ID)) > 0)
		if len(t.Options) > 0 {
			var opts []types.Datum
			for k, v := range t.Options {
				opts = append(opts, dText(k+"="+v))
			}
			row[31] = types.NewArray(types.NewArrayOf(types.Text, opts))
		}
		if err := yield(row); err != nil {
			return err
		}
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ID == 0 {
				continue
			}
			row := classRow(ix.ID, ix.Name, t.Schema, 'i', len(ix.Columns)+len(ix.Include), 0, amBtree, ix.ID)
			row[15] = dChar(persistence(t))
			if err := yield(row); err != nil {
				return err
			}
		}
	}
	return compositeClass(s, oid, byOID, yield)
}

func classRow(oid types.OID, name string, schema types.OID, kind byte, natts int, typ, am, file types.OID) []types.Datum {
	replident := byte('d')
	if kind == 'i' {
		replident = 'n'
	}
	return []types.Datum{dOID(oid), dText(name), dOID(schema), dOID(typ), dOID(0), dOID(ownerOID), dOID(am), dOID(file), dOID(0), dInt(0),
		types.NewFloat(-1), dInt(0), dOID(0), dBool(false), dBool(false), dChar('p'), dChar(kind), dInt(int64(natts)), dInt(0),
		dBool(false), dBool(false), dBool(false), dBool(false), dBool(false), dBool(true), dChar(replident), dBool(false),
		dOID(0), dInt(0), dInt(0), types.Null, types.Null, types.Null}
}

func pgAttribute(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	rel, byRel := eq[0]
	for _, t := range tablesFor(s.tx.snap, rel, byRel) {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Hidden {
				continue
			}
			if err := yield(columnRow(s, t.ID, c, c.Type)); err != nil {
				return err
			}
		}
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ID == 0 {
				continue
			}
			if err := indexAttributes(t, ix, yield); err != nil {
				return err
			}
		}
	}
	return compositeAttributes(s, rel, byRel, yield)
}

func attributeRow(rel types.OID, name string, t types.Type, num int16) []types.Datum {
	info, ok := t.Info()
	if !ok {
		info = &types.Info{}
	}
	dims := int64(0)
	if t.IsArray() {
		dims = 1
	}
	return []types.Datum{dOID(rel), dText(name), dOID(t.OID), dInt(-1), dInt(int64(info.Len)), dInt(int64(num)), dInt(dims), dInt(-1),
		dInt(int64(t.Typmod)), dBool(info.ByVal), dChar(info.Align), dChar(info.Storage), dChar(0), dBool(false), dBool(false),
		dBool(false), dChar(0), dChar(0), dBool(false), dBool(true), dInt(0), dOID(info.Collation), types.Null, types.Null, types.Null, types.Null}
}

func typeRow(i *types.Info, schema, rel types.OID) []types.Datum {
	sub := types.OID(0)
	switch {
	case i.Elem != 0 && i.Category == 'A':
		sub = 6179 // array_subscript_handler
	case i.Elem != 0:
		sub = 6180 // raw_array_subscript_handler
	}
	return []types.Datum{dOID(i.OID), dText(i.Name), dOID(schema), dOID(ownerOID), dInt(int64(i.Len)), dBool(i.ByVal), dChar(i.Kind),
		dChar(i.Category), dBool(i.Preferred), dBool(true), dChar(i.Delim), dOID(rel), dOID(sub), dOID(i.Elem), dOID(i.Array), dOID(i.Input),
		dOID(i.Output), dOID(i.Receive), dOID(i.Send), dOID(i.TypmodIn), dOID(i.TypmodOut), dOID(0), dChar(i.Align), dChar(i.Storage),
		dBool(false), dOID(0), dInt(-1), dInt(0), dOID(i.Collation), types.Null, types.Null, types.Null}
}

func pgIndex(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	rel, byRel := eq[1]
	if !byRel {
		rel, byRel = eq[0]
	}
	for _, t := range tablesFor(s.tx.snap, rel, byRel) {
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ID == 0 {
				continue
			}
			if err := yield(indexRow(s, t, ix)); err != nil {
				return err
			}
		}
	}
	return nil
}

func pgConstraint(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	rel, byRel := eq[7]
	for _, t := range tablesFor(s.tx.snap, rel, byRel) {
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ConstraintID == 0 {
				continue
			}
			kind := byte('u')
			if ix.IsPrimaryKey() {
				kind = 'p'
			}
			cols := make([]types.Datum, len(ix.Columns))
			for j, c := range ix.Columns {
				cols[j] = dInt(int64(c.Column))
			}
			if err := yield(constraintRow(ix.ConstraintID, ix.Name, t, kind, ix.ID, cols, types.Null)); err != nil {
				return err
			}
		}
		for _, c := range t.Checks {
			cols := make([]types.Datum, len(c.Columns))
			for j, n := range c.Columns {
				cols[j] = dInt(int64(n))
			}
			row := constraintRow(c.ID, c.Name, t, 'c', 0, cols, dText(s.checkText(t, &c)))
			row[convalidated] = dBool(!c.Unvalidated)
			if err := yield(row); err != nil {
				return err
			}
		}
		for i := range t.ForeignKeys {
			if err := yield(foreignKeyRow(t, &t.ForeignKeys[i])); err != nil {
				return err
			}
		}
	}
	if byRel && rel.OID() != 0 {
		return nil
	}
	return domainConstraints(s, yield)
}

func constraintRow(oid types.OID, name string, t *catalog.Table, kind byte, index types.OID, cols []types.Datum, bin types.Datum) []types.Datum {
	return []types.Datum{dOID(oid), dText(name), dOID(t.Schema), dChar(kind), dBool(false), dBool(false), dBool(true), dOID(t.ID), dOID(0),
		dOID(index), dOID(0), dOID(0), dChar(' '), dChar(' '), dChar(' '), dBool(true), dInt(0), dBool(kind != 'c'),
		types.NewArray(types.NewArrayOf(types.Int2, cols)), types.Null, types.Null, types.Null, types.Null, types.Null, types.Null, bin}
}

func pgAttrdef(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	rel, byRel := eq[1]
	for _, t := range tablesFor(s.tx.snap, rel, byRel) {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Default == "" && c.Generated == "" || c.Dropped || c.Hidden {
				continue
			}
			text := ""
			if c.Generated != "" {
				text = s.generatedText(t, c)
			} else {
				text = s.defaultText(c)
			}
			if err := yield([]types.Datum{dOID(attrdefOID(t, c)), dOID(t.ID), dInt(int64(c.ID)), dText(text)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func pgDatabase(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	return yield([]types.Datum{dOID(5), dText(s.database()), dOID(s.tx.snap.Database().Owner), dInt(6), dChar('c'), dBool(false), dBool(true), dInt(-1),
		dInt(0), dInt(0), dOID(1663), dText("C"), dText("C"), types.Null, types.Null,
		dACL(s, s.tx.snap.Database().ACL)})
}
