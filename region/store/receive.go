package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

var (
	errSnapshotQueue = errors.New("too many raft snapshots wait to be sent")
	errReceiving     = errors.New("another raft snapshot is being received")
)

func errBornTwice(id uint64) error {
	return fmt.Errorf("region %d is born, but has a replica here already", id)
}

const (
	// heldRegionsMax and heldMessagesMax bound messages to regions that are not
	// born yet; Raft repeats what is dropped.
	heldRegionsMax  = 256
	heldMessagesMax = 16
	// unknownQueueMax bounds messages to regions that are not here.
	unknownQueueMax  = 1024
	snapshotQueueMax = 256
)

// receiver is the store as the transport sees it.
type receiver struct{ s *Store }

var (
	_ multiraft.Receiver        = receiver{}
	_ multiraft.SnapshotHandler = receiver{}
)

// Receive implements multiraft.Receiver.
func (v receiver) Receive(env *multiraft.Envelope) {
	s := v.s
	if env.ToStore != s.ident.StoreID || s.closed.Load() || s.failed.Load() {
		return
	}
	if env.Liveness != nil {
		s.live.receive(*env.Liveness)
		return
	}
	r := s.replica(env.RegionID)
	switch {
	case r == nil:
		s.work.unknown.pushMax(env, unknownQueueMax)
	case env.ToPeer == r.PeerID():
		if r.Receive(env) {
			s.driver.Enqueue(env.RegionID, multiraft.Requests)
		}
	case env.ToPeer > r.PeerID() && env.ConfVer > r.Descriptor().GetEpoch().GetConfVer():
		// A member of a newer configuration knows of another peer on this store, so
		// the old one is none.
		s.remove(r)
	case env.ToPeer < r.PeerID() && replica.IsMemberQuestion(env):
		// Who asks has been away so long that it knows a former peer of this store. There
		// may be nobody else whom it knows, and this one can answer as well.
		if r.Receive(env) {
			s.driver.Enqueue(env.RegionID, multiraft.Requests)
		}
	}
}

// ReportUnreachable implements multiraft.Receiver.
func (v receiver) ReportUnreachable(group, toPeer uint64) {
	if r := v.s.replica(group); r != nil {
		r.ReportUnreachable(toPeer)
		v.s.driver.Enqueue(group, multiraft.Requests)
	}
}

// receiveUnknown handles a message to a region that is not here: one that is not
// born yet, one that comes to this store, or one that left it (rule B4).
func (s *Store) receiveUnknown(env *multiraft.Envelope) {
	if r := s.replica(env.RegionID); r != nil {
		receiver{s}.Receive(env)
		return
	}
	dead, err := (host{s}).Tombstoned(env.RegionID, env.ToPeer)
	if err != nil {
		s.fatal(err)
		return
	}
	if dead {
		s.tellMerged(env)
	}
	if dead || !env.HasRange {
		return
	}
	s.mu.Lock()
	if s.mu.births[env.RegionID] != nil || s.coveredLocked(env.RegionID, env.StartKey, env.EndKey) {
		s.holdLocked(env)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	switch env.Message.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat:
	default:
		return // only a leader makes a shell
	}
	if s.shell(env.RegionID, env.ToPeer) != nil {
		receiver{s}.Receive(env)
	}
}

// shell makes a replica that waits for a raft snapshot.
func (s *Store) shell(regionID, peerID uint64) *replica.Replica {
	r, err := s.newReplica(regionID, peerID, true)
	if err == nil {
		err = s.eng.Logs.SyncRecovered()
	}
	if err != nil {
		s.log.Error("no replica can be made", "region", regionID, "error", err)
		return nil
	}
	s.mu.Lock()
	if have := s.mu.replicas[regionID]; have != nil {
		s.mu.Unlock()
		return have
	}
	s.putReplicaLocked(regionID, r)
	s.mu.Unlock()
	s.wakeful.note(r)
	s.touch(r)
	return r
}

// coveredLocked reports whether a replica of another region, or a raft snapshot
// of one that is being received, holds a key of [start, end).
func (s *Store) coveredLocked(regionID uint64, start, end []byte) bool {
	for id, r := range s.mu.replicas {
		if id == regionID || s.mu.taking[id] {
			continue
		}
		if d := r.Descriptor(); d != nil && region.RangesOverlap(start, end, d.GetStartKey(), d.GetEndKey()) {
			return true
		}
	}
	for id, d := range s.mu.births {
		if id != regionID && region.RangesOverlap(start, end, d.GetStartKey(), d.GetEndKey()) {
			return true
		}
	}
	for id, d := range s.mu.reserved {
		if id != regionID && region.RangesOverlap(start, end, d.GetStartKey(), d.GetEndKey()) {
			return true
		}
	}
	return false
}

