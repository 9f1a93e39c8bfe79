package replica

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
)

// A region, the source, is merged into its left neighbour, the target, in three
// steps, each an entry in one of the two logs. DESIGN.md has the argument.
//
//	source: prepare ── it serves nothing from here on; every replica makes that
//	   │               durable and tells the leader
//	target: commit ─── it takes range, bounds and row locks of the source
//	   │
//	target: settle ─── instead: the attempt is over, the commit cannot come any more
//	source: rollback ─ it serves again
const (
	// mergingBackoffMs is after how long to try a region again that is being merged.
	mergingBackoffMs = 5
	// mergePatienceTicks is how long all replicas of the source have to make its end
	// durable: the region serves nothing meanwhile, and clients wait.
	mergePatienceTicks = 4
	// settleAfterTicks is when the leader of a source that somebody else began to merge
	// asks what became of it, and how often.
	settleAfterTicks = 3
	// mergeLagMax is how many entries a peer may lack for a merge to begin.
	mergeLagMax = 64
	// absorbedMax bounds what a target remembers of former merges.
	absorbedMax = 16
)

type mergePhase uint8

const (
	mergePreparing  mergePhase = iota
	mergeFenced                // the source serves nothing; waits for its replicas
	mergeDurable               // waits for a timestamp and for the target's latches
	mergeCommitting            // the target's log decides
	mergeOver
)

// mergeRun is one attempt as seen by the store that leads both regions. It is lost
// with either leadership: the source's next leader settles what is left.
type mergeRun struct {
	call           *Call // of whoever asked
	target, source *Replica
	tl, sl         *leadership
	tdesc, sdesc   *metapb.Region // as they were judged; sdesc is the prepared one later

	mu struct {
		sync.Mutex
		phase mergePhase
		ticks int
	}
}

// advance moves on if the attempt is in the phase from.
func (m *mergeRun) advance(from, to mergePhase) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	ok := m.mu.phase == from
	if ok {
		m.mu.phase = to
	}
	return ok
}

// internalCall is a request that comes from this store itself.
func internalCall(done func(*kvpb.Response)) *Call {
	return &Call{req: &kvpb.Request{}, exec: func(f func()) { f() }, done: done}
}

// mergeable says what forbids to merge source into target.
func mergeable(target, source *metapb.Region) error {
	switch {
	case target.GetId() == region.PlacementID || source.GetId() == region.PlacementID:
		return fmt.Errorf("region %d holds the state of placement and stays by itself", region.PlacementID)
	case len(target.GetEndKey()) == 0 || !bytes.Equal(target.GetEndKey(), source.GetStartKey()):
		return fmt.Errorf("region %d is not the right neighbour of region %d", source.GetId(), target.GetId())
	case source.GetMerging() != nil || target.GetMerging() != nil:
		return fmt.Errorf("one of the regions %d and %d is being merged already", target.GetId(), source.GetId())
	case region.IsJoint(target) || region.IsJoint(source):
		return fmt.Errorf("the membership of region %d or %d is changing", target.GetId(), source.GetId())
	case len(target.GetPeers()) != len(source.GetPeers()):
		return fmt.Errorf("regions %d and %d are not on the same stores", target.GetId(), source.GetId())
	}
	for _, p := range target.GetPeers() {
		if q := region.PeerOn(source, p.GetStoreId()); q == nil {
			return fmt.Errorf("store %d holds region %d but not region %d", p.GetStoreId(), target.GetId(), source.GetId())
		} else if p.GetRole() != metapb.PeerRole_VOTER || q.GetRole() != metapb.PeerRole_VOTER {
			return fmt.Errorf("a learner of region %d or %d on store %d", target.GetId(), source.GetId(), p.GetStoreId())
		}
	}
	return nil
}

