package keys

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// String writes the key for people: /t/53/1/42/"abc" for the row 42, "abc" of
// index 1 of table 53, /placement/… and /sys/… for the other prefixes, /min
// for the empty key. Whatever cannot be read is shown as hex, so it never fails.
func (k User) String() string {
	if len(k) == 0 {
		return "/min"
	}
	switch k[0] {
	case PrefixPlacement:
		return "/placement" + prettyBytes(k[1:])
	case PrefixSystem:
		return "/sys" + prettyDatums(k[1:])
	case PrefixTable:
		var out strings.Builder
		out.WriteString("/t")
		rest := []byte(k[1:])
		for i := 0; i < 2 && len(rest) > 0; i++ {
			next, id, err := DecodeUint(rest)
			if err != nil {
				return out.String() + fmt.Sprintf("/0x%x", rest)
			}
			fmt.Fprintf(&out, "/%d", id)
			rest = next
		}
		return out.String() + prettyDatums(rest)
	}
	return prettyBytes(k)
}

// String writes the key for people: the kind, then the user key, then the
// timestamp. It never fails.
func (k Encoded) String() string {
	d, err := Decode(k)
	if err != nil {
		return fmt.Sprintf("/bad/0x%x", []byte(k))
	}
	ts := ""
	if d.HasTS {
		ts = "@" + d.TS.String()
	}
	switch d.Kind {
	case KindRegionLocal:
		return fmt.Sprintf("/region/%d%s", d.RegionID, prettyBytes([]byte(d.Name)))
	case KindStoreLocal:
		return "/store" + prettyBytes([]byte(d.Name))
	case KindLock:
		return "/lock" + d.User.String()
	case KindRollback:
		return "/rollback" + d.User.String() + ts
	case KindRaw:
		return "/raw" + d.User.String()
	default:
		return "/data" + d.User.String() + ts
	}
}

// FormatLog writes a log engine key for people. It never fails.
func FormatLog(key []byte) string {
	d, err := DecodeLog(key)
	if err != nil {
		return fmt.Sprintf("/bad/0x%x", key)
	}
	switch d.Kind {
	case LogEntry:
		return fmt.Sprintf("/log/%d/entry/%d", d.RegionID, d.Index)
	case LogHardState:
		return fmt.Sprintf("/log/%d/hardstate", d.RegionID)
	case LogTruncated:
		return fmt.Sprintf("/log/%d/truncated", d.RegionID)
	default:
		return fmt.Sprintf("/log/%d/tombstone", d.RegionID)
	}
}

// prettyDatums writes datums for as long as they can be read.
func prettyDatums(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		text, rest, ok := prettyDatum(b)
		if !ok {
			out.WriteString(prettyBytes(b))
			break
		}
		out.WriteByte('/')
		out.WriteString(text)
		b = rest
	}
	return out.String()
}

func prettyDatum(b []byte) (text string, rest []byte, ok bool) {
	t, _ := PeekDatum(b)
	var err error
	switch t {
	case DatumNull:
		return "NULL", b[1:], true
	case DatumBool:
		var v bool
		rest, v, err = DecodeBool(b)
		text = strconv.FormatBool(v)
	case DatumInt:
		var v int64
		rest, v, err = DecodeInt(b)
		text = strconv.FormatInt(v, 10)
	case DatumFloat:
		var v float64
		rest, v, err = DecodeFloat(b)
		text = strconv.FormatFloat(v, 'g', -1, 64)
	case DatumDecimal:
		r, v, derr := DecodeDecimal(b)
		if derr != nil {
			return "", nil, false
		}
		rest, text = r, v.String()
	case DatumBytes:
		var v []byte
		rest, v, err = DecodeBytes(b)
		text = fmt.Sprintf("'\\x%x'", v)
	case DatumString:
		var v string
		rest, v, err = DecodeString(b)
		text = strconv.Quote(v)
	default:
		return "", nil, false
	}
	return text, rest, err == nil
}

// prettyBytes writes printable text as it is and anything else as hex.
func prettyBytes(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if utf8.Valid(b) && strings.IndexFunc(string(b), func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		return "/" + string(b)
	}
	return fmt.Sprintf("/0x%x", b)
}