func (s *Store) holdLocked(env *multiraft.Envelope) {
	held := s.mu.held[env.RegionID]
	if len(held) == 0 && len(s.mu.held) >= heldRegionsMax {
		return
	}
	if len(held) >= heldMessagesMax {
		held = held[1:]
	}
	s.mu.held[env.RegionID] = append(held, env)
}

// releaseHeld looks at held messages again after the map of ranges changed.
func (s *Store) releaseHeld() {
	s.mu.Lock()
	held := s.mu.held
	if len(held) > 0 {
		s.mu.held = make(map[uint64][]*multiraft.Envelope)
	}
	s.mu.Unlock()
	ids := make([]uint64, 0, len(held))
	for id := range held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		for _, env := range held[id] {
			s.work.unknown.pushMax(env, unknownQueueMax)
		}
	}
}

// HandleSnapshot implements multiraft.SnapshotHandler: it writes the stream into
// files and hands them to the replica. The sender learns from Raft when the
// snapshot is installed.
func (v receiver) HandleSnapshot(_ context.Context, h multiraft.SnapshotHeader, next func() ([]byte, error)) error {
	s := v.s
	if s.closed.Load() || s.failed.Load() {
		return errors.New("store is not serving")
	}
	desc, err := replica.SnapshotDescriptor(h)
	if err != nil {
		return err
	}
	id, peer := desc.GetId(), h.Envelope.ToPeer
	if p := region.PeerByID(desc, peer); p == nil || p.GetStoreId() != s.ident.StoreID {
		return fmt.Errorf("raft snapshot of region %d: peer %d is no member on store %d", id, peer, s.ident.StoreID)
	}
	dead, err := (host{s}).Tombstoned(id, peer)
	if err != nil {
		return err
	}
	if dead {
		return fmt.Errorf("raft snapshot of region %d: peer %d was removed", id, peer)
	}
	takes, err := s.reserve(desc)
	if err != nil {
		return err
	}
	r := s.replica(id)
	if r == nil {
		r = s.shell(id, peer)
	}
	if r == nil || r.PeerID() != peer {
		s.unreserve(id)
		return fmt.Errorf("raft snapshot of region %d: peer %d is not here", id, peer)
	}
	fault.Hit("snapshot/before-receive")
	name := fmt.Sprintf("snapshot-%d-%d", id, s.snapshotSeq.Add(1))
	in, err := replica.ReadSnapshot(s.eng.State, name, h, takes, func() ([]byte, error) {
		if s.closed.Load() {
			return nil, errors.New("store is stopping")
		}
		return next()
	})
	if err != nil {
		s.unreserve(id)
		return err
	}
	s.snapshotsGot.Add(1)
	fault.Hit("snapshot/after-receive")
	in.OnDone(func() { s.unreserve(id) })
	if !r.ReceiveSnapshot(in) {
		in.Discard()
		return fmt.Errorf("raft snapshot of region %d: the replica is busy", id)
	}
	return nil
}

// reserve keeps the range of a raft snapshot free of other regions until it is
// installed or thrown away. One is received at a time. It returns the replicas here
// whose regions this one has taken: they go with the installation.
func (s *Store) reserve(desc *metapb.Region) ([]replica.Taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.reserved) > 0 {
		return nil, errReceiving
	}
	if s.mu.births[desc.GetId()] != nil {
		return nil, fmt.Errorf("region %d is being born", desc.GetId())
	}
	if s.mu.removing[desc.GetId()] {
		return nil, fmt.Errorf("region %d is being removed", desc.GetId())
	}
	takes := s.takenLocked(desc)
	for _, t := range takes {
		if s.mu.removing[t.RegionID] {
			return nil, fmt.Errorf("region %d is being removed", t.RegionID)
		}
		s.mu.taking[t.RegionID] = true
	}
	if s.coveredLocked(desc.GetId(), desc.GetStartKey(), desc.GetEndKey()) {
		clear(s.mu.taking)
		return nil, fmt.Errorf("raft snapshot of region %d overlaps another region here", desc.GetId())
	}
	s.mu.reserved[desc.GetId()] = desc
	return takes, nil
}

func (s *Store) unreserve(id uint64) {
	s.mu.Lock()
	delete(s.mu.reserved, id)
	clear(s.mu.taking)
	s.mu.Unlock()
	s.releaseHeld()
}
