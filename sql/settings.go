package sql

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// serverVersion is the version of PostgreSQL whose behaviour is offered.
const (
	serverVersion    = "15.4"
	serverVersionNum = "150004"
)

// settingKind says which values a setting takes.
type settingKind uint8

const (
	kindString settingKind = iota
	kindBool
	kindInt
	kindReal
	kindMillis // integer with a unit of time; stored in milliseconds
	kindEnum
	kindKBytes
)

// settingDef describes a setting.
type settingDef struct {
	name     string // as PostgreSQL spells it
	def      string
	kind     settingKind
	min, max float64
	values   []string // of an enum
	readOnly bool
	report   bool
}

func boolean(name, def string) settingDef { return settingDef{name: name, def: def, kind: kindBool} }
func text(name, def string) settingDef    { return settingDef{name: name, def: def} }
func millis(name string) settingDef {
	return settingDef{name: name, def: "0", kind: kindMillis, max: math.MaxInt32}
}
func integer(name, def string, min, max float64) settingDef {
	return settingDef{name: name, def: def, kind: kindInt, min: min, max: max}
}
func fixed(name, def string) settingDef { return settingDef{name: name, def: def, readOnly: true} }
func enum(name, def string, values ...string) settingDef {
	return settingDef{name: name, def: def, kind: kindEnum, values: values}
}
func reported(d settingDef) settingDef { d.report = true; return d }

