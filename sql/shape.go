package sql

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// Clients of the simple protocol send the same statement again and again with other
// numbers in it. A session keeps the plans of such statements by their shape: the text
// with parameters in the place of the numbers. Only numbers are taken out that are of
// type integer wherever they stand and whose value no plan depends on: those behind an
// operator and those of VALUES, in statements without a clause in which a number means
// a column or a count. And only plans are kept that touch one row by its key, or insert
// rows: no statistics could make a better one for some number. Everything else takes
// the ordinary way, errors of parsing and planning too, which know their places.

const (
	// shapesMax bounds the shapes that a session keeps.
	shapesMax = 32
	// shapeBytesMax and shapeParamsMax bound a statement that has a shape.
	shapeBytesMax  = 1 << 10
	shapeParamsMax = 64
	// shapeDigitsMax keeps numbers within four bytes.
	shapeDigitsMax = 9
)

// errNoShape says that a statement has to take the ordinary way. Nothing was done.
var errNoShape = errors.New("no plan by shape")

// shapes is what a session knows of shapes. It belongs to the session's goroutine.
type shapes struct {
	known map[string]*shaped
	text  []byte  // of the present statement, reused
	nums  []int32 // its numbers, reused
}

// shaped is a shape that was seen.
type shaped struct {
	seen int       // how often, until it is prepared
	prep *prepared // nil: not yet, or refused for good
	bad  bool
}

// unshapely are the words that no statement with a shape has: behind some of them a
// number is no value, others only make it longer to see that it is one.
var unshapely = map[string]bool{
	"all": true, "any": true, "array": true, "by": true, "case": true, "cast": true, "distinct": true, "except": true,
	"fetch": true, "for": true, "group": true, "having": true, "intersect": true, "interval": true, "limit": true,
	"of": true, "offset": true, "on": true, "order": true, "over": true, "overlay": true, "position": true, "returning": true,
	"some": true, "substring": true, "trim": true, "union": true, "using": true, "window": true, "with": true,
}

// of finds the shape of a text and leaves it in text and nums.
func (h *shapes) of(text string) bool {
	h.text, h.nums = h.text[:0], h.nums[:0]
	if len(text) > shapeBytesMax {
		return false
	}
	var (
		last   byte // of what came before, without white space
		values bool // VALUES was read
		words  int
		depth  int
	)
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			h.text = append(h.text, c)
			i++
			continue
		case isLetter(c):
			j := i + 1
			for j < len(text) && (isLetter(text[j]) || isDigitByte(text[j])) {
				j++
			}
			word := text[i:j]
			if j < len(text) && text[j] == '\'' || !h.shapely(word, &words, &values) {
				return false
			}
			h.text = append(h.text, word...)
			i, last = j, 'a'
			continue
		case isDigitByte(c):
			j := i + 1
			for j < len(text) && isDigitByte(text[j]) {
				j++
			}
			isValue := strings.IndexByte("=<>+-", last) >= 0 || values && depth == 1 && (last == ',' || last == '(')
			if !isValue || j-i > shapeDigitsMax || j < len(text) && (isLetter(text[j]) || text[j] == '.') || len(h.nums) == shapeParamsMax {
				return false
			}
			n, err := strconv.ParseInt(text[i:j], 10, 32)
			if err != nil {
				return false
			}
			h.nums = append(h.nums, int32(n))
			h.text = strconv.AppendInt(append(h.text, '$'), int64(len(h.nums)), 10)
			i, last = j, '0'
			continue
		case c == '\'':
			j := i + 1
			for j < len(text) && text[j] != '\'' && text[j] != '\\' {
				j++
			}
			if j >= len(text)-1 || text[j] == '\\' || text[j+1] == '\'' {
				return false
			}
			h.text = append(h.text, text[i:j+1]...)
			i, last = j+1, '\''
			continue
		case c == '-' && i+1 < len(text) && text[i+1] == '-', strings.IndexByte("(),.;=<>+-*", c) < 0:
			return false
		case c == ';' && strings.TrimRight(text[i+1:], " \n\t") != "":
			return false
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		h.text = append(h.text, c)
		i, last = i+1, c
	}
	return words > 0 && len(h.nums) > 0
}

