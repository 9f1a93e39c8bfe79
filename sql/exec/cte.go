package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// cteState is a query of a WITH clause that is being run: its rows are read once,
// as far as somebody wants them, and kept.
type cteState struct {
	op    operator
	r     rowReader
	store rowStore
	eof   bool
}

// cte returns the state of a WITH query, which its first reader starts.
func (rt *Runtime) cte(ctx context.Context, c *plan.CTE) (*cteState, error) {
	if s := rt.ctes[c]; s != nil {
		return s, nil
	}
	op, err := rt.build(c.Plan, rt.eval(ctx, nil))
	if err != nil {
		return nil, err
	}
	s := &cteState{op: op, store: rowStore{width: len(c.Plan.Columns())}}
	s.r.op = op
	if rt.ctes == nil {
		rt.ctes = map[*plan.CTE]*cteState{}
	}
	rt.ctes[c] = s
	return s, nil
}

// read makes sure that there are n rows, if the query has so many.
func (s *cteState) read(ctx context.Context, rt *Runtime, n int) error {
	for !s.eof && s.store.len() < n {
		row, err := s.r.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			s.eof = true
			break
		}
		if _, err := s.store.add(rt, row); err != nil {
			return err
		}
	}
	return nil
}

// closeCTEs ends the WITH queries that were started.
func (rt *Runtime) closeCTEs() {
	for _, s := range rt.ctes {
		s.op.close()
	}
	rt.ctes = nil
}

// cteScan reads a query of a WITH clause.
type cteScan struct {
	rt    *Runtime
	n     *plan.CTEScan
	state *cteState
	at    int
}

func (o *cteScan) next(ctx context.Context, b *Batch) error {
	if o.state == nil {
		s, err := o.rt.cte(ctx, o.n.CTE)
		if err != nil {
			return err
		}
		o.state = s
	}
	b.reset(len(o.n.Cols))
	// A few rows at first: who wants one must not make a recursion run on.
	want := o.at + max(1, min(o.at, BatchRows))
	if err := o.state.read(ctx, o.rt, want); err != nil {
		return err
	}
	for ; o.at < o.state.store.len() && !b.full(); o.at++ {
		copy(b.add(), o.state.store.row(o.at))
	}
	return ctx.Err()
}

func (o *cteScan) close() {}

// recursiveOp runs the non-recursive term, then the recursive term again and again
// over the rows that came last, until there are no new ones.
type recursiveOp struct {
	rt *Runtime
	n  *plan.RecursiveUnion
	// left is the non-recursive term.
	left operator
	args []types.Datum // of the level

	started bool
	rows    *rowStore // the rows that came last, which are given out
	at      int
	eof     bool
	seen    *rowSet // UNION without ALL
}

func (o *recursiveOp) close() { o.left.close() }

func (o *recursiveOp) next(ctx context.Context, b *Batch) error {
	if !o.started {
		o.started = true
		if !o.n.All {
			o.seen = newRowSet(o.rt, columnTypes(o.n.Cols))
		}
		rows, err := o.gather(ctx, o.left)
		if err != nil {
			return err
		}
		o.rows = rows
	}
	b.reset(len(o.n.Cols))
	for !b.full() && !o.eof {
		if o.at < o.rows.len() {
			copy(b.add(), o.rows.row(o.at))
			o.at++
			continue
		}
		if b.n > 0 {
			break // what there is is given out before the next round
		}
		if err := o.step(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// step runs the recursive term once.
func (o *recursiveOp) step(ctx context.Context) error {
	if o.rows.len() == 0 {
		o.eof = true
		return nil
	}
	if o.rt.work == nil {
		o.rt.work = map[*plan.Work]*rowStore{}
	}
	before := o.rt.work[o.n.Work]
	o.rt.work[o.n.Work] = o.rows
	defer func() { o.rt.work[o.n.Work] = before }()
	op, err := o.rt.build(o.n.Right, o.rt.eval(ctx, o.args))
	if err != nil {
		return err
	}
	defer op.close()
	rows, err := o.gather(ctx, op)
	if err != nil {
		return err
	}
	for i := range o.rows.len() {
		o.rt.shrink(rowSize(o.rows.row(i)))
	}
	o.rows, o.at = rows, 0
	return ctx.Err()
}

// gather keeps the rows of a term that are new.
func (o *recursiveOp) gather(ctx context.Context, op operator) (*rowStore, error) {
	out := &rowStore{width: len(o.n.Cols)}
	r := rowReader{op: op}
	for {
		row, err := r.next(ctx)
		if err != nil || row == nil {
			return out, err
		}
		if o.seen != nil {
			_, isNew, err := o.seen.put(row)
			if err != nil {
				return nil, err
			}
			if !isNew {
				continue
			}
		}
		if _, err := out.add(o.rt, row); err != nil {
			return nil, err
		}
	}
}

// workScan reads the rows that the round before has given.
type workScan struct {
	rt *Runtime
	n  *plan.WorkScan
	at int
}

func (o *workScan) next(_ context.Context, b *Batch) error {
	b.reset(len(o.n.Cols))
	store := o.rt.work[o.n.Work]
	for ; o.at < store.len() && !b.full(); o.at++ {
		copy(b.add(), store.row(o.at))
	}
	return nil
}

func (o *workScan) close() {}
