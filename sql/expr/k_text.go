package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// textMax bounds a text that a function builds, as PostgreSQL's MaxAllocSize
// does.
const textMax = 1<<30 - 1

func str(s string) (datum, error) { return types.NewString(s), nil }

func errTextTooLong() error {
	return sqlerr.New(sqlerr.ProgramLimitExceeded, "requested length too large")
}

func (k kernels) texts() {
	text1 := func(sigs string, f func(string) string) {
		k.f1(sigs, func(_ *EvalContext, a datum) (datum, error) { return str(f(a.Str())) })
	}
	k.f1("length(text) char_length(text) character_length(text) textlen(text)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(utf8.RuneCountInString(a.Str()))), nil
	})
	k.f1("length(bpchar) char_length(bpchar) character_length(bpchar)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(utf8.RuneCountInString(strings.TrimRight(a.Str(), " ")))), nil
	})
	k.f1("octet_length(text) octet_length(bpchar) octet_length(bytea) length(bytea)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(len(a.Str()))), nil
	})
	k.f1("bit_length(text) bit_length(bytea)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(8 * int64(len(a.Str()))), nil
	})
	// In the C locale only the ASCII letters have case.
	text1("lower(text)", func(s string) string { return mapASCII(s, 'A', 'Z') })
	text1("upper(text)", func(s string) string { return mapASCII(s, 'a', 'z') })
	text1("initcap(text)", initcap)
	text1("reverse(text)", func(s string) string {
		r := []rune(s)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return string(r)
	})
	k.f2("textcat(text,text) byteacat(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) {
		if len(a.Str())+len(b.Str()) > textMax {
			return types.Null, errTextTooLong()
		}
		return str(a.Str() + b.Str())
	})
	k.fn("textanycat(text,anynonarray)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		return str(a[0].Str() + castText(a[1], sig.Args[1], ctx))
	})
	k.fn("anytextcat(anynonarray,text)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		return str(castText(a[0], sig.Args[0], ctx) + a[1].Str())
	})
	k.f2("substring(text,int4) substr(text,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		return str(substr(a.Str(), b.Int(), -1, true))
	})
	k.f2("substring(bytea,int4) substr(bytea,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		return str(substr(a.Str(), b.Int(), -1, false))
	})
	sub := func(chars bool) funcN {
		return func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
			if a[2].Int() < 0 {
				return types.Null, sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
			}
			return str(substr(a[0].Str(), a[1].Int(), a[2].Int(), chars))
		}
	}
	k.fn("substring(text,int4,int4) substr(text,int4,int4)", sub(true))
	k.fn("substring(bytea,int4,int4) substr(bytea,int4,int4)", sub(false))
	overlay := func(chars bool) funcN {
		return func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
			s, with, from := a[0].Str(), a[1].Str(), a[2].Int()
			n := int64(len(with))
			if chars {
				n = int64(utf8.RuneCountInString(with))
			}
			if len(a) == 4 {
				n = a[3].Int()
			}
			if from <= 0 {
				return types.Null, sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
			}
			return str(substr(s, 1, from-1, chars) + with + substr(s, from+n, -1, chars))
		}
	}
	k.fn("overlay(text,text,int4) overlay(text,text,int4,int4)", overlay(true))
	k.fn("overlay(bytea,bytea,int4) overlay(bytea,bytea,int4,int4)", overlay(false))
	k.f2("position(text,text) strpos(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		i := strings.Index(a.Str(), b.Str())
		if i < 0 {
			return types.NewInt(0), nil
		}
		return types.NewInt(int64(utf8.RuneCountInString(a.Str()[:i])) + 1), nil
	})
	k.f2("position(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewInt(int64(strings.Index(a.Str(), b.Str())) + 1), nil
	})
	k.f2("left(text,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		n := b.Int()
		if n < 0 {
			n = max(0, int64(utf8.RuneCountInString(a.Str()))+n)
		}
		return str(substr(a.Str(), 1, n, true))
	})
	k.f2("right(text,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		have := int64(utf8.RuneCountInString(a.Str()))
		n := b.Int()
		if n < 0 {
			return str(substr(a.Str(), 1-n, -1, true))
		}
		return str(substr(a.Str(), max(1, have-n+1), -1, true))
	})
	pad := func(left bool) funcN {
		return func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
			fill := " "
			if len(a) == 3 {
				fill = a[2].Str()
			}
			return padText(a[0].Str(), a[1].Int(), fill, left)
		}
	}
	k.fn("lpad(text,int4) lpad(text,int4,text)", pad(true))
	k.fn("rpad(text,int4) rpad(text,int4,text)", pad(false))
	trim := func(name string, f func(s, cut string) string) {
		k.f1(name+"(text)", func(_ *EvalContext, a datum) (datum, error) { return str(f(a.Str(), " ")) })
		k.f2(name+"(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
			if b.Str() == "" {
				return a, nil
			}
			return str(f(a.Str(), b.Str()))
		})
	}
	trim("btrim", strings.Trim)
	trim("ltrim", strings.TrimLeft)
	trim("rtrim", strings.TrimRight)
	k.f2("btrim(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) {
		s, cut := a.Str(), b.Str()
		for s != "" && strings.IndexByte(cut, s[0]) >= 0 {
			s = s[1:]
		}
		for s != "" && strings.IndexByte(cut, s[len(s)-1]) >= 0 {
			s = s[:len(s)-1]
		}
		return str(s)
	})
	k.fn("replace(text,text,text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		s, old, new := a[0].Str(), a[1].Str(), a[2].Str()
		if s == "" || old == "" {
			return a[0], nil
		}
		if n := strings.Count(s, old); int64(len(s))+int64(n)*int64(len(new)-len(old)) > textMax {
			return types.Null, errTextTooLong()
		}
		return str(strings.ReplaceAll(s, old, new))
	})
	k.fn("translate(text,text,text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		from, to := []rune(a[1].Str()), []rune(a[2].Str())
		return str(strings.Map(func(r rune) rune {
			for i, f := range from {
				if f == r {
					if i < len(to) {
						return to[i]
					}
					return -1
				}
			}
			return r
		}, a[0].Str()))
	})
	k.f2("repeat(text,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		n := max(0, b.Int())
		if n*int64(len(a.Str())) > textMax {
			return types.Null, errTextTooLong()
		}
		return str(strings.Repeat(a.Str(), int(n)))
	})
	k.fn("split_part(text,text,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		s, sep, n := a[0].Str(), a[1].Str(), a[2].Int()
		if n == 0 {
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "field position must not be zero")
		}
		if s == "" {
			return str("")
		}
		parts := []string{s}
		if sep != "" {
			parts = strings.Split(s, sep)
		}
		if n < 0 {
			n += int64(len(parts)) + 1
		}
		if n < 1 || n > int64(len(parts)) {
			return str("")
		}
		return str(parts[n-1])
	})
	k.f2("starts_with(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(strings.HasPrefix(a.Str(), b.Str())), nil
	})
	k.f1("ascii(text)", func(_ *EvalContext, a datum) (datum, error) {
		if a.Str() == "" {
			return types.NewInt(0), nil
		}
		r, _ := utf8.DecodeRuneInString(a.Str())
		return types.NewInt(int64(r)), nil
	})
	k.f1("chr(int4)", func(_ *EvalContext, a datum) (datum, error) {
		n := a.Int()
		switch {
		case n == 0:
			return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "null character not permitted")
		case n < 0:
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "character number must be positive")
		case n > unicode.MaxRune:
			return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
		case !utf8.ValidRune(rune(n)):
			return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "requested character not valid for encoding: %d", n)
		}
		return str(string(rune(n)))
	})
	k.fn("concat(any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		return concat(ctx, sig.Args, a, "")
	})
	k.fn("concat_ws(text,any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return types.Null, nil
		}
		return concat(ctx, sig.Args[1:], a[1:], a[0].Str())
	})
	text1("quote_ident(text)", QuoteIdent)
	text1("quote_literal(text)", QuoteLiteral)
	k.fn("quote_literal(anyelement)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		return str(QuoteLiteral(castText(a[0], sig.Args[0], ctx)))
	})
	k.f1("quote_nullable(text)", func(_ *EvalContext, a datum) (datum, error) {
		if a.IsNull() {
			return str("NULL")
		}
		return str(QuoteLiteral(a.Str()))
	})
	k.fn("quote_nullable(anyelement)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		if a[0].IsNull() {
			return str("NULL")
		}
		return str(QuoteLiteral(castText(a[0], sig.Args[0], ctx)))
	})
	k.fn("format(text)", formatText)
	k.fn("format(text,any)", formatText)
	k.f1("text(name)", func(_ *EvalContext, a datum) (datum, error) { return a, nil })
	k.f1("text(bpchar)", func(_ *EvalContext, a datum) (datum, error) { return str(strings.TrimRight(a.Str(), " ")) })
}

