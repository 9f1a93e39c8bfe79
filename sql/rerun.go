package sql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/txn"
)

// rerunsMax bounds how often a READ COMMITTED statement is run again because rows
// changed under it. Each time it holds the lock of one row more.
const rerunsMax = 1000

// isolationOf translates the name of a level.
func isolationOf(name string) txn.Isolation {
	switch name {
	case "serializable":
		return txn.Serializable
	case "repeatable read":
		return txn.RepeatableRead
	}
	return txn.ReadCommitted // READ UNCOMMITTED too, as in PostgreSQL
}

// startWrite starts a statement that writes or locks, and does all of its work
// before anything is given to the client. In READ COMMITTED it is run again with a
// newer snapshot when a row that it wants has changed since: what it did is undone,
// the locks stay.
func (s *Session) startWrite(ctx context.Context, p *portal) error {
	pl := p.prep.plan
	s.tx.tx.Prepare(StatementOptions{Text: p.prep.told(), LockTimeout: s.settings.hot.lockTimeout, Lock: pl.Verb == "SELECT"})
	if !s.tx.tx.Locking() {
		if !pl.HasKeys {
			if err := s.startPlan(ctx, p); err != nil {
				return err
			}
			return p.prime(ctx)
		}
		if again, err := s.startUnlocked(ctx, p); !again {
			return err
		}
	}
	for attempt := 0; ; attempt++ {
		sp := s.tx.tx.Savepoint()
		err := s.startPlan(ctx, p)
		if err == nil {
			err = p.prime(ctx)
		}
		if err == nil || attempt >= rerunsMax || ctx.Err() != nil || !s.mayRerun(err) {
			if releaseErr := s.tx.tx.Release(sp); err == nil {
				err = releaseErr
			}
			return err
		}
		if p.ex != nil {
			p.ex.Close()
		}
		p.ex, p.rows = nil, nil
		if err := s.tx.tx.RollbackTo(ctx, sp, false); err != nil {
			return err
		}
		if err := s.tx.tx.Release(sp); err != nil {
			return err
		}
		s.tx.stale = true
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := s.preparePlan(p.prep); err != nil {
			return err
		}
	}
}

// startUnlocked runs a statement that locks no more than what foreign keys ask. again
// says that it has done nothing and is to be run with all locks, and all checks in their
// places.
func (s *Session) startUnlocked(ctx context.Context, p *portal) (again bool, err error) {
	sp := s.tx.tx.Savepoint()
	if err = s.startPlan(ctx, p); err == nil {
		err = p.prime(ctx)
	}
	var first *exec.AgainError
	if err == nil || ctx.Err() != nil || !errors.As(err, &first) && !s.mayRerun(err) {
		if releaseErr := s.tx.tx.Release(sp); err == nil {
			err = releaseErr
		}
		return false, err
	}
	if p.ex != nil {
		p.ex.Close()
	}
	p.ex, p.rows = nil, nil
	if err := s.tx.tx.RollbackTo(ctx, sp, false); err != nil {
		return false, err
	}
	if err := s.tx.tx.Release(sp); err != nil {
		return false, err
	}
	s.tx.atOnce, s.tx.stale = true, true
	s.tx.tx.Prepare(StatementOptions{Text: p.prep.told(), LockTimeout: s.settings.hot.lockTimeout, Lock: true})
	if err := s.open(ctx); err != nil {
		return false, err
	}
	return true, s.preparePlan(p.prep)
}

// mayRerun reports whether a newer snapshot may help a statement that met err.
func (s *Session) mayRerun(err error) bool {
	if s.tx.opts.Isolation != txn.ReadCommitted || s.tx.snap.Changed() {
		return false
	}
	var (
		changed *txn.ChangedError
		unseen  *exec.UnseenError
	)
	return errors.As(err, &changed) || errors.As(err, &unseen)
}

// startPlan starts the plan of a portal.
func (s *Session) startPlan(ctx context.Context, p *portal) error {
	pl := p.prep.plan
	rt := s.runtime(ctx, p.params)
	rt.Trace = p.trace
	ex, err := rt.Start(ctx, pl)
	if err != nil {
		return err
	}
	p.ex = ex
	p.format = rt.Eval.Format
	p.done = completion{verb: pl.Verb}
	if pl.Columns != nil {
		p.cols = portalColumns(pl.Columns, p.formats)
	}
	return nil
}