// merge begins to merge a region into this one.
func (r *Replica) merge(c *Call, source *metapb.Region) {
	l, desc, e := r.check(c.req, true)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	refuse := func(format string, args ...any) { c.finish(region.Response(region.Refused(format, args...))) }
	src := r.cfg.Host.Replica(source.GetId())
	if src == nil {
		refuse("region %d is not on store %d", source.GetId(), r.cfg.StoreID)
		return
	}
	sl, sdesc, e := src.check(internalCall(nil).req, false)
	if e != nil {
		refuse("region %d cannot be merged from store %d: %s", source.GetId(), r.cfg.StoreID, e.GetMessage())
		return
	}
	if err := mergeable(desc, sdesc); err != nil {
		refuse("%v", err)
		return
	}
	if region.CompareEpoch(source.GetEpoch(), sdesc.GetEpoch()) != 0 {
		c.finish(region.Response(region.ServerBusy("the region to merge has changed", 20)))
		return
	}
	if r.cfg.Host.Awaited(source.GetId()) {
		c.finish(region.Response(region.ServerBusy("the region to merge is to take another one itself", 20)))
		return
	}
	if !c.propose() {
		return
	}
	run := &mergeRun{call: c, target: r, source: src, tl: l, sl: sl, tdesc: desc, sdesc: sdesc}
	// The progress of peers belongs to the worker of each.
	if !r.enqueueOp(func(rn *raft.RawNode) {
		if e := r.notTogether(rn); e != nil {
			c.finish(region.Response(e))
			return
		}
		if !src.enqueueOp(func(rn *raft.RawNode) {
			if e := src.notTogether(rn); e != nil {
				c.finish(region.Response(e))
				return
			}
			run.prepare()
		}) {
			refuse("region %d is gone", source.GetId())
		}
	}) {
		c.finish(region.Response(region.NotFound(r.cfg.RegionID)))
	}
}

// notTogether says which peer is too far away for a merge, nil if none is. Process only.
func (r *Replica) notTogether(rn *raft.RawNode) (e errorAnswer) {
	v, now, _ := r.cfg.Host.Liveness()
	last, err := r.group.LastIndex()
	if err != nil {
		return region.Unavailable(err.Error())
	}
	rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		if id == r.cfg.PeerID || e != nil {
			return
		}
		store := r.storeOf(id)
		switch {
		case !v.Peer(store).Alive(now):
			e = region.Refused("store %d, which holds a peer of region %d, does not answer", store, r.cfg.RegionID)
		case p.State != tracker.StateReplicate || p.Match+mergeLagMax < last:
			e = region.ServerBusy(fmt.Sprintf("peer %d of region %d on store %d lags", id, r.cfg.RegionID, store), 50)
		}
	})
	return e
}

// prepare fences the source.
func (m *mergeRun) prepare() {
	src := m.source
	c := internalCall(func(resp *kvpb.Response) {
		// The proposal was refused or its outcome is not known; then the next leader
		// of the source looks what to do.
		m.mu.Lock()
		m.mu.phase = mergeOver
		m.mu.Unlock()
		m.call.finish(resp)
	})
	src.underLatches(c, m.sl, []latch.Span{latch.Range(nil, nil)}, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		if err := mergeable(m.tdesc, desc); err != nil || region.CompareEpoch(desc.GetEpoch(), m.sdesc.GetEpoch()) != 0 {
			src.giveUp(c, l, g, region.ServerBusy("the region to merge has changed", 20))
			return
		}
		payload, err := proto.Marshal(&kvpb.PrepareMerge{Target: m.tdesc.GetId(), TargetEpoch: m.tdesc.GetEpoch()})
		if err != nil {
			src.giveUp(c, l, g, region.Refused("encode merge: %v", err))
			return
		}
		// Reads wait for the apply as after a split, and find the fence (rule B1).
		l.latches.Lock(g, noTimestamp)
		src.propose(l, desc, &proposal{
			call: c, guard: g, cmd: command{kind: cmdPrepareMerge, payload: payload},
			then: func() { m.prepared() },
		})
	})
}

func (r *Replica) applyPrepareMerge(index uint64, payload []byte) error {
	req := &kvpb.PrepareMerge{}
	if err := proto.Unmarshal(payload, req); err != nil {
		return err
	}
	desc := region.Clone(r.apl.desc)
	desc.Epoch.Version++
	desc.Merging = &metapb.Merging{Target: req.GetTarget(), TargetEpoch: req.GetTargetEpoch(), Index: index}
	r.apl.desc = desc
	return nil
}

