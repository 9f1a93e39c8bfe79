package expr

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Templates of to_char, to_date and to_timestamp. Built are the patterns that
// reports and ORMs use; another one is refused by name.

// templatePatterns, longest first where one begins another.
var templatePatterns = []string{
	"SSSSS", "SSSS", "Y,YYY", "YYYY", "YYY", "YY", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "HH24", "HH12", "HH", "MONTH", "Month", "month",
	"MON", "Mon", "mon", "MM", "MI", "MS", "DDD", "DD", "DAY", "Day", "day", "DY", "Dy", "dy", "D", "SS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
	"A.M.", "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm", "BC", "AD", "bc", "ad", "B.C.", "A.D.", "b.c.", "a.d.", "CC", "J", "Q", "RM", "rm",
	"TZH", "TZM", "TZ", "tz", "OF", "WW", "W", "Y",
}

// templateItem is a pattern, or text that stands for itself.
type templateItem struct {
	pattern string // canonical; empty for text
	text    string
	fill    bool // no FM
	local   bool // TM
	th      string
}

func parseTemplate(f string, input bool) ([]templateItem, error) {
	var out []templateItem
	literal := func(s string) {
		if n := len(out); n > 0 && out[n-1].pattern == "" {
			out[n-1].text += s
			return
		}
		out = append(out, templateItem{text: s})
	}
next:
	for f != "" {
		if f[0] == '"' {
			end := strings.IndexByte(f[1:], '"')
			if end < 0 {
				literal(f[1:])
				break
			}
			literal(f[1 : 1+end])
			f = f[end+2:]
			continue
		}
		fill, long := true, false
	prefixes:
		for len(f) >= 2 {
			switch strings.ToUpper(f[:2]) {
			case "FM":
				fill = false
			case "TM":
				long = true
			case "FX":
				if input {
					return nil, sqlerr.Unsupported("template pattern \"FX\"")
				}
			default:
				break prefixes
			}
			f = f[2:]
		}
		for _, p := range templatePatterns {
			// Patterns whose case matters are listed in each; others in any.
			match := strings.HasPrefix(f, p)
			if !match && len(f) >= len(p) && strings.EqualFold(f[:len(p)], p) && p == strings.ToUpper(p) && !caseMatters(p) {
				match = true
			}
			if !match {
				continue
			}
			f = f[len(p):]
			it := templateItem{pattern: p, fill: fill, local: long}
			if len(f) >= 2 && (f[:2] == "TH" || f[:2] == "th") {
				it.th = f[:2]
				f = f[2:]
			} else if len(f) >= 2 && strings.EqualFold(f[:2], "SP") {
				f = f[2:] // spelling is built nowhere
			}
			out = append(out, it)
			continue next
		}
		if f == "" {
			break
		}
		_, n := utf8.DecodeRuneInString(f)
		literal(f[:n])
		f = f[n:]
	}
	return out, nil
}

func caseMatters(p string) bool {
	switch p {
	case "MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "BC", "AD", "TZ", "RM", "B.C.", "A.D.":
		return true
	}
	return false
}

var monthLong = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
var dayLong = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

func sameCase(p, s string) string {
	switch {
	case p == strings.ToUpper(p):
		return strings.ToUpper(s)
	case p == strings.ToLower(p):
		return strings.ToLower(s)
	}
	return s
}

func ordinal(n int64, th string) string {
	s := "th"
	if n < 0 {
		n = -n
	}
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			s = "st"
		case 2:
			s = "nd"
		case 3:
			s = "rd"
		}
	}
	return sameCase(th, s)
}

