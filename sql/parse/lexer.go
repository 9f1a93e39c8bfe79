package parse

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// kind of a token. Characters that are tokens by themselves ( ) [ ] , ; : . + - * / % ^ < > = have their own code.
type kind uint8

const (
	tEOF kind = iota + 128
	tIdent
	tKeyword
	tInt
	tDecimal
	tString
	tBit      // text begins with b or x
	tParam    // num
	tOp       // any operator without a kind of its own
	tTypecast // ::
	tDotDot
	tColonEq
	tArrow // =>
	tLE
	tGE
	tNE
)

// token is one lexical element. Comments and white space are gone; start and end are byte offsets into the source.
type token struct {
	kind   kind
	quoted bool // an identifier written in double quotes: never a key word
	kw     keyword
	start  int32
	end    int32
	// match is the index of the closing partner of ( and [, or of the token that ends the statement when there is none.
	match int32
	num   int32  // of tParam
	text  string // folded identifier, decoded string, number or operator
}

const (
	// identBytesMax is NAMEDATALEN-1.
	identBytesMax = 63
	// operatorBytesMax is NAMEDATALEN-1, too.
	operatorBytesMax = 63
	// paramMax is what the protocol can carry: Bind counts parameters in 16 bits.
	paramMax = 65535
)

// lexer cuts PostgreSQL text into tokens by the rules of PostgreSQL's scan.l, with standard_conforming_strings on.
type lexer struct {
	src     string
	pos     int
	toks    []token
	open    []int32 // indexes of brackets not closed yet
	notices []*sqlerr.Notice
}

// run tokenises the whole source, ending with a tEOF token.
func (l *lexer) run() error {
	for {
		if err := l.skipSpace(); err != nil {
			return err
		}
		if l.pos >= len(l.src) {
			l.closeOpen()
			l.toks = append(l.toks, token{kind: tEOF, start: int32(l.pos), end: int32(l.pos)})
			return nil
		}
		if err := l.next(); err != nil {
			return err
		}
	}
}

// closeOpen points brackets that were never closed at the token that comes next, a semicolon or the end.
func (l *lexer) closeOpen() {
	for _, i := range l.open {
		l.toks[i].match = int32(len(l.toks))
	}
	l.open = l.open[:0]
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v'
}
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isIdentStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}
func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }
func isOperator(c byte) bool  { return strings.IndexByte("~!@#^&|`?+-*/%<>=", c) >= 0 }

