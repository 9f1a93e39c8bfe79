package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
)

// insertStmt parses INSERT. A bare VALUES list goes through the engine's INSERT; any other source is a query.
func (p *parser) insertStmt(with *ast.With) ast.Statement {
	s := &ast.Insert{At: p.at(), With: with}
	p.next()
	p.expectKw(kwInto)
	s.Table = &ast.TableRef{At: p.at()}
	s.Table.Table = p.name()
	if p.acceptKw(kwAs) {
		s.Table.Alias = p.colID()
	}
	if p.kind() == '(' && !p.isQueryParen(p.i) {
		s.Columns = p.insertColumns()
	}
	s.Overriding = p.overriding()
	switch {
	case p.isKw(kwDefault) && s.Columns == nil:
		p.next()
		p.expectKw(kwValues)
		s.DefaultValues = true
	case p.isKw(kwValues) && p.valuesAlone():
		p.insertValues(&s.Source)
	case p.isQueryStart():
		p.queryTo(&s.Source)
	default:
		p.syntaxError()
	}
	if p.isKw(kwOn) && p.peekKw(1, kwConflict) {
		s.OnConflict = p.onConflict()
	}
	s.Returning = nil
	p.returning(&s.Returning)
	return s
}

// overriding reads OVERRIDING … VALUE, if it stands here.
func (p *parser) overriding() ast.Overriding {
	if !p.acceptKw(kwOverriding) {
		return ast.OverridingNone
	}
	o := ast.OverridingSystem
	if p.acceptKw(kwUser) {
		o = ast.OverridingUser
	} else {
		p.expectKw(kwSystem)
	}
	p.expectKw(kwValue)
	return o
}

// insertValues parses VALUES with rows that may hold DEFAULT.
func (p *parser) insertValues(dst **ast.Select) {
	outer := p.begin(fragInsert, dst)
	p.emitTight("INSERT INTO `t`")
	p.emitMarked("VALUES", p.i)
	p.next()
	p.valuesRows("(")
	p.end(outer)
}

func (p *parser) insertColumns() []ast.Ident {
	var out []ast.Ident
	p.expect('(')
	for {
		out = append(out, p.ident())
		if k := p.kind(); k == '[' || k == '.' {
			p.unsupported("assignment to an array element or field in INSERT")
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return out
}

// valuesAlone reports whether the VALUES list at the current token is the whole source of an INSERT.
func (p *parser) valuesAlone() bool {
	for i := p.i + 1; ; {
		if p.toks[i].kind != '(' {
			return false
		}
		i = min(int(p.toks[i].match)+1, len(p.toks)-1)
		switch t := &p.toks[i]; {
		case t.kind == ',':
			i++
			continue
		case t.kind == tEOF, t.kind == ';', t.kind == ')', t.kw == kwOn, t.kw == kwReturning:
			return true
		default:
			return false
		}
	}
}

func (p *parser) returning(dst *[]ast.Target) {
	if !p.acceptKw(kwReturning) {
		return
	}
	if p.targetsEnd() {
		p.syntaxError()
	}
	outer := p.begin(fragTargets, dst)
	p.emitTight("SELECT")
	p.targets(false)
	p.end(outer)
}

func (p *parser) onConflict() *ast.OnConflict {
	c := &ast.OnConflict{At: p.at()}
	p.i += 2
	switch {
	case p.acceptKw(kwOn):
		p.expectKw(kwConstraint)
		c.Constraint = p.colID()
	case p.kind() == '(':
		c.Target = p.indexElems()
		if p.acceptKw(kwWhere) {
			p.exprTo(&c.TargetWhere)
		}
	}
	p.expectKw(kwDo)
	if p.acceptKw(kwNothing) {
		c.DoNothing = true
		return c
	}
	p.expectKw(kwUpdate)
	p.assignments(&updateParts{set: &c.Set, where: &c.Where})
	return c
}

// multiAssign stands for the column list of SET (a, b) = ….
type multiAssign struct {
	at      ast.At
	columns []ast.Ident
	target  ast.Expr // of SET a[i] = …
}

// assignments parses SET … as the engine's UPDATE. WHERE belongs to it; rest is emitted by the caller through where.
func (p *parser) assignments(parts *updateParts) {
	outer := p.begin(fragUpdate, parts)
	p.setClause()
	p.whereClause()
	p.end(outer)
}

func (p *parser) setClause() {
	p.emitTight("UPDATE `t` SET")
	p.expectKw(kwSet)
	for {
		at := p.i
		if p.kind() == '(' {
			m := &multiAssign{at: p.at(), columns: p.insertColumns()}
			p.emitSentinel("multi"+p.addSide(m), at)
		} else {
			name := p.colID()
			m := &multiAssign{at: p.atToken(at), columns: []ast.Ident{{At: p.atToken(at), Name: name}}}
			switch p.kind() {
			case '[':
				p.i = at
				p.targetTo(&m.target)
			case '.':
				p.unsupported("assignment to a field")
			}
			p.emitMarked(string(appendName(nil, name+"\x00set"+p.addSide(m))), at)
		}
		p.expect('=')
		p.emit("=")
		p.expr()
		if !p.accept(',') {
			break
		}
		p.emitTight(",")
	}
}

// targetTo parses column[i]… before the equals sign of an assignment.
func (p *parser) targetTo(dst *ast.Expr) {
	outer := p.begin(fragExpr, dst)
	p.emitTight("SELECT")
	p.primary()
	p.end(outer)
}

func (p *parser) whereClause() {
	if !p.acceptKw(kwWhere) {
		return
	}
	p.emit("WHERE")
	p.expr()
}

// currentOf reads WHERE CURRENT OF cursor, if it stands here.
func (p *parser) currentOf(cursor *string) bool {
	if !p.acceptKws(kwWhere, kwCurrent, kwOf) {
		return false
	}
	*cursor = p.colID()
	return true
}

// dmlTarget reads the table of UPDATE and DELETE.
func (p *parser) dmlTarget() *ast.TableRef {
	r := &ast.TableRef{At: p.at()}
	p.relation(r)
	if p.acceptKw(kwAs) || p.tok().isColID() && !p.isKw(kwSet) {
		r.Alias = p.colID()
	}
	return r
}

func (p *parser) updateStmt(with *ast.With) ast.Statement {
	s := &ast.Update{At: p.at(), With: with}
	p.next()
	s.Table = p.dmlTarget()
	outer := p.begin(fragUpdate, &updateParts{set: &s.Set, where: &s.Where})
	p.setClause()
	if p.acceptKw(kwFrom) {
		p.fromTo(&s.From)
	}
	if !p.currentOf(&s.CurrentOf) {
		p.whereClause()
	}
	p.end(outer)
	p.returning(&s.Returning)
	return s
}

func (p *parser) deleteStmt(with *ast.With) ast.Statement {
	s := &ast.Delete{At: p.at(), With: with}
	p.next()
	p.expectKw(kwFrom)
	s.Table = p.dmlTarget()
	if p.acceptKw(kwUsing) {
		p.fromTo(&s.Using)
	}
	if !p.currentOf(&s.CurrentOf) && p.isKw(kwWhere) {
		outer := p.begin(fragDelete, &s.Where)
		p.emitTight("DELETE FROM `t`")
		p.whereClause()
		p.end(outer)
	}
	p.returning(&s.Returning)
	return s
}
