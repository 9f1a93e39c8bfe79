package sql

import (
	"context"
	"errors"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// Store begins transactions. Errors of its transactions are those of package txn
// or of package sqlerr.
type Store interface {
	Begin(TxnOptions) (Txn, error)
	// Advisory makes a session's claim to advisory locks; nil: there are none.
	Advisory(txn.Owner) AdvisoryLocks
}

// TxnOptions says what kind of transaction to begin.
type TxnOptions struct {
	ReadOnly bool
	// Autocommit says that nothing is told to the client before the commit.
	Autocommit bool
	// Pessimistic says that it has failed without row locks before.
	Pessimistic bool
	Isolation   txn.Isolation
	// Owner is the session.
	Owner txn.Owner
}

// Txn is one transaction. It belongs to one goroutine.
type Txn interface {
	exec.KV
	catalog.Writer
	// Start waits for the snapshot; it comes before everything else.
	Start(ctx context.Context) error
	HasWrites() bool
	// NewSnapshot makes a READ COMMITTED transaction see what is committed now.
	NewSnapshot(ctx context.Context) error
	// ReadAt makes a transaction in which nothing was read or written a read-only one that
	// sees what was committed at or below ts, which is not above its ReadTS.
	ReadAt(ctx context.Context, ts timestamp.Timestamp) error
	// SetIsolation changes the level before anything was read or written.
	SetIsolation(txn.Isolation)
	// Prepare tells what the next statement is and how it locks.
	Prepare(StatementOptions)
	// Statement returns the transaction as the present statement sees it, for as long
	// as that lasts.
	Statement() exec.KV
	// Savepoint marks the writes so far; RollbackTo undoes later ones and, with
	// release, gives up the row locks that were taken since.
	Savepoint() any
	RollbackTo(ctx context.Context, sp any, release bool) error
	Release(sp any) error
	// Commit ends the transaction. bound gives the highest commit timestamp, 0 for
	// none.
	Commit(ctx context.Context, bound func() timestamp.Timestamp) error
	Rollback(ctx context.Context)
}

// StatementOptions is what a transaction needs to know of a statement.
type StatementOptions struct {
	Text        string
	LockTimeout time.Duration // 0: none
	// Bulk: many rows are written, and conflicts may wait for the commit.
	Bulk bool
	// Lock: rows are locked even if the transaction is a single statement.
	Lock bool
}

// TxnStore makes transactions of a cluster.
func TxnStore(c *txn.Client) Store { return txnStore{c} }

type txnStore struct{ c *txn.Client }

func (s txnStore) Begin(o TxnOptions) (Txn, error) {
	t, err := s.c.BeginAsync(txn.TxnOptions{
		Isolation: o.Isolation, ReadOnly: o.ReadOnly, Autocommit: o.Autocommit, Pessimistic: o.Pessimistic,
		// Whether the schema is still the one that was read is checked by its lease.
		Unchecked: []byte{keys.PrefixSystem},
	})
	if err != nil {
		return nil, err
	}
	t.SetOwner(o.Owner)
	return &clusterTxn{t: t}, nil
}

func (s txnStore) Advisory(o txn.Owner) AdvisoryLocks { return clusterAdvisory{s.c.NewAdvisory(o)} }

type clusterAdvisory struct{ *txn.Advisory }

func (a clusterAdvisory) Lock(ctx context.Context, key []byte, mode txn.LockMode, o StatementOptions, wait bool) error {
	policy := txn.LockBlock
	if !wait {
		policy = txn.LockNoWait
	}
	return a.Advisory.Lock(ctx, key, mode, policy, o.LockTimeout, o.Text)
}

// clusterTxn fits a txn.Txn to the interfaces of this side.
type clusterTxn struct {
	t      *txn.Txn
	readTS timestamp.Timestamp
}

func (t *clusterTxn) Start(ctx context.Context) (err error) {
	t.readTS, err = t.t.ReadTS(ctx)
	return err
}

func (t *clusterTxn) ReadTS() timestamp.Timestamp { return t.readTS }
func (t *clusterTxn) HasWrites() bool             { return t.t.HasWrites() }

// Requests counts the reads that were sent to regions, for EXPLAIN.
func (t *clusterTxn) Requests() int64 { return t.t.Requests() }

func (t *clusterTxn) Get(ctx context.Context, key keys.User) ([]byte, error) {
	v, found, err := t.t.Get(ctx, key)
	if err != nil || !found {
		return nil, err
	}
	return v, nil
}

func (t *clusterTxn) BatchGet(ctx context.Context, list []keys.User) ([][]byte, error) {
	raw := make([][]byte, len(list))
	for i, k := range list {
		raw[i] = k
	}
	got, err := t.t.BatchGet(ctx, raw)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(got))
	for i, r := range got {
		if r.Found {
			out[i] = r.Value
		}
	}
	return out, nil
}

