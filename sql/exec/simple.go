package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// valuesOp produces literal rows.
type valuesOp struct {
	n  *plan.Values
	ev *expr.EvalContext
	at int
}

func (o *valuesOp) next(ctx context.Context, b *Batch) error {
	b.reset(len(o.n.Cols))
	for ; o.at < len(o.n.Rows) && !b.full(); o.at++ {
		out := b.add()
		for i, e := range o.n.Rows[o.at] {
			d, err := e.Eval(o.ev, nil)
			if err != nil {
				return err
			}
			out[i] = d
		}
	}
	return ctx.Err()
}

func (o *valuesOp) close() {}

// filterOp keeps the rows for which a condition is true.
type filterOp struct {
	in   operator
	cond expr.Expr
	ev   *expr.EvalContext
	buf  Batch

	removed int64
}

func (o *filterOp) next(ctx context.Context, b *Batch) error {
	for {
		if err := o.in.next(ctx, &o.buf); err != nil {
			return err
		}
		b.reset(o.buf.width)
		if o.buf.n == 0 {
			return nil
		}
		for i := range o.buf.n {
			row := o.buf.Row(i)
			ok, err := expr.EvalBool(o.cond, o.ev, row)
			if err != nil {
				return err
			}
			if ok {
				copy(b.add(), row)
			} else {
				o.removed++
			}
		}
		if b.n > 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (o *filterOp) removedRows() int64 { return o.removed }

func (o *filterOp) close() { o.in.close() }

// projectOp computes expressions.
type projectOp struct {
	in    operator
	exprs []expr.Expr
	ev    *expr.EvalContext
	buf   Batch
}

func (o *projectOp) next(ctx context.Context, b *Batch) error {
	if err := o.in.next(ctx, &o.buf); err != nil {
		return err
	}
	b.reset(len(o.exprs))
	for i := range o.buf.n {
		row, out := o.buf.Row(i), b.add()
		if err := evalInto(out, o.exprs, o.ev, row); err != nil {
			return err
		}
	}
	return nil
}

func (o *projectOp) close() { o.in.close() }

func evalInto(out []types.Datum, exprs []expr.Expr, ev *expr.EvalContext, row []types.Datum) error {
	for i, e := range exprs {
		d, err := e.Eval(ev, row)
		if err != nil {
			return err
		}
		out[i] = d
	}
	return nil
}

// limitOp cuts its input.
type limitOp struct {
	in      operator
	n       *plan.Limit
	ev      *expr.EvalContext
	started bool
	skip    int64
	left    int64 // -1: no limit
}

// limitValue evaluates LIMIT or OFFSET; ok is false for NULL and for none.
func limitValue(e expr.Expr, ev *expr.EvalContext, code, clause string) (n int64, ok bool, err error) {
	if e == nil {
		return 0, false, nil
	}
	d, err := e.Eval(ev, nil)
	if err != nil || d.IsNull() {
		return 0, false, err
	}
	if d.Int() < 0 {
		return 0, false, sqlerr.New(code, "%s must not be negative", clause)
	}
	return d.Int(), true, nil
}

func (o *limitOp) start() error {
	o.started = true
	skip, _, err := limitValue(o.n.Offset, o.ev, sqlerr.InvalidRowCountInResultOffsetClause, "OFFSET")
	if err != nil {
		return err
	}
	left, ok, err := limitValue(o.n.Limit, o.ev, sqlerr.InvalidRowCountInLimitClause, "LIMIT")
	if err != nil {
		return err
	}
	o.skip, o.left = skip, left
	if !ok {
		o.left = -1
	}
	return nil
}

func (o *limitOp) next(ctx context.Context, b *Batch) error {
	if !o.started {
		if err := o.start(); err != nil {
			return err
		}
	}
	for {
		if o.left == 0 {
			b.reset(len(o.n.Columns()))
			return nil
		}
		if err := o.in.next(ctx, b); err != nil || b.n == 0 {
			return err
		}
		if o.skip >= int64(b.n) {
			o.skip -= int64(b.n)
			continue
		}
		if o.skip > 0 {
			s := int(o.skip)
			copy(b.data, b.data[s*b.width:b.n*b.width])
			b.n -= s
			o.skip = 0
		}
		if o.left >= 0 {
			b.n = int(min(int64(b.n), o.left))
			o.left -= int64(b.n)
		}
		return nil
	}
}

func (o *limitOp) close() { o.in.close() }

// setReader reads the rows of a function in FROM or in a select list: a set, or
// one row for any other expression.
type setReader struct {
	e    expr.Expr
	iter expr.SetIter
	done bool
	buf  []types.Datum
}

func (s *setReader) start(ev *expr.EvalContext, row []types.Datum) (err error) {
	s.done = false
	if call, ok := s.e.(*expr.SetCall); ok {
		s.iter, err = call.Rows(ev, row)
		return err
	}
	d, err := s.e.Eval(ev, row)
	s.buf = append(s.buf[:0], d)
	return err
}

// value makes one value of a row: a row value of several columns.
func (s *setReader) value(row []types.Datum) types.Datum {
	call, ok := s.e.(*expr.SetCall)
	if !ok || call.Sig.Result.OID != types.OIDRecord {
		return row[0]
	}
	names, ts := call.Columns()
	return types.NewRecord(&types.Record{Types: ts, Names: names, Fields: append([]types.Datum(nil), row...)})
}

// next returns nil after the last row.
func (s *setReader) next(ev *expr.EvalContext) ([]types.Datum, error) {
	if s.done {
		return nil, nil
	}
	if s.iter == nil {
		s.done = true
		return s.buf, nil
	}
	row, err := s.iter.Next(ev)
	if row == nil {
		s.done = true
	}
	return row, err
}

// funcScan is functions in FROM.
type funcScan struct {
	rt      *Runtime
	n       *plan.FuncScan
	ev      *expr.EvalContext
	sets    []setReader
	started bool
	row     int64
	eof     bool
}

func (o *funcScan) next(ctx context.Context, b *Batch) error {
	if !o.started {
		o.started = true
		o.sets = make([]setReader, len(o.n.Funcs))
		for i, f := range o.n.Funcs {
			o.sets[i].e = f
			if err := o.sets[i].start(o.ev, nil); err != nil {
				return err
			}
		}
	}
	b.reset(len(o.n.Cols))
	for !o.eof && !b.full() {
		out := b.add()
		any, at := false, 0
		for i := range o.sets {
			row, err := o.sets[i].next(o.ev)
			if err != nil {
				return err
			}
			if row != nil {
				any = true
				if o.sets[i].e.Type().Base().IsComposite() {
					// A row value becomes its columns; NULL is a row of NULLs.
					v := row[0]
					if row = nil; !v.IsNull() {
						row = v.Record().Fields
					}
				}
				copy(out[at:at+o.n.Widths[i]], row)
			}
			at += o.n.Widths[i]
		}
		if !any {
			b.drop()
			o.eof = true
			break
		}
		if o.n.Ordinality {
			o.row++
			out[at] = types.NewInt(o.row)
		}
	}
	return ctx.Err()
}

func (o *funcScan) close() {}

// projectSet runs set-returning functions of a select list.
type projectSet struct {
	in   rowReader
	sets []setReader
	ev   *expr.EvalContext
	cur  []types.Datum
	have bool
	w    int
}

func newProjectSet(n *plan.ProjectSet, in operator, ev *expr.EvalContext) *projectSet {
	o := &projectSet{in: rowReader{op: in}, ev: ev, w: len(n.Input.Columns())}
	for _, s := range n.Sets {
		o.sets = append(o.sets, setReader{e: s})
	}
	return o
}

func (o *projectSet) next(ctx context.Context, b *Batch) error {
	b.reset(o.w + len(o.sets))
	for !b.full() {
		if !o.have {
			row, err := o.in.next(ctx)
			if err != nil || row == nil {
				return err
			}
			o.cur, o.have = row, true
			for i := range o.sets {
				if err := o.sets[i].start(o.ev, row); err != nil {
					return err
				}
			}
		}
		out := b.add()
		copy(out, o.cur)
		any := false
		for i := range o.sets {
			row, err := o.sets[i].next(o.ev)
			if err != nil {
				return err
			}
			if row != nil {
				any = true
				out[o.w+i] = o.sets[i].value(row)
			}
		}
		if !any {
			b.drop()
			o.have = false
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *projectSet) close() { o.in.op.close() }

// virtualScan reads a virtual table. Its rows are made in one go: such tables
// are small, and their makers are then free of any iterator's state.
type virtualScan struct {
	rt    *Runtime
	n     *plan.VirtualScan
	ev    *expr.EvalContext
	store *rowStore
	at    int
}

func (o *virtualScan) next(ctx context.Context, b *Batch) error {
	if o.store == nil {
		if err := o.load(ctx); err != nil {
			return err
		}
	}
	b.reset(len(o.n.Cols))
	for ; o.at < o.store.len() && !b.full(); o.at++ {
		copy(b.add(), o.store.row(o.at))
	}
	return nil
}

func (o *virtualScan) load(ctx context.Context) error {
	o.store = &rowStore{width: len(o.n.Wanted)}
	if o.rt.Virtual == nil {
		return sqlerr.Unsupported("table %q", o.n.Table.Name)
	}
	eq := make(map[int]types.Datum, len(o.n.Eq))
	for pos, e := range o.n.Eq {
		d, err := e.Eval(o.ev, nil)
		if err != nil {
			return err
		}
		if d.IsNull() {
			return nil
		}
		eq[pos] = d
	}
	row := make([]types.Datum, len(o.n.Wanted))
	return o.rt.Virtual.Rows(ctx, o.n.Table.ID, eq, func(full []types.Datum) error {
		if len(full) != len(o.n.Table.Columns) {
			return sqlerr.Internal("table %q made a row of %d values instead of %d", o.n.Table.Name, len(full), len(o.n.Table.Columns))
		}
		for i, pos := range o.n.Wanted {
			if pos >= 0 {
				row[i] = full[pos]
			}
		}
		if o.n.Filter != nil {
			ok, err := expr.EvalBool(o.n.Filter, o.ev, row)
			if err != nil || !ok {
				return err
			}
		}
		_, err := o.store.add(o.rt, row)
		return err
	})
}

func (o *virtualScan) close() {}
