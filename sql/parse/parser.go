package parse

import (
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

const (
	// textBytesMax bounds one text. Above it is not a statement any more; COPY is the way for such amounts.
	textBytesMax = 64 << 20
	// nestingMax bounds how deep parentheses, subqueries and prefix operators nest, and how many casts, subscripts and the like follow one
	// operand: each of them moves the text before it. The recursion here and in the consumers
	// of the tree must stay far from the limit of a goroutine's stack, which cannot be recovered from.
	nestingMax = 1000
	// heightMax bounds the height of an expression, to which chains of operators (1 + 1 + 1 …) add without nesting.
	heightMax = 50000
)

// Statement is one statement of a text.
type Statement struct {
	// AST is immutable: the same tree may be in use by other sessions.
	AST ast.Statement
	// Text is the statement's part of the source, without the semicolon and the white space around it.
	Text string
	// Start is the byte offset of Text in the source. Positions in AST are relative to the source, not to Text.
	Start int
	// NumParams is the highest $n that occurs, 0 when none does.
	NumParams int
	// Notices are for the client, to be sent when the statement runs (truncated identifiers). They belong to the whole source
	// and come with its first statement.
	Notices []*sqlerr.Notice
}

// parser is the state of parsing one text: the shell (recursive descent over the tokens) and the rewriter (which emits text
// for the grammar engine) are its methods, in shell_*.go and rewrite_*.go. It is used once.
type parser struct {
	lexer
	i     int // current token
	far   int // the token at which a sequence of key words broke off that had begun: PostgreSQL's grammar errs there, too
	depth int
	// into is where INTO of the statement's first SELECT goes, while that may still come.
	into *ast.CreateTableAs
	// asOf is where AS OF SYSTEM TIME of the statement's query goes, nil where none may stand.
	asOf *ast.Select
	// laterArm: the next query is an operand of a set operation, but for the first one.
	laterArm  bool
	height    int  // of the expression emitted last
	compared  bool // it has a comparison outside parentheses
	numParams int
	// cur is the fragment being emitted; frags are the finished ones, in the order in which they were finished.
	cur   *fragment
	frags []*fragment
	// side holds what the grammar has no slot for; sentinels in the emitted text refer to it by index.
	side []any
	// record keeps the emitted text of every statement, for tests.
	record func(text string)
}

// bail carries an error up to parseAll through the recursive descent; it never leaves this package.
type bail struct{ err error }

// checkText refuses what cannot be in a text at all.
func checkText(sql string) error {
	if len(sql) > textBytesMax {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "statement of %d bytes is longer than the limit of %d bytes", len(sql), textBytesMax)
	}
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	if !utf8.ValidString(sql) {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", badBytes(sql))
	}
	return nil
}

// run tokenises sql and calls body, turning bails into errors.
func (p *parser) run(sql string, body func()) (err error) {
	if err := checkText(sql); err != nil {
		return err
	}
	p.src = sql
	if err := p.lexer.run(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(bail)
			if !ok {
				// A fault here or in the engine must not take the process down: it is one statement's internal error. The fuzz tests treat it as a
				// failure.
				b.err = sqlerr.Internal("parser fault: %v", r).WithCause(fmt.Errorf("%v\n%s", r, debug.Stack()))
			}
			err = b.err
		}
	}()
	body()
	return nil
}

// statements parses every statement of the text.
func (p *parser) statements() []Statement {
	var out []Statement
	for {
		for p.accept(';') {
		}
		if p.kind() == tEOF {
			break
		}
		start := p.tok().start
		p.numParams = 0
		var stmt ast.Statement
		p.statementTo(&stmt)
		if k := p.kind(); k != ';' && k != tEOF {
			p.syntaxError()
		}
		end := p.toks[p.i-1].end
		p.finish()
		out = append(out, Statement{AST: stmt, Text: p.src[start:end], Start: int(start), NumParams: p.numParams})
	}
	if len(out) > 0 {
		out[0].Notices = p.notices
	}
	return out
}

// finish runs the emitted fragments through the grammar engine and fills in what the shell left open.
func (p *parser) finish() {
	if len(p.frags) > 0 {
		p.decodeFragments()
		for _, f := range p.frags {
			putFragment(f)
		}
	}
	p.frags = p.frags[:0]
	p.side = p.side[:0]
}

// ---- tokens

func (p *parser) tok() *token         { return &p.toks[p.i] }
func (p *parser) kind() kind          { return p.toks[p.i].kind }
func (p *parser) next()               { p.i++ }
func (p *parser) pos() ast.Pos        { return ast.PosAt(int(p.toks[p.i].start)) }
func (p *parser) at() ast.At          { return ast.At{Pos: p.pos()} }
func (p *parser) isKw(k keyword) bool { return p.toks[p.i].kw == k }

// peek looks n tokens ahead; past the end it gives the end.
func (p *parser) peek(n int) *token { return &p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) peekKw(n int, k keyword) bool { return p.peek(n).kw == k }

// isWord reports whether the current token is that word as plain identifier, for words that are no key words.
func (p *parser) isWord(w string) bool { return p.peekWord(0, w) }

func (p *parser) peekWord(n int, w string) bool {
	t := p.peek(n)
	return t.kind == tIdent && !t.quoted && t.text == w
}

func (p *parser) accept(k kind) bool {
	if p.kind() == k {
		p.next()
		return true
	}
	return false
}

func (p *parser) acceptKw(k keyword) bool {
	if p.isKw(k) {
		p.next()
		return true
	}
	return false
}

// acceptKws passes all of the words or none.
func (p *parser) acceptKws(ks ...keyword) bool {
	for n, k := range ks {
		if !p.peekKw(n, k) {
			if n > 0 {
				p.far = max(p.far, p.i+n)
			}
			return false
		}
	}
	p.i += len(ks)
	return true
}

