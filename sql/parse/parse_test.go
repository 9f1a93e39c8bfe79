package parse

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// TestErrors proves that refusals carry PostgreSQL's SQLSTATE, words and position (in characters). Those with 42601 were compared
// with PostgreSQL 15.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELEC 1", `42601 syntax error at or near "SELEC" at 1`},
		{"SELECT 1 +", `42601 syntax error at end of input at 11`},
		{"SELECT 'é' 'b' FROM t", `42601 syntax error at or near "'b'" at 12`},
		{"SELECT (1", `42601 syntax error at end of input at 10`},
		{"SELECT 1; SELECT FROM FROM t", `42601 syntax error at or near "FROM" at 23`},
		{"SELECT a < b < c", `42601 syntax error at or near "<" at 14`},
		{"SELECT a LIKE b LIKE c", `42601 syntax error at or near "LIKE" at 17`},
		{"SELECT a IS DISTINCT FROM b IS NULL", `42601 syntax error at or near "IS" at 29`},
		{"SELECT * FROM t WHERE", `42601 syntax error at end of input at 22`},
		{"SELECT * FROM a JOIN b", `42601 syntax error at end of input at 23`},
		{"SELECT * FROM (SELECT 1)", `42601 subquery in FROM must have an alias at 15`},
		{"SELECT a FROM t LIMIT 1, 2", `42601 LIMIT #,# syntax is not supported at 24`},
		{"SELECT a FROM t LIMIT 1 LIMIT 2", `42601 multiple LIMIT clauses not allowed at 25`},
		{"REPLACE INTO t VALUES (1)", `42601 syntax error at or near "REPLACE" at 1`},
		{"DELETE FROM t LIMIT 1", `42601 syntax error at or near "LIMIT" at 15`},
		{"INSERT INTO t SET a = 1", `42601 syntax error at or near "SET" at 15`},
		{"SELECT @x := 1", `42601 syntax error at or near ":=" at 11`},
		{"SELECT a DIV b", `42601 syntax error at or near "b" at 14`},
		{"SELECT `a`", `42601 syntax error at end of input at 11`},
		{"SELECT /*! 1 */", ``},
		{"INSERT INTO t VALUES ()", `42601 syntax error at or near ")" at 23`},
		{"SELECT f(a => 1, 2)", `42601 positional argument cannot follow named argument at 18`},
		{"SELECT row_number() OVER (ROWS UNBOUNDED FOLLOWING)", `42P20 frame start cannot be UNBOUNDED FOLLOWING at 32`},
		{"SELECT 1 UNION SELECT a INTO b FROM t", `42601 INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT at 30`},
		{"SELECT * FROM (SELECT 1 UNION (SELECT a INTO b FROM t)) x", `42601 INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT at 46`},
		{"SELECT 1 UNION SELECT (SELECT a INTO b FROM t)", `42601 SELECT ... INTO is not allowed here at 38`},
		{"SELECT 1 WHERE EXISTS (SELECT a INTO b FROM t UNION SELECT 2)", `42601 SELECT ... INTO is not allowed here at 38`},
		{"SELECT (SELECT a INTO b FROM t)", `42601 SELECT ... INTO is not allowed here at 23`},
		{"WITH w AS (SELECT a INTO b FROM t) SELECT 1", `42601 SELECT ... INTO is not allowed here at 26`},
		{"SELECT a IS NFC", `42601 syntax error at end of input at 16`},
		{"CREATE TABLE t (a int, EXCLUDE (a))", `42601 syntax error at or near ")" at 34`},
		{"UPDATE t SET a.b = 2", `0A000 assignment to a field is not supported at 15`},
		{"INSERT INTO t (a[1]) VALUES (2)", `0A000 assignment to an array element or field in INSERT is not supported at 17`},
		{"SET x", `42601 syntax error at end of input at 6`},
		{"CREATE TABLE t (a int", `42601 syntax error at end of input at 22`},
		{"CREATE TABLE t (a int CHECK)", `42601 syntax error at or near ")" at 28`},
		{"COPY t FROM STDIN (FORMAT x)", `22023 COPY format "x" not recognized at 20`},
		{"SELECT a.b.c.d.e", `42601 improper qualified name (too many dotted names): a.b.c.d.e at 8`},
		{"SELECT 1\x00", `22021 invalid byte sequence for encoding "UTF8": 0x00 at 0`},
		{"SELECT '\xff'", `22021 invalid byte sequence for encoding "UTF8": 0xff at 0`},
		{"SELECT '\xe2\x82'", `22021 invalid byte sequence for encoding "UTF8": 0xe2 0x82 0x27 at 0`},
	} {
		got := ""
		if _, err := Parse(c.in); err != nil {
			e := sqlerr.As(err)
			got = fmt.Sprintf("%s %s at %d", e.Code, e.Message, e.Position)
		}
		if got != c.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", c.in, got, c.want)
		}
	}
}

