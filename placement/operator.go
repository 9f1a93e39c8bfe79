package placement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	historyMax = 200
	// operatorTimeout ends an operator that makes no end of itself. A move
	// copies a region of up to 96 MB at 64 MB/s twice over with room to spare.
	operatorTimeout = 2 * time.Minute
	// operatorsMax bounds how many run at once, so that a cluster which lost a
	// store does not copy everything in the same second.
	operatorsMax = 8
	// caughtUpWithin is how many entries a replica may lag to be promoted.
	caughtUpWithin = 64
	stepPause      = 50 * time.Millisecond
)

// operator is one running order on one region.
type operator struct {
	info *placementpb.Operator // guarded by Service.mu
	plan scheduler.Plan
	keys [][]byte // split
	// regions is the outcome of a split, err why it failed; set before done is closed.
	regions []*metapb.Region
	err     error
	done    chan struct{}
	cancel  context.CancelFunc
}

// LeaderChanged is the error of an operator that ended because this store no longer
// leads the placement group. How far it came is not known: look, and order again.
const LeaderChanged = "the leader of the placement group changed"

var errLeaderChanged = errors.New(LeaderChanged)

// ErrRefused says that an order would harm the region and was not carried out.
type ErrRefused struct{ Why string }

func (e *ErrRefused) Error() string { return e.Why }

func (s *Service) wakePlanner() {
	select {
	case s.plan <- struct{}{}:
	default:
	}
}

// planLoop runs the schedulers whenever something was reported, at most every
// stepPause, and at least every second.
func (s *Service) planLoop(ctx context.Context) {
	t := s.o.Clock.NewTicker(time.Second)
	defer t.Stop()
	for ticks := 0; ; {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-t.C():
			ticks++
		case <-s.plan:
			woken = true
		}
		s.schedule(woken || ticks%quietTicks == 0)
		if woken && env.Sleep(ctx, s.o.Clock, stepPause) != nil {
			return
		}
	}
}

const (
	// quietRegions is how many regions there must be for the schedulers to look at them
	// less often than once a second while nothing is reported: every quietTicks seconds.
	quietRegions = 100
	quietTicks   = 5
)

// schedule makes operators from what the schedulers plan, once the directory is
// whole again after a change of leader. Unless due is set, nothing has happened since
// the last time, and with many regions it only looks for stores that are silent.
func (s *Service) schedule(due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.mu.lead
	if l == nil {
		return
	}
	now := s.o.Clock.Now()
	for _, st := range l.stores {
		seen := st.lastSeen
		if seen.IsZero() {
			seen = l.since
		}
		if !st.silent && now.Sub(seen) >= storeLiveFor {
			st.silent, st.silentAt = true, now
			st.lastSeen = time.Time{}
			st.full = false
			up := &placementpb.DirectoryUpdate{Stores: l.storeList()}
			for _, e := range l.dir.dropLeader(st.rec.Store.Id) {
				up.Regions = append(up.Regions, e.route())
			}
			s.publishLocked(l, up)
		}
	}
	if !due && len(l.dir.order) > quietRegions && len(l.ops) == 0 {
		return
	}
	if now.Sub(l.since) < settleFor && len(l.stores) > 1 || !l.dir.complete() {
		return
	}
	snap := s.snapshotLocked(l)
	s.finishLeaversLocked(l, snap)
	for _, p := range l.plansLocked(snap, now) {
		if len(l.ops) >= operatorsMax {
			return
		}
		s.beginLocked(l, &operator{plan: p}, string(p.Kind), p.Reason)
	}
}

// beginLocked registers an operator and starts it. Requires: s.mu held, and no
// operator on the region.
func (s *Service) beginLocked(l *leadership, op *operator, kind, reason string) {
	s.mu.opSeq++
	op.info = &placementpb.Operator{
		Id: l.term<<20 | s.mu.opSeq&(1<<20-1), RegionId: op.plan.RegionID, Kind: kind, Reason: reason,
		State: "running", CreatedUnixMs: s.o.Clock.Now().UnixMilli(), Epoch: op.plan.Epoch, Detail: detail(op.plan, op.keys),
	}
	op.done = make(chan struct{})
	ctx, cancel := context.WithTimeout(s.group.Context(), operatorTimeout)
	op.cancel = cancel
	for _, id := range op.plan.Regions() {
		l.ops[id] = op
	}
	if !s.group.Go("operator", func(context.Context) { s.runOperator(ctx, l, op) }) {
		cancel()
		l.forget(op)
		op.info.State, op.info.Error = "cancelled", "the node is stopping"
		close(op.done)
	}
}

