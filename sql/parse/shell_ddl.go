package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
)

// ddlStatement parses schema changes; nil when t begins none.
func (p *parser) ddlStatement(t *token) ast.Statement {
	switch t.kw {
	case kwCreate:
		return p.createStmt()
	case kwDrop:
		return p.dropStmt()
	case kwAlter:
		return p.alterStmt()
	case kwTruncate:
		return p.truncateStmt()
	case kwComment:
		return p.commentStmt()
	case kwGrant, kwRevoke:
		return p.grantStmt()
	}
	return nil
}

func (p *parser) createStmt() ast.Statement {
	start := p.i
	at := p.at()
	p.next()
	persistence := ast.Permanent
	replace := false
	if p.acceptKws(kwOr, kwReplace) {
		replace = true
	}
	switch t := p.tok(); t.kw {
	case kwGlobal, kwLocal:
		p.next()
		if !p.isKw(kwTemp) {
			if !p.isKw(kwTemporary) {
				p.syntaxError()
			}
		}
		p.next()
		persistence = ast.Temporary
	case kwTemp, kwTemporary:
		p.next()
		persistence = ast.Temporary
	case kwUnlogged:
		p.next()
		persistence = ast.Unlogged
	}
	if !replace {
		switch p.tok().kw {
		case kwTable:
			p.next()
			return p.createTable(at, persistence)
		case kwSequence:
			p.next()
			return p.createSequence(at, persistence)
		case kwUnique, kwIndex:
			return p.createIndex(at)
		case kwMaterialized:
			p.next()
			p.expectKw(kwView)
			return p.createMatView(at, persistence)
		case kwSchema:
			p.next()
			return p.createSchema(at)
		case kwType:
			p.next()
			return p.createType(at, start)
		case kwDomain:
			p.next()
			return p.createDomain(at)
		case kwRole, kwUser, kwGroup:
			if p.isKw(kwUser) && p.peekKw(1, kwMapping) {
				break
			}
			return p.createRole(at, false)
		}
	}
	if p.isKw(kwView) || p.isKw(kwRecursive) && p.peekKw(1, kwView) {
		return p.createView(at, persistence, replace)
	}
	p.i = start
	return p.unbuilt("CREATE")
}

// unbuilt answers CREATE, ALTER and DROP of things that are not built, naming them by PostgreSQL's words.
func (p *parser) unbuilt(verb string) ast.Statement {
	n := 1
	for p.peekKw(n, kwOr) && p.peekKw(n+1, kwReplace) || p.peekKw(n, kwTemp) || p.peekKw(n, kwTemporary) || p.peekKw(n, kwTrusted) ||
		p.peekKw(n, kwProcedural) || p.peekKw(n, kwUnlogged) || p.peekKw(n, kwConstraint) || p.peekKw(n, kwDefault) && p.peekKw(n+1, kwConversion) {
		if p.peekKw(n, kwOr) {
			n++
		}
		n++
	}
	words := 1
	switch a, b := p.peek(n), p.peek(n+1); a.kw {
	case kwAccess, kwEvent, kwOwned, kwDefault:
		words = 2
	case kwForeign:
		words = 2
		if b.kw == kwData {
			words = 3
		}
	case kwUser:
		words = 2
	case kwText:
		words = 3
	case kwOperator:
		if b.kw == kwClass || b.kw == kwFamily {
			words = 2
		}
	case kwLarge:
		words = 2
	case kwMaterialized:
		words = 2
	case kwAggregate, kwCast, kwCollation, kwConversion, kwDatabase, kwDomain, kwExtension, kwFunction, kwLanguage, kwPolicy,
		kwProcedure, kwPublication, kwRoutine, kwRule, kwSchema, kwServer, kwStatistics, kwSubscription, kwTablespace, kwTransform,
		kwTrigger, kwType, kwRole, kwGroup, kwSystem:
	default:
		p.syntaxErrorAt(p.i + n)
	}
	name := verb
	for i := range words {
		name += " " + upper(p.peek(n+i).text)
	}
	return p.rest(name)
}

func (p *parser) ifNotExists() bool { return p.acceptKws(kwIf, kwNot, kwExists) }
func (p *parser) ifExists() bool    { return p.acceptKws(kwIf, kwExists) }

