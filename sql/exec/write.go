package exec

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// insertChunk is how many rows an INSERT checks and writes together.
const insertChunk = 512

// writeOp is what INSERT, UPDATE and DELETE share. They do all their work in the
// first call of next and then give out the rows of RETURNING.
type writeOp struct {
	rt        *Runtime
	in        operator
	ev        *expr.EvalContext
	returning []expr.Expr

	done  bool
	count int64
	out   rowStore
	at    int
}

func (o *writeOp) affected() int64 { return o.count }
func (o *writeOp) close()          { o.in.close() }

func (o *writeOp) run(ctx context.Context, b *Batch, work func(context.Context) error) error {
	if !o.done {
		o.done = true
		o.out.width = len(o.returning)
		if err := work(ctx); err != nil {
			return err
		}
	}
	b.reset(len(o.returning))
	for ; o.at < o.out.len() && !b.full(); o.at++ {
		copy(b.add(), o.out.row(o.at))
	}
	return nil
}

// wrote counts a row and computes its RETURNING.
func (o *writeOp) wrote(row []types.Datum) error {
	o.count++
	if o.returning == nil {
		return nil
	}
	out := make([]types.Datum, len(o.returning))
	if err := evalInto(out, o.returning, o.ev, row); err != nil {
		return err
	}
	_, err := o.out.add(o.rt, out)
	return err
}

// input reads all rows of the input: what a statement writes must not change what
// it reads.
func (o *writeOp) input(ctx context.Context, width int) (*rowStore, error) {
	return o.rt.materialize(ctx, o.in, width, 0)
}

// tableWriter turns rows into pairs of all indexes and writes them.
type tableWriter struct {
	rt      *Runtime
	table   *catalog.Table
	indexes []*IndexWriter
	format  *types.FormatContext
	// keys is what foreign keys ask; nil: nothing.
	keys *plan.References
	// upsert: a row that the snapshot does not show must be looked at, not refused.
	upsert bool

	// Pairs of new rows are gathered so that their existence is checked together.
	pairs []Pair
	owner []*IndexWriter
	// For COPY: the number that add was given with each pair's row, the present one,
	// and the one of the row that flush found to be a duplicate.
	marks        []int64
	mark, failed int64
}

func newTableWriter(rt *Runtime, t *catalog.Table, indexes []*rowcodec.Index, derived []*plan.Derived, ev *expr.EvalContext) tableWriter {
	return tableWriter{rt: rt, table: t, indexes: indexWriters(indexes, derived, ev), format: ev.Format}
}

// add gathers the pairs of a new row. flush must follow.
func (w *tableWriter) add(ctx context.Context, row []types.Datum) error {
	for _, x := range w.indexes {
		if x.Desc.State == catalog.DeleteOnly {
			continue
		}
		if err := w.addTo(ctx, x, row); err != nil {
			return err
		}
	}
	if err := w.wrote(nil, row); err != nil {
		return err
	}
	if len(w.pairs) >= insertChunk {
		return w.flush(ctx)
	}
	return nil
}

func (w *tableWriter) addTo(ctx context.Context, x *IndexWriter, row []types.Datum) error {
	key, unique, err := x.Key(row)
	if err != nil || key == nil {
		return err
	}
	value, err := x.Value(row, unique)
	if err != nil {
		return err
	}
	// A row id is unique by the way it is made. Where the check is free it is made
	// nevertheless; where it costs a round trip it is left out.
	if !unique || x.Desc.ID == 0 && !w.rt.Autocommit {
		return w.rt.writes().Put(ctx, key, value)
	}
	w.pairs = append(w.pairs, Pair{key, value})
	w.owner = append(w.owner, x)
	if w.mark != 0 {
		w.marks = append(w.marks, w.mark)
	}
	return nil
}

// flush writes the gathered pairs.
func (w *tableWriter) flush(ctx context.Context) error {
	if len(w.pairs) == 0 {
		return nil
	}
	err := w.rt.writes().Insert(ctx, w.pairs)
	if dup, ok := err.(*DuplicateError); ok {
		if w.upsert && dup.Unseen {
			return &UnseenError{Key: dup.Key}
		}
		at := -1
		for i, p := range w.pairs {
			if string(p.Key) != string(dup.Key) {
				continue
			}
			if i < len(w.marks) {
				w.failed = w.marks[i]
			}
			if at >= 0 {
				break // the second of two new rows is the one that is too much
			}
			at = i
		}
		if at >= 0 {
			return UniqueViolation(w.owner[at].Index, dup.Key, w.format)
		}
	}
	w.pairs, w.owner, w.marks = w.pairs[:0], w.owner[:0], w.marks[:0]
	return err
}