// prepared goes on when the source's leader has applied its end.
func (m *mergeRun) prepared() {
	src := m.source
	src.mu.Lock()
	leads := src.mu.lead == m.sl
	if leads {
		m.sl.merge, m.sdesc = m, src.mu.desc
	}
	src.mu.Unlock()
	if !leads {
		m.sourceEnded("the leadership was lost")
		return
	}
	m.advance(mergePreparing, mergeFenced)
	src.countFences(m)
}

// fence is called when the replica has applied the beginning of a merge: it makes
// that durable and tells the leader. l is nil at followers. Process only.
func (r *Replica) fence(l *leadership) {
	if l != nil {
		l.rows.interrupt(region.ServerBusy("the region is being merged into its neighbour", mergingBackoffMs))
	}
	index := r.apl.desc.GetMerging().GetIndex()
	r.cfg.Host.RunBlocking(func() {
		// What was applied before lies before it in the engine's log.
		fault.Hit("merge/before-fence")
		if err := r.cfg.State.Sync(); err != nil {
			r.fatal("sync the beginning of a merge", err)
			return
		}
		fault.Hit("merge/after-fence")
		r.enqueueQuietly(func(*raft.RawNode) {
			r.fenced = max(r.fenced, index)
			if r.soft.leader != 0 {
				r.answerFence(r.soft.leader, index)
			}
		})
	})
}

// answerFence tells the source's leader that the beginning of the merge is durable
// here, if it is. Process only.
func (r *Replica) answerFence(peer, index uint64) {
	if r.apl.desc.GetMerging().GetIndex() != index {
		return
	}
	if r.fenced < index {
		// Found at open, or by a raft snapshot; or the sync is under way.
		r.fence(nil)
		return
	}
	if peer == r.cfg.PeerID {
		r.noteFence(peer, index)
		return
	}
	m := &raftpb.Message{
		Type: memberAnswer.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(peer), Index: proto.Uint64(index),
	}
	if env := r.envelope(m); env != nil {
		r.cfg.Host.SendMessage(env)
	}
}

// noteFence takes the answer of a peer. Process only.
func (r *Replica) noteFence(peer, index uint64) {
	if len(r.fences) >= peersMetMax {
		clear(r.fences) // they are asked again
	}
	r.fences[peer] = max(r.fences[peer], index)
	r.mu.Lock()
	var m *mergeRun
	if r.mu.lead != nil {
		m = r.mu.lead.merge
	}
	r.mu.Unlock()
	if m != nil {
		r.countFences(m)
	}
}

// countFences goes on with the merge when all replicas of the source have made its
// end durable. Process of the source only.
func (r *Replica) countFences(m *mergeRun) {
	if r.notFenced(m) != nil || !m.advance(mergeFenced, mergeDurable) {
		return
	}
	// Rule B3: asked for now that nobody serves reads of the source.
	r.cfg.Host.FreshTimestamp(r, m.sl.term, m.commit)
}

// notFenced returns the peers of the source that have not answered. Process only.
func (r *Replica) notFenced(m *mergeRun) (out []uint64) {
	for _, p := range m.sdesc.GetPeers() {
		if r.fences[p.GetId()] != m.sdesc.GetMerging().GetIndex() {
			out = append(out, p.GetId())
		}
	}
	return out
}

