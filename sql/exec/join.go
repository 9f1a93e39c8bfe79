package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// joinRows is the part that hash and loop join share: the right side in memory,
// with a mark for each row that found a partner.
type joinRows struct {
	store   *rowStore
	matched []bool
	lw, rw  int
}

func (j *joinRows) load(ctx context.Context, rt *Runtime, n *plan.Join, right operator) error {
	j.lw, j.rw = len(n.Left.Columns()), len(n.Right.Columns())
	store, err := rt.materialize(ctx, right, j.rw, 0)
	if err != nil {
		return err
	}
	j.store = store
	if n.Kind == plan.RightJoin || n.Kind == plan.FullJoin {
		j.matched = make([]bool, store.len())
	}
	return nil
}

func (j *joinRows) mark(i int) {
	if j.matched != nil {
		j.matched[i] = true
	}
}

// rest adds the rows of the right side that found no partner, from *at on.
func (j *joinRows) rest(b *Batch, at *int) {
	for ; *at < len(j.matched) && !b.full(); *at++ {
		if !j.matched[*at] {
			copy(b.add()[j.lw:], j.store.row(*at))
		}
	}
}

// half tells semi and anti joins from others: their rows are those of the left side.
func half(k plan.JoinKind) bool { return k == plan.SemiJoin || k == plan.AntiJoin }

// pairs reports whether a pair of rows satisfies a condition; both is scratch space.
func pairs(cond expr.Expr, ev *expr.EvalContext, both, left, right []types.Datum) (bool, error) {
	if cond == nil {
		return true, nil
	}
	copy(both, left)
	copy(both[len(left):], right)
	return expr.EvalBool(cond, ev, both)
}

func outerLeft(k plan.JoinKind) bool { return k == plan.LeftJoin || k == plan.FullJoin }

// hashJoin keeps the right side in a hash table and reads the left side once.
type hashJoin struct {
	joinRows
	rt          *Runtime
	n           *plan.Join
	left, right rowReader
	ev          *expr.EvalContext

	loaded bool
	table  map[uint64][]int32
	keys   *rowStore // of the right rows

	cur     []types.Datum // left row in work
	curKey  []types.Datum
	list    []int32 // candidates that are left
	found   bool
	drained bool
	restAt  int

	both   []types.Datum // of a semi or anti join
	nulls  bool          // a right key is NULL
	curNil bool          // a key of the left row is NULL
}