func detail(p scheduler.Plan, keys [][]byte) string {
	switch {
	case len(keys) > 0:
		return fmt.Sprintf("at %d keys", len(keys))
	case p.Source != 0:
		return fmt.Sprintf("takes region %d", p.Source)
	case p.From != 0 && p.To != 0:
		return fmt.Sprintf("store %d to store %d", p.From, p.To)
	case p.To != 0:
		return fmt.Sprintf("on store %d", p.To)
	case p.From != 0:
		return fmt.Sprintf("from store %d", p.From)
	}
	return ""
}

// forget frees the regions of an operator. Requires: Service.mu held.
func (l *leadership) forget(op *operator) {
	for _, id := range op.plan.Regions() {
		delete(l.ops, id)
	}
}

func (s *Service) runOperator(ctx context.Context, l *leadership, op *operator) {
	defer op.cancel()
	err := s.steps(ctx, l, op)
	s.mu.Lock()
	op.info.EndedUnixMs = s.o.Clock.Now().UnixMilli()
	switch {
	case err == nil:
		op.info.State = "done"
	case s.mu.lead != l:
		err = errLeaderChanged
		op.info.State, op.info.Error = "failed", LeaderChanged
	case errors.Is(err, context.Canceled):
		op.info.State, op.info.Error = "cancelled", "cancelled"
	default:
		op.info.State, op.info.Error = "failed", err.Error()
		for _, id := range op.plan.Regions() {
			l.retryAt[id] = s.o.Clock.Now().Add(retryPause)
		}
	}
	op.err = err
	l.forget(op)
	s.mu.history = append(s.mu.history, op.info)
	if n := len(s.mu.history); n > historyMax {
		s.mu.history = append(s.mu.history[:0:0], s.mu.history[n-historyMax:]...)
	}
	s.mu.Unlock()
	if err != nil {
		s.o.Logger.Info("placement: operator ended", "region", op.plan.RegionID, "kind", op.info.Kind, "err", err)
	} else {
		s.o.Logger.Info("placement: operator done", "region", op.plan.RegionID, "kind", op.info.Kind, "detail", op.info.Detail)
	}
	close(op.done)
	s.wakePlanner()
}

// steps carries an operator out, one admin command after the other.
func (s *Service) steps(ctx context.Context, l *leadership, op *operator) error {
	p := op.plan
	switch p.Kind {
	case scheduler.AddPeer:
		return s.addLearner(ctx, l, p.RegionID, p.To)
	case scheduler.Promote:
		var ch []*kvpb.Change
		for _, peer := range p.Peers {
			ch = append(ch, &kvpb.Change{Type: kvpb.ChangeType_PROMOTE, Peer: peer})
		}
		return s.change(ctx, l, p.RegionID, ch)
	case scheduler.TransferLeader:
		return s.transfer(ctx, l, p.RegionID, p.To)
	case scheduler.MovePeer:
		return s.move(ctx, l, p.RegionID, p.From, p.To)
	case scheduler.RemovePeer:
		return s.remove(ctx, l, p.RegionID, p.From, p.Epoch)
	case scheduler.Merge:
		return s.merge(ctx, l, p.RegionID, p.Source)
	case scheduler.SettleMerge:
		return s.settle(ctx, l, p.RegionID)
	case kindUnsplit:
		return s.unsplit(ctx, l, p.RegionID)
	case kindSplit:
		regions, err := s.split(ctx, l, p.RegionID, op.keys)
		op.regions = regions
		return err
	}
	return fmt.Errorf("unknown kind of operator %q", p.Kind)
}

const kindSplit scheduler.Kind = "split"

// command sends an admin command to the region's leader, following it when it
// moves. It carries the region's newest known epoch, so a command planned for an
// older one is refused there.
func (s *Service) command(ctx context.Context, l *leadership, region uint64, req *kvpb.AdminRequest) (*kvpb.AdminResponse, error) {
	var last error
	for attempt := 0; attempt < 40; attempt++ {
		if attempt > 0 {
			if err := env.Sleep(ctx, s.o.Clock, stepPause); err != nil {
				return nil, errors.Join(err, last)
			}
		}
		e, err := s.lookup(l, region)
		if err != nil {
			return nil, err
		}
		if e.leader == 0 {
			last = fmt.Errorf("region %d has no leader", region)
			continue
		}
		resp, err := s.o.Admin.Admin(ctx, e.leader, e.region, req)
		var retry *RetryableError
		if errors.As(err, &retry) {
			last = err
			continue
		}
		return resp, err
	}
	return nil, last
}