// tickMerge asks again, gives up, or settles what somebody else began. Process of the
// source's leader only.
func (r *Replica) tickMerge() {
	merging := r.apl.desc.GetMerging()
	if merging == nil {
		return
	}
	r.mu.Lock()
	l := r.mu.lead
	var m *mergeRun
	if l != nil && l.ready {
		m = l.merge
	} else {
		l = nil
	}
	r.mu.Unlock()
	if l == nil {
		return
	}
	if m == nil || m.sdesc.GetMerging().GetIndex() != merging.GetIndex() {
		if l.ticks%settleAfterTicks == 0 {
			r.settleOwn(merging)
		}
		return
	}
	m.mu.Lock()
	m.mu.ticks++
	phase := m.mu.phase
	late := m.mu.ticks > mergePatienceTicks
	// An attempt that is over, with the region still fenced, is settled like another's.
	over := m.mu.phase == mergeOver && m.mu.ticks%settleAfterTicks == 0
	m.mu.Unlock()
	var missing []uint64
	if phase == mergeFenced {
		missing = r.notFenced(m)
	}
	switch {
	case late && m.advance(mergeFenced, mergeOver):
		m.giveUp(fmt.Sprintf("peers %v of region %d did not answer in time", missing, r.cfg.RegionID))
		return
	case late && m.advance(mergeDurable, mergeOver):
		m.giveUp("the oracle or the target did not answer in time")
		return
	case over:
		r.settleOwn(merging)
	}
	for _, peer := range missing {
		if peer == r.cfg.PeerID {
			r.answerFence(peer, merging.GetIndex())
			continue
		}
		q := &raftpb.Message{
			Type: memberQuestion.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(peer), Index: proto.Uint64(merging.GetIndex()),
		}
		if env := r.envelope(q); env != nil {
			r.cfg.Host.SendMessage(env)
		}
	}
}

// commit has the target take the source. ts is from after the fence.
func (m *mergeRun) commit(ts timestamp.Timestamp) {
	tgt := m.target
	c := internalCall(func(resp *kvpb.Response) {
		m.mu.Lock()
		over := m.mu.phase == mergeOver
		m.mu.phase = mergeOver
		m.mu.Unlock()
		switch e := resp.GetRegionError(); {
		case over: // given up meanwhile, nothing was proposed
		case e == nil:
			m.call.finish(resp)
		case e.GetAmbiguous() != nil:
			m.call.finish(resp) // settled by the source's leader
		default:
			m.giveUp(e.GetMessage())
		}
	})
	m.target.underLatches(c, m.tl, []latch.Span{latch.Range(nil, nil)}, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		src := m.source
		src.mu.Lock()
		fenced := src.mu.lead == m.sl && !m.sl.noLease && src.mu.desc.GetMerging().GetIndex() == m.sdesc.GetMerging().GetIndex()
		a := src.mu.applied
		src.mu.Unlock()
		if !fenced || region.CompareEpoch(desc.GetEpoch(), m.tdesc.GetEpoch()) != 0 || region.IsJoint(desc) {
			tgt.giveUp(c, l, g, region.ServerBusy("a region has changed during the merge", 20))
			return
		}
		// What the source has served lies below, and so does what its row locks saw.
		l.raiseMaxTS(max(ts, timestamp.Timestamp(m.sl.maxTS.Load())))
		payload, err := proto.Marshal(&kvpb.CommitMerge{
			Source: m.sdesc, SizeBytes: uint64(max(a.sizeBytes, 0)),
			Fence: uint64(a.gc.fence), Collect: uint64(a.gc.collect),
			Locks: m.sl.rows.export(nil), Settling: m.sl.rows.settling(),
		})
		if err != nil {
			tgt.giveUp(c, l, g, region.Refused("encode merge: %v", err))
			return
		}
		if !m.advance(mergeDurable, mergeCommitting) {
			tgt.giveUp(c, l, g, region.ServerBusy("the merge was given up", 20))
			return
		}
		l.latches.Lock(g, noTimestamp)
		tgt.propose(l, desc, &proposal{call: c, guard: g, cmd: command{kind: cmdCommitMerge, payload: payload}})
	})
}

// sourceEnded ends an attempt whose source has lost its leader here.
func (m *mergeRun) sourceEnded(why string) {
	if m == nil {
		return
	}
	if m.advance(mergePreparing, mergeOver) || m.advance(mergeFenced, mergeOver) || m.advance(mergeDurable, mergeOver) {
		m.call.finish(region.Response(region.Ambiguous(why)))
	}
}

