package sql

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/parse"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// analyzing wraps the methods of the extended protocol that send no rows and change
// nothing: they can be cancelled, and an error fails the transaction.
func (s *Session) analyzing(ctx context.Context, f func(ctx context.Context) error) error {
	return s.extended(ctx, func(ctx context.Context) error {
		first := s.last.n == 0 && len(s.portals) == 0
		err := f(ctx)
		if err != nil && first && s.labelsFinished(ctx, err) {
			err = f(ctx)
		}
		return err
	})
}

// extended wraps the methods of the extended protocol.
func (s *Session) extended(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, leave := s.enter(ctx, "")
	defer leave()
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	err := f(ctx)
	if err == nil {
		return nil
	}
	err = s.cause(ctx, err)
	s.failed(ctx)
	return err
}

// Parse makes a prepared statement.
func (s *Session) Parse(ctx context.Context, name, text string, oids []uint32) error {
	s.last.clean = false
	return s.analyzing(ctx, func(ctx context.Context) error {
		p, err := s.prepare(ctx, name, text, oids)
		if err != nil {
			return err
		}
		if name != "" {
			if _, ok := s.prepared[name]; ok {
				return sqlerr.New(sqlerr.DuplicatePstatement, "prepared statement %q already exists", name)
			}
			if len(s.prepared) >= maxPrepared {
				return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many prepared statements (%d)", maxPrepared)
			}
		}
		s.prepared[name] = p
		return nil
	})
}

func (s *Session) prepare(ctx context.Context, name, text string, oids []uint32) (*prepared, error) {
	list, err := parse.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	p := &prepared{name: name, text: text, made: s.e.o.Clock.Now()}
	if len(list) == 0 {
		p.known = true
		return p, nil
	}
	for _, n := range list[0].Notices {
		s.notice(n)
	}
	p.stmt, p.body = list[0].AST, list[0].Text
	p.declared = make([]types.Type, max(len(oids), list[0].NumParams))
	for i, oid := range oids {
		if oid == 0 || types.OID(oid) == types.OIDUnknown {
			continue
		}
		t, ok := types.Of(types.OID(oid)), false
		if _, ok = types.Lookup(t.OID); !ok {
			if t, ok, err = s.typeByOID(ctx, t.OID); err != nil {
				return nil, err
			}
		}
		if !ok {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "type with OID %d does not exist", oid)
		}
		p.declared[i] = t
	}
	return p, s.analyze(ctx, p)
}

// typeByOID finds a user's type, for which the catalogue has to be asked.
func (s *Session) typeByOID(ctx context.Context, oid types.OID) (types.Type, bool, error) {
	if s.status == pgwire.TxFailed {
		return types.Type{}, false, errFailedBlock()
	}
	if err := s.begin(ctx, TxnOptions{Autocommit: true}, false); err != nil {
		return types.Type{}, false, err
	}
	if err := s.open(ctx); err != nil {
		return types.Type{}, false, err
	}
	t, ok := s.tx.snap.TypeByOID(oid)
	return t, ok, nil
}

// analyze finds out parameter types and result columns of a statement.
func (s *Session) analyze(ctx context.Context, p *prepared) error {
	switch st := p.stmt.(type) {
	case *ast.Commit, *ast.Rollback, *ast.RollbackTo, *ast.Begin, *ast.Savepoint, *ast.ReleaseSavepoint:
		if s.status == pgwire.TxFailed {
			switch st.(type) {
			case *ast.Begin, *ast.Savepoint, *ast.ReleaseSavepoint:
				return errFailedBlock()
			}
		}
		p.known = true
		return nil
	}
	if s.status == pgwire.TxFailed {
		return errFailedBlock()
	}
	if err := s.begin(ctx, TxnOptions{Autocommit: true}, false); err != nil {
		return err
	}
	if err := s.enterHistory(ctx, p.stmt, p.text); err != nil {
		return err
	}
	switch p.stmt.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
		return s.openAndPlan(ctx, p)
	}
	var err error
	p.cols, err = s.utilityColumns(ctx, p)
	p.known = true
	return err
}

func (s *Session) statement(name string) (*prepared, error) {
	p, ok := s.prepared[name]
	if !ok {
		if name == "" {
			return nil, sqlerr.New(sqlerr.UndefinedPstatement, "unnamed prepared statement does not exist")
		}
		return nil, sqlerr.New(sqlerr.UndefinedPstatement, "prepared statement %q does not exist", name).WithRoutine("FetchPreparedStatement")
	}
	return p, nil
}

