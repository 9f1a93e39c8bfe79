package parse

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// copyStmt parses COPY in the syntax with an option list and in the two older ones.
func (p *parser) copyStmt() ast.Statement {
	s := &ast.Copy{At: p.at()}
	p.next()
	if p.kind() == '(' {
		p.next()
		p.preparable(&s.Query)
		p.expect(')')
		p.expectKw(kwTo)
	} else {
		if p.acceptKw(kwBinary) {
			s.Options.Format = ast.CopyBinary
		}
		n := p.name()
		s.Table = &n
		if p.kind() == '(' {
			s.Columns = p.identList()
		}
		if s.From = p.acceptKw(kwFrom); !s.From {
			p.expectKw(kwTo)
		}
	}
	p.copyEndpoint(s)
	if p.isKw(kwUsing) || p.isKw(kwDelimiters) {
		p.acceptKw(kwUsing)
		p.expectKw(kwDelimiters)
		d := p.stringConst()
		s.Options.Delimiter = &d
	}
	p.acceptKw(kwWith)
	if p.kind() == '(' {
		p.copyOptionList(s)
	} else {
		p.copyOldOptions(s)
	}
	if p.isKw(kwWhere) {
		if !s.From {
			p.fail(sqlerr.SyntaxError, p.pos(), "WHERE clause not allowed with COPY TO")
		}
		p.next()
		p.exprTo(&s.Where)
	}
	return s
}

func (p *parser) copyEndpoint(s *ast.Copy) {
	if p.acceptKw(kwProgram) {
		s.Program = p.stringConst()
		return
	}
	switch {
	case p.kind() == tString:
		s.File = p.stringConst()
		if s.File == "" {
			p.fail(sqlerr.InvalidName, 0, "relative path not allowed for COPY to file")
		}
	case p.acceptKw(kwStdin), p.acceptKw(kwStdout):
	default:
		p.syntaxError()
	}
}

// copyOptionList reads ( name [value], … ).
func (p *parser) copyOptionList(s *ast.Copy) {
	o := &s.Options
	seen := map[string]bool{}
	p.expect('(')
	for {
		pos := p.pos()
		name := p.label()
		if seen[name] {
			p.fail(sqlerr.SyntaxError, pos, "conflicting or redundant options")
		}
		seen[name] = true
		p.copyOption(o, pos, name)
		if !p.accept(',') {
			break
		}
	}
	p.expect(')')
}

func (p *parser) copyOption(o *ast.CopyOptions, pos ast.Pos, name string) {
	switch name {
	case "force_quote", "force_not_null", "force_null":
		p.copyColumns(o, pos, name)
		return
	}
	value, ok := p.optionValue()
	text := func(dst **string) {
		if !ok {
			p.fail(sqlerr.SyntaxError, pos, "%s requires a parameter", name)
		}
		*dst = &value
	}
	switch name {
	case "format":
		switch value {
		case "text":
			o.Format = ast.CopyText
		case "csv":
			o.Format = ast.CopyCSV
		case "binary":
			o.Format = ast.CopyBinary
		default:
			if !ok {
				p.fail(sqlerr.SyntaxError, pos, "format requires a parameter")
			}
			p.fail(sqlerr.InvalidParameterValue, pos, "COPY format \"%s\" not recognized", value)
		}
	case "freeze":
		o.Freeze = p.boolOption(pos, name, value, ok)
	case "delimiter":
		text(&o.Delimiter)
	case "null":
		text(&o.Null)
	case "header":
		if o.HeaderMatch = value == "match"; o.HeaderMatch {
			o.Header = true
			break
		}
		o.Header = p.boolOption(pos, name, value, ok)
	case "quote":
		text(&o.Quote)
	case "escape":
		text(&o.Escape)
	case "encoding":
		text(&o.Encoding)
	default:
		p.fail(sqlerr.SyntaxError, pos, "option \"%s\" not recognized", name)
	}
}

// copyColumns reads the column list of a FORCE option, or `*`.
func (p *parser) copyColumns(o *ast.CopyOptions, pos ast.Pos, name string) {
	if name == "force_quote" && p.accept('*') {
		o.ForceQuoteAll = true
		return
	}
	if p.kind() != '(' {
		p.fail(sqlerr.InvalidParameterValue, pos, "argument to option \"%s\" must be a list of column names", name)
	}
	columns := p.parenNames()
	switch name {
	case "force_quote":
		o.ForceQuote = columns
	case "force_not_null":
		o.ForceNotNull = columns
	default:
		o.ForceNull = columns
	}
}

// copyOldOptions reads the options of PostgreSQL before 9.0, words in a row.
func (p *parser) copyOldOptions(s *ast.Copy) {
	o := &s.Options
	text := func(dst **string) {
		p.acceptKw(kwAs)
		v := p.stringConst()
		*dst = &v
	}
	for {
		switch {
		case p.acceptKw(kwBinary):
			o.Format = ast.CopyBinary
		case p.acceptKw(kwFreeze):
			o.Freeze = true
		case p.acceptKw(kwDelimiter):
			text(&o.Delimiter)
		case p.acceptKw(kwNull):
			text(&o.Null)
		case p.acceptKw(kwCsv):
			o.Format = ast.CopyCSV
		case p.acceptKw(kwHeader):
			o.Header = true
		case p.acceptKw(kwQuote):
			text(&o.Quote)
		case p.acceptKw(kwEscape):
			text(&o.Escape)
		case p.acceptKw(kwEncoding):
			v := p.stringConst()
			o.Encoding = &v
		case p.acceptKws(kwForce, kwQuote):
			if o.ForceQuoteAll = p.accept('*'); !o.ForceQuoteAll {
				o.ForceQuote = p.colIDs()
			}
		case p.acceptKws(kwForce, kwNot, kwNull):
			o.ForceNotNull = p.colIDs()
		case p.acceptKws(kwForce, kwNull):
			o.ForceNull = p.colIDs()
		default:
			return
		}
	}
}
