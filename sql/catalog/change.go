package catalog

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// Change is one transaction's modification of the catalog. Every method writes
// through the transaction at once; Snapshot gives the state that the statements
// after it see. Not safe for concurrent use.
type Change struct {
	c    *Catalog
	w    Writer
	snap *Snapshot // the transaction's own copy once something was changed
	own  bool
}

// Change begins to modify s within the transaction w. s is a snapshot that At
// returned for the same transaction, or the Snapshot of an earlier Change.
func (c *Catalog) Change(w Writer, s *Snapshot) *Change {
	return &Change{c: c, w: w, snap: s}
}

// Snapshot returns the catalog with the changes made so far. The Change must not
// be used any more afterwards.
func (ch *Change) Snapshot() *Snapshot {
	ch.own = false
	return ch.snap
}

// begin is called before each change; temp says that it is of the session alone, and
// then nothing is written.
func (ch *Change) begin(ctx context.Context, temp bool) error {
	if !temp && ch.snap.changed == 0 {
		if err := ch.raise(ctx); err != nil {
			return err
		}
	}
	if !ch.own {
		ch.snap = ch.snap.clone()
		ch.own = true
	}
	if temp {
		ch.snap.tempGen = ch.c.tempGen.Add(1)
		return nil
	}
	ch.snap.changed++
	return nil
}

// raise writes the next schema version, which also makes concurrent DDL
// transactions conflict.
func (ch *Change) raise(ctx context.Context) error {
	// With a lease the snapshot may be a step behind the transaction's read
	// timestamp, and a change must start from the latest state.
	v, err := readUint(ctx, ch.w, versionKey())
	if err != nil {
		return sqlerr.Wrap(err, "read schema version")
	}
	if v != ch.snap.version {
		return sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent schema change").
			WithDetail("The transaction uses schema version %d, the cluster has reached %d.", ch.snap.version, v)
	}
	if l := ch.c.opts.Lease; l != nil && v > 0 {
		// The step before this one must be complete, or three versions would be in
		// use at once.
		if err := l.Publish(ctx, v); err != nil {
			return sqlerr.Wrap(err, "wait for schema version %d", v)
		}
	}
	return ch.w.Put(ctx, versionKey(), binary.AppendUvarint(nil, v+1))
}

// NewID returns the id of a new object.
func (ch *Change) NewID(ctx context.Context) (ID, error) {
	var id uint64
	var err error
	if ch.c.opts.IDs != nil {
		id, err = ch.c.opts.IDs.NextID(ctx)
	} else {
		id, err = readUint(ctx, ch.w, counterKey())
		id = max(id, uint64(FirstUserID))
		if err == nil {
			err = ch.w.Put(ctx, counterKey(), binary.AppendUvarint(nil, id+1))
		}
	}
	if err != nil {
		return 0, sqlerr.Wrap(err, "allocate an object id")
	}
	if id < uint64(FirstUserID) || id > 1<<32-1 {
		return 0, sqlerr.New(sqlerr.ProgramLimitExceeded, "object id %d is out of range", id)
	}
	return ID(id), nil
}

// PutTable adds a table or replaces the one of the same id. It takes over t,
// validates it and raises its version.
func (ch *Change) PutTable(ctx context.Context, t *Table) error {
	if err := ch.begin(ctx, t.Temp); err != nil {
		return err
	}
	t.Version++
	if err := t.Validate(); err != nil {
		return err
	}
	if err := ch.writeTable(ctx, t); err != nil {
		return err
	}
	if old := ch.snap.tables[t.ID]; old != nil {
		ch.snap.removeTable(old)
		if old.StorageID != t.StorageID && t.IsTable() && !t.Temp {
			if err := ch.garbage(ctx, Garbage{Storage: old.StorageID, Table: old.ID, Reason: "rewritten"}); err != nil {
				return err
			}
		}
	}
	for i := range t.Columns {
		t.Columns[i].Type = ch.snap.attached(t.Columns[i].Type)
	}
	t.eachKeyType(func(c *IndexColumn) { c.Type = ch.snap.attached(c.Type) })
	ch.snap.addTable(t)
	if ch.snap.rowInUse(t) {
		ch.snap.link()
	} else {
		ch.snap.linkTable(t)
	}
	return nil
}

// writeTable writes the descriptor of a table that is not temporary.
func (ch *Change) writeTable(ctx context.Context, t *Table) error {
	if t.Temp {
		return nil
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Dropped && ch.snap.TempType(c.Type) {
			return sqlerr.Unsupported("a column of the row type of a temporary table in one that is not")
		}
	}
	return ch.write(ctx, t.ID, descriptor{Table: t})
}

