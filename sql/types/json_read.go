package types

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// jsonDepthMax bounds how deep arrays and objects may nest. PostgreSQL's bound is
// its stack (max_stack_depth), which holds about as many levels by default.
const jsonDepthMax = 9500

// jsonReader reads JSON text (RFC 8259) with PostgreSQL's errors. It checks the
// text and, with build, makes a JSONNode of it.
type jsonReader struct {
	text  string
	at    int
	depth int
	// build makes nodes and resolves escapes, which has errors of its own: json
	// keeps escapes as they are written, jsonb does not.
	build bool
	// tok is the token that was read last, from begin to at.
	tok   byte
	begin int
	// last is the end of the token before.
	last int
	// str is the value of a string token, with build.
	str string
}

// Tokens other than the punctuation, which stands for itself.
const (
	jsonEnd    = 0
	jsonString = '"'
	jsonNumber = '0'
	jsonTrue   = 't'
	jsonFalse  = 'f'
	jsonNull   = 'n'
)

// CheckJSON returns invalid_text_representation (22P02) for a text that is not
// JSON, and statement_too_complex (54001) for one that nests too deep.
func CheckJSON(s string) error {
	r := jsonReader{text: s}
	_, err := r.document()
	return err
}

// ReadJSON reads JSON text into a tree, in which the last of several members of
// one name wins. Numbers become numeric.
func ReadJSON(s string) (*JSONNode, error) {
	r := jsonReader{text: s, build: true}
	return r.document()
}

func (r *jsonReader) document() (*JSONNode, error) {
	if err := r.next(); err != nil {
		return nil, err
	}
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.tok != jsonEnd {
		return nil, r.unexpected("Expected end of input, but found \"%s\".")
	}
	return n, nil
}

// value reads a value that begins at the current token and goes to the one
// behind it.
func (r *jsonReader) value() (*JSONNode, error) {
	var n *JSONNode
	switch r.tok {
	case '{', '[':
		r.depth++
		if r.depth > jsonDepthMax {
			return nil, errJSONDepth()
		}
		var err error
		if r.tok == '{' {
			n, err = r.object()
		} else {
			n, err = r.array()
		}
		r.depth--
		return n, err
	case jsonString:
		if r.build {
			n = &JSONNode{Kind: JSONString, Str: r.str}
		}
	case jsonNumber:
		if r.build {
			d, err := ParseNumeric(r.text[r.begin:r.at])
			if err != nil {
				return nil, err
			}
			n = &JSONNode{Kind: JSONNumber, Num: d}
		}
	case jsonTrue:
		n = &jsonTrueNode
	case jsonFalse:
		n = &jsonFalseNode
	case jsonNull:
		n = &jsonNullNode
	default:
		return nil, r.unexpected("Expected JSON value, but found \"%s\".")
	}
	return n, r.next()
}

