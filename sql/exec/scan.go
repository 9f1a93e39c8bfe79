package exec

import (
	"bytes"
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// maxSpans bounds the combinations of values that an access may name.
const maxSpans = 1 << 16

// lookupRows is how many rows an index lookup asks for at once.
const lookupRows = 256

// scanOp reads a table through an index.
type scanOp struct {
	rt *Runtime
	n  *plan.Scan
	ev *expr.EvalContext

	fetch   *rowcodec.Fetcher // of the pairs that hold the wanted columns
	primary []byte            // prefix of the primary index, for lookups

	spans []span
	point bool
	at    int
	it    Iterator

	// lock says how rows are locked; lockKeys are those of the present batch that
	// are still to be. locked: they are already.
	lock     RowLocking
	lockKeys []keys.User
	locked   bool

	removed int64 // rows that the filter turned away
}

// span is a range of keys, or a single one (end nil).
type span struct{ start, end keys.User }

func newScan(rt *Runtime, n *plan.Scan, ev *expr.EvalContext) (*scanOp, error) {
	o := &scanOp{rt: rt, n: n, ev: ev, lock: scanLocking(n, LockMode(n.Lock), n.LockWait)}
	from := n.Index
	if n.Primary != nil {
		from = n.Primary
		o.primary = n.Primary.Prefix()
	}
	var err error
	// A fetcher is a few small slices; it is made for each execution.
	o.fetch, err = from.NewFetcher(n.Wanted)
	return o, err
}

func (o *scanOp) next(ctx context.Context, b *Batch) error {
	if o.spans == nil {
		if err := o.makeSpans(); err != nil {
			return err
		}
	}
	b.reset(len(o.n.Wanted))
	for b.n == 0 {
		more, err := o.fill(ctx, b)
		if err == nil {
			err = o.lockBatch(ctx, b)
		}
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads some pairs and adds the rows that pass the filter.
func (o *scanOp) fill(ctx context.Context, b *Batch) (more bool, err error) {
	switch {
	case o.primary != nil:
		return o.fillLookup(ctx, b)
	case o.point:
		return o.fillPoints(ctx, b)
	}
	limit := o.batchLimit()
	for b.n < limit {
		ok, err := o.nextPair(ctx)
		if err != nil || !ok {
			return b.n > 0, err
		}
		if err := o.emit(ctx, b, o.it.Key(), o.it.Value()); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (o *scanOp) batchLimit() int {
	if l := o.n.Limit; l > 0 && l < BatchRows {
		return int(l)
	}
	return BatchRows
}

// nextPair moves the iterator over the spans.
func (o *scanOp) nextPair(ctx context.Context) (bool, error) {
	for {
		if o.it == nil {
			if o.at >= len(o.spans) {
				return false, nil
			}
			s := o.spans[o.at]
			o.at++
			end := s.end
			if end == nil {
				end = keys.Next(s.start)
			}
			it, err := o.rt.KV.Scan(ctx, s.start, end, ScanOptions{Reverse: o.n.Reverse, Limit: o.scanLimit()})
			if err != nil {
				return false, err
			}
			o.it = it
		}
		ok, err := o.it.Next(ctx)
		if err != nil || ok {
			return ok, err
		}
		o.it.Close()
		o.it = nil
	}
}

// scanLimit is how many pairs are worth fetching, 0 for unknown.
func (o *scanOp) scanLimit() int64 {
	if o.n.Filter != nil {
		return 0
	}
	return o.n.Limit
}

func (o *scanOp) emit(ctx context.Context, b *Batch, key, value []byte) error {
	row := b.add()
	if err := o.fetch.Decode(key, value, row); err != nil {
		return sqlerr.Wrap(err, "read table %q", o.n.Table.Name)
	}
	if o.n.Filter != nil {
		ok, err := expr.EvalBool(o.n.Filter, o.ev, row)
		if err != nil {
			return err
		}
		if !ok {
			o.removed++
			b.drop()
			return nil
		}
	}
	if o.lock.Mode != LockNone && !o.locked {
		// The filter lets the row pass: it is locked with the others of its batch.
		o.lockKeys = append(o.lockKeys, bytes.Clone(key))
	}
	return nil
}

// lockBatch locks the rows of a batch and drops those that were skipped.
func (o *scanOp) lockBatch(ctx context.Context, b *Batch) error {
	if len(o.lockKeys) == 0 {
		return nil
	}
	list := o.lockKeys
	o.lockKeys = nil
	rows, err := o.rt.KV.LockRows(ctx, list, o.lock)
	if err != nil {
		return err
	}
	b.keep(func(i int) bool { return rows[i].Locked })
	return nil
}

// lockPoints locks single rows and reads them with that.
func (o *scanOp) lockPoints(ctx context.Context, b *Batch, list []keys.User) error {
	rows, err := o.rt.KV.LockRows(ctx, list, o.lock)
	if err != nil {
		return err
	}
	o.locked = true
	defer func() { o.locked = false }()
	for i, r := range rows {
		value := r.Value
		switch {
		case !r.Locked:
			continue
		case value == nil:
			// Locked or written by the transaction before.
			if value, err = o.rt.KV.Get(ctx, list[i]); err != nil {
				return err
			}
			if value == nil {
				continue
			}
		}
		if err := o.emit(ctx, b, list[i], value); err != nil {
			return err
		}
	}
	return nil
}

// fillPoints reads single keys: one by itself, several together.
func (o *scanOp) fillPoints(ctx context.Context, b *Batch) (bool, error) {
	if o.at >= len(o.spans) {
		return false, nil
	}
	n := min(len(o.spans)-o.at, lookupRows)
	if o.lock.Mode != LockNone && o.n.Filter == nil {
		list := make([]keys.User, n)
		for i := range list {
			list[i] = o.spans[o.at+i].start
		}
		o.at += n
		return true, o.lockPoints(ctx, b, list)
	}
	if n == 1 {
		key := o.spans[o.at].start
		o.at++
		value, err := o.rt.KV.Get(ctx, key)
		if err != nil || value == nil {
			return true, err
		}
		return true, o.emit(ctx, b, key, value)
	}
	list := make([]keys.User, n)
	for i := range list {
		list[i] = o.spans[o.at+i].start
	}
	o.at += n
	return true, o.emitAll(ctx, b, list)
}

func (o *scanOp) emitAll(ctx context.Context, b *Batch, list []keys.User) error {
	values, err := o.rt.KV.BatchGet(ctx, list)
	if err != nil {
		return err
	}
	for i, v := range values {
		if v == nil {
			continue
		}
		if err := o.emit(ctx, b, list[i], v); err != nil {
			return err
		}
	}
	return nil
}

// fillLookup reads index entries and then the rows that they stand for.
func (o *scanOp) fillLookup(ctx context.Context, b *Batch) (bool, error) {
	want := min(lookupRows, o.batchLimit())
	var list []keys.User
	for len(list) < want {
		var key, value []byte
		if o.point {
			if o.at >= len(o.spans) {
				break
			}
			key = o.spans[o.at].start
			o.at++
			var err error
			if value, err = o.rt.KV.Get(ctx, key); err != nil {
				return false, err
			}
			if value == nil {
				continue
			}
		} else {
			ok, err := o.nextPair(ctx)
			if err != nil {
				return false, err
			}
			if !ok {
				break
			}
			key, value = o.it.Key(), o.it.Value()
		}
		pk, err := o.n.Index.PrimaryKey(o.primary, key, value)
		if err != nil {
			return false, sqlerr.Wrap(err, "read index %q", o.n.Index.Desc.Name)
		}
		list = append(list, pk)
	}
	if len(list) == 0 {
		return false, nil
	}
	if len(list) == 1 {
		value, err := o.rt.KV.Get(ctx, list[0])
		if err != nil || value == nil {
			return true, err
		}
		return true, o.emit(ctx, b, list[0], value)
	}
	return true, o.emitAll(ctx, b, list)
}

func (o *scanOp) removedRows() int64 { return o.removed }

func (o *scanOp) close() {
	if o.it != nil {
		o.it.Close()
		o.it = nil
	}
}

// makeSpans evaluates the access condition.
func (o *scanOp) makeSpans() error {
	a := o.n.Access
	if a == nil {
		start, end := o.n.Index.Span()
		o.spans = []span{{start, end}}
		return nil
	}
	o.point = o.n.Point()
	prefixes := []keys.User{slices.Clone(o.n.Index.Prefix())}
	for i, set := range a.Eq {
		vals, err := o.eqValues(set)
		if err != nil {
			return err
		}
		if len(vals)*len(prefixes) > maxSpans {
			return sqlerr.New(sqlerr.StatementTooComplex, "the conditions on index %q name more than %d keys", o.n.Index.Desc.Name, maxSpans)
		}
		next := make([]keys.User, 0, len(vals)*len(prefixes))
		for _, p := range prefixes {
			for j, v := range vals {
				dst := p
				if j < len(vals)-1 {
					dst = slices.Clone(p)
				}
				if dst, err = o.n.Index.AppendColumn(dst, i, v); err != nil {
					return err
				}
				next = append(next, dst)
			}
		}
		prefixes = next
	}
	o.spans = make([]span, 0, len(prefixes))
	for _, p := range prefixes {
		s := span{start: p}
		if !o.point {
			var ok bool
			var err error
			if s, ok, err = o.rangeSpan(p); err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		o.spans = append(o.spans, s)
	}
	if len(o.spans) > 1 {
		slices.SortFunc(o.spans, func(x, y span) int { return bytes.Compare(x.start, y.start) })
		o.spans = slices.CompactFunc(o.spans, func(x, y span) bool { return bytes.Equal(x.start, y.start) })
		if o.n.Reverse {
			slices.Reverse(o.spans)
		}
	}
	return nil
}

func (o *scanOp) eqValues(set plan.EqSet) ([]types.Datum, error) {
	if set.Null {
		return []types.Datum{types.Null}, nil
	}
	var out []types.Datum
	if set.Array != nil {
		d, err := set.Array.Eval(o.ev, nil)
		if err != nil || d.IsNull() {
			return nil, err
		}
		for _, e := range d.Array().Elems {
			if !e.IsNull() {
				out = append(out, e)
			}
		}
		return out, nil
	}
	for _, e := range set.List {
		d, err := e.Eval(o.ev, nil)
		if err != nil {
			return nil, err
		}
		if !d.IsNull() {
			out = append(out, d)
		}
	}
	return out, nil
}

// rangeSpan bounds the column behind the equal ones; ok is false for an empty range.
func (o *scanOp) rangeSpan(prefix keys.User) (s span, ok bool, err error) {
	a := o.n.Access
	i := len(a.Eq)
	if a.Lo == nil && a.Hi == nil {
		return span{prefix, keys.PrefixEnd(prefix)}, true, nil
	}
	lo, loInc, hi, hiInc := a.Lo, a.LoInc, a.Hi, a.HiInc
	desc := o.n.Index.Desc.Columns[i].Desc
	if desc {
		lo, loInc, hi, hiInc = hi, hiInc, lo, loInc
	}
	bound := func(e expr.Expr) (k keys.User, ok bool, err error) {
		d, err := e.Eval(o.ev, nil)
		if err != nil || d.IsNull() {
			return nil, false, err
		}
		k, err = o.n.Index.AppendColumn(slices.Clone(prefix), i, d)
		return k, err == nil, err
	}
	// NULLs are not in any range: ascending they come last, descending first.
	null, err := o.n.Index.AppendColumn(slices.Clone(prefix), i, types.Null)
	if err != nil {
		return s, false, err
	}
	s = span{prefix, keys.PrefixEnd(prefix)}
	if desc {
		s.start = keys.PrefixEnd(null)
	} else {
		s.end = null
	}
	if lo != nil {
		k, ok, err := bound(lo)
		if err != nil || !ok {
			return s, false, err
		}
		if s.start = k; !loInc {
			s.start = keys.PrefixEnd(k)
		}
	}
	if hi != nil {
		k, ok, err := bound(hi)
		if err != nil || !ok {
			return s, false, err
		}
		if s.end = k; hiInc {
			s.end = keys.PrefixEnd(k)
		}
	}
	return s, bytes.Compare(s.start, s.end) < 0, nil
}
