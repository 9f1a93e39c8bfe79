package replica

import (
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

type errorAnswer = *kvpb.RegionError

// applied is what one entry did, to be made known after the commit of the batch.
type appliedEntry struct {
	id, term uint64         // of the command; id 0: none
	refused  errorAnswer    // the command had no effect
	resp     *kvpb.Response // nil: what the proposal holds
	empty    bool
	children []*metapb.Region // born on this store
	conf     bool             // a configuration change, refused or not
	leaving  bool             // the joint configuration goes on
	locks    *carried         // replaces what is carried for the next leader
	took     *kvpb.CommitMerge
}

// apply adds committed entries to the round's batch. Everything that others can
// see of it changes in finishApply, after the commit. Before an entry by which the
// region takes its neighbour it pauses: see pauseApply.
func (r *Replica) apply(m *raftpb.Message, round *multiraft.Round) {
	if r.withdrawn {
		return // and Raft is told of nothing more that was applied
	}
	batch := round.StateBatch()
	before := r.apl.desc
	results := make([]appliedEntry, 0, len(m.GetEntries()))
	for i, e := range m.GetEntries() {
		invariants.Assert(e.GetIndex() == r.apl.index+1, "region %d: apply of entry %d after %d",
			r.cfg.RegionID, e.GetIndex(), r.apl.index)
		if took := r.takesSource(e); took != nil {
			if len(results) > 0 && !r.writeProgress(batch, before) {
				return
			}
			r.pauseApply(&pausedApply{entries: m.GetEntries()[i:], responses: m.GetResponses(), took: took}, results, round)
			return
		}
		cursor := r.apl
		res, err := r.applyEntry(e, batch)
		if err != nil {
			r.fatal("apply", err)
			return
		}
		if res.conf && r.withdraws(cursor) {
			if len(results) > 0 && r.writeProgress(batch, before) {
				round.AfterApply(func() { r.finishApply(appliedPart(m.GetResponses(), cursor.index), results) })
			}
			return
		}
		r.applied(e)
		results = append(results, res)
	}
	if !r.writeProgress(batch, before) {
		return
	}
	round.AfterApply(func() { r.finishApply(m.GetResponses(), results) })
}

// applied moves the cursor past an entry.
func (r *Replica) applied(e *raftpb.Entry) {
	r.apl.index, r.apl.term = e.GetIndex(), e.GetTerm()
	if o := r.cfg.Observer; o != nil {
		o.Applied(r.cfg.RegionID, r.cfg.StoreID, e.GetIndex(), e.GetTerm(), entryHash(e))
	}
}

// writeProgress adds the replica's own state to the batch. It reports false if the
// store fails.
func (r *Replica) writeProgress(batch *engine.Batch, before *metapb.Region) bool {
	if r.apl.desc != before {
		if err := writeDescriptor(batch, r.apl.desc); err != nil {
			r.fatal("write descriptor", err)
			return false
		}
	}
	if err := writeApplied(batch, r.cfg.RegionID, &r.apl.appliedState); err != nil {
		r.fatal("write applied state", err)
		return false
	}
	return true
}

func (r *Replica) applyEntry(e *raftpb.Entry, batch *engine.Batch) (appliedEntry, error) {
	switch e.GetType() {
	case raftpb.EntryConfChange, raftpb.EntryConfChangeV2:
		fault.Hit("membership/before-apply")
		return r.applyConfChange(e)
	}
	if len(e.GetData()) == 0 {
		return appliedEntry{term: e.GetTerm(), empty: true}, nil
	}
	c, err := decodeCommand(e.GetData())
	if err != nil {
		return appliedEntry{}, err
	}
	res := appliedEntry{id: c.id, term: c.term}
	if res.refused = r.checkCommand(&c, e.GetTerm()); res.refused != nil {
		return res, nil
	}
	// What was written down for the next leader holds only if nothing follows it.
	res.locks = &carried{}
	switch c.kind {
	case cmdLocks:
		list := &kvpb.CarriedLocks{}
		if err := proto.Unmarshal(c.payload, list); err != nil {
			return res, err
		}
		res.locks = &carried{term: e.GetTerm(), locks: list.GetLocks()}
	case cmdWrite:
		if invariants.Enabled {
			r.checkKeys(c.payload)
		}
		if err := batch.ApplyRepr(c.payload); err != nil {
			return res, err
		}
		if r.apl.newest, err = newestOf(c.payload, r.apl.newest); err != nil {
			return res, err
		}
		r.apl.sizeBytes += int64(len(c.payload))
		r.written.Add(uint64(len(c.payload)))
	case cmdSplit:
		fault.Hit("split/before-apply")
		res.children, res.resp, err = r.applySplit(c.payload, batch)
	case cmdGC:
		err = r.apl.gc.apply(c.payload)
	case cmdChecksum:
		res.resp, err = r.applyChecksum(e.GetIndex(), batch)
	case cmdPrepareMerge:
		err = r.applyPrepareMerge(e.GetIndex(), c.payload)
	case cmdCommitMerge:
		// One that takes effect does not come here.
		res.refused = region.EpochNotMatch(r.apl.desc)
	case cmdSettleMerge:
		res.resp, res.refused, err = r.applySettleMerge(c.payload)
	case cmdRollbackMerge:
		res.resp, res.refused, err = r.applyRollbackMerge(c.payload)
	case cmdSticky:
		res.resp, err = r.applySticky(c.payload)
	default:
		err = errBadCommand
	}
	return res, err
}

// checkCommand compares a command with the term of its entry and the epoch of the
// region at this point of the log. All replicas come to the same answer.
func (r *Replica) checkCommand(c *command, entryTerm uint64) errorAnswer {
	termOK, epochOK := c.matches(r.apl.desc.GetEpoch(), entryTerm)
	switch {
	case !termOK:
		return region.NotLeader(r.cfg.RegionID, nil, entryTerm)
	case !epochOK:
		return region.EpochNotMatch(r.apl.desc)
	case r.apl.desc.GetMerging() != nil && c.kind != cmdRollbackMerge && c.kind != cmdChecksum:
		return region.ServerBusy("the region is being merged into its neighbour", mergingBackoffMs)
	}
	return nil
}

// checkKeys asserts that a write stays within the region.
func (r *Replica) checkKeys(repr []byte) {
	start, end := r.apl.desc.GetStartKey(), r.apl.desc.GetEndKey()
	err := engine.VisitRepr(repr, func(op engine.Op) error {
		if op.Kind == engine.OpDeleteRange {
			for _, s := range keys.UserSpans(start, end) {
				if string(op.Key) >= string(s.Start) && string(op.End) <= string(s.End) {
					return nil
				}
			}
			invariants.Assert(false, "region %d: range deletion outside", r.cfg.RegionID)
		}
		d, err := keys.Decode(op.Key)
		invariants.Assert(err == nil && region.ContainsKey(start, end, d.User),
			"region %d: write outside: %v %v", r.cfg.RegionID, keys.Encoded(op.Key), err)
		return nil
	})
	invariants.Assert(err == nil, "region %d: %v", r.cfg.RegionID, err)
}

// finishApply makes the effects of a batch known: state, children, latches,
// answers. It runs after the commit, on the worker that owns the group.
func (r *Replica) finishApply(responses []*raftpb.Message, results []appliedEntry) {
	type ending struct {
		p    *proposal
		resp *kvpb.Response
		conf bool // a change of membership that took effect
	}
	var ends []ending
	var became bool
	var taken []*kvpb.CommitMerge
	r.mu.Lock()
	l := r.mu.lead
	fencedNow := r.apl.desc.GetMerging() != nil && r.mu.desc.GetMerging() == nil
	r.mu.applied = r.apl.appliedState
	changed := r.mu.desc != r.apl.desc
	r.mu.desc = r.apl.desc
	for i := range results {
		res := &results[i]
		if res.locks != nil {
			r.mu.carried = *res.locks
		}
		if res.took != nil {
			// What is known of one half only does not hold of the whole.
			r.mu.clean = 0
			if l != nil {
				l.recent.raise(r.apl.newest)
			}
			if l != nil && res.term == l.term {
				taken = append(taken, res.took)
			}
		}
		if l == nil || res.term != l.term {
			continue
		}
		if !l.ready {
			// Whatever could still come of former terms is applied now.
			l.ready, became = true, true
			l.recent.begin(r.apl.newest)
			if r.mu.carried.term != 0 && r.mu.carried.term+1 == l.term {
				l.rows.inherit(r.mu.carried.locks)
			}
			r.mu.carried = carried{}
		} else if res.empty {
			// Raft puts an empty entry in place of a configuration change that it
			// does not allow.
			for _, id := range sortedKeys(l.inflight) {
				if p := l.inflight[id]; p.conf != nil && !p.leave {
					ends = append(ends, ending{p: p, resp: region.Response(region.ServerBusy("another change of membership is under way", 100))})
					delete(l.inflight, id)
				}
			}
			continue
		}
		if res.conf && res.id == 0 && !res.leaving {
			// The joint configuration was left.
			for _, id := range sortedKeys(l.inflight) {
				if p := l.inflight[id]; p.leave {
					ends = append(ends, ending{p, changedPeers(r.apl.desc), true})
					delete(l.inflight, id)
				}
			}
			continue
		}
		p := l.inflight[res.id]
		if p == nil || res.id == 0 {
			continue
		}
		if res.leaving {
			p.leave = true
			continue
		}
		delete(l.inflight, res.id)
		l.bytes -= len(p.data)
		resp := p.resp
		switch {
		case res.refused != nil:
			resp = region.Response(res.refused)
		case res.resp != nil:
			resp = res.resp
		}
		ends = append(ends, ending{p, resp, res.conf && res.refused == nil})
	}
	r.mu.Unlock()

	if changed && l != nil {
		l.rows.cut(r.apl.desc)
	}
	for _, took := range taken {
		l.rows.take(took.GetLocks(), took.GetSettling())
	}
	if fencedNow {
		r.fence(l)
	}
	newConf := false
	for i := range results {
		if results[i].conf {
			newConf = newConf || results[i].refused == nil
			fault.Hit("membership/after-apply")
		}
		if len(results[i].children) > 0 {
			fault.Hit("split/after-apply")
			r.cfg.Counters.Splits.Add(1)
			r.cfg.Host.Born(r, results[i].children, l != nil)
		}
	}
	if newConf {
		r.makeDurable()
		if l != nil && !region.IsJoint(r.apl.desc) {
			r.beginKnowing(l)
		}
	}
	if changed || became {
		r.cfg.Host.Changed(r)
	}
	r.cfg.Host.Applied(r)
	for _, resp := range responses {
		if err := r.rn.Step(resp); err != nil {
			r.log.Debug("apply response refused", "error", err)
		}
	}
	r.lookAround()
	if r.rn.HasReady() {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Ready)
	}
	for _, e := range ends {
		failed := e.resp.GetRegionError() != nil
		if e.conf && !failed {
			r.answerChange(l, e.p.call, e.resp)
			continue
		}
		if e.p.decided != 0 && !failed {
			l.rows.release(e.p.decided)
		}
		if !e.p.keepGuard || failed {
			l.latches.Release(e.p.guard)
		}
		if e.resp.GetRegionError() != nil {
			r.cfg.Counters.ProposalsFailed.Add(1)
		} else if e.p.then != nil {
			e.p.then()
			continue
		}
		e.p.call.finish(e.resp)
	}
	if changed && region.PeerByID(r.apl.desc, r.cfg.PeerID) == nil {
		r.log.Info("removed from its region", "epoch", r.apl.desc.GetEpoch())
		r.cfg.Host.Removed(r)
	}
}

