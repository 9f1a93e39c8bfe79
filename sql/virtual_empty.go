package sql

import (
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// emptyTables are tables of pg_catalog about things that cannot exist yet. Clients
// join them; they have PostgreSQL's columns and no rows.
func emptyTables() []*virtualTable {
	t := func(oid types.OID, name string, cols ...any) *virtualTable {
		return &virtualTable{schema: catalog.SchemaPgCatalog, oid: oid, name: name, rows: none, cols: columns(cols...)}
	}
	return []*virtualTable{
		t(2620, "pg_trigger", "oid", types.Oid, "tgrelid", types.Oid, "tgparentid", types.Oid, "tgname", types.Name, "tgfoid", types.Oid,
			"tgtype", types.Int2, "tgenabled", types.Char, "tgisinternal", types.Bool, "tgconstrrelid", types.Oid, "tgconstrindid", types.Oid,
			"tgconstraint", types.Oid, "tgdeferrable", types.Bool, "tginitdeferred", types.Bool, "tgnargs", types.Int2, "tgattr", types.Int2Vector,
			"tgargs", types.Bytea, "tgqual", types.PgNodeTree, "tgoldtable", types.Name, "tgnewtable", types.Name),
		t(3256, "pg_policy", "oid", types.Oid, "polname", types.Name, "polrelid", types.Oid, "polcmd", types.Char, "polpermissive", types.Bool,
			"polroles", types.OidArray, "polqual", types.PgNodeTree, "polwithcheck", types.PgNodeTree),
		t(3381, "pg_statistic_ext", "oid", types.Oid, "stxrelid", types.Oid, "stxname", types.Name, "stxnamespace", types.Oid,
			"stxowner", types.Oid, "stxstattarget", types.Int4, "stxkeys", types.Int2Vector, "stxkind", types.CharArray, "stxexprs", types.PgNodeTree),
		t(6104, "pg_publication", "oid", types.Oid, "pubname", types.Name, "pubowner", types.Oid, "puballtables", types.Bool, "pubinsert", types.Bool,
			"pubupdate", types.Bool, "pubdelete", types.Bool, "pubtruncate", types.Bool, "pubviaroot", types.Bool),
		t(6106, "pg_publication_rel", "oid", types.Oid, "prpubid", types.Oid, "prrelid", types.Oid, "prqual", types.PgNodeTree,
			"prattrs", types.Int2Vector),
		t(6237, "pg_publication_namespace", "oid", types.Oid, "pnpubid", types.Oid, "pnnspid", types.Oid),
		t(3541, "pg_range", "rngtypid", types.Oid, "rngsubtype", types.Oid, "rngmultitypid", types.Oid, "rngcollation", types.Oid,
			"rngsubopc", types.Oid, "rngcanonical", types.RegProc, "rngsubdiff", types.RegProc),
		t(3118, "pg_foreign_table", "ftrelid", types.Oid, "ftserver", types.Oid, "ftoptions", types.TextArray),
		t(1417, "pg_foreign_server", "oid", types.Oid, "srvname", types.Name, "srvowner", types.Oid, "srvfdw", types.Oid, "srvtype", types.Text,
			"srvversion", types.Text, "srvacl", types.AclItemArray, "srvoptions", types.TextArray),
	}
}