// DescribeStatement tells parameters and columns.
func (s *Session) DescribeStatement(ctx context.Context, name string) (params []types.Type, cols []pgwire.Column, err error) {
	s.last.clean = false
	err = s.analyzing(ctx, func(ctx context.Context) error {
		p, err := s.statement(name)
		if err != nil {
			return err
		}
		if p.stmt != nil && s.status != pgwire.TxFailed {
			switch p.stmt.(type) {
			case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
				// Columns may have changed since.
				if err := s.begin(ctx, TxnOptions{Autocommit: true}, false); err != nil {
					return err
				}
				if err := s.enterHistory(ctx, p.stmt, p.text); err != nil {
					return err
				}
				if err := s.openAndPlan(ctx, p); err != nil {
					return err
				}
			}
		}
		params, cols = p.params, p.cols
		return nil
	})
	return params, cols, err
}

// Bind makes a portal.
func (s *Session) Bind(ctx context.Context, b *pgwire.BindRequest) error {
	s.last.clean = false
	return s.analyzing(ctx, func(ctx context.Context) error {
		p, err := s.statement(b.Statement)
		if err != nil {
			return err
		}
		if s.status == pgwire.TxFailed && !endsBlock(p.stmt) {
			return errFailedBlock()
		}
		if len(b.Params) != len(p.params) {
			return sqlerr.New(sqlerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
				len(b.Params), b.Statement, len(p.params))
		}
		if p.plan != nil && p.plan.Doomed != nil {
			return p.plan.Doomed
		}
		if err := s.replan(ctx, p); err != nil {
			return err
		}
		if err := pgwire.CheckResultFormats(b.ResultFormats, len(p.cols)); err != nil {
			return err
		}
		if b.Portal != "" {
			if _, ok := s.portals[b.Portal]; ok {
				return sqlerr.New(sqlerr.DuplicateCursor, "cursor %q already exists", b.Portal)
			}
			if len(s.portals) >= maxPortals {
				return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many portals (%d)", maxPortals)
			}
		} else if old := s.portals[""]; old != nil {
			old.close()
		}
		params, err := s.decodeParams(ctx, p, b)
		if err != nil {
			return err
		}
		s.portals[b.Portal] = &portal{name: b.Portal, prep: p, params: params, formats: append([]int16(nil), b.ResultFormats...)}
		return nil
	})
}

// replan makes a plan again that is older than the schema that this node knows: the
// client hears of columns that have changed when it binds, as from PostgreSQL. A
// statement that reads the past has the schema of then, which is older for good.
func (s *Session) replan(ctx context.Context, p *prepared) error {
	if p.plan == nil || s.status == pgwire.TxFailed || s.asOf(p.stmt) != nil {
		return nil
	}
	latest := s.e.catalog.Latest()
	if latest == nil {
		return nil
	}
	if v, _ := latest.Key(); v <= p.planKey.version {
		return nil
	}
	if err := s.begin(ctx, TxnOptions{Autocommit: true}, false); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.preparePlan(p)
}

func endsBlock(st ast.Statement) bool {
	switch st.(type) {
	case *ast.Commit, *ast.Rollback, *ast.RollbackTo, nil:
		return true
	}
	return false
}

// presentTypes gives the parameters of a statement that are of users' types the
// definitions that these have now: an enum may have labels that it had not when the
// statement was prepared.
func (s *Session) presentTypes(ctx context.Context, p *prepared) error {
	if !slices.ContainsFunc(p.params, types.Type.IsUser) || s.status == pgwire.TxFailed {
		return nil
	}
	if err := s.begin(ctx, TxnOptions{Autocommit: true}, false); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	p.params = attachTypes(s.tx.snap, p.params)
	return nil
}

func (s *Session) decodeParams(ctx context.Context, p *prepared, b *pgwire.BindRequest) ([]types.Datum, error) {
	if len(b.Params) == 0 {
		return nil, nil
	}
	if err := s.presentTypes(ctx, p); err != nil {
		return nil, err
	}
	out := make([]types.Datum, len(b.Params))
	f := s.formatContext()
	if f.Now.IsZero() {
		f.Now = s.e.o.Clock.Now()
	}
	for i, v := range b.Params {
		if v.Value == nil {
			if err := types.CheckDomain(types.Null, p.params[i], f); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if v.Format == pgwire.FormatBinary {
			out[i], err = types.DecodeBinary(v.Value, p.params[i], f)
		} else {
			out[i], err = types.DecodeText(string(v.Value), p.params[i], f)
		}
		if err != nil {
			e := *sqlerr.As(err)
			if e.Where == "" {
				if b.Portal == "" {
					e.Where = "unnamed portal parameter $" + itoa(i+1)
				} else {
					e.Where = "portal \"" + b.Portal + "\" parameter $" + itoa(i+1)
				}
			}
			return nil, &e
		}
	}
	return out, nil
}

func (s *Session) portal(name string) (*portal, error) {
	p, ok := s.portals[name]
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedCursor, "portal %q does not exist", name)
	}
	return p, nil
}