// cascade reads [CASCADE | RESTRICT].
func (p *parser) cascade() bool {
	if p.acceptKw(kwCascade) {
		return true
	}
	p.acceptKw(kwRestrict)
	return false
}

func (p *parser) createSchema(at ast.At) ast.Statement {
	s := &ast.CreateSchema{At: at, IfNotExists: p.ifNotExists()}
	if !p.isKw(kwAuthorization) {
		s.Name = p.colID()
	}
	if p.acceptKw(kwAuthorization) {
		s.Authorization = p.nonReserved()
	} else if s.Name == "" {
		p.syntaxError()
	}
	if k := p.kind(); k != tEOF && k != ';' {
		switch p.tok().kw {
		case kwCreate, kwGrant:
			p.unsupported("CREATE SCHEMA with elements")
		}
	}
	return s
}

func (p *parser) createView(at ast.At, persistence ast.Persistence, replace bool) ast.Statement {
	s := &ast.CreateView{At: at, OrReplace: replace, Persistence: persistence}
	s.Recursive = p.acceptKw(kwRecursive)
	p.expectKw(kwView)
	s.View = p.name()
	if p.kind() == '(' {
		s.Columns = p.parenNames()
	}
	if p.acceptKw(kwWith) {
		s.Params = p.storageParams()
	}
	p.expectKw(kwAs)
	if !p.isQueryStart() {
		p.syntaxError()
	}
	start := p.i
	p.queryTo(&s.Query)
	s.QueryText = p.textFrom(start)
	if s.Recursive && len(s.Columns) == 0 {
		p.syntaxErrorAt(start - 1)
	}
	if p.acceptKw(kwWith) {
		s.CheckOption = "cascaded"
		if p.acceptKw(kwLocal) {
			s.CheckOption = "local"
		} else {
			p.acceptKw(kwCascaded)
		}
		p.expectKws(kwCheck, kwOption)
	}
	return s
}

func (p *parser) createMatView(at ast.At, persistence ast.Persistence) ast.Statement {
	s := &ast.CreateTableAs{At: at, Materialized: true, Persistence: persistence, IfNotExists: p.ifNotExists()}
	s.Table = p.name()
	if p.kind() == '(' {
		s.Columns = p.parenNames()
	}
	p.tableOptions(&s.AccessMethod, &s.Params, nil, &s.Tablespace)
	p.tableAs(s)
	return s
}

// tableAs reads AS query [WITH [NO] DATA].
func (p *parser) tableAs(s *ast.CreateTableAs) {
	p.expectKw(kwAs)
	start := p.i
	switch {
	case p.isQueryStart():
		q := &ast.Select{At: p.at()}
		p.queryInPlace(q)
		s.Query = q
	case p.isKw(kwExecute) && !s.Materialized:
		at := p.at()
		p.next()
		s.Query = p.executeRest(at)
	default:
		p.syntaxError()
	}
	s.QueryText = p.textFrom(start)
	if p.acceptKw(kwWith) {
		s.NoData = p.acceptKw(kwNo)
		p.expectKw(kwData)
	}
}

