package sql

import (
	"context"
	"strings"
	"time"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

func (d *ddl) createIndex(ctx context.Context, st *ast.CreateIndex) error {
	t, err := d.userTable(st.Table)
	if err != nil {
		return err
	}
	if err := d.s.mustOwn(t); err != nil {
		return err
	}
	switch {
	case st.Method != "" && lower(st.Method) != "btree":
		return d.at(sqlerr.Unsupported("index method %s", st.Method), st)
	case st.NullsNotDistinct:
		return d.at(sqlerr.Unsupported("NULLS NOT DISTINCT"), st)
	}
	if st.Concurrently && d.s.tx.block {
		return sqlerr.New(sqlerr.ActiveSQLTransaction, "CREATE INDEX CONCURRENTLY cannot run inside a transaction block")
	}
	if st.Name.Name != "" {
		if _, exists := d.snap().Relation(t.Schema, st.Name.Name); exists {
			if st.IfNotExists {
				d.s.noticef(sqlerr.DuplicateTable, "relation %q already exists, skipping", st.Name.Name)
				return nil
			}
			return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.Name.Name)
		}
	}
	draft, err := d.draftIndex(t, st)
	if err != nil {
		return err
	}
	return d.addIndex(ctx, t, false, 1, func(ch *catalog.Change, n *catalog.Table) (*catalog.Index, error) {
		return draft.make(ctx, d, ch, n)
	})
}

// online runs work that needs several transactions of its own. The session's
// transaction, which must have done nothing else, is given up for it.
func (d *ddl) online(ctx context.Context, work func(ctx context.Context, e *Engine) error) error {
	if d.s.tx.block || d.s.tx.statements > 1 {
		return sqlerr.Unsupported("changing an existing table in this way inside a transaction block or a string of several statements")
	}
	if d.s.last.n > 0 {
		return sqlerr.Unsupported("changing an existing table in this way within a pipeline")
	}
	d.s.abort(ctx)
	if err := work(ctx, d.s.e); err != nil {
		return err
	}
	if err := d.s.begin(ctx, TxnOptions{}, false); err != nil {
		return err
	}
	return d.s.open(ctx)
}

// ddlStep runs one schema version's change of a table as a transaction of its own
// and waits until every node works with it.
func (e *Engine) ddlStep(ctx context.Context, id catalog.ID, f func(context.Context, *catalog.Change, *catalog.Table) error) error {
	return e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		t := snap.Table(id)
		if t == nil {
			return nil, sqlerr.New(sqlerr.UndefinedTable, "the table was dropped meanwhile")
		}
		ch := e.catalog.Change(tx, snap)
		if err := f(ctx, ch, t); err != nil {
			return nil, err
		}
		return ch.Snapshot(), nil
	})
}

// retry runs a transaction again and again as long as it ends with a conflict. f
// returns the catalog as it has changed it, or the one it was given.
func (e *Engine) retry(ctx context.Context, f func(context.Context, Txn, *catalog.Snapshot) (*catalog.Snapshot, error)) error {
	return e.again(ctx, &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}, f)
}

func (e *Engine) again(ctx context.Context, s *Session, f func(context.Context, Txn, *catalog.Snapshot) (*catalog.Snapshot, error)) error {
	for attempt := 0; ; attempt++ {
		err := s.runOnce(ctx, f)
		if err == nil || !sqlerr.Is(err, sqlerr.TRSerializationFailure) || attempt >= 10*autocommitAttempts {
			return err
		}
		if err := e.sleep(ctx, s.retryPause(attempt)); err != nil {
			return err
		}
	}
}

// retrySession is retry for work that needs a session and leaves the catalog alone.
func (e *Engine) retrySession(ctx context.Context, f func(context.Context, *Session) error) error {
	s := &Session{e: e, settings: newSettings(e.defs), rand: e.o.NewRand()}
	return e.again(ctx, s, func(ctx context.Context, _ Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		return snap, f(ctx, s)
	})
}

func (s *Session) runOnce(ctx context.Context, f func(context.Context, Txn, *catalog.Snapshot) (*catalog.Snapshot, error)) error {
	if err := s.begin(ctx, TxnOptions{}, false); err != nil {
		return err
	}
	defer s.abort(ctx)
	if err := s.open(ctx); err != nil {
		return err
	}
	snap, err := f(ctx, s.tx.tx, s.tx.snap)
	if err != nil {
		return s.mapErr(err)
	}
	s.tx.snap = snap
	return s.commit(ctx)
}

