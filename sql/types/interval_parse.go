package types

import (
	"math"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// intervalReader adds up the parts of a text.
type intervalReader struct {
	Interval
	overflow bool
	seen     int // units met, each of which may occur once
}

// once marks a unit and reports whether it is new.
func (r *intervalReader) once(units int) bool {
	fresh := r.seen&units == 0
	r.seen |= units
	return fresh
}

func (r *intervalReader) addMonths(n float64) {
	t := float64(r.Months) + n
	if t > math.MaxInt32 || t < math.MinInt32 {
		r.overflow = true
		return
	}
	r.Months = int32(t)
}

func (r *intervalReader) addDays(n float64) {
	t := float64(r.Days) + n
	if t > math.MaxInt32 || t < math.MinInt32 {
		r.overflow = true
		return
	}
	r.Days = int32(t)
}

func (r *intervalReader) addMicros(whole int64, unit int64, frac float64) {
	w, ok := mul64(whole, unit)
	f := math.RoundToEven(frac * float64(unit))
	if !ok || math.Abs(f) > math.MaxInt64/2 {
		r.overflow = true
		return
	}
	for _, n := range []int64{w, int64(f)} {
		t := r.Micros + n
		if (t > r.Micros) != (n > 0) && n != 0 {
			r.overflow = true
			return
		}
		r.Micros = t
	}
}

// addFractDays adds a fraction of units of so many days.
func (r *intervalReader) addFractDays(frac, scale float64) {
	frac *= scale
	days := math.Trunc(frac)
	r.addDays(days)
	r.addMicros(0, MicrosPerDay, frac-days)
}

// add takes a number with its unit; false for an unknown unit.
func (r *intervalReader) add(whole int64, frac float64, unit string) bool {
	w := float64(whole)
	years := func(n float64) {
		r.addMonths(w * n * 12)
		r.addMonths(math.RoundToEven(frac * n * 12))
	}
	switch unit {
	case "microsecond", "microseconds", "us", "usec", "usecs", "usecond", "useconds", "microsecon":
		if !r.once(1 << 20) {
			return false
		}
		r.addMicros(whole, 1, frac)
	case "millisecond", "milliseconds", "ms", "msec", "msecs", "msecond", "mseconds", "millisecon":
		if !r.once(1 << 21) {
			return false
		}
		r.addMicros(whole, 1000, frac)
	case "s", "sec", "secs", "second", "seconds":
		if !r.once(fieldSecond) {
			return false
		}
		r.addMicros(whole, MicrosPerSecond, frac)
	case "m", "min", "mins", "minute", "minutes":
		if !r.once(fieldMinute) {
			return false
		}
		r.addMicros(whole, MicrosPerMinute, frac)
	case "h", "hr", "hrs", "hour", "hours":
		if !r.once(fieldHour) {
			return false
		}
		r.addMicros(whole, MicrosPerHour, frac)
	case "d", "day", "days":
		if !r.once(fieldDay) {
			return false
		}
		r.addDays(w)
		r.addMicros(0, MicrosPerDay, frac)
	case "w", "week", "weeks":
		if !r.once(1 << 22) {
			return false
		}
		r.addDays(w * 7)
		r.addFractDays(frac, 7)
	case "mon", "mons", "month", "months":
		if !r.once(fieldMonth) {
			return false
		}
		r.addMonths(w)
		r.addFractDays(frac, 30)
	case "y", "yr", "yrs", "year", "years":
		if !r.once(fieldYear) {
			return false
		}
		years(1)
	case "dec", "decs", "decade", "decades":
		if !r.once(1 << 23) {
			return false
		}
		years(10)
	case "c", "cent", "century", "centuries":
		if !r.once(1 << 24) {
			return false
		}
		years(100)
	case "mil", "mils", "millennium", "millennia":
		if !r.once(1 << 25) {
			return false
		}
		years(1000)
	default:
		return false
	}
	return true
}

func parseInterval(s string, typmod int32, ctx *FormatContext) (Interval, error) {
	bad := func() (Interval, error) {
		return Interval{}, sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type interval: \"%s\"", s)
	}
	p := trimSpace(s)
	if len(p) > 2*maxDateText || p == "" {
		return bad()
	}
	var r intervalReader
	ok := false
	if p[0] == 'P' {
		ok = r.readISO(p[1:])
	} else {
		ok = r.read(p, bareUnit(typmod), ctx.IntervalStyle == IntervalSQLStandard)
	}
	if r.overflow {
		return Interval{}, sqlerr.New(sqlerr.IntervalFieldOverflow, "interval field value out of range: \"%s\"", s)
	}
	if !ok {
		return bad()
	}
	return r.Interval, nil
}