// giveUp settles an attempt that is over and opens the source again.
func (m *mergeRun) giveUp(why string) {
	resp := region.Response(region.Refused("region %d was not merged into region %d: %s",
		m.sdesc.GetId(), m.tdesc.GetId(), why))
	m.source.settle(m.target, m.sdesc.GetMerging(), func(open bool) {
		if !open {
			resp = region.Response(region.Ambiguous(why))
		}
		m.call.finish(resp)
	})
}

// settleOwn finds out what became of a merge that nobody looks after, if the target
// is led from this store; else it hands the leadership to the store that leads it. If
// the target is not here any more, that is up to placement.
func (r *Replica) settleOwn(merging *metapb.Merging) {
	tgt := r.cfg.Host.Replica(merging.GetTarget())
	if tgt == nil {
		// It was taken itself meanwhile: who took it inherited what it knew.
		if tgt = r.cfg.Host.Taker(merging.GetTarget()); tgt == nil {
			return
		}
	}
	info := tgt.Info()
	if info.Ready {
		r.settle(tgt, merging, func(bool) {})
		return
	}
	to := region.PeerOn(r.apl.desc, info.Leader.GetStoreId())
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if info.IsLeader || to == nil || to.GetId() == r.cfg.PeerID || l == nil || l.transferTo != 0 {
		return
	}
	// Its row locks are lost, which costs their owners a conflict at most.
	r.startTransfer(internalCall(func(*kvpb.Response) {}), l, to, nil)
}

// settle asks the target for the end of an attempt and opens this region, its source,
// if it was not committed. done is told whether the region is open again; else it is
// taken, or nobody knows yet.
func (r *Replica) settle(tgt *Replica, merging *metapb.Merging, done func(open bool)) {
	tgt.settleMerge(internalCall(func(resp *kvpb.Response) {
		verdict := resp.GetAdmin().GetSettleMerge()
		if verdict == nil || verdict.GetCommitted() {
			if verdict == nil {
				r.log.Info("merge is not settled yet", "target", merging.GetTarget(), "error", resp.GetRegionError().GetMessage())
			}
			done(false)
			return
		}
		r.rollbackMerge(internalCall(func(resp *kvpb.Response) { done(resp.GetRegionError() == nil) }), merging.GetIndex())
	}), &kvpb.SettleMergeRequest{SourceId: r.cfg.RegionID, Merging: merging})
}

// settleMerge answers, as the target, whether an attempt was committed; if not, it
// cannot be any more when the answer is given.
func (r *Replica) settleMerge(c *Call, req *kvpb.SettleMergeRequest) {
	l, desc, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	if req.GetMerging().GetTargetEpoch() == nil || !speaksFor(desc, req.GetMerging().GetTarget()) {
		c.finish(region.Response(region.Refused("region %d is not the target of that merge", r.cfg.RegionID)))
		return
	}
	r.underLatches(c, l, []latch.Span{latch.Range(nil, nil)}, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		payload, err := proto.Marshal(req)
		if err != nil {
			r.giveUp(c, l, g, region.Refused("encode merge: %v", err))
			return
		}
		r.propose(l, desc, &proposal{call: c, guard: g, cmd: command{kind: cmdSettleMerge, payload: payload}})
	})
}

// speaksFor reports whether the log of a region decides what became of merges into
// target: it is that region, or has taken it.
func speaksFor(desc *metapb.Region, target uint64) bool {
	return desc.GetId() == target || region.Absorbed(desc, target)
}