// remove deletes the pairs of a row.
func (w *tableWriter) remove(ctx context.Context, row []types.Datum) error {
	for _, x := range w.indexes {
		key, _, err := x.Key(row)
		if err != nil {
			return err
		}
		if key == nil {
			continue
		}
		if err := w.rt.writes().Delete(ctx, key); err != nil {
			return err
		}
	}
	return w.wrote(row, nil)
}

// insertOp adds rows.
type insertOp struct {
	writeOp
	n *plan.Insert
	w tableWriter
	c rowChecker
	// touched has the primary keys of rows that DO UPDATE has changed.
	touched map[string]struct{}
}

func (o *insertOp) next(ctx context.Context, b *Batch) error {
	if o.done || o.rt.overlay != nil || !o.n.Reads {
		return o.run(ctx, b, o.insert)
	}
	// What is computed of the new rows reads tables, which must not show them yet.
	return o.run(ctx, b, func(ctx context.Context) error {
		o.rt.overlay = newOverlay(o.rt)
		if err := o.insert(ctx); err != nil {
			return err
		}
		over := o.rt.overlay
		o.rt.overlay = nil
		return over.flush(ctx)
	})
}

func (o *insertOp) insert(ctx context.Context) error {
	t := o.n.Table
	o.w = newTableWriter(o.rt, t, o.n.Indexes, o.n.Derived, o.ev)
	o.w.keys = o.n.Keys
	o.c = rowChecker{t, o.n.Checks, o.n.Generated, o.ev}
	var r rowSource
	if _, ok := o.n.Input.(*plan.Values); ok {
		r = &rowReader{op: o.in}
	} else {
		store, err := o.input(ctx, len(t.Columns))
		if err != nil {
			return err
		}
		r = &storeReader{store: store}
	}
	o.w.upsert = o.n.Conflict != nil
	for {
		row, err := r.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		if err := o.fillRowID(row); err != nil {
			return err
		}
		if err := o.c.check(row); err != nil {
			return err
		}
		if o.n.Conflict != nil {
			if err := o.upsert(ctx, row); err != nil {
				return err
			}
			continue
		}
		if err := o.w.add(ctx, row); err != nil {
			return err
		}
		if err := o.claim(row); err != nil {
			return err
		}
		if err := o.wrote(row); err != nil {
			return err
		}
	}
	return o.w.flush(ctx)
}

// rowSource is what INSERT reads from.
type rowSource interface {
	next(ctx context.Context) ([]types.Datum, error)
}

type storeReader struct {
	store *rowStore
	at    int
}

func (r *storeReader) next(ctx context.Context) ([]types.Datum, error) {
	if r.at >= r.store.len() {
		return nil, nil
	}
	r.at++
	return r.store.row(r.at - 1), ctx.Err()
}

// claim keeps other parts of the statement from changing the new row.
func (o *insertOp) claim(row []types.Datum) error {
	if o.rt.overlay == nil {
		return nil
	}
	pk, _, err := o.n.Indexes[0].Key(row)
	if err == nil {
		o.rt.claim(pk)
	}
	return err
}

func (o *insertOp) fillRowID(row []types.Datum) error {
	return fillRowID(o.rt, o.n.Table, row)
}

func fillRowID(rt *Runtime, t *catalog.Table, row []types.Datum) error {
	for i := range t.Columns {
		if !t.Columns[i].RowID || t.Columns[i].Dropped {
			continue
		}
		if rt.RowID == nil {
			return sqlerr.Internal("no source of row ids for table %q", t.Name)
		}
		id, err := rt.RowID()
		if err != nil {
			return err
		}
		row[i] = types.NewInt(id)
	}
	return nil
}

