package placement

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	// DefaultDownAfter is for how long a store is silent before its replicas are
	// replaced: a restart or a short repair of the machine costs no copying.
	DefaultDownAfter = 5 * time.Minute
	// retryPause is how long a region is left alone after one of its operators
	// failed.
	retryPause = 2 * time.Second
	// pauseMax bounds a pause of a scheduler: a forgotten one must not last for ever.
	pauseMax = 7 * 24 * time.Hour
)

var (
	keyAlarms = []byte("\x01alarm/")
	keyPaused = []byte("\x01pause/")
)

// The schedulers, with the names that people see, in the order of their importance.
const (
	evictLeader    = "evict-leader"
	replicaChecker = "replica-checker"
	balanceRegion  = "balance-region"
	balanceLeader  = "balance-leader"
	mergeChecker   = "merge-checker"
	mergeSettler   = "merge-settler"
)

type schedulerEntry struct {
	name, does string
	// alone: plans only while no operator runs.
	alone bool
	plan  func(*scheduler.Snapshot) []scheduler.Plan
}

var schedulers = []schedulerEntry{
	{mergeSettler, "ends merges that nobody looks after", false, scheduler.Settle},
	{evictLeader, "moves leaders off nodes that drain or leave", false, scheduler.Evict},
	{replicaChecker, "brings every region to three replicas on nodes that live and stay", false, func(s *scheduler.Snapshot) []scheduler.Plan {
		return append(scheduler.Replicas(s), scheduler.Repair(s)...)
	}},
	{balanceRegion, "spreads replicas over the nodes by number and size", true, scheduler.Balance},
	{balanceLeader, "spreads leaders over the nodes", true, scheduler.Leaders},
	{mergeChecker, "joins small neighbours", true, scheduler.Merges},
}

// plansLocked asks the schedulers, the most important first; those that only
// improve things plan when nothing else is to be done. Requires: Service.mu held.
func (l *leadership) plansLocked(snap *scheduler.Snapshot, now time.Time) []scheduler.Plan {
	var plans []scheduler.Plan
	planned := map[uint64]bool{}
	for _, sc := range schedulers {
		if now.Before(l.paused[sc.name]) || sc.alone && (len(plans) > 0 || len(l.ops) > 0) {
			continue
		}
		for _, p := range sc.plan(snap) {
			if slices.ContainsFunc(p.Regions(), func(id uint64) bool { return planned[id] }) {
				continue
			}
			for _, id := range p.Regions() {
				planned[id] = true
			}
			plans = append(plans, p)
		}
	}
	return plans
}

// Schedulers pauses or resumes one, if asked to, and lists all.
func (s *Service) Schedulers(ctx context.Context, req *placementpb.SchedulersRequest) ([]*placementpb.Scheduler, error) {
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	now := s.o.Clock.Now()
	name, until := req.Resume, now
	if req.Pause != "" {
		d := time.Duration(req.PauseMs) * time.Millisecond
		if d <= 0 || d > pauseMax {
			return nil, fmt.Errorf("a pause of %v is not between 1ms and %v", d, pauseMax)
		}
		name, until = req.Pause, now.Add(d)
	}
	if name != "" {
		if !slices.ContainsFunc(schedulers, func(sc schedulerEntry) bool { return sc.name == name }) {
			return nil, fmt.Errorf("there is no scheduler %q", name)
		}
		ctx, cancel := context.WithTimeout(ctx, writeWait)
		defer cancel()
		key := append(slices.Clone(keyPaused), name...)
		if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{key, putNumber(uint64(until.UnixMilli()))}}); err != nil {
			return nil, fmt.Errorf("store the pause: %w", err)
		}
		s.mu.Lock()
		l.paused[name] = until
		s.mu.Unlock()
		s.wakePlanner()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*placementpb.Scheduler
	for _, sc := range schedulers {
		p := &placementpb.Scheduler{Name: sc.name, Does: sc.does}
		if until := l.paused[sc.name]; now.Before(until) {
			p.Paused, p.PausedUntilUnixMs = true, until.UnixMilli()
		}
		out = append(out, p)
	}
	return out, nil
}

// SetStore drains a store (its leaders leave), decommissions it (everything leaves,
// then it is removed), or takes either back; with only_look set it tells how far
// that is.
func (s *Service) SetStore(ctx context.Context, req *placementpb.SetStoreRequest) (*placementpb.SetStoreResponse, error) {
	if !req.OnlyLook {
		if err := s.setStoreState(ctx, req.StoreId, req.State); err != nil {
			return nil, err
		}
	}
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := l.stores[req.StoreId]
	if st == nil {
		return nil, &ErrRefused{fmt.Sprintf("there is no node %d", req.StoreId)}
	}
	resp := &placementpb.SetStoreResponse{Store: cloneStore(st.rec.Store)}
	for _, e := range l.dir.order {
		if peerOn(e.region, req.StoreId) != nil {
			resp.Replicas++
		}
		if e.leader == req.StoreId {
			resp.Leaders++
		}
	}
	switch {
	case resp.Store.State == metapb.StoreState_REMOVED:
	case !l.dir.complete():
		resp.Blocked = "not all regions are known, or have a leader"
	case resp.Store.State == metapb.StoreState_DECOMMISSIONING:
		resp.Blocked = scheduler.Blocker(s.snapshotLocked(l), req.StoreId)
	case resp.Store.State == metapb.StoreState_DRAINING && resp.Leaders > 0 && len(scheduler.Evict(s.snapshotLocked(l))) == 0 && len(l.ops) == 0:
		resp.Blocked = fmt.Sprintf("no other node can lead its %d regions", resp.Leaders)
	}
	return resp, nil
}