func (p *parser) acceptWord(w string) bool {
	if p.isWord(w) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(k kind) {
	if !p.accept(k) {
		p.syntaxError()
	}
}

func (p *parser) expectKw(k keyword) {
	if !p.acceptKw(k) {
		p.syntaxError()
	}
}

func (p *parser) expectKws(ks ...keyword) {
	for _, k := range ks {
		p.expectKw(k)
	}
}

// isColID: a word that may name a column, a table or a variable.
func (t *token) isColID() bool {
	return t.kind == tIdent || t.kind == tKeyword && (t.kw.category() == catUnreserved || t.kw.category() == catColName)
}

// isTypeFunc: a word that may name a function or a type.
func (t *token) isTypeFunc() bool {
	return t.kind == tIdent || t.kind == tKeyword && (t.kw.category() == catUnreserved || t.kw.category() == catTypeFunc)
}

// isLabel: a word that may follow AS or a dot.
func (t *token) isLabel() bool { return t.kind == tIdent || t.kind == tKeyword }

// isBareLabel: a word that may label a column without AS.
func (t *token) isBareLabel() bool { return t.kind == tIdent || t.kind == tKeyword && t.kw.bareLabel() }

// colID reads a name.
func (p *parser) colID() string {
	t := p.tok()
	if !t.isColID() {
		p.syntaxError()
	}
	p.next()
	return t.text
}

func (p *parser) ident() ast.Ident {
	at := p.at()
	return ast.Ident{At: at, Name: p.colID()}
}

// label reads any word as a name.
func (p *parser) label() string {
	t := p.tok()
	if !t.isLabel() {
		p.syntaxError()
	}
	p.next()
	return t.text
}

// nonReserved reads a word that is no reserved key word (role names, among others).
func (p *parser) nonReserved() string {
	t := p.tok()
	if !(t.isColID() || t.isTypeFunc()) {
		p.syntaxError()
	}
	p.next()
	return t.text
}

func (p *parser) stringConst() string {
	t := p.tok()
	if t.kind != tString {
		p.syntaxError()
	}
	p.next()
	return t.text
}

// colIDs reads a comma-separated list of names.
func (p *parser) colIDs() []string {
	out := []string{p.colID()}
	for p.accept(',') {
		out = append(out, p.colID())
	}
	return out
}

// identList reads ( name, … ).
func (p *parser) identList() []ast.Ident {
	p.expect('(')
	out := []ast.Ident{p.ident()}
	for p.accept(',') {
		out = append(out, p.ident())
	}
	p.expect(')')
	return out
}

// parenNames reads ( name, … ) as strings.
func (p *parser) parenNames() []string {
	p.expect('(')
	out := p.colIDs()
	p.expect(')')
	return out
}

// name reads a table's or other object's qualified name.
func (p *parser) name() ast.Name {
	at := p.at()
	parts := []string{p.colID()}
	return p.nameRest(at, parts)
}

// anyName reads the qualified name of a thing that may have a function's or type's name.
func (p *parser) anyName() ast.Name {
	at := p.at()
	parts := []string{p.nonReserved()}
	return p.nameRest(at, parts)
}

func (p *parser) nameRest(at ast.At, parts []string) ast.Name {
	for p.kind() == '.' {
		p.next()
		parts = append(parts, p.label())
	}
	return p.makeName(at, parts)
}

func (p *parser) makeName(at ast.At, parts []string) ast.Name {
	n := ast.Name{At: at}
	switch len(parts) {
	case 1:
		n.Name = parts[0]
		return n
	case 2:
		n.Schema, n.Name = parts[0], parts[1]
		return n
	case 3:
		n.Catalog, n.Schema, n.Name = parts[0], parts[1], parts[2]
		return n
	}
	p.fail(sqlerr.SyntaxError, at.Pos, "improper qualified name (too many dotted names): %s", strings.Join(parts, "."))
	return ast.Name{}
}

func (p *parser) names() []ast.Name {
	out := []ast.Name{p.name()}
	for p.accept(',') {
		out = append(out, p.name())
	}
	return out
}

// enter guards one level of nesting; pair it with leave.
func (p *parser) enter() {
	p.depth++
	if p.depth > nestingMax {
		p.tooDeep()
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) tooDeep() {
	panic(bail{sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded").
		WithHint("Expressions and subqueries may nest %d levels deep, and chains of operators may be %d long.", nestingMax, heightMax)})
}

// ---- errors

// syntaxError reports the current token as PostgreSQL does.
func (p *parser) syntaxError() { p.syntaxErrorAt(max(p.i, p.far)) }

func (p *parser) syntaxErrorAt(i int) {
	t := &p.toks[min(i, len(p.toks)-1)]
	if t.kind == tEOF {
		p.fail(sqlerr.SyntaxError, ast.PosAt(int(t.start)), "syntax error at end of input")
	}
	p.fail(sqlerr.SyntaxError, ast.PosAt(int(t.start)), "syntax error at or near \"%s\"", p.src[t.start:t.end])
}

// unsupported refuses a construct that is valid PostgreSQL but not built, at the current token.
func (p *parser) unsupported(what string) { p.unsupportedAt(p.pos(), what) }

func (p *parser) unsupportedAt(pos ast.Pos, what string) {
	p.fail(sqlerr.FeatureNotSupported, pos, "%s is not supported", what)
}

func (p *parser) fail(code string, pos ast.Pos, format string, args ...any) {
	panic(bail{sqlerr.New(code, format, args...).WithPosition(pos.Char(p.src))})
}
