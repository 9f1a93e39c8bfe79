package sql

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// systemInfo answers what functions ask of the session and the catalogue.
type systemInfo struct{ s *Session }

func (i systemInfo) CurrentUser() string     { return i.s.user() }
func (i systemInfo) SessionUser() string     { return i.s.sessionUser() }
func (i systemInfo) CurrentDatabase() string { return i.s.database() }

func (s *Session) database() string { return databaseName }

func (i systemInfo) SearchPath(implicit bool) []string {
	return i.s.path(i.s.snapshotForErrors(), implicit)
}

func (i systemInfo) Version() string {
	return "PostgreSQL " + serverVersion + " (Quorate " + i.s.e.version() + ")"
}

func (e *Engine) version() string {
	if e.o.Version == "" {
		return "development"
	}
	return e.o.Version
}

func (i systemInfo) Setting(name string) (string, bool) { return i.s.setting(name) }

func (i systemInfo) SetSetting(name, value string, local bool) (string, error) {
	if err := i.s.set(name, &value, local); err != nil {
		return "", err
	}
	v, _ := i.s.setting(name)
	return v, nil
}

func (i systemInfo) BackendPID() int32 { return int32(i.s.params.ProcessID) }

func (i systemInfo) TransactionID(assign bool) (uint64, bool, error) {
	if i.s.tx == nil || !assign && !i.s.tx.tx.HasWrites() {
		return 0, false, nil
	}
	return uint64(i.s.tx.tx.ReadTS()), true, nil
}