func (d *ddl) isEmpty(ctx context.Context, t *catalog.Table) (bool, error) {
	x, err := rowcodec.NewIndex(t, t.Primary())
	if err != nil {
		return false, err
	}
	start, end := x.Span()
	it, err := d.s.tx.tx.Scan(ctx, start, end, exec.ScanOptions{Limit: 1})
	if err != nil {
		return false, err
	}
	defer it.Close()
	ok, err := it.Next(ctx)
	return !ok, err
}

// makeIndex adds an index's descriptor to a copy of its table.
type makeIndex func(ch *catalog.Change, n *catalog.Table) (*catalog.Index, error)

// addIndex adds an index: at once if the table was made by this transaction, else
// through the states of an online change.
func (d *ddl) addIndex(ctx context.Context, t *catalog.Table, primary bool, actions int, build makeIndex) error {
	for i := range t.Indexes {
		if t.Indexes[i].State != catalog.Public {
			return sqlerr.New(sqlerr.ObjectInUse, "index %q of table %q is being built or dropped", t.Indexes[i].Name, t.Name).
				WithHint("If the statement that did this has failed, drop the index.")
		}
	}
	if d.isNew(t) {
		return d.addIndexNow(ctx, t, primary, build)
	}
	if actions > 1 {
		return sqlerr.Unsupported("several actions in one ALTER TABLE that adds an index to an existing table")
	}
	// What can be found wrong is found before anything changes.
	if err := d.tryIndex(ctx, t, build); err != nil {
		return err
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		return e.buildIndex(ctx, t.ID, primary, build)
	})
}

// tryIndex makes the descriptor and throws it away.
func (d *ddl) tryIndex(ctx context.Context, t *catalog.Table, build makeIndex) error {
	sp := d.s.tx.tx.Savepoint()
	_, err := build(d.s.e.catalog.Change(d.s.tx.tx, d.snap()), t.Clone())
	if undo := d.s.tx.tx.RollbackTo(ctx, sp, false); err == nil {
		err = undo
	}
	return err
}

// addIndexNow builds an index of a table that only this transaction knows.
func (d *ddl) addIndexNow(ctx context.Context, t *catalog.Table, primary bool, build makeIndex) error {
	return d.change(ctx, func(ch *catalog.Change) error {
		n := t.Clone()
		ix, err := build(ch, n)
		if err != nil {
			return err
		}
		if primary {
			requireNotNull(n, ix)
		}
		n.Indexes = append(n.Indexes, *ix)
		f, err := d.s.newFiller(ctx, n, ix.Number, primary)
		if err != nil {
			return err
		}
		for start := keys.User(nil); ; {
			next, err := f.piece(ctx, d.s.tx.tx, start)
			if err != nil {
				return err
			}
			if next == nil {
				break
			}
			start = next
		}
		if ix.Full {
			if err := f.clearOld(ctx, d.s.tx.tx); err != nil {
				return err
			}
			swapPrimary(n, ix.Number)
			n.Indexes = n.Indexes[:1]
			dropRowID(n)
		}
		return ch.PutTable(ctx, n)
	})
}

func requireNotNull(t *catalog.Table, ix *catalog.Index) {
	for _, c := range ix.Columns {
		t.Column(c.Column).NotNull = true
	}
}

// swapPrimary makes the index the first one and leaves the old primary index
// behind it.
func swapPrimary(t *catalog.Table, number uint64) {
	for i := range t.Indexes {
		if t.Indexes[i].Number == number {
			t.Indexes[0], t.Indexes[i] = t.Indexes[i], t.Indexes[0]
			return
		}
	}
}

func dropRowID(t *catalog.Table) {
	rowIDNullable(t)
	for i := range t.Columns {
		if t.Columns[i].RowID {
			t.Columns[i].Dropped = true
		}
	}
}

func rowIDNullable(t *catalog.Table) {
	for i := range t.Columns {
		if t.Columns[i].RowID {
			t.Columns[i].NotNull = false
		}
	}
}