// skipSpace passes white space and comments; /* */ nests.
func (l *lexer) skipSpace() error {
	src := l.src
	for l.pos < len(src) {
		c := src[l.pos]
		switch {
		case isSpace(c):
			l.pos++
		case c == '-' && strings.HasPrefix(src[l.pos:], "--"):
			for l.pos < len(src) && src[l.pos] != '\n' && src[l.pos] != '\r' {
				l.pos++
			}
		case c == '/' && strings.HasPrefix(src[l.pos:], "/*"):
			if err := l.blockComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) blockComment() error {
	start, depth := l.pos, 0
	for l.pos < len(l.src) {
		switch rest := l.src[l.pos:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return l.errorNear("unterminated /* comment", start, len(l.src))
}

func (l *lexer) add(k kind, start int, text string) {
	l.toks = append(l.toks, token{kind: k, start: int32(start), end: int32(l.pos), text: text})
}

// next reads one token. Requires: l.pos is at its first byte.
func (l *lexer) next() error {
	start := l.pos
	c := l.src[start]
	follows := byte(0)
	if start+1 < len(l.src) {
		follows = l.src[start+1]
	}
	switch {
	case c == '\'':
		return l.stringLiteral(start, start, false)
	case (c == 'e' || c == 'E') && follows == '\'':
		return l.stringLiteral(start, start+1, true)
	case (c == 'n' || c == 'N') && follows == '\'':
		return l.stringLiteral(start, start+1, false)
	case (c == 'b' || c == 'B' || c == 'x' || c == 'X') && follows == '\'':
		return l.bitString(start)
	case (c == 'u' || c == 'U') && follows == '&' && start+2 < len(l.src) && (l.src[start+2] == '\'' || l.src[start+2] == '"'):
		return l.unicodeLiteral(start)
	case isIdentStart(c):
		l.word()
		return nil
	case c == '"':
		return l.quotedIdent(start)
	case isDigit(c) || c == '.' && isDigit(follows):
		return l.number(start)
	case c == '$':
		if isDigit(follows) {
			return l.param(start)
		}
		return l.dollarString(start)
	case c == ':' && follows == ':':
		l.pos += 2
		l.add(tTypecast, start, "::")
		return nil
	case c == ':' && follows == '=':
		l.pos += 2
		l.add(tColonEq, start, ":=")
		return nil
	case c == '.' && follows == '.':
		l.pos += 2
		l.add(tDotDot, start, "..")
		return nil
	case strings.IndexByte("()[],;:.", c) >= 0:
		l.pos++
		l.bracket(c)
		l.add(kind(c), start, l.src[start:l.pos])
		return nil
	case isOperator(c):
		return l.operator(start)
	}
	_, n := utf8.DecodeRuneInString(l.src[start:])
	return l.errorNear("syntax error", start, start+n)
}

// bracket keeps the table of partners. Called before the bracket itself is added.
func (l *lexer) bracket(c byte) {
	here := int32(len(l.toks))
	switch c {
	case '(', '[':
		l.open = append(l.open, here)
	case ')', ']':
		if n := len(l.open); n > 0 {
			l.toks[l.open[n-1]].match = here
			l.open = l.open[:n-1]
		}
	case ';':
		l.closeOpen()
	}
}

// word reads an unquoted identifier or key word.
func (l *lexer) word() {
	start := l.pos
	upper := false
	for l.pos < len(l.src) && isIdentPart(l.src[l.pos]) {
		if c := l.src[l.pos]; 'A' <= c && c <= 'Z' {
			upper = true
		}
		l.pos++
	}
	text := l.src[start:l.pos]
	if upper {
		text = foldASCII(text)
	}
	if kw := lookupKeyword(text); kw != notKeyword {
		l.toks = append(l.toks, token{kind: tKeyword, kw: kw, start: int32(start), end: int32(l.pos), text: text})
		return
	}
	l.add(tIdent, start, l.truncated(text, start))
}

// foldASCII lowers ASCII letters only, as PostgreSQL does in a UTF-8 database.
func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// truncated cuts an identifier to what PostgreSQL keeps of it, with PostgreSQL's notice.
func (l *lexer) truncated(text string, start int) string {
	if len(text) <= identBytesMax {
		return text
	}
	n := identBytesMax
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	notice := sqlerr.NewNotice("identifier \"%s\" will be truncated to \"%s\"", text, text[:n])
	notice.Code = sqlerr.NameTooLong
	notice.Position = ast.PosAt(start).Char(l.src)
	if len(l.notices) < noticesMax {
		l.notices = append(l.notices, notice)
	}
	return text[:n]
}

// noticesMax bounds the notices of one text.
const noticesMax = 100

func (l *lexer) quotedIdent(start int) error {
	text, err := l.quotedBody(start, start, '"', "unterminated quoted identifier")
	if err != nil {
		return err
	}
	return l.addQuoted(start, text)
}

func (l *lexer) addQuoted(start int, text string) error {
	if text == "" {
		return l.errorNear("zero-length delimited identifier", start, l.pos)
	}
	l.add(tIdent, start, l.truncated(text, start))
	l.toks[len(l.toks)-1].quoted = true
	return nil
}

// quotedBody reads from the quote at open to its partner, a doubled quote standing for one.
func (l *lexer) quotedBody(start, open int, quote byte, unterminated string) (string, error) {
	src := l.src
	i := open + 1
	end := strings.IndexByte(src[i:], quote)
	if end < 0 {
		return "", l.errorNear(unterminated, start, len(src))
	}
	end += i
	if end+1 >= len(src) || src[end+1] != quote {
		l.pos = end + 1
		return src[i:end], nil
	}
	var b strings.Builder
	for {
		b.WriteString(src[i:end])
		if end+1 >= len(src) || src[end+1] != quote {
			l.pos = end + 1
			return b.String(), nil
		}
		b.WriteByte(quote)
		i = end + 2
		n := strings.IndexByte(src[i:], quote)
		if n < 0 {
			return "", l.errorNear(unterminated, start, len(src))
		}
		end = i + n
	}
}

// continuation moves to the next part of a literal that goes on after a newline, and reports whether there is one.
func (l *lexer) continuation() bool {
	i, newline := l.pos, false
	for i < len(l.src) {
		switch c := l.src[i]; {
		case isSpace(c):
			newline = newline || c == '\n' || c == '\r'
			i++
		case newline && strings.HasPrefix(l.src[i:], "--"):
			for i < len(l.src) && l.src[i] != '\n' && l.src[i] != '\r' {
				i++
			}
		case c == '\'' && newline:
			l.pos = i
			return true
		default:
			return false
		}
	}
	return false
}

func (l *lexer) stringLiteral(start, open int, escapes bool) error {
	text, err := l.stringPart(start, open, escapes)
	if err != nil {
		return err
	}
	for l.continuation() {
		more, err := l.stringPart(start, l.pos, escapes)
		if err != nil {
			return err
		}
		text += more
	}
	if escapes && !utf8.ValidString(text) {
		return l.errorAt(sqlerr.CharacterNotInRepertoire, start, "invalid byte sequence for encoding \"UTF8\": %s", badBytes(text))
	}
	l.add(tString, start, text)
	return nil
}

func (l *lexer) stringPart(start, open int, escapes bool) (string, error) {
	if !escapes {
		return l.quotedBody(start, open, '\'', "unterminated quoted string")
	}
	return l.escapedBody(start, open)
}

func (l *lexer) bitString(start int) error {
	prefix := l.src[start] | 0x20
	what := "unterminated bit string literal"
	if prefix == 'x' {
		what = "unterminated hexadecimal string literal"
	}
	text, err := l.quotedBody(start, start+1, '\'', what)
	if err != nil {
		return err
	}
	for l.continuation() {
		more, err := l.quotedBody(start, l.pos, '\'', what)
		if err != nil {
			return err
		}
		text += more
	}
	l.add(tBit, start, string(prefix)+text)
	return nil
}

func (l *lexer) dollarString(start int) error {
	i := start + 1
	for i < len(l.src) && isIdentPart(l.src[i]) && l.src[i] != '$' {
		i++
	}
	if i >= len(l.src) || l.src[i] != '$' {
		return l.errorNear("syntax error", start, start+1)
	}
	tag := l.src[start : i+1]
	end := strings.Index(l.src[i+1:], tag)
	if end < 0 {
		return l.errorNear("unterminated dollar-quoted string", start, len(l.src))
	}
	text := l.src[i+1 : i+1+end]
	l.pos = i + 1 + end + len(tag)
	l.add(tString, start, text)
	return nil
}

// number reads integers and decimals. PostgreSQL 15 refuses letters right after a number.
func (l *lexer) number(start int) error {
	src, i, k := l.src, start, tInt
	for i < len(src) && isDigit(src[i]) {
		i++
	}
	// 1..10 is an integer and a range, not 1. and .10
	if i < len(src) && src[i] == '.' && !strings.HasPrefix(src[i:], "..") {
		k = tDecimal
		for i++; i < len(src) && isDigit(src[i]); i++ {
		}
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		j := i + 1
		if j < len(src) && (src[j] == '+' || src[j] == '-') {
			j++
		}
		if j < len(src) && isDigit(src[j]) {
			k = tDecimal
			for i = j; i < len(src) && isDigit(src[i]); i++ {
			}
		}
	}
	l.pos = i
	if i < len(src) && isIdentStart(src[i]) {
		_, n := utf8.DecodeRuneInString(src[i:])
		return l.errorNear("trailing junk after numeric literal", start, i+n)
	}
	l.add(k, start, src[start:i])
	return nil
}

func (l *lexer) param(start int) error {
	i, n := start+1, 0
	for i < len(l.src) && isDigit(l.src[i]) {
		n = min(n*10+int(l.src[i]-'0'), paramMax+1)
		i++
	}
	if i < len(l.src) && isIdentStart(l.src[i]) {
		_, w := utf8.DecodeRuneInString(l.src[i:])
		return l.errorNear("trailing junk after parameter", start, i+w)
	}
	if n == 0 || n > paramMax {
		return l.errorAt(sqlerr.UndefinedParameter, start, "there is no parameter %s", l.src[start:i])
	}
	l.pos = i
	l.add(tParam, start, l.src[start:i])
	l.toks[len(l.toks)-1].num = int32(n)
	return nil
}

// operator reads the longest operator, which ends before a comment, and gives back trailing + and - unless the operator
// contains a character that no standard operator has (PostgreSQL manual, "Lexical Structure", Operators).
func (l *lexer) operator(start int) error {
	i := start
	for i < len(l.src) && isOperator(l.src[i]) {
		if i > start && (strings.HasPrefix(l.src[i:], "--") || strings.HasPrefix(l.src[i:], "/*")) {
			break
		}
		i++
	}
	op := l.src[start:i]
	for len(op) > 1 && (op[len(op)-1] == '+' || op[len(op)-1] == '-') && !strings.ContainsAny(op, "~!@#^&|`?%") {
		op = op[:len(op)-1]
	}
	l.pos = start + len(op)
	k := tOp
	switch op {
	case "=>":
		k = tArrow
	case "<=":
		k = tLE
	case ">=":
		k = tGE
	case "<>":
		k = tNE
	case "!=":
		k, op = tNE, "<>"
	default:
		if len(op) == 1 && strings.IndexByte("+-*/%^<>=", op[0]) >= 0 {
			k = kind(op[0])
		}
	}
	if len(op) > operatorBytesMax {
		return l.errorNear("operator too long", start, l.pos)
	}
	l.add(k, start, op)
	return nil
}

// errorNear is PostgreSQL's form for errors of lexer and grammar: the message and the offending text.
func (l *lexer) errorNear(what string, start, end int) *sqlerr.Error {
	return l.errorAt(sqlerr.SyntaxError, start, "%s at or near \"%s\"", what, l.src[start:end])
}

func (l *lexer) errorAt(code string, start int, format string, args ...any) *sqlerr.Error {
	return sqlerr.New(code, format, args...).WithPosition(ast.PosAt(start).Char(l.src))
}
