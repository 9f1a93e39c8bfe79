package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// numberText is what to_char makes of a number before the template arranges it:
// digits with as many decimals as the template has.
type numberText struct {
	negative bool
	digits   string // without sign
}

// toCharWith writes a number by a template. plain gives its digits with post
// decimals after multiplying it with 10 to the power of shift; sci those of
// scientific notation; roman the integer nearest to it.
type numberSource struct {
	plain func(shift int, post *int) (numberText, error)
	sci   func(post int) (string, error)
	roman func() (int64, error)
}

func (src *numberSource) toChar(template string) (datum, error) {
	if template == "" {
		return str("")
	}
	f, err := parseNumberTemplate(template)
	if err != nil {
		return types.Null, err
	}
	switch {
	case f.roman:
		n, err := src.roman()
		if err != nil {
			return types.Null, err
		}
		return str(f.writeRoman(romanNumber(n)))
	case f.eeee:
		s, err := src.sci(f.post)
		if err != nil {
			return types.Null, err
		}
		return str(f.scientific(s))
	}
	n, err := src.plain(f.multi, &f.post)
	if err != nil {
		return types.Null, err
	}
	f.pre += f.multi
	w := newNumberWriter(f, n)
	for _, it := range f.items {
		if d := w.n.digits; strings.EqualFold(it.pattern, "TH") && d[0] != '#' && !n.negative && !f.decimal && !isDigit(d[len(d)-1]) {
			return types.Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "\"%s\" is not a number", d)
		}
	}
	return str(w.run())
}

// scientific finishes the text of EEEE, of which everything else in the template
// takes no part.
func (f *numberTemplate) scientific(s string) string {
	switch strings.TrimLeft(s, "-") {
	case "NaN", "Infinity":
		out := []byte(strings.Repeat("#", f.pre+f.post+6))
		out[0], out[f.pre+1] = ' ', '.'
		return string(out)
	}
	if s[0] != '-' {
		return " " + s
	}
	return s
}

// romanNumber is a number from 1 to 3999 in Roman letters.
func romanNumber(n int64) string {
	if n < 1 || n > 3999 {
		return strings.Repeat("#", 15)
	}
	var b strings.Builder
	for _, r := range []struct {
		value int64
		text  string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for ; n >= r.value; n -= r.value {
			b.WriteString(r.text)
		}
	}
	return b.String()
}

func (f *numberTemplate) writeRoman(s string) string {
	var b strings.Builder
	for _, it := range f.items {
		text := s
		switch it.pattern {
		case "rn":
			text = strings.ToLower(s)
			fallthrough
		case "RN":
			if !f.fm {
				b.WriteString(strings.Repeat(" ", max(0, 15-len(text))))
			}
			b.WriteString(text)
		case "":
			b.WriteString(it.text)
		case ",", "G":
			if !f.fm {
				b.WriteByte(' ')
			}
		case "L":
			b.WriteByte(' ')
		case "MI", "PL":
			if !f.fm {
				b.WriteByte(' ')
			}
		}
	}
	return b.String()
}

// numberWriter lays digits out by a template, place by place.
type numberWriter struct {
	f *numberTemplate
	n numberText

	blanks   int // places before the first digit
	count    int // the last place
	place    int
	at       int  // in digits
	last     int  // the last digit that FM keeps; -1 keeps all
	signDone bool // or no sign is wanted at the digits
	inNumber bool
	ended    bool
	bracket  bool
	sign     signPlace
	out      []byte
}

func newNumberWriter(f *numberTemplate, n numberText) *numberWriter {
	w := &numberWriter{f: f, n: n, last: -1, bracket: f.bracket, sign: f.sign}
	whole := strings.IndexByte(n.digits, '.')
	if whole < 0 {
		whole = len(n.digits)
	}
	switch {
	case whole < f.pre:
		w.blanks = f.pre - whole
	case whole > f.pre:
		w.n.digits = strings.Repeat("#", f.pre) + "." + strings.Repeat("#", f.post)
	}
	if f.plus || f.minus {
		w.signDone = !f.plus || f.minus
	} else {
		if !n.negative && f.fm {
			w.bracket = false
		}
		w.signDone = !n.negative && f.fm && f.sign == signNone
		if w.sign == signBefore && f.pre == f.beforeSign {
			w.sign = signBehind
		}
	}
	w.count = f.post + f.pre - 1
	if f.fm && f.decimal {
		w.last = w.relevant()
	}
	if !w.signDone && w.blanks == 0 {
		w.count++
	}
	return w
}

// relevant is the last digit that is not a zero behind the point which no 0 of the
// template asks for.
func (w *numberWriter) relevant() int {
	point := strings.IndexByte(w.n.digits, '.')
	if point < 0 {
		return -1
	}
	last := point
	for i := point + 1; i < len(w.n.digits); i++ {
		if w.n.digits[i] != '0' {
			last = i
		}
	}
	if w.f.zeroEnd > w.blanks {
		last = max(last, min(len(w.n.digits), w.f.zeroEnd-w.blanks))
	}
	return last
}

