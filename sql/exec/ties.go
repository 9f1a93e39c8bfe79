package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// tiesOp is FETCH FIRST … WITH TIES: the rows that sort like the last one come too.
type tiesOp struct {
	in rowReader
	n  *plan.Limit
	ev *expr.EvalContext

	started    bool
	done       bool
	skip, left int64
	last, key  []types.Datum
}

func (o *tiesOp) close() { o.in.op.close() }

func (o *tiesOp) start() error {
	o.started = true
	var err error
	if o.skip, _, err = limitValue(o.n.Offset, o.ev, sqlerr.InvalidRowCountInResultOffsetClause, "OFFSET"); err != nil {
		return err
	}
	left, ok, err := limitValue(o.n.Limit, o.ev, sqlerr.InvalidRowCountInLimitClause, "LIMIT")
	if err != nil {
		return err
	}
	if !ok {
		return sqlerr.New(sqlerr.InvalidRowCountInLimitClause, "row count cannot be null in FETCH FIRST ... WITH TIES clause")
	}
	o.left, o.done = left, left == 0
	o.last, o.key = make([]types.Datum, len(o.n.Ties)), make([]types.Datum, len(o.n.Ties))
	return nil
}

func (o *tiesOp) next(ctx context.Context, b *Batch) error {
	if !o.started {
		if err := o.start(); err != nil {
			return err
		}
	}
	b.reset(len(o.n.Columns()))
	for !o.done && !b.full() {
		row, err := o.in.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			o.done = true
			break
		}
		if o.skip > 0 {
			o.skip--
			continue
		}
		if o.left <= 0 {
			if err := o.keys(o.key, row); err != nil {
				return err
			}
			if !o.tie() {
				o.done = true
				break
			}
		} else if o.left--; o.left == 0 {
			if err := o.keys(o.last, row); err != nil {
				return err
			}
		}
		copy(b.add(), row)
	}
	return ctx.Err()
}

func (o *tiesOp) keys(out, row []types.Datum) error {
	for i, k := range o.n.Ties {
		d, err := k.Expr.Eval(o.ev, row)
		if err != nil {
			return err
		}
		out[i] = d
	}
	return nil
}

func (o *tiesOp) tie() bool {
	for i := range o.n.Ties {
		if compareKey(o.key[i], o.last[i], &o.n.Ties[i]) != 0 {
			return false
		}
	}
	return true
}
