package expr

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

const (
	casesFile  = "testdata/cases.txt"
	goldenFile = "testdata/golden.txt"
	goldenZone = "Europe/Berlin"
)

// showResult writes a value, or an error, as the golden file has it.
func showResult(v *string, typ string, err error) string {
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
		return "ERROR " + pe.Code + ": " + pe.Message
	case err != nil:
		e := sqlerr.As(err)
		return "ERROR " + e.Code + ": " + e.Message
	case v == nil:
		return typ + " NULL"
	}
	return typ + " " + strconv.QuoteToGraphic(*v)
}

// TestRegenerateGolden asks a real PostgreSQL for every case.
func TestRegenerateGolden(t *testing.T) {
	conn := connect(t)
	if os.Getenv("QUORATE_REGENERATE") == "" {
		t.Skip("QUORATE_REGENERATE is not set")
	}
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "SET timezone = '"+goldenZone+"'"); err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile(casesFile)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("# Answers of PostgreSQL 15 to the cases, made by TestRegenerateGolden: do not edit.\n")
	for _, line := range strings.Split(string(cases), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		var shown string
		res, err := conn.PgConn().Exec(ctx, "SELECT "+line).ReadAll()
		if err != nil {
			shown = showResult(nil, "", err)
		} else {
			f := res[0].FieldDescriptions[0]
			typ := types.Type{OID: types.OID(f.DataTypeOID), Typmod: f.TypeModifier}.String()
			var v *string
			if cell := res[0].Rows[0][0]; cell != nil {
				s := string(cell)
				v = &s
			}
			shown = showResult(v, typ, nil)
		}
		fmt.Fprintf(&out, "%s\n\t%s\n", line, shown)
	}
	if err := os.WriteFile(goldenFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func testContext(t *testing.T) *EvalContext {
	t.Helper()
	loc, err := types.LoadTimeZone(goldenZone)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	return &EvalContext{Ctx: context.Background(), TxnTime: now, StmtTime: now, Format: &types.FormatContext{TimeZone: loc, Now: now}}
}

// run evaluates an expression and shows the result, both as it is and folded.
func run(b *Builder, ctx *EvalContext, sql string) string {
	e, err := readExpr(b, sql)
	if err != nil {
		return showResult(nil, "", err)
	}
	show := func(e Expr) string {
		d, err := e.Eval(ctx, nil)
		if err != nil {
			return showResult(nil, "", err)
		}
		t := e.Type()
		if d.IsNull() {
			return showResult(nil, t.String(), nil)
		}
		s := types.TextOf(d, t, ctx.Format)
		return showResult(&s, t.String(), nil)
	}
	plain := show(e)
	folded, err := Fold(e, ctx)
	if err != nil {
		return "fold: " + err.Error()
	}
	if got := show(folded); got != plain {
		return "unfolded " + plain + ", folded " + got
	}
	return plain
}

// Every expression gives PostgreSQL's value, type and modifier, or its error with
// code and text.
func TestGolden(t *testing.T) {
	f, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx := testContext(t)
	b := &Builder{Catalog: NewCatalog(), Eval: ctx}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	n, bad := 0, 0
	for sc.Scan() {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		sql := sc.Text()
		sc.Scan()
		want := strings.TrimPrefix(sc.Text(), "\t")
		n++
		if got := run(b, ctx, sql); got != want {
			bad++
			t.Errorf("%s\n  got  %s\n  want %s", sql, got, want)
		}
	}
	if n < 500 {
		t.Errorf("only %d cases", n)
	}
	t.Logf("%d cases, %d differ", n, bad)
}

// The list of what is not built is true: nothing in it is.
func TestMissingFunctions(t *testing.T) {
	text, err := os.ReadFile("testdata/missing.txt")
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, r := range procRows {
		built[r.name+"("+r.args+")"] = true
	}
	n := 0
	for _, sig := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(sig, "#") {
			continue
		}
		n++
		if built[sig] {
			t.Errorf("%s is built: take it off the list", sig)
		}
	}
	if n == 0 {
		t.Error("the list is empty")
	}
}
