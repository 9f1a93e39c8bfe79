package expr

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// parseIdent splits a qualified name, as the parser would read it.
func parseIdent(s string, strict bool) ([]datum, error) {
	bad := func() *sqlerr.Error {
		return sqlerr.New(sqlerr.InvalidParameterValue, "string is not a valid identifier: \"%s\"", s)
	}
	blank := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
	isStart := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
	var out []datum
	i := 0
	skip := func() {
		for i < len(s) && blank(s[i]) {
			i++
		}
	}
	afterDot := false
	for skip(); ; {
		switch {
		case i < len(s) && s[i] == '"':
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return nil, bad().WithDetail("String has unclosed double quotes.")
				}
				if s[i] == '"' {
					if i+1 >= len(s) || s[i+1] != '"' {
						break
					}
					i++
				}
				b.WriteByte(s[i])
			}
			i++
			if b.Len() == 0 {
				return nil, bad().WithDetail("Quoted identifier must not be empty.")
			}
			out = append(out, types.NewString(b.String()))
		case i < len(s) && isStart(s[i]):
			from := i
			for i < len(s) && (isStart(s[i]) || s[i] >= '0' && s[i] <= '9' || s[i] == '$') {
				i++
			}
			out = append(out, types.NewString(mapASCII(s[from:i], 'A', 'Z')))
		case i < len(s) && s[i] == '.':
			return nil, bad().WithDetail("No valid identifier before \".\".")
		case afterDot:
			return nil, bad().WithDetail("No valid identifier after \".\".")
		default:
			return nil, bad()
		}
		skip()
		switch {
		case i < len(s) && s[i] == '.':
			afterDot = true
			i++
			skip()
		case i == len(s) || !strict:
			return out, nil
		default:
			return nil, bad()
		}
	}
}

func unicodeForm(name string) (norm.Form, error) {
	switch strings.ToUpper(name) {
	case "NFC":
		return norm.NFC, nil
	case "NFD":
		return norm.NFD, nil
	case "NFKC":
		return norm.NFKC, nil
	case "NFKD":
		return norm.NFKD, nil
	}
	return 0, errJSONParam("invalid normalization form: %s", name)
}

func (k kernels) identifiers() {
	k.f2("parse_ident(text,bool)", func(_ *EvalContext, a, b datum) (datum, error) {
		parts, err := parseIdent(a.Str(), b.Bool())
		if err != nil {
			return types.Null, err
		}
		return types.NewArray(types.NewArrayOf(types.Text, parts)), nil
	})
	k.f2("normalize(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		form, err := unicodeForm(b.Str())
		if err != nil {
			return types.Null, err
		}
		return str(form.String(a.Str()))
	})
	k.f2("is_normalized(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		form, err := unicodeForm(b.Str())
		if err != nil {
			return types.Null, err
		}
		return types.NewBool(form.IsNormalString(a.Str())), nil
	})
	k.f2("array_larger(anyarray,anyarray)", func(_ *EvalContext, a, b datum) (datum, error) {
		if types.Compare(a, b, types.AnyArray) > 0 {
			return a, nil
		}
		return b, nil
	})
	k.f2("array_smaller(anyarray,anyarray)", func(_ *EvalContext, a, b datum) (datum, error) {
		if types.Compare(a, b, types.AnyArray) < 0 {
			return a, nil
		}
		return b, nil
	})
}
