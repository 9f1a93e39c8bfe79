package expr

import (
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// timetzCast returns the casts to and from timetz.
func timetzCast(from, to types.OID) func1 {
	switch {
	case from == types.OIDTime:
		// The zone is that of today.
		return func(ctx *EvalContext, d datum) (datum, error) {
			return types.NewTimetz(d.Int(), offsetToday(ctx, d.Int())), nil
		}
	case from == types.OIDTimestamptz:
		return func(ctx *EvalContext, d datum) (datum, error) {
			if !types.TimestampIsFinite(d.Int()) {
				return types.Null, nil
			}
			loc := ctx.format().Location()
			_, r := floorMod(types.UTCToLocal(d.Int(), loc), types.MicrosPerDay)
			return types.NewTimetz(r, types.OffsetAt(d.Int(), loc)), nil
		}
	case to == types.OIDTime:
		return func(_ *EvalContext, d datum) (datum, error) {
			micros, _ := d.Timetz()
			return types.NewInt(micros), nil
		}
	}
	return nil
}

// offsetToday is the session zone's offset, in seconds east, at a time of today.
func offsetToday(ctx *EvalContext, micros int64) int {
	loc := ctx.format().Location()
	var now int64
	if ctx != nil && !ctx.TxnTime.IsZero() {
		now = types.FromTime(ctx.TxnTime)
	}
	day, _ := floorMod(types.UTCToLocal(now, loc), types.MicrosPerDay)
	return types.OffsetAt(types.LocalToUTC(day*types.MicrosPerDay+micros, loc), loc)
}

func (k kernels) timetz() {
	plus := func(d datum, by int64) (datum, error) {
		micros, east := d.Timetz()
		_, r := floorMod(micros+by%types.MicrosPerDay, types.MicrosPerDay)
		return types.NewTimetz(r, east), nil
	}
	k.f2("timetz_pl_interval(timetz,interval)", func(_ *EvalContext, a, b datum) (datum, error) { return plus(a, b.Interval().Micros) })
	k.f2("interval_pl_timetz(interval,timetz)", func(_ *EvalContext, a, b datum) (datum, error) { return plus(b, a.Interval().Micros) })
	k.f2("timetz_mi_interval(timetz,interval)", func(_ *EvalContext, a, b datum) (datum, error) {
		return plus(a, -(b.Interval().Micros % types.MicrosPerDay))
	})
	dated := func(date, d datum) (datum, error) {
		t, err := dateToTimestamp(date.Int())
		if err != nil || !types.TimestampIsFinite(t) {
			return types.NewInt(t), err
		}
		micros, east := d.Timetz()
		return timestamp(t + micros - int64(east)*types.MicrosPerSecond)
	}
	k.f2("datetimetz_pl(date,timetz)", func(_ *EvalContext, a, b datum) (datum, error) { return dated(a, b) })
	k.f2("timetzdate_pl(timetz,date)", func(_ *EvalContext, a, b datum) (datum, error) { return dated(b, a) })
	moved := func(d datum, east int) (datum, error) {
		if !types.TimetzZoneInRange(east) {
			// PostgreSQL makes a value of it that it does not read.
			return types.Null, sqlerr.New(sqlerr.InvalidTimeZoneDisplacementValue, "time zone displacement out of range")
		}
		micros, was := d.Timetz()
		_, r := floorMod(micros+int64(east-was)*types.MicrosPerSecond, types.MicrosPerDay)
		return types.NewTimetz(r, east), nil
	}
	k.f2("timezone(text,timetz)", func(ctx *EvalContext, a, b datum) (datum, error) {
		loc, err := ctx.zone(a.Str())
		if err != nil {
			return types.Null, err
		}
		now := time.Time{}
		if ctx != nil {
			now = ctx.TxnTime
		}
		return moved(b, types.OffsetAt(types.FromTime(now), loc))
	})
	k.f2("timezone(interval,timetz)", func(_ *EvalContext, a, b datum) (datum, error) {
		off, err := zoneOffset(a.Interval())
		if err != nil {
			return types.Null, err
		}
		return moved(b, int(off/types.MicrosPerSecond))
	})
	k.f1("time(timetz)", timetzCast(types.OIDTimetz, types.OIDTime))
	k.f1("timetz(time)", timetzCast(types.OIDTime, types.OIDTimetz))
	k.f1("timetz(timestamptz)", timetzCast(types.OIDTimestamptz, types.OIDTimetz))
	k.f2("timetz(timetz,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.ApplyTypmod(a, types.Timetz.WithTypmod(int32(min(max(b.Int(), 0), 6))), true)
	})
}

// timetzPart is a field of a timetz.
func timetzPart(unit string, d datum) (part, bool, error) {
	micros, east := d.Timetz()
	switch unitName(unit) {
	case "timezone", "timezone_hour", "timezone_minute":
		return timestampPart(unit, micros, micros, east, true, types.Timetz)
	case "epoch":
		return part{value: micros - int64(east)*types.MicrosPerSecond, scale: 6, isF: true, float: float64(micros)/1e6 - float64(east)}, true, nil
	case "microseconds", "milliseconds", "second", "minute", "hour":
		return timestampPart(unit, micros, micros, 0, false, types.Timetz)
	}
	if _, _, err := timestampPart(unit, 0, 0, 0, true, types.Timetz); err != nil {
		return part{}, false, err
	}
	return part{}, false, errUnit("supported", unit2(unit), types.Timetz)
}