// storageParams reads ( name [= value], … ).
func (p *parser) storageParams() []ast.StorageParam {
	var out []ast.StorageParam
	p.expect('(')
	for {
		s := ast.StorageParam{At: p.at(), Name: p.label()}
		if p.accept('.') {
			s.Namespace, s.Name = s.Name, p.label()
		}
		if p.accept('=') {
			ok := false
			if s.Value, ok = p.optionValue(); !ok {
				p.syntaxError()
			}
			s.HasValue = true
		}
		out = append(out, s)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return out
}

// tableOptions reads USING, WITH, ON COMMIT and TABLESPACE after a table's columns.
func (p *parser) tableOptions(method *string, params *[]ast.StorageParam, onCommit *ast.OnCommit, tablespace *string) {
	if p.acceptKw(kwUsing) {
		*method = p.colID()
	}
	if p.isKw(kwWith) && p.peek(1).kind == '(' {
		p.next()
		*params = p.storageParams()
	} else {
		p.acceptKws(kwWithout, kwOids)
	}
	if onCommit != nil && p.acceptKws(kwOn, kwCommit) {
		switch {
		case p.acceptKw(kwDrop):
			*onCommit = ast.OnCommitDrop
		case p.acceptKws(kwDelete, kwRows):
			*onCommit = ast.OnCommitDelete
		default:
			p.expectKws(kwPreserve, kwRows)
			*onCommit = ast.OnCommitPreserve
		}
	}
	if p.acceptKw(kwTablespace) {
		*tablespace = p.colID()
	}
}

func (p *parser) dropStmt() ast.Statement {
	s := &ast.Drop{At: p.at()}
	start := p.i
	p.next()
	switch t := p.tok(); t.kw {
	case kwTable, kwView, kwSequence, kwSchema, kwType, kwDomain, kwIndex, kwDatabase, kwRole, kwExtension:
		s.Kind = ast.ObjectKind(upper(t.text))
	case kwUser, kwGroup:
		if p.peekKw(1, kwMapping) {
			p.i = start
			return p.unbuilt("DROP")
		}
		s.Kind = ast.ObjRole
	case kwMaterialized:
		p.next()
		if !p.isKw(kwView) {
			p.syntaxError()
		}
		s.Kind = ast.ObjMatView
	case kwOwned:
		return p.ownedBy(s.At, false)
	default:
		p.i = start
		return p.unbuilt("DROP")
	}
	p.next()
	if s.Kind == ast.ObjIndex {
		s.Concurrently = p.acceptKw(kwConcurrently)
	}
	s.IfExists = p.ifExists()
	switch s.Kind {
	case ast.ObjDatabase:
		s.Names = []ast.Name{p.plainName()}
		if p.isKw(kwWith) || p.kind() == '(' {
			p.acceptKw(kwWith)
			p.expect('(')
			p.expectKw(kwForce)
			p.expect(')')
			s.Force = true
		}
		return s
	case ast.ObjRole, ast.ObjExtension, ast.ObjSchema:
		for {
			s.Names = append(s.Names, p.plainName())
			if !p.accept(',') {
				break
			}
		}
		if s.Kind == ast.ObjRole {
			return s
		}
	case ast.ObjType, ast.ObjDomain:
		for {
			s.Names = append(s.Names, p.anyName())
			if !p.accept(',') {
				break
			}
		}
	default:
		s.Names = p.names()
	}
	s.Cascade = p.cascade()
	return s
}

func (p *parser) plainName() ast.Name {
	at := p.at()
	return ast.Name{At: at, Name: p.colID()}
}

func (p *parser) truncateStmt() ast.Statement {
	s := &ast.Truncate{At: p.at()}
	p.next()
	p.acceptKw(kwTable)
	s.Tables = p.relations()
	if p.acceptKws(kwRestart, kwIdentity) {
		s.RestartIdentity = true
	} else {
		p.acceptKws(kwContinue, kwIdentity)
	}
	s.Cascade = p.cascade()
	return s
}

func (p *parser) commentStmt() ast.Statement {
	s := &ast.Comment{At: p.at()}
	start := p.i
	p.next()
	p.expectKw(kwOn)
	switch t := p.tok(); t.kw {
	case kwTable, kwColumn, kwIndex, kwView, kwSequence, kwSchema, kwType, kwDomain, kwDatabase, kwRole, kwExtension:
		s.Kind = ast.ObjectKind(upper(t.text))
	case kwMaterialized:
		p.next()
		if !p.isKw(kwView) {
			p.syntaxError()
		}
		s.Kind = ast.ObjMatView
	case kwAccess, kwAggregate, kwCast, kwCollation, kwConstraint, kwConversion, kwEvent, kwForeign, kwFunction, kwLanguage, kwLarge,
		kwOperator, kwPolicy, kwProcedural, kwProcedure, kwPublication, kwRoutine, kwRule, kwServer, kwStatistics, kwSubscription,
		kwTablespace, kwText, kwTransform, kwTrigger:
		p.i = start
		return p.rest("COMMENT ON " + upper(t.text))
	default:
		p.syntaxError()
	}
	p.next()
	s.Name = []string{p.nonReserved()}
	for p.accept('.') {
		s.Name = append(s.Name, p.label())
	}
	p.expectKw(kwIs)
	if !p.acceptKw(kwNull) {
		text := p.stringConst()
		s.Text = &text
	}
	return s
}
