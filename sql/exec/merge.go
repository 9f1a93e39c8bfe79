package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// mergeOp is MERGE: it decides what becomes of every row before it writes the first.
type mergeOp struct {
	writeOp
	n *plan.Merge
	c rowChecker

	updated, deleted []rowChange
	inserted         [][]types.Datum
	touched          map[string]struct{}
}

func (o *mergeOp) next(ctx context.Context, b *Batch) error { return o.run(ctx, b, o.merge) }

func (o *mergeOp) merge(ctx context.Context) error {
	t := o.n.Table
	w := newTableWriter(o.rt, t, o.n.Indexes, o.n.Derived, o.ev)
	w.keys = o.n.Keys
	o.c = rowChecker{t, o.n.Checks, o.n.Generated, o.ev}
	o.touched = map[string]struct{}{}
	store, err := o.input(ctx, len(o.n.Input.Columns()))
	if err != nil {
		return err
	}
	for i := range store.len() {
		if err := o.decide(store.row(i)); err != nil {
			return err
		}
	}
	if err := w.lock(ctx, o.deleted, nil); err != nil {
		return err
	}
	if err := w.lock(ctx, o.updated, o.n.Changed); err != nil {
		return err
	}
	for _, r := range o.deleted {
		if err := w.remove(ctx, r.old); err != nil {
			return err
		}
	}
	if err := w.update(ctx, o.updated, o.n.Changed); err != nil {
		return err
	}
	for _, row := range o.inserted {
		if err := w.add(ctx, row); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

// decide finds the clause that counts for a row of the input.
func (o *mergeOp) decide(in []types.Datum) error {
	matched := true
	for _, c := range o.n.Indexes[0].Desc.Columns {
		matched = matched && !in[o.n.Table.ColumnIndex(c.Column)].IsNull()
	}
	for _, w := range o.n.Whens {
		if w.Matched != matched {
			continue
		}
		if w.Cond != nil {
			ok, err := expr.EvalBool(w.Cond, o.ev, in)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		return o.act(w, in)
	}
	return nil
}

func (o *mergeOp) act(w *plan.MergeWhen, in []types.Datum) error {
	if w.Action == ast.MergeNothing {
		return nil
	}
	o.count++
	n := len(o.n.Table.Columns)
	if w.Action == ast.MergeDelete {
		o.deleted = append(o.deleted, rowChange{old: in[:n:n]})
		return o.touch(in)
	}
	fresh := make([]types.Datum, n)
	if err := evalInto(fresh, w.Row, o.ev, in); err != nil {
		return err
	}
	if w.Action == ast.MergeInsert {
		if err := fillRowID(o.rt, o.n.Table, fresh); err != nil {
			return err
		}
	}
	if err := o.c.check(fresh); err != nil {
		return err
	}
	if err := o.rt.grow(rowSize(fresh)); err != nil {
		return err
	}
	if w.Action == ast.MergeInsert {
		o.inserted = append(o.inserted, fresh)
		return nil
	}
	o.updated = append(o.updated, rowChange{in[:n:n], fresh})
	return o.touch(in)
}

// touch notes that a row of the target changes, which it may do once.
func (o *mergeOp) touch(row []types.Datum) error {
	key, _, err := o.n.Indexes[0].Key(row)
	if err != nil {
		return err
	}
	if _, again := o.touched[string(key)]; again || !o.rt.claim(key) {
		return sqlerr.New(sqlerr.CardinalityViolation, "MERGE command cannot affect row a second time").
			WithHint("Ensure that not more than one source row matches any one target row.")
	}
	o.touched[string(key)] = struct{}{}
	return nil
}
