package store

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

// GCPoint says how far old versions are given up, as placement told it.
type GCPoint struct {
	// Fence: regions refuse what started below it. Collect: replicas delete what is
	// invisible to reads at or above it. Collect <= Fence.
	Fence, Collect timestamp.Timestamp
	// Now is a timestamp that the oracle has reached.
	Now timestamp.Timestamp
}

const (
	// garbageQueueMax bounds the regions that wait; they are queued again every
	// second.
	garbageQueueMax = 1024
	// fencesPerRound bounds the regions whose fence is raised within a second: each
	// is an entry, holds up the region's writes until it is applied, and wakes a
	// region that is idle. With ten thousand regions on three stores a round takes
	// three to four minutes, by which their versions live longer.
	fencesPerRound = 16
	// garbageLooksPerRound bounds the replicas that are looked at within a second
	// besides those that something was written to.
	garbageLooksPerRound = 1024
	// oldLocksMax bounds the locks of a region that are told at once.
	oldLocksMax = 64
	// gcPause comes behind each batch of deletions: at most 512 versions in 5 ms,
	// so that the collection leaves the disk to those who wait for it.
	gcPause = 5 * time.Millisecond
)

// SetGC hands over a newer point. Older ones are ignored.
func (s *Store) SetGC(p GCPoint) {
	s.gc.Lock()
	defer s.gc.Unlock()
	old := &s.gc.point
	old.Fence, old.Collect, old.Now = max(old.Fence, p.Fence), max(old.Collect, p.Collect), max(old.Now, p.Now)
}

// GC returns the newest point that this store has heard of.
func (s *Store) GC() GCPoint {
	s.gc.Lock()
	defer s.gc.Unlock()
	return s.gc.point
}

// checkGarbage raises the fences of the regions that this store leads, in turn, and
// queues replicas that have something to collect, or old locks to look for.
func (s *Store) checkGarbage(touched []*replica.Replica) {
	p := s.GC()
	if p.Fence == 0 {
		return
	}
	for _, r := range touched {
		s.queueGarbage(r, p)
	}
	list := s.all()
	raised := 0
	for range min(len(list), garbageLooksPerRound) {
		r := list[s.gcNext%len(list)]
		if r.RegionID() != region.PlacementID && s.fenceDue(r, p) {
			if raised++; raised > fencesPerRound {
				return // it is the first one of the next round
			}
			r.RaiseGC(p.Fence, p.Collect, nil)
		}
		s.queueGarbage(r, p)
		s.gcNext = (s.gcNext + 1) % len(list)
	}
}

func (s *Store) fenceDue(r *replica.Replica, p GCPoint) bool {
	i := r.Info()
	fence, _ := r.GCBounds()
	return i.IsLeader && i.Ready && i.Region != nil && !i.Destroyed && fence < p.Fence
}

// queueGarbage queues a replica if it has something to do. Old locks are looked for
// by leaders alone: they report what they find.
func (s *Store) queueGarbage(r *replica.Replica, p GCPoint) {
	i := r.Info()
	if i.Region == nil || i.Destroyed || r.RegionID() == region.PlacementID {
		return // the placement region holds no versions
	}
	fence, _ := r.GCBounds()
	if i.IsLeader && i.CleanTS < fence || r.GCDue(p.Now) {
		s.work.garbage.pushMax(r.RegionID(), garbageQueueMax)
	}
}

// collectGarbage looks for old locks and deletes one batch of a replica's garbage.
func (s *Store) collectGarbage(ctx context.Context, id uint64) {
	r := s.replica(id)
	if r == nil {
		return
	}
	s.checkOldLocks(r)
	if !r.GCDue(s.GC().Now) {
		return
	}
	more, n, err := r.CollectGarbage()
	if err != nil {
		if s.eng.State.Err() != nil {
			s.fatal(err)
			return
		}
		s.log.Error("garbage is not collected", "region", id, "error", err)
		return
	}
	s.gcDeleted.Add(uint64(n))
	if more {
		s.work.garbage.pushMax(id, garbageQueueMax)
	}
	if !s.o.Manual {
		_ = env.Sleep(ctx, s.o.Clock, gcPause)
	}
}

func (s *Store) checkOldLocks(r *replica.Replica) {
	locks, err := r.OldLocks(oldLocksMax)
	if err != nil {
		s.log.Error("old locks cannot be looked for", "region", r.RegionID(), "error", err)
		return
	}
	if len(locks) > 0 && s.o.OldLocks != nil && r.Info().IsLeader {
		s.o.OldLocks(locks)
	}
}
