package replica

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// pausedApply is the rest of a batch of committed entries, of which the first makes
// the region take its neighbour. That waits for disks, so it is done aside: the group
// is not processed until the state engine has it.
type pausedApply struct {
	entries   []*raftpb.Entry
	responses []*raftpb.Message
	took      *kvpb.CommitMerge
	id, term  uint64 // of the command
}

// takesSource returns what a committed entry makes the region take, nil if it does
// not. All replicas come to the same answer.
func (r *Replica) takesSource(e *raftpb.Entry) *kvpb.CommitMerge {
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
		return nil
	}
	c, err := decodeCommand(e.GetData())
	if err != nil || c.kind != cmdCommitMerge || r.checkCommand(&c, e.GetTerm()) != nil {
		return nil
	}
	took := &kvpb.CommitMerge{}
	if proto.Unmarshal(c.payload, took) != nil {
		return nil
	}
	src, merging := took.GetSource(), took.GetSource().GetMerging()
	if merging.GetTarget() != r.cfg.RegionID || region.CompareEpoch(merging.GetTargetEpoch(), r.apl.desc.GetEpoch()) != 0 ||
		!bytes.Equal(src.GetStartKey(), r.apl.desc.GetEndKey()) {
		return nil
	}
	return took
}

// pauseApply ends the apply of a batch before an entry by which the region takes
// another. results is what comes before it.
func (r *Replica) pauseApply(p *pausedApply, results []appliedEntry, round *multiraft.Round) {
	c, err := decodeCommand(p.entries[0].GetData())
	if err != nil {
		r.fatal("apply", err)
		return
	}
	p.id, p.term = c.id, c.term
	r.mu.Lock()
	r.mu.installing = true
	r.mu.Unlock()
	source := p.took.GetSource().GetId()
	round.AfterApply(func() {
		r.finishApply(nil, results)
		r.cfg.Host.Quiesce(r, []uint64{source}, func() { r.absorb(p) })
	})
}

// absorb takes the source: one synced batch, then what is left of the source goes. A
// crash before the batch leaves both regions as they were, and the entry is applied
// again; after it, the store's open finds the mark and removes the rest (rule C7).
func (r *Replica) absorb(p *pausedApply) {
	src := p.took.GetSource()
	if err := r.checkSource(src); err != nil {
		r.fatal("apply merge", err)
		return
	}
	desc := absorbing(r.apl.desc, src)
	batch := r.cfg.State.NewBatch()
	defer batch.Close()
	before := r.apl.desc
	r.apl.desc = desc
	r.apl.sizeBytes += int64(p.took.GetSizeBytes())
	r.apl.gc.fence = max(r.apl.gc.fence, timestamp.Timestamp(p.took.GetFence()))
	r.apl.gc.collect = max(r.apl.gc.collect, timestamp.Timestamp(p.took.GetCollect()))
	source, err := loadApplied(r.cfg.State, src.GetId())
	if err != nil {
		r.fatal("apply merge", err)
		return
	}
	r.apl.newest = max(r.apl.newest, source.newest)
	r.applied(p.entries[0])
	if !r.writeProgress(batch, before) {
		return
	}
	if err := clearAbsorbed(batch, src.GetId(), region.PeerOn(src, r.cfg.StoreID).GetId()); err != nil {
		r.fatal("apply merge", err)
		return
	}
	fault.Hit("merge/before-take")
	if err := r.cfg.State.Apply(batch, true); err != nil {
		r.fatal("apply merge", err)
		return
	}
	fault.Hit("merge/after-take")
	if err := r.cfg.Host.Absorbed(desc, []uint64{src.GetId()}); err != nil {
		r.fatal("remove a merged region", err)
		return
	}
	r.pass.forget()
	r.cfg.Counters.Merges.Add(1)
	r.log.Info("merged", "source", src.GetId(), "epoch", desc.GetEpoch())
	r.mu.Lock()
	r.paused = p
	r.mu.installing = false
	r.mu.Unlock()
	r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests|multiraft.Ready)
}