// timeToChar writes a local timestamp by a template.
func timeToChar(local int64, off int, zone, template string) (datum, error) {
	items, err := parseTemplate(template, false)
	if err != nil {
		return types.Null, err
	}
	if template == "" || !types.TimestampIsFinite(local) {
		return types.Null, nil
	}
	c := types.CivilFromMicros(local)
	days := types.DaysFromCivil(c.Year, c.Month, c.Day)
	dow := floorModInt(days+6, 7)
	doy := days - types.DaysFromCivil(c.Year, 1, 1) + 1
	isoYear, isoWeekNo := isoWeek(c.Year, c.Month, c.Day)
	year := func(y int) int64 {
		if y <= 0 {
			return int64(1 - y)
		}
		return int64(y)
	}
	var b strings.Builder
	for _, it := range items {
		if it.pattern == "" {
			b.WriteString(it.text)
			continue
		}
		num := func(n int64, width int) {
			s := strconv.FormatInt(n, 10)
			if it.fill {
				neg := strings.HasPrefix(s, "-")
				s = strings.TrimPrefix(s, "-")
				for len(s) < width {
					s = "0" + s
				}
				if neg {
					s = "-" + s
				}
			}
			b.WriteString(s)
			if it.th != "" {
				b.WriteString(ordinal(n, it.th))
			}
		}
		word := func(s string, width int) {
			s = sameCase(it.pattern, s)
			b.WriteString(s)
			if it.fill && !it.local {
				b.WriteString(strings.Repeat(" ", max(0, width-len(s))))
			}
		}
		h12 := int64(c.Hour % 12)
		if h12 == 0 {
			h12 = 12
		}
		switch p := it.pattern; p {
		case "YYYY":
			num(year(c.Year), 4)
		case "YYY":
			num(year(c.Year)%1000, 3)
		case "YY":
			num(year(c.Year)%100, 2)
		case "Y":
			num(year(c.Year)%10, 1)
		case "Y,YYY":
			y := year(c.Year)
			b.WriteString(strconv.FormatInt(y/1000, 10) + "," + strconv.FormatInt(1000+y%1000, 10)[1:])
		case "IYYY":
			num(year(isoYear), 4)
		case "IYY":
			num(year(isoYear)%1000, 3)
		case "IY":
			num(year(isoYear)%100, 2)
		case "I":
			num(year(isoYear)%10, 1)
		case "MM":
			num(int64(c.Month), 2)
		case "MONTH", "Month", "month":
			word(monthLong[c.Month-1], 9)
		case "MON", "Mon", "mon":
			word(monthLong[c.Month-1][:3], 0)
		case "DD":
			num(int64(c.Day), 2)
		case "DDD":
			num(doy, 3)
		case "IDDD":
			num(int64(isoWeekNo-1)*7+floorModInt(dow+6, 7)+1, 3)
		case "D":
			num(dow+1, 1)
		case "ID":
			num(floorModInt(dow+6, 7)+1, 1)
		case "DAY", "Day", "day":
			word(dayLong[dow], 9)
		case "DY", "Dy", "dy":
			word(dayLong[dow][:3], 0)
		case "HH24":
			num(int64(c.Hour), 2)
		case "HH", "HH12":
			num(h12, 2)
		case "MI":
			num(int64(c.Minute), 2)
		case "SS":
			num(int64(c.Second), 2)
		case "SSSS", "SSSSS":
			num(c.TimeOfDay()/types.MicrosPerSecond, 1)
		case "MS":
			it.fill = true
			num(int64(c.Micros/1000), 3)
		case "US":
			it.fill = true
			num(int64(c.Micros), 6)
		case "RM", "rm":
			word(romanNumber(int64(c.Month)), 4)
		case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
			digits := int(p[2] - '0')
			b.WriteString(strconv.Itoa(1000000 + c.Micros)[1 : 1+digits])
		case "AM", "PM", "am", "pm", "A.M.", "P.M.", "a.m.", "p.m.":
			s := "A"
			if c.Hour >= 12 {
				s = "P"
			}
			if strings.Contains(p, ".") {
				s += ".M."
			} else {
				s += "M"
			}
			b.WriteString(sameCase(p, s))
		case "BC", "AD", "bc", "ad", "B.C.", "A.D.", "b.c.", "a.d.":
			s := "AD"
			if c.Year <= 0 {
				s = "BC"
			}
			if strings.Contains(p, ".") {
				s = s[:1] + "." + s[1:] + "."
			}
			b.WriteString(sameCase(p, s))
		case "CC":
			num(century(c.Year), 2)
		case "J":
			num(days+2451545, 1)
		case "Q":
			num(int64((c.Month-1)/3+1), 1)
		case "WW":
			num((doy-1)/7+1, 2)
		case "IW":
			num(int64(isoWeekNo), 2)
		case "W":
			num(int64((c.Day-1)/7+1), 1)
		case "TZ", "tz":
			b.WriteString(sameCase(p, zone))
		case "OF", "TZH", "TZM":
			sign, o := "+", off
			if o < 0 {
				sign, o = "-", -o
			}
			s := sign + strconv.Itoa(100 + o/3600)[1:]
			if p == "OF" && !it.fill {
				s = sign + strconv.Itoa(o/3600)
			}
			switch {
			case p == "TZM":
				s = strconv.Itoa(100 + o/60%60)[1:]
			case p == "OF" && o%3600 != 0:
				s += ":" + strconv.Itoa(100 + o/60%60)[1:]
			}
			b.WriteString(s)
		default:
			return types.Null, sqlerr.Unsupported("template pattern \"%s\"", p)
		}
	}
	return str(b.String())
}