// applySplit changes the descriptor, and writes the state of the children that
// live on this store. Their data is where it was.
func (r *Replica) applySplit(payload []byte, batch *engine.Batch) ([]*metapb.Region, *kvpb.Response, error) {
	req := &kvpb.SplitRequest{}
	if err := proto.Unmarshal(payload, req); err != nil {
		return nil, nil, err
	}
	regions, err := splitDescriptors(r.apl.desc, req)
	if err != nil {
		return nil, nil, err
	}
	share := r.apl.sizeBytes / int64(len(regions))
	var here []*metapb.Region
	for _, child := range regions[1:] {
		p := region.PeerOn(child, r.cfg.StoreID)
		if p == nil {
			continue
		}
		gone, err := r.cfg.Host.Tombstoned(child.GetId(), p.GetId())
		if err != nil {
			return nil, nil, err
		}
		if gone {
			// The child was born, lived, and was removed; a crash lost that, and
			// this is the replay (rule C6). Its data goes the way it went.
			if err := clearUserKeys(batch, child.GetStartKey(), child.GetEndKey()); err != nil {
				return nil, nil, err
			}
			continue
		}
		if err := writeInitial(batch, child, p.GetId(), appliedState{sizeBytes: share, gc: r.apl.gc, newest: r.apl.newest}); err != nil {
			return nil, nil, err
		}
		here = append(here, child)
	}
	r.apl.desc = regions[0]
	r.apl.sizeBytes = share
	r.mu.Lock()
	r.mu.bequest = req.GetLocks()
	r.mu.Unlock()
	return here, &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
		Cmd: &kvpb.AdminResponse_Split{Split: &kvpb.SplitResponse{Regions: regions}},
	}}}, nil
}
