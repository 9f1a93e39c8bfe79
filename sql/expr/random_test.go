package expr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/quorate-db/quorate/sql/types"
)

// randomExpr makes an expression out of random values: whatever depends on exact
// digits, rounding, ranges and the calendar.
func randomExpr(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	float := func() string {
		switch r.IntN(4) {
		case 0:
			f := math.Float64frombits(r.Uint64())
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return "0.1"
			}
			return strconv.FormatFloat(f, 'g', -1, 64)
		case 1:
			return strconv.FormatFloat(math.Ldexp(1, r.IntN(400)-200), 'g', -1, 64)
		case 2:
			return strconv.FormatFloat(r.NormFloat64()*math.Pow10(r.IntN(20)-5), 'g', 6+r.IntN(12), 64)
		}
		return strconv.Itoa(r.IntN(2000) - 1000)
	}
	num := func() string {
		n := 1 + r.IntN(25)
		s := pick("", "-")
		for range n {
			s += string(rune('0' + r.IntN(10)))
		}
		if r.IntN(3) > 0 {
			s += "."
			for range r.IntN(15) {
				s += string(rune('0' + r.IntN(10)))
			}
		}
		return s
	}
	ts := func() string {
		t := time.Date(1+r.IntN(4000), 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(365*86400*1e6)) * time.Microsecond)
		if r.IntN(2) == 0 {
			t = time.Date(1900+r.IntN(180), 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(365*86400)) * time.Second)
		}
		return t.Format("2006-01-02 15:04:05.999999")
	}
	iv := func() string {
		return fmt.Sprintf("%d years %d mons %d days %d:%02d:%02d.%d", r.IntN(20)-10, r.IntN(30)-15, r.IntN(100)-50, r.IntN(60), r.IntN(60), r.IntN(60), r.IntN(1000000))
	}
	fields := func() string {
		return pick("year", "month", "day", "hour", "minute", "second", "milliseconds", "microseconds", "epoch", "dow", "isodow", "doy", "week", "isoyear", "quarter", "century", "decade", "millennium", "julian")
	}
	switch r.IntN(22) {
	case 0:
		return fmt.Sprintf("'%s'::float8", float())
	case 1:
		return fmt.Sprintf("'%s'::float4", float())
	case 2:
		return fmt.Sprintf("'%s'::float8 %s '%s'::float8", float(), pick("+", "-", "*", "/", "<", "="), float())
	case 3:
		return fmt.Sprintf("'%s'::float8::numeric", float())
	case 4, 5, 6:
		return fmt.Sprintf("'%s'::numeric %s '%s'::numeric", num(), pick("+", "-", "*", "/", "%", "<", "="), num())
	case 7:
		return fmt.Sprintf("round('%s'::numeric, %d)", num(), r.IntN(20)-8)
	case 8:
		return fmt.Sprintf("'%s'::numeric(%d,%d)", num(), 1+r.IntN(30), r.IntN(10)-2)
	case 9:
		return fmt.Sprintf("sqrt(abs('%s'::numeric))", num())
	case 10:
		return fmt.Sprintf("ln(abs('%s'::numeric) + 0.001)", num())
	case 11:
		return fmt.Sprintf("exp('%s'::numeric)", strconv.FormatFloat(r.NormFloat64()*30, 'f', r.IntN(10), 64))
	case 12:
		return fmt.Sprintf("power('%s'::numeric, '%s'::numeric)", strconv.FormatFloat(math.Abs(r.NormFloat64()*50)+0.01, 'f', 1+r.IntN(5), 64), strconv.FormatFloat(r.NormFloat64()*8, 'f', r.IntN(4), 64))
	case 13:
		return fmt.Sprintf("timestamptz '%s'", ts())
	case 14:
		return fmt.Sprintf("timestamp '%s' %s interval '%s'", ts(), pick("+", "-"), iv())
	case 15:
		return fmt.Sprintf("timestamptz '%s' %s interval '%s'", ts(), pick("+", "-"), iv())
	case 16:
		return fmt.Sprintf("age(timestamp '%s', timestamp '%s')", ts(), ts())
	case 17:
		return fmt.Sprintf("extract(%s from timestamp '%s')", fields(), ts())
	case 18:
		return fmt.Sprintf("date_trunc('%s', timestamptz '%s')", pick("hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium"), ts())
	case 19:
		return fmt.Sprintf("interval '%s' * '%s'::float8", iv(), strconv.FormatFloat(r.NormFloat64()*3, 'f', r.IntN(4), 64))
	case 20:
		return fmt.Sprintf("timestamp '%s' - timestamp '%s'", ts(), ts())
	}
	return fmt.Sprintf("interval '%s' %s interval '%s'", iv(), pick("+", "-", "<", "="), iv())
}

// Random expressions give what a real PostgreSQL gives. QUORATE_SEED repeats a
// run, QUORATE_CASES says how many.
func TestRandomAgainstPostgres(t *testing.T) {
	conn := connect(t)
	bg := context.Background()
	if _, err := conn.Exec(bg, "SET timezone = '"+goldenZone+"'"); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	if s := os.Getenv("QUORATE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	n := 3000
	if s := os.Getenv("QUORATE_CASES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	ctx := testContext(t)
	b := &Builder{Catalog: NewCatalog(), Eval: ctx}
	for range n {
		sql := randomExpr(r)
		var want string
		res, err := conn.PgConn().Exec(bg, "SELECT "+sql).ReadAll()
		if err != nil {
			want = showResult(nil, "", err)
		} else {
			f := res[0].FieldDescriptions[0]
			s := string(res[0].Rows[0][0])
			want = showResult(&s, types.Type{OID: types.OID(f.DataTypeOID), Typmod: f.TypeModifier}.String(), nil)
		}
		if got := run(b, ctx, sql); got != want {
			t.Errorf("%s\n  got  %s\n  want %s", sql, got, want)
		}
	}
}
