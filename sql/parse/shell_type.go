package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// createType reads CREATE TYPE … AS ENUM and AS (…).
func (p *parser) createType(at ast.At, start int) ast.Statement {
	name := p.anyName()
	if !p.isKw(kwAs) || !p.peekKw(1, kwEnum) && p.peek(1).kind != '(' {
		p.i = start
		return p.unbuilt("CREATE")
	}
	p.next()
	if p.accept('(') {
		return p.createComposite(at, name)
	}
	p.next()
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

func (p *parser) createComposite(at ast.At, name ast.Name) ast.Statement {
	s := &ast.CreateComposite{At: at, Type: name}
	for p.kind() != ')' {
		c := &ast.ColumnDef{At: p.at(), Name: p.colID()}
		c.Type = p.typeName()
		if p.acceptKw(kwCollate) {
			n := p.anyName()
			c.Collation = &n
		}
		s.Columns = append(s.Columns, c)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return s
}

// createDomain reads what follows CREATE DOMAIN.
func (p *parser) createDomain(at ast.At) ast.Statement {
	s := &ast.CreateDomain{At: at, Domain: p.anyName()}
	p.acceptKw(kwAs)
	s.Type = p.typeName()
	for {
		if p.acceptKw(kwCollate) {
			n := p.anyName()
			s.Collation = &n
			continue
		}
		c := p.columnConstraint()
		if c == nil {
			return s
		}
		s.Constraints = append(s.Constraints, c)
	}
}

// alterType reads ALTER TYPE and ALTER DOMAIN, from the kind on.
func (p *parser) alterType(at ast.At, start int) ast.Statement {
	s := &ast.AlterType{At: at, Kind: ast.ObjType}
	domain := p.isKw(kwDomain)
	if domain {
		s.Kind = ast.ObjDomain
	}
	p.next()
	s.Type = p.anyName()
	switch p.tok().kw {
	case kwRename:
		p.next()
		switch {
		case p.acceptKw(kwTo):
			s.NewName = p.colID()
			return s
		case domain:
			p.expectKw(kwConstraint)
			d := &ast.AlterDomain{At: at, Domain: s.Type, Action: ast.DomainRenameConstraint, Name: p.colID()}
			p.expectKw(kwTo)
			d.NewName = p.colID()
			return d
		case p.acceptKw(kwAttribute):
			s.Attribute = p.colID()
			p.expectKw(kwTo)
			s.NewName = p.colID()
			p.cascade()
			return s
		}
		p.expectKw(kwValue)
		e := &ast.AlterEnum{At: at, Type: s.Type, Label: p.stringConst()}
		p.expectKw(kwTo)
		to := p.stringConst()
		e.Rename = &to
		return e
	case kwOwner:
		p.next()
		p.expectKw(kwTo)
		s.Owner = p.role()
		return s
	case kwSet:
		if p.peekKw(1, kwSchema) {
			p.i += 2
			s.Schema = p.colID()
			return s
		}
	case kwAdd:
		if !domain && p.peekKw(1, kwValue) {
			p.i += 2
			return p.addValue(at, s.Type)
		}
	}
	if domain {
		return p.alterDomain(at, s.Type)
	}
	p.i = start
	return p.unbuilt("ALTER")
}

func (p *parser) addValue(at ast.At, name ast.Name) ast.Statement {
	s := &ast.AlterEnum{At: at, Type: name}
	s.IfNotExists = p.ifNotExists()
	s.Label = p.stringConst()
	if p.isKw(kwBefore) || p.isKw(kwAfter) {
		s.After = p.isKw(kwAfter)
		p.next()
		n := p.stringConst()
		s.Neighbor = &n
	}
	return s
}

// alterDomain reads an action on a domain's default or constraints.
func (p *parser) alterDomain(at ast.At, name ast.Name) ast.Statement {
	s := &ast.AlterDomain{At: at, Domain: name}
	switch {
	case p.acceptKws(kwSet, kwDefault):
		start := p.i
		p.exprTo(&s.Expr)
		s.ExprText = p.textFrom(start)
	case p.acceptKws(kwDrop, kwDefault):
		s.Action = ast.DomainDropDefault
	case p.acceptKws(kwSet, kwNot, kwNull):
		s.Action = ast.DomainSetNotNull
	case p.acceptKws(kwDrop, kwNot, kwNull):
		s.Action = ast.DomainDropNotNull
	case p.acceptKw(kwAdd):
		s.Action = ast.DomainAddConstraint
		pos := p.pos()
		if s.Constraint = p.columnConstraint(); s.Constraint == nil {
			p.syntaxError()
		}
		if s.Constraint.Kind != ast.ConstraintCheck {
			p.fail(sqlerr.SyntaxError, pos, "this kind of constraint cannot be added to a domain")
		}
		s.Constraint.NotValid = p.acceptKws(kwNot, kwValid)
	case p.acceptKws(kwDrop, kwConstraint):
		s.Action = ast.DomainDropConstraint
		s.IfExists = p.ifExists()
		s.Name = p.colID()
		s.Cascade = p.cascade()
	case p.acceptKws(kwValidate, kwConstraint):
		s.Action = ast.DomainValidate
		s.Name = p.colID()
	default:
		p.syntaxError()
	}
	return s
}
