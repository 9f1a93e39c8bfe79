package sqldiff

import (
	"strings"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/types"
)

// call is a function, operator or aggregate as the generator uses it.
type call struct {
	name string
	// args are types, or names of special pools.
	args    []string
	result  string
	op      bool
	inexact bool // the last digits of a float8 may differ
}

// calls are all calls by result type.
type calls struct {
	scalar, aggregate map[string][]*call
	// inexact are scalar calls whose results are compared with a tolerance, so
	// nothing may be computed from them.
	inexact []*call
}

// arguments names special pools for arguments, by function. "" keeps the declared type.
var arguments = map[string][]string{
	"date_trunc": {"unit", "", "zone"}, "date_part": {"part"}, "to_char numeric": {"", "numfmt"}, "to_char time": {"", "timefmt"},
	"to_date": {"datetext", "datefmt"}, "to_timestamp": {"datetext", "datefmt"},
	"encode": {"", "coding"}, "convert_to": {"", "charset"}, "convert_from": {"", "charset"},
	"repeat": {"", "small"}, "lpad": {"", "small"}, "rpad": {"", "small"}, "left": {"", "small"}, "right": {"", "small"},
	"split_part": {"", "sep", "positive"}, "substr": {"", "small", "small"}, "substring": {"", "small", "small"}, "overlay": {"", "word", "positive", "small"},
	"regexp_replace": {"", "pattern", "word", "flags"}, "regexp_match": {"", "pattern"}, "regexp_split_to_array": {"", "pattern"}, "regexp_count": {"", "pattern"},
	"regexp_like": {"", "pattern"}, "regexp_substr": {"", "pattern"}, "regexp_instr": {"", "pattern"},
	"make_date": {"year", "positive", "positive"}, "make_time": {"hour", "small", ""}, "make_timestamp": {"year", "positive", "positive", "hour", "small", ""},
	"make_timestamptz": {"year", "positive", "positive", "hour", "small", "", "zone"}, "make_interval": {"small", "small", "small", "small", "small", "small", ""},
	"format": {"form"}, "timezone": {"zone"}, "string_to_array": {"", "sep"}, "array_to_string": {"", "sep"}, "chr": {"positive"}, "factorial": {"positive"},
	"array_fill": {"", "none"}, "trim_array": {"", "small"}, "get_byte": {"", "small"}, "array_length": {"", "positive"}, "array_lower": {"", "positive"}, "array_upper": {"", "positive"},
	"width_bucket": {"", "", "", "positive"}, "round numeric": {"", "small"}, "trunc numeric": {"", "small"}, "translate": {"", "word", "word"}, "replace": {"", "word", "word"},
	"decode": {"none"}, "like_escape": {"none"}, "numeric_power": {"small", "small"}, "power numeric": {"small", "small"}, "pow numeric": {"small", "small"},
	"starts_with": {"", "word"}, "strpos": {"", "word"}, "position": {"", "word"}, "quote_ident": {""}, "set_byte": {"", "small", "small"}, "set_bit": {"none"}, "get_bit": {"", "small"},
	"exp numeric": {"small"}, "numeric_exp": {"small"}, "concat_ws": {"sep", "any", "any"}, "concat": {"any", "any"}, "num_nulls": {"any", "any"}, "num_nonnulls": {"any", "any"},
	"pg_typeof": {"none"}, "pg_size_pretty": {""}, "xideq": {"none"}, "similar_to_escape": {"none"}, "similar_escape": {"none"}, "normalize": {"none"}, "random_normal": {"none"}, "setseed": {"none"},
	"log numeric numeric": {"positive", "positive"},
}

// inexact are the functions of float8 that C libraries compute each in their way.
const inexactNames = " exp ln log log10 sqrt cbrt dcbrt dsqrt power pow dpow dexp dlog1 dlog10 sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh degrees radians sind cosd tand cotd asind acosd atand atan2d "

// unwanted are functions whose results depend on the server, the clock or chance.
var unwanted = []string{"pg_", "has_", "current_", "session_user", "inet_", "txid_", "version", "to_reg", "col_description", "obj_description", "shobj_description",
	"format_type", "row_security", "now", "transaction_timestamp", "statement_timestamp", "getdatabaseencoding", "name", "anytextcat", "textanycat", "oid", "cid", "char", "record_",
	"to_ascii", // an error in this encoding, whatever its argument
	// Their results have parts that SQL cannot write.
	"json", "range", "inet", "bit_"}

func unwantedName(n string) bool {
	if n == "bit_and" || n == "bit_or" || n == "bit_xor" || n == "bit_length" || n == "char_length" || n == "character_length" {
		return false
	}
	for _, u := range unwanted {
		if strings.HasPrefix(n, u) {
			return true
		}
	}
	return false
}

var byOID = map[types.OID]string{
	16: "bool", 21: "int2", 23: "int4", 20: "int8", 700: "float4", 701: "float8", 1700: "numeric", 25: "text", 1043: "varchar", 1042: "bpchar", 17: "bytea",
	1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1186: "interval", 2950: "uuid", 1007: "_int4", 1009: "_text",
	2276: "any",
}

