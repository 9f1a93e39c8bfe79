package parse

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// txnStatement parses transaction control; nil when t begins none.
func (p *parser) txnStatement(t *token) ast.Statement {
	at := p.at()
	switch t.kw {
	case kwBegin:
		p.next()
		p.workOrTransaction()
		return &ast.Begin{At: at, Modes: p.txnModes(false)}
	case kwStart:
		p.next()
		p.expectKw(kwTransaction)
		return &ast.Begin{At: at, Start: true, Modes: p.txnModes(false)}
	case kwCommit, kwEnd:
		p.next()
		if t.kw == kwCommit && p.acceptKw(kwPrepared) {
			return &ast.PreparedTxn{At: at, Action: "commit", GID: p.stringConst()}
		}
		p.workOrTransaction()
		return &ast.Commit{At: at, Chain: p.chain()}
	case kwRollback, kwAbort:
		p.next()
		if t.kw == kwRollback && p.acceptKw(kwPrepared) {
			return &ast.PreparedTxn{At: at, Action: "rollback", GID: p.stringConst()}
		}
		p.workOrTransaction()
		if t.kw == kwRollback && p.acceptKw(kwTo) {
			p.acceptKw(kwSavepoint)
			return &ast.RollbackTo{At: at, Name: p.colID()}
		}
		return &ast.Rollback{At: at, Chain: p.chain()}
	case kwSavepoint:
		p.next()
		return &ast.Savepoint{At: at, Name: p.colID()}
	case kwRelease:
		p.next()
		p.acceptKw(kwSavepoint)
		return &ast.ReleaseSavepoint{At: at, Name: p.colID()}
	case kwPrepare:
		if p.peekKw(1, kwTransaction) {
			p.i += 2
			return &ast.PreparedTxn{At: at, Action: "prepare", GID: p.stringConst()}
		}
	}
	return nil
}

func (p *parser) workOrTransaction() {
	if !p.acceptKw(kwWork) {
		p.acceptKw(kwTransaction)
	}
}

func (p *parser) chain() bool {
	if !p.acceptKw(kwAnd) {
		return false
	}
	no := p.acceptKw(kwNo)
	p.expectKw(kwChain)
	return !no
}

// txnModes reads transaction modes, with or without commas; required demands at least one.
func (p *parser) txnModes(required bool) ast.TxnModes {
	var m ast.TxnModes
	yes, no := true, false
	for first := true; ; first = false {
		comma := !first && p.accept(',')
		switch {
		case p.acceptKws(kwIsolation, kwLevel):
			m.Isolation = p.isolation()
		case p.acceptKws(kwRead, kwOnly):
			m.ReadOnly = &yes
		case p.acceptKws(kwRead, kwWrite):
			m.ReadOnly = &no
		case p.acceptKw(kwDeferrable):
			m.Deferrable = &yes
		case p.acceptKws(kwNot, kwDeferrable):
			m.Deferrable = &no
		case p.asOfFollows():
			if m.AsOf != nil {
				p.fail(sqlerr.SyntaxError, p.pos(), "AS OF SYSTEM TIME specified multiple times")
			}
			m.AsOf = new(ast.Expr)
			p.asOfTo(m.AsOf)
		default:
			if comma || first && required {
				p.syntaxError()
			}
			return m
		}
	}
}

func (p *parser) isolation() ast.IsolationLevel {
	switch {
	case p.acceptKws(kwRead, kwUncommitted):
		return ast.ReadUncommitted
	case p.acceptKws(kwRead, kwCommitted):
		return ast.ReadCommitted
	case p.acceptKws(kwRepeatable, kwRead):
		return ast.RepeatableRead
	}
	p.expectKw(kwSerializable)
	return ast.Serializable
}

// sessionStatement parses SET, RESET, SHOW and DISCARD; nil when t begins none.
func (p *parser) sessionStatement(t *token) ast.Statement {
	at := p.at()
	switch t.kw {
	case kwSet:
		p.next()
		return p.setStmt(at)
	case kwReset:
		p.next()
		if p.acceptKw(kwAll) {
			return &ast.SetVar{At: at, ResetAll: true}
		}
		return &ast.SetVar{At: at, Name: p.varTarget(), Reset: true, Default: true}
	case kwShow:
		p.next()
		return p.showStmt(at)
	case kwDiscard:
		p.next()
		d := &ast.Discard{At: at, What: upper(p.tok().text)}
		switch p.tok().kw {
		case kwAll, kwPlans, kwSequences, kwTemp:
		case kwTemporary:
			d.What = "TEMP"
		default:
			p.syntaxError()
		}
		p.next()
		return d
	}
	return nil
}

