package sql

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A constant that cannot be computed is an error before any description of rows, as
// in PostgreSQL, which computes constants when it plans: drivers that read a
// RowDescription believe that there is a result. What need not be reached is none.
func TestConstantErrorComesFirst(t *testing.T) {
	e, _ := newTestEngine(t)
	c := connect(t, serve(t, e))
	messages := func(query string) (out []string) {
		f := c.PgConn().Frontend()
		f.Send(&pgproto3.Query{String: query})
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := f.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *pgproto3.RowDescription:
				out = append(out, "columns")
			case *pgproto3.ErrorResponse:
				out = append(out, m.Code)
			case *pgproto3.ReadyForQuery:
				return out
			}
		}
	}
	for query, want := range map[string][]string{
		"select 1/0":                                    {"22012"},
		"select abs(1 + 2/(1-1)) as x":                  {"22012"},
		"select 'x'::text::int":                         {"22P02"},
		"select case when true then 1 else 1/0 end":     {"columns"},
		"select coalesce(1, 1/0)":                       {"columns"},
		"select 1/generate_series(1, 1)":                {"columns"},
		"select 1/(select 0)":                           {"columns", "22012"},
		"select a/0 from generate_series(1, 1) as g(a)": {"columns", "22012"},
	} {
		got := messages(query)
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if _, err := c.Exec(context.Background(), "select 1"); err != nil {
		t.Error(err)
	}
}
