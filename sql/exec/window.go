package exec

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// windowOp sorts its input into partitions and computes window calls over them.
// All rows are kept; results are computed one partition at a time.
type windowOp struct {
	rt *Runtime
	in operator
	n  *plan.Window
	ev *expr.EvalContext

	loaded bool
	w      int // values of an input row
	rows   [][]types.Datum
	keys   int // partition keys and sort keys lie behind the input's values
	part   partition
	at     int // next row of the partition to give out
	out    [][]types.Datum
	size   int // accounted for out
}

func (o *windowOp) close() { o.in.close() }

func (o *windowOp) next(ctx context.Context, b *Batch) error {
	if !o.loaded {
		if err := o.load(ctx); err != nil {
			return err
		}
		o.loaded = true
	}
	b.reset(len(o.n.Cols))
	for !b.full() {
		if o.at >= len(o.part.rows) {
			more, err := o.nextPartition(ctx)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		row := b.add()
		copy(row, o.part.rows[o.at][:o.w])
		for i := range o.out {
			row[o.w+i] = o.out[i][o.at]
		}
		o.at++
	}
	return ctx.Err()
}

// load reads and sorts the input.
func (o *windowOp) load(ctx context.Context) error {
	spec := o.n.Spec
	o.w = len(o.n.Input.Columns())
	o.keys = len(spec.Partition) + len(spec.Order)
	store := &rowStore{width: o.w + o.keys}
	r := rowReader{op: o.in}
	row := make([]types.Datum, store.width)
	for {
		in, err := r.next(ctx)
		if err != nil {
			return err
		}
		if in == nil {
			break
		}
		copy(row, in)
		if err := evalInto(row[o.w:], spec.Partition, o.ev, in); err != nil {
			return err
		}
		for i, k := range spec.Order {
			if row[o.w+len(spec.Partition)+i], err = k.Expr.Eval(o.ev, in); err != nil {
				return err
			}
		}
		kept, err := store.add(o.rt, row)
		if err != nil {
			return err
		}
		o.rows = append(o.rows, kept)
	}
	if o.keys > 0 {
		slices.SortStableFunc(o.rows, func(x, y []types.Datum) int {
			if c := o.comparePartition(x, y); c != 0 {
				return c
			}
			return o.compareOrder(x, y)
		})
	}
	return ctx.Err()
}

func (o *windowOp) comparePartition(x, y []types.Datum) int {
	for i, p := range o.n.Spec.Partition {
		if c := types.Compare(x[o.w+i], y[o.w+i], p.Type()); c != 0 {
			return c
		}
	}
	return 0
}

func (o *windowOp) compareOrder(x, y []types.Datum) int {
	at := o.w + len(o.n.Spec.Partition)
	for i := range o.n.Spec.Order {
		if c := compareKey(x[at+i], y[at+i], &o.n.Spec.Order[i]); c != 0 {
			return c
		}
	}
	return 0
}

// nextPartition computes the calls over the next partition; false at the end.
func (o *windowOp) nextPartition(ctx context.Context) (bool, error) {
	o.rt.shrink(o.size)
	o.size, o.at = 0, 0
	rest := o.rows[len(o.part.rows):]
	o.rows = rest
	if len(rest) == 0 {
		o.part.rows = nil
		return false, nil
	}
	n := 1
	for n < len(rest) && o.comparePartition(rest[0], rest[n]) == 0 {
		n++
	}
	o.part = o.partition(rest[:n])
	if o.out == nil {
		o.out = make([][]types.Datum, len(o.n.Calls))
	}
	for i, c := range o.n.Calls {
		col, err := o.call(ctx, c)
		if err != nil {
			return false, err
		}
		o.out[i] = col
		o.size += rowSize(col)
		if err := o.rt.grow(rowSize(col)); err != nil {
			return false, err
		}
	}
	return true, ctx.Err()
}

// partition is the rows of one partition in their order, with the peers of each.
type partition struct {
	rows [][]types.Datum
	// group has for each row the number of its peer group, groups where each of
	// them begins, and behind the last one the number of rows.
	group  []int
	groups []int
}

func (o *windowOp) partition(rows [][]types.Datum) partition {
	p := partition{rows: rows, group: make([]int, len(rows))}
	for i := range rows {
		if i == 0 || len(o.n.Spec.Order) > 0 && o.compareOrder(rows[i-1], rows[i]) != 0 {
			p.groups = append(p.groups, i)
		}
		p.group[i] = len(p.groups) - 1
	}
	p.groups = append(p.groups, len(rows))
	return p
}

func (p *partition) peersStart(i int) int { return p.groups[p.group[i]] }
func (p *partition) peersEnd(i int) int   { return p.groups[p.group[i]+1] }

// call computes one call for every row of the partition.
func (o *windowOp) call(ctx context.Context, c *expr.WindowCall) ([]types.Datum, error) {
	if c.Fn.Kind == expr.FuncAggregate {
		return o.aggregate(ctx, c)
	}
	switch c.Fn.Name {
	case "lag", "lead":
		return o.lagLead(ctx, c)
	case "first_value", "last_value", "nth_value":
		return o.frameValue(ctx, c)
	case "ntile":
		return o.ntile(c)
	}
	return o.ranks(c), nil
}

// ranks are the functions of a row's place alone.
func (o *windowOp) ranks(c *expr.WindowCall) []types.Datum {
	p := &o.part
	n := len(p.rows)
	out := make([]types.Datum, n)
	for i := range out {
		switch c.Fn.Name {
		case "row_number":
			out[i] = types.NewInt(int64(i + 1))
		case "rank":
			out[i] = types.NewInt(int64(p.peersStart(i) + 1))
		case "dense_rank":
			out[i] = types.NewInt(int64(p.group[i] + 1))
		case "percent_rank":
			v := 0.0
			if n > 1 {
				v = float64(p.peersStart(i)) / float64(n-1)
			}
			out[i] = types.NewFloat(v)
		case "cume_dist":
			out[i] = types.NewFloat(float64(p.peersEnd(i)) / float64(n))
		}
	}
	return out
}

// aggregate computes an aggregate over the frame of each row.
func (o *windowOp) aggregate(ctx context.Context, c *expr.WindowCall) ([]types.Datum, error) {
	f, err := o.newFrames(c.Spec)
	if err != nil {
		return nil, err
	}
	out := make([]types.Datum, len(o.part.rows))
	run := aggRun{o: o, c: c}
	for i := range out {
		if err := f.move(i); err != nil {
			return nil, err
		}
		if out[i], err = run.value(ctx, f, i); err != nil {
			return nil, err
		}
	}
	return out, run.reset()
}

// aggRun is an aggregate's state from one row to the next. As long as the frame
// only grows at its end, rows are added; otherwise it starts again.
type aggRun struct {
	o        *windowOp
	c        *expr.WindowCall
	state    expr.AggState
	args     []types.Datum
	from, to int // rows in state
	held     int // accounted
	last     types.Datum
	valid    bool // last is the value of from..to
	steps    int
}

func (a *aggRun) reset() error {
	a.o.rt.shrink(a.held)
	a.held, a.state, a.valid = 0, nil, false
	return nil
}

func (a *aggRun) value(ctx context.Context, f *frames, row int) (types.Datum, error) {
	head, tail := f.head, max(f.tail, f.head)
	lo, hi := f.excluded(row)
	lo, hi = min(max(lo, head), tail), min(max(hi, head), tail)
	skips := lo < hi && !(f.spec.Exclude == expr.ExcludeTies && hi-lo == 1 && lo == row)
	if a.state == nil || a.from != head || a.to > tail || skips {
		if err := a.start(head); err != nil {
			return types.Null, err
		}
	}
	if skips {
		for i := head; i < tail; i++ {
			if f.inFrame(row, i) {
				if err := a.add(ctx, i); err != nil {
					return types.Null, err
				}
			}
		}
		d, err := a.state.Result(a.o.ev)
		if e := a.reset(); err == nil {
			err = e
		}
		return d, err
	}
	for ; a.to < tail; a.to++ {
		if err := a.add(ctx, a.to); err != nil {
			return types.Null, err
		}
		a.valid = false
	}
	if !a.valid {
		d, err := a.state.Result(a.o.ev)
		if err != nil {
			return d, err
		}
		a.last, a.valid = d, true
	}
	return a.last, nil
}

func (a *aggRun) start(head int) (err error) {
	if err := a.reset(); err != nil {
		return err
	}
	a.state, err = expr.NewAggState(a.c.Fn, &a.c.Sig)
	a.from, a.to = head, head
	return err
}

func (a *aggRun) add(ctx context.Context, i int) error {
	if a.steps++; a.steps&1023 == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	row := a.o.part.rows[i][:a.o.w]
	if a.c.Filter != nil {
		ok, err := expr.EvalBool(a.c.Filter, a.o.ev, row)
		if err != nil || !ok {
			return err
		}
	}
	if a.args == nil {
		a.args = make([]types.Datum, len(a.c.Args))
	}
	if err := evalInto(a.args, a.c.Args, a.o.ev, row); err != nil {
		return err
	}
	before := a.state.Size()
	if err := a.state.Add(a.o.ev, a.args); err != nil {
		return err
	}
	grown := a.state.Size() - before
	a.held += grown
	return a.o.rt.grow(grown)
}
