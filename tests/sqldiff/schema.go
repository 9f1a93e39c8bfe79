package sqldiff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// table is what the generator knows of one.
type table struct {
	name    string
	columns []tableColumn
	// unique lists the columns of the primary key and of unique indexes.
	unique [][]string
	// derived tables cannot be written.
	derived bool
}

type tableColumn struct {
	name, typ string
	notNull   bool
	// loose columns may hold equal values that print differently.
	loose bool
}

func (t *table) column(name string) tableColumn {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return tableColumn{}
}

// scenario is a schema with its rows.
type scenario struct {
	tables []*table
	setup  []string // statements that make it
}

// keyTypes are the types of primary keys and of indexes.
var keyTypes = []string{"int4", "text", "int8", "date", "uuid", "timestamp", "int2", "varchar", "bytea", "time", "timestamptz", "bool", "numeric", "float8", "bpchar", "mood", "posint", "code"}

func newScenario(r *rand.Rand, bulk bool) *scenario {
	s := &scenario{}
	for i := range 1 + r.IntN(4) {
		t := &table{name: "t" + strconv.Itoa(i)}
		s.create(r, t)
		rows := r.IntN(14)
		if bulk && i == 0 {
			rows = 200
		}
		s.fill(r, t, rows)
		s.tables = append(s.tables, t)
	}
	return s
}

func (s *scenario) create(r *rand.Rand, t *table) {
	var defs []string
	for i := range 2 + r.IntN(6) {
		c := tableColumn{name: "c" + strconv.Itoa(i), typ: pick(r, typeNames)}
		if i == 0 {
			c.typ = pick(r, keyTypes[:7])
		}
		d := c.name + " " + sqlName(c.typ)
		if c.typ == "numeric" && chance(r, 60) {
			d = c.name + " numeric(12,3)"
		}
		if chance(r, 12) {
			c.notNull = true
			d += " NOT NULL"
		}
		if chance(r, 15) {
			d += " DEFAULT " + literal(c.typ, value(r, c.typ, 0), 0)
		}
		if c.typ == "int4" && chance(r, 8) {
			d += fmt.Sprintf(" CHECK (%s <> 77)", c.name)
		}
		t.columns = append(t.columns, c)
		defs = append(defs, d)
	}
	if chance(r, 80) {
		key := []string{"c0"}
		if len(t.columns) > 1 && chance(r, 30) && slices.Contains(keyTypes, t.columns[1].typ) {
			key = append(key, "c1")
		}
		for i := range t.columns {
			t.columns[i].notNull = t.columns[i].notNull || slices.Contains(key, t.columns[i].name)
		}
		t.unique = append(t.unique, key)
		defs = append(defs, "PRIMARY KEY ("+strings.Join(key, ", ")+")")
	}
	s.setup = append(s.setup, "CREATE TABLE "+t.name+" ("+strings.Join(defs, ", ")+")")
	for i := range r.IntN(3) {
		var cols, names []string
		for _, c := range t.columns {
			if slices.Contains(keyTypes, c.typ) && chance(r, 40) && len(cols) < 3 {
				cols = append(cols, c.name+pick(r, []string{"", "", " DESC"}))
				names = append(names, c.name)
			}
		}
		if len(cols) == 0 {
			continue
		}
		unique := ""
		if chance(r, 25) {
			unique = "UNIQUE "
			t.unique = append(t.unique, names)
		}
		s.setup = append(s.setup, fmt.Sprintf("CREATE %sINDEX %s_i%d ON %s (%s)", unique, t.name, i, t.name, strings.Join(cols, ", ")))
	}
}

// fill inserts rows that no unique index refuses.
func (s *scenario) fill(r *rand.Rand, t *table, rows int) {
	seen := map[string]bool{}
	var lines []string
	for i := range rows {
		vals := map[string]string{}
		for _, c := range t.columns {
			v := storedValue(r, c, rows > 100 || chance(r, 30), i)
			if !c.notNull && chance(r, 15) {
				v = "NULL"
			}
			vals[c.name] = v
		}
		clash := false
		var marks []string
		for j, u := range t.unique {
			mark := strconv.Itoa(j)
			for _, c := range u {
				mark += "|" + strings.Trim(vals[c], " '")
			}
			marks = append(marks, mark)
			clash = clash || seen[mark] && !strings.Contains(mark, "NULL")
		}
		if clash {
			continue
		}
		var line []string
		for _, c := range t.columns {
			line = append(line, vals[c.name])
		}
		for _, m := range marks {
			seen[m] = true
		}
		lines = append(lines, "("+strings.Join(line, ", ")+")")
	}
	for chunk := range slices.Chunk(lines, 50) {
		s.setup = append(s.setup, "INSERT INTO "+t.name+" VALUES "+strings.Join(chunk, ", "))
	}
}

// storedValue is a constant for a row, untyped. With spread it is one of many.
func storedValue(r *rand.Rand, c tableColumn, spread bool, i int) string {
	if spread {
		switch c.typ {
		case "int4", "int8", "int2", "numeric":
			return strconv.Itoa(i*3 - 20)
		case "text", "varchar":
			return fmt.Sprintf("'k%d'", i)
		case "date":
			return fmt.Sprintf("'2024-%02d-%02d'", 1+i/28%12, 1+i%28)
		case "timestamp", "timestamptz":
			return fmt.Sprintf("'2024-01-%02d %02d:00:00'", 1+i/24%28, i%24)
		case "uuid":
			return fmt.Sprintf("'00000000-0000-0000-0000-%012d'", i)
		}
	}
	p := pools[c.typ]
	v := pick(r, p.plain)
	if p.exact && len(p.edge) > 0 && chance(r, 10) {
		v = pick(r, p.edge)
	}
	return "'" + v + "'"
}
