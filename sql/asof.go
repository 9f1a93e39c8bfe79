package sql

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/txn"
)

// A transaction AS OF SYSTEM TIME is a read-only one whose snapshot lies in the past:
// of its rows and of its schema, which is the one that was valid then. What a name
// meant, which columns a table had and which indexes were complete is read at the same
// timestamp as the rows, so a change of the schema in between cannot be half seen.
// Who may read is decided by the rights of today.
//
// Its timestamp is at most historyWindow old. It holds the garbage collection back like
// any snapshot that is open; within the window the collection learns of it in time.

const (
	// defaultRetention is for how long old versions are kept unless Options say
	// otherwise; it is placement's.
	defaultRetention = 10 * time.Minute
	// historyMargin is what the window lacks of the retention. A node tells placement
	// each second what it reads, and placement gives nothing up that is younger than the
	// retention: a snapshot that is younger by the margin is known before it could go.
	historyMargin = 5 * time.Second
)

// historyWindow is how far back a transaction may read.
func (e *Engine) historyWindow() time.Duration {
	d := e.o.Retention
	if d <= 0 {
		d = defaultRetention
	}
	return d - min(historyMargin, d/2)
}

// asOf returns the expression of a statement's AS OF SYSTEM TIME, nil if it has none.
func (s *Session) asOf(st ast.Statement) ast.Expr {
	switch st := st.(type) {
	case *ast.Select:
		return st.AsOf
	case *ast.Explain:
		return s.asOf(st.Statement)
	case *ast.Prepare:
		return s.asOf(st.Statement)
	case *ast.Execute:
		if q := s.prepared[st.Name]; q != nil {
			return s.asOf(q.stmt)
		}
	}
	return nil
}

// enterHistory gives the transaction that has been begun for a statement the snapshot
// that the statement asks for. In a transaction that several statements share all must
// ask for the same.
func (s *Session) enterHistory(ctx context.Context, st ast.Statement, text string) error {
	t, e := s.tx, s.asOf(st)
	switch {
	case e == nil && t.asOfExpr == nil, e != nil && t.asOfExpr == e:
		return nil
	case e != nil && t.block:
		return sqlerr.Unsupported("AS OF SYSTEM TIME of a statement in a transaction block").
			WithHint("Begin the block with BEGIN AS OF SYSTEM TIME.")
	case t.statements > 0:
		return sqlerr.Unsupported("a transaction that reads the past with one statement and the present with another")
	}
	if t.asOfExpr != nil {
		// So far statements were only looked at.
		o := TxnOptions{Autocommit: t.opts.Autocommit}
		t.tx.Rollback(ctx)
		s.tx = nil
		if err := s.begin(ctx, o, false); err != nil || e == nil {
			return err
		}
	}
	if err := s.readAsOf(ctx, e, text); err != nil {
		return err
	}
	s.tx.asOfExpr = e
	return nil
}

// readAsOf moves the transaction, in which nothing was read or written yet, to a
// moment in the past.
func (s *Session) readAsOf(ctx context.Context, e ast.Expr, text string) error {
	t := s.tx
	if t.queried || t.asOf != 0 || t.tx.HasWrites() || len(t.savepoints) > 0 {
		return sqlerr.New(sqlerr.ActiveSQLTransaction, "AS OF SYSTEM TIME must be set before any query")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	ts, err := s.asOfTimestamp(ctx, e, text)
	if err != nil {
		return err
	}
	if err := t.tx.ReadAt(ctx, ts); err != nil {
		return s.mapErr(err)
	}
	t.present, t.asOf, t.readOnly = t.snap, ts, true
	t.base, t.snap = nil, nil
	return s.open(ctx)
}

// asOfTimestamp computes the timestamp that an expression means: everything that was
// committed up to that moment is below it. Intervals count from the transaction's start.
func (s *Session) asOfTimestamp(ctx context.Context, e ast.Expr, text string) (timestamp.Timestamp, error) {
	now := s.tx.tx.ReadTS()
	micros, err := s.asOfMicros(ctx, e, text, now)
	if err != nil {
		return 0, err
	}
	if micros == types.TimestampInfinity {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "AS OF SYSTEM TIME: cannot specify timestamp in the future (infinity)")
	}
	var at timestamp.Timestamp
	if ms := types.ToTime(micros).UnixMilli(); micros != types.TimestampNegInfinity && ms > 0 {
		if ms > timestamp.Max.PhysicalMs() {
			ms = timestamp.Max.PhysicalMs()
		}
		at = timestamp.Make(ms, 0)
	}
	if at > now {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "AS OF SYSTEM TIME: cannot specify timestamp in the future (%s > %s)",
			momentText(at), momentText(now))
	}
	if window := s.e.historyWindow(); at == 0 || now.Time().Sub(at.Time()) > window {
		return 0, sqlerr.New(sqlerr.SnapshotTooOld, "AS OF SYSTEM TIME: %s is too long ago", momentText(at)).
			WithDetail("Old versions are kept so that the last %s can be read, back to %s.", window, momentText(timestamp.Make(now.Time().Add(-window).UnixMilli(), 0)))
	}
	return at, nil
}