// RetryableError is returned by Admin when the command certainly did not run and
// may run when sent again: the leader moved, or the epoch is not the newest.
type RetryableError struct{ Err error }

func (e *RetryableError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RetryableError) Unwrap() error { return e.Err }

// LostError is returned by Admin when the command's answer is lost: it may have run.
type LostError struct{ Err error }

func (e *LostError) Error() string { return "the outcome is unknown: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *LostError) Unwrap() error { return e.Err }

func (s *Service) lookup(l *leadership, region uint64) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.lead != l {
		return nil, errLeaderChanged
	}
	e := l.dir.byID[region]
	if e == nil {
		return nil, fmt.Errorf("region %d is not known", region)
	}
	return e, nil
}

// change makes a change of membership and takes note of the new region at once.
func (s *Service) change(ctx context.Context, l *leadership, region uint64, ch []*kvpb.Change) error {
	resp, err := s.command(ctx, l, region, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
		ChangePeers: &kvpb.ChangePeersRequest{Changes: ch}}})
	if err != nil {
		return err
	}
	s.note(l, resp.GetChangePeers().GetRegion())
	return nil
}

// note puts a region's new shape into the directory without waiting for its
// leader's report.
func (s *Service) note(l *leadership, r *metapb.Region) {
	if r == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.dir.byID[r.Id]
	if e == nil {
		return
	}
	rep := &placementpb.RegionReport{Region: r, LeaderStore: e.leader, Term: e.term, SizeBytes: e.size,
		DownStores: e.down, PendingStores: e.pending, WritesPerSecond: e.writes, ReadsPerSecond: e.reads, CleanTs: uint64(e.clean)}
	for _, p := range r.Peers { // a peer that was not there before has caught up with nothing
		if !slices.ContainsFunc(e.region.Peers, func(q *metapb.Peer) bool { return q.Id == p.Id }) {
			rep.PendingStores = append(slices.Clone(rep.PendingStores), p.StoreId)
		}
	}
	if l.dir.apply(rep) {
		s.noteChange(l, l.dir.byID[r.Id], nil)
		s.publishLocked(l, &placementpb.DirectoryUpdate{Regions: []*placementpb.RegionRoute{l.dir.byID[r.Id].route()}})
	}
}

func peerOn(r *metapb.Region, store uint64) *metapb.Peer {
	for _, p := range r.Peers {
		if p.StoreId == store {
			return p
		}
	}
	return nil
}

func (s *Service) addLearner(ctx context.Context, l *leadership, region, to uint64) error {
	id, err := s.AllocIDs(ctx, 1)
	if err != nil {
		return err
	}
	return s.change(ctx, l, region, []*kvpb.Change{{Type: kvpb.ChangeType_ADD_LEARNER,
		Peer: &metapb.Peer{Id: id, StoreId: to, NodeId: to, Role: metapb.PeerRole_LEARNER}}})
}

// caughtUp waits until the peer's log is close behind the leader's.
func (s *Service) caughtUp(ctx context.Context, l *leadership, region, peer uint64) error {
	for {
		resp, err := s.command(ctx, l, region, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Describe{Describe: &kvpb.DescribeRequest{}}})
		if err != nil {
			return err
		}
		d := resp.GetDescribe()
		for _, p := range d.GetProgress() {
			if p.PeerId == peer && p.Match > 0 && p.Match+caughtUpWithin >= d.LastIndex {
				return nil
			}
		}
		if err := env.Sleep(ctx, s.o.Clock, stepPause); err != nil {
			return fmt.Errorf("peer %d did not catch up: %w", peer, err)
		}
	}
}

func (s *Service) transfer(ctx context.Context, l *leadership, region, to uint64) error {
	for {
		e, err := s.lookup(l, region)
		if err != nil {
			return err
		}
		if e.leader == to {
			return nil
		}
		p := peerOn(e.region, to)
		if p == nil || p.Role != metapb.PeerRole_VOTER {
			return &ErrRefused{fmt.Sprintf("store %d has no voter of region %d", to, region)}
		}
		if _, err := s.command(ctx, l, region, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
			TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}}); err != nil {
			var lost *LostError
			if !errors.As(err, &lost) {
				return err
			}
			// It may be under way: what the stores report tells, and to ask again does
			// no harm.
			s.o.Logger.Debug("placement: transfer", "region", region, "err", err)
		}
		// The new leader reports within a second; ask again after two.
		for i := 0; i < 40; i++ {
			if e, err = s.lookup(l, region); err != nil || e.leader == to {
				return err
			}
			if err := env.Sleep(ctx, s.o.Clock, stepPause); err != nil {
				return fmt.Errorf("store %d did not take over: %w", to, err)
			}
		}
	}
}

