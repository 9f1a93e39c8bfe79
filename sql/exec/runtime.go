package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// DefaultMemoryLimit is what one statement may hold in sorts, hashes and
// materialized rows.
const DefaultMemoryLimit = 256 << 20

// Runtime is what one execution of a statement works with.
type Runtime struct {
	KV KV
	// Eval is the template of the evaluation contexts: parameters, times, settings,
	// SystemInfo. The executor works with copies.
	Eval expr.EvalContext
	// Virtual makes the rows of virtual tables.
	Virtual VirtualSource
	// RowID makes values for the row ids of tables without a primary key.
	RowID func() (int64, error)
	// Autocommit says that the statement is a transaction of its own: existence
	// checks may be left to its commit.
	Autocommit bool
	// MemoryLimit in bytes; 0 is DefaultMemoryLimit.
	MemoryLimit int64
	// Authorize is asked, with what a plan needs, before it runs; nil allows all.
	Authorize func([]*plan.Need) error
	// Trace measures what happens; nil for nothing.
	Trace *Trace

	// Constraints says when constraints are checked; nil: at the end of the statement.
	Constraints Constraints
	// MayShow reports whether messages may have values of columns of a table; nil: they
	// may.
	MayShow func(t *catalog.Table, columns []int16) bool

	memory int64
	keys   *keyQueue // of foreign keys
	// overlay takes the writes while a statement with writing WITH queries runs;
	// claimed has the primary keys of the rows that it has changed.
	overlay  *overlay
	claimed  map[string]struct{}
	ctes     map[*plan.CTE]*cteState
	work     map[*plan.Work]*rowStore
	subplans map[*plan.Subplan]*rowStore
}

// VirtualSource makes the rows of virtual tables.
type VirtualSource interface {
	// Rows calls yield with full rows of the table until it returns an error. eq has
	// the values that columns (places in the table's Columns) are compared with:
	// rows with other values may be left out.
	Rows(ctx context.Context, table types.OID, eq map[int]types.Datum, yield func(row []types.Datum) error) error
}

// grow counts memory that the statement holds on to until its end.
func (rt *Runtime) grow(n int) error {
	rt.memory += int64(n)
	limit := rt.MemoryLimit
	if limit == 0 {
		limit = DefaultMemoryLimit
	}
	if rt.memory > limit {
		return sqlerr.New(sqlerr.OutOfMemory, "out of memory").
			WithDetail("The statement needs more than %d MB for sorting, hashing or materializing rows.", limit>>20).
			WithHint("Spilling to disk is not supported yet; let the statement work on fewer rows.")
	}
	return nil
}

// shrink gives back what grow counted.
func (rt *Runtime) shrink(n int) { rt.memory -= int64(n) }

// eval returns a context for evaluating expressions of a level that was called
// with the given arguments.
func (rt *Runtime) eval(ctx context.Context, outer []types.Datum) *expr.EvalContext {
	e := rt.Eval
	e.Ctx = ctx
	e.Outer = outer
	e.System = system{SystemInfo: rt.Eval.System, rt: rt}
	return &e
}

// system lets subqueries find their way back to the runtime.
type system struct {
	expr.SystemInfo
	rt *Runtime
}

// RunSubplan implements plan.SubplanRunner.
func (s system) RunSubplan(ectx *expr.EvalContext, sub *plan.Subplan, args []types.Datum, limit int, yield func(expr.Row) (bool, error)) error {
	ctx := ectx.Ctx
	if !sub.Correlated {
		store, err := s.rt.uncorrelated(ctx, sub, limit)
		if err != nil {
			return err
		}
		for i := range store.len() {
			if limit > 0 && i >= limit {
				break
			}
			if more, err := yield(store.row(i)); err != nil || !more {
				return err
			}
		}
		return nil
	}
	// The arguments' slots belong to the caller and may be lent again before the
	// subplan has ended.
	args = append([]types.Datum(nil), args...)
	op, err := s.rt.build(sub.Plan, s.rt.eval(ctx, args))
	if err != nil {
		return err
	}
	defer op.close()
	r := rowReader{op: op}
	for n := 0; limit == 0 || n < limit; n++ {
		row, err := r.next(ctx)
		if err != nil || row == nil {
			return err
		}
		if more, err := yield(row); err != nil || !more {
			return err
		}
	}
	return nil
}

