package expr

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Patterns that need more than a finite automaton (back references, look-around, \m
// and \M) are matched by trying. Go's parser reads them: what it does not know stands
// there as two runes of a private plane, an opener and one that says which.

const (
	extensionRune = 0x10f600
	// extensionBase plus a place in regexExtensions.
	extensionBase = 0x10f700
	// extensionsMax bounds the extensions of one pattern.
	extensionsMax = 200
)

// Bounds of one search. They are far above what sensible patterns need.
const (
	backtrackStepsMax = 20_000_000
	backtrackDepthMax = 200_000
)

type extensionKind uint8

const (
	backReference extensionKind = iota
	lookAhead
	lookBehind
	wordStart
	wordEnd
)

// regexExtension is one of what Go's syntax has no place for.
type regexExtension struct {
	kind   extensionKind
	negate bool
	group  int            // of a back reference
	inner  *syntax.Regexp // of look-around
}

// backtracker is a compiled pattern. It belongs to one goroutine.
type backtracker struct {
	prog       *syntax.Regexp
	extensions []regexExtension
	groups     int
	fold       bool
	// longest: of the matches at a place the longest counts, not the first.
	longest bool

	text         string
	caps         []int
	steps, depth int
	err          error
}

func errRegexTooComplex() error {
	return sqlerr.New(sqlerr.StatementTooComplex, "regular expression failed: regular expression is too complex")
}

// findAll finds up to n matches (-1: all). Unlike Go's regexp it gives a match of
// nothing right after another match, as PostgreSQL does.
func (b *backtracker) findAll(text string, n int) ([][]int, error) {
	b.text, b.steps, b.depth, b.err = text, 0, 0, nil
	var out [][]int
	for pos := 0; pos <= len(text) && (n < 0 || len(out) < n); {
		m := b.search(pos)
		if b.err != nil {
			return nil, b.err
		}
		if m == nil {
			break
		}
		out = append(out, m)
		if pos = m[1]; m[1] > m[0] {
			continue
		}
		_, w := utf8.DecodeRuneInString(text[pos:])
		pos += max(w, 1)
	}
	return out, nil
}

// search finds the first match from pos on.
func (b *backtracker) search(pos int) []int {
	for at := pos; at <= len(b.text); {
		if m := b.matchAt(at); m != nil || b.err != nil {
			return m
		}
		_, w := utf8.DecodeRuneInString(b.text[at:])
		at += max(w, 1)
	}
	return nil
}

func (b *backtracker) matchAt(at int) []int {
	b.caps = make([]int, 2*b.groups+2)
	for i := range b.caps {
		b.caps[i] = -1
	}
	var best []int
	b.match(b.prog, at, func(end int) bool {
		if best == nil || end > best[1] {
			best = append(best[:0], b.caps...)
			best[0], best[1] = at, end
		}
		return !b.longest || end == len(b.text)
	})
	return best
}

// match tries node at pos and calls k with each end it can have, until k returns
// true.
func (b *backtracker) match(re *syntax.Regexp, pos int, k func(int) bool) bool {
	if b.steps++; b.steps > backtrackStepsMax || b.depth > backtrackDepthMax {
		b.err = errRegexTooComplex()
	}
	if b.err != nil {
		return true
	}
	b.depth++
	defer func() { b.depth-- }()
	switch re.Op {
	case syntax.OpEmptyMatch:
		return k(pos)
	case syntax.OpLiteral:
		return b.literal(re, re.Rune, pos, k)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		if w := b.one(re, pos); w > 0 {
			return k(pos + w)
		}
		return false
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return b.assertion(re.Op, pos) && k(pos)
	case syntax.OpCapture:
		from, to := b.caps[2*re.Cap], b.caps[2*re.Cap+1]
		if b.match(re.Sub[0], pos, func(end int) bool {
			f, t := b.caps[2*re.Cap], b.caps[2*re.Cap+1]
			b.caps[2*re.Cap], b.caps[2*re.Cap+1] = pos, end
			if k(end) {
				return true
			}
			b.caps[2*re.Cap], b.caps[2*re.Cap+1] = f, t
			return false
		}) {
			return true
		}
		b.caps[2*re.Cap], b.caps[2*re.Cap+1] = from, to
		return false
	case syntax.OpStar:
		return b.repeat(re, 0, -1, pos, k)
	case syntax.OpPlus:
		return b.repeat(re, 1, -1, pos, k)
	case syntax.OpQuest:
		return b.repeat(re, 0, 1, pos, k)
	case syntax.OpRepeat:
		return b.repeat(re, re.Min, re.Max, pos, k)
	case syntax.OpConcat:
		return b.concat(re.Sub, pos, k)
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if b.match(s, pos, k) {
				return true
			}
		}
	}
	return false
}

