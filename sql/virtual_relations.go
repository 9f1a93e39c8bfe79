package sql

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// relationsText describes relations of PostgreSQL 15, one a line: OID, name, and
// the columns with their types in the order in which SELECT * gives them.
//
//go:embed virtual_relations.txt
var relationsText string

// relationRows has the functions that fill relations of relationsText. Those
// without one are about things that cannot exist here (large objects, foreign
// tables, publications …) or that the server has no need to list (operator
// families, text search): clients join them and find no rows.
func relationRows() map[string]viewRows {
	return map[string]viewRows{
		"pg_operator":            pgOperator,
		"pg_cast":                pgCast,
		"pg_opclass":             pgOpclass,
		"pg_collation":           pgCollation,
		"pg_description":         pgDescription,
		"pg_prepared_statements": pgPreparedStatements,
		"pg_cursors":             pgCursors,
		"pg_enum":                pgEnum,
		"domains":                infoDomains,
		"domain_constraints":     infoDomainConstraints,
		"domain_udt_usage":       infoDomainUDT,
		"column_domain_usage":    infoColumnDomains,
		"user_defined_types":     infoUserTypes,
		"attributes":             infoAttributes,
		"pg_stat_activity":       pgStatActivity,
		"pg_stat_user_tables":    pgStatUserTables,
		"pg_stat_all_tables":     pgStatAllTables,
		"pg_stat_user_indexes":   pgStatUserIndexes,
		"pg_authid":              pgAuthid,
		"pg_auth_members":        pgAuthMembers,
		"pg_shadow":              pgShadow,
		"pg_group":               pgGroup,
		"pg_default_acl":         pgDefaultACL,
		"pg_init_privs":          pgInitPrivs,
		"pg_db_role_setting":     pgDBRoleSetting,
		"table_privileges":       infoTablePrivileges,
		"role_table_grants":      notPublic(infoTablePrivileges),
		"column_privileges":      infoColumnPrivileges,
		"role_column_grants":     notPublic(infoColumnPrivileges),
		"usage_privileges":       infoUsagePrivileges,
		"role_usage_grants":      notPublic(infoUsagePrivileges),
		"applicable_roles":       infoApplicableRoles,
		"information_schema_catalog_name": func(s *Session, yield func(fields) error) error {
			return yield(fields{"catalog_name": dText(s.database())})
		},
		"enabled_roles": infoEnabledRoles,
		"administrable_role_authorizations": func(s *Session, yield func(fields) error) error {
			return infoApplicableRoles(s, func(row fields) error {
				if row["is_grantable"].Str() == "NO" {
					return nil
				}
				return yield(row)
			})
		},
	}
}

// withRelations adds the relations of relationsText that are not in list.
func withRelations(list []*virtualTable) []*virtualTable {
	have := make(map[types.OID]bool, len(list))
	for _, v := range list {
		have[v.oid] = true
	}
	rows := relationRows()
	for line := range strings.Lines(relationsText) {
		v := relation(strings.TrimSuffix(line, "\n"))
		if have[v.oid] {
			continue
		}
		if f := rows[v.name]; f != nil {
			v.byName(f)
		}
		list = append(list, v)
	}
	return list
}

// relation reads one line. A broken one is a mistake of the program, found by the
// first test that makes an engine.
func relation(line string) *virtualTable {
	head, cols, _ := strings.Cut(line, ": ")
	num, name, _ := strings.Cut(head, " ")
	oid, err := strconv.ParseUint(num, 10, 32)
	if err != nil {
		panic("virtual_relations.txt: " + line)
	}
	v := &virtualTable{schema: catalog.SchemaPgCatalog, oid: types.OID(oid), name: name, rows: none}
	if bare, ok := strings.CutPrefix(name, "information_schema."); ok {
		v.schema, v.name = catalog.SchemaInformation, bare
	}
	for _, c := range strings.Split(cols, ",") {
		name, typ, _ := strings.Cut(c, " ")
		v.cols = append(v.cols, virtualColumn{name, builtType(typ)})
	}
	if v.cols[0].name == "oid" {
		v.key = "oid"
	}
	return v
}

// builtType returns the type of that name, text in the place of one that is not
// built.
func builtType(name string) types.Type {
	if strings.HasSuffix(name, ")") {
		if t, err := types.ParseType(name); err == nil {
			return t
		}
	}
	if info, ok := types.LookupName(name); ok && types.Of(info.OID).IsBuilt() {
		return types.Of(info.OID)
	}
	if strings.HasPrefix(name, "_") {
		return types.TextArray
	}
	return types.Text
}
