package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
)

// alterStmt parses ALTER.
func (p *parser) alterStmt() ast.Statement {
	start := p.i
	s := &ast.AlterTable{At: p.at()}
	p.next()
	switch t := p.tok(); t.kw {
	case kwTable, kwIndex, kwView, kwSequence:
		s.Kind = ast.ObjectKind(upper(t.text))
	case kwMaterialized:
		p.next()
		if !p.isKw(kwView) {
			p.syntaxError()
		}
		s.Kind = ast.ObjMatView
	case kwSchema:
		return p.alterSchema(s.At)
	case kwDefault:
		return p.defaultPrivileges(s.At)
	case kwType, kwDomain:
		return p.alterType(s.At, start)
	case kwDatabase, kwExtension:
		return p.alterOther(start)
	case kwGroup:
		return p.alterGroup(s.At)
	case kwRole, kwUser:
		if p.peekKw(1, kwMapping) {
			return p.alterOther(start)
		}
		if p.roleSetFollows() {
			return p.alterRole(s.At)
		}
		return p.createRole(s.At, true)
	default:
		return p.alterOther(start)
	}
	p.next()
	if p.isKw(kwAll) && p.peekKw(1, kwIn) {
		p.i = start
		return p.rest("ALTER " + string(s.Kind) + " ALL IN TABLESPACE")
	}
	s.IfExists = p.ifExists()
	r := ast.TableRef{}
	p.relation(&r)
	s.Table, s.Only = r.Table, r.Only
	for {
		s.Actions = append(s.Actions, p.alterAction(s.Kind))
		if !p.accept(',') {
			return s
		}
	}
}

// roleSetFollows: ALTER ROLE r [IN DATABASE d] SET …, RESET … and RENAME TO.
func (p *parser) roleSetFollows() bool {
	switch p.peek(2).kw {
	case kwSet, kwReset, kwRename, kwIn:
		return true
	}
	return false
}

func (p *parser) alterOther(start int) ast.Statement {
	p.i = start
	return p.unbuilt("ALTER")
}

func (p *parser) alterAction(kind ast.ObjectKind) ast.AlterAction {
	at := p.at()
	switch t := p.tok(); t.kw {
	case kwAdd:
		p.next()
		return p.alterAdd(at)
	case kwDrop:
		p.next()
		return p.alterDrop(at)
	case kwAlter:
		p.next()
		return p.alterColumn(at)
	case kwRename:
		p.next()
		return p.alterRename(at)
	case kwOwner:
		p.next()
		p.expectKw(kwTo)
		return &ast.OwnerTo{At: at, Role: p.role()}
	case kwValidate:
		p.next()
		p.expectKw(kwConstraint)
		return &ast.ValidateConstraint{At: at, Name: p.colID()}
	case kwSet:
		return p.alterSet(at, kind)
	case kwReset:
		p.next()
		return &ast.SetStorageParams{At: at, Reset: true, Params: p.storageParams()}
	case kwEnable, kwDisable, kwForce, kwNo, kwInherit, kwCluster, kwReplica, kwAttach, kwDetach, kwOf, kwNot, kwDepends:
		return p.unsupportedAction(at)
	}
	if kind == ast.ObjSequence {
		if o := p.sequenceOptions(); len(o) > 0 {
			return &ast.AlterSequenceOptions{At: at, Options: o}
		}
	}
	switch {
	case p.isWord("split") && p.peekKw(1, kwAt):
		p.i += 2
		a := &ast.SplitAt{At: at}
		if !p.isQueryStart() {
			p.syntaxError()
		}
		p.queryTo(&a.Source)
		return a
	case p.acceptWord("unsplit"):
		return &ast.Unsplit{At: at}
	case p.acceptWord("scatter"):
		return &ast.Scatter{At: at}
	}
	p.syntaxError()
	return nil
}

// unsupportedAction passes over an action up to the next comma or the end, and names it by its leading key words.
func (p *parser) unsupportedAction(at ast.At) ast.AlterAction {
	a := &ast.UnsupportedAction{At: at, What: "ALTER TABLE"}
	named := true
	for {
		switch t := p.tok(); t.kind {
		case tEOF, ';', ',', ')':
			return a
		case '(', '[':
			p.i = int(t.match)
			named = false
			if k := p.kind(); k == tEOF || k == ';' {
				return a
			}
		case tKeyword:
			if named {
				a.What += " " + upper(t.text)
			}
		default:
			named = false
		}
		p.next()
	}
}

func (p *parser) alterAdd(at ast.At) ast.AlterAction {
	if p.tableConstraintStarts() {
		return &ast.AddConstraint{At: at, Constraint: p.tableConstraint()}
	}
	p.acceptKw(kwColumn)
	a := &ast.AddColumn{At: at, IfNotExists: p.ifNotExists()}
	a.Column = p.columnDef()
	return a
}

