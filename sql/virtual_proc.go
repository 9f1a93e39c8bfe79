package sql

import (
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

const langInternal types.OID = 12

// procTables are about the functions that are built in; nobody can make others.
func procTables(t func(catalog.ID, types.OID, string, viewRows, ...any) *virtualTable) []*virtualTable {
	return []*virtualTable{
		t(catalog.SchemaPgCatalog, 1255, "pg_proc", pgProc,
			"oid", types.Oid, "proname", types.Name, "pronamespace", types.Oid, "proowner", types.Oid, "prolang", types.Oid, "procost", types.Float4,
			"prorows", types.Float4, "provariadic", types.Oid, "prosupport", types.RegProc, "prokind", types.Char, "prosecdef", types.Bool,
			"proleakproof", types.Bool, "proisstrict", types.Bool, "proretset", types.Bool, "provolatile", types.Char, "proparallel", types.Char,
			"pronargs", types.Int2, "pronargdefaults", types.Int2, "prorettype", types.Oid, "proargtypes", types.OidVector,
			"proallargtypes", types.OidArray, "proargmodes", types.CharArray, "proargnames", types.TextArray, "proargdefaults", types.PgNodeTree,
			"protrftypes", types.OidArray, "prosrc", types.Text, "probin", types.Text, "prosqlbody", types.PgNodeTree, "proconfig", types.TextArray,
			"proacl", types.AclItemArray),
		t(catalog.SchemaPgCatalog, 2612, "pg_language", pgLanguage,
			"oid", types.Oid, "lanname", types.Name, "lanowner", types.Oid, "lanispl", types.Bool, "lanpltrusted", types.Bool,
			"lanplcallfoid", types.Oid, "laninline", types.Oid, "lanvalidator", types.Oid, "lanacl", types.AclItemArray),
	}
}

func pgLanguage(_ *Session, yield func(fields) error) error {
	return yield(fields{"oid": dOID(langInternal), "lanname": dText("internal"), "lanowner": dOID(ownerOID), "lanispl": dBool(false),
		"lanpltrusted": dBool(false), "lanplcallfoid": dOID(0), "laninline": dOID(0), "lanvalidator": dOID(2246)})
}

func pgProc(s *Session, yield func(fields) error) error {
	for _, f := range s.e.exprs.Funcs() {
		args := make([]int64, len(f.Args))
		for i, a := range f.Args {
			args[i] = int64(a)
		}
		kind, set := byte('f'), false
		switch f.Kind {
		case expr.FuncAggregate:
			kind = 'a'
		case expr.FuncSet:
			set = true
		}
		volatility := byte('i')
		switch f.Volatility {
		case expr.Stable:
			volatility = 's'
		case expr.Volatile:
			volatility = 'v'
		}
		variadic := types.OID(0)
		if f.Variadic && len(f.Args) > 0 {
			last := types.Of(f.Args[len(f.Args)-1])
			if variadic = last.OID; last.IsArray() {
				variadic = last.Elem().OID
			}
		}
		row := fields{"oid": dOID(f.OID), "proname": dText(f.Name), "pronamespace": dOID(catalog.SchemaPgCatalog), "proowner": dOID(ownerOID),
			"prolang": dOID(langInternal), "procost": types.NewFloat(1), "prorows": types.NewFloat(0), "provariadic": dOID(variadic),
			"prosupport": dOID(0), "prokind": dChar(kind), "prosecdef": dBool(false), "proleakproof": dBool(false), "proisstrict": dBool(f.Strict),
			"proretset": dBool(set), "provolatile": dChar(volatility), "proparallel": dChar('s'), "pronargs": dInt(int64(len(f.Args))),
			"pronargdefaults": dInt(int64(f.Defaults)), "prorettype": dOID(f.Result), "proargtypes": dVector(types.Oid, args), "prosrc": dText(f.Name)}
		if f.Kind == expr.FuncWindow {
			row["prokind"] = dChar('w')
		}
		if set {
			row["prorows"] = types.NewFloat(1000)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return pgProcIO(s, yield)
}

// functionArguments is pg_get_function_arguments.
func (s *Session) functionArguments(oid types.OID) types.Datum {
	f, ok := s.e.exprs.FuncByOID(oid)
	if !ok {
		return types.Null
	}
	names := make([]string, len(f.Args))
	for i, a := range f.Args {
		names[i] = types.Of(a).String()
		if f.Variadic && i == len(f.Args)-1 {
			names[i] = "VARIADIC " + names[i]
		}
	}
	return dText(strings.Join(names, ", "))
}

// functionResult is pg_get_function_result.
func (s *Session) functionResult(oid types.OID) types.Datum {
	f, ok := s.e.exprs.FuncByOID(oid)
	if !ok {
		return types.Null
	}
	t := types.Of(f.Result).String()
	if f.Kind == expr.FuncSet {
		t = "SETOF " + t
	}
	return dText(t)
}