func (b *backtracker) concat(list []*syntax.Regexp, pos int, k func(int) bool) bool {
	if len(list) == 0 {
		return k(pos)
	}
	return b.match(list[0], pos, func(end int) bool { return b.concat(list[1:], end, k) })
}

// repeat matches re's operand from least to most times (-1: without bound).
func (b *backtracker) repeat(re *syntax.Regexp, least, most, pos int, k func(int) bool) bool {
	sub := re.Sub[0]
	if sub.Op == syntax.OpCharClass || sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL {
		return b.repeatOne(re, least, most, pos, k)
	}
	if most == 0 {
		return k(pos)
	}
	again := func() bool {
		return b.match(sub, pos, func(end int) bool {
			if end == pos && least <= 0 {
				return false // an empty round leads nowhere
			}
			return b.repeat(re, least-1, max(most-1, -1), end, k)
		})
	}
	if least > 0 {
		return again()
	}
	if re.Flags&syntax.NonGreedy != 0 {
		return k(pos) || again()
	}
	return again() || k(pos)
}

// repeatOne is repeat for single characters, without depth.
func (b *backtracker) repeatOne(re *syntax.Regexp, least, most, pos int, k func(int) bool) bool {
	lazy := re.Flags&syntax.NonGreedy != 0
	ends := []int{pos}
	for n := 0; ; n++ {
		at := ends[len(ends)-1]
		if lazy && n >= least && k(at) {
			return true
		}
		w := 0
		if n != most {
			w = b.one(re.Sub[0], at)
		}
		if w == 0 {
			break
		}
		ends = append(ends, at+w)
		if b.steps++; b.steps > backtrackStepsMax {
			b.err = errRegexTooComplex()
			return true
		}
	}
	if lazy {
		return false
	}
	for n := len(ends) - 1; n >= least; n-- {
		if k(ends[n]) {
			return true
		}
	}
	return false
}

// one is the width of the character at pos if it belongs to a class, else 0.
func (b *backtracker) one(re *syntax.Regexp, pos int) int {
	if pos >= len(b.text) {
		return 0
	}
	r, w := utf8.DecodeRuneInString(b.text[pos:])
	switch {
	case re.Op == syntax.OpAnyChar, re.Op == syntax.OpAnyCharNotNL && r != '\n':
		return w
	case re.Op == syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if r >= re.Rune[i] && r <= re.Rune[i+1] {
				return w
			}
		}
	}
	return 0
}

// literal matches runes, among which extensions stand.
func (b *backtracker) literal(re *syntax.Regexp, runes []rune, pos int, k func(int) bool) bool {
	for i := 0; i < len(runes); i++ {
		if runes[i] == extensionRune && i+1 < len(runes) {
			x := &b.extensions[runes[i+1]-extensionBase]
			end, ok := b.extension(x, pos)
			if !ok {
				return false
			}
			pos = end
			i++
			continue
		}
		if pos >= len(b.text) {
			return false
		}
		r, w := utf8.DecodeRuneInString(b.text[pos:])
		if r != runes[i] && (re.Flags&syntax.FoldCase == 0 || !sameFold(r, runes[i])) {
			return false
		}
		pos += w
	}
	return k(pos)
}

func sameFold(a, b rune) bool {
	for f := unicode.SimpleFold(a); f != a; f = unicode.SimpleFold(f) {
		if f == b {
			return true
		}
	}
	return false
}

