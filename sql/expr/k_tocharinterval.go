package expr

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// intervalParts is an interval as to_char takes it apart. Years and months, and the
// fields of the time, have the sign of what they are parts of.
type intervalParts struct {
	year, month, day, hour, minute, second, micros int64
}

func partsOf(v types.Interval) intervalParts {
	t := v.Micros
	return intervalParts{
		year: int64(v.Months) / 12, month: int64(v.Months) % 12, day: int64(v.Days),
		hour: t / types.MicrosPerHour, minute: t / types.MicrosPerMinute % 60, second: t / types.MicrosPerSecond % 60, micros: t % types.MicrosPerSecond,
	}
}

// intervalToChar writes an interval by a template. What belongs to a day of the
// calendar is refused.
func intervalToChar(v types.Interval, template string) (datum, error) {
	items, err := parseTemplate(template, false)
	if err != nil || template == "" {
		return types.Null, err
	}
	p := partsOf(v)
	var b strings.Builder
	for _, it := range items {
		if it.pattern == "" {
			b.WriteString(it.text)
			continue
		}
		s, err := p.field(it)
		if err != nil {
			return types.Null, err
		}
		b.WriteString(s)
	}
	return str(b.String())
}

func (p *intervalParts) field(it templateItem) (string, error) {
	num := func(n int64, width int) (string, error) {
		if n < 0 && !p.signOutside(it.pattern) {
			width--
		}
		return padded(n, width, it), nil
	}
	fraction := func(n int64, width int) (string, error) {
		it.fill = true
		return num(n, width)
	}
	yday := (p.year*12+p.month)*30 + p.day
	isoYear, isoWeekNo := isoWeek(int(p.year), int(p.month), int(p.day))
	switch it.pattern {
	case "YYYY":
		return num(p.year, 4)
	case "YYY":
		return num(p.year%1000, 3)
	case "YY":
		return num(p.year%100, 2)
	case "Y":
		return num(p.year%10, 1)
	case "Y,YYY":
		return strconv.FormatInt(p.year/1000, 10) + "," + padded(p.year%1000, p.thousands(), templateItem{fill: true}), nil
	case "IYYY":
		return num(int64(isoYear), 4)
	case "IYY":
		return num(int64(isoYear)%1000, 3)
	case "IY":
		return num(int64(isoYear)%100, 2)
	case "I":
		return num(int64(isoYear)%10, 1)
	case "IDDD":
		days := types.DaysFromCivil(int(p.year), int(p.month), int(p.day))
		return num(int64(isoWeekNo-1)*7+floorModInt(days+5, 7)+1, 3)
	case "CC":
		return num(p.year/100, 2)
	case "MM":
		return num(p.month, 2)
	case "Q":
		if p.month == 0 {
			return "", nil
		}
		return num((p.month-1)/3+1, 1)
	case "RM", "rm":
		return p.roman(it), nil
	case "IW":
		return num(int64(isoWeekNo), 2)
	case "WW":
		return num((yday-1)/7+1, 2)
	case "W":
		return num((p.day-1)/7+1, 1)
	case "DDD":
		return num(yday, 3)
	case "DD":
		return num(p.day, 2)
	case "J":
		return num(types.DaysFromCivil(int(p.year), int(p.month), int(p.day))+2451545, 1)
	case "HH24":
		return num(p.hour, 2)
	case "HH", "HH12":
		h := p.hour % 12
		if h == 0 {
			h = 12
		}
		return num(h, 2)
	case "MI":
		return num(p.minute, 2)
	case "SS":
		return num(p.second, 2)
	case "SSSS", "SSSSS":
		return num(p.hour*3600+p.minute*60+p.second, 1)
	case "MS":
		return fraction(p.micros/1000, 3)
	case "US":
		return fraction(p.micros, 6)
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		digits, n := int(it.pattern[2]-'0'), p.micros
		for i := digits; i < 6; i++ {
			n /= 10
		}
		return fraction(n, digits)
	case "AM", "PM", "am", "pm", "A.M.", "P.M.", "a.m.", "p.m.":
		s := "AM"
		if p.hour%24 >= 12 {
			s = "PM"
		}
		if strings.Contains(it.pattern, ".") {
			s = s[:1] + ".M."
		}
		return sameCase(it.pattern, s), nil
	}
	return "", sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid format specification for an interval value").
		WithHint("Intervals are not tied to specific calendar dates.")
}

// thousands is the width of what is behind the comma of Y,YYY.
func (p *intervalParts) thousands() int {
	if p.year%1000 < 0 {
		return 2
	}
	return 3
}

// signOutside reports whether a sign comes before the width of a field; in the
// others it is part of it.
func (p *intervalParts) signOutside(pattern string) bool {
	switch pattern {
	case "MM", "HH", "HH12", "HH24", "MI", "SS":
		return true
	case "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "I":
		return p.year < 0
	}
	return false
}

// roman is the month in Roman letters; years without months end in December.
func (p *intervalParts) roman(it templateItem) string {
	m := p.month
	switch {
	case m == 0 && p.year == 0:
		return ""
	case m == 0:
		m = 12
	case m < 0:
		m += 13
	}
	s := sameCase(it.pattern, romanNumber(m))
	if it.fill {
		s += strings.Repeat(" ", 4-len(s))
	}
	return s
}

// padded writes a number with leading zeros, a sign before them, and the ending of
// its ordinal.
func padded(n int64, width int, it templateItem) string {
	s, neg := strings.CutPrefix(strconv.FormatInt(n, 10), "-")
	if it.fill {
		for len(s) < width {
			s = "0" + s
		}
	}
	if neg {
		s = "-" + s
	}
	if it.th != "" {
		s += ordinal(n, it.th)
	}
	return s
}