// TestLimits proves that nothing a client sends exhausts the stack: every way to make a tree deep ends in 54001, and chains below
// the limits are taken.
func TestLimits(t *testing.T) {
	const many = 100_000
	for name, text := range map[string]string{
		"parentheses":  strings.Repeat("(", many) + "1" + strings.Repeat(")", many),
		"subqueries":   strings.Repeat("(SELECT ", many) + "1" + strings.Repeat(")", many),
		"open parens":  strings.Repeat("(", many),
		"brackets":     "ARRAY" + strings.Repeat("[", many) + strings.Repeat("]", many),
		"plus chain":   "1" + strings.Repeat(" + 1", many),
		"or chain":     "a" + strings.Repeat(" OR a", many),
		"minus":        strings.Repeat("- ", many) + "1",
		"not":          strings.Repeat("NOT ", many) + "a",
		"prefix":       strings.Repeat("~ ", many) + "1",
		"casts":        "1" + strings.Repeat("::int", many),
		"subscripts":   "a" + strings.Repeat("[1]", many),
		"collate":      "a" + strings.Repeat(` COLLATE "C"`, many),
		"is null":      "a" + strings.Repeat(" IS NULL", many),
		"case":         strings.Repeat("CASE WHEN ", many) + "a",
		"calls":        strings.Repeat("f(", many) + strings.Repeat(")", many),
		"op chain":     "1" + strings.Repeat(" || 1", many),
		"unions":       "1" + strings.Repeat(" UNION SELECT 1", many),
		"joins":        "1 FROM a" + strings.Repeat(" CROSS JOIN b", many),
		"commas":       "1 FROM a" + strings.Repeat(", b", many),
		"at time zone": "a" + strings.Repeat(" AT TIME ZONE 'x'", many),
	} {
		_, err := Parse("SELECT " + text)
		if e := sqlerrOf(err); e == nil || e.Code != sqlerr.StatementTooComplex {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"or":      "a" + strings.Repeat(" OR a = 1", 10_000),
		"in":      "a IN (1" + strings.Repeat(", 1", 50_000) + ")",
		"parens":  strings.Repeat("(", 900) + "1" + strings.Repeat(")", 900),
		"targets": "1" + strings.Repeat(", 1", 50_000),
		"sum":     "1" + strings.Repeat(" + 1", 10_000),
	} {
		if _, err := Parse("SELECT " + text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(strings.Repeat("EXPLAIN ", many) + "SELECT 1"); err == nil {
		t.Error("EXPLAIN of EXPLAIN parsed")
	}
	if _, err := Parse(strings.Repeat(" ", textBytesMax+1)); sqlerrOf(err).Code != sqlerr.ProgramLimitExceeded {
		t.Error(err)
	}
}

// TestStatements proves the cutting of a text: parts, offsets, parameters, and none from nothing.
func TestStatements(t *testing.T) {
	stmts, err := Parse("  SELECT $2 ; ; -- c\n/* x */ BEGIN;INSERT INTO t VALUES ($1, ';') ")
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, s := range stmts {
		got += fmt.Sprintf("%d %q %d %s|", s.Start, s.Text, s.NumParams, s.AST.Tag())
	}
	if want := `2 "SELECT $2" 2 SELECT|29 "BEGIN" 0 BEGIN|35 "INSERT INTO t VALUES ($1, ';')" 1 INSERT|`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, empty := range []string{"", " ", ";", " ;; ", "-- x", "/* a */ ; -- b"} {
		if stmts, err := Parse(empty); err != nil || len(stmts) != 0 {
			t.Errorf("%q: %d statements, %v", empty, len(stmts), err)
		}
	}
}

// TestTypes proves the reading of type names.
func TestTypes(t *testing.T) {
	for in, want := range map[string]string{
		"int": "pg_catalog.int4", "INTEGER": "pg_catalog.int4", "int4": "int4", "bigint[]": "pg_catalog.int8[]",
		"float(10)": "pg_catalog.float4", "float(53)": "pg_catalog.float8", "double precision": "pg_catalog.float8",
		"char": "pg_catalog.bpchar(1)", "character varying(3)": "pg_catalog.varchar(3)", `"char"`: "char", "varchar": "pg_catalog.varchar",
		"timestamp(3) with time zone": "pg_catalog.timestamptz(3)", "time without time zone": "pg_catalog.time",
		"interval day to second(2)": "pg_catalog.interval day to second(2)", "numeric(10, -2)": "pg_catalog.numeric(10,-2)",
		"pg_catalog.int4": "pg_catalog.int4", "text ARRAY[3]": "text[]", "int[3][]": "pg_catalog.int4[][]", "bit varying": "pg_catalog.varbit",
		"setof text": "setof text", "national character(4)": "pg_catalog.bpchar(4)", "s.mood": "s.mood", "bit": "pg_catalog.bit(1)",
	} {
		got, err := ParseType(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "int int", "select", "int(3)", "numeric(a)", "float(54)", "text[a]"} {
		if _, err := ParseType(bad); err == nil {
			t.Errorf("%q is no type", bad)
		}
	}
}

// TestCache proves that the cache gives the same tree again, bounds its size, forgets the oldest first and keeps no errors.
func TestCache(t *testing.T) {
	cost := int64(costPerEntry + costPerByte*len("SELECT 1"))
	c := NewCache(2 * cost)
	parse := func(sql string) ast.Statement {
		t.Helper()
		s, err := c.Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		return s[0].AST
	}
	one := parse("SELECT 1")
	parse("SELECT 2")
	if parse("SELECT 1") != one {
		t.Error("not the same tree")
	}
	parse("SELECT 3") // pushes 2 out
	if parse("SELECT 1") != one {
		t.Error("the one used last was pushed out")
	}
	if s := c.Stats(); s.Entries != 2 || s.Bytes != 2*cost || s.Hits != 2 || s.Misses != 3 {
		t.Errorf("%+v", s)
	}
	for range 2 {
		if _, err := c.Parse("SELEC"); err == nil {
			t.Error("no error")
		}
	}
	if s := c.Stats(); s.Entries != 2 {
		t.Errorf("an error was kept: %+v", s)
	}
}

// TestConcurrent proves, under the race detector, that parsing and the cache may be used from many goroutines.
func TestConcurrent(t *testing.T) {
	c := NewCache(1 << 14)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				sql := fmt.Sprintf("SELECT a + %d FROM t WHERE b = $1 LIMIT %d", i%50, g%2)
				s, err := c.Parse(sql)
				if err != nil || s[0].NumParams != 1 {
					t.Errorf("%v %v", s, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzParse proves that no text makes the parser panic or break its own rules: an internal error means that a sentinel was not
// consumed or the engine gave back what the rewriter did not ask for.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"SELECT 1", "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1 RETURNING *",
		"SELECT a::int[][1], f(x) OVER (w ROWS 1 PRECEDING) FROM a JOIN b USING (c) WHERE x LIKE ANY (y) LIMIT 1",
		"CREATE TABLE t (a int DEFAULT 1 CHECK (a > 0))", "E'\\u0041' U&'\\0041' $$a$$ /* x */"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, err := Parse(sql)
		if err != nil {
			if e := sqlerr.As(err); e.Code == sqlerr.InternalError {
				t.Fatalf("%v\n%s", err, sql)
			}
			return
		}
		for _, s := range stmts {
			if q, ok := s.AST.(*ast.Select); ok {
				ast.DeparseQuery(q)
			}
			ast.Dump(s.AST)
		}
	})
}

var benchTexts = map[string]string{
	"point-select": "SELECT abalance FROM pgbench_accounts WHERE aid = 4711",
	"update":       "UPDATE pgbench_accounts SET abalance = abalance + 100 WHERE aid = 4711",
	"insert":       "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 4711, 100, CURRENT_TIMESTAMP)",
	"begin":        "BEGIN",
}

func BenchmarkParse(b *testing.B) {
	for name, text := range benchTexts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCache(b *testing.B) {
	c := NewCache(1 << 20)
	for b.Loop() {
		if _, err := c.Parse(benchTexts["update"]); err != nil {
			b.Fatal(err)
		}
	}
}