// shapely looks at the next word.
func (h *shapes) shapely(word string, words *int, values *bool) bool {
	var buf [10]byte // longer words are not among those that count
	if len(word) <= len(buf) {
		low := buf[:len(word)]
		for i := range low {
			low[i] = word[i] | 0x20 // letters to lower case; digits and _ become no letters
		}
		if unshapely[string(low)] {
			return false
		}
		switch string(low) {
		case "values":
			*values = true
		case "select", "insert", "update", "delete":
			if *words > 0 {
				return false
			}
			*words++
			return true
		}
	}
	*words++
	return *words > 1
}

func isLetter(c byte) bool    { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isDigitByte(c byte) bool { return '0' <= c && c <= '9' }

// find returns the prepared statement of a text's shape, and the values of its
// parameters. It is nil for the first time, and if the text has none.
func (h *shapes) find(text string) *shaped {
	if !h.of(text) {
		return nil
	}
	k := h.known[string(h.text)]
	if k == nil {
		if h.known == nil {
			h.known = map[string]*shaped{}
		}
		for name := range h.known { // any
			if len(h.known) < shapesMax {
				break
			}
			delete(h.known, name)
		}
		h.known[string(h.text)] = &shaped{seen: 1}
		return nil
	}
	if k.prep == nil && !k.bad {
		k.prepare(text, string(h.text), len(h.nums))
	}
	if k.bad {
		return nil
	}
	return k
}

// prepare parses a shape. first is a text that has it: the statistics of statements know
// it by that.
func (k *shaped) prepare(first, shape string, params int) {
	list, err := parse.Parse(shape)
	if err != nil || len(list) != 1 || len(list[0].Notices) > 0 || list[0].NumParams != params {
		k.bad = true
		return
	}
	switch list[0].AST.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete:
	default:
		k.bad = true
		return
	}
	k.prep = &prepared{text: shape, body: strings.TrimRight(strings.TrimSpace(first), "; \n\t"), stmt: list[0].AST, simple: true, shape: true, declared: make([]types.Type, params)}
	for i := range k.prep.declared {
		k.prep.declared[i] = types.Int4
	}
}

// execShaped runs a text by the plan of its shape. ran is false, and nothing was done, if
// that is not possible.
func (s *Session) execShaped(ctx context.Context, text string, w pgwire.ResultWriter) (ran bool, err error) {
	if s.status == pgwire.TxFailed {
		return false, nil
	}
	k := s.shapes.find(text)
	if k == nil {
		return false, nil
	}
	params := make([]types.Datum, len(s.shapes.nums))
	for i, n := range s.shapes.nums {
		params[i] = types.NewInt(int64(n))
	}
	k.prep.shown = text
	outside := s.tx == nil
	err = s.simpleStatement(ctx, k.prep, params, w, true, true)
	if errors.Is(err, errNoShape) {
		k.bad, k.prep = true, nil
		if outside {
			s.abort(ctx) // begun for this statement
		}
		return false, nil
	}
	return true, err
}

// keepsShape reports whether the plan of a shape is as good for all numbers.
func keepsShape(p *prepared) bool {
	pl := p.plan
	if len(pl.Modifying) > 0 || pl.Doomed != nil || len(pl.Params) != len(p.declared) {
		return false
	}
	for i, t := range pl.Params {
		if t.OID != p.declared[i].OID {
			return false
		}
	}
	for _, n := range pl.Needs {
		if n.Schema { // it knows its place in the text
			return false
		}
	}
	return touchesOneRow(pl.Root)
}

func touchesOneRow(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan:
		if !n.Point() {
			return false
		}
		for _, set := range n.Access.Eq {
			if len(set.List) != 1 || set.Array != nil {
				return false
			}
		}
		return true
	case *plan.Project:
		return touchesOneRow(n.Input)
	case *plan.Filter:
		return touchesOneRow(n.Input)
	case *plan.Update:
		return touchesOneRow(n.Input)
	case *plan.Delete:
		return touchesOneRow(n.Input)
	case *plan.Insert:
		return n.Conflict == nil && onlyValues(n.Input)
	}
	return false
}

func onlyValues(n plan.Node) bool {
	if p, ok := n.(*plan.Project); ok {
		n = p.Input
	}
	_, ok := n.(*plan.Values)
	return ok
}
