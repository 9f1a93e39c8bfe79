package types

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones must not depend on what the machine has installed

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// abbreviations are the usual ones of PostgreSQL's "Default" set, in seconds
// east of Greenwich.
var abbreviations = map[string]int{
	"utc": 0, "gmt": 0, "z": 0, "zulu": 0, "ut": 0, "wet": 0, "uct": 0,
	"bst": 3600, "west": 3600, "cet": 3600, "met": 3600, "mez": 3600,
	"cest": 7200, "mest": 7200, "mesz": 7200, "eet": 7200, "ist": 7200, "sast": 7200,
	"eest": 10800, "idt": 10800, "msk": 10800, "eat": 10800, "msd": 14400,
	"pkt": 18000, "npt": 20700, "ict": 25200, "hkt": 28800, "sgt": 28800, "awst": 28800,
	"jst": 32400, "kst": 32400, "acst": 34200, "aest": 36000, "acdt": 37800, "aedt": 39600, "nzst": 43200, "nzdt": 46800,
	"nst": -12600, "ndt": -9000, "brt": -10800, "art": -10800,
	"ast": -14400, "adt": -10800, "est": -18000, "edt": -14400, "cst": -21600, "cdt": -18000,
	"mst": -25200, "mdt": -21600, "pst": -28800, "pdt": -25200,
	"akst": -32400, "akdt": -28800, "hst": -36000, "clt": -14400, "clst": -10800,
}

// ParseTimeZone reads the setting TimeZone and returns the zone with its name as
// SHOW gives it. A number alone is hours east of Greenwich; everything else is
// read as LoadTimeZone does. An unknown zone is invalid_parameter_value (22023).
func ParseTimeZone(value string) (*time.Location, string, error) {
	n := trimSpace(value)
	if strings.IndexByte(n, ':') < 0 && n != "" && !isAlpha(n[0]) && n[0] != '<' {
		if off, ok := parseOffset(n); ok && off%60 == 0 {
			// POSIX counts the other way.
			east, west := string(appendOffset(nil, off)), string(appendOffset(nil, -off))
			return time.FixedZone(east, off), "<" + east + ">" + west, nil
		}
	}
	loc, err := LoadTimeZone(n)
	if err != nil {
		return nil, "", sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"TimeZone\": \"%s\"", value)
	}
	if db := loadZone(n); db != nil {
		return db, db.String(), nil
	}
	return loc, n, nil
}

// LoadTimeZone finds a time zone by a name of the tz database (case does not
// matter), an abbreviation, or in POSIX form, where an offset counts west and the
// name may be missing ("UTC+3", "<+03>-3", "+02:00"). An unknown one is
// invalid_parameter_value (22023).
func LoadTimeZone(name string) (*time.Location, error) {
	n := trimSpace(name)
	if loc := loadZone(n); loc != nil {
		return loc, nil
	}
	if off, ok := parseOffset(n); ok {
		return fixedZone(-off), nil
	}
	if off, ok := abbreviations[strings.ToLower(n)]; ok {
		return time.FixedZone(strings.ToUpper(n), off), nil
	}
	if loc := posixZone(n); loc != nil {
		return loc, nil
	}
	return nil, sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", name)
}

// OffsetZone reads an offset such as +05:30, which counts east as in a timestamp's
// text; false if it is none or out of range.
func OffsetZone(s string) (*time.Location, bool) {
	off, ok := parseOffset(s)
	if !ok {
		return nil, false
	}
	return fixedZone(off), true
}

// loadZone looks into the tz database only.
func loadZone(n string) *time.Location {
	if n == "" || strings.EqualFold(n, "local") || len(n) > 64 {
		return nil
	}
	for i := 0; i < len(n); i++ {
		c := n[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/_+-", c) >= 0) {
			return nil
		}
	}
	if strings.HasPrefix(n, "/") {
		return nil
	}
	for _, try := range []string{n, strings.ToUpper(n), titleZone(n)} {
		if loc, err := time.LoadLocation(try); err == nil {
			return loc
		}
	}
	return nil
}

// titleZone writes "america/port_of_spain" as the database does.
func titleZone(n string) string {
	b := []byte(strings.ToLower(n))
	start := 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] >= 'a' && b[i] <= 'z' {
			continue
		}
		switch w := string(b[start:i]); {
		case w == "of" || w == "es" || w == "au" || w == "la":
		case w == "gmt" || w == "utc" || w == "us" || w == "nsw" || w == "act" || w == "uct" || w == "lhi" || w == "gb" || w == "nz":
			copy(b[start:i], strings.ToUpper(w))
		case w != "":
			b[start] -= 'a' - 'A'
		}
		start = i + 1
	}
	return string(b)
}

func fixedZone(offset int) *time.Location {
	return time.FixedZone(string(appendOffset(nil, offset)), offset)
}