// uncorrelated runs a subplan without arguments, once per statement. With a limit
// only so many rows are kept.
func (rt *Runtime) uncorrelated(ctx context.Context, sub *plan.Subplan, limit int) (*rowStore, error) {
	if store := rt.subplans[sub]; store != nil {
		return store, nil
	}
	op, err := rt.build(sub.Plan, rt.eval(ctx, nil))
	if err != nil {
		return nil, err
	}
	defer op.close()
	store, err := rt.materialize(ctx, op, len(sub.Plan.Columns()), limit)
	if err != nil {
		return nil, err
	}
	if rt.subplans == nil {
		rt.subplans = map[*plan.Subplan]*rowStore{}
	}
	rt.subplans[sub] = store
	return store, nil
}

// rowStore holds copied rows.
type rowStore struct {
	width, n int
	blocks   [][]types.Datum
}

const storeBlockRows = 256

func (s *rowStore) len() int { return s.n }

func (s *rowStore) row(i int) []types.Datum {
	if s.width == 0 {
		return []types.Datum{}
	}
	b := s.blocks[i/storeBlockRows]
	i %= storeBlockRows
	return b[i*s.width : (i+1)*s.width : (i+1)*s.width]
}

// add copies a row and returns the copy.
func (s *rowStore) add(rt *Runtime, row []types.Datum) ([]types.Datum, error) {
	if err := rt.grow(rowSize(row)); err != nil {
		return nil, err
	}
	if s.width == 0 {
		s.n++
		return s.row(0), nil
	}
	if s.n%storeBlockRows == 0 {
		s.blocks = append(s.blocks, make([]types.Datum, 0, min(storeBlockRows, max(4, s.n))*s.width))
	}
	last := len(s.blocks) - 1
	s.blocks[last] = append(s.blocks[last], row...)
	s.n++
	return s.row(s.n - 1), nil
}

func rowSize(row []types.Datum) int {
	n := 0
	for _, d := range row {
		n += d.Size()
	}
	return n
}

func (rt *Runtime) materialize(ctx context.Context, op operator, width, limit int) (*rowStore, error) {
	s := &rowStore{width: width}
	r := rowReader{op: op}
	for limit == 0 || s.n < limit {
		row, err := r.next(ctx)
		if err != nil {
			return nil, err
		}
		if row == nil {
			break
		}
		if _, err := s.add(rt, row); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Execution is a statement that is running.
type Execution struct {
	rt   *Runtime
	plan *plan.Plan
	op   operator
	rows rowReader
	done bool
	// stored are the rows of a statement with writing WITH queries, which is run in
	// one go.
	stored *storeReader
	// finished: foreign keys have been looked after.
	finished bool
}

// Start prepares a plan for running. Close must be called.
func (rt *Runtime) Start(ctx context.Context, p *plan.Plan) (*Execution, error) {
	if rt.Authorize != nil {
		if err := rt.Authorize(p.Needs); err != nil {
			return nil, err
		}
	}
	e := &Execution{rt: rt, plan: p}
	op, err := rt.build(p.Root, rt.eval(ctx, nil))
	if err != nil {
		return nil, err
	}
	e.op = op
	e.rows.op = op
	return e, nil
}

// Next returns the next row, nil after the last one. It is valid until the next
// call. A statement that writes has written everything when it returns its first
// row; one without RETURNING gives no rows.
func (e *Execution) Next(ctx context.Context) ([]types.Datum, error) {
	if e.done {
		return nil, nil
	}
	row, err := e.next(ctx)
	if err == nil && !e.finished {
		// All is written by now.
		e.finished = true
		err = e.rt.finishKeys(ctx)
	}
	if err != nil || row == nil {
		e.done = true
	}
	return row, err
}

func (e *Execution) next(ctx context.Context) ([]types.Datum, error) {
	if len(e.plan.Modifying) == 0 {
		return e.rows.next(ctx)
	}
	if e.stored == nil {
		if err := e.runModifying(ctx); err != nil {
			return nil, err
		}
	}
	return e.stored.next(ctx)
}

// Affected returns how many rows a writing statement changed.
func (e *Execution) Affected() int64 {
	if w, ok := e.op.(interface{ affected() int64 }); ok {
		return w.affected()
	}
	return 0
}

// Close releases what the execution holds.
func (e *Execution) Close() {
	if e.op != nil {
		e.op.close()
		e.op = nil
		e.rt.closeCTEs()
	}
}
