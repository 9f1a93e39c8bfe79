package parse

import (
	"strings"

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

func (p *parser) createType(at ast.At, start int) ast.Statement {
	name := p.anyName()
	if !p.acceptKws(kwAs, kwEnum) {
		p.i = start
		return p.unbuilt("CREATE")
	}
	s := &ast.CreateEnum{At: at, Type: name}
	p.expect('(')
	for p.kind() != ')' {
		s.Labels = append(s.Labels, p.stringConst())
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
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

// createRole reads CREATE and ALTER ROLE, USER and GROUP.
func (p *parser) createRole(at ast.At, alter bool) ast.Statement {
	s := &ast.CreateRole{At: at, Alter: alter, Kind: p.tok().text}
	p.next()
	s.Name = p.nonReserved()
	p.acceptKw(kwWith)
	for {
		switch k := p.kind(); k {
		case tEOF, ';':
			return s
		}
		s.Options = append(s.Options, p.roleOption())
	}
}

func (p *parser) roleOption() ast.RoleOption {
	o := ast.RoleOption{At: p.at()}
	words := func(names ...string) {
		o.Name = strings.Join(names, " ")
	}
	switch {
	case p.acceptKw(kwEncrypted):
		p.expectKw(kwPassword)
		words("password")
		o.Value = p.stringConst()
	case p.acceptKw(kwPassword):
		words("password")
		if o.Null = p.acceptKw(kwNull); !o.Null {
			o.Value = p.stringConst()
		}
	case p.acceptKws(kwConnection, kwLimit):
		words("connection limit")
		o.Value, _ = p.optionValue()
	case p.acceptKws(kwValid, kwUntil):
		words("valid until")
		o.Value = p.stringConst()
	case p.isKw(kwIn) && (p.peekKw(1, kwRole) || p.peekKw(1, kwGroup)):
		p.i += 2
		words("in role")
		o.Roles = p.roles()
	case p.isKw(kwRole), p.isKw(kwUser), p.isKw(kwAdmin):
		words(p.tok().text)
		p.next()
		o.Roles = p.roles()
	case p.isKw(kwInherit):
		p.next()
		words("inherit")
	default:
		t := p.tok()
		switch t.text {
		case "superuser", "nosuperuser", "createdb", "nocreatedb", "createrole", "nocreaterole", "noinherit", "login", "nologin",
			"replication", "noreplication", "bypassrls", "nobypassrls":
			words(t.text)
			p.next()
		default:
			if t.kind != tIdent {
				p.syntaxError()
			}
			p.fail("42601", p.pos(), "unrecognized role option \"%s\"", t.text)
		}
	}
	return o
}

func (p *parser) roles() []string {
	out := []string{p.role()}
	for p.accept(',') {
		out = append(out, p.role())
	}
	return out
}

// role reads a role's name; the words for the session's own roles come as written.
func (p *parser) role() string {
	switch p.tok().kw {
	case kwCurrentUser, kwSessionUser, kwCurrentRole:
		p.next()
		return p.toks[p.i-1].text
	}
	return p.nonReserved()
}

// grantStmt reads GRANT and REVOKE.
func (p *parser) grantStmt() ast.Statement {
	s := &ast.Grant{At: p.at(), Revoke: p.isKw(kwRevoke)}
	p.next()
	if s.Revoke {
		if p.acceptKws(kwGrant, kwOption, kwFor) || p.isKw(kwAdmin) && p.peekKw(1, kwOption) {
			if p.acceptKw(kwAdmin) {
				p.expectKws(kwOption, kwFor)
			}
			s.GrantOption = true
		}
	}
	all := false
	if p.isKw(kwAll) {
		p.next()
		p.acceptKw(kwPrivileges)
		all = true
		if p.kind() == '(' {
			s.Privileges = []ast.Privilege{{At: p.at(), Name: "all", Columns: p.parenNames()}}
		}
	} else {
		for {
			pr := ast.Privilege{At: p.at(), Name: p.label()}
			if p.kind() == '(' {
				pr.Columns = p.parenNames()
			}
			s.Privileges = append(s.Privileges, pr)
			if !p.accept(',') {
				break
			}
		}
	}
	if p.acceptKw(kwOn) {
		p.grantObjects(s)
	} else {
		if all {
			p.syntaxError()
		}
		for _, pr := range s.Privileges {
			s.Roles = append(s.Roles, pr.Name)
		}
		s.Privileges = nil
	}
	if s.Revoke {
		p.expectKw(kwFrom)
	} else {
		p.expectKw(kwTo)
	}
	for {
		p.acceptKw(kwGroup)
		s.Grantees = append(s.Grantees, p.role())
		if !p.accept(',') {
			break
		}
	}
	if p.acceptKw(kwWith) {
		if !p.acceptKw(kwGrant) {
			p.expectKw(kwAdmin)
		}
		p.expectKw(kwOption)
		s.GrantOption = true
	}
	if p.acceptKws(kwGranted, kwBy) {
		p.role()
	}
	if s.Revoke {
		s.Cascade = p.cascade()
	}
	return s
}

func (p *parser) grantObjects(s *ast.Grant) {
	s.Kind = ast.ObjTable
	switch t := p.tok(); t.kw {
	case kwTable:
		p.next()
	case kwSequence, kwSchema, kwDatabase, kwDomain, kwLanguage, kwTablespace, kwType:
		s.Kind = ast.ObjectKind(upper(t.text))
		p.next()
	case kwAll:
		p.next()
		what := p.tok()
		switch what.kw {
		case kwTables, kwSequences, kwFunctions, kwProcedures, kwRoutines:
		default:
			p.syntaxError()
		}
		p.next()
		p.expectKws(kwIn, kwSchema)
		s.Kind = ast.ObjectKind("ALL " + upper(what.text) + " IN SCHEMA")
	case kwFunction, kwProcedure, kwRoutine:
		s.Kind = ast.ObjectKind(upper(t.text))
		p.next()
		for {
			s.Objects = append(s.Objects, p.anyName())
			if p.kind() == '(' {
				p.i = int(p.tok().match)
				p.expect(')')
			}
			if !p.accept(',') {
				return
			}
		}
	case kwForeign, kwLarge, kwParameter:
		p.unsupported("GRANT ON " + upper(t.text))
	}
	s.Objects = p.names()
}