// castText is what a cast to text gives: the text form, except that bool is
// spelled out and bpchar loses its blanks.
func castText(d datum, t types.Type, ctx *EvalContext) string {
	switch t.OID {
	case types.OIDBool:
		if d.Bool() {
			return "true"
		}
		return "false"
	case types.OIDBpchar:
		return strings.TrimRight(d.Str(), " ")
	}
	return types.TextOf(d, t, ctx.format())
}

func concat(ctx *EvalContext, ts []types.Type, args []datum, sep string) (datum, error) {
	var b strings.Builder
	first := true
	for i, a := range args {
		if a.IsNull() {
			continue
		}
		if !first {
			b.WriteString(sep)
		}
		first = false
		// concat writes with the output function, unlike ||.
		b.WriteString(types.TextOf(a, ts[i], ctx.format()))
		if b.Len() > textMax {
			return types.Null, errTextTooLong()
		}
	}
	return str(b.String())
}

func mapASCII(s string, lo, hi byte) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= lo && s[i] <= hi {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= lo && b[i] <= hi {
					b[i] ^= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

func initcap(s string) string {
	b := []byte(s)
	inside := false
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' && c < 0x80
		if letter {
			if inside {
				b[i] = c | 0x20
			} else {
				b[i] = c &^ 0x20
			}
		}
		inside = letter || c >= '0' && c <= '9'
	}
	return string(b)
}

// substr returns n characters (or bytes) from the given position on, counted
// from 1; a negative n means up to the end. Positions before the first use up
// the length.
func substr(s string, from, n int64, chars bool) string {
	end := int64(1<<62 - 1)
	if n >= 0 {
		end = from + n
	}
	from = max(from, 1)
	if end <= from {
		return ""
	}
	if !chars {
		size := int64(len(s))
		if from > size {
			return ""
		}
		return s[from-1 : min(end-1, size)]
	}
	start := -1
	at := int64(1)
	for i := range s {
		if at == from {
			start = i
		}
		if at == end {
			return s[start:i]
		}
		at++
	}
	if start < 0 {
		return ""
	}
	return s[start:]
}

func padText(s string, n int64, fill string, left bool) (datum, error) {
	if n <= 0 {
		return str("")
	}
	have := int64(utf8.RuneCountInString(s))
	if have >= n || fill == "" {
		return str(substr(s, 1, n, true))
	}
	if n > textMax/4 {
		return types.Null, errTextTooLong()
	}
	runes := []rune(fill)
	var b strings.Builder
	if !left {
		b.WriteString(s)
	}
	for i := int64(0); i < n-have; i++ {
		b.WriteRune(runes[i%int64(len(runes))])
	}
	if left {
		b.WriteString(s)
	}
	return str(b.String())
}

// formatText is format(): %s, %I and %L with positions, flags and widths.
func formatText(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
	if a[0].IsNull() {
		return types.Null, nil
	}
	f := a[0].Str()
	bad := func(msg string) (datum, error) {
		return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "%s", msg)
	}
	var b strings.Builder
	next := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		i++
		if i >= len(f) {
			return bad("unterminated format() type specifier")
		}
		if f[i] == '%' {
			b.WriteByte('%')
			continue
		}
		number := func() (int, bool) {
			n, j := 0, i
			for j < len(f) && f[j] >= '0' && f[j] <= '9' && n < 1<<24 {
				n = n*10 + int(f[j]-'0')
				j++
			}
			if j == i {
				return 0, false
			}
			i = j
			return n, true
		}
		arg := -1
		start := i
		if n, ok := number(); ok {
			if i < len(f) && f[i] == '$' {
				if n == 0 {
					return bad("format specifies argument 0, but arguments are numbered from 1")
				}
				arg = n
				i++
			} else {
				i = start
			}
		}
		left := false
		for i < len(f) && f[i] == '-' {
			left = true
			i++
		}
		width := 0
		if i < len(f) && f[i] == '*' {
			i++
			from := next
			if n, ok := number(); ok {
				if i >= len(f) || f[i] != '$' {
					return bad("width argument position must be ended by \"$\"")
				}
				i++
				from = n
			} else {
				next++
			}
			if from < 1 || from >= len(a) {
				return bad("too few arguments for format()")
			}
			if !a[from].IsNull() {
				c := &Cast{Arg: &Const{Typ: sig.Args[from]}, To: types.Int4, how: castTextIn}
				w, err := c.apply(ctx, types.NewString(types.TextOf(a[from], sig.Args[from], nil)))
				if err != nil {
					return types.Null, err
				}
				width = int(w.Int())
			}
			if width < 0 {
				left, width = true, -width
			}
		} else if n, ok := number(); ok {
			width = n
		}
		if i >= len(f) {
			return bad("unterminated format() type specifier")
		}
		conv := f[i]
		if conv != 's' && conv != 'I' && conv != 'L' {
			_, n := utf8.DecodeRuneInString(f[i:])
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized format() type specifier \"%s\"", f[i:i+n]).
				WithHint("%s", "For a single \"%\" use \"%%\".")
		}
		if arg < 0 {
			arg = next
			next++
		} else {
			next = arg + 1
		}
		if arg >= len(a) {
			return bad("too few arguments for format()")
		}
		var s string
		switch v := a[arg]; {
		case v.IsNull() && conv == 'I':
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "null values cannot be formatted as an SQL identifier")
		case v.IsNull() && conv == 'L':
			s = "NULL"
		case v.IsNull():
		default:
			s = types.TextOf(v, sig.Args[arg], ctx.format())
			if conv == 'I' {
				s = QuoteIdent(s)
			} else if conv == 'L' {
				s = QuoteLiteral(s)
			}
		}
		fill := ""
		if n := width - utf8.RuneCountInString(s); n > 0 {
			if n > textMax/4 {
				return types.Null, errTextTooLong()
			}
			fill = strings.Repeat(" ", n)
		}
		if left {
			s += fill
		} else {
			s = fill + s
		}
		b.WriteString(s)
	}
	return str(b.String())
}