// timeFromChar reads a text by a template of numbers, month names and meridians.
func timeFromChar(s, template string) (types.Civil, int, bool, error) {
	c := types.Civil{Year: 0, Month: 1, Day: 1}
	items, err := parseTemplate(template, true)
	if err != nil {
		return c, 0, false, err
	}
	pm, am, bc, twelve := false, false, false, false
	doy, off, zoned := 0, 0, false
	gotYear := false
	bad := func(it templateItem, near string) error {
		if near == "" {
			return sqlerr.New(sqlerr.InvalidDatetimeFormat, "source string too short for \"%s\" formatting field", it.pattern)
		}
		return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", near, it.pattern)
	}
	for i, it := range items {
		if s == "" {
			break // what the text does not reach keeps its default
		}
		if it.pattern == "" {
			// Separators match any separators, and blanks are skipped.
			for _, r := range it.text {
				if s == "" {
					break
				}
				x, n := utf8.DecodeRuneInString(s)
				if isSeparator(r) {
					if isSeparator(x) {
						s = s[n:]
					}
					continue
				}
				s = s[n:]
			}
			continue
		}
		s = strings.TrimLeft(s, " \t\n")
		number := func(width int) (int, error) {
			// A field runs as far as it likes when a separator follows it.
			if i+1 == len(items) || items[i+1].pattern == "" || !it.fill {
				width = 9
			}
			j := 0
			if s != "" && (s[0] == '-' || s[0] == '+') {
				j++
			}
			start := j
			for j < len(s) && j-start < width && s[j] >= '0' && s[j] <= '9' {
				j++
			}
			if j == start {
				near := s
				if len(near) > width {
					near = near[:width]
				}
				return 0, bad(it, near)
			}
			n, err := strconv.Atoi(s[:j])
			if err != nil {
				return 0, bad(it, s[:j])
			}
			s = s[j:]
			if it.th != "" && len(s) >= 2 {
				s = s[2:]
			}
			return n, nil
		}
		word := func(list []string, short bool) (int, error) {
			for k, w := range list {
				if short {
					w = w[:3]
				}
				if len(s) >= len(w) && strings.EqualFold(s[:len(w)], w) {
					s = s[len(w):]
					return k, nil
				}
			}
			near := s
			if n := strings.IndexByte(near, ' '); n > 0 {
				near = near[:n]
			}
			return 0, sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", near, it.pattern).
				WithDetail("The given value did not match any of the allowed values for this field.")
		}
		var n int
		switch p := it.pattern; p {
		case "YYYY":
			c.Year, err = number(4)
			gotYear = true
		case "YY", "YYY", "Y":
			before := len(s)
			n, err = number(len(p))
			switch before - len(s) {
			case 1, 2:
				if n < 70 {
					n += 2000
				} else {
					n += 1900
				}
			case 3:
				if n < 520 {
					n += 2000
				} else {
					n += 1000
				}
			}
			c.Year, gotYear = n, true
		case "MM":
			c.Month, err = number(2)
		case "MONTH", "Month", "month":
			if n, err = word(monthLong[:], false); err == nil {
				c.Month = n + 1
			}
		case "MON", "Mon", "mon":
			if n, err = word(monthLong[:], true); err == nil {
				c.Month = n + 1
			}
		case "DD":
			c.Day, err = number(2)
		case "DDD":
			doy, err = number(3)
		case "DAY", "Day", "day":
			_, err = word(dayLong[:], false)
		case "DY", "Dy", "dy":
			_, err = word(dayLong[:], true)
		case "HH24":
			c.Hour, err = number(2)
		case "HH", "HH12":
			c.Hour, err = number(2)
			twelve = true
		case "MI":
			c.Minute, err = number(2)
		case "SS":
			c.Second, err = number(2)
		case "MS", "US":
			width := 3
			if p == "US" {
				width = 6
			}
			before := len(s)
			n, err = number(width)
			for k := before - len(s); k < 6; k++ {
				n *= 10
			}
			c.Micros = n
		case "AM", "PM", "am", "pm", "A.M.", "P.M.", "a.m.", "p.m.":
			mark := "AM"
			if strings.Contains(p, ".") {
				mark = "A.M."
			}
			if len(s) < len(mark) {
				return c, 0, false, bad(it, s)
			}
			switch got := strings.ToUpper(s[:len(mark)]); got {
			case mark:
				am = true
			case "P" + mark[1:]:
				pm = true
			default:
				return c, 0, false, bad(it, s[:len(mark)])
			}
			s = s[len(mark):]
			twelve = true
		case "BC", "AD", "bc", "ad":
			m := strings.ToUpper(s)
			if !strings.HasPrefix(m, "BC") && !strings.HasPrefix(m, "AD") {
				return c, 0, false, bad(it, s)
			}
			bc = m[0] == 'B'
			s = s[2:]
		case "J":
			n, err = number(9)
			c.Year, c.Month, c.Day = types.CivilFromDays(int64(n) - 2451545)
			return c, 0, false, err
		case "TZH":
			neg := strings.HasPrefix(s, "-")
			n, err = number(2)
			if n < 0 {
				n = -n
			}
			off, zoned = n*3600, true
			if neg {
				off = -off
			}
		case "TZM":
			n, err = number(2)
			if off < 0 {
				n = -n
			}
			off += n * 60
			zoned = true
		default:
			return c, 0, false, sqlerr.Unsupported("template pattern \"%s\" for input", p)
		}
		if err != nil {
			return c, 0, false, err
		}
		if s == "" && i+1 < len(items) {
			// What is missing at the end keeps its default.
			break
		}
	}
	if twelve {
		if c.Hour < 1 || c.Hour > 12 {
			return c, 0, false, sqlerr.New(sqlerr.InvalidDatetimeFormat, "hour \"%d\" is invalid for the 12-hour clock", c.Hour).
				WithHint("Use the 24-hour clock, or give an hour between 1 and 12.")
		}
		if pm && c.Hour < 12 {
			c.Hour += 12
		} else if am && c.Hour == 12 {
			c.Hour = 0
		}
	}
	if bc {
		c.Year = 1 - c.Year
	} else if gotYear && c.Year < 0 {
		c.Year++
	}
	if doy > 0 {
		_, c.Month, c.Day = types.CivilFromDays(types.DaysFromCivil(c.Year, 1, 1) + int64(doy) - 1)
	}
	return c, off, zoned, nil
}

