package store

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

// A region is split by load when more requests than SetSplitRequests allows have come in
// every second for loadSplitAfter, at a key that cuts them into about halves. So its parts can
// be led by different stores. There is no split when one key takes most of the requests,
// nor when many of its transactions would have to be committed across the boundary.

const (
	// loadSplitAfter is how long the load must last: a split stays for minutes.
	loadSplitAfter = 10 * time.Second
	// loadPeriod is how often the regions are looked at to which requests have come.
	loadPeriod = time.Second
)

// SetSplitRequests sets the requests a second above which regions that this store leads
// are split by load: 0 is what the options say, less never.
func (s *Store) SetSplitRequests(n int64) { s.loadMax.Store(n) }

func (s *Store) splitRequests() float64 {
	n := s.loadMax.Load()
	if n == 0 {
		n = int64(s.o.LoadSplitRequests)
	}
	if n <= 0 {
		return math.Inf(1)
	}
	return float64(n)
}

// noteLoad counts a request that a statement waits for. What follows from it, such as the
// records behind a commit, comes where the statement was.
func (s *Store) noteLoad(r *replica.Replica, req *kvpb.Request) {
	write := false
	switch req.GetCmd().(type) {
	case *kvpb.Request_Get, *kvpb.Request_BatchGet, *kvpb.Request_Scan, *kvpb.Request_Lock:
	case *kvpb.Request_Prewrite:
		write = true
	default:
		return
	}
	if place, keep := r.Load.Count(write); keep {
		span := touches(req)
		span.Write = write
		r.Load.Remember(place, span)
	}
	s.loaded.note(r)
}

// touches returns the keys of a request.
func touches(req *kvpb.Request) replica.KeySpan {
	switch c := req.GetCmd().(type) {
	case *kvpb.Request_Get:
		return replica.KeySpan{Start: c.Get.GetKey(), Last: c.Get.GetKey()}
	case *kvpb.Request_BatchGet:
		return around(c.BatchGet.GetKeys(), func(k []byte) []byte { return k })
	case *kvpb.Request_Scan:
		end := c.Scan.GetEndKey()
		if len(end) == 0 {
			end = []byte{0xff} // no key is above
		}
		return replica.KeySpan{Start: c.Scan.GetStartKey(), End: end}
	case *kvpb.Request_Lock:
		return around(c.Lock.GetKeys(), func(k []byte) []byte { return k })
	case *kvpb.Request_Prewrite:
		return around(c.Prewrite.GetMutations(), (*kvpb.Mutation).GetKey)
	}
	return replica.KeySpan{}
}

// around returns the span of some keys.
func around[T any](list []T, key func(T) []byte) (span replica.KeySpan) {
	for i, e := range list {
		k := key(e)
		if i == 0 || bytes.Compare(k, span.Start) < 0 {
			span.Start = k
		}
		if i == 0 || bytes.Compare(k, span.Last) > 0 {
			span.Last = k
		}
	}
	return span
}

// loadLoop looks at the load of regions until ctx ends.
func (s *Store) loadLoop(ctx context.Context) {
	t := s.o.Clock.NewTicker(loadPeriod)
	defer t.Stop()
	for {
		select {
		case <-t.C():
			s.CheckLoad()
		case <-ctx.Done():
			return
		}
	}
}

// CheckLoad looks at the regions to which requests have come since the last time, and
// queues those to be split that were too busy for too long, as a goroutine does once a
// second otherwise. Manual mode only.
func (s *Store) CheckLoad() {
	now, most := s.o.Clock.Now(), s.splitRequests()
	for _, r := range s.loaded.take() {
		since, changed, any := r.Load.Look(now, most)
		if any {
			s.loaded.note(r)
		}
		if changed {
			s.reports.todo.note(r)
		}
		if since.IsZero() || now.Sub(since) < loadSplitAfter || s.o.Splits == nil {
			continue
		}
		i := r.Info()
		if !i.IsLeader || !i.Ready || region.IsJoint(i.Region) || r.RegionID() == region.PlacementID {
			continue
		}
		if key := r.Load.SplitKey(i.Region.GetStartKey()); key != nil {
			s.work.splits.pushMax(splitJob{region: r.RegionID(), at: key}, splitQueueMax)
		}
	}
}

// splitByLoad splits a region at a key.
func (s *Store) splitByLoad(ctx context.Context, id uint64, key []byte) {
	r := s.replica(id)
	if r == nil {
		return
	}
	i := r.Info()
	if !i.IsLeader || !i.Ready || region.IsJoint(i.Region) || !region.Contains(i.Region, key) || bytes.Equal(key, i.Region.GetStartKey()) {
		return
	}
	s.loadSplits.Add(1)
	s.cutAt(ctx, i.Region, [][]byte{key}, "region split by load")
}