// settingDefs lists the settings that exist. Those that have no effect here are
// accepted because clients and dumps set them.
func settingDefs() map[string]*settingDef {
	isolation := []string{"serializable", "repeatable read", "read committed", "read uncommitted"}
	list := []settingDef{
		reported(fixed("server_version", serverVersion)),
		fixed("server_version_num", serverVersionNum),
		reported(fixed("server_encoding", "UTF8")),
		reported(settingDef{name: "client_encoding", def: "UTF8"}),
		reported(text("application_name", "")),
		reported(boolean("default_transaction_read_only", "off")),
		reported(fixed("in_hot_standby", "off")),
		reported(fixed("is_superuser", "on")),
		reported(text("session_authorization", "")),
		reported(text("DateStyle", "ISO, MDY")),
		reported(enum("IntervalStyle", "postgres", "postgres", "postgres_verbose", "sql_standard", "iso_8601")),
		reported(text("TimeZone", "UTC")),
		reported(fixed("integer_datetimes", "on")),
		reported(boolean("standard_conforming_strings", "on")),
		text("search_path", `"$user", public`),
		text("role", "none"),
		enum("default_transaction_isolation", "read committed", isolation...),
		enum("transaction_isolation", "read committed", isolation...),
		boolean("transaction_read_only", "off"),
		boolean("default_transaction_deferrable", "off"),
		boolean("transaction_deferrable", "off"),
		millis("statement_timeout"),
		millis("lock_timeout"),
		millis("idle_in_transaction_session_timeout"),
		millis("idle_session_timeout"),
		millis("transaction_timeout"),
		integer("extra_float_digits", "1", -15, 3),
		enum("bytea_output", "hex", "hex", "escape"),
		enum("client_min_messages", "notice", "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning", "error"),
		enum("log_min_messages", "warning", "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "info", "notice", "warning", "error", "log", "fatal", "panic"),
		boolean("row_security", "on"),
		// Off runs plans as they were bound: slowly, but to the same result.
		boolean("quorate.plan_rules", "on"),
		boolean("check_function_bodies", "on"),
		enum("xmloption", "content", "content", "document"),
		text("default_tablespace", ""),
		text("temp_tablespaces", ""),
		text("default_table_access_method", "heap"),
		boolean("synchronize_seqscans", "on"),
		boolean("escape_string_warning", "on"),
		enum("backslash_quote", "safe_encoding", "safe_encoding", "on", "off", "true", "false", "yes", "no", "1", "0"),
		boolean("array_nulls", "on"),
		boolean("transform_null_equals", "off"),
		boolean("quote_all_identifiers", "off"),
		enum("synchronous_commit", "on", "local", "remote_write", "remote_apply", "on", "off", "true", "false", "yes", "no", "1", "0"),
		enum("password_encryption", "scram-sha-256", "md5", "scram-sha-256"),
		settingDef{name: "work_mem", def: "4096", kind: kindKBytes, min: 64, max: math.MaxInt32},
		settingDef{name: "maintenance_work_mem", def: "65536", kind: kindKBytes, min: 1024, max: math.MaxInt32},
		settingDef{name: "temp_buffers", def: "1024", kind: kindKBytes, min: 100, max: 1073741823},
		integer("max_parallel_workers_per_gather", "2", 0, 1024),
		boolean("enable_seqscan", "on"), boolean("enable_indexscan", "on"), boolean("enable_bitmapscan", "on"),
		boolean("enable_hashjoin", "on"), boolean("enable_mergejoin", "on"), boolean("enable_nestloop", "on"),
		boolean("enable_sort", "on"), boolean("enable_hashagg", "on"), boolean("enable_indexonlyscan", "on"),
		boolean("enable_material", "on"), boolean("geqo", "on"), boolean("jit", "off"),
		enum("force_parallel_mode", "off", "off", "on", "regress", "true", "false", "yes", "no", "1", "0"),
		enum("plan_cache_mode", "auto", "auto", "force_generic_plan", "force_custom_plan"),
		enum("constraint_exclusion", "partition", "partition", "on", "off", "true", "false", "yes", "no", "1", "0"),
		settingDef{name: "seed", def: "unavailable", kind: kindReal, min: -1, max: 1},
		text("lc_messages", "C"), text("lc_monetary", "C"), text("lc_numeric", "C"), text("lc_time", "C"),
		fixed("lc_collate", "C"), fixed("lc_ctype", "C"),
		text("timezone_abbreviations", "Default"),
		text("restrict_nonsystem_relation_kind", ""),
		text("default_text_search_config", "pg_catalog.simple"),
		text("log_statement", "none"), settingDef{name: "log_min_duration_statement", def: "-1", kind: kindMillis, min: -1, max: math.MaxInt32},
		text("session_replication_role", "origin"),
		text("vacuum_cost_delay", "0"),
		boolean("track_activities", "on"),
		integer("tcp_keepalives_idle", "0", 0, math.MaxInt32), integer("tcp_keepalives_interval", "0", 0, math.MaxInt32), integer("tcp_keepalives_count", "0", 0, math.MaxInt32),
		fixed("max_identifier_length", "63"), fixed("max_index_keys", "32"), fixed("max_function_args", "100"),
		fixed("block_size", "8192"), fixed("segment_size", "131072"), fixed("wal_block_size", "8192"),
		fixed("max_connections", "10000"), fixed("port", "5432"), fixed("data_checksums", "on"),
		fixed("ssl", "off"), fixed("listen_addresses", "*"), fixed("server_encoding_name", "UTF8"),
		fixed("fsync", "on"), fixed("full_page_writes", "on"), fixed("wal_level", "replica"),
		fixed("hot_standby", "on"), fixed("archive_mode", "off"), fixed("max_prepared_transactions", "0"),
		fixed("shared_buffers", "16384"), fixed("autovacuum", "on"), fixed("debug_assertions", "off"),
	}
	m := make(map[string]*settingDef, len(list))
	for i := range list {
		m[strings.ToLower(list[i].name)] = &list[i]
	}
	delete(m, "server_encoding_name")
	return m
}

// settings is the values of a session. It is immutable: changes make a new one,
// so that a transaction can go back to what was.
type settings struct {
	defs map[string]*settingDef
	// defaults are what RESET goes back to where it differs from the definition:
	// the startup parameters.
	defaults map[string]string
	vals     map[string]string
	local    map[string]string // SET LOCAL, until the end of the transaction

	// What expressions and name lookup use, computed when something changes.
	format types.FormatContext
	path   []string // search_path, "$user" not yet replaced
	// noRules is quorate.plan_rules = off.
	noRules bool
	// slow is log_min_duration_statement; below 0 nothing is logged.
	slow time.Duration
	// What every statement asks for.
	hot hotSettings
	// off are the methods that enable_… have turned off.
	off plan.Methods
}

// hotSettings are the values of settings that every statement needs.
type hotSettings struct {
	application, role, authorization string
	readOnly                         bool // default_transaction_read_only
	isolation                        string
	statementTimeout, lockTimeout    time.Duration // 0: none, like those below
	transactionTimeout               time.Duration
	idleTimeout, idleInTxnTimeout    time.Duration
	plan                             planSettings
}

// planSettings are those that a plan depends on.
type planSettings struct{ path, zone, date, intervals string }

func newSettings(defs map[string]*settingDef) *settings {
	s := &settings{defs: defs, defaults: map[string]string{}, vals: map[string]string{}}
	s.derive()
	return s
}

// get returns the present value.
func (s *settings) get(name string) (string, bool) {
	name = strings.ToLower(name)
	if v, ok := s.local[name]; ok {
		return v, true
	}
	if v, ok := s.vals[name]; ok {
		return v, true
	}
	if v, ok := s.defaults[name]; ok {
		return v, true
	}
	if d, ok := s.defs[name]; ok {
		return d.def, true
	}
	return "", false
}

func (s *settings) must(name string) string {
	v, _ := s.get(name)
	return v
}

// show returns the value as SHOW prints it.
func (s *settings) show(name string) (string, bool) {
	v, ok := s.get(name)
	if !ok {
		return "", false
	}
	if d := s.defs[strings.ToLower(name)]; d != nil {
		switch d.kind {
		case kindMillis:
			return showMillis(v), true
		case kindKBytes:
			return showKBytes(v), true
		}
	}
	return v, true
}

func showMillis(v string) string {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n <= 0 {
		return v
	}
	for _, u := range []struct {
		ms   int64
		name string
	}{{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}} {
		if n%u.ms == 0 {
			return strconv.FormatInt(n/u.ms, 10) + u.name
		}
	}
	return v + "ms"
}

func showKBytes(v string) string {
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case err != nil || n == 0:
		return v
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "GB"
	case n%1024 == 0:
		return strconv.FormatInt(n>>10, 10) + "MB"
	}
	return v + "kB"
}

