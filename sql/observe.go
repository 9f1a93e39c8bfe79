package sql

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/stmtstats"
	"github.com/quorate-db/quorate/sql/types"
)

// observed is a run of a statement that is not counted yet, because the implicit
// transaction that it belongs to has to commit first.
type observed struct {
	prep *prepared
	run  stmtstats.Observation
}

// fingerprint is what the statement is counted under.
func (p *prepared) fingerprint() uint64 {
	if p.print == 0 {
		p.print = parse.Fingerprint(p.body)
	}
	return p.print
}

// observe counts a run of a statement and logs it if it was slow. The log has the
// normal form, without constants: what they are is the client's affair.
func (s *Session) observe(p *prepared, o stmtstats.Observation) {
	if p.stmt == nil {
		return // an empty string
	}
	if o.Failed {
		o.Rows = 0 // none of them counts
	}
	now := s.e.o.Clock.Now()
	s.e.stats.Record(stmtstats.Key{User: s.user(), Fingerprint: p.fingerprint()}, func() string { return parse.Normalize(p.body) }, o, now)
	if slow := s.settings.slow; slow >= 0 && o.Took >= slow {
		s.e.o.Logger.Warn("slow statement", "took", o.Took, "user", s.user(), "database", s.params.Database, "pid", s.params.ProcessID,
			"rows", o.Rows, "failed", o.Failed, "retries", o.Retries, "statement", parse.Normalize(p.body))
	}
}

// observePortal counts what Execute did, once the portal has ended: at the Sync that
// commits it, or now.
func (s *Session) observePortal(p *portal, done completion, suspended bool, err error) {
	run := stmtstats.Observation{Took: p.took, Rows: p.sent + done.rows, Failed: err != nil}
	switch {
	case suspended:
	case err != nil:
		// What came before it in the implicit transaction has failed with it.
		s.observeSynced(0, 0, err)
		s.observe(p.prep, run)
	case s.tx != nil && !s.tx.block:
		s.unsynced = append(s.unsynced, observed{p.prep, run})
	default:
		s.observe(p.prep, run)
	}
}

// observeSynced counts the runs of an implicit transaction that has ended. The time
// of the commit belongs to its last statement.
func (s *Session) observeSynced(commit time.Duration, retries int, err error) {
	for i := range s.unsynced {
		u := &s.unsynced[i]
		u.run.Failed = u.run.Failed || err != nil
		if i == len(s.unsynced)-1 {
			u.run.Took += commit
			u.run.Retries += retries
		}
		s.observe(u.prep, u.run)
	}
	clear(s.unsynced)
	s.unsynced = s.unsynced[:0]
}

// Statements lists what this node has counted of its statements, those that took
// most time first.
func (e *Engine) Statements() []stmtstats.Statement { return e.stats.List() }

// StatementTotals is the sum over all statements of this node since it started.
func (e *Engine) StatementTotals() stmtstats.Totals { return e.stats.Totals() }

// ResetStatements makes this node forget its statements.
func (e *Engine) ResetStatements() { e.stats.Reset(e.o.Clock.Now()) }

// quorateStatements lists what the statements of all nodes that answer have cost since
// these nodes started. Others' statements are shown without their text, as by
// pg_stat_statements.
func quorateStatements(s *Session, yield func(fields) error) error {
	lists := [][]stmtstats.Statement{s.e.Statements()}
	if s.e.o.Peers != nil {
		ctx, cancel := context.WithTimeout(context.Background(), peersTimeout)
		defer cancel()
		lists = append(lists, s.e.o.Peers.Statements(ctx)...)
	}
	ms := func(d time.Duration) types.Datum { return types.NewFloat(float64(d) / float64(time.Millisecond)) }
	for _, st := range stmtstats.MergeLists(lists...) {
		row := fields{"user_name": dText(st.User), "query": dText(notForYou), "calls": dInt(int64(st.Calls)), "errors": dInt(int64(st.Errors)),
			"retries": dInt(int64(st.Retries)), "rows": dInt(st.Rows), "total_ms": ms(st.Total), "mean_ms": ms(st.Mean()), "min_ms": ms(st.Min),
			"max_ms": ms(st.Max), "p50_ms": ms(st.Durations.Quantile(0.5)), "p99_ms": ms(st.Durations.Quantile(0.99)), "last_run": dTime(st.Last)}
		if s.maySee(st.User) {
			row["query"], row["query_id"] = dText(st.Text), dInt(int64(st.Fingerprint))
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}
