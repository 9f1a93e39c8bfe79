package expr

import (
	"math"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// dateAsTimestamp returns midnight of a date, for comparisons: dates beyond the
// timestamps' range become infinities.
func dateAsTimestamp(days int64) int64 {
	switch {
	case days == types.DateInfinity || days > math.MaxInt64/types.MicrosPerDay:
		return types.TimestampInfinity
	case days == types.DateNegInfinity:
		return types.TimestampNegInfinity
	}
	return days * types.MicrosPerDay
}

// dateToTimestamp is the cast, which refuses what dateAsTimestamp bends.
func dateToTimestamp(days int64) (int64, error) {
	t := dateAsTimestamp(days)
	if types.DateIsFinite(days) && !types.TimestampInRange(t) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range for timestamp")
	}
	return t, nil
}

func toUTC(ctx *EvalContext, local int64) int64 {
	return types.LocalToUTC(local, ctx.format().Location())
}

func toLocal(ctx *EvalContext, t int64) int64 {
	return types.UTCToLocal(t, ctx.format().Location())
}

func timestamp(t int64) (datum, error) {
	if types.TimestampIsFinite(t) && !types.TimestampInRange(t) {
		return types.Null, types.ErrTimestampRange()
	}
	return types.NewInt(t), nil
}

func floorMod(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q--
		r += b
	}
	return q, r
}

// timestampDate returns the day of a timestamp.
func timestampDate(t int64) (datum, error) {
	switch t {
	case types.TimestampInfinity:
		return types.NewInt(types.DateInfinity), nil
	case types.TimestampNegInfinity:
		return types.NewInt(types.DateNegInfinity), nil
	}
	d, _ := floorMod(t, types.MicrosPerDay)
	return types.NewInt(d), nil
}

// timeCast returns the cast between two of the types of date and time.
func timeCast(from, to types.OID) func1 {
	const (
		date, tim, ts, tz, iv = types.OIDDate, types.OIDTime, types.OIDTimestamp, types.OIDTimestamptz, types.OIDInterval
	)
	timeOf := func(t int64) (datum, error) {
		if !types.TimestampIsFinite(t) {
			return types.Null, nil
		}
		_, r := floorMod(t, types.MicrosPerDay)
		return types.NewInt(r), nil
	}
	switch {
	case from == to:
		return same
	case from == date && to == ts:
		return func(_ *EvalContext, d datum) (datum, error) {
			t, err := dateToTimestamp(d.Int())
			return types.NewInt(t), err
		}
	case from == date && to == tz:
		return func(ctx *EvalContext, d datum) (datum, error) {
			t, err := dateToTimestamp(d.Int())
			if err != nil {
				return types.Null, err
			}
			return timestamp(toUTC(ctx, t))
		}
	case from == ts && to == date:
		return func(_ *EvalContext, d datum) (datum, error) { return timestampDate(d.Int()) }
	case from == tz && to == date:
		return func(ctx *EvalContext, d datum) (datum, error) { return timestampDate(toLocal(ctx, d.Int())) }
	case from == ts && to == tz:
		return func(ctx *EvalContext, d datum) (datum, error) { return timestamp(toUTC(ctx, d.Int())) }
	case from == tz && to == ts:
		return func(ctx *EvalContext, d datum) (datum, error) { return timestamp(toLocal(ctx, d.Int())) }
	case from == ts && to == tim:
		return func(_ *EvalContext, d datum) (datum, error) { return timeOf(d.Int()) }
	case from == tz && to == tim:
		return func(ctx *EvalContext, d datum) (datum, error) { return timeOf(toLocal(ctx, d.Int())) }
	case from == tim && to == iv:
		return func(_ *EvalContext, d datum) (datum, error) {
			return types.NewInterval(types.Interval{Micros: d.Int()}), nil
		}
	case from == iv && to == tim:
		return func(_ *EvalContext, d datum) (datum, error) {
			_, r := floorMod(d.Interval().Micros, types.MicrosPerDay)
			return types.NewInt(r), nil
		}
	}
	return nil
}

