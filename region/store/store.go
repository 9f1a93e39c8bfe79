package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/locktable"
	"github.com/quorate-db/quorate/region/replica"
)

// Store is one store's replicas and what serves them.
type Store struct {
	o         Options
	eng       *Engines
	ident     Ident
	log       *slog.Logger
	transport multiraft.Transport
	driver    *multiraft.Driver
	group     *stop.Group
	live      *storeLiveness
	counters  replica.Counters
	work      queues
	wakeful   awakeSet
	starter   starter
	probes    probes
	touched   noted // since the last sync
	loaded    noted // requests have come lately
	gcNext    int   // where checkGarbage goes on; used by the sync loop alone
	logsLong  bool  // see shortenLogs; likewise
	locks     lockWatch
	gateways  verdicts
	failed    atomic.Bool
	closed    atomic.Bool

	snapshotsSent, snapshotsGot atomic.Uint64
	withdrawals                 atomic.Uint64
	loadSplits                  atomic.Uint64
	snapshotSeq                 atomic.Uint64

	rand struct {
		sync.Mutex
		env.Rand
	}

	mu struct {
		sync.RWMutex
		replicas map[uint64]*replica.Replica
		// ids and list are the same, sorted by id; replaced, never changed.
		ids  []uint64
		list []*replica.Replica
		// reserved holds the ranges of raft snapshots that are being received.
		reserved map[uint64]*metapb.Region
		held     map[uint64][]*multiraft.Envelope
		locals   map[uint64]*Local
		removing map[uint64]bool
		// births holds children of splits that wait for the state engine's sync.
		births map[uint64]*metapb.Region
		// taking holds the regions that go with the raft snapshot that is being received.
		taking map[uint64]bool
		// merged says which region has taken another one that was here.
		merged map[uint64]uint64
	}

	gc struct {
		sync.Mutex
		point GCPoint
	}
	gcDeleted atomic.Uint64
	space     space
	splitAt   atomic.Int64 // see SetSplitSize
	loadMax   atomic.Int64 // see SetSplitRequests

	reports struct {
		todo noted
		soon chan struct{} // of capacity one
		sync.Mutex
		last map[uint64]reported
	}
}

// Open loads the store from its engines and, unless Manual, starts to serve. The
// engines must hold an identity (Bootstrap or WriteIdent).
func Open(e *Engines, o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	ident, found, err := e.Ident()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if !found {
		return nil, errors.New("open store: it belongs to no cluster yet")
	}
	s := &Store{
		o: o, eng: e, ident: ident,
		log:   o.Logger.With("store", ident.StoreID),
		group: stop.NewGroup(context.Background()),
	}
	s.rand.Rand = o.Rand
	s.mu.replicas = make(map[uint64]*replica.Replica)
	s.mu.reserved = make(map[uint64]*metapb.Region)
	s.mu.held = make(map[uint64][]*multiraft.Envelope)
	s.mu.locals = make(map[uint64]*Local)
	s.mu.removing = make(map[uint64]bool)
	s.mu.births = make(map[uint64]*metapb.Region)
	s.mu.taking = make(map[uint64]bool)
	s.mu.merged = make(map[uint64]uint64)
	s.reports.last = make(map[uint64]reported)
	s.work.init()
	s.initLists()
	s.reports.soon = make(chan struct{}, 1)
	boot, err := e.nextBoot()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.live = newStoreLiveness(s, boot)
	s.gateways.boot, s.gateways.by = boot, make(map[locktable.Gateway]verdict)
	s.locks.init()
	if s.transport, err = o.Transport(receiver{s}, receiver{s}); err != nil {
		return nil, fmt.Errorf("open store: transport: %w", err)
	}
	s.driver, err = multiraft.New(multiraft.Options{
		Log: multiraft.RaftLog(e.Logs), State: e.State, Transport: s.transport, Processor: processor{s},
		Clock: o.Clock, Workers: o.Workers, TickInterval: o.TickInterval, Manual: o.Manual,
		Groups: s.awake, Logger: s.log, Fatal: s.fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.wakeful.added = s.driver.Stir
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open store %d: %w", ident.StoreID, err)
	}
	now, _ := s.live.clock()
	s.starter.init(s.all(), now)
	if err := s.driver.Start(); err != nil {
		return nil, fmt.Errorf("open store %d: %w", ident.StoreID, err)
	}
	s.live.open.Store(true)
	s.driver.EnqueueAll(s.groups(), multiraft.Requests|multiraft.Ready)
	if !o.Manual {
		s.startWorkers()
	}
	return s, nil
}

// Ident returns which store this is.
func (s *Store) Ident() Ident { return s.ident }

// load makes the replicas that the state engine knows and finishes removals that
// a crash cut short.
func (s *Store) load() error {
	ids, err := storedRegions(s.eng.State)
	if err != nil {
		return err
	}
	var loaded []*metapb.Region
	for _, id := range ids {
		merged, err := replica.LoadMerged(s.eng.State, id)
		if err != nil {
			return err
		}
		if merged {
			s.log.Info("finishes the removal of a region that was merged", "region", id)
			if err := s.eraseMerged(id); err != nil {
				return err
			}
			continue
		}
		desc, err := replica.LoadDescriptor(s.eng.State, id)
		if err != nil {
			return err
		}
		peer, found, err := replica.LoadPeer(s.eng.State, id)
		if err != nil {
			return err
		}
		if desc == nil || !found {
			return fmt.Errorf("region %d: its state is incomplete", id)
		}
		dead, err := host{s}.Tombstoned(id, peer)
		if err != nil {
			return err
		}
		if dead || region.PeerByID(desc, peer) == nil {
			fault.Hit("destroy/before-finish-at-open")
			s.log.Info("finishes the removal of a replica", "region", id, "peer", peer)
			if err := s.erase(id, peer, desc); err != nil {
				return err
			}
			continue
		}
		r, err := s.newReplica(id, peer, false)
		if err != nil {
			return err
		}
		loaded = append(loaded, desc)
		s.mu.replicas[id] = r
		s.mu.ids, s.mu.list = append(s.mu.ids, id), append(s.mu.list, r) // ids come sorted
		s.wakeful.note(r)
		s.touch(r)
	}
	slices.SortFunc(loaded, func(a, b *metapb.Region) int { return bytes.Compare(a.GetStartKey(), b.GetStartKey()) })
	for i := range loaded[min(1, len(loaded)):] {
		if a, b := loaded[i], loaded[i+1]; region.Overlaps(a, b) {
			return fmt.Errorf("%s and %s overlap", region.Describe(a), region.Describe(b))
		}
	}
	return s.eng.Logs.SyncRecovered()
}

// putReplicaLocked adds a replica to the map. Requires: s.mu held.
func (s *Store) putReplicaLocked(id uint64, r *replica.Replica) {
	s.mu.replicas[id] = r
	i, found := slices.BinarySearch(s.mu.ids, id)
	s.mu.ids, s.mu.list = slices.Clone(s.mu.ids), slices.Clone(s.mu.list)
	if found {
		s.mu.list[i] = r
		return
	}
	s.mu.ids, s.mu.list = slices.Insert(s.mu.ids, i, id), slices.Insert(s.mu.list, i, r)
}

// dropReplicaLocked takes a replica out of the map. Requires: s.mu held.
func (s *Store) dropReplicaLocked(id uint64) {
	delete(s.mu.replicas, id)
	if i, found := slices.BinarySearch(s.mu.ids, id); found {
		s.mu.ids, s.mu.list = slices.Delete(slices.Clone(s.mu.ids), i, i+1), slices.Delete(slices.Clone(s.mu.list), i, i+1)
	}
}

func (s *Store) newReplica(regionID, peerID uint64, fresh bool) (*replica.Replica, error) {
	s.rand.Lock()
	seed := s.rand.Uint64()
	s.rand.Unlock()
	return replica.New(replica.Config{
		StoreID: s.ident.StoreID, RegionID: regionID, PeerID: peerID,
		State: s.eng.State, Logs: s.eng.Logs, Clock: s.o.Clock, Rand: env.SeededRand(seed),
		Logger: s.o.Logger, Host: host{s}, Counters: &s.counters, Observer: s.o.Observer,
		TickInterval: s.o.TickInterval, DisableLeases: s.o.DisableLeases, Raft: s.o.Raft,
	}, fresh)
}

func (s *Store) replica(id uint64) *replica.Replica {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.replicas[id]
}

// groups returns the ids of all replicas, sorted.
func (s *Store) groups() []uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.ids
}