// DropTable removes a table. Its rows become garbage; those of a temporary one are up
// to its session.
func (ch *Change) DropTable(ctx context.Context, t *Table) error {
	if err := ch.begin(ctx, t.Temp); err != nil {
		return err
	}
	if t.Temp {
		ch.snap.removeTable(ch.snap.tables[t.ID])
		return nil
	}
	if err := ch.w.Delete(ctx, descKey(t.ID)); err != nil {
		return err
	}
	ch.snap.removeTable(ch.snap.tables[t.ID])
	if t.Sequence != nil {
		return ch.w.Delete(ctx, SequenceKey(t.StorageID))
	}
	if !t.IsTable() {
		return nil
	}
	return ch.garbage(ctx, Garbage{Storage: t.StorageID, Table: t.ID, Reason: "dropped"})
}

// DropIndexData records that the entries of an index that a table no longer has
// are garbage.
func (ch *Change) DropIndexData(ctx context.Context, t *Table, number uint64) error {
	if t.Temp {
		return nil
	}
	return ch.garbage(ctx, Garbage{Storage: t.StorageID, Index: number, Table: t.ID, Reason: "index dropped"})
}

// PutSchema adds a schema or replaces the one of the same id.
func (ch *Change) PutSchema(ctx context.Context, s *Schema) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.write(ctx, s.ID, descriptor{Schema: s}); err != nil {
		return err
	}
	ch.snap.putSchema(s)
	return nil
}

// DropSchema removes a schema, which must be empty.
func (ch *Change) DropSchema(ctx context.Context, s *Schema) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.w.Delete(ctx, descKey(s.ID)); err != nil {
		return err
	}
	ch.snap.removeSchema(s)
	return nil
}

func (ch *Change) write(ctx context.Context, id ID, d descriptor) error {
	b, err := encodeDesc(d)
	if err != nil {
		return err
	}
	return ch.w.Put(ctx, descKey(id), b)
}

// Committed is to be called after the commit of a transaction that made changes
// up to s. It returns once no node works with the version before.
func (c *Catalog) Committed(ctx context.Context, s *Snapshot) error {
	if s.changed == 0 || c.opts.Lease == nil {
		return nil
	}
	if err := c.opts.Lease.Publish(ctx, s.version+1); err != nil {
		return sqlerr.Wrap(err, "publish schema version %d", s.version+1)
	}
	return nil
}

// AwaitPublished returns once no node works with a version before the given one, which
// is committed. s is the caller's snapshot.
func (c *Catalog) AwaitPublished(ctx context.Context, s *Snapshot, version uint64) error {
	// At most two adjacent versions are at work.
	if c.opts.Lease == nil || s.version > version || c.published.Load() >= version {
		return nil
	}
	if err := c.opts.Lease.Publish(ctx, version); err != nil {
		return sqlerr.Wrap(err, "publish schema version %d", version)
	}
	for {
		old := c.published.Load()
		if old >= version || c.published.CompareAndSwap(old, version) {
			return nil
		}
	}
}

// Changed reports whether the transaction has changed the catalog.
func (s *Snapshot) Changed() bool { return s.changed > 0 }

// Garbage is storage that nothing refers to any more. Old snapshots may read it
// until they are below the garbage collector's safe point.
type Garbage struct {
	Storage uint64
	Index   uint64 // 0 for the whole table
	Table   ID
	Reason  string
}

func (ch *Change) garbage(ctx context.Context, g Garbage) error {
	key := keys.AppendUint(keys.AppendUint(garbagePrefix(), g.Storage), g.Index)
	val := binary.AppendUvarint([]byte{1}, uint64(g.Table))
	return ch.w.Put(ctx, key, append(val, g.Reason...))
}

// EachGarbage calls fn for every recorded piece of garbage.
func (c *Catalog) EachGarbage(ctx context.Context, r Reader, fn func(Garbage) error) error {
	start := garbagePrefix()
	return r.Each(ctx, start, keys.PrefixEnd(start), func(key, value []byte) error {
		var g Garbage
		rest, storage, err := keys.DecodeUint(key[len(start):])
		if err == nil {
			_, g.Index, err = keys.DecodeUint(rest)
		}
		if err != nil || len(value) == 0 || value[0] != 1 {
			return fmt.Errorf("garbage record %x: unknown format", key)
		}
		g.Storage = storage
		id, n := binary.Uvarint(value[1:])
		if n <= 0 {
			return fmt.Errorf("garbage record %x: bad table id", key)
		}
		g.Table, g.Reason = ID(id), string(value[1+n:])
		return fn(g)
	})
}

// ForgetGarbage drops the record of garbage that has been deleted.
func (c *Catalog) ForgetGarbage(ctx context.Context, w Writer, g Garbage) error {
	return w.Delete(ctx, keys.AppendUint(keys.AppendUint(garbagePrefix(), g.Storage), g.Index))
}

// Current returns the catalog as changed so far, for looking at only.
func (ch *Change) Current() *Snapshot { return ch.snap }
