package logictest

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Kind says what a record does.
type Kind int

// The kinds of records.
const (
	Statement Kind = iota // runs, result is tags or an error
	Query                 // runs, result is rows
	Copy                  // COPY from or to the script
	Session               // another connection from here on
	Halt                  // the end of the script
	Comment               // kept for writing a script back
)

// Record is one entry of a script.
type Record struct {
	Kind Kind
	Line int // of the record's head in the file, 1 for the first
	// Head is the first line; Conditions are the skipif and onlyif lines before it.
	Head       string
	Conditions []string
	// Args are the words of the head after the kind.
	Args []string
	// Lead are lines of comment right above the head.
	Lead []string
	SQL  string
	// Data is the input of a copy record, HasData if it has any.
	Data    string
	HasData bool
	// Want is what must come out, valid if HasWant.
	Want    []string
	HasWant bool
}

// skips says whether the record is not meant for an engine with any of the names.
func (r *Record) skips(names ...string) bool {
	is := func(engine string) bool {
		for _, n := range names {
			if n == engine {
				return true
			}
		}
		return false
	}
	for _, c := range r.Conditions {
		f := strings.Fields(c)
		if len(f) < 2 {
			continue
		}
		if (f[0] == "skipif") == is(f[1]) {
			return true
		}
	}
	return false
}

const lineMax = 16 << 20 // a statement of the corpus has some ten thousand bytes

// ParseScript reads a script. An error names the line.
func ParseScript(r io.Reader) ([]*Record, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, lineMax)
	p := parser{}
	for n := 1; sc.Scan(); n++ {
		if err := p.line(n, strings.TrimSuffix(sc.Text(), "\r")); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	if p.inData {
		return nil, fmt.Errorf("line %d: copy data without >>>>", p.cur.Line)
	}
	p.flush()
	return p.out, nil
}

type parser struct {
	out    []*Record
	cur    *Record
	lead   []string
	conds  []string
	sql    []string
	data   []string
	inData bool
}

func (p *parser) flush() {
	if p.cur != nil {
		p.cur.SQL = strings.Join(p.sql, "\n")
		if p.cur.HasData {
			p.cur.Data = strings.Join(p.data, "\n")
			if len(p.data) > 0 {
				p.cur.Data += "\n"
			}
		}
		p.out = append(p.out, p.cur)
	} else if len(p.lead) > 0 {
		p.out = append(p.out, &Record{Kind: Comment, Lead: p.lead})
		p.lead = nil
	}
	p.cur, p.sql, p.data = nil, nil, nil
}

func (p *parser) line(n int, text string) error {
	switch {
	case p.inData && text == ">>>>":
		p.inData = false
	case p.inData:
		p.data = append(p.data, text)
	case strings.TrimSpace(text) == "" && !(p.cur != nil && p.cur.HasWant && text != ""):
		p.flush()
	case p.cur == nil:
		return p.head(n, text)
	case p.cur.HasWant:
		p.cur.Want = append(p.cur.Want, text)
	case text == "----":
		p.cur.HasWant = true
	case text == "<<<<" && p.cur.Kind == Copy:
		p.inData, p.cur.HasData = true, true
	default:
		p.sql = append(p.sql, text)
	}
	return nil
}

func (p *parser) head(n int, text string) error {
	if strings.HasPrefix(text, "#") {
		p.lead = append(p.lead, text)
		return nil
	}
	body, _, _ := strings.Cut(text, " #") // the corpus has remarks behind conditions
	f := strings.Fields(body)
	switch f[0] {
	case "skipif", "onlyif":
		p.conds = append(p.conds, text)
		return nil
	case "hash-threshold":
		return nil // what is hashed says so itself
	}
	if f[0] == "statement" {
		f = strings.Fields(text) // a regular expression may hold a #
	}
	r := &Record{Line: n, Head: text, Args: f[1:], Conditions: p.conds, Lead: p.lead}
	p.conds, p.lead = nil, nil
	switch f[0] {
	case "statement":
		r.Kind = Statement
		if len(f) < 2 || f[1] != "ok" && f[1] != "error" {
			return fmt.Errorf("statement needs ok or error: %q", text)
		}
	case "query":
		r.Kind = Query
	case "copy":
		r.Kind = Copy
		if len(f) < 2 || f[1] != "ok" && f[1] != "error" {
			return fmt.Errorf("copy needs ok or error: %q", text)
		}
	case "session":
		r.Kind = Session
		if len(f) != 2 {
			return fmt.Errorf("session needs a name: %q", text)
		}
		p.out = append(p.out, r)
		return nil
	case "halt":
		r.Kind = Halt
		p.out = append(p.out, r)
		return nil
	default:
		return fmt.Errorf("unknown record %q", text)
	}
	p.cur = r
	return nil
}

// WriteScript writes records so that ParseScript reads them again.
func WriteScript(w io.Writer, records []*Record) error {
	b := bufio.NewWriter(w)
	for i, r := range records {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, l := range r.Lead {
			b.WriteString(l + "\n")
		}
		if r.Kind == Comment {
			continue
		}
		for _, c := range r.Conditions {
			b.WriteString(c + "\n")
		}
		b.WriteString(r.Head + "\n")
		if r.SQL != "" {
			b.WriteString(r.SQL + "\n")
		}
		if r.HasData {
			b.WriteString("<<<<\n" + r.Data + ">>>>\n")
		}
		if r.HasWant {
			b.WriteString("----\n")
			for _, l := range r.Want {
				b.WriteString(l + "\n")
			}
		}
	}
	return b.Flush() // keeps the first error of the writes above
}
