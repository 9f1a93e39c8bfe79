package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// numberToChar writes a number by a template of 9, 0, the point, the comma, FM,
// S and MI at the ends; another pattern is refused. A zero is negative only if
// minusZero is set: PostgreSQL keeps the sign of a float that rounds to zero.
func numberToChar(d datum, minusZero bool, template string) (datum, error) {
	if template == "" {
		return str("")
	}
	t := template
	fill := true
	if len(t) >= 2 && strings.EqualFold(t[:2], "FM") {
		fill, t = false, t[2:]
	}
	sign := ""
	up := strings.ToUpper(t)
	switch {
	case strings.HasPrefix(up, "S"):
		sign, t = "S<", t[1:]
	case strings.HasSuffix(up, "S"):
		sign, t = "S>", t[:len(t)-1]
	case strings.HasSuffix(up, "MI"):
		sign, t = "MI", t[:len(t)-2]
	}
	before, after, hasPoint := strings.Cut(t, ".")
	if x := strings.Trim(before, "90,") + strings.Trim(after, "90"); x != "" || strings.Contains(after, ".") {
		_, n := utf8.DecodeRuneInString(x)
		return types.Null, sqlerr.Unsupported("number template \"%s\" (pattern \"%s\")", template, x[:n])
	}
	if d.IsNaN() || types.NumericIsInf(d) {
		return types.Null, sqlerr.Unsupported("to_char of NaN and infinity")
	}
	neg := types.NumericSign(d) < 0 || minusZero
	if neg && !minusZero {
		d = types.NumericNeg(d)
	}
	whole, frac, _ := strings.Cut(types.TextOf(types.NumericRound(d, len(after)), types.Numeric, nil), ".")
	if whole == "0" {
		whole = ""
	}
	if neg && !minusZero && strings.Trim(whole+frac, "0") == "" {
		neg = false
	}
	slots := strings.Count(before, "9") + strings.Count(before, "0")
	overflow := len(whole) > slots
	firstZero := strings.IndexByte(before, '0')
	var b strings.Builder
	at := len(whole) - slots // index into whole of the next slot
	started := false
	for i := 0; i < len(before); i++ {
		switch c := before[i]; {
		case c == ',':
			if started {
				b.WriteByte(',')
			} else if fill {
				b.WriteByte(' ')
			}
		case overflow:
			b.WriteByte('#')
			started = true
		case at >= 0:
			b.WriteByte(whole[at])
			started = true
			at++
		default:
			if firstZero >= 0 && i >= firstZero {
				b.WriteByte('0')
				started = true
			} else if slots > 0 && at == -1 && !hasPoint && i == strings.LastIndexAny(before, "90") {
				b.WriteByte('0')
				started = true
			} else if fill {
				b.WriteByte(' ')
			}
			at++
		}
	}
	digits := b.String()
	if hasPoint {
		f := frac
		if overflow {
			f = strings.Repeat("#", len(after))
		}
		if !fill {
			// Trailing zeros go, down to the last place that a 0 asks for.
			keep := strings.LastIndexByte(after, '0') + 1
			for len(f) > keep && f[len(f)-1] == '0' {
				f = f[:len(f)-1]
			}
		}
		if !fill && f == "" && !strings.ContainsAny(digits, "0123456789#") {
			digits += "0" // something must be left of the number
		}
		digits += "." + f
	}
	blanks := len(digits) - len(strings.TrimLeft(digits, " "))
	mark := " "
	if neg {
		mark = "-"
	}
	switch sign {
	case "S<", "S>":
		if !neg {
			mark = "+"
		}
		if sign == "S>" {
			return str(digits + mark)
		}
	case "MI":
		if !fill && !neg {
			mark = ""
		}
		return str(digits + mark)
	default:
		if !fill && !neg {
			mark = ""
		}
	}
	return str(digits[:blanks] + mark + digits[blanks:])
}
