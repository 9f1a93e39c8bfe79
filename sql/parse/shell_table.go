package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// createTable parses what follows CREATE TABLE.
func (p *parser) createTable(at ast.At, persistence ast.Persistence) ast.Statement {
	ifNotExists := p.ifNotExists()
	name := p.name()
	if p.isKw(kwOf) {
		p.unsupported("CREATE TABLE OF type")
	}
	s := &ast.CreateTable{At: at, Table: name, Persistence: persistence, IfNotExists: ifNotExists}
	if p.acceptKws(kwPartition, kwOf) {
		return p.partitionOf(s)
	}
	if p.kind() != '(' || p.columnNamesOnly() {
		c := &ast.CreateTableAs{At: at, Table: name, Persistence: persistence, IfNotExists: ifNotExists}
		if p.kind() == '(' {
			c.Columns = p.parenNames()
		}
		p.tableOptions(&c.AccessMethod, &c.Params, &c.OnCommit, &c.Tablespace)
		p.tableAs(c)
		return c
	}
	p.tableElements(s)
	if p.acceptKw(kwInherits) {
		p.expect('(')
		s.Inherits = p.names()
		p.expect(')')
	}
	p.tableSuffix(s)
	return s
}

// columnNamesOnly tells CREATE TABLE t (a, b) AS … from a list of definitions.
func (p *parser) columnNamesOnly() bool {
	k := p.peek(2).kind
	return p.peek(1).isColID() && (k == ',' || k == ')')
}

func (p *parser) tableSuffix(s *ast.CreateTable) {
	if p.acceptKws(kwPartition, kwBy) {
		switch w := p.tok().text; w {
		case "range", "list", "hash":
			s.PartitionBy = w
			p.next()
		default:
			p.fail(sqlerr.SyntaxError, p.pos(), "unrecognized partitioning strategy \"%s\"", w)
		}
		s.PartitionKeys = p.indexElems()
	}
	p.tableOptions(&s.AccessMethod, &s.Params, &s.OnCommit, &s.Tablespace)
}

func (p *parser) partitionOf(s *ast.CreateTable) ast.Statement {
	parent := p.name()
	s.PartitionOf = &parent
	if p.kind() == '(' {
		p.unsupported("column options of a partition")
	}
	start := p.i
	if p.acceptKw(kwDefault) {
		s.PartitionBound = "DEFAULT"
	} else {
		p.expectKws(kwFor, kwValues)
		for p.isKw(kwFrom) || p.isKw(kwTo) || p.isKw(kwIn) || p.isKw(kwWith) {
			p.next()
			if p.kind() != '(' {
				p.syntaxError()
			}
			p.i = int(p.tok().match)
			p.expect(')')
		}
		s.PartitionBound = p.textFrom(start)
	}
	p.tableSuffix(s)
	return s
}