// varName reads a parameter's name, possibly with dots.
func (p *parser) varName() string {
	name := p.colID()
	for p.kind() == '.' {
		p.next()
		name += "." + p.colID()
	}
	return strings.ToLower(name)
}

// varTarget reads a parameter's name or the words that stand for one in SHOW and RESET.
func (p *parser) varTarget() string {
	switch {
	case p.acceptKws(kwTime, kwZone):
		return "timezone"
	case p.acceptKws(kwTransaction, kwIsolation, kwLevel):
		return "transaction_isolation"
	case p.acceptKws(kwSession, kwAuthorization):
		return "session_authorization"
	}
	return p.varName()
}

func (p *parser) setStmt(at ast.At) ast.Statement {
	if p.acceptKw(kwConstraints) {
		return p.setConstraints(at)
	}
	if p.isKw(kwTransaction) && p.setTransactionFollows(1) {
		p.next()
		return p.setTransaction(at, false)
	}
	if p.isKw(kwSession) && p.peekKw(1, kwCharacteristics) {
		p.i += 2
		p.expectKws(kwAs, kwTransaction)
		return p.setTransaction(at, true)
	}
	s := &ast.SetVar{At: at}
	switch {
	case p.isKw(kwLocal) && p.setNameFollows():
		p.next()
		s.Scope = ast.ScopeLocal
		if p.isKw(kwTransaction) && p.setTransactionFollows(1) {
			p.next()
			return p.setTransaction(at, false)
		}
	case p.isKw(kwSession) && !p.peekKw(1, kwAuthorization) && p.setNameFollows():
		p.next()
		if p.isKw(kwTransaction) && p.setTransactionFollows(1) {
			p.next()
			return p.setTransaction(at, false)
		}
	}
	p.setTarget(s)
	return s
}

// setNameFollows tells SET LOCAL name from SET local = 1.
func (p *parser) setNameFollows() bool {
	n := p.peek(1)
	return n.isColID() && n.kw != kwTo || n.kw == kwAuthorization
}

func (p *parser) setTransactionFollows(n int) bool {
	switch p.peek(n).kw {
	case kwIsolation, kwRead, kwDeferrable, kwNot, kwSnapshot:
		return true
	}
	return p.peekKw(n, kwAs) && p.peekKw(n+1, kwOf) && p.peekKw(n+2, kwSystem)
}

func (p *parser) setTransaction(at ast.At, session bool) ast.Statement {
	s := &ast.SetTransaction{At: at, Session: session}
	if !session && p.acceptKw(kwSnapshot) {
		s.Snapshot = p.stringConst()
		return s
	}
	s.Modes = p.txnModes(true)
	return s
}

func (p *parser) setConstraints(at ast.At) ast.Statement {
	s := &ast.SetConstraints{At: at}
	if !p.acceptKw(kwAll) {
		s.Names = p.names()
	}
	if p.acceptKw(kwDeferred) {
		s.Deferred = true
	} else {
		p.expectKw(kwImmediate)
	}
	return s
}

