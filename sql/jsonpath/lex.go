package jsonpath

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokString
	tokNumber
	tokVariable
	tokWord // a key without quotes, or a keyword
	tokOp
)

type token struct {
	kind       tokenKind
	text       string
	begin, end int
}

type lexer struct {
	text string
	at   int
}

// special are the characters that end a word.
const special = "?%$.[]{}()|&!=<>@#,*:-+/"

func (l *lexer) unexpected(t token) error {
	end := t.kind == tokEnd
	if t.kind == tokString {
		t.begin = t.end - 1
	}
	if t.kind == tokWord {
		// PostgreSQL's scanner is behind a word when it knows that it is one.
		t.begin, t.end = t.end, t.end+1
		end = t.begin >= len(l.text) || !blank(l.text[t.begin])
	}
	if end {
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at end of jsonpath input")
	}
	return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"%s\" of jsonpath input", l.text[t.begin:t.end])
}

func (l *lexer) fail(what string, from int) error {
	if from >= len(l.text) {
		return sqlerr.New(sqlerr.SyntaxError, "%s at end of jsonpath input", what)
	}
	return sqlerr.New(sqlerr.SyntaxError, "%s at or near \"%s\" of jsonpath input", what, l.text[from:min(l.at, len(l.text))])
}

func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (l *lexer) next() (token, error) {
	s := l.text
	for l.at < len(s) {
		if blank(s[l.at]) {
			l.at++
			continue
		}
		if !strings.HasPrefix(s[l.at:], "/*") {
			break
		}
		end := strings.Index(s[l.at+2:], "*/")
		if end < 0 {
			l.at = len(s)
			return token{}, sqlerr.New(sqlerr.SyntaxError, "unexpected end of comment at end of jsonpath input")
		}
		l.at += end + 4
	}
	from := l.at
	if from >= len(s) {
		return token{kind: tokEnd, begin: from, end: from}, nil
	}
	make := func(k tokenKind, text string) (token, error) {
		return token{kind: k, text: text, begin: from, end: l.at}, nil
	}
	c := s[from]
	switch {
	case c == '"':
		text, err := l.quoted()
		if err != nil {
			return token{}, err
		}
		return make(tokString, text)
	case c == '$':
		l.at++
		if l.at < len(s) && s[l.at] == '"' {
			text, err := l.quoted()
			if err != nil {
				return token{}, err
			}
			return make(tokVariable, text)
		}
		if l.at < len(s) && !blank(s[l.at]) && strings.IndexByte(special+"\"", s[l.at]) < 0 {
			text, err := l.word()
			if err != nil {
				return token{}, err
			}
			return make(tokVariable, text)
		}
		return make(tokOp, "$")
	case digit(c) || c == '.' && from+1 < len(s) && digit(s[from+1]):
		if n := l.wordLength(); n > 0 && l.numberLength()+1 < n {
			break // a word that begins with digits
		}
		text, err := l.number()
		if err != nil {
			return token{}, err
		}
		return make(tokNumber, text)
	}
	for _, op := range []string{"&&", "||", "==", "!=", "<>", "<=", ">=", "**"} {
		if strings.HasPrefix(s[from:], op) {
			l.at += 2
			return make(tokOp, op)
		}
	}
	if strings.IndexByte(special, c) >= 0 {
		l.at++
		if c == '=' {
			return make(tokOp, "==")
		}
		return make(tokOp, string(c))
	}
	text, err := l.word()
	if err != nil {
		return token{}, err
	}
	return make(tokWord, text)
}

// wordLength is how far the characters of a word go.
func (l *lexer) wordLength() int {
	n := 0
	for s := l.text[l.at:]; n < len(s) && !blank(s[n]) && strings.IndexByte(special+"\"\\", s[n]) < 0; n++ {
	}
	return n
}