// bareUnit is the unit of a last number without one, which the modifier's
// smallest field gives.
func bareUnit(typmod int32) string {
	if typmod < 0 {
		return "second"
	}
	switch r := int(typmod>>16) & intervalFullRange; {
	case r == intervalFullRange, r&fieldSecond != 0:
		return "second"
	case r&fieldMinute != 0:
		return "minute"
	case r&fieldHour != 0:
		return "hour"
	case r&fieldDay != 0:
		return "day"
	case r&fieldMonth != 0:
		return "month"
	}
	return "year"
}

type intervalToken struct {
	kind  byte // 'n' number, 'w' word, 't' time, 'y' year-month
	neg   bool
	sign  bool
	text  string
	whole int64
	frac  float64
}

func (r *intervalReader) read(s, bare string, spread bool) bool {
	var toks []intervalToken
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isBlank(c) || c == '@' || c == ',':
			i++
		case isAlpha(c):
			j := i
			for j < len(s) && isAlpha(s[j]) {
				j++
			}
			toks = append(toks, intervalToken{kind: 'w', text: strings.ToLower(s[i:j])})
			i = j
		case isDigit(c) || c == '+' || c == '-' || c == '.':
			t := intervalToken{kind: 'n'}
			if c == '+' || c == '-' {
				t.sign, t.neg = true, c == '-'
				for i++; i < len(s) && isBlank(s[i]); i++ {
				}
			}
			j := i
			for j < len(s) && (isDigit(s[j]) || s[j] == ':' || s[j] == '.') {
				j++
			}
			if j < len(s) && s[j] == '-' && j > i && isDigit(s[j-1]) && j+1 < len(s) && isDigit(s[j+1]) {
				for j++; j < len(s) && isDigit(s[j]); j++ {
				}
				if j < len(s) && !isBlank(s[j]) && s[j] != ',' {
					return false // a date, say
				}
				t.kind = 'y'
			}
			t.text = s[i:j]
			if t.text == "" {
				return false
			}
			if strings.IndexByte(t.text, ':') >= 0 {
				t.kind = 't'
			}
			if t.kind == 'n' {
				var ok bool
				if t.whole, t.frac, ok = decimalParts(t.text); !ok {
					if len(t.text) > 15 {
						r.overflow = true
					}
					return false
				}
			}
			toks = append(toks, t)
			i = j
		default:
			return false
		}
	}
	if len(toks) == 0 {
		return false
	}
	if spread && toks[0].neg {
		// The standard's form: one sign for everything.
		rest := false
		for _, t := range toks[1:] {
			rest = rest || t.sign
		}
		if !rest {
			for i := range toks {
				toks[i].neg = toks[i].kind != 'w'
			}
		}
	}
	ago := false
	unit := bare // of a number without unit, seen from the right
	used := false
	for i := len(toks) - 1; i >= 0; i-- {
		t := toks[i]
		switch t.kind {
		case 'w':
			if t.text == "ago" && i == len(toks)-1 {
				ago = true
				continue
			}
			if i == 0 || toks[i-1].kind != 'n' {
				return false
			}
			unit, used = t.text, false
		case 'n':
			if used {
				return false
			}
			w, f := t.whole, t.frac
			if t.neg {
				w, f = -w, -f
			}
			if !r.add(w, f, unit) {
				return false
			}
			unit, used = "", true
		case 't':
			if !r.clock(t) {
				return false
			}
			unit, used = "day", false
		case 'y':
			ys, ms, _ := strings.Cut(t.text, "-")
			y, ok1 := digits(ys)
			m, ok2 := digits(ms)
			if !ok1 || !ok2 || m >= 12 {
				return false
			}
			n := float64(y*12 + m)
			if t.neg {
				n = -n
			}
			if !r.once(fieldYear | fieldMonth) {
				return false
			}
			r.addMonths(n)
			unit, used = "", true
		}
		if i > 0 && toks[i-1].kind == 'w' && t.kind != 'w' {
			used = false
		}
	}
	if ago && !r.overflow {
		v, err := r.Neg()
		if err != nil {
			r.overflow = true
		}
		r.Interval = v
	}
	return true
}