// Call evaluates the functions of the catalogue.
func (i systemInfo) Call(ctx *expr.EvalContext, name string, args []types.Datum) (types.Datum, error) {
	s := i.s
	if d, ok, err := s.advisoryCall(ctx, name, args); ok {
		return d, err
	}
	snap := s.snapshotForErrors()
	if snap == nil {
		return types.Null, sqlerr.Internal("function %s called outside of a transaction", name)
	}
	switch name {
	case "pg_table_is_visible":
		return s.relVisible(snap, args[0].OID()), nil
	case "pg_type_is_visible":
		if _, ok := snap.TypeByOID(args[0].OID()); !ok {
			return types.Null, nil
		}
		return types.NewBool(s.typeVisible(snap, args[0].OID())), nil
	case "pg_function_is_visible", "pg_operator_is_visible", "pg_opclass_is_visible", "pg_opfamily_is_visible",
		"pg_collation_is_visible", "pg_conversion_is_visible", "pg_ts_config_is_visible", "pg_statistics_obj_is_visible":
		return types.True, nil
	case "pg_cancel_backend":
		return s.signal(ctx.Ctx, args[0].Int(), false, 0)
	case "pg_terminate_backend":
		return s.signal(ctx.Ctx, args[0].Int(), true, time.Duration(args[1].Int())*time.Millisecond)
	case "pg_notify":
		return types.NewString(""), s.notify(ctx.Ctx, textOrEmpty(args[0]), textOrEmpty(args[1]))
	case "pg_listening_channels":
		var out []types.Datum
		for _, ch := range s.listeningChannels() {
			out = append(out, types.NewString(ch))
		}
		return types.NewArray(types.NewArrayOf(types.Text, out)), nil
	case "pg_relation_filenode":
		return relFilenode(snap, args[0].OID()), nil
	case "pg_relation_is_updatable":
		return dInt(int64(updatable(snap, args[0].OID()))), nil
	case "pg_column_is_updatable":
		return dBool(args[1].Int() > 0 && updatable(snap, args[0].OID()) != 0), nil
	case "current_query":
		s.mu.Lock()
		defer s.mu.Unlock()
		return types.NewString(s.mu.query), nil
	case "pg_my_temp_schema":
		if sc := snap.TempSchema(); sc != nil {
			return dOID(sc.ID), nil
		}
		return dOID(0), nil
	case "pg_is_other_temp_schema":
		return types.False, nil // no session sees another's
	case "pg_get_userbyid":
		if r := snap.Role(args[0].OID()); r != nil {
			return types.NewString(r.Name), nil
		}
		return types.NewString("unknown (OID=" + itoa(int(args[0].OID())) + ")"), nil
	case "pg_is_in_recovery":
		return types.False, nil
	case "obj_description", "col_description":
		return description(snap, name, args), nil
	case "shobj_description", "pg_get_partkeydef",
		"pg_get_ruledef", "pg_get_triggerdef", "pg_get_statisticsobjdef", "pg_get_statisticsobjdef_columns",
		"pg_tablespace_location", "pg_get_function_sqlbody":
		return types.Null, nil
	case "nextval", "currval", "setval", "lastval", "pg_sequence_last_value":
		return s.sequenceFunc(ctx.Ctx, snap, name, args)
	case "pg_get_viewdef":
		oid := args[0].OID()
		if args[0].Kind() == types.KindString {
			var err error
			if oid, err = (objectNames{s}).ObjectOID(types.OIDRegClass, args[0].Str()); err != nil {
				return types.Null, err
			}
		}
		return s.viewDef(snap, snap.Table(oid)), nil
	case "pg_get_serial_sequence":
		return s.serialSequence(snap, args[0].Str(), args[1].Str())
	case "pg_get_expr":
		// Expressions are kept as text; pretty leaves out the outer parentheses.
		if text := args[0]; len(args) > 2 && args[2].IsTrue() && !text.IsNull() && strings.HasPrefix(text.Str(), "(") && expr.Closing(text.Str()) == len(text.Str())-1 {
			return types.NewString(text.Str()[1 : len(text.Str())-1]), nil
		}
		return args[0], nil
	case "pg_get_indexdef":
		return s.indexDef(snap, args), nil
	case "pg_get_constraintdef":
		return s.constraintDef(snap, args[0].OID(), len(args) > 1 && args[1].IsTrue()), nil
	case "pg_get_function_arguments", "pg_get_function_identity_arguments":
		return s.functionArguments(args[0].OID()), nil
	case "pg_get_function_result":
		return s.functionResult(args[0].OID()), nil
	case "pg_encoding_to_char":
		if args[0].Int() == 6 {
			return types.NewString("UTF8"), nil
		}
		return types.NewString(""), nil
	case "pg_char_to_encoding":
		if strings.EqualFold(args[0].Str(), "utf8") {
			return types.NewInt(6), nil
		}
		return types.NewInt(-1), nil
	case "has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_column_privilege", "has_any_column_privilege",
		"has_function_privilege", "has_sequence_privilege", "has_type_privilege", "has_language_privilege", "has_tablespace_privilege", "pg_has_role":
		return s.privilegeFunc(ctx, name, args)
	case "acldefault":
		return s.defaultACL(args[0].Str(), args[1].OID())
	case "pg_relation_size", "pg_table_size", "pg_total_relation_size", "pg_indexes_size", "pg_database_size", "pg_tablespace_size":
		return types.NewInt(0), nil
	case "pg_relation_is_publishable":
		return types.False, nil
	case "to_regclass", "to_regtype", "to_regnamespace", "to_regrole", "to_regproc", "to_regprocedure", "to_regoper", "to_regoperator", "to_regcollation":
		info, _ := types.LookupName(strings.TrimPrefix(name, "to_"))
		d, err := types.DecodeText(args[0].Str(), types.Of(info.OID), ctx.Format)
		switch sqlerr.CodeOf(err) {
		case "":
			return d, nil
		case sqlerr.UndefinedTable, sqlerr.UndefinedObject, sqlerr.UndefinedSchema, sqlerr.UndefinedFunction, sqlerr.AmbiguousFunction:
			return types.Null, nil
		}
		return types.Null, err
	}
	return types.Null, sqlerr.Unsupported("function %s", name)
}

// relFilenode is what pg_class has as relfilenode.
func relFilenode(snap *catalog.Snapshot, oid types.OID) types.Datum {
	if r, ok := snap.IndexByID(oid); ok {
		return dOID(r.Index.ID)
	}
	if t := snap.Table(oid); t != nil && t.View == nil && !t.Virtual {
		return dOID(types.OID(t.StorageID &^ catalog.TempStorage))
	}
	return types.Null
}

// updatable is a set of events, 1 << PostgreSQL's CmdType, that may happen to the rows
// of a relation.
func updatable(snap *catalog.Snapshot, oid types.OID) int {
	if t := snap.Table(oid); t != nil && t.IsTable() {
		return 1<<2 | 1<<3 | 1<<4
	}
	return 0
}

// textOrEmpty is a text, "" for NULL.
func textOrEmpty(d types.Datum) string {
	if d.IsNull() {
		return ""
	}
	return d.Str()
}

