package sqldiff

import "strings"

// node is a piece of a statement. A tree of nodes is what the generator makes and
// what the shrinker cuts.
type node struct {
	// typ is the type of an expression, "" for other syntax.
	typ string
	// optional may be left out without breaking the statement's grammar.
	optional bool
	parts    []part
}

// part is text or a node.
type part struct {
	text string
	sub  *node
}

func makeNode(parts []any) *node {
	n := &node{}
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			n.parts = append(n.parts, part{text: p})
		case *node:
			if p != nil {
				n.parts = append(n.parts, part{sub: p})
			}
		case []*node:
			for _, s := range p {
				n.parts = append(n.parts, part{sub: s})
			}
		}
	}
	return n
}

// syntax is text with nodes in it; a nil node is nothing.
func syntax(parts ...any) *node { return makeNode(parts) }

// optional is syntax that may be left out.
func optional(parts ...any) *node {
	n := makeNode(parts)
	n.optional = true
	return n
}

// expression is syntax with a type.
func expression(typ string, parts ...any) *node {
	n := makeNode(parts)
	n.typ = typ
	return n
}

// list puts commas between nodes. All but the first may be left out.
func list(items []*node) *node {
	l := &node{}
	for i, it := range items {
		if i == 0 {
			l.parts = append(l.parts, part{sub: it})
			continue
		}
		l.parts = append(l.parts, part{sub: optional(", ", it)})
	}
	return l
}

func (n *node) String() string {
	var b strings.Builder
	n.render(&b)
	return b.String()
}

func (n *node) render(b *strings.Builder) {
	for _, p := range n.parts {
		if p.sub != nil {
			p.sub.render(b)
			continue
		}
		b.WriteString(p.text)
	}
}

// size counts the nodes of a tree.
func (n *node) size() int {
	s := 1
	for _, p := range n.parts {
		if p.sub != nil {
			s += p.sub.size()
		}
	}
	return s
}
