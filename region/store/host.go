package store

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// processor is the store as the driver sees it.
type processor struct{ s *Store }

var _ multiraft.Processor = processor{}

func (p processor) Process(group uint64, work multiraft.Work, round *multiraft.Round) {
	if r := p.s.replica(group); r != nil {
		r.Process(work, round)
		p.s.wakeful.note(r)
	}
}

func (p processor) Deliver(group uint64, m *raftpb.Message) {
	if r := p.s.replica(group); r != nil && r.Deliver(m) {
		p.s.driver.Enqueue(group, multiraft.Requests)
	}
}

// host is the store as its replicas see it.
type host struct{ s *Store }

var _ replica.Host = host{}

func (h host) Enqueue(regionID uint64, f multiraft.Flags) { h.s.driver.Enqueue(regionID, f) }

func (h host) NeedTimestamp(r *replica.Replica, term uint64) {
	h.s.work.timestamps.push(timestampWait{r, term, nil})
}

func (h host) SendSnapshot(r *replica.Replica, m *raftpb.Message, to *multiraft.Envelope) {
	if !h.s.work.snapshots.pushMax(snapshotJob{r, m, to}, snapshotQueueMax) {
		r.SnapshotDone(m.GetTo(), errSnapshotQueue)
	}
}

func (h host) RunBlocking(f func()) { h.s.work.blocking.push(f) }

// slowQueueMax bounds the checksums that wait: each pins files of the engine.
const slowQueueMax = 16

func (h host) RunSlowly(f func()) bool { return h.s.work.slow.pushMax(f, slowQueueMax) }

func (h host) SendMessage(env *multiraft.Envelope) {
	h.s.transport.Send(env)
	h.s.transport.Flush()
}

func (h host) Tombstoned(regionID, peerID uint64) (bool, error) {
	t, found, err := h.s.eng.Logs.Tombstone(regionID)
	return found && peerID < t.MinPeerID, err
}

// Born makes the children of a split, after a sync of the state engine: a child
// must not acknowledge or vote while a crash could still take its state away. If
// the parent were filled by a raft snapshot after such a crash, nobody would make
// the child's state again.
func (h host) Born(parent *replica.Replica, children []*metapb.Region, lead bool) {
	s := h.s
	s.mu.Lock()
	for _, desc := range children {
		s.mu.births[desc.GetId()] = desc
	}
	s.mu.Unlock()
	h.RunBlocking(func() {
		fault.Hit("birth/before-sync")
		err := s.eng.State.Sync()
		fault.Hit("birth/after-sync")
		if err == nil {
			err = s.bear(parent, children, lead)
		}
		fault.Hit("birth/after-all")
		s.mu.Lock()
		for _, desc := range children {
			delete(s.mu.births, desc.GetId())
		}
		s.mu.Unlock()
		if err != nil {
			s.fatal(err)
			return
		}
		s.releaseHeld()
	})
}

// bear makes the children of a split. lead says that this store led the parent.
func (s *Store) bear(parent *replica.Replica, children []*metapb.Region, lead bool) error {
	made := make([]*replica.Replica, 0, len(children))
	for _, desc := range children {
		id := desc.GetId()
		if old := s.replica(id); old != nil {
			if !old.Shell() {
				return errBornTwice(id)
			}
			old.Retire("the region was born")
		}
		r, err := s.newReplica(id, region.PeerOn(desc, s.ident.StoreID).GetId(), true)
		if err != nil {
			return err
		}
		made = append(made, r)
	}
	// One sync for all, before any of them takes part.
	if err := s.eng.Logs.SyncRecovered(); err != nil {
		return err
	}
	for i, r := range made {
		r.InheritLocks(parent)
		s.addReplica(r.RegionID(), r)
		if lead && region.IsVoter(region.PeerOn(children[i], s.ident.StoreID).GetRole()) {
			// Nobody else has reason to be faster: the others' timers have only just
			// begun (rule B2).
			r.Campaign()
		}
		s.driver.Enqueue(r.RegionID(), multiraft.Requests|multiraft.Ready)
		host{s}.Changed(r)
	}
	return nil
}