func (r *jsonReader) array() (*JSONNode, error) {
	var n *JSONNode
	if r.build {
		n = &JSONNode{Kind: JSONArray}
	}
	if err := r.next(); err != nil {
		return nil, err
	}
	if r.tok == ']' {
		return n, r.next()
	}
	for {
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		if n != nil {
			n.Items = append(n.Items, item)
		}
		if r.tok == ']' {
			return n, r.next()
		}
		if r.tok != ',' {
			return nil, r.unexpected("Expected \",\" or \"]\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
	}
}

func (r *jsonReader) object() (*JSONNode, error) {
	var n *JSONNode
	if r.build {
		n = &JSONNode{Kind: JSONObject}
	}
	if err := r.next(); err != nil {
		return nil, err
	}
	if r.tok == '}' {
		return n, r.next()
	}
	expected := "Expected string or \"}\", but found \"%s\"."
	for {
		if r.tok != jsonString {
			return nil, r.unexpected(expected)
		}
		expected = "Expected string, but found \"%s\"."
		key := r.str
		if err := r.next(); err != nil {
			return nil, err
		}
		if r.tok != ':' {
			return nil, r.unexpected("Expected \":\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		if n != nil {
			n.Members = append(n.Members, JSONMember{key, v})
		}
		if r.tok == '}' {
			break
		}
		if r.tok != ',' {
			return nil, r.unexpected("Expected \",\" or \"}\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	if n != nil {
		n.sortMembers()
	}
	return n, r.next()
}

// next reads a token.
func (r *jsonReader) next() error {
	r.last = r.at
	for r.at < len(r.text) && isJSONBlank(r.text[r.at]) {
		r.at++
	}
	r.begin = r.at
	if r.at >= len(r.text) {
		r.tok = jsonEnd
		return nil
	}
	switch c := r.text[r.at]; {
	case strings.IndexByte("{}[],:", c) >= 0:
		r.tok = c
		r.at++
		return nil
	case c == '"':
		r.tok = jsonString
		return r.string()
	case c == '-' || isDigit(c):
		r.tok = jsonNumber
		return r.number()
	}
	for r.at < len(r.text) && isJSONWord(r.text[r.at]) {
		r.at++
	}
	switch r.text[r.begin:r.at] {
	case "true":
		r.tok = jsonTrue
	case "false":
		r.tok = jsonFalse
	case "null":
		r.tok = jsonNull
	case "":
		r.at++
		return r.invalid("Token \"%s\" is invalid.", r.text[r.begin:r.at])
	default:
		return r.invalid("Token \"%s\" is invalid.", r.text[r.begin:r.at])
	}
	return nil
}

func isJSONBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isJSONWord(c byte) bool { return isAlpha(c) || isDigit(c) || c == '_' || c >= 0x80 }

func (r *jsonReader) number() error {
	s, i := r.text, r.at
	if s[i] == '-' {
		i++
	}
	bad := false
	digits := func() {
		from := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		bad = bad || i == from
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else {
		digits()
	}
	if i < len(s) && s[i] == '.' {
		i++
		digits()
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		digits()
	}
	for i < len(s) && isJSONWord(s[i]) {
		bad = true
		i++
	}
	r.at = i
	if bad {
		return r.invalid("Token \"%s\" is invalid.", s[r.begin:i])
	}
	return nil
}

// string reads a string token. Requires: at is at the opening quote.
func (r *jsonReader) string() error {
	s, i := r.text, r.at+1
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		i++
	}
	if i < len(s) && s[i] == '"' {
		r.str, r.at = s[r.at+1:i], i+1
		return nil
	}
	buf := append([]byte(nil), s[r.at+1:i]...)
	high := rune(-1) // of a surrogate pair, until its other half comes
	for {
		if i >= len(s) {
			r.at = i
			return r.invalid("Token \"%s\" is invalid.", s[r.begin:])
		}
		c := s[i]
		if high >= 0 && c != '\\' {
			r.at = i
			return r.invalid("Unicode low surrogate must follow a high surrogate.")
		}
		switch {
		case c == '"':
			r.str, r.at = string(buf), i+1
			return nil
		case c < ' ':
			r.at = i
			return r.invalid("Character with value 0x%02x must be escaped.", c)
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		if i++; i >= len(s) {
			r.at = i
			return r.invalid("Token \"%s\" is invalid.", s[r.begin:])
		}
		if s[i] != 'u' {
			at := strings.IndexByte("\"\\/bfnrt", s[i])
			if high >= 0 && r.build {
				r.at = i
				return r.invalid("Unicode low surrogate must follow a high surrogate.")
			}
			if at < 0 {
				_, n := utf8.DecodeRuneInString(s[i:])
				r.begin, r.at = i, i+n
				return r.invalid("Escape sequence \"\\%s\" is invalid.", s[i:i+n])
			}
			buf = append(buf, "\"\\/\b\f\n\r\t"[at])
			i++
			continue
		}
		var code rune
		for n := 1; n <= 4; n++ {
			if i+n >= len(s) {
				r.at = len(s)
				return r.invalid("Token \"%s\" is invalid.", s[r.begin:])
			}
			v, err := strconv.ParseUint(s[i+n:i+n+1], 16, 8)
			if err != nil {
				_, w := utf8.DecodeRuneInString(s[i+n:])
				r.at = i + n + w
				return r.invalid("\"\\u\" must be followed by four hexadecimal digits.")
			}
			code = code<<4 | rune(v)
		}
		i += 5
		if !r.build {
			continue
		}
		r.at = i
		switch {
		case code >= 0xD800 && code < 0xDC00:
			if high >= 0 {
				return r.invalid("Unicode high surrogate must not follow a high surrogate.")
			}
			high = code
			continue
		case code >= 0xDC00 && code < 0xE000:
			if high < 0 {
				return r.invalid("Unicode low surrogate must follow a high surrogate.")
			}
			code, high = (high-0xD800)<<10+(code-0xDC00)+0x10000, -1
		case high >= 0:
			return r.invalid("Unicode low surrogate must follow a high surrogate.")
		case code == 0:
			return r.errorAt(sqlerr.New(sqlerr.UntranslatableCharacter, "unsupported Unicode escape sequence").
				WithDetail("\\u0000 cannot be converted to text."))
		}
		buf = utf8.AppendRune(buf, code)
	}
}

// unexpected reports the current token where something else was expected.
func (r *jsonReader) unexpected(expected string) error {
	if r.tok == jsonEnd {
		return r.invalid("The input string ended unexpectedly.")
	}
	return r.invalid(expected, r.text[r.begin:r.at])
}

func (r *jsonReader) invalid(detail string, args ...any) error {
	return r.errorAt(sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type json").WithDetail(detail, args...))
}

// errorAt adds the line that the current token is on, as far as the token.
func (r *jsonReader) errorAt(e *sqlerr.Error) error {
	const most = 50
	line := 1 + strings.Count(r.text[:r.at], "\n")
	from := strings.LastIndexByte(r.text[:r.at], '\n') + 1
	lead := ""
	if r.at-from >= most {
		for r.at-from >= most {
			_, n := utf8.DecodeRuneInString(r.text[from:])
			from += n
		}
		lead = "..."
	}
	tail := ""
	if r.at < len(r.text) && r.text[r.at] != '\n' && r.text[r.at] != '\r' && r.at != len(r.text) {
		tail = "..."
	}
	e.Where = "JSON data, line " + strconv.Itoa(line) + ": " + lead + r.text[from:r.at] + tail
	return e
}

func errJSONDepth() error {
	return sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded").
		WithHint("Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.")
}

// JSONPart is an item of an array or a member of an object, as written.
type JSONPart struct{ Name, Raw string }

// SplitJSON takes the first level of a JSON text apart: its kind, the items or
// members in order, and the text without blanks around it.
func SplitJSON(s string) (kind JSONKind, parts []JSONPart, raw string, err error) {
	r := jsonReader{text: s, build: true}
	if err := r.next(); err != nil {
		return 0, nil, "", err
	}
	begin := r.begin
	switch open := r.tok; open {
	case '{', '[':
		kind = JSONArray
		if open == '{' {
			kind = JSONObject
		}
		if err := r.next(); err != nil {
			return 0, nil, "", err
		}
		for r.tok != '}' && r.tok != ']' {
			var p JSONPart
			if open == '{' {
				p.Name = r.str
				for range 2 { // the name and the colon
					if err := r.next(); err != nil {
						return 0, nil, "", err
					}
				}
			}
			if p.Raw, err = r.skip(); err != nil {
				return 0, nil, "", err
			}
			parts = append(parts, p)
			if r.tok == ',' {
				if err := r.next(); err != nil {
					return 0, nil, "", err
				}
			} else if r.tok == jsonEnd {
				return 0, nil, "", r.unexpected("")
			}
		}
		return kind, parts, s[begin:r.at], nil
	case jsonString:
		kind = JSONString
	case jsonNumber:
		kind = JSONNumber
	case jsonTrue:
		kind = JSONTrue
	case jsonFalse:
		kind = JSONFalse
	}
	return kind, nil, s[begin:r.at], nil
}

// skip reads a value and returns its text.
func (r *jsonReader) skip() (string, error) {
	begin := r.begin
	r.build = false
	_, err := r.value()
	if err != nil {
		return "", err
	}
	// The token behind the value was read without its escapes resolved.
	r.build = true
	end := r.last
	if r.tok == jsonString {
		r.at = r.begin
		err = r.next()
	}
	return r.text[begin:end], err
}

// JSONTextOf returns what ->> makes of a JSON text: a string without quotes and
// escapes, anything else as it is. ok is false for null.
func JSONTextOf(raw string) (text string, ok bool, err error) {
	r := jsonReader{text: raw, build: true}
	if err := r.next(); err != nil {
		return "", false, err
	}
	switch r.tok {
	case jsonNull:
		return "", false, nil
	case jsonString:
		return r.str, true, nil
	}
	return raw, true, nil
}