func isSeparator(r rune) bool {
	return r < 0x80 && r > 0x20 && !(r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') || r == ' ' || r == '\t' || r == '\n'
}

func checkCivil(c types.Civil, s string) error {
	if c.Month < 1 || c.Month > 12 || c.Day < 1 || c.Day > types.DaysIn(c.Year, c.Month) || c.Hour > 24 || c.Hour < 0 || c.Minute < 0 || c.Minute > 59 || c.Second < 0 || c.Second > 59 {
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s)
	}
	return nil
}

func (k kernels) templates() {
	k.f2("to_char(timestamp,text)", func(_ *EvalContext, a, b datum) (datum, error) { return timeToChar(a.Int(), 0, "", b.Str()) })
	k.f2("to_char(timestamptz,text)", func(ctx *EvalContext, a, b datum) (datum, error) {
		if !types.TimestampIsFinite(a.Int()) {
			return types.Null, nil
		}
		name, off := types.ToTime(a.Int()).In(ctx.format().Location()).Zone()
		return timeToChar(a.Int()+int64(off)*types.MicrosPerSecond, off, name, b.Str())
	})
	k.f2("to_char(interval,text)", func(_ *EvalContext, a, b datum) (datum, error) { return intervalToChar(a.Interval(), b.Str()) })
	k.f2("to_date(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		c, _, _, err := timeFromChar(a.Str(), b.Str())
		if err == nil {
			err = checkCivil(c, a.Str())
		}
		if err != nil {
			return types.Null, err
		}
		d := types.DaysFromCivil(c.Year, c.Month, c.Day)
		if !types.DateInRange(d) {
			return types.Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: \"%s\"", a.Str())
		}
		return types.NewInt(d), nil
	})
	k.f2("to_timestamp(text,text)", func(ctx *EvalContext, a, b datum) (datum, error) {
		c, off, zoned, err := timeFromChar(a.Str(), b.Str())
		if err == nil {
			err = checkCivil(c, a.Str())
		}
		if err != nil {
			return types.Null, err
		}
		t, ok := c.TimestampMicros()
		if !ok {
			return types.Null, types.ErrTimestampRange()
		}
		if zoned {
			return timestamp(t - int64(off)*types.MicrosPerSecond)
		}
		return timestamp(toUTC(ctx, t))
	})
	k.f2("to_char(int4,text)", func(_ *EvalContext, a, b datum) (datum, error) { return intSource(a, types.Int4).toChar(b.Str()) })
	k.f2("to_char(int8,text)", func(_ *EvalContext, a, b datum) (datum, error) { return intSource(a, types.Int8).toChar(b.Str()) })
	k.f2("to_char(numeric,text)", func(_ *EvalContext, a, b datum) (datum, error) { return numericSource(a).toChar(b.Str()) })
	k.f2("to_char(float8,text)", func(_ *EvalContext, a, b datum) (datum, error) { return floatSource(a.Float(), 15).toChar(b.Str()) })
	k.f2("to_char(float4,text)", func(_ *EvalContext, a, b datum) (datum, error) { return floatSource(a.Float(), 6).toChar(b.Str()) })
	k.f2("to_number(text,text)", func(_ *EvalContext, a, b datum) (datum, error) { return toNumber(a.Str(), b.Str()) })
}
