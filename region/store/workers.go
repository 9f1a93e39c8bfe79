package store

import (
	"context"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region/replica"
)

// queues is the work that must not be done by scheduler workers, because it waits
// for disks, the network or the oracle.
type queues struct {
	blocking   *queue[func()]
	unknown    *queue[*multiraft.Envelope]
	snapshots  *queue[snapshotJob]
	timestamps *queue[timestampWait]
	splits     *queue[splitJob]
	garbage    *queue[uint64]
	slow       *queue[func()]
}

type snapshotJob struct {
	r  *replica.Replica
	m  *raftpb.Message
	to *multiraft.Envelope
}

type timestampWait struct {
	r    *replica.Replica
	term uint64
	then func(timestamp.Timestamp) // nil: Replica.SetTimestamp
}

func (q *queues) init() {
	q.blocking = newQueue[func()]()
	q.unknown = newQueue[*multiraft.Envelope]()
	q.snapshots = newQueue[snapshotJob]()
	q.timestamps = newQueue[timestampWait]()
	q.splits = newQueue[splitJob]()
	q.garbage = newQueue[uint64]()
	q.slow = newQueue[func()]()
}

func (q *queues) close() {
	q.blocking.close()
	q.unknown.close()
	q.snapshots.close()
	q.timestamps.close()
	q.splits.close()
	q.garbage.close()
	q.slow.close()
}

const (
	// syncPeriod is how often the state engine is synced: the longest time of
	// which a crash replays the log.
	syncPeriod = time.Second
	// timestampRetry is how long to wait after the oracle gave an error.
	timestampRetry = 20 * time.Millisecond
)

// startWorkers starts the store's goroutines. They end when s.group stops.
func (s *Store) startWorkers() {
	consume(s, "store-blocking", s.work.blocking, func(_ context.Context, f func()) { f() })
	consume(s, "store-unknown", s.work.unknown, func(_ context.Context, e *multiraft.Envelope) { s.receiveUnknown(e) })
	consume(s, "store-snapshots", s.work.snapshots, s.sendSnapshot)
	consume(s, "store-splits", s.work.splits, s.runSplit)
	consume(s, "store-slow", s.work.slow, func(_ context.Context, f func()) { f() })
	consume(s, "store-garbage", s.work.garbage, s.collectGarbage)
	s.group.Go("store-timestamps", s.timestampLoop)
	s.group.Go("store-sync", s.syncLoop)
	s.group.Go("store-reports", s.reportLoop)
	s.group.Go("store-load", s.loadLoop)
	s.group.Go("store-liveness", s.live.run)
	s.group.Go("store-locks", s.lockLoop)
}

func consume[T any](s *Store, name string, q *queue[T], f func(context.Context, T)) {
	s.group.Go(name, func(ctx context.Context) {
		for {
			select {
			case <-q.signal:
			case <-ctx.Done():
				return
			}
			for ctx.Err() == nil {
				v, ok := q.pop()
				if !ok {
					break
				}
				f(ctx, v)
			}
		}
	})
}

func (s *Store) syncLoop(ctx context.Context) {
	t := s.o.Clock.NewTicker(syncPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C():
			if err := s.SyncState(); err != nil {
				s.fatal(err)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Store) timestampLoop(ctx context.Context) {
	for {
		select {
		case <-s.work.timestamps.signal:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil && !s.fetchTimestamp(ctx) {
			if env.Sleep(ctx, s.o.Clock, timestampRetry) != nil {
				return
			}
		}
	}
}

// fetchTimestamp asks the oracle once for all new leaders that were waiting before
// (rule D5), and reports whether they are served.
func (s *Store) fetchTimestamp(ctx context.Context) bool {
	waits := s.work.timestamps.popAll()
	if len(waits) == 0 {
		return true
	}
	ts, err := s.o.Timestamps(ctx)
	if err == nil {
		for _, w := range waits {
			if w.then != nil {
				w.then(ts)
				continue
			}
			w.r.SetTimestamp(w.term, ts)
		}
		return true
	}
	if ctx.Err() == nil {
		s.log.Debug("no timestamp for new leaders", "error", err)
	}
	for _, w := range waits {
		if i := w.r.Info(); i.IsLeader && i.Term == w.term {
			s.work.timestamps.push(w)
		}
	}
	return false
}

func (s *Store) sendSnapshot(ctx context.Context, j snapshotJob) {
	fault.Hit("snapshot/before-send")
	err := j.r.StreamSnapshot(ctx, s.transport, j.m, j.to, s.o.SnapshotBytesPerSecond)
	fault.Hit("snapshot/after-send")
	if err == nil {
		s.snapshotsSent.Add(1)
	}
	j.r.SnapshotDone(j.m.GetTo(), err)
}

// SyncState makes the state engine durable, publishes the durable applied indexes
// and compacts logs, as a goroutine does once a second otherwise. Manual mode only.
func (s *Store) SyncState() error {
	type durable struct {
		r     *replica.Replica
		index uint64
	}
	var list []durable
	touched := s.touched.take()
	for _, r := range touched {
		list = append(list, durable{r, r.AppliedIndex()})
	}
	// Only what was applied before the sync began counts (rule C1).
	fault.Hit("state/before-sync")
	if err := s.eng.State.Sync(); err != nil {
		return err
	}
	fault.Hit("state/after-sync")
	for _, d := range list {
		if d.index > 0 {
			d.r.Compact(d.index)
		}
	}
	s.shortenLogs()
	s.checkSpace()
	s.checkSizes(touched)
	s.checkGarbage(touched)
	return nil
}

// Tick gives every replica one tick. Manual mode only.
func (s *Store) Tick() { s.driver.TickAll() }

// Poll does one piece of pending work and reports whether there was any: a round
// of the scheduler, a write and sync of the log, a timestamp, a raft snapshot.
// Manual mode only.
func (s *Store) Poll() bool {
	ctx := context.Background()
	if s.failed.Load() || s.closed.Load() {
		return false
	}
	if e, ok := s.work.unknown.pop(); ok {
		s.receiveUnknown(e)
		return true
	}
	if f, ok := s.work.blocking.pop(); ok {
		f()
		return true
	}
	if s.driver.PollRound() || s.driver.FlushLog() {
		return true
	}
	if j, ok := s.work.snapshots.pop(); ok {
		s.sendSnapshot(ctx, j)
		return true
	}
	if j, ok := s.work.splits.pop(); ok {
		s.runSplit(ctx, j)
		return true
	}
	if f, ok := s.work.slow.pop(); ok {
		f()
		return true
	}
	if id, ok := s.work.garbage.pop(); ok {
		s.collectGarbage(ctx, id)
		return true
	}
	return s.fetchOnce(ctx)
}

// fetchOnce reports whether new leaders got their timestamp. An oracle that gives
// none leaves them waiting for the next Poll.
func (s *Store) fetchOnce(ctx context.Context) bool {
	s.work.timestamps.mu.Lock()
	n := len(s.work.timestamps.items)
	s.work.timestamps.mu.Unlock()
	return n > 0 && s.fetchTimestamp(ctx)
}
