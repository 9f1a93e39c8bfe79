package types

import (
	"strconv"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// dateText is what was found in the text of a date, time or timestamp.
type dateText struct {
	Civil
	hasDate, hasTime, hasZone bool
	offset                    int            // seconds east, if hasZone and loc is nil
	loc                       *time.Location // a named zone
	bc                        bool
	special                   string // infinity, -infinity, epoch, now
	dayShift                  int    // of today, tomorrow, yesterday
	relative                  bool   // today, tomorrow, yesterday
}

// dateFault says why a text is not one.
type dateFault uint8

const (
	faultNone dateFault = iota
	faultFormat
	faultField      // a field is out of range
	faultMonthOrDay // and DateStyle may be to blame
	faultZoneRange
	faultZoneName
)

func (f dateFault) err(s string, t Type, zone string) error {
	switch f {
	case faultNone:
		return nil
	case faultField, faultMonthOrDay:
		e := sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s)
		if f == faultMonthOrDay {
			e.WithHint("Perhaps you need a different \"datestyle\" setting.")
		}
		return e
	case faultZoneRange:
		return sqlerr.New(sqlerr.InvalidTimeZoneDisplacementValue, "time zone displacement out of range: \"%s\"", s)
	case faultZoneName:
		return sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", strings.ToLower(zone))
	}
	name := t.Bare().String()
	switch t.OID {
	case OIDTimestamp:
		name = "timestamp"
	case OIDTime:
		name = "time"
	}
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type %s: \"%s\"", name, s)
}

// dateReader reads one text; PostgreSQL's ParseDateTime and DecodeDateTime in
// one.
type dateReader struct {
	out      dateText
	order    DateOrder
	gotYear  bool
	gotMonth bool
	gotDay   bool
	twoDigit bool // the year was written with one or two digits
	textMon  bool // the month came as a word
	isoTime  bool // a T was seen
	julian   bool
	pm, am   bool
	zoneName string
}

const maxDateText = 128 // PostgreSQL's MAXDATELEN, below which every valid text lies

func readDateText(s string, order DateOrder) (dateText, dateFault, string) {
	r := dateReader{order: order}
	if len(s) > maxDateText {
		return r.out, faultFormat, ""
	}
	if r.fast(s) {
		return r.out, r.finish(), ""
	}
	r = dateReader{order: order}
	if f := r.read(s); f != faultNone {
		return r.out, f, r.zoneName
	}
	return r.out, r.finish(), r.zoneName
}