// DescribePortal tells the columns of a portal.
func (s *Session) DescribePortal(ctx context.Context, name string) (cols []pgwire.Column, err error) {
	s.last.clean = false
	err = s.extended(ctx, func(context.Context) error {
		p, err := s.portal(name)
		if c := s.cursors[name]; err != nil && c != nil {
			p, err = c.portal, nil // those of DECLARE are portals, too
		}
		if err != nil || p.prep.cols == nil {
			return err
		}
		cols = make([]pgwire.Column, len(p.prep.cols))
		for i, c := range p.prep.cols {
			c.Format = pgwire.ResultFormat(p.formats, i)
			cols[i] = c
		}
		return nil
	})
	return cols, err
}

// Execute runs a portal.
func (s *Session) Execute(ctx context.Context, name string, maxRows int, w pgwire.ResultWriter) (suspended bool, err error) {
	err = s.extended(ctx, func(ctx context.Context) error {
		p, err := s.portal(name)
		if err != nil {
			return err
		}
		w.Mark()
		resumed := p.started
		began := s.e.o.Clock.Now()
		done, susp, err := s.runPortal(ctx, p, maxRows, w, true)
		p.took += s.e.o.Clock.Now().Sub(began)
		s.observePortal(p, done, susp, err)
		if err != nil || susp {
			suspended = susp
			s.last.n += 2 // a suspended portal is not run again
			return err
		}
		s.last.n++
		if resumed {
			s.last.n++
		}
		s.last.portal, s.last.w, s.last.max, s.last.clean = p, w, maxRows, true
		return done.send(w)
	})
	return suspended, err
}

// CloseStatement drops a prepared statement.
func (s *Session) CloseStatement(_ context.Context, name string) error {
	s.last.clean = false
	delete(s.prepared, name)
	return nil
}

// ClosePortal drops a portal.
func (s *Session) ClosePortal(_ context.Context, name string) error {
	s.last.clean = false
	if p := s.portals[name]; p != nil {
		p.close()
		delete(s.portals, name)
	}
	return nil
}

// Sync ends the implicit transaction.
func (s *Session) Sync(ctx context.Context) error {
	if s.tx == nil || s.tx.block {
		s.observeSynced(0, 0, nil)
		s.last = lastExecute{}
		return nil
	}
	ctx, leave := s.enter(ctx, "")
	defer leave()
	last := s.last
	began, attempt := s.e.o.Clock.Now(), 0
	err := s.commit(ctx)
	defer func() {
		s.pessimistic = false
		s.observeSynced(s.e.o.Clock.Now().Sub(began), attempt, err)
	}()
	for ; err != nil && last.n == 1 && last.clean && s.retryable(err, last.portal.prep) && attempt+1 < autocommitAttempts && ctx.Err() == nil; attempt++ {
		if !last.w.Rewind() {
			break
		}
		s.pessimistic = true
		if attempt > 0 && s.e.sleep(ctx, s.retryPause(attempt)) != nil {
			break
		}
		last.w.Mark()
		err = s.again(ctx, last)
	}
	if err != nil {
		if last.n == 1 && last.clean {
			// The results of what did not happen are not to be seen.
			last.w.Rewind()
		}
		s.abort(ctx)
		return s.cause(ctx, err)
	}
	return nil
}

// again runs a statement and commits.
func (s *Session) again(ctx context.Context, last lastExecute) error {
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	p := &portal{prep: last.portal.prep, params: last.portal.params, formats: last.portal.formats}
	defer p.close()
	done, suspended, err := s.runPortal(ctx, p, last.max, last.w, true)
	if err != nil {
		s.abort(ctx)
		return s.cause(ctx, err)
	}
	if suspended {
		return sqlerr.Internal("portal suspended when it was run again")
	}
	if err := done.send(last.w); err != nil {
		return err
	}
	return s.commit(ctx)
}
