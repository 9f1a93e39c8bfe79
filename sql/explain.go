package sql

import (
	"context"
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func explainColumns(st *ast.Explain) []pgwire.Column {
	typ := types.Text
	if st.Format == ast.ExplainJSON {
		typ = types.JSON
	}
	return []pgwire.Column{{Name: "QUERY PLAN", Type: typ}}
}

// checkExplain refuses options that do not go together or are not built.
func checkExplain(st *ast.Explain) error {
	on := func(b *bool) bool { return b != nil && *b }
	switch {
	case on(st.WAL) && !st.Analyze:
		return sqlerr.New(sqlerr.InvalidParameterValue, "EXPLAIN option WAL requires ANALYZE")
	case on(st.Timing) && !st.Analyze:
		return sqlerr.New(sqlerr.InvalidParameterValue, "EXPLAIN option TIMING requires ANALYZE")
	case on(st.WAL):
		return sqlerr.Unsupported("EXPLAIN (WAL)")
	case on(st.GenericPlan):
		return sqlerr.Unsupported("EXPLAIN (GENERIC_PLAN)")
	case st.Format != ast.ExplainText && st.Format != ast.ExplainJSON:
		return sqlerr.Unsupported("EXPLAIN in formats other than text and JSON")
	}
	return nil
}

// explain shows a plan and, with ANALYZE, runs it.
func (s *Session) explain(ctx context.Context, p *portal, st *ast.Explain) error {
	if err := checkExplain(st); err != nil {
		return err
	}
	q, err := s.explained(ctx, p, st)
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	start := s.e.o.Clock.Now()
	if err := s.preparePlan(q.prep); err != nil {
		return err
	}
	flag := func(b *bool, def bool) bool {
		if b != nil {
			return *b
		}
		return def
	}
	o := plan.ExplainOptions{Costs: flag(st.Costs, true), Verbose: st.Verbose, Timing: flag(st.Timing, st.Analyze),
		Buffers: flag(st.Buffers, false), Stats: s.e.tableStats, Off: s.settings.off, Summary: flag(st.Summary, st.Analyze), Planning: s.e.o.Clock.Now().Sub(start)}
	if err := s.authorize(q.prep.plan.Needs); err != nil {
		return err
	}
	if st.Analyze {
		if err := s.runExplained(ctx, q, &o); err != nil {
			return err
		}
	}
	p.cols = s.withFormats(explainColumns(st), p.formats)
	if st.Format == ast.ExplainJSON {
		text, err := plan.ExplainJSON(q.prep.plan, o)
		if err != nil {
			return err
		}
		p.rows = [][]types.Datum{{types.NewString(text)}}
		return nil
	}
	lines := plan.Explain(q.prep.plan, o)
	if flag(st.Settings, false) {
		if set := s.planSettings(); len(set) > 0 {
			lines = append(lines, "Settings: "+strings.Join(set, ", "))
		}
	}
	for _, line := range lines {
		p.rows = append(p.rows, []types.Datum{types.NewString(line)})
	}
	return nil
}

// explained makes a portal of the statement that is explained.
func (s *Session) explained(ctx context.Context, p *portal, st *ast.Explain) (*portal, error) {
	q := &portal{prep: &prepared{stmt: st.Statement, text: p.prep.text, declared: p.prep.params, simple: true}, params: p.params}
	switch inner := st.Statement.(type) {
	case *ast.Execute:
		if !st.Analyze && len(inner.Args) == 0 {
			of, err := s.statement(inner.Name)
			if err != nil {
				return nil, err
			}
			q.prep.stmt, q.prep.text, q.prep.declared = of.stmt, of.text, of.params
			break
		}
		of, params, err := s.executeArgs(ctx, inner, p.prep.text)
		if err != nil {
			return nil, err
		}
		q.prep.stmt, q.prep.text, q.prep.declared, q.params = of.stmt, of.text, of.params, params
	case *ast.CreateTableAs:
		if st.Analyze {
			return nil, sqlerr.Unsupported("EXPLAIN ANALYZE of CREATE TABLE AS")
		}
		q.prep.stmt = inner.Query
	case *ast.DeclareCursor:
		q.prep.stmt = inner.Query
	}
	return q, nil
}

// runExplained runs a statement for EXPLAIN ANALYZE. Its rows are not given out.
func (s *Session) runExplained(ctx context.Context, q *portal, o *plan.ExplainOptions) error {
	pl := q.prep.plan
	if pl.Doomed != nil {
		return pl.Doomed
	}
	if pl.Writes && s.tx.readOnly && !onlyTemp(pl) {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", pl.Verb)
	}
	q.trace = &exec.Trace{Now: s.e.o.Clock.Now, Nodes: map[plan.Node]*plan.Actual{}}
	if c, ok := s.tx.tx.(interface{ Requests() int64 }); ok {
		q.trace.Requests = c.Requests
	}
	s.tx.queried = true
	defer q.close()
	start := s.e.o.Clock.Now()
	var err error
	if pl.Writes {
		err = s.startWrite(ctx, q)
	} else if err = s.startPlan(ctx, q); err == nil {
		err = drain(ctx, q.ex)
	}
	if err != nil {
		return err
	}
	q.close()
	o.Execution, o.Actual = s.e.o.Clock.Now().Sub(start), q.trace.Nodes
	return nil
}

func drain(ctx context.Context, ex *exec.Execution) error {
	for {
		row, err := ex.Next(ctx)
		if err != nil || row == nil {
			return err
		}
	}
}

// planSettings lists the settings of the planner that are not at their defaults.
func (s *Session) planSettings() (out []string) {
	for _, name := range s.settings.names() {
		v := s.settings.must(name)
		if (strings.HasPrefix(name, "enable_") || name == "work_mem" || name == "search_path") && v != s.e.defs[lower(name)].def {
			out = append(out, fmt.Sprintf("%s = '%s'", name, v))
		}
	}
	return out
}
