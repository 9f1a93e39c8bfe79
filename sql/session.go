package sql

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/stmtstats"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/txn"
)

// Bounds of what one session may keep.
const (
	maxPrepared = 10000
	maxPortals  = 1000
	// autocommitAttempts bounds how often a statement is run again by itself.
	autocommitAttempts = 20
	retryPauseMin      = time.Millisecond
	retryPauseMax      = 50 * time.Millisecond
)

// Session is one client's session. See the package comment.
type Session struct {
	e      *Engine
	params pgwire.SessionParams
	rand   env.Rand
	seeded expr.SeededRandom

	settings *settings
	status   byte // one of pgwire.Tx…; 0 is idle
	tx       *txnState

	prepared map[string]*prepared
	shapes   shapes
	// domains are the bound conditions of domains that were tested.
	domains map[*types.Def][]expr.Expr
	portals map[string]*portal
	cursors map[string]*cursor // of DECLARE
	// starting: a statement is being run, not only analyzed.
	starting bool

	seqs sessionSeqs
	temp *tempState // nil: it has never had a temporary relation
	// listening are the channels of LISTEN.
	listening map[string]bool

	// last is the statement of the extended protocol that an implicit transaction
	// consists of so far, for running it again at Sync.
	last lastExecute
	// unsynced are the runs of that transaction, to be counted at Sync.
	unsynced []observed
	// pessimistic: the statement is run again because of a conflict, and locks rows
	// now.
	pessimistic bool
	idle        idleTimer
	call        callContext
	advisory    advisory

	mu struct {
		sync.Mutex
		cancel context.CancelCauseFunc // of the running call; nil when idle
		query  string
		activity
	}
}

// txnState is the session's transaction.
type txnState struct {
	tx       Txn
	opts     TxnOptions
	block    bool // BEGIN … COMMIT; otherwise implicit
	base     *catalog.Snapshot
	snap     *catalog.Snapshot // base with the changes of this transaction
	start    time.Time
	readOnly bool
	// asOf is the snapshot of a transaction that reads the past, 0 for none; then
	// present is the catalog of today. asOfExpr is what a statement has set it by.
	asOf     timestamp.Timestamp
	asOfExpr ast.Expr
	present  *catalog.Snapshot
	// statements counts those that were begun in it, control statements excepted.
	statements int
	// queried is set once a statement has read or written: then the isolation level
	// is fixed.
	queried bool
	// stale: a new statement has begun that is to see what is committed now.
	stale      bool
	savepoints []savepoint
	before     *settings // what a rollback goes back to
	notes      notes
	// times is what SET CONSTRAINTS has said, deferred what is to be checked at the commit.
	times    constraintTimes
	deferred exec.Deferred
	// early has the constraints, with their tables, that came in this transaction and that
	// rows were written by.
	early map[catalog.ID]catalog.ID
	// atOnce: the statement is run again with existence checks in their places.
	atOnce bool
	// afterCommit runs when the transaction has committed.
	afterCommit []func(context.Context) error
}

type savepoint struct {
	name     string
	sp       any
	snap     *catalog.Snapshot
	settings *settings
	after    int // length of afterCommit
	advisory map[string][2]int
	notes    notes
	times    constraintTimes
	deferred int // length of the checks
}

type lastExecute struct {
	n      int // statements executed in the implicit transaction
	portal *portal
	w      pgwire.ResultWriter
	max    int
	clean  bool // nothing was sent after the statement's results
}

// ReportedSettings lists the parameters that the client is told about.
func (s *Session) ReportedSettings() []pgwire.Setting {
	var out []pgwire.Setting
	for _, name := range s.settings.names() {
		if d := s.e.defs[lower(name)]; d.report {
			v, _ := s.settings.show(name)
			out = append(out, pgwire.Setting{Name: d.name, Value: v})
		}
	}
	return out
}