// extension matches one at pos and returns its end.
func (b *backtracker) extension(x *regexExtension, pos int) (end int, ok bool) {
	switch x.kind {
	case backReference:
		from, to := b.caps[2*x.group], b.caps[2*x.group+1]
		if from < 0 || pos+to-from > len(b.text) {
			return 0, false
		}
		want, have := b.text[from:to], b.text[pos:pos+to-from]
		return pos + to - from, want == have || b.fold && strings.EqualFold(want, have)
	case lookAhead:
		found := b.match(x.inner, pos, func(int) bool { return true })
		return pos, found != x.negate
	case lookBehind:
		found := false
		for at := pos; at >= 0 && !found; at-- {
			if at < len(b.text) && !utf8.RuneStart(b.text[at]) {
				continue
			}
			found = b.match(x.inner, at, func(end int) bool { return end == pos })
		}
		return pos, found != x.negate
	}
	before, after := b.wordAt(pos)
	return pos, before != after && after == (x.kind == wordStart)
}

// wordAt tells whether there are word characters before and behind pos.
func (b *backtracker) wordAt(pos int) (before, after bool) {
	if pos > 0 {
		r, _ := utf8.DecodeLastRuneInString(b.text[:pos])
		before = isWordRune(r)
	}
	if pos < len(b.text) {
		r, _ := utf8.DecodeRuneInString(b.text[pos:])
		after = isWordRune(r)
	}
	return before, after
}

func isWordRune(r rune) bool { return r < 0x80 && isWordByte(byte(r)) }

func (b *backtracker) assertion(op syntax.Op, pos int) bool {
	switch op {
	case syntax.OpBeginText:
		return pos == 0
	case syntax.OpEndText:
		return pos == len(b.text)
	case syntax.OpBeginLine:
		return pos == 0 || b.text[pos-1] == '\n'
	case syntax.OpEndLine:
		return pos == len(b.text) || b.text[pos] == '\n'
	}
	before, after := b.wordAt(pos)
	return (before != after) == (op == syntax.OpWordBoundary)
}

// regexMatcher is a compiled pattern: an automaton where that can do it.
type regexMatcher struct {
	re   *regexp.Regexp // nil if back is set
	back *backtracker
	// empty finds matches of nothing that Go's regexp leaves out; nil if the pattern
	// has none.
	empty *backtracker
}

// findAll finds up to n matches (-1: all), as byte offsets of the whole and of the
// groups.
func (m *regexMatcher) findAll(s string, n int) ([][]int, error) {
	if m.back != nil {
		return m.back.findAll(s, n)
	}
	all := m.re.FindAllStringSubmatchIndex(s, n)
	if m.empty == nil || n == 1 {
		return all, nil
	}
	return m.withEmpty(s, all, n)
}

// withEmpty puts in the matches of nothing that stand right behind another match.
func (m *regexMatcher) withEmpty(s string, all [][]int, n int) ([][]int, error) {
	b := m.empty
	b.text, b.steps, b.depth, b.err = s, 0, 0, nil
	var out [][]int
	for i, x := range all {
		out = append(out, x)
		if x[1] == x[0] || i+1 < len(all) && all[i+1][0] == x[1] {
			continue
		}
		if e := b.matchAt(x[1]); e != nil {
			out = append(out, e)
		}
		if b.err != nil {
			return nil, b.err
		}
	}
	if n >= 0 && len(out) > n {
		out = out[:n]
	}
	return out, nil
}

// nullable reports whether a pattern may match nothing.
func nullable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpPlus, syntax.OpCapture:
		return nullable(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || nullable(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if !nullable(s) {
				return false
			}
		}
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if nullable(s) {
				return true
			}
		}
		return false
	}
	return true
}

// find is the first match, nil for none.
func (m *regexMatcher) find(s string) ([]int, error) {
	if m.back == nil {
		return m.re.FindStringSubmatchIndex(s), nil
	}
	all, err := m.back.findAll(s, 1)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (m *regexMatcher) matches(s string) (bool, error) {
	if m.back == nil {
		return m.re.MatchString(s), nil
	}
	first := *m.back
	first.longest = false
	all, err := first.findAll(s, 1)
	return len(all) > 0, err
}

func (m *regexMatcher) groups() int {
	if m.back != nil {
		return m.back.groups
	}
	return m.re.NumSubexp()
}
