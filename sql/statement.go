package sql

import (
	"context"
	"slices"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// prepared is a statement ready to be bound.
type prepared struct {
	name     string
	stmt     ast.Statement // nil: an empty string
	text     string
	body     string // the statement's own part of text
	print    uint64 // fingerprint, once it was asked for
	declared []types.Type
	params   []types.Type
	simple   bool // of the simple protocol, or of SQL's PREPARE: no client has seen its columns
	cursor   bool // the query of a cursor
	// shape: of a text whose numbers are parameters; shown is the text itself.
	shape bool
	shown string

	// cols is what the client was told; nil for no rows.
	cols  []pgwire.Column
	known bool // cols and params are final
	made  time.Time

	plan    *plan.Plan
	planKey planKey
}

// planKey says what a plan depends on besides the statement.
type planKey struct {
	version, changes, temp uint64
	settings               planSettings
	stats                  uint64 // generation of what is known of tables
	off                    plan.Methods
	user                   string // whose search path it was
}

// told is the text that others are told of.
func (p *prepared) told() string {
	if p.shape {
		return p.shown
	}
	return p.text
}

// portal is a statement with its parameters, running or not.
type portal struct {
	name    string
	prep    *prepared
	params  []types.Datum
	formats []int16

	started bool
	ended   bool
	cols    []pgwire.Column
	ex      *exec.Execution
	format  *types.FormatContext
	// rows are results that were made in one go.
	rows [][]types.Datum
	// collected: rows are all rows of a statement that writes, whose work is done.
	collected bool
	done      completion
	sent      int64
	took      time.Duration // so far
	// trace measures the execution; nil for nothing.
	trace *exec.Trace
}

func (p *portal) close() {
	if p.ex != nil {
		p.ex.Close()
		p.ex = nil
	}
	p.ended = true
}

// completion is how a statement ends.
type completion struct {
	tag   string // complete tag; empty if verb is set
	verb  string
	rows  int64
	empty bool
}

func (c completion) send(w pgwire.ResultWriter) error {
	switch {
	case c.empty:
		return w.EmptyQuery()
	case c.verb != "":
		return w.CompleteRows(c.verb, c.rows)
	}
	return w.Complete(c.tag)
}

// errFailedBlock is the answer to everything but the end of a failed transaction.
func errFailedBlock() error {
	return sqlerr.New(sqlerr.InFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
}

// runPortal runs a portal until it has written max rows (0: all). auto says that
// the statement is alone in its implicit transaction.
func (s *Session) runPortal(ctx context.Context, p *portal, max int, w pgwire.ResultWriter, auto bool) (completion, bool, error) {
	st := p.prep.stmt
	if st == nil {
		return completion{empty: true}, false, nil
	}
	if p.ended {
		// As PostgreSQL does: a portal that has given all its rows gives none.
		if p.prep.cols == nil && p.cols == nil {
			return completion{}, false, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "portal %q cannot be run", p.name)
		}
		c := p.done
		c.rows = 0
		return c, false, w.Columns(p.cols, p.format)
	}
	if !p.started {
		if done, ok, err := s.control(ctx, st, p.prep.text); ok || err != nil {
			p.ended = true
			return done, false, err
		}
		if s.status == pgwire.TxFailed {
			return completion{}, false, errFailedBlock()
		}
		if err := s.startPortal(ctx, p, w, auto); err != nil {
			return completion{}, false, err
		}
	}
	return s.feed(ctx, p, max, w)
}

// startPortal begins the work of a statement that is not transaction control.
func (s *Session) startPortal(ctx context.Context, p *portal, w pgwire.ResultWriter, auto bool) error {
	st := p.prep.stmt
	if _, ok := st.(*ast.Copy); ok {
		auto = false // a duplicate key shall be found at its line, not at the commit
	}
	if err := s.begin(ctx, TxnOptions{Autocommit: auto}, false); err != nil {
		return err
	}
	if err := s.enterHistory(ctx, st, p.prep.text); err != nil {
		return err
	}
	s.tx.stale = s.tx.snap != nil && (s.tx.block || s.tx.statements > 0)
	s.tx.statements++
	p.started = true
	switch st.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
		return s.startQuery(ctx, p)
	}
	return s.utility(ctx, p, w)
}

