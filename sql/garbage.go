package sql

import (
	"context"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/storage/keys"
)

// Garbage is storage that no statement refers to any more: of a table that was
// dropped, truncated or rewritten, or of an index that was dropped.
type Garbage catalog.Garbage

// Span returns the keys of the storage.
func (g Garbage) Span() Span {
	start := keys.TablePrefix(g.Storage)
	if g.Index != 0 {
		start = keys.IndexPrefix(g.Storage, g.Index)
	}
	return Span{start, keys.PrefixEnd(start)}
}

// Garbage lists what there is, and the timestamp of the snapshot in which it was
// found: all of it was given up before.
func (e *Engine) Garbage(ctx context.Context) (list []Garbage, at timestamp.Timestamp, err error) {
	t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer t.Rollback(ctx)
	if err := t.Start(ctx); err != nil {
		return nil, 0, err
	}
	err = e.catalog.EachGarbage(ctx, t, func(g catalog.Garbage) error {
		list = append(list, Garbage(g))
		return nil
	})
	return list, t.ReadTS(), err
}

// ForgetGarbage drops the record of storage that has been deleted.
func (e *Engine) ForgetGarbage(ctx context.Context, g Garbage) error {
	t, err := e.o.Store.Begin(TxnOptions{})
	if err != nil {
		return err
	}
	defer t.Rollback(ctx)
	if err := t.Start(ctx); err != nil {
		return err
	}
	if err := e.catalog.ForgetGarbage(ctx, t, catalog.Garbage(g)); err != nil {
		return err
	}
	return t.Commit(ctx, nil)
}
