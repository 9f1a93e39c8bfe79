package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// viewTables are the views of pg_catalog and information_schema. They are about
// what users make: the system's own tables are not listed in information_schema's
// views of constraints. Their OIDs are those of PostgreSQL 15.
func viewTables() []*virtualTable {
	t := func(schema catalog.ID, oid types.OID, name string, rows viewRows, cols ...any) *virtualTable {
		v := &virtualTable{schema: schema, oid: oid, name: name, cols: columns(cols...)}
		v.byName(rows)
		return v
	}
	yesOrNo := types.Varchar.WithTypmod(3 + 4) // a domain in PostgreSQL
	return append(procTables(t), []*virtualTable{
		t(catalog.SchemaQuorate, 13903, "sessions", quorateSessions,
			"node_id", types.Int8, "pid", types.Int4, "user_name", types.Text, "database", types.Text, "application_name", types.Text,
			"client_addr", types.Text, "tls", types.Bool, "started", types.Timestamptz, "transaction_started", types.Timestamptz,
			"state", types.Text, "query", types.Text),
		t(catalog.SchemaQuorate, 13916, "statements", quorateStatements,
			"user_name", types.Text, "query_id", types.Int8, "query", types.Text, "calls", types.Int8, "errors", types.Int8, "retries", types.Int8,
			"rows", types.Int8, "total_ms", types.Float8, "mean_ms", types.Float8, "min_ms", types.Float8, "max_ms", types.Float8,
			"p50_ms", types.Float8, "p99_ms", types.Float8, "last_run", types.Timestamptz),
		t(catalog.SchemaPgCatalog, 12104, "pg_settings", pgSettings,
			"name", types.Text, "setting", types.Text, "unit", types.Text, "category", types.Text, "short_desc", types.Text,
			"extra_desc", types.Text, "context", types.Text, "vartype", types.Text, "source", types.Text, "min_val", types.Text,
			"max_val", types.Text, "enumvals", types.TextArray, "boot_val", types.Text, "reset_val", types.Text, "sourcefile", types.Text,
			"sourceline", types.Int4, "pending_restart", types.Bool),
		t(catalog.SchemaPgCatalog, 12033, "pg_tables", pgTables,
			"schemaname", types.Name, "tablename", types.Name, "tableowner", types.Name, "tablespace", types.Name,
			"hasindexes", types.Bool, "hasrules", types.Bool, "hastriggers", types.Bool, "rowsecurity", types.Bool),
		t(catalog.SchemaPgCatalog, 12028, "pg_views", pgViews,
			"schemaname", types.Name, "viewname", types.Name, "viewowner", types.Name, "definition", types.Text),
		t(catalog.SchemaPgCatalog, 12043, "pg_indexes", pgIndexes,
			"schemaname", types.Name, "tablename", types.Name, "indexname", types.Name, "tablespace", types.Name, "indexdef", types.Text),
		t(catalog.SchemaPgCatalog, 12014, "pg_user", pgUser,
			"usename", types.Name, "usesysid", types.Oid, "usecreatedb", types.Bool, "usesuper", types.Bool, "userepl", types.Bool,
			"usebypassrls", types.Bool, "passwd", types.Text, "valuntil", types.Timestamptz, "useconfig", types.TextArray),
		t(catalog.SchemaPgCatalog, 1213, "pg_tablespace", pgTablespace,
			"oid", types.Oid, "spcname", types.Name, "spcowner", types.Oid, "spcacl", types.AclItemArray, "spcoptions", types.TextArray),
		t(catalog.SchemaPgCatalog, 12048, "pg_sequences", pgSequences,
			"schemaname", types.Name, "sequencename", types.Name, "sequenceowner", types.Name, "data_type", types.RegType,
			"start_value", types.Int8, "min_value", types.Int8, "max_value", types.Int8, "increment_by", types.Int8, "cycle", types.Bool,
			"cache_size", types.Int8, "last_value", types.Int8),
		t(catalog.SchemaPgCatalog, 12038, "pg_matviews", noViewRows,
			"schemaname", types.Name, "matviewname", types.Name, "matviewowner", types.Name, "tablespace", types.Name,
			"hasindexes", types.Bool, "ispopulated", types.Bool, "definition", types.Text),
		t(catalog.SchemaInformation, 13382, "schemata", infoSchemata,
			"catalog_name", types.Name, "schema_name", types.Name, "schema_owner", types.Name,
			"default_character_set_catalog", types.Name, "default_character_set_schema", types.Name,
			"default_character_set_name", types.Name, "sql_path", types.Varchar),
		t(catalog.SchemaInformation, 13425, "tables", infoTables,
			"table_catalog", types.Name, "table_schema", types.Name, "table_name", types.Name, "table_type", types.Varchar,
			"self_referencing_column_name", types.Name, "reference_generation", types.Varchar, "user_defined_type_catalog", types.Name,
			"user_defined_type_schema", types.Name, "user_defined_type_name", types.Name, "is_insertable_into", yesOrNo,
			"is_typed", yesOrNo, "commit_action", types.Varchar),
		t(catalog.SchemaInformation, 13295, "columns", infoColumns,
			"table_catalog", types.Name, "table_schema", types.Name, "table_name", types.Name, "column_name", types.Name,
			"ordinal_position", types.Int4, "column_default", types.Varchar, "is_nullable", yesOrNo, "data_type", types.Varchar,
			"character_maximum_length", types.Int4, "character_octet_length", types.Int4, "numeric_precision", types.Int4,
			"numeric_precision_radix", types.Int4, "numeric_scale", types.Int4, "datetime_precision", types.Int4,
			"interval_type", types.Varchar, "interval_precision", types.Int4, "character_set_catalog", types.Name,
			"character_set_schema", types.Name, "character_set_name", types.Name, "collation_catalog", types.Name,
			"collation_schema", types.Name, "collation_name", types.Name, "domain_catalog", types.Name, "domain_schema", types.Name,
			"domain_name", types.Name, "udt_catalog", types.Name, "udt_schema", types.Name, "udt_name", types.Name,
			"scope_catalog", types.Name, "scope_schema", types.Name, "scope_name", types.Name, "maximum_cardinality", types.Int4,
			"dtd_identifier", types.Name, "is_self_referencing", yesOrNo, "is_identity", yesOrNo,
			"identity_generation", types.Varchar, "identity_start", types.Varchar, "identity_increment", types.Varchar,
			"identity_maximum", types.Varchar, "identity_minimum", types.Varchar, "identity_cycle", yesOrNo,
			"is_generated", types.Varchar, "generation_expression", types.Varchar, "is_updatable", yesOrNo),
		t(catalog.SchemaInformation, 13411, "table_constraints", infoTableConstraints,
			"constraint_catalog", types.Name, "constraint_schema", types.Name, "constraint_name", types.Name, "table_catalog", types.Name,
			"table_schema", types.Name, "table_name", types.Name, "constraint_type", types.Varchar, "is_deferrable", yesOrNo,
			"initially_deferred", yesOrNo, "enforced", yesOrNo, "nulls_distinct", yesOrNo),
		t(catalog.SchemaInformation, 13329, "key_column_usage", infoKeyColumnUsage,
			"constraint_catalog", types.Name, "constraint_schema", types.Name, "constraint_name", types.Name, "table_catalog", types.Name,
			"table_schema", types.Name, "table_name", types.Name, "column_name", types.Name, "ordinal_position", types.Int4,
			"position_in_unique_constraint", types.Int4),
		t(catalog.SchemaInformation, 13300, "constraint_column_usage", infoConstraintColumnUsage,
			"table_catalog", types.Name, "table_schema", types.Name, "table_name", types.Name, "column_name", types.Name,
			"constraint_catalog", types.Name, "constraint_schema", types.Name, "constraint_name", types.Name),
		t(catalog.SchemaInformation, 13339, "referential_constraints", infoReferentialConstraints,
			"constraint_catalog", types.Name, "constraint_schema", types.Name, "constraint_name", types.Name,
			"unique_constraint_catalog", types.Name, "unique_constraint_schema", types.Name, "unique_constraint_name", types.Name,
			"match_option", types.Varchar, "update_rule", types.Varchar, "delete_rule", types.Varchar),
		t(catalog.SchemaInformation, 13260, "check_constraints", infoCheckConstraints,
			"constraint_catalog", types.Name, "constraint_schema", types.Name, "constraint_name", types.Name,
			"check_clause", types.Varchar),
		t(catalog.SchemaInformation, 13483, "views", infoViews,
			"table_catalog", types.Name, "table_schema", types.Name, "table_name", types.Name, "view_definition", types.Varchar,
			"check_option", types.Varchar, "is_updatable", yesOrNo, "is_insertable_into", yesOrNo,
			"is_trigger_updatable", yesOrNo, "is_trigger_deletable", yesOrNo, "is_trigger_insertable_into", yesOrNo),
		t(catalog.SchemaInformation, 13386, "sequences", infoSequences,
			"sequence_catalog", types.Name, "sequence_schema", types.Name, "sequence_name", types.Name, "data_type", types.Varchar,
			"numeric_precision", types.Int4, "numeric_precision_radix", types.Int4, "numeric_scale", types.Int4,
			"start_value", types.Varchar, "minimum_value", types.Varchar, "maximum_value", types.Varchar, "increment", types.Varchar,
			"cycle_option", yesOrNo),
	}...)
}

