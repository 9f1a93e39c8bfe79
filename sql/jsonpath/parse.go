package jsonpath

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// depthMax bounds how deep a path nests.
const depthMax = 2000

// Parse reads a path. Errors are syntax_error (42601), or
// invalid_text_representation (22P02) for an empty text.
func Parse(s string) (*Path, error) {
	p := &parser{lex: lexer{text: s}}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEnd {
		return nil, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type jsonpath: \"%s\"", s)
	}
	out := &Path{}
	switch {
	case p.isWord("strict"):
		out.Strict = true
		fallthrough
	case p.isWord("lax"):
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	n, err := p.expr(0, place{})
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected()
	}
	out.Root = n.node
	return out, nil
}

// place says what may be named where an expression stands.
type place struct{ filter, subscript bool }

// item is an expression with its class: the grammar keeps predicates and values
// apart.
type item struct {
	node *Node
	pred bool
	// paren marks an expression in parentheses.
	paren bool
}

type parser struct {
	lex   lexer
	tok   token
	depth int
}

func (p *parser) next() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) isWord(w string) bool {
	return p.tok.kind == tokWord && strings.EqualFold(p.tok.text, w)
}

func (p *parser) isOp(op string) bool { return p.tok.kind == tokOp && p.tok.text == op }

// takeOp goes on if the token is that operator.
func (p *parser) takeOp(op string) (bool, error) {
	if !p.isOp(op) {
		return false, nil
	}
	return true, p.next()
}

func (p *parser) wantOp(op string) error {
	if !p.isOp(op) {
		return p.unexpected()
	}
	return p.next()
}

func (p *parser) unexpected() error { return p.lex.unexpected(p.tok) }

// Levels of the infix operators, as in priority.
const (
	levelOr = iota
	levelAnd
	levelCompare
	levelAdd
	levelMul
	levelUnary
)

var infix = map[string]struct {
	kind  Kind
	level int
}{
	"||": {Or, levelOr}, "&&": {And, levelAnd},
	"==": {Equal, levelCompare}, "!=": {NotEqual, levelCompare}, "<>": {NotEqual, levelCompare},
	"<": {Less, levelCompare}, ">": {Greater, levelCompare}, "<=": {LessOrEqual, levelCompare}, ">=": {GreaterOrEqual, levelCompare},
	"+": {Add, levelAdd}, "-": {Sub, levelAdd}, "*": {Mul, levelMul}, "/": {Div, levelMul}, "%": {Mod, levelMul},
}

// expr reads an expression of operators of at least the given level.
func (p *parser) expr(level int, at place) (item, error) {
	if p.depth++; p.depth > depthMax {
		return item{}, sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	defer func() { p.depth-- }()
	left, err := p.unary(at)
	if err != nil {
		return left, err
	}
	for {
		if !left.pred && level <= levelCompare && p.tok.kind == tokWord {
			done, next, err := p.wordPredicate(left, at)
			if err != nil {
				return left, err
			}
			if done {
				left = next
				continue
			}
		}
		op, ok := infix[p.tok.text]
		if p.tok.kind != tokOp || !ok || op.level < level {
			return left, nil
		}
		if wantPred := op.level <= levelAnd; wantPred != left.pred {
			return left, p.unexpected()
		}
		if err := p.next(); err != nil {
			return left, err
		}
		right, err := p.expr(op.level+1, at)
		if err != nil {
			return left, err
		}
		if right.pred != left.pred {
			return left, p.unexpected()
		}
		left = item{node: &Node{Kind: op.kind, Left: left.node, Right: right.node}, pred: op.level <= levelCompare}
		if op.level == levelCompare {
			level = min(level, levelAnd)
		}
	}
}

// wordPredicate reads starts with and like_regex.
func (p *parser) wordPredicate(left item, at place) (bool, item, error) {
	switch {
	case p.isWord("starts"):
		if err := p.next(); err != nil {
			return false, left, err
		}
		if !p.isWord("with") {
			return false, left, p.unexpected()
		}
		if err := p.next(); err != nil {
			return false, left, err
		}
		var n *Node
		switch p.tok.kind {
		case tokString:
			n = &Node{Kind: String, Text: p.tok.text}
		case tokVariable:
			n = &Node{Kind: Variable, Text: p.tok.text}
		default:
			return false, left, p.unexpected()
		}
		return true, item{node: &Node{Kind: StartsWith, Left: left.node, Right: n}, pred: true}, p.next()
	case p.isWord("like_regex"):
		if err := p.next(); err != nil {
			return false, left, err
		}
		if p.tok.kind != tokString {
			return false, left, p.unexpected()
		}
		n := &Node{Kind: LikeRegex, Left: left.node, Text: p.tok.text}
		if err := p.next(); err != nil {
			return false, left, err
		}
		if p.isWord("flag") {
			if err := p.next(); err != nil {
				return false, left, err
			}
			if p.tok.kind != tokString {
				return false, left, p.unexpected()
			}
			var err error
			if n.Flags, err = regexFlags(p.tok.text); err != nil {
				return false, left, err
			}
			if err := p.next(); err != nil {
				return false, left, err
			}
		}
		return true, item{node: n, pred: true}, nil
	}
	return false, left, nil
}

// regexFlags checks the flags of like_regex and puts them in order.
func regexFlags(s string) (string, error) {
	var out string
	for _, c := range s {
		if !strings.ContainsRune("ismxq", c) {
			return "", sqlerr.New(sqlerr.SyntaxError, "invalid input syntax for type jsonpath").
				WithDetail("Unrecognized flag character \"%c\" in LIKE_REGEX predicate.", c)
		}
	}
	for _, c := range "ismxq" {
		if strings.ContainsRune(s, c) {
			out += string(c)
		}
	}
	if strings.Contains(out, "x") && !strings.Contains(out, "q") {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "XQuery \"x\" flag (expanded regular expressions) is not implemented")
	}
	return out, nil
}