// setTarget reads what follows SET [LOCAL | SESSION].
func (p *parser) setTarget(s *ast.SetVar) {
	one := func(kind ast.SetValueKind, text string) {
		s.Values = append(s.Values, ast.SetValue{At: p.at(), Kind: kind, Text: text})
		p.next()
	}
	wordOrString := func() {
		switch t := p.tok(); {
		case t.kw == kwDefault:
			s.Default = true
			p.next()
		case t.kind == tString:
			one(ast.SetString, t.text)
		case t.isColID() || t.isTypeFunc():
			one(ast.SetWord, t.text)
		default:
			p.syntaxError()
		}
	}
	switch {
	case p.acceptKws(kwTime, kwZone):
		s.Name = "timezone"
		p.setTimeZone(s)
		return
	case p.isKw(kwNames) && p.setSpecialFollows():
		p.next()
		s.Name = "client_encoding"
		switch p.kind() {
		case tString:
			one(ast.SetString, p.tok().text)
		case tEOF, ';':
			s.Default = true
		default:
			p.expectKw(kwDefault)
			s.Default = true
		}
		return
	case p.isKw(kwRole) && p.setSpecialFollows():
		p.next()
		s.Name = "role"
		wordOrString()
		s.Default = false
		if len(s.Values) == 0 {
			s.Default = true
		}
		return
	case p.acceptKws(kwSession, kwAuthorization):
		s.Name = "session_authorization"
		wordOrString()
		return
	case p.isKw(kwSchema) && p.peek(1).kind == tString:
		p.next()
		s.Name = "search_path"
		one(ast.SetString, p.tok().text)
		return
	case p.isKw(kwCatalog) && p.peek(1).kind == tString:
		p.unsupported("SET CATALOG")
	case p.acceptKws(kwXml, kwOption):
		s.Name = "xmloption"
		wordOrString()
		return
	}
	s.Name = p.varName()
	if !p.acceptKw(kwTo) && !p.accept('=') {
		if p.isKw(kwFrom) && p.peekKw(1, kwCurrent) {
			p.unsupported("SET … FROM CURRENT")
		}
		p.syntaxError()
	}
	if p.acceptKw(kwDefault) {
		s.Default = true
		return
	}
	for {
		s.Values = append(s.Values, p.setValue())
		if !p.accept(',') {
			return
		}
	}
}

// setSpecialFollows tells SET NAMES 'x' from SET names = 'x'.
func (p *parser) setSpecialFollows() bool {
	n := p.peek(1)
	return n.kind != '=' && n.kw != kwTo && n.kind != '.'
}

// setValue reads one value: a word, a string or a signed number.
func (p *parser) setValue() ast.SetValue {
	v := ast.SetValue{At: p.at()}
	sign := ""
	if p.kind() == '-' || p.kind() == '+' {
		sign = p.tok().text
		p.next()
	}
	switch t := p.tok(); {
	case t.kind == tInt, t.kind == tDecimal:
		v.Kind = ast.SetNumber
		v.Text = t.text
		if sign == "-" {
			v.Text = "-" + t.text
		}
	case sign != "":
		p.syntaxError()
	case t.kind == tString:
		v.Kind, v.Text = ast.SetString, t.text
	case t.isColID(), t.isTypeFunc(), t.kw == kwTrue, t.kw == kwFalse, t.kw == kwOn:
		v.Text = t.text
	default:
		p.syntaxError()
	}
	p.next()
	return v
}

func (p *parser) setTimeZone(s *ast.SetVar) {
	switch t := p.tok(); {
	case t.kw == kwDefault, t.kw == kwLocal:
		p.next()
		s.Default = true
	case t.kw == kwInterval:
		at := p.at()
		p.next()
		typ := p.intervalType()
		typ.At = at
		text := p.stringConst()
		if typ.Mods == nil {
			p.intervalFields(&typ)
		}
		s.Values = []ast.SetValue{{At: at, Kind: ast.SetInterval, Text: text, Type: typ}}
	default:
		s.Values = []ast.SetValue{p.setValue()}
	}
}

func (p *parser) showStmt(at ast.At) ast.Statement {
	if p.isWord("regions") && p.peekKw(1, kwFrom) {
		p.i += 2
		s := &ast.ShowRegions{At: at, Kind: ast.ObjTable}
		if p.acceptKw(kwIndex) {
			s.Kind = ast.ObjIndex
		} else {
			p.expectKw(kwTable)
		}
		s.Name = p.name()
		return s
	}
	if p.acceptKw(kwAll) {
		return &ast.ShowVar{At: at, Name: "all"}
	}
	return &ast.ShowVar{At: at, Name: p.varTarget()}
}

// number reads a signed integer of 64 bits.
func (p *parser) number() int64 {
	sign := ""
	if p.kind() == '-' || p.kind() == '+' {
		if p.kind() == '-' {
			sign = "-"
		}
		p.next()
	}
	t := p.tok()
	if t.kind != tInt && t.kind != tDecimal {
		p.syntaxError()
	}
	n, err := strconv.ParseInt(sign+t.text, 10, 64)
	if err != nil {
		p.syntaxError()
	}
	p.next()
	return n
}
