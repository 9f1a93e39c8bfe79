package parse

import (
	"strconv"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// Fingerprint is one number for all statements that have the same normal form, the same on every node and in every run; letter
// case does not count outside of quotes. The statement has been parsed. Safe for concurrent use.
func Fingerprint(text string) uint64 {
	n := normalizers.Get().(*normalizer)
	defer normalizers.Put(n)
	if !n.run(text) {
		return xxhash.Sum64String(text)
	}
	return n.hash()
}

// Normalize takes the constants out of a statement that has been parsed, as PostgreSQL's pg_stat_statements does: $n stands in
// the place of each, counted on from the highest parameter; white space and comments are one space. Of a list of constants,
// and of rows of them, the first stands for all: IN (1, 2, 3) is IN ($1, ...). Safe for concurrent use.
func Normalize(text string) string {
	n := normalizers.Get().(*normalizer)
	defer normalizers.Put(n)
	if !n.run(text) {
		return text
	}
	return n.text()
}

var normalizers = sync.Pool{New: func() any { return new(normalizer) }}

// piece is a token of the normal form, or what was folded into one.
type piece struct {
	text  string // as shown; empty for a constant
	fold  string // as hashed
	space bool   // something stood between it and the token before
	// constant is set for a constant, a list of them, and a row of them in brackets.
	constant bool
	more     bool // it stands for several
}

type normalizer struct {
	src    string
	params int
	last   int32 // end of the token before
	out    []piece
	digest xxhash.Digest
}

// run makes the pieces, and reports whether the text could be read.
func (n *normalizer) run(text string) bool {
	p := getParser()
	defer putParser(p)
	p.src = text
	if p.lexer.run() != nil {
		return false
	}
	clear(n.out[:cap(n.out)]) // what it holds of another text
	*n = normalizer{src: text, out: n.out[:0]}
	if cap(n.out) > tokensKept {
		n.out = nil
	}
	for i := range p.toks {
		n.params = max(n.params, int(p.toks[i].num))
	}
	for i := range p.toks {
		if p.toks[i].kind != tEOF {
			n.add(&p.toks[i])
		}
	}
	return true
}

func (n *normalizer) add(t *token) {
	p := piece{text: n.src[t.start:t.end], fold: t.text, space: t.start > n.last && len(n.out) > 0}
	n.last = t.end
	switch t.kind {
	case tInt, tDecimal, tString, tBit:
		p.constant, p.text, p.fold = true, "", ""
	default:
		if p.fold == "" {
			p.fold = p.text
		}
	}
	n.out = append(n.out, p)
	n.foldSign()
	n.foldRow()
	n.foldList()
}

func (n *normalizer) at(back int) *piece {
	if back >= len(n.out) {
		return &piece{}
	}
	return &n.out[len(n.out)-1-back]
}

func (n *normalizer) is(back int, text string) bool {
	p := n.at(back)
	return !p.constant && p.text == text
}

// foldSign makes one constant of a sign and a number where nothing but a constant can stand: -1 is one.
func (n *normalizer) foldSign() {
	if n.at(0).constant && n.is(1, "-") && n.operand(2) {
		c := *n.at(0)
		c.space = n.at(1).space
		n.out = append(n.out[:len(n.out)-2], c)
	}
}

// operand reports whether a value begins behind a piece: a bracket, a comma, an operator.
func (n *normalizer) operand(back int) bool {
	p := n.at(back)
	return !p.constant && len(p.text) > 0 && strings.IndexByte("(,=<>+-*/%", p.text[len(p.text)-1]) >= 0
}

// foldRow makes one constant of a row of constants in brackets that follows another one: VALUES (1, 2), (3, 4).
func (n *normalizer) foldRow() {
	if n.is(0, ")") && n.at(1).constant && n.is(2, "(") && n.is(3, ",") && n.is(4, ")") && n.at(5).constant && n.is(6, "(") {
		n.out = n.out[:len(n.out)-4]
		n.at(0).more = true
	}
}

// foldList makes one constant of two with a comma between them, in the list of IN or in a row.
func (n *normalizer) foldList() {
	if n.at(0).constant && n.is(1, ",") && n.at(2).constant && (n.at(2).more || n.is(3, "(") && n.beginsList(4)) {
		n.out = n.out[:len(n.out)-2]
		n.at(0).more = true
	}
}

// beginsList reports whether a bracket that follows is one of IN, of VALUES, or of another row.
func (n *normalizer) beginsList(back int) bool {
	p := n.at(back)
	return !p.constant && (p.fold == "in" || p.fold == "values" || p.text == "," && n.is(back+1, ")"))
}

// What stands in the hash for a constant, for more of the same, and between pieces.
var (
	hashConstant = []byte{1}
	hashMore     = []byte{2}
	hashEnd      = []byte{0}
)

func (n *normalizer) hash() uint64 {
	n.digest.Reset()
	for i := range n.out {
		p := &n.out[i]
		if p.constant {
			_, _ = n.digest.Write(hashConstant) // a digest takes everything
		}
		if p.more {
			_, _ = n.digest.Write(hashMore)
		}
		_, _ = n.digest.WriteString(p.fold)
		_, _ = n.digest.Write(hashEnd)
	}
	return n.digest.Sum64()
}

func (n *normalizer) text() string {
	var b strings.Builder
	next := n.params
	for i := range n.out {
		p := &n.out[i]
		if p.space {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
		if p.constant {
			next++
			b.WriteString("$" + strconv.Itoa(next))
		}
		if p.more {
			b.WriteString(", ...")
		}
	}
	return b.String()
}
