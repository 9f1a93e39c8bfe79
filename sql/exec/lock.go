package exec

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// lockOp locks the rows that its input gives, no more of them than the limit above
// takes.
type lockOp struct {
	rt *Runtime
	in rowReader
	n  *plan.LockRows
	ev *expr.EvalContext

	started bool
	left    int64 // rows that are still wanted; -1: all
	scratch [][]types.Datum
}

func newLockOp(rt *Runtime, in operator, n *plan.LockRows, ev *expr.EvalContext) operator {
	if len(n.Tables) == 1 && n.Limit == nil && n.Offset == nil {
		if s := pointBelow(in); s != nil {
			// Single rows are locked and read in one go.
			s.lock = scanLocking(s.n, LockMode(n.Tables[0].Mode), n.Tables[0].Wait)
			return in
		}
	}
	o := &lockOp{rt: rt, in: rowReader{op: in}, n: n, ev: ev}
	for _, t := range n.Tables {
		o.scratch = append(o.scratch, make([]types.Datum, len(t.Primary.Table.Columns)))
	}
	return o
}

// pointBelow returns the scan of single rows of a table by primary key that in
// gives without leaving any out, or nil.
func pointBelow(in operator) *scanOp {
	in = untraced(in)
	if p, ok := in.(*projectOp); ok {
		in = untraced(p.in)
	}
	s, ok := in.(*scanOp)
	if !ok || s.n.Primary != nil || s.n.Filter != nil || !s.n.Point() || !s.n.Index.Desc.Full || s.lock.Mode != LockNone {
		return nil
	}
	return s
}

// scanLocking is how a scan locks its rows.
func scanLocking(n *plan.Scan, mode LockMode, wait ast.LockWait) RowLocking {
	return RowLocking{Mode: mode, Wait: lockWait(wait), KeyOnly: mode == LockKeyShare && keyOnly(n)}
}

// keyOnly reports whether nothing but columns of the scanned index is read: as long as a
// row is locked FOR KEY SHARE they do not change.
func keyOnly(n *plan.Scan) bool {
	for _, place := range n.Wanted {
		if place >= 0 && !slices.ContainsFunc(n.Index.Desc.Columns, func(c catalog.IndexColumn) bool {
			return n.Table.ColumnIndex(c.Column) == place
		}) {
			return false
		}
	}
	return true
}

func (o *lockOp) start() error {
	o.started, o.left = true, -1
	skip, _, err := limitValue(o.n.Offset, o.ev, sqlerr.InvalidRowCountInResultOffsetClause, "OFFSET")
	if err != nil {
		return err
	}
	left, ok, err := limitValue(o.n.Limit, o.ev, sqlerr.InvalidRowCountInLimitClause, "LIMIT")
	if err != nil {
		return err
	}
	if ok {
		o.left = skip + left
	}
	return nil
}

func (o *lockOp) next(ctx context.Context, b *Batch) error {
	if !o.started {
		if err := o.start(); err != nil {
			return err
		}
	}
	for {
		b.reset(len(o.n.Columns()))
		if o.left == 0 {
			return nil
		}
		want, most := BatchRows, 0
		if o.left > 0 {
			want = int(min(o.left, BatchRows))
			if o.left <= skipLook && len(o.n.Tables) == 1 && o.n.Skips() {
				// The first rows may be taken by others: several are offered at once.
				most, want = want, want+skipLook
			}
		}
		for b.n < want {
			row, err := o.in.next(ctx)
			if err != nil {
				return err
			}
			if row == nil {
				break
			}
			copy(b.add(), row)
		}
		if b.n == 0 {
			return nil
		}
		for i := range o.n.Tables {
			if err := o.lock(ctx, b, i, most); err != nil {
				return err
			}
		}
		if o.left >= 0 {
			o.left = max(o.left-int64(b.n), 0)
		}
		if b.n > 0 {
			return nil
		}
	}
}

// skipLook is how many rows more than wanted are offered to a request that skips those
// of others: about as many as work on one queue at once.
const skipLook = 32

// lock locks the rows of one table that the batch was made of, not more than most if that
// is set, and drops those that were skipped.
func (o *lockOp) lock(ctx context.Context, b *Batch, i, most int) error {
	t := &o.n.Tables[i]
	list := make([]keys.User, 0, b.n)
	at := make([]int, b.n) // place in list, -1 for none
	for r := range b.n {
		row, absent := b.Row(r), false
		for c, col := range t.Primary.Desc.Columns {
			d := row[t.Cols[c]]
			absent = absent || d.IsNull()
			o.scratch[i][t.Primary.Table.ColumnIndex(col.Column)] = d
		}
		at[r] = -1
		if absent {
			continue
		}
		key, _, err := t.Primary.Key(o.scratch[i])
		if err != nil {
			return err
		}
		at[r] = len(list)
		list = append(list, key)
	}
	if len(list) == 0 {
		return nil
	}
	rows, err := o.rt.KV.LockRows(ctx, list, RowLocking{Mode: LockMode(t.Mode), Wait: lockWait(t.Wait), Most: most})
	if err != nil {
		return err
	}
	b.keep(func(r int) bool { return at[r] < 0 || at[r] < len(rows) && rows[at[r]].Locked })
	return nil
}

func (o *lockOp) close() { o.in.op.close() }