// parseOffset reads +h, +hh, +hhmm, +hh:mm, +hh:mm:ss, +hhmmss; also without
// sign and with a fraction of an hour, as SET TIME ZONE allows.
func parseOffset(s string) (seconds int, ok bool) {
	if s == "" {
		return 0, false
	}
	neg := false
	if s[0] == '+' || s[0] == '-' {
		neg = s[0] == '-'
		s = s[1:]
	}
	var h, m, sec int
	switch parts := strings.Split(s, ":"); {
	case len(parts) > 3:
		return 0, false
	case len(parts) == 1:
		if whole, frac, has := strings.Cut(s, "."); has {
			f, err := strconv.ParseFloat("0."+frac, 64)
			n, ok := digits(whole)
			if err != nil || !ok || n > 15 {
				return 0, false
			}
			h, sec = n, int(f*3600+0.5)
			break
		}
		n, ok := digits(s)
		if !ok {
			return 0, false
		}
		switch {
		case len(s) <= 2:
			h = n
		case len(s) <= 4:
			h, m = n/100, n%100
		case len(s) == 6:
			h, m, sec = n/10000, n/100%100, n%100
		default:
			return 0, false
		}
	default:
		for i, p := range parts {
			n, ok := digits(p)
			if !ok || len(p) > 2 {
				return 0, false
			}
			switch i {
			case 0:
				h = n
			case 1:
				m = n
			case 2:
				sec = n
			}
		}
	}
	if h > 15 || m > 59 || sec > 3600 {
		return 0, false
	}
	seconds = h*3600 + m*60 + sec
	if neg {
		seconds = -seconds
	}
	return seconds, true
}

func digits(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// posixZone reads a name followed by an offset that counts west.
func posixZone(s string) *time.Location {
	i := 0
	if strings.HasPrefix(s, "<") {
		if i = strings.IndexByte(s, '>') + 1; i == 0 {
			return nil
		}
	} else {
		for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z') {
			i++
		}
		if i < 3 {
			return nil
		}
	}
	off, ok := parseOffset(s[i:])
	if !ok {
		return nil
	}
	return time.FixedZone(strings.Trim(s[:i], "<>"), -off)
}

// OffsetAt returns the offset east of Greenwich, in seconds, that holds at an
// instant.
func OffsetAt(micros int64, loc *time.Location) int {
	if loc == time.UTC || !TimestampIsFinite(micros) {
		return 0
	}
	_, off := ToTime(micros).In(loc).Zone()
	return off
}

// LocalToUTC returns the instant at which clocks in loc show the given local
// time. A time that the clocks skip is read with the offset before the gap, one
// they show twice with the offset after, as PostgreSQL does.
func LocalToUTC(local int64, loc *time.Location) int64 {
	if loc == time.UTC || !TimestampIsFinite(local) {
		return local
	}
	const day = 24 * time.Hour
	guess := ToTime(local)
	before := guess.Add(-day).In(loc)
	_, o1 := before.Zone()
	_, o2 := guess.Add(day).In(loc).Zone()
	t1 := local - int64(o1)*MicrosPerSecond
	if o1 == o2 {
		return t1
	}
	_, end := before.ZoneBounds()
	if end.IsZero() {
		return t1
	}
	edge := FromTime(end)
	t2 := local - int64(o2)*MicrosPerSecond
	switch {
	case t1 < edge && t2 < edge:
		return t1
	case t1 >= edge && t2 >= edge:
		return t2
	case t1 > t2:
		return t1
	}
	return t2
}

// UTCToLocal returns what clocks in loc show at an instant.
func UTCToLocal(micros int64, loc *time.Location) int64 {
	if !TimestampIsFinite(micros) {
		return micros
	}
	return micros + int64(OffsetAt(micros, loc))*MicrosPerSecond
}

// ToTime returns a finite timestamp as a time in UTC.
func ToTime(micros int64) time.Time {
	sec := micros / MicrosPerSecond
	rest := micros % MicrosPerSecond
	if rest < 0 {
		rest += MicrosPerSecond
		sec--
	}
	return time.Unix(sec+unixEpochDays*86400, rest*1000).UTC()
}

// FromTime returns an instant in microseconds since 2000-01-01 UTC, cutting what
// is smaller.
func FromTime(t time.Time) int64 {
	return (t.Unix()-unixEpochDays*86400)*MicrosPerSecond + int64(t.Nanosecond()/1000)
}

func appendOffset(dst []byte, off int) []byte {
	if off < 0 {
		dst = append(dst, '-')
		off = -off
	} else {
		dst = append(dst, '+')
	}
	dst = append2(dst, off/3600)
	if off%3600 != 0 {
		dst = append(dst, ':')
		dst = append2(dst, off/60%60)
		if off%60 != 0 {
			dst = append(dst, ':')
			dst = append2(dst, off%60)
		}
	}
	return dst
}

func append2(dst []byte, n int) []byte {
	if n > 99 {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}
