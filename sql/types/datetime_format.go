package types

import (
	"bytes"
	"strconv"
	"time"
)

var monthNames = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
var dayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// displayYear turns year 0 into 1 BC.
func displayYear(year int) (n int, bc bool) {
	if year <= 0 {
		return 1 - year, true
	}
	return year, false
}

func appendYear(dst []byte, year int) []byte {
	for limit := 1000; limit > 1 && year < limit; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(year), 10)
}

func appendISODate(dst []byte, year, month, day int) []byte {
	dst = appendYear(dst, year)
	dst = append(dst, '-')
	dst = append2(dst, month)
	dst = append(dst, '-')
	return append2(dst, day)
}

// appendDateNumbers writes the date in the numeric forms of the styles other
// than ISO.
func appendDateNumbers(dst []byte, year, month, day int, c *FormatContext, sep byte) []byte {
	first, second := month, day
	if c.DateOrder == OrderDMY || c.DateStyle == DateStyleGerman {
		first, second = day, month
	}
	if c.DateStyle == DateStylePostgres && c.DateOrder == OrderYMD {
		return appendISODate(dst, year, month, day)
	}
	dst = append2(dst, first)
	dst = append(dst, sep)
	dst = append2(dst, second)
	dst = append(dst, sep)
	return appendYear(dst, year)
}

func appendDate(dst []byte, days int64, c *FormatContext) []byte {
	switch days {
	case DateInfinity:
		return append(dst, "infinity"...)
	case DateNegInfinity:
		return append(dst, "-infinity"...)
	}
	y, m, d := CivilFromDays(days)
	year, bc := displayYear(y)
	switch c.DateStyle {
	case DateStyleSQL:
		dst = appendDateNumbers(dst, year, m, d, c, '/')
	case DateStyleGerman:
		dst = appendDateNumbers(dst, year, m, d, c, '.')
	case DateStylePostgres:
		dst = appendDateNumbers(dst, year, m, d, c, '-')
	default:
		dst = appendISODate(dst, year, m, d)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendTimeOfDay(dst []byte, micros int64) []byte {
	dst = append2(dst, int(micros/MicrosPerHour))
	dst = append(dst, ':')
	dst = append2(dst, int(micros/MicrosPerMinute%60))
	dst = append(dst, ':')
	return appendSeconds(dst, int(micros/MicrosPerSecond%60), int(micros%MicrosPerSecond), true)
}

// appendSeconds writes seconds with the fraction cut of zeros at its end.
func appendSeconds(dst []byte, sec, micros int, pad bool) []byte {
	if pad {
		dst = append2(dst, sec)
	} else {
		dst = strconv.AppendInt(dst, int64(sec), 10)
	}
	if micros == 0 {
		return dst
	}
	dst = append(dst, '.')
	for limit := 100000; micros > 0; limit /= 10 {
		dst = append(dst, byte('0'+micros/limit))
		micros %= limit
	}
	return dst
}

// appendTimestamp writes a timestamp; loc is nil for one without time zone.
func appendTimestamp(dst []byte, micros int64, loc *time.Location, c *FormatContext) []byte {
	switch micros {
	case TimestampInfinity:
		return append(dst, "infinity"...)
	case TimestampNegInfinity:
		return append(dst, "-infinity"...)
	}
	var off int
	var zone string
	if loc != nil {
		if loc == time.UTC {
			zone = "UTC"
		} else {
			zone, off = ToTime(micros).In(loc).Zone()
		}
		micros += int64(off) * MicrosPerSecond
	}
	v := CivilFromMicros(micros)
	tod := v.TimeOfDay()
	year, bc := displayYear(v.Year)
	switch c.DateStyle {
	case DateStylePostgres:
		dow := int(DaysFromCivil(v.Year, v.Month, v.Day)+6) % 7
		if dow < 0 {
			dow += 7
		}
		dst = append(dst, dayNames[dow]...)
		dst = append(dst, ' ')
		if c.DateOrder == OrderDMY {
			dst = append2(dst, v.Day)
			dst = append(dst, ' ')
			dst = append(dst, monthNames[v.Month-1]...)
		} else {
			dst = append(dst, monthNames[v.Month-1]...)
			dst = append(dst, ' ')
			dst = append2(dst, v.Day)
		}
		dst = append(dst, ' ')
		dst = appendTimeOfDay(dst, tod)
		dst = append(dst, ' ')
		dst = appendYear(dst, year)
	case DateStyleSQL:
		dst = appendDateNumbers(dst, year, v.Month, v.Day, c, '/')
		dst = append(dst, ' ')
		dst = appendTimeOfDay(dst, tod)
	case DateStyleGerman:
		dst = appendDateNumbers(dst, year, v.Month, v.Day, c, '.')
		dst = append(dst, ' ')
		dst = appendTimeOfDay(dst, tod)
	default:
		dst = appendISODate(dst, year, v.Month, v.Day)
		dst = append(dst, ' ')
		dst = appendTimeOfDay(dst, tod)
	}
	if loc != nil {
		switch {
		case c.DateStyle == DateStyleISO:
			dst = appendOffset(dst, off)
		case zone != "" && zone[0] != '+' && zone[0] != '-':
			dst = append(dst, ' ')
			dst = append(dst, zone...)
		default:
			dst = append(dst, ' ')
			dst = appendOffset(dst, off)
		}
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// AppendISO appends a date, timestamp or timestamptz as XML Schema and JSON want
// it: ISO 8601 with a T, whatever the DateStyle.
func AppendISO(dst []byte, d Datum, t Type, ctx *FormatContext) []byte {
	iso := FormatContext{TimeZone: ctx.Location()}
	from := len(dst)
	dst = EncodeText(dst, d, t.Bare(), &iso)
	if t.OID == OIDDate {
		return dst
	}
	space := bytes.IndexByte(dst[from:], ' ')
	if space < 0 {
		return dst // an infinity
	}
	dst[from+space] = 'T'
	if t.OID != OIDTimestamptz {
		return dst
	}
	// The offset has its minutes always.
	sign := from + bytes.LastIndexAny(dst[from:], "+-")
	end := sign + 3
	if end >= len(dst) || dst[end] != ':' {
		dst = append(dst[:end], append([]byte(":00"), dst[end:]...)...)
	}
	return dst
}