// checkSource compares the source's state on this store with what the target takes.
// Every replica of the source has made its end durable before the target's log
// decided, so anything else means that acknowledged state is lost.
func (r *Replica) checkSource(src *metapb.Region) error {
	have, err := LoadDescriptor(r.cfg.State, src.GetId())
	if err != nil {
		return err
	}
	if !proto.Equal(have, src) {
		return fmt.Errorf("%s is here as %s, merging %v", region.Describe(src), region.Describe(have), have.GetMerging())
	}
	return nil
}

// absorbing returns the target's descriptor after it took the source. Its version is
// above both.
func absorbing(target, source *metapb.Region) *metapb.Region {
	desc := region.Clone(target)
	desc.EndKey = bytes.Clone(source.GetEndKey())
	desc.Epoch.Version = max(target.GetEpoch().GetVersion(), source.GetEpoch().GetVersion()) + 1
	// What the source knew of merges into it is asked of the target from now on. It bears
	// the target's version, so that the versions of the list rise: by its first one the
	// target knows which attempts it may have forgotten.
	for _, a := range source.GetAbsorbed() {
		desc.Absorbed = append(desc.Absorbed, &metapb.Absorbed{
			RegionId: a.GetRegionId(), Index: a.GetIndex(), TargetVersion: target.GetEpoch().GetVersion(),
		})
	}
	desc.Absorbed = append(desc.Absorbed, &metapb.Absorbed{
		RegionId: source.GetId(), Index: source.GetMerging().GetIndex(), TargetVersion: target.GetEpoch().GetVersion(),
	})
	if n := len(desc.Absorbed); n > absorbedMax {
		desc.Absorbed = desc.Absorbed[n-absorbedMax:]
	}
	return desc
}

// resumeApply goes on with what was paused, and reports whether it paused again.
// Process only.
func (r *Replica) resumeApply(round *multiraft.Round) (pausedAgain bool) {
	r.mu.Lock()
	p := r.paused
	r.paused = nil
	r.mu.Unlock()
	if p == nil {
		return false
	}
	res := appliedEntry{
		id: p.id, term: p.term, locks: &carried{}, took: p.took,
		resp: &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
			Cmd: &kvpb.AdminResponse_Merge{Merge: &kvpb.MergeResponse{Region: r.apl.desc}},
		}}},
	}
	if len(p.entries) == 1 {
		r.finishApply(p.responses, []appliedEntry{res})
		return false
	}
	r.finishApply(nil, []appliedEntry{res})
	r.apply(&raftpb.Message{Entries: p.entries[1:], Responses: p.responses}, round)
	return r.installingNow()
}

// nameMerged marks, in place of its state, a region that another one has taken:
// its log is still to be removed.
const nameMerged = "merged"

// clearAbsorbed replaces a taken region's own state by the mark.
func clearAbsorbed(w engine.Writer, regionID, peerID uint64) error {
	span := keys.RegionLocalSpan(regionID)
	if err := w.DeleteRange(span.Start, span.End); err != nil {
		return err
	}
	return w.Set(keys.RegionLocal(regionID, nameMerged), binary.AppendUvarint(nil, peerID))
}

// LoadMerged reports whether the region's state is only the mark that another region
// took it.
func LoadMerged(e engine.Reader, regionID uint64) (bool, error) {
	_, found, err := e.Get(keys.RegionLocal(regionID, nameMerged))
	return found, err
}

// ClearMerged removes the mark.
func ClearMerged(w engine.Writer, regionID uint64) error {
	return w.Delete(keys.RegionLocal(regionID, nameMerged))
}

// TakenBy reports whether a newer state of target holds all of a region that is being
// merged into it: then the region was taken, and is no more.
func TakenBy(source, target *metapb.Region) bool {
	m := source.GetMerging()
	if m == nil || !region.ContainsRange(target, source.GetStartKey(), source.GetEndKey()) {
		return false
	}
	return m.GetTarget() == target.GetId() || region.Absorbed(target, m.GetTarget())
}
