package placement

import (
	"context"
	"fmt"
	"sort"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// Join makes a store a member, or takes note of a member's addresses. An empty
// store gets the next id; asking again with the same token gives the same one.
func (s *Service) Join(ctx context.Context, req *placementpb.JoinRequest) (*placementpb.JoinResponse, error) {
	if req.GetStore() == nil {
		return nil, fmt.Errorf("a join without a store")
	}
	if req.ClusterId != 0 && req.ClusterId != s.o.ClusterID {
		return nil, fmt.Errorf("store belongs to cluster %x, this is cluster %x", req.ClusterId, s.o.ClusterID)
	}
	if req.Store.Id != 0 && req.ClusterId == 0 {
		return nil, fmt.Errorf("store %d names no cluster", req.Store.Id)
	}
	select {
	case s.join <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.join }()
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	rec := &placementpb.JoinRequest{ClusterId: s.o.ClusterID, JoinToken: req.JoinToken, Store: cloneStore(req.Store)}
	s.mu.Lock()
	var old *placementpb.JoinRequest
	var last uint64
	for id, st := range l.stores {
		last = max(last, id)
		if id == req.Store.Id || req.Store.Id == 0 && req.JoinToken != "" && st.rec.JoinToken == req.JoinToken {
			old = st.rec
		}
	}
	s.mu.Unlock()
	switch {
	case old != nil:
		rec.JoinToken = old.JoinToken
		rec.Store.Id, rec.Store.NodeId, rec.Store.State = old.Store.Id, old.Store.NodeId, old.Store.State
		if rec.Store.State == metapb.StoreState_DRAINING && rec.Store.StartedUnixMs != old.Store.StartedUnixMs {
			rec.Store.State = metapb.StoreState_UP // it drained to be restarted
		}
		if old.Store.State == metapb.StoreState_REMOVED {
			return nil, fmt.Errorf("store %d was removed from the cluster; start it with an empty directory to join anew", old.Store.Id)
		}
	case req.Store.Id == 0:
		rec.Store.Id, rec.Store.NodeId = last+1, last+1
	case req.Store.Id == 1 && last == 0:
		// The first store made the cluster and tells of itself.
		rec.Store.NodeId = 1
	default:
		return nil, fmt.Errorf("store %d is not a member of this cluster", req.Store.Id)
	}
	if old == nil || !proto.Equal(old, rec) {
		if err := s.putStore(ctx, l, rec); err != nil {
			return nil, err
		}
	}
	resp := &placementpb.JoinResponse{ClusterId: s.o.ClusterID, StoreId: rec.Store.Id}
	s.mu.Lock()
	resp.Stores = l.storeList()
	s.mu.Unlock()
	return resp, nil
}

func (s *Service) putStore(ctx context.Context, l *leadership, rec *placementpb.JoinRequest) error {
	b, err := proto.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode store record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{storeKey(rec.Store.Id), b}}); err != nil {
		return fmt.Errorf("store the record of store %d: %w", rec.Store.Id, err)
	}
	s.mu.Lock()
	st := l.stores[rec.Store.Id]
	if st == nil {
		st = &storeState{}
		l.stores[rec.Store.Id] = st
	}
	st.rec = rec
	s.publishLocked(l, &placementpb.DirectoryUpdate{Stores: l.storeList()})
	s.mu.Unlock()
	s.wakePlanner()
	return nil
}

// storeList returns the members by id. A member that should be up and has fallen
// silent is suspect; a new leader gives all of them time to report. Requires:
// Service.mu held.
func (l *leadership) storeList() []*metapb.Store {
	out := make([]*metapb.Store, 0, len(l.stores))
	for _, st := range l.stores {
		s := st.rec.Store
		if (s.State == metapb.StoreState_UP || s.State == metapb.StoreState_DRAINING) && st.silent {
			s = cloneStore(s)
			s.State = metapb.StoreState_SUSPECT
		}
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Id < out[j].Id })
	return out
}

// Report takes in what a store says of itself and of the regions it leads.
func (s *Service) Report(ctx context.Context, req *placementpb.ReportRequest) (*placementpb.ReportResponse, error) {
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	if req.ClusterId != s.o.ClusterID {
		return nil, fmt.Errorf("report of a store of cluster %x, this is cluster %x", req.ClusterId, s.o.ClusterID)
	}
	now := s.o.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := l.stores[req.GetStore().GetId()]
	if st == nil {
		return nil, fmt.Errorf("store %d is not a member of this cluster", req.GetStore().GetId())
	}
	wasLive := !st.lastSeen.IsZero()
	st.lastSeen = now
	if st.silent {
		st.silent = false
		s.publishLocked(l, &placementpb.DirectoryUpdate{Stores: l.storeList()})
	}
	st.oldest = timestamp.Timestamp(req.OldestStartTs)
	if req.Stats != nil {
		st.stats = req.Stats
	}
	if req.Full {
		st.full = true
	}
	up := &placementpb.DirectoryUpdate{}
	news := !wasLive
	for _, r := range req.Regions {
		old := l.dir.byID[r.GetRegion().GetId()]
		var parent *entry
		if old == nil && r.GetRegion() != nil {
			parent = l.dir.lookup(r.Region.StartKey)
		}
		changed := l.dir.apply(r)
		news = news || changed || l.dir.byID[r.GetRegion().GetId()].plansDiffer(old)
		if changed {
			if e := l.dir.byID[r.Region.Id]; e != nil {
				s.noteChange(l, e, parent)
				up.Regions = append(up.Regions, e.route())
			}
		}
	}
	if len(up.Regions) > 0 {
		s.publishLocked(l, up)
	}
	if news {
		s.wakePlanner()
	}
	return &placementpb.ReportResponse{SendFull: !st.full, Gc: s.gcPointLocked(l), SplitSizeBytes: uint64(l.setting(&s.o, settingSplitSize)), SplitRequests: s.splitRequestsLocked(l)}, nil
}