// with returns the settings with one value changed; a nil value goes back to the
// default.
func (s *settings) with(name string, value *string, local bool) (*settings, error) {
	key := strings.ToLower(name)
	d := s.defs[key]
	if d == nil && !strings.Contains(key, ".") {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter %q", name)
	}
	if d != nil && d.readOnly {
		return nil, sqlerr.New(sqlerr.CantChangeRuntimeParam, "parameter %q cannot be changed", d.name)
	}
	c := *s
	c.vals, c.local = copyMap(s.vals), copyMap(s.local)
	into := c.vals
	if local {
		into = c.local
	} else {
		delete(c.local, key)
	}
	if value == nil {
		if local {
			into[key] = s.resetValue(key)
		} else {
			delete(into, key)
		}
	} else {
		v := *value
		if d != nil {
			var err error
			if v, err = d.check(v); err != nil {
				return nil, err
			}
		}
		into[key] = v
	}
	return &c, c.derive()
}

func (s *settings) resetValue(key string) string {
	if v, ok := s.defaults[key]; ok {
		return v
	}
	if d := s.defs[key]; d != nil {
		return d.def
	}
	return ""
}

func copyMap(m map[string]string) map[string]string {
	c := make(map[string]string, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	return c
}

// withoutLocal ends SET LOCAL.
func (s *settings) withoutLocal() *settings {
	if len(s.local) == 0 {
		return s
	}
	c := *s
	c.local = nil
	_ = c.derive() // these values were valid before
	return &c
}

// resetAll goes back to the defaults.
func (s *settings) resetAll() *settings {
	c := *s
	c.vals, c.local = map[string]string{}, nil
	// The transaction's own characteristics are not reset.
	for _, k := range []string{"transaction_isolation", "transaction_read_only", "transaction_deferrable", "session_authorization", "role", "is_superuser"} {
		if v, ok := s.vals[k]; ok {
			c.vals[k] = v
		}
	}
	_ = c.derive()
	return &c
}

// check brings a value into its normal form.
func (d *settingDef) check(v string) (string, error) {
	bad := func() error {
		e := sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter %q: %q", d.name, v)
		if d.kind == kindEnum {
			e.Hint = "Available values: " + strings.Join(d.values, ", ") + "."
		}
		return e
	}
	switch d.kind {
	case kindBool:
		b, ok := parseBool(v)
		if !ok {
			return "", sqlerr.New(sqlerr.InvalidParameterValue, "parameter %q requires a Boolean value", d.name)
		}
		if d.name == "standard_conforming_strings" && !b {
			return "", sqlerr.Unsupported("standard_conforming_strings = off")
		}
		if b {
			return "on", nil
		}
		return "off", nil
	case kindEnum:
		for _, x := range d.values {
			if strings.EqualFold(x, v) {
				return x, nil
			}
		}
		return "", bad()
	case kindInt, kindMillis, kindKBytes:
		return d.checkNumber(v)
	case kindReal:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil {
			return "", bad()
		}
		if f < d.min || f > d.max {
			return "", sqlerr.New(sqlerr.InvalidParameterValue, "%v is outside the valid range for parameter %q (%v .. %v)", f, d.name, d.min, d.max)
		}
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	}
	return d.checkString(v)
}

func parseBool(v string) (value, ok bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	if v == "" {
		return false, false
	}
	switch {
	case v == "on" || v == "1" || strings.HasPrefix("true", v) || strings.HasPrefix("yes", v):
		return true, true
	case v == "of" || v == "off" || v == "0" || strings.HasPrefix("false", v) || strings.HasPrefix("no", v):
		return false, true
	}
	return false, false
}

var timeUnits = []struct {
	name string
	ms   float64
}{{"us", 0.001}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}}

