package replica

import (
	"bytes"
	"context"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region"
)

// ReceiveSnapshot hands a received raft snapshot over. It reports false if the
// replica does not take it; the caller discards it then.
func (r *Replica) ReceiveSnapshot(in *Incoming) bool {
	r.mu.Lock()
	ok := !r.mu.destroyed && !r.mu.installing && r.mu.incoming == nil
	if ok {
		r.mu.incoming = in
	}
	r.mu.Unlock()
	if ok {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
	}
	return ok
}

// stepSnapshot offers a received snapshot to Raft, which answers in the Ready
// that follows whether it wants it.
func (r *Replica) stepSnapshot(in *Incoming) {
	invariants.Assert(r.expects == nil, "region %d: two raft snapshots at once", r.cfg.RegionID)
	r.expects = in
	r.stepPeer(in.env)
}

// startInstall begins the installation that Raft asked for with m. Until it is
// over the group is not processed: storage messages must stay in order.
func (r *Replica) startInstall(m *raftpb.Message, round *multiraft.Round) {
	in := r.expects
	r.expects = nil
	invariants.Assert(in != nil && in.state.index == m.GetSnapshot().GetMetadata().GetIndex(),
		"region %d: raft restores a snapshot that did not come", r.cfg.RegionID)
	r.mu.Lock()
	r.mu.installing = true
	r.mu.Unlock()
	var hs *raftpb.HardState
	if m.Term != nil {
		// The new commit index lies behind the end of the log as it is now.
		hs = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: proto.Uint64(r.group.HardState().GetCommit())}
	}
	// Everything that this group gave to the log writer must be down before the
	// log is emptied.
	r.barrier(round, hs, func() {
		var takes []uint64
		for _, t := range in.takes {
			takes = append(takes, t.RegionID)
		}
		r.cfg.Host.Quiesce(r, takes, func() { r.install(in, m) })
	})
}

// install puts a raft snapshot in place, in the order of rule C5: state engine,
// log, acknowledgement. After a crash behind the first step, opening the store
// empties the log just the same.
func (r *Replica) install(in *Incoming, m *raftpb.Message) {
	ctx := context.Background()
	fault.Hit("install/before-ingest")
	if err := r.cfg.State.IngestAndExcise(ctx, in.paths, in.excise); err != nil {
		r.fatal("ingest raft snapshot", err)
		return
	}
	fault.Hit("install/after-ingest")
	if err := r.clearLeftovers(in); err != nil {
		r.fatal("clear what the region lost", err)
		return
	}
	fault.Hit("install/before-log-reset")
	if err := r.cfg.Logs.ResetTo(r.cfg.RegionID, in.state.index, in.state.term); err != nil {
		r.fatal("reset log", err)
		return
	}
	fault.Hit("install/after-log-reset")
	var takes []uint64
	for _, t := range in.takes {
		takes = append(takes, t.RegionID)
	}
	if err := r.cfg.Host.Absorbed(in.desc, takes); err != nil {
		r.fatal("remove a merged region", err)
		return
	}
	if len(m.GetEntries()) > 0 {
		b := r.cfg.Logs.NewBatch()
		defer b.Close()
		if err := b.Append(r.cfg.RegionID, nil, m.GetEntries()); err != nil {
			r.fatal("append behind raft snapshot", err)
			return
		}
		if err := b.Commit(); err != nil {
			r.fatal("append behind raft snapshot", err)
			return
		}
	}
	if o := r.cfg.Observer; o != nil {
		o.SnapshotInstalled(r.cfg.RegionID, r.cfg.StoreID, in.state.index, in.state.term)
	}
	r.apl = applyCursor{appliedState: in.state, desc: in.desc}
	r.durableConf = max(r.durableConf, in.desc.GetEpoch().GetConfVer())
	own, others := r.splitResponses(m.GetResponses())
	r.mu.Lock()
	r.mu.applied, r.mu.desc = in.state, in.desc
	r.shells.Store(false)
	r.mu.local = append(own, r.mu.local...)
	r.mu.installing = false
	r.mu.Unlock()
	r.pass.forget()

	r.log.Info("raft snapshot installed", "index", in.state.index, "epoch", in.desc.GetEpoch())
	r.cfg.Host.Initialised(r)
	in.finished()
	for _, env := range others {
		r.cfg.Host.SendMessage(env)
	}
	fault.Hit("install/after-acknowledgement")
	r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests|multiraft.Ready)
	r.cfg.Host.Changed(r)
}

// clearLeftovers deletes what lies in the old range but not in the new one: the
// region was split meanwhile, and its children come by raft snapshots of their
// own, which are refused as long as the old range stands.
func (r *Replica) clearLeftovers(in *Incoming) error {
	old := r.apl.desc
	if old == nil {
		return nil
	}
	b := r.cfg.State.NewBatch()
	defer b.Close()
	if s := in.desc.GetStartKey(); bytes.Compare(old.GetStartKey(), s) < 0 {
		if region.Overlaps(old, in.desc) || len(old.GetEndKey()) == 0 || bytes.Compare(s, old.GetEndKey()) < 0 {
			if err := clearUserKeys(b, old.GetStartKey(), s); err != nil {
				return err
			}
		}
	}
	if e := in.desc.GetEndKey(); len(e) != 0 && (len(old.GetEndKey()) == 0 || bytes.Compare(e, old.GetEndKey()) < 0) {
		if err := clearUserKeys(b, e, old.GetEndKey()); err != nil {
			return err
		}
	}
	if b.Empty() {
		return nil
	}
	return r.cfg.State.Apply(b, false)
}
