package jsonpath

import (
	"math"
	"strconv"
	"strings"
)

// Kind says what a node is.
type Kind uint8

const (
	Null Kind = iota
	String
	Number
	Bool
	And
	Or
	Not
	IsUnknown
	Equal
	NotEqual
	Less
	Greater
	LessOrEqual
	GreaterOrEqual
	Add
	Sub
	Mul
	Div
	Mod
	Plus
	Minus
	StartsWith
	LikeRegex
	Exists
	Root
	Current
	Variable
	Key
	AnyKey     // .*
	AnyArray   // [*]
	IndexArray // [1, 3 to last]
	Any        // .**{2 to 3}
	Filter
	Last
	Type
	Size
	Abs
	Floor
	Ceiling
	Double
	Datetime
	KeyValue
)

// Last level of .** without a bound.
const NoBound = math.MaxUint32

// Node is one item of a path.
type Node struct {
	Kind Kind
	// Text is the value of a string, a number, a variable or a key; the pattern of
	// like_regex.
	Text string
	Bool bool
	// Left and Right are operands. A prefix operator, a filter, exists and like_regex
	// have Left only, datetime() may have it.
	Left, Right *Node
	// Ranges are the subscripts of an array.
	Ranges []Range
	// First and Last bound the levels of Any.
	First, Last uint32
	// Flags are those of like_regex, of "imsxq" in this order.
	Flags string
	// Next is the accessor behind the node, nil for none.
	Next *Node
}

// Range is one subscript, To nil for a single one.
type Range struct{ From, To *Node }

// Path is a parsed path.
type Path struct {
	Root   *Node
	Strict bool
}

// String returns the path as PostgreSQL prints it.
func (p *Path) String() string {
	var w printer
	if p.Strict {
		w.WriteString("strict ")
	}
	w.node(p.Root, false, true)
	return w.String()
}

type printer struct{ strings.Builder }

var operators = map[Kind]string{
	And: "&&", Or: "||", Equal: "==", NotEqual: "!=", Less: "<", Greater: ">", LessOrEqual: "<=", GreaterOrEqual: ">=",
	Add: "+", Sub: "-", Mul: "*", Div: "/", Mod: "%", StartsWith: "starts with", Plus: "+", Minus: "-",
}

var methods = map[Kind]string{
	Type: "type", Size: "size", Abs: "abs", Floor: "floor", Ceiling: "ceiling", Double: "double", KeyValue: "keyvalue",
}

func priority(k Kind) int {
	switch k {
	case Or:
		return 0
	case And:
		return 1
	case Equal, NotEqual, Less, Greater, LessOrEqual, GreaterOrEqual, StartsWith:
		return 2
	case Add, Sub:
		return 3
	case Mul, Div, Mod:
		return 4
	case Plus, Minus:
		return 5
	}
	return 6
}

// node writes a node and its accessors. inKey is set behind another node, brackets
// asks for parentheses around an operator.
func (w *printer) node(n *Node, inKey, brackets bool) {
	open := func() {
		if brackets {
			w.WriteByte('(')
		}
	}
	shut := func() {
		if brackets {
			w.WriteByte(')')
		}
	}
	operand := func(x *Node) { w.node(x, false, priority(x.Kind) <= priority(n.Kind)) }
	dot := func() {
		if inKey {
			w.WriteByte('.')
		}
	}
	switch n.Kind {
	case Null:
		w.WriteString("null")
	case String:
		w.quote(n.Text)
	case Number:
		if n.Next != nil {
			w.WriteString("(" + n.Text + ")")
		} else {
			w.WriteString(n.Text)
		}
	case Bool:
		w.WriteString(strconv.FormatBool(n.Bool))
	case And, Or, Equal, NotEqual, Less, Greater, LessOrEqual, GreaterOrEqual, Add, Sub, Mul, Div, Mod, StartsWith:
		open()
		operand(n.Left)
		w.WriteString(" " + operators[n.Kind] + " ")
		operand(n.Right)
		shut()
	case LikeRegex:
		open()
		operand(n.Left)
		w.WriteString(" like_regex ")
		w.quote(n.Text)
		if n.Flags != "" {
			w.WriteString(" flag \"" + n.Flags + "\"")
		}
		shut()
	case Plus, Minus:
		open()
		w.WriteString(operators[n.Kind])
		operand(n.Left)
		shut()
	case Filter:
		w.WriteString("?(")
		w.node(n.Left, false, false)
		w.WriteByte(')')
	case Not:
		w.WriteString("!(")
		w.node(n.Left, false, false)
		w.WriteByte(')')
	case IsUnknown:
		w.WriteByte('(')
		w.node(n.Left, false, false)
		w.WriteString(") is unknown")
	case Exists:
		w.WriteString("exists (")
		w.node(n.Left, false, false)
		w.WriteByte(')')
	case Current:
		w.WriteByte('@')
	case Root:
		w.WriteByte('$')
	case Variable:
		w.WriteByte('$')
		w.quote(n.Text)
	case Last:
		w.WriteString("last")
	case Key:
		dot()
		w.quote(n.Text)
	case AnyKey:
		dot()
		w.WriteByte('*')
	case AnyArray:
		w.WriteString("[*]")
	case IndexArray:
		w.subscripts(n)
	case Any:
		dot()
		w.levels(n)
	case Datetime:
		w.WriteString(".datetime(")
		if n.Left != nil {
			w.node(n.Left, false, false)
		}
		w.WriteByte(')')
	default:
		w.WriteString("." + methods[n.Kind] + "()")
	}
	if n.Next != nil {
		w.node(n.Next, true, true)
	}
}

func (w *printer) subscripts(n *Node) {
	w.WriteByte('[')
	for i, r := range n.Ranges {
		if i > 0 {
			w.WriteByte(',')
		}
		w.node(r.From, false, false)
		if r.To != nil {
			w.WriteString(" to ")
			w.node(r.To, false, false)
		}
	}
	w.WriteByte(']')
}

func (w *printer) levels(n *Node) {
	level := func(v uint32) string {
		if v == NoBound {
			return "last"
		}
		return strconv.FormatUint(uint64(v), 10)
	}
	w.WriteString("**")
	switch {
	case n.First == 0 && n.Last == NoBound:
	case n.First == n.Last:
		w.WriteString("{" + level(n.First) + "}")
	default:
		w.WriteString("{" + level(n.First) + " to " + level(n.Last) + "}")
	}
}

// quote writes a string as JSON does.
func (w *printer) quote(s string) {
	const hex = "0123456789abcdef"
	w.WriteByte('"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if at := strings.IndexByte("\"\\\b\f\n\r\t", c); at >= 0 {
			w.WriteByte('\\')
			w.WriteByte("\"\\bfnrt"[at])
		} else if c < ' ' {
			w.WriteString("\\u00")
			w.WriteByte(hex[c>>4])
			w.WriteByte(hex[c&15])
		} else {
			w.WriteByte(c)
		}
	}
	w.WriteByte('"')
}
