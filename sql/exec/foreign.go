package exec

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// Foreign keys are looked after at the end of a statement, for all of its rows
// together. What writers change is queued: references that rows have got, and keys that
// rows have lost. Actions (CASCADE and the like) write in turn and queue more; rounds go
// on until nothing is left. See package sql, "Foreign keys", for why no reference is
// ever left without its row.

// Constraints tells an execution when constraints are checked.
type Constraints interface {
	// Deferred reports whether the transaction checks a constraint at its commit.
	Deferred(k *catalog.ForeignKey) bool
	// Defer keeps checks for then. It is called when the statement has done all else.
	Defer(d *Deferred)
}

// Deferred is checks that were put off.
type Deferred struct {
	Checks []DeferredCheck
	// Above is a timestamp that what is read for them must not be below.
	Above timestamp.Timestamp
}

// DeferredCheck is a reference that a row has got, or with Lost a key that a row has
// lost; Key has the values, of the table that is written.
type DeferredCheck struct {
	Table, Constraint catalog.ID // the constraint with its own table
	Written           catalog.ID
	Lost              bool
	Key               []types.Datum
}

// AgainError says that a statement which left existence checks to its commit has broken
// a foreign key: it is to be run with all checks in their places, since another error
// may come first.
type AgainError struct{ Err error }

func (e *AgainError) Error() string { return e.Err.Error() }
func (e *AgainError) Unwrap() error { return e.Err }

// keyQueue is what a statement has to look after.
type keyQueue struct {
	gained []gained
	lost   []lost
	seen   map[string]struct{} // of gained
	// acted says that rows were changed by actions, or may be changed twice.
	acted bool
	// above is the newest timestamp that the locks of changed rows have shown.
	above    timestamp.Timestamp
	deferred []DeferredCheck
	bytes    int // that gained counts for
}

// gained is a reference: vals are those of the referring columns.
type gained struct {
	k    *plan.ForeignKey
	key  keys.User // in Target; nil if no row can have it
	vals []types.Datum
}

// lost is a key that a row had and has no more. vals and, of an update, now are those of
// the referenced columns.
type lost struct {
	k         *plan.ForeignKey
	key       keys.User
	vals, now []types.Datum
}

// gathered is how many references COPY gathers before it looks for their rows.
const gathered = 4096

func (rt *Runtime) queue() *keyQueue {
	if rt.keys == nil {
		rt.keys = &keyQueue{seen: map[string]struct{}{}}
	}
	return rt.keys
}

// wrote tells the foreign keys of a row that was inserted (old is nil), changed, or
// deleted (now is nil).
func (w *tableWriter) wrote(old, now []types.Datum) error {
	if w.keys == nil {
		return nil
	}
	if now != nil {
		for _, k := range w.keys.Own {
			if old != nil && same(k.Child, k.Columns, old, now) && !(k.Desc.Unvalidated && moved(k.Child, old, now)) {
				continue
			}
			if err := w.rt.gained(k, now); err != nil {
				return err
			}
		}
		if old == nil {
			return nil
		}
	}
	for _, k := range w.keys.Others {
		if now != nil && same(k.Parent, k.RefColumns, old, now) {
			continue
		}
		if err := w.rt.lost(k, old, now); err != nil {
			return err
		}
	}
	return nil
}

func same(t *catalog.Table, cols []int, a, b []types.Datum) bool {
	for _, c := range cols {
		if a[c].IsNull() != b[c].IsNull() || !a[c].IsNull() && types.Compare(a[c], b[c], t.Columns[c].Type) != 0 {
			return false
		}
	}
	return true
}

func moved(t *catalog.Table, old, now []types.Datum) bool {
	for _, c := range t.Primary().Columns {
		if i := t.ColumnIndex(c.Column); types.Compare(old[i], now[i], t.Columns[i].Type) != 0 {
			return true
		}
	}
	return false
}

func pick(row []types.Datum, cols []int) []types.Datum {
	out := make([]types.Datum, len(cols))
	for i, c := range cols {
		out[i] = row[c]
	}
	return out
}

