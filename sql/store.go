package sql

import (
	"context"
	"errors"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// Store begins transactions. Errors of its transactions are those of package txn
// or of package sqlerr.
type Store interface {
	Begin(TxnOptions) (Txn, error)
}

// TxnOptions says what kind of transaction to begin.
type TxnOptions struct {
	ReadOnly bool
	// Autocommit says that nothing is told to the client before the commit.
	Autocommit bool
}

// Txn is one transaction. It belongs to one goroutine.
type Txn interface {
	exec.KV
	catalog.Writer
	// Start waits for the snapshot; it comes before everything else.
	Start(ctx context.Context) error
	HasWrites() bool
	// Savepoint marks the writes so far; RollbackTo undoes later ones.
	Savepoint() any
	RollbackTo(sp any) error
	Release(sp any) error
	// Commit ends the transaction. bound gives the highest commit timestamp, 0 for
	// none.
	Commit(ctx context.Context, bound func() timestamp.Timestamp) error
	Rollback(ctx context.Context)
}

// TxnStore makes transactions of a cluster.
func TxnStore(c *txn.Client) Store { return txnStore{c} }

type txnStore struct{ c *txn.Client }

func (s txnStore) Begin(o TxnOptions) (Txn, error) {
	t, err := s.c.BeginAsync(txn.TxnOptions{Isolation: txn.RepeatableRead, ReadOnly: o.ReadOnly, Autocommit: o.Autocommit})
	if err != nil {
		return nil, err
	}
	return &clusterTxn{t: t}, nil
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
func (t *clusterTxn) Delete(_ context.Context, key keys.User) error { return t.t.Delete(key) }
func (t *clusterTxn) Lock(_ context.Context, key keys.User) error   { return t.t.LockKey(key) }

func (t *clusterTxn) Insert(ctx context.Context, pairs []exec.Pair) error {
	items := make([]txn.KeyValue, len(pairs))
	for i, p := range pairs {
		items[i] = txn.KeyValue{Key: p.Key, Value: p.Value}
	}
	err := t.t.InsertBatch(ctx, items)
	var dup *txn.AlreadyExistsError
	if errors.As(err, &dup) {
		return &exec.DuplicateError{Key: dup.Key}
	}
	return err
}

func (t *clusterTxn) Savepoint() any { return t.t.Savepoint() }
func (t *clusterTxn) RollbackTo(sp any) error {
	return t.t.RollbackTo(sp.(txn.Savepoint))
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
