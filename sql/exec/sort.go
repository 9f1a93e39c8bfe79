package exec

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// sortOp orders its input. Keys that are not columns are computed once per row and
// kept behind the row's values.
type sortOp struct {
	rt   *Runtime
	in   operator
	n    *plan.Sort
	ev   *expr.EvalContext
	rows [][]types.Datum
	done bool
	at   int
	w    int
}

func (o *sortOp) next(ctx context.Context, b *Batch) error {
	if !o.done {
		if err := o.sort(ctx); err != nil {
			return err
		}
		o.done = true
	}
	b.reset(o.w)
	for ; o.at < len(o.rows) && !b.full(); o.at++ {
		copy(b.add(), o.rows[o.at][:o.w])
	}
	return nil
}

func (o *sortOp) sort(ctx context.Context) error {
	o.w = len(o.n.Columns())
	keep, err := o.keep()
	if err != nil {
		return err
	}
	keys := o.n.Keys
	width := o.w + len(keys)
	at := make([]int, len(keys))
	for i, k := range keys {
		at[i] = o.w + i
		if c, ok := k.Expr.(*expr.Column); ok {
			at[i] = c.Index
		}
	}
	cmp := func(x, y []types.Datum) int {
		for i := range keys {
			if c := compareKey(x[at[i]], y[at[i]], &keys[i]); c != 0 {
				return c
			}
		}
		return 0
	}
	store := &rowStore{width: width}
	r := rowReader{op: o.in}
	row := make([]types.Datum, width)
	for {
		in, err := r.next(ctx)
		if err != nil {
			return err
		}
		if in == nil {
			break
		}
		copy(row, in)
		for i, k := range keys {
			if at[i] >= o.w {
				if row[at[i]], err = k.Expr.Eval(o.ev, in); err != nil {
					return err
				}
			}
		}
		// With a limit, rows beyond twice the limit are thrown away now and then.
		kept, err := store.add(o.rt, row)
		if err != nil {
			return err
		}
		o.rows = append(o.rows, kept)
		if keep > 0 && int64(len(o.rows)) >= 2*keep+BatchRows {
			o.cut(cmp, keep, store)
		}
	}
	slices.SortStableFunc(o.rows, cmp)
	if keep > 0 && int64(len(o.rows)) > keep {
		o.rows = o.rows[:keep]
	}
	return ctx.Err()
}

// cut keeps the first rows and gives the memory of the others back.
func (o *sortOp) cut(cmp func(x, y []types.Datum) int, keep int64, store *rowStore) {
	slices.SortStableFunc(o.rows, cmp)
	for _, row := range o.rows[keep:] {
		o.rt.shrink(rowSize(row))
	}
	o.rows = o.rows[:keep]
	fresh := &rowStore{width: store.width}
	for i, row := range o.rows {
		// Copying cannot exceed the limit: it was within it with more rows.
		o.rt.shrink(rowSize(row))
		if c, err := fresh.add(o.rt, row); err == nil {
			o.rows[i] = c
		}
	}
	*store = *fresh
}

// keep returns how many rows are needed, 0 for all.
func (o *sortOp) keep() (int64, error) {
	limit, ok, err := limitValue(o.n.Limit, o.ev, sqlerr.InvalidRowCountInLimitClause, "LIMIT")
	if err != nil || !ok {
		return 0, err
	}
	offset, _, err := limitValue(o.n.Offset, o.ev, sqlerr.InvalidRowCountInResultOffsetClause, "OFFSET")
	if err != nil {
		return 0, err
	}
	if n := limit + offset; n > 0 && n < 1<<20 {
		return n, nil
	}
	return 0, nil
}

// compareKey compares two values for ORDER BY.
func compareKey(x, y types.Datum, k *expr.SortKey) int {
	if x.IsNull() || y.IsNull() {
		switch {
		case x.IsNull() && y.IsNull():
			return 0
		case x.IsNull() == k.NullsFirst:
			return -1
		default:
			return 1
		}
	}
	c := types.Compare(x, y, k.Expr.Type())
	if k.Descending {
		return -c
	}
	return c
}

func (o *sortOp) close() { o.in.close() }

// rowSet is a hash set of rows with an index for each; equal rows count as one.
// NULLs are equal to each other.
type rowSet struct {
	rt    *Runtime
	ts    []types.Type
	store rowStore
	index map[uint64][]int32
}

func newRowSet(rt *Runtime, ts []types.Type) *rowSet {
	return &rowSet{rt: rt, ts: ts, store: rowStore{width: len(ts)}, index: map[uint64][]int32{}}
}

func hashRow(row []types.Datum, ts []types.Type) uint64 {
	h := uint64(14695981039346656037)
	for i, d := range row {
		h = types.Hash(h, d, ts[i])
	}
	return h
}

func equalRows(a, b []types.Datum, ts []types.Type) bool {
	for i := range ts {
		if !types.Equal(a[i], b[i], ts[i]) {
			return false
		}
	}
	return true
}

// find returns the row's index, -1 if it is not in the set.
func (s *rowSet) find(h uint64, row []types.Datum) int {
	for _, i := range s.index[h] {
		if equalRows(s.store.row(int(i)), row, s.ts) {
			return int(i)
		}
	}
	return -1
}

