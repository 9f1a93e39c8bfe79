package parse

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// escapedBody reads an E” string's body with its backslash escapes (PostgreSQL manual, 4.1.2.2).
func (l *lexer) escapedBody(start, open int) (string, error) {
	src := l.src
	var b strings.Builder
	var high rune // first half of a surrogate pair
	for i := open + 1; i < len(src); {
		c := src[i]
		if high != 0 && !(c == '\\' && i+1 < len(src) && (src[i+1] == 'u' || src[i+1] == 'U')) {
			return "", l.errorAt(sqlerr.SyntaxError, i, "invalid Unicode surrogate pair")
		}
		switch {
		case c == '\'':
			if i+1 < len(src) && src[i+1] == '\'' {
				b.WriteByte('\'')
				i += 2
				continue
			}
			l.pos = i + 1
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
			i++
		case i+1 >= len(src):
			i++
		default:
			n, err := l.escape(i, &b, &high)
			if err != nil {
				return "", err
			}
			i += n
		}
	}
	return "", l.errorNear("unterminated quoted string", start, len(src))
}

// escape decodes the escape whose backslash is at i and returns its length.
func (l *lexer) escape(i int, b *strings.Builder, high *rune) (int, error) {
	src := l.src
	c := src[i+1]
	switch c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v, n := digits(src[i+1:], 3, 8)
		return 1 + n, l.writeByte(i, b, byte(v))
	case 'x':
		v, n := digits(src[i+2:], 2, 16)
		if n == 0 {
			b.WriteByte('x')
			return 2, nil
		}
		return 2 + n, l.writeByte(i, b, byte(v))
	case 'u', 'U':
		want := 4
		if c == 'U' {
			want = 8
		}
		v, n := digits(src[i+2:], want, 16)
		if n != want {
			return 0, l.errorAt(sqlerr.InvalidEscapeSequence, i, "invalid Unicode escape").
				WithHint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
		}
		return 2 + n, l.codePoint(i, v, b, high)
	default:
		_, n := utf8.DecodeRuneInString(src[i+1:])
		b.WriteString(src[i+1 : i+1+n])
		return 1 + n, nil
	}
	return 2, nil
}

