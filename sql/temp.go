package sql

import (
	"bytes"
	"context"
	"slices"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// Temporary relations are a matter of one session and lie in its memory: descriptors
// (catalog.Temp), rows (tempRows) and the states of sequences. No other session and no
// other node has anything of them, so there is nothing to hide, to make known or to
// clear away, whatever becomes of the session or its node. They take part in the
// session's transactions and savepoints: a transaction works on a fork, which takes the
// place of what was there when it has committed.

// tempState is a session's temporary relations between transactions.
type tempState struct {
	desc *catalog.Temp // nil: none yet
	rows tempRows
	// sequences are states by storage. As elsewhere no rollback takes a value back.
	sequences map[uint64]seqState

	// shown is the snapshot base with the relations of a generation, for the next
	// statement that wants the same.
	base, shown *catalog.Snapshot
	gen         uint64
}

// tempStart is the least key of a temporary relation.
var tempStart = keys.TablePrefix(catalog.TempStorage)

func isTempKey(key keys.User) bool {
	return len(key) > 0 && key[0] == keys.PrefixTable && bytes.Compare(key, tempStart) >= 0
}

// withTemp adds the session's temporary relations, as the transaction has changed
// them, to a snapshot of all others.
func (s *Session) withTemp(snap *catalog.Snapshot) *catalog.Snapshot {
	if s.temp == nil {
		return snap
	}
	desc := s.temp.desc
	if t := s.tx.snap; t != nil && t.TempGen() != desc.Gen() {
		desc = t.Temp()
	}
	if desc == nil {
		return snap
	}
	if c := s.temp; c.base != snap || c.gen != desc.Gen() {
		c.base, c.gen, c.shown = snap, desc.Gen(), snap.WithTemp(desc)
	}
	return s.temp.shown
}

// enableTemp lets the transaction work on the session's temporary rows.
func (s *Session) enableTemp() {
	if _, ok := s.tx.tx.(*tempTxn); ok {
		return
	}
	if s.temp == nil {
		s.temp = &tempState{sequences: map[uint64]seqState{}}
	}
	s.tx.tx = &tempTxn{Txn: s.tx.tx, rows: s.temp.rows.fork(), before: s.temp.rows.fork()}
}

// tempChanged reports whether the transaction has changed temporary relations or rows.
func (s *Session) tempChanged() bool {
	t, ok := s.tx.tx.(*tempTxn)
	return ok && (t.rows.root != s.temp.rows.root || s.tx.snap != nil && s.tx.snap.TempGen() != s.temp.desc.Gen())
}

// endTemp does what the end of a transaction does to temporary tables and returns what
// is to be the session's when it has committed; nil if nothing has changed.
func (s *Session) endTemp(ctx context.Context) (*tempState, error) {
	t, ok := s.tx.tx.(*tempTxn)
	if !ok || s.tx.snap == nil {
		return nil, nil
	}
	d := &ddl{s: s}
	var gone []*catalog.Table
	for _, x := range s.tx.snap.Temp().Tables() {
		switch x.OnCommit {
		case catalog.DeleteRows:
			start := keys.TablePrefix(x.StorageID)
			t.rows.deleteRange(start, keys.PrefixEnd(start))
		case catalog.DropTable:
			gone = append(gone, x)
		}
	}
	if err := d.dropTemp(ctx, gone); err != nil {
		return nil, err
	}
	if !s.tempChanged() {
		return nil, nil
	}
	next := *s.temp
	next.rows = t.rows
	if s.tx.snap.TempGen() != s.temp.desc.Gen() {
		next.desc = s.tx.snap.Temp()
		next.sweep()
	}
	return &next, nil
}

// sweep forgets rows and states that no relation refers to any more.
func (t *tempState) sweep() {
	live := map[uint64]*catalog.Table{}
	for _, x := range t.desc.Tables() {
		live[x.StorageID] = x
	}
	for start := tempStart; ; {
		it := t.rows.scan(start, keys.User{keys.PrefixTable + 1}, false)
		ok, _ := it.Next(context.Background())
		if !ok {
			break
		}
		storage, index, _, err := keys.DecodeIndexPrefix(it.Key())
		if err != nil {
			break
		}
		start = keys.IndexPrefix(storage, index)
		if x := live[storage]; x == nil || x.Index(index) == nil {
			t.rows.deleteRange(start, keys.PrefixEnd(start))
		}
		start = keys.PrefixEnd(start)
	}
	for storage := range t.sequences {
		if live[storage] == nil {
			delete(t.sequences, storage)
		}
	}
}

// dropTemp drops temporary relations with what depends on them, and says nothing.
func (d *ddl) dropTemp(ctx context.Context, list []*catalog.Table) error {
	if len(list) == 0 {
		return nil
	}
	r := &removal{d: d, gone: map[catalog.ID]bool{}}
	for _, t := range list {
		r.addTable(t)
	}
	for _, t := range list {
		r.followTable(t)
	}
	return d.change(ctx, func(ch *catalog.Change) error { return r.carryOut(ctx, ch) })
}

// discardTemp is DISCARD TEMP.
func (s *Session) discardTemp(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	d := &ddl{s: s}
	return d.dropTemp(ctx, s.tx.snap.Temp().Tables())
}

// tempTxn is a transaction of a session that has temporary relations: what concerns
// their rows stays here.
type tempTxn struct {
	Txn
	rows   tempRows
	before tempRows // for savepoints of the time before
}

// tempSavepoint is a savepoint with the rows at it.
type tempSavepoint struct {
	inner any
	rows  tempRows
}

func (t *tempTxn) kv() tempKV           { return tempKV{t.Txn, t} }
func (t *tempTxn) Statement() exec.KV   { return tempKV{t.Txn.Statement(), t} }
func (t *tempTxn) Savepoint() any       { return &tempSavepoint{t.Txn.Savepoint(), t.rows.fork()} }
func (t *tempTxn) Release(sp any) error { return t.Txn.Release(innerSavepoint(sp)) }

func innerSavepoint(sp any) any {
	if ts, ok := sp.(*tempSavepoint); ok {
		return ts.inner
	}
	return sp
}

func (t *tempTxn) RollbackTo(ctx context.Context, sp any, release bool) error {
	if err := t.Txn.RollbackTo(ctx, innerSavepoint(sp), release); err != nil {
		return err
	}
	if ts, ok := sp.(*tempSavepoint); ok {
		t.rows = ts.rows.fork()
	} else {
		t.rows = t.before.fork()
	}
	return nil
}

func (t *tempTxn) Get(ctx context.Context, key keys.User) ([]byte, error) {
	return t.kv().Get(ctx, key)
}
func (t *tempTxn) BatchGet(ctx context.Context, list []keys.User) ([][]byte, error) {
	return t.kv().BatchGet(ctx, list)
}
func (t *tempTxn) Scan(ctx context.Context, start, end keys.User, o exec.ScanOptions) (exec.Iterator, error) {
	return t.kv().Scan(ctx, start, end, o)
}
func (t *tempTxn) Put(ctx context.Context, key keys.User, value []byte) error {
	return t.kv().Put(ctx, key, value)
}
func (t *tempTxn) Update(ctx context.Context, key keys.User, value []byte) error {
	return t.kv().Update(ctx, key, value)
}
func (t *tempTxn) Insert(ctx context.Context, pairs []exec.Pair) error {
	return t.kv().Insert(ctx, pairs)
}
func (t *tempTxn) Delete(ctx context.Context, key keys.User) error { return t.kv().Delete(ctx, key) }
func (t *tempTxn) LockRows(ctx context.Context, list []keys.User, l exec.RowLocking) ([]exec.LockedRow, error) {
	return t.kv().LockRows(ctx, list, l)
}

func (t *tempTxn) Each(ctx context.Context, start, end keys.User, fn func(key, value []byte) error) error {
	if !isTempKey(start) {
		return t.Txn.Each(ctx, start, end, fn)
	}
	it := t.rows.scan(start, end, false)
	for {
		if ok, err := it.Next(ctx); !ok {
			return err
		}
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
}

// tempKV is the transaction, or one statement's view of it. What comes in one call is
// of one table.
type tempKV struct {
	exec.KV
	t *tempTxn
}

func (k tempKV) Get(ctx context.Context, key keys.User) ([]byte, error) {
	if isTempKey(key) {
		return k.t.rows.get(key), nil
	}
	return k.KV.Get(ctx, key)
}

func (k tempKV) BatchGet(ctx context.Context, list []keys.User) ([][]byte, error) {
	if len(list) == 0 || !isTempKey(list[0]) {
		return k.KV.BatchGet(ctx, list)
	}
	out := make([][]byte, len(list))
	for i, key := range list {
		out[i] = k.t.rows.get(key)
	}
	return out, nil
}

func (k tempKV) Scan(ctx context.Context, start, end keys.User, o exec.ScanOptions) (exec.Iterator, error) {
	if isTempKey(start) {
		return k.t.rows.scan(start, end, o.Reverse), nil
	}
	return k.KV.Scan(ctx, start, end, o)
}

func (k tempKV) Put(ctx context.Context, key keys.User, value []byte) error {
	if isTempKey(key) {
		return k.t.rows.put(string(key), value)
	}
	return k.KV.Put(ctx, key, value)
}

func (k tempKV) Update(ctx context.Context, key keys.User, value []byte) error {
	if isTempKey(key) {
		return k.t.rows.put(string(key), value)
	}
	return k.KV.Update(ctx, key, value)
}

func (k tempKV) Insert(ctx context.Context, pairs []exec.Pair) error {
	if len(pairs) == 0 || !isTempKey(pairs[0].Key) {
		return k.KV.Insert(ctx, pairs)
	}
	seen := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		if seen[string(p.Key)] || k.t.rows.get(p.Key) != nil {
			return &exec.DuplicateError{Key: p.Key}
		}
		seen[string(p.Key)] = true
	}
	for _, p := range pairs {
		if err := k.t.rows.put(string(p.Key), p.Value); err != nil {
			return err
		}
	}
	return nil
}

func (k tempKV) Delete(ctx context.Context, key keys.User) error {
	if isTempKey(key) {
		k.t.rows.delete(key)
		return nil
	}
	return k.KV.Delete(ctx, key)
}

// LockRows has nobody to lock temporary rows against.
func (k tempKV) LockRows(ctx context.Context, list []keys.User, l exec.RowLocking) ([]exec.LockedRow, error) {
	if len(list) == 0 || !isTempKey(list[0]) {
		return k.KV.LockRows(ctx, list, l)
	}
	out := make([]exec.LockedRow, len(list))
	for i, key := range list {
		out[i].Value = k.t.rows.get(key)
		out[i].Locked = out[i].Value != nil
	}
	return out, nil
}

// Later is a later view of what is not temporary.
func (k tempKV) Later(ts timestamp.Timestamp) (exec.KV, error) {
	kv, err := k.KV.Later(ts)
	return tempKV{kv, k.t}, err
}

// onlyTemp reports whether a statement writes and locks rows of temporary tables
// alone, as it may in a read-only transaction.
func onlyTemp(p *plan.Plan) bool {
	return !slices.ContainsFunc(p.Needs, func(n *plan.Need) bool {
		return !n.Table.Temp && (n.Privileges&^catalog.Select != 0 || n.Inserted != nil || n.Updated != nil)
	})
}

// relationIn finds the schema for a new relation, which may be that of temporary ones.
func (d *ddl) relationIn(ctx context.Context, n ast.Name, p ast.Persistence) (*catalog.Schema, error) {
	temp := p == ast.Temporary
	switch sc := d.snap().TempSchema(); {
	case n.Schema == "pg_temp" || sc != nil && n.Schema == sc.Name:
		temp = true
	case n.Schema != "" && temp:
		return nil, d.at(sqlerr.New(sqlerr.InvalidTableDefinition, "cannot create temporary relation in non-temporary schema"), n)
	case n.Schema == "":
		temp = temp || d.s.createsInTemp()
	}
	if !temp {
		return d.newIn(n)
	}
	if p == ast.Unlogged {
		return nil, d.at(sqlerr.New(sqlerr.InvalidTableDefinition, "only temporary relations may be created in temporary schemas"), n)
	}
	return d.tempSchema(ctx)
}

// createsInTemp reports whether pg_temp is the first schema of the search path.
func (s *Session) createsInTemp() bool {
	for _, p := range s.settings.path {
		if p == "pg_temp" {
			return true
		}
		if p == "$user" {
			p = s.user()
		}
		if s.searches(s.tx.snap, p) {
			return false
		}
	}
	return false
}

// tempSchema returns the schema of temporary relations, making it if need be.
func (d *ddl) tempSchema(ctx context.Context) (*catalog.Schema, error) {
	d.s.enableTemp()
	if sc := d.snap().TempSchema(); sc != nil {
		return sc, nil
	}
	me, err := d.s.me()
	if err != nil {
		return nil, err
	}
	info := d.snap().Database()
	if d.snap().Has(catalog.ClassDatabase.Of(info.ACL, info.Owner), me.ID, catalog.Temporary) == 0 {
		return nil, denyRole("permission denied to create temporary tables in database %q", databaseName)
	}
	err = d.change(ctx, func(ch *catalog.Change) error {
		return ch.PutTempSchema(ctx, "pg_temp_"+itoa(int(d.s.params.ProcessID)))
	})
	return d.snap().TempSchema(), err
}

// onCommit is the ON COMMIT clause of a new table.
func onCommit(c ast.OnCommit, sc *catalog.Schema) (catalog.OnCommit, error) {
	if c != ast.OnCommitNone && sc.ID != catalog.SchemaTemp {
		return 0, sqlerr.New(sqlerr.InvalidTableDefinition, "ON COMMIT can only be used on temporary tables")
	}
	switch c {
	case ast.OnCommitDelete:
		return catalog.DeleteRows, nil
	case ast.OnCommitDrop:
		return catalog.DropTable, nil
	}
	return catalog.PreserveRows, nil
}

// storageOf is the number that rows are to lie under, made from a new object's.
func storageOf(id catalog.ID, temp bool) uint64 {
	if temp {
		return catalog.TempStorage | uint64(id)
	}
	return uint64(id)
}
