package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/types"
)

// regexCall is the arguments that the regexp_… functions of PostgreSQL 15 share.
type regexCall struct {
	text, pattern, flags     string
	start, nth, end, subexpr int
}

// matches finds the matches behind the start, as byte offsets of the whole and of
// the groups.
func (c *regexCall) matches(ctx *EvalContext, limit int) ([][]int, int, error) {
	re, err := ctx.regex(c.pattern, strings.ReplaceAll(c.flags, "g", ""))
	if err != nil {
		return nil, 0, err
	}
	at := 0
	for i := 1; i < c.start && at < len(c.text); i++ {
		_, n := utf8.DecodeRuneInString(c.text[at:])
		at += n
	}
	if c.start > utf8.RuneCountInString(c.text)+1 {
		return nil, re.groups(), nil
	}
	if at == 0 {
		all, err := re.findAll(c.text, limit)
		return all, re.groups(), err
	}
	// A pattern's ^ does not match at the start, only at the text's beginning: the
	// text before takes part.
	var out [][]int
	all, err := re.findAll(c.text, -1)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range all {
		if m[0] >= at {
			out = append(out, m)
		}
	}
	// A match that began before the start may hide one behind it.
	tail, err := re.findAll(c.text[at:], -1)
	if err != nil {
		return nil, 0, err
	}
	if len(tail) > len(out) && !strings.HasPrefix(c.pattern, "^") && !strings.Contains(c.pattern, "\\A") {
		out = out[:0]
		for _, m := range tail {
			moved := make([]int, len(m))
			for i, x := range m {
				if x < 0 {
					moved[i] = x
				} else {
					moved[i] = x + at
				}
			}
			out = append(out, moved)
		}
	}
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, re.groups(), nil
}

func checkRegexParam(name string, v, least int64) error {
	if v < least {
		return errJSONParam("invalid value for parameter \"%s\": %d", name, v)
	}
	return nil
}

func (k kernels) regexps() {
	noGlobal := func(name, flags string) error {
		if strings.Contains(flags, "g") {
			return errJSONParam("%s does not support the \"global\" option", name)
		}
		return nil
	}
	k.fn("regexp_like(text,text) regexp_like(text,text,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		flags := ""
		if len(a) == 3 {
			flags = a[2].Str()
		}
		if err := noGlobal("regexp_like()", flags); err != nil {
			return types.Null, err
		}
		re, err := ctx.regex(a[1].Str(), flags)
		if err != nil {
			return types.Null, err
		}
		ok, err := re.matches(a[0].Str())
		return types.NewBool(ok), err
	})
	k.fn("regexp_count(text,text,int4) regexp_count(text,text,int4,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		c := regexCall{text: a[0].Str(), pattern: a[1].Str(), start: int(a[2].Int())}
		if err := checkRegexParam("start", a[2].Int(), 1); err != nil {
			return types.Null, err
		}
		if len(a) == 4 {
			c.flags = a[3].Str()
		}
		if err := noGlobal("regexp_count()", c.flags); err != nil {
			return types.Null, err
		}
		m, _, err := c.matches(ctx, -1)
		return types.NewInt(int64(len(m))), err
	})
	instr := func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		c := regexCall{text: a[0].Str(), pattern: a[1].Str(), start: 1, nth: 1}
		ints := []struct {
			name  string
			least int64
			dst   *int
		}{{"start", 1, &c.start}, {"n", 1, &c.nth}, {"endoption", 0, &c.end}, {"flags", 0, nil}, {"subexpr", 0, &c.subexpr}}
		for i, p := range ints {
			if i+2 >= len(a) {
				break
			}
			if p.dst == nil {
				c.flags = a[i+2].Str()
				continue
			}
			v := a[i+2].Int()
			if err := checkRegexParam(p.name, v, p.least); err != nil {
				return types.Null, err
			}
			if p.name == "endoption" && v > 1 {
				return types.Null, errJSONParam("invalid value for parameter \"endoption\": %d", v)
			}
			*p.dst = int(v)
		}
		if err := noGlobal("regexp_instr()", c.flags); err != nil {
			return types.Null, err
		}
		m, groups, err := c.matches(ctx, c.nth)
		if err != nil || c.subexpr > groups || len(m) < c.nth || m[c.nth-1][2*c.subexpr] < 0 {
			return types.NewInt(0), err
		}
		at := m[c.nth-1][2*c.subexpr+c.end]
		return types.NewInt(int64(utf8.RuneCountInString(c.text[:at]) + 1)), nil
	}
	k.fn(`regexp_instr(text,text) regexp_instr(text,text,int4) regexp_instr(text,text,int4,int4) regexp_instr(text,text,int4,int4,int4)
		regexp_instr(text,text,int4,int4,int4,text) regexp_instr(text,text,int4,int4,int4,text,int4)`, instr)
	substr := func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		c := regexCall{text: a[0].Str(), pattern: a[1].Str(), start: 1, nth: 1}
		for i := 2; i < len(a); i++ {
			if i == 4 {
				c.flags = a[4].Str()
				continue
			}
			name, least, dst := "start", int64(1), &c.start
			switch i {
			case 3:
				name, dst = "n", &c.nth
			case 5:
				name, least, dst = "subexpr", 0, &c.subexpr
			}
			if err := checkRegexParam(name, a[i].Int(), least); err != nil {
				return types.Null, err
			}
			*dst = int(a[i].Int())
		}
		if err := noGlobal("regexp_substr()", c.flags); err != nil {
			return types.Null, err
		}
		m, groups, err := c.matches(ctx, c.nth)
		if err != nil || c.subexpr > groups || len(m) < c.nth || m[c.nth-1][2*c.subexpr] < 0 {
			return types.Null, err
		}
		x := m[c.nth-1]
		return str(c.text[x[2*c.subexpr]:x[2*c.subexpr+1]])
	}
	k.fn(`regexp_substr(text,text) regexp_substr(text,text,int4) regexp_substr(text,text,int4,int4) regexp_substr(text,text,int4,int4,text)
		regexp_substr(text,text,int4,int4,text,int4)`, substr)
	k.fn("regexp_replace(text,text,text,int4) regexp_replace(text,text,text,int4,int4) regexp_replace(text,text,text,int4,int4,text)",
		func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
			c := regexCall{text: a[0].Str(), pattern: a[1].Str(), start: int(a[3].Int()), nth: 1}
			if err := checkRegexParam("start", a[3].Int(), 1); err != nil {
				return types.Null, err
			}
			if len(a) > 4 {
				if err := checkRegexParam("n", a[4].Int(), 0); err != nil {
					return types.Null, err
				}
				c.nth = int(a[4].Int())
			}
			if len(a) > 5 {
				c.flags = a[5].Str()
			}
			m, _, err := c.matches(ctx, c.nth-1+min(c.nth, 1))
			switch {
			case err != nil:
				return types.Null, err
			case c.nth > len(m):
				m = nil
			case c.nth > 0:
				m = m[c.nth-1 : c.nth]
			}
			return replaceMatches(c.text, a[2].Str(), m)
		})
}
