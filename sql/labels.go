package sql

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// A label that ALTER TYPE … ADD VALUE brings may be written from the schema version
// after its own, when every node knows it. The statement makes that version once it has
// committed. If its node dies in between, whoever wants to write the label makes it.

// finishLabelsTimeout is longer than a node that is gone keeps its schema lease.
const finishLabelsTimeout = 30 * time.Second

// publishLabel ends ALTER TYPE … ADD VALUE.
func (e *Engine) publishLabel(ctx context.Context) error {
	// The label is there already: nothing is to fail any more, whatever becomes of the
	// client.
	if err := e.finishLabels(context.WithoutCancel(ctx)); err != nil {
		e.o.Logger.Warn("make new enum labels usable", "err", err)
	}
	return nil
}

// finishLabels makes one more version of the schema, in which the labels of the present
// one may be written. It does nothing if that has none.
func (e *Engine) finishLabels(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, finishLabelsTimeout)
	defer cancel()
	return e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		if !snap.HasNewLabels() {
			return snap, nil
		}
		ch := e.catalog.Change(tx, snap)
		err := ch.Touch(ctx)
		return ch.Snapshot(), err
	})
}

// labelsFinished is called with the error of a statement in its own transaction, of
// which nothing was sent and which has changed nothing. If it wanted to write a label
// that nobody has made usable that is done now, the transaction is over, and true says
// that the statement is to be run again.
func (s *Session) labelsFinished(ctx context.Context, err error) bool {
	if s.status != pgwire.TxIdle && s.status != 0 || s.tx != nil && (s.tx.block || s.tx.snap != nil && s.tx.snap.Changed()) ||
		!sqlerr.Is(err, sqlerr.UnsafeNewEnumValueUsage) || ctx.Err() != nil {
		return false
	}
	s.abort(ctx)
	if err := s.e.finishLabels(ctx); err != nil {
		s.e.o.Logger.Warn("make new enum labels usable", "err", err)
		return false
	}
	return true
}