// buildIndex takes a new index through its states (F1 §3). Each step is a version
// that all nodes have reached before the next one begins.
func (e *Engine) buildIndex(ctx context.Context, id catalog.ID, primary bool, build makeIndex) error {
	var number uint64
	var full bool
	var nullable []int16 // columns that the primary key makes NOT NULL
	err := e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		for i := range now.Indexes {
			if now.Indexes[i].State != catalog.Public {
				return errConcurrentDDL(now)
			}
		}
		n := now.Clone()
		ix, err := build(ch, n)
		if err != nil {
			return err
		}
		if primary && now.HasPrimaryKey() {
			return errConcurrentDDL(now)
		}
		nullable = nil
		if primary {
			for _, c := range ix.Columns {
				if !n.Column(c.Column).NotNull {
					nullable = append(nullable, c.Column)
				}
			}
			requireNotNull(n, ix)
		}
		ix.State = catalog.DeleteOnly
		number, full = ix.Number, ix.Full
		n.Indexes = append(n.Indexes, *ix)
		return ch.PutTable(ctx, n)
	})
	if err != nil {
		return err
	}
	if err := e.fillIndex(ctx, id, number, primary); err != nil {
		// The client may be gone; the half-built index must go all the same.
		clean := context.WithoutCancel(ctx)
		if undo := e.removeIndex(clean, id, number, nullable); undo != nil {
			e.o.Logger.Error("remove a half-built index", "table", id, "index", number, "err", undo)
		}
		return err
	}
	if !full {
		return e.setState(ctx, id, number, catalog.Public)
	}
	// The new index takes over; the old one leaves the way it came, so that a node
	// one version behind can still read it.
	var old uint64
	err = e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		n := now.Clone()
		old = n.Indexes[0].Number
		n.Indexes[0].State = catalog.WriteOnly
		n.Index(number).State = catalog.Public
		swapPrimary(n, number)
		return ch.PutTable(ctx, n)
	})
	if err != nil {
		return err
	}
	err = e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		n := now.Clone()
		n.Index(old).State = catalog.DeleteOnly
		// Nodes of the next version write rows without a row id, which nodes of this
		// one may read and write back.
		rowIDNullable(n)
		return ch.PutTable(ctx, n)
	})
	if err != nil {
		return err
	}
	return e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		n := now.Clone()
		takeOut(n, old)
		dropRowID(n)
		if err := ch.PutTable(ctx, n); err != nil {
			return err
		}
		return ch.DropIndexData(ctx, n, old)
	})
}

// fillIndex makes the index writable and fills it with the rows that are there.
func (e *Engine) fillIndex(ctx context.Context, id catalog.ID, number uint64, primary bool) error {
	if err := e.setState(ctx, id, number, catalog.WriteOnly); err != nil {
		return err
	}
	// One more version, in which nothing changes: after it no transaction commits any
	// more that knew the index as delete-only and left its entries out.
	err := e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		return ch.PutTable(ctx, now.Clone())
	})
	if err != nil {
		return err
	}
	if err := e.settle(ctx); err != nil {
		return err
	}
	return e.backfill(ctx, id, number, primary)
}

// settlePoll is how often settle looks at the time.
const settlePoll = 20 * time.Millisecond

// settle waits until new transactions read above every timestamp at which one that
// works with an old version can still commit.
func (e *Engine) settle(ctx context.Context) error {
	until := e.catalog.SettledAt()
	for until != 0 {
		t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		err = t.Start(ctx)
		ts := t.ReadTS()
		t.Rollback(ctx)
		if err != nil {
			return err
		}
		if ts > until {
			return nil
		}
		if err := e.sleep(ctx, settlePoll); err != nil {
			return err
		}
	}
	return nil
}

func takeOut(t *catalog.Table, number uint64) {
	for i := range t.Indexes {
		if t.Indexes[i].Number == number {
			t.Indexes = append(t.Indexes[:i:i], t.Indexes[i+1:]...)
			return
		}
	}
}

func (e *Engine) setState(ctx context.Context, id catalog.ID, number uint64, state catalog.IndexState) error {
	return e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
		n := now.Clone()
		ix := n.Index(number)
		if ix == nil {
			return sqlerr.New(sqlerr.UndefinedObject, "the index was dropped meanwhile")
		}
		ix.State = state
		return ch.PutTable(ctx, n)
	})
}

// removeIndex takes an index out, whatever its state. Columns named in nullable
// lose their NOT NULL again.
func (e *Engine) removeIndex(ctx context.Context, id catalog.ID, number uint64, nullable []int16) error {
	for {
		var state catalog.IndexState
		gone := false
		err := e.ddlStep(ctx, id, func(ctx context.Context, ch *catalog.Change, now *catalog.Table) error {
			n := now.Clone()
			ix := n.Index(number)
			if ix == nil {
				gone = true
				return nil
			}
			switch state = ix.State; state {
			case catalog.Public:
				ix.State = catalog.WriteOnly
			case catalog.WriteOnly:
				ix.State = catalog.DeleteOnly
			case catalog.DeleteOnly:
				takeOut(n, number)
				for _, c := range nullable {
					n.Column(c).NotNull = false
				}
				if err := ch.DropIndexData(ctx, n, number); err != nil {
					return err
				}
			}
			return ch.PutTable(ctx, n)
		})
		if err != nil || gone || state == catalog.DeleteOnly {
			return err
		}
	}
}