// upsert inserts a row unless one of the arbiters has its key.
func (o *insertOp) upsert(ctx context.Context, row []types.Datum) error {
	// Rows gathered so far must be seen.
	if err := o.w.flush(ctx); err != nil {
		return err
	}
	for i, x := range o.w.indexes {
		if !o.isArbiter(i, x.Index) {
			continue
		}
		key, unique, err := x.Key(row)
		if err != nil {
			return err
		}
		if !unique {
			continue // a NULL, or no entry: no conflict
		}
		value, err := o.rt.writes().Get(ctx, key)
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		if o.n.Conflict.Set == nil {
			return nil
		}
		return o.updateExisting(ctx, x.Index, key, value, row)
	}
	if err := o.w.add(ctx, row); err != nil {
		return err
	}
	if err := o.claim(row); err != nil {
		return err
	}
	if o.n.Conflict.Set != nil {
		pk, _, err := o.n.Indexes[0].Key(row)
		if err != nil {
			return err
		}
		o.touch(pk)
	}
	return o.wrote(row)
}

func (o *insertOp) isArbiter(i int, x *rowcodec.Index) bool {
	if o.n.Conflict.Arbiters == nil {
		return (x.Desc.Unique || x.Desc.Full) && x.Desc.State == catalog.Public && x.Desc.ID != 0
	}
	for _, a := range o.n.Conflict.Arbiters {
		if a == i {
			return true
		}
	}
	return false
}

func (o *insertOp) touch(pk []byte) bool {
	if o.touched == nil {
		o.touched = map[string]struct{}{}
	}
	if _, again := o.touched[string(pk)]; again {
		return false
	}
	o.touched[string(pk)] = struct{}{}
	return true
}

// updateExisting is DO UPDATE on the row that x's pair (key, value) stands for.
func (o *insertOp) updateExisting(ctx context.Context, x *rowcodec.Index, key, value []byte, row []types.Datum) error {
	primary := o.n.Indexes[0]
	pk := keys.User(key)
	if x != primary {
		var err error
		if pk, err = x.PrimaryKey(primary.Prefix(), key, value); err != nil {
			return err
		}
		if value, err = o.rt.writes().Get(ctx, pk); err != nil {
			return err
		}
		if value == nil {
			return sqlerr.New(sqlerr.IndexCorrupted, "index %q has an entry for a row that does not exist", x.Desc.Name)
		}
	}
	n := len(o.n.Table.Columns)
	both := make([]types.Datum, 2*n)
	fetch, err := primary.NewFetcher(rowcodec.AllColumns(o.n.Table))
	if err != nil {
		return err
	}
	if err := fetch.Decode(pk, value, both[:n]); err != nil {
		return err
	}
	copy(both[n:], row)
	if !o.touch(pk) || !o.rt.claim(pk) {
		return errTwice()
	}
	if o.n.Conflict.Where != nil {
		ok, err := expr.EvalBool(o.n.Conflict.Where, o.ev, both)
		if err != nil {
			return err
		}
		if !ok {
			_, err := o.rt.writes().LockRows(ctx, []keys.User{pk}, RowLocking{Mode: LockUpdate})
			return err
		}
	}
	fresh := make([]types.Datum, n)
	if err := evalInto(fresh, o.n.Conflict.Set, o.ev, both); err != nil {
		return err
	}
	if err := o.c.check(fresh); err != nil {
		return err
	}
	change := rowChange{old: both[:n:n], new: fresh}
	if err := o.w.lock(ctx, []rowChange{change}, o.n.Conflict.Changed); err != nil {
		return err
	}
	if err := o.w.update(ctx, []rowChange{change}, o.n.Conflict.Changed); err != nil {
		return err
	}
	return o.wrote(fresh)
}

// rowChange is one row before and after an update.
type rowChange struct{ old, new []types.Datum }

// mode is the strength of the lock on rows whose columns change as told; nil is for
// rows that go.
func (w *tableWriter) mode(changed []bool) LockMode {
	if changed == nil {
		return LockUpdate
	}
	for i, x := range w.indexes {
		if (i == 0 || x.Desc.Unique) && touches(x.Desc, w.table, changed) {
			return LockUpdate
		}
	}
	return LockNoKeyUpdate
}