// startQuery plans a query, if need be, and starts it.
func (s *Session) startQuery(ctx context.Context, p *portal) error {
	s.starting = true
	defer func() { s.starting = false }()
	if err := s.openAndPlan(ctx, p.prep); err != nil {
		if p.prep.shape && p.prep.plan == nil {
			return errNoShape
		}
		return err
	}
	if p.prep.shape && !keepsShape(p.prep) {
		return errNoShape
	}
	s.releaseSequences(ctx)
	pl := p.prep.plan
	if pl.Doomed != nil {
		return pl.Doomed
	}
	s.tx.queried = true
	if pl.Writes && s.tx.readOnly && !onlyTemp(pl) {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", pl.Verb)
	}
	if pl.Writes {
		return s.startWrite(ctx, p)
	}
	return s.startPlan(ctx, p)
}

// openAndPlan opens the transaction and sees to the plan of a statement. The statement
// that begins a transaction is planned while the oracle is asked for the timestamp, by
// the schema that the gateway has a lease on. That is the one of the timestamp unless it
// was changed just now; then what was planned ahead is forgotten, errors too.
func (s *Session) openAndPlan(ctx context.Context, p *prepared) error {
	before := *p
	var ahead *catalog.Snapshot
	if s.tx.snap == nil {
		ahead = s.e.catalog.Leased()
	}
	if ahead != nil {
		ahead = s.withTemp(ahead)
		s.tx.snap = ahead
		err := s.preparePlan(p)
		s.tx.snap = nil
		if err != nil {
			*p = before
		} else if before.plan != p.plan {
			s.e.plannedAhead.Add(1)
		}
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.tx.snap != ahead && ahead != nil {
		*p = before
	}
	return s.preparePlan(p)
}

// feed writes rows of a started portal.
func (s *Session) feed(ctx context.Context, p *portal, max int, w pgwire.ResultWriter) (completion, bool, error) {
	if p.ex == nil && p.rows == nil && p.cols == nil {
		p.ended = true
		return p.done, false, nil
	}
	if p.cols != nil {
		if err := w.Columns(p.cols, p.format); err != nil {
			return completion{}, false, err
		}
	}
	sent := int64(0)
	for max == 0 || sent < int64(max) {
		row, err := p.next(ctx)
		if err != nil {
			return completion{}, false, err
		}
		if row == nil {
			return s.endPortal(p, sent), false, nil
		}
		if err := w.Row(row); err != nil {
			return completion{}, false, err
		}
		sent++
	}
	p.sent += sent
	return completion{}, true, nil
}

func (p *portal) next(ctx context.Context) ([]types.Datum, error) {
	if p.ex != nil && !p.collected {
		return p.ex.Next(ctx)
	}
	if len(p.rows) == 0 {
		return nil, nil
	}
	row := p.rows[0]
	p.rows = p.rows[1:]
	return row, nil
}

func (s *Session) endPortal(p *portal, sent int64) completion {
	c := p.done
	if c.verb != "" {
		c.rows = sent
		if p.ex != nil && p.prep.plan != nil && p.prep.plan.Writes && c.verb != "SELECT" {
			c.rows = p.ex.Affected()
		}
		s.countChanges(p)
	}
	p.close()
	return c
}

// countChanges counts the rows that a statement has written, for automatic ANALYZE.
func (s *Session) countChanges(p *portal) {
	if p.ex == nil || p.prep.plan == nil || !p.prep.plan.Writes {
		return
	}
	if t := p.prep.plan.Target(); t != nil {
		s.e.known.changed(t.ID, p.ex.Affected())
	}
}

// preparePlan makes the statement's plan, or makes it again if what it was made
// for has changed.
func (s *Session) preparePlan(p *prepared) error {
	snap := s.tx.snap
	v, c := snap.Key()
	key := planKey{version: v, changes: c, temp: snap.TempGen(), settings: s.settings.hot.plan, stats: s.e.known.gen.Load(), off: s.settings.off, user: s.user()}
	if p.plan != nil && p.planKey == key && c == 0 && !usesCursor(p.stmt) {
		return nil
	}
	if p.shape {
		p.plan, p.known = nil, false
	}
	declared := p.declared
	if p.known {
		declared = p.params
	}
	declared = attachTypes(snap, declared)
	o := s.planOptions(p.text, declared)
	o.Cursor = p.cursor
	pl, err := plan.New(p.stmt, o)
	if err != nil {
		return err
	}
	if p.known && !p.simple && !sameColumns(p.cols, pl.Columns) {
		return sqlerr.New(sqlerr.FeatureNotSupported, "cached plan must not change result type").WithRoutine("RevalidateCachedQuery")
	}
	p.plan, p.planKey = pl, key
	if p.known {
		// The same types, in their present definitions.
		p.params = pl.Params
		for i := range p.cols {
			p.cols[i].Type = pl.Columns[i].Type.Base()
		}
	}
	if !p.known {
		p.params = pl.Params
		p.cols = portalColumns(pl.Columns, nil)
		p.known = true
	}
	return nil
}

// attachTypes gives types the definitions that they have now.
func attachTypes(snap *catalog.Snapshot, ts []types.Type) []types.Type {
	for i, t := range ts {
		if now := snap.Attach(t); now != t {
			out := append([]types.Type(nil), ts...)
			for j := i; j < len(out); j++ {
				out[j] = snap.Attach(out[j])
			}
			return out
		}
	}
	return ts
}

func sameColumns(a []pgwire.Column, b []plan.Column) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		// A type may have another definition by now: an enum, say, a label more.
		if t := b[i].Type.Base(); a[i].Name != b[i].Name || a[i].Type.OID != t.OID || a[i].Type.Typmod != t.Typmod {
			return false
		}
	}
	return true
}

