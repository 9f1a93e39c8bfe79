package types

import (
	"math"
	"strconv"
)

// Interval is a span of time. Months, days and microseconds stay apart, since
// neither a month nor a day has a fixed length.
type Interval struct {
	Micros int64
	Days   int32
	Months int32
}

// Bits of the fields in an interval's modifier (PostgreSQL's INTERVAL_MASK).
const (
	fieldMonth  = 1 << 1
	fieldYear   = 1 << 2
	fieldDay    = 1 << 3
	fieldHour   = 1 << 10
	fieldMinute = 1 << 11
	fieldSecond = 1 << 12

	intervalFullRange     = 0x7FFF
	intervalFullPrecision = 0xFFFF
)

// compareKey returns the length with months of 30 days and days of 24 hours, as
// the order of intervals has it, in 128 bits (days and microseconds).
func (v Interval) compareKey() (days int64, micros int64) {
	days = int64(v.Months)*30 + int64(v.Days) + v.Micros/MicrosPerDay
	micros = v.Micros % MicrosPerDay
	if micros < 0 {
		micros += MicrosPerDay
		days--
	}
	return days, micros
}

// Compare orders two intervals by their nominal length.
func (v Interval) Compare(w Interval) int {
	vd, vm := v.compareKey()
	wd, wm := w.compareKey()
	if vd != wd {
		return cmpInt(vd, wd)
	}
	return cmpInt(vm, wm)
}

// Neg returns -v.
func (v Interval) Neg() (Interval, error) {
	if v.Micros == math.MinInt64 || v.Days == math.MinInt32 || v.Months == math.MinInt32 {
		return Interval{}, ErrIntervalRange()
	}
	return Interval{Micros: -v.Micros, Days: -v.Days, Months: -v.Months}, nil
}

// Add returns v + w, part by part.
func (v Interval) Add(w Interval) (Interval, error) {
	r := Interval{Micros: v.Micros + w.Micros, Days: v.Days + w.Days, Months: v.Months + w.Months}
	if (r.Micros > v.Micros) != (w.Micros > 0) && w.Micros != 0 ||
		int64(r.Days) != int64(v.Days)+int64(w.Days) || int64(r.Months) != int64(v.Months)+int64(w.Months) {
		return Interval{}, ErrIntervalRange()
	}
	return r, nil
}

func appendInterval(dst []byte, v Interval, style IntervalStyle) []byte {
	years, months := int64(v.Months/12), int64(v.Months%12)
	days := int64(v.Days)
	hours, rest := v.Micros/MicrosPerHour, v.Micros%MicrosPerHour
	mins := rest / MicrosPerMinute
	rest %= MicrosPerMinute
	secs, frac := rest/MicrosPerSecond, rest%MicrosPerSecond
	switch style {
	case IntervalISO8601:
		return appendIntervalISO(dst, years, months, days, hours, mins, secs, frac)
	case IntervalPostgresVerbose:
		return appendIntervalVerbose(dst, years, months, days, hours, mins, secs, frac)
	case IntervalSQLStandard:
		return appendIntervalSQL(dst, years, months, days, hours, mins, secs, frac)
	}
	zero, before := true, false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if !zero {
			dst = append(dst, ' ')
		}
		if before && n > 0 {
			dst = append(dst, '+')
		}
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, ' ')
		dst = append(dst, unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		before, zero = n < 0, false
	}
	part(years, "year")
	part(months, "mon")
	part(days, "day")
	if zero || v.Micros != 0 {
		if !zero {
			dst = append(dst, ' ')
		}
		if v.Micros < 0 {
			dst = append(dst, '-')
		} else if before {
			dst = append(dst, '+')
		}
		dst = append2(dst, int(abs64(hours)))
		dst = append(dst, ':')
		dst = append2(dst, int(abs64(mins)))
		dst = append(dst, ':')
		dst = appendSeconds(dst, int(abs64(secs)), int(abs64(frac)), true)
	}
	return dst
}