// move brings the peer on from to the store to: a learner there first, then one
// joint change that promotes it and removes the other.
func (s *Service) move(ctx context.Context, l *leadership, region, from, to uint64) error {
	e, err := s.lookup(l, region)
	if err != nil {
		return err
	}
	if peerOn(e.region, from) == nil {
		return &ErrRefused{fmt.Sprintf("region %d has no peer on store %d", region, from)}
	}
	switch p := peerOn(e.region, to); {
	case p == nil:
		if err := s.addLearner(ctx, l, region, to); err != nil {
			return err
		}
	case p.Role != metapb.PeerRole_LEARNER:
		return &ErrRefused{fmt.Sprintf("region %d has a peer on store %d already", region, to)}
	}
	if e, err = s.lookup(l, region); err != nil {
		return err
	}
	fresh := peerOn(e.region, to)
	if fresh == nil {
		return fmt.Errorf("the new peer on store %d is not in the directory", to)
	}
	if err := s.caughtUp(ctx, l, region, fresh.Id); err != nil {
		return err
	}
	old := peerOn(e.region, from)
	changes := []*kvpb.Change{{Type: kvpb.ChangeType_PROMOTE, Peer: fresh}, {Type: kvpb.ChangeType_REMOVE, Peer: old}}
	if old.Role == metapb.PeerRole_LEARNER {
		return s.change(ctx, l, region, changes[1:]) // learner for learner
	}
	if e, err = s.lookup(l, region); err != nil {
		return err
	}
	if e.leader == from {
		// A leader hands over before it takes part in its own removal (region/replica),
		// to another voter; if there is none, the new peer becomes one first.
		if other := otherVoter(e.region, from); other != 0 {
			if err := s.transfer(ctx, l, region, other); err != nil {
				return err
			}
		} else {
			if err := s.change(ctx, l, region, changes[:1]); err != nil {
				return err
			}
			if err := s.transfer(ctx, l, region, to); err != nil {
				return err
			}
			changes = changes[1:]
		}
	}
	return s.change(ctx, l, region, changes)
}

func otherVoter(r *metapb.Region, not uint64) uint64 {
	for _, p := range r.Peers {
		if p.StoreId != not && p.Role == metapb.PeerRole_VOTER {
			return p.StoreId
		}
	}
	return 0
}

// remove takes a peer away from the region as it was when that was planned. One that
// has changed is planned for again: the peer may have been a learner that nobody needs,
// and is a voter that is needed now (rule F3).
func (s *Service) remove(ctx context.Context, l *leadership, region, from uint64, epoch *metapb.Epoch) error {
	e, err := s.lookup(l, region)
	if err != nil {
		return err
	}
	if !proto.Equal(e.region.Epoch, epoch) {
		return fmt.Errorf("region %d is not as it was when the order was made: it has epoch %d/%d now", region, e.region.Epoch.GetConfVer(), e.region.Epoch.GetVersion())
	}
	p := peerOn(e.region, from)
	if p == nil {
		return &ErrRefused{fmt.Sprintf("region %d has no peer on store %d", region, from)}
	}
	s.mu.Lock()
	err = s.quorumWithoutLocked(l, e.region, p)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if e.leader == from {
		other := otherVoter(e.region, from)
		if other == 0 {
			return &ErrRefused{fmt.Sprintf("store %d holds the only voter of region %d", from, region)}
		}
		if err := s.transfer(ctx, l, region, other); err != nil {
			return err
		}
	}
	return s.change(ctx, l, region, []*kvpb.Change{{Type: kvpb.ChangeType_REMOVE, Peer: p}})
}