func portalColumns(cs []plan.Column, formats []int16) []pgwire.Column {
	if cs == nil {
		return nil
	}
	out := make([]pgwire.Column, len(cs))
	for i, c := range cs {
		// Clients see the type under a domain, as from PostgreSQL.
		out[i] = pgwire.Column{Name: c.Name, Type: c.Type.Base(), TableOID: uint32(c.TableOID), AttNum: c.AttNum, Format: pgwire.ResultFormat(formats, i)}
	}
	return out
}

// planOptions is what the statement is bound against.
func (s *Session) planOptions(text string, params []types.Type) plan.Options {
	return plan.Options{
		Catalog:    s.tx.snap,
		Path:       s.path(s.tx.snap, true),
		Exprs:      s.e.exprs,
		Eval:       s.evalContext(nil),
		Text:       text,
		ParamTypes: params,
		ParseExpr:  parse.ParseExpr,
		ParseQuery: parseQuery,
		TypeText:   s.shownType,
		AsOf:       s.tx.asOf != 0,
		CurrentOf:  s.currentOf,
		NoRules:    s.e.noRules || s.settings.noRules,
		Stats:      s.e.tableStats,
		Off:        s.settings.off,
	}
}

// formatContext is the settings for text forms as they are now.
func (s *Session) formatContext() *types.FormatContext {
	f := s.settings.format
	if s.tx != nil {
		f.Now = s.tx.start
	}
	f.Names, f.Domains = objectNames{s}, domainChecks{s}
	return &f
}

// evalContext is what expressions see of the session.
func (s *Session) evalContext(params []types.Datum) *expr.EvalContext {
	return &expr.EvalContext{
		Params:   params,
		TxnTime:  s.tx.start,
		StmtTime: s.e.o.Clock.Now(),
		Clock:    s.e.o.Clock,
		Rand:     s.rand,
		Seeded:   &s.seeded,
		Format:   s.formatContext(),
		System:   systemInfo{s},
		Notice:   s.notice,
	}
}