func appendIntervalISO(dst []byte, years, months, days, hours, mins, secs, frac int64) []byte {
	if years|months|days|hours|mins|secs|frac == 0 {
		return append(dst, "PT0S"...)
	}
	part := func(n int64, unit byte) {
		if n != 0 {
			dst = strconv.AppendInt(dst, n, 10)
			dst = append(dst, unit)
		}
	}
	dst = append(dst, 'P')
	part(years, 'Y')
	part(months, 'M')
	part(days, 'D')
	if hours|mins|secs|frac != 0 {
		dst = append(dst, 'T')
		part(hours, 'H')
		part(mins, 'M')
		if secs|frac != 0 {
			if secs < 0 || frac < 0 {
				dst = append(dst, '-')
			}
			dst = appendSeconds(dst, int(abs64(secs)), int(abs64(frac)), false)
			dst = append(dst, 'S')
		}
	}
	return dst
}

func appendIntervalVerbose(dst []byte, years, months, days, hours, mins, secs, frac int64) []byte {
	zero, before := true, false
	dst = append(dst, '@')
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if zero {
			before, zero = n < 0, false
			n = int64(abs64(n))
		} else if before {
			n = -n
		}
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, ' ')
		dst = append(dst, unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
	}
	part(years, "year")
	part(months, "mon")
	part(days, "day")
	part(hours, "hour")
	part(mins, "min")
	if secs|frac != 0 {
		dst = append(dst, ' ')
		if secs < 0 || frac < 0 {
			if zero {
				before = true
			} else if !before {
				dst = append(dst, '-')
			}
		} else if before {
			dst = append(dst, '-')
		}
		dst = appendSeconds(dst, int(abs64(secs)), int(abs64(frac)), false)
		dst = append(dst, " sec"...)
		if abs64(secs) != 1 || frac != 0 {
			dst = append(dst, 's')
		}
		zero = false
	}
	if zero {
		dst = append(dst, " 0"...)
	}
	if before {
		dst = append(dst, " ago"...)
	}
	return dst
}

func appendIntervalSQL(dst []byte, years, months, days, hours, mins, secs, frac int64) []byte {
	negative := years < 0 || months < 0 || days < 0 || hours < 0 || mins < 0 || secs < 0 || frac < 0
	positive := years > 0 || months > 0 || days > 0 || hours > 0 || mins > 0 || secs > 0 || frac > 0
	yearMonth := years != 0 || months != 0
	dayTime := days|hours|mins|secs|frac != 0
	clock := func() {
		dst = strconv.AppendInt(dst, int64(abs64(hours)), 10)
		dst = append(dst, ':')
		dst = append2(dst, int(abs64(mins)))
		dst = append(dst, ':')
		dst = appendSeconds(dst, int(abs64(secs)), int(abs64(frac)), true)
	}
	sign := func(neg bool) {
		if neg {
			dst = append(dst, '-')
		} else {
			dst = append(dst, '+')
		}
	}
	switch {
	case !negative && !positive:
		return append(dst, '0')
	case negative && positive || yearMonth && dayTime:
		// Not one of the standard's values: every part with its sign.
		sign(years < 0 || months < 0)
		dst = strconv.AppendInt(dst, int64(abs64(years)), 10)
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(abs64(months)), 10)
		dst = append(dst, ' ')
		sign(days < 0)
		dst = strconv.AppendInt(dst, int64(abs64(days)), 10)
		dst = append(dst, ' ')
		sign(hours < 0 || mins < 0 || secs < 0 || frac < 0)
		clock()
		return dst
	}
	if negative {
		dst = append(dst, '-')
	}
	switch {
	case yearMonth:
		dst = strconv.AppendInt(dst, int64(abs64(years)), 10)
		dst = append(dst, '-')
		return strconv.AppendInt(dst, int64(abs64(months)), 10)
	case days != 0:
		dst = strconv.AppendInt(dst, int64(abs64(days)), 10)
		dst = append(dst, ' ')
	}
	clock()
	return dst
}