// put adds the row if it is new.
func (s *rowSet) put(row []types.Datum) (index int, isNew bool, err error) {
	h := hashRow(row, s.ts)
	if i := s.find(h, row); i >= 0 {
		return i, false, nil
	}
	i := s.store.n
	if _, err := s.store.add(s.rt, row); err != nil {
		return 0, false, err
	}
	if err := s.rt.grow(32); err != nil {
		return 0, false, err
	}
	s.index[h] = append(s.index[h], int32(i))
	return i, true, nil
}

func columnTypes(cols []plan.Column) []types.Type {
	ts := make([]types.Type, len(cols))
	for i, c := range cols {
		ts[i] = c.Type
	}
	return ts
}

// distinctOp keeps the first of equal rows.
type distinctOp struct {
	rt  *Runtime
	in  operator
	n   *plan.Distinct
	set *rowSet
	buf Batch
	key []types.Datum
}

func (o *distinctOp) next(ctx context.Context, b *Batch) error {
	if o.set == nil {
		ts := columnTypes(o.n.Columns())
		if o.n.On != nil {
			on := make([]types.Type, len(o.n.On))
			for i, c := range o.n.On {
				on[i] = ts[c]
			}
			ts = on
		}
		o.set = newRowSet(o.rt, ts)
		o.key = make([]types.Datum, len(ts))
	}
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
			key := row
			if o.n.On != nil {
				for j, c := range o.n.On {
					o.key[j] = row[c]
				}
				key = o.key
			}
			_, isNew, err := o.set.put(key)
			if err != nil {
				return err
			}
			if isNew {
				copy(b.add(), row)
			}
		}
		if b.n > 0 {
			return nil
		}
	}
}

func (o *distinctOp) close() { o.in.close() }

// setOp is UNION, INTERSECT and EXCEPT.
type setOp struct {
	rt          *Runtime
	n           *plan.SetOp
	left, right operator
	onRight     bool
	set         *rowSet
	counts      []int64
	loaded      bool
	buf         Batch
}

func (o *setOp) next(ctx context.Context, b *Batch) error {
	if o.n.Kind == plan.Union {
		return o.union(ctx, b)
	}
	if !o.loaded {
		if err := o.load(ctx); err != nil {
			return err
		}
		o.loaded = true
	}
	return o.filter(ctx, b)
}

func (o *setOp) union(ctx context.Context, b *Batch) error {
	if o.set == nil && !o.n.All {
		o.set = newRowSet(o.rt, columnTypes(o.n.Cols))
	}
	for {
		in := o.left
		if o.onRight {
			in = o.right
		}
		if err := in.next(ctx, &o.buf); err != nil {
			return err
		}
		b.reset(len(o.n.Cols))
		if o.buf.n == 0 {
			if o.onRight {
				return nil
			}
			o.onRight = true
			continue
		}
		for i := range o.buf.n {
			row := o.buf.Row(i)
			if !o.n.All {
				_, isNew, err := o.set.put(row)
				if err != nil {
					return err
				}
				if !isNew {
					continue
				}
			}
			copy(b.add(), row)
		}
		if b.n > 0 {
			return nil
		}
	}
}

// load counts the rows of the right side.
func (o *setOp) load(ctx context.Context) error {
	o.set = newRowSet(o.rt, columnTypes(o.n.Cols))
	r := rowReader{op: o.right}
	for {
		row, err := r.next(ctx)
		if err != nil || row == nil {
			return err
		}
		i, isNew, err := o.set.put(row)
		if err != nil {
			return err
		}
		if isNew {
			o.counts = append(o.counts, 0)
		}
		o.counts[i]++
	}
}

// filter passes the rows of the left side that (do not) have a partner. Without
// ALL each row comes once: a count below zero marks one that was given.
func (o *setOp) filter(ctx context.Context, b *Batch) error {
	for {
		if err := o.left.next(ctx, &o.buf); err != nil {
			return err
		}
		b.reset(len(o.n.Cols))
		if o.buf.n == 0 {
			return nil
		}
		for i := range o.buf.n {
			row := o.buf.Row(i)
			j := o.set.find(hashRow(row, o.set.ts), row)
			pass := false
			switch {
			case o.n.Kind == plan.Intersect && o.n.All:
				if pass = j >= 0 && o.counts[j] > 0; pass {
					o.counts[j]--
				}
			case o.n.Kind == plan.Intersect:
				if pass = j >= 0 && o.counts[j] > 0; pass {
					o.counts[j] = -1
				}
			case o.n.All:
				if pass = j < 0 || o.counts[j] == 0; !pass {
					o.counts[j]--
				}
			default:
				// EXCEPT: what was given joins the set, so that it comes once.
				if pass = j < 0; pass {
					if _, _, err := o.set.put(row); err != nil {
						return err
					}
					o.counts = append(o.counts, 1)
				}
			}
			if pass {
				copy(b.add(), row)
			}
		}
		if b.n > 0 {
			return nil
		}
	}
}

func (o *setOp) close() {
	o.left.close()
	o.right.close()
}
