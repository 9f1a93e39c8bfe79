package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (k kernels) patterns() {
	like := func(sigs string, bytes, fold, want bool) {
		k.f2(sigs, func(_ *EvalContext, a, b datum) (datum, error) {
			s, p := a.Str(), b.Str()
			if fold {
				s, p = mapASCII(s, 'A', 'Z'), mapASCII(p, 'A', 'Z')
			}
			m, err := matchLike(s, p, !bytes)
			if err != nil {
				return types.Null, err
			}
			return types.NewBool(m == want), nil
		})
	}
	like("textlike(text,text) bpcharlike(bpchar,text) namelike(name,text) like(text,text) like(name,text)", false, false, true)
	like("textnlike(text,text) bpcharnlike(bpchar,text) namenlike(name,text) notlike(text,text) notlike(name,text)", false, false, false)
	like("bytealike(bytea,bytea) like(bytea,bytea)", true, false, true)
	like("byteanlike(bytea,bytea) notlike(bytea,bytea)", true, false, false)
	like("texticlike(text,text) bpchariclike(bpchar,text) nameiclike(name,text)", false, true, true)
	like("texticnlike(text,text) bpcharicnlike(bpchar,text) nameicnlike(name,text)", false, true, false)
	k.f2("like_escape(text,text)", func(_ *EvalContext, a, b datum) (datum, error) { return likeEscape(a.Str(), b.Str()) })

	k.f1("similar_to_escape(text)", func(_ *EvalContext, a datum) (datum, error) { return similarToRegex(a.Str(), `\`) })
	k.f2("similar_to_escape(text,text)", func(_ *EvalContext, a, b datum) (datum, error) { return similarToRegex(a.Str(), b.Str()) })

	regex := func(sigs, flags string, want bool) {
		k.f2(sigs, func(ctx *EvalContext, a, b datum) (datum, error) {
			re, err := ctx.regex(b.Str(), flags)
			if err != nil {
				return types.Null, err
			}
			ok, err := re.matches(a.Str())
			return types.NewBool(ok == want), err
		})
	}
	regex("textregexeq(text,text) bpcharregexeq(bpchar,text) nameregexeq(name,text)", "", true)
	regex("textregexne(text,text) bpcharregexne(bpchar,text) nameregexne(name,text)", "", false)
	regex("texticregexeq(text,text) bpcharicregexeq(bpchar,text) nameicregexeq(name,text)", "i", true)
	regex("texticregexne(text,text) bpcharicregexne(bpchar,text) nameicregexne(name,text)", "i", false)
	k.f2("substring(text,text)", func(ctx *EvalContext, a, b datum) (datum, error) {
		re, err := ctx.regex(b.Str(), "")
		if err != nil {
			return types.Null, err
		}
		m, err := re.find(a.Str())
		if m == nil {
			return types.Null, err
		}
		at := 0
		if len(m) > 2 {
			at = 2 // the first group, if there is one
		}
		if m[at] < 0 {
			return types.Null, nil
		}
		return str(a.Str()[m[at]:m[at+1]])
	})
	replace := func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		flags := ""
		if len(a) == 4 {
			flags = a[3].Str()
		}
		return regexReplace(ctx, a[0].Str(), a[1].Str(), a[2].Str(), flags)
	}
	k.fn("regexp_replace(text,text,text) regexp_replace(text,text,text,text)", replace)
	match := func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		flags := ""
		if len(a) == 3 {
			flags = a[2].Str()
		}
		if strings.IndexByte(flags, 'g') >= 0 {
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "regexp_match() does not support the \"global\" option").
				WithHint("Use the regexp_matches function instead.")
		}
		re, err := ctx.regex(a[1].Str(), flags)
		if err != nil {
			return types.Null, err
		}
		m, err := re.find(a[0].Str())
		if m == nil {
			return types.Null, err
		}
		return matchArray(a[0].Str(), m), nil
	}
	k.fn("regexp_match(text,text) regexp_match(text,text,text)", match)
	k.f2("regexp_count(text,text)", func(ctx *EvalContext, a, b datum) (datum, error) {
		re, err := ctx.regex(b.Str(), "")
		if err != nil {
			return types.Null, err
		}
		all, err := re.findAll(a.Str(), -1)
		return types.NewInt(int64(len(all))), err
	})
	split := func(ctx *EvalContext, a []datum) ([]datum, error) {
		flags := ""
		if len(a) == 3 {
			flags = a[2].Str()
		}
		re, err := ctx.regex(a[1].Str(), flags)
		if err != nil {
			return nil, err
		}
		var out []datum
		s := a[0].Str()
		start := 0
		all, err := re.findAll(s, -1)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			// A match of nothing at the ends or right after another is passed over.
			if m[0] >= len(s) || m[1] <= start {
				continue
			}
			out = append(out, types.NewString(s[start:m[0]]))
			start = m[1]
		}
		return append(out, types.NewString(s[start:])), nil
	}
	k.fn("regexp_split_to_array(text,text) regexp_split_to_array(text,text,text)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		items, err := split(ctx, a)
		if err != nil {
			return types.Null, err
		}
		return types.NewArray(types.NewArrayOf(types.Text, items)), nil
	})
	k.set("regexp_split_to_table(text,text) regexp_split_to_table(text,text,text)", func(ctx *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		items, err := split(ctx, a)
		return &sliceIter{items: items}, err
	})
	k.set("regexp_matches(text,text) regexp_matches(text,text,text)", func(ctx *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		flags := ""
		if len(a) == 3 {
			flags = a[2].Str()
		}
		n := 1
		if strings.IndexByte(flags, 'g') >= 0 {
			n = -1
		}
		re, err := ctx.regex(a[1].Str(), strings.ReplaceAll(flags, "g", ""))
		if err != nil {
			return nil, err
		}
		all, err := re.findAll(a[0].Str(), n)
		if err != nil {
			return nil, err
		}
		var out []datum
		for _, m := range all {
			out = append(out, matchArray(a[0].Str(), m))
		}
		return &sliceIter{items: out}, nil
	})
}

// matchArray returns the groups of a match, or the whole of it if there are none.
func matchArray(s string, m []int) datum {
	if len(m) > 2 {
		m = m[2:]
	}
	items := make([]datum, len(m)/2)
	for i := range items {
		if m[2*i] >= 0 {
			items[i] = types.NewString(s[m[2*i]:m[2*i+1]])
		}
	}
	return types.NewArray(types.NewArrayOf(types.Text, items))
}

// matchLike matches LIKE's % and _, with backslash as escape. Only the last %
// seen is ever gone back to, so the time is bounded by the product of the
// lengths.
func matchLike(s, p string, chars bool) (bool, error) {
	var si, pi int
	backS, backP := -1, -1
	step := func(i int) int {
		if !chars {
			return 1
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		return n
	}
	for si < len(s) {
		if pi < len(p) {
			switch c := p[pi]; c {
			case '%':
				for pi < len(p) && p[pi] == '%' {
					pi++
				}
				backS, backP = si, pi
				continue
			case '_':
				si += step(si)
				pi++
				continue
			case '\\':
				if pi+1 == len(p) {
					return false, errLikeEnd()
				}
				if p[pi+1] == s[si] {
					si++
					pi += 2
					continue
				}
			default:
				if c == s[si] {
					si++
					pi++
					continue
				}
			}
		}
		if backP < 0 {
			return false, nil
		}
		backS += step(backS)
		si, pi = backS, backP
	}
	for pi < len(p) && p[pi] == '%' {
		pi++
	}
	return pi == len(p), nil
}

func errLikeEnd() error {
	return sqlerr.New(sqlerr.InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

// likeEscape rewrites a pattern with its own escape character to one with
// backslashes.
func likeEscape(p, esc string) (datum, error) {
	if esc == "" {
		return str(strings.ReplaceAll(p, `\`, `\\`))
	}
	if utf8.RuneCountInString(esc) > 1 {
		return types.Null, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").
			WithHint("Escape string must be empty or one character.")
	}
	if esc == `\` {
		return str(p)
	}
	var b strings.Builder
	afterEscape := false
	for _, r := range p {
		c := string(r)
		switch {
		case c == esc && !afterEscape:
			b.WriteByte('\\')
			afterEscape = true
		case c == `\`:
			b.WriteByte('\\')
			if !afterEscape {
				b.WriteByte('\\')
			}
			afterEscape = false
		default:
			b.WriteString(c)
			afterEscape = false
		}
	}
	return str(b.String())
}
