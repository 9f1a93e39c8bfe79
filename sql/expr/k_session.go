package expr

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// systemFuncs are the functions that SystemInfo.Call answers, by name; every
// overload of PostgreSQL's whose types are built is declared.
const systemFuncs = `
pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_operator_is_visible pg_opclass_is_visible
pg_opfamily_is_visible pg_collation_is_visible pg_conversion_is_visible pg_statistics_obj_is_visible
pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
pg_get_expr pg_get_indexdef pg_get_constraintdef pg_get_viewdef pg_get_userbyid pg_get_serial_sequence
pg_get_triggerdef pg_get_ruledef pg_get_partkeydef pg_get_functiondef pg_get_function_arguments
pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody pg_get_statisticsobjdef
pg_get_statisticsobjdef_columns pg_index_column_has_property pg_relation_is_publishable
obj_description col_description shobj_description
pg_relation_size pg_table_size pg_total_relation_size pg_indexes_size pg_database_size pg_tablespace_location
has_table_privilege has_schema_privilege has_database_privilege has_column_privilege has_any_column_privilege
has_sequence_privilege has_function_privilege has_type_privilege has_language_privilege pg_has_role acldefault
to_regclass to_regtype to_regproc to_regnamespace to_regrole to_regprocedure to_regoper to_regoperator to_regcollation
nextval currval setval lastval
pg_advisory_xact_lock_shared pg_try_advisory_xact_lock_shared
pg_advisory_lock pg_advisory_unlock pg_advisory_unlock_all pg_try_advisory_lock pg_advisory_xact_lock
pg_try_advisory_xact_lock pg_advisory_lock_shared pg_advisory_unlock_shared pg_try_advisory_lock_shared
pg_cancel_backend pg_terminate_backend pg_notify pg_is_in_recovery pg_postmaster_start_time pg_conf_load_time
pg_stat_get_numscans pg_my_temp_schema pg_is_other_temp_schema pg_export_snapshot
pg_relation_filenode pg_relation_is_updatable pg_column_is_updatable current_query
inet_client_port inet_server_port pg_blocking_pids row_security_active pg_current_xact_id_if_assigned`

func (k kernels) session() {
	sys := func(sigs string, f func(ctx *EvalContext, s SystemInfo, a []datum) (datum, error)) {
		k.fn(sigs, func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
			if ctx.System == nil {
				return types.Null, sqlerr.Unsupported("function %s", sigs[:strings.IndexByte(sigs, '(')])
			}
			return f(ctx, ctx.System, a)
		})
	}
	sys("current_user()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) { return str(s.CurrentUser()) })
	sys("session_user()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) { return str(s.SessionUser()) })
	sys("current_database()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) { return str(s.CurrentDatabase()) })
	sys("current_schema()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) {
		if p := s.SearchPath(false); len(p) > 0 {
			return str(p[0])
		}
		return types.Null, nil
	})
	sys("current_schemas(bool)", func(_ *EvalContext, s SystemInfo, a []datum) (datum, error) {
		var out []datum
		for _, n := range s.SearchPath(a[0].Bool()) {
			out = append(out, types.NewString(n))
		}
		return types.NewArray(types.NewArrayOf(types.Name, out)), nil
	})
	sys("version()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) { return str(s.Version()) })
	sys("pg_backend_pid()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) {
		return types.NewInt(int64(s.BackendPID())), nil
	})
	setting := func(_ *EvalContext, s SystemInfo, a []datum) (datum, error) {
		if v, ok := s.Setting(a[0].Str()); ok {
			return str(v)
		}
		if len(a) == 2 && a[1].Bool() {
			return types.Null, nil
		}
		return types.Null, sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", a[0].Str())
	}
	sys("current_setting(text) current_setting(text,bool)", setting)
	sys("set_config(text,text,bool)", func(_ *EvalContext, s SystemInfo, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "SET requires parameter name")
		}
		// A NULL value means the default, an empty text here.
		v, err := s.SetSetting(a[0].Str(), a[1].Str(), a[2].Bool())
		if err != nil {
			return types.Null, err
		}
		return str(v)
	})
	sys("txid_current()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) {
		id, _, err := s.TransactionID(true)
		return types.NewInt(int64(id)), err
	})
	sys("txid_current_if_assigned()", func(_ *EvalContext, s SystemInfo, _ []datum) (datum, error) {
		id, ok, err := s.TransactionID(false)
		if err != nil || !ok {
			return types.Null, err
		}
		return types.NewInt(int64(id)), nil
	})

	k.fn("format_type(oid,int4)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		t := types.Of(a[0].OID())
		if _, ok := types.Lookup(t.OID); !ok && ctx.format() != nil && ctx.format().Names != nil {
			if name, ok := ctx.Format.Names.ObjectName(types.OIDRegType, t.OID); ok {
				return str(name)
			}
		}
		if !a[1].IsNull() && a[1].Int() >= 0 {
			t = t.WithTypmod(int32(a[1].Int()))
		} else if t.OID == types.OIDBpchar && !a[1].IsNull() {
			// With a modifier that says nothing the name must not mean char(1).
			return str("bpchar")
		}
		return str(t.String())
	})
	k.fn("pg_typeof(any)", func(_ *EvalContext, sig *Signature, _ []datum) (datum, error) {
		return types.NewOID(sig.Args[0].OID), nil
	})
	encoding := func(n int64) string {
		switch n {
		case 0:
			return "SQL_ASCII"
		case 6:
			return "UTF8"
		}
		return ""
	}
	k.f1("pg_encoding_to_char(int4)", func(_ *EvalContext, a datum) (datum, error) { return str(encoding(a.Int())) })
	k.f1("pg_char_to_encoding(name)", func(_ *EvalContext, a datum) (datum, error) {
		switch strings.ToUpper(strings.ReplaceAll(a.Str(), "-", "")) {
		case "UTF8", "UNICODE":
			return types.NewInt(6), nil
		case "SQL_ASCII":
			return types.NewInt(0), nil
		}
		return types.NewInt(-1), nil
	})
	k.fn("pg_client_encoding() getdatabaseencoding()", func(*EvalContext, *Signature, []datum) (datum, error) { return str("UTF8") })
	k.f1("pg_size_pretty(int8)", func(_ *EvalContext, a datum) (datum, error) { return str(sizePretty(a.Int())) })
	k.fn("num_nulls(any)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		n := 0
		for _, x := range a {
			if x.IsNull() {
				n++
			}
		}
		return types.NewInt(int64(n)), nil
	})
	k.fn("num_nonnulls(any)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		n := 0
		for _, x := range a {
			if !x.IsNull() {
				n++
			}
		}
		return types.NewInt(int64(n)), nil
	})
}

// sizePretty writes bytes with the unit that leaves fewer than 10,240 of it.
func sizePretty(n int64) string {
	abs := func(x int64) int64 {
		if x < 0 {
			return -x
		}
		return x
	}
	if abs(n) < 10*1024 && n != -1<<63 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	// Each step keeps one bit more than it shows, to round by.
	half := func(x int64) int64 {
		if x < 0 {
			return (x - 1) / 2
		}
		return (x + 1) / 2
	}
	n /= 1 << 9
	units := []string{"kB", "MB", "GB", "TB", "PB"}
	for i, u := range units {
		if abs(n) < 20*1024-1 || i == len(units)-1 {
			return strconv.FormatInt(half(n), 10) + " " + u
		}
		n /= 1 << 10
	}
	return ""
}