// byName lets rows name the columns that are not NULL.
func (v *virtualTable) byName(rows viewRows) {
	at := make(map[string]int, len(v.cols))
	for i, c := range v.cols {
		at[c.name] = i
	}
	v.rows = func(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
		return rows(s, func(vals fields) error {
			row := make([]types.Datum, len(v.cols)) // NULLs
			for name, d := range vals {
				row[at[name]] = d
			}
			return yield(row)
		})
	}
}

// isView says whether a virtual table is a view in PostgreSQL, or one of ours.
func isView(t *catalog.Table) bool {
	return t.View != nil || t.Virtual && (t.Schema != catalog.SchemaPgCatalog || t.ID >= 12000 && t.ID < 13000)
}

// fields are the columns of a view's row that are not NULL.
type fields = map[string]types.Datum

type viewRows = func(s *Session, yield func(fields) error) error

func noViewRows(*Session, func(fields) error) error { return nil }

func dYes(yes bool) types.Datum {
	if yes {
		return dText("YES")
	}
	return dText("NO")
}

// eachTable calls f with every table, or only with those that users made.
func eachTable(s *Session, virtual bool, f func(t *catalog.Table) error) error {
	for _, t := range s.tx.snap.Tables() {
		if t.Virtual && !virtual {
			continue
		}
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

func pgSettings(s *Session, yield func(fields) error) error {
	kinds := map[settingKind]string{kindString: "string", kindBool: "bool", kindInt: "integer", kindReal: "real", kindMillis: "integer", kindEnum: "enum", kindKBytes: "integer"}
	units := map[settingKind]string{kindMillis: "ms", kindKBytes: "kB"}
	for _, name := range s.settings.names() {
		d := s.settings.defs[lower(name)]
		val, ok := s.settings.get(name)
		if _, shown := units[d.kind]; !shown {
			val, ok = s.setting(name) // some are known to the session only
		}
		if !ok {
			continue
		}
		context, source := "user", "default"
		if d.readOnly {
			context = "internal"
		} else if val != d.def {
			source = "session"
		}
		row := fields{"name": dText(d.name), "setting": dText(val), "category": dText("Ungrouped"), "short_desc": dText(""), "context": dText(context),
			"vartype": dText(kinds[d.kind]), "source": dText(source), "boot_val": dText(d.def), "reset_val": dText(s.settings.resetValue(lower(name))),
			"pending_restart": dBool(false)}
		if u := units[d.kind]; u != "" {
			row["unit"] = dText(u)
		}
		if len(d.values) > 0 {
			vals := make([]types.Datum, len(d.values))
			for i, v := range d.values {
				vals[i] = dText(v)
			}
			row["enumvals"] = types.NewArray(types.NewArrayOf(types.Text, vals))
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func pgTables(s *Session, yield func(fields) error) error {
	return eachTable(s, true, func(t *catalog.Table) error {
		if isView(t) || !t.IsTable() {
			return nil
		}
		return yield(fields{"schemaname": dText(t.SchemaName), "tablename": dText(t.Name), "tableowner": s.ownerName(t.OwnerID()),
			"hasindexes": dBool(hasIndexes(t)), "hasrules": dBool(false), "hastriggers": dBool(false), "rowsecurity": dBool(false)})
	})
}

// hasIndexes leaves out the hidden index of a table without primary key.
func hasIndexes(t *catalog.Table) bool {
	for i := range t.Indexes {
		if t.Indexes[i].ID != 0 {
			return true
		}
	}
	return false
}

func pgIndexes(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ID == 0 {
				continue
			}
			err := yield(fields{"schemaname": dText(t.SchemaName), "tablename": dText(t.Name), "indexname": dText(ix.Name),
				"indexdef": s.indexDef(s.tx.snap, []types.Datum{dOID(ix.ID)})})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func pgTablespace(_ *Session, yield func(fields) error) error {
	if err := yield(fields{"oid": dOID(1663), "spcname": dText("pg_default"), "spcowner": dOID(ownerOID)}); err != nil {
		return err
	}
	return yield(fields{"oid": dOID(1664), "spcname": dText("pg_global"), "spcowner": dOID(ownerOID)})
}