var sizeUnits = []struct {
	name string
	kb   float64
}{{"kB", 1}, {"MB", 1 << 10}, {"GB", 1 << 20}, {"TB", 1 << 30}, {"B", 1.0 / 1024}}

func (d *settingDef) checkNumber(v string) (string, error) {
	s := strings.TrimSpace(v)
	i := len(s)
	for i > 0 && (s[i-1] < '0' || s[i-1] > '9') && s[i-1] != '.' {
		i--
	}
	unit := strings.TrimSpace(s[i:])
	f, err := strconv.ParseFloat(strings.TrimSpace(s[:i]), 64)
	bad := sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter %q: %q", d.name, v)
	if err != nil || d.kind == kindInt && unit != "" {
		return "", bad
	}
	if unit != "" {
		factor := 0.0
		if d.kind == kindMillis {
			for _, u := range timeUnits {
				if u.name == unit {
					factor = u.ms
				}
			}
			bad = bad.WithHint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
		} else {
			for _, u := range sizeUnits {
				if u.name == unit {
					factor = u.kb
				}
			}
			bad = bad.WithHint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".")
		}
		if factor == 0 {
			return "", bad
		}
		f *= factor
	}
	n := math.RoundToEven(f)
	if n < d.min || n > d.max {
		unit := ""
		switch d.kind {
		case kindMillis:
			unit = " ms"
		case kindKBytes:
			unit = " kB"
		}
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "%.0f%s is outside the valid range for parameter %q (%.0f .. %.0f)", n, unit, d.name, d.min, d.max)
	}
	return strconv.FormatInt(int64(n), 10), nil
}

func (d *settingDef) checkString(v string) (string, error) {
	switch d.name {
	case "client_encoding":
		switch strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(v)) {
		case "UTF8", "UNICODE":
			return "UTF8", nil
		}
		return "", sqlerr.Unsupported("client_encoding %q", v)
	case "TimeZone":
		loc, err := types.LoadTimeZone(v)
		if err != nil {
			return "", sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": %q", v)
		}
		return loc.String(), nil
	case "DateStyle":
		return checkDateStyle(v)
	case "session_authorization", "role":
		return v, nil
	}
	return v, nil
}

// checkDateStyle reads a list of a style and an order.
func checkDateStyle(v string) (string, error) {
	style, order := "", ""
	for _, w := range strings.Split(v, ",") {
		switch w = strings.ToLower(strings.TrimSpace(w)); w {
		case "iso":
			style = "ISO"
		case "postgres":
			style = "Postgres"
		case "sql":
			style = "SQL"
		case "german":
			style = "German"
		case "ymd":
			order = "YMD"
		case "dmy", "euro", "european":
			order = "DMY"
		case "mdy", "us", "noneuro", "noneuropean":
			order = "MDY"
		case "default", "":
		default:
			return "", sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"DateStyle\": %q", v).
				WithDetail("Unrecognized key word: %q.", w)
		}
	}
	if style == "" {
		style = "ISO"
	}
	if order == "" {
		order = "MDY"
	}
	return style + ", " + order, nil
}

