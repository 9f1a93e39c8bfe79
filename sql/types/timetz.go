package types

import (
	"encoding/binary"
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// A timetz lies in one integer: the time it is in UTC (time of day plus zone,
// which may be below 0 or above a day), times 2^18, plus the zone west of UTC in
// seconds, plus 2^17. So integers order as timetz does: by the instant, then by
// the zone, the more western one last.
const (
	timetzShift = 18
	timetzBias  = 1 << 17
	// timetzZoneMax is PostgreSQL's bound of a displacement, in seconds.
	timetzZoneMax = 16*3600 - 1
)

// NewTimetz returns a timetz of microseconds since midnight there and the zone in
// seconds east of UTC.
func NewTimetz(micros int64, east int) Datum {
	west := int64(-east)
	return NewInt((micros+west*MicrosPerSecond)<<timetzShift + west + timetzBias)
}

// Timetz returns the parts that NewTimetz was given.
func (d Datum) Timetz() (micros int64, east int) {
	n := d.Int()
	west := n&(1<<timetzShift-1) - timetzBias
	return n>>timetzShift - west*MicrosPerSecond, int(-west)
}

// TimetzZoneInRange reports whether a displacement in seconds, east or west, can be
// that of a timetz.
func TimetzZoneInRange(seconds int) bool {
	return seconds >= -timetzZoneMax && seconds <= timetzZoneMax
}

func parseTimetz(s string, ctx *FormatContext) (Datum, error) {
	v, fault, zone := readTimeText(s, ctx)
	if fault != faultNone {
		return Null, fault.err(s, Timetz, zone)
	}
	loc := ctx.Location()
	if v.special == "now" && !v.relative {
		if ctx.Now.IsZero() {
			return Null, sqlerr.Unsupported("the time '%s' without a clock", s)
		}
		now := FromTime(ctx.Now)
		return NewTimetz(CivilFromMicros(UTCToLocal(now, loc)).TimeOfDay(), OffsetAt(now, loc)), nil
	}
	if v.special != "" || !v.hasTime {
		return Null, faultFormat.err(s, Timetz, "")
	}
	micros := v.TimeOfDay()
	switch {
	case v.hasZone && v.loc == nil:
		return NewTimetz(micros, v.offset), nil
	case v.hasZone:
		// A zone that changes its offset needs a day to be one.
		if !v.hasDate && !isFixed(v.loc) {
			return Null, faultFormat.err(s, Timetz, "")
		}
		loc = v.loc
	}
	day := ctx.Now
	local := FromTime(day)
	if v.hasDate {
		local, _ = v.TimestampMicros()
	} else if !day.IsZero() {
		c := CivilFromMicros(UTCToLocal(local, loc))
		local = DaysFromCivil(c.Year, c.Month, c.Day)*MicrosPerDay + micros
	}
	return NewTimetz(micros, OffsetAt(LocalToUTC(local, loc), loc)), nil
}

// isFixed reports whether a zone has one offset for all times that matter.
func isFixed(loc *time.Location) bool {
	_, first := time.Unix(0, 0).In(loc).Zone()
	for year := 1971; year < 2038; year++ {
		for _, month := range []time.Month{time.January, time.July} {
			if _, off := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone(); off != first {
				return false
			}
		}
	}
	return true
}

func appendTimetz(dst []byte, d Datum) []byte {
	micros, east := d.Timetz()
	return appendOffset(appendTimeOfDay(dst, micros), east)
}

func appendTimetzBinary(dst []byte, d Datum) []byte {
	micros, east := d.Timetz()
	dst = binary.BigEndian.AppendUint64(dst, uint64(micros))
	return binary.BigEndian.AppendUint32(dst, uint32(int32(-east)))
}

func decodeTimetzBinary(b []byte) (Datum, error) {
	micros := int64(binary.BigEndian.Uint64(b))
	west := int32(binary.BigEndian.Uint32(b[8:]))
	if micros < 0 || micros > MicrosPerDay {
		return Null, sqlerr.New(sqlerr.DatetimeFieldOverflow, "time out of range")
	}
	if west < -timetzZoneMax || west > timetzZoneMax {
		return Null, sqlerr.New(sqlerr.InvalidTimeZoneDisplacementValue, "time zone displacement out of range")
	}
	return NewTimetz(micros, int(-west)), nil
}