// splitRequestsLocked is the bound of requests for stores: less than 0 is never.
// Requires: s.mu held.
func (s *Service) splitRequestsLocked(l *leadership) int64 {
	if n := l.setting(&s.o, settingSplitRequests); n > 0 {
		return n
	}
	return -1
}

// snapshotLocked is what the schedulers plan from. Requires: s.mu held.
func (s *Service) snapshotLocked(l *leadership) *scheduler.Snapshot {
	now := s.o.Clock.Now()
	snap := &scheduler.Snapshot{ReplicasWanted: 3, MergeBelow: uint64(l.setting(&s.o, settingMergeSize))}
	rest, downAfter := l.duration(&s.o, settingMergeRest), l.duration(&s.o, settingReplaceAfter)
	// Two neighbours together stay below half of what a region is split at.
	l.noteRanges(now, float64(l.setting(&s.o, settingSplitRequests))/4)
	replicas, leaders := map[uint64]int{}, map[uint64]int{}
	for _, e := range l.dir.order {
		r := scheduler.Region{ID: e.region.Id, Epoch: e.region.Epoch, Peers: e.region.Peers, Leader: e.leader,
			Size: e.size,
			Busy: l.ops[e.region.Id] != nil || now.Before(l.retryAt[e.region.Id]),
			Held: now.Before(l.heldUntil[e.region.Id]), Costly: e.region.Id == groupRegion,
			Sticky: e.region.StickyStart, Rested: l.ranges[e.region.Id].rested(now, rest),
			MergesInto: e.region.GetMerging().GetTarget(), Stuck: now.Sub(l.ranges[e.region.Id].since) >= mergeStuckAfter}
		if len(e.pending) > 0 { // nothing for most regions, of which there may be many
			r.Pending = map[uint64]bool{}
		}
		if len(e.down) > 0 {
			r.Down = map[uint64]bool{}
		}
		for _, p := range e.pending {
			r.Pending[p] = true
		}
		for _, d := range e.down {
			r.Down[d] = true
		}
		for _, p := range e.region.Peers {
			replicas[p.StoreId]++
		}
		leaders[e.leader]++
		snap.Regions = append(snap.Regions, r)
	}
	incoming := map[uint64]int{}
	for _, op := range l.ops {
		if op.plan.Kind == scheduler.AddPeer || op.plan.Kind == scheduler.MovePeer {
			incoming[op.plan.To]++
		}
	}
	for _, m := range l.storeList() {
		if m.State == metapb.StoreState_REMOVED {
			continue
		}
		st := l.stores[m.Id]
		live := !st.lastSeen.IsZero() && now.Sub(st.lastSeen) < storeLiveFor
		snap.Stores = append(snap.Stores, scheduler.Store{ID: m.Id, Live: live,
			Accepts: m.State == metapb.StoreState_UP || m.State == metapb.StoreState_SUSPECT, Replicas: replicas[m.Id], Leaders: leaders[m.Id],
			Down:     st.silent && now.Sub(st.silentAt) >= downAfter,
			Draining: m.State == metapb.StoreState_DRAINING, Leaving: m.State == metapb.StoreState_DECOMMISSIONING, Incoming: incoming[m.Id]})
	}
	return snap
}

// watcher is one subscription to the directory.
type watcher struct {
	ch chan *placementpb.DirectoryUpdate // closed by nobody: see lost
	// lost is closed when the watcher fell behind by more than its buffer: it
	// must begin anew.
	lost chan struct{}
}

// watchBuffer bounds how many updates a slow watcher may lag.
const watchBuffer = 256

// publishLocked hands an update to all watchers. Requires: s.mu held.
func (s *Service) publishLocked(l *leadership, u *placementpb.DirectoryUpdate) {
	for w := range l.watchers {
		select {
		case w.ch <- u:
		default:
			delete(l.watchers, w)
			close(w.lost)
		}
	}
}

// Watch calls f with the whole directory first and with every change afterwards,
// until ctx ends, f fails, or this store stops to lead the group.
func (s *Service) Watch(ctx context.Context, f func(*placementpb.DirectoryUpdate) error) error {
	w := &watcher{ch: make(chan *placementpb.DirectoryUpdate, watchBuffer), lost: make(chan struct{})}
	s.mu.Lock()
	l := s.mu.lead
	if l == nil {
		s.mu.Unlock()
		return s.notLeader()
	}
	full := &placementpb.DirectoryUpdate{Full: true, Stores: l.storeList(), SchemaVersion: l.schema.version}
	for _, e := range l.dir.order {
		full.Regions = append(full.Regions, e.route())
	}
	l.watchers[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(l.watchers, w)
		s.mu.Unlock()
	}()
	if err := f(full); err != nil {
		return err
	}
	for {
		select {
		case u := <-w.ch:
			if err := f(u); err != nil {
				return err
			}
		case <-w.lost:
			return fmt.Errorf("watcher fell behind by %d updates", watchBuffer)
		case <-l.ended:
			return s.notLeader()
		case <-s.group.Context().Done():
			return s.notLeader()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