// applySettleMerge gives the verdict of the target's log.
func (r *Replica) applySettleMerge(payload []byte) (*kvpb.Response, errorAnswer, error) {
	req := &kvpb.SettleMergeRequest{}
	if err := proto.Unmarshal(payload, req); err != nil {
		return nil, nil, err
	}
	verdict := func(committed bool) *kvpb.Response {
		return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
			Cmd: &kvpb.AdminResponse_SettleMerge{SettleMerge: &kvpb.SettleMergeResponse{Committed: committed}},
		}}}
	}
	past := r.apl.desc.GetAbsorbed()
	if slices.ContainsFunc(past, func(a *metapb.Absorbed) bool {
		return a.GetRegionId() == req.GetSourceId() && a.GetIndex() == req.GetMerging().GetIndex()
	}) {
		return verdict(true), nil, nil
	}
	epoch := req.GetMerging().GetTargetEpoch()
	direct := req.GetMerging().GetTarget() == r.cfg.RegionID
	switch {
	case !speaksFor(r.apl.desc, req.GetMerging().GetTarget()):
		return nil, region.Refused("region %d is not the target of that merge", r.cfg.RegionID), nil
	case len(past) >= absorbedMax && (!direct || epoch.GetVersion() < past[0].GetTargetVersion()):
		return nil, region.Refused("what became of that merge is not known any more"), nil
	case !direct:
		// The target is no more; its log ended without the commit.
		return verdict(false), nil, nil
	}
	switch region.CompareEpoch(r.apl.desc.GetEpoch(), epoch) {
	case -1:
		return nil, region.Refused("region %d is older than that merge", r.cfg.RegionID), nil
	case 0:
		desc := region.Clone(r.apl.desc)
		desc.Epoch.Version++
		r.apl.desc = desc
	}
	return verdict(false), nil, nil
}

// rollbackMerge opens the region again.
// Requires: the attempt that began at index is settled as not committed.
func (r *Replica) rollbackMerge(c *Call, index uint64) {
	r.mu.Lock()
	l, desc := r.mu.lead, r.mu.desc
	var e errorAnswer
	switch {
	case l == nil || desc == nil:
		e = r.notLeaderLocked()
	case !l.ready:
		e = region.ServerBusy("the new leader has not applied an entry of its term", 5)
	case desc.GetMerging().GetIndex() != index:
		e = region.Refused("region %d is not being merged since index %d", r.cfg.RegionID, index)
	}
	r.mu.Unlock()
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	payload, err := proto.Marshal(&kvpb.RollbackMergeRequest{Index: index})
	if err != nil {
		c.finish(region.Response(region.Refused("encode merge: %v", err)))
		return
	}
	r.propose(l, desc, &proposal{call: c, cmd: command{kind: cmdRollbackMerge, payload: payload}})
}

func (r *Replica) applyRollbackMerge(payload []byte) (*kvpb.Response, errorAnswer, error) {
	req := &kvpb.RollbackMergeRequest{}
	if err := proto.Unmarshal(payload, req); err != nil {
		return nil, nil, err
	}
	if r.apl.desc.GetMerging() == nil || r.apl.desc.GetMerging().GetIndex() != req.GetIndex() {
		return nil, region.Refused("region %d is not being merged since index %d", r.cfg.RegionID, req.GetIndex()), nil
	}
	desc := region.Clone(r.apl.desc)
	desc.Epoch.Version++
	desc.Merging = nil
	r.apl.desc = desc
	return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
		Cmd: &kvpb.AdminResponse_RollbackMerge{RollbackMerge: &kvpb.RollbackMergeResponse{Region: desc}},
	}}}, nil, nil
}

// setSticky changes whether the boundary at the region's start is kept.
func (r *Replica) setSticky(c *Call, req *kvpb.SetStickyRequest) {
	l, desc, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	payload, err := proto.Marshal(req)
	if err != nil {
		c.finish(region.Response(region.Refused("encode: %v", err)))
		return
	}
	r.propose(l, desc, &proposal{call: c, cmd: command{kind: cmdSticky, payload: payload}})
}

func (r *Replica) applySticky(payload []byte) (*kvpb.Response, error) {
	req := &kvpb.SetStickyRequest{}
	if err := proto.Unmarshal(payload, req); err != nil {
		return nil, err
	}
	if r.apl.desc.GetStickyStart() != req.GetSticky() {
		// A new version: who compares epochs must not take the old for the new.
		desc := region.Clone(r.apl.desc)
		desc.Epoch.Version++
		desc.StickyStart = req.GetSticky()
		r.apl.desc = desc
	}
	return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
		Cmd: &kvpb.AdminResponse_SetSticky{SetSticky: &kvpb.SetStickyResponse{Region: r.apl.desc}},
	}}}, nil
}
