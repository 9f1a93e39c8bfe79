package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// Bulk inserts rows that come from outside of a plan.
type Bulk struct {
	rt  *Runtime
	n   *plan.Bulk
	ev  *expr.EvalContext
	w   tableWriter
	c   rowChecker
	row []types.Datum
}

// Bulk prepares a bulk insertion.
func (rt *Runtime) Bulk(ctx context.Context, n *plan.Bulk) (*Bulk, error) {
	b := &Bulk{rt: rt, n: n, ev: rt.eval(ctx, nil)}
	t := n.Insert.Table
	b.w = newTableWriter(rt, t, n.Insert.Indexes, n.Insert.Derived, b.ev)
	b.w.keys = n.Insert.Keys
	b.c = rowChecker{t, n.Insert.Checks, n.Insert.Generated, b.ev}
	b.row = make([]types.Datum, len(t.Columns))
	return b, nil
}

// Add inserts one row. vals are not kept. line, above 0, is what Failed says of
// the row should it be a duplicate.
func (b *Bulk) Add(ctx context.Context, vals []types.Datum, line int64) error {
	b.w.mark = line
	for i, e := range b.n.Defaults {
		b.row[i] = types.Null
		if e == nil {
			continue
		}
		d, err := e.Eval(b.ev, nil)
		if err != nil {
			return err
		}
		b.row[i] = d
	}
	for i, p := range b.n.Places {
		b.row[p] = vals[i]
	}
	if err := fillRowID(b.rt, b.n.Insert.Table, b.row); err != nil {
		return err
	}
	if err := b.c.check(b.row); err != nil {
		return err
	}
	if err := b.w.add(ctx, b.row); err != nil {
		return err
	}
	return b.rt.lookEarly(ctx)
}

// Failed is the line of the row that the last error of Add or Flush was about if
// that was one of the rows gathered, else 0.
func (b *Bulk) Failed() int64 { return b.w.failed }

// Flush writes what was gathered. It must be called after the last row.
func (b *Bulk) Flush(ctx context.Context) error {
	if err := b.w.flush(ctx); err != nil {
		return err
	}
	return b.rt.finishKeys(ctx)
}