// dropIndexes is DROP INDEX.
func (d *ddl) dropIndexes(ctx context.Context, st *ast.Drop) error {
	var list []catalog.Relation
	for _, n := range st.Names {
		r, ok, err := d.s.resolve(n)
		switch {
		case err != nil:
			return err
		case !ok && st.IfExists:
			d.s.noticef(sqlerr.SuccessfulCompletion, "index %q does not exist, skipping", n.Name)
			continue
		case !ok:
			return sqlerr.New(sqlerr.UndefinedObject, "index %q does not exist", n.Name)
		case r.Index == nil:
			return sqlerr.New(sqlerr.WrongObjectType, "%q is not an index", n.Name).WithHint("Use DROP TABLE to remove a table.")
		case r.Index.ConstraintID != 0 && r.Index.State == catalog.Public:
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop index %s because constraint %s on table %s requires it", n.Name, n.Name, r.Table.Name).
				WithHint("You can drop constraint %s on table %s instead.", n.Name, r.Table.Name)
		}
		if err := d.s.mustOwnNamed(r.Table, "index", r.Index.Name); err != nil {
			return err
		}
		list = append(list, r)
	}
	var later []catalog.Relation
	var refs []catalog.Referrer
	for _, r := range list {
		refs = append(refs, d.refersBy(r.Table, r.Index)...)
		if len(refs) > 0 && !st.Cascade {
			return d.errReferred("index "+plan.QuoteIdent(r.Index.Name), "", refs)
		}
	}
	d.noticeKeys(refs)
	for _, r := range list {
		if !d.isNew(r.Table) {
			later = append(later, r)
			continue
		}
		if err := d.dropKeys(ctx, d.refersBy(r.Table, r.Index)); err != nil {
			return err
		}
		if err := d.dropIndexNow(ctx, r.Table.ID, r.Index.Number); err != nil {
			return err
		}
	}
	if len(later) == 0 {
		return nil
	}
	return d.online(ctx, func(ctx context.Context, e *Engine) error {
		if err := e.dropKeys(ctx, refs); err != nil {
			return err
		}
		for _, r := range later {
			if err := e.removeIndex(ctx, r.Table.ID, r.Index.Number, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// backfillRows is how many rows one transaction of a back-fill works on.
const backfillRows = 2000

// backfill fills an index that writers already maintain. It works in transactions
// of bounded size: each reads rows and writes their entries, so a row that changes
// at the same time makes it conflict and be repeated.
func (e *Engine) backfill(ctx context.Context, id catalog.ID, number uint64, primary bool) error {
	var start keys.User
	for {
		var next keys.User
		err := e.retrySession(ctx, func(ctx context.Context, s *Session) error {
			t := s.tx.snap.Table(id)
			if t == nil || t.Index(number) == nil {
				return sqlerr.New(sqlerr.UndefinedObject, "the index was dropped meanwhile")
			}
			f, err := s.newFiller(ctx, t, number, primary)
			if err != nil {
				return err
			}
			next, err = f.piece(ctx, s.tx.tx, start)
			return err
		})
		if err != nil || next == nil {
			return err
		}
		start = next
	}
}

// filler writes the entries of one index for rows of the primary index.
type filler struct {
	t       *catalog.Table
	from    *rowcodec.Index
	to      *exec.IndexWriter
	fetch   *rowcodec.Fetcher
	primary bool
	format  *types.FormatContext
}

func (s *Session) newFiller(ctx context.Context, t *catalog.Table, number uint64, primary bool) (*filler, error) {
	f := &filler{t: t, primary: primary, format: &s.settings.format}
	var err error
	if f.from, err = rowcodec.NewIndex(t, t.Primary()); err != nil {
		return nil, err
	}
	if f.to, err = s.indexWriter(ctx, t, t.Index(number)); err != nil {
		return nil, err
	}
	f.fetch, err = f.from.NewFetcher(rowcodec.AllColumns(t))
	return f, err
}

// indexWriter makes what makes the entries of an index.
func (s *Session) indexWriter(ctx context.Context, t *catalog.Table, ix *catalog.Index) (*exec.IndexWriter, error) {
	x, err := rowcodec.NewIndex(t, ix)
	if err != nil {
		return nil, err
	}
	d, err := plan.DerivedOf(s.planOptions("", nil), t, ix)
	if err != nil {
		return nil, err
	}
	ev := s.evalContext(nil)
	ev.Ctx = ctx
	return exec.NewIndexWriter(x, d, ev), nil
}

// piece works on the rows from start on (nil: the first) and returns where to go
// on, nil at the end.
func (f *filler) piece(ctx context.Context, tx Txn, start keys.User) (next keys.User, err error) {
	lo, hi := f.from.Span()
	if start != nil {
		lo = start
	}
	it, err := tx.Scan(ctx, lo, hi, exec.ScanOptions{Limit: backfillRows})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var pairs []exec.Pair
	var unique []bool
	row := make([]types.Datum, len(f.t.Columns))
	for read := 0; read < backfillRows; {
		ok, err := it.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, f.write(ctx, tx, pairs, unique)
		}
		if err := f.fetch.Decode(it.Key(), it.Value(), row); err != nil {
			return nil, err
		}
		if f.primary {
			if err := f.notNull(row); err != nil {
				return nil, err
			}
		}
		key, u, err := f.to.Key(row)
		if err != nil {
			return nil, err
		}
		next = keys.Next(it.Key())
		if read++; key == nil {
			continue
		}
		val, err := f.to.Value(row, u)
		if err != nil {
			return nil, err
		}
		pairs, unique = append(pairs, exec.Pair{Key: key, Value: val}), append(unique, u)
	}
	return next, f.write(ctx, tx, pairs, unique)
}

func (f *filler) notNull(row []types.Datum) error {
	for _, c := range f.to.Desc.Columns {
		if row[f.t.ColumnIndex(c.Column)].IsNull() {
			return sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", f.t.Column(c.Column).Name, f.t.Name).
				WithTable(f.t.SchemaName, f.t.Name).WithColumn(f.t.Column(c.Column).Name)
		}
	}
	return nil
}

// write puts entries. One that is there already must be this row's own, written
// by a statement that changed the row meanwhile.
func (f *filler) write(ctx context.Context, tx Txn, pairs []exec.Pair, unique []bool) error {
	seen := make(map[string]struct{}, len(pairs))
	have, err := f.present(ctx, tx, pairs)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		_, twice := seen[string(p.Key)]
		seen[string(p.Key)] = struct{}{}
		if have[string(p.Key)] != nil && string(have[string(p.Key)]) == string(p.Value) && !twice {
			continue
		}
		if unique[i] && (have[string(p.Key)] != nil || twice) {
			e := sqlerr.As(exec.UniqueViolation(f.to.Index, p.Key, f.format))
			return sqlerr.New(sqlerr.UniqueViolation, "could not create unique index %q", f.to.Desc.Name).
				WithDetail("%s", strings.Replace(e.Detail, "already exists", "is duplicated", 1)).
				WithTable(f.t.SchemaName, f.t.Name).WithConstraint(f.to.Desc.Name)
		}
		if err := tx.Put(ctx, p.Key, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// present returns what the index has at the given keys. Usually that is nothing, or
// little, within a range that is otherwise empty: so the range is read first, and
// the keys one by one only if it is full of others.
func (f *filler) present(ctx context.Context, tx Txn, pairs []exec.Pair) (map[string][]byte, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	lo, hi := pairs[0].Key, pairs[0].Key
	for _, p := range pairs {
		if string(p.Key) < string(lo) {
			lo = p.Key
		}
		if string(p.Key) > string(hi) {
			hi = p.Key
		}
	}
	have := map[string][]byte{}
	it, err := tx.Scan(ctx, lo, keys.Next(hi), exec.ScanOptions{Limit: int64(len(pairs))})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for n := 0; n < len(pairs); n++ {
		ok, err := it.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return have, nil
		}
		have[string(it.Key())] = it.Value()
	}
	list := make([]keys.User, len(pairs))
	for i, p := range pairs {
		list[i] = p.Key
	}
	vals, err := tx.BatchGet(ctx, list)
	if err != nil {
		return nil, err
	}
	clear(have)
	for i, v := range vals {
		if v != nil {
			have[string(list[i])] = v
		}
	}
	return have, nil
}

// clearOld deletes the old primary index of a table that only this transaction
// knows.
func (f *filler) clearOld(ctx context.Context, tx Txn) error {
	start, end := f.from.Span()
	var list []keys.User
	if err := tx.Each(ctx, start, end, func(k, _ []byte) error {
		list = append(list, append(keys.User(nil), k...))
		return nil
	}); err != nil {
		return err
	}
	for _, k := range list {
		if err := tx.Delete(ctx, k); err != nil {
			return err
		}
	}
	return nil
}
