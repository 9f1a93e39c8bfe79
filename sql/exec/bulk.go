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
	b.w = tableWriter{rt: rt, table: t, indexes: n.Insert.Indexes, format: b.ev.Format}
	b.c = rowChecker{t, n.Insert.Checks, b.ev}
	b.row = make([]types.Datum, len(t.Columns))
	return b, nil
}

// Add inserts one row. vals are not kept.
func (b *Bulk) Add(ctx context.Context, vals []types.Datum) error {
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
	return b.w.add(ctx, b.row)
}

// Flush writes what was gathered. It must be called after the last row.
func (b *Bulk) Flush(ctx context.Context) error { return b.w.flush(ctx) }
