package sqldiff

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// accepted is a difference that stays, with its reason.
type accepted struct {
	kind, text *regexp.Regexp
	reason     string
	used       int
}

func (a *accepted) matches(s statement, d difference) bool {
	return a.kind.MatchString(d.kind) && (a.text.MatchString(d.detail) || a.text.MatchString(s.sql))
}

// readAccepted reads lines of three fields with tabs between them: an expression for
// the difference's kind, one for its detail or the statement, and the reason.
func readAccepted(file string) ([]*accepted, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*accepted
	for i, l := range strings.Split(string(b), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Split(l, "\t")
		if len(f) != 3 {
			return nil, fmt.Errorf("%s:%d: not three fields", file, i+1)
		}
		a := &accepted{reason: f[2]}
		if a.kind, err = regexp.Compile("^(" + f[0] + ")$"); err == nil {
			a.text, err = regexp.Compile(f[1])
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		out = append(out, a)
	}
	return out, nil
}
