package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// ownerOID is the one role that there is; PostgreSQL's bootstrap superuser.
const ownerOID types.OID = 10

// virtualTable is a table whose rows a function makes. Its columns are those of
// PostgreSQL's table of that name, in the same order, because clients read them
// with SELECT * too.
type virtualTable struct {
	schema catalog.ID
	oid    types.OID
	name   string
	cols   []virtualColumn
	// key is the name of the column that is unique ("" for none): grouping by it is
	// enough.
	key string
	// rows calls yield with a full row each. eq has the values that columns are
	// compared with: rows with others may be left out. The row is not kept.
	rows func(ctx context.Context, s *Session, eq map[int]types.Datum, yield func([]types.Datum) error) error
}

type virtualColumn struct {
	name string
	typ  types.Type
}

// descriptor describes the table for the catalogue.
func (v *virtualTable) descriptor() *catalog.Table {
	t := &catalog.Table{ID: v.oid, Schema: v.schema, Name: v.name, Virtual: true}
	for i, c := range v.cols {
		t.Columns = append(t.Columns, catalog.Column{ID: int16(i + 1), Name: c.name, Type: c.typ, NotNull: c.name == v.key})
		if c.name == v.key {
			t.Indexes = []catalog.Index{{Number: 1, ConstraintID: 1, Full: true, Unique: true, Columns: []catalog.IndexColumn{{Column: int16(i + 1)}}}}
		}
	}
	t.NextColumn = int16(len(v.cols) + 1)
	return t
}

// none is the rows of a table that is always empty.
func none(context.Context, *Session, map[int]types.Datum, func([]types.Datum) error) error {
	return nil
}

// Short forms for the rows below.
func dText(s string) types.Datum   { return types.NewString(s) }
func dBool(b bool) types.Datum     { return types.NewBool(b) }
func dInt(n int64) types.Datum     { return types.NewInt(n) }
func dOID(o types.OID) types.Datum { return types.NewOID(o) }
func dChar(c byte) types.Datum {
	if c == 0 {
		return types.NewString("")
	}
	return types.NewString(string(rune(c)))
}
func dVector(elem types.Type, vals []int64) types.Datum {
	e := make([]types.Datum, len(vals))
	for i, v := range vals {
		e[i] = types.NewInt(v)
	}
	return types.NewArray(types.NewVector(elem, e))
}

// columns builds a column list from name, type pairs.
func columns(list ...any) []virtualColumn {
	var out []virtualColumn
	for i := 0; i < len(list); i += 2 {
		out = append(out, virtualColumn{list[i].(string), list[i+1].(types.Type)})
	}
	return out
}