// addInterval adds months (staying inside the month), then days, then time, to a
// local timestamp.
func addInterval(t int64, v types.Interval) (int64, error) {
	if !types.TimestampIsFinite(t) {
		return t, nil
	}
	if v.Months != 0 {
		c := types.CivilFromMicros(t)
		m := int64(c.Month) - 1 + int64(v.Months)
		q, r := floorMod(m, 12)
		c.Year += int(q)
		c.Month = int(r) + 1
		c.Day = min(c.Day, types.DaysIn(c.Year, c.Month))
		var ok bool
		if t, ok = c.TimestampMicros(); !ok {
			return 0, types.ErrTimestampRange()
		}
	}
	if v.Days != 0 {
		d := int64(v.Days) * types.MicrosPerDay
		if (t+d > t) != (d > 0) || !types.TimestampInRange(t+d) {
			return 0, types.ErrTimestampRange()
		}
		t += d
	}
	if s := t + v.Micros; v.Micros == 0 || (s > t) == (v.Micros > 0) {
		t = s
	} else {
		return 0, types.ErrTimestampRange()
	}
	if !types.TimestampInRange(t) {
		return 0, types.ErrTimestampRange()
	}
	return t, nil
}

// AddIntervalTZ adds to a point in time: months and days as the clocks of the zone have them, the
// rest as elapsed time.
func AddIntervalTZ(t int64, v types.Interval, loc *time.Location) (int64, error) {
	if !types.TimestampIsFinite(t) {
		return t, nil
	}
	if v.Months != 0 || v.Days != 0 {
		local, err := addInterval(types.UTCToLocal(t, loc), types.Interval{Months: v.Months, Days: v.Days})
		if err != nil {
			return 0, err
		}
		t = types.LocalToUTC(local, loc)
	}
	return addInterval(t, types.Interval{Micros: v.Micros})
}

func interval(v types.Interval, err error) (datum, error) {
	if err != nil {
		return types.Null, err
	}
	return types.NewInterval(v), nil
}

// scaleInterval multiplies by a factor; what is less than a month spills over
// into days, what is less than a day into time.
func scaleInterval(v types.Interval, f float64, divide bool) (types.Interval, error) {
	op := func(x float64) float64 { return x * f }
	if divide {
		op = func(x float64) float64 { return x / f }
	}
	months := op(float64(v.Months))
	days := op(float64(v.Days))
	if !(math.Abs(months) <= math.MaxInt32) || !(math.Abs(days) <= math.MaxInt32) {
		return types.Interval{}, types.ErrIntervalRange()
	}
	r := types.Interval{Months: int32(months), Days: int32(days)}
	// Rounded to six places, so that 0.1 of a day does not become a hair less.
	tsround := func(x float64) float64 { return math.RoundToEven(x*1e6) / 1e6 }
	monthDays := tsround((months - float64(r.Months)) * 30)
	secs := tsround((days - float64(r.Days) + monthDays - math.Trunc(monthDays)) * 86400)
	if math.Abs(secs) >= 86400 {
		if r.Days > math.MaxInt32-2 || r.Days < math.MinInt32+2 {
			return types.Interval{}, types.ErrIntervalRange()
		}
		r.Days += int32(secs / 86400)
		secs -= math.Trunc(secs/86400) * 86400
	}
	total := float64(r.Days) + math.Trunc(monthDays)
	if math.Abs(total) > math.MaxInt32 {
		return types.Interval{}, types.ErrIntervalRange()
	}
	r.Days = int32(total)
	micros := math.RoundToEven(op(float64(v.Micros)) + secs*types.MicrosPerSecond)
	if !(math.Abs(micros) < math.MaxInt64) {
		return types.Interval{}, types.ErrIntervalRange()
	}
	r.Micros = int64(micros)
	return r, nil
}

// justifyHours turns full days of time into days, justifyDays full months of
// days into months; signs are made to agree.
func justifyHours(v types.Interval) types.Interval {
	d := v.Micros / types.MicrosPerDay
	v.Micros -= d * types.MicrosPerDay
	v.Days += int32(d)
	if v.Days > 0 && v.Micros < 0 {
		v.Micros += types.MicrosPerDay
		v.Days--
	} else if v.Days < 0 && v.Micros > 0 {
		v.Micros -= types.MicrosPerDay
		v.Days++
	}
	return v
}

