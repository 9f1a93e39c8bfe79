package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (k kernels) comparisons() {
	// How the result of an order gives the six comparisons.
	tests := []struct {
		suffix string
		holds  func(c int) bool
	}{
		{"eq", func(c int) bool { return c == 0 }},
		{"ne", func(c int) bool { return c != 0 }},
		{"lt", func(c int) bool { return c < 0 }},
		{"le", func(c int) bool { return c <= 0 }},
		{"gt", func(c int) bool { return c > 0 }},
		{"ge", func(c int) bool { return c >= 0 }},
	}
	// family is the name with % for eq, ne, …; args are the argument types.
	order := func(family, args string, cmp func(ctx *EvalContext, a, b datum) int) {
		for _, t := range tests {
			holds := t.holds
			k.f2(strings.Replace(family, "%", t.suffix, 1)+"("+args+")", func(ctx *EvalContext, a, b datum) (datum, error) {
				return types.NewBool(holds(cmp(ctx, a, b))), nil
			})
		}
	}
	byType := func(t types.Type) func(*EvalContext, datum, datum) int {
		return func(_ *EvalContext, a, b datum) int { return types.Compare(a, b, t) }
	}

	// The commonest ones without the detour.
	ints := func(family, args string) {
		name := func(s string) string { return strings.Replace(family, "%", s, 1) + "(" + args + ")" }
		k.f2(name("eq"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() == b.Int()), nil })
		k.f2(name("ne"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() != b.Int()), nil })
		k.f2(name("lt"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() < b.Int()), nil })
		k.f2(name("le"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() <= b.Int()), nil })
		k.f2(name("gt"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() > b.Int()), nil })
		k.f2(name("ge"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() >= b.Int()), nil })
	}
	for _, x := range [][2]string{
		{"int2%", "int2,int2"}, {"int4%", "int4,int4"}, {"int8%", "int8,int8"},
		{"int24%", "int2,int4"}, {"int42%", "int4,int2"}, {"int28%", "int2,int8"},
		{"int82%", "int8,int2"}, {"int48%", "int4,int8"}, {"int84%", "int8,int4"},
		{"oid%", "oid,oid"}, {"date_%", "date,date"}, {"time_%", "time,time"},
		{"timestamp_%", "timestamp,timestamp"}, {"timestamptz_%", "timestamptz,timestamptz"}, {"timetz_%", "timetz,timetz"},
	} {
		ints(x[0], x[1])
	}
	k.f2("xideq(xid,xid) xideqint4(xid,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(uint32(a.Int()) == uint32(b.Int())), nil
	})
	k.f2("xidneq(xid,xid) xidneqint4(xid,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(uint32(a.Int()) != uint32(b.Int())), nil
	})
	k.f2("cideq(cid,cid)", func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Int() == b.Int()), nil })

	text := func(name func(string) string) {
		k.f2(name("eq"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() == b.Str()), nil })
		k.f2(name("ne"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() != b.Str()), nil })
		k.f2(name("lt"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() < b.Str()), nil })
		k.f2(name("le"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() <= b.Str()), nil })
		k.f2(name("gt"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() > b.Str()), nil })
		k.f2(name("ge"), func(_ *EvalContext, a, b datum) (datum, error) { return types.NewBool(a.Str() >= b.Str()), nil })
	}
	text(func(s string) string {
		if s == "eq" || s == "ne" {
			return "text" + s + "(text,text)"
		}
		return "text_" + s + "(text,text)"
	})
	text(func(s string) string { return "name" + s + "(name,name)" })
	text(func(s string) string { return "name" + s + "text(name,text)" })
	text(func(s string) string { return "text" + s + "name(text,name)" })
	text(func(s string) string { return "bytea" + s + "(bytea,bytea)" })
	text(func(s string) string { return "uuid_" + s + "(uuid,uuid)" })
	text(func(s string) string { return "char" + s + "(char,char)" })
	text(func(s string) string { return "bit" + s + "(bit,bit)" })
	text(func(s string) string { return "varbit" + s + "(varbit,varbit)" })
	// What enums are stored as is ordered as their labels are.
	text(func(s string) string { return "enum_" + s + "(anyenum,anyenum)" })

	order("bpchar%", "bpchar,bpchar", byType(types.Bpchar))
	order("bool%", "bool,bool", byType(types.Bool))
	order("float4%", "float4,float4", byType(types.Float8))
	order("float8%", "float8,float8", byType(types.Float8))
	order("float48%", "float4,float8", byType(types.Float8))
	order("float84%", "float8,float4", byType(types.Float8))
	order("numeric_%", "numeric,numeric", byType(types.Numeric))
	order("interval_%", "interval,interval", byType(types.IntervalType))
	order("array_%", "anyarray,anyarray", byType(types.AnyArray))
	order("oidvector%", "oidvector,oidvector", byType(types.OidVector))
	for _, t := range tests {
		holds := t.holds
		k.f2("record_"+t.suffix+"(record,record)", func(_ *EvalContext, a, b datum) (datum, error) {
			c, err := compareRows(a.Record(), b.Record())
			return types.NewBool(holds(c)), err
		})
	}
	order("jsonb_%", "jsonb,jsonb", byType(types.JSONB))

	// Dates and timestamps of different kinds.
	dateTS := func(_ *EvalContext, a, b datum) int { return compareDate(a.Int(), dateAsTimestamp(a.Int()), b.Int()) }
	order("date_%_timestamp", "date,timestamp", dateTS)
	order("timestamp_%_date", "timestamp,date", func(ctx *EvalContext, a, b datum) int { return -dateTS(ctx, b, a) })
	dateTZ := func(ctx *EvalContext, a, b datum) int {
		return compareDate(a.Int(), toUTC(ctx, dateAsTimestamp(a.Int())), b.Int())
	}
	order("date_%_timestamptz", "date,timestamptz", dateTZ)
	order("timestamptz_%_date", "timestamptz,date", func(ctx *EvalContext, a, b datum) int { return -dateTZ(ctx, b, a) })
	tsTZ := func(ctx *EvalContext, a, b datum) int { return cmp64(toUTC(ctx, a.Int()), b.Int()) }
	order("timestamp_%_timestamptz", "timestamp,timestamptz", tsTZ)
	order("timestamptz_%_timestamp", "timestamptz,timestamp", func(ctx *EvalContext, a, b datum) int { return -tsTZ(ctx, b, a) })
}

// compareRows orders two row values. Fields at the same place must be of one type, as
// far as they are looked at.
func compareRows(a, b *types.Record) (int, error) {
	for i := 0; i < len(a.Fields) && i < len(b.Fields); i++ {
		if x, y := a.Types[i].Bare(), b.Types[i].Bare(); x.OID != y.OID {
			return 0, sqlerr.New(sqlerr.DatatypeMismatch, "cannot compare dissimilar column types %s and %s at record column %d", x, y, i+1)
		}
		if c := types.Compare(a.Fields[i], b.Fields[i], a.Types[i]); c != 0 {
			return c, nil
		}
	}
	if len(a.Fields) != len(b.Fields) {
		return 0, sqlerr.New(sqlerr.DatatypeMismatch, "cannot compare record types with different numbers of columns")
	}
	return 0, nil
}

func cmp64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
