package expr

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// regexCacheMax bounds the compiled patterns an EvalContext keeps.
const regexCacheMax = 64

type regexKey struct{ pattern, flags string }

// regex compiles a pattern of PostgreSQL's advanced regular expressions, or
// takes it from the context's cache.
func (c *EvalContext) regex(pattern, flags string) (*regexMatcher, error) {
	key := regexKey{pattern, flags}
	if re, ok := c.regexes[key]; ok {
		return re, nil
	}
	re, err := compileRegex(pattern, flags)
	if err != nil {
		return nil, err
	}
	if len(c.regexes) >= regexCacheMax {
		clear(c.regexes)
	}
	if c.regexes == nil {
		c.regexes = make(map[regexKey]*regexMatcher)
	}
	c.regexes[key] = re
	return re, nil
}

// compileRegex translates a pattern to Go's syntax. What an automaton cannot do is
// left to a backtracker.
func compileRegex(pattern, flags string) (*regexMatcher, error) {
	// stop: a dot matches no line end; lines: ^ and $ match at lines.
	var fold, stop, lines, expanded, quote, basic bool
	for _, f := range flags {
		switch f {
		case 'i':
			fold = true
		case 'c':
			fold = false
		case 'n', 'm':
			stop, lines = true, true
		case 'p':
			stop, lines = true, false
		case 's':
			stop, lines = false, false
		case 'w':
			stop, lines = false, true
		case 'x':
			expanded = true
		case 't':
			expanded = false
		case 'q':
			quote = true
		case 'b':
			basic = true
		case 'e':
			basic = false
		case 'g':
		default:
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid regular expression option: \"%c\"", f)
		}
	}
	if rest, ok := strings.CutPrefix(pattern, "***="); ok {
		pattern, quote = rest, true
	} else if rest, ok := strings.CutPrefix(pattern, "***:"); ok {
		pattern = rest
	}
	if basic {
		return nil, sqlerr.Unsupported("basic regular expressions")
	}
	if strings.HasPrefix(pattern, "(?") && !quote {
		if end := strings.IndexByte(pattern, ')'); end > 2 && isLetters(pattern[2:end]) {
			re, err := compileRegex(pattern[end+1:], flags+pattern[2:end])
			return re, err
		}
	}
	var body string
	t := &regexTranslator{expanded: expanded, stop: stop, lines: lines, fold: fold}
	if quote {
		body = regexp.QuoteMeta(pattern)
	} else {
		var err error
		if body, err = t.translate(pattern); err != nil {
			return nil, err
		}
	}
	body = t.options() + body
	// PostgreSQL takes the longest match unless a quantifier is non-greedy.
	longest := !strings.Contains(body, "*?") && !strings.Contains(body, "+?") && !strings.Contains(body, "??") && !strings.Contains(body, "}?")
	if len(t.extensions) > 0 {
		prog, err := syntax.Parse(body, syntax.Perl)
		if err != nil {
			return nil, regexSyntaxError(err)
		}
		return &regexMatcher{back: &backtracker{prog: prog, extensions: t.extensions, groups: t.groups, fold: fold, longest: longest}}, nil
	}
	re, err := regexp.Compile(body)
	if err != nil {
		return nil, regexSyntaxError(err)
	}
	if longest {
		re.Longest()
	}
	m := &regexMatcher{re: re}
	if prog, err := syntax.Parse(body, syntax.Perl); err == nil && nullable(prog) {
		m.empty = &backtracker{prog: prog, groups: re.NumSubexp(), fold: fold, longest: longest}
	}
	return m, nil
}

// options are Go's flags for the pattern's.
func (t *regexTranslator) options() string {
	opts := ""
	if t.fold {
		opts += "i"
	}
	if !t.stop {
		opts += "s"
	}
	if t.lines {
		opts += "m"
	}
	if opts == "" {
		return ""
	}
	return "(?" + opts + ")"
}