// quorumWithoutLocked says why a region could not go on without a peer: too few of the
// voters that would stay are on live stores. The region's leader asks itself the same
// by what it hears (region/replica); this one answers before anything is begun. It
// returns errSettling while a new leader of placement has not heard of a store yet.
// Requires: s.mu held.
func (s *Service) quorumWithoutLocked(l *leadership, r *metapb.Region, without *metapb.Peer) error {
	if without.GetRole() == metapb.PeerRole_LEARNER {
		return nil
	}
	voters := 0
	var silent []string
	for _, p := range r.Peers {
		if p.Id == without.Id || p.Role == metapb.PeerRole_LEARNER {
			continue
		}
		voters++
		st := l.stores[p.StoreId]
		switch {
		case st == nil || st.silent:
			silent = append(silent, fmt.Sprint(p.StoreId))
		case st.lastSeen.IsZero():
			return errSettling
		}
	}
	if 2*len(silent) < voters {
		return nil
	}
	if voters == 0 {
		return &ErrRefused{fmt.Sprintf("store %d holds the only voter of region %d", without.StoreId, r.Id)}
	}
	return &ErrRefused{fmt.Sprintf("without node %d region %d would have no quorum: of the %d voters that stay those on node %s are not live; start them, or add replicas on other nodes first",
		without.StoreId, r.Id, voters, strings.Join(silent, ", "))}
}

// split makes a region begin at each of the keys. Those at which one begins already are
// done: an order that is repeated, because the answer to it was lost, finds its work done.
func (s *Service) split(ctx context.Context, l *leadership, region uint64, keys [][]byte) ([]*metapb.Region, error) {
	for {
		e, err := s.lookup(l, region)
		if err != nil {
			return nil, err
		}
		left := s.uncut(l, keys)
		if len(left) == 0 {
			return nil, nil
		}
		n := len(e.region.Peers)
		first, err := s.AllocIDs(ctx, uint32(len(left)*(n+1)))
		if err != nil {
			return nil, err
		}
		req := &kvpb.SplitRequest{Keys: left, Sticky: true}
		for range left {
			nr := &kvpb.NewRegion{RegionId: first}
			first++
			for range n {
				nr.PeerIds = append(nr.PeerIds, first)
				first++
			}
			req.NewRegions = append(req.NewRegions, nr)
		}
		resp, err := s.command(ctx, l, region, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: req}})
		var refused *ErrRefused
		if errors.As(err, &refused) && len(s.uncut(l, left)) < len(left) {
			continue // the region was behind when it was looked up
		}
		if err != nil {
			return nil, err
		}
		return resp.GetSplit().GetRegions(), nil
	}
}

// uncut returns the keys at which no region ends or begins, as far as is known.
func (s *Service) uncut(l *leadership, keys [][]byte) (left [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if !l.dir.isBorder(k) {
			left = append(left, k)
		}
	}
	return left
}

// Operators lists the running operators, or those that ended, newest last.
func (s *Service) Operators(history bool) ([]*placementpb.Operator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.mu.lead
	if l == nil {
		return nil, s.notLeader()
	}
	var out []*placementpb.Operator
	if history {
		for _, o := range s.mu.history {
			out = append(out, proto.Clone(o).(*placementpb.Operator))
		}
	}
	for id, op := range l.ops {
		if id == op.plan.RegionID { // a merge is there twice
			out = append(out, proto.Clone(op.info).(*placementpb.Operator))
		}
	}
	slices.SortFunc(out, func(a, b *placementpb.Operator) int { return int(a.Id) - int(b.Id) })
	return out, nil
}