// relVisible says whether the bare name of a relation finds it.
func (s *Session) relVisible(snap *catalog.Snapshot, oid types.OID) types.Datum {
	schema, name, ok := relationName(snap, oid)
	if !ok {
		return types.Null
	}
	r, ok, err := snap.Resolve("", name, s.path(snap, true))
	if err == nil && !ok {
		rel, found := compositeRel(snap, "", name, s.path(snap, true))
		return types.NewBool(found && rel == oid)
	}
	if err != nil || !ok {
		return types.False
	}
	found := r.Table.ID
	if r.Index != nil {
		found = r.Index.ID
	}
	_ = schema
	return types.NewBool(found == oid)
}

// relationName returns schema and name of a table or index.
func relationName(snap *catalog.Snapshot, oid types.OID) (schema *catalog.Schema, name string, ok bool) {
	if t := snap.Table(oid); t != nil {
		return snap.SchemaByID(t.Schema), t.Name, true
	}
	if r, ok := snap.IndexByID(oid); ok {
		return snap.SchemaByID(r.Table.Schema), r.Index.Name, true
	}
	for _, u := range snap.UserTypes() {
		if u.Composite != nil && u.Composite.Rel == oid {
			return snap.SchemaByID(u.Schema), u.Name, true
		}
	}
	return nil, "", false
}

// compositeRel finds the relation of a composite type by its name.
func compositeRel(snap *catalog.Snapshot, schema, name string, path []string) (types.OID, bool) {
	if schema != "" {
		path = []string{schema}
	}
	for _, p := range path {
		sc := snap.Schema(p)
		if sc == nil {
			continue
		}
		if t, ok := snap.TypeNamed(sc.ID, name); ok && t.IsComposite() {
			return t.Def().Rel, true
		}
	}
	return 0, false
}

// constraintDef is pg_get_constraintdef. Pretty leaves out the outer parentheses
// of a condition.
func (s *Session) constraintDef(snap *catalog.Snapshot, oid types.OID, pretty bool) types.Datum {
	for _, u := range snap.UserTypes() {
		for i := 0; u.Domain != nil && i < len(u.Domain.Checks); i++ {
			if c := &u.Domain.Checks[i]; c.ID == oid {
				t, _ := snap.TypeByOID(u.ID)
				text := s.domainCheckText(t.Def(), c.Expr)
				if pretty && strings.HasPrefix(text, "(") && expr.Closing(text) == len(text)-1 {
					text = text[1 : len(text)-1]
				}
				def := "CHECK (" + text + ")"
				if c.Unvalidated {
					def += " NOT VALID"
				}
				return types.NewString(def)
			}
		}
	}
	for _, t := range snap.Tables() {
		for i := range t.Indexes {
			if ix := &t.Indexes[i]; ix.ConstraintID == oid && oid != 0 {
				kind := "UNIQUE"
				if ix.IsPrimaryKey() {
					kind = "PRIMARY KEY"
				}
				return types.NewString(kind + " (" + strings.Join(keyNames(t, ix), ", ") + ")" + includeText(t, ix))
			}
		}
		if k := t.ForeignKeyByID(oid); k != nil {
			return types.NewString(s.foreignKeyDef(snap, t, k))
		}
		for i := range t.Checks {
			if c := &t.Checks[i]; c.ID == oid {
				text := s.checkText(t, c)
				if pretty && strings.HasPrefix(text, "(") && expr.Closing(text) == len(text)-1 {
					text = text[1 : len(text)-1]
				}
				def := "CHECK (" + text + ")"
				if c.Unvalidated {
					def += " NOT VALID"
				}
				return types.NewString(def)
			}
		}
	}
	return types.Null
}

// objectNames reads and prints the values of the reg… types.
type objectNames struct{ s *Session }

