package server

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/sql"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// settleOldLocks has locks settled that hold the garbage collection back.
func (n *Node) settleOldLocks(locks []mvcc.KeyLock) {
	select {
	case <-n.built:
	default:
		return // told again within a second
	}
	infos := make([]*kvpb.LockInfo, 0, len(locks))
	for _, l := range locks {
		infos = append(infos, &kvpb.LockInfo{Key: l.Key, Primary: l.Lock.Primary, StartTs: uint64(l.Lock.StartTS),
			TtlMs: l.Lock.TTLms, MinCommitTs: uint64(l.Lock.MinCommitTS), TxnSize: l.Lock.TxnSize})
	}
	n.txn.SettleLocks(infos)
}

// garbageLoop gives the space of dropped and truncated tables back, on the node that
// leads placement. The records of them say what there is, so a new leader goes on.
func (n *Node) garbageLoop(ctx context.Context) {
	period := 10 * time.Second
	if r := n.cfg.Retention; r > 0 {
		period = min(period, r)
	}
	// seen is when a record was first read: its table was dropped before that.
	seen := map[sql.Garbage]timestamp.Timestamp{}
	var none nothingToSweep
	for env.Sleep(ctx, n.cfg.Env.Clock, period) == nil {
		now, version := n.cfg.Env.Clock.Now(), n.lease.version()
		if n.client.Leader() != n.ident.StoreID || n.store.GC().Collect == 0 || none.still(now, version) {
			continue
		}
		err := n.sweep(ctx, seen)
		if err != nil && ctx.Err() == nil {
			n.log.Warn("space of dropped tables is not given back yet", "err", err)
		}
		if none = (nothingToSweep{}); err == nil && len(seen) == 0 {
			none = nothingToSweep{at: now, version: version}
		}
	}
}

// nothingToSweep says when, and with which version of the schema, there was nothing to
// give back. Only a change of the schema makes garbage, so as long as there was none
// the records need not be read: each time is a transaction, in a cluster that may be
// at rest.
type nothingToSweep struct {
	at      time.Time
	version uint64
}

// sweepAnyway is how often the records are read all the same.
const sweepAnyway = 10 * time.Minute

func (n nothingToSweep) still(now time.Time, version uint64) bool {
	return !n.at.IsZero() && n.version == version && now.Sub(n.at) < sweepAnyway
}

// sweep deletes the ranges that were dropped below the collected point: reads below
// it are refused everywhere, those above it do not see the table, and no transaction
// that knew it can write any more (rule B6).
func (n *Node) sweep(ctx context.Context, seen map[sql.Garbage]timestamp.Timestamp) error {
	list, readTS, err := n.sql.Garbage(ctx)
	if err != nil {
		return err
	}
	still := map[sql.Garbage]bool{}
	for _, g := range list {
		still[g] = true
		if seen[g] == 0 {
			seen[g] = readTS
		}
		if seen[g] > n.store.GC().Collect {
			continue
		}
		span := g.Span()
		if err := n.txn.DeleteRange(ctx, span.Start, span.End); err != nil {
			return err
		}
		if err := n.sql.ForgetGarbage(ctx, g); err != nil {
			return err
		}
		delete(seen, g)
		n.log.Info("space given back", "table", uint64(g.Table), "storage", g.Storage, "index", g.Index, "reason", g.Reason)
	}
	for g := range seen {
		if !still[g] {
			delete(seen, g)
		}
	}
	return nil
}