func justifyDays(v types.Interval) types.Interval {
	m := v.Days / 30
	v.Months += m
	v.Days -= m * 30
	if v.Months > 0 && v.Days < 0 {
		v.Days += 30
		v.Months--
	} else if v.Months < 0 && v.Days > 0 {
		v.Days -= 30
		v.Months++
	}
	return v
}

func justifyInterval(v types.Interval) types.Interval {
	v = justifyDays(justifyHours(v))
	if v.Months > 0 && (v.Days < 0 || v.Days == 0 && v.Micros < 0) {
		v.Days += 30
		v.Months--
	} else if v.Months < 0 && (v.Days > 0 || v.Days == 0 && v.Micros > 0) {
		v.Days -= 30
		v.Months++
	}
	if v.Days > 0 && v.Micros < 0 {
		v.Micros += types.MicrosPerDay
		v.Days--
	} else if v.Days < 0 && v.Micros > 0 {
		v.Micros -= types.MicrosPerDay
		v.Days++
	}
	return v
}

// age is the difference in years, months, days and time of two local timestamps.
func age(a, b int64) (types.Interval, error) {
	if !types.TimestampIsFinite(a) || !types.TimestampIsFinite(b) {
		return types.Interval{}, types.ErrTimestampRange()
	}
	x, y := types.CivilFromMicros(a), types.CivilFromMicros(b)
	neg := a < b
	if neg {
		x, y = y, x
	}
	micros := x.TimeOfDay() - y.TimeOfDay()
	days := x.Day - y.Day
	months := (x.Year-y.Year)*12 + x.Month - y.Month
	if micros < 0 {
		micros += types.MicrosPerDay
		days--
	}
	for days < 0 {
		// The length of the earlier moment's month, as timestamp_age has it; with
		// the operands swapped, of the other one's.
		if neg {
			days += types.DaysIn(y.Year, y.Month)
		} else {
			days += types.DaysIn(y.Year, y.Month)
		}
		months--
	}
	v := types.Interval{Months: int32(months), Days: int32(days), Micros: micros}
	if neg {
		return v.Neg()
	}
	return v, nil
}

func (k kernels) datetimes() {
	k.clocks()
	k.timeArithmetic()
	k.timeParts()
}

// session times.
func (k kernels) clocks() {
	at := func(sigs string, f func(ctx *EvalContext) (time.Time, error)) {
		k.fn(sigs, func(ctx *EvalContext, _ *Signature, _ []datum) (datum, error) {
			t, err := f(ctx)
			if err != nil {
				return types.Null, err
			}
			return types.NewInt(types.FromTime(t)), nil
		})
	}
	need := func(t time.Time) (time.Time, error) {
		if t.IsZero() {
			return t, sqlerr.Unsupported("the current time here")
		}
		return t, nil
	}
	at("now() transaction_timestamp()", func(ctx *EvalContext) (time.Time, error) { return need(ctx.TxnTime) })
	at("statement_timestamp()", func(ctx *EvalContext) (time.Time, error) { return need(ctx.StmtTime) })
	at("clock_timestamp()", func(ctx *EvalContext) (time.Time, error) {
		if ctx.Clock == nil {
			return need(time.Time{})
		}
		return ctx.Clock.Now(), nil
	})
	k.fn("timeofday()", func(ctx *EvalContext, _ *Signature, _ []datum) (datum, error) {
		if ctx.Clock == nil {
			return types.Null, sqlerr.Unsupported("the current time here")
		}
		return str(ctx.Clock.Now().In(ctx.format().Location()).Format("Mon Jan 02 15:04:05.000000 2006 MST"))
	})
	sleep := func(ctx *EvalContext, d time.Duration) (datum, error) {
		if ctx.Clock == nil || ctx.Ctx == nil {
			return types.Null, sqlerr.Unsupported("pg_sleep here")
		}
		return types.NewString(""), env.Sleep(ctx.Ctx, ctx.Clock, d)
	}
	k.f1("pg_sleep(float8)", func(ctx *EvalContext, a datum) (datum, error) {
		s := a.Float()
		if math.IsNaN(s) || s <= 0 {
			return types.NewString(""), nil
		}
		return sleep(ctx, time.Duration(math.Min(s, 1e9)*float64(time.Second)))
	})
	k.f1("pg_sleep_for(interval)", func(ctx *EvalContext, a datum) (datum, error) {
		v := a.Interval()
		s := (float64(v.Months)*30+float64(v.Days))*86400 + float64(v.Micros)/1e6
		return sleep(ctx, time.Duration(math.Max(0, math.Min(s, 1e9))*float64(time.Second)))
	})
}

