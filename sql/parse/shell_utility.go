package parse

import (
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// utilityStatement parses what is neither query, data change, transaction control nor schema change; nil when t begins none.
func (p *parser) utilityStatement(t *token) ast.Statement {
	at := p.at()
	switch t.kw {
	case kwCopy:
		return p.copyStmt()
	case kwPrepare:
		return p.prepareStmt()
	case kwExecute:
		p.next()
		return p.executeRest(at)
	case kwDeallocate:
		p.next()
		p.acceptKw(kwPrepare)
		if p.acceptKw(kwAll) {
			return &ast.Deallocate{At: at}
		}
		return &ast.Deallocate{At: at, Name: p.colID()}
	case kwExplain:
		return p.explainStmt()
	case kwVacuum:
		return p.vacuumStmt(false)
	case kwAnalyze, kwAnalyse:
		return p.vacuumStmt(true)
	case kwDeclare:
		return p.declareStmt()
	case kwFetch, kwMove:
		return p.fetchStmt()
	case kwClose:
		p.next()
		if p.acceptKw(kwAll) {
			return &ast.CloseCursor{At: at}
		}
		return &ast.CloseCursor{At: at, Name: p.colID()}
	case kwListen:
		p.next()
		return &ast.Listen{At: at, Channel: p.colID()}
	case kwNotify:
		p.next()
		s := &ast.Notify{At: at, Channel: p.colID()}
		if p.accept(',') {
			s.Payload = p.stringConst()
		}
		return s
	case kwUnlisten:
		p.next()
		if p.accept('*') {
			return &ast.Unlisten{At: at}
		}
		return &ast.Unlisten{At: at, Channel: p.colID()}
	case kwLock:
		return p.lockStmt()
	case kwCall:
		return p.callStmt()
	case kwDo:
		return p.doStmt()
	case kwCheckpoint:
		p.next()
		return &ast.Checkpoint{At: at}
	case kwAdmin:
		p.next()
		p.expectKws(kwCheck, kwTable)
		s := &ast.AdminCheck{At: at, Tables: []ast.Name{p.name()}}
		for p.accept(',') {
			s.Tables = append(s.Tables, p.name())
		}
		return s
	case kwReindex:
		return p.rest("REINDEX")
	case kwCluster:
		return p.rest("CLUSTER")
	case kwRefresh:
		p.next()
		p.expectKws(kwMaterialized, kwView)
		return p.rest("REFRESH MATERIALIZED VIEW")
	case kwLoad:
		return p.rest("LOAD")
	case kwSecurity:
		return p.rest("SECURITY LABEL")
	case kwImport:
		return p.rest("IMPORT FOREIGN SCHEMA")
	case kwReassign:
		p.next()
		return p.ownedBy(at, true)
	}
	return nil
}

func (p *parser) prepareStmt() ast.Statement {
	s := &ast.Prepare{At: p.at()}
	p.next()
	s.Name = p.colID()
	if p.accept('(') {
		s.Types = append(s.Types, p.typeName())
		for p.accept(',') {
			s.Types = append(s.Types, p.typeName())
		}
		p.expect(')')
	}
	p.expectKw(kwAs)
	start := p.i
	p.preparable(&s.Statement)
	s.StatementText = p.textFrom(start)
	return s
}

// preparable parses a query or data change.
func (p *parser) preparable(dst *ast.Statement) {
	switch p.tok().kw {
	case kwSelect, kwInsert, kwUpdate, kwDelete, kwMerge, kwValues, kwWith, kwTable:
	default:
		if p.kind() != '(' {
			p.syntaxError()
		}
	}
	p.statementTo(dst)
}

func (p *parser) executeRest(at ast.At) *ast.Execute {
	s := &ast.Execute{At: at, Name: p.colID()}
	if p.accept('(') {
		p.exprsTo(&s.Args)
		p.expect(')')
	}
	return s
}

// word reads an option's value: a word, string or number; "" when none is there.
func (p *parser) optionValue() (text string, ok bool) {
	switch t := p.tok(); {
	case t.kind == tString, t.kind == tInt, t.kind == tDecimal, t.isLabel():
		p.next()
		return t.text, true
	case t.kind == '-' || t.kind == '+':
		sign := strings.TrimPrefix(t.text, "+")
		p.next()
		if k := p.kind(); k != tInt && k != tDecimal {
			p.syntaxError()
		}
		text = sign + p.tok().text
		p.next()
		return text, true
	}
	return "", false
}

// boolOption gives an option's value as a boolean; a missing value is true.
func (p *parser) boolOption(pos ast.Pos, name, value string, ok bool) bool {
	if !ok {
		return true
	}
	switch strings.ToLower(value) {
	case "true", "on", "1":
		return true
	case "false", "off", "0":
		return false
	}
	p.fail(sqlerr.SyntaxError, pos, "%s requires a Boolean value", name)
	return false
}

func (p *parser) explainStmt() ast.Statement {
	s := &ast.Explain{At: p.at()}
	p.next()
	switch {
	case p.kind() == '(' && !p.isQueryParen(p.i):
		p.explainOptions(s)
	default:
		if p.acceptKw(kwAnalyze) || p.acceptKw(kwAnalyse) {
			s.Analyze = true
		}
		s.Verbose = p.acceptKw(kwVerbose)
	}
	switch p.tok().kw {
	case kwDeclare:
		s.Statement = p.declareStmt()
	case kwExecute:
		at := p.at()
		p.next()
		s.Statement = p.executeRest(at)
	case kwCreate:
		s.Statement = p.ddlStatement(p.tok())
	default:
		p.preparable(&s.Statement)
	}
	return s
}

func (p *parser) explainOptions(s *ast.Explain) {
	p.expect('(')
	for {
		pos := p.pos()
		name := p.label()
		value, ok := p.optionValue()
		flag := func(dst **bool) {
			v := p.boolOption(pos, name, value, ok)
			*dst = &v
		}
		switch name {
		case "analyze", "analyse":
			s.Analyze = p.boolOption(pos, name, value, ok)
		case "verbose":
			s.Verbose = p.boolOption(pos, name, value, ok)
		case "costs":
			flag(&s.Costs)
		case "settings":
			flag(&s.Settings)
		case "buffers":
			flag(&s.Buffers)
		case "wal":
			flag(&s.WAL)
		case "timing":
			flag(&s.Timing)
		case "summary":
			flag(&s.Summary)
		case "generic_plan":
			flag(&s.GenericPlan)
		case "format":
			switch value {
			case "text":
				s.Format = ast.ExplainText
			case "json":
				s.Format = ast.ExplainJSON
			case "xml":
				s.Format = ast.ExplainXML
			case "yaml":
				s.Format = ast.ExplainYAML
			default:
				p.fail(sqlerr.InvalidParameterValue, pos, "unrecognized value for EXPLAIN option \"format\": \"%s\"", value)
			}
		default:
			p.fail(sqlerr.SyntaxError, pos, "unrecognized EXPLAIN option \"%s\"", name)
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
}

func (p *parser) vacuumStmt(analyze bool) ast.Statement {
	s := &ast.Vacuum{At: p.at(), AnalyzeOnly: analyze}
	p.next()
	option := func(name string) {
		s.Options = append(s.Options, ast.VacuumOption{At: p.at(), Name: name})
		p.next()
	}
	if p.kind() == '(' {
		p.next()
		for {
			o := ast.VacuumOption{At: p.at(), Name: p.label()}
			o.Value, _ = p.optionValue()
			s.Options = append(s.Options, o)
			if !p.accept(',') {
				break
			}
		}
		p.expect(')')
	} else {
		if !analyze && p.isKw(kwFull) {
			option("full")
		}
		if !analyze && p.isKw(kwFreeze) {
			option("freeze")
		}
		if p.isKw(kwVerbose) {
			option("verbose")
		}
		if !analyze && (p.isKw(kwAnalyze) || p.isKw(kwAnalyse)) {
			option("analyze")
		}
	}
	if !p.tok().isColID() {
		return s
	}
	for {
		t := ast.VacuumTable{At: p.at(), Table: p.name()}
		if p.kind() == '(' {
			t.Columns = p.identList()
		}
		s.Tables = append(s.Tables, t)
		if !p.accept(',') {
			return s
		}
	}
}

func (p *parser) declareStmt() ast.Statement {
	s := &ast.DeclareCursor{At: p.at()}
	p.next()
	s.Name = p.colID()
	yes, no := true, false
	for {
		switch {
		case p.acceptKw(kwBinary):
			s.Binary = true
		case p.acceptKw(kwInsensitive):
			s.Insensitive = true
		case p.acceptKw(kwAsensitive):
		case p.acceptKws(kwNo, kwScroll):
			s.Scroll = &no
		case p.acceptKw(kwScroll):
			s.Scroll = &yes
		default:
			p.expectKw(kwCursor)
			if p.acceptKws(kwWith, kwHold) {
				s.Hold = true
			} else {
				p.acceptKws(kwWithout, kwHold)
			}
			p.expectKw(kwFor)
			if !p.isQueryStart() {
				p.syntaxError()
			}
			start := p.i
			p.queryTo(&s.Query)
			s.QueryText = p.textFrom(start)
			return s
		}
	}
}

func (p *parser) fetchStmt() ast.Statement {
	s := &ast.Fetch{At: p.at(), Move: p.isKw(kwMove), Count: 1}
	p.next()
	signed := func() bool {
		k := p.kind()
		return k == tInt || k == '-' || k == '+'
	}
	forwardBackward := func() {
		switch {
		case p.acceptKw(kwAll):
			s.All = true
		case signed():
			s.Count = p.number()
		}
	}
	switch {
	case p.isCursorName():
	case p.acceptKw(kwNext):
	case p.acceptKw(kwPrior):
		s.Direction = ast.FetchBackward
	case p.acceptKw(kwFirst):
		s.Direction = ast.FetchAbsolute
	case p.acceptKw(kwLast):
		s.Direction, s.Count = ast.FetchAbsolute, -1
	case p.acceptKw(kwAbsolute):
		s.Direction, s.Count = ast.FetchAbsolute, p.number()
	case p.acceptKw(kwRelative):
		s.Direction, s.Count = ast.FetchRelative, p.number()
	case p.acceptKw(kwAll):
		s.All = true
	case p.acceptKw(kwForward):
		forwardBackward()
	case p.acceptKw(kwBackward):
		s.Direction = ast.FetchBackward
		forwardBackward()
	case signed():
		s.Count = p.number()
	}
	if !p.acceptKw(kwFrom) {
		p.acceptKw(kwIn)
	}
	s.Cursor = p.colID()
	return s
}

// isCursorName reports whether the current token is the last of the statement, and so the cursor, whatever word it is.
func (p *parser) isCursorName() bool {
	k := p.peek(1).kind
	return p.tok().isColID() && (k == tEOF || k == ';')
}

func (p *parser) lockStmt() ast.Statement {
	s := &ast.LockTable{At: p.at(), Mode: "access exclusive"}
	p.next()
	p.acceptKw(kwTable)
	s.Tables = p.relations()
	if p.acceptKw(kwIn) {
		var words []string
		for !p.isKw(kwMode) {
			switch p.tok().kw {
			case kwAccess, kwRow, kwShare, kwExclusive, kwUpdate:
				words = append(words, p.tok().text)
				p.next()
			default:
				p.syntaxError()
			}
		}
		s.Mode = strings.Join(words, " ")
		switch s.Mode {
		case "access share", "row share", "row exclusive", "share update exclusive", "share", "share row exclusive", "exclusive",
			"access exclusive":
		default:
			p.syntaxError()
		}
		p.next()
	}
	s.NoWait = p.acceptKw(kwNowait)
	return s
}

func (p *parser) relations() []ast.TableRef {
	var out []ast.TableRef
	for {
		var r ast.TableRef
		p.relation(&r)
		out = append(out, r)
		if !p.accept(',') {
			return out
		}
	}
}

func (p *parser) callStmt() ast.Statement {
	s := &ast.Call{At: p.at()}
	p.next()
	if !p.functionFollows() {
		p.anyName()
		p.syntaxError()
	}
	outer := p.begin(fragCall, s)
	p.emitTight("SELECT")
	p.windowlessCall()
	p.end(outer)
	return s
}

func (p *parser) doStmt() ast.Statement {
	s := &ast.Do{At: p.at()}
	p.next()
	code := false
	for {
		switch {
		case p.acceptKw(kwLanguage):
			s.Language = p.roleSpecOrString()
		case p.kind() == tString && !code:
			s.Code, code = p.stringConst(), true
		default:
			if !code {
				p.syntaxError()
			}
			return s
		}
	}
}

func (p *parser) roleSpecOrString() string {
	if p.kind() == tString {
		return p.stringConst()
	}
	return p.nonReserved()
}
