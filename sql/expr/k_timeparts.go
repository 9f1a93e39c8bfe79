package expr

import (
	"math"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// unitName brings the spellings of a field to one.
func unitName(s string) string {
	u := strings.ToLower(s)
	switch u {
	case "microsecond", "us", "usec", "usecs", "usecond", "useconds":
		return "microseconds"
	case "millisecond", "ms", "msec", "msecs", "msecond", "mseconds":
		return "milliseconds"
	case "seconds", "sec", "secs", "s":
		return "second"
	case "minutes", "min", "mins", "m":
		return "minute"
	case "hours", "hr", "hrs", "h":
		return "hour"
	case "days", "d":
		return "day"
	case "weeks", "w":
		return "week"
	case "months", "mon", "mons":
		return "month"
	case "qtr":
		return "quarter"
	case "years", "yr", "yrs", "y":
		return "year"
	case "decades", "dec", "decs":
		return "decade"
	case "centuries", "c", "cent":
		return "century"
	case "millennia", "mil", "mils", "millenniums":
		return "millennium"
	}
	return u
}

func floorDiv64(a, b int64) int64 { q, _ := floorMod(a, b); return q }

// isoWeek returns the year and number of the week of ISO 8601.
func isoWeek(year, month, day int) (int, int) {
	days := types.DaysFromCivil(year, month, day)
	dow := floorModInt(days+5, 7) // Monday is 0
	thursday := days - dow + 3
	y, _, _ := types.CivilFromDays(thursday)
	return y, int(thursday-types.DaysFromCivil(y, 1, 1))/7 + 1
}

func floorModInt(a, b int64) int64 { _, r := floorMod(a, b); return r }

func century(year int) int64 {
	// There is no year 0: 1 BC is -1.
	if year > 0 {
		return int64(year+99) / 100
	}
	return -int64((99 - (year - 1)) / 100)
}

func millennium(year int) int64 {
	if year > 0 {
		return int64(year+999) / 1000
	}
	return -int64((999 - (year - 1)) / 1000)
}

func errUnit(what string, unit string, t types.Type) error {
	code := sqlerr.FeatureNotSupported
	if what == "recognized" {
		code = sqlerr.InvalidParameterValue
	}
	return sqlerr.New(code, "unit \"%s\" not %s for type %s", unit, what, t)
}

// part is a field of a date: an integer, scaled by a power of ten, and a whole number
// beside it, for what no integer holds in one.
type part struct {
	value int64
	scale uint16
	plus  int64
	rough bool    // PostgreSQL divides, with sixteen digits
	float float64 // for date_part, where it is not value/10^scale
	isF   bool
}

// numeric is the field as extract gives it.
func (p part) numeric() (datum, error) {
	d := types.NewNumericInt64(p.value, p.scale)
	if p.rough {
		micros := types.NumericFromInt(types.MicrosPerSecond)
		n, err := types.NumericMul(types.NumericFromInt(p.plus), micros)
		if err == nil {
			n, err = types.NumericAdd(types.NumericFromInt(p.value), n)
		}
		if err == nil {
			n, err = types.NumericDiv(n, micros)
		}
		return types.NumericRound(n, 6), err
	}
	if p.plus == 0 {
		return d, nil
	}
	return types.NumericAdd(d, types.NumericFromInt(p.plus))
}

func whole(n int64) (part, bool, error) { return part{value: n}, true, nil }

// timestampPart takes a field of a local timestamp; utc is the instant for
// epoch, offset the zone's in seconds (ignored unless zoned).
func timestampPart(unit string, local, utc int64, offset int, zoned bool, t types.Type) (part, bool, error) {
	u := unitName(unit)
	c := types.CivilFromMicros(local)
	if t.OID == types.OIDDate {
		switch u {
		case "microseconds", "milliseconds", "second", "minute", "hour", "timezone", "timezone_hour", "timezone_minute":
			return part{}, false, errUnit("supported", unit2(unit), t)
		}
	}
	switch u {
	case "microseconds":
		return whole(int64(c.Second)*types.MicrosPerSecond + int64(c.Micros))
	case "milliseconds":
		return part{value: int64(c.Second)*types.MicrosPerSecond + int64(c.Micros), scale: 3}, true, nil
	case "second":
		return part{value: int64(c.Second)*types.MicrosPerSecond + int64(c.Micros), scale: 6}, true, nil
	case "minute":
		return whole(int64(c.Minute))
	case "hour":
		return whole(int64(c.Hour))
	case "day":
		return whole(int64(c.Day))
	case "month":
		return whole(int64(c.Month))
	case "quarter":
		return whole(int64((c.Month-1)/3 + 1))
	case "week":
		_, w := isoWeek(c.Year, c.Month, c.Day)
		return whole(int64(w))
	case "isoyear":
		y, _ := isoWeek(c.Year, c.Month, c.Day)
		if y <= 0 {
			y--
		}
		return whole(int64(y))
	case "year":
		y := int64(c.Year)
		if y <= 0 {
			y--
		}
		return whole(y)
	case "decade":
		return whole(floorDiv64(int64(c.Year), 10))
	case "century":
		return whole(century(c.Year))
	case "millennium":
		return whole(millennium(c.Year))
	case "julian":
		day := types.DaysFromCivil(c.Year, c.Month, c.Day) + 2451545
		if t.OID == types.OIDDate {
			return whole(day)
		}
		return part{isF: true, value: day, float: float64(day) + float64(c.TimeOfDay())/types.MicrosPerDay}, true, nil
	case "dow":
		return whole(floorModInt(types.DaysFromCivil(c.Year, c.Month, c.Day)+6, 7))
	case "isodow":
		return whole(floorModInt(types.DaysFromCivil(c.Year, c.Month, c.Day)+5, 7) + 1)
	case "doy":
		return whole(types.DaysFromCivil(c.Year, c.Month, c.Day) - types.DaysFromCivil(c.Year, 1, 1) + 1)
	case "epoch":
		const epoch = 946684800
		if t.OID == types.OIDDate {
			return whole(floorDiv64(utc, types.MicrosPerSecond) + epoch)
		}
		if utc > math.MaxInt64-epoch*types.MicrosPerSecond { // the last 30 years of all
			return part{value: utc, scale: 6, plus: epoch, rough: true, isF: true, float: (float64(utc) + epoch*types.MicrosPerSecond) / 1e6}, true, nil
		}
		return part{value: utc + epoch*types.MicrosPerSecond, scale: 6}, true, nil
	case "timezone", "timezone_hour", "timezone_minute":
		if !zoned {
			return part{}, false, errUnit("supported", unit2(unit), t)
		}
		switch u {
		case "timezone":
			return whole(int64(offset))
		case "timezone_hour":
			return whole(int64(offset / 3600))
		}
		return whole(int64(offset / 60 % 60))
	}
	return part{}, false, errUnit("recognized", unit2(unit), t)
}

func unit2(u string) string { return strings.ToLower(u) }

// infinitePart is what a field of an infinite date or timestamp is: the infinity
// for those that grow forever, NULL for those that go round.
func infinitePart(unit string, t types.Type, negative bool) (part, bool, error) {
	if _, _, err := timestampPart(unit, 0, 0, 0, t.OID == types.OIDTimestamptz, t); err != nil {
		return part{}, false, err
	}
	switch unitName(unit) {
	case "year", "decade", "century", "millennium", "julian", "isoyear", "epoch":
		f := math.Inf(1)
		if negative {
			f = math.Inf(-1)
		}
		return part{isF: true, float: f}, true, nil
	}
	return part{}, false, nil
}

func intervalPart(unit string, v types.Interval) (part, bool, error) {
	u := unitName(unit)
	rest := v.Micros % types.MicrosPerMinute
	switch u {
	case "microseconds":
		return whole(rest)
	case "milliseconds":
		return part{value: rest, scale: 3}, true, nil
	case "second":
		return part{value: rest, scale: 6}, true, nil
	case "minute":
		return whole(v.Micros / types.MicrosPerMinute % 60)
	case "hour":
		return whole(v.Micros / types.MicrosPerHour)
	case "day":
		return whole(int64(v.Days))
	case "month":
		return whole(int64(v.Months % 12))
	case "quarter":
		return whole(int64(v.Months%12/3 + 1))
	case "year":
		return whole(int64(v.Months / 12))
	case "decade":
		return whole(int64(v.Months / 120))
	case "century":
		return whole(int64(v.Months / 1200))
	case "millennium":
		return whole(int64(v.Months / 12000))
	case "epoch":
		// Years of 365.25 days, the months left over of 30. date_part adds up floats, in
		// this order.
		years, months := int64(v.Months/12), int64(v.Months%12)
		f := float64(v.Micros) / 1e6
		f += 365.25 * 86400 * float64(years)
		f += 30 * 86400 * float64(months)
		f += 86400 * float64(v.Days)
		return part{value: v.Micros, scale: 6, plus: years*31557600 + (months*30+int64(v.Days))*86400, isF: true, float: f}, true, nil
	case "week", "dow", "isodow", "isoyear", "doy", "timezone", "timezone_hour", "timezone_minute", "julian":
		return part{}, false, errUnit("supported", unit2(unit), types.IntervalType)
	}
	return part{}, false, errUnit("recognized", unit2(unit), types.IntervalType)
}

func timePart(unit string, micros int64) (part, bool, error) {
	switch unitName(unit) {
	case "epoch":
		return part{value: micros, scale: 6}, true, nil
	case "microseconds", "milliseconds", "second", "minute", "hour":
		return timestampPart(unit, micros, micros, 0, false, types.Time)
	}
	if _, _, err := timestampPart(unit, 0, 0, 0, true, types.Time); err != nil {
		return part{}, false, err
	}
	return part{}, false, errUnit("supported", unit2(unit), types.Time)
}

// partGetter returns a field of a value; false is NULL.
type partGetter func(ctx *EvalContext, unit string, d datum) (part, bool, error)

// partOf is date_part over a type.
func partOf(get partGetter) func2 {
	return func(ctx *EvalContext, a, b datum) (datum, error) {
		p, ok, err := get(ctx, a.Str(), b)
		if err != nil || !ok {
			return types.Null, err
		}
		if p.isF {
			return types.NewFloat(p.float), nil
		}
		return types.NewFloat(float64(p.value) / math.Pow10(int(p.scale))), nil
	}
}

func (k kernels) timeParts() {
	getters := map[string]partGetter{
		"timestamp": func(_ *EvalContext, u string, d datum) (part, bool, error) {
			if !types.TimestampIsFinite(d.Int()) {
				return infinitePart(u, types.Timestamp, d.Int() < 0)
			}
			return timestampPart(u, d.Int(), d.Int(), 0, false, types.Timestamp)
		},
		"timestamptz": func(ctx *EvalContext, u string, d datum) (part, bool, error) {
			if !types.TimestampIsFinite(d.Int()) {
				return infinitePart(u, types.Timestamptz, d.Int() < 0)
			}
			off := types.OffsetAt(d.Int(), ctx.format().Location())
			return timestampPart(u, d.Int()+int64(off)*types.MicrosPerSecond, d.Int(), off, true, types.Timestamptz)
		},
		"date": func(_ *EvalContext, u string, d datum) (part, bool, error) {
			if !types.DateIsFinite(d.Int()) {
				return infinitePart(u, types.Date, d.Int() < 0)
			}
			// Dates reach further than timestamps.
			y, m, day := types.CivilFromDays(d.Int())
			if !types.TimestampInRange(dateAsTimestamp(d.Int())) {
				return farDatePart(u, d.Int(), y, m, day)
			}
			t := d.Int() * types.MicrosPerDay
			return timestampPart(u, t, t, 0, false, types.Date)
		},
		"interval": func(_ *EvalContext, u string, d datum) (part, bool, error) { return intervalPart(u, d.Interval()) },
		"timetz":   func(_ *EvalContext, u string, d datum) (part, bool, error) { return timetzPart(u, d) },
		"time":     func(_ *EvalContext, u string, d datum) (part, bool, error) { return timePart(u, d.Int()) },
	}
	for name, get := range getters {
		k.f2("extract(text,"+name+")", func(ctx *EvalContext, a, b datum) (datum, error) {
			p, ok, err := get(ctx, a.Str(), b)
			if err != nil || !ok {
				return types.Null, err
			}
			if p.isF {
				if math.IsInf(p.float, 0) {
					return types.NumericInf(p.float < 0), nil
				}
				if unitName(a.Str()) == "julian" {
					// Day plus time over a day, in numeric.
					_, rest := floorMod(b.Int(), types.MicrosPerDay)
					if name == "timestamptz" {
						_, rest = floorMod(toLocal(ctx, b.Int()), types.MicrosPerDay)
					}
					q, err := types.NumericDiv(types.NumericFromInt(rest), types.NumericFromInt(types.MicrosPerDay))
					if err != nil {
						return types.Null, err
					}
					return types.NumericAdd(types.NumericFromInt(p.value), q)
				}
			}
			return p.numeric()
		})
		if name == "date" {
			continue
		}
		k.f2("date_part(text,"+name+")", partOf(get))
	}
	// extract refuses hours of a date; the older date_part makes a timestamp of it.
	k.f2("date_part(text,date)", func(ctx *EvalContext, a, b datum) (datum, error) {
		t, err := dateToTimestamp(b.Int())
		if err != nil {
			return types.Null, err
		}
		return partOf(getters["timestamp"])(ctx, a, types.NewInt(t))
	})
	k.f2("date_trunc(text,timestamp)", func(_ *EvalContext, a, b datum) (datum, error) {
		t, err := truncTimestamp(a.Str(), b.Int(), types.Timestamp)
		return types.NewInt(t), err
	})
	k.f2("date_trunc(text,timestamptz)", func(ctx *EvalContext, a, b datum) (datum, error) {
		return truncZoned(a.Str(), b.Int(), ctx.format().Location())
	})
	k.fn("date_trunc(text,timestamptz,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		if !types.TimestampIsFinite(a[1].Int()) {
			return truncZoned(a[0].Str(), a[1].Int(), time.UTC) // whatever the zone is called
		}
		loc, err := ctx.zone(a[2].Str())
		if err != nil {
			return types.Null, err
		}
		return truncZoned(a[0].Str(), a[1].Int(), loc)
	})
	k.f2("date_trunc(text,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		v := b.Interval()
		switch unitName(a.Str()) {
		case "millennium":
			v = types.Interval{Months: v.Months / 12000 * 12000}
		case "century":
			v = types.Interval{Months: v.Months / 1200 * 1200}
		case "decade":
			v = types.Interval{Months: v.Months / 120 * 120}
		case "year":
			v = types.Interval{Months: v.Months / 12 * 12}
		case "quarter":
			v = types.Interval{Months: v.Months / 3 * 3}
		case "month":
			v = types.Interval{Months: v.Months}
		case "day":
			v.Micros = 0
		case "hour":
			v.Micros -= v.Micros % types.MicrosPerHour
		case "minute":
			v.Micros -= v.Micros % types.MicrosPerMinute
		case "second":
			v.Micros -= v.Micros % types.MicrosPerSecond
		case "milliseconds":
			v.Micros -= v.Micros % 1000
		case "microseconds":
		case "week":
			return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "unit \"week\" not supported for type interval").
				WithDetail("Months usually have fractional weeks.")
		default:
			return types.Null, errUnit("recognized", unit2(a.Str()), types.IntervalType)
		}
		return types.NewInterval(v), nil
	})
	k.fn("make_date(int4,int4,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return makeDate(a[0].Int(), a[1].Int(), a[2].Int())
	})
	k.fn("make_time(int4,int4,float8)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		t, err := makeTime(a[0].Int(), a[1].Int(), a[2].Float())
		return types.NewInt(t), err
	})
	stamp := func(a []datum) (int64, error) {
		d, err := makeDate(a[0].Int(), a[1].Int(), a[2].Int())
		if err != nil {
			return 0, err
		}
		t, err := makeTime(a[3].Int(), a[4].Int(), a[5].Float())
		if err != nil {
			return 0, err
		}
		r := dateAsTimestamp(d.Int()) + t
		if !types.TimestampInRange(r) {
			return 0, types.ErrTimestampRange()
		}
		return r, nil
	}
	k.fn("make_timestamp(int4,int4,int4,int4,int4,float8)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		t, err := stamp(a)
		return types.NewInt(t), err
	})
	k.fn("make_timestamptz(int4,int4,int4,int4,int4,float8) make_timestamptz(int4,int4,int4,int4,int4,float8,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		t, err := stamp(a)
		if err != nil {
			return types.Null, err
		}
		loc := ctx.format().Location()
		if len(a) == 7 {
			if loc, err = ctx.civilZone(a[6].Str()); err != nil {
				return types.Null, err
			}
		}
		return timestamp(types.LocalToUTC(t, loc))
	})
	k.fn("make_interval(int4,int4,int4,int4,int4,int4,float8)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		months := a[0].Int()*12 + a[1].Int()
		days := a[2].Int()*7 + a[3].Int()
		s := a[6].Float()
		micros := math.RoundToEven(s * 1e6)
		if months != int64(int32(months)) || days != int64(int32(days)) || !(math.Abs(micros) < 9e18) {
			return types.Null, types.ErrIntervalRange()
		}
		return types.NewInterval(types.Interval{Months: int32(months), Days: int32(days),
			Micros: a[4].Int()*types.MicrosPerHour + a[5].Int()*types.MicrosPerMinute + int64(micros)}), nil
	})
	k.f1("to_timestamp(float8)", func(_ *EvalContext, a datum) (datum, error) {
		f := a.Float()
		switch {
		case math.IsNaN(f):
			return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp cannot be NaN")
		case math.IsInf(f, 1):
			return types.NewInt(types.TimestampInfinity), nil
		case math.IsInf(f, -1):
			return types.NewInt(types.TimestampNegInfinity), nil
		}
		us := math.RoundToEven((f - 946684800) * 1e6)
		if !(math.Abs(us) < 9.3e18) || !types.TimestampInRange(int64(us)) {
			return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%s\"", formatG(f, 6))
		}
		return types.NewInt(int64(us)), nil
	})
}