func (s *Session) runtime(ctx context.Context, params []types.Datum) *exec.Runtime {
	ev := s.evalContext(params)
	ev.Ctx = ctx
	return &exec.Runtime{
		KV:          s.tx.tx.Statement(),
		Eval:        *ev,
		Virtual:     virtualSource{s},
		RowID:       s.e.rowIDs.next,
		Autocommit:  s.tx.opts.Autocommit && !s.tx.tx.Locking() && !s.tx.atOnce,
		Constraints: keyTimes{s},
		MayShow:     s.mayShow,
		MemoryLimit: s.e.o.MemoryLimit,
		Authorize: func(needs []*plan.Need) error {
			if err := s.authorize(needs); err != nil {
				return err
			}
			return s.settled(ctx, needs)
		},
	}
}

// control runs statements that begin and end transactions; ok says that st was
// one.
func (s *Session) control(ctx context.Context, st ast.Statement, text string) (done completion, ok bool, err error) {
	done.tag = st.Tag()
	switch st := st.(type) {
	case *ast.Begin:
		return done, true, s.beginBlock(ctx, st, text)
	case *ast.Commit:
		if st.Chain {
			return done, true, sqlerr.Unsupported("COMMIT AND CHAIN")
		}
		switch {
		case s.status == pgwire.TxFailed:
			s.abort(ctx)
			done.tag = "ROLLBACK"
			return done, true, nil
		case s.tx == nil || !s.tx.block:
			s.warn(sqlerr.NoActiveSQLTransaction, "there is no transaction in progress")
		}
		return done, true, s.commit(ctx)
	case *ast.Rollback:
		if st.Chain {
			return done, true, sqlerr.Unsupported("ROLLBACK AND CHAIN")
		}
		if s.tx == nil || !s.tx.block {
			s.warn(sqlerr.NoActiveSQLTransaction, "there is no transaction in progress")
		}
		s.abort(ctx)
		return done, true, nil
	case *ast.RollbackTo:
		return done, true, s.rollbackTo(ctx, st)
	case *ast.Savepoint, *ast.ReleaseSavepoint:
		if s.status == pgwire.TxFailed {
			return done, true, errFailedBlock()
		}
		if sp, isSet := st.(*ast.Savepoint); isSet {
			return done, true, s.savepoint(sp)
		}
		return done, true, s.release(st.(*ast.ReleaseSavepoint))
	}
	return completion{}, false, nil
}

func (s *Session) beginBlock(ctx context.Context, st *ast.Begin, text string) error {
	if s.status == pgwire.TxFailed {
		return errFailedBlock()
	}
	if s.tx != nil && s.tx.block {
		s.warn(sqlerr.ActiveSQLTransaction, "there is already a transaction in progress")
		return nil
	}
	if s.tx != nil && s.tx.opts.Autocommit && !s.tx.tx.HasWrites() && !s.tempChanged() {
		// Nothing was done yet but analyzing: a block must not put existence checks off
		// to its end, as a single statement may.
		s.tx.tx.Rollback(ctx)
		s.tx = nil
	}
	// BEGIN among other statements of one string makes a block of what came before.
	if err := s.begin(ctx, TxnOptions{}, true); err != nil {
		return err
	}
	s.tx.block = true
	s.status = pgwire.TxBlock
	if err := s.setModesAt(ctx, st.Modes, text); err != nil {
		if st.Modes.AsOf != nil {
			s.abort(ctx) // there was no such snapshot to begin with
		}
		return err
	}
	return nil
}

// setModesAt is setModes with the snapshot.
func (s *Session) setModesAt(ctx context.Context, m ast.TxnModes, text string) error {
	if m.AsOf != nil && m.ReadOnly != nil && !*m.ReadOnly {
		return sqlerr.New(sqlerr.SyntaxError, "AS OF SYSTEM TIME specified with READ WRITE mode")
	}
	if err := s.setModes(m); err != nil || m.AsOf == nil {
		return err
	}
	return s.readAsOf(ctx, *m.AsOf, text)
}

