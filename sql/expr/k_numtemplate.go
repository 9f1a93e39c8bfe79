package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// numberTemplate is a template of to_char and to_number (PostgreSQL, "Template
// Patterns for Numeric Formatting").
type numberTemplate struct {
	items []numberPart

	pre, post, multi int // digits before and behind the point, and behind V
	// zeroStart is the place of the first 0, zeroEnd the one behind the last.
	zeroStart, zeroEnd int
	beforeSign         int // digits before S
	sign               signPlace
	zero, decimal      bool
	shift              bool // V
	fm, bracket, blank bool
	plus, minus        bool
	roman, eeee        bool
}

// signPlace is where S puts the sign.
type signPlace uint8

const (
	signNone signPlace = iota
	signBefore
	signBehind
)

// numberPart is a pattern, or text that stands for itself.
type numberPart struct{ pattern, text string }

// numberPatterns are written in upper case; RN and TH keep theirs.
var numberPatterns = []string{"EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", ",", ".", "0", "9", "B", "C", "D", "G", "L", "S", "V"}

func numberPattern(s string) (string, int) {
	for _, p := range numberPatterns {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			if (p == "RN" || p == "TH") && s[0] >= 'a' {
				p = strings.ToLower(p)
			}
			// Of RN and TH there are two spellings, not four.
			if (p == "RN" || p == "TH") && s[:2] != p || (p == "rn" || p == "th") && s[:2] != p {
				continue
			}
			return p, len(p)
		}
	}
	return "", 0
}

func parseNumberTemplate(s string) (*numberTemplate, error) {
	f := &numberTemplate{}
	quoted := false
	for s != "" {
		if !quoted {
			if p, n := numberPattern(s); n > 0 {
				if err := f.add(p); err != nil {
					return nil, err
				}
				f.items = append(f.items, numberPart{pattern: p})
				s = s[n:]
				continue
			}
		}
		switch {
		case s[0] == '"':
			quoted = !quoted
			s = s[1:]
			continue
		case s[0] == '\\' && len(s) > 1 && (quoted || s[1] == '"'):
			s = s[1:]
		}
		_, n := utf8.DecodeRuneInString(s)
		f.items = append(f.items, numberPart{text: s[:n]})
		s = s[n:]
	}
	if f.zeroStart > 0 {
		f.zeroStart--
	}
	return f, nil
}

// add notes what a pattern means for the whole.
func (f *numberTemplate) add(p string) error {
	bad := func(text string) error { return sqlerr.New(sqlerr.SyntaxError, "%s", text) }
	if f.eeee && p != "EEEE" {
		return bad(`"EEEE" must be the last pattern used`)
	}
	switch p {
	case "9", "0":
		return f.addDigit(p)
	case "B":
		f.blank = f.blank || f.pre == 0 && f.post == 0 && !f.zero
	case "D", ".":
		switch {
		case f.decimal:
			return bad("multiple decimal points")
		case f.shift:
			return bad(`cannot use "V" and decimal point together`)
		}
		f.decimal = true
	case "FM":
		f.fm = true
	case "S":
		switch {
		case f.sign != signNone:
			return bad(`cannot use "S" twice`)
		case f.plus || f.minus || f.bracket:
			return bad(`cannot use "S" and "PL"/"MI"/"SG"/"PR" together`)
		case f.decimal:
			f.sign = signBehind
		default:
			f.sign, f.beforeSign = signBefore, f.pre
		}
	case "MI", "PL", "SG":
		if f.sign != signNone {
			return bad(`cannot use "S" and "` + p + `" together`)
		}
		f.minus = f.minus || p != "PL"
		f.plus = f.plus || p != "MI"
	case "PR":
		if f.sign != signNone || f.plus || f.minus {
			return bad(`cannot use "PR" and "S"/"PL"/"MI"/"SG" together`)
		}
		f.bracket = true
	case "RN", "rn":
		f.roman = true
	case "V":
		if f.decimal {
			return bad(`cannot use "V" and decimal point together`)
		}
		f.shift = true
	case "EEEE":
		if f.eeee {
			return bad(`cannot use "EEEE" twice`)
		}
		if f.blank || f.fm || f.sign != signNone || f.bracket || f.minus || f.plus || f.roman || f.shift {
			return sqlerr.New(sqlerr.SyntaxError, `"EEEE" is incompatible with other formats`).
				WithDetail(`"EEEE" may only be used together with digit and decimal point patterns.`)
		}
		f.eeee = true
	}
	return nil
}