// ObjectName prints a relation, type or schema; qualified where its bare name
// would not find it.
func (n objectNames) ObjectName(reg, object types.OID) (string, bool) {
	snap := n.s.snapshotForErrors()
	if snap == nil {
		return "", false
	}
	switch reg {
	case types.OIDRegClass:
		schema, name, ok := relationName(snap, object)
		if !ok {
			return "", false
		}
		if n.s.relVisible(snap, object).IsTrue() || schema == nil {
			return plan.QuoteIdent(name), true
		}
		return plan.QuoteIdent(schema.Name) + "." + plan.QuoteIdent(name), true
	case types.OIDRegNamespace:
		if sc := snap.SchemaByID(object); sc != nil {
			return plan.QuoteIdent(sc.Name), true
		}
	case types.OIDRegRole:
		if r := snap.Role(object); r != nil {
			return plan.QuoteIdent(r.Name), true
		}
	case types.OIDRegType:
		if t, ok := snap.TypeByOID(object); ok && t.IsUser() {
			return n.s.typeText(snap, t), true
		}
	case types.OIDRegProc:
		if f, ok := n.s.e.exprs.FuncByOID(object); ok {
			if len(n.s.e.exprs.FuncsNamed(f.Name)) > 1 {
				return "pg_catalog." + plan.QuoteIdent(f.Name), true // the bare name would not do
			}
			return plan.QuoteIdent(f.Name), true
		}
		if name, ok := ioFuncName(object); ok {
			return plan.QuoteIdent(name), true
		}
	case types.OIDRegProcedure:
		if f, ok := n.s.e.exprs.FuncByOID(object); ok {
			args := make([]string, len(f.Args))
			for i, a := range f.Args {
				args[i] = types.Of(a).String()
			}
			return plan.QuoteIdent(f.Name) + "(" + strings.Join(args, ",") + ")", true
		}
	case types.OIDRegOper, types.OIDRegOperator:
		return n.operatorName(reg, object)
	case types.OIDRegCollation:
		if name, ok := collationNames[object]; ok {
			return plan.QuoteIdent(name), true
		}
	}
	return "", false
}

// collationNames are those of pg_collation.
var collationNames = map[types.OID]string{100: "default", 950: "C", 951: "POSIX"}

// operatorName prints an operator: as regoperator with its operands, as regoper with
// its schema where the bare name would not find it.
func (n objectNames) operatorName(reg, object types.OID) (string, bool) {
	same := 0
	var found *expr.Op
	for _, o := range n.s.e.exprs.Ops() {
		if o.OID == object {
			found = o
		}
	}
	if found == nil {
		return "", false
	}
	for _, o := range n.s.e.exprs.Ops() {
		if o.Name == found.Name {
			same++
		}
	}
	if reg == types.OIDRegOper {
		if same > 1 {
			return "pg_catalog." + found.Name, true
		}
		return found.Name, true
	}
	operand := func(o types.OID) string {
		if o == 0 {
			return "NONE"
		}
		return types.Of(o).String()
	}
	return found.Name + "(" + operand(found.Left) + "," + operand(found.Right) + ")", true
}

// ObjectOID reads a name.
func (n objectNames) ObjectOID(reg types.OID, name string) (types.OID, error) {
	snap := n.s.snapshotForErrors()
	if snap == nil {
		return 0, sqlerr.Internal("name %q read outside of a transaction", name)
	}
	parts := splitName(name)
	schema, obj := "", parts[len(parts)-1]
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	switch reg {
	case types.OIDRegClass:
		r, ok, err := snap.Resolve(schema, obj, n.s.path(snap, true))
		if err != nil {
			return 0, err
		}
		if !ok {
			if rel, found := compositeRel(snap, schema, obj, n.s.path(snap, true)); found {
				return rel, nil
			}
		}
		switch {
		case !ok:
			return 0, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name)
		case r.Index != nil:
			return r.Index.ID, nil
		}
		return r.Table.ID, nil
	case types.OIDRegNamespace:
		if sc := snap.Schema(obj); sc != nil {
			return sc.ID, nil
		}
		return 0, sqlerr.New(sqlerr.UndefinedSchema, "schema %q does not exist", obj)
	case types.OIDRegRole:
		if r := snap.RoleByName(obj); r != nil {
			return r.ID, nil
		}
		return 0, sqlerr.New(sqlerr.UndefinedObject, "role %q does not exist", obj)
	case types.OIDRegProc:
		fs := n.s.e.exprs.FuncsNamed(obj)
		if schema != "" && schema != "pg_catalog" {
			fs = nil
		}
		switch len(fs) {
		case 0:
			for _, f := range ioFuncs() {
				if f.name == obj && (schema == "" || schema == "pg_catalog") {
					return f.oid, nil
				}
			}
			return 0, sqlerr.New(sqlerr.UndefinedFunction, "function %q does not exist", name)
		case 1:
			return fs[0].OID, nil
		}
		return 0, sqlerr.New(sqlerr.AmbiguousFunction, "more than one function named %q", name)
	case types.OIDRegType:
		return n.typeOID(name)
	case types.OIDRegProcedure:
		return n.procedureOID(name)
	case types.OIDRegOper, types.OIDRegOperator:
		return n.operatorOID(reg, name)
	case types.OIDRegCollation:
		for oid, c := range collationNames {
			if c == obj && (schema == "" || schema == "pg_catalog") {
				return oid, nil
			}
		}
		return 0, sqlerr.New(sqlerr.UndefinedObject, "collation %q for encoding \"UTF8\" does not exist", name)
	}
	return 0, sqlerr.Unsupported("reading a name of this kind")
}