func (p *parser) alterDrop(at ast.At) ast.AlterAction {
	if p.acceptKw(kwConstraint) {
		a := &ast.DropConstraint{At: at, IfExists: p.ifExists(), Name: p.colID()}
		a.Cascade = p.cascade()
		return a
	}
	p.acceptKw(kwColumn)
	a := &ast.DropColumn{At: at, IfExists: p.ifExists()}
	a.Name = p.colID()
	a.Cascade = p.cascade()
	return a
}

func (p *parser) alterRename(at ast.At) ast.AlterAction {
	switch {
	case p.acceptKw(kwTo):
		return &ast.RenameTo{At: at, NewName: p.colID()}
	case p.acceptKw(kwConstraint):
		a := &ast.RenameConstraint{At: at, Name: p.colID()}
		p.expectKw(kwTo)
		a.NewName = p.colID()
		return a
	}
	p.acceptKw(kwColumn)
	a := &ast.RenameColumn{At: at, Name: p.colID()}
	p.expectKw(kwTo)
	a.NewName = p.colID()
	return a
}

func (p *parser) alterSet(at ast.At, kind ast.ObjectKind) ast.AlterAction {
	switch {
	case p.acceptKws(kwSet, kwSchema):
		return &ast.SetSchema{At: at, Schema: p.colID()}
	case p.peek(1).kind == '(':
		p.next()
		return &ast.SetStorageParams{At: at, Params: p.storageParams()}
	}
	switch p.peek(1).kw {
	case kwTablespace, kwLogged, kwUnlogged, kwWithout, kwAccess:
		return p.unsupportedAction(at)
	}
	p.next()
	p.syntaxError()
	return nil
}

// alterColumn parses ALTER [COLUMN] name ….
func (p *parser) alterColumn(at ast.At) ast.AlterAction {
	if p.isKw(kwConstraint) {
		return p.unsupportedAction(at)
	}
	p.acceptKw(kwColumn)
	if p.kind() == tInt {
		return p.unsupportedAction(at)
	}
	name := p.colID()
	switch {
	case p.acceptKws(kwSet, kwNot, kwNull):
		return &ast.AlterColumnNull{At: at, Column: name, NotNull: true}
	case p.acceptKws(kwDrop, kwNot, kwNull):
		return &ast.AlterColumnNull{At: at, Column: name}
	case p.acceptKws(kwDrop, kwDefault):
		return &ast.AlterColumnDefault{At: at, Column: name}
	case p.acceptKws(kwSet, kwDefault):
		a := &ast.AlterColumnDefault{At: at, Column: name}
		start := p.i
		p.exprTo(&a.Expr)
		a.ExprText = p.textFrom(start)
		return a
	case p.isKw(kwType), p.isKw(kwSet) && p.peekKw(1, kwData):
		if p.acceptKw(kwSet) {
			p.next()
		}
		p.expectKw(kwType)
		a := &ast.AlterColumnType{At: at, Column: name, Type: p.typeName()}
		if p.acceptKw(kwCollate) {
			n := p.anyName()
			a.Collation = &n
		}
		if p.acceptKw(kwUsing) {
			p.exprTo(&a.Using)
		}
		return a
	case p.acceptKws(kwDrop, kwIdentity):
		return &ast.AlterColumnIdentity{At: at, Column: name, Action: "drop", IfExists: p.ifExists()}
	case p.acceptKws(kwAdd, kwGenerated):
		c := ast.Constraint{At: at}
		p.generated(&c)
		if c.Kind != ast.ConstraintIdentity {
			p.syntaxError()
		}
		return &ast.AlterColumnIdentity{At: at, Column: name, Action: "add", Always: c.IdentityAlways, Sequence: c.Sequence}
	case p.isKw(kwRestart):
		return p.unsupportedAction(at)
	case p.acceptKw(kwSet):
		switch p.tok().kw {
		case kwStatistics, kwStorage, kwCompression, kwGenerated, kwIncrement, kwMinvalue, kwMaxvalue, kwStart, kwCache, kwCycle, kwNo,
			kwSequence, kwRestart:
			return p.unsupportedAction(at)
		}
		if p.kind() == '(' {
			return p.unsupportedAction(at)
		}
	case p.acceptKw(kwReset):
		if p.kind() == '(' {
			return p.unsupportedAction(at)
		}
	case p.acceptKw(kwDrop):
		if p.acceptKw(kwExpression) {
			return &ast.DropExpression{At: at, Column: name, IfExists: p.ifExists()}
		}
	}
	p.syntaxError()
	return nil
}