// prime does the work of a statement that writes or locks, and keeps its rows.
func (p *portal) prime(ctx context.Context) (err error) {
	p.rows, err = collect(ctx, p.ex, p.prep.plan)
	p.collected = err == nil
	return err
}

func collect(ctx context.Context, ex *exec.Execution, pl *plan.Plan) ([][]types.Datum, error) {
	rows := [][]types.Datum{}
	for {
		row, err := ex.Next(ctx)
		if err != nil || row == nil {
			return rows, err
		}
		rows = append(rows, append(make([]types.Datum, 0, len(pl.Columns)), row...))
	}
}

// retryable reports whether a statement that is a transaction of its own may be
// run again. An upsert may, because what it was told to do about a duplicate that
// came up at its commit it can do once it sees it.
func (s *Session) retryable(err error, p *prepared) bool {
	if sqlerr.Is(err, sqlerr.TRSerializationFailure) {
		return true
	}
	ins, ok := p.stmt.(*ast.Insert)
	return ok && ins.OnConflict != nil && !s.pessimistic && sqlerr.Is(err, sqlerr.UniqueViolation)
}

// mapLockErr gives the errors of row locks their SQLSTATEs; nil if err is none.
func (s *Session) mapLockErr(err error) error {
	var (
		changed *txn.ChangedError
		unseen  *exec.UnseenError
		busy    *txn.LockNotAvailableError
		dead    *txn.DeadlockError
	)
	switch {
	case errors.As(err, &changed):
		return sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent update").
			WithDetail("Transaction %s changed %s at %s, after the snapshot at %s of transaction %s.", changed.ConflictStartTS,
				s.describeKey(changed.Key), changed.ConflictCommitTS, changed.ReadTS, changed.StartTS).
			WithHint("The transaction might succeed if retried.").WithCause(err)
	case errors.As(err, &unseen):
		return sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent update").
			WithDetail("Another transaction inserted %s after the snapshot.", s.describeKey(unseen.Key)).
			WithHint("The transaction might succeed if retried.").WithCause(err)
	case errors.As(err, &busy):
		text := "canceling statement due to lock timeout"
		if !busy.Timeout {
			text = "could not obtain lock on row"
			if x := indexOf(s.snapshotForErrors(), busy.Key); x != nil {
				text = fmt.Sprintf("could not obtain lock on row in relation %q", x.Table.Name)
			}
		}
		e := sqlerr.New(sqlerr.LockNotAvailable, "%s", text).WithCause(err)
		if busy.Holder.StartTS == 0 {
			return e.WithDetail("The lock on %s is held by another transaction.", s.describeKey(busy.Key))
		}
		return e.WithDetail("The lock on %s is held by %s.", s.describeKey(busy.Key), describeHolder(busy.Holder))
	case errors.As(err, &dead):
		return sqlerr.New(sqlerr.TRDeadlockDetected, "deadlock detected").WithCause(err).
			WithDetail("%s", s.describeCircle(dead.Circle))
	}
	return nil
}

func describeHolder(h txn.Holder) string {
	out := fmt.Sprintf("transaction %s", h.StartTS)
	if h.PID != 0 {
		out += fmt.Sprintf(" of process %d on node %d", h.PID, h.Node)
	}
	if h.Statement != "" {
		out += ": " + h.Statement
	}
	return out
}

// describeCircle names the waits of a deadlock in the shape of PostgreSQL's
// DETAIL, and the statements, which PostgreSQL writes to its log.
func (s *Session) describeCircle(circle []txn.Waiting) string {
	var b strings.Builder
	for i, w := range circle {
		next := circle[(i+1)%len(circle)]
		fmt.Fprintf(&b, "Process %d waits for %s lock on %s; blocked by process %d.\n", w.PID, modeName(w.Mode), s.describeKey(w.Key), next.PID)
	}
	for i, w := range circle {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Process %d on node %d, transaction %s: %s", w.PID, w.Node, w.StartTS, w.Statement)
	}
	return b.String()
}

func modeName(m txn.LockMode) string {
	switch m {
	case txn.LockKeyShare:
		return "FOR KEY SHARE"
	case txn.LockShare:
		return "FOR SHARE"
	case txn.LockNoKeyUpdate:
		return "FOR NO KEY UPDATE"
	}
	return "FOR UPDATE"
}