// decimalParts splits a number into whole and fraction.
func decimalParts(s string) (whole int64, frac float64, ok bool) {
	w, f, has := strings.Cut(s, ".")
	if w == "" && f == "" {
		return 0, 0, false
	}
	if w != "" {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		whole = n
	}
	if has && f != "" {
		x, err := strconv.ParseFloat("0."+f, 64)
		if err != nil {
			return 0, 0, false
		}
		frac = x
	}
	return whole, frac, true
}

// clock takes [h]h:mm[:ss[.f]] or mm:ss.f.
func (r *intervalReader) clock(t intervalToken) bool {
	if !r.once(fieldHour | fieldMinute | fieldSecond) {
		return false
	}
	parts := strings.Split(t.text, ":")
	if len(parts) > 3 {
		return false
	}
	var h, m int64
	var sec string
	var err error
	if len(parts) == 2 && strings.IndexByte(parts[1], '.') >= 0 {
		m, err = strconv.ParseInt(parts[0], 10, 64)
		sec = parts[1]
	} else {
		if h, err = strconv.ParseInt(parts[0], 10, 64); err == nil {
			m, err = strconv.ParseInt(parts[1], 10, 32)
		}
		if len(parts) == 3 {
			sec = parts[2]
		}
	}
	if err != nil {
		return false
	}
	var s int64
	var f float64
	if sec != "" {
		var ok bool
		if s, f, ok = decimalParts(sec); !ok {
			return false
		}
	}
	if m > 59 || s > 59 {
		r.overflow = true
		return false
	}
	if t.neg {
		h, m, s, f = -h, -m, -s, -f
	}
	r.addMicros(h, MicrosPerHour, 0)
	r.addMicros(m, MicrosPerMinute, 0)
	r.addMicros(s, MicrosPerSecond, f)
	return true
}

// readISO reads what follows the P of an ISO 8601 duration with designators.
func (r *intervalReader) readISO(s string) bool {
	time := false
	any := false
	for i := 0; i < len(s); {
		if s[i] == 'T' {
			time = true
			i++
			continue
		}
		neg := false
		if s[i] == '-' || s[i] == '+' {
			neg = s[i] == '-'
			i++
		}
		j := i
		for j < len(s) && (isDigit(s[j]) || s[j] == '.') {
			j++
		}
		if j == i || j == len(s) {
			return false
		}
		w, f, ok := decimalParts(s[i:j])
		if !ok {
			return false
		}
		if neg {
			w, f = -w, -f
		}
		unit := ""
		switch {
		case s[j] == 'Y' && !time:
			unit = "year"
		case s[j] == 'M' && !time:
			unit = "month"
		case s[j] == 'W' && !time:
			unit = "week"
		case s[j] == 'D' && !time:
			unit = "day"
		case s[j] == 'H' && time:
			unit = "hour"
		case s[j] == 'M' && time:
			unit = "minute"
		case s[j] == 'S' && time:
			unit = "second"
		default:
			return false
		}
		if !r.add(w, f, unit) {
			return false
		}
		any = true
		i = j + 1
	}
	return any
}

// fitInterval applies an interval's modifier: fields below the last one named are
// cut, the seconds rounded.
func fitInterval(v Interval, typmod int32) Interval {
	fields := int(typmod>>16) & intervalFullRange
	precision := int(typmod) & intervalFullPrecision
	switch {
	case fields == intervalFullRange, fields == 0, fields&fieldSecond != 0:
	case fields&fieldMinute != 0:
		v.Micros = v.Micros / MicrosPerMinute * MicrosPerMinute
	case fields&fieldHour != 0:
		v.Micros = v.Micros / MicrosPerHour * MicrosPerHour
	case fields&fieldDay != 0:
		v.Micros = 0
	case fields&fieldMonth != 0:
		v.Micros, v.Days = 0, 0
	case fields&fieldYear != 0:
		v.Micros, v.Days, v.Months = 0, 0, v.Months/12*12
	}
	if precision < 6 {
		v.Micros = roundMicros(v.Micros, int32(precision))
	}
	return v
}