func (s *Service) setStoreState(ctx context.Context, id uint64, state metapb.StoreState) error {
	switch state {
	case metapb.StoreState_UP, metapb.StoreState_DRAINING, metapb.StoreState_DECOMMISSIONING:
	default:
		return fmt.Errorf("nobody can order the state %s", state)
	}
	select {
	case s.join <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.join }()
	l, err := s.leading()
	if err != nil {
		return err
	}
	s.mu.Lock()
	st, others := l.stores[id], 0
	for other, o := range l.stores {
		if other != id && o.rec.Store.State == metapb.StoreState_UP {
			others++
		}
	}
	s.mu.Unlock()
	switch {
	case st == nil:
		return &ErrRefused{fmt.Sprintf("there is no node %d", id)}
	case st.ending || st.rec.Store.State == metapb.StoreState_REMOVED:
		return &ErrRefused{fmt.Sprintf("node %d is removed from the cluster; it can join again with an empty store", id)}
	case st.rec.Store.State == state:
		return nil
	case state != metapb.StoreState_UP && others == 0:
		return &ErrRefused{fmt.Sprintf("node %d is the only one that may hold regions", id)}
	case state == metapb.StoreState_DRAINING && st.rec.Store.State == metapb.StoreState_DECOMMISSIONING:
		return nil // that includes it
	}
	rec := proto.Clone(st.rec).(*placementpb.JoinRequest)
	rec.Store.State = state
	s.o.Logger.Info("placement: state of a node", "node", id, "state", strings.ToLower(state.String()))
	return s.putStore(ctx, l, rec)
}

// finishLeaversLocked removes the stores that leave and hold nothing any more.
// Requires: s.mu held, and a directory that is complete.
func (s *Service) finishLeaversLocked(l *leadership, snap *scheduler.Snapshot) {
	for i := range snap.Stores {
		st := &snap.Stores[i]
		state := l.stores[st.ID]
		if !st.Leaving || st.Replicas > 0 || st.Incoming > 0 || state.ending {
			continue
		}
		state.ending = true
		if !s.group.Go("remove-store", func(ctx context.Context) {
			select { // not while the store announces itself
			case s.join <- struct{}{}:
				defer func() { <-s.join }()
			case <-ctx.Done():
				return
			}
			rec := proto.Clone(state.rec).(*placementpb.JoinRequest)
			rec.Store.State = metapb.StoreState_REMOVED
			err := s.putStore(ctx, l, rec)
			s.mu.Lock()
			state.ending = false
			s.mu.Unlock()
			if err != nil {
				s.o.Logger.Warn("placement: remove a node that holds nothing", "node", st.ID, "err", err)
				return
			}
			s.o.Logger.Info("placement: node removed", "node", st.ID)
		}) {
			state.ending = false
		}
	}
}

func alarmKey(region uint64) []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(keyAlarms), region)
}

func (l *leadership) loadAlarm(p KV) error {
	if len(p.Value) == 0 {
		return nil // cleared
	}
	a := &placementpb.Alarm{}
	if err := proto.Unmarshal(p.Value, a); err != nil {
		return fmt.Errorf("alarm %x: %w", p.Key, err)
	}
	l.alarms[a.RegionId] = a
	return nil
}

// Alarms adds one (nil: none), clears that of a region (0: none), and lists all. They
// are stored: an alarm ends only when somebody, or a later check, clears it.
func (s *Service) Alarms(ctx context.Context, add *placementpb.Alarm, clear uint64) ([]*placementpb.Alarm, error) {
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	var puts []KV
	if add != nil {
		add = proto.Clone(add).(*placementpb.Alarm)
		add.SinceUnixMs = s.o.Clock.Now().UnixMilli()
		b, err := proto.Marshal(add)
		if err != nil {
			return nil, fmt.Errorf("encode alarm: %w", err)
		}
		puts = append(puts, KV{alarmKey(add.RegionId), b})
	}
	s.mu.Lock()
	if clear != 0 && l.alarms[clear] != nil {
		puts = append(puts, KV{alarmKey(clear), nil})
	}
	s.mu.Unlock()
	if len(puts) > 0 {
		ctx, cancel := context.WithTimeout(ctx, writeWait)
		defer cancel()
		if err := s.o.Group.WriteRaw(ctx, l.term, puts); err != nil {
			return nil, fmt.Errorf("store alarm: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if clear != 0 {
		delete(l.alarms, clear)
	}
	if add != nil {
		l.alarms[add.RegionId] = add
	}
	var out []*placementpb.Alarm
	for _, a := range l.alarms {
		out = append(out, proto.Clone(a).(*placementpb.Alarm))
	}
	slices.SortFunc(out, func(a, b *placementpb.Alarm) int { return int(a.RegionId) - int(b.RegionId) })
	return out, nil
}