// derive computes what depends on several settings.
func (s *settings) derive() error {
	zone := time.UTC
	if name := s.must("timezone"); name != "UTC" {
		loc, err := types.LoadTimeZone(name)
		if err != nil {
			return err
		}
		zone = loc
	}
	digits, err := strconv.Atoi(s.must("extra_float_digits"))
	if err != nil {
		return fmt.Errorf("extra_float_digits: %w", err)
	}
	s.format = types.FormatContext{TimeZone: zone, ExtraFloatDigits: digits - 1}
	date := s.must("datestyle")
	switch style, _, _ := strings.Cut(date, ","); style {
	case "Postgres":
		s.format.DateStyle = types.DateStylePostgres
	case "SQL":
		s.format.DateStyle = types.DateStyleSQL
	case "German":
		s.format.DateStyle = types.DateStyleGerman
	}
	switch {
	case strings.HasSuffix(date, "YMD"):
		s.format.DateOrder = types.OrderYMD
	case strings.HasSuffix(date, "DMY"):
		s.format.DateOrder = types.OrderDMY
	}
	switch s.must("intervalstyle") {
	case "postgres_verbose":
		s.format.IntervalStyle = types.IntervalPostgresVerbose
	case "sql_standard":
		s.format.IntervalStyle = types.IntervalSQLStandard
	case "iso_8601":
		s.format.IntervalStyle = types.IntervalISO8601
	}
	if s.must("bytea_output") == "escape" {
		s.format.ByteaOutput = types.ByteaEscape
	}
	s.path = splitPath(s.must("search_path"))
	s.noRules = s.must("quorate.plan_rules") == "off"
	slow, err := strconv.Atoi(s.must("log_min_duration_statement"))
	if err != nil {
		return fmt.Errorf("log_min_duration_statement: %w", err)
	}
	s.slow = time.Duration(slow) * time.Millisecond
	s.hot = hotSettings{
		application: s.must("application_name"), role: s.must("role"), authorization: s.must("session_authorization"),
		readOnly: s.must("default_transaction_read_only") == "on", isolation: s.must("default_transaction_isolation"),
		statementTimeout: s.millis("statement_timeout"), lockTimeout: s.millis("lock_timeout"), transactionTimeout: s.millis("transaction_timeout"),
		idleTimeout: s.millis("idle_session_timeout"), idleInTxnTimeout: s.millis("idle_in_transaction_session_timeout"),
		plan: planSettings{path: s.must("search_path"), zone: s.must("timezone"), date: date, intervals: s.must("intervalstyle")},
	}
	if v, ok := s.local["transaction_isolation"]; ok {
		s.hot.isolation = v
	}
	s.off = 0
	for name, m := range planMethods {
		if s.must(name) == "off" {
			s.off |= m
		}
	}
	return nil
}

// millis reads a setting that is a number of milliseconds.
func (s *settings) millis(name string) time.Duration {
	ms, _ := strconv.ParseInt(s.must(name), 10, 64)
	return time.Duration(max(ms, 0)) * time.Millisecond
}

// planMethods are the settings that turn methods of plans off.
var planMethods = map[string]plan.Methods{
	"enable_seqscan": plan.SeqScans, "enable_indexscan": plan.IndexScans, "enable_indexonlyscan": plan.IndexOnlyScans,
	"enable_hashjoin": plan.HashJoins, "enable_mergejoin": plan.MergeJoins, "enable_nestloop": plan.NestLoops, "enable_sort": plan.Sorts,
}

// splitPath reads a list of identifiers, quoted or not.
func splitPath(v string) []string {
	var out []string
	for i := 0; i < len(v); {
		switch c := v[i]; {
		case c == ' ' || c == ',' || c == '\t':
			i++
		case c == '"':
			var b strings.Builder
			for i++; i < len(v); i++ {
				if v[i] == '"' {
					if i+1 < len(v) && v[i+1] == '"' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(v[i])
			}
			i++
			out = append(out, b.String())
		default:
			j := i
			for j < len(v) && v[j] != ',' && v[j] != ' ' {
				j++
			}
			out = append(out, strings.ToLower(v[i:j]))
			i = j
		}
	}
	return out
}

// names lists all settings in the order of SHOW ALL.
func (s *settings) names() []string {
	out := make([]string, 0, len(s.defs))
	for _, d := range s.defs {
		out = append(out, d.name)
	}
	sort.Slice(out, func(i, j int) bool { return strings.ToLower(out[i]) < strings.ToLower(out[j]) })
	return out
}