// lock locks rows that are about to change, or to go (new is nil), and the unique
// keys that become free by it: who wants one of them has to wait for the outcome.
func (w *tableWriter) lock(ctx context.Context, rows []rowChange, changed []bool) error {
	loses := w.losesKeys(changed)
	if len(rows) == 0 || !w.rt.KV.Locking() && !loses {
		return nil
	}
	primary := w.indexes[0]
	mode := w.mode(changed)
	var freed []keys.User
	for _, x := range w.indexes[1:] {
		if !x.Desc.Unique || changed != nil && !touches(x.Desc, w.table, changed) {
			continue
		}
		for _, r := range rows {
			key, unique, err := x.Key(r.old)
			if err != nil {
				return err
			}
			if !unique || key == nil {
				continue
			}
			if r.new != nil {
				if now, _, err := x.Key(r.new); err != nil || string(now) == string(key) {
					if err != nil {
						return err
					}
					continue
				}
			}
			freed = append(freed, key)
		}
	}
	list := make([]keys.User, 0, len(rows)+len(freed))
	for _, r := range rows {
		key, _, err := primary.Key(r.old)
		if err != nil {
			return err
		}
		list = append(list, key)
	}
	locked, err := w.rt.KV.LockRows(ctx, list, RowLocking{Mode: mode})
	if err == nil && len(freed) > 0 {
		var more []LockedRow
		more, err = w.rt.KV.LockRows(ctx, freed, RowLocking{Mode: LockUpdate})
		locked = append(locked, more...)
	}
	if err == nil && loses {
		q := w.rt.queue()
		for _, l := range locked {
			q.above = max(q.above, l.Known)
		}
	}
	return err
}

// losesKeys reports whether rows may lose keys that others refer to. They are locked
// then, whatever else: who refers to them waits, or is seen.
func (w *tableWriter) losesKeys(changed []bool) bool {
	return w.keys != nil && slices.ContainsFunc(w.keys.Others, func(k *plan.ForeignKey) bool {
		return changed == nil || slices.ContainsFunc(k.RefColumns, func(c int) bool { return changed[c] })
	})
}

// update writes changed rows. changed tells which columns were assigned. All keys
// that go away are deleted before new ones are checked, so that rows may swap
// their keys within one statement.
func (w *tableWriter) update(ctx context.Context, rows []rowChange, changed []bool) error {
	if w.keys != nil {
		for _, r := range rows {
			if err := w.wrote(r.old, r.new); err != nil {
				return err
			}
		}
	}
	primary := w.indexes[0]
	pkChanged := touches(primary.Desc, w.table, changed)
	var moved []*IndexWriter
	for _, x := range w.indexes[1:] {
		if pkChanged || x.Desc.Full || touches(x.Desc, w.table, changed) {
			moved = append(moved, x)
		}
	}
	// Who holds the row FOR KEY SHARE is not in the way if all keys stay.
	write := w.rt.writes().Put
	if w.mode(changed) == LockNoKeyUpdate {
		write = w.rt.writes().Update
	}
	if !pkChanged && len(moved) == 0 {
		return w.updateInPlace(ctx, rows, write)
	}
	type put struct {
		x    *IndexWriter
		key  keys.User
		val  []byte
		must bool
	}
	var puts []put
	for _, r := range rows {
		for _, x := range append([]*IndexWriter{primary}, moved...) {
			oldKey, _, err := x.Key(r.old)
			if err != nil {
				return err
			}
			var newKey keys.User
			var unique bool
			if x.Desc.State != catalog.DeleteOnly {
				if newKey, unique, err = x.Key(r.new); err != nil {
					return err
				}
			}
			same := string(oldKey) == string(newKey)
			if oldKey != nil && !same {
				if err := w.rt.writes().Delete(ctx, oldKey); err != nil {
					return err
				}
			}
			if newKey == nil {
				continue
			}
			val, err := x.Value(r.new, unique)
			if err != nil {
				return err
			}
			puts = append(puts, put{x, newKey, val, unique && !same})
		}
	}
	for _, p := range puts {
		if !p.must {
			if err := write(ctx, p.key, p.val); err != nil {
				return err
			}
			continue
		}
		w.pairs = append(w.pairs, Pair{p.key, p.val})
		w.owner = append(w.owner, p.x)
	}
	return w.flush(ctx)
}

// updateInPlace is the usual case: no key changes, one pair per row.
func (w *tableWriter) updateInPlace(ctx context.Context, rows []rowChange, write func(context.Context, keys.User, []byte) error) error {
	for _, r := range rows {
		key, _, err := w.indexes[0].Key(r.new)
		if err != nil {
			return err
		}
		val, err := w.indexes[0].Value(r.new, true)
		if err != nil {
			return err
		}
		if err := write(ctx, key, val); err != nil {
			return err
		}
	}
	return nil
}

// touches reports whether the entries of an index can differ after a change of the
// given columns.
func touches(ix *catalog.Index, t *catalog.Table, changed []bool) bool {
	for i, c := range changed {
		if c && ix.Uses(t.Columns[i].ID) {
			return true
		}
	}
	return false
}