// farDatePart serves dates that no timestamp reaches.
func farDatePart(unit string, days int64, y, m, d int) (part, bool, error) {
	if unitName(unit) == "epoch" {
		return whole(days*86400 + 946684800)
	}
	// The Gregorian calendar repeats after 400 years, weekdays included.
	const cycle = 146097
	shift := days / cycle
	near := (days - shift*cycle) * types.MicrosPerDay
	p, ok, err := timestampPart(unit, near, near, 0, false, types.Date)
	if err != nil {
		return p, ok, err
	}
	switch unitName(unit) {
	case "year", "isoyear":
		p.value += shift * 400
	case "decade":
		p.value += shift * 40
	case "century":
		p.value += shift * 4
	case "millennium":
		p.value = millennium(y)
	case "julian":
		p.value += shift * cycle
	}
	return p, ok, nil
}

func makeDate(y, m, d int64) (datum, error) {
	bad := func() (datum, error) {
		return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date field value out of range: %d-%02d-%02d", y, m, d)
	}
	year := y
	if y < 0 {
		year = y + 1
	}
	if y == 0 || m < 1 || m > 12 || d < 1 || math.Abs(float64(year)) > 6e6 || d > int64(types.DaysIn(int(year), int(m))) {
		return bad()
	}
	days := types.DaysFromCivil(int(year), int(m), int(d))
	if !types.DateInRange(days) {
		return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: %d-%02d-%02d", y, m, d)
	}
	return types.NewInt(days), nil
}