func (f *numberTemplate) addDigit(p string) error {
	if f.bracket {
		return sqlerr.New(sqlerr.SyntaxError, "\"%s\" must be ahead of \"PR\"", p)
	}
	if p == "0" && !f.zero && !f.decimal {
		f.zero, f.zeroStart = true, f.pre+1
	}
	switch {
	case p == "9" && f.shift:
		f.multi++
		return nil
	case f.decimal:
		f.post++
	default:
		f.pre++
	}
	if p == "0" {
		f.zeroEnd = f.pre + f.post
	}
	return nil
}

// numberReader reads a number by a template.
type numberReader struct {
	f  *numberTemplate
	s  string
	at int

	sign            byte // ' ' while there was none
	digits          []byte
	whole, decimals int // digits read
	point           bool
}

func (r *numberReader) end() bool { return r.at >= len(r.s) }

func (r *numberReader) run() {
	for _, it := range r.f.items {
		if r.end() {
			return
		}
		switch it.pattern {
		case "":
			// Text of the template passes over one character, whatever it is.
			_, n := utf8.DecodeRuneInString(r.s[r.at:])
			r.at += n
		case "9", "0", ".", "D":
			r.place(it.pattern)
			r.at++
		case ",", "G":
			if !r.f.fm && r.s[r.at] == ',' {
				r.at++
			}
		case "L", "MI", "PL", "SG":
			r.pass(1)
		case "TH", "th":
			if r.sign != '-' && !r.f.decimal {
				r.pass(2)
			}
		}
	}
}

// pass goes over up to n characters that are no part of a number.
func (r *numberReader) pass(n int) {
	for ; n > 0 && !r.end() && strings.IndexByte("0123456789.,+-", r.s[r.at]) < 0; n-- {
		_, w := utf8.DecodeRuneInString(r.s[r.at:])
		r.at += w
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// place reads what belongs to a digit or the point, and leaves at on its last byte.
func (r *numberReader) place(p string) {
	if r.s[r.at] == ' ' {
		r.at++
	}
	if r.end() {
		return
	}
	none := r.whole+r.decimals == 0
	if r.sign == ' ' && none && (p == "0" || p == "9") {
		r.signBefore()
	}
	if r.end() {
		return
	}
	read := false
	switch c := r.s[r.at]; {
	case isDigit(c):
		if r.point && r.decimals == r.f.post {
			return
		}
		r.digits = append(r.digits, c)
		if r.point {
			r.decimals++
		} else {
			r.whole++
		}
		read = true
	case r.f.decimal && !r.point && c == '.':
		r.digits = append(r.digits, '.')
		r.point, read = true, true
	}
	if r.sign == ' ' && r.whole+r.decimals > 0 {
		r.signBehind(read)
	}
}

func (r *numberReader) signBefore() {
	c := r.s[r.at]
	switch {
	case c == '-', c == '+':
		r.sign = c
	case c == '<' && r.f.bracket && r.f.sign == signNone:
		r.sign = '-'
	default:
		return
	}
	r.at++
}

// signBehind looks for a sign after the last digit.
func (r *numberReader) signBehind(read bool) {
	if r.f.sign != signNone {
		if next := r.at + 1; read && next < len(r.s) && (r.s[next] == '-' || r.s[next] == '+') {
			r.sign = r.s[next]
			r.at = next
		}
		return
	}
	if c := r.s[r.at]; !read && (r.f.plus || r.f.minus) && (c == '-' || c == '+') {
		r.sign = c
	}
}