// numberLength is how far a number goes, its junk apart.
func (l *lexer) numberLength() int {
	at := l.at
	l.number()
	n := l.at - at
	l.at = at
	for n > 0 && !digit(l.text[at+n-1]) && l.text[at+n-1] != '.' {
		n--
	}
	return n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number reads 12, 1.5, .5, 1., 1e5.
func (l *lexer) number() (string, error) {
	s, from := l.text, l.at
	digits := func() int {
		n := l.at
		for l.at < len(s) && digit(s[l.at]) {
			l.at++
		}
		return l.at - n
	}
	whole := digits()
	if whole > 1 && s[from] == '0' {
		// A leading zero is followed by junk.
		l.at = from + 2
		return "", l.fail("trailing junk after numeric literal", from)
	}
	if l.at < len(s) && s[l.at] == '.' {
		// (1).type() is written 1..type() without parentheses.
		l.at++
		digits()
	}
	if l.at < len(s) && s[l.at]|0x20 == 'e' {
		mark := l.at
		l.at++
		if l.at < len(s) && (s[l.at] == '+' || s[l.at] == '-') {
			l.at++
		}
		if digits() == 0 {
			what := "invalid numeric literal"
			if l.at == mark+1 {
				what = "trailing junk after numeric literal"
			}
			return "", l.fail(what, from)
		}
	}
	if l.at < len(s) && !blank(s[l.at]) && strings.IndexByte(special+"\"\\", s[l.at]) < 0 {
		_, n := utf8.DecodeRuneInString(s[l.at:])
		l.at += n
		return "", l.fail("trailing junk after numeric literal", from)
	}
	return plainNumber(s[from:l.at]), nil
}

// plainNumber writes a number as type numeric prints it: without exponent.
func plainNumber(s string) string {
	mantissa, exp, has := strings.Cut(strings.ToLower(s), "e")
	whole, frac, _ := strings.Cut(mantissa, ".")
	if has {
		e, err := strconv.Atoi(exp)
		if err != nil || e > 1000 || e < -1000 {
			return s
		}
		switch {
		case e >= len(frac):
			whole, frac = whole+frac+strings.Repeat("0", e-len(frac)), ""
		case e >= 0:
			whole, frac = whole+frac[:e], frac[e:]
		default:
			if pad := -e - len(whole); pad > 0 {
				whole = strings.Repeat("0", pad) + whole
			}
			cut := len(whole) + e
			whole, frac = whole[:cut], whole[cut:]+frac
		}
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// word reads a name without quotes, which may have escapes.
func (l *lexer) word() (string, error) {
	s, from := l.text, l.at
	var buf []byte
	for l.at < len(s) {
		c := s[l.at]
		if blank(c) || c == '"' || strings.IndexByte(special, c) >= 0 {
			break
		}
		if c != '\\' {
			buf = append(buf, c)
			l.at++
			continue
		}
		var err error
		if buf, err = l.escape(buf, from); err != nil {
			return "", err
		}
	}
	return string(buf), nil
}

// quoted reads a string. Requires: at is at the opening quote.
func (l *lexer) quoted() (string, error) {
	s, from := l.text, l.at
	l.at++
	var buf []byte
	for {
		if l.at >= len(s) {
			return "", sqlerr.New(sqlerr.SyntaxError, "unexpected end of quoted string at end of jsonpath input")
		}
		switch c := s[l.at]; c {
		case '"':
			l.at++
			return string(buf), nil
		case '\\':
			var err error
			if buf, err = l.escape(buf, from); err != nil {
				return "", err
			}
		default:
			buf = append(buf, c)
			l.at++
		}
	}
}

// escape reads one escape, a pair of surrogates as one.
func (l *lexer) escape(buf []byte, from int) ([]byte, error) {
	s := l.text
	l.at++
	if l.at >= len(s) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "unexpected end after backslash at or near \"\\\" of jsonpath input")
	}
	c := s[l.at]
	if at := strings.IndexByte("bfnrtv", c); at >= 0 {
		l.at++
		return append(buf, "\b\f\n\r\t\v"[at]), nil
	}
	if c != 'u' && c != 'x' {
		_, n := utf8.DecodeRuneInString(s[l.at:])
		buf = append(buf, s[l.at:l.at+n]...)
		l.at += n
		return buf, nil
	}
	r, err := l.code()
	if err != nil {
		return nil, err
	}
	if r >= 0xD800 && r < 0xDC00 {
		if !strings.HasPrefix(s[l.at:], "\\u") {
			return nil, errSurrogate("Unicode low surrogate must follow a high surrogate.")
		}
		l.at++
		low, err := l.code()
		if err != nil {
			return nil, err
		}
		switch {
		case low >= 0xD800 && low < 0xDC00:
			return nil, errSurrogate("Unicode high surrogate must not follow a high surrogate.")
		case low < 0xDC00 || low >= 0xE000:
			return nil, errSurrogate("Unicode low surrogate must follow a high surrogate.")
		}
		r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
	} else if r >= 0xDC00 && r < 0xE000 {
		return nil, errSurrogate("Unicode low surrogate must follow a high surrogate.")
	}
	if r == 0 {
		return nil, sqlerr.New(sqlerr.UntranslatableCharacter, "unsupported Unicode escape sequence").
			WithDetail("\\u0000 cannot be converted to text.")
	}
	if r > utf8.MaxRune {
		return nil, sqlerr.New(sqlerr.SyntaxError, "invalid Unicode escape sequence at or near \"%s\" of jsonpath input", s[from:l.at])
	}
	return utf8.AppendRune(buf, r), nil
}

func errSurrogate(detail string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type jsonpath").WithDetail("%s", detail)
}

// code reads uXXXX, u{X…} or xXX. Requires: at is at the u or x.
func (l *lexer) code() (rune, error) {
	s, from := l.text, l.at-1
	what, width := "invalid unicode sequence", 4
	if s[l.at] == 'x' {
		what, width = "invalid hex character sequence", 2
	}
	l.at++
	braces := width == 4 && l.at < len(s) && s[l.at] == '{'
	if braces {
		l.at++
		width = 6
	}
	var r rune
	n := 0
	for n < width && l.at < len(s) {
		v, err := strconv.ParseUint(s[l.at:l.at+1], 16, 8)
		if err != nil {
			break
		}
		r = r<<4 | rune(v)
		l.at++
		n++
	}
	if braces {
		if n == 0 || l.at >= len(s) || s[l.at] != '}' {
			return 0, l.fail(what, from)
		}
		l.at++
	} else if n < width {
		return 0, l.fail(what, from)
	}
	return r, nil
}
