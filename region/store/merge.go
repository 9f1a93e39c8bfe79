package store

import (
	"math"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// mergedForEver is the tombstone of a region that another one has taken: no peer of
// it lives here again.
const mergedForEver = math.MaxUint64

// mergedMax bounds what the store remembers of regions that were taken, to tell
// whoever still asks for them. Who is not told asks the directory.
const mergedMax = 1024

func (h host) FreshTimestamp(r *replica.Replica, term uint64, f func(timestamp.Timestamp)) {
	h.s.work.timestamps.push(timestampWait{r, term, f})
}

func (h host) Replica(regionID uint64) *replica.Replica { return h.s.replica(regionID) }

func (h host) Taker(regionID uint64) *replica.Replica {
	for _, r := range h.s.all() {
		if region.Absorbed(r.Descriptor(), regionID) {
			return r
		}
	}
	return nil
}

func (h host) Awaited(target uint64) bool {
	for _, r := range h.s.all() {
		if r.Descriptor().GetMerging().GetTarget() == target {
			return true
		}
	}
	return false
}

// Quiesce implements replica.Host.
func (h host) Quiesce(target *replica.Replica, sources []uint64, then func()) {
	s := h.s
	var list []*replica.Replica
	s.mu.Lock()
	for _, id := range sources {
		if r := s.mu.replicas[id]; r != nil {
			s.mu.removing[id] = true
			list = append(list, r)
		}
	}
	s.mu.Unlock()
	// One after the other: there is hardly ever more than one.
	var next func()
	next = func() {
		if len(list) == 0 {
			then()
			return
		}
		r := list[0]
		list = list[1:]
		r.Destroy(next)
	}
	h.RunBlocking(next)
}

// Absorbed implements replica.Host. The order is that of rule C7: the target's state is
// durable, so the log goes, and the mark last.
func (h host) Absorbed(target *metapb.Region, sources []uint64) error {
	s := h.s
	for _, id := range sources {
		if err := s.eraseMerged(id); err != nil {
			return err
		}
		s.mu.Lock()
		r := s.mu.replicas[id]
		s.dropReplicaLocked(id)
		delete(s.mu.removing, id)
		if len(s.mu.merged) >= mergedMax {
			clear(s.mu.merged)
		}
		s.mu.merged[id] = target.GetId()
		s.mu.Unlock()
		s.live.peersChanged.Store(true)
		if r != nil {
			h.Changed(r)
		}
	}
	if len(sources) > 0 {
		s.releaseHeld()
	}
	return nil
}

// eraseMerged removes the log of a region that was taken, durably, and then the mark
// that says so.
func (s *Store) eraseMerged(id uint64) error {
	fault.Hit("merge/before-tombstone")
	if err := s.eng.Logs.Destroy(id, raftlog.Tombstone{MinPeerID: mergedForEver}); err != nil {
		return err
	}
	fault.Hit("merge/after-tombstone")
	b := s.eng.State.NewBatch()
	defer b.Close()
	if err := replica.ClearMerged(b, id); err != nil {
		return err
	}
	return s.eng.State.Apply(b, false)
}

// mergedAway reports whether a region was taken by another one.
func (s *Store) mergedAway(id uint64) (bool, error) {
	t, found, err := s.eng.Logs.Tombstone(id)
	return found && t.MinPeerID == mergedForEver, err
}

// tellMerged answers a member, or a former one, of a region that was taken: nobody else
// is left to tell it.
func (s *Store) tellMerged(env *multiraft.Envelope) {
	switch env.Message.GetType() {
	case raftpb.MsgReadIndex, raftpb.MsgVote, raftpb.MsgPreVote:
	default:
		return
	}
	if away, err := s.mergedAway(env.RegionID); err != nil || !away {
		return
	}
	host{s}.SendMessage(&multiraft.Envelope{
		RegionID: env.RegionID, FromStore: s.ident.StoreID, ToStore: env.FromStore, FromPeer: env.ToPeer, ToPeer: env.FromPeer,
		Message: &raftpb.Message{
			Type: raftpb.MsgReadIndexResp.Enum(), From: proto.Uint64(env.ToPeer), To: proto.Uint64(env.FromPeer), Reject: proto.Bool(true),
		},
	})
}

// MergedAway implements replica.Host. A replica whose target is still to take it stays:
// the target needs its state to apply the merge. A target of a newer version got past
// that by a raft snapshot, wherever its range ends by now.
func (h host) MergedAway(r *replica.Replica) {
	if m := r.Descriptor().GetMerging(); m != nil {
		if t := h.s.replica(m.GetTarget()); t != nil {
			if d := t.Descriptor(); d != nil && d.GetEpoch().GetVersion() <= m.GetTargetEpoch().GetVersion() {
				return
			}
		}
	}
	h.s.remove(r)
}

// notHere is the answer to a request to a region without a replica on this store.
func (s *Store) notHere(id uint64) *kvpb.RegionError {
	s.mu.RLock()
	var target *replica.Replica
	for t, n := s.mu.merged[id], 0; t != 0 && target == nil && n < 16; t, n = s.mu.merged[t], n+1 {
		target = s.mu.replicas[t]
	}
	s.mu.RUnlock()
	if d := target; d != nil && d.Descriptor() != nil {
		return region.EpochNotMatch(region.Clone(d.Descriptor()))
	}
	return region.NotFound(id)
}

// takenLocked returns the replicas that a raft snapshot of a region replaces: those of
// regions that it has taken. Requires: s.mu held.
func (s *Store) takenLocked(desc *metapb.Region) (out []replica.Taken) {
	for id, r := range s.mu.replicas {
		if id != desc.GetId() && replica.TakenBy(r.Descriptor(), desc) {
			out = append(out, replica.Taken{RegionID: id, PeerID: r.PeerID()})
		}
	}
	slices.SortFunc(out, func(a, b replica.Taken) int { return int(a.RegionID) - int(b.RegionID) })
	return out
}
