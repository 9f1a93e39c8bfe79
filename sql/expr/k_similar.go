package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// similarToRegex turns a pattern of SIMILAR TO into a regular expression over the
// whole text. esc is one character or empty; before a double quote it parts the
// pattern for SUBSTRING(… SIMILAR …), whose middle becomes the only group.
func similarToRegex(p, esc string) (datum, error) {
	if utf8.RuneCountInString(esc) > 1 {
		return types.Null, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").
			WithHint("Escape string must be empty or one character.")
	}
	var b strings.Builder
	b.WriteString("^(?:")
	escaped, class, quotes := false, false, 0
	for _, r := range p {
		switch c := string(r); {
		case escaped && c == `"` && !class:
			switch quotes++; quotes {
			case 1:
				b.WriteString("){1,1}?(")
			case 2:
				b.WriteString("){1,1}(?:")
			default:
				return types.Null, sqlerr.New(sqlerr.InvalidUseOfEscapeCharacter, "SQL regular expression may not contain more than two escape-double-quote separators")
			}
			escaped = false
		case escaped:
			b.WriteString(`\` + c)
			escaped = false
		case c == esc:
			escaped = true
		case class:
			if c == `\` {
				b.WriteString(`\`)
			}
			b.WriteString(c)
			class = c != "]"
		case c == "[":
			b.WriteString(c)
			class = true
		case c == "%":
			b.WriteString(".*")
		case c == "_":
			b.WriteString(".")
		case c == "(":
			b.WriteString("(?:")
		case c == `\` || c == "." || c == "^" || c == "$":
			b.WriteString(`\` + c)
		default:
			b.WriteString(c)
		}
	}
	b.WriteString(")$")
	return str(b.String())
}