func (k kernels) timeArithmetic() {
	plus := func(a, b int64, oid types.OID) (datum, error) {
		if !types.DateIsFinite(a) {
			return types.NewInt(a), nil
		}
		r := a + b
		if !types.DateInRange(r) {
			return types.Null, types.ErrDateRange()
		}
		return types.NewInt(r), nil
	}
	k.f2("date_pli(date,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return plus(a.Int(), b.Int(), 0) })
	k.f2("integer_pl_date(int4,date)", func(_ *EvalContext, a, b datum) (datum, error) { return plus(b.Int(), a.Int(), 0) })
	k.f2("date_mii(date,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return plus(a.Int(), -b.Int(), 0) })
	k.f2("date_mi(date,date)", func(_ *EvalContext, a, b datum) (datum, error) {
		if !types.DateIsFinite(a.Int()) || !types.DateIsFinite(b.Int()) {
			return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite dates")
		}
		return types.NewInt(a.Int() - b.Int()), nil
	})
	dateIv := func(days int64, v types.Interval, err error) (datum, error) {
		if err != nil {
			return types.Null, err
		}
		t, err := dateToTimestamp(days)
		if err == nil {
			t, err = addInterval(t, v)
		}
		return types.NewInt(t), err
	}
	k.f2("date_pl_interval(date,interval)", func(_ *EvalContext, a, b datum) (datum, error) { return dateIv(a.Int(), b.Interval(), nil) })
	k.f2("interval_pl_date(interval,date)", func(_ *EvalContext, a, b datum) (datum, error) { return dateIv(b.Int(), a.Interval(), nil) })
	k.f2("date_mi_interval(date,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		v, err := b.Interval().Neg()
		return dateIv(a.Int(), v, err)
	})
	dateTime := func(_ *EvalContext, a, b datum) (datum, error) {
		t, err := dateToTimestamp(a.Int())
		if err != nil || !types.TimestampIsFinite(t) {
			return types.NewInt(t), err
		}
		return timestamp(t + b.Int())
	}
	k.f2("datetime_pl(date,time)", dateTime)
	k.f2("timedate_pl(time,date)", func(ctx *EvalContext, a, b datum) (datum, error) { return dateTime(ctx, b, a) })
	ts := func(t int64, v types.Interval, err error) (datum, error) {
		if err == nil {
			t, err = addInterval(t, v)
		}
		return types.NewInt(t), err
	}
	k.f2("timestamp_pl_interval(timestamp,interval)", func(_ *EvalContext, a, b datum) (datum, error) { return ts(a.Int(), b.Interval(), nil) })
	k.f2("interval_pl_timestamp(interval,timestamp)", func(_ *EvalContext, a, b datum) (datum, error) { return ts(b.Int(), a.Interval(), nil) })
	k.f2("timestamp_mi_interval(timestamp,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		v, err := b.Interval().Neg()
		return ts(a.Int(), v, err)
	})
	tz := func(ctx *EvalContext, t int64, v types.Interval, err error) (datum, error) {
		if err == nil {
			t, err = AddIntervalTZ(t, v, ctx.format().Location())
		}
		return types.NewInt(t), err
	}
	k.f2("timestamptz_pl_interval(timestamptz,interval)", func(ctx *EvalContext, a, b datum) (datum, error) {
		return tz(ctx, a.Int(), b.Interval(), nil)
	})
	k.f2("interval_pl_timestamptz(interval,timestamptz)", func(ctx *EvalContext, a, b datum) (datum, error) {
		return tz(ctx, b.Int(), a.Interval(), nil)
	})
	k.f2("timestamptz_mi_interval(timestamptz,interval)", func(ctx *EvalContext, a, b datum) (datum, error) {
		v, err := b.Interval().Neg()
		return tz(ctx, a.Int(), v, err)
	})
	k.f2("timestamp_mi(timestamp,timestamp) timestamptz_mi(timestamptz,timestamptz)", func(_ *EvalContext, a, b datum) (datum, error) {
		x, y := a.Int(), b.Int()
		if !types.TimestampIsFinite(x) || !types.TimestampIsFinite(y) {
			return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite timestamps")
		}
		d := x - y
		if (d < x) != (y > 0) && y != 0 {
			return types.Null, types.ErrIntervalRange()
		}
		return types.NewInterval(justifyHours(types.Interval{Micros: d})), nil
	})
	timeIv := func(t int64, micros int64) (datum, error) {
		_, r := floorMod(t+micros%types.MicrosPerDay, types.MicrosPerDay)
		return types.NewInt(r), nil
	}
	k.f2("time_pl_interval(time,interval)", func(_ *EvalContext, a, b datum) (datum, error) { return timeIv(a.Int(), b.Interval().Micros) })
	k.f2("interval_pl_time(interval,time)", func(_ *EvalContext, a, b datum) (datum, error) { return timeIv(b.Int(), a.Interval().Micros) })
	k.f2("time_mi_interval(time,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		return timeIv(a.Int(), -(b.Interval().Micros % types.MicrosPerDay))
	})
	k.f2("time_mi_time(time,time)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewInterval(types.Interval{Micros: a.Int() - b.Int()}), nil
	})
	k.f2("interval_pl(interval,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		return interval(a.Interval().Add(b.Interval()))
	})
	k.f2("interval_mi(interval,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		v, err := b.Interval().Neg()
		if err != nil {
			return types.Null, err
		}
		return interval(a.Interval().Add(v))
	})
	k.f1("interval_um(interval)", func(_ *EvalContext, a datum) (datum, error) { return interval(a.Interval().Neg()) })
	k.f2("interval_mul(interval,float8)", func(_ *EvalContext, a, b datum) (datum, error) {
		return interval(scaleInterval(a.Interval(), b.Float(), false))
	})
	k.f2("mul_d_interval(float8,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		return interval(scaleInterval(b.Interval(), a.Float(), false))
	})
	k.f2("interval_div(interval,float8)", func(_ *EvalContext, a, b datum) (datum, error) {
		if b.Float() == 0 {
			return types.Null, types.ErrDivisionByZero()
		}
		return interval(scaleInterval(a.Interval(), b.Float(), true))
	})
	k.f1("justify_hours(interval)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInterval(justifyHours(a.Interval())), nil
	})
	k.f1("justify_days(interval)", func(_ *EvalContext, a datum) (datum, error) { return types.NewInterval(justifyDays(a.Interval())), nil })
	k.f1("justify_interval(interval)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInterval(justifyInterval(a.Interval())), nil
	})
	k.f2("age(timestamp,timestamp)", func(_ *EvalContext, a, b datum) (datum, error) { return interval(age(a.Int(), b.Int())) })
	k.f2("age(timestamptz,timestamptz)", func(ctx *EvalContext, a, b datum) (datum, error) {
		return interval(age(toLocal(ctx, a.Int()), toLocal(ctx, b.Int())))
	})
	today := func(ctx *EvalContext) (int64, error) {
		if ctx.TxnTime.IsZero() {
			return 0, sqlerr.Unsupported("the current time here")
		}
		local := toLocal(ctx, types.FromTime(ctx.TxnTime))
		_, r := floorMod(local, types.MicrosPerDay)
		return local - r, nil
	}
	k.f1("age(timestamp)", func(ctx *EvalContext, a datum) (datum, error) {
		t, err := today(ctx)
		if err != nil {
			return types.Null, err
		}
		return interval(age(t, a.Int()))
	})
	k.f1("age(timestamptz)", func(ctx *EvalContext, a datum) (datum, error) {
		t, err := today(ctx)
		if err != nil {
			return types.Null, err
		}
		return interval(age(t, toLocal(ctx, a.Int())))
	})
	k.f1("isfinite(date)", func(_ *EvalContext, a datum) (datum, error) { return types.NewBool(types.DateIsFinite(a.Int())), nil })
	k.f1("isfinite(timestamp) isfinite(timestamptz)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewBool(types.TimestampIsFinite(a.Int())), nil
	})
	k.f1("isfinite(interval)", func(*EvalContext, datum) (datum, error) { return types.True, nil })

	// AT TIME ZONE.
	zone := func(ctx *EvalContext, name string) (*time.Location, error) { return ctx.zone(name) }
	k.f2("timezone(text,timestamp)", func(ctx *EvalContext, a, b datum) (datum, error) {
		if !types.TimestampIsFinite(b.Int()) {
			return b, nil // whatever the zone is called
		}
		loc, err := zone(ctx, a.Str())
		if err != nil {
			return types.Null, err
		}
		return timestamp(types.LocalToUTC(b.Int(), loc))
	})
	k.f2("timezone(text,timestamptz)", func(ctx *EvalContext, a, b datum) (datum, error) {
		if !types.TimestampIsFinite(b.Int()) {
			return b, nil // whatever the zone is called
		}
		loc, err := zone(ctx, a.Str())
		if err != nil {
			return types.Null, err
		}
		return timestamp(types.UTCToLocal(b.Int(), loc))
	})
	k.f2("timezone(interval,timestamp)", func(_ *EvalContext, a, b datum) (datum, error) {
		if !types.TimestampIsFinite(b.Int()) {
			return b, nil
		}
		off, err := zoneOffset(a.Interval())
		if err != nil {
			return types.Null, err
		}
		return timestamp(b.Int() - off)
	})
	k.f2("timezone(interval,timestamptz)", func(_ *EvalContext, a, b datum) (datum, error) {
		if !types.TimestampIsFinite(b.Int()) {
			return b, nil
		}
		off, err := zoneOffset(a.Interval())
		if err != nil {
			return types.Null, err
		}
		return timestamp(b.Int() + off)
	})
}

