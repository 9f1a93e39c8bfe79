package types

import (
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// parseTimestamp reads a timestamp (zoned false: a zone in the text is ignored)
// or timestamptz.
func parseTimestamp(s string, t Type, zoned bool, ctx *FormatContext) (int64, error) {
	v, fault, zone := readDateText(s, ctx.DateOrder)
	if fault != faultNone {
		return 0, fault.err(s, t, zone)
	}
	loc := ctx.Location()
	switch v.special {
	case "infinity":
		return TimestampInfinity, nil
	case "-infinity":
		return TimestampNegInfinity, nil
	case "epoch":
		return -unixEpochMicros, nil
	case "now":
		if ctx.Now.IsZero() {
			return 0, sqlerr.Unsupported("the time '%s' without a clock", s)
		}
		now := UTCToLocal(FromTime(ctx.Now), loc)
		if v.relative {
			c := CivilFromMicros(now)
			now = (DaysFromCivil(c.Year, c.Month, c.Day) + int64(v.dayShift)) * MicrosPerDay
			if v.hasTime {
				now += v.TimeOfDay()
			}
		}
		if zoned {
			if !v.relative {
				return FromTime(ctx.Now), nil
			}
			return zonedMicros(now, v, loc), nil
		}
		return now, nil
	}
	if !v.hasDate {
		return 0, faultFormat.err(s, t, "")
	}
	local, ok := v.TimestampMicros()
	if ok && zoned {
		local = zonedMicros(local, v, loc)
		ok = TimestampInRange(local)
	}
	if !ok {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%s\"", s)
	}
	return local, nil
}

func zonedMicros(local int64, v dateText, loc *time.Location) int64 {
	switch {
	case v.hasZone && v.loc != nil:
		return LocalToUTC(local, v.loc)
	case v.hasZone:
		return local - int64(v.offset)*MicrosPerSecond
	}
	return LocalToUTC(local, loc)
}

func parseDate(s string, ctx *FormatContext) (int64, error) {
	v, fault, zone := readDateText(s, ctx.DateOrder)
	if fault != faultNone {
		return 0, fault.err(s, Date, zone)
	}
	switch v.special {
	case "infinity":
		return DateInfinity, nil
	case "-infinity":
		return DateNegInfinity, nil
	case "epoch":
		return -unixEpochDays, nil
	case "now":
		if ctx.Now.IsZero() {
			return 0, sqlerr.Unsupported("the date '%s' without a clock", s)
		}
		c := CivilFromMicros(UTCToLocal(FromTime(ctx.Now), ctx.Location()))
		return DaysFromCivil(c.Year, c.Month, c.Day) + int64(v.dayShift), nil
	}
	if !v.hasDate {
		return 0, faultFormat.err(s, Date, "")
	}
	days := DaysFromCivil(v.Year, v.Month, v.Day)
	if !DateInRange(days) {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: \"%s\"", s)
	}
	return days, nil
}

func parseTime(s string, ctx *FormatContext) (int64, error) {
	v, fault, zone := readTimeText(s, ctx)
	if fault != faultNone {
		return 0, fault.err(s, Time, zone)
	}
	if v.special == "now" && !v.relative {
		if ctx.Now.IsZero() {
			return 0, sqlerr.Unsupported("the time '%s' without a clock", s)
		}
		return CivilFromMicros(UTCToLocal(FromTime(ctx.Now), ctx.Location())).TimeOfDay(), nil
	}
	if v.special != "" || !v.hasTime {
		return 0, faultFormat.err(s, Time, "")
	}
	return v.TimeOfDay(), nil
}

// readTimeText reads a time. Digits alone are one here, hhmmss or hhmm, not a
// date; a zone may follow them.
func readTimeText(s string, ctx *FormatContext) (dateText, dateFault, string) {
	text := trimSpace(s)
	i := 0
	for i < len(text) && (isDigit(text[i]) || text[i] == '.') {
		i++
	}
	head, tail := text[:i], text[i:]
	if p, _, _ := strings.Cut(head, "."); (len(p) == 6 || len(p) == 4) && offsetOrNothing(tail) {
		r := dateReader{isoTime: true}
		if f := r.runTogether(head); f != faultNone {
			return r.out, f, ""
		}
		if tail != "" {
			if f := r.zone(tail); f != faultNone {
				return r.out, f, r.zoneName
			}
		}
		return r.out, faultNone, ""
	}
	return readDateText(s, ctx.DateOrder)
}

// offsetOrNothing tells 1230-05, a time with its zone, from 2024-02-29 12:30, a date.
func offsetOrNothing(s string) bool {
	if s == "" {
		return true
	}
	return (s[0] == '+' || s[0] == '-') && strings.Trim(s[1:], "0123456789:") == ""
}

// roundMicros rounds to a number of fractional digits, half away from zero.
func roundMicros(micros int64, precision int32) int64 {
	if precision < 0 || precision >= 6 {
		return micros
	}
	unit := smallPow10[6-precision]
	half := unit / 2
	if micros >= 0 {
		return (micros + half) / unit * unit
	}
	return -((-micros + half) / unit * unit)
}