// settings is in how many ways polymorphic types are filled in.
const settings = 4

// polymorphic types, with what stands for them in each setting.
var polymorphic = map[types.OID][settings]string{
	2277: {"_int4", "_text", "_mood", "_pair"}, 2283: {"int4", "text", "mood", "pair"}, 2776: {"int4", "text", "mood", "pair"}, 5077: {"int4", "text", "mood", "pair"},
	5078: {"_int4", "_text", "_mood", "_pair"}, 5079: {"int4", "text", "mood", "pair"}, 3500: {"", "", "mood", ""},
}

func typeFor(o types.OID, setting int) (name string, poly, ok bool) {
	if p, ok := polymorphic[o]; ok {
		return p[setting], true, p[setting] != ""
	}
	n, ok := byOID[o]
	return n, false, ok
}

// newCalls reads what is built from the catalogue, so that what is added there is
// compared from then on.
func newCalls(c *expr.Catalog) *calls {
	out := &calls{scalar: map[string][]*call{}, aggregate: map[string][]*call{}}
	for _, f := range c.Funcs() {
		if f.Volatility == expr.Volatile || unwantedName(f.Name) || f.Kind == expr.FuncWindow || f.Kind == expr.FuncSet {
			continue
		}
		if f.Name == "age" && len(f.Args) == 1 || f.Name == "string_agg" || f.Name == "array_agg" {
			continue // the first reads the clock; the others get an order by hand
		}
		for setting := range settings {
			if poly := out.addFunc(f, setting); !poly {
				break
			}
		}
	}
	for _, o := range c.Ops() {
		for setting := range settings {
			if poly := out.addOp(o, setting); !poly {
				break
			}
		}
	}
	return out
}

func (cs *calls) addFunc(f *expr.Func, setting int) (poly bool) {
	result, p, ok := typeFor(f.Result, setting)
	if !ok {
		return p
	}
	poly = p
	k := &call{name: f.Name, result: result}
	for _, a := range f.Args {
		t, p, ok := typeFor(a, setting)
		if !ok {
			return poly || p
		}
		poly = poly || p
		k.args = append(k.args, t)
	}
	over, ok := arguments[f.Name]
	for i := 0; !ok && i < len(k.args); i++ {
		kind := k.args[0]
		if f.Name == "to_char" && (kind == "date" || kind == "timestamp" || kind == "timestamptz" || kind == "interval") {
			kind = "time"
		} else if f.Name == "to_char" {
			kind = "numeric"
		}
		if over, ok = arguments[f.Name+" "+strings.Join(k.args, " ")]; !ok {
			over, ok = arguments[f.Name+" "+kind]
		}
	}
	for i, a := range over {
		switch {
		case a == "none":
			return false
		case i >= len(k.args):
			if a == "any" {
				k.args = append(k.args, a)
			}
		case a != "" && a != "any" && (k.args[i] == "text" || k.args[i] == "int4" || k.args[i] == "numeric" || k.args[i] == "int8"):
			k.args[i] = a
		}
	}
	switch {
	case f.Kind == expr.FuncAggregate:
		k.inexact = strings.HasPrefix(k.name, "stddev") || strings.HasPrefix(k.name, "var")
		k.inexact = k.inexact && k.result == "float8" || k.result == "float8" && strings.Contains(" corr covar_pop covar_samp ", " "+k.name+" ") || strings.HasPrefix(k.name, "regr_")
		cs.aggregate[result] = append(cs.aggregate[result], k)
	case result == "float8" && strings.Contains(inexactNames, " "+f.Name+" "):
		k.inexact = true
		cs.inexact = append(cs.inexact, k)
	default:
		cs.scalar[result] = append(cs.scalar[result], k)
	}
	return poly
}

func (cs *calls) addOp(o *expr.Op, setting int) (poly bool) {
	result, p, ok := typeFor(o.Result, setting)
	if !ok {
		return false
	}
	poly = p
	k := &call{name: o.Name, result: result, op: true}
	for _, a := range []types.OID{o.Left, o.Right} {
		if a == 0 {
			continue
		}
		t, p, ok := typeFor(a, setting)
		if !ok || t == "any" {
			return poly || p
		}
		poly = poly || p
		k.args = append(k.args, t)
	}
	switch {
	case strings.Contains(o.Name, "~~") && len(k.args) == 2 && k.args[1] == "text":
		k.args[1] = "like"
	case strings.Contains(o.Name, "~") && len(k.args) == 2 && k.args[1] == "text":
		k.args[1] = "pattern"
	case o.Name == "^" && result == "numeric":
		k.args = []string{"small", "small"}
	case o.Name == "^" || o.Name == "|/" || o.Name == "||/":
		k.inexact = true
		cs.inexact = append(cs.inexact, k)
		return poly
	}
	cs.scalar[result] = append(cs.scalar[result], k)
	return poly
}