func anyNull(vals []types.Datum) bool { return slices.ContainsFunc(vals, types.Datum.IsNull) }

// gained queues the reference of a row, unless it refers to nothing.
func (rt *Runtime) gained(k *plan.ForeignKey, row []types.Datum) error {
	return rt.gainedKey(k, pick(row, k.Columns))
}

func (rt *Runtime) gainedKey(k *plan.ForeignKey, vals []types.Datum) error {
	nulls := 0
	for _, v := range vals {
		if v.IsNull() {
			nulls++
		}
	}
	if nulls == len(vals) || nulls > 0 && k.Desc.Match != catalog.MatchFull {
		return nil
	}
	g := gained{k: k, vals: vals}
	q := rt.queue()
	if nulls == 0 {
		var err error
		if g.key, err = rt.parentKey(k, vals); err != nil {
			return err
		}
		id := string(keys.AppendUint(nil, uint64(k.Desc.ID))) + string(g.key)
		if _, twice := q.seen[id]; twice && g.key != nil {
			return nil
		}
		q.seen[id] = struct{}{}
	}
	q.gained = append(q.gained, g)
	n := rowSize(vals) + 2*len(g.key) + 96
	q.bytes += n
	return rt.grow(n)
}

// lost queues the key that a row has lost, unless nothing can refer to it.
func (rt *Runtime) lost(k *plan.ForeignKey, old, now []types.Datum) error {
	l := lost{k: k, vals: pick(old, k.RefColumns)}
	if anyNull(l.vals) {
		return nil
	}
	if now != nil {
		l.now = pick(now, k.RefColumns)
	}
	var err error
	if l.key, err = targetKey(k, l.vals); err != nil {
		return err
	}
	q := rt.queue()
	q.lost = append(q.lost, l)
	return rt.grow(rowSize(l.vals) + rowSize(l.now) + len(l.key) + 96)
}

// parentKey is the key of the row that values of the referring columns ask for, nil if
// there cannot be one.
func (rt *Runtime) parentKey(k *plan.ForeignKey, vals []types.Datum) (keys.User, error) {
	to := make([]types.Datum, len(vals))
	for i, v := range vals {
		var ok bool
		var err error
		if to[i], ok, err = rt.convert(k, i, v, true); err != nil || !ok {
			return nil, err
		}
	}
	return targetKey(k, to)
}

// convert makes a value of one side one of the other; ok is false if none is equal to it.
func (rt *Runtime) convert(k *plan.ForeignKey, i int, v types.Datum, toParent bool) (out types.Datum, ok bool, err error) {
	there, back := k.ToParent[i], k.ToChild[i]
	t := k.Child.Columns[k.Columns[i]].Type
	if !toParent {
		there, back = back, there
		t = k.Parent.Columns[k.RefColumns[i]].Type
	}
	if there == nil {
		return v, true, nil
	}
	ev := rt.eval(rt.Eval.Ctx, nil)
	if out, err = there.Eval(ev, []types.Datum{v}); err != nil {
		return out, false, outOfRange(err)
	}
	if !k.Exact[i] {
		return out, true, nil
	}
	again, err := back.Eval(ev, []types.Datum{out})
	if err != nil {
		return out, false, outOfRange(err)
	}
	return out, types.Compare(again, v, t) == 0, nil
}

// outOfRange takes the error of a value that the other type does not have for what it is.
func outOfRange(err error) error {
	if e := sqlerr.As(err); e != nil && strings.HasPrefix(e.Code, "22") {
		return nil
	}
	return err
}

// targetKey is the key in the unique index of a row with these referenced values.
func targetKey(k *plan.ForeignKey, vals []types.Datum) (keys.User, error) {
	in := make([]types.Datum, len(vals))
	for i, o := range k.Order {
		in[i] = vals[o]
	}
	return k.Target.AppendPrefixKey(nil, in)
}