func momentText(ts timestamp.Timestamp) string {
	return ts.Time().UTC().Format("2006-01-02 15:04:05.000Z07:00")
}

// asOfMicros evaluates an expression to microseconds since 2000-01-01 UTC.
func (s *Session) asOfMicros(ctx context.Context, e ast.Expr, text string, now timestamp.Timestamp) (int64, error) {
	o := s.planOptions(text, nil)
	x, err := plan.Scalar(o, e, types.Type{})
	if err != nil {
		return 0, err
	}
	if expr.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.Param); return ok }) {
		return 0, sqlerr.Unsupported("a parameter in AS OF SYSTEM TIME")
	}
	bad := func() (int64, error) {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "AS OF SYSTEM TIME: value is neither timestamp, decimal, nor interval")
	}
	switch x.Type().OID {
	case types.OIDTimestamp, types.OIDDate:
		if x, err = plan.Scalar(o, e, types.Timestamptz); err != nil {
			return 0, err
		}
	}
	ev := s.evalContext(nil)
	ev.Ctx = ctx
	d, err := x.Eval(ev, nil)
	if err != nil {
		return 0, err
	}
	if d.IsNull() {
		return bad()
	}
	base := types.FromTime(now.Time())
	switch x.Type().OID {
	case types.OIDTimestamptz, types.OIDTimestamp, types.OIDDate:
		return d.Int(), nil
	case types.OIDInterval:
		return expr.AddIntervalTZ(base, d.Interval(), ev.Format.Location())
	case types.OIDInt2, types.OIDInt4, types.OIDInt8, types.OIDNumeric:
		if micros, ok := nanosToMicros(datumText(d, x.Type(), ev.Format)); ok {
			return micros, nil
		}
		return bad()
	case types.OIDUnknown, types.OIDText, types.OIDVarchar, types.OIDBpchar:
	default:
		return bad()
	}
	v := strings.TrimSpace(d.Str())
	if micros, ok := nanosToMicros(v); ok {
		return micros, nil
	}
	if m, err := types.DecodeText(v, types.Timestamptz, ev.Format); err == nil {
		return m.Int(), nil
	}
	if iv, err := types.DecodeText(v, types.Of(types.OIDInterval), ev.Format); err == nil {
		return expr.AddIntervalTZ(base, iv.Interval(), ev.Format.Location())
	}
	return bad()
}

// nanosToMicros reads a number of nanoseconds since 1970, in microseconds since 2000.
// What follows a decimal point counts events within one nanosecond elsewhere; here it
// says nothing.
func nanosToMicros(v string) (int64, bool) {
	whole, _, _ := strings.Cut(v, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return types.FromTime(time.Unix(0, n)), true
}

// tooOldInHistory is the error of a read of the past that was given up meanwhile.
func (s *Session) tooOldInHistory(below *txn.ReadBelowGCError) error {
	return sqlerr.New(sqlerr.SnapshotTooOld, "AS OF SYSTEM TIME: the data of %s is no longer kept", momentText(s.tx.asOf)).
		WithDetail("%v", below).WithCause(below)
}