func makeTime(h, m int64, s float64) (int64, error) {
	us := math.RoundToEven(s * 1e6)
	if h < 0 || m < 0 || m > 59 || math.IsNaN(s) || us < 0 || us > 60e6 || h > 24 || h == 24 && (m > 0 || us > 0) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "time field value out of range: %d:%02d:%s", h, m, formatSeconds(s))
	}
	return h*types.MicrosPerHour + m*types.MicrosPerMinute + int64(us), nil
}

func formatSeconds(s float64) string {
	t := formatG(s, 15)
	if len(t) < 2 || t[1] == '.' {
		t = "0" + t
	}
	return t
}

// truncTimestamp cuts a local timestamp to a unit.
func truncTimestamp(unit string, t int64, typ types.Type) (int64, error) {
	u := unitName(unit)
	if !types.TimestampIsFinite(t) {
		return t, nil // whatever the unit is
	}
	c := types.CivilFromMicros(t)
	clear := func() { c.Hour, c.Minute, c.Second, c.Micros = 0, 0, 0, 0 }
	switch u {
	case "microseconds":
	case "milliseconds":
		c.Micros -= c.Micros % 1000
	case "second":
		c.Micros = 0
	case "minute":
		c.Second, c.Micros = 0, 0
	case "hour":
		c.Minute, c.Second, c.Micros = 0, 0, 0
	case "day":
		clear()
	case "week":
		days := types.DaysFromCivil(c.Year, c.Month, c.Day)
		days -= floorModInt(days+5, 7)
		c.Year, c.Month, c.Day = types.CivilFromDays(days)
		clear()
	case "month":
		c.Day = 1
		clear()
	case "quarter":
		c.Month, c.Day = (c.Month-1)/3*3+1, 1
		clear()
	case "year":
		c.Month, c.Day = 1, 1
		clear()
	case "decade":
		c.Year = int(floorDiv64(int64(c.Year), 10)) * 10
		c.Month, c.Day = 1, 1
		clear()
	case "century":
		if c.Year > 0 {
			c.Year = (c.Year+99)/100*100 - 99
		} else {
			c.Year = -((99-(c.Year-1))/100)*100 + 1
		}
		c.Month, c.Day = 1, 1
		clear()
	case "millennium":
		if c.Year > 0 {
			c.Year = (c.Year+999)/1000*1000 - 999
		} else {
			c.Year = -((999-(c.Year-1))/1000)*1000 + 1
		}
		c.Month, c.Day = 1, 1
		clear()
	case "isoyear", "dow", "isodow", "doy", "epoch", "julian", "timezone", "timezone_hour", "timezone_minute":
		return 0, errUnit("supported", unit2(unit), typ)
	default:
		return 0, errUnit("recognized", unit2(unit), typ)
	}
	r, ok := c.TimestampMicros()
	if !ok {
		return 0, types.ErrTimestampRange()
	}
	return r, nil
}

func truncZoned(unit string, t int64, loc *time.Location) (datum, error) {
	local, err := truncTimestamp(unit, types.UTCToLocal(t, loc), types.Timestamptz)
	if err != nil || !types.TimestampIsFinite(local) {
		return types.NewInt(local), err
	}
	switch unitName(unit) {
	case "microseconds", "milliseconds", "second", "minute", "hour":
		// Below a day the offset cannot change: an hour that occurs twice stays
		// the one it was.
		off := int64(types.OffsetAt(t, loc)) * types.MicrosPerSecond
		return timestamp(local - off)
	}
	return timestamp(types.LocalToUTC(local, loc))
}