// finishKeys does what the foreign keys ask of a statement that has written all its rows.
func (rt *Runtime) finishKeys(ctx context.Context) error {
	q := rt.keys
	if q == nil {
		return nil
	}
	rt.keys = nil
	if q.above > rt.KV.ReadTS() {
		// Somebody who has let go of a row since the snapshot may have referred to it.
		later, err := rt.KV.Later(q.above)
		if err != nil {
			return err
		}
		before := rt.KV
		rt.KV = later
		defer func() { rt.KV = before }()
	}
	rt.keys = &keyQueue{seen: q.seen, acted: q.acted, above: q.above, gained: q.gained, lost: q.lost}
	defer func() { rt.keys = nil }()
	for q = rt.keys; len(q.gained)+len(q.lost) > 0; {
		gone, refs := q.lost, q.gained
		q.lost, q.gained = nil, nil
		if err := rt.settleLost(ctx, gone); err != nil {
			return err
		}
		missing, err := rt.missing(ctx, rt.putOff(refs))
		if err != nil {
			return err
		}
		if err := rt.violated(ctx, missing); err != nil {
			return err
		}
	}
	if len(q.deferred) > 0 {
		rt.Constraints.Defer(&Deferred{Checks: q.deferred, Above: max(q.above, rt.KV.ReadTS())})
	}
	return nil
}

// lookEarly looks for the rows of references before the end of a statement that writes
// one table only, so that not too many are gathered. Those that are missing may come yet.
func (rt *Runtime) lookEarly(ctx context.Context) error {
	q := rt.keys
	if q == nil || len(q.gained) < gathered {
		return nil
	}
	missing, err := rt.missing(ctx, rt.putOff(q.gained))
	rt.shrink(q.bytes)
	q.gained, q.seen, q.bytes = missing, map[string]struct{}{}, 0
	return err
}

func (rt *Runtime) isDeferred(k *plan.ForeignKey) bool {
	return k.Desc.Deferrable && rt.Constraints != nil && rt.Constraints.Deferred(k.Desc)
}

// putOff keeps the references whose constraints are checked at the commit, and returns
// the others.
func (rt *Runtime) putOff(refs []gained) []gained {
	var now []gained
	for _, g := range refs {
		if !rt.isDeferred(g.k) {
			now = append(now, g)
			continue
		}
		rt.keys.deferred = append(rt.keys.deferred, DeferredCheck{Table: g.k.Child.ID, Constraint: g.k.Desc.ID, Written: g.k.Child.ID, Key: g.vals})
	}
	return now
}

// missing returns the references whose rows do not exist. The others' are locked, so that
// they stay: FOR KEY SHARE, by their keys, all of a region's in one request.
func (rt *Runtime) missing(ctx context.Context, refs []gained) ([]gained, error) {
	var list, temp []keys.User
	for _, g := range refs {
		switch {
		case g.key == nil:
		case g.k.Parent.Temp:
			temp = append(temp, g.key)
		default:
			list = append(list, g.key)
		}
	}
	there, err := rt.lockKeys(ctx, list)
	if err != nil {
		return nil, err
	}
	own, err := rt.lockKeys(ctx, temp)
	if err != nil {
		return nil, err
	}
	maps.Copy(there, own)
	return slices.DeleteFunc(slices.Clone(refs), func(g gained) bool {
		_, ok := there[string(g.key)]
		return ok && g.key != nil
	}), nil
}