func (n objectNames) resolve(t ast.TypeName) (types.Type, error) {
	snap := n.s.snapshotForErrors()
	return plan.ResolveType(t, plan.Options{Catalog: snap, Path: n.s.path(snap, true)})
}

func (n objectNames) typeOID(name string) (types.OID, error) {
	t, err := parse.ParseType(name)
	if err != nil {
		return 0, err
	}
	typ, err := n.resolve(t)
	return typ.OID, err
}

// operands reads the types in the parentheses of name(type, …).
func (n objectNames) operands(name string) (head string, args []types.OID, err error) {
	open := strings.IndexByte(name, '(')
	if open < 0 {
		return "", nil, sqlerr.New(sqlerr.InvalidTextRepresentation, "expected a left parenthesis")
	}
	list, ok := strings.CutSuffix(strings.TrimSpace(name[open+1:]), ")")
	if !ok {
		return "", nil, sqlerr.New(sqlerr.InvalidTextRepresentation, "expected a right parenthesis")
	}
	if strings.TrimSpace(list) == "" {
		return strings.TrimSpace(name[:open]), nil, nil
	}
	for _, a := range splitTypes(list) {
		if strings.EqualFold(strings.TrimSpace(a), "none") {
			args = append(args, 0)
			continue
		}
		oid, err := n.typeOID(strings.TrimSpace(a))
		if err != nil {
			return "", nil, err
		}
		args = append(args, oid)
	}
	return strings.TrimSpace(name[:open]), args, nil
}

// splitTypes cuts a list of types at its commas, but not inside of parentheses.
func splitTypes(list string) []string {
	var out []string
	depth, from := 0, 0
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, list[from:i])
				from = i + 1
			}
		}
	}
	return append(out, list[from:])
}

func (n objectNames) procedureOID(name string) (types.OID, error) {
	head, args, err := n.operands(name)
	if err != nil {
		return 0, err
	}
	parts := splitName(head)
	if len(parts) == 1 || parts[0] == "pg_catalog" {
		for _, f := range n.s.e.exprs.FuncsNamed(parts[len(parts)-1]) {
			if slices.Equal(f.Args, args) {
				return f.OID, nil
			}
		}
	}
	return 0, sqlerr.New(sqlerr.UndefinedFunction, "function %q does not exist", name)
}

func (n objectNames) operatorOID(reg types.OID, name string) (types.OID, error) {
	head := name
	var args []types.OID
	if reg == types.OIDRegOperator {
		var err error
		if head, args, err = n.operands(name); err != nil {
			return 0, err
		}
		switch len(args) {
		case 1:
			return 0, sqlerr.New(sqlerr.UndefinedParameter, "missing argument").WithHint("Use NONE to denote the missing argument of a unary operator.")
		case 2:
		default:
			return 0, sqlerr.New(sqlerr.TooManyArguments, "too many arguments").WithHint("Provide two argument types for operator.")
		}
	}
	found, count := types.OID(0), 0
	for _, o := range n.s.e.exprs.Ops() {
		if o.Name != strings.TrimPrefix(head, "pg_catalog.") || args != nil && (o.Left != args[0] || o.Right != args[1]) {
			continue
		}
		found = o.OID
		count++
	}
	switch {
	case count == 0:
		return 0, sqlerr.New(sqlerr.UndefinedFunction, "operator does not exist: %s", name)
	case count > 1:
		return 0, sqlerr.New(sqlerr.AmbiguousFunction, "more than one operator named %s", name)
	}
	return found, nil
}

// splitName takes a dotted name apart, quotes removed.
func splitName(name string) []string {
	var out []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '"' && quoted && i+1 < len(name) && name[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			out = append(out, b.String())
			b.Reset()
		case !quoted && c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}

// virtualSource makes the rows of virtual tables for the executor.
type virtualSource struct{ s *Session }

func (v virtualSource) Rows(ctx context.Context, table types.OID, eq map[int]types.Datum, yield func([]types.Datum) error) error {
	t := v.s.e.virtual[table]
	if t == nil {
		if q := v.s.tx.snap.Table(table); q != nil && q.Sequence != nil {
			return v.s.sequenceRow(ctx, q, yield)
		}
		return sqlerr.Internal("no virtual table %d", table)
	}
	return t.rows(ctx, v.s, eq, yield)
}