// updateOp changes rows.
type updateOp struct {
	writeOp
	n *plan.Update
}

func (o *updateOp) next(ctx context.Context, b *Batch) error { return o.run(ctx, b, o.update) }

func (o *updateOp) update(ctx context.Context) error {
	t := o.n.Table
	n := len(t.Columns)
	width := len(o.n.Input.Columns())
	w := newTableWriter(o.rt, t, o.n.Indexes, o.n.Derived, o.ev)
	w.keys = o.n.Keys
	lockInput(o.rt, o.in, w.mode(o.n.Changed))
	store, err := o.input(ctx, width)
	if err != nil {
		return err
	}
	check := rowChecker{t, o.n.Checks, o.n.Generated, o.ev}
	rows := make([]rowChange, 0, store.len())
	var full []types.Datum
	seen := newOnce(o.rt, o.n.Indexes[0], width > n)
	for i := range store.len() {
		in := store.row(i)
		first, err := seen.first(in)
		if err != nil {
			return err
		}
		if !first {
			continue
		}
		fresh := make([]types.Datum, n)
		if err := evalInto(fresh, o.n.NewRow, o.ev, in); err != nil {
			return err
		}
		if err := check.check(fresh); err != nil {
			return err
		}
		if err := o.rt.grow(rowSize(fresh)); err != nil {
			return err
		}
		rows = append(rows, rowChange{in[:n:n], fresh})
		if o.returning == nil {
			o.count++
			continue
		}
		full = append(append(full[:0], fresh...), in[n:]...)
		if err := o.wrote(full); err != nil {
			return err
		}
	}
	if err := w.lock(ctx, rows, o.n.Changed); err != nil {
		return err
	}
	return w.update(ctx, rows, o.n.Changed)
}

// lockInput makes single rows that are about to be changed be locked when they are
// read.
func lockInput(rt *Runtime, in operator, mode LockMode) {
	if !rt.KV.Locking() {
		return
	}
	if s := pointBelow(in); s != nil {
		s.lock = RowLocking{Mode: mode}
	}
}

// once tells whether a row of the target is met for the first time: a join may
// give it several times, and only the first counts.
type once struct {
	rt      *Runtime
	primary *rowcodec.Index
	seen    map[string]struct{}
}

func newOnce(rt *Runtime, primary *rowcodec.Index, joined bool) *once {
	o := &once{rt: rt, primary: primary}
	if joined {
		o.seen = map[string]struct{}{}
	}
	return o
}

func (o *once) first(row []types.Datum) (bool, error) {
	if o.seen == nil && o.rt.overlay == nil {
		return true, nil
	}
	key, _, err := o.primary.Key(row)
	if err != nil {
		return false, err
	}
	if _, again := o.seen[string(key)]; again {
		return false, nil
	}
	if o.seen != nil {
		o.seen[string(key)] = struct{}{}
	}
	return o.rt.claim(key), nil
}

// deleteOp removes rows.
type deleteOp struct {
	writeOp
	n *plan.Delete
}

func (o *deleteOp) next(ctx context.Context, b *Batch) error { return o.run(ctx, b, o.delete) }

func (o *deleteOp) delete(ctx context.Context) error {
	width := len(o.n.Input.Columns())
	w := newTableWriter(o.rt, o.n.Table, o.n.Indexes, o.n.Derived, o.ev)
	w.keys = o.n.Keys
	lockInput(o.rt, o.in, LockUpdate)
	store, err := o.input(ctx, width)
	if err != nil {
		return err
	}
	seen := newOnce(o.rt, o.n.Indexes[0], width > len(o.n.Table.Columns))
	// RETURNING may read the table, as it was before: so it is computed first.
	gone := make([]int, 0, store.len())
	rows := make([]rowChange, 0, store.len())
	for i := range store.len() {
		row := store.row(i)
		first, err := seen.first(row)
		if err != nil {
			return err
		}
		if !first {
			continue
		}
		gone = append(gone, i)
		rows = append(rows, rowChange{old: row})
		if err := o.wrote(row); err != nil {
			return err
		}
	}
	if err := w.lock(ctx, rows, nil); err != nil {
		return err
	}
	for _, i := range gone {
		if err := w.remove(ctx, store.row(i)); err != nil {
			return err
		}
	}
	return nil
}