// fast reads YYYY-MM-DD[ HH:MM:SS[.f…][+HH[:MM]]], what programs send.
func (r *dateReader) fast(s string) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	y, ok1 := digits(s[:4])
	m, ok2 := digits(s[5:7])
	d, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	r.out.Year, r.out.Month, r.out.Day = y, m, d
	r.gotYear, r.gotMonth, r.gotDay = true, true, true
	if len(s) == 10 {
		return true
	}
	if len(s) < 19 || s[10] != ' ' && s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return false
	}
	h, ok1 := digits(s[11:13])
	mi, ok2 := digits(s[14:16])
	se, ok3 := digits(s[17:19])
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	r.out.Hour, r.out.Minute, r.out.Second, r.out.hasTime = h, mi, se, true
	s = s[19:]
	if s != "" && s[0] == '.' {
		i := 1
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == 1 || i > 7 {
			return false
		}
		n, _ := digits(s[1:i])
		for j := i; j < 7; j++ {
			n *= 10
		}
		r.out.Micros = n
		s = s[i:]
	}
	if s == "" {
		return true
	}
	if s == "Z" {
		r.out.hasZone = true
		return true
	}
	if s[0] != '+' && s[0] != '-' {
		return false
	}
	off, ok := parseOffset(s)
	r.out.offset, r.out.hasZone = off, ok
	return ok
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// read cuts the text into fields and takes each.
func (r *dateReader) read(s string) dateFault {
	any := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isBlank(c) || c == ',':
			i++
			continue
		case isDigit(c) || c == '.' && i+1 < len(s) && isDigit(s[i+1]):
			j := i
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			switch {
			case j < len(s) && s[j] == ':':
				for j < len(s) && (isDigit(s[j]) || s[j] == ':' || s[j] == '.') {
					j++
				}
				if f := r.clock(s[i:j]); f != faultNone {
					return f
				}
			case j < len(s) && (s[j] == '-' || s[j] == '/' || s[j] == '.'):
				sep := s[j]
				k := j + 1
				if k < len(s) && isDigit(s[k]) {
					for k < len(s) && isDigit(s[k]) {
						k++
					}
					if k < len(s) && s[k] == sep {
						for k < len(s) && (isDigit(s[k]) || isAlpha(s[k]) || s[k] == sep) {
							k++
						}
					} else if sep == '.' {
						// A number with a fraction.
						if f := r.number(s[i:k]); f != faultNone {
							return f
						}
						i = k
						any = true
						continue
					}
				} else {
					for k < len(s) && (isDigit(s[k]) || isAlpha(s[k]) || s[k] == sep) {
						k++
					}
				}
				j = k
				if f := r.dateField(s[i:j]); f != faultNone {
					return f
				}
			default:
				if f := r.number(s[i:j]); f != faultNone {
					return f
				}
			}
			i = j
		case isAlpha(c):
			j := i
			for j < len(s) && isAlpha(s[j]) {
				j++
			}
			word := strings.ToLower(s[i:j])
			compound := j < len(s) && (s[j] == '-' || s[j] == '/' || s[j] == '.')
			if !compound && j < len(s) && (s[j] == '+' || isDigit(s[j])) && !isDateWord(word) {
				compound = true
			}
			if compound {
				for j < len(s) && (isAlpha(s[j]) || isDigit(s[j]) || strings.IndexByte("+-/_.:", s[j]) >= 0) {
					j++
				}
				if f := r.dateField(s[i:j]); f != faultNone {
					return f
				}
			} else if f := r.word(word); f != faultNone {
				return f
			}
			i = j
		case c == '+' || c == '-':
			j := i + 1
			for j < len(s) && isBlank(s[j]) {
				j++
			}
			switch {
			case j < len(s) && isDigit(s[j]):
				k := j
				for k < len(s) && (isDigit(s[k]) || s[k] == ':' || s[k] == '.') {
					k++
				}
				if f := r.zone(string(c) + s[j:k]); f != faultNone {
					return f
				}
				j = k
			case j < len(s) && isAlpha(s[j]):
				k := j
				for k < len(s) && isAlpha(s[k]) {
					k++
				}
				if w := strings.ToLower(s[j:k]); w != "infinity" && w != "inf" {
					return faultFormat
				}
				r.out.special = "infinity"
				if c == '-' {
					r.out.special = "-infinity"
				}
				j = k
			default:
				return faultFormat
			}
			i = j
		default:
			return faultFormat
		}
		any = true
	}
	if !any {
		return faultFormat
	}
	return faultNone
}

// clock takes h:m[:s[.f]].
func (r *dateReader) clock(s string) dateFault {
	if r.out.hasTime {
		return faultFormat
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return faultFormat
	}
	h, ok := digits(parts[0])
	if !ok {
		return faultField
	}
	r.out.Hour = h
	min, frac := parts[1], ""
	if len(parts) == 3 {
		var has bool
		var sec string
		sec, frac, has = strings.Cut(parts[2], ".")
		n, ok := digits(sec)
		if !ok {
			return faultFormat
		}
		if has && !r.fraction(frac) {
			return faultFormat
		}
		r.out.Second = n
		if strings.IndexByte(min, '.') >= 0 {
			return faultFormat
		}
	} else if m, f, has := strings.Cut(min, "."); has {
		// mm:ss.f is read as minutes and seconds.
		n, ok := digits(m)
		if !ok || !r.fraction(f) {
			return faultFormat
		}
		r.out.Hour, r.out.Minute, r.out.Second = 0, h, n
		r.out.hasTime = true
		return r.checkClock()
	}
	m, ok := digits(min)
	if !ok {
		return faultFormat
	}
	r.out.Minute = m
	r.out.hasTime = true
	return r.checkClock()
}

func (r *dateReader) checkClock() dateFault {
	if r.out.Minute > 59 || r.out.Second > 60 || r.out.Hour > 24 ||
		r.out.Hour == 24 && (r.out.Minute > 0 || r.out.Second > 0 || r.out.Micros > 0) {
		return faultField
	}
	return faultNone
}