func (s *Store) addReplica(id uint64, r *replica.Replica) {
	s.mu.Lock()
	s.putReplicaLocked(id, r)
	s.mu.Unlock()
	s.wakeful.note(r)
	s.touch(r)
}

func (h host) Initialised(*replica.Replica) {
	h.s.live.peersChanged.Store(true)
	h.s.releaseHeld()
}

func (h host) Removed(r *replica.Replica) { h.s.remove(r) }

// Liveness implements replica.Host.
func (h host) Liveness() (*liveness.View, time.Duration, bool) { return h.s.live.look() }

func (h host) Changed(r *replica.Replica) {
	s := h.s
	s.live.peersChanged.Store(true)
	s.wakeful.note(r)
	if s.o.OnLeader != nil {
		if i := r.Info(); i.Region != nil && !i.Destroyed {
			s.o.OnLeader(i.Region, i.Leader.GetStoreId(), i.Term)
		}
	}
	s.touch(r)
	s.reportSoon()
	s.mu.RLock()
	l := s.mu.locals[r.RegionID()]
	s.mu.RUnlock()
	if l != nil {
		l.changed(r)
	}
}

// Applied implements replica.Host.
func (h host) Applied(r *replica.Replica) { h.s.touch(r) }

func (h host) LockWaits() { h.s.locks.wake() }

func (h host) Fatal(err error) { h.s.fatal(err) }

// fatal ends the store: a disk failed, or data is damaged. Nothing is acknowledged
// any more.
func (s *Store) fatal(err error) {
	if !s.failed.CompareAndSwap(false, true) {
		return
	}
	s.log.Error("store failed", "error", err)
	s.o.Fatal(err)
}

// remove destroys a replica: first a synced tombstone in the log engine, which
// wins when the store is opened, then the state (rule C5).
func (s *Store) remove(r *replica.Replica) {
	id := r.RegionID()
	s.mu.Lock()
	if s.mu.removing[id] || s.mu.taking[id] || s.mu.replicas[id] != r {
		s.mu.Unlock()
		return
	}
	s.mu.removing[id] = true
	s.mu.Unlock()
	desc := r.Descriptor()
	r.Destroy(func() {
		err := s.erase(id, r.PeerID(), desc)
		s.mu.Lock()
		s.dropReplicaLocked(id)
		delete(s.mu.removing, id)
		s.mu.Unlock()
		if err != nil {
			s.fatal(err)
			return
		}
		s.log.Info("replica removed", "region", id, "peer", r.PeerID())
		s.releaseHeld()
		(host{s}).Changed(r)
	})
}

// erase removes what the engines hold of a replica. desc is nil for a shell.
func (s *Store) erase(id, peer uint64, desc *metapb.Region) error {
	// The tombstone is durable at once. A split that this replica has applied must
	// not be lost behind it: nobody would replay it.
	fault.Hit("destroy/before-sync")
	if err := s.eng.State.Sync(); err != nil {
		return err
	}
	fault.Hit("destroy/before-tombstone")
	if err := s.eng.Logs.Destroy(id, raftlog.Tombstone{MinPeerID: peer + 1}); err != nil {
		return err
	}
	fault.Hit("destroy/after-tombstone")
	if desc == nil {
		return nil
	}
	b := s.eng.State.NewBatch()
	defer b.Close()
	if err := replica.ClearState(b, desc); err != nil {
		return err
	}
	if err := s.eng.State.Apply(b, false); err != nil {
		return err
	}
	fault.Hit("destroy/after-clear")
	return nil
}

// storedRegions returns the ids of the regions that the state engine knows.
func storedRegions(r engine.Reader) (ids []uint64, err error) {
	span := keys.AllRegionLocalSpan()
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	for ok := it.First(); ok; {
		d, err := keys.Decode(it.Key())
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.RegionID)
		ok = it.SeekGE(keys.RegionLocalSpan(d.RegionID).End)
	}
	return ids, nil
}