// unary reads a prefix operator or a primary with its accessors.
func (p *parser) unary(at place) (item, error) {
	switch {
	case p.isOp("+") || p.isOp("-"):
		kind := Plus
		if p.tok.text == "-" {
			kind = Minus
		}
		if err := p.next(); err != nil {
			return item{}, err
		}
		x, err := p.expr(levelUnary, at)
		if err != nil {
			return x, err
		}
		if x.pred {
			return x, p.unexpected()
		}
		if n := x.node; n.Kind == Number && n.Next == nil {
			if kind == Minus {
				n.Text = negate(n.Text)
			}
			return item{node: n}, nil
		}
		return item{node: &Node{Kind: kind, Left: x.node}}, nil
	case p.isOp("!"):
		if err := p.next(); err != nil {
			return item{}, err
		}
		x, err := p.primary(at)
		if err != nil {
			return x, err
		}
		// Only a predicate in parentheses or exists may follow.
		if !x.pred || !x.paren && x.node.Kind != Exists {
			return x, p.unexpected()
		}
		return item{node: &Node{Kind: Not, Left: x.node}, pred: true}, nil
	}
	return p.primary(at)
}

func negate(s string) string {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return rest
	}
	if strings.Trim(s, "0.") == "" {
		return s
	}
	return "-" + s
}

func (p *parser) primary(at place) (item, error) {
	t := p.tok
	var n *Node
	switch {
	case t.kind == tokString:
		n = &Node{Kind: String, Text: t.text}
	case t.kind == tokNumber:
		n = &Node{Kind: Number, Text: t.text}
	case t.kind == tokVariable:
		n = &Node{Kind: Variable, Text: t.text}
	case t.kind == tokWord && t.text == "true", t.kind == tokWord && t.text == "false":
		n = &Node{Kind: Bool, Bool: t.text == "true"}
	case t.kind == tokWord && t.text == "null":
		n = &Node{Kind: Null}
	case p.isWord("last"):
		if !at.subscript {
			return item{}, sqlerr.New(sqlerr.SyntaxError, "LAST is allowed only in array subscripts")
		}
		n = &Node{Kind: Last}
	case p.isOp("$"):
		n = &Node{Kind: Root}
	case p.isOp("@"):
		if !at.filter {
			return item{}, sqlerr.New(sqlerr.SyntaxError, "@ is not allowed in root expressions")
		}
		n = &Node{Kind: Current}
	case p.isWord("exists"):
		if err := p.next(); err != nil {
			return item{}, err
		}
		if err := p.wantOp("("); err != nil {
			return item{}, err
		}
		x, err := p.expr(0, at)
		if err != nil {
			return x, err
		}
		if x.pred {
			return x, p.unexpected()
		}
		return item{node: &Node{Kind: Exists, Left: x.node}, pred: true}, p.wantOp(")")
	case p.isOp("("):
		return p.parenthesized(at)
	default:
		return item{}, p.unexpected()
	}
	if err := p.next(); err != nil {
		return item{}, err
	}
	return item{node: n}, p.accessors(n, at)
}