// virtualTables lists all virtual tables.
func virtualTables() []*virtualTable {
	aclArray := types.AclItemArray
	return withRelations(append(append(append(emptyTables(), viewTables()...), statsTables()...), []*virtualTable{
		{schema: catalog.SchemaPgCatalog, oid: 2615, name: "pg_namespace", key: "oid", rows: pgNamespace,
			cols: columns("oid", types.Oid, "nspname", types.Name, "nspowner", types.Oid, "nspacl", aclArray)},
		{schema: catalog.SchemaPgCatalog, oid: 1259, name: "pg_class", key: "oid", rows: pgClass,
			cols: columns("oid", types.Oid, "relname", types.Name, "relnamespace", types.Oid, "reltype", types.Oid, "reloftype", types.Oid,
				"relowner", types.Oid, "relam", types.Oid, "relfilenode", types.Oid, "reltablespace", types.Oid, "relpages", types.Int4,
				"reltuples", types.Float4, "relallvisible", types.Int4, "reltoastrelid", types.Oid, "relhasindex", types.Bool,
				"relisshared", types.Bool, "relpersistence", types.Char, "relkind", types.Char, "relnatts", types.Int2, "relchecks", types.Int2,
				"relhasrules", types.Bool, "relhastriggers", types.Bool, "relhassubclass", types.Bool, "relrowsecurity", types.Bool,
				"relforcerowsecurity", types.Bool, "relispopulated", types.Bool, "relreplident", types.Char, "relispartition", types.Bool,
				"relrewrite", types.Oid, "relfrozenxid", types.Xid, "relminmxid", types.Xid, "relacl", aclArray, "reloptions", types.TextArray,
				"relpartbound", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 1249, name: "pg_attribute", rows: pgAttribute,
			cols: columns("attrelid", types.Oid, "attname", types.Name, "atttypid", types.Oid, "attstattarget", types.Int4, "attlen", types.Int2,
				"attnum", types.Int2, "attndims", types.Int4, "attcacheoff", types.Int4, "atttypmod", types.Int4, "attbyval", types.Bool,
				"attalign", types.Char, "attstorage", types.Char, "attcompression", types.Char, "attnotnull", types.Bool, "atthasdef", types.Bool,
				"atthasmissing", types.Bool, "attidentity", types.Char, "attgenerated", types.Char, "attisdropped", types.Bool,
				"attislocal", types.Bool, "attinhcount", types.Int4, "attcollation", types.Oid, "attacl", aclArray, "attoptions", types.TextArray,
				"attfdwoptions", types.TextArray, "attmissingval", types.TextArray)},
		{schema: catalog.SchemaPgCatalog, oid: 1247, name: "pg_type", key: "oid", rows: pgType,
			cols: columns("oid", types.Oid, "typname", types.Name, "typnamespace", types.Oid, "typowner", types.Oid, "typlen", types.Int2,
				"typbyval", types.Bool, "typtype", types.Char, "typcategory", types.Char, "typispreferred", types.Bool, "typisdefined", types.Bool,
				"typdelim", types.Char, "typrelid", types.Oid, "typsubscript", types.RegProc, "typelem", types.Oid, "typarray", types.Oid,
				"typinput", types.RegProc, "typoutput", types.RegProc, "typreceive", types.RegProc, "typsend", types.RegProc,
				"typmodin", types.RegProc, "typmodout", types.RegProc, "typanalyze", types.RegProc, "typalign", types.Char,
				"typstorage", types.Char, "typnotnull", types.Bool, "typbasetype", types.Oid, "typtypmod", types.Int4, "typndims", types.Int4,
				"typcollation", types.Oid, "typdefaultbin", types.PgNodeTree, "typdefault", types.Text, "typacl", aclArray)},
		{schema: catalog.SchemaPgCatalog, oid: 2610, name: "pg_index", key: "indexrelid", rows: pgIndex,
			cols: columns("indexrelid", types.Oid, "indrelid", types.Oid, "indnatts", types.Int2, "indnkeyatts", types.Int2,
				"indisunique", types.Bool, "indnullsnotdistinct", types.Bool, "indisprimary", types.Bool, "indisexclusion", types.Bool,
				"indimmediate", types.Bool, "indisclustered", types.Bool, "indisvalid", types.Bool, "indcheckxmin", types.Bool,
				"indisready", types.Bool, "indislive", types.Bool, "indisreplident", types.Bool, "indkey", types.Int2Vector,
				"indcollation", types.OidVector, "indclass", types.OidVector, "indoption", types.Int2Vector,
				"indexprs", types.PgNodeTree, "indpred", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 1262, name: "pg_database", key: "oid", rows: pgDatabase,
			cols: columns("oid", types.Oid, "datname", types.Name, "datdba", types.Oid, "encoding", types.Int4, "datlocprovider", types.Char,
				"datistemplate", types.Bool, "datallowconn", types.Bool, "datconnlimit", types.Int4, "datfrozenxid", types.Xid,
				"datminmxid", types.Xid, "dattablespace", types.Oid, "datcollate", types.Text, "datctype", types.Text, "daticulocale", types.Text,
				"datcollversion", types.Text, "datacl", aclArray)},
		{schema: catalog.SchemaPgCatalog, oid: 12000, name: "pg_roles", key: "oid", rows: pgRoles,
			cols: columns("rolname", types.Name, "rolsuper", types.Bool, "rolinherit", types.Bool, "rolcreaterole", types.Bool,
				"rolcreatedb", types.Bool, "rolcanlogin", types.Bool, "rolreplication", types.Bool, "rolconnlimit", types.Int4,
				"rolpassword", types.Text, "rolvaliduntil", types.Timestamptz, "rolbypassrls", types.Bool, "rolconfig", types.TextArray,
				"oid", types.Oid)},
		{schema: catalog.SchemaPgCatalog, oid: 2611, name: "pg_inherits", rows: none,
			cols: columns("inhrelid", types.Oid, "inhparent", types.Oid, "inhseqno", types.Int4, "inhdetachpending", types.Bool)},
		{schema: catalog.SchemaPgCatalog, oid: 3350, name: "pg_partitioned_table", key: "partrelid", rows: none,
			cols: columns("partrelid", types.Oid, "partstrat", types.Char, "partnatts", types.Int2, "partdefid", types.Oid,
				"partattrs", types.Int2Vector, "partclass", types.OidVector, "partcollation", types.OidVector, "partexprs", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 2606, name: "pg_constraint", key: "oid", rows: pgConstraint,
			cols: columns("oid", types.Oid, "conname", types.Name, "connamespace", types.Oid, "contype", types.Char, "condeferrable", types.Bool,
				"condeferred", types.Bool, "convalidated", types.Bool, "conrelid", types.Oid, "contypid", types.Oid, "conindid", types.Oid,
				"conparentid", types.Oid, "confrelid", types.Oid, "confupdtype", types.Char, "confdeltype", types.Char, "confmatchtype", types.Char,
				"conislocal", types.Bool, "coninhcount", types.Int4, "connoinherit", types.Bool, "conkey", types.Int2Array,
				"confkey", types.Int2Array, "conpfeqop", types.OidArray, "conppeqop", types.OidArray, "conffeqop", types.OidArray,
				"confdelsetcols", types.Int2Array, "conexclop", types.OidArray, "conbin", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 2604, name: "pg_attrdef", key: "oid", rows: pgAttrdef,
			cols: columns("oid", types.Oid, "adrelid", types.Oid, "adnum", types.Int2, "adbin", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 2224, name: "pg_sequence", key: "seqrelid", rows: pgSequence,
			cols: columns("seqrelid", types.Oid, "seqtypid", types.Oid, "seqstart", types.Int8, "seqincrement", types.Int8,
				"seqmax", types.Int8, "seqmin", types.Int8, "seqcache", types.Int8, "seqcycle", types.Bool)},
		{schema: catalog.SchemaPgCatalog, oid: 3079, name: "pg_extension", key: "oid", rows: pgExtension,
			cols: columns("oid", types.Oid, "extname", types.Name, "extowner", types.Oid, "extnamespace", types.Oid,
				"extrelocatable", types.Bool, "extversion", types.Text, "extconfig", types.OidArray, "extcondition", types.TextArray)},
		{schema: catalog.SchemaPgCatalog, oid: 2618, name: "pg_rewrite", key: "oid", rows: pgRewrite,
			cols: columns("oid", types.Oid, "rulename", types.Name, "ev_class", types.Oid, "ev_type", types.Char, "ev_enabled", types.Char,
				"is_instead", types.Bool, "ev_qual", types.PgNodeTree, "ev_action", types.PgNodeTree)},
		{schema: catalog.SchemaPgCatalog, oid: 2608, name: "pg_depend", rows: pgDepend,
			cols: columns("classid", types.Oid, "objid", types.Oid, "objsubid", types.Int4, "refclassid", types.Oid, "refobjid", types.Oid,
				"refobjsubid", types.Int4, "deptype", types.Char)},
		{schema: catalog.SchemaPgCatalog, oid: 2601, name: "pg_am", key: "oid", rows: pgAm,
			cols: columns("oid", types.Oid, "amname", types.Name, "amhandler", types.RegProc, "amtype", types.Char)},
		{schema: catalog.SchemaQuorate, oid: 13901, name: "nodes", key: "id", rows: quorateNodes,
			cols: columns("id", types.Int8, "sql_addr", types.Text, "rpc_addr", types.Text, "state", types.Text, "version", types.Text,
				"started", types.Timestamptz, "replicas", types.Int8, "leaders", types.Int8)},
		{schema: catalog.SchemaQuorate, oid: 13902, name: "regions", key: "id", rows: quorateRegions,
			cols: columns("id", types.Int8, "start_key", types.Bytea, "end_key", types.Bytea, "conf_ver", types.Int8, "version", types.Int8,
				"leader_node", types.Int8, "leader_store", types.Int8, "peers", types.Int8Array, "size_bytes", types.Int8, "tables", types.TextArray)},
		{schema: catalog.SchemaQuorate, oid: 13915, name: "settings", key: "name", rows: quorateSettings,
			cols: columns("name", types.Text, "value", types.Text, "type", types.Text, "default_value", types.Text, "min", types.Text, "max", types.Text,
				"is_set", types.Bool, "about", types.Text)},
		{schema: catalog.SchemaQuorate, oid: 13913, name: "locks", rows: quorateLocks,
			cols: columns("txn", types.Int8, "node_id", types.Int8, "pid", types.Int4, "table_name", types.Text, "key", types.Text, "mode", types.Text,
				"granted", types.Bool, "waited_ms", types.Int8, "blocked_by", types.Int8Array, "blocked_by_pids", types.Int4Array,
				"statement", types.Text)},
		{schema: catalog.SchemaQuorate, oid: 13914, name: "transactions", key: "txn", rows: quorateTransactions,
			cols: columns("txn", types.Int8, "node_id", types.Int8, "pid", types.Int4, "started", types.Timestamptz, "locks", types.Int8,
				"waits", types.Int8, "blocked_by", types.Int8Array, "statement", types.Text)},
		{schema: catalog.SchemaPgCatalog, oid: 12073, name: "pg_locks", rows: pgLocks,
			cols: columns("locktype", types.Text, "database", types.Oid, "relation", types.Oid, "page", types.Int4, "tuple", types.Int2,
				"virtualxid", types.Text, "transactionid", types.Xid, "classid", types.Oid, "objid", types.Oid, "objsubid", types.Int2,
				"virtualtransaction", types.Text, "pid", types.Int4, "mode", types.Text, "granted", types.Bool, "fastpath", types.Bool,
				"waitstart", types.Timestamptz)},
	}...))
}
