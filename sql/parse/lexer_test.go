package parse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// TestLexer shows the tokens of PostgreSQL's lexical corners: kind letter and text.
func TestLexer(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`Foo "Foo" _x é a$1 É`, `i:foo q:Foo i:_x i:é i:a$1 i:É`},
		{`select SELECT "select"`, `k:select k:select q:select`},
		{`1 1.5 .5 5. 1e10 1.5E-3 1..10`, `n:1 d:1.5 d:.5 d:5. d:1e10 d:1.5E-3 n:1 o:.. n:10`},
		{`'a' 'it''s' E'a\n\x41\101\u00e9\\' U&'\0061\+000062' U&'!0061' uescape '!'`, "s:a s:it's s:a\nAAé\\ s:ab s:a"},
		{`E'\uD83D\uDE00' U&"d\0061t" N'x'`, `s:😀 q:dat s:x`},
		{"'a'\n  'b' 'c'", `s:ab s:c`},
		{"'a' -- not this way\n 'b'", `s:a s:b`},
		{`$$it's$$ $tag$a $$ b$tag$ $$$$`, `s:it's s:a $$ b s:`},
		{`B'101' x'1F'`, `b:b101 b:x1F`},
		{`$1 $65535`, `p:$1 p:$65535`},
		{`a--b` + "\n" + `c/* x /* y */ z */d`, `i:a i:c i:d`},
		{`2--1`, `n:2`},
		{`a+-b a@-b a<-b a- -b a*-1 a=-1`, `i:a o:+ o:- i:b i:a o:@- i:b i:a o:< o:- i:b i:a o:- o:- i:b i:a o:* o:- n:1 i:a o:= o:- n:1`},
		{`a->>b a#>b a!=b a<>b a<=b a=>b a:=b a::b a||b`,
			`i:a o:->> i:b i:a o:#> i:b i:a o:<> i:b i:a o:<> i:b i:a o:<= i:b i:a o:=> i:b i:a o::= i:b i:a o::: i:b i:a o:|| i:b`},
		{`a/**/+/**/b a+/*x*/b`, `i:a o:+ i:b i:a o:+ i:b`},
		{`a ? b ?| c`, `i:a o:? i:b o:?| i:c`},
		{`[1:2] (a).b;`, `o:[ n:1 o:: n:2 o:] o:( i:a o:) o:. i:b o:;`},
		{`a\`, `error 42601 syntax error at or near "\" at 2`},
		{`'abc`, `error 42601 unterminated quoted string at or near "'abc" at 1`},
		{`x E'a\`, `error 42601 unterminated quoted string at or near "E'a\" at 3`},
		{`é "abc`, `error 42601 unterminated quoted identifier at or near ""abc" at 3`},
		{`$a$ x`, `error 42601 unterminated dollar-quoted string at or near "$a$ x" at 1`},
		{`/* a /* b */`, `error 42601 unterminated /* comment at or near "/* a /* b */" at 1`},
		{`B'1`, `error 42601 unterminated bit string literal at or near "B'1" at 1`},
		{`""`, `error 42601 zero-length delimited identifier at or near """" at 1`},
		{`1a`, `error 42601 trailing junk after numeric literal at or near "1a" at 1`},
		{`1_000`, `error 42601 trailing junk after numeric literal at or near "1_" at 1`},
		{`$1a`, `error 42601 trailing junk after parameter at or near "$1a" at 1`},
		{`$0`, `error 42P02 there is no parameter $0 at 1`},
		{`$65536`, `error 42P02 there is no parameter $65536 at 1`},
		{`E'\ud800x'`, `error 42601 invalid Unicode surrogate pair at 9`},
		{`E'\xff'`, `error 22021 invalid byte sequence for encoding "UTF8": 0xff at 1`},
		{`E'\000'`, `error 22021 invalid byte sequence for encoding "UTF8": 0x00 at 3`},
		{strings.Repeat("@", 70), `error 42601 operator too long at or near "` + strings.Repeat("@", 70) + `" at 1`},
	} {
		if got := lexed(c.in); got != c.want {
			t.Errorf("%q\n\tgot  %s\n\twant %s", c.in, got, c.want)
		}
	}
}

func lexed(in string) string {
	l := &lexer{src: in}
	if err := l.run(); err != nil {
		e := sqlerr.As(err)
		return fmt.Sprintf("error %s %s at %d", e.Code, e.Message, e.Position)
	}
	var out []string
	for _, t := range l.toks[:len(l.toks)-1] {
		letter := "o"
		switch t.kind {
		case tIdent:
			letter = "i"
			if t.quoted {
				letter = "q"
			}
		case tKeyword:
			letter = "k"
		case tInt:
			letter = "n"
		case tDecimal:
			letter = "d"
		case tString:
			letter = "s"
		case tBit:
			letter = "b"
		case tParam:
			letter = "p"
		}
		out = append(out, letter+":"+t.text)
	}
	return strings.Join(out, " ")
}

// TestTruncation proves that long identifiers lose whole characters only and that the client hears of it.
func TestTruncation(t *testing.T) {
	long := strings.Repeat("a", 62) + "éb"
	stmts, err := Parse("SELECT " + long)
	if err != nil {
		t.Fatal(err)
	}
	n := stmts[0].Notices
	if len(n) != 1 || n[0].Code != sqlerr.NameTooLong || n[0].Position != 8 {
		t.Fatalf("notices %v", n)
	}
	if want := `identifier "` + long + `" will be truncated to "` + long[:62] + `"`; n[0].Message != want {
		t.Errorf("%s, want %s", n[0].Message, want)
	}
}

// FuzzLexer proves that every text is cut into tokens that follow one another within it, or refused as a fault of the text.
func FuzzLexer(f *testing.F) {
	for _, s := range []string{"SELECT 'a' E'\\x41' U&'d\\0061' $$x$$ $t$ y $t$", "1.5e-3 .5 1..2 $1 a$b \"q\"\"\" -- c\n /* a /* b */ */ ::", "@-@ <-> !~~* => := X'1F' B'01'", "'a'\n'b'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &lexer{src: text}
		if err := l.run(); err != nil {
			if e := sqlerr.As(err); e.Code == sqlerr.InternalError {
				t.Fatalf("%v\n%q", err, text)
			}
			return
		}
		end := int32(0)
		for i, tok := range l.toks {
			if tok.start < end || tok.end < tok.start || int(tok.end) > len(text) {
				t.Fatalf("token %d is [%d, %d) after %d in %d bytes: %q", i, tok.start, tok.end, end, len(text), text)
			}
			end = tok.end
		}
		if n := len(l.toks); n == 0 || l.toks[n-1].kind != tEOF {
			t.Fatalf("no end: %q", text)
		}
	})
}