// tableElements reads the columns, constraints and LIKE clauses of a table.
func (p *parser) tableElements(s *ast.CreateTable) {
	p.expect('(')
	if p.accept(')') {
		return
	}
	for {
		switch {
		case p.isKw(kwLike):
			s.Likes = append(s.Likes, p.likeClause())
		case p.tableConstraintStarts():
			s.Constraints = append(s.Constraints, p.tableConstraint())
		default:
			s.Columns = append(s.Columns, p.columnDef())
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
}

func (p *parser) tableConstraintStarts() bool {
	switch p.tok().kw {
	case kwConstraint, kwCheck, kwUnique, kwPrimary, kwForeign:
		return true
	case kwExclude:
		// EXCLUDE is a legal column name; as a constraint a parenthesis or USING follows.
		return p.peek(1).kind == '(' || p.peekKw(1, kwUsing)
	}
	return false
}

func (p *parser) likeClause() ast.LikeClause {
	c := ast.LikeClause{At: p.at()}
	p.next()
	c.Table = p.name()
	for {
		sign := "+"
		switch {
		case p.acceptKw(kwIncluding):
		case p.acceptKw(kwExcluding):
			sign = "-"
		default:
			return c
		}
		switch t := p.tok(); t.kw {
		case kwAll, kwComments, kwCompression, kwConstraints, kwDefaults, kwGenerated, kwIdentity, kwIndexes, kwStatistics, kwStorage:
			c.Options = append(c.Options, sign+t.text)
			p.next()
		default:
			p.syntaxError()
		}
	}
}

func (p *parser) columnDef() *ast.ColumnDef {
	c := &ast.ColumnDef{At: p.at(), Name: p.colID()}
	c.Type = p.typeName()
	if p.acceptKw(kwCompression) {
		c.Compression = p.label()
	}
	for {
		switch {
		case p.acceptKw(kwCollate):
			n := p.anyName()
			c.Collation = &n
			continue
		case p.constraintAttributes(c.Constraints):
			continue
		}
		k := p.columnConstraint()
		if k == nil {
			return c
		}
		c.Constraints = append(c.Constraints, k)
	}
}

// constraintAttributes reads DEFERRABLE and INITIALLY …, which belong to the constraint before them.
func (p *parser) constraintAttributes(before []*ast.Constraint) bool {
	pos := p.pos()
	deferrable, deferred := p.isKw(kwDeferrable), false
	switch {
	case p.acceptKw(kwDeferrable), p.acceptKws(kwNot, kwDeferrable), p.acceptKws(kwInitially, kwImmediate):
	case p.acceptKws(kwInitially, kwDeferred):
		deferred = true
	default:
		return false
	}
	if len(before) == 0 {
		p.fail(sqlerr.SyntaxError, pos, "misplaced constraint attribute")
	}
	c := before[len(before)-1]
	switch c.Kind {
	case ast.ConstraintPrimaryKey, ast.ConstraintUnique, ast.ConstraintForeignKey, ast.ConstraintExclude:
	default:
		p.fail(sqlerr.SyntaxError, pos, "misplaced DEFERRABLE clause")
	}
	c.Deferrable = c.Deferrable || deferrable || deferred
	c.InitiallyDeferred = c.InitiallyDeferred || deferred
	return true
}

// columnConstraint reads one constraint of a column, nil when none follows.
func (p *parser) columnConstraint() *ast.Constraint {
	c := &ast.Constraint{At: p.at()}
	named := p.acceptKw(kwConstraint)
	if named {
		c.Name = p.colID()
	}
	switch {
	case p.acceptKws(kwNot, kwNull):
		c.Kind = ast.ConstraintNotNull
	case p.acceptKw(kwNull):
		c.Kind = ast.ConstraintNull
	case p.acceptKw(kwDefault):
		c.Kind = ast.ConstraintDefault
		start := p.i
		p.exprBTo(&c.Expr)
		c.ExprText = p.textFrom(start)
	case p.acceptKw(kwCheck):
		c.Kind = ast.ConstraintCheck
		p.checkExpr(c)
		c.NoInherit = p.acceptKws(kwNo, kwInherit)
	case p.acceptKws(kwPrimary, kwKey):
		c.Kind = ast.ConstraintPrimaryKey
		p.indexOptions(c)
	case p.acceptKw(kwUnique):
		c.Kind = ast.ConstraintUnique
		p.nullsNotDistinct(&c.NullsNotDistinct)
		p.indexOptions(c)
	case p.acceptKw(kwReferences):
		c.Kind = ast.ConstraintForeignKey
		p.references(c)
	case p.acceptKw(kwGenerated):
		p.generated(c)
	default:
		if named {
			p.syntaxError()
		}
		return nil
	}
	return c
}

// checkExpr reads ( expr ).
func (p *parser) checkExpr(c *ast.Constraint) {
	p.expect('(')
	start := p.i
	p.exprTo(&c.Expr)
	c.ExprText = p.textFrom(start)
	p.expect(')')
}

func (p *parser) nullsNotDistinct(dst *bool) {
	if p.acceptKws(kwNulls, kwNot, kwDistinct) {
		*dst = true
		return
	}
	p.acceptKws(kwNulls, kwDistinct)
}

// indexOptions reads WITH (…) and USING INDEX TABLESPACE of PRIMARY KEY and UNIQUE.
func (p *parser) indexOptions(c *ast.Constraint) {
	if p.isKw(kwWith) && p.peek(1).kind == '(' {
		p.next()
		c.Params = p.storageParams()
	}
	if p.acceptKws(kwUsing, kwIndex, kwTablespace) {
		c.Tablespace = p.colID()
	}
}

func (p *parser) generated(c *ast.Constraint) {
	when := p.at().Pos
	always := p.acceptKw(kwAlways)
	if !always {
		p.expectKws(kwBy, kwDefault)
	}
	p.expectKw(kwAs)
	if p.acceptKw(kwIdentity) {
		c.Kind, c.IdentityAlways = ast.ConstraintIdentity, always
		if p.accept('(') {
			c.Sequence = p.sequenceOptions()
			p.expect(')')
		}
		return
	}
	if !always {
		p.fail(sqlerr.SyntaxError, when, "for a generated column, GENERATED ALWAYS must be specified")
	}
	c.Kind = ast.ConstraintGenerated
	p.checkExpr(c)
	p.expectKw(kwStored)
}

// references reads the rest of a foreign key after REFERENCES.
func (p *parser) references(c *ast.Constraint) {
	c.RefTable = p.name()
	if p.kind() == '(' {
		c.RefColumns = p.identList()
	}
	if pos := p.pos(); p.acceptKw(kwMatch) {
		switch {
		case p.acceptKw(kwFull):
			c.Match = ast.MatchFull
		case p.acceptKw(kwPartial):
			p.fail(sqlerr.FeatureNotSupported, pos, "MATCH PARTIAL not yet implemented")
		default:
			p.expectKw(kwSimple)
		}
	}
	for {
		switch {
		case p.acceptKws(kwOn, kwDelete):
			c.OnDelete = p.refAction()
			if (c.OnDelete == ast.SetNull || c.OnDelete == ast.SetDefault) && p.kind() == '(' {
				c.SetColumns = p.identList()
			}
		case p.acceptKws(kwOn, kwUpdate):
			c.OnUpdate = p.refAction()
		default:
			return
		}
	}
}

func (p *parser) refAction() ast.RefAction {
	switch {
	case p.acceptKws(kwNo, kwAction):
		return ast.NoAction
	case p.acceptKw(kwRestrict):
		return ast.Restrict
	case p.acceptKw(kwCascade):
		return ast.Cascade
	case p.acceptKws(kwSet, kwNull):
		return ast.SetNull
	}
	p.expectKws(kwSet, kwDefault)
	return ast.SetDefault
}

// tableConstraint reads a constraint of a table.
func (p *parser) tableConstraint() *ast.Constraint {
	c := &ast.Constraint{At: p.at()}
	if p.acceptKw(kwConstraint) {
		c.Name = p.colID()
	}
	switch {
	case p.acceptKw(kwCheck):
		c.Kind = ast.ConstraintCheck
		p.checkExpr(c)
	case p.isKw(kwPrimary), p.isKw(kwUnique):
		c.Kind = ast.ConstraintPrimaryKey
		if p.acceptKw(kwUnique) {
			c.Kind = ast.ConstraintUnique
			p.nullsNotDistinct(&c.NullsNotDistinct)
		} else {
			p.next()
			p.expectKw(kwKey)
		}
		if p.acceptKws(kwUsing, kwIndex) {
			c.UsingIndex = p.colID()
			break
		}
		c.Columns = p.identList()
		if p.acceptKw(kwInclude) {
			c.Include = p.identList()
		}
		p.indexOptions(c)
	case p.acceptKws(kwForeign, kwKey):
		c.Kind = ast.ConstraintForeignKey
		c.Columns = p.identList()
		p.expectKw(kwReferences)
		p.references(c)
	case p.isKw(kwExclude):
		p.next()
		p.exclude(c)
	default:
		p.syntaxError()
	}
	p.tableConstraintAttributes(c)
	return c
}

// exclude reads what follows EXCLUDE.
func (p *parser) exclude(c *ast.Constraint) {
	c.Kind = ast.ConstraintExclude
	if p.acceptKw(kwUsing) {
		c.Method = p.colID()
	}
	p.expect('(')
	// The elements are filled in later, where they lie.
	c.Exclude = make([]ast.ExcludeElem, p.countItems())
	for i := range c.Exclude {
		if i > 0 {
			p.expect(',')
		}
		e := &c.Exclude[i]
		p.indexElem(&e.Elem)
		p.expectKw(kwWith)
		if p.isKw(kwOperator) && p.peek(1).kind == '(' {
			var n int
			e.Op, n = p.qualifiedOperator()
			p.i += n
			continue
		}
		e.Op.Name = p.operatorName()
	}
	p.expect(')')
	if p.acceptKw(kwInclude) {
		c.Include = p.identList()
	}
	p.indexOptions(c)
	if p.acceptKw(kwWhere) {
		p.expect('(')
		p.exprTo(&c.Where)
		p.expect(')')
	}
}

func (p *parser) tableConstraintAttributes(c *ast.Constraint) {
	for {
		pos := p.pos()
		switch {
		case p.acceptKws(kwNot, kwValid):
			if c.Kind != ast.ConstraintCheck && c.Kind != ast.ConstraintForeignKey {
				p.fail(sqlerr.FeatureNotSupported, pos, "%s constraints cannot be marked NOT VALID", constraintWord(c.Kind))
			}
			c.NotValid = true
		case p.acceptKws(kwNo, kwInherit):
			if c.Kind != ast.ConstraintCheck {
				p.fail(sqlerr.FeatureNotSupported, pos, "%s constraints cannot be marked NO INHERIT", constraintWord(c.Kind))
			}
			c.NoInherit = true
		case p.isKw(kwDeferrable), p.isKw(kwInitially), p.isKw(kwNot) && p.peekKw(1, kwDeferrable):
			if c.Kind == ast.ConstraintCheck {
				p.fail(sqlerr.FeatureNotSupported, pos, "CHECK constraints cannot be marked DEFERRABLE")
			}
			if !p.constraintAttributes([]*ast.Constraint{c}) {
				p.next()
				p.syntaxError()
			}
		default:
			return
		}
	}
}

func constraintWord(k ast.ConstraintKind) string {
	switch k {
	case ast.ConstraintPrimaryKey:
		return "PRIMARY KEY"
	case ast.ConstraintUnique:
		return "UNIQUE"
	case ast.ConstraintForeignKey:
		return "FOREIGN KEY"
	}
	return "CHECK"
}

// createIndex parses CREATE [UNIQUE] INDEX from its UNIQUE or INDEX on.
func (p *parser) createIndex(at ast.At) ast.Statement {
	s := &ast.CreateIndex{At: at, Unique: p.acceptKw(kwUnique)}
	p.expectKw(kwIndex)
	s.Concurrently = p.acceptKw(kwConcurrently)
	s.IfNotExists = p.ifNotExists()
	if !p.isKw(kwOn) {
		s.Name = p.ident()
	} else if s.IfNotExists {
		p.syntaxError()
	}
	p.expectKw(kwOn)
	s.Only = p.acceptKw(kwOnly)
	s.Table = p.name()
	if p.acceptKw(kwUsing) {
		s.Method = p.colID()
	}
	s.Elems = p.indexElems()
	if p.acceptKw(kwInclude) {
		s.Include = p.indexElems()
	}
	p.nullsNotDistinct(&s.NullsNotDistinct)
	if p.acceptKw(kwWith) {
		s.Params = p.storageParams()
	}
	if p.acceptKw(kwTablespace) {
		s.Tablespace = p.colID()
	}
	if p.acceptKw(kwWhere) {
		start := p.i
		p.exprTo(&s.Where)
		s.WhereText = p.textFrom(start)
	}
	return s
}

// indexElems reads ( element, … ) of an index, a conflict target or a partition key. The elements are allocated before their
// expressions are parsed, because the decoder fills them in later.
func (p *parser) indexElems() []ast.IndexElem {
	p.expect('(')
	out := make([]ast.IndexElem, p.countItems())
	for i := range out {
		if i > 0 {
			p.expect(',')
		}
		p.indexElem(&out[i])
	}
	p.expect(')')
	return out
}

// countItems counts the comma-separated items up to the end of the parentheses around the current token.
func (p *parser) countItems() int {
	n := 1
	for i := p.i; ; i++ {
		switch t := &p.toks[i]; t.kind {
		case '(', '[':
			i = int(t.match) - 1
			if p.toks[i+1].kind == ')' || p.toks[i+1].kind == ']' {
				i++
			}
		case ',':
			n++
		case ')', ']', ';', tEOF:
			return n
		}
	}
}

func (p *parser) indexElem(e *ast.IndexElem) {
	e.At = p.at()
	switch {
	case p.kind() == '(':
		p.next()
		p.exprTo(&e.Expr)
		p.expect(')')
	case p.functionFollows():
		outer := p.begin(fragExpr, &e.Expr)
		p.emitTight("SELECT")
		p.windowlessCall()
		p.end(outer)
	default:
		e.Column = p.colID()
	}
	if p.acceptKw(kwCollate) {
		n := p.anyName()
		e.Collation = &n
	}
	if t := p.tok(); (t.isColID() || t.isTypeFunc()) && t.kw != kwNulls && t.kw != kwAsc && t.kw != kwDesc {
		n := p.anyName()
		e.OpClass = &n
		if p.kind() == '(' {
			e.OpParams = p.storageParams()
		}
	}
	if p.acceptKw(kwDesc) {
		e.Desc = true
	} else {
		p.acceptKw(kwAsc)
	}
	e.Nulls = p.nullsOrder()
}

// createSequence parses what follows CREATE SEQUENCE.
func (p *parser) createSequence(at ast.At, persistence ast.Persistence) ast.Statement {
	s := &ast.CreateSequence{At: at, Persistence: persistence, IfNotExists: p.ifNotExists()}
	s.Sequence = p.name()
	s.Options = p.sequenceOptions()
	return s
}

// sequenceOptions reads the options of a sequence until something else follows.
func (p *parser) sequenceOptions() []ast.SequenceOption {
	var out []ast.SequenceOption
	for {
		o := ast.SequenceOption{At: p.at()}
		value := func(name string) {
			o.Name, o.Value, o.HasValue = name, p.number(), true
		}
		switch {
		case p.acceptKw(kwAs):
			o.Name, o.Type = "as", p.simpleType()
		case p.acceptKw(kwIncrement):
			p.acceptKw(kwBy)
			value("increment")
		case p.acceptKw(kwMinvalue):
			value("minvalue")
		case p.acceptKw(kwMaxvalue):
			value("maxvalue")
		case p.acceptKw(kwCache):
			value("cache")
		case p.acceptKw(kwStart):
			p.acceptKw(kwWith)
			value("start")
		case p.acceptKw(kwRestart):
			with := p.acceptKw(kwWith)
			if k := p.kind(); with || k == tInt || k == '-' || k == '+' {
				value("restart")
			}
			o.Name = "restart"
		case p.acceptKw(kwCycle):
			o.Name = "cycle"
		case p.acceptKws(kwNo, kwCycle):
			o.Name, o.None = "cycle", true
		case p.acceptKws(kwNo, kwMinvalue):
			o.Name, o.None = "minvalue", true
		case p.acceptKws(kwNo, kwMaxvalue):
			o.Name, o.None = "maxvalue", true
		case p.acceptKws(kwOwned, kwBy):
			o.Name = "owned by"
			o.None = p.isKw(kwNone) && p.peek(1).kind != '.'
			o.Owner = p.dottedName()
		case p.acceptKws(kwSequence, kwName):
			o.Name = "sequence name"
			o.Owner = p.dottedName()
		default:
			return out
		}
		out = append(out, o)
	}
}

func (p *parser) dottedName() []string {
	out := []string{p.nonReserved()}
	for p.accept('.') {
		out = append(out, p.label())
	}
	return out
}