func (l *lexer) writeByte(at int, b *strings.Builder, c byte) error {
	if c == 0 {
		return l.errorAt(sqlerr.CharacterNotInRepertoire, at, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	b.WriteByte(c)
	return nil
}

// codePoint writes a Unicode escape's character, joining surrogate pairs.
func (l *lexer) codePoint(at int, v uint32, b *strings.Builder, high *rune) error {
	r := rune(v)
	switch {
	case v == 0 || v > utf8.MaxRune:
		return l.errorAt(sqlerr.SyntaxError, at, "invalid Unicode escape value")
	case *high != 0:
		if r < 0xDC00 || r > 0xDFFF {
			return l.errorAt(sqlerr.SyntaxError, at, "invalid Unicode surrogate pair")
		}
		b.WriteRune((*high-0xD800)<<10 + (r - 0xDC00) + 0x10000)
		*high = 0
	case 0xD800 <= r && r <= 0xDBFF:
		*high = r
	case 0xDC00 <= r && r <= 0xDFFF:
		return l.errorAt(sqlerr.SyntaxError, at, "invalid Unicode surrogate pair")
	default:
		b.WriteRune(r)
	}
	return nil
}

// digits reads at most limit digits of a base and returns their value and number.
func digits(s string, limit int, base uint32) (v uint32, n int) {
	for n < limit && n < len(s) {
		d := uint32(99)
		switch c := s[n]; {
		case isDigit(c):
			d = uint32(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			d = uint32(c|0x20-'a') + 10
		}
		if d >= base {
			break
		}
		v = v*base + d
		n++
	}
	return v, n
}

// unicodeLiteral reads U&'…' and U&"…" with an optional UESCAPE.
func (l *lexer) unicodeLiteral(start int) error {
	quote := l.src[start+2]
	what := "unterminated quoted string"
	if quote == '"' {
		what = "unterminated quoted identifier"
	}
	raw, err := l.quotedBody(start, start+2, quote, what)
	if err != nil {
		return err
	}
	for quote == '\'' && l.continuation() {
		more, err := l.quotedBody(start, l.pos, quote, what)
		if err != nil {
			return err
		}
		raw += more
	}
	end := l.pos
	escape, err := l.uescape()
	if err != nil {
		return err
	}
	if escape == 0 {
		escape, l.pos = '\\', end
	}
	text, err := l.decodeUnicode(start, raw, escape)
	if err != nil {
		return err
	}
	if quote == '"' {
		return l.addQuoted(start, text)
	}
	l.add(tString, start, text)
	return nil
}

// uescape reads UESCAPE 'c' if it follows; zero when it does not.
func (l *lexer) uescape() (byte, error) {
	if err := l.skipSpace(); err != nil {
		return 0, err
	}
	if len(l.src)-l.pos < 7 || !strings.EqualFold(l.src[l.pos:l.pos+7], "uescape") ||
		l.pos+7 < len(l.src) && isIdentPart(l.src[l.pos+7]) {
		return 0, nil
	}
	at := l.pos
	l.pos += 7
	if err := l.skipSpace(); err != nil {
		return 0, err
	}
	if l.pos >= len(l.src) || l.src[l.pos] != '\'' {
		return 0, l.errorNear("UESCAPE must be followed by a simple string literal", at, at+7)
	}
	open := l.pos
	body, err := l.quotedBody(open, open, '\'', "unterminated quoted string")
	if err != nil {
		return 0, err
	}
	if len(body) != 1 || isSpace(body[0]) || strings.ContainsAny(body, "0123456789abcdefABCDEF+'\"") {
		return 0, l.errorNear("invalid Unicode escape character", open, l.pos)
	}
	return body[0], nil
}

func (l *lexer) decodeUnicode(start int, raw string, escape byte) (string, error) {
	var b strings.Builder
	var high rune
	for i := 0; i < len(raw); {
		if raw[i] != escape || i+1 < len(raw) && raw[i+1] == escape {
			if high != 0 {
				return "", l.errorAt(sqlerr.SyntaxError, start, "invalid Unicode surrogate pair")
			}
			if raw[i] == escape {
				i++
			}
			b.WriteByte(raw[i])
			i++
			continue
		}
		skip, want := 1, 4
		if i+1 < len(raw) && raw[i+1] == '+' {
			skip, want = 2, 6
		}
		v, n := uint32(0), 0
		if i+skip <= len(raw) {
			v, n = digits(raw[i+skip:], want, 16)
		}
		if n != want {
			return "", l.errorAt(sqlerr.SyntaxError, start, "invalid Unicode escape").
				WithHint("Unicode escapes must be \\XXXX or \\+XXXXXX.")
		}
		if err := l.codePoint(start, v, &b, &high); err != nil {
			return "", err
		}
		i += skip + n
	}
	if high != 0 {
		return "", l.errorAt(sqlerr.SyntaxError, start, "invalid Unicode surrogate pair")
	}
	return b.String(), nil
}

// badBytes shows the first invalid sequence of s as PostgreSQL does.
func badBytes(s string) string {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			end := min(i+1, len(s))
			// PostgreSQL shows as many bytes as the first one announces.
			switch c := s[i]; {
			case c&0xe0 == 0xc0:
				end = min(i+2, len(s))
			case c&0xf0 == 0xe0:
				end = min(i+3, len(s))
			case c&0xf8 == 0xf0:
				end = min(i+4, len(s))
			}
			parts := make([]string, 0, 4)
			for _, c := range []byte(s[i:end]) {
				parts = append(parts, fmt.Sprintf("0x%02x", c))
			}
			return strings.Join(parts, " ")
		}
		i += n
	}
	return ""
}
