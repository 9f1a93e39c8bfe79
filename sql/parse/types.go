package parse

import (
	"strconv"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// typeName reads a type with SETOF and array bounds.
func (p *parser) typeName() ast.TypeName {
	at := p.at()
	setOf := p.acceptKw(kwSetof)
	t := p.simpleType()
	t.At, t.SetOf = at, setOf
	if p.acceptKw(kwArray) {
		t.ArrayDims = 1
		if p.accept('[') {
			p.expectInt()
			p.expect(']')
		}
		return t
	}
	for p.accept('[') {
		if p.kind() != ']' {
			p.expectInt()
		}
		p.expect(']')
		t.ArrayDims++
	}
	return t
}

func (p *parser) expectInt() int64 {
	t := p.tok()
	if t.kind != tInt {
		p.syntaxError()
	}
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil {
		p.syntaxError() // PostgreSQL's grammar knows integers of 32 bits only
	}
	p.next()
	return n
}

func systemType(name string) ast.TypeName {
	return ast.TypeName{Schema: "pg_catalog", Name: name}
}

// simpleType reads a type without array bounds. The words with a grammar of their own come first.
func (p *parser) simpleType() ast.TypeName {
	t := p.tok()
	if t.kind == tKeyword {
		switch t.kw {
		case kwInt, kwInteger:
			p.next()
			return systemType("int4")
		case kwSmallint:
			p.next()
			return systemType("int2")
		case kwBigint:
			p.next()
			return systemType("int8")
		case kwReal:
			p.next()
			return systemType("float4")
		case kwBoolean:
			p.next()
			return systemType("bool")
		case kwDouble:
			if p.peekKw(1, kwPrecision) {
				p.i += 2
				return systemType("float8")
			}
		case kwFloat:
			p.next()
			return p.floatType()
		case kwDecimal, kwDec, kwNumeric:
			p.next()
			n := systemType("numeric")
			n.Mods = p.typeMods()
			return n
		case kwBit:
			p.next()
			return p.bitType()
		case kwCharacter, kwChar, kwNational, kwNchar, kwVarchar:
			return p.charType()
		case kwTime, kwTimestamp:
			return p.timeType()
		case kwInterval:
			p.next()
			return p.intervalType()
		}
	}
	return p.genericType()
}

func (p *parser) floatType() ast.TypeName {
	if !p.accept('(') {
		return systemType("float8")
	}
	at := p.pos()
	n := p.expectInt()
	p.expect(')')
	switch {
	case n < 1:
		p.fail(sqlerr.InvalidParameterValue, at, "precision for type float must be at least 1 bit")
	case n > 53:
		p.fail(sqlerr.InvalidParameterValue, at, "precision for type float must be less than 54 bits")
	case n <= 24:
		return systemType("float4")
	}
	return systemType("float8")
}

func (p *parser) bitType() ast.TypeName {
	t := systemType("bit")
	if p.acceptKw(kwVarying) {
		t.Name = "varbit"
		t.Mods = p.typeMods()
		return t
	}
	t.Mods = p.typeMods()
	if t.Mods == nil {
		t.Mods = []int32{1}
	}
	return t
}

func (p *parser) charType() ast.TypeName {
	t := systemType("bpchar")
	switch kw := p.tok().kw; kw {
	case kwVarchar:
		p.next()
		t.Name = "varchar"
	case kwNational:
		p.next()
		if !p.acceptKw(kwCharacter) {
			p.expectKw(kwChar)
		}
	default:
		p.next()
	}
	if t.Name == "bpchar" && p.acceptKw(kwVarying) {
		t.Name = "varchar"
	}
	if p.accept('(') {
		t.Mods = []int32{int32(p.expectInt())}
		p.expect(')')
	} else if t.Name == "bpchar" {
		t.Mods = []int32{1} // char alone is char(1)
	}
	return t
}

func (p *parser) timeType() ast.TypeName {
	t := systemType(p.tok().text)
	p.next()
	if p.accept('(') {
		t.Mods = []int32{int32(p.expectInt())}
		p.expect(')')
	}
	if p.acceptKws(kwWith, kwTime, kwZone) {
		t.Name += "tz"
	} else {
		p.acceptKws(kwWithout, kwTime, kwZone)
	}
	return t
}

// intervalType reads what follows the word INTERVAL of a type.
func (p *parser) intervalType() ast.TypeName {
	t := systemType("interval")
	if p.accept('(') {
		t.Mods = []int32{int32(p.expectInt())}
		p.expect(')')
		return t
	}
	p.intervalFields(&t)
	return t
}

// intervalFields reads YEAR, DAY TO SECOND(3) and so on, if they are there.
func (p *parser) intervalFields(t *ast.TypeName) {
	isField := func(k keyword) bool {
		return k == kwYear || k == kwMonth || k == kwDay || k == kwHour || k == kwMinute || k == kwSecond
	}
	first := p.tok().kw
	if !isField(first) {
		return
	}
	t.IntervalFields = p.tok().text
	p.next()
	last := first
	if p.isKw(kwTo) {
		p.next()
		last = p.tok().kw
		allowed := false
		switch first {
		case kwYear:
			allowed = last == kwMonth
		case kwDay:
			allowed = last == kwHour || last == kwMinute || last == kwSecond
		case kwHour:
			allowed = last == kwMinute || last == kwSecond
		case kwMinute:
			allowed = last == kwSecond
		}
		if !allowed {
			p.syntaxError()
		}
		t.IntervalFields += " to " + p.tok().text
		p.next()
	}
	if last == kwSecond && p.accept('(') {
		t.Mods = []int32{int32(p.expectInt())}
		p.expect(')')
	}
}

// genericType reads a name that the catalog will explain.
func (p *parser) genericType() ast.TypeName {
	if !p.tok().isTypeFunc() {
		p.syntaxError()
	}
	n := p.anyName()
	t := ast.TypeName{At: n.At, Catalog: n.Catalog, Schema: n.Schema, Name: n.Name}
	t.Mods = p.typeMods()
	return t
}

// typeMods reads ( number, … ) if it is there. Other modifiers than numbers have no built-in type that takes them.
func (p *parser) typeMods() []int32 {
	if !p.accept('(') {
		return nil
	}
	var mods []int32
	for {
		sign := int32(1)
		if p.accept('-') {
			sign = -1
		}
		if k := p.kind(); k != tInt && k != ')' && k != ',' && k != tEOF {
			p.unsupported("a type modifier that is not a number")
		}
		mods = append(mods, sign*int32(p.expectInt()))
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
	return mods
}