// all returns the replicas, ordered by region id. The slice must not be changed.
func (s *Store) all() []*replica.Replica {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.list
}

// Close stops serving: requests under way are answered with Unavailable or
// Ambiguous. The engines and the transport stay open. Their owner closes the
// transport next, and the engines when all calls of Send and of the transport have
// returned. A second Close does nothing.
func (s *Store) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.work.close()
	s.driver.Stop()
	s.group.Stop()
	for _, r := range s.all() {
		r.Stop("the store is stopping")
	}
	return nil
}

// Regions lists the initialised replicas, ordered by start key.
func (s *Store) Regions() []RegionInfo {
	var out []RegionInfo
	for _, r := range s.all() {
		i := r.Info()
		if i.Region == nil || i.Destroyed {
			continue
		}
		fence, collect := r.GCBounds()
		out = append(out, RegionInfo{
			Fence: fence, Collect: collect,
			Region: region.Clone(i.Region), Peer: i.Peer, Leader: i.Leader, Term: i.Term,
			AppliedIndex: i.AppliedIndex, SizeBytes: i.SizeBytes,
		})
	}
	slices.SortFunc(out, func(a, b RegionInfo) int {
		return cmp.Compare(string(a.Region.GetStartKey()), string(b.Region.GetStartKey()))
	})
	return out
}

// Stats returns counters.
func (s *Store) Stats() Stats {
	st := Stats{
		Proposals: s.counters.Proposals.Load(), ProposalsFailed: s.counters.ProposalsFailed.Load(),
		LeaseReads: s.counters.LeaseReads.Load(), ReadIndexReads: s.counters.ReadIndexReads.Load(),
		SnapshotsSent: s.snapshotsSent.Load(), SnapshotsGot: s.snapshotsGot.Load(),
		Splits: s.counters.Splits.Load(), Merges: s.counters.Merges.Load(), LoadSplits: s.loadSplits.Load(), Collected: s.gcDeleted.Load(), Withdrawals: s.withdrawals.Load(),
		LogBytes: s.eng.Logs.SizeBytes(), Driver: s.driver.Metrics(),
	}
	st.Replicas, st.Leaders = len(s.all()), int(s.counters.Leaders.Load())
	return st
}