func (w *numberWriter) run() string {
	for _, it := range w.f.items {
		if w.ended {
			break
		}
		switch it.pattern {
		case "":
			w.out = append(w.out, it.text...)
		case "9", "0", ".", "D":
			w.digit(it.pattern == "0")
		case ",", "G":
			if w.inNumber {
				w.out = append(w.out, ',')
			} else if !w.f.fm {
				w.out = append(w.out, ' ')
			}
		case "L":
			w.out = append(w.out, ' ') // the currency symbol of the C locale
		case "TH", "th":
			if d := w.n.digits; d[0] != '#' && !w.n.negative && !w.f.decimal {
				w.out = append(w.out, ordinalOf(d, it.pattern)...)
			}
		case "MI":
			w.mark(w.n.negative, '-')
		case "PL":
			w.mark(!w.n.negative, '+')
		case "SG":
			w.out = append(w.out, w.signByte())
		}
	}
	return string(w.out)
}

// ordinalOf is the ending of the ordinal number with these digits.
func ordinalOf(digits, th string) string {
	n, err := strconv.ParseInt(digits[max(0, len(digits)-2):], 10, 64)
	if err != nil {
		n = 0
	}
	return ordinal(n, th)
}

func (w *numberWriter) signByte() byte {
	if w.n.negative {
		return '-'
	}
	return '+'
}

func (w *numberWriter) mark(write bool, c byte) {
	if write {
		w.out = append(w.out, c)
	} else if !w.f.fm {
		w.out = append(w.out, ' ')
	}
}

// hidesZero reports whether the next digit is the zero before a point that no 0 of
// the template asks for.
func (w *numberWriter) hidesZero() bool {
	return !w.f.zero && w.at == 0 && w.n.digits[0] == '0' && w.f.post != 0
}

// pointLast reports whether FM leaves nothing behind the point.
func (w *numberWriter) pointLast() bool {
	return w.last >= 0 && w.last < len(w.n.digits) && w.n.digits[w.last] == '.'
}

// digit fills the next place of the template.
func (w *numberWriter) digit(zero bool) {
	f := w.f
	w.inNumber = false
	if !w.signDone && (w.place >= w.blanks || f.zero && f.zeroStart == w.place) && (!w.hidesZero() || w.pointLast()) {
		w.signAtDigits()
	}
	switch {
	case w.place < w.blanks && (!f.zero || f.zeroStart > w.place):
		if !f.fm {
			w.out = append(w.out, ' ')
		}
	case w.place < w.blanks:
		w.out = append(w.out, '0')
		w.inNumber = true
	default:
		w.next(zero)
	}
	end := w.count
	if w.blanks > 0 {
		end++
	}
	if f.decimal {
		end++
	}
	if w.last >= 0 && w.last == w.at {
		end = w.place
	}
	if w.place+1 == end && !w.ended {
		if w.signDone && w.bracket {
			c := byte(' ')
			if w.n.negative {
				c = '>'
			}
			w.out = append(w.out, c)
		} else if w.sign == signBehind {
			w.out = append(w.out, w.signByte())
		}
	}
	w.place++
}

func (w *numberWriter) signAtDigits() {
	switch {
	case w.sign != signNone:
		if w.sign == signBefore {
			w.out = append(w.out, w.signByte())
			w.signDone = true
		}
		return
	case w.bracket:
		c := byte(' ')
		if w.n.negative {
			c = '<'
		}
		w.out = append(w.out, c)
	case w.n.negative:
		w.out = append(w.out, '-')
	case !w.f.fm:
		w.out = append(w.out, ' ')
	}
	w.signDone = true
}

// next writes the next digit, or the point.
func (w *numberWriter) next(zero bool) {
	if w.at >= len(w.n.digits) {
		// A number without so many digits, such as NaN: PostgreSQL's text ends here.
		w.ended = true
		return
	}
	switch c := w.n.digits[w.at]; {
	case c == '.':
		if !w.pointLast() || w.f.fm {
			w.out = append(w.out, '.')
		}
	case w.last >= 0 && w.at > w.last && !zero:
	case w.hidesZero():
		if !w.f.fm {
			w.out = append(w.out, ' ')
		} else if w.pointLast() {
			w.out = append(w.out, '0')
		}
	default:
		w.out = append(w.out, c)
		w.inNumber = true
	}
	w.at++
}

// numericSource is a numeric for to_char.
func numericSource(d datum) *numberSource {
	return &numberSource{
		plain: func(shift int, post *int) (numberText, error) {
			if shift > 0 {
				var err error
				if d, err = types.NumericMul(d, tenTo(shift)); err != nil {
					return numberText{}, err
				}
			}
			s := types.TextOf(types.NumericRound(d, *post), types.Numeric, nil)
			digits, negative := strings.CutPrefix(s, "-")
			return numberText{negative, digits}, nil
		},
		sci: func(post int) (string, error) { return numericSci(d, post), nil },
		roman: func() (int64, error) {
			i, err := numericToInt(types.NumericRound(d, 0), types.OIDInt4)
			if err != nil {
				return 0, err
			}
			return i.Int(), nil
		},
	}
}