// setSettings replaces the settings and reports what changed.
func (s *Session) setSettings(n *settings) {
	old := s.settings
	s.settings = n
	if old == n || s.params.Notifier == nil {
		return
	}
	for key, d := range s.e.defs {
		if !d.report {
			continue
		}
		a, _ := old.show(key)
		if b, _ := n.show(key); a != b {
			s.params.Notifier.ParameterStatus(d.name, b)
		}
	}
}

// TxStatus is the state of the transaction as ReadyForQuery reports it.
func (s *Session) TxStatus() byte {
	if s.status == 0 {
		return pgwire.TxIdle
	}
	return s.status
}

// Cancel ends the running call.
func (s *Session) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.cancel != nil {
		s.mu.cancel(sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to user request"))
	}
}

// Close ends the session.
func (s *Session) Close() {
	s.idle.stop()
	s.call.end()
	s.closePortals()
	s.abort(context.Background())
	s.advisoryClose()
	s.dropCursors(true)
	s.unlistenAll()
	s.e.mu.Lock()
	delete(s.e.mu.sessions, s)
	s.e.mu.Unlock()
}

// callContext is the context of the session's calls. It serves one after the other
// until it was cancelled, so that most cost nothing. It belongs to the session's
// goroutine.
type callContext struct {
	parent context.Context // what ctx was made of
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// of returns a context for a call that was made with parent.
func (c *callContext) of(parent context.Context) (context.Context, context.CancelCauseFunc) {
	if c.ctx == nil || c.parent != parent || c.ctx.Err() != nil {
		c.end()
		c.parent = parent
		c.ctx, c.cancel = context.WithCancelCause(parent)
	}
	return c.ctx, c.cancel
}

// end releases what the context holds.
func (c *callContext) end() {
	if c.cancel != nil {
		c.cancel(nil)
	}
	*c = callContext{}
}

// enter makes the call cancellable; leave must follow.
func (s *Session) enter(ctx context.Context, query string) (context.Context, func()) {
	s.idle.stop()
	ctx, cancel := s.call.of(ctx)
	now := s.e.o.Clock.Now()
	s.mu.Lock()
	s.mu.cancel = cancel
	if query != "" {
		s.mu.query = query
	}
	s.mu.changed, s.mu.queried = now, now
	s.mu.Unlock()
	return ctx, s.leave
}

// leave ends what enter has begun.
func (s *Session) leave() {
	s.mu.Lock()
	s.mu.cancel = nil
	s.mu.changed, s.mu.status, s.mu.application = s.e.o.Clock.Now(), s.TxStatus(), s.settings.hot.application
	s.mu.txStart = time.Time{}
	if s.tx != nil {
		s.mu.txStart = s.tx.start
	}
	s.mu.Unlock()
	s.startIdle()
}

// withTimeout applies statement_timeout.
func (s *Session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	d := s.settings.hot.statementTimeout
	if most := s.settings.hot.transactionTimeout; most > 0 {
		left := most
		if s.tx != nil {
			left = max(most-s.e.o.Clock.Now().Sub(s.tx.start), time.Nanosecond)
		}
		if d <= 0 || left < d {
			return context.WithTimeoutCause(ctx, left, errTransactionTimeout())
		}
	}
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d,
		sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to statement timeout"))
}

// begin starts a transaction unless there is one.
func (s *Session) begin(ctx context.Context, o TxnOptions, block bool) error {
	if s.tx != nil {
		return nil
	}
	o.Isolation = isolationOf(s.isolation())
	o.Pessimistic = s.pessimistic
	o.Owner = txn.Owner{Node: s.e.o.NodeID, PID: s.params.ProcessID}
	t, err := s.e.o.Store.Begin(o)
	if err != nil {
		return s.mapErr(err)
	}
	s.tx = &txnState{tx: t, opts: o, block: block, start: s.e.o.Clock.Now(), before: s.settings, readOnly: o.ReadOnly}
	if s.settings.hot.readOnly {
		s.tx.readOnly = true
	}
	if s.temp != nil && s.temp.desc != nil {
		s.enableTemp()
	}
	return nil
}

// catalog gives the transaction its snapshot and descriptors, once.
func (s *Session) open(ctx context.Context) error {
	t := s.tx
	if t.snap != nil {
		return s.refresh(ctx)
	}
	if err := t.tx.Start(ctx); err != nil {
		return s.mapErr(err)
	}
	snap, err := s.e.catalog.At(ctx, t.tx)
	if err != nil {
		return s.mapErr(err)
	}
	snap = s.withTemp(snap)
	t.base, t.snap = snap, snap
	return nil
}

// refresh gives a statement of a READ COMMITTED transaction its own snapshot, if it
// has none yet. A transaction that has changed the schema stays with the one that
// its changes were made by.
func (s *Session) refresh(ctx context.Context) error {
	t := s.tx
	if !t.stale || t.asOf != 0 || t.opts.Isolation != txn.ReadCommitted || t.snap.Changed() {
		return nil
	}
	t.stale = false
	if err := t.tx.NewSnapshot(ctx); err != nil {
		return s.mapErr(err)
	}
	snap, err := s.e.catalog.At(ctx, t.tx)
	if err != nil {
		return s.mapErr(err)
	}
	snap = s.withTemp(snap)
	if !t.tx.HasWrites() {
		// What was written by an older schema has to be committed by it.
		t.base = snap
	}
	t.snap = snap
	return nil
}

// finish forgets the transaction's state.
func (s *Session) finish() *txnState {
	t := s.tx
	s.tx = nil
	s.status = pgwire.TxIdle
	s.last = lastExecute{}
	s.advisoryTxnEnd(nil)
	return t
}

// commit ends the transaction. The session is idle afterwards, whatever happens.
func (s *Session) commit(ctx context.Context) error {
	t := s.tx
	if t == nil {
		s.status = pgwire.TxIdle
		return nil
	}
	committed := false
	err := s.checkDeferred(ctx)
	if err == nil {
		err = s.doubtEarly(ctx)
	}
	var kept []*cursor
	if err == nil {
		kept, err = s.keepCursors(ctx)
	}
	defer func() {
		if !committed {
			s.dropKept(kept)
		}
	}()
	s.closePortals()
	s.releaseSequences(ctx)
	var temp *tempState
	if err == nil {
		temp, err = s.endTemp(ctx)
	}
	var latest timestamp.Timestamp
	if err == nil {
		latest, err = s.writeNotes(ctx)
	}
	stopListening := func() {}
	if err == nil {
		stopListening, err = s.startListening(ctx)
	}
	defer func() {
		if !committed {
			stopListening()
		}
	}()
	if err != nil {
		s.abort(ctx)
		return s.mapErr(err)
	}
	snap := t.snap
	// The bound is asked for at the very commit: a large transaction writes its
	// locks for longer than a lease lasts. A transaction whose schema turns out to
	// be too old then commits at no timestamp.
	bound := func() timestamp.Timestamp { return 0 }
	var c *catalog.Commit
	if snap != nil && t.tx.HasWrites() {
		var err error
		if c, err = s.e.catalog.BeginCommit(t.base); err != nil {
			t.tx.Rollback(ctx)
			s.setSettings(t.before)
			s.finish()
			return err
		}
		defer c.End()
		bound = c.Bound
	}
	if err = t.tx.Commit(ctx, boundBy(bound, latest)); err != nil {
		var unknown *txn.UnknownOutcomeError
		if c != nil && errors.As(err, &unknown) {
			c.EndUnknown()
		}
		err = s.mapErr(err)
		s.setSettings(t.before)
		s.finish()
		return err
	}
	committed = true
	if temp != nil {
		s.temp = temp
	}
	s.finish()
	s.setSettings(s.settings.withoutLocal())
	if snap != nil && snap.Changed() {
		// The change is there already; who waits for the other nodes must not give up
		// because of its client.
		if err := s.e.catalog.Committed(context.WithoutCancel(ctx), snap); err != nil {
			return s.mapErr(err)
		}
	}
	if c != nil {
		c.End() // what follows may raise the schema again, which this commit would hold back
	}
	s.notesDone(ctx, t.notes)
	for _, f := range t.afterCommit {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// boundBy lowers a bound of commit timestamps; zero is none in both.
func boundBy(bound func() timestamp.Timestamp, latest timestamp.Timestamp) func() timestamp.Timestamp {
	if latest == 0 {
		return bound
	}
	return func() timestamp.Timestamp {
		if b := bound(); b != 0 && b < latest {
			return b
		}
		return latest
	}
}

// abort rolls the transaction back.
func (s *Session) abort(ctx context.Context) {
	t := s.tx
	if t == nil {
		s.status = pgwire.TxIdle
		return
	}
	s.closePortals()
	s.releaseSequences(ctx)
	t.tx.Rollback(context.WithoutCancel(ctx))
	s.setSettings(t.before)
	s.finish()
}

// failed is called after an error of a statement.
func (s *Session) failed(ctx context.Context) {
	if len(s.unsynced) > 0 {
		s.observeSynced(0, 0, errFailedBlock()) // they were rolled back
	}
	switch {
	case s.tx == nil:
		s.status = pgwire.TxIdle
	case s.tx.block:
		s.status = pgwire.TxFailed
		s.closePortals()
		s.dropLocks(ctx)
	default:
		s.abort(ctx)
	}
}

// dropLocks gives up what a failed transaction block has locked, as far as no
// savepoint holds it: nobody shall wait for a client that has an error to read.
func (s *Session) dropLocks(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	n := len(s.tx.savepoints)
	if n == 0 {
		s.tx.tx.Rollback(ctx)
		s.advisoryTxnEnd(nil)
		return
	}
	s.advisoryTxnEnd(s.tx.savepoints[n-1].advisory)
	_ = s.tx.tx.RollbackTo(ctx, s.tx.savepoints[n-1].sp, true)
}

func (s *Session) closePortals() {
	for name, p := range s.portals {
		p.close()
		delete(s.portals, name)
	}
	s.dropCursors(false)
}

// Fail is told of errors that did not come from here.
func (s *Session) Fail(ctx context.Context, simple bool) { s.failed(ctx) }

// ExecSimple runs a string of statements.
func (s *Session) ExecSimple(ctx context.Context, text string, w pgwire.ResultWriter) error {
	ctx, leave := s.enter(ctx, text)
	defer leave()
	s.dropUnnamed()
	err := s.execSimple(ctx, text, w)
	if err != nil {
		s.failed(ctx)
		return s.cause(ctx, err)
	}
	return nil
}

func (s *Session) dropUnnamed() {
	delete(s.prepared, "")
	if p := s.portals[""]; p != nil {
		p.close()
		delete(s.portals, "")
	}
}

func (s *Session) execSimple(ctx context.Context, text string, w pgwire.ResultWriter) error {
	if ran, err := s.execShaped(ctx, text, w); ran {
		return err
	}
	list, err := parse.Parse(text)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return w.EmptyQuery()
	}
	for i := range list {
		last := i == len(list)-1
		for _, n := range list[i].Notices {
			s.notice(n)
		}
		stmt := &prepared{stmt: list[i].AST, text: text, body: list[i].Text, simple: true}
		if err := s.simpleStatement(ctx, stmt, nil, w, len(list) == 1, last); err != nil {
			return err
		}
	}
	return nil
}

// simpleStatement runs one statement of a string. alone statements outside a
// block are transactions of their own and may be repeated.
func (s *Session) simpleStatement(ctx context.Context, stmt *prepared, params []types.Datum, w pgwire.ResultWriter, alone, last bool) (err error) {
	alone = alone && s.tx == nil
	began, attempt := s.e.o.Clock.Now(), 0
	var done completion
	defer func() {
		s.pessimistic = false
		if errors.Is(err, errNoShape) {
			return // it did not run
		}
		s.observe(stmt, stmtstats.Observation{Took: s.e.o.Clock.Now().Sub(began), Rows: done.rows, Failed: err != nil, Retries: attempt})
	}()
	for ; ; attempt++ {
		w.Mark()
		done, err = s.once(ctx, stmt, params, w, alone, last)
		if err == nil {
			return done.send(w)
		}
		if alone && attempt == 0 && sqlerr.Is(err, sqlerr.UnsafeNewEnumValueUsage) && w.Rewind() && s.labelsFinished(ctx, err) {
			continue
		}
		if !alone || !s.retryable(err, stmt) || attempt+1 >= autocommitAttempts || ctx.Err() != nil || !w.Rewind() {
			return err
		}
		s.abort(ctx)
		s.pessimistic = true
		if attempt > 0 && s.e.sleep(ctx, s.retryPause(attempt)) != nil {
			return err
		}
	}
}

func (s *Session) once(ctx context.Context, stmt *prepared, params []types.Datum, w pgwire.ResultWriter, alone, last bool) (completion, error) {
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	p := &portal{prep: stmt, params: params}
	defer p.close()
	done, _, err := s.runPortal(ctx, p, 0, w, alone)
	if err != nil {
		return done, s.cause(ctx, err)
	}
	if last && s.tx != nil && !s.tx.block {
		err = s.commit(ctx)
	}
	return done, s.cause(ctx, err)
}

func (s *Session) retryPause(attempt int) time.Duration {
	d := retryPauseMin << min(attempt, 6)
	return env.Jitter(s.rand, min(d, retryPauseMax))
}

// notice sends a message unless the client does not want it.
func (s *Session) notice(n *sqlerr.Notice) {
	if s.params.Notifier == nil {
		return
	}
	level := s.settings.must("client_min_messages")
	rank := map[string]int{"debug5": 0, "debug4": 0, "debug3": 0, "debug2": 0, "debug1": 0, "debug": 0, "log": 1, "info": 1, "notice": 2, "warning": 3, "error": 4}
	have := 2
	if n.Severity == sqlerr.SeverityWarning {
		have = 3
	}
	if n.Severity == sqlerr.SeverityInfo {
		have = 4
	}
	if have >= rank[level] {
		s.params.Notifier.Notice(n)
	}
}

func (s *Session) noticef(code, format string, args ...any) {
	n := sqlerr.NewNotice(format, args...)
	n.Code = code
	s.notice(n)
}

func (s *Session) warn(code, format string, args ...any) {
	s.notice(sqlerr.NewWarning(code, format, args...))
}

func lower(s string) string { return strings.ToLower(s) }

// path returns the schemas of the search path that exist; with implicit also
// that of temporary relations and pg_catalog where they are searched without being
// named.
func (s *Session) path(snap *catalog.Snapshot, implicit bool) []string {
	var out []string
	named, tempNamed := false, false
	var temp *catalog.Schema
	if snap != nil {
		temp = snap.TempSchema()
	}
	for _, p := range s.settings.path {
		switch p {
		case "$user":
			p = s.user()
		case "pg_catalog":
			named = true
		case "pg_temp":
			tempNamed = true
			if temp != nil {
				p = temp.Name
			}
		}
		if snap == nil || s.searches(snap, p) {
			out = append(out, p)
		}
	}
	if implicit && !named {
		out = append([]string{"pg_catalog"}, out...)
	}
	if implicit && !tempNamed && temp != nil {
		out = append([]string{temp.Name}, out...)
	}
	return out
}

var _ pgwire.Session = (*Session)(nil)
var _ pgwire.Engine = (*Engine)(nil)