func (p *parser) parenthesized(at place) (item, error) {
	if err := p.next(); err != nil {
		return item{}, err
	}
	x, err := p.expr(0, at)
	if err != nil {
		return x, err
	}
	if err := p.wantOp(")"); err != nil {
		return x, err
	}
	x.paren = true
	if x.pred && p.isWord("is") {
		if err := p.next(); err != nil {
			return x, err
		}
		if !p.isWord("unknown") {
			return x, p.unexpected()
		}
		return item{node: &Node{Kind: IsUnknown, Left: x.node}, pred: true}, p.next()
	}
	before := tail(x.node)
	if err := p.accessors(before, at); err != nil {
		return x, err
	}
	if before.Next != nil {
		x.pred = false // an accessor makes a value of a predicate's result
	}
	return x, nil
}

// tail is the last accessor of a node.
func tail(n *Node) *Node {
	for n.Next != nil {
		n = n.Next
	}
	return n
}

// accessors reads what follows a primary and hangs it on n.
func (p *parser) accessors(n *Node, at place) error {
	for {
		var a *Node
		var err error
		switch {
		case p.isOp("."):
			a, err = p.member(at)
		case p.isOp("["):
			a, err = p.array(at)
		case p.isOp("?"):
			if err = p.next(); err == nil {
				err = p.wantOp("(")
			}
			if err != nil {
				return err
			}
			inner := at
			inner.filter = true
			var x item
			if x, err = p.expr(0, inner); err == nil {
				if !x.pred {
					return p.unexpected()
				}
				a, err = &Node{Kind: Filter, Left: x.node}, p.wantOp(")")
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
		n.Next, n = a, a
	}
}

var methodKinds = map[string]Kind{
	"type": Type, "size": Size, "abs": Abs, "floor": Floor, "ceiling": Ceiling, "double": Double, "keyvalue": KeyValue, "datetime": Datetime,
}

// member reads .key, .*, .** and the methods.
func (p *parser) member(at place) (*Node, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	t := p.tok
	switch {
	case p.isOp("*"):
		return &Node{Kind: AnyKey}, p.next()
	case p.isOp("**"):
		return p.anyLevel()
	case t.kind == tokString:
		return &Node{Kind: Key, Text: t.text}, p.next()
	case t.kind != tokWord:
		return nil, p.unexpected()
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	kind, ok := methodKinds[strings.ToLower(t.text)]
	if !ok || !p.isOp("(") {
		return &Node{Kind: Key, Text: t.text}, nil
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	n := &Node{Kind: kind}
	if kind == Datetime && p.tok.kind == tokString {
		n.Left = &Node{Kind: String, Text: p.tok.text}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return n, p.wantOp(")")
}

func (p *parser) anyLevel() (*Node, error) {
	n := &Node{Kind: Any, Last: NoBound}
	if err := p.next(); err != nil {
		return nil, err
	}
	if ok, err := p.takeOp("{"); err != nil || !ok {
		return n, err
	}
	level := func() (uint32, error) {
		if p.isWord("last") {
			return NoBound, p.next()
		}
		if p.tok.kind != tokNumber || strings.ContainsAny(p.tok.text, ".") {
			return 0, p.unexpected()
		}
		v, err := strconv.ParseInt(p.tok.text, 10, 32)
		if err != nil {
			return 0, p.unexpected()
		}
		return uint32(v), p.next()
	}
	var err error
	if n.First, err = level(); err != nil {
		return nil, err
	}
	n.Last = n.First
	if p.isWord("to") {
		if err := p.next(); err != nil {
			return nil, err
		}
		if n.Last, err = level(); err != nil {
			return nil, err
		}
	}
	return n, p.wantOp("}")
}

// array reads [*] and subscripts.
func (p *parser) array(at place) (*Node, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if ok, err := p.takeOp("*"); err != nil || ok {
		if err == nil {
			err = p.wantOp("]")
		}
		return &Node{Kind: AnyArray}, err
	}
	n := &Node{Kind: IndexArray}
	at.subscript = true
	value := func() (*Node, error) {
		x, err := p.expr(levelAdd, at)
		if err == nil && x.pred {
			err = p.unexpected()
		}
		return x.node, err
	}
	for {
		from, err := value()
		if err != nil {
			return nil, err
		}
		r := Range{From: from}
		if p.isWord("to") {
			if err := p.next(); err != nil {
				return nil, err
			}
			if r.To, err = value(); err != nil {
				return nil, err
			}
		}
		n.Ranges = append(n.Ranges, r)
		ok, err := p.takeOp(",")
		if err != nil {
			return nil, err
		}
		if !ok {
			return n, p.wantOp("]")
		}
	}
}
