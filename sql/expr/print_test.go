package expr

import (
	"testing"

	"github.com/quorate-db/quorate/sql/types"
)

// Plans show expressions as SQL, and a SELECT list names its columns as
// PostgreSQL does.
func TestFormatAndName(t *testing.T) {
	b := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}}
	for _, c := range [][3]string{
		{"1 + 2 * 3", "(1 + (2 * 3))", "?column?"},
		{"upper('a') || 'it''s'", "(upper('a'::text) || 'it''s'::text)", "?column?"},
		{"abs(-5)", "abs('-5'::integer)", "abs"},
		{"1.5::int", "(1.5)::integer", "int4"},
		{"1 is not null and not true", "((1 IS NOT NULL) AND (NOT true))", "?column?"},
		{"case when true then 1 end", "CASE WHEN true THEN 1 ELSE NULL::integer END", "case"},
		{"coalesce(1, 2)", "COALESCE(1, 2)", "coalesce"},
		{"5 in (1, 2)", "(5 IN (1, 2))", "?column?"},
		{"1 = any(array[1])", "(1 = ANY (ARRAY[1]))", "?column?"},
		{"count(1)", "count(1)", "count"},
	} {
		e, err := readExpr(b, c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		if got := Format(e, nil); got != c[1] {
			t.Errorf("%s: written as %s, want %s", c[0], got, c[1])
		}
		if got := ColumnName(e); got != c[2] {
			t.Errorf("%s: named %s, want %s", c[0], got, c[2])
		}
	}
	col := &Column{Index: 3, Typ: types.Int4, Name: "Weird name"}
	if got := Format(col, nil); got != `"Weird name"` {
		t.Errorf("column: %s", got)
	}
}

// Folding keeps an error for the time it is reached, and never folds what a
// setting or the clock decides.
func TestFold(t *testing.T) {
	ctx := testContext(t)
	b := &Builder{Catalog: NewCatalog(), Eval: ctx}
	for sql, want := range map[string]bool{
		"1 + 2": true, "1 / 0": false, "case when true then 5 else 1 / 0 end": true, "true or 1 / 0 = 1": true,
		"now()": false, "timestamptz '2024-01-01'::date": false, "upper('a')": true, "date '2024-01-01'::text": false,
		"coalesce(null, 3)": true, "array[1,2] || 3": true,
	} {
		e, err := readExpr(b, sql)
		if err != nil {
			t.Fatal(err)
		}
		if e, err = Fold(e, ctx); err != nil {
			t.Fatal(err)
		}
		if _, ok := IsConst(e); ok != want {
			t.Errorf("%s: folded to a literal: %v", sql, ok)
		}
	}
}
