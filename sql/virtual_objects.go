package sql

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

func pgOperator(s *Session, yield func(fields) error) error {
	for _, o := range s.e.exprs.Ops() {
		kind := byte('b')
		if o.Left == 0 {
			kind = 'l'
		}
		err := yield(fields{"oid": dOID(o.OID), "oprname": dText(o.Name), "oprnamespace": dOID(catalog.SchemaPgCatalog), "oprowner": dOID(ownerOID),
			"oprkind": dChar(kind), "oprcanmerge": dBool(false), "oprcanhash": dBool(false), "oprleft": dOID(o.Left), "oprright": dOID(o.Right),
			"oprresult": dOID(o.Result), "oprcom": dOID(0), "oprnegate": dOID(0), "oprcode": dOID(0), "oprrest": dOID(0), "oprjoin": dOID(0)})
		if err != nil {
			return err
		}
	}
	return nil
}

func pgCast(s *Session, yield func(fields) error) error {
	contexts := map[expr.CastContext]byte{expr.CastImplicit: 'i', expr.CastAssignment: 'a', expr.CastExplicit: 'e'}
	for i, c := range s.e.exprs.Casts() {
		method := byte('f')
		if c.Binary {
			method = 'b'
		}
		err := yield(fields{"oid": dOID(types.OID(10000 + i)), "castsource": dOID(c.From), "casttarget": dOID(c.To), "castfunc": dOID(0),
			"castcontext": dChar(contexts[c.Context]), "castmethod": dChar(method)})
		if err != nil {
			return err
		}
	}
	return nil
}

// opclass is a way in which a btree orders a type.
type opclass struct {
	oid    types.OID
	name   string
	family types.OID
	typ    types.OID
	dflt   bool
}

// opclasses are those of PostgreSQL for the types that an index may have here.
var opclasses = []opclass{
	{1978, "int4_ops", 1976, types.OIDInt4, true}, {1979, "int2_ops", 1976, types.OIDInt2, true}, {1981, "oid_ops", 1989, types.OIDOid, true},
	{3122, "date_ops", 434, types.OIDDate, true}, {3123, "float8_ops", 1970, types.OIDFloat8, true}, {3124, "int8_ops", 1976, types.OIDInt8, true},
	{3125, "numeric_ops", 1988, types.OIDNumeric, true}, {3126, "text_ops", 1994, types.OIDText, true},
	{3127, "timestamptz_ops", 434, types.OIDTimestamptz, true}, {3128, "timestamp_ops", 434, types.OIDTimestamp, true},
	{4217, "text_pattern_ops", 2095, types.OIDText, false}, {4218, "varchar_pattern_ops", 2095, types.OIDText, false},
	{4219, "bpchar_pattern_ops", 2097, types.OIDBpchar, false}, {10000, "array_ops", 397, types.OIDAnyArray, true},
	{10003, "bool_ops", 424, types.OIDBool, true}, {10004, "bpchar_ops", 426, types.OIDBpchar, true}, {10006, "bytea_ops", 428, types.OIDBytea, true},
	{10007, "char_ops", 429, 18, true}, {10012, "float4_ops", 1970, types.OIDFloat4, true}, {10022, "interval_ops", 1982, types.OIDInterval, true},
	{10028, "name_ops", 1994, types.OIDName, true}, {10038, "time_ops", 1996, types.OIDTime, true}, {10041, "timetz_ops", 2000, 1266, true},
	{10044, "varchar_ops", 1994, types.OIDText, false}, {10065, "uuid_ops", 2968, types.OIDUUID, true}, {10069, "enum_ops", 3522, 3500, true},
	{10088, "jsonb_ops", 4033, 3802, true},
}

// opclassNamed returns the operator class of that name, nil if there is none.
func opclassNamed(name string) *opclass {
	for i := range opclasses {
		if opclasses[i].name == name {
			return &opclasses[i]
		}
	}
	return nil
}

func pgOpclass(_ *Session, yield func(fields) error) error {
	for _, c := range opclasses {
		err := yield(fields{"oid": dOID(c.oid), "opcmethod": dOID(amBtree), "opcname": dText(c.name), "opcnamespace": dOID(catalog.SchemaPgCatalog),
			"opcowner": dOID(ownerOID), "opcfamily": dOID(c.family), "opcintype": dOID(c.typ), "opcdefault": dBool(c.dflt), "opckeytype": dOID(0)})
		if err != nil {
			return err
		}
	}
	return nil
}

// defaultOpclass is the class that CREATE INDEX takes for a column of type t, 0 if
// there is none.
func defaultOpclass(t types.Type) types.OID {
	t = t.Base()
	oid := t.OID
	switch {
	case oid == types.OIDVarchar:
		oid = types.OIDText
	case t.IsArray():
		oid = types.OIDAnyArray
	}
	for _, c := range opclasses {
		if c.dflt && c.typ == oid {
			return c.oid
		}
	}
	if t.IsEnum() {
		return 10069
	}
	return 0
}

// pgCollation has the collations that sort as the server does: by bytes.
func pgCollation(_ *Session, yield func(fields) error) error {
	for _, c := range []struct {
		oid            types.OID
		name, provider string
		locale         string
	}{{100, "default", "d", ""}, {950, "C", "c", "C"}, {951, "POSIX", "c", "POSIX"}} {
		row := fields{"oid": dOID(c.oid), "collname": dText(c.name), "collnamespace": dOID(catalog.SchemaPgCatalog), "collowner": dOID(ownerOID),
			"collprovider": dText(c.provider), "collisdeterministic": dBool(true), "collencoding": dInt(-1)}
		if c.locale != "" {
			row["collcollate"], row["collctype"] = dText(c.locale), dText(c.locale)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func pgStatUserTables(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error { return yield(s.tableStatistics(t)) })
}

func pgStatAllTables(s *Session, yield func(fields) error) error {
	return eachTable(s, true, func(t *catalog.Table) error { return yield(s.tableStatistics(t)) })
}

// tableStatistics names a table and tells what ANALYZE has found; nothing else is
// counted, and NULL says so.
func (s *Session) tableStatistics(t *catalog.Table) fields {
	row := fields{"relid": dOID(t.ID), "schemaname": dText(t.SchemaName), "relname": dText(t.Name)}
	if st := s.e.tableStats(t); st != nil && !st.At.IsZero() {
		row["n_live_tup"], row["last_analyze"] = dInt(int64(st.Rows)), types.NewInt(types.FromTime(st.At))
	}
	return row
}

func pgStatUserIndexes(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ID == 0 {
				continue
			}
			err := yield(fields{"relid": dOID(t.ID), "indexrelid": dOID(ix.ID), "schemaname": dText(t.SchemaName), "relname": dText(t.Name), "indexrelname": dText(ix.Name)})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