func regexSyntaxError(err error) error {
	what := err.Error()
	if e, ok := err.(*syntax.Error); ok {
		switch what = string(e.Code); e.Code {
		case syntax.ErrMissingParen, syntax.ErrUnexpectedParen:
			what = "parentheses () not balanced"
		case syntax.ErrMissingBracket:
			what = "brackets [] not balanced"
		case syntax.ErrMissingRepeatArgument, syntax.ErrInvalidRepeatOp:
			what = "quantifier operand invalid"
		case syntax.ErrInvalidRepeatSize:
			what = "invalid repetition count(s)"
		case syntax.ErrInvalidCharRange:
			what = "invalid character range"
		}
	}
	return sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: %s", what)
}

func isLetters(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return s != ""
}

// regexTranslator turns PostgreSQL's syntax into Go's.
type regexTranslator struct {
	expanded, stop, lines, fold bool
	// inside look-around parentheses do not capture and nothing refers back.
	inside bool
	groups int
	// open are the parentheses that are open: the numbers of groups, 0 for others.
	open       []int
	extensions []regexExtension
}

// extend puts an extension into the translated pattern.
func (t *regexTranslator) extend(x regexExtension) (string, error) {
	if len(t.extensions) >= extensionsMax {
		return "", errRegexTooComplex()
	}
	t.extensions = append(t.extensions, x)
	return "(?:" + string(rune(extensionRune)) + string(rune(extensionBase+len(t.extensions)-1)) + ")", nil
}