// setModes applies the modes of BEGIN and SET TRANSACTION but for the snapshot.
func (s *Session) setModes(m ast.TxnModes) error {
	if m.Isolation != ast.IsolationUnset {
		if s.tx.queried && m.Isolation.String() != s.isolation() {
			return sqlerr.New(sqlerr.ActiveSQLTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
		}
		v := m.Isolation.String()
		n, err := s.settings.with("transaction_isolation", &v, true)
		if err != nil {
			return err
		}
		s.setSettings(n)
		s.tx.opts.Isolation = isolationOf(v)
		s.tx.tx.SetIsolation(s.tx.opts.Isolation)
	}
	if m.ReadOnly != nil {
		if s.tx.readOnly && !*m.ReadOnly && (s.tx.queried || s.tx.asOf != 0) {
			return sqlerr.New(sqlerr.ActiveSQLTransaction, "transaction read-write mode must be set before any query")
		}
		s.tx.readOnly = *m.ReadOnly
		v := "off"
		if *m.ReadOnly {
			v = "on"
		}
		n, err := s.settings.with("transaction_read_only", &v, true)
		if err != nil {
			return err
		}
		s.setSettings(n)
	}
	return nil
}

// isolation is the level of the transaction, or of the next one.
func (s *Session) isolation() string {
	return s.settings.hot.isolation
}

func (s *Session) inBlock(what string) error {
	if s.tx == nil || !s.tx.block {
		return sqlerr.New(sqlerr.NoActiveSQLTransaction, "%s can only be used in transaction blocks", what)
	}
	return nil
}

func (s *Session) savepoint(st *ast.Savepoint) error {
	if err := s.inBlock("SAVEPOINT"); err != nil {
		return err
	}
	s.tx.savepoints = append(s.tx.savepoints, savepoint{st.Name, s.tx.tx.Savepoint(), s.tx.snap, s.settings, len(s.tx.afterCommit), s.advisoryTxn(), s.tx.notes.clip(), s.tx.times, len(s.tx.deferred.Checks)})
	return nil
}

func (s *Session) findSavepoint(name string) (int, error) {
	for i := len(s.tx.savepoints) - 1; i >= 0; i-- {
		if s.tx.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, sqlerr.New(sqlerr.SEInvalidSpecification, "savepoint %q does not exist", name)
}

func (s *Session) release(st *ast.ReleaseSavepoint) error {
	if err := s.inBlock("RELEASE SAVEPOINT"); err != nil {
		return err
	}
	i, err := s.findSavepoint(st.Name)
	if err != nil {
		return err
	}
	err = s.tx.tx.Release(s.tx.savepoints[i].sp)
	s.tx.savepoints = s.tx.savepoints[:i]
	return err
}

func (s *Session) rollbackTo(ctx context.Context, st *ast.RollbackTo) error {
	if err := s.inBlock("ROLLBACK TO SAVEPOINT"); err != nil {
		return err
	}
	i, err := s.findSavepoint(st.Name)
	if err != nil {
		return err
	}
	sp := s.tx.savepoints[i]
	if err := s.tx.tx.RollbackTo(context.WithoutCancel(ctx), sp.sp, true); err != nil {
		return err
	}
	s.advisoryTxnEnd(sp.advisory)
	s.tx.savepoints = s.tx.savepoints[:i+1]
	if sp.snap != nil {
		s.tx.snap = sp.snap
	} else {
		// The catalog was opened after the savepoint: its unchanged state is the one to
		// go back to.
		s.tx.snap = s.tx.base
	}
	s.tx.afterCommit, s.tx.notes = s.tx.afterCommit[:sp.after], sp.notes
	s.tx.times, s.tx.deferred.Checks = sp.times, slices.Clip(s.tx.deferred.Checks[:min(sp.deferred, len(s.tx.deferred.Checks))])
	s.closePortals()
	s.setSettings(sp.settings)
	s.status = pgwire.TxBlock
	return nil
}

func datumText(d types.Datum, t types.Type, f *types.FormatContext) string {
	if d.IsNull() {
		return "null"
	}
	return string(types.EncodeText(nil, d, t, f))
}