// fraction takes the digits after the seconds' point, rounding to microseconds.
func (r *dateReader) fraction(s string) bool {
	if s == "" {
		return true
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	f, err := strconv.ParseFloat("0."+s, 64)
	if err != nil {
		return false
	}
	r.out.Micros = int(f*1e6 + 0.5)
	if len(s) > 6 {
		// rint rounds halves to even.
		x := f * 1e6
		n := int(x)
		if rest := x - float64(n); rest > 0.5 || rest == 0.5 && n%2 == 1 {
			n++
		}
		r.out.Micros = n
	}
	return true
}

// dateField takes digits or words joined by - / or ., or the full name of a zone.
func (r *dateReader) dateField(s string) dateFault {
	if r.gotMonth && r.gotDay || r.isoTime || r.out.hasTime && isAlpha(s[0]) && !r.startsWithMonth(s) {
		// A zone with punctuation in its name, or hhmmss-zz.
		if isDigit(s[0]) {
			if at := strings.LastIndexByte(s, '-'); at > 0 && !r.out.hasTime {
				if f := r.runTogether(s[:at]); f != faultNone {
					return f
				}
				return r.zone(s[at:])
			}
			if !r.out.hasTime {
				return r.runTogether(s)
			}
			return faultFormat
		}
		return r.namedZone(s)
	}
	if isAlpha(s[0]) && !r.startsWithMonth(s) {
		if strings.ContainsAny(s, "/") || strings.ContainsAny(s, "+-") {
			return r.namedZone(s)
		}
		return faultFormat
	}
	var parts []string
	for i := 0; i < len(s); {
		j := i
		switch {
		case isDigit(s[i]):
			for j < len(s) && isDigit(s[j]) {
				j++
			}
		case isAlpha(s[i]):
			for j < len(s) && isAlpha(s[j]) {
				j++
			}
		default:
			i++
			continue
		}
		parts = append(parts, s[i:j])
		i = j
	}
	if len(parts) > 3 {
		return faultFormat
	}
	// Words first: a month by name changes how the numbers are read.
	for i, p := range parts {
		if !isAlpha(p[0]) {
			continue
		}
		m := monthByName(strings.ToLower(p))
		if m == 0 || r.gotMonth {
			return faultFormat
		}
		r.out.Month, r.gotMonth, r.textMon = m, true, true
		parts[i] = ""
	}
	for _, p := range parts {
		if p == "" {
			continue
		}
		if f := r.dateNumber(p); f != faultNone {
			return f
		}
	}
	if !r.gotYear || !r.gotMonth || !r.gotDay {
		return faultFormat
	}
	return faultNone
}

func (r *dateReader) startsWithMonth(s string) bool {
	j := 0
	for j < len(s) && isAlpha(s[j]) {
		j++
	}
	return monthByName(strings.ToLower(s[:j])) != 0
}

// dateNumber takes a number as year, month or day, whichever is still open in the
// order that DateStyle says.
func (r *dateReader) dateNumber(p string) dateFault {
	n, ok := digits(p)
	if !ok {
		return faultField
	}
	year := func() dateFault {
		if r.gotYear {
			return faultFormat
		}
		r.out.Year, r.gotYear, r.twoDigit = n, true, len(p) <= 2
		return faultNone
	}
	month := func() dateFault { r.out.Month, r.gotMonth = n, true; return faultNone }
	day := func() dateFault { r.out.Day, r.gotDay = n, true; return faultNone }

	if len(p) == 3 && r.gotYear && !r.gotMonth && !r.gotDay && n >= 1 && n <= 366 {
		// Day of the year.
		_, m, d := CivilFromDays(DaysFromCivil(r.out.Year, 1, 1) + int64(n) - 1)
		r.out.Month, r.out.Day, r.gotMonth, r.gotDay = m, d, true, true
		return faultNone
	}
	switch {
	case !r.gotYear && !r.gotMonth && !r.gotDay:
		if len(p) >= 3 || r.order == OrderYMD {
			return year()
		}
		if r.order == OrderDMY {
			return day()
		}
		return month()
	case r.gotYear && !r.gotMonth && !r.gotDay:
		return month()
	case r.gotYear && r.gotMonth && !r.gotDay:
		if r.textMon && len(p) >= 3 && r.twoDigit {
			// 08-Jan-1999 in YMD order: what was taken as the year is the day.
			r.out.Day, r.gotDay = r.out.Year, true
			r.out.Year, r.twoDigit = n, false
			return faultNone
		}
		return day()
	case !r.gotYear && r.gotMonth && !r.gotDay:
		if r.textMon && (len(p) >= 3 || r.order == OrderYMD) {
			return year()
		}
		return day()
	case !r.gotYear && !r.gotMonth && r.gotDay:
		return month()
	case !r.gotYear && r.gotMonth && r.gotDay:
		return year()
	}
	return faultFormat
}

// number takes digits that stand alone.
func (r *dateReader) number(p string) dateFault {
	if r.julian {
		return r.julianDay(p)
	}
	dot := strings.IndexByte(p, '.')
	whole := p
	if dot >= 0 {
		whole = p[:dot]
	}
	haveDate := r.gotYear && r.gotMonth && r.gotDay
	switch {
	case r.isoTime || haveDate && len(whole) >= 4 && !r.out.hasTime:
		return r.runTogether(p)
	case dot >= 0 && !haveDate && r.gotNothing():
		// Year and day of year, as 1999.008.
		y, ok := digits(whole)
		doy, ok2 := digits(p[dot+1:])
		if ok && ok2 && len(whole) >= 3 && len(p)-dot-1 == 3 && doy >= 1 && doy <= 366 {
			r.out.Year, r.gotYear = y, true
			_, m, d := CivilFromDays(DaysFromCivil(y, 1, 1) + int64(doy) - 1)
			r.out.Month, r.out.Day, r.gotMonth, r.gotDay = m, d, true, true
			return faultNone
		}
		if len(whole) > 2 {
			return r.runTogether(p)
		}
		return faultFormat
	case dot >= 0 && len(whole) > 2:
		return r.runTogether(p)
	case dot >= 0:
		return faultFormat
	case len(p) >= 6 && (!haveDate || !r.out.hasTime):
		return r.runTogether(p)
	}
	return r.dateNumber(p)
}

func (r *dateReader) gotNothing() bool { return !r.gotYear && !r.gotMonth && !r.gotDay }

// runTogether takes yyyymmdd, yymmdd, hhmmss[.f] and hhmm.
func (r *dateReader) runTogether(p string) dateFault {
	whole, frac, has := strings.Cut(p, ".")
	n, ok := digits(whole)
	if !ok {
		return faultFormat
	}
	if has && !r.fraction(frac) {
		return faultFormat
	}
	if !has && !r.isoTime && r.gotNothing() && len(whole) >= 6 {
		y := n / 10000
		r.out.Year, r.out.Month, r.out.Day = y, n/100%100, n%100
		r.gotYear, r.gotMonth, r.gotDay = true, true, true
		r.twoDigit = len(whole) == 6
		return faultNone
	}
	if r.out.hasTime {
		return faultFormat
	}
	switch len(whole) {
	case 6:
		r.out.Hour, r.out.Minute, r.out.Second = n/10000, n/100%100, n%100
	case 4:
		if has {
			return faultFormat
		}
		r.out.Hour, r.out.Minute = n/100, n%100
	case 2:
		if !r.isoTime || has {
			return faultFormat
		}
		r.out.Hour = n
	default:
		return faultFormat
	}
	r.out.hasTime = true
	return r.checkClock()
}

func (r *dateReader) julianDay(p string) dateFault {
	whole, frac, has := strings.Cut(p, ".")
	n, ok := digits(whole)
	if !ok || !r.gotNothing() {
		return faultField
	}
	r.julian = false
	y, m, d := CivilFromDays(int64(n) - julianOf2000)
	r.out.Year, r.out.Month, r.out.Day = y, m, d
	if y <= 0 {
		r.out.Year, r.out.bc = 1-y, true
	}
	r.gotYear, r.gotMonth, r.gotDay = true, true, true
	if has {
		f, err := strconv.ParseFloat("0."+frac, 64)
		if err != nil {
			return faultFormat
		}
		r.out.setTime(int64(f * MicrosPerDay))
		r.out.hasTime = true
	}
	return faultNone
}

func (r *dateReader) zone(s string) dateFault {
	if r.out.hasZone && r.out.loc == nil && r.zoneName == "" {
		return faultFormat
	}
	off, ok := parseOffset(s)
	if !ok {
		for i := 1; i < len(s); i++ {
			if !isDigit(s[i]) && s[i] != ':' {
				return faultFormat
			}
		}
		return faultZoneRange
	}
	if r.out.hasZone && r.zoneName != "" {
		// GMT+2 and the like: POSIX counts west.
		off = -off
		r.out.loc = nil
	}
	r.out.offset, r.out.hasZone = off, true
	return faultNone
}

func (r *dateReader) namedZone(s string) dateFault {
	if r.out.hasZone {
		return faultFormat
	}
	r.zoneName = s
	loc := loadZone(s)
	if loc == nil {
		if loc = posixZone(s); loc == nil {
			return faultZoneName
		}
	}
	r.out.loc, r.out.hasZone = loc, true
	return faultNone
}

func (r *dateReader) word(w string) dateFault {
	if m := monthByName(w); m != 0 {
		if r.gotMonth {
			// 1999 01 jan is nothing; "04 May 1999" had its first number taken as
			// a month, which was the day.
			if r.textMon || r.gotDay {
				return faultFormat
			}
			r.out.Day, r.gotDay = r.out.Month, true
		}
		r.out.Month, r.gotMonth, r.textMon = m, true, true
		return faultNone
	}
	if isDayName(w) {
		return faultNone
	}
	switch w {
	case "now", "today", "tomorrow", "yesterday", "epoch", "infinity", "inf":
		if r.out.special != "" || !r.gotNothing() {
			return faultFormat
		}
		switch w {
		case "inf":
			w = "infinity"
		case "today", "tomorrow", "yesterday":
			r.out.relative = true
			r.out.dayShift = map[string]int{"today": 0, "tomorrow": 1, "yesterday": -1}[w]
			w = "now"
		}
		r.out.special = w
	case "allballs":
		r.out.hasTime, r.out.hasZone = true, true
	case "am", "pm":
		r.am, r.pm = w == "am", w == "pm"
	case "ad", "bc":
		r.out.bc = w == "bc"
	case "at", "on":
	case "t":
		if r.isoTime || !r.gotDay {
			return faultFormat
		}
		r.isoTime = true
	case "j", "jd", "julian":
		r.julian = true
	case "dst":
		if !r.out.hasZone || r.out.loc != nil {
			return faultFormat
		}
		r.out.offset += 3600
	default:
		if r.out.hasZone {
			return faultFormat
		}
		if off, ok := abbreviations[w]; ok {
			r.out.offset, r.out.hasZone, r.zoneName = off, true, w
			return faultNone
		}
		if loc := loadZone(w); loc != nil {
			r.out.loc, r.out.hasZone, r.zoneName = loc, true, w
			return faultNone
		}
		return faultFormat
	}
	return faultNone
}

// finish checks the fields against each other.
func (r *dateReader) finish() dateFault {
	o := &r.out
	if o.special != "" {
		return faultNone
	}
	if r.julian {
		return faultFormat
	}
	o.hasDate = r.gotYear && r.gotMonth && r.gotDay
	if !o.hasDate && !r.gotNothing() {
		if r.gotMonth && (o.Month < 1 || o.Month > 12) || r.gotDay && (o.Day < 1 || o.Day > 31) {
			return faultMonthOrDay
		}
		return faultFormat
	}
	if !o.hasDate && o.bc {
		return faultFormat
	}
	if r.am || r.pm {
		if !o.hasTime || o.Hour > 12 {
			return faultField
		}
		if r.am && o.Hour == 12 {
			o.Hour = 0
		} else if r.pm && o.Hour != 12 {
			o.Hour += 12
		}
	}
	if o.hasTime {
		if f := r.checkClock(); f != faultNone {
			return f
		}
	}
	if !o.hasDate {
		return faultNone
	}
	switch {
	case o.bc:
		if o.Year <= 0 {
			return faultField
		}
		o.Year = 1 - o.Year
	case r.twoDigit:
		if o.Year < 70 {
			o.Year += 2000
		} else {
			o.Year += 1900
		}
	case o.Year <= 0:
		return faultField
	}
	if o.Month < 1 || o.Month > 12 || o.Day < 1 || o.Day > 31 {
		return faultMonthOrDay
	}
	if o.Day > DaysIn(o.Year, o.Month) {
		return faultField
	}
	return faultNone
}