func (o *hashJoin) load(ctx context.Context) error {
	if err := o.joinRows.load(ctx, o.rt, o.n, o.right.op); err != nil {
		return err
	}
	o.table = make(map[uint64][]int32, o.store.len())
	o.keys = &rowStore{width: len(o.n.RightKeys)}
	key := make([]types.Datum, len(o.n.RightKeys))
	for i := range o.store.len() {
		if err := evalInto(key, o.n.RightKeys, o.ev, o.store.row(i)); err != nil {
			return err
		}
		if _, err := o.keys.add(o.rt, key); err != nil {
			return err
		}
		if hasNull(key) {
			o.nulls = true
			continue
		}
		if err := o.rt.grow(16); err != nil {
			return err
		}
		h := hashRow(key, o.n.KeyTypes)
		o.table[h] = append(o.table[h], int32(i))
		if i&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	o.curKey = make([]types.Datum, len(key))
	return nil
}

func hasNull(row []types.Datum) bool {
	for _, d := range row {
		if d.IsNull() {
			return true
		}
	}
	return false
}

func (o *hashJoin) next(ctx context.Context, b *Batch) error {
	if !o.loaded {
		if err := o.load(ctx); err != nil {
			return err
		}
		o.loaded = true
	}
	if half(o.n.Kind) {
		return o.nextHalf(ctx, b)
	}
	b.reset(o.lw + o.rw)
	for !b.full() && !o.drained {
		if o.cur == nil {
			if err := o.advance(ctx); err != nil {
				return err
			}
			continue
		}
		if len(o.list) == 0 {
			if !o.found && outerLeft(o.n.Kind) {
				copy(b.add(), o.cur)
			}
			o.cur = nil
			continue
		}
		i := int(o.list[0])
		o.list = o.list[1:]
		if !equalRows(o.curKey, o.keys.row(i), o.n.KeyTypes) {
			continue
		}
		ok, err := joinPair(b, o.cur, o.store.row(i), o.lw, o.n.Cond, o.ev)
		if err != nil {
			return err
		}
		if ok {
			o.found = true
			o.mark(i)
		}
	}
	if o.drained {
		o.rest(b, &o.restAt)
	}
	return ctx.Err()
}

// nextHalf is next of a semi or anti join.
func (o *hashJoin) nextHalf(ctx context.Context, b *Batch) error {
	b.reset(o.lw)
	if o.both == nil {
		o.both = make([]types.Datum, o.lw+o.rw)
	}
	for !b.full() && !o.drained {
		if err := o.advance(ctx); err != nil {
			return err
		}
		if o.drained {
			break
		}
		found, err := o.hasPartner()
		if err != nil {
			return err
		}
		if found == (o.n.Kind == plan.SemiJoin) {
			copy(b.add(), o.cur)
		}
	}
	return ctx.Err()
}

// hasPartner reports whether the row in work has a partner.
func (o *hashJoin) hasPartner() (bool, error) {
	if o.n.NullAware && (o.nulls || o.curNil && o.store.len() > 0) {
		return true, nil
	}
	for _, i := range o.list {
		if !equalRows(o.curKey, o.keys.row(int(i)), o.n.KeyTypes) {
			continue
		}
		if ok, err := pairs(o.n.Cond, o.ev, o.both, o.cur, o.store.row(int(i))); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// advance takes the next row of the left side.
func (o *hashJoin) advance(ctx context.Context) error {
	row, err := o.left.next(ctx)
	if err != nil {
		return err
	}
	if row == nil {
		o.drained = true
		return nil
	}
	o.cur, o.found, o.list = row, false, nil
	if err := evalInto(o.curKey, o.n.LeftKeys, o.ev, row); err != nil {
		return err
	}
	if o.curNil = hasNull(o.curKey); !o.curNil {
		o.list = o.table[hashRow(o.curKey, o.n.KeyTypes)]
	}
	return nil
}

// joinPair adds the pair of rows if it satisfies the condition.
func joinPair(b *Batch, left, right []types.Datum, lw int, cond expr.Expr, ev *expr.EvalContext) (bool, error) {
	out := b.add()
	copy(out, left)
	copy(out[lw:], right)
	if cond == nil {
		return true, nil
	}
	ok, err := expr.EvalBool(cond, ev, out)
	if err != nil {
		return false, err
	}
	if !ok {
		b.drop()
	}
	return ok, nil
}

func (o *hashJoin) close() {
	o.left.op.close()
	o.right.op.close()
}

// loopJoin compares every row of the left side with every row of the right side.
type loopJoin struct {
	joinRows
	rt          *Runtime
	n           *plan.Join
	left, right rowReader
	ev          *expr.EvalContext

	loaded  bool
	cur     []types.Datum
	at      int
	found   bool
	drained bool
	restAt  int
	steps   int
}

// nextHalf is next of a semi or anti join.
func (o *loopJoin) nextHalf(ctx context.Context, b *Batch) error {
	b.reset(o.lw)
	both := make([]types.Datum, o.lw+o.rw)
	for !b.full() {
		row, err := o.left.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		found := false
		for i := 0; i < o.store.len() && !found; i++ {
			if found, err = pairs(o.n.Cond, o.ev, both, row, o.store.row(i)); err != nil {
				return err
			}
			if o.steps++; o.steps&1023 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
		if found == (o.n.Kind == plan.SemiJoin) {
			copy(b.add(), row)
		}
	}
	return ctx.Err()
}

func (o *loopJoin) next(ctx context.Context, b *Batch) error {
	if !o.loaded {
		if err := o.joinRows.load(ctx, o.rt, o.n, o.right.op); err != nil {
			return err
		}
		o.loaded = true
	}
	if half(o.n.Kind) {
		return o.nextHalf(ctx, b)
	}
	b.reset(o.lw + o.rw)
	for !b.full() && !o.drained {
		if o.cur == nil {
			row, err := o.left.next(ctx)
			if err != nil {
				return err
			}
			if row == nil {
				o.drained = true
				break
			}
			o.cur, o.at, o.found = row, 0, false
		}
		if o.at >= o.store.len() {
			if !o.found && outerLeft(o.n.Kind) {
				copy(b.add(), o.cur)
			}
			o.cur = nil
			continue
		}
		ok, err := joinPair(b, o.cur, o.store.row(o.at), o.lw, o.n.Cond, o.ev)
		if err != nil {
			return err
		}
		if ok {
			o.found = true
			o.mark(o.at)
		}
		o.at++
		if o.steps++; o.steps&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if o.drained {
		o.rest(b, &o.restAt)
	}
	return ctx.Err()
}

func (o *loopJoin) close() {
	o.left.op.close()
	o.right.op.close()
}

// applyOp runs its right side for every row of the left side.
type applyOp struct {
	rt   *Runtime
	n    *plan.Apply
	left rowReader
	ev   *expr.EvalContext

	cur   []types.Datum
	right operator
	rr    rowReader
	found bool
}

func (o *applyOp) next(ctx context.Context, b *Batch) error {
	lw := len(o.n.Left.Columns())
	b.reset(len(o.n.Cols))
	for !b.full() {
		if o.cur == nil {
			row, err := o.left.next(ctx)
			if err != nil || row == nil {
				return err
			}
			args := make([]types.Datum, len(o.n.Args))
			if err := evalInto(args, o.n.Args, o.ev, row); err != nil {
				return err
			}
			op, err := o.rt.build(o.n.Right, o.rt.eval(ctx, args))
			if err != nil {
				return err
			}
			o.cur, o.right, o.found = row, op, false
			o.rr = rowReader{op: op, buf: o.rr.buf}
			o.rr.buf.n = 0
		}
		row, err := o.rr.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			if !o.found && o.n.Kind == plan.LeftJoin {
				copy(b.add(), o.cur)
			}
			o.right.close()
			o.cur, o.right = nil, nil
			if err := ctx.Err(); err != nil {
				return err
			}
			continue
		}
		ok, err := joinPair(b, o.cur, row, lw, o.n.Cond, o.ev)
		if err != nil {
			return err
		}
		o.found = o.found || ok
	}
	return nil
}

func (o *applyOp) close() {
	if o.right != nil {
		o.right.close()
		o.right = nil
	}
	o.left.op.close()
}