// Operate makes an operator by hand. With wait set it returns when that has
// ended; a split then returns the regions that came of it.
func (s *Service) Operate(ctx context.Context, req *placementpb.OperateRequest) (*placementpb.Operator, []*metapb.Region, error) {
	var op *operator
	for {
		s.mu.Lock()
		l := s.mu.lead
		if l == nil {
			s.mu.Unlock()
			return nil, nil, s.notLeader()
		}
		if req.Kind == "cancel" {
			defer s.mu.Unlock()
			for _, running := range l.ops {
				if running.info.Id == req.OperatorId || req.OperatorId == 0 && running.info.RegionId == req.RegionId {
					running.cancel()
					return proto.Clone(running.info).(*placementpb.Operator), nil, nil
				}
			}
			return nil, nil, &ErrRefused{fmt.Sprintf("operator %d does not run (any more)", req.OperatorId)}
		}
		busy := l.ops[req.RegionId]
		if busy == nil {
			var err error
			op, err = s.orderLocked(l, req)
			s.mu.Unlock()
			if errors.Is(err, errSettling) || errors.Is(err, errBusy) {
				if serr := env.Sleep(ctx, s.o.Clock, stepPause); serr != nil {
					return nil, nil, fmt.Errorf("%w: %w", err, serr)
				}
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			break
		}
		s.mu.Unlock()
		select { // one operator a region: wait for the one that runs
		case <-busy.done:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("operator %d (%s) runs on region %d: %w", busy.info.Id, busy.info.Kind, req.RegionId, ctx.Err())
		}
	}
	if !req.Wait {
		s.mu.Lock()
		defer s.mu.Unlock()
		return proto.Clone(op.info).(*placementpb.Operator), nil, nil
	}
	select {
	case <-op.done:
		var refused *ErrRefused
		if errors.As(op.err, &refused) {
			return nil, nil, refused
		}
		return op.info, op.regions, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("operator %d goes on: %w", op.info.Id, ctx.Err())
	}
}

// knowsAllAfter is when a leader has heard of every region that lives, also if stores
// can hardly reach it.
const knowsAllAfter = 10 * storeLiveFor

// errSettling says that a new leader has not heard enough yet to judge an order.
var errSettling = errors.New("the new leader of placement is still collecting reports")

// orderLocked checks an order and begins it. It returns errSettling while this
// leader may not have heard from the region or the store yet. Requires: s.mu held.
func (s *Service) orderLocked(l *leadership, req *placementpb.OperateRequest) (*operator, error) {
	e := l.dir.byID[req.RegionId]
	switch led := s.o.Clock.Now().Sub(l.since); {
	case e == nil && (led >= knowsAllAfter || l.dir.complete()):
		return nil, fmt.Errorf("region %d is not known", req.RegionId)
	case e == nil || e.leader == 0 && led < storeLiveFor:
		return nil, errSettling
	}
	plan := scheduler.Plan{Kind: scheduler.Kind(req.Kind), RegionID: req.RegionId, Epoch: e.region.Epoch, From: req.FromStore, To: req.ToStore}
	target := func(id uint64) error {
		st := l.stores[id]
		if st == nil {
			return &ErrRefused{fmt.Sprintf("there is no node %d", id)}
		}
		if st.lastSeen.IsZero() && !st.silent {
			return errSettling
		}
		if st.silent {
			return &ErrRefused{fmt.Sprintf("node %d is not live", id)}
		}
		if state := st.rec.Store.State; state != metapb.StoreState_UP {
			return &ErrRefused{fmt.Sprintf("node %d is %s", id, strings.ToLower(state.String()))}
		}
		return nil
	}
	switch plan.Kind {
	case scheduler.TransferLeader:
		plan.From = e.leader
		if err := target(req.ToStore); err != nil {
			return nil, err
		}
		if p := peerOn(e.region, req.ToStore); p == nil || p.Role != metapb.PeerRole_VOTER {
			return nil, &ErrRefused{fmt.Sprintf("node %d has no voter of region %d", req.ToStore, req.RegionId)}
		}
	case scheduler.AddPeer:
		if err := target(req.ToStore); err != nil {
			return nil, err
		}
		if peerOn(e.region, req.ToStore) != nil {
			return nil, &ErrRefused{fmt.Sprintf("region %d has a peer on node %d already", req.RegionId, req.ToStore)}
		}
	case scheduler.MovePeer:
		if err := target(req.ToStore); err != nil {
			return nil, err
		}
		if peerOn(e.region, req.FromStore) == nil {
			return nil, &ErrRefused{fmt.Sprintf("region %d has no peer on node %d", req.RegionId, req.FromStore)}
		}
		if peerOn(e.region, req.ToStore) != nil {
			return nil, &ErrRefused{fmt.Sprintf("region %d has a peer on node %d already", req.RegionId, req.ToStore)}
		}
	case scheduler.RemovePeer:
		p := peerOn(e.region, req.FromStore)
		if p == nil {
			return nil, &ErrRefused{fmt.Sprintf("region %d has no peer on node %d", req.RegionId, req.FromStore)}
		}
		if err := s.quorumWithoutLocked(l, e.region, p); err != nil {
			return nil, err
		}
	case scheduler.Merge:
		if err := s.neighbourLocked(l, e, &plan); err != nil {
			return nil, err
		}
	case kindUnsplit:
	case kindSplit:
		if len(req.Keys) == 0 {
			return nil, fmt.Errorf("a split needs a key")
		}
	default:
		return nil, fmt.Errorf("unknown kind of operator %q", req.Kind)
	}
	if plan.Kind != kindSplit && plan.Kind != kindUnsplit && plan.Kind != scheduler.Merge {
		l.heldUntil[req.RegionId] = s.o.Clock.Now().Add(handHold)
	}
	op := &operator{plan: plan, keys: req.Keys}
	s.beginLocked(l, op, req.Kind, "asked for")
	return op, nil
}
