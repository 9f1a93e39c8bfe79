package parse

import (
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
)

// createRole reads CREATE and ALTER ROLE, USER and GROUP.
func (p *parser) createRole(at ast.At, alter bool) ast.Statement {
	s := &ast.CreateRole{At: at, Alter: alter, Kind: p.tok().text}
	p.next()
	s.Name = ast.Ident{At: p.at()}
	if alter {
		s.Name.Name = p.role()
	} else {
		s.Name.Name = p.nonReserved()
	}
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

// alterRole reads what follows ALTER ROLE or USER r, if it is RENAME, SET or RESET.
func (p *parser) alterRole(at ast.At) ast.Statement {
	p.next()
	s := &ast.AlterRole{At: at}
	if !p.acceptKw(kwAll) {
		s.Name = p.role()
	}
	if p.acceptKws(kwRename, kwTo) {
		s.RenameTo = p.nonReserved()
		return s
	}
	if p.acceptKws(kwIn, kwDatabase) {
		s.Database = p.colID()
	}
	set := &ast.SetVar{At: p.at()}
	switch {
	case p.acceptKw(kwSet):
		p.setTarget(set)
	case p.acceptKw(kwReset):
		if set.Reset, set.Default = true, true; p.acceptKw(kwAll) {
			set.ResetAll = true
		} else {
			set.Name = p.varName()
		}
	default:
		p.syntaxError()
	}
	s.Set = set
	return s
}

// alterGroup reads ALTER GROUP g ADD|DROP USER u, …, which is GRANT and REVOKE by
// their old name, and RENAME TO.
func (p *parser) alterGroup(at ast.At) ast.Statement {
	p.next()
	group := p.role()
	switch {
	case p.acceptKws(kwAdd, kwUser):
		return &ast.Grant{At: at, Roles: []string{group}, Grantees: p.roles(), AlterGroup: true}
	case p.acceptKws(kwDrop, kwUser):
		return &ast.Grant{At: at, Revoke: true, Roles: []string{group}, Grantees: p.roles(), AlterGroup: true}
	}
	p.expectKws(kwRename, kwTo)
	return &ast.AlterRole{At: at, Name: group, RenameTo: p.nonReserved()}
}

// defaultPrivileges reads what follows ALTER DEFAULT PRIVILEGES.
func (p *parser) defaultPrivileges(at ast.At) ast.Statement {
	s := &ast.DefaultPrivileges{At: at}
	p.expectKws(kwDefault, kwPrivileges)
	for {
		switch {
		case p.acceptKws(kwIn, kwSchema):
			s.Schemas = append(s.Schemas, p.colIDs()...)
			continue
		case p.acceptKws(kwFor, kwRole), p.acceptKws(kwFor, kwUser):
			s.Roles = append(s.Roles, p.roles()...)
			continue
		}
		break
	}
	if !p.isKw(kwGrant) && !p.isKw(kwRevoke) {
		p.syntaxError()
	}
	s.Grant = p.grant(func(p *parser, g *ast.Grant) {
		switch t := p.tok(); t.kw {
		case kwTables, kwSequences, kwFunctions, kwRoutines, kwTypes, kwSchemas:
			g.Kind = ast.ObjectKind(upper(t.text))
			p.next()
		default:
			p.syntaxError()
		}
	})
	if s.Grant.Kind == "" {
		p.syntaxError()
	}
	return s
}

// ownedBy reads OWNED BY and the roles, after DROP or REASSIGN.
func (p *parser) ownedBy(at ast.At, reassign bool) ast.Statement {
	p.expectKws(kwOwned, kwBy)
	s := &ast.OwnedBy{At: at, Roles: p.roles()}
	if reassign {
		p.expectKw(kwTo)
		s.To = p.role()
	} else {
		s.Cascade = p.cascade()
	}
	return s
}

// alterSchema reads what follows ALTER SCHEMA.
func (p *parser) alterSchema(at ast.At) ast.Statement {
	p.next()
	s := &ast.AlterSchema{At: at, Name: p.colID()}
	if p.acceptKws(kwRename, kwTo) {
		s.RenameTo = p.colID()
		return s
	}
	p.expectKws(kwOwner, kwTo)
	s.Owner = p.role()
	return s
}

// grantStmt reads GRANT and REVOKE.
func (p *parser) grantStmt() ast.Statement { return p.grant((*parser).grantObjects) }

// grant reads GRANT and REVOKE, with a function for what follows ON.
func (p *parser) grant(objects func(*parser, *ast.Grant)) *ast.Grant {
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
		objects(p, s)
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
		s.GrantedBy = p.role()
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