// lockKeys locks the rows of keys and returns those that exist.
func (rt *Runtime) lockKeys(ctx context.Context, list []keys.User) (map[string]struct{}, error) {
	out := make(map[string]struct{}, len(list))
	if len(list) == 0 {
		return out, nil
	}
	rows, err := rt.KV.LockRows(ctx, list, RowLocking{Mode: LockKeyShare, KeyOnly: true})
	if err != nil {
		return nil, err
	}
	var ask []keys.User
	for i, r := range rows {
		switch {
		case r.Value != nil || r.Present:
			out[string(list[i])] = struct{}{}
		case r.Locked:
			ask = append(ask, list[i])
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	// Rows that the transaction has written itself.
	values, err := rt.KV.BatchGet(ctx, ask)
	for i, v := range values {
		if v != nil {
			out[string(ask[i])] = struct{}{}
		}
	}
	return out, err
}

// violated returns the error of references without rows. After actions the referring row
// may be another one by now, or gone.
func (rt *Runtime) violated(ctx context.Context, missing []gained) error {
	for _, g := range missing {
		if rt.keys.acted {
			left, err := rt.refersTo(ctx, g)
			if err != nil {
				return err
			}
			if !left {
				continue
			}
		}
		err := rt.errMissing(g)
		if rt.Autocommit {
			return &AgainError{err}
		}
		return err
	}
	return nil
}

// refersTo reports whether a row has the reference.
func (rt *Runtime) refersTo(ctx context.Context, g gained) (bool, error) {
	if g.key == nil {
		return rt.anyWith(ctx, g.k, g.vals)
	}
	l := lost{k: g.k, key: g.key}
	found, err := rt.referring(ctx, g.k, []lost{l}, [][]types.Datum{g.vals}, true)
	return len(found) > 0, err
}

// anyWith looks for a row whose referring columns have the given values, NULLs too.
func (rt *Runtime) anyWith(ctx context.Context, k *plan.ForeignKey, vals []types.Datum) (found bool, err error) {
	err = rt.eachRow(ctx, k.Rows, func(row []types.Datum) (bool, error) {
		for i, c := range k.Columns {
			if row[c].IsNull() != vals[i].IsNull() || !vals[i].IsNull() && types.Compare(row[c], vals[i], k.Child.Columns[c].Type) != 0 {
				return true, nil
			}
		}
		found = true
		return false, nil
	})
	return found, err
}

func (rt *Runtime) errMissing(g gained) error {
	k := g.k
	e := sqlerr.New(sqlerr.ForeignKeyViolation, "insert or update on table %q violates foreign key constraint %q", k.Child.Name, k.Desc.Name).
		WithTable(k.Child.SchemaName, k.Child.Name).WithConstraint(k.Desc.Name)
	switch {
	case anyNull(g.vals):
		return e.WithDetail("MATCH FULL does not allow mixing of null and nonnull key values.")
	case rt.MayShow != nil && !rt.MayShow(k.Child, k.Desc.Columns):
		return e.WithDetail("Key is not present in table %q.", k.Parent.Name)
	}
	return e.WithDetail("Key %s is not present in table %q.", rt.keyText(k.Child, k.Columns, g.vals), k.Parent.Name)
}

func (rt *Runtime) errStillReferenced(l lost) error {
	k := l.k
	e := sqlerr.New(sqlerr.ForeignKeyViolation, "update or delete on table %q violates foreign key constraint %q on table %q", k.Parent.Name, k.Desc.Name, k.Child.Name).
		WithTable(k.Child.SchemaName, k.Child.Name).WithConstraint(k.Desc.Name)
	if rt.MayShow != nil && !rt.MayShow(k.Parent, k.Desc.RefColumns) {
		return e.WithDetail("Key is still referenced from table %q.", k.Child.Name)
	}
	return e.WithDetail("Key %s is still referenced from table %q.", rt.keyText(k.Parent, k.RefColumns, l.vals), k.Child.Name)
}

// keyText prints a key as PostgreSQL does in these messages: nothing is quoted.
func (rt *Runtime) keyText(t *catalog.Table, cols []int, vals []types.Datum) string {
	var names, text []string
	for i, c := range cols {
		names = append(names, t.Columns[c].Name)
		if vals[i].IsNull() {
			text = append(text, "null")
			continue
		}
		text = append(text, string(types.EncodeText(nil, vals[i], t.Columns[c].Type, rt.Eval.Format)))
	}
	return "(" + strings.Join(names, ", ") + ")=(" + strings.Join(text, ", ") + ")"
}

// RunDeferred makes checks that were put off. bind finds a constraint again, nil if it is
// gone.
func (rt *Runtime) RunDeferred(ctx context.Context, d *Deferred, bind func(table, constraint catalog.ID) (*plan.ForeignKey, error)) error {
	if d.Above > rt.KV.ReadTS() {
		later, err := rt.KV.Later(d.Above)
		if err != nil {
			return err
		}
		rt.KV = later
	}
	rt.keys = &keyQueue{seen: map[string]struct{}{}, acted: true}
	defer func() { rt.keys = nil }()
	q := rt.keys
	bound := map[catalog.ID]*plan.ForeignKey{}
	for _, c := range d.Checks {
		k, ok := bound[c.Constraint]
		if !ok {
			var err error
			if k, err = bind(c.Table, c.Constraint); err != nil {
				return err
			}
			bound[c.Constraint] = k
		}
		if k == nil {
			continue
		}
		if !c.Lost {
			if err := rt.gainedKey(k, c.Key); err != nil {
				return err
			}
			continue
		}
		key, err := targetKey(k, c.Key)
		if err != nil {
			return err
		}
		q.lost = append(q.lost, lost{k: k, key: key, vals: c.Key})
	}
	if err := rt.checkLost(ctx, q.lost, false); err != nil {
		return err
	}
	missing, err := rt.missing(ctx, q.gained)
	if err != nil {
		return err
	}
	return rt.violated(ctx, missing)
}

// eachRow calls f with every row of a table until it returns false.
func (rt *Runtime) eachRow(ctx context.Context, x *rowcodec.Index, f func(row []types.Datum) (bool, error)) error {
	fetch, err := x.NewFetcher(rowcodec.AllColumns(x.Table))
	if err != nil {
		return err
	}
	start, end := x.Span()
	it, err := rt.KV.Scan(ctx, start, end, ScanOptions{})
	if err != nil {
		return err
	}
	defer it.Close()
	row := make([]types.Datum, len(x.Table.Columns))
	for {
		ok, err := it.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := fetch.Decode(it.Key(), it.Value(), row); err != nil {
			return sqlerr.Wrap(err, "read table %q", x.Table.Name)
		}
		if more, err := f(row); err != nil || !more {
			return err
		}
	}
}

// CheckReferences looks at up to limit rows (0: all) of a table, from start on (nil: the
// first), and returns an error if one refers to nothing. next is where to go on.
func (rt *Runtime) CheckReferences(ctx context.Context, k *plan.ForeignKey, start keys.User, limit int) (next keys.User, done bool, err error) {
	fetch, err := k.Rows.NewFetcher(rowcodec.AllColumns(k.Child))
	if err != nil {
		return nil, false, err
	}
	lo, hi := k.Rows.Span()
	if start != nil {
		lo = start
	}
	it, err := rt.KV.Scan(ctx, lo, hi, ScanOptions{Limit: int64(limit)})
	if err != nil {
		return nil, false, err
	}
	defer it.Close()
	rt.keys = nil
	defer func() { rt.keys = nil }()
	row := make([]types.Datum, len(k.Child.Columns))
	for n := 0; limit == 0 || n < limit; n++ {
		ok, err := it.Next(ctx)
		if err != nil {
			return nil, false, err
		}
		if done = !ok; done {
			break
		}
		if err := fetch.Decode(it.Key(), it.Value(), row); err != nil {
			return nil, false, err
		}
		next = keys.Next(it.Key())
		if err := rt.gained(k, row); err != nil {
			return nil, false, err
		}
		if len(rt.queue().gained) >= gathered {
			if err := rt.existing(ctx); err != nil {
				return nil, false, err
			}
		}
	}
	return next, done, rt.existing(ctx)
}

// existing returns an error if a gathered reference has no row. Nothing is locked.
func (rt *Runtime) existing(ctx context.Context) error {
	q := rt.queue()
	var ask []keys.User
	for _, g := range q.gained {
		if g.key == nil {
			return rt.errMissing(g)
		}
		ask = append(ask, g.key)
	}
	values, err := rt.KV.BatchGet(ctx, ask)
	if err != nil {
		return err
	}
	for i, v := range values {
		if v == nil {
			return rt.errMissing(q.gained[i])
		}
	}
	rt.shrink(q.bytes)
	rt.keys = nil
	return nil
}
