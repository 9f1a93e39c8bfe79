package expr

import (
	"context"
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Each aggregate over the elements of an array; the wanted text was computed by
// PostgreSQL (SELECT agg(x) FROM unnest(array) x). Splitting the input and
// merging the states must not change it.
func TestAggregates(t *testing.T) {
	ctx := testContext(t)
	b := &Builder{Catalog: NewCatalog(), Eval: ctx}
	for _, c := range []struct{ agg, input, typ, want string }{
		{"count", "{1,NULL,3}", "int4[]", "2"},
		{"sum", "{1,2,NULL}", "int4[]", "3"},
		{"sum", "{}", "int4[]", ""},
		{"sum", "{9223372036854775807,1}", "int8[]", "9223372036854775808"},
		{"sum", "{1.10,2.2}", "numeric[]", "3.30"},
		{"sum", "{0.1,0.2}", "float8[]", "0.30000000000000004"},
		{"sum", "{1 day,2:00}", "interval[]", "1 day 02:00:00"},
		{"avg", "{1,2,4}", "int4[]", "2.3333333333333333"},
		{"avg", "{1.0,2.5}", "numeric[]", "1.7500000000000000"},
		{"avg", "{1,2,4}", "float8[]", "2.3333333333333335"},
		{"avg", "{1 day,2 days}", "interval[]", "1 day 12:00:00"},
		{"min", "{b,a,NULL}", "text[]", "a"},
		{"max", "{1,NaN,3}", "float8[]", "NaN"},
		{"max", "{2024-01-01,2023-01-01}", "date[]", "2024-01-01"},
		{"bool_and", "{t,f,NULL}", "bool[]", "f"},
		{"every", "{t,t}", "bool[]", "t"},
		{"bool_or", "{f,NULL}", "bool[]", "f"},
		{"bit_and", "{7,3}", "int4[]", "3"},
		{"bit_or", "{4,3}", "int4[]", "7"},
		{"array_agg", "{1,NULL,3}", "int4[]", "{1,NULL,3}"},
		{"variance", "{1,2,4}", "int4[]", "2.3333333333333333"},
		{"var_pop", "{1,2,4}", "int4[]", "1.5555555555555556"},
		{"stddev", "{1,2,4}", "numeric[]", "1.5275252316519467"},
		{"stddev_pop", "{1,2,4}", "float8[]", "1.247219128924647"},
		{"variance", "{1}", "int4[]", ""},
	} {
		typ, err := types.ParseType(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		in, err := types.DecodeText(c.input, typ, ctx.Format)
		if err != nil {
			t.Fatalf("%s: %v", c.input, err)
		}
		e, err := b.Call("", c.agg, []Expr{&Column{Typ: typ.Elem()}}, false)
		if err != nil {
			t.Errorf("%s(%s): %v", c.agg, c.typ, err)
			continue
		}
		call := e.(*AggCall)
		items := in.Array().Elems
		for split := 0; split <= len(items); split++ {
			one, err := NewAggState(call.Fn, &call.Sig)
			if err != nil {
				t.Fatal(err)
			}
			two, _ := NewAggState(call.Fn, &call.Sig)
			for i, x := range items {
				s := one
				if i >= split {
					s = two
				}
				v, err := call.Args[0].Eval(ctx, Row{x})
				if err == nil {
					err = s.Add(ctx, []types.Datum{v})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := one.Merge(ctx, two); err != nil {
				t.Fatal(err)
			}
			d, err := one.Result(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := types.TextOf(d, call.Type(), ctx.Format); got != c.want {
				t.Errorf("%s(%s) over %s, split at %d: got %q, want %q", c.agg, c.typ, c.input, split, got, c.want)
			}
		}
	}
	// string_agg keeps the separator between merged parts.
	e, err := b.Call("", "string_agg", []Expr{&Column{Typ: types.Text}, NewUnknown(", ")}, false)
	if err != nil {
		t.Fatal(err)
	}
	call := e.(*AggCall)
	one, _ := NewAggState(call.Fn, &call.Sig)
	two, _ := NewAggState(call.Fn, &call.Sig)
	for i, s := range []string{"a", "b", "c"} {
		st := one
		if i > 0 {
			st = two
		}
		if err := st.Add(ctx, []types.Datum{types.NewString(s), types.NewString(", ")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Merge(ctx, two); err != nil {
		t.Fatal(err)
	}
	if d, _ := one.Result(ctx); d.Str() != "a, b, c" {
		t.Errorf("string_agg: got %q", d.Str())
	}
	if err := one.Merge(ctx, &countAgg{}); !sqlerr.Is(err, sqlerr.InternalError) {
		t.Errorf("merging different aggregates: %v", err)
	}
}

// Set-returning functions yield PostgreSQL's rows, and errors before the first.
func TestSets(t *testing.T) {
	ctx := testContext(t)
	b := &Builder{Catalog: NewCatalog(), Eval: ctx}
	for _, c := range []struct{ sql, want string }{
		{"generate_series(1, 3)", "[1 2 3]"},
		{"generate_series(3, 1, -1)", "[3 2 1]"},
		{"generate_series(1, 0)", "[]"},
		{"generate_series(2147483646, 2147483647)", "[2147483646 2147483647]"},
		{"generate_series(9223372036854775806, 9223372036854775807)", "[9223372036854775806 9223372036854775807]"},
		{"generate_series(1, 2, 0)", "22023"},
		{"generate_series(1.0, 2.0, 0.5)", "[1.0 1.5 2.0]"},
		{"generate_series(null, 2)", "[]"},
		{"generate_series(1, null::int)", "[]"},
		{"generate_series(timestamp '2024-01-30', timestamp '2024-03-30', interval '1 month')", "[2024-01-30 00:00:00 2024-02-29 00:00:00 2024-03-29 00:00:00]"},
		{"generate_series(timestamptz '2024-03-30 12:00', timestamptz '2024-04-01 12:00', interval '1 day')", "[2024-03-30 12:00:00+01 2024-03-31 12:00:00+02 2024-04-01 12:00:00+02]"},
		{"unnest(array[[1,2],[3,null]])", "[1 2 3 NULL]"},
		{"generate_subscripts(array[7,8], 1)", "[1 2]"},
		{"generate_subscripts(array[7,8], 1, true)", "[2 1]"},
		{"generate_subscripts(array[7,8], 2)", "[]"},
		{"regexp_split_to_table('a1b2c', '[0-9]')", "[a b c]"},
		{"regexp_matches('a1b2', '([a-z])([0-9])', 'g')", "[{a,1} {b,2}]"},
		{"string_to_table('a,b', ',')", "[a b]"},
	} {
		e, err := readExpr(b, c.sql)
		if err != nil {
			if sqlerr.CodeOf(err) != c.want {
				t.Errorf("%s: %v", c.sql, err)
			}
			continue
		}
		call := e.(*SetCall)
		it, err := call.Rows(ctx, nil)
		out := []string{}
		for err == nil {
			var row Row
			if row, err = it.Next(ctx); row == nil {
				break
			}
			if row[0].IsNull() {
				out = append(out, "NULL")
				continue
			}
			out = append(out, types.TextOf(row[0], call.Type(), ctx.Format))
		}
		got := fmt.Sprint(out)
		if err != nil {
			got = sqlerr.CodeOf(err)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.sql, got, c.want)
		}
	}
}

// A parameter of unknown type takes the type of its first use.
func TestParameterTypes(t *testing.T) {
	var got types.Type
	b := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}, ParamType: func(i int, want types.Type) (types.Type, error) {
		if got.IsZero() {
			got = want
		}
		return got, nil
	}}
	p := &Param{Typ: types.Unknown}
	if _, err := b.Binary("=", &Column{Typ: types.Int8}, p); err != nil || got != types.Int8 {
		t.Fatalf("x = $1: %v, %v", got, err)
	}
	// A second use cannot give it another type.
	if _, err := b.Binary("=", &Column{Typ: types.Int4}, p); !sqlerr.Is(err, sqlerr.AmbiguousParameter) {
		t.Errorf("two types for one parameter: %v", err)
	}
	// With its type it is compared across types.
	e, err := b.Binary("=", &Column{Typ: types.Int4}, &Param{Typ: got})
	if err != nil {
		t.Fatal(err)
	}
	ctx := &EvalContext{Params: []types.Datum{types.NewInt(7)}}
	if _, err := e.Eval(ctx, Row{types.NewInt(7)}); err != nil {
		t.Error(err)
	}
	if _, err := b.Assign(&Const{Val: types.True, Typ: types.Bool}, "n", types.Int4); !sqlerr.Is(err, sqlerr.DatatypeMismatch) {
		t.Errorf("bool into an integer column: %v", err)
	}
	b.ParamType = nil
	if _, err := b.Known(p); !sqlerr.Is(err, sqlerr.IndeterminateDatatype) {
		t.Errorf("parameter without type: %v", err)
	}
}

type rowsSub struct {
	rows [][]types.Datum
	runs int
}

func (s *rowsSub) Rows(_ *EvalContext, _ []types.Datum, limit int, yield func(Row) (bool, error)) error {
	s.runs++
	for i, r := range s.rows {
		if limit > 0 && i == limit {
			return nil
		}
		if more, err := yield(r); err != nil || !more {
			return err
		}
	}
	return nil
}

// Subqueries follow three-valued logic and refuse a second row as a scalar.
func TestSubqueries(t *testing.T) {
	b := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}}
	ctx := &EvalContext{Ctx: context.Background()}
	one, two, null := types.NewInt(1), types.NewInt(2), types.Null
	rows := func(ds ...types.Datum) *rowsSub {
		s := &rowsSub{}
		for _, d := range ds {
			s.rows = append(s.rows, []types.Datum{d})
		}
		return s
	}
	cols := []types.Type{types.Int4}
	in := func(x types.Datum, s *rowsSub, op string, all bool) string {
		e, err := b.QuantifiedSubquery(op, []Expr{&Const{Val: x, Typ: types.Int4}}, s, nil, cols, all)
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Eval(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.IsNull() {
			return "null"
		}
		return fmt.Sprint(d.Bool())
	}
	for _, c := range []struct {
		got, want string
	}{
		{in(one, rows(one, two), "=", false), "true"},
		{in(one, rows(two, null), "=", false), "null"},
		{in(one, rows(two), "=", false), "false"},
		{in(null, rows(), "=", false), "false"},
		{in(null, rows(one), "=", false), "null"},
		{in(one, rows(), "<>", true), "true"},
		{in(one, rows(two, null), "<>", true), "null"},
		{in(one, rows(one, null), "<>", true), "false"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	e, _ := b.ScalarSubquery(rows(one, two), nil, types.Int4)
	if _, err := e.Eval(ctx, nil); !sqlerr.Is(err, sqlerr.CardinalityViolation) {
		t.Errorf("two rows as a scalar: %v", err)
	}
	e, _ = b.ScalarSubquery(rows(), nil, types.Int4)
	if d, err := e.Eval(ctx, nil); err != nil || !d.IsNull() {
		t.Errorf("no rows as a scalar: %v, %v", d, err)
	}
	e, _ = b.ExistsSubquery(rows(null), nil, true)
	if d, err := e.Eval(ctx, nil); err != nil || d.IsTrue() {
		t.Errorf("NOT EXISTS over a row: %v, %v", d, err)
	}
	e, _ = b.ArraySubquery(rows(one, null), nil, types.Int4)
	if d, err := e.Eval(ctx, nil); err != nil || types.TextOf(d, types.Int4Array, nil) != "{1,NULL}" {
		t.Errorf("array: %v", err)
	}
}

// GROUP BY finds its expressions again, and nothing else.
func TestFingerprint(t *testing.T) {
	b := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}}
	same := func(x, y string) bool {
		a, err := readExpr(b, x)
		if err != nil {
			t.Fatal(err)
		}
		c, err := readExpr(b, y)
		if err != nil {
			t.Fatal(err)
		}
		return Equal(a, c)
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1 + 2", "1+2", true}, {"1 + 2", "2 + 1", false}, {"1::int8", "1::int4", false}, {"'a'::varchar(3)", "'a'::varchar(4)", false},
		{"abs(1)", "abs(1::int8)", false}, {"'a' || 'b'", "'a' || 'b'", true}, {"case when true then 1 end", "case when true then 2 end", false},
		{"(array[1])[1]", "(array[1])[2]", false}, {"null::int", "null::text", false}, {"1 in (1,2)", "1 not in (1,2)", false},
	} {
		if same(c.a, c.b) != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, !c.want)
		}
	}
	x, y := &Column{Index: 1, Typ: types.Int4}, &Column{Index: 2, Typ: types.Int4}
	if Equal(x, y) {
		t.Error("different columns are equal")
	}
}

func benchEval(b *testing.B, sql string, row Row, cols ...types.Type) {
	bld := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}}
	e, err := readExpr(bld, sql)
	if err != nil {
		b.Fatal(err)
	}
	// $-free reader: the nth integer literal 1000+n stands for column n.
	e, err = Transform(e, func(x Expr) (Expr, error) {
		if c, ok := x.(*Const); ok && c.Val.Kind() == types.KindInt && c.Val.Int() >= 1000 {
			i := int(c.Val.Int() - 1000)
			return &Column{Index: i, Typ: c.Typ}, nil
		}
		return x, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx := &EvalContext{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(ctx, row); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIntArithmetic(b *testing.B) {
	benchEval(b, "1000 * 2 + 1001 > 10", Row{types.NewInt(4), types.NewInt(5)})
}

func BenchmarkThreeArgumentCall(b *testing.B) {
	benchEval(b, "substr('hello', 1000, 3)", Row{types.NewInt(2)})
}

func BenchmarkInListHashed(b *testing.B) {
	benchEval(b, "1000 in (1,2,3,4,5,6,7,8,9,10)", Row{types.NewInt(4)})
}

func BenchmarkNewCatalog(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewCatalog()
	}
}

// Integer expressions allocate nothing.
func TestNoAllocations(t *testing.T) {
	bld := &Builder{Catalog: NewCatalog(), Eval: &EvalContext{}}
	x := &Column{Index: 0, Typ: types.Int4}
	sum, err := bld.Binary("+", x, &Const{Val: types.NewInt(1), Typ: types.Int4})
	if err != nil {
		t.Fatal(err)
	}
	cmp, err := bld.Binary("<", sum, &Const{Val: types.NewInt(9), Typ: types.Int8})
	if err != nil {
		t.Fatal(err)
	}
	ctx, row := &EvalContext{}, Row{types.NewInt(3)}
	if n := testing.AllocsPerRun(100, func() {
		if ok, err := EvalBool(cmp, ctx, row); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