func (t *regexTranslator) translate(p string) (string, error) {
	expanded, stop, lines := t.expanded, t.stop, t.lines
	bad := func(what string) (string, error) {
		return "", sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: %s", what)
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '\\':
			i++
			if i >= len(p) {
				return bad("invalid escape \\ sequence")
			}
			switch e := p[i]; {
			case e >= '1' && e <= '9':
				n := int(e - '0')
				for i+1 < len(p) && isDigit(p[i+1]) && n*10+int(p[i+1]-'0') <= t.groups {
					i++
					n = n*10 + int(p[i]-'0')
				}
				if n > t.groups || t.inside || slices.Contains(t.open, n) {
					return bad("invalid backreference number")
				}
				x, err := t.extend(regexExtension{kind: backReference, group: n})
				if err != nil {
					return "", err
				}
				b.WriteString(x)
			case e == 'm' && wordFollows(p[i+1:]) || e == 'M' && wordPrecedes(p[:i-1]):
				// Between a word character and something else there is one kind of
				// boundary only.
				b.WriteString(`\b`)
			case e == 'm', e == 'M':
				kind := wordStart
				if e == 'M' {
					kind = wordEnd
				}
				x, err := t.extend(regexExtension{kind: kind})
				if err != nil {
					return "", err
				}
				b.WriteString(x)
				if quantified(p[i+1:]) {
					return bad("quantifier operand invalid")
				}
			case e == 'y':
				b.WriteString(`\b`)
			case e == 'Y':
				b.WriteString(`\B`)
			case e == 'A':
				b.WriteString(`\A`)
			case e == 'Z':
				b.WriteString(`\z`)
			case strings.IndexByte("dDsSwW", e) >= 0:
				b.WriteByte('\\')
				b.WriteByte(e)
			case e == 'a', e == 'f', e == 'n', e == 'r', e == 't', e == 'v':
				b.WriteByte('\\')
				b.WriteByte(e)
			case e == 'b':
				b.WriteString(`\x08`)
			case e == 'B':
				b.WriteString(`\\`)
			case e == 'e':
				b.WriteString(`\x1b`)
			case e == '0':
				return bad("invalid escape \\ sequence")
			case e == 'x', e == 'u', e == 'U':
				n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[e]
				if i+n >= len(p)+0 && i+n > len(p)-1 {
					return bad("invalid escape \\ sequence")
				}
				b.WriteString(`\x{` + p[i+1:i+1+n] + `}`)
				i += n
			case e|0x20 >= 'a' && e|0x20 <= 'z':
				return bad("invalid escape \\ sequence")
			default:
				b.WriteString(regexp.QuoteMeta(string(e)))
				if e >= 0x80 {
					// The rest of the character follows as it is.
					s := b.String()
					b.Reset()
					b.WriteString(s[:len(s)-len(regexp.QuoteMeta(string(e)))])
					b.WriteByte(e)
				}
			}
		case c == '[':
			end, class, err := translateClass(p, i, stop)
			if err != nil {
				return "", err
			}
			b.WriteString(class)
			i = end
		case c == '(' && strings.HasPrefix(p[i:], "(?"):
			switch {
			case strings.HasPrefix(p[i:], "(?:"):
				b.WriteString("(?:")
				t.open = append(t.open, 0)
				i += 2
			case strings.HasPrefix(p[i:], "(?="), strings.HasPrefix(p[i:], "(?!"), strings.HasPrefix(p[i:], "(?<="), strings.HasPrefix(p[i:], "(?<!"):
				x, end, err := t.lookAround(p, i)
				if err != nil {
					return "", err
				}
				b.WriteString(x)
				if i = end; quantified(p[i+1:]) {
					return bad("quantifier operand invalid")
				}
			case strings.HasPrefix(p[i:], "(?#"):
				n := strings.IndexByte(p[i:], ')')
				if n < 0 {
					return bad("parentheses () not balanced")
				}
				i += n
			default:
				return bad("quantifier operand invalid")
			}
		case c == '(':
			if t.inside {
				b.WriteString("(?:")
				t.open = append(t.open, 0)
				break
			}
			t.groups++
			t.open = append(t.open, t.groups)
			b.WriteByte('(')
		case c == ')':
			if len(t.open) > 0 {
				t.open = t.open[:len(t.open)-1]
			}
			b.WriteByte(')')
		case expanded && (c == ' ' || c >= '\t' && c <= '\r'):
		case expanded && c == '#':
			for i < len(p) && p[i] != '\n' {
				i++
			}
		case c == '$' && !lines:
			b.WriteString(`\z`)
		case c == '^' && !lines:
			b.WriteString(`\A`)
		case c == '*' && (b.Len() == 0 || strings.HasSuffix(b.String(), "(") || strings.HasSuffix(b.String(), "|")):
			return bad("quantifier operand invalid")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// quantified reports whether a quantifier comes next, which a constraint cannot have.
func quantified(p string) bool {
	return p != "" && (strings.IndexByte("*+?", p[0]) >= 0 || p[0] == '{' && len(p) > 1 && isDigit(p[1]))
}

// lookAround translates look-around that begins at i and returns where it ends.
func (t *regexTranslator) lookAround(p string, i int) (out string, end int, err error) {
	x := regexExtension{kind: lookAhead}
	from := i + 2
	if p[from] == '<' {
		x.kind = lookBehind
		from++
	}
	x.negate = p[from] == '!'
	from++
	if end = closingParen(p, from); end < 0 {
		return "", 0, sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: parentheses () not balanced")
	}
	inside := t.inside
	t.inside = true
	body, err := t.translate(p[from:end])
	t.inside = inside
	if err != nil {
		return "", 0, err
	}
	if x.inner, err = syntax.Parse(t.options()+body, syntax.Perl); err != nil {
		return "", 0, regexSyntaxError(err)
	}
	out, err = t.extend(x)
	return out, end, err
}

// closingParen is the place of the parenthesis that closes what is open at i, or -1.
func closingParen(p string, i int) int {
	for depth := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			j := i + 1
			if j < len(p) && p[j] == '^' {
				j++
			}
			if j < len(p) && p[j] == ']' {
				j++
			}
			for j < len(p) && p[j] != ']' {
				if p[j] == '\\' {
					j++
				} else if strings.HasPrefix(p[j:], "[:") {
					if n := strings.Index(p[j:], ":]"); n > 0 {
						j += n + 1
					}
				}
				j++
			}
			i = j
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// wordFollows reports whether a pattern surely begins with a word character.
func wordFollows(p string) bool {
	n := 1
	if strings.HasPrefix(p, `\w`) || strings.HasPrefix(p, `\d`) {
		n = 2
	} else if p == "" || !isWordByte(p[0]) {
		return false
	}
	return n == len(p) || strings.IndexByte("*?{", p[n]) < 0
}

// wordPrecedes reports whether a pattern surely ends with a word character.
func wordPrecedes(p string) bool {
	p = strings.TrimSuffix(p, "+")
	if strings.HasSuffix(p, `\w`) || strings.HasSuffix(p, `\d`) {
		return !strings.HasSuffix(p, `\\w`) && !strings.HasSuffix(p, `\\d`)
	}
	if p == "" || !isWordByte(p[len(p)-1]) {
		return false
	}
	return len(p) == 1 || p[len(p)-2] != '\\'
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// translateClass rewrites a bracket expression that starts at i and returns the
// index of its closing bracket.
func translateClass(p string, i int, newline bool) (int, string, error) {
	bad := func(what string) (int, string, error) {
		return 0, "", sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: %s", what)
	}
	switch {
	case strings.HasPrefix(p[i:], "[[:<:]]"), strings.HasPrefix(p[i:], "[[:>:]]"):
		return i + 6, `\b`, nil
	}
	var b strings.Builder
	b.WriteByte('[')
	i++
	if i < len(p) && p[i] == '^' {
		b.WriteByte('^')
		if newline {
			b.WriteString(`\n`)
		}
		i++
	}
	first := true
	for ; i < len(p); i++ {
		c := p[i]
		switch {
		case c == ']' && !first:
			b.WriteByte(']')
			return i, b.String(), nil
		case c == ']':
			b.WriteString(`\]`)
		case strings.HasPrefix(p[i:], "[:"):
			n := strings.Index(p[i:], ":]")
			if n < 0 {
				return bad("brackets [] not balanced")
			}
			b.WriteString(p[i : i+n+2])
			i += n + 1
		case strings.HasPrefix(p[i:], "[=") || strings.HasPrefix(p[i:], "[."):
			return 0, "", sqlerr.Unsupported("collating elements in regular expressions")
		case c == '[':
			b.WriteString(`\[`)
		case c == '\\':
			i++
			if i >= len(p) {
				return bad("invalid escape \\ sequence")
			}
			switch e := p[i]; {
			case strings.IndexByte("dswnrtfv", e) >= 0:
				b.WriteByte('\\')
				b.WriteByte(e)
			case e|0x20 >= 'a' && e|0x20 <= 'z' || e >= '0' && e <= '9':
				return bad("invalid escape \\ sequence")
			default:
				if e < 0x80 {
					b.WriteByte('\\')
				}
				b.WriteByte(e)
			}
		case c == '&' || c == '~':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
		first = false
	}
	return bad("brackets [] not balanced")
}

// regexReplace replaces the first match, or with flag g all, expanding \1…\9 and
// \& in the replacement.
func regexReplace(ctx *EvalContext, s, pattern, with, flags string) (datum, error) {
	n := 1
	if strings.IndexByte(flags, 'g') >= 0 {
		n = -1
	}
	if flags != "" && flags[0] >= '0' && flags[0] <= '9' {
		return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "invalid regular expression option: \"%c\"", flags[0]).
			WithHint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.")
	}
	re, err := ctx.regex(pattern, strings.ReplaceAll(flags, "g", ""))
	if err != nil {
		return types.Null, err
	}
	found, err := re.findAll(s, n)
	if err != nil {
		return types.Null, err
	}
	return replaceMatches(s, with, found)
}

// replaceMatches puts a replacement in the place of matches.
func replaceMatches(s, with string, found [][]int) (datum, error) {
	var b strings.Builder
	last := 0
	for _, m := range found {
		b.WriteString(s[last:m[0]])
		for i := 0; i < len(with); i++ {
			if with[i] != '\\' || i+1 == len(with) {
				b.WriteByte(with[i])
				continue
			}
			i++
			g := -1
			switch c := with[i]; {
			case c == '&':
				g = 0
			case c >= '1' && c <= '9':
				g = int(c - '0')
			case c == '\\':
				b.WriteByte('\\')
			default:
				b.WriteByte('\\')
				b.WriteByte(c)
			}
			if g >= 0 && 2*g+1 < len(m) && m[2*g] >= 0 {
				b.WriteString(s[m[2*g]:m[2*g+1]])
			}
		}
		last = m[1]
		if b.Len() > textMax {
			return types.Null, errTextTooLong()
		}
	}
	b.WriteString(s[last:])
	return str(b.String())
}
