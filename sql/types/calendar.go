package types

import (
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Lengths in microseconds.
const (
	MicrosPerSecond = 1_000_000
	MicrosPerMinute = 60 * MicrosPerSecond
	MicrosPerHour   = 60 * MicrosPerMinute
	MicrosPerDay    = 24 * MicrosPerHour
)

// The infinities and the bounds of dates and timestamps, PostgreSQL's
// datatype/timestamp.h: from julian day 0 (24 November 4714 BC) up to the ends of
// the years 5874897 and 294276.
const (
	DateNegInfinity      = math.MinInt32
	DateInfinity         = math.MaxInt32
	TimestampNegInfinity = math.MinInt64
	TimestampInfinity    = math.MaxInt64

	dateMin      = -2451545
	dateEnd      = 2145031949 // exclusive
	timestampMin = -211813488000000000
	timestampEnd = 9223371331200000000 // exclusive

	// unixEpochDays is 2000-01-01 in days since 1970-01-01.
	unixEpochDays   = 10957
	unixEpochMicros = unixEpochDays * MicrosPerDay
	julianOf2000    = 2451545
)

// Civil is a date and time of day without time zone. Year 0 is 1 BC.
type Civil struct {
	Year                 int
	Month, Day           int
	Hour, Minute, Second int
	Micros               int
}

// DaysFromCivil returns the day number, counted from 2000-01-01, of a day in the
// proleptic Gregorian calendar. The month may lie outside 1…12.
func DaysFromCivil(year, month, day int) int64 {
	month--
	year += floorDiv(month, 12)
	month -= 12*floorDiv(month, 12) - 1
	// Years begin in March here, so that the leap day comes last.
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 730425
}

// CivilFromDays is the inverse of DaysFromCivil.
func CivilFromDays(days int64) (year, month, day int) {
	z := days + 730425
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := doy - (153*mp+2)/5 + 1
	m := mp + 3
	y := yoe + era*400
	if m > 12 {
		m -= 12
		y++
	}
	return int(y), int(m), int(d)
}

// CivilFromMicros splits a finite timestamp.
func CivilFromMicros(micros int64) Civil {
	days := micros / MicrosPerDay
	rest := micros % MicrosPerDay
	if rest < 0 {
		rest += MicrosPerDay
		days--
	}
	var c Civil
	c.Year, c.Month, c.Day = CivilFromDays(days)
	c.setTime(rest)
	return c
}

func (c *Civil) setTime(micros int64) {
	c.Hour = int(micros / MicrosPerHour)
	c.Minute = int(micros / MicrosPerMinute % 60)
	c.Second = int(micros / MicrosPerSecond % 60)
	c.Micros = int(micros % MicrosPerSecond)
}

// TimeOfDay returns the microseconds since midnight.
func (c Civil) TimeOfDay() int64 {
	return int64(c.Hour)*MicrosPerHour + int64(c.Minute)*MicrosPerMinute + int64(c.Second)*MicrosPerSecond + int64(c.Micros)
}

// TimestampMicros joins the parts; ok is false when the result is no timestamp.
func (c Civil) TimestampMicros() (micros int64, ok bool) {
	days := DaysFromCivil(c.Year, c.Month, c.Day)
	if days < dateMin-1 || days > 106751983+1 {
		return 0, false
	}
	t := c.TimeOfDay()
	micros = days*MicrosPerDay + t
	if days > 0 && t > 0 && micros < 0 {
		return 0, false
	}
	return micros, TimestampInRange(micros)
}

// TimestampInRange reports whether a finite timestamp lies within PostgreSQL's
// bounds.
func TimestampInRange(micros int64) bool { return micros >= timestampMin && micros < timestampEnd }

// DateInRange reports whether a finite date lies within PostgreSQL's bounds.
func DateInRange(days int64) bool { return days >= dateMin && days < dateEnd }

// TimestampIsFinite reports whether t is neither of the infinities.
func TimestampIsFinite(t int64) bool { return t != TimestampInfinity && t != TimestampNegInfinity }

// DateIsFinite reports whether d is neither of the infinities.
func DateIsFinite(d int64) bool { return d != DateInfinity && d != DateNegInfinity }

// IsLeap reports whether the year (0 is 1 BC) has a 29 February.
func IsLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// DaysIn returns the number of days of a month.
func DaysIn(year, month int) int {
	switch month {
	case 2:
		if IsLeap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// ErrTimestampRange and ErrDateRange return datetime_field_overflow (22008).
func ErrTimestampRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
}
func ErrDateRange() error { return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range") }

// ErrIntervalRange returns datetime_field_overflow (22008), which PostgreSQL uses
// for intervals too.
func ErrIntervalRange() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "interval out of range")
}