func tenTo(n int) datum {
	d, err := types.ParseNumeric("1" + strings.Repeat("0", n))
	if err != nil {
		return types.NumericFromInt(1)
	}
	return d
}

// numericSci writes a numeric as 1.23e+04.
func numericSci(d datum, post int) string {
	if d.IsNaN() || types.NumericIsInf(d) {
		return types.TextOf(d, types.Numeric, nil)
	}
	text, neg := strings.CutPrefix(types.TextOf(d, types.Numeric, nil), "-")
	whole, frac, _ := strings.Cut(text, ".")
	all := whole + frac
	first := strings.IndexFunc(all, func(r rune) bool { return r != '0' })
	exp := 0
	if first >= 0 {
		exp = len(whole) - 1 - first
		digits := all[first:]
		// One digit, the point, post digits. Rounding may give one digit more in front,
		// which PostgreSQL leaves there.
		text = types.TextOf(types.NumericRound(mustNumeric(digits[:1]+"."+digits[1:]+"0"), post), types.Numeric, nil)
	} else {
		text = types.TextOf(types.NumericRound(mustNumeric("0.0"), post), types.Numeric, nil)
	}
	sign := "+"
	if exp < 0 {
		sign, exp = "-", -exp
	}
	e := strconv.Itoa(exp)
	if len(e) < 2 {
		e = "0" + e
	}
	if neg {
		text = "-" + text
	}
	return text + "e" + sign + e
}

func mustNumeric(s string) datum {
	d, err := types.ParseNumeric(s)
	if err != nil {
		return types.NumericFromInt(0)
	}
	return d
}

// intSource is an integer for to_char; t bounds its products with V.
func intSource(d datum, t types.Type) *numberSource {
	src := numericSource(types.NumericFromInt(d.Int()))
	inner := src.plain
	src.plain = func(shift int, post *int) (numberText, error) {
		if shift > 0 {
			p, err := types.NumericMul(types.NumericFromInt(d.Int()), tenTo(shift))
			if err == nil {
				_, err = numericToInt(p, t.OID)
			}
			if err != nil {
				return numberText{}, errOutOfRange(t)
			}
		}
		return inner(shift, post)
	}
	src.roman = func() (int64, error) { return d.Int(), nil }
	return src
}

// floatSource is a float for to_char; sure is how many digits of it mean something.
func floatSource(f float64, sure int) *numberSource {
	return &numberSource{
		plain: func(shift int, post *int) (numberText, error) {
			v := f
			if shift > 0 {
				v *= math.Pow10(shift)
			}
			switch {
			case math.IsNaN(v):
				return numberText{false, "NaN"}, nil
			case math.IsInf(v, 0):
				*post = max(0, min(*post, sure-len("Infinity")))
				return numberText{v < 0, "Infinity"}, nil
			}
			whole := len(strconv.FormatFloat(math.Abs(v), 'f', 0, 64))
			*post = max(0, min(*post, sure-whole))
			digits, negative := strings.CutPrefix(strconv.FormatFloat(v, 'f', *post, 64), "-")
			return numberText{negative, digits}, nil
		},
		sci: func(post int) (string, error) {
			switch {
			case math.IsNaN(f):
				return "NaN", nil
			case math.IsInf(f, 0):
				return "Infinity", nil
			}
			return strconv.FormatFloat(f, 'e', post, 64), nil
		},
		roman: func() (int64, error) {
			r := math.RoundToEven(f)
			if !(r >= 1 && r <= 3999) {
				return 0, nil // as any number without Roman letters
			}
			return int64(r), nil
		},
	}
}

// toNumber reads a number by a template.
func toNumber(text, template string) (datum, error) {
	if template == "" {
		return types.Null, nil
	}
	f, err := parseNumberTemplate(template)
	if err != nil {
		return types.Null, err
	}
	for _, x := range []struct {
		is   bool
		name string
	}{{f.eeee, "EEEE"}, {f.roman, "RN"}} {
		if x.is {
			return types.Null, sqlerr.New(sqlerr.FeatureNotSupported, "\"%s\" not supported for input", x.name)
		}
	}
	r := &numberReader{f: f, s: text, sign: ' '}
	r.run()
	d, err := types.DecodeText(string(r.sign)+strings.TrimSuffix(string(r.digits), "."), types.Numeric, nil)
	if err != nil {
		return types.Null, err
	}
	mod, err := types.MakeTypmod(types.OIDNumeric, []int64{int64(f.pre + f.multi + r.decimals), int64(r.decimals)})
	if err != nil {
		return types.Null, err
	}
	t := types.Numeric
	t.Typmod = mod
	if d, err = types.ApplyTypmod(d, t, false); err != nil || f.multi == 0 {
		return d, err
	}
	part, err := types.NumericPower(types.NumericFromInt(10), types.NumericFromInt(int64(-f.multi)))
	if err != nil {
		return types.Null, err
	}
	return types.NumericMul(d, part)
}