// zoneOffset reads an interval as an offset east of UTC, in whole seconds, of which
// PostgreSQL keeps the lower 32 bits.
func zoneOffset(v types.Interval) (micros int64, err error) {
	if v.Months != 0 || v.Days != 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "interval time zone \"%s\" must not include months or days", types.TextOf(types.NewInterval(v), types.IntervalType, nil))
	}
	west := int32(-(v.Micros / types.MicrosPerSecond))
	return -int64(west) * types.MicrosPerSecond, nil
}

// zone finds a time zone, remembering it for the statement.
func (c *EvalContext) zone(name string) (*time.Location, error) {
	if loc, ok := c.zones[name]; ok {
		return loc, nil
	}
	loc, err := types.LoadTimeZone(name)
	if err != nil {
		return nil, err
	}
	if c.zones == nil || len(c.zones) >= 64 {
		c.zones = make(map[string]*time.Location)
	}
	c.zones[name] = loc
	return loc, nil
}

// civilZone is the zone of make_timestamptz, where +3 lies east of Greenwich as in
// a timestamp's text; elsewhere POSIX counts west.
func (c *EvalContext) civilZone(name string) (*time.Location, error) {
	if name == "" || name[0] != '+' && name[0] != '-' && (name[0] < '0' || name[0] > '9') {
		return c.zone(name)
	}
	if name[0] != '+' && name[0] != '-' {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid input syntax for type numeric time zone: \"%s\"", name).
			WithHint("Numeric time zones must have \"-\" or \"+\" as first character.")
	}
	loc, ok := types.OffsetZone(name)
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "numeric time zone \"%s\" out of range", name)
	}
	return loc, nil
}

// compareDate compares a date, and what it is as a timestamp, with a timestamp. A
// date beyond all timestamps is still before infinity.
func compareDate(days, asTimestamp, t int64) int {
	if asTimestamp == t && !types.TimestampIsFinite(t) && types.DateIsFinite(days) {
		return -1
	}
	return cmp64(asTimestamp, t)
}