func (t *clusterTxn) Scan(_ context.Context, start, end keys.User, o exec.ScanOptions) (exec.Iterator, error) {
	it := t.t.Scan(txn.ScanOptions{Start: start, End: end, Reverse: o.Reverse, LimitHint: int(min(o.Limit, 1<<30))})
	return clusterIterator{it}, nil
}

type clusterIterator struct{ it *txn.Iterator }

func (i clusterIterator) Next(ctx context.Context) (bool, error) {
	if i.it.Next(ctx) {
		return true, nil
	}
	return false, i.it.Err()
}
func (i clusterIterator) Key() []byte   { return i.it.Key() }
func (i clusterIterator) Value() []byte { return i.it.Value() }
func (i clusterIterator) Close()        { i.it.Close() }

func (t *clusterTxn) Each(ctx context.Context, start, end keys.User, fn func(k, v []byte) error) error {
	it, err := t.Scan(ctx, start, end, exec.ScanOptions{})
	if err != nil {
		return err
	}
	defer it.Close()
	for {
		ok, err := it.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
}

func (t *clusterTxn) Put(_ context.Context, key keys.User, value []byte) error {
	return t.t.Put(key, value)
}
func (t *clusterTxn) Update(_ context.Context, key keys.User, value []byte) error {
	return t.t.Update(key, value)
}
func (t *clusterTxn) Delete(_ context.Context, key keys.User) error { return t.t.Delete(key) }
func (t *clusterTxn) Locking() bool                                 { return t.t.Locking() }

func (t *clusterTxn) LockRows(ctx context.Context, list []keys.User, l exec.RowLocking) ([]exec.LockedRow, error) {
	raw := make([][]byte, len(list))
	for i, k := range list {
		raw[i] = k
	}
	policy := [...]txn.LockPolicy{exec.LockBlock: txn.LockBlock, exec.LockNoWait: txn.LockNoWait, exec.LockSkip: txn.LockSkip}[l.Wait]
	var (
		got []txn.RowLock
		err error
	)
	switch {
	case l.Most > 0 && l.Wait == exec.LockSkip:
		got, err = t.t.LockSome(ctx, raw, txn.LockMode(l.Mode), l.Most)
	case l.KeyOnly:
		got, err = t.t.LockKeys(ctx, raw, policy)
	default:
		got, err = t.t.LockRows(ctx, raw, txn.LockMode(l.Mode), policy)
	}
	if err != nil {
		return nil, err
	}
	out := make([]exec.LockedRow, len(got))
	for i, r := range got {
		out[i].Locked = r.Locked
		out[i].Present, out[i].Known = r.Found, r.Known
		if r.Found {
			out[i].Value = r.Value
		}
	}
	return out, nil
}

// Later is where foreign keys look at what others may have added since the snapshot.
func (t *clusterTxn) Later(ts timestamp.Timestamp) (exec.KV, error) {
	if t.t.Isolation() != txn.ReadCommitted {
		return nil, sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent update").
			WithDetail("A row that others may refer to was locked by another transaction, which has committed at %s, after the snapshot at %s.", ts, t.readTS).
			WithHint("The transaction might succeed if retried.")
	}
	return laterView{statementView{t, ts}}, nil
}

// laterView is a view whose writes are made by its snapshot too.
type laterView struct{ statementView }

func (v laterView) Put(ctx context.Context, key keys.User, value []byte) error {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.Put(ctx, key, value)
}

func (v laterView) Update(ctx context.Context, key keys.User, value []byte) error {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.Update(ctx, key, value)
}

func (v laterView) Insert(ctx context.Context, pairs []exec.Pair) error {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.Insert(ctx, pairs)
}

func (v laterView) Delete(ctx context.Context, key keys.User) error {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.Delete(ctx, key)
}

func (t *clusterTxn) NewSnapshot(ctx context.Context) error {
	if err := t.t.NewReadSnapshot(ctx); err != nil {
		return err
	}
	return t.Start(ctx)
}

func (t *clusterTxn) ReadAt(ctx context.Context, ts timestamp.Timestamp) error {
	if err := t.t.ReadAt(ctx, ts); err != nil {
		return err
	}
	return t.Start(ctx)
}

func (t *clusterTxn) SetIsolation(l txn.Isolation) { t.t.SetIsolation(l) }

func (t *clusterTxn) Prepare(o StatementOptions) {
	t.t.SetStatement(o.Text)
	t.t.SetLockTimeout(o.LockTimeout)
	t.t.SetBulk(o.Bulk)
	if o.Lock {
		t.t.SetPessimistic()
	}
}

func (t *clusterTxn) Statement() exec.KV { return statementView{t, t.readTS} }

// statementView is a transaction with the snapshot of one of its statements.
type statementView struct {
	*clusterTxn
	ts timestamp.Timestamp
}

func (v statementView) ReadTS() timestamp.Timestamp { return v.ts }

func (v statementView) Get(ctx context.Context, key keys.User) ([]byte, error) {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.Get(ctx, key)
}

func (v statementView) BatchGet(ctx context.Context, list []keys.User) ([][]byte, error) {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.BatchGet(ctx, list)
}

func (v statementView) Scan(ctx context.Context, start, end keys.User, o exec.ScanOptions) (exec.Iterator, error) {
	it, err := v.clusterTxn.Scan(ctx, start, end, o)
	return viewIterator{it, v}, err
}

func (v statementView) LockRows(ctx context.Context, list []keys.User, l exec.RowLocking) ([]exec.LockedRow, error) {
	defer v.t.UseSnapshot(v.ts)()
	return v.clusterTxn.LockRows(ctx, list, l)
}

type viewIterator struct {
	exec.Iterator
	v statementView
}

func (i viewIterator) Next(ctx context.Context) (bool, error) {
	defer i.v.t.UseSnapshot(i.v.ts)()
	return i.Iterator.Next(ctx)
}

func (t *clusterTxn) Insert(ctx context.Context, pairs []exec.Pair) error {
	items := make([]txn.KeyValue, len(pairs))
	for i, p := range pairs {
		items[i] = txn.KeyValue{Key: p.Key, Value: p.Value}
	}
	err := t.t.InsertBatch(ctx, items)
	var dup *txn.AlreadyExistsError
	if errors.As(err, &dup) {
		return &exec.DuplicateError{Key: dup.Key, Unseen: dup.CommitTS > t.readTS}
	}
	return err
}

func (t *clusterTxn) Savepoint() any { return t.t.Savepoint() }
func (t *clusterTxn) RollbackTo(ctx context.Context, sp any, release bool) error {
	err := t.t.RollbackTo(sp.(txn.Savepoint))
	if err == nil && release {
		t.t.ReleaseLocksTo(ctx, sp.(txn.Savepoint))
	}
	return err
}
func (t *clusterTxn) Release(sp any) error { return t.t.Release(sp.(txn.Savepoint)) }

func (t *clusterTxn) Commit(ctx context.Context, bound func() timestamp.Timestamp) error {
	opts := txn.CommitOptions{}
	if bound != nil {
		opts.MaxCommitTS = func() timestamp.Timestamp {
			if b := bound(); b != catalog.Stale {
				return b
			}
			return txn.BoundNever
		}
	}
	return t.t.Commit(ctx, opts)
}
func (t *clusterTxn) Rollback(ctx context.Context) { _ = t.t.Rollback(ctx) }
